"""An operator for a job that a backend runs: submitted, waited for, fetched, and cancelled, as one task.

Importing this module loads neither aiohttp nor the client: a DAG file is parsed often, and sends nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowException

from airflow_mirrordb.compat import end_of_deferral
from airflow_mirrordb.job_arguments import JOB_FIELDS, MAX_FAILURES, POLL_INTERVAL, TIMEOUT
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator
from airflow_mirrordb.task.arguments import fields_of, parse_argument, refuse_changed
from airflow_mirrordb.task.checks import check_written, naming, refuse_sensitive
from airflow_mirrordb.task.job_arguments import check_job_arguments, job_arguments_of
from airflow_mirrordb.task.link import link

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_mirrordb.client.jobs.places import RemoteJob
    from airflow_mirrordb.client.jobs.polls import PollResult
    from airflow_mirrordb.client.jobs.run import Finished, JobRun, StillRunning
    from airflow_mirrordb.client.messages.request import MirrorDBRequest, PreparedRequest
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB
    from airflow_mirrordb.client.retries.retry import Progress
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
    from airflow_mirrordb.task.memory.job_memory import JobMemory
    from airflow_mirrordb.task.memory.state import WriteState


class MirrorDBJobOperator(MirrorDBCreateOperator):
    """POST a job, wait until it is done, and return its result, decoded.

    Only a worker submits. With ``deferrable=True`` it polls for ``worker_timeout`` seconds, and hands over to
    the triggerer, which only reads, and cancels. Result, errors and requests are the same either way.

    A job that failed fails the task, and Airflow's ``retries`` submit another. A retry looks first: a job of
    an earlier try that still runs is joined, one that is done is the result, and only one that failed, was
    cancelled or is gone is followed by another. This needs Airflow 3.3; before, a connection with an
    ``idempotency_header`` finds the job by its key. Clearing the task begins anew.

    When a person ends the task, or its time is over, the job is cancelled.

    :param endpoint: of the submit (templated)
    :param job: where the job is polled, as ``api/jobs/{id}``: in braces stand paths into the answer to the
        submit; or a mapping of ``endpoint`` and ``query``. By default the URL in a header of that answer:
        ``Operation-Location``, ``Azure-AsyncOperation``, ``Location`` or ``Content-Location`` (templated)
    :param state: path of the state in the job's body; without it a 202 says that it runs, and another 2xx
        that it is done (templated)
    :param succeeded: states of a success, in any case (templated)
    :param failed: states of a failure (templated)
    :param running: states with which it runs, if any other is a failure; by default every other is one
        (templated)
    :param error: path of the words of a failure in the job's body (templated)
    :param progress: path of what is logged while it runs (templated)
    :param result: where the result is, as ``api/jobs/{id}/rows``, or a mapping of ``endpoint``, ``query`` and
        ``accept``; by default the job's body is the result (templated)
    :param paginate: how the result goes on in further pages, as for
        :class:`~airflow_mirrordb.operators.mirrordb.MirrorDBReadOperator` (templated)
    :param output_path: file to write the result to, as for that (templated)
    :param cancel: what cancels the job, as ``POST api/jobs/{id}/cancel``, or ``DELETE`` of the job itself; or
        a mapping of ``method``, ``endpoint``, ``query`` and ``data`` (templated)
    :param poll_interval: shortest wait between two polls, in seconds (templated)
    :param timeout: seconds from the submit to the last poll (templated)
    :param max_failures: passing failures of polls in a row that end the task (templated)
    :param cancel_on_kill: whether the job is cancelled when the task is ended
    :param durable: False to submit a job in each try, whatever became of the one before
    :raises ValueError: if the arguments contradict each other, or one cannot be meant

    The other arguments are those of :class:`~airflow_mirrordb.operators.mirrordb.MirrorDBCreateOperator`, but
    there is no ``bulk``: map the task over many jobs by ``expand()``.
    """

    template_fields: Sequence[str] = (
        *(name for name in MirrorDBCreateOperator.template_fields if name != "bulk"),
        *JOB_FIELDS,
        "output_path",
    )
    takes_lists = False

    _hook: MirrorDBHook | None = None
    _run: JobRun | None = None
    _job: RemoteJob | None = None
    _generation = 0
    _is_ended = False
    _cancel_words = ""

    def __init__(
        self,
        *,
        job: str | Mapping[str, Any] | None = None,
        state: str | None = None,
        succeeded: Sequence[Any] | str | None = None,
        failed: Sequence[Any] | str | None = None,
        running: Sequence[Any] | str | None = None,
        error: str | None = None,
        progress: str | None = None,
        result: str | Mapping[str, Any] | None = None,
        paginate: Mapping[str, Any] | None = None,
        output_path: str | None = None,
        cancel: str | Mapping[str, Any] | None = None,
        poll_interval: float | str = POLL_INTERVAL,
        timeout: float | str = TIMEOUT,
        max_failures: int | str = MAX_FAILURES,
        cancel_on_kill: bool = True,
        durable: bool = True,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("bulk"):
            with naming(kwargs.get("task_id")):
                raise ValueError("bulk: a task runs one job; map it over many by expand()")
        super().__init__(**kwargs)
        self.job = job
        self.state = state
        self.succeeded = succeeded
        self.failed = failed
        self.running = running
        self.error = error
        self.progress = progress
        self.result = result
        self.paginate = paginate
        self.output_path = output_path
        self.cancel = cancel
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.max_failures = max_failures
        self.cancel_on_kill = cancel_on_kill
        self.durable = durable
        with naming(self.task_id):
            check_job_arguments(self)
        check_written(self, MirrorDBJobOperator)

    def on_kill(self) -> None:
        """Cancel the job; called in the handler of a signal, or after a time-out of the task.

        Airflow lets the task go on until it kills its process. So nothing is submitted after this, and a job
        whose submit is on its way is cancelled when its answer comes.
        """
        self._is_ended = True
        if self._run is None or self._job is None or self._cancel_words:
            return
        if self._run.was_cancelled or self._run.is_done:
            return
        if not self.cancel_on_kill:
            self._cancel_words = "it is left running, since cancel_on_kill is False"
            self.log.info("The job %s: %s", self._job.endpoint, self._cancel_words)
            return
        assert self._hook is not None  # noqa: S101  # it sent the submit
        self._cancel_words = "it is being cancelled"  # what a further signal finds meanwhile
        self._cancel_words = self._hook.cancel_job(self._run, self._job)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Go on where the trigger left off; a job that it cancelled is not looked at by the next try."""
        from airflow_mirrordb.task.memory.job_memory import JobMemory
        from airflow_mirrordb.task.outcomes.events import read_event

        # asked of the event, beside whose text it stands: an answer is decoded once, and may be large
        if event["status"] == "error" and read_event(event)["error"].get("cancelled"):
            JobMemory(context, durable=self.durable, keyed=False).begin_anew()
        return super().execute_complete(context, event)

    def _send_noted(
        self, context: Context, request: MirrorDBRequest | None, progress: Progress | None, state: WriteState
    ) -> Any:
        from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
        from airflow_mirrordb.task.outcomes.events import success_event
        from airflow_mirrordb.task.outcomes.log_lines import answered

        with MirrorDBHook(self.mirrordb_conn_id, operator=self.operator_name, once=False) as hook:
            done = self._finished(context, hook, request, progress, state)
        event = success_event(done.response, done.request)
        self.log.info("%s", answered(event))
        return self._result(event)

    def request(self, context: Context, client: GenericMirrorDB) -> MirrorDBRequest:
        request = super().request(context, client)
        if self._generation and request.idempotency_key is not None:
            return replace(request, idempotency_key=f"{request.idempotency_key}-{self._generation}")
        return request

    def _finished(
        self,
        context: Context,
        hook: MirrorDBHook,
        request: MirrorDBRequest | None,
        progress: Progress | None,
        state: WriteState,
    ) -> Finished:
        """Return the job when it is done, joined or submitted; or defer the task."""
        from airflow_mirrordb.hooks.output import check_storage, sink_for
        from airflow_mirrordb.task.memory.job_memory import JobMemory

        check_storage(self.output_path)
        client, arguments = hook.get_conn(), job_arguments_of(self)
        memory = JobMemory(context, durable=self.durable, keyed=client.sends_keys)
        seen: PollResult | None = None
        if memory.job is not None:
            run = client.begin_job(self.request(context, client), arguments)
            self._note_job(hook, run, memory.job)
            seen = self._joined(hook, run, memory)
        while memory.job is None:
            if self._is_ended:
                raise AirflowException("the task was ended before it submitted a job")
            self._generation = memory.generation
            run = client.begin_job(request or self.request(context, client), arguments)
            prepared, response = self._sent(context, hook, run.prepare(), progress, state)
            job = run.begun(response, prepared)
            if job is None:
                return hook.run_to_end(run.at_once(response, prepared, sink=sink_for(self.output_path)))
            state.settle()
            try:
                memory.remember(job)
            finally:  # whatever interrupts that: the job can be cancelled
                self._note_job(hook, run, job)
            request = progress = None
            if memory.may_be_replayed:
                seen = self._joined(hook, run, memory)
        try:
            return self._followed(context, hook, run, memory.job, seen)
        finally:
            if run.is_cancelled:
                memory.begin_anew()

    def _note_job(self, hook: MirrorDBHook, run: JobRun, job: RemoteJob) -> None:
        """Let the job be cancelled when the task is ended.

        :raises AirflowException: if it was ended already; the job is cancelled
        """
        self._hook, self._run, self._job = hook, run, job
        if self._is_ended:
            self.on_kill()
            raise AirflowException(
                f"the task was ended before it followed its job {job.endpoint}: {self._cancel_words}"
            )

    def _joined(self, hook: MirrorDBHook, run: JobRun, memory: JobMemory) -> PollResult | None:
        """Look at the job of an earlier try, and return what was found; None if it has failed or is gone."""
        assert memory.job is not None  # noqa: S101  # the caller asked
        seen = hook.run_to_end(run.joined(memory.job))
        if seen is None:
            self._job = None
            memory.begin_anew()
        return seen

    def _followed(
        self, context: Context, hook: MirrorDBHook, run: JobRun, job: RemoteJob, seen: PollResult | None
    ) -> Finished:
        """Return a job when it is done; or defer the task."""
        from airflow_mirrordb.client.errors import JobFailedError
        from airflow_mirrordb.client.jobs.run import StillRunning
        from airflow_mirrordb.hooks.output import sink_for

        link(self, context, run.url_of(job))
        leave_at = math.inf
        if self.deferrable:
            worker_timeout = parse_argument("worker_timeout", self.worker_timeout, float)
            leave_at = time.time() + worker_timeout if worker_timeout else -math.inf
        work = run.finish(
            job,
            seen=seen,
            leave_at=leave_at,
            sink=sink_for(self.output_path),
            cancel_on_kill=self.cancel_on_kill,
        )
        try:
            done = hook.run_to_end(work)
        except StillRunning as running:
            self._defer_job(context, run, job, running)
        except JobFailedError as error:
            if self._cancel_words:
                error.message = (
                    f"{error.message}; the task was ended before, and its job: {self._cancel_words}"
                )
            raise
        self._job = None
        return done

    def _defer_job(self, context: Context, run: JobRun, job: RemoteJob, running: StillRunning) -> NoReturn:
        from airflow_mirrordb.task.outcomes.result import may_be_file
        from airflow_mirrordb.triggers.job import MirrorDBJobTrigger

        refuse_changed("output_path", self.output_path)
        refuse_sensitive(run.common.headers, run.common.query)
        now, deadline = time.time(), job.deadline
        if self.execution_timeout is not None:  # Airflow's own would end the trigger without a cancel
            seconds = self.execution_timeout.total_seconds()
            deadline = min(deadline, end_of_deferral(context["ti"], seconds, now))
        wait = max(0.0, running.resume_at - now)
        self.log.info("The next poll is due in %.1f s; the task is deferred until a triggerer makes it", wait)
        # dag.test() loses the 'kwargs' of defer(): whatever is needed later is in the event.
        self.defer(
            trigger=MirrorDBJobTrigger(
                self.mirrordb_conn_id,
                request=fields_of(run.common),
                arguments=fields_of(run.arguments),
                job=fields_of(replace(job, deadline=deadline)),
                state=fields_of(running.state),
                resume_at=running.resume_at,
                cancel_on_kill=self.cancel_on_kill,
                max_event_bytes=self.max_event_bytes,
                output_path=self.output_path,
                may_be_file=may_be_file(self),
                operator=self.operator_name,
            ),
            method_name="execute_complete",
        )

    def _may_go_on_elsewhere(self, prepared: PreparedRequest) -> bool:
        """Only a worker submits."""
        return False
