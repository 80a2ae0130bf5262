"""From the rendered arguments of a task that runs a job to how the job is followed; light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_mirrordb.job_arguments import JOB_FIELDS, JobArguments
from airflow_mirrordb.task.arguments import parse_argument, plain_if_json
from airflow_mirrordb.task.checks import check_flags, check_paginate_argument, check_path_arguments
from airflow_mirrordb.task.templates import has_template_in

_NUMBERS = ("poll_interval", "timeout", "max_failures")
_STATES = ("succeeded", "failed", "running")
#: What stands for a template while constants are checked: of each kind a value that contradicts nothing.
_UNKNOWN: Mapping[str, Any] = {
    "state": "unknown",
    "result": "unknown",
    **{name: [f"unknown {name}"] for name in _STATES},
    **dict.fromkeys(_NUMBERS, 1),
}


def check_job_arguments(task: Any) -> None:
    """Check what the author of a job wrote, but the values of templates.

    :raises ValueError: names an argument that cannot be meant
    :raises InvalidRequestError: if ``paginate`` is wrong
    """
    check_flags(cancel_on_kill=task.cancel_on_kill, durable=task.durable)
    given = {name: getattr(task, name) for name in JOB_FIELDS}
    JobArguments(**{name: _known(name, value) for name, value in given.items()})
    check_paginate_argument(task.paginate, None)
    check_path_arguments(output_path=task.output_path)


def job_arguments_of(task: Any) -> JobArguments:
    """Return how the job of a task is followed, now that templates are rendered.

    :raises InvalidRequestError: if an argument was rendered to something it cannot be
    """
    from airflow_mirrordb.client.jobs.options import arguments_of

    said = {name: plain_if_json(getattr(task, name)) for name in JOB_FIELDS}
    for name in _NUMBERS:
        said[name] = parse_argument(name, said[name], int if name == "max_failures" else float)
    return arguments_of({**said, "rendered": [name for name in _STATES if task.is_rendered(name)]})


def _known(name: str, value: Any) -> Any:
    """Return a value, or what stands for one that is not known before its templates are rendered."""
    if has_template_in(value):
        return _UNKNOWN.get(name)
    return value
