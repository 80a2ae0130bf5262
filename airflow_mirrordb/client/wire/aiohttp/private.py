"""All that is used of aiohttp beyond what it documents; the linter forbids it everywhere else.

Its connections are used below its session: that halves the CPU of a request. They keep to limits of our own
here, and nothing is read twice. ``changes.py`` tells whether all of it is there.
"""

from __future__ import annotations

import asyncio
import functools
import math
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.http_writer import _serialize_headers as serialize_headers

from airflow_mirrordb.client import forking
from airflow_mirrordb.client.event_loops import being_closed
from airflow_mirrordb.client.wire.body_ends import WITHOUT_BODY, final_status, is_final, split_head
from airflow_mirrordb.client.wire.resolver import Resolver
from airflow_mirrordb.client.wire.sockets import bytes_left, drop_what_is_held, is_readable, unsent_bytes

__all__ = [
    "NO_TIMEOUT",
    "PARSING",
    "Connection",
    "Connector",
    "FramingError",
    "Handler",
    "Opener",
    "RawResponseMessage",
    "Response",
    "UnparsableError",
    "begun_status",
    "exchange",
    "serialize_headers",
]

#: The bytes of an answer that are no HTTP.
UnparsableError = HttpProcessingError
#: Bytes of an answer that wait unread before the backend has to.
READ_SIZE = 2**16
#: A body without a length ends with its connection; what compresses it is taken off elsewhere.
PARSING: dict[str, Any] = {"read_until_eof": True, "read_bufsize": READ_SIZE, "auto_decompress": False}
NO_TIMEOUT = aiohttp.ClientTimeout()  # the request's own covers all of it
#: Bytes that may have come of an answer beside its body: its head, and those of 1xx answers before it; the
#: sizes and extensions of chunks; trailers; and up to 256 kB that wait to be parsed. A body may have half
#: its own size more, as chunks of ten bytes have. Some backends stream JSON token by token: 2 MB of that
#: are read.
MAX_FRAMING = 2**22
#: Seconds after bytes came on a connection in which it is not looked at again: the event loop was there just
#: now, and another look takes 2 % of the CPU of a request.
LOOKED_AT = 0.1
#: Bytes of a body that are worth no connection of their own when the backend refuses it.
SMALL_BODY = 2**16


class FramingError(UnparsableError):
    """Too little of what comes is the body of an answer, and it could go on so for ever."""


class Connector(aiohttp.TCPConnector):
    """Makes connections, and gives none again that has ended, or on which something came unasked.

    aiohttp would take that for the answer to the next request.

    :param before_opening: awaited before a connection is opened; may call :meth:`open_with`
    """

    def __init__(self, before_opening: Callable[[], Awaitable[None]] | None = None, **options: Any) -> None:
        # aiodns, where aiohttp finds it, needs no threads
        resolver = Resolver() if aiohttp.DefaultResolver is aiohttp.ThreadedResolver else None
        super().__init__(resolver=resolver, **options)
        self._before_opening = before_opening
        self._factory: Any = functools.partial(Handler, loop=self._loop)
        self._steps: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()
        _connectors.add(self)

    def connection_for(self, opener: Opener) -> Awaitable[Connection]:
        """Return a connection to where an opener leads, a used one if there is one."""
        return self.connect(opener, [], NO_TIMEOUT)

    def open_with(self, context: ssl.SSLContext) -> None:
        """Open connections with other TLS settings from now on, and use none of before again."""
        self._ssl = context
        for connections in self._conns.values():
            for protocol, _ in connections:
                protocol.close()
        for protocol in self._acquired:
            if isinstance(protocol, Handler):  # else it stands for one that is being opened
                protocol.force_close()

    def interrupted_step(self) -> str:
        """Return in which step of connecting the current task was interrupted, if it was in one."""
        return self._steps.pop(_current_task(), "")

    async def _create_connection(self, *args: Any, **options: Any) -> Any:
        try:
            if self._before_opening is not None:
                self._steps[_current_task()] = "the files of its certificates were not read"
                await self._before_opening()
            context = self._ssl
            protocol = await super()._create_connection(*args, **options)
        except asyncio.CancelledError:
            raise  # interrupted_step() tells where
        except BaseException:
            self.interrupted_step()
            raise
        self.interrupted_step()
        if context is not self._ssl:  # they changed during the handshake
            protocol.force_close()
        return protocol

    async def _resolve_host(self, host: str, *args: Any, **options: Any) -> Any:
        self._steps[_current_task()] = f"the name {host!r} was not resolved"
        return await super()._resolve_host(host, *args, **options)

    async def _wrap_create_connection(self, *args: Any, **options: Any) -> Any:
        task, factory = _current_task(), args[0]
        self._steps[task] = "nothing took the connection"

        def begin() -> Any:  # there is a connection
            if options.get("ssl"):
                self._steps[task] = "the TLS handshake did not end"
            return factory()

        made = await super()._wrap_create_connection(begin, *args[1:], **options)
        self._steps[task] = "the proxy did not answer"  # unless this is the backend
        return made

    async def _start_tls_connection(self, *args: Any, **options: Any) -> Any:
        self._steps[_current_task()] = "the TLS handshake through the proxy did not end"
        return await super()._start_tls_connection(*args, **options)

    async def _get(self, *args: Any, **options: Any) -> Any:
        if not (is_alone := not self._acquired):
            # the loop looks at all of them at once; and what goes in step takes 5 to 10 % less CPU
            await asyncio.sleep(0)
        while (connection := await super()._get(*args, **options)) is not None:
            if isinstance(connection.protocol, Handler) and connection.protocol.is_clean(looks=is_alone):
                return connection
            connection.close()
        return None


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # asyncio runs nothing else
    return task


_connectors: WeakSet[Connector] = WeakSet()
forking.empty_when_forked(_connectors)


class Handler(ResponseHandler):
    """Receives answers; ends one that is all framing, and keeps the head of one that is followed by garbage.

    Each chunk, header or 1xx answer costs a microsecond or more, however few bytes it has: 16 MB in
    chunks of one byte would take 17 s of CPU.

    The status of an answer decides what was done. aiohttp forgets a head if the bytes that come with it
    cannot be parsed, as the body of a 204 that must not have one, and it does not tell the reader of a body
    when what comes later cannot.
    """

    has_head = True
    """Whether there is an answer to the last request; there was none yet."""
    is_watched = False
    """Whether it counts how much of the request is left to be sent, as of a write."""
    left_at_head = 0
    """Bytes of the request that the backend had not received when the head of its answer came."""
    left_at_end: int | None = None
    """The same when the backend ended the connection; None if it has not, or has reset it."""
    _heard_at = -math.inf  # in the loop's own time

    def set_response_params(self, **options: Any) -> None:
        """Prepare for the next answer."""
        self.left_at_head, self.left_at_end = 0, None
        self._received, self._allowed = 0, MAX_FRAMING
        self._options = options
        self._before_head: list[bytes] = []
        self.has_head = False
        super().set_response_params(**options)

    def is_clean(self, *, looks: bool) -> bool:
        """Whether another request may follow: nothing came unasked, and the connection has not ended.

        :param looks: whether to look in any case; else only where nothing has come for a while, since a task
            that keeps the event loop busy also keeps it from looking
        """
        if self.should_close or self.transport is None:
            return False
        is_seen = not looks and self._loop.time() < self._heard_at + LOOKED_AT
        return is_seen or not is_readable(self.transport)

    def data_received(self, data: bytes) -> None:
        if self._received > self._allowed:
            body = 0 if self._payload is None else self._payload.total_bytes
            self._allowed = MAX_FRAMING + body + body // 2
            if self._received > self._allowed:
                self._end(f"only {body:,} of {self._received:,} bytes are its body, the rest is framing")
                return
        self._received += len(data)
        self._heard_at = self._loop.time()
        if not self.has_head:
            self._before_head.append(data)
            if self.is_watched and self.transport is not None:
                self.left_at_head = bytes_left(self.transport)
        super().data_received(data)

    def resume_reading(self, *parser: Any, **options: Any) -> None:
        """Read on after a pause; aiohttp calls this whenever somebody takes a body."""
        if self._reading_paused:  # else its parser would look for more where there is nothing
            super().resume_reading(*parser, **options)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Hand a head to the reader."""
        self.has_head = is_final(data[0].code)
        if self.has_head:
            self._before_head.clear()
        super().feed_data(data, size)

    def eof_received(self) -> None:
        """Note what was left to be sent; asyncio calls this, and closes the connection then."""
        if self.is_watched and self.transport is not None:
            self.left_at_end = bytes_left(self.transport)
        super().eof_received()

    def begun_status(self) -> int | None:
        """Return the status of an answer whose head is cut off or cannot be parsed, if it has one."""
        return final_status(b"".join(self._before_head))[0]

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Hand an error to the reader."""
        if type(exc) is HttpProcessingError:  # these bytes cannot be parsed
            if not self.has_head and self._feed_head():
                return
            if self._payload is not None and not self._payload.is_eof():
                self._payload.set_exception(exc)
        super().set_exception(exc, *cause)

    async def drain(self) -> None:
        """Wait until there is room for more to send.

        :raises ConnectionError: if the connection is lost
        """
        await self._drain_helper()

    def close(self) -> None:
        """Close the connection; a request that is not over is not sent any further.

        asyncio sends all that it has before it closes a connection, and so does the operating system. So the
        backend might apply a write long after it was given up, and after others that followed it.
        """
        if self.transport is not None:
            being_closed.add(self)
        if self.transport is not None and self._is_under_way(self.transport):
            drop_what_is_held(self.transport)
            self.transport.abort()
        super().close()

    def connection_lost(self, exc: BaseException | None) -> None:
        being_closed.discard(self)
        super().connection_lost(exc)

    def _is_under_way(self, transport: asyncio.Transport) -> bool:
        is_answered = self.has_head and (self._payload is None or self._payload.is_eof())
        return not is_answered or transport.is_closing() or unsent_bytes(transport) > 0

    def _feed_head(self) -> bool:
        """Parse an answer again, its head alone first, and hand that over; False if not even that can be."""
        found = split_head(b"".join(self._before_head))
        if found is None:
            return False
        head, rest = found
        super().set_response_params(**self._options)  # another parser
        parser: Any = self._parser
        try:
            ((message, payload),) = parser.feed_data(head)[0]
        except (HttpProcessingError, ValueError):
            return False
        if message.code not in WITHOUT_BODY:
            try:
                parser.feed_data(rest)
            except HttpProcessingError as error:
                if not payload.is_eof():  # else it is whole, and what follows costs only the connection
                    payload.set_exception(error)
        self.force_close()
        self._payload = payload
        self.feed_data((message, payload))
        return True

    def _end(self, reason: str) -> None:
        error = FramingError(message=reason)
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.close()


#: The headers of a request and its credentials, and both as they go over the wire.
PlainHead = tuple[Mapping[str, str], object, bytes]


class Opener(aiohttp.ClientRequest):
    """What opens a connection: a request of aiohttp that is never sent."""

    plain_head: PlainHead | None = None
    """What last followed the first line of a request without headers of its own."""


# -- one request ---------------------------------------------------------------------------------


class Response:
    """The head of an answer, and its body while it comes in over a connection."""

    __slots__ = ("_protocol", "_transport", "content", "headers", "status")

    def __init__(
        self,
        message: RawResponseMessage,
        content: aiohttp.StreamReader,
        protocol: ResponseHandler,
        transport: asyncio.Transport,
    ) -> None:
        self.status, self.headers, self.content = message.code, message.headers, content
        self._protocol, self._transport = protocol, transport

    def connection_error(self) -> BaseException | None:
        """Return how the connection ended, None if it has not."""
        return self._protocol.exception()

    def is_request_read(self, body: bytes | None) -> bool:
        """Whether the backend has read all of the request, as far as can be known.

        It may answer before (RFC 9112, section 9.3), and what follows on the connection would wait behind
        the rest. What it refused it may have read or not.

        :param body: of the request
        """
        if body and len(body) > SMALL_BODY and self.status >= HTTPStatus.MULTIPLE_CHOICES:
            return False
        return not (self._transport.is_closing() or unsent_bytes(self._transport))

    def tls(self) -> ssl.SSLObject | None:
        """Return the TLS of the connection, None if it has none."""
        found: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return found


async def exchange(connection: Connection, head: bytes, body: bytes | None) -> Response:
    """Send a request, and return what the backend answers as soon as its headers are there.

    :raises aiohttp.ClientError: if the connection ends before
    """
    protocol = connection.protocol
    transport = None if protocol is None else protocol.transport
    if protocol is None or transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(**PARSING)
    transport.writelines([head, body] if body else [head])
    while True:
        message, content = await protocol.read()
        if is_final(message.code):
            return Response(message, content, protocol, transport)


def begun_status(connection: Connection | None) -> int | None:
    """Return the status of an answer that only began, if as much of it came."""
    protocol = connection and connection.protocol
    return protocol.begun_status() if isinstance(protocol, Handler) else None
