"""A server of plain bytes, for what no HTTP library would send."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal, TypeVar

from tests.support.clocks import TIMEOUT, loop_time, turns

RESET_ON_CLOSE = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass(frozen=True)
class Reply:
    """What the raw server does with one request: sends bytes, then keeps or ends the connection.

    After ``silence`` nothing ever comes; ``time-out`` is the same, and ``TIMEOUT`` passes as soon as the
    client has the bytes.
    """

    data: bytes = b""
    then: Literal["keep", "close", "reset", "silence", "time-out"] = "keep"


class RawServer:
    """A plain socket: records each byte and connection, and answers what the test says.

    ``replies`` are used one a request; when they are used up, ``default`` is sent.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.connections = 0
        self.requests: list[bytes] = []
        self.arrived = asyncio.Event()
        self.replies: list[Reply] = []
        self.default = Reply(json_answer("{}"))
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # cancelled by stop(), and by nobody else
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    @property
    def open_connections(self) -> int:
        return len(self._tasks)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        self.requests.append(head + await reader.readexactly(int(lengths[0]) if lengths else 0))
        self.arrived.set()
        reply = self.replies.pop(0) if self.replies else self.default
        if reply.data:
            writer.write(reply.data)
            await writer.drain()
        if reply.then == "time-out":
            await turns()
            loop_time.advance(TIMEOUT)
        if reply.then in ("silence", "time-out"):
            await asyncio.Event().wait()
        if reply.then == "reset":
            writer.transport.get_extra_info("socket").setsockopt(*RESET_ON_CLOSE)
        return reply.then == "keep"


AnyRawServer = TypeVar("AnyRawServer", bound=RawServer)


@asynccontextmanager
async def listening(
    raw: AnyRawServer, *, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None
) -> AsyncIterator[AnyRawServer]:
    """Let a raw server listen on a free port.

    :param receive_buffer: bytes that the operating system takes in for it, if not as many as it likes
    """
    with socket.socket() as sock:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.bind(("127.0.0.1", 0))
        async with _listening_on(sock, raw, tls):
            yield raw


@asynccontextmanager
async def _listening_on(
    sock: socket.socket, raw: RawServer, tls: ssl.SSLContext | None
) -> AsyncIterator[None]:
    server = await asyncio.start_server(raw.serve, sock=sock, ssl=tls)
    port = sock.getsockname()[1]
    raw.base_url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    yield
    server.close()
    await raw.stop()
    await server.wait_closed()


def json_answer(body: str, status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole HTTP answer as bytes."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", body]).encode()
