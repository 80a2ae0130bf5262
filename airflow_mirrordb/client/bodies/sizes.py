"""What JSON takes in memory once it is decoded, told from its bytes before it is. Pure.

It may be much: lists in lists take 48 bytes for each of their own.
"""

from __future__ import annotations

import re

#: How many times ``max_response_bytes`` the values of an answer may take in memory. Bodies of that length
#: take 4 to 10 times as much where people store records; objects of one short field 16, pairs of small
#: numbers 17; empty lists, and lists in lists, 24 to 48.
MAX_EXPANSION = 20
#: No JSON takes more memory for each of its bytes.
_MOST = 50

_TEXT = re.compile(rb'"[^"]*"')
_SPACE = b" \t\n\r\0"  # and what UTF-16 puts between
_STRUCTURE = b'"\\[]{},:'
_AS_MARKS = bytes(byte if byte in _STRUCTURE else ord("0") for byte in range(256))


def decoded_size(body: bytes, limit: float) -> int:
    """Return about how many bytes the values of a JSON body take, rather too many; 0 if not above a limit.

    Takes no time where the body is short, and 5 ms for each megabyte where it is not.
    """
    if len(body) * _MOST <= limit or (size := _size(body, body, body.count(b'"') // 2)) <= limit:
        return 0
    marks = _marks(body)
    size = min(size, _size(body, marks, marks.count(b"T")))
    return size if size > limit else 0


def _size(body: bytes, marks: bytes, texts: int) -> int:
    """Return the size of as many values as there are marks of structure, in CPython 3.11 on 64 bits.

    An empty list or dict takes 64 bytes, and 32 or 128 more when something is put into it; a place in it 9,
    or 40 beyond the fifth of a dict; a number of three digits or more 32; a text 64, and its characters.
    Names of fields are not counted, since a decoder keeps one text for the same name.

    :param marks: what has the same structure, maybe without its texts
    :param texts: number of texts, names of fields included
    """
    lists, empty_lists, dicts, empty_dicts = map(marks.count, (b"[", b"[]", b"{", b"{}"))
    commas, colons = marks.count(b","), marks.count(b":")
    other = max(0, len(body) - 2 * (lists + dicts + texts) - commas - colons)
    texts = max(0, texts - colons - body.count(b'""'))
    numbers = min(other // 3, max(0, commas + 1 - empty_lists - empty_dicts - texts))
    containers = 64 * (lists + dicts) + 32 * (lists - empty_lists) + 136 * (dicts - empty_dicts)
    places = 9 * commas + 40 * max(0, colons - 5 * dicts)
    width = 1 if body.isascii() else 4  # one rare character makes all of its text as wide
    return containers + places + 32 * numbers + 64 * texts + width * other


def _marks(body: bytes) -> bytes:
    """Return the structure of JSON without what only looks like it within texts; each text is a T."""
    marks = body.translate(_AS_MARKS, _SPACE)
    for escaped in (b"\\\\", b'\\"', b"\\"):
        marks = marks.replace(escaped, b"0")
    while b"00" in marks:
        marks = marks.replace(b"00", b"0")
    return _TEXT.sub(b"T", marks.replace(b'"0"', b"T").replace(b'""', b"T"))
