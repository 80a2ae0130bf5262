"""From an answer to a result or an error, and what may be done after an error. Pure; no I/O."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import msgspec
from yarl import URL

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.error_details import encodable, problem_from
from airflow_mirrordb.client.bodies.sizes import MAX_EXPANSION, decoded_size
from airflow_mirrordb.client.bodies.texts import text_from
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import (
    AmbiguousWriteError,
    DisconnectedError,
    EndpointNotAllowedError,
    InvalidResponseError,
    MirrorDBError,
    ResponseError,
    TransportError,
    response_error_class,
)
from airflow_mirrordb.client.request import MirrorDBRequest, WireRequest, attach_request, base_of
from airflow_mirrordb.client.rules.endpoints import EndpointRegistry
from airflow_mirrordb.client.rules.entity_tags import entity_tag
from airflow_mirrordb.client.rules.retry import Progress, rate_limit_reset, retry_after
from airflow_mirrordb.client.rules.urls import shown

_SUCCESS = range(200, 300)
_AFTER_AN_ACTION = (HTTPStatus.FOUND, HTTPStatus.SEE_OTHER)  # redirects to what came of it
_KEYED = ("POST", "PATCH")  # the methods that an idempotency key goes with
#: Statuses by which a backend says that it did not even try; 503 counts only with a Retry-After.
_NOT_TRIED = (HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_APPLIED = "; the write itself was applied"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REQUEST_ID_HEADERS = ("X-Request-ID", "Request-ID", "X-Correlation-ID", "X-Amzn-RequestId", "CF-Ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorDBResponse:
    """A success.

    :param status: HTTP status; any 2xx, 304 to a GET, 404 or 410 to a DELETE of what is gone
    :param headers: the answer's headers
    :param data: what the decoded JSON body holds in the connection's envelope, or the whole body where
        there is no envelope; None if there is no body; a :class:`~airflow_mirrordb.client.Manifest` of
        what went to a sink
    :param body: the whole decoded JSON body; of a write whose answer is something else, its text, or None if
        it is no text
    :param is_json: whether it was JSON, or nothing at all
    :param size: length of the body in bytes, after decompression; 0 if it went to a sink
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


@dataclass(frozen=True, slots=True, kw_only=True)
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
    :param hide: takes secrets out of the request id, which appears in logs; not out of errors, which are
        rid of theirs where they leave the client
    :raises ResponseError: if it is no success, of the class that the status calls for
    :raises InvalidResponseError: if it is a success, but the body cannot be used; that of a write only if it
        is too large or packed in an unknown way
    :raises TransportError: if it is a success, but the body did not come whole
    """
    is_json = True
    if not _is_success(answer.status, request):
        if not _is_gone(answer.status, request, maybe_applied=maybe_applied):
            raise attach_request(response_error(answer, config, now=now), request)
        body = None
    elif answer.broken is not None:
        raise attach_request(answer.broken, request)
    else:
        body, is_json = _decode(answer, request, config)
    request_id = _request_id(answer.headers)
    return MirrorDBResponse(
        status=answer.status,
        headers=answer.headers,
        data=unwrapped(body, config.response_envelope),
        body=body,
        size=len(answer.body),
        etag=entity_tag(answer.headers.get("ETag")),
        request_id=hide(request_id) if request_id else None,
        attempts=number,
        elapsed=elapsed,
        is_json=is_json,
    )


def unwrapped(body: Any, envelope: str | None) -> Any:
    """Return what a body holds at the dotted path of an envelope, be it null.

    A body that has no such path is returned as a whole, never refused and never cut: backends wrap
    not every answer, and the answer to a write must not be lost once it was applied.
    """
    return value_at_path(body, envelope, default=body) if envelope else body


def value_at_path(body: Any, path: str, default: Any = None) -> Any:
    """Return what lies at a dotted path of a body, as ``meta.next``, be it null."""
    for key in path.split("."):
        if not isinstance(body, dict) or key not in body:
            return default
        body = body[key]
    return body


def response_error(answer: Answer, config: MirrorDBConfig, *, now: float) -> ResponseError:
    """Return the error that an answer stands for, with what it says of it."""
    code, detail = problem_from(answer.body, complete=not answer.refused and answer.broken is None)
    error = status_error(answer, config, now=now, code=code, detail=detail)
    if answer.status in REDIRECTS:
        location = shortened(shown(answer.headers.get("Location", "nowhere")), 500)
        error.message += (
            f"; the redirect to {location!r} was not followed"
            " (set the extra 'trailing_slash' if only a slash is missing, else change the base URL)"
        )
    error.request_id = _request_id(answer.headers)
    if error.request_id:
        error.message += f" (request id {error.request_id})"
    return error


def status_error(
    answer: Answer, config: MirrorDBConfig, *, now: float, code: str | None, detail: str
) -> ResponseError:
    """Return the error that the status of an answer stands for.

    :param code: the server's own code for it
    :param detail: the server's own words
    """
    try:
        phrase = f" {HTTPStatus(answer.status).phrase}"
    except ValueError:
        phrase = ""
    return response_error_class(answer.status)(
        message=f"{answer.status}{phrase}{': ' if detail else ''}{detail}",
        status=answer.status,
        code=code,
        detail=detail,
        retry_after=wait_asked(answer, now),
        retryable=answer.status in config.retry_statuses,
    )


def wait_asked(answer: Answer, now: float) -> float | None:
    """Return the seconds that an answer asks us to wait, or None if it does not say.

    A 429 without Retry-After may say when the limit is lifted; with other statuses the same headers
    only tell how much of the limit is left.

    :param now: unix time in seconds
    """
    asked = retry_after(answer.headers, now)
    if asked is None and answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return rate_limit_reset(answer.headers, now)
    return asked


def redirected(
    answer: Answer,
    request: MirrorDBRequest,
    sent: WireRequest,
    config: MirrorDBConfig,
    registry: EndpointRegistry,
) -> WireRequest | None:
    """Return the request that a redirect asks for, if it may be followed.

    Followed is only a GET, to the same origin, under the same path prefix, to an endpoint that is
    registered; everything else could carry the key elsewhere or turn a write into a read.
    """
    location = answer.headers.get("Location")
    if request.method != "GET" or answer.status not in REDIRECTS or not location:
        return None
    try:
        target = sent.url.join(URL(location))
        prefix = f"{config.base_url}/"  # begins with the origin
        address = str(target.with_query(None).with_fragment(None))
        if not address.startswith(prefix):
            return None
        path = address[len(prefix) :]
        checked = registry.path_for("GET", path.removesuffix("/"))
    except (ValueError, EndpointNotAllowedError):
        return None
    slash = "/" if path.endswith("/") else ""
    query = f"?{target.raw_query_string}" if target.raw_query_string else ""
    return replace(sent, target=f"{base_of(config.base_url)[1]}/{checked}{slash}{query}")


def may_be_applied(answer: Answer) -> bool:
    """Return whether the backend may have applied a write that it answered so.

    It says that it has not by most 3xx and 4xx, 501, 505, and by a 503 that names a time to come back.
    302 and 303 may follow an action, to show what came of it (RFC 9110, sections 15.4.3 and 15.4.4:
    most frameworks send 302 for 303); 408 comes from gateways that did not get an answer either. A 1xx is
    no final answer (section 15.2).
    """
    status = answer.status
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return retry_after(answer.headers, 0.0) is None
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return status not in (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    decided = status >= HTTPStatus.MULTIPLE_CHOICES and status not in _AFTER_AN_ACTION
    return not decided or status == HTTPStatus.REQUEST_TIMEOUT


def depends_on_the_past(request: MirrorDBRequest) -> bool:
    """Return whether an answer may mean a success after an attempt that may have been applied, and else not.

    So does a 404 to a DELETE, and a 409 to a write with a key. (Of a PUT the past tells only which error a
    409 or 412 is.)
    """
    if request.method == "DELETE":
        return not request.missing_ok
    return request.method in _KEYED


def classify_failure(
    error: MirrorDBError, request: MirrorDBRequest, sent: WireRequest, *, maybe_applied: bool
) -> MirrorDBError:
    """Return the error to act on: what repeating would risk decides whether it stays retryable.

    A request that is not repeatable is sent again only when the backend cannot have applied it:
    the connection was never made, 425, 429, or 503 with Retry-After. Any other failure that may hide
    a success is an :class:`AmbiguousWriteError`. So is a conflict that an earlier attempt may have caused.
    Where an answer began that is a success, only the result is lost: an :class:`InvalidResponseError`.

    :param error: of an attempt; its ``maybe_applied`` says whether the backend may have applied that one
    :param maybe_applied: whether an attempt before it may have been applied
    """
    if sent.method == "GET":
        return error
    status = error.status if isinstance(error, ResponseError) else None
    hides_success = error.maybe_applied and not isinstance(error, InvalidResponseError)
    conflicts = maybe_applied and status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
    if conflicts and status == HTTPStatus.CONFLICT and sent.repeatable and sent.method in _KEYED:
        error.retryable = True  # the backend is still busy with an attempt of our own
    elif conflicts or status in _AFTER_AN_ACTION:
        return ambiguous(error, request)
    elif hides_success and not sent.repeatable:
        return _without_answer(error, request)
    elif isinstance(error, ResponseError) and not sent.repeatable:
        error.retryable &= status in _NOT_TRIED
    return error


def not_repeated(request: MirrorDBRequest, progress: Progress) -> AmbiguousWriteError:
    """Return the error for a write that may have been applied, and must not be sent again."""
    reason = "an earlier run was ended before it had the answer"
    return ambiguous(MirrorDBError(message=reason, attempts=progress.attempts), request)


def interrupted(interruption: BaseException, request: MirrorDBRequest, attempts: int) -> AmbiguousWriteError:
    """Return the error for a write that may have been applied, but whose caller did not get the answer."""
    reason = f"it was interrupted by {type(interruption).__name__}: {interruption}"
    return ambiguous(DisconnectedError(message=reason, attempts=attempts, sent=True), request)


def ambiguous(error: MirrorDBError, request: MirrorDBRequest) -> AmbiguousWriteError:
    """Return the error for a write whose outcome is hidden by another error."""
    advice = ""
    if request.method in ("POST", "PATCH") and not request.idempotency_key:
        advice = "; a connection with an idempotency_header could repeat it safely"
    unknown = f"the write may or may not have been applied ({error.message})"
    return AmbiguousWriteError(
        message=f"{unknown}; look before you repeat it{advice}",
        method=request.method,
        endpoint=request.endpoint,
        method_name=request.method_name,
        attempts=error.attempts,
        idempotency_key=request.idempotency_key,
        cause=error.to_dict(),
    )


def _without_answer(error: MirrorDBError, request: MirrorDBRequest) -> MirrorDBError:
    if not isinstance(error, TransportError) or error.status is None or error.status not in _SUCCESS:
        return ambiguous(error, request)
    lost = InvalidResponseError(
        message=f"{error.status}, but {error.message}{_APPLIED}",
        status=error.status,
        attempts=error.attempts,
        maybe_applied=True,
    )
    return attach_request(lost, request)


def _is_success(status: int, request: MirrorDBRequest) -> bool:
    """304 answers reads alone (RFC 9110, section 15.4.5): by it a backend says that it changed nothing."""
    return status in _SUCCESS or (status == HTTPStatus.NOT_MODIFIED and request.method == "GET")


def _is_gone(status: int, request: MirrorDBRequest, *, maybe_applied: bool) -> bool:
    """A DELETE that meets 404, or 410, after an attempt that may have been applied has done its work."""
    is_missing = status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
    return request.method == "DELETE" and is_missing and (request.missing_ok or maybe_applied)


def _decode(answer: Answer, request: MirrorDBRequest, config: MirrorDBConfig) -> tuple[Any, bool]:
    """Decode the body as JSON, whatever the content type says; nothing and white space are None.

    A write was applied whatever its answer holds: the text of one that is not JSON is its result.
    """
    content_type = answer.headers.get("Content-Type", "none")
    if answer.refused:
        reason = answer.refused
    elif size := decoded_size(answer.body, MAX_EXPANSION * config.max_response_bytes):
        reason = (
            f"decoded the body of {len(answer.body):,} bytes would take {size:,}, which is over"
            f" {MAX_EXPANSION} times max_response_bytes: read less at once, or write it to an output_path"
        )
    elif not answer.body.strip():
        return None, True
    else:
        try:
            return decode(answer.body), True
        except (ValueError, RecursionError):
            if request.method != "GET":
                return text_from(answer.body, content_type), False
            reason = (
                f"the body of {len(answer.body):,} bytes is not JSON (content type"
                f" {shortened(content_type, 200)!r}); output_path, or a sink, takes a body of any kind"
            )
    applied = "" if request.method == "GET" else _APPLIED
    error = InvalidResponseError(
        message=f"{answer.status}, but {reason}{applied}",
        status=answer.status,
        request_id=_request_id(answer.headers),
        maybe_applied=request.method != "GET",
    )
    raise attach_request(error, request)


def decode(body: bytes) -> Any:
    """Return the JSON value that a body holds, as RFC 8259 says, in UTF-8, UTF-16 or UTF-32.

    :raises ValueError: if it holds none, or a number beyond the range of numbers
    :raises RecursionError: if it is nested too deeply
    """
    try:
        return msgspec.json.decode(body)  # several times as fast as json, and as strict
    except ValueError:  # or it is in UTF-16, begins with a byte order mark, or holds half of a surrogate pair
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


def _request_id(headers: Mapping[str, str]) -> str | None:
    for name in _REQUEST_ID_HEADERS:
        if found := headers.get(name):
            return shortened(encodable(found), 200)
    return None
