"""What the error of a task advises beyond what its request's does: an argument of the task that mends it."""

from __future__ import annotations

from typing import Any

from airflow_mirrordb.client.errors import InvalidDataError, MirrorDBError, NotFoundError


def advise(task: Any, error: MirrorDBError) -> None:
    """Add to the message of an error which argument of its task mends it, if one does."""
    # asked only of what was sent: is_many raises where bulk was rendered to something it cannot be
    was_sent_whole = (
        isinstance(error, InvalidDataError) and "bulk" in task.template_fields and not task.is_many
    )
    if was_sent_whole and (records := _records(task.data)):
        error.message += f"; data is a list of {len(records)}, sent as one body: bulk=True sends each of them"
    if isinstance(error, NotFoundError) and getattr(task, "missing_ok", None) is False:
        error.message += "; missing_ok=True counts that as done"


def _records(data: Any) -> list[Any]:
    """Return the records that an operator with ``bulk`` would send each; none of what is no list of them."""
    from airflow_mirrordb.task.json_data import json_of

    value = json_of(data)
    are_records = isinstance(value, list | tuple) and all(isinstance(item, dict) for item in value)
    return list(value) if are_records else []
