"""A success that comes before the backend has all of a write, whose rest is lost with the connection.

A server may answer before it has read a request (RFC 9112, section 9.3), and a request that is cut off is
incomplete (section 8). A connection that is reset has empty buffers: what was in them was not received.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

from airflow_mirrordb.client import GenericMirrorDB
from tests.integration.test_unsent import SIZES, SMALL_BUFFER
from tests.support.clocks import turns
from tests.support.connections import ConfigFor
from tests.support.raw_server import RESET_ON_CLOSE, RawServer, json_answer, listening

End = Literal["reset", "closed", "read and reset", "read and closed", "read and kept"]
CREATED = json_answer('{"id": 7}', "201 Created")


class EarlyServer(RawServer):
    """Answers a request when its body begins, and goes on when it is told so.

    :param early: what it answers then
    :param end: what it does when it may go on
    :param rest: what it answers after that
    """

    def __init__(self, early: bytes, end: End, rest: bytes) -> None:
        super().__init__()
        self.early, self.end, self.rest = early, end, rest
        self.goes_on = asyncio.Event()
        self.received = 0
        """Bytes of the body."""

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        self.received += len(await reader.read(1))  # the client sends its body by now
        writer.write(self.early)
        await writer.drain()
        self.arrived.set()
        await self.goes_on.wait()
        if self.end.startswith("read"):
            with suppress(ConnectionError):
                while self.received < length and (piece := await reader.read(2**20)):
                    self.received += len(piece)
        if self.end.endswith("reset") and not writer.transport.is_closing():
            writer.transport.get_extra_info("socket").setsockopt(*RESET_ON_CLOSE)
        writer.write(self.rest)
        return self.end == "read and kept"


class Early(Protocol):
    async def __call__(
        self, end: End, *, early: bytes = CREATED, rest: bytes = b"", tls: ssl.SSLContext | None = None
    ) -> EarlyServer: ...


@pytest.fixture
async def early() -> AsyncIterator[Early]:
    async with AsyncExitStack() as servers:

        async def start(
            end: End, *, early: bytes = CREATED, rest: bytes = b"", tls: ssl.SSLContext | None = None
        ) -> EarlyServer:
            server = EarlyServer(early, end, rest)
            return await servers.enter_async_context(listening(server, tls=tls, receive_buffer=SMALL_BUFFER))

        yield start


async def write(server: EarlyServer, config_for: ConfigFor, **body: Any) -> dict[str, Any]:
    """Send a create; let the server go on when it has answered, and the answer was seen."""
    async with GenericMirrorDB(
        config_for(server.base_url, max_attempts=1, **body.pop("extra", {}))
    ) as client:
        writing = asyncio.create_task(
            client.call("create_function", method_name="m", endpoint="api/users", **body)
        )
        await server.arrived.wait()
        await turns()
        server.goes_on.set()
        return await writing


def assert_ambiguous(result: dict[str, Any]) -> None:
    error = result["error"]
    assert (error["type"], error["maybe_applied"]) == ("AmbiguousWriteError", True)
    assert "it answered before it had the whole body" in error["message"]


@pytest.mark.parametrize("held", SIZES)
@pytest.mark.parametrize("end", ["reset", "closed"])
@pytest.mark.parametrize("over_tls", [False, True])
async def test_what_is_lost_with_the_connection_is_no_success(
    early: Early,
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    held: str,
    end: End,
    *,
    over_tls: bool,
) -> None:
    """Be it in asyncio's buffer, or in that of the operating system: the backend never received it."""
    server = await early(end, tls=server_tls if over_tls else None)
    extra = {"verify": ca_file} if over_tls else {}
    assert_ambiguous(await write(server, config_for, extra=extra, data="x" * SIZES[held]))


async def test_the_end_of_a_file_that_is_lost_with_the_connection(
    early: Early, config_for: ConfigFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it was handed to asyncio, whose buffer is empty after the reset."""
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def connect_with_a_small_buffer(sock: socket.socket, address: Any) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", connect_with_a_small_buffer)
    path = tmp_path / "file"
    path.write_bytes(os.urandom(SIZES["in the operating system"]))
    assert_ambiguous(await write(await early("reset"), config_for, input_path=str(path)))


@pytest.mark.parametrize("begun", [CREATED[:-1], CREATED[:30]])
@pytest.mark.parametrize("held", SIZES)
async def test_a_success_that_is_cut_off_with_the_body(
    early: Early, config_for: ConfigFor, begun: bytes, held: str
) -> None:
    """Its status says that the write was applied only if the backend had all of it."""
    server = await early("reset", early=begun)
    assert_ambiguous(await write(server, config_for, data="x" * SIZES[held]))


@pytest.mark.parametrize("held", SIZES)
@pytest.mark.parametrize("end", ["read and closed", "read and kept"])
@pytest.mark.parametrize("over_tls", [False, True])
async def test_what_is_read_after_all_is_a_success(
    early: Early,
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    held: str,
    end: End,
    *,
    over_tls: bool,
) -> None:
    """Also if the connection ends with it.

    Over TLS asyncio of Python 3.10 does not tell of that end, so that the write is ambiguous there.
    """
    is_told = not over_tls or end != "read and closed" or sys.version_info >= (3, 11)
    server = await early(end, tls=server_tls if over_tls else None)
    extra = {"verify": ca_file} if over_tls else {}
    result = await write(server, config_for, extra=extra, data="x" * SIZES[held])
    assert result == {"response": {"id": 7}} or not is_told
    assert server.received == SIZES[held] + 2  # in the quotes of JSON


@pytest.mark.parametrize("end", ["read and reset", "read and closed"])
async def test_what_was_received_before_its_answer_is_a_success(
    early: Early, config_for: ConfigFor, end: End
) -> None:
    """How the connection ends then tells nothing of the write."""
    server = await early(end, early=b"", rest=CREATED)
    assert await write(server, config_for, data="x" * SIZES["in the client"]) == {"response": {"id": 7}}
