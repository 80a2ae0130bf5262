"""Mistakes of who knows another client or operator, and takes its arguments, values or methods for ours."""

from __future__ import annotations

from airflow_mirrordb.operators.mirrordb import (
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.messages.mistakes import Mistake, extra, make, reads

#: What ``HttpOperator`` and ``HttpHook`` of Airflow's HTTP provider take, and requests or httpx.
OTHER_CLIENTS = {
    "parameters of a GET as its data": Mistake(
        does=reads("users", data={"limit": 1}),
        connection=extra(endpoints="users"),
        says=("data of a read is its body", "query={'limit': 20}", "'QUERY users'", "extra 'endpoints'"),
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

HABITS: dict[str, dict[str, Mistake]] = {"Habits of other clients": OTHER_CLIENTS}
