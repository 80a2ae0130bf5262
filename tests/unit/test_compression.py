"""Packed bodies come out whole, in small pieces, or are told from whole ones."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from types import SimpleNamespace

import brotli
import pytest
from hypothesis import assume, given, strategies as st

from airflow_mirrordb.client.bodies.compression import (
    ACCEPTED,
    MAX_MEMBERS,
    MEMBER,
    PIECE,
    CompressionError,
    Decompression,
    NotCompressedError,
    UnknownEncodingError,
    codecs,
)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "old name": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without a header": ("deflate", raw_deflate),
    "brotli": ("br", lambda data: brotli.compress(data, quality=1)),
}
each_way = pytest.mark.parametrize("way", PACKERS)
bodies = st.binary(max_size=2000) | st.binary(max_size=50).map(lambda data: data * 5000)


def decompressed(encoding: str, compressed: bytes, size: int) -> bytes:
    """Return what a compressed body holds that comes in chunks of a size."""
    decompression = Decompression(encoding)
    chunks = [compressed[at : at + size] for at in range(0, len(compressed), size)]
    pieces = [piece for chunk in chunks for piece in decompression.pieces(chunk)]
    assert all(len(piece) <= PIECE for piece in pieces)
    return b"".join([*pieces, decompression.end()])


@each_way
@given(body=bodies, size=st.integers(1, 3000))
def test_a_body_comes_out_as_it_went_in(way: str, body: bytes, size: int) -> None:
    """However it is cut into chunks, and whatever is in it."""
    encoding, pack = PACKERS[way]
    assert decompressed(encoding, pack(body), size) == body


@each_way
@given(body=bodies, missing=st.integers(1, 100))
def test_a_body_that_is_cut_off_is_noticed(way: str, body: bytes, missing: int) -> None:
    """Be it only its last byte that is missing."""
    encoding, pack = PACKERS[way]
    compressed = pack(body)
    assume(len(compressed) > 1)
    cut = compressed[: max(1, len(compressed) - missing)]
    with pytest.raises(CompressionError, match="ends in the middle"):
        decompressed(encoding, cut, 64)


@each_way
@given(body=bodies, rest=st.binary(min_size=1, max_size=50).filter(lambda rest: rest.strip(b"\0")))
def test_what_follows_the_end_is_no_part_of_a_body(way: str, body: bytes, rest: bytes) -> None:
    """It is damage, as Python's own gzip has it; browsers would ignore it, and with it a damaged member."""
    encoding, pack = PACKERS[way]
    with pytest.raises(CompressionError):
        decompressed(encoding, pack(body) + rest, 64)


@given(body=bodies, zeros=st.integers(1, 2000), size=st.integers(1, 3000))
def test_zeros_after_a_member_are_padding(body: bytes, zeros: int, size: int) -> None:
    """As for Python's own gzip, and for gzip(1)."""
    compressed = gzip.compress(body) + bytes(zeros)
    assert decompressed("gzip", compressed, size) == body
    assert decompressed("gzip", compressed * 2, size) == body * 2


@given(parts=st.lists(bodies, min_size=1, max_size=4), size=st.integers(1, 3000))
def test_parts_that_were_packed_one_by_one(parts: list[bytes], size: int) -> None:
    """They are one body (RFC 1952, section 2.2)."""
    assert decompressed("gzip", b"".join(map(gzip.compress, parts)), size) == b"".join(parts)


@pytest.mark.parametrize("content", [b"", b"a"])
def test_endless_parts_are_refused(content: bytes) -> None:
    """Some twenty bytes that hold nothing, or next to nothing, could be sent for ever."""
    with pytest.raises(CompressionError, match=r"1,\d+ members, which hold hardly anything"):
        decompressed("gzip", gzip.compress(content) * 2 * MAX_MEMBERS, 65536)


def test_many_parts_that_hold_something_are_one_body() -> None:
    """As those of bgzip, which are of 64 kB each."""
    part = gzip.compress(bytes(MEMBER))
    assert len(decompressed("gzip", part * 5 * MAX_MEMBERS, 65536)) == 5 * MAX_MEMBERS * MEMBER


@pytest.mark.parametrize("way", ["gzip", "deflate", "brotli"])
def test_a_bomb_comes_out_in_small_pieces(way: str) -> None:
    """A hundred megabytes of zeros, which travel as one chunk."""
    encoding, pack = PACKERS[way]
    decompression = Decompression(encoding)
    sizes = [len(piece) for piece in decompression.pieces(pack(bytes(100 * 2**20)))]
    assert max(sizes) <= 2 * PIECE
    assert sum(sizes) + len(decompression.end()) == 100 * 2**20


@pytest.mark.parametrize("encoding", ["", " Identity ", "identity, identity", ","])
def test_what_is_not_packed_is_passed_on(encoding: str) -> None:
    """As it is."""
    assert decompressed(encoding, b"abc", 2) == b"abc"


def test_identity_beside_another_encoding_says_nothing() -> None:
    """RFC 9110, section 8.4.1, keeps it for Accept-Encoding; servers write it all the same."""
    assert decompressed("identity, GZIP", gzip.compress(b"abc"), 2) == b"abc"


@pytest.mark.parametrize("encoding", ["zstd", "gzip, gzip", "compress", "gzip, br", "gzip;q=1", "\udc80"])
def test_what_nobody_asked_for_is_refused(encoding: str) -> None:
    """The error names it, and what is known; a bomb within a bomb would be bounded by neither."""
    with pytest.raises(UnknownEncodingError, match="is not one of gzip, x-gzip, deflate, br") as refused:
        Decompression(encoding)
    assert repr(encoding)[1:-1] in str(refused.value)


def test_what_is_asked_for_is_known() -> None:
    """In one place; "x-gzip" is a name of the past (RFC 9110, section 8.4.1.3)."""
    assert ACCEPTED == "gzip, deflate, br"


@pytest.mark.parametrize("library", [None, SimpleNamespace(Decompressor=object)])
def test_without_a_brotli_that_can_be_bounded_there_is_none(library: object) -> None:
    """Versions before 1.2 have no limit for what one call unpacks."""
    assert codecs(library).keys() == {"gzip", "x-gzip", "deflate"}


@each_way
def test_what_is_not_packed_as_it_says_is_refused(way: str) -> None:
    """At its first chunk, however short the chunks are."""
    encoding = PACKERS[way][0]
    for size in (1, 64):
        with pytest.raises(
            NotCompressedError, match=f"it is not {encoding.lower()}, as its content encoding"
        ):
            decompressed(encoding, b"plain text that nobody compressed", size)


@pytest.mark.parametrize("body", [b"", b"abc" * 100])
def test_a_gzip_that_is_damaged_is_another_thing(body: bytes) -> None:
    """It may come whole the next time."""
    compressed = bytearray(gzip.compress(body))
    compressed[10] ^= 0xFF  # after its header (RFC 1952, section 2.3)
    with pytest.raises(CompressionError) as damaged:
        decompressed("gzip", bytes(compressed), 64)
    assert not isinstance(damaged.value, NotCompressedError)
