"""How Airflow retries a task of ours, from Airflow 3.3 on; not to be imported on older ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MirrorDBRetryPolicy(RetryPolicy):
    """Comes back exactly when the backend said; anything else is left to ``retries`` and ``retry_delay``.

    Permanent errors never get here: the operators raise ``AirflowFailException`` for them.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # how often is for the task to say
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        from airflow_mirrordb.client.errors import BulkError, ResponseError

        if not isinstance(exception, ResponseError | BulkError) or exception.retry_after is None:
            return RetryDecision.default()
        delay = timedelta(seconds=exception.retry_after)
        return RetryDecision.retry(delay, f"the backend asked to come back after {delay}")
