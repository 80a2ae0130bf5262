"""Mistakes of who knows another client or operator, and takes its arguments, values or methods for ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG  # noqa: TID251  # params are warned of in a DAG

from airflow_mirrordb.client import GenericMirrorDB
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.messages.mistakes import Mistake, extra, make, reads


def make_in_dag(operator: type, **arguments: Any) -> Callable[[str], Any]:
    def in_dag(conn_id: str) -> None:
        with DAG("messages", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
            make(operator, **arguments)(conn_id)

    return in_dag


#: What ``HttpOperator`` and ``HttpHook`` of Airflow's HTTP provider take, and requests or httpx.
OTHER_CLIENTS = {
    "parameters of a GET as its data": Mistake(
        does=reads("users", data={"limit": 1}),
        connection=extra(endpoints="users"),
        says=("data of a read is its body", "query={'limit': 20}", "'QUERY users'", "extra 'endpoints'"),
    ),
    "requests' parameters of the URL": Mistake(
        does=make_in_dag(MirrorDBReadOperator, endpoint="api/users", params={"limit": 2}),
        says=("task 'load'", "params are Airflow's", "query={'limit': 2}"),
    ),
    "a task in the place of its result": Mistake(
        does=make(
            MirrorDBCreateOperator,
            endpoint="api/users",
            data=MirrorDBReadOperator(task_id="user", endpoint="api/users/7"),
        ),
        says=("data", "it is the task 'user', not its result", ".output"),
    ),
    "a comma too many in the data of a task": Mistake(
        does=lambda conn_id: make(MirrorDBCreateOperator, endpoint="api/users", data='{"name": "Ada",}')(
            conn_id
        ).execute({}),
        says=("data", "a comma before the end of a list or an object", "line 1, column 15"),
    ),
    "a file that is relative to nothing": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", output_path="out.json"),
        says=("output_path", "give the whole path", "'/data/users.csv'"),
    ),
    "a storage that no provider knows": Mistake(
        does=reads("api/users", output_path="s3://bucket/users.json"),
        says=("output_path", "no provider that is installed knows", "apache-airflow-providers-amazon[s3fs]"),
    ),
    "an expression as the condition of a sensor": Mistake(
        does=make(MirrorDBSensor, endpoint="api/users/7", condition="state == 'DONE'"),
        says=("condition", "is no path of a function", "goes into field", "equals=True"),
    ),
    "NaN in the data of a task": Mistake(
        does=make(MirrorDBCreateOperator, endpoint="api/users", data={"price": float("nan")}),
        says=("data.price", "JSON has no nan", "None"),
    ),
    "the worker's time-out of a task that stays there": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", worker_timeout=60),
        says=("worker_timeout has no effect without deferrable=True", "request_timeout"),
    ),
    "HttpOperator's method of another operator": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", method="POST"),
        says=("'method'", "it sends GET", "POST is sent by MirrorDBCreateOperator"),
    ),
    "its method of an update": Mistake(
        does=make(MirrorDBUpdateOperator, endpoint="api/users/7", method="PATCH", data={}),
        says=("for PATCH say partial=True",),
    ),
    "its kind of authentication": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", auth_type="basic"),
        says=("'auth_type'", "in the connection, by its extra auth_type"),
    ),
    "requests' time-out": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", timeout=60), says=("'request_timeout'",)
    ),
    "a parameter of the URL": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", page_size=50),
        says=("query={'page_size': ...}", "'paginate' reads all pages"),
    ),
    "another word for missing_ok": Mistake(
        does=make(MirrorDBDeleteOperator, endpoint="api/users/7", ignore_missing=True),
        says=("did you mean 'missing_ok'?",),
    ),
    "an argument near to none": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", user_id=7),
        says=("'user_id'", "it has data, paginate, output_path", "BaseOperator"),
    ),
    "HttpSensor's check": Mistake(
        does=make(MirrorDBSensor, endpoint="api/users/7", response_check=print),
        says=("did you mean 'condition'?",),
    ),
    "a value without its condition": Mistake(
        does=make(MirrorDBSensor, endpoint="api/users/7", value="done"), says=("did you mean 'equals'?",)
    ),
}


def uses_hook(does: Callable[[Any], Any]) -> Callable[[str], Any]:
    def use(conn_id: str) -> Any:
        with MirrorDBHook(conn_id) as hook:
            return does(hook)

    return use


#: What requests and ``HttpHook`` have, and our client.
METHODS = {
    "requests' name of a read": Mistake(
        does=uses_hook(lambda hook: hook.get("api/users/7")),
        says=("'MirrorDBHook' object has no attribute 'get'", "hook.read('api/users/7')"),
    ),
    "the client's name of a read": Mistake(
        does=uses_hook(lambda hook: hook.read_function("read", "api/users/7")),
        says=("'async with'", "hook.read('api/users/7')"),
    ),
    "a method and an endpoint as the request": Mistake(
        does=uses_hook(lambda hook: hook.request("GET", "api/users/7")),
        says=("one request", "MirrorDBRequest(method='GET', endpoint='api/users/7')"),
    ),
    "the connection id of HttpHook": Mistake(
        does=lambda conn_id: MirrorDBHook(http_conn_id=conn_id),  # type: ignore[call-arg]
        says=("MirrorDBHook has no argument 'http_conn_id'", "'mirrordb_conn_id'"),
    ),
    "the settings of a client one by one": Mistake(
        does=lambda _conn_id: GenericMirrorDB(base_url="https://example.com"),  # type: ignore[call-arg]
        says=("GenericMirrorDB takes its settings as one mapping", "{'base_url': "),
    ),
    "the parameters of a GET": Mistake(
        does=reads("api/users", params={"limit": 2}), says=("params", "did you mean 'query'?")
    ),
    "the text of an object as data": Mistake(
        does=uses_hook(lambda hook: hook.create("api/users", '{"name": "Ada"}')),
        says=("data", "goes out as a JSON text", "json.loads(data)"),
    ),
}

HABITS: dict[str, dict[str, Mistake]] = {
    "Habits of other clients": OTHER_CLIENTS,
    "Methods of other clients": METHODS,
}
