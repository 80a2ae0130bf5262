"""Forked processes: what they inherit is the parent's, and what they need they make."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, limits
from airflow_mirrordb.client.limits import brake_for
from tests.conftest import ConfigFor, Serve
from tests.integration.conftest import ScriptedBackend

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


class Kept:
    """A connected client and its event loop, outside of any other loop."""

    def __init__(self, settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = GenericMirrorDB(settings)
        self.loop.run_until_complete(self.client.connect())

    def read(self) -> Any:
        return self.loop.run_until_complete(self.client.read_function("read", "api/users"))

    def close(self) -> None:
        self.loop.run_until_complete(self.client.disconnect())
        self.loop.close()


def in_child(work: Callable[[], Any]) -> Any:
    """Return what a function returns, or raises, in a forked process."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, pickle.dumps(_outcome(work)))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        outcome = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except BaseException as error:  # noqa: BLE001  # the parent raises it
        return error


async def test_what_a_child_collects_is_the_parents(
    serve: Serve, config_for: ConfigFor, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    """Python closes forgotten connections, and TLS says good-bye then (RFC 8446, section 6.1).

    On a socket that two processes have, that would end the connection of the other one.
    """
    peers = set[Any]()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.json_response([])

    app = web.Application()
    app.router.add_get("/api/users", answer)
    settings = config_for(await serve(app, ssl_context=server_tls), verify=ca_file)

    def read_before_and_after() -> None:
        kept = [Kept(settings)]

        def forget() -> None:
            kept.clear()
            gc.collect()

        kept[0].read()
        in_child(forget)
        kept[0].read()
        kept[0].close()

    await asyncio.to_thread(read_before_and_after)
    assert len(peers) == 1


def test_a_client_of_the_parent_says_so(scripted: ScriptedBackend, config_for: ConfigFor) -> None:
    """It sends nothing on the parent's connections; connected again it has its own."""
    for number in range(4):
        scripted.answer(200, number)
    kept = Kept(config_for(scripted.url))

    async def read() -> Any:
        return await kept.client.read_function("read", "api/users")

    async def disconnect_and_read() -> Any:
        await kept.client.disconnect()
        return await connect_and_read()

    async def connect_and_read() -> Any:
        async with kept.client:
            return await read()

    assert kept.read() == 0
    with pytest.raises(RuntimeError, match="before this process was forked"):
        in_child(lambda: asyncio.run(read()))
    assert in_child(lambda: asyncio.run(disconnect_and_read())) == 1
    assert in_child(lambda: asyncio.run(connect_and_read())) == 2
    assert kept.read() == 3
    kept.close()
    assert (len(scripted.requests), scripted.connections) == (4, 3)


def test_no_lock_of_another_thread_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that would release it is not there in the child."""
    brake = brake_for("connection")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with brake._lock, limits._brakes_lock:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    assert in_child(lambda: brake_for("connection").reserve(0.0).at <= 0.0)
    release.set()
    thread.join()


def test_children_do_not_all_wait_for_the_same_time() -> None:
    """Jitter is what keeps them from coming back together; a copied generator would give all the same."""
    from airflow_mirrordb.client.mirrordb import _RNG

    assert in_child(_RNG.random) != in_child(_RNG.random)
