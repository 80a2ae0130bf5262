"""Redirects and proxies: what a key is sent to, and what it is not."""

from __future__ import annotations

import logging
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    ConnectError,
    GenericMirrorDB,
    ResponseError,
)
from tests.support.raw_server import Reply, json_answer

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.connections import ConfigFor
    from tests.support.raw_server import RawServer

KEY = "k3y-that-nobody-may-see"
PASSPHRASE = "passphr4se-that-nobody-may-see"


# -- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("auth_type", ["bearer", "api_key", "basic"])
async def test_a_redirect_to_another_origin_sends_nothing_there(
    answering: Answering, config_for: ConfigFor, status: int, auth_type: str
) -> None:
    """Aiohttp would send every custom header along; the key never leaves its origin."""
    thief = await answering(web.json_response({}))
    backend = await answering(
        web.Response(status=status, headers={"Location": f"{thief.base_url}/api/users/7"})
    )
    config = config_for(backend.base_url, api_key=KEY, auth_type=auth_type, login="u")
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ResponseError, match="was not followed") as caught:
            await client.read_function("read", "api/users/7")
    assert (caught.value.status, caught.value.attempts) == (status, 1)
    assert (len(backend.requests), thief.requests) == (1, [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_that_stays_is_followed_once(
    answering: Answering, config_for: ConfigFor, status: int
) -> None:
    """Same origin, registered endpoint: the read arrives with key and headers; a second hop does not."""

    def moved(target: str) -> web.Response:
        return web.Response(status=status, headers={"Location": target})

    backend = await answering(
        moved("/api/users/7/?a=1"), web.json_response({"id": 7}), moved("8"), moved("9")
    )
    async with GenericMirrorDB(config_for(backend.base_url, api_key=KEY)) as client:
        assert await client.read_function("read", "api/users/7", headers={"X-Team": "data"}) == {"id": 7}
        with pytest.raises(ResponseError, match="was not followed"):
            await client.read_function("read", "api/users/7")
    assert backend.lines == [
        "GET /api/users/7",
        "GET /api/users/7/?a=1",
        "GET /api/users/7",
        "GET /api/users/8",
    ]
    for request in backend.requests[:2]:
        assert (request.headers["Authorization"], request.headers["X-Team"]) == (f"Bearer {KEY}", "data")


@pytest.mark.parametrize(
    "location", ["/admin", "/api/users/../../admin", "/api/v1/users", "//127.0.0.1/api/users"]
)
async def test_a_redirect_does_not_get_around_the_registry(
    answering: Answering, config_for: ConfigFor, location: str
) -> None:
    """A backend cannot make the client ask what its patterns do not allow."""
    backend = await answering(web.Response(status=302, headers={"Location": location}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(ResponseError, match="was not followed"):
            await client.read_function("read", "api/users/7")
    assert len(backend.requests) == 1


# -- proxies and what a browser would do ---------------------------------------------------------


async def test_an_http_proxy_gets_the_request(raw_server: RawServer, config_for: ConfigFor) -> None:
    """With its credentials, which the backend's errors do not show."""
    proxy = raw_server.base_url.replace("://", f"://user:{PASSPHRASE}@")
    async with GenericMirrorDB(config_for("http://backend.example/v1", proxy=proxy)) as client:
        assert await client.read_function("read", "api/users") == {}
    head = raw_server.requests[0].decode()
    credentials = b64encode(f"user:{PASSPHRASE}".encode()).decode()
    assert head.startswith("GET http://backend.example/v1/api/users HTTP/1.1\r\n")
    assert f"\r\nProxy-Authorization: Basic {credentials}\r\n" in head
    assert "\r\nHost: backend.example\r\n" in head


@pytest.mark.parametrize(
    ("status", "attempts"),
    [("407 Proxy Authentication Required", 1), ("403 Forbidden", 1), ("502 Bad Gateway", 2)],
)
async def test_a_proxy_that_refuses_the_tunnel(
    raw_server: RawServer,
    config_for: ConfigFor,
    caplog: pytest.LogCaptureFixture,
    status: str,
    attempts: int,
) -> None:
    """The backend never saw the create; only a proxy in trouble is asked again; no credential shows."""
    caplog.set_level(logging.DEBUG)
    raw_server.default = Reply(json_answer("", status))
    proxy = raw_server.base_url.replace("://", f"://user:{PASSPHRASE}@")
    async with GenericMirrorDB(config_for("https://backend.example", proxy=proxy, max_attempts=2)) as client:
        with pytest.raises(ConnectError, match=f"the proxy refused .* {status}") as caught:
            await client.create_function("create", "api/users", {})
    assert (caught.value.attempts, len(raw_server.requests)) == (attempts, attempts)
    assert raw_server.requests[0].startswith(b"CONNECT backend.example:443 ")
    assert PASSPHRASE not in str(caught.value) + caplog.text


async def test_a_proxy_that_is_not_there(config_for: ConfigFor) -> None:
    """No connection, no credential in the error."""
    config = config_for(
        "http://backend.example", proxy=f"http://user:{PASSPHRASE}@127.0.0.1:1", max_attempts=1
    )
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ConnectError) as caught:
            await client.create_function("create", "api/users", {})
    assert PASSPHRASE not in str(caught.value)
    assert caught.value.sent is False


async def test_a_tunnel_that_is_never_built_is_no_ambiguity(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """The request to the proxy is not the request to the backend: the create never left."""
    raw_server.default = Reply(then="time-out")
    config = config_for("https://backend.example", proxy=raw_server.base_url, max_attempts=2)
    async with GenericMirrorDB(config) as client:
        with pytest.raises((ConnectError, AmbiguousWriteError)) as caught:
            await client.create_function("create", "api/users", {})
    assert isinstance(caught.value, ConnectError)
    assert len(raw_server.requests) == 2


async def test_the_environment_changes_nothing(
    answering: Answering, config_for: ConfigFor, raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the worker's environment is not the connection's."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, raw_server.base_url)
    backend = await answering(web.json_response({}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        await client.read_function("read", "api/users")
    assert (len(backend.requests), raw_server.connections) == (1, 0)


async def test_cookies_are_not_kept(answering: Answering, config_for: ConfigFor) -> None:
    """One request leaves no trace in the next."""
    first = web.json_response({})
    first.set_cookie("session", "1")
    backend = await answering(first, web.json_response({}))
    by_name = backend.base_url.replace("127.0.0.1", "localhost")  # no jar keeps cookies of an address
    async with GenericMirrorDB(config_for(by_name)) as client:
        await client.read_function("read", "api/users")
        await client.read_function("read", "api/users")
    assert "Cookie" not in backend.requests[1].headers
