"""Every trigger on its way through Airflow: from a worker into the database, and on into the triggerer."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from dataclasses import asdict
from typing import Any

import pytest
from aiohttp import web
from airflow.models.trigger import Trigger
from airflow.sdk.execution_time.comms import DeferTask
from airflow.sdk.serde import deserialize, serialize
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.triggers.base import BaseTrigger, TriggerEvent

import airflow_mirrordb.triggers
from airflow_mirrordb.client import MirrorDBError, MirrorDBRequest, NotFoundError, Progress
from airflow_mirrordb.client.jobs.places import RemoteJob
from airflow_mirrordb.client.jobs.polls import PollState
from airflow_mirrordb.conditions import Condition
from airflow_mirrordb.job_arguments import JobArguments
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.task.serialization import from_text, to_text
from airflow_mirrordb.triggers.event import MirrorDBEventTrigger
from airflow_mirrordb.triggers.job import MirrorDBJobTrigger
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger, MirrorDBWaitTrigger, arguments
from airflow_mirrordb.triggers.sensor import MirrorDBSensorTrigger
from airflow_mirrordb.triggers.start import MirrorDBReadStartTrigger, MirrorDBSensorStartTrigger
from tests.support.backends import Answering

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

REQUEST = MirrorDBRequest(
    method="PATCH",
    endpoint="api/users/7",
    method_name="promote Ada",
    data={"roles": ["editor", None], "since": 1.5, "nested": {"ö": [True, {"deep": []}]}},
    query={"dry_run": False, "tag": ["a", "b"]},
    headers={"X-Team": "authors"},
    timeout=2.5,
    if_match='"3"',
    idempotency_key="5a4c",
)
PROGRESS = Progress(attempts=2, deadline=1_900_000_000.25, resume_at=1_800_000_000.5, cut_off=1)
TRIGGERS = [
    MirrorDBTrigger(
        "elsewhere",
        **arguments(REQUEST, PROGRESS),
        max_event_bytes=1000,
        output_path="s3://store@bucket/users.jsonl",
    ),
    MirrorDBWaitTrigger(**arguments(REQUEST, PROGRESS)),
    MirrorDBSensorTrigger(
        "elsewhere",
        request=asdict(REQUEST),
        condition=asdict(
            Condition(
                field="job.state",
                is_in=["done", None, 1.5, True],
                failed=["lost"],
                not_yet=[503],
                rendered=["is_in"],
            )
        ),
        state=asdict(PollState(failures=2, first="5a4c")),
        poke_interval=7.5,
        resume_at=1_800_000_000.5,
        deadline=1_900_000_000.25,
        max_failures=None,
        max_event_bytes=1000,
    ),
    MirrorDBJobTrigger(
        "elsewhere",
        request={"method": "GET", "endpoint": "/", "headers": {"X-Team": "authors"}, "timeout": 2.5},
        arguments=asdict(
            JobArguments(
                job={"endpoint": "api/runs", "query": {"run_id": "{run.id}"}},
                state="done && (error && 'ö' || 'done') || 'runs'",
                succeeded=["done"],
                failed=["ö", 7, False],
                running=[None, "runs"],
                result={"endpoint": "api/runs/{run.id}/rows", "accept": "text/csv"},
                paginate={"style": "header", "next": "Locator", "param": "locator"},
                cancel={"method": "POST", "endpoint": "api/cancel", "data": {"ids": ["{run.id}", None]}},
                rendered=["failed"],
            )
        ),
        job=asdict(
            RemoteJob(
                endpoint="api/runs",
                query={"run_id": 2**53},
                target="/api/runs?run_id=7&sig=%C3%B6",
                values={"run.id": 2**53},
                deadline=1_900_000_000.25,
            )
        ),
        state=asdict(PollState(failures=2, seen=True)),
        resume_at=1_800_000_000.5,
        cancel_on_kill=False,
        max_event_bytes=1000,
        output_path="s3://store@bucket/rows.jsonl",
    ),
    MirrorDBEventTrigger(
        "elsewhere",
        "api/users",
        query={"tag": ["a", "ö"], "deep": False},
        headers={"X-Team": "authors"},
        paginate={"style": "link"},
        cursor="meta.updated",
        cursor_param="since",
        where={"role": None, "level": 1.5},
        poll_interval=7.5,
    ),
    MirrorDBEventTrigger("elsewhere", "api/jobs/7", field="job", ignore=["job.*.ö"], unordered=True),
    MirrorDBReadStartTrigger(
        "elsewhere",
        "api/users/{{ ds }}",
        method_name="fetch Ada",
        query={"tag": ["a", "ö"], "deep": False},
        headers={"X-Team": "authors"},
        request_timeout="{{ params.timeout }}",
        paginate={"style": "link"},
        output_path="s3://store@bucket/users.jsonl",
        max_event_bytes=1000,
        end_from_trigger=True,
    ),
    MirrorDBSensorStartTrigger(
        "elsewhere",
        "api/jobs/7",
        method_name="wait for Ada",
        query={"tag": ["a", "ö"], "deep": False},
        headers={"X-Team": "authors"},
        request_timeout=2.5,
        gone=True,
        field="job.state",
        equals={"{{ ds }}": 1.5},
        is_in=["done", None, True],
        failed=["lost", 7],
        not_yet=[403, "503"],
        changed=True,
        function="builtins.bool",
        poke_interval=7.5,
        timeout=3600.0,
        longest=3967.5,
        max_failures=None,
        max_event_bytes=1000,
        end_from_trigger=True,
    ),
]
every_trigger = pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: type(trigger).__name__)


def stored(trigger: BaseTrigger) -> tuple[str, str]:
    """Return a trigger's class path and arguments as a worker sends them and the database stores them."""
    class_path, kwargs = trigger.serialize()
    message = DeferTask(
        classpath=class_path, trigger_kwargs=serialize(kwargs), next_method="execute_complete"
    )
    return message.classpath, json.dumps(message.model_dump(mode="json")["trigger_kwargs"])


def revived(class_path: str, stored_arguments: str) -> BaseTrigger:
    """Make a trigger as the triggerer does (``TriggerRunner.create_triggers``)."""
    module, _, name = class_path.rpartition(".")
    trigger_class = getattr(importlib.import_module(module), name)
    kwargs = Trigger._decrypt_kwargs(stored_arguments)
    trigger: BaseTrigger = trigger_class(
        **{name: smart_decode_trigger_kwargs(value) for name, value in kwargs.items()}
    )
    return trigger


def arrived(event: TriggerEvent) -> Any:
    """Return an event's payload as the resumed task gets it, which is stored on its way as well."""
    stored_event = json.dumps(serialize({"event": event.payload}))
    resumed: Any = deserialize(json.loads(stored_event))
    return resumed["event"]


def given_to(trigger: BaseTrigger) -> dict[str, Any]:
    """Return what a trigger was made with."""
    return {name: getattr(trigger, name) for name in inspect.signature(type(trigger)).parameters}


def arguments_of(trigger: BaseTrigger) -> dict[str, Any]:
    """Return what a trigger was made with, be it stored or not: fields that are left out are there."""
    arguments = given_to(trigger)
    kinds = getattr(trigger, "fields_of_arguments", {})
    for name, value in arguments.items():
        if name in kinds and value:
            arguments[name] = kinds[name](**value)
    return arguments


async def only_event(trigger: BaseTrigger) -> TriggerEvent:
    (event,) = [event async for event in trigger.run()]
    return event


def test_every_class_is_tried_here() -> None:
    """A trigger that is added to the package has to be added to these tests."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(airflow_mirrordb.triggers.__path__, "airflow_mirrordb.triggers.")
    ]
    classes = {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, BaseTrigger) and member.__module__ == module.__name__
    }
    assert {type(trigger) for trigger in TRIGGERS} == classes


@every_trigger
def test_triggers_come_back_unchanged(trigger: BaseTrigger) -> None:
    """What the triggerer runs is what the worker deferred to."""
    back = revived(*stored(trigger))

    assert type(back) is type(trigger)
    assert arguments_of(back) == arguments_of(trigger)


@every_trigger
def test_arguments_are_plain_json(trigger: BaseTrigger) -> None:
    """The database stores the arguments as they are, with nothing that only Python can read."""
    for name, value in json.loads(stored(trigger)[1]).items():
        given = getattr(trigger, name)
        if isinstance(given, dict) and isinstance(value, str):
            assert from_text(value).items() <= given.items()
        else:
            assert value == given


@every_trigger
def test_encrypted_arguments_come_back_unchanged(trigger: BaseTrigger) -> None:
    """A trigger that the scheduler stores, encrypted, comes back as well."""
    row = Trigger.from_object(trigger)

    assert arguments_of(revived(row.classpath, row.encrypted_kwargs)) == arguments_of(trigger)


@every_trigger
def test_every_argument_has_a_default(trigger: BaseTrigger) -> None:
    """A trigger that an older version stored, without one of the arguments, can still be made."""
    class_path, defaults = stored(trigger)[0], arguments_of(type(trigger)())
    for missing in defaults:
        fewer = {name: value for name, value in given_to(trigger).items() if name != missing}
        made = revived(class_path, json.dumps(fewer))
        assert arguments_of(made) == {**arguments_of(trigger), missing: defaults[missing]}


async def test_fewest_arguments_are_enough(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older version's request of a method and an endpoint is sent; its event arrives unchanged."""
    backend = await answering(web.json_response({"id": 7, "tags": ["a"], "ö": None}))
    connection = {"conn_type": "mirrordb", "host": backend.base_url}
    monkeypatch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", json.dumps(connection))
    old = json.dumps({"request": {"method": "GET", "endpoint": "api/users/7"}})

    event = await only_event(revived(stored(TRIGGERS[0])[0], old))

    assert backend.lines == ["GET /api/users/7"]
    assert arrived(event) == event.payload
    assert read_event(event.payload)["data"] == {"id": 7, "tags": ["a"], "ö": None}


async def test_error_arrives_as_itself(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the triggerer reaches the task with its class and facts."""
    backend = await answering(web.json_response({"detail": "who?"}, status=404))
    connection = {"conn_type": "mirrordb", "host": backend.base_url}
    monkeypatch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", json.dumps(connection))
    request = MirrorDBRequest(method="GET", endpoint="api/users/7", method_name="fetch")

    event = read_event(arrived(await only_event(MirrorDBTrigger(request=asdict(request)))))

    error = MirrorDBError.from_dict(event["error"])
    assert isinstance(error, NotFoundError)
    assert (error.status, error.detail, error.endpoint) == (404, "who?", "api/users/7")


async def test_wait_hands_back_what_it_was_given() -> None:
    """The wait is over at its moment, and the resumed task gets the request and progress unchanged."""
    late = Progress(attempts=2, deadline=1_900_000_000.25, resume_at=0.0, cut_off=1)
    trigger = revived(*stored(MirrorDBWaitTrigger(**arguments(REQUEST, late))))

    event = read_event(arrived(await only_event(trigger)))

    assert event["status"] == "resume"
    assert MirrorDBRequest(**event["request"]) == REQUEST
    assert Progress(**event["progress"]) == late


def test_error_of_a_newer_version_fails_the_task() -> None:
    """An error of a kind unknown here is raised as a plain one, with its message."""
    error = {"type": "QuotaError", "message": "used up", "retryable": True, "quota": 3}
    payload = {"status": "error", "data": to_text({"status": "error", "error": error})}
    operator = MirrorDBReadOperator(task_id="read", endpoint="api/users/7")

    with pytest.raises(MirrorDBError, match="used up") as raised:
        operator.execute_complete({}, payload)
    assert type(raised.value) is MirrorDBError
