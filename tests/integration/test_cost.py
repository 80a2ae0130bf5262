"""What a read costs beside one of plain aiohttp: functions that are called, and objects while it waits.

No load of a machine changes their numbers; ``tests/benchmarks/speed.py`` measures the CPU.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_mirrordb.client import GenericMirrorDB
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.sharing import SharedClient
from airflow_mirrordb.triggers import mirrordb as triggers
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from tests.support.clocks import turns
from tests.support.connections import SetConnection

if TYPE_CHECKING:
    from typing_extensions import Self

READS = 20
PATH = "api/users/r1"
BODY = b'{"id": "r1", "name": "Ada Lovelace", "active": true, "day": "2026-11-25", "tags": ["a", "b"]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


class Answering(socketserver.BaseRequestHandler):
    """Answers each request by one write, so that each answer is read at once."""

    def handle(self) -> None:
        received = b""
        while piece := self.request.recv(65536):
            received += piece
            if received.endswith(b"\r\n\r\n"):
                received = b""
                self.request.sendall(ANSWER)


class Backend(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def url() -> Iterator[str]:
    with Backend(("127.0.0.1", 0), Answering) as backend:
        thread = threading.Thread(target=backend.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{backend.server_address[1]}"
        backend.shutdown()
        thread.join()


class Calls:
    """Counts the functions that this thread calls, from one read to the next."""

    def __init__(self) -> None:
        self._calls = 0
        self._of_reads: list[int] = []

    def _count(self, _frame: Any, event: str, _value: Any) -> None:
        self._calls += event in ("call", "c_call")

    def __enter__(self) -> Self:
        gc.disable()
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        gc.enable()

    def read(self) -> None:
        self._of_reads.append(self._calls)

    @property
    def each(self) -> int:
        """Those of one read when all is open; some also clean up."""
        return min(after - before for before, after in zip(self._of_reads, self._of_reads[1:], strict=False))


async def calls_of_aiohttp(url: str) -> int:
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer key"}) as session:
        with Calls() as calls:
            for _ in range(READS):
                async with session.get(f"{url}/{PATH}") as response:
                    response.raise_for_status()
                    await response.json()
                calls.read()
    return calls.each


async def calls_of_client(url: str) -> int:
    async with GenericMirrorDB({"base_url": url, "api_key": "key"}) as client:
        with Calls() as calls:
            for _ in range(READS):
                await client.read_function("read", PATH)
                calls.read()
    return calls.each


async def calls_of_trigger() -> int:
    async with await SharedClient.of("mirrordb_default"):  # as where others run
        with Calls() as calls:
            for _ in range(READS):
                trigger = MirrorDBTrigger(request={"method": "GET", "endpoint": PATH, "method_name": "read"})
                async for _ in trigger.run():
                    calls.read()
    return calls.each


async def objects_of_each(read: Callable[[], Awaitable[object]]) -> float:
    """Return how many objects of the garbage collector there are for each read that waits for its turn.

    :param read: waits for as long as another one is in flight
    """

    async def begin(number: int) -> list[asyncio.Task[object]]:
        tasks = [asyncio.create_task(call()) for _ in range(number)]
        await turns(50)
        return tasks

    async def call() -> object:
        return await read()

    tasks = await begin(READS)
    gc.collect()
    before = len(gc.get_objects())
    tasks += await begin(READS)
    gc.collect()
    after = len(gc.get_objects())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return (after - before) / READS


async def objects_of_aiohttp(url: str) -> float:
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer key"}, connector=connector) as session:

        async def read() -> object:
            async with session.get(f"{url}/{PATH}") as response:
                return await response.json()

        return await objects_of_each(read)


async def objects_of_triggers() -> float:
    async def read() -> object:
        trigger = MirrorDBTrigger(request={"method": "GET", "endpoint": PATH, "method_name": "read"})
        return await anext(trigger.run())

    async with await SharedClient.of("mirrordb_default"):  # where others run
        return await objects_of_each(read)


def test_a_read_costs_little_more_than_one_of_aiohttp(url: str, set_connection: SetConnection) -> None:
    """With checks, retries and limits. A plain method runs an event loop as well, and holds signals back.

    From 1.18 and 1.50 of aiohttp (3.14, Python 3.11) to 1.26 and 1.64 (3.12, which calls less; Python 3.10).
    """
    plain, client = asyncio.run(calls_of_aiohttp(url)), asyncio.run(calls_of_client(url))
    set_connection(url, password="key")
    with MirrorDBHook() as hook, Calls() as calls:
        for _ in range(READS):
            hook.read(PATH, method_name="read")
            calls.read()
    assert client <= 1.28 * plain
    assert calls.each <= 1.66 * plain


def test_a_trigger_costs_little_more_than_its_read(
    url: str, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its arguments and its event; the line of its log is made into text only where it is written.

    1.44 of aiohttp (3.14, Python 3.11).
    """
    set_connection(url, password="key")
    silent = logging.getLogger("nothing is logged")
    silent.setLevel(logging.ERROR)
    monkeypatch.setattr(triggers, "log", silent)
    plain, trigger = asyncio.run(calls_of_aiohttp(url)), asyncio.run(calls_of_trigger())
    assert trigger <= 1.54 * plain


def test_a_trigger_that_waits_holds_less_than_a_read_of_aiohttp(set_connection: SetConnection) -> None:
    """The collector goes through all that thousands of triggers hold, while they wait for their turn.

    A full run of it takes a tenth of the CPU of 5,000 triggers; the less they hold, the fewer there are.
    0.60 of aiohttp (3.14, Python 3.11), 0.75 on Python 3.10, whose asyncio has other objects.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:  # never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        set_connection(url, password="key", extra={"max_concurrency": 1})
        plain, trigger = asyncio.run(objects_of_aiohttp(url)), asyncio.run(objects_of_triggers())
    assert trigger <= (0.68 if sys.version_info >= (3, 11) else 0.8) * plain
