"""Collections whose pages are CSV, as Salesforce's Bulk API gives the results of a query."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    GenericMirrorDB,
    InvalidRequestError,
    InvalidResponseError,
    MirrorDBResponse,
    Pagination,
)
from airflow_mirrordb.client.bodies.tables import ROWS_AT_A_TIME
from airflow_mirrordb.client.collections.pages.tables import TablePages
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.integration.test_operators import MODES, run
from tests.integration.test_page_ends import read, started  # noqa: F401  # one is a fixture
from tests.support.backends import ScriptedBackend, Serve
from tests.support.connections import ConfigFor, SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")

ENDPOINT = "services/data/v67.0/jobs/query/750R/results"
ENDPOINTS = ["GET services/data/{version}/jobs/query/{id}/results"]
EXTRA = {"endpoints": ENDPOINTS}
PAGINATE = {"style": "header", "next": "Sforce-Locator", "param": "locator"}
CSV: dict[str, Any] = {"accept": "text/csv", "paginate": PAGINATE}
#: The results in the documentation, as they come, and what they are.
LINES = [
    '"Id","Name"',
    '"005R0000000UyrWIAS","Jane Dunn"',
    '"005R0000000GiwjIAC","George Wright"',
    '"005R0000000GiwoIAC","Pat Wilson"',
]
RECORDS = [
    {"Id": "005R0000000UyrWIAS", "Name": "Jane Dunn"},
    {"Id": "005R0000000GiwjIAC", "Name": "George Wright"},
    {"Id": "005R0000000GiwoIAC", "Name": "Pat Wilson"},
]


def page(lines: list[str], locator: str | None, content_type: str = "text/csv") -> tuple[int, bytes, Any]:
    """One set of results, with the headers that Salesforce documents."""
    headers = {"Content-Type": content_type, "Sforce-NumberOfRecords": str(len(lines) - 1)}
    if locator is not None:
        headers["Sforce-Locator"] = locator
    return 200, "\n".join([*lines, ""]).encode(), headers


def results(last: str | None = "null") -> list[tuple[int, bytes, Any]]:
    """Return the results in two sets, each with the line of column names.

    developer.salesforce.com, Bulk API 2.0, "Get Results for a Query Job": the header ``Sforce-Locator`` is
    the ``locator`` of the next set; if there are no more results, it is the text ``null``.
    """
    return [page(LINES[:3], "MTAwMDA"), page([LINES[0], *LINES[3:]], last)]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(MODES[request.param])


def task(**arguments: Any) -> MirrorDBReadOperator:
    return MirrorDBReadOperator(task_id="results", endpoint=ENDPOINT, **{**CSV, **arguments})


@pytest.mark.parametrize("last", ["null", None])
def test_the_results_of_a_query_are_one_list(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any], last: str | None
) -> None:
    """By the operator, deferred or not."""
    set_connection(scripted.url, extra=EXTRA)
    scripted.answers = results(last)
    assert run(task(**mode)) == RECORDS
    assert scripted.requests == [f"GET /{ENDPOINT}", f"GET /{ENDPOINT}?locator=MTAwMDA"]
    assert [headers["Accept"] for headers in scripted.headers] == ["text/csv"] * 2


def test_the_results_go_to_a_file_as_json_lines(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any], tmp_path: Path
) -> None:
    """As the records of other collections do."""
    set_connection(scripted.url, extra=EXTRA)
    scripted.answers = results()
    path = tmp_path / "results.jsonl"
    manifest = run(task(output_path=str(path), **mode))
    assert [json.loads(line) for line in path.read_text().splitlines()] == RECORDS
    assert (manifest["records"], manifest["bytes"]) == (3, path.stat().st_size)


def test_the_hook_reads_them_at_once_or_one_by_one(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Both read all pages."""
    set_connection(scripted.url, extra=EXTRA)
    scripted.answers = results() * 2
    with MirrorDBHook() as hook:
        assert hook.read(ENDPOINT, **CSV) == RECORDS
        assert list(hook.records(ENDPOINT, **CSV)) == RECORDS


async def test_the_client_iterates_over_them(serve: Serve, config_for: ConfigFor) -> None:
    """All of an answer is the list, too, with the headers of the last page."""

    def answer(request: web.Request) -> web.Response:
        status, body, headers = results()[bool(request.query.get("locator"))]
        return web.Response(status=status, body=body, headers=headers)

    backend = await started(serve, answer)
    async with GenericMirrorDB(config_for(backend.base_url, endpoints=ENDPOINTS)) as client:
        assert [record async for record in client.records("list", ENDPOINT, **CSV)] == RECORDS
        full = await client.read_function("list", ENDPOINT, full_response=True, **CSV)
    assert (full["data"], full["headers"]["sforce-locator"]) == (RECORDS, "null")


# -- other backends ------------------------------------------------------------------------------


async def test_uniprot_gives_tabs_and_links(read: Callable[..., Any]) -> None:  # noqa: F811  # the fixture
    """rest.uniprot.org: ``format=tsv`` is answered as ``text/plain;format=tsv``, with ``Link`` and a total.

    Quotation marks mean themselves (iana.org/assignments/media-types/text/tab-separated-values).
    """
    rows = [["P1", '"A" chain'], ["P2", "5''-nucleotidase"], ["P3", ""]]

    def answer(request: web.Request) -> web.Response:
        at = int(request.query.get("cursor", 0))
        lines = ["Entry\tProtein names", *("\t".join(row) for row in rows[at : at + 2])]
        headers = {"X-Total-Results": "3", "Content-Type": "text/plain;format=tsv"}
        if at == 0:
            headers["Link"] = f'<{request.url.with_query(cursor=2)}>; rel="next"'
        return web.Response(text="\n".join(lines) + "\n", headers=headers)

    paginate = {"style": "link", "total": "X-Total-Results"}
    found, requests = await read(answer, paginate, accept="text/plain;format=tsv")
    assert found == [dict(zip(("Entry", "Protein names"), row, strict=True)) for row in rows]
    assert len(requests) == 2


async def test_sap_names_the_next_page_in_a_column(read: Callable[..., Any]) -> None:  # noqa: F811
    """help.sap.com, "Export Endpoint Responses to CSV": a column ``nextLink``, filled on the last row alone.

    Paths begin at the list of rows.
    """

    def answer(request: web.Request) -> web.Response:
        is_last = "nextEntity" in request.query
        link = "" if is_last else str(request.url.with_query(nextEntity="7"))
        rows = ["Version,Date,nextLink", "public.Actual,201901,", f"public.Plan,201902,{link}"]
        return web.Response(text="\r\n".join(rows), content_type="text/csv")

    paginate = {"style": "body", "next": "[-1].nextLink"}
    found, requests = await read(answer, paginate, accept="text/csv")
    assert [row["Version"] for row in found] == ["public.Actual", "public.Plan"] * 2
    assert len(requests) == 2
    records = "[?nextLink==''].Version"
    found, _ = await read(answer, {**paginate, "records": records}, accept="text/csv")
    assert found == ["public.Actual", "public.Actual", "public.Plan"]


@pytest.mark.parametrize("total", ["3", "*"])
async def test_postgrest_counts_in_a_header(
    read: Callable[..., Any],  # noqa: F811
    total: str,
) -> None:
    """docs.postgrest.org, "Pagination and Count": the total is in ``Content-Range``, or ``*`` there.

    An empty page has its line of names, or nothing at all.
    """

    def answer(request: web.Request) -> web.Response:
        at = int(request.query["offset"])
        lines = LINES[at + 1 : at + 3]
        headers = {"Content-Range": f"{at}-{at + len(lines) - 1}/{total}", "Content-Type": "text/csv"}
        return web.Response(text="\n".join([LINES[0], *lines]) if lines else "", headers=headers)

    paginate = {"style": "offset", "param": "offset", "size": 2, "size_param": "limit"}
    found, requests = await read(answer, {**paginate, "total": "Content-Range"}, accept="text/csv")
    assert (found, len(requests)) == (RECORDS, 2 if total == "3" else 3)


async def test_a_backend_may_answer_with_json_all_the_same(
    read: Callable[..., Any],  # noqa: F811
) -> None:
    """The content type of the answer tells what came."""
    found, _ = await read(lambda _: web.json_response(RECORDS), {"style": "link"}, accept="text/csv")
    assert found == RECORDS


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "application/octet-stream"])
async def test_a_file_is_what_was_asked_for(
    read: Callable[..., Any],  # noqa: F811
    content_type: str,
) -> None:
    """Where its type says no more, and nothing else than CSV was asked for."""
    answer = web.Response(body=b"Id,Name\n1,a\n", headers={"Content-Type": content_type})
    found, _ = await read(lambda _: answer, {"style": "link"}, accept="text/csv")
    assert found == [{"Id": "1", "Name": "a"}]


@pytest.mark.parametrize(
    ("body", "content_type", "value", "told"),
    [
        ("Id\n\xe9\n".encode("latin-1"), "text/csv; charset=iso-8859-1", "\xe9", 0),
        ("Id\n\xe9\n".encode("latin-1"), "text/csv", "\ufffd", 1),
        ("Id\n\xe9\n".encode("utf-16"), "text/csv; charset=utf-16", "\xe9", 0),
    ],
)
def test_pages_are_in_the_charset_that_they_name(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    body: bytes,
    content_type: str,
    value: str,
    told: int,
) -> None:
    """UTF-8 if they name none (RFC 7111, section 5.1); what is in another one is told once."""
    set_connection(scripted.url, extra=EXTRA)
    scripted.answers = [
        (200, body, {"Content-Type": content_type, "Sforce-Locator": locator}) for locator in ("a", "null")
    ]
    assert run(task()) == [{"Id": value}] * 2
    assert caplog.text.count("a page of CSV has U+FFFD") == told


async def test_a_wrong_accept_is_told_as_ever(config_for: ConfigFor) -> None:
    """Before the arguments of pages are looked at by it."""
    async with GenericMirrorDB(config_for("http://127.0.0.1:1")) as client:
        wrong: Any
        for wrong in (["text/csv"], "csv"):
            records = client.records("list", "api/x", accept=wrong, paginate=PAGINATE)
            with pytest.raises(InvalidRequestError, match="accept"):
                await anext(records)


@pytest.mark.parametrize("to_file", [False, True])
def test_a_read_of_one_page_tells_of_the_next(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    to_file: bool,
) -> None:
    """Who leaves ``paginate`` out is told by what the answer names another page."""
    set_connection(scripted.url, extra=EXTRA)
    path = str(tmp_path / "results.csv") if to_file else None
    for answer, told in zip(results(), (1, 0), strict=True):
        scripted.answers = [answer]
        caplog.clear()
        run(task(paginate=None, output_path=path))
        assert caplog.text.count("further pages by: the header Sforce-Locator; 'paginate' reads") == told


# -- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (['"Id","Nom"', '"1","a"'], r"begins with other columns than the first page, which has 'Id', 'Name'"),
        ([LINES[2], LINES[3]], r"begins with other columns than the first page"),
        ([LINES[0], '"1","a","b"'], r"line 2 has 3 values, and there are 2 columns"),
        ([LINES[0], '"1","a"', '"1"'], r"line 3 has 1 value, and there are 2 columns"),
        ([LINES[0], '"1","a'], r"line 2: unexpected end of data"),
    ],
)
def test_a_later_page_that_is_wrong_leaves_nothing(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    mode: dict[str, Any],
    tmp_path: Path,
    second: list[str],
    words: str,
) -> None:
    """Neither a result nor a file (RFC 4180, section 2: each line has as many fields as the others)."""
    set_connection(scripted.url, extra=EXTRA)
    scripted.answers = [page(LINES[:3], "MTAwMDA"), page(second, "null")] * 2
    with pytest.raises(Exception, match=words) as failed:
        run(task(**mode))
    assert "George" not in str(failed.value)
    with pytest.raises(Exception, match=words):
        run(task(output_path=str(tmp_path / "results.jsonl"), **mode))
    assert list(tmp_path.iterdir()) == []


async def test_columns_of_the_same_name_are_refused(read: Callable[..., Any]) -> None:  # noqa: F811
    """A record has one of each name: the other one would be lost."""
    answer = web.Response(text="Id,Name,Id\n1,a,2\n", content_type="text/csv")
    with pytest.raises(InvalidResponseError, match="two columns have the name 'Id'"):
        await read(lambda _: answer, {"style": "link"}, accept="text/csv")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml"])
async def test_what_is_neither_json_nor_csv_has_no_records(
    read: Callable[..., Any],  # noqa: F811
    content_type: str,
) -> None:
    """Pages of text cannot be put together."""
    answer = web.Response(text="Id,Name\n1,a\n", content_type=content_type)
    with pytest.raises(InvalidResponseError, match=f"neither JSON nor CSV .content type '{content_type}"):
        await read(lambda _: answer, {"style": "link"}, accept="text/csv, text/plain")


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ({"records": "rows"}, "leave it out"),
        ({"records": "data.rows[]"}, "leave it out"),
        ({"total": "meta.total"}, "or the name of a header"),
        ({"more": "!meta.last"}, "or the name of a header"),
        ({"style": "page", "param": "page", "page_count": "meta.pages"}, "or the name of a header"),
        ({"style": "body", "next": "meta.next"}, "or the name of a header, with the style 'header'"),
    ],
)
async def test_a_path_into_a_body_that_csv_has_not_is_refused(
    config_for: ConfigFor, argument: dict[str, Any], reason: str
) -> None:
    """Before anything is sent: a page of CSV is the list of its rows."""
    name = list(argument)[-1]
    async with GenericMirrorDB(config_for("http://127.0.0.1:1")) as client:
        with pytest.raises(InvalidRequestError, match=f"paginate.{name}: .*list of its rows.*{reason}"):
            await client.read_function(
                "list",
                "api/x",
                accept="text/csv;q=1, application/csv",
                paginate={"style": "link", **argument},
            )


@pytest.mark.parametrize("name", ["total", "page_count"])
async def test_a_header_that_is_not_there_is_an_error(
    read: Callable[..., Any],  # noqa: F811
    name: str,
) -> None:
    """Nowhere else could the number be, and it would prove nothing."""
    answer = web.Response(text="Id\n1\n", content_type="text/csv")
    paginate = {"style": "page", "param": "page", name: "total"}
    with pytest.raises(InvalidResponseError, match=f"paginate.{name}: there is no header 'total'"):
        await read(lambda _: answer, paginate, accept="text/csv")


# -- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [b"\n", b"a\n", b'""\n'])
async def test_rows_that_take_many_times_their_size_are_refused(
    serve: Serve, config_for: ConfigFor, rows: bytes
) -> None:
    """A megabyte of them would take a hundred."""
    body = b"Id\n" + rows * 2**18
    backend = await started(serve, lambda _: web.Response(body=body, content_type="text/csv"))
    async with GenericMirrorDB(config_for(backend.base_url, max_response_bytes=len(body))) as client:
        with pytest.raises(InvalidResponseError, match="rows take more than 20 times max_response_bytes"):
            await client.read_function("list", "api/x", accept="text/csv", paginate={"style": "link"})


async def test_other_work_goes_on_while_a_page_is_read() -> None:
    """It has its turn every few rows, and the limit of the module ``csv`` is its own again meanwhile."""
    limits = set[int]()

    async def others() -> None:
        while True:
            limits.add(csv.field_size_limit())
            turns.append(0)
            await asyncio.sleep(0)

    turns, before = list[int](), csv.field_size_limit()
    body = "Id,Text\n" + "1,a\n" * 100_000
    response = MirrorDBResponse(
        status=200,
        headers={"Content-Type": "text/csv"},
        data=body,
        body=body,
        size=len(body),
        etag=None,
        request_id=None,
        attempts=1,
        elapsed=0,
        is_json=False,
    )
    task = asyncio.ensure_future(others())
    found = await TablePages(Pagination(style="link"), "text/csv", 2**24, "").decoded(response)
    task.cancel()
    assert len(found.data) == 100_000
    assert len(turns) >= 100_000 / ROWS_AT_A_TIME
    assert limits == {before}


def test_an_event_is_as_long_as_the_records_are(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """A record repeats the names of the columns, which the page has once."""
    set_connection(scripted.url, extra=EXTRA)
    scripted.answers = [page([",".join(f"{'x' * 90}{n}" for n in range(10)), *[",,,,,,,,,"] * 100], "null")]
    assert len(scripted.answers[0][1]) < 3_000
    with pytest.raises(Exception, match=r"is larger than max_event_bytes \(50,000\)"):
        run(task(max_event_bytes=50_000, **mode))


async def test_a_value_may_be_longer_than_those_of_the_module_csv(
    read: Callable[..., Any],  # noqa: F811
) -> None:
    """Whose limit, which holds for the whole process, stays what it is."""
    text, before = "x" * (csv.field_size_limit() + 1), csv.field_size_limit()
    answer = web.Response(text=f'Id,Text\n1,"{text}"\n', content_type="text/csv")
    found, _ = await read(lambda _: answer, {"style": "link"}, accept="text/csv")
    assert found == [{"Id": "1", "Text": text}]
    assert csv.field_size_limit() == before
