"""Collections whose next page is asked for by a header of the request."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, InvalidRequestError, InvalidResponseError
from tests.integration.test_page_ends import RECORDS, started
from tests.support.backends import Backend, Serve
from tests.support.connections import ConfigFor

RANGE = {"style": "header", "next": "Next-Range", "param": "Range", "param_in": "headers"}
COUNTED = {"style": "offset", "param": "X-Offset", "param_in": "headers", "records": "rows", "total": "total"}


async def heroku(serve: Serve, ranges: list[str]) -> Backend:
    """Start a backend with ranges (devcenter.heroku.com/articles/platform-api-reference, "Ranges").

    It answers 206 while there is more, and the next request has the ``Next-Range`` as its ``Range``.

    :param ranges: gets those of the requests
    """
    size = 3

    def answer(request: web.Request) -> web.Response:
        ranges.append(request.headers.get("Range", ""))
        begin = re.search(r"](\d+)", request.headers.get("Range", ""))
        at = int(begin[1]) if begin else 0
        rows, more = RECORDS[at : at + size], at + size < len(RECORDS)
        headers = {"Content-Range": f"id {at}..{at + len(rows)}", "Accept-Ranges": "id, name"}
        following = {"Next-Range": f"id ]{at + size}..; max={size}"} if more else {}
        return web.json_response(rows, status=206 if more else 200, headers={**headers, **following})

    return await started(serve, answer)


@pytest.mark.parametrize("given", [None, {"range": "id ..; max=3", "X-Trace": "a"}])
async def test_the_header_takes_what_the_answer_has(
    serve: Serve, config_for: ConfigFor, given: dict[str, str] | None
) -> None:
    """Also where the first request has one, in any spelling; the next one takes its place."""
    ranges: list[str] = []
    backend = await heroku(serve, ranges)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        found = await client.read_function("list", "api/x", headers=given, paginate=RANGE)
    assert found == RECORDS
    first = "" if given is None else given["range"]
    assert ranges == [first, "id ]3..; max=3", "id ]6..; max=3"]


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_offsets_are_counted_in_a_header(serve: Serve, config_for: ConfigFor, concurrency: int) -> None:
    """Each page is a request of its own, though the URL is the same."""
    asked: list[str] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["X-Offset"])
        at = int(asked[-1])
        return web.json_response({"rows": RECORDS[at : at + 3], "total": 8})

    backend = await started(serve, answer)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        paginate = {**COUNTED, "concurrency": concurrency}
        assert await client.read_function("list", "api/x", paginate=paginate) == RECORDS
        with pytest.raises(InvalidRequestError, match="the headers says 'x', and pages are counted from"):
            await client.read_function("list", "api/x", headers={"x-offset": "x"}, paginate=paginate)
    assert sorted(asked) == ["0", "3", "6"]


async def test_a_header_that_the_backend_does_not_know_is_an_error(
    serve: Serve, config_for: ConfigFor
) -> None:
    """It gives the first page again, with the same range."""
    ranges: list[str] = []
    backend = await heroku(serve, ranges)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="the pages go in a circle"):
            await client.read_function("list", "api/x", paginate={**RANGE, "param": "X-Range"})


@pytest.mark.parametrize("more", [{}, {"more": "X-Next"}])
async def test_the_text_null_is_no_value(serve: Serve, config_for: ConfigFor, more: dict[str, str]) -> None:
    """Salesforce's last locator is that text (Bulk API 2.0, "Get Results for a Query Job")."""

    def answer(request: web.Request) -> web.Response:
        at = int(request.query.get("after", 0))
        following = str(at + 4) if at < 4 else "null"
        return web.json_response(RECORDS[at : at + 4], headers={"X-Next": following})

    backend = await started(serve, answer)
    paginate = {"style": "header", "next": "X-Next", "param": "after", "max_pages": 3, **more}
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert await client.read_function("list", "api/x", paginate=paginate) == RECORDS
    assert len(backend.requests) == 2


async def test_what_no_header_can_hold_is_not_sent(serve: Serve, config_for: ConfigFor) -> None:
    """A cursor of the backend's makes no second header."""
    cursor = "a\r\nX-Evil: 1"
    backend = await started(serve, lambda _: web.json_response({"rows": RECORDS, "next": cursor}))
    paginate = {**RANGE, "style": "body", "next": "next", "records": "rows"}
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidRequestError, match="line breaks and control characters"):
            await client.read_function("list", "api/x", paginate=paginate)
    assert len(backend.requests) == 1


@pytest.mark.parametrize("name", ["Authorization", "host", "X-HTTP-Method-Override", "X Range", "a:b"])
@pytest.mark.parametrize("argument", ["param", "size_param"])
async def test_a_header_that_no_request_may_set_is_refused(
    config_for: ConfigFor, argument: str, name: str
) -> None:
    """Before anything is sent."""
    paginate: dict[str, Any] = {**RANGE, "size": 3, argument: name}
    async with GenericMirrorDB(config_for("http://127.0.0.1:1")) as client:
        with pytest.raises(InvalidRequestError, match=f"paginate.{argument}: .* is no header that a request"):
            await client.read_function("list", "api/x", paginate=paginate)
