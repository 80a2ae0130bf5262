"""GraphQL is reading by a body: a real server, its URL the base URL, its pages as Relay has them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, InvalidRequestError, RefusedError
from airflow_mirrordb.client.collections.pages.arguments import check_page_arguments
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.integration.test_operators import MODES, context, run
from tests.support.backends import Serve
from tests.support.connections import ConfigFor, SetConnection
from tests.support.graphql_server import graphql_app

pytestmark = pytest.mark.usefixtures("triggerer")

RECORDS = [{"id": f"o{number}", "total": number * 10} for number in range(7)]
QUERY = """
query Orders($first: Int!, $after: String) {
  orders(first: $first, after: $after) {
    edges { node { id total } }
    pageInfo { hasNextPage endCursor }
    totalCount
  }
}
"""
DATA: dict[str, Any] = {"query": QUERY, "variables": {"first": 3}}
RELAY: dict[str, Any] = {
    "style": "body",
    "records": "data.orders.edges[].node",
    "next": "data.orders.pageInfo.endCursor",
    "more": "data.orders.pageInfo.hasNextPage",
    "total": "data.orders.totalCount",
    "param": "variables.after",
    "param_in": "body",
}
ALLOWED = {"endpoints": ["QUERY /"]}
#: The cursors of the pages after the first one, in base64: 2 and 5.
CURSORS = [None, "Mg==", "NQ=="]


def cursors(asked: list[Any]) -> list[str | None]:
    return [body["variables"].get("after") for body in asked]


# -- the client ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [1, 3, 7, 100])
async def test_all_pages_are_read(serve: Serve, config_for: ConfigFor, first: int) -> None:
    """The cursor goes into the variables; the query and the other variables stay."""
    app, asked = graphql_app(RECORDS)
    data = {"query": QUERY, "variables": {"first": first}}
    async with GenericMirrorDB(config_for(f"{await serve(app)}/graphql", **ALLOWED)) as client:
        assert await client.read_function("orders", "/", data=data, paginate=RELAY) == RECORDS
        found = [record async for record in client.records("orders", "/", data=data, paginate=RELAY)]
    assert found == RECORDS
    pages = -(-len(RECORDS) // first)
    assert len(asked) == 2 * pages
    assert {body["query"] for body in asked} == {QUERY}
    assert {body["variables"]["first"] for body in asked} == {first}
    assert data == {"query": QUERY, "variables": {"first": first}}  # as its author has it


async def test_errors_in_a_200_are_errors(serve: Serve, config_for: ConfigFor) -> None:
    """``errors`` is there only if some were met (GraphQL specification, section 7.1): a read may see none
    later, a mutation was refused.
    """
    app, _ = graphql_app(RECORDS)
    config = config_for(f"{await serve(app)}/graphql", endpoints=["QUERY /", "POST /"], error_path="errors")
    async with GenericMirrorDB(config) as client:
        with pytest.raises(RefusedError, match="The warehouse does not answer") as broken:
            await client.read_function("broken", "/", data={"query": "{ broken { id } }"})
        with pytest.raises(RefusedError, match="Cannot query field 'name'") as unknown:
            await client.create_function("cancel", "/", {"query": "mutation { cancel(id: 1) { name } }"})
        assert await client.read_function("orders", "/", data=DATA, paginate=RELAY) == RECORDS
    assert (broken.value.code, broken.value.retryable, broken.value.attempts) == ("UNAVAILABLE", True, 1)
    assert (unknown.value.retryable, unknown.value.maybe_applied) == (False, False)


async def test_null_as_the_first_cursor(serve: Serve, config_for: ConfigFor) -> None:
    """As generated clients send it; it says no place to begin at."""
    app, asked = graphql_app(RECORDS)
    data = {"query": QUERY, "variables": {"first": 3, "after": None}}
    async with GenericMirrorDB(config_for(f"{await serve(app)}/graphql", **ALLOWED)) as client:
        assert await client.read_function("orders", "/", data=data, paginate=RELAY) == RECORDS
    assert cursors(asked) == CURSORS


async def test_who_begins_in_the_middle_gets_the_rest(serve: Serve, config_for: ConfigFor) -> None:
    """And the total, which is that of all, is no error."""
    app, asked = graphql_app(RECORDS)
    data = {"query": QUERY, "variables": {"first": 3, "after": "Mg=="}}
    async with GenericMirrorDB(config_for(f"{await serve(app)}/graphql", **ALLOWED)) as client:
        assert await client.read_function("orders", "/", data=data, paginate=RELAY) == RECORDS[3:]
    assert cursors(asked) == CURSORS[1:]


async def test_a_page_that_a_gateway_lost_is_asked_for_again(serve: Serve, config_for: ConfigFor) -> None:
    """Each page has its own retries, with its own cursor."""
    app, asked = graphql_app(RECORDS)
    lost: list[str] = []

    @web.middleware
    async def losing(request: web.Request, handler: Any) -> web.StreamResponse:
        body = await request.text()
        if body not in lost:
            lost.append(body)
            return web.Response(status=502)
        answer: web.StreamResponse = await handler(request)
        return answer

    app.middlewares.append(losing)
    async with GenericMirrorDB(config_for(f"{await serve(app)}/graphql", **ALLOWED)) as client:
        assert await client.read_function("orders", "/", data=DATA, paginate=RELAY) == RECORDS
    assert cursors(asked) == CURSORS
    assert len(lost) == 3


async def test_one_answer(serve: Serve, config_for: ConfigFor) -> None:
    """Without pages, with the envelope that every answer of GraphQL has."""
    app, _ = graphql_app(RECORDS)
    config = config_for(f"{await serve(app)}/graphql", **ALLOWED, response_envelope="data")
    data = {"query": "query($id: ID!) {order(id: $id) {total}}", "variables": {"id": "o3"}}
    async with GenericMirrorDB(config) as client:
        assert await client.read_function("order", "/", data=data) == {"order": {"total": 30}}


# -- other ways to say the page in a body --------------------------------------------------------------


def searched(body: Any) -> list[int]:
    begin, size = body["from"], body["size"]
    return list(range(10))[begin : begin + size]


@pytest.mark.parametrize("together", [1, 3])
async def test_offset_in_a_body(serve: Serve, config_for: ConfigFor, together: int) -> None:
    """Elasticsearch's "Paginate search results": ``from`` and ``size`` in the body, ``hits.total.value``."""
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        hits = [{"_source": {"n": number}} for number in searched(asked[-1])]
        return web.json_response({"hits": {"total": {"value": 10}, "hits": hits}})

    app = web.Application()
    app.router.add_post("/orders/_search", answer)
    paginate = {
        "style": "offset",
        "param": "from",
        "size_param": "size",
        "size": 4,
        "param_in": "body",
        "records": "hits.hits[]._source",
        "total": "hits.total.value",
        "concurrency": together,
    }
    config = config_for(await serve(app), endpoints=["QUERY {index}/_search"])
    async with GenericMirrorDB(config) as client:
        found = await client.read_function(
            "search", "orders/_search", data={"query": {"match_all": {}}}, paginate=paginate
        )
    assert found == [{"n": number} for number in range(10)]
    assert sorted(body["from"] for body in asked) == [0, 4, 8]
    assert {body["size"] for body in asked} == {4}
    assert all(body["query"] == {"match_all": {}} for body in asked)


async def test_page_number_in_a_body(serve: Serve, config_for: ConfigFor) -> None:
    """A path with several names; what its author said of it is where the counting begins."""
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response({1: [1, 2], 2: [3, 4], 3: [5]}.get(asked[-1]["page"]["number"], []))

    app = web.Application()
    app.router.add_post("/search", answer)
    paginate = {"style": "page", "param": "page.number", "param_in": "body"}
    async with GenericMirrorDB(config_for(await serve(app), endpoints=["QUERY search"])) as client:
        assert await client.read_function(None, "search", data={}, paginate=paginate) == [1, 2, 3, 4, 5]
        begun = {"page": {"number": 2, "of": "mine"}}
        assert await client.read_function(None, "search", data=begun, paginate=paginate) == [3, 4, 5]
    assert [body["page"]["number"] for body in asked] == [1, 2, 3, 4, 2, 3, 4]
    assert asked[-1]["page"]["of"] == "mine"


async def test_cursor_at_the_top_of_a_body(serve: Serve, config_for: ConfigFor) -> None:
    """Notion's "Query a database": ``start_cursor`` in the body, ``next_cursor`` in the answer."""
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        last = asked[-1].get("start_cursor") == "c1"
        return web.json_response(
            {"results": [{"id": len(asked)}], "next_cursor": None if last else "c1", "has_more": not last}
        )

    app = web.Application()
    app.router.add_post("/v1/databases/d/query", answer)
    paginate = {
        "style": "body",
        "records": "results",
        "next": "next_cursor",
        "more": "has_more",
        "param": "start_cursor",
        "param_in": "body",
    }
    config = config_for(f"{await serve(app)}/v1", endpoints=["QUERY databases/{id}/query"])
    async with GenericMirrorDB(config) as client:
        found = await client.read_function(None, "databases/d/query", data={}, paginate=paginate)
    assert found == [{"id": 1}, {"id": 2}]
    assert asked == [{}, {"start_cursor": "c1"}]


async def test_cursor_that_is_a_list(serve: Serve, config_for: ConfigFor) -> None:
    """Elasticsearch's ``search_after`` takes the sort values of the last hit ("Paginate search results")."""
    asked: list[Any] = []
    pages = {0: [1, 2], 2: [3]}

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        (last, _) = asked[-1].get("search_after", [0, ""])
        hits = [{"_source": {"n": n}, "sort": [n, f"id-{n}"]} for n in pages.get(last, [])]
        return web.json_response({"hits": {"hits": hits}})

    app = web.Application()
    app.router.add_post("/orders/_search", answer)
    paginate = {
        "style": "body",
        "records": "hits.hits[]._source",
        "next": "hits.hits[-1].sort",
        "param": "search_after",
        "param_in": "body",
    }
    config = config_for(await serve(app), endpoints=["QUERY {index}/_search"])
    async with GenericMirrorDB(config) as client:
        found = await client.read_function(None, "orders/_search", data={"size": 2}, paginate=paginate)
    assert found == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert [body.get("search_after") for body in asked] == [None, [2, "id-2"], [3, "id-3"]]


@pytest.mark.parametrize(
    "token", [["2026-01-01", 7], {"id": {"N": "7"}}, "x" * 20_000, "https://elsewhere.example/7", 7.5]
)
async def test_any_value_goes_into_a_body(serve: Serve, config_for: ConfigFor, token: Any) -> None:
    """Elasticsearch's ``search_after`` is a list, DynamoDB's ``ExclusiveStartKey`` an object.

    Neither is a URL too long for servers, nor one to be followed.
    """
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response({"hits": [{"n": 1}], "after": token if len(asked) == 1 else None})

    app = web.Application()
    app.router.add_post("/search", answer)
    paginate = {"style": "body", "records": "hits", "next": "after", "param": "after", "param_in": "body"}
    async with GenericMirrorDB(config_for(await serve(app), endpoints=["QUERY search"])) as client:
        await client.read_function(None, "search", data={}, paginate=paginate)
    assert asked == [{}, {"after": token}]


@pytest.mark.parametrize(
    ("link", "method"), [("/v1/usage/query?$skiptoken=7", "POST"), ("/v1/usage/results/7", "GET")]
)
async def test_link_on_a_page_of_a_read_by_a_body(
    serve: Serve, config_for: ConfigFor, link: str, method: str
) -> None:
    """To the same path it is asked with the body again, as Azure's "Query - Usage" has it; else it is got."""
    asked: list[tuple[str, str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.path_qs, await request.text()))
        return web.json_response({"rows": [{"n": len(asked)}], "nextLink": link if len(asked) == 1 else None})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    config = config_for(f"{await serve(app)}/v1", endpoints=["QUERY usage/query", "GET usage/results/{id}"])
    paginate = {"style": "body", "records": "rows", "next": "nextLink"}
    async with GenericMirrorDB(config) as client:
        found = await client.read_function(None, "usage/query", data={"a": 1}, paginate=paginate)
    assert found == [{"n": 1}, {"n": 2}]
    assert asked == [
        ("POST", "/v1/usage/query", '{"a":1}'),
        (method, link, '{"a":1}' if method == "POST" else ""),
    ]


async def test_pages_of_the_base_url(serve: Serve, config_for: ConfigFor) -> None:
    """A link may lead to it as well."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path_qs}")
        links = {"Link": f"<{request.url.with_query(page=2)}>; rel=next"} if len(asked) == 1 else {}
        return web.json_response([len(asked)], headers=links)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    base_url = await serve(app)
    for prefix in ("/feed", ""):
        asked.clear()
        config = config_for(f"{base_url}{prefix}", endpoints=["GET /"])
        async with GenericMirrorDB(config) as client:
            assert await client.read_function(None, "/", paginate={"style": "link"}) == [1, 2]
        assert asked == [f"GET {prefix or '/'}", f"GET {prefix or '/'}?page=2"]


# -- wrong arguments -----------------------------------------------------------------------------------

CURSOR = {"style": "body", "next": "next", "param": "after", "param_in": "body"}


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"param_in": "header"}, "param_in", "'query', 'body' or 'headers'"),
        ({"param_in": 1}, "param_in", "'query', 'body' or 'headers'"),
        ({"param": "a[]"}, "param", "only names and numbers"),
        ({"param": "a..b"}, "param", "no path"),
        ({"size": 3, "size_param": "a[?b]"}, "size_param", "only names and numbers"),
    ],
)
def test_wrong_arguments_are_told_with_the_dag(changes: dict[str, Any], field: str, reason: str) -> None:
    """They are checked when the DAG is read."""
    for check in (
        check_page_arguments,
        lambda arguments: MirrorDBReadOperator(task_id="t", endpoint="/", data={}, paginate=arguments),
    ):
        with pytest.raises(InvalidRequestError, match=reason) as caught:
            check({**CURSOR, **changes})
        assert caught.value.field == f"paginate.{field}"


def test_a_place_in_a_body_needs_a_body() -> None:
    """Without data it is a GET."""
    with pytest.raises(InvalidRequestError, match="a read without data has no body"):
        MirrorDBReadOperator(task_id="t", endpoint="/", paginate=CURSOR)
    MirrorDBReadOperator(task_id="t", endpoint="/", data="{{ params.query }}", paginate=CURSOR)
    MirrorDBReadOperator(task_id="t", endpoint="/", paginate={**CURSOR, "param_in": "{{ ds }}"})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"page": "text"}, "paginate.param: there is no place for it in data"),
        ([1], "paginate.param: there is no place for it in data"),
        ({"page": {"number": "soon"}}, "paginate.param: the body says 'soon'"),
    ],
)
async def test_data_without_the_place_are_refused(
    serve: Serve, config_for: ConfigFor, data: Any, reason: str
) -> None:
    """Before anything is sent."""
    app, asked = graphql_app(RECORDS)
    paginate = {"style": "page", "param": "page.number", "param_in": "body"}
    async with GenericMirrorDB(
        config_for(f"{await serve(app)}/graphql", **ALLOWED, max_attempts=1)
    ) as client:
        with pytest.raises(InvalidRequestError, match=reason):
            await client.read_function(None, "/", data=data, paginate=paginate)
    assert asked == []


# -- tasks ---------------------------------------------------------------------------------------------


@pytest.fixture
def graphql(set_connection: SetConnection) -> Iterator[list[Any]]:
    """Run the server in a thread, for tasks have event loops of their own; yield what it is asked."""
    app, asked = graphql_app(RECORDS)
    loop, runner = asyncio.new_event_loop(), web.AppRunner(app)

    async def start() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    set_connection(f"http://127.0.0.1:{port}/graphql", extra=ALLOWED)
    yield asked
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize("mode", MODES)
def test_operator_reads_all_pages(graphql: list[Any], mode: str, tmp_path: Path) -> None:
    """On a worker or in the triggerer, to an XCom or to a file; variables may be templates."""
    task = MirrorDBReadOperator(
        task_id="orders",
        endpoint="/",
        data={"query": QUERY, "variables": {"first": 3, "after": "{{ run_id }}"}},
        paginate=RELAY,
        **MODES[mode],
    )
    given: Any = {**context(), "run_id": "Mg=="}
    task.render_template_fields(given)
    assert run(task) == RECORDS[3:]
    assert cursors(graphql) == CURSORS[1:]
    graphql.clear()
    path = tmp_path / "orders.jsonl"
    manifest = run(
        MirrorDBReadOperator(
            task_id="orders", endpoint="/", data=DATA, paginate=RELAY, output_path=str(path), **MODES[mode]
        )
    )
    assert [json.loads(line) for line in path.read_text().splitlines()] == RECORDS
    assert manifest["records"] == len(RECORDS)
    assert cursors(graphql) == CURSORS


def test_hook_and_sensor(graphql: list[Any]) -> None:
    """Record by record, and until a field of the answer is what is waited for."""
    with MirrorDBHook() as hook:
        assert list(hook.records("/", data=DATA, paginate=RELAY)) == RECORDS
    assert cursors(graphql) == CURSORS
    sensor = MirrorDBSensor(
        task_id="total",
        endpoint="/",
        data={"query": '{order(id: "o2") {total}}'},
        field="data.order.total",
        equals=20,
    )
    assert sensor.execute(context()) == {"data": {"order": {"total": 20}}}
