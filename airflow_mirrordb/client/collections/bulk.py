"""Many requests of one kind: a bounded number in flight, begun in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_mirrordb.bulk_arguments import (
    MAX_FAILED_WANTED,
    NEEDS_CONTINUE,
    ON_ERROR,
    ON_ERROR_WANTED,
    OnError,
    is_max_failed,
    shared_target,
)
from airflow_mirrordb.client.bodies.requests import given_body
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.collections.bulk_log import BulkLog
from airflow_mirrordb.client.collections.bulk_report import BulkRecord, BulkReport, status_of
from airflow_mirrordb.client.collections.record_names import RecordNames
from airflow_mirrordb.client.endpoints.patterns import METHODS, READS, Method
from airflow_mirrordb.client.errors import (
    InvalidRequestError,
    MirrorDBError,
    remedy,
)
from airflow_mirrordb.client.messages.request import (
    KEYED,
    MirrorDBRequest,
    RequestOptions,
    read_method,
)
from airflow_mirrordb.client.messages.request_headers import checked_key
from airflow_mirrordb.client.retries.retry import Progress
from airflow_mirrordb.client.retries.write_safety import may_be_begun_anew

if TYPE_CHECKING:
    from airflow_mirrordb.client.messages.response import MirrorDBResponse

CONCURRENCY = 32

_Operation = Method | Literal["read", "update"]
_CRUD: dict[str, _Operation] = {"create": "POST", "read": "read", "update": "update", "delete": "DELETE"}
_METHODS: dict[str, _Operation] = {
    **_CRUD,
    **{f"{name}_function": method for name, method in _CRUD.items()},
    **{method: method for method in METHODS},
}
_COMMON = {"endpoint", "method_name", *RequestOptions.__annotations__}
_MAYBE_APPLIED = Progress(maybe_applied=True)
_WITH_BODY = {"data", "form", "content_type"}
_OWN = {
    "GET": {"paginate"},
    "QUERY": {"data", "paginate"},
    "read": {"data", "paginate"},
    "POST": _WITH_BODY,
    "PUT": _WITH_BODY,
    "PATCH": _WITH_BODY,
    "update": {*_WITH_BODY, "partial"},
    "DELETE": {"missing_ok"},
}


class BulkOptions(RequestOptions, total=False):
    """What a bulk may say beyond its method and items.

    ``endpoint``, and whatever else the method takes, holds for each item that does not say otherwise.

    An ``idempotency_key`` gets the record's name appended, which is made of the record's content: endpoint,
    query, body, and the headers and conditions that its item says itself. Ids for traces and logs, as
    ``traceparent`` and ``X-Request-Id``, are no part of it. A bulk that is repeated in another order so has
    the same keys. Equal records have different names. What a bulk says for all its items (``headers``,
    ``accept``, conditions) tells none apart: two bulks that differ by that alone need a key each.

    :param concurrency: records in flight at a time; 32 by default, never more than ``max_concurrency``
    :param on_error: ``fail`` begins no further record after a failed one; ``continue`` tries all, and then
        fails if more failed than ``max_failed``
    :param max_failed: with ``continue``, how many records may have failed, or be ambiguous, at the end: a
        whole number, or as a float a share of all, from 0.0 to 1.0; by default none
    :param total: number of items, for the time left in the log; by default their length, if they have one
    :param response_filter: function of a record's decoded answer, whose result is kept in its place
    :param report: an empty report to be filled, for who wants to know more than an exception tells
    """

    concurrency: int
    on_error: OnError
    max_failed: float | None
    total: int | None
    response_filter: Callable[[Any], Any] | None
    report: BulkReport | None
    endpoint: str
    method_name: str | None
    data: Any
    form: Mapping[str, Any] | None
    content_type: str | None
    partial: bool
    missing_ok: bool
    paginate: Mapping[str, Any] | None


Items = Iterable[Mapping[str, Any] | str] | AsyncIterable[Mapping[str, Any] | str]


class Bulk:
    """A bulk under way: a fixed number of workers take the items that they are handed.

    Call :meth:`run`. A caller whose event loop does not run while it gets the items calls :meth:`start`,
    :meth:`hand` with some items as often as it has some, :meth:`end` and :meth:`result`.

    :param send: sends one request, from a ``progress`` if it is given one
    :param update_method: returns the HTTP method of an update
    :param method: ``create``, ``read``, ``update`` or ``delete``, or an HTTP method
    :param options: see :class:`BulkOptions`
    :param max_concurrency: of the connection
    :param sends_keys: whether the connection has an ``idempotency_header``
    :param clock: tells when the next progress is due in the log
    :param conn_id: id of the connection, for the log
    :raises InvalidRequestError: if an argument is wrong; names it
    """

    def __init__(
        self,
        send: Callable[..., Awaitable[MirrorDBResponse]],
        update_method: Callable[..., Method],
        method: str,
        options: BulkOptions,
        *,
        max_concurrency: int,
        sends_keys: bool,
        clock: Clock,
        conn_id: str | None,
    ) -> None:
        common: dict[str, Any] = dict(options)
        concurrency = common.pop("concurrency", CONCURRENCY)
        on_error = common.pop("on_error", "fail")
        self._max_failed: float | None = common.pop("max_failed", None)
        total = common.pop("total", None)
        self._filter: Callable[[Any], Any] | None = common.pop("response_filter", None)
        self.report: BulkReport = common.pop("report", None) or BulkReport()
        self._operation = _operation(method)
        self._known = _COMMON | _OWN[self._operation]
        self._known_of_items = self._known | {"maybe_applied"}
        _refuse_unknown(common, self._known, "")
        if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1:
            raise _bad("concurrency", f"it must be a whole number of at least 1, not {concurrency!r}")
        if on_error not in ON_ERROR:
            raise _bad("on_error", f"{ON_ERROR_WANTED}, not {on_error!r}")
        _check_max_failed(self._max_failed, on_error)
        if total is not None:
            self.report.total = total
        self._names = RecordNames(common)
        self._send, self._update_method = send, update_method
        self._common, self._fails = common, on_error == "fail"
        self._concurrency = min(concurrency, max_concurrency)
        self._clock = clock
        self._log = BulkLog(self._operation, common.get("endpoint"), common.get("method_name"), conn_id)
        self._workers: list[asyncio.Future[None]] = []
        self._stopped = False
        self._crash: BaseException | None = None
        self._culprit = ""  # who raised that
        self._sends_keys, self._conn_id = sends_keys, conn_id
        self._writes = self._operation not in (*READS, "read")
        self._replaced = 0
        self._is_repeatable = True  # what was begun so far, by who begins the bulk anew

    async def run(self, items: Items) -> BulkReport:
        """Send all items, and return the report.

        When it is cancelled, so is what is in flight.

        :raises BulkError: if a record failed, or with ``on_error`` ``continue`` more than ``max_failed``
        """
        await self.start(items)
        try:
            try:
                if isinstance(items, AsyncIterable):
                    async for item in items:
                        if not await self.hand((item,)):
                            break
                else:
                    await self.hand(items)
            except Exception as error:  # noqa: BLE001  # of the items; result() raises it
                self.stop(error)
            await self.end()
        except BaseException:
            for worker in self._workers:
                worker.cancel()
            await asyncio.gather(*self._workers, return_exceptions=True)
            raise
        return self.result()

    async def start(self, items: object) -> None:
        """Start the workers.

        :param items: only their kind and length count here; :meth:`hand` hands them over
        :raises InvalidRequestError: if they are one item, or none at all
        """
        if isinstance(items, str | Mapping) or not isinstance(items, Iterable | AsyncIterable):
            raise _bad("items", f"they must be a list or another iterable, not {type(items).__name__}")
        if self.report.total is None and isinstance(items, Sized):
            self.report.total = len(items)
        if isinstance(items, list | tuple):
            self._refuse_shared_target(items)
        self._log.begin(self._clock.monotonic())
        self._items: Iterator[Any] = iter(())
        self._waiting, self._all_taken = deque[asyncio.Future[None]](), asyncio.Event()
        self._workers = [asyncio.ensure_future(self._work()) for _ in range(self._concurrency)]

    async def hand(self, items: Iterable[Mapping[str, Any] | str]) -> bool:
        """Let the workers take items; return when all are taken, with False if the bulk has stopped."""
        self._items = iter(items)
        self._all_taken.clear()
        # one more than there are items, to see that all are taken
        self._wake(len(items) + 1 if isinstance(items, Sized) else self._concurrency)
        if not self._stopped:
            await self._all_taken.wait()
        return not self._stopped

    def stop(self, error: BaseException | None = None) -> None:
        """Begin no further record.

        :param error: of the items; :meth:`result` raises it
        """
        self._break(error, "the items")

    def _break(self, error: BaseException | None, culprit: str) -> None:
        if self._crash is None and error is not None:
            self._crash, self._culprit = error, culprit
        self._stopped = True
        self._all_taken.set()
        self._wake(self._concurrency)

    async def end(self) -> None:
        """Begin no further record, and await what is in flight.

        :raises BaseException: what interrupted a worker, as a task's time-out; at once
        """
        self.stop()
        if not self._workers:  # it was never started
            return
        await asyncio.wait(self._workers, return_when=asyncio.FIRST_EXCEPTION)
        for worker in self._workers:
            if worker.done() and not worker.cancelled() and (interruption := worker.exception()):
                raise interruption
        self._log.end(self._clock.monotonic(), self.report, is_broken=self._crash is not None)

    def result(self) -> BulkReport:
        """Return the report of a bulk that has ended.

        :raises BulkError: if a record failed, or with ``on_error`` ``continue`` more than ``max_failed``; or
            if the items or ``response_filter`` raised an error, its cause then, after a write was done
        :raises Exception: such an error itself, if none was
        """
        if isinstance(self._crash, Exception) and self._writes and self.report.has_applied:
            broken = self.report.broken(self._culprit, self._crash, self._max_failed)
            broken.conn_id = broken.conn_id or self._conn_id
            broken.retryable &= self._is_repeatable
            raise broken from self._crash
        if self._crash is not None:
            raise self._crash
        if self.report.has_failed(self._max_failed):
            raise self.report.error(self._max_failed)
        return self.report

    async def _work(self) -> None:
        try:
            while not self._stopped:
                if (item := next(self._items, _END)) is not _END:
                    await self._do(item)
                    continue
                self._all_taken.set()
                self._waiting.append(asyncio.get_running_loop().create_future())
                await self._waiting[-1]
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.stop(error)
            if not isinstance(error, Exception):  # a task's time-out strikes wherever the loop just is
                raise

    def _wake(self, number: int) -> None:
        for _ in range(min(number, len(self._waiting))):
            if not (waiting := self._waiting.popleft()).done():
                waiting.set_result(None)

    async def _do(self, item: Any) -> None:
        report = self.report
        position = len(report.records)
        report.records.append(None)
        try:
            request, progress = self._request(position, item)
            answer = self._send(request, progress=progress) if progress else self._send(request)
            response = (await answer).result
            report.note(position, BulkRecord(status="done", response=response))
            if self._filter is not None:
                report.records[position] = BulkRecord(status="done", response=self._filtered(response))
        except MirrorDBError as error:
            status = status_of(error)
            report.note(position, BulkRecord(status=status, error=error))
            self._log.failure(position, report, error)
            if self._fails:
                self.stop()
        self._log.progress(self._clock.monotonic(), report)

    def _request(self, position: int, item: Any) -> tuple[MirrorDBRequest, Progress | None]:
        arguments = {"endpoint": item} if isinstance(item, str) else item
        if not isinstance(arguments, Mapping):
            kind = type(item).__name__
            raise _bad(f"items[{position}]", f"it must be an endpoint or a mapping of arguments, not {kind}")
        _refuse_unknown(arguments, self._known_of_items, f"items[{position}].")
        said: dict[str, Any] = {**self._common, **arguments}
        progress = _MAYBE_APPLIED if said.pop("maybe_applied", False) else None
        partial, operation = said.pop("partial", False), self._operation
        for name in ("endpoint", "data"):
            may_be_missing = name == "data" and (operation == "read" or said.get("form"))
            if name in self._known and name not in said and not may_be_missing:
                raise _bad(f"items[{position}].{name}", "it is missing")
        if operation == "read":
            operation = read_method(said.get("data"))
        elif operation == "update":
            operation = self._update_method(given_body(said), partial=partial)
        method = operation
        if method == "PUT" and "endpoint" not in arguments:
            self._replaced += 1
            if self._replaced > 1:  # as of an iterator, whose items nobody knew before
                raise _bad(f"items[{position}].endpoint", shared_target(said["endpoint"]))
        request = MirrorDBRequest(method=method, **said)
        if "idempotency_key" not in arguments and (key := request.idempotency_key) is not None:
            key = f"{checked_key(key)}-{self._names.of(request)}" if method in KEYED else None
            request = replace(request, idempotency_key=key)
        self._is_repeatable &= may_be_begun_anew(request, sends_keys=self._sends_keys)
        return request, progress

    def _refuse_shared_target(self, items: Sequence[Any]) -> None:
        """Refuse several full updates that all go to the endpoint of the bulk: one would be left of them.

        An item that says its endpoint itself is meant so. Other iterables are not known before.

        :raises InvalidRequestError: if there are such updates; nothing was sent
        """
        endpoint = self._common.get("endpoint")
        if endpoint is None or self._operation not in ("update", "PUT"):
            return
        said = [
            {**self._common, **item} for item in items if isinstance(item, Mapping) and "endpoint" not in item
        ]
        if len(said) > 1 and all(self._replaces(arguments) for arguments in said[:2]):
            raise _bad("endpoint", shared_target(endpoint, len(said)))

    def _replaces(self, arguments: Mapping[str, Any]) -> bool:
        if self._operation == "PUT":
            return True
        if arguments.get("data") is None and arguments.get("form") is None:
            return False  # which is refused elsewhere
        partial = arguments.get("partial", False)
        return self._update_method(given_body(arguments), partial=partial) == "PUT"

    def _filtered(self, response: Any) -> Any:
        assert self._filter is not None  # noqa: S101  # asked before
        try:
            return self._filter(response)
        except Exception as error:
            self._break(error, "response_filter")
            raise


_END = object()


def _operation(name: object) -> _Operation:
    if isinstance(name, str) and name in _METHODS:
        return _METHODS[name]
    raise _bad("method", f"unknown method {name!r}; {remedy(name, _METHODS)}")


def _check_max_failed(value: object, on_error: OnError) -> None:
    if value is None:
        return
    if on_error != "continue":
        raise _bad("max_failed", NEEDS_CONTINUE)
    if not is_max_failed(value):
        raise _bad("max_failed", f"{MAX_FAILED_WANTED}, not {value!r}")


def _refuse_unknown(arguments: Mapping[str, Any], known: set[str], place: str) -> None:
    if not arguments.keys() <= known:
        name = min(map(str, arguments.keys() - known))
        raise _bad(f"{place}{name}", f"unknown argument; {remedy(name, sorted(known))}")


def _bad(place: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"{place}: {reason}", field=place)
