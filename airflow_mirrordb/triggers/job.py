"""The trigger of a job: polls it, fetches its result, and cancels it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, ClassVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_mirrordb.client.jobs.cancel import LONGEST_CANCEL
from airflow_mirrordb.client.jobs.places import RemoteJob
from airflow_mirrordb.client.jobs.polls import PollState
from airflow_mirrordb.client.jobs.run import JobRun
from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.compat import kills_triggers, logger_of_airflow, task_state
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.output import check_storage, sink_for
from airflow_mirrordb.hooks.sharing import SharedClient
from airflow_mirrordb.job_arguments import JobArguments
from airflow_mirrordb.task.arguments import MAX_EVENT_BYTES
from airflow_mirrordb.task.link import linked_when_deferred
from airflow_mirrordb.task.memory.stored_arguments import StoredArguments, given, restored
from airflow_mirrordb.task.outcomes.events import OR_FILE, SuccessEvent, check_size, event_of, success_event
from airflow_mirrordb.task.outcomes.log_lines import AnswerLine, name_of

log = logger_of_airflow(__name__)

#: State of a task whose trigger runs, or is about to run in another triggerer.
DEFERRED = "deferred"
#: States in which a person may leave a task, other than clearing it.
ENDED = frozenset({"failed", "success", "skipped", "upstream_failed", "removed"})


class MirrorDBJobTrigger(StoredArguments, BaseTrigger):
    """Polls a job until it is done, and fires one event: a :class:`SuccessEvent` or an :class:`ErrorEvent`.

    It submits nothing. A successor of one whose triggerer died has the same deadline. The arguments are
    stored in clear text, and hold no secret of the connection; a URL of the job may be one that its backend
    signed.

    :param mirrordb_conn_id: id of a connection of type ``mirrordb``
    :param request: the fields of a :class:`~airflow_mirrordb.client.MirrorDBRequest`, or their text: what all
        requests about the job have in common
    :param arguments: the fields of :class:`~airflow_mirrordb.job_arguments.JobArguments`, or their text
    :param job: the fields of :class:`~airflow_mirrordb.client.jobs.places.RemoteJob`, or their text
    :param state: the fields of :class:`PollState`, or their text
    :param resume_at: unix time of the next poll
    :param cancel_on_kill: whether the job is cancelled when a person ends the task
    :param max_event_bytes: largest result that is put into the event, in bytes
    :param output_path: file that the result is written to
    :param may_be_file: whether the task has an ``output_path``, which the error of too large a result advises
    :param operator: name of the operator, for the User-Agent
    """

    fields_of_arguments: ClassVar[Mapping[str, type]] = {
        "request": MirrorDBRequest,
        "arguments": JobArguments,
        "job": RemoteJob,
        "state": PollState,
    }

    def __init__(
        self,
        mirrordb_conn_id: str = MirrorDBHook.default_conn_name,
        request: Mapping[str, Any] | str | None = None,
        arguments: Mapping[str, Any] | str | None = None,
        job: Mapping[str, Any] | str | None = None,
        state: Mapping[str, Any] | str | None = None,
        resume_at: float = 0.0,
        cancel_on_kill: bool = True,
        max_event_bytes: int = MAX_EVENT_BYTES,
        output_path: str | None = None,
        may_be_file: bool = False,
        operator: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mirrordb_conn_id = mirrordb_conn_id
        self.request = given(request)
        self.arguments = given(arguments)
        self.job = given(job)
        self.state = given(state)
        self.resume_at = resume_at
        self.cancel_on_kill = cancel_on_kill
        self.max_event_bytes = max_event_bytes
        self.output_path = output_path
        self.may_be_file = may_be_file
        self.operator = operator
        self._following: JobRun | None = None

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire the only event; below Airflow 3.3, which calls :meth:`on_kill` itself, see to kills too."""
        self.warn_of_unknown()
        try:
            event = await self.event()
        except asyncio.CancelledError:
            if not kills_triggers():
                await asyncio.shield(self.on_kill())
            raise
        yield event

    def event(self) -> Awaitable[TriggerEvent]:
        return event_of(self._done())

    async def on_kill(self) -> None:
        """Cancel the job if a person ended the task, and say in the log what was decided.

        A trigger that only moved to another triggerer is ended as well: its task is still deferred.
        """
        job = restored(RemoteJob, self.job)
        request = self._request_of(job)
        name = name_of(request, self.mirrordb_conn_id)
        if not self.cancel_on_kill:
            log.info("%s: the job is left running, since cancel_on_kill is False", name)
            return
        if self._following is not None and self._following.is_done:
            log.info("%s: the job is not cancelled, since it is done", name)
            return
        try:
            end = await asyncio.wait_for(self._end_of_task(job), LONGEST_CANCEL)
        except Exception as error:  # noqa: BLE001  # whatever Airflow's processes raise
            log.warning(
                "%s: the job is not cancelled, since the state of its task is not known: %r", name, error
            )
            return
        if end is None:
            log.info(
                "%s: the job is not cancelled, since its task is still deferred: a triggerer goes on", name
            )
            return
        log.info("%s: the job is cancelled, since its task is %s", name, end)
        try:
            async with await SharedClient.of(self.mirrordb_conn_id, self.operator) as client:
                await client.begin_job(request, restored(JobArguments, self.arguments)).cancel(job)
        except Exception as error:  # noqa: BLE001  # also what Airflow raises when it looks the connection up
            log.warning("%s: the job may still run, since its cancel failed: %s", name, error)

    async def _end_of_task(self, job: RemoteJob) -> str | None:
        """Return in words how a person ended the task; None if it still waits for this job.

        One that was cleared may be deferred already when its trigger is told to end, for its next job.
        """
        state = await task_state(self.task_instance)
        if state in ENDED:
            return state
        if state != DEFERRED:
            return f"cleared, and {state or 'not scheduled yet'}"
        url = await linked_when_deferred(self.task_instance)
        async with await SharedClient.of(self.mirrordb_conn_id, self.operator) as client:
            run = client.begin_job(self._request_of(job), restored(JobArguments, self.arguments))
            is_other = url and url != run.url_of(job)
        return f"cleared, and waits for another job, {url}" if is_other else None

    async def _done(self) -> SuccessEvent:
        job = restored(RemoteJob, self.job)
        request = self._request_of(job)
        if self.output_path is not None:
            await asyncio.to_thread(check_storage, self.output_path)
        async with await SharedClient.of(self.mirrordb_conn_id, self.operator) as client:
            run = self._following = client.begin_job(request, restored(JobArguments, self.arguments))
            done = await run.finish(
                job,
                restored(PollState, self.state),
                resume_at=self.resume_at,
                sink=sink_for(self.output_path),
                most_bytes=self.max_event_bytes,
            )
        event = success_event(done.response, done.request)
        log.info("%s", AnswerLine(done.request, self.mirrordb_conn_id, event))
        check_size(event, self.max_event_bytes, or_file=OR_FILE if self.may_be_file else "")
        return event

    def _request_of(self, job: RemoteJob) -> MirrorDBRequest:
        return restored(MirrorDBRequest, {**self.request, "method": "GET", "endpoint": job.endpoint})
