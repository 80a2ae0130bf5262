"""Whether aiohttp does what is used of it beyond its documentation."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from http import HTTPStatus
from types import CodeType

import aiohttp
from aiohttp.hdrs import CONTENT_LENGTH
from yarl import URL

from airflow_mirrordb.client.wire.aiohttp.heads import opener_to
from airflow_mirrordb.client.wire.aiohttp.private import (
    NO_TIMEOUT,
    PARSING,
    Connection,
    Handler,
    RawResponseMessage,
    serialize_headers,
)

#: What aiohttp has to call or to read of a connector, or ours changes nothing.
_USED_OF_A_CONNECTOR = (
    "_acquired",
    "_conns",
    "_create_connection",
    "_factory",
    "_get",
    "_loop",
    "_resolve_host",
    "_ssl",
    "_start_tls_connection",
    "_wrap_create_connection",
)


def changes_of_aiohttp() -> Iterator[str]:
    """Say what aiohttp does otherwise than ``private.py`` needs; to be called inside an event loop.

    It looks into the code of connectors, and uses the rest once, without a connection. What was renamed
    may also show as an error of Python.

    :raises AttributeError: if a name is not there
    :raises TypeError: if something takes other arguments
    """
    for name in _USED_OF_A_CONNECTOR:
        if not _is_used(aiohttp.TCPConnector, name):
            yield f"TCPConnector does not use {name}"
    if "close" not in _names(aiohttp.TCPConnector._release.__code__):
        yield "TCPConnector ends connections otherwise"
    inspect.signature(aiohttp.TCPConnector.connect).bind(None, None, [], NO_TIMEOUT)
    opener = opener_to(URL("http://localhost/"), None, "identity")
    if opener.proxy is not None or opener.is_ssl():
        yield "ClientRequest knows no more where it leads"
    if not serialize_headers("GET / HTTP/1.1", opener.headers).startswith(b"GET / HTTP/1.1\r\nHost: "):
        yield "_serialize_headers writes something else"
    if not hasattr(Handler, "_drain_helper"):
        yield "ResponseHandler does not tell when there is room for more to send"
    if not hasattr(Connection, "protocol"):
        yield "Connection has no protocol"
    yield from _changes_of_answers()


def _changes_of_answers() -> Iterator[str]:
    """Say what becomes otherwise than needed of two answers: a usual one, and one that cannot be parsed."""
    handler = _fed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    if not handler.has_head:
        yield "ResponseHandler does not call feed_data"
    message, content = _read_now(handler)
    if (message.code, message.headers.get(CONTENT_LENGTH)) != (HTTPStatus.OK, "2"):
        yield "RawResponseMessage has another form"
    if handler._payload is not content or content.total_bytes != 2 or content.read_nowait() != b"{}":
        yield "ResponseHandler keeps bodies elsewhere"
    if handler.should_close or handler.exception() or handler.transport or handler._reading_paused:
        yield "ResponseHandler counts a whole answer as the end of its connection"
    handler = _fed(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}")
    if handler.exception() is not None:
        yield "ResponseHandler does not call set_exception"
    elif _read_now(handler)[0].code != HTTPStatus.NO_CONTENT or not handler.should_close:
        yield "ResponseHandler takes what follows an answer for another one"


def _fed(answer: bytes) -> Handler:
    handler = Handler(loop=asyncio.get_running_loop())
    handler.set_response_params(**PARSING)
    handler.data_received(answer)
    return handler


def _read_now(handler: Handler) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    reading = handler.read()
    try:
        reading.send(None)
    except StopIteration as read:
        return read.value  # type: ignore[no-any-return]
    reading.close()
    raise AttributeError("ResponseHandler.read() waits though there is an answer")


def _is_used(kind: type, name: str) -> bool:
    """Whether a class uses something of its own, beyond making it and calling that of its base."""
    for base in kind.__mro__:
        for key, member in vars(base).items():
            code = getattr(member, "__code__", None)
            if code is not None and key not in ("__init__", name) and name in _names(code):
                return True
    return False


def _names(code: CodeType) -> set[str]:
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)
