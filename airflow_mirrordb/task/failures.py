"""What a failure means for Airflow: whether it retries the task, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_mirrordb.compat import has_retry_policies

if TYPE_CHECKING:
    from airflow_mirrordb.client.errors import MirrorDBError


def retry_arguments(policy: Any) -> dict[str, Any]:
    """Return how a task's failures are judged, as an operator takes it; nothing before Airflow 3.3.

    :param policy: an Airflow ``RetryPolicy``; None stands for ours
    """
    if not has_retry_policies():
        return {} if policy is None else {"retry_policy": policy}
    from airflow_mirrordb.task.retry_policy import MirrorDBRetryPolicy

    return {"retry_policy": policy or MirrorDBRetryPolicy()}


def fail(error: MirrorDBError) -> NoReturn:
    """End a task: Airflow's retries help only against what passes by itself."""
    if error.retryable:
        raise error
    raise AirflowFailException(str(error)) from error
