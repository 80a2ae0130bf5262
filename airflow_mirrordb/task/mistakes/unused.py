"""What is said of arguments that have no effect: a warning, with the line of the DAG file."""

from __future__ import annotations

import sys
import warnings
from typing import Any

_OF_AIRFLOW = ("airflow", "airflow_mirrordb")


def warn_of_params(task: Any, names: list[str]) -> None:
    """Warn of Airflow's ``params``, unless a template uses them: of requests they are the query.

    :param names: of those that are the task's own, not its DAG's
    """
    templates = [getattr(task, name) for name in task.template_fields]
    if any("params" in repr(value) for value in (*templates, getattr(task, "map_index_template", None))):
        return
    query = {name: task.params[name] for name in names}
    _warn(
        task,
        "params are Airflow's, for templates, and none of this task uses them; what a request asks for is"
        f" query, as query={query!r:.200}",
    )


def warn_of_worker_timeout(task: Any) -> None:
    """Warn of a time after which nothing is handed over."""
    _warn(task, "worker_timeout has no effect without deferrable=True; request_timeout bounds an attempt")


def _warn(task: Any, message: str) -> None:
    warnings.warn(f"task {task.task_id!r}: {message}", stacklevel=_depth_of_the_author())


def _depth_of_the_author() -> int:
    """Return how many calls lie between the author of a DAG file and who warns of it."""
    depth, frame = 0, sys._getframe(1)  # noqa: SLF001  # the warnings module looks there, too
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _OF_AIRFLOW:
        depth, frame = depth + 1, frame.f_back
    return depth + 1
