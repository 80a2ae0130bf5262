"""Runs coroutines for synchronous callers, on event loops that outlive a call and its hook."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECK_EVERY = 1.0  # seconds
LONGEST_END = 5.0  # seconds; what is ended does hardly anything more


class LoopRunner:
    """One event loop that lives as long as its owner, so that connections outlive a call.

    (``asyncio.Runner`` does this from Python 3.11 on.)  May be used from several threads; they take turns.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._notice)
        self._interruption: BaseException | None = None
        self._awaited: asyncio.Task[Any] | None = None
        self._check()
        self._turn = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T], stop: Callable[[], Awaitable[None]] | None = None) -> T:
        """Run a coroutine to its end and return its result.

        When the caller is interrupted, as by Airflow's task time-out, the coroutine is ended and awaited
        for some seconds before the interruption goes on, with what the coroutine raised then as its cause.
        A signal that comes in the very microseconds in which aiohttp hands over an answer can be lost there.

        :param stop: ends the coroutine when the caller is interrupted; it is cancelled if None
        """
        with self._turn:
            task = self._begin(work)
            try:
                return self._result(task)
            except BaseException as interruption:
                if task.done():
                    raise
                raise interruption from self._result(self._begin(_ended(task, stop)))

    def close(self) -> None:
        """End what still runs on the loop, as the connections that its clients share, and close it."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()

        async def end() -> None:
            await _wait(tasks)
            await self._loop.shutdown_asyncgens()

        try:
            self._result(self._begin(end()))
        finally:
            self._loop.close()

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        async def begun() -> T:
            try:
                return await work
            finally:
                self._loop.stop()  # run_until_complete() would let it turn once more

        return self._loop.create_task(begun())

    def _result(self, task: asyncio.Task[T]) -> T:
        self._awaited = task
        while not task.done():  # the end of another task may have stopped the loop
            try:
                self._loop.run_forever()
            finally:
                interruption, self._interruption = self._interruption, None
            if interruption is not None:
                raise interruption
        return task.result()

    def _check(self) -> None:
        """Stop the loop for a task that could not: an interruption may come before its first step."""
        if self._awaited is not None and self._awaited.done():
            self._loop.stop()
        self._loop.call_later(CHECK_EVERY, self._check)

    def _notice(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Go on with what interrupted a callback, as a task time-out may: asyncio would only log it."""
        error = context.get("exception")
        if error is None or isinstance(error, Exception | asyncio.CancelledError):
            loop.default_exception_handler(context)
        else:
            self._interruption = error
            loop.stop()


_idle: list[LoopRunner] = []
_of_the_parent: list[LoopRunner] = []


def borrow() -> LoopRunner:
    """Return a runner for whoever calls alone, until it is given back.

    It may be one that was given back before, whose connections are still open: the next task of this
    process needs neither a new loop nor another TLS handshake.
    """
    try:
        return _idle.pop()
    except IndexError:
        return LoopRunner()


def give_back(runner: LoopRunner) -> None:
    """Keep a runner for who borrows next. One is kept, until the process ends; all others are closed."""
    if _idle:
        runner.close()
    else:
        _idle.append(runner)


def _close_idle() -> None:
    while _idle:
        _idle.pop().close()


def _leave_to_the_parent() -> None:
    # A forked process has the same sockets and the same epoll: it must neither use nor close them.
    _of_the_parent.extend(_idle)
    _idle.clear()


atexit.register(_close_idle)
os.register_at_fork(after_in_child=_leave_to_the_parent)


async def _ended(task: asyncio.Task[Any], stop: Callable[[], Awaitable[None]] | None) -> BaseException | None:
    """End a task and return what it raised then; None also if it does not end."""
    ending = {task}
    if stop is None:
        task.cancel()
    else:
        ending.add(asyncio.ensure_future(stop()))
    await _wait(ending)
    return None if not task.done() or task.cancelled() else task.exception()


async def _wait(tasks: set[asyncio.Task[Any]]) -> None:
    """Wait for the end of tasks that were told to end.

    An interruption that comes inside of asyncio's own code may leave one that nothing wakes any more.
    """
    if not tasks:
        return
    done, left = await asyncio.wait(tasks, timeout=LONGEST_END)
    for task in done:
        if not task.cancelled():
            task.exception()  # or asyncio would complain that nobody asked
    for task in left:
        log.warning("%r did not end within %g s, and is left", task, LONGEST_END)


def in_event_loop() -> bool:
    """Whether the caller runs inside an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
