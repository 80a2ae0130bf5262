"""One server for all tables: it answers as the documentation of an API says, and notes what came."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final

from aiohttp import web

from tests.zoo.pages import page
from tests.zoo.tables import OMITTED, Answer, Documented, Exchange, InSeconds, Limit, Pages

LOCALHOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that came; ``early`` is how many seconds before the end of a limit."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    early: float = 0.0


@dataclass(slots=True)
class Emulator:
    """A running server of one table.

    :param now: the clock of limits and of headers that name a moment, in seconds of unix time
    """

    documented: Documented
    now: Callable[[], float]
    origin: str = ""
    seen: list[Seen] = field(default_factory=list)
    limit: Limit | None = None
    _ends: float | None = None

    def placed(self, text: str) -> str:
        """Return a text with where the server is, and for ``$files`` another name of its host."""
        port = self.origin.rpartition(":")[2]
        return text.replace("$origin", self.origin).replace("$files", f"localhost:{port}")

    def limited(self, limit: Limit) -> None:
        """Let requests meet this limit, from the next one on, until its window is over."""
        self.limit, self._ends = limit, None

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request, and note it."""
        body = await _decoded(request)
        path = self._below_base(request.rel_url.raw_path)
        fitting = (entry for entry in self.documented.exchanges if _fits(entry, request, path, body))
        exchange = next(fitting, None)
        public = exchange is not None and exchange.public
        early = 0.0 if public else self._before_the_end()
        self.seen.append(
            Seen(
                method=request.method,
                path=request.rel_url.raw_path,
                query=dict(request.query),
                headers=dict(request.headers),
                body=body,
                early=early,
            )
        )
        if early and self.limit is not None and _have(request.headers, self.documented.credentials):
            return self._response(self.limit.answer)
        return self._response(self._answer(request, exchange, path, body))

    def _below_base(self, path: str) -> str:
        """Return a path as the table has it: without the base's, and the slash between them."""
        below = path.removeprefix(self.documented.base)
        return below[1:] if len(below) > 1 or not self.documented.base else below

    def _before_the_end(self) -> float:
        if self.limit is None:
            return 0.0
        if self._ends is None:
            self._ends = self.now() + self.limit.seconds
        left = self._ends - self.now()
        if left <= 0.001:  # clocks are floats
            self.limit = None
            return 0.0
        return left

    def _answer(self, request: web.Request, exchange: Exchange | None, path: str, body: Any) -> Answer:
        table = self.documented
        if exchange is not None and exchange.public:
            return exchange.answer
        if not _have(request.headers, table.credentials):
            return table.refused
        if not _have(request.headers, table.headers):
            return Answer(400, {"message": f"each request needs the headers {dict(table.headers)}"})
        if exchange is not None:
            return exchange.answer
        for collection in table.collections:
            if (collection.method, collection.path) == (request.method, path):
                return self._page(collection, request, body)
        return table.missing

    def _page(self, collection: Pages, request: web.Request, body: Any) -> Answer:
        given = body if collection.place == "body" else dict(request.query)
        wrong = _wrong(collection, request, body)
        if wrong:
            return Answer(400, {"message": wrong})
        url = urllib.parse.urlsplit(str(request.url))
        return page(collection, given, f"{self.origin}{request.rel_url.raw_path}", url.query)

    def _response(self, answer: Answer) -> web.Response:
        headers = {name: self._value(value) for name, value in answer.headers.items()}
        if answer.body is OMITTED:
            return web.Response(status=answer.status, headers=headers)
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return web.Response(
            status=answer.status,
            headers=headers,
            body=self.placed(text).encode(),
            content_type=answer.content_type,
            charset="utf-8",
        )

    def _value(self, value: str | InSeconds) -> str:
        if isinstance(value, str):
            return self.placed(value)
        moment = self.now() + value.seconds
        if value.form == "epoch ms":
            return str(math.ceil(moment * 1000))
        whole = math.ceil(moment)  # a server that rounds down would be asked too early
        if value.form == "iso":
            return datetime.fromtimestamp(whole, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return str(whole)


async def _decoded(request: web.Request) -> Any:
    body = await request.read()
    if request.content_type == "application/x-www-form-urlencoded":
        return dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body


def _have(headers: Mapping[str, str], needed: Mapping[str, str | None]) -> bool:
    return all(
        headers.get(name) == value or (value == "*" and name in headers) for name, value in needed.items()
    )


def _fits(entry: Exchange, request: web.Request, path: str, body: Any) -> bool:
    if (entry.method, entry.path) != (request.method, path):
        return False
    if any(request.query.get(name) != value for name, value in entry.query.items()):
        return False
    if entry.sent is not OMITTED and (entry.sent, entry.media) != (body, request.content_type):
        return False
    return _have(request.headers, entry.needs)


def _wrong(collection: Pages, request: web.Request, body: Any) -> str | None:
    for name, value in collection.query.items():
        if request.query.get(name) != value:
            return f"the query must have {name}={value}"
    for name, value in collection.sent.items():
        if not isinstance(body, dict) or body.get(name) != value:
            return f"the body must have {name}={value!r}"
    return None


class Servers:
    """An event loop in a thread of its own, and the servers in it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="zoo", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; no server may be left."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def serve(self, documented: Documented, now: Callable[[], float]) -> Iterator[Emulator]:
        """Serve a table until the block ends."""
        emulator = Emulator(documented, now)
        with self.serving(_application(emulator)) as emulator.origin:
            yield emulator

    @contextmanager
    def serving(self, application: web.Application) -> Iterator[str]:
        """Serve an application until the block ends; yield its origin."""
        starting = asyncio.run_coroutine_threadsafe(_started(application), self._loop)
        runner = starting.result(timeout=20)
        try:
            yield f"http://{LOCALHOST}:{runner.addresses[0][1]}"
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), self._loop).result(timeout=20)


async def _started(application: web.Application) -> web.AppRunner:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, LOCALHOST, 0).start()
    return runner


def _application(emulator: Emulator) -> web.Application:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", emulator.handle)
    return application
