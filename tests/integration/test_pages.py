"""Collections in pages: each style against a real server, through the client, the hook and the operator."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    EndpointNotAllowedError,
    GenericMirrorDB,
    InvalidRequestError,
    InvalidResponseError,
)
from airflow_mirrordb.client.collections.pages.next_links import next_link
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from tests.integration.test_operators import context
from tests.support.backends import Answering, Backend, ScriptedBackend
from tests.support.connections import ConfigFor, SetConnection

RECORDS = [{"id": number} for number in range(1, 8)]
SIZE = 3
Give = Callable[[web.Request, list[Any], int | None], web.Response]


def serving(backend: Backend, give: Give, start: str = "cursor") -> Callable[[web.Request], Any]:
    """An answer that gives SIZE records from where ``start`` in the query says, and tells where to go on."""

    async def answer(request: web.Request) -> web.Response:
        at = int(request.query.get(start, "0"))
        following = at + SIZE if at + SIZE < len(RECORDS) else None
        return give(request, RECORDS[at : at + SIZE], following)

    return answer


def linked(request: web.Request, records: list[Any], following: int | None) -> web.Response:
    links = ['<https://elsewhere.example.com/>; rel="prev first"']
    if following is not None:
        url = request.url.with_query({"cursor": following, "name": "a b&c"})
        links.append(f'<{url}>; title="one, two; three"; rel="next"')
    return web.json_response(records, headers={"Link": ", ".join(links)})


def with_header(_request: web.Request, records: list[Any], following: int | None) -> web.Response:
    headers = {} if following is None else {"Next-Page": f"?cursor={following}"}
    return web.json_response({"data": records}, headers=headers)


def with_cursor(_request: web.Request, records: list[Any], following: int | None) -> web.Response:
    return web.json_response({"rows": records, "meta": {"next": following}})


def with_absolute_url(request: web.Request, records: list[Any], following: int | None) -> web.Response:
    url = following and str(request.url.with_query({"cursor": following}))
    return web.json_response({"results": records, "next": url})


def with_path(request: web.Request, records: list[Any], following: int | None) -> web.Response:
    return web.json_response({"items": records, "next": following and f"{request.path}?cursor={following}"})


def plain(_request: web.Request, records: list[Any], _following: int | None) -> web.Response:
    return web.json_response(records)


def numbered(request: web.Request, _records: list[Any], _following: int | None) -> web.Response:
    at = (int(request.query["page"]) - 1) * int(request.query["limit"])
    return web.json_response(RECORDS[at : at + int(request.query["limit"])])


STYLES: dict[str, tuple[Give, str, dict[str, Any]]] = {
    "link": (linked, "cursor", {"style": "link"}),
    "header": (with_header, "cursor", {"style": "header", "next": "Next-Page", "records": "data"}),
    "cursor": (
        with_cursor,
        "cursor",
        {"style": "body", "next": "meta.next", "records": "rows", "param": "cursor"},
    ),
    "absolute URL": (with_absolute_url, "cursor", {"style": "body", "next": "next", "records": "results"}),
    "path": (with_path, "cursor", {"style": "body", "next": "next", "records": "items"}),
    "page": (numbered, "page", {"style": "page", "param": "page", "size": 3, "size_param": "limit"}),
    "page, end unknown": (
        numbered,
        "page",
        {"style": "page", "param": "page", "size": 7, "size_param": "limit"},
    ),
    "offset": (plain, "skip", {"style": "offset", "param": "skip"}),
    "offset and size": (plain, "skip", {"style": "offset", "param": "skip", "size": 3}),
}
each_style = pytest.mark.parametrize("style", STYLES)


@pytest.fixture
async def of_style(answering: Answering, style: str) -> tuple[Backend, Mapping[str, Any]]:
    give, start, paginate = STYLES[style]
    backend = Backend("")
    started = await answering(*[serving(backend, give, start)] * 10)
    return started, paginate


@each_style
async def test_all_records_are_read_in_order(
    of_style: tuple[Backend, Mapping[str, Any]], config_for: ConfigFor, style: str
) -> None:
    """Seven records, in pages of three; a short page is no end, so counted ones end with an empty page."""
    backend, paginate = of_style
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        found = await client.read_function("list", "api/users", paginate=paginate, query={"q": "x"})
    assert found == RECORDS
    ends_with_an_empty_page = style.startswith(("page", "offset"))
    pages = 1 if style == "page, end unknown" else 3
    assert len(backend.requests) == pages + ends_with_an_empty_page
    assert "q=x" in backend.lines[0]


async def test_records_come_page_by_page(answering: Answering, config_for: ConfigFor) -> None:
    """Who stops early has asked for no further page."""
    backend = await answering(*[serving(Backend(""), linked)] * 3)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        records = client.records("list", "api/users", paginate={"style": "link"})
        assert [await anext(records) for _ in range(4)] == RECORDS[:4]
        await records.aclose()  # type: ignore[attr-defined]
    assert len(backend.requests) == 2


async def test_each_page_is_retried_by_itself(answering: Answering, config_for: ConfigFor) -> None:
    """A failure in the middle costs one request, and no record twice."""
    page = serving(Backend(""), linked)
    backend = await answering(page, web.Response(status=503), page, page)
    async with GenericMirrorDB(config_for(backend.base_url, max_attempts=2)) as client:
        assert await client.read_function("list", "api/users", paginate={"style": "link"}) == RECORDS
    assert len(backend.requests) == 4


async def test_the_next_page_may_lack_the_prefix_of_the_base_url(
    answering: Answering, config_for: ConfigFor
) -> None:
    """A backend behind a gateway does not know what the gateway adds."""
    backend = await answering(
        web.json_response({"data": [1], "next": "/api/users?page=2"}), web.json_response({"data": [2]})
    )
    async with GenericMirrorDB(config_for(f"{backend.base_url}/v1")) as client:
        paginate = {"style": "body", "next": "next", "records": "data"}
        assert await client.read_function("list", "api/users", paginate=paginate) == [1, 2]
    assert backend.lines == ["GET /v1/api/users", "GET /v1/api/users?page=2"]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/api/users", "https://example.com/", "//example.com/x", "http://[::", "ftp://x/y"],
)
async def test_the_next_page_stays_at_the_origin(
    answering: Answering, config_for: ConfigFor, url: str
) -> None:
    """A backend cannot send the client, with its key, to another server."""
    backend = await answering(web.json_response([1], headers={"Link": f'<{url}>; rel="next"'}))
    async with GenericMirrorDB(config_for(backend.base_url, api_key="canary-key")) as client:
        with pytest.raises(InvalidResponseError, match="next page"):
            await client.read_function("list", "api/users", paginate={"style": "link"})
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    "url", ["/admin", "/api/users/../../admin", "/api/v1/users", "/api/users/%2e%2e/%2e%2e/admin"]
)
async def test_the_next_page_is_a_registered_endpoint(
    answering: Answering, config_for: ConfigFor, url: str
) -> None:
    """What the DAG may not ask for, the backend may not make it ask for."""
    backend = await answering(web.json_response([1], headers={"Link": f'<{url}>; rel="next"'}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(EndpointNotAllowedError):
            await client.read_function("list", "api/users", paginate={"style": "link"})
    assert len(backend.requests) == 1


@pytest.mark.parametrize("style", ["page", "offset"])
async def test_a_page_that_comes_again_is_an_error(
    answering: Answering, config_for: ConfigFor, style: str
) -> None:
    """A backend that does not know the argument would answer the same for ever."""
    backend = await answering(*[web.json_response([{"id": 1}, {"id": 2}]) for _ in range(3)])
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="the same as the one before"):
            await client.read_function("list", "api/users", paginate={"style": style, "param": "pagee"})
    assert len(backend.requests) == 2


async def test_pages_that_go_in_a_circle_are_an_error(answering: Answering, config_for: ConfigFor) -> None:
    """A cursor that comes again would go on for ever."""
    pages = [web.json_response({"rows": [1], "next": cursor}) for cursor in ("a", "b", "a", "b")]
    backend = await answering(*pages)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        paginate = {"style": "body", "next": "next", "records": "rows", "param": "cursor"}
        with pytest.raises(InvalidResponseError, match="circle"):
            await client.read_function("list", "api/users", paginate=paginate)
    assert len(backend.requests) == 3


async def test_too_many_pages_are_an_error(answering: Answering, config_for: ConfigFor) -> None:
    """A limit that cut the collection silently would lose records."""
    backend = await answering(*(web.json_response([1]) for _ in range(5)))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match=r"max_pages \(3\)"):
            await client.read_function(
                "list", "api/users", paginate={"style": "offset", "param": "skip", "max_pages": 3}
            )
    assert len(backend.requests) == 3


@pytest.mark.parametrize(
    ("body", "records", "words"),
    [
        ({"data": [], "total": 0}, None, "the body is no list of records; the body is an object with data"),
        ({"data": {"rows": 3}}, "data.rows", "'data.rows' in the body is no list"),
        ([1], "data", "the body is a list"),
        ("x", "data", "the body is a string"),
    ],
)
async def test_a_page_without_records_is_an_error(
    answering: Answering, config_for: ConfigFor, body: Any, records: str | None, words: str
) -> None:
    """The error says what the body is instead: the path is likely wrong."""
    backend = await answering(web.json_response(body))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match=words):
            await client.read_function("list", "api/users", paginate={"style": "link", "records": records})


@pytest.mark.parametrize(
    ("paginate", "words"),
    [
        ({"style": "pages"}, "'pages' is not one of link, header, body, page, offset"),
        ({"style": "body"}, r"paginate\.next: it is needed with the style 'body'"),
        ({"style": "page"}, r"paginate\.param: it is needed"),
        ("link", r"paginate: it must be a mapping"),
        ({}, r"paginate\.style: it is missing"),
        ({"stlye": "link"}, r"paginate\.stlye: unknown argument; did you mean 'style'\?"),
        ({"style": "link", "size_param": "limit"}, r"paginate\.size: it is needed"),
        ({"style": "link", "size": 0}, r"paginate\.size: .* at least 1"),
        ({"style": "link", "max_pages": True}, r"paginate\.max_pages: "),
        ({"style": "page", "param": "p", "first": -1}, r"paginate\.first: .* at least 0, not -1"),
        ({"style": "page", "param": 7}, r"paginate\.param: it must be a text, not 7"),
        ({"style": "header", "next": "Next Page"}, r"paginate\.next: 'Next Page' is no name of a header"),
        ({"style": "page", "param": "p", "rebase": True}, r"paginate\.rebase: it goes with the style link"),
        ({"style": "link", "rebase": "yes"}, r"paginate\.rebase: it must be True or False, not 'yes'"),
        ({"style": "link", "page_count": "pages"}, r"paginate\.page_count: it goes with the style page, not"),
        ({"style": "link", "concurrency": 4, "total": "t"}, r"paginate\.concurrency: it goes with .* offset"),
        ({"style": "page", "param": "p", "concurrency": 4}, r"paginate\.concurrency: .* by total"),
        ({"style": "page", "param": "p", "concurrency": 0}, r"paginate\.concurrency: .* at least 1, not 0"),
        ({"style": "link", "total": "a["}, r"paginate\.total: 'a\[' is no path"),
        ({"style": "link", "more": ""}, r"paginate\.more: '' is no path"),
    ],
)
async def test_arguments_that_do_not_fit_send_nothing(
    answering: Answering, config_for: ConfigFor, paginate: dict[str, Any], words: str
) -> None:
    """The error names the argument."""
    backend = await answering()
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidRequestError, match=words):
            await client.read_function("list", "api/users", paginate=paginate)
    assert backend.requests == []


@pytest.mark.parametrize(
    ("header", "url"),
    [
        ('<https://x/?page=2>; rel="next", <https://x/?page=9>; rel="last"', "https://x/?page=2"),
        ("<a>; rel=next", "a"),
        ('<a>; rel="prev next"', "a"),
        ('<a>; title="a, b"; REL="NEXT"', "a"),
        ('<a,b;c>; rel="next"', "a,b;c"),
        ('<a>; rel="nextpage"', None),
        ("<a>", None),
        ("", None),
        ("next", None),
        ("<b>; rel=prev, " * 3000 + "<a>; rel=next", "a"),
    ],
)
def test_link_headers(header: str, url: str | None) -> None:
    """Relations are compared whole, whatever else the link says."""
    assert next_link(header) == url


# -- hook, operator, trigger ---------------------------------------------------------------------

PAGES = [{"rows": [1, 2], "next": "b"}, {"rows": [3], "next": None}]
PAGINATE = {"style": "body", "next": "next", "records": "rows", "param": "cursor"}


def test_the_hook_reads_pages(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """At once, or record by record."""
    set_connection(scripted.url)
    for page in PAGES * 2:
        scripted.answer(200, page)
    with MirrorDBHook() as hook:
        assert hook.read("api/users", paginate=PAGINATE) == [1, 2, 3]
        assert list(hook.records("api/users", paginate=PAGINATE)) == [1, 2, 3]
    assert scripted.requests == ["GET /api/users", "GET /api/users?cursor=b"] * 2


def test_the_operator_returns_all_records(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The task's result is one list."""
    set_connection(scripted.url)
    for page in PAGES:
        scripted.answer(200, page)
    task = MirrorDBReadOperator(task_id="list", endpoint="api/users", paginate=PAGINATE)
    assert task.execute(context()) == [1, 2, 3]


async def test_the_trigger_reads_pages(answering: Answering, set_connection: SetConnection) -> None:
    """What a worker handed over is read from the beginning, in the triggerer."""
    backend = await answering(*(web.json_response(page) for page in PAGES))
    set_connection(backend.base_url)
    request = {"method": "GET", "endpoint": "api/users", "paginate": PAGINATE}
    (event,) = [event async for event in MirrorDBTrigger(request=request).run()]
    assert event.payload["status"] == "success"
    assert read_event(event.payload)["data"] == [1, 2, 3]


@pytest.mark.parametrize("deferred", [False, True])
async def test_pages_that_never_end_do_not_fill_the_triggerer(
    answering: Answering, set_connection: SetConnection, deferred: bool
) -> None:
    """They are read no further than an event can hold them; a worker, which has a filter, reads them all."""

    async def more(request: web.Request) -> web.Response:
        return web.json_response({"rows": [1], "next": int(request.query.get("cursor", 0)) + 1})

    backend = await answering(*[more] * 50)
    set_connection(backend.base_url)
    paginate = {"style": "body", "next": "next", "records": "rows", "param": "cursor", "max_pages": 40}
    request = {"method": "GET", "endpoint": "api/users", "paginate": paginate}
    if deferred:
        (event,) = [event async for event in MirrorDBTrigger(request=request, max_event_bytes=100).run()]
        error = read_event(event.payload)["error"]
        assert (error["type"], len(backend.requests)) == ("InvalidResponseError", 5)
        assert "larger than max_event_bytes (100)" in error["message"]
        return
    async with MirrorDBHook() as client:
        with pytest.raises(InvalidResponseError, match="goes on after max_pages"):
            await client.read_function("read", "api/users", paginate=paginate)


HOSTILE_TOKENS = {
    "a port that is none": "https://[::::]/x",
    "a long text": "/" + "x" * 100_000,
    "a long host": f"https://{'é.' * 50_000}/x",
    "a list": ["x"] * 10_000,
    "an object": {"x": "y" * 10_000},
    "a host of 200 letters": f"https://{'a' * 200}.example/x",
}


@pytest.mark.parametrize("param", [None, "cursor"])
@pytest.mark.parametrize("name", HOSTILE_TOKENS)
async def test_a_next_page_that_no_request_can_hold_is_one_short_error(
    answering: Answering, config_for: ConfigFor, name: str, param: str | None
) -> None:
    """It is neither sent nor quoted, and takes no time."""
    backend = await answering(web.json_response({"items": [{"id": 1}], "next": HOSTILE_TOKENS[name]}))
    paginate = {"style": "body", "records": "items", "next": "next", **({"param": param} if param else {})}
    begin = time.thread_time()
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="the next page is") as refused:
            await client.read_function("read", "api/users", paginate=paginate)
    assert time.thread_time() - begin < 2
    assert len(str(refused.value)) < 1000
    assert len(backend.requests) == 1


def test_the_sum_of_the_pages_is_bounded(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Many small pages are as large a result as one large answer."""
    set_connection(scripted.url)
    for page in PAGES:
        scripted.answer(200, page)
    task = MirrorDBReadOperator(task_id="list", endpoint="api/users", paginate=PAGINATE, max_event_bytes=40)
    with pytest.raises(Exception, match="max_event_bytes"):
        task.execute(context())
