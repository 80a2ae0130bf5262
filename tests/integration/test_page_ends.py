"""Where a collection ends: by what the backend says, and never by what a page only looks like."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, InvalidResponseError, NotFoundError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.integration.test_operators import context
from tests.support.backends import Answering, Backend, Serve
from tests.support.connections import ConfigFor, SetConnection
from tests.support.task_threads import in_thread_of_task

Answer = Callable[[web.Request], web.Response]
RECORDS = [{"id": number} for number in range(1, 9)]
COUNTED = {"style": "page", "param": "page"}


async def started(serve: Serve, answer: Answer) -> Backend:
    """Start a backend that answers every GET by a function of the request."""
    backend = Backend("")

    async def on(request: web.Request) -> web.Response:
        backend.requests.append(request.raw_path)  # type: ignore[arg-type]
        return answer(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", on)
    backend.base_url = await serve(app)
    return backend


@pytest.fixture
def read(serve: Serve, config_for: ConfigFor) -> Callable[..., Any]:
    """Read a collection, and return its records and the paths that were asked for."""

    async def reading(answer: Answer, paginate: dict[str, Any], **options: Any) -> tuple[Any, Sequence[Any]]:
        backend = await started(serve, answer)
        async with GenericMirrorDB(config_for(backend.base_url, max_attempts=1)) as client:
            found = await client.read_function("list", "api/x", paginate=paginate, **options)
        return found, backend.requests

    return reading


def numbered(size: int, of: int = 8, **more: Any) -> Answer:
    """A backend whose pages are counted from 1, that gives an empty one after the last."""

    def answer(request: web.Request) -> web.Response:
        at = (int(request.query["page"]) - 1) * size
        return web.json_response({"rows": RECORDS[:of][at : at + size], **more})

    return answer


# -- short and empty pages -----------------------------------------------------------------------


async def test_a_backend_that_gives_at_most_so_many_records_is_read_to_its_end(
    read: Callable[..., Any],
) -> None:
    """It was asked for 500 a page, and gives 3 (GitLab and others give 100 at most)."""
    paginate = {**COUNTED, "records": "rows", "size": 500, "size_param": "limit"}
    found, requests = await read(numbered(3), paginate)
    assert found == RECORDS
    assert len(requests) == 4


async def test_pages_that_were_filtered_after_they_were_cut_are_read_to_the_end(
    read: Callable[..., Any],
) -> None:
    """AIP-158 (google.aip.dev/158) allows fewer records than were asked for, on any page."""
    rows = {0: [1, 2, 3], 3: [4, 5], 5: [6, 7, 8]}

    def answer(request: web.Request) -> web.Response:
        return web.json_response({"total": 8, "values": rows.get(int(request.query["startAt"]), [])})

    paginate = {"style": "offset", "param": "startAt", "records": "values", "size": 3, "size_param": "max"}
    assert (await read(answer, paginate))[0] == [1, 2, 3, 4, 5, 6, 7, 8]
    found, requests = await read(answer, {**paginate, "total": "total"})
    assert (found, len(requests)) == ([1, 2, 3, 4, 5, 6, 7, 8], 3)


async def test_an_empty_page_in_the_middle_is_no_end_where_the_next_one_is_told(
    read: Callable[..., Any],
) -> None:
    """AIP-158: the end is an empty token alone. Google leaves an empty list out, Go sends null."""
    pages: dict[str | None, Any] = {
        None: {"groups": [1], "nextPageToken": "a"},
        "a": {"nextPageToken": "b"},
        "b": {"groups": None, "nextPageToken": "c"},
        "c": {"groups": [2], "nextPageToken": ""},
    }
    paginate = {"style": "body", "next": "nextPageToken", "param": "pageToken", "records": "groups"}
    found, _ = await read(lambda request: web.json_response(pages[request.query.get("pageToken")]), paginate)
    assert found == [1, 2]


@pytest.mark.parametrize(
    "body", [{"groups": None, "count": 0}, {"count": 0}, {}, {"errors": [], "groups": None}]
)
async def test_a_list_that_is_null_or_left_out_is_an_empty_collection(
    read: Callable[..., Any], body: Any
) -> None:
    """Unless the body holds another list, which it may have been."""
    paginate = {"style": "link", "records": "groups"}
    assert (await read(lambda _: web.json_response(body), paginate))[0] == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"group": [{"id": 1}]}, "'groups' in the body is no list .* there are lists at group"),
        ({"data": {"rows": [1]}}, r"lists at data\.rows"),
        ([{"id": 1}], "the body is a list; leave 'records' out: the body itself is the list"),
        ({"groups": {"id": 1}}, "the body is an object with groups"),
    ],
)
async def test_another_list_than_the_one_that_was_named_is_an_error(
    read: Callable[..., Any], body: Any, words: str
) -> None:
    """It names the lists that there are."""
    with pytest.raises(InvalidResponseError, match=words):
        await read(lambda _: web.json_response(body), {"style": "link", "records": "groups"})


async def test_an_expression_that_begins_with_no_list_is_an_error(read: Callable[..., Any]) -> None:
    """It would find nothing, in whatever is there instead."""
    paginate = {"style": "link", "records": "rows[].id"}
    with pytest.raises(InvalidResponseError, match=r"'rows\[\]\.id' in the body is no list of records"):
        await read(lambda _: web.json_response({"rows": {"id": 1}}), paginate)


async def test_a_bundle_without_entries_is_empty(read: Callable[..., Any]) -> None:
    """FHIR (hl7.org/fhir/R4/bundle.html) leaves out what is empty, and always sends its links."""
    bundle = {"resourceType": "Bundle", "total": 0, "link": [{"relation": "self", "url": "/Patient"}]}
    paginate = {
        "style": "body",
        "records": "entry[].resource",
        "next": "link[?relation=='next'].url | [0]",
        "total": "total",
    }
    assert (await read(lambda _: web.json_response(bundle), paginate))[0] == []


async def test_no_records_beside_an_error_are_told(
    read: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Slack (api.slack.com/web) answers 200 to a bad token, with ``ok`` false."""
    paginate = {
        "style": "body",
        "next": "response_metadata.next_cursor",
        "param": "cursor",
        "records": "rows",
    }
    body = {"ok": False, "error": "invalid_auth"}
    assert (await read(lambda _: web.json_response(body), paginate))[0] == []
    assert "there is nothing at 'rows', which counts as no records; the body has ok, error" in caplog.text


@pytest.mark.parametrize(
    "records", ["rows[?open].id", "rows | [?open].id", "@.rows[?open].id", "sort_by(rows[?open], &id)[*].id"]
)
async def test_records_that_an_expression_leaves_out_are_counted(
    read: Callable[..., Any], records: str
) -> None:
    """Else a page of which none is chosen would look like the end, and offsets would be wrong."""
    rows = [{"id": number, "open": number > 6} for number in range(1, 9)]

    def answer(request: web.Request) -> web.Response:
        at = int(request.query["skip"])
        return web.json_response({"rows": rows[at : at + 3], "total": 8})

    paginate = {"style": "offset", "param": "skip", "records": records, "total": "total"}
    assert (await read(answer, paginate))[0] == [7, 8]


# -- the end that is told ------------------------------------------------------------------------


async def test_more_is_a_flag_and_the_last_record_the_cursor(read: Callable[..., Any]) -> None:
    """Stripe (docs.stripe.com/api/pagination): ``starting_after`` the last id, while ``has_more``."""

    def answer(request: web.Request) -> web.Response:
        at = int(request.query.get("starting_after", 0))
        return web.json_response({"data": RECORDS[at : at + 3], "has_more": at + 3 < 8})

    paginate = {
        "style": "body",
        "records": "data",
        "next": "data[-1].id",
        "param": "starting_after",
        "more": "has_more",
    }
    found, requests = await read(answer, paginate)
    assert (found, len(requests)) == (RECORDS, 3)


@pytest.mark.parametrize(
    ("more", "body"),
    [
        ("!last", {"last": True}),
        ("meta.more", {"meta": {"more": False}}),
        ("X-Has-More", {}),
        ("number < pages", {"number": 2, "pages": 2}),
    ],
)
async def test_a_flag_that_is_false_ends_the_collection(
    read: Callable[..., Any], more: str, body: Any
) -> None:
    """Spring Data (docs.spring.io/spring-data) says ``last``; a header may say it, too."""
    headers = {"X-Has-More": "false"}
    found, requests = await read(
        lambda _: web.json_response({"rows": RECORDS[:3], **body}, headers=headers),
        {**COUNTED, "records": "rows", "more": more},
    )
    assert (found, len(requests)) == (RECORDS[:3], 1)


@pytest.mark.parametrize("end", [None, "", 0, "0", False])
async def test_a_cursor_that_says_nothing_is_the_end(read: Callable[..., Any], end: Any) -> None:
    """X (developer.x.com, "Cursoring") ends with 0; Redis (redis.io/commands/scan) with "0"."""
    tokens: dict[str | None, Any] = {None: 11, "11": "22", "22": end}

    def answer(request: web.Request) -> web.Response:
        cursor = request.query.get("cursor")
        return web.json_response({"users": [{"id": cursor}], "next_cursor": tokens[cursor]})

    paginate = {"style": "body", "next": "next_cursor", "param": "cursor", "records": "users"}
    found, _ = await read(answer, paginate)
    assert [user["id"] for user in found] == [None, "11", "22"]


@pytest.mark.parametrize("end", [-1, "-1"])
async def test_another_value_that_ends_a_collection_is_said_by_an_expression(
    read: Callable[..., Any], end: Any
) -> None:
    """X begins with -1 (developer.x.com, "Cursoring"), so by itself it is none; other backends end so."""
    tokens: dict[str | None, Any] = {None: 11, "11": "22", "22": end}

    def answer(request: web.Request) -> web.Response:
        cursor = request.query.get("cursor")
        return web.json_response({"users": [{"id": cursor}], "next_cursor": tokens[cursor]})

    goes_on = f"next_cursor != `{json.dumps(end)}` && next_cursor"
    paginate = {"style": "body", "next": goes_on, "param": "cursor", "records": "users"}
    found, _ = await read(answer, paginate)
    assert [user["id"] for user in found] == [None, "11", "22"]


async def test_a_flag_that_is_true_without_a_next_page_is_an_error(read: Callable[..., Any]) -> None:
    """The rest would be lost."""
    body = {"rows": RECORDS[:3], "has_more": True, "next": None}
    paginate = {"style": "body", "next": "next", "param": "c", "records": "rows", "more": "has_more"}
    with pytest.raises(InvalidResponseError, match="there is nothing at 'next', though 'has_more' says"):
        await read(lambda _: web.json_response(body), paginate)


@pytest.mark.parametrize("place", ["header", "body", "range"])
async def test_the_total_ends_counted_pages(read: Callable[..., Any], place: str) -> None:
    """Without another request: some answer the last page again to those after it."""
    arguments, headers = {"header": "X-Total-Count", "body": "count", "range": "Content-Range"}[place], {}
    if place != "body":
        headers = {"X-Total-Count": "8"} if place == "header" else {"Content-Range": "0-2/8"}

    def answer(request: web.Request) -> web.Response:
        at = min((int(request.query["page"]) - 1) * 3, 6)
        count = {"count": 8} if place == "body" else {}
        return web.json_response({"rows": RECORDS[at : at + 3], **count}, headers=headers)

    found, requests = await read(answer, {**COUNTED, "records": "rows", "total": arguments})
    assert (found, len(requests)) == (RECORDS, 3)


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_an_empty_page_before_the_last_one_is_no_end(
    read: Callable[..., Any], concurrency: int
) -> None:
    """Backends that filter after they cut a page give empty ones in the middle (AIP-158, "Page sizes")."""

    def answer(request: web.Request) -> web.Response:
        at = {"1": 0, "2": 2, "3": 8, "4": 4, "5": 6}[request.query["page"]]
        return web.json_response({"rows": RECORDS[at : at + 2], "pages": 5})

    paginate = {**COUNTED, "records": "rows", "page_count": "pages", "concurrency": concurrency}
    found, requests = await read(answer, paginate)
    assert (found, len(requests)) == (RECORDS, 5)


@pytest.mark.parametrize(
    ("body", "argument"), [({"pages": 3}, {"page_count": "pages"}), ({"more": True}, {"more": "more"})]
)
async def test_a_404_for_a_page_that_there_should_be_is_an_error(
    read: Callable[..., Any], body: dict[str, Any], argument: dict[str, Any]
) -> None:
    """The page before it says that there is one, so its records would be lost."""

    def answer(request: web.Request) -> web.Response:
        if request.query["page"] == "2":
            return web.json_response({"error": "the shard is missing"}, status=404)
        return web.json_response({"rows": RECORDS[:2], **body})

    with pytest.raises(NotFoundError, match="shard"):
        await read(answer, {**COUNTED, "records": "rows", **argument})


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_number_that_cannot_be_a_total_is_none(read: Callable[..., Any], concurrency: int) -> None:
    """JSON has numbers of any length (RFC 8259, section 6)."""

    def answer(request: web.Request) -> web.Response:
        rows = '{"id": 1}' if request.query["page"] == "1" else ""
        text = f'{{"rows": [{rows}], "total": 1{"0" * 400}}}'
        return web.Response(text=text, content_type="application/json")

    paginate = {**COUNTED, "records": "rows", "total": "total", "concurrency": concurrency}
    found, _ = await read(answer, paginate)
    assert found == [{"id": 1}]


async def test_the_number_of_pages_ends_them(read: Callable[..., Any]) -> None:
    """WordPress (developer.wordpress.org/rest-api, "Pagination") answers 400 beyond X-WP-TotalPages."""

    def answer(request: web.Request) -> web.Response:
        at = (int(request.query["page"]) - 1) * 3
        status = 200 if at < 8 else 400
        return web.json_response(RECORDS[at : at + 3], headers={"X-WP-TotalPages": "3"}, status=status)

    found, requests = await read(answer, {**COUNTED, "page_count": "X-WP-TotalPages"})
    assert (found, len(requests)) == (RECORDS, 3)


async def test_404_after_the_first_page_ends_counted_ones(read: Callable[..., Any]) -> None:
    """Django REST framework (django-rest-framework.org/api-guide/pagination) says "Invalid page"."""

    def answer(request: web.Request) -> web.Response:
        at = (int(request.query["page"]) - 1) * 4
        if at >= 8:
            return web.json_response({"detail": "Invalid page."}, status=404)
        return web.json_response({"count": 8, "results": RECORDS[at : at + 4]})

    paginate = {**COUNTED, "records": "results"}
    found, requests = await read(answer, paginate)
    assert (found, len(requests)) == (RECORDS, 3)
    with pytest.raises(NotFoundError):
        await read(answer, {**paginate, "first": 3})


async def test_fewer_records_than_there_are_is_an_error_with_both_numbers(read: Callable[..., Any]) -> None:
    """However the collection seems to end."""
    paginate = {**COUNTED, "records": "rows", "total": "total"}
    with pytest.raises(InvalidResponseError, match="ended after 8 records, and has 9 in all, says 'total'"):
        await read(numbered(3, total=9), paginate)
    body = {"rows": RECORDS[:3], "next": None, "total": 8}
    paginate = {"style": "body", "next": "next", "param": "c", "records": "rows", "total": "total"}
    with pytest.raises(InvalidResponseError, match="ended after 3 records, and has 8 in all"):
        await read(lambda _: web.json_response(body), paginate)


async def test_who_begins_in_the_middle_is_not_told_that_records_are_missing(
    read: Callable[..., Any],
) -> None:
    """What was skipped counts as read; of a cursor that the caller gave nobody knows."""
    paginate = {**COUNTED, "records": "rows", "total": "total"}
    found, requests = await read(numbered(3, total=8), paginate, query={"page": 2})
    assert (found, len(requests)) == (RECORDS[3:], 2)
    body = {"rows": RECORDS[:3], "next": None, "total": 8}
    paginate = {"style": "body", "next": "next", "param": "c", "records": "rows", "total": "total"}
    assert (await read(lambda _: web.json_response(body), paginate, query={"c": "x"}))[0] == RECORDS[:3]


async def test_a_cursor_that_comes_again_on_the_last_page_is_no_circle(read: Callable[..., Any]) -> None:
    """Zendesk (developer.zendesk.com, "Incremental Exports") repeats it, and says ``end_of_stream``."""

    def answer(request: web.Request) -> web.Response:
        last = "cursor" in request.query
        return web.json_response({"rows": RECORDS[4 if last else 0 :][:4], "after": "a", "end": last})

    paginate = {"style": "body", "next": "after", "param": "cursor", "records": "rows"}
    assert (await read(answer, {**paginate, "more": "!end"}))[0] == RECORDS
    with pytest.raises(InvalidResponseError, match="circle"):
        await read(answer, paginate)


async def test_equal_pages_under_other_cursors_are_no_circle(read: Callable[..., Any]) -> None:
    """Records of few fields are often equal."""

    def answer(request: web.Request) -> web.Response:
        at = int(request.query.get("cursor", 0))
        return web.json_response({"rows": [{"status": "ok"}] * 3, "next": str(at + 1) if at < 3 else None})

    paginate = {"style": "body", "next": "next", "param": "cursor", "records": "rows"}
    assert len((await read(answer, paginate))[0]) == 12
    found, _ = await read(
        lambda _: web.json_response({"rows": [{"status": "ok"}] * 3, "total": 9}),
        {**COUNTED, "records": "rows", "total": "total"},
    )
    assert len(found) == 9


@pytest.mark.parametrize("style", ["page", "offset"])
async def test_a_param_that_the_backend_does_not_know_is_an_error_though_the_total_is_known(
    read: Callable[..., Any], style: str
) -> None:
    """Else the first page would come as often as it takes to have so many records."""
    paginate = {"style": style, "param": "pagee", "records": "rows", "total": "total"}
    with pytest.raises(
        InvalidResponseError, match="the same as the one before: does the backend know 'param'"
    ):
        await read(lambda _: web.json_response({"rows": RECORDS[:3], "total": 9}), paginate)


@pytest.mark.parametrize(
    ("name", "value"), [("total", 0), ("total", 2), ("total", "many"), ("page_count", 0)]
)
async def test_a_number_that_cannot_be_the_total_ends_nothing(
    read: Callable[..., Any], caplog: pytest.LogCaptureFixture, name: str, value: Any
) -> None:
    """A page cannot have more records than there are; it is told."""
    paginate = {**COUNTED, "records": "rows", name: "number"}
    assert (await read(numbered(3, number=value), paginate))[0] == RECORDS
    assert f"paginate.{name}: 'number' is in no page" in caplog.text


async def test_an_end_by_the_total_is_warned_of_where_the_page_tells_of_another(
    read: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """What was taken for the total may be the number of records on the page."""
    paginate = {**COUNTED, "records": "rows", "total": "count"}
    found, _ = await read(numbered(3, count=3, next="/api/x?page=2"), paginate)
    assert found == RECORDS[:3]
    assert "ended after 3 records, as 'total' or 'page_count' says. The answer seems" in caplog.text


# -- what is told of pages that are not read -----------------------------------------------------


def misspelt(_request: web.Request) -> web.Response:
    body = {"rows": RECORDS[:3], "meta": {"next": 2}}
    return web.json_response(body, headers={"X-Next-Page": "2"})


@pytest.mark.parametrize(
    ("paginate", "place"),
    [
        ({"style": "body", "next": "meta.nxt", "param": "page"}, "nothing at 'meta.nxt' in its body"),
        ({"style": "header", "next": "X-NextPage", "param": "page"}, "no header 'X-NextPage'"),
        ({"style": "link"}, "no Link header"),
    ],
)
async def test_a_next_page_that_was_never_told_is_a_warning_that_names_what_there_is(
    read: Callable[..., Any], caplog: pytest.LogCaptureFixture, paginate: dict[str, Any], place: str
) -> None:
    """A misspelt argument would cut off the collection without a word."""
    assert (await read(misspelt, {**paginate, "records": "rows"}))[0] == RECORDS[:3]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"ended after its first page, of 3 records, since there is {place}." in warning
    assert "further pages by: the header X-Next-Page, meta.next." in warning


@pytest.mark.parametrize(
    ("body", "headers", "is_told"),
    [
        ({"rows": [{"id": n} for n in range(100)]}, {}, True),  # it looks full
        ({"rows": [{"id": n} for n in range(101)]}, {}, False),
        ({"rows": [{"id": n} for n in range(100)], "next": None}, {}, False),
        ({"rows": RECORDS, "total": 99}, {}, True),
        ({"rows": RECORDS, "total": 8}, {}, False),
        ({"rows": RECORDS, "has_more": False, "nextToken": "x"}, {}, False),
        ({"rows": RECORDS}, {"Link": '<?page=2>; rel="next"'}, True),
    ],
)
async def test_only_a_page_that_shows_more_is_warned_of(
    read: Callable[..., Any], caplog: pytest.LogCaptureFixture, body: Any, headers: Any, is_told: bool
) -> None:
    """A last page says so, or looks so."""
    paginate = {"style": "body", "next": "next", "param": "c", "records": "rows"}
    await read(lambda _: web.json_response(body, headers=headers), paginate)
    assert ("ended after its first page" in caplog.text) == is_told


async def test_ends_that_no_page_tells_are_warned_of(
    read: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """They check nothing then, be it that they are misspelt."""
    paginate = {**COUNTED, "records": "rows", "total": "meta.totl", "more": "has_mor"}
    assert (await read(numbered(3), paginate))[0] == RECORDS
    assert "paginate.total: 'meta.totl' is in no page" in caplog.text
    assert "paginate.more: 'has_mor' is in no page" in caplog.text


@pytest.mark.parametrize("how", ["client", "hook", "operator"])
async def test_a_plain_read_of_a_page_is_warned_of_once(
    answering: Answering,
    config_for: ConfigFor,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    """Who does not say ``paginate`` gets the first page, and learns that there are more."""
    body = {"data": RECORDS, "has_more": True}
    backend = await answering(*[web.json_response(body) for _ in range(2)])
    set_connection(backend.base_url)

    def by_hook() -> None:
        with MirrorDBHook() as hook:
            hook.read("api/users")
            hook.read("api/users")

    def by_operator() -> None:
        MirrorDBReadOperator(task_id="list", endpoint="api/users").execute(context())

    if how == "client":
        async with GenericMirrorDB(config_for(backend.base_url)) as client:
            await client.read_function("list", "api/users")
            await client.read_function("list", "api/users")
    else:
        await asyncio.to_thread(in_thread_of_task, by_hook if how == "hook" else by_operator)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text for text in warnings if "has_more: true; 'paginate' reads all pages" in text] == warnings
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"id": 7, "tags": ["a", "b"], "next": "x"},
        {"data": RECORDS, "has_more": False},
        {"id": 7, "token": "x", "lines": [{"id": 1}]},
    ],
)
async def test_a_plain_read_of_one_record_is_not_warned_of(
    answering: Answering, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, body: Any
) -> None:
    """Only a list of several objects may go on."""
    backend = await answering(web.json_response(body))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        await client.read_function("read", "api/users/7")
    assert "paginate" not in caplog.text
