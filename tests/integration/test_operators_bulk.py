"""Operators that take a list: what is sent, what the task's result is, and what a next try repeats."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_mirrordb.client import (
    BulkError,
    EndpointNotAllowedError,
    InvalidRequestError,
    InvalidResponseError,
    MirrorDBError,
)
from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.operators.bulk_memory import FEWEST
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from tests.integration.conftest import ScriptedBackend, SetConnection
from tests.integration.faults import DELIVERED, Fault, FaultProxy
from tests.integration.test_operators_tries import KEYED, TimedOut, Tries, since_3_3

#: Faults that make nobody wait.
QUICK = (
    Fault.RESET_REQUEST,
    Fault.LOSE_ANSWER_RESET,
    Fault.LOSE_ANSWER_CLOSE,
    Fault.TRUNCATE,
    Fault.ERROR_500,
    Fault.ERROR_502,
    Fault.LATE_502,
    Fault.LATE_504,
)


@pytest.fixture
def tries() -> Tries:
    return Tries()


@pytest.fixture
def server() -> Iterator[DevServer]:
    with DevServer() as running:
        yield running


def records(number: int) -> list[dict[str, Any]]:
    return [{"n": n} for n in range(number)]


def create(data: Any, **arguments: Any) -> MirrorDBCreateOperator:
    arguments = {"task_id": "task", "endpoint": "api/users", "bulk": True, "concurrency": 1, **arguments}
    return MirrorDBCreateOperator(data=data, **arguments)


def without_store(tries: Tries) -> Any:
    """The context of a task before Airflow 3.3."""
    context = tries.context()
    del context["task_state_store"]
    return context


def sent(scripted: ScriptedBackend) -> list[int]:
    return [json.loads(body)["n"] for body in scripted.bodies]


def statuses(report: dict[str, Any]) -> list[str]:
    return [record["status"] for record in report["records"]]


def cause(raised: pytest.ExceptionInfo[AirflowFailException]) -> BulkError:
    assert isinstance(raised.value.__cause__, BulkError)
    return raised.value.__cause__


# -- what is sent, and what comes back -----------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True])
def test_crud_of_many(
    server: DevServer, set_connection: SetConnection, tries: Tries, deferrable: bool
) -> None:
    """Lists are created, read, updated and deleted, in order, and on the worker whatever is deferrable."""
    set_connection(server.url, extra=KEYED)
    common: dict[str, Any] = {"task_id": "t", "deferrable": deferrable, "worker_timeout": 0}

    def run(operator: MirrorDBOperator) -> list[Any]:
        tries.store.clear()
        report = operator.execute(tries.context())
        count = len(report["records"])
        assert report == {"done": count, "failed": 0, "ambiguous": 0, "not_begun": 0, **report}
        assert json.loads(json.dumps(report)) == report
        return [record["response"] for record in report["records"]]

    created = run(create(records(40), concurrency=8, **common))
    assert [user["n"] for user in created] == list(range(40))
    assert sorted(server.records("users"), key=lambda user: int(user["n"])) == created
    endpoints = [f"api/users/{user['id']}" for user in created]
    assert run(MirrorDBReadOperator(endpoint=endpoints, **common)) == created
    changed = run(
        MirrorDBUpdateOperator(
            endpoint=endpoints, data=[{"m": n} for n in range(40)], bulk=True, partial=True, **common
        )
    )
    assert changed == [{**user, "m": user["n"]} for user in created]
    same = run(MirrorDBUpdateOperator(endpoint=endpoints[:3], data={"all": [1, 2]}, **common))
    assert same == [{"id": user["id"], "all": [1, 2]} for user in created[:3]]
    assert run(MirrorDBDeleteOperator(endpoint=endpoints, **common)) == [None] * 40
    assert server.records("users") == []


def test_a_list_without_bulk_is_one_body(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """A backend may well take a JSON list; only ``bulk`` says that it is many records."""
    set_connection(scripted.url)
    scripted.answer(201, {"created": 2})
    assert create(records(2), bulk=False).execute(tries.context()) == {"created": 2}
    assert scripted.bodies == [b'[{"n":0},{"n":1}]']


class LazyList(Sequence[Any]):
    """As Airflow gives the results of mapped tasks."""

    def __init__(self, *items: Any) -> None:
        self._items = items

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)


@pytest.mark.parametrize("data", ['[{"n": 0}, {"n": 1}]', LazyList({"n": 0}, {"n": 1}), ({"n": 0}, {"n": 1})])
@pytest.mark.parametrize("bulk", [True, "True"])
def test_lists_from_templates_and_xcom(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, data: Any, bulk: Any
) -> None:
    """JSON text, lazy lists and tuples are lists; each task's keys are the same in each try."""
    set_connection(scripted.url, extra=KEYED)
    for _ in range(2):
        scripted.answer(201, {})
        scripted.answer(201, {})
        create(copy.copy(data), bulk=bulk).execute(without_store(tries))
    assert sent(scripted) == [0, 1, 0, 1]
    keys = [headers["Idempotency-Key"] for headers in scripted.headers]
    assert keys[:2] == keys[2:]


def test_equal_records_have_keys_of_their_own(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Two records that look alike are two; an author's own key gets their positions."""
    set_connection(scripted.url, extra=KEYED)
    for _ in range(4):
        scripted.answer(201, {})
    create([{"a": 1}] * 2).execute(without_store(tries))
    create([{"a": 1}] * 2, idempotency_key="own").execute(without_store(tries))
    keys = [headers["Idempotency-Key"] for headers in scripted.headers]
    assert len(set(keys)) == 4
    assert keys[2:] == ["own-0", "own-1"]


def rendered(operator: MirrorDBOperator, **arguments: Any) -> MirrorDBOperator:
    """Return an operator whose templates became that."""
    vars(operator).update(arguments)
    return operator


@pytest.mark.parametrize(
    ("operator", "field", "reason"),
    [
        (create({"n": 1}), "data", "a list of records, not dict"),
        (create('{"n": 1}'), "data", "a list of records, not dict"),
        (create(records(2), endpoint=["api/users"]), "data", "2 records for 1 endpoints"),
        (create(records(2), concurrency="many"), "concurrency", "not a int"),
        (create(records(2), concurrency="0"), "concurrency", "at least 1"),
        (rendered(create(records(2)), on_error="ignore"), "on_error", "'fail' or 'continue'"),
        (create(records(2), bulk="perhaps"), "bulk", "not a bool"),
        (create([{"n": 1}, {"n": float("nan")}]), "data.n", "record 1: data.n: JSON has no nan"),
        (MirrorDBReadOperator(task_id="t", endpoint=["api/users/1", "api/users/None"]), "endpoint", "None"),
        (
            MirrorDBReadOperator(task_id="t", endpoint=["api/users/1"], output_path="/x"),
            "output_path",
            "takes one",
        ),
    ],
)
def test_a_wrong_list_is_refused_before_anything_is_sent(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    operator: MirrorDBOperator,
    field: str,
    reason: str,
) -> None:
    """One wrong record among many fails the task at once, named, and none is sent."""
    set_connection(scripted.url)
    with pytest.raises(AirflowFailException, match=reason) as raised:
        operator.execute(tries.context())
    assert isinstance(raised.value.__cause__, InvalidRequestError)
    assert raised.value.__cause__.field == field
    assert scripted.connections == 0


def test_an_endpoint_that_is_not_allowed_is_refused_before_anything_is_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """All endpoints are checked first."""
    set_connection(scripted.url)
    operator = MirrorDBDeleteOperator(task_id="t", endpoint=["api/users/1", "api/users/../admin"])
    with pytest.raises(AirflowFailException, match="record 1: ") as raised:
        operator.execute(tries.context())
    assert isinstance(raised.value.__cause__, EndpointNotAllowedError)
    assert scripted.connections == 0


def test_continue_reports_what_failed(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """All are tried, a wrong record too, and the task succeeds with the report as its result."""
    set_connection(scripted.url)
    scripted.answer(201, {"id": 1})
    scripted.answer(422, {"detail": "no name"})
    scripted.answer(502)
    data = [{"n": 0}, {"n": 1}, {"n": {1}}, {"n": 3}]
    report = create(data, on_error="continue").execute(tries.context())
    assert statuses(report) == ["done", "failed", "failed", "ambiguous"]
    assert (report["done"], report["failed"], report["ambiguous"], report["not_begun"]) == (1, 2, 1, 0)
    assert report["records"][0]["response"] == {"id": 1}
    errors = [record["error"] for record in report["records"][1:]]
    assert [error["type"] for error in errors] == [
        "InvalidDataError",
        "InvalidRequestError",
        "AmbiguousWriteError",
    ]
    assert (errors[0]["status"], errors[0]["detail"]) == (422, "no name")


@pytest.mark.parametrize(
    ("status", "extra", "retryable"),
    [(422, KEYED, False), (500, KEYED, True), (500, {}, False), (429, {}, True)],
)
def test_fail_ends_the_task(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    status: int,
    extra: dict[str, Any],
    retryable: bool,
) -> None:
    """A passing failure is left to Airflow's retries, any other fails the task; nothing more is sent."""
    set_connection(scripted.url, extra={**extra, "max_attempts": 1})
    scripted.answer(201, {})
    scripted.answer(status, {}, Retry_After="0")
    with pytest.raises(MirrorDBError if retryable else AirflowFailException) as raised:
        create(records(5)).execute(tries.context())
    error = raised.value if retryable else raised.value.__cause__
    assert isinstance(error, BulkError)
    assert statuses(error.report)[2:] == ["not_begun"] * 3
    assert "1 records are done" in str(error)
    assert "record 1: " in str(error)
    assert len(scripted.requests) == 2


def test_a_filter_is_for_each_answer(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """The report holds what it returns."""
    set_connection(scripted.url)
    for number in range(3):
        scripted.answer(201, {"id": number, "long": "x" * 1000})
    report = create(records(3), response_filter=lambda body: body["id"]).execute(tries.context())
    assert [record["response"] for record in report["records"]] == [0, 1, 2]


def not_json(_body: Any) -> Any:
    return datetime.now(timezone.utc)


def failing(body: Any) -> Any:
    return body["no such field"]


def skipping(_body: Any) -> Any:
    raise AirflowSkipException("nothing new")


@pytest.mark.parametrize(
    ("response_filter", "error", "reason"),
    [
        (not_json, AirflowFailException, "must return JSON values"),
        (failing, AirflowFailException, "KeyError"),
        (skipping, AirflowSkipException, "nothing new"),
    ],
)
def test_a_filter_that_fails_fails_the_task_for_good(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    response_filter: Callable[[Any], Any],
    error: type[Exception],
    reason: str,
) -> None:
    """A retry would fail again; Airflow's own exceptions keep their meaning."""
    set_connection(scripted.url)
    scripted.answer(201, {})
    with pytest.raises(error, match=reason):
        create(records(3), response_filter=response_filter).execute(tries.context())
    assert len(scripted.requests) == 1


def test_answers_of_writes_that_are_too_large_are_left_out(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The writes were applied: the task succeeds, and says that it keeps no answers."""
    set_connection(scripted.url)
    for _ in range(3):
        scripted.answer(201, {"long": "x" * 400})
    report = create(records(3), max_event_bytes=1000).execute(tries.context())
    assert report["records"] == [{"status": "done"}] * 3
    assert "The answers are not in the result" in caplog.text


@pytest.mark.parametrize("operator", [MirrorDBReadOperator, MirrorDBDeleteOperator])
def test_a_report_that_is_too_large_is_an_error(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, operator: Any
) -> None:
    """Reads are for their answers; of writes at least the outcomes must have room."""
    set_connection(scripted.url)
    for _ in range(3):
        scripted.answer(200, {"long": "x" * 400})
    task = operator(task_id="t", endpoint=[f"api/users/{n}" for n in range(3)], max_event_bytes=100)
    with pytest.raises(AirflowFailException, match="max_event_bytes") as raised:
        task.execute(tries.context())
    assert isinstance(raised.value.__cause__, InvalidResponseError)


def test_nothing_to_do_is_done(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """An empty list, as an upstream task may well give, is a success."""
    set_connection(scripted.url)
    report = MirrorDBReadOperator(task_id="t", endpoint=[]).execute(tries.context())
    assert report == {"done": 0, "failed": 0, "ambiguous": 0, "not_begun": 0, "records": []}
    assert create([]).execute(tries.context())["records"] == []


def test_mapped_operators_take_lists_too() -> None:
    """``bulk`` and its kin are arguments of their own, with defaults that mapping keeps."""
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        MirrorDBCreateOperator.partial(task_id="t", endpoint="api/users", bulk=True).expand(
            data=[records(2), records(3)]
        )
    operator = dag.get_task("t").unmap({"data": records(3)})
    assert isinstance(operator, MirrorDBCreateOperator)
    assert (operator.bulk, operator.concurrency, operator.on_error) == (True, 32, "fail")


# -- what a next try repeats ---------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{}, KEYED])
def test_a_retry_sends_what_is_not_done(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, extra: dict[str, Any]
) -> None:
    """It has the answers of the first try in its report, and the data and keys of the first try."""
    set_connection(scripted.url, extra={**extra, "max_attempts": 1})
    moments = count()
    for status in (201, 201, 429):
        scripted.answer(status, {"id": len(scripted.answers)}, Retry_After="0")
    with pytest.raises(BulkError):
        create([{"n": n, "now": next(moments)} for n in range(4)]).execute(tries.context())
    for number in (2, 3):
        scripted.answer(201, {"id": number})
    report = create([{"n": n, "now": next(moments)} for n in range(4)]).execute(tries.context())
    assert sent(scripted) == [0, 1, 2, 2, 3]
    assert [json.loads(body)["now"] for body in scripted.bodies] == [0, 1, 2, 2, 3]
    assert [record["response"]["id"] for record in report["records"]] == [0, 1, 2, 3]
    keys = [headers.get("Idempotency-Key") for headers in scripted.headers]
    assert len(set(keys)) == (4 if extra else 1)
    assert keys[2] == keys[3]


def test_a_retry_reads_what_was_not_read(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Reads are remembered as long as their answers have room; the others are made again."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    operator = MirrorDBReadOperator(
        task_id="t", endpoint=[f"api/users/{n}" for n in range(3)], concurrency=1, max_event_bytes=1000
    )
    for status, size in ((200, 300), (200, 1300), (500, 0)):
        scripted.answer(status, "x" * size)
    with pytest.raises(BulkError):
        operator.execute(tries.context())
    scripted.answer(200, "again")
    scripted.answer(200, "at last")
    report = operator.execute(tries.context())
    assert [record["response"] for record in report["records"]] == ["x" * 300, "again", "at last"]


def test_clearing_begins_anew(scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries) -> None:
    """A person who clears the task wants all of it."""
    set_connection(scripted.url)
    for _ in range(2):
        scripted.answer(201, {})
        scripted.answer(201, {})
        create(records(2)).execute(tries.context())
        tries.clear()
    assert sent(scripted) == [0, 1, 0, 1]


def test_a_large_list_is_not_kept_but_its_positions_are(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """What is too large for Airflow's database comes from the task again; another length is refused."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    data = [{"n": n, "long": "x" * 40_000} for n in range(3)]
    scripted.answer(201, {})
    scripted.answer(429, {}, Retry_After="0")
    with pytest.raises(BulkError):
        create(data).execute(tries.context())
    assert len(str(tries.store)) < 1000
    with pytest.raises(AirflowFailException, match="had 3 records, and this one has 2"):
        create(data[:2]).execute(tries.context())
    scripted.answer(201, {})
    scripted.answer(201, {})
    assert create(data).execute(tries.context())["done"] == 3
    assert sent(scripted) == [0, 1, 1, 2]


class Killed:
    """Keeps what the store holds at the moment a request arrives, as a worker killed then leaves it."""

    def __init__(self, scripted: ScriptedBackend, tries: Tries, after: int) -> None:
        self._scripted, self._tries, self._after = scripted, tries, after
        self.left: dict[str, Any] = {}

    def __call__(self, body: Any) -> Any:
        if len(self._scripted.requests) == self._after:
            self.left = copy.deepcopy(dict(self._tries.store))
        return body


@pytest.mark.parametrize("on_error", ["fail", "continue"])
def test_a_killed_try_leaves_its_window_ambiguous(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, on_error: str
) -> None:
    """Nothing that a killed try may have sent is sent again; with ``continue`` all the rest is."""
    set_connection(scripted.url)
    number = FEWEST + 10
    for _ in range(number):
        scripted.answer(201, {})
    killed = Killed(scripted, tries, FEWEST + 5)
    create(records(number), on_error=on_error, response_filter=killed).execute(tries.context())
    first = len(scripted.requests)
    assert first == number
    tries.store.clear()
    tries.store.update(killed.left)
    known = [
        position for name, row in killed.left.items() if name[-1].isdigit() for position, _ in row["value"]
    ]
    assert set(range(FEWEST - 8)) <= set(known) <= set(range(FEWEST))  # a few were on their way just then
    with pytest.raises(AirflowFailException, match="an earlier try of this task was ended") as raised:
        create(records(number)).execute(tries.context())
    told = statuses(cause(raised).report)
    assert set(told) == {"done", "ambiguous"}
    assert [at for at, status in enumerate(told) if status == "done"] == known
    report = create(records(number), on_error="continue").execute(tries.context())
    assert statuses(report) == told
    assert len(scripted.requests) == first


def test_a_killed_try_leaves_what_it_had_not_begun_to_the_next(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Windows that were not begun are sent by the next try, which tells of the ambiguous ones as well."""
    set_connection(scripted.url)
    number = FEWEST * 2
    for _ in range(number):
        scripted.answer(201, {})
    killed = Killed(scripted, tries, 3)
    create(records(number), response_filter=killed).execute(tries.context())
    first = len(scripted.requests)
    tries.store.clear()
    tries.store.update(killed.left)
    for _ in range(FEWEST):
        scripted.answer(201, {})
    report = create(records(number), on_error="continue").execute(tries.context())
    assert statuses(report) == ["ambiguous"] * FEWEST + ["done"] * FEWEST
    assert sent(scripted)[first:] == list(range(FEWEST, number))
    again = create(records(number), on_error="continue").execute(tries.context())
    assert (again, len(scripted.requests)) == (report, number + FEWEST)


def test_a_killed_try_of_keyed_records_is_repeated(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """The backend knows the keys: what was not noted as done is sent again under them."""
    set_connection(scripted.url, extra=KEYED)
    for _ in range(10):
        scripted.answer(201, {})
    killed = Killed(scripted, tries, 3)
    create(records(5), response_filter=killed).execute(tries.context())
    tries.store.clear()
    tries.store.update(killed.left)
    assert create(records(5)).execute(tries.context())["done"] == 5
    keys = [headers["Idempotency-Key"] for headers in scripted.headers]
    assert keys[:5] == keys[5:]


def test_time_out_in_flight_is_ambiguous_at_once(set_connection: SetConnection, tries: Tries) -> None:
    """A time-out that cuts a write off fails the task for good, and the error says which record it was."""
    with TimedOut() as backend:
        set_connection(f"http://{backend.host}")
        with pytest.raises(AirflowFailException, match="1 are ambiguous, 4 not begun; record 0") as raised:
            create(records(5)).execute(tries.context())
    assert isinstance(cause(raised).__cause__, AirflowTaskTimeout)


@pytest.mark.parametrize("with_store", [True, False])
def test_time_out_of_keyed_records_is_left_to_airflow(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, with_store: bool
) -> None:
    """The next try sends what is not done, under the same keys."""
    context = tries.context if with_store else lambda: without_store(tries)
    with TimedOut() as backend:
        set_connection(f"http://{backend.host}", extra=KEYED)
        with pytest.raises(AirflowTaskTimeout):
            create(records(2)).execute(context())
    set_connection(scripted.url, extra=KEYED)
    scripted.answer(201, {})
    scripted.answer(201, {})
    assert create(records(2)).execute(context())["done"] == 2
    assert scripted.headers[0]["Idempotency-Key"].encode() in backend.received


def test_without_a_store_a_partly_done_bulk_is_not_retried(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Before Airflow 3.3 a next try could not know what must not be sent again, unless there are keys."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    scripted.answer(201, {})
    scripted.answer(429, {}, Retry_After="0")
    with pytest.raises(AirflowFailException, match="1 records are done, 1 failed"):
        create(records(3)).execute(without_store(tries))
    scripted.answer(429, {}, Retry_After="0")
    with pytest.raises(BulkError):  # nothing was done
        create(records(3)).execute(without_store(tries))


def test_ambiguous_records_stay_ambiguous(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """A try that goes on after an ambiguous record, and is killed then, leaves it so to the next."""
    set_connection(scripted.url)
    scripted.answer(502)
    for _ in range(FEWEST + 20):
        scripted.answer(201, {})
    killed = Killed(scripted, tries, FEWEST + 20)
    create(records(FEWEST + 20), on_error="continue", response_filter=killed).execute(tries.context())
    tries.store.clear()
    tries.store.update(killed.left)
    report = create(records(FEWEST + 20), on_error="continue").execute(tries.context())
    assert (report["records"][0]["status"], report["records"][1]["status"]) == ("ambiguous", "done")
    assert scripted.bodies.count(b'{"n":0}') == 1


def test_the_store_is_asked_seldom(server: DevServer, set_connection: SetConnection, tries: Tries) -> None:
    """Not each record costs a message to Airflow's supervisor."""
    asked = Counter[str]()
    store_set = tries.store.set

    def counted(key: str, value: Any) -> None:
        asked["set"] += 1
        store_set(key, value)

    tries.store.set = counted  # type: ignore[method-assign]
    set_connection(server.url)
    create(records(640), concurrency=32).execute(tries.context())
    assert len(server.records("users")) == 640
    assert 3 <= asked["set"] <= 2 + 2 * 640 / FEWEST


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 executes no operator in another thread")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("extra", [{}, KEYED])
async def test_tries_through_faults_double_nothing(
    server: DevServer,
    set_connection: SetConnection,
    tries: Tries,
    caplog: pytest.LogCaptureFixture,
    extra: dict[str, Any],
) -> None:
    """Airflow's retries end with each record there as told: once if done, and at most once if ambiguous."""
    caplog.set_level("CRITICAL", "airflow_mirrordb")
    rng = random.Random(3)
    faults = [rng.choice(QUICK) if rng.random() < 0.1 else Fault.NONE for _ in range(4000)]
    if not extra:  # all that tells nobody whether it was carried out ends an unkeyed bulk
        faults = [Fault.NONE] * 90 + faults
    ends = Counter[str]()
    async with FaultProxy(server.port, faults) as proxy:
        set_connection(proxy.base_url, extra={**extra, "max_attempts": 1})
        for _ in range(100):
            try:
                report = await asyncio.to_thread(create(records(200), concurrency=8).execute, tries.context())
            except BulkError:
                ends["retried"] += 1
                continue
            except AirflowFailException as failure:
                report = vars(failure.__cause__)["report"]
            break
        await proxy.settle()
    there = Counter(user["n"] for user in server.records("users"))
    told = statuses(report)
    assert there.total() == len(there)
    for n, status in enumerate(told):
        assert there[n] in {"done": (1,), "ambiguous": (0, 1)}.get(status, (0,)), (n, status)
    if extra:
        assert set(told) == {"done"}
        assert ends["retried"] > 3
        delivered = sum(exchange.fault in DELIVERED for exchange in proxy.requests)
        assert delivered < 200 * 2  # of each try only what was not done
    else:
        assert "ambiguous" in told


@since_3_3
def test_the_next_try_comes_when_the_backend_said() -> None:
    """The wait that a record was asked for is that of the task."""
    from airflow.providers.common.compat.sdk import RetryAction

    from airflow_mirrordb.operators.retries import MirrorDBRetryPolicy

    policy = MirrorDBRetryPolicy()
    decision = policy.evaluate(BulkError(message="429", retry_after=90.0), 1, 3)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=90))
