"""How public APIs page that have no table of their own: a plain read leads to the right ``paginate``.

Each answers as the page of its documentation says that is named beside it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, InvalidResponseError
from tests.integration.test_page_ends import started
from tests.support.backends import Serve
from tests.support.connections import ConfigFor

SIZE: Final = 3
RECORDS: Final = [{"id": number} for number in range(1, 9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One page: its records, where it begins, where the next one does, and whether there is one."""

    at: int
    host: str

    @property
    def rows(self) -> list[dict[str, int]]:
        return RECORDS[self.at : self.at + SIZE]

    @property
    def after(self) -> int:
        return self.at + SIZE

    @property
    def more(self) -> bool:
        return self.after < len(RECORDS)

    def if_more(self, **fields: Any) -> dict[str, Any]:
        return fields if self.more else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """How an API pages.

    :param documentation: the page that says it
    :param position: how the value of ``param`` tells where a page begins
    :param answer: body and headers of a page
    :param sign: what a plain read is told that there are further pages by; None if nothing shows it
    :param paginate: what that leads to
    :param query: of each read
    :param empty_page: whether it takes a request more to see the end
    """

    documentation: str
    param: str
    answer: Callable[[Part], tuple[Any, Mapping[str, str]]]
    sign: str | None
    paginate: dict[str, Any]
    position: Callable[[str], int] = int
    query: dict[str, str] = field(default_factory=dict)
    empty_page: bool = False


def after(prefix: str) -> Callable[[str], int]:
    return lambda value: 0 if value in ("", "*") else int(value.removeprefix(prefix))


def sentry(part: Part) -> tuple[Any, Mapping[str, str]]:
    url, more = f"http://{part.host}/api/x?&cursor=0:", str(part.more).lower()
    back = f'<{url}0:1>; rel="previous"; results="false"; cursor="0:0:1"'
    on = f'<{url}{part.after}:0>; rel="next"; results="{more}"; cursor="0:{part.after}:0"'
    return part.rows, {"Link": f"{back}, {on}"}


def mediawiki(part: Part) -> tuple[Any, Mapping[str, str]]:
    following = part.if_more(**{"continue": {"cmcontinue": f"page|{part.after}", "continue": "-||"}})
    return {"batchcomplete": "", **following, "query": {"categorymembers": part.rows}}, {}


def facebook(part: Part) -> tuple[Any, Mapping[str, str]]:
    cursors = {"cursors": {"before": f"b{part.at}", "after": f"a{part.after}"}}
    following = part.if_more(next=f"http://{part.host}/api/x?limit=3&after=a{part.after}")
    return {"data": part.rows, "paging": {**cursors, **following}}, {}


def pipedrive(part: Part) -> tuple[Any, Mapping[str, str]]:
    pages = {"start": part.at, "limit": SIZE, "more_items_in_collection": part.more}
    pages |= part.if_more(next_start=part.after)
    return {"success": True, "data": part.rows, "additional_data": {"pagination": pages}}, {}


def intercom(part: Part) -> tuple[Any, Mapping[str, str]]:
    following = {"page": part.after // SIZE + 1, "starting_after": f"Wz{part.after}"} if part.more else None
    pages = {"type": "pages", "next": following, "page": part.at // SIZE + 1, "per_page": SIZE}
    return {"type": "list", "data": part.rows, "total_count": len(RECORDS), "pages": pages}, {}


def odata2(part: Part) -> tuple[Any, Mapping[str, str]]:
    following = part.if_more(__next=f"http://{part.host}/api/x?$skiptoken={part.after}")
    return {"d": {"__count": str(len(RECORDS)), "results": part.rows, **following}}, {}


def arcgis(part: Part) -> tuple[Any, Mapping[str, str]]:
    features = [{"attributes": row} for row in part.rows]
    return {"objectIdFieldName": "id", "features": features, **part.if_more(exceededTransferLimit=True)}, {}


def solr(part: Part) -> tuple[Any, Mapping[str, str]]:
    mark = f"A{min(part.after, len(RECORDS) + 1)}"
    response = {"numFound": len(RECORDS), "start": 0, "docs": part.rows}
    return {"responseHeader": {"status": 0}, "response": response, "nextCursorMark": mark}, {}


def discourse(part: Part) -> tuple[Any, Mapping[str, str]]:
    following = part.if_more(more_topics_url=f"/api/x?page={part.after // SIZE}")
    return {"users": [{"id": 7}], "topic_list": {"per_page": SIZE, "topics": part.rows, **following}}, {}


def chargebee(part: Part) -> tuple[Any, Mapping[str, str]]:
    token = json.dumps(["1517505957000", str(part.after)])
    return {"list": [{"customer": row} for row in part.rows], **part.if_more(next_offset=token)}, {}


def azure_devops(part: Part) -> tuple[Any, Mapping[str, str]]:
    header = part.if_more(**{"x-ms-continuationtoken": f"t{part.after}"})
    return {"count": len(part.rows), "value": part.rows}, header


def docker_registry(part: Part) -> tuple[Any, Mapping[str, str]]:
    link = part.if_more(Link=f'</api/x?last={part.after}&n={SIZE}>; rel="next"')
    return {"repositories": [f"r{row['id']}" for row in part.rows]}, link


def clickup(part: Part) -> tuple[Any, Mapping[str, str]]:
    return {"tasks": part.rows, "last_page": not part.more}, {}


def crates_io(part: Part) -> tuple[Any, Mapping[str, str]]:
    following = f"?page={part.after // SIZE + 1}" if part.more else None
    return {"crates": part.rows, "meta": {"total": len(RECORDS), "next_page": following}}, {}


def bubble(part: Part) -> tuple[Any, Mapping[str, str]]:
    left = max(len(RECORDS) - part.after, 0)
    page = {"cursor": part.at, "results": part.rows, "count": len(part.rows), "remaining": left}
    return {"response": page}, {}


def trello(part: Part) -> tuple[Any, Mapping[str, str]]:
    return part.rows, {}


LINK: Final = {"style": "link"}
PIPEDRIVE: Final = "additional_data.pagination"
CONVENTIONS: Final = {
    "Sentry": Convention(
        documentation="https://docs.sentry.io/api/pagination/",
        param="cursor",
        position=lambda cursor: int(cursor.split(":")[1]),
        answer=sentry,
        sign="the header Link (style: link)",
        paginate=LINK,
    ),
    "MediaWiki": Convention(
        documentation="https://www.mediawiki.org/wiki/API:Continue",
        param="cmcontinue",
        position=after("page|"),
        answer=mediawiki,
        sign="continue.cmcontinue",
        paginate={
            "style": "body",
            "next": "continue.cmcontinue",
            "param": "cmcontinue",
            "records": "query.categorymembers",
        },
    ),
    "Facebook Graph": Convention(
        documentation="https://developers.facebook.com/docs/graph-api/results/",
        param="after",
        position=after("a"),
        answer=facebook,
        sign="paging.next",
        paginate={"style": "body", "next": "paging.next", "records": "data"},
    ),
    "Pipedrive": Convention(
        documentation="https://pipedrive.readme.io/docs/core-api-concepts-pagination",
        param="start",
        answer=pipedrive,
        sign=f"{PIPEDRIVE}.more_items_in_collection: true, {PIPEDRIVE}.next_start",
        paginate={
            "style": "body",
            "next": f"{PIPEDRIVE}.next_start",
            "more": f"{PIPEDRIVE}.more_items_in_collection",
            "param": "start",
            "records": "data",
        },
    ),
    "Intercom": Convention(
        documentation="https://developers.intercom.com/docs/build-an-integration/learn-more/rest-apis/pagination",
        param="starting_after",
        position=after("Wz"),
        answer=intercom,
        sign="pages.next.starting_after",
        paginate={
            "style": "body",
            "next": "pages.next.starting_after",
            "param": "starting_after",
            "records": "data",
            "total": "total_count",
        },
    ),
    "OData 2": Convention(
        documentation="https://www.odata.org/documentation/odata-version-2-0/json-format/",
        param="$skiptoken",
        answer=odata2,
        sign="d.__next",
        paginate={"style": "body", "next": "d.__next", "records": "d.results", "total": "d.__count"},
    ),
    "ArcGIS": Convention(
        documentation="https://developers.arcgis.com/rest/services-reference/enterprise/query-feature-service-layer/",
        param="resultOffset",
        answer=arcgis,
        sign="exceededTransferLimit: true",
        paginate={
            "style": "offset",
            "param": "resultOffset",
            "more": "exceededTransferLimit",
            "records": "features[].attributes",
        },
        empty_page=True,
    ),
    "Solr": Convention(
        documentation="https://solr.apache.org/guide/solr/latest/query-guide/pagination-of-results.html",
        param="cursorMark",
        position=after("A"),
        answer=solr,
        sign="nextCursorMark",
        paginate={
            "style": "body",
            "next": "nextCursorMark",
            "param": "cursorMark",
            "records": "response.docs",
            "total": "response.numFound",
        },
        query={"cursorMark": "*"},
        empty_page=True,
    ),
    "Discourse": Convention(
        documentation="https://docs.discourse.org/#tag/Topics/operation/listLatestTopics",
        param="page",
        position=lambda page: int(page) * SIZE,
        answer=discourse,
        sign="topic_list.more_topics_url",
        paginate={"style": "body", "next": "topic_list.more_topics_url", "records": "topic_list.topics"},
    ),
    "Chargebee": Convention(
        documentation="https://apidocs.chargebee.com/docs/api/customers/list-customers",
        param="offset",
        position=lambda offset: int(json.loads(offset)[1]),
        answer=chargebee,
        sign="next_offset",
        paginate={"style": "body", "next": "next_offset", "param": "offset", "records": "list[].customer"},
    ),
    "Azure DevOps": Convention(
        documentation="https://learn.microsoft.com/en-us/rest/api/azure/devops/core/projects/list",
        param="continuationToken",
        position=after("t"),
        answer=azure_devops,
        sign="the header x-ms-continuationtoken",
        paginate={
            "style": "header",
            "next": "x-ms-continuationtoken",
            "param": "continuationToken",
            "records": "value",
        },
    ),
    "Docker Registry": Convention(
        documentation="https://distribution.github.io/distribution/spec/api/#listing-repositories",
        param="last",
        answer=docker_registry,
        sign="the header Link (style: link)",
        paginate={**LINK, "records": "repositories"},
    ),
    "ClickUp": Convention(
        documentation="https://developer.clickup.com/reference/gettasks",
        param="page",
        position=lambda page: int(page) * SIZE,
        answer=clickup,
        sign="last_page: false",
        paginate={"style": "page", "param": "page", "first": 0, "more": "!last_page", "records": "tasks"},
    ),
    "crates.io": Convention(
        documentation="https://crates.io/data-access#api",
        param="page",
        position=lambda page: (int(page) - 1) * SIZE,
        answer=crates_io,
        sign="meta.next_page",
        paginate={"style": "body", "next": "meta.next_page", "records": "crates", "total": "meta.total"},
    ),
    "Bubble": Convention(
        documentation="https://manual.bubble.io/core-resources/api/the-bubble-api/the-data-api/data-api-requests",
        param="cursor",
        answer=bubble,
        sign=None,
        paginate={
            "style": "offset",
            "param": "cursor",
            "more": "response.remaining",
            "records": "response.results",
        },
    ),
    "Trello": Convention(
        documentation="https://developer.atlassian.com/cloud/trello/guides/rest-api/api-introduction/",
        param="before",
        answer=trello,
        sign=None,
        paginate={"style": "body", "next": "[-1].id", "param": "before"},
        empty_page=True,
    ),
}


def records_of(name: str) -> list[Any]:
    return [f"r{row['id']}" for row in RECORDS] if name == "Docker Registry" else RECORDS


@pytest.mark.parametrize("name", CONVENTIONS)
async def test_a_plain_read_leads_to_the_right_paginate(
    serve: Serve, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """It names what is ``next``, or ``more``, as these write it; that reads all, with no warning."""
    api = CONVENTIONS[name]

    def answer(request: web.Request) -> web.Response:
        at = api.position(request.query[api.param]) if api.param in request.query else 0
        body, headers = api.answer(Part(at=at, host=request.host))
        return web.json_response(body, headers=headers)

    backend = await started(serve, answer)

    def warnings() -> list[str]:
        texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        caplog.clear()
        return texts

    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        await client.read_function("plain", "api/x", query=api.query)
        told = [text.partition("further pages by: ")[2].partition(";")[0] for text in warnings()]
        assert told == ([] if api.sign is None else [api.sign])
        found = await client.read_function("all", "api/x", query=api.query, paginate=api.paginate)
    assert (found, warnings()) == (records_of(name), [])
    assert len(backend.requests) == 1 + 3 + api.empty_page


@pytest.mark.parametrize("name", [name for name, api in CONVENTIONS.items() if api.sign and name != "Solr"])
async def test_a_single_page_is_told_of_no_other(
    serve: Serve,
    config_for: ConfigFor,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Neither a plain read of it, nor one in pages; Solr's has a cursor all the same."""
    monkeypatch.setitem(globals(), "SIZE", 80)
    api = CONVENTIONS[name]

    def answer(request: web.Request) -> web.Response:
        at = api.position(request.query[api.param]) if api.param in request.query else 0
        body, headers = api.answer(Part(at=at, host=request.host))
        return web.json_response(body, headers=headers)

    backend = await started(serve, answer)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        await client.read_function("plain", "api/x", query=api.query)
        found = await client.read_function("all", "api/x", query=api.query, paginate=api.paginate)
    assert found == records_of(name)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("beginning", ["*", "", "0", "-1"])
async def test_who_begins_at_the_beginning_is_told_of_records_that_are_missing(
    serve: Serve, config_for: ConfigFor, beginning: str
) -> None:
    """Solr and OpenAlex (docs.openalex.org, "Cursor paging") want ``*`` with the first request, X ``-1``."""
    backend = await started(serve, lambda _: web.json_response({"rows": RECORDS, "total": 9, "next": None}))
    paginate = {"style": "body", "next": "next", "param": "cursor", "records": "rows", "total": "total"}
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="ended after 8 records, and has 9 in all"):
            await client.read_function("all", "api/x", query={"cursor": beginning}, paginate=paginate)
