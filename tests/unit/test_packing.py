"""Packed bodies come out whole, in small pieces, or are told from whole ones."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.packing import MAX_MEMBERS, PIECE, PackingError, Unpacking


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "old name": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without a header": ("deflate", raw_deflate),
}
each_way = pytest.mark.parametrize("way", PACKERS)
bodies = st.binary(max_size=2000) | st.binary(max_size=50).map(lambda data: data * 5000)


def unpacked(encoding: str, packed: bytes, size: int) -> bytes:
    """Return what a packed body holds that comes in chunks of a size."""
    unpacking = Unpacking(encoding)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    pieces = [piece for chunk in chunks for piece in unpacking.pieces(chunk)]
    assert all(len(piece) <= PIECE for piece in pieces)
    return b"".join([*pieces, unpacking.rest()])


@each_way
@given(body=bodies, size=st.integers(1, 3000))
def test_a_body_comes_out_as_it_went_in(way: str, body: bytes, size: int) -> None:
    """However it is cut into chunks, and whatever is in it."""
    encoding, pack = PACKERS[way]
    assert unpacked(encoding, pack(body), size) == body


@each_way
@given(body=bodies, missing=st.integers(1, 100))
def test_a_body_that_is_cut_off_is_noticed(way: str, body: bytes, missing: int) -> None:
    """Be it only its last byte that is missing."""
    encoding, pack = PACKERS[way]
    packed = pack(body)
    cut = packed[: max(1, len(packed) - missing)]
    with pytest.raises(PackingError, match="ends in the middle"):
        unpacked(encoding, cut, 64)


@given(parts=st.lists(bodies, min_size=1, max_size=4), size=st.integers(1, 3000))
def test_parts_that_were_packed_one_by_one(parts: list[bytes], size: int) -> None:
    """They are one body (RFC 1952, section 2.2)."""
    assert unpacked("gzip", b"".join(map(gzip.compress, parts)), size) == b"".join(parts)


def test_endless_parts_are_refused() -> None:
    """Twenty bytes that hold nothing could be sent for ever."""
    with pytest.raises(PackingError, match="more than 1000 members"):
        unpacked("gzip", gzip.compress(b"") * (MAX_MEMBERS + 1), 65536)


def test_a_bomb_comes_out_in_small_pieces() -> None:
    """A hundred megabytes of zeros, which travel as one chunk."""
    packed = gzip.compress(bytes(100 * 2**20), 9)
    sizes = [len(piece) for piece in Unpacking("gzip").pieces(packed)]
    assert max(sizes) == PIECE
    assert sum(sizes) >= 100 * 2**20 - PIECE


@pytest.mark.parametrize("encoding", ["", " Identity "])
def test_what_is_not_packed_is_passed_on(encoding: str) -> None:
    """As it is."""
    assert unpacked(encoding, b"abc", 2) == b"abc"


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "compress"])
def test_what_nobody_asked_for_is_refused(encoding: str) -> None:
    """The error names it."""
    with pytest.raises(PackingError, match=encoding):
        Unpacking(encoding)


def test_what_is_not_packed_as_it_says_is_refused() -> None:
    """At its first chunk."""
    with pytest.raises(PackingError, match="it is not gzip"):
        unpacked("gzip", b"plain text", 64)
