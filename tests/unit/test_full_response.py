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


def test_bytes_that_are_no_text_can_be_stored() -> None:
    """Halves of surrogate pairs are made of them by aiohttp, which nothing can encode."""
    assert full(("X-Name", "Jos\udce9"))["headers"] == {"x-name": "Jos?"}
