"""From the values of an author to JSON text: one encoder, for what is sent and what is derived from it.

Any mapping is an object and any sequence an array, at any depth. Subclasses of ``str``, ``int`` and
``float``, as the members of a ``str`` enum, are sent as their value. All else is refused: JSON has no
dates, decimals or sets, and to guess how a backend writes them would be to send what nobody meant.
Pure; no I/O.
"""

from __future__ import annotations

import hashlib
import json
from collections import UserString
from collections.abc import Iterable, Iterator, Mapping, Set as AbstractSet
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec

from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.unicode import HALF_A_PAIR, is_unicode
from airflow_mirrordb.json_types import as_json_type, is_list

MAX_DEPTH = 200  # far beyond what backends accept, far below the recursion limit
_REMEDIES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (Enum, "use .value"),
    (Decimal, "use str(), or float() where it may be rounded"),
    ((UUID, PurePath), "use str()"),
    (timedelta, "use .total_seconds()"),
    (AbstractSet, "a set has no order; use sorted()"),
    ((bytes, bytearray, memoryview), "decode it to a string"),
    (Iterator, "use list()"),
)
_REMEDIES_BY_METHOD = ("isoformat", "tolist", "item", "model_dump")


def encode(value: object, place: str = "data") -> bytes:
    """Return a value as JSON text (RFC 8259) in UTF-8, without white space.

    :param place: what the value is called in an error
    :raises InvalidRequestError: if JSON cannot hold it; names the first place in it that is wrong
    """
    try:
        return _ENCODER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _bad(*(_first_fault(value, place) or (place, str(error)))) from None


def plain(value: object, place: str = "data") -> Any:
    """Return what arrives when a value is sent, made of dicts, lists and scalars of Python's own types.

    What reads a lazy sequence costs is paid once here.

    :raises InvalidRequestError: as :func:`encode`
    """
    return json.loads(encode(value, place))


def fingerprint(value: object, place: str = "data") -> str:
    """Return what tells values apart that are sent differently; the order of names in objects is ignored.

    :return: a SHA-256 as 64 hexadecimal digits
    :raises InvalidRequestError: as :func:`encode`
    """
    body = encode(value, place)
    try:
        text = _SORTED.encode(msgspec.json.decode(body))  # each value takes the same way each time
    except (ValueError, msgspec.DecodeError, OverflowError, RecursionError):  # a number too large for it, say
        text = json.dumps(json.loads(body), sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()


def text_of(value: object, place: str, wanted: str = "a string, number or boolean") -> str:
    """Return the text that stands for a value where there is no JSON, as in a query.

    :param place: what the value is called in an error
    :param wanted: what it should be, for the error
    :raises InvalidRequestError: if it is none of those, or has no text
    """
    if isinstance(value, str):
        text = str.__str__(value)
        if text.isascii() or is_unicode(text):
            return text
        raise _bad(place, HALF_A_PAIR)
    if not isinstance(value, int | float):
        raise _bad(place, f"it must be {wanted}, not {type(value).__name__}{_hint(value)}")
    try:
        return _ENCODER.encode(value)
    except ValueError as error:  # also of an integer of thousands of digits
        reason = f"it must be finite, not {value:f}" if isinstance(value, float) else str(error)
        raise _bad(place, reason) from None


_SORTED = msgspec.json.Encoder(order="deterministic")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=as_json_type)


def _first_fault(value: object, place: str, depth: int = 0) -> tuple[str, str] | None:
    """Return the first place in a value that JSON cannot hold, and why."""
    if depth > MAX_DEPTH:
        return place[:200], "it is nested too deeply, or holds itself"
    children: Iterable[tuple[str, object]]
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str | int | float | bool | None)), None)
        if wrong is not None:
            return place, f"a key must be a string, not {type(wrong).__name__}"
        half = next((key for key in value if isinstance(key, str) and not is_unicode(key)), None)
        if half is not None:
            return place, f"the key {half!a:.100}: {HALF_A_PAIR}"
        children = ((f"{place}.{key}" if place else str(key), item) for key, item in value.items())
    elif is_list(value):
        children = ((f"{place}[{index}]", item) for index, item in enumerate(value))
    else:
        reason = _fault(value)
        return None if reason is None else (place, reason)
    return next((found for name, item in children if (found := _first_fault(item, name, depth + 1))), None)


def _fault(value: object) -> str | None:
    """Return why JSON has no such value; None if it has."""
    if value is None or isinstance(value, int):
        return None
    if isinstance(value, float):
        return None if abs(value) < float("inf") else f"JSON has no {float.__repr__(value)}"
    if isinstance(value, str | UserString):
        return None if is_unicode(value if isinstance(value, str) else value.data) else HALF_A_PAIR
    return f"JSON has no {type(value).__name__}{_hint(value)}"


def _hint(value: object) -> str:
    """Return what an error advises about a value that is neither text, number nor a collection."""
    by_type = (remedy for kinds, remedy in _REMEDIES if isinstance(value, kinds))
    by_method = (f"use .{name}()" for name in _REMEDIES_BY_METHOD if hasattr(value, name))
    hint = next(by_type, None) or next(by_method, None)
    return f"; {hint}" if hint else ""


def _bad(place: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"{place}: {reason}", field=place)
