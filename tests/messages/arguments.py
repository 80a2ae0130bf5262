"""Mistakes of who writes the arguments of a task, beyond those that every client has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.messages.mistakes import Mistake, extra, make, reads


def renders(endpoint: str, **params: str) -> Callable[[str], Any]:
    """Run a read whose endpoint is a template."""

    def run(conn_id: str) -> Any:
        task = MirrorDBReadOperator(task_id="load", mirrordb_conn_id=conn_id, endpoint=endpoint)
        task.render_template_fields({"params": params})
        return task.execute({})

    return run


#: What is true or false, and no template.
FLAGS = {
    "a text as deferrable": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users", deferrable="False"),
        says=("task 'load'", "deferrable", "True or False", "'False'"),
    ),
    "a template as a flag of a sensor": Mistake(
        does=make(MirrorDBSensor, endpoint="api/users/7", gone="{{ params.gone }}"),
        says=("task 'load'", "gone", "True or False", "'{{ params.gone }}'"),
    ),
}

#: Names in endpoints, each mistake with words of its own.
NAMES = {
    "a slash at the end": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api/users/"),
        says=("task 'load'", "ends with a slash", "write 'api/users'", "'trailing_slash'"),
    ),
    "an empty name in the middle": Mistake(
        does=make(MirrorDBReadOperator, endpoint="api//users"),
        says=("task 'load'", "'api//users'", "an empty name between two slashes"),
    ),
    "no endpoint": Mistake(
        does=make(MirrorDBReadOperator, endpoint=""),
        says=("task 'load'", "endpoint: ''", "it is empty", "base URL itself is '/'"),
    ),
    "a pattern with a slash at its end": Mistake(
        does=reads("users/7"),
        connection=extra(endpoints="users/{id}/"),
        says=("extra endpoint pattern", "ends with a slash", "write 'users/{id}'", "'trailing_slash'"),
    ),
    "a template that renders to an empty name": Mistake(
        does=renders("api/users/{{ params.id }}", id=""),
        says=("endpoint: 'api/users/{{ params.id }}'", "rendered to 'api/users/'", "a name is empty"),
    ),
    "a method as in a pattern": Mistake(
        does=reads("GET api/users"), says=("begins with a method", "write 'api/users'")
    ),
    "several in one text": Mistake(
        does=reads("api/users/7,api/users/8"), says=("give a list, as ['api/users/7', 'api/users/8']",)
    ),
}

MORE_ARGUMENTS: dict[str, dict[str, Mistake]] = {"Flags": FLAGS, "Names in endpoints": NAMES}
