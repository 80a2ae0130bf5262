"""One request, and its answer."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from aiohttp.hdrs import CONTENT_ENCODING
from yarl import URL

from airflow_mirrordb.client.auth.schemes import NO_CREDENTIALS, Credentials
from airflow_mirrordb.client.bodies import compression
from airflow_mirrordb.client.bodies.errors.excerpts import MAX_READ
from airflow_mirrordb.client.clock import SYSTEM_CLOCK, Clock
from airflow_mirrordb.client.collections.streams import Stream
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import DISCONNECTED, DisconnectedError, TransportError
from airflow_mirrordb.client.messages.request import WireRequest
from airflow_mirrordb.client.messages.response import SUCCESS, TOO_LONG, Answer, is_pending
from airflow_mirrordb.client.wire.aiohttp.heads import head_of
from airflow_mirrordb.client.wire.aiohttp.private import (
    Connection,
    FramingError,
    Response,
    UnparsableError,
    begun_status,
    exchange,
)
from airflow_mirrordb.client.wire.body_ends import (
    WITHOUT_BODY,
    check_end,
    is_body_to_come,
    unasked_part,
)
from airflow_mirrordb.client.wire.deadlines import Deadlines
from airflow_mirrordb.client.wire.failures import NO_ANSWER_MEND, forget_credentials, own_error
from airflow_mirrordb.client.wire.pool import (
    Connections,
    SharedConnections,
    share_connections,
    without_credentials,
)
from airflow_mirrordb.client.wire.sending import Sending
from airflow_mirrordb.client.wire.tls.contexts import tls_servers

log = logging.getLogger(__name__)

#: How a request is left that somebody ends, also when its time is over in the same moment.
_ENDED = (asyncio.CancelledError, asyncio.TimeoutError)


class _Received:
    """What has come of an answer so far, and on which connection."""

    __slots__ = ("connection", "pieces", "refused", "response")

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.response: Response | None = None
        self.pieces: list[bytes] = []
        self.refused = ""

    def answer(self, status: int, broken: TransportError | None = None) -> Answer:
        return Answer(
            status=status,
            headers={} if self.response is None else self.response.headers,
            body=b"".join(self.pieces),
            refused=self.refused,
            broken=broken,
        )


class Transport:
    """Sends requests for one client, on one event loop, through pooled connections.

    :param config: whose ``verify``, ``client_cert``, ``proxy`` and ``max_response_bytes`` apply
    :param clock: what it tells the time by, for a Retry-After of a proxy
    :param shared: whether to use the connections that all such transports of the event loop share
    :raises ConfigError: if a certificate or key cannot be read
    """

    def __init__(self, config: MirrorDBConfig, *, clock: Clock = SYSTEM_CLOCK, shared: bool = False) -> None:
        if config.verify is False and (servers := tls_servers(config)):
            log.warning("TLS certificates of %s are not verified (extra 'verify')", ", ".join(servers))
        self._config, self._clock, self._share = config, clock, shared
        self._connections: dict[bool, tuple[Connections, SharedConnections | None]] = {}
        self._open()
        self._deadlines = Deadlines()
        self._sending = 0
        self._retired = self._has_answered = False
        self.closing = False
        """Set by who is about to cancel all requests: they end with :class:`DisconnectedError` then."""

    async def send(
        self,
        request: WireRequest,
        credentials: Credentials = NO_CREDENTIALS,
        within: float = math.inf,
        stream: Stream | None = None,
        begin: Callable[[], None] | None = None,
    ) -> Answer:
        """Send a request once and return the answer, whatever its status.

        An answer that did not come whole says so itself: its status decides what was done.

        :param credentials: what proves who sends it
        :param within: seconds after which its time is over, if its ``timeout`` is longer
        :param stream: takes the body of a success, whose answer has none then
        :param begin: called right before the first byte is sent
        :raises OutputError: if it cannot
        :raises InputError: if a file of the body cannot be read, or was changed
        :raises TransportError: if there is none; its ``sent`` says whether the request may have arrived
        """
        seconds = min(request.timeout, within)
        sending, received = Sending(request), _Received()
        self._sending += 1
        try:
            with self._deadlines.within(seconds):
                try:
                    if sending.is_upload:
                        await sending.open()
                    status = await self._exchange(request, credentials, sending, received, stream, begin)
                finally:
                    if sending.is_upload:
                        await sending.close()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.TimeoutError) and not self.closing:
                _blame_storage(received, seconds, sending, stream)
            own = self._failure(error, request, seconds, sent=received.connection is not None)
            if own is None:
                raise
            return _cut_off(received, own, error, request, sending, self._mend_of_silence(request))
        finally:
            if received.connection is not None:
                received.connection.close()  # unless it was released
            self._sending -= 1
            if self._retired:
                await self.retire()
        return received.answer(status)

    async def retire(self) -> None:
        """Close all connections as soon as nothing is in flight: only requests that began here still come."""
        self._retired = True
        if not self._sending:
            await self.close()

    async def close(self) -> None:
        """Close all connections, unless others share them; a second call does nothing."""
        self._deadlines.close()
        opened, self._connections = self._connections, {}
        for connections, shared in opened.values():
            if shared:
                shared.leave()
            else:
                await connections.close()

    def _open(self, *, anonymous: bool = False) -> Connections:
        """Return the connections to the backend, or those to other hosts, which no credential goes along."""
        if anonymous not in self._connections:
            config = without_credentials(self._config) if anonymous else self._config
            shared = share_connections(config) if self._share else None
            self._connections[anonymous] = (shared.connections if shared else Connections(config)), shared
        return self._connections[anonymous][0]

    async def _exchange(
        self,
        request: WireRequest,
        credentials: Credentials,
        sending: Sending,
        received: _Received,
        stream: Stream | None,
        begin: Callable[[], None] | None,
    ) -> int:
        """Send a request and receive its answer; return its status, or raise what aiohttp or ours raises.

        :param received: takes what comes, so that it is there if the rest fails
        """
        pool, opener = self._open(anonymous=request.anonymous).way_of(request)
        received.connection = await pool.connection_for(opener)
        head = head_of(request, opener, credentials, sending.framing)
        if begin is not None:
            begin()
        response = await exchange(received.connection, head, sending.start(received.connection))
        received.response, self._has_answered = response, True
        sending.note_answer(response.status)
        received.refused = unasked_part(response, request) or await self._read(
            response, received.pieces, stream, reads=request.reads
        )
        if sending.is_answered_early:
            await sending.finish()
        if not received.refused and sending.is_whole:
            _release(received.connection, response, sending.body)
        return response.status

    def _failure(
        self, error: BaseException, request: WireRequest, seconds: float, *, sent: bool
    ) -> TransportError | None:
        """Return the client's error for one that ended a request; None if it is not aiohttp's.

        :param seconds: the request had
        :raises DisconnectedError: if the client ended it itself
        """
        if self.closing and isinstance(error, _ENDED):
            raise DisconnectedError(message=DISCONNECTED, retryable=False, sent=sent) from None
        forget_credentials(error)
        own = own_error(
            error,
            request.origin,
            seconds,
            sent=sent,
            now=self._clock.time(),
            through_proxy=self._config.proxy is not None,
            verify=self._config.verify,
        )
        if own and not sent and isinstance(error, asyncio.TimeoutError):
            own.message += "".join(
                connections.interrupted_step() for connections, _ in self._connections.values()
            )
        return own

    def _mend_of_silence(self, request: WireRequest) -> str:
        """Return what may mend a connection that ended before any answer; nothing if one ever came."""
        is_plain = request.origin.scheme == "http" and self._config.proxy is None
        is_silent = is_plain and not self._has_answered
        return NO_ANSWER_MEND if is_silent and request.origin == URL(self._config.base_url).origin() else ""

    async def _read(
        self, response: Response, pieces: list[bytes], stream: Stream | None, *, reads: bool
    ) -> str:
        """Read a body, that of a success to the stream; return why the rest of it was refused, if it was.

        :raises CompressionError: if it is damaged
        """
        content, left = response.content, self._config.max_response_bytes
        if response.status not in SUCCESS or is_pending(response.status, self._config, reads=reads):
            stream, left = None, min(left, MAX_READ)  # of an error no more is looked at
        if stream is not None:
            await stream.begin()
        if response.status in WITHOUT_BODY:
            return ""
        if stream is None and content.is_eof() and CONTENT_ENCODING not in response.headers:
            pieces.append(content.read_nowait())  # all of it came with its head
            return "" if len(pieces[0]) <= left else TOO_LONG
        try:
            async with aclosing(_decompressed(response)) as decompressed:
                async for piece in decompressed:
                    if stream is not None:
                        await stream.write(piece)
                        continue
                    pieces.append(piece[:left])
                    left -= len(piece)
                    if left < 0:
                        return TOO_LONG
        except (compression.UnknownEncodingError, compression.NotCompressedError) as error:
            return str(error)
        except FramingError as error:
            return error.message
        return ""


def _blame_storage(received: _Received, seconds: float, sending: Sending, stream: Stream | None) -> None:
    """Raise the error of a storage, if that was waited for when the time was over, and not the backend.

    :raises InputError: if its bytes were to be sent
    :raises OutputError: if it was to take the answer
    """
    if received.response is None and (input_error := sending.late(seconds)):
        raise input_error from None
    if stream is not None and (output_error := stream.late(seconds)):
        raise output_error from None


def _cut_off(
    received: _Received,
    own: TransportError,
    error: BaseException,
    request: WireRequest,
    sending: Sending,
    mend_of_silence: str,
) -> Answer:
    """Return what came of an answer before an error, whose status decides what was done.

    :param own: the client's error for it
    :param mend_of_silence: what is told if the connection was closed without an answer
    :raises TransportError: if no status came
    """
    response = received.response
    status = begun_status(received.connection) if response is None else response.status
    if response is None and status is not None:
        sending.note_answer(status)
    own.message += sending.unsent
    if status is None:
        own.message += mend_of_silence if isinstance(own, DisconnectedError) else ""
        raise own from error
    own.status, own.__cause__ = None if sending.is_answered_early else status, error
    if response is None and isinstance(error, UnparsableError) and not request.reads:
        received.refused = own.message  # sent again, it would be answered alike
    return received.answer(status, None if received.refused else own)


def _release(connection: Connection, response: Response, body: bytes | None) -> None:
    """Let others use a connection, if nothing more goes or comes on it.

    :param body: of the request
    :raises aiohttp.ClientError: if the answer was cut off
    """
    if response.content.at_eof() and not is_body_to_come(response):
        check_end(response)
        if response.is_request_read(body):
            connection.release()


async def _decompressed(response: Response) -> AsyncGenerator[bytes, None]:
    decompression = None
    async for chunk in response.content.iter_any():
        if decompression is None:  # an empty body is not compressed, whatever its Content-Encoding says
            decompression = compression.Decompression(
                ", ".join(response.headers.getall(CONTENT_ENCODING, ()))
            )
        for piece in decompression.pieces(chunk):
            yield piece
            if len(piece) >= compression.PIECE:  # a bomb, of which a chunk may hold gigabytes
                await asyncio.sleep(0)
    if decompression is not None:
        yield decompression.end()
