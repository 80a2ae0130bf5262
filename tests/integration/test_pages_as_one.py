"""A collection is one read, of one backend: whatever is changed, or waited for, while its pages come."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    AuthenticationError,
    DisconnectedError,
    GenericMirrorDB,
    InvalidRequestError,
    MirrorDBRequest,
    NotFoundError,
    ResponseError,
    ServerError,
)
from airflow_mirrordb.client.errors import MirrorDBError
from tests.integration.test_client_limits import let_pass
from tests.integration.test_files_elsewhere import moved
from tests.support.backends import Answering, Serve
from tests.support.clocks import FakeClock, turns
from tests.support.connections import ConfigFor

PAGE = {"style": "page", "param": "page", "records": "rows", "total": "total"}
BODY = {"style": "body", "next": "next", "records": "rows"}
PAGES = 5


class Changing:
    """A backend with five pages of one record, which lets somebody do something before it gives the third.

    :param name: what each record has in front of the number of its page
    :param keys: those that it accepts by the number of the page; None for any
    """

    def __init__(self, name: str, keys: Callable[[int], str] | None = None) -> None:
        self.name, self.keys = name, keys
        self.asked: list[int] = []
        self.authorizations: list[str | None] = []
        self.at_third: Callable[[], Any] | None = None
        self.base_url = ""

    async def answer(self, request: web.Request) -> web.Response:
        page = int(request.query.get("page", 1))
        self.asked.append(page)
        self.authorizations.append(request.headers.get("Authorization"))
        if page == 3 and self.at_third is not None:
            at_third, self.at_third = self.at_third, None
            await at_third()
        if self.keys is not None and request.headers.get("Authorization") != f"Bearer {self.keys(page)}":
            return web.json_response({"error": "another key"}, status=401)
        following = f"/api/x?page={page + 1}" if page < PAGES else None
        rows = [{"id": f"{self.name}{page}"}] if page <= PAGES else []
        return web.json_response({"rows": rows, "total": PAGES, "next": following})

    async def start(self, serve: Serve) -> Changing:
        app = web.Application()
        app.router.add_get("/api/x", self.answer)
        self.base_url = await serve(app)
        return self


def of(name: str) -> list[dict[str, str]]:
    return [{"id": f"{name}{page}"} for page in range(1, PAGES + 1)]


# -- settings that are changed meanwhile ---------------------------------------------------------


@pytest.mark.parametrize("paginate", [PAGE, {**PAGE, "concurrency": 3}, BODY])
@pytest.mark.parametrize("iterates", [False, True])
async def test_all_pages_come_from_the_backend_that_the_first_one_came_from(
    serve: Serve, config_for: ConfigFor, paginate: dict[str, Any], *, iterates: bool
) -> None:
    """Another base URL is for the next read; the key that came with it goes to none but that one."""
    first, second = await Changing("a").start(serve), await Changing("b").start(serve)
    async with GenericMirrorDB(config_for(first.base_url, api_key="key-of-a")) as client:

        async def change() -> None:
            await client.update_config(
                base_url=second.base_url, api_key="key-of-b", endpoints=["api/y"], response_envelope="rows"
            )
            await client.register_endpoint("api/x")

        first.at_third = change
        if iterates:
            found = [record async for record in client.records("list", "api/x", paginate=paginate)]
        else:
            found = await client.read_function("list", "api/x", paginate=paginate)
        assert found == of("a")
        assert await client.read_function("list", "api/x", paginate=paginate) == of("b")
    assert set(first.authorizations) == {"Bearer key-of-a"}
    assert set(second.authorizations) == {"Bearer key-of-b"}


async def test_settings_of_a_collection_are_those_of_its_beginning(
    serve: Serve, config_for: ConfigFor
) -> None:
    """As those of any request: no page of it obeys a pattern, an envelope or a header that came later."""
    backend = await Changing("a").start(serve)
    async with GenericMirrorDB(config_for(backend.base_url, endpoints=["api/x"])) as client:
        backend.at_third = lambda: client.update_config(
            endpoints=["api/y"], response_envelope="data", max_response_bytes=1, headers={"X-Tenant": "b"}
        )
        assert await client.read_function("list", "api/x", paginate=BODY) == of("a")
        with pytest.raises(MirrorDBError, match="no registered pattern"):
            await client.read_function("list", "api/x", paginate=BODY)


@pytest.mark.parametrize("by", ["hand", "look-up"])
async def test_a_key_that_was_renewed_is_used_by_the_next_page(
    serve: Serve, config_for: ConfigFor, by: str
) -> None:
    """From the third page on the backend knows the new one alone."""
    backend = await Changing("a", keys=lambda page: "old" if page < 3 else "new").start(serve)
    looked_up: list[int] = []

    async def look_up() -> dict[str, str]:
        looked_up.append(len(backend.asked))
        return {"api_key": "new"}

    config = config_for(backend.base_url, api_key="old")
    async with GenericMirrorDB(config, look_up=look_up) as client:
        if by == "hand":
            backend.at_third = lambda: client.update_api_key("new")
        found = await client.read_function("list", "api/x", paginate=BODY)
    assert found == of("a")
    assert looked_up == ([] if by == "hand" else [3])
    assert backend.authorizations[-3:] == ["Bearer new"] * 3


async def test_a_key_that_is_refused_after_the_base_url_was_changed_is_not_replaced_by_that_ones(
    serve: Serve, config_for: ConfigFor
) -> None:
    """What is looked up by then is for the other backend."""
    backend = await Changing("a", keys=lambda page: "old" if page < 4 else "new").start(serve)
    async with GenericMirrorDB(config_for(backend.base_url, api_key="old")) as client:
        backend.at_third = lambda: client.update_config(base_url="http://127.0.0.1:1", api_key="of-another")
        with pytest.raises(AuthenticationError):
            await client.read_function("list", "api/x", paginate=BODY)
    assert set(backend.authorizations) == {"Bearer old"}


async def test_a_collection_does_not_outlive_the_connections_of_its_client(
    serve: Serve, config_for: ConfigFor
) -> None:
    """Connected anew, the client goes on where the backend is the same, and nowhere else."""
    backend, other = await Changing("a").start(serve), await Changing("b").start(serve)
    client = GenericMirrorDB(config_for(backend.base_url))
    reading = MirrorDBRequest(method="GET", endpoint="api/x", paginate=BODY)
    await client.connect()
    records = client.record_pages(reading, in_pauses=True)
    found = await anext(records)
    await client.disconnect()
    with pytest.raises(RuntimeError, match="not connected"):
        await anext(records)
    await client.connect()
    records = client.record_pages(reading, in_pauses=True)
    found = await anext(records)
    await client.disconnect()
    await client.connect()
    found += await anext(records)
    await client.disconnect()
    await client.update_config(base_url=other.base_url)
    await client.connect()
    with pytest.raises(DisconnectedError, match="its base URL was changed"):
        await anext(records)
    await client.disconnect()
    assert (found, other.asked) == (of("a")[:2], [])


@pytest.mark.parametrize("paginate", [None, BODY])
async def test_a_request_that_was_prepared_for_another_backend_is_not_sent(
    serve: Serve, config_for: ConfigFor, paginate: dict[str, Any] | None
) -> None:
    """It has the address of the one, and would get the key of the other."""
    first, second = await Changing("a").start(serve), await Changing("b").start(serve)
    async with GenericMirrorDB(config_for(first.base_url, api_key="key-of-a")) as client:
        prepared = client.prepare(MirrorDBRequest(method="GET", endpoint="api/x", paginate=paginate))
        await client.update_config(base_url=second.base_url, api_key="key-of-b")
        with pytest.raises(InvalidRequestError, match="base_url: it was changed after this request"):
            await client.send(prepared)
    assert (first.asked, second.asked) == ([], [])


# -- waiting in the line -------------------------------------------------------------------------


class Sleepers(FakeClock):
    """Lets as much time pass as who has to wake up first still has to sleep, however many others sleep."""

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[float] = []

    async def sleep(self, seconds: float) -> None:
        end = self.time + seconds
        self._ends.append(end)
        try:
            while self.time < end:
                await turns(50)
                if end == min(self._ends):
                    self.time = max(self.time, end)
        finally:
            self._ends.remove(end)


@pytest.mark.parametrize("limits", [{"max_concurrency": 1}, {"rate_limit": 1}])
@pytest.mark.parametrize("how", [{}, {"single_attempt": True}])
async def test_pages_that_are_begun_ahead_lose_no_time_in_the_line(
    serve: Serve, config_for: ConfigFor, limits: dict[str, Any], how: dict[str, Any]
) -> None:
    """One after the other each would wait for a second at most; those before it are its own siblings."""
    clock = Sleepers()

    async def answer(request: web.Request) -> web.Response:
        page = int(request.query["page"])
        if "max_concurrency" in limits:
            let_pass(clock, 1)
        return web.json_response({"rows": [{"id": page}], "total": 12})

    app = web.Application()
    app.router.add_get("/api/x", answer)
    config = config_for(await serve(app), max_elapsed=2, **limits)
    async with GenericMirrorDB(config, clock=clock.as_clock()) as client:
        request = MirrorDBRequest(method="GET", endpoint="api/x", paginate={**PAGE, "concurrency": 12})
        found = (await client.request(request, **how)).data
    assert [record["id"] for record in found] == list(range(1, 13))


async def test_a_page_whose_turn_it_is_waits_no_longer_than_without_those_ahead(
    serve: Serve, config_for: ConfigFor, clock: FakeClock
) -> None:
    """A pause of the connection that is too long for it ends the collection at once."""

    async def answer(request: web.Request) -> web.Response:
        if request.query["page"] == "1":
            return web.json_response({"rows": [{"id": 1}], "total": 12})
        return web.Response(status=503, headers={"Retry-After": "20"})

    app = web.Application()
    app.router.add_get("/api/x", answer)
    config = config_for(await serve(app), max_elapsed=10, max_concurrency=1)
    async with GenericMirrorDB(config, clock=clock.as_clock()) as client:
        with pytest.raises(ServerError) as caught:
            await client.read_function("list", "api/x", paginate={**PAGE, "concurrency": 4})
    assert caught.value.retry_after == 20


# -- 404 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_404_that_is_the_end_is_logged_as_no_failure(
    answering: Answering, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, concurrency: int
) -> None:
    """Django REST framework (django-rest-framework.org/api-guide/pagination) says "Invalid page" there."""
    caplog.set_level(logging.INFO)
    rows = [{"rows": [{"id": page}], "total": 9} for page in (1, 2)]
    ends = [web.json_response({"detail": "Invalid page."}, status=404) for _ in range(3)]
    backend = await answering(*map(web.json_response, rows), *ends)
    paginate = {**PAGE, "concurrency": concurrency}
    async with GenericMirrorDB(config_for(backend.base_url, max_concurrency=1)) as client:
        with pytest.raises(MirrorDBError, match="ended after 2 records, and has 9 in all"):
            await client.read_function("list", "api/x", paginate=paginate)
    assert "there is no further page (404)" in caplog.text
    assert "attempt" not in caplog.text


async def test_a_404_that_is_no_end_is_logged_as_a_failure(
    answering: Answering, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the first page, and where the page before told of another one."""
    missing = [web.json_response({}, status=404) for _ in range(2)]
    backend = await answering(
        missing[0], web.json_response({"rows": [{"id": 1}], "total": 9, "more": True}), missing[1]
    )
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        for paginate in (PAGE, {**PAGE, "more": "more"}):
            caplog.clear()
            with pytest.raises(NotFoundError):
                await client.read_function("list", "api/x", paginate=paginate)


async def test_a_404_of_another_host_is_no_end(answering: Answering, config_for: ConfigFor) -> None:
    """There the file of a page is missing; the backend itself knows of the page."""
    files = await answering(web.json_response({}, status=404))
    backend = await answering(
        web.json_response({"rows": [{"id": 1}]}), moved(f"{files.base_url}/page-2.json?sig=s1gn4ture")
    )
    config = config_for(backend.base_url, redirect_hosts=[files.base_url.partition("://")[2]])
    async with GenericMirrorDB(config) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.read_function("list", "api/x", paginate={**PAGE, "total": None})
    assert caught.value.answered_by == files.base_url
    assert ResponseError.from_dict(caught.value.to_dict()).to_dict() == caught.value.to_dict()
