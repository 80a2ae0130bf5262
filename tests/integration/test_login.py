"""Tokens of login endpoints: one for all requests, sent as the backend wants, asked for again in time."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    ConnectError,
    GenericMirrorDB,
    MirrorDBError,
    MirrorDBRequest,
    Progress,
    TLSError,
)
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger, arguments
from tests.integration.test_secrets_forms import texts_of
from tests.support.backends import Answering, ScriptedBackend, Serve
from tests.support.clocks import FakeClock
from tests.support.connections import SetConnection
from tests.support.logins import (
    LOGIN,
    PASSWORD,
    TOKEN,
    LoginServer,
    Respond,
    as_access_token,
    in_cookies,
    logging_in,
    read,
)

# -- what is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({}, {"username": LOGIN, "password": PASSWORD}),
        (
            {"login_body": '{"user": {"id": "{login}/x", "n": [1, true, null, "{password}"]}, "{login}": 1}'},
            {"user": {"id": f"{LOGIN}/x", "n": [1, True, None, PASSWORD]}, "{login}": 1},
        ),
        (
            {
                "login_content_type": "application/x-www-form-urlencoded",
                "login_body": {"name": "{login}", "password": "{password}", "remember": True, "days": 7},
            },
            {"name": LOGIN, "password": PASSWORD, "remember": "true", "days": "7"},
        ),
    ],
    ids=["default", "nested", "form"],
)
async def test_login_and_password_are_sent_as_the_backend_names_them(
    serve: Serve, settings: dict[str, Any], sent: Any
) -> None:
    """In texts alone, not in names; what they hold is no place for the other one."""
    server = LoginServer()
    async with GenericMirrorDB(logging_in(await serve(server.app), **settings)) as client:
        assert await read(client) == f"{TOKEN}-0"
    assert server.logins == [sent]


@pytest.mark.parametrize(
    ("prefix", "login_url", "path"),
    [
        ("/v1", "api/auth/local", "/v1/api/auth/local"),
        ("/v1", "api/token/", "/v1/api/token/"),
        ("/api/v2", "/auth/token", "/auth/token"),
        ("", "users/é:signIn?mode=a%26b", "/users/%C3%A9:signIn?mode=a%26b"),
    ],
)
async def test_where_a_login_goes(answering: Answering, prefix: str, login_url: str, path: str) -> None:
    """As it is written: below the base URL, or from the root of its host (RFC 3986, section 4.2)."""
    backend = await answering(as_access_token("t"), web.json_response({}))
    config = logging_in(f"{backend.base_url}{prefix}", login_url=login_url)
    async with GenericMirrorDB(config) as client:
        await read(client)
    assert backend.lines == [f"POST {path}", f"GET {prefix}/api/users"]


async def test_another_host_gets_the_login_alone(answering: Answering) -> None:
    """The backend itself gets the headers of all requests, as Supabase's ``apikey``."""
    backend = await answering(as_access_token("one"), *[web.json_response({}) for _ in range(2)])
    other = await answering(as_access_token("two"))
    headers = {
        "headers": {"X-Tenant": "acme", "Accept": "text/csv"},
        "secret_headers": {"apikey": "s3cret-2"},
    }
    config = logging_in(backend.base_url, **headers)
    async with GenericMirrorDB(config) as client:
        await read(client)
        await client.update_config(login_url=f"{other.base_url}/login")
        await read(client)
    at_backend, at_other = backend.requests[0].headers, other.requests[0].headers
    assert (at_backend["X-Tenant"], at_backend["apikey"]) == ("acme", "s3cret-2")
    assert at_backend["Accept"] == at_other["Accept"] == "application/json"
    assert not {"X-Tenant", "apikey", "Authorization", "Cookie"} & {*at_other}
    assert [request.headers["Authorization"] for request in backend.requests[1:]] == [
        "Bearer one",
        "Bearer two",
    ]


@pytest.mark.parametrize("shared", [False, True])
async def test_the_login_endpoint_is_checked_as_the_backend_is(
    answering: Answering,
    server_tls: ssl.SSLContext,
    ca_file: str,
    caplog: pytest.LogCaptureFixture,
    shared: bool,
) -> None:
    """By ``verify``, also where the backend itself speaks no TLS."""
    logins = await answering(*map(as_access_token, "ab"), ssl_context=server_tls)
    backend = await answering(web.json_response(1), web.json_response(2))
    config = logging_in(backend.base_url, login_url=f"{logins.base_url}/login", verify=ca_file)
    async with GenericMirrorDB(config, share_connections=shared) as client:
        assert await read(client) == 1
    async with GenericMirrorDB(config.changed({"verify": True}), share_connections=shared) as client:
        with pytest.raises(TLSError, match=f"the certificate of {logins.base_url} was refused"):
            await read(client)
    async with GenericMirrorDB(config.changed({"verify": False}), share_connections=shared) as client:
        assert await read(client) == 2
    assert "of the login endpoint are not verified" in caplog.text


COOKIES = in_cookies(
    "lang=en; Path=/", "session=; Max-Age=0", 'session="{token}/=" ; HttpOnly', "sessions=no"
)
SESSION = {"token_cookie": "session"}


@pytest.mark.parametrize(
    ("respond", "settings", "name", "value"),
    [
        (as_access_token, {}, "Authorization", "Bearer t"),
        (as_access_token, {"key_prefix": "Token"}, "Authorization", "Token t"),
        (as_access_token, {"key_name": "Authorization"}, "Authorization", "t"),
        (as_access_token, {"key_name": "Authorization", "key_prefix": "JWT"}, "Authorization", "JWT t"),
        (as_access_token, {"key_name": "X-Vault-Token"}, "X-Vault-Token", "t"),
        (as_access_token, {"key_in": "cookie", "key_name": "sid"}, "Cookie", "sid=t"),
        (COOKIES, SESSION, "Cookie", 'session="t/="'),
        (COOKIES, {**SESSION, "key_in": "cookie"}, "Cookie", 'session="t/="'),
        (COOKIES, {**SESSION, "key_name": "X-Session"}, "X-Session", '"t/="'),
    ],
)
async def test_where_a_token_goes(
    answering: Answering,
    respond: Respond,
    settings: dict[str, Any],
    name: str,
    value: str,
) -> None:
    """By default behind "Bearer" (RFC 6750), a cookie as it came; a name alone brings no prefix."""
    backend = await answering(respond("t"), web.json_response({}))
    async with GenericMirrorDB(logging_in(backend.base_url, **settings)) as client:
        await read(client)
    sent = backend.requests[1].headers
    assert {one: sent.get(one) for one in ("Authorization", "Cookie", name)} == {
        **dict.fromkeys(("Authorization", "Cookie")),
        name: value,
    }


async def test_a_token_in_the_query(answering: Answering) -> None:
    """It is on the wire alone, and in no error."""
    backend = await answering(as_access_token("t/o+ken"), web.json_response("t%2Fo%2Bken", status=404))
    config = logging_in(backend.base_url, key_in="query", key_name="access_token")
    async with GenericMirrorDB(config) as client:
        with pytest.raises(MirrorDBError) as caught:
            await read(client)
    assert backend.lines[1] == "GET /api/users?access_token=t%2Fo%2Bken"
    assert not [text for text in texts_of(caught.value) if "o%2Bken" in text or "o+ken" in text]


# -- one login for all ---------------------------------------------------------------------------


@pytest.mark.parametrize("expired", [401, 403])
async def test_fifty_refused_requests_log_in_once(serve: Serve, expired: int) -> None:
    """Airflow's own API refuses an old token by 403; no request fails, not even a create."""
    server = LoginServer()
    server.expired = expired
    config = logging_in(await serve(server.app), auth_statuses=[401, 403])
    async with GenericMirrorDB(config) as client:
        assert {*await asyncio.gather(*(read(client) for _ in range(50)))} == {f"{TOKEN}-0"}
        assert len(server.logins) == 1
        server.valid.clear()
        writes = (client.create_function("new", "api/users", {}) for _ in range(50))
        assert {*await asyncio.gather(*writes)} == {f"{TOKEN}-1"}
    assert len(server.logins) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 422])
async def test_fifty_requests_send_a_wrong_password_once(serve: Serve, status: int) -> None:
    """Those that waited for its login fail with it: a backend may lock who is wrong too often."""
    server = LoginServer()
    server.refusal = status
    config = logging_in(await serve(server.app), api_key="wr0ng-p4ss")
    async with GenericMirrorDB(config) as client:
        outcomes = await asyncio.gather(*(read(client) for _ in range(50)), return_exceptions=True)
        assert len(server.logins) == 1
        for outcome in outcomes:
            assert isinstance(outcome, MirrorDBError)
            assert (getattr(outcome, "status", 0), outcome.retryable) == (status, False)
            assert re.search(
                r"Login and Password were refused: \d+ .*: wrong: .*\(POST \S+/login, the login_url\)",
                str(outcome),
            )
            assert not [text for text in texts_of(outcome) if "wr0ng" in text]
        await client.update_api_key(PASSWORD)
        assert await read(client) == f"{TOKEN}-0"


@pytest.mark.parametrize("found", [PASSWORD, "wr0ng-too", "wr0ng"])
@pytest.mark.parametrize("status", [400, 401, 403, 422])
async def test_a_refused_login_looks_the_password_up_once(serve: Serve, status: int, found: str) -> None:
    """It may have been rotated; another one is tried, the same one is not."""
    server = LoginServer()
    server.refusal = status
    looked_up = []

    async def look_up() -> Mapping[str, Any]:
        looked_up.append(found)
        return {"login": LOGIN, "api_key": found}

    config = logging_in(await serve(server.app), api_key="wr0ng")
    async with GenericMirrorDB(config, look_up=look_up) as client:
        outcomes = await asyncio.gather(*(read(client) for _ in range(20)), return_exceptions=True)
    assert [login["password"] for login in server.logins] == ["wr0ng", *([found] if found != "wr0ng" else [])]
    assert looked_up == [found]
    is_right = found == PASSWORD
    assert {type(outcome) for outcome in outcomes} == ({str} if is_right else {type(outcomes[0])})
    assert is_right is not isinstance(outcomes[0], MirrorDBError)


async def test_a_token_and_its_password_change_together(serve: Serve) -> None:
    """Under load: a thousand requests, none fails, and the old password is not tried again."""
    server = LoginServer()

    async def look_up() -> Mapping[str, Any]:
        return {"login": LOGIN, "api_key": server.password}

    slots, answered = asyncio.Semaphore(50), 0
    async with GenericMirrorDB(logging_in(await serve(server.app)), look_up=look_up) as client:

        async def one() -> None:
            nonlocal answered
            async with slots:
                await read(client)
            answered += 1
            if answered == 500:
                server.password = "an0ther"
                server.valid.clear()

        await asyncio.gather(*(one() for _ in range(1000)))
    assert [login["password"] for login in server.logins] == [PASSWORD, "an0ther"]


async def test_a_login_that_fails_in_passing_is_sent_again(answering: Answering) -> None:
    """It is repeatable, and a create that has no token yet was not sent."""
    backend = await answering(
        web.Response(status=503),
        web.Response(status=429, headers={"Retry-After": "7"}),
        as_access_token("t"),
        web.json_response({"id": 1}),
    )
    clock = FakeClock()
    async with GenericMirrorDB(logging_in(backend.base_url), clock=clock.as_clock()) as client:
        assert await client.create_function("new", "api/users", {}) == {"id": 1}
    assert backend.lines == [*["POST /login"] * 3, "POST /api/users"]
    assert clock.slept[1] == 7.0
    dead = logging_in(backend.base_url, login_url="http://127.0.0.1:1/login", max_attempts=2)
    async with GenericMirrorDB(dead) as client:
        with pytest.raises(
            ConnectError, match=r"the login gave no token: .*\(POST http://127.0.0.1:1/login, the"
        ):
            await client.create_function("new", "api/users", {})


async def test_requests_that_wait_for_a_login_fail_with_it_and_each_tries_again(serve: Serve) -> None:
    """A login endpoint in trouble is not asked by each of fifty requests, one after the other."""
    server = LoginServer()
    answers = iter([503, 503])

    def respond(token: str) -> web.Response:
        status = next(answers, None)
        return web.Response(status=status) if status else as_access_token(token)

    server.respond = respond
    clock = FakeClock()
    async with GenericMirrorDB(logging_in(await serve(server.app)), clock=clock.as_clock()) as client:
        assert len(await asyncio.gather(*(read(client) for _ in range(50)))) == 50
    assert len(server.logins) == 3


# -- in tasks ------------------------------------------------------------------------------------


async def test_a_trigger_logs_in_and_stores_nothing_of_it(
    scripted: ScriptedBackend, set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """As the hook does; neither its row, its event nor its log has the password or a token."""
    caplog.set_level("DEBUG")
    extra = {"auth_type": "login", "login_url": "login"}
    set_connection(scripted.url, login=LOGIN, password="s3cret-0f-n0body", extra=extra)
    for status, body in ((201, {"access_token": TOKEN}), (401, {"detail": f"old {TOKEN}"})):
        scripted.answer(status, body)
    scripted.answer(201, {"access_token": f"{TOKEN}-1"})
    scripted.answer(404, {"detail": f"not for {TOKEN}-1 or s3cret-0f-n0body"})
    request = MirrorDBRequest(method="GET", endpoint="api/users", method_name="read")
    left = arguments(request, Progress(deadline=time.time() + 60))
    trigger = MirrorDBTrigger(request=left["request"], progress=left["progress"])
    (event,) = [event async for event in trigger.run()]
    assert "not for *** or ***" in str(event.payload)
    assert scripted.requests == ["POST /login", "GET /api/users"] * 2
    shown = f"{trigger.serialize()}{event.payload}{trigger!r}{caplog.text}"
    assert TOKEN not in shown
    assert "s3cret-0f-n0body" not in shown
