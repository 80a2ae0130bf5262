"""Triggers: what is left of a request after its worker let go of it."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_mirrordb.client.errors import InvalidResponseError, MirrorDBError
from airflow_mirrordb.client.request import MirrorDBRequest
from airflow_mirrordb.client.response import depends_on_the_past
from airflow_mirrordb.client.rules.retry import Progress
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.output import sink_for
from airflow_mirrordb.hooks.sharing import SharedClient
from airflow_mirrordb.task.arguments import fields_of
from airflow_mirrordb.task.serialization import from_text, to_text, to_text_beside
from airflow_mirrordb.task.takeover import may_have_been_sent

if TYPE_CHECKING:
    from airflow_mirrordb.client.response import MirrorDBResponse

log = logging.getLogger(__name__)  # a trigger's own costs more than its request

MAX_EVENT_BYTES = 2**20
#: What else an author may do with an answer to a read that cannot be a result.
OR_FILE = ", or write the answer to output_path"


class SuccessEvent(TypedDict):
    """The answer came; ``data`` is its decoded body, or tells of the file that it was written to.

    ``size`` is the length of the body in bytes, 0 if it went to a file.
    """

    status: Literal["success"]
    data: Any
    size: int
    http_status: int
    request_id: str | None
    attempts: int
    elapsed: float
    method: str
    endpoint: str
    method_name: str | None


class ErrorEvent(TypedDict):
    """The request failed for good; ``error`` is what :meth:`MirrorDBError.to_dict` gave."""

    status: Literal["error"]
    error: dict[str, Any]


class ResumeEvent(TypedDict):
    """The wait is over; the worker sends ``request`` from where ``progress`` says."""

    status: Literal["resume"]
    request: dict[str, Any]
    progress: dict[str, Any]


def success_event(response: MirrorDBResponse, request: MirrorDBRequest) -> SuccessEvent:
    """Return what is told of an answer, by a trigger and by a worker alike."""
    return SuccessEvent(
        status="success",
        data=response.data,
        size=response.size,
        http_status=response.status,
        request_id=response.request_id,
        attempts=response.attempts,
        elapsed=response.elapsed,
        method=request.method,
        endpoint=request.endpoint,
        method_name=request.method_name,
    )


def unusable(event: Mapping[str, Any], message: str) -> InvalidResponseError:
    """Return the error of a task whose answer came, but cannot be its result; it is final.

    :param event: the :class:`SuccessEvent` that tells of the answer
    """
    writes = event["method"] != "GET"
    return InvalidResponseError(
        message=f"{message}{'; the write itself was applied' if writes else ''}",
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


async def event_of(
    work: Awaitable[Mapping[str, Any]], maybe_applied: Callable[[], bool] = lambda: False
) -> TriggerEvent:
    """Return the event that tells what came of a trigger's work, whatever did.

    :param maybe_applied: tells whether a write may have been applied by now, if the work ends in an error
        that does not

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
        reason.maybe_applied = maybe_applied()
    return TriggerEvent(
        {"status": "error", "data": to_text(ErrorEvent(status="error", error=reason.to_dict()))}
    )


def read_event(payload: Mapping[str, Any]) -> Any:
    """Return the event that a trigger fired, from its payload."""
    return from_text(payload["data"])


class MirrorDBTrigger(BaseTrigger):
    """Sends a request that may be repeated, with all its retries, and fires one event.

    The event is a :class:`SuccessEvent` or an :class:`ErrorEvent`, see :func:`read_event`; the trigger
    never raises for a failed request. Its arguments are stored in clear text, and hold no secret of the
    connection.

    :param mirrordb_conn_id: id of a connection of type ``mirrordb``
    :param request: the fields of :class:`~airflow_mirrordb.client.MirrorDBRequest`, or their text
    :param progress: the fields of :class:`~airflow_mirrordb.client.Progress`, or their text: what the
        worker sent
    :param max_event_bytes: largest answer that is put into the event, in bytes
    :param output_path: file that the answer is written to; the event holds its
        :class:`~airflow_mirrordb.client.Manifest` then
    :param operator: name of the operator, for the User-Agent
    """

    def __init__(
        self,
        mirrordb_conn_id: str = MirrorDBHook.default_conn_name,
        request: Mapping[str, Any] | str | None = None,
        progress: Mapping[str, Any] | str | None = None,
        max_event_bytes: int = MAX_EVENT_BYTES,
        output_path: str | None = None,
        operator: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mirrordb_conn_id = mirrordb_conn_id
        self.request = given(request)
        self.progress = given(progress)
        self.max_event_bytes = max_event_bytes
        self.output_path = output_path
        self.operator = operator
        self._maybe_applied = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{__name__}.{type(self).__name__}",
            {
                "mirrordb_conn_id": self.mirrordb_conn_id,
                "request": to_text(self.request),
                "progress": to_text(self.progress),
                "max_event_bytes": self.max_event_bytes,
                "output_path": self.output_path,
                "operator": self.operator,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield await event_of(self._answer(), lambda: self._maybe_applied)

    def _is_told(self, _attempts: int, maybe_applied: bool) -> None:  # as the client tells it
        self._maybe_applied = maybe_applied

    async def _answer(self) -> SuccessEvent:
        request, progress = MirrorDBRequest(**self.request), Progress(**self.progress)
        log.info(
            "Sending %s %s [%s] through connection %s, after %d attempts on the worker",
            request.method,
            request.endpoint,
            request.method_name,
            self.mirrordb_conn_id,
            progress.attempts,
        )
        async with SharedClient(self.mirrordb_conn_id, self.operator) as client:
            progress = await self._with_past(request, progress)
            response = await client.request(
                request,
                progress=progress,
                sink=sink_for(self.output_path),
                note=self._is_told,
                most_bytes=self.max_event_bytes,
            )
        log.info("%s %s answered %d", request.method, request.endpoint, response.status)
        event = success_event(response, request)
        check_size(event, self.max_event_bytes, or_file=OR_FILE if request.method == "GET" else "")
        return event

    async def _with_past(self, request: MirrorDBRequest, progress: Progress) -> Progress:
        """Return the progress as it is if a trigger before this one, whose triggerer died, sent the write."""
        if not progress.maybe_applied and depends_on_the_past(request):
            await _sleep_until(progress.resume_at)  # the note says that it is sent now
            progress = replace(progress, maybe_applied=await may_have_been_sent(self, request))
        self._maybe_applied = progress.maybe_applied
        return progress


class MirrorDBWaitTrigger(BaseTrigger):
    """Waits without a worker, for a write that only a worker may send, and fires a :class:`ResumeEvent`.

    :param request: the fields of :class:`~airflow_mirrordb.client.MirrorDBRequest`, handed back as they are
    :param progress: the fields of :class:`~airflow_mirrordb.client.Progress`; ``resume_at`` ends the wait
    """

    def __init__(
        self,
        request: Mapping[str, Any] | str | None = None,
        progress: Mapping[str, Any] | str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.request = given(request)
        self.progress = given(progress)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {"request": to_text(self.request), "progress": to_text(self.progress)}
        return f"{__name__}.{type(self).__name__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await _sleep_until(Progress(**self.progress).resume_at)
        yield await event_of(self._resumed())

    async def _resumed(self) -> ResumeEvent:
        return ResumeEvent(status="resume", request=self.request, progress=self.progress)


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.time()))


def arguments(request: MirrorDBRequest, progress: Progress) -> dict[str, Any]:
    """Return a request and its progress as triggers take them."""
    return {"request": fields_of(request), "progress": fields_of(progress)}


def given(argument: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """Return an argument of a trigger that is a dict, be it as its author gives it or as it was stored.

    :raises TypeError: if it is neither; any other error of a constructor would end Airflow's triggerer
    """
    try:
        return dict(from_text(argument) if isinstance(argument, str) else argument or {})
    except (ValueError, zlib.error) as error:
        raise TypeError(f"an argument of a trigger is no JSON object: {error}") from error
