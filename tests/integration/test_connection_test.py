"""The connection test ends within ten seconds, whatever hangs, and says in words what did."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ThreadedResolver

from airflow_mirrordb.client.wire.resolver import Resolver
from airflow_mirrordb.client.wire.threads import in_thread
from airflow_mirrordb.hooks.connections.check import TEST_TIMEOUT
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.backends import ScriptedBackend, silent_backend
from tests.support.clocks import loop_time
from tests.support.connections import SetConnection

SLOW = "slow.invalid"
OAUTH = {"auth_type": "oauth2", "oauth_url": f"https://{SLOW}/token"}


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Look-ups that hang until the end of the test: of names, and of the connection ``hangs``."""
    end = threading.Event()
    names, connections = socket.getaddrinfo, MirrorDBHook.get_connection

    def hang() -> None:
        assert threading.current_thread().daemon, "a loop and the process wait for the threads of executors"
        loop_time.advance(TEST_TIMEOUT)
        end.wait(60)

    def look_up_name(host: Any, *args: Any, **options: Any) -> Any:
        if SLOW in str(host):
            hang()
        return names(host, *args, **options)

    def look_up_connection(conn_id: str) -> Any:
        if conn_id == "hangs":
            hang()
        return connections(conn_id)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_name)
    monkeypatch.setattr(MirrorDBHook, "get_connection", staticmethod(look_up_connection))
    yield end
    end.set()


@pytest.mark.parametrize(
    ("host", "extra"),
    [
        (f"https://{SLOW}", {}),
        ("https://backend.example", {"proxy": f"http://{SLOW}:3128"}),
        ("https://127.0.0.1:1", OAUTH),
    ],
    ids=["of the backend", "of the proxy", "of the authorization server"],
)
def test_a_name_whose_look_up_hangs(
    set_connection: SetConnection, hanging: threading.Event, host: str, extra: dict[str, str]
) -> None:
    """Getaddrinfo cannot be cancelled; the test of the connection does not wait for it."""
    set_connection(host, login="id", password="s3cret", extra=extra)
    worked, message = MirrorDBHook().test_connection()
    assert not worked
    assert message.startswith("Not reached: ")
    assert f" s: the name {SLOW!r} was not resolved)" in message
    assert ("gave no token" in message) == (extra == OAUTH)
    assert not hanging.is_set()


@pytest.mark.parametrize(
    ("host", "extra", "words"),
    [
        ("{silent}", {}, "No answer in time: the backend was reached, "),
        ("{silent_tls}", {}, " s: the TLS handshake did not end)"),
        ("https://backend.example", {"proxy": "{silent}"}, " s: the proxy did not answer)"),
        ("http://backend.example", {"proxy": "{silent}"}, "(http://backend.example did not answer within "),
        (
            "http://127.0.0.1:1",
            {"auth_type": "oauth2", "oauth_url": "{silent}/token"},
            "(the authorization server gave no token: {silent} did not answer within ",
        ),
    ],
    ids=["backend", "TLS", "proxy to https", "proxy to http", "authorization server"],
)
def test_a_server_that_says_nothing(
    set_connection: SetConnection, host: str, extra: dict[str, str], words: str
) -> None:
    """Whichever of them; the message names it."""
    with silent_backend(TEST_TIMEOUT) as silent:
        urls = {"silent": silent, "silent_tls": silent.replace("http:", "https:")}
        extras = {name: value.format(**urls) for name, value in extra.items()}
        set_connection(host.format(**urls), login="id", password="s3cret", extra=extras)
        worked, message = MirrorDBHook().test_connection()
    assert not worked
    assert words.format(**urls) in message


def test_a_look_up_of_the_connection_that_hangs(hanging: threading.Event) -> None:
    """Secrets backends are servers as well."""
    worked, message = MirrorDBHook("hangs").test_connection()
    assert not worked
    assert message.startswith("Connection not found: its look-up did not end within 8 s.")
    assert "secrets backends" in message
    assert not hanging.is_set()


def test_a_look_up_that_fails_raises_what_it_raised(set_connection: SetConnection) -> None:
    """As before there was a thread in between."""
    with pytest.raises(Exception, match="nosuch"):
        MirrorDBHook("nosuch").test_connection()


def test_the_look_up_leaves_the_rest_of_the_time(
    scripted: ScriptedBackend, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend that answers at once is found there, however long Airflow took."""
    set_connection(scripted.url, extra={"test_endpoint": "api/users"})
    scripted.answer(200, {})
    look_up = MirrorDBHook._look_up

    def slow(self: MirrorDBHook) -> Any:
        config = look_up(self)
        loop_time.advance(TEST_TIMEOUT / 3)
        return config

    monkeypatch.setattr(MirrorDBHook, "_look_up", slow)
    assert MirrorDBHook().test_connection()[0]


async def test_the_test_is_refused_in_an_event_loop() -> None:
    """As everything of the hook that is not asynchronous."""
    with pytest.raises(RuntimeError, match="inside an event loop"):
        MirrorDBHook().test_connection()


PROCESS = f"""
import asyncio, json, os, socket, sys, threading
from tests.support.clocks import loop_time
asyncio.BaseEventLoop.time = lambda loop: loop_time.time(loop)
real = socket.getaddrinfo
def getaddrinfo(host, *args, **options):
    if host == {SLOW!r}:
        loop_time.advance(60)
        threading.Event().wait()  # for ever
    return real(host, *args, **options)
socket.getaddrinfo = getaddrinfo
"""
WITH_THE_HOOK = """
os.environ["AIRFLOW_CONN_MIRRORDB_DEFAULT"] = json.dumps({"conn_type": "mirrordb", "host": "http://slow.invalid"})
from airflow_mirrordb.hooks import mirrordb
print(mirrordb.MirrorDBHook().test_connection()[1])
"""
WITH_THE_CLIENT = """
from airflow_mirrordb.client import GenericMirrorDB
async def read():
    config = {"base_url": "http://slow.invalid", "max_attempts": 1}
    async with GenericMirrorDB(config) as client:
        print((await client.call("read_function", method_name="read", endpoint="api/x"))["error"]["message"])
asyncio.run(read())
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("code", [WITH_THE_HOOK, WITH_THE_CLIENT], ids=["hook", "client"])
def test_a_process_ends_though_a_name_hangs_for_ever(code: str) -> None:
    """Python waits for the threads of executors before it ends, and so would ``airflow connections test``."""
    done = subprocess.run(
        [sys.executable, "-c", PROCESS + code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert "the name 'slow.invalid' was not resolved" in done.stdout, done.stderr


# -- threads -------------------------------------------------------------------------------------


async def test_names_are_resolved_as_aiohttp_resolves_them() -> None:
    """With the same addresses, for both kinds of them, and the same error."""
    for family in (socket.AF_UNSPEC, socket.AF_INET):
        expected = await ThreadedResolver().resolve("localhost", 80, family)
        assert await Resolver().resolve("localhost", 80, family) == expected
    with pytest.raises(socket.gaierror):
        await Resolver().resolve("nosuch.invalid", 80)
    await Resolver().close()


async def test_who_gives_up_leaves_the_thread_to_itself() -> None:
    """What it returns then is for nobody."""
    begun, end = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        end.wait(10)
        return "done"

    task = asyncio.ensure_future(in_thread(work))
    await asyncio.to_thread(begun.wait, 10)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "mirrordb-work"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    end.set()
    await asyncio.to_thread(thread.join, 10)
    await asyncio.sleep(0)


def test_a_thread_may_outlive_its_loop() -> None:
    """It ends without a word."""
    end = threading.Event()

    async def give_up() -> None:
        task = asyncio.ensure_future(in_thread(end.wait, 10))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(give_up())
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "mirrordb-wait"]
    end.set()
    thread.join(10)
    assert not thread.is_alive()
