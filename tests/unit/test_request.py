"""From a request as its author means it to what goes over the wire."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from airflow_mirrordb.client import (
    EndpointNotAllowedError,
    EndpointRegistry,
    InvalidRequestError,
    MirrorDBConfig,
    MirrorDBRequest,
)
from airflow_mirrordb.client.auth.schemes import credentials_of
from airflow_mirrordb.client.endpoints.patterns import Method
from airflow_mirrordb.client.messages.request import WireRequest, prepare, request_of_base_url
from airflow_mirrordb.client.messages.request_headers import ACCEPT, USER_AGENT

BASE = "https://example.com/v1"


def wire(request: MirrorDBRequest | None = None, *, settings: Any = None, **changes: Any) -> WireRequest:
    """What a request becomes on a connection with these settings."""
    request = replace(request or MirrorDBRequest(method="GET", endpoint="api/users"), **changes)
    config = MirrorDBConfig(**{"base_url": BASE, **(settings or {})})
    return prepare(request, config, EndpointRegistry(declared=config.endpoints))


def problem(**changes: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        wire(**changes)
    return caught.value


POST = MirrorDBRequest(method="POST", endpoint="api/users")


# -- URL -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "changes", "url"),
    [
        ({}, {}, f"{BASE}/api/users"),
        ({"trailing_slash": True}, {}, f"{BASE}/api/users/"),
        ({"trailing_slash": True}, {"query": {"a": 1}}, f"{BASE}/api/users/?a=1"),
        ({"base_url": "https://example.com"}, {}, "https://example.com/api/users"),
        ({"base_url": "https://example.com/b c"}, {}, "https://example.com/b%20c/api/users"),
        ({"endpoints": "x/{id}"}, {"endpoint": "x/a b@c"}, f"{BASE}/x/a%20b@c"),
        ({"endpoints": "x/{id}"}, {"endpoint": "x/%41+é;"}, f"{BASE}/x/A%2B%C3%A9%3B"),
    ],
)
def test_the_url_is_the_base_and_the_endpoint(
    settings: dict[str, Any], changes: dict[str, Any], url: str
) -> None:
    """The prefix is kept, the slash added where the backend wants one, and nothing is encoded twice."""
    assert str(wire(settings=settings, **changes).url) == url


@pytest.mark.parametrize(
    ("query", "encoded"),
    [
        (None, ""),
        ({}, ""),
        ({"a": None}, ""),
        ({"a": []}, ""),
        ({"a": ""}, "?a="),
        ({"a": 1, "b": 2.5}, "?a=1&b=2.5"),
        ({"a": True, "b": False}, "?a=true&b=false"),
        ({"a": [1, None, "x"]}, "?a=1&a=x"),
        ({"a": (1, True)}, "?a=1&a=true"),
        ({"q": "a b&c=d/e?f#g+h"}, "?q=a%20b%26c%3Dd%2Fe%3Ff%23g%2Bh"),
        ({"$filter": "x eq 'y'"}, "?%24filter=x%20eq%20%27y%27"),
        ({"page[size]": 5}, "?page%5Bsize%5D=5"),
        ({"é": "€"}, "?%C3%A9=%E2%82%AC"),
        ({"a": "%41"}, "?a=%2541"),
        ({"a": "x\r\nHost: evil"}, "?a=x%0D%0AHost%3A%20evil"),
        ({7: "x"}, "?7=x"),
    ],
)
def test_the_query_is_encoded(query: Any, encoded: str) -> None:
    """Whatever is in names and values arrives as it is; None is left out, lists repeat the name."""
    assert str(wire(query=query).url) == f"{BASE}/api/users{encoded}"


@given(
    st.dictionaries(st.text(min_size=1), st.text(min_size=1) | st.integers() | st.lists(st.text(min_size=1)))
)
def test_any_query_arrives(query: dict[str, Any]) -> None:
    """Decoding gives the query again, and nothing gets out of it into the path or a fragment."""
    url = wire(query=query).url
    pairs = [
        (name, str(item))
        for name, value in query.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    assert parse_qsl(url.raw_query_string, strict_parsing=bool(pairs), keep_blank_values=True) == pairs
    assert (url.raw_path, url.raw_fragment) == ("/v1/api/users", "")
    assert str(url).isascii()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("a=b", "query"),
        ([("a", "b")], "query"),
        ({"a": {"b": 1}}, "query['a']"),
        ({"a": b"x"}, "query['a']"),
        ({"a": [{"b": 1}]}, "query['a']"),
        ({"a": datetime(2026, 1, 1, tzinfo=timezone.utc)}, "query['a']"),
        ({"a": "\ud800"}, "query['a']"),
        ({"\ud800": "a"}, "query['\\ud800']"),
        ({"a": 10**5000}, "query['a']"),
    ],
)
def test_a_query_that_cannot_be_sent_is_named(query: Any, field: str) -> None:
    """Values of other types, and text that has no encoding."""
    assert problem(query=query).field == field


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("nothing", [None, []])
def test_a_write_with_an_empty_filter_is_refused(method: Method, nothing: Any) -> None:
    """Without the filter it might mean all; a read without it just returns more."""
    endpoint = "api/users" if method == "POST" else "api/users/7"
    assert problem(method=method, endpoint=endpoint, query={"a": 1, "b": nothing}).field == "query['b']"


# -- headers -------------------------------------------------------------------------------------


def test_the_headers_of_every_request() -> None:
    """JSON is asked for, the client says who it is, the connection's headers go along."""
    headers = wire(settings={"headers": {"X-Team": "data"}}).headers
    assert dict(headers) == {"Accept": ACCEPT, "User-Agent": USER_AGENT, "X-Team": "data"}


def test_headers_of_a_request_win_over_those_of_the_connection() -> None:
    """Names are the same in any case; Accept may be changed too."""
    headers = wire(
        settings={"headers": {"X-Team": "data"}}, headers={"x-team": "ml", "accept": "application/vnd.x+json"}
    ).headers
    assert (headers.getall("X-Team"), headers.getall("Accept")) == (["ml"], ["application/vnd.x+json"])


def test_a_body_says_that_it_is_json() -> None:
    """Content-Type goes with a body only, and may be another one."""
    assert "Content-Type" not in wire().headers
    assert wire(POST, data={}).headers["Content-Type"] == "application/json"
    other = wire(POST, data={}, headers={"content-type": "application/merge-patch+json"})
    assert other.headers.getall("Content-Type") == ["application/merge-patch+json"]


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        ({}, "Authorization", None),
        ({"api_key": "k"}, "Authorization", "Bearer k"),
        ({"api_key": "k", "auth_type": "api_key"}, "X-API-Key", "k"),
        ({"api_key": "k", "auth_type": "api_key", "key_name": "Authorization"}, "Authorization", "k"),
        ({"api_key": "k", "auth_type": "none"}, "Authorization", None),
    ],
)
def test_the_key_is_sent_as_the_connection_says(
    settings: dict[str, Any], header: str, value: str | None
) -> None:
    """Bearer, a header of its own, or not at all; without a key nothing is sent."""
    assert authorized(settings).get(header) == value


def authorized(settings: dict[str, Any]) -> CIMultiDict[str]:
    config = MirrorDBConfig(base_url=BASE, **settings)
    headers = wire(settings=settings).headers.copy()
    headers.update(credentials_of(config).headers)
    return headers


def test_the_key_is_sent_once() -> None:
    """A header of the connection under the same name gives way to the key."""
    settings = {"api_key": "k", "auth_type": "api_key", "headers": {"x-api-key": "other"}}
    assert authorized(settings).getall("X-API-Key") == ["k"]


def test_basic_credentials_are_utf_8() -> None:
    """RFC 7617: user, colon, password; the password may hold colons."""
    sent = authorized({"login": "jürgen", "api_key": "pa:ss wörd"})["Authorization"]
    assert b64decode(sent.removeprefix("Basic ")).decode() == "jürgen:pa:ss wörd"


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"X-A": "b\r\nHost: evil"}, "headers['X-A']"),
        ({"X-A": "b\nc"}, "headers['X-A']"),
        ({"X-A": "b\rc"}, "headers['X-A']"),
        ({"X-A": "b\x00c"}, "headers['X-A']"),
        ({"X-A": "\ud800"}, "headers['X-A']"),
        ({"X-A": True}, "headers['X-A']"),
        ({"X-A": None}, "headers['X-A']"),
        ({"X-A": b"b"}, "headers['X-A']"),
        ({"X A": "b"}, "headers['X A']"),
        ({"X-A\r\nHost": "evil"}, "headers['X-A\\r\\nHost']"),
        ({"X-A\n": "b"}, "headers['X-A\\n']"),
        ({"X:A": "b"}, "headers['X:A']"),
        ({"Ä": "b"}, "headers['Ä']"),
        ({"": "b"}, "headers['']"),
        ({7: "b"}, "headers[7]"),
        ("X-A: b", "headers"),
        ([("X-A", "b")], "headers"),
        *(
            ({name: "x"}, f"headers[{name!r}]")
            for name in (
                "Authorization",
                "AUTHORIZATION",
                "Connection",
                "Content-Length",
                "Cookie",
                "Expect",
                "Host",
                "Proxy-Authorization",
                "TE",
                "Trailer",
                "Transfer-Encoding",
                "Upgrade",
                "X-API-Key",
                "x_api_key",
                "Content_Length",
                "Transfer_Encoding",
                "idempotency-key",
                "Idempotency_Key",
                "X-HTTP-Method-Override",
                "X_HTTP_METHOD",
                "X-Method-Override",
                "X-Original-URL",
                "X-Rewrite-URL",
            )
        ),
    ],
)
def test_a_header_that_cannot_be_sent_is_named(headers: Any, field: str) -> None:
    """No line breaks, no names that are no tokens, none that the client writes itself."""
    error = problem(headers=headers, settings={"idempotency_header": "Idempotency-Key"})
    assert error.field == field


def test_tabs_and_other_letters_are_allowed_in_values() -> None:
    """RFC 9110 section 5.5 keeps out control characters, not tabs or text beyond ASCII."""
    assert wire(headers={"X-A": "b\tc é"}).headers["X-A"] == "b\tc é"


@pytest.mark.parametrize("field", ["if_match", "if_none_match", "idempotency_key"])
@pytest.mark.parametrize("value", [7.5j, "a\r\nb", "\ud800"])
def test_values_that_become_headers_are_checked(field: str, value: Any) -> None:
    """Entity tags and keys come from elsewhere: from answers and templates."""
    settings = {"idempotency_header": "Idempotency-Key"}
    assert problem(request=POST, settings=settings, **{field: value}).field == field


def test_conditions_are_headers() -> None:
    """RFC 9110, section 13.1."""
    headers = wire(if_match='"v1"', if_none_match="*").headers
    assert (headers["If-Match"], headers["If-None-Match"]) == ('"v1"', "*")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("header", [None, "Idempotency-Key"])
def test_the_idempotency_key_goes_where_it_is_promised_to_work(method: Method, header: str | None) -> None:
    """On POST and PATCH of a connection that names the header, and nowhere else."""
    endpoint = "api/users" if method == "POST" else "api/users/7"
    sent = wire(
        MirrorDBRequest(method=method, endpoint=endpoint, idempotency_key="k"),
        settings={"idempotency_header": header},
    ).headers
    expected = "k" if header and method in ("POST", "PATCH") else None
    assert sent.get("Idempotency-Key") == expected


# -- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("timeout", "seconds"), [(None, 30.0), (5, 5), (0.25, 0.25)])
def test_the_timeout_of_a_request_wins(timeout: float | None, seconds: float) -> None:
    """The connection's holds where the request has none."""
    assert wire(timeout=timeout).timeout == seconds


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "5", True])
def test_a_timeout_that_is_none_is_refused(timeout: Any) -> None:
    """No timeout at all would wait for ever."""
    assert problem(timeout=timeout).field == "timeout"


def test_a_missing_page_is_no_end_of_a_collection() -> None:
    """What may be missing is one resource: records after a page that is not there would be lost."""
    assert problem(method="GET", missing_ok=True, paginate={"style": "link"}).field == "missing_ok"


@pytest.mark.parametrize("method_name", ["a\nb", "a\r", "\x1b[31m", "\u2028", "\x85", 7, 0, "a" * 501])
def test_a_label_is_one_line_of_text(method_name: Any) -> None:
    """It appears in the log."""
    assert problem(method_name=method_name).field == "method_name"


@pytest.mark.parametrize(
    ("method", "conditional", "header", "repeatable"),
    [
        ("GET", False, None, True),
        ("GET", True, None, True),
        ("GET", False, "Idempotency-Key", True),
        ("PUT", False, None, True),
        ("PUT", True, None, False),
        ("PUT", True, "Idempotency-Key", False),
        ("DELETE", False, None, True),
        ("DELETE", True, None, False),
        ("POST", False, None, False),
        ("POST", True, None, False),
        ("POST", False, "Idempotency-Key", True),
        ("POST", True, "Idempotency-Key", True),
        ("PATCH", False, None, False),
        ("PATCH", True, None, False),
        ("PATCH", False, "Idempotency-Key", True),
        ("PATCH", True, "Idempotency-Key", True),
    ],
)
def test_which_requests_may_be_repeated(
    method: Method, *, conditional: bool, header: str | None, repeatable: bool
) -> None:
    """The first rule of DESIGN section 6, however the condition is given."""
    endpoint = "api/users" if method == "POST" else "api/users/7"
    base = MirrorDBRequest(method=method, endpoint=endpoint, idempotency_key="k")
    ways: list[dict[str, Any]] = [
        {"if_match": '"v1"'},
        {"if_none_match": "*"},
        {"headers": {"if-match": '"v1"'}},
    ]
    for way in ways if conditional else [{}]:
        assert wire(base, settings={"idempotency_header": header}, **way).repeatable is repeatable


def test_an_error_names_its_request() -> None:
    """Method, endpoint and label of the request are facts of the error."""
    with pytest.raises(EndpointNotAllowedError) as caught:
        wire(method="PUT", endpoint="api/users", method_name="wipe", data={})
    assert (
        caught.value.to_dict().items()
        >= {
            "method": "PUT",
            "endpoint": "api/users",
            "method_name": "wipe",
            "attempts": 0,
            "retryable": False,
        }.items()
    )


def test_an_error_does_not_carry_a_megabyte() -> None:
    """A refused endpoint of any length makes a short error."""
    with pytest.raises(EndpointNotAllowedError) as caught:
        wire(endpoint="a" * 2**20)
    assert len(json.dumps(caught.value.to_dict())) < 5000


def test_nothing_secret_shows_in_the_wire_request() -> None:
    """Headers and body stay out of its repr."""
    shown = repr(wire(POST, data={"pin": "b0dy"}, headers={"X-Pin": "k3y"}))
    assert "k3y" not in shown
    assert "b0dy" not in shown


def test_the_probe_is_a_get_of_the_base_url() -> None:
    """It needs no registered endpoint."""
    sent = request_of_base_url(MirrorDBConfig(base_url=BASE, api_key="k", endpoints=("api/users",)))
    assert (sent.method, str(sent.url), sent.body) == ("GET", BASE, None)
