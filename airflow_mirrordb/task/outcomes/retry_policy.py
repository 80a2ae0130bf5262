"""How Airflow retries a task of ours, from Airflow 3.3 on; not to be imported on older ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import RetryDecision, RetryPolicy

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_mirrordb.client.errors import MirrorDBError


class MirrorDBRetryPolicy(RetryPolicy):
    """Retries a task by what is known of its MirrorDB error; operators have it, and a ``@task`` may.

    - An error that no retry helps against (``retryable`` is False), as a 404, wrong data, or a write that may
      have been applied, fails the task at once.
    - One that says when to come back (``retry_after``) is retried then, or after a day.
    - Everything else, also what is no error of ours, is left to ``retries`` and ``retry_delay``.

    The error may be wrapped: the policy judges the first MirrorDB error that the exception was raised from,
    or raised while it was handled, as ``raise LoadError("...") from error`` and the exceptions of dlt are. So
    it takes whatever fails in an ``except`` block for a consequence of the error that is handled there.
    ``raise ... from None`` says that it is none: the policy looks no further then, as a traceback does not,
    and leaves the task to its settings. Of a group of errors, as that of an ``asyncio.TaskGroup``, one that
    no retry helps against decides, else the longest wait. So it is with the records of a ``BulkError``: it is
    ``retryable`` only if so many of them are that a retry can bring it within ``max_failed``, and its
    ``retry_after`` is the longest.

    Airflow does not ask it about ``AirflowFailException``, which the operators raise for permanent errors,
    nor about other exceptions by which a task says itself how it ends.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # how often is for the task to say
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        from airflow_mirrordb.client.retries.wait_headers import LONGEST_WAIT, too_long
        from airflow_mirrordb.task.outcomes.causes import errors_behind

        errors = errors_behind(exception)
        for error in errors:
            if not error.retryable:
                return RetryDecision.fail(_why_not(error))
        asked = max((getattr(error, "retry_after", None) or 0.0 for error in errors), default=0.0)
        if not asked:  # 0 names no time
            return RetryDecision.default()
        delay = timedelta(seconds=min(asked, LONGEST_WAIT))
        if excess := too_long(asked, "the backend"):
            return RetryDecision.retry(delay, excess)
        return RetryDecision.retry(delay, f"the backend asked to come back after {delay}")


def _why_not(error: MirrorDBError) -> str:
    """Return why no retry helps; the error itself is in the log already."""
    if error.maybe_applied:
        return f"{type(error).__name__}: the write may have been applied, and a retry could apply it twice"
    return f"{type(error).__name__}: no retry helps against it"
