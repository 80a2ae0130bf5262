"""Time that passes only when a test says so."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from airflow_mirrordb.client import Clock

TIMEOUT = 30.0  # seconds that an answer may take; no test waits for them: loop_time lets them pass


class LoopTime:
    """The time of all event loops: it passes as ever, and a test lets more of it pass when there is cause.

    So a time-out of half a minute is over when the server has the request, and never before, however
    long a busy machine takes until then.
    """

    def __init__(self) -> None:
        self._passed = 0.0
        self._loops: WeakSet[asyncio.BaseEventLoop] = WeakSet()
        self._lock = threading.Lock()  # a hook has its loop in another thread

    def time(self, loop: asyncio.BaseEventLoop) -> float:
        """What :meth:`asyncio.loop.time` returns."""
        if loop not in self._loops:
            with self._lock:
                self._loops.add(loop)
        return time.monotonic() + self._passed

    def advance(self, seconds: float) -> None:
        """Let so much time pass; what is due then happens in the next turn of each loop."""
        with self._lock:
            self._passed += seconds
            loops = list(self._loops)
        for loop in loops:
            with suppress(RuntimeError):  # it is closed
                loop.call_soon_threadsafe(int)  # wakes it, so that it looks at its timers


loop_time = LoopTime()


async def turns(number: int = 10) -> None:
    """Let the event loop go round: what one end of a connection has sent reaches the other in this loop."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds, for what tells nobody that it has happened."""
    while not condition():  # noqa: ASYNC110  # there is no event
        await asyncio.sleep(0.001)


class FakeClock:
    """Unix time that only passes when somebody sleeps on it; remembers each sleep."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def as_clock(self, **replaced: Any) -> Clock:
        """Return it as the clock of a client, save what is replaced."""
        return Clock(**{"time": self.now, "monotonic": self.now, "sleep": self.sleep, **replaced})
