"""The REST interface of the embedded backend: collections, records, children, conditions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from airflow_mirrordb.devserver import DevServer

Send = Callable[..., Awaitable[aiohttp.ClientResponse]]


@pytest.fixture
def server() -> Iterator[DevServer]:
    with DevServer() as server:
        yield server


@pytest.fixture
async def send(server: DevServer) -> AsyncIterator[Send]:
    async with aiohttp.ClientSession(server.url) as session:

        async def send(method: str, path: str | URL, **arguments: Any) -> aiohttp.ClientResponse:
            response = await session.request(method, path, **arguments)
            await response.read()  # gives the connection back
            return response

        yield send


async def test_a_created_record_is_answered_and_found_at_its_location(send: Send) -> None:
    """POST answers 201 with the body plus an id; a GET of Location answers the same under the same ETag."""
    created = await send("POST", "/api/users", json={"name": "Ada"})
    assert created.status == 201
    assert created.headers["Location"] == "/api/users/1"
    assert await created.json() == {"id": "1", "name": "Ada"}
    read = await send("GET", created.headers["Location"])
    assert read.status == 200
    assert read.headers["ETag"] == created.headers["ETag"]
    assert await read.json() == {"id": "1", "name": "Ada"}


@pytest.mark.parametrize("given", [7, "7", "a@b.c", "käse brot", "%2F", "a?b#c", "...", "x" * 500])
async def test_an_id_of_the_client_is_kept(send: Send, given: int | str) -> None:
    """An id in the body is answered as it was given, and Location leads to it."""
    created = await send("POST", "/api/users", json={"id": given})
    assert created.status == 201
    read = await send("GET", URL(created.headers["Location"], encoded=True))
    assert await read.json() == {"id": given}


@pytest.mark.parametrize(
    "given", [None, True, 1.5, [], {}, "", ".", "..", "a/b", "a\nb", "\x00", "\x7f", "\ud800"]
)
async def test_an_id_that_no_path_can_carry_is_invalid(send: Send, given: Any) -> None:
    """Ids of other types, and text that does not fit into one path segment, are answered with 422."""
    assert (await send("POST", "/api/users", json={"id": given})).status == 422
    assert await (await send("GET", "/api/users")).json() == []


async def test_an_id_is_given_out_once(send: Send) -> None:
    """A second record under the same id, as text or number, is answered with 409."""
    await send("POST", "/api/users", json={"id": "7"})
    assert (await send("POST", "/api/users", json={"id": 7})).status == 409


async def test_put_replaces_and_never_creates(send: Send) -> None:
    """PUT leaves nothing of the old body but the id, and answers 404 where there is no record."""
    await send("POST", "/api/users", json={"name": "Ada", "born": 1815})
    replaced = await send("PUT", "/api/users/1", json={"name": "Grace"})
    assert (replaced.status, await replaced.json()) == (200, {"id": "1", "name": "Grace"})
    assert (await send("PUT", "/api/users/2", json={"name": "Grace"})).status == 404
    assert (await send("GET", "/api/users/2")).status == 404


async def test_patch_merges(send: Send) -> None:
    """PATCH changes what it names, removes what it sets to null, and leaves the rest."""
    await send("POST", "/api/users", json={"name": "Ada", "born": 1815, "tags": {"a": 1}})
    patched = await send("PATCH", "/api/users/1", json={"born": None, "tags": {"b": 2}})
    assert (patched.status, await patched.json()) == (
        200,
        {"id": "1", "name": "Ada", "tags": {"a": 1, "b": 2}},
    )


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("given", ["2", 2, None, True])
async def test_a_write_cannot_change_the_id(send: Send, method: str, given: Any) -> None:
    """PUT and PATCH answer 422 to another id than that of the path, and write nothing."""
    await send("POST", "/api/users", json={"name": "Ada"})
    assert (await send(method, "/api/users/1", json={"id": given, "name": "Grace"})).status == 422
    assert await (await send("GET", "/api/users/1")).json() == {"id": "1", "name": "Ada"}


async def test_delete_removes(send: Send) -> None:
    """DELETE answers 204 without a body; a second one answers 404."""
    await send("POST", "/api/users", json={})
    deleted = await send("DELETE", "/api/users/1")
    assert (deleted.status, await deleted.read()) == (204, b"")
    assert (await send("DELETE", "/api/users/1")).status == 404


async def test_pages_lead_through_the_whole_list(send: Send) -> None:
    """Following rel="next" visits every record once, in order of creation, and keeps other parameters."""
    for number in range(5):
        await send("POST", "/api/users", json={"id": f"u{9 - number}"})
    seen: list[str] = []
    target: URL | None = URL("/api/users?limit=2&sort=a%2Fb&sort=c")
    while target is not None:
        page = await send("GET", target)
        assert page.headers["X-Total-Count"] == "5"
        assert page.url.query.getall("sort") == ["a/b", "c"]
        seen += [record["id"] for record in await page.json()]
        target = page.links["next"]["url"].relative() if "Link" in page.headers else None  # type: ignore[union-attr]
    assert seen == ["u9", "u8", "u7", "u6", "u5"]


async def test_the_link_is_an_absolute_path(send: Send) -> None:
    """Link names the next page by its path, so that it holds behind any host name."""
    for _ in range(2):
        await send("POST", "/api/users", json={})
    page = await send("GET", "/api/users?limit=1")
    assert page.headers["Link"] == '</api/users?limit=1&offset=1>; rel="next"'


async def test_a_list_has_100_records_unless_told(send: Send) -> None:
    """Without a limit a page holds 100 records."""
    for _ in range(101):
        await send("POST", "/api/users", json={})
    assert len(await (await send("GET", "/api/users")).json()) == 100
    assert len(await (await send("GET", "/api/users?limit=1000")).json()) == 101


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=",
        "limit=1.0",
        "limit=%D9%A3",
        "offset=-1",
        f"offset={10**19}",
    ],
)
async def test_a_page_that_cannot_be_is_invalid(send: Send, query: str) -> None:
    """A limit outside 1 to 1000, an offset below 0 and anything else than digits are answered with 422."""
    assert (await send("GET", f"/api/users?{query}")).status == 422


async def test_children_belong_to_their_parent(send: Send) -> None:
    """A record created under another is listed there, and has its own address."""
    for name in ("Ada", "Grace"):
        await send("POST", "/api/users", json={"name": name})
        created = await send("POST", "/api/users/1/posts", json={"by": name})
    assert created.headers["Location"] == "/api/posts/2"
    await send("POST", "/api/users/2/posts", json={})
    page = await send("GET", "/api/users/1/posts?limit=1")
    assert await page.json() == [{"id": "1", "by": "Ada"}]
    assert page.headers["X-Total-Count"] == "2"
    assert page.headers["Link"] == '</api/users/1/posts?limit=1&offset=1>; rel="next"'
    assert await (await send("GET", "/api/posts/2")).json() == {"id": "2", "by": "Grace"}
    assert len(await (await send("GET", "/api/posts")).json()) == 3


async def test_children_need_a_parent(send: Send) -> None:
    """Listing or creating under a missing record is answered with 404."""
    assert (await send("GET", "/api/users/1/posts")).status == 404
    assert (await send("POST", "/api/users/1/posts", json={})).status == 404
    assert await (await send("GET", "/api/posts")).json() == []


async def test_children_go_with_their_parent(send: Send) -> None:
    """Deleting a record deletes what was created under it."""
    await send("POST", "/api/users", json={})
    await send("POST", "/api/users/1/posts", json={})
    await send("POST", "/api/posts/1/comments", json={})
    await send("DELETE", "/api/users/1")
    assert (await send("GET", "/api/posts/1")).status == 404
    assert (await send("GET", "/api/comments/1")).status == 404


@pytest.mark.parametrize("form", ["{tag}", "W/{tag}", '"other", {tag}', "*"])
async def test_a_known_version_is_not_sent_again(send: Send, form: str) -> None:
    """If-None-Match that names the version is answered with 304, its ETag and no body."""
    tag = (await send("POST", "/api/users", json={})).headers["ETag"]
    read = await send("GET", "/api/users/1", headers={"If-None-Match": form.format(tag=tag)})
    assert (read.status, read.headers["ETag"], await read.read()) == (304, tag, b"")


async def test_a_new_version_is_sent(send: Send) -> None:
    """After a write the old ETag names nothing any more."""
    old_tag = (await send("POST", "/api/users", json={})).headers["ETag"]
    await send("PATCH", "/api/users/1", json={"name": "Ada"})
    read = await send("GET", "/api/users/1", headers={"If-None-Match": old_tag})
    assert (read.status, await read.json()) == (200, {"id": "1", "name": "Ada"})


async def test_a_record_created_again_has_another_etag(send: Send) -> None:
    """An ETag of a deleted record does not name its successor under the same id."""
    tags = []
    for _ in range(2):
        tags.append((await send("POST", "/api/users", json={"id": "ada"})).headers["ETag"])
        await send("DELETE", "/api/users/ada")
    assert tags[0] != tags[1]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("form", ["{tag}", '"other" , {tag}', "*"])
async def test_a_write_with_the_right_etag_succeeds(send: Send, method: str, form: str) -> None:
    """If-Match lets a write pass that names the version, alone or in a list, or any version."""
    tag = (await send("POST", "/api/users", json={})).headers["ETag"]
    body = None if method == "DELETE" else {"name": "Ada"}
    written = await send(method, "/api/users/1", json=body, headers={"If-Match": form.format(tag=tag)})
    assert written.status in {200, 204}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("If-Match", '"other"'),
        ("If-Match", "W/{tag}"),  # If-Match compares strongly
        ("If-Match", "garbage"),
        ("If-Match", ""),
        ("If-None-Match", "*"),
        ("If-None-Match", "{tag}"),
    ],
)
async def test_a_write_on_a_failed_condition_changes_nothing(
    send: Send, method: str, header: str, form: str
) -> None:
    """A write whose condition does not hold is answered with 412, and the record stays as it was."""
    tag = (await send("POST", "/api/users", json={})).headers["ETag"]
    body = None if method == "DELETE" else {"name": "Ada"}
    written = await send(method, "/api/users/1", json=body, headers={header: form.format(tag=tag)})
    assert written.status == 412
    assert (await send("GET", "/api/users/1")).headers["ETag"] == tag


async def test_of_two_writers_one_wins(send: Send) -> None:
    """Of many writes at once that name the same version, exactly one is carried out."""
    tag = (await send("POST", "/api/users", json={})).headers["ETag"]
    writes = [
        send("PUT", "/api/users/1", json={"by": writer}, headers={"If-Match": tag}) for writer in range(20)
    ]
    statuses = [response.status for response in await asyncio.gather(*writes)]
    assert sorted(statuses) == [200] + [412] * 19
