"""The rate limiter of a connection, which all its requests in a process share: pauses, and how fast to go.

Nobody tells a client the limit of a backend, but refusals do. These are its states::

                 429, 503, Backoff
    NO LIMIT ----------------------> PAUSED <-------------+
       ^                                | the pause       |
       |                                v is over         |
       | the rate is above  +------ SLOW START -----------+ 429, 503, Backoff
       | NO_LIMIT           |           | the rate is at  |
       |                    |           v a known limit   |
       +--------------------+------- SEARCH --------------+

- NO LIMIT: requests go at once. Only what was admitted of late is counted.
- PAUSED: nothing goes. The pause is as long as the backend asks. If it does not say, the pause is short,
  and twice as long after each refusal in a row.
- SLOW START: the rate grows fast. After the first refusal it starts from a guess. A guess below
  ``START_RATE`` is first held for ``TRIAL`` requests.
- SEARCH: the rate grows slowly, as the limit may be higher than it was measured, or become so.

How the limit is measured: a limiter that has just refused a request has nothing left to give, so what it
admits until it refuses again is what it gives in that time. It is the delivery rate of a saturated
bottleneck, as BBR measures it (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue
14(5), 2016). If it admitted only a few, nobody knows how many of them it had saved up during the pause.
The limit lies between the rate with the pause and the rate without it, and is searched from the middle
of these two, as BIC does it (Xu, Harfoush, Rhee, "Binary Increase Congestion Control for Fast
Long-Distance Networks", INFOCOM 2004).

The way there and back is that of TCP: a slow start until the limit is known (RFC 5681, section 3.1),
in limited steps (RFC 3742), later a slow search above it, and one step down for all the refusals that
belong together (RFC 6582).

Only bookkeeping: nothing here sleeps or looks at a clock.
"""

from __future__ import annotations

import heapq
import logging
import math
import os
import threading
import weakref
from collections.abc import Hashable
from dataclasses import dataclass

log = logging.getLogger(__name__)

#: First pause when the backend does not say how long, in seconds; refusals in a row double it. Long
#: beside a round trip, and short beside what a limiter saves up meanwhile for the time after.
SHORT_PAUSE = 0.1
#: Longest pause of our own, and longest that a Retry-After may ask of all requests, in seconds.
LONGEST_SHORT_PAUSE = 10.0
LONGEST_PAUSE = 3600.0
#: The least that a Retry-After in whole seconds can say, so also what a limiter says that has room
#: again after some milliseconds.
LEAST_RETRY_AFTER = 1.0
#: Most requests/s after the first refusal: hardly any of them is in flight when the next one comes.
START_RATE = 50.0
#: Requests/s after the first refusal, for each request that was admitted in the last second before it. A
#: limiter that admits so many at once may have as many again at once, or after a second: this is between.
FIRST_GUESS = 4.0
#: Number of requests that go at a guessed rate before it grows fast.
TRIAL = 20
#: What each request adds to the rate below the known limit, in requests/s: it doubles in 0.2 s.
SLOW_START = 3.5
#: The same as a share of the rate, where that is less.
LARGEST_STEP = 0.25
#: The same at the limit and above it: the rate grows by 3 % a second, so it doubles in 23 s.
SEARCH = 0.03
#: Share of the measured limit to go on with: an estimate that is too high costs a refusal.
MARGIN = 0.97
#: Admitted requests from which on a measurement is taken as the limit, whatever was saved up before.
MANY = 40
#: Refusals in a row, of more than a second in all, that tell of an outage and not of a rate.
OUTAGE = 4
#: Share by which a limit has changed when it is worth another line in the log.
WORTH_TELLING = 0.1
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
    :param adaptive: False to learn nothing from refusals, and to pause for none
    :param longest_pause: longest pause of our own, in seconds; a Retry-After may ask for more
    :param name: what the connection is called in logs
    :raises ValueError: unless rate_limit is above 0 and finite
    """

    def __init__(
        self,
        rate_limit: float | None = None,
        *,
        adaptive: bool = True,
        longest_pause: float = LONGEST_SHORT_PAUSE,
        name: str = "",
    ) -> None:
        if rate_limit is not None and not 0 < rate_limit < math.inf:
            raise ValueError(f"rate_limit must be above 0 and finite, not {rate_limit:g}")
        self._lock = threading.Lock()
        self._adaptive, self._name = adaptive, name
        self._longest_pause = min(longest_pause, LONGEST_SHORT_PAUSE)
        self._top_rate = rate_limit or math.inf
        self._rate = self._top_rate
        self._limit = math.inf  # of the backend, as last measured
        self._round = 0
        self._refused_at = -math.inf
        self._resume_at = -math.inf
        self._refusals_in_a_row = 0
        self.last_refusal: int | None = None  # its status, as told, until a request is admitted again
        self._admitted = 0  # since the measurement began, or without a limit, in this second
        self._admitted_before = 0  # in the second before
        self._second_ends = -math.inf
        self._burst = 0  # most that the backend is known to have admitted at once
        self._is_guess_due = False
        self._on_trial = 0  # requests that are still to go at a guessed rate
        self._measured_from: float | None = None  # moved on by the time in which nobody wanted to go
        self._pause = 0.0  # before the measurement began
        self._has_saved_up = True  # whether the limiter may have had more to give than came in that pause
        self._told_limit = math.inf
        self._news: list[str] = []
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
            if now >= self._second_ends:
                self._admitted_before = self._admitted if now < self._second_ends + 1 else 0
                self._admitted, self._second_ends = 0, now + 1
            return unlimited
        with self._lock:
            if self._is_guess_due and now >= self._resume_at:
                self._guess()
            if slot is None or not self._holds(slot, now):
                slot = Slot(at=self._place(now), round=self._round)
            if slot.at <= now:
                self._last_used_place = max(self._last_used_place, slot.at)
        if self._news:
            self._log_news()
        return slot

    def give_back(self, slot: Slot) -> None:
        """Let the next one who comes have the place of a request that was cancelled while it waited."""
        with self._lock:
            if slot.round == self._round and slot.at > self._last_used_place:
                heapq.heappush(self._given_back, slot.at)

    def admitted(self, slot: Slot) -> None:
        """Note that the backend dealt with a request, whatever it answered."""
        if self._unlimited is not None:
            self._admitted += 1  # without the lock: one that gets lost does no harm
            return
        with self._lock:
            if self._is_guess_due:  # it was sent before the first refusal
                self._burst += 1
                return
            self._admitted += 1
            if slot.round == self._round:
                self._refusals_in_a_row, self.last_refusal = 0, None

    def refused(
        self, now: float, slot: Slot, retry_after: float | None = None, reason: str = "a refusal"
    ) -> None:
        """Note that the backend answered 429 or 503: pause all requests, and learn from it.

        The first refusal, one that asks for more than a second, and one after which the backend
        admitted nothing pause for the whole ``retry_after``. Any other one says that we are a
        little too fast: it takes a short pause and a lower rate, and only the refused request, whose
        wait is not decided here, has to heed its ``retry_after``.

        :param now: monotonic seconds
        :param slot: with which the request was sent
        :param retry_after: seconds that the backend asks to wait; None if it does not say
        :param reason: what the refusal is called in logs
        """
        if not self._adaptive:
            return
        asked = min(retry_after or 0.0, LONGEST_PAUSE)
        with self._lock:
            if slot.round < self._round:  # sent before the pause: no news, unless it asks for more
                if asked > LEAST_RETRY_AFTER and self._refused_at + asked > self._resume_at:
                    self._pause_until(self._refused_at + asked)
                    self._tell_pause(asked, reason)
            else:
                self._act_upon(now, asked, reason)
        self._log_news()

    def backed_off(self, now: float, slot: Slot, seconds: float) -> None:
        """Note that an answer, which was no refusal, asks all requests to stay away for a while.

        :param now: monotonic seconds
        :param slot: with which the request was sent
        :param seconds: how long; at most an hour is heeded
        """
        if not self._adaptive:
            return
        resume_at, self.last_refusal = now + min(seconds, LONGEST_PAUSE), None
        with self._lock:
            if slot.round < self._round:
                self._pause_until(resume_at)
                return
            if self._measured_from is None:  # the rate is not known: do not come back as a herd
                self._rate = min(self._rate, START_RATE)
            self._begin_round(resume_at)
            self._measure(now, has_saved_up=True)
            self._tell_pause(resume_at - now, "a Backoff header")
        self._log_news()

    def _act_upon(self, now: float, asked: float, reason: str) -> None:
        """Pause, and go on more slowly: nobody knew of this refusal."""
        first, row = self._measured_from is None, self._refusals_in_a_row
        pause = SHORT_PAUSE * 2.0 ** min(row, 60)
        if first:
            self._burst = max(self._admitted, self._admitted_before)
            self._is_guess_due = True
        if first or row:
            self._rate = min(self._rate, START_RATE)
        else:
            self._step_down(now)
            pause = max(pause, 1 / self._rate)
        pause = min(pause, self._longest_pause)
        if first or row or asked > LEAST_RETRY_AFTER:
            pause = max(pause, asked)
        if (first and not row) or asked > LEAST_RETRY_AFTER:
            self._tell_pause(pause, reason)
        self._refused_at = now
        self._refusals_in_a_row += 1
        self._begin_round(now + pause)
        if first or not row or row >= OUTAGE:
            self._measure(now, has_saved_up=first)  # the rate before the first refusal was not ours

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
            self._speed_up()
        return place

    def _speed_up(self) -> None:
        if self._on_trial:
            self._on_trial -= 1
        elif self._rate >= self._limit:
            self._rate += SEARCH
        else:
            self._rate = min(self._rate + min(SLOW_START, LARGEST_STEP * self._rate), self._limit)
        self._rate = min(self._rate, self._top_rate)
        self._release_if_unlimited()

    def _guess(self) -> None:
        """Choose the first rate, as all that was sent before the first refusal has been answered by now."""
        self._is_guess_due = False
        guess = FIRST_GUESS * self._burst
        if 0 < guess < self._rate:
            self._rate, self._on_trial = guess, TRIAL
            self._begin_round(self._resume_at)  # those who wait have places at another rate

    def _step_down(self, now: float) -> None:
        """Take what was admitted since the last refusal as the limit; of a few, only as its bounds."""
        assert self._measured_from is not None  # noqa: S101  # it began with the first refusal
        admitted, elapsed = max(self._admitted, 1), max(now - self._measured_from, 1e-6)
        with_pause = admitted / (elapsed + self._pause)
        most = min(admitted / elapsed, self._rate)
        if admitted < MANY:
            least = min(max(with_pause, (admitted - self._burst) / elapsed), most)
            self._rate, self._limit = MARGIN * math.sqrt(least * most), MARGIN * most
        else:
            measured = most if self._has_saved_up else min(with_pause, self._rate)
            self._rate = self._limit = max(MARGIN * measured, self._rate / 2)
        self._on_trial = 0
        if abs(self._rate - self._told_limit) > WORTH_TELLING * self._rate:
            self._told_limit = self._rate
            self._news.append(f"slowed down to {_rounded(self._rate)} requests/s")

    def _measure(self, now: float, *, has_saved_up: bool) -> None:
        """Begin a measurement when the pause is over."""
        self._admitted, self._measured_from = 0, self._resume_at
        self._pause, self._has_saved_up = self._resume_at - now, has_saved_up

    def _begin_round(self, resume_at: float) -> None:
        """Void all slots, and start a new line when the pause is over."""
        self._round += 1
        self._unlimited = None
        self._given_back.clear()
        self._next_place = self._last_used_place + 1 / self._top_rate
        self._pause_until(resume_at)

    def _pause_until(self, moment: float) -> None:
        self._resume_at = max(self._resume_at, moment)
        self._next_place = max(self._next_place, self._resume_at)

    def _tell_pause(self, seconds: float, reason: str) -> None:
        if seconds >= LEAST_RETRY_AFTER:  # of a shorter one nobody notices anything
            self._news.append(f"all requests wait for {_rounded(seconds)} s, after {reason}")

    def _log_news(self) -> None:
        """Log what has changed; not under the lock, as a handler may take its time."""
        with self._lock:
            news, self._news = self._news, []
        for change in news:
            log.info("%s: %s", self._name, change)

    def _release_if_unlimited(self) -> None:
        if self._rate > NO_LIMIT and self._top_rate == math.inf:
            self._rate = self._limit = math.inf
            if self._measured_from is not None:
                self._measured_from, self._told_limit = None, math.inf
                self._news.append("not slowed down any more")
            self._unlimited = Slot(at=-math.inf, round=self._round)


def _rounded(number: float) -> str:
    return f"{float(f'{number:.3g}'):g}"


_limiters: weakref.WeakValueDictionary[Hashable, RateLimiter] = weakref.WeakValueDictionary()
_limiters_lock = threading.Lock()


def rate_limiter_for(
    connection: Hashable,
    rate_limit: float | None = None,
    *,
    adaptive: bool = True,
    longest_pause: float = LONGEST_SHORT_PAUSE,
    name: str = "",
) -> RateLimiter:
    """Return the rate limiter of a connection: the same one as long as anybody in this process holds it.

    :param connection: what the backend tells its clients apart by, as the base URL with the user
    :param rate_limit: see :class:`RateLimiter`; another value makes another limiter
    :param adaptive: see :class:`RateLimiter`; another value makes another limiter
    :param longest_pause: see :class:`RateLimiter`; another value makes another limiter
    :param name: see :class:`RateLimiter`
    :raises ValueError: unless rate_limit is above 0 and finite
    """
    key = (connection, rate_limit, adaptive, longest_pause)
    with _limiters_lock:
        if (limiter := _limiters.get(key)) is None:
            limiter = _limiters[key] = RateLimiter(
                rate_limit, adaptive=adaptive, longest_pause=longest_pause, name=name
            )
        return limiter


def _begin_anew() -> None:
    """Forget all limiters: another thread may have been in the middle of one when this process was forked."""
    global _limiters, _limiters_lock  # it may have held this one, too
    _limiters, _limiters_lock = weakref.WeakValueDictionary(), threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)
