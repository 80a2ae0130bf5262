"""The way of a job from its submit to its result; it is cancelled when its time is over."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from airflow_mirrordb.client.bodies.encoding import encode
from airflow_mirrordb.client.calls.reporting import Reporting
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.collections.pages.next_links import BadLinkError, PageRequest
from airflow_mirrordb.client.collections.pages.pagination import pagination_of
from airflow_mirrordb.client.collections.streams import Sink, Stream
from airflow_mirrordb.client.errors import (
    InvalidRequestError,
    InvalidResponseError,
    JobFailedError,
    JobTimeoutError,
)
from airflow_mirrordb.client.jobs.cancel import CancelOutcome, cancel
from airflow_mirrordb.client.jobs.places import (
    PlaceError,
    RemoteJob,
    check_places,
    job_of,
    result_of,
    values_of,
)
from airflow_mirrordb.client.jobs.polls import PollResult, PollState
from airflow_mirrordb.client.jobs.watch import JobWatch, prepare_linked
from airflow_mirrordb.client.messages.request import MirrorDBRequest, PreparedRequest, attach_request
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.job_arguments import JobArguments, job_request_of
from airflow_mirrordb.media_types import check_accept

if TYPE_CHECKING:
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB

log = logging.getLogger(__name__)


class StillRunning(Exception):  # noqa: N818  # like WaitNeeded, it is no failure
    """Raised instead of waiting for the next poll of a job.

    :param state: what to remember of the polls
    :param resume_at: unix time of the next one
    """

    def __init__(self, state: PollState, resume_at: float) -> None:
        super().__init__(f"the next poll is due at {resume_at:.0f}")
        self.state, self.resume_at = state, resume_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A job that is done.

    :param response: the answer that is its result
    :param request: what that answers
    """

    response: MirrorDBResponse
    request: MirrorDBRequest


class JobRun:
    """What is done about one job; made by :meth:`GenericMirrorDB.begin_job`.

    :param client: that sends its requests
    :param arguments: how it is followed
    :param request: its submit; headers, timeout and label are those of all its requests
    :param clock: what it tells the time by, and waits with
    :param reporting: what the client says of its requests
    """

    def __init__(
        self,
        client: GenericMirrorDB,
        arguments: JobArguments,
        request: MirrorDBRequest,
        clock: Clock,
        reporting: Reporting,
    ) -> None:
        self._client, self._clock, self._reporting = client, clock, reporting
        self.arguments = arguments
        own_body = arguments.state is None and arguments.result is None
        #: The submit as it is to be sent.
        self.submit = replace(request, accept=request.accept if own_body else None)
        #: What its other requests have in common; another run about the same job can be made of it.
        self.common = MirrorDBRequest(
            method="GET",
            endpoint="/",
            method_name=request.method_name,
            headers=_common(request.headers),
            timeout=request.timeout,
            accept=request.accept,
            full_response=request.full_response,
        )
        self._result = replace(self.common, paginate=arguments.paginate)
        poll = replace(
            self.common,
            accept=self.submit.accept,
            full_response=request.full_response and arguments.result is None,
        )
        self._watch = JobWatch(client, arguments, poll, clock, reporting.name_of)
        self._cancelled: CancelOutcome | None = None
        #: Whether it was seen that the job is done: it must not be cancelled any more.
        self.is_done = False

    async def run(self, sink: Sink | None, *, cancel_on_kill: bool) -> MirrorDBResponse:
        """Submit the job, and return its result; see :meth:`GenericMirrorDB.run_job`."""
        prepared = self.prepare()
        response = await self._client.send(prepared)
        return await self.follow(response, prepared, sink, cancel_on_kill=cancel_on_kill)

    async def follow(
        self,
        response: MirrorDBResponse,
        prepared: PreparedRequest,
        sink: Sink | None,
        *,
        cancel_on_kill: bool,
    ) -> MirrorDBResponse:
        """Return the result of a job that was submitted; the errors are those of :meth:`begun` too.

        :param response: the answer to the submit
        :param prepared: the submit

        The other arguments and errors are those of :meth:`finish`.
        """
        job, seen = self.begun(response, prepared), None
        for _ in range(0 if prepared.mark is None else prepared.mark.tries_before):
            if job is None or (seen := await self.joined(job)) is not None:
                break
            prepared = self.prepare()
            response = await self._client.send(prepared)
            job = self.begun(response, prepared)
        if job is None:
            return (await self.at_once(response, prepared, sink=sink)).response
        try:
            return (await self.finish(job, seen=seen, sink=sink, cancel_on_kill=cancel_on_kill)).response
        except (JobFailedError, JobTimeoutError) as error:
            is_over = isinstance(error, JobFailedError) or error.cancelled
            if is_over and prepared.mark is not None and not prepared.repeatable:
                await prepared.mark.take_back()  # the next run of the caller may submit another
            raise

    def prepare(self) -> PreparedRequest:
        """Return the submit, once it is known that the job may be polled, read and cancelled.

        :raises EndpointNotAllowedError: if no registered pattern allows one of these, or the submit
        :raises InvalidRequestError: if the submit cannot be sent, or the result could not be asked for
        """
        with self._reporting:
            check_places(self._client, self.arguments, self.submit)
            self._check_result()
            return self._client.prepare(self.submit)

    @property
    def was_cancelled(self) -> bool:
        """Whether a cancel was tried."""
        return self._cancelled is not None

    @property
    def is_cancelled(self) -> bool:
        """Whether one was, and the backend took it."""
        return self._cancelled is not None and self._cancelled[0] is True

    def begun(self, response: MirrorDBResponse, prepared: PreparedRequest) -> RemoteJob | None:
        """Return the job that the answer to the submit names; None if it is done already.

        :param prepared: the submit
        :raises InvalidResponseError: if it names none, or one that may not be asked for; it may run
        """
        hide = self._client.without_secrets
        with self._reporting:
            job = job_of(response, prepared, self.arguments, self._clock.time(), hide)
        if job is not None:
            log.info("%s: the job is %s", self._reporting.name_of(prepared.request), job.endpoint)
        return job

    def url_of(self, job: RemoteJob) -> str:
        """Return the URL of a job, without its query.

        :raises MirrorDBError: if it may not be asked for
        """
        with self._reporting:
            return self._watch.prepare(job).url

    async def poll(self, job: RemoteJob, state: PollState) -> PollResult:
        """Poll once; see :meth:`JobWatch.poll`."""
        with self._reporting:
            return await self._watch.poll(job, state)

    async def finish(
        self,
        job: RemoteJob,
        state: PollState | None = None,
        *,
        seen: PollResult | None = None,
        resume_at: float = 0.0,
        leave_at: float = math.inf,
        sink: Sink | None = None,
        most_bytes: float = math.inf,
        cancel_on_kill: bool = False,
    ) -> Finished:
        """Poll until the job is done, and return its result.

        :param state: what is remembered of the polls before
        :param seen: what one brought that was made just now
        :param resume_at: unix time of the next poll
        :param leave_at: unix time up to which the caller waits for polls
        :param sink: takes the result, as in :class:`SendOptions`
        :param most_bytes: size that pages of the result may have together, without a sink
        :param cancel_on_kill: whether the job is cancelled when this call is
        :raises JobFailedError: if it failed, or is gone
        :raises JobTimeoutError: if it is not done at its deadline; it was cancelled then, if that is possible
        :raises StillRunning: if the next poll is due later than ``leave_at``
        :raises MirrorDBError: if a poll failed for good, or once too often in a row, or the result could not
            be read; the job is left alone
        """
        try:
            with self._reporting:
                done = await self._done(job, state or PollState(), seen, resume_at, leave_at)
        except asyncio.CancelledError:
            if cancel_on_kill:
                await asyncio.shield(self.cancel(job))
            raise
        self.is_done = True
        with self._reporting:
            return await self._fetched(job, done, sink, most_bytes)

    async def at_once(
        self,
        response: MirrorDBResponse,
        prepared: PreparedRequest,
        *,
        sink: Sink | None = None,
        most_bytes: float = math.inf,
    ) -> Finished:
        """Return the result of a job that was done when its submit was answered; see :meth:`finish`.

        :param response: the answer
        :param prepared: the submit
        """
        if self.arguments.result is not None:
            values = values_of(self.arguments, response, self._client.without_secrets)
            job = RemoteJob(endpoint=prepared.request.endpoint, values=values)
            with self._reporting:
                return await self._read(self._place_of_result(response, job, prepared), sink, most_bytes)
        if sink is not None:
            stream = Stream(sink, replace(self._result, endpoint=prepared.request.endpoint))
            response = await stream.keep(_written(response, stream))
        return Finished(response=response, request=prepared.request)

    async def cancel(self, job: RemoteJob) -> CancelOutcome:
        """Cancel the job, once, and return whether it was, and in words what became of that.

        Takes at most ten seconds, and raises nothing of the client's.

        :return: True if it is over without a result; None if ``cancel`` says nothing
        """
        if self._cancelled is None:
            said = job_request_of("cancel", self.arguments.cancel)
            self._cancelled = await cancel(self._client, self._watch, said, job, self._clock.time())
            self._watch.tell(job, logging.INFO if self._cancelled[0] else logging.WARNING, self._cancelled[1])
        return self._cancelled

    async def joined(self, job: RemoteJob) -> PollResult | None:
        """Poll the job of an earlier try, and return what was found; None if it has failed or is gone."""
        try:
            seen = await self.poll(job, PollState())
        except JobFailedError as error:
            log.info("The job of an earlier try is over, so another one is submitted: %s", error)
            return None
        log.info("The job of an earlier try is joined: %s", job.endpoint)
        return seen

    # -- inside ----------------------------------------------------------------------------------

    def _check_result(self) -> None:
        """Check what only the result needs, before a job runs for hours to make it.

        :raises InvalidRequestError: if its pages, or its media types, cannot be asked for
        """
        said = job_request_of("result", self.arguments.result)
        if said is None:
            return
        accept = said.accept or self._result.accept
        try:
            if accept is not None:
                check_accept(accept)
        except ValueError as error:
            wrong = InvalidRequestError(message=f"result.accept: {error}", field="result.accept")
            raise attach_request(wrong, self.submit) from None
        if self._result.paginate is not None:
            pagination_of(replace(self._result, accept=accept))

    async def _done(
        self,
        job: RemoteJob,
        state: PollState,
        result: PollResult | None,
        resume_at: float,
        leave_at: float,
    ) -> MirrorDBResponse:
        """Return the answer that says that the job is done; the rest is as for :meth:`finish`."""
        resume_at = max(resume_at, min(job.poll_from, job.deadline))
        while True:
            if result is None:
                if resume_at > leave_at:
                    raise StillRunning(state, resume_at)
                await self._clock.sleep(max(0.0, resume_at - self._clock.time()))
                result = await self.poll(job, state)
            if result.response is not None:
                return result.response
            now = self._clock.time()
            if now >= job.deadline:
                await self._end_in_vain(job, result)
            resume_at = min(now + max(self.arguments.poll_interval, result.wait), job.deadline)
            state, result = result.state, None

    async def _fetched(
        self, job: RemoteJob, response: MirrorDBResponse, sink: Sink | None, most_bytes: float
    ) -> Finished:
        """Return the result of a job that is done: its own body, or what ``result`` names."""
        asked = self._watch.prepare(job)
        if self.arguments.result is not None:
            return await self._read(self._place_of_result(response, job, asked), sink, most_bytes)
        if sink is None:
            return Finished(response=response, request=asked.request)
        again = replace(self._result, endpoint=job.endpoint, query=job.query)
        return await self._read(PageRequest(request=again, target=job.target), sink, most_bytes)

    def _place_of_result(
        self, response: MirrorDBResponse, job: RemoteJob, asked: PreparedRequest
    ) -> PageRequest:
        """Return the read of what ``result`` names.

        :param response: that says that the job is done
        :param asked: what that answers
        :raises InvalidResponseError: if it does not say where the result is
        """
        said = job_request_of("result", self.arguments.result)
        assert said is not None  # noqa: S101  # the caller asked
        try:
            return result_of(said, response.data, job, replace(asked, request=self._result))
        except (PlaceError, BadLinkError) as error:
            reason = self._client.without_secrets(str(error))
            message = f"{response.status}, and the job is done, but result: {reason}"
            wrong = InvalidResponseError(
                message=message, status=response.status, request_id=response.request_id
            )
            raise attach_request(wrong, asked.request) from error

    async def _read(self, page: PageRequest, sink: Sink | None, most_bytes: float) -> Finished:
        answer = await self._client.send(prepare_linked(self._client, page), sink=sink, most_bytes=most_bytes)
        return Finished(response=answer, request=page.request)

    async def _end_in_vain(self, job: RemoteJob, result: PollResult) -> NoReturn:
        cancelled, words = await self.cancel(job)
        late = f"the job was not done within {job.deadline - job.submitted:.0f} s"
        error = JobTimeoutError(
            message=f"{late}; at last: {result.found}; {words}", job=job.endpoint, cancelled=cancelled
        )
        raise attach_request(error, self._watch.poll_of(job))


async def _written(response: MirrorDBResponse, stream: Stream) -> MirrorDBResponse:
    """Write the body of an answer that has come already."""
    body = response.data
    await stream.begin()
    await stream.write(body.encode() if isinstance(body, str) and not response.is_json else encode(body))
    return response


def _common(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Return headers without a key of the submit alone: a cancel under it would be answered as that was."""
    kept = [name for name in headers or () if "idempotency" not in str(name).lower()]
    return headers and {name: headers[name] for name in kept}
