"""MirrorDBJobOperator: one task that submits, waits, fetches and cancels; and what its retries do."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    ForbiddenError,
    InvalidRequestError,
    JobFailedError,
    JobTimeoutError,
    MirrorDBError,
    ServerError,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.job import MirrorDBJobOperator
from airflow_mirrordb.task.outcomes import events
from airflow_mirrordb.task.serialization import from_text
from airflow_mirrordb.triggers.job import MirrorDBJobTrigger
from tests.integration.test_operators import first_event, restored
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection
from tests.support.task_tries import StateStore
from tests.support.triggering import Triggerer

pytestmark = pytest.mark.usefixtures("triggerer")

KEYED = {"idempotency_header": "Idempotency-Key"}
MODES: dict[str, dict[str, Any]] = {
    "worker": {},
    "deferrable": {"deferrable": True},
    "triggerer": {"deferrable": True, "worker_timeout": 0},
}
#: How the jobs of these tests are told; the words are those of no API in particular.
STATES: dict[str, Any] = {
    "state": "status",
    "succeeded": ["done"],
    "failed": ["failed", "cancelled"],
    "error": "error.message",
    "cancel": "POST api/jobs/{id}/cancel",
    "poll_interval": 0.001,
}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


class Tries:
    """The tries of one task; ``clear()`` is a user's.

    :param remembers: whether there is a task state store, as from Airflow 3.3 on
    """

    def __init__(self, *, remembers: bool = True) -> None:
        self.store, self.max_tries, self.number = StateStore() if remembers else None, 3, 0

    def clear(self) -> None:
        self.max_tries += 1

    def run(self, operator: MirrorDBJobOperator) -> Any:
        """Make the next try, to its end, as Airflow does."""
        self.number += 1
        step: Callable[[], Any] = partial(operator.execute, self._context())
        while True:
            try:
                return step()
            except TaskDeferred as deferred:
                event = json.loads(json.dumps(asyncio.run(first_event(restored(deferred)))))
                step = partial(getattr(operator, deferred.method_name), self._context(), event)

    def _context(self) -> Any:
        ti = SimpleNamespace(
            dag_id="dag",
            run_id="run",
            task_id="task",
            map_index=-1,
            max_tries=self.max_tries,
            try_number=self.number,
            xcom_push=lambda **_: None,
        )
        return {"ti": ti} if self.store is None else {"ti": ti, "task_state_store": self.store}


@pytest.fixture
def tries() -> Tries:
    return Tries()


def job(**arguments: Any) -> MirrorDBJobOperator:
    said = {"task_id": "task", "endpoint": "api/jobs", "data": {"n": 1}, **STATES, **arguments}
    return MirrorDBJobOperator(**said)


def submitted(backend: ScriptedBackend, number: int = 7) -> None:
    backend.answer(202, {"id": number}, Location=f"/api/jobs/{number}")


def state(backend: ScriptedBackend, status: str, **more: Any) -> None:
    backend.answer(200, {"id": 7, "status": status, **more})


def keys_of(backend: ScriptedBackend) -> list[str]:
    """Return the idempotency keys of the submits."""
    return [headers["Idempotency-Key"] for headers in backend.headers if "Idempotency-Key" in headers]


def test_a_job_is_one_task(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, mode: dict[str, Any]
) -> None:
    """Submitted, polled until it is done, and its result is read; by the same requests, deferred or not."""
    set_connection(scripted.url)
    submitted(scripted)
    for status in ("queued", "running", "DONE"):
        state(scripted, status)
    scripted.answer(200, [1, 2])
    assert tries.run(job(result="api/jobs/{id}/rows", **mode)) == [1, 2]
    assert scripted.requests == ["POST /api/jobs", *["GET /api/jobs/7"] * 3, "GET /api/jobs/7/rows"]


def test_a_job_that_is_done_at_once_costs_no_deferral(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    set_connection(scripted.url)
    submitted(scripted)
    state(scripted, "done")
    context: Any = {"ti": SimpleNamespace(try_number=1, xcom_push=lambda **_: None, **_IDENTITY)}
    assert job(deferrable=True).execute(context) == {"id": 7, "status": "done"}


_IDENTITY = {"dag_id": "dag", "run_id": "run", "task_id": "task", "map_index": -1, "max_tries": 1}


def test_the_event_of_a_result_is_decoded_once(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds up to ``max_event_bytes``; whether it is an error stands beside its text."""
    decoded: list[str] = []

    def counted(text: str) -> Any:
        decoded.append(text)
        return from_text(text)

    monkeypatch.setattr(events, "from_text", counted)
    set_connection(scripted.url)
    submitted(scripted)
    state(scripted, "done")
    assert tries.run(job(**MODES["triggerer"]))["status"] == "done"
    assert len(decoded) == 1


def test_a_failed_job_is_left_to_retries_and_followed_by_another(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, mode: dict[str, Any]
) -> None:
    """The second try looks first, and its submit has another key: the backend must not replay the old job."""
    set_connection(scripted.url, extra=KEYED)
    submitted(scripted, 7)
    state(scripted, "failed", error={"message": "no space left"})
    with pytest.raises(JobFailedError, match="'failed': no space left") as failed:
        tries.run(job(**mode))
    assert (failed.value.state, failed.value.detail) == ("failed", "no space left")
    assert (failed.value.job, failed.value.retryable) == ("api/jobs/7", True)
    state(scripted, "failed")
    submitted(scripted, 8)
    state(scripted, "done")
    tries.run(job(**mode))
    assert scripted.requests[2:] == ["GET /api/jobs/7", "POST /api/jobs", "GET /api/jobs/8"]
    keys = keys_of(scripted)
    assert len(set(keys)) == len(keys) == 2


@pytest.mark.parametrize("gone", [404, 410])
def test_a_job_that_is_gone_is_followed_by_another(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, gone: int
) -> None:
    set_connection(scripted.url)
    submitted(scripted, 7)
    state(scripted, "running")
    scripted.answer(gone, {})
    with pytest.raises(JobFailedError, match="the job is gone"):
        tries.run(job())
    long_ago(tries)
    scripted.answer(gone, {})
    submitted(scripted, 8)
    state(scripted, "done")
    tries.run(job())
    assert scripted.requests[-3:] == ["GET /api/jobs/7", "POST /api/jobs", "GET /api/jobs/8"]


def long_ago(tries: Tries) -> None:
    """Let the job that a task remembers have been submitted a year ago, so that its time is over."""
    assert tries.store is not None
    kept = tries.store["mirrordb_job"]
    value = json.loads(kept["value"])
    for moment in ("submitted", "deadline"):
        value["job"][moment] -= 365 * 86_400
    tries.store["mirrordb_job"] = {**kept, "value": json.dumps(value)}


def test_a_404_right_after_the_submit_is_not_yet(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, mode: dict[str, Any]
) -> None:
    set_connection(scripted.url)
    submitted(scripted)
    scripted.answer(404, {})
    state(scripted, "done")
    assert tries.run(job(**mode)) == {"id": 7, "status": "done"}


def test_a_retry_joins_the_job_that_runs(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, mode: dict[str, Any]
) -> None:
    """The worker of the first try was killed while it polled: here the backend refuses the poll for good."""
    set_connection(scripted.url)
    submitted(scripted)
    scripted.answer(403, {})
    with pytest.raises(AirflowFailException) as refused:
        tries.run(job(**mode))
    assert isinstance(refused.value.__cause__, ForbiddenError)
    state(scripted, "running")
    state(scripted, "done")
    assert tries.run(job(**mode)) == {"id": 7, "status": "done"}
    assert scripted.requests.count("POST /api/jobs") == 1


@pytest.mark.parametrize(("answer", "error"), [(403, AirflowFailException), (500, ServerError)])
def test_a_retry_that_cannot_look_submits_nothing(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    answer: int,
    error: type[Exception],
) -> None:
    set_connection(scripted.url)
    submitted(scripted)
    scripted.answer(403, {})
    with pytest.raises(AirflowFailException):
        tries.run(job())
    scripted.answer(answer, {})
    with pytest.raises(error):
        tries.run(job(max_failures=1))
    assert scripted.requests.count("POST /api/jobs") == 1


def test_clearing_the_task_begins_anew(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    set_connection(scripted.url, extra=KEYED)
    for number in (7, 8):
        submitted(scripted, number)
        state(scripted, "done")
        tries.run(job())
        tries.clear()
    assert scripted.requests == ["POST /api/jobs", "GET /api/jobs/7", "POST /api/jobs", "GET /api/jobs/8"]
    assert len(set(keys_of(scripted))) == 2


class Killed(BaseException):
    """The process ends here: nothing after it is done."""


def kill_between_submit_and_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr("airflow_mirrordb.client.jobs.run.JobRun.begun", kill)


def test_killed_before_the_job_is_noted_a_key_finds_it(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second try sends the submit again, as it was, under the key by which the backend knows it."""
    set_connection(scripted.url, extra=KEYED)
    with monkeypatch.context() as killing:
        kill_between_submit_and_note(killing)
        submitted(scripted)
        with pytest.raises(Killed):
            tries.run(job())
    submitted(scripted)
    state(scripted, "done")
    tries.run(job(data={"n": 2}))
    assert scripted.bodies[:2] == [b'{"n":1}'] * 2
    assert len(set(keys_of(scripted))) == 1


def test_killed_before_the_job_is_noted_nothing_is_doubled_without_a_key(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection(scripted.url)
    with monkeypatch.context() as killing:
        kill_between_submit_and_note(killing)
        submitted(scripted)
        with pytest.raises((Killed, AirflowFailException)):
            tries.run(job())
    with pytest.raises(AirflowFailException) as ambiguous:
        tries.run(job())
    assert isinstance(ambiguous.value.__cause__, AmbiguousWriteError)
    assert scripted.requests == ["POST /api/jobs"]


def test_without_a_state_store_the_key_finds_the_job(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Below Airflow 3.3: the third try submits as the first two did, whose jobs failed, then anew."""
    tries = Tries(remembers=False)
    set_connection(scripted.url, extra=KEYED)
    for number in (7, 8, 9):
        for earlier in range(7, number):
            submitted(scripted, earlier)  # as replayed
            state(scripted, "failed")
        submitted(scripted, number)
        state(scripted, "done" if number == 9 else "failed")
        if number == 9:
            tries.run(job())
        else:
            with pytest.raises(JobFailedError):
                tries.run(job())
    keys = keys_of(scripted)
    assert [[*dict.fromkeys(keys)].index(key) for key in keys] == [0, 0, 1, 0, 1, 2]


def test_without_durable_each_try_submits(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    set_connection(scripted.url, extra=KEYED)
    for number in (7, 8):
        submitted(scripted, number)
        scripted.answer(403, {})
        with pytest.raises(AirflowFailException):
            tries.run(job(durable=False))
    assert scripted.requests.count("POST /api/jobs") == 2
    assert (
        len({headers["Idempotency-Key"] for headers in scripted.headers if "Idempotency-Key" in headers}) == 2
    )


def begun_long_ago(scripted: ScriptedBackend, tries: Tries) -> None:
    """Let a first try have submitted a job whose time is over when the second one comes."""
    submitted(scripted)
    scripted.answer(403, {})
    with pytest.raises(AirflowFailException):
        tries.run(job())
    long_ago(tries)


def test_the_deadline_ends_with_a_last_look_and_a_cancel(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, mode: dict[str, Any]
) -> None:
    set_connection(scripted.url)
    begun_long_ago(scripted, tries)
    state(scripted, "running")
    scripted.answer(200, {})
    with pytest.raises(JobTimeoutError, match="status is 'running'; it was cancelled: 200") as late:
        tries.run(job(**mode))
    assert (late.value.job, late.value.cancelled) == ("api/jobs/7", True)
    assert scripted.requests[-2:] == ["GET /api/jobs/7", "POST /api/jobs/7/cancel"]


def test_a_job_that_is_done_at_the_last_look_is_a_success(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, mode: dict[str, Any]
) -> None:
    set_connection(scripted.url)
    begun_long_ago(scripted, tries)
    state(scripted, "done")
    assert tries.run(job(**mode)) == {"id": 7, "status": "done"}


def test_a_cancel_that_fails_is_told(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    set_connection(scripted.url)
    begun_long_ago(scripted, tries)
    state(scripted, "running")
    scripted.answer(403, {})
    with pytest.raises(JobTimeoutError, match=r"it may still run, since its cancel failed: .*403") as late:
        tries.run(job())
    assert late.value.cancelled is False


def test_a_trigger_ends_at_the_deadline(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Also at that of ``execution_timeout``; Airflow's own for a deferral would end it without a cancel."""
    set_connection(scripted.url)
    trigger = killed_trigger(scripted, execution_timeout=timedelta(0))
    state(scripted, "running")
    scripted.answer(200, {})
    payload = asyncio.run(first_event(trigger))
    error = MirrorDBError.from_dict(json.loads(payload["data"])["error"])
    assert isinstance(error, JobTimeoutError)
    assert error.cancelled is True


class Once(logging.Filter):
    """Does something when the first line of a log is written."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__()
        self._work = [work]

    def filter(self, _record: logging.LogRecord) -> bool:
        if self._work:
            self._work.pop()()
        return True


@pytest.mark.parametrize("cancels", [True, False])
def test_a_job_on_a_worker_is_cancelled_when_a_person_ends_the_task(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    caplog: pytest.LogCaptureFixture,
    cancels: bool,
) -> None:
    """Airflow sends SIGTERM then, whose handler calls ``on_kill()`` in the middle of whatever is done."""
    caplog.set_level("INFO")
    set_connection(scripted.url)
    operator = job(cancel_on_kill=cancels)
    submitted(scripted)
    state(scripted, "running")
    if cancels:
        scripted.answer(200, {})
    state(scripted, "cancelled")
    former = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    told = logging.getLogger("airflow_mirrordb.client.jobs.watch")
    kill = Once(partial(os.kill, os.getpid(), signal.SIGTERM))
    told.addFilter(kill)
    try:
        with pytest.raises(JobFailedError):
            tries.run(operator)
    finally:
        told.removeFilter(kill)
        signal.signal(signal.SIGTERM, former)
    assert scripted.requests.count("POST /api/jobs/7/cancel") == cancels


def test_a_job_that_is_done_is_not_cancelled(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Airflow may end a task while it stores the result."""
    set_connection(scripted.url)
    operator = job()
    submitted(scripted)
    state(scripted, "done")
    tries.run(operator)
    operator.on_kill()
    assert len(scripted.requests) == 2


def killed_trigger(scripted: ScriptedBackend, **arguments: Any) -> MirrorDBJobTrigger:
    """Return the trigger of a deferred job, as a triggerer has it that was told to end it."""
    submitted(scripted)
    context: Any = {"ti": SimpleNamespace(try_number=1, xcom_push=lambda **_: None, **_IDENTITY)}
    with pytest.raises(TaskDeferred) as deferred:
        job(deferrable=True, worker_timeout=0, **arguments).execute(context)
    trigger = restored(deferred.value)
    assert isinstance(trigger, MirrorDBJobTrigger)
    return trigger


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="there the state comes from the database")
@pytest.mark.parametrize(
    ("task_state", "cancels"),
    [("failed", True), ("success", True), (None, True), ("scheduled", True), ("deferred", False)],
)
def test_a_deferred_job_is_cancelled_only_when_a_person_ended_the_task(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    triggerer: Triggerer,
    caplog: pytest.LogCaptureFixture,
    task_state: str | None,
    cancels: bool,
) -> None:
    """Its trigger is told to end also when another triggerer took it over: the task is deferred still."""
    caplog.set_level("INFO")
    set_connection(scripted.url)
    trigger = killed_trigger(scripted)
    triggerer.states["task"] = task_state
    scripted.answer(200, {})
    asyncio.run(trigger.on_kill())
    assert ("POST /api/jobs/7/cancel" in scripted.requests) is cancels
    ended = task_state if task_state in ("failed", "success") else "cleared, and"
    told = f"is cancelled, since its task is {ended}" if cancels else "its task is still deferred"
    assert told in caplog.text


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="there the state comes from the database")
def test_a_deferred_job_is_left_alone_if_the_state_of_its_task_is_not_known(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    triggerer: Triggerer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_connection(scripted.url)
    trigger = killed_trigger(scripted)
    triggerer.failing.add("GetTaskStates")
    asyncio.run(trigger.on_kill())
    assert scripted.requests == ["POST /api/jobs"]
    assert "the job is not cancelled, since the state of its task is not known" in caplog.text


def test_a_hook_runs_a_job(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    set_connection(scripted.url)
    submitted(scripted)
    state(scripted, "running")
    state(scripted, "done")
    scripted.answer(200, [1])
    with MirrorDBHook() as hook:
        assert hook.run_job("api/jobs", {"n": 1}, result="api/jobs/{id}/rows", **STATES) == [1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"bulk": True}, "bulk: a task runs one job"),
        ({"state": None}, "succeeded: say where the state is"),
        ({"succeeded": None}, "succeeded: say which states are a success"),
        ({"succeeded": "done"}, "succeeded: it must be a list, as \\['done'\\]"),
        ({"running": ["DONE"]}, "running: 'DONE' is also one of succeeded"),
        ({"failed": []}, "failed: it is empty"),
        ({"job": "api/jobs/{id"}, "job: .*brace"),
        ({"job": {"url": "x"}}, "job: .* there is no 'url'"),
        ({"cancel": "api/jobs/{id}/cancel"}, "cancel: it begins with a method"),
        ({"paginate": {"style": "link"}}, "paginate: it goes with result"),
        ({"poll_interval": 0}, "poll_interval: it must be a number of seconds above 0"),
        ({"timeout": "1"}, "timeout: it must be a number of seconds above 0"),
        ({"progress": "a..b"}, "progress: "),
        ({"endpoint": ["api/jobs"]}, "endpoint: .*takes one, not a list"),
    ],
)
def test_what_cannot_be_meant_is_said_when_the_dag_is_read(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises((ValueError, MirrorDBError), match=f"task 'task': {named}"):
        job(**arguments)


def test_all_that_is_said_of_a_job_is_templated() -> None:
    """Also what is in braces is left alone, and mapped jobs keep their defaults."""
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        operator = job(
            job="api/{{ run_id }}/{id}",
            cancel={"method": "PATCH", "data": {"by": "{{ run_id }}", "id": "{id}"}},
            succeeded=["{{ run_id }}"],
            poll_interval="{{ 5 }}",
        )
        MirrorDBJobOperator.partial(task_id="mapped", endpoint="api/jobs").expand(data=[1, 2])
    assert all(hasattr(operator, name) for name in operator.template_fields)
    operator.render_template_fields({"run_id": "r"})
    assert operator.job == "api/r/{id}"
    assert operator.cancel == {"method": "PATCH", "data": {"by": "r", "id": "{id}"}}
    assert (operator.succeeded, operator.poll_interval) == (["r"], "5")
    mapped = dag.get_task("mapped").unmap({"data": 2})
    assert isinstance(mapped, MirrorDBJobOperator)
    assert (mapped.data, mapped.poll_interval, mapped.durable) == (2, 30.0, True)


def test_rendered_arguments_are_judged_when_the_task_runs(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Nothing was submitted then."""
    set_connection(scripted.url)
    operator = job(state="{{ params.path }}", poll_interval="{{ params.wait }}")
    operator.state, operator.poll_interval = "status", "soon"
    with pytest.raises(AirflowFailException) as wrong:
        tries.run(operator)
    assert isinstance(wrong.value.__cause__, InvalidRequestError)
    assert "poll_interval: it must be a number, not 'soon'" in str(wrong.value)
    assert scripted.requests == []


# -- what nobody must take for something else --------------------------------------------------------


def test_a_job_that_is_done_is_not_cancelled_while_its_result_is_read(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """With ``DELETE`` the cancel would delete the result, and the next try would submit another job."""
    set_connection(scripted.url)
    trigger = killed_trigger(scripted, result="api/jobs/{id}/rows", cancel="DELETE")
    state(scripted, "done")
    scripted.answer(403, {})

    async def killed() -> None:
        await first_event(trigger)
        await trigger.on_kill()

    asyncio.run(killed())
    assert scripted.requests == ["POST /api/jobs", "GET /api/jobs/7", "GET /api/jobs/7/rows"]


def test_the_job_of_another_backend_is_not_looked_at(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, mode: dict[str, Any]
) -> None:
    """Its job 7 is somebody else's; nor is it cancelled there, or followed by another one."""
    set_connection(scripted.url)
    begun_long_ago(scripted, tries)
    other = scripted.url.replace("127.0.0.1", "localhost")
    set_connection(other)
    with pytest.raises(AirflowFailException, match=r"the job was submitted at http://127\.0") as moved:
        tries.run(job(**mode))
    assert isinstance(moved.value.__cause__, InvalidRequestError)
    assert len(scripted.requests) == 2


def test_a_job_that_was_cancelled_is_not_the_result_of_the_next_try(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, mode: dict[str, Any]
) -> None:
    """Without a state, a job that is over looks as if it were done."""
    set_connection(scripted.url)
    unstated = {"state": None, "succeeded": None, "failed": None, "error": None}
    submitted(scripted)
    scripted.answer(403, {})
    with pytest.raises(AirflowFailException):
        tries.run(job(**unstated))
    long_ago(tries)
    scripted.answer(202, {})
    scripted.answer(200, {})
    with pytest.raises(JobTimeoutError):
        tries.run(job(**unstated, **mode))
    submitted(scripted, 8)
    scripted.answer(200, {"rows": 3})
    assert tries.run(job(**unstated, **mode)) == {"rows": 3}
    assert scripted.requests[-2:] == ["POST /api/jobs", "GET /api/jobs/8"]


@pytest.mark.parametrize(
    "body",
    [
        {"done": True, "error": {"code": 5}},
        {"done": True, "error": {"code": 5, "message": "no such book"}},
        {"done": True, "error": "no such book"},
    ],
)
def test_true_with_an_error_is_no_success(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, body: Any
) -> None:
    """AIP-151: of an operation that is done, exactly one of error and response is set."""
    set_connection(scripted.url)
    submitted(scripted)
    scripted.answer(200, body)
    with pytest.raises(JobFailedError, match="the job failed"):
        tries.run(job(state="done", succeeded=[True], failed=None))


@pytest.mark.parametrize("refused", [400, 409, 422])
def test_a_poll_that_is_refused_is_no_failed_job(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, refused: int
) -> None:
    """The job may run: no try submits another one."""
    set_connection(scripted.url)
    submitted(scripted)
    scripted.answer(refused, {"message": "busy"})
    scripted.answer(refused, {"message": "busy"})
    for _ in range(2):
        with pytest.raises(AirflowFailException):
            tries.run(job(state=None, succeeded=None, failed=None, error=None))
    assert scripted.requests.count("POST /api/jobs") == 1


@pytest.mark.parametrize(("status", "answers"), [(404, [200]), (409, [200]), (404, [404])])
def test_a_refused_cancel_is_no_cancel(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
    status: int,
    answers: list[int],
) -> None:
    """Its URL may be wrong: the job is looked at once more, and is over only if that says so."""
    set_connection(scripted.url)
    begun_long_ago(scripted, tries)
    state(scripted, "running")
    scripted.answer(status, {})
    for answer in answers:
        scripted.answer(answer, {"id": 7, "status": "running"})
    with pytest.raises(JobTimeoutError) as late:
        tries.run(job())
    assert late.value.cancelled is (answers == [404])
    assert ("it may still run" in str(late.value)) is (answers == [200])


def test_a_job_that_was_done_before_its_cancel_is_the_result_of_the_next_try(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """It ended between the last look and the cancel: nobody submits another."""
    set_connection(scripted.url)
    begun_long_ago(scripted, tries)
    state(scripted, "running")
    scripted.answer(409, {})
    state(scripted, "done")
    with pytest.raises(JobTimeoutError, match="its result is there") as late:
        tries.run(job())
    assert late.value.cancelled is False
    state(scripted, "done")
    assert tries.run(job()) == {"id": 7, "status": "done"}
    assert scripted.requests.count("POST /api/jobs") == 1


def test_a_key_of_the_submit_goes_with_nothing_else(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Under it the backend would answer the cancel as it answered the submit, and cancel nothing."""
    set_connection(scripted.url)
    submitted(scripted)
    state(scripted, "done")
    tries.run(job(headers={"Idempotency-Key": "mine", "X-Tenant": "a"}))
    assert ["Idempotency-Key" in headers for headers in scripted.headers] == [True, False]
    assert [headers["X-Tenant"] for headers in scripted.headers] == ["a", "a"]


def test_no_secret_is_kept_or_told_of_an_answer(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """A backend that echoes the key where a placeholder looks gives it away in no error and no store."""
    secret = "key-of-the-connection"
    set_connection(scripted.url, password=secret)
    scripted.answer(202, {"id": 7, "by": secret, "no": {"key": secret}}, Location="/api/jobs/7")
    scripted.answer(403, {})
    cancel = {"method": "POST", "endpoint": "api/jobs/{id}/cancel", "data": {"by": "{by}"}}
    with pytest.raises(AirflowFailException):
        tries.run(job(cancel=cancel))
    assert secret not in str(tries.store)
    tries.clear()
    scripted.answer(202, {"id": 7, "by": secret, "no": {"key": secret}})
    with pytest.raises(AirflowFailException, match=r"\*\*\*") as wrong:
        tries.run(job(job="api/jobs/{no}"))
    assert secret not in str(wrong.value)


def test_a_job_that_is_gone_at_once_is_gone(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """410 is said by who had it once (RFC 9110, section 15.5.11); only 404 may be early."""
    set_connection(scripted.url)
    submitted(scripted)
    scripted.answer(410, {})
    with pytest.raises(JobFailedError, match="gone"):
        tries.run(job())


def test_a_303_to_a_body_with_a_state_is_judged_by_it(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    set_connection(scripted.url)
    submitted(scripted)
    for status in ("running", "failed"):
        scripted.answer(303, {}, Location="/api/operations/7")
        state(scripted, status)
    with pytest.raises(JobFailedError, match="'failed'"):
        tries.run(job())


def test_an_answer_without_a_state_is_no_failure(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    """Also where all states of a job that runs are named: what is not there is none of any other name."""
    set_connection(scripted.url)
    submitted(scripted)
    scripted.answer(200, {})
    scripted.answer(200, {"status": None})
    state(scripted, "done")
    assert tries.run(job(running=["queued", "running"])) == {"id": 7, "status": "done"}


def test_an_unknown_state_is_a_failure_where_all_that_run_are_named(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    set_connection(scripted.url)
    submitted(scripted)
    state(scripted, "RUNNING")
    state(scripted, "odd")
    with pytest.raises(JobFailedError, match="'odd'"):
        tries.run(job(running=["queued", "running"]))


# -- what is said before a job runs for hours ------------------------------------------------------------


@pytest.mark.parametrize("pending", ["none", [203]])
def test_a_202_is_no_result_whatever_is_pending(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries, pending: Any
) -> None:
    """``pending_statuses`` says what reads wait for; 202 says of a job that it runs (RFC 9110, 15.3.3)."""
    set_connection(scripted.url, extra={"pending_statuses": pending})
    submitted(scripted)
    scripted.answer(202, {"status": "accepted"})
    scripted.answer(200, {"rows": 3})
    assert tries.run(job(state=None, succeeded=None, failed=None, error=None)) == {"rows": 3}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"result": "api/jobs/{id}/rows", "paginate": {"style": "lnk"}}, "paginate.style"),
        ({"result": {"endpoint": "api/jobs/{id}/rows", "accept": "csv"}}, "result.accept"),
        ({"job": {"endpoint": 5}}, "job: endpoint must be a text"),
        ({"job": {"endpoint": "api/jobs/{id}", "query": "id={id}"}}, "job: query must be a mapping"),
        ({"succeeded": [datetime(2026, 1, 1, tzinfo=timezone.utc)]}, "is_in: it must be a JSON value"),
        ({"suceeded": ["done"]}, "suceeded: there is no such argument; did you mean 'succeeded'"),
    ],
)
def test_what_only_the_end_needs_is_checked_before_the_submit(
    scripted: ScriptedBackend, set_connection: SetConnection, arguments: dict[str, Any], named: str
) -> None:
    set_connection(scripted.url)
    with MirrorDBHook() as hook, pytest.raises(InvalidRequestError, match=re.escape(named)):
        hook.run_job("api/jobs", {"n": 1}, **{**STATES, **arguments})
    assert scripted.requests == []


def test_a_method_is_one_in_any_case(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    set_connection(scripted.url)
    begun_long_ago(scripted, tries)
    state(scripted, "running")
    scripted.answer(200, {})
    with pytest.raises(JobTimeoutError):
        tries.run(job(cancel={"method": "post", "endpoint": "api/jobs/{id}/cancel"}))
    assert scripted.requests[-1] == "POST /api/jobs/7/cancel"


def test_a_result_elsewhere_is_told_as_that(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    set_connection(scripted.url)
    submitted(scripted)
    state(scripted, "done", links={"result": "https://files.example/7?sig=abc"})
    with pytest.raises(AirflowFailException, match=r"the result is at https://files\.example") as elsewhere:
        tries.run(job(result="{links.result}"))
    assert "result='api/jobs/{id}/rows'" in str(elsewhere.value)
    assert "abc" not in str(elsewhere.value)


def test_a_result_of_a_job_that_is_done_at_once_may_be_in_a_header(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    set_connection(scripted.url)
    scripted.answer(200, {"id": 7}, X_Result="/api/rows/7")
    scripted.answer(200, [1])
    unstated = {"state": None, "succeeded": None, "failed": None, "error": None}
    assert tries.run(job(result="{header:X-Result}", **unstated)) == [1]


def test_a_secret_at_the_cut_is_hidden_whole(
    scripted: ScriptedBackend, set_connection: SetConnection, tries: Tries
) -> None:
    secret = "key-of-the-connection"
    set_connection(scripted.url, password=secret)
    submitted(scripted)
    state(scripted, "failed", error={"message": {"x" * 185: secret}})
    with pytest.raises(JobFailedError) as failed:
        tries.run(job())
    assert secret[:6] not in str(failed.value)
