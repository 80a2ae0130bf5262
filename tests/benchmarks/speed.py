"""What requests cost, in CPU and time, beside plain aiohttp and the HTTP provider.

Run by hand: ``python -m tests.benchmarks.speed [rounds] [scenario] [contestant]``, where a scenario and a
contestant are told by how their names begin. The server is a process of its own on 127.0.0.1, over TLS;
so is each contestant in each round, where Airflow is loaded and 1,024 files may be open. They take turns.
A line shows the CPU of the contestant's process and the time, as multiples of what plain aiohttp took in
the same round; the CPU and the memory of each request; the connections opened; the longest time for which
the event loop answered nobody; and the failure, if there was one. All are medians of the rounds.

Nothing is logged, save where a scenario says so: there logging is what it is in Airflow's triggerer, whose
own process sends each line to its supervisor.
"""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import trustme
from aiohttp import web

from tests.benchmarks import contestants
from tests.benchmarks.contestants import KEY, Contestant
from tests.benchmarks.server import running

WARM_UP = 20
FILES = 1024
BODY = json.dumps(
    {"id": "r1", "name": "Ada Lovelace", "active": True, "day": "2026-11-25", "tags": ["a", "b"]}
).encode()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How many requests, how many of them in flight, who makes them, and whether they log."""

    requests: int
    at_once: int
    contestants: Mapping[str, Contestant]
    logged: bool = False


READERS = {
    "aiohttp": contestants.with_aiohttp,
    "this package": contestants.with_mirrordb,
    "HttpHook": contestants.with_http_hook,
    "HttpAsyncHook": contestants.with_http_async_hook,
    "HttpAsyncHook.session()": contestants.with_http_session,
}
ONE_BY_ONE = {**READERS, "this package, async": contestants.with_client}
WRITERS = {"aiohttp": contestants.creates_with_aiohttp, "this package": contestants.creates_with_bulk}
OPERATORS = {"aiohttp": contestants.with_aiohttp, "this package": contestants.with_operators}
TRIGGERS = {
    "aiohttp": contestants.with_aiohttp,
    "this package": contestants.with_triggers,
    "HttpTrigger": contestants.with_http_triggers,
}
SCENARIOS = {
    "500 reads, one by one": Scenario(requests=500, at_once=1, contestants=ONE_BY_ONE),
    "2,000 reads, 100 in flight": Scenario(requests=2000, at_once=100, contestants=READERS),
    "2,000 creates, 32 in flight": Scenario(requests=2000, at_once=32, contestants=WRITERS),
    "200 operators": Scenario(requests=200, at_once=1, contestants=OPERATORS),
    "5,000 triggers at once": Scenario(requests=5000, at_once=5000, contestants=TRIGGERS),
    "5,000 triggers, logged": Scenario(requests=5000, at_once=5000, contestants=TRIGGERS, logged=True),
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run took: seconds of CPU and of time, growth of memory in MB, connections opened."""

    cpu: float
    wall: float
    megabytes: float
    connections: int
    lag: float | None
    failure: str


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


def measure(title: str, name: str) -> Cost:
    """Make a contestant run, and return what it took. For a process of its own."""
    scenario, failure, lag = SCENARIOS[title], "", None
    if scenario.logged:
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "INFO"
    import airflow_mirrordb.hooks.mirrordb  # noqa: F401  # as large a heap for all

    if scenario.logged:
        log_as_a_triggerer()
    run = scenario.contestants[name]
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    run(WARM_UP, 1)
    _opened()
    gc.collect()
    memory, wall, cpu = _peak(), time.perf_counter(), time.process_time()
    try:
        lag = run(scenario.requests, scenario.at_once)
    except Exception as error:  # noqa: BLE001  # whatever it is belongs into the table
        failure = f"{type(error).__name__}: {error}"[:100]
    cpu, wall, memory = time.process_time() - cpu, time.perf_counter() - wall, _peak() - memory
    if scenario.logged and name != "aiohttp":
        failure = failure or f"{log_lines() / (scenario.requests + WARM_UP):.1f} lines a request"
    return Cost(cpu=cpu, wall=wall, megabytes=memory, connections=_opened(), lag=lag, failure=failure)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


_supervisor: list[Any] = []


def log_as_a_triggerer() -> None:
    """Log as the process of Airflow 3 in which triggers run does: in JSON, to the supervisor.

    Secrets are masked by the supervisor, which writes the lines to the logs of tasks. Here it counts them.
    """
    from airflow.sdk.execution_time.supervisor import (  # noqa: TID251
        _configure_logs_over_json_channel,
    )

    ours, others = socket.socketpair()
    supervisor = subprocess.Popen(["wc", "-l"], stdin=others.fileno(), stdout=subprocess.PIPE, text=True)
    others.close()
    log_file = ours.detach()
    _configure_logs_over_json_channel(log_file)
    _supervisor[:] = [supervisor, log_file]


def log_lines() -> int:
    """Return how many lines were logged, and log no more."""
    supervisor, log_file = _supervisor
    logging.disable()
    os.close(log_file)
    return int(supervisor.communicate()[0])


# -- the race -------------------------------------------------------------------------------------


def race(environment: dict[str, str], rounds: int, wanted: str, wanted_contestant: str) -> None:
    os.environ.update(environment)
    spawn = multiprocessing.get_context("spawn")
    if find_spec("airflow.providers.http") is None:
        _print("All of the HTTP provider is left out: apache-airflow-providers-http is not installed")
    for title, scenario in SCENARIOS.items():
        if not title.startswith(wanted):
            continue
        costs: dict[str, list[Cost]] = {
            name: [] for name in scenario.contestants if _runs(name, wanted_contestant)
        }
        for _ in range(rounds):
            for name, paid in costs.items():
                with spawn.Pool(1) as process:
                    paid.append(process.apply(measure, (title, name)))
        _print(f"{title:32}{'CPU':>8}{'time':>8}{'CPU each':>12}{'memory each':>14}{'opened':>8}{'lag':>9}")
        for name in costs:
            _print(f"    {name:28}{_line(costs, name, scenario.requests)}")


def _runs(name: str, wanted: str) -> bool:
    there = not name.startswith("Http") or find_spec("airflow.providers.http") is not None
    return name == "aiohttp" or (there and name.startswith(wanted))


def _line(costs: dict[str, list[Cost]], name: str, requests: int) -> str:
    mine = costs[name]
    rounds = list(zip(mine, costs["aiohttp"], strict=True))
    cpu = statistics.median(cost.cpu / plain.cpu for cost, plain in rounds)
    wall = statistics.median(cost.wall / plain.wall for cost, plain in rounds)
    each = statistics.median(cost.cpu for cost in mine) / requests * 1000
    kilobytes = statistics.median(cost.megabytes for cost in mine) / requests * 1024
    opened = statistics.median_high(cost.connections for cost in mine)
    lags = [cost.lag for cost in mine if cost.lag is not None]
    lag = f"{statistics.median(lags):.2f} s" if lags else ""
    facts = f"{cpu:8.2f}{wall:8.2f}{each:9.2f} ms{kilobytes:11.1f} kB{opened:8}{lag:>9}"
    return f"{facts}  {mine[-1].failure}"


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
