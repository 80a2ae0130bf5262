"""The rate limiter of a connection, which all its requests in a process share: pauses, and how fast to go.

Nobody tells a client the limit of a backend, but refusals do. A limiter that has just refused a request
has nothing left to give, so what it admits until it refuses again is what it gives in that time: the
limit. It is the delivery rate of a saturated bottleneck, as BBR measures it (Cardwell et al., "BBR:
Congestion-Based Congestion Control", ACM Queue 14(5), 2016). The way there and back is that of TCP: a
slow start until the limit is known, later a slow search above it (RFC 5681, section 3.1), and one step
down for all the refusals that belong together (RFC 6582).

Only bookkeeping: nothing here sleeps or looks at a clock.
"""

from __future__ import annotations

import heapq
import math
import os
import threading
import weakref
from collections.abc import Hashable
from dataclasses import dataclass

#: First pause when the backend does not say how long, in seconds; refusals in a row double it. Long
#: beside a round trip, and short beside what a limiter saves up meanwhile for the time after.
SHORT_PAUSE = 0.1
#: Longest pause of our own, and longest that a Retry-After may ask of all requests, in seconds.
LONGEST_SHORT_PAUSE = 10.0
LONGEST_PAUSE = 3600.0
#: The least that a Retry-After in whole seconds can say, so also what a limiter says that has room
#: again after some milliseconds.
LEAST_RETRY_AFTER = 1.0
#: Requests/s after a pause: few enough that hardly any of them is in flight when the next refusal comes.
START_RATE = 50.0
#: What each request adds to the rate, in requests/s, below the known limit: it doubles in 0.2 s.
SLOW_START = 3.5
#: The same at the limit and above it: the rate grows by 3 % a second, so it doubles in 23 s.
SEARCH = 0.03
#: Share of the measured limit to go on with: an estimate that is too high costs a refusal.
MARGIN = 0.97
#: Requests/s that no process of ours reaches: a rate above it limits nothing.
NO_LIMIT = 10_000.0
#: How late a timer may fire, in seconds; who comes later has lost the place. The only burst there is.
LATENESS = 0.025


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place in the line.

    :param at: when the request may go, in monotonic seconds
    :param round: number of refusals that had been acted upon when it was given; a later one voids it
    """

    at: float
    round: int


class RateLimiter:
    """Says when each request of a connection may go. Safe to use from many threads.

    Before each attempt, and after it, if there was an answer::

        slot = limiter.reserve(now := time.monotonic())
        while slot.at > now:
            await asyncio.sleep(slot.at - now)  # if it is cancelled: limiter.give_back(slot)
            slot = limiter.reserve(now := time.monotonic(), slot)
        ...
        limiter.refused(time.monotonic(), slot, retry_after)  # 429 or 503
        limiter.admitted(slot)  # any other answer

    A request that waits asks again when its time has come, as a pause may have begun meanwhile. Places
    are spaced in time, one request each, so requests never resume as a herd (the virtual scheduling
    of GCRA, ITU-T I.371, annex A, without its burst).

    :param rate_limit: requests/s that are never exceeded; None if only refusals limit
    :param longest_pause: longest pause of our own, in seconds; a Retry-After may ask for more
    :raises ValueError: unless rate_limit is above 0 and finite
    """

    def __init__(
        self, rate_limit: float | None = None, *, longest_pause: float = LONGEST_SHORT_PAUSE
    ) -> None:
        if rate_limit is not None and not 0 < rate_limit < math.inf:
            raise ValueError(f"rate_limit must be above 0 and finite, not {rate_limit:g}")
        self._lock = threading.Lock()
        self._longest_pause = min(longest_pause, LONGEST_SHORT_PAUSE)
        self._top_rate = rate_limit or math.inf
        self._rate = self._top_rate
        self._limit = math.inf  # of the backend, as last measured
        self._round = 0
        self._refused_at = -math.inf
        self._resume_at = -math.inf
        self._refusals_in_a_row = 0
        self._admitted = 0  # since the measurement began
        self._measured_from: float | None = None  # moved on by the time in which nobody wanted to go
        self._next_place = -math.inf
        self._last_used_place = -math.inf
        self._given_back: list[float] = []
        self._unlimited: Slot | None = None
        self._release_if_unlimited()

    def reserve(self, now: float, slot: Slot | None = None) -> Slot:
        """Return the slot of a request, which goes if its ``at`` is not after ``now``.

        :param now: monotonic seconds
        :param slot: what the request got when it asked before
        """
        if (unlimited := self._unlimited) is not None:
            return unlimited
        with self._lock:
            if slot is None or not self._holds(slot, now):
                slot = Slot(at=self._place(now), round=self._round)
            if slot.at <= now:
                self._last_used_place = max(self._last_used_place, slot.at)
            return slot

    def give_back(self, slot: Slot) -> None:
        """Let the next one who comes have the place of a request that was cancelled while it waited."""
        with self._lock:
            if slot.round == self._round and slot.at > self._last_used_place:
                heapq.heappush(self._given_back, slot.at)

    def admitted(self, slot: Slot) -> None:
        """Note that the backend dealt with a request, whatever it answered."""
        if self._unlimited is not None:
            return
        with self._lock:
            self._admitted += 1
            if slot.round == self._round:
                self._refusals_in_a_row = 0

    def refused(self, now: float, slot: Slot, retry_after: float | None = None) -> None:
        """Note that the backend answered 429 or 503: pause all requests, and learn from it.

        The first refusal, one that asks for more than a second, and one after which the backend
        admitted nothing pause for the whole ``retry_after``. Any other one says that we are a
        little too fast: it takes a short pause and a lower rate, and only the refused request, whose
        wait is not decided here, has to heed its ``retry_after``.

        :param now: monotonic seconds
        :param slot: with which the request was sent
        :param retry_after: seconds that the backend asks to wait; None if it does not say
        """
        asked = min(retry_after or 0.0, LONGEST_PAUSE)
        with self._lock:
            if slot.round < self._round:  # sent before the pause: no news, unless it asks for more
                if asked > LEAST_RETRY_AFTER:
                    self._pause_until(self._refused_at + asked)
                return
            pause = min(SHORT_PAUSE * 2.0 ** min(self._refusals_in_a_row, 60), self._longest_pause)
            if self._measured_from is None or self._refusals_in_a_row:
                self._rate = min(self._rate, START_RATE)
                pause = max(pause, asked)
            else:
                self._step_down(now - self._measured_from)
                self._measure_from(now)
                pause = max(pause, asked if asked > LEAST_RETRY_AFTER else 0.0)
            self._refused_at = now
            self._refusals_in_a_row += 1
            self._begin_round(now + pause)
            if self._measured_from is None:  # the rate before was not ours
                self._measure_from(self._resume_at)

    def backed_off(self, now: float, slot: Slot, seconds: float) -> None:
        """Note that an answer, which was no refusal, asks all requests to stay away for a while.

        :param now: monotonic seconds
        :param slot: with which the request was sent
        :param seconds: how long; at most an hour is heeded
        """
        resume_at = now + min(seconds, LONGEST_PAUSE)
        with self._lock:
            if slot.round < self._round:
                self._pause_until(resume_at)
                return
            if self._measured_from is None:  # the rate is not known: do not come back as a herd
                self._rate = min(self._rate, START_RATE)
            self._begin_round(resume_at)
            self._measure_from(self._resume_at)

    def _holds(self, slot: Slot, now: float) -> bool:
        in_force = slot.round == self._round and slot.at >= self._resume_at
        return in_force and now - slot.at <= LATENESS

    def _place(self, now: float) -> float:
        earliest = max(now, self._resume_at)
        while self._given_back:
            if (place := heapq.heappop(self._given_back)) >= earliest:
                return place
        place = max(self._next_place, earliest)
        if self._measured_from is not None and self._next_place < now:
            self._measured_from += now - self._next_place
        self._next_place = place + 1 / self._rate
        if self._round:
            step = SLOW_START if self._rate < self._limit else SEARCH
            self._rate = min(self._rate + step, self._top_rate)
            self._release_if_unlimited()
        return place

    def _step_down(self, elapsed: float) -> None:
        """Take what was admitted in that time as the limit, but at least half the rate: a few tell little."""
        measured = self._admitted / elapsed if elapsed > 0 else math.inf
        self._rate = self._limit = max(MARGIN * min(measured, self._rate), self._rate / 2)

    def _measure_from(self, moment: float) -> None:
        self._admitted, self._measured_from = 0, moment

    def _begin_round(self, resume_at: float) -> None:
        """Void all permits, and start a new line when the pause is over."""
        self._round += 1
        self._unlimited = None
        self._given_back.clear()
        self._next_place = self._last_used_place + 1 / self._top_rate
        self._pause_until(resume_at)

    def _pause_until(self, moment: float) -> None:
        self._resume_at = max(self._resume_at, moment)
        self._next_place = max(self._next_place, self._resume_at)

    def _release_if_unlimited(self) -> None:
        if self._rate > NO_LIMIT and self._top_rate == math.inf:
            self._rate = self._limit = math.inf
            self._measured_from = None
            self._unlimited = Slot(at=-math.inf, round=self._round)


_limiters: weakref.WeakValueDictionary[Hashable, RateLimiter] = weakref.WeakValueDictionary()
_limiters_lock = threading.Lock()


def rate_limiter_for(
    connection: Hashable, rate_limit: float | None = None, *, longest_pause: float = LONGEST_SHORT_PAUSE
) -> RateLimiter:
    """Return the rate limiter of a connection: the same one as long as anybody in this process holds it.

    :param connection: what the backend tells its clients apart by, as the base URL with the user
    :param rate_limit: see :class:`RateLimiter`; another value makes another limiter
    :param longest_pause: see :class:`RateLimiter`; another value makes another limiter
    :raises ValueError: unless rate_limit is above 0 and finite
    """
    key = (connection, rate_limit, longest_pause)
    with _limiters_lock:
        limiter = _limiters.get(key)
        if limiter is None:
            limiter = _limiters[key] = RateLimiter(rate_limit, longest_pause=longest_pause)
        return limiter


def _begin_anew() -> None:
    """Forget all limiters: another thread may have been in the middle of one when this process was forked."""
    global _limiters, _limiters_lock  # it may have held this one, too
    _limiters, _limiters_lock = weakref.WeakValueDictionary(), threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)
