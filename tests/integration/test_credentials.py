"""Credentials that change while requests are on their way."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    AuthenticationError,
    ConfigError,
    ConnectError,
    GenericMirrorDB,
    MirrorDBConfig,
    MirrorDBError,
)
from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.backends import Answering, ScriptedBackend, Serve
from tests.support.clocks import FakeClock
from tests.support.connections import ConfigFor, SetConnection


class Guarded:
    """A backend that takes one key, and a place to look that key up, both counted."""

    def __init__(self) -> None:
        self.key = "first-key"
        self.taken = 0
        self.refused = 0
        self.look_ups = 0
        self.rotate_after = -1
        self.app = web.Application()
        self.app.router.add_route("*", "/api/{rest:.*}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        if self.taken == self.rotate_after:
            self.key, self.rotate_after = "second-key", -1
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            self.refused += 1
            return web.json_response({"detail": "bad key"}, status=401)
        self.taken += 1
        return web.json_response({"n": self.taken})

    async def look_up(self) -> Mapping[str, Any]:
        self.look_ups += 1
        await asyncio.sleep(0)
        return {"api_key": self.key}


@pytest.fixture
def guarded() -> Guarded:
    return Guarded()


async def test_key_that_rotates_under_load_fails_no_request(
    serve: Serve, config_for: ConfigFor, guarded: Guarded
) -> None:
    """A thousand requests, the key changes in the middle: none fails, and the new key is looked up once."""
    guarded.rotate_after = 500
    config = config_for(await serve(guarded.app), api_key=guarded.key)
    slots = asyncio.Semaphore(50)

    async with GenericMirrorDB(config, look_up=guarded.look_up) as client:

        async def read() -> None:
            async with slots:
                await client.read_function("read", "api/users")

        await asyncio.gather(*(read() for _ in range(1000)))
    assert (guarded.taken, guarded.look_ups) == (1000, 1)
    assert 1 <= guarded.refused <= 50


async def test_hundred_requests_with_a_bad_key_look_up_once(
    serve: Serve, config_for: ConfigFor, guarded: Guarded
) -> None:
    """Where the look-up gives the same bad key, requests that met 401 together fail after one look-up."""

    async def same() -> Mapping[str, Any]:
        guarded.look_ups += 1
        return {"api_key": "wrong-key"}

    config = config_for(await serve(guarded.app), api_key="wrong-key")
    async with GenericMirrorDB(config, look_up=same) as client:
        outcomes = await asyncio.gather(
            *(client.read_function("read", "api/users") for _ in range(100)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {AuthenticationError}
        assert (guarded.look_ups, guarded.refused) == (1, 100)
        with pytest.raises(AuthenticationError):
            await client.read_function("read", "api/users")
    assert guarded.look_ups == 2  # a later request asks again: the key may have been mended


async def test_refused_create_is_sent_again_with_the_new_key(
    serve: Serve, config_for: ConfigFor, guarded: Guarded
) -> None:
    """A 401 was not applied, so even a write that may not be repeated goes out once more."""
    config = config_for(await serve(guarded.app), api_key="old-key")
    async with GenericMirrorDB(config, look_up=guarded.look_up) as client:
        assert await client.create_function("create", "api/users", {}) == {"n": 1}
    assert (guarded.taken, guarded.refused) == (1, 1)


async def test_key_set_by_hand_wins(serve: Serve, config_for: ConfigFor, guarded: Guarded) -> None:
    """After ``update_api_key`` nothing is looked up; the key is used by the very next request."""
    config = config_for(await serve(guarded.app), api_key="old-key")
    async with GenericMirrorDB(config, look_up=guarded.look_up) as client:
        await client.update_api_key("first-key")
        assert await client.read_function("read", "api/users") == {"n": 1}
        await client.update_api_key("wrong-key")
        with pytest.raises(AuthenticationError):
            await client.read_function("read", "api/users")
    assert guarded.look_ups == 0


async def test_request_that_waits_takes_the_key_set_meanwhile(
    serve: Serve, config_for: ConfigFor, guarded: Guarded
) -> None:
    """``update_api_key`` during traffic saves the requests that were refused with the old key."""
    config = config_for(await serve(guarded.app), api_key="old-key")
    async with GenericMirrorDB(config) as client:
        reads = [asyncio.create_task(client.read_function("read", "api/users")) for _ in range(20)]
        await asyncio.sleep(0)  # they have started, with the old key
        await client.update_api_key("first-key")
        await asyncio.gather(*reads)
    assert guarded.taken == 20


async def test_look_up_that_fails_leaves_the_401(
    serve: Serve, config_for: ConfigFor, guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    """A secrets backend in trouble does not hide what the backend said."""

    async def fail() -> Mapping[str, Any]:
        raise OSError("vault is sealed")

    config = config_for(await serve(guarded.app), api_key="old-key")
    async with GenericMirrorDB(config, look_up=fail) as client:
        with pytest.raises(AuthenticationError, match="bad key"):
            await client.read_function("read", "api/users")
    assert "vault is sealed" in caplog.text


def test_hook_takes_the_rotated_key_of_its_connection(set_connection: SetConnection) -> None:
    """A key rotated in the connection is picked up by a hook that is at work."""
    with DevServer(api_key="new-secret-key") as server:
        set_connection(server.url, password="old-secret-key")
        with MirrorDBHook() as hook:
            hook.get_conn()
            set_connection(server.url, password="new-secret-key")
            assert hook.read("api/users") == []
        assert [entry.status for entry in server.requests()] == [401, 200]


async def test_async_hook_takes_the_rotated_key(set_connection: SetConnection) -> None:
    """So does the client of an async task or a trigger."""
    with DevServer(api_key="new-secret-key") as server:
        set_connection(server.url, password="old-secret-key")
        async with MirrorDBHook() as client:
            set_connection(server.url, password="new-secret-key")
            assert await client.read_function("read", "api/users") == []


class AuthorizationServer:
    """Gives tokens, which the backend beside it takes until they are revoked."""

    def __init__(self) -> None:
        self.issued: list[str] = []
        self.forms: list[dict[str, list[str]]] = []
        self.logins: list[str] = []
        self.valid: set[str] = set()
        self.status = 200
        self.takes_tokens = True
        self.lifetime: float | None = 3600
        self.app = web.Application()
        self.app.router.add_post("/token", self.token)
        self.app.router.add_route("*", "/api/users", self.users)

    async def token(self, request: web.Request) -> web.Response:
        self.forms.append(parse_qs(await request.text()))
        self.logins.append(b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode())
        if self.status != 200:
            return web.json_response({"error": "invalid_client"}, status=self.status)
        value = f"token-{len(self.issued)}"
        self.issued.append(value)
        self.valid.add(value)
        body = {"access_token": value, "token_type": "Bearer", "expires_in": self.lifetime}
        return web.json_response({name: item for name, item in body.items() if item is not None})

    async def users(self, request: web.Request) -> web.Response:
        value = request.headers["Authorization"].removeprefix("Bearer ")
        if value not in self.valid or not self.takes_tokens:
            return web.json_response({"detail": f"bad token {value}"}, status=401)
        return web.json_response([value])

    def config(self, base_url: str, config_for: ConfigFor) -> MirrorDBConfig:
        return config_for(
            base_url,
            auth_type="oauth2",
            login="client id",
            api_key="client:secret",
            oauth_url=f"{base_url}/token",
            scope="read write",
        )


@pytest.fixture
def authorization() -> AuthorizationServer:
    return AuthorizationServer()


async def test_one_token_serves_all_requests(
    serve: Serve, config_for: ConfigFor, authorization: AuthorizationServer
) -> None:
    """Fifty requests at once fetch one token, as RFC 6749 says, and carry it; the secret stays at home."""
    config = authorization.config(await serve(authorization.app), config_for)
    async with GenericMirrorDB(config) as client:
        answers = await asyncio.gather(*(client.read_function("read", "api/users") for _ in range(50)))
    assert answers == [["token-0"]] * 50
    assert authorization.logins == ["client%20id:client%3Asecret"]
    assert authorization.forms == [{"grant_type": ["client_credentials"], "scope": ["read write"]}]


async def test_token_is_renewed_before_it_is_missed(
    serve: Serve, config_for: ConfigFor, authorization: AuthorizationServer
) -> None:
    """A minute before a token of an hour ends, the next request fetches another one; no 401 is met."""
    config = authorization.config(await serve(authorization.app), config_for)
    clock = FakeClock()
    async with GenericMirrorDB(config, clock=clock.as_clock()) as client:
        for moment, token in ((0, "token-0"), (3500, "token-0"), (45, "token-1")):
            clock.time += moment
            assert await client.read_function("read", "api/users") == [token]


async def test_revoked_token_is_replaced_once(
    serve: Serve, config_for: ConfigFor, authorization: AuthorizationServer
) -> None:
    """Requests that meet 401 together share one new token, and succeed."""
    authorization.lifetime = None
    config = authorization.config(await serve(authorization.app), config_for)
    async with GenericMirrorDB(config) as client:
        await client.read_function("read", "api/users")
        authorization.valid.clear()
        answers = await asyncio.gather(*(client.read_function("read", "api/users") for _ in range(50)))
    assert answers == [["token-1"]] * 50
    assert authorization.issued == ["token-0", "token-1"]


async def test_refused_client_is_told_without_its_secret(
    serve: Serve, config_for: ConfigFor, authorization: AuthorizationServer
) -> None:
    """What the authorization server refuses is told as such; the secret is in no error."""
    authorization.status = 401
    config = authorization.config(await serve(authorization.app), config_for)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(AuthenticationError, match="authorization server refused a token") as raised:
            await client.create_function("create", "api/users", {})
    assert raised.value.code == "invalid_client"
    assert "secret" not in str(raised.value.to_dict())


async def test_authorization_server_in_trouble_makes_no_write_ambiguous(
    serve: Serve, config_for: ConfigFor, authorization: AuthorizationServer
) -> None:
    """A create that never got its token was not sent: the failure is retried, and is no ambiguous one."""
    authorization.status = 503
    config = authorization.config(await serve(authorization.app), config_for)
    async with GenericMirrorDB(config) as client:
        outcome = await client.call("create_function", method_name="create", endpoint="api/users", data={})
    assert (outcome["error"]["type"], outcome["error"]["attempts"]) == ("ServerError", config.max_attempts)
    dead = config.changed({"oauth_url": "http://127.0.0.1:1/token"})
    async with GenericMirrorDB(dead) as client:
        with pytest.raises(ConnectError):
            await client.create_function("create", "api/users", {})


async def test_token_is_in_no_error(
    serve: Serve, config_for: ConfigFor, authorization: AuthorizationServer
) -> None:
    """A backend that repeats the token in its refusal does not bring it into the error."""
    config = authorization.config(await serve(authorization.app), config_for)
    async with GenericMirrorDB(config) as client:
        await client.read_function("read", "api/users")
        authorization.takes_tokens = False
        with pytest.raises(AuthenticationError) as raised:
            await client.read_function("read", "api/users")
    assert "token-" not in str(raised.value.to_dict())


@pytest.mark.parametrize("missing", ["oauth_url", "login", "api_key"])
def test_incomplete_oauth2_is_a_wrong_configuration(missing: str) -> None:
    """OAuth 2.0 needs a token URL, a client id and a secret; what is missing is said at once."""
    settings = {"oauth_url": "https://login.example.com/token", "login": "id", "api_key": "secret"}
    del settings[missing]
    with pytest.raises(ConfigError, match=f"{missing}: it is missing, and auth_type 'oauth2' needs it"):
        MirrorDBConfig.model_validate({"base_url": "https://x", "auth_type": "oauth2", **settings})


def test_oauth2_through_the_hook(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Login and Password of the connection are client id and secret."""
    scripted.answer(200, {"access_token": "abc", "expires_in": 60})
    scripted.answer(200, [])
    extra = {"auth_type": "oauth2", "oauth_url": f"{scripted.url}/token"}
    set_connection(scripted.url, login="id", password="secret", extra=extra)
    with MirrorDBHook() as hook:
        assert hook.read("api/users") == []
    assert scripted.requests == ["POST /token", "GET /api/users"]
    assert scripted.headers[1]["Authorization"] == "Bearer abc"


# -- what errors show of credentials that changed ------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({"api_key": "first-key"}, ["first-key", "second-key"]),
        (
            {"login": "ada", "api_key": "first-key"},
            ["first-key", "second-key", "YWRhOmZpcnN0LWtleQ==", "YWRhOnNlY29uZC1rZXk="],
        ),
        ({"login": "ada", "api_key": "secret", "auth_type": "oauth2"}, ["token-1", "token-2"]),
    ],
    ids=["bearer", "basic", "oauth2"],
)
async def test_no_error_shows_a_credential_that_was_used_before_or_after(
    answering: Answering, config_for: ConfigFor, settings: dict[str, Any], used: list[str]
) -> None:
    """The key that was refused and the one that came then: the backend repeats both of them."""
    tokens = (web.json_response({"access_token": token}) for token in ("token-1", "token-2"))

    async def token(_request: web.Request) -> web.Response:
        return next(tokens)

    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=401)

    async def repeat(_request: web.Request) -> web.Response:
        return web.json_response({"detail": " ".join(used)}, status=400, headers={"X-Request-ID": used[0]})

    answers = [token, refuse, token, repeat] if settings.get("auth_type") else [refuse, repeat]
    server = await answering(*answers)
    if settings.get("auth_type"):
        settings = {**settings, "oauth_url": f"{server.base_url}/token"}

    async def look_up() -> Mapping[str, Any]:
        return {"api_key": settings["api_key"] if settings.get("auth_type") else "second-key"}

    async with GenericMirrorDB(config_for(server.base_url, **settings), look_up=look_up) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/users")
    shown = f"{caught.value}{caught.value.to_dict()}"
    assert "*** ***" in shown
    assert not [credential for credential in used if credential in shown]


async def test_the_words_of_an_authorization_server_are_kept(
    answering: Answering, config_for: ConfigFor
) -> None:
    """Only credentials are taken out of them, not what the request said beside that."""
    words = "application/x-www-form-urlencoded is not supported, use application/json"

    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"error_description": words}, status=415)

    server = await answering(refuse)
    settings = {"auth_type": "oauth2", "login": "ada", "api_key": "secret"}
    config = config_for(server.base_url, oauth_url=f"{server.base_url}/token", **settings)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(MirrorDBError, match=words):
            await client.read_function("read", "api/users")
