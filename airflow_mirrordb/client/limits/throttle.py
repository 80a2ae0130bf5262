"""Where each request of a connection waits for its turn: ``max_concurrency`` first, then the rate limiter."""

from __future__ import annotations

import math
from collections.abc import Hashable
from http import HTTPStatus
from weakref import WeakValueDictionary

from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.event_loops import PerLoop
from airflow_mirrordb.client.limits.concurrency import ConcurrencyLimit
from airflow_mirrordb.client.limits.rate_limiter import Slot, rate_limiter_for
from airflow_mirrordb.client.messages.response import Answer
from airflow_mirrordb.client.retries.retry import Progress
from airflow_mirrordb.client.retries.wait_headers import back_off, wait_asked

_REFUSALS_BY_THEMSELVES = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_REFUSALS = (*_REFUSALS_BY_THEMSELVES, HTTPStatus.FORBIDDEN)  # the last one if it names a time

_limits: PerLoop[WeakValueDictionary[Hashable, ConcurrencyLimit]] = PerLoop(WeakValueDictionary)


class TurnTooLateError(Exception):
    """The turn of a request would come after the time that its caller has; nothing was sent.

    :param wait: seconds until the turn; 0 if it is not known, as of one that waits for ``max_concurrency``
    :param refusal: status of the answer that paused the connection; None if none did of late
    """

    def __init__(self, wait: float, refusal: int | None = None) -> None:
        super().__init__(wait, refusal)
        self.wait, self.refusal = wait, refusal
        self.progress = Progress()
        """What came of the attempts before; whoever makes them sets it."""


class Throttle:
    """Lets requests go when their turn has come.

    To be made inside an event loop. All throttles of a connection share a limit (``max_concurrency``) within
    the loop, and a rate limiter (``rate_limit``, and what the backend's refusals teach) within the
    process.

    :param config: which says what the connection is, and its limits
    :param clock: what it tells the time by and waits with
    """

    def __init__(self, config: MirrorDBConfig, clock: Clock) -> None:
        connection = (config.base_url, config.login, config.api_key)
        self._rate_limiter = rate_limiter_for(
            connection,
            config.rate_limit,
            adaptive=config.adaptive_rate,
            # With its place in the line, a request waits no longer for what others met than one backoff.
            longest_pause=config.initial_delay / 2,
            name=config.base_url,
        )
        of_loop, most = _limits.here(), config.max_concurrency
        limit = of_loop.get((connection, most))
        if limit is None:
            limit = of_loop[connection, most] = ConcurrencyLimit(most)
        self._limit, self._adaptive = limit, config.adaptive_rate
        self._clock = clock

    async def enter(self, latest: float, longest_pause: float = math.inf) -> Slot:
        """Wait for the turn of a request, which has to :meth:`leave` later.

        :param latest: monotonic time after which it makes no sense to go
        :param longest_pause: seconds that the rate limiter may let it wait
        :raises TurnTooLateError: if its turn comes later
        """
        if not self._limit.enter_at_once():
            if not await self._limit.enter(latest - self._clock.monotonic()):
                raise TurnTooLateError(0.0)
            if self._clock.monotonic() > latest:  # its turn came before the timer, on a loop that is late
                self._limit.leave()
                raise TurnTooLateError(0.0)
        try:
            slot = self._rate_limiter.reserve(now := self._clock.monotonic())
            if slot.at <= now:
                return slot
            return await self._wait_for(slot, now, min(latest, now + longest_pause))
        except BaseException:
            self._limit.leave()
            raise

    def leave(self) -> None:
        """Let the next one go."""
        self._limit.leave()

    def learn(self, slot: Slot, answer: Answer) -> None:
        """Let the rate limiter know what became of a request.

        A 403 that names a time to come back is a refusal of the sender, whatever it asks for (GitHub, "Best
        practices for using the REST API"). Any other status that does so holds for its request alone.
        """
        status = answer.status
        wait = wait_asked(answer.headers, status, self._clock.time()) if status in _REFUSALS else None
        if wait is not None or status in _REFUSALS_BY_THEMSELVES:
            asked, header = (wait.seconds, f" with {wait.header}") if wait else (None, "")
            self._rate_limiter.refused(self._clock.monotonic(), slot, asked, f"{status}{header}")
            self._rate_limiter.last_refusal = status if self._adaptive else None
        else:
            self._rate_limiter.admitted(slot)
        if (seconds := back_off(answer.headers)) is not None:
            self._rate_limiter.backed_off(self._clock.monotonic(), slot, seconds)

    async def _wait_for(self, slot: Slot, now: float, latest: float) -> Slot:
        while slot.at > now:
            if slot.at > latest:
                self._rate_limiter.give_back(slot)
                raise TurnTooLateError(slot.at - now, self._rate_limiter.last_refusal)
            try:
                await self._clock.sleep(slot.at - now)
            except BaseException:
                self._rate_limiter.give_back(slot)
                raise
            slot = self._rate_limiter.reserve(now := self._clock.monotonic(), slot)
        return slot
