"""A sensor that waits for a resource.

Importing this module loads neither aiohttp nor the client: a DAG file is parsed often, and sends nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSensorTimeout, PokeReturnValue, conf

from airflow_mirrordb.conditions import (
    Condition,
    path_of,
)
from airflow_mirrordb.task.arguments import MAX_EVENT_BYTES, READ_FIELDS, condition_of, fields_of, poll_of
from airflow_mirrordb.task.checks import (
    check_constants,
    check_names,
    check_sensor_arguments,
    check_written,
    naming,
    refuse_sensitive,
)
from airflow_mirrordb.task.failures import fail, retry_arguments, skipping, time_out, timing_out
from airflow_mirrordb.task.link import MirrorDBResourceLink, keep_linked, link
from airflow_mirrordb.task.start import start_in_triggerer
from airflow_mirrordb.task.templates import RemembersTemplates

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.providers.common.compat.sdk import Context, RetryPolicy

    from airflow_mirrordb.client.errors import MirrorDBError
    from airflow_mirrordb.client.jobs.polls import PollResult, PollState
    from airflow_mirrordb.client.messages.request import MirrorDBRequest
    from airflow_mirrordb.client.messages.response import MirrorDBResponse
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
    from airflow_mirrordb.task.outcomes.typed_results import BaseSensorOperator
else:
    from airflow.providers.common.compat.sdk import BaseSensorOperator

#: What its trigger is made with as it is.
_OWN = ("gone", "field", "equals", "is_in", "changed", "failed", "not_yet", "poke_interval", "timeout")
GRACE = 300.0  # seconds after which Airflow ends a deferral whose trigger should have ended by itself


class MirrorDBSensor(RemembersTemplates, BaseSensorOperator):
    """Waits until a resource exists, or one condition more is met; its result is the decoded body.

    Each poll is one GET, or read with ``data``, without retries of the client: between two polls are at
    least ``poke_interval`` seconds, whatever the answer was, and more if the backend asked for more
    (``Retry-After``). A 404, 410 or 202 means that the resource is not there yet. A failure that may pass
    counts, and ``max_failures`` of them in a row end the task; a permanent one, as 403, ends it at once, with
    the reason and without Airflow's retries.

    With ``deferrable=True`` the worker polls once, and hands over to the triggerer if it has to wait.
    Result, errors and polls are the same as in ``mode="poke"`` and ``mode="reschedule"``; only
    ``exponential_backoff`` and ``max_wait`` do not apply in the triggerer, nor does ``mode``. As with
    any sensor, the first poll after ``timeout`` is the last one; a backend that asks to stay away for
    longer than is left ends the wait at once. With ``silent_fail`` no passing failures are too many.

    A trigger whose triggerer dies goes on elsewhere, with the same time-out and after another
    ``poke_interval``. ``changed`` compares with what the worker saw, so if the resource was not there
    then, the successor compares with what it sees first. In ``mode="reschedule"`` failures and the first
    value are remembered from Airflow 3.3 on; before, ``max_failures`` does not apply and ``changed`` is
    an error.

    :param endpoint: path relative to the connection's base URL, as ``api/jobs/7`` (templated)
    :param mirrordb_conn_id: id of a connection of type ``mirrordb`` (templated)
    :param gone: True to wait until the resource is not there (404 or 410); the result is None
    :param field: path into the decoded body, as ``job.steps.0.state`` or ``runs[-1].state``; see
        :mod:`airflow_mirrordb.paths` (templated)
    :param equals: JSON value that the field must have; ``"1"`` is not ``1``, unless a template made it
        (templated)
    :param is_in: JSON values of which the field must have one; null is None (templated)
    :param changed: True to wait until the field, or without one the body, differs from the first poll
    :param condition: function of the decoded body that must return something true, or its dotted path.
        A deferrable sensor needs one that the triggerer can import. An error in it fails the task; an
        exception of Airflow's, as ``AirflowSkipException``, does what it does in any task.
    :param failed: JSON values of the field by which it will never become what is waited for: they fail the
        task at once, with what the body says of the failure; compared as ``is_in`` (templated)
    :param not_yet: statuses that mean "not yet" as 404 does, whatever else they say: ``[403, 503]`` of a
        store that hides what is not there, and is overloaded for hours (templated)
    :param max_failures: passing failures in a row that end the task
    :param method_name: label in logs and errors (templated)
    :param data: JSON value that says what to read, as for ``MirrorDBReadOperator`` (templated)
    :param query: values of the query (templated)
    :param headers: further headers (templated); no secrets, they show in the UI
    :param request_timeout: longest time that one poll may take, in seconds; the connection's by default
        (templated)
    :param accept: media types that the answer shall have, as ``text/csv``; ``condition`` and result are of
        its text then. Without it a body that is not JSON has no result, and is only good for no condition,
        unless it is a page (HTML), which may tell of a failure (templated)
    :param full_response: True for a result with all of the answer, as for the operators; a condition is of
        the body all the same, and the result of ``gone`` is None (templated)
    :param response_filter: what becomes the task's result, but of ``gone``: a function of the decoded body,
        or a path into it, as for :class:`~airflow_mirrordb.operators.mirrordb.MirrorDBOperator`
    :param deferrable: whether to wait in the triggerer; ``[operators] default_deferrable`` by default
    :param start_from_trigger: True to begin in the triggerer, without a worker, as for
        :class:`~airflow_mirrordb.operators.mirrordb.MirrorDBReadOperator`
    :param end_from_trigger: True to end there as well, as for that
    :param max_event_bytes: largest result that is stored, in bytes, as for
        :class:`~airflow_mirrordb.operators.mirrordb.MirrorDBOperator`
    :param retry_policy: as for :class:`~airflow_mirrordb.operators.mirrordb.MirrorDBOperator`
    :raises ValueError: if the arguments are not one condition, or not one that can be deferred

    The other arguments, as ``poke_interval``, ``timeout`` and ``soft_fail``, are those of
    ``BaseSensorOperator``.
    """

    template_fields: Sequence[str] = (*READ_FIELDS, "field", "equals", "is_in", "failed", "not_yet")
    template_fields_renderers = {"data": "json", "query": "json", "headers": "json"}  # noqa: RUF012  # Airflow's own type
    ui_color = "#e7f3e1"
    operator_extra_links = (MirrorDBResourceLink(),)

    _clock: Callable[[], float] = staticmethod(time.time)
    _hook: MirrorDBHook | None = None
    _last: PollResult | None = None

    def __init__(
        self,
        *,
        endpoint: str,
        mirrordb_conn_id: str = "mirrordb_default",
        gone: bool = False,
        field: str | None = None,
        equals: Any = None,
        is_in: Sequence[Any] | None = None,
        changed: bool = False,
        condition: str | Callable[[Any], object] | None = None,
        failed: Sequence[Any] | str | None = None,
        not_yet: Sequence[int | str] | str = (),
        max_failures: int = 5,
        method_name: str | None = None,
        data: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        request_timeout: float | str | None = None,
        accept: str | None = None,
        full_response: bool | str = False,
        response_filter: Callable[[Any], Any] | str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        max_event_bytes: int = MAX_EVENT_BYTES,
        retry_policy: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        with naming(kwargs.get("task_id")):
            check_names(type(self), kwargs)
            check_constants(
                max_event_bytes,
                gone=gone,
                changed=changed,
                deferrable=deferrable,
                start_from_trigger=start_from_trigger,
                end_from_trigger=end_from_trigger,
            )
        super().__init__(**retry_arguments(retry_policy), **kwargs)
        self.endpoint = endpoint
        self.mirrordb_conn_id = mirrordb_conn_id
        self.gone = gone
        self.field = field
        self.equals = equals
        self.is_in = is_in
        self.changed = changed
        self.condition = condition
        self.failed = failed
        self.not_yet = not_yet
        self.max_failures = max_failures
        self.method_name = method_name
        self.data = data
        self.query = query
        self.headers = headers
        self.request_timeout = request_timeout
        self.accept = accept
        self.full_response = full_response
        self.response_filter = response_filter
        self.deferrable = deferrable or start_from_trigger
        self.max_event_bytes = max_event_bytes
        with naming(self.task_id):
            check_sensor_arguments(self)
        check_written(self, MirrorDBSensor)
        if start_from_trigger or end_from_trigger:
            with naming(self.task_id):
                self._start_in_triggerer(
                    start_from_trigger=start_from_trigger, end_from_trigger=end_from_trigger
                )

    def execute(self, context: Context) -> Any:
        """Poll until the condition is met, or once and then defer; return the decoded body."""
        started = self._clock()
        self._last = None
        try:
            if not self.deferrable:
                with timing_out(self._waited_in_vain):
                    return super().execute(context)
            with skipping(self):
                if poked := self.poke(context):
                    return poked.xcom_value
            self._defer(started)
        finally:
            if self._hook is not None:
                self._hook.close()
                self._hook = None

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Return what the trigger saw, or raise what it met."""
        from airflow_mirrordb.client.errors import MirrorDBError
        from airflow_mirrordb.hooks.observers import add_lineage
        from airflow_mirrordb.task.control_flow import raise_again
        from airflow_mirrordb.task.outcomes.events import read_event

        keep_linked(self)
        event = read_event(event)
        with skipping(self):
            if event["status"] == "raised":
                raise_again(event)
            if event["status"] == "timeout":
                raise AirflowSensorTimeout(self._waited(event["message"]))
            if event["status"] == "error":
                fail(MirrorDBError.from_dict(event["error"]), self.mirrordb_conn_id)
            add_lineage(self, self.mirrordb_conn_id, event)
            try:
                return self._result(event)
            except MirrorDBError as error:
                fail(error, self.mirrordb_conn_id)

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once.

        :raises AirflowFailException: if the poll failed for good
        :raises MirrorDBError: if it was one passing failure too many
        """
        from airflow_mirrordb.client.errors import MirrorDBError
        from airflow_mirrordb.client.jobs.polls import PollState
        from airflow_mirrordb.task.outcomes.events import success_event
        from airflow_mirrordb.task.outcomes.log_lines import level_of, not_met

        try:
            request = self._request()
            state = self._recall(context)
            if state is None:
                self.log.info("%s", self._waiting())
            result = self._last = self._poll(request, state or PollState(), context)
            if result.response is None:
                self._remember(context, result.state)
                self.log.log(level_of(result), "%s", not_met(result))
                return PokeReturnValue(is_done=False)
            self.log.info("Met: %s", result.found)
            event = success_event(result.response, request)
            return PokeReturnValue(is_done=True, xcom_value=self._result(event))
        except MirrorDBError as error:
            fail(error, self.mirrordb_conn_id)

    def _poll(self, request: MirrorDBRequest, state: PollState, context: Context) -> PollResult:
        from airflow_mirrordb.client.errors import MirrorDBError
        from airflow_mirrordb.client.messages.request import attach_request
        from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
        from airflow_mirrordb.task.outcomes.polls import judge

        condition, function = self._condition()
        hide: Callable[[str], str] = str
        if self._hook is None:
            self._hook = MirrorDBHook(self.mirrordb_conn_id, operator=self.operator_name)
        outcome: MirrorDBResponse | MirrorDBError
        try:
            client = self._hook.get_conn()
            prepared, hide = client.prepare(request), client.without_secrets
            link(self, context, prepared.url)
            outcome = self._hook.send(prepared, single_attempt=True)
        except MirrorDBError as error:
            outcome = error
        try:
            now, most = self._clock(), self._most_failures
            return judge(outcome, condition, state, max_failures=most, now=now, function=function, hide=hide)
        except MirrorDBError as error:
            raise attach_request(error, request) from error.__cause__

    def _defer(self, started: float) -> NoReturn:
        from airflow_mirrordb.client.jobs.polls import WaitOverError
        from airflow_mirrordb.triggers.sensor import MirrorDBSensorTrigger

        assert self._last is not None  # noqa: S101  # the worker polled
        now, deadline = self._clock(), started + self.timeout
        try:
            wait = self._last.next_wait(self.poke_interval, deadline - now)
        except WaitOverError as over:
            time_out(self, self._waited(over))
        longest = timedelta(seconds=deadline - now + wait + GRACE)
        self.log.info("The next poll is due in %.1f s; the task is deferred until a triggerer makes it", wait)
        # dag.test() loses the 'kwargs' of defer(): whatever is needed later is in the event.
        self.defer(
            trigger=MirrorDBSensorTrigger(
                self.mirrordb_conn_id,
                request=fields_of(self._request()),
                condition=fields_of(self._condition()[0]),
                state=fields_of(self._last.state),
                poke_interval=self.poke_interval,
                resume_at=now + wait,
                deadline=deadline,
                max_failures=self._most_failures,
                max_event_bytes=self.max_event_bytes,
                operator=self.operator_name,
            ),
            method_name="execute_complete",
            timeout=min(longest, self.execution_timeout or longest),
        )

    def _waiting(self) -> str:
        from airflow_mirrordb.task.outcomes.log_lines import name_of, waiting

        name = name_of(self._request(), self.mirrordb_conn_id)
        return waiting(name, self._condition()[0], self.timeout)

    def _waited_in_vain(self) -> str:
        return self._waited(self._last.in_vain if self._last else "not met in time")

    def _waited(self, over: object) -> str:
        """Return what is told of a time-out."""
        return f"{self._waiting()}: {over}"

    def _start_in_triggerer(self, **where: bool) -> None:
        longest = timedelta(seconds=self.timeout + self.poke_interval + GRACE)
        longest = min(longest, self.execution_timeout or longest)
        path = path_of(self.condition) if callable(self.condition) else self.condition
        start_in_triggerer(
            self,
            "airflow_mirrordb.triggers.start.MirrorDBSensorStartTrigger",
            {
                **{name: getattr(self, name) for name in _OWN},
                "function": path,
                "longest": longest.total_seconds(),
                "max_failures": self._most_failures,
                "max_event_bytes": self.max_event_bytes,
            },
            timeout=longest,
            **where,
        )

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Airflow asks for the wait on a worker here, and would not know of a Retry-After."""
        from airflow_mirrordb.client.jobs.polls import WaitOverError

        interval: float = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        if self._last is None:
            return interval
        try:
            return max(interval, self._last.next_wait(self.poke_interval, self.timeout - run_duration()))
        except WaitOverError as over:
            time_out(self, self._waited(over))

    def _request(self) -> MirrorDBRequest:
        if self.deferrable:
            refuse_sensitive(self.headers, self.query)
        return poll_of(self, judges_body=bool(self.field or self.condition or self.changed))

    def _condition(self) -> tuple[Condition, Callable[[Any], object] | None]:
        """Return the condition, now that templates are rendered, and its function."""
        return condition_of(self, self.condition, by_path=self.deferrable)

    @property
    def _most_failures(self) -> int | None:
        return None if self.silent_fail else self.max_failures

    def _recall(self, context: Context) -> PollState | None:
        """Return what is known of the polls before; ``mode="reschedule"`` makes each in a new process."""
        from airflow_mirrordb.task.memory import poll_memory

        if self.reschedule and not self.deferrable:
            return poll_memory.recall(context, changed=self.changed)
        return self._last.state if self._last else None

    def _remember(self, context: Context, state: PollState) -> None:
        from airflow_mirrordb.task.memory import poll_memory

        if self.reschedule and not self.deferrable:
            poll_memory.remember(context, state)

    def _result(self, event: Mapping[str, Any]) -> Any:
        from airflow_mirrordb.task.outcomes.result import checked_result, filtered_result

        result = event["data"] if self.gone else filtered_result(self, event)
        return checked_result(self, event, result)
