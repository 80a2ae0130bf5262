"""What a 2xx says of an error, at the connection's ``error_path``. Pure.

Some backends answer 200 whatever happened, and tell of an error in the body: GraphQL in ``errors`` (GraphQL
specification, section 7.1), Slack in ``ok`` and ``error`` ("Using the Slack Web API"). One that did many
things at once answers 207 (RFC 4918, section 13), and tells what became of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, NamedTuple

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.errors.details import problem_of, problem_of_words
from airflow_mirrordb.client.bodies.errors.excerpts import Excerpts
from airflow_mirrordb.paths import ABSENT, parse_path

#: Parts of a 207 that are named, and values among which they are looked for.
MAX_PARTS = 20
MAX_VALUES = 50_000
#: What a part calls itself by, and what became of it.
_NAMES = ("id", "index", "href", "uri", "key", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedError:
    """An error that a body tells of.

    :param code: a machine-readable code, if there is one
    :param detail: its words, at most 2 kB
    :param parts: of a 207, the places of the parts that failed
    """

    code: str | None
    detail: str
    parts: tuple[str, ...] = ()


class _Found(NamedTuple):
    """A value of a body.

    :param part: the nearest item of a list that it is, or lies in; None if it lies in none
    :param place: where that is, as ``results[1]``
    :param number: of the items in that list
    """

    value: Any
    place: str
    part: Any
    part_place: str
    number: int


def reported_error(body: Any, path: str, *, status: int) -> ReportedError | None:
    """Return the error that a body tells of at a path; None if nothing lies there.

    Nothing are null, false, 0, an empty text, and lists and objects that are empty or hold nothing else.

    :param status: of the answer; a 207 is told with its parts
    :raises PathError: if the path is an expression that cannot be done with this body
    """
    found = parse_path(path).value_in(body)
    if found is ABSENT or _is_nothing(found):
        return None
    if status == HTTPStatus.MULTI_STATUS and (parts := _parts(body, found)):
        return _of_parts(parts)
    code, detail = problem_of(found, status=status)
    if not detail and found is not body:
        detail = _words(body if found is True else found)
    return ReportedError(code=code, detail=detail)


def _is_nothing(found: Any) -> bool:
    """Whether a value is nothing, or holds nothing else; what is too large to tell is something."""
    waiting = [found]
    for value in waiting:  # which grows on the way
        if not isinstance(value, Mapping | list):
            if value:
                return False
            continue
        if len(waiting) + len(value) > MAX_VALUES:
            return False
        waiting += value.values() if isinstance(value, Mapping) else value
    return True


def _of_parts(parts: list[_Found]) -> ReportedError:
    named = parts[:MAX_PARTS]
    told = [f"{_name(part)}: {_words(part.value)}" for part in named]
    places = tuple(dict.fromkeys(part.part_place for part in parts))
    number = parts[0].number
    counted = f"{len(places)} of {number} parts failed" if number > len(places) else "parts failed"
    more = f"; and {len(parts) - MAX_PARTS} more" if len(parts) > MAX_PARTS else ""
    code = next((code for part in named if (code := problem_of(part.value)[0])), None)
    return ReportedError(
        code=code,
        detail=problem_of_words(None, f"{counted}: {'; '.join(told)}{more}")[1],
        parts=places,
    )


def _parts(body: Any, found: Any) -> list[_Found]:
    """Return where the values that were found lie in the lists of a body."""
    items = found if isinstance(found, list) else [found]
    wanted = {id(item) for item in islice(items, MAX_VALUES) if _is_unique(item)}
    parts = [value for value in _values(body) if id(value.value) in wanted and value.part_place]
    return list({id(part.value): part for part in parts}.values())


def _is_unique(value: Any) -> bool:
    """Whether a value can be told from its equals by what it is: decoders share small ones."""
    return isinstance(value, Mapping | list) or (isinstance(value, str) and len(value) > 1)


def _values(body: Any) -> Iterator[_Found]:
    """Yield the values in a body, those at its top first."""
    level = [_Found(body, "", None, "", 0)]
    left = MAX_VALUES
    while level and left > 0:
        inner = list(islice((child for value in level for child in _children(value)), left))
        left -= len(inner)
        yield from inner
        level = inner


def _children(of: _Found) -> Iterator[_Found]:
    if isinstance(of.value, Mapping):
        for key, value in of.value.items():
            place = f"{of.place}.{key}" if of.place else str(key)
            yield _Found(value, place, of.part, of.part_place, of.number)
    elif isinstance(of.value, list):
        for position, value in enumerate(of.value):
            place = f"{of.place}[{position}]"
            outer = (of.part, of.part_place, of.number) if of.part_place else None
            yield _Found(value, place, *(outer or (value, place, len(of.value))))


def _name(found: _Found) -> str:
    """Return the place of a part, with what it calls itself by and its status."""
    part = found.part if isinstance(found.part, Mapping) else {}
    facts = [f"{key} {part[key]}" for key in _NAMES if isinstance(part.get(key), str | int)][:1]
    facts += [f"status {part['status']}"] if isinstance(part.get("status"), str | int) else []
    told = f" ({', '.join(facts)})" if facts else ""
    return shortened(f"{found.part_place}{told}", 200)


def _words(value: Any) -> str:
    """Return the words of an error, or the value itself where there are none."""
    return problem_of(value)[1] or shortened(json.dumps(Excerpts().of(value), ensure_ascii=False), 200)
