"""Triggers that another version of this package stored are restored by Airflow 3.3's own triggerer, and run.

The rows are written down as they lie in Airflow's table of triggers, never made by the code of today.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

if not AIRFLOW_V_3_3_PLUS:
    pytest.skip("each version of Airflow has borders of its own", allow_module_level=True)

from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseEventTrigger

from airflow_mirrordb.operators.job import MirrorDBJobOperator
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.task.start import DEFAULTS
from airflow_mirrordb.triggers.event import MirrorDBEventTrigger
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from airflow_mirrordb.triggers.sensor import MirrorDBSensorTrigger
from airflow_mirrordb.triggers.start import MirrorDBReadStartTrigger, MirrorDBSensorStartTrigger
from tests.integration.test_operators import context
from tests.support import airflow_borders as borders
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

READ = "airflow_mirrordb.triggers.mirrordb.MirrorDBTrigger"
WAIT = "airflow_mirrordb.triggers.mirrordb.MirrorDBWaitTrigger"
SENSOR = "airflow_mirrordb.triggers.sensor.MirrorDBSensorTrigger"
JOB = "airflow_mirrordb.triggers.job.MirrorDBJobTrigger"
EVENT = "airflow_mirrordb.triggers.event.MirrorDBEventTrigger"
READ_START = "airflow_mirrordb.triggers.start.MirrorDBReadStartTrigger"
SENSOR_START = "airflow_mirrordb.triggers.start.MirrorDBSensorStartTrigger"

#: As a version stored them that left no default out: each argument of each trigger.
BEFORE: dict[str, str] = {
    READ: (
        r'{"mirrordb_conn_id": "mirrordb_default", "request": "{\"method\":\"GET\",'
        r"\"endpoint\":\"api/users/7\",\"method_name\":\"fetch\",\"data\":null,\"query\":null,\"headers\":null,\"timeout\":null,"
        r"\"if_match\":null,\"if_none_match\":null,\"idempotency_key\":null,\"missing_ok\":false,"
        r'\"paginate\":null}", "progress": "{\"attempts\":2,\"deadline\":1900000000.25,\"resume_at\":0.0,'
        r'\"cut_off\":0,\"maybe_applied\":false}", "max_event_bytes": 1048576, "output_path": null,'
        r' "operator": "MirrorDBReadOperator"}'
    ),
    WAIT: (
        r'{"request": "{\"method\":\"POST\",\"endpoint\":\"api/users\",\"method_name\":\"create\",'
        r"\"data\":{\"name\":\"Ada\"},\"query\":null,\"headers\":null,\"timeout\":null,\"if_match\":null,"
        r'\"if_none_match\":null,\"idempotency_key\":null,\"missing_ok\":false,\"paginate\":null}",'
        r' "progress": "{\"attempts\":2,\"deadline\":1900000000.25,\"resume_at\":0.0,\"cut_off\":0,'
        r'\"maybe_applied\":false}"}'
    ),
    SENSOR: (
        r'{"request": "{\"method\":\"GET\",\"endpoint\":\"api/users/7\",\"method_name\":\"fetch\",'
        r"\"data\":null,\"query\":null,\"headers\":null,\"timeout\":null,\"if_match\":null,"
        r'\"if_none_match\":null,\"idempotency_key\":null,\"missing_ok\":false,\"paginate\":null}",'
        r' "condition": "{\"gone\":false,\"field\":\"state\",\"equals\":\"done\",\"is_in\":null,'
        r'\"changed\":false,\"function\":null}", "state": "{\"failures\":1,\"first\":null}",'
        r' "mirrordb_conn_id": "mirrordb_default", "poke_interval": 60.0, "resume_at": 0.0,'
        r' "deadline": 1900000000.25, "max_failures": 5, "max_event_bytes": 1048576,'
        r' "operator": "MirrorDBSensor"}'
    ),
    JOB: (
        r'{"mirrordb_conn_id": "mirrordb_default", "request": "{\"method\":\"GET\",\"endpoint\":\"/\",'
        r"\"method_name\":null,\"data\":null,\"query\":null,\"headers\":null,\"timeout\":null,\"accept\":null,"
        r'\"full_response\":false}", "arguments": "{\"job\":null,\"state\":\"state\",'
        r"\"succeeded\":[\"done\"],\"failed\":null,\"running\":null,\"error\":null,\"progress\":null,\"result\":null,\"paginate\":null,"
        r"\"cancel\":null,\"poll_interval\":0.001,\"timeout\":86400.0,\"max_failures\":5,"
        r'\"rendered\":[]}", "job": "{\"endpoint\":\"api/users/7\",\"query\":null,\"target\":null,'
        r'\"values\":{},\"is_monitor\":false,\"submitted\":0.0,\"poll_from\":0.0,\"deadline\":1900000000.25}",'
        r' "state": "{\"failures\":1,\"first\":null,\"seen\":true}", "resume_at": 0.0,'
        r' "cancel_on_kill": true, "max_event_bytes": 1048576, "output_path": null, "may_be_file": true,'
        r' "operator": "MirrorDBJobOperator"}'
    ),
    EVENT: (
        '{"mirrordb_conn_id": "mirrordb_default", "endpoint": "api/users/7", "query": null, "headers": null,'
        ' "paginate": null, "cursor": null, "cursor_param": null, "where": null, "poll_interval": 60.0,'
        ' "field": null, "ignore": null, "unordered": false}'
    ),
    READ_START: (
        '{"mirrordb_conn_id": "mirrordb_default", "endpoint": "api/users/7", "method_name": "fetch",'
        ' "query": null, "headers": null, "request_timeout": null, "paginate": null, "output_path": null,'
        ' "max_event_bytes": 1048576, "end_from_trigger": false}'
    ),
    SENSOR_START: (
        '{"mirrordb_conn_id": "mirrordb_default", "endpoint": "api/users/7", "method_name": "fetch",'
        ' "query": null, "headers": null, "request_timeout": null, "gone": false, "field": "state",'
        ' "equals": "done", "is_in": null, "changed": false, "function": null, "poke_interval": 60.0,'
        ' "timeout": 1900000000.0, "longest": 1900000300.0, "max_failures": 5, "max_event_bytes": 1048576,'
        ' "end_from_trigger": false}'
    ),
}
#: As a version may store them that knows more: an argument of each, and fields of each dataclass in them.
AFTER: dict[str, str] = {
    READ: (
        r'{"request": "{\"method\":\"GET\",\"endpoint\":\"api/users/7\",\"method_name\":\"fetch\",'
        r'\"protocol\":\"h3\"}", "progress": "{\"attempts\":2,\"deadline\":1900000000.25,\"routes\":[1]}",'
        r' "priority": {"of": "task"}}'
    ),
    WAIT: (
        r'{"request": "{\"method\":\"POST\",\"endpoint\":\"api/users\",\"method_name\":\"create\",'
        r'\"data\":{\"name\":\"Ada\"},\"protocol\":\"h3\"}", "progress": "{\"routes\":[1]}", "until": 1.5}'
    ),
    SENSOR: (
        r'{"request": "{\"method\":\"GET\",\"endpoint\":\"api/users/7\",\"method_name\":\"fetch\",'
        r'\"protocol\":\"h3\"}", "condition": "{\"field\":\"state\",\"equals\":\"done\",\"for_polls\":1}",'
        r' "state": "{\"failures\":1,\"hints\":{}}", "deadline": 1900000000.25, "priority": 1, "jitter": 2.5}'
    ),
    JOB: (
        r'{"request": "{\"method\":\"GET\",\"endpoint\":\"/\",\"protocol\":\"h3\"}", "arguments":'
        r' "{\"state\":\"state\",\"succeeded\":[\"done\"],\"poll_interval\":0.001,\"webhook\":null}", "job":'
        r' "{\"endpoint\":\"api/users/7\",\"deadline\":1900000000.25,\"region\":1}", "jitter": 2.5}'
    ),
    EVENT: '{"endpoint": "api/users/7", "jitter": 2.5}',
    READ_START: '{"endpoint": "api/users/7", "method_name": "fetch", "jitter": 2.5}',
    SENSOR_START: (
        '{"endpoint": "api/users/7", "method_name": "fetch", "field": "state", "equals": "done",'
        ' "timeout": 1900000000.0, "longest": 1900000300.0, "jitter": 2.5}'
    ),
}
IGNORED = {
    READ: "priority, request.protocol, progress.routes",
    WAIT: "until, request.protocol, progress.routes",
    SENSOR: "jitter, priority, request.protocol, condition.for_polls, state.hints",
    JOB: "jitter, request.protocol, arguments.webhook, job.region",
    EVENT: "jitter",
    READ_START: "jitter",
    SENSOR_START: "jitter",
}
FOUND = {"id": 7, "state": "done"}
WARNING = "Another version of airflow_mirrordb stored what this one does not know, and ignores: "
every_class = pytest.mark.parametrize("class_path", list(BEFORE))
Fired = Callable[[str, str], Any]


@pytest.fixture
def fired(scripted: ScriptedBackend, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch) -> Fired:
    """Let Airflow's triggerer make a trigger of a row, and run it; returns the payload of its event.

    A resource is first as it was, and then as it is waited for.
    """
    set_connection(scripted.url)

    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(MirrorDBSensorTrigger, "sleep", staticmethod(at_once))
    monkeypatch.setattr(MirrorDBEventTrigger, "sleep", staticmethod(at_once))

    def fire(class_path: str, row: str) -> Any:
        if class_path in (SENSOR, SENSOR_START, EVENT, JOB):
            scripted.answer(200, {"id": 7, "state": "new"})
        scripted.answers += [(200, FOUND, {})] * 100  # a watcher goes on
        return borders.fired(
            asyncio.run(
                borders.first_event(class_path, row, of_a_deferral=class_path in (READ, WAIT, SENSOR, JOB))
            )
        ).payload

    return fire


def result_of(class_path: str, payload: Any) -> Any:
    """Return what a trigger's event is for who waits for it: the task's result, or the event of an asset."""
    if class_path == EVENT:
        return payload
    arguments: dict[str, Any] = {"task_id": "task", "endpoint": "api/users"}
    task: Any = {
        READ: MirrorDBReadOperator,
        READ_START: MirrorDBReadOperator,
        SENSOR: MirrorDBSensor,
        SENSOR_START: MirrorDBSensor,
        JOB: MirrorDBJobOperator,
    }.get(class_path, MirrorDBCreateOperator)
    if class_path in (WAIT, JOB):
        arguments["data"] = {"name": "of this try"}
    return task(**arguments).execute_complete(context(), borders.event(payload))


def check(class_path: str, payload: Any, scripted: ScriptedBackend) -> None:
    if class_path == EVENT:
        assert payload == {"endpoint": "api/users/7", "status": 200, "etag": None, "request_id": None}
        return
    assert result_of(class_path, payload) == FOUND
    line = "POST /api/users" if class_path == WAIT else "GET /api/users/7"
    assert set(scripted.requests) == {line}
    assert scripted.bodies[0] == (b'{"name":"Ada"}' if class_path == WAIT else b"")


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.message.startswith(WARNING[:15])]


@every_class
def test_what_a_version_before_stored_is_run(
    class_path: str, fired: Fired, scripted: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """A task that was deferred before an upgrade gets its result after it, without a warning."""
    check(class_path, fired(class_path, BEFORE[class_path]), scripted)
    assert warnings_in(caplog) == []


@every_class
def test_what_a_version_after_stored_is_run(
    class_path: str, fired: Fired, scripted: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """So does one that was deferred by an upgraded worker; one line of its log tells what was ignored."""
    payload = fired(class_path, AFTER[class_path])
    assert warnings_in(caplog) == [f"{WARNING}{IGNORED[class_path]}"]
    check(class_path, payload, scripted)


def test_a_wait_hands_back_what_it_does_not_know(fired: Fired, caplog: pytest.LogCaptureFixture) -> None:
    """Worker and triggerer are not always of one version: a worker that knows a field gets it back."""
    event = read_event(borders.event(fired(WAIT, AFTER[WAIT])))
    assert event["request"]["protocol"] == "h3"
    assert event["progress"] == {"routes": [1]}
    caplog.clear()
    result_of(WAIT, borders.event({"status": "resume", "data": json.dumps(event)}))
    assert warnings_in(caplog) == [f"{WARNING}request.protocol, progress.routes"]


# -- what is stored now ----------------------------------------------------------------------------


def test_defaults_are_not_stored() -> None:
    """A row has what somebody chose, and nothing that an older version would not know."""
    full = json.loads(BEFORE[READ])
    row = borders.row_of(MirrorDBTrigger(**full))
    assert {name: value for name, value in row.items() if name != "operator"} == {
        "request": '{"method":"GET","endpoint":"api/users/7","method_name":"fetch"}',
        "progress": '{"attempts":2,"deadline":1900000000.25}',
    }
    sensor = borders.row_of(MirrorDBSensorTrigger(**json.loads(BEFORE[SENSOR])))
    assert sensor["condition"] == '{"field":"state","equals":"done"}'
    assert set(sensor) == {"request", "condition", "state", "deadline", "operator"}


def test_what_is_like_a_default_and_none_is_stored() -> None:
    """False is not 0, and None not a number where a number is the default."""
    sent = MirrorDBSensorTrigger(condition={"field": "a", "equals": False}, max_failures=None)
    made = borders.trigger(sent)
    assert isinstance(made, MirrorDBSensorTrigger)
    assert made.condition["equals"] is False
    assert made.max_failures is None


def test_watchers_that_say_a_default_are_the_same() -> None:
    """Airflow takes triggers for one where what they store is equal, and a new argument changes nothing."""
    path, kwargs = MirrorDBEventTrigger(endpoint="api/users/7").serialize()
    assert kwargs == {"endpoint": "api/users/7"}
    said = MirrorDBEventTrigger(**json.loads(BEFORE[EVENT])).serialize()
    assert BaseEventTrigger.hash(*said) == BaseEventTrigger.hash(path, kwargs)


def test_tasks_that_start_in_the_triggerer_store_no_defaults() -> None:
    """The defaults that a DAG file knows are those of the triggers."""
    known: dict[str, Any] = {}
    for kind in (MirrorDBReadStartTrigger, MirrorDBSensorStartTrigger):
        known |= {name: argument.default for name, argument in inspect.signature(kind).parameters.items()}
    assert known == DEFAULTS
    task = MirrorDBReadOperator(task_id="t", endpoint="api/users/7", start_from_trigger=True)
    assert task.start_trigger_args is not None
    assert task.start_trigger_args.trigger_kwargs == {"endpoint": "api/users/7"}


@pytest.mark.parametrize(
    "make",
    [
        lambda **wrong: MirrorDBEventTrigger(endpoint="api/users", **wrong),
        lambda **wrong: MirrorDBTrigger(request={"method": "GET", "endpoint": "api/users"}, **wrong),
    ],
)
def test_an_author_who_misspells_an_argument_is_told(make: Callable[..., Any]) -> None:
    """Only the triggerer ignores an argument: where Airflow asks what to store, it is an error."""
    with pytest.raises(TypeError, match="has no argument 'pol_interval'"):
        encode_trigger(make(pol_interval=5))


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("interval", "poll_interval"),
        ("poke_interval", "poll_interval"),
        ("conn_id", "mirrordb_conn_id"),
        ("json_path", "field"),
    ],
)
def test_a_watcher_tells_what_was_meant(wrong: str, meant: str) -> None:
    """A sensor waits by ``poke_interval``, a watcher by ``poll_interval``."""
    with pytest.raises(TypeError, match=f"has no argument '{wrong}'; did you mean '{meant}'"):
        encode_trigger(MirrorDBEventTrigger(endpoint="api/users", **{wrong: 5}))  # type: ignore[arg-type]


def test_a_subclass_may_take_any_argument() -> None:
    """It hands on what it does not know, and what nobody knows is ignored there."""

    class Mine(MirrorDBTrigger):
        def __init__(self, team: str = "", **others: Any) -> None:
            super().__init__(**others)
            self.team = team

    mine = Mine(team="authors", operator="Mine", jitter=2.5)
    assert (mine.team, mine.operator) == ("authors", "Mine")
