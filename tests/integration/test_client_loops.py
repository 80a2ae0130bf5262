"""Event loops that follow one another: what a client, and what is shared, keeps of the one before."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_mirrordb.client import Clock, GenericMirrorDB
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.backends import ScriptedBackend
from tests.support.clocks import TIMEOUT
from tests.support.connections import ConfigFor, SetConnection

AT_ONCE = 5
TOKEN = {"access_token": "a-token", "expires_in": 60}


async def read_at_once(client: GenericMirrorDB) -> list[Any]:
    async with client:
        reads = (client.read_function("read", "api/users") for _ in range(AT_ONCE))
        return await asyncio.gather(*reads, return_exceptions=True)


@contextmanager
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_tokens_are_fetched_in_each_event_loop(scripted: ScriptedBackend, config_for: ConfigFor) -> None:
    """Requests that wait for one token do so in the second loop, too: its lock is not the first one's."""
    now = 0.0
    oauth = {"auth_type": "oauth2", "oauth_url": f"{scripted.url}/token", "login": "id", "api_key": "secret"}
    client = GenericMirrorDB(config_for(scripted.url, **oauth), clock=Clock(time=lambda: now))
    for _ in range(3):
        scripted.answer(200, TOKEN)
        for _ in range(AT_ONCE):
            scripted.answer(200, "read")
        assert asyncio.run(read_at_once(client)) == ["read"] * AT_ONCE
        now += 3600
    assert scripted.requests.count("POST /token") == 3


def test_keys_are_looked_up_in_each_event_loop(scripted: ScriptedBackend, config_for: ConfigFor) -> None:
    """As are credentials that all requests found refused."""
    looked_up = 0

    async def look_up() -> Mapping[str, Any]:
        nonlocal looked_up
        looked_up += 1
        while scripted.answers[0][0] == 401:  # noqa: ASYNC110  # until all are refused
            await asyncio.sleep(0)
        return {"api_key": f"key-{looked_up}"}

    client = GenericMirrorDB(config_for(scripted.url, api_key="key-0"), look_up=look_up)
    for _ in range(2):
        for status in (401, 200):
            for _ in range(AT_ONCE):
                scripted.answer(status, "read")
        assert asyncio.run(read_at_once(client)) == ["read"] * AT_ONCE
    assert looked_up == 2


@pytest.mark.parametrize("shared", [False, True])
def test_slots_and_connections_are_those_of_the_event_loop(
    scripted: ScriptedBackend, config_for: ConfigFor, shared: bool
) -> None:
    """Requests queue for the slots of ``max_concurrency`` in the second loop as they did in the first."""
    config = config_for(scripted.url, max_concurrency=2)
    client = GenericMirrorDB(config, share_connections=shared)
    for _ in range(3):
        for _ in range(AT_ONCE):
            scripted.answer(200, "read")
        assert asyncio.run(read_at_once(client)) == ["read"] * AT_ONCE


@pytest.mark.parametrize("shared", [False, True])
def test_a_client_whose_event_loop_is_closed_is_connected_again(
    scripted: ScriptedBackend, config_for: ConfigFor, shared: bool
) -> None:
    """Nobody disconnected it, and nobody can any more: what it had there is forgotten."""
    scripted.answer(200, 1, Connection="close")  # a connection that is left open would be warned of
    scripted.answer(200, 2, Connection="close")
    client = GenericMirrorDB(config_for(scripted.url), share_connections=shared)

    async def read_and_leave() -> Any:
        await client.connect()
        return await client.read_function("read", "api/users")

    assert asyncio.run(read_and_leave()) == 1
    assert asyncio.run(read_and_leave()) == 2
    asyncio.run(client.disconnect())


async def test_a_client_of_a_living_event_loop_is_left_to_it(config_for: ConfigFor) -> None:
    """Who is in another one may neither change nor end what is connected there."""
    client = GenericMirrorDB(config_for("http://127.0.0.1:1"))
    with other_loop() as loop:
        await asyncio.to_thread(loop.run_until_complete, client.connect())
        for attempt in (client.connect, client.disconnect, lambda: client.update_config(timeout=11)):
            with pytest.raises(RuntimeError, match="connected in another event loop"):
                await attempt()
        assert (await client.get_config())["timeout"] == TIMEOUT
        await asyncio.to_thread(loop.run_until_complete, client.disconnect())
    async with client:
        await client.update_config(timeout=11)


def test_an_event_loop_that_has_ended_is_not_kept(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """What is shared on a loop goes with it, or a process would keep each loop that it ever ran."""
    set_connection(scripted.url)
    loops = list[weakref.ref[asyncio.AbstractEventLoop]]()

    async def read() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        async with MirrorDBHook() as client:
            await client.read_function("read", "api/users")

    for _ in range(4):
        scripted.answer(200, [])
        asyncio.run(read())
    gc.collect()
    assert [loop() for loop in loops[:-1]] == [None] * 3  # asyncio itself may still know the last one
