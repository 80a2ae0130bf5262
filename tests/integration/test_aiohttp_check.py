"""An aiohttp that the client cannot use is refused at its first use, in one sentence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector

from airflow_mirrordb.client import GenericMirrorDB, InstallationError
from airflow_mirrordb.client.wire.aiohttp import changes as aiohttp_changes, heads, private as aiohttp_private
from airflow_mirrordb.client.wire.aiohttp.check import WORKING, check_aiohttp

if TYPE_CHECKING:
    from tests.support.connections import ConfigFor

SENTENCE = re.compile(
    r"aiohttp \S+ does not work with this client \((.+)\): install a version that does,"
    rf" as by pip install '{re.escape(WORKING)}'"
)


async def makes_connections(self: BaseConnector, *arguments: Any) -> ResponseHandler:
    """Make a connection each time, as if none could be used again."""
    return await self._create_connection(*arguments)


async def other(*_arguments: object, **_options: object) -> None:
    """Stand in for a method that calls none of those that it called."""


async def connects(self: BaseConnector, request: aiohttp.ClientRequest) -> Any:
    """Take a request alone."""
    return await self._get(request.connection_key, []) or await self._create_connection(
        request, [], aiohttp.ClientTimeout()
    )


def feeds_its_queue(self: ResponseHandler, data: bytes) -> None:
    """Hand answers to the reader by another way than ``feed_data``."""
    for answer in self._parser.feed_data(data)[0]:  # type: ignore[union-attr]
        self._buffer.append((answer, 0))


def keeps_errors(self: ResponseHandler, data: bytes) -> None:
    """Keep errors by another way than ``set_exception``."""
    try:
        messages = self._parser.feed_data(data)[0]  # type: ignore[union-attr]
    except Exception as error:  # noqa: BLE001
        self._exception = error
        return
    for message, self._payload in messages:
        self.feed_data((message, self._payload), 0)


def answers_of_another_form(self: ResponseHandler, data: bytes) -> None:
    """Hand over a message that calls its status otherwise."""
    (_, payload), *_ = self._parser.feed_data(data)[0]  # type: ignore[union-attr]
    self._payload = payload
    message: Any = SimpleNamespace(status=200, headers={"Content-Length": "2"})
    self.feed_data((message, payload), 0)


class OtherRequest(aiohttp.ClientRequest):
    """Asks for more than a method and a URL, as in aiohttp 4."""

    def __init__(self, method: str, url: Any, *, loop: Any, ssl: Any, **options: Any) -> None:
        super().__init__(method, url, loop=loop, ssl=ssl, **options)


def raises(*_arguments: object, **_options: object) -> None:
    raise AttributeError("no such thing")


#: What is changed of aiohttp, to what, and what the sentence says of it.
CHANGED: dict[str, tuple[Any, str, Any, str]] = {
    "_get": (BaseConnector, "connect", makes_connections, "TCPConnector does not use _get"),
    "_create_connection": (BaseConnector, "connect", other, "TCPConnector does not use _create_connection"),
    "_resolve_host": (
        aiohttp.TCPConnector,
        "_create_direct_connection",
        other,
        "TCPConnector does not use _resolve_host",
    ),
    "_start_tls_connection": (
        aiohttp.TCPConnector,
        "_create_proxy_connection",
        other,
        "TCPConnector does not use _start_tls_connection",
    ),
    "close": (BaseConnector, "_release", lambda *_: None, "ends connections otherwise"),
    "arguments of a request": (heads, "Opener", OtherRequest, "TypeError: .*argument"),
    "arguments of connect": (aiohttp.TCPConnector, "connect", connects, "TypeError: too many positional"),
    "the writer": (aiohttp_changes, "serialize_headers", lambda *_: b"GET / HTTP/2", "writes something else"),
    "the protocol": (aiohttp_changes, "Connection", object, "Connection has no protocol"),
    "feed_data": (ResponseHandler, "data_received", feeds_its_queue, "does not call feed_data"),
    "set_exception": (ResponseHandler, "data_received", keeps_errors, "does not call set_exception"),
    "messages": (ResponseHandler, "data_received", answers_of_another_form, "no attribute 'code'"),
    "set_response_params": (ResponseHandler, "set_response_params", raises, "AttributeError: no such thing"),
}


async def test_the_installed_version_works(config_for: ConfigFor) -> None:
    """Or no test of the client would pass; it is checked once a process."""
    check_aiohttp.cache_clear()
    for _ in range(2):
        async with GenericMirrorDB(config_for("http://127.0.0.1:9")):
            pass
    assert check_aiohttp.cache_info().misses == 1


@pytest.mark.parametrize("name", CHANGED)
async def test_a_change_is_named(monkeypatch: pytest.MonkeyPatch, config_for: ConfigFor, name: str) -> None:
    """Also of a method that aiohttp calls no more: what stands in its place would do nothing, unnoticed."""
    owner, attribute, stand_in, words = CHANGED[name]
    monkeypatch.setattr(owner, attribute, stand_in)
    check_aiohttp.cache_clear()
    with pytest.raises(InstallationError) as raised:
        await GenericMirrorDB(config_for("http://127.0.0.1:9")).connect()
    sentence = SENTENCE.fullmatch(str(raised.value))
    assert sentence, raised.value
    assert re.search(words, sentence[1])
    assert not raised.value.retryable


def test_every_method_that_is_replaced_is_checked() -> None:
    """Those of a connector by name, those of the protocol by what becomes of two answers.

    ``connection_lost`` and ``eof_received`` are called by asyncio (its documentation, "Protocols").
    """
    for kind, base, checked in (
        (aiohttp_private.Connector, aiohttp.TCPConnector, set(aiohttp_changes._USED_OF_A_CONNECTOR)),
        (
            aiohttp_private.Handler,
            ResponseHandler,
            {
                "close",
                "connection_lost",
                "data_received",
                "eof_received",
                "feed_data",
                "resume_reading",
                "set_exception",
                "set_response_params",
            },
        ),
    ):
        replaced = {name for name in vars(kind) if hasattr(base, name) and not name.startswith("__")}
        assert replaced <= checked


GONE = """
import asyncio, aiohttp.client_proto
del aiohttp.client_proto.ResponseHandler
from airflow_mirrordb.client import GenericMirrorDB, MirrorDBConfig  # as the hook does
print("imported")
asyncio.run(GenericMirrorDB(MirrorDBConfig(base_url="http://127.0.0.1:9")).connect())
"""


def test_a_name_that_is_gone_is_told_at_the_first_use() -> None:
    """A DAG file that imports the hook, and with it the client, loads all the same: it may never use it."""
    done = subprocess.run([sys.executable, "-c", GONE], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n"
    kind, _, message = done.stderr.splitlines()[-1].partition(": ")
    assert kind.endswith(".InstallationError")
    sentence = SENTENCE.fullmatch(message)
    assert sentence, message
    assert sentence[1].startswith("ImportError: cannot import name 'ResponseHandler'")


def test_the_versions_are_those_of_the_requirement() -> None:
    """The sentence, the requirement and the README say the same."""
    checkout = Path(__file__).parents[2]
    assert f'"{WORKING}"' in (checkout / "pyproject.toml").read_text()
    assert f"`{WORKING}`" in (checkout / "README.md").read_text()
