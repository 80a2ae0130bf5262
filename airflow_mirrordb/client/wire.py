"""Connections of aiohttp that keep to limits of their own. What it does not document is used here."""

from __future__ import annotations

import functools
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from airflow_mirrordb.client import forking

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
        super().__init__(**options)
        self._factory: Any = functools.partial(Handler, loop=self._loop)
        _connectors.add(self)

    async def _get(self, *args: Any, **options: Any) -> Any:
        while (connection := await super()._get(*args, **options)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


_connectors: WeakSet[Connector] = WeakSet()
forking.empty_when_forked(_connectors)


class Handler(ResponseHandler):
    """Receives answers; ends one that is all framing.

    Each chunk, header or 1xx answer costs a microsecond or more, however few bytes it has: 16 MB in
    chunks of one byte would take 17 s of CPU.
    """

    def set_response_params(self, **options: Any) -> None:
        """Prepare for the next answer."""
        self._received, self._allowed = 0, MAX_FRAMING
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        if self._received > self._allowed:
            body = 0 if self._payload is None else self._payload.total_bytes
            self._allowed = MAX_FRAMING + body + body // 2
            if self._received > self._allowed:
                self._end(f"only {body:,} of {self._received:,} bytes are its body, the rest is framing")
                return
        self._received += len(data)
        super().data_received(data)

    def _end(self, reason: str) -> None:
        error = FramingError(message=reason)
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.close()
