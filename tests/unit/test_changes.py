"""What counts as a change, whatever a backend answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.messages.response import decode
from airflow_mirrordb.task.serialization import from_text, readable, to_text
from airflow_mirrordb.triggers.changes import Fault, Observation, Position, Version, advanced, changed
from airflow_mirrordb.triggers.selection import Selection

START = datetime(2026, 5, 1, tzinfo=timezone.utc)
CHARACTERS = st.characters() | st.sampled_from('\0\ud800\udfff"\\*.é')  # also halves of surrogate pairs
TEXTS = st.text(CHARACTERS, max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
BODIES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["at", "id", "*", "0"]) | TEXTS, inner, max_size=4)
    ),
    max_leaves=15,
)
CURSORS = SCALARS | st.sampled_from(
    [2**63, 2**64, -(2**63) - 1, 10**30, "1e30", "2026-05-01T00:00:00Z", 1e300]
)


def as_received(body: Any) -> Any:
    """Return a body as the client decodes what a backend sent."""
    return decode(json.dumps(body).encode())


def carried(event: Any, kept: Version | Position | None) -> None:
    """Send an event as the triggerer does, and keep what was seen as it is kept."""
    if event is not None:
        told = readable(event)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(told)) == told
        assert json.loads(json.dumps(told)) == told
        json.dumps(told, ensure_ascii=False).encode()
    if kept is not None:
        assert type(kept)(**from_text(to_text(asdict(kept)))) == kept


@given(st.lists(BODIES, min_size=2, max_size=4))
def test_any_body_is_a_version(bodies: list[Any]) -> None:
    """A body fires exactly where it is another than before, and nothing in it can end a triggerer."""
    for selection in (Selection(), Selection(field="at", ignore=["at.*", "at.id.0"], unordered=True)):
        kept, before = None, None
        for body in map(as_received, bodies):
            kept, event = changed(kept, Observation(status=200, data=body), "api/x", selection=selection)
            carried(event, kept)
            now = json.dumps(selection.of(body), sort_keys=True)
            assert (event is not None) == (before is not None and now != before)
            before = now


@given(st.lists(st.lists(CURSORS, max_size=4), min_size=2, max_size=4), BODIES)
def test_any_cursor_is_a_position_or_a_fault(looks: list[list[Any]], body: Any) -> None:
    """No value of a cursor, and no body, ends the watching."""
    kept: Position | None = None
    faults: list[Fault] = []
    for data in [*([{"at": cursor} for cursor in look] for look in looks), body]:
        observation = Observation(status=200, data=as_received(data))
        kept, event = advanced(kept, observation, "api/x", cursor="at", where={}, tell=faults.append)
        carried(event, kept)
    assert all(fault.message.startswith("cursor: ") for fault in faults)


WRITINGS: list[Callable[[datetime], str]] = [
    lambda moment: moment.isoformat().replace("+00:00", "Z"),
    lambda moment: moment.astimezone(timezone(timedelta(hours=2))).isoformat(" "),
    lambda moment: moment.astimezone(timezone(timedelta(hours=-9, minutes=-30))).isoformat(
        timespec="microseconds"
    ),
]


@pytest.mark.parametrize("is_asked_from_the_cursor_on", [False, True])
@given(
    first=st.integers(0, 3),
    looks=st.lists(st.lists(st.sampled_from([0, 0, 1, 500_000, 3_600_000_000]), max_size=4), max_size=5),
    writings=st.randoms(use_true_random=False),
)
def test_each_record_is_counted_once(
    *, is_asked_from_the_cursor_on: bool, first: int, looks: list[list[int]], writings: Any
) -> None:
    """However many records have one moment, and however it is written: the counts add up to the records.

    Each look brings records whose moments are those of the last one, or some microseconds later.
    """
    moments = [START] * first
    kept: Position | None = None
    told = 0
    for steps in [[], *looks]:
        for step in steps:
            moments.append((moments[-1] if moments else START) + timedelta(microseconds=step))
        shown = moments
        if is_asked_from_the_cursor_on and kept is not None and kept.cursor is not None:
            since = datetime.fromisoformat(str(kept.cursor).replace("Z", "+00:00"))
            shown = [moment for moment in moments if moment >= since]
        data = [{"at": writings.choice(WRITINGS)(moment)} for moment in shown]
        kept, event = advanced(kept, Observation(status=200, data=data), "api/x", cursor="at", where={})
        told += event["count"] if event else 0
    assert told == len(moments) - first
