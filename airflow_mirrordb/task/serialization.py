"""The one way by which values are handed to Airflow, which carries and stores them; light.

Airflow sends values between its processes in msgpack, keeps them in JSON columns, and reads some dicts
as objects of its own. None of these takes every JSON value. So what only this package reads (trigger
arguments, events, what a task or a watcher remembers) is handed over as ASCII JSON text, see
:func:`to_text`. What Airflow's users read as well is proved to survive, see :func:`storable` and
:func:`readable`.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from airflow_mirrordb.json_types import as_json_type

#: Characters of JSON text from which on it is compressed, so that large answers do not fill the database.
COMPRESSED_FROM = 2**16
_COMPRESSED = "zlib:"  # no JSON text begins so

#: What msgpack holds (https://github.com/msgpack/msgpack/blob/master/spec.md#limitation).
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1
#: MySQL refuses a document that is nested more deeply (error 3157, ER_JSON_DOCUMENT_TOO_DEEP).
MAX_DEPTH = 100
#: Names in a dict that ``airflow.sdk.serde`` refuses to write.
_REFUSED = ("__classname__", "__id__")
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # what JSONPath takes after a dot, and all can read
#: What to log where :func:`storable` replaced something.
HALF_REPLACED = "Half a surrogate pair in the result, which nothing can store, was replaced by U+FFFD"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class NotStorableError(ValueError):
    """Airflow, or a database that it supports, cannot hold a value as it is.

    :param reason: why, for a person
    :param steps: the names and positions that lead to the value
    """

    def __init__(self, reason: str, steps: Sequence[str | int] = ()) -> None:
        super().__init__(reason, steps)
        self.reason, self.steps = reason, list(steps)

    @property
    def path(self) -> str:
        """Where the value is, as JSONPath writes it (RFC 9535), at most 200 characters."""
        return f"${''.join(map(_step, self.steps))}"[:200]

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


#: Made once: json.dumps() makes another one for each value.
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=as_json_type)

# -- what only this package reads ----------------------------------------------------------------


def to_text(value: object) -> str:
    """Return a JSON value as ASCII text, compressed where that makes a large one smaller.

    Integers of any size, halves of surrogate pairs, NUL characters and names of any kind are kept. Any
    mapping is an object, and any sequence an array.

    :raises NotStorableError: if it is no JSON value, or nested more deeply than Python's stack
    """
    text = _dumped(value)
    return text if len(text) < COMPRESSED_FROM else _compressed(value, text)


async def to_text_beside(value: object) -> str:
    """Return what :func:`to_text` does; a large value is compressed in a thread beside the event loop.

    :raises NotStorableError: as :func:`to_text`
    """
    text = _dumped(value)
    return text if len(text) < COMPRESSED_FROM else await asyncio.to_thread(_compressed, value, text)


def from_text(text: str) -> Any:
    """Return the value that :func:`to_text` was given."""
    if text.startswith(_COMPRESSED):
        compressed = b64decode(text.removeprefix(_COMPRESSED))
        text = zlib.decompress(compressed).decode(errors="surrogatepass")
    try:
        return json.loads(text)
    except RecursionError:  # this stack is deeper than the one of the writer was; that of a thread is new
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(json.loads, text).result()


def _dumped(value: object) -> str:
    try:
        return _ENCODER.encode(value)
    except RecursionError:
        raise NotStorableError("it is nested too deeply, or holds itself") from None
    except (TypeError, ValueError) as error:
        raise NotStorableError(f"it is no JSON value: {error}") from None


def _compressed(value: object, text: str) -> str:
    # UTF-8 compresses better than escapes
    utf8 = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=as_json_type)
    compressed = zlib.compress(utf8.encode(errors="surrogatepass"), zlib.Z_BEST_SPEED)
    shorter = f"{_COMPRESSED}{b64encode(compressed).decode()}"
    return shorter if len(shorter) < len(text) else text


# -- what Airflow's users read as well -----------------------------------------------------------


def storable(value: Any, *, levels: int = 0) -> Any:
    """Return a value that comes out of Airflow's XComs as it went in, whatever the database.

    Half a surrogate pair is replaced by U+FFFD, for nothing can hold it. What else the installed Airflow
    knows how to serialize, as dates, sets and data frames, is left to it.

    :param levels: of lists and dicts that the value will be in
    :return: the value itself, if nothing had to be replaced
    :raises NotStorableError: if it holds what would be refused, or come out as something else: a number
        beyond 64 bits (msgpack; PostgreSQL moreover gives floats back as integers), NaN or infinity
        (JSON), a NUL character (PostgreSQL), a dict with names that Airflow gives a meaning of their own,
        more than :data:`MAX_DEPTH` levels (MySQL), or an object that Airflow cannot serialize
    """
    halves = _check(value, levels)
    if not levels and type(value) is int and value >= 2**63 and float(value) != value:
        raise NotStorableError("SQLite rounds an integer of 64 bits that is a whole result")
    return _replaced(value) if halves else value


def check_exact(value: Any) -> None:
    """Check that a value would stay as it is, without anything replaced.

    :raises NotStorableError: as :func:`storable`, and if it holds half a surrogate pair
    """
    if _check(value):
        raise NotStorableError("it holds half a surrogate pair")


def whole_text(text: str) -> str:
    """Return a text with U+FFFD in the place of each half of a surrogate pair."""
    return text if text.isascii() else _HALF_A_PAIR.sub(_REPLACEMENT, text)


def readable(value: Any) -> Any:
    """Return a value of plain text and numbers, in dicts and lists of ours, as a user can read it.

    For what only informs: half a surrogate pair and NUL become U+FFFD, and a number beyond 64 bits the
    text of its digits.
    """
    if isinstance(value, str):
        return whole_text(value).replace("\0", _REPLACEMENT)
    if isinstance(value, dict):
        return {readable(name): readable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, int | float):
        try:
            _check_number(value)
        except NotStorableError:
            return str(value)
    return value


def _check(value: Any, depth: int = 0, *, serialized: bool = False) -> bool:
    """Whether a value holds half a surrogate pair.

    :param depth: how many lists and dicts it is in
    :param serialized: whether it is what Airflow's own serialization made
    """
    kind = type(value)
    if kind is str:
        return _check_text(value)
    if kind is bool or value is None:
        return False
    if kind is int or kind is float:
        return _check_number(value)
    if not isinstance(value, dict | list):
        return _check_other(value, depth, serialized=serialized)
    if depth == MAX_DEPTH:
        raise NotStorableError(f"it is nested in more than {MAX_DEPTH} levels, which MySQL refuses")
    if isinstance(value, dict):
        return _check_dict(value, depth + 1, serialized=serialized)
    halves, position = False, 0
    try:
        for position, item in enumerate(value):  # noqa: B007  # tells where the error was
            halves |= _check(item, depth + 1, serialized=serialized)
    except NotStorableError as error:
        error.steps.insert(0, position)
        raise
    return halves


def _check_dict(value: dict[Any, Any], depth: int, *, serialized: bool) -> bool:
    if reserved := _reserved_names(value, serialized=serialized):
        raise NotStorableError(f"Airflow gives {' and '.join(map(repr, reserved))} a meaning of its own")
    halves = halves_in_names = False
    name = ""
    try:
        for name, item in value.items():
            halves_in_names |= _check_text(name if type(name) is str else str(name))
            halves |= _check(item, depth, serialized=serialized)
    except NotStorableError as error:
        error.steps.insert(0, str(name))
        raise
    if halves_in_names and len({_replaced(name) for name in value}) < len(value):
        raise NotStorableError("two names differ in nothing but halves of surrogate pairs")
    return halves or halves_in_names


def _reserved_names(value: dict[Any, Any], *, serialized: bool) -> list[str]:
    if "__type" in value and "__var" in value:  # airflow.sdk.serde reads these as an object of its own
        return ["__type", "__var"]
    return [] if serialized else [name for name in _REFUSED if name in value]


def _check_text(text: str) -> bool:
    if "\0" in text:
        raise NotStorableError("it holds a NUL character, which PostgreSQL refuses")
    return not text.isascii() and _HALF_A_PAIR.search(text) is not None


def _check_number(number: float) -> bool:
    # PostgreSQL makes of -2.0**63 an integer that is rounded to a lower one
    if _LOWEST < number <= _HIGHEST or (number == _LOWEST and isinstance(number, int)):
        return False
    if isinstance(number, int):
        raise NotStorableError(
            f"it is an integer of {number.bit_length()} bits, and Airflow carries -2**63 to 2**64-1"
        )
    if not math.isfinite(number):
        raise NotStorableError(f"JSON has no {float.__repr__(number)}")
    raise NotStorableError(
        f"{number} is beyond 64 bits: PostgreSQL gives it back as an integer, and Airflow carries 64 bits"
    )


def _check_other(value: Any, depth: int, *, serialized: bool) -> bool:
    """Check what is of no type of JSON's own, in the form that Airflow gives it."""
    if isinstance(value, str):
        return _check_text(str.__str__(value))
    if isinstance(value, int | float):
        return _check_number(value)
    if serialized:
        raise NotStorableError(f"JSON has no {type(value).__name__}")
    from airflow_mirrordb.compat import serialize_object  # few results need it

    try:
        form = serialize_object(value)
    except Exception as error:  # each kind of object has its own
        raise NotStorableError(f"Airflow cannot serialize it: {error}") from error
    if _check(form, depth, serialized=True):
        raise NotStorableError(f"half a surrogate pair is in an object of type {type(value).__name__}")
    return False


def _replaced(value: Any) -> Any:
    """Return a value that was checked, with halves of surrogate pairs replaced."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [_replaced(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {_replaced(name): _replaced(item) for name, item in value.items()}


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_NAME.fullmatch(step) else f"[{step!a}]"
