"""What one poll of a sensor means, also where its condition raises an exception of Airflow's."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_mirrordb.client.errors import MirrorDBError, ResponseError
from airflow_mirrordb.client.jobs import polls
from airflow_mirrordb.client.jobs.polls import PollResult, PollState
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.compat import DECISIONS
from airflow_mirrordb.conditions import Condition


def judge(
    outcome: MirrorDBResponse | MirrorDBError,
    condition: Condition,
    state: PollState,
    *,
    max_failures: int | None,
    **options: Any,
) -> PollResult:
    """Return what a poll means; arguments and other errors are those of :func:`~polls.judge`.

    :raises AirflowException: what the condition's function raised, but for one that is no decision where no
        number of failures is too many
    """
    decisions = DECISIONS if max_failures is None else (AirflowException,)
    try:
        return polls.judge(
            outcome,
            condition,
            state,
            max_failures=max_failures,
            decisions=decisions,
            setbacks=(AirflowException,),
            **options,
        )
    except ResponseError as error:
        if error.retryable and error.attempts > 1:
            error.message += f"; not_yet=[{error.status}] waits until the time-out"
        raise
