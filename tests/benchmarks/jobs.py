"""What 1,000 deferred jobs cost that are polled every second, beside as many deferred sensors.

Run by hand: ``python -m tests.benchmarks.jobs [jobs] [polls]``. The backend is a process of its own on
127.0.0.1; it says ``running`` until the last poll of each. A line shows the CPU of the triggers' process
for each poll, the connections that were opened, and the seconds between two polls of one job, as the
backend saw them: the shortest, the median, and those that 95 % and all stay below.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

from aiohttp import web

from tests.benchmarks.server import running

INTERVAL = 1.0


class Backend:
    """Knows when each job was polled; ``polls`` are too few for it to be done."""

    def __init__(self) -> None:
        self.polled: dict[str, list[float]] = defaultdict(list)
        self.connections = set[int]()

    async def poll(self, request: web.Request) -> web.Response:
        moments, polls = self.polled[request.match_info["job"]], int(request.match_info["polls"])
        moments.append(time.monotonic())
        self.connections.add(id(request.transport))
        return web.json_response({"state": "running" if len(moments) < polls else "done"})

    async def report(self, _request: web.Request) -> web.Response:
        """Return the seconds between polls, and the connections, and begin anew."""
        gaps = sorted(
            after - before
            for moments in self.polled.values()
            for before, after in itertools.pairwise(moments)
        )
        answer = {"gaps": gaps, "connections": len(self.connections)}
        self.polled.clear()
        self.connections.clear()
        return web.json_response(answer)


def make_app() -> web.Application:
    backend = Backend()
    app = web.Application()
    app.router.add_get("/report", backend.report)
    app.router.add_get("/api/jobs/{job}/{polls}", backend.poll)
    return app


def job(endpoint: str, deadline: float) -> Any:
    from airflow_mirrordb.triggers.job import MirrorDBJobTrigger

    return MirrorDBJobTrigger(
        request={"method": "GET", "endpoint": "/"},
        arguments={"state": "state", "succeeded": ["done"], "poll_interval": INTERVAL},
        job={"endpoint": endpoint, "deadline": deadline},
    )


def sensor(endpoint: str, deadline: float) -> Any:
    from airflow_mirrordb.triggers.sensor import MirrorDBSensorTrigger

    return MirrorDBSensorTrigger(
        request={"method": "GET", "endpoint": endpoint},
        condition={"field": "state", "equals": "done"},
        poke_interval=INTERVAL,
        resume_at=time.time(),
        deadline=deadline,
    )


async def run(make: Callable[[str, float], Any], count: int, polls: int) -> float:
    """Run as many triggers at once, and return the seconds of CPU that each poll took."""
    deadline = time.time() + 3_600

    async def fire(number: int) -> None:
        async for event in make(f"api/jobs/{number}/{polls}", deadline).run():
            assert event.payload["status"] == "success", event.payload

    began = time.process_time()
    await asyncio.gather(*map(fire, range(count)))
    return (time.process_time() - began) / (count * polls)


def main() -> None:
    count, polls = (int(number) for number in (*sys.argv[1:], "1000", "20")[:2])
    with tempfile.TemporaryDirectory() as home, running(make_app) as url:
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__CORE__UNIT_TEST_MODE": "True"}
        extra = {"endpoints": ["GET api/jobs/{id}/{polls}"]}
        connection = {"conn_type": "mirrordb", "host": url, "extra": extra}
        os.environ["AIRFLOW_CONN_MIRRORDB_DEFAULT"] = json.dumps(connection)
        for name, make in {"jobs": job, "sensors": sensor}.items():
            make("api/jobs/0/1", 0.0)  # imports Airflow, which sets logging up
            be_silent()
            cpu = asyncio.run(run(make, count, polls))
            with urlopen(f"{url}/report") as answer:
                told = json.load(answer)
            gaps = told["gaps"]
            shown = (gaps[0], statistics.median(gaps), gaps[int(len(gaps) * 0.95)], gaps[-1])
            seconds = ", ".join(f"{gap:.2f}" for gap in shown)
            line = f"{name:8} {1000 * cpu:.3f} ms of CPU a poll, {told['connections']} connections"
            print(f"{line}, seconds between polls: {seconds}", flush=True)  # noqa: T201  # a command line prints


def be_silent() -> None:
    """Let nothing be logged."""
    import structlog

    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


if __name__ == "__main__":
    main()
