"""A hook in the hands of libraries: its requests and iterators in whatever thread, for as long as they like.

dlt iterates over a resource that is ``parallelized``, and calls what is deferred, in threads of its own, one
record in this and the next one in that ("Parallelism within a pipeline" in dlt's "Optimizing dlt"). A
constructor, as of a frame, takes an iterator to its end; ``add_limit`` and others leave it in the middle.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_mirrordb.client import AmbiguousWriteError, DisconnectedError
from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.integration.test_interruptions import SIGNAL, TimeOut
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

COUNT, PAGE = 12, 5
IDS = [str(number) for number in range(COUNT)]


@pytest.fixture
def server(set_connection: SetConnection) -> Iterator[DevServer]:
    """A backend with a collection of three pages."""
    with DevServer() as server:
        set_connection(server.url)
        with MirrorDBHook() as hook:
            for number in IDS:
                hook.create("api/orders", {"id": number})
        yield server


def orders(hook: MirrorDBHook) -> Iterator[dict[str, Any]]:
    return hook.records("api/orders", query={"limit": PAGE}, paginate={"style": "link"})


def ids(records: Iterator[dict[str, Any]]) -> list[str]:
    return [record["id"] for record in records]


def lists(server: DevServer) -> int:
    """Return how many pages were read."""
    return sum(entry.path.startswith("/api/orders?") for entry in server.requests())


def test_an_iterator_goes_from_thread_to_thread(server: DevServer) -> None:
    """Each takes the next record, the one that began it last of all."""
    with MirrorDBHook() as hook, ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        records = orders(hook)
        taken = [next(records)]
        taken += [thread.submit(next, records).result() for thread in [one, other] * 4]
        assert ids(iter(taken)) + ids(records) == IDS
        assert lists(server) == 3


def test_an_iterator_inside_of_another(server: DevServer) -> None:
    """Also when both are taken by different threads."""
    with MirrorDBHook() as hook, ThreadPoolExecutor(1) as other:
        pairs = [
            (outer["id"], inner)
            for outer in orders(hook)
            for inner in other.submit(ids, orders(hook)).result()
        ]
    assert pairs == list(itertools.product(IDS, IDS))


def test_threads_write_while_records_are_read(server: DevServer) -> None:
    """Each record is written once, whichever thread is given it, and none is missed."""
    with MirrorDBHook() as hook, ThreadPoolExecutor(4) as threads:
        written = [
            threads.submit(hook.update, f"api/orders/{record['id']}", {"seen": True}, partial=True)
            for record in orders(hook)
        ]
        assert [each.result()["id"] for each in written] == IDS
    assert sum(entry.method == "PATCH" for entry in server.requests()) == COUNT


@pytest.mark.parametrize("way", ["closed", "collected", "by another thread"])
def test_an_iterator_that_is_left_in_the_middle(server: DevServer, way: str) -> None:
    """It asks for nothing more, and leaves the hook as it was."""
    with MirrorDBHook() as hook:
        held = [orders(hook)]
        next(held[0])
        if way == "closed":
            held[0].close()  # type: ignore[attr-defined]  # it is a generator
        elif way == "by another thread":
            thread = threading.Thread(target=held.clear)
            thread.start()
            thread.join()
        held.clear()
        gc.collect()
        assert hook.read("api/orders/1") == {"id": "1"}
        assert lists(server) == 1


def test_an_iterator_that_is_closed_after_its_hook(server: DevServer) -> None:
    """As by a generator around it, which is collected at last: there is nothing left to end."""
    hook = MirrorDBHook()
    records = orders(hook)
    next(records)
    hook.close()
    records.close()  # type: ignore[attr-defined]  # it is a generator
    assert lists(server) == 1


@pytest.mark.parametrize("is_used_again", [False, True])
def test_an_iterator_that_outlives_its_hook_says_so(server: DevServer, *, is_used_again: bool) -> None:
    """As one that is returned from the hook's ``with``, and was begun there: after the page that it has."""
    with MirrorDBHook() as hook:
        records = orders(hook)
        next(records)
    if is_used_again:
        hook.read("api/orders/1")
    assert ids(itertools.islice(records, PAGE - 1)) == IDS[1:PAGE]
    with pytest.raises(RuntimeError, match=r"closed while it was used: end all threads .* and all iterators"):
        next(records)
    hook.close()


def test_an_iterator_that_begins_after_its_hook_opens_it_again(server: DevServer) -> None:
    """Nothing was sent before, and what was opened is given back with the hook."""
    with MirrorDBHook() as hook:
        records = orders(hook)
    assert ids(records) == IDS


def test_a_hook_that_is_opened_in_a_generator(server: DevServer) -> None:
    """It is closed with the generator, in whatever thread that is."""
    opened = list[MirrorDBHook]()

    def resource() -> Iterator[dict[str, Any]]:
        with MirrorDBHook() as hook:
            opened.append(hook)
            yield from orders(hook)

    records = resource()
    with ThreadPoolExecutor(1) as other:
        other.submit(next, records).result()
        assert opened[0].get_conn().is_connected
    records.close()  # type: ignore[attr-defined]  # it is a generator
    assert opened[0]._client is None


def test_an_iterator_in_a_thread_of_an_event_loop(server: DevServer) -> None:
    """As of an async library that leaves the blocking part to a thread."""

    async def use() -> list[str]:
        return await asyncio.to_thread(ids, orders(hook))

    with MirrorDBHook() as hook:
        assert asyncio.run(use()) == IDS


class Together(ScriptedBackend):
    """A backend that answers when as many requests are there as it waits for."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.all_there = threading.Barrier(count, timeout=60)

    def next_answer(self, path: str, _sent: bytes) -> tuple[int, Any, dict[str, str]]:
        self.all_there.wait()
        return 200, path.rpartition("/")[2], {}


@pytest.fixture
def together(set_connection: SetConnection) -> Iterator[Together]:
    backend = Together(4)
    set_connection(backend.url, extra={"timeout": 120})
    backend.start()
    yield backend
    backend.all_there.abort()
    backend.stop()


def test_requests_of_threads_are_in_flight_together(together: Together) -> None:
    """As those of four hooks would be; one that waits for its backend keeps none of the others."""
    with MirrorDBHook() as hook, ThreadPoolExecutor(4) as threads:
        answers = threads.map(hook.read, [f"api/orders/{number}" for number in range(8)])
        assert list(answers) == IDS[:8]
    assert together.connections == 4


def test_a_hook_that_is_closed_ends_the_requests_of_all_threads(together: Together) -> None:
    """They say why, and nobody waits for an answer that nobody wants."""
    with ThreadPoolExecutor(2) as threads:
        with MirrorDBHook() as hook:
            hook.get_conn()
            waiting = [threads.submit(hook.read, f"api/orders/{number}") for number in range(2)]
            while together.all_there.n_waiting < 2:
                time.sleep(0)
        for each in waiting:
            with pytest.raises(DisconnectedError, match="the client was disconnected"):
                each.result()


def test_a_time_out_ends_the_requests_of_all_threads(together: Together) -> None:
    """Nobody waits for what the others do once the task is over; what they may have sent is told to them."""
    main = threading.get_ident()

    def strike() -> None:
        while together.all_there.n_waiting < 2:
            time.sleep(0)
        signal.pthread_kill(main, SIGNAL)

    with MirrorDBHook() as hook, ThreadPoolExecutor(2) as threads, TimeOut():
        hook.get_conn()
        other = threads.submit(hook.create, "api/orders", {})
        while not together.all_there.n_waiting:
            time.sleep(0)
        striking = threads.submit(strike)
        with pytest.raises(AirflowTaskTimeout):
            hook.read("api/orders/1")
        with pytest.raises(AmbiguousWriteError):
            other.result()
        striking.result()
