"""A proxy between a client and a backend that does to requests what bad networks and gateways do."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING

from tests.support.clocks import TIMEOUT, loop_time, until
from tests.support.raw_server import RESET_ON_CLOSE, json_answer

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_mirrordb.client import GenericMirrorDB


class Fault(Enum):
    """What happens to a request, or between two."""

    NONE = "passed on"
    DELAY = "passed on; the answer comes late"
    REFUSE = "between requests: the port refuses connections for a moment, idle ones are closed"
    CLOSE_IDLE = "between requests: idle connections are closed"
    RESET_REQUEST = "reset after some bytes of the request"
    LOSE_ANSWER_RESET = "delivered; a reset in place of the answer"
    LOSE_ANSWER_CLOSE = "delivered; the connection is closed in place of the answer"
    TRUNCATE = "delivered; closed in the middle of the answer"
    GARBAGE = "delivered; garbage in place of the answer"
    ERROR_500 = "500, not delivered"
    ERROR_502 = "502, not delivered"
    ERROR_503 = "503, not delivered"
    BUSY_503 = "503 with Retry-After, not delivered"
    LIMIT_429 = "429, not delivered"
    LIMIT_429_RETRY_AFTER = "429 with Retry-After, not delivered"
    LATE_502 = "delivered; 502 in place of the answer"
    LATE_504 = "delivered; 504 in place of the answer"
    HANG = "not delivered; no answer until the client gives up"
    HANG_AFTER = "delivered; no answer until the client gives up"


#: The requests are sound; only connections are not.
BETWEEN_REQUESTS = frozenset({Fault.REFUSE, Fault.CLOSE_IDLE})
#: The answer itself says that the request was not carried out.
REFUSALS = frozenset({Fault.BUSY_503, Fault.LIMIT_429, Fault.LIMIT_429_RETRY_AFTER})
#: The client learns nothing, or nothing that it may believe.
HIDING = frozenset(Fault) - BETWEEN_REQUESTS - REFUSALS - {Fault.NONE, Fault.DELAY}
#: The backend carries the request out, whatever the client sees.
DELIVERED = frozenset(
    {
        Fault.NONE,
        Fault.DELAY,
        Fault.LOSE_ANSWER_RESET,
        Fault.LOSE_ANSWER_CLOSE,
        Fault.TRUNCATE,
        Fault.GARBAGE,
        Fault.LATE_502,
        Fault.LATE_504,
        Fault.HANG_AFTER,
    }
)

_BURST = (Fault.ERROR_500, Fault.ERROR_502, Fault.ERROR_503)
_ANSWERS = {
    Fault.ERROR_500: json_answer("{}", "500 Internal Server Error"),
    Fault.ERROR_502: json_answer("<html>", "502 Bad Gateway"),
    Fault.ERROR_503: json_answer("", "503 Service Unavailable"),
    Fault.BUSY_503: json_answer("{}", "503 Service Unavailable", "Retry-After: 0"),
    Fault.LIMIT_429: json_answer("{}", "429 Too Many Requests"),
    Fault.LIMIT_429_RETRY_AFTER: json_answer("{}", "429 Too Many Requests", "Retry-After: 0"),
    Fault.LATE_502: json_answer("<html>", "502 Bad Gateway"),
    Fault.LATE_504: json_answer("", "504 Gateway Timeout"),
}
_GARBAGE = b"\x00\xff\x16 this is not HTTP\r\n\r\n"
_DELAY = 0.002
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(kw_only=True)
class Exchange:
    """What the proxy did, once.

    :param connection: number of the client's connection, from 1; 0 for what happens between requests
    :param line: method and target, as far as they were read
    :param status: of the backend's own answer; None if the request was not delivered
    """

    connection: int
    line: str
    fault: Fault
    status: int | None = None

    def __str__(self) -> str:
        backend = "" if self.status is None else f" (the backend said {self.status})"
        return f"#{self.connection} {self.line}: {self.fault.value}{backend}"


def random_faults(rng: random.Random, share: float) -> Iterator[Fault]:
    """Draw faults for ever: each kind, and bursts of 5xx as well; those that cost time half as often.

    :param share: how many requests in 1 meet a fault, bursts apart
    """
    kinds: list[Fault | None] = [None, *(fault for fault in Fault if fault is not Fault.NONE)]
    weights = [0.5 if kind in (None, Fault.HANG, Fault.HANG_AFTER) else 1 for kind in kinds]
    while True:
        if rng.random() >= share:
            yield Fault.NONE
        elif kind := rng.choices(kinds, weights)[0]:
            yield kind
        else:
            yield from rng.choices(_BURST, k=rng.randint(3, 8))


class FaultProxy:
    """Listens on a free port of 127.0.0.1, and does to each request what the next fault says.

    Requests reach the backend one after the other, in the order in which they came.

    :param backend_port: where the backend listens, on 127.0.0.1
    :param faults: one a request; when they are used up, everything is passed on
    :param ssl_context: serve https for ``localhost`` with it
    :param rng: says where a reset cuts the request
    :param reset_after: bytes of a request that a reset may wait for
    :param refuse_for: how long the port refuses connections, in seconds of the event loop
    """

    def __init__(
        self,
        backend_port: int,
        faults: Iterable[Fault] = (),
        *,
        ssl_context: ssl.SSLContext | None = None,
        rng: random.Random | None = None,
        reset_after: range = range(60, 400),
        refuse_for: float = 0.01,
    ) -> None:
        self.connections = self.hanging = self.new_hanging = 0
        self.log: list[Exchange] = []
        self._backend_port, self._ssl_context = backend_port, ssl_context
        self._faults = itertools.chain(faults, itertools.repeat(Fault.NONE))
        self._next = next(self._faults)
        self._rng, self._reset_after, self._refuse_for = rng or random.Random(0), reset_after, refuse_for
        self._port, self._port_holder = 0, socket.socket()
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._idle: set[asyncio.StreamWriter] = set()
        self._turn = asyncio.Lock()
        self._backend: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        # Bound but not listening, it keeps the port ours while connections are refused.
        self._port_holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._port_holder.bind(("127.0.0.1", 0))
        self._port = self._port_holder.getsockname()[1]
        self.listen()
        self._between_requests()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop_listening()
        self._port_holder.close()
        for writer in self._clients:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._backend is not None:
            self._backend[1].close()
            await self._backend[1].wait_closed()
        await asyncio.sleep(0)  # for the transports to end

    @property
    def base_url(self) -> str:
        return f"https://localhost:{self._port}" if self._ssl_context else f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[Exchange]:
        """The log without what happened between requests."""
        return [exchange for exchange in self.log if exchange.fault not in BETWEEN_REQUESTS]

    def counts(self) -> dict[str, int]:
        """Return how often each fault was met, for a person."""
        return {fault.name: count for fault, count in Counter(e.fault for e in self.log).most_common()}

    @property
    def listens(self) -> bool:
        return self._listener is not None

    def listen(self) -> None:
        # No asyncio.Server: closed while it accepts, it leaves that connection open for ever.
        if self._listener is None:
            self._listener = socket.socket()
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._listener.setblocking(False)
            self._listener.bind(("127.0.0.1", self._port))
            self._listener.listen(100)
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def stop_listening(self) -> None:
        """From now on connections are refused; those that are open stay."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def settle(self) -> None:
        """Return when the backend has answered whatever is on its way to it."""
        async with self._turn:
            pass

    # -- faults ----------------------------------------------------------------------------------

    def _draw(self) -> Fault:
        fault, self._next = self._next, next(self._faults)
        return fault

    def _between_requests(self) -> None:
        while self._next in BETWEEN_REQUESTS:
            self._disturb(self._draw())

    def _fault(self) -> Fault:
        """Return the fault of a request that comes in."""
        while (fault := self._draw()) in BETWEEN_REQUESTS:
            self._disturb(fault)
        return fault

    def _disturb(self, fault: Fault) -> None:
        self.log.append(Exchange(connection=0, line=f"{len(self._idle)} idle", fault=fault))
        for writer in self._idle:
            writer.close()
        if fault is Fault.REFUSE:
            self.stop_listening()
            self._start(self._listen_again())

    async def _listen_again(self) -> None:
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(self._refuse_for, over.set)
        await over.wait()
        self.listen()

    # -- connections -----------------------------------------------------------------------------

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the client has left already
            connection, _ = listener.accept()
            self._start(self._serve(connection))

    async def _serve(self, connection: socket.socket) -> None:
        self.connections += 1
        number, reader = self.connections, asyncio.StreamReader()
        with suppress(asyncio.IncompleteReadError, OSError):  # the client hung up
            writer = await self._open(connection, reader)
            self._clients.add(writer)
            try:
                while await self._exchange(number, reader, writer):
                    self._idle.add(writer)
                    self._between_requests()
            finally:
                self._idle.discard(writer)
                writer.close()

    async def _open(self, connection: socket.socket, reader: asyncio.StreamReader) -> asyncio.StreamWriter:
        loop, protocol = asyncio.get_running_loop(), asyncio.StreamReaderProtocol(reader)
        connection.setblocking(False)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._ssl_context)
        return asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _exchange(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Handle one request; True if the connection goes on."""
        first = await reader.read(1)
        self._idle.discard(writer)
        if not first:
            return False
        exchange = Exchange(connection=number, line="", fault=self._fault())
        self.log.append(exchange)
        if exchange.fault is Fault.RESET_REQUEST:
            exchange.line = _line(await self._read_some(reader, first))
            _reset(writer)
            return False
        request = await read_message(reader, first)
        exchange.line = _line(request)
        if exchange.fault not in DELIVERED:
            return await self._answer_instead(exchange.fault, reader, writer)
        answer = await self._deliver(request)
        exchange.status = int(answer[9:12])
        if exchange.fault not in (Fault.NONE, Fault.DELAY):
            return await self._spoil(exchange.fault, answer, reader, writer)
        if exchange.fault is Fault.DELAY:
            await asyncio.sleep(_DELAY)
        writer.write(answer)
        await writer.drain()
        return not (_is_last(request) or _is_last(answer))

    async def _answer_instead(
        self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if fault is Fault.HANG:
            self.hanging += 1
            self.new_hanging += 1
            try:
                await reader.read()
            finally:
                self.hanging -= 1
            return False
        writer.write(_ANSWERS[fault])
        await writer.drain()
        return True

    async def _spoil(
        self, fault: Fault, answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if fault in _ANSWERS or fault is Fault.HANG_AFTER:
            return await self._answer_instead(
                Fault.HANG if fault is Fault.HANG_AFTER else fault, reader, writer
            )
        if fault is Fault.LOSE_ANSWER_RESET:
            _reset(writer)
        elif fault is Fault.TRUNCATE:
            head, _, body = answer.partition(_END_OF_HEAD)
            writer.write(answer[: -len(body) // 2] if body else head[: len(head) // 2])
        elif fault is Fault.GARBAGE:
            writer.write(_GARBAGE)
        return False

    async def _read_some(self, reader: asyncio.StreamReader, first: bytes) -> bytes:
        """Read as many bytes of a request as a reset waits for, or the whole of a shorter one."""
        wanted, read = self._rng.choice(self._reset_after), first
        while (
            len(read) < wanted
            and _END_OF_HEAD not in read
            and (more := await reader.read(wanted - len(read)))
        ):
            read += more
        length = read.find(_END_OF_HEAD) + len(_END_OF_HEAD) + int(_field(read, b"content-length") or 0)
        return read + await reader.readexactly(max(0, min(wanted, length) - len(read)))

    async def _deliver(self, request: bytes) -> bytes:
        """Return the backend's answer; every request is carried out before the next is delivered."""
        async with self._turn:
            if self._backend is None or self._backend[0].at_eof():
                self._backend = await asyncio.open_connection("127.0.0.1", self._backend_port)
            reader, writer = self._backend
            writer.write(request)
            answer = await read_message(reader)
            if _is_last(request) or _is_last(answer):
                writer.close()
                self._backend = None
            return answer


@asynccontextmanager
async def no_time_for_hanging(proxy: FaultProxy, client: GenericMirrorDB) -> AsyncIterator[None]:
    """As soon as half of what is in flight hangs, the time of all that is in flight is up."""

    async def watch() -> None:
        while True:
            await until(lambda: proxy.new_hanging and len(client._sender) <= 2 * proxy.hanging)
            proxy.new_hanging = 0
            loop_time.advance(TIMEOUT)

    watching = asyncio.create_task(watch())
    yield
    watching.cancel()


# -- HTTP/1.1 (RFC 9112), as far as this needs it ------------------------------------------------


async def read_message(reader: asyncio.StreamReader, first: bytes = b"") -> bytes:
    """Return a whole request or answer, byte for byte.

    :param first: what was read of it already
    :raises asyncio.IncompleteReadError: the connection ended before
    """
    head = first + await reader.readuntil(_END_OF_HEAD)
    if head.startswith(b"HTTP/") and head[9:12] in (b"204", b"304"):
        return head
    if b"chunked" in _field(head, b"transfer-encoding"):
        return head + await _read_chunks(reader)
    return head + await reader.readexactly(int(_field(head, b"content-length") or 0))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    read = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        read += line
        if size := int(line.split(b";")[0], 16):
            read += await reader.readexactly(size + 2)
            continue
        while line != b"\r\n":  # trailers, and the empty line after them
            line = await reader.readuntil(b"\r\n")
            read += line
        return read


def _field(message: bytes, name: bytes) -> bytes:
    head = message.partition(_END_OF_HEAD)[0] + b"\r\n"
    found = re.search(rb"\r\n%s:[ \t]*([^\r]*)\r\n" % name, head, re.IGNORECASE)
    return found[1].strip().lower() if found else b""


def _is_last(message: bytes) -> bool:
    return _field(message, b"connection") == b"close"


def _line(request: bytes) -> str:
    return " ".join(request.split(b"\r\n")[0].decode("latin-1").split(" ")[:2])


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():  # TLS has no socket then
        writer.transport.get_extra_info("socket").setsockopt(*RESET_ON_CLOSE)
    writer.transport.abort()
