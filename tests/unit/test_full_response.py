"""What a full response holds, and what it leaves out."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict
from yarl import URL

from airflow_mirrordb.client.messages.full_response import FullResponse, full_response
from airflow_mirrordb.client.messages.response import MirrorDBResponse

BASE = "https://backend.example.com/v1"
REQUESTED = URL(f"{BASE}/api/users")


def full(*headers: tuple[str, str]) -> FullResponse:
    response = MirrorDBResponse(
        status=201,
        headers=CIMultiDict(headers),
        data={"id": 7},
        body={"data": {"id": 7}},
        size=2,
        etag='"v1"',
        request_id=None,
        attempts=1,
        elapsed=0.1,
    )
    return full_response(response, REQUESTED, BASE, lambda text: text.replace("hunter22", "***"))


def test_all_of_an_answer() -> None:
    """Header names are the same in any case (RFC 9110, section 5.1), so they have one; as in HTTP/2."""
    assert full(("X-Total-Count", "3"), ("ETag", '"v1"'), ("Vary", "a"), ("vary", "b")) == {
        "status": 201,
        "headers": {"x-total-count": "3", "etag": '"v1"', "vary": "a, b"},
        "etag": '"v1"',
        "location": None,
        "data": {"id": 7},
    }


@pytest.mark.parametrize(
    ("location", "endpoint"),
    [
        ("https://backend.example.com/v1/api/users/99", "api/users/99"),
        ("https://backend.example.com:443/v1/api/users/99", "api/users/99"),
        ("http://backend.example.com/v1/api/users/99", "api/users/99"),
        ("//backend.example.com/v1/api/users/99", "api/users/99"),
        ("/v1/api/users/99", "api/users/99"),
        ("/v1/api/users/99/", "api/users/99"),
        ("users/99", "api/users/99"),
        ("/api/users/99", "api/users/99"),
        ("/v1/api/users/a%20b", "api/users/a%20b"),
        ("/v1/api/users?id=99", "api/users?id=99"),
        (
            "https://elsewhere.example.com/users/99?X-Amz-Signature=f00",
            "https://elsewhere.example.com/users/99?…",
        ),
        ("https://user:pass@elsewhere.example.com/users/99", "https://…@elsewhere.example.com/users/99"),
        (
            "https://backend.example.com:8443/v1/api/users/99",
            "https://backend.example.com:8443/v1/api/users/99",
        ),
        ("https://[::1", None),
        ("//[]@/api", None),
        ("https://backend.example.com/v1", "/"),
        ("/v1/", "/"),
        ("/v1?page=2", "/?page=2"),
        ("https://backend.example.com:99999/", None),
        ("", None),
    ],
)
def test_a_location_is_an_endpoint_where_it_can_be_one(location: str, endpoint: str | None) -> None:
    """RFC 9110, section 10.2.2: absolute, or relative to the URL that was asked.

    Behind a gateway a backend may know of no TLS and no prefix.
    """
    assert full(("Location", location))["location"] == endpoint


@pytest.mark.parametrize(
    "name",
    [
        "Set-Cookie",
        "Set-Cookie2",
        "WWW-Authenticate",
        "Authentication-Info",
        "Authorization",
        "X-Auth-Token",
        "X-CSRF-Token",
        "X-Amz-Security-Token",
        "X-API-Key",
        "Api_Key",
        "ApiKey",
        "X-Client-Secret",
        "X-Session-Id",
        "Signature-Input",
        "X-JWT",
        "X-Passphrase",
        "Ocp-Apim-Subscription-Key",
        "client",
    ],
)
def test_credentials_are_left_out(name: str) -> None:
    """A result is stored in clear text."""
    assert full((name, "x"), ("X-Author", "Ada"))["headers"] == {"x-author": "Ada"}


@pytest.mark.parametrize("name", ["x-ms-continuationtoken", "X-Next-Page-Token", "X-Next-Token"])
def test_where_a_collection_goes_on_is_kept(name: str) -> None:
    """Names as Azure DevOps has them for the next page are no credentials."""
    assert full((name, "x"))["headers"] == {name.lower(): "x"}


def test_no_secret_and_no_signature_is_in_a_header() -> None:
    """What the client sent, and the query of a link that leads elsewhere."""
    link = '<https://s3.example.com/a?X-Amz-Signature=f00>; rel="file", </v1/api/users?page=2>; rel="next"'
    headers = full(
        ("X-Echo", "key hunter22"),
        ("Location", "https://s3.example.com/a?X-Amz-Signature=f00"),
        ("Link", link),
    )["headers"]
    assert headers == {
        "x-echo": "key ***",
        "location": "https://s3.example.com/a?…",
        "link": '<https://s3.example.com/a?…>; rel="file", </v1/api/users?page=2>; rel="next"',
    }


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("Operation-Location", "https://h.example.com/op?sig=tok-1111", "https://h.example.com/op?…"),
        ("Azure-AsyncOperation", "https://h.example.com/op?t=tok-1111", "https://h.example.com/op?…"),
        ("Azure-AsyncOperation", f"{BASE}/op/1?api-version=2024-01-01&t=c", None),
        ("Content-Location", "/x?X-Amz-Signature=tok-1111", "/x?X-Amz-Signature=…"),
        ("Location", "/v1/api/users?id=99&access_token=tok-1111", "/v1/api/users?id=99&access_token=…"),
        ("Link", '</users?page=2&sig=tok-1111>; rel="next"', '</users?page=2&sig=…>; rel="next"'),
        ("Link", '</users?page_token=eyJpZCI6MTIz&$skiptoken=abcdefgh>; rel="next"', None),
        ("Refresh", "5; url=/x?token=tok-1111", "5; url=/x?token=…"),
        ("Refresh", "5;url=https://h.example.com/x?a=1", "5;url=https://h.example.com/x?…"),
        ("X-Original-Url", "//h.example.com/x?sig=tok-1111", "//h.example.com/x?…"),
        (
            "Report-To",
            '{"url": "https://h.example.com/r?s=tok-1111"}',
            '{"url": "https://h.example.com/r?…"}',
        ),
        ("X-Next", "https://ada:tok-1111@backend.example.com/x", "https://…@backend.example.com/x"),
        ("X-Done", "https://h.example.com/d#access_token=tok-1111", "https://h.example.com/d#access_token=…"),
        ("Content-Type", 'application/ld+json; profile="http://www.w3.org/ns/json-ld#compacted"', None),
        ("X-Said", "why? because: a=b, c//d", None),
    ],
)
def test_no_signature_is_in_a_url_of_any_header(name: str, value: str, told: str | None) -> None:
    """A presigned URL is a credential, wherever it is told (learn.microsoft.com, "Async operations").

    What a collection goes on by, and what is no secret by its name, is left where the URL is the backend's.
    """
    assert full((name, value))["headers"] == {name.lower(): value if told is None else told}


def test_a_location_at_the_backend_has_no_signature() -> None:
    """It is stored as well."""
    assert full(("Location", "/v1/api/jobs/7?id=9&sig=tok-1111"))["location"] == "api/jobs/7?id=9&sig=…"


def test_a_json_web_token_is_left_out_whatever_it_is_called() -> None:
    """RFC 7519, section 3.1, has this one."""
    token = (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAs.dBjftJeZ4CVP"
    )
    assert full(("X-Who", f"Bearer {token}"), ("X-Author", "Ada"))["headers"] == {"x-author": "Ada"}


def test_a_long_header_is_read_in_one_go() -> None:
    """What is looked for begins at the beginning of a run of characters, and ends with it."""
    many = "#" + "a" * 2_000_000
    assert full(("X-Long", many))["headers"] == {"x-long": many}


def test_bytes_that_are_no_text_can_be_stored() -> None:
    """Halves of surrogate pairs are made of them by aiohttp, which nothing can encode."""
    assert full(("X-Name", "Jos\udce9"))["headers"] == {"x-name": "Jos?"}
