"""A trigger for assets: it fires whenever a resource or a collection changes.

Importing this module loads neither aiohttp nor the client: a DAG file that watches is parsed often.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Hashable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.compat import asset_states
from airflow_mirrordb.paths import parse_path
from airflow_mirrordb.task.memory.stored_arguments import StoredArguments
from airflow_mirrordb.task.serialization import readable
from airflow_mirrordb.triggers.asset_state import Notice, Teller, notice_of, recall, remember, watching
from airflow_mirrordb.triggers.changes import (
    ChangeEvent,
    Fault,
    Observation,
    Position,
    RecordsEvent,
    Version,
    advanced,
    changed,
)
from airflow_mirrordb.triggers.event_arguments import check_event_arguments
from airflow_mirrordb.triggers.selection import WHOLE, Selection

try:
    from airflow.triggers.base import BaseEventTrigger, TriggerEvent
except ImportError as error:
    raise ImportError("MirrorDBEventTrigger needs Airflow 3.0 or newer, which has assets") from error

if TYPE_CHECKING:
    from airflow_mirrordb.client.messages.request import MirrorDBRequest
    from airflow_mirrordb.client.messages.response import MirrorDBResponse
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

log = logging.getLogger(__name__)

LONGEST_BACKOFF = 600.0  # seconds between two polls that failed, unless the interval or the backend says more
_TAG_REFUSED = (400, 412)  # what some answer to an If-None-Match, of a GET even
LARGE = 2**17  # bytes of a body from which on the loop does not wait until it is judged
SETTLE = 5.0  # seconds after which Airflow has surely stored an event


class MirrorDBEventTrigger(StoredArguments, BaseEventTrigger):
    """Polls a resource or a collection again and again, and fires an event at each change.

    It is for the ``watchers`` of an asset::

        Asset("prices", watchers=[AssetWatcher("prices", MirrorDBEventTrigger(endpoint="api/prices"))])

    Each poll is one GET, or read with ``data``, without retries of the client. Between the end of a poll
    and the next one are
    at least ``poll_interval`` seconds, whatever the answer was. The first poll fires nothing.

    Without a ``cursor`` the event is a :class:`~airflow_mirrordb.triggers.changes.ChangeEvent`: the body is
    another than before, or the resource came or went (404, 410). What changes at each poll without meaning
    anything can be left out by ``ignore`` and ``unordered``, or a ``field`` alone be watched.
    ``If-None-Match`` is sent where the backend has entity tags, not with ``data``. With a ``cursor`` it is a
    :class:`~airflow_mirrordb.triggers.changes.RecordsEvent`: records came, or were changed, whose cursor is
    beyond the last one. Neither holds a body: both are stored in Airflow's database, in clear text.

    No failure ends the trigger, since nothing would start it again. One that may pass is logged as a
    warning, any other as an error; the waits grow with each failure in a row, to ten minutes at most
    (or ``poll_interval``, or what ``Retry-After`` says, up to a day, if that is more).

    From Airflow 3.3 on, what was seen last is kept with the asset, so that a change while no triggerer
    ran fires when one is back; if a triggerer dies within seconds of an event, it may fire twice. Before
    3.3 a trigger that is started again takes what it sees first as unchanged. Triggers with equal
    endpoint, connection, query, headers, data, media types, pages and interval share their polls from 3.3
    on, unless they have a ``cursor_param``.

    :param mirrordb_conn_id: id of a connection of type ``mirrordb``
    :param endpoint: path relative to the connection's base URL, as ``api/orders``
    :param query: values of the query
    :param headers: further headers; no secrets, they are stored
    :param paginate: how the collection goes on in further pages: the arguments of
        :class:`~airflow_mirrordb.client.Pagination`
    :param cursor: path to a value in each record that is higher with each change, as ``updated_at``:
        a moment, a number, or an identifier that has an order; see
        :data:`~airflow_mirrordb.triggers.order.ORDERS`. What has none is an error in the log, once
    :param cursor_param: name in the query under which the backend takes the last cursor, to answer only
        records from there on
    :param where: values that fields of a record must have for it to count, as ``{"customer": "acme"}``;
        only with a ``cursor``
    :param poll_interval: shortest wait between two polls, in seconds
    :param field: path to the only value in the body that counts, as ``job.steps.0.state``; see
        :mod:`airflow_mirrordb.paths`; not with a ``cursor``, and neither are the next two
    :param ignore: names with dots between them, from the top of the body, of what does not count, as
        ``generated_at``;
        ``*`` is each item of a list or each value of an object, as in ``items.*.age``
    :param unordered: whether lists with the same items in another order are the same, at any depth
    :param data: JSON value that says what to read, where a pattern as ``QUERY api/orders/search`` allows it;
        stored as it is. ``cursor_param`` is a path into it then, as ``filter.since``
    :param accept: media types of the answer, as ``text/csv``, instead of JSON; its text counts then
    """

    # for tests, which do not wait
    sleep: Callable[[float], Awaitable[None]] = staticmethod(asyncio.sleep)

    def __init__(
        self,
        mirrordb_conn_id: str = "mirrordb_default",
        endpoint: str = "",
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        paginate: Mapping[str, Any] | None = None,
        cursor: str | None = None,
        cursor_param: str | None = None,
        where: Mapping[str, Any] | None = None,
        poll_interval: float = 60.0,
        field: str | None = None,
        ignore: Sequence[str] | None = None,
        unordered: bool = False,
        data: Any = None,
        accept: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mirrordb_conn_id = mirrordb_conn_id
        self.endpoint = endpoint
        self.query = query
        self.headers = headers
        self.paginate = paginate
        self.cursor = cursor
        self.cursor_param = cursor_param
        self.where = where
        self.poll_interval = poll_interval
        self.field = field
        self.ignore = list(ignore) if isinstance(ignore, tuple) else ignore
        self.unordered = unordered
        self.data = data
        self.accept = accept
        self._kept: Any = None  # a Version; a Position with a cursor
        self._sends_tags = True
        self._told: set[str] = set()
        self._notices: list[Notice] = []  # of the poll that is made

    def check_arguments(self) -> None:
        """Check what is to be stored.

        :raises InvalidRequestError: if a header looks like a secret, or ``paginate`` is wrong
        :raises ValueError: if an argument is of a wrong type, or they contradict each other. The
            constructor does not tell: what another version stored, with fewer arguments, must be made all
            the same.
        """
        check_event_arguments(self)

    @property
    def selection(self) -> Selection:
        """What of a body counts."""
        return Selection(field=self.field, ignore=self.ignore or (), unordered=self.unordered)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        async with aclosing(self.polls()) as observations:
            async for event in self._events(observations):
                yield event

    # -- one poll for many, from Airflow 3.3 on ----------------------------------------------------

    def shared_stream_key(self) -> Hashable | None:
        return None if self.cursor_param else ("mirrordb", self._target(), self.poll_interval)

    @classmethod
    def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        return cls(**kwargs).polls()

    def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        return self._events(shared_stream)

    # -- inside ------------------------------------------------------------------------------------

    async def _events(self, polls: AsyncIterator[Observation | Notice]) -> AsyncIterator[TriggerEvent]:
        self.warn_of_unknown()
        log.info("%s, every %g s", self._watching, self.poll_interval)
        await asyncio.to_thread(_import_hook)  # as in polls(): what was kept needs a part of it
        self._kept = await self._recall()
        last, teller = None, Teller(self)
        async for observation in polls:
            if isinstance(observation, Notice):
                await teller.tell(observation)
                continue
            await teller.tell_success()
            if observation is last:
                continue
            last = observation
            try:
                large = observation.size > LARGE
                found, event = (
                    await asyncio.to_thread(self._judge, observation) if large else self._judge(observation)
                )
            except Exception:  # noqa: BLE001  # nothing would start us again; it is logged with its trace
                self._tell_once("judgement", "what was found could not be judged", exc_info=True)
                continue
            if event is not None:
                yield TriggerEvent(readable(event))
            if found is not None and found != self._kept:
                self._kept = found
                await self._remember(found, settle=event is not None)

    def _judge(
        self, observation: Observation
    ) -> tuple[Version | Position | None, ChangeEvent | RecordsEvent | None]:
        if self.cursor is None:
            return changed(
                self._kept, observation, self.endpoint, selection=self.selection, tell=self._tell_fault
            )
        return advanced(
            self._kept,
            observation,
            self.endpoint,
            cursor=self.cursor,
            where=self.where or {},
            tell=self._tell_fault,
        )

    def _tell_fault(self, fault: Fault) -> None:
        self._tell_once(fault.kind, fault.message, fault.level)

    def _tell_once(self, kind: str, message: str, level: int = logging.ERROR, **options: Any) -> None:
        """Write a line to the log, unless one of its kind was written before: each poll may find it."""
        if kind not in self._told:
            self._told.add(kind)
            log.log(level, "%s: %s", self._watching, message, **options)

    @property
    def _watching(self) -> str:
        return watching(self)

    async def polls(self) -> AsyncGenerator[Observation | Notice, None]:
        """Poll for ever, and yield what each poll found: the same object again while that is unchanged."""
        hook_class = await asyncio.to_thread(_import_hook)  # no DAG file loads it, and it takes 0.2 s
        from airflow_mirrordb.client.errors import NotReadyError

        request = self._request()
        failures, last = 0, None
        while True:
            try:
                # kept while all is well, and looked up again after a failure: the connection may be changed
                async with hook_class(
                    self.mirrordb_conn_id, ignore_unknown_extras=True, operator=type(self).__name__
                ) as client:
                    while True:
                        try:
                            observation = await self._poll(client, request, last)
                        except NotReadyError as pending:
                            failures, wait = 0, max(self.poll_interval, pending.retry_after or 0.0)
                            text = f"{pending.message}; next poll in {wait:g} s"
                            yield Notice(message=text, level=logging.INFO)
                            await self.sleep(wait)
                            continue
                        if observation.missing and (last is None or not last.missing):
                            self._warn(f"there is nothing ({observation.status})")
                        while self._notices:
                            yield self._notices.pop(0)
                        failures, last = 0, observation
                        yield observation
                        await self.sleep(self.poll_interval)
            except Exception as error:  # noqa: BLE001  # nothing would start us again; it is told
                failures += 1
                wait = self._backoff(failures, getattr(error, "retry_after", None))
                notice = notice_of(error, wait)
            yield notice
            await self.sleep(wait)

    def _request(self) -> MirrorDBRequest:
        from airflow_mirrordb.client.messages.request import MirrorDBRequest, read_method

        return MirrorDBRequest(
            method=read_method(self.data),
            endpoint=self.endpoint,
            data=self.data,
            query=self.query,
            headers=self.headers,
            paginate=self.paginate,
            accept=self.accept,
        )

    async def _poll(
        self, client: GenericMirrorDB, request: MirrorDBRequest, last: Observation | None
    ) -> Observation:
        from airflow_mirrordb.client.errors import ResponseError

        if self.cursor_param and self._kept is not None and self._kept.cursor is not None:
            request = self._since(request, self.cursor_param, self._kept.cursor)
        elif last is not None and self._sends_tags and self.data is None:
            request = replace(request, if_none_match=last.etag)
        try:
            response = await self._send(client, request)
        except ResponseError as error:
            observation = Observation(status=error.status, request_id=error.request_id)
            if not observation.missing:
                raise
            return observation
        if response.status == 304 and last is not None:  # noqa: PLR2004
            return last
        return Observation(
            status=response.status,
            etag=self._tag(client, response),
            data=response.data,
            request_id=response.request_id,
            size=response.size,
        )

    def _since(self, request: MirrorDBRequest, param: str, cursor: str | float) -> MirrorDBRequest:
        if self.data is not None:
            return replace(request, data=parse_path(param).placed_in(self.data, cursor))
        return replace(request, query={**(request.query or {}), param: cursor})

    def _tag(self, client: GenericMirrorDB, response: MirrorDBResponse) -> str | None:
        """Return the entity tag of an answer, unless it holds a secret: it is stored in clear text."""
        header = response.headers.get("ETag")
        if self.data is not None:
            return None  # that of the answer to a POST may be of something else than of what was read
        if not header or self.paginate:
            return response.etag
        hidden = client.without_secrets(header)
        if response.etag is not None and hidden == header:
            return response.etag
        reason = (
            "no entity tag (RFC 9110, section 8.8.3)"
            if response.etag is None
            else "not kept: it holds a secret"
        )
        if "tag" not in self._told:
            self._warn(f"the ETag {hidden[:100]!a} is {reason}; the body decides")
        self._told.add("tag")
        return None

    async def _send(self, client: GenericMirrorDB, request: MirrorDBRequest) -> MirrorDBResponse:
        """Send a request, and once more without its entity tag if the backend refuses that."""
        from airflow_mirrordb.client.errors import ResponseError

        try:
            return await client.request(request, single_attempt=True)
        except ResponseError as error:
            if request.if_none_match is None or error.status not in _TAG_REFUSED:
                raise
            self._sends_tags = False
            reason = f"answered {error.status} to a request with its entity tag"
            self._warn(f"{reason}; it is asked without from now on")
        return await client.request(replace(request, if_none_match=None), single_attempt=True)

    def _warn(self, message: str) -> None:
        self._notices.append(Notice(message=message))

    def _backoff(self, failures: int, retry_after: float | None) -> float:
        backoff = min(self.poll_interval * 2.0 ** min(failures - 1, 30), LONGEST_BACKOFF)
        return max(self.poll_interval, backoff, retry_after or 0.0)

    def _target(self) -> str:
        """Return what tells apart what is looked at."""
        names = ("mirrordb_conn_id", "endpoint", "query", "headers", "paginate")
        more = {"data": self.data, "accept": self.accept}
        given = {name: value for name, value in more.items() if value is not None}
        return _fingerprint({name: getattr(self, name) for name in names} | given)

    @property
    def _name(self) -> str:
        """Under which what was seen is kept; another one when something else is watched."""
        watched: dict[str, Any] = {"target": self._target(), "cursor": self.cursor, "where": self.where}
        if self.selection != WHOLE:
            watched |= {"field": self.field, "ignore": sorted(self.ignore or ()), "unordered": self.unordered}
        return f"mirrordb_event_{_fingerprint(watched)[:16]}"

    async def _recall(self) -> Version | Position | None:
        return await recall(self, self._name, Version if self.cursor is None else Position)

    async def _remember(self, found: Version | Position, *, settle: bool) -> None:
        if settle and asset_states(self):
            await self.sleep(SETTLE)  # an event is lost if a triggerer dies that kept this, but not the event
        await remember(self, self._name, found)


def _fingerprint(arguments: Mapping[str, Any]) -> str:
    from airflow_mirrordb.client.bodies.encoding import fingerprint

    return fingerprint(arguments, place="")


def _import_hook() -> type[MirrorDBHook]:
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    return MirrorDBHook
