"""Pages that are read at the same time, or while the one before is handed on; and what is told meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBRequest, ServerError
from airflow_mirrordb.client.collections.pages.reading_report import LOG_EVERY
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.output import OutputFile
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from tests.integration.test_interruptions import SIGNAL, TimeOut
from tests.integration.test_operators import context
from tests.support.backends import ScriptedBackend, Serve
from tests.support.clocks import FakeClock, turns
from tests.support.connections import ConfigFor, SetConnection
from tests.support.task_threads import in_thread_of_task

RECORDS = [{"id": number} for number in range(1, 15)]
SIZE = 2
PAGES = 7
PAGE = {"style": "page", "param": "page", "records": "rows", "total": "total", "concurrency": 3}
OFFSET = {"style": "offset", "param": "skip", "records": "rows", "total": "total", "concurrency": 3}
CURSOR = {"style": "body", "next": "next", "param": "page", "records": "rows"}


class Library:
    """A backend whose collection has seven pages of two; remembers which of them were asked for.

    :param before: awaited with the number of the page before it is answered
    """

    def __init__(self, before: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.asked: list[int] = []
        self.running = self.most = 0
        self.total: Callable[[int], int] = lambda _page: len(RECORDS)
        self.gives: Callable[[int], list[Any]] = lambda at: RECORDS[at : at + SIZE]
        self.failing: dict[int, int] = {}
        self._before = before
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        at = int(request.query["skip"]) if "skip" in request.query else None
        number = int(request.query.get("page", 1)) if at is None else at // SIZE + 1
        self.asked.append(number)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self._before is not None:
                await self._before(number)
            await turns()
        finally:
            self.running -= 1
        if number in self.failing:
            return web.Response(status=self.failing[number])
        rows = self.gives((number - 1) * SIZE if at is None else at)
        following = number + 1 if number < PAGES else None
        return web.json_response({"rows": rows, "total": self.total(number), "next": following})

    async def start(self, serve: Serve) -> Library:
        app = web.Application()
        app.router.add_get("/api/x", self.answer)
        self.url = await serve(app)
        return self


class Together:
    """Lets pages pass when as many as should be together have come."""

    def __init__(self, size: int, *, after: int = 1) -> None:
        self._size, self._after, self._came = size, after, asyncio.Event()
        self._waiting = 0

    async def __call__(self, number: int) -> None:
        if number > self._after:
            self._waiting += 1
            if self._waiting == self._size:
                self._came.set()
            await self._came.wait()
            await turns(50)  # one too many would come now


def iterating(client: GenericMirrorDB, paginate: dict[str, Any]) -> aclosing[Any]:
    return aclosing(client.records("list", "api/x", paginate=paginate))


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize("paginate", [PAGE, OFFSET, {**PAGE, "total": None, "page_count": "pages"}])
async def test_as_many_pages_are_read_at_a_time_as_the_author_says(
    serve: Serve, config_for: ConfigFor, paginate: dict[str, Any]
) -> None:
    """The first one alone, which tells how many there are; the backend waits until three others have come."""
    library = await Library(Together(3)).start(serve)
    if paginate.get("page_count"):
        plain = library.answer

        async def with_count(request: web.Request) -> web.Response:
            answer = await plain(request)
            return web.json_response({**json.loads(answer.text or ""), "pages": PAGES})

        app = web.Application()
        app.router.add_get("/api/x", with_count)
        library.url = await serve(app)
    async with GenericMirrorDB(config_for(library.url)) as client:
        assert await client.read_function("list", "api/x", paginate=paginate) == RECORDS
    assert (sorted(library.asked), library.most) == ([1, 2, 3, 4, 5, 6, 7], 3)


async def test_the_limit_of_the_connection_holds(serve: Serve, config_for: ConfigFor) -> None:
    """``max_concurrency`` bounds what is in flight, whatever else asks for more."""
    library = await Library(Together(2)).start(serve)
    async with GenericMirrorDB(config_for(library.url, max_concurrency=2)) as client:
        paginate = {**PAGE, "concurrency": 6}
        assert await client.read_function("list", "api/x", paginate=paginate) == RECORDS
    assert library.most == 2


async def test_pages_that_come_in_another_order_are_handed_on_in_theirs(
    serve: Serve, config_for: ConfigFor
) -> None:
    """Each page waits for the one after it, as far as both are in flight."""
    answered: dict[int, asyncio.Event] = {number: asyncio.Event() for number in range(1, 9)}
    order = []

    async def backwards(number: int) -> None:
        if number in (2, 3, 5, 6):
            await answered[number + 1].wait()
        order.append(number)
        answered[number].set()

    library = await Library(backwards).start(serve)
    async with GenericMirrorDB(config_for(library.url)) as client:
        assert await client.read_function("list", "api/x", paginate=PAGE) == RECORDS
    assert order[:4] == [1, 4, 3, 2]


async def test_no_more_pages_are_in_memory_than_are_read_at_a_time(
    serve: Serve, config_for: ConfigFor
) -> None:
    """Who is slow to take them is waited for."""
    library = await Library().start(serve)
    async with GenericMirrorDB(config_for(library.url)) as client, iterating(client, PAGE) as records:
        assert [await anext(records) for _ in range(3)] == RECORDS[:3]
        await turns(500)
        assert max(library.asked) <= 2 + 3
    assert library.running == 0


@pytest.mark.parametrize("page", [1, 2, 4, 7])
async def test_an_error_of_any_page_ends_the_collection(
    serve: Serve, config_for: ConfigFor, tmp_path: Path, page: int
) -> None:
    """Nothing is handed on as if it were whole, and nothing goes on."""
    library = await Library().start(serve)
    library.failing = {page: 500}
    path = tmp_path / "x.jsonl"
    async with GenericMirrorDB(config_for(library.url, max_attempts=1)) as client:
        with pytest.raises(ServerError):
            await client.read_function("list", "api/x", paginate=PAGE)
        request = MirrorDBRequest(method="GET", endpoint="api/x", paginate=PAGE)
        with pytest.raises(ServerError):
            await client.request(request, sink=OutputFile(str(path)))
        asked = len(library.asked)
        await turns(100)
        assert len(library.asked) == asked
    assert files_in(tmp_path) == []


async def test_each_page_is_retried_by_itself(serve: Serve, config_for: ConfigFor) -> None:
    """A failure costs one request, and no record twice."""
    library = await Library().start(serve)
    library.failing = {4: 500}
    plain = library.answer

    async def once(request: web.Request) -> web.Response:
        answer = await plain(request)
        if answer.status != 200:
            library.failing.clear()
        return answer

    app = web.Application()
    app.router.add_get("/api/x", once)
    async with GenericMirrorDB(config_for(await serve(app), max_attempts=2)) as client:
        assert await client.read_function("list", "api/x", paginate=PAGE) == RECORDS
    assert sorted(library.asked) == [1, 2, 3, 4, 4, 5, 6, 7]


async def test_offsets_that_turn_out_wrong_are_asked_for_one_by_one(
    serve: Serve, config_for: ConfigFor, tmp_path: Path
) -> None:
    """Where a page is shorter than it was taken to be, the next one begins where it ends."""
    rows = {0: [1, 2], 2: [3], 3: [4, 5], 5: [6], 6: [7, 8]}
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(int(request.query["skip"]))
        return web.json_response({"rows": rows.get(asked[-1], ["never"]), "total": 8})

    app = web.Application()
    app.router.add_get("/api/x", answer)
    async with GenericMirrorDB(config_for(await serve(app))) as client:
        found = await client.read_function("list", "api/x", paginate=OFFSET)
    assert found == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [at for at in asked if at in rows] == list(rows) or set(rows) <= set(asked)
    assert len(asked) <= len(rows) + 3


@pytest.mark.parametrize("paginate", [PAGE, OFFSET])
async def test_a_collection_that_shrinks_meanwhile_is_read_as_one_page_after_the_other(
    serve: Serve, config_for: ConfigFor, paginate: dict[str, Any]
) -> None:
    """The last page says how many there are now: fewer than at first are no error then."""
    library = await Library().start(serve)
    library.total = lambda page: 14 if page < 3 else 6
    library.gives = lambda at: RECORDS[:6][at : at + SIZE]
    async with GenericMirrorDB(config_for(library.url)) as client:
        assert await client.read_function("list", "api/x", paginate=paginate) == RECORDS[:6]


@pytest.mark.parametrize("paginate", [CURSOR, {"style": "page", "param": "page", "records": "rows"}])
async def test_the_next_page_is_read_while_one_is_handed_on(
    serve: Serve, config_for: ConfigFor, paginate: dict[str, Any]
) -> None:
    """One at a time, and no further one before that is taken."""
    second = asyncio.Event()

    async def before(number: int) -> None:
        if number == 2:
            second.set()

    library = await Library(before).start(serve)
    async with GenericMirrorDB(config_for(library.url)) as client, iterating(client, paginate) as records:
        assert await anext(records) == RECORDS[0]
        await second.wait()  # this page is still in hand
        await turns(200)
        assert (library.asked, library.most) == ([1, 2], 1)


async def test_the_next_page_is_read_while_one_is_written(
    serve: Serve, config_for: ConfigFor, tmp_path: Path
) -> None:
    """A store may take its time: it is written to in a thread."""
    second = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def before(number: int) -> None:
        if number == 2:
            second.set()

    class Slow(OutputFile):
        """Writes the first page when the second one has been asked for."""

        def begin(self) -> None:
            asyncio.run_coroutine_threadsafe(second.wait(), loop).result()
            super().begin()

    library = await Library(before).start(serve)
    path = tmp_path / "x.jsonl"
    async with GenericMirrorDB(config_for(library.url)) as client:
        request = MirrorDBRequest(method="GET", endpoint="api/x", paginate=CURSOR)
        response = await client.request(request, sink=Slow(str(path)))
    assert response.data["records"] == len(RECORDS)
    assert [json.loads(line) for line in path.read_text().splitlines()] == RECORDS


async def test_who_is_cancelled_leaves_nothing_in_flight(serve: Serve, config_for: ConfigFor) -> None:
    """Pages that were begun ahead end with their reader."""
    came, never = asyncio.Event(), asyncio.Event()

    async def before(number: int) -> None:
        if number == 4:
            came.set()
        if number > 1:
            await never.wait()

    library = await Library(before).start(serve)
    async with GenericMirrorDB(config_for(library.url)) as client:
        reading = asyncio.ensure_future(client.read_function("list", "api/x", paginate=PAGE))
        await came.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert len(client._sender) == 0
    never.set()


class Interrupting(ScriptedBackend):
    """Interrupts the main thread when so many pages are in flight, which it never answers."""

    def __init__(self, pages: int) -> None:
        super().__init__()
        self._left, self._over = pages, threading.Event()

    def next_answer(self, path: str, _sent: bytes) -> tuple[int, Any, dict[str, str]]:
        if "page=1" in path or "page" not in path:
            return 200, {"rows": RECORDS[:SIZE], "total": len(RECORDS)}, {}
        self._left -= 1
        if not self._left:
            signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)
        self._over.wait()
        return 503, None, {}

    def stop(self) -> None:
        self._over.set()
        super().stop()


@pytest.mark.parametrize("iterates", [False, True])
def test_a_time_out_of_the_task_ends_all_pages_in_flight(
    set_connection: SetConnection, iterates: bool
) -> None:
    """It is raised at once, nothing is left running, and the hook can be used further."""
    backend = Interrupting(3)
    backend.start()
    set_connection(backend.url)
    try:
        with MirrorDBHook() as hook, TimeOut() as time_out:
            read = hook.records if iterates else hook.read
            with pytest.raises(AirflowTaskTimeout):
                list(read("api/x", paginate=PAGE))
            assert time_out.calls == 1
            assert hook.read("api/x")["total"] == len(RECORDS)
    finally:
        backend.stop()


# -- wherever a collection is read ---------------------------------------------------------------


@pytest.mark.parametrize("paginate", [PAGE, OFFSET, CURSOR, {**PAGE, "concurrency": 1}])
@pytest.mark.parametrize("where", ["hook", "records", "operator", "file", "trigger"])
async def test_all_records_come_in_order_everywhere(
    serve: Serve,
    set_connection: SetConnection,
    tmp_path: Path,
    where: str,
    paginate: dict[str, Any],
) -> None:
    """Hook, iterator, operator, file and trigger read the same."""
    library = await Library().start(serve)
    set_connection(library.url)
    path = tmp_path / "x.jsonl"

    def by_hook() -> Any:
        with MirrorDBHook() as hook:
            return hook.read("api/x", paginate=paginate)

    def by_records() -> Any:
        with MirrorDBHook() as hook:
            return list(hook.records("api/x", paginate=paginate))

    def by_operator() -> Any:
        task = MirrorDBReadOperator(task_id="read", endpoint="api/x", paginate=paginate)
        return task.execute(context())

    def by_file() -> Any:
        task = MirrorDBReadOperator(
            task_id="read", endpoint="api/x", paginate=paginate, output_path=str(path)
        )
        assert task.execute(context())["records"] == len(RECORDS)
        return [json.loads(line) for line in path.read_text().splitlines()]

    if where == "trigger":
        request = {"method": "GET", "endpoint": "api/x", "paginate": paginate}
        (event,) = [event async for event in MirrorDBTrigger(request=request).run()]
        assert read_event(event.payload)["data"] == RECORDS
    else:
        ways = {"hook": by_hook, "records": by_records, "operator": by_operator, "file": by_file}
        assert await asyncio.to_thread(in_thread_of_task, ways[where]) == RECORDS
    assert sorted(library.asked) == list(range(1, PAGES + 1))


@pytest.mark.parametrize("paginate", [PAGE, CURSOR])
async def test_nothing_is_in_flight_while_the_loop_of_a_hook_stands_still(
    serve: Serve, set_connection: SetConnection, paginate: dict[str, Any]
) -> None:
    """A time-out would pass there; so pages are read together, and then handed on."""
    together = Together(3) if "concurrency" in paginate else None
    library = await Library(together).start(serve)
    set_connection(library.url)

    def iterate() -> list[Any]:
        found = []
        with MirrorDBHook() as hook:
            for record in hook.records("api/x", paginate=paginate):
                assert library.running == 0
                found.append(record)
        return found

    assert await asyncio.to_thread(iterate) == RECORDS
    assert library.most == (3 if "concurrency" in paginate else 1)


# -- progress ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("paginate", "left"), [(PAGE, True), (CURSOR, False)])
async def test_progress_is_logged_every_ten_seconds_and_at_the_end(
    serve: Serve,
    config_for: ConfigFor,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    paginate: dict[str, Any],
    left: bool,
) -> None:
    """Records, pages, rate, and the time left where a total is known, as for a bulk."""
    caplog.set_level(logging.INFO, "airflow_mirrordb.client.collections")

    async def before(_number: int) -> None:
        clock.time += LOG_EVERY / 4

    library = await Library(before).start(serve)
    paginate = {**paginate, "concurrency": None}
    async with GenericMirrorDB(config_for(library.url), clock=clock.as_clock()) as client:
        await client.read_function("list", "api/x", paginate=paginate)
    half, end = [it.getMessage() for it in caplog.records if it.name.startswith("airflow_mirrordb")]
    assert half.startswith("GET api/x [list]: 8 ")
    assert "records in 4 pages, after 10.0 s, 0.8/s" in half
    assert ("8 of 14 records" in half and half.endswith(", about 8 s left")) == left
    assert end == "GET api/x [list]: 14 records in 7 pages, after 17.5 s, 0.8/s"
