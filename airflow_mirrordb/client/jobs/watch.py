"""The polls of a job: sent, judged, and told of in the log where they bring something new."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.bodies.errors.details import problem_of
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.collections.pages.next_links import PageRequest
from airflow_mirrordb.client.errors import (
    FailedStateError,
    InvalidRequestError,
    JobFailedError,
    MirrorDBError,
    NotFoundError,
    ResponseError,
)
from airflow_mirrordb.client.jobs.places import RemoteJob
from airflow_mirrordb.client.jobs.polls import PollResult, PollState, judge, shown
from airflow_mirrordb.client.messages.request import MirrorDBRequest, PreparedRequest, attach_request
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.client.retries.wait_headers import retry_after
from airflow_mirrordb.conditions import Condition
from airflow_mirrordb.job_arguments import AZURE, JobArguments, is_empty
from airflow_mirrordb.paths import ABSENT, PathError, parse_path, value_at

if TYPE_CHECKING:
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB

log = logging.getLogger(__name__)

#: Seconds after the submit in which a 404 only says that the job is not there yet.
FIRST_SECONDS = 60.0
Outcome = MirrorDBResponse | MirrorDBError


class JobWatch:
    """Polls one job.

    :param client: that sends the polls
    :param arguments: how it is followed
    :param request: what all polls have in common
    :param clock: what it tells the time by
    :param name_of: returns the name of a request for the log
    """

    def __init__(
        self,
        client: GenericMirrorDB,
        arguments: JobArguments,
        request: MirrorDBRequest,
        clock: Clock,
        name_of: Callable[[MirrorDBRequest], str],
    ) -> None:
        self._client, self._arguments, self._request = client, arguments, request
        self._clock, self._name_of, self._told = clock, name_of, ""
        self._criteria: tuple[JobArguments, Condition] | None = None
        self.body: Any = None
        """What the last poll that was answered found, decoded."""

    def poll_of(self, job: RemoteJob) -> MirrorDBRequest:
        """Return the poll of a job."""
        return replace(self._request, endpoint=job.endpoint, query=job.query)

    def prepare(self, job: RemoteJob) -> PreparedRequest:
        """Return the poll of a job as it is sent.

        :raises EndpointNotAllowedError: if no registered pattern allows it
        :raises InvalidRequestError: if it cannot be sent, or the connection leads to another backend now
        """
        prepared = prepare_linked(self._client, PageRequest(request=self.poll_of(job), target=job.target))
        if job.base_url and job.base_url != prepared.base_url:
            message = (
                f"base_url: the job was submitted at {job.base_url}, and the connection leads to"
                f" {prepared.base_url} now; lead it back, or clear the task to submit another"
            )
            wrong = InvalidRequestError(message=message, field="base_url")
            raise attach_request(wrong, prepared.request)
        return prepared

    async def poll(self, job: RemoteJob, state: PollState) -> PollResult:
        """Poll once, and log what is new.

        :param state: what is remembered of the polls before
        :raises JobFailedError: if the job failed, or is gone
        :raises MirrorDBError: if the poll failed for good, or once too often in a row
        """
        outcome: Outcome
        try:
            outcome = await self._client.send(self.prepare(job), single_attempt=True)
        except MirrorDBError as error:
            outcome = error
        now = self._clock.time()
        self._refuse_ended(job, outcome, state, now)
        if isinstance(outcome, MirrorDBResponse):
            self.body = outcome.data
            if self._is_result(job, outcome):
                found = f"answered {outcome.status}, where a 303 led to"
                return PollResult(state=state, found=found, response=outcome)
        result = self._judged(job, outcome, state, now)
        if result.response is not None and self._criteria_of(job)[0].error_decides:
            self._refuse_error(job, result.response)
        self._tell(job, result, outcome, now)
        return result

    def _is_result(self, job: RemoteJob, response: MirrorDBResponse) -> bool:
        """Whether a 303 led from a job that is done to its result, which has no state."""
        if response.redirected is None or not response.redirected.is_other:
            return False
        return _at(response.data, self._criteria_of(job)[0].state) is ABSENT

    def tell(self, job: RemoteJob, level: int, words: str) -> None:
        """Log something of a job."""
        log.log(level, "%s: %s", self._name_of(self.poll_of(job)), words)

    # -- inside ----------------------------------------------------------------------------------

    def _criteria_of(self, job: RemoteJob) -> tuple[JobArguments, Condition]:
        """Return how the job is judged: a monitor of Azure's by their states, unless others are said."""
        if self._criteria is None:
            is_azures = job.is_monitor and self._arguments.state is None
            arguments = replace(self._arguments, **AZURE) if is_azures else self._arguments
            self._criteria = arguments, arguments.condition
        return self._criteria

    def _judged(self, job: RemoteJob, outcome: Outcome, state: PollState, now: float) -> PollResult:
        """Return what a poll means; the errors are those of :meth:`poll`."""
        arguments, condition = self._criteria_of(job)
        is_stated = arguments.state is not None
        if not is_stated and isinstance(outcome, MirrorDBResponse) and outcome.status == HTTPStatus.ACCEPTED:
            wait = retry_after(outcome.headers, now) or 0.0  # it runs, whatever pending_statuses says
            return PollResult(state=PollState(seen=True), found="answered 202", wait=wait)
        try:
            return judge(
                outcome,
                condition,
                state,
                max_failures=arguments.max_failures,
                now=now,
                hide=self._client.without_secrets,
            )
        except FailedStateError as error:
            raise self._failed(
                job, error.state, self._words(job, outcome) or error.detail
            ) from error.__cause__
        except MirrorDBError as error:
            raise error if error.method else attach_request(error, self.poll_of(job)) from error.__cause__

    def _refuse_ended(self, job: RemoteJob, outcome: Outcome, state: PollState, now: float) -> None:
        """Check that a poll does not say that the job is gone.

        :raises JobFailedError: if it does
        """
        if not isinstance(outcome, ResponseError):
            return
        is_late = state.seen or now - job.submitted > FIRST_SECONDS
        if isinstance(outcome, NotFoundError) and (is_late or outcome.status == HTTPStatus.GONE):
            raise self._failed(job, None, "", f"the job is gone ({outcome.message})") from outcome

    def _refuse_error(self, job: RemoteJob, response: MirrorDBResponse) -> None:
        """Check that a job which is over left no error.

        :raises JobFailedError: if it did
        """
        path = self._criteria_of(job)[0].error
        if words := self._words(job, response):
            raise self._failed(job, True, words)
        if names := parse_path(path).names if path else ():
            found = _at(response.data, names[0])  # an error, though not with those words
            if not is_empty(found):
                raise self._failed(job, True, problem_of(found)[1] or f"{names[0]} is there")

    def _failed(self, job: RemoteJob, state: Any, words: str, message: str = "") -> JobFailedError:
        field = self._criteria_of(job)[0].state or ""
        if not message:
            told = "" if state is True else f": its {field} is {shown(state, self._client.without_secrets)}"
            message = f"the job failed{told}"
            message = f"{message}: {words}" if words else message
        hide = self._client.without_secrets
        error = JobFailedError(
            message=hide(message), field=field, state=state, detail=hide(words), job=job.endpoint
        )
        return attach_request(error, self.poll_of(job))

    def _words(self, job: RemoteJob, outcome: Outcome) -> str:
        """Return what ``error`` finds in the body of a job, as one text; nothing if there is none."""
        response = outcome if isinstance(outcome, MirrorDBResponse) else getattr(outcome, "response", None)
        found = ABSENT if response is None else _at(response.data, self._criteria_of(job)[0].error)
        return "" if is_empty(found) else problem_of(found)[1] or shown(found, self._client.without_secrets)

    def _tell(self, job: RemoteJob, result: PollResult, outcome: Outcome, now: float) -> None:
        if failures := result.state.failures:
            self.tell(job, logging.WARNING, f"poll failed, {failures} in a row: {result.found}")
            return
        found = result.found
        if isinstance(outcome, MirrorDBResponse):
            progress = _at(outcome.data, self._arguments.progress)
            if not is_empty(progress):
                found += f", progress is {shown(progress, self._client.without_secrets)}"
        if found != self._told:
            self._told = found
            self.tell(job, logging.INFO, f"{found}, {now - job.submitted:.0f} s after the submit")


def prepare_linked(client: GenericMirrorDB, page: PageRequest) -> PreparedRequest:
    """Return a request as it is sent, to where a URL of the backend's says, if it has one.

    The errors are those of :meth:`JobWatch.prepare`.
    """
    prepared = client.prepare(page.request)
    return prepared if page.target is None else replace(prepared, wire=page.sent(prepared.wire))


def _at(body: Any, path: str | None) -> Any:
    try:
        return ABSENT if path is None else value_at(body, path)
    except PathError:
        return ABSENT
