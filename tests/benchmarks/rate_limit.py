"""How fast N reads get through a rate limiter, and how often they are refused, by way of retrying.

Run by hand: ``python -m tests.benchmarks.rate_limit [rounds] [scenario] [contestant]``, where a scenario
and a contestant are told by how their names begin. The limiter is a token bucket
(200 requests/s, burst 20, ``Retry-After: 1``) in a process of its own on 127.0.0.1; 50 callers read.
Each cell shows the time, as a multiple of the ideal time, and the requests refused; medians of the rounds.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import tenacity
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB
from tests.benchmarks.server import running

CALLERS = 50
BURST = 20


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How many reads the limiter meets, and how it behaves.

    :param rate_limit: what the client is told of the limit
    :param says_when: whether a refusal carries Retry-After
    :param halves_after: number of admitted requests after which the limit is half as high
    """

    reads: int
    rate: float = 200.0
    rate_limit: float | None = None
    says_when: bool = True
    halves_after: int | None = None

    @property
    def ideal(self) -> float:
        """Seconds that the limiter itself takes."""
        before = self.reads if self.halves_after is None else self.halves_after
        return (before - BURST) / self.rate + (self.reads - before) / (self.rate / 2)


SCENARIOS = {
    "a  limit known, 600": Scenario(reads=600, rate_limit=200),
    "b  limit unknown, 600": Scenario(reads=600),
    "b  limit unknown, 3000": Scenario(reads=3000),
    "c  no header, 600": Scenario(reads=600, says_when=False),
    "c  no header, 3000": Scenario(reads=3000, says_when=False),
    "d  limit halves, 3000": Scenario(reads=3000, halves_after=1500),
    "d  the same, no header": Scenario(reads=3000, halves_after=1500, says_when=False),
}


# -- the backend ----------------------------------------------------------------------------------


class Backend:
    """A token bucket behind HTTP; a POST begins another scenario and returns what was refused so far."""

    def __init__(self) -> None:
        self.scenario = Scenario(reads=0)
        self.tokens, self.refilled_at = 0.0, 0.0
        self.admitted = self.refused = 0

    async def begin(self, request: web.Request) -> web.Response:
        refused = self.refused
        self.scenario = Scenario(**await request.json())
        self.tokens, self.refilled_at = BURST, time.monotonic()
        self.admitted = self.refused = 0
        return web.json_response({"refused": refused})

    async def read(self, _request: web.Request) -> web.Response:
        now = time.monotonic()
        halved = self.scenario.halves_after is not None and self.admitted >= self.scenario.halves_after
        rate = self.scenario.rate / 2 if halved else self.scenario.rate
        self.tokens = min(BURST, self.tokens + rate * (now - self.refilled_at))
        self.refilled_at = now
        if self.tokens < 1:
            self.refused += 1
            return web.Response(status=429, headers={"Retry-After": "1"} if self.scenario.says_when else {})
        self.tokens -= 1
        self.admitted += 1
        return web.json_response({"id": "r1"})


def make_app() -> web.Application:
    backend = Backend()
    app = web.Application()
    app.router.add_post("/", backend.begin)
    app.router.add_get("/{path:.*}", backend.read)
    return app


# -- the contestants ------------------------------------------------------------------------------

Read = Callable[[], Awaitable[None]]


async def _by_callers(reads: int, read: Read) -> None:
    numbers = iter(range(reads))

    async def call() -> None:
        for _ in numbers:
            await read()

    await asyncio.gather(*(call() for _ in range(CALLERS)))


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def with_mirrordb(url: str, scenario: Scenario) -> None:
    """Read with the client of this package, as its hook and triggers do."""
    config = {"base_url": url.rstrip("/"), "rate_limit": scenario.rate_limit}
    async with GenericMirrorDB(config) as client:
        await _by_callers(scenario.reads, lambda: client.read_function("read", "api/users"))


async def with_tenacity(url: str, scenario: Scenario) -> None:
    """Let each request back off by itself, with exponential jitter."""

    @tenacity.retry(wait=tenacity.wait_random_exponential(max=60))
    async def read(session: aiohttp.ClientSession) -> None:
        async with session.get(url, raise_for_status=True) as response:
            await response.read()

    async with _session() as session:
        await _by_callers(scenario.reads, lambda: read(session))


async def each_obeying(url: str, scenario: Scenario) -> None:
    """Let each request wait as long as its own refusal says, or a second."""

    async def read(session: aiohttp.ClientSession) -> None:
        while True:
            async with session.get(url) as response:
                await response.read()
            if response.status == 200:
                return
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))

    async with _session() as session:
        await _by_callers(scenario.reads, lambda: read(session))


async def with_http_hook(url: str, scenario: Scenario) -> None:
    """Use the HTTP provider's own retry, as its docstring shows it, in as many threads as callers."""
    # The other side of the comparison; mypy runs where it is not installed.
    from airflow.providers.http.hooks.http import (  # type: ignore[import-not-found,unused-ignore]  # noqa: TID251
        HttpHook,
    )
    from airflow.sdk import Connection  # noqa: TID251

    parts = urlsplit(url)
    logging.getLogger("quiet").setLevel(logging.CRITICAL)  # else it writes two lines for each refusal

    class Hook(HttpHook):  # type: ignore[misc,unused-ignore]
        log = logging.getLogger("quiet")

        @classmethod
        def get_connection(cls, conn_id: str) -> Any:
            return Connection(conn_id=conn_id, schema="http", host=parts.hostname, port=parts.port)

    def read() -> None:
        retrying = {
            "wait": tenacity.wait_exponential(),
            "stop": tenacity.stop_never,
            "retry": tenacity.retry_if_exception_type(Exception),
        }
        Hook(method="GET").run_with_advanced_retry(retrying, "/")

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(CALLERS) as threads:
        await _by_callers(scenario.reads, lambda: loop.run_in_executor(threads, read))


CONTESTANTS: dict[str, Callable[[str, Scenario], Awaitable[None]]] = {
    "this package": with_mirrordb,
    "HttpHook": with_http_hook,
    "tenacity, jitter": with_tenacity,
    "each Retry-After": each_obeying,
}


# -- the race -------------------------------------------------------------------------------------


async def _begin(url: str, scenario: Scenario) -> int:
    """Begin a scenario, and return how many requests were refused in the one before."""
    async with _session() as session, session.post(url, json=asdict(scenario)) as response:
        return int((await response.json())["refused"])


async def race(url: str, rounds: int, wanted: str, wanted_contestant: str) -> None:
    logging.getLogger("airflow_mirrordb").setLevel(logging.ERROR)  # as the others, which log no attempt
    contestants = {name: run for name, run in CONTESTANTS.items() if name.startswith(wanted_contestant)}
    if "HttpHook" in contestants and find_spec("airflow.providers.http") is None:
        _print("HttpHook is left out: apache-airflow-providers-http is not installed")
        contestants.pop("HttpHook", None)
    _print("".join(f"{title:>24}" for title in ("", *contestants)))
    for title, scenario in SCENARIOS.items():
        if not title.startswith(wanted):
            continue
        cells = []
        for contestant in contestants.values():
            slowdowns, refusals = [], []
            for _ in range(rounds):
                await _begin(url, scenario)
                begun = time.monotonic()
                await contestant(url, scenario)
                slowdowns.append((time.monotonic() - begun) / scenario.ideal)
                refusals.append(await _begin(url, scenario))
            cells.append(f"{statistics.median(slowdowns):.2f} / {statistics.median(refusals):.0f}")
        _print("".join(f"{cell:>24}" for cell in (title, *cells)))


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # a command line prints


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    wanted_contestant = sys.argv[3] if len(sys.argv) > 3 else ""
    with running(make_app) as url:
        asyncio.run(race(f"{url}/", rounds, wanted, wanted_contestant))


if __name__ == "__main__":
    main()
