"""What one poll of a resource means: whether its condition is met, and when the next poll is. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.errors.failure_words import words_of_failure
from airflow_mirrordb.client.errors import (
    FailedStateError,
    MirrorDBError,
    NotReadyError,
    RefusedError,
    ResponseError,
    one_line,
)
from airflow_mirrordb.client.jobs.findings import found_in
from airflow_mirrordb.client.messages.response import GONE, MirrorDBResponse
from airflow_mirrordb.client.retries.wait_headers import retry_after
from airflow_mirrordb.conditions import Condition
from airflow_mirrordb.paths import ABSENT

Classes = tuple[type[Exception], ...]

#: Characters of a value that are told, and among which secrets are looked for, so that none is cut there.
MAX_SHOWN = 200
MAX_HIDDEN = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PollState:
    """What a sensor remembers of its polls; plain values.

    :param failures: polls in a row that failed in passing
    :param first: the :meth:`Condition.fingerprint` of the body that was seen first
    :param seen: whether the resource was there, or on the way
    """

    failures: int = 0
    first: str | None = None
    seen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What one poll at a resource brought.

    :param state: what to remember
    :param found: what there was, for the log
    :param response: the answer that met the condition, if one did
    :param wait: seconds that the backend asked us to stay away
    """

    state: PollState
    found: str
    response: MirrorDBResponse | None = None
    wait: float = 0.0

    @property
    def in_vain(self) -> str:
        """What is told of a sensor whose last poll this was."""
        return f"not met in time; at last: {self.found}"

    def next_wait(self, poke_interval: float, left: float) -> float:
        """Return the seconds to the next poll.

        The last poll is the first one that comes after the time-out, as with any sensor.

        :param poke_interval: shortest wait, in seconds
        :param left: seconds to the time-out
        :raises WaitOverError: if there is no next poll
        """
        if left < 0:
            raise WaitOverError(self.in_vain)
        if self.wait > max(left, poke_interval):
            raise WaitOverError(
                f"not met in time: {left:.0f} s are left, and the backend asked to stay"
                f" away for {self.wait:.0f} s; at last: {self.found}"
            )
        return max(poke_interval, self.wait)


class WaitOverError(Exception):
    """A sensor timed out."""


def judge(
    outcome: MirrorDBResponse | MirrorDBError,
    condition: Condition,
    state: PollState,
    *,
    max_failures: int | None,
    now: float,
    function: Callable[[Any], object] | None = None,
    decisions: Classes = (),
    setbacks: Classes = (),
    hide: Callable[[str], str] = str,
) -> PollResult:
    """Return what a poll means.

    :param outcome: what one attempt brought
    :param state: what is remembered of the polls before
    :param max_failures: failures in a row that are too many; None if none are
    :param now: unix time, for a Retry-After that is a date
    :param function: the condition's function, where the caller has it already
    :param decisions: classes of what the function may raise that is raised as it is
    :param setbacks: classes of what it may raise, beside those, that only says "not yet"
    :param hide: takes secrets out of what is told of a body
    :raises FailedStateError: if the resource will never fulfil the condition
    :raises MirrorDBError: the outcome itself, if it is permanent or one too many; or the function failed
    :raises Exception: a decision of the function
    """
    if isinstance(outcome, MirrorDBResponse):
        raised = (decisions, setbacks)
        return _judge_answer(outcome, condition, state, function, now=now, raised=raised, hide=hide)
    if isinstance(outcome, RefusedError) and outcome.response is not None:
        _refuse_failed(condition, outcome, hide)
    if isinstance(outcome, ResponseError) and (
        isinstance(outcome, NotReadyError) or outcome.status in (*GONE, *condition.not_yet)
    ):
        is_gone = condition.gone and outcome.status in GONE
        return PollResult(
            state=replace(state, failures=0, seen=state.seen or isinstance(outcome, NotReadyError)),
            found=f"{outcome.message}{_asked_for(outcome)}",
            response=_nothing(outcome) if is_gone else None,
            wait=outcome.retry_after or 0.0,
        )
    return _judge_failure(outcome, state, max_failures)


def _judge_answer(
    response: MirrorDBResponse,
    condition: Condition,
    state: PollState,
    function: Callable[[Any], object] | None,
    *,
    now: float,
    raised: tuple[Classes, Classes],
    hide: Callable[[str], str],
) -> PollResult:
    """Return what an answer means; arguments and errors are those of :func:`judge`.

    :param raised: ``decisions`` and ``setbacks``
    """
    body, (decisions, setbacks) = response.data, raised
    try:
        state = PollState(first=state.first or condition.fingerprint(body), seen=True)
        failed = condition.failed_state(body)
        holds = failed is ABSENT and condition.holds(body, state.first, function)
    except decisions:
        raise
    except setbacks as error:
        return PollResult(state=state, found=hide(f"the condition raised {_told(error)}"))
    except Exception as error:
        message = hide(f"the condition could not be judged: {_told(error)}")
        raise MirrorDBError(message=message) from error
    if failed is not ABSENT:
        raise _failed(condition, failed, words_of_failure(response.body), hide)
    told = hide(found_in(condition, body, lambda value: shown(value, hide)))
    if holds:
        met = told if condition.function is None else ""
        return PollResult(state=state, found=_joined(response, met), response=response)
    found = _joined(response, told)
    return PollResult(state=state, found=found, wait=retry_after(response.headers, now) or 0.0)


def _asked_for(error: ResponseError) -> str:
    """Return which URL was asked for, where nothing is: its path may be wrong."""
    url = getattr(error, "url", None)
    return f" (asked for {one_line(url)})" if url else ""


def _joined(response: MirrorDBResponse, told: str) -> str:
    return f"answered {response.status}{', ' if told else ''}{told}"


def _judge_failure(error: MirrorDBError, state: PollState, max_failures: int | None) -> PollResult:
    """Return what a failure means that may pass.

    :raises MirrorDBError: the error itself, if it is permanent or one too many
    """
    if not error.retryable:
        raise error
    wait = getattr(error, "retry_after", None) or 0.0
    is_paused = error.attempts == 0 and wait > 0  # nothing was sent, and the wait is known
    failures = state.failures + (not is_paused)
    if max_failures is not None and failures >= max_failures:
        error.attempts = failures
        if failures > 1:
            error.message += "; polls failed max_failures times in a row"
        raise error
    state = replace(state, failures=failures)
    return PollResult(state=state, found=error.message, wait=wait)


def _refuse_failed(condition: Condition, refused: RefusedError, hide: Callable[[str], str]) -> None:
    """Check that an answer whose body tells of an error is not that of a resource that failed.

    :raises FailedStateError: if it is, with what the error says
    """
    try:
        failed = condition.failed_state(refused.response.data)
    except ValueError:  # nothing of what is waited for is there
        return
    if failed is not ABSENT:
        raise _failed(condition, failed, refused.detail, hide) from refused


def _failed(condition: Condition, state: Any, words: str, hide: Callable[[str], str]) -> FailedStateError:
    """Return the error of a resource that failed.

    :param words: what its body says of that
    """
    detail = hide(words)
    told = f"{condition.field} is {shown(state, hide)}, so what is waited for will not come"
    return FailedStateError(
        message=f"{told}: {detail}" if detail else told,
        field=condition.field or "",
        state=_hidden(state, hide),
        detail=detail,
    )


def shown(value: Any, hide: Callable[[str], str]) -> str:
    """Return a value of a body as it may be told: in at most 200 characters, without secrets."""
    return hide(shortened(repr(value), MAX_HIDDEN))[:MAX_SHOWN]


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    """Return a value of a body without secrets."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {hide(name): _hidden(item, hide) for name, item in value.items()}
    return [_hidden(item, hide) for item in value] if isinstance(value, list) else value


def _told(error: Exception) -> str:
    """Return the name of an error's class and its text, or the name alone if that text cannot be made."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:  # noqa: BLE001  # code of the author's
        return name


def _nothing(error: ResponseError) -> MirrorDBResponse:
    return MirrorDBResponse(
        status=error.status,
        headers={},
        data=None,
        body=None,
        size=0,
        etag=None,
        request_id=error.request_id,
        attempts=1,
        elapsed=0.0,
    )
