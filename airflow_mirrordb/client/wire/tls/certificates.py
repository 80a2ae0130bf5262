"""The files of certificates: read once for all connections of a process, and again when they change."""

from __future__ import annotations

import functools
import logging
import os
import re
import ssl
import stat
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import SecretStr

from airflow_mirrordb.client.errors import ConfigError
from airflow_mirrordb.client.wire.tls.contexts import tls_context

log = logging.getLogger(__name__)

#: What OpenSSL reads of a folder of authorities (X509_LOOKUP_hash_dir(3)).
_OF_A_FOLDER = re.compile(r"[0-9a-f]{8}\.r?\d+")
#: How often files are read that somebody writes just then.
_READS = 3
#: For how long after it was written a file may not be whole, or its other half not there, in seconds.
RECENT = 60.0
_READ_AGAIN = "TLS: {} changed on disk, and new connections use what is there now"
_MAY_BE_HALF = "; a file changed less than a minute ago, so that a retry may help"
_KEPT = "{}; it changed on disk, and connections use what was read before until it can be used"

#: What tells whether files are still the same.
_States = tuple[object, ...]


class Certificates:
    """TLS settings, and the files that they come from.

    Files are replaced one after the other, in place or behind symbolic links. Those that do not go together,
    or are not whole, change nothing: what was read before stays in use until all of them can be used.

    :param verify: as the extra; files of certifi are read once
    :param passphrase: of the key
    :raises ConfigError: if a file cannot be used; names the setting. It is ``retryable`` if one was written
        within the last :data:`RECENT` seconds, and may not be whole
    """

    def __init__(
        self,
        *,
        verify: bool | str,
        client_cert: str | None = None,
        client_key: str | None = None,
        passphrase: SecretStr | None = None,
    ) -> None:
        self._read = functools.partial(
            tls_context, verify=verify, client_cert=client_cert, client_key=client_key, passphrase=passphrase
        )
        named = {"verify": verify, "client_cert": client_cert, "client_key": client_key}
        self._paths = {name: path for name, path in named.items() if isinstance(path, str)}
        self._turn = threading.Lock()
        self._failure = ""  # why what is there now cannot be used, if that was told
        self._news: deque[tuple[int, str]] = deque()
        self.context: ssl.SSLContext
        """What new connections are opened with."""
        self._states, self.context = self._first_read()

    @property
    def may_change(self) -> bool:
        """Whether there are files that are looked at."""
        return bool(self._paths)

    def refresh(self) -> None:
        """Look at the files, and read them again if they changed. It blocks, in any thread."""
        with self._turn:
            states = self._look()
            if states == self._states:
                self._failure = ""
                return
            try:
                context, failure = self._read(), ""
            except ConfigError as error:
                context, failure = self.context, error.message
            if self._look() != states:  # they are being written: who comes next looks again
                return
            if not failure:
                self._news.append((logging.INFO, _READ_AGAIN.format(self._changed(states))))
                self._states, self.context = states, context
            elif failure != self._failure:
                self._news.append((logging.WARNING, _KEPT.format(failure)))
            self._failure = failure

    def tell(self) -> None:
        """Log what :meth:`refresh` found, once for all who ask; not by itself, in a thread of nobody's."""
        with suppress(IndexError):
            while True:
                log.log(*self._news.popleft())

    def _first_read(self) -> tuple[_States, ssl.SSLContext]:
        reads = 0
        while True:
            states = self._look()
            reads += 1
            try:
                return states, self._read()
            except ConfigError as error:
                if reads < _READS and self._look() != states:
                    continue
                if error.retryable and self._is_recent(error.field):
                    error.message += _MAY_BE_HALF
                else:
                    error.retryable = False
                raise

    def _look(self) -> _States:
        return tuple(_state(path) for path in self._paths.values())

    def _is_recent(self, field: str) -> bool:
        """Whether a file was just written that the fault of a setting may come from."""
        of_authorities = field == "verify"
        mine = (path for name, path in self._paths.items() if (name == "verify") == of_authorities)
        return any(_is_recent(path) for path in mine)

    def _changed(self, states: _States) -> str:
        known = zip(self._paths.values(), states, self._states, strict=True)
        return " and ".join(repr(path) for path, now, before in known if now != before)


def _state(path: str) -> object:
    """Return what tells whether a file is another one, or was written to, behind whatever symbolic links.

    Of a folder it is that of each file which OpenSSL reads there.
    """
    try:
        found = os.stat(path)  # noqa: PTH116  # it takes half the time
        return tuple(sorted(_states_in(path))) if stat.S_ISDIR(found.st_mode) else _numbers(found)
    except OSError as error:
        return error.errno


def _is_recent(path: str) -> bool:
    try:
        return os.stat(path).st_mtime > time.time() - RECENT  # noqa: PTH116
    except OSError:
        return False


def _states_in(folder: str) -> Iterator[tuple[str, _States]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _OF_A_FOLDER.fullmatch(entry.name):
                with suppress(OSError):  # a link that leads nowhere
                    yield entry.name, _numbers(entry.stat())


def _numbers(found: os.stat_result) -> _States:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=32)
def certificates(**settings: Any) -> Certificates:
    """Return the certificates that all connections of these settings share.

    :param settings: the arguments of :class:`Certificates`
    :raises ConfigError: if a file cannot be used; names the setting
    """
    return Certificates(**settings)


# Another thread may hold a lock of OpenSSL's in the middle of a handshake when this process is forked
os.register_at_fork(after_in_child=certificates.cache_clear)
