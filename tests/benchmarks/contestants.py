"""Who takes part in the benchmark of speed, each as its users would write it.

A contestant makes ``requests`` reads, ``at_once`` of them in flight. It runs in a process of its own,
where the connections ``http_default`` and ``mirrordb_default`` lead to the server, and its authority is
trusted by default.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

KEY = "a-key-that-opens-nothing"
ENDPOINT = "api/users/r1"

Read = Callable[[], Awaitable[object]]
Contestant = Callable[[int, int], None]


def with_aiohttp(requests: int, at_once: int) -> None:
    """Read with one session, as it is by default."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Read]:
        url = f"{os.environ['SERVER']}/{ENDPOINT}"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:

            async def read() -> object:
                async with session.get(url) as response:
                    response.raise_for_status()
                    return await response.json()

            yield read

    asyncio.run(_by_callers(requests, at_once, opened))


def with_mirrordb(requests: int, at_once: int) -> None:
    """Read with the hook of this package: its plain methods one by one, its client for many at once."""
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    @asynccontextmanager
    async def opened() -> AsyncIterator[Read]:
        async with MirrorDBHook() as client:
            yield lambda: client.read_function("read", ENDPOINT)

    if at_once > 1:
        asyncio.run(_by_callers(requests, at_once, opened))
        return
    with MirrorDBHook() as hook:
        for _ in range(requests):
            hook.read(ENDPOINT, method_name="read")


def with_http_hook(requests: int, at_once: int) -> None:
    """Read with one HttpHook for each caller, in threads."""
    from airflow.providers.http.hooks.http import (  # type: ignore[import-not-found,unused-ignore]  # noqa: TID251
        HttpHook,
    )

    def call(reads: int) -> None:
        hook = HttpHook(method="GET")
        hook.log.setLevel(logging.ERROR)
        for _ in range(reads):
            hook.run(ENDPOINT).json()

    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(call, [requests // at_once] * at_once))


def with_http_async_hook(requests: int, at_once: int) -> None:
    """Read with HttpAsyncHook as HttpTrigger uses it."""
    from airflow.providers.http.hooks.http import (  # type: ignore[import-not-found,unused-ignore]  # noqa: TID251
        HttpAsyncHook,
    )

    async def read() -> object:
        hook = HttpAsyncHook(method="GET")
        async with aiohttp.ClientSession() as session:
            return await (await hook.run(session=session, endpoint=ENDPOINT)).json()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Read]:
        yield read

    asyncio.run(_by_callers(requests, at_once, opened))


def with_http_session(requests: int, at_once: int) -> None:
    """Read with one HttpAsyncHook.session()."""
    from airflow.providers.http.hooks.http import (  # type: ignore[import-not-found,unused-ignore]  # noqa: TID251
        HttpAsyncHook,
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Read]:
        async with HttpAsyncHook(method="GET").session() as http:

            async def read() -> object:
                return await (await http.run(endpoint=ENDPOINT)).json()

            yield read

    asyncio.run(_by_callers(requests, at_once, opened))


async def _by_callers(requests: int, at_once: int, opened: Callable[[], Any]) -> None:
    numbers = iter(range(requests))

    async def call(read: Read) -> None:
        for _ in numbers:
            await read()

    async with opened() as read:
        await asyncio.gather(*(call(read) for _ in range(at_once)))


CONTESTANTS: dict[str, Contestant] = {
    "aiohttp": with_aiohttp,
    "this package": with_mirrordb,
    "HttpHook": with_http_hook,
    "HttpAsyncHook": with_http_async_hook,
    "HttpAsyncHook.session()": with_http_session,
}
