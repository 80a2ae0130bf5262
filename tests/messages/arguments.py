"""Mistakes of who writes the arguments of a task, beyond those that every client has."""

from __future__ import annotations

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.messages.mistakes import Mistake, make

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

MORE_ARGUMENTS: dict[str, dict[str, Mistake]] = {"Flags": FLAGS}
