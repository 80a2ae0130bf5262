"""The rate limiter of a connection: each rule alone, then the figures it is for, over limiters and seeds.

Time is virtual throughout: a simulated client, with 50 requests in flight, meets a simulated backend.
"""

from __future__ import annotations

import gc
import heapq
import itertools
import logging
import math
import random
import statistics
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.limits.rate_limiter import (
    LATENESS,
    LONGEST_PAUSE,
    LONGEST_SHORT_PAUSE,
    SHORT_PAUSE,
    START_RATE,
    RateLimiter,
    Slot,
    rate_limiter_for,
)

SEEDS = range(20)
LOOPBACK, FAR = 0.004, 0.1


# -- simulation -----------------------------------------------------------------------------------


class Limiter(Protocol):
    """Decides of a request at the moment when it arrives."""

    def admits(self, now: float, /) -> bool: ...


@dataclass
class TokenBucket:
    """Refills ``rate`` tokens/s up to ``burst``; ``then`` is its rate after so many requests."""

    rate: float = 200.0
    burst: float = 20.0
    then: tuple[int, float] | None = None
    tokens: float = math.inf
    refilled_at: float = 0.0
    admitted: int = 0

    def admits(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + self.rate * (now - self.refilled_at))
        self.refilled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        self.admitted += 1
        if self.then and self.admitted == self.then[0]:
            self.rate = self.then[1]
        return True


@dataclass
class LeakyBucket:
    """Lets one go every ``1 / rate`` seconds and refuses all between them, as limit_req of nginx does."""

    rate: float = 5.0
    empty_at: float = 0.0

    def admits(self, now: float) -> bool:
        if now < self.empty_at:
            return False
        self.empty_at = now + 1 / self.rate
        return True


@dataclass
class FixedWindow:
    """Admits so many in each second by the clock."""

    limit: int = 200
    window: int = 0
    admitted: int = 0

    def admits(self, now: float) -> bool:
        if (window := math.floor(now + 0.37)) != self.window:
            self.window, self.admitted = window, 0
        self.admitted += 1
        return self.admitted <= self.limit


@dataclass
class SlidingWindow:
    """Admits so many in any second."""

    limit: int = 200
    admitted: deque[float] = field(default_factory=deque)

    def admits(self, now: float) -> bool:
        while self.admitted and self.admitted[0] <= now - 1:
            self.admitted.popleft()
        if len(self.admitted) >= self.limit:
            return False
        self.admitted.append(now)
        return True


@dataclass
class Concurrency:
    """Admits what finds fewer than so many others in work, each of which takes its time."""

    limit: int = 10
    takes: float = 0.05
    ends: deque[float] = field(default_factory=deque)

    def admits(self, now: float) -> bool:
        while self.ends and self.ends[0] <= now:
            self.ends.popleft()
        if len(self.ends) >= self.limit:
            return False
        self.ends.append(now + self.takes)
        return True


@dataclass
class Accident:
    """Refuses one request, by its number, and has no limit at all."""

    number: int = 300
    seen: int = 0

    def admits(self, _now: float) -> bool:
        self.seen += 1
        return self.seen != self.number


class Simulation:
    """Callers who each send one request after the other through a rate limiter, until ``requests`` are done.

    The backend works on one request at a time; both ways take half the latency, with jitter. A
    refused caller waits as :class:`RetryPolicy` does: Retry-After, or full jitter without one.
    """

    def __init__(
        self,
        rate_limiter: RateLimiter,
        limiter: Limiter,
        requests: int,
        seed: int,
        *,
        retry_after: float | None = 1.0,
        latency: float = LOOPBACK,
        in_flight: int = 50,
    ) -> None:
        self.rate_limiter, self.limiter, self.requests = rate_limiter, limiter, requests
        self.retry_after, self.latency = retry_after, latency
        self.rng = random.Random(seed)
        self.now = self.backend_free_at = 0.0
        self.refused = self.most_attempts = 0
        self.arrivals: list[float] = []
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        for _ in range(in_flight):
            self._next_request()
        while self._events:
            self.now, _, event, arguments = heapq.heappop(self._events)
            event(*arguments)

    def _after(self, seconds: float, event: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), event, arguments))

    def _way(self) -> float:
        return self.latency / 2 + self.rng.expovariate(8 / self.latency)

    def _next_request(self) -> None:
        if self.requests:
            self.requests -= 1
            self._ask(1, None)

    def _ask(self, attempt: int, slot: Slot | None) -> None:
        self.most_attempts = max(self.most_attempts, attempt)
        slot = self.rate_limiter.reserve(self.now, slot)
        if slot.at > self.now:  # a timer is late by up to 1 ms
            self._after(slot.at - self.now + self.rng.uniform(0, 0.001), self._ask, attempt, slot)
        else:
            self._after(self._way(), self._arrive, attempt, slot)

    def _arrive(self, attempt: int, slot: Slot) -> None:
        self.arrivals.append(self.now)
        admitted = self.limiter.admits(self.now)
        self.backend_free_at = max(self.backend_free_at, self.now) + 0.0003
        back = self.backend_free_at - self.now + self._way()
        self._after(back, self._answer, attempt, slot, admitted)

    def _answer(self, attempt: int, slot: Slot, admitted: bool) -> None:
        if admitted:
            self.rate_limiter.admitted(slot)
            self._next_request()
            return
        self.refused += 1
        self.rate_limiter.refused(self.now, slot, self.retry_after)
        jitter = self.rng.uniform(0, 2.0 ** (attempt - 1))
        self._after(jitter if self.retry_after is None else self.retry_after, self._ask, attempt + 1, None)


@pytest.mark.parametrize("seed", SEEDS)
def test_known_rate_is_used_up_and_never_refused(seed: int) -> None:
    """With ``rate_limit`` set, 600 requests take hardly longer than the limiter asks for."""
    run = Simulation(RateLimiter(200), TokenBucket(), 600, seed)
    assert run.now < 1.04 * (600 - 20) / 200
    assert run.refused == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("requests", "retry_after", "slowdown", "refused"),
    [(600, 1.0, 1.47, 56), (3000, 1.0, 1.12, 70), (600, None, 1.2, 56), (3000, None, 1.06, 70)],
)
def test_unknown_limit_is_found_and_held(
    seed: int, requests: int, retry_after: float | None, slowdown: float, refused: int
) -> None:
    """Besides the 50 that are in flight when it begins, a search for the limit costs few refusals."""
    run = Simulation(RateLimiter(), TokenBucket(), requests, seed, retry_after=retry_after)
    assert run.now < slowdown * (requests - 20) / 200
    assert run.refused <= refused
    assert run.most_attempts <= 3


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("retry_after", [1.0, None])
@pytest.mark.parametrize(("limit", "slowdown"), [(100, 1.08), (400, 1.45)])
def test_limit_that_changes_is_found_again(
    seed: int, retry_after: float | None, limit: float, slowdown: float
) -> None:
    """A limit that falls is met within a few refusals; one that rises is found slowly."""
    limiter = TokenBucket(then=(1500, limit))
    run = Simulation(RateLimiter(), limiter, 3000, seed, retry_after=retry_after)
    assert run.now < slowdown * ((1500 - 20) / 200 + 1500 / limit)
    assert run.refused <= 70


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("limiter", "requests", "latency", "ideal", "slowdown", "refused"),
    [
        (TokenBucket, 3000, FAR, 14.9, 1.25, 120),
        (lambda: TokenBucket(rate=5, burst=5), 300, LOOPBACK, 59.0, 1.1, 90),
        (lambda: TokenBucket(rate=1000, burst=100), 6000, LOOPBACK, 5.9, 1.4, 80),
        (lambda: TokenBucket(burst=200), 3000, LOOPBACK, 14.0, 1.15, 90),
        (lambda: TokenBucket(burst=2), 3000, LOOPBACK, 14.9, 1.6, 90),
        (FixedWindow, 3000, LOOPBACK, 14.0, 1.5, 90),
        (SlidingWindow, 3000, LOOPBACK, 14.0, 1.6, 90),
        (Concurrency, 3000, FAR, 15.0, 2.0, 90),
        (Accident, 3000, LOOPBACK, 1.0, 3.0, 1),
        (Accident, 3000, FAR, 3000 * FAR / 50, 2.5, 1),
    ],
    ids=["far", "5/s", "1000/s", "burst 200", "burst 2", "fixed", "sliding", "busy", "once", "once, far"],
)
def test_other_limiters_and_distances_do_no_harm(
    seed: int,
    limiter: Callable[[], Limiter],
    requests: int,
    latency: float,
    ideal: float,
    slowdown: float,
    refused: int,
) -> None:
    """What the rate limiter believes of a limiter may be wrong; it still comes to an end in good time."""
    run = Simulation(RateLimiter(), limiter(), requests, seed, latency=latency)
    assert run.now < slowdown * ideal
    assert run.refused <= refused
    assert run.most_attempts <= 5  # what RetryPolicy grants


SLOW_LIMITERS: dict[str, Callable[[], Limiter]] = {
    "token bucket": lambda: TokenBucket(rate=5, burst=5),
    "token bucket, no burst": lambda: TokenBucket(rate=5, burst=1),
    "leaky bucket": LeakyBucket,
    "fixed window": lambda: FixedWindow(limit=5),
}


def slow_runs(kind: str, latency: float, in_flight: int, retry_after: float | None) -> list[float]:
    """Return how long 20 reads at 5/s take, as multiples of the ideal 4 s, for each seed."""
    runs = [
        Simulation(
            RateLimiter(longest_pause=0.5),
            SLOW_LIMITERS[kind](),
            20,
            seed,
            retry_after=retry_after,
            latency=latency,
            in_flight=in_flight,
        )
        for seed in SEEDS
    ]
    assert max(run.most_attempts for run in runs) <= 5  # what RetryPolicy grants
    return [run.now / 4 for run in runs]


@pytest.mark.parametrize("in_flight", [1, 5, 20])
@pytest.mark.parametrize("kind", SLOW_LIMITERS)
def test_slow_limit_is_found_in_time(kind: str, in_flight: int) -> None:
    """Twenty reads end within 1.5 of the ideal time, however many of them are made at once.

    The limiters are those of public documentation: a token bucket (Amazon API Gateway, "Throttle
    requests"), a leaky bucket (nginx, ngx_http_limit_req_module), a window by the clock (Kong, "Rate
    Limiting").
    """
    assert max(slow_runs(kind, LOOPBACK, in_flight, 1.0)) < 1.5


@pytest.mark.parametrize("in_flight", [1, 5, 20])
@pytest.mark.parametrize(("latency", "retry_after"), [(LOOPBACK, None), (FAR, 1.0), (FAR, None)])
@pytest.mark.parametrize("kind", SLOW_LIMITERS)
def test_slow_limit_is_usually_found_in_time(
    kind: str, latency: float, retry_after: float | None, in_flight: int
) -> None:
    """So it is in most cases, where a long wait of a request's own, or a late packet, is bad luck."""
    assert statistics.median(slow_runs(kind, latency, in_flight, retry_after)) < 1.5


def test_limit_below_the_rate_limit_is_found_too() -> None:
    """A ``rate_limit`` that is set too high does not keep the rate limiter from learning."""
    run = Simulation(RateLimiter(300), TokenBucket(), 3000, seed=1)
    assert run.now < 1.25 * 14.9
    assert run.refused <= 20


# -- rules ----------------------------------------------------------------------------------------


def went(rate_limiter: RateLimiter, now: float) -> Slot:
    """Return the slot of a request that may go at once."""
    slot = rate_limiter.reserve(now)
    assert slot.at <= now
    return slot


def places(rate_limiter: RateLimiter, now: float, count: int) -> list[float]:
    return [rate_limiter.reserve(now).at for _ in range(count)]


def test_nothing_is_delayed_before_the_first_refusal() -> None:
    """Without a refusal and without a rate limit, any number goes at once."""
    rate_limiter = RateLimiter()
    for _ in range(1000):
        rate_limiter.admitted(went(rate_limiter, 5.0))


@pytest.mark.parametrize(("retry_after", "pause"), [(7.0, 7.0), (None, SHORT_PAUSE), (0.0, SHORT_PAUSE)])
def test_first_refusal_pauses_everybody(retry_after: float | None, pause: float) -> None:
    """Retry-After holds for all requests; without one the pause is short."""
    rate_limiter = RateLimiter()
    rate_limiter.refused(10.0, went(rate_limiter, 9.0), retry_after)
    assert places(rate_limiter, 10.0, 1) == [10.0 + pause]


def test_requests_resume_spread_out() -> None:
    """After a pause requests go one by one, first slowly, then faster."""
    rate_limiter = RateLimiter()
    rate_limiter.refused(0.0, went(rate_limiter, 0.0), 1.0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(places(rate_limiter, 0.5, 50))]
    assert gaps[0] == pytest.approx(1 / START_RATE)
    assert gaps == sorted(gaps, reverse=True)
    assert min(gaps) > 0.2 / START_RATE


def test_requests_sent_before_a_pause_are_no_news() -> None:
    """Fifty refusals of one burst are one refusal: neither the pause nor the rate changes."""
    burst, single = RateLimiter(), RateLimiter()
    permits = [went(burst, 0.0) for _ in range(50)]
    for number, slot in enumerate(permits):
        burst.refused(1.0 + number / 100, slot, 1.0)
    single.refused(1.0, went(single, 0.0), 1.0)
    assert places(burst, 1.5, 20) == places(single, 1.5, 20)


def test_longer_wait_asked_of_an_earlier_request_holds() -> None:
    """A pause grows when another answer of the same burst asks for more, counted from its beginning."""
    rate_limiter = RateLimiter()
    first, second = went(rate_limiter, 0.0), went(rate_limiter, 0.0)
    rate_limiter.refused(1.0, first, 1.0)
    waiting = rate_limiter.reserve(1.0)
    rate_limiter.refused(1.5, second, 30.0)
    assert rate_limiter.reserve(waiting.at, waiting).at == pytest.approx(31.0, abs=0.1)


def test_waiting_request_asks_again_after_a_new_pause() -> None:
    """A slot given before a refusal is void after it, also if its time lies beyond the pause."""
    rate_limiter = RateLimiter(1.0)
    first = went(rate_limiter, 0.0)
    waiting = [rate_limiter.reserve(0.0) for _ in range(5)]
    rate_limiter.refused(0.5, first)
    assert [slot.at for slot in waiting] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert rate_limiter.reserve(1.0, waiting[0]).at == 1.0
    assert rate_limiter.reserve(1.0, waiting[4]).at == 2.0


def test_pauses_grow_while_refusals_go_on() -> None:
    """Without Retry-After each pause is twice the one before, up to a limit; a success ends the row."""
    rate_limiter, now, pauses = RateLimiter(), 0.0, []
    for _ in range(9):
        rate_limiter.refused(now, went(rate_limiter, now))
        resumed = rate_limiter.reserve(now).at
        pauses.append(resumed - now)
        now = resumed + 1.0
    assert pauses[:5] == pytest.approx([SHORT_PAUSE * 2**doublings for doublings in range(5)])
    assert pauses[-1] == pytest.approx(LONGEST_SHORT_PAUSE)
    rate_limiter.admitted(went(rate_limiter, now))
    rate_limiter.refused(now + 1, went(rate_limiter, now + 1))
    assert rate_limiter.reserve(now + 1).at == pytest.approx(now + 1 + SHORT_PAUSE)


def test_outage_is_not_taken_for_a_limit() -> None:
    """A minute of refusals, then an answer, then one more refusal: that is no limit of two a minute."""
    rate_limiter, now = RateLimiter(longest_pause=0.5), 0.0
    while now < 60:
        rate_limiter.refused(now, went(rate_limiter, now))
        now = rate_limiter.reserve(now).at + 0.1
    rate_limiter.admitted(went(rate_limiter, now))
    rate_limiter.refused(now + 0.1, went(rate_limiter, now + 0.1))
    first, second = places(rate_limiter, now + 0.1, 2)
    assert second - first < 0.5


@pytest.mark.parametrize("rate_limit", [None, 2.0])
def test_rate_limiter_that_is_not_adaptive_knows_only_its_rate_limit(rate_limit: float | None) -> None:
    """Neither a refusal nor Backoff delays anybody else."""
    rate_limiter, other = RateLimiter(rate_limit, adaptive=False), RateLimiter(rate_limit)
    slot, same = went(rate_limiter, 0.0), went(other, 0.0)
    rate_limiter.refused(0.1, slot, 30.0)
    rate_limiter.backed_off(0.1, slot, 30.0)
    rate_limiter.admitted(slot)
    other.admitted(same)
    assert places(rate_limiter, 0.2, 5) == places(other, 0.2, 5)


def test_changes_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    """3,000 requests, of which 50 are refused, make a few lines that name the connection."""
    caplog.set_level(logging.INFO)
    run = Simulation(RateLimiter(name="https://backend.example.com"), TokenBucket(), 3000, seed=1)
    assert run.refused > 30
    assert caplog.messages[0] == "https://backend.example.com: all requests wait for 1 s, after a refusal"
    found = [float(line.split("slowed down to ")[1].split()[0]) for line in caplog.messages[1:]]
    assert len(found) <= 3
    assert found[-1] == pytest.approx(200, rel=0.15)


def test_the_end_of_a_limit_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal that was an accident leaves no doubt in the log that nothing is limited now."""
    caplog.set_level(logging.INFO)
    Simulation(RateLimiter(name="https://b.example"), Accident(), 4000, seed=1)
    assert caplog.messages == [
        "https://b.example: all requests wait for 1 s, after a refusal",
        "https://b.example: not slowed down any more",
    ]


@pytest.mark.parametrize(("retry_after", "pause"), [(1.0, SHORT_PAUSE), (2.0, 2.0)])
def test_refusal_while_others_are_admitted_is_a_hint_to_slow_down(retry_after: float, pause: float) -> None:
    """One second is the least that a limiter can ask for; who means more says more."""
    rate_limiter = RateLimiter()
    rate_limiter.refused(0.0, went(rate_limiter, 0.0), 1.0)
    rate_limiter.admitted(went(rate_limiter, 1.0))
    rate_limiter.refused(2.0, went(rate_limiter, 2.0), retry_after)
    assert rate_limiter.reserve(2.0).at == pytest.approx(2.0 + pause)


def test_refusals_in_a_row_obey_retry_after() -> None:
    """Where nothing is admitted after a short pause, the next one is as long as the backend wants."""
    rate_limiter = RateLimiter()
    rate_limiter.refused(0.0, went(rate_limiter, 0.0), 1.0)
    rate_limiter.admitted(went(rate_limiter, 1.0))
    rate_limiter.refused(2.0, went(rate_limiter, 2.0), 1.0)
    rate_limiter.refused(3.0, went(rate_limiter, 3.0), 1.0)
    assert rate_limiter.reserve(3.0).at == pytest.approx(4.0)


def test_idle_connection_does_not_forget_its_limit() -> None:
    """An hour without requests is no evidence that the backend has become faster, or slower."""
    rate_limiter = RateLimiter()
    Simulation(rate_limiter, TokenBucket(), 600, seed=1)
    later = places(rate_limiter, 3600.0, 101)
    assert (later[-1] - later[0]) / 100 == pytest.approx(1 / 200, rel=0.1)


def test_limit_measured_over_idle_time_is_that_of_the_busy_time() -> None:
    """A refusal after an idle hour is not taken for a limit of one request an hour."""
    rate_limiter = RateLimiter()
    rate_limiter.refused(0.0, went(rate_limiter, 0.0), 1.0)
    rate_limiter.admitted(went(rate_limiter, 1.0))
    rate_limiter.refused(3600.0, went(rate_limiter, 3600.0), 1.0)
    first, second = places(rate_limiter, 3600.0, 2)
    assert second - first < 2 / START_RATE


def test_one_answer_cannot_stop_a_connection_for_good() -> None:
    """Not even a Retry-After of ten years pauses everybody for more than an hour."""
    rate_limiter = RateLimiter()
    rate_limiter.refused(0.0, went(rate_limiter, 0.0), 1e9)
    assert rate_limiter.reserve(0.0).at == LONGEST_PAUSE


def test_cancelled_request_gives_its_place_to_the_next() -> None:
    """Cancelled requests, however many, leave no hole for those who come later."""
    rate_limiter = RateLimiter(10)
    went(rate_limiter, 0.0)
    waiting = [rate_limiter.reserve(0.0) for _ in range(1000)]
    for slot in waiting[1:]:
        rate_limiter.give_back(slot)
    assert rate_limiter.reserve(0.0).at == pytest.approx(0.2)
    assert rate_limiter.reserve(0.55).at == pytest.approx(0.6)


def test_place_of_an_earlier_line_cannot_be_given_back() -> None:
    """What a refusal has voided gets no second life."""
    rate_limiter = RateLimiter(10)
    first, waiting = went(rate_limiter, 0.0), rate_limiter.reserve(0.0)
    rate_limiter.refused(0.05, first, 5.0)
    rate_limiter.give_back(waiting)
    assert rate_limiter.reserve(0.05).at == pytest.approx(5.05)


def test_late_request_loses_its_place() -> None:
    """Timers that all fire late, as after a blocked event loop, let no herd go."""
    rate_limiter = RateLimiter(100)
    waiting = [rate_limiter.reserve(0.0) for _ in range(20)]
    now = waiting[-1].at + LATENESS / 2
    gone = [slot for slot in waiting if rate_limiter.reserve(now, slot).at <= now]
    assert len(gone) <= 100 * LATENESS + 1


@pytest.mark.parametrize("rate_limit", [0.0, -1.0, math.inf, math.nan])
def test_rate_limit_must_make_sense(rate_limit: float) -> None:
    """A rate limit is a finite number above 0."""
    with pytest.raises(ValueError, match="rate_limit"):
        RateLimiter(rate_limit)


# -- properties -----------------------------------------------------------------------------------

GAPS = st.floats(0, 0.5)
EVENTS = st.sampled_from(["ask", "ask", "ask", "wake", "wake", "cancel", "admitted", "refused"])
RETRY_AFTER = st.none() | st.floats(0, 5)


@given(st.floats(0.5, 500) | st.none(), st.lists(st.tuples(GAPS, EVENTS, RETRY_AFTER), max_size=150))
def test_whatever_happens_the_bounds_hold(
    rate_limit: float | None, events: list[tuple[float, str, float | None]]
) -> None:
    """No window sees more than ``rate_limit``, no place is nan or void, no pause is ever shortened."""
    rate_limiter, now = RateLimiter(rate_limit), 0.0
    waiting: deque[Slot] = deque()
    sent: deque[Slot] = deque()
    gone: list[float] = []
    paused_until = -math.inf
    for gap, event, retry_after in events:
        now += gap / (rate_limit or 1)
        if event == "ask" or (event == "wake" and waiting):
            slot = rate_limiter.reserve(now, waiting.popleft() if event == "wake" else None)
            assert not math.isnan(slot.at)
            if slot.at <= now:
                assert now >= paused_until
                gone.append(now)
                sent.append(slot)
            else:
                assert slot.at >= paused_until
                assert math.isfinite(slot.at)
                waiting.append(slot)
        elif event == "cancel" and waiting:
            rate_limiter.give_back(waiting.pop())
        elif event == "admitted" and sent:
            rate_limiter.admitted(sent.popleft())
        elif event == "refused" and sent:
            rate_limiter.refused(now, sent.popleft(), retry_after)
            assert rate_limiter._resume_at >= paused_until
            paused_until = rate_limiter._resume_at
    if rate_limit:
        for first, last in itertools.combinations(range(len(gone)), 2):
            allowed = rate_limit * (gone[last] - gone[first] + LATENESS) + 1
            assert last - first + 1 <= allowed + 1e-6


@given(st.integers(0, 2**32), st.integers(1, 400))
def test_rate_limit_bounds_what_arrives(seed: int, rate_limit: int) -> None:
    """A client with a rate limit sends that many a second at most, refused or not."""
    limiter = TokenBucket(rate=rate_limit * 0.8, burst=1 + rate_limit / 10)
    run = Simulation(RateLimiter(rate_limit), limiter, 100, seed, latency=1e-6)
    for first, last in itertools.combinations(range(len(run.arrivals)), 2):
        elapsed = run.arrivals[last] - run.arrivals[first]
        assert last - first + 1 <= rate_limit * (elapsed + LATENESS) + 1.01


# -- sharing --------------------------------------------------------------------------------------


def test_threads_never_get_the_same_place() -> None:
    """Eight threads, refusals among them, leave a rate limiter whose places are still one request each."""
    rate_limiter = RateLimiter(1000)
    given_to: list[list[tuple[int, float]]] = [[] for _ in range(8)]
    start = threading.Barrier(8)

    def hammer(number: int) -> None:
        start.wait()
        for step in range(2000):
            slot = rate_limiter.reserve(0.0)
            given_to[number].append((slot.round, slot.at))
            rate_limiter.admitted(slot)
            if step % 500 == 499:
                rate_limiter.refused(0.0, slot, 1.0)

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = list(itertools.chain.from_iterable(given_to))
    assert len(everything) == len(set(everything)) == 16_000


def test_connection_has_one_brake_as_long_as_it_is_used() -> None:
    """The same connection and limit share a rate limiter; nobody's is kept."""
    key = object()
    rate_limiter = rate_limiter_for(key, 5)
    assert rate_limiter_for(key, 5) is rate_limiter
    assert rate_limiter_for(key, 6) is not rate_limiter
    assert rate_limiter_for(object(), 5) is not rate_limiter
    rate_limiter.refused(0.0, went(rate_limiter, 0.0), 100.0)
    del rate_limiter
    gc.collect()
    went(rate_limiter_for(key, 5), 0.0)


def test_threads_share_one_brake() -> None:
    """However many threads ask first, a connection gets one rate limiter."""
    key, start = object(), threading.Barrier(8)
    found: list[RateLimiter] = []

    def ask() -> None:
        start.wait()
        found.append(rate_limiter_for(key))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(rate_limiter) for rate_limiter in found}) == 1
