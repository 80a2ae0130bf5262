"""What a token endpoint may answer, and what is made of it; section numbers are those of RFC 6749."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from airflow_mirrordb.client import AuthenticationError, GenericMirrorDB, MirrorDBError
from airflow_mirrordb.client.auth.tokens import MAX_ANSWER
from tests.integration.test_secrets_forms import answer, texts_of
from tests.support.clocks import FakeClock
from tests.support.raw_server import RawServer, listening

if TYPE_CHECKING:
    from tests.support.connections import ConfigFor

TOKEN = "SECRET-ACCESS-TOKEN-0123"
REFRESH = "SECRET-REFRESH-0123"


class TokenServer(RawServer):
    """Answers POST with ``tokens``, and any other request with its own Authorization."""

    tokens = b""

    async def _exchange(self, reader: Any, writer: Any) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        self.requests.append(head)
        sent = head.partition(b"Authorization: ")[2].split(b"\r\n")[0].decode()
        writer.write(self.tokens if head.startswith(b"POST") else answer(200, json.dumps(sent)))
        await writer.drain()
        return True

    @property
    def fetched(self) -> int:
        return len([head for head in self.requests if head.startswith(b"POST")])


@pytest.fixture
async def token_server() -> AsyncIterator[TokenServer]:
    async with listening(TokenServer()) as raw:
        yield raw


def oauth(config_for: ConfigFor, server: RawServer, **settings: Any) -> Any:
    url = f"{server.base_url}/token"
    own = {"auth_type": "oauth2", "oauth_url": url, "login": "id", "api_key": "client-s3cret"}
    return config_for(server.base_url, **{**own, **settings})


def token(**facts: Any) -> bytes:
    return json.dumps({"access_token": TOKEN, **facts}).encode()


# -- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 299])
async def test_any_success_may_bring_a_token(
    config_for: ConfigFor, token_server: TokenServer, status: int
) -> None:
    """Section 5.1 says 200; Ostrom, Harvest, Supabase and whatever runs on NestJS answer 201."""
    token_server.tokens = answer(status, token(expires_in=3600, refresh_token=REFRESH).decode())
    async with GenericMirrorDB(oauth(config_for, token_server)) as client:
        assert await client.read_function("read", "api/users") == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "value",
    [None, True, False, 7, 1.5, {"a": 1}, ["a"], [], {}, "", " ", "a\r\nX: y", "a\0b", "é", "\ud800", " a"],
)
async def test_what_is_no_token_is_never_sent(
    config_for: ConfigFor, token_server: TokenServer, value: Any
) -> None:
    """It is printable ASCII (appendix A.12), not "None" or "{'a': 1}"; nothing of the answer is quoted."""
    token_server.tokens = answer(200, json.dumps({"access_token": value, "refresh_token": REFRESH}))
    async with GenericMirrorDB(oauth(config_for, token_server)) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.create_function("create", "api/users", {})
    words = "the authorization server answered 200, but without an access_token that can be sent"
    asked = f" (asked for {token_server.base_url}/token, the oauth_url)"
    assert (caught.value.message, caught.value.retryable) == (f"{words}{asked}", False)
    assert (len(token_server.requests), token_server.fetched) == (1, 1)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b'"t"', b"<html>", b"\xff", b"access_token=t", b"[" * 10_000, b"{" * 5],
)
async def test_an_answer_without_a_token(
    config_for: ConfigFor, token_server: TokenServer, body: bytes
) -> None:
    """Of whatever kind it is."""
    token_server.tokens = answer(200)[:-4].replace(b": 0", b": %d" % len(body)) + b"\r\n\r\n" + body
    async with GenericMirrorDB(oauth(config_for, token_server)) as client:
        with pytest.raises(AuthenticationError, match="but without an access_token that can be sent"):
            await client.read_function("read", "api/users")


@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER", "BearerToken", "", " ", None, 7])
async def test_a_token_of_the_type_that_is_known(
    config_for: ConfigFor, token_server: TokenServer, kind: Any
) -> None:
    """In any case (section 5.1); servers leave it out, and Apigee says "BearerToken"."""
    token_server.tokens = answer(200, token(token_type=kind).decode())
    async with GenericMirrorDB(oauth(config_for, token_server)) as client:
        assert await client.read_function("read", "api/users") == f"Bearer {TOKEN}"


@pytest.mark.parametrize("kind", ["mac", "DPoP", "N_A", "pop"])
async def test_a_token_of_another_type_is_not_used(
    config_for: ConfigFor, token_server: TokenServer, kind: str
) -> None:
    """Section 7.1: a client must not use a token whose type it does not understand."""
    token_server.tokens = answer(200, token(token_type=kind).decode())
    async with GenericMirrorDB(oauth(config_for, token_server)) as client:
        with pytest.raises(AuthenticationError, match=r"with a token_type other than Bearer \(asked"):
            await client.read_function("read", "api/users")
    assert len(token_server.requests) == 1


async def test_an_answer_of_megabytes_is_refused(config_for: ConfigFor, token_server: TokenServer) -> None:
    """No header could carry what it might hold."""
    token_server.tokens = answer(200, token(scope="x" * MAX_ANSWER).decode())
    async with GenericMirrorDB(oauth(config_for, token_server)) as client:
        with pytest.raises(AuthenticationError, match="but with more than 1,048,576 bytes"):
            await client.read_function("read", "api/users")
        await client.update_config(max_response_bytes=1000)
        with pytest.raises(AuthenticationError, match="but the body is longer than max_response_bytes"):
            await client.read_function("read", "api/users")


# -- lifetimes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        *(
            "null",
            "true",
            "0",
            "-5",
            "-0.0",
            "0.001",
            '""',
            '"soon"',
            '"-5"',
            '"NaN"',
            '"1e3"',
            "{}",
            "[3600]",
        ),
        *("NaN", "-Infinity", "Infinity", "1e999", f"1{'0' * 400}", f"1{'0' * 5000}", f'"1{"0" * 400}"'),
    ],
)
async def test_a_lifetime_that_cannot_be_meant_counts_as_not_said(
    config_for: ConfigFor, token_server: TokenServer, written: str
) -> None:
    """It is recommended only (section 5.1). One token serves all requests, until a 401 refuses it."""
    token_server.tokens = answer(200, f'{{"access_token": "{TOKEN}", "expires_in": {written}}}')
    clock = FakeClock()
    async with GenericMirrorDB(oauth(config_for, token_server), clock=clock.as_clock()) as client:
        for _ in range(3):
            assert await client.read_function("read", "api/users") == f"Bearer {TOKEN}"
            clock.time += 10.0
    assert token_server.fetched == 1


@pytest.mark.parametrize("written", ["3600", "3600.0", '"3600"', '" 3600 "', '"3600.5"', "36e2"])
async def test_a_lifetime_is_kept(config_for: ConfigFor, token_server: TokenServer, written: str) -> None:
    """As a number, or as text, as Azure's older endpoint writes it; less a minute for what is on its way."""
    token_server.tokens = answer(200, f'{{"access_token": "{TOKEN}", "expires_in": {written}}}')
    clock = FakeClock()
    async with GenericMirrorDB(oauth(config_for, token_server), clock=clock.as_clock()) as client:
        for moment, fetched in ((0, 1), (3539, 1), (2, 2)):
            clock.time += moment
            await client.read_function("read", "api/users")
            assert token_server.fetched == fetched


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 403, 429, 500, 503, 520])
async def test_nothing_of_a_token_answer_is_quoted(
    config_for: ConfigFor, token_server: TokenServer, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Nor of its headers, save what section 5.2 has for people, and that without tokens and in one line."""
    caplog.set_level(logging.DEBUG)
    body = {
        "token": TOKEN,
        "message": f"{REFRESH} in words",
        "refresh_token": REFRESH,
        "error": "invalid_client",
        "error_description": f"unknown\n client {REFRESH}\x1b[1m client-s3cret {'x' * 2000}",
        "error_uri": f"https://login.example/why?session={TOKEN}",
        "detail": [TOKEN],
    }
    headers = [f"Location: https://login.example/{TOKEN}", f"X-Request-ID: {TOKEN}", f"Content-Type: {TOKEN}"]
    token_server.tokens = answer(status, json.dumps(body), *headers)
    async with GenericMirrorDB(oauth(config_for, token_server, max_attempts=2)) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/users")
    assert "unknown client *** [1m *** xxx" in caught.value.message
    assert "(https://login.example/why?…)" in caught.value.message
    assert len(caught.value.message) < 1500
    assert getattr(caught.value, "code", None) == (None if status < 300 else "invalid_client")
    told = [*texts_of(caught.value), caplog.text]
    assert not [text for text in told if TOKEN in text or REFRESH in text or "in words" in text]


@pytest.mark.parametrize(
    ("error", "description", "words"),
    [
        ("invalid_scope", None, "400 Bad Request: invalid_scope$"),
        (None, "only words", "400 Bad Request: only words$"),
        ({"a": 1}, ["x"], "400 Bad Request$"),
        ("\ud800", "\ud800 a", "400 Bad Request: a$"),
    ],
)
async def test_the_words_of_an_error(
    config_for: ConfigFor, token_server: TokenServer, error: Any, description: Any, words: str
) -> None:
    """As far as they are text."""
    token_server.tokens = answer(400, json.dumps({"error": error, "error_description": description}))
    async with GenericMirrorDB(oauth(config_for, token_server)) as client:
        with pytest.raises(MirrorDBError, match=f"the authorization server refused a token: {words}"):
            await client.read_function("read", "api/users")


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_who_refuses_no_token_may_be_no_token_endpoint(
    config_for: ConfigFor, token_server: TokenServer, status: int
) -> None:
    """A refusal is 400 or 401 (section 5.2); of any other answer the URL is told, and who says it."""
    token_server.tokens = answer(status)
    async with GenericMirrorDB(oauth(config_for, token_server, max_attempts=1)) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/users")
    assert caught.value.message.startswith(f"the authorization server answered {status} ")
    assert f" (asked for {token_server.base_url}/token, the oauth_url)" in caught.value.message


async def test_a_refusal_says_when_to_come_back(config_for: ConfigFor, token_server: TokenServer) -> None:
    """As that of any other server: its Retry-After is waited for."""
    token_server.tokens = answer(503, "", "Retry-After: 7")
    clock = FakeClock()
    async with GenericMirrorDB(
        oauth(config_for, token_server, max_attempts=2),
        clock=clock.as_clock(),
    ) as client:
        with pytest.raises(MirrorDBError):
            await client.read_function("read", "api/users")
    assert (clock.slept, token_server.fetched) == ([7.0], 2)


async def test_a_redirect_of_the_token_endpoint(config_for: ConfigFor, token_server: TokenServer) -> None:
    """It is not followed, and the error says what to do."""
    token_server.tokens = answer(302, "", "Location: https://login.example/other")
    async with GenericMirrorDB(oauth(config_for, token_server)) as client:
        with pytest.raises(MirrorDBError, match="was not followed: set oauth_url to where it leads"):
            await client.read_function("read", "api/users")
