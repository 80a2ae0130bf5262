"""What all operators have in common.

Importing this module loads neither aiohttp nor the client: a DAG file is parsed often, and sends nothing.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, TaskDeferred, conf

from airflow_mirrordb.compat import DECISIONS
from airflow_mirrordb.json_types import is_list
from airflow_mirrordb.task.arguments import MAX_EVENT_BYTES, parse_argument, refuse_changed, request_of
from airflow_mirrordb.task.checks import (
    WORKER_TIMEOUT,
    check_accept_argument,
    check_bulk_arguments,
    check_constants,
    check_endpoint_argument,
    check_filter_argument,
    check_names,
    check_stored_arguments,
    naming,
    refuse_sensitive,
)
from airflow_mirrordb.task.failures import fail, retry_arguments
from airflow_mirrordb.task.link import MirrorDBResourceLink, keep_linked, link
from airflow_mirrordb.task.templates import RemembersTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, RetryPolicy

    from airflow_mirrordb.client.calls.call import Note
    from airflow_mirrordb.client.endpoints.patterns import Method
    from airflow_mirrordb.client.messages.request import MirrorDBRequest, PreparedRequest
    from airflow_mirrordb.client.messages.response import MirrorDBResponse
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB
    from airflow_mirrordb.client.retries.retry import Progress
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
    from airflow_mirrordb.task.memory.state import WriteState
    from airflow_mirrordb.task.outcomes.typed_results import BaseOperator
else:
    from airflow.providers.common.compat.sdk import BaseOperator


class MirrorDBOperator(RemembersTemplates, BaseOperator):
    """What all operators have in common.

    With ``deferrable=True`` the worker makes the first attempt, at most ``worker_timeout`` seconds
    long; what is not answered by then, or must wait before a further attempt, is handed to the
    triggerer. A write that may not be repeated is only ever sent by a worker; just its waits are
    handed over. Arguments and result are the same either way.

    A permanent error fails the task at once, without Airflow's retries; a passing one leaves it to them.

    A list of endpoints, or of records by ``bulk``, is sent as so many requests, always on the worker. The
    result is the report then: ``done``, ``failed``, ``ambiguous`` and ``not_begun`` count the records,
    and ``records`` has the ``status`` of each, in order, with its ``response`` or ``error``. A report of
    writes that is too large has less, see :func:`~airflow_mirrordb.operators.bulk_result.result_of_bulk`.

    :param endpoint: path relative to the connection's base URL, as ``api/users/7``, or a list of them
        (templated)
    :param mirrordb_conn_id: id of a connection of type ``mirrordb`` (templated)
    :param method_name: label in logs and errors (templated)
    :param query: values of the query (templated)
    :param headers: further headers (templated); no secrets, they show in the UI
    :param request_timeout: longest time that one attempt may take, in seconds; the connection's by
        default (templated)
    :param accept: media types that the answer shall have, as ``text/csv``, instead of JSON; the result is
        the text of an answer whose content type is not JSON (templated)
    :param full_response: True for a result with all of the answer: a
        :class:`~airflow_mirrordb.client.FullResponse`, as ``{"status": 201, "headers": {...}, "etag": ...,
        "location": ..., "data": ...}``, which ``response_filter`` gets (templated)
    :param response_filter: what becomes the task's result: a function of the decoded body, which runs on the
        worker, or a path into it, as ``rows`` or ``data[].id``; see :mod:`airflow_mirrordb.paths`
    :param deferrable: whether to wait in the triggerer; ``[operators] default_deferrable`` by default
    :param worker_timeout: seconds that the worker waits for the first answer before it hands over;
        0 goes straight to the triggerer (templated)
    :param max_event_bytes: largest result that is stored, in bytes: what ``response_filter`` makes of the
        answer; an answer that comes from the triggerer is stored before that, and must not be larger either
    :param concurrency: records of a list that are in flight at a time (templated)
    :param on_error: ``fail`` fails the task when a record of a list failed, and begins no further one;
        with ``continue`` all are tried, and it fails then if more failed than ``max_failed`` (templated)
    :param max_failed: with ``on_error="continue"``, how many records may have failed, or be ambiguous, when
        the task succeeds: a whole number, or a share of all, as 0.05; by default none (templated)
    :param retry_policy: from Airflow 3.3 on; by default
        :class:`~airflow_mirrordb.task.outcomes.retry_policy.MirrorDBRetryPolicy`, which comes back when the
        backend said
    """

    template_fields: Sequence[str] = (
        "mirrordb_conn_id",
        "endpoint",
        "method_name",
        "query",
        "headers",
        "request_timeout",
        "accept",
        "full_response",
        "worker_timeout",
        "concurrency",
        "on_error",
        "max_failed",
    )
    bulk: bool | str = False
    ui_color = "#dbe9f6"
    operator_extra_links = (MirrorDBResourceLink(),)
    output_path: str | None = None  # only reads have one
    only_reads = False
    takes_lists = True  # False refuses a list of endpoints

    def __init__(
        self,
        *,
        endpoint: str | Sequence[str],
        mirrordb_conn_id: str = "mirrordb_default",
        method_name: str | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        request_timeout: float | str | None = None,
        accept: str | None = None,
        full_response: bool | str = False,
        response_filter: Callable[[Any], Any] | str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        worker_timeout: float | str = WORKER_TIMEOUT,
        max_event_bytes: int = MAX_EVENT_BYTES,
        concurrency: int | str = 32,
        on_error: str = "fail",
        max_failed: float | str | None = None,
        retry_policy: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        with naming(kwargs.get("task_id")):
            check_names(type(self), kwargs)
            check_constants(max_event_bytes, deferrable=deferrable)
            check_filter_argument(response_filter)
            check_accept_argument(accept)
            check_bulk_arguments(on_error, concurrency, max_failed)
            check_endpoint_argument(endpoint)
            check_stored_arguments(headers, query, deferrable=deferrable)
            if is_list(endpoint) and not self.takes_lists:
                raise ValueError(self._only_one())
        super().__init__(**retry_arguments(retry_policy), **kwargs)
        self.endpoint = endpoint
        self.mirrordb_conn_id = mirrordb_conn_id
        self.method_name = method_name
        self.query = query
        self.headers = headers
        self.request_timeout = request_timeout
        self.accept = accept
        self.full_response = full_response
        self.response_filter = response_filter
        self.deferrable = deferrable
        self.worker_timeout = worker_timeout
        self.max_event_bytes = max_event_bytes
        self.concurrency = concurrency
        self.on_error = on_error
        self.max_failed = max_failed

    @property
    def is_many(self) -> bool:
        """Whether the task sends a request for each of a list.

        :raises InvalidRequestError: if ``bulk`` was rendered to something it cannot be, or ``endpoint`` to a
            list that the operator does not take
        """
        if not self.takes_lists and is_list(self.endpoint):
            from airflow_mirrordb.client.errors import InvalidRequestError

            raise InvalidRequestError(message=self._only_one(), field="endpoint")
        return is_list(self.endpoint) or parse_argument("bulk", self.bulk, bool)

    @abstractmethod
    def request(self, context: Context, client: GenericMirrorDB) -> MirrorDBRequest:
        """Return the request that this task makes.

        :param client: that will send it

        :raises InvalidRequestError: if an argument was rendered to something it cannot be
        """

    def result_of(self, event: Mapping[str, Any]) -> Any:
        """Return the task's result: the data of the answer, or what ``response_filter`` makes of that.

        It runs on the worker, wherever the request was sent. What it raises ends the task as an error of
        ``response_filter`` does.

        :param event: tells of the answer; a :class:`~airflow_mirrordb.task.outcomes.events.SuccessEvent`
        """
        from airflow_mirrordb.task.outcomes.result import filtered_result

        return filtered_result(self, event)

    def execute(self, context: Context) -> Any:
        """Send the request and return the decoded answer, or the report of many."""
        from airflow_mirrordb.client.errors import MirrorDBError

        try:
            self.refuse_nothing()
            if self.is_many:
                from airflow_mirrordb.operators.bulk import send_all

                return send_all(self, context)
            return self._send(context)
        except MirrorDBError as error:
            fail(error, self.mirrordb_conn_id, self)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """Go on where a trigger left off: return the answer, raise the error, or send the request now."""
        from airflow_mirrordb.client.errors import MirrorDBError
        from airflow_mirrordb.hooks.observers import add_lineage
        from airflow_mirrordb.task.memory.state import WriteState
        from airflow_mirrordb.task.outcomes.events import read_event
        from airflow_mirrordb.triggers.mirrordb import resumed

        keep_linked(self)
        event = read_event(event)
        try:
            if event["status"] == "success":
                add_lineage(self, self.mirrordb_conn_id, event)
                return self._result(event)
            if event["status"] == "resume":
                return self._send(context, *resumed(event))
            error = MirrorDBError.from_dict(event["error"])
            WriteState(context).take_back_after_trigger(error)
            raise error
        except MirrorDBError as error:
            fail(error, self.mirrordb_conn_id, self)

    def _send(
        self,
        context: Context,
        request: MirrorDBRequest | None = None,
        progress: Progress | None = None,
    ) -> Any:
        from airflow_mirrordb.client.errors import MirrorDBError
        from airflow_mirrordb.task.memory.state import WriteState

        state = WriteState(context)
        try:
            try:
                return self._send_noted(context, request, progress, state)
            except MirrorDBError as error:
                fail(error, self.mirrordb_conn_id, self)
        except (AirflowException, TaskDeferred):
            raise
        except BaseException as interruption:  # may come anywhere in there, as a time-out of the task
            if state.is_final:
                fail(state.lost_by(interruption), self.mirrordb_conn_id)
            raise

    def _send_noted(
        self, context: Context, request: MirrorDBRequest | None, progress: Progress | None, state: WriteState
    ) -> Any:
        from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
        from airflow_mirrordb.task.outcomes.events import success_event
        from airflow_mirrordb.task.outcomes.log_lines import answered

        with MirrorDBHook(self.mirrordb_conn_id, operator=self.operator_name, once=False) as hook:
            client = hook.get_conn()
            prepared = client.prepare(request or self.request(context, client))
            prepared, response = self._sent(context, hook, prepared, progress, state)
            event = success_event(response, prepared.request)
        self.log.info("%s", answered(event))
        if prepared.repeatable:  # after any error a retry of Airflow's may send it once more
            return self._result(event)
        return self._result_of_the_unrepeatable(event)

    def _sent(
        self,
        context: Context,
        hook: MirrorDBHook,
        prepared: PreparedRequest,
        progress: Progress | None,
        state: WriteState,
    ) -> tuple[PreparedRequest, MirrorDBResponse]:
        """Send a request, and return it as it was sent, and the answer; or defer the task.

        :param state: learns what becomes of it
        """
        from airflow_mirrordb.client.retries.retry import WaitNeeded
        from airflow_mirrordb.task.outcomes.log_lines import name_of

        client = hook.get_conn()
        link(self, context, prepared.url)
        to_send, maybe_applied = state.begin(prepared.request, repeatable=prepared.repeatable)
        if to_send is not prepared.request:  # that of an earlier try
            prepared = client.prepare(to_send)
        if maybe_applied:
            progress = self._with_past(prepared.request, progress or client.begin())
        if self._goes_straight_to_the_triggerer(prepared):
            self._defer(context, prepared, progress or client.begin(), "worker_timeout is 0")
        self.log.info("%s", name_of(prepared.request, self.mirrordb_conn_id))
        try:
            if self._may_go_on_elsewhere(prepared):
                return prepared, self._answer_of_a_repeatable(hook, prepared, progress, state.learn)
            wait = not self.deferrable
            return prepared, hook.send(prepared, progress=progress, wait=wait, note=state.learn)
        except WaitNeeded as handover:
            if not prepared.repeatable:
                state.take_back_unless_applied()
            self._defer(context, prepared, handover.progress, handover.error.message)
        except BaseException:
            state.take_back_unless_applied()
            raise

    def _with_past(self, request: MirrorDBRequest, progress: Progress) -> Progress:
        """Return the progress of a write that may have been applied; say so if that was by an earlier try."""
        from airflow_mirrordb.task.outcomes.log_lines import name_of, sent_again

        if not progress.attempts:
            self.log.warning("%s: %s", name_of(request, self.mirrordb_conn_id), sent_again(request))
        return replace(progress, maybe_applied=True)

    def _goes_straight_to_the_triggerer(self, prepared: PreparedRequest) -> bool:
        if not self.deferrable:
            return False
        refuse_sensitive(prepared.request.headers, prepared.request.query)
        return self._may_go_on_elsewhere(prepared) and not parse_argument(
            "worker_timeout", self.worker_timeout, float
        )

    def _answer_of_a_repeatable(
        self, hook: MirrorDBHook, prepared: PreparedRequest, progress: Progress | None, note: Note
    ) -> MirrorDBResponse:
        worker_timeout = parse_argument("worker_timeout", self.worker_timeout, float)
        return hook.send(
            prepared,
            progress=progress,
            wait=not self.deferrable,
            cut_off=worker_timeout if self.deferrable else None,
            output_path=self.output_path,
            note=note,
        )

    def _result_of_the_unrepeatable(self, event: Mapping[str, Any]) -> Any:
        from airflow_mirrordb.client.errors import MirrorDBError

        try:
            return self._result(event)  # if Airflow does not store this, the next try knows of the write
        except (*DECISIONS, MirrorDBError, TaskDeferred):  # any other exception of Airflow's would be retried
            raise
        except BaseException as error:
            what = "response_filter raised" if isinstance(error, Exception) else "the task was interrupted by"
            raise AirflowFailException(f"the write was applied, but {what} {error!r}") from error

    def _defer(
        self, context: Context, prepared: PreparedRequest, progress: Progress, reason: str
    ) -> NoReturn:
        from airflow_mirrordb.task.memory.takeover import announce
        from airflow_mirrordb.task.outcomes.log_lines import deferred, name_of
        from airflow_mirrordb.task.outcomes.result import may_be_file
        from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger, MirrorDBWaitTrigger, arguments

        refuse_changed("output_path", self.output_path)
        is_sent_there = self._may_go_on_elsewhere(prepared)
        wait = progress.resume_at - time.time()
        name = name_of(prepared.request, self.mirrordb_conn_id)
        self.log.info("%s: %s", name, deferred(reason, wait, is_sent_there=is_sent_there))
        if is_sent_there:
            announce(context["ti"], prepared.request, progress)
        # dag.test() loses the 'kwargs' of defer(): whatever is needed later comes back in the event.
        common = arguments(prepared.to_be_resumed, progress)
        self.defer(
            trigger=MirrorDBTrigger(
                self.mirrordb_conn_id,
                **common,
                max_event_bytes=self.max_event_bytes,
                output_path=self.output_path,
                may_be_file=may_be_file(self),
                operator=self.operator_name,
            )
            if is_sent_there
            else MirrorDBWaitTrigger(**common),
            method_name="execute_complete",
            timeout=self.execution_timeout,
        )

    def _result(self, event: Mapping[str, Any]) -> Any:
        from airflow_mirrordb.task.outcomes.result import checked_result

        return checked_result(self, event, self.result_of(event))

    def _only_one(self) -> str:
        return f"endpoint: {type(self).__name__} takes one, not a list; map the task over many by expand()"

    def _request(self, method: Method, **arguments: Any) -> MirrorDBRequest:
        return request_of(self, method, **arguments)

    def _may_go_on_elsewhere(self, prepared: PreparedRequest) -> bool:
        """Whether the triggerer may send it: it may be repeated, and is no work, as files are."""
        return prepared.repeatable and not prepared.is_upload
