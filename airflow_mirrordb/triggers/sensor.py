"""The trigger of a sensor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_mirrordb.client.errors import MirrorDBError
from airflow_mirrordb.client.jobs.polls import PollResult, PollState, WaitOverError
from airflow_mirrordb.client.messages.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.compat import logger_of_airflow
from airflow_mirrordb.conditions import Condition
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.sharing import SharedClient
from airflow_mirrordb.task.arguments import MAX_EVENT_BYTES
from airflow_mirrordb.task.control_flow import RaisedEvent, raised_event
from airflow_mirrordb.task.memory.stored_arguments import StoredArguments, given, restored
from airflow_mirrordb.task.outcomes.events import (
    SuccessEvent,
    TimeoutEvent,
    check_size,
    event_of,
    success_event,
)
from airflow_mirrordb.task.outcomes.log_lines import level_of, name_of, not_met
from airflow_mirrordb.task.outcomes.polls import judge

log = logger_of_airflow(__name__)


class MirrorDBSensorTrigger(StoredArguments, BaseTrigger):
    """Polls a resource until a condition is met, and fires one event.

    The event is a :class:`SuccessEvent`, a :class:`TimeoutEvent`, an :class:`ErrorEvent`, or a
    :class:`~airflow_mirrordb.task.control_flow.RaisedEvent` of what the condition raised; the
    trigger never raises. Between the end of a poll and the next one are at least ``poke_interval`` seconds,
    whatever the answer was, and more if the backend asks for more. A trigger that starts after
    ``resume_at`` may be the successor of one whose triggerer died, and waits ``poke_interval`` first.
    Such a successor knows what is in its arguments: the deadline and the value that the worker saw
    first. It counts failures anew, and knows of no Retry-After that its predecessor met.

    The arguments are stored in clear text, and hold no secret of the connection.

    :param mirrordb_conn_id: id of a connection of type ``mirrordb``
    :param request: the fields of :class:`~airflow_mirrordb.client.MirrorDBRequest`, or their text
    :param condition: the fields of :class:`~airflow_mirrordb.conditions.Condition`, or their text
    :param state: the fields of :class:`PollState`, or their text
    :param poke_interval: shortest wait between two polls, in seconds
    :param resume_at: unix time before which there must be no poll
    :param deadline: unix time of the time-out; the first poll after it is the last one
    :param max_failures: failures in a row that end it; None if none do
    :param max_event_bytes: largest answer that is put into the event, in bytes
    :param operator: name of the operator, for the User-Agent
    """

    fields_of_arguments: ClassVar[Mapping[str, type]] = {
        "request": MirrorDBRequest,
        "condition": Condition,
        "state": PollState,
    }

    # for tests, which do not wait
    clock: Callable[[], float] = staticmethod(time.time)
    sleep: Callable[[float], Awaitable[None]] = staticmethod(asyncio.sleep)

    def __init__(
        self,
        mirrordb_conn_id: str = MirrorDBHook.default_conn_name,
        request: Mapping[str, Any] | str | None = None,
        condition: Mapping[str, Any] | str | None = None,
        state: Mapping[str, Any] | str | None = None,
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
        self.state = given(state)
        self.poke_interval = poke_interval
        self.resume_at = resume_at
        self.deadline = deadline
        self.max_failures = max_failures
        self.max_event_bytes = max_event_bytes
        self.operator = operator

    def event(self) -> Awaitable[TriggerEvent]:
        return event_of(self._poll_until_met())

    async def _poll_until_met(self) -> SuccessEvent | TimeoutEvent | RaisedEvent:
        request, condition = restored(MirrorDBRequest, self.request), restored(Condition, self.condition)
        state = restored(PollState, self.state)
        name, wait = name_of(request, self.mirrordb_conn_id), self._first_wait()
        async with await SharedClient.of(self.mirrordb_conn_id, self.operator) as client:
            while True:
                await self.sleep(wait)
                try:
                    outcome: MirrorDBResponse | MirrorDBError = await client.request(
                        request, single_attempt=True
                    )
                except MirrorDBError as error:
                    outcome = error
                try:
                    result = await self._judge(outcome, request, condition, state, client.without_secrets)
                except AirflowException as decision:
                    return raised_event(decision)
                if result.response is not None:
                    log.info("%s: Met: %s", name, result.found)
                    event = success_event(result.response, request)
                    check_size(event, self.max_event_bytes)
                    return event
                try:
                    wait = result.next_wait(self.poke_interval, self.deadline - self.clock())
                except WaitOverError as over:
                    log.log(level_of(result), "%s: %s; no further poll", name, not_met(result))
                    return TimeoutEvent(status="timeout", message=str(over))
                log.log(level_of(result), "%s: %s; next poll in %.1f s", name, not_met(result), wait)
                state = result.state

    def _first_wait(self) -> float:
        until_start = self.resume_at - self.clock()
        return until_start if until_start >= 0 else self.poke_interval

    async def _judge(
        self,
        outcome: MirrorDBResponse | MirrorDBError,
        request: MirrorDBRequest,
        condition: Condition,
        state: PollState,
        hide: Callable[[str], str],
    ) -> PollResult:
        # a function of the author's may take its time, which the loop has not
        judging = sync_to_async(judge, thread_sensitive=False) if condition.function else _judge_here
        try:
            return await judging(
                outcome, condition, state, max_failures=self.max_failures, now=self.clock(), hide=hide
            )
        except TaskDeferred as deferred:
            message = "the condition deferred the task, which it can only on a worker: set deferrable=False"
            raise attach_request(MirrorDBError(message=message), request) from deferred
        except MirrorDBError as error:
            raise attach_request(error, request) from error.__cause__


async def _judge_here(*arguments: Any, **options: Any) -> PollResult:
    return judge(*arguments, **options)
