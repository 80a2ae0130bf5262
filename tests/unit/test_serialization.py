"""What is handed to Airflow: text that keeps every JSON value, and values that are proved to survive."""

from __future__ import annotations

import json
from collections import OrderedDict, UserDict, UserList
from contextlib import suppress
from datetime import datetime, timezone
from threading import Thread
from typing import Any

import pytest
from hypothesis import given

from airflow_mirrordb.task.serialization import (
    COMPRESSED_FROM,
    MAX_DEPTH,
    NotStorableError,
    check_exact,
    from_text,
    readable,
    storable,
    to_text,
    to_text_beside,
)
from tests.support.json_values import JSON_VALUES, nested, same


@given(JSON_VALUES)
def test_text_keeps_every_json_value(value: Any) -> None:
    """RFC 8259 limits neither integers nor escapes: what a backend may send comes out as it went in."""
    text = to_text(value)
    assert text.isascii()
    assert same(from_text(text), value)


@pytest.mark.parametrize(
    "value", ["x" * COMPRESSED_FROM, ["\ud800", 2**70, "é"] * 20_000, {"\0": "y" * 10**6}]
)
async def test_a_large_text_is_compressed(value: Any) -> None:
    """A large value is kept as well, in a fraction of its size, and no zlib but that of the value decides."""
    text = to_text(value)
    assert text.isascii()
    assert len(text) < len(json.dumps(value)) / 20
    assert from_text(text) == value
    assert await to_text_beside(value) == text


def test_what_does_not_become_smaller_stays_readable() -> None:
    """Compressed text is longer than random digits would be."""
    digits = str(7 ** (COMPRESSED_FROM // 40))
    assert to_text(["short", digits]) == json.dumps(["short", digits], separators=(",", ":"))


async def test_small_text_is_readable_beside_the_loop_too() -> None:
    """Whoever looks into the database, or the log of the triggerer, can read it."""
    assert await to_text_beside({"id": 7, "name": "Ada"}) == '{"id":7,"name":"Ada"}'


def test_any_mapping_and_sequence_has_a_text() -> None:
    """As what is sent: any mapping is an object, any sequence an array, at any depth."""
    value = UserDict({"a": UserList([OrderedDict(b=(1, 2))])})
    assert from_text(to_text(value)) == {"a": [{"b": [1, 2]}]}


@pytest.mark.parametrize("value", [{"a": {1, 2}}, b"bytes", [datetime.now(timezone.utc)], [10**5000]])
def test_what_is_no_json_has_no_text(value: Any) -> None:
    """There is no guess at what an author meant."""
    with pytest.raises(NotStorableError, match="it is no JSON value"):
        to_text(value)


def test_what_holds_itself_has_no_text() -> None:
    """It would have no end."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotStorableError):
        to_text(endless)


def test_a_text_can_be_read_on_a_deeper_stack_than_it_was_written_on() -> None:
    """The stack of a worker may be deeper than that of the triggerer, where the answer was decoded."""
    texts = []

    def write() -> None:
        for levels in range(2000, 0, -10):
            with suppress(NotStorableError):
                texts.append(to_text(nested(1, levels)))
                return

    def read(depth: int) -> Any:
        return read(depth - 1) if depth else from_text(texts[0])

    thread = Thread(target=write)
    thread.start()
    thread.join()
    found, levels = read(200), 0
    while isinstance(found, list):
        found, levels = found[0], levels + 1
    assert (found, levels >= 900) == (1, True)


STORABLE: dict[str, Any] = {
    "nothing": None,
    "numbers": [0, -(2**63), 2**64 - 1, 1e18, -0.0, 5e-324, True],
    "bare integers": 2**63,
    "text": {"": "é\U0001f600", "\n": "\x01"},
    "some of Airflow's names": {"__type": 1, "__version__": 1, "__data__": 2, "a": {"__var": 3}},
    "levels": nested([], MAX_DEPTH - 1),
}
#: The path (RFC 9535) and the reason.
NOT_STORABLE: dict[str, tuple[Any, str, str]] = {
    # https://github.com/msgpack/msgpack/blob/master/spec.md#limitation
    "integer": ({"items": [1, {"id": 2**64}]}, "$.items[1].id", "65 bits"),
    "negative integer": (-(2**63) - 1, "$", "of 64 bits, and Airflow carries -2**63 to 2**64-1"),
    "endless integer": ([10**5000], "$[0]", "bits"),
    # SQLite's JSON columns have numeric affinity (section 3 of https://sqlite.org/datatype3.html)
    "bare integer": (2**63 + 1, "$", "SQLite"),
    # PostgreSQL's jsonb prints numbers in E notation without it: table 8.23 and section 8.14 of its manual
    "float": ({"mass": 1.989e30}, "$.mass", "PostgreSQL gives it back as an integer"),
    "lowest float": (-(2.0**63), "$", "PostgreSQL gives it back as an integer"),
    "NaN": ([float("nan")], "$[0]", "JSON has no nan"),
    "infinity": ([-float("inf")], "$[0]", "JSON has no -inf"),
    # PostgreSQL's manual, section 8.14: jsonb rejects \u0000, "because that cannot be represented" in text
    "NUL": ({"a b": ["x\0"]}, "$['a b'][0]", "NUL"),
    "NUL in a name": ([{"x\0": 1}], "$[0]['x\\x00']", "NUL"),
    # what airflow.sdk.serde refuses to serialize, and what its deserialize() converts
    "class name": ({"a": [{"__classname__": "x"}]}, "$.a[0]", "'__classname__'"),
    "schema": ({"__id__": 1}, "$", "'__id__'"),
    "old object": ([{"__type": "dict", "__var": {}}], "$[0]", "'__type' and '__var'"),
    # MySQL's error 3157, ER_JSON_DOCUMENT_TOO_DEEP
    "levels": (nested([], MAX_DEPTH), "$" + "[0]" * 66 + "[", "100 levels"),
    "two names that become one": ({"a": dict.fromkeys(["\ud800", "\ud801"])}, "$.a", "two names"),
}


@pytest.mark.parametrize("name", STORABLE)
def test_what_survives_is_returned_itself(name: str) -> None:
    """Nothing is copied and nothing is changed."""
    assert storable(STORABLE[name]) is STORABLE[name]
    check_exact(STORABLE[name])


@pytest.mark.parametrize("name", NOT_STORABLE)
def test_what_would_not_survive_is_named(name: str) -> None:
    """The error says where, and why."""
    value, path, reason = NOT_STORABLE[name]
    with pytest.raises(NotStorableError) as raised:
        storable(value)
    assert raised.value.path == path
    assert reason in str(raised.value)
    assert str(raised.value).isascii()


def test_half_a_surrogate_pair_is_replaced() -> None:
    """It is replaced wherever it is, and nothing else with it; what must not change is refused."""
    value = {"text": "great day \ud83d", "a\udc00": ["\ud83d\ude00", "\U0001f600", 1.5, None]}
    replaced = storable(value)
    assert replaced == {"text": "great day \ufffd", "a\ufffd": ["\ufffd\ufffd", "\U0001f600", 1.5, None]}
    with pytest.raises(NotStorableError, match="half a surrogate pair"):
        check_exact(value)


def test_what_only_informs_is_made_readable() -> None:
    """Nothing in it can stop it, and what is fine stays."""
    value = {"message": "a\0\ud800é", "n": [2**64, 1e30, 2**64 - 1, 1.5, True, None]}
    assert readable(value) == {
        "message": "a\ufffd\ufffdé",
        "n": ["18446744073709551616", "1e+30", 2**64 - 1, 1.5, True, None],
    }
    assert storable(readable(value)) == readable(value)
