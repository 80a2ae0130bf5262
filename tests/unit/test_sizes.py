"""What JSON takes in memory is told from its bytes, near enough to what it then takes."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.bodies.sizes import MAX_EXPANSION, decoded_size
from airflow_mirrordb.client.messages.response import decode

LENGTH = 2**17  # bytes of a body here; its size grows with it


def many(item: bytes) -> bytes:
    return b"[%b]" % b",".join([item] * (LENGTH // (len(item) + 1)))


def rows(make: Callable[[int], Any]) -> bytes:
    items, length = list[bytes](), 0
    while length < LENGTH - 200:
        items.append(json.dumps(make(len(items)), separators=(",", ":"), ensure_ascii=False).encode())
        length += len(items[-1]) + 1
    return b"[%b]" % b",".join(items)


def taken(body: bytes) -> int:
    """Bytes that the values of a body take."""
    tracemalloc.start()
    try:
        values = decode(body)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del values
    return used


def told(body: bytes) -> int:
    return decoded_size(body, len(body) - 1)


#: Of each the largest answer that is read at all is decoded.
REAL = {
    "records": rows(
        lambda i: {"id": str(i), "name": "Ada Lovelace", "day": "2026-11-25", "tags": ["a", "b"]}
    ),
    "rows of five": rows(lambda i: {"id": i, "name": f"user {i}", "active": True, "score": 1.5, "tag": None}),
    "wide rows": rows(lambda i: {f"field{n}": i + n for n in range(30)}),
    "objects in objects": rows(
        lambda i: {
            "id": i,
            "owner": {"login": "octocat", "id": 1},
            "permissions": {"admin": False, "pull": True},
        }
    ),
    "ids": rows(lambda i: {"id": 100_000 + i}),
    "names": rows(lambda i: {"id": 1000 + i, "n": "ab"}),
    "points": rows(lambda i: {"x": i / 7, "y": i / 11}),
    "coordinates": rows(lambda i: [i / 7, i / 11]),
    "series": rows(lambda i: [1_700_000_000 + i, 1.5]),
    "pixels": rows(lambda i: [100 + i % 900, 100 + i % 800]),
    "numbers": rows(lambda i: 10**9 + i),
    "small numbers": many(b"1"),
    "fractions": many(b"0.5"),
    "keys": rows(lambda i: f"{i:08x}"),
    "letters": many(b'"a"'),
    "nothing": many(b'""'),
    "German": rows(lambda _: "Grüße aus Köln, schöne Straße " * 10),
    "a rare character": rows(lambda _: "hello world " * 100 + "😀"),
    "commas in text": rows(lambda _: ",[]{}" * 20),
    "JSON in JSON": rows(lambda i: json.dumps([[i, 1], {"a": 1}, {}, []])),
    "escapes in text": rows(lambda _: '\\"[],\\' * 10),
    "one object": json.dumps({f"key-{i:06d}": i for i in range(LENGTH // 18)}).encode(),
    "indented": json.dumps([{"id": i, "tags": []} for i in range(3000)], indent=2).encode(),
}
DEAR = {
    "empty lists": many(b"[]"),
    "empty objects": many(b"{}"),
    "lists of lists": many(b"[[]]"),
    "deep lists": many(b"[" * 100 + b"]" * 100),
    "deep objects": many(b'{"":' * 100 + b"0" + b"}" * 100),
    "lists of one": many(b"[1]"),
    "objects of one": many(b'{"a":1}'),
    "in UTF-16": many(b"[[[]]]").decode().encode("utf-16"),
}


@pytest.mark.parametrize("name", REAL)
def test_what_people_store_may_be_as_long_as_any_answer(name: str) -> None:
    """The limit is met by nothing that is worth its name."""
    assert decoded_size(REAL[name], MAX_EXPANSION * len(REAL[name])) == 0


@pytest.mark.parametrize("name", DEAR)
def test_what_takes_most_is_told_from_it(name: str) -> None:
    """So that a body of the greatest length is not decoded."""
    body = DEAR[name]
    length = len(body) // 2 if "UTF-16" in name else len(body)
    assert decoded_size(body, MAX_EXPANSION * length) > MAX_EXPANSION * length


@pytest.mark.parametrize("name", REAL | DEAR)
def test_the_size_is_about_that_of_the_values(name: str) -> None:
    """Neither much less nor many times more, as tracemalloc sees it."""
    body = (REAL | DEAR)[name]
    assert 0.6 * taken(body) < told(body) < 3 * taken(body) + 4 * len(body)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda values: st.lists(values, max_size=8) | st.dictionaries(st.text(max_size=3), values, max_size=8),
    max_leaves=20,
)


@given(value=JSON)
def test_no_value_takes_much_more_than_was_told(value: Any) -> None:
    """Whatever it is made of, many times over."""
    item = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    body = b"[%b]" % b",".join([item] * (LENGTH // 64 // (len(item) + 1) + 1))
    assert taken(body) < 1.6 * decoded_size(body, 0) + 4096


@pytest.mark.parametrize(
    "body", [b"", b"[", b"{", b'"', b'"\\', b"\xff\x00", b'""""""', b"]" * 1000, b":" * 1000]
)
def test_what_is_no_json_has_a_size_as_well(body: bytes) -> None:
    """It is decoded, and refused, afterwards."""
    assert decoded_size(body, 0) >= 0


def test_a_short_body_is_not_looked_at() -> None:
    """It cannot take as much, whatever it is."""
    body = DEAR["deep lists"]
    assert decoded_size(body, 50 * len(body)) == 0
