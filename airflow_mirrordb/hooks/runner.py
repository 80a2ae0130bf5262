"""Runs coroutines for synchronous callers, on one event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopRunner:
    """One event loop that lives as long as its owner, so that connections outlive a call.

    (``asyncio.Runner`` does this from Python 3.11 on.)  May be used from several threads; they take turns.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._turn = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T], stop: Callable[[], Awaitable[None]] | None = None) -> T:
        """Run a coroutine to its end and return its result.

        When the caller is interrupted, as by Airflow's task time-out, the coroutine is ended and awaited
        before the interruption goes on, with what the coroutine raised then as its cause.

        :param stop: ends the coroutine when the caller is interrupted; it is cancelled if None
        """
        with self._turn:
            task = self._loop.create_task(work)
            try:
                return self._loop.run_until_complete(task)
            except BaseException as interruption:
                if task.done():
                    raise
                raise interruption from self._loop.run_until_complete(_ended(task, stop))

    def close(self) -> None:
        """Close the loop; a second call does nothing."""
        if not self._loop.is_closed():
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


async def _ended(task: asyncio.Task[Any], stop: Callable[[], Awaitable[None]] | None) -> BaseException | None:
    """End a task and return what it raised then."""
    if stop is None:
        task.cancel()
    else:
        await stop()
    await asyncio.wait([task])
    return None if task.cancelled() else task.exception()


def in_event_loop() -> bool:
    """Whether the caller runs inside an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
