"""A key in the query goes with each kind of call, once; no secret header goes to another host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.job import MirrorDBJobOperator
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.zoo.auth.keyed import RECORDS, Handler, KeyedBackend, file_host, pages, query_without
from tests.zoo.auth.names import TINY, Connect, Serving
from tests.zoo.auth.seen import assert_hidden, logged, shown_by, texts_of
from tests.zoo.auth.test_keys_in_queries import CONTEXT, keys_of
from tests.zoo.auth.ways import (
    AZURE_QUERY,
    COOKIE,
    DATADOG,
    KEY,
    NASA,
    OPENWEATHER,
    SECOND,
    SUPABASE,
    Way,
    in_header,
)

EXTRA: dict[str, Any] = {
    "endpoints": ["api/things", "QUERY api/search", "api/jobs", "GET api/jobs/{id}/result"]
}


def client_of(way: Way, origin: str, *, key: str = KEY, **settings: Any) -> GenericMirrorDB:
    return GenericMirrorDB({"base_url": origin, "api_key": key, **TINY, **way.noticing, **settings})


async def test_each_kind_of_call_shows_the_key_once(
    serving: Serving, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Forms, files, reads by a body, PUT, PATCH and DELETE, and many records at once; also if a 503 came."""
    backend = KeyedBackend(OPENWEATHER, KEY)
    backend.routes["/api/search"] = backend.routes["/api/things/7"] = _failing_once()
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    async with client_of(OPENWEATHER, serving(backend.application), **EXTRA) as client:
        await client.create_function("new", "api/things", form={"name": "Ada & co", "tags": ["a", "b"]})
        await client.create_function("new", "api/things", files={"file": str(path)})
        await client.create_function("new", "api/things", input_path=str(path), content_type="text/csv")
        await client.read_function("find", "api/search", data={"q": 1}, query={"size": 3})
        await client.update_function("put", "api/things/7", {"a": 1})
        await client.update_function("patch", "api/things/7", {"a": 1}, partial=True)
        await client.delete_function("delete", "api/things/7")
        assert_hidden([KEY], [*logged(caplog), *await shown_by(client)])
    assert len(backend.seen) == 8
    assert {tuple(keys_of(seen, OPENWEATHER)) for seen in backend.seen} == {(KEY,)}
    assert not [seen for seen in backend.seen if KEY in unquote(seen.body.decode())]


def _failing_once() -> Handler:
    """Return what answers 503 first."""
    answers = iter([503])

    def answer(_request: web.Request) -> web.Response:
        return web.json_response(RECORDS, status=next(answers, 200))

    return answer


@pytest.mark.parametrize("style", ["page", "offset"])
def test_pages_that_are_read_together(serving: Serving, connect: Connect, style: str) -> None:
    """Each of several requests at a time has the key once."""

    def page(request: web.Request) -> web.Response:
        at = int(request.query[style]) * (3 if style == "page" else 1)
        return web.json_response({"rows": RECORDS[at:][:3], "total": len(RECORDS)})

    backend = KeyedBackend(NASA, KEY)
    backend.routes["/api/things"] = page
    paginate: dict[str, Any] = {
        "style": style,
        "param": style,
        "first": 0,
        "size": 3,
        "records": "rows",
        "total": "total",
        "concurrency": 4,
    }
    if style == "offset":
        del paginate["first"]
    connect(serving(backend.application), password=KEY, extra=NASA.extra)
    with MirrorDBHook() as hook:
        assert list(hook.records("api/things", paginate=paginate)) == RECORDS
    assert {tuple(keys_of(seen, NASA)) for seen in backend.seen} == {(KEY,)}


@pytest.mark.parametrize("key", ["k3y-42", "abc"])
async def test_a_short_key_stands_in_no_url_that_is_told(
    serving: Serving, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    """Fewer than 8 characters are hidden where they stand alone, as a value of a query does."""

    def repeat(request: web.Request) -> web.Response:
        return web.json_response({"message": f"cannot serve {request.raw_path}, really"}, status=404)

    backend = KeyedBackend(OPENWEATHER, key)
    backend.routes["/api/things"] = repeat
    async with client_of(OPENWEATHER, serving(backend.application), key=key) as client:
        with pytest.raises(MirrorDBError) as caught:
            await client.read_function("read", "api/things", query={"q": "x"})
    texts = [*texts_of(caught.value), *(record.getMessage() for record in caplog.records)]
    assert not [text for text in texts if f"appid={key}" in text]


def test_an_answer_that_goes_to_a_file(
    serving: Serving, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The records of pages whose links have the key: file, result and log have none of it."""
    backend = KeyedBackend(NASA, KEY)
    origin = serving(backend.application)
    backend.routes["/api/things"] = pages(
        lambda request, page: f"{origin}{request.path}?page={page}&{query_without(request, 'page')}"
    )
    connect(origin, password=KEY, extra=NASA.extra)
    path = tmp_path / "out.jsonl"
    paginate = {"style": "body", "next": "links.next", "records": "rows"}
    task = MirrorDBReadOperator(task_id="t", endpoint="api/things", paginate=paginate, output_path=str(path))
    result = task.execute(CONTEXT)
    assert [json.loads(line) for line in path.read_text().splitlines()] == RECORDS
    assert_hidden([KEY], [json.dumps(result), path.read_text(), *logged(caplog)])
    assert [keys_of(seen, NASA) for seen in backend.seen] == [[KEY]] * 3


def test_many_records_by_the_hook(
    serving: Serving, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The report of those that failed tells the backend's words, which repeat the URL, without the key."""

    def answer(request: web.Request) -> web.Response:
        text = f"cannot take {request.url}"
        return web.json_response({"message": text}, status=422, headers={"X-Request-ID": request.raw_path})

    backend = KeyedBackend(AZURE_QUERY, KEY)
    backend.routes["/api/things"] = answer
    connect(serving(backend.application), password=KEY, extra=AZURE_QUERY.extra)
    with MirrorDBHook() as hook, pytest.raises(MirrorDBError) as caught:
        hook.bulk("create", [{"id": 1}, {"id": 2}], endpoint="api/things", on_error="continue")
    report = json.dumps(getattr(caught.value, "report", None), default=vars)
    assert_hidden([KEY], [*texts_of(caught.value), report, *logged(caplog)])


# -- jobs ----------------------------------------------------------------------------------------


def _jobs(origin: str, name: str) -> dict[str, Handler]:
    """A job whose links have the key in them, as a gateway that repeats the query makes them."""
    states = iter(["running", "running", "done"])

    def link(request: web.Request, path: str) -> str:
        return f"{origin}{path}?{query_without(request).replace('subscription-key=', name)}"

    def submit(request: web.Request) -> web.Response:
        url = link(request, "/api/jobs/7")
        return web.json_response({"id": 7, "url": url}, status=202, headers={"Location": url})

    def poll(request: web.Request) -> web.Response:
        state = next(states, "done")
        return web.json_response({"status": state, "result_url": link(request, "/api/jobs/7/result")})

    def result(_request: web.Request) -> web.Response:
        return web.json_response({"rows": 3})

    return {"/api/jobs": submit, "/api/jobs/7": poll, "/api/jobs/7/result": result}


def _job_of(
    serving: Serving, connect: Connect, name: str = "subscription-key="
) -> tuple[KeyedBackend, dict[str, Any]]:
    backend = KeyedBackend(AZURE_QUERY, KEY)
    origin = serving(backend.application)
    backend.routes.update(_jobs(origin, name))
    connect(origin, password=KEY, extra={**AZURE_QUERY.extra, **EXTRA})
    arguments: dict[str, Any] = {
        "task_id": "t",
        "endpoint": "api/jobs",
        "data": {"name": "x"},
        "state": "status",
        "succeeded": ["done"],
        "failed": ["failed"],
        "poll_interval": 0.001,
        "result": "{result_url}",
    }
    return backend, arguments


def test_a_job_whose_links_have_the_key(
    serving: Serving, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """It is followed to its result, with the key once in each request, and no log tells of it."""
    backend, arguments = _job_of(serving, connect)
    assert MirrorDBJobOperator(**arguments).execute(CONTEXT) == {"rows": 3}
    assert [seen.path for seen in backend.seen][-1] == "/api/jobs/7/result"
    assert {tuple(keys_of(seen, AZURE_QUERY)) for seen in backend.seen} == {(KEY,)}
    assert_hidden([KEY], logged(caplog))


@pytest.mark.parametrize(
    "name", ["subscription-key=", "Subscription-Key=", "a=1;subscription-key=", "token="]
)
def test_a_deferred_job_whose_links_have_the_key(
    serving: Serving, connect: Connect, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """What its trigger stores while it waits, and the event at its end, have none of it.

    ASP.NET, and so Azure API Management, takes the names of a query in any case.
    """
    backend, arguments = _job_of(serving, connect, name)
    task = MirrorDBJobOperator(**arguments, deferrable=True, worker_timeout=0)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(CONTEXT)
    trigger: Any = deferred.value.trigger

    async def event() -> Any:
        (event,) = [event async for event in trigger.run()]
        return event.payload

    payload = asyncio.run(event())
    assert task.execute_complete(CONTEXT, payload) == {"rows": 3}
    stored = [json.dumps(trigger.serialize()), repr(trigger), json.dumps(payload)]
    assert_hidden([KEY], [*stored, *logged(caplog)])
    assert {tuple(keys_of(seen, AZURE_QUERY)) for seen in backend.seen} == {(KEY,)}


# -- other hosts, and secret headers that change -------------------------------------------------


@pytest.mark.parametrize("way", [DATADOG, SUPABASE, COOKIE], ids=lambda way: way.name)
async def test_no_secret_goes_to_another_host(
    way: Way, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a redirect to a listed host: neither the key, nor a secret header, nor a cookie."""
    files, elsewhere = file_host(serving)
    backend = KeyedBackend(way, KEY)
    backend.routes["/api/files/1"] = lambda _request: web.Response(
        status=302, headers={"Location": f"{files}/files/1?sig=abc"}
    )
    hosts: dict[str, Any] = {"redirect_hosts": [files.removeprefix("http://")]}
    async with client_of(way, serving(backend.application), **hosts) as client:
        assert await client.read_function("read", "api/files/1") == [7]
    (seen,) = elsewhere
    assert_hidden([KEY, SECOND], [f"{seen.url} {seen.headers}", *logged(caplog)])
    names = {name.lower() for name, _value in seen.headers}
    assert not names & {"authorization", "cookie", "apikey", "dd-api-key", "dd-application-key"}


@pytest.mark.parametrize("way", [DATADOG, SUPABASE], ids=lambda way: way.name)
async def test_a_secret_header_that_rotates(way: Way, serving: Serving) -> None:
    """The key stays, and the other secret changes: that is looked up as well, once for all requests."""
    changed = f"changed-{SECOND}"
    backend = KeyedBackend(way, KEY)
    backend.way = _with_second(way, changed)
    look_ups = []

    async def look_up() -> dict[str, Any]:
        look_ups.append(1)
        return {"api_key": KEY, "secret_headers": dict.fromkeys(way.extra["secret_headers"], changed)}

    settings = {"base_url": serving(backend.application), "api_key": KEY, **TINY, **way.noticing}
    async with GenericMirrorDB(settings, look_up=look_up) as client:
        reads = (client.read_function("read", "api/things") for _ in range(20))
        assert await asyncio.gather(*reads) == [RECORDS] * 20
        assert_hidden([SECOND, changed], await shown_by(client))
    assert (len(look_ups), backend.admitted) == (1, 20)


def _with_second(way: Way, second: str) -> Way:
    """Return a way whose other secret is another one."""
    if way is DATADOG:
        return replace(way, shown=in_header("DD-API-KEY", DD_APPLICATION_KEY=second))
    return replace(way, shown=in_header("Authorization", "Bearer {key}", apikey=second))


@pytest.mark.parametrize("status", [200, 502])
async def test_a_proxy_that_repeats_the_url(
    serving: Serving, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """A plain http URL goes whole to a proxy (RFC 9112, section 3.2.2), and its error page has it."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        if status == 200:
            return web.json_response(RECORDS)
        return web.Response(status=502, text=f"<h1>Bad gateway</h1> {request.raw_path} is not reached")

    proxy = web.Application(middlewares=[_any_method(answer)])
    settings: dict[str, Any] = {"proxy": serving(proxy), "max_attempts": 2}
    async with client_of(OPENWEATHER, "http://backend.example", **settings) as client:
        if status == 200:
            assert await client.read_function("read", "api/things") == RECORDS
        else:
            with pytest.raises(MirrorDBError) as caught:
                await client.read_function("read", "api/things")
            assert_hidden([KEY], texts_of(caught.value))
    assert_hidden([KEY], logged(caplog))
    queries = [dict(parse_qsl(path.partition("?")[2])) for path in seen]
    assert queries == [{"appid": KEY}] * (1 if status == 200 else 2)
    assert all(quote(KEY, safe="") in path or KEY in path for path in seen)


def _any_method(answer: Callable[[web.Request], Any]) -> Any:
    @web.middleware
    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await answer(request)
        return response

    return middleware
