"""Which redirects are followed: a GET that stays where it was, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from airflow_mirrordb.client import (
    EndpointRegistry,
    MirrorDBConfig,
    MirrorDBRequest,
)
from airflow_mirrordb.client.calls.redirects import redirected
from airflow_mirrordb.client.endpoints.patterns import Method
from airflow_mirrordb.client.messages.request import prepare
from airflow_mirrordb.client.messages.response import Answer

BASE = "https://example.com/v1"
KEY = "k3y-that-nobody-may-see"


def followed(
    location: str | None, *, status: int = 302, method: Method = "GET", base: str = BASE, **settings: Any
) -> str | None:
    """Where a redirect of a request for api/users/7 is followed to."""
    config = MirrorDBConfig.model_validate({"base_url": base, "api_key": KEY, **settings})
    registry = EndpointRegistry(declared=config.endpoints)
    endpoint = "api/users" if method == "POST" else "api/users/7"
    request = MirrorDBRequest(method=method, endpoint=endpoint, query={"a": "1"} if method == "GET" else None)
    sent = prepare(request, config, registry)
    headers = {} if location is None else {"Location": location}
    target = redirected(Answer(status=status, headers=headers, body=b""), request, sent, config, registry)
    if target is None:
        return None
    assert target.url.origin() == URL(base).origin()
    assert target.headers == sent.headers
    return str(target.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "url"),
    [
        (f"{BASE}/api/users/8", f"{BASE}/api/users/8"),
        ("/v1/api/users/8?x=%20y", f"{BASE}/api/users/8?x=%20y"),
        ("//example.com/v1/api/users", f"{BASE}/api/users"),
        ("8", f"{BASE}/api/users/8"),
        ("../posts", f"{BASE}/api/posts"),
        ("?page=2", f"{BASE}/api/users/7?page=2"),
        ("/v1/api/users/7/", f"{BASE}/api/users/7/"),
        ("HTTPS://EXAMPLE.COM/v1/api/users/8", f"{BASE}/api/users/8"),
        ("https://example.com:443/v1/api/users/8", f"{BASE}/api/users/8"),
        ("/v1/api/users/8#top", f"{BASE}/api/users/8"),
        ("/v1/x/../api/users/8", f"{BASE}/api/users/8"),
    ],
)
def test_a_redirect_that_stays_is_followed(status: int, location: str, url: str) -> None:
    """Same origin, same prefix, a registered endpoint."""
    assert followed(location, status=status) == url


@pytest.mark.parametrize(
    "location",
    [
        None,
        "",
        "https://evil.example/v1/api/users/7",
        "//evil.example/v1/api/users/7",
        "https://example.com.evil.example/v1/api/users/7",
        "https://example.com:8443/v1/api/users/7",
        "http://example.com/v1/api/users/7",
        "https://user@example.com/v1/api/users/7",
        "https://user:pass@example.com/v1/api/users/7",
        "https://example.com@evil.example/v1/api/users/7",
        "/v2/api/users/7",
        "/v1",
        "/v1x/api/users/7",
        "//[]@",
        "//[]@/v1/api/users/7",
        "https://[]@example.com/v1/api/users/7",
        "/v1xapi/users/7",
        "/api/users/7",
        "/v1/admin/users",
        "/v1/api/users/7/orders/3/lines",
        "/v1/api/users/../../admin",
        "/v1/%2e%2e/admin",
        "/v1/api/users/%2e%2e%2fadmin",
        "/v1/api/users//7",
        "/v1/api/users/7//",
        "/v1/api/users/a%0d%0ab",
        "\\\\evil.example/v1/api/users/7",
        "https:\\\\evil.example/v1/api/users/7",
        "https://[::1",
        "https://example.com:port/v1/api/users/7",
        "javascript:alert(1)",
        "file:///etc/passwd",
        " https://evil.example/",
    ],
)
def test_a_redirect_that_leaves_is_not_followed(location: str | None) -> None:
    """Another origin, prefix or endpoint, a user in the URL, or nothing that can be read."""
    assert followed(location) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_write_is_redirected(method: Method, status: int) -> None:
    """A 301 would turn a POST into a GET, and nothing would be created."""
    assert (
        followed(
            f"{BASE}/{'api/users' if method == 'POST' else 'api/users/7'}/", status=status, method=method
        )
        is None
    )


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 404])
def test_a_location_is_no_redirect_by_itself(status: int) -> None:
    """A 201 names what was created; it is not to be fetched."""
    assert followed(f"{BASE}/api/users/8", status=status) is None


@pytest.mark.parametrize(
    "base", ["http://example.com:8080/v1", "http://[::1]:8080/v1", "https://bücher.example/v1"]
)
def test_redirects_of_other_origins_follow_the_same_rules(base: str) -> None:
    """Ports, IPv6 addresses and international names compare as what they are."""
    own = MirrorDBConfig(base_url=base).base_url
    config_base = str(URL(own))
    assert followed(f"{base}/api/users/8", base=config_base) is not None
    assert (
        followed(f"{base.replace('8080', '8081').replace('bücher', 'buecher')}/x", base=config_base) is None
    )


def test_a_redirect_to_what_is_not_registered_is_not_followed() -> None:
    """The registry holds for redirects as for requests, with its methods."""
    assert followed("/v1/api/users/8", endpoints="api/users") == f"{BASE}/api/users/8"
    assert followed("/v1/api/posts/8", endpoints="api/users") is None
    assert followed("/v1/api/users", endpoints="api/users/{id}, POST api/users") is None
