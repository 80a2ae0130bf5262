"""The trigger of a sensor, and what it shares with the worker: how one look is judged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict

from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_mirrordb.client.errors import MirrorDBError, ResponseError
from airflow_mirrordb.client.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.response import MirrorDBResponse
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.sharing import SharedClient
from airflow_mirrordb.task.conditions import Condition
from airflow_mirrordb.task.control_flow import DECISIONS, RaisedEvent, raised_event
from airflow_mirrordb.task.serialization import to_text
from airflow_mirrordb.triggers.mirrordb import (
    MAX_EVENT_BYTES,
    SuccessEvent,
    check_size,
    event_of,
    given,
    success_event,
)

log = logging.getLogger(__name__)


class TimeoutEvent(TypedDict):
    """The condition was not met in time."""

    status: Literal["timeout"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollState:
    """What a sensor remembers of its looks; plain values.

    :param failures: looks in a row that failed in passing
    :param first: the :meth:`Condition.fingerprint` of the body that was seen first
    """

    failures: int = 0
    first: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What one look at a resource brought.

    :param watch: what to remember
    :param found: what there was, for the log
    :param response: the answer that met the condition, if one did
    :param wait: seconds that the backend asked us to stay away
    """

    watch: PollState
    found: str
    response: MirrorDBResponse | None = None
    wait: float = 0.0

    def next_wait(self, poke_interval: float, left: float) -> float:
        """Return the seconds to the next look.

        The last look is the first one that comes after the time-out, as with any sensor.

        :param poke_interval: shortest wait, in seconds
        :param left: seconds to the time-out
        :raises WaitOverError: if there is no next look
        """
        if left < 0:
            raise WaitOverError(f"the condition was not met in time; at last: {self.found}")
        if self.wait > max(left, poke_interval):
            raise WaitOverError(
                f"the condition will not be met in time: {left:.0f} s are left, and the backend asked to stay"
                f" away for {self.wait:.0f} s; at last: {self.found}"
            )
        return max(poke_interval, self.wait)


class WaitOverError(Exception):
    """A sensor timed out."""


def judge(
    outcome: MirrorDBResponse | MirrorDBError,
    condition: Condition,
    watch: PollState,
    *,
    max_failures: int | None,
    function: Callable[[Any], object] | None = None,
) -> PollResult:
    """Return what a look means.

    :param outcome: what one attempt brought
    :param watch: what is remembered of the looks before
    :param max_failures: failures in a row that are too many; None if none are
    :param function: the condition's function, where the caller has it already
    :raises MirrorDBError: the outcome itself, if it is permanent or one too many; or the function failed
    :raises AirflowException: what the function raised, but for one that is no decision where no number of
        failures is too many
    """
    if isinstance(outcome, MirrorDBResponse):
        body = outcome.data
        watch = PollState(first=watch.first or condition.fingerprint(body))
        try:
            holds = condition.holds(body, watch.first, function)
        except AirflowException as error:
            if max_failures is not None or isinstance(error, DECISIONS):
                raise
            return PollResult(watch=watch, found=f"the condition raised {_told(error)}")
        except Exception as error:
            message = f"the condition could not be judged: {_told(error)}"
            raise MirrorDBError(message=message) from error
        found = ", ".join(filter(None, (f"answered {outcome.status}", condition.seen(body))))
        return PollResult(watch=watch, found=found, response=outcome if holds else None)
    if isinstance(outcome, ResponseError) and outcome.status in missing_statuses(condition):
        return PollResult(
            watch=replace(watch, failures=0),
            found=str(outcome),
            response=_nothing(outcome) if condition.gone else None,
        )
    if not outcome.retryable:
        raise outcome
    failures = watch.failures + (outcome.attempts > 0)  # 0: the connection is paused, nothing was sent
    if max_failures is not None and failures >= max_failures:
        outcome.attempts = failures
        raise outcome
    return PollResult(
        watch=replace(watch, failures=failures),
        found=str(outcome),
        wait=getattr(outcome, "retry_after", None) or 0.0,
    )


def _told(error: Exception) -> str:
    """Return the name of an error's class and its text, or the name alone if that text cannot be made."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:  # noqa: BLE001  # code of the author's
        return name


def missing_statuses(condition: Condition) -> set[int]:
    """Return what says that a resource is not there; 410 says that it will not come either."""
    return {404, 410} if condition.gone else {404}


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


class MirrorDBSensorTrigger(BaseTrigger):
    """Looks at a resource until a condition is met, and fires one event.

    The event is a :class:`SuccessEvent`, a :class:`TimeoutEvent`, an :class:`ErrorEvent`, or a
    :class:`~airflow_mirrordb.task.control_flow.RaisedEvent` of what the condition raised; the trigger
    never raises. Between the end of a look and the next one are at least ``poke_interval`` seconds,
    whatever the answer was, and more if the backend asks for more. A trigger that starts after
    ``resume_at`` may be the successor of one whose triggerer died, and waits ``poke_interval`` first.
    Such a successor knows what is in its arguments: the deadline and the value that the worker saw
    first. It counts failures anew, and knows of no Retry-After that its predecessor met.

    The arguments are stored in clear text, and hold no secret of the connection.

    :param mirrordb_conn_id: id of a connection of type ``mirrordb``
    :param request: the fields of :class:`~airflow_mirrordb.client.MirrorDBRequest`, or their text
    :param condition: the fields of :class:`~airflow_mirrordb.task.conditions.Condition`, or their text
    :param watch: the fields of :class:`PollState`, or their text
    :param poke_interval: shortest wait between two looks, in seconds
    :param resume_at: unix time before which there must be no look
    :param deadline: unix time of the time-out; the first look after it is the last one
    :param max_failures: failures in a row that end it; None if none do
    :param max_event_bytes: largest answer that is put into the event, in bytes
    :param operator: name of the operator, for the User-Agent
    """

    # for tests, which do not wait
    clock: Callable[[], float] = staticmethod(time.time)
    sleep: Callable[[float], Awaitable[None]] = staticmethod(asyncio.sleep)

    def __init__(
        self,
        mirrordb_conn_id: str = MirrorDBHook.default_conn_name,
        request: Mapping[str, Any] | str | None = None,
        condition: Mapping[str, Any] | str | None = None,
        watch: Mapping[str, Any] | str | None = None,
        poke_interval: float = 60.0,
        resume_at: float = 0.0,
        deadline: float = 0.0,
        max_failures: int | None = 5,
        max_event_bytes: int = MAX_EVENT_BYTES,
        operator: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mirrordb_conn_id = mirrordb_conn_id
        self.request = given(request)
        self.condition = given(condition)
        self.watch = given(watch)
        self.poke_interval = poke_interval
        self.resume_at = resume_at
        self.deadline = deadline
        self.max_failures = max_failures
        self.max_event_bytes = max_event_bytes
        self.operator = operator

    def serialize(self) -> tuple[str, dict[str, Any]]:
        texts = {name: to_text(getattr(self, name)) for name in ("request", "condition", "watch")}
        names = (
            "mirrordb_conn_id",
            "poke_interval",
            "resume_at",
            "deadline",
            "max_failures",
            "max_event_bytes",
            "operator",
        )
        return f"{__name__}.{type(self).__name__}", {
            **texts,
            **{name: getattr(self, name) for name in names},
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield await event_of(self._watched())

    async def _watched(self) -> SuccessEvent | TimeoutEvent | RaisedEvent:
        request, condition = MirrorDBRequest(**self.request), Condition(**self.condition)
        watch = PollState(**self.watch)
        log.info(
            "Sending %s %s [%s] through connection %s every %g s",
            request.method,
            request.endpoint,
            request.method_name,
            self.mirrordb_conn_id,
            self.poke_interval,
        )
        wait = self._first_wait()
        async with SharedClient(self.mirrordb_conn_id, self.operator) as client:
            while True:
                await self.sleep(wait)
                try:
                    outcome: MirrorDBResponse | MirrorDBError = await client.request(request, once=True)
                except MirrorDBError as error:
                    outcome = error
                try:
                    look = await self._judge(outcome, request, condition, watch)
                except AirflowException as decision:
                    return raised_event(decision)
                if look.response is not None:
                    log.info("The condition is met")
                    event = success_event(look.response, request)
                    check_size(event, self.max_event_bytes)
                    return event
                try:
                    wait = look.next_wait(self.poke_interval, self.deadline - self.clock())
                except WaitOverError as over:
                    log.info("Not met yet: %s; no next look", look.found)
                    return TimeoutEvent(status="timeout", message=str(over))
                log.info("Not met yet: %s; next look in %g s", look.found, wait)
                watch = look.watch

    def _first_wait(self) -> float:
        until_start = self.resume_at - self.clock()
        return until_start if until_start >= 0 else self.poke_interval

    async def _judge(
        self,
        outcome: MirrorDBResponse | MirrorDBError,
        request: MirrorDBRequest,
        condition: Condition,
        watch: PollState,
    ) -> PollResult:
        # a function of the author's may take its time, which the loop has not
        judging = sync_to_async(judge, thread_sensitive=False) if condition.function else _judge_here
        try:
            return await judging(outcome, condition, watch, max_failures=self.max_failures)
        except TaskDeferred as deferred:
            message = "the condition deferred the task, which it can only on a worker: set deferrable=False"
            raise attach_request(MirrorDBError(message=message), request) from deferred
        except MirrorDBError as error:
            raise attach_request(error, request) from error.__cause__


async def _judge_here(*arguments: Any, **options: Any) -> PollResult:
    return judge(*arguments, **options)
