"""One request of a client from its first attempt to its result: turns, credentials, retries, redirects."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import uuid4

from airflow_mirrordb.client.answers import Answer, MirrorDBResponse, interpret, redirected, weigh
from airflow_mirrordb.client.auth import sent_secrets
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.credentials import Credentials
from airflow_mirrordb.client.endpoints import EndpointRegistry
from airflow_mirrordb.client.errors import DisconnectedError, MirrorDBError, RateLimitError
from airflow_mirrordb.client.gate import Gate, TurnTooLateError
from airflow_mirrordb.client.protocol import MirrorDBRequest, WireRequest, named, prepare, settled
from airflow_mirrordb.client.retry import Progress, Retrying, WaitNeeded
from airflow_mirrordb.client.streams import Stream
from airflow_mirrordb.client.transport import DISCONNECTED, Transport

T = TypeVar("T")

#: Seconds that any attempt gets, however near the deadline: who asks wants an answer.
LEAST_TIMEOUT = 1.0
#: Seconds that a request waits for its turn where its caller wants to do longer waits itself.
SHORT_WAIT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a request works with from its start to its end, whatever is changed meanwhile."""

    config: MirrorDBConfig
    registry: EndpointRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The way to the backend."""

    transport: Transport
    gate: Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request as it went over the wire, for who watches: a redirect and a renewed key make further ones.

    :param request: what it is an attempt at
    :param number: how often that was tried by now; a retry has more than 1
    :param status: of the answer; None if there was none
    :param error: class of what came instead of an answer
    :param elapsed: seconds from the moment of its turn to the whole answer
    """

    request: MirrorDBRequest
    number: int
    status: int | None
    error: str | None
    elapsed: float


Observer = Callable[[Attempt], None]


class Exchanges:
    """Makes the requests of one client, each again where that is safe, and can end all that are in flight.

    :param credentials: what proves who sends
    :param clock: unix time in seconds
    :param monotonic: monotonic time in seconds
    :param sleep: waits the given seconds
    :param rng: source of the jitter in waits
    :param observe: called with each attempt, after its answer; must not raise
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
        observe: Observer | None = None,
    ) -> None:
        self._credentials, self._observe = credentials, observe
        self._clock, self._monotonic, self._sleep, self._rng = clock, monotonic, sleep, rng
        self._in_flight: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """How many are in flight."""
        return len(self._in_flight)

    async def make(
        self,
        request: MirrorDBRequest,
        state: State,
        link: Link,
        progress: Progress | None,
        *,
        wait: bool,
        once: bool,
        stream: Stream | None = None,
    ) -> MirrorDBResponse:
        """Make a request; ``progress``, ``wait``, ``once`` and errors are those of the client's own method.

        :param stream: takes the body of a success, in the place of the response
        """
        request = _with_key(settled(request, state.config), state.config)
        wire = prepare(request, state.config, state.registry)
        started, renewals = self._monotonic(), self._credentials.renewals
        progress = progress or Progress()
        if progress.deadline is None:
            progress = replace(progress, deadline=self._clock() + state.config.max_elapsed)
        deadline = started + (progress.deadline or 0.0) - self._clock()
        patient = wait and not once

        async def exchange(headers: Mapping[str, str], number: int) -> Answer:
            try:
                with _weighed(request, wire, number):
                    send = partial(self._send, link, deadline, request, number, stream, wait=patient)
                    answer = await send(wire.carrying(headers))
                    if follow := redirected(answer, request, wire, state.config, state.registry):
                        answer = await send(follow.carrying(headers))
                    return answer
            except TurnTooLateError as late:
                late.attempts = number - 1
                raise

        async def attempt(number: int) -> MirrorDBResponse:
            headers = await self._credentials.headers(state.config, link.transport)
            answer = await exchange(headers, number)
            if answer.status == HTTPStatus.UNAUTHORIZED and (
                fresh := await self._credentials.renewed(headers, state.config, link.transport, renewals)
            ):
                headers = fresh
                answer = await exchange(headers, number)  # a 401 was not applied: a write may go out again
            with _weighed(request, wire, number):
                return interpret(
                    answer,
                    request,
                    state.config,
                    number=number,
                    elapsed=self._monotonic() - started,
                    now=self._clock(),
                    hidden=sent_secrets(headers),
                )

        retrying = Retrying(
            policy=state.config.retry_policy, clock=self._clock, sleep=self._sleep, rng=self._rng
        )
        label = f" [{request.method_name}]" if request.method_name else ""
        name = f"{request.method} {request.endpoint}{label}"
        try:
            retried = partial(retrying.run, attempt, name=name, progress=progress, wait=wait)
            return await self.tracked(_only(attempt) if once else retried(), request, link.transport)
        except TurnTooLateError as late:
            error = named(_too_late(late), request)
            if not wait and self._monotonic() + late.wait <= deadline:
                resume_at = self._clock() + late.wait
                raise WaitNeeded(replace(progress, resume_at=resume_at), error) from None
            raise error from None
        except MirrorDBError as error:
            named(error, request)
            raise

    async def tracked(
        self, work: Coroutine[Any, Any, T], request: MirrorDBRequest, transport: Transport
    ) -> T:
        """Run work as a task of its own, which :meth:`end` can end without ending the caller's.

        :raises DisconnectedError: if it did
        """
        task = asyncio.get_running_loop().create_task(work)
        self._in_flight.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if not transport.closing or not task.cancelled():
                raise
            error = named(DisconnectedError(message=DISCONNECTED, retryable=False), request)
            raise error from None
        finally:
            self._in_flight.discard(task)

    async def end(self) -> None:
        """End what is in flight; whose transports are to be marked as closing before."""
        tasks = list(self._in_flight)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(
        self,
        link: Link,
        deadline: float,
        request: MirrorDBRequest,
        number: int,
        stream: Stream | None,
        wire: WireRequest,
        *,
        wait: bool,
    ) -> Answer:
        """Send a request when its turn has come.

        :param deadline: monotonic time by which the answer must be there
        """
        latest = deadline if wait else min(deadline, self._monotonic() + SHORT_WAIT)
        async with link.gate.turn(latest) as permit:
            left = max(deadline - self._monotonic(), LEAST_TIMEOUT)
            sending = link.transport.send(wire.within(left), stream)
            answer = await (self._watched(sending, request, number) if self._observe else sending)
        link.gate.learn(permit, answer)
        return answer

    async def _watched(self, sending: Awaitable[Answer], request: MirrorDBRequest, number: int) -> Answer:
        started = self._monotonic()
        status, error = None, None
        try:
            answer = await sending
            status = answer.status
        except BaseException as failure:  # a caller that gives up has sent a request, too
            error = type(failure).__name__
            raise
        else:
            return answer
        finally:
            assert self._observe is not None  # noqa: S101  # somebody watches
            elapsed = self._monotonic() - started
            self._observe(
                Attempt(request=request, number=number, status=status, error=error, elapsed=elapsed)
            )


async def _only(attempt: Callable[[int], Awaitable[T]]) -> T:
    """Make one attempt; what follows a failure is for the caller to say."""
    try:
        return await attempt(1)
    except MirrorDBError as error:
        error.attempts = 1
        raise


@contextmanager
def _weighed(request: MirrorDBRequest, wire: WireRequest, number: int) -> Iterator[None]:
    """Decide of each failure inside whether the request may be sent again."""
    try:
        yield
    except MirrorDBError as error:
        weighed = weigh(named(error, request), request, wire, number=number)
        if weighed is error:
            raise
        raise weighed from error


def _too_late(late: TurnTooLateError) -> RateLimitError:
    reason = f"the connection is paused, or limited, for another {late.wait:.1f} s"
    if not late.wait:
        reason = "until its deadline max_concurrency other requests were in flight"
    return RateLimitError(
        message=f"it was not sent: {reason}",
        attempts=late.attempts,
        status=HTTPStatus.TOO_MANY_REQUESTS.value,
        retry_after=late.wait,
        retryable=True,
    )


def _with_key(request: MirrorDBRequest, config: MirrorDBConfig) -> MirrorDBRequest:
    """Give a create or partial update its idempotency key, if the backend promises to heed one."""
    if config.idempotency_header is None or request.method not in ("POST", "PATCH"):
        return request if request.idempotency_key is None else replace(request, idempotency_key=None)
    return request if request.idempotency_key else replace(request, idempotency_key=str(uuid4()))
