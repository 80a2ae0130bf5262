"""A body that is read from files while it is sent, in constant memory; each attempt reads it anew.

Files and object stores block, so all work on them is done in threads, off the event loop.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from asgiref.sync import sync_to_async

from airflow_mirrordb.client.errors import InputError
from airflow_mirrordb.client.uploads import multipart
from airflow_mirrordb.client.uploads.sources import FileFacts, Reader, Source
from airflow_mirrordb.client.uploads.storage_failures import is_final, no_answer, words_of

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

#: Bytes that are read at a time, since each reading costs a change of threads, which take longer than to read
#: a quarter of it; three of these are in memory.
BLOCK = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a body, or one field beside them.

    :param place: the argument that it comes from, for errors, as ``files['a']``
    :param name: of the field in the form; "" of a file that is the whole body
    :param content: the file, or the text of a field
    """

    place: str
    name: str
    content: Source | bytes


class Upload:
    """A body made of files.

    :param parts: in order
    :param boundary: between the parts of a form; None if the only file is the body
    :param digest: what :meth:`read_digest` returned; other content is not sent
    :param versions: what ``versions`` was after attempts on another machine; other files are not sent
    """

    def __init__(
        self,
        parts: Sequence[Part],
        boundary: str | None,
        digest: str | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        self.parts, self.boundary, self.digest = parts, boundary, digest
        self.versions = dict(versions or {})
        """What tells each file that was looked at from a changed one, by its path."""
        self._versions_here: dict[str, str] = {}

    def open(self) -> OpenUpload:
        """Return the bytes for one attempt, which has to begin them."""
        return OpenUpload(self, hashes=self.digest is not None)

    def read_digest(self) -> str:
        """Read all files, and return the SHA-256 of what they hold, and of the fields that hold it; blocks.

        :return: 64 hexadecimal digits; the same for files of other names
        :raises InputError: if one cannot be read
        """
        opened = OpenUpload(self, hashes=True)
        try:
            opened.look_and_open()
            while opened.next_block():
                pass
            return opened.digest.hexdigest()
        finally:
            opened.close()

    def check_version(self, part: Part, path: str, facts: FileFacts) -> None:
        """Check that a file is the one that it was before.

        :raises InputError: if it was changed
        """
        version = f"{facts.size} {facts.version}"
        before = self.versions.setdefault(path, version)
        if (
            before != version
            or self._versions_here.setdefault(path, facts.version_here) != facts.version_here
        ):
            raise _changed(part, path, "since it was looked at first")


class OpenUpload:
    """The bytes of an upload, for one attempt.

    :param upload: whose files are read
    :param hashes: whether ``digest`` is wanted
    """

    def __init__(self, upload: Upload, *, hashes: bool) -> None:
        self._upload, self._hashes = upload, hashes
        self._turn = Lock()  # a thread goes on when the task that waits for it is cancelled
        self._is_closed = False
        self._reader: Reader | None = None  # of the file whose turn it is
        self._ahead: bytes | None = None  # what was read of it when it was opened
        files = ((part, part.content.path) for part in upload.parts if not isinstance(part.content, bytes))
        self._at = next(files, None)  # the file at which a storage works
        self._is_cut_off = False
        self._pieces: Iterator[bytes] = iter(())
        self.length: int | None = None
        """Of the whole body, in bytes; None if a storage does not say how long a file is."""
        self.digest = hashlib.sha256()

    async def begin(self) -> Self:
        """Look at all files, open the first one, and read its first bytes, so that a storage that hangs does
        so before anything is sent.

        The others are opened one after the other, for a process may have only so many open.

        :raises InputError: if one cannot be, or was changed since an attempt before this one
        """
        try:
            await self._off_loop(self.look_and_open)
        except BaseException:
            self.close()
            raise
        return self

    def late(self, seconds: float) -> InputError | None:
        """Return the error of a storage that was waited for when the time was over; None if none was.

        :param seconds: the attempt had
        """
        if not self._is_cut_off or self._at is None:
            return None
        part, path = self._at
        message = f"{part.place}: cannot read {path!r}: {no_answer(seconds)}"
        return InputError(message=message, path=path, retryable=True)

    async def block(self) -> bytes:
        """Return the next bytes, none at the end. The last ones come only if all files are what they were.

        :raises InputError: if a file cannot be read, or was changed
        """
        return await self._off_loop(self.next_block)

    def close(self) -> None:
        """Close the file that is open, or let the thread that reads it do so; nobody waits for that."""
        self._is_closed = True
        self._close_if_idle()

    def look_and_open(self) -> None:
        """Look at all files and open the first one, in this thread."""
        boundary = self._upload.boundary
        pieces: list[tuple[bytes, Part, FileFacts | None]] = []
        length: int | None = 0 if boundary is None else len(multipart.end(boundary))
        for part in self._upload.parts:
            head, facts = b"", None
            if isinstance(part.content, bytes):
                size: int | None = len(part.content)
                head = multipart.field_head(boundary or "", part.name)
            else:
                facts = self._look(part, part.content)
                size = facts.size
                if self._reader is None:
                    reader = self._reader = self._reading(part, part.content, part.content.open)
                    self._ahead = self._reading(part, part.content, lambda: reader.read(BLOCK))  # noqa: B023  # called at once
                if boundary is not None:
                    file_name = part.content.path.rpartition("/")[2]
                    kind = multipart.content_type_of(file_name)
                    head = multipart.file_head(boundary, part.name, file_name, kind)
            frame = len(head) + (0 if boundary is None else 2)
            length = None if length is None or size is None else length + size + frame
            pieces.append((head, part, facts))
        self.length = length
        self._pieces = self._all(pieces, boundary)

    def next_block(self) -> bytes:
        """Return the next bytes, in this thread."""
        gathered, size = list[bytes](), 0
        for piece in self._pieces:
            gathered.append(piece)
            size += len(piece)
            if size >= BLOCK:
                break
        return b"".join(gathered)

    def _all(
        self, pieces: Sequence[tuple[bytes, Part, FileFacts | None]], boundary: str | None
    ) -> Iterator[bytes]:
        for head, part, facts in pieces:
            if head:
                yield head
            if isinstance(part.content, bytes):
                yield part.content
            elif facts is not None:
                yield from self._file(part, part.content, facts)
            if boundary is not None:
                yield b"\r\n"
        if boundary is not None:
            yield multipart.end(boundary)

    def _file(self, part: Part, source: Source, facts: FileFacts) -> Iterator[bytes]:
        """Yield the bytes of a file, the last of them only if it is what it was."""
        held, size, digest = b"", 0, hashlib.sha256()
        if self._reader is None:
            self._reader = self._reading(part, source, source.open)
        reader, ahead, self._ahead = self._reader, self._ahead, None
        while block := self._reading(part, source, lambda: reader.read(BLOCK)) if ahead is None else ahead:
            ahead = None
            size += len(block)
            if self._hashes:
                digest.update(block)
            if facts.size is not None and size > facts.size:
                raise _changed(part, source.path, "while it was read: it is longer now")
            if held:
                yield held
            held = block
        if facts.size is not None and size < facts.size:
            raise _changed(part, source.path, "while it was read: it is shorter now")
        self._look(part, source)
        self._close_reader()
        self.digest.update(f"{part.name}\0{digest.hexdigest()}\n".encode())
        is_last = part is self._upload.parts[-1]  # fields come first
        if is_last and self._upload.digest not in (None, self.digest.hexdigest()):
            raise _changed(part, source.path, "since its idempotency key was made, or another file was")
        if held:
            yield held

    def _look(self, part: Part, source: Source) -> FileFacts:
        facts = self._reading(part, source, source.look)
        self._upload.check_version(part, source.path, facts)
        return facts

    def _close_if_idle(self) -> None:
        if self._turn.acquire(blocking=False):
            try:
                self._close_reader()
            finally:
                self._turn.release()

    def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            with suppress(Exception):
                reader.close()

    async def _off_loop(self, work: Callable[[], T]) -> T:
        def in_turn() -> T:
            try:
                with self._turn:
                    return work()
            finally:
                if self._is_closed:
                    self._close_if_idle()

        try:
            # not asyncio.to_thread: from these threads older triggerers can look a connection up
            return await sync_to_async(in_turn, thread_sensitive=False)()
        except asyncio.CancelledError:
            self._is_cut_off = True
            raise

    def _reading(self, part: Part, source: Source, work: Callable[[], T]) -> T:
        self._at = part, source.path
        try:
            return work()
        except Exception as error:
            raise InputError(
                message=f"{part.place}: cannot read {source.path!r}: {words_of(error)}",
                path=source.path,
                retryable=not is_final(error),
            ) from error


def _changed(part: Part, path: str, when: str) -> InputError:
    return InputError(message=f"{part.place}: {path!r} was changed {when}", path=path)
