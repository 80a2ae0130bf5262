"""What a decoded body has where a path into it finds nothing, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from airflow_mirrordb.paths import ABSENT, PathError, nodes_of, parse_path

#: Names of an object that are told, and characters of each.
MOST_NAMES, LONGEST_NAME = 10, 60


class Stop(NamedTuple):
    """Where a path leaves the body.

    :param place: the part of the path that is there; empty for the body itself
    :param value: what is there
    :param rest: the names and numbers that come after it
    """

    place: str
    value: Any
    rest: tuple[str, ...]


def stop_of(path: str, body: Any) -> Stop:
    """Return where a path leaves a body; an expression by what it begins with.

    :raises PathError: if it is no path
    """
    parsed = parse_path(path)
    names = parsed.names if not parsed.is_expression else parsed.head.names if parsed.head else ()
    value, place = body, ""
    for index, name in enumerate(names):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and _is_index(name, len(value)):
            value = value[int(name)]
        else:
            return Stop(place, value, names[index:])
        place = f"{place}.{name}" if place else name
    return Stop(place, value, ())


def there_instead(path: str, body: Any, *, whole: str = "the body") -> str:
    """Return what is there where a path finds nothing, as ``status has state``; nothing if it is no path.

    :param whole: what the body is called
    """
    try:
        place, value, _ = stop_of(path, body)
    except PathError:
        return ""
    return described(value, place or whole)


def described(value: Any, place: str) -> str:
    """Return what a value has, or is, without telling what it holds.

    :param place: what it is called
    """
    if isinstance(value, dict):
        return f"{place} has {names_of(value)}" if value else f"{place} is empty"
    if isinstance(value, list):
        first = value[0] if value else None
        items = f", and its items have {names_of(first)}" if isinstance(first, dict) and first else ""
        return f"{place} is a list of {len(value)}{items}"
    return f"{place} is {type_of(value)}"


def names_of(value: dict[Any, Any]) -> str:
    """Return the names of an object, as many as a person reads."""
    names = [str(name)[:LONGEST_NAME] for name in value]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{', '.join(names[:MOST_NAMES])}{more}"


def type_of(value: Any) -> str:
    """Return what JSON calls a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "a text" if isinstance(value, str) else "an object" if isinstance(value, dict) else "a list"


def bare_words(path: str, body: Any) -> Iterator[str]:
    """Yield the names that an expression compares with, and that a body does not have: texts need quotes."""
    tree = parse_path(path).tree
    if tree is None or not isinstance(body, dict):
        return
    for node in nodes_of(tree):
        if node["type"] == "comparator":
            for child in node["children"]:
                if child["type"] == "field" and body.get(child["value"], ABSENT) is ABSENT:
                    yield child["value"]


def _is_index(name: str, size: int) -> bool:
    return name.removeprefix("-").isdecimal() and -size <= int(name) < size
