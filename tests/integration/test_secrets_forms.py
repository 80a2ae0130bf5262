"""A canary for a key in all forms and places in which a backend can repeat it, and for what links hold."""

from __future__ import annotations

import html
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    BulkError,
    EndpointNotAllowedError,
    GenericMirrorDB,
    MirrorDBError,
    MirrorDBRequest,
    NotFoundError,
    WaitNeeded,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.raw_server import RawServer, Reply
from tests.unit.test_redaction import FORMS

if TYPE_CHECKING:
    from tests.support.backends import ScriptedBackend
    from tests.support.connections import ConfigFor, SetConnection

KEY = 'c4nary/k3y+that&nobody=may\\see"é%41 it'
PLAIN_KEY = "c4nary-k3y-0123456789"
SIGNATURE = "s1gnature-0123456789"
LINKS = {"style": "link"}


def answer(status: int, body: str = "", *headers: str) -> bytes:
    data = body.encode(errors="replace")
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + data


#: Where a backend repeats what it was sent: in errors, and in what cannot be used of a success.
PLACES: dict[str, Callable[[str], bytes]] = {
    "detail": lambda text: answer(400, json.dumps({"detail": f"bad key ({text})"})),
    "name": lambda text: answer(422, json.dumps({text: ["is wrong"]})),
    "code": lambda text: answer(409, json.dumps({"code": text, "message": "x"})),
    "JSON in JSON": lambda text: answer(401, json.dumps({"detail": json.dumps({"sent": text})})),
    "text": lambda text: answer(500, f"bad key ({text})"),
    "HTML": lambda text: answer(404, f"<html><p>bad <b>key</b> ({html.escape(text)})</p></html>"),
    "title": lambda text: answer(403, f"<title>bad ({html.escape(text)})</title>"),
    "end of a detail": lambda text: answer(400, json.dumps({"detail": f"{'x' * 2025} ({text})"})),
    "end of a code": lambda text: answer(400, json.dumps({"code": f"{'x' * 190} ({text})"})),
    "end of what is read": lambda text: answer(400, f"{' ' * 2**16} {text}"[-(2**16) :] + "x" * 2**16),
    "redirect": lambda text: answer(302, "", f"Location: https://login.example/{text}"),
    "request id": lambda text: answer(500, "", f"X-Request-ID: {text}"),
    "content type": lambda text: answer(200, "<", f"Content-Type: {text}"),
    "names of a page": lambda text: answer(200, json.dumps({text: 1})),
    "next page that is not allowed": lambda text: answer(200, "[{}]", f'Link: </admin/{text}>; rel="next"'),
    "next page that is no URL": lambda text: answer(200, "[{}]", f'Link: <http://[{text}>; rel="next"'),
}


def texts_of(value: Any) -> Iterator[str]:
    """All texts in a value, also in errors and what they came from."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for part in pair for text in texts_of(part))
    elif isinstance(value, list | tuple):
        yield from (text for part in value for text in texts_of(part))
    elif isinstance(value, BaseException):
        links: list[BaseException] = [value]
        for link in links:
            yield from (str(link), repr(link), *texts_of(link.args), *texts_of(vars(link)))
            found = (link.__cause__, link.__context__)
            links += [it for it in found if it is not None and not any(it is known for known in links)]
        yield from traceback.format_exception(value)
        yield repr(pickle.dumps(value))


def assert_no_word_of(written: str, texts: Iterator[str] | list[str], key: str = KEY) -> None:
    """None that is in clear, and not the middle of it."""
    third = len(written) // 3
    words = [word for word in ("c4na", "k3y", "nobody", key[-12:]) if word in written.replace("\0", "")]
    for text in texts:
        lines = [line for line in text.splitlines() if not line.lstrip().startswith(("File ", "assert"))]
        shown = "\n".join(lines)
        found = [word for word in [*words, written[third:-third]] if word in shown or word in text.lower()]
        assert not found, f"{found} in {text[:3000]}"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", FORMS)
async def test_a_key_in_any_form_in_any_place(
    config_for: ConfigFor, raw_server: RawServer, caplog: pytest.LogCaptureFixture, form: str, place: str
) -> None:
    """No error, nothing it came from and no log shows it."""
    caplog.set_level(logging.DEBUG)
    # a question mark in the place of a letter would end the path
    key = KEY.replace("é", "") if form.startswith("ASCII") else KEY
    written = FORMS[form](key)
    raw_server.default = Reply(PLACES[place](written))
    settings = {"api_key": key, "login": "ada", "max_attempts": 2}
    async with GenericMirrorDB(config_for(raw_server.base_url, **settings)) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/users", paginate=LINKS)
    assert_no_word_of(written, [*texts_of(caught.value), caplog.text])


# -- whatever leaves the client ------------------------------------------------------------------


async def test_errors_of_writes_bulks_and_waits(
    config_for: ConfigFor, raw_server: RawServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The cause of an ambiguous write, the report of a bulk, the error beside a wait, and the envelope."""
    raw_server.default = Reply(PLACES["detail"](PLAIN_KEY).replace(b"400 X", b"503 X"))
    request = MirrorDBRequest(method="GET", endpoint="api/users")
    async with GenericMirrorDB(config_for(raw_server.base_url, api_key=PLAIN_KEY, max_attempts=2)) as client:
        with pytest.raises(AmbiguousWriteError) as ambiguous:
            await client.create_function("create", "api/users", {})
        with pytest.raises(BulkError) as bulk:
            await client.bulk("read", ["api/users/1", "api/users/2"])
        with pytest.raises(WaitNeeded) as wait:
            await client.request(request, wait=False)
        with pytest.raises(MirrorDBError) as probe:
            await client.probe()
        envelope = await client.call("read_function", method_name="read", endpoint="api/users")
    errors = [ambiguous.value, bulk.value, wait.value, probe.value, envelope]
    for error in errors:
        assert "***" in "".join(texts_of(error))
    assert_no_word_of(PLAIN_KEY, [*(text for error in errors for text in texts_of(error)), caplog.text])


async def read_all(client: GenericMirrorDB) -> None:
    await client.read_function("read", "api/users", paginate=LINKS)


async def read_records(client: GenericMirrorDB) -> None:
    async for _ in client.records("read", "api/users", paginate=LINKS):
        pass


@pytest.mark.parametrize("read", [read_all, read_records])
async def test_a_link_that_leads_to_the_key(
    config_for: ConfigFor, raw_server: RawServer, caplog: pytest.LogCaptureFixture, read: Any
) -> None:
    """The endpoint of the next page is neither in its error nor in the log of its attempts."""
    link = f'Link: </api/{PLAIN_KEY}>; rel="next"'
    raw_server.replies = [Reply(answer(200, "[{}]", link))]
    raw_server.default = Reply(answer(503))
    async with GenericMirrorDB(config_for(raw_server.base_url, api_key=PLAIN_KEY, max_attempts=2)) as client:
        with pytest.raises(MirrorDBError) as caught:
            await read(client)
    assert caught.value.endpoint == "api/***"
    assert "GET api/*** [read]: attempt 1 of 2: 503" in caplog.text
    assert PLAIN_KEY.encode() in raw_server.requests[-1]  # it was followed
    assert_no_word_of(PLAIN_KEY, [*texts_of(caught.value), caplog.text])


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (f"http://{PLAIN_KEY}.example/api/users", "the next page is at http://***.example"),
        (f"http://[{PLAIN_KEY}", "is told as 'http://[***'"),
        (f"/admin/{PLAIN_KEY}", "not allowed"),
    ],
)
async def test_a_link_that_holds_the_key(
    config_for: ConfigFor, raw_server: RawServer, link: str, words: str
) -> None:
    """In the host, which URLs have in small letters, in what is no URL, and in a path."""
    raw_server.default = Reply(answer(200, "[{}]", f'Link: <{link}>; rel="next"'))
    key = PLAIN_KEY.upper()
    async with GenericMirrorDB(config_for(raw_server.base_url, api_key=key)) as client:
        with pytest.raises(MirrorDBError, match=re.escape(words)) as caught:
            await client.read_function("read", "api/users", paginate=LINKS)
    assert_no_word_of(PLAIN_KEY, texts_of(caught.value))


async def test_the_request_id_of_a_success_is_logged_without_the_key(
    config_for: ConfigFor, raw_server: RawServer
) -> None:
    """Sensors and triggers log it; nothing else of a success is changed."""
    raw_server.default = Reply(answer(200, json.dumps([PLAIN_KEY]), f"X-Request-ID: {PLAIN_KEY}"))
    async with GenericMirrorDB(config_for(raw_server.base_url, api_key=PLAIN_KEY)) as client:
        response = await client.request(MirrorDBRequest(method="GET", endpoint="api/users"))
    assert (response.request_id, response.data) == ("***", [PLAIN_KEY])


async def test_what_a_look_up_fails_with_is_logged_without_the_key(
    config_for: ConfigFor, raw_server: RawServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A secrets backend may quote what it was asked for."""

    async def fail() -> Mapping[str, Any]:
        raise OSError(f"no other key than {PLAIN_KEY}")

    raw_server.default = Reply(answer(401))
    config = config_for(raw_server.base_url, api_key=PLAIN_KEY)
    async with GenericMirrorDB(config, look_up=fail) as client:
        with pytest.raises(MirrorDBError):
            await client.read_function("read", "api/users")
    assert "no other key than ***" in caplog.text
    assert_no_word_of(PLAIN_KEY, [caplog.text])


async def test_a_key_of_before_is_hidden(config_for: ConfigFor, raw_server: RawServer) -> None:
    """After ``update_api_key`` and ``update_config``; the backend may take its time to forget it."""
    raw_server.default = Reply(answer(401, json.dumps({"detail": f"{PLAIN_KEY} second-key pr0xy-password"})))
    async with GenericMirrorDB(config_for(raw_server.base_url, api_key=PLAIN_KEY)) as client:
        await client.update_config(proxy="http://u:pr0xy-password@127.0.0.1:1")
        await client.update_config(proxy=None)
        await client.update_api_key("second-key")
        await client.update_api_key("third-key")
        with pytest.raises(MirrorDBError, match=r"401 Unauthorized: \*\*\* \*\*\* \*\*\*; the key was sent"):
            await client.read_function("read", "api/users")


@pytest.mark.parametrize("key", ["a", "api", "users", "key"])
async def test_a_short_key_leaves_errors_readable(
    config_for: ConfigFor, raw_server: RawServer, key: str
) -> None:
    """It is hidden where it stands alone, and in no word that has its letters."""
    words = f"apiary users2 akey: monkey {key}"
    raw_server.default = Reply(answer(404, json.dumps({"detail": words, "code": "api_users_key"})))
    async with GenericMirrorDB(config_for(raw_server.base_url, api_key=key)) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.read_function("read", "api/persons")
    assert caught.value.detail == "apiary users2 akey: monkey ***"
    assert (caught.value.code, caught.value.status) == ("api_users_key", 404)


async def test_garbage_is_not_quoted(config_for: ConfigFor, raw_server: RawServer) -> None:
    """Of a line that is too long aiohttp quotes the first 100 bytes, which may end within a key."""
    raw_server.default = Reply(answer(200, "", f"X-Long: {'x' * 94}{PLAIN_KEY}{'y' * 9000}"), then="close")
    async with GenericMirrorDB(config_for(raw_server.base_url, api_key=PLAIN_KEY)) as client:
        with pytest.raises(MirrorDBError, match="Got more than") as caught:
            await client.read_function("read", "api/users")
    assert not [text for text in texts_of(caught.value) if PLAIN_KEY[:4] in text]


def test_the_connection_test_shows_no_key(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Its words are shown in the form, and logged by the API server."""
    set_connection(scripted.url, password=PLAIN_KEY)
    scripted.answer(401, {"detail": f"bad key {PLAIN_KEY}"})
    worked, message = MirrorDBHook().test_connection()
    assert (worked, "answered 401 Unauthorized: bad key ***; the key was sent" in message) == (False, True)


# -- links that are secrets themselves -----------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://store.example/a/b?X-Amz-Signature={SIGNATURE}", "https://store.example/a/b?…"),
        (f"https://store.example/a/b#{SIGNATURE}", "https://store.example/a/b#…"),
        (f"/a/b;jsessionid={SIGNATURE}", "/a/b;…"),
        (f"https://user:{SIGNATURE}@store.example/a", "https://…@store.example/a"),
        (f"https://user:1/{SIGNATURE}@store.example/a", "https://…@store.example/a"),
        (f"//user:{SIGNATURE}@store.example/a", "…@store.example/a"),
        (f"https:\\\\user:{SIGNATURE}@store.example/a", "…@store.example/a"),
        (f"?{SIGNATURE}", "?…"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_redirect_is_shown_without_its_query(
    config_for: ConfigFor,
    raw_server: RawServer,
    caplog: pytest.LogCaptureFixture,
    method: Any,
    url: str,
    shown: str,
) -> None:
    """A presigned URL holds its signature there, and gives whoever reads it what the signer may see."""
    caplog.set_level(logging.DEBUG)
    raw_server.default = Reply(answer(307, "", f"Location: {url}"))
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        request = MirrorDBRequest(method=method, endpoint="api/users")
        with pytest.raises(MirrorDBError, match=re.escape(f"the redirect to {shown!r} was not")) as caught:
            await client.request(request)
        if method == "GET":
            await client.update_config(test_endpoint="api/users", retry_statuses=[500])
            with pytest.raises(MirrorDBError, match=re.escape(f"the redirect to {shown!r}")) as probe:
                await client.probe()
            assert not [text for text in texts_of(probe.value) if SIGNATURE in text]
    assert not [text for text in [*texts_of(caught.value), caplog.text] if SIGNATURE in text]


@pytest.mark.parametrize(
    ("style", "next_page"),
    [
        (LINKS, f"https://store.example/a?sig={SIGNATURE}"),
        (LINKS, f"http://[?sig={SIGNATURE}"),
        (LINKS, f"http://h:x/?sig={SIGNATURE}"),
        (LINKS, f"/admin?sig={SIGNATURE}"),
        (LINKS, f"/api/missing?sig={SIGNATURE}"),
        (LINKS, f"http://u:{SIGNATURE}@[x"),
        ({"style": "body", "next": "n", "records": "r"}, {"href": f"/a?sig={SIGNATURE}"}),
        ({"style": "body", "next": "n", "records": "r"}, f"https://store.example/a?sig={SIGNATURE}"),
        ({"style": "body", "next": "n", "records": "r", "param": "p"}, f"https://h:x/?{SIGNATURE}"),
    ],
)
async def test_a_link_is_shown_without_its_query(
    config_for: ConfigFor,
    raw_server: RawServer,
    caplog: pytest.LogCaptureFixture,
    style: dict[str, str],
    next_page: Any,
) -> None:
    """Whether it is followed and fails, or cannot be followed."""
    caplog.set_level(logging.DEBUG)
    body = json.dumps({"r": [{}], "n": next_page}) if style["style"] == "body" else "[{}]"
    raw_server.replies = [Reply(answer(200, body, f'Link: <{next_page}>; rel="next"'))]
    raw_server.default = Reply(answer(404))
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/users", paginate=style)
    assert isinstance(caught.value, EndpointNotAllowedError) is (str(next_page).startswith("/admin"))
    assert not [text for text in [*texts_of(caught.value), caplog.text] if SIGNATURE in text]
