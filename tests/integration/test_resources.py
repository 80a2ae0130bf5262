"""Sockets, tasks and memory stay bounded over many requests and triggers, cancelled at any moment.

The gate runs a small part: ``MIRRORDB_SOAK=1 poe test tests/integration/test_resources.py`` runs
100,000 requests and 10,000 triggers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBError
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from tests.support.clocks import turns, until
from tests.support.raw_server import json_answer

if TYPE_CHECKING:
    from tests.support.connections import ConfigFor, SetConnection

SOAK = bool(os.environ.get("MIRRORDB_SOAK"))
REQUESTS, TRIGGERS = (100_000, 10_000) if SOAK else (2_000, 200)
AT_ONCE = 50
FAR = 20 * 2**20  # bytes of memory that may be other than after the first tenth

#: What hangs has so little time, in seconds; all else has enough.
PATIENCE = {"hang": 0.05}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if SOAK else 300)]


class Mixed(asyncio.Protocol):
    """A backend that answers, hangs, breaks off or is broken, as the path says."""

    hangs = 0  # how often it did

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        name = data.split(b" ")[1].rpartition(b"/")[2]
        if name == b"close":
            self.transport.close()
        elif name == b"abort":
            self.transport.abort()
        elif name == b"broken":
            self.transport.write(json_answer("{}", "500 X"))
        elif name == b"hang":
            Mixed.hangs += 1
        else:
            self.transport.write(json_answer("{}"))


NAMES = ("ok", "ok", "ok", "ok", "hang", "close", "abort", "broken")


@pytest.fixture
async def mixed() -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(Mixed, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def settled() -> tuple[int, int]:
    """Descriptors and tasks, when what is closing has closed."""
    await turns(100)
    gc.collect()
    return descriptors(), len(asyncio.all_tasks())


async def cancelled_at_random(
    work: Callable[[random.Random], Awaitable[None]], count: int, rng: random.Random
) -> Counter[str]:
    """Run the work so many times, a few at once, some cancelled; return how they ended."""
    ends: Counter[str] = Counter()
    places = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with places:
            task = asyncio.ensure_future(work(rng))
            if turns := rng.choice((1, 2, 3, 5, 10, 30, None, None, None)):
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
            try:
                await task
                ends["done"] += 1
            except asyncio.CancelledError:
                ends["cancelled"] += 1
            except MirrorDBError as error:
                ends[type(error).__name__] += 1

    for begin in range(0, count, 1000):
        await asyncio.gather(*(one() for _ in range(min(1000, count - begin))))
    return ends


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors as Linux shows them")
async def test_requests_leave_nothing_behind(
    mixed: str, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    """One client, settings that change meanwhile, requests that fail, hang and are cancelled."""
    caplog.set_level("CRITICAL", "airflow_mirrordb")  # pytest keeps each line, which is memory as well
    rng = random.Random(7)
    before = await settled()
    async with GenericMirrorDB(config_for(mixed, max_attempts=2, max_concurrency=20)) as client:

        async def request(rng: random.Random) -> None:
            name = rng.choice(NAMES)
            if rng.random() < 0.01:
                await client.update_config(max_response_bytes=rng.randrange(1000, 10_000))
            if rng.random() < 0.5:
                await client.read_function("read", f"api/{name}", timeout=PATIENCE.get(name))
            else:
                await client.create_function("create", f"api/{name}", {}, timeout=PATIENCE.get(name))

        ends = await cancelled_at_random(request, REQUESTS // 10, rng)
        memory = resident()
        ends += await cancelled_at_random(request, REQUESTS - REQUESTS // 10, rng)
        grown = resident() - memory
        now, tasks = await settled()
        assert tasks == before[1]
        assert now - before[0] <= 2 * 2 * 20  # both ends of the sockets that both sessions may keep
        assert not any(transport._connections for transport in client._routes._retired)
        assert len(client._sender) == 0
    assert await settled() == before
    assert grown < FAR, f"{grown:,} bytes"
    assert ends.total() == REQUESTS
    assert min(ends["done"], ends["cancelled"]) > REQUESTS / 50, ends
    print(f"{REQUESTS} requests: {dict(ends)}, memory {grown:+,} bytes, {now - before[0]} descriptors")  # noqa: T201


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors as Linux shows them")
async def test_triggers_leave_nothing_behind(mixed: str, set_connection: SetConnection) -> None:
    """Each fires one event or is cancelled, at any moment."""
    rng = random.Random(7)
    set_connection(mixed, password="k3y", extra={"max_attempts": 2})

    async def trigger(rng: random.Random) -> None:
        name = rng.choice(NAMES)
        request = {"method": "GET", "endpoint": f"api/{name}", "timeout": PATIENCE.get(name)}
        events = [event async for event in MirrorDBTrigger("mirrordb_default", request).run()]
        assert len(events) == 1

    await cancelled_at_random(trigger, 5, rng)  # what Airflow opens once
    before = await settled()
    ends = await cancelled_at_random(trigger, TRIGGERS // 10, rng)
    memory = resident()
    ends += await cancelled_at_random(trigger, TRIGGERS - TRIGGERS // 10, rng)
    grown = resident() - memory
    now, tasks = await settled()
    assert tasks == before[1]
    assert now - before[0] <= 2 * AT_ONCE  # both ends of the connections that all triggers share
    assert grown < FAR, f"{grown:,} bytes"
    assert ends.total() == TRIGGERS
    assert min(ends["done"], ends["cancelled"]) > TRIGGERS / 50, ends
    print(f"{TRIGGERS} triggers: {dict(ends)}, memory {grown:+,} bytes")  # noqa: T201


async def test_changes_close_the_sessions_of_the_settings_before(mixed: str, config_for: ConfigFor) -> None:
    """At once when nothing is in flight, else with the last request that began there."""
    async with GenericMirrorDB(config_for(mixed)) as client:
        await client.read_function("read", "api/ok")
        before, _ = await settled()
        for bytes_ in range(1000, 1020):
            hangs = Mixed.hangs
            slow = asyncio.ensure_future(client.read_function("read", "api/hang"))
            await until(lambda hangs=hangs: Mixed.hangs > hangs)  # type: ignore[misc]
            await client.update_config(max_response_bytes=bytes_)
            await client.read_function("read", "api/ok")
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
        after, _ = await settled()
        assert after <= before + 2
        assert not any(transport._connections for transport in client._routes._retired)


@pytest.mark.parametrize("turns", range(6))
async def test_a_change_that_is_cancelled_closes_too(mixed: str, config_for: ConfigFor, turns: int) -> None:
    """Whenever it is cancelled, both sessions of each of the settings before are closed."""
    async with GenericMirrorDB(config_for(mixed)) as client:
        before, _ = await settled()
        for round_ in range(5):
            await client.read_function("read", "api/ok")
            await client.create_function("create", "api/ok", {})
            changes = [
                asyncio.ensure_future(client.update_config(max_response_bytes=1000 + round_ * 10 + number))
                for number in range(3)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            for change in changes:
                change.cancel()
            await asyncio.gather(*changes, return_exceptions=True)
        after, _ = await settled()
        assert not any(transport._connections for transport in client._routes._retired)
        assert after - before <= 2 * 2  # both ends of the two that are in use
