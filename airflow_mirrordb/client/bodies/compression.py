"""Compressed bodies, decompressed piece by piece, for memory and for files alike.

Not by aiohttp: it takes a gzip body that ends in the middle for a whole one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from airflow_mirrordb.client.auth.redaction import shortened

try:
    import brotli
except ImportError:
    brotli = None

#: Bytes at which a piece ends, however well they were compressed; brotli may double it.
PIECE = 2**18
#: How each gzip begins (RFC 1952, section 2.3.1); what begins so and cannot be decompressed was damaged.
_GZIP = b"\x1f\x8b"
#: Members of a body that may be small. Each costs some microseconds, and a copy of what follows it.
MAX_MEMBERS = 1000
#: Bytes that the others hold on average, at least.
MEMBER = 2**10


class CompressionError(Exception):
    """A body is not compressed as it says, or is not all there."""


class NotCompressedError(CompressionError):
    """A body is not compressed at all in the way that it says; it will be no other when it comes again."""


class UnknownEncodingError(Exception):
    """A body is compressed in a way that is not known here."""


class _Codec(Protocol):
    """Decompresses one body."""

    def pieces(self, data: bytes) -> Iterator[bytes]: ...

    def end(self) -> bytes:
        """Return what is left when all bytes have come.

        :raises CompressionError: if that was not all
        """


class Decompression:
    """Decompresses one body.

    :param encoding: what its Content-Encoding says (RFC 9110, section 8.4)
    :raises UnknownEncodingError: if that is none of :data:`ACCEPTED`, or several
    """

    def __init__(self, encoding: str) -> None:
        names = [name for part in encoding.split(",") if (name := part.strip().lower())]
        names = [name for name in names if name != "identity"]
        if len(names) > 1 or not _CODECS.keys() >= set(names):
            known = ", ".join(_CODECS)
            said = shortened(", ".join(names), 50)
            raise UnknownEncodingError(f"its content encoding {said!r} is not one of {known}")
        self._name = names[0] if names else ""
        self._codec: _Codec | None = _CODECS[self._name]() if names else None
        self._head, self._has_begun = b"", False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what some bytes hold, which may be nothing.

        :raises CompressionError: if they are not compressed as it was said
        """
        if self._codec is None:
            yield data
            return
        if len(self._head) < len(_GZIP):
            self._head += data[: len(_GZIP)]
        try:
            for piece in self._codec.pieces(data):
                self._has_begun = self._has_begun or bool(piece)
                yield piece
        except _ERRORS as error:
            is_false = not self._has_begun and not self._head.startswith(_GZIP)
            kind = NotCompressedError if is_false else CompressionError
            raise kind(f"it is not {self._name}, as its content encoding says: {error}") from error

    def end(self) -> bytes:
        """Return the end of the body, when all bytes have come.

        :raises CompressionError: if that was not all
        """
        return b"" if self._codec is None else self._codec.end()


class _Gzip:
    """Members, one after the other (RFC 1952, section 2.2), maybe padded with zeros, as tapes had it."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._members, self._size = 1, 0

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._next_member()
            piece = self._member.decompress(data, PIECE)
            self._size += len(piece)
            yield piece
            data = self._member.unconsumed_tail or self._member.unused_data

    def end(self) -> bytes:
        return _end(self._member, "gzip")

    def _next_member(self) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS + self._size // MEMBER:
            raise CompressionError(f"its gzip has {self._members:,} members, which hold hardly anything")
        self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)


class _Deflate:
    """The format of RFC 1950; many send the one of RFC 1951, which is the same without a header."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj()
        self._begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            if not self._begun:
                self._begun = True
                has_header = data[0] & 0xF == 8  # noqa: PLR2004  # RFC 1950, section 2.2
                self._stream = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
            if self._stream.eof:
                raise CompressionError("its deflate is followed by something else")
            yield self._stream.decompress(data, PIECE)
            data = self._stream.unconsumed_tail or self._stream.unused_data

    def end(self) -> bytes:
        return _end(self._stream, "deflate")


class _Brotli:
    """The format of RFC 7932; what follows its end is an error of the library."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        piece = self._stream.process(data, PIECE)
        while piece:
            yield piece
            piece = self._stream.process(b"", PIECE)

    def end(self) -> bytes:
        if not self._stream.is_finished():
            raise CompressionError("its br ends in the middle")
        return b""


def _end(stream: Any, name: str) -> bytes:
    rest: bytes = stream.flush()
    if not stream.eof:
        raise CompressionError(f"its {name} ends in the middle")
    return rest


def codecs(brotli: Any) -> dict[str, type[_Codec]]:
    """Return what is known, by the names of RFC 9110, section 8.4.1.

    :param brotli: the library, if it is installed; before 1.2 it does not bound what a piece becomes
    """
    known: dict[str, type[_Codec]] = {"gzip": _Gzip, "x-gzip": _Gzip, "deflate": _Deflate}
    bounded = hasattr(getattr(brotli, "Decompressor", None), "can_accept_more_data")
    return {**known, "br": _Brotli} if bounded else known


_CODECS = codecs(brotli)
_ERRORS = (zlib.error, brotli.error) if brotli else (zlib.error,)

#: What Accept-Encoding says.
ACCEPTED = ", ".join(name for name in _CODECS if name != "x-gzip")
