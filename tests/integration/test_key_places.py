"""Keys in headers, queries and cookies, further secret headers, and statuses by which a key is refused."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    AuthenticationError,
    ConfigError,
    ForbiddenError,
    GenericMirrorDB,
    InvalidRequestError,
    MirrorDBConfig,
    NotFoundError,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.support.backends import Answering, Backend, ScriptedBackend
from tests.support.connections import SetConnection

KEY = "k3y/of+no&body"
ENCODED = "k3y%2Fof%2Bno%26body"
IN_QUERY: dict[str, Any] = {"auth_type": "api_key", "key_in": "query", "key_name": "api_key"}

NewClient = Callable[..., GenericMirrorDB]


def client_of(backend: Backend, **settings: Any) -> GenericMirrorDB:
    return GenericMirrorDB({"base_url": backend.base_url, "api_key": KEY, **settings})


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (
            {"key_prefix": "Token"},
            "X-API-Key",
            f"Token {KEY}",
        ),
        ({"key_prefix": "Token "}, "X-API-Key", f"Token {KEY}"),
        ({"key_prefix": "key="}, "X-API-Key", f"key={KEY}"),
        ({"key_name": "Authorization", "key_prefix": "ApiKey"}, "Authorization", f"ApiKey {KEY}"),
        ({"key_in": "cookie", "key_name": "session"}, "Cookie", f"session={KEY}"),
    ],
)
async def test_a_key_is_where_and_how_the_connection_says(
    answering: Answering, settings: dict[str, Any], name: str, value: str
) -> None:
    backend = await answering(web.json_response({}))
    async with client_of(backend, auth_type="api_key", **settings) as client:
        await client.read_function(None, "api/users")
    assert backend.requests[0].headers[name] == value


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        (None, f"/api/users?api_key={ENCODED}"),
        ({}, f"/api/users?api_key={ENCODED}"),
        ({"limit": 2}, f"/api/users?limit=2&api_key={ENCODED}"),
    ],
)
async def test_a_key_in_the_query_is_added_on_the_wire(
    answering: Answering, caplog: pytest.LogCaptureFixture, query: dict[str, Any] | None, sent: str
) -> None:
    """No line of a log has it, whatever its level, nor has the URL of an error."""
    caplog.set_level(logging.DEBUG)
    backend = await answering(web.json_response({}), web.json_response({}, status=404))
    async with client_of(backend, **IN_QUERY) as client:
        await client.read_function(None, "api/users", query=query)
        with pytest.raises(NotFoundError) as caught:
            await client.read_function(None, "api/users", query=query)
    assert [request.path for request in backend.requests] == [sent, sent]
    lines = [str(record.__dict__) for record in caplog.records if record.name != "aiohttp.access"]
    for text in (*lines, repr(caught.value), json.dumps(caught.value.to_dict())):
        assert KEY not in text
        assert ENCODED not in text


ECHOES = {
    "in front": f"?api_key={ENCODED}&page=2",
    "between": f"?page=2&api_key={ENCODED}&x=1",
    "at the end": f"?page=2&api_key={ENCODED.lower()}",
    "as it is": "?page=2&api_key=k3y/of%2Bno%26body",
    "an older one": "?page=2&api_key=older",
    "in another case": "?page=2&API_Key=older",
    "twice": f"?api_key={ENCODED}&token={ENCODED}&page=2",
    "behind a semicolon": f"?page=2;api_key={ENCODED}",
}


@pytest.mark.parametrize("link", ECHOES.values(), ids=list(ECHOES))
async def test_a_link_that_has_the_key_is_followed_with_it_once(answering: Answering, link: str) -> None:
    """As Graph API gives it ("Paginated Results": ``paging.next`` has the access token)."""
    rest = "&x=1" if "x=1" in link else ""
    backend = await answering(
        web.json_response({"data": [1], "next": f"/api/users{link}"}), web.json_response({"data": [2]})
    )
    async with client_of(backend, **IN_QUERY) as client:
        read = await client.read_function(
            None, "api/users", paginate={"style": "body", "records": "data", "next": "next"}
        )
    assert read == [1, 2]
    assert backend.requests[1].path == f"/api/users?page=2{rest}&api_key={ENCODED}"


@pytest.mark.parametrize("mark", ["&", "\\u0026", "&amp;"])
async def test_no_result_has_a_key_that_the_answer_repeats(answering: Answering, mark: str) -> None:
    """A result is stored in clear text."""
    text = f'{{"next": "https:\\/\\/x.example\\/a?api_key={ENCODED}{mark}page=2", "note": "page 2"}}'
    headers = {"Link": f'</api/users?page=2&api_key={ENCODED}>; rel="next"', "X-Other": "kept"}
    answer = web.Response(text=text, content_type="application/json", headers=headers)
    backend = await answering(answer)
    async with client_of(backend, **IN_QUERY) as client:
        got = await client.read_function(None, "api/users", full_response=True)
    assert got["headers"]["link"] == '</api/users?page=2>; rel="next"'
    assert got["headers"]["x-other"] == "kept"
    assert "api_key" not in json.dumps(got)
    assert "page=2" in got["data"]["next"]
    assert got["data"]["note"] == "page 2"


async def test_a_redirect_carries_the_key_once_and_only_to_the_backend(answering: Answering) -> None:
    elsewhere = await answering(web.json_response({"from": "elsewhere"}))
    host = elsewhere.base_url.removeprefix("http://").replace("127.0.0.1", "localhost")
    moved = web.Response(status=302, headers={"Location": f"/api/users/8?api_key={ENCODED}"})
    away = web.Response(status=302, headers={"Location": f"http://{host}/file?sig=1&api_key={ENCODED}"})
    backend = await answering(moved, away)
    async with client_of(backend, **IN_QUERY, redirect_hosts=[host]) as client:
        assert await client.read_function(None, "api/users/7") == {"from": "elsewhere"}
    assert backend.requests[1].path == f"/api/users/8?api_key={ENCODED}"
    assert elsewhere.requests[0].path == "/file?sig=1"


async def test_a_request_cannot_set_the_parameter_of_the_key(answering: Answering) -> None:
    backend = await answering()
    async with client_of(backend, **IN_QUERY) as client:
        with pytest.raises(InvalidRequestError, match=r"query\['api_key'\]: the connection sets it"):
            await client.read_function(None, "api/users", query={"api_key": "mine"})
    assert backend.requests == []


@pytest.mark.parametrize("settings", [{}, {"auth_type": "none"}, IN_QUERY, {"login": "ada"}])
async def test_secret_headers_go_beside_whatever_else_proves_who_sends(
    answering: Answering, settings: dict[str, Any]
) -> None:
    """As DD-APPLICATION-KEY beside DD-API-KEY (Datadog, "Authentication")."""
    secret = {"DD-APPLICATION-KEY": "s3cond"}
    backend = await answering(web.json_response({}), web.json_response({}))
    async with client_of(backend, **settings, secret_headers=secret) as client:
        await client.read_function(None, "api/users")
        await client.create_function(None, "api/users", {})
        assert (await client.get_config())["secret_headers"] == {"DD-APPLICATION-KEY": "***"}
        with pytest.raises(InvalidRequestError, match="the client sets this header itself"):
            await client.read_function(None, "api/users", headers={"dd_application_key": "mine"})
    assert [request.headers["DD-APPLICATION-KEY"] for request in backend.requests] == ["s3cond", "s3cond"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"key_in": "query"},
            "key_name: .* needs the name of a parameter, as api_key",
        ),
        (
            {"key_in": "cookie"},
            "key_name: .* needs the name of a cookie, as session",
        ),
        ({"key_in": "body", "key_name": "k"}, "key_in: it must be 'header', 'query' or 'cookie', not 'body'"),
        ({"key_in": "cookie", "key_name": "a b"}, "key_name: it must be the name of a cookie"),
        ({"key_name": "Cookie"}, "a cookie is sent by key_in 'cookie'"),
        ({"key_in": "cookie", "key_name": "c", "api_key": "a;b"}, "api_key: it holds a blank, quote, comma"),
        ({"secret_headers": "DD"}, "secret_headers: it must be a JSON object"),
        ({"secret_headers": {"X": "a\nb"}}, "secret_headers: the value of 'X': it holds a line break"),
        ({"secret_headers": {"Host": "x"}}, "secret_headers: 'Host' is set by the client"),
        ({"secret_headers": {"X": 1}}, "secret_headers: 'X': it must be text, in quotes"),
        ({"secret_headers": {"x_api_key": "b"}}, "secret_headers: 'X-API-Key' carries the key"),
        (
            {"secret_headers": {"X": "b"}, "headers": {"x": "c"}},
            "headers: 'x' is one of secret_headers",
        ),
        ({"secret_headers": {"X": "***"}}, r"secret_headers: \*\*\* is a masked value"),
        ({"auth_statuses": [200]}, "auth_statuses"),
    ],
)
def test_what_cannot_be_sent_is_named(settings: dict[str, Any], message: str) -> None:
    given = {"base_url": "https://backend.example", "api_key": KEY, "auth_type": "api_key", **settings}
    with pytest.raises(ConfigError, match=message) as caught:
        MirrorDBConfig(**given)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(("status", "is_renewed"), [(401, True), (403, True), (404, False)])
async def test_one_look_up_serves_all_whose_key_was_refused(
    answering: Answering, status: int, is_renewed: bool
) -> None:
    """Airflow's own API says 403 to a token that it does not know ("Invalid JWT token")."""
    looked_up = list[dict[str, Any]]()

    async def look_up() -> dict[str, Any]:
        looked_up.append({"api_key": "new", "secret_headers": {"X-Second": "newer"}})
        return looked_up[-1]

    async def answer(request: web.Request) -> web.Response:
        is_new = request.headers["Authorization"] == "Bearer new" and request.headers["X-Second"] == "newer"
        return (
            web.json_response({})
            if is_new
            else web.json_response({"detail": "Invalid JWT token"}, status=status)
        )

    backend = await answering(*[answer] * 20)
    settings = {"base_url": backend.base_url, "api_key": "old", "secret_headers": {"X-Second": "older"}}
    async with GenericMirrorDB({**settings, "auth_statuses": "401, 403"}, look_up=look_up) as client:
        ends = await asyncio.gather(
            *(client.create_function(None, "api/users", {"n": number}) for number in range(5)),
            return_exceptions=True,
        )
    assert len(looked_up) == is_renewed
    assert [end == {} for end in ends] == [is_renewed] * 5


async def test_a_403_is_final_unless_the_connection_says_otherwise(answering: Answering) -> None:
    async def look_up() -> dict[str, Any]:
        raise AssertionError

    backend = await answering(web.json_response({}, status=403))
    async with GenericMirrorDB({"base_url": backend.base_url, "api_key": "old"}, look_up=look_up) as client:
        with pytest.raises(ForbiddenError):
            await client.read_function(None, "api/users")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (IN_QUERY, "the key was sent in the query parameter api_key"),
        (
            {"auth_type": "api_key", "key_in": "cookie", "key_name": "sid"},
            "the key was sent in the cookie sid",
        ),
        ({"auth_type": "api_key"}, "the key was sent in the header X-API-Key"),
    ],
)
async def test_a_refused_key_is_told_with_its_place(
    answering: Answering, settings: dict[str, Any], words: str
) -> None:
    backend = await answering(web.json_response({}, status=401))
    async with client_of(backend, **settings) as client:
        with pytest.raises(AuthenticationError, match=words):
            await client.read_function(None, "api/users")


def test_a_rotated_second_header_needs_no_new_task(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """All of a connection's credentials are looked up again, not its password alone."""
    set_connection(scripted.url, password="key", extra={"secret_headers": {"X-Second": "old"}})
    scripted.answer(401)
    scripted.answer(200, {})
    with MirrorDBHook() as hook:
        hook.get_conn()
        set_connection(scripted.url, password="key", extra={"secret_headers": {"X-Second": "new"}})
        assert hook.read("api/users") == {}
    assert [headers["X-Second"] for headers in scripted.headers] == ["old", "new"]


@pytest.mark.parametrize("name", ["api_key", "apikey", "access_token", "token", "client-secret", "sig"])
def test_a_secret_in_the_query_of_what_may_be_deferred_is_refused(name: str) -> None:
    """A trigger's arguments are stored in clear text; the words say where it belongs."""
    with pytest.raises(InvalidRequestError, match="key_in 'query'") as caught:
        MirrorDBReadOperator(task_id="t", endpoint="api/users", query={name: "s"}, deferrable=True)
    assert caught.value.field == f"query[{name!r}]"
    MirrorDBReadOperator(task_id="t", endpoint="api/users", query={name: "s"}, deferrable=False)


@pytest.mark.parametrize("name", ["author", "page_token", "skiptoken", "key", "authority"])
def test_a_parameter_that_is_no_secret_may_be_deferred(name: str) -> None:
    MirrorDBReadOperator(task_id="t", endpoint="api/users", query={name: "s"}, deferrable=True)
