"""What a login endpoint may answer: no token, when a token ends, and what is said of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import airflow_mirrordb
from airflow_mirrordb.client import (
    AuthenticationError,
    ForbiddenError,
    GenericMirrorDB,
    MirrorDBConfig,
    MirrorDBError,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.integration.test_connection_test_words import KEY, PAGE, failure
from tests.integration.test_secrets_forms import texts_of
from tests.support.backends import Answering, ScriptedBackend
from tests.support.clocks import FakeClock
from tests.support.connections import SetConnection
from tests.support.logins import TOKEN, as_access_token, in_cookies, logging_in, read

SESSION = {"token_cookie": "session"}

# -- answers without a token ---------------------------------------------------------------------

HTML = {"text": "<!doctype html><title>Welcome</title>", "content_type": "text/html"}
TOKENS = {"data": {"jwt": "s3cret-token-of-n0body", "refresh_token": "s3cret-refresh"}, "id": "s3cret-id"}

UNSENDABLE: Any = (
    {"json": {"access_token": " s3cret-\n"}},
    {},
    "but what is at token_path 'access_token' cannot be sent as a token",
)
UNSENDABLE_AS_COOKIE: Any = (
    {"json": {"access_token": "s3cret;x"}},
    {"key_in": "cookie", "key_name": "s"},
    "cannot be sent as a token",
)
REFUSED: Any = (
    {
        "status": 400,
        "json": {"error": {"message": "Invalid identifier s3cret-token-of-n0body"}, **TOKENS},
    },
    {},
    "Login and Password were refused: 400 Bad Request: Invalid identifier *** (POST",
)


@pytest.mark.parametrize(
    ("answer", "settings", "words"),
    [
        ({"json": {}}, {}, "answered 200, but without a token at token_path 'access_token' (POST"),
        (
            {"json": TOKENS},
            {},
            "at token_path 'access_token'; did you mean 'data.jwt' or 'data.refresh_token'? (POST",
        ),
        (
            {"json": TOKENS},
            {"token_path": "data"},
            "but what is at token_path 'data' cannot be sent as a token",
        ),
        UNSENDABLE,
        UNSENDABLE_AS_COOKIE,
        ({"json": TOKENS}, {"token_path": "length(id, id)"}, None),
        ({"json": {}}, {"token_path": "length(id)"}, "but token_path cannot be followed there: "),
        (HTML, {}, "answered 200, but with a page for people, and no token in it (POST"),
        ({"text": "s3cret-0"}, {}, "answered 200, but with a body that is no JSON, and no token in it"),
        ({"status": 204}, {}, "answered 204, but with a body that is no JSON"),
        ({"json": TOKENS}, SESSION, "but without the cookie session (token_cookie); it sets none"),
        (
            {"headers": {"Set-Cookie": "sid=s3cret-session; Path=/"}},
            SESSION,
            "but without the cookie session (token_cookie); it sets sid (",
        ),
        (
            {"json": ["x" * 2000]},
            {"max_response_bytes": 1000},
            "but the body is longer than max_response_bytes",
        ),
        ({"status": 404, **HTML}, {}, "the login was answered 404 Not Found: Welcome"),
        (
            {"status": 301, "headers": {"Location": "https://backend.example/login/?token=s3cret-1"}},
            {},
            "the redirect was not followed: set login_url with a slash at its end",
        ),
        (
            {"status": 301, "headers": {"Location": "/login"}},
            {"login_url": "login/"},
            "the redirect was not followed: set login_url without the slash at its end",
        ),
        (
            {"status": 302, "headers": {"Location": "https://sso.example/s3cret-1"}},
            {},
            "the login was answered 302 Found",
        ),
        REFUSED,
        (
            {"status": 429, "headers": {"Retry-After": "3600"}},
            {"max_elapsed": 1},
            "the login was answered 429 Too Many Requests",
        ),
    ],
)
async def test_an_answer_without_a_token_is_told(
    answering: Answering,
    caplog: pytest.LogCaptureFixture,
    answer: dict[str, Any],
    settings: dict[str, Any],
    words: str | None,
) -> None:
    """In words that name ``login_url``; nothing goes to the API, and no secret of the answer is shown."""
    caplog.set_level("DEBUG")
    facts: dict[str, Any] = {name: value for name, value in answer.items() if name != "json"}
    if "json" in answer:
        facts |= {"body": json.dumps(answer["json"]), "content_type": "application/json"}
    backend = await answering(web.Response(**facts))
    if words is None:
        with pytest.raises(MirrorDBError, match="token_path"):
            logging_in(backend.base_url, **settings)
        return
    async with GenericMirrorDB(logging_in(backend.base_url, max_attempts=1, **settings)) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.create_function("new", "api/users", {})
    assert words in str(caught.value)
    assert f"{backend.base_url}/login" in str(caught.value)
    assert "login_url" in str(caught.value)
    assert not [text for text in [*texts_of(caught.value), caplog.text] if "s3cret" in text]
    assert len(backend.requests) == 1


# -- when a token ends ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "settings"),
    [
        ({}, {"token_expires": 600}),
        ({}, {"token_expires": "600"}),
        ({"data": {"expires_in": "600"}}, {"token_expires": "data.expires_in"}),
        ({"expires": 1_700_000_600}, {"token_expires": "expires"}),
        ({"expires": 1_700_000_600_000}, {"token_expires": "expires"}),
        ({"expires": "2023-11-14T22:23:20.1234567Z"}, {"token_expires": "expires"}),
        ({"expires": "2023-11-14T23:23:20+01:00"}, {"token_expires": "expires"}),
    ],
)
async def test_a_token_is_renewed_before_it_ends(
    answering: Answering, facts: dict[str, Any], settings: dict[str, Any]
) -> None:
    """After ten minutes less one, for requests that are on their way; 1,700,000,000 is 22:13:20 that day."""

    def answer(token: str) -> web.Response:
        return web.json_response({"access_token": token, **facts})

    backend = await answering(
        answer("a"), web.json_response(1), web.json_response(2), answer("b"), web.json_response(3)
    )
    clock = FakeClock()
    async with GenericMirrorDB(logging_in(backend.base_url, **settings), clock=clock.as_clock()) as client:
        for seconds in (0, 539, 2):
            clock.time += seconds
            await read(client)
    assert [request.headers.get("Authorization") for request in backend.requests] == [
        *[None, "Bearer a", "Bearer a"],
        *[None, "Bearer b"],
    ]


async def test_a_cookie_tells_when_it_ends(answering: Answering) -> None:
    """By Max-Age, which wins over Expires (RFC 6265, section 5.3)."""
    respond = in_cookies("session={token}; Expires=Wed, 15 Nov 2023 22:13:20 GMT; Max-Age=600")
    backend = await answering(respond("a"), web.json_response(1), respond("b"), web.json_response(2))
    clock = FakeClock()
    async with GenericMirrorDB(logging_in(backend.base_url, **SESSION), clock=clock.as_clock()) as client:
        await read(client)
        clock.time += 541
        await read(client)
    assert [request.headers.get("Cookie") for request in backend.requests] == [
        *[None, "session=a"],
        *[None, "session=b"],
    ]


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({}, "as 'Authorization: Bearer …'"),
        ({"key_name": "Authorization"}, "as 'Authorization: …'"),
        ({"key_name": "X-Vault-Token"}, "in the header X-Vault-Token"),
        ({"key_in": "query", "key_name": "t"}, "in the query parameter t"),
        ({"key_in": "cookie", "key_name": "sid"}, "in the cookie sid"),
    ],
)
async def test_a_refused_token_is_told_with_how_it_was_sent(
    answering: Answering, settings: dict[str, Any], how: str
) -> None:
    """A new one was refused as well: it may be sent in the wrong way."""
    refusals = [as_access_token(TOKEN), web.json_response({"detail": TOKEN}, status=401)] * 2
    backend = await answering(*(web.Response(status=one.status, body=one.body) for one in refusals))
    async with GenericMirrorDB(logging_in(backend.base_url, **settings)) as client:
        with pytest.raises(AuthenticationError) as caught:
            await read(client)
    assert f"; the token of login_url was sent {how}" in str(caught.value)
    assert TOKEN not in str(texts_of(caught.value))


async def test_what_a_user_may_not_do_ends_after_one_login_more(answering: Answering) -> None:
    """Airflow says 403 of that, too."""
    forbidden = [web.json_response({"detail": "Forbidden"}, status=403) for _ in range(2)]
    backend = await answering(as_access_token("a"), forbidden[0], as_access_token("b"), forbidden[1])
    async with GenericMirrorDB(logging_in(backend.base_url, auth_statuses=[401, 403])) as client:
        with pytest.raises(ForbiddenError):
            await read(client)
    assert len(backend.requests) == 4


# -- the connection test -------------------------------------------------------------------------

CONNECTION = {"auth_type": "login", "login_url": "login", "test_endpoint": "api/users"}


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            404,
            {},
            (
                "Login URL not found: the server is there, but has nothing at that path. Check Login URL,"
                " also the slash at its end. (the login was answered 404 Not Found (POST http"
            ),
        ),
        (
            401,
            {"detail": "Invalid credentials"},
            (
                f"Login refused: check Login / client id, {KEY}, Login URL and Login body. (Login and"
                " Password were refused: 401 Unauthorized: Invalid credentials (POST http"
            ),
        ),
        *((status, {}, "Login refused: check Login") for status in (400, 403, 422)),
        (
            200,
            PAGE,
            "No token in the answer to the login: check Login URL, and Token path or Token cookie. (",
        ),
        (302, {}, "No token: check Login URL and Login body. (the login was answered 302 Found"),
        (500, {}, "The login endpoint itself fails: "),
        (429, {}, "The login endpoint takes no more requests for now: "),
    ],
)
def test_a_login_that_gives_no_token(
    scripted: ScriptedBackend, set_connection: SetConnection, status: int, body: Any, words: str
) -> None:
    """The words name the fields that lead there, and nothing is sent to the backend."""
    set_connection(scripted.url, login="ada", password="wrong-secret", extra=CONNECTION)
    scripted.answer(status, body)
    message = failure()
    assert message.startswith(words)
    assert "wrong-secret" not in message
    assert scripted.requests == ["POST /login"]


def test_a_login_that_works(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """It is one login and one GET; a token that is not taken is told as that."""
    set_connection(scripted.url, login="ada", password="s3cret", extra=CONNECTION)
    for status in (200, 401):
        scripted.answer(201, {"access_token": "t0ken-0f"})
        scripted.answer(status, {"detail": "no t0ken-0f"})
    worked, message = MirrorDBHook().test_connection()
    assert (worked, message) == (True, f"GET {scripted.url}/api/users answered 200, authentication: login")
    assert failure().startswith(
        "Token rejected: the login gave one, but the backend does not take it. Check Token path, and Name of"
        f" the key and Prefix of the key, which say how it is sent. (GET {scripted.url}/api/users answered"
        " 401 Unauthorized: no ***; the token of login_url was sent as 'Authorization: Bearer …'"
    )
    assert scripted.requests == ["POST /login", "GET /api/users"] * 2


@pytest.mark.parametrize(
    ("login_url", "place"), [("login", "Host and port"), ("http://{}/login", "Login URL")]
)
def test_a_login_endpoint_that_is_not_there(
    set_connection: SetConnection, dead_port: int, login_url: str, place: str
) -> None:
    """It is the host of the backend, or another one."""
    dead = f"127.0.0.1:{dead_port}"
    extra = {**CONNECTION, "login_url": login_url.format(dead)}
    set_connection(f"http://{dead}", login="ada", password="s3cret", extra=extra)
    assert failure().startswith(f"Refused: nothing listens there. Check {place}, and that the server runs.")


# -- the table of the README ---------------------------------------------------------------------

README = (Path(airflow_mirrordb.__file__).parent / "client" / "README.md").read_text()
ROWS = re.findall(r"^\| \[(.+?)\]\(.+?\).*? \| `(\"login_url.+?)` \|$", README, re.MULTILINE)


@pytest.mark.parametrize(("name", "extras"), ROWS)
def test_each_row_of_the_table_is_a_connection(name: str, extras: str) -> None:
    """Whose extras go together."""
    assert len(ROWS) == 9
    settings = {"base_url": "https://backend.example", "login": "ada", "api_key": "s3cret"}
    config = MirrorDBConfig(auth_type="login", **settings, **json.loads(f"{{{extras}}}"))
    assert config.fetches_token, name
