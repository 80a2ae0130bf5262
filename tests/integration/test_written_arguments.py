"""What is said of values that can be none, when the DAG is read."""

from __future__ import annotations

import warnings
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator, task

from airflow_mirrordb.operators.job import MirrorDBJobOperator
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor

KINDS: dict[type[BaseOperator], dict[str, Any]] = {
    MirrorDBCreateOperator: {"data": {}},
    MirrorDBReadOperator: {},
    MirrorDBUpdateOperator: {"data": {}},
    MirrorDBDeleteOperator: {},
    MirrorDBJobOperator: {"data": {}},
    MirrorDBSensor: {},
}
QUERY = {"limit": 2}


@pytest.fixture
def dag() -> DAG:
    return DAG("written", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))


@pytest.mark.parametrize("kind", KINDS)
def test_params_that_no_template_uses_are_warned_of(dag: DAG, kind: type[BaseOperator]) -> None:
    """In requests ``params`` are the query; of Airflow they are for templates (Core Concepts, "Params")."""
    with (
        dag,
        pytest.warns(UserWarning, match=r"task 'load': params are Airflow's.* query={'limit': 2}") as told,
    ):
        kind(task_id="load", endpoint="api/users", params=QUERY, **KINDS[kind])
    assert told[0].filename == __file__  # where the author finds the line


@pytest.mark.parametrize(
    "arguments",
    [
        {"params": {}, "query": QUERY},
        {"params": QUERY, "query": {"limit": "{{ params.limit }}"}},
        {"params": QUERY, "endpoint": "api/users/{{ params['limit'] }}"},
    ],
)
def test_params_of_templates_are_not(dag: DAG, arguments: dict[str, Any]) -> None:
    """That is what they are for."""
    with dag, warnings.catch_warnings():
        warnings.simplefilter("error")
        MirrorDBReadOperator(task_id="load", **{"endpoint": "api/users", **arguments})


@pytest.mark.parametrize("given", [{"params": QUERY}, {"default_args": {"params": QUERY}}])
def test_params_of_the_dag_are_not(given: dict[str, Any]) -> None:
    """Each task has them, whoever uses them."""
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    with DAG("written", schedule=None, start_date=moment, **given), warnings.catch_warnings():
        warnings.simplefilter("error")
        MirrorDBReadOperator(task_id="load", endpoint="api/users")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not MirrorDBSensor])
def test_a_time_after_which_nothing_is_handed_over_is_warned_of(kind: type[BaseOperator]) -> None:
    """Who means the time of an attempt is told what bounds it."""
    with pytest.warns(UserWarning, match="worker_timeout has no effect .* request_timeout bounds an attempt"):
        kind(task_id="load", endpoint="api/users", worker_timeout=60, **KINDS[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind(task_id="load", endpoint="api/users", worker_timeout=60, deferrable=True, **KINDS[kind])


@pytest.mark.parametrize("kind", [MirrorDBCreateOperator, MirrorDBUpdateOperator, MirrorDBJobOperator])
def test_a_number_that_json_has_not(kind: type[BaseOperator]) -> None:
    """Airflow stores the rendered arguments before the task runs, and fails in words of its own there."""
    with pytest.raises(ValueError, match=r"task 'load': data\.prices\[1\]: JSON has no nan; use None"):
        kind(task_id="load", endpoint="api/users/7", data={"prices": [1.5, float("nan")]})


def test_a_number_that_no_query_has() -> None:
    """The same of all that is rendered."""
    with pytest.raises(ValueError, match=r"task 'load': query\['least'\]: JSON has no inf; use None"):
        MirrorDBReadOperator(task_id="load", endpoint="api/users", query={"least": float("inf")})


def test_a_task_in_the_place_of_its_result(dag: DAG) -> None:
    """Airflow takes an operator for no dependency: the tasks would run in any order."""
    with dag:
        first = MirrorDBReadOperator(task_id="first", endpoint="api/users/7")
        with pytest.raises(
            ValueError, match=r"data: it is the task 'first', not its result, .* its \.output"
        ):
            MirrorDBCreateOperator(task_id="load", endpoint="api/users", data=first)
        with pytest.raises(ValueError, match=r"endpoint\[0\]: it is the task 'first'"):
            MirrorDBReadOperator(task_id="many", endpoint=[first])
        MirrorDBCreateOperator(task_id="right", endpoint="api/users", data={"user": first.output})


def test_a_task_function_that_is_not_called(dag: DAG) -> None:
    """``make`` is a task only where it is called (TaskFlow)."""

    @task
    def make() -> dict[str, Any]:
        return {}

    with dag:
        with pytest.raises(ValueError, match=r"data: it is a task that is not called; call it, as make\(\)"):
            MirrorDBCreateOperator(task_id="load", endpoint="api/users", data=make)
        MirrorDBCreateOperator(task_id="right", endpoint="api/users", data=make())
