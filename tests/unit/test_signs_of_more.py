"""What an answer shows of further pages: bodies and headers as the documentation of public APIs has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from multidict import CIMultiDict

from airflow_mirrordb.client.collections.pages.signs_of_more import (
    has_records,
    lists_in,
    looks_full,
    number_told,
    signs_of_more,
    signs_of_total,
)
from tests.support.counted import Looks, counted

ROWS = [{"id": 1}, {"id": 2}]


def totals(body: Any, headers: dict[str, str]) -> list[str]:
    return signs_of_total(body, headers, 1)


def full(body: Any, _: dict[str, str]) -> bool:
    return looks_full(7, {}, body)


@pytest.mark.parametrize(
    ("body", "signs"),
    [
        # docs.stripe.com/api/pagination
        ({"object": "list", "data": ROWS, "has_more": True}, ["has_more: true"]),
        # api.slack.com/apis/pagination
        (
            {"ok": True, "members": ROWS, "response_metadata": {"next_cursor": "dXNl"}},
            ["response_metadata.next_cursor"],
        ),
        # OData JSON Format 4.01 (docs.oasis-open.org), section 4.6.11
        ({"value": ROWS, "@odata.nextLink": "https://x/?$skip=2"}, ["@odata.nextLink"]),
        # google.aip.dev/158
        ({"items": ROWS, "nextPageToken": "a"}, ["nextPageToken"]),
        # developer.salesforce.com, REST API, Query
        (
            {"totalSize": 9, "done": False, "nextRecordsUrl": "/q/1", "records": ROWS},
            ["done: false", "nextRecordsUrl"],
        ),
        # hl7.org/fhir/R4/bundle.html
        (
            {"link": [{"relation": "next", "url": "/?page=2"}], "entry": ROWS},
            ["link[?relation=='next'].url | [0]"],
        ),
        # docs.spring.io/spring-hateoas, HAL
        ({"_embedded": {"users": ROWS}, "_links": {"next": {"href": "/?page=1"}}}, ["_links.next.href"]),
        # docs.spring.io/spring-data, Page as JSON
        ({"content": ROWS, "last": False, "totalPages": 5}, ["last: false"]),
        # jsonapi.org/format/#fetching-pagination
        ({"data": ROWS, "links": {"self": "/", "next": "/?page[number]=2"}}, ["links.next"]),
        # relay.dev/graphql/connections.htm
        (
            {"edges": ROWS, "pageInfo": {"hasNextPage": True, "startCursor": "a", "endCursor": "b"}},
            ["pageInfo.hasNextPage: true", "pageInfo.endCursor"],
        ),
        # the same, as a whole answer has it (spec.graphql.org, "Response Format")
        (
            {"data": {"orders": {"edges": ROWS, "pageInfo": {"hasNextPage": True, "endCursor": "b"}}}},
            ["data.orders.pageInfo.hasNextPage: true", "data.orders.pageInfo.endCursor"],
        ),
        # kubernetes.io/docs/reference/using-api/api-concepts, "Retrieving large results sets in chunks"
        ({"items": ROWS, "metadata": {"continue": "x"}}, ["metadata.continue"]),
        # developers.hubspot.com, CRM API v3, CollectionResponse...ForwardPaging
        ({"results": ROWS, "paging": {"next": {"after": "N", "link": "?after=N"}}}, ["paging.next.after"]),
        # airtable.com/developers/web/api/list-records
        ({"records": ROWS, "offset": "itrSJ1l4/rec2"}, ["offset"]),
        # developers.notion.com/reference/intro, "Pagination"
        (
            {"results": ROWS, "next_cursor": "c", "has_more": True},
            ["next_cursor", "has_more: true"],
        ),
    ],
)
def test_further_pages_are_seen(body: Any, signs: list[str]) -> None:
    """Each is named as an argument of ``paginate`` would name it."""
    assert signs_of_more(body, {}) == signs


@pytest.mark.parametrize(
    "body",
    [
        {"data": ROWS, "has_more": False, "next_cursor": "c"},
        {"edges": ROWS, "pageInfo": {"hasNextPage": False, "endCursor": "b"}},
        {"content": ROWS, "last": True, "next": "x"},
        {"results": ROWS, "next": None, "previous": "/?page=1"},
        {"results": ROWS, "next": "", "next_cursor": 0},
        {"items": ROWS, "nextSyncToken": "a", "access_token": "b", "csrf_token": "c"},
        {"orders": ROWS, "next_delivery": "2026-01-01", "nextReview": 7},
        {"link": [{"relation": "self", "url": "/"}], "entry": ROWS},
        ROWS,
        None,
        "next",
    ],
)
def test_a_last_page_shows_none(body: Any) -> None:
    """A flag that says so outweighs a cursor, and names of other things are none."""
    assert signs_of_more(body, {"Content-Type": "application/json"}) == []


def test_headers_tell_of_pages_as_well() -> None:
    """GitHub and Okta send Link, GitLab X-Next-Page, which is empty on the last page."""
    headers = CIMultiDict([("Link", '<a>; rel="self"'), ("Link", '<b>; rel="next"'), ("X-Next-Page", "2")])
    assert signs_of_more(ROWS, headers) == ["the header Link (style: link)", "the header X-Next-Page"]
    assert signs_of_more(ROWS, {"Link": '<a>; rel="prev"', "X-Next-Page": ""}) == []
    # developer.salesforce.com, Bulk API 2.0, "Get Results for a Query Job"
    assert signs_of_more(None, {"Sforce-Locator": "MTAwMDA"}) == ["the header Sforce-Locator"]
    assert signs_of_more(None, {"Sforce-Locator": "null"}) == []


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        ("250", 250),
        (" 250 ", 250),
        (3.0, 3),
        (0, 0),
        # docs.postgrest.org, "Exact Count"
        ("0-24/3573458", 3573458),
        ("*/0", 0),
        ("0-24/*", None),
        (-1, None),
        (True, None),
        ("many", None),
        ("", None),
        (None, None),
        ({"value": 7}, None),
        (2.5, None),
        ("9" * 30, None),
    ],
)
def test_the_number_of_all_records(value: Any, number: int | None) -> None:
    """As a number, as its text, or behind a range."""
    assert number_told(value) == number


def test_a_total_beyond_the_records_is_a_sign() -> None:
    """One that is not is none."""
    assert signs_of_total({"count": 250, "results": ROWS}, {}, 2) == ["count: 250"]
    assert signs_of_total(ROWS, {"X-Total-Count": "250"}, 2) == ["the header X-Total-Count: 250"]
    assert signs_of_total({"meta": {"total": 2}}, {"X-Total-Count": "2"}, 2) == []


def test_lists_that_may_be_the_records() -> None:
    """Links, and what another path names, have another meaning."""
    body = {"data": {"rows": ROWS, "tags": []}, "link": [{"rel": "self", "href": "/"}], "pages": [1]}
    assert lists_in(body) == ["data.rows", "pages"]
    assert lists_in(body, beside="pages[0].next") == ["data.rows"]
    assert lists_in(ROWS) == ["the body itself"]
    assert lists_in("text") == []


@pytest.mark.parametrize(
    ("body", "has"),
    [
        (ROWS, True),
        ({"rows": ROWS}, True),
        ({"hits": {"hits": ROWS}}, True),
        ({"data": {"orders": {"edges": ROWS}}}, True),
        ({"order": {"customer": {"addresses": ROWS}}}, False),
        ({"rows": ROWS[:1]}, False),
        ({"tags": ["a", "b"]}, False),
    ],
)
def test_bodies_with_records(body: Any, *, has: bool) -> None:
    """A list of several objects near the top; of GraphQL (spec.graphql.org, "Data") one place deeper."""
    assert has_records(body) is has


def test_pages_that_look_full() -> None:
    """By a usual number, or by what the query asks for."""
    assert looks_full(100, None)
    assert looks_full(7, {"limit": "7"})
    assert not looks_full(7, {"limit": 8})
    assert not looks_full(0, {"offset": 0})


@pytest.mark.parametrize("look", [signs_of_more, lambda body, _: lists_in(body), totals, full])
def test_only_what_lies_near_the_top_is_looked_at(look: Callable[[Any, dict[str, str]], Any]) -> None:
    """Of a wide or a deep body not all, as a body has up to 16 MB, and others wait meanwhile."""
    deep: Any = {}
    for _ in range(300):
        deep = {"next": deep}
    wide = {f"next_{n}": {"next_page": {"x": 1}} for n in range(2000)}
    bush = {key: {str(n): {"x": 1} for n in range(200)} for key in map(str, range(200))}
    for body, most in ((deep, 10), (wide, 1000), ([wide] * 1000, 10), (bush, 6000)):
        looks = Looks()
        look(counted(body, looks), {})
        assert looks.number < most


def test_whether_there_are_records_is_asked_with_few_looks() -> None:
    """Each read asks it."""
    looks = Looks()
    wide = {f"next_{n}": {"next_page": {"x": 1}} for n in range(1000)}
    assert has_records(counted({"rows": [wide] * 1000}, looks))
    assert looks.number < 10


def test_long_names_are_neither_searched_nor_shown_whole() -> None:
    """Fields have short ones; a place repeats those around it."""
    body = {"a" * 100_000: {"next" * 10_000 + str(number): {"next_cursor": "x"} for number in range(20)}}
    assert sum(map(len, signs_of_more(body, {}))) < 20 * 1000
    assert len(lists_in({"rows" * 10_000: [{}, {}]})[0]) <= 100
