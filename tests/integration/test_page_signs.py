"""What an answer says of further pages is heard in whatever words, or its reader is told that it was not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, InvalidRequestError, InvalidResponseError
from tests.integration.test_page_ends import COUNTED, RECORDS, numbered, read  # noqa: F401  # a fixture
from tests.support.backends import Answering
from tests.support.connections import ConfigFor

OFFSET = {"style": "offset", "param": "skip", "records": "rows"}
BODY = {"style": "body", "next": "next", "param": "c", "records": "rows"}


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


# -- flags ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("no", ["N", "n", "false", "no", "0", "", 0, False])
@pytest.mark.parametrize(("more", "yes"), [("more", "Y"), ("!last", "")])
async def test_a_flag_that_is_a_text_says_no_as_apis_do(
    read: Callable[..., Any],  # noqa: F811
    more: str,
    yes: Any,
    no: Any,
) -> None:
    """``N`` is what Kiwoom (openapi.kiwoom.com, ``cont-yn``) and LS Securities (``tr_cont``) send."""
    if more == "!last":
        yes, no = no, "Y"

    def answer(request: web.Request) -> web.Response:
        at = int(request.query["skip"])
        body = {"rows": RECORDS[at : at + 3], more.strip("!"): yes if at + 3 < 8 else no}
        return web.json_response(body)

    found, requests = await read(answer, {**OFFSET, "more": more})
    assert (found, len(requests)) == (RECORDS, 3)


async def test_a_text_that_says_neither_is_no_end(read: Callable[..., Any]) -> None:  # noqa: F811
    """``F`` of Korea Investment (apiportal.koreainvestment.com, ``tr_cont``) says "first, and more"."""

    def answer(request: web.Request) -> web.Response:
        at = int(request.query["skip"])
        return web.json_response({"rows": RECORDS[at : at + 4]}, headers={"tr_cont": "F" if at == 0 else "D"})

    paginate = {**OFFSET, "more": "tr_cont"}
    with pytest.raises(InvalidResponseError, match="the page is empty, though 'tr_cont' says"):
        await read(answer, paginate)
    found, _ = await read(answer, {**COUNTED, "style": "offset", "param": "skip", "records": "rows"})
    assert found == RECORDS


async def test_a_negated_flag_that_is_nowhere_is_told(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """JMESPath makes true of the contrary of nothing; a misspelt one would check nothing in silence."""
    assert (await read(numbered(3), {**COUNTED, "records": "rows", "more": "!lst"}))[0] == RECORDS
    assert "paginate.more: '!lst' is in no page" in caplog.text


# -- totals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [2, 3, 9])
async def test_who_begins_at_a_later_page_is_told_of_none_that_is_missing(
    read: Callable[..., Any],  # noqa: F811
    page: int,
) -> None:
    """The last page may be shorter than those before it, and one beyond it empty."""
    paginate = {**COUNTED, "records": "rows", "total": "total"}
    found, _ = await read(numbered(3, total=8), paginate, query={"page": page})
    assert found == RECORDS[(page - 1) * 3 :]


async def test_fewer_records_than_there_are_are_noticed_from_a_later_page_on(
    read: Callable[..., Any],  # noqa: F811
) -> None:
    """Two pages tell how many records one has."""
    paginate = {**COUNTED, "records": "rows", "total": "total"}
    with pytest.raises(InvalidResponseError, match="ended after 8 records, and has 30 in all"):
        await read(numbered(3, total=30), paginate, query={"page": 2})


@pytest.mark.parametrize("with_this_page", [True, False])
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_total_that_tells_what_is_left_ends_nothing(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    concurrency: int,
    *,
    with_this_page: bool,
) -> None:
    """Bubble (manual.bubble.io, "Data API requests") tells how many remain after the page."""
    records = [{"id": number} for number in range(12)]

    def answer(request: web.Request) -> web.Response:
        at = int(request.query["skip"])
        rows = records[at : at + 2]
        left = len(records) - at - (0 if with_this_page else len(rows))
        return web.json_response({"rows": rows, "count": left})

    found, _ = await read(answer, {**OFFSET, "total": "count", "concurrency": concurrency})
    assert found == records
    assert "paginate.total: 'count' gets smaller by the records of each page" in caplog.text


@pytest.mark.parametrize("total", ["response.remaining", "X-Remaining-Records"])
async def test_a_total_that_is_called_what_remains_is_refused(
    read: Callable[..., Any],  # noqa: F811
    total: str,
) -> None:
    """After the first of two pages it equals what came."""
    with pytest.raises(InvalidRequestError, match=r"says how many are left, .*: 'more' takes it"):
        await read(numbered(4), {**COUNTED, "records": "rows", "total": total})


@pytest.mark.parametrize(
    ("body", "size", "sign"),
    [
        ({"count": 3, "pages": 3}, None, "pages: 3"),
        ({"count": 3}, 3, "as many records as were asked for, which 'count' may be, too"),
        ({"count": 3, "pages": 1}, None, None),
        ({"count": 3}, 4, None),
    ],
)
async def test_an_end_by_a_total_that_may_be_the_number_of_records_on_the_page_is_warned_of(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    body: dict[str, int],
    size: int | None,
    sign: str | None,
) -> None:
    """By that every collection would end after its first page."""
    paginate: dict[str, Any] = {**COUNTED, "records": "rows", "total": "count"}
    paginate |= {"page_count": "pages"} if "pages" in body else {}
    paginate |= {"size": size, "size_param": "limit"} if size else {}
    assert len((await read(numbered(3, **body), paginate))[0]) == 3
    told = [text.partition("further pages by: ")[2].partition(". If")[0] for text in warnings_in(caplog)]
    assert told == ([] if sign is None else [sign])


@pytest.mark.parametrize("style", ["page", "offset"])
async def test_records_that_come_again_with_another_content_are_warned_of(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    style: str,
) -> None:
    """A backend that does not know ``param`` gives the first page again, with URLs that are signed anew."""
    answers = iter(range(9))

    def answer(_request: web.Request) -> web.Response:
        signature = next(answers)
        rows = [{**record, "photo": f"https://x/y?sig={signature}"} for record in RECORDS[:3]]
        return web.json_response({"rows": rows, "total": 9})

    paginate = {"style": style, "param": "pagee", "records": "rows", "total": "total"}
    assert len((await read(answer, paginate))[0]) == 9
    (warning,) = warnings_in(caplog)
    assert "the backend does not know 'param' ('pagee')" in warning


# -- what is told of pages that were not read ----------------------------------------------------


async def test_an_expression_that_finds_no_next_page_is_warned_of_where_another_place_tells_of_it(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The list of links (hl7.org/fhir/R4/bundle.html) is on each page; ``nxt`` is on none."""

    def answer(request: web.Request) -> web.Response:
        page = int(request.query.get("page", 1))
        links = [{"relation": "self", "url": request.path_qs}]
        if page < 3:
            links.append({"relation": "next", "url": f"/api/x?page={page + 1}"})
        return web.json_response({"entry": [{"resource": {"id": page}}], "link": links})

    paginate = {"style": "body", "records": "entry[].resource", "next": "link[?relation=='next'].url | [0]"}
    assert (await read(answer, paginate))[0] == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert warnings_in(caplog) == []
    for wrong in ("link[?relation=='nxt'].url | [0]", "link[?relation=='next'].urll | [0]"):
        caplog.clear()
        assert (await read(answer, {**paginate, "next": wrong}))[0] == [{"id": 1}]
        (warning,) = warnings_in(caplog)
        assert "the collection ended after 1 records, since there is nothing at" in warning
        assert "further pages by: link[?relation=='next'].url | [0]." in warning


@pytest.mark.parametrize(
    ("shown", "sign"),
    [
        ({"next": None, "has_more": True}, "has_more: true"),
        ({"next": None, "hasMore": "Y"}, "hasMore: y"),
        ({"next": "", "last_page": "false"}, "last_page: false"),
        ({"next": None, "nextPageToken": "x"}, "nextPageToken"),
        ({"next": 0, "links": {"next": "/api/x?c=2"}}, "links.next"),
        # developers.facebook.com/docs/graph-api/results: the cursors stand on the last page as well
        ({"next": None, "paging": {"cursors": {"before": "a", "after": "b"}}}, ""),
        # developer.x.com, "Cursoring": both are zero at the end
        ({"next": 0, "next_cursor_str": "0"}, ""),
        ({"next": None, "next_offset": -1, "nextToken": "-1"}, ""),
        ({"next": None, "has_more": False, "nextPageToken": "x"}, ""),
    ],
)
async def test_a_last_page_that_tells_of_another_in_another_place_is_warned_of(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    shown: dict[str, Any],
    sign: str,
) -> None:
    """What was named may be another thing than what leads on."""

    def answer(request: web.Request) -> web.Response:
        is_first = "c" not in request.query
        return web.json_response({"rows": RECORDS[:2], **({"next": "a"} if is_first else shown)})

    assert len((await read(answer, BODY))[0]) == 4
    told = warnings_in(caplog)
    assert len(told) == bool(sign)
    assert all(
        f"ended after 4 records, since there is nothing at 'next' in its body on the last page."
        f" The answer seems to tell of further pages by: {sign}." in text
        for text in told
    )


@pytest.mark.parametrize(
    ("paginate", "place"),
    [
        ({"style": "body", "next": "meta.next"}, "nothing at 'meta.next' in its body"),
        ({"style": "header", "next": "X-Next", "param": "page"}, "no header 'X-Next'"),
        ({"style": "link"}, "no Link header"),
    ],
)
async def test_a_page_that_is_taken_for_the_only_one_is_told(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    paginate: dict[str, Any],
    place: str,
) -> None:
    """GitHub and others send no link where there is one page; who misspelt it reads why it ended."""
    caplog.set_level(logging.INFO)
    found, _ = await read(lambda _: web.json_response({"rows": RECORDS[:3]}), {**paginate, "records": "rows"})
    assert (found, warnings_in(caplog)) == (RECORDS[:3], [])
    assert f"it was taken for the only page, since there is {place}" in caplog.text


async def test_a_name_in_a_body_that_is_a_list_is_warned_of(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It can be in no page at all; a number can."""
    await read(lambda _: web.json_response(RECORDS[:3]), {"style": "body", "next": "meta.next"})
    assert "since there is nothing at 'meta.next' in its body. The body has no keys" in caplog.text
    caplog.clear()
    await read(lambda _: web.json_response([]), {"style": "body", "next": "[-1].id", "param": "after"})
    assert warnings_in(caplog) == []


@pytest.mark.parametrize(
    ("body", "link", "sign"),
    [
        ({"rows": [1, 2, 3], "next": "https://x/2"}, False, "next"),
        ({"rows": ["a"], "has_more": True}, False, "has_more: true"),
        ({"rows": RECORDS[:1], "links": {"next": "/api/x?c=2"}}, False, "links.next"),
        ({"rows": [], "hasMore": True}, False, "hasMore: true"),
        ({"items": RECORDS[:3], "hasMore": "Y"}, False, "hasMore: y"),
        (RECORDS[:1], True, "the header Link (style: link)"),
        ([1, 2], True, "the header Link (style: link)"),
        ({"data": [RECORDS[0]], "links": {"next": None}}, False, None),
        ({"rows": RECORDS[:1], "next": "x"}, False, None),
        ({"id": 7, "tags": ["a"], "next": "/articles/8"}, False, None),
        # google.aip.dev/151: work that goes on is no page
        ({"name": "operations/7", "done": False, "metadata": {"steps": ["a"]}}, False, None),
        ({"id": 7, "lines": RECORDS[:1], "token": "x"}, True, None),
        ({"name": "x", "next": "/articles/8"}, False, None),
    ],
)
async def test_a_plain_read_that_is_sure_to_go_on_is_warned_of_at_any_size(
    answering: Answering,
    config_for: ConfigFor,
    caplog: pytest.LogCaptureFixture,
    body: Any,
    link: bool,
    sign: str | None,
) -> None:
    """Of a list with few or odd records a flag or a link says it; a resource has lists, too."""
    headers = {"Link": '</api/x?c=2>; rel="next"'} if link else {}
    backend = await answering(web.json_response(body, headers=headers))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        await client.read_function("read", "api/users")
    expected = [] if sign is None else [f"further pages by: {sign}; 'paginate' reads all pages"]
    assert [text.partition("seems to tell of ")[2] for text in warnings_in(caplog)] == expected


@pytest.mark.parametrize(
    ("body", "headers", "query", "sign"),
    [
        # developer.themoviedb.org, "Search & Query For Details": no link, no cursor, no flag
        (
            {"page": 1, "results": RECORDS, "total_pages": 3, "total_results": 20},
            {},
            {"q": "x"},
            "total_results: 20, total_pages: 3",
        ),
        # docs.postgrest.org, "Exact Count"
        (RECORDS, {"Content-Range": "0-7/3573458"}, {}, "the header Content-Range: 0-7/3573458"),
        (RECORDS, {"X-WP-TotalPages": "2"}, {}, "the header X-WP-TotalPages: 2"),
        ({"data": {"orders": {"totalCount": 9, "nodes": RECORDS}}}, {}, None, "data.orders.totalCount: 9"),
        # who says which part he wants knows of the others
        ({"page": 3, "results": RECORDS, "total_pages": 3}, {}, {"page": 3}, None),
        ({"results": RECORDS, "total": 20}, {}, {"$top": 8}, None),
        ({"results": RECORDS, "total": 20, "has_more": False}, {}, {}, None),
        ({"results": RECORDS, "total": 8}, {}, {}, None),
        ({"results": RECORDS, "count": 20}, {}, {}, None),  # of what, nobody knows
        ({"id": 7, "lines": RECORDS, "total": 1250}, {}, {}, None),  # a price
    ],
)
async def test_a_plain_read_that_tells_of_more_than_it_has_is_warned_of(
    answering: Answering,
    config_for: ConfigFor,
    caplog: pytest.LogCaptureFixture,
    body: Any,
    headers: dict[str, str],
    query: dict[str, Any] | None,
    sign: str | None,
) -> None:
    """Where pages are counted nothing names the next one, and the rest would be missing in silence."""
    backend = await answering(web.json_response(body, headers=headers))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        await client.read_function("read", "api/users", query=query)
    expected = [] if sign is None else [f"further pages by: {sign}; 'paginate' reads all pages"]
    assert [text.partition("seems to tell of ")[2] for text in warnings_in(caplog)] == expected
