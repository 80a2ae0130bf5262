"""In which order the values of a cursor come, by what they mean. Pure, and light.

Backends write what grows with each change in many ways, and the order of the texts is seldom that of
what they mean: ``10`` comes after ``9``, and ``10:00:00.5Z`` after ``10:00:00Z``. An order is known where a
public specification gives one; each is named beside its pattern.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

#: Characters of the longest text that is read; real cursors are far shorter.
MAX_LENGTH = 1000

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_DAY_NAME = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
_OFFSET = r" ?(?:[Zz]|UTC|GMT|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?)"
_DATE = r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
_BASIC = (
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
    r"[Tt](?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?"
)


def _patterns(*patterns: str) -> list[re.Pattern[str]]:
    return [re.compile(pattern, re.ASCII) for pattern in patterns]


_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,6})?", re.ASCII)
_HEXADECIMAL = re.compile(r"0[xX][0-9A-Fa-f]+")
_MOMENTS = _patterns(
    # RFC 3339, section 5.6, and what ISO 8601 allows beyond it: no seconds, a comma, an offset in hours
    rf"{_DATE}[Tt ]{_TIME}{_OFFSET}",
    rf"{_BASIC}{_OFFSET}",
    # IMF-fixdate of RFC 9110, section 5.6.7, and the dates of RFC 5322, section 3.3
    rf"(?:{_DAY_NAME}, )?(?P<day>\d\d?) {_MONTH} (?P<year>\d{{4}}) {_TIME}{_OFFSET}",
    # the obsolete dates of RFC 9110, section 5.6.7, which are in UTC
    rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
    rf"{_DAY_NAME} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
)
_LOCAL_TIMES = _patterns(rf"{_DATE}[Tt ]{_TIME}", _BASIC)
_DATES = _patterns(_DATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A kind of values that have an order among themselves.

    :param name: what they are, in the plural
    :param key: returns what sorts as a value does; None if the value is of another kind
    """

    name: str
    key: Callable[[str | float], Any]

    def keys(self, values: Sequence[str | float]) -> list[Any]:
        """Return the keys of values, each None where the value is of another kind."""
        return [
            None if isinstance(value, str) and len(value) > MAX_LENGTH else self.key(value)
            for value in values
        ]


def order_of(
    values: Sequence[str | float], kept: str | float | None = None
) -> tuple[Order, list[Any]] | None:
    """Return the order that reads most of the values, and their keys in it; None if none reads any.

    :param kept: a value from before; an order that reads it as well goes first
    """
    of_kept = [order for order in ORDERS if kept is not None and order.keys([kept]) != [None]]
    for orders in (of_kept, ORDERS):
        unread, best = len(values), None
        for order in orders:
            keys = order.keys(values)
            if (missing := keys.count(None)) < unread:
                unread, best = missing, (order, keys)
            if not unread:
                break
        if best is not None:
            return best
    return None


def _number(value: str | float) -> Decimal | None:
    """Return the number that a value is or spells, exactly."""
    if isinstance(value, str):
        if _HEXADECIMAL.fullmatch(value):
            return Decimal(int(value, 16))
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, int):
        return Decimal(value)
    # as JSON writes it, so that it equals the same digits in a text
    return Decimal(repr(value)) if math.isfinite(value) else None


def _time(patterns: Sequence[re.Pattern[str]]) -> Callable[[str | float], tuple[int, int, str] | None]:
    """Return a key for times: minutes in UTC, seconds to 60 (a leap second), and the digits after them."""

    def key(value: str | float) -> tuple[int, int, str] | None:
        if not isinstance(value, str):
            return None
        for pattern in patterns:
            if match := pattern.fullmatch(value):
                return _time_key(match.groupdict(""))
        return None

    return key


def _time_key(parts: dict[str, str]) -> tuple[int, int, str] | None:
    day = _day(parts["year"], parts["month"], parts["day"])
    hour, minute, second = (
        int(parts.get("hour", 0)),
        int(parts.get("minute", 0)),
        int(parts.get("second") or 0),
    )
    off_hours, off_minutes = int(parts.get("hours") or 0), int(parts.get("minutes") or 0)
    if day is None or max(hour, off_hours) > 23 or max(minute, off_minutes) > 59 or second > 60:  # noqa: PLR2004
        return None
    offset = (60 * off_hours + off_minutes) * (-1 if parts.get("sign") == "-" else 1)
    return 24 * 60 * day + 60 * hour + minute - offset, second, parts.get("fraction", "").rstrip("0")


@functools.lru_cache(maxsize=256)  # many records are of few days
def _day(year: str, month: str, day: str) -> int | None:
    """Return the number of a day; None if there is no such day."""
    number = _year(year)
    try:
        # the calendar repeats after 400 years, and Python has no year 0
        of_month = _MONTHS.index(month) + 1 if month in _MONTHS else int(month)
        return date(number or 400, of_month, int(day)).toordinal() - (0 if number else 146_097)
    except ValueError:
        return None


def _year(digits: str) -> int:
    if len(digits) != 2:  # noqa: PLR2004
        return int(digits)
    this_year = time.gmtime().tm_year  # RFC 9110, section 5.6.7: not more than 50 years ahead
    year = this_year - this_year % 100 + int(digits)
    return year - 100 if year > this_year + 50 else year


def _identifier(pattern: str) -> Callable[[str | float], str | None]:
    """Return a key for identifiers of one length, whose order is that of their characters."""
    compiled = re.compile(pattern, re.ASCII)

    def key(value: str | float) -> str | None:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            return None
        return value.lower() if _ANY_CASE in pattern else value

    return key


_ANY_CASE = "(?i)"
_UUID = "(?i)[0-9a-f]{{8}}-[0-9a-f]{{4}}-{}[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}"

#: Of two that read as many values, the first is taken: the digits of an identifier may be a number.
ORDERS = (
    Order(name="ULIDs", key=_identifier("(?i)[0-7][0-9A-HJKMNP-TV-Z]{25}")),  # github.com/ulid/spec
    Order(name="UUIDs of version 7", key=_identifier(_UUID.format(7))),  # RFC 9562, section 5.7
    Order(name="UUIDs of version 6", key=_identifier(_UUID.format(6))),  # RFC 9562, section 5.6
    # mongodb.com/docs/manual/reference/bson-types, "ObjectId": it begins with the time
    Order(name="ObjectIds", key=_identifier("(?i)[0-9a-f]{24}")),
    Order(name="KSUIDs", key=_identifier("[0-9A-Za-z]{27}")),  # github.com/segmentio/ksuid
    Order(name="XIDs", key=_identifier("[0-9a-v]{20}")),  # github.com/rs/xid
    Order(name="numbers", key=_number),
    Order(name="moments", key=_time(_MOMENTS)),
    Order(name="times without an offset", key=_time(_LOCAL_TIMES)),
    Order(name="dates", key=_time(_DATES)),
)
