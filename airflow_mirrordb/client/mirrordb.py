"""GenericMirrorDB: the client a person uses."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.bodies.requests import data_given, given_body
from airflow_mirrordb.client.calls.by_name import called
from airflow_mirrordb.client.calls.call import Note
from airflow_mirrordb.client.calls.sender import SendOptions
from airflow_mirrordb.client.collections.bulk import Bulk, BulkOptions, Items
from airflow_mirrordb.client.collections.bulk_report import BulkReport
from airflow_mirrordb.client.collections.pages.reader import Reader, collect, pages
from airflow_mirrordb.client.collections.pages.reading_report import warning_of_pages
from airflow_mirrordb.client.collections.pages.sender import PageSender
from airflow_mirrordb.client.collections.streams import Sink, Stream
from airflow_mirrordb.client.connected import Connected
from airflow_mirrordb.client.endpoints.patterns import Method
from airflow_mirrordb.client.errors import InvalidRequestError, MirrorDBError, remedy
from airflow_mirrordb.client.jobs.options import JobOptions, split_options
from airflow_mirrordb.client.jobs.run import JobRun
from airflow_mirrordb.client.messages.full_response import full_response
from airflow_mirrordb.client.messages.request import (
    BodyOptions,
    MirrorDBRequest,
    PreparedRequest,
    RequestOptions,
    read_method,
    request_of,
    update_method,
)
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.client.retries.retry import Progress
from airflow_mirrordb.job_arguments import JobArguments
from airflow_mirrordb.json_types import NOT_GIVEN

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger(__name__)

#: Endpoints of which a client says that they have further pages.
MOST_TOLD = 100
CALLABLE = ("create_function", "read_function", "update_function", "delete_function")


class GenericMirrorDB(Connected):
    """An async client for one REST backend.

    Use it as an async context manager, or call :meth:`connect` and :meth:`disconnect`. All methods
    may be called from many tasks of one event loop at the same time. For another event loop, and in a
    forked process, disconnect and connect it there, or make another.

    :param config: the connection's settings; a mapping is validated
    :param look_up: coroutine function that looks the credentials up again when a request meets 401,
        and returns the settings that may have changed, as ``{"api_key": ...}``
    :param share_connections: whether to use the connections that all such clients of one connection and
        event loop share, instead of its own; they are closed when they are idle, and when the loop ends
    :param observe: called with an :class:`Attempt` after each request that went over the wire, on the
        event loop; must not raise
    :param clock: what it tells the time by, waits with, and draws the jitter of its waits from
    :param open_source: returns the :class:`Source` of a path in ``files`` and ``input_path``; by default a
        file on a disk
    :param conn_id: id of the Airflow connection that the settings are of, for errors and logs
    :param refresh_tokens: where the refresh tokens of ``grant_type`` ``refresh_token`` are kept, by name
    :param guard: makes the idempotency keys of writes, and marks them, for a caller that may be run again
    :raises ConfigError: if a setting is wrong
    """

    # -- requests --------------------------------------------------------------------------------

    async def create_function(
        self, method_name: str | None, endpoint: str, data: Any = NOT_GIVEN, **options: Unpack[BodyOptions]
    ) -> Any:
        """POST ``data``, or another body, and return the decoded answer.

        :param method_name: label in logs and errors
        :param endpoint: path relative to the base URL
        :param data: JSON value; None sends no body
        :param options: see :class:`BodyOptions`
        :return: the decoded JSON body; None if it is empty
        :raises MirrorDBError: see :meth:`request`
        """
        data = data_given(data, options)
        return await self._data("POST", method_name, endpoint, data=data, **options)

    async def read_function(
        self,
        method_name: str | None,
        endpoint: str,
        *,
        data: Any = None,
        paginate: Mapping[str, Any] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """GET ``endpoint`` and return the decoded answer; None if it is empty, or 304.

        :param data: JSON value that says what to read, as a GraphQL query, where a pattern as
            ``QUERY api/orders/search`` allows it; sent as it is by the connection's ``query_method``, and as
            repeatable as a GET
        :param paginate: how the collection goes on in further pages: the arguments of
            :class:`Pagination`. The records of all pages are returned, in one list.

        The other arguments and the errors are those of :meth:`create_function`.
        """
        said = {"method_name": method_name, "data": data, "paginate": paginate, **options}
        request = request_of(read_method(data), endpoint, said)
        return (await self.send(self.prepare(request))).result

    async def records(
        self,
        method_name: str | None,
        endpoint: str,
        *,
        paginate: Mapping[str, Any],
        data: Any = None,
        **options: Unpack[RequestOptions],
    ) -> AsyncIterator[Any]:
        """Iterate over the records of a collection, of which some pages are in memory, not all.

        The next page is read while one is handed on; with ``concurrency`` as many as that says. The
        arguments and errors are those of :meth:`read_function`.
        """
        said = {"method_name": method_name, "data": data, "paginate": paginate, **options}
        async with aclosing(self.record_pages(request_of(read_method(data), endpoint, said))) as found:
            async for records in found:
                for record in records:
                    yield record

    async def record_pages(
        self, request: MirrorDBRequest, *, in_pauses: bool = False
    ) -> AsyncGenerator[list[Any], None]:
        """Iterate as :meth:`records` does, but over lists, one a page; ``in_pauses`` is :class:`Reader`'s."""
        with self._reporting:
            reader = self._reader(request, None, in_pauses=in_pauses)
            async with aclosing(pages(reader, request)) as found:
                async for _, records in found:
                    yield records

    async def update_function(
        self,
        method_name: str | None,
        endpoint: str,
        data: Any = NOT_GIVEN,
        *,
        partial: bool = False,
        **options: Unpack[BodyOptions],
    ) -> Any:
        """Send ``data``, or another body, by the connection's ``update_method``, or by PATCH if ``partial``.

        Returns the decoded answer.
        The other arguments and the errors are those of :meth:`create_function`, but there is always a body.
        """
        data = data_given(data, options)
        method = self.update_method(given_body({**options, "data": data}), partial=partial)
        return await self._data(method, method_name, endpoint, data=data, **options)

    async def delete_function(
        self,
        method_name: str | None,
        endpoint: str,
        *,
        missing_ok: bool = False,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """DELETE ``endpoint`` and return the decoded answer, usually None.

        :param missing_ok: whether a 404 or 410 is a success
        The other arguments and the errors are those of :meth:`create_function`.
        """
        return await self._data("DELETE", method_name, endpoint, missing_ok=missing_ok, **options)

    async def run_job(
        self,
        endpoint: str,
        data: Any = NOT_GIVEN,
        *,
        method_name: str | None = None,
        sink: Sink | None = None,
        cancel_on_kill: bool = True,
        **options: Unpack[JobOptions],
    ) -> Any:
        """POST a job, poll until it is done, and return its result, decoded.

        :param endpoint: of the submit
        :param data: JSON value of the submit; None sends no body
        :param method_name: label in logs and errors
        :param sink: takes the result, as in :class:`SendOptions`; its :class:`Manifest` is returned then
        :param cancel_on_kill: whether the job is cancelled when this call is
        :param options: see :class:`JobOptions`
        :raises JobFailedError: if it failed, or is gone
        :raises JobTimeoutError: if it was not done in time; it was cancelled then, if that is possible
        :raises InvalidResponseError: if the answer to the submit does not say where the job is, which may run

        The other errors are those of :meth:`request`.
        """
        arguments, said = split_options({**options, "data": data_given(data, options)})
        said["method_name"] = method_name
        run = self.begin_job(request_of("POST", endpoint, said), arguments)
        return (await run.run(sink, cancel_on_kill=cancel_on_kill)).result

    def begin_job(self, request: MirrorDBRequest, arguments: JobArguments) -> JobRun:
        """Return what a caller does about one job by itself; see :meth:`run_job`.

        :param request: its submit
        """
        return JobRun(self, arguments, request, self._clock, self._reporting)

    async def bulk(self, method: str, items: Items, **options: Unpack[BulkOptions]) -> BulkReport:
        """Send a request per item, a bounded number at a time, and return what became of each.

        :param method: ``create``, ``read``, ``update`` or ``delete``, or an HTTP method
        :param items: the arguments of each call, as ``{"endpoint": ..., "data": ...}``, or just its
            endpoint; any iterable, also an async one, of which no item is taken before it is begun.
            ``maybe_applied: True`` says of one that an earlier run may have applied it.
        :param options: see :class:`BulkOptions`; also arguments that are the same for all items
        :raises BulkError: if a record failed, or with ``on_error`` ``continue`` more than ``max_failed``; or
            if the items or ``response_filter`` raised an error, its cause then, after a write was done
        :raises InvalidRequestError: if an argument is wrong that holds for all items
        """
        return await self.begin_bulk(method, **options).run(items)

    def begin_bulk(self, method: str, **options: Unpack[BulkOptions]) -> Bulk:
        """Return a bulk to which the caller hands the items; see :meth:`bulk`.

        All of it goes to one backend: what is left when the base URL is changed fails, and is not sent.
        """
        self._routes.any()
        config = self._snapshot.config

        def send(request: MirrorDBRequest, **how: Unpack[SendOptions]) -> Awaitable[MirrorDBResponse]:
            prepared = self.prepare(request)
            prepared.check_backend(config.base_url)
            return self.send(prepared, **how)

        return Bulk(
            send,
            self.update_method,
            method,
            options,
            max_concurrency=config.max_concurrency,
            sends_keys=self.sends_keys,
            clock=self._clock,
            conn_id=self._reporting.conn_id,
        )

    async def request(self, request: MirrorDBRequest, **options: Unpack[SendOptions]) -> MirrorDBResponse:
        """Send a request, again where that is safe and the policy says so, and return the whole answer.

        :param request: what to send
        :param options: see :class:`SendOptions`
        :raises EndpointNotAllowedError: if no registered pattern allows it; nothing was sent
        :raises InvalidRequestError: if an argument cannot be sent; nothing was
        :raises TransportError: if there was no answer
        :raises ResponseError: if the answer is no success
        :raises InvalidResponseError: if the body of a success cannot be used
        :raises OutputError: if the sink cannot take the answer
        :raises AmbiguousWriteError: if a write may or may not have been applied
        :raises RateLimitError: also if its turn would come after the deadline; nothing was sent then
        :raises WaitNeeded: see ``wait``
        """
        return await self.send(self.prepare(request), **options)

    def prepare(self, request: MirrorDBRequest) -> PreparedRequest:
        """Check and encode a request without sending it, for :meth:`send`.

        :raises EndpointNotAllowedError: if no registered pattern allows it
        :raises InvalidRequestError: if an argument cannot be sent
        """
        with self._reporting:
            return self._sender.prepare(request, self._snapshot)

    async def send(
        self,
        prepared: PreparedRequest,
        *,
        progress: Progress | None = None,
        wait: bool = True,
        single_attempt: bool = False,
        sink: Sink | None = None,
        note: Note | None = None,
        most_bytes: float = math.inf,
    ) -> MirrorDBResponse:
        """Send what :meth:`prepare` returned.

        The arguments are those of :class:`SendOptions`, the other errors those of :meth:`request`.

        :raises InvalidRequestError: if the base URL was changed since then: the key is another one's
        """
        request = prepared.request
        prepared.check_backend(self._snapshot.config.base_url)
        with self._reporting:
            stream = None if sink is None else Stream(sink, request)
            if request.paginate is None:
                answer = self._sender.send(
                    prepared,
                    self._snapshot,
                    self._routes.here(),
                    progress,
                    wait=wait,
                    single_attempt=single_attempt,
                    stream=stream,
                    note=note,
                )
            else:
                reader = self._reader(request, progress, wait=wait, single_attempt=single_attempt, note=note)
                answer = collect(reader, request, stream, most_bytes)
            response = await (answer if stream is None else stream.keep(answer))
            if request.reads and request.paginate is None:
                self._warn_of_pages(request, response)
            if request.full_response:
                full = full_response(response, prepared.wire.url, prepared.base_url, self._reporting.text)
                return replace(response, full=full)
            return response

    def begin(self) -> Progress:
        """Return where a request starts: nothing sent, and ``max_elapsed`` seconds to the deadline."""
        return Progress(deadline=self._clock.time() + self._snapshot.config.max_elapsed)

    def update_method(self, body: object, *, partial: bool) -> Method:
        """Return the method of an update: PATCH of a partial one, else the connection's ``update_method``.

        :raises InvalidRequestError: if the body is None
        """
        return update_method(self._snapshot.config, body, partial=partial)

    @property
    def sends_keys(self) -> bool:
        """Whether the connection has an ``idempotency_header``."""
        return self._snapshot.config.idempotency_header is not None

    def without_secrets(self, text: str) -> str:
        """Return a text with ``***`` in the place of each secret of this client, to log or to store it."""
        return self._reporting.text(text)

    async def probe(self) -> int:
        """Send one GET to ``test_endpoint``, or to the base URL, and return the status of a success.

        It is sent once, follows no redirect, and takes no longer than ``timeout``, with the request for a
        token, which an error names as a POST of ``oauth_url``, or ``login_url``.

        :raises TransportError: if there was no answer, or no whole one
        :raises ResponseError: if it is no 2xx, or, of ``test_endpoint``, says that it is no success
        :raises InvalidResponseError: if that of ``test_endpoint`` is not JSON
        :raises EndpointNotAllowedError: if ``test_endpoint`` is not registered
        """
        with self._reporting:
            return await self._sender.probe(self._snapshot, self._routes.here())

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call one of the four ``*_function`` methods by name, and return plain data whatever happens.

        :param method: ``create_function``, ``read_function``, ``update_function`` or ``delete_function``
        :param arguments: the arguments of that method
        :return: ``{"response": ...}``, or ``{"error": ...}`` with :meth:`MirrorDBError.to_dict`
        """
        try:
            if method not in CALLABLE:
                message = f"unknown method {method!r}; {remedy(method, CALLABLE)}"
                raise InvalidRequestError(message=message, field="method")
            return {"response": await called(getattr(self, method), arguments)}
        except MirrorDBError as error:
            return {"error": error.to_dict()}

    # -- inside ----------------------------------------------------------------------------------

    def _reader(
        self, request: MirrorDBRequest, progress: Progress | None, *, in_pauses: bool = False, **said: Any
    ) -> Reader:
        how = {"wait": True, "single_attempt": False, **said}
        sender = PageSender(self._sender, lambda: self._snapshot, self._routes, progress, **how)
        return Reader(
            send=sender.send,
            base_url=sender.base_url,
            clock=self._clock,
            name=self._reporting.name_of(request),
            most_bytes=self._snapshot.config.max_response_bytes,
            in_pauses=in_pauses,
            tells_progress=not how["single_attempt"],  # who polls would fill the log
        )

    def _warn_of_pages(self, request: MirrorDBRequest, response: MirrorDBResponse) -> None:
        if request.endpoint in self._told_of_pages:
            return
        warning = warning_of_pages(request, response)
        if warning is not None and len(self._told_of_pages) < MOST_TOLD:
            self._told_of_pages.add(request.endpoint)
            log.warning("%s: %s", self._reporting.name_of(request), warning)

    async def _data(self, method: Method, method_name: str | None, endpoint: str, **options: Any) -> Any:
        request = request_of(method, endpoint, {"method_name": method_name, **options})
        return (await self.send(self.prepare(request))).result
