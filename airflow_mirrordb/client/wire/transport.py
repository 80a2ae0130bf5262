"""Sessions, TLS, and one HTTP exchange at a time; with :mod:`wire` the only file that speaks aiohttp."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import os
import re
import ssl
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing
from contextvars import Context
from http import HTTPStatus
from pathlib import Path
from weakref import WeakKeyDictionary

import aiohttp
import certifi
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.hdrs import ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.http_writer import _serialize_headers
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from airflow_mirrordb.client import forking
from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies import compression
from airflow_mirrordb.client.bodies.error_details import MAX_BODY
from airflow_mirrordb.client.collections.streams import Stream
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import (
    ConfigError,
    ConnectError,
    DisconnectedError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from airflow_mirrordb.client.request import WireRequest, base_of
from airflow_mirrordb.client.response import Answer
from airflow_mirrordb.client.wire.aiohttp_private import WITHOUT_BODY, Connector, FramingError, is_final
from airflow_mirrordb.client.wire.deadlines import Deadlines

log = logging.getLogger(__name__)

#: How aiohttp quotes what it received, up to the end of its message.
_QUOTED = re.compile(r"(?:\bbytearray\()?\bb['\"].*", re.DOTALL)

#: A write that must not be repeated never goes out on a connection that idled longer, in seconds:
#: the server may have closed it, and then nobody knows whether it took the request.
IDLE_LIMIT_FOR_WRITES = 1.0
IDLE_LIMIT = 15.0
#: Bytes of an answer that wait unread before the backend has to.
READ_SIZE = 2**16
_NO_TIMEOUT = aiohttp.ClientTimeout()  # the request's own covers all of it
_SUCCESS = range(200, 300)
#: How a request is left that somebody ends, also when its time is over in the same moment.
_ENDED = (asyncio.CancelledError, asyncio.TimeoutError)
DISCONNECTED = "the client was disconnected"
TOO_LONG = "the body is longer than max_response_bytes"


class _Response:
    """The head of an answer, and its body while it comes in over a connection."""

    __slots__ = ("content", "headers", "protocol", "status", "transport")

    def __init__(
        self,
        message: RawResponseMessage,
        content: aiohttp.StreamReader,
        protocol: ResponseHandler,
        transport: asyncio.Transport,
    ) -> None:
        self.status, self.headers, self.content = message.code, message.headers, content
        self.protocol, self.transport = protocol, transport


class Transport:
    """Sends requests for one client, on one event loop, through pooled connections.

    :param config: whose ``verify``, ``client_cert``, ``proxy`` and ``max_response_bytes`` apply
    :param shared: whether to use the connections that all such transports of the event loop share
    :raises ConfigError: if a certificate or key cannot be read
    """

    def __init__(self, config: MirrorDBConfig, *, shared: bool = False) -> None:
        if config.verify is False and (servers := _tls_servers(config)):
            log.warning("TLS certificates of %s are not verified (extra 'verify')", ", ".join(servers))
        self._config, self._share = config, shared
        self._shared: _Shared | None = None
        self._connections: Connections | None = None
        self._open()
        self._deadlines = Deadlines()
        self._sending = 0
        self._retired = False
        self.closing = False
        """Set by who is about to cancel all requests: they end with :class:`DisconnectedError` then."""

    async def send(
        self,
        request: WireRequest,
        credentials: Mapping[str, str] | None = None,
        within: float = math.inf,
        stream: Stream | None = None,
        begin: Callable[[], None] | None = None,
    ) -> Answer:
        """Send a request once and return the answer, whatever its status.

        An answer whose body did not come whole says so itself: its status decides what was done.

        :param credentials: headers that prove who sends it
        :param within: seconds after which its time is over, if its ``timeout`` is longer
        :param stream: takes the body of a success, whose answer has none then
        :param begin: called right before the first byte is sent
        :raises OutputError: if it cannot
        :raises TransportError: if there is none; its ``sent`` says whether the request may have arrived
        """
        connection: Connection | None = None
        response: _Response | None = None
        pieces: list[bytes] = []
        refused, broken = "", None
        self._sending += 1
        try:
            with self._deadlines.within(min(request.timeout, within)):
                await asyncio.sleep(0)  # lets the loop see which connections the server has closed
                connection, opener = await self._open().connect(request)
                head = _head(request, opener, credentials or {})
                if begin is not None:
                    begin()
                response = await _exchange(connection, head, request.body)
                refused = await self._read(response, pieces, stream)
                if not refused and response.content.at_eof() and not _is_body_to_come(response):
                    _check_end(response)
                    connection.release()
        except (Exception, asyncio.CancelledError) as error:
            sent = connection is not None
            if self.closing and isinstance(error, _ENDED):
                raise DisconnectedError(message=DISCONNECTED, retryable=False, sent=sent) from None
            _forget_credentials(error)
            own = _own_error(error, request.origin, min(request.timeout, within), sent=sent)
            if not sent and isinstance(error, asyncio.TimeoutError) and own and self._connections:
                own.message += self._connections.interrupted_step()
            if own is None:
                raise
            if response is None:
                raise own from error
            own.status, own.__cause__ = response.status, error
            broken = own
        finally:
            if connection is not None:
                connection.close()  # unless it was released
            self._sending -= 1
            if self._retired:
                await self.retire()
        return Answer(
            status=response.status,
            headers=response.headers,
            body=b"".join(pieces),
            refused=refused,
            broken=broken,
        )

    async def retire(self) -> None:
        """Close all connections as soon as nothing is in flight: only requests that began here still come."""
        self._retired = True
        if not self._sending:
            await self.close()

    async def close(self) -> None:
        """Close all connections, unless others share them; a second call does nothing."""
        self._deadlines.close()
        connections, self._connections = self._connections, None
        if connections is None:
            return
        if self._shared:
            self._shared.leave()
        else:
            await connections.close()

    def _open(self) -> Connections:
        if self._connections is None:
            self._shared = _share(self._config) if self._share else None
            self._connections = self._shared.connections if self._shared else Connections(self._config)
        return self._connections

    async def _read(self, response: _Response, pieces: list[bytes], stream: Stream | None) -> str:
        """Read a body, that of a success to the stream; return why the rest of it was refused, if it was.

        :raises PackingError: if it is damaged
        """
        content, left = response.content, self._config.max_response_bytes
        if response.status not in _SUCCESS:
            stream, left = None, min(left, MAX_BODY)  # of an error no more is looked at
        if stream is not None:
            await stream.begin()
        if response.status in WITHOUT_BODY:
            return ""
        if stream is None and content.is_eof() and CONTENT_ENCODING not in response.headers:
            pieces.append(content.read_nowait())  # all of it came with its head
            return "" if len(pieces[0]) <= left else TOO_LONG
        try:
            async with aclosing(_unpacked(response)) as unpacked:
                async for piece in unpacked:
                    if stream is not None:
                        await stream.write(piece)
                        continue
                    pieces.append(piece[:left])
                    left -= len(piece)
                    if left < 0:
                        return TOO_LONG
        except compression.UnknownPackingError as error:
            return str(error)
        except FramingError as error:
            return error.message
        return ""


async def _unpacked(response: _Response) -> AsyncGenerator[bytes, None]:
    unpacking = None
    async for chunk in response.content.iter_any():
        if unpacking is None:  # an empty body is packed in no way, whatever its Content-Encoding says
            unpacking = compression.Unpacking(", ".join(response.headers.getall(CONTENT_ENCODING, ())))
        for piece in unpacking.pieces(chunk):
            yield piece
            if len(piece) >= compression.PIECE:  # a bomb, of which a chunk may hold gigabytes
                await asyncio.sleep(0)
    if unpacking is not None:
        yield unpacking.end()


class Connections:
    """The connections to one backend on one event loop: one pool for writes that must not be repeated,
    one for all else.

    The TLS settings hold for every server that is spoken to over TLS: the backend, the token endpoint and
    the proxy. Each of them is shown the client's certificate if it asks for one (RFC 8705, section 2).

    :param config: whose ``base_url``, ``oauth_url``, ``verify``, ``client_cert`` and ``proxy`` apply
    :raises ConfigError: if a certificate or key cannot be read
    """

    def __init__(self, config: MirrorDBConfig) -> None:
        self._proxy = URL(config.proxy.get_secret_value()) if config.proxy else None
        self._tls: ssl.SSLContext | bool = True
        if _tls_servers(config):
            passphrase = config.client_key_passphrase
            self._tls = tls_context(
                verify=config.verify,
                client_cert=config.client_cert,
                client_key=config.client_key,
                passphrase=passphrase.get_secret_value() if passphrase else None,
            )
        self._pools: dict[float, Connector] = {}
        self._openers: dict[URL, aiohttp.ClientRequest] = {}

    async def connect(self, request: WireRequest) -> tuple[Connection, aiohttp.ClientRequest]:
        """Return a connection that a request can be sent on, and the request that opened it for aiohttp."""
        idle_limit = IDLE_LIMIT if request.repeatable else IDLE_LIMIT_FOR_WRITES
        pool = self._pools.get(idle_limit)
        if pool is None:
            pool = Connector(ssl=self._tls, limit=0, keepalive_timeout=idle_limit)
            self._pools[idle_limit] = pool
        opener = self._openers.get(request.origin)
        if opener is None:
            opener = aiohttp.ClientRequest("GET", request.origin, proxy=self._proxy)
            opener.headers[ACCEPT_ENCODING] = compression.ACCEPTED
            self._openers[request.origin] = opener
        return await pool.connect(opener, [], _NO_TIMEOUT), opener

    def interrupted_step(self) -> str:
        """Return in which step of connecting the current task was interrupted, as the end of a message."""
        step = "".join(pool.interrupted_step() for pool in self._pools.values())
        return f": {step}" if step else ""

    async def close(self) -> None:
        """Close all connections, to the end even if the caller is cancelled."""
        pools = list(self._pools.values())
        self._pools.clear()
        closing = asyncio.gather(*(pool.close() for pool in pools), return_exceptions=True)
        await asyncio.shield(closing)


# -- sharing -------------------------------------------------------------------------------------


class _Shared:
    """Connections, and how many use them; closed when nobody has for as long as an idle connection lives.

    A task closes them when it is cancelled: by the timer, or by ``asyncio.run`` when it ends the loop.

    :param config: see :class:`Connections`
    :param of_loop: what is shared on the event loop; it leaves that when it closes, or it would keep the loop
    :param key: its name there
    :raises ConfigError: if a certificate or key cannot be read
    """

    def __init__(self, config: MirrorDBConfig, of_loop: dict[Hashable, _Shared], key: Hashable) -> None:
        self.connections = Connections(config)
        self._users, self._of_loop, self._key = 0, of_loop, key
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        # A context of its own: it outlives the task that happens to be the first user.
        self._end = Context().run(self._loop.create_task, self._close_when_cancelled())

    def enter(self) -> None:
        self._users += 1
        if self._timer:
            self._timer.cancel()

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            self._timer = self._loop.call_later(IDLE_LIMIT, self._expire)

    def _expire(self) -> None:
        self._forget()
        self._end.cancel()

    async def _close_when_cancelled(self) -> None:
        try:
            await self._loop.create_future()
        finally:
            self._forget()
            await self.connections.close()

    def _forget(self) -> None:
        if self._of_loop.get(self._key) is self:
            del self._of_loop[self._key]


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Shared]] = WeakKeyDictionary()
forking.empty_when_forked(_shared)


def _share(config: MirrorDBConfig) -> _Shared:
    """Return the connections that all clients of a connection share on the running event loop.

    :raises ConfigError: if a certificate or key cannot be read
    """
    tls = (config.verify, config.client_cert, config.client_key, config.client_key_passphrase)
    key = (base_of(config.base_url)[0], bool(_tls_servers(config)), *tls, config.proxy)
    of_loop = _shared.setdefault(asyncio.get_running_loop(), {})
    if key not in of_loop:
        of_loop[key] = _Shared(config, of_loop, key)
    of_loop[key].enter()
    return of_loop[key]


def _tls_servers(config: MirrorDBConfig) -> list[str]:
    """Return the servers that are spoken to over TLS, as a log may show them."""
    proxy = config.proxy.get_secret_value() if config.proxy else ""
    urls = {
        config.base_url: config.base_url,
        config.oauth_url or "": "the token endpoint",
        proxy: "the proxy",
    }
    return [name for url, name in urls.items() if url.lower().startswith("https:")]


@functools.lru_cache(maxsize=32)  # reading the CA bundle takes 20 ms
def tls_context(
    *, verify: bool | str, client_cert: str | None, client_key: str | None, passphrase: str | None
) -> ssl.SSLContext:
    """Return the TLS settings of a connection: TLS 1.2 or newer, certifi's authorities by default.

    :raises ConfigError: if a file cannot be read; names the setting
    """
    context = ssl.create_default_context(cafile=certifi.where()) if verify is True else _context(verify)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_cert:
        try:
            context.load_cert_chain(client_cert, client_key, password=lambda: passphrase or "")
        except (OSError, ValueError) as error:
            raise ConfigError(
                message=f"client_cert, client_key: cannot be loaded: {error}", field="client_cert"
            ) from error
    return context


# another thread may hold a lock of OpenSSL's in the middle of a handshake when this process is forked
os.register_at_fork(after_in_child=tls_context.cache_clear)


def _context(verify: bool | str) -> ssl.SSLContext:
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    path = Path(str(verify))
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=str(path))
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            message=f"verify: {str(path)!r} is neither true, false nor a readable CA file or folder: {error}",
            field="verify",
        ) from error


def _head(request: WireRequest, opener: aiohttp.ClientRequest, credentials: Mapping[str, str]) -> bytes:
    """Return a request as it goes over the wire, up to its body."""
    headers = opener.headers.copy()  # Host, Accept-Encoding, and what an HTTP proxy wants to know
    headers.update(request.headers)
    headers.update(credentials)
    if request.body is not None or request.method != "GET":
        headers["Content-Length"] = str(len(request.body or b""))
    through_proxy = opener.proxy is not None and not opener.is_ssl()
    target = str(request.url) if through_proxy else request.target
    return _serialize_headers(f"{request.method} {target} HTTP/1.1", headers)  # refuses line breaks


async def _exchange(connection: Connection, head: bytes, body: bytes | None) -> _Response:
    """Send a request, and return what the backend answers as soon as its headers are there."""
    protocol = connection.protocol
    transport = None if protocol is None else protocol.transport
    if protocol is None or transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(read_until_eof=True, read_bufsize=READ_SIZE, auto_decompress=False)
    transport.writelines([head, body] if body else [head])
    while True:
        message, content = await protocol.read()
        if is_final(message.code):
            return _Response(message, content, protocol, transport)


def _is_body_to_come(response: _Response) -> bool:
    """Whether an answer that must not have a body announces one, which would be taken for the next answer.

    A 304 says in Content-Length how long the body is that it does not have (RFC 9110, section 8.6).
    """
    if response.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return False  # of a 205 the body is parsed, though not read
    length = response.headers.get(CONTENT_LENGTH, "0") if response.status == HTTPStatus.NO_CONTENT else "0"
    return length != "0" or TRANSFER_ENCODING in response.headers


def _check_end(response: _Response) -> None:
    """Check a body that ends with its connection: only how that ended tells whether it is whole.

    A reset cuts it off. Over TLS so does an end without a closure alert, which anybody on the way can
    cause (RFC 9112, sections 8 and 9.8; RFC 8446, section 6.1).

    :raises aiohttp.ClientError: if it was cut off
    """
    has_end = CONTENT_LENGTH in response.headers or TRANSFER_ENCODING in response.headers
    if has_end or response.status in WITHOUT_BODY:
        return
    end = response.protocol.exception()
    if end is None:  # the connection goes on: there is no body
        return
    if not isinstance(end, aiohttp.ServerDisconnectedError):
        raise end
    tls: ssl.SSLObject | None = response.transport.get_extra_info("ssl_object")
    if tls is not None and not _has_closure_alert(tls):
        raise aiohttp.ClientPayloadError("it ended without a closure alert of TLS")


def _has_closure_alert(tls: ssl.SSLObject) -> bool:
    try:
        tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
    return False


def _own_error(  # noqa: PLR0911  # one a kind
    error: BaseException, backend: URL, seconds: float, *, sent: bool
) -> TransportError | None:
    """Return the client's error for one of aiohttp's; None if it is none of those."""
    origin = str(backend)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        reason = getattr(error, "certificate_error", error)
        words = getattr(reason, "verify_message", "") or reason
        return TLSError(message=f"the certificate of {origin} was refused: {words}", retryable=False)
    if isinstance(error, aiohttp.ClientSSLError):
        return TLSError(message=f"the TLS handshake with {origin} failed: {_words(error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectError(message=f"cannot connect to {origin}: {_words(error)}")
    if isinstance(error, aiohttp.InvalidURL):  # a host that only looks like an address
        return ConnectError(message=f"cannot connect to {origin}: {_words(error)}", retryable=False)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        message = f"the proxy refused the connection to {origin}: {error.status} {error.message}"
        return ConnectError(message=message, retryable=error.status >= HTTPStatus.INTERNAL_SERVER_ERROR)
    if isinstance(error, asyncio.TimeoutError):
        return _timed_out(origin, seconds, sent=sent)
    if isinstance(error, compression.PackingError):
        return DisconnectedError(message=f"the answer of {origin} is damaged: {error}", sent=True)
    if isinstance(error, aiohttp.ClientError | HttpProcessingError | OSError):
        broke = f"the connection to {origin} broke before the whole answer was there"
        return DisconnectedError(message=f"{broke}: {_words(error)}", sent=sent)
    return None


def _forget_credentials(error: BaseException) -> None:
    """Take out of aiohttp's errors what they show: the headers sent, the proxy's user, and bytes received.

    A server that repeats what it was sent would have the key in its garbage.
    """
    link: BaseException | None = error
    for _ in range(10):  # a chain may be a ring
        if link is None:
            break
        _forget(link)
        link = link.__cause__ or link.__context__


def _forget(error: BaseException) -> None:
    if isinstance(error, aiohttp.ClientConnectorError):
        error.args = (error.os_error,)
    elif isinstance(error, aiohttp.ClientResponseError):
        info = error.request_info
        nothing = CIMultiDictProxy(CIMultiDict[str]())
        url = info.real_url.with_user(None)
        error.request_info = aiohttp.RequestInfo(url, info.method, nothing, url)
        error.args = (error.request_info, error.history)
        error.message = _without_quotes(error.message)
    elif isinstance(error, aiohttp.ClientError | HttpProcessingError):
        error.args = tuple(_without_quotes(part) if isinstance(part, str) else part for part in error.args)
        if hasattr(error, "message"):
            received_head = not isinstance(error.message, str)  # of a server that disconnected after it
            error.message = "Server disconnected" if received_head else _without_quotes(error.message)
            error.args = (error.message,)


def _without_quotes(text: str) -> str:
    return shortened(_QUOTED.sub("…", text), 500)


def _timed_out(origin: str, timeout: float, *, sent: bool) -> TransportError:
    if sent:
        return RequestTimeoutError(message=f"{origin} did not answer within {timeout:g} s", sent=True)
    return ConnectError(message=f"cannot connect to {origin} within {timeout:g} s")


def _words(error: BaseException) -> str:
    reason = getattr(error, "os_error", None) or getattr(error, "message", None) or error
    return str(reason) or type(reason).__name__
