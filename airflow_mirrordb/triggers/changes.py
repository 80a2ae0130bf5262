"""What counts as a change, for an event trigger. Pure, and light: a DAG file that watches loads no client."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypedDict

from airflow_mirrordb.conditions import same
from airflow_mirrordb.paths import value_at
from airflow_mirrordb.triggers.order import ORDERS, Order, order_of
from airflow_mirrordb.triggers.selection import WHOLE, Selection


class ChangeEvent(TypedDict):
    """A resource is no longer what it was; ``status`` is 404 or 410 if it is no longer there."""

    endpoint: str
    status: int
    etag: str | None
    request_id: str | None


class RecordsEvent(TypedDict):
    """``count`` records came or were changed after the cursor ``since``, up to ``cursor``."""

    endpoint: str
    count: int
    since: str | float | None
    cursor: str | float | None
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one look found.

    :param status: of the answer; 404 or 410 if there is nothing
    :param etag: entity tag, if the backend has them
    :param data: the decoded body, without its envelope
    :param request_id: the id under which the backend logged the request, if it says
    :param size: length of the body in bytes
    """

    status: int
    etag: str | None = None
    data: Any = field(default=None, repr=False)
    request_id: str | None = None
    size: int = 0

    @property
    def missing(self) -> bool:
        """Whether there is nothing at the endpoint."""
        return self.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why what was found does not count.

    :param kind: the same for all faults that are told once together
    :param message: for the log
    :param level: of the message
    """

    kind: str
    message: str
    level: int = logging.ERROR


def _untold(fault: Fault) -> None:
    """Tell nobody of a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which version of a resource was seen last; plain values.

    :param etag: its entity tag
    :param fingerprint: a hash of its body; None if it was not there
    """

    etag: str | None
    fingerprint: str | None

    @classmethod
    def of(
        cls, observation: Observation, selection: Selection = WHOLE, tell: Callable[[Fault], None] = _untold
    ) -> Version:
        if observation.missing:
            return cls(etag=None, fingerprint=None)
        selected = selection.of(observation.data)
        if not selected:
            from airflow_mirrordb.client.bodies.missing import there_instead

            message = f"field: there is nothing at {selection.field!r}; it will be an event when it comes"
            message += f"; {there_instead(selection.field or '', observation.data)}"
            tell(Fault(kind="no field", message=message, level=logging.WARNING))
        text = json.dumps(selected[0], sort_keys=True) if selected else "missing"
        return cls(etag=observation.etag, fingerprint=hashlib.sha256(text.encode()).hexdigest()[:32])

    def is_same(self, other: Version) -> bool:
        """Whether nothing changed: some backends give one body several tags, or one tag several bodies."""
        return self.fingerprint == other.fingerprint or (self.etag is not None and self.etag == other.etag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a collection was seen; plain values.

    :param cursor: the highest value of the cursor field; None if there was no record yet
    :param ties: how many records had it, since another may still come with the same value
    """

    cursor: str | float | None = None
    ties: int = 0

    def __post_init__(self) -> None:
        """Check what may have been kept by another version.

        :raises TypeError: if it is no cursor
        """
        if not isinstance(self.cursor, str | int | float | None) or not isinstance(self.ties, int):
            raise TypeError(f"this is not how far a collection was seen: {self!r:.200}")


def changed(
    kept: Version | None,
    observation: Observation,
    endpoint: str,
    *,
    selection: Selection = WHOLE,
    tell: Callable[[Fault], None] = _untold,
) -> tuple[Version, ChangeEvent | None]:
    """Return which version was found, and the event if it is not the one that is kept.

    :param kept: the version that was seen before; None at the first look, which is no event
    :param selection: what of the body counts
    :param tell: is called with the reason if nothing of it does
    """
    found = Version.of(observation, selection, tell)
    if kept is None or kept.is_same(found):
        return found, None
    event = ChangeEvent(
        endpoint=endpoint, status=observation.status, etag=observation.etag, request_id=observation.request_id
    )
    return found, event


def advanced(
    kept: Position | None,
    observation: Observation,
    endpoint: str,
    *,
    cursor: str,
    where: Mapping[str, Any],
    tell: Callable[[Fault], None] = _untold,
) -> tuple[Position | None, RecordsEvent | None]:
    """Return how far the collection goes, and the event if that is beyond what is kept.

    A record whose cursor has no order with the others does not count; a collection in which none counts is
    like an empty one. Where all cursors have another
    order than the one that is kept, what is seen counts as if it was seen first.

    :param kept: how far it was seen before; None at the first look, which is no event
    :param cursor: path to the value in each record that grows with every change
    :param where: values that fields of a record must have for it to count
    :param tell: is called with each reason why a record does not count
    """
    records = [record for record in _records(observation) if _matches(record, where)]
    values = _cursors(records, cursor)
    before = None if kept is None else kept.cursor
    found_order = order_of(values, before)
    if found_order is None:
        if records:
            tell(_no_order(cursor, values) if values else _no_cursor(cursor, observation.data, records[0]))
        return kept or Position(), None
    order, keys = found_order
    if None in keys:
        tell(_mixture(cursor, order, values[_first_of_order(keys)], values[keys.index(None)]))
    (last,) = [None] if before is None else order.keys([before])
    if before is not None and last is None:
        tell(_another_order(cursor, order, before, values[_first_of_order(keys)]))
        kept = None
    found, count = _furthest(kept or Position(), last, keys, values)
    if kept is None or not count:
        return found, None
    event = RecordsEvent(
        endpoint=endpoint, count=count, since=before, cursor=found.cursor, request_id=observation.request_id
    )
    return found, event


def _furthest(
    before: Position, last: Any, keys: Sequence[Any], values: Sequence[str | float]
) -> tuple[Position, int]:
    """Return how far values go, and how many of them are beyond what was seen before.

    :param last: what sorts as the cursor before; None if there was none
    :param keys: what sorts as the values; None for one that does not count
    """
    known = [key for key in keys if key is not None]
    if last is None:
        highest = max(known)
        return Position(cursor=values[keys.index(highest)], ties=known.count(highest)), len(known)
    highest = max([last, *known])
    again = max(0, known.count(last) - before.ties)
    # the same moment may be written in another way; what was seen first goes back to the backend
    cursor = before.cursor if highest == last else values[keys.index(highest)]
    # a backend whose cursor_param excludes the value itself does not show the ties again
    ties = known.count(highest) or before.ties
    return Position(cursor=cursor, ties=ties), sum(key > last for key in known) + again


def _first_of_order(keys: Sequence[Any]) -> int:
    return next(number for number, key in enumerate(keys) if key is not None)


def _no_cursor(cursor: str, body: Any, record: Any) -> Fault:
    """Return that no record has a cursor, and what they have; or that the body is one, with a list in it."""
    from airflow_mirrordb.client.bodies.missing import described, there_instead

    lists = (
        [name for name, value in body.items() if isinstance(value, list)] if isinstance(body, dict) else []
    )
    if lists:
        pages = f"paginate={{'style': 'link', 'records': {lists[0]!r}}}, or the style of its pages"
        message = (
            f"the body is no list of records; {described(body, 'it')}; for those at {lists[0]!r} say {pages}"
        )
    else:
        there = there_instead(cursor, record, whole="the first of them")
        message = f"no record has a text or a number at {cursor!r}; {there}"
    return Fault(kind="no cursor", message=f"cursor: {message}")


def _no_order(cursor: str, values: Sequence[str | float]) -> Fault:
    samples = " and ".join(f"{value!r:.100}" for value in dict.fromkeys([values[0], values[-1]]))
    return Fault(
        kind="no order",
        message=f"cursor: the values of {cursor!r}, as {samples}, have no order that is known, so no record"
        f" counts; known is the order of {', '.join(order.name for order in ORDERS)}",
    )


def _mixture(cursor: str, order: Order, counted: str | float, other: str | float) -> Fault:
    return Fault(
        kind=f"mixture with {order.name}",
        message=f"cursor: the values of {cursor!r}, as {counted!r:.100} and {other!r:.100}, have no common"
        f" order; only {order.name} count",
    )


def _another_order(cursor: str, order: Order, before: str | float, now: str | float) -> Fault:
    return Fault(
        kind=f"change to {order.name}",
        message=f"cursor: the value of {cursor!r} was {before!r:.100} at last, which has no order with those"
        f" of now, as {now!r:.100}; these are {order.name}, and what comes after them counts",
    )


def _records(observation: Observation) -> Sequence[Any]:
    if observation.missing or observation.data is None:
        return []
    return observation.data if isinstance(observation.data, list) else [observation.data]


def _matches(record: Any, where: Mapping[str, Any]) -> bool:
    return all(same(value_at(record, field), value) for field, value in where.items())


def _cursors(records: Sequence[Any], cursor: str) -> list[str | float]:
    """Return the cursors of records; one that has none, as what was never updated, does not count."""
    found = [value_at(record, cursor) for record in records]
    return [value for value in found if isinstance(value, (str, int, float)) and not isinstance(value, bool)]
