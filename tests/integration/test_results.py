"""What a task returns can be stored, whatever the backend answered; what cannot is one clear error."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, PokeReturnValue
from hypothesis import given, settings

from airflow_mirrordb import compat
from airflow_mirrordb.client import GenericMirrorDB, InvalidResponseError, MirrorDBRequest
from airflow_mirrordb.operators import bulk_result
from airflow_mirrordb.operators.base import MirrorDBOperator
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.outcomes import result
from airflow_mirrordb.task.serialization import NotStorableError, storable
from tests.integration.test_operators import KEYED, MODES, context, run
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection
from tests.support.json_values import JSON_VALUES, nested, same

BIG = {"items": [{"id": 1}, {"id": 2**64}]}
HALF = b'{"text": "great day \\ud83d", "n": 1}'  # a text that was cut in the middle of an emoji
LARGE = [{"id": number, "pad": "x" * 1000} for number in range(1500)]

every_mode = pytest.mark.parametrize("mode", MODES)


def read(**arguments: Any) -> MirrorDBReadOperator:
    return MirrorDBReadOperator(**{"task_id": "read", "endpoint": "api/users", **arguments})


def create(**arguments: Any) -> MirrorDBCreateOperator:
    return MirrorDBCreateOperator(**{"task_id": "create", "endpoint": "api/users", "data": {}, **arguments})


def sensor(**arguments: Any) -> MirrorDBSensor:
    return MirrorDBSensor(**{"task_id": "wait", "endpoint": "api/users", **arguments})


def failure(work: Callable[[], Any]) -> InvalidResponseError:
    """Return the error with which a task fails for good."""
    with pytest.raises(AirflowFailException) as raised:
        work()
    error = raised.value.__cause__
    assert isinstance(error, InvalidResponseError)
    return error


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    for logs in (MirrorDBOperator, MirrorDBSensor):  # Airflow 3 gives them loggers past caplog
        monkeypatch.setattr(logs, "log", logging.getLogger(logs.__name__))

    def of_replacements() -> list[str]:
        """Return the warnings that something was replaced; a trigger outside Airflow has others."""
        return [
            record.message
            for record in caplog.records
            if record.levelno == logging.WARNING and "U+FFFD" in record.message
        ]

    return of_replacements


# -- what is replaced ------------------------------------------------------------------------------


@every_mode
@pytest.mark.parametrize("make", [read, create])
def test_half_a_surrogate_pair_is_replaced_with_a_warning(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    warnings: Callable[[], list[str]],
    make: Callable[..., MirrorDBOperator],
    mode: str,
) -> None:
    """A backend that cut a text after n UTF-16 units fails no task (encode/django-rest-framework#6895)."""
    set_connection(scripted.url, extra=KEYED)
    scripted.answer(200, HALF)
    assert run(make(**MODES[mode])) == {"text": "great day \ufffd", "n": 1}
    assert len(warnings()) == 1


def test_half_of_a_pair_in_a_result(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The simplest example of the one above."""
    set_connection(scripted.url)
    scripted.answer(200, HALF)
    assert run(read()) == {"text": "great day \ufffd", "n": 1}


def test_a_sensor_replaces_it_as_well(
    scripted: ScriptedBackend, set_connection: SetConnection, warnings: Callable[[], list[str]]
) -> None:
    """Its result is an XCom like any other."""
    set_connection(scripted.url)
    scripted.answer(200, HALF)
    poked = sensor().poke(context())
    assert isinstance(poked, PokeReturnValue)
    assert poked.xcom_value == {"text": "great day \ufffd", "n": 1}
    assert len(warnings()) == 1


# -- what is refused -------------------------------------------------------------------------------


@every_mode
def test_a_read_that_cannot_be_stored_is_one_clear_error(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: str
) -> None:
    """It names the value and what to do; no retry of Airflow's would help."""
    set_connection(scripted.url)
    scripted.answer(200, BIG, X_Request_ID="r1")
    error = failure(lambda: run(read(**MODES[mode], method_name="list")))
    assert "$.items[1].id" in str(error)
    assert "response_filter" in str(error)
    assert "output_path" in str(error)
    assert "applied" not in str(error)
    facts = (error.method, error.endpoint, error.method_name, error.status, error.request_id, error.attempts)
    assert facts == ("GET", "api/users", "list", 200, "r1", 1)


@every_mode
@pytest.mark.parametrize("extra", [KEYED, {}])
def test_a_create_that_cannot_be_stored_was_applied(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: str, extra: dict[str, Any]
) -> None:
    """The error says so, is final, and has been sent once."""
    set_connection(scripted.url, extra=extra)
    scripted.answer(201, BIG)
    error = failure(lambda: run(create(**MODES[mode])))
    assert "$.items[1].id" in str(error)
    assert "the write itself was applied" in str(error)
    assert "output_path" not in str(error)
    assert error.maybe_applied
    assert len(scripted.requests) == 1


def test_a_sensor_that_cannot_store_what_it_saw_fails(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """It would see the same at the next look."""
    set_connection(scripted.url)
    scripted.answer(200, BIG)
    error = failure(lambda: sensor().execute(context()))
    assert "$.items[1].id" in str(error)
    assert "output_path" not in str(error)


@every_mode
def test_response_filter_decides_what_is_stored(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: str
) -> None:
    """It gets the answer as it was, half a surrogate pair and all."""
    set_connection(scripted.url)
    scripted.answer(200, {**BIG, "text": "\ud83d"})
    found = run(
        read(response_filter=lambda body: [str(body["items"][1]["id"]), len(body["text"])], **MODES[mode])
    )
    assert found == ["18446744073709551616", 1]


@every_mode
@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("rows", [{"id": 1, "tags": []}, {"id": 2, "tags": ["new"]}]),
        ("rows[].id", [1, 2]),
        ("rows.-1.tags.0", "new"),
        ("rows[?id==`9`]", []),
        ("meta", None),
        ("@odata.count", 2),
        ("missing[].id", None),  # as JMESPath says: what is not there is null
    ],
)
def test_response_filter_is_a_path(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: str, path: str, kept: Any
) -> None:
    """It is JMESPath (https://jmespath.org/specification.html), as every path into a body."""
    set_connection(scripted.url)
    body = {"rows": [{"id": 1, "tags": []}, {"id": 2, "tags": ["new"]}], "meta": None, "@odata.count": 2}
    scripted.answer(200, body)
    assert run(read(response_filter=path, **MODES[mode])) == kept


@every_mode
@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        ({"data": [], "total": 0}, "rows", "'rows' of the answer, which has 'data', 'total'"),
        ({}, "rows", "which has no name"),
        ({str(n): n for n in range(12)}, "rows", "'8', '9' and 2 more"),
        ([1, 2], "rows", "which is a list of 2"),
        ("words", "rows", "which is of the type str"),
        ({"rows": 7}, "length(rows)", "length\\(\\) takes"),
    ],
)
def test_a_path_at_which_nothing_lies_is_final(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    mode: str,
    body: Any,
    path: str,
    reason: str,
) -> None:
    """Another try would find nothing, too; who reads the error sees what there is instead."""
    set_connection(scripted.url)
    scripted.answer(200, body)
    error = failure(lambda: run(read(response_filter=path, **MODES[mode])))
    assert re.search(f"response_filter: .*{reason}", str(error))
    assert not error.maybe_applied


@every_mode
def test_a_path_at_which_nothing_lies_after_a_write(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: str
) -> None:
    """The write was applied, and no retry of Airflow's does it again."""
    set_connection(scripted.url, extra=KEYED)
    scripted.answer(201, {"name": "Ada"})
    error = failure(lambda: run(create(response_filter="id", **MODES[mode])))
    assert "nothing at 'id' of the answer, which has 'name'" in str(error)
    assert error.maybe_applied


@every_mode
def test_of_an_answer_without_a_body_a_path_keeps_none(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: str
) -> None:
    """A 204 and a 304 are successes without anything to look at."""
    set_connection(scripted.url, extra=KEYED)
    scripted.answer(204)
    assert run(create(response_filter="id", **MODES[mode])) is None


@every_mode
def test_a_task_that_pushes_no_xcom_stores_nothing(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: str
) -> None:
    """So nothing is refused, nor too large."""
    set_connection(scripted.url, extra=KEYED)
    scripted.answer(201, BIG)
    assert run(create(do_xcom_push=False, **MODES[mode])) == BIG


@every_mode
def test_an_xcom_backend_decides_itself(
    scripted: ScriptedBackend, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Airflow's own for object storage writes ASCII JSON, which takes any number and any text."""
    monkeypatch.setattr(result, "has_xcom_backend", lambda: True)
    set_connection(scripted.url)
    scripted.answer(200, {**BIG, "text": "\ud83d"})
    assert run(read(**MODES[mode])) == {**BIG, "text": "\ud83d"}


def test_what_airflow_serializes_is_left_to_it(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """A response_filter may return dates, sets and tuples: XComs hold them."""
    set_connection(scripted.url)
    made = {"at": datetime(2026, 1, 1, tzinfo=timezone.utc), "ids": {1, 2}, "pair": ("a", 1.5)}
    scripted.answer(200, {})
    assert run(read(response_filter=lambda _body: made)) is made


class Unknown:
    """An object that Airflow cannot serialize."""


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"a": [Unknown()]}, r"\$\.a\[0\].*Unknown"),
        ({"ids": {2**64}}, r"\$\.ids.*bits"),
        ([("\ud83d",)], r"\$\[0\].*half a surrogate pair"),
        ({"__classname__": "x"}, "__classname__"),
        ([float("nan")], r"\$\[0\].*JSON has no nan"),
    ],
)
def test_what_response_filter_may_not_return_after_a_write(
    scripted: ScriptedBackend, set_connection: SetConnection, made: Any, words: str
) -> None:
    """It fails the task for good, for a retry would send the write again only to fail so again."""
    set_connection(scripted.url)
    scripted.answer(201, {})
    with pytest.raises(AirflowFailException, match=f"(?s){words}.*the write itself was applied"):
        run(create(response_filter=lambda _body: made))


def test_the_own_xcom_backend_is_known() -> None:
    """Without a setting, XComs go to Airflow's own."""
    assert compat.has_xcom_backend() is False


# -- what is too large -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["worker", "worker first"])
def test_a_large_answer_of_which_little_is_kept_is_no_error(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: str
) -> None:
    """On a worker only the filtered result is stored (apache/airflow#9885, use case 1)."""
    set_connection(scripted.url)
    scripted.answer(200, LARGE)
    assert run(read(response_filter=len, **MODES[mode])) == 1500


def test_a_sensor_may_see_much_and_keep_little(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """As with a read."""
    set_connection(scripted.url)
    scripted.answer(200, LARGE)
    assert sensor(response_filter=len).execute(context()) == 1500


@pytest.mark.parametrize("arguments", [{}, {"response_filter": lambda body: [*body, "é"]}])
def test_a_large_result_is_an_error_on_a_worker(
    scripted: ScriptedBackend, set_connection: SetConnection, arguments: dict[str, Any]
) -> None:
    """It names the limit and what to do."""
    set_connection(scripted.url)
    scripted.answer(200, LARGE)
    error = failure(lambda: run(read(**arguments)))
    assert "max_event_bytes (1,048,576)" in str(error)
    assert "or write the answer to output_path" in str(error)


@pytest.mark.parametrize(("filtered", "size"), [(["é"], 6), ({"a": "\ud800"}, 11), ("abc", 5)])
def test_a_filtered_result_is_measured_in_bytes(
    scripted: ScriptedBackend, set_connection: SetConnection, filtered: Any, size: int
) -> None:
    """In those of its JSON text in UTF-8."""
    set_connection(scripted.url)
    scripted.answers = [(200, {}, {})] * 2
    run(read(response_filter=lambda _body: filtered, max_event_bytes=size))
    error = failure(lambda: run(read(response_filter=lambda _body: filtered, max_event_bytes=size - 1)))
    assert f"the result of {size} bytes" in str(error)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (read, "with deferrable=False, or write the answer to output_path"),
        (create, "with deferrable=False; the write itself was applied"),
    ],
)
def test_a_large_answer_in_the_triggerer_says_what_to_do(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    make: Callable[..., MirrorDBOperator],
    words: str,
) -> None:
    """It has to be stored before a worker could filter it."""
    set_connection(scripted.url, extra=KEYED)
    scripted.answer(200, LARGE)
    error = failure(lambda: run(make(response_filter=len, **MODES["triggerer"])))
    assert "the answer of 1," in str(error)
    assert words in str(error)


class FetchOperator(MirrorDBOperator):
    """A read of somebody's own, which has no ``output_path``."""

    only_reads = True

    def request(self, context: Any, client: GenericMirrorDB) -> MirrorDBRequest:  # noqa: ARG002  # as the base has it
        return self._request("GET")


@every_mode
def test_an_argument_that_the_operator_does_not_have_is_not_advised(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: str
) -> None:
    """A file is for the operator that can write one; the error is the same in every mode."""
    set_connection(scripted.url)
    scripted.answer(200, LARGE)
    error = failure(lambda: run(FetchOperator(task_id="fetch", endpoint="api/users", **MODES[mode])))
    assert str(error).endswith("keep less of it by response_filter with deferrable=False")


def test_a_path_that_the_triggerer_would_not_be_given_is_told(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Python gives bytes of a file's name that are no UTF-8 as halves of surrogate pairs (PEP 383)."""
    set_connection(scripted.url)
    with pytest.raises(AirflowFailException, match=r"output_path: \$: .*set deferrable=False"):
        run(read(output_path="/tmp/\udcff", **MODES["triggerer"]))
    assert scripted.requests == []


# -- many records ----------------------------------------------------------------------------------


MANY: list[Any] = [{"id": 1}, {"id": 2**64}, {"text": "\ud83d"}, {"deep": nested(0, 200)}]


def test_answers_of_a_bulk_that_cannot_be_stored_are_left_out(
    scripted: ScriptedBackend, set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """All writes were applied, and the other answers are there; one warning says which are not, and why."""
    set_connection(scripted.url)
    for body in MANY:
        scripted.answer(201, body)
    report = create(data=[{"n": n} for n in range(4)], bulk=True, concurrency=1).execute(context())
    assert report["done"] == 4
    assert [record.get("response") for record in report["records"]] == [
        {"id": 1},
        None,
        {"text": "\ufffd"},
        None,
    ]
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "2 answers" in warnings[0]
    assert "$.records[1].response.id" in warnings[0]
    assert "U+FFFD" in warnings[1]
    assert storable(report) is report


def test_reads_of_a_bulk_that_cannot_be_stored_are_an_error(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Reads are for their answers."""
    set_connection(scripted.url)
    for body in MANY:
        scripted.answer(200, body)
    task = read(endpoint=[f"api/users/{n}" for n in range(4)], concurrency=1)
    assert "$.records[1].response.id" in str(failure(lambda: task.execute(context())))


def test_the_errors_in_the_report_of_a_bulk_can_be_stored(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """They repeat what a backend said, and what an author asked for."""
    set_connection(scripted.url)
    scripted.answer(422, b'{"detail": "no \\u0000 in a name, nor \\ud83d"}')
    endpoints = ["api/users/1", "api/users/\ud83d", "api/users/\0"]
    task = read(endpoint=endpoints, on_error="continue", max_failed=3, concurrency=1)
    report = task.execute(context())
    assert report["failed"] == 3
    assert "no \ufffd in a name" in report["records"][0]["error"]["message"]
    assert storable(report) is report


def test_a_report_that_goes_to_no_xcom_or_another_backend_is_whole(
    scripted: ScriptedBackend, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a single answer."""
    set_connection(scripted.url)
    monkeypatch.setattr(bulk_result, "has_xcom_backend", lambda: True)
    for arguments in ({"do_xcom_push": False, "max_event_bytes": 1}, {}):
        scripted.answer(200, BIG)
        report = read(endpoint=["api/users/1"], **arguments).execute(context())
        assert report["records"] == [{"status": "done", "response": BIG}]


# -- deferred and direct -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def echo() -> Iterator[ScriptedBackend]:
    backend = ScriptedBackend()
    backend.start()
    yield backend
    backend.stop()


def ended(operator: MirrorDBOperator) -> tuple[str, Any]:
    """Return how a task ends."""
    try:
        return "success", run(operator)
    except AirflowFailException as failure:
        return "failed", str(failure)


@settings(max_examples=30)  # each is four tasks
@given(value=JSON_VALUES)
def test_deferred_and_direct_send_and_give_the_same(echo: ScriptedBackend, value: Any) -> None:
    """Whatever the data is, and whatever the backend answers to it."""
    connection = {"conn_type": "mirrordb", "host": echo.url, "extra": KEYED}
    ends = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", json.dumps(connection))
        for mode in ("worker", "triggerer"):
            echo.bodies.clear()
            echo.answers = [(201, json.dumps(value).encode(), {})]
            ends.append((*ended(create(data={"value": value}, **MODES[mode])), [*echo.bodies]))
            echo.answers = [(200, json.dumps(value).encode(), {})]
            ends.append((*ended(read(**MODES[mode])), []))
    created, got, deferred_create, deferred_read = ends
    for direct, deferred in ((created, deferred_create), (got, deferred_read)):
        assert same([*direct[:2]], [*deferred[:2]])
        assert direct[2] == deferred[2]
    try:
        wanted: tuple[str, Any] = ("success", storable(value))
    except NotStorableError:
        wanted = ("failed", got[1])
    assert same([*got[:2]], [*wanted])
