"""The requests of a client: each is checked, sent, again where that is safe, and can be ended."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypedDict, TypeVar

from airflow_mirrordb.client.auth.authenticator import Authenticator
from airflow_mirrordb.client.calls.call import SHORT_WAIT, Call, Note, Observer, Snapshot
from airflow_mirrordb.client.calls.in_flight import InFlightRequest
from airflow_mirrordb.client.calls.reporting import Reporting
from airflow_mirrordb.client.calls.route import Route
from airflow_mirrordb.client.calls.write_guard import WriteGuard
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.collections.streams import Sink, Stream
from airflow_mirrordb.client.errors import MirrorDBError, ResponseError
from airflow_mirrordb.client.limits.throttle import TurnTooLateError
from airflow_mirrordb.client.messages.answer_errors import response_error, response_error_class
from airflow_mirrordb.client.messages.request import (
    KEYED,
    MirrorDBRequest,
    PreparedRequest,
    attach_request,
    prepare,
    request_of_base_url,
    request_of_token,
)
from airflow_mirrordb.client.messages.response import SUCCESS, MirrorDBResponse, interpret
from airflow_mirrordb.client.messages.write_mark import WriteMark
from airflow_mirrordb.client.retries.retry import Progress, Retrying, RetryPolicy, WaitNeeded
from airflow_mirrordb.client.retries.write_safety import not_repeated
from airflow_mirrordb.client.uploads.sources import LocalFile, OpenSource

T = TypeVar("T")

log = logging.getLogger(__name__)

NOT_SENT = (
    "The idempotency_key is not sent: the connection has no idempotency_header, which says that its backend"
    " knows a repeated write by its key"
)


class SendOptions(TypedDict, total=False):
    """How a request is sent.

    :param progress: where an earlier run, maybe in another process, left off
    :param wait: False to raise :class:`WaitNeeded` instead of waiting before a further attempt, or for more
        than a second for its turn (the wait that ``progress`` brings is always done)
    :param single_attempt: True to leave all further attempts to the caller: sends one, and logs no failure.
        It waits for a turn among ``max_concurrency`` others as any request does, until ``max_elapsed`` is
        over. For a pause or rate of the connection it waits no more than a second: its error says when to
        come back.
    :param sink: takes the answer to a GET: the body as it is after decompression, of any length and kind, or
        with ``paginate`` the records of one page after the other, as JSON Lines. The response's ``data`` is
        a :class:`Manifest` then. Nothing but a whole answer is kept; a 304 changes nothing, and has no
        manifest.
    :param note: called with the number of attempts, and whether one of them may have been applied, right
        before each goes over the wire, and when its answer has come; must not raise
    :param most_bytes: size that pages may have together, without a sink; of more the rest is not read, and
        the response has the size but no records
    """

    progress: Progress | None
    wait: bool
    single_attempt: bool
    sink: Sink | None
    note: Note | None
    most_bytes: float


class Sender:
    """Sends the requests of one client, again where that is safe, and can end those in flight.

    :param credentials: what proves who sends
    :param reporting: names requests in logs, and hides secrets there
    :param clock: what it tells the time by, waits with, and draws the jitter from
    :param observe: called with each attempt, after its answer; must not raise
    :param open_source: returns the file of a path
    :param guard: knows the writes of a caller that may be run again
    """

    def __init__(
        self,
        authenticator: Authenticator,
        reporting: Reporting,
        clock: Clock,
        observe: Observer | None = None,
        open_source: OpenSource = LocalFile,
        guard: WriteGuard | None = None,
    ) -> None:
        self._open_source, self._guard = open_source, guard or WriteGuard()
        self._authenticator, self._reporting = authenticator, reporting
        self._clock, self._observe = clock, observe
        self._in_flight: set[InFlightRequest] = set()
        self._told_of_key = False
        self._retrying: Retrying | None = None

    def __len__(self) -> int:
        """How many are in flight."""
        return len(self._in_flight)

    def prepare(self, request: MirrorDBRequest, snapshot: Snapshot) -> PreparedRequest:
        """Check and encode a request; the errors are those of the client's own method."""
        request, mark = self._with_key(request, snapshot)
        wire = prepare(request, snapshot.config, snapshot.registry, self._open_source, snapshot.plain_headers)
        if not wire.reads and request.idempotency_key is None:
            mark = self._guard.mark_of(request, snapshot.changes, repeatable=wire.repeatable)
        return PreparedRequest(request=request, wire=wire, base_url=snapshot.config.base_url, mark=mark)

    def send(
        self,
        prepared: PreparedRequest,
        snapshot: Snapshot,
        route: Route,
        progress: Progress | None,
        **how: Any,
    ) -> Awaitable[MirrorDBResponse]:
        """Send a request; the arguments and errors are those of the client's own method.

        No coroutine function: each level is an object more of a request that waits for its turn.

        :param how: as :meth:`_send` takes it
        """
        send = self._send if prepared.mark is None else self._send_marked
        return send(prepared, snapshot, route, progress, **how)

    async def _send(
        self,
        prepared: PreparedRequest,
        snapshot: Snapshot,
        route: Route,
        progress: Progress | None,
        *,
        wait: bool,
        single_attempt: bool,
        stream: Stream | None = None,
        note: Note | None = None,
        ahead: int = 0,
    ) -> MirrorDBResponse:
        """Send a request, with all its attempts.

        :param stream: takes the body of a success, in the place of the response
        :param ahead: how many requests it waits in the line behind; it has the time of all of them
        """
        request = prepared.request
        progress, deadline = self._begin(prepared, progress, snapshot.config.max_elapsed * (1 + ahead))
        call = Call(
            in_flight=self._in_flight,
            request=request,
            wire=prepared.wire,
            snapshot=snapshot,
            route=route,
            authenticator=self._authenticator,
            reporting=self._reporting,
            clock=self._clock,
            progress=progress,
            deadline=deadline,
            longest_waits=_longest_waits(1 + ahead, wait=wait, single_attempt=single_attempt),
            stream=stream,
            observe=self._observe,
            note=note,
            mark=prepared.mark,
        )
        try:
            with call:
                if single_attempt:
                    return await call.only_attempt(progress)
                retrying = self._retrying_by(snapshot.policy)
                return await retrying.run(call, name=call, progress=progress, wait=wait)
        except TurnTooLateError as late:
            raise self._not_sent(late, request, deadline, wait=wait) from None
        except MirrorDBError as error:
            attach_request(error, request)
            error.maybe_applied |= call.maybe_applied  # it may have been ended while it waited
            raise

    async def _send_marked(
        self,
        prepared: PreparedRequest,
        snapshot: Snapshot,
        route: Route,
        progress: Progress | None,
        *,
        note: Note | None = None,
        **how: Any,
    ) -> MirrorDBResponse:
        """Send a write that has a mark, and let the next run of its caller know what became of it.

        The rest is as for :meth:`_send`.

        :raises AmbiguousWriteError: if an earlier run may have applied it, and it may not be repeated
        """
        mark, maybe_applied = prepared.mark, False
        assert mark is not None  # noqa: S101  # the caller asked

        def learn(attempts: int, may_be: bool) -> None:
            nonlocal maybe_applied
            maybe_applied = may_be
            if note is not None:
                note(attempts, may_be)

        try:
            with self.in_flight(prepared.request):
                is_known = await mark.recall()
            if is_known:
                begun = progress or Progress(deadline=self._clock.time() + snapshot.config.max_elapsed)
                progress = replace(begun, maybe_applied=True)
            response = await self._send(prepared, snapshot, route, progress, note=learn, **how)
        except BaseException as error:
            if not maybe_applied:
                taken_back = mark.take_back()
                if isinstance(error, MirrorDBError):  # who is cancelled does not wait
                    await taken_back
            raise
        mark.settle()
        return response

    def _retrying_by(self, policy: RetryPolicy) -> Retrying:
        """Return what repeats requests by a policy; made anew only where the settings were changed."""
        if self._retrying is None or self._retrying.policy is not policy:
            self._retrying = Retrying(
                policy=policy, clock=self._clock, repeats=policy.repeats, hide=self._reporting.text
            )
        return self._retrying

    def _begin(
        self, prepared: PreparedRequest, progress: Progress | None, max_elapsed: float
    ) -> tuple[Progress, float]:
        """Return the progress of a request that begins, or goes on, and its deadline as a monotonic time.

        :raises AmbiguousWriteError: if it may have been applied, and must not be sent again
        """
        now = self._clock.time()
        end = now + max_elapsed if progress is None or progress.deadline is None else progress.deadline
        if progress is None:
            progress = Progress(deadline=end)
        elif progress.deadline is None:
            progress = replace(progress, deadline=end)
        if progress.maybe_applied and not prepared.repeatable:
            raise not_repeated(prepared.request, progress)
        return progress, self._clock.monotonic() + end - now

    def _not_sent(
        self, late: TurnTooLateError, request: MirrorDBRequest, deadline: float, *, wait: bool
    ) -> WaitNeeded | MirrorDBError:
        """Return what ends a request whose turn comes too late: a wait, if the caller can do that itself."""
        error = attach_request(_too_late(late), request)
        if wait or self._clock.monotonic() + late.wait > deadline:
            return error
        return WaitNeeded(replace(late.progress, resume_at=self._clock.time() + late.wait), error)

    async def probe(self, snapshot: Snapshot, route: Route) -> int:
        """Send one GET to ``test_endpoint``, or to the base URL; see the client's own method."""
        config, registry, transport = snapshot.config, snapshot.registry, route.transport
        request = MirrorDBRequest(method="GET", endpoint=config.test_endpoint or "", method_name="test")
        wire = prepare(request, config, registry) if config.test_endpoint else request_of_base_url(config)
        asked = request_of_token(config) if config.fetches_token else request
        begin = self._clock.monotonic()
        try:
            credentials = await self._authenticator.credentials(config, transport)
            asked, left = request, config.timeout - round(self._clock.monotonic() - begin, 1)
            with self.in_flight(request):
                answer = await transport.send(wire, credentials, left)
            if config.test_endpoint:
                interpret(answer, request, config, number=1, elapsed=0, now=self._clock.time())
            elif answer.status not in SUCCESS:
                raise response_error(answer, config, now=self._clock.time())
            elif answer.broken is not None:
                raise answer.broken
        except MirrorDBError as error:
            error.attempts = 1
            raise attach_request(error, asked) from error.__cause__
        return answer.status

    def _with_key(
        self, request: MirrorDBRequest, snapshot: Snapshot
    ) -> tuple[MirrorDBRequest, WriteMark | None]:
        """Give a create or partial update its idempotency key, if the backend promises to heed one."""
        key = request.idempotency_key
        if snapshot.config.idempotency_header is not None and request.method in KEYED:
            if key is not None:
                return request, None
            key, mark = self._guard.keyed(request, snapshot.changes)
            return replace(request, idempotency_key=key), mark
        if key is None:
            return request, None
        if request.method in KEYED and not self._told_of_key:
            self._told_of_key = True  # a bulk has many
            log.warning(NOT_SENT)
        return replace(request, idempotency_key=None), None

    def in_flight(self, request: MirrorDBRequest) -> InFlightRequest:
        """Return the context in which a request is made, so that :meth:`end` can end it."""
        return InFlightRequest(self._in_flight, request)

    def forget(self) -> None:
        """Forget what is in flight, since its event loop will not run again."""
        self._in_flight = set()

    async def end(self) -> None:
        """End what is in flight; the transports must be marked as closing before."""
        requests, self._in_flight = self._in_flight, set()
        await asyncio.gather(*(request.end() for request in requests if request.is_running))


def _longest_waits(turns: int, *, wait: bool, single_attempt: bool) -> tuple[float, float]:
    """Return how long a request waits for its turn, and for the rate limiter, in seconds.

    A poll keeps its place behind the requests in flight: it would starve on a busy connection if it gave that
    up. Of a pause it is told at once, so that it can come back then.
    """
    short = SHORT_WAIT * turns
    return math.inf if wait or single_attempt else short, short if single_attempt else math.inf


def _too_late(late: TurnTooLateError) -> ResponseError:
    """Return the error of a request that was not sent: of the class of what makes it wait."""
    if not late.wait:
        reason = "no turn came in time: max_concurrency other requests were in flight"
    elif late.refusal:
        reason = f"the connection is paused for another {late.wait:.1f} s, after an answer of {late.refusal}"
    else:
        reason = f"the connection is paused, or limited, for another {late.wait:.1f} s"
    status = late.refusal or HTTPStatus.TOO_MANY_REQUESTS.value
    return response_error_class(status)(
        message=f"it was not sent: {reason}",
        attempts=late.progress.attempts,
        maybe_applied=late.progress.maybe_applied,
        status=status,
        retry_after=late.wait,
        retryable=True,
    )
