"""An operator's list of records: a request each, what a retry of the task repeats of them, and the result."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, TaskDeferred

from airflow_mirrordb.body_arguments import NO_RECORDS
from airflow_mirrordb.bulk_arguments import NEEDS_CONTINUE, shared_target
from airflow_mirrordb.client.collections.bulk_log import bulk_name
from airflow_mirrordb.client.collections.bulk_report import BulkRecord, BulkReport, status_of
from airflow_mirrordb.client.collections.record_names import RecordNames
from airflow_mirrordb.client.errors import (
    AmbiguousWriteError,
    BulkError,
    InvalidRequestError,
    MirrorDBError,
)
from airflow_mirrordb.client.messages.request import KEYED, MirrorDBRequest
from airflow_mirrordb.compat import DECISIONS
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.json_types import is_list
from airflow_mirrordb.operators.bulk_result import result_of_bulk
from airflow_mirrordb.operators.bulk_state import BulkState
from airflow_mirrordb.paths import PathError
from airflow_mirrordb.task.arguments import max_failed_of, parse_argument, refuse_none
from airflow_mirrordb.task.failures import fail
from airflow_mirrordb.task.link import link, shared_url
from airflow_mirrordb.task.outcomes.log_lines import to_send
from airflow_mirrordb.task.outcomes.result import filtered

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_mirrordb.operators.base import MirrorDBOperator

log = logging.getLogger(__name__)

_OF_ONE = ("method", "endpoint", "data", "idempotency_key")


def send_all(operator: MirrorDBOperator, context: Context) -> dict[str, Any]:
    """Send a request for each record of an operator, on the worker, and return the report.

    :raises BulkError: if a record failed, or with ``on_error`` ``continue`` more than ``max_failed``
    :raises AirflowFailException: if another try would meet the same, or could not tell what this one did
    """
    bulk = _Bulk(operator, context)
    try:
        try:
            return bulk.send()
        except MirrorDBError as error:
            fail(error, operator.mirrordb_conn_id)
    except (AirflowException, TaskDeferred, MirrorDBError):
        raise
    except BaseException as interruption:  # may come anywhere in there, as a time-out of the task
        if bulk.is_final:
            fail(bulk.lost_by(interruption), operator.mirrordb_conn_id)
        raise


class _Bulk:
    """The requests of an operator's records, and what is known of them.

    :raises MirrorDBError: if an argument is wrong that holds for all
    """

    def __init__(self, operator: MirrorDBOperator, context: Context) -> None:
        for name in ("endpoint", "data"):
            value: Any = getattr(operator, name, None)
            if is_list(value):
                setattr(operator, name, list(value))  # one that is lazy, from XCom, is read once
        self._operator, self._context = operator, context
        self._fails, self._reads = operator.on_error != "continue", operator.only_reads
        self._max_failed = _max_failed(operator, fails=self._fails)
        self._state = BulkState(context, most_bytes=operator.max_event_bytes, reads=self._reads)
        self._requests: list[MirrorDBRequest] = []
        self._template: MirrorDBRequest

    @property
    def is_final(self) -> bool:
        """Whether no other try could go on from here."""
        return _is_blind(self._state) or _whole(self._requests, self._state).ambiguous > 0

    def send(self) -> dict[str, Any]:
        """Send what is left, and return the report."""
        operator, state = self._operator, self._state
        with MirrorDBHook(operator.mirrordb_conn_id, operator=operator.operator_name, once=False) as hook:
            self._prepare(hook)
            self._log_begin()
            items = [_item(request, at in state.maybe_applied) for at, request in enumerate(self._requests)]
            try:
                hook.bulk(self._template.method, state.watched(items), **self._options())
            except BulkError as error:
                if (cause := error.__cause__) is not None:  # what response_filter raised, or Airflow's store
                    raise cause from cause.__cause__
                raise self._error() from None
            finally:
                state.remember()
        report = _whole(self._requests, state)
        if report.has_failed(self._max_failed):
            raise self._error()
        return result_of_bulk(report.to_dict(), operator, reads=self._reads)

    def lost_by(self, interruption: BaseException) -> BulkError:
        """Return the error of a bulk whose task was interrupted."""
        lost = self._error()
        lost.__cause__ = interruption
        return lost

    def _prepare(self, hook: MirrorDBHook) -> None:
        state = self._state
        template = self._template = self._operator.request(self._context, hook.get_conn())
        key, records = state.recall(template.idempotency_key, records_of(self._operator, template))
        self._requests, names, repeatable = _prepared(hook, template, key, records, fails=self._fails)
        state.begin(names, repeatable=repeatable)
        valid = [request for request, name in zip(self._requests, names, strict=True) if name]
        if not names and isinstance(template.endpoint, str):  # to which a record would go
            valid = [replace(template, data=None)]
        if valid:
            link(self._operator, self._context, _shared_url(hook, valid))
        if self._fails and (state.unknown or state.failed):
            raise self._error()

    def _log_begin(self) -> None:
        state, request = self._state, self._template
        if state.left:
            endpoint = request.endpoint if isinstance(request.endpoint, str) else None
            name = bulk_name(request.method, endpoint, request.method_name, self._operator.mirrordb_conn_id)
            log.info("%s: %s", name, to_send(self._requests, len(state.left), len(state.maybe_applied)))

    def _options(self) -> dict[str, Any]:
        operator, endpoint = self._operator, self._template.endpoint
        options = {
            **_common(self._template),
            **({"endpoint": endpoint} if isinstance(endpoint, str) else {}),
            "concurrency": parse_argument("concurrency", operator.concurrency, int),
            "on_error": operator.on_error,
            "response_filter": operator.response_filter
            and _Filter(operator.response_filter, reads=self._reads),
            "total": len(self._state.left),
            "report": self._state.report,
        }
        # with "continue" all records are judged, not those of this try
        return options if self._fails else {**options, "max_failed": 1.0}

    def _error(self) -> BulkError:
        report = _whole(self._requests, self._state)
        error = report.error(self._max_failed)
        if _is_blind(self._state):
            error.retryable = False
        if report.done and self._template.method in KEYED and not error.retryable:
            error.message += "; clearing the task would send the records that are done again"
        return error


def records_of(operator: MirrorDBOperator, template: MirrorDBRequest) -> list[dict[str, Any]]:
    """Return what is each record's own: its endpoint, and its data if it has any.

    :param template: the operator's request, with the lists in the place of one endpoint and data
    :raises InvalidRequestError: if there is no list, or two of different lengths
    """
    endpoint, data = template.endpoint, template.data
    bulk = parse_argument("bulk", operator.bulk, bool)
    for name, reason in NO_RECORDS.items():
        if getattr(template, name) is not None and (bulk or name != "form"):
            raise _bad(name, reason)
    if operator.output_path:
        raise _bad("output_path", "a file takes one answer, and there are many")
    if bulk and not is_list(data):
        raise _bad("data", f"with bulk=True it is a list of records, not {type(data).__name__}")
    if bulk and is_list(endpoint) and len(endpoint) != len(data):
        raise _bad("data", f"there are {len(data)} records for {len(endpoint)} endpoints")
    endpoints = endpoint if is_list(endpoint) else _one_for_all(template)
    for each in endpoints:
        refuse_none(each)
    if template.method in ("GET", "DELETE"):
        return [{"endpoint": each} for each in endpoints]
    bodies = data if bulk else [data] * len(endpoints)
    if bulk and None in bodies:
        raise _bad(f"data[{bodies.index(None)}]", "it is None, and would send no body")
    return [{"endpoint": each, "data": body} for each, body in zip(endpoints, bodies, strict=True)]


def _one_for_all(template: MirrorDBRequest) -> list[str]:
    """Return the one endpoint of a task as often as there are records.

    :raises InvalidRequestError: if each record would replace what the one before made there
    """
    endpoint, records = template.endpoint, len(template.data)
    if template.method == "PUT" and records > 1:
        raise _bad("endpoint", shared_target(endpoint, records))
    return [endpoint] * records


class _Filter:
    """What an author makes of each answer; by then the record is done.

    Of Airflow's exceptions those pass that end a task as they say; after a write no other may, since Airflow
    would retry the task then.
    """

    def __init__(self, response_filter: Any, *, reads: bool) -> None:
        self._filter = response_filter
        self._passing = (AirflowException,) if reads else DECISIONS

    def __call__(self, body: Any) -> Any:
        try:
            kept = filtered(self._filter, body)
            json.dumps(kept)
        except (*self._passing, TaskDeferred):
            raise
        except PathError as error:
            raise AirflowFailException(f"{error}; what was sent until then was applied") from None
        except Exception as error:
            message = (
                f"response_filter, which must return JSON values in a bulk, raised {error!r}; what was"
                " sent until then was applied"
            )
            raise AirflowFailException(message) from error
        return kept


def _max_failed(operator: MirrorDBOperator, *, fails: bool) -> float | None:
    try:
        max_failed = max_failed_of(operator.max_failed)
    except ValueError as error:
        raise InvalidRequestError(message=str(error), field="max_failed") from None
    if fails and max_failed is not None:
        raise _bad("max_failed", NEEDS_CONTINUE)
    return max_failed


def _item(request: MirrorDBRequest, maybe_applied: bool) -> dict[str, Any]:  # a fact
    item = {
        "endpoint": request.endpoint,
        "idempotency_key": request.idempotency_key,
        "maybe_applied": maybe_applied,
    }
    return item if request.method in ("GET", "DELETE") else {**item, "data": request.data}


def _common(template: MirrorDBRequest) -> dict[str, Any]:
    said = {field.name: getattr(template, field.name) for field in fields(template)}
    return {
        name: value
        for name, value in said.items()
        if name not in _OF_ONE and value is not None and value is not False
    }


def _prepared(
    hook: MirrorDBHook,
    template: MirrorDBRequest,
    key: str | None,
    records: Sequence[dict[str, Any]],
    *,
    fails: bool,
) -> tuple[list[MirrorDBRequest], list[str], bool]:
    """Return the requests, their names, and whether all may be sent twice.

    :param fails: whether a wrong one is an error before any is sent; else it has no name, and fails when its
        turn comes
    :raises MirrorDBError: if one is wrong
    """
    requests, names, repeatable = list[MirrorDBRequest](), list[str](), True
    client, name_of = hook.get_conn(), RecordNames(_common(template)).of
    for position, record in enumerate(records):
        request, name = replace(template, **record), ""
        try:
            repeatable &= client.prepare(request).repeatable
            name = name_of(request)
        except MirrorDBError as error:
            if fails:
                error.message = f"record {position}: {error.message}"
                raise
        requests.append(replace(request, idempotency_key=None if key is None else f"{key}-{name}"))
        names.append(name)
    return requests, names, repeatable


def _shared_url(hook: MirrorDBHook, requests: Sequence[MirrorDBRequest]) -> str:
    ends = [choose(requests, key=lambda request: f"{request.endpoint}/") for choose in (min, max)]
    first, last = (hook.get_conn().prepare(request).url for request in ends)
    return shared_url(first, last)


def _is_blind(state: BulkState) -> bool:
    """Whether a next try could not know what must not be sent again."""
    return not state.repeatable and not state.works and any(map(_was_applied, state.report.records))


def _was_applied(record: BulkRecord | None) -> bool:
    return record is not None and (record.error is None or record.error.maybe_applied)


def _whole(requests: Sequence[MirrorDBRequest], state: BulkState) -> BulkReport:
    """Return the report of all records: of this try, and of those before it."""
    total = len(requests)
    report = BulkReport(total=total, records=[BulkRecord(status="not_begun")] * total)
    for position, response in state.done.items():
        report.note(position, BulkRecord(status="done", response=response))
    for position, error in state.failed.items():
        report.note(position, BulkRecord(status=status_of(error), error=error))
    for position in state.unknown:
        report.note(position, _lost(requests[position], "an earlier try of this task was ended"))
    for position, record in zip(state.left, state.report.records, strict=False):
        if record is not None:
            report.note(position, record)
        elif state.repeatable:
            report.records[position] = None
        else:
            report.note(position, _lost(requests[position], "the task was interrupted"))
    return report


def _lost(request: MirrorDBRequest, reason: str) -> BulkRecord:
    error = AmbiguousWriteError(
        message=f"the write may or may not have been applied: {reason} while it was in flight",
        method=request.method,
        endpoint=request.endpoint,
        method_name=request.method_name,
    )
    return BulkRecord(status="ambiguous", error=error)


def _bad(name: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"{name}: {reason}", field=name)
