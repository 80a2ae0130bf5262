"""What requests cost, in CPU and time, beside plain aiohttp and the HTTP provider.

Run by hand: ``python -m tests.benchmarks.speed [rounds] [scenario] [contestant]``, where a scenario and a
contestant are told by how their names begin. The server is a process of its own on 127.0.0.1, over TLS;
so is each contestant in each round, and they take turns. Each cell shows the CPU of the contestant's
process and the time, as multiples of what plain aiohttp took in the same round (medians of the rounds);
then how much its memory grew, the connections that it opened, and its failure, if it had one.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import trustme
from aiohttp import web

from tests.benchmarks.contestants import CONTESTANTS, KEY
from tests.benchmarks.server import running

WARM_UP = 20
BODY = json.dumps(
    {"id": "r1", "name": "Ada Lovelace", "active": True, "day": "2026-11-25", "tags": ["a", "b"]}
).encode()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How many requests, and how many of them in flight."""

    requests: int
    at_once: int


SCENARIOS = {
    "reads, one by one": Scenario(requests=500, at_once=1),
    "reads, 100 in flight": Scenario(requests=2000, at_once=100),
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run took: seconds of CPU and of time, growth of memory in MB, connections opened."""

    cpu: float
    wall: float
    megabytes: float
    connections: int
    failure: str | None


# -- the backend ----------------------------------------------------------------------------------


def make_app() -> web.Application:
    """Return a backend that answers at once; GET / tells how many connections it saw since the last time."""
    callers: set[Any] = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        callers.add(request.transport.get_extra_info("peername"))
        await request.read()
        return web.Response(body=BODY, content_type="application/json")

    async def tell(_request: web.Request) -> web.Response:
        opened = len(callers)
        callers.clear()
        return web.json_response(opened)

    app = web.Application()
    app.router.add_get("/", tell)
    app.router.add_route("*", "/{path:.*}", answer)
    return app


@contextmanager
def backend() -> Iterator[dict[str, str]]:
    """Run the backend, and return the environment in which the contestants find it."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        certificate, ca_file = f"{folder}/server.pem", f"{folder}/ca.pem"
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
        authority.cert_pem.write_to_path(ca_file)
        with running(make_app, certificate) as url:
            where = {"host": "localhost", "port": urlsplit(url).port, "schema": "https"}
            mirrordb = {"conn_type": "mirrordb", "password": KEY, "extra": {"verify": ca_file}}
            http = {"conn_type": "http", "extra": {"Authorization": f"Bearer {KEY}"}}
            yield {
                "SERVER": url,
                "SSL_CERT_FILE": ca_file,
                "REQUESTS_CA_BUNDLE": ca_file,
                "AIRFLOW_CONN_MIRRORDB_DEFAULT": json.dumps({**where, **mirrordb}),
                "AIRFLOW_CONN_HTTP_DEFAULT": json.dumps({**where, **http}),
                "AIRFLOW_HOME": folder,
                "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            }


# -- one run --------------------------------------------------------------------------------------


def _opened() -> int:
    with urllib.request.urlopen(f"{os.environ['SERVER']}/") as answer:
        return int(answer.read())


def measure(name: str, scenario: Scenario) -> Cost:
    """Make a contestant run, and return what it took. For a process of its own."""
    run, failure = CONTESTANTS[name], None
    run(WARM_UP, 1)
    _opened()
    gc.collect()
    memory, wall, cpu = _peak(), time.perf_counter(), time.process_time()
    try:
        run(scenario.requests, scenario.at_once)
    except Exception as error:  # noqa: BLE001  # whatever it is belongs into the table
        failure = type(error).__name__
    cpu, wall, memory = time.process_time() - cpu, time.perf_counter() - wall, _peak() - memory
    return Cost(cpu=cpu, wall=wall, megabytes=memory, connections=_opened(), failure=failure)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# -- the race -------------------------------------------------------------------------------------


def race(environment: dict[str, str], rounds: int, wanted: str, wanted_contestant: str) -> None:
    os.environ.update(environment)
    spawn = multiprocessing.get_context("spawn")
    names = [name for name in CONTESTANTS if name == "aiohttp" or name.startswith(wanted_contestant)]
    if find_spec("airflow.providers.http") is None:
        names = [name for name in names if not name.startswith("Http")]
        _print("HttpHook and HttpAsyncHook are left out: apache-airflow-providers-http is not installed")
    _print("".join(f"{title:>32}" for title in ("", *names)))
    for title, scenario in SCENARIOS.items():
        if not title.startswith(wanted):
            continue
        costs: dict[str, list[Cost]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                with spawn.Pool(1) as process:
                    costs[name].append(process.apply(measure, (name, scenario)))
        _print("".join(f"{cell:>32}" for cell in (title, *(_cell(costs, name) for name in names))))


def _cell(costs: dict[str, list[Cost]], name: str) -> str:
    rounds = list(zip(costs[name], costs["aiohttp"], strict=True))
    cpu = statistics.median(cost.cpu / plain.cpu for cost, plain in rounds)
    wall = statistics.median(cost.wall / plain.wall for cost, plain in rounds)
    megabytes = statistics.median(cost.megabytes for cost in costs[name])
    last = costs[name][-1]
    return f"{cpu:.2f} / {wall:.2f}  {megabytes:.0f} MB  {last.connections}  {last.failure or ''}"


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # a command line prints


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    wanted_contestant = sys.argv[3] if len(sys.argv) > 3 else ""
    with backend() as environment:
        race(environment, rounds, wanted, wanted_contestant)


if __name__ == "__main__":
    main()
