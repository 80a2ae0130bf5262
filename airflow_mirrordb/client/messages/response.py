"""From an answer to a result or an error. Pure; no I/O."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any

import msgspec
from multidict import istr

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.errors.json_faults import fault_in
from airflow_mirrordb.client.bodies.errors.texts import words_of_page
from airflow_mirrordb.client.bodies.sizes import MAX_EXPANSION, decoded_size
from airflow_mirrordb.client.bodies.texts import in_utf8, text_from
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import (
    InvalidResponseError,
    RefusedError,
    TransportError,
)
from airflow_mirrordb.client.messages.answer_errors import (
    check_for_error,
    not_ready,
    request_id_of,
    response_error,
)
from airflow_mirrordb.client.messages.entity_tags import entity_tag
from airflow_mirrordb.client.messages.full_response import FullResponse
from airflow_mirrordb.client.messages.headers import CONDITIONS_OF_READS, header_key
from airflow_mirrordb.client.messages.request import MirrorDBRequest, WireRequest, attach_request
from airflow_mirrordb.client.retries.passing import is_unasked_page, is_web_page
from airflow_mirrordb.client.values import value_class
from airflow_mirrordb.media_types import is_html_type, is_json_type, takes_text
from airflow_mirrordb.paths import ABSENT, PathError, parse_path

SUCCESS = range(200, 300)
#: Why a body is not read to its end, in :attr:`Answer.refused`.
TOO_LONG = "the body is longer than max_response_bytes"
#: Statuses that say that a resource is not there; who had it once says 410 (RFC 9110, section 15.5.11).
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_CONTENT_TYPE, _ETAG = istr("Content-Type"), istr("ETag")  # looked up in half the time
#: 2xx that say that a write was applied, or taken.
_TELLING = (HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
APPLIED = "; the write itself was applied"
#: Bytes of an answer by which it is known to be a page.
MAX_PAGE = 2**14
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}")


@value_class
class MirrorDBResponse:
    """A success.

    :param status: HTTP status; any 2xx, 304 to a GET with a condition, 404 or 410 to a DELETE of what is gone
    :param headers: the answer's headers
    :param data: what the decoded JSON body holds in the connection's envelope, or the whole body where
        there is no envelope; None if there is no body; a :class:`~airflow_mirrordb.client.Manifest` of
        what went to a sink
    :param body: the whole decoded JSON body; of pages all records; of a write whose answer is something
        else, or where ``accept`` asked for that, its text, or None if it is no text
    :param is_json: whether it was JSON, or nothing at all
    :param pages: answers that the data came in
    :param full: all of it as plain JSON, where ``full_response`` asked for that
    :param redirected: the request that it answers, where a redirect led to that
    :param size: length of the body in bytes, after decompression; of pages of CSV that of their records as
        JSON, which repeat the names of the columns; 0 if it went to a sink
    :param etag: entity tag of the resource (RFC 9110, section 8.8.3); None if there is none, or what the
        backend sent is not one and could not be sent back
    :param request_id: the id under which the backend logged the request, if it says
    :param attempts: requests sent, this one included
    :param elapsed: time from the first attempt to the answer, in seconds
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: Any = field(repr=False)
    body: Any = field(repr=False)
    size: int
    etag: str | None
    request_id: str | None
    attempts: int
    elapsed: float
    is_json: bool = True
    pages: int = 1
    full: FullResponse | None = field(default=None, repr=False)
    redirected: WireRequest | None = field(default=None, repr=False)

    @property
    def result(self) -> Any:
        """What the caller asked for: the data, or all of the answer."""
        return self.data if self.full is None else self.full


@value_class
class Answer:
    """One HTTP answer as received.

    :param body: of a broken or refused answer, what was read of it
    :param refused: why the rest of the body was not read; "" if nothing was refused
    :param broken: what came in the place of the rest of the body; None if it came
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    refused: str = ""
    broken: TransportError | None = None


def interpret(
    answer: Answer,
    request: MirrorDBRequest,
    config: MirrorDBConfig,
    *,
    number: int,
    elapsed: float,
    now: float,
    maybe_applied: bool = False,
    hide: Callable[[str], str] = str,
) -> MirrorDBResponse:
    """Return what an answer means as a result.

    :param number: which attempt it answers, counted from 1
    :param maybe_applied: whether an attempt before it may have been applied
    :param elapsed: time since the first attempt, in seconds
    :param now: unix time, for a Retry-After that is a date
    :param hide: takes secrets out of the request id; errors are rid of theirs where they leave the client
    :raises ResponseError: if it is no success, of the class that the status calls for, or not ready yet, or
        its body tells of an error
    :raises InvalidResponseError: if it is a success, but the body cannot be used; that of a write only if it
        is too large or compressed in an unknown way
    :raises TransportError: if it is a success, but the body did not come whole
    """
    if is_pending(answer.status, config, reads=request.reads):
        raise attach_request(not_ready(answer, now=now), request)
    if not _is_success(answer.status, request, config):
        if not _is_gone(answer.status, request, maybe_applied=maybe_applied):
            raise attach_request(response_error(answer, config, now=now, request=request), request)
        body, is_json = None, True
    elif answer.broken is not None:
        raise attach_request(answer.broken, request)
    else:
        body, is_json = _decode(answer, request, config)
    request_id = request_id_of(answer.headers)
    response = MirrorDBResponse(
        status=answer.status,
        headers=answer.headers,
        data=unwrapped(body, config.response_envelope),
        body=body,
        size=len(answer.body),
        etag=entity_tag(answer.headers.get(_ETAG)),
        request_id=hide(request_id) if request_id else None,
        attempts=number,
        elapsed=elapsed,
        is_json=is_json,
    )
    if config.error_path is not None and is_json and body is not None:
        _check_for_error(response, answer, request, config.error_path, now)
    return response


def _check_for_error(
    response: MirrorDBResponse, answer: Answer, request: MirrorDBRequest, path: str, now: float
) -> None:
    try:
        check_for_error(response.body, answer, request, path, now=now)
    except RefusedError as error:
        error.response = response  # its body may say more than that
        raise


def unwrapped(body: Any, envelope: str | None) -> Any:
    """Return what a body holds at the path of an envelope, be it null.

    A body that has no such path is returned as a whole, never refused and never cut: backends wrap
    not every answer, and the answer to a write must not be lost once it was applied. Where the path is an
    expression, null is nothing.
    """
    if not envelope:
        return body
    path = parse_path(envelope)
    try:
        found = path.value_in(body)
    except PathError:
        return body
    return body if found is ABSENT or (found is None and path.is_expression) else found


def is_pending(status: int, config: MirrorDBConfig, *, reads: bool) -> bool:
    """Whether an answer only says that what a read asks for is still being made, as 202 (RFC 9110, 15.3.3).

    A write that is answered so was accepted.
    """
    return reads and status in config.pending_statuses


def _is_success(status: int, request: MirrorDBRequest, config: MirrorDBConfig) -> bool:
    """304 answers a read with a condition: by it a backend says that what the sender has is still so.

    To a write it says that nothing was changed; and a sender that has nothing would get nothing.
    """
    if status in SUCCESS:
        return True
    return status == HTTPStatus.NOT_MODIFIED and request.reads and _is_conditional(request, config)


def _is_conditional(request: MirrorDBRequest, config: MirrorDBConfig) -> bool:
    names = {header_key(name) for name in (*config.headers, *(request.headers or ()))}
    return request.if_none_match is not None or not names.isdisjoint(CONDITIONS_OF_READS)


def _is_gone(status: int, request: MirrorDBRequest, *, maybe_applied: bool) -> bool:
    """A DELETE that meets 404, or 410, after an attempt that may have been applied has done its work."""
    if status not in GONE:
        return False
    if request.reads:
        return request.missing_ok
    return request.method == "DELETE" and (request.missing_ok or maybe_applied)


def _decode(answer: Answer, request: MirrorDBRequest, config: MirrorDBConfig) -> tuple[Any, bool]:
    """Decode the body as JSON, whatever the content type says; nothing and white space are None.

    A write was applied whatever its answer holds: the text of one that is not JSON is its result. Where
    something else than JSON was asked for, the content type tells what came.
    """
    content_type = answer.headers.get(_CONTENT_TYPE, "none")
    body, is_page = in_utf8(answer.body, content_type), False
    if answer.refused:
        reason = f"{answer.refused}{_limit(config) if answer.refused == TOO_LONG else ''}"
    elif takes_text(request.accept) and not is_json_type(content_type):
        if not answer.body:
            return None, True
        check_for_page(answer.status, answer.headers, answer.body, request)
        text = text_from(answer.body, content_type)
        if text is not None or not request.reads:
            return text, False
        reason = (
            f"the body of {len(answer.body):,} bytes is no text (content type"
            f" {shortened(content_type, 200)!r}); only a read to an output_path, or to a sink, takes it"
        )
    elif size := decoded_size(body, MAX_EXPANSION * config.max_response_bytes):
        reason = (
            f"decoded the body of {len(body):,} bytes would take {size:,}, which is over"
            f" {MAX_EXPANSION} times max_response_bytes: read less at once, or write it to an output_path,"
            " or to a sink"
        )
    elif not body.strip():
        return None, True
    else:
        try:
            return decode(body), True
        except (ValueError, RecursionError) as fault:
            if not request.reads and not is_page_instead(answer.status, answer.headers, answer.body, request):
                return text_from(answer.body, content_type), False
            is_page = not request.reads or is_web_page(answer.headers, answer.body)
            reason = (
                f"the body of {len(answer.body):,} bytes is not JSON (content type"
                f" {shortened(content_type, 200)!r}): {fault_in(body, fault)};"
                f" {_remedy(content_type, is_page=is_page, reads=request.reads)}"
            )
    if request.any_body and not _should_be_json(answer, content_type):
        return None, False
    raise _unreadable(answer, request, reason, is_page=is_page)


def _limit(config: MirrorDBConfig) -> str:
    limit = f"{config.max_response_bytes:,} bytes"
    return f" ({limit}): ask for less at once, raise it, or write a read to an output_path, or to a sink"


def _unreadable(
    answer: Answer, request: MirrorDBRequest, reason: str, *, is_page: bool
) -> InvalidResponseError:
    error = InvalidResponseError(
        message=f"{answer.status}, but {reason}{'' if request.reads or is_page else APPLIED}",
        status=answer.status,
        request_id=request_id_of(answer.headers),
        maybe_applied=not request.reads,
        retryable=is_page,
        too_large=answer.refused == TOO_LONG,
        is_page=is_page,
    )
    return attach_request(error, request)


def check_for_page(status: int, headers: Mapping[str, str], body: bytes, request: MirrorDBRequest) -> None:
    """Check that an answer is no page (HTML) where something else was asked for.

    :param body: its beginning
    :raises InvalidResponseError: if it is one; of a write, if nobody knows by it what became of that
    """
    if not is_page_instead(status, headers, body, request):
        return
    content_type = headers.get(_CONTENT_TYPE, "none")
    words = words_of_page(text_from(body[:MAX_PAGE], content_type) or "")[1]
    wanted = "" if request.accept is None else f", and not {request.accept!r:.200}"
    raise attach_request(
        InvalidResponseError(
            message=f"{status}, but the answer is a page (content type {shortened(content_type, 200)!r}), as"
            f" gateways send for a failure or a login{wanted}: {shortened(words, 200)!r}; if a page is"
            " wanted, accept must name its type, as text/html",
            status=status,
            request_id=request_id_of(headers),
            maybe_applied=not request.reads,
            retryable=True,
            is_page=True,
        ),
        request,
    )


def is_page_instead(status: int, headers: Mapping[str, str], body: bytes, request: MirrorDBRequest) -> bool:
    """Return whether an answer is a page that may be that of a gateway, in the place of the backend's own.

    A gateway that wants a login lets no write through. 201 and 202 say themselves what became of one
    (RFC 9110, sections 15.3.2 and 15.3.3), whatever comes along.

    :param body: its beginning
    """
    is_told = not request.reads and status in _TELLING
    return not is_told and is_unasked_page(headers, body, request.accept)


def _remedy(content_type: str, *, is_page: bool, reads: bool) -> str:
    """Return what to do about a body that is not JSON.

    :param is_page: whether it is a page, as of a proxy or a login
    """
    if is_page:
        if not reads:
            return "is a login wanted, or the base URL wrong? accept='text/html' takes a page"
        return "look whether the base URL and the endpoint are right, and whether the backend wants a login"
    media_type = content_type.partition(";")[0].strip()
    named = f"={media_type!r}" if _MEDIA_TYPE.fullmatch(media_type) else ""
    by_accept = "" if is_json_type(content_type) else f"accept{named} returns it as text, "
    return f"{by_accept}output_path writes it to a file"


def _should_be_json(answer: Answer, content_type: str) -> bool:
    """Whether an answer calls itself JSON, or is a page for people, which may tell of a failure."""
    is_page = content_type == "none" and answer.body.lstrip().startswith(b"<")
    return is_page or is_json_type(content_type) or is_html_type(content_type)


def decode(body: bytes) -> Any:
    """Return the JSON value that a body holds, as RFC 8259 says, in UTF-8, UTF-16 or UTF-32.

    :raises ValueError: if it holds none, or a number beyond the range of numbers
    :raises RecursionError: if it is nested too deeply
    """
    try:
        return msgspec.json.decode(body)  # several times as fast as json, and as strict
    except (ValueError, msgspec.DecodeError):  # the second is one of the first since msgspec 0.21
        # or it is in UTF-16, begins with a byte order mark, or holds half of a surrogate pair
        return _JSON.decode(body.decode(json.detect_encoding(body)))


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _finite(digits: str) -> float:
    """1e999 is JSON, but would become infinity, which no event and no database takes."""
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:20]} is beyond the range of numbers")
    return value


_JSON = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
