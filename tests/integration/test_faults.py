"""Writes are never lost and never doubled: what the client says is held against what the backend did."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import uuid4

import pytest

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    ConnectError,
    GenericMirrorDB,
    InvalidResponseError,
    MirrorDBError,
    MirrorDBRequest,
    MirrorDBResponse,
    NotFoundError,
    ServerError,
)
from airflow_mirrordb.client.messages.request import WireRequest
from airflow_mirrordb.client.messages.response import Answer
from airflow_mirrordb.client.wire.transport import Transport
from airflow_mirrordb.devserver import DevServer
from tests.support.clocks import FakeClock, turns
from tests.support.faults import (
    DELIVERED,
    HIDING,
    REFUSALS,
    Fault,
    FaultProxy,
    no_time_for_hanging,
    random_faults,
)

if TYPE_CHECKING:
    import ssl

    from airflow_mirrordb.devserver import RequestLogEntry
    from tests.support.connections import ConfigFor

HEADER = "Idempotency-Key"
WORKERS, OPERATIONS, SHARE = 20, 2000, 0.35
WEIGHTS = {"POST": 6, "GET": 3, "PUT": 3, "PATCH": 3, "DELETE": 1, "PUT if": 2, "PATCH if": 2, "DELETE if": 1}

State = tuple[str, str | None] | None
"""What a record holds: who wrote its value, and its note; None if there is no such record."""
Told = Literal["done", "not done", "ambiguous", "may be repeated"]
"""What a caller knows of an operation; the last if it fails with a retryable error, but for want of
attempts: whoever repeats it, with its key, does no harm."""


@pytest.fixture
def server() -> Iterator[DevServer]:
    with DevServer() as running:
        yield running


# -- the model: what may be in the backend, by what the client said -----------------------------


@dataclass(kw_only=True)
class Operation:
    """One call of the client; its name travels in the query, so that every log shows it."""

    name: str
    request: MirrorDBRequest
    repeatable: bool
    told: Told = "not done"


@dataclass(kw_only=True)
class Item:
    """One record, with one writer, and all states in which it can be after what was told."""

    token: str
    states: set[State]
    id: str | None = None
    etag: str | None = None


@dataclass
class Workload:
    """Mixed operations on many records, and what was told of them.

    :param keyed: whether the connection has an idempotency header
    """

    client: GenericMirrorDB
    keyed: bool
    operations: list[Operation] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    async def run(self, seed: int) -> None:
        await asyncio.gather(*(self._work(f"{seed}-{worker}") for worker in range(WORKERS)))

    async def _work(self, name: str) -> None:
        rng, own = random.Random(name), list[Item]()
        for number in range(OPERATIONS // WORKERS):
            kind = rng.choices([*WEIGHTS], [*WEIGHTS.values()])[0] if own else "POST"
            item = Item(token=f"{name}-{number}", states={None}) if kind == "POST" else rng.choice(own)
            await self._operate(kind, item, f"{name}-{number}")
            if kind == "POST":
                self.items.append(item)
                own += [item] if item.id else []
            elif item.states == {None} and rng.random() < 0.5:  # some are used on: they must stay away
                own.remove(item)

    async def _operate(self, kind: str, item: Item, name: str) -> None:
        method: Any = kind.removesuffix(" if")
        whole = {"token": item.token, "value": name}
        request = MirrorDBRequest(
            method=method,
            endpoint=f"api/items/{item.id}" if item.id else "api/items",
            data={"POST": whole, "PUT": whole, "PATCH": {"note": name}}.get(method),
            query={"operation": name},
            if_match=item.etag if kind.endswith("if") else None,
        )
        # by the documentation, not by the client that is under test
        repeatable = self.keyed if method in ("POST", "PATCH") else request.if_match is None
        operation = Operation(name=name, request=request, repeatable=repeatable)
        self.operations.append(operation)
        try:
            response = await self.client.request(request)
        except MirrorDBError as error:
            operation.told = told_by(error, repeatable=repeatable)
            self._note_failure(operation, item, missing=isinstance(error, NotFoundError))
        else:
            operation.told = "done"
            self._note_success(operation, item, response)

    def _note_success(self, operation: Operation, item: Item, response: MirrorDBResponse) -> None:
        before, method = item.states, operation.request.method
        if method == "GET":
            item.states = before & {state_of(response.data)}
        elif method in ("POST", "DELETE"):
            item.states = {effect(operation, None)}
        else:
            item.states = {effect(operation, state) for state in before if state}
        if not item.states:
            self._contradict(operation, item, before)
        item.etag = response.etag or item.etag
        if method == "POST":
            item.id = response.data["id"]

    def _note_failure(self, operation: Operation, item: Item, *, missing: bool) -> None:
        before = item.states
        if missing:
            item.states = before & {None}
        elif operation.told != "not done":
            # what is not there can be created, but not changed
            changed = {None} if operation.request.method == "POST" else before - {None}
            item.states = before | {effect(operation, state) for state in changed}
        if not item.states:
            self._contradict(operation, item, before)

    def _contradict(self, operation: Operation, item: Item, before: set[State]) -> None:
        self.contradictions.append(f"{operation.name} was told as {operation.told}, on one of {before}")
        item.states = before


def told_by(error: MirrorDBError, *, repeatable: bool) -> Told:
    """What an error says of the write, by the client's documentation."""
    if isinstance(error, AmbiguousWriteError):
        return "ambiguous"
    if isinstance(error, InvalidResponseError):
        return "done"
    return "may be repeated" if repeatable and error.retryable else "not done"


def state_of(body: dict[str, Any]) -> State:
    return body["value"], body.get("note")


def effect(operation: Operation, state: State) -> State:
    if operation.request.method == "DELETE":
        return None
    if operation.request.method == "PATCH":
        return state and (state[0], operation.name)
    return state if operation.request.method == "GET" else (operation.name, None)


# -- the comparison ------------------------------------------------------------------------------


def differences(workload: Workload, server: DevServer, proxy: FaultProxy) -> list[str]:
    """Return every difference between what was told and what is; each names its operation."""
    applied, missed = arrivals(server.requests())
    sent: dict[str, list[Fault]] = {}
    for exchange in proxy.requests:
        sent.setdefault(name_in(exchange.line), []).append(exchange.fault)
    found = [*workload.contradictions, *compare_table(workload.items, server.records("items"))]
    for operation in workload.operations:
        name, times = operation.name, applied[operation.name]
        if times not in allowed_times(operation, missed=name in missed):
            found.append(f"{name} was told as {operation.told}, and was carried out {times} times")
        if not operation.repeatable:
            found += compare_guarded(operation, sent.get(name, []))
    return found


def arrivals(log: list[RequestLogEntry]) -> tuple[Counter[str], set[str]]:
    """Return how often each write was carried out, and what met a 404."""
    done = [e for e in log if e.status in range(200, 300) and e.method != "GET" and not e.replayed]
    return Counter(name_in(e.path) for e in done), {name_in(e.path) for e in log if e.status == 404}


def name_in(target: str) -> str:
    found = re.search(r"operation=([\w-]+)", target)
    return found[1] if found else target


def compare_table(items: list[Item], records: list[dict[str, Any]]) -> list[str]:
    """Each record told of is there as told, and no other is; as multisets."""
    there: dict[str, list[State]] = {}
    for record in records:
        there.setdefault(record["token"], []).append(state_of(record))
    found = [f"nobody created {token}" for token in there.keys() - {item.token for item in items}]
    for item in items:
        states = there.get(item.token, [None])
        if len(states) > 1:
            found.append(f"{item.token} exists {len(states)} times")
        elif states[0] not in item.states:
            found.append(f"{item.token} is {states[0]}, and not one of {item.states}")
    return found


def allowed_times(operation: Operation, *, missed: bool) -> range:
    """How often a write may have been carried out."""
    method = operation.request.method
    if method == "GET" or operation.told == "not done":
        return range(1)
    least = 1 if operation.told == "done" and not (method == "DELETE" and missed) else 0
    most = 99 if method == "PUT" and operation.repeatable else 1
    return range(least, most + 1)


def compare_guarded(operation: Operation, faults: list[Fault]) -> list[str]:
    """A write that must not be repeated is sent again only after a refusal; what hides is told.

    An answer that is cut off in its body hides no status, which says whether the write was carried out.
    """
    name, found = operation.name, []
    if not REFUSALS.issuperset(faults[:-1]):
        found.append(f"{name} must not be repeated, and was sent into {faults}")
    if faults and faults[-1] in HIDING - {Fault.TRUNCATE} and operation.told != "ambiguous":
        found.append(f"{name} met {faults[-1]} and was told as {operation.told}")
    return found


def explained(found: list[str], proxy: FaultProxy) -> str:
    """The first differences, each with what the proxy did to its operation."""
    lines = [f"{len(found)} differences; the proxy's faults were {proxy.counts()}"]
    for difference in found[:10]:
        name = difference.split()[0]
        lines += [difference, *(f"    {e}" for e in proxy.log if name_in(e.line) == name)]
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A workload that has ended, and the difference that it made."""

    workload: Workload
    proxy: FaultProxy
    found: list[str]


async def run_through_faults(config_for: ConfigFor, server: DevServer, seed: int, **settings: Any) -> Run:
    tls: ssl.SSLContext | None = settings.pop("tls", None)
    rng = random.Random(seed)
    async with FaultProxy(server.port, random_faults(rng, SHARE), ssl_context=tls, rng=rng) as proxy:
        # Refusals come by chance here: an hour passes at each look at the clock, and ends all limits.
        config = config_for(proxy.base_url, max_elapsed=1e9, **settings)
        hours, clock = itertools.count(0.0, 3600.0), FakeClock()
        async with GenericMirrorDB(config, clock=clock.as_clock(monotonic=hours.__next__)) as client:
            workload = Workload(client, keyed=config.idempotency_header is not None)
            async with no_time_for_hanging(proxy, client):
                await workload.run(seed)
        await proxy.settle()
        return Run(workload=workload, proxy=proxy, found=differences(workload, server, proxy))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("header", [None, HEADER])
@pytest.mark.parametrize(("seed", "secure"), [(1, False), (2, True), (3, False)])
async def test_no_write_is_lost_or_doubled(
    config_for: ConfigFor,
    server: DevServer,
    server_tls: ssl.SSLContext,
    ca_file: str,
    seed: int,
    caplog: pytest.LogCaptureFixture,
    *,
    secure: bool,
    header: str | None,
) -> None:
    """2,000 operations through every fault leave exactly what the client says that they did."""
    caplog.set_level("CRITICAL", "airflow_mirrordb")  # thousands of warnings would bury a difference
    settings: dict[str, Any] = {"tls": server_tls, "verify": ca_file} if secure else {}
    run = await run_through_faults(config_for, server, seed, idempotency_header=header, **settings)
    assert not run.found, explained(run.found, run.proxy)
    assert {exchange.fault for exchange in run.proxy.log} == set(Fault)
    assert len(run.workload.operations) == OPERATIONS
    assert {operation.told for operation in run.workload.operations} == {*get_args(Told)}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("header", [None, HEADER])
async def test_without_the_guard_writes_are_doubled(
    config_for: ConfigFor, server: DevServer, monkeypatch: pytest.MonkeyPatch, header: str | None
) -> None:
    """The comparison sees it when every failure is retried, with no key or another key each time."""
    send = Transport.send

    def with_another_key(self: Transport, wire: WireRequest, *rest: Any) -> Coroutine[Any, Any, Answer]:
        if HEADER in wire.headers:
            headers = wire.headers.copy()
            headers[HEADER] = str(uuid4())
            wire = replace(wire, headers=headers)
        return send(self, wire, *rest)

    monkeypatch.setattr(Transport, "send", with_another_key)
    if header is None:
        monkeypatch.setattr(
            "airflow_mirrordb.client.calls.call.classify_failure", lambda error, *_, **__: error
        )
    run = await run_through_faults(config_for, server, 1, idempotency_header=header)
    assert any("exists 2 times" in difference for difference in run.found)
    assert any("carried out 2 times" in difference for difference in run.found)


# -- fault by fault ------------------------------------------------------------------------------

READ = MirrorDBRequest(method="GET", endpoint="api/items/1")
CREATE = MirrorDBRequest(method="POST", endpoint="api/items", data={"value": "new"})
REPLACE = MirrorDBRequest(method="PUT", endpoint="api/items/1", data={"value": "new"})
MERGE = MirrorDBRequest(method="PATCH", endpoint="api/items/1", data={"value": "new"})
DELETE = MirrorDBRequest(method="DELETE", endpoint="api/items/1")
REPLACE_IF, MERGE_IF, DELETE_IF = (replace(request, if_match='"1-1"') for request in (REPLACE, MERGE, DELETE))

REPEATABLE = [READ, REPLACE, DELETE]
GUARDED = [CREATE, MERGE, REPLACE_IF, MERGE_IF, DELETE_IF]
KEYED = [CREATE, MERGE, MERGE_IF]

OLD, NEW, SECOND = {"id": "1", "value": "old"}, {"id": "1", "value": "new"}, {"id": "2", "value": "new"}
AFTER = {"GET": [OLD], "POST": [OLD, SECOND], "PUT": [NEW], "PATCH": [NEW], "DELETE": []}


def name_of(request: MirrorDBRequest) -> str:
    return request.method + (" if" if request.if_match else "")


def named(faults: Any) -> Any:
    return [pytest.param(fault, id=fault.name) for fault in Fault if fault in faults]


each_of_all = pytest.mark.parametrize("request_", REPEATABLE + GUARDED, ids=name_of)


@asynccontextmanager
async def through(
    config_for: ConfigFor, server: DevServer, *faults: Fault, meanwhile: Any = None, **settings: Any
) -> AsyncIterator[tuple[GenericMirrorDB, FaultProxy]]:
    """A client of a backend with one record, and the faults between them.

    :param meanwhile: is called in each wait between attempts
    """
    clock = FakeClock()

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        if meanwhile is not None:
            await meanwhile(seconds)

    async with GenericMirrorDB(config_for(server.url)) as client:
        await client.create_function("prepare", "api/items", {"value": "old"})
    async with FaultProxy(server.port, faults) as proxy:
        config = config_for(proxy.base_url, **settings)
        async with (
            GenericMirrorDB(config, clock=clock.as_clock(sleep=sleep)) as client,
            no_time_for_hanging(proxy, client),
        ):
            yield client, proxy
        await proxy.settle()


@pytest.mark.parametrize("request_", REPEATABLE, ids=name_of)
@pytest.mark.parametrize("fault", named(HIDING))
async def test_a_repeatable_request_gets_over_any_fault(
    config_for: ConfigFor, server: DevServer, fault: Fault, request_: MirrorDBRequest
) -> None:
    """One fault costs a read, PUT or DELETE one more request, whether it was carried out or not."""
    async with through(config_for, server, fault) as (client, proxy):
        assert (await client.request(request_)).attempts == 2
    assert [exchange.fault for exchange in proxy.requests] == [fault, Fault.NONE]
    assert server.records("items") == AFTER[request_.method]


@pytest.mark.parametrize(
    ("request_", "header"),
    [*((request, None) for request in GUARDED), (REPLACE_IF, HEADER), (DELETE_IF, HEADER)],
    ids=lambda value: name_of(value) if isinstance(value, MirrorDBRequest) else value,
)
@pytest.mark.parametrize("fault", named(HIDING))
async def test_a_write_that_may_not_be_repeated_is_sent_into_a_fault_once(
    config_for: ConfigFor, server: DevServer, fault: Fault, request_: MirrorDBRequest, header: str | None
) -> None:
    """The error says that nobody knows; the record shows that it is right, one way or the other.

    A success that is cut off in its head or its body has said that the write was carried out.
    """
    is_known = fault is Fault.TRUNCATE
    async with through(config_for, server, fault, idempotency_header=header) as (client, proxy):
        with pytest.raises(InvalidResponseError if is_known else AmbiguousWriteError) as caught:
            await client.request(request_)
    assert (caught.value.attempts, caught.value.retryable) == (1, False)
    assert [exchange.fault for exchange in proxy.requests] == [fault]
    assert server.records("items") == (AFTER[request_.method] if fault in DELIVERED else [OLD])


@pytest.mark.parametrize("request_", KEYED, ids=name_of)
@pytest.mark.parametrize("fault", named(HIDING))
async def test_a_write_with_a_key_gets_over_any_fault(
    config_for: ConfigFor, server: DevServer, fault: Fault, request_: MirrorDBRequest
) -> None:
    """With an idempotency header it is sent again, and carried out once."""
    async with through(config_for, server, fault, idempotency_header=HEADER) as (client, proxy):
        assert (await client.request(request_)).attempts == 2
    assert [exchange.fault for exchange in proxy.requests] == [fault, Fault.NONE]
    assert server.records("items") == AFTER[request_.method]
    replayed = [entry.replayed for entry in server.requests()[1:]]
    assert replayed == ([False, True] if fault in DELIVERED else [False])


@each_of_all
@pytest.mark.parametrize("fault", named(REFUSALS))
async def test_what_is_refused_is_sent_again(
    config_for: ConfigFor, server: DevServer, fault: Fault, request_: MirrorDBRequest
) -> None:
    """429, and 503 with Retry-After, say that nothing was done: any request is repeated."""
    async with through(config_for, server, fault, fault) as (client, proxy):
        assert (await client.request(request_)).attempts == 3
    assert [exchange.fault for exchange in proxy.requests] == [fault, fault, Fault.NONE]
    assert server.records("items") == AFTER[request_.method]


@each_of_all
async def test_a_refused_connection_is_tried_again(
    config_for: ConfigFor, server: DevServer, request_: MirrorDBRequest
) -> None:
    """Nothing was sent: any request is repeated."""

    async def mend(_seconds: float) -> None:
        proxy.listen()

    async with through(config_for, server, meanwhile=mend) as (client, proxy):
        proxy.stop_listening()
        assert (await client.request(request_)).attempts == 2
    assert len(proxy.requests) == 1
    assert server.records("items") == AFTER[request_.method]


@each_of_all
async def test_a_connection_that_is_always_refused_is_no_ambiguity(
    config_for: ConfigFor, server: DevServer, request_: MirrorDBRequest
) -> None:
    """After the last attempt the error says that nothing was sent, and nothing was."""
    async with through(config_for, server, max_attempts=3) as (client, proxy):
        proxy.stop_listening()
        with pytest.raises(ConnectError) as caught:
            await client.request(request_)
    assert (caught.value.attempts, caught.value.sent, caught.value.retryable) == (3, False, True)
    assert proxy.requests == []
    assert server.records("items") == [OLD]


@each_of_all
async def test_an_idle_connection_that_was_closed_is_not_used(
    config_for: ConfigFor, server: DevServer, request_: MirrorDBRequest
) -> None:
    """It costs another connection, and no attempt."""
    async with through(config_for, server, Fault.NONE, Fault.CLOSE_IDLE) as (client, proxy):
        # by the pool that the request will take its connection from
        await client.request(replace(request_, method="DELETE", endpoint="api/items/9", missing_ok=True))
        await turns()  # the end of the connection arrives
        assert (await client.request(request_)).attempts == 1
    assert [exchange.connection for exchange in proxy.requests] == [1, 2]
    assert server.records("items") == AFTER[request_.method]


@each_of_all
async def test_a_late_answer_is_an_answer(
    config_for: ConfigFor, server: DevServer, request_: MirrorDBRequest
) -> None:
    """A delay within ``timeout`` costs nothing else."""
    async with through(config_for, server, Fault.DELAY) as (client, _):
        assert (await client.request(request_)).attempts == 1
    assert server.records("items") == AFTER[request_.method]


@pytest.mark.parametrize("request_", REPEATABLE, ids=name_of)
async def test_a_burst_of_errors_is_outlasted_or_told(
    config_for: ConfigFor, server: DevServer, request_: MirrorDBRequest
) -> None:
    """Five attempts get over four failures; five are an error that allows another try."""
    burst = [Fault.ERROR_502, Fault.ERROR_503, Fault.ERROR_503, Fault.ERROR_500, Fault.ERROR_502]
    async with through(config_for, server, *burst, *burst[1:]) as (client, proxy):
        with pytest.raises(ServerError) as caught:
            await client.request(request_)
        assert (caught.value.attempts, caught.value.status, caught.value.retryable) == (5, 502, True)
        assert server.records("items") == [OLD]
        assert (await client.request(request_)).attempts == 5
    assert len(proxy.requests) == 10
    assert server.records("items") == AFTER[request_.method]


@pytest.mark.parametrize("request_", GUARDED, ids=name_of)
async def test_a_write_that_was_refused_before_it_was_hidden_is_ambiguous(
    config_for: ConfigFor, server: DevServer, request_: MirrorDBRequest
) -> None:
    """The last attempt decides: what was refused twice and then lost may have been carried out."""
    faults = [Fault.LIMIT_429, Fault.BUSY_503, Fault.LOSE_ANSWER_CLOSE]
    async with through(config_for, server, *faults) as (client, proxy):
        with pytest.raises(AmbiguousWriteError) as caught:
            await client.request(request_)
    assert caught.value.attempts == 3
    assert [exchange.fault for exchange in proxy.requests] == faults
    assert server.records("items") == AFTER[request_.method]
