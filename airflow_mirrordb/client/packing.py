"""Packed bodies, unpacked piece by piece; one that is cut off is noticed, as aiohttp's own way does not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

#: What Accept-Encoding says where a body is unpacked here.
ACCEPTED = "gzip, deflate"
#: Most bytes that one piece has, however well they were packed.
PIECE = 2**18
#: Of a body; each costs a copy of what follows it, and real ones have few.
MAX_MEMBERS = 1000


class PackingError(Exception):
    """A body is not packed as it says, or is not all there."""


class Unpacking:
    """Unpacks one body.

    :param encoding: what its Content-Encoding says
    :raises PackingError: if that is none of :data:`ACCEPTED`
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise PackingError(f"it has the content encoding {self._encoding[:50]!r}, which nobody asked for")
        self._members = 0
        self._member = zlib.decompressobj()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what some bytes hold, which may be nothing.

        :raises PackingError: if they are not packed as it was said
        """
        if self._encoding in ("", "identity"):
            yield data
            return
        try:
            while data:
                if not self._members or self._member.eof:
                    self._next_member(data)
                yield self._member.decompress(data, PIECE)
                data = self._member.unconsumed_tail or self._member.unused_data
        except zlib.error as error:
            raise PackingError(f"it is not {self._encoding}: {error}") from error

    def rest(self) -> bytes:
        """Return the end of the body, when all bytes have come.

        :raises PackingError: if that was not all
        """
        rest = self._member.flush() if self._members else b""
        if self._members and not self._member.eof:
            raise PackingError(f"its {self._encoding} ends in the middle")
        return rest

    def _next_member(self, data: bytes) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise PackingError(f"it is packed in more than {MAX_MEMBERS} members")
        has_header = data[0] & 0xF == 8  # noqa: PLR2004  # RFC 1950, section 2.2; many send deflate without one
        wbits = {True: zlib.MAX_WBITS, False: -zlib.MAX_WBITS}[has_header]
        self._member = zlib.decompressobj(wbits if self._encoding == "deflate" else 16 + zlib.MAX_WBITS)
