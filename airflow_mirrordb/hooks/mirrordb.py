"""MirrorDBHook: an Airflow connection, ready for requests."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mirrordb.client.bodies.requests import data_given, given_body
from airflow_mirrordb.client.calls.method_names import check_request
from airflow_mirrordb.client.collections.bulk import BulkOptions, Items
from airflow_mirrordb.client.collections.bulk_report import BulkReport
from airflow_mirrordb.client.endpoints.patterns import Method
from airflow_mirrordb.client.errors import BulkError
from airflow_mirrordb.client.jobs.cancel import LONGEST_CANCEL
from airflow_mirrordb.client.jobs.options import JobOptions, split_options
from airflow_mirrordb.client.messages.request import (
    BodyOptions,
    MirrorDBRequest,
    PreparedRequest,
    RequestOptions,
    read_method,
    request_of,
)
from airflow_mirrordb.client.retries.retry import Progress
from airflow_mirrordb.compat import DECISIONS
from airflow_mirrordb.hooks.blocking import BlockingSendOptions, Sending, items_of, send_items
from airflow_mirrordb.hooks.connected import ConnectedHook, client_for
from airflow_mirrordb.hooks.connections import form
from airflow_mirrordb.hooks.connections.check import check_connection
from airflow_mirrordb.hooks.output import check_storage, checked_sink, sink_for
from airflow_mirrordb.hooks.runner import in_event_loop
from airflow_mirrordb.json_types import NOT_GIVEN

if TYPE_CHECKING:
    from typing_extensions import Never, Unpack

    from airflow_mirrordb.client.calls.call import Note
    from airflow_mirrordb.client.jobs.places import RemoteJob
    from airflow_mirrordb.client.jobs.run import JobRun
    from airflow_mirrordb.client.messages.response import MirrorDBResponse
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB

T = TypeVar("T")

log = logging.getLogger(__name__)


class MirrorDBHook(ConnectedHook):
    """Create, read, update and delete resources of the backend behind an Airflow connection.

    In a plain task, call the methods; all requests of a hook, and of the next one, share one pool::

        with MirrorDBHook("my_backend") as hook:
            user = hook.read("api/users/7")

    In an async task, take the client::

        async with MirrorDBHook("my_backend") as client:
            user = await client.read_function("fetch user", "api/users/7")

    The connection is looked up once, at the first use. Constructing a hook does no I/O.

    :param mirrordb_conn_id: id of a connection of type ``mirrordb``
    :param ignore_unknown_extras: True to warn about unknown extras only, as triggers do
    :param operator: name for the User-Agent; by default that of the operator whose task runs
    :param once: False if a retry of the task may send each write again that may not be repeated; see
        :class:`~airflow_mirrordb.client.MirrorDBRequest` for one write alone
    """

    # -- for plain tasks -------------------------------------------------------------------------

    def create(
        self,
        endpoint: str,
        data: Any = NOT_GIVEN,
        *,
        method_name: str | None = None,
        **options: Unpack[BodyOptions],
    ) -> Any:
        """POST ``data``, or another body, and return the decoded answer.

        :param endpoint: path relative to the connection's base URL
        :param data: JSON value; None sends no body
        :param method_name: label in logs and errors
        :param options: see :class:`~airflow_mirrordb.client.BodyOptions`
        :return: the decoded JSON body; None if it is empty
        :raises ConfigError: if the connection is wrong
        :raises MirrorDBError: see :meth:`GenericMirrorDB.request`
        :raises RuntimeError: if called inside an event loop
        """
        data = data_given(data, options)
        return self._data("POST", endpoint, data=data, method_name=method_name, **options)

    def read(
        self,
        endpoint: str,
        *,
        data: Any = None,
        paginate: Mapping[str, Any] | None = None,
        output_path: str | None = None,
        method_name: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """GET ``endpoint`` and return the decoded answer; None if it is empty, or 304.

        :param data: JSON value that says what to read, as a GraphQL query, where a pattern as
            ``QUERY api/orders/search`` allows it; sent as it is by the connection's ``query_method``, and as
            repeatable as a GET
        :param paginate: how the collection goes on in further pages: the arguments of
            :class:`~airflow_mirrordb.client.Pagination`. The records of all pages are returned, in
            one list.
        :param output_path: file to write the answer to instead, as
            :class:`~airflow_mirrordb.hooks.output.OutputFile` takes it: the body as it is, or with
            ``paginate`` the records, as JSON Lines. Its
            :class:`~airflow_mirrordb.client.Manifest` is returned.
        :raises OutputError: if the file cannot be written

        The other arguments and errors are those of :meth:`create`.
        """
        said = {"method_name": method_name, "data": data, "paginate": paginate, **options}
        request = request_of(read_method(data), endpoint, said)
        return self.request(request, output_path=output_path).result

    def records(
        self,
        endpoint: str,
        *,
        paginate: Mapping[str, Any],
        data: Any = None,
        method_name: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> Iterator[Any]:
        """Iterate over the records of a collection, of which one page at a time is in memory.

        With ``concurrency`` it is as many pages as that says, which are read together.

        The arguments and errors are those of :meth:`read`.
        """
        said = {"method_name": method_name, "data": data, "paginate": paginate, **options}
        client = self.get_conn()
        pages = client.record_pages(request_of(read_method(data), endpoint, said), in_pauses=True)
        for records in items_of(pages, functools.partial(self._run, of=client)):
            yield from records

    def update(
        self,
        endpoint: str,
        data: Any = NOT_GIVEN,
        *,
        partial: bool = False,
        method_name: str | None = None,
        **options: Unpack[BodyOptions],
    ) -> Any:
        """Send ``data``, or another body, by the connection's ``update_method``, or by PATCH if ``partial``.

        Returns the decoded answer.
        The other arguments and the errors are those of :meth:`create`, but there is always a body.
        """
        data = data_given(data, options)
        method = self.get_conn().update_method(given_body({**options, "data": data}), partial=partial)
        return self._data(method, endpoint, data=data, method_name=method_name, **options)

    def delete(
        self,
        endpoint: str,
        *,
        missing_ok: bool = False,
        method_name: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """DELETE ``endpoint`` and return the decoded answer, usually None.

        :param missing_ok: whether a 404 or 410 is a success

        The other arguments and the errors are those of :meth:`create`.
        """
        return self._data("DELETE", endpoint, missing_ok=missing_ok, method_name=method_name, **options)

    def run_job(
        self,
        endpoint: str,
        data: Any = NOT_GIVEN,
        *,
        output_path: str | None = None,
        method_name: str | None = None,
        cancel_on_kill: bool = True,
        **options: Unpack[JobOptions],
    ) -> Any:
        """POST a job, poll until it is done, and return its result, decoded.

        :param output_path: file to write the result to instead, as for :meth:`read`
        :param cancel_on_kill: whether the job is cancelled when this call is interrupted, as by a time-out of
            the task

        The other arguments and errors are those of :meth:`GenericMirrorDB.run_job` and :meth:`create`.
        """
        check_storage(output_path)
        client = self.get_conn()
        arguments, said = split_options({**options, "data": data_given(data, options)})
        run = client.begin_job(request_of("POST", endpoint, {**said, "method_name": method_name}), arguments)
        prepared = run.prepare()
        response = self.send(prepared)
        sink = sink_for(output_path)
        return self.run_to_end(run.follow(response, prepared, sink, cancel_on_kill=cancel_on_kill)).result

    def run_to_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of this hook's client, which is cancelled when the caller is interrupted.

        :raises RuntimeError: if called inside an event loop
        """
        if self._runner is None or in_event_loop():
            work.close()
            self._refuse_event_loop()
        self.get_conn()
        assert self._runner is not None  # noqa: S101  # get_conn() made it
        return self._runner.run(work, longest_end=LONGEST_CANCEL + 1).value()

    def cancel_job(self, run: JobRun, job: RemoteJob) -> str:
        """Cancel a job from the handler of a signal, which may have interrupted this thread in anything.

        So it is done in another one, with a client and an event loop of their own. It takes at most ten
        seconds; Airflow kills the process of a task that a person ended after five.

        :param run: that follows the job
        :return: in words what became of that, as it is logged
        """
        config, found = self._look_up(), [f"it may still run: no answer within {LONGEST_CANCEL:g} s"]

        async def cancel() -> None:
            try:
                async with client_for(self.mirrordb_conn_id, config, self._async_look_up) as client:
                    found.append((await client.begin_job(run.common, run.arguments).cancel(job))[1])
            except Exception as error:  # noqa: BLE001  # a thread has nobody to raise it to
                found.append(f"it may still run, since its cancel failed: {type(error).__name__}")

        # in a thread of its own: this one may hold a lock of the log, for which the cancel must not wait
        _begin(log.info, "The task is ended, so its job %s is cancelled", job.endpoint)
        _begin(asyncio.run, cancel()).join(LONGEST_CANCEL + 1)
        if len(found) == 1:
            _begin(log.warning, "The job %s: %s", job.endpoint, found[0])
        return found[-1]

    def bulk(self, method: str, items: Items, **options: Unpack[BulkOptions]) -> BulkReport:
        """Send a request per item, a bounded number at a time, and return what became of each.

        :param method: ``create``, ``read``, ``update`` or ``delete``, or an HTTP method
        :param items: the arguments of each call, as ``{"endpoint": ..., "data": ...}``, or just its
            endpoint; any iterable, which may be one of this hook's own, as :meth:`records`.
            ``maybe_applied: True`` says of one that an earlier run may have applied it.
        :param options: see :class:`~airflow_mirrordb.client.BulkOptions`; also arguments that are the
            same for all items
        :raises BulkError: if a record failed, or with ``on_error`` ``continue`` more than ``max_failed``; or
            if the items or ``response_filter`` raised an error, its cause then, after a write was done; what
            ends a task for Airflow, as ``AirflowSkipException``, is raised as it is

        The other errors are those of :meth:`create`.
        """
        client = self.get_conn()
        assert self._runner is not None  # noqa: S101  # get_conn() made it
        if response_filter := options.get("response_filter"):
            options["response_filter"] = self._runner.interruptible(response_filter)
        bulk = client.begin_bulk(method, **options)
        send_items(bulk, client, items, functools.partial(self._run, of=client))
        try:
            return bulk.result()
        except BulkError as error:
            if isinstance(decision := error.__cause__, DECISIONS):
                raise decision from decision.__cause__  # no retry comes after it
            raise

    def request(
        self, request: MirrorDBRequest, *others: Never, **options: Unpack[BlockingSendOptions]
    ) -> MirrorDBResponse:
        """Send a request and return the whole answer.

        The arguments and errors are those of :meth:`send`.
        """
        check_request(request, others)
        client = self.get_conn()
        return self._send(client, client.prepare(request), **options)

    def send(self, prepared: PreparedRequest, **options: Unpack[BlockingSendOptions]) -> MirrorDBResponse:
        """Send what :meth:`GenericMirrorDB.prepare` returned, and return the whole answer.

        :param options: see :class:`~airflow_mirrordb.hooks.blocking.BlockingSendOptions`

        Whatever interrupts it, as a time-out of the task, ends the request. If that is a write which may
        not be repeated and may have been sent, the interruption has an :class:`AmbiguousWriteError` as
        its cause.

        :raises WaitNeeded: see ``wait`` and ``cut_off``; who goes on from there sends the same request,
            with the same ``idempotency_key``
        :raises MirrorDBError: see :meth:`GenericMirrorDB.request`
        :raises RuntimeError: if called inside an event loop
        """
        return self._send(self.get_conn(), prepared, **options)

    def register_endpoint(self, pattern: str) -> None:
        """Allow what a pattern says as well, until this hook is closed; not in a forked process.

        :raises ConfigError: if the pattern is malformed
        """
        self._run(self.get_conn().register_endpoint(pattern)).value()

    # -- for the form ----------------------------------------------------------------------------

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the fields of the form below Airflow 3.2; newer ones read ``conn-fields`` themselves."""
        return form.widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the labels and placeholders of the form below Airflow 3.2."""
        return form.field_behaviour()

    def test_connection(self) -> tuple[bool, str]:
        """Ask the backend once whether it is there and takes the key; changes nothing there.

        Reads ``test_endpoint``, whose JSON shows both; without it, the base URL, which cannot. Takes at most
        10 seconds, also if the look-up of the connection or of a name hangs, which then ends by itself, in a
        thread.

        :return: whether it worked, and in words what was found, and what to do about it
        """
        self._refuse_event_loop()
        return asyncio.run(check_connection(self._look_up))

    # -- inside ----------------------------------------------------------------------------------

    def _send(
        self,
        client: GenericMirrorDB,
        prepared: PreparedRequest,
        *,
        progress: Progress | None = None,
        wait: bool = True,
        single_attempt: bool = False,
        cut_off: float | None = None,
        output_path: str | None = None,
        note: Note | None = None,
    ) -> MirrorDBResponse:
        sink = None if output_path is None else checked_sink(output_path)
        sending = None  # who is interrupted in what may be repeated need not know how far it came
        if cut_off is not None or not prepared.repeatable:
            sending = Sending(prepared, progress or client.begin(), cut_off, note)
            progress, note = sending.progress, sending.note
        sent = client.send(
            prepared, progress=progress, wait=wait, single_attempt=single_attempt, sink=sink, note=note
        )
        outcome = self._run(sent if cut_off is None else asyncio.wait_for(sent, cut_off), of=client)
        return (outcome if sending is None else sending.told(outcome)).value()

    def _data(self, method: Method, endpoint: str, **options: Any) -> Any:
        return self.request(request_of(method, endpoint, options)).result


def _begin(function: Callable[..., object], *arguments: Any) -> Thread:
    """Begin a function in a thread that does not keep the process, and that logs as this one does."""
    thread = Thread(target=contextvars.copy_context().run, args=(function, *arguments), daemon=True)
    thread.start()
    return thread
