"""Values of an author's own types: in a query, header, endpoint or key stands what they are worth."""

from __future__ import annotations

import enum
from collections import ChainMap, deque
from datetime import date, datetime, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from airflow_mirrordb.client import InvalidRequestError, MirrorDBConfig, MirrorDBRequest
from airflow_mirrordb.client.endpoints.registry import EndpointRegistry
from airflow_mirrordb.client.messages.request import WireRequest, prepare


class Status(str, enum.Enum):
    ACTIVE = "active"


class Level(enum.IntEnum):
    HIGH = 3


class Share(float):
    """As numpy's float64."""

    def __repr__(self) -> str:
        return "np.float64(0.5)"

    __str__ = __repr__


class Text(str):
    """As numpy's str_."""

    __slots__ = ()

    def __str__(self) -> str:
        return "np.str_"

    __repr__ = __str__


def wire(**arguments: Any) -> WireRequest:
    request = MirrorDBRequest(**{"method": "POST", "endpoint": "api/users", **arguments})
    config = MirrorDBConfig(base_url="https://example.com", idempotency_header="Idempotency-Key")
    return prepare(request, config, EndpointRegistry())


@pytest.mark.parametrize(
    ("value", "text"), [(Status.ACTIVE, "active"), (Level.HIGH, "3"), (Share(0.5), "0.5"), (Text("a"), "a")]
)
def test_a_subclass_is_sent_as_its_value(value: Any, text: str) -> None:
    """As requests sends it, and as it is in data; not by the name that its class gives it."""
    assert wire(query={"a": value}).target.endswith(f"?a={text}")
    assert wire(query={"a": [value, value]}).target.endswith(f"?a={text}&a={text}")
    assert wire(headers={"X-A": value}).headers["X-A"] == text
    assert wire(idempotency_key=value).headers["Idempotency-Key"] == text
    assert wire(if_match=value).headers["If-Match"] == f'"{text}"'


@pytest.mark.parametrize("value", [Status.ACTIVE, Text("active")])
def test_so_are_names_and_endpoints(value: Any) -> None:
    """Before and after the registry has remembered the endpoint."""
    registry = EndpointRegistry(declared=("active", "users"))
    request = MirrorDBRequest(method="GET", endpoint=value, query={value: 1})
    for _ in range(2):
        found = prepare(request, MirrorDBConfig(base_url="https://example.com"), registry)
        assert found.target == "/active?active=1"


@pytest.mark.parametrize(
    ("query", "encoded"),
    [
        (MappingProxyType({"a": 1}), "?a=1"),
        (ChainMap({"a": 1}, {"a": 2}), "?a=1"),
        ({"a": deque(["x", 2])}, "?a=x&a=2"),
        ({"a": range(3)}, "?a=0&a=1&a=2"),
    ],
)
def test_whatever_is_a_mapping_or_a_sequence_counts_in_a_query(query: Any, encoded: str) -> None:
    """As in data."""
    assert wire(query=query).target == f"/api/users{encoded}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "finite, not nan"),
        (float("inf"), "finite, not inf"),
        (Share("-inf"), "finite, not -inf"),
        ([1.5, float("nan")], "finite, not nan"),
        (Decimal("1.5"), "not Decimal; use str\\(\\), or float\\(\\)"),
        (datetime(2026, 1, 1, tzinfo=timezone.utc), "not datetime; use .isoformat\\(\\)"),
        (date(2026, 1, 1), "not date; use .isoformat\\(\\)"),
        (UUID(int=1), "not UUID; use str\\(\\)"),
        ({"a", "b"}, "not set; a set has no order; use sorted\\(\\)"),
        (b"a", "not bytes; decode it"),
        ({"b": 1}, "not dict"),
    ],
)
def test_what_has_no_text_of_its_own_is_refused_in_a_query(value: Any, reason: str) -> None:
    """With what to write instead; a number must be one that JSON has, as in data."""
    with pytest.raises(InvalidRequestError, match=reason) as caught:
        wire(query={"a": value})
    assert caught.value.field == "query['a']"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"query": ""}, "query"),
        ({"query": {"a": [1, None]}}, "query['a']"),
        ({"query": {None: 1}}, "query[None]"),
        ({"headers": {"X-A": True}}, "headers['X-A']"),
        ({"headers": {"X-A": float("nan")}}, "headers['X-A']"),
        ({"headers": {"X-A": ["a"]}}, "headers['X-A']"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": " "}, "idempotency_key"),
        ({"idempotency_key": "None"}, "idempotency_key"),
        ({"idempotency_key": True}, "idempotency_key"),
        ({"method": "PUT", "endpoint": "api/users/7", "idempotency_key": ""}, "idempotency_key"),
    ],
)
def test_nothing_of_a_write_is_dropped(arguments: dict[str, Any], field: str) -> None:
    """What would be left out, or sent as something else, is refused by its name."""
    with pytest.raises(InvalidRequestError) as caught:
        wire(**arguments)
    assert caught.value.field == field
