"""Tasks that begin in the triggerer, without a worker, from Airflow 3.3 on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow_mirrordb.compat import starts_from_trigger
from airflow_mirrordb.json_types import as_plain, texts_in
from airflow_mirrordb.task.arguments import MAX_EVENT_BYTES, READ_FIELDS
from airflow_mirrordb.task.memory.stored_arguments import without_defaults
from airflow_mirrordb.task.serialization import check_exact

#: What the triggers of :mod:`airflow_mirrordb.triggers.start` take for what is not stored. It is said here as
#: well, since a DAG file does not load them: they load the client.
DEFAULTS: Mapping[str, Any] = {
    "mirrordb_conn_id": "mirrordb_default",
    "endpoint": "",
    **dict.fromkeys(("method_name", "query", "headers", "request_timeout", "accept")),
    **dict.fromkeys(("data", "paginate", "output_path")),
    "full_response": False,
    "gone": False,
    **dict.fromkeys(("field", "equals", "is_in", "failed")),
    "not_yet": (),
    "changed": False,
    "function": None,
    "poke_interval": 60.0,
    "timeout": 0.0,
    "longest": 0.0,
    "max_failures": 5,
    "max_event_bytes": MAX_EVENT_BYTES,
    "end_from_trigger": False,
}


def start_in_triggerer(
    task: Any,
    trigger: str,
    arguments: Mapping[str, Any],
    *,
    start_from_trigger: bool,
    end_from_trigger: bool,
    timeout: timedelta | None = None,
) -> None:
    """Let Airflow start the trigger of a task itself, where it can; else the task defers to it.

    :param trigger: class path of the trigger
    :param arguments: what the trigger is made with, beside the request of the task
    :param timeout: after which Airflow ends the trigger
    :raises ValueError: if the task cannot start or end as it should, or an argument has a value that
        the triggerer cannot work out
    """
    if not start_from_trigger:
        raise ValueError("end_from_trigger: it needs start_from_trigger=True")
    if end_from_trigger and task.response_filter is not None:
        raise ValueError("end_from_trigger: response_filter runs on a worker; leave one of the two")
    if not starts_from_trigger():
        return
    from airflow.triggers.base import StartTriggerArgs

    request = {name: getattr(task, name) for name in READ_FIELDS}
    given = {**request, **arguments, "end_from_trigger": end_from_trigger}
    kwargs = without_defaults(given, DEFAULTS)
    for name, value in kwargs.items():
        _check_value(name, value)
        try:
            kwargs[name] = as_plain(value)
            check_exact(kwargs[name])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    task.start_trigger_args = StartTriggerArgs(
        trigger_cls=trigger, trigger_kwargs=kwargs, next_method="execute_complete", timeout=timeout
    )
    task.start_from_trigger = True


def _check_value(name: str, value: Any) -> None:
    from airflow.providers.common.compat.sdk import XComArg

    if next(XComArg.iter_xcom_references(value), None) is not None:
        raise ValueError(
            f"{name}: the triggerer does not know the output of a task; pull it in a template, as"
            " {{ ti.xcom_pull(task_ids='create', map_indexes=-1) }}"
        )
    if name == "endpoint" and not isinstance(value, str):
        raise ValueError("endpoint: only a worker reads many; leave start_from_trigger")
    for text in texts_in(value):
        if "xcom_pull(" in text and "map_indexes" not in text:
            raise ValueError(
                f"{name}: in the triggerer xcom_pull() without map_indexes never returns; say map_indexes=-1"
                " for a task that is not mapped"
            )
