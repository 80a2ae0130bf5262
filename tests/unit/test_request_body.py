"""Data is sent as JSON, and what JSON cannot hold is named with its place."""

from __future__ import annotations

import enum
import json
from collections import ChainMap, OrderedDict, UserDict, UserList, UserString, deque, namedtuple
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client import (
    EndpointRegistry,
    InvalidRequestError,
    MirrorDBConfig,
    MirrorDBRequest,
)
from airflow_mirrordb.client.bodies.encoding import encode, fingerprint, plain
from airflow_mirrordb.client.messages.request import prepare


def sent(data: Any) -> Any:
    """The body of a create with this data."""
    request = MirrorDBRequest(method="POST", endpoint="api/users", data=data)
    return prepare(request, MirrorDBConfig(base_url="https://example.com"), EndpointRegistry()).body


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (None, None),
        ({}, b"{}"),
        ([], b"[]"),
        (0, b"0"),
        (False, b"false"),
        ("", b'""'),
        ({"é": ["€", 1.5, None, True]}, '{"é":["€",1.5,null,true]}'.encode()),
        ({1: (2, 3)}, b'{"1":[2,3]}'),
    ],
)
def test_data_is_sent_as_json(data: Any, body: bytes | None) -> None:
    """UTF-8 without spaces; None sends no body, everything else does."""
    assert sent(data) == body


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Kind(enum.Enum):
    ONE = object()


class Text(str):
    """As numpy's str_: a text that calls itself otherwise."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


class Share(float):
    """As numpy's float64: a number that calls itself otherwise."""

    def __repr__(self) -> str:
        return f"Share({float(self)})"


class Lazy(Sequence[Any]):
    """As the output of a mapped task: a sequence that is no list, and makes its items when it is asked."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]


Point = namedtuple("Point", ["x", "y"])  # noqa: PYI024  # the kind that old code has


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (MappingProxyType({"a": 1}), {"a": 1}),
        ({"a": ChainMap({"b": 1}, {"b": 2, "c": 3})}, {"a": {"b": 1, "c": 3}}),
        ([OrderedDict(b=1, a=2), UserDict(a=1)], [{"b": 1, "a": 2}, {"a": 1}]),
        (Lazy([1, Lazy([2])]), [1, [2]]),
        ({"ids": Lazy([1, 4, 9])}, {"ids": [1, 4, 9]}),
        ([deque([1]), UserList([2]), range(2), Point(1, 2)], [[1], [2], [0, 1], [1, 2]]),
        ([Colour.RED, Level.HIGH, Text("a"), Share(0.5), UserString("b")], ["red", 3, "a", 0.5, "b"]),
        ({Colour.RED: 1, Level.HIGH: 2, Text("c"): 3}, {"red": 1, "3": 2, "c": 3}),
        ({200: "ok", "default": "error", True: "on", None: 0, 1.5: 1},
         {"200": "ok", "default": "error", "true": "on", "null": 0, "1.5": 1}),
    ],
)  # fmt: skip
def test_whatever_is_a_mapping_or_a_sequence_is_sent_as_one(data: Any, body: Any) -> None:
    """At any depth, as ``collections.abc`` has it; subclasses of text and number are sent as their value.

    Keys that are no text are written as ``json`` of the standard library writes them.
    """
    arrived = sent(data)
    assert arrived is not None
    assert json.loads(arrived) == body
    assert plain(data) == body
    assert fingerprint(data) == fingerprint(body)


LOOP: list[Any] = []
LOOP.append(LOOP)
DEEP: Any = 0
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("data", "field", "reason"),
    [
        (float("nan"), "data", "nan"),
        ({"items": [1, {"price": float("inf")}]}, "data.items[1].price", "inf"),
        ({"at": datetime(2026, 1, 1, tzinfo=timezone.utc)}, "data.at", "datetime; use .isoformat()"),
        ({"on": date(2026, 1, 1)}, "data.on", "date; use .isoformat()"),
        ({"for": timedelta(1)}, "data.for", "timedelta; use .total_seconds()"),
        ({"a": [Decimal("1.5")]}, "data.a[0]", "Decimal; use str(), or float() where it may be rounded"),
        ({"id": UUID(int=1)}, "data.id", "UUID; use str()"),
        ({"path": PurePosixPath("/a")}, "data.path", "PurePosixPath; use str()"),
        ({"a": {1, 2}}, "data.a", "set; a set has no order; use sorted()"),
        (Lazy([{"a": frozenset()}]), "data[0].a", "frozenset; a set has no order"),
        ({"a": b"x"}, "data.a", "bytes; decode it to a string"),
        ({"a": memoryview(b"x")}, "data.a", "memoryview; decode it"),
        (MappingProxyType({"a": Kind.ONE}), "data.a", "Kind; use .value"),
        ({"a": Share("nan")}, "data.a", "nan"),
        (iter([1]), "data", "list_iterator; use list()"),
        ({"a": object()}, "data.a", "object"),
        ({"a": {(1, 2): 3}}, "data.a", "tuple"),
        ({"a": "\ud800"}, "data.a", "surrogate"),
        ({"a": [{"\ud800": 1}]}, "data.a[0]", "the key '\\ud800': it holds half of a surrogate pair"),
        (LOOP, "data[0]", "nested too deeply"),
        (DEEP, "data[0]", "nested too deeply"),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_path(data: Any, field: str, reason: str) -> None:
    """The error says where in the data it is, not only that there is something."""
    with pytest.raises(InvalidRequestError) as caught:
        sent(data)
    error = caught.value
    assert error.field.startswith(field)
    assert reason in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize("data", [{"\ud800": 1}, {float("nan"): 1}, {"a": 10**5000}])
def test_other_data_that_cannot_be_encoded_is_refused_too(data: Any) -> None:
    """Rare cases get an InvalidRequestError as well, at least with `data` as the place."""
    with pytest.raises(InvalidRequestError) as caught:
        sent(data)
    assert caught.value.field.startswith("data")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON.filter(lambda value: value is not None))
def test_any_json_value_arrives(data: Any) -> None:
    """Decoding the body gives the value again."""
    body = sent(data)
    assert body is not None
    assert json.loads(body) == data


KINDS = st.sampled_from([list, tuple, Lazy, deque]), st.sampled_from([dict, MappingProxyType, ChainMap])


@given(JSON, st.data())
def test_the_kind_of_a_collection_is_not_sent(value: Any, drawn: st.DataObject) -> None:
    """The encoder, what it is sent as and what is derived from it agree on every value, of whatever kinds."""

    def of_other_kinds(value: Any) -> Any:
        if isinstance(value, list):
            return drawn.draw(KINDS[0])([of_other_kinds(item) for item in value])
        if isinstance(value, dict):
            return drawn.draw(KINDS[1])({key: of_other_kinds(item) for key, item in value.items()})
        return value

    other = of_other_kinds(value)
    assert encode(other) == encode(value)
    assert plain(other) == value
    assert fingerprint(other) == fingerprint(value)


def test_the_order_of_names_is_no_difference() -> None:
    """An object is unordered (RFC 8259, section 1); keys made of a set are in another order each time."""
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint({"b": {"d": 3, "c": 2}, "a": 1})
    assert len({fingerprint(value) for value in (1, "1", True, 1.0, None, [1], {"1": 1})}) == 7


@pytest.mark.parametrize("envelope", ["data", "data.attributes"])
def test_an_envelope_goes_around_the_data(envelope: str) -> None:
    """And an error names the place in what the author gave."""
    config = MirrorDBConfig(base_url="https://example.com", request_envelope=envelope)
    request = MirrorDBRequest(method="POST", endpoint="api/users", data={"a": [1]})
    body = prepare(request, config, EndpointRegistry()).body
    assert isinstance(body, bytes)
    found = json.loads(body)
    for name in envelope.split("."):
        found = found.pop(name)
    assert found == {"a": [1]}
    wrong = MirrorDBRequest(method="POST", endpoint="api/users", data={"a": {1}})
    with pytest.raises(InvalidRequestError) as caught:
        prepare(wrong, config, EndpointRegistry())
    assert caught.value.field == "data.a"
