"""GenericMirrorDB: the client a person uses."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client import forking
from airflow_mirrordb.client.auth.credentials import Credentials, LookUp
from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.auth.schemes import secrets
from airflow_mirrordb.client.clock import SYSTEM_CLOCK, Clock
from airflow_mirrordb.client.collections.bulk import Bulk, BulkOptions, Items
from airflow_mirrordb.client.collections.bulk_report import BulkReport
from airflow_mirrordb.client.collections.pagination import collect, pages
from airflow_mirrordb.client.collections.streams import Sink, Stream
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import InvalidRequestError, MirrorDBError, remedy
from airflow_mirrordb.client.request import (
    MirrorDBRequest,
    PreparedRequest,
    RequestOptions,
    attach_request,
    prepare,
    probe,
    update_method,
)
from airflow_mirrordb.client.response import MirrorDBResponse, response_error
from airflow_mirrordb.client.rules.endpoints import EndpointRegistry, Method
from airflow_mirrordb.client.rules.retry import Progress
from airflow_mirrordb.client.rules.throttle import Throttle
from airflow_mirrordb.client.sender import Note, Observer, Route, Sender, Snapshot
from airflow_mirrordb.client.wire.transport import Transport

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

log = logging.getLogger(__name__)

CALLABLE = ("create_function", "read_function", "update_function", "delete_function")


class GenericMirrorDB:
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
    :raises ConfigError: if a setting is wrong
    """

    def __init__(
        self,
        config: MirrorDBConfig | Mapping[str, Any],
        *,
        look_up: LookUp | None = None,
        share_connections: bool = False,
        observe: Observer | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        config = config if isinstance(config, MirrorDBConfig) else MirrorDBConfig.model_validate(config)
        self._snapshot = Snapshot(config=config, registry=EndpointRegistry(declared=config.endpoints))
        self._clock = clock
        self._share_connections = share_connections
        self._route: Route | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._generation = forking.generation
        self._retired: weakref.WeakSet[Transport] = weakref.WeakSet()  # kept by the requests that began there
        self._redaction = Redaction(secrets(config))
        self._credentials = Credentials(
            lambda: self._snapshot.config, self._change, look_up, clock, self._redaction
        )
        self._sender = Sender(self._credentials, self._redaction, clock, observe)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.disconnect()

    @property
    def is_connected(self) -> bool:
        """Whether it is ready for requests."""
        return self._route is not None

    async def connect(self) -> None:
        """Make the client ready for requests. Opens no connection; that is left to the first request.

        :raises ConfigError: if a certificate or key of the configuration cannot be read
        :raises RuntimeError: if it is connected in another event loop that is not closed
        """
        self._forget_if_lost()
        if self._route is not None:
            self._connected_here()
        else:
            config = self._snapshot.config
            if config.base_url.endswith("/api") and any(
                p.startswith("api/") for p in self._snapshot.registry.patterns
            ):
                log.warning(
                    "The base URL ends in '/api' and so do patterns begin: requests go to '…/api/api/…'"
                )
            route = self._route_to(config)
            self._credentials.connect()
            self._loop, self._generation = asyncio.get_running_loop(), forking.generation
            self._route = route

    async def disconnect(self) -> None:
        """End what is in flight and close all connections, save those that are shared.

        Requests in flight end with :class:`DisconnectedError`, or :class:`AmbiguousWriteError` where
        a write that may not be repeated was already sent. What was connected in an event loop that is
        closed, or in the process that forked this one, is only forgotten.

        :raises RuntimeError: if it is connected in another event loop that is not closed
        """
        self._forget_if_lost()
        if self._route is not None:
            self._connected_here()
        transports = [*self._retired, *([self._route.transport] if self._route else [])]
        self._route, self._retired = None, weakref.WeakSet()
        for transport in transports:
            transport.closing = True
        await self._sender.end()
        for transport in transports:
            await transport.close()

    # -- requests --------------------------------------------------------------------------------

    async def create_function(
        self, method_name: str | None, endpoint: str, data: Any, **options: Unpack[RequestOptions]
    ) -> Any:
        """POST ``data`` and return the decoded answer.

        :param method_name: label in logs and errors
        :param endpoint: path relative to the base URL
        :param data: JSON value; None sends no body
        :param options: see :class:`RequestOptions`
        :return: the decoded JSON body; None if it is empty
        :raises MirrorDBError: see :meth:`request`
        """
        return await self._data("POST", method_name, endpoint, data=data, **options)

    async def read_function(
        self,
        method_name: str | None,
        endpoint: str,
        *,
        paginate: Mapping[str, Any] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """GET ``endpoint`` and return the decoded answer; None if it is empty, or 304.

        :param paginate: how the collection goes on in further pages: the arguments of
            :class:`Pagination`. The records of all pages are returned, in one list.

        The other arguments and the errors are those of :meth:`create_function`.
        """
        return await self._data("GET", method_name, endpoint, paginate=paginate, **options)

    async def records(
        self,
        method_name: str | None,
        endpoint: str,
        *,
        paginate: Mapping[str, Any],
        **options: Unpack[RequestOptions],
    ) -> AsyncIterator[Any]:
        """Iterate over the records of a collection, of which only one page at a time is in memory.

        The arguments and errors are those of :meth:`read_function`.
        """
        request = MirrorDBRequest(
            method="GET", endpoint=endpoint, method_name=method_name, paginate=paginate, **options
        )
        with self._redaction:
            async for _, records in pages(self.request, request, self._snapshot.config.base_url):
                for record in records:
                    yield record

    async def update_function(
        self,
        method_name: str | None,
        endpoint: str,
        data: Any,
        *,
        partial: bool = False,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Send ``data`` by the connection's ``update_method``, or PATCH it if ``partial``.

        Returns the decoded answer.
        The other arguments and the errors are those of :meth:`create_function`, but ``data`` is never None.
        """
        method = self.update_method(data, partial=partial)
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

        :param missing_ok: whether a 404 is a success
        The other arguments and the errors are those of :meth:`create_function`.
        """
        return await self._data("DELETE", method_name, endpoint, missing_ok=missing_ok, **options)

    async def bulk(self, method: str, items: Items, **options: Unpack[BulkOptions]) -> BulkReport:
        """Send a request per item, a bounded number at a time, and return what became of each.

        :param method: ``create``, ``read``, ``update`` or ``delete``, or an HTTP method
        :param items: the arguments of each call, as ``{"endpoint": ..., "data": ...}``, or just its
            endpoint; any iterable, also an async one, of which no item is taken before it is begun.
            ``maybe_applied: True`` says of one that an earlier run may have applied it.
        :param options: see :class:`BulkOptions`; also arguments that are the same for all items
        :raises BulkError: if a record failed, or with ``on_error`` ``continue`` more than ``max_failed``
        :raises InvalidRequestError: if an argument is wrong that holds for all items
        """
        return await self.begin_bulk(method, **options).run(items)

    def begin_bulk(self, method: str, **options: Unpack[BulkOptions]) -> Bulk:
        """Return a bulk to which the caller hands the items; see :meth:`bulk`."""
        self._connected()
        return Bulk(
            self.request,
            self.update_method,
            method,
            options,
            max_concurrency=self._snapshot.config.max_concurrency,
            clock=self._clock,
        )

    async def request(
        self,
        request: MirrorDBRequest,
        *,
        progress: Progress | None = None,
        wait: bool = True,
        once: bool = False,
        sink: Sink | None = None,
        note: Note | None = None,
        most_bytes: float = math.inf,
    ) -> MirrorDBResponse:
        """Send a request, again where that is safe and the policy says so, and return the whole answer.

        :param request: what to send
        :param progress: where an earlier run, maybe in another process, left off
        :param wait: False to raise :class:`WaitNeeded` instead of waiting before a further attempt, or
            for more than a second for its turn
        :param once: True to leave all further attempts to the caller: sends one, and logs no failure;
            waits for its turn for no more than a second
        :param sink: takes the answer to a GET: the body as it is after decompression, of any length and
            kind, or with ``paginate`` the records of one page after the other, as JSON Lines. The
            response's ``data`` is a :class:`Manifest` then. Nothing but a whole answer is kept; a 304
            changes nothing, and has no manifest.
        :param most_bytes: size that pages may have together, without a sink; of more the rest is not read,
            and the response has the size but no records
        :param note: called with the number of attempts, and whether one of them may have been applied, right
            before each goes over the wire, and when its answer has come; must not raise
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
        return await self.send(
            self.prepare(request),
            progress=progress,
            wait=wait,
            once=once,
            sink=sink,
            note=note,
            most_bytes=most_bytes,
        )

    def prepare(self, request: MirrorDBRequest) -> PreparedRequest:
        """Check and encode a request without sending it, for :meth:`send`.

        :raises EndpointNotAllowedError: if no registered pattern allows it
        :raises InvalidRequestError: if an argument cannot be sent
        """
        with self._redaction:
            return self._sender.prepare(request, self._snapshot)

    async def send(
        self,
        prepared: PreparedRequest,
        *,
        progress: Progress | None = None,
        wait: bool = True,
        once: bool = False,
        sink: Sink | None = None,
        note: Note | None = None,
        most_bytes: float = math.inf,
    ) -> MirrorDBResponse:
        """Send what :meth:`prepare` returned.

        The arguments and the other errors are those of :meth:`request`.
        """
        request = prepared.request
        with self._redaction:
            stream = None if sink is None else Stream(sink, request)
            if request.paginate is None:
                answer = self._send(prepared, progress, wait=wait, once=once, stream=stream, note=note)
                return await (answer if stream is None else stream.keep(answer))
            first = iter([progress])

            async def send(page: MirrorDBRequest) -> MirrorDBResponse:
                return await self._send(
                    self.prepare(page), next(first, None), wait=wait, once=once, note=note
                )

            answer = collect(send, request, self._snapshot.config.base_url, stream, most_bytes)
            return await (answer if stream is None else stream.keep(answer))

    def begin(self) -> Progress:
        """Return where a request starts: nothing sent, and ``max_elapsed`` seconds to the deadline."""
        return Progress(deadline=self._clock.time() + self._snapshot.config.max_elapsed)

    def update_method(self, data: object, *, partial: bool) -> Method:
        """Return the method of an update: PATCH of a partial one, else the connection's ``update_method``.

        :raises InvalidRequestError: if the data is None
        """
        return update_method(self._snapshot.config, data, partial=partial)

    @property
    def sends_keys(self) -> bool:
        """Whether the connection has an ``idempotency_header``."""
        return self._snapshot.config.idempotency_header is not None

    def without_secrets(self, text: str) -> str:
        """Return a text with ``***`` in the place of each secret of this client, to log or to store it."""
        return self._redaction.text(text)

    async def probe(self) -> int:
        """Send one GET to ``test_endpoint``, or to the base URL, and return the status of the answer.

        Any answer below 500 proves that the backend is there, save one that refuses the key and a
        404 of ``test_endpoint``. It takes no longer than ``timeout``, with the request for a token.

        :raises TransportError: if there was no answer
        :raises ResponseError: if the answer is one of those
        :raises EndpointNotAllowedError: if ``test_endpoint`` is not registered
        """
        with self._redaction:
            return await self._probe(self._connected_here().transport)

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
            return {"response": await self._call(getattr(self, method), arguments)}
        except MirrorDBError as error:
            return {"error": error.to_dict()}

    # -- changes at run time ---------------------------------------------------------------------

    async def update_api_key(self, key: str) -> None:
        """Use another key from the next request on, until the client is closed.

        A client without a key sends it as a bearer token.

        :raises ConfigError: if the key cannot be sent in a header
        """
        self._change({"api_key": key})
        self._credentials.pin()

    async def update_config(self, **changes: Any) -> None:
        """Change settings from the next request on; all of them, or none if one is wrong.

        :param changes: fields of :class:`MirrorDBConfig`; None restores a default
        :raises ConfigError: names the setting, what is wrong with it, and the nearest valid name
        """
        retired = self._change(changes)
        if "api_key" in changes:
            self._credentials.pin()
        if retired is not None:
            await asyncio.shield(retired.retire())  # to its end, even if the caller is cancelled

    async def get_config(self) -> dict[str, Any]:
        """Return all settings as plain JSON values, every secret as ``***``."""
        return self._snapshot.config.masked()

    async def register_endpoint(self, pattern: str) -> None:
        """Allow what a pattern says as well, for this client's life.

        :param pattern: see :mod:`airflow_mirrordb.client.rules.endpoints`
        :raises ConfigError: if the pattern is malformed
        """
        self._snapshot = replace(self._snapshot, registry=self._snapshot.registry.with_pattern(pattern))

    async def registered_endpoints(self) -> list[str]:
        """Return all patterns that hold."""
        return list(self._snapshot.registry.patterns)

    # -- inside ----------------------------------------------------------------------------------

    def _change(self, changes: Mapping[str, Any]) -> Transport | None:
        """Apply changes, and return the transport that no further request will use, if there is one."""
        config = self._snapshot.config.changed(changes)
        registry = replace(self._snapshot.registry, declared=config.endpoints)
        retired: Transport | None = None
        if self._route is not None and changes.keys() - {"api_key", "login"}:
            self._connected_here()
            route = self._route_to(config)  # before anything is changed: it may not be able to read a file
            retired = self._route.transport
            self._retired.add(retired)
            self._route = route
        self._snapshot = Snapshot(config=config, registry=registry)
        self._redaction.add(secrets(config))
        self._credentials.forget_token()
        return retired

    def _send(
        self,
        prepared: PreparedRequest,
        progress: Progress | None,
        *,
        wait: bool,
        once: bool,
        stream: Stream | None = None,
        note: Note | None = None,
    ) -> Awaitable[MirrorDBResponse]:
        route = self._connected_here()
        return self._sender.send(
            prepared, self._snapshot, route, progress, wait=wait, once=once, stream=stream, note=note
        )

    async def _data(self, method: Method, method_name: str | None, endpoint: str, **options: Any) -> Any:
        request = MirrorDBRequest(method=method, endpoint=endpoint, method_name=method_name, **options)
        return (await self.request(request)).data

    async def _call(self, function: Callable[..., Awaitable[Any]], arguments: Mapping[str, Any]) -> Any:
        signature = inspect.signature(function)
        known = RequestOptions.__annotations__.keys() | (signature.parameters.keys() - {"options"})
        try:
            signature.bind(**arguments)
            if unknown := arguments.keys() - known:
                raise TypeError(f"got an unexpected keyword argument {min(unknown)!r}")  # noqa: TRY301
        except TypeError as error:
            message = f"{function.__name__}: {error}"
            raise InvalidRequestError(message=message, field="arguments") from error
        return await function(**arguments)

    async def _probe(self, transport: Transport) -> int:
        config, registry = self._snapshot.config, self._snapshot.registry
        request = MirrorDBRequest(method="GET", endpoint=config.test_endpoint or "", method_name="test")
        wire = prepare(request, config, registry) if config.test_endpoint else probe(config)
        begin = self._clock.monotonic()
        try:
            headers = await self._credentials.headers(config, transport)
            left = config.timeout - round(self._clock.monotonic() - begin, 1)
            with self._sender.in_flight(request):
                answer = await transport.send(wire, headers, left)
        except MirrorDBError as error:
            error.attempts = 1
            raise attach_request(error, request) from error.__cause__
        bad = {401, 403, 404} if config.test_endpoint else {401, 403}
        if answer.status in bad or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            refusal = response_error(answer, config, now=self._clock.time())
            refusal.attempts = 1
            raise attach_request(refusal, request)
        if answer.broken is not None:
            raise attach_request(answer.broken, request)
        return answer.status

    def _route_to(self, config: MirrorDBConfig) -> Route:
        throttle = Throttle(config, self._clock)
        return Route(transport=Transport(config, shared=self._share_connections), throttle=throttle)

    def _connected(self) -> Route:
        if self._route is None:
            raise RuntimeError("the client is not connected: use 'async with', or await connect() first")
        return self._route

    def _connected_here(self) -> Route:
        route = self._connected()
        if self._generation != forking.generation:
            raise RuntimeError(
                "the client was connected before this process was forked, and its connections are the"
                " parent's: make another one here, or disconnect() and connect() it"
            )
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(
                "the client is connected in another event loop:"
                " make one for each, or disconnect() it there and connect() it here"
            )
        return route

    def _forget_if_lost(self) -> None:
        """Forget connections that nobody can end here: their event loop is closed, or the parent's."""
        if self._loop is None:
            return
        if self._generation != forking.generation or self._loop.is_closed():
            self._route = self._loop = None
            self._retired = weakref.WeakSet()
            self._sender.forget()
