"""Bulks of the client and the hook against real servers: what is told is held against what was done."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from airflow_mirrordb.bulk_arguments import OnError
from airflow_mirrordb.client import (
    AmbiguousWriteError,
    BulkError,
    BulkReport,
    DisconnectedError,
    GenericMirrorDB,
    ResponseError,
)
from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.hooks.blocking import AT_A_TIME
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.integration.test_operators_tries import TimedOut
from tests.support.clocks import FakeClock
from tests.support.faults import Fault, FaultProxy, no_time_for_hanging, random_faults
from tests.support.raw_server import RawServer, Reply

if TYPE_CHECKING:
    from tests.support.backends import ScriptedBackend
    from tests.support.connections import ConfigFor, SetConnection

HEADER = "Idempotency-Key"


@pytest.fixture
def server() -> Iterator[DevServer]:
    with DevServer() as running:
        yield running


def users(number: int) -> list[dict[str, Any]]:
    return [{"data": {"n": n}} for n in range(number)]


def responses(report: BulkReport) -> list[Any]:
    return [record and record.response for record in report.records]


def statuses(report: BulkReport) -> list[str]:
    return [record["status"] for record in report.to_dict()["records"]]


async def test_records_are_created_read_updated_and_deleted(config_for: ConfigFor, server: DevServer) -> None:
    """Each answer stands in the place of its item, and the backend's table agrees."""
    async with GenericMirrorDB(config_for(server.url)) as client:
        created = responses(await client.bulk("create", users(100), endpoint="api/users"))
        assert [user["n"] for user in created] == list(range(100))
        assert sorted(server.records("users"), key=lambda user: int(user["n"])) == created
        endpoints = [f"api/users/{user['id']}" for user in created]
        assert responses(await client.bulk("read", endpoints)) == created
        changes = [{"endpoint": each, "data": {"m": n}} for n, each in enumerate(endpoints)]
        changed = responses(await client.bulk("update", changes, partial=True))
        assert changed == [{**user, "m": user["n"]} for user in created]
        await client.bulk("delete", iter(endpoints), concurrency=5)
    assert server.records("users") == []


@pytest.mark.parametrize("on_error", ["fail", "continue"])
async def test_a_bulk_goes_to_one_backend(
    config_for: ConfigFor, server: DevServer, on_error: OnError
) -> None:
    """What is left when the base URL is changed fails, and nothing of it is sent to either of them."""
    sent = iter(users(6))
    with DevServer() as other:
        async with GenericMirrorDB(config_for(server.url)) as client:

            async def items() -> AsyncIterator[dict[str, Any]]:
                for number, item in enumerate(sent):
                    if number == 3:
                        await client.update_config(base_url=other.url)
                    yield item

            bulk = client.bulk("create", items(), endpoint="api/users", concurrency=1, on_error=on_error)
            with pytest.raises(BulkError) as caught:
                await bulk
        assert other.records("users") == []
    assert len(server.records("users")) == 3
    report = caught.value.report
    expected = ["done"] * 3 + ["failed"] * (1 if on_error == "fail" else 3)
    assert [record["status"] for record in report["records"]] == expected
    assert report["records"][3]["error"]["field"] == "base_url"


@pytest.mark.slow
@pytest.mark.parametrize("header", [None, HEADER])
async def test_what_a_bulk_tells_through_faults_is_true(
    config_for: ConfigFor, server: DevServer, caplog: pytest.LogCaptureFixture, header: str | None
) -> None:
    """Done is there once, ambiguous at most once, failed not at all, unless its key lets it be repeated."""
    caplog.set_level("CRITICAL", "airflow_mirrordb")
    rng, clock = random.Random(7), FakeClock()
    async with FaultProxy(server.port, random_faults(rng, 0.35), rng=rng) as proxy:
        config = config_for(proxy.base_url, idempotency_header=header, max_attempts=2)
        async with GenericMirrorDB(config, clock=clock.as_clock()) as client:
            async with no_time_for_hanging(proxy, client):
                report = await client.bulk(
                    "create",
                    users(600),
                    endpoint="api/users",
                    on_error="continue",
                    max_failed=1.0,
                    idempotency_key="all",
                )
            await proxy.settle()
            there = Counter(user["n"] for user in server.records("users"))
            told = statuses(report)
            for n, status in enumerate(told):
                allowed = {"done": (1,), "ambiguous": (0, 1), "failed": (0, 1) if header else (0,)}[status]
                error = (report.records[n] or report.records[0]).error  # type: ignore[union-attr]
                if type(error).__name__ == "InvalidResponseError":  # a success that could not be read
                    allowed = (1,)
                assert there[n] in allowed, (n, status, there[n], str(error))
            assert set(told) == {"done", "failed"} if header else {"done", "failed", "ambiguous"}
            assert there.total() == len(there)


async def test_a_bulk_that_is_repeated_under_its_key_doubles_nothing(
    config_for: ConfigFor, server: DevServer
) -> None:
    """Each record has a key of its own, also one that looks like another."""
    same = [{"data": {"name": "Ada"}}] * 20
    faults = [Fault.NONE, Fault.NONE, Fault.LATE_502, Fault.LOSE_ANSWER_RESET]
    async with FaultProxy(server.port, faults) as proxy:
        config = config_for(proxy.base_url, idempotency_header=HEADER, max_attempts=1)
        async with GenericMirrorDB(config) as client:
            with pytest.raises(BulkError) as raised:
                await client.bulk("create", same, endpoint="api/users", idempotency_key="k", concurrency=4)
            assert raised.value.retryable
            assert raised.value.report["failed"] == 2
            report = await client.bulk("create", same, endpoint="api/users", idempotency_key="k")
    assert report.done == len(server.records("users")) == 20
    assert [user["id"] for user in responses(report)] != []
    assert len({user["id"] for user in responses(report)}) == 20


async def test_a_bulk_that_is_repeated_in_another_order_doubles_and_loses_nothing(
    config_for: ConfigFor, server: DevServer
) -> None:
    """As that of a query without ORDER BY: a key by position would give one record another's answer."""
    faults = [Fault.NONE] * 15 + [Fault.ERROR_502]
    items = users(40)
    async with FaultProxy(server.port, faults) as proxy:
        config = config_for(proxy.base_url, idempotency_header=HEADER, max_attempts=1)
        async with GenericMirrorDB(config) as client:
            with pytest.raises(BulkError):
                await client.bulk("create", items, endpoint="api/users", idempotency_key="k", concurrency=4)
            again = random.Random(1).sample(items, len(items))
            report = await client.bulk("create", again, endpoint="api/users", idempotency_key="k")
    assert sorted(user["n"] for user in server.records("users")) == list(range(40))
    assert [user["n"] for user in responses(report)] == [item["data"]["n"] for item in again]


async def test_equal_data_of_two_tenants_is_two_writes_in_whatever_order(
    config_for: ConfigFor, scripted: ScriptedBackend
) -> None:
    """A key is not used again with another request (draft-ietf-httpapi-idempotency-key-header-07, 2.2)."""
    items = [{"data": {"plan": "pro"}, "headers": {"X-Tenant": tenant}} for tenant in ("acme", "zeta")]
    for status in (201, 503, 201, 201):
        scripted.answer(status, {})
    config = config_for(scripted.url, idempotency_header=HEADER, max_attempts=1)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(BulkError, match="1 failed"):
            await client.bulk("create", items, endpoint="api/users", idempotency_key="k", concurrency=1)
        await client.bulk("create", items[::-1], endpoint="api/users", idempotency_key="k", concurrency=1)
    acme, zeta, zeta_again, acme_again = (headers[HEADER] for headers in scripted.headers)
    assert [headers["X-Tenant"] for headers in scripted.headers] == ["acme", "zeta", "zeta", "acme"]
    assert acme == acme_again != zeta == zeta_again


async def test_a_client_that_is_closed_ends_its_bulk(config_for: ConfigFor, raw_server: RawServer) -> None:
    """What was in flight is told of as what it is, and nothing more is begun."""
    raw_server.default = Reply(then="silence")
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        report = BulkReport()
        bulk = asyncio.create_task(
            client.bulk("create", users(9), endpoint="api/users", concurrency=1, report=report)
        )
        await raw_server.arrived.wait()
        await client.disconnect()
        with pytest.raises(BulkError, match="1 ambiguous, 8 not begun"):
            await bulk
    assert len(raw_server.requests) == 1


# -- the hook ------------------------------------------------------------------------------------


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that takes items waits for all of so many, however long a busy machine takes."""
    monkeypatch.setattr("airflow_mirrordb.hooks.blocking.SLOW", 3600)


def test_hook_sends_a_bulk(server: DevServer, set_connection: SetConnection) -> None:
    """A plain task gets the same report; the connection bounds what is in flight."""
    set_connection(server.url, extra={"max_concurrency": 3})
    with MirrorDBHook() as hook:
        report = hook.bulk("create", users(50), endpoint="api/users", concurrency=20)
        assert [user["n"] for user in responses(report)] == list(range(50))
    assert len(server.records("users")) == 50


def test_hook_takes_items_from_its_own_requests(server: DevServer, set_connection: SetConnection) -> None:
    """One collection is copied to another while it is read, page by page, by one hook."""
    set_connection(server.url)
    with MirrorDBHook() as hook:
        hook.bulk("create", users(30), endpoint="api/users", concurrency=1)
        read = hook.records("api/users", paginate={"style": "link"}, query={"limit": 7})
        report = hook.bulk("create", ({"data": {"n": user["n"]}} for user in read), endpoint="api/copies")
    assert report.done == 30
    assert {user["n"] for user in server.records("copies")} == set(range(30))


def test_hook_takes_async_items(server: DevServer, set_connection: SetConnection) -> None:
    """They are waited for on the hook's own loop."""

    async def items() -> AsyncIterator[dict[str, Any]]:
        for user in users(20):
            await asyncio.sleep(0)
            yield user

    set_connection(server.url)
    with MirrorDBHook() as hook:
        assert hook.bulk("create", items(), endpoint="api/users").done == 20
    assert len(server.records("users")) == 20


@pytest.mark.parametrize("method", ["create", "read"])
@pytest.mark.parametrize("by_items", [True, False])
def test_an_error_of_items_or_filter_that_comes_after_writes_is_told_with_the_report(
    server: DevServer, set_connection: SetConnection, no_time_passes: None, method: str, by_items: bool
) -> None:
    """What is in flight then is awaited, and the hook goes on. Of reads nothing can be doubled."""
    lost = OSError("the file is gone")

    def items() -> Iterator[dict[str, Any]]:
        yield from users(AT_A_TIME) if method == "create" else [{}] * AT_A_TIME
        if by_items:
            raise lost

    def kept(_response: Any) -> Any:
        raise lost

    set_connection(server.url)
    report = BulkReport()
    options: Any = {"endpoint": "api/users", "report": report, "total": AT_A_TIME + 3}
    if not by_items:
        options |= {"response_filter": kept, "concurrency": AT_A_TIME}
    with MirrorDBHook() as hook:
        with pytest.raises((BulkError, OSError), match="the file is gone") as raised:
            hook.bulk(method, items(), **options)
        assert report.done == AT_A_TIME
        assert hook.read("api/users") == server.records("users")
    assert len(server.records("users")) == (AT_A_TIME if method == "create" else 0)
    if method == "read":
        assert raised.value is lost
        return
    error = raised.value
    assert isinstance(error, BulkError)
    assert error.__cause__ is lost
    assert (error.retryable, error.maybe_applied) == (False, True)
    assert (error.report["done"], error.report["not_begun"]) == (AT_A_TIME, 3)
    culprit = "the items" if by_items else "response_filter"
    told = f"{AT_A_TIME} records done, 3 not begun; {culprit} raised OSError: the file is gone"
    assert str(error) == f"connection mirrordb_default: {told}"


@pytest.mark.parametrize(
    ("extra", "key", "status", "retryable"),
    [
        ({}, None, 500, False),
        ({}, "k", 500, False),
        ({"idempotency_header": HEADER}, None, 500, False),
        ({"idempotency_header": HEADER}, "k", 500, True),
        ({"idempotency_header": HEADER}, "k", 404, False),
    ],
)
def test_a_read_that_fails_as_the_source_of_a_bulk_is_retried_only_where_nothing_doubles(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    no_time_passes: None,
    extra: dict[str, Any],
    key: str | None,
    status: int,
    retryable: bool,
) -> None:
    """A key that the hook makes itself is another one in the next run, and without a header none is sent."""
    set_connection(scripted.url, extra={"max_attempts": 1, **extra})
    for _ in range(AT_A_TIME):
        scripted.answer(201, {})
    asked = {"Retry-After": "7"} if status == 500 else {}
    scripted.answer(status, {}, **asked)
    with MirrorDBHook() as hook:

        def items() -> Iterator[dict[str, Any]]:
            yield from users(AT_A_TIME)
            yield {"data": hook.read("api/users/9")}

        with pytest.raises(BulkError, match="the items raised") as raised:
            hook.bulk("create", items(), endpoint="api/orders", idempotency_key=key, concurrency=1)
    error = raised.value
    assert (error.retryable, error.retry_after) == (retryable, 7 if asked else None)
    assert isinstance(error.__cause__, ResponseError)
    assert error.__cause__.status == status
    assert error.report["done"] == AT_A_TIME


@pytest.mark.parametrize("decision", [AirflowSkipException, AirflowFailException])
def test_a_decision_of_the_items_is_one_after_writes_too(
    server: DevServer, set_connection: SetConnection, no_time_passes: None, decision: type[Exception]
) -> None:
    """Airflow makes no other try then."""

    def items() -> Iterator[dict[str, Any]]:
        yield from users(AT_A_TIME)
        raise decision("no more today")

    set_connection(server.url)
    with MirrorDBHook() as hook, pytest.raises(decision, match="no more today"):
        hook.bulk("create", items(), endpoint="api/users")
    assert len(server.records("users")) == AT_A_TIME


@pytest.mark.parametrize("on_error", ["fail", "continue"])
def test_interrupted_hook_knows_what_was_in_flight(
    scripted: ScriptedBackend, set_connection: SetConnection, on_error: Any
) -> None:
    """A time-out of the task ends the bulk at once; its report has each record, and the hook goes on."""
    report = BulkReport()
    with TimedOut() as backend, MirrorDBHook() as hook:
        set_connection(f"http://{backend.host}")
        with pytest.raises(AirflowTaskTimeout):
            hook.bulk(
                "create", users(99), endpoint="api/users", concurrency=1, on_error=on_error, report=report
            )
        hook._run(hook.get_conn().update_config(base_url=scripted.url))
        scripted.answer(200, "still here")
        assert hook.read("api/users/1") == "still here"
    assert statuses(report) == ["ambiguous", *["not_begun"] * 98]
    first = report.records[0]
    assert first is not None
    assert isinstance(first.error, AmbiguousWriteError)


async def test_interruption_while_items_are_taken(
    raw_server: RawServer, set_connection: SetConnection, no_time_passes: None
) -> None:
    """What is in flight then is ended, and told of."""
    raw_server.default = Reply(then="silence")

    def interrupted() -> Iterator[dict[str, Any]]:
        yield from users(AT_A_TIME)
        raise AirflowTaskTimeout("Timeout")

    set_connection(raw_server.base_url)
    report = BulkReport(total=AT_A_TIME + 1)

    def send() -> None:
        with MirrorDBHook() as hook:
            hook.bulk(
                "update",
                ({"endpoint": f"api/users/{n}", **user} for n, user in enumerate(interrupted())),
                concurrency=AT_A_TIME + 1,  # one that waits for an item
                report=report,
            )

    with pytest.raises(AirflowTaskTimeout):
        await asyncio.to_thread(send)
    assert statuses(report) == [*["failed"] * AT_A_TIME, "not_begun"]
    assert {type(record.error) for record in report.records if record} == {DisconnectedError}
