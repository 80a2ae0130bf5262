"""The errors that answers stand for. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from multidict import istr

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.errors.details import encodable, problem_from, problem_of_challenge
from airflow_mirrordb.client.bodies.errors.reason_phrases import REASON_PHRASES, named_status
from airflow_mirrordb.client.bodies.errors.reported import reported_error
from airflow_mirrordb.client.bodies.texts import in_utf8, text_from
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.endpoints.patterns import Method
from airflow_mirrordb.client.endpoints.urls import shown
from airflow_mirrordb.client.errors import (
    AuthenticationError,
    ConflictError,
    ForbiddenError,
    InvalidDataError,
    InvalidResponseError,
    NotFoundError,
    NotReadyError,
    RateLimitError,
    RefusedError,
    ResponseError,
    ServerError,
)
from airflow_mirrordb.client.messages.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.retries.passing import may_pass
from airflow_mirrordb.client.retries.wait_headers import wait_asked
from airflow_mirrordb.paths import PathError

if TYPE_CHECKING:
    from airflow_mirrordb.client.messages.response import Answer

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BY_STATUS: dict[int, type[ResponseError]] = {
    400: InvalidDataError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    412: ConflictError,
    422: InvalidDataError,
    428: ConflictError,
    429: RateLimitError,
}
_REQUEST_ID_HEADERS = tuple(
    map(istr, ("X-Request-ID", "Request-ID", "X-Correlation-ID", "X-Amzn-RequestId", "CF-Ray"))
)
#: What mends a redirect to the same path with, or without, a slash at its end, where each or none has one.
_SLASHES = {
    False: "set the extra 'trailing_slash' if only a slash is missing",
    True: "set the extra 'trailing_slash' to false if only its slash is too many",
}


def response_error_class(status: int) -> type[ResponseError]:
    """Return the class for an HTTP status."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ResponseError


def response_error(
    answer: Answer, config: MirrorDBConfig, *, now: float, request: MirrorDBRequest | None = None
) -> ResponseError:
    """Return the error that an answer stands for, with what it says of it.

    :param request: what it answers; None if that was a GET of the base URL
    """
    method: Method = request.method if request else "GET"
    body = in_utf8(answer.body, answer.headers.get("Content-Type", ""), errors="replace")
    complete = not answer.refused and answer.broken is None
    code, detail = problem_from(body, status=answer.status, complete=complete)
    if not detail:
        code, detail = problem_of_challenge(answer.headers.get("WWW-Authenticate", ""))
    error = status_error(answer, config, now=now, code=code, detail=detail)
    if answer.status in REDIRECTS:
        location = answer.headers.get("Location", "nowhere")
        place, remedy = shortened(shown(location), 500), _mend_of_redirect(location, config, request)
        error.message += f"; the redirect to {place!r} was not followed ({remedy})"
    if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
        error.message += f"; {_allowed(answer.headers, method)}"
    if answer.status == HTTPStatus.NOT_IMPLEMENTED and method == config.query_method == "QUERY":
        # RFC 9110, section 15.6.2: the answer of one that knows the method for no resource
        error.message += "; a backend that does not know QUERY needs the extra 'query_method': \"POST\""
    if answer.status in config.auth_statuses:
        sent = _how_sent(config)
        error.message += f"; {sent}{_asked_for(answer.headers, sent)}"
    error.request_id = request_id_of(answer.headers)
    if error.request_id:
        error.message += f" (request id {error.request_id})"
    return error


_SENT = {
    "none": "no key was sent: the connection has no Password",
    "bearer": "the key was sent as 'Authorization: Bearer …' (auth_type 'bearer')",
    "basic": "login and password were sent as 'Authorization: Basic …' (auth_type 'basic')",
    "oauth2": "the token of oauth_url was sent as 'Authorization: Bearer …'",
}


def _how_sent(config: MirrorDBConfig) -> str:
    """Return how a key was sent that a backend did not take."""
    if config.auth == "none" and config.api_key is not None:
        return "no key was sent: auth_type is 'none'"
    place = {"query": "query parameter", "cookie": "cookie"}.get(config.key_place, "header")
    if config.auth == "api_key":
        return f"the key was sent in the {place} {config.sent_name} (auth_type 'api_key', key_name)"
    if config.auth == "login":
        prefix = f"{config.sent_prefix} " if config.sent_prefix else ""
        how = (
            f"as 'Authorization: {prefix}…'"
            if config.key_header == "Authorization"
            else f"in the {place} {config.sent_name}"
        )
        return f"the token of login_url was sent {how}"
    return _SENT[config.auth]


def _asked_for(headers: Mapping[str, str], sent: str) -> str:
    """Return what a backend asks for instead (RFC 9110, section 11.6.1).

    :param sent: how the key was sent, in words; nothing is told if that is what is asked for
    """
    challenge = shortened(encodable(headers.get("WWW-Authenticate", "")), 200)
    scheme = challenge.partition(" ")[0].lower()
    is_told = bool(scheme) and f"authorization: {scheme} " not in sent.lower()
    return f"; it asks for {challenge!r} by WWW-Authenticate" if is_told else ""


def _mend_of_redirect(location: str, config: MirrorDBConfig, request: MirrorDBRequest | None) -> str:
    """Return which setting heeds a redirect."""
    path, is_elsewhere = re.split("[?#]", location)[0], False
    with suppress(ValueError):
        address = urlsplit(location).netloc
        is_elsewhere = bool(address) and address != urlsplit(config.base_url).netloc
    if is_elsewhere and (request is None or request.method == "GET"):
        return "if a file lies there, set the extra 'redirect_hosts', else change the base URL in Host"
    is_same = request is None or _is_same(path, request.endpoint)
    if is_same and not is_elsewhere and path.endswith("/") is not config.trailing_slash:
        return _SLASHES[config.trailing_slash]
    return "change the base URL in Host, or the endpoint"


def _is_same(path: str, endpoint: str) -> bool:
    """Whether a redirect leads to what was asked for, but for slashes, as far as its path tells."""
    there, asked = (f"/{unquote(place).strip('/')}" for place in (path, endpoint))
    return there.endswith(asked) or asked.endswith(there)


def _allowed(headers: Mapping[str, str], method: Method) -> str:
    """Return what a 405 says by ``Allow`` (RFC 9110, section 15.5.6), and which setting heeds it."""
    allowed = shortened(encodable(headers.get("Allow", "")), 200)
    told = f"allowed here is {allowed}" if allowed else "it does not say by Allow which methods are"
    names = {name.strip().upper() for name in allowed.split(",")}
    if method == "PUT" and (not allowed or "PATCH" in names):
        return f"{told}; a backend that updates by PATCH alone needs the extra 'update_method': \"PATCH\""
    if method == "PATCH" and "PUT" in names and "PATCH" not in names:
        return f"{told}; update without 'partial', and with the extra 'update_method': \"PUT\""
    if method == "QUERY" and (other := min(names & {"POST", "QUERY"}, default=None)):
        return f"{told}; a read with data is sent so with the extra 'query_method': \"{other}\""
    return told


def status_error(
    answer: Answer, config: MirrorDBConfig, *, now: float, code: str | None, detail: str
) -> ResponseError:
    """Return the error that the status of an answer stands for.

    :param code: the server's own code for it
    :param detail: the server's own words
    """
    phrases = REASON_PHRASES.get(answer.status, ())
    named = named_status(answer.status)
    words = detail.rstrip(".").lower().removeprefix(f"{answer.status} ")
    says_no_more = words in ("", str(answer.status), *map(str.lower, phrases))
    wait = wait_asked(answer.headers, answer.status, now)
    told = wait.end_of_message if wait else ""
    return response_error_class(answer.status)(
        message=f"{named if says_no_more else f'{named}: {detail}'}{told}",
        status=answer.status,
        code=code,
        detail=detail,
        retry_after=wait.seconds if wait else None,
        retryable=may_pass(answer.status, config, asks_to_wait=wait is not None),
    )


def check_for_error(body: Any, answer: Answer, request: MirrorDBRequest, path: str, *, now: float) -> None:
    """Check that the body of a success tells of no error.

    :raises RefusedError: if it does. It may be another one later for a read, whose body has many reasons; a
        write is not repeated.
    :raises InvalidResponseError: if the path cannot be followed there, so that nobody knows
    """
    try:
        found = reported_error(body, path, status=answer.status)
    except PathError as fault:
        reason = f"{answer.status}, but whether its body tells of an error is not known: error_path: {fault}"
        unknown = InvalidResponseError(message=reason, status=answer.status, maybe_applied=not request.reads)
        raise attach_request(unknown, request) from None
    if found is None:
        return
    wait = wait_asked(answer.headers, answer.status, now)
    refused = RefusedError(
        message=f"{answer.status}, but its body tells of an error: {found.detail}",
        status=answer.status,
        code=found.code,
        detail=found.detail,
        request_id=request_id_of(answer.headers),
        retry_after=wait.seconds if wait else None,
        retryable=request.reads,
        parts=list(found.parts),
    )
    raise attach_request(refused, request)


def not_ready(answer: Answer, *, now: float) -> NotReadyError:
    """Return the error of a read whose result is still being made, with what its body says of it."""
    code, detail = problem_from(answer.body, complete=not answer.refused and answer.broken is None)
    if not detail and (text := text_from(answer.body, answer.headers.get("Content-Type", ""))):
        detail = shortened(" ".join(text.split()), 200)
    wait = wait_asked(answer.headers, answer.status, now)
    told = wait.end_of_message if wait else ""
    return NotReadyError(
        message=f"{answer.status}, so it is not ready yet{': ' if detail else ''}{detail}{told}",
        status=answer.status,
        code=code,
        detail=detail,
        request_id=request_id_of(answer.headers),
        retry_after=wait.seconds if wait else None,
        retryable=True,
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the id under which the backend logged a request, if an answer says."""
    found = next(filter(None, map(headers.get, _REQUEST_ID_HEADERS)), None)
    return None if found is None else shortened(encodable(found), 200)
