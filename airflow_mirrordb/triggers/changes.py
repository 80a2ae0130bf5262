"""What counts as a change, for an event trigger. Pure, and light: a DAG file that watches loads no client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypedDict

from airflow_mirrordb.triggers.condition import same, value_at


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
    since: Any
    cursor: Any
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one look found.

    :param status: of the answer; 404 or 410 if there is nothing
    :param etag: entity tag, if the backend has them
    :param data: the decoded body, without its envelope
    :param request_id: the id under which the backend logged the request, if it says
    """

    status: int
    etag: str | None = None
    data: Any = field(default=None, repr=False)
    request_id: str | None = None

    @property
    def missing(self) -> bool:
        """Whether there is nothing at the endpoint."""
        return self.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Which version of a resource was seen last; plain values.

    :param etag: its entity tag
    :param fingerprint: a hash of its body; None if it was not there
    """

    etag: str | None
    fingerprint: str | None

    @classmethod
    def of(cls, sight: Sight) -> Version:
        if sight.missing:
            return cls(etag=None, fingerprint=None)
        text = json.dumps(sight.data, sort_keys=True)
        return cls(etag=sight.etag, fingerprint=hashlib.sha256(text.encode()).hexdigest()[:32])

    def is_same(self, other: Version) -> bool:
        """Whether nothing changed: some backends give one body several tags, or one tag several bodies."""
        return self.fingerprint == other.fingerprint or (self.etag is not None and self.etag == other.etag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a collection was seen; plain values.

    :param cursor: the highest value of the cursor field; None if there was no record yet
    :param ties: how many records had it, since another may still come with the same value
    """

    cursor: Any = None
    ties: int = 0


def changed(kept: Version | None, sight: Sight, endpoint: str) -> tuple[Version, ChangeEvent | None]:
    """Return which version was found, and the event if it is not the one that is kept.

    :param kept: the version that was seen before; None at the first look, which is no event
    """
    found = Version.of(sight)
    if kept is None or kept.is_same(found):
        return found, None
    event = ChangeEvent(endpoint=endpoint, status=sight.status, etag=sight.etag, request_id=sight.request_id)
    return found, event


def advanced(
    kept: Position | None, sight: Sight, endpoint: str, *, cursor: str, where: Mapping[str, Any]
) -> tuple[Position, RecordsEvent | None]:
    """Return how far the collection goes, and the event if that is beyond what is kept.

    :param kept: how far it was seen before; None at the first look, which is no event
    :param cursor: dotted way to the value in each record that grows with every change
    :param where: values that fields of a record must have for it to count
    :raises ValueError: if no record has such a value, or the values cannot be compared
    """
    values = _cursors([record for record in _records(sight) if _matches(record, where)], cursor)
    before = kept or Position()
    try:
        highest = max([*values, *([] if before.cursor is None else [before.cursor])], default=None)
        newer = [value for value in values if before.cursor is None or value > before.cursor]
    except TypeError:
        message = f"cursor: the values of {cursor!r} are partly texts, partly numbers, and have no order"
        raise ValueError(message) from None
    again = max(0, values.count(before.cursor) - before.ties) if before.cursor is not None else 0
    # a backend whose cursor_param excludes the value itself does not show the ties again
    ties = values.count(highest) or before.ties
    found, count = Position(cursor=highest, ties=ties), len(newer) + again
    if kept is None or not count:
        return found, None
    event = RecordsEvent(
        endpoint=endpoint, count=count, since=before.cursor, cursor=highest, request_id=sight.request_id
    )
    return found, event


def _records(sight: Sight) -> Sequence[Any]:
    if sight.missing or sight.data is None:
        return []
    return sight.data if isinstance(sight.data, list) else [sight.data]


def _matches(record: Any, where: Mapping[str, Any]) -> bool:
    return all(same(value_at(record, field), value) for field, value in where.items())


def _cursors(records: Sequence[Any], cursor: str) -> list[Any]:
    """Return the cursors of records; one that has none, as what was never updated, does not count."""
    found = [value_at(record, cursor) for record in records]
    values = [
        value for value in found if isinstance(value, (str, int, float)) and not isinstance(value, bool)
    ]
    if records and not values:
        raise ValueError(f"cursor: no record has a text or a number at {cursor!r}")
    return values
