"""A key in the query is added on the wire only: links, redirects, results, errors and logs never show it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.zoo.auth.keyed import RECORDS, Handler, KeyedBackend, file_host, pages, query_without
from tests.zoo.auth.names import TINY, Connect, Serving
from tests.zoo.auth.seen import Seen, assert_hidden, logged, shown_by, texts_of
from tests.zoo.auth.ways import GOOGLE, IN_QUERY, KEY, NASA, OPENWEATHER, ROTATED, Way

BODY = {"style": "body", "next": "links.next", "records": "rows"}
LINK = {"style": "link"}
_IDENTITY: Any = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1}
#: Of a task; Airflow 2 keeps its link as an XCom.
CONTEXT: Any = {"ti": SimpleNamespace(**_IDENTITY, xcom_push=lambda **_: None)}
each_way = pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in IN_QUERY])

NextUrl = Callable[[str], Callable[[web.Request, int], str]]


def client_of(way: Way, origin: str, **options: Any) -> GenericMirrorDB:
    return GenericMirrorDB({"base_url": origin, "api_key": KEY, **TINY, **way.noticing}, **options)


def keys_of(seen: Seen, way: Way) -> list[str]:
    """Return all values of the key's parameter, as a backend reads them."""
    pairs = parse_qsl(seen.url.partition("?")[2], keep_blank_values=True)
    return [value for name, value in pairs if name == way.extra["key_name"]]


def _with_key(origin: str) -> Callable[[web.Request, int], str]:
    """As NASA's ``links.next``: the query that came, with the key, and the next page."""
    return lambda request, page: f"{origin}{request.path}?page={page}&{query_without(request, 'page')}"


def _key_first(origin: str) -> Callable[[web.Request, int], str]:
    return lambda request, page: f"{origin}{request.path}?{query_without(request, 'page')}&page={page}"


def _as_it_came(origin: str) -> Callable[[web.Request, int], str]:
    """The query is not encoded anew, save that its hexadecimal digits are small ones."""

    def url(request: web.Request, page: int) -> str:
        query = query_without(request, "page").replace("%2F", "%2f").replace("%2B", "%2b")
        return f"{origin}{request.path}?page={page}&{query}"

    return url


def _twice(origin: str) -> Callable[[web.Request, int], str]:
    one = _with_key(origin)
    return lambda request, page: f"{one(request, page)}&{query_without(request, 'page', 'q')}"


def _relative(_origin: str) -> Callable[[web.Request, int], str]:
    return lambda request, page: f"{request.path}?page={page}&{query_without(request, 'page')}"


def _query_alone(_origin: str) -> Callable[[web.Request, int], str]:
    return lambda request, page: f"?page={page}&{query_without(request, 'page')}"


def _without_key(origin: str) -> Callable[[web.Request, int], str]:
    """As Polygon's ``next_url``, to which the client adds its key."""
    names = [str(way.extra["key_name"]) for way in IN_QUERY]
    return lambda request, page: (
        f"{origin}{request.path}?page={page}&{query_without(request, 'page', *names)}"
    )


NEXT: dict[str, NextUrl] = {
    "with the key": _with_key,
    "with the key first": _key_first,
    "with the key in small hexadecimal digits": _as_it_came,
    "with the key twice": _twice,
    "relative": _relative,
    "a query alone": _query_alone,
    "without the key": _without_key,
}


@pytest.mark.parametrize("place", ["body", "link"])
@pytest.mark.parametrize("form", NEXT)
async def test_a_next_link_is_followed_with_the_key_once(
    serving: Serving, caplog: pytest.LogCaptureFixture, form: str, place: str
) -> None:
    """The key is taken out and added again: NeoWs of https://api.nasa.gov/ has it in ``links.next``."""
    backend = KeyedBackend(NASA, KEY)
    origin = serving(backend.application)
    backend.routes["/api/neo"] = pages(NEXT[form](origin), in_header=place == "link")
    paginate = LINK if place == "link" else BODY
    async with client_of(NASA, origin) as client:
        found = await client.read_function("read", "api/neo", paginate=paginate, query={"q": "a&b /ü"})
        assert found == RECORDS
        assert_hidden([KEY], [*logged(caplog), json.dumps(found), *await shown_by(client)])
    assert [keys_of(seen, NASA) for seen in backend.seen] == [[KEY]] * 3
    assert all(dict(parse_qsl(seen.url.partition("?")[2]))["q"] == "a&b /ü" for seen in backend.seen)
    assert_hidden([KEY], (record.message for record in caplog.records))


@each_way
def test_pages_of_each_api_by_the_hook(
    way: Way, serving: Serving, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Record by record, too; no warning says that a link leads in a circle or to another place."""
    backend = KeyedBackend(way, KEY)
    origin = serving(backend.application)
    backend.routes["/api/neo"] = pages(_with_key(origin))
    connect(origin, password=KEY, extra=way.extra)
    with MirrorDBHook() as hook:
        assert hook.read("api/neo", paginate=BODY) == RECORDS
        assert list(hook.records("api/neo", paginate=BODY)) == RECORDS
    assert [keys_of(seen, way) for seen in backend.seen] == [[KEY]] * 6
    ours = [record for record in caplog.records if record.name.startswith("airflow_mirrordb")]
    assert not [record for record in ours if record.levelname == "WARNING"]  # Airflow may tell of its masker
    assert_hidden([KEY], logged(caplog))


async def test_pages_by_number_have_the_key_once(serving: Serving) -> None:
    """Where the client counts itself, each request has it as the first one had."""
    backend = KeyedBackend(OPENWEATHER, KEY)
    backend.routes["/api/neo"] = pages(_with_key("http://nobody.invalid"))
    paginate = {"style": "page", "param": "page", "first": 0, "records": "rows"}
    async with client_of(OPENWEATHER, serving(backend.application)) as client:
        assert await client.read_function("read", "api/neo", paginate=paginate) == RECORDS
    assert {tuple(keys_of(seen, OPENWEATHER)) for seen in backend.seen} == {(KEY,)}


@pytest.mark.parametrize("place", ["body", "link"])
async def test_a_key_that_rotates_between_two_pages(serving: Serving, place: str) -> None:
    """The link still has the old one; the next page is asked for with the new one alone."""
    backend = KeyedBackend(NASA, KEY)
    origin = serving(backend.application)
    backend.routes["/api/neo"] = pages(_with_key(origin), in_header=place == "link")
    backend.next_key, backend.rotate_after = ROTATED, 1
    paginate = LINK if place == "link" else BODY
    async with client_of(NASA, origin, look_up=backend.look_up) as client:
        assert await client.read_function("read", "api/neo", paginate=paginate) == RECORDS
    assert [keys_of(seen, NASA) for seen in backend.seen] == [[KEY], [KEY], [ROTATED], [ROTATED]]
    assert backend.look_ups == 1


# -- redirects -----------------------------------------------------------------------------------


def moved(location: Callable[[web.Request], str], status: int = 307) -> Handler:
    return lambda request: web.Response(status=status, headers={"Location": location(request)})


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("form", ["with the key", "without the key", "relative, with the key"])
async def test_a_redirect_on_the_same_origin(
    serving: Serving, caplog: pytest.LogCaptureFixture, form: str, status: int
) -> None:
    """RFC 9110, section 15.4: what is added to a request is added to the redirected one, once."""
    backend = KeyedBackend(OPENWEATHER, KEY)
    origin = serving(backend.application)

    def location(request: web.Request) -> str:
        place = "/api/here" if form.startswith("relative") else f"{origin}/api/here"
        return f"{place}?{query_without(request, *(['appid'] if form == 'without the key' else []))}"

    backend.routes["/api/moved"] = moved(location, status)
    async with client_of(OPENWEATHER, origin) as client:
        assert await client.read_function("read", "api/moved", query={"q": "x"}) == RECORDS
    assert [seen.path for seen in backend.seen] == ["/api/moved", "/api/here"]
    assert [keys_of(seen, OPENWEATHER) for seen in backend.seen] == [[KEY]] * 2
    assert_hidden([KEY], logged(caplog))


@pytest.mark.parametrize("form", ["signed", "with the key", "a parameter of the same name"])
async def test_a_redirect_to_another_host(
    serving: Serving, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    """It takes no key along, though the backend puts it there; a signature stays as it is."""
    signed = {
        "signed": "sig=abc%2Fd&n=1",
        "with the key": f"key={quote(KEY, safe='')}&sig=abc",
        "a parameter of the same name": "key=other%2F1&sig=abc",
    }
    files, elsewhere = file_host(serving)
    backend = KeyedBackend(GOOGLE, KEY)
    query = signed[form]
    backend.routes["/api/files/1"] = moved(lambda _request: f"{files}/files/1?{query}", 302)
    settings = {
        "redirect_hosts": [files.removeprefix("http://")],
        "endpoints": ["GET api/files/1"],
        **GOOGLE.extra,
    }
    origin = serving(backend.application)
    async with GenericMirrorDB({"base_url": origin, "api_key": KEY, **TINY, **settings}) as client:
        if form == "with the key":
            await client.call("read_function", method_name="read", endpoint="api/files/1")
        else:
            assert await client.read_function("read", "api/files/1") == [7]
            assert [seen.url for seen in elsewhere] == [f"/files/1?{query}"]
    shown = [f"{seen.url} {seen.headers}" for seen in elsewhere]
    assert_hidden([KEY], [*shown, *logged(caplog)])


# -- what is said of a request -------------------------------------------------------------------


def repeats(status: int) -> Handler:
    """Return what repeats the URL that came in every part of its answer, as gateways do."""

    def answer(request: web.Request) -> web.Response:
        text = f"cannot serve {request.method} {request.url.human_repr()} {request.raw_path}"
        body = {"message": text, "error": {"detail": text, "url": str(request.url)}, "errors": [text]}
        headers = {"X-Request-ID": request.raw_path, "Location": request.raw_path, "Link": f"<{request.url}>"}
        return web.json_response(body, status=status, headers=headers)

    return answer


@each_way
@pytest.mark.parametrize("status", [302, 404, 409, 422, 500, 503])
async def test_a_backend_that_repeats_the_url(
    way: Way, serving: Serving, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """In its words, in JSON, in headers, encoded or not: the error and the log show no key."""
    backend = KeyedBackend(way, KEY)
    backend.routes["/api/things"] = repeats(status)
    async with client_of(way, serving(backend.application)) as client:
        await client.update_config(max_attempts=2)
        for call in (
            client.read_function("read", "api/things"),
            client.create_function("new", "api/things", {}),
        ):
            with pytest.raises(MirrorDBError) as caught:
                await call
            assert_hidden([KEY], texts_of(caught.value))
        assert_hidden([KEY], [*logged(caplog), *await shown_by(client)])
    if status in {500, 503}:  # else nothing is logged
        assert [record for record in caplog.records if record.name.startswith("airflow_mirrordb")]
    assert {tuple(keys_of(seen, way)) for seen in backend.seen} == {(KEY,)}


@pytest.mark.parametrize("port_is_open", [True, False])
async def test_a_request_without_an_answer(
    serving: Serving, caplog: pytest.LogCaptureFixture, dead_port: int, port_is_open: bool
) -> None:
    """Who names the URL that was not reached, or not answered, names it without its query."""

    def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response(status=599)

    backend = KeyedBackend(OPENWEATHER, KEY)
    backend.routes["/api/things"] = cut
    origin = serving(backend.application) if port_is_open else f"http://127.0.0.1:{dead_port}"
    async with client_of(OPENWEATHER, origin) as client:
        await client.update_config(max_attempts=2)
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/things")
    assert_hidden([KEY], [*texts_of(caught.value), *logged(caplog)])


async def test_a_whole_response_shows_no_key(serving: Serving) -> None:
    """The backend repeats the URL in headers; what ``full_response`` has of them is a task's XCom."""
    backend = KeyedBackend(OPENWEATHER, KEY)
    origin = serving(backend.application)

    def answer(request: web.Request) -> web.Response:
        url = f"{origin}{request.raw_path}"
        headers = {
            "Link": f'<{url}&page=2>; rel="next", <{url}>; rel="self"',
            "Location": url,
            "Content-Location": request.raw_path,
            "X-Original-URL": url,
        }
        return web.json_response({"id": 1}, headers=headers)

    backend.routes["/api/things"] = answer
    async with client_of(OPENWEATHER, origin) as client:
        whole = await client.read_function("read", "api/things", full_response=True)
        created = await client.create_function("new", "api/things", {}, full_response=True)
        assert_hidden([KEY], [json.dumps(whole), json.dumps(created)])
        assert whole["data"] == {"id": 1}


async def test_a_call_cannot_send_another_key(serving: Serving) -> None:
    """A parameter of the key's name in the query of a call never leads to two of them, nor to another one."""
    backend = KeyedBackend(OPENWEATHER, KEY)
    async with client_of(OPENWEATHER, serving(backend.application)) as client:
        with pytest.raises(MirrorDBError, match="appid"):
            await client.read_function("read", "api/things", query={"appid": "another"})
    assert not backend.seen


# -- tasks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [True, False])
def test_a_deferred_task_stores_no_key(
    serving: Serving, connect: Connect, caplog: pytest.LogCaptureFixture, found: bool
) -> None:
    """Neither its trigger's row, nor the event, nor the result, nor the error; it reads page by page."""
    backend = KeyedBackend(NASA, KEY)
    origin = serving(backend.application)
    backend.routes["/api/neo"] = pages(_with_key(origin)) if found else repeats(404)
    connect(origin, password=KEY, extra=NASA.extra)
    arguments: dict[str, Any] = {"endpoint": "api/neo", "paginate": BODY, "worker_timeout": 0}
    task = MirrorDBReadOperator(task_id="t", deferrable=True, **arguments)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(CONTEXT)
    trigger: Any = deferred.value.trigger

    async def event() -> Any:
        (event,) = [event async for event in trigger.run()]
        return event.payload

    payload = asyncio.run(event())
    stored = [json.dumps(trigger.serialize()), repr(trigger), json.dumps(payload)]
    if found:
        result = task.execute_complete(CONTEXT, payload)
        assert result == RECORDS
    else:
        with pytest.raises(AirflowFailException) as caught:
            task.execute_complete(CONTEXT, payload)
        stored += texts_of(caught.value)
    assert_hidden([KEY], [*stored, *logged(caplog)])
    assert {tuple(keys_of(seen, NASA)) for seen in backend.seen} == {(KEY,)}
