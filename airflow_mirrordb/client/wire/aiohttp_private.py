"""Connections of aiohttp that keep to limits of their own. What it does not document is used here."""

from __future__ import annotations

import asyncio
import functools
import re
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.resolver import DefaultResolver, ThreadedResolver

from airflow_mirrordb.client import forking
from airflow_mirrordb.client.wire.threads import Resolver

#: Answers that end with their head, whatever it announces (RFC 9112, section 6.3); a 205 has no body either
#: (RFC 9110, section 15.3.6).
WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED)
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
#: Bytes that may have come of an answer beside its body: its head, and those of 1xx answers before it; the
#: sizes and extensions of chunks; trailers; and up to 256 kB that wait to be parsed. A body may have half
#: its own size more, as chunks of ten bytes have. Some backends stream JSON token by token: 2 MB of that
#: are read.
MAX_FRAMING = 2**22


class FramingError(HttpProcessingError):
    """Too little of what comes is the body of an answer, and it could go on so for ever."""


class Connector(aiohttp.TCPConnector):
    """Makes connections, and gives none again on which something came that nobody had asked for.

    aiohttp would take it for the answer to the next request.
    """

    def __init__(self, **options: Any) -> None:
        # aiodns, where aiohttp finds it, needs no threads
        resolver = Resolver() if DefaultResolver is ThreadedResolver else None
        super().__init__(resolver=resolver, **options)
        self._factory: Any = functools.partial(Handler, loop=self._loop)
        self._steps: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()
        _connectors.add(self)

    def interrupted_step(self) -> str:
        """Return in which step of connecting the current task was interrupted, if it was in one."""
        return self._steps.pop(_current_task(), "")

    async def _create_connection(self, *args: Any, **options: Any) -> Any:
        try:
            protocol = await super()._create_connection(*args, **options)
        except asyncio.CancelledError:
            raise  # interrupted_step() tells where
        except BaseException:
            self.interrupted_step()
            raise
        self.interrupted_step()
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
        while (connection := await super()._get(*args, **options)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
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

    def set_response_params(self, **options: Any) -> None:
        """Prepare for the next answer."""
        self._received, self._allowed = 0, MAX_FRAMING
        self._options, self._before_head = options, list[bytes]()
        self._has_head = False
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        if self._received > self._allowed:
            body = 0 if self._payload is None else self._payload.total_bytes
            self._allowed = MAX_FRAMING + body + body // 2
            if self._received > self._allowed:
                self._end(f"only {body:,} of {self._received:,} bytes are its body, the rest is framing")
                return
        self._received += len(data)
        if not self._has_head:
            self._before_head.append(data)
        super().data_received(data)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Hand a head to the reader."""
        self._has_head = is_final(data[0].code)
        if self._has_head:
            self._before_head.clear()
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Hand an error to the reader."""
        if type(exc) is HttpProcessingError:  # these bytes cannot be parsed
            if not self._has_head and self._feed_head():
                return
            if self._payload is not None and not self._payload.is_eof():
                self._payload.set_exception(exc)
        super().set_exception(exc, *cause)

    def _feed_head(self) -> bool:
        """Parse an answer again, its head alone first, and hand that over; False if not even that can be."""
        found = _split(b"".join(self._before_head))
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


def _split(raw: bytes) -> tuple[bytes, bytes] | None:
    """Return the head of the final answer in some bytes, and what follows it; None if it is not all there."""
    start = 0
    while found := _STATUS_LINE.match(raw, start):
        end = raw.find(b"\r\n\r\n", start) + 4
        if end < 4:  # noqa: PLR2004  # there is no end
            break
        if is_final(int(found[1])):
            return raw[start:end], raw[end:]
        start = end
    return None


def is_final(status: int) -> bool:
    """Whether no other answer follows (RFC 9110, section 15.2)."""
    return status >= HTTPStatus.OK or status == HTTPStatus.SWITCHING_PROTOCOLS
