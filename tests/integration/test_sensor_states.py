"""A sensor fails at once when its resource will never be what it waits for, and waits where it is told to."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_mirrordb.client import FailedStateError, ForbiddenError, MirrorDBError
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.triggers.start import MirrorDBSensorStartTrigger
from tests.integration.test_rendered_arguments import context_of, execute
from tests.integration.test_sensor import (
    DONE,
    INTERVAL,
    QUEUED,
    Scheduler,
    mode,
    scheduler,
)
from tests.support.backends import ScriptedBackend
from tests.support.clocks import FakeClock
from tests.support.connections import SetConnection

__all__ = ["mode", "scheduler"]  # fixtures

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
FAILED = {"state": "failed", "error": {"code": "E7", "message": "the disk is full"}}
UNTIL_DONE = {"field": "state", "failed": ["failed", "canceled"]}


def never(_body: Any) -> bool:
    raise AssertionError("it was asked though the state says all")


def ended(scheduler: Scheduler, **arguments: Any) -> FailedStateError:
    with pytest.raises(AirflowFailException) as raised:
        scheduler.run(**arguments)
    assert isinstance(raised.value.__cause__, FailedStateError)
    return raised.value.__cause__


@pytest.mark.parametrize(
    "condition",
    [
        {"equals": "done"},
        {"is_in": ["done", "skipped"]},
        {"changed": True},
        {"gone": True},
        {"condition": f"{__name__}.never"},
        {"condition": never},
    ],
)
def test_a_state_that_will_never_be_right_fails_at_once(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    condition: dict[str, Any],
) -> None:
    """It is judged before the condition is; the task is not tried again, and its error says why."""
    set_connection(scripted.url)
    scripted.answers = [(404, None, {}), (200, FAILED, {}), (200, DONE, {})]
    if condition.get("gone"):
        scripted.answers[0] = (200, QUEUED, {})
    error = ended(scheduler, **UNTIL_DONE, **condition, **mode)
    assert str(error) == (
        "GET api/jobs/7 through connection mirrordb_default: state is 'failed', so what is waited for will"
        " not come: the disk is full"
    )
    assert (error.field, error.state, error.detail) == ("state", "failed", "the disk is full")
    assert (error.retryable, len(scripted.requests)) == (False, 2)


def test_another_state_is_waited_for(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """No state, and one that is not listed, are no failures."""
    set_connection(scripted.url)
    scripted.answers = [(200, {}, {}), (200, QUEUED, {}), (200, {"state": None}, {}), (200, DONE, {})]
    assert scheduler.run(**UNTIL_DONE, equals="done", **mode) == DONE


@pytest.mark.parametrize("envelope", [None, "job"])
def test_a_failed_state_is_looked_at_before_the_error_that_the_body_tells_of(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    envelope: str | None,
) -> None:
    """The ``error_path`` of a connection is what a failed job says of itself; it made the sensor ask on."""
    error_path = f"{envelope}.error" if envelope else "error"
    set_connection(scripted.url, extra={"error_path": error_path, "response_envelope": envelope})
    scripted.answers = [(200, {envelope: FAILED} if envelope else FAILED, {})] * 2
    error = ended(scheduler, **UNTIL_DONE, equals="done", **mode)
    assert (error.field, error.state, error.detail) == ("state", "failed", "the disk is full")
    assert len(scripted.requests) == 1


def test_an_error_of_a_body_without_a_failed_state_is_a_failure_that_may_pass(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """Also where the field cannot be looked for in such a body."""
    set_connection(scripted.url, extra={"error_path": "error"})
    scripted.answers = [
        (200, {"error": "not now", "state": "odd"}, {}),
        (200, {"error": "not now", "runs": 3}, {}),
        (200, {"runs": [1], "state": "done"}, {}),
    ]
    assert scheduler.run(field="length(runs)", equals=1, failed=[0], **mode) is not None
    assert len(scripted.requests) == 3


@pytest.mark.parametrize(
    ("state", "failed"), [(None, [None]), (3, [3]), ({"a": [1]}, [{"a": [1]}]), (False, [False])]
)
def test_any_json_value_may_be_such_a_state(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    state: Any,
    failed: list[Any],
) -> None:
    """It is compared as ``is_in``, and true is not 1."""
    set_connection(scripted.url)
    scripted.answers = [(200, {"state": True}, {}), (200, {"state": "3"}, {}), (200, {"state": state}, {})]
    assert ended(scheduler, field="state", equals="done", failed=failed, **mode).state == state
    assert len(scripted.requests) == 3


def test_soft_fail_skips_such_a_task(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """As it does after any failure that is final."""
    set_connection(scripted.url)
    scripted.answers = [(404, None, {}), (200, FAILED, {})]
    with pytest.raises(AirflowSkipException):
        scheduler.run(**UNTIL_DONE, equals="done", soft_fail=True, **mode)


def test_silent_fail_does_not_bear_it(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """It bears what passes."""
    set_connection(scripted.url)
    scripted.answers = [(500, None, {}), (200, FAILED, {})]
    assert ended(scheduler, **UNTIL_DONE, equals="done", silent_fail=True, **mode).state == "failed"


def test_no_secret_is_in_the_words_of_a_failure(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """A job may tell the key that it was called with; neither event nor error has it."""
    set_connection(scripted.url, password="s3cr3t-k3y-0123")
    failed = {"state": "failed", "message": "401 with the key s3cr3t-k3y-0123"}
    scripted.answers = [(404, None, {}), (200, failed, {})]
    error = ended(scheduler, **UNTIL_DONE, equals="done", **mode)
    assert error.detail == "401 with the key ***"
    assert "s3cr3t" not in json.dumps(error.to_dict())


def test_no_secret_is_in_what_is_told_of_a_field(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A field may hold the connection's own key, also where its text is cut: log and errors are without."""
    key = "s3cr3t-k3y-0123"
    set_connection(scripted.url, password=key)
    scripted.answers = [
        (404, None, {}),
        (200, {"state": key}, {}),
        (200, {"state": "x" * 190 + key}, {}),
        (200, {"state": {"by": [key]}}, {}),
    ]
    caplog.set_level("INFO")
    error = ended(scheduler, field="state", equals="done", failed=[{"by": [key]}], **mode)
    assert error.state == {"by": ["***"]}
    told = caplog.text + "".join(capsys.readouterr())
    assert "state is '***'" in told
    assert "s3cr3t" not in told + json.dumps(error.to_dict())


@pytest.mark.parametrize("not_yet", [[403, 503], ["403", 503], (403, 503)])
def test_statuses_that_mean_later(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    not_yet: Any,
) -> None:
    """S3 says 403 for what is not there to whoever may not list a bucket; others say 503 for hours.

    (docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions")
    """
    set_connection(scripted.url)
    refusals: list[Any] = [(403, None, {}), (404, None, {}), (503, None, {}), (503, None, {})]
    scripted.answers = [*refusals * 2, (200, DONE, {})]
    started = scheduler.clock.now()
    assert scheduler.run(not_yet=not_yet, max_failures=1, **mode) == DONE
    assert scheduler.clock.now() - started == INTERVAL * 8


def test_other_statuses_mean_what_they_mean(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """A refusal that is not listed is final."""
    set_connection(scripted.url)
    scripted.answers = [(503, None, {}), (403, None, {})]
    with pytest.raises(AirflowFailException) as raised:
        scheduler.run(not_yet=[503], **mode)
    assert isinstance(raised.value.__cause__, ForbiddenError)


def test_one_that_waits_for_the_end_goes_on_after_them(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """They do not say that a resource is gone."""
    set_connection(scripted.url)
    scripted.answers = [(403, None, {}), (200, QUEUED, {}), (410, None, {})]
    assert scheduler.run(gone=True, not_yet=[403], **mode) is None
    assert len(scripted.requests) == 3


@pytest.mark.parametrize("status", [403, 404, 409])
def test_a_longer_wait_that_they_ask_for_is_obeyed(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    status: int,
) -> None:
    """Retry-After goes with any status that means "later" (RFC 9110, section 10.2.3)."""
    set_connection(scripted.url, extra={"adaptive_rate": False})  # else all wait, in real time
    scripted.answers = [(status, None, {"Retry-After": "300"}), (200, DONE, {})]
    started = scheduler.clock.now()
    assert scheduler.run(not_yet=[403, 409], **mode) == DONE
    assert scheduler.clock.now() - started == 300


def test_a_wait_beyond_the_timeout_ends_at_once(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """Nobody waits for what comes too late."""
    set_connection(scripted.url)
    scripted.answers = [(403, None, {"Retry-After": "7200"})]
    with pytest.raises(AirflowSensorTimeout, match="stay away for 7200 s"):
        scheduler.run(timeout=3600, not_yet=[403], **mode)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"gone": True, "failed": ["x"]}, "failed: say of which field"),
        ({"field": "a", "failed": ["x"]}, "failed: say what is waited for"),
        ({"field": "a", "equals": 1, "failed": []}, "failed: it is empty"),
        ({"field": "a", "equals": "x", "failed": ["y", "x"]}, "failed: 'x' is also what is waited for"),
        ({"field": "a", "is_in": [1, 2], "failed": [2]}, "failed: 2 is also what is waited for"),
        ({"field": "a", "equals": 1, "failed": [float("nan")]}, "failed: JSON has neither NaN"),
        ({"field": "a", "condition": never}, "field: say what is waited for"),
        ({"not_yet": 403}, "not_yet: it must be a list, not int"),
        ({"not_yet": "403"}, "not_yet: it must be a list, not str"),
        ({"not_yet": [200]}, "not_yet: 200 is no status of an error"),
        ({"not_yet": [True]}, "not_yet: True is no status"),
        ({"not_yet": ["soon"]}, "not_yet: 'soon' is no status"),
    ],
)
def test_what_contradicts_itself_is_refused(arguments: dict[str, Any], reason: str) -> None:
    """The DAG does not load."""
    with pytest.raises(ValueError, match=reason):
        MirrorDBSensor(task_id="wait", endpoint="api/jobs/7", **arguments)


# -- numbers that templates made into texts --------------------------------------------------------


#: Conditions with templates, as they are written; ``id`` renders to ``7``.
TEMPLATED: list[dict[str, Any]] = [
    {"field": "a", "equals": "{{ id }}"},
    {"field": "a", "is_in": ["x", "{{ id }}"]},
    {"field": "a", "equals": "{{ id == 7 }}"},
]


@pytest.mark.parametrize(("condition", "value"), [*zip(TEMPLATED, [7, 7.0, True], strict=True)])
@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("deferrable", [False, True])
def test_what_a_template_made_equals_its_number(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    condition: dict[str, Any],
    value: Any,
    native: bool,
    deferrable: bool,
) -> None:
    """A template makes texts; who writes {{ params.n }} means the number, and would wait for ever."""
    set_connection(scripted.url)
    scripted.answers = [(200, {"a": value}, {})]
    with DAG("dag", schedule=None, start_date=START, render_template_as_native_obj=native):
        sensor = MirrorDBSensor(task_id="task", endpoint="api/x", deferrable=deferrable, **condition)
    assert execute(sensor, context_of()) == {"a": value}


def test_the_trigger_knows_what_a_template_made(
    scripted: ScriptedBackend, set_connection: SetConnection, clock: FakeClock
) -> None:
    """The worker rendered it, and says so in what is stored."""
    set_connection(scripted.url)
    scripted.answers = [(404, None, {}), (200, {"a": 7}, {})]
    with DAG("dag", schedule=None, start_date=START):
        sensor = MirrorDBSensor(
            task_id="task", endpoint="api/x", deferrable=True, field="a", equals="{{ id }}", failed=["x"]
        )
    with pytest.raises(TaskDeferred) as deferred:
        execute(sensor, context_of())
    trigger: Any = deferred.value.trigger
    assert json.loads(trigger.serialize()[1]["condition"]) == {
        "field": "a",
        "equals": "7",
        "failed": ["x"],
        "rendered": ["equals"],
    }
    made = type(trigger)(**trigger.serialize()[1])
    made.clock, made.sleep = clock.now, clock.sleep
    assert payload_of(made)["status"] == "success"


@pytest.mark.parametrize(
    "not_yet", [["{{ id + 396 }}", 503], "{{ [id + 396, 503] }}", "{{ [403] | tojson }}"]
)
@pytest.mark.parametrize("native", [False, True])
def test_statuses_may_be_templated(
    scripted: ScriptedBackend, set_connection: SetConnection, not_yet: Any, native: bool
) -> None:
    """A list, its items, and the text that a list renders to."""
    set_connection(scripted.url)
    scripted.answers = [(403, None, {})]
    with DAG("dag", schedule=None, start_date=START, render_template_as_native_obj=native):
        sensor = MirrorDBSensor(task_id="task", endpoint="api/x", not_yet=not_yet, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        execute(sensor, context_of())
    stored: Any = deferred.value.trigger
    assert 403 in json.loads(stored.serialize()[1]["condition"])["not_yet"]


def test_a_text_that_its_author_wrote_is_no_number(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """Who writes "7" means the text."""
    set_connection(scripted.url)
    scripted.answers = [(200, {"a": 7}, {}), (200, {"a": "7"}, {})]
    assert scheduler.run(field="a", equals="7", **mode) == {"a": "7"}


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="Airflow renders the arguments of triggers from 3.3 on")
@pytest.mark.parametrize(
    ("arguments", "answer", "status"),
    [
        ({"field": "a", "equals": "{{ id }}"}, (200, {"a": 7}, {}), "success"),
        ({"field": "a", "equals": "x", "failed": ["{{ id }}"]}, (200, {"a": 7}, {}), "error"),
        ({"field": "a", "equals": 1, "not_yet": ["{{ id }}"]}, (200, {"a": 1}, {}), "error"),
    ],
)
def test_the_triggerer_that_renders_them_knows_it_too(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    arguments: dict[str, Any],
    answer: Any,
    status: str,
) -> None:
    """A task that begins there has its templates rendered there; one that is no status is told."""
    set_connection(scripted.url)
    scripted.answers = [answer]
    made = MirrorDBSensorStartTrigger(endpoint="api/x", **arguments)
    made.task_id = "task"
    made.template_fields = tuple(arguments)  # as the setter of its task instance does
    made.render_template_fields(context_of())
    payload = payload_of(made)
    assert payload["status"] == status
    if "not_yet" in arguments:
        assert "not_yet: '7' is no status of an error" in read_event(payload)["error"]["message"]
    elif status == "error":
        error = MirrorDBError.from_dict(read_event(payload)["error"])
        assert isinstance(error, FailedStateError)
        assert error.state == 7


def payload_of(trigger: Any) -> Any:
    async def events() -> Any:
        return [event.payload async for event in trigger.run()]

    (payload,) = asyncio.run(events())
    return payload
