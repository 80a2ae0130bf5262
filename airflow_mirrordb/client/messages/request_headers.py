"""The headers of a request: which of them are the caller's to set, and what they may hold. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from airflow_mirrordb import __version__
from airflow_mirrordb.client.bodies.encoding import text_of
from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.messages.entity_tags import entity_tags, joined
from airflow_mirrordb.client.messages.headers import (
    CONDITIONS_BY_TAG,
    CONTROL,
    OVERRIDES,
    RESERVED_HEADERS,
    TOKEN,
    header_key,
)
from airflow_mirrordb.json_types import is_list
from airflow_mirrordb.media_types import check_accept

if TYPE_CHECKING:
    from airflow_mirrordb.client.config import MirrorDBConfig
    from airflow_mirrordb.client.messages.request import MirrorDBRequest

#: JSON before what is JSON as well, as application/problem+json (RFC 9457): a strict server has nothing to
#: say an error in otherwise, and answers as if there was none. Anything else before no answer at all.
ACCEPT = "application/json, application/*+json;q=0.9, */*;q=0.1"

USER_AGENT = f"airflow-mirrordb/{__version__}"

_NOTHING = (None,) * 10
_OWN = "the client sets this header itself, from the connection or another argument"
_TOKEN = (
    f"{_OWN}; a token that a task before made lies in XCom in clear text: let the connection fetch it"
    " (auth_type), or keep it in a connection (auth_conn_id)"
)


def plain_headers(config: MirrorDBConfig) -> CIMultiDictProxy[str]:
    """Return the headers of all requests that say nothing of them, and have no body."""
    headers = CIMultiDict({"Accept": ACCEPT, "User-Agent": USER_AGENT})
    headers.update(config.headers)
    return CIMultiDictProxy(headers)


def has_plain_headers(request: MirrorDBRequest) -> bool:
    """Whether these are the headers of a request, as of most reads."""
    own = (
        request.headers,
        request.accept,
        request.if_match,
        request.if_none_match,
        request.idempotency_key,
        request.data,
        request.form,
        request.files,
        request.input_path,
        request.content_type,
    )
    return own == _NOTHING


def add_headers(
    headers: CIMultiDict[str], request: MirrorDBRequest, config: MirrorDBConfig, *, is_keyed: bool
) -> None:
    """Add the headers of a request's own to the plain ones, but for those of its body.

    :param is_keyed: whether an idempotency key goes with its method
    :raises InvalidRequestError: if one of them cannot be sent, or is not the caller's to set; names it
    """
    if request.headers is not None:
        _add_own(request.headers, config, headers)
    if request.accept is not None:
        headers["Accept"] = _accept(request)
    if request.if_match is not None:
        headers["If-Match"] = _condition("if_match", request.if_match)
    if request.if_none_match is not None:
        headers["If-None-Match"] = _condition("if_none_match", request.if_none_match)
    if request.idempotency_key is not None:
        key = checked_key(request.idempotency_key)
        if config.idempotency_header and is_keyed:
            headers[config.idempotency_header] = key


def _add_own(own: Mapping[str, str], config: MirrorDBConfig, headers: CIMultiDict[str]) -> None:
    """Add the headers of a request's own, if each of them may be set by it."""
    if not isinstance(own, Mapping):
        raise _bad("headers", f"it must be a mapping, not {type(own).__name__}")
    taken = config.own_headers | {header_key(config.idempotency_header or "")}
    for name, value in own.items():
        place = f"headers[{name!r}]"
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise _bad(place, "this is no header name (letters, digits and !#$%&'*+-.^_`|~)")
        if header_key(name) in RESERVED_HEADERS | taken:
            raise _bad(place, _TOKEN if header_key(name) == "authorization" else _OWN)
        if header_key(name) in OVERRIDES:
            raise _bad(place, "this header could turn the request into one that no pattern allows")
        headers[name] = text = _header_value(place, value)
        if header_key(name) in CONDITIONS_BY_TAG:
            _condition(place, text)  # sent as it is: some backends want no quotes


def _accept(request: MirrorDBRequest) -> str:
    if any(name.lower() == "accept" for name in request.headers or ()):
        raise _bad("accept", "headers say it already; leave one of the two")
    try:
        return check_accept(request.accept)
    except ValueError as error:
        raise _bad("accept", str(error)) from None


def _header_value(place: str, value: object) -> str:
    if isinstance(value, bool):
        raise _bad(place, "it must be a string or number: there is no way to write a boolean that all know")
    text = text_of(value, place, "a string or number")
    if CONTROL.search(text):
        raise _bad(place, "line breaks and control characters are refused")
    return text


def _condition(place: str, value: object) -> str:
    """Return a condition on the resource, as If-Match, one that says something."""
    tags = [_header_value(place, tag) for tag in value] if is_list(value) else None
    try:
        return entity_tags(_header_value(place, value)) if tags is None else joined(tags)
    except ValueError as error:
        raise _bad(place, str(error)) from None


def checked_key(value: object, place: str = "idempotency_key") -> str:
    """Return an idempotency key as it is sent.

    :raises InvalidRequestError: if it cannot be, or is what a template renders to that had nothing to say
    """
    text = _header_value(place, value)
    if text.strip() in ("", "None"):
        raise _bad(place, f"{text!r} is no key, but what a missing XCom or a None renders to")
    return text


def _bad(place: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"{place}: {reason}", field=place)
