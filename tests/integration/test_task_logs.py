"""What the whole log of a task says, from its tries on workers and from its trigger: each thing once."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_mirrordb.client import BulkError, JobFailedError, ServerError
from airflow_mirrordb.operators.base import MirrorDBOperator
from airflow_mirrordb.operators.job import MirrorDBJobOperator
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.triggers import start
from airflow_mirrordb.triggers.start import MirrorDBReadStartTrigger, MirrorDBSensorStartTrigger
from tests.integration.test_operators import first_event, run
from tests.integration.test_operators_tries import KEYED, Tries
from tests.integration.test_start_from_trigger import since_airflow_3_3
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

THROUGH = "through connection mirrordb_default"
_SECONDS = re.compile(r"\b\d[\d.e-]* s\b")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return our lines so far, without durations, and forget them."""
    caplog.set_level("INFO")
    name = "airflow_mirrordb.operators"  # Airflow 3 gives them loggers past caplog
    for task in (MirrorDBOperator, MirrorDBSensor):
        monkeypatch.setattr(task, "log", logging.getLogger(name))
    monkeypatch.setattr(start, "log", logging.getLogger(start.__name__))

    def lines() -> list[str]:
        ours = [it.message for it in caplog.records if it.name.startswith("airflow_mirrordb")]
        caplog.clear()
        return [_SECONDS.sub("… s", line) for line in ours]

    return lines


def bulk(records: Any, **arguments: Any) -> MirrorDBCreateOperator:
    given = {"endpoint": "api/users", "concurrency": 1, "data": records, "bulk": True, **arguments}
    return MirrorDBCreateOperator(task_id="t", **given)


# -- worker and triggerer ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "answers", "came"),
    [
        ({}, [(200, {"id": 7}, {})], "200 OK in … s, 9 bytes"),
        (
            {"paginate": {"style": "page", "param": "p"}},
            [(200, [{"id": 1}], {}), (200, [], {})],
            "200 OK in … s, 1 record in 2 pages, 13 bytes",
        ),
    ],
)
def test_what_came_is_told_once_by_who_got_it(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    triggerer: object,
    told: Callable[[], list[str]],
    arguments: dict[str, Any],
    answers: list[Any],
    came: str,
) -> None:
    """Airflow shows the lines of worker and triggerer as one log, so the worker that resumes adds none."""
    set_connection(scripted.url)
    read: dict[str, Any] = {"task_id": "t", "endpoint": "api/users", **arguments}
    name = f"GET api/users {THROUGH}"

    scripted.answers = [*answers]
    run(MirrorDBReadOperator(**read))
    assert told() == [name, came]

    scripted.answers = [*answers]
    run(MirrorDBReadOperator(**read, deferrable=True, worker_timeout=0))
    handed_over = "worker_timeout is 0; the task is deferred until a triggerer sends it"
    assert told() == [f"{name}: {handed_over}", f"{name}: {came}"]


def test_an_error_is_told_by_the_worker_alone(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    triggerer: object,
    told: Callable[[], list[str]],
) -> None:
    """It raises what the triggerer met, which Airflow logs; the triggerer has logged the event by then."""
    set_connection(scripted.url)
    scripted.answer(404)
    with pytest.raises(AirflowFailException, match=f"GET api/users {THROUGH}: 404 Not Found"):
        run(MirrorDBReadOperator(task_id="t", endpoint="api/users", deferrable=True, worker_timeout=0))
    (line,) = told()
    assert "is deferred until a triggerer sends it" in line


def test_a_failed_job_is_told_by_the_worker_alone(
    scripted: ScriptedBackend, set_connection: SetConnection, triggerer: object, told: Callable[[], list[str]]
) -> None:
    """As any error that the triggerer met."""
    set_connection(scripted.url)
    scripted.answer(202, {}, Location="/api/jobs/1")
    for state in ("running", "failed"):
        scripted.answer(200, {"state": state})
    states: dict[str, Any] = {"state": "state", "succeeded": ["done"], "failed": ["failed"]}
    job = MirrorDBJobOperator(
        task_id="t",
        endpoint="api/jobs",
        data={},
        poll_interval=0.01,
        deferrable=True,
        worker_timeout=0,
        **states,
    )
    with pytest.raises(JobFailedError, match=f"GET api/jobs/1 {THROUGH}: the job failed"):
        run(job)
    assert not scripted.answers
    assert "the job failed" not in "".join(told())


@since_airflow_3_3
@pytest.mark.usefixtures("triggerer", "told")
def test_a_sensor_that_begins_too_late_polls_once(
    scripted: ScriptedBackend, set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """No triggerer was there before; the time that is left is not below zero."""
    set_connection(scripted.url)
    scripted.answer(200, {"state": "new"})
    trigger = MirrorDBSensorStartTrigger(
        endpoint="api/users/7", field="state", equals="done", timeout=60, longest=61
    )
    trigger.timeout_after = datetime.now(timezone.utc) - timedelta(hours=1)
    asyncio.run(first_event(trigger))
    assert "waiting for state to be 'done', for at most 0 s" in caplog.text


@since_airflow_3_3
def test_a_task_without_a_worker_says_what_is_asked(
    scripted: ScriptedBackend, set_connection: SetConnection, triggerer: object, told: Callable[[], list[str]]
) -> None:
    """No worker has said so before; a sensor says what it waits for, as on a worker."""
    set_connection(scripted.url)
    scripted.answer(200, {"id": 7})
    asyncio.run(first_event(MirrorDBReadStartTrigger(endpoint="api/users/7")))
    name = f"GET api/users/7 {THROUGH}"
    assert told() == [name, f"{name}: 200 OK in … s, 9 bytes"]

    scripted.answer(200, {"state": "done"})
    asyncio.run(
        first_event(
            MirrorDBSensorStartTrigger(endpoint="api/users/7", field="state", equals="done", timeout=60)
        )
    )
    assert told() == [
        f"{name}: waiting for state to be 'done', for at most … s",
        f"{name}: Met: answered 200, state is 'done'",
    ]


# -- a try after another one ---------------------------------------------------------------------


@since_airflow_3_3
def test_a_retry_says_that_the_write_may_have_been_applied(
    scripted: ScriptedBackend, set_connection: SetConnection, told: Callable[[], list[str]]
) -> None:
    """Who reads that a create was sent by two tries sees why it exists once all the same.

    A key makes a POST fault-tolerant (draft-ietf-httpapi-idempotency-key-header, section 1).
    """
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    tries = Tries()
    for status in (500, 201):
        scripted.answer(status, {})
        operator = MirrorDBCreateOperator(task_id="t", endpoint="api/users", data={"n": 1})
        if status == 500:
            with pytest.raises(ServerError):
                operator.execute(tries.context())
            told()
        else:
            operator.execute(tries.context())
    name = f"POST api/users {THROUGH}"
    again = "an earlier try may have applied this; it is sent again with the same idempotency key"
    assert told() == [f"{name}: {again}", name, "201 Created in … s, 2 bytes"]


@since_airflow_3_3
def test_a_retry_of_a_delete_says_what_a_404_means(
    scripted: ScriptedBackend, set_connection: SetConnection, told: Callable[[], list[str]]
) -> None:
    """The record is gone, by whichever of the two tries."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    tries = Tries()
    for status in (500, 404):
        scripted.answer(status)
        operator = MirrorDBDeleteOperator(task_id="t", endpoint="api/users/7")
        if status == 500:
            with pytest.raises(ServerError):
                operator.execute(tries.context())
            told()
        else:
            operator.execute(tries.context())
    name = f"DELETE api/users/7 {THROUGH}"
    assert (
        told()[0] == f"{name}: an earlier try may have applied this; it is sent again, and a 404 is a success"
    )


@since_airflow_3_3
def test_a_retry_of_what_was_refused_is_no_news(
    scripted: ScriptedBackend, set_connection: SetConnection, told: Callable[[], list[str]]
) -> None:
    """Nothing was applied."""
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    tries = Tries()
    for status in (429, 201):
        scripted.answer(status, {}, Retry_After="0")
        operator = MirrorDBCreateOperator(task_id="t", endpoint="api/users", data={"n": 1})
        if status == 429:
            with pytest.raises(Exception, match="429"):
                operator.execute(tries.context())
            told()
        else:
            operator.execute(tries.context())
    assert told()[0] == f"POST api/users {THROUGH}"


@since_airflow_3_3
def test_a_rescheduled_sensor_says_once_what_it_waits_for(
    scripted: ScriptedBackend, set_connection: SetConnection, told: Callable[[], list[str]]
) -> None:
    """Each poll is a process of its own, and the time was not given anew."""
    set_connection(scripted.url)
    tries, looks = Tries(), []
    for state in ("new", "new", "done"):
        scripted.answer(200, {"state": state})
        sensor = MirrorDBSensor(
            task_id="t", endpoint="api/users/7", field="state", equals="done", timeout=60, mode="reschedule"
        )
        sensor.poke(tries.context())
        looks += told()
    assert looks == [
        f"GET api/users/7 {THROUGH}: waiting for state to be 'done', for at most … s",
        "Not met yet: answered 200, state is 'new'",
        "Not met yet: answered 200, state is 'new'",
        "Met: answered 200, state is 'done'",
    ]


# -- many records --------------------------------------------------------------------------------


def test_a_bulk_says_what_it_sends_and_what_became_of_it(
    scripted: ScriptedBackend, set_connection: SetConnection, told: Callable[[], list[str]]
) -> None:
    """Each line names the endpoint; a record that failed has its place, and is told once."""
    set_connection(scripted.url)
    scripted.answers = [(201, {}, {}), (422, {"detail": "no"}, {}), (201, {}, {})]
    bulk([{"n": n} for n in range(3)], on_error="continue", max_failed=1).execute(Tries().context())
    name = f"Bulk of POST api/users {THROUGH}"
    assert told() == [
        f"{name}: 3 records to send",
        f"{name}: record 1 failed: 422 Unprocessable Content: no",
        f"{name}: 2 records done, 1 failed, after … s",
    ]


def test_a_list_of_endpoints_is_told_by_its_ends(
    scripted: ScriptedBackend, set_connection: SetConnection, told: Callable[[], list[str]]
) -> None:
    """All of them would fill the log."""
    set_connection(scripted.url, extra={"max_concurrency": 1})
    scripted.answers = [(200, {}, {}), (404, None, {})]
    endpoints = ["api/users/1", "api/users/2"]
    read = MirrorDBReadOperator(task_id="t", endpoint=endpoints, on_error="continue", max_failed=1)
    read.execute(Tries().context())
    name = f"Bulk of GET {THROUGH}"
    assert told() == [
        f"{name}: 2 records to send, api/users/1 to api/users/2",
        f"{name}: record 1 (api/users/2) failed: 404 Not Found",
        f"{name}: 1 record done, 1 failed, after … s",
    ]


@pytest.mark.parametrize("task", [bulk([]), MirrorDBReadOperator(task_id="t", endpoint=[])])
def test_a_bulk_of_nothing_says_so(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    told: Callable[[], list[str]],
    task: MirrorDBOperator,
) -> None:
    """An upstream task that found nothing is the likeliest cause, which ``0 records done`` does not tell."""
    set_connection(scripted.url)
    task.execute(Tries().context())
    (line,) = told()
    assert line.endswith(f"{THROUGH}: the list is empty, so nothing was sent")


@pytest.mark.parametrize("status", [422, 429])
def test_who_is_about_to_clear_a_bulk_knows_what_that_sends(
    scripted: ScriptedBackend, set_connection: SetConnection, status: int
) -> None:
    """A cleared task begins anew, and what it created exists twice then; a retry sends what is left."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    wait = {"Retry-After": "0"} if status == 429 else {}
    scripted.answers = [(201, {}, {}), (status, None, wait)]
    with pytest.raises((BulkError, AirflowFailException)) as raised:
        bulk([{"n": n} for n in range(2)]).execute(Tries().context())
    warned = "; clearing the task would send the records that are done again" in str(raised.value)
    assert warned is (status == 422)


@since_airflow_3_3
@pytest.mark.parametrize("extra", [{}, KEYED])
def test_a_retry_of_a_bulk_names_records_by_their_place_in_the_whole_list(
    scripted: ScriptedBackend, set_connection: SetConnection, told: Callable[[], list[str]], extra: Any
) -> None:
    """The place among those that are left would lead to another record."""
    set_connection(scripted.url, extra={**extra, "max_attempts": 1})
    tries, records = Tries(), [{"n": n} for n in range(3)]
    scripted.answers = [(201, {}, {}), (429, None, {"Retry-After": "0"})]
    with pytest.raises(BulkError):
        bulk(records).execute(tries.context())
    told()
    scripted.answers = [(201, {}, {}), (422, {"detail": "no"}, {})]
    with pytest.raises(AirflowFailException, match="record 2: 422"):
        bulk(records).execute(tries.context())
    name = f"Bulk of POST api/users {THROUGH}"
    assert json.loads(scripted.bodies[-1]) == {"n": 2}
    assert told() == [
        f"{name}: 2 of 3 records to send; the others ended in an earlier try",
        f"{name}: record 2 failed: 422 Unprocessable Content: no",
        f"{name}: 1 record done, 1 failed, after … s",
    ]


@since_airflow_3_3
def test_a_retry_of_a_bulk_says_how_many_may_have_been_applied(
    scripted: ScriptedBackend, set_connection: SetConnection, told: Callable[[], list[str]]
) -> None:
    """They are sent again with the same keys."""
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    tries, records = Tries(), [{"n": n} for n in range(2)]
    scripted.answers = [(201, {}, {}), (500, None, {})]
    with pytest.raises(BulkError):
        bulk(records).execute(tries.context())
    told()
    scripted.answer(201, {})
    bulk(records).execute(tries.context())
    assert told()[0] == (
        f"Bulk of POST api/users {THROUGH}: 1 of 2 records to send; the others ended in an earlier try;"
        " 1 may have been applied by it, and is sent again with the same idempotency key"
    )
