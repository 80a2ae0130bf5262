"""In which order the values of a cursor come. What is expected is computed without the code under test."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.triggers.order import MAX_LENGTH, ORDERS, order_of

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DIGITS = st.text("0123456789", max_size=30)
MINUTES = st.integers(-23 * 60 - 59, 23 * 60 + 59)


def keys(*values: Any) -> list[Any]:
    """Return what values sort by, all in one order."""
    read = order_of(values)
    assert read is not None
    assert None not in read[1], f"{values} are no {read[0].name}"
    return read[1]


def relation_of(one: Any, other: Any) -> str:
    return "<" if one < other else "=" if one == other else ">"


def name_of(*values: Any) -> str | None:
    """Return the name of the order that all values have; None if they have none."""
    read = order_of(values)
    return None if read is None or None in read[1] else read[0].name


# -- moments -------------------------------------------------------------------------------------


@st.composite
def moments(draw: st.DrawFn, *, offset: bool = True) -> tuple[str, Fraction]:
    """Return a moment as RFC 3339, section 5.6 writes it, and its exact time since 1970 in seconds."""
    seconds = draw(st.integers(-50_000_000_000, 250_000_000_000))
    zone = timezone(timedelta(minutes=draw(MINUTES) if offset else 0))
    local = (EPOCH + timedelta(seconds=seconds)).astimezone(zone)
    fraction = draw(DIGITS)
    text = f"{local:%Y-%m-%d}".rjust(10, "0") + draw(st.sampled_from("Tt ")) + f"{local:%H:%M:%S}"
    text += f".{fraction}" if fraction else ""
    minutes = zone.utcoffset(None) // timedelta(minutes=1)
    zulu = draw(st.booleans()) and minutes == 0
    written = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    text += (draw(st.sampled_from("Zz")) if zulu else written) if offset else ""
    return text, seconds + Fraction(int(fraction or 0), 10 ** len(fraction))


@given(moments(), moments())
def test_moments_have_the_order_of_time(first: tuple[str, Fraction], then: tuple[str, Fraction]) -> None:
    """Any offset, any number of digits; the exact times are computed with fractions."""
    assert relation_of(*keys(first[0], then[0])) == relation_of(first[1], then[1])


@given(moments(offset=False), moments(offset=False))
def test_times_without_an_offset_have_an_order_among_themselves(
    first: tuple[str, Fraction], then: tuple[str, Fraction]
) -> None:
    """They are those of one clock."""
    assert relation_of(*keys(first[0], then[0])) == relation_of(first[1], then[1])


@pytest.mark.parametrize(
    ("first", "relation", "then"),
    [
        ("1985-04-12T23:20:50.52Z", "<", "1985-04-12T23:20:51Z"),
        ("1996-12-19T16:39:57-08:00", "=", "1996-12-20T00:39:57Z"),
        ("1990-12-31T23:59:60Z", "=", "1990-12-31T15:59:60-08:00"),
        ("1990-12-31T23:59:59.999Z", "<", "1990-12-31T23:59:60Z"),
        ("1990-12-31T23:59:60.9Z", "<", "1991-01-01T00:00:00Z"),
        ("1937-01-01T12:00:27.87+00:20", "=", "1937-01-01T11:40:27.870Z"),
        ("2026-01-01T00:00:00.0000000000000000001Z", "<", "2026-01-01T00:00:00.0000000000000000002Z"),
        ("2026-01-01T00:00:00-00:00", "=", "2026-01-01 00:00:00z"),
        ("0000-12-31T23:59:59Z", "<", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+23:59", "<", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "<", "9999-12-31T23:59:59-23:59"),
        # ISO 8601: no seconds (java.time.OffsetDateTime), basic offsets, hours only (PostgreSQL), commas
        ("2026-05-01T10:00Z", "<", "2026-05-01T10:00:01Z"),
        ("2026-05-01T10:00:00.000+0200", "=", "2026-05-01 08:00:00+00"),
        ("2026-05-01T10:00:00,5Z", "=", "20260501T100000.5Z"),
        ("2026-05-01 10:00:00 UTC", "=", "2026-05-01 12:00:00 +0200"),  # Ruby
        # RFC 9110, section 5.6.7 writes one moment in three ways
        ("Sun, 06 Nov 1994 08:49:37 GMT", "=", "Sunday, 06-Nov-94 08:49:37 GMT"),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "=", "Sun Nov  6 08:49:37 1994"),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "=", "1994-11-06T08:49:37Z"),
        ("Sun, 06 Nov 1994 08:49:37 GMT", "<", "Wed, 1 Feb 1995 00:00:00 +0100"),
    ],
)
def test_moments_of_public_examples(first: str, relation: str, then: str) -> None:
    """Mostly of RFC 3339, section 5.8 and RFC 9110, section 5.6.7."""
    assert relation_of(*keys(first, then)) == relation


@given(st.integers(0, 4_000_000_000), st.integers(0, 4_000_000_000))
def test_http_dates_have_the_order_of_time(first: int, then: int) -> None:
    """As Python writes them; they know no fractions."""
    texts = [format_datetime(EPOCH + timedelta(seconds=it), usegmt=True) for it in (first, then)]
    assert relation_of(*keys(*texts)) == relation_of(first, then)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "0000-00-00 00:00:00",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:60:00Z",
        "2026-01-01T23:59:61Z",
        "2026-01-01T23:59:59+24:00",
        "2026-01-01T23:59:59+01:60",
        "2026-01-01T23:59:59.Z",
        "2026-01-01T23:59:59ZZ",
        "2026-01-01T23:59:59Z\n",
        "\N{FULLWIDTH DIGIT TWO}026-01-01T23:59:59Z",
        "Sun, 31 Feb 2026 08:49:37 GMT",
        "10:00",
        "yesterday",
        "2026-W05-1",
    ],
)
def test_what_is_no_moment_has_no_order(text: str) -> None:
    """RFC 3339, section 5.7 restricts the fields; nothing is guessed."""
    assert name_of(text) is None


@given(st.dates(), st.dates())
def test_dates_have_an_order(first: Any, then: Any) -> None:
    """Dates without a time, as ISO 8601 writes them."""
    assert relation_of(*keys(first.isoformat(), then.isoformat())) == relation_of(first, then)


# -- numbers -------------------------------------------------------------------------------------


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str | float, Fraction]:
    """Return a number as JSON may hold it, or as a text, and its exact value."""
    kind = draw(st.sampled_from(["int", "float", "text", "hexadecimal"]))
    if kind == "int":
        whole = draw(st.integers(-(10**40), 10**40))
        return whole, Fraction(whole)
    if kind == "float":
        real = draw(st.floats(allow_nan=False, allow_infinity=False))
        return real, Fraction(repr(real))
    if kind == "hexadecimal":
        whole = draw(st.integers(0, 2**70))
        return f"0x{whole:016X}", Fraction(whole)
    digits, fraction = draw(st.integers(-(10**40), 10**40)), draw(DIGITS)
    text = f"{digits}.{fraction}" if fraction else str(digits)
    text += draw(st.sampled_from(["", "e5", "E-17", "e+300"]))
    return text, Fraction(text)


@given(numbers(), numbers())
def test_numbers_have_the_order_of_their_values(
    first: tuple[str | float, Fraction], then: tuple[str | float, Fraction]
) -> None:
    """Of any size, exactly, and whether they are texts or not; the exact values are fractions."""
    assert relation_of(*keys(first[0], then[0])) == relation_of(first[1], then[1])


@pytest.mark.parametrize(
    ("first", "relation", "then"),
    [
        ("9", "<", "10"),
        (9, "<", "10"),
        (2**53, "<", 2**53 + 1),
        (float(2**53), "<", 2**53 + 1),
        ("9007199254740992", "<", "9007199254740993"),
        (2**64, "<", 2**64 + 1),
        ("0.1", "=", 0.1),
        ("007", "=", 7),
        ("1e400", "<", "1e401"),
        ("1e999999", ">", 10**4000),
        ("-1", "<", "0"),
        ("0x00000000000007D3", "<", "0x00000000000007D4"),
    ],
)
def test_numbers_of_examples(first: Any, relation: str, then: Any) -> None:
    """The limits of 53 and 64 bits are none here; the last is a rowversion of SQL Server."""
    assert relation_of(*keys(first, then)) == relation


@pytest.mark.parametrize(
    "value", ["", " 1", "1 ", "1_000", "1,000", ".5", "5.", "NaN", "Infinity", "1e9999999", "٣", float("nan")]
)
def test_what_is_no_number_has_no_order(value: Any) -> None:
    """What JSON does not write is not guessed at."""
    assert name_of(value) is None


# -- identifiers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "first", "then"),
    [
        ("ULIDs", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5faw"),
        (
            "UUIDs of version 7",
            "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
            "017f22e2-79b1-7000-8000-000000000000",
        ),
        (
            "UUIDs of version 6",
            "1EC9414C-232A-6B00-B3C8-9F6BDECED846",
            "1ec9414c-232a-6b01-8000-000000000000",
        ),
        ("ObjectIds", "507f1f77bcf86cd799439011", "600000000000000000000000"),
        ("KSUIDs", "0ujtsYcgvSTl8PAuAdqWYSMnLOv", "0ujzPyRiIAffKhBux4PvQdDqMHY"),
        ("XIDs", "9m4e2mr0ui3e8a215n4g", "9m4e2mr0ui3e8a215n50"),
    ],
)
def test_identifiers_that_begin_with_the_time(name: str, first: str, then: str) -> None:
    """The first ones are the examples of their specifications; each says that their texts are ordered."""
    one, other = keys(first, then)
    assert one < other
    assert name_of(first, then) == name


@given(st.lists(st.integers(0, 2**48 - 1), min_size=2, unique=True))
def test_uuids_of_version_7_have_the_order_of_their_time(times: list[int]) -> None:
    """RFC 9562, section 5.7: 48 bits of Unix time in milliseconds come first."""
    tail = random.Random(7)
    texts = []
    for time in sorted(times):
        digits = f"{time:012x}7{tail.getrandbits(12):03x}8{tail.getrandbits(60):015x}"
        texts.append("-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]]))
    assert all(one < other for one, other in pairwise(keys(*texts)))


@pytest.mark.parametrize(
    "text",
    [
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",  # a UUID of version 4
        "01ARZ3NDEKTSV4RRFFQ69G5FAU",  # U is no digit of ULIDs
        "d41d8cd98f00b204e9800998ecf8427e",  # an MD5
        "AAAAAAAAB9M=",  # a rowversion in Base64, whose alphabet is not in the order of characters
        "1-967a00dff5e02add41819138abb3284d",  # a revision of CouchDB
        "v1.10.0",
        "\ud800",
        "1" * (MAX_LENGTH + 1),
    ],
)
def test_texts_without_an_order(text: str) -> None:
    """No specification says that what is later has a higher text."""
    assert name_of(text) is None


# -- which order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kept", "name"),
    [
        ([1, 2, "2026-05-01T10:00:00Z"], None, "numbers"),
        ([1, "2026-05-01T10:00:00Z"], None, "numbers"),
        (["2026-05-01T10:00:00Z", 1, "2026-05-01T11:00:00Z"], None, "moments"),
        (["2026-05-01T10:00:00Z", "2026-05-01T11:00:00"], "2026-05-01T09:00:00", "times without an offset"),
        (["2026-05-01T10:00:00Z"], 1, "moments"),
        (["507819360000000000000001", "507819360000000000000002"], None, "ObjectIds"),
        (["507819360000000000000001", "50781936000000000000000a"], "507819360000000000000000", "ObjectIds"),
        (["507819360000000000000001", "1507819360000000000000001"], "507819360000000000000001", "numbers"),
        (["a", "b"], 1, None),
        ([], 1, None),
    ],
)
def test_the_order_that_reads_most(values: list[Any], kept: Any, name: str | None) -> None:
    """One that reads the value that is kept as well goes first."""
    read = order_of(values, kept)
    assert (read and read[0].name) == name


@given(st.one_of(st.text(max_size=30), st.integers(), st.floats()))
def test_any_value_is_read_or_not(value: Any) -> None:
    """No text and no number is too odd to be asked."""
    for order in ORDERS:
        (key,) = order.keys([value])
        assert key is None or isinstance(key, Decimal | tuple | str)
