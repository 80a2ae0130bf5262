"""What one page says: its records, how many there are in all, and whether there are further ones. Pure."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.collections.pages.counted_lists import UnclearError, counted_in
from airflow_mirrordb.client.collections.pages.signs_of_more import flag_told, lists_in, number_told
from airflow_mirrordb.client.errors import InvalidResponseError
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.paths import ABSENT, PathError, parse_path

if TYPE_CHECKING:
    from airflow_mirrordb.client.collections.pages.pagination import Pagination

log = logging.getLogger(__name__)

#: What APIs call that by which a record is told from another one.
_IDS = ("id", "_id", "Id", "ID", "uuid", "guid")
#: Words of a body that says of an error, though its status does not.
_ERRORS = frozenset({"error", "errors", "message", "fault", "exception"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one page says.

    :param records: those that are handed on
    :param count: how many it has, with those that ``records`` leaves out
    :param total: how many records there are in all; None if it does not say
    :param page_count: how many pages there are; None if it does not say
    :param more: whether it says that there are further pages; None if it does not say
    """

    records: list[Any]
    count: int
    total: int | None = None
    page_count: int | None = None
    more: bool | None = None


def page_of(pagination: Pagination, response: MirrorDBResponse) -> Page:
    """Return what a page says; the errors are those of :meth:`Pagination.page_of`."""
    records = _records_of(pagination, response)
    return Page(
        records=records,
        count=_count_of(pagination, response, records),
        total=number_told(_found(response, "total", pagination.total)),
        page_count=number_told(_found(response, "page_count", pagination.page_count)),
        more=_more_of(pagination, response),
    )


def ids_of(records: list[Any]) -> list[Any]:
    """Return by what the records of a page are told apart, as far as that has a usual name; none if not."""
    first = records[0] if records else None
    name = next((name for name in _IDS if name in first), None) if isinstance(first, dict) else None
    return [] if name is None else [record.get(name) for record in records if isinstance(record, dict)]


def comes_again(page: Page, before: list[Any]) -> bool:
    """Whether a page has the records of the one before, and not such that are equal anyway, as numbers."""
    return page.records == before and any(isinstance(item, dict | list) for item in page.records[:1])


def has_equals(records: list[Any]) -> bool:
    """Whether some records of a page are equal."""
    return len({json.dumps(record, sort_keys=True) for record in records}) < len(records)


def overlap_of(records: list[Any], before: list[Any]) -> int:
    """Return how many records of a page came on the one before, all but the first of that.

    So begins each page where what should count pages counts records.
    """
    most = min(len(records), len(before) - 1)
    if most < 1 or not isinstance(records[0], dict | list) or records[0] == before[0]:
        return 0
    return most if records[:most] == before[1 : 1 + most] else 0


def _records_of(pagination: Pagination, response: MirrorDBResponse) -> list[Any]:
    if pagination.records is None:
        found = response.data
        if found is None and response.body is None:
            return []
    else:
        found = found_in_body(response, "records", pagination.records)
    if isinstance(found, list):
        return found
    body, place = (
        response.body,
        "the body" if pagination.records is None else f"{pagination.records!r} in the body",
    )
    others = lists_in(
        body, beside=" ".join(filter(None, (pagination.next, pagination.total, pagination.more)))
    )
    is_nowhere = isinstance(body, dict) and found in (ABSENT, None) and _head_of(pagination, response) is None
    if pagination.records is not None and is_nowhere and not others:
        _tell_of_nothing(pagination, response)
        return []
    keys = shortened(f" with {', '.join(map(str, body))}", 200) if isinstance(body, dict) else ""
    lists = shortened(f"; there are lists at {', '.join(others)}", 300) if others else ""
    lists += f", as 'records': {others[0]!r:.200}" if others else ""
    if isinstance(body, list):
        lists = "; leave 'records' out: the body itself is the list"
    reason = f"{place} is no list of records; the body is {kind_of(body)}{keys}{lists}"
    raise unusable(response, f"paginate.records: {reason}")


def _tell_of_nothing(pagination: Pagination, response: MirrorDBResponse) -> None:
    keys = [str(key) for key in response.body]
    is_error = any(key.lower() in _ERRORS and response.body[key] for key in keys)
    log.log(
        logging.WARNING if is_error else logging.DEBUG,
        "paginate.records: there is nothing at %r, which counts as no records; the body has %s",
        pagination.records,
        shortened(", ".join(keys), 200) or "no keys",
    )


def _count_of(pagination: Pagination, response: MirrorDBResponse, records: list[Any]) -> int:
    """Return how many records a page has, with those that the expression ``records`` leaves out."""
    try:
        counted = None if pagination.records is None else counted_in(pagination.records, response.body)
    except UnclearError:
        found = _head_of(pagination, response)
        counted = len(found) if isinstance(found, list) else None
    return len(records) if counted is None else counted


def _head_of(pagination: Pagination, response: MirrorDBResponse) -> Any:
    """Return what the expression ``records`` begins with, as ``entry`` of ``entry[].resource``."""
    path = None if pagination.records is None else parse_path(pagination.records)
    if path is None or not path.is_expression or path.head is None:
        return None
    found = path.head.value_in(response.body)
    return None if found is ABSENT else found


def _more_of(pagination: Pagination, response: MirrorDBResponse) -> bool | None:
    """Return whether a page says by its flag that there are further ones; None if it does not say."""
    place = pagination.more
    if place is None:
        return None
    # JMESPath takes any text for true, that of a flag that says no as well.
    negated = place.startswith("!") and not parse_path(place[1:] or place).is_expression
    more = _found(response, "more", place[1:] if negated else place)
    return None if more in (ABSENT, None) else flag_told(more) is not negated


def _found(response: MirrorDBResponse, argument: str, place: str | None) -> Any:
    """Return what the body holds at a path, or a header of that name; ABSENT if neither is there."""
    if place is None:
        return ABSENT
    found = found_in_body(response, argument, place)
    return response.headers.get(place, ABSENT) if found is ABSENT else found


def found_in_body(response: MirrorDBResponse, argument: str, path: str) -> Any:
    """Return what the body holds at a path; ABSENT if nothing is there.

    :param argument: of ``paginate``, which names it
    :raises InvalidResponseError: if it cannot be followed there
    """
    try:
        return parse_path(path).value_in(response.body)
    except PathError as error:
        raise unusable(response, f"paginate.{argument}: {error}") from None


def kind_of(data: Any) -> str:
    """Return what JSON calls a value, in words."""
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}
    return kinds.get(type(data), "a value")


def unusable(response: MirrorDBResponse, reason: str) -> InvalidResponseError:
    """Return the error of a page that cannot be used."""
    return InvalidResponseError(
        message=reason, status=response.status, request_id=response.request_id, attempts=response.attempts
    )
