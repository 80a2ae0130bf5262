"""Triggers with which a task begins, without a worker: they render their arguments, then do what others do.

Airflow makes them of what the task says in ``start_trigger_args``, gives them the task, and renders those
of their attributes that are template fields of it, by name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.compat import has_xcom_backend
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.task.arguments import MAX_EVENT_BYTES, condition_of, fields_of, poll_of, read_of
from airflow_mirrordb.task.checks import refuse_sensitive
from airflow_mirrordb.task.control_flow import RaisedEvent
from airflow_mirrordb.task.outcomes.events import SuccessEvent, TimeoutEvent, event_of, read_event
from airflow_mirrordb.task.outcomes.log_lines import name_of, waiting
from airflow_mirrordb.task.serialization import HALF_REPLACED, storable
from airflow_mirrordb.task.templates import RemembersTemplates
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from airflow_mirrordb.triggers.sensor import MirrorDBSensorTrigger

log = logging.getLogger(__name__)


class MirrorDBReadStartTrigger(RemembersTemplates, MirrorDBTrigger):
    """A read from its start; fires as :class:`MirrorDBTrigger` does, or ends the task.

    The successor of one whose triggerer died begins anew, with all attempts and the whole
    ``max_elapsed``.

    :param max_event_bytes: largest answer that is put into the event, in bytes
    :param end_from_trigger: whether a success ends the task here, where nothing of it needs a worker

    The other arguments are those of :class:`~airflow_mirrordb.operators.mirrordb.MirrorDBReadOperator`.
    """

    def __init__(
        self,
        mirrordb_conn_id: str = MirrorDBHook.default_conn_name,
        endpoint: Any = "",
        method_name: str | None = None,
        data: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        request_timeout: float | str | None = None,
        accept: str | None = None,
        full_response: bool | str = False,
        paginate: Mapping[str, Any] | None = None,
        output_path: str | None = None,
        max_event_bytes: int = MAX_EVENT_BYTES,
        end_from_trigger: bool = False,
    ) -> None:
        super().__init__(
            mirrordb_conn_id, max_event_bytes=max_event_bytes, output_path=output_path, may_be_file=True
        )
        self.endpoint = endpoint
        self.method_name = method_name
        self.data = data
        self.query = query
        self.headers = headers
        self.request_timeout = request_timeout
        self.accept = accept
        self.full_response = full_response
        self.paginate = paginate
        self.end_from_trigger = end_from_trigger

    async def event(self) -> TriggerEvent:
        return await _ended(self, await event_of(self._answer()))

    async def _answer(self) -> SuccessEvent:
        refuse_sensitive(self.headers, self.query)
        if not isinstance(self.endpoint, str):
            message = "endpoint: only a worker reads many; leave start_from_trigger"
            raise InvalidRequestError(message=message, field="endpoint")
        request = read_of(self, paginate=self.paginate)
        log.info("%s", name_of(request, self.mirrordb_conn_id))
        self.request = fields_of(request)
        return await super()._answer()


class MirrorDBSensorStartTrigger(RemembersTemplates, MirrorDBSensorTrigger):
    """A sensor from its start; fires as :class:`MirrorDBSensorTrigger` does, or ends the task.

    The successor of one whose triggerer died looks at once, and keeps the deadline; ``changed``
    compares with what it sees first.

    :param function: dotted path of the sensor's ``condition``
    :param timeout: seconds from the start to the time-out
    :param longest: seconds from the start to Airflow's own time-out of the trigger
    :param max_failures: failures in a row that end it; None if none do
    :param max_event_bytes: largest answer that is put into the event, in bytes
    :param end_from_trigger: whether a success ends the task here, where nothing of it needs a worker

    The other arguments are those of :class:`~airflow_mirrordb.sensors.mirrordb.MirrorDBSensor`.
    """

    #: set by the triggerer: when Airflow ends the trigger; the same for a successor
    timeout_after: datetime | None = None

    def __init__(
        self,
        mirrordb_conn_id: str = MirrorDBHook.default_conn_name,
        endpoint: str = "",
        method_name: str | None = None,
        data: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        request_timeout: float | str | None = None,
        accept: str | None = None,
        full_response: bool | str = False,
        gone: bool = False,
        field: str | None = None,
        equals: Any = None,
        is_in: Sequence[Any] | None = None,
        changed: bool = False,
        function: str | None = None,
        failed: Sequence[Any] | None = None,
        not_yet: Sequence[int | str] | str = (),
        poke_interval: float = 60.0,
        timeout: float = 0.0,
        longest: float = 0.0,
        max_failures: int | None = 5,
        max_event_bytes: int = MAX_EVENT_BYTES,
        end_from_trigger: bool = False,
    ) -> None:
        super().__init__(
            mirrordb_conn_id,
            poke_interval=poke_interval,
            max_failures=max_failures,
            max_event_bytes=max_event_bytes,
        )
        self.endpoint = endpoint
        self.method_name = method_name
        self.data = data
        self.query = query
        self.headers = headers
        self.request_timeout = request_timeout
        self.accept = accept
        self.full_response = full_response
        self.gone = gone
        self.field = field
        self.equals = equals
        self.is_in = is_in
        self.changed = changed
        self.function = function
        self.failed = failed
        self.not_yet = not_yet
        self.timeout, self.longest = timeout, longest
        self.end_from_trigger = end_from_trigger

    async def event(self) -> TriggerEvent:
        return await _ended(self, await event_of(self._poll_until_met()))

    async def _poll_until_met(self) -> SuccessEvent | TimeoutEvent | RaisedEvent:
        refuse_sensitive(self.headers, self.query)
        request = poll_of(self, judges_body=bool(self.field or self.function or self.changed))
        condition = condition_of(self, self.function)[0]
        self.request, self.condition = fields_of(request), fields_of(condition)
        now = self.clock()
        started = self.timeout_after.timestamp() - self.longest if self.timeout_after else now
        self.deadline = started + self.timeout
        left = max(0.0, self.deadline - now)
        log.info("%s", waiting(name_of(request, self.mirrordb_conn_id), condition, left))
        return await super()._poll_until_met()

    def _first_wait(self) -> float:
        return 0.0


async def _ended(
    trigger: MirrorDBReadStartTrigger | MirrorDBSensorStartTrigger, event: TriggerEvent
) -> TriggerEvent:
    """Return what ends the task instead of an event, if it is a success and needs no worker any more."""
    task: Any = trigger.task
    if event.payload["status"] != "success" or not trigger.end_from_trigger or task is None:
        return event
    mapped_over = next(task.iter_mapped_dependants(), None)  # only a worker tells Airflow the length
    if mapped_over or task.outlets or task.multiple_outputs or has_xcom_backend():
        return event
    result = read_event(event.payload)["data"]
    if task.do_xcom_push and result is not None:
        try:
            kept = storable(result)
            await _store(trigger.task_instance, kept)
        except Exception:
            log.exception("The result could not be stored here; a worker tries it")
            return event
        if kept is not result:
            log.warning(HALF_REPLACED)
    return TaskSuccessEvent()


async def _store(ti: Any, result: Any) -> None:
    """Store a result as a worker does: what a TaskSuccessEvent stores comes back as JSON text in 3.3.2."""
    from airflow.sdk.execution_time.xcom import XCom

    await XCom.aset(
        "return_value",
        result,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
    )
