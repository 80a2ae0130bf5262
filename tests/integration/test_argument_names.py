"""What is said of an argument that an operator, the sensor or the watcher does not have."""

from __future__ import annotations

import re
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_mirrordb.client.calls import argument_names
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.messages.request import BodyOptions, RequestOptions
from airflow_mirrordb.operators.job import MirrorDBJobOperator
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.checks import arguments
from airflow_mirrordb.task.mistakes.argument_names import _OF_SOME, _SENDS, unknown_argument

CREATE, READ = MirrorDBCreateOperator, MirrorDBReadOperator
UPDATE, DELETE = MirrorDBUpdateOperator, MirrorDBDeleteOperator
JOB, SENSOR = MirrorDBJobOperator, MirrorDBSensor
KINDS = (CREATE, READ, UPDATE, DELETE, JOB, SENSOR)


def told(kind: type[BaseOperator], **wrong: Any) -> str:
    """Return what is said of an argument when the DAG is read."""
    given: dict[str, Any] = {"endpoint": "api/users/7"}
    if kind in (CREATE, UPDATE, JOB):
        given["data"] = {}
    with pytest.raises(TypeError) as caught:
        kind(task_id="load", **given, **wrong)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "wrong", "says"),
    [
        # HttpOperator: one operator for all methods
        (READ, {"method": "POST"}, "it sends GET; POST is sent by MirrorDBCreateOperator"),
        (READ, {"method": "GET"}, "it always sends GET"),
        (UPDATE, {"method": "PATCH"}, "for PATCH say partial=True"),
        (CREATE, {"method": "patch"}, "PATCH is sent by MirrorDBUpdateOperator with partial=True"),
        (
            DELETE,
            {"method": "HEAD"},
            "it sends DELETE; there are operators for GET, POST, DELETE, PUT, PATCH",
        ),
        (JOB, {"method": "PUT"}, "it sends POST; PUT is sent by MirrorDBUpdateOperator"),
        (SENSOR, {"method": "POST"}, "it sends GET; POST is sent by"),
        (READ, {"auth_type": "basic"}, "in the connection, by its extra auth_type"),
        (READ, {"extra_options": {}}, "in the connection, by its extra timeout, verify and proxy"),
        (READ, {"retry_args": {}}, "in the connection, by its extra max_attempts"),
        (READ, {"response_check": print}, "in the connection, by its extra error_path"),
        (READ, {"pagination_function": print}, "did you mean 'paginate'?"),
        (READ, {"log_response": True}, "it is the task's result"),
        (READ, {"http_conn_id": "x"}, "did you mean 'mirrordb_conn_id'?"),
        # HttpSensor
        (SENSOR, {"request_params": {}}, "did you mean 'query'?"),
        (SENSOR, {"response_check": print}, "did you mean 'condition'?"),
        (SENSOR, {"response_error_codes_allowlist": ["404"]}, "did you mean 'not_yet'?"),
        # requests, httpx, and clients of single backends
        (READ, {"timeout": 60}, "did you mean 'request_timeout'?"),
        (READ, {"token": "x"}, "in the connection, by its field Password"),
        (READ, {"verify": False}, "in the connection, by its extra verify"),
        (READ, {"filter": "x"}, "as query={'filter': ...}; 'response_filter' keeps a part of the answer"),
        (READ, {"page_size": 3}, "as query={'page_size': ...}; 'paginate' reads all pages"),
        (UPDATE, {"limit": 3}, "a parameter of the URL goes into 'query', as query={'limit': ...}"),
        (UPDATE, {"etag": '"v7"'}, "did you mean 'if_match'?"),
        (READ, {"etag": '"v7"'}, "in the result of full_response=True"),
        (UPDATE, {"patch": True}, "did you mean 'partial'?"),
        (CREATE, {"patch": True}, "'partial' is an argument of MirrorDBUpdateOperator"),
        (DELETE, {"ignore_missing": True}, "did you mean 'missing_ok'?"),
        (DELETE, {"data": {}}, "a DELETE has no body"),
        (CREATE, {"paginate": {}}, "'paginate' is an argument of MirrorDBReadOperator and MirrorDBJobO"),
        (
            READ,
            {"form": {}},
            "'form' is an argument of MirrorDBCreateOperator, MirrorDBUpdateOperator and Mi",
        ),
        (READ, {"succeeded": ["DONE"]}, "'succeeded' is an argument of MirrorDBJobOperator"),
        (CREATE, {"text": "{}"}, "did you mean 'data'?"),
        (READ, {"output_file": "/x"}, "did you mean 'output_path'?"),
        (CREATE, {"file": "/x"}, "did you mean 'input_path'?"),
        (READ, {"user_id": 7}, "has no argument 'user_id'; it has data, paginate, output_path, "),
        # what this package has elsewhere
        (READ, {"poll_interval": 60}, "MirrorDBSensor waits for a resource"),
        (SENSOR, {"poll_interval": 60}, "did you mean 'poke_interval'?"),
        (SENSOR, {"value": "DONE"}, "did you mean 'equals'?"),
        (SENSOR, {"failed_states": ["F"]}, "did you mean 'failed'?"),
        (JOB, {"success_states": ["F"]}, "did you mean 'succeeded'?"),
        (JOB, {"interval": 60}, "did you mean 'poll_interval'?"),
        (JOB, {"status_url": 1}, "did you mean 'job'?"),
        # slips
        (READ, {"qurey": {}}, "did you mean 'query'?"),
        (READ, {"retry": 3}, "did you mean 'retries'?"),
    ],
)
def test_what_was_meant_is_told(kind: type[BaseOperator], wrong: dict[str, Any], says: str) -> None:
    """The names are those of the HTTP provider's reference (operators, sensors), of requests and of httpx."""
    message = told(kind, **wrong)
    assert message.startswith(f"task 'load': {kind.__name__} has no argument {next(iter(wrong))!r}")
    assert says in message


FIELDS = {"base_url": "field Host", "login": "field Login", "api_key": "field Password"}


@pytest.mark.parametrize("name", sorted(MirrorDBConfig.model_fields))
def test_a_setting_of_the_connection_is_told_as_that(name: str) -> None:
    """By its own name, and no near one: Airflow's ``max_retry_delay`` is another than ``max_delay``."""
    own = arguments(READ)[0]
    if name in own:
        return
    message = told(READ, **{name: 1})
    if meant := [ours for ours in argument_names.meant_by(name) if ours in own]:
        assert f"did you mean {meant[0]!r}?" in message
    else:
        assert f"that is said in the connection, by its {FIELDS.get(name, f'extra {name}')}" in message


@pytest.mark.parametrize(
    ("kind", "name"),
    [(READ, "methodology"), (UPDATE, "matching"), (READ, "wait_timeout_s"), (CREATE, "insert_all")],
)
def test_far_guesses_are_not_offered(kind: type[BaseOperator], name: str) -> None:
    """Who follows one makes another mistake, without a word: ``method_name`` for ``method`` is a label."""
    message = told(kind, **{name: 1})
    assert "did you mean" not in message
    assert ", endpoint, mirrordb_conn_id, " in message


def test_the_jobs_own_arguments_are_arguments() -> None:
    """``timeout`` and ``poll_interval`` mean a job there."""
    JOB(task_id="j", endpoint="api/jobs", data={}, timeout=600, poll_interval=60, result="api/jobs/{id}/rows")


def test_what_is_offered_is_there() -> None:
    """A table is no better than the names in it."""
    options = {*BodyOptions.__annotations__, *RequestOptions.__annotations__}
    ours = set[str]().union(options, *(arguments(kind)[0] for kind in KINDS))
    airflows = {"poke_interval", "retries"}
    assert {name for names in argument_names._MEANT.values() for name in names} <= ours | airflows
    extras = {part for name in argument_names._OF_CONNECTION.values() for part in name.split(", ")}
    assert {word for place in extras for word in place.split(" and ")} <= set(MirrorDBConfig.model_fields)
    assert not argument_names._OF_CONNECTION.keys() & MirrorDBConfig.model_fields.keys()


def test_each_argument_of_some_classes_is_told_with_all_of_them() -> None:
    """But for those of all operators, and for ``bulk``, which a job has from its base, and refuses."""
    of_all = {"data", "worker_timeout", "concurrency", "on_error", "max_failed"}
    of_starts = {"start_from_trigger", "end_from_trigger"}
    for name in set[str]().union(*(arguments(kind)[0] for kind in KINDS)) - of_all - of_starts:
        having = {kind.__name__ for kind in KINDS if name in arguments(kind)[0]}
        if name == "bulk":
            having.remove("MirrorDBJobOperator")
        told_of = set(re.findall(r"\w+(?:Operator|Sensor)", _OF_SOME.get(name, "")))
        assert told_of == (having if len(having) < len(KINDS) else set()), name


def test_a_method_is_told_of_every_operator() -> None:
    """An operator that sends another one is here, too."""
    assert {kind.__name__ for kind in KINDS} <= _SENDS.keys()


def test_a_class_of_a_users_own_is_its_base() -> None:
    """Its own arguments are its affair."""

    class Users(MirrorDBReadOperator):
        pass

    assert "it sends GET; POST" in unknown_argument(Users, "method", "POST", own=())
