"""Files that answers are written to, on any storage that Airflow reaches."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from fsspec.implementations.local import LocalFileSystem

from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.hooks import storages
from airflow_mirrordb.storage_paths import fault_of

#: Bytes that are held back until they are a part of an upload: object stores take at most 10,000 parts.
PART = 8 * 2**20


class OutputFile:
    """A sink that writes one file, which appears under its name only when it is whole.

    It is written beside its place, under a hidden name, and put there at the end: by a rename where the
    storage has one, else, as in object stores, by a copy within the storage, which shows nothing before
    it is whole. What was written is removed only when the storage shows the whole file in its place. (The
    files that fsspec itself can commit late are no way for all: a local one begins in another folder, maybe
    on another disk, and with some stores closing one commits it.)

    On a disk a link stays, and what it leads to is replaced, with the same rights; what is no plain file, as
    a pipe, is left alone.

    The methods block; the first one looks the storage's connection up.

    :param path: as ``ObjectStoragePath`` takes it: ``s3://conn_id@bucket/key``, or a whole path on a disk
    :raises InvalidRequestError: if it names no file
    """

    def __init__(self, path: str) -> None:
        if fault := fault_of(path):
            raise InvalidRequestError(message=f"output_path: {path!r} {fault}", field="output_path")
        self.path = path
        self._scheme = self._target = self._temporary = ""
        self._storage: Any = None
        self._file: Any = None
        self._size = 0

    def begin(self) -> None:
        """Begin an empty file, on a disk with its folder."""
        self._storage, self._target = storages.find(self.path)
        self._scheme = self.path.partition("://")[0]
        is_local = isinstance(self._storage, LocalFileSystem)
        if is_local:
            self._target = _plain_file(self._target)
        folder = self._target.rpartition("/")[0]
        if is_local:
            self._storage.makedirs(folder or "/", exist_ok=True)
        self._temporary = f"{folder}/.mirrordb-{uuid4().hex}.part"
        self._file = self._storage.open(self._temporary, "wb", block_size=PART)
        self._size = 0
        if is_local:
            _give_rights(self._file.fileno(), self._target)

    def write(self, data: bytes) -> None:
        """Add to the file."""
        self._file.write(data)
        self._size += len(data)

    def finish(self) -> None:
        """Put the file in its place, whatever was there.

        :raises UnknownCopyError: if a storage does not say that it is there; what was written is kept then
        """
        if isinstance(self._storage, LocalFileSystem):
            self._file.flush()
            os.fsync(self._file.fileno())  # else a crash of the machine might leave the name alone
            self._file.close()
            Path(self._temporary).replace(self._target)
        else:
            self._file.close()
            try:
                is_left = storages.put(self._storage, self._scheme, self._temporary, self._target, self._size)
            except storages.UnknownCopyError:
                self._file = None
                raise
            if is_left:
                storages.remove(self._storage, self._temporary)
        self._file = None

    def abort(self) -> None:
        """Remove what was begun and not finished."""
        if self._file is not None:
            file, self._file = self._file, None
            storages.discard(file)
            storages.remove(self._storage, self._temporary)


def sink_for(output_path: str | None) -> OutputFile | None:
    """Return the sink for an ``output_path``, where there is one.

    :raises InvalidRequestError: if it names no file
    """
    return None if output_path is None else OutputFile(output_path)


def check_storage(output_path: str | None) -> None:
    """Check that the storage of an ``output_path`` is known, before anything is sent; blocks.

    :raises InvalidRequestError: if not; names the provider to install
    """
    if output_path is None:
        return
    try:
        storages.check_provider(output_path)
    except ValueError as error:
        message = f"output_path: {output_path!r}: {error}"
        raise InvalidRequestError(message=message, field="output_path") from None


def checked_sink(output_path: str) -> OutputFile:
    """Return the sink for an ``output_path``, whose storage is known; blocks.

    :raises InvalidRequestError: as :func:`check_storage` and :func:`sink_for`
    """
    check_storage(output_path)
    return OutputFile(output_path)


def _plain_file(path: str) -> str:
    """Return the path of a file on a disk without links: a rename would replace a link, not what it leads to.

    :raises OSError: if something else is there, which a rename would replace, as a pipe or a device, or
        which it would move the file into
    """
    path = os.path.realpath(path)
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return path
    if stat.S_ISDIR(mode):
        raise IsADirectoryError("it is a folder")
    if not stat.S_ISREG(mode):
        raise FileExistsError("it is no plain file, but a pipe, a socket or a device")
    return path


def _give_rights(file: int, target: str) -> None:
    """Give a file on a disk the owners and rights of the one that it will replace, before it holds anything.

    :param file: its descriptor
    """
    try:
        before = Path(target).stat()
    except FileNotFoundError:
        return
    with suppress(PermissionError):  # only an administrator can give files away
        os.fchown(file, before.st_uid, before.st_gid)
    with suppress(PermissionError):
        os.fchmod(file, stat.S_IMODE(before.st_mode) & 0o777)
