"""Airflow's own exceptions, with which a function of an author ends a task: a skip, a failure, a later start.

Airflow's task runner asks for their classes on a worker. In a triggerer they would mean nothing: an
event carries them to the worker, which raises them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NoReturn, TypedDict

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowException

from airflow_mirrordb.compat import DECISIONS

_CLASSES: dict[str, type[AirflowException]] = {
    known.__name__: known for known in (*DECISIONS, AirflowException)
}


class RaisedEvent(TypedDict):
    """A function of the author raised one of Airflow's exceptions.

    ``exception`` is the name of its class, or of the nearest one above it that ends a task;
    ``reschedule_date`` is a moment in ISO 8601, or None.
    """

    status: Literal["raised"]
    exception: str
    message: str
    reschedule_date: str | None


def raised_event(error: AirflowException) -> RaisedEvent:
    """Return the event that tells a worker what to raise."""
    known = next(base for base in type(error).__mro__ if _CLASSES.get(base.__name__) is base)
    try:
        words = str(error)
    except Exception:  # noqa: BLE001  # code of the author's
        words = f"it is a {type(error).__name__}, whose text cannot be made"
    if known is AirflowException and type(error) is not known:  # which a worker could not raise again
        words = f"{type(error).__name__}: {words}"
    date: datetime | None = getattr(error, "reschedule_date", None)
    return RaisedEvent(
        status="raised",
        exception=known.__name__,
        message=words,
        reschedule_date=date.isoformat() if date else None,
    )


def raise_again(event: Mapping[str, Any]) -> NoReturn:
    """Raise what a :class:`RaisedEvent` tells of.

    :raises AirflowException: of the class that it names; a plain one if that is not known here
    """
    if event["reschedule_date"] is not None:
        raise AirflowRescheduleException(datetime.fromisoformat(event["reschedule_date"]))
    raise _CLASSES.get(event["exception"], AirflowException)(event["message"])
