"""Triggers: what is left of a request after its worker let go of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.client.retries.retry import Progress
from airflow_mirrordb.client.retries.write_safety import depends_on_the_past
from airflow_mirrordb.compat import logger_of_airflow
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.output import check_storage, sink_for
from airflow_mirrordb.hooks.sharing import SharedClient
from airflow_mirrordb.task.arguments import MAX_EVENT_BYTES, fields_of
from airflow_mirrordb.task.memory.stored_arguments import StoredArguments, given, restored, warn_of_unknown
from airflow_mirrordb.task.memory.takeover import may_have_been_sent
from airflow_mirrordb.task.outcomes.events import (
    OR_FILE,
    ResumeEvent,
    SuccessEvent,
    check_size,
    event_of,
    success_event,
)
from airflow_mirrordb.task.outcomes.log_lines import AnswerLine

log = logger_of_airflow(__name__)  # a trigger's own takes longer, since it is made for one line

FIELDS: Mapping[str, type] = {"request": MirrorDBRequest, "progress": Progress}


class MirrorDBTrigger(StoredArguments, BaseTrigger):
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
    :param may_be_file: whether the task has an ``output_path``, which the error of too large an answer then
        advises
    :param operator: name of the operator, for the User-Agent
    """

    fields_of_arguments = FIELDS

    def __init__(
        self,
        mirrordb_conn_id: str = MirrorDBHook.default_conn_name,
        request: Mapping[str, Any] | str | None = None,
        progress: Mapping[str, Any] | str | None = None,
        max_event_bytes: int = MAX_EVENT_BYTES,
        output_path: str | None = None,
        may_be_file: bool = False,
        operator: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mirrordb_conn_id = mirrordb_conn_id
        self.request = given(request)
        self.progress = given(progress)
        self.max_event_bytes = max_event_bytes
        self.output_path = output_path
        self.may_be_file = may_be_file
        self.operator = operator
        self.maybe_applied = False

    def event(self) -> Awaitable[TriggerEvent]:
        return event_of(self._answer(), self)

    def _learn(self, _attempts: int, maybe_applied: bool) -> None:  # as the client tells it
        self.maybe_applied = maybe_applied

    async def _answer(self) -> SuccessEvent:
        request = restored(MirrorDBRequest, self.request)
        if self.output_path is not None:
            await asyncio.to_thread(check_storage, self.output_path)
        async with await SharedClient.of(self.mirrordb_conn_id, self.operator) as client:
            begun = restored(Progress, self.progress) if self.progress else client.begin()
            progress = await self._with_past(request, begun)
            response = await client.send(
                client.prepare(request),
                progress=progress,
                sink=sink_for(self.output_path),
                note=None if request.reads else self._learn,
                most_bytes=self.max_event_bytes,
            )
        event = success_event(response, request)
        log.info("%s", AnswerLine(request, self.mirrordb_conn_id, event))
        check_size(event, self.max_event_bytes, or_file=OR_FILE if self.may_be_file else "")
        return event

    async def _with_past(self, request: MirrorDBRequest, progress: Progress) -> Progress:
        """Return the progress as it is if a trigger before this one, whose triggerer died, sent the write."""
        if not progress.maybe_applied and depends_on_the_past(request):
            await _sleep_until(progress.resume_at)  # the note says that it is sent now
            progress = replace(progress, maybe_applied=await may_have_been_sent(self, request))
        self.maybe_applied = progress.maybe_applied
        return progress


class MirrorDBWaitTrigger(StoredArguments, BaseTrigger):
    """Waits without a worker, for a write that only a worker may send, and fires a :class:`ResumeEvent`.

    :param request: the fields of :class:`~airflow_mirrordb.client.MirrorDBRequest`, handed back as they are
    :param progress: the fields of :class:`~airflow_mirrordb.client.Progress`; ``resume_at`` ends the wait
    """

    fields_of_arguments = FIELDS

    def __init__(
        self,
        request: Mapping[str, Any] | str | None = None,
        progress: Mapping[str, Any] | str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.request = given(request)
        self.progress = given(progress)

    def event(self) -> Awaitable[TriggerEvent]:
        return event_of(self._resumed())

    async def _resumed(self) -> ResumeEvent:
        await _sleep_until(restored(Progress, self.progress).resume_at)
        return ResumeEvent(status="resume", request=self.request, progress=self.progress)


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.time()))


def arguments(request: MirrorDBRequest, progress: Progress) -> dict[str, Any]:
    """Return a request and its progress as triggers take them."""
    return {"request": fields_of(request), "progress": fields_of(progress)}


def resumed(event: Mapping[str, Any]) -> tuple[MirrorDBRequest, Progress]:
    """Return the request and the progress of a :class:`ResumeEvent`, which any version may have fired."""
    warn_of_unknown(event, FIELDS)
    return restored(MirrorDBRequest, event["request"]), restored(Progress, event["progress"])
