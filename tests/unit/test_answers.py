"""From an answer to a result or an error, and what may be done after an error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    ConflictError,
    DisconnectedError,
    EndpointRegistry,
    InvalidResponseError,
    MirrorDBConfig,
    MirrorDBError,
    MirrorDBRequest,
    MirrorDBResponse,
    NotFoundError,
    ResponseError,
    TransportError,
)
from airflow_mirrordb.client.answers import Answer, interpret, weigh
from airflow_mirrordb.client.endpoints import Method
from airflow_mirrordb.client.errors import response_error_class
from airflow_mirrordb.client.protocol import prepare

BASE = "https://example.com/v1"
NOW = 1_700_000_000.0
KEY = "k3y-that-nobody-may-see"
ENDPOINTS = {"POST": "api/users"}


def answer(status: int = 200, body: bytes = b"", *, complete: bool = True, **headers: Any) -> Answer:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Answer(status=status, headers=named, body=body, complete=complete)


def asked(method: Method = "GET", **facts: Any) -> MirrorDBRequest:
    return MirrorDBRequest(
        method=method, endpoint=ENDPOINTS.get(method, "api/users/7"), method_name="label", **facts
    )


def result(given: Answer, request: MirrorDBRequest | None = None, *, number: int = 1) -> MirrorDBResponse:
    config = MirrorDBConfig.model_validate({"base_url": BASE, "api_key": KEY})
    return interpret(given, request or asked(), config, number=number, elapsed=0.5, now=NOW)


def error_of(given: Answer, request: MirrorDBRequest | None = None, *, number: int = 1) -> MirrorDBError:
    with pytest.raises(MirrorDBError) as caught:
        result(given, request, number=number)
    return caught.value


# -- successes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"", None),
        (b" \r\n", None),
        (b"null", None),
        (b"{}", {}),
        (b"[1, 2]", [1, 2]),
        (b"0", 0),
        (b'"x"', "x"),
        (b'{"id": 0}', {"id": 0}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),  # some backends send a byte order mark
        ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 206, 226])
def test_any_2xx_is_a_success(status: int, body: bytes, data: object) -> None:
    """The body is JSON or nothing, whatever the content type says."""
    assert result(answer(status, body, Content_Type="text/plain")).data == data


def test_304_is_a_success_without_data() -> None:
    """The resource is as the caller knows it."""
    got = result(answer(304, ETag='"v1"'), asked(if_none_match='"v1"'))
    assert (got.status, got.data, got.etag) == (304, None, '"v1"')


def test_a_response_has_all_there_is_to_know() -> None:
    """Status, headers, data, size, etag, request id, attempts and time."""
    got = result(answer(201, b'{"a": 1}', ETag='"v1"', X_Request_ID="r1", Location="/x"), number=3)
    assert (got.status, got.data, got.size, got.etag, got.request_id) == (201, {"a": 1}, 8, '"v1"', "r1")
    assert (got.attempts, got.elapsed, got.headers["location"]) == (3, 0.5, "/x")
    assert "'a'" not in repr(got)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(200, b"<html>", Content_Type="text/html"), "is not JSON (content type 'text/html')"),
        (answer(200, b"\xff\xff\xff"), "is not JSON (content type 'none')"),
        (answer(200, b'{"a": NaN}'), "is not JSON"),
        (answer(200, b'{"a": -1e999}'), "is not JSON"),
        (answer(200, b'{"a": -Infinity}'), "is not JSON"),
        (answer(200, b"[" * 200_000), "is not JSON"),
        (answer(200, b'{"a": '), "is not JSON"),
        (answer(200, b"[1]", complete=False), "longer than max_response_bytes"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_success_whose_body_cannot_be_used(given: Answer, words: str, method: Method) -> None:
    """It is no JSON, or too long; for a write the error says that it was applied."""
    error = error_of(given, asked(method))
    assert isinstance(error, InvalidResponseError)
    assert words in error.message
    assert ("was applied" in error.message) is (method == "POST")
    assert (error.status, error.retryable, error.method, error.method_name) == (200, False, method, "label")


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 302, 404])
def test_no_header_makes_an_error_long(status: int) -> None:
    """The backend says what it likes in them; an error quotes some, and goes into logs and events."""
    long = "x" * 8000
    given = answer(status, b"<html>", Content_Type=long, Location=long, X_Request_ID=long)
    assert len(str(error_of(given))) < 1500


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (300, False),
        (400, False),
        (401, False),
        (403, False),
        (404, False),
        (408, True),
        (409, False),
        (425, True),
        (429, True),
        (500, True),
        (501, False),
        (502, True),
        (503, True),
        (504, True),
        (520, False),
        (599, False),
    ],
)
def test_an_error_has_the_class_and_the_facts_of_its_answer(status: int, retryable: bool) -> None:
    """Class by status; code, detail, request id and wait from the answer; retryable as configured."""
    given = answer(status, b'{"detail": "no", "code": "E7"}', X_Request_ID="r1", Retry_After="7")
    error = error_of(given)
    assert type(error) is response_error_class(status)
    assert isinstance(error, ResponseError)
    assert (error.status, error.code, error.detail, error.request_id) == (status, "E7", "no", "r1")
    assert (error.retry_after, error.retryable, error.endpoint) == (7.0, retryable, "api/users/7")
    assert str(error).startswith(f"GET api/users/7 [label]: {status}")
    assert "no (request id r1)" in error.message


@pytest.mark.parametrize("header", ["X-Request-ID", "Request-ID", "X-Correlation-ID", "CF-Ray"])
def test_the_request_id_is_found_under_its_usual_names(header: str) -> None:
    """With it the people of the backend find the request in their log."""
    error = error_of(Answer(status=500, headers={header: "r" * 300}, body=b""))
    assert isinstance(error, ResponseError)
    assert error.request_id == "r" * 200


@pytest.mark.parametrize(
    "given",
    [
        answer(401, f'{{"detail": "bad key {KEY}"}}'.encode()),
        answer(401, KEY.encode()),
        answer(500, X_Request_ID=f"r-{KEY}"),
        answer(500, X_Request_ID="r" * 190 + KEY),
        answer(302, Location=f"https://login.example/?key={KEY}"),
        answer(200, b"<", Content_Type=KEY),
        answer(200, b"<", X_Request_ID=KEY),
    ],
)
def test_no_answer_brings_a_secret_into_an_error(given: Answer) -> None:
    """What a backend repeats of a key, wherever it does, is redacted."""
    error = error_of(given)
    assert KEY[:8] not in json.dumps(error.to_dict()) + str(error)


@pytest.mark.parametrize(
    ("method", "missing_ok", "number", "success"),
    [
        ("DELETE", False, 1, False),
        ("DELETE", True, 1, True),
        ("DELETE", False, 2, True),
        ("GET", False, 2, False),
        ("PUT", False, 2, False),
        ("GET", True, 1, False),
    ],
)
def test_404_on_delete(method: Method, missing_ok: bool, number: int, success: bool) -> None:
    """It is a success after an attempt of our own, or where a missing resource is fine."""
    request = asked(method, missing_ok=missing_ok)
    given = answer(404, b'{"detail": "no such user"}')
    if success:
        got = result(given, request, number=number)
        assert (got.status, got.data, got.attempts) == (404, None, number)
    else:
        assert isinstance(error_of(given, request, number=number), NotFoundError)


# -- the safety of writes ------------------------------------------------------------------------

# What happened, and for a write that must not be repeated: again (sent again), final (raised as it
# is), ambiguous (AmbiguousWriteError).
FAILURES: list[tuple[str, int | TransportError, dict[str, Any], str]] = [
    ("never connected", TransportError(message="m", sent=False), {}, "again"),
    ("lost after sending", TransportError(message="m", sent=True), {}, "ambiguous"),
    ("400", 400, {}, "final"),
    ("401", 401, {}, "final"),
    ("404", 404, {}, "final"),
    ("408", 408, {}, "ambiguous"),
    ("409", 409, {}, "final"),
    ("412", 412, {}, "final"),
    ("422", 422, {}, "final"),
    ("425", 425, {}, "again"),
    ("429", 429, {}, "again"),
    ("429 with Retry-After", 429, {"Retry_After": "1"}, "again"),
    ("500", 500, {}, "ambiguous"),
    ("500 with Retry-After", 500, {"Retry_After": "1"}, "ambiguous"),
    ("501", 501, {}, "final"),
    ("502", 502, {}, "ambiguous"),
    ("503", 503, {}, "ambiguous"),
    ("503 with Retry-After", 503, {"Retry_After": "0"}, "again"),
    ("504", 504, {}, "ambiguous"),
    ("505", 505, {}, "final"),
    ("520", 520, {}, "ambiguous"),
]
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


def weighed(
    failure: int | TransportError,
    headers: dict[str, Any],
    *,
    method: Method,
    header: str | None = None,
    number: int = 1,
    **facts: Any,
) -> MirrorDBError:
    """What the client makes of a failure of this request."""
    config = MirrorDBConfig.model_validate({"base_url": BASE, "idempotency_header": header})
    request = asked(method, idempotency_key="k-1" if header else None, **facts)
    sent = prepare(request, config, EndpointRegistry())
    error = (
        TransportError(message=failure.message, sent=failure.sent)
        if isinstance(failure, TransportError)
        else error_of(answer(failure, b"", **headers), request)
    )
    return weigh(error, request, sent, number=number)


@pytest.mark.parametrize(("name", "failure", "headers", "outcome"), FAILURES)
@pytest.mark.parametrize(
    ("method", "header", "facts"),
    [
        ("POST", None, {}),
        ("PATCH", None, {}),
        ("PUT", None, {"if_match": '"v1"'}),
        ("DELETE", None, {"if_match": '"v1"'}),
        ("PUT", "Idempotency-Key", {"if_none_match": "*"}),
    ],
)
def test_a_write_that_is_not_repeatable(
    name: str,
    failure: int | TransportError,
    headers: dict[str, Any],
    outcome: str,
    method: Method,
    header: str | None,
    facts: dict[str, Any],
) -> None:
    """DESIGN section 6: sent again only when the backend cannot have applied it, else ambiguous."""
    error = weighed(failure, headers, method=method, header=header, **facts)
    ambiguous = isinstance(error, AmbiguousWriteError)
    assert (error.retryable, ambiguous) == (outcome == "again", outcome == "ambiguous")


@pytest.mark.parametrize(("name", "failure", "headers", "_outcome"), FAILURES)
@pytest.mark.parametrize(
    ("method", "header"),
    [
        ("GET", None),
        ("PUT", None),
        ("DELETE", None),
        ("POST", "Idempotency-Key"),
        ("PATCH", "Idempotency-Key"),
    ],
)
def test_a_repeatable_request(
    name: str,
    failure: int | TransportError,
    headers: dict[str, Any],
    _outcome: str,
    method: Method,
    header: str | None,
) -> None:
    """It is sent again after every transient failure and never ambiguous."""
    error = weighed(failure, headers, method=method, header=header)
    assert not isinstance(error, AmbiguousWriteError)
    assert error.retryable is (isinstance(failure, TransportError) or failure in TRANSIENT)


def test_an_ambiguous_error_says_what_is_known() -> None:
    """Request, key and cause; it is never retryable."""
    error = weighed(500, {}, method="PUT", header="Idempotency-Key", if_match='"v1"')
    assert isinstance(error, AmbiguousWriteError)
    assert (error.method, error.endpoint, error.method_name) == ("PUT", "api/users/7", "label")
    assert (error.idempotency_key, error.retryable) == ("k-1", False)
    assert error.cause is not None
    assert (error.cause["type"], error.cause["status"]) == ("ServerError", 500)
    assert "may or may not have been applied" in error.message


@pytest.mark.parametrize(
    ("method", "facts", "advised"),
    [("POST", {}, True), ("PATCH", {}, True), ("PUT", {"if_match": "*"}, False)],
)
def test_the_header_is_only_advised_where_it_would_help(
    method: Method, facts: dict[str, Any], advised: bool
) -> None:
    """An idempotency key goes with POST and PATCH; it does nothing for a conditional PUT."""
    error = weighed(500, {}, method=method, **facts)
    assert ("could repeat it safely" in error.message) is advised


@pytest.mark.parametrize(
    ("method", "header", "number", "retryable"),
    [
        ("POST", "Idempotency-Key", 2, True),
        ("POST", "Idempotency-Key", 1, False),
        ("POST", None, 2, False),
        ("PUT", None, 2, False),
        ("GET", None, 2, False),
    ],
)
def test_a_409_that_answers_our_own_repeat_is_retried(
    method: Method, header: str | None, number: int, retryable: bool
) -> None:
    """The backend is still busy with the first one; on a first attempt it is a conflict."""
    error = weighed(409, {}, method=method, header=header, number=number)
    assert isinstance(error, ConflictError)
    assert error.retryable is retryable


@pytest.mark.parametrize(
    ("method", "number", "ambiguous"),
    [("PUT", 1, False), ("PUT", 2, True), ("DELETE", 2, True), ("GET", 2, False)],
)
def test_a_412_met_by_a_repeat_is_ambiguous(method: Method, number: int, ambiguous: bool) -> None:
    """An attempt of our own may have changed the entity tag; a read changes nothing."""
    error = weighed(412, {}, method=method, number=number, if_match='"v1"')
    assert isinstance(error, AmbiguousWriteError if ambiguous else ConflictError)


def test_a_redirect_that_is_not_followed_is_an_error_with_advice() -> None:
    """It names the target and what to change."""
    error = error_of(answer(301, Location=f"{BASE}/api/users/"), asked("POST"))
    assert type(error) is ResponseError
    assert (error.status, error.retryable) == (301, False)
    assert f"'{BASE}/api/users/' was not followed" in error.message
    assert "trailing_slash" in error.message
    assert "'nowhere'" in error_of(answer(302)).message


def test_the_cause_of_an_ambiguous_write_survives_json() -> None:
    """It is stored in the metadata database as plain JSON."""
    error = weighed(DisconnectedError(message="lost", sent=True), {}, method="POST")
    again = MirrorDBError.from_dict(json.loads(json.dumps(error.to_dict())))
    assert isinstance(again, AmbiguousWriteError)
    assert again.cause == {**DisconnectedError(message="lost", sent=True).to_dict(), "type": "TransportError"}
