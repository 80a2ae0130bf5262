"""Answers that are too large for memory: where they go instead, and what feeds them there.

Files and object stores block, so all work on them is done in threads, off the event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, Protocol, TypedDict, TypeVar

from asgiref.sync import sync_to_async

from airflow_mirrordb.client.errors import InvalidRequestError, OutputError
from airflow_mirrordb.client.messages.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.messages.response import (
    MAX_PAGE,
    SUCCESS,
    MirrorDBResponse,
    check_for_page,
)
from airflow_mirrordb.client.uploads.storage_failures import is_final, no_answer, words_of

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a storage has to end a file, and bytes of it for which it has one more.
LONGEST_END = 60.0
BYTES_A_SECOND = 8 * 2**20
#: Seconds of them after which the log tells what is waited for.
UNTOLD = 5.0
#: Bytes that are gathered before a sink gets them, since each call of it costs a change of threads.
BLOCK = 2**18


class Sink(Protocol):
    """Where an answer is written to. Its methods may block: they are called in threads, one at a time.

    Nothing may be found under the final name before :meth:`finish`, and all of it after.
    """

    @property
    def path(self) -> str:
        """The final name, for the manifest and for errors."""

    def begin(self) -> None:
        """Begin an empty file under another name."""

    def write(self, data: bytes) -> object:
        """Add to it."""

    def finish(self) -> object:
        """Give the file its final name, in the place of what had it before."""

    def abort(self) -> object:
        """Remove what was begun and is not finished; may be called at any time, and twice."""


class Manifest(TypedDict):
    """What was written.

    ``path`` is the sink's, ``records`` their number where the answer came in pages; ``bytes`` and
    ``sha256`` are those of the file.
    """

    path: str
    records: int | None
    bytes: int
    sha256: str


class Stream:
    """Feeds a sink from an event loop, and keeps account of it.

    :param sink: of this request alone
    :param request: whose answer is written
    :raises InvalidRequestError: if that is no read; what a write answers must not be lost with a file
    """

    def __init__(self, sink: Sink, request: MirrorDBRequest) -> None:
        if not request.reads:
            message = "sink: only the answer to a read can be written to a file"
            raise attach_request(InvalidRequestError(message=message, field="sink"), request)
        self._sink, self._request = sink, request
        self._turn = Lock()  # a thread goes on when the task that waits for it is cancelled
        self._gathered: list[bytes] = []
        self._beginning = b""
        self._waiting = self._bytes = 0
        self._records: int | None = None
        self._hash = hashlib.sha256()
        self._is_cut_off = False
        self._patience = LONGEST_END  # with a storage that has to remove what was begun

    def late(self, seconds: float) -> OutputError | None:
        """Return the error of a storage that was waited for when the time was over; None if none was.

        :param seconds: the attempt had
        """
        is_late, self._is_cut_off = self._is_cut_off, False
        return self._failure(no_answer(seconds), retryable=True) if is_late else None

    async def keep(self, answer: Awaitable[MirrorDBResponse]) -> MirrorDBResponse:
        """Wait for an answer that is written here on its way, and return it with the file's manifest.

        Whatever else comes of it leaves nothing behind.

        :raises OutputError: if the file cannot be written
        :raises InvalidResponseError: if the answer is a page (HTML) where other text was asked for
        :raises MirrorDBError: what awaiting the answer raises
        """
        try:
            response = await answer
            if response.status not in SUCCESS:  # 304, or 404 of what may be missing
                return response
            if self._records is None:
                check_for_page(response.status, response.headers, self._beginning, self._request)
            try:
                manifest = await self._finish()
            except OutputError as error:
                error.attempts = response.attempts
                raise
            return replace(response, data=manifest, body=None, size=0)
        finally:
            await asyncio.shield(self._clean_up())  # to its end, even if cancelled

    async def begin(self) -> None:
        """Begin the file, or begin it anew after an attempt that broke in the middle.

        :raises OutputError: if it cannot be written
        """
        self._gathered.clear()
        self._beginning = b""
        self._waiting = self._bytes = 0
        self._hash = hashlib.sha256()
        await self._off_loop(self._begin)

    async def write(self, data: bytes) -> None:
        """Add bytes to the file.

        :raises OutputError: if it cannot be written
        """
        self._gathered.append(data)
        if len(self._beginning) < MAX_PAGE:
            self._beginning += data[:MAX_PAGE]
        self._waiting += len(data)
        if self._waiting >= BLOCK:
            await self._flush()

    async def write_records(self, records: Sequence[Any]) -> None:
        """Add a page of records, as JSON Lines, and begin the file with the first page.

        :raises OutputError: if it cannot be written
        """
        if self._records is None:
            self._records = 0
            await self.begin()
        for record in records:
            try:
                line = _LINES.encode(record).encode() + b"\n"
            except ValueError as error:  # an expression can make infinite numbers of a text
                raise self._failure(f"a record is no JSON: {error}", retryable=False) from None
            await self.write(line)
        self._records += len(records)

    async def _finish(self) -> Manifest:
        """Write what is left, and give the file its name.

        :raises OutputError: if the storage cannot do that, or does not say so in time
        """

        async def end() -> None:
            await self._flush()
            await self._off_loop(self._sink.finish)

        seconds = LONGEST_END + (self._bytes + self._waiting) / BYTES_A_SECOND
        if not await self._is_done(end(), seconds):
            self._patience = 0.0
            unknown = "what it does later cannot be stopped, and may still replace the file"
            raise self._failure(f"{no_answer(seconds)}; {unknown}", retryable=True)
        return Manifest(
            path=self._sink.path, records=self._records, bytes=self._bytes, sha256=self._hash.hexdigest()
        )

    async def _clean_up(self) -> None:
        if not await self._is_done(self._off_loop(self._sink.abort), self._patience):
            log.warning(
                "%s: its storage is still at work, which cannot be stopped: what was begun may be left over",
                self._sink.path,
            )

    async def _is_done(self, work: Coroutine[Any, Any, object], seconds: float) -> bool:
        """Wait for some work on the storage, which cannot be stopped, and return whether it was done in time.

        :raises OutputError: if it failed
        """
        task = asyncio.ensure_future(work)
        try:
            for wait in (min(UNTOLD, seconds), max(seconds - UNTOLD, 0)):
                await asyncio.wait([task], timeout=wait)
                if task.done():
                    await task
                    return True
                if wait == UNTOLD:
                    log.info("%s: waiting for its storage, up to %.0f s", self._sink.path, seconds)
        finally:
            task.add_done_callback(_forget)
        return False

    async def _flush(self) -> None:
        block = b"".join(self._gathered)
        self._gathered.clear()
        self._waiting = 0
        if block:
            await self._off_loop(self._write, block)

    def _begin(self) -> None:
        self._sink.abort()
        self._sink.begin()

    def _write(self, block: bytes) -> None:
        self._sink.write(block)
        self._hash.update(block)
        self._bytes += len(block)

    async def _off_loop(self, work: Callable[..., T], *arguments: Any) -> T:
        def in_turn() -> T:
            with self._turn:
                return work(*arguments)

        try:
            # not asyncio.to_thread: from these threads older triggerers can look a connection up
            return await sync_to_async(in_turn, thread_sensitive=False)()
        except asyncio.CancelledError:
            self._is_cut_off = True
            raise
        except Exception as error:
            raise self._failure(words_of(error), retryable=not is_final(error)) from error

    def _failure(self, reason: str, *, retryable: bool) -> OutputError:
        message, path = f"cannot write to {self._sink.path}: {reason}", self._sink.path
        return attach_request(OutputError(message=message, path=path, retryable=retryable), self._request)


#: Plain ASCII, so that no reader takes a character within a record for the end of its line.
_LINES = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def _forget(work: asyncio.Future[object]) -> None:
    """Take the error of work that nobody waits for any more: asyncio would complain of it."""
    if not work.cancelled():
        work.exception()
