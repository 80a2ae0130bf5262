"""Who takes part in the benchmark of speed, each as its users would write it.

A contestant makes ``requests`` reads, ``at_once`` of them in flight, each of another resource. It runs in
a process of its own, where the connections ``http_default`` and ``mirrordb_default`` lead to the server,
and its authority is trusted by default. It returns the longest time for which its event loop answered
nobody, in seconds, where all are in flight at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import aiohttp

KEY = "a-key-that-opens-nothing"
TICK = 0.01  # seconds

Read = Callable[[str], Awaitable[object]]
Contestant = Callable[[int, int], float | None]


def _endpoint(number: int) -> str:
    return f"api/users/r{number}"


def with_aiohttp(requests: int, at_once: int) -> float | None:
    """Read with one session, as it is by default."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Read]:
        server = os.environ["SERVER"]
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:

            async def read(endpoint: str) -> object:
                async with session.get(f"{server}/{endpoint}") as response:
                    response.raise_for_status()
                    return await response.json()

            yield read

    return asyncio.run(_by_callers(requests, at_once, opened))


def with_mirrordb(requests: int, at_once: int) -> float | None:
    """Read with the hook of this package: its plain methods one by one, its client for many at once."""
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    if at_once > 1:
        return with_client(requests, at_once)
    with MirrorDBHook() as hook:
        for number in range(requests):
            hook.read(_endpoint(number), method_name="read")
    return None


def with_client(requests: int, at_once: int) -> float | None:
    """Read with the client that the hook of this package gives an async task."""
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    @asynccontextmanager
    async def opened() -> AsyncIterator[Read]:
        async with MirrorDBHook() as client:
            yield lambda endpoint: client.read_function("read", endpoint)

    return asyncio.run(_by_callers(requests, at_once, opened))


def creates_with_aiohttp(requests: int, at_once: int) -> float | None:
    """Create with one session, as it is by default, by as many callers."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Read]:
        url = f"{os.environ['SERVER']}/api/users"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:

            async def create(endpoint: str) -> object:
                async with session.post(url, json={"name": endpoint}) as response:
                    response.raise_for_status()
                    return await response.json()

            yield create

    return asyncio.run(_by_callers(requests, at_once, opened))


def creates_with_bulk(requests: int, at_once: int) -> None:
    """Create with one call of ``bulk``."""
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    with MirrorDBHook() as hook:
        items = [{"data": {"name": _endpoint(number)}} for number in range(requests)]
        hook.bulk("create", items, endpoint="api/users", method_name="create", concurrency=at_once)


def with_operators(requests: int, _at_once: int) -> None:
    """Execute an operator as many times, not deferrable."""
    from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

    context: Any = {"ti": None}
    operator = MirrorDBReadOperator(task_id="read", endpoint="")
    for number in range(requests):
        operator.endpoint = _endpoint(number)
        operator.execute(context)


def with_triggers(requests: int, at_once: int) -> float | None:
    """Run as many triggers, as a triggerer does."""
    from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger

    async def read(endpoint: str) -> object:
        _bind(endpoint)
        trigger = MirrorDBTrigger(request={"method": "GET", "endpoint": endpoint, "method_name": "read"})
        fired = None
        async for event in trigger.run():
            fired = event
        return _succeeded(fired)

    return asyncio.run(_by_callers(requests, at_once, partial(_ready, read)))


def with_http_hook(requests: int, at_once: int) -> None:
    """Read with one HttpHook for each caller, in threads."""
    from airflow.providers.http.hooks.http import (  # type: ignore[import-not-found,unused-ignore]  # noqa: TID251
        HttpHook,
    )

    def call(first: int) -> None:
        hook = HttpHook(method="GET")
        for number in range(first, requests, at_once):
            hook.run(_endpoint(number)).json()

    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(call, range(at_once)))


def with_http_async_hook(requests: int, at_once: int) -> float | None:
    """Read with HttpAsyncHook as HttpTrigger uses it."""
    from airflow.providers.http.hooks.http import (  # type: ignore[import-not-found,unused-ignore]  # noqa: TID251
        HttpAsyncHook,
    )

    async def read(endpoint: str) -> object:
        hook = HttpAsyncHook(method="GET")
        async with aiohttp.ClientSession() as session:
            return await (await hook.run(session=session, endpoint=endpoint)).json()

    return asyncio.run(_by_callers(requests, at_once, partial(_ready, read)))


def with_http_session(requests: int, at_once: int) -> float | None:
    """Read with one HttpAsyncHook.session()."""
    from airflow.providers.http.hooks.http import (  # type: ignore[import-not-found,unused-ignore]  # noqa: TID251
        HttpAsyncHook,
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Read]:
        async with HttpAsyncHook(method="GET").session() as http:

            async def read(endpoint: str) -> object:
                return await (await http.run(endpoint=endpoint)).json()

            yield read

    return asyncio.run(_by_callers(requests, at_once, opened))


def with_http_triggers(requests: int, at_once: int) -> float | None:
    """Run as many triggers of the HTTP provider, as a triggerer does."""
    from airflow.providers.http.triggers.http import (  # type: ignore[import-not-found,unused-ignore]  # noqa: TID251
        HttpTrigger,
    )

    async def read(endpoint: str) -> object:
        _bind(endpoint)
        trigger = HttpTrigger(method="GET", endpoint=endpoint)
        fired = None
        async for event in trigger.run():
            fired = event
        return _succeeded(fired)

    return asyncio.run(_by_callers(requests, at_once, partial(_ready, read)))


@asynccontextmanager
async def _ready(read: Read) -> AsyncIterator[Read]:
    yield read


def _bind(endpoint: str) -> None:
    """Say in each line of the log whose it is, as a triggerer does, if anything is logged."""
    if os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] != "INFO":
        return
    import structlog

    identity = {"dag_id": "dag", "task_id": "task", "run_id": "manual__2026-11-26", "try_number": 1}
    structlog.contextvars.bind_contextvars(
        trigger_id=endpoint, ti_id="0193674c-6a5e-7cc8-9b38-4a8b5e1a3f0d", map_index=-1, **identity
    )


def _succeeded(event: Any) -> object:
    if event.payload["status"] != "success":
        raise RuntimeError(f"{event.payload}")
    return event


async def _by_callers(
    requests: int, at_once: int, opened: Callable[[], AbstractAsyncContextManager[Read]]
) -> float | None:
    loop, lag, numbers = asyncio.get_running_loop(), 0.0, iter(range(requests))

    async def call(read: Read) -> None:
        for number in numbers:
            await read(_endpoint(number))

    async def watch() -> None:
        nonlocal lag
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            lag = max(lag, loop.time() - due)

    async with opened() as read:
        if at_once < requests:
            await asyncio.gather(*(call(read) for _ in range(at_once)))
            return None
        watcher = asyncio.create_task(watch())
        ends = await asyncio.gather(*(read(_endpoint(number)) for number in numbers), return_exceptions=True)
        watcher.cancel()
    failed = [end for end in ends if isinstance(end, BaseException)]
    if failed:
        raise RuntimeError(f"{len(failed)} failed, as with {failed[0]!r}")
    return lag
