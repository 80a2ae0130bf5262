"""Reads that say in a body what they want: as safe as a GET, whatever they are sent as.

A pattern ``QUERY …`` says so, as draft-ietf-httpbis-safe-method-w-body says it of the method QUERY: safe,
idempotent, and with content. Backends without that method take such reads by POST: GraphQL, Elasticsearch's
``_search``, Notion's ``databases/{id}/query``, HubSpot's ``objects/{type}/search``.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    DisconnectedError,
    EndpointNotAllowedError,
    GenericMirrorDB,
    InvalidRequestError,
    InvalidResponseError,
    MirrorDBError,
    MirrorDBRequest,
    ResponseError,
    ServerError,
)
from airflow_mirrordb.client.endpoints.registry import EndpointRegistry
from airflow_mirrordb.client.messages.request import prepare
from tests.integration.test_client_retries import BROKEN
from tests.support.aiohttp_versions import QUERY
from tests.support.raw_server import Reply, json_answer

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.clocks import FakeClock
    from tests.support.connections import ConfigFor
    from tests.support.raw_server import RawServer

SEARCH = "api/orders/search"
ALLOWED: dict[str, Any] = {"endpoints": [f"QUERY {SEARCH}", "api/orders"]}
WANTED = {"filter": {"state": ["open"]}}


def ok(body: Any = None, **options: Any) -> web.Response:
    return web.json_response({"hits": []} if body is None else body, **options)


@pytest.mark.parametrize("method", ["POST", QUERY])
async def test_a_read_with_data_sends_them(answering: Answering, config_for: ConfigFor, method: str) -> None:
    """By POST or by QUERY, as JSON, without the envelope of records and without an idempotency key."""
    backend = await answering(ok())
    config = config_for(
        backend.base_url,
        **ALLOWED,
        query_method=method,
        request_envelope="data",
        idempotency_header="Idempotency-Key",
    )
    async with GenericMirrorDB(config) as client:
        found = await client.read_function("search", SEARCH, data=WANTED, query={"size": 5, "from": None})
    assert found == {"hits": []}
    assert backend.lines == [f"{method} /{SEARCH}?size=5"]
    (request,) = backend.requests
    assert json.loads(request.body) == WANTED
    assert request.headers["Content-Type"] == "application/json"
    assert "Idempotency-Key" not in request.headers


@pytest.mark.parametrize(
    ("data", "line"), [(None, "GET"), ({}, "POST"), ([], "POST"), ("", "POST"), (0, "POST")]
)
async def test_only_none_is_no_data(
    answering: Answering, config_for: ConfigFor, data: Any, line: str
) -> None:
    """Some search for everything by an empty object (Notion's "Query a database")."""
    backend = await answering(ok())
    config = config_for(backend.base_url, endpoints=["QUERY search", "GET search"])
    async with GenericMirrorDB(config) as client:
        await client.read_function(None, "search", data=data)
    assert backend.lines == [f"{line} /search"]
    assert backend.requests[0].body == (b"" if data is None else json.dumps(data).encode())


@pytest.mark.parametrize(
    "patterns", [["api/orders"], [f"POST {SEARCH}"], [f"GET {SEARCH}"], ["{all:path}"], None]
)
async def test_without_its_pattern_it_is_refused(
    answering: Answering, config_for: ConfigFor, patterns: list[str] | None
) -> None:
    """No other pattern says that nothing is changed there; the error names the one that would."""
    backend = await answering()
    async with GenericMirrorDB(config_for(backend.base_url, endpoints=patterns)) as client:
        with pytest.raises(EndpointNotAllowedError) as caught:
            await client.read_function(None, SEARCH, data=WANTED)
        assert (caught.value.pattern, caught.value.method) == (f"QUERY {SEARCH}", "QUERY")
        assert "a read with data is sent only where a QUERY pattern says" in caught.value.message
        await client.register_endpoint(str(caught.value.pattern))
        client._sender.prepare(MirrorDBRequest(method="QUERY", endpoint=SEARCH, data={}), client._snapshot)
    assert backend.requests == []


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_the_pattern_allows_nothing_else(config_for: ConfigFor, method: Any) -> None:
    """A create to an endpoint that only reads is a mistake; so is a GET that nobody registered."""
    config = config_for("https://h", endpoints=[f"QUERY {SEARCH}"])
    with pytest.raises(EndpointNotAllowedError):
        prepare(
            MirrorDBRequest(method=method, endpoint=SEARCH),
            config,
            EndpointRegistry(declared=config.endpoints),
        )


def test_a_query_needs_data(config_for: ConfigFor) -> None:
    """It would say nothing."""
    config = config_for("https://h", **ALLOWED)
    with pytest.raises(InvalidRequestError, match="data: it is None"):
        prepare(
            MirrorDBRequest(method="QUERY", endpoint=SEARCH),
            config,
            EndpointRegistry(declared=config.endpoints),
        )


# -- repeated like a GET, and never ambiguous ------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "QUERY"])
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_it_is_sent_again_after_a_transient_status(
    answering: Answering, config_for: ConfigFor, status: int, method: str
) -> None:
    """A gateway that lost the answer lost nothing; the body goes out again."""
    backend = await answering(web.Response(status=status), ok({"hits": [1]}))
    async with GenericMirrorDB(config_for(backend.base_url, **ALLOWED, query_method=method)) as client:
        assert await client.read_function(None, SEARCH, data=WANTED) == {"hits": [1]}
    assert [json.loads(request.body) for request in backend.requests] == [WANTED, WANTED]


@pytest.mark.parametrize("name", sorted(BROKEN))
async def test_a_broken_answer_is_asked_for_again(
    raw_server: RawServer, config_for: ConfigFor, name: str
) -> None:
    """Whatever is lost on the way back, or is no HTTP at all."""
    raw_server.replies = [BROKEN[name]]
    async with GenericMirrorDB(config_for(raw_server.base_url, **ALLOWED)) as client:
        answer = await client.request(MirrorDBRequest(method="QUERY", endpoint=SEARCH, data=WANTED))
    assert (answer.data, answer.attempts, len(raw_server.requests)) == ({}, 2, 2)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(json_answer("{}", "502 Bad Gateway")), ServerError),
        (Reply(then="reset"), DisconnectedError),
        (Reply(json_answer("<html>")), InvalidResponseError),  # a page of a gateway, in the place of JSON
    ],
)
async def test_it_is_never_ambiguous(
    raw_server: RawServer, config_for: ConfigFor, reply: Reply, kind: type[MirrorDBError]
) -> None:
    """Nothing may have been applied, whatever went wrong, and the words do not say so."""
    raw_server.default = reply
    async with GenericMirrorDB(config_for(raw_server.base_url, **ALLOWED, max_attempts=2)) as client:
        with pytest.raises(kind) as caught:
            await client.read_function("search", SEARCH, data=WANTED)
    assert type(caught.value) is kind
    assert not caught.value.maybe_applied
    assert "applied" not in str(caught.value)
    assert caught.value.retryable


@pytest.mark.parametrize("method", ["POST", "QUERY"])
@pytest.mark.parametrize("status", [405, 501])
async def test_a_backend_that_does_not_know_the_method(
    answering: Answering, config_for: ConfigFor, status: int, method: str
) -> None:
    """It says so for one resource or for all (RFC 9110, sections 15.5.6 and 15.6.2); the setting is named."""
    other = {"POST": "QUERY", "QUERY": "POST"}[method]
    refusal = web.Response(status=status, headers={"Allow": f"GET, {other}"})
    backend = await answering(refusal)
    config = config_for(backend.base_url, **ALLOWED, query_method=method, max_attempts=1)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ResponseError) as caught:
            await client.read_function(None, SEARCH, data=WANTED)
    is_told = f"'query_method': \"{other}\"" in caught.value.message
    assert is_told is (status == 405 or method == "QUERY")


@pytest.mark.parametrize(("endpoint", "is_told"), [(SEARCH, True), ("api/orders", False)])
async def test_who_creates_where_others_read_is_told(
    answering: Answering, config_for: ConfigFor, endpoint: str, *, is_told: bool
) -> None:
    """A create is ambiguous after a 502, also at an endpoint whose name says that it searches."""
    backend = await answering(web.Response(status=502))
    async with GenericMirrorDB(config_for(backend.base_url, endpoints=[f"POST {endpoint}"])) as client:
        with pytest.raises(AmbiguousWriteError) as caught:
            await client.create_function(None, endpoint, WANTED)
    assert (f"a read with data, on the pattern 'QUERY {SEARCH}'" in caught.value.message) is is_told


async def test_a_caller_that_gives_up_leaves_nothing_unknown(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """A disconnect in the middle is a plain DisconnectedError, as for a GET."""
    raw_server.default = Reply(then="silence")
    async with GenericMirrorDB(config_for(raw_server.base_url, **ALLOWED)) as client:
        reading = asyncio.ensure_future(client.read_function(None, SEARCH, data=WANTED))
        await raw_server.arrived.wait()
        await client.disconnect()
        with pytest.raises(DisconnectedError) as caught:
            await reading
    assert not caught.value.maybe_applied


async def test_it_may_go_out_on_a_connection_that_idled(
    raw_server: RawServer, config_for: ConfigFor, idling: FakeClock
) -> None:
    """It shares its connections with all other reads, and needs no fresh one as a create does."""
    async with GenericMirrorDB(config_for(raw_server.base_url, **ALLOWED)) as client:
        await client.read_function(None, "api/orders")
        idling.time += 10
        await client.read_function(None, SEARCH, data=WANTED)
    assert (len(raw_server.requests), raw_server.connections) == (2, 1)


# -- conditions, redirects -------------------------------------------------------------------------


async def test_304_is_none(answering: Answering, config_for: ConfigFor) -> None:
    """A conditional QUERY is as one by GET; who sends the tag by POST means the same."""
    backend = await answering(web.Response(status=304), web.Response(status=304))
    async with GenericMirrorDB(config_for(backend.base_url, **ALLOWED, max_attempts=1)) as client:
        assert await client.read_function(None, SEARCH, data=WANTED, if_none_match='"1"') is None
        with pytest.raises(ResponseError, match="304"):
            await client.read_function(None, SEARCH, data=WANTED)
    assert backend.requests[0].headers["If-None-Match"] == '"1"'


@pytest.mark.parametrize("method", ["POST", QUERY])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_followed_with_the_body(
    answering: Answering, config_for: ConfigFor, status: int, method: str
) -> None:
    """The draft, "Redirection": what turns a POST into a GET after 301 or 302 does not hold for QUERY.

    A GET in its place would read something else, and the task would be green.
    """
    moved = web.Response(status=status, headers={"Location": f"/{SEARCH}/?v=2"})
    backend = await answering(moved, ok({"hits": [1]}))
    async with GenericMirrorDB(config_for(backend.base_url, **ALLOWED, query_method=method)) as client:
        assert await client.read_function(None, SEARCH, data=WANTED) == {"hits": [1]}
    assert backend.lines == [f"{method} /{SEARCH}", f"{method} /{SEARCH}/?v=2"]
    assert json.loads(backend.requests[1].body) == WANTED


async def test_303_leads_to_the_result(answering: Answering, config_for: ConfigFor) -> None:
    """By GET, without the body (RFC 9110, section 15.4.4)."""
    backend = await answering(
        web.Response(status=303, headers={"Location": "/api/orders/7"}), ok({"hits": [7]})
    )
    async with GenericMirrorDB(config_for(backend.base_url, **ALLOWED)) as client:
        assert await client.read_function(None, SEARCH, data=WANTED) == {"hits": [7]}
    assert backend.lines == [f"POST /{SEARCH}", "GET /api/orders/7"]
    assert backend.requests[1].body == b""
    assert "Content-Type" not in backend.requests[1].headers
    assert "Content-Length" not in backend.requests[1].headers


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (302, "/api/orders/7"),  # a GET there is registered, but no QUERY
        (307, "/api/orders"),  # a POST there would create
        (308, "/api/orders/7/items"),
        (303, f"/{SEARCH}/9/8/7"),
        (303, "/admin"),
        (302, "http://127.0.0.1:1/api/orders/search"),
    ],
)
async def test_no_other_redirect_is_followed(
    answering: Answering, config_for: ConfigFor, status: int, location: str
) -> None:
    """To where nothing says that the request only reads."""
    backend = await answering(web.Response(status=status, headers={"Location": location}))
    async with GenericMirrorDB(config_for(backend.base_url, **ALLOWED)) as client:
        with pytest.raises(ResponseError, match="was not followed") as caught:
            await client.read_function(None, SEARCH, data=WANTED)
    assert not caught.value.maybe_applied
    assert len(backend.requests) == 1


async def test_only_a_303_leads_to_another_host(answering: Answering, config_for: ConfigFor) -> None:
    """To the file with the result, without body and key; what was asked stays with the backend."""
    files = await answering(ok([1]), ok([2]))
    host = files.base_url.removeprefix("http://")
    moved = {"Location": f"{files.base_url}/export.json?sig=s3cret-signature"}
    backend = await answering(*(web.Response(status=status, headers=moved) for status in (303, 302, 307)))
    config = config_for(backend.base_url, **ALLOWED, redirect_hosts=[host], api_key="k3y-of-the-backend")
    async with GenericMirrorDB(config) as client:
        assert await client.read_function(None, SEARCH, data=WANTED) == [1]
        for _ in range(2):
            with pytest.raises(ResponseError, match="was not followed"):
                await client.read_function(None, SEARCH, data=WANTED)
    assert files.lines == ["GET /export.json?sig=s3cret-signature"]
    assert files.requests[0].body == b""
    assert not {"Authorization", "Content-Type"} & set(files.requests[0].headers)


# -- all the ways to read ----------------------------------------------------------------------------


async def test_by_name_and_in_bulk(answering: Answering, config_for: ConfigFor) -> None:
    """``call``, and many at a time; of a bulk each may have data or not."""
    backend = await answering(*(ok([number]) for number in range(5)))
    async with GenericMirrorDB(config_for(backend.base_url, **ALLOWED)) as client:
        called = await client.call("read_function", method_name="s", endpoint=SEARCH, data=WANTED)
        assert called == {"response": [0]}
        items: list[Any] = [
            {"endpoint": SEARCH, "data": {"page": 1}},
            "api/orders",
            {"endpoint": SEARCH, "data": {}},
        ]
        report = await client.bulk("read", items, concurrency=1)
        assert [record.response for record in report.records if record] == [[1], [2], [3]]
        report = await client.bulk("QUERY", [{"endpoint": SEARCH, "data": 1}])
        assert report.done == 1
        with pytest.raises(MirrorDBError, match="data"):
            await client.bulk("GET", [{"endpoint": SEARCH, "data": 1}])
    assert [request.method for request in backend.requests] == ["POST", "POST", "GET", "POST", "POST"]
    assert [request.body for request in backend.requests] == [
        *(b'{"filter":{"state":["open"]}}', b'{"page":1}', b"", b"{}", b"1")
    ]


async def test_records_of_pages(answering: Answering, config_for: ConfigFor) -> None:
    """Each page is a request with the same body; here the query counts them."""
    backend = await answering(ok([1, 2]), ok([3]), ok([]))
    pages = {"style": "page", "param": "page", "size": 2}
    async with GenericMirrorDB(config_for(backend.base_url, **ALLOWED)) as client:
        records = [record async for record in client.records(None, SEARCH, data=WANTED, paginate=pages)]
    assert records == [1, 2, 3]
    assert backend.lines == [f"POST /{SEARCH}?page={number}" for number in (1, 2, 3)]
    assert {request.body for request in backend.requests} == {b'{"filter":{"state":["open"]}}'}
