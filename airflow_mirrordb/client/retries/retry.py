"""When a failed request is sent again, and after what wait. Pure but for the sleep."""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar, overload

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.clock import SYSTEM_CLOCK, Clock
from airflow_mirrordb.client.errors import (
    ConflictError,
    InvalidResponseError,
    MirrorDBError,
    NotReadyError,
    RateLimitError,
    ResponseError,
    one_line,
)
from airflow_mirrordb.client.values import value_class

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

#: Statuses that are worth another attempt: timeout, too early, too many requests, a backend in trouble, and
#: what gateways say of one: 520 to 530 are Cloudflare's ("Cloudflare 5xx errors").
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 531)})
#: Statuses by which a backend says that it did not even try.
NOT_APPLIED_STATUSES = frozenset({425, 429})
#: The least part of its ceiling that the wait after a 429 takes whose sender says no time. With the defaults
#: five attempts take 11 s at least, and so outlive a limit that is counted anew every 10 s.
LEAST_SHARE = 0.75
#: Characters of what an error says, in a line of the log.
MAX_WORDS = 300
HALF_A_DAY = 12 * 3600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a failed request is sent again, and after what wait.

    Waits follow "full jitter" (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
    2015): anything between 0 and ``initial_delay * backoff_factor ** (failures - 1)``, at most
    ``max_delay``. If the backend asks for more, as by Retry-After (RFC 9110, section 10.2.3), it is that.
    After a 429 that asks for nothing the wait is at least :data:`LEAST_SHARE` of that most: nobody knows
    when the limit is lifted, but it is a limit.

    :param max_attempts: requests in all, the first one included
    :param initial_delay: ceiling of the wait after the first failure, in seconds
    :param backoff_factor: how much the ceiling grows with each failure
    :param max_delay: longest wait of our own, in seconds
    :param max_elapsed: time from the first attempt after which no wait may end, in seconds
    :param statuses: HTTP statuses that are worth another attempt, also if the backend names no time
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

    def delay(
        self, failures: int, retry_after: float | None, rng: random.Random, *, limited: bool = False
    ) -> float:
        """Return the wait in seconds before the next attempt.

        :param retry_after: what the backend asks for; 0, as a date that has passed, shortens no wait
        :param limited: whether the last attempt failed with 429
        """
        try:
            ceiling = min(self.max_delay, self.initial_delay * self.backoff_factor ** (failures - 1))
        except OverflowError:  # as of 2.0 ** 1024
            ceiling = self.max_delay
        least = LEAST_SHARE * ceiling if limited and not retry_after else 0.0
        return max(rng.uniform(least, ceiling), retry_after or 0.0)

    def repeats(self, error: MirrorDBError) -> bool:
        """Whether a request is sent again, by its client, after an error that may pass.

        It is, but for two that are left to the caller, who can wait for longer: a status that is not one of
        ``statuses``, if the backend does not say when to come back; and an answer that should be JSON and is
        not, which more often has a wrong URL as its reason. (A conflict that may pass is one with an attempt
        of the request's own.)
        """
        if isinstance(error, NotReadyError | ConflictError):
            return True
        if isinstance(error, ResponseError):
            return error.status in self.statuses or error.retry_after is not None
        return not isinstance(error, InvalidResponseError)


@value_class
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


@value_class
class Retrying:
    """Repeats an attempt as the policy says.

    :param policy: the limits
    :param clock: what it tells the time by, waits with, and draws the jitter from
    :param repeats: whether to go on after an error that is retryable; None to do so after each
    :param hide: takes secrets out of what an error says, for the log
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Clock = SYSTEM_CLOCK
    repeats: Callable[[MirrorDBError], bool] | None = None
    hide: Callable[[str], str] = str

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
        if progress.resume_at:
            await self._sleep_until(progress.resume_at)
        while True:
            number = progress.attempts + 1
            try:
                return await attempt(progress)
            except MirrorDBError as error:
                error.attempts = number
                error.maybe_applied |= progress.maybe_applied
                delay = self._delay_after(error, progress)
                if delay is None:  # which is told by the error
                    raise
                self._log(str(name), error, delay, progress)
                progress = replace(
                    progress,
                    attempts=number,
                    resume_at=self.clock.time() + delay,
                    maybe_applied=error.maybe_applied,
                )
                if not wait:
                    raise WaitNeeded(progress, error) from error
            await self._sleep_until(progress.resume_at)

    def _delay_after(self, error: MirrorDBError, progress: Progress) -> float | None:
        """Return the wait before the next attempt, or None if there is none.

        An error after which a next attempt would come too late gets that in its message.
        """
        if not error.retryable or error.attempts >= self.policy.max_attempts + progress.cut_off:
            return None
        if self.repeats is not None and not self.repeats(error):
            return None
        asked = getattr(error, "retry_after", None)
        limited = isinstance(error, RateLimitError)
        delay = self.policy.delay(error.attempts, asked, self.clock.rng, limited=limited)
        now = self.clock.time()
        assert progress.deadline is not None  # noqa: S101  # run() set it
        if now + delay <= progress.deadline:
            return delay
        limit = f"max_elapsed ({self.policy.max_elapsed:g} s)"
        if asked and delay <= asked:
            error.message += (
                f"; the wait of {asked:.0f} s that the backend asks for, until {_time_of(now + asked, now)},"
                f" would end after {limit}"
            )
        else:
            error.message += f"; the next attempt would come after {limit}"
        return None

    async def _sleep_until(self, moment: float) -> None:
        if (seconds := moment - self.clock.time()) > 0:
            await self.clock.sleep(seconds)

    def _log(self, name: str, error: MirrorDBError, delay: float, progress: Progress) -> None:
        assert progress.deadline is not None  # noqa: S101  # run() set it
        log.warning(
            "%s: attempt %d of %d: %s; the next in %.1f s, none after %s",
            name,
            error.attempts,
            self.policy.max_attempts + progress.cut_off,
            shortened(self.hide(one_line(error.message)), MAX_WORDS),
            delay,
            _time_of(progress.deadline, self.clock.time()),
        )


def _time_of(moment: float, now: float) -> str:
    """Return a unix time as a person reads it: without its day, if that can only be this one."""
    form = "%H:%M:%S UTC" if moment - now < HALF_A_DAY else "%Y-%m-%d %H:%M:%S UTC"
    return time.strftime(form, time.gmtime(moment))


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
