"""How long 100,000 records in 1,000 pages take to come, at 50 ms a page, and how much memory they take.

Run by hand::

    .venv/bin/uv run --with apache-airflow-providers-http==6.3.0 --with dlt python -m tests.benchmarks.pages

The server is a process of its own on 127.0.0.1, and so is each contestant, one after the other. Each reads
counted pages, of which the first tells how many there are, and writes the records as JSON Lines to a file;
the HTTP provider's operator has them all as its result, as that is its way. Printed are seconds from the
first request to the last record, the growth of the resident memory at its peak over what it was before, and
how many times as long as our pages one by one it took. A contestant that is not installed is left out.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from aiohttp import web

from tests.benchmarks.server import running

MB = 1_000_000
PAGES = 1000
SIZE = 100
LATENCY = 0.05  # seconds
RECORD = {"name": "a customer of ours", "quantity": 3, "price": 19.5, "tags": ["new", "paid"]}
PAGINATE = {
    "style": "page",
    "param": "page",
    "records": "rows",
    "total": "total",
    "size": SIZE,
    "size_param": "limit",
}

Contestant = Callable[[str, Path], int]
"""Reads all records from the server at a URL to a file, and returns how many came."""


# -- the backend ----------------------------------------------------------------------------------


async def _records(request: web.Request) -> web.Response:
    await asyncio.sleep(LATENCY)
    page = int(request.query["page"])
    first = (page - 1) * SIZE
    rows = [{"id": first + number, **RECORD} for number in range(SIZE if page <= PAGES else 0)]
    return web.json_response({"rows": rows, "total": PAGES * SIZE, "pages": PAGES, "page": page})


def _application() -> web.Application:
    app = web.Application()
    app.router.add_get("/api/records", _records)
    return app


# -- the contestants ------------------------------------------------------------------------------


def _with_operator(output: Path, **arguments: Any) -> int:
    from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

    task = MirrorDBReadOperator(
        task_id="read",
        endpoint="api/records",
        paginate={**PAGINATE, **arguments},
        output_path=str(output),
    )
    context: Any = {"ti": _TaskInstance(), "run_id": "run"}
    records: int = task.execute(context)["records"]
    return records


class _TaskInstance:
    """As much of one as the operator looks at."""

    dag_id, run_id, task_id, map_index = "dag", "run", "read", -1

    def xcom_push(self, **_what: Any) -> None:
        """Keep nothing."""


def one_by_one(_url: str, output: Path) -> int:
    """Read with the operator, as it is by default."""
    return _with_operator(output)


def eight_at_a_time(_url: str, output: Path) -> int:
    """Read with ``concurrency=8``."""
    return _with_operator(output, concurrency=8)


def with_http_operator(_url: str, output: Path) -> int:
    """Read with the ``pagination_function`` of the HTTP provider."""
    from airflow.providers.http.operators.http import (  # type: ignore[import-not-found,unused-ignore]  # noqa: TID251
        HttpOperator,
    )

    def following(response: Any) -> dict[str, Any] | None:
        body = response.json()
        return {"data": {"page": body["page"] + 1, "limit": SIZE}} if body["page"] < body["pages"] else None

    read = HttpOperator(
        task_id="read",
        method="GET",
        endpoint="api/records",
        data={"page": 1, "limit": SIZE},
        pagination_function=following,
        response_filter=lambda answers: [record for answer in answers for record in answer.json()["rows"]],
    )
    records = read.execute({})
    _write(records, output)
    return len(records)


def with_dlt(url: str, output: Path) -> int:
    """Read with the rest client of dlt."""
    from dlt.sources.helpers.rest_client import (  # type: ignore[import-not-found,attr-defined,unused-ignore]
        RESTClient,
    )
    from dlt.sources.helpers.rest_client.paginators import (  # type: ignore[import-not-found,attr-defined,unused-ignore]
        PageNumberPaginator,
    )

    client = RESTClient(base_url=url, data_selector="rows")
    paginator = PageNumberPaginator(base_page=1, page_param="page", total_path="pages")
    pages = client.paginate("/api/records", params={"limit": SIZE}, paginator=paginator)
    return _write((record for page in pages for record in page), output)


def _write(records: Any, output: Path) -> int:
    written = 0
    with output.open("w") as file:
        for record in records:
            file.write(json.dumps(record) + "\n")
            written += 1
    return written


OURS = ("airflow_mirrordb.operators.mirrordb", "airflow_mirrordb.hooks.mirrordb")
#: Each with the modules that it takes: to load them is not measured.
CONTESTANTS: dict[str, tuple[Contestant, tuple[str, ...]]] = {
    "this package, one by one": (one_by_one, OURS),
    "this package, concurrency=8": (eight_at_a_time, OURS),
    "HttpOperator(pagination_function)": (with_http_operator, ("airflow.providers.http.operators.http",)),
    "dlt's rest client": (with_dlt, ("dlt.sources.helpers.rest_client",)),
}


# -- the measurement ------------------------------------------------------------------------------


def _measure(answer: Pipe, name: str, url: str, output: Path) -> None:
    contestant, modules = CONTESTANTS[name]
    process, over, peak = psutil.Process(), Event(), [0]
    for module in modules:
        import_module(module)

    def watch() -> None:
        while not over.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = Thread(target=watch)
    watcher.start()
    before, began = process.memory_info().rss, time.monotonic()
    try:
        records = contestant(url, output)
        seconds = time.monotonic() - began
    finally:
        over.set()
        watcher.join()
    answer.send((records, seconds, peak[0] - before))


def _measured(*arguments: Any) -> tuple[int, float, int]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, *arguments))
    process.start()
    sender.close()
    measurement: tuple[int, float, int] = receiver.recv()
    process.join()
    return measurement


def _there(chosen: list[str]) -> Iterator[str]:
    for name, (_, modules) in CONTESTANTS.items():
        if chosen and not any(word in name for word in chosen):
            continue
        if all(map(_is_installed, modules)):
            yield name
        else:
            _print(f"{name:36} is left out: {modules[0]} is not installed")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def main() -> None:
    """Measure all contestants, or those whose names hold a word of the command line."""
    with running(_application) as url, tempfile.TemporaryDirectory() as folder:
        os.environ["AIRFLOW_HOME"] = folder
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        os.environ["PROVIDERS__ENABLE_AIRFLOW_SECRETS"] = "false"  # dlt would ask for hundreds of Variables
        connection = {"conn_type": "mirrordb", "host": url}
        os.environ["AIRFLOW_CONN_MIRRORDB_DEFAULT"] = json.dumps(connection)
        os.environ["AIRFLOW_CONN_HTTP_DEFAULT"] = json.dumps({"conn_type": "http", "host": url})
        _print(f"{'':36}{'seconds':>10}{'memory':>12}{'times as long':>16}")
        ours: float | None = None
        for name in _there(sys.argv[1:]):
            records, seconds, memory = _measured(name, url, Path(folder) / "records.jsonl")
            ours = ours or seconds
            missing = "" if records == PAGES * SIZE else f"  {records:,} of {PAGES * SIZE:,} records came"
            _print(f"{name:36}{seconds:10.1f}{memory / MB:9.1f} MB{seconds / ours:16.2f}{missing}")


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # a command line


if __name__ == "__main__":
    main()
