"""How Airflow retries a task of ours, from Airflow 3.3 on; not to be imported on older ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MirrorDBRetryPolicy(RetryPolicy):
    """Comes back when the backend said, or after a day; else it is left to ``retries`` and ``retry_delay``.

    Permanent errors never get here: the operators raise ``AirflowFailException`` for them.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # how often is for the task to say
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        from airflow_mirrordb.client.errors import MirrorDBError
        from airflow_mirrordb.client.retries.wait_headers import LONGEST_WAIT, too_long

        asked: float | None = getattr(exception, "retry_after", None)
        if not isinstance(exception, MirrorDBError) or not asked:  # 0 names no time
            return RetryDecision.default()
        delay = timedelta(seconds=min(asked, LONGEST_WAIT))
        if excess := too_long(asked, "the backend"):
            return RetryDecision.retry(delay, excess)
        return RetryDecision.retry(delay, f"the backend asked to come back after {delay}")
