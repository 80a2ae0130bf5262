"""A call of a thread that waits while its coroutine runs on an event loop, which another thread may run."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

MORE = 1.0  #: seconds that an end may take beyond its own limit, which holds only where the loop runs


class ThreadCall:
    """A coroutine that a thread waits for; if the thread is interrupted, also what ends the coroutine.

    Both are begun by whoever runs the loop.

    :param is_of_main_thread: whether signals interrupt the thread
    """

    __slots__ = (
        "_awaited",
        "_awake",
        "_ends",
        "_is_left",
        "_until",
        "_work",
        "is_of_main_thread",
        "may_go_on",
        "task",
    )

    def __init__(self, work: Coroutine[Any, Any, Any], *, is_of_main_thread: bool) -> None:
        self.is_of_main_thread = is_of_main_thread
        self.task: asyncio.Task[Any] | None = None
        self.may_go_on = False
        """Whether the thread would run the loop if no other did."""
        self._work: list[Coroutine[Any, Any, Any]] = [work]  # that is not begun yet
        self._ends: list[Coroutine[Any, Any, Any]] = []
        self._awaited: asyncio.Task[Any] | None = None
        self._is_left, self._until = False, math.inf
        self._awake: threading.Lock | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether the thread still has to wait for it."""
        if self._is_left:
            return False
        return self._awaited is None or bool(self._ends) or not self._awaited.done()

    @property
    def is_begun(self) -> bool:
        """Whether there is nothing more to begin."""
        return not (self._work or self._ends)

    def begin(self, create: Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]) -> None:
        """Begin what there is to begin; on the loop, or where it stands still."""
        for works in (self._work, self._ends):
            if works:
                try:
                    work = works.pop()
                except IndexError:  # refused just now
                    continue
                self._awaited = create(work)
                self.task = self.task or self._awaited

    def end(self, ending: Callable[[], Coroutine[Any, Any, Any]], longest: float) -> None:
        """End it; once is enough.

        :param ending: returns what ends the task
        :param longest: seconds that this takes at most
        """
        if self.refuse() or self._until < math.inf or (self.task is not None and self.task.done()):
            return
        self._until = time.monotonic() + longest + MORE
        self._ends.append(ending())

    def refuse(self) -> bool:
        """Let it never begin; return whether it had not begun."""
        try:
            self._work.pop().close()
        except IndexError:
            return False
        self._is_left = True
        return True

    def leave(self) -> None:
        """Wait no more, though it may not have ended."""
        self.refuse()
        self._is_left = True

    def announce_wait(self) -> None:
        """Let :meth:`wake` reach the thread from now on, which looks once more whether it has to wait."""
        if self._awake is None:  # most calls need none
            awake = threading.Lock()
            awake.acquire()
            self._awake = awake
        self.may_go_on = True

    def wait(self) -> None:
        """Wait until somebody wakes the thread, or the end took too long."""
        assert self._awake is not None  # noqa: S101  # it was announced
        left = -1 if self._until == math.inf else max(self._until - time.monotonic(), 0)
        self._is_left |= not self._awake.acquire(timeout=left)

    def wake(self) -> None:
        """Wake the thread if it waits, or let its next wait end at once; the handler of a signal may."""
        if self._awake is not None:
            with suppress(RuntimeError):  # it was woken before
                self._awake.release()
