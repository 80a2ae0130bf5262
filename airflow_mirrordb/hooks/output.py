"""Files that answers are written to, on any storage that Airflow reaches."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from airflow_mirrordb.client.errors import InvalidRequestError

log = logging.getLogger(__name__)

#: Bytes that are held back until they are a part of an upload: object stores take at most 10,000 parts.
PART = 8 * 2**20


class OutputFile:
    """A sink that writes one file, which appears under its name only when it is whole.

    It is written beside its place, under a hidden name, and put there at the end: by a rename where the
    storage has one, else, as in object stores, by a copy within the storage, which shows nothing before
    it is whole. (The files that fsspec itself can commit late are no way for all: a local one begins in
    another folder, maybe on another disk, and with some stores closing one commits it.)

    On a disk a link stays, and what it leads to is replaced; what is no plain file, as a pipe, is left alone.

    The methods block; the first one looks the storage's connection up.

    :param path: as ``ObjectStoragePath`` takes it: ``s3://conn_id@bucket/key``, or a whole path on a disk
    :raises InvalidRequestError: if it names no file
    """

    def __init__(self, path: str) -> None:
        if not names_file(path):
            message = (
                f"output_path: {path!r} names no file, as '/data/users.jsonl' or 's3://conn_id@bucket/key'"
            )
            raise InvalidRequestError(message=message, field="output_path")
        self.path = path
        self._target = self._temporary = ""
        self._storage: Any = None
        self._file: Any = None

    def begin(self) -> None:
        """Begin an empty file, on a disk with its folder."""
        place = ObjectStoragePath(self.path)
        self._storage, self._target = place.fs, place.path
        is_local = isinstance(self._storage, LocalFileSystem)
        if is_local:
            self._target = _plain_file(self._target)
        folder = self._target.rpartition("/")[0]
        if is_local:
            self._storage.makedirs(folder or "/", exist_ok=True)
        self._temporary = f"{folder}/.mirrordb-{uuid4().hex}.part"
        self._file = self._storage.open(self._temporary, "wb", block_size=PART)

    def write(self, data: bytes) -> None:
        """Add to the file."""
        self._file.write(data)

    def finish(self) -> None:
        """Put the file in its place, whatever was there."""
        if isinstance(self._storage, LocalFileSystem):
            self._file.flush()
            os.fsync(self._file.fileno())  # else a crash of the machine might leave the name alone
        self._file.close()
        if _can_rename(self._storage):
            self._storage.mv(self._temporary, self._target)
        else:
            self._storage.cp_file(self._temporary, self._target)
            self._remove()
        self._file = None

    def abort(self) -> None:
        """Remove what was begun and not finished."""
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(Exception):  # it had its say when it was written to
                file.close()
            self._remove()

    def _remove(self) -> None:
        try:
            self._storage.rm_file(self._temporary)
        except Exception as error:  # noqa: BLE001  # each storage has its own
            log.warning("%s is left over: %s", self._temporary, error)


def sink_for(output_path: str | None) -> OutputFile | None:
    """Return the sink for an ``output_path``, where there is one.

    :raises InvalidRequestError: if it names no file
    """
    return None if output_path is None else OutputFile(output_path)


def names_file(path: object) -> bool:
    """Whether a path is that of one file, wherever a task runs."""
    if not isinstance(path, str) or path.endswith("/"):
        return False
    _, has_scheme, place = path.partition("://")
    # else it is a bucket alone, or relative to where a worker or the triggerer happens to run
    return "/" in place if has_scheme else path.startswith("/")


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


def _can_rename(storage: Any) -> bool:
    """Whether a move is more than a copy, which moreover would go into what looks like a folder."""
    return type(storage).mv is not AbstractFileSystem.mv
