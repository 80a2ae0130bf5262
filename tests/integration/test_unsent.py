"""What is not sent yet of a request when the request is over: it is never sent, and nothing waits behind it.

A server need not read a whole request before it answers, nor answer at all (RFC 9112, sections 9.3 and 9.6:
a client that does not send the rest of a request has to close the connection).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any, Literal, Protocol

import pytest

from airflow_mirrordb.client import GenericMirrorDB
from airflow_mirrordb.hooks.runner import LoopRunner
from tests.support.clocks import TIMEOUT, loop_time, turns
from tests.support.connections import ConfigFor
from tests.support.raw_server import RawServer, Reply, json_answer, listening

Way = Literal["time-out", "cancelled", "disconnected"]
SMALL_BUFFER = 4096
#: More than the operating system takes in for a connection; and so little that it takes in all of it.
SIZES = {"in the client": 12_000_000, "in the operating system": 200_000}


class BusyServer(RawServer):
    """Reads the head of the first request and answers that, or never; reads the body when it may go on.

    Others it answers with ``{}`` when it has read them.
    """

    def __init__(self, early: bytes, *, times_out: bool) -> None:
        super().__init__()
        self.early, self.times_out = early, times_out
        self.goes_on, self.ended = asyncio.Event(), asyncio.Event()
        self.received = 0
        """Bytes of the first body."""

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self.connections > 1:
            return await super()._exchange(reader, writer)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        self.requests.append(head)
        self.arrived.set()
        writer.write(self.early)
        await writer.drain()
        if self.times_out:
            await turns()
            loop_time.advance(TIMEOUT)
        await self.goes_on.wait()
        with suppress(ConnectionError):
            while self.received < length and (piece := await reader.read(2**20)):
                self.received += len(piece)
        self.ended.set()
        return True


class Busy(Protocol):
    async def __call__(
        self, early: bytes = b"", *, times_out: bool = False, tls: ssl.SSLContext | None = None
    ) -> BusyServer: ...


@pytest.fixture
async def busy() -> AsyncIterator[Busy]:
    async with AsyncExitStack() as servers:

        async def start(
            early: bytes = b"", *, times_out: bool = False, tls: ssl.SSLContext | None = None
        ) -> BusyServer:
            server = BusyServer(early, times_out=times_out)
            return await servers.enter_async_context(listening(server, tls=tls, receive_buffer=SMALL_BUFFER))

        yield start


def write(client: GenericMirrorDB, size: int, function: str = "create_function") -> Any:
    return client.call(function, method_name="m", endpoint="api/users/7/notes", data="x" * size)


@pytest.mark.parametrize("way", ["time-out", "cancelled", "disconnected"])
@pytest.mark.parametrize("held", SIZES)
@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_write_that_was_given_up_is_not_sent_any_further(
    busy: Busy,
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    way: Way,
    held: str,
    *,
    over_tls: bool,
) -> None:
    """Else the backend applies it after its outcome was told, and after other writes."""
    tls, verify = (server_tls, {"verify": ca_file}) if over_tls else (None, {})
    server = await busy(times_out=way == "time-out", tls=tls)
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1, **verify)) as client:
        writing = asyncio.create_task(write(client, SIZES[held]))
        await server.arrived.wait()
        if way == "cancelled":
            writing.cancel()
        elif way == "disconnected":
            await client.disconnect()
        with suppress(asyncio.CancelledError):
            assert (await writing)["error"]["maybe_applied"] is True
        server.goes_on.set()
        await server.ended.wait()
    assert server.received < SIZES[held]


@pytest.mark.parametrize("over_tls", [False, True])
def test_nothing_of_it_is_sent_while_its_loop_stands_still(
    config_for: ConfigFor, server_tls: ssl.SSLContext, ca_file: str, *, over_tls: bool
) -> None:
    """As that of a hook does between two calls: the task goes on, and the backend reads."""
    size = SIZES["in the operating system"]
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    url = f"http{'s' if over_tls else ''}://localhost:{listener.getsockname()[1]}"

    async def give_up() -> socket.socket:
        await client.connect()
        task = asyncio.current_task()
        assert task is not None
        accepting = asyncio.ensure_future(asyncio.to_thread(accept))
        accepting.add_done_callback(lambda _: task.cancel())
        with suppress(asyncio.CancelledError):
            await write(client, size)
        return accepting.result()

    def accept() -> socket.socket:
        accepted = listener.accept()[0]
        if over_tls:
            accepted = server_tls.wrap_socket(accepted, server_side=True)
        assert accepted.recv(1) == b"P"
        return accepted

    client = GenericMirrorDB(config_for(url, max_attempts=1, verify=ca_file if over_tls else True))
    runner, received = LoopRunner(), 1
    try:
        with runner.run(give_up()).value() as backend, suppress(ConnectionError, ssl.SSLError):
            while received < size and (piece := backend.recv(2**20)):
                received += len(piece)
    finally:
        runner.run(client.disconnect()).value()
        runner.close()
        listener.close()
    assert received < size


async def test_an_update_that_timed_out_and_was_repeated_does_not_come_back(
    busy: Busy, config_for: ConfigFor
) -> None:
    """Else it would undo the update after it, though both were reported as done in their order."""
    server = await busy(times_out=True)
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=2)) as client:
        for size in (SIZES["in the client"], 2):
            result = await client.call(
                "update_function", method_name="m", endpoint="api/users/7", data="x" * size
            )
            assert result == {"response": {}}
        server.goes_on.set()
        await server.ended.wait()
    assert server.received < SIZES["in the client"]
    assert server.connections == 2


EARLY = {
    "413": json_answer("{}", "413 Content Too Large"),
    "401": json_answer("{}", "401 Unauthorized"),
    "503": json_answer("{}", "503 Service Unavailable", "Retry-After: 0"),
    "201": json_answer("{}", "201 Created"),
}
REFUSALS = ("413", "401", "503")


@pytest.mark.parametrize("over_tls", [False, True])
async def test_an_early_success_gets_the_rest_of_the_body(
    busy: Busy, config_for: ConfigFor, server_tls: ssl.SSLContext, ca_file: str, *, over_tls: bool
) -> None:
    """Only an error lets a client send no more (RFC 9112, sections 9.3 and 9.6)."""
    tls, verify = (server_tls, {"verify": ca_file}) if over_tls else (None, {})
    server = await busy(EARLY["201"], tls=tls)
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1, **verify)) as client:
        writing = asyncio.create_task(write(client, size := SIZES["in the client"]))
        await server.arrived.wait()
        await turns()
        assert not writing.done()
        server.goes_on.set()
        assert await writing == {"response": {}}
        await server.ended.wait()
    assert server.received == size + 2  # in the quotes of JSON


async def test_an_early_success_of_what_is_never_read_is_none(busy: Busy, config_for: ConfigFor) -> None:
    """A request that is cut off is incomplete (RFC 9112, section 8): nobody knows what became of it."""
    server = await busy(EARLY["201"], times_out=True)
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1)) as client:
        error = (await write(client, SIZES["in the client"]))["error"]
        server.goes_on.set()
    assert error["type"] == "AmbiguousWriteError"
    assert "it answered before it had the whole body" in error["message"]


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("over_tls", [False, True])
async def test_no_request_waits_behind_a_body_that_was_answered_early(
    busy: Busy,
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    status: str,
    *,
    over_tls: bool,
) -> None:
    """The next one, and a repetition, go out on another connection (RFC 9112, section 9.6)."""
    tls, verify = (server_tls, {"verify": ca_file}) if over_tls else (None, {})
    server = await busy(EARLY[status], tls=tls)
    config = config_for(server.base_url, max_attempts=2, **verify)
    async with GenericMirrorDB(config, observe=lambda _: server.goes_on.set()) as client:
        first = await write(client, SIZES["in the client"])
        assert first == {"response": {}} or first["error"]["status"] == int(status)
        assert await write(client, 2) == {"response": {}}
        await server.ended.wait()
    assert server.connections == 2
    assert server.received < SIZES["in the client"]


async def test_no_request_waits_behind_a_body_that_the_operating_system_holds(
    busy: Busy, config_for: ConfigFor
) -> None:
    """How much of a refused body the backend has read nobody knows but itself."""
    server = await busy(EARLY["413"])
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1)) as client:
        assert (await write(client, SIZES["in the operating system"]))["error"]["status"] == 413
        second = asyncio.create_task(write(client, 2))
        await turns()
        server.goes_on.set()
        assert await second == {"response": {}}


@pytest.mark.parametrize("status", ["413", "201"])
async def test_a_small_body_keeps_its_connection(
    raw_server: RawServer, config_for: ConfigFor, status: str
) -> None:
    """As it keeps it after most refusals: they cost no new one."""
    raw_server.default = Reply(EARLY[status])
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
        for _ in range(2):
            await write(client, 60_000)
    assert raw_server.connections == 1
