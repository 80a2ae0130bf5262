"""How much memory an answer of 50 MB takes, or 100,000 records in pages, on their way to a file.

Run by hand: ``python -m tests.benchmarks.streams``. The server is a process of its own on 127.0.0.1, and so
is each measurement. Each is made twice, since tracemalloc takes memory too: printed are the growth of the
resident memory over what it was before the call, at its peak; what tracemalloc saw at its peak; and seconds.
The last lines show the same answer taken as a result, and how long the event of a 1 MB answer is.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from aiohttp import web

MB = 1_000_000
RECORD = {"name": "a customer of ours", "quantity": 3, "price": 19.5, "tags": ["new", "paid"]}
PAGINATE = {"style": "page", "param": "page", "size": 1000, "size_param": "limit"}


# -- the backend ----------------------------------------------------------------------------------


async def _body(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    if "packed" in request.query:
        response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(request)
    record = json.dumps({"id": 1, **RECORD}).encode()
    size = int(request.query["size"])
    block = b",".join([record] * (65536 // len(record)))
    await response.write(b"[")
    for _ in range(size // len(block)):
        await response.write(block + b",")
    await response.write(record + b"]")
    await response.write_eof()
    return response


async def _records(request: web.Request) -> web.Response:
    first = (int(request.query["page"]) - 1) * 1000
    return web.json_response([{"id": first + n, **RECORD} for n in range(1000 if first < 100_000 else 0)])


async def _serve(ready: Pipe) -> None:
    app = web.Application()
    app.router.add_get("/api/body", _body)
    app.router.add_get("/api/records", _records)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ready.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def _backend_process(ready: Pipe) -> None:
    asyncio.run(_serve(ready))


@contextmanager
def backend() -> Iterator[str]:
    """Run the backend and return its URL."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_backend_process, args=(sender,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{receiver.recv()}"
    finally:
        process.terminate()
        process.join()


# -- the measurements -----------------------------------------------------------------------------


def _in_a_task(request: dict[str, Any], output_path: str | None) -> Any:
    from airflow_mirrordb.client import MirrorDBRequest
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    def call() -> Any:
        with MirrorDBHook() as hook:
            return hook.request(MirrorDBRequest(**request), output_path=output_path).data

    return call


def _in_a_trigger(request: dict[str, Any], output_path: str | None) -> Any:
    from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger

    async def event() -> Any:
        trigger = MirrorDBTrigger(request=request, output_path=output_path)
        return (await anext(trigger.run())).payload

    return lambda: asyncio.run(event())


PLACES: dict[str, Callable[..., Any]] = {"task": _in_a_task, "trigger": _in_a_trigger}


def _measure(
    answer: Pipe, place: str, request: dict[str, Any], output_path: str | None, traced: bool
) -> None:
    call = PLACES[place](request, output_path)
    process, over, peak = psutil.Process(), Event(), [0]

    def watch() -> None:
        while not over.wait(0.001):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = Thread(target=watch)
    watcher.start()
    if traced:
        tracemalloc.start()
    before, began = process.memory_info().rss, time.monotonic()
    result = call()
    seconds = time.monotonic() - began
    grown = tracemalloc.get_traced_memory()[1] if traced else peak[0] - before
    over.set()
    watcher.join()
    answer.send((grown, seconds, len(json.dumps(result))))


def measured(*arguments: Any) -> tuple[int, float, int]:
    """Return the memory, the seconds and the length of the result of one call, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, *arguments))
    process.start()
    measurement: tuple[int, float, int] = receiver.recv()
    process.join()
    return measurement


def _request(endpoint: str, **facts: Any) -> dict[str, Any]:
    return {"method": "GET", "endpoint": endpoint, "method_name": "benchmark", "timeout": 300.0, **facts}


SCENARIOS = {
    "50 MB": _request("api/body", query={"size": 50 * MB}),
    "50 MB, gzip": _request("api/body", query={"size": 50 * MB, "packed": 1}),
    "100,000 records": _request("api/records", paginate=PAGINATE),
}


def main() -> None:
    with backend() as url, tempfile.TemporaryDirectory() as folder:
        extra = {"max_response_bytes": 100 * MB}
        os.environ["AIRFLOW_HOME"] = folder
        os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        os.environ["AIRFLOW_CONN_MIRRORDB_DEFAULT"] = json.dumps(
            {"conn_type": "mirrordb", "host": url, "extra": extra}
        )
        path = str(Path(folder) / "export")
        _row("", "resident", "tracemalloc", "seconds")
        for name, request in SCENARIOS.items():
            for place in PLACES:
                _compare(f"{name}, to a file, {place}", place, request, path)
        _compare("50 MB, as a result, task", "task", SCENARIOS["50 MB"], None)
        _, _, length = measured("trigger", _request("api/body", query={"size": MB}), None, False)
        _row("1 MB, event", f"{length / MB:.3f} MB")


def _compare(title: str, *arguments: Any) -> None:
    resident, seconds, _ = measured(*arguments, False)
    traced, _, _ = measured(*arguments, True)
    _row(title, f"{resident / MB:.1f} MB", f"{traced / MB:.1f} MB", f"{seconds:.1f}")


def _row(title: str, *cells: str) -> None:
    print(f"{title:40}" + "".join(f"{cell:>14}" for cell in cells), flush=True)  # noqa: T201  # a command line


if __name__ == "__main__":
    main()
