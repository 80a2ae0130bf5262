"""What one poll of a resource means for those that come after it."""

from __future__ import annotations

import pytest

from airflow_mirrordb.client import RateLimitError
from airflow_mirrordb.client.jobs.polls import PollResult, PollState
from airflow_mirrordb.conditions import Condition
from airflow_mirrordb.task.outcomes.polls import judge


def not_sent(retry_after: float) -> RateLimitError:
    """Return the error of a poll whose turn did not come."""
    return RateLimitError(
        message="it was not sent", status=429, attempts=0, retryable=True, retry_after=retry_after
    )


def after(failures: int, error: RateLimitError, *, max_failures: int | None = 3) -> PollResult:
    return judge(error, Condition(), PollState(failures=failures), max_failures=max_failures, now=0.0)


def test_a_pause_is_no_failure() -> None:
    """The backend asked for it, and it is known when the next poll may come."""
    result = after(2, not_sent(30.0))
    assert (result.state.failures, result.wait) == (2, 30.0)


def test_a_connection_that_lets_no_poll_through_is_one() -> None:
    """Nobody knows when its turn would come: a sensor that only ever waits would starve unseen."""
    assert after(1, not_sent(0.0)).state.failures == 2
    with pytest.raises(RateLimitError, match="not sent"):
        after(2, not_sent(0.0))
    assert after(9, not_sent(0.0), max_failures=None).state.failures == 10
