"""When a failed request is sent again, and after what wait. Pure but for the sleep."""

from __future__ import annotations

import functools
import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import ParamSpec, TypeVar, overload

from airflow_mirrordb.client.clock import SYSTEM_CLOCK, Clock
from airflow_mirrordb.client.errors import InvalidResponseError, MirrorDBError, ResponseError

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

#: Statuses that pass by themselves: timeout, too early, too many requests, and a backend in trouble.
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Longest wait that a backend is obeyed in, in seconds: no limit is known that is lifted more seldom than
#: once a day, and a watcher or a task would wait for a wrong one.
LONGEST_WAIT = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a failed request is sent again, and after what wait.

    Waits follow "full jitter" (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
    2015): anything between 0 and ``initial_delay * backoff_factor ** (failures - 1)``, at most
    ``max_delay``. A Retry-After of the backend wins over that (RFC 9110, section 10.2.3).

    :param max_attempts: requests in all, the first one included
    :param initial_delay: ceiling of the wait after the first failure, in seconds
    :param backoff_factor: how much the ceiling grows with each failure
    :param max_delay: longest wait of our own, in seconds
    :param max_elapsed: time from the first attempt after which no wait may end, in seconds
    :param statuses: HTTP statuses that are worth another attempt
    :raises ValueError: if the limits contradict each other
    """

    max_attempts: int = 5
    initial_delay: float = 1.0
    backoff_factor: float = 2.0
    max_delay: float = 60.0
    max_elapsed: float = 300.0
    statuses: frozenset[int] = RETRY_STATUSES

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts must be at least 1, not {self.max_attempts}")
        if not 0 < self.initial_delay <= self.max_delay:
            raise ValueError(f"initial_delay must be above 0 and at most max_delay ({self.max_delay:g} s)")
        if self.backoff_factor < 1:
            raise ValueError(f"backoff_factor must be at least 1, not {self.backoff_factor:g}")
        if self.max_elapsed < 0:
            raise ValueError(f"max_elapsed must be at least 0, not {self.max_elapsed:g}")

    def delay(self, failures: int, retry_after: float | None, rng: random.Random) -> float:
        """Return the wait in seconds before the next attempt."""
        if retry_after is not None:
            return retry_after
        try:
            ceiling = min(self.max_delay, self.initial_delay * self.backoff_factor ** (failures - 1))
        except OverflowError:  # as of 2.0 ** 1024
            ceiling = self.max_delay
        return rng.uniform(0, ceiling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a request has come; plain values, so that a worker can hand it to a trigger and back.

    :param attempts: requests sent so far
    :param deadline: unix time after which no wait may end; None until the first attempt begins
    :param resume_at: unix time before which the next request must not be sent
    :param cut_off: attempts that were ended before their ``timeout``; they do not count as failed
    :param maybe_applied: whether the backend may have applied the write by one of these attempts; it alone
        says what a later 404, 409 or 412 means
    """

    attempts: int = 0
    deadline: float | None = None
    resume_at: float = 0.0
    cut_off: int = 0
    maybe_applied: bool = False


class WaitNeeded(Exception):  # noqa: N818  # no error: the request goes on elsewhere
    """The next attempt is due only after a wait which the caller wanted to do itself.

    :param progress: what the next attempt starts from
    :param error: why the last attempt failed
    """

    def __init__(self, progress: Progress, error: MirrorDBError) -> None:
        super().__init__(progress, error)
        self.progress, self.error = progress, error


@dataclass(frozen=True, kw_only=True)
class Retrying:
    """Repeats an attempt as the policy says.

    :param policy: the limits
    :param clock: what it tells the time by, waits with, and draws the jitter from
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Clock = SYSTEM_CLOCK

    async def run(
        self,
        attempt: Callable[[Progress], Awaitable[T]],
        *,
        name: object,
        progress: Progress | None = None,
        wait: bool = True,
    ) -> T:
        """Return the first success of ``attempt``, which gets what came of the attempts before it.

        :param name: what is attempted; made into text only where something is logged
        :param progress: where an earlier run left off
        :param wait: False to raise :class:`WaitNeeded` where a wait is due; the one that ``progress`` brings
            is always slept
        :raises MirrorDBError: the last failure, with the number of attempts and whether one of them may
            have been applied, once it is not retryable or the limits are reached
        :raises WaitNeeded: see ``wait``
        """
        progress = progress or Progress()
        if progress.deadline is None:
            progress = replace(progress, deadline=self.clock.time() + self.policy.max_elapsed)
        await self._sleep_until(progress.resume_at)
        while True:
            number = progress.attempts + 1
            try:
                return await attempt(progress)
            except MirrorDBError as error:
                error.attempts = number
                error.maybe_applied |= progress.maybe_applied
                delay, outcome = self._after(error, progress)
                self._log(str(name), error, outcome, self.policy.max_attempts + progress.cut_off)
                if delay is None:
                    raise
                progress = replace(
                    progress,
                    attempts=number,
                    resume_at=self.clock.time() + delay,
                    maybe_applied=error.maybe_applied,
                )
                if not wait:
                    raise WaitNeeded(progress, error) from error
            await self._sleep_until(progress.resume_at)

    def _after(self, error: MirrorDBError, progress: Progress) -> tuple[float | None, str]:
        """Return the wait before the next attempt, or None if there is none, and in words what comes.

        An error after which a next attempt would come too late gets the reason in its message.
        """
        if not error.retryable or error.attempts >= self.policy.max_attempts + progress.cut_off:
            return None, "giving up"
        asked = getattr(error, "retry_after", None)
        delay = self.policy.delay(error.attempts, asked, self.clock.rng)
        if progress.deadline is None or self.clock.time() + delay <= progress.deadline:
            return delay, f"next attempt in {delay:.2f} s"
        wait = "the next attempt" if asked is None else f"the wait of {asked:.0f} s that the backend asks for"
        reason = f"{wait} would end after max_elapsed ({self.policy.max_elapsed:g} s)"
        error.message += f"; {reason}"
        return None, f"giving up: {reason}"

    async def _sleep_until(self, moment: float) -> None:
        if (seconds := moment - self.clock.time()) > 0:
            await self.clock.sleep(seconds)

    def _log(self, name: str, error: MirrorDBError, outcome: str, limit: int) -> None:
        status = error.status if isinstance(error, ResponseError | InvalidResponseError) else None
        reason = status or type(error).__name__
        log.warning("%s: attempt %d of %d failed with %s; %s", name, error.attempts, limit, reason, outcome)


@overload
def retry_with_exponential_backoff(function: Callable[P, Awaitable[T]], /) -> Callable[P, Awaitable[T]]: ...
@overload
def retry_with_exponential_backoff(
    *,
    policy: RetryPolicy | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]: ...
def retry_with_exponential_backoff(
    function: Callable[P, Awaitable[T]] | None = None,
    /,
    *,
    policy: RetryPolicy | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Callable[..., object]:
    """Decorate a coroutine function so that its retryable failures are tried again.

    A failure is retryable when it is a :class:`MirrorDBError` that says so; its ``retry_after``
    wins over the computed wait. Anything else is raised at once. The client's own requests are
    retried already: decorate what is made of several, or what raises these errors itself.

    Warning: the function runs again from its beginning. What it does must be safe to repeat.

    :param policy: the limits; the defaults of :class:`RetryPolicy` if None
    :param clock: what it tells the time by, waits with, and draws the jitter from
    :raises MirrorDBError: the last failure, with the number of attempts
    """
    retrying = Retrying(policy=policy or RetryPolicy(), clock=clock)

    def decorate(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(function)
        async def retried(*args: P.args, **kwargs: P.kwargs) -> T:
            return await retrying.run(lambda _progress: function(*args, **kwargs), name=function.__qualname__)

        return retried

    return decorate if function is None else decorate(function)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that an answer asks us to wait, or None if it does not say.

    ``Retry-After`` is a number of seconds or an HTTP-date (RFC 9110, section 10.2.3), or from some limiters
    unix time. A moment in the past means now; what cannot be read, as a number below 0, counts as absent.
    Whoever obeys it, as a watcher or a task, may wait for as long: more than :data:`LONGEST_WAIT` counts as
    that.

    :param now: unix time in seconds
    """
    value = headers.get("Retry-After", "").strip()
    number = _number(value)
    if number is not None and number < 0:
        return None
    seconds = _seconds_until(value, now) if number is None else _from_unix_time(number, now)
    return min(max(0.0, seconds), LONGEST_WAIT) if math.isfinite(seconds) else None


def rate_limit_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until a limit that was reached is lifted, or None if the answer does not say.

    ``RateLimit-Reset`` is a number of seconds (draft-ietf-httpapi-ratelimit-headers-07, section 5.4);
    ``X-RateLimit-Reset`` is that, or unix time in seconds or milliseconds. A moment in the past is no
    help, and counts as absent; more than :data:`LONGEST_WAIT` counts as that.

    :param now: unix time in seconds
    """
    value = headers.get("RateLimit-Reset") or headers.get("X-RateLimit-Reset") or ""
    number = _number(value.strip())
    if number is None:
        return None
    seconds = _from_unix_time(number, now)
    return min(seconds, LONGEST_WAIT) if seconds > 0 and math.isfinite(seconds) else None


def back_off(headers: Mapping[str, str]) -> float | None:
    """Return the seconds for which ``Backoff`` asks all requests to stay away, or None.

    Kinto and others send it with answers of any status, as "Backoff: 7".
    """
    value = headers.get("Backoff")
    seconds = None if value is None else _number(value.strip())
    return seconds if seconds is not None and 0 < seconds < math.inf else None


_FIRST_UNIX_TIME = 1e9  # a larger number of seconds is a moment, from September 2001 on


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _from_unix_time(seconds: float, now: float) -> float:
    """Return seconds from now on; so large a number is unix time, in seconds or milliseconds."""
    if seconds >= _FIRST_UNIX_TIME * 1000:
        seconds /= 1000
    return seconds - now if seconds >= _FIRST_UNIX_TIME else seconds


def _seconds_until(date: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() - now
    except (ValueError, OverflowError):
        return math.nan
