"""Watchers that share one poll, as the triggerer of Airflow 3.3 lets them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

if not AIRFLOW_V_3_3_PLUS:
    pytest.skip("watchers share polls from Airflow 3.3 on", allow_module_level=True)

from airflow.triggers.shared_stream import SharedStreamManager

from airflow_mirrordb.triggers.event import MirrorDBEventTrigger
from tests.support.clocks import turns, until
from tests.support.watching import (
    ADA,
    Supervisor,
    Watching,
    changed,
    found,
    orders,
    records,
    trigger,
    watcher_of,
)

WATCHING = "Watching api/users through connection mirrordb_default for asset"


class Shared:
    """Runs watchers as the triggerer does, which makes one poll when a test says so; keeps their events."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._turn, self._waits = asyncio.Event(), False
        self._manager = SharedStreamManager()
        self._tasks: list[asyncio.Task[None]] = []
        self.events: dict[int, Any] = {}
        monkeypatch.setattr(MirrorDBEventTrigger, "sleep", staticmethod(self._sleep))

    async def start(self, *watchers: MirrorDBEventTrigger) -> None:
        """Start them; the first poll is made at once."""
        self._tasks = [asyncio.create_task(self._follow(*each)) for each in enumerate(watchers)]
        await until(lambda: self._waits)

    async def poll(self) -> None:
        """Make one more poll, and return when the one after it is waited for."""
        self._waits = False
        self._turn.set()
        await until(lambda: self._waits)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._manager.stop_all()

    async def _follow(self, number: int, watcher: MirrorDBEventTrigger) -> None:
        key = watcher.shared_stream_key()
        stream = self._manager.subscribe(trigger_id=number, trigger=watcher, key=key)
        async for event in watcher.filter_shared_stream(stream):
            self.events[number] = event.payload

    async def _sleep(self, _seconds: float) -> None:
        self._turn.clear()
        self._waits = True
        await self._turn.wait()


async def test_many_watchers_share_one_poll(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow runs one poll for watchers of one endpoint; each fires for what it cares for."""
    acme, globex = {"customer": "acme"}, {"customer": "globex"}
    before, after = orders(1, **acme), [*orders(1, **acme), *orders(2, **globex)]
    await watching.serve(found(before), found(after))
    shared = Shared(monkeypatch)
    await shared.start(
        trigger(),
        trigger(cursor="meta.updated"),
        trigger(cursor="meta.updated", where=globex),
        trigger(cursor="meta.updated", where=acme),
    )
    await shared.poll()
    await until(lambda: len(shared.events) == 3)
    await turns(100)  # the fourth is told nothing
    await shared.end()

    assert shared.events == {0: changed(), 1: records(1, 1, 2), 2: records(1, None, 2)}
    assert watching.lines == ["GET /api/users"] * 2


async def test_each_asset_of_a_shared_poll_has_its_last_error(
    watching: Watching,
    supervisor: Supervisor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Airflow makes the poll by a trigger of no asset, and hands what it found to those of the assets.

    It makes that one of the arguments alone (``airflow/triggers/shared_stream.py``, ``_SharedStreamGroup``).
    """
    await watching.serve(
        found(ADA), web.Response(status=503), web.Response(status=403, text="no right"), found(ADA)
    )
    shared = Shared(monkeypatch)
    await shared.start(watcher_of("users"), watcher_of("people", where={"a": 1}, cursor="id"))

    def kept() -> list[str | None]:
        return [supervisor.kept.get((asset, "last_error")) for asset in ("users", "people")]

    assert kept() == [None, None]
    for error in ('"503 Service Unavailable"', '"403 Forbidden: no right"', None):
        await shared.poll()
        while kept() != [error, error]:
            await turns()
    await shared.end()

    told = [message for message in caplog.messages if "Watching" in message]
    for name in ("users", "people"):
        begin, *failed = [message for message in told if message.startswith(f"{WATCHING} {name}")]
        assert begin == f"{WATCHING} {name}, every 60 s"
        assert [message.partition(" failed: ")[2][:3] for message in failed] == ["503", "403"]
    assert len(told) == 6
    assert len(watching.lines) == 4


def test_what_is_asked_differently_is_not_shared() -> None:
    """Watchers share if they look at the same at the same pace, and none asks from its own cursor on."""
    same = trigger(query={"a": 1, "b": [2]})
    assert same.shared_stream_key() == trigger(query={"b": [2], "a": 1}).shared_stream_key()
    others: list[dict[str, Any]] = [
        {"endpoint": "api/orders"},
        {"query": {"a": 1}},
        {"headers": {"A": "1"}},
        {"paginate": {"style": "link"}},
        {"mirrordb_conn_id": "elsewhere"},
        {"poll_interval": 30},
    ]
    keys = {trigger(**other).shared_stream_key() for other in [*others, {}]}
    assert len(keys) == len(others) + 1
    assert trigger(cursor="at", cursor_param="since").shared_stream_key() is None
