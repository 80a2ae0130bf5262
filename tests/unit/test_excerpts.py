"""How much of a body is read for words: a backend may send 16 MB of any shape, and others wait meanwhile.

Values are counted, and not seconds: a busy machine must not decide.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from airflow_mirrordb.client.auth.redaction import CUT
from airflow_mirrordb.client.bodies.errors.excerpts import MAX_NAME, MAX_READ, Excerpts
from airflow_mirrordb.client.bodies.errors.failure_words import words_of_failure
from airflow_mirrordb.client.bodies.errors.records import MAX_DEPTH
from airflow_mirrordb.client.bodies.errors.reported import reported_error
from tests.support.counted import Looks, counted
from tests.support.json_values import JSON_VALUES

#: How often what was taken may be looked at again.
MOST_LOOKS = 3 * MAX_READ


def tree(depth: int) -> dict[str, Any]:
    return dict.fromkeys(("error", "errors"), tree(depth - 1)) if depth else {}


#: Each took seconds, or would have, when all of it was read.
WIDE = [{f"field{key}": 1 for key in range(1000)}] * 1000
LARGE: dict[str, Any] = {
    "wide objects in a list": WIDE,
    "lists in an object": {f"field{number}": ["x"] * 1000 for number in range(1000)},
    "errors in errors": tree(16),
    "many parts": [{"field": [1] * 100} for _ in range(5000)],
    "numbers": [{"field": [1] * 1000}] * 1000,
    "texts in lists": [[["x"] * 1000] * 1000] * 1000,
}


@given(JSON_VALUES)
def test_what_is_small_is_taken_as_it_is(value: Any) -> None:
    """Error answers are hardly ever more than a few kilobytes, and not deep."""
    taken = Excerpts().of(value)
    assert json.dumps(taken) in (json.dumps(value), json.dumps(_flat(value, MAX_DEPTH + 1)))


def _flat(value: Any, levels: int) -> Any:
    """Return a value without what is nested more deeply."""
    if isinstance(value, dict | list) and not levels:
        return None
    if isinstance(value, dict):
        inner = {key: _flat(item, levels - 1) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None or value[key] is None}
    if isinstance(value, list):
        found = [_flat(item, levels - 1) for item in value]
        return [item for item, was in zip(found, value, strict=True) if item is not None or was is None]
    return value


@pytest.mark.parametrize("status", [200, 207])
@pytest.mark.parametrize("name", LARGE)
def test_a_large_error_of_a_success_is_not_read_to_its_end(name: str, status: int) -> None:
    """A body has up to ``max_response_bytes``, of which an error answer is read no further than 64 kB."""
    looks = Looks()
    body = counted({"errors": LARGE[name]}, looks)
    assert reported_error(body, "errors", status=status) is not None
    assert looks.number < MOST_LOOKS


@pytest.mark.parametrize("name", LARGE)
def test_a_large_failure_of_a_resource_is_not_read_to_its_end(name: str) -> None:
    """So it is with what a sensor tells of a job that failed."""
    looks = Looks()
    words_of_failure(counted({"state": "failed", "errors": LARGE[name]}, looks))
    assert looks.number < MOST_LOOKS


@pytest.mark.parametrize("text", ["<", "<script ", "at x(\n", "a "])
def test_long_texts_are_cut_before_they_are_read(text: str) -> None:
    """Pages and stack traces cost most. What stands at a cut may be half of a secret, so it is marked."""
    text *= 2_000_000
    taken = Excerpts().of({"first": "x", text: "y", "errors": [text, text]})
    assert len(json.dumps(taken)) < 2 * MAX_READ
    assert [len(name) for name in taken] == [5, MAX_NAME, 6]
    assert len(taken["errors"]) == 1
    assert taken["errors"][0].endswith(CUT)


def test_the_words_of_an_object_come_before_what_lies_in_it() -> None:
    """A body may have its data first; RFC 8259, section 4: the order of names means nothing."""
    rows = [{"id": number, "text": "x" * 1000} for number in range(1000)]
    found = reported_error({"data": {"rows": rows}, "message": "the quota is used up"}, "@", status=200)
    assert found is not None
    assert found.detail.startswith("the quota is used up")


def test_what_is_left_out_is_not_told_as_empty() -> None:
    """An object of which nothing was taken would look as if it had nothing."""
    found = Excerpts(40).of({"a": {"text": "x" * 100}, "b": {"text": "y"}, "c": [{"text": "z"}]})
    assert found == {"a": {"text": "x" * 30 + CUT}}
