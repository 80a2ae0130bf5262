"""Reads that begin in the triggerer, against reads on a worker; the sensor's are with its other modes."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.triggers.base import BaseTrigger

from airflow_mirrordb.client import MirrorDBError
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from airflow_mirrordb.triggers.start import MirrorDBReadStartTrigger
from tests.integration.test_operators import context, first_event, run
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

since_airflow_3_3 = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="came with Airflow 3.3")
STARTED: dict[str, Any] = {"start_from_trigger": True}


def read(**arguments: Any) -> MirrorDBReadOperator:
    return MirrorDBReadOperator(**{"task_id": "read", "endpoint": "api/users", **arguments})


def started(operator: MirrorDBReadOperator) -> Any:
    """Run a task as Airflow does that starts its trigger itself, but without templates."""
    start = operator.start_trigger_args
    assert start is not None
    assert start.trigger_cls == f"{MirrorDBReadStartTrigger.__module__}.{MirrorDBReadStartTrigger.__name__}"
    trigger = MirrorDBReadStartTrigger(**json.loads(json.dumps(start.trigger_kwargs)))
    trigger.task_id = operator.task_id
    event = json.loads(json.dumps(asyncio.run(first_event(trigger))))
    return getattr(operator, start.next_method)(context(), event)


def outcome(work: Any) -> Any:
    """Return what a task brings: its result, or what is known of its error."""
    try:
        return work()
    except (MirrorDBError, AirflowFailException) as error:
        cause = error if isinstance(error, MirrorDBError) else error.__cause__
        assert isinstance(cause, MirrorDBError)
        return type(error), str(error), {**cause.to_dict(), "elapsed": None}


PAGES: list[Any] = [(200, [{"id": 1}], {}), (200, [], {})]


@since_airflow_3_3
@pytest.mark.parametrize(
    ("arguments", "answers"),
    [
        ({}, [(200, {"id": 7, "ö": None}, {})]),
        ({}, [(204, None, {})]),
        ({}, [(503, None, {}), (429, None, {"Retry-After": "0"}), (200, [], {})]),
        ({"paginate": {"style": "page", "param": "p"}, "query": {"a": [1, None]}}, PAGES),
        ({"response_filter": len, "headers": {"X-Team": "a"}}, [(200, [1, 2], {})]),
        ({"request_timeout": "2.5", "method_name": "fetch"}, [(200, [], {})]),
        ({"accept": "text/csv"}, [(200, b"a,b", {"Content-Type": "text/csv"})]),
        ({"full_response": True, "response_filter": itemgetter("etag")}, [(200, {}, {"ETag": '"v1"'})]),
        ({}, [(404, {"detail": "who?"}, {"X-Request-ID": "r1"})]),
        ({}, [(500, None, {})] * 5),
        ({}, [(200, b"<html>", {})]),
        ({"max_event_bytes": 5}, [(200, {"long": "body"}, {})]),
        ({"endpoint": "api/users/None"}, []),
        ({"endpoint": "../admin"}, []),
        ({"request_timeout": "soon"}, []),
        ({"paginate": {"style": "{{ 'nobody' }}"}}, []),
    ],
)
def test_outcome_is_that_of_a_worker(
    scripted: ScriptedBackend, set_connection: SetConnection, arguments: dict[str, Any], answers: list[Any]
) -> None:
    """Result, error and requests are the same, whoever sends."""
    set_connection(scripted.url)
    modes = {
        "worker": partial(run, read(deferrable="headers" in arguments, **arguments)),
        "deferred": partial(run, read(deferrable=True, worker_timeout=0, **arguments)),
        "started": partial(started, read(**STARTED, **arguments)),
    }
    outcomes, requests = {}, {}
    for mode, work in modes.items():
        scripted.answers, scripted.requests = [*answers], []
        outcomes[mode] = outcome(work)
        requests[mode] = scripted.requests
    assert outcomes["started"] == outcomes["deferred"] == outcomes["worker"]
    assert requests["started"] == requests["deferred"] == requests["worker"]


@since_airflow_3_3
def test_file_is_that_of_a_worker(
    scripted: ScriptedBackend, set_connection: SetConnection, tmp_path: Path
) -> None:
    """An answer may be written to a file, as on a worker; the result tells of it."""
    set_connection(scripted.url)
    scripted.answers = [(200, [{"id": 1}], {})] * 2
    results = [
        run(read(output_path=str(tmp_path / "worker.json"))),
        started(read(output_path=str(tmp_path / "started.json"), **STARTED)),
    ]
    assert [{**result, "path": ""} for result in results] == [{**results[0], "path": ""}] * 2
    assert (tmp_path / "started.json").read_bytes() == (tmp_path / "worker.json").read_bytes() != b""


@since_airflow_3_3
def test_list_that_a_template_renders_to_is_told(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Many endpoints are read on a worker; a trigger that is given them fails with the reason."""
    set_connection(scripted.url)
    operator = read(endpoint="{{ native }}", **STARTED)
    assert operator.start_trigger_args is not None
    assert operator.start_trigger_args.trigger_kwargs is not None
    operator.start_trigger_args.trigger_kwargs["endpoint"] = ["api/users/1"]  # as a native template does
    with pytest.raises(AirflowFailException, match="endpoint: only a worker reads many"):
        started(operator)
    assert scripted.requests == []


def test_worker_that_has_to_begin_hands_over_at_once(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Where Airflow cannot start the trigger, the task defers without a request of the worker's."""
    set_connection(scripted.url)
    with pytest.raises(TaskDeferred) as deferred:
        read(**STARTED).execute(context())
    assert isinstance(deferred.value.trigger, MirrorDBTrigger)
    assert scripted.requests == []


@since_airflow_3_3
def test_airflow_stores_what_the_trigger_needs() -> None:
    """A task passes through Airflow's serialisation with its trigger and the names that are rendered."""
    from airflow.serialization.decoders import smart_decode_trigger_kwargs
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("dag", schedule=None) as dag:
        read(endpoint="api/{{ ds }}", query={"a": ["{{ ds }}"]}, paginate={"style": "link"}, **STARTED)
        sensor = MirrorDBSensor(
            task_id="wait", endpoint="api/{{ ds }}", field="{{ ds }}", is_in=("a", None), **STARTED
        )
    stored: Any = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))

    for name in ("read", "wait"):
        task: Any = stored.get_task(name)
        assert task.start_from_trigger is True
        assert task.start_trigger_args.next_method == "execute_complete"
        kwargs = smart_decode_trigger_kwargs(task.start_trigger_args.trigger_kwargs)
        assert {"endpoint", "query" if name == "read" else "field"} <= set(kwargs) & set(task.template_fields)
        module, _, trigger_class = task.start_trigger_args.trigger_cls.rpartition(".")
        trigger: BaseTrigger = getattr(__import__(module, fromlist=[trigger_class]), trigger_class)(**kwargs)
        assert trigger.serialize() == (task.start_trigger_args.trigger_cls, kwargs)
    assert stored.get_task("wait").start_trigger_args.timeout.total_seconds() > sensor.timeout
    assert read().start_from_trigger is False


@pytest.mark.parametrize("make", [read, partial(MirrorDBSensor, task_id="wait", endpoint="api/users")])
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"end_from_trigger": True}, "end_from_trigger: it needs start_from_trigger=True"),
        (
            {"end_from_trigger": True, "response_filter": len, **STARTED},
            "end_from_trigger: response_filter runs on a worker",
        ),
    ],
)
def test_contradictions_are_told(make: Any, arguments: dict[str, Any], reason: str) -> None:
    """A task cannot end in the triggerer if it begins elsewhere, or has something to do on a worker."""
    with pytest.raises(ValueError, match=reason):
        make(**arguments)


@since_airflow_3_3
@pytest.mark.parametrize("make", [read, partial(MirrorDBSensor, task_id="wait", endpoint="api/users")])
def test_what_the_triggerer_cannot_work_out_is_told(make: Any) -> None:
    """Airflow 3.3 lets a trigger hang for ever at such a template, and never resolves an output."""
    hanging = "api/users/{{ ti.xcom_pull(task_ids='create') }}"
    output: Any = read(task_id="create").output
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"endpoint": hanging}, "endpoint: in the triggerer"),
        ({"endpoint": ["api/users/1", "api/users/2"]}, "endpoint: only a worker reads many"),
        ({"query": {"ids": [1, hanging]}}, "query: in the triggerer"),
        ({"endpoint": output}, "endpoint: the triggerer does not know the output of a task"),
        ({"query": {"id": output["id"]}}, "query: the triggerer does not know the output of a task"),
    ]
    for arguments, reason in wrong:
        with pytest.raises(ValueError, match=reason):
            make(**{**arguments, **STARTED})
    make(endpoint=hanging.replace("')", "', map_indexes=-1)"), **STARTED)
