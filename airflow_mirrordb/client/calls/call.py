"""One request from its first attempt to its result: turns, credentials, redirects, what an answer means."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import NoReturn

from multidict import CIMultiDictProxy

from airflow_mirrordb.client.auth.authenticator import Authenticator
from airflow_mirrordb.client.auth.query_keys import without_key
from airflow_mirrordb.client.auth.redaction import Redaction, shortened
from airflow_mirrordb.client.auth.schemes import NO_CREDENTIALS, Credentials, credentials_of
from airflow_mirrordb.client.auth.signatures import signatures_in, signatures_of
from airflow_mirrordb.client.calls.in_flight import InFlightRequest
from airflow_mirrordb.client.calls.redirects import (
    MAX_HOPS,
    redirected,
    redirected_elsewhere,
)
from airflow_mirrordb.client.calls.reporting import Reporting
from airflow_mirrordb.client.calls.route import Route
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.collections.streams import Stream
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.endpoints.registry import EndpointRegistry
from airflow_mirrordb.client.endpoints.urls import joined, shown
from airflow_mirrordb.client.errors import (
    InputError,
    MirrorDBError,
    NotFoundError,
    RefusedError,
    ResponseError,
    TransportError,
)
from airflow_mirrordb.client.limits.rate_limiter import Slot
from airflow_mirrordb.client.limits.throttle import TurnTooLateError
from airflow_mirrordb.client.messages.answer_errors import REDIRECTS
from airflow_mirrordb.client.messages.request import (
    MirrorDBRequest,
    WireRequest,
    attach_request,
)
from airflow_mirrordb.client.messages.request_headers import plain_headers
from airflow_mirrordb.client.messages.response import GONE, Answer, MirrorDBResponse, interpret
from airflow_mirrordb.client.messages.write_mark import WriteMark
from airflow_mirrordb.client.retries.retry import Progress, RetryPolicy
from airflow_mirrordb.client.retries.write_safety import classify_failure, may_be_applied
from airflow_mirrordb.media_types import takes_text

log = logging.getLogger(__name__)

#: How often credentials are renewed in one attempt.
MOST_RENEWALS = 2
#: Characters of a URL in an error.
MAX_URL = 500
#: Seconds that any attempt gets, however near the deadline: who asks wants an answer.
LEAST_TIMEOUT = 1.0
#: Seconds that a request waits for its turn where its caller wants to do longer waits itself.
SHORT_WAIT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a request works with from its start to its end, whatever is changed meanwhile."""

    config: MirrorDBConfig
    registry: EndpointRegistry
    changes: str = ""
    """What tells the settings that were changed at run time from those before."""
    policy: RetryPolicy = field(init=False, repr=False)
    plain_headers: CIMultiDictProxy[str] = field(init=False, repr=False)
    fixed_credentials: Credentials | None = field(init=False, repr=False)
    """What proves who sends; None if it has to be fetched."""
    not_final: frozenset[int] = field(init=False, repr=False)
    """Statuses of answers that another exchange may follow."""

    def __post_init__(self) -> None:  # made once, not for each request
        object.__setattr__(self, "policy", self.config.retry_policy)
        fixed = None if self.config.fetches_token else credentials_of(self.config)
        object.__setattr__(self, "fixed_credentials", fixed)
        object.__setattr__(self, "not_final", self.config.auth_statuses.union(REDIRECTS))
        object.__setattr__(self, "plain_headers", plain_headers(self.config))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One exchange with the backend, for who watches; an attempt may have several.

    A redirect that is followed and a key that is renewed make a further one.

    :param request: what was sent
    :param number: of the attempt, counted from 1; a retry has more
    :param status: of the answer; None if there was none
    :param error: class of what came instead of an answer, or of the rest of its body
    :param elapsed: seconds from the moment of its turn to the whole answer
    :param maybe_applied: whether the request may have been applied by then, if it is a write
    :param wire: the request as it was sent, before any redirect
    """

    request: MirrorDBRequest
    number: int
    status: int | None
    error: str | None
    elapsed: float
    maybe_applied: bool
    wire: WireRequest = field(repr=False)

    @property
    def url(self) -> str:
        """The URL of its resource, without the query."""
        return str(self.wire.url.with_query(None))


Observer = Callable[[Attempt], None]
Note = Callable[[int, bool], None]
"""Is told of a request how many attempts were sent, and whether one of them may have been applied."""


class Call(InFlightRequest):
    """One request through all its attempts, and the context in which they are made.

    :param in_flight: where it is found while it is in flight
    :param request: as its author means it
    :param wire: as it is sent
    :param snapshot: the settings that hold for it
    :param route: the way to the backend
    :param authenticator: gives what proves who sends; renewed in each attempt, if it is refused
    :param reporting: names the request in logs, and hides secrets there
    :param clock: what it tells the time by
    :param progress: what came of it in an earlier run
    :param deadline: monotonic time at which it ends: the moment that ``progress.deadline`` has in unix time
    :param longest_waits: seconds until its turn has to come, and that the rate limiter may let it wait
    :param stream: takes the body of a success, in the place of the response
    :param observe: called with each :class:`Attempt`
    :param note: as in :class:`SendOptions`
    :param mark: of a write, stored before it goes out
    """

    maybe_applied = False
    """Whether the write may have been applied by now."""
    _number = 0
    _is_begun = False
    _redirected: WireRequest | None = None
    _elsewhere: WireRequest | None = None  # where a file lies

    def __init__(
        self,
        *,
        in_flight: set[InFlightRequest],
        request: MirrorDBRequest,
        wire: WireRequest,
        snapshot: Snapshot,
        route: Route,
        authenticator: Authenticator,
        reporting: Reporting,
        clock: Clock,
        progress: Progress,
        deadline: float,
        longest_waits: tuple[float, float],
        stream: Stream | None,
        observe: Observer | None,
        note: Note | None,
        mark: WriteMark | None,
    ) -> None:
        super().__init__(in_flight, request)
        self._wire, self._snapshot, self._route = wire, snapshot, route
        self._authenticator, self._renewals = authenticator, authenticator.renewals
        self._reporting = reporting
        self._clock, self._started = clock, clock.monotonic()
        self.deadline, (self._longest_wait, self._longest_pause) = deadline, longest_waits
        self._stream, self._observe, self._note, self._mark = stream, observe, note, mark
        self._progress = progress

    def __str__(self) -> str:
        """Return the name of the request in logs."""
        return self._reporting.name_of(self._request)

    async def __call__(self, progress: Progress) -> MirrorDBResponse:
        """Make one attempt. The error of one that failed says whether there may be another.

        :param progress: what came of the attempts before it
        """
        self._progress, self._number = progress, progress.attempts + 1
        self.maybe_applied = progress.maybe_applied
        self._redirected = self._elsewhere = None
        try:
            snapshot = self._snapshot
            credentials = snapshot.fixed_credentials
            if credentials is None:
                credentials = await self._authenticator.credentials(snapshot.config, self._route.transport)
            answer = await self._send(self._wire, credentials, await self._turn())
            if answer.status in snapshot.not_final:
                answer = await self._last_answer(answer, credentials)
            return self._interpret(answer)
        except TurnTooLateError as late:
            late.progress = progress
            raise
        except MirrorDBError as error:
            error.maybe_applied |= self.maybe_applied
            raise

    async def _last_answer(self, answer: Answer, used: Credentials) -> Answer:
        """Follow redirects, send the request with other credentials if there are any, and return what came.

        What was refused for its credentials was not applied, so that a write may go out again. What was found
        may be old by then: another one looked it up, or the key was changed once more. It is looked up a
        second time, then, but for tokens, which are always new.

        :param answer: a redirect, or one by which credentials are refused
        :param used: the credentials that it was sent with
        """
        config, transport = self._snapshot.config, self._route.transport
        answer = await self._followed(answer, used)
        for _ in range(1 if config.fetches_token else MOST_RENEWALS):
            if answer.status not in config.auth_statuses or self._elsewhere is not None:
                break
            fresh = await self._authenticator.renewed(used, answer.status, config, transport, self._renewals)
            if fresh is None:
                break
            used, self._renewals = fresh, self._authenticator.renewals
            answer = await self._send(self._wire, fresh, await self._turn())
            answer = await self._followed(answer, fresh)
        return answer

    async def only_attempt(self, progress: Progress) -> MirrorDBResponse:
        """Make one attempt; the caller decides whether there is another."""
        try:
            return await self(progress)
        except MirrorDBError as error:
            error.attempts = self._number
            raise

    def _interpret(self, answer: Answer) -> MirrorDBResponse:
        try:
            response = interpret(
                answer,
                self._request,
                self._snapshot.config,
                number=self._number,
                elapsed=self._clock.monotonic() - self._started,
                now=self._clock.time(),
                maybe_applied=self._progress.maybe_applied,
                hide=self._reporting.text,
            )
        except MirrorDBError as error:
            if isinstance(error, RefusedError) and error.status != HTTPStatus.MULTI_STATUS:
                self._note_fact(self._progress.maybe_applied)
            self._explain(error, answer)
            self._raise_classified(error)
        self._reporting.of_settings(self._request, response, self._snapshot.config)
        if not response.is_json and self._request.reads:
            if self._request.any_body:
                log.info("%s: the answer is not JSON; 'accept' would make its text the result", str(self))
        elif not response.is_json and not takes_text(self._request.accept):
            log.warning(
                "%s: %d, so the write was applied, but its answer of %d bytes is not JSON (content type %r):"
                " the result is %s",
                str(self),
                response.status,
                response.size,
                self._reporting.text(response.headers.get("Content-Type", "none")[:200]),
                "None, since it is no text" if response.body is None else "its text",
            )
        if self._stream is not None and self._snapshot.config.error_path is not None:
            log.info("%s: the answer went to a file, so nobody looked for an error in it", str(self))
        if response.status in GONE and not self._request.missing_ok:
            log.warning(
                "%s: %d counts as done, since an attempt before may have been applied; whether the resource"
                " was ever there is not known",
                str(self),
                response.status,
            )
        return response if self._redirected is None else replace(response, redirected=self._redirected)

    @property
    def _is_made_again(self) -> bool:
        """Whether an earlier run of the caller may have sent the write under the same key."""
        return self._mark is not None and self._mark.tries_before > 0

    def _explain(self, error: MirrorDBError, answer: Answer) -> None:
        """Write into an error who answered, and what was asked for; hide what of that may be a secret."""
        if self._elsewhere is not None:
            error.message += f"; so answers {self._elsewhere.origin}, to which the backend redirects"
            if isinstance(error, ResponseError):
                error.answered_by = str(self._elsewhere.origin)
        if isinstance(error, NotFoundError):
            sent = self._redirected or self._wire
            url = str(sent.url)
            error.url = shortened(shown(url) if sent.is_linked or sent.anonymous else url, MAX_URL)
        Redaction(self._signatures(answer)).error(error)

    def _signatures(self, answer: Answer) -> list[str]:
        """Return what must not be seen of the URL that was asked, and of one that the answer leads to."""
        sent = self._redirected or self._wire
        known = {str(value) for value in (self._request.query or {}).values()}
        found = signatures_of(sent, known)
        if answer.status in REDIRECTS and (target := joined(sent.url, answer.headers.get("Location", ""))):
            found += signatures_in(target, known)
        return found

    def _raise_classified(self, error: MirrorDBError) -> NoReturn:
        """Raise the error that the caller has to act on; of a write it may be ambiguous."""
        error.maybe_applied = self.maybe_applied
        before = self._progress.maybe_applied or self._is_made_again
        classified = classify_failure(
            attach_request(error, self._request), self._request, self._wire, maybe_applied=before
        )
        if classified is error:
            raise error
        raise classified from error

    async def _followed(self, answer: Answer, credentials: Credentials) -> Answer:
        """Return what lies where an answer leads to; the answer itself, if that may not be followed."""
        self._redirected = self._elsewhere = None
        wire, config = self._wire, self._snapshot.config
        if follow := redirected(answer, self._request, wire, config, self._snapshot.registry):
            wire = self._redirected = follow
            answer = await self._send(follow, credentials, await self._turn())
        if not config.redirect_hosts:
            return answer
        for _ in range(MAX_HOPS):
            follow = redirected_elsewhere(answer, self._request, wire, config)
            if follow is None:
                break
            log.info("%s: it lies at %s", str(self), follow.origin)
            wire = self._redirected = self._elsewhere = follow
            answer = await self._send(follow, NO_CREDENTIALS, await self._turn())
        return answer

    def _turn(self) -> Awaitable[Slot]:
        """Return the wait for a turn; apart from :meth:`_send`, so that less is held while it lasts."""
        latest = min(self.deadline, self._clock.monotonic() + self._longest_wait)
        return self._route.throttle.enter(latest, self._longest_pause)

    async def _send(self, wire: WireRequest, credentials: Credentials, slot: Slot) -> Answer:
        """Send a request, whose turn has come."""
        throttle = self._route.throttle
        try:
            if self._mark is not None:
                await self._mark.store()
            left, self._is_begun = max(self.deadline - self._clock.monotonic(), LEAST_TIMEOUT), False
            sending = self._route.transport.send(wire, credentials, left, self._stream, self._begin)
            answer = await (self._observed(sending) if self._observe else sending)
            if credentials.parameter is not None:
                answer = without_key(answer, credentials.parameter)
        except (TransportError, InputError) as error:
            self._raise_classified(error)
        finally:
            throttle.leave()
        if not wire.anonymous:  # another server's limits are not the backend's
            throttle.learn(slot, answer)
        applied = not wire.reads and may_be_applied(answer, self._snapshot.config.not_applied_statuses)
        self._note_fact(self._progress.maybe_applied or applied)
        return answer

    def _begin(self) -> None:
        """Note that the attempt goes out: a write may be applied from now on, until an answer denies it."""
        self._is_begun = True
        self._note_fact(self.maybe_applied or not self._wire.reads)

    def _note_fact(self, maybe_applied: bool) -> None:
        """Keep whether the write may have been applied by now, and tell the caller.

        Only here is that ever taken back, when an answer denies it; wherever else errors are told of it, it
        is added.
        """
        self.maybe_applied = maybe_applied
        if self._note is not None:
            self._note(self._number, maybe_applied)

    async def _observed(self, sending: Awaitable[Answer]) -> Answer:
        started = self._clock.monotonic()
        try:
            answer = await sending
        except BaseException as failure:  # a caller that gives up has sent a request, too
            if self._is_begun or not isinstance(failure, InputError):  # of a file the backend saw nothing
                self._tell_observer(started, None, type(failure).__name__)
            raise
        self._tell_observer(started, answer.status, type(answer.broken).__name__ if answer.broken else None)
        return answer

    def _tell_observer(self, started: float, status: int | None, error: str | None) -> None:
        assert self._observe is not None  # noqa: S101  # somebody observes
        self._observe(
            Attempt(
                request=self._request,
                number=self._number,
                status=status,
                error=error,
                elapsed=self._clock.monotonic() - started,
                maybe_applied=self.maybe_applied,
                wire=self._wire,
            )
        )
