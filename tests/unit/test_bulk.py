"""A bulk by itself: which items are taken when, what is written down of each, and what ends it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    BulkError,
    BulkReport,
    Clock,
    InvalidRequestError,
    MirrorDBConfig,
    MirrorDBError,
    MirrorDBRequest,
    NotFoundError,
    Progress,
    RateLimitError,
    ServerError,
)
from airflow_mirrordb.client.collections.bulk import Bulk
from airflow_mirrordb.client.collections.bulk_log import LOG_EVERY, MOST_LOGGED
from airflow_mirrordb.client.messages.request import update_method
from tests.support.clocks import FakeClock

TOLERANT: dict[str, Any] = {"on_error": "continue", "max_failed": 1.0}
Send = Callable[[MirrorDBRequest], Awaitable[Any]]


def bulk(
    send: Send,
    method: str = "create",
    *,
    clock: Clock | None = None,
    most: int = 100,
    conn_id: str | None = None,
    **options: Any,
) -> Bulk:
    if method == "create":
        options.setdefault("endpoint", "api/users")
    clock = clock or Clock(monotonic=asyncio.get_running_loop().time)
    config = MirrorDBConfig(base_url="https://example.com")
    method_of_update = partial(update_method, config)
    return Bulk(
        send,
        method_of_update,
        method,
        options,  # type: ignore[arg-type]
        max_concurrency=most,
        clock=clock,
        sends_keys=False,
        conn_id=conn_id,
    )


def users(number: int) -> list[dict[str, Any]]:
    return [{"data": {"n": n}} for n in range(number)]


AMBIGUOUS = AmbiguousWriteError(message="who knows")
BUSY, LIMITED = ServerError(message="503", retryable=True), RateLimitError(message="429", retryable=True)


async def echo(request: MirrorDBRequest) -> Any:
    await asyncio.sleep(0)
    return SimpleNamespace(result=request.data)


def failing(errors: dict[int, MirrorDBError]) -> Send:
    """Answer all but these records, each after some turns of the loop."""

    async def send(request: MirrorDBRequest) -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
        if error := errors.get(request.data["n"]):
            raise error
        return SimpleNamespace(result=request.data)

    return send


def statuses(report: BulkReport) -> list[str]:
    return [record["status"] for record in report.to_dict()["records"]]


async def test_the_report_has_the_order_of_the_items() -> None:
    """Answers that come in another order stand where their items stood."""

    async def later_first(request: MirrorDBRequest) -> Any:
        for _ in range(50 - request.data["n"]):
            await asyncio.sleep(0)
        return SimpleNamespace(result=request.data["n"])

    report = await bulk(later_first, concurrency=50).run(users(50))
    assert [record.response for record in report.records if record] == list(range(50))
    assert (report.done, report.failed, report.ambiguous, report.not_begun) == (50, 0, 0, 0)


@pytest.mark.parametrize(("concurrency", "most", "expected"), [(4, 100, 4), (50, 7, 7)])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_no_more_is_in_flight_or_taken_than_allowed(
    concurrency: int, most: int, expected: int, *, asynchronous: bool
) -> None:
    """The argument and the connection bound what is in flight; an item is taken when it can be begun."""
    taken = ended = in_flight = highest = 0

    async def send(_request: MirrorDBRequest) -> Any:
        nonlocal in_flight, highest, ended
        in_flight += 1
        highest = max(highest, in_flight)
        for _ in range(50):  # turns of the loop, in which others begin
            await asyncio.sleep(0)
        in_flight -= 1
        ended += 1
        return SimpleNamespace(result=None)

    def lazily() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for user in users(200):
            taken += 1
            assert taken - ended <= expected + asynchronous
            yield user

    async def lazily_too() -> AsyncIterator[dict[str, Any]]:
        for user in lazily():
            yield user

    items = lazily_too() if asynchronous else lazily()
    report = await bulk(send, concurrency=concurrency, most=most).run(items)
    assert (report.done, highest) == (200, expected)


async def test_fail_begins_nothing_after_a_failure_and_awaits_what_is_in_flight() -> None:
    """The error counts the records, names the first that failed, and has the report of all."""
    error = NotFoundError(message="404", status=404, method="POST", endpoint="api/users", attempts=1)
    with pytest.raises(BulkError) as raised:
        await bulk(failing({5: error}), concurrency=4).run(users(100))
    report = raised.value.report
    counted = [report[name] for name in ("done", "failed", "ambiguous", "not_begun")]
    assert counted == [8, 1, 0, 91]  # 0 to 4, and the three beside 5
    assert [record["status"] for record in report["records"]] == (
        ["done"] * 5 + ["failed"] + ["done"] * 3 + ["not_begun"] * 91
    )
    assert report["records"][5]["error"] == error.to_dict()
    assert "8 records done, 1 failed, 91 not begun; counted from 0, record 5: 404" in str(raised.value)
    assert (raised.value.method, raised.value.endpoint) == ("POST", "api/users")


async def test_continue_tries_all() -> None:
    """Failed records are in the report, and more than none are too many."""
    errors: dict[int, MirrorDBError] = {n: ServerError(message="500", status=500) for n in (0, 7, 99)}
    with pytest.raises(BulkError, match="97 records done, 3 failed") as raised:
        await bulk(failing(errors), on_error="continue").run(users(100))
    assert [n for n, record in enumerate(raised.value.report["records"]) if "error" in record] == [0, 7, 99]


@pytest.mark.parametrize(
    ("max_failed", "number", "allowed"),
    [(0, 1, 0), (2, 5, 2), (0.29, 100, 29), (0.05, 59, 2), (0.0, 9, 0), (1.0, 3, 3), (1, 3, 1), (7, 3, 3)],
)
async def test_max_failed_is_how_many_may_fail(max_failed: float, number: int, allowed: int) -> None:
    """A whole number counts records, a float is a share of all; an ambiguous record has not succeeded."""
    for failures in {allowed, min(allowed + 1, number)}:
        errors: dict[int, MirrorDBError] = {
            n: AMBIGUOUS if n % 2 else NotFoundError(message="404") for n in range(failures)
        }
        working = bulk(failing(errors), on_error="continue", max_failed=max_failed)
        if failures <= allowed:
            report = await working.run(iter(users(number)))  # of which nobody knows the number before
            assert report.failed + report.ambiguous == failures
        else:
            with pytest.raises(BulkError):
                await working.run(users(number))


@pytest.mark.parametrize(("failures", "retryable"), [(4, True), (6, False)])
async def test_a_bulk_may_be_retried_if_enough_of_its_failures_may(failures: int, *, retryable: bool) -> None:
    """If the passing ones pass, no more than ``max_failed`` are left."""
    errors: dict[int, MirrorDBError] = {n: NotFoundError(message="404") for n in range(failures)}
    errors |= dict.fromkeys(range(10, 20), BUSY)
    with pytest.raises(BulkError) as raised:
        await bulk(failing(errors), on_error="continue", max_failed=0.05).run(users(100))
    assert raised.value.retryable is retryable


async def test_an_unknown_number_of_records_is_not_counted() -> None:
    """Of items without a length nobody knows how many were not begun."""
    with pytest.raises(BulkError, match="the rest not begun") as raised:
        await bulk(failing({0: NotFoundError(message="404")}), concurrency=1).run(iter(users(5)))
    assert raised.value.report["not_begun"] is None
    known = bulk(failing({0: NotFoundError(message="404")}), concurrency=1, total=5)
    with pytest.raises(BulkError, match="4 not begun"):
        await known.run(iter(users(5)))


@pytest.mark.parametrize(
    ("errors", "retryable"),
    [
        ([BUSY], True),
        ([BUSY, LIMITED], True),
        ([BUSY, NotFoundError(message="404")], False),
        ([BUSY, AMBIGUOUS], False),
    ],
)
async def test_a_bulk_may_be_retried_if_all_its_failures_may(
    errors: list[MirrorDBError], *, retryable: bool
) -> None:
    """One permanent failure or one ambiguous write is enough to forbid it."""
    with pytest.raises(BulkError) as raised:
        await bulk(failing(dict(enumerate(errors)))).run(users(len(errors)))
    assert raised.value.retryable is retryable


async def test_ambiguous_records_are_told_apart() -> None:
    """What may have been applied is not among the failed."""
    report = await bulk(failing({1: AMBIGUOUS}), **TOLERANT).run(users(3))
    assert (statuses(report), report.ambiguous, report.failed) == (["done", "ambiguous", "done"], 1, 0)


async def test_the_longest_wait_that_was_asked_for_is_told() -> None:
    """Whoever comes back later comes back when all limits are lifted."""
    errors = [RateLimitError(message="429", retry_after=wait) for wait in (3.0, 9.0, None)]
    with pytest.raises(BulkError) as raised:
        await bulk(failing(dict(enumerate(errors)))).run(users(3))
    assert raised.value.retry_after == 9.0


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_items_that_raise_end_the_bulk_after_what_is_in_flight(*, asynchronous: bool) -> None:
    """The error of the items is the cause of one that has the report: what was begun before is done."""

    def broken() -> Iterator[dict[str, Any]]:
        yield from users(3)
        raise OSError("the file is gone")

    async def broken_too() -> AsyncIterator[dict[str, Any]]:
        for user in broken():
            yield user

    report = BulkReport()
    with pytest.raises(BulkError, match="the items raised OSError: the file is gone") as raised:
        await bulk(failing({}), report=report).run(broken_too() if asynchronous else broken())
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.report == report.to_dict()
    assert statuses(report) == ["done"] * 3


async def test_items_that_raise_before_anything_is_written_raise_no_other_error() -> None:
    """There is nothing to report, as of reads: the bulk may be begun anew."""

    def broken(*before: str) -> Iterator[str]:
        yield from before
        raise OSError("the file is gone")

    for method, items in (("create", broken()), ("read", broken("api/users/1"))):
        with pytest.raises(OSError, match="the file is gone"):
            await bulk(failing({}), method).run(items)


async def test_a_filter_says_what_is_kept() -> None:
    """The report holds what it returns; when it raises, so does the bulk, with the record as done."""
    report = await bulk(echo, response_filter=lambda body: body["n"] * 2).run(users(3))
    assert [record.response for record in report.records if record] == [0, 2, 4]
    report = BulkReport()
    with pytest.raises(BulkError, match="1 record done, 2 not begun; response_filter raised KeyError: 'id'"):
        await bulk(echo, response_filter=lambda body: body["id"], report=report, concurrency=1).run(users(3))
    assert statuses(report) == ["done", "not_begun", "not_begun"]


async def test_a_bulk_that_is_cancelled_cancels_what_is_in_flight() -> None:
    """Nothing goes on behind the caller's back; the report says what was in flight."""
    going, all_go = 0, asyncio.Event()

    async def hang(request: MirrorDBRequest) -> Any:
        nonlocal going
        if request.data["n"] == 0:
            return SimpleNamespace(result=None)
        going += 1
        if going == 3:
            all_go.set()
        try:
            await asyncio.Event().wait()
        finally:
            going -= 1

    report = BulkReport()
    task = asyncio.create_task(bulk(hang, concurrency=3, report=report).run(users(9)))
    await all_go.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert going == 0
    assert statuses(report) == ["done", *["in_flight"] * 3, *["not_begun"] * 5]


class TaskTimeoutError(BaseException):
    """As Airflow's."""


@pytest.mark.parametrize("more", [0, 9])
async def test_an_interruption_that_strikes_inside_ends_the_bulk(more: int) -> None:
    """A time-out raised by a signal may come up in any task of the loop; nothing else is waited for."""

    async def struck(request: MirrorDBRequest) -> Any:
        if request.data["n"] == 1:
            raise TaskTimeoutError
        await asyncio.Event().wait()

    with pytest.raises(TaskTimeoutError):
        await bulk(struck, concurrency=2).run(users(2 + more))


async def test_an_item_is_an_endpoint_or_the_arguments_of_a_call() -> None:
    """What holds for all is overridden by what an item says."""
    sent: list[MirrorDBRequest] = []

    async def note(request: MirrorDBRequest) -> Any:
        sent.append(request)
        return SimpleNamespace(result=None)

    await bulk(note, "delete", missing_ok=True, concurrency=1).run(
        ["api/users/1", {"endpoint": "api/users/2", "missing_ok": False, "if_match": '"1"'}]
    )
    await bulk(note, "update_function", endpoint="api/users/3", data={}, partial=True).run([{}])
    await bulk(note, "PUT", method_name="all").run([{"endpoint": "api/users/4", "data": {"a": 1}}])
    await bulk(note, concurrency=1).run([{"data": 2, "idempotency_key": "own"}])
    assert sent == [
        MirrorDBRequest(method="DELETE", endpoint="api/users/1", missing_ok=True),
        MirrorDBRequest(method="DELETE", endpoint="api/users/2", if_match='"1"'),
        MirrorDBRequest(method="PATCH", endpoint="api/users/3", data={}),
        MirrorDBRequest(method="PUT", endpoint="api/users/4", method_name="all", data={"a": 1}),
        MirrorDBRequest(method="POST", endpoint="api/users", data=2, idempotency_key="own"),
    ]


async def test_the_key_of_all_gets_what_tells_the_records_apart() -> None:
    """By content: the same in each order and process; other data has another, and equal ones differ."""
    sent: list[MirrorDBRequest] = []

    async def note(request: MirrorDBRequest) -> Any:
        sent.append(request)
        return SimpleNamespace(result=None)

    async def keys(*values: Any, **options: Any) -> list[str]:
        sent.clear()
        items = [{"data": value} for value in values]
        await bulk(note, idempotency_key="key", concurrency=1, **options).run(items)
        return [str(request.idempotency_key) for request in sent]

    first = await keys({"a": 1, "b": 2}, [1], [1])
    assert len(set(first)) == 3
    assert all(re.fullmatch("key-[A-Za-z0-9_-]{12}", key) for key in first)
    assert set(await keys([1], {"b": 2, "a": 1}, [1])) == set(first)
    assert not set(await keys({"a": 1, "b": 3}, [1, 1])) & set(first)
    assert not set(await keys([1], endpoint="api/others")) & set(first)
    assert not set(await keys([1], query={"a": 1})) & set(first)


async def test_what_an_earlier_run_may_have_applied_is_told_of_an_item() -> None:
    """Its request starts from there; see what a 404 or 409 means then."""
    told: list[Any] = []

    async def note(_request: MirrorDBRequest, progress: Progress | None = None) -> Any:
        told.append(progress and progress.maybe_applied)
        return SimpleNamespace(result=None)

    await bulk(note, "delete", concurrency=1).run(
        ["api/users/1", {"endpoint": "api/users/2", "maybe_applied": True}]
    )
    assert told == [None, True]


@pytest.mark.parametrize(
    ("item", "field", "reason"),
    [
        (7, "items[1]", "not int"),
        ({"data": 1, "endpont": "x"}, "items[1].endpont", "did you mean 'endpoint'"),
        ({"data": 1, "missing_ok": True}, "items[1].missing_ok", "unknown argument"),
        ({"data": 1, "position": 3}, "items[1].position", "unknown argument"),
        ({}, "items[1].data", "missing"),
        ("api/users/1", "items[1].data", "missing"),
    ],
)
async def test_a_wrong_item_fails_as_a_record(item: Any, field: str, reason: str) -> None:
    """It is named, nothing is sent of it, and ``on_error`` says what becomes of the others."""
    report = await bulk(echo, **TOLERANT).run([{"data": 0}, item, {"data": 2}])
    assert statuses(report) == ["done", "failed", "done"]
    record = report.records[1]
    assert record is not None
    assert isinstance(record.error, InvalidRequestError)
    assert record.error.field == field
    assert reason in record.error.message


@pytest.mark.parametrize(
    ("method", "options", "field", "reason"),
    [
        ("creat", {}, "method", "did you mean 'create'"),
        ("HEAD", {}, "method", "unknown method"),
        ("create", {"concurrency": 0}, "concurrency", "at least 1"),
        ("create", {"concurrency": 2.5}, "concurrency", "whole number"),
        ("create", {"on_error": "ignore"}, "on_error", "'fail' or 'continue'"),
        ("create", {"max_failed": 3}, "max_failed", "needs on_error='continue'"),
        ("create", {"on_error": "continue", "max_failed": -1}, "max_failed", "whole number"),
        ("create", {"on_error": "continue", "max_failed": 1.5}, "max_failed", "a share from 0.0 to 1.0"),
        ("create", {"on_error": "continue", "max_failed": True}, "max_failed", "not True"),
        ("create", {"on_error": "continue", "max_failed": "5"}, "max_failed", "not '5'"),
        ("create", {"on_eror": "fail"}, "on_eror", "unknown argument"),
        ("GET", {"data": {}}, "data", "unknown argument"),
        ("delete", {"data": {}}, "data", "unknown argument"),
    ],
)
async def test_a_wrong_argument_of_all_is_refused_at_once(
    method: str, options: dict[str, Any], field: str, reason: str
) -> None:
    """Nothing is begun; the error names the argument."""
    with pytest.raises(InvalidRequestError, match=reason) as raised:
        bulk(echo, method, **options)
    assert raised.value.field == field


async def test_nothing_to_do_is_done() -> None:
    """A bulk of no items succeeds."""
    assert (await bulk(echo).run([])).to_dict() == {
        "done": 0,
        "failed": 0,
        "ambiguous": 0,
        "not_begun": 0,
        "records": [],
    }


async def test_progress_is_logged_every_ten_seconds_and_at_the_end(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Each line has the counts, the rate and, while the end is not there, the time left."""
    caplog.set_level(logging.INFO, "airflow_mirrordb")

    async def slowly(request: MirrorDBRequest) -> Any:
        clock.time += LOG_EVERY / 20
        return SimpleNamespace(result=None)

    await bulk(slowly, clock=clock.as_clock(), concurrency=1, method_name="users", conn_id="crm").run(
        users(50)
    )
    name = "Bulk of POST api/users [users] through connection crm"
    assert caplog.messages == [
        f"{name}: 20 records done, 30 not begun, after 10.0 s, 2.0/s, about 15 s left",
        f"{name}: 40 records done, 10 not begun, after 20.0 s, 2.0/s, about 5 s left",
        f"{name}: 50 records done, after 25.0 s, 2.0/s",
    ]


async def test_a_failed_record_is_logged_with_its_position(caplog: pytest.LogCaptureFixture) -> None:
    """A person who has to look knows which it was."""
    await bulk(failing({1: AMBIGUOUS}), **TOLERANT).run(users(3))
    assert "Bulk of POST api/users: record 1 ambiguous: who knows" in caplog.messages


async def test_what_is_left_of_a_list_is_counted_as_there(caplog: pytest.LogCaptureFixture) -> None:
    """Where an earlier run sent the others: its caller knows the whole list."""
    report = BulkReport(numbers=[4, 7, 9])
    await bulk(failing({1: AMBIGUOUS}), report=report, **TOLERANT).run(users(3))
    assert "Bulk of POST api/users: record 7 ambiguous: who knows" in caplog.messages
    assert [record["status"] for record in report.to_dict()["records"]] == ["done", "ambiguous", "done"]


async def test_many_failures_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The first ten are told, and the error says which records failed for which reasons."""
    errors: dict[int, MirrorDBError] = {n: NotFoundError(message="404 Not Found") for n in range(300)}
    errors |= {7: ServerError(message="500", status=500), 9: NotFoundError(message="410 Gone")}
    errors |= {11: NotFoundError(message="404 there is no 11")}
    with pytest.raises(BulkError) as raised:
        await bulk(failing(errors), on_error="continue").run(users(301))
    told = [message for message in caplog.messages if "failed: " in message]
    assert len(told) == MOST_LOGGED
    assert caplog.messages[MOST_LOGGED].endswith("records that fail from here on are only counted")
    assert str(raised.value) == (
        "1 record done, 300 failed; counted from 0, records 0, 1, 2, 3, 4 and 292 others: 404 Not Found;"
        " record 7: 500; record 9: 410 Gone; 1 more failed for other reasons"
    )


@pytest.mark.parametrize("items", ["api/users/1", {"endpoint": "api/users/1"}, None, 7])
async def test_items_that_are_no_list_are_refused(items: Any) -> None:
    """A text would be taken letter by letter, a mapping key by key."""

    async def send(_request: MirrorDBRequest) -> Any:
        raise AssertionError

    with pytest.raises(InvalidRequestError, match="items: they must be a list"):
        await bulk(send).run(items)
