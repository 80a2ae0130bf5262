"""What counts as an object and as an array of JSON, by what it is and not by its class; light."""

from __future__ import annotations

import json
from collections import UserString
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

#: Sequences that are one value, and no list of values.
_ONE_VALUE = (str, bytes, bytearray, memoryview, UserString)
#: Stands for a value that was left out, where None means something.
NOT_GIVEN: Any = ...


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether a value stands for many, be it a lazy sequence, as of XComs."""
    return isinstance(value, Sequence) and not isinstance(value, _ONE_VALUE)


def texts_in(value: object) -> Iterator[str]:
    """Yield each text that is a value, or is in one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) or is_list(value):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from texts_in(item)


def as_json_type(value: object) -> object:
    """Return a value that the standard encoder does not know as one that it knows, as its ``default`` has to.

    :raises TypeError: if JSON has no such type
    """
    if isinstance(value, Mapping):
        return dict(value)
    if is_list(value):
        return list(value)
    if isinstance(value, UserString):
        return value.data
    raise TypeError(f"{type(value).__name__} has no JSON type")


def as_plain(value: object) -> Any:
    """Return a value made of dicts, lists and scalars of Python's own types.

    :raises ValueError: if it is no JSON value
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=as_json_type))
    except TypeError as error:
        raise ValueError(str(error)) from None
