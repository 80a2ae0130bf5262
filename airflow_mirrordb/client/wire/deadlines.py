"""Parts of a task that can be cancelled by themselves, as by :func:`asyncio.timeout`."""

from __future__ import annotations

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from contextvars import Context
from types import TracebackType
from typing import Any

if sys.version_info >= (3, 11):
    _cancellations = asyncio.Task.cancelling
else:

    def _cancellations(_task: asyncio.Task[Any]) -> int:
        return 0  # it does not count them


class CancelScope(ABC):
    """A part of a task that can be cancelled without the rest of it.

    It cancels the task, and takes the cancellation back when the part is left by it. Cancellations that
    somebody else asks for pass through; below Python 3.11, which does not count them, not if both come in
    the same turn of the loop.
    """

    __slots__ = ("_cancelled_before", "_task", "is_cancelled")

    is_cancelled: bool

    def cancel(self) -> None:
        """Cancel what runs inside; once is enough."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self._task.cancel()

    @abstractmethod
    def reason(self) -> Exception:
        """Return what is raised in the place of the cancellation."""

    @abstractmethod
    def note_begin(self) -> None:
        """Tell whoever may cancel it that it runs."""

    @abstractmethod
    def note_end(self) -> None:
        """Tell whoever may cancel it that it has been left."""

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # asyncio runs nothing else
        self._task, self._cancelled_before, self.is_cancelled = task, _cancellations(task), False
        self.note_begin()

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.note_end()
        if not self.is_cancelled:
            return
        if sys.version_info >= (3, 11):
            self._task.uncancel()
        is_cancellation = isinstance(error, asyncio.CancelledError)
        if _cancellations(self._task) > self._cancelled_before:  # by somebody else as well
            if is_cancellation:
                return
            raise asyncio.CancelledError
        if is_cancellation:
            raise self.reason() from None


class Deadlines:
    """Ends what takes too long, by one timer for all: one for each request takes 3 % of its CPU.

    To be made inside the event loop.

    :param end: ends one whose time is over, by default a :class:`CancelScope`; once is enough
    """

    def __init__(self, end: Callable[[Any], None] = CancelScope.cancel) -> None:
        self._loop, self._end = asyncio.get_running_loop(), end
        self._ends: dict[Hashable, float] = {}  # in the loop's own time
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> CancelScope:
        """Return a context that has as much time.

        :raises asyncio.TimeoutError: by the context, when it is over
        """
        return _Within(self, seconds)

    def enter(self, one: Hashable, seconds: float) -> None:
        """End something after some seconds, unless it leaves before."""
        end = self._ends[one] = self._loop.time() + seconds
        if self._timer is None or end < self._timer.when():
            self._wake_at(end)

    def leave(self, one: Hashable) -> None:
        """Do not end it any more."""
        del self._ends[one]  # the timer stays, for the next one

    def close(self) -> None:
        """Take the timer away, unless somebody is left who needs it."""
        if self._timer is not None and not self._ends:
            self._timer.cancel()
            self._timer = None

    def _wake_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # a context of its own: the timer outlives the task that happens to set it
        self._timer = self._loop.call_at(moment, self._look, context=Context())

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for one, end in self._ends.items():
            if end <= now:
                self._end(one)
        if later := [end for end in self._ends.values() if end > now]:
            self._wake_at(min(later))


class _Within(CancelScope):
    __slots__ = ("_deadlines", "_seconds")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines, self._seconds = deadlines, seconds

    def reason(self) -> Exception:
        return asyncio.TimeoutError()

    def note_begin(self) -> None:
        self._deadlines.enter(self, self._seconds)

    def note_end(self) -> None:
        self._deadlines.leave(self)
