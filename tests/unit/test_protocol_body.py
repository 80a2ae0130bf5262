"""Data is sent as JSON, and what JSON cannot hold is named with its place."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
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
from airflow_mirrordb.client.protocol import prepare


def sent(data: Any) -> bytes | None:
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
        ({"a": [Decimal("1.5")]}, "data.a[0]", "Decimal"),
        ({"id": UUID(int=1)}, "data.id", "UUID"),
        ({"a": {1, 2}}, "data.a", "set"),
        ({"a": b"x"}, "data.a", "bytes"),
        (iter([1]), "data", "list_iterator"),
        ({"a": {(1, 2): 3}}, "data.a", "tuple"),
        ({"a": "\ud800"}, "data.a", "surrogate"),
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
