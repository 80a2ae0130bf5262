"""Links to the next page: where they may be told, and what of them is sent; and conditions on pages."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, InvalidResponseError
from airflow_mirrordb.client.collections.pages.next_links import (
    BadLinkError,
    PageRequest,
    followed,
    next_link,
)
from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.integration.test_operators import MODES, run
from tests.support.backends import Answering, ScriptedBackend
from tests.support.connections import ConfigFor, SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")
PAGINATE = {"style": "body", "next": "next", "records": "rows"}
PAGE = PageRequest(request=MirrorDBRequest(method="GET", endpoint="api/x"))


@pytest.mark.parametrize(
    "links",
    [
        ['<?after=2>; rel="next"', '<?limit=2>; rel="self"'],
        ['<?limit=2>; rel="self"', '<?after=2>; rel="next"'],
        ['<?limit=2>; rel="self", <?before=2>; rel="prev"', "<?after=2>; rel=next"],
    ],
)
async def test_all_link_headers_count(answering: Answering, config_for: ConfigFor, links: list[str]) -> None:
    """A list may come as several fields (RFC 9110, section 5.3); Okta sends one for each relation."""
    first = web.json_response([1])
    for link in links:
        first.headers.add("Link", link)
    backend = await answering(first, web.json_response([2]))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert await client.read_function("list", "api/users", paginate={"style": "link"}) == [1, 2]
    assert backend.lines[1] == "GET /api/users?after=2"


@pytest.mark.parametrize(
    ("header", "url"),
    [
        (r'<?p=2>; title="say \"next\" page"; rel="next"', "?p=2"),
        (r'<?p=2>; rel="\n\ext"', "?p=2"),
        ('<?p=2>; ; rel="next"', "?p=2"),
        ('<?p=2>;; rel = "next" ;', "?p=2"),
        (", ,<?p=1>;rel=prev,, <?p=2,3>; title; REL=Next", "?p=2,3"),
        ('<?p=1>; title="a; rel=next"; rel="prev"', None),
        ('<?p=1>; title="<?p=2>; rel=next, <?p=3>; rel=next"; rel="prev"', None),
        (r'<?p=1>; title="a\"; rel=next; b"; rel="prev"', None),
        ('<?p=1>; rel="prev"; rel="next"', None),
        ('<?p=1>; xrel="next"', None),
        ('no link, "a, <?p=1>; rel=next", <?p=2>; rel="next"', "?p=2"),
        ('<?p=1>; rel="prev" junk, <?p=2>; rel="next"', "?p=2"),
        ('<?p=2>; rel="next', "?p=2"),
        ("<?p=2; rel=next", None),
        ("<?p=1>, rel=next", None),
    ],
)
def test_a_link_header_is_read_by_its_grammar(header: str, url: str | None) -> None:
    """RFC 8288, appendix B.2 to B.4: empty parameters are passed over, and the first ``rel`` counts.

    In a quoted text a backslash quotes what follows it, and ``;`` and ``,`` divide nothing (RFC 9110, 5.6.4).
    """
    assert next_link(header) == url


def test_a_long_link_header_that_is_no_list_of_links() -> None:
    """It names no next page, and its length must not hold up the event loop."""
    for part in ('"', "<", "<,", "a,", " , ", ";", '<a>;b="', "<a>; ", "\\"):
        header = f"<a>{part * 9_000}>"
        assert next_link(header) is None


@pytest.mark.parametrize(
    ("reference", "sent"),
    [
        ("?q=caf%E9&p=1", "/v1/api/x?q=caf%E9&p=1"),
        ("?a=1&b=2&a=3", "/v1/api/x?a=1&b=2&a=3"),
        ("?flag&empty=&x", "/v1/api/x?flag&empty=&x"),
        ("?sig=a%2Fb%2bc+d%20e&t=1:2/3,4;5", "/v1/api/x?sig=a%2Fb%2bc+d%20e&t=1:2/3,4;5"),
        ("/v1/api/x?$filter=a%20eq%20'b'", "/v1/api/x?$filter=a%20eq%20'b'"),
        ("/api/x?p=2", "/v1/api/x?p=2"),
        ("/v1/api/x/?p=2", "/v1/api/x/?p=2"),
        ("/v1/api/%78?p=2", "/v1/api/%78?p=2"),
        ("/v1/api/x/7;v=1/y?p=2;q", "/v1/api/x/7%3Bv=1/y?p=2;q"),
        ("?page[number]=2&f={a|b}", "/v1/api/x?page[number]=2&f={a|b}"),
        ('?q="a<b>"', "/v1/api/x?q=%22a%3Cb%3E%22"),
        ("y?p=2", "/v1/api/y?p=2"),
        ("?q=a b\u00e9", "/v1/api/x?q=a%20b%C3%A9"),
        ("?p=2#part", "/v1/api/x?p=2"),
    ],
)
async def test_a_link_is_sent_byte_for_byte(
    answering: Answering, config_for: ConfigFor, reference: str, sent: str
) -> None:
    """Microsoft Graph (learn.microsoft.com/graph/paging): the entire URL is opaque.

    What no request can hold is percent-encoded (RFC 3986, section 2.1).
    """
    pages = [{"rows": [1], "next": reference}, {"rows": [2], "next": None}]
    backend = await answering(*map(web.json_response, pages))
    endpoints = ["api/x", "api/y", "GET api/x/{id}/y"]
    async with GenericMirrorDB(config_for(f"{backend.base_url}/v1", endpoints=endpoints)) as client:
        assert await client.read_function("list", "api/x", paginate=PAGINATE) == [1, 2]
    assert backend.lines[1] == f"GET {sent}"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("@odata.nextLink", {"@odata.context": "x", "@odata.nextLink": "?p=2"}),
        ("link.0.url", {"link": [{"relation": "next", "url": "?p=2"}]}),
        ("link[?relation=='next'].url | [0]", {"link": [{"url": "?"}, {"relation": "next", "url": "?p=2"}]}),
    ],
)
async def test_a_link_is_found_below_a_name_with_a_dot_and_in_a_list(
    answering: Answering, config_for: ConfigFor, path: str, body: dict[str, Any]
) -> None:
    """OData JSON Format 4.01, section 4.6.5; FHIR (hl7.org/fhir/R4/bundle.html), ``Bundle.link``."""
    last = {"rows": [2], "link": []}
    backend = await answering(*map(web.json_response, [{**body, "rows": [1]}, last]))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        paginate = {"style": "body", "next": path, "records": "rows"}
        assert await client.read_function("list", "api/x", paginate=paginate) == [1, 2]
    assert backend.lines == ["GET /api/x", "GET /api/x?p=2"]


async def test_relative_links_begin_at_the_page_that_has_them(
    answering: Answering, config_for: ConfigFor
) -> None:
    """RFC 3986, section 5.1.3; also where the page was a link itself, and paths end in a slash."""
    pages = [{"rows": [1], "next": "?p=2"}, {"rows": [2], "next": "../y/?p=3"}, {"rows": [3]}]
    backend = await answering(*map(web.json_response, pages))
    async with GenericMirrorDB(config_for(backend.base_url, trailing_slash=True)) as client:
        assert await client.read_function("list", "api/x", paginate=PAGINATE) == [1, 2, 3]
    assert backend.lines == ["GET /api/x/", "GET /api/x/?p=2", "GET /api/y/?p=3"]


async def test_relative_links_begin_where_a_redirect_led(answering: Answering, config_for: ConfigFor) -> None:
    """RFC 3986, section 5.1.3: the base is the URL that was retrieved, after the redirects."""
    backend = await answering(
        web.Response(status=302, headers={"Location": "/api/x/7"}),
        web.json_response({"rows": [1], "next": "7?p=2"}),
        web.json_response({"rows": [2]}),
    )
    endpoints = ["GET latest", "GET api/x/{id}", "GET 7"]
    async with GenericMirrorDB(config_for(backend.base_url, endpoints=endpoints)) as client:
        assert await client.read_function("list", "latest", paginate=PAGINATE) == [1, 2]
    assert backend.lines == ["GET /latest", "GET /api/x/7", "GET /api/x/7?p=2"]


@pytest.mark.parametrize(
    ("status", "location", "link", "third"),
    [
        (307, "/api/y/search", "?p=2", "POST /api/y/search?p=2"),
        (307, "/api/y/search", "/api/x/search?p=2", "POST /api/x/search?p=2"),
        (307, "/api/y/search", "/api/z/search?p=2", "GET /api/z/search?p=2"),
        (303, "/api/y/search", "?p=2", "GET /api/y/search?p=2"),
        (303, "/api/y/search", "/api/x/search?p=2", "POST /api/x/search?p=2"),
        (303, "/api/x/search?id=7", "?id=7&p=2", "GET /api/x/search?id=7&p=2"),
    ],
)
async def test_a_page_is_asked_for_as_the_one_that_has_its_link(
    answering: Answering, config_for: ConfigFor, status: int, location: str, link: str, third: str
) -> None:
    """A 303 leads to a GET of the result (RFC 9110, section 15.4.4), a 307 to the same request there.

    What was never asked by a body is got: a link is (RFC 8288, section 3.1).
    """
    backend = await answering(
        web.Response(status=status, headers={"Location": location}),
        web.json_response({"rows": [1], "next": link}),
        web.json_response({"rows": [2]}),
    )
    endpoints = [f"{method} api/{{kind}}/search" for method in ("GET", "QUERY")]
    async with GenericMirrorDB(config_for(backend.base_url, endpoints=endpoints)) as client:
        data = {"q": "a"}
        assert await client.read_function("m", "api/x/search", data=data, paginate=PAGINATE) == [1, 2]
    assert backend.lines[2] == third


@pytest.mark.parametrize(
    ("base_url", "reference"),
    [
        ("https://h.example", "https://h.example:443/api/x?p=2"),
        ("https://h.example:443", "https://h.example/api/x?p=2"),
        ("http://h.example", "http://H.example:80/api/x?p=2"),
        ("http://h.example:8080", "http://user@h.example:8080/api/x?p=2"),
        ("https://h.example", "//h.example:443/api/x?p=2"),
    ],
)
def test_an_explicit_default_port_is_the_same_origin(base_url: str, reference: str) -> None:
    """RFC 9110, section 4.2.3. Spring behind a proxy writes it."""
    assert followed(PAGE, "/api/x", reference, base_url, rebase=False).target == "/api/x?p=2"


@pytest.mark.parametrize(
    ("base_url", "reference"),
    [
        ("https://h.example", "https://h.example:80/api/x"),
        ("https://h.example", "http://h.example:443/api/x"),
        ("https://h.example", "https://h.example.evil.test/api/x"),
        ("https://h.example", "https://h.example@evil.test/api/x"),
        ("https://h.example", "https://h.example\t.evil.test/api/x"),
        ("https://h.example", "ftp://h.example/api/x"),
        ("https://h.example", "javascript:alert(1)"),
    ],
)
def test_another_port_scheme_or_host_is_refused(base_url: str, reference: str) -> None:
    """However it is written."""
    with pytest.raises(BadLinkError):
        followed(PAGE, "/api/x", reference, base_url, rebase=False)


@pytest.mark.parametrize("inner", ["https://backend.internal:8000", "http://127.0.0.1", "//cluster.local"])
async def test_rebase_asks_our_own_origin_for_a_link_that_names_an_inner_one(
    answering: Answering, config_for: ConfigFor, inner: str
) -> None:
    """A backend behind a proxy that ends TLS may not know its own name; it is refused unless so said."""
    pages = [{"rows": [1], "next": f"{inner}/api/x?p=2"}, {"rows": [2]}]
    backend = await answering(*map(web.json_response, [*pages, pages[0]]))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        paginate = {**PAGINATE, "rebase": True}
        assert await client.read_function("list", "api/x", paginate=paginate) == [1, 2]
        with pytest.raises(InvalidResponseError, match="set 'rebase': True in paginate"):
            await client.read_function("list", "api/x", paginate=PAGINATE)
    assert backend.lines == ["GET /api/x", "GET /api/x?p=2", "GET /api/x"]


@pytest.mark.parametrize("reference", ["/api/x/..;/admin", "/api/x/%2e%2e;a/admin", "../admin;/../x"])
async def test_no_path_means_another_one_to_servers_that_read_parameters_in_it(
    answering: Answering, config_for: ConfigFor, reference: str
) -> None:
    """Servlet containers drop what follows a semicolon (RFC 3986, section 3.3), and then resolve dots."""
    backend = await answering(web.json_response({"rows": [1], "next": reference}), web.json_response({}))
    async with GenericMirrorDB(config_for(backend.base_url, endpoints=["GET {all:path}"])) as client:
        with suppress(Exception):
            await client.read_function("list", "api/x", paginate=PAGINATE)
    assert not [line for line in backend.lines if ";" in line]


async def test_rebase_leads_to_registered_endpoints_alone(
    answering: Answering, config_for: ConfigFor
) -> None:
    """The path is checked as any other."""
    backend = await answering(web.json_response({"rows": [1], "next": "http://inner/admin"}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(Exception, match="no registered pattern matches it"):
            await client.read_function("list", "api/x", paginate={**PAGINATE, "rebase": True})
    assert len(backend.requests) == 1


@pytest.mark.parametrize("total", [9, 10])
async def test_pages_that_come_again_are_not_all_of_them(
    answering: Answering, config_for: ConfigFor, total: int
) -> None:
    """A backend that does not know ``param`` gives its first page twice: the count proves nothing."""
    page = {"rows": [{"id": number} for number in range(5)], "next": "5", "total": total}
    backend = await answering(*(web.json_response(page) for _ in range(3)))
    paginate = {**PAGINATE, "param": "cursr", "total": "total"}
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="the pages go in a circle"):
            await client.read_function("list", "api/x", paginate=paginate)


async def test_a_last_page_may_name_itself(answering: Answering, config_for: ConfigFor) -> None:
    """If all records came, each once, the circle is an end."""
    pages = [{"rows": [{"id": number}], "next": "2", "total": 2} for number in (1, 2)]
    backend = await answering(*map(web.json_response, pages))
    paginate = {**PAGINATE, "param": "cursor", "total": "total"}
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert await client.read_function("list", "api/x", paginate=paginate) == [{"id": 1}, {"id": 2}]
    assert len(backend.requests) == 2


async def test_a_counted_page_of_lists_that_comes_again_is_refused(
    answering: Answering, config_for: ConfigFor
) -> None:
    """Records may be rows without names, as those of a query in SQL."""
    page = {"rows": [[number, "x"] for number in range(3)], "total": 9}
    backend = await answering(*(web.json_response(page) for _ in range(3)))
    paginate = {"style": "page", "param": "p", "records": "rows", "total": "total"}
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="the same as the one before"):
            await client.read_function("list", "api/x", paginate=paginate)
    assert len(backend.requests) == 2


# -- conditions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("deferred", MODES)
@pytest.mark.parametrize("to_a_file", [False, True])
def test_304_with_pages_is_none(
    scripted: ScriptedBackend, set_connection: SetConnection, tmp_path: Path, deferred: str, to_a_file: bool
) -> None:
    """Unchanged is not empty (RFC 9110, section 15.4.5), and the file that was there stays."""
    set_connection(scripted.url)
    scripted.answer(304, ETag='"v1"')
    path = tmp_path / "users.jsonl"
    path.write_text("before")
    task = MirrorDBReadOperator(
        task_id="read",
        endpoint="api/users",
        headers={"If-None-Match": '"v1"'},
        paginate={"style": "link"},
        output_path=str(path) if to_a_file else None,
        **MODES[deferred],
    )
    assert run(task) is None
    assert path.read_text() == "before"


def test_304_with_pages_has_no_records(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Who iterates finds nothing new."""
    set_connection(scripted.url)
    scripted.answer(304)
    with MirrorDBHook() as hook:
        assert list(hook.records("api/users", paginate={"style": "link"}, if_none_match='"v1"')) == []


async def test_the_condition_is_that_of_the_first_page(answering: Answering, config_for: ConfigFor) -> None:
    """Of the others the caller has no tag: one that is equal by chance would lose its records."""
    pages = [{"rows": [1], "next": "?p=2"}, {"rows": [2], "next": None}]
    backend = await answering(*map(web.json_response, pages))
    headers = {"If-Modified-Since": "Thu, 01 Jan 2026 00:00:00 GMT", "X-Own": "1"}
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        found = await client.read_function(
            "list", "api/x", paginate=PAGINATE, if_none_match='"v1"', headers=headers
        )
    assert found == [1, 2]
    names = [{name.lower() for name in request.headers} for request in backend.requests]
    assert {"if-none-match", "if-modified-since", "x-own"} <= names[0]
    assert names[1] & {"if-none-match", "if-modified-since", "x-own"} == {"x-own"}


async def test_a_condition_of_the_connection_is_that_of_the_first_page(
    answering: Answering, config_for: ConfigFor
) -> None:
    """None for all would hide the first page: a 304 answers a condition alone (RFC 9110, section 15.4.5)."""
    backend = await answering(
        *(web.json_response([number]) for number in (1, 2)),
        web.json_response([]),
        web.json_response([1]),
        web.Response(status=304),
    )
    headers = {"If-Modified-Since": "Thu, 01 Jan 2026 00:00:00 GMT", "if_none_match": '"v1"', "X-Own": "1"}
    paginate = {"style": "page", "param": "page"}
    async with GenericMirrorDB(config_for(backend.base_url, headers=headers)) as client:
        assert await client.read_function("list", "api/x", paginate=paginate) == [1, 2]
        with pytest.raises(InvalidResponseError, match="after the first one is answered 304"):
            await client.read_function("list", "api/x", paginate=paginate)
    names = [{name.lower() for name in request.headers} for request in backend.requests]
    conditions = {"if-none-match", "if_none_match", "if-modified-since"}
    assert [len(found & conditions) for found in names] == [2, 0, 0, 2, 0]
    assert all("x-own" in found for found in names)


@pytest.mark.parametrize("reference", ["/api/\ud800", "?q=\udfff", "/api/x?a=1\r\nHost: evil.test", "?a\tb"])
async def test_a_link_that_no_request_can_hold_is_no_url(
    answering: Answering, config_for: ConfigFor, reference: str
) -> None:
    """JSON can hold half of a surrogate pair, and line breaks."""
    backend = await answering(web.json_response({"rows": [1], "next": reference}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="which is no URL") as refused:
            await client.read_function("list", "api/x", paginate=PAGINATE)
    assert str(refused.value).isprintable()
    assert len(backend.requests) == 1
