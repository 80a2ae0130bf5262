"""From the arguments of a request to its body, and what that is called. No I/O: files are opened later."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_mirrordb.body_arguments import BODIES, check_bodies, paths_as_text
from airflow_mirrordb.client.bodies.encoding import encode, text_of
from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.unicode import is_unicode
from airflow_mirrordb.client.uploads.multipart import OCTETS
from airflow_mirrordb.client.uploads.sources import OpenSource, Source
from airflow_mirrordb.client.uploads.upload import Part, Upload
from airflow_mirrordb.json_types import NOT_GIVEN, is_list
from airflow_mirrordb.media_types import check_media_type, is_json_type

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from airflow_mirrordb.client.messages.request import MirrorDBRequest

_OPENED = ("{", "[")  # as an object or a list begins
MULTIPART = "multipart/form-data"
FORM = "application/x-www-form-urlencoded"
_NOTHING_ELSE = (None,) * 4  # but data, as nearly always
_WITH_BODY = ("POST", "PUT", "PATCH")
_FORM_VALUE = "a string, number, boolean or a list of them"
#: The argument that sends what some media types are.
_ARGUMENTS = {FORM: "form={…}", MULTIPART: "files={…}"}


def given_body(options: Mapping[str, Any]) -> object:
    """Return what is given of the arguments that make a body; None if nothing is."""
    return next((body for body in map(options.get, BODIES) if body is not None), None)


def data_given(data: object, options: Mapping[str, Any]) -> Any:
    """Return the data of a create or an update.

    :raises InvalidRequestError: if it was left out, and there is no other body
    """
    if data is not NOT_GIVEN:
        if isinstance(data, str) and data[:1] in _OPENED:
            _warn_of_text(data)
        return data
    if given_body(options) is None:
        raise _bad("data", f"it is missing; a body is made of {', '.join(BODIES)}, and None sends none")
    return None


def _warn_of_text(data: str) -> None:
    """Warn of the text of a dict or a list, which operators parse, since templates make texts."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    kind = "an object" if isinstance(value, dict) else "a list"
    warnings.warn(
        f"data: the text of {kind} goes out as a JSON text; give the value itself, as json.loads(data)",
        stacklevel=4,
    )


def body_of(
    request: MirrorDBRequest,
    envelope: str | None,
    headers: CIMultiDict[str],
    open_source: OpenSource,
) -> bytes | Upload | None:
    """Return the body of a request, and write into its headers what it is.

    :param envelope: dotted path under which the data lies
    :param open_source: returns the file of a path
    :raises InvalidRequestError: if an argument cannot be sent; names it
    """
    if (request.form, request.files, request.input_path, request.content_type) == _NOTHING_ELSE:
        if request.data is None:
            return None
        _check_json(headers.setdefault("Content-Type", "application/json"), None)
        return _json(request.data, envelope)
    given = {name: getattr(request, name) for name in (*BODIES, "content_type")}
    try:
        check_bodies(given)
    except ValueError as error:
        raise _bad(*str(error).split(": ", 1)) from None
    mine = request.headers or {}
    own = next((value for name, value in mine.items() if name.lower() == "content-type"), None)
    if request.data is None and request.method not in _WITH_BODY:
        name = next(name for name, value in given.items() if value is not None)
        raise _bad(name, f"a {request.method} sends none")
    if request.files is not None:
        return _multipart(request, own, headers, open_source)
    if request.form is not None:
        _set_kind(headers, own, FORM)
        return encode_form(request.form)
    if request.content_type is not None:
        headers["Content-Type"] = _content_type(request.content_type, own)
    if request.input_path is not None:
        if request.content_type is None and own is None:
            headers["Content-Type"] = OCTETS  # in the place of one that the connection has for JSON
        source = _source("input_path", request.input_path, open_source)
        return Upload(
            [Part(place="input_path", name="", content=source)], None, request.digest, request.versions
        )
    _check_json(headers["Content-Type"], "content_type")
    return _json(request.data, envelope)


def encode_form(form: object) -> bytes:
    """Return fields as a form (WHATWG URL Standard, "application/x-www-form-urlencoded serializing").

    :raises InvalidRequestError: if one has no text; names it
    """
    return urlencode(fields_of(form)).encode()


def fields_of(form: object) -> list[tuple[str, str]]:
    """Return the names and texts of the fields of a form; a list repeats its name.

    :raises InvalidRequestError: if one has no text, or there is none; names it
    """
    if not isinstance(form, Mapping):
        raise _bad("form", f"it must be a mapping, not {type(form).__name__}")
    pairs: list[tuple[str, str]] = []
    for name, value in form.items():
        place = f"form[{name!r}]"
        key = text_of(name, place)
        for item in value if is_list(value) else [value]:
            if item is None:
                raise _bad(place, "a form has no null; leave it out, or give an empty text")
            pairs.append((key, text_of(item, place, _FORM_VALUE)))
    if not pairs:
        raise _bad("form", "it has no fields")
    return pairs


def _multipart(
    request: MirrorDBRequest, own: str | None, headers: CIMultiDict[str], open_source: OpenSource
) -> Upload:
    parts = [
        Part(place=f"form[{name!r}]", name=name, content=text.encode())
        for name, text in (fields_of(request.form) if request.form is not None else [])
    ]
    if not isinstance(request.files, Mapping):
        raise _bad("files", f"it must be a mapping of names to paths, not {type(request.files).__name__}")
    for name, paths in request.files.items():
        place = f"files[{name!r}]"
        key = text_of(name, place)
        for path in paths if is_list(paths) else [paths]:
            source = _source(place, path, open_source)
            _check_file_name(place, source.path)
            parts.append(Part(place=place, name=key, content=source))
    if not parts or isinstance(parts[-1].content, bytes):
        raise _bad("files", "it has none")
    boundary = token_hex(16)
    _set_kind(headers, own, MULTIPART, f"; boundary={boundary}")
    return Upload(parts, boundary, request.digest, request.versions)


def _source(place: str, path: object, open_source: OpenSource) -> Source:
    path = paths_as_text(path)
    if not isinstance(path, str):
        raise _bad(place, f"it must be a path, not {type(path).__name__}")
    try:
        return open_source(path)
    except ValueError as error:
        raise _bad(place, str(error)) from None


def _check_file_name(place: str, path: str) -> None:
    """Check that a form can hold the name of a file: some systems have names that are just bytes."""
    if not is_unicode(path.rpartition("/")[2]):
        reason = f"the name of {path!r} is not UTF-8, as in a form; rename it, or send it by input_path"
        raise _bad(place, reason)


def _set_kind(headers: CIMultiDict[str], own: str | None, kind: str, parameters: str = "") -> None:
    """Write what a form is into the headers, in the place of what the connection says of JSON."""
    if own is not None and own.strip().lower() != kind:
        raise _bad("headers['Content-Type']", f"the client says {kind} itself, and {own!r:.200} is not that")
    headers["Content-Type"] = f"{kind}{parameters}"


def _check_json(kind: str, argument: str | None) -> None:
    if is_json_type(kind):
        return
    name = "headers['Content-Type']" if argument is None else "content_type"
    media_type = kind.partition(";")[0].strip().lower()
    advice = _ARGUMENTS.get(media_type, f"input_path='…' with content_type={media_type!r:.100}")
    raise _bad(name, f"data is sent as JSON, and {kind!r:.200} is something else; give {advice} instead")


def _content_type(value: Any, own: str | None) -> str:
    if own is not None:
        raise _bad("content_type", "headers say it already; leave one of the two")
    try:
        return check_media_type(value)
    except ValueError as error:
        raise _bad("content_type", str(error)) from None


def _json(data: object, envelope: str | None) -> bytes:
    body = encode(data)
    for key in reversed(envelope.split(".") if envelope else ()):
        body = b"{%b:%b}" % (encode(key), body)
    return body


def _bad(place: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"{place}: {reason}", field=place)
