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
    AirflowException,
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
    MirrorDBRequest,
)
from airflow_mirrordb.client.collections.record_names import NAME_LENGTH, RecordNames
from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.operators.base import MirrorDBOperator
from airflow_mirrordb.operators.bulk_state import FEWEST, BulkState
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.task.serialization import from_text
from tests.integration.test_operators_tries import KEYED, TimedOut, Tries, since_3_3
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection
from tests.support.faults import DELIVERED, Fault, FaultProxy

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


TOLERANT: dict[str, Any] = {"on_error": "continue", "max_failed": 1.0}


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
    common: dict[str, Any] = {"task_id": "t"} | (
        {"deferrable": True, "worker_timeout": 0} if deferrable else {}
    )

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
    """Two records that look alike are two; so they are under an author's own key."""
    set_connection(scripted.url, extra=KEYED)
    for _ in range(4):
        scripted.answer(201, {})
    create([{"a": 1}] * 2).execute(without_store(tries))
    create([{"a": 1}] * 2, idempotency_key="own").execute(without_store(tries))
    keys = [headers["Idempotency-Key"] for headers in scripted.headers]
    assert len(set(keys)) == 4
    assert [key[:4] for key in keys[2:]] == ["own-", "own-"]


def rendered(operator: MirrorDBOperator, **arguments: Any) -> MirrorDBOperator:
    """Return an operator whose templates became that."""
    vars(operator).update(arguments)
    return operator


@pytest.mark.parametrize(
    ("operator", "field", "reason"),
    [
        (create('{"n": 1}'), "data", "a list of records, not dict"),
        (create(records(2), endpoint=["api/users"]), "data", "2 records for 1 endpoints"),
        (create(records(2), concurrency="many"), "concurrency", "it must be a whole number"),
        (create(records(2), concurrency="0"), "concurrency", "at least 1"),
        (rendered(create(records(2)), on_error="ignore"), "on_error", "'fail' or 'continue'"),
        (create(records(2), bulk="perhaps"), "bulk", "it must be true or false"),
        (
            rendered(create(records(2)), data=[{"n": 1}, {"n": float("nan")}]),
            "data.n",
            "record 1: data.n: JSON has no nan",
        ),
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


@pytest.mark.parametrize("max_failed", [None, 2, "0.7", 0.75, "3", 1.0])
def test_continue_tries_all_and_fails_if_more_failed_than_may(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, max_failed: Any
) -> None:
    """A wrong record is among them, and an ambiguous one; the report is the result, or the error's."""
    set_connection(scripted.url)
    scripted.answer(201, {"id": 1})
    scripted.answer(422, {"detail": "no name"})
    scripted.answer(502)
    data = [{"n": 0}, {"n": 1}, {"n": {1}}, {"n": 3}]
    operator = create(data, on_error="continue", max_failed=max_failed)
    if max_failed in (None, 2, "0.7"):  # 0.7 of 4 are 2.8, and 3 failed
        with pytest.raises(AirflowFailException, match="1 record done, 2 failed, 1 ambiguous") as raised:
            operator.execute(tries.context())
        report = cause(raised).report
    else:
        report = operator.execute(tries.context())
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
    scripted.answer(status, {}, **({"Retry_After": "0"} if retryable else {}))
    with pytest.raises(MirrorDBError if retryable else AirflowFailException) as raised:
        create(records(5)).execute(tries.context())
    error = raised.value if retryable else raised.value.__cause__
    assert isinstance(error, BulkError)
    assert statuses(error.report)[2:] == ["not_begun"] * 3
    assert "1 record done" in str(error)
    assert "record 1: " in str(error)
    assert len(scripted.requests) == 2


def test_a_filter_is_for_each_answer(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """The report holds what it returns."""
    set_connection(scripted.url)
    for number in (0, 1, 2, 0, 1, 2):
        scripted.answer(201, {"id": number, "long": "x" * 1000})
    for response_filter in (lambda body: body["id"], "id"):
        report = create(records(3), response_filter=response_filter).execute(tries.context())
        assert [record["response"] for record in report["records"]] == [0, 1, 2]


def not_json(_body: Any) -> Any:
    return datetime.now(timezone.utc)


def failing(body: Any) -> Any:
    return body["no such field"]


def refusing(_body: Any) -> Any:
    raise AirflowException("no such field")


def skipping(_body: Any) -> Any:
    raise AirflowSkipException("nothing new")


@pytest.mark.parametrize(
    ("response_filter", "error", "reason"),
    [
        (not_json, AirflowFailException, "must return JSON values"),
        (failing, AirflowFailException, "KeyError"),
        ("id", AirflowFailException, "nothing at 'id' of the answer, which has no name; what was sent"),
        (refusing, AirflowFailException, "no such field"),
        (skipping, AirflowSkipException, "nothing new"),
    ],
)
def test_a_filter_that_fails_fails_the_task_for_good(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    response_filter: Callable[[Any], Any] | str,
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
    assert "the answers are not in the result" in caplog.text


def test_a_report_of_reads_that_is_too_large_is_an_error(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Reads are for their answers."""
    set_connection(scripted.url)
    for _ in range(3):
        scripted.answer(200, {"long": "x" * 400})
    task = MirrorDBReadOperator(
        task_id="t", endpoint=[f"api/users/{n}" for n in range(3)], max_event_bytes=100
    )
    with pytest.raises(AirflowFailException, match="max_event_bytes") as raised:
        task.execute(tries.context())
    assert isinstance(raised.value.__cause__, InvalidResponseError)


REFUSED = {"title": "Unprocessable", "detail": "n must be even" + "x" * 400}
COUNTS = {"done": 7, "failed": 2, "ambiguous": 0, "not_begun": 0}
SHORT = {
    "type": "InvalidDataError",
    "message": "422 Unprocessable Content: Unprocessable: n must be even".ljust(199, "x") + "…",
    "status": 422,
    "retryable": False,
    "maybe_applied": False,
}
SMALLER: dict[str, tuple[int, dict[str, Any]]] = {
    "short errors": (
        1000,
        {
            "records": [
                {"status": "failed", "error": SHORT},
                {"status": "done"},
                {"status": "failed", "error": SHORT},
                *[{"status": "done"}] * 6,
            ]
        },
    ),
    "what is not done": (
        850,
        {
            "not_done": [
                {"position": 0, "status": "failed", "error": SHORT},
                {"position": 2, "status": "failed", "error": SHORT},
            ]
        },
    ),
    "its positions": (
        200,
        {"not_done": [{"position": 0, "status": "failed"}, {"position": 2, "status": "failed"}]},
    ),
    "the first of them": (130, {"not_done": [{"position": 0, "status": "failed"}]}),
    "the counts": (1, {"not_done": []}),
}


@pytest.mark.parametrize("name", SMALLER)
def test_the_report_of_writes_is_never_lost(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    """With ``max_failed=1.0`` the task succeeds whatever failed; the log tells what the result leaves out."""
    most_bytes, rest = SMALLER[name]
    set_connection(scripted.url)
    applied: tuple[int, Any, dict[str, str]] = (201, {"long": "x" * 900}, {})
    scripted.answers = [(422, REFUSED, {}), applied, (422, REFUSED, {}), *[applied] * 6]
    task = create(records(9), on_error="continue", max_failed=1.0, max_event_bytes=most_bytes, concurrency=1)
    report = task.execute(tries.context())
    assert report == {**COUNTS, **rest}
    assert len(json.dumps(report)) <= max(most_bytes, 100)
    assert f"max_event_bytes ({most_bytes})" in caplog.text


def test_a_long_list_that_is_done_succeeds(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Though the bare word that each record is done were too much for the result."""
    set_connection(scripted.url)
    scripted.answers = [(201, {}, {})] * 20
    report = create(records(20), max_event_bytes=300).execute(tries.context())
    assert report == {"done": 20, "failed": 0, "ambiguous": 0, "not_begun": 0, "not_done": []}
    assert len(scripted.requests) == 20


def test_errors_of_reads_are_shortened_before_their_answers_are_too_many(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """What the backend said of each that failed is not what a read is for."""
    set_connection(scripted.url)
    scripted.answers = [(422, REFUSED, {}), (200, {"id": 1}, {})]
    report = MirrorDBReadOperator(
        task_id="t",
        endpoint=["api/users/0", "api/users/1"],
        on_error="continue",
        max_failed=1.0,
        concurrency=1,
        max_event_bytes=700,
    ).execute(tries.context())
    assert report["records"] == [
        {"status": "failed", "error": SHORT},
        {"status": "done", "response": {"id": 1}},
    ]


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


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"max_failed": 3}, "it needs on_error='continue'"),
        ({"on_error": "continue", "max_failed": -1}, "a whole number"),
        ({"on_error": "continue", "max_failed": 1.5}, "a share from 0.0 to 1.0"),
        ({"on_error": "continue", "max_failed": "5%"}, "not '5%'"),
        ({"on_error": "continue", "max_failed": True}, "not True"),
    ],
)
def test_a_wrong_max_failed_is_refused_when_the_dag_is_read(arguments: Any, reason: str) -> None:
    """Where it is literal; what a template renders to is checked before anything is sent."""
    with pytest.raises(ValueError, match=reason):
        create(records(2), **arguments)
    assert create(records(2), max_failed="{{ params.most }}").max_failed


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"form": [{"a": "1"}, {"a": "2"}]},
            r"form: .* a list in data; .*\.expand\(form=\.\.\.\)",
        ),
        ({"form": {"a": "1"}}, "form: "),
        ({"files": {"file": "/a.csv"}}, "files: .* map the task"),
        ({"input_path": "/a.csv"}, "input_path: .* map the task"),
    ],
)
def test_what_is_no_list_of_records_is_named(
    set_connection: SetConnection, tries: Tries, given: dict[str, Any], words: str
) -> None:
    """When the DAG is read, or before anything is sent; it said that data is None."""
    set_connection("https://backend.example.com")
    with pytest.raises(ValueError, match=words):
        MirrorDBCreateOperator(task_id="t", endpoint="api/users", bulk=True, **given)
    operator = MirrorDBCreateOperator(task_id="t", endpoint="api/users", bulk="{{ true }}", **given)
    operator.bulk = "True"  # as it is rendered
    with pytest.raises(AirflowFailException, match=words):
        operator.execute(tries.context())


def test_mapped_operators_keep_max_failed() -> None:
    """It is templated, and an argument of its own."""
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        MirrorDBDeleteOperator.partial(task_id="t", on_error="continue", max_failed=0.05).expand(
            endpoint=[["api/users/1"]]
        )
    operator = dag.get_task("t").unmap({"endpoint": ["api/users/1"]})
    assert isinstance(operator, MirrorDBDeleteOperator)
    assert operator.max_failed == 0.05
    assert "max_failed" in operator.template_fields


# -- what a next try repeats ---------------------------------------------------------------------


def test_a_retry_of_continue_repeats_only_what_failed_in_passing(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """A record that failed for good is not sent again, and counts again; its error is in the report."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    for status in (201, 422, 429, 201, 429):
        scripted.answer(status, {"detail": "no name"} if status == 422 else {})
    operator = create(records(5), on_error="continue", max_failed=1)
    with pytest.raises(BulkError, match="2 records done, 3 failed") as raised:
        operator.execute(tries.context())
    assert raised.value.retryable
    for _ in range(2):
        scripted.answer(201, {})
    report = create(records(5), on_error="continue", max_failed="1").execute(tries.context())
    assert sent(scripted) == [0, 1, 2, 3, 4, 2, 4]
    assert statuses(report) == ["done", "failed", "done", "done", "done"]
    assert report["records"][1]["error"]["detail"] == "no name"


def test_too_many_permanent_failures_are_final(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """However the passing ones end, there are more than may be."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    for status in (422, 422, 429):
        scripted.answer(status, {})
    with pytest.raises(AirflowFailException, match="0 records done, 3 failed"):
        create(records(3), on_error="continue", max_failed=1).execute(tries.context())


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


def many(number: int) -> list[dict[str, Any]]:
    """Records that are too large to be kept."""
    return [{"n": n, "long": "x" * 20_000} for n in range(number)]


@pytest.mark.parametrize("extra", [{}, KEYED])
def test_a_large_list_in_another_order_is_told_by_content(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, extra: dict[str, Any]
) -> None:
    """As that of a query without ORDER BY: by position, records would be lost and others doubled."""
    set_connection(scripted.url, extra={**extra, "max_attempts": 1})
    data = many(12)
    for record in data[:7]:
        scripted.answer(201, {"id": record["n"]})
    scripted.answer(429, {}, Retry_After="0")
    with pytest.raises(BulkError):
        create(data).execute(tries.context())
    again = random.Random(1).sample(data, len(data))
    for record in again:
        if record["n"] >= 7:
            scripted.answer(201, {"id": record["n"]})
    report = create(again).execute(tries.context())
    assert [record["response"]["id"] for record in report["records"]] == [record["n"] for record in again]
    assert sorted(sent(scripted)) == sorted([*range(12), 7])
    if extra:
        keys = [headers["Idempotency-Key"] for headers in scripted.headers]
        assert len(set(keys)) == 12
        assert keys[7] == keys[sent(scripted).index(7, 8)]


@pytest.mark.parametrize("extra", [{}, KEYED])
def test_of_equal_records_as_many_are_sent_as_are_left(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, extra: dict[str, Any]
) -> None:
    """Equal ones are told apart by how many came before; with keys, each has its own in every order."""
    set_connection(scripted.url, extra={**extra, "max_attempts": 1})
    long = {"n": 0, "long": "x" * 40_000}
    for status in (201, 201, 429):
        scripted.answer(status, {}, Retry_After="0")
    with pytest.raises(BulkError):
        create([long, {"n": 1}, long, long]).execute(tries.context())
    for _ in range(2):
        scripted.answer(201, {})
    assert create([{"n": 1}, long, long, long]).execute(tries.context())["done"] == 4
    assert sent(scripted) == [0, 1, 0, 0, 0]
    if extra:
        keys = [headers["Idempotency-Key"] for headers in scripted.headers]
        assert (len(set(keys)), keys[2]) == (4, keys[3])


@pytest.mark.parametrize("extra", [{}, KEYED])
@pytest.mark.parametrize("first", [201, 500])
def test_a_list_without_what_may_have_been_applied_is_refused(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    extra: dict[str, Any],
    first: int,
) -> None:
    """Nothing is sent: what is applied is of a list that is not known any more. Clearing sends all of it."""
    set_connection(scripted.url, extra={**extra, "max_attempts": 1})
    data = many(4)
    scripted.answer(first, {})
    scripted.answer(429, {}, Retry_After="0")
    with pytest.raises((BulkError, AirflowFailException)):
        create(data, on_error="continue" if first == 500 else "fail", concurrency=1).execute(tries.context())
    number = len(scripted.requests)
    other = [{**data[0], "n": -1}, *data[1:]]
    with pytest.raises(AirflowFailException, match=r"does not have 1 that an earlier .* clear the") as raised:
        create(other).execute(tries.context())
    assert isinstance(raised.value.__cause__, InvalidRequestError)
    assert len(scripted.requests) == number
    tries.clear()
    for _ in data:
        scripted.answer(201, {})
    assert create(other).execute(tries.context())["done"] == 4


def test_what_was_not_applied_may_change(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """A record that was refused, or not begun, is no reason to refuse another list."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    data = many(6)
    scripted.answer(201, {"id": 0})
    scripted.answer(429, {}, Retry_After="0")
    with pytest.raises(BulkError):
        create(data).execute(tries.context())
    scripted.answer(201, {})
    report = create([{**data[5], "n": -5}, data[0]]).execute(tries.context())
    assert [record["response"] for record in report["records"]] == [{}, {"id": 0}]
    assert sent(scripted) == [0, 1, -5]


@pytest.mark.parametrize("extra", [{}, KEYED])
def test_a_killed_large_bulk_is_not_sent_with_other_data(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, extra: dict[str, Any]
) -> None:
    """What was in flight when it was killed is noted before; other data would be a second write."""
    set_connection(scripted.url, extra=extra)
    data = many(FEWEST + 1)
    for _ in data:
        scripted.answer(201, {})
    killed = Killed(scripted, tries, 3)
    create(data, response_filter=killed).execute(tries.context())
    killed.restore()
    number = len(scripted.requests)
    now = [{**record, "now": 1} for record in data]
    with pytest.raises(AirflowFailException, match=f"does not have {FEWEST} that an earlier try"):
        create(now).execute(tries.context())
    assert len(scripted.requests) == number


def test_large_reads_are_made_again_as_the_task_says(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """A read leaves nothing behind: whatever list there is, only what was not read is read."""
    set_connection(scripted.url, extra={"max_attempts": 1})

    def read(*numbers: int) -> Any:
        endpoints = [f"api/users/{n:0500}" for n in numbers]
        operator = MirrorDBReadOperator(task_id="t", endpoint=endpoints, concurrency=1)
        return operator.execute(tries.context())

    scripted.answer(200, 0)
    scripted.answer(500)
    with pytest.raises(BulkError):
        read(*range(150))
    for number in (2, 1):
        scripted.answer(200, number)
    assert [record["response"] for record in read(2, 0, 1)["records"]] == [2, 0, 1]


def test_the_small_list_of_the_first_try_is_sent(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As the data of a single write; the log says so where the list is another by now."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    scripted.answer(429, {}, Retry_After="0")
    with pytest.raises(BulkError):
        create(records(2)).execute(tries.context())
    for _ in range(2):
        scripted.answer(201, {})
    create(records(3)).execute(tries.context())
    assert sent(scripted) == [0, 0, 1]
    assert "The list of an earlier try is sent" in caplog.text


@pytest.mark.parametrize("status", [404, 409])
def test_a_killed_try_may_have_deleted(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, status: int
) -> None:
    """Of what was in flight a 404 is a success in the next try, and a 409 ambiguous; of the rest, errors."""
    set_connection(scripted.url)
    endpoints = [f"api/users/{n}" for n in range(FEWEST + 1)]

    def delete(**arguments: Any) -> Any:
        operator = MirrorDBDeleteOperator(task_id="t", endpoint=endpoints, concurrency=1, **arguments)
        return operator.execute(tries.context())

    for _ in endpoints:
        scripted.answer(204)
    killed = Killed(scripted, tries, 1)
    delete(response_filter=killed)
    killed.restore()
    for _ in endpoints:
        scripted.answer(status)
    report = delete(on_error="continue", max_failed=1.0)
    expected = "done" if status == 404 else "ambiguous"
    assert statuses(report) == [expected] * FEWEST + ["failed"]


class Killed:
    """Keeps what the store holds at the moment a request arrives, as a worker killed then leaves it."""

    def __init__(self, scripted: ScriptedBackend, tries: Tries, after: int) -> None:
        self._scripted, self._tries, self._after = scripted, tries, after
        self.left: dict[str, Any] = {}

    def restore(self) -> None:
        """Let the next try find that."""
        self._tries.store.clear()
        self._tries.store.update(self.left)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [from_text(kept["value"]) for kept in self.left.values()]

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
    killed.restore()
    name_of = RecordNames().of
    names = [
        name_of(MirrorDBRequest(method="POST", endpoint="api/users", data=data)) for data in records(number)
    ]
    known = [at for at, name in enumerate(names) if any(name in row.get("done", {}) for row in killed.rows)]
    assert set(range(FEWEST - 8)) <= set(known) <= set(range(FEWEST))  # a few were on their way just then
    with pytest.raises(AirflowFailException, match="an earlier try of this task was ended") as raised:
        create(records(number)).execute(tries.context())
    told = statuses(cause(raised).report)
    assert set(told) == {"done", "ambiguous"}
    assert [at for at, status in enumerate(told) if status == "done"] == known
    report = create(records(number), **TOLERANT).execute(tries.context())
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
    killed.restore()
    for _ in range(FEWEST):
        scripted.answer(201, {})
    report = create(records(number), **TOLERANT).execute(tries.context())
    assert statuses(report) == ["ambiguous"] * FEWEST + ["done"] * FEWEST
    assert sent(scripted)[first:] == list(range(FEWEST, number))
    again = create(records(number), **TOLERANT).execute(tries.context())
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
    killed.restore()
    assert create(records(5)).execute(tries.context())["done"] == 5
    keys = [headers["Idempotency-Key"] for headers in scripted.headers]
    assert keys[:5] == keys[5:]


def test_time_out_in_flight_is_ambiguous_at_once(set_connection: SetConnection, tries: Tries) -> None:
    """A time-out that cuts a write off fails the task for good, and the error says which record it was."""
    with TimedOut() as backend:
        set_connection(f"http://{backend.host}")
        words = "1 ambiguous, 4 not begun; counted from 0, record 0"
        with pytest.raises(AirflowFailException, match=words) as raised:
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


def test_what_was_taken_but_not_begun_may_be_in_flight(tries: Tries) -> None:
    """A sender takes some records at once; one that is killed right after a note may have sent them all."""
    names = [f"{number:0{NAME_LENGTH}}" for number in range(2 * FEWEST)]

    def memory_of_a_try() -> BulkState:
        memory = BulkState(tries.context(), most_bytes=2**20, reads=False)
        memory.recall(None, records(len(names)))
        memory.begin(names, repeatable=False)
        return memory

    items = memory_of_a_try().watched(names)
    assert [next(items) for _ in range(FEWEST + 1)] == names[: FEWEST + 1]
    assert memory_of_a_try().unknown == set(range(2 * FEWEST))


def test_without_a_store_a_partly_done_bulk_is_not_retried(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Before Airflow 3.3 a next try could not know what must not be sent again, unless there are keys."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    scripted.answer(201, {})
    scripted.answer(429, {}, Retry_After="0")
    with pytest.raises(AirflowFailException, match="1 record done, 1 failed"):
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
    create(records(FEWEST + 20), **TOLERANT, response_filter=killed).execute(tries.context())
    killed.restore()
    report = create(records(FEWEST + 20), **TOLERANT).execute(tries.context())
    assert "502 Bad Gateway" in report["records"][0]["error"]["message"]
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
    assert 3 <= asked["set"] <= 2 + 640 / FEWEST


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 executes no operator in another thread")
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("extra", [{}, KEYED])
async def test_tries_through_faults_double_nothing(
    server: DevServer,
    set_connection: SetConnection,
    tries: Tries,
    caplog: pytest.LogCaptureFixture,
    extra: dict[str, Any],
    *,
    shuffled: bool,
) -> None:
    """Airflow's retries end with each record there as told: once if done, and at most once if ambiguous.

    So they do with a list that is too large to be kept, and comes in another order each time.
    """
    caplog.set_level("CRITICAL", "airflow_mirrordb")
    rng = random.Random(3)
    data = [{**record, "long": "x" * 500} for record in records(200)] if shuffled else records(200)
    faults = [rng.choice(QUICK) if rng.random() < 0.1 else Fault.NONE for _ in range(4000)]
    if not extra:  # all that tells nobody whether it was carried out ends an unkeyed bulk
        faults = [Fault.NONE] * 90 + faults
    ends = Counter[str]()
    async with FaultProxy(server.port, faults) as proxy:
        set_connection(proxy.base_url, extra={**extra, "max_attempts": 1})
        for _ in range(100):
            try:
                if shuffled:
                    data = rng.sample(data, len(data))
                report = await asyncio.to_thread(create(data, concurrency=8).execute, tries.context())
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
    for record, status in zip(data, told, strict=True):
        allowed = {"done": (1,), "ambiguous": (0, 1)}.get(status, (0,))
        assert there[record["n"]] in allowed, (record["n"], status)
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

    from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy

    policy = MirrorDBRetryPolicy()
    decision = policy.evaluate(BulkError(message="429", retryable=True, retry_after=90.0), 1, 3)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=90))
