"""A canary for a key: after everything that can happen it is nowhere but in the requests themselves."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import ssl
import time
import traceback
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    AuthenticationError,
    GenericMirrorDB,
    MirrorDBError,
    MirrorDBRequest,
    Progress,
    ResponseError,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger, arguments
from tests.support.aiohttp_versions import TAKES_ANY_HEADER
from tests.support.raw_server import RawServer, Reply, json_answer

if TYPE_CHECKING:
    from tests.support.backends import Answering, ScriptedBackend
    from tests.support.connections import ConfigFor, SetConnection

KEY = "c4nary/k3y+that&nobody=may see"
LOGIN = "user"
COOKIE = "c4nary-k3y-in-a-cookie"
PROXY_PASSWORD = "c4nary-pr0xy"
FORMS = (
    KEY,
    quote(KEY, safe=""),
    b64encode(f"{LOGIN}:{KEY}".encode()).decode(),
    b64encode(f"{LOGIN}:{quote(KEY, safe='')}".encode()).decode(),
    PROXY_PASSWORD,
    b64encode(f"u:{PROXY_PASSWORD}".encode()).decode(),
    COOKIE,
)
TOKEN = "c4nary-t0ken"

Repeat = Callable[[bytes], bytes]


def in_body(content_type: str, status: str) -> Repeat:
    def reply(head: bytes) -> bytes:
        values = [line.partition(": ")[2] or line for line in head.decode().split("\r\n")]
        text = "; ".join(values)
        body = json.dumps({"code": text, "error": {"message": text}}) if "json" in content_type else text
        length = f"Content-Length: {len(body)}"
        return "\r\n".join([f"HTTP/1.1 {status}", length, f"Content-Type: {content_type}", "", body]).encode()

    return reply


def in_header(name: str, status: str) -> Repeat:
    def reply(head: bytes) -> bytes:
        values = [line.partition(b": ")[2] or line for line in head.split(b"\r\n")]
        line = name.encode() + b": /api/" + b"; ".join(values)
        return b"\r\n".join([b"HTTP/1.1 " + status.encode(), line, b"Content-Length: 1", b"", b"x"])

    return reply


#: How a backend repeats the request that it got.
REPEATS: dict[str, Repeat] = {
    **{
        f"json {status}": in_body("application/json", status)
        for status in ("400 X", "401 X", "409 X", "503 X")
    },
    **{f"text {status}": in_body("text/plain", status) for status in ("200 X", "403 X", "500 X", "520 X")},
    "html": in_body("text/html", "404 X"),
    "redirect": in_header("Location", "302 X"),
    "request id": in_header("X-Request-ID", "422 X"),
    "content type": in_header("Content-Type", "200 X"),
    "garbage": lambda head: head,
    "garbage without first line": lambda head: head.partition(b"\r\n")[2],
    "header with a NUL": lambda head: b"HTTP/1.1 200 X\r\nX: " + head.replace(b"\r\n", b"\0") + b"\r\n\r\n",
    "long header": lambda head: b"HTTP/1.1 200 X\r\nX: " + head.replace(b"\r\n", b"  ") * 100 + b"\r\n\r\n",
    "head and no more": lambda head: b"HTTP/1.1 200 X\r\n" + head.partition(b"\r\n")[2][:-2],
    "bad chunk": lambda head: b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + head,
    "nothing": lambda _head: b"",
}
LOGS_IN = {"api_key": KEY, "login": LOGIN, "auth_type": "login", "login_url": "token"}
PLACED = {"api_key": KEY, "auth_type": "api_key", "key_name": "secret"}
AUTH: dict[str, dict[str, Any]] = {
    "bearer": {"api_key": KEY},
    "api_key": {"api_key": KEY, "auth_type": "api_key", "key_name": "X-Secret"},
    "api_key in the query": {**PLACED, "key_in": "query"},
    "api_key in a cookie": {**PLACED, "key_in": "cookie", "api_key": COOKIE},
    "secret_headers": {"secret_headers": {"X-Second": KEY}},
    "basic": {"api_key": KEY, "login": LOGIN},
    "oauth2": {"api_key": KEY, "login": LOGIN, "auth_type": "oauth2"},
    "login": LOGS_IN,
    "login, in the query": {**LOGS_IN, "key_in": "query", "key_name": "secret"},
    "login, in a cookie": {**LOGS_IN, "token_cookie": "session"},
}


class RepeatingServer(RawServer):
    repeat: Repeat = staticmethod(lambda head: head)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        if head.startswith(b"POST /token"):
            writer.write(
                json_answer(json.dumps({"access_token": TOKEN}), "200 OK", f"Set-Cookie: session={TOKEN}")
            )
            return True
        writer.write(self.repeat(head))
        return False


def shown(error: BaseException | None) -> list[str]:
    """Everything that a log, a debugger or another process could show of an error and its causes."""
    texts = []
    if isinstance(error, MirrorDBError):
        texts += [json.dumps(error.to_dict()), repr(pickle.loads(pickle.dumps(error)))]
        texts.append(repr(pickle.dumps(error)))
    if error is not None:
        texts += traceback.format_exception(type(error), error, error.__traceback__)
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        texts += [repr(error), str(error), repr(error.args)]
        error = error.__cause__ or error.__context__
    return texts


def assert_nowhere(texts: list[str]) -> None:
    for text in texts:
        found = [form for form in (*FORMS, TOKEN) if form in text]
        assert not found, f"{found} in {text[:3000]}"


async def everything_of(client: GenericMirrorDB, caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    return [
        caplog.text,
        *records,
        repr(client),
        json.dumps(await client.get_config()),
        repr(client._snapshot),
    ]


@pytest.mark.parametrize("auth", AUTH)
@pytest.mark.parametrize("name", REPEATS)
async def test_a_backend_that_repeats_the_key(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture, name: str, auth: str
) -> None:
    """In whatever place of whatever answer: no error, log or setting shows it, with all loggers at DEBUG."""
    if name == "header with a NUL" and TAKES_ANY_HEADER:
        pytest.skip("this aiohttp takes such a header")
    caplog.set_level(logging.DEBUG)
    raw = RepeatingServer()
    raw.repeat = REPEATS[name]
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = {**AUTH[auth], **({"oauth_url": f"{url}/token"} if auth == "oauth2" else {})}
    try:
        async with GenericMirrorDB(config_for(url, max_attempts=2, **settings)) as client:
            for method in ("read", "create"):
                options: dict[str, Any] = {"data": {}} if method == "create" else {}
                try:
                    await getattr(client, f"{method}_function")(method, "api/users", **options)
                except MirrorDBError as error:
                    assert_nowhere(shown(error))
                else:
                    assert method == "create"  # a write may be answered in text, which is its result
                    assert name in ("content type", "text 200 X")
            assert_nowhere(await everything_of(client, caplog))
    finally:
        server.close()
        await raw.stop()
        await server.wait_closed()
    sent = b"".join(raw.requests).decode()
    assert any(form in sent for form in (*FORMS, TOKEN))  # the canary was alive


@pytest.mark.parametrize("name", REPEATS)
async def test_no_trigger_stores_what_is_repeated(
    set_connection: SetConnection, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Neither its row, nor its event, nor its log; whatever the backend does with the key."""
    if name == "header with a NUL" and TAKES_ANY_HEADER:
        pytest.skip("this aiohttp takes such a header")
    caplog.set_level(logging.DEBUG)
    raw = RepeatingServer()
    raw.repeat = REPEATS[name]
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    set_connection(url, login=LOGIN, password=KEY, extra={"max_attempts": 2})
    request = MirrorDBRequest(method="GET", endpoint="api/users", method_name="read")
    left = arguments(request, Progress(deadline=time.time() + 60))
    trigger = MirrorDBTrigger(request=left["request"], progress=left["progress"])
    try:
        events = [event async for event in trigger.run()]
    finally:
        server.close()
        await raw.stop()
        await server.wait_closed()
    assert [event.payload["status"] for event in events] == ["error"]
    stored = [json.dumps(trigger.serialize()), repr(trigger), repr(events), json.dumps(events[0].payload)]
    records = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert_nowhere([*stored, *records, caplog.text])
    assert FORMS[2] in b"".join(raw.requests).decode()  # the canary was alive


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", ["407 X", "502 X", "200 X", None])
async def test_a_proxy_that_repeats_its_password(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture, scheme: str, status: str | None
) -> None:
    """Or is not there: neither its password nor the key shows."""
    caplog.set_level(logging.DEBUG)
    raw = RepeatingServer()
    raw.repeat = in_body("text/plain", status) if status else lambda _head: b""
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1] if status else 1
    proxy = f"http://u:{PROXY_PASSWORD}@127.0.0.1:{port}"
    config = config_for(f"{scheme}://backend.example", max_attempts=2, proxy=proxy, api_key=KEY)
    try:
        async with GenericMirrorDB(config) as client:
            with pytest.raises(MirrorDBError) as caught:
                await client.read_function("read", "api/users")
            assert_nowhere(shown(caught.value))
            assert_nowhere(await everything_of(client, caplog))
    finally:
        server.close()
        await raw.stop()
        await server.wait_closed()


async def test_failures_without_an_answer(
    config_for: ConfigFor,
    raw_server: RawServer,
    answering: Answering,
    server_tls: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Refused, reset, timed out, a certificate of nobody, a wrong request or change, and a disconnection."""
    caplog.set_level(logging.DEBUG)
    tls = await answering(ssl_context=server_tls)
    raw_server.replies = [Reply(then="reset"), Reply(then="close"), Reply(then="time-out")]
    for url in (
        "http://127.0.0.1:1",
        *[raw_server.base_url] * 3,
        tls.base_url,
        "http://no-such-host.invalid",
    ):
        config = config_for(url, api_key=KEY, login=LOGIN, max_attempts=1)
        async with GenericMirrorDB(config) as client:
            with pytest.raises(MirrorDBError) as caught:
                await client.create_function("create", "api/users", {})
            assert_nowhere(shown(caught.value))
            for changes in ({"api_key": f"{KEY}\n"}, {"login": f"{KEY}:"}, {"api_kee": KEY}, {"proxy": KEY}):
                with pytest.raises(MirrorDBError) as caught:
                    await client.update_config(**changes)
                assert_nowhere(shown(caught.value))
            assert_nowhere(await everything_of(client, caplog))


# -- keys and origins ----------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["bearer", "api_key", "basic"])
async def test_a_key_for_another_backend_is_not_sent_to_the_old_one(
    answering: Answering, config_for: ConfigFor, auth: str
) -> None:
    """A request on its way when base URL and key change together ends with the old ones, 401 or not."""

    async def move(_request: web.Request) -> web.Response:
        await client.update_config(base_url=new.base_url, api_key="new-key")
        return web.Response(status=401)

    new = await answering(web.json_response({}))
    old = await answering(move, web.json_response({}))
    settings = {**AUTH[auth], "api_key": "old-key"}
    async with GenericMirrorDB(config_for(old.base_url, **settings)) as client:
        with pytest.raises(AuthenticationError):
            await client.read_function("read", "api/users")
        await client.read_function("read", "api/users")
    assert (len(old.requests), len(new.requests)) == (1, 1)


async def test_a_token_for_another_backend_is_not_sent_to_the_old_one(
    answering: Answering, config_for: ConfigFor
) -> None:
    """Nor is the old one's kept for the new one."""

    def token(value: str) -> web.Response:
        return web.json_response({"access_token": value})

    async def move(_request: web.Request) -> web.Response:
        await client.update_config(base_url=new.base_url, oauth_url=f"{new.base_url}/token")
        assert await client.read_function("read", "api/users") == "new"
        return web.Response(status=503)

    new = await answering(token("new-token"), web.json_response("new"), web.json_response("new"))
    old = await answering(token("old-token"), move, token("old-token"), web.json_response("old"))
    config = config_for(old.base_url, oauth_url=f"{old.base_url}/token", **AUTH["oauth2"])
    async with GenericMirrorDB(config) as client:
        assert await client.read_function("read", "api/users") == "old"
        assert await client.read_function("read", "api/users") == "new"
    for backend, value in ((old, "old-token"), (new, "new-token")):
        tokens = {r.headers["Authorization"] for r in backend.requests if r.path == "/api/users"}
        assert tokens == {f"Bearer {value}"}


def test_a_connection_that_moved_gives_its_key_to_no_other_host(
    scripted: ScriptedBackend, set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever still talks to the old host keeps the old key, and the log says why."""
    set_connection(scripted.url, password="old-key")
    scripted.answer(200, {})
    scripted.answer(401)
    with MirrorDBHook() as hook:
        hook.read("api/users")
        set_connection("https://elsewhere.example", password="new-key")
        with pytest.raises(AuthenticationError):
            hook.read("api/users")
    assert [headers["Authorization"] for headers in scripted.headers] == ["Bearer old-key"] * 2
    assert "now names another backend" in caplog.text


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "\ud800"])
async def test_a_token_that_no_header_can_hold_is_refused(
    answering: Answering, config_for: ConfigFor, value: str
) -> None:
    """An authorization server cannot write headers of ours."""
    backend = await answering(web.json_response({"access_token": value}))
    config = config_for(backend.base_url, oauth_url=f"{backend.base_url}/token", **AUTH["oauth2"])
    async with GenericMirrorDB(config) as client:
        with pytest.raises(AuthenticationError, match="without an access_token that can be sent"):
            await client.read_function("read", "api/users")
    assert len(backend.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_takes_a_client_secret_along(
    answering: Answering, config_for: ConfigFor, status: int
) -> None:
    """The token endpoint is asked where the connection says, or not at all."""
    thief = await answering(web.json_response({"access_token": "x"}))
    backend = await answering(web.Response(status=status, headers={"Location": f"{thief.base_url}/token"}))
    config = config_for(backend.base_url, oauth_url=f"{backend.base_url}/token", **AUTH["oauth2"])
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ResponseError, match="was not followed"):
            await client.read_function("read", "api/users")
    assert (len(backend.requests), thief.requests) == (1, [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_from_https_to_http(
    answering: Answering, config_for: ConfigFor, server_tls: ssl.SSLContext, ca_file: str, status: int
) -> None:
    """Neither a request nor the connection test goes on in the clear."""
    clear = await answering(web.json_response({}))
    target = clear.base_url.replace("127.0.0.1", "localhost")
    moved = [web.Response(status=status, headers={"Location": f"{target}/api/users"}) for _ in range(2)]
    backend = await answering(*moved, ssl_context=server_tls)
    async with GenericMirrorDB(config_for(backend.base_url, verify=ca_file, api_key=KEY)) as client:
        with pytest.raises(ResponseError, match="was not followed"):
            await client.read_function("read", "api/users")
        with pytest.raises(ResponseError, match="was not followed"):
            await client.probe()
    assert (len(backend.requests), clear.requests) == (2, [])
