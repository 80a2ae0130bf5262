"""The only file that speaks aiohttp: sessions, TLS, and one HTTP exchange at a time."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import ssl
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
import certifi
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from airflow_mirrordb.client import packing
from airflow_mirrordb.client.answers import Answer
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import (
    ConfigError,
    ConnectError,
    DisconnectedError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from airflow_mirrordb.client.protocol import WireRequest
from airflow_mirrordb.client.streams import Stream

log = logging.getLogger(__name__)

#: How aiohttp quotes what it received, up to the end of its message.
_QUOTED = re.compile(r"(?:\bbytearray\()?\bb['\"].*", re.DOTALL)

#: A write that must not be repeated never goes out on a connection that idled longer, in seconds:
#: the server may have closed it, and then nobody knows whether it took the request.
IDLE_LIMIT_FOR_WRITES = 1.0
IDLE_LIMIT = 15.0
_SUCCESS = range(200, 300)
DISCONNECTED = "the client was disconnected"


class _Connector(aiohttp.TCPConnector):
    """Gives no connection again on which something came that nobody had asked for.

    aiohttp would take it for the answer to the next request.
    """

    async def _get(self, *args: Any, **options: Any) -> Any:
        while (connection := await super()._get(*args, **options)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


class _ConnectionLostError(Exception):
    """In the place of aiohttp's own errors, for which it would send the request again unseen."""


class Transport:
    """Sends requests for one client, on one event loop, through pooled connections.

    :param config: whose ``verify``, ``client_cert``, ``proxy`` and ``max_response_bytes`` apply
    :param shared: whether to use the connections that all such transports of the event loop share
    :raises ConfigError: if a certificate or key cannot be read
    """

    def __init__(self, config: MirrorDBConfig, *, shared: bool = False) -> None:
        if config.verify is False and config.base_url.startswith("https:"):
            log.warning("TLS certificates of %s are not verified (extra 'verify')", config.base_url)
        self._config, self._share = config, shared
        self._shared: _Shared | None = None
        self._sessions: Sessions | None = None
        self._open()
        self._sending = 0
        self._retired = False
        self.closing = False
        """Set by who is about to cancel all requests: they end with :class:`DisconnectedError` then."""

    async def send(self, request: WireRequest, stream: Stream | None = None) -> Answer:
        """Send a request once and return the answer, whatever its status.

        :param stream: takes the body of a success, whose answer has none then
        :raises OutputError: if it cannot
        :raises TransportError: if there is none; its ``sent`` says whether the request may have arrived
        """
        trace = SimpleNamespace(sent=False)
        self._sending += 1
        try:
            with _own_errors(request, trace), _without_credentials():
                session = self._open().session(request)
                async with session.request(
                    request.method,
                    request.url,
                    data=request.body,
                    headers=request.headers if stream is None else _accepting(request.headers),
                    allow_redirects=False,
                    auto_decompress=stream is None,
                    timeout=aiohttp.ClientTimeout(total=request.timeout),
                    trace_request_ctx=trace,
                ) as response:
                    body, complete = await self._read(response, stream)
        except asyncio.CancelledError:
            if not self.closing:
                raise
            raise DisconnectedError(message=DISCONNECTED, retryable=False, sent=trace.sent) from None
        finally:
            self._sending -= 1
            if self._retired:
                await self.retire()
        return Answer(status=response.status, headers=response.headers, body=body, complete=complete)

    async def retire(self) -> None:
        """Close all connections as soon as nothing is in flight: only requests that began here still come."""
        self._retired = True
        if not self._sending:
            await self.close()

    async def close(self) -> None:
        """Close all connections, unless others share them; a second call does nothing."""
        sessions, self._sessions = self._sessions, None
        if sessions is None:
            return
        if self._shared:
            self._shared.leave()
        else:
            await sessions.close()

    def _open(self) -> Sessions:
        if self._sessions is None:
            self._shared = _share(self._config) if self._share else None
            self._sessions = self._shared.sessions if self._shared else Sessions(self._config)
        return self._sessions

    async def _read(self, response: aiohttp.ClientResponse, stream: Stream | None) -> tuple[bytes, bool]:
        if stream is not None and response.status in _SUCCESS:
            await stream.begin()
            async for piece in _unpacked(response):
                await stream.write(piece)
            return b"", True
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any() if stream is None else _unpacked(response):
            size += len(chunk)
            if size > self._config.max_response_bytes:
                response.close()
                return b"".join(chunks), False
            chunks.append(chunk)
        return b"".join(chunks), True


def _accepting(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    accepting = headers.copy()
    accepting["Accept-Encoding"] = packing.ACCEPTED
    return accepting


async def _unpacked(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    unpacking = packing.Unpacking(response.headers.get("Content-Encoding", ""))
    async for chunk in response.content.iter_any():
        for piece in unpacking.pieces(chunk):
            yield piece
    yield unpacking.rest()


class Sessions:
    """The connections to one backend on one event loop: one pool for writes that must not be repeated,
    one for all else.

    :param config: whose ``base_url``, ``verify``, ``client_cert`` and ``proxy`` apply
    :raises ConfigError: if a certificate or key cannot be read
    """

    def __init__(self, config: MirrorDBConfig) -> None:
        self._proxy = config.proxy.get_secret_value() if config.proxy else None
        self._tls: ssl.SSLContext | bool = True
        if config.base_url.startswith("https:"):
            passphrase = config.client_key_passphrase
            self._tls = tls_context(
                verify=config.verify,
                client_cert=config.client_cert,
                client_key=config.client_key,
                passphrase=passphrase.get_secret_value() if passphrase else None,
            )
        self._sessions: dict[float, aiohttp.ClientSession] = {}

    def session(self, request: WireRequest) -> aiohttp.ClientSession:
        """Return the session that a request goes through."""
        idle_limit = IDLE_LIMIT if request.repeatable else IDLE_LIMIT_FOR_WRITES
        if idle_limit not in self._sessions:
            trace_config = aiohttp.TraceConfig()
            trace_config.on_request_headers_sent.append(_note_sent)
            self._sessions[idle_limit] = aiohttp.ClientSession(
                connector=_Connector(ssl=self._tls, limit=0, keepalive_timeout=idle_limit),
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_never_resend,),
                proxy=self._proxy,
                skip_auto_headers=("Content-Type",),
                trace_configs=[trace_config],
                requote_redirect_url=False,
            )
        return self._sessions[idle_limit]

    async def close(self) -> None:
        """Close all connections, to the end even if the caller is cancelled."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        await asyncio.shield(asyncio.gather(*(session.close() for session in sessions)))


# -- sharing -------------------------------------------------------------------------------------


class _Shared:
    """Sessions, and how many use them; closed when nobody has for as long as an idle connection lives.

    When ``asyncio.run`` ends the loop it cancels the task that would close them, which does it then.

    :param config: see :class:`Sessions`
    :param forget: called just before they are closed
    :raises ConfigError: if a certificate or key cannot be read
    """

    def __init__(self, config: MirrorDBConfig, forget: Callable[[], object]) -> None:
        self.sessions = Sessions(config)
        self._users, self._forget = 0, forget
        self._in_use, self._idle = asyncio.Event(), asyncio.Event()
        # A context of its own: it outlives the task that happens to be the first user.
        self._end = Context().run(asyncio.get_running_loop().create_task, self._close_when_idle())

    def enter(self) -> None:
        self._users += 1
        self._in_use.set()
        self._idle.clear()

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            self._in_use.clear()
            self._idle.set()

    async def _is_idle_for(self, seconds: float) -> bool:
        """Wait until nobody uses the sessions, and return whether that stays so for a while."""
        await self._idle.wait()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._in_use.wait(), seconds)
        return not self._users  # somebody may have come just as the time ran out

    async def _close_when_idle(self) -> None:
        try:
            while not await self._is_idle_for(IDLE_LIMIT):
                pass
        finally:
            self._forget()
            await self.sessions.close()


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Shared]] = WeakKeyDictionary()


def _share(config: MirrorDBConfig) -> _Shared:
    """Return the sessions that all clients of a connection share on the running event loop.

    :raises ConfigError: if a certificate or key cannot be read
    """
    tls = (config.verify, config.client_cert, config.client_key, config.client_key_passphrase)
    key = (URL(config.base_url).origin(), *tls, config.proxy)
    of_loop = _shared.setdefault(asyncio.get_running_loop(), {})
    if key not in of_loop:
        of_loop[key] = _Shared(config, forget=lambda: of_loop.pop(key))
    of_loop[key].enter()
    return of_loop[key]


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


async def _note_sent(_session: object, trace: SimpleNamespace, _params: object) -> None:
    """Called just before the first byte goes out."""
    trace.trace_request_ctx.sent = True


async def _never_resend(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending an idempotent request again by itself: every attempt is ours."""
    try:
        with _without_credentials():
            return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionLostError(_words(error)) from error


@contextmanager
def _own_errors(request: WireRequest, trace: SimpleNamespace) -> Iterator[None]:
    """Turn what aiohttp raises into the client's errors."""
    origin = str(request.url.origin())
    try:
        yield
    except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
        reason = getattr(error, "certificate_error", error)
        message = (
            f"the certificate of {origin} was refused: {getattr(reason, 'verify_message', '') or reason}"
        )
        raise TLSError(message=message, retryable=False) from error
    except aiohttp.ClientSSLError as error:
        raise TLSError(message=f"the TLS handshake with {origin} failed: {_words(error)}") from error
    except aiohttp.ClientConnectorError as error:
        raise ConnectError(message=f"cannot connect to {origin}: {_words(error)}") from error
    except aiohttp.InvalidURL as error:  # a host that only looks like an address
        raise ConnectError(message=f"cannot connect to {origin}: {_words(error)}", retryable=False) from error
    except aiohttp.ClientHttpProxyError as error:
        message = f"the proxy refused the connection to {origin}: {error.status} {error.message}"
        raise ConnectError(
            message=message, retryable=error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        ) from error
    except (asyncio.TimeoutError, aiohttp.ServerTimeoutError) as error:
        raise _timed_out(origin, request.timeout, sent=trace.sent) from error
    except (aiohttp.ClientError, _ConnectionLostError, packing.PackingError, OSError) as error:
        raise DisconnectedError(
            message=f"the connection to {origin} broke before the whole answer was there: {_words(error)}",
            sent=trace.sent,
        ) from error


@contextmanager
def _without_credentials() -> Iterator[None]:
    """Take out of aiohttp's errors what they show: the headers sent, the proxy's user, and bytes received.

    A server that repeats what it was sent would have the key in its garbage.
    """
    try:
        yield
    except Exception as error:
        link: BaseException | None = error
        for _ in range(10):  # a chain may be a ring
            if link is None:
                break
            _forget(link)
            link = link.__cause__ or link.__context__
        raise


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
    return _QUOTED.sub("…", text)[:500]


def _timed_out(origin: str, timeout: float, *, sent: bool) -> TransportError:
    if sent:
        return RequestTimeoutError(message=f"{origin} did not answer within {timeout:g} s", sent=True)
    return ConnectError(message=f"cannot connect to {origin} within {timeout:g} s")


def _words(error: BaseException) -> str:
    reason = getattr(error, "os_error", None) or error
    return str(reason) or type(reason).__name__
