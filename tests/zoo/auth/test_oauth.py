"""Tokens of OAuth 2.0, asked for as authorization servers want it, and renewed once for all requests."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBError
from tests.support.clocks import FakeClock
from tests.zoo.auth import assertion_ways, oauth_ways
from tests.zoo.auth.assertion_ways import ENTRA, KEYCLOAK, SALESFORCE_JWT
from tests.zoo.auth.authorizing import RECORDS, Refused, TokenRequest, with_basic, with_post
from tests.zoo.auth.oauth_running import Running, secrets_of
from tests.zoo.auth.oauth_ways import (
    AUTH0,
    KEYCLOAK_PASSWORD,
    SECRET,
    STANDARD,
    OAuthWay,
)
from tests.zoo.auth.seen import assert_hidden, logged, shown_by, texts_of
from tests.zoo.auth.signing import SigningKeys

each_way = pytest.mark.parametrize(
    "way", [pytest.param(way, id=way.name) for way in (*oauth_ways.WAYS, *assertion_ways.WAYS)]
)
LOAD = 1000
UNSET = dict.fromkeys(("auth_type", "oauth_url", "scope", "login"))


@each_way
async def test_a_token_is_asked_for_as_it_is_wanted(
    way: OAuthWay, running: Running, keys: SigningKeys, caplog: pytest.LogCaptureFixture
) -> None:
    """Exactly as the page says that :attr:`OAuthWay.source` names; fifty requests share it."""
    server = running.server(way)
    async with running.client(way, server) as client:
        reads = (client.read_function("read", "api/things") for _ in range(50))
        assert await asyncio.gather(*reads) == [RECORDS] * 50
        assert_hidden(secrets_of(server, keys), [*logged(caplog), *await shown_by(client)])
    assert (len(server.asked), server.admitted, server.refused) == (1, 50, 0)


@each_way
def test_a_token_by_the_hook(
    way: OAuthWay, running: Running, hook: Any, keys: SigningKeys, caplog: pytest.LogCaptureFixture
) -> None:
    """Login, Password and extras of a connection are enough."""
    server = running.server(way)
    with hook(way, server) as opened:
        assert opened.read("api/things") == RECORDS
        assert opened.create("api/things", {"id": 3}) == RECORDS
    assert (len(server.asked), server.refused) == (1, 0)
    assert_hidden(secrets_of(server, keys), logged(caplog))


@each_way
async def test_what_is_wrong_is_told_in_words(
    way: OAuthWay, running: Running, keys: SigningKeys, caplog: pytest.LogCaptureFixture
) -> None:
    """They are the authorization server's own (RFC 6749, section 5.2); no secret is among them."""
    server = running.server(way)
    async with running.client(way, server, wrong=True) as client:
        with pytest.raises(MirrorDBError, match="authorization server") as caught:
            await client.create_function("new", "api/things", {})
        assert way.words in str(caught.value)
        assert not caught.value.retryable
        assert not caught.value.maybe_applied
        shown = [*texts_of(caught.value), *logged(caplog), *await shown_by(client)]
        assert_hidden(secrets_of(server, keys), shown)
    assert (len(server.asked), server.seen) == (1, [])


@each_way
def test_the_connection_test_tells_what_is_wrong(
    way: OAuthWay, running: Running, hook: Any, keys: SigningKeys, caplog: pytest.LogCaptureFixture
) -> None:
    """And, where nothing is, that the key is right."""
    server = running.server(way)
    server.now = time.time  # the test of a connection makes a client of its own
    assert hook(way, server).test_connection()[0]
    worked, message = hook(way, server, wrong=True).test_connection()
    assert not worked
    assert way.words in message
    assert_hidden(secrets_of(server, keys), [message, *logged(caplog)])


@each_way
async def test_a_token_is_renewed_before_it_ends(way: OAuthWay, running: Running, clock: FakeClock) -> None:
    """Half a minute before, so that no request meets a 401; the next one shares the new one."""
    server = running.server(way)
    if server.lifetime is None:
        pytest.skip("its tokens do not say when they end")
    async with running.client(way, server) as client:
        for passed in (0.0, 1.0, server.lifetime - 31.0, 1.0):
            clock.time += passed
            await client.read_function("read", "api/things")
    assert (len(server.asked), server.refused) == (2, 0)


@each_way
async def test_a_token_that_is_revoked_is_renewed_once(way: OAuthWay, running: Running) -> None:
    """Fifty requests at once meet the 401 (RFC 6750, section 3.1); a signed assertion is made anew."""
    server = running.server(way)
    async with running.client(way, server) as client:
        await client.read_function("read", "api/things")
        server.revoke()
        reads = (client.read_function("read", "api/things") for _ in range(50))
        assert await asyncio.gather(*reads) == [RECORDS] * 50
    assert (len(server.asked), server.admitted) == (2, 51)
    assert 1 <= server.refused <= 50


@pytest.mark.parametrize("way", [AUTH0, KEYCLOAK, SALESFORCE_JWT], ids=lambda way: way.name)
async def test_a_token_that_is_revoked_in_the_middle_of_a_thousand_requests(
    way: OAuthWay, running: Running
) -> None:
    """No request fails, and two tokens are asked for in all."""
    server = running.server(way)
    server.revoke_after = LOAD // 2
    slots = asyncio.Semaphore(50)
    async with running.client(way, server) as client:

        async def read() -> None:
            async with slots:
                assert await client.read_function("read", "api/things") == RECORDS

        await asyncio.gather(*(read() for _ in range(LOAD)))
    assert (len(server.asked), server.admitted) == (2, LOAD)


@pytest.mark.parametrize("way", [STANDARD, AUTH0], ids=lambda way: way.name)
async def test_a_client_secret_that_rotates_is_looked_up_once(way: OAuthWay, running: Running) -> None:
    """The token was revoked with it: who is refused a new one looks the secret up, once for all."""
    server = running.server(way)
    settings, changed = running.settings(way, server), f"changed-{SECRET}"
    look_ups: list[int] = []

    async def look_up() -> dict[str, Any]:
        look_ups.append(1)
        return {"login": settings["login"], "api_key": changed}

    async with running.client(way, server, look_up=look_up) as client:
        await client.read_function("read", "api/things")
        server.rules[0] = (with_basic if way is STANDARD else with_post)(settings["login"], changed)
        server.revoke()
        reads = (client.read_function("read", "api/things") for _ in range(20))
        assert await asyncio.gather(*reads) == [RECORDS] * 20
    assert (len(look_ups), len(server.issued)) == (1, 2)


async def test_a_token_of_a_minute_serves_more_than_one_request(running: Running, clock: FakeClock) -> None:
    """Keycloak's master realm gives tokens of 60 s (Access Token Lifespan): each is used for most of it."""
    server = running.server(KEYCLOAK_PASSWORD)
    server.lifetime = 60
    async with running.client(KEYCLOAK_PASSWORD, server) as client:
        for _ in range(20):
            await client.read_function("read", "api/things")
        assert len(server.asked) == 1
        clock.time += 61
        await client.read_function("read", "api/things")
    assert (len(server.asked), server.refused) == (2, 0)


@pytest.mark.parametrize(
    "way", [AUTH0, STANDARD, KEYCLOAK_PASSWORD, ENTRA, SALESFORCE_JWT], ids=lambda way: way.name
)
async def test_a_server_that_repeats_what_it_was_asked(
    way: OAuthWay, running: Running, keys: SigningKeys, caplog: pytest.LogCaptureFixture
) -> None:
    """In its words, form-encoded and not: no secret and no signed assertion of them is shown."""
    server = running.server(way)

    def repeat(request: TokenRequest) -> None:
        raise Refused("invalid_request", f"cannot read {request.form} {request.authorization}")

    server.rules.insert(0, repeat)
    async with running.client(way, server) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/things")
    assert_hidden(secrets_of(server, keys), [*texts_of(caught.value), *logged(caplog)])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"grant_type": "authorization_code"}, "grant_type"),
        ({"grant_type": "implicit"}, "grant_type"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({"token_params": ["audience"]}, "token_params"),
        ({"token_params": {"grant_type": "password"}}, "token_params"),
        ({"token_params": {"client_secret": "another-s3cret"}}, "token_params"),
        ({**UNSET, "grant_type": "password"}, "grant_type"),
        ({**UNSET, "token_params": {"a": "b"}}, "token_params"),
    ],
)
def test_a_setting_that_cannot_be_meant(changes: dict[str, Any], named: str, keys: SigningKeys) -> None:
    """It is refused by name, and no secret is told."""
    settings = {**STANDARD.client("https://backend.example", keys), **changes}
    known = {name: value for name, value in settings.items() if value is not None}
    with pytest.raises(MirrorDBError) as caught:
        GenericMirrorDB(known)
    assert named in str(caught.value)
    assert_hidden([SECRET, "another-s3cret"], texts_of(caught.value))
