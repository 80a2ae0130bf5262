"""Where a request has what asks for a page: in its query, its body or its headers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from airflow_mirrordb.client.messages.headers import header_key
from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.paths import ABSENT, parse_path

Place = Literal["query", "body", "headers"]


def value_at(request: MirrorDBRequest, place: Place, name: str) -> Any:
    """Return what a request has at a place; ABSENT if nothing.

    :param name: of an argument of the query, or of a header; of a body the path
    """
    if place == "body":
        return parse_path(name).value_in(request.data)
    if place == "query":
        return (request.query or {}).get(name, ABSENT)
    same = _same(request.headers, name)
    return (request.headers or {})[same[-1]] if same else ABSENT


def with_value(request: MirrorDBRequest, place: Place, name: str, value: Any) -> MirrorDBRequest:
    """Return a request that has a value at a place, instead of what it has there.

    :raises PathError: if there is no place for it in the body
    """
    if place == "body":
        return replace(request, data=parse_path(name).placed_in(request.data, value))
    if place == "query":
        return replace(request, query={**(request.query or {}), name: value})
    same = _same(request.headers, name)
    others = {key: it for key, it in (request.headers or {}).items() if key not in same}
    return replace(request, headers={**others, name: value})


def _same(headers: Mapping[str, str] | None, name: str) -> list[str]:
    """Return the names by which headers have that of a name."""
    return [key for key in headers or () if header_key(key) == header_key(name)]
