"""Client certificates in files, and how those who renew them replace the files."""

from __future__ import annotations

import os
import ssl
import time
from abc import ABC, abstractmethod
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import trustme

_TIMES = count(10**18, 10**9)


def write(path: Path, content: bytes) -> None:
    """Write a file, which is a second younger than the one before: the clock of a disk may stand for 4 ms."""
    path.write_bytes(content)
    age(path)


def age(path: Path) -> None:
    """Give a file the next time; all of them are years ago."""
    then = next(_TIMES)
    os.utime(path, ns=(then, then))


def renew(path: Path) -> None:
    """Let a file be so new that no machine is busy enough to make it old."""
    os.utime(path, (time.time() + 10_000,) * 2)


class Files(ABC):
    """A certificate and its key, at two paths.

    :param folder: in which they are
    :param authority: that issues the certificates
    """

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.cert, self.key = folder / "tls.crt", folder / "tls.key"
        self.folder, self._authority = folder, authority

    @property
    def settings(self) -> dict[str, Any]:
        return {"client_cert": str(self.cert), "client_key": str(self.key)}

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Return a certificate for a name, and its key."""
        issued = self._authority.issue_cert(name)
        return issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()

    @abstractmethod
    def replace(self, name: str) -> None:
        """Put a certificate for another name there."""


class InPlace(Files):
    """Both are written again, as ``cp`` does."""

    def replace(self, name: str) -> None:
        for path, content in zip((self.cert, self.key), self.issue(name), strict=True):
            write(path, content)


class Renamed(Files):
    """Others take their names, as certbot and most agents do; they may have the same time and size."""

    def replace(self, name: str) -> None:
        for path, content in zip((self.cert, self.key), self.issue(name), strict=True):
            new = path.with_suffix(".new")
            new.write_bytes(content)
            os.utime(new, ns=(0, 0))
            new.replace(path)


class Linked(Files):
    """Kubernetes' volumes: links lead to the files by way of ``..data``, a link to the folder of today.

    See the AtomicWriter of kubelet (``pkg/volume/util/atomic_writer.go``).
    """

    def replace(self, name: str) -> None:
        today = self.folder / f"..{name}"
        today.mkdir()
        for path, content in zip((self.cert, self.key), self.issue(name), strict=True):
            (today / path.name).write_bytes(content)
            if not path.is_symlink():
                path.symlink_to(Path("..data") / path.name)
        (self.folder / "..data_tmp").symlink_to(today.name)
        (self.folder / "..data_tmp").replace(self.folder / "..data")


WAYS: dict[str, type[Files]] = {"in place": InPlace, "renamed": Renamed, "linked": Linked}


def asking(authority: trustme.CA) -> ssl.SSLContext:
    """TLS of a server that is ``localhost``, and takes only clients with a certificate of an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def name_in(certificate: Any) -> str:
    """Return the name that a certificate is for, of what Python tells of it."""
    return str(certificate["subjectAltName"][0][1])
