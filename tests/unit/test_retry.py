"""When a request is sent again, and after what wait. The clock is a fake: nobody waits."""

from __future__ import annotations

import asyncio
import inspect
import logging
import pickle
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client import (
    ConnectError,
    ForbiddenError,
    InvalidResponseError,
    MirrorDBError,
    NotFoundError,
    NotReadyError,
    Progress,
    RateLimitError,
    ResponseError,
    RetryPolicy,
    ServerError,
    WaitNeeded,
    retry_with_exponential_backoff,
)
from airflow_mirrordb.client.clock import SYSTEM_CLOCK
from airflow_mirrordb.client.retries.retry import Retrying

if TYPE_CHECKING:
    from tests.support.clocks import FakeClock

NOW = 1_700_000_000.0


def busy(seconds: float | None = None) -> RateLimitError:
    return RateLimitError(message="busy", status=429, retryable=True, retry_after=seconds)


class Attempts:
    """An attempt that fails as listed, then succeeds; remembers the numbers it was given and when."""

    def __init__(self, clock: FakeClock, *failures: BaseException | None, takes: float = 0.0) -> None:
        self.clock, self.failures, self.takes = clock, list(failures), takes
        self.numbers: list[int] = []
        self.times: list[float] = []

    async def __call__(self, progress: Progress) -> str:
        self.numbers.append(progress.attempts + 1)
        self.times.append(self.clock.time)
        self.clock.time += self.takes
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return "done"


def retrying(clock: FakeClock, **limits: Any) -> Retrying:
    return Retrying(policy=RetryPolicy(**limits), clock=clock.as_clock(rng=random.Random(7)))


# -- the wait ------------------------------------------------------------------------------------


@given(
    failures=st.integers(1, 10_000),
    initial=st.floats(0.001, 100),
    factor=st.floats(1, 1e300),
    longest=st.floats(100, 1e6),
    seed=st.integers(),
)
def test_the_wait_is_full_jitter(
    failures: int, initial: float, factor: float, longest: float, seed: int
) -> None:
    """Between 0 and the ceiling, which grows by the factor up to max_delay, however large both are."""
    policy = RetryPolicy(initial_delay=initial, backoff_factor=factor, max_delay=longest)
    ceiling = initial
    for _ in range(failures - 1):
        ceiling *= factor
        if ceiling >= longest or factor == 1:
            break
    ceiling = min(ceiling, longest)
    wait = policy.delay(failures, None, random.Random(seed))
    assert 0 <= wait <= ceiling * 1.000001
    assert wait == pytest.approx(random.Random(seed).uniform(0, ceiling), rel=1e-6)


def test_the_jitter_is_full() -> None:
    """Waits come from the whole range, not from a part of it."""
    rng = random.Random(1)
    waits = [RetryPolicy(initial_delay=8).delay(1, None, rng) for _ in range(500)]
    assert min(waits) < 0.5
    assert max(waits) > 7.5


def test_the_longer_of_retry_after_and_the_computed_wait_holds() -> None:
    """It may be longer than max_delay; 0, as a date that just passed, does not switch the backoff off."""
    policy = RetryPolicy(max_delay=2, initial_delay=1)
    assert policy.delay(1, 90.0, random.Random(1)) == 90.0
    own = policy.delay(9, None, random.Random(1))
    assert policy.delay(9, 0.0, random.Random(1)) == own > 0.1
    assert policy.delay(9, own / 2, random.Random(1)) == own


@pytest.mark.parametrize("asked", [None, 0.0])
def test_the_defaults_outlive_a_limit_that_names_no_time(asked: float | None) -> None:
    """The waits after a 429 are at least half of their ceilings, and together longer than ten seconds."""
    policy = RetryPolicy()
    for seed in range(200):
        rng = random.Random(seed)
        waits = [policy.delay(failures, asked, rng, limited=True) for failures in range(1, 5)]
        assert all(wait >= ceiling / 2 for wait, ceiling in zip(waits, [1, 2, 4, 8], strict=True))
        assert 10 < sum(waits) <= 15


def test_a_limit_that_names_a_time_is_waited_for_no_longer_than_by_full_jitter() -> None:
    """The backend knows better than the backoff does: one that says a second lets requests through then."""
    rng = random.Random(1)
    waits = [RetryPolicy(initial_delay=8).delay(1, 1.0, rng, limited=True) for _ in range(500)]
    assert min(waits) == 1.0


@pytest.mark.parametrize(
    ("error", "repeated"),
    [
        (ServerError(message="m", status=500), True),
        (ServerError(message="m", status=522), True),
        (ServerError(message="m", status=555), False),
        (ServerError(message="m", status=555, retry_after=3.0), True),
        (ResponseError(message="m", status=423), False),
        (ForbiddenError(message="m", status=403, retry_after=0.0), True),
        (NotReadyError(message="m", status=202), True),
        (InvalidResponseError(message="m", status=200), False),
        (ConnectError(message="m"), True),
    ],
)
def test_what_a_client_sends_again_by_itself(error: MirrorDBError, repeated: bool) -> None:
    """Listed statuses, what names a time, what is not ready, and what never got an answer.

    Anything else that may pass is left to the task's own retries.
    """
    assert RetryPolicy().repeats(error) is repeated


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ({"max_attempts": 0}, "max_attempts"),
        ({"initial_delay": 0}, "initial_delay"),
        ({"initial_delay": -1}, "initial_delay"),
        ({"initial_delay": 61}, "initial_delay"),
        ({"backoff_factor": 0.5}, "backoff_factor"),
        ({"max_elapsed": -1}, "max_elapsed"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(limits: dict[str, Any], word: str) -> None:
    """The error names the limit."""
    with pytest.raises(ValueError, match=word):
        RetryPolicy(**limits)


# -- the loop ------------------------------------------------------------------------------------


async def test_a_retryable_failure_is_tried_again(clock: FakeClock) -> None:
    """Attempts are counted from 1; the first success ends it."""
    attempt = Attempts(clock, busy(2.0), ConnectError(message="refused"))
    assert await retrying(clock).run(attempt, name="x") == "done"
    assert attempt.numbers == [1, 2, 3]
    assert clock.slept[0] == 2.0
    assert 0 <= clock.slept[1] <= 2.0


async def test_max_attempts_counts_the_first_one(clock: FakeClock) -> None:
    """With three attempts the third failure is raised, and says that there were three."""
    attempt = Attempts(clock, *(busy(1.0) for _ in range(9)))
    with pytest.raises(RateLimitError) as caught:
        await retrying(clock, max_attempts=3).run(attempt, name="x")
    assert attempt.numbers == [1, 2, 3]
    assert caught.value.attempts == 3
    assert clock.slept == [1.0, 1.0]  # no wait after the last one


async def test_a_final_failure_is_not_tried_again(clock: FakeClock) -> None:
    """An error that is not retryable is raised at once, with its number."""
    attempt = Attempts(clock, NotFoundError(message="gone", status=404))
    with pytest.raises(NotFoundError) as caught:
        await retrying(clock).run(attempt, name="x")
    assert (attempt.numbers, caught.value.attempts, clock.slept) == ([1], 1, [])


@pytest.mark.parametrize("failure", [ZeroDivisionError(), asyncio.CancelledError(), KeyboardInterrupt()])
async def test_what_is_not_ours_is_raised_at_once(clock: FakeClock, failure: BaseException) -> None:
    """Bugs and cancellations are no failures of the backend."""
    attempt = Attempts(clock, failure)
    with pytest.raises(type(failure)):
        await retrying(clock).run(attempt, name="x")
    assert attempt.numbers == [1]


async def test_the_deadline_is_the_first_attempt_plus_max_elapsed(clock: FakeClock) -> None:
    """A wait that would end after it is not begun, however many attempts are left."""
    attempt = Attempts(clock, *(busy(30.0) for _ in range(9)))
    with pytest.raises(RateLimitError) as caught:
        await retrying(clock, max_attempts=9, max_elapsed=100).run(attempt, name="x")
    assert [moment - NOW for moment in attempt.times] == [0, 30, 60, 90]
    assert caught.value.attempts == 4
    assert clock.slept == [30.0, 30.0, 30.0]


async def test_a_wait_may_end_at_the_deadline(clock: FakeClock) -> None:
    """Exactly at the deadline is in time; the time that attempts take counts."""
    in_time = Attempts(clock, busy(60.0), takes=40)
    assert await retrying(clock, max_elapsed=100).run(in_time, name="x") == "done"
    late = Attempts(clock, busy(60.1), takes=40)
    with pytest.raises(RateLimitError):
        await retrying(clock, max_elapsed=100).run(late, name="x")
    assert late.numbers == [1]


async def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once(clock: FakeClock) -> None:
    """The caller learns how long to wait, so that it can wait without a worker."""
    attempt = Attempts(clock, busy(3600.0))
    with pytest.raises(RateLimitError) as caught:
        await retrying(clock).run(attempt, name="x")
    assert (caught.value.retry_after, caught.value.attempts, clock.slept) == (3600.0, 1, [])


@pytest.mark.parametrize("max_elapsed", [300.0, 45.0])
async def test_a_run_in_pieces_ends_as_a_whole_one(clock: FakeClock, max_elapsed: float) -> None:
    """Handed over after every attempt, the run makes the same attempts at the same times."""
    limits = {"max_attempts": 4, "max_elapsed": max_elapsed}
    failures = [20.0, 20.0, 20.0, 20.0]
    whole = Attempts(clock, *map(busy, failures))
    with pytest.raises(RateLimitError) as whole_end:
        await retrying(clock, **limits).run(whole, name="x")
    clock.time = NOW
    pieces = Attempts(clock, *map(busy, failures))
    progress = None
    for _ in whole.numbers[:-1]:
        with pytest.raises(WaitNeeded) as pause:
            await retrying(clock, **limits).run(pieces, name="x", progress=progress, wait=False)
        assert isinstance(pause.value.error, RateLimitError)
        progress = pickle.loads(pickle.dumps(pause.value)).progress
        assert progress.resume_at == clock.time + 20.0
        assert progress.deadline == NOW + max_elapsed
    with pytest.raises(RateLimitError) as end:
        await retrying(clock, **limits).run(pieces, name="x", progress=progress, wait=False)
    assert end.value.to_dict() == whole_end.value.to_dict()
    assert (pieces.numbers, pieces.times) == (whole.numbers, whole.times)


async def test_what_may_have_been_applied_is_told_to_all_attempts_after_it(clock: FakeClock) -> None:
    """A refusal does not undo it; whoever goes on elsewhere, and whoever gets the last error, is told too."""
    told: list[bool] = []
    failures = iter([busy(1.0), ServerError(message="500", retryable=True, maybe_applied=True)])

    async def attempt(progress: Progress) -> str:
        told.append(progress.maybe_applied)
        raise next(failures, None) or busy(1.0)

    with pytest.raises(RateLimitError) as caught:
        await retrying(clock, max_attempts=4).run(attempt, name="x")
    assert (told, caught.value.maybe_applied) == ([False, False, True, True], True)
    with pytest.raises(WaitNeeded) as pause:
        await retrying(clock).run(attempt, name="x", progress=Progress(maybe_applied=True), wait=False)
    assert pause.value.progress.maybe_applied


async def test_progress_of_an_earlier_run_is_honoured(clock: FakeClock) -> None:
    """The next attempt waits for its moment, keeps the number and the old deadline."""
    progress = Progress(attempts=2, deadline=NOW + 50, resume_at=NOW + 5)
    attempt = Attempts(clock, busy(60.0))
    with pytest.raises(RateLimitError) as caught:
        await retrying(clock).run(attempt, name="x", progress=progress)
    assert (attempt.numbers, clock.slept, caught.value.attempts) == ([3], [5.0], 3)


async def test_one_warning_for_each_wait(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    """It says which attempt of how many failed, why, and when the next one comes.

    The last failure is an error, and a success needs no words.
    """
    caplog.set_level(logging.DEBUG)
    until = "none after 22:18:20 UTC"
    attempt = Attempts(clock, busy(2.0), ConnectError(message="no route"), None)
    await retrying(clock, max_attempts=4).run(attempt, name="GET api/users [list]")
    with pytest.raises(ServerError):
        await retrying(clock, max_attempts=1).run(
            Attempts(clock, ServerError(message="m", status=500, retryable=True)), name="PUT api/x"
        )
    wait = f"{clock.slept[1]:.1f}"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"GET api/users [list]: attempt 1 of 4: busy; the next in 2.0 s, {until}"),
        ("WARNING", f"GET api/users [list]: attempt 2 of 4: no route; the next in {wait} s, {until}"),
    ]


def test_the_log_tells_no_secret_and_is_one_line(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    """What the backend says of a failure may repeat the key, and be long."""
    retry = replace(retrying(clock), hide=lambda text: text.replace("key-1", "***"))
    failure = ServerError(message=f"key-1\n{'x' * 1000}", status=500, retryable=True)
    asyncio.run(retry.run(Attempts(clock, failure, None), name="GET api/x"))
    (line,) = caplog.messages
    assert line.startswith("GET api/x: attempt 1 of 5: ***\\nxxx")
    assert len(line) < 400


@pytest.mark.parametrize(
    ("failure", "limits", "reason"),
    [
        (
            busy(600.0),
            {},
            "the wait of 600 s that the backend asks for, until 22:23:20 UTC, would end after max_elapsed",
        ),
        (
            ServerError(message="failed", status=500, retryable=True),
            {"max_elapsed": 0},
            "the next attempt would come after max_elapsed",
        ),
    ],
)
async def test_a_wait_that_is_too_long_is_told(
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    failure: MirrorDBError,
    limits: dict[str, Any],
    reason: str,
) -> None:
    """By the error alone: why there is none with attempts left, and when there may be one."""
    with pytest.raises(MirrorDBError) as raised:
        await retrying(clock, **limits).run(Attempts(clock, failure), name="GET api/x")
    limit = limits.get("max_elapsed", 300)
    assert raised.value.message.endswith(f"; {reason} ({limit} s)")
    assert caplog.messages == []


# -- the decorator -------------------------------------------------------------------------------


async def test_the_decorator_with_arguments(clock: FakeClock) -> None:
    """Arguments and result pass through, retryable failures are tried again, others are raised."""
    failures: list[MirrorDBError] = [busy(3.0), NotFoundError(message="gone")]

    @retry_with_exponential_backoff(
        policy=RetryPolicy(max_attempts=4), clock=clock.as_clock(rng=random.Random(1))
    )
    async def add(first: int, *, second: int) -> int:
        """Add."""
        if failures:
            raise failures.pop(0)
        return first + second

    with pytest.raises(NotFoundError) as caught:
        await add(1, second=2)
    assert (clock.slept, caught.value.attempts) == ([3.0], 2)
    assert await add(1, second=2) == 3
    assert (add.__name__, add.__doc__, inspect.iscoroutinefunction(add)) == ("add", "Add.", True)


async def test_the_decorator_bare(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments the defaults hold; the log names the function."""
    monkeypatch.setattr(SYSTEM_CLOCK.rng, "uniform", lambda _least, _most: 0.0)
    failures = [busy(0.0), busy(0.0), busy(0.0), busy(0.0)]

    @retry_with_exponential_backoff
    async def fetch() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    assert await fetch() == "done"
    assert "fetch: attempt 4 of 5: busy; the next in 0.0 s" in caplog.text
    failures[:] = [busy(0.0) for _ in range(9)]
    with pytest.raises(RateLimitError) as caught:
        await fetch()
    assert caught.value.attempts == 5


async def test_calls_of_a_decorated_function_do_not_share_their_count(clock: FakeClock) -> None:
    """Two calls at the same time have all their attempts each."""
    counts = {"a": 0, "b": 0}

    @retry_with_exponential_backoff(policy=RetryPolicy(max_attempts=3), clock=clock.as_clock())
    async def fail(who: str) -> None:
        counts[who] += 1
        raise busy(1.0)

    ends = await asyncio.gather(fail("a"), fail("b"), return_exceptions=True)
    assert counts == {"a": 3, "b": 3}
    assert [getattr(end, "attempts", None) for end in ends] == [3, 3]
