"""What of a body is watched."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.triggers.changes import Observation, changed
from airflow_mirrordb.triggers.selection import Selection

BODY = {
    "generated_at": "10:00",
    "items": [
        {"id": 1, "age": 5, "tags": ["a", "b"]},
        {"id": 2, "age": 6, "tags": [], "seen": {"at": 1, "by": "x"}},
    ],
    "by_name": {"ada": {"age": 1, "role": "editor"}, "bob": {"age": 2, "role": "author"}},
    "0": "a name of digits",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("field", "ignore", "left"),
    [
        (None, ["generated_at", "items", "by_name"], {"0": "a name of digits"}),
        (None, ["generated_at", "items", "by_name", "0"], {}),
        (
            "items",
            ["items.*.age", "items.*.tags", "items.*.seen.at"],
            [{"id": 1}, {"id": 2, "seen": {"by": "x"}}],
        ),
        ("items", ["items.0"], BODY["items"][1:]),  # type: ignore[index]
        ("items.1", ["items.0", "items.1.seen", "*.*.tags"], {"id": 2, "age": 6}),
        ("items.0.tags", ["items.*.tags.0"], ["b"]),
        ("by_name", ["by_name.*.age"], {"ada": {"role": "editor"}, "bob": {"role": "author"}}),
        ("generated_at", ["nothing", "generated_at.nothing", "items.7.age", "items.id"], "10:00"),
        ("0", [], "a name of digits"),
    ],
)
def test_what_is_left_of_a_body(field: str | None, ignore: list[str], left: Any) -> None:
    """Paths are those of a sensor's field, and ``*`` is each item or value; the body itself stays whole."""
    body = copy.deepcopy(BODY)

    assert Selection(field=field, ignore=ignore).of(body) == (left,)
    assert body == BODY


@pytest.mark.parametrize("field", ["nothing", "items.7", "items.id", "generated_at.x"])
def test_a_field_that_is_not_there_is_nothing(field: str) -> None:
    """It is told apart from null."""
    assert Selection(field=field).of(BODY) == ()
    assert Selection(field="a").of({"a": None}) == (None,)


@given(JSON, st.randoms(use_true_random=False))
def test_the_order_of_lists_counts_unless_it_does_not(body: Any, source: random.Random) -> None:
    """Lists that were shuffled at every depth are the same; one more or one less item is not."""

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shuffled(value[name]) for name in source.sample(list(value), len(value))}
        if isinstance(value, list):
            return [shuffled(item) for item in source.sample(value, len(value))]
        return value

    unordered = Selection(unordered=True)

    def text_of(value: Any) -> str:
        return json.dumps(unordered.of(value), sort_keys=True)

    assert text_of(body) == text_of(shuffled(body))
    assert text_of([body, body]) != text_of([body])
    assert text_of([body, [body]]) != text_of([body, body])


def test_the_same_records_with_another_date_are_no_event() -> None:
    """Five looks at the same rows, of which each has another ``generated_at``."""
    kept, fired = None, 0
    for look in range(5):
        rows = [{"id": 1, "age": look}, {"id": 2, "age": 7 * look}]
        observation = Observation(
            status=200, data={"rows": rows[:: 1 if look % 2 else -1], "generated_at": look}
        )
        selection = Selection(ignore=["generated_at", "rows.*.age"], unordered=True)
        kept, event = changed(kept, observation, "api/x", selection=selection)
        fired += event is not None
    assert fired == 0


def test_what_is_not_left_out_is_an_event() -> None:
    """The field alone counts, and its coming and going."""
    bodies: list[Any] = [{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2}, {}, {"b": 3}, {"a": None}, {"a": None}]
    kept, fired = None, []
    for look, body in enumerate(bodies):
        kept, event = changed(
            kept, Observation(status=200, data=body), "api/x", selection=Selection(field="a")
        )
        fired += [look] if event else []
    assert fired == [2, 3, 5]
