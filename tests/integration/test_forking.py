"""Forked processes: what they inherit is the parent's, and what they need they make."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import pickle
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, forking
from airflow_mirrordb.client.auth.oauth import refresh_tokens
from airflow_mirrordb.client.event_loops import being_closed
from airflow_mirrordb.client.limits import rate_limiter
from airflow_mirrordb.client.limits.rate_limiter import rate_limiter_for
from airflow_mirrordb.hooks import runner as runners
from airflow_mirrordb.hooks.blocking import items_of
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.sharing import SharedClient
from airflow_mirrordb.hooks.task_writes import marks
from tests.support.backends import ScriptedBackend, Serve
from tests.support.connections import ConfigFor, SetConnection

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
    """Return what a function returns, or raise what it raises, in a forked process."""
    return begin_in_child(work)()


def begin_in_child(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begin the same, and return what waits for it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, pickle.dumps(_outcome(work)))
        finally:
            os._exit(0)
    os.close(writing)

    def end() -> Any:
        with os.fdopen(reading, "rb") as pipe:
            outcome = pickle.loads(pipe.read())
        os.waitpid(child, 0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return end


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
    limiter = rate_limiter_for("connection")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with limiter._lock, rate_limiter._limiters_lock:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    assert in_child(lambda: rate_limiter_for("connection").reserve(0.0).at <= 0.0)
    release.set()
    thread.join()


def test_children_do_not_all_wait_for_the_same_time() -> None:
    """Jitter is what keeps them from coming back together; a copied generator would give all the same."""
    from airflow_mirrordb.client.clock import _RNG

    assert in_child(_RNG.random) != in_child(_RNG.random)


CALLS = 15


def echo(number: int, hook: MirrorDBHook) -> list[str]:
    """Read and create through a hook, and tell what was not answered as it was asked."""
    wrong = list[str]()
    for call in range(CALLS):
        endpoint = f"api/r{number}/{call}"
        if (answer := hook.read(endpoint)) != {"path": f"/{endpoint}", "sent": None}:
            wrong.append(f"{endpoint}: {answer}")
        data = {"child": number, "call": call}
        if (answer := hook.create("api/c", data)) != {"path": "/api/c", "sent": data}:
            wrong.append(f"{data}: {answer}")
    return wrong


class EchoBackend(ScriptedBackend):
    """Answers each request with what it was; those to ``held`` when it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived, self.release = threading.Event(), threading.Event()

    def next_answer(self, path: str, sent: bytes) -> tuple[int, Any, dict[str, str]]:
        if path.endswith("/held"):
            self.arrived.set()
            self.release.wait()
        return 200, {"path": path, "sent": json.loads(sent) if sent else None}, {}


@pytest.fixture
def backend(set_connection: SetConnection) -> Iterator[EchoBackend]:
    backend = EchoBackend()
    set_connection(backend.url)
    backend.start()
    yield backend
    backend.release.set()
    backend.stop()


def test_a_hook_of_the_parent_makes_its_own_in_each_child(backend: EchoBackend) -> None:
    """Four processes use one hook at the same time: each gets its own answers, and nothing is sent twice."""
    with MirrorDBHook() as hook:
        assert echo(0, hook) == []
        parents = hook.get_conn()
        children = [begin_in_child(partial(echo, number, hook)) for number in range(1, 5)]
        assert [end() for end in children] == [[]] * 4
        assert echo(5, hook) == []
        assert hook.get_conn() is parents
    created = [body for body in backend.bodies if body]
    assert len(created) == len(set(created)) == 6 * CALLS


def test_a_child_closes_nothing_of_the_parent(backend: EchoBackend) -> None:
    """Neither by leaving a 'with', nor by forgetting, nor by what a process does at its end."""
    with MirrorDBHook() as hook:
        kept = [hook]
        hook.read("api/users")

        def leave() -> None:
            kept[0].close()
            kept.clear()
            weakref.finalize._exitfunc()  # type: ignore[attr-defined]  # what atexit calls
            runners._close_idle()
            gc.collect()

        in_child(leave)
        hook.read("api/users")
    assert backend.connections == 1


def test_a_child_of_a_busy_parent_is_not_held_up(backend: EchoBackend) -> None:
    """Another thread is in the middle of a call, with all its locks, when the process is forked."""
    with MirrorDBHook() as hook:
        hook.get_conn()
        thread = threading.Thread(target=hook.read, args=("api/held",))
        thread.start()
        backend.arrived.wait()
        assert in_child(partial(echo, 1, hook)) == []
        backend.release.set()
        thread.join()
        assert echo(2, hook) == []


def test_an_iteration_that_the_parent_began_says_so(backend: EchoBackend) -> None:
    """Its next page would come over the parent's connection."""
    with MirrorDBHook() as hook:
        client = hook.get_conn()
        records = items_of(client.records("read", "api/users", paginate={"style": "link"}), hook._run)
        with pytest.raises(RuntimeError, match="forked"):
            in_child(lambda: next(records))
    assert backend.requests == []


class Connection(asyncio.Protocol):
    """One that is being closed."""


async def test_nothing_that_is_shared_is_inherited(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Neither connections, clients, look-ups, slots and renewals of an event loop, nor loops that wait.

    Nor the thread that talks to the task state store: a child has none but the one that forked it.
    """
    set_connection(scripted.url)
    scripted.answer(200, [])
    runners.give_back(runners.borrow())
    async with await SharedClient.of("mirrordb_default"), await SharedClient.of("mirrordb_default") as client:
        await client.read_function("read", "api/users")
        connection = Connection()
        being_closed.add(connection)
        await marks._begin(lambda: None)
        refresh_tokens._renewals.here()
        assert all(forking._registries)
        assert not await asyncio.to_thread(in_child, lambda: any(forking._registries))
