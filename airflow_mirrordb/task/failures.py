"""What a failure means for Airflow: whether it retries the task, and when, or skips it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
)

from airflow_mirrordb.compat import has_retry_policies

if TYPE_CHECKING:
    from airflow_mirrordb.client.errors import MirrorDBError

_TIMED_OUT = "Sensor has timed out"  # as BaseSensorOperator.execute() says it


def retry_arguments(policy: Any) -> dict[str, Any]:
    """Return how a task's failures are judged, as an operator takes it; nothing before Airflow 3.3.

    :param policy: an Airflow ``RetryPolicy``; None stands for ours
    """
    if not has_retry_policies():
        return {} if policy is None else {"retry_policy": policy}
    from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy

    return {"retry_policy": policy or MirrorDBRetryPolicy()}


def fail(error: MirrorDBError, conn_id: str) -> NoReturn:
    """End a task: Airflow's retries help only against what passes by itself.

    :param conn_id: id of its connection, which the error tells
    """
    error.conn_id = conn_id
    if error.retryable:
        raise error
    raise AirflowFailException(str(error)) from error


@contextmanager
def skipping(sensor: Any) -> Iterator[None]:
    """Skip the task of a sensor where BaseSensorOperator's own loop would."""
    try:
        yield
    except AirflowSkipException:
        raise
    except (AirflowSensorTimeout, AirflowTaskTimeout, AirflowFailException) as error:
        if sensor.soft_fail or sensor.never_fail:
            raise AirflowSkipException(f"Skipped, as soft_fail or never_fail is set: {error}") from error
        raise
    except Exception as error:
        if sensor.never_fail:
            raise AirflowSkipException(f"Skipped, as never_fail is set: {error}") from error
        raise


@contextmanager
def timing_out(told: Callable[[], str]) -> Iterator[None]:
    """Tell of a time-out in words of ours, in the place of Airflow's, which do not say what was waited for.

    :param told: returns the message
    """
    try:
        yield
    except (AirflowSensorTimeout, AirflowSkipException) as error:
        if not str(error).startswith(_TIMED_OUT):
            raise
        raise type(error)(told()) from None


def time_out(sensor: Any, message: str) -> NoReturn:
    """End a sensor that waited in vain."""
    if sensor.soft_fail:
        raise AirflowSkipException(message)
    raise AirflowSensorTimeout(message)
