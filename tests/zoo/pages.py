"""A page of a collection, as its table says."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.zoo.tables import OMITTED, Answer, Pages

NAME: Final = re.compile(r"\$([a-z_]+)")
WRONG_TOKEN: Final = Answer(400, {"message": "the token of the page is not one that was given"})


@dataclass(frozen=True, slots=True)
class _Slice:
    """Records from ``start`` to before ``end``, and what asks for the next ones, if there are any."""

    start: int
    end: int
    size: int
    more: bool
    following: Any


def page(collection: Pages, given: Any, url: str, query: str) -> Answer:
    """Return the page that was asked for.

    :param given: the parameters, or the body that holds them
    :param url: of the request, without its query
    :param query: of the request, as it is on the wire
    """
    part = _slice(collection, given)
    if part is None:
        return WRONG_TOKEN
    if part.start >= max(len(collection.records), 1) and collection.beyond is not None:
        return collection.beyond
    values = _values(collection, part, url, query)
    headers = {name: filled(value, values) for name, value in collection.headers.items()}
    shown = {name: str(value) for name, value in headers.items() if value is not OMITTED}
    body = filled(collection.body, values)
    if not part.more:
        body = body | collection.at_end if collection.at_end else body
    return Answer(200, body, shown, collection.content_type)


def _slice(collection: Pages, given: Any) -> _Slice | None:
    asked = _at(given, collection.size_param) if collection.size_param else None
    limits = [limit for limit in (collection.max_size, collection.cap) if limit is not None]
    size = min([int(asked or collection.size), *limits])
    position = _at(given, collection.param)
    if collection.chunks:
        return _chunk(collection, position, size)
    start = _start(collection, position, size)
    if start is None:
        return None
    end = min(start + size, len(collection.records))
    more = end < len(collection.records)
    return _Slice(start, end, size, more, _following(collection, start, end, size))


def _chunk(collection: Pages, position: Any, size: int) -> _Slice | None:
    """Return the page of a server that gives as many records as it likes."""
    tokens = [None, *(collection.token.format(index) for index in range(1, len(collection.chunks) + 1))]
    if position not in tokens:
        return None
    index = tokens.index(position)
    start = sum(collection.chunks[:index])
    more = index + 1 < len(collection.chunks)
    return _Slice(start, start + collection.chunks[index], size, more, tokens[index + 1])


def _start(collection: Pages, position: Any, size: int) -> int | None:
    if position in (None, ""):
        return 0
    if collection.kind == "page":
        return (int(position) - collection.first) * size
    if collection.kind == "offset":
        return int(position) - collection.first
    if collection.kind == "token":
        tokens = [collection.token.format(place) for place in range(len(collection.records) + 1)]
        return tokens.index(position) if position in tokens else None
    known = [_by(record, collection.by) for record in collection.records]
    matching = [place for place, value in enumerate(known) if value == position or str(value) == position]
    return matching[0] + 1 if matching else None


def _values(collection: Pages, part: _Slice, url: str, query: str) -> dict[str, Any]:
    records = collection.records[part.start : part.end]
    each = [
        filled(collection.each, {"record": record, "number": part.start + place})
        for place, record in enumerate(records)
    ]
    values = {
        "records": each,
        "total": len(collection.records),
        "page": part.start // part.size + collection.first if part.size else collection.first,
        "pages": -(-len(collection.records) // part.size) if part.size else 0,
        "size": part.size,
        "start": part.start,
        "last": max(part.end - 1, part.start),
        "count": len(records),
        "more": part.more,
        "done": not part.more,
    }
    if not part.more and not collection.always_next:
        return values | dict.fromkeys(("next", "next_url", "next_path"), collection.end)
    parameters = dict(urllib.parse.parse_qsl(query, keep_blank_values=True)) if collection.next_query else {}
    parameters[collection.param] = str(part.following)
    if not collection.next_query and collection.size_param:
        parameters[collection.size_param] = str(part.size)
    full = f"{url}?{urllib.parse.urlencode(parameters)}"
    split = urllib.parse.urlsplit(full)
    return values | {"next": part.following, "next_url": full, "next_path": f"{split.path}?{split.query}"}


def _following(collection: Pages, start: int, end: int, size: int) -> Any:
    if collection.kind == "page":
        return start // size + collection.first + 1
    if collection.kind == "offset":
        return end + collection.first
    if collection.kind == "token":
        return collection.token.format(end)
    return _by(collection.records[end - 1], collection.by) if end else None


def _by(record: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        record = record[key]
    return record


def _at(given: Any, path: str) -> Any:
    """Return what a parameter holds, in a query by its name or in a body by its path."""
    if isinstance(given, Mapping) and path in given:
        return given[path]
    for key in path.split("."):
        if not isinstance(given, Mapping):
            return None
        given = given.get(key)
    return given


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """Return a template with its values; what is OMITTED leaves its key out, and what it was all of."""
    if isinstance(template, str):
        return _text(template, values)
    if isinstance(template, Mapping):
        done = {key: filled(value, values) for key, value in template.items()}
        left = {key: value for key, value in done.items() if value is not OMITTED}
        return left if left or not template else OMITTED
    if isinstance(template, list):
        return [value for item in template if (value := filled(item, values)) is not OMITTED]
    return template


def _text(template: str, values: Mapping[str, Any]) -> Any:
    whole = NAME.fullmatch(template)
    if whole:
        return values.get(whole[1], template)
    named = [values[name] for name in NAME.findall(template) if name in values]
    if any(value is OMITTED for value in named):
        return OMITTED
    return NAME.sub(lambda match: str(values.get(match[1], match[0])), template)
