"""Files whose bytes are sent, and where they lie."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: Not all systems can ask so.
_BY_EFFECTIVE_IDS = os.access in os.supports_effective_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is known of a file without reading it.

    :param size: in bytes; None if the storage does not say
    :param version: what differs once the file was changed, as far as the storage tells, on every machine
    :param version_here: what differs then as well, as it is told on this machine
    """

    size: int | None
    version: str
    version_here: str = ""


class Reader(Protocol):
    """An open file."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes; none at the end."""

    def close(self) -> object:
        """Let go of it; may be called twice."""


class Source(Protocol):
    """A file to be sent. Its methods may block: they are called in threads, one at a time."""

    @property
    def path(self) -> str:
        """Its name, for errors; the part behind the last slash is sent as the name of a file."""

    def look(self) -> FileFacts:
        """Look at the file as it is now.

        :raises Exception: if there is none, or it cannot be reached
        """

    def open(self) -> Reader:
        """Open it from its beginning."""


OpenSource = Callable[[str], Source]
"""Returns the file of a path, without looking at it; raises a ValueError if the path can be none."""


class LocalFile:
    """A file on a disk.

    :param path: a whole path
    :raises ValueError: if it is none
    """

    def __init__(self, path: str) -> None:
        if not path.startswith("/") or path.endswith("/"):
            raise ValueError(f"{path!r} names no file, as '/data/users.csv' does")
        self.path = path

    def look(self) -> FileFacts:
        """Return its size, and what changes with each write.

        :raises OSError: if it is not there, must not be read, or is no plain file: a pipe could be read once,
            or never end
        """
        facts = Path(self.path).stat()
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError("it is a folder")
        if not stat.S_ISREG(facts.st_mode):
            raise FileExistsError("it is no plain file, but a pipe, a socket or a device")
        if not os.access(
            self.path, os.R_OK, effective_ids=_BY_EFFECTIVE_IDS
        ):  # before another one is sent, as it is opened later
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.path)
        return FileFacts(size=facts.st_size, version=f"{facts.st_mtime_ns}", version_here=f"{facts.st_ino}")

    def open(self) -> Reader:
        """Open it."""
        return Path(self.path).open("rb")
