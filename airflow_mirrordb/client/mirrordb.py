"""GenericMirrorDB: the client a person uses."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import logging
import random
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from airflow_mirrordb.client.answers import (
    Answer,
    MirrorDBResponse,
    interpret,
    redirected,
    response_error,
    weigh,
)
from airflow_mirrordb.client.auth import sent_secrets
from airflow_mirrordb.client.bulk import Bulk, BulkOptions, BulkReport, Items
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.credentials import Credentials, LookUp
from airflow_mirrordb.client.endpoints import EndpointRegistry
from airflow_mirrordb.client.errors import (
    DisconnectedError,
    InvalidRequestError,
    MirrorDBError,
    RateLimitError,
)
from airflow_mirrordb.client.gate import Gate, TurnTooLateError
from airflow_mirrordb.client.pages import collect, pages
from airflow_mirrordb.client.protocol import (
    MirrorDBRequest,
    RequestMethod,
    RequestOptions,
    WireRequest,
    named,
    prepare,
    probe,
    settled,
)
from airflow_mirrordb.client.retry import Progress, Retrying, WaitNeeded
from airflow_mirrordb.client.transport import DISCONNECTED, Transport

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Seconds that any attempt gets, however near the deadline: who asks wants an answer.
LEAST_TIMEOUT = 1.0
#: Seconds that a request waits for its turn where its caller wants to do longer waits itself.
SHORT_WAIT = 1.0

CALLABLE = ("create_function", "read_function", "update_function", "delete_function")


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a request works with from its start to its end, whatever is changed meanwhile."""

    config: MirrorDBConfig
    registry: EndpointRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """The way to the backend."""

    transport: Transport
    gate: Gate


class GenericMirrorDB:
    """An async client for one REST backend.

    Use it as an async context manager, or call :meth:`connect` and :meth:`disconnect`. All methods
    may be called from many tasks of one event loop at the same time.

    :param config: the connection's settings; a mapping is validated
    :param look_up: coroutine function that looks the credentials up again when a request meets 401,
        and returns the settings that may have changed, as ``{"api_key": ...}``
    :param share_connections: whether to use the connections that all such clients of one connection and
        event loop share, instead of its own; they are closed when they are idle, and when the loop ends
    :param clock: unix time in seconds
    :param monotonic: monotonic time in seconds
    :param sleep: waits the given seconds
    :param rng: source of the jitter in waits
    :raises ConfigError: if a setting is wrong
    """

    def __init__(
        self,
        config: MirrorDBConfig | Mapping[str, Any],
        *,
        look_up: LookUp | None = None,
        share_connections: bool = False,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        config = config if isinstance(config, MirrorDBConfig) else MirrorDBConfig.model_validate(config)
        self._state = _State(config=config, registry=EndpointRegistry(declared=config.endpoints))
        self._clock, self._monotonic, self._sleep = clock, monotonic, sleep
        self._rng = rng or random.Random()  # noqa: S311  # only jitter
        self._share_connections = share_connections
        self._link: _Link | None = None
        self._retired: weakref.WeakSet[Transport] = weakref.WeakSet()  # kept by the requests that began there
        self._in_flight: set[asyncio.Task[Any]] = set()
        self._credentials = Credentials(lambda: self._state.config, self._change, look_up, clock)

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

    async def connect(self) -> None:
        """Make the client ready for requests. Opens no connection; that is left to the first request.

        :raises ConfigError: if a certificate or key of the configuration cannot be read
        """
        if self._link is None:
            config = self._state.config
            if config.base_url.endswith("/api") and any(
                p.startswith("api/") for p in self._state.registry.patterns
            ):
                log.warning(
                    "The base URL ends in '/api' and so do patterns begin: requests go to '…/api/api/…'"
                )
            self._link = self._link_for(config)

    async def disconnect(self) -> None:
        """End what is in flight and close all connections, save those that are shared.

        Requests in flight end with :class:`DisconnectedError`, or :class:`AmbiguousWriteError` where
        a write that may not be repeated was already sent.
        """
        tasks = list(self._in_flight)
        transports = [*self._retired, *([self._link.transport] if self._link else [])]
        self._link, self._retired = None, weakref.WeakSet()
        for transport in transports:
            transport.closing = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
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
        async for _, records in pages(self.request, request, self._state.config.base_url):
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
        The other arguments and the errors are those of :meth:`create_function`.
        """
        return await self._data("PATCH" if partial else "update", method_name, endpoint, data=data, **options)

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
            endpoint; any iterable, also an async one, of which no item is taken before it is begun
        :param options: see :class:`BulkOptions`; also arguments that are the same for all items
        :raises BulkError: if a record failed, unless ``on_error`` is ``continue``
        :raises InvalidRequestError: if an argument is wrong that holds for all items
        """
        return await self.begin_bulk(method, **options).run(items)

    def begin_bulk(self, method: str, **options: Unpack[BulkOptions]) -> Bulk:
        """Return a bulk to which the caller hands the items; see :meth:`bulk`."""
        self._connected()
        return Bulk(
            self.request,
            method,
            options,
            max_concurrency=self._state.config.max_concurrency,
            monotonic=self._monotonic,
        )

    async def request(
        self,
        request: MirrorDBRequest,
        *,
        progress: Progress | None = None,
        wait: bool = True,
        once: bool = False,
    ) -> MirrorDBResponse:
        """Send a request, again where that is safe and the policy says so, and return the whole answer.

        :param request: what to send
        :param progress: where an earlier run, maybe in another process, left off
        :param wait: False to raise :class:`WaitNeeded` instead of waiting before a further attempt, or
            for more than a second for its turn
        :param once: True to leave all further attempts to the caller: sends one, and logs no failure;
            waits for its turn for no more than a second
        :raises EndpointNotAllowedError: if no registered pattern allows it; nothing was sent
        :raises InvalidRequestError: if an argument cannot be sent; nothing was
        :raises TransportError: if there was no answer
        :raises ResponseError: if the answer is no success
        :raises InvalidResponseError: if the body of a success cannot be used
        :raises AmbiguousWriteError: if a write may or may not have been applied
        :raises RateLimitError: also if its turn would come after the deadline; nothing was sent then
        :raises WaitNeeded: see ``wait``
        """
        if request.paginate is None:
            return await self._request(request, progress, wait=wait, once=once)
        first = iter([progress])

        async def send(page: MirrorDBRequest) -> MirrorDBResponse:
            return await self._request(page, next(first, None), wait=wait, once=once)

        return await collect(send, request, self._state.config.base_url)

    def begin(self) -> Progress:
        """Return where a request starts: nothing sent, and ``max_elapsed`` seconds to the deadline."""
        return Progress(deadline=self._clock() + self._state.config.max_elapsed)

    def settled(self, request: MirrorDBRequest) -> MirrorDBRequest:
        """Return a request as it is sent: an ``update`` has the connection's ``update_method``."""
        return settled(request, self._state.config)

    def is_repeatable(self, request: MirrorDBRequest) -> bool:
        """Check a request without sending it, and return whether sending it twice would do no harm.

        :raises EndpointNotAllowedError: if no registered pattern allows it
        :raises InvalidRequestError: if an argument cannot be sent
        """
        return prepare(request, self._state.config, self._state.registry).repeatable

    async def probe(self) -> int:
        """Send one GET to ``test_endpoint``, or to the base URL, and return the status of the answer.

        Any answer below 500 proves that the backend is there, save one that refuses the key and a
        404 of ``test_endpoint``.

        :raises TransportError: if there was no answer
        :raises ResponseError: if the answer is one of those
        :raises EndpointNotAllowedError: if ``test_endpoint`` is not registered
        """
        transport = self._connected().transport
        config, registry = self._state.config, self._state.registry
        request = MirrorDBRequest(method="GET", endpoint=config.test_endpoint or "", method_name="test")
        wire = prepare(request, config, registry) if config.test_endpoint else probe(config)
        try:
            headers = await self._credentials.headers(config, transport)
            answer = await self._tracked(transport.send(wire.carrying(headers)), request)
        except MirrorDBError as error:
            error.attempts = 1
            raise named(error, request) from error.__cause__
        bad = {401, 403, 404} if config.test_endpoint else {401, 403}
        if answer.status in bad or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            refusal = response_error(answer, config, now=self._clock(), hidden=sent_secrets(headers))
            refusal.attempts = 1
            raise named(refusal, request)
        return answer.status

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call one of the four ``*_function`` methods by name, and return plain data whatever happens.

        :param method: ``create_function``, ``read_function``, ``update_function`` or ``delete_function``
        :param arguments: the arguments of that method
        :return: ``{"response": ...}``, or ``{"error": ...}`` with :meth:`MirrorDBError.to_dict`
        """
        try:
            if method not in CALLABLE:
                near = difflib.get_close_matches(str(method), CALLABLE, n=1)
                remedy = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(CALLABLE)}"
                raise InvalidRequestError(message=f"unknown method {method!r}; {remedy}", field="method")
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
        return self._state.config.masked()

    async def register_endpoint(self, pattern: str) -> None:
        """Allow what a pattern says as well, for this client's life.

        :param pattern: see :mod:`airflow_mirrordb.client.endpoints`
        :raises ConfigError: if the pattern is malformed
        """
        self._state = replace(self._state, registry=self._state.registry.with_pattern(pattern))

    async def registered_endpoints(self) -> list[str]:
        """Return all patterns that hold."""
        return list(self._state.registry.patterns)

    # -- inside ----------------------------------------------------------------------------------

    def _change(self, changes: Mapping[str, Any]) -> Transport | None:
        """Apply changes, and return the transport that no further request will use, if there is one."""
        config = self._state.config.changed(changes)
        registry = replace(self._state.registry, declared=config.endpoints)
        retired: Transport | None = None
        if self._link is not None and changes.keys() - {"api_key", "login"}:
            link = self._link_for(config)  # before anything is changed: it may not be able to read a file
            retired = self._link.transport
            self._retired.add(retired)
            self._link = link
        self._state = _State(config=config, registry=registry)
        self._credentials.forget_token()
        return retired

    async def _request(
        self, request: MirrorDBRequest, progress: Progress | None, *, wait: bool, once: bool
    ) -> MirrorDBResponse:
        link = self._connected()
        state = self._state
        request = _with_key(settled(request, state.config), state.config)
        wire = prepare(request, state.config, state.registry)
        started, renewals = self._monotonic(), self._credentials.renewals
        progress = progress or Progress()
        if progress.deadline is None:
            progress = replace(progress, deadline=self._clock() + state.config.max_elapsed)
        deadline = started + (progress.deadline or 0.0) - self._clock()
        patient = wait and not once

        async def exchange(headers: Mapping[str, str], number: int) -> Answer:
            try:
                with _weighed(request, wire, number):
                    answer = await self._send(link, wire.carrying(headers), deadline, wait=patient)
                    if follow := redirected(answer, request, wire, state.config, state.registry):
                        answer = await self._send(link, follow.carrying(headers), deadline, wait=patient)
                    return answer
            except TurnTooLateError as late:
                late.attempts = number - 1
                raise

        async def attempt(number: int) -> MirrorDBResponse:
            headers = await self._credentials.headers(state.config, link.transport)
            answer = await exchange(headers, number)
            if answer.status == HTTPStatus.UNAUTHORIZED and (
                fresh := await self._credentials.renewed(headers, state.config, link.transport, renewals)
            ):
                headers = fresh
                answer = await exchange(headers, number)  # a 401 was not applied: a write may go out again
            with _weighed(request, wire, number):
                return interpret(
                    answer,
                    request,
                    state.config,
                    number=number,
                    elapsed=self._monotonic() - started,
                    now=self._clock(),
                    hidden=sent_secrets(headers),
                )

        retrying = Retrying(
            policy=state.config.retry_policy, clock=self._clock, sleep=self._sleep, rng=self._rng
        )
        label = f" [{request.method_name}]" if request.method_name else ""
        name = f"{request.method} {request.endpoint}{label}"
        try:
            retried = partial(retrying.run, attempt, name=name, progress=progress, wait=wait)
            return await self._tracked(_only(attempt) if once else retried(), request)
        except TurnTooLateError as late:
            error = named(_too_late(late), request)
            if not wait and self._monotonic() + late.wait <= deadline:
                resume_at = self._clock() + late.wait
                raise WaitNeeded(replace(progress, resume_at=resume_at), error) from None
            raise error from None
        except MirrorDBError as error:
            named(error, request)
            raise

    async def _data(
        self, method: RequestMethod, method_name: str | None, endpoint: str, **options: Any
    ) -> Any:
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

    async def _send(self, link: _Link, wire: WireRequest, deadline: float, *, wait: bool) -> Answer:
        """Send a request when its turn has come.

        :param deadline: monotonic time by which the answer must be there
        """
        latest = deadline if wait else min(deadline, self._monotonic() + SHORT_WAIT)
        async with link.gate.turn(latest) as permit:
            left = max(deadline - self._monotonic(), LEAST_TIMEOUT)
            answer = await link.transport.send(wire.within(left))
        link.gate.learn(permit, answer)
        return answer

    def _link_for(self, config: MirrorDBConfig) -> _Link:
        gate = Gate(config, clock=self._clock, monotonic=self._monotonic, sleep=self._sleep)
        return _Link(transport=Transport(config, shared=self._share_connections), gate=gate)

    def _connected(self) -> _Link:
        if self._link is None:
            raise RuntimeError("the client is not connected: use 'async with', or await connect() first")
        return self._link

    async def _tracked(self, work: Coroutine[Any, Any, T], request: MirrorDBRequest) -> T:
        """Run work as a task of its own, which :meth:`disconnect` can end without ending the caller's."""
        task = asyncio.get_running_loop().create_task(work)
        self._in_flight.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if self._link is not None or not task.cancelled():
                raise
            error = named(DisconnectedError(message=DISCONNECTED, retryable=False), request)
            raise error from None
        finally:
            self._in_flight.discard(task)


async def _only(attempt: Callable[[int], Awaitable[T]]) -> T:
    """Make one attempt; what follows a failure is for the caller to say."""
    try:
        return await attempt(1)
    except MirrorDBError as error:
        error.attempts = 1
        raise


@contextmanager
def _weighed(request: MirrorDBRequest, wire: WireRequest, number: int) -> Iterator[None]:
    """Decide of each failure inside whether the request may be sent again."""
    try:
        yield
    except MirrorDBError as error:
        weighed = weigh(named(error, request), request, wire, number=number)
        if weighed is error:
            raise
        raise weighed from error


def _too_late(late: TurnTooLateError) -> RateLimitError:
    return RateLimitError(
        message=f"it was not sent: the connection is paused, or limited, for another {late.wait:.1f} s",
        attempts=late.attempts,
        status=HTTPStatus.TOO_MANY_REQUESTS.value,
        retry_after=late.wait,
        retryable=True,
    )


def _with_key(request: MirrorDBRequest, config: MirrorDBConfig) -> MirrorDBRequest:
    """Give a create or partial update its idempotency key, if the backend promises to heed one."""
    if config.idempotency_header is None or request.method not in ("POST", "PATCH"):
        return request if request.idempotency_key is None else replace(request, idempotency_key=None)
    return request if request.idempotency_key else replace(request, idempotency_key=str(uuid4()))
