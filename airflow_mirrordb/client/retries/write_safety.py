"""Whether a write may have been applied, and what may be done then. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from http import HTTPStatus

from airflow_mirrordb.client.errors import (
    AmbiguousWriteError,
    DisconnectedError,
    InvalidResponseError,
    MirrorDBError,
    RefusedError,
    ResponseError,
    TransportError,
)
from airflow_mirrordb.client.messages.headers import CONDITIONS_BY_TAG, header_key
from airflow_mirrordb.client.messages.request import KEYED, MirrorDBRequest, WireRequest, attach_request
from airflow_mirrordb.client.messages.response import APPLIED, SUCCESS, Answer
from airflow_mirrordb.client.retries.retry import NOT_APPLIED_STATUSES, Progress
from airflow_mirrordb.client.retries.wait_headers import retry_after

UNKNOWN = "the write may or may not have been applied"
_AFTER_AN_ACTION = (HTTPStatus.FOUND, HTTPStatus.SEE_OTHER)  # redirects to what came of it


#: In the endpoints of many POSTs that change nothing. A guess, for advice alone.
_LOOKS_LIKE_A_READ = re.compile(r"search|query|graphql|lookup", re.IGNORECASE)


def may_be_applied(answer: Answer, not_applied: Collection[int] = NOT_APPLIED_STATUSES) -> bool:
    """Return whether the backend may have applied a write that it answered so.

    It says that it has not by most 3xx and 4xx, 501, 505, and by a 503 that names a time to come back.
    302 and 303 may follow an action, to show what came of it (RFC 9110, sections 15.4.3 and 15.4.4:
    most frameworks send 302 for 303); 408 comes from gateways that did not get an answer either. A 1xx is
    no final answer (section 15.2).

    :param not_applied: statuses by which this backend, or a proxy, is known to refuse before it begins
    """
    status = answer.status
    if status in not_applied:
        return False
    if status in SUCCESS:  # as nearly always; to look members of an enum up takes longer
        return True
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return retry_after(answer.headers, 0.0) is None
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return status not in (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    decided = status >= HTTPStatus.MULTIPLE_CHOICES and status not in _AFTER_AN_ACTION
    return not decided or status == HTTPStatus.REQUEST_TIMEOUT


def depends_on_the_past(request: MirrorDBRequest) -> bool:
    """Return whether an answer means success or failure depending on what an earlier attempt may have done.

    So does a 404 or 410 to a DELETE, and a 409 to a write with a key. (Of a PUT the past tells only which
    error a 409 or 412 is.)
    """
    if request.method == "DELETE":
        return not request.missing_ok
    return request.method in KEYED


def classify_failure(
    error: MirrorDBError, request: MirrorDBRequest, sent: WireRequest, *, maybe_applied: bool
) -> MirrorDBError:
    """Return the error to act on: what repeating would risk decides whether it stays retryable.

    A request that is not repeatable is sent again only when the backend cannot have applied it: the
    connection was never made, or it refused for now, as by 423, 425, 429, or a 4xx or 503 with Retry-After.
    Any other failure that may hide a success is an :class:`AmbiguousWriteError`. So is a conflict that an
    earlier attempt may have caused, or a 2xx to a create or PATCH whose body tells of one. Where an answer
    began that is a success, only the result is lost: an :class:`InvalidResponseError`. A page (HTML) in the
    place of an answer tells nothing: a login does not pass by itself, so that the client sends nothing again,
    and who may repeat the write learns that from the error.

    :param error: of an attempt; its ``maybe_applied`` says whether the backend may have applied that one
    :param maybe_applied: whether an attempt before it may have been applied
    """
    if sent.reads:
        return error
    status = error.status if isinstance(error, ResponseError) else None
    is_page = is_page_for_write(error)
    told = isinstance(error, InvalidResponseError | RefusedError) and not is_page  # what became of it
    hides_success = error.maybe_applied and not told
    conflicts = maybe_applied and status in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
    duplicates = maybe_applied and isinstance(error, RefusedError) and sent.method in KEYED
    if conflicts and status == HTTPStatus.CONFLICT and sent.repeatable and sent.method in KEYED:
        error.retryable = True  # the backend is still busy with an attempt of our own
    elif conflicts or duplicates or status in _AFTER_AN_ACTION:
        return ambiguous(error, request)
    elif hides_success and not sent.repeatable:
        return _without_answer(error, request)
    if is_page:
        error.message = f"{UNKNOWN} ({error.message})"
    return error


def is_page_for_write(error: MirrorDBError) -> bool:
    """Whether a page (HTML) came in the place of the answer to a write, and nobody knows what became of that.

    All other answers to a write that cannot be used say that it was applied, and are final.
    """
    return isinstance(error, InvalidResponseError) and error.is_page and error.maybe_applied


def may_be_begun_anew(request: MirrorDBRequest, *, sends_keys: bool) -> bool:
    """Whether who makes the same request anew, with the same arguments, changes nothing more by that.

    :param request: as its author means it: a key that the client makes is another one each time
    :param sends_keys: whether the connection has an ``idempotency_header``
    """
    if request.method in KEYED:
        return sends_keys and request.idempotency_key is not None
    named = request.headers if isinstance(request.headers, Mapping) else ()
    has_condition = (request.if_match, request.if_none_match) != (None, None) or any(
        header_key(str(name)) in CONDITIONS_BY_TAG for name in named
    )
    return request.reads or not has_condition


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
    if request.method in KEYED and not request.idempotency_key:
        advice = "; a connection with an idempotency_header could repeat it safely"
        if request.method == "POST" and _LOOKS_LIKE_A_READ.search(request.endpoint):
            pattern = f"QUERY {request.endpoint}"
            advice += f", and if it only reads, so could a read with data, on the pattern {pattern!r}"
    unknown = f"{UNKNOWN} ({error.message})"
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
    if not isinstance(error, TransportError) or error.status is None or error.status not in SUCCESS:
        return ambiguous(error, request)
    lost = InvalidResponseError(
        message=f"{error.status}, but {error.message}{APPLIED}",
        status=error.status,
        attempts=error.attempts,
        maybe_applied=True,
    )
    return attach_request(lost, request)
