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
    NotReadyError,
    ResponseError,
    TransportError,
)
from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.endpoints.patterns import Method
from airflow_mirrordb.client.messages.answer_errors import response_error_class
from airflow_mirrordb.client.messages.request import prepare
from airflow_mirrordb.client.messages.response import Answer, interpret
from airflow_mirrordb.client.retries.write_safety import classify_failure, may_be_applied

BASE = "https://example.com/v1"
NOW = 1_700_000_000.0
KEY = "k3y-that-nobody-may-see"
ENDPOINTS = {"POST": "api/users"}


def answer(status: int = 200, body: bytes = b"", *, refused: str = "", **headers: Any) -> Answer:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Answer(status=status, headers=named, body=body, refused=refused)


def asked(method: Method = "GET", **facts: Any) -> MirrorDBRequest:
    return MirrorDBRequest(
        method=method, endpoint=ENDPOINTS.get(method, "api/users/7"), method_name="label", **facts
    )


def result(given: Answer, request: MirrorDBRequest | None = None, **facts: Any) -> MirrorDBResponse:
    config = MirrorDBConfig.model_validate({"base_url": BASE, "api_key": KEY})
    return interpret(given, request or asked(), config, **{"number": 1, "elapsed": 0.5, "now": NOW, **facts})


def error_of(given: Answer, request: MirrorDBRequest | None = None, **facts: Any) -> MirrorDBError:
    with pytest.raises(MirrorDBError) as caught:
        result(given, request, **facts)
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
@pytest.mark.parametrize("status", [200, 201, 203, 204, 206, 226])
def test_any_2xx_is_a_success(status: int, body: bytes, data: object) -> None:
    """The body is JSON or nothing, whatever the content type says."""
    assert result(answer(status, body, Content_Type="text/plain")).data == data


def test_202_to_a_read_is_not_ready() -> None:
    """The request was accepted, and is not fulfilled yet (RFC 9110, section 15.3.3): it is no result.

    GitHub answers so while it makes statistics ("Metrics/Statistics": "202 ... submit the request again").
    """
    error = error_of(answer(202, b'{"status": "pending"}', Retry_After="7", X_Request_ID="r1"))
    assert isinstance(error, NotReadyError)
    assert (error.status, error.retryable, error.retry_after, error.request_id) == (202, True, 7.0, "r1")
    assert str(error) == 'GET api/users/7 [label]: 202, so it is not ready yet: {"status": "pending"}'


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_202_to_a_write_is_a_success(method: Method) -> None:
    """It was accepted, and its body says what became of it."""
    assert result(answer(202, b'{"job": 7}'), asked(method)).data == {"job": 7}


def test_the_statuses_that_are_not_ready_can_be_changed() -> None:
    """A backend may mean its 202, and another one say "later" by a status of its own."""
    config = MirrorDBConfig(base_url=BASE, pending_statuses={299})
    facts: dict[str, Any] = {"number": 1, "elapsed": 0.5, "now": NOW}
    assert interpret(answer(202, b"[]"), asked(), config, **facts).data == []
    with pytest.raises(NotReadyError):
        interpret(answer(299), asked(), config, **facts)


def test_304_is_a_success_without_data() -> None:
    """The resource is as the caller knows it."""
    got = result(answer(304, ETag='"v1"'), asked(if_none_match='"v1"'))
    assert (got.status, got.data, got.etag) == (304, None, '"v1"')


@pytest.mark.parametrize("name", ["If-None-Match", "if_modified_since"])
def test_304_answers_a_condition_of_the_headers(name: str) -> None:
    """Of the request, or of the connection."""
    assert result(answer(304), asked(headers={name: "x"})).status == 304


def test_304_to_a_read_without_a_condition_is_no_success() -> None:
    """It answers a conditional GET or HEAD (RFC 9110, section 15.4.5): who has nothing would get nothing."""
    error = error_of(answer(304), asked())
    assert isinstance(error, ResponseError)
    assert (error.status, error.retryable) == (304, False)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_304_to_a_write_is_no_success(method: Method) -> None:
    """It answers a conditional GET or HEAD (RFC 9110, section 15.4.5): here nothing was changed."""
    error = error_of(answer(304), asked(method))
    assert isinstance(error, ResponseError)
    assert (error.status, error.retryable, may_be_applied(answer(304))) == (304, False, False)


def test_a_response_has_all_there_is_to_know() -> None:
    """Status, headers, data, size, etag, request id, attempts and time."""
    got = result(answer(201, b'{"a": 1}', ETag='"v1"', X_Request_ID="r1", Location="/x"), number=3)
    assert (got.status, got.data, got.size, got.etag, got.request_id) == (201, {"a": 1}, 8, '"v1"', "r1")
    assert (got.attempts, got.elapsed, got.headers["location"]) == (3, 0.5, "/x")
    assert "'a'" not in repr(got)


@pytest.mark.parametrize(
    ("header", "etag"),
    [
        ('"xyzzy"', '"xyzzy"'),
        ('W/"xyzzy"', 'W/"xyzzy"'),
        ('""', '""'),
        ('"1,2"', '"1,2"'),
        ('"caf\u00e9"', '"caf\u00e9"'),
        (None, None),
        ("", None),
        ("xyzzy", None),
        ('w/"xyzzy"', None),
        ('W/ "xyzzy"', None),
        ("'xyzzy'", None),
        ('"xyzzy', None),
        ('"xy"zzy"', None),
        ('"x", "y"', None),
        ('"x y"', '"x y"'),
        ('"x\ty"', None),
        ('"x\x7fy"', None),
        ('"x\x85y"', None),
        ('"x"\n', None),
        ('"\udce91"', None),
        ("*", None),
    ],
)
def test_an_entity_tag_is_one_that_can_be_sent_back(header: str | None, etag: str | None) -> None:
    """The first three are the examples of RFC 9110, section 8.8.3; its grammar tells the others apart,
    but for the space, which RFC 2616 allowed.

    A byte that is no UTF-8 arrives as half of a surrogate pair, which no request can send.
    """
    given = answer(200, b"{}") if header is None else answer(200, b"{}", ETag=header)
    assert result(given).etag == etag


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
    ],
)
def test_a_read_of_something_else_is_an_error(given: Answer, words: str) -> None:
    """It says what there is, and what would take it."""
    error = error_of(given, asked("GET"))
    assert isinstance(error, InvalidResponseError)
    assert words in error.message
    assert f"of {len(given.body):,} bytes" in error.message
    assert ("the base URL" if b"<html>" in given.body else "output_path") in error.message
    # a proxy may send a page for people while the backend is away; anything else comes again
    assert error.retryable is (b"<html>" in given.body)
    assert (error.status, error.method, error.method_name) == (200, "GET", "label")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_success_whose_body_is_refused(method: Method) -> None:
    """It is too long, for instance; for a write the error says that it was applied."""
    error = error_of(answer(200, b"[1]", refused="the body is too long"), asked(method))
    assert isinstance(error, InvalidResponseError)
    assert "200, but the body is too long" in error.message
    assert ("was applied" in error.message) is (method == "POST")
    assert (error.status, error.retryable, error.method, error.method_name) == (200, False, method, "label")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("given", "data"),
    [
        (answer(200, b"ok"), "ok"),
        (answer(201, b"<done/>", Content_Type="application/xml"), "<done/>"),
        (answer(200, b'{"a": NaN}'), '{"a": NaN}'),
        (answer(200, b'{"id": 7'), '{"id": 7'),
        (answer(200, b"\xe9t\xe9", Content_Type="text/plain; charset=ISO-8859-1"), "été"),
        (answer(200, b"\xe9t\xe9"), "\ufffdt\ufffd"),
        (answer(200, b"%PDF-1.7\x00\x01", Content_Type="application/pdf"), None),
    ],
)
def test_a_write_is_a_success_whatever_its_answer_holds(
    given: Answer, data: str | None, method: Method
) -> None:
    """A 2xx says that it was done (RFC 9110, section 15.3); the body is the result, as far as it goes."""
    found = result(given, asked(method))
    assert (found.data, found.body, found.is_json, found.size) == (data, data, False, len(given.body))


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
        (505, False),
        (423, True),
        (507, True),
        (520, True),
        (529, True),
        (599, True),
    ],
)
def test_an_error_has_the_class_and_the_facts_of_its_answer(status: int, retryable: bool) -> None:
    """Class by status; code, detail and request id from the answer; retryable is what may pass.

    423 is a lock of somebody else (RFC 4918, section 11.3); 5xx that nobody registered are those of gateways
    ("Cloudflare 5xx errors"); 501 and 505 stay as they are (RFC 9110, sections 15.6.2 and 15.6.6).
    """
    given = answer(status, b'{"detail": "no", "code": "E7"}', X_Request_ID="r1")
    error = error_of(given)
    assert type(error) is response_error_class(status)
    assert isinstance(error, ResponseError)
    assert (error.status, error.code, error.detail, error.request_id) == (status, "E7", "no", "r1")
    assert (error.retry_after, error.retryable, error.endpoint) == (None, retryable, "api/users/7")
    assert str(error).startswith(f"GET api/users/7 [label]: {status}")
    assert ": no" in error.message
    assert error.message.endswith("(request id r1)")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 423, 429, 500, 501, 503])
def test_what_names_a_time_to_come_back_may_pass(status: int) -> None:
    """Whatever its status is: GitHub's secondary limits are a 403 with Retry-After."""
    error = error_of(answer(status, Retry_After="7"))
    assert isinstance(error, ResponseError)
    assert (error.retry_after, error.retryable) == (7.0, True)
    assert not error_of(answer(302, Retry_After="7")).retryable


def test_a_wait_of_years_is_told() -> None:
    """A day of it counts (the error is still the backend's own)."""
    error = error_of(answer(503, Retry_After="Fri, 01 Jan 2100 00:00:00 GMT"))
    assert isinstance(error, ResponseError)
    assert error.retry_after == 86_400.0
    assert error.message.endswith("; Retry-After asks for a wait of 27,806.1 days, of which one counts")


@pytest.mark.parametrize("header", ["X-Request-ID", "Request-ID", "X-Correlation-ID", "CF-Ray"])
def test_the_request_id_is_found_under_its_usual_names(header: str) -> None:
    """With it the people of the backend find the request in their log."""
    error = error_of(Answer(status=500, headers={header: "r" * 300}, body=b""))
    assert isinstance(error, ResponseError)
    assert error.request_id == "r" * 199 + "…"


@pytest.mark.parametrize(
    "given",
    [
        answer(401, f'{{"detail": "bad key {KEY}"}}'.encode()),
        answer(401, KEY.encode()),
        answer(500, X_Request_ID=f"r-{KEY}"),
        answer(500, X_Request_ID="r" * 190 + KEY),
        answer(302, Location=f"https://login.example/{KEY}?key={KEY}"),
        answer(200, b"<", Content_Type=KEY),
        answer(200, b"<", X_Request_ID=KEY),
    ],
)
def test_no_answer_brings_a_secret_into_an_error(given: Answer) -> None:
    """What a backend repeats of a key, wherever it does, is redacted when the error leaves the client."""
    error = error_of(given)
    Redaction([KEY]).error(error)
    assert KEY[:8] not in json.dumps(error.to_dict()) + str(error)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize(
    ("method", "missing_ok", "maybe_applied", "success"),
    [
        ("DELETE", False, False, False),
        ("DELETE", True, False, True),
        ("DELETE", False, True, True),
        ("GET", False, True, False),
        ("PUT", False, True, False),
        ("GET", True, False, True),
        ("PUT", True, False, False),
    ],
)
def test_what_is_not_there(
    method: Method, missing_ok: bool, maybe_applied: bool, success: bool, status: int, number: int
) -> None:
    """It is a success to a DELETE after an attempt that may have been applied, or where missing is fine.

    How many attempts there were says nothing: they may all have been refused. 410 says no less than 404
    (RFC 9110, section 15.5.11).
    """
    request = asked(method, missing_ok=missing_ok)
    given = answer(status, b'{"detail": "no such user"}')
    if success:
        got = result(given, request, number=number, maybe_applied=maybe_applied)
        assert (got.status, got.data, got.attempts) == (status, None, number)
    else:
        error = error_of(given, request, number=number, maybe_applied=maybe_applied)
        assert isinstance(error, response_error_class(status))


def test_gone_is_not_found() -> None:
    """410 says that the resource was there once (RFC 9110, section 15.5.11): who asks for it finds none."""
    error = error_of(answer(410, b'{"message": "the user was deleted"}'))
    assert (type(error), error.message) == (NotFoundError, "410 Gone: the user was deleted")


@pytest.mark.parametrize(
    ("method", "allow", "words"),
    [
        (
            "QUERY",
            "GET, POST",
            "allowed here is GET, POST; a read with data is sent so with the extra 'query_m",
        ),
        ("QUERY", "QUERY", "'query_method': \"QUERY\""),
        ("QUERY", "GET", "405 Method Not Allowed; allowed here is GET"),
        ("DELETE", "GET, HEAD", "405 Method Not Allowed; allowed here is GET, HEAD"),
        ("PUT", "GET, PATCH", "allowed here is GET, PATCH; a backend that updates by PATCH alone needs the"),
        (
            "PUT",
            None,
            "does not say by Allow which methods are; a backend that updates by PATCH alone needs the",
        ),
        ("PATCH", "GET,PUT", "allowed here is GET,PUT; update without 'partial', and with the extra"),
        ("POST", None, "405 Method Not Allowed; it does not say by Allow which methods are"),
    ],
)
def test_a_method_that_is_not_allowed(method: Method, allow: str | None, words: str) -> None:
    """A 405 has to name the methods by Allow (RFC 9110, section 15.5.6); PATCH for PUT is a setting."""
    error = error_of(answer(405) if allow is None else answer(405, Allow=allow), asked(method))
    assert words in error.message
    assert ("update_method" in error.message) is ("update" in words)


@pytest.mark.parametrize(
    ("challenge", "code", "detail"),
    [
        (
            'Bearer realm="example", error="invalid_token", error_description="The access token expired"',
            "invalid_token",
            "The access token expired",
        ),
        ('Bearer error="insufficient_scope", scope="x"', "insufficient_scope", "insufficient_scope"),
        (r'Bearer error_description="it says \"no\""', None, 'it says "no"'),
        ('Basic realm="no error here"', None, ""),
        ('Bearer error="never ends', None, ""),
        ("", None, ""),
    ],
)
def test_the_words_of_a_challenge_are_told_where_there_is_no_body(
    challenge: str, code: str | None, detail: str
) -> None:
    """A refused token is often told there alone; the first is the example of RFC 6750, section 3."""
    error = error_of(answer(401, WWW_Authenticate=challenge))
    assert isinstance(error, ResponseError)
    assert (error.code, error.detail) == (code, detail)
    said = error_of(answer(401, b'{"message": "the body says more"}', WWW_Authenticate=challenge))
    assert isinstance(said, ResponseError)
    assert said.detail == "the body says more"


@pytest.mark.parametrize("body", [b"Not Found", b'{"error": "Not found."}', b"<title>404 Not Found</title>"])
def test_words_that_only_repeat_the_status_are_told_once(body: bytes) -> None:
    """The detail has them all the same."""
    error = error_of(answer(404, body))
    assert isinstance(error, ResponseError)
    assert error.message == "404 Not Found"
    assert "ot " in error.detail


# -- the safety of writes ------------------------------------------------------------------------

# What happened, and for a write that must not be repeated: again (sent again), final (raised as it
# is), ambiguous (AmbiguousWriteError).
FAILURES: list[tuple[str, int | TransportError, dict[str, Any], str]] = [
    ("never connected", TransportError(message="m", sent=False), {}, "again"),
    ("lost after sending", TransportError(message="m", sent=True), {}, "ambiguous"),
    ("400", 400, {}, "final"),
    ("401", 401, {}, "final"),
    ("404", 404, {}, "final"),
    ("300", 300, {}, "final"),
    ("301", 301, {}, "final"),
    ("302", 302, {}, "ambiguous"),
    ("303", 303, {}, "ambiguous"),
    ("304", 304, {}, "final"),
    ("307", 307, {}, "final"),
    ("308", 308, {}, "final"),
    ("408", 408, {}, "ambiguous"),
    ("409", 409, {}, "final"),
    ("412", 412, {}, "final"),
    ("403 with Retry-After", 403, {"Retry_After": "1"}, "again"),
    ("422", 422, {}, "final"),
    ("423", 423, {}, "again"),
    ("425", 425, {}, "again"),
    ("429", 429, {}, "again"),
    ("429 with Retry-After", 429, {"Retry_After": "1"}, "again"),
    ("500", 500, {}, "ambiguous"),
    ("500 with Retry-After", 500, {"Retry_After": "1"}, "ambiguous"),
    ("501", 501, {}, "final"),
    ("502", 502, {}, "ambiguous"),
    ("503", 503, {}, "ambiguous"),
    ("503 with Retry-After", 503, {"Retry_After": "0"}, "again"),
    ("503 with retry-after-ms", 503, {"retry_after_ms": "5"}, "again"),
    ("503 with Retry-After below 0", 503, {"Retry_After": "-1"}, "ambiguous"),
    ("504", 504, {}, "ambiguous"),
    ("505", 505, {}, "final"),
    ("520", 520, {}, "ambiguous"),
]
TRANSIENT = {403, 408, 423, 425, 429, 500, 502, 503, 504, 520}  # 403 with a time


def weighed(
    failure: int | TransportError,
    headers: dict[str, Any],
    *,
    method: Method,
    header: str | None = None,
    maybe_applied: bool = False,
    **facts: Any,
) -> MirrorDBError:
    """What the client makes of a failure of this request."""
    config = MirrorDBConfig.model_validate({"base_url": BASE, "idempotency_header": header})
    request = asked(method, idempotency_key="k-1" if header else None, **facts)
    sent = prepare(request, config, EndpointRegistry())
    if isinstance(failure, TransportError):
        error: MirrorDBError = TransportError(message=failure.message, sent=failure.sent)
        error.maybe_applied = failure.sent
    else:
        given = answer(failure, b"", **headers)
        error = error_of(given, request)
        error.maybe_applied = may_be_applied(given)
    return classify_failure(error, request, sent, maybe_applied=maybe_applied)


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
    assert error.maybe_applied is ambiguous


@pytest.mark.parametrize(("name", "failure", "headers", "outcome"), FAILURES)
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
    outcome: str,
    method: Method,
    header: str | None,
) -> None:
    """It is sent again after every transient failure; ambiguous is only a redirect after the action.

    303 to a write shows what came of it (RFC 9110, section 15.4.4); it may have been applied.
    """
    error = weighed(failure, headers, method=method, header=header)
    assert isinstance(error, AmbiguousWriteError) == (failure in (302, 303) and method != "GET")
    assert error.retryable is (isinstance(failure, TransportError) or failure in TRANSIENT)
    if method != "GET":
        assert error.maybe_applied is (outcome == "ambiguous")


@pytest.mark.parametrize("status", [408, 500, 503])
def test_a_status_by_which_a_backend_refuses_before_it_begins(status: int) -> None:
    """Nginx's ``limit_req`` answers 503 without a header ("ngx_http_limit_req_module": limit_req_status)."""
    assert may_be_applied(answer(status))
    assert not may_be_applied(answer(status), {status})
    for known in (403, 425, 429):
        assert not may_be_applied(answer(known), {status})


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
    ("method", "header", "maybe_applied", "outcome"),
    [
        ("POST", "Idempotency-Key", True, "again"),
        ("PATCH", "Idempotency-Key", True, "again"),
        ("POST", "Idempotency-Key", False, "final"),
        ("PUT", None, True, "ambiguous"),
        ("DELETE", None, True, "ambiguous"),
        ("PUT", None, False, "final"),
        ("DELETE", None, False, "final"),
        ("GET", None, True, "final"),
    ],
)
def test_409_after_an_attempt_that_may_have_been_applied(
    method: Method, header: str | None, maybe_applied: bool, outcome: str
) -> None:
    """With a key the backend is still busy with that one (draft-ietf-httpapi-idempotency-key-header-07,
    section 2.7); without, that one may be what it conflicts with. Else it is a conflict.
    """
    error = weighed(409, {}, method=method, header=header, maybe_applied=maybe_applied)
    assert isinstance(error, AmbiguousWriteError if outcome == "ambiguous" else ConflictError)
    assert error.retryable is (outcome == "again")


@pytest.mark.parametrize(
    ("method", "maybe_applied", "ambiguous"),
    [("PUT", False, False), ("PUT", True, True), ("DELETE", True, True), ("GET", True, False)],
)
def test_412_after_an_attempt_that_may_have_been_applied(
    method: Method, maybe_applied: bool, ambiguous: bool
) -> None:
    """That one may have changed the entity tag; a read changes nothing."""
    error = weighed(412, {}, method=method, maybe_applied=maybe_applied, if_match='"v1"')
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
    cause = DisconnectedError(message="lost", sent=True, maybe_applied=True)
    assert again.cause == {**cause.to_dict(), "type": "TransportError"}
