"""What the hooks of one event loop share, as thousands of triggers do: connections, and the look-up."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from airflow.providers.common.compat import connection as compat

from airflow_mirrordb.client import AuthenticationError, ConfigError, GenericMirrorDB, MirrorDBConfig
from airflow_mirrordb.client.wire.pool import IDLE_LIMIT
from airflow_mirrordb.hooks.connections.lookup import SHARED_FOR
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.sharing import SharedClient
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from tests.support.backends import Answering, ScriptedBackend
from tests.support.clocks import loop_time, turns, until
from tests.support.connections import ConfigFor, SetConnection
from tests.support.raw_server import RawServer


async def read() -> Any:
    async with MirrorDBHook() as client:
        return await client.read_function("read", "api/users")


async def event_of(trigger: MirrorDBTrigger) -> dict[str, Any]:
    (event,) = [event async for event in trigger.run()]
    payload: dict[str, Any] = event.payload
    return payload


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each look-up that Airflow was asked for."""
    seen: list[str] = []
    look_up = compat.get_async_connection

    async def note(conn_id: str, **options: Any) -> Any:
        seen.append(conn_id)
        return await look_up(conn_id, **options)

    monkeypatch.setattr(compat, "get_async_connection", note)
    return seen


async def test_triggers_share_connections(raw_server: RawServer, set_connection: SetConnection) -> None:
    """A hundred triggers at once open no more connections than may be in flight."""
    set_connection(raw_server.base_url, extra={"max_concurrency": 5})
    request = {"method": "GET", "endpoint": "api/users"}
    events = await asyncio.gather(*(event_of(MirrorDBTrigger(request=request)) for _ in range(100)))
    assert {event["status"] for event in events} == {"success"}
    assert len(raw_server.requests) == 100
    assert raw_server.connections <= 5


async def test_hooks_one_after_the_other_use_the_same_connection(
    raw_server: RawServer, set_connection: SetConnection
) -> None:
    """It is still open when the next one comes: no new handshake."""
    set_connection(raw_server.base_url)
    for _ in range(3):
        await read()
    assert raw_server.connections == 1


async def test_shared_connections_are_closed_when_idle(
    raw_server: RawServer, set_connection: SetConnection
) -> None:
    """A while after the last user has left, and not before."""
    set_connection(raw_server.base_url)
    async with MirrorDBHook() as client:
        await read()
        loop_time.advance(2 * IDLE_LIMIT)  # there is a user yet
        await turns()
        assert raw_server.open_connections == 1
        await client.read_function("read", "api/users")
    await turns()
    assert raw_server.open_connections == 1
    loop_time.advance(IDLE_LIMIT)
    await until(lambda: not raw_server.open_connections)
    await read()  # and opened again


async def test_who_comes_just_as_the_time_runs_out_keeps_the_connections(
    raw_server: RawServer, set_connection: SetConnection
) -> None:
    """Both happen in the same turn of the loop; the connections are not closed under the newcomer."""
    from airflow_mirrordb.client.wire import pool

    set_connection(raw_server.base_url)
    await read()
    loop, newcomers = asyncio.get_running_loop(), list[pool.SharedConnections]()
    config = MirrorDBConfig(base_url=raw_server.base_url)
    loop.call_later(IDLE_LIMIT, lambda: newcomers.append(pool.share_connections(config)))
    loop_time.advance(IDLE_LIMIT)  # both timers are due when the loop goes on
    await turns()
    assert list(pool._shared.here().values()) == newcomers
    assert not newcomers[0]._end.done()


@pytest.mark.parametrize("change", [{"verify": False}, {"proxy": "http://127.0.0.1:9"}])
async def test_other_settings_of_the_way_share_nothing(
    raw_server: RawServer,
    set_connection: SetConnection,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
) -> None:
    """A connection that is verified otherwise, or goes another way, is another one."""
    from airflow_mirrordb.client.wire import pool

    set_connection(raw_server.base_url)
    async with MirrorDBHook():
        connection = {"conn_type": "mirrordb", "host": raw_server.base_url, "extra": change}
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(connection))
        async with MirrorDBHook("other"):
            assert len(pool._shared.here()) == 2


def test_the_end_of_the_loop_closes_shared_connections(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Nothing is left open, which would be a warning."""
    set_connection(scripted.url)
    scripted.answer(200, {"id": 1})
    assert asyncio.run(read()) == {"id": 1}
    gc.collect()


async def test_a_user_who_is_cancelled_gives_back(
    raw_server: RawServer, set_connection: SetConnection
) -> None:
    """A trigger that is cancelled leaves nothing behind; the others go on."""
    from airflow_mirrordb.client.wire import pool

    set_connection(raw_server.base_url)
    request = {"method": "GET", "endpoint": "api/users"}
    tasks = [asyncio.ensure_future(event_of(MirrorDBTrigger(request=request))) for _ in range(20)]
    await raw_server.arrived.wait()
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {event["status"] for event in outcomes if isinstance(event, dict)} == {"success"}
    (shared,) = pool._shared.here().values()
    assert shared._users == 0


async def test_one_look_up_serves_all(
    raw_server: RawServer, set_connection: SetConnection, look_ups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand requests through hooks of one loop cost what one costs."""
    monkeypatch.setattr("airflow_mirrordb.hooks.connections.lookup.SHARED_FOR", 3600)
    set_connection(raw_server.base_url)
    await asyncio.gather(*(read() for _ in range(50)))
    await read()
    assert look_ups == ["mirrordb_default"]


async def test_a_look_up_serves_for_a_short_time(
    raw_server: RawServer, set_connection: SetConnection, look_ups: list[str]
) -> None:
    """A connection that was changed meanwhile is seen soon."""
    set_connection(raw_server.base_url)
    await read()
    loop_time.advance(SHARED_FOR)
    await read()
    assert len(look_ups) == 2


async def test_a_look_up_that_failed_is_not_remembered(
    raw_server: RawServer, set_connection: SetConnection, look_ups: list[str]
) -> None:
    """Whoever comes next finds the connection mended."""
    set_connection(raw_server.base_url, extra={"timeuot": 3})
    with pytest.raises(ConfigError, match="did you mean 'timeout'"):
        await read()
    set_connection(raw_server.base_url)
    assert await read() == {}
    assert len(look_ups) == 2


async def test_who_gives_up_does_not_end_the_look_up_of_others(
    raw_server: RawServer, set_connection: SetConnection, look_ups: list[str]
) -> None:
    """The first one to ask is cancelled; the second one gets its answer all the same."""
    set_connection(raw_server.base_url)
    first, second = asyncio.ensure_future(read()), asyncio.ensure_future(read())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == {}
    assert first.cancelled()
    assert len(look_ups) == 1


async def test_a_refused_key_is_looked_up_again_once_for_all(
    answering: Answering, set_connection: SetConnection, look_ups: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty hooks meet 401 together, after the key was changed; one further look-up serves them."""
    monkeypatch.setattr("airflow_mirrordb.hooks.connections.lookup.FRESH_FOR", 3600)

    async def answer(request: web.Request) -> web.Response:
        await until(lambda: len(backend.requests) >= 20)
        return web.json_response({}, status=200 if request.headers["Authorization"] == "Bearer new" else 401)

    backend = await answering(*[answer] * 40)
    set_connection(backend.base_url, password="old")
    hooks = [MirrorDBHook() for _ in range(20)]
    clients = await asyncio.gather(*(hook.__aenter__() for hook in hooks))
    set_connection(backend.base_url, password="new")
    assert (
        await asyncio.gather(*(client.read_function("read", "api/users") for client in clients)) == [{}] * 20
    )
    await asyncio.gather(*(hook.__aexit__(None, None, None) for hook in hooks))
    assert len(look_ups) == 2
    assert len(backend.requests) == 40


@pytest.fixture
def rotating(scripted: ScriptedBackend, set_connection: SetConnection) -> Callable[[str], None]:
    """Change the key, at the backend and in the connection."""
    keys = [""]

    def answer(_path: str, _sent: bytes) -> tuple[int, Any, dict[str, str]]:
        taken = scripted.headers[-1].get("Authorization") == f"Bearer {keys[0]}"
        return (200, {}, {}) if taken else (401, None, {})

    scripted.next_answer = answer  # type: ignore[method-assign]

    def rotate(key: str) -> None:
        keys[0] = key
        set_connection(scripted.url, password=key)

    return rotate


def sent_keys(scripted: ScriptedBackend) -> list[str]:
    return [headers["Authorization"].removeprefix("Bearer ") for headers in scripted.headers]


def test_what_is_older_than_the_key_that_failed_is_not_used(
    scripted: ScriptedBackend, rotating: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hook has looked up the second key again; the third one of the next hook is newer than that."""
    monkeypatch.setattr("airflow_mirrordb.hooks.connections.lookup.FRESH_FOR", 3600)
    rotating("key-1")
    with MirrorDBHook() as hook:
        hook.read("api/users")
        rotating("key-2")
        hook.read("api/users")
    rotating("key-3")
    with MirrorDBHook() as hook:
        hook.read("api/users")
        rotating("key-4")
        assert hook.read("api/users") == {}
    assert sent_keys(scripted) == ["key-1", "key-1", "key-2", "key-3", "key-3", "key-4"]


async def test_a_key_that_was_changed_again_meanwhile_is_looked_up_again(
    scripted: ScriptedBackend, rotating: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another hook looked up just now is newer than the key here, and old by now."""
    monkeypatch.setattr("airflow_mirrordb.hooks.connections.lookup.FRESH_FOR", 3600)
    rotating("key-1")
    async with MirrorDBHook() as first, MirrorDBHook() as second:
        await first.read_function("read", "api/users")
        rotating("key-2")
        await second.read_function("read", "api/users")
        rotating("key-3")
        assert await first.create_function("create", "api/users", {}) == {}
        assert await second.read_function("read", "api/users") == {}
    assert sent_keys(scripted) == ["key-1", "key-1", "key-2", "key-1", "key-2", "key-3", "key-2", "key-3"]


async def test_a_key_that_stays_wrong_fails(
    answering: Answering, set_connection: SetConnection, look_ups: list[str]
) -> None:
    """It is looked up again, found unchanged, and the refusal is final."""
    backend = await answering(web.Response(status=401), web.json_response({}))
    set_connection(backend.base_url, password="wrong")
    with pytest.raises(AuthenticationError):
        await read()
    assert len(look_ups) == 2
    assert len(backend.requests) == 1


async def test_triggers_share_a_client_while_one_of_them_uses_it(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """It stays connected until the last one has left; those of another operator have their own."""
    set_connection(scripted.url)
    async with await SharedClient.of("mirrordb_default", "Read") as client:
        async with (
            await SharedClient.of("mirrordb_default", "Read") as same,
            await SharedClient.of("mirrordb_default") as other,
        ):
            assert same is client
            assert other is not client
        scripted.answer(200, "still connected")
        assert await client.read_function("read", "api/users") == "still connected"
    with pytest.raises(RuntimeError, match="not connected"):
        await client.read_function("read", "api/users")
    async with await SharedClient.of("mirrordb_default", "Read") as another:
        assert another is not client


def test_a_client_of_another_event_loop_says_so(scripted: ScriptedBackend, config_for: ConfigFor) -> None:
    """Its connections are in the first one: nothing is sent, until it is connected in the second one."""
    scripted.answer(200, "here")
    client = GenericMirrorDB(config_for(scripted.url))

    async def read_here() -> Any:
        return await client.read_function("read", "api/users")

    async def connect_here() -> Any:
        await client.disconnect()
        async with client:
            return await read_here()

    asyncio.run(client.connect())
    with pytest.raises(RuntimeError, match="connected in another event loop"):
        asyncio.run(read_here())
    assert scripted.connections == 0
    assert asyncio.run(connect_here()) == "here"


async def test_a_connection_that_was_looked_up_anew_has_a_new_client(
    scripted: ScriptedBackend, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who starts later sees what was changed in the connection; who is under way keeps what it has."""
    monkeypatch.setattr("airflow_mirrordb.hooks.connections.lookup.SHARED_FOR", 0.0)
    set_connection("http://127.0.0.1:1")
    async with await SharedClient.of("mirrordb_default") as client:
        set_connection(scripted.url)
        scripted.answer(200, "new")
        async with await SharedClient.of("mirrordb_default") as newer:
            assert await newer.read_function("read", "api/users") == "new"
        assert (await client.get_config())["base_url"] == "http://127.0.0.1:1"
