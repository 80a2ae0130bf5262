"""What a sensor remembers of its polls where each is made in a new process, as in ``mode="reschedule"``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.jobs.polls import PollState
from airflow_mirrordb.task.arguments import fields_of
from airflow_mirrordb.task.memory.state import TaskState
from airflow_mirrordb.task.memory.stored_arguments import restored

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

NAME = "mirrordb_sensor"


def recall(context: Context, *, changed: bool) -> PollState | None:
    """Return what is known of the polls before; None if nothing is.

    :param changed: whether the sensor compares with the first of them
    :raises InvalidRequestError: if it does, and nothing can be remembered
    """
    kept = TaskState(context, of_try=True)
    if not kept.works and changed:
        message = "changed: with mode='reschedule' it needs Airflow 3.3; use deferrable=True or mode='poke'"
        raise InvalidRequestError(message=message, field="changed")
    fields = kept.recall(NAME)
    return None if fields is None else restored(PollState, fields)


def remember(context: Context, state: PollState) -> None:
    """Keep what is known now, where that is possible."""
    TaskState(context, of_try=True).remember(NAME, fields_of(state))
