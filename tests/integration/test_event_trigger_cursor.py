"""What an event trigger makes of cursors that are no plain numbers, against a real server."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
from aiohttp import web
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if not AIRFLOW_V_3_0_PLUS:
    pytest.skip("event triggers came with Airflow 3.0", allow_module_level=True)

from airflow_mirrordb.triggers.changes import Observation
from tests.support.watching import (
    Supervisor,
    Watching,
    at,
    changed,
    found,
    orders,
    records,
    since_airflow_3_3,
    trigger,
    watcher_of,
)

CURSOR = {"cursor": "meta.updated"}
BEYOND = 2**64
WATCHING = "Watching api/users through connection mirrordb_default"


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"),  # Go and Java leave out a fraction of zero
        ("2026-10-25T02:59:00+02:00", "2026-10-25T02:01:00+01:00"),  # daylight saving time ends
        ("Wed, 31 Dec 2025 10:00:00 GMT", "Thu, 01 Jan 2026 10:00:00 GMT"),
        ("9", "10"),
        (9.5, "10"),
        (2**53, 2**53 + 1),
        (BEYOND, BEYOND + 1),
    ],
)
async def test_newer_record_is_an_event_however_it_is_written(
    watching: Watching, first: Any, then: Any
) -> None:
    """What comes later is later though its text comes first; the same look again is no event."""
    answers = [found(orders(first)), found(orders(first, then)), found(orders(first, then))]

    (event,) = await watching.events(answers, **CURSOR)

    assert event["count"] == 1
    assert (str(event["since"]), str(event["cursor"])) == (str(first), str(then))


async def test_one_moment_in_two_writings_is_one(watching: Watching) -> None:
    """A record that is written in another way is not new, one more of the same moment is, once."""
    answers = [
        found(orders("2026-05-01T10:00:00Z")),
        found(orders("2026-05-01T12:00:00.000+02:00")),
        found(orders("2026-05-01T12:00:00+02:00", "2026-05-01T10:00:00Z")),
        found(orders("2026-05-01T12:00:00+02:00", "2026-05-01T12:00:00+02:00")),
    ]
    same = "2026-05-01T10:00:00Z"

    assert await watching.events(answers, **CURSOR) == [records(1, same, same)]


async def test_cursor_goes_back_as_it_came(watching: Watching) -> None:
    """The backend is asked with its own text, not with ours."""
    first, then = "2026-10-25T02:59:00+02:00", "2026-10-25T02:01:00+01:00"
    answers = [found(orders(first)), found(orders(first, then)), found(orders(then))]

    await watching.events(answers, cursor_param="since", **CURSOR)

    assert watching.lines == [
        "GET /api/users",
        "GET /api/users?since=2026-10-25T02%3A59%3A00%2B02%3A00",
        "GET /api/users?since=2026-10-25T02%3A01%3A00%2B01%3A00",
    ]


async def test_a_list_in_an_object_is_told(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    """Most backends give a collection in an object, beside what tells of its pages."""
    page = found({"rows": orders(1), "meta": {"total": 1}})

    assert await watching.events([page, found({"rows": orders(1, 2), "meta": {"total": 2}})], **CURSOR) == []
    assert (
        "cursor: the body is no list of records; it has rows, meta; for those at 'rows' say"
        " paginate={'style': 'link', 'records': 'rows'}, or the style of its pages"
    ) in caplog.text


async def test_a_list_in_an_object_is_read_as_that_says(watching: Watching) -> None:
    """What the line above advises works, on a backend without links too."""
    answers = [found({"rows": orders(1)}), found({"rows": orders(1, 2)})]
    paginate = {"style": "link", "records": "rows"}

    assert await watching.events(answers, paginate=paginate, **CURSOR) == [records(1, 1, 2)]


@pytest.mark.parametrize(
    ("bodies", "events", "told"),
    [
        (
            [orders(1), [{"id": 1}], [{"id": 1}], orders(2)],
            [records(1, 1, 2)],
            ["cursor: no record has a text or a number at 'meta.updated'; the first of them has id"],
        ),
        (
            [orders(1), orders(at("10:00"), 1), orders(at("11:00"), 1), orders(1, 2)],
            [records(1, 1, 2)],
            [f"as 1 and '{at('10:00')}', have no common order; only numbers count"],
        ),
        (
            [orders("v1", "v2"), orders("v1", "v3"), orders("v3")],
            [],
            ["as 'v1' and 'v2', have no order that is known"],
        ),
        (
            [orders("v1"), orders(1, "v1"), orders(1, 2)],
            [records(1, None, 1), records(1, 1, 2)],
            ["as 'v1', have no order", "as 1 and 'v1', have no common order"],
        ),
        (
            [orders(1), orders(at("10:00")), orders(at("10:00"), at("11:00"))],
            [records(1, at("10:00"), at("11:00"))],
            [f"was 1 at last, which has no order with those of now, as '{at('10:00')}'; these are moments"],
        ),
        (
            [orders(1), orders("\ud800", 1, 2)],
            [records(1, 1, 2)],
            ["as 1 and '\\ud800', have no common order"],
        ),
    ],
    ids=["none", "mixture", "unknown", "unknown, then numbers", "another order", "half a pair"],
)
async def test_cursor_without_an_order_is_told_once(
    watching: Watching,
    caplog: pytest.LogCaptureFixture,
    bodies: list[Any],
    events: list[Any],
    told: list[str],
) -> None:
    """One error names the endpoint, the cursor and two values; what has an order is watched on."""
    assert await watching.events([found(body) for body in bodies], **CURSOR) == events

    assert len(errors(caplog)) == len(told)
    for line, words in zip(errors(caplog), told, strict=True):
        assert line.startswith(f"{WATCHING}: cursor: ")
        assert "'meta.updated'" in line
        assert words in line


@pytest.mark.parametrize("first", [[], orders(None, None), [{"id": 1}], orders("v1")])
async def test_the_first_record_that_counts_is_an_event(watching: Watching, first: list[Any]) -> None:
    """A collection without a record that counts is like an empty one, as of orders that are not done yet."""
    bodies = [first, first, orders(None, at("10:00"))]
    assert await watching.events([found(body) for body in bodies], **CURSOR) == [
        records(1, None, at("10:00"))
    ]


async def test_event_can_always_be_sent_and_stored(watching: Watching) -> None:
    """A cursor that msgpack cannot hold is told by its digits; half a surrogate pair is in no event.

    https://github.com/msgpack/msgpack/blob/master/spec.md#limitation
    """
    request_id = {"X-Request-ID": "a"}
    answers = [
        found(orders(BEYOND)),
        web.json_response(orders(BEYOND + 1, "\ud800"), headers=request_id),
    ]

    (event,) = await watching.events(answers, **CURSOR)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event)) == event
    assert event == {**records(1, str(BEYOND), str(BEYOND + 1)), "request_id": "a"}


@since_airflow_3_3
@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("cursor", ["2026-10-25T02:59:00+02:00", BEYOND])
async def test_kept_cursor_is_what_the_backend_sent(
    watching: Watching, supervisor: Supervisor, cursor: Any, *, as_text: bool
) -> None:
    """A successor asks from it on, also where another version kept it as a dict."""
    watcher = watcher_of("users", cursor_param="since", **CURSOR)
    await watching.serve(found(orders(cursor)))
    await watching.events_of(watcher)
    (place,) = supervisor.kept
    text = json.loads(supervisor.kept[place])
    assert isinstance(text, str)
    msgspec.msgpack.encode(text)
    if not as_text:
        supervisor.kept[place] = text

    await watching.serve(found(orders(cursor)))
    assert await watching.events_of(watcher_of("users", cursor_param="since", **CURSOR)) == []
    assert watching.lines[1].partition("since=")[2].replace("%3A", ":").replace("%2B", "+") == str(cursor)


@since_airflow_3_3
@pytest.mark.parametrize("kept", [{"cursor": ["a"], "ties": 1}, {"cursor": 1, "ties": "1"}, [1], 7])
async def test_what_is_kept_may_be_anything(
    watching: Watching, supervisor: Supervisor, caplog: pytest.LogCaptureFixture, kept: Any
) -> None:
    """What cannot be a cursor is told, and what is seen first counts."""
    await watching.serve(found(orders(1)))
    await watching.events_of(watcher_of("users", **CURSOR))
    supervisor.kept = dict.fromkeys(supervisor.kept, json.dumps(kept))

    await watching.serve(found(orders(2)), found(orders(3)))
    assert await watching.events_of(watcher_of("users", **CURSOR)) == [records(1, 2, 3)]
    assert "could not be read" in caplog.text


async def test_what_cannot_be_judged_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A body that is nested too deeply for Python is told once, and the next one is watched."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    async def observations() -> AsyncIterator[Observation]:
        for data in (1, deep, [deep], 2):
            yield Observation(status=200, data=data)

    events = [event.payload async for event in trigger().filter_shared_stream(observations())]

    assert events == [changed()]
    assert errors(caplog) == [f"{WATCHING}: what was found could not be judged"]


@pytest.mark.parametrize("size", [0, 10**6])
async def test_large_body_does_not_block_the_loop(size: int) -> None:
    """It is judged in a thread: all triggers of a triggerer share one loop."""
    threads: list[bool] = []

    class Records(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            threads.append(threading.current_thread() is threading.main_thread())
            return super().__iter__()

    async def observations() -> AsyncIterator[Observation]:
        for data in (orders(1), orders(1, 2)):
            yield Observation(status=200, data=Records(data), size=size)

    events = [event.payload async for event in trigger(**CURSOR).filter_shared_stream(observations())]

    assert events == [records(1, 1, 2)]
    assert set(threads) == {size == 0}
