"""What a failure means for Airflow: whether it retries the task, and when, or skips it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)

from airflow_mirrordb.compat import DECISIONS, has_retry_policies

if TYPE_CHECKING:
    from airflow_mirrordb.client.calls.call import Attempt
    from airflow_mirrordb.client.errors import MirrorDBError

log = logging.getLogger(__name__)

_PACKAGE = f"{__name__.partition('.')[0]}."
#: By these a task says itself how it ends, or goes on elsewhere.
_ENDS = (*DECISIONS, TaskDeferred)
_TIMED_OUT = "Sensor has timed out"  # as BaseSensorOperator.execute() says it


def retry_arguments(policy: Any) -> dict[str, Any]:
    """Return how a task's failures are judged, as an operator takes it; nothing before Airflow 3.3.

    :param policy: an Airflow ``RetryPolicy``; None stands for ours
    """
    if not has_retry_policies():
        return {} if policy is None else {"retry_policy": policy}
    from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy

    return {"retry_policy": policy or MirrorDBRetryPolicy()}


def fail(error: MirrorDBError, conn_id: str, task: Any = None) -> NoReturn:
    """End a task: Airflow's retries help only against what passes by itself.

    Airflow writes the error and its causes to the log. Their frames inside the client and aiohttp, some sixty
    lines, say nothing to who has to act on it, and are written at the level DEBUG. Those of a cause that is
    the author's, as of a sensor's ``condition``, stay.

    :param conn_id: id of its connection, which the error tells
    :param task: whose arguments may mend it
    """
    error.conn_id = conn_id
    if task is not None:
        from airflow_mirrordb.task.mistakes.advice import advise

        advise(task, error)
    log.debug("Where the error comes from", exc_info=error)
    _forget_frames(error)
    _leave_one_frame(error)
    if error.retryable:
        raise error
    raise AirflowFailException(str(error)) from error


def judge(error: BaseException, conn_id: str) -> NoReturn:
    """End a task whose author's function raised an error, as :func:`fail` ends one of an operator.

    A permanent error of the client that it is, or stands for (see
    :func:`~airflow_mirrordb.task.outcomes.causes.errors_behind`), ends the task for good, in the same words.
    Any other error is raised as it is, and so is what ends a task for Airflow. The log has the frames of the
    author's own code, up to where that called the hook.

    :param conn_id: id of the task's connection, for an error of none
    """
    if isinstance(error, _ENDS):
        raise error
    from airflow_mirrordb.task.outcomes.causes import errors_behind

    errors = errors_behind(error)
    if not errors:
        raise error
    log.debug("Where the error comes from", exc_info=error)
    for one in errors:
        one.conn_id = one.conn_id or conn_id
        frames = _of_author(one.__traceback__)
        _forget_frames(one)
        one.__traceback__ = frames
    error.__traceback__ = _of_author(error.__traceback__)
    if error.__traceback__ is None:
        _leave_one_frame(error)
    permanent = next((one for one in errors if not one.retryable), None)
    if permanent is None:
        raise error
    raise AirflowFailException(str(permanent)) from error


def fail_of_unknown(error: BaseException, attempt: Attempt, conn_id: str) -> NoReturn:
    """End a task that failed, or was interrupted, after a write that may have been applied, for good.

    What ends a task for Airflow is raised as it is.

    :param attempt: of the write, whose caller did not wait for the answer
    """
    if isinstance(error, _ENDS):
        raise error
    from airflow_mirrordb.client.retries.write_safety import interrupted

    unknown = interrupted(error, attempt.request, attempt.number)
    unknown.__cause__, unknown.conn_id = error, conn_id
    raise AirflowFailException(str(unknown)) from unknown


def _of_author(frames: TracebackType | None) -> TracebackType | None:
    """Return the frames of an author's function and of what it calls, but none from this package's on."""
    frames = last = _of_others(frames)
    while last is not None:
        following = last.tb_next
        if following is not None and _is_of_package(following):
            last.tb_next = following = None
        last = following
    return frames


def _leave_one_frame(error: BaseException) -> None:
    """Give an error one frame, without which Airflow skips it, in the place of those that it has.

    It must be the one that is being handled: raised beside another, it would become the cause of its cause.
    """
    error.__traceback__ = None
    with suppress(type(error)):
        raise error


def _forget_frames(error: MirrorDBError) -> None:
    """Forget where an error comes from.

    Its causes forget it as well, if they are the client's own or lie beneath one of the transport; of another
    cause, as what a sensor's ``condition`` raised, the author's own frames are left.
    """
    from airflow_mirrordb.client.errors import MirrorDBError, TransportError

    waiting: list[BaseException] = [error]
    seen = set[int]()
    for one in waiting:  # which grows on the way
        seen.add(id(one))
        one.__traceback__ = None
        hides_library = isinstance(one, TransportError) or not isinstance(one, MirrorDBError)
        forgotten = BaseException if hides_library else MirrorDBError
        for reason in (one.__cause__, one.__context__):
            if isinstance(reason, forgotten) and id(reason) not in seen:
                waiting.append(reason)
            elif reason is not None:
                reason.__traceback__ = _of_others(reason.__traceback__)


def _of_others(frames: TracebackType | None) -> TracebackType | None:
    """Return frames from the first on that is not of this package."""
    while frames is not None and _is_of_package(frames):
        frames = frames.tb_next
    return frames


def _is_of_package(frames: TracebackType) -> bool:
    return str(frames.tb_frame.f_globals.get("__name__", "")).startswith(_PACKAGE)


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
