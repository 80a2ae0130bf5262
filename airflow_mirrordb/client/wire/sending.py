"""A body that is sent while it is read, beside the wait for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus

import aiohttp
from aiohttp.hdrs import CONTENT_LENGTH, TRANSFER_ENCODING

from airflow_mirrordb.client.errors import MirrorDBError
from airflow_mirrordb.client.messages.request import WireRequest
from airflow_mirrordb.client.uploads.upload import OpenUpload, Upload
from airflow_mirrordb.client.wire.aiohttp.private import Connection, Handler
from airflow_mirrordb.client.wire.sockets import bytes_left

#: Seconds between two looks at what is left to send of a write that was answered early.
UNSENT_LOOK = 0.02
#: Bytes of a body that arrive at once, with its head: the first flight of a connection holds more (RFC 6928,
#: section 2). What the operating system says is left of them would tell nothing, and costs 4 % of a create.
LEAST_WATCHED = 2**13
CUT_OFF = "it took no more"
# to look a member of an enum up takes longer than to compare it
_MULTIPLE_CHOICES = HTTPStatus.MULTIPLE_CHOICES


class Sending:
    """Sends the body of a request.

    Bytes go out with the head. An upload goes out as fast as the backend takes it, by a task of its own,
    since a backend may answer before it has read all (RFC 9112, section 9.3). What cannot be sent is never
    made whole, so that no backend takes it for all of the body.
    """

    body: bytes | None = None
    """What goes out with the head."""
    is_upload = False
    """Whether it has to be opened, and closed."""
    is_whole = True
    """Whether all was handed to asyncio, which may have lost it with the connection."""
    is_answered_early = False
    """Whether a success came of a write that is not sent whole yet: nobody knows its outcome."""
    _upload: OpenUpload | None = None
    _task: asyncio.Future[None] | None = None
    _sent = 0  # of an upload
    _protocol: Handler | None = None
    _is_late = False  # its last bytes went out behind the head of the answer
    _error: MirrorDBError | None = None

    def __init__(self, request: WireRequest) -> None:
        self._request = request
        if isinstance(request.body, Upload):
            self.is_upload = True
        else:
            self.body = request.body

    async def open(self) -> None:
        """Open the files of an upload.

        :raises InputError: if one cannot be opened, or is said to be empty and is not
        """
        upload = self._request.body
        assert isinstance(upload, Upload)  # noqa: S101  # nothing else is opened
        self._upload = upload.open()
        await self._upload.begin()
        self.is_whole = self._upload.length == 0
        if self.is_whole:
            await self._check_empty(self._upload)

    async def _check_empty(self, upload: OpenUpload) -> None:
        await upload.block()  # a file may say so that is not empty, as one that grew since

    async def close(self) -> None:
        """End the sending of an upload, and close its files."""
        try:
            if self._task is not None and not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task])
        finally:  # also if the caller is cancelled once more
            if self._upload is not None:
                self._upload.close()

    @property
    def framing(self) -> Mapping[str, str]:
        """The header that says where the body ends (RFC 9112, section 6.3); none for a GET without one."""
        if self._upload is not None and self._upload.length is None:
            return {TRANSFER_ENCODING: "chunked"}
        if self._upload is not None:
            return {CONTENT_LENGTH: str(self._upload.length)}
        if self.body is None and self._request.method == "GET":
            return {}
        return {CONTENT_LENGTH: str(len(self.body or b""))}

    @property
    def _is_long(self) -> bool:
        return self._upload is not None or len(self.body or b"") > LEAST_WATCHED

    @property
    def unsent(self) -> str:
        """How much of a body went out, as the end of a message; nothing if all of it did."""
        early = "; it answered before it had the whole body" if self.is_answered_early else ""
        if self._upload is None or self.is_whole or self._task is None:
            return early
        whole = "" if self._upload.length is None else f" of {self._upload.length:,}"
        return f"{early}; {self._sent:,}{whole} bytes of the body were sent"

    def late(self, seconds: float) -> MirrorDBError | None:
        """Return the error of a storage that was waited for when the time was over; None if none was.

        :param seconds: the attempt had
        """
        error = None if self._upload is None else self._upload.late(seconds)
        if error is not None:
            error.message += self.unsent
        return error

    def start(self, connection: Connection) -> bytes | None:
        """Return what goes out with the head, and send the rest once the caller waits for the answer."""
        if isinstance(connection.protocol, Handler):
            self._protocol = connection.protocol
            self._protocol.is_watched = not self._request.reads and self._is_long
        if self._upload is not None:
            self._task = asyncio.ensure_future(self._send(self._upload, connection))
        return self.body

    def note_answer(self, status: int) -> None:
        """Note that the head of the answer came; a refusal ends the sending (RFC 9112, section 9.6)."""
        if status >= _MULTIPLE_CHOICES:
            if self._task is not None:
                self._task.cancel()
        elif not self._request.reads and self._protocol is not None:
            self.is_answered_early = bool(not self.is_whole or self._is_late or self._protocol.left_at_head)

    async def finish(self) -> None:
        """Send the rest of a write that was answered early (RFC 9112, section 9.3).

        Only an error lets a client send no more (section 9.6).

        :raises InputError: if the rest cannot be read
        :raises aiohttp.ClientError: if the backend takes no more
        """
        if self._task is not None:
            await asyncio.wait([self._task])
            if self._error is not None:
                raise self._error
        if not self.is_whole or self._protocol is None or not await _is_received(self._protocol):
            raise aiohttp.ServerDisconnectedError(CUT_OFF)
        self.is_answered_early = False

    async def _send(self, upload: OpenUpload, connection: Connection) -> None:
        protocol = connection.protocol
        if not isinstance(protocol, Handler):
            return
        try:
            with suppress(aiohttp.ClientError, ConnectionError):  # who waits for the answer meets it as well
                if upload.length is None:
                    await self._send_chunks(upload, protocol)
                else:
                    await self._send_bytes(upload, upload.length, protocol)
        except MirrorDBError as error:
            self._error = error
            protocol.set_exception(error)  # to who waits for the answer
            connection.close()

    async def _send_bytes(self, upload: OpenUpload, left: int, protocol: Handler) -> None:
        """Send a body whose length was told; with its last bytes it is whole, before the answer can come."""
        while left and (block := await upload.block()) and _write(protocol, block):
            left -= len(block)
            self._sent += len(block)
            self.is_whole, self._is_late = not left, protocol.has_head
            await protocol.drain()

    async def _send_chunks(self, upload: OpenUpload, protocol: Handler) -> None:
        """Send a body of unknown length (RFC 9112, section 7.1)."""
        while block := await upload.block():
            if not _write(protocol, b"%x\r\n%b\r\n" % (len(block), block)):
                return
            self._sent += len(block)
            await protocol.drain()
        self.is_whole, self._is_late = _write(protocol, b"0\r\n\r\n"), protocol.has_head


async def _is_received(protocol: Handler) -> bool:
    """Wait until the other side has received all that was sent; return whether it has.

    What was in the buffers of a connection that is reset is lost, and the buffers are empty then. Of one that
    has ended meanwhile it is known by what was left at its end; over TLS of Python 3.10 nothing tells that.
    """
    while (transport := protocol.transport) is not None and not transport.is_closing():
        if not bytes_left(transport):
            return True
        await asyncio.sleep(UNSENT_LOOK)  # TLS does not tell when the one below it has room
    return protocol.left_at_end == 0


def _write(protocol: Handler, data: bytes) -> bool:
    """Write to a connection; return whether it is open."""
    transport = protocol.transport
    if transport is None or transport.is_closing():
        return False
    transport.write(data)
    return True
