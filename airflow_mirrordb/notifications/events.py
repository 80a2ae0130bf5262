"""Which event of Airflow's a notification tells of, and the idempotency key that is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_mirrordb.compat import installation_url
from airflow_mirrordb.task.idempotency_keys import key_from


def key_of(context: Mapping[str, Any], endpoint: object, query: object, payload: object) -> str | None:
    """Return the idempotency key of a notification; None if the context does not tell of which event it is.

    It is the same where Airflow tells of the same event twice: a worker, and the DAG processor after it that
    misses the worker's heartbeat; or a triggerer, and the one that goes on after it. Two tries of a task are
    two events, and what a DAG's callback is told is another event than that of the task which failed. To one
    event belongs what is told: with other data, or to another endpoint, it is another notification. Data
    counts as its author wrote it: the DAG processor does not know the exception that the worker told of.

    :param payload: the data, before its templates were rendered
    """
    event = event_of(context)
    if event is None:
        return None
    return key_from({"event": event, "endpoint": endpoint, "query": query, "data": payload})


def event_of(context: Mapping[str, Any]) -> list[Any] | None:
    """Return what tells an event from all others; None if the context names no run.

    What Airflow gives to a callback differs: of a task its instance; of a DAG a ``reason``, and on Airflow 3
    its last task instance, if there is one; of a deadline the run as plain JSON; of a missed SLA (Airflow 2)
    the text of what was missed.
    """
    task, run = context.get("ti"), context.get("dag_run")
    reason, missed = context.get("reason"), context.get("task_list")
    deadline = _first((context.get("deadline"), "id"))  # a UUID on Airflow 3.1
    run_id = _first((task, "run_id"), (run, "run_id"), (run, "dag_run_id"), (context, "run_id"))
    if run_id is None and missed is None:
        return None
    of_task = [_first((task, name)) for name in ("task_id", "map_index", "try_number")]
    of_dag = None if reason is None else [str(reason), _first((run, "clear_number"))]
    return [
        installation_url(),
        _first((task, "dag_id"), (run, "dag_id"), (context.get("dag"), "dag_id")),
        run_id,
        of_task,
        of_dag,
        None if deadline is None else str(deadline),
        None if missed is None else str(missed),
    ]


def _first(*places: tuple[Any, str]) -> Any:
    """Return the first value that is there: an attribute of an object, or what a mapping has under a name."""
    for holder, name in places:
        value = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
        if value is not None:
            return value
    return None
