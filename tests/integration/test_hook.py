"""MirrorDBHook in plain and in async tasks, against real servers."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, Connection

from airflow_mirrordb.client import (
    ConfigError,
    EndpointNotAllowedError,
    InvalidRequestError,
    MirrorDBRequest,
    NotFoundError,
    Progress,
    WaitNeeded,
)
from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.hooks import runner as runners
from airflow_mirrordb.hooks.connections.config import base_url, config_from
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.backends import ScriptedBackend, silent_backend
from tests.support.connections import SetConnection


def test_hook_creates_reads_updates_and_deletes(set_connection: SetConnection) -> None:
    """The four methods of a plain task do what their names say, and the backend's table agrees."""
    with DevServer(api_key="key-of-the-test") as server:
        set_connection(server.url, password="key-of-the-test")
        with MirrorDBHook() as hook:
            created = hook.create("api/users", {"name": "Ada"})
            endpoint = f"api/users/{created['id']}"
            assert hook.read(endpoint) == created
            assert hook.update(endpoint, {"role": "editor"}, partial=True) == {**created, "role": "editor"}
            assert hook.update(endpoint, {"name": "Ada L."}) == {"id": created["id"], "name": "Ada L."}
            assert server.records("users") == [{"id": created["id"], "name": "Ada L."}]
            assert hook.delete(endpoint) is None
            assert server.records("users") == []
            with pytest.raises(NotFoundError):
                hook.delete(endpoint)
            assert hook.delete(endpoint, missing_ok=True) is None


def test_a_hook_that_is_collected_runs_nothing(set_connection: SetConnection) -> None:
    """What a time-out raises where Python collects a hook is lost; the next one ends what it had."""
    with DevServer() as server:
        set_connection(server.url)
        hook = MirrorDBHook()
        hook.read("api/users")
        client, runner = hook.get_conn(), hook._runner
        del hook
        gc.collect()
        assert client.is_connected
        assert runner in runners._idle
        with MirrorDBHook() as following:
            following.read("api/users")
            assert following._runner is runner
            assert not client.is_connected


def test_a_hook_is_usable_after_an_interruption_of_its_close(set_connection: SetConnection) -> None:
    with DevServer() as server:
        set_connection(server.url)
        hook = MirrorDBHook()
        client = hook.get_conn()
        disconnect = client.disconnect

        async def interrupted() -> None:
            await disconnect()
            raise AirflowTaskTimeout

        client.disconnect = interrupted  # type: ignore[method-assign]
        with pytest.raises(AirflowTaskTimeout):
            hook.close()
        assert hook.read("api/users") == []
        hook.close()


def test_threads_may_use_a_hook_for_the_first_time_at_once(set_connection: SetConnection) -> None:
    """One of them makes its client, and all use that one."""
    with DevServer() as server, ThreadPoolExecutor(8) as threads:
        set_connection(server.url)
        for _ in range(10):
            with MirrorDBHook() as hook:
                together = threading.Barrier(8)

                def first(hook: MirrorDBHook = hook, together: threading.Barrier = together) -> object:
                    together.wait()
                    return hook.get_conn()

                assert len({id(found.result()) for found in [threads.submit(first) for _ in range(8)]}) == 1


def test_requests_of_a_hook_share_one_connection(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Twenty reads of one hook open one socket."""
    set_connection(scripted.url)
    for _ in range(20):
        scripted.answer(200, {})
    with MirrorDBHook() as hook:
        for _ in range(20):
            hook.read("api/users")
    assert (len(scripted.requests), scripted.connections) == (20, 1)


def test_connection_is_looked_up_once(
    scripted: ScriptedBackend, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook keeps the connection it found; only another hook sees a changed one."""
    set_connection(scripted.url)
    scripted.answer(200, 1)
    scripted.answer(200, 2)
    with MirrorDBHook() as hook:
        assert hook.read("api/users") == 1
        monkeypatch.delenv("AIRFLOW_CONN_MIRRORDB_DEFAULT")
        assert hook.read("api/users") == 2


async def test_sync_method_in_an_event_loop_shows_the_async_way(set_connection: SetConnection) -> None:
    """A synchronous call that would block a running loop is refused with the line to write instead."""
    set_connection("http://127.0.0.1:1")
    with pytest.raises(RuntimeError, match="async with MirrorDBHook"):
        MirrorDBHook().read("api/users")


async def test_a_hook_that_was_used_shows_the_async_way_as_well(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Whatever is called, also in the middle of what was begun outside; the hook goes on outside."""
    set_connection(scripted.url)
    for _ in range(3):
        scripted.answer(200, [{"id": 1}])
    hook = MirrorDBHook()
    pages = hook.records("api/users", paginate={"style": "page", "param": "page"})

    def outside() -> Any:
        return next(pages, None), hook.read("api/users")

    await asyncio.to_thread(outside)
    calls: list[Callable[[], object]] = [
        lambda: hook.read("api/users"),
        lambda: hook.bulk("read", ["api/users/1"]),
        lambda: hook.register_endpoint("api/orders"),
        lambda: list(hook.records("api/users", paginate={"style": "link"})),
        lambda: list(pages),
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="async with MirrorDBHook"):
            call()
    assert len(scripted.requests) == 2
    assert await asyncio.to_thread(hook.read, "api/users") == [{"id": 1}]
    await asyncio.to_thread(hook.close)


async def test_async_task_uses_the_client(set_connection: SetConnection) -> None:
    """In an async task ``async with hook`` gives a connected client."""
    with DevServer() as server:
        set_connection(server.url)
        async with MirrorDBHook() as client:
            created = await client.create_function("create", "api/users", {"name": "Ada"})
            assert await client.read_function("read", "api/users") == [created]


def test_hook_without_close_gives_its_loop_back(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """A hook that is just forgotten leaves its loop and connections to the next one, without a warning."""
    set_connection(scripted.url)
    scripted.answer(200, {})
    hook = MirrorDBHook()
    hook.read("api/users")
    used = hook._runner
    del hook
    gc.collect()
    scripted.answer(200, {})
    with MirrorDBHook() as following:
        following.read("api/users")
        assert following._runner is used
    assert (len(scripted.requests), scripted.connections) == (2, 1)


def test_hooks_that_are_used_at_the_same_time_have_loops_of_their_own(set_connection: SetConnection) -> None:
    """A loop is lent to one hook at a time, and closed where one is kept already."""
    with DevServer() as server:
        set_connection(server.url)
        one, other = MirrorDBHook(), MirrorDBHook()
        for hook in (one, other):
            hook.create("api/users", {})
        first, second = one._runner, other._runner
        assert first is not second
        one.close()
        other.close()
    assert first is not None
    assert second is not None
    assert [runner._loop.is_closed() for runner in (first, second)] == [False, True]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_does_not_use_the_connections_of_its_parent(set_connection: SetConnection) -> None:
    """Two processes that write on one socket would mix their requests up."""
    with DevServer() as server:
        set_connection(server.url)
        with MirrorDBHook() as hook:
            hook.create("api/users", {"name": "Ada"})
            parents = hook._runner
        child = os.fork()
        if not child:
            uses_its_own = False
            try:
                with MirrorDBHook() as hook:
                    hook.read("api/users")
                    uses_its_own = hook._runner is not parents
            finally:
                os._exit(0 if uses_its_own else 1)
        assert os.waitpid(child, 0)[1] == 0
        with MirrorDBHook() as hook:
            assert hook.read("api/users") == [{"id": "1", "name": "Ada"}]
            assert hook._runner is parents


async def test_forgotten_hook_is_closed_inside_a_running_loop_too(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """The garbage collector may meet a hook while an event loop runs in the same thread."""
    set_connection(scripted.url)
    scripted.answer(200, {})
    kept: list[MirrorDBHook] = []

    def use() -> None:
        kept.append(MirrorDBHook())
        kept[0].read("api/users")

    await asyncio.get_running_loop().run_in_executor(None, use)
    runner = kept[0]._runner
    assert runner is not None
    kept.clear()
    gc.collect()
    assert runner in runners._idle or runner._loop.is_closed()


def test_hook_is_shared_by_threads(set_connection: SetConnection) -> None:
    """Threads may use one hook at the same time; none of their records is lost."""
    with DevServer() as server:
        set_connection(server.url)
        with MirrorDBHook() as hook:
            hook.get_conn()
            threads = [
                threading.Thread(target=hook.create, args=("api/users", {"n": number}))
                for number in range(16)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(record["n"] for record in server.records("users")) == list(range(16))


def test_interruption_between_two_steps_of_a_request_leaves_nothing_that_is_waited_for(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """A request that did not land, because a signal came in that moment, is none in in_flight later."""
    set_connection(scripted.url)
    scripted.answers = [(200, 1, {}), (200, 2, {}), (200, 3, {})]

    class Interrupted(set[Any]):
        def discard(self, in_flight: Any) -> None:
            if not scripted.answers:
                return super().discard(in_flight)
            raise AirflowTaskTimeout

    with MirrorDBHook() as hook:
        assert hook.read("api/users") == 1
        hook.get_conn()._sender._in_flight = Interrupted()
        with pytest.raises(AirflowTaskTimeout):
            hook.read("api/users")
        assert hook.read("api/users") == 3


def test_a_connection_that_is_closed_between_two_calls_is_not_used(set_connection: SetConnection) -> None:
    """No loop runs then that could see it; the next call looks first, and needs no second attempt."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:

        def answer_once() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(4096)
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

        set_connection(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with MirrorDBHook() as hook:
            for _ in range(2):
                closed = thread.submit(answer_once)
                response = hook.request(MirrorDBRequest(method="GET", endpoint="api/users"))
                assert (response.data, response.attempts) == ([], 1)
                closed.result()


def test_cut_off_hands_over_with_one_attempt_counted(set_connection: SetConnection) -> None:
    """An answer that is not there in time is left to the trigger: sent once, not counted as failed."""
    with silent_backend(20) as url:
        set_connection(url, extra={"max_attempts": 1})
        request = MirrorDBRequest(method="GET", endpoint="api/users/1")
        with MirrorDBHook() as hook, pytest.raises(WaitNeeded) as handover:
            hook.request(request, progress=Progress(deadline=4e9), wait=False, cut_off=20)
    assert handover.value.progress == Progress(attempts=1, deadline=4e9, cut_off=1)


def test_registered_endpoint_holds_for_the_hook(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """What is not registered is refused before any I/O; registering it lets it through."""
    set_connection(scripted.url)
    scripted.answer(200, [])
    with MirrorDBHook() as hook:
        with pytest.raises(EndpointNotAllowedError, match="register 'api/v1/users'"):
            hook.read("api/v1/users")
        assert scripted.connections == 0
        hook.register_endpoint("api/v1/users")
        assert hook.read("api/v1/users") == []


@pytest.mark.parametrize(
    ("fields", "named", "reason"),
    [
        ({"extra": {"max_attempt": 3}}, "max_attempt", "did you mean 'max_attempts'"),
        (
            {"extra": {"colour": "red"}},
            "colour",
            "unknown extra 'colour'; known are adaptive_rate, auth_",
        ),
        ({"extra": {"max_wait_time": 1, "timeout": "x"}, "login": "a\nb"}, "login", "Login: it holds a line"),
        ({"extra": {"timeout": "x"}, "login": "a\nb"}, "login", "; extra timeout: it must be a number"),
        (
            {"extra": {"max_attempts": "many"}},
            "max_attempts",
            "extra max_attempts: it must be a whole number, not 'many'",
        ),
        ({"extra": {"timeout": True}}, "timeout", "not a boolean"),
        ({"extra": {"verify": "***"}}, "verify", "masked value"),
        ({"extra": {"base_url": "http://x"}}, "base_url", "the connection's field 'Host'"),
        ({"extra": {"endpoints": ["api//x"]}}, "endpoints", "empty name"),
        ({"host": ""}, "host", "it is missing"),
        ({"host": "ftp://127.0.0.1"}, "base_url", "must be http or https"),
        ({"host": "http://user:word@127.0.0.1"}, "base_url", "use login and password"),
        ({"host": "http://127.0.0.1/?a=1"}, "base_url", "neither '?' nor '#'"),
        ({"schema": "api"}, "schema", "a path prefix belongs in Host"),
        ({"schema": "https"}, "schema", "contradicts the URL in Host"),
        ({"port": 9}, "port", "contradicts the URL in Host"),
        ({"password": "line\nbreak"}, "api_key", "line break"),
    ],
)
def test_wrong_connection_names_the_field_and_sends_nothing(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    fields: dict[str, Any],
    named: str,
    reason: str,
) -> None:
    """A mistake in the connection is told with its field and what would be right; nothing is sent."""
    set_connection(**{"host": scripted.url, **fields})
    with pytest.raises(ConfigError, match=re.escape(reason)) as error:
        MirrorDBHook().read("api/users")
    assert error.value.field == named
    assert MirrorDBHook().test_connection() == (False, str(error.value))
    assert scripted.connections == 0


@pytest.mark.parametrize(
    "text",
    [
        '{"conn_type": "mirrordb", "password": "s3cret",}',
        "{'conn_type': 'mirrordb', 'password': 's3cret'}",
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_variable_that_is_no_json_is_told(
    monkeypatch: pytest.MonkeyPatch, text: str, *, asynchronous: bool
) -> None:
    """Airflow says that the connection is not defined (its page "Managing Connections" tells the formats)."""
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN_ONE", text)

    async def read() -> None:
        async with MirrorDBHook("broken_one") as client:
            await client.read_function(None, "api/users")

    with pytest.raises(Exception, match="`broken_one` isn't defined; ") as caught:
        asyncio.run(read()) if asynchronous else MirrorDBHook("broken_one").read("api/users")
    words = "the environment variable AIRFLOW_CONN_BROKEN_ONE is set, but is no JSON: "
    assert words in str(caught.value)
    assert "line 1 column " in str(caught.value)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(Exception, match="`no_such_one` isn't defined") as caught:
        MirrorDBHook("no_such_one").read("api/users")
    assert "environment variable" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]", '"x"'])
def test_extra_that_is_no_json_object_is_an_error(text: str) -> None:
    """The extra field is a JSON object or an error that says so."""
    connection = Connection(conn_id="c", conn_type="mirrordb", host="example.com", extra=text)
    with pytest.raises(ConfigError, match=r"extra: it (is not JSON|must be a JSON object)"):
        config_from(connection)


def test_prefixed_and_blank_extras_are_read(set_connection: SetConnection) -> None:
    """Extras of older forms carry a prefix, untouched ones are null or empty: the defaults."""
    set_connection("example.com", extra={"extra__mirrordb__max_attempts": "7", "timeout": None, "proxy": ""})
    config = MirrorDBHook()._look_up()
    assert (config.max_attempts, config.timeout, config.proxy) == (7, 30.0, None)


def test_triggers_only_warn_of_unknown_extras(
    set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """While an upgrade is rolled out, a trigger may be older than the connection it uses."""
    set_connection("example.com", extra={"setting_of_tomorrow": 1})
    assert MirrorDBHook(ignore_unknown_extras=True)._look_up().base_url == "https://example.com"
    assert "setting_of_tomorrow" in caplog.text


@pytest.mark.parametrize(
    ("host", "schema", "port", "url"),
    [
        ("example.com", None, None, "https://example.com"),
        ("example.com", "http", 8080, "http://example.com:8080"),
        ("example.com/v1", "", None, "https://example.com/v1"),
        ("https://example.com/v1", "https", 444, "https://example.com:444/v1"),
        ("http://example.com:81", "HTTP", 81, "http://example.com:81"),
        ("::1", "http", 80, "http://[::1]:80"),
        (" example.com ", None, None, "https://example.com"),
    ],
)
def test_host_schema_and_port_make_the_base_url(
    host: str, schema: str | None, port: int | None, url: str
) -> None:
    """The three fields of the form may each say a part, or Host all of it; https unless http is said."""
    assert base_url(host, schema, port) == url


def test_key_is_masked_in_logs(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Every form in which the key is sent is known to Airflow's secrets masker."""
    from airflow.providers.common.compat.sdk import redact

    set_connection(scripted.url, login="someone", password="a-long-secret")
    MirrorDBHook().get_conn()
    assert redact("c29tZW9uZTphLWxvbmctc2VjcmV0 a-long-secret") == "*** ***"


def test_an_update_has_a_body(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """What an upstream task returned may be None."""
    set_connection(scripted.url)
    with MirrorDBHook() as hook, pytest.raises(InvalidRequestError, match="data: it is None"):
        hook.update("api/users/7", None)
    assert scripted.requests == []
