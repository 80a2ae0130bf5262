"""What a trigger tells its task, and a worker itself, of a request: one TypedDict a kind of event."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

from airflow.triggers.base import TriggerEvent

from airflow_mirrordb.client.endpoints.patterns import READS
from airflow_mirrordb.client.errors import InvalidResponseError, MirrorDBError
from airflow_mirrordb.client.messages.response import APPLIED
from airflow_mirrordb.task.serialization import from_text, to_text, to_text_beside

if TYPE_CHECKING:
    from airflow_mirrordb.client.messages.request import MirrorDBRequest
    from airflow_mirrordb.client.messages.response import MirrorDBResponse

log = logging.getLogger(__name__)

#: What else an author may do with an answer to a read that cannot be a result.
OR_FILE = ", or write the answer to output_path"


class SuccessEvent(TypedDict):
    """The answer came; ``data`` is its decoded body, or tells of the file that it was written to.

    ``size`` is the length of the body in bytes, 0 if it went to a file. With ``full_response`` the headers
    count as well.
    """

    status: Literal["success"]
    data: Any
    size: int
    http_status: int
    request_id: str | None
    attempts: int
    pages: int
    elapsed: float
    method: str
    endpoint: str
    method_name: str | None


class ErrorEvent(TypedDict):
    """The request failed for good; ``error`` is what :meth:`MirrorDBError.to_dict` gave."""

    status: Literal["error"]
    error: dict[str, Any]


class TimeoutEvent(TypedDict):
    """The condition was not met in time."""

    status: Literal["timeout"]
    message: str


class ResumeEvent(TypedDict):
    """The wait is over; the worker sends ``request`` from where ``progress`` says."""

    status: Literal["resume"]
    request: dict[str, Any]
    progress: dict[str, Any]


def success_event(response: MirrorDBResponse, request: MirrorDBRequest) -> SuccessEvent:
    """Return what is told of an answer, by a trigger and by a worker alike."""
    return SuccessEvent(
        status="success",
        data=response.result,
        size=response.size + sum(map(len, response.full["headers"].values() if response.full else ())),
        http_status=response.status,
        request_id=response.request_id,
        attempts=response.attempts,
        pages=response.pages,
        elapsed=response.elapsed,
        method=request.method,
        endpoint=request.endpoint,
        method_name=request.method_name,
    )


def unusable(event: Mapping[str, Any], message: str) -> InvalidResponseError:
    """Return the error of a task whose answer came, but cannot be its result; it is final.

    :param event: the :class:`SuccessEvent` that tells of the answer
    """
    writes = event["method"] not in READS
    return InvalidResponseError(
        message=f"{message}{APPLIED if writes else ''}",
        status=event["http_status"],
        request_id=event["request_id"],
        attempts=event["attempts"],
        maybe_applied=writes,
        method=event["method"],
        endpoint=event["endpoint"],
        method_name=event["method_name"],
    )


def check_size(event: Mapping[str, Any], most_bytes: int, *, or_file: str = "") -> None:
    """Check that an answer may be stored as it is; ``response_filter`` is for a worker.

    :param event: the :class:`SuccessEvent` that tells of it
    :param most_bytes: longest body, in bytes
    :param or_file: :data:`OR_FILE`, where that is so
    :raises InvalidResponseError: if it is longer
    """
    if event["size"] > most_bytes:
        message = (
            f"the answer of {event['size']:,} bytes is larger than max_event_bytes ({most_bytes:,}): ask for"
            f" less, raise the limit, keep less of it by response_filter with deferrable=False{or_file}"
        )
        raise unusable(event, message)


class WriteInFlight(Protocol):
    """What knows of a write whether it may have been applied by now."""

    maybe_applied: bool


async def event_of(work: Awaitable[Mapping[str, Any]], write: WriteInFlight | None = None) -> TriggerEvent:
    """Return the event that tells what came of a trigger's work, whatever did.

    :param write: is asked if the work ends in an error that does not tell; None if nothing is written

    Its payload is ``status``, and the whole event as text in ``data``: Airflow's processes would end at
    some of the values that a backend may send.
    """
    try:
        event = await work
        return TriggerEvent({"status": event["status"], "data": await to_text_beside(event)})
    except MirrorDBError as error:
        reason = error
    except Exception as error:  # a trigger that raises would hide the reason from the task
        log.exception("The request could not be sent")
        reason = MirrorDBError(message=f"{type(error).__name__}: {error}", retryable=True)
        reason.maybe_applied = write is not None and write.maybe_applied
    return TriggerEvent(
        {"status": "error", "data": to_text(ErrorEvent(status="error", error=reason.to_dict()))}
    )


def read_event(payload: Mapping[str, Any]) -> Any:
    """Return the event that a trigger fired, from its payload."""
    return from_text(payload["data"])
