"""Tokens of login endpoints: asked for once for all requests, shown as the backend wants, asked for again."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.clocks import FakeClock
from tests.zoo.auth.logging_in import RECORDS, LoginServer, LoginWay, opaque
from tests.zoo.auth.login_ways import (
    AIRFLOW,
    AZURE_MOMENT,
    COUCHDB,
    DIRECTUS,
    DJANGO_TOKEN,
    MATRIX,
    PASSWORD,
    SIMPLE_JWT,
    STRAPI,
    USER,
    VAULT,
    WAYS,
)
from tests.zoo.auth.names import TINY, Connect, Serving
from tests.zoo.auth.seen import assert_hidden, logged, shown_by, texts_of

each_way = pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in WAYS])
LOAD = 1000
NEW_PASSWORD = "an0ther-p4ssw0rd-0f-the-c4nary"


class Running:
    """Starts the backend of a way, and makes clients for it, on one clock."""

    def __init__(self, serving: Serving, clock: FakeClock) -> None:
        self._serving, self.clock = serving, clock

    def server(self, way: LoginWay) -> LoginServer:
        server = LoginServer(way, self.clock.now)
        server.origin = self._serving(server.application())
        return server

    def settings(self, server: LoginServer, **changes: Any) -> dict[str, Any]:
        extra = json.loads(json.dumps(server.way.extra).replace("$origin", server.origin))
        own = {"base_url": server.origin + server.way.base, "login": USER, "api_key": PASSWORD}
        return {**own, "auth_type": "login", **TINY, **extra, **changes}

    def client(self, server: LoginServer, *, look_up: Any = None, **changes: Any) -> GenericMirrorDB:
        settings = self.settings(server, **changes)
        return GenericMirrorDB(settings, clock=self.clock.as_clock(), look_up=look_up)


@pytest.fixture
def running(serving: Serving, clock: FakeClock) -> Running:
    return Running(serving, clock)


@pytest.fixture
def hook(connect: Connect, running: Running, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what makes the hook of a backend's connection, on its clock."""
    clock = running.clock.as_clock()
    monkeypatch.setattr(
        "airflow_mirrordb.hooks.connected.GenericMirrorDB", partial(GenericMirrorDB, clock=clock)
    )

    def make(server: LoginServer, **changes: Any) -> MirrorDBHook:
        settings = running.settings(server, test_endpoint=server.way.endpoint, **changes)
        fields = {"login": settings.pop("login"), "password": settings.pop("api_key")}
        connect(settings.pop("base_url"), extra=settings, **fields)
        return MirrorDBHook()

    return make


def secrets_of(server: LoginServer) -> list[str]:
    return [PASSWORD, NEW_PASSWORD, "r3fresh-0f-c4nary", f"wrong-{PASSWORD}", *server.issued]


@each_way
async def test_a_login_serves_all_requests(
    way: LoginWay, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """It is sent as the page says that :attr:`LoginWay.source` names, and the token is shown so, once."""
    server = running.server(way)
    async with running.client(server) as client:
        reads = (client.read_function("read", way.endpoint) for _ in range(50))
        assert await asyncio.gather(*reads) == [RECORDS] * 50
        assert await client.create_function("new", way.endpoint, {"id": 3}) == RECORDS
        assert_hidden(secrets_of(server), [*logged(caplog), *await shown_by(client)])
    assert (len(server.logins), server.admitted, server.refused) == (1, 51, 0)


@each_way
def test_a_login_by_the_hook(
    way: LoginWay, running: Running, hook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Login, Password and extras of a connection are enough; its test says that they are right."""
    server = running.server(way)
    with hook(server) as opened:
        assert opened.read(way.endpoint) == RECORDS
    assert hook(server).test_connection()[0]
    assert server.refused == 0
    assert_hidden(secrets_of(server), logged(caplog))


@each_way
async def test_a_wrong_password_is_told_in_words(
    way: LoginWay, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """They are the backend's own; nothing is sent to the API, and no secret is shown."""
    server = running.server(way)
    async with running.client(server, api_key=f"wrong-{PASSWORD}") as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.create_function("new", way.endpoint, {})
        assert way.words in str(caught.value)
        assert (caught.value.retryable, caught.value.maybe_applied) == (False, False)
        assert_hidden(secrets_of(server), [*texts_of(caught.value), *logged(caplog), *await shown_by(client)])
    assert (len(server.logins), server.seen) == (1, [])


@each_way
def test_a_wrong_password_in_the_connection_test(
    way: LoginWay, running: Running, hook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what the backend said, and that it was the login."""
    server = running.server(way)
    worked, message = hook(server, api_key=f"wrong-{PASSWORD}").test_connection()
    assert not worked
    assert way.words in message
    assert_hidden(secrets_of(server), [message, *logged(caplog)])


@each_way
async def test_a_token_is_renewed_before_it_ends(way: LoginWay, running: Running) -> None:
    """Its end is told by a member of the answer, by the JWT itself, or by the settings."""
    server = running.server(way)
    if way.lifetime is None:
        pytest.skip("its tokens do not say when they end")
    async with running.client(server) as client:
        for passed in (0.0, 1.0, way.lifetime - 22.0, 1.0):
            running.clock.time += passed
            await client.read_function("read", way.endpoint)
    assert (len(server.logins), server.refused) == (2, 0)


@pytest.mark.parametrize(
    ("way", "changes"),
    [
        pytest.param(DIRECTUS, {"token_expires": "data.expires"}, id="milliseconds, and the JWT's own end"),
        pytest.param(COUCHDB, {"token_expires": 300}, id="sooner than the cookie's"),
        pytest.param(AIRFLOW, {"token_expires": "3600"}, id="as text"),
        pytest.param(MATRIX, {"token_expires": 1000}, id="of a token that does not say it"),
    ],
)
async def test_an_end_that_is_told_twice(way: LoginWay, running: Running, changes: dict[str, Any]) -> None:
    """What comes first holds: no request meets the refusal of a token that ended."""
    server = running.server(way)
    told = changes["token_expires"]
    ends = float(way.lifetime or 0) if told == "data.expires" else float(told)
    async with running.client(server, **changes) as client:
        for passed in (0.0, ends - 20.0):
            running.clock.time += passed
            await client.read_function("read", way.endpoint)
    assert (len(server.logins), server.refused) == (2, 0)


@each_way
async def test_a_token_that_is_revoked_is_asked_for_once(way: LoginWay, running: Running) -> None:
    """Fifty requests at once meet the refusal, with the status that the backend says it by."""
    server = running.server(way)
    async with running.client(server) as client:
        await client.read_function("read", way.endpoint)
        server.revoke()
        reads = (client.read_function("read", way.endpoint) for _ in range(50))
        assert await asyncio.gather(*reads) == [RECORDS] * 50
    assert (len(server.logins), server.admitted) == (2, 51)
    assert 1 <= server.refused <= 50


@pytest.mark.parametrize("way", [AIRFLOW, COUCHDB, AZURE_MOMENT], ids=lambda way: way.name)
async def test_a_token_that_is_revoked_in_the_middle_of_a_thousand_requests(
    way: LoginWay, running: Running
) -> None:
    """In a header, a cookie and the query: no request fails, and two logins are sent in all."""
    server = running.server(way)
    server.revoke_after = LOAD // 2
    slots = asyncio.Semaphore(50)
    async with running.client(server) as client:

        async def read() -> None:
            async with slots:
                assert await client.read_function("read", way.endpoint) == RECORDS

        await asyncio.gather(*(read() for _ in range(LOAD)))
    assert (len(server.logins), server.admitted) == (2, LOAD)


@pytest.mark.parametrize(
    "expired", [(401, "Token Expired"), (401, "Not authenticated"), (403, "Invalid JWT token")]
)
async def test_each_of_airflows_refusals_logs_in_again(running: Running, expired: tuple[int, str]) -> None:
    """The three that airflow.api_fastapi.core_api.security has; also for a create, which was not applied."""
    server = running.server(AIRFLOW)
    server.expired = expired[0], {"detail": expired[1]}
    async with running.client(server) as client:
        await client.read_function("read", "pools")
        server.revoke()
        assert await client.create_function("new", "pools", {"name": "p", "slots": 1}) == RECORDS
    assert (len(server.logins), server.refused) == (2, 1)


async def test_what_a_user_may_not_do_is_no_reason_to_log_in_for_ever(running: Running) -> None:
    """Airflow says 403 (Forbidden) of that, too: one more login, one more try, and the error."""
    server = running.server(AIRFLOW)
    server.expired = 403, {"detail": "Forbidden"}
    async with running.client(server) as client:
        await client.read_function("read", "pools")
        server.forbids = True
        with pytest.raises(MirrorDBError, match="Forbidden") as caught:
            await client.read_function("read", "pools")
    assert type(caught.value).__name__ == "ForbiddenError"
    assert (len(server.logins), server.refused) == (2, 2)


@pytest.mark.parametrize("way", [STRAPI, SIMPLE_JWT, VAULT, COUCHDB], ids=lambda way: way.name)
async def test_a_password_that_rotates_is_looked_up_once(way: LoginWay, running: Running) -> None:
    """The token ended and the login with the old password is refused: the new one is where it is kept."""
    server = running.server(way)
    look_ups = []

    async def look_up() -> dict[str, Any]:
        look_ups.append(1)
        return {"login": USER, "api_key": NEW_PASSWORD}

    async with running.client(server, look_up=look_up) as client:
        await client.read_function("read", way.endpoint)
        server.sent = json.loads(json.dumps(way.sent).replace(json.dumps(PASSWORD)[1:-1], NEW_PASSWORD))
        server.revoke()
        reads = (client.read_function("read", way.endpoint) for _ in range(20))
        assert await asyncio.gather(*reads) == [RECORDS] * 20
    assert len(look_ups) == 1
    assert len(server.issued) == 2


async def test_a_password_that_rotates_in_the_connection(running: Running, hook: Any) -> None:
    """The client of a hook that is at work takes it from there."""
    server = running.server(SIMPLE_JWT)
    opened = hook(server)
    async with opened as client:
        await client.read_function("read", "api/things")
        server.sent = {"username": USER, "password": NEW_PASSWORD}
        server.revoke()
        hook(server, api_key=NEW_PASSWORD)
        assert await client.read_function("read", "api/things") == RECORDS
    assert len(server.issued) == 2


async def test_a_login_that_fails_in_passing_is_sent_again(running: Running) -> None:
    """A 503 of the login makes no write ambiguous: it was never sent."""
    server = running.server(STRAPI)
    server.fails = 2
    async with running.client(server) as client:
        assert await client.create_function("new", "api/things", {}) == RECORDS
    assert (len(server.logins), server.admitted) == (3, 1)
    server.fails = 100
    server.revoke()
    async with running.client(server, max_attempts=2) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.create_function("new", "api/things", {})
    assert (caught.value.retryable, caught.value.maybe_applied) == (True, False)


# -- answers without a token ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"token": None},
        {"token": ""},
        {"token": 7},
        {"token": {"value": "x"}},
        {"token": "a\r\nX-Evil: 1"},
        {"access_token": "t0ken-0f-the-c4nary-9999"},
        {"detail": "second factor needed"},
        [],
    ],
    ids=str,
)
async def test_an_answer_without_a_token_is_told(
    running: Running, caplog: pytest.LogCaptureFixture, body: Any
) -> None:
    """Where it was looked for is said; nothing is sent without one, and nothing of the answer is shown."""

    def answer(_token: str, _now: float, _lifetime: float) -> web.Response:
        return web.json_response(body)

    server = running.server(replace(DJANGO_TOKEN, answer=answer))
    async with running.client(server) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.create_function("new", "api/things", {})
    assert "token" in str(caught.value)
    assert not caught.value.retryable
    assert server.seen == []
    assert_hidden(["t0ken-0f-the-c4nary-9999", "X-Evil"], [*texts_of(caught.value), *logged(caplog)])


async def test_a_login_that_sets_no_cookie_is_told(running: Running) -> None:
    """The name of the cookie is said."""
    server = running.server(COUCHDB)
    async with running.client(server, token_cookie="AuthSessionn") as client:
        with pytest.raises(MirrorDBError, match="AuthSessionn"):
            await client.read_function("read", "api/things")
    assert server.seen == []


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_no_redirect_takes_a_password_along(running: Running, serving: Serving, status: int) -> None:
    """It is not followed, wherever it leads, and the error says so."""
    logins = []

    async def take(request: web.Request) -> web.Response:
        logins.append(await request.text())
        return web.json_response({"token": opaque(0, 0, 0)})

    thief = web.Application()
    thief.router.add_route("*", "/{path:.*}", take)
    elsewhere = serving(thief)
    moved = web.Application()

    async def move(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{elsewhere}/login"})

    moved.router.add_route("*", "/{path:.*}", move)
    server = running.server(DJANGO_TOKEN)
    async with running.client(server, login_url=f"{serving(moved)}/login") as client:
        with pytest.raises(MirrorDBError, match="was not followed"):
            await client.read_function("read", "api/things")
    assert (logins, server.seen) == ([], [])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"login_url": None}, "login_url"),
        ({"login": None}, "login"),
        ({"api_key": None}, "api_key"),
        ({"login_body": {"username": "etl", "password": "x"}}, "login_body"),
        ({"login_body": ["{login}"]}, "login_body"),
        ({"login_content_type": "text/plain"}, "login_content_type"),
        ({"token_expires": -1}, "token_expires"),
        ({"token_path": "data[", "token_cookie": None}, "token_path"),
        ({"key_in": "cookie"}, "key_name"),
        ({"auth_type": "bearer"}, "login_url"),
    ],
)
def test_a_setting_that_cannot_be_meant(running: Running, changes: dict[str, Any], named: str) -> None:
    """It is refused by name."""
    settings = {**running.settings(running.server(MATRIX)), **changes}
    known = {name: value for name, value in settings.items() if value is not None}
    with pytest.raises(MirrorDBError) as caught:
        GenericMirrorDB(known)
    assert named in str(caught.value)
    assert_hidden([PASSWORD], texts_of(caught.value))
