"""The sensor in each of its modes, against real servers, on a clock that nobody waits for."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    TaskDeferred,
)
from airflow.providers.common.compat.version_compat import (
    AIRFLOW_V_3_0_PLUS,
    AIRFLOW_V_3_1_PLUS,
    AIRFLOW_V_3_3_PLUS,
)
from airflow.triggers.base import TriggerEvent

from airflow_mirrordb.client import (
    ConnectError,
    InvalidRequestError,
    ServerError,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.triggers.sensor import MirrorDBSensorTrigger
from airflow_mirrordb.triggers.start import MirrorDBSensorStartTrigger
from tests.support.backends import ScriptedBackend
from tests.support.clocks import FakeClock
from tests.support.connections import SetConnection
from tests.support.triggering import log_lines_of_triggers

#: How a sensor may run; the outcome must not depend on it.
MODES: dict[str, dict[str, Any]] = {
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "deferrable": {"deferrable": True},
}
if AIRFLOW_V_3_3_PLUS:
    MODES["started"] = {"start_from_trigger": True}
INTERVAL = 60.0
airflow_sensor = sys.modules[BaseSensorOperator.__module__]


def is_done(body: Any) -> bool:
    """Named by its path in these tests, as an author would do."""
    return bool(body["state"] == "done")


async def is_done_async(_body: Any) -> bool:
    return False


def is_done_lazily(body: Any) -> Iterator[bool]:
    yield is_done(body)


async def is_done_async_lazily(body: Any) -> AsyncIterator[bool]:
    yield is_done(body)


class Yields:
    def __call__(self, body: Any) -> Iterator[bool]:
        yield is_done(body)


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def fails_silently(_body: Any) -> bool:
    raise SilentError


def fails(body: Any) -> bool:
    return bool(body["no such key"])


class Store(dict[str, Any]):
    """Airflow's task state store as a task sees it; what is stored passes through JSON."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


class Scheduler:
    """Runs a sensor to its end as Airflow does, on a fake clock; each look is noted with its time."""

    def __init__(self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = clock
        self.store: Store | None = Store()
        self.deferrals: list[MirrorDBSensorTrigger] = []
        self.timeouts: list[timedelta | None] = []
        self._started: datetime | None = None
        fake_time = SimpleNamespace(
            monotonic=clock.now, sleep=lambda seconds: asyncio.run(clock.sleep(seconds))
        )
        monkeypatch.setattr(airflow_sensor, "time", fake_time)
        monkeypatch.setattr(airflow_sensor, "timezone", SimpleNamespace(utcnow=self._utcnow))
        if hasattr(airflow_sensor, "_orig_start_date"):  # of Airflow 2, which asks its database
            monkeypatch.setattr(airflow_sensor, "_orig_start_date", lambda **_task: self._started)
        monkeypatch.setattr(MirrorDBSensor, "_clock", staticmethod(clock.now))
        monkeypatch.setattr(MirrorDBSensorTrigger, "clock", staticmethod(clock.now))
        monkeypatch.setattr(MirrorDBSensorTrigger, "sleep", staticmethod(clock.sleep))

    def run(self, **arguments: Any) -> Any:
        first = self._utcnow()
        while True:
            sensor = self.sensor(**arguments)  # each run of a task is a process of its own
            if sensor.start_from_trigger:
                return self.resumed(self.started(sensor), "execute_complete", arguments)
            try:
                return sensor.execute(self.context())
            except AirflowRescheduleException as reschedule:
                self._started = first
                self.clock.time = reschedule.reschedule_date.timestamp()
            except TaskDeferred as deferred:
                return self.resumed(self.triggered(deferred), deferred.method_name, arguments)

    def resumed(self, event: TriggerEvent, method: str, arguments: dict[str, Any]) -> Any:
        kwargs = {"event": json.loads(json.dumps(event.payload))}
        return self.sensor(**arguments).resume_execution(method, kwargs, self.context())

    def started(self, sensor: MirrorDBSensor, ends: float | None = None) -> TriggerEvent:
        """Run the trigger with which Airflow starts a task, but without templates."""
        start = sensor.start_trigger_args
        assert start is not None
        assert start.trigger_cls == f"{MirrorDBSensorStartTrigger.__module__}.MirrorDBSensorStartTrigger"
        trigger = MirrorDBSensorStartTrigger(**json.loads(json.dumps(start.trigger_kwargs)))
        trigger.task_id = sensor.task_id
        longest = (start.timeout or timedelta()).total_seconds()
        trigger.timeout_after = datetime.fromtimestamp(ends or self.clock.now() + longest, timezone.utc)
        return asyncio.run(only_event(trigger))

    def sensor(self, **arguments: Any) -> MirrorDBSensor:
        return MirrorDBSensor(
            **{"task_id": "wait", "endpoint": "api/jobs/7", "poke_interval": INTERVAL, **arguments}
        )

    def context(self) -> Any:
        ti = SimpleNamespace(
            dag_id="dag",
            run_id="run",
            task_id="wait",
            map_index=-1,
            max_tries=2,
            try_number=1,
            get_first_reschedule_date=lambda _context: self._started,
            xcom_push=lambda **_: None,
        )
        return {"ti": ti, "task_state_store": self.store}

    def triggered(self, deferred: TaskDeferred) -> TriggerEvent:
        """Run the trigger as the triggerer makes it from what Airflow stores."""
        assert deferred.kwargs is None  # dag.test() would lose them
        trigger = MirrorDBSensorTrigger(**json.loads(json.dumps(deferred.trigger.serialize()[1])))
        self.deferrals.append(trigger)
        self.timeouts.append(deferred.timeout)
        return asyncio.run(only_event(trigger))

    def _utcnow(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), timezone.utc)


async def only_event(trigger: MirrorDBSensorTrigger) -> TriggerEvent:
    (event,) = [event async for event in trigger.run()]
    return event


@pytest.fixture
def scheduler(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    log_lines_of_triggers(monkeypatch)
    return Scheduler(clock, monkeypatch)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(MODES[request.param])


ONES, RUNS = {"a": [{"b": 1}]}, {"runs": [{"t": 7, "end": None}]}
QUEUED, DONE = {"state": "queued", "tries": [0, 1]}, {"state": "done", "tries": [0, 2]}


@pytest.mark.parametrize(
    ("condition", "answers", "result"),
    [
        ({}, [(404, None), (404, None), (200, QUEUED)], QUEUED),
        ({}, [(204, None)], None),
        ({"gone": True}, [(200, QUEUED), (200, DONE), (404, {"detail": "who?"})], None),
        ({"gone": True}, [(200, QUEUED), (410, None)], None),
        ({"field": "state", "equals": "done"}, [(404, None), (200, QUEUED), (200, DONE)], DONE),
        ({"field": "tries.1", "is_in": (2, None)}, [(200, QUEUED), (200, {}), (200, DONE)], DONE),
        ({"field": "state", "is_in": [None]}, [(200, {}), (200, {"state": None})], {"state": None}),
        ({"field": "a", "equals": 1}, [(200, {"a": True}), (200, {"a": "1"}), (200, {"a": 1.0})], {"a": 1.0}),
        ({"field": "a", "equals": [{"b": 1}]}, [(200, {"a": [{"b": True}]}), (200, ONES)], ONES),
        ({"field": "length(runs)", "equals": 1}, [(200, {}), (200, {"runs": None}), (200, RUNS)], RUNS),
        ({"field": "length(runs)", "changed": True}, [(200, {}), (200, {"runs": None}), (200, RUNS)], RUNS),
        ({"field": "max_by(runs, &t).t", "equals": 7}, [(200, {"runs": [{"t": None}]}), (200, RUNS)], RUNS),
        (
            {"field": "runs[-1].end == `null`", "equals": True},
            [(200, {"runs": [{"end": 9}]}), (200, RUNS)],
            RUNS,
        ),
        ({"field": "state", "changed": True}, [(200, QUEUED), (200, QUEUED), (200, DONE)], DONE),
        ({"field": "state", "changed": True}, [(404, None), (200, QUEUED), (200, QUEUED), (200, DONE)], DONE),
        ({"changed": True}, [(200, []), (200, []), (200, [1])], [1]),
        ({"condition": is_done}, [(200, QUEUED), (200, DONE)], DONE),
        ({"condition": f"{__name__}.is_done"}, [(200, QUEUED), (200, DONE)], DONE),
        ({}, [(503, None), (429, None), (404, None), (500, None), (200, DONE)], DONE),
    ],
)
def test_condition_is_met_at_the_same_look_in_every_mode(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    condition: dict[str, Any],
    answers: list[tuple[int, Any]],
    result: Any,
) -> None:
    """The result, the number of requests and their distance are the same, deferred or not."""
    set_connection(scripted.url)
    scripted.answers = [(status, body, {}) for status, body in answers]
    started = scheduler.clock.now()

    assert scheduler.run(**condition, **mode) == result

    assert scripted.requests == ["GET /api/jobs/7"] * len(answers)
    assert scheduler.clock.now() - started == INTERVAL * (len(answers) - 1)


def test_response_filter_makes_the_result(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """The filter gets the decoded body that met the condition."""
    set_connection(scripted.url)
    for response_filter in (lambda body: body["state"], "state"):
        scripted.answers = [(404, None, {}), (200, DONE, {})]
        assert scheduler.run(response_filter=response_filter, **mode) == "done"


def test_a_path_of_response_filter_at_which_nothing_lies(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """The condition was met; the task fails for good all the same, and says what there is."""
    set_connection(scripted.url)
    scripted.answers = [(200, DONE, {})]
    with pytest.raises(AirflowFailException, match="nothing at 'file' of the answer, which has 'state'"):
        scheduler.run(response_filter="file", **mode)
    with pytest.raises(ValueError, match="response_filter: it must be a function, or a path"):
        scheduler.run(response_filter="a b.[", **mode)


def test_the_log_says_what_the_field_has(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who looks at a sensor that still waits sees why: the value, not only the status."""
    set_connection(scripted.url)
    monkeypatch.setattr(MirrorDBSensor, "log", logging.getLogger("sensor"))  # Airflow's goes past caplog
    caplog.set_level("INFO")
    scripted.answers = [(200, {}, {}), (200, {"state": "x" * 1000}, {}), (200, {}, {}), (200, DONE, {})]
    scheduler.run(field="state", equals="done", **mode)
    seen = "\n".join(record.message for record in caplog.records if "Not met yet" in record.message)
    assert "answered 200, has no state" in seen
    assert "answered 200, state is 'xxx" in seen
    assert len(seen) < 1000


def test_waiting_is_no_warning(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody warns of what a sensor expects; of a look that failed there is one warning."""
    set_connection(scripted.url)
    monkeypatch.setattr(MirrorDBSensor, "log", logging.getLogger("sensor"))  # Airflow's goes past caplog
    scripted.answers = [(404, None, {}), (503, None, {}), (200, DONE, {})]
    scheduler.run(**mode)
    (warning,) = [record.message for record in caplog.records if record.levelname != "INFO"]
    assert "Poll failed, 1 in a row: 503 Service Unavailable" in warning


def test_error_tells_how_often_it_was_met(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """``attempts`` of the error that ends a sensor is the number of failures in a row."""
    set_connection(scripted.url)
    scripted.answers = [(404, None, {}), (503, None, {}), (503, None, {})]
    with pytest.raises(ServerError, match=r"503.*\(2 attempts\)"):
        scheduler.run(max_failures=2, **mode)


@pytest.mark.parametrize("status", [403, 429])
def test_steady_refusal_is_met_no_more_often_than_the_interval_allows(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    status: int,
) -> None:
    """With poke_interval=60 ten minutes of 429 are eleven requests; a 403 is one, and its reason is told."""
    set_connection(scripted.url)
    scripted.answers = [(status, {"detail": "not for you"}, {})] * 1000
    with pytest.raises((AirflowFailException, AirflowSensorTimeout)) as raised:
        scheduler.run(timeout=590, max_failures=100, **mode)
    if status == 403:
        assert isinstance(raised.value, AirflowFailException)
        assert "GET api/jobs/7 through connection mirrordb_default: 403 Forbidden: not for you" in str(
            raised.value
        )
    assert len(scripted.requests) == (1 if status == 403 else 11)


@pytest.mark.parametrize(("timeout", "looks"), [(0.5, 2), (59, 2), (60, 3), (61, 3), (150, 4)])
def test_last_look_is_the_first_one_after_the_timeout(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    timeout: float,
    looks: int,
) -> None:
    """Every mode times out after the same look, which is where Airflow's own loop ends."""
    set_connection(scripted.url)
    scripted.answers = [(404, None, {})] * 10
    with pytest.raises(AirflowSensorTimeout):
        scheduler.run(timeout=timeout, **mode)
    assert len(scripted.requests) == looks


def test_condition_that_is_met_by_the_last_look_is_met(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """What comes true between the last interval and the time-out is not missed."""
    set_connection(scripted.url)
    scripted.answers = [(404, None, {}), (200, DONE, {})]
    assert scheduler.run(timeout=30, **mode) == DONE


def test_longer_retry_after_is_obeyed(
    set_connection: SetConnection, scripted: ScriptedBackend, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """The backend may ask for more time than poke_interval, and gets it."""
    set_connection(scripted.url)
    scripted.answers = [(429, None, {"Retry-After": "300"}), *[(404, None, {})] * 10]
    started = scheduler.clock.now()
    with pytest.raises(AirflowSensorTimeout):
        scheduler.run(timeout=300, **mode)
    assert scheduler.clock.now() - started >= 300
    # one before, one after, one when the time is up; less where the whole connection pauses in real time
    assert len(scripted.requests) <= 3


def test_202_is_not_yet(
    set_connection: SetConnection, scripted: ScriptedBackend, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """What is accepted is not done (RFC 9110, section 15.3.3): it meets no condition, counts as no failure,
    and its Retry-After holds.
    """
    set_connection(scripted.url)
    later = (202, {"state": "done"}, {"Retry-After": "90"})
    scripted.answers = [later, later, later, (200, DONE, {})]
    started = scheduler.clock.now()
    assert scheduler.run(timeout=3600, max_failures=1, **mode) == DONE
    assert scheduler.clock.now() - started >= 3 * 90
    assert len(scripted.requests) == 4


def test_retry_after_of_a_success_is_obeyed(
    set_connection: SetConnection, scripted: ScriptedBackend, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """Azure's operations answer 200 with it while they run ("Track asynchronous Azure operations")."""
    set_connection(scripted.url)
    scripted.answers = [(200, QUEUED, {"Retry-After": "200"}), (200, DONE, {"Retry-After": "99999"})]
    started = scheduler.clock.now()
    assert scheduler.run(timeout=3600, field="state", equals="done", **mode) == DONE
    assert scheduler.clock.now() - started >= 200


def test_an_absurd_retry_after_does_not_end_the_wait(
    set_connection: SetConnection, scripted: ScriptedBackend, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """A backend is obeyed for a day at most, and asked again then."""
    set_connection(scripted.url)
    scripted.answers = [(500, None, {"Retry-After": "99999999"}), (200, DONE, {})]
    started = scheduler.clock.now()
    assert scheduler.run(timeout=2 * 86_400, **mode) == DONE
    assert scheduler.clock.now() - started >= 86_400


def test_retry_after_beyond_the_timeout_ends_the_wait(
    set_connection: SetConnection, scripted: ScriptedBackend, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """Who would come too late does not wait; no worker is held for it."""
    set_connection(scripted.url)
    scripted.answer(503, Retry_After="86400")
    started = scheduler.clock.now()
    with pytest.raises(AirflowSensorTimeout, match="stay away for 86400 s"):
        scheduler.run(timeout=3600, **mode)
    assert (scheduler.clock.now() - started, len(scripted.requests)) == (0, 1)


def test_soft_fail_skips_a_wait_that_ends_early(
    set_connection: SetConnection, scripted: ScriptedBackend, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """A wait that is not begun is a time-out, and skips as one."""
    set_connection(scripted.url)
    scripted.answer(503, Retry_After="86400")
    with pytest.raises(AirflowSkipException) as raised:
        scheduler.run(timeout=3600, soft_fail=True, **mode)
    assert "stay away for 86400 s" in f"{raised.value} {raised.value.__cause__}"  # Airflow replaces the first


def test_successor_of_a_trigger_that_began_ends_in_time(
    set_connection: SetConnection, scripted: ScriptedBackend, scheduler: Scheduler
) -> None:
    """Airflow keeps when a trigger has to end; one that starts late, as a second one does, goes by that."""
    if not AIRFLOW_V_3_3_PLUS:
        pytest.skip("came with Airflow 3.3")
    set_connection(scripted.url)
    scripted.answers = [(404, None, {})] * 3
    sensor = scheduler.sensor(timeout=200, start_from_trigger=True)
    assert sensor.start_trigger_args is not None
    ends = scheduler.clock.now() + (sensor.start_trigger_args.timeout or timedelta()).total_seconds()
    scheduler.clock.time += 100

    assert scheduler.started(sensor, ends).payload["status"] == "timeout"
    assert len(scripted.requests) == 3  # after 100, 160 and 220 seconds


def test_silent_fail_bears_what_is_not_the_backends(scheduler: Scheduler) -> None:
    """On a worker a look that was never made, for want of a connection, is silent too."""
    started = scheduler.clock.now()
    with pytest.raises(AirflowSensorTimeout):
        scheduler.run(mirrordb_conn_id="no_such_connection", timeout=100, silent_fail=True, deferrable=False)
    assert scheduler.clock.now() - started == 2 * INTERVAL


@pytest.mark.parametrize(
    ("arguments", "answers"),
    [
        ({"soft_fail": True}, [(404, None)] * 3),  # timed out
        ({"soft_fail": True}, [(404, None), (403, None)]),
        ({"soft_fail": True}, [(403, None)]),
        ({"never_fail": True}, [(403, None)]),
        ({"never_fail": True}, [(404, None), (500, None)]),
        ({"never_fail": True}, [(500, None)]),
    ],
)
def test_soft_failures_skip_in_every_mode(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    mode: dict[str, Any],
    arguments: dict[str, Any],
    answers: list[tuple[int, Any]],
) -> None:
    """``soft_fail`` and ``never_fail`` mean what they mean for any sensor."""
    set_connection(scripted.url)
    scripted.answers = [(status, body, {}) for status, body in answers]
    with pytest.raises(AirflowSkipException):
        scheduler.run(timeout=100, max_failures=1, **arguments, **mode)
    assert len(scripted.requests) == len(answers)


def test_soft_fail_does_not_hide_passing_failures(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """A failure that may pass is left to the task's retries, also with ``soft_fail``."""
    set_connection(scripted.url)
    scripted.answers = [(404, None, {}), (500, None, {})]
    with pytest.raises(ServerError):
        scheduler.run(soft_fail=True, max_failures=1, **mode)


def test_silent_fail_bears_any_number_of_failures(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """``silent_fail`` goes on after passing failures, as for any sensor."""
    set_connection(scripted.url)
    scripted.answers = [*[(500, None, {})] * 9, (200, DONE, {})]
    assert scheduler.run(silent_fail=True, **mode) == DONE


def test_nobody_there_is_a_passing_failure(
    set_connection: SetConnection, scheduler: Scheduler, mode: dict[str, Any]
) -> None:
    """A dead port is tried once a look."""
    set_connection("http://127.0.0.1:1")
    started = scheduler.clock.now()
    with pytest.raises(ConnectError) as raised:
        scheduler.run(max_failures=3, **mode)
    assert (raised.value.attempts, scheduler.clock.now() - started) == (3, 2 * INTERVAL)


def test_exponential_backoff_never_asks_sooner(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler
) -> None:
    """Airflow's own backoff begins below poke_interval; here that is the least."""
    set_connection(scripted.url)
    scripted.answers = [*[(404, None, {})] * 3, (200, DONE, {})]
    assert scheduler.run(deferrable=False, exponential_backoff=True) == DONE
    first, *later = scheduler.clock.slept
    assert first == INTERVAL
    assert later[-1] > INTERVAL


@pytest.mark.parametrize("mode", MODES)
def test_an_error_without_a_text_is_told_by_its_class(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: str
) -> None:
    """What a condition raises may fail to tell what it is; that does not hide that the condition failed."""
    set_connection(scripted.url)
    scripted.answer(200, DONE)
    condition = f"{__name__}.{fails_silently.__name__}"
    with pytest.raises(AirflowFailException, match="the condition could not be judged: SilentError"):
        scheduler.run(condition=condition, **MODES[mode])


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_the_log_says_where_a_condition_failed(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler, mode: str
) -> None:
    """The frames of the author's own code stay in what Airflow writes; those of the client do not."""
    set_connection(scripted.url)
    scripted.answer(200, DONE)
    with pytest.raises(AirflowFailException) as raised:
        scheduler.run(condition=fails, **MODES[mode])
    written = "".join(traceback.format_exception(raised.value))
    assert f"in {fails.__name__}" in written
    assert f"{os.sep}client{os.sep}" not in written


def test_looks_share_a_connection(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler
) -> None:
    """All looks of a process go through one socket: one on the workers, another in the triggerer."""
    set_connection(scripted.url)
    for deferrable in (False, True):
        scripted.answers = [*[(404, None, {})] * 3, (200, DONE, {})]
        scheduler.run(deferrable=deferrable)
    assert scripted.connections == 1 + 1


def test_met_condition_is_not_deferred(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler
) -> None:
    """The worker looks first: a deferral costs seconds."""
    set_connection(scripted.url)
    scripted.answer(200, DONE)
    assert scheduler.run(deferrable=True) == DONE
    assert scheduler.deferrals == []


def test_trigger_of_a_dead_triggerer_keeps_interval_and_deadline(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler
) -> None:
    """A trigger that starts late may have a predecessor that has just looked: it waits an interval first."""
    set_connection(scripted.url)
    scripted.answers = [(200, QUEUED, {})] * 3
    with pytest.raises(TaskDeferred) as deferred:
        scheduler.sensor(field="state", changed=True, deferrable=True, timeout=200).execute(
            scheduler.context()
        )
    started = scheduler.clock.now()
    scheduler.clock.time += 100  # a first triggerer looked at 60, and died
    assert scheduler.triggered(deferred.value).payload["status"] == "timeout"
    assert scheduler.clock.slept == [60, 60]
    assert scheduler.clock.now() - started == 220
    scripted.answers = [(200, DONE, {})]
    assert (
        read_event(scheduler.triggered(deferred.value).payload)["data"] == DONE
    )  # it knows what the worker saw


def test_deferral_has_a_last_resort(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler
) -> None:
    """Airflow ends a deferral that nobody watches over, after the trigger would have, or as the task says."""
    set_connection(scripted.url)
    for execution_timeout, expected in ((None, 100 + 60 + 300), (timedelta(seconds=70), 70)):
        scripted.answers = [(404, None, {}), (200, DONE, {})]
        scheduler.run(deferrable=True, timeout=100, execution_timeout=execution_timeout)
        assert scheduler.timeouts[-1] == timedelta(seconds=expected)


def test_reschedule_without_a_state_store_forgets(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler
) -> None:
    """Before Airflow 3.3 no failure is counted from look to look; ``changed`` is refused with the remedy."""
    set_connection(scripted.url)
    scheduler.store = None
    scripted.answers = [*[(500, None, {})] * 9, (200, DONE, {})]
    assert scheduler.run(mode="reschedule", deferrable=False) == DONE
    with pytest.raises(AirflowFailException, match=r"needs Airflow 3\.3"):
        scheduler.run(mode="reschedule", deferrable=False, changed=True)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"gone": True, "changed": True}, "gone and changed are several conditions"),
        ({"field": "a", "equals": 1, "is_in": [1]}, "equals and is_in are several"),
        ({"field": "a", "condition": is_done}, "say what is waited for"),
        ({"field": "a"}, "say what is waited for"),
        ({"equals": 1}, "equals: say of which field"),
        ({"max_failures": 0}, "at least 1"),
        ({"condition": 7}, "no function"),
        ({"condition": is_done_async}, "not an async one"),
        ({"condition": is_done_async_lazily}, "not an async one"),
        ({"condition": is_done_lazily}, "not yield it"),
        ({"condition": partial(is_done_lazily), "deferrable": False}, "not yield it"),
        ({"condition": Yields(), "deferrable": False}, "not yield it"),
        ({"field": "a", "is_in": []}, "is_in: it is empty"),
        ({"field": "a || b", "is_in": [1, None]}, "is_in: an expression finds null also where nothing is"),
        ({"field": "a[?x]", "equals": 1, "failed": [None]}, "failed: an expression finds null also where"),
        ({"field": "a", "is_in": [1, [math.nan]]}, "is_in: JSON has neither NaN"),
        ({"field": "a", "equals": math.nan}, "equals: JSON has neither NaN"),
        ({"field": "a", "equals": {"b": math.inf}}, "equals: JSON has neither NaN"),
        ({"condition": lambda _body: True, "deferrable": True}, "deferrable=False"),
    ],
)
def test_arguments_that_are_no_condition_are_refused(arguments: dict[str, Any], reason: str) -> None:
    """The DAG does not load; the message says what is wrong."""
    with pytest.raises(ValueError, match=reason):
        MirrorDBSensor(task_id="wait", endpoint="api/jobs/7", **arguments)


def test_function_of_a_dag_file_cannot_be_deferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name that Airflow gives to a DAG file means nothing in the triggerer."""
    module = ModuleType("unusual_prefix_0a1b_my_dag")
    exec("def check(body): return True", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    MirrorDBSensor(task_id="wait", endpoint="api/jobs/7", condition=module.check, deferrable=False)
    with pytest.raises(ValueError, match="cannot import 'check'"):
        MirrorDBSensor(task_id="wait", endpoint="api/jobs/7", condition=module.check, deferrable=True)


@pytest.mark.parametrize(
    ("arguments", "field", "reason"),
    [
        ({"endpoint": "api/jobs/None"}, "endpoint", "missing XCom"),
        ({"request_timeout": "soon"}, "request_timeout", "it must be a number"),
        ({"field": "a", "equals": {1}}, "equals", "JSON"),
        ({"condition": "no_such_module.check"}, "condition", "cannot be imported"),
        ({"condition": f"{__name__}.is_done_async"}, "condition", "not an async one"),
        ({"condition": f"{__name__}.is_done_lazily"}, "condition", "not yield it"),
    ],
)
def test_bad_argument_is_named_and_nothing_is_sent(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,
    arguments: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    """What a template made wrong fails the task at once, named, before any I/O."""
    set_connection(scripted.url)
    with pytest.raises(AirflowFailException, match=reason) as raised:
        scheduler.run(deferrable=True, **arguments)
    assert isinstance(raised.value.__cause__, InvalidRequestError)
    assert raised.value.__cause__.field == field
    assert scripted.connections == 0


def test_everything_but_callables_is_templated() -> None:
    """Templates are rendered in all that says what is looked at."""
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        sensor = MirrorDBSensor(
            task_id="wait", endpoint="api/jobs/{{ run_id }}", field="{{ run_id }}", is_in=["{{ run_id }}", 1]
        )
    assert all(hasattr(sensor, name) for name in sensor.template_fields)
    assert sensor.template_ext == ()
    sensor.render_template_fields({"run_id": "r"})
    assert (sensor.endpoint, sensor.field, sensor.is_in) == ("api/jobs/r", "r", ["r", 1])


def test_mapped_sensors_keep_their_defaults() -> None:
    """``partial(...).expand(...)`` works and loses no default."""
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        MirrorDBSensor.partial(task_id="wait", field="state", equals="done", poke_interval=7).expand(
            endpoint=["api/jobs/1", "api/jobs/2"]
        )
    sensor = dag.get_task("wait").unmap({"endpoint": "api/jobs/2"})
    assert isinstance(sensor, MirrorDBSensor)
    assert (sensor.endpoint, sensor.equals, sensor.poke_interval) == ("api/jobs/2", "done", 7)
    assert (sensor.max_failures, sensor.mirrordb_conn_id) == (5, "mirrordb_default")


def test_no_secret_of_the_connection_is_in_trigger_or_event(
    scripted: ScriptedBackend, set_connection: SetConnection, scheduler: Scheduler
) -> None:
    """What Airflow stores of a deferred sensor holds nothing of the connection, nor the first value."""
    set_connection(scripted.url, login="someone", password="canary-secret")
    scripted.answer(200, {"state": "canary-value"})
    scripted.answer(403, {"detail": "canary-secret is not allowed"})
    with pytest.raises(TaskDeferred) as deferred:
        scheduler.sensor(changed=True, deferrable=True).execute(scheduler.context())
    event = scheduler.triggered(deferred.value)
    assert event.payload["status"] == "error"
    assert "canary" not in json.dumps([deferred.value.trigger.serialize(), event.payload])


def test_trigger_reports_what_it_did_not_expect(scheduler: Scheduler, set_connection: SetConnection) -> None:
    """A trigger never raises: a missing connection and arguments of another version become events."""
    request = {"method": "GET", "endpoint": "api/jobs/7"}
    event = asyncio.run(only_event(MirrorDBSensorTrigger("no_such_connection", request))).payload
    assert event["status"] == "error"
    assert "no_such_connection" in read_event(event)["error"]["message"]
    newer = MirrorDBSensorTrigger(request=request, condition={"equals": 1, "field_of_tomorrow": "state"})
    message = read_event(asyncio.run(only_event(newer)).payload)["error"]["message"]
    assert "equals: say of which field" in message


@pytest.mark.skipif(
    AIRFLOW_V_3_0_PLUS and not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 loads its server with the first task"
)
def test_importing_the_sensor_loads_no_client() -> None:
    """A DAG file that imports the sensor loads no HTTP and no pydantic."""
    code = (
        "import sys; from airflow.providers.common.compat.sdk import DAG, BaseSensorOperator\n"
        "before = set(sys.modules); from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor\n"
        "MirrorDBSensor(task_id='wait', endpoint='api/jobs/7', field='state', equals='done')\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"aiohttp", "requests", "urllib3", "pydantic", "yarl"}
    assert not [name for name in output if name.split(".")[0] in heavy]
    assert not [name for name in output if name.startswith("airflow_mirrordb.client")]
