"""Collections of which another number of records was read than there are: of a wrong style, or ``next``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import InvalidRequestError, InvalidResponseError
from airflow_mirrordb.client.collections.pages.arguments import check_page_arguments
from airflow_mirrordb.client.collections.pages.signs_of_more import totals_in
from tests.integration.test_page_ends import (
    Answer,
    read,  # noqa: F401  # a fixture
)

USERS = [{"id": number, "name": f"user {number}"} for number in range(23)]
PAGE = {"style": "page", "param": "offset", "records": "rows"}


def by_offset(size: int = 10, **told: Any) -> Answer:
    """A backend that counts records, of any number of them a page, as those of SQL do."""

    def answer(request: web.Request) -> web.Response:
        at = int(request.query.get("offset", 0))
        return web.json_response({"rows": USERS[at : at + size], **told})

    return answer


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("total", [{}, {"total": "total"}])
@pytest.mark.parametrize("size", [2, 3, 10])
async def test_pages_that_overlap_by_all_but_one_record_are_an_error(
    read: Callable[..., Any],  # noqa: F811
    size: int,
    total: dict[str, str],
) -> None:
    """'param' counts records: 175 of 23 were read, without a word."""
    with pytest.raises(InvalidResponseError, match="does 'offset' count records") as caught:
        await read(by_offset(size, total=23), {**PAGE, **total})
    assert "The style is 'offset'" in caught.value.message


async def test_records_that_were_added_meanwhile_are_no_overlap(
    read: Callable[..., Any],  # noqa: F811
) -> None:
    """Newest first, each new one moves all others by one: the last of a page is the first of the next."""
    pages = {1: [9, 8], 2: [8, 7], 3: [6, 5], 4: []}

    def answer(request: web.Request) -> web.Response:
        return web.json_response({"rows": [{"id": number} for number in pages[int(request.query["page"])]]})

    found, _ = await read(answer, {**PAGE, "param": "page"})
    assert len(found) == 6


async def test_more_records_than_the_total_are_warned_of_with_both_numbers(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Here each page overlaps by half, in other records each time it is read: only the numbers tell."""

    def answer(request: web.Request) -> web.Response:
        at = (int(request.query["page"]) - 1) * 5
        rows = [{**user, "seen": at} for user in USERS[at : at + 10]]
        return web.json_response({"rows": rows, "total": 23})

    await read(answer, {**PAGE, "param": "page", "total": "total"})
    (warning,) = warnings(caplog)
    assert "30 records were read, and 'total' says that there are 23" in warning
    caplog.clear()
    await read(answer, {**PAGE, "param": "page"})
    (warning,) = warnings(caplog)
    assert "41 records were read, and 'total' says that there are 23" in warning
    assert "does 'page' count records" in warning


@pytest.mark.parametrize("told", [{"total": 10}, {"total": 1000}, {"meta": {"price": {"total": 3}}}, {}])
async def test_a_number_that_is_no_total_of_records_is_not_held_against_them(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    told: dict[str, Any],
) -> None:
    """That of the page, what a backend counts up to (Elasticsearch, ``track_total_hits``), or of money."""

    def answer(request: web.Request) -> web.Response:
        number = int(request.query["page"])
        size = 10 if told.get("total") == 10 else 300
        rows = [{"id": f"{number}-{at}"} for at in range(size)] if number < 5 else []
        return web.json_response({"rows": rows, **told})

    await read(answer, {**PAGE, "param": "page"})
    assert warnings(caplog) == []


async def test_a_next_that_is_no_place_of_a_page_is_warned_of(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """'next' names the total: the second page is empty, and says the same again."""

    def answer(request: web.Request) -> web.Response:
        at = int(request.query.get("cursor", 0)) * 10
        following = str(at // 10 + 1) if at + 10 < len(USERS) else None
        return web.json_response({"rows": USERS[at : at + 10], "meta": {"next": following, "total": 23}})

    paginate = {"style": "body", "param": "cursor", "records": "rows"}
    found, _ = await read(answer, {**paginate, "next": "meta.next"})
    assert (len(found), warnings(caplog)) == (23, [])
    found, _ = await read(answer, {**paginate, "next": "meta.total"})
    assert len(found) == 10
    (warning,) = warnings(caplog)
    assert "ended after 10 records, and 'meta.total' says that there are 23" in warning
    assert "'total': 'meta.total'" in warning


async def test_an_offset_that_counts_pages_is_warned_of(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Page 10 is asked for after page 0, and is empty."""

    def answer(request: web.Request) -> web.Response:
        at = int(request.query["page"]) * 10
        return web.json_response(USERS[at : at + 10], headers={"X-Total-Count": "23"})

    found, _ = await read(answer, {"style": "offset", "param": "page"})
    assert len(found) == 10
    (warning,) = warnings(caplog)
    assert "'the header X-Total-Count' says that there are 23" in warning
    assert "'total': 'X-Total-Count'" in warning


@pytest.mark.parametrize("query", [{"offset": 20}, {}])
async def test_who_reads_a_part_or_all_is_not_warned(
    read: Callable[..., Any],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    query: dict[str, int],
) -> None:
    """All came, or all from there on."""
    found, _ = await read(by_offset(total=23), {**PAGE, "style": "offset"}, query=query)
    assert (len(found), warnings(caplog)) == (3 if query else 23, [])


@pytest.mark.parametrize(
    ("body", "headers", "found"),
    [
        ({"total": 3}, {}, {"total": 3}),
        ({"page": {"totalElements": "3"}}, {}, {"page.totalElements": 3}),
        ([], {"Content-Range": "items 0-1/3"}, {"the header Content-Range": 3}),
        ({"order": {"total": 3}, "count": 3, "rows": [{"total": 4}]}, {}, {}),
        ({"total": 0}, {}, {}),
        ({"total": {"value": 3}}, {}, {}),
    ],
)
def test_totals_are_told_by_names_that_mean_nothing_else(
    body: Any, headers: dict[str, str], found: dict[str, int]
) -> None:
    """Beside the records, or in what tells of the page (Spring Data REST, "Paging and Sorting")."""
    assert totals_in(body, headers) == found


async def test_a_cursor_that_is_not_heeded_names_the_argument(
    read: Callable[..., Any],  # noqa: F811
) -> None:
    """A backend that does not know 'curs' gives its first page again."""
    answer = {"rows": USERS[:10], "next": "1"}
    paginate = {"style": "body", "next": "next", "param": "curs", "records": "rows"}
    with pytest.raises(InvalidResponseError, match=r"know 'curs' \(paginate\.param\)\?"):
        await read(lambda _: web.json_response(answer), paginate)


@pytest.mark.parametrize("records", [{}, {"records": "items"}])
async def test_a_list_that_lies_elsewhere_is_named_as_the_argument_would_be(
    read: Callable[..., Any],  # noqa: F811
    records: dict[str, str],
) -> None:
    """Who left the argument out does not know its name."""
    answer = {"rows": USERS, "meta": {}}
    with pytest.raises(InvalidResponseError, match=r"paginate\.records: .* 'records': 'rows'"):
        await read(lambda _: web.json_response(answer), {"style": "link", **records})


@pytest.mark.parametrize(
    ("paginate", "words"),
    [
        ({}, "it is missing; it is one of link, header, body, page, offset"),
        ({"style": "header", "next": "Link"}, "the header Link is what the style 'link' reads"),
        ({"style": "header", "next": "link"}, "the header Link is what the style 'link' reads"),
    ],
)
def test_a_style_that_is_meant_is_named(paginate: dict[str, str], words: str) -> None:
    """The value of a ``Link`` header holds relations beside the URLs (RFC 8288, section 3)."""
    with pytest.raises(InvalidRequestError, match=words):
        check_page_arguments(paginate)
