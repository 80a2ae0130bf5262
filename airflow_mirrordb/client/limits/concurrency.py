"""How many requests of a connection are in flight at a time, and in which order the others come."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from airflow_mirrordb.client.wire.deadlines import Deadlines


class ConcurrencyLimit:
    """Lets a number of requests go at a time; each that ends lets the one go that has waited the longest.

    To be made inside an event loop. (A wait for an :class:`asyncio.Semaphore` ends in time only by a
    cancellation, which may meet what it waits for, and which Python before 3.11 does not count.)

    :param most: how many
    """

    def __init__(self, most: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._free = most  # 0 while anybody waits: what is free goes to the first in the line
        self._line: OrderedDict[_Waiter, None] = OrderedDict()
        self._deadlines = Deadlines()

    def enter_at_once(self) -> bool:
        """Return whether a request may go without a wait; it has to :meth:`leave` then."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def enter(self, within: float) -> bool:
        """Wait behind all others; return whether the request may go, which has to :meth:`leave` then.

        :param within: longest wait, in seconds
        """
        if self.enter_at_once():
            return True
        if within <= 0:
            return False
        waiter = _Waiter(self._loop.create_future())
        self._line[waiter] = None
        self._deadlines.enter(waiter, within)
        try:
            return await waiter.outcome
        except BaseException:
            if waiter.may_go:  # since just now: it is the next one's turn
                self.leave()
            raise
        finally:
            self._line.pop(waiter, None)
            self._deadlines.leave(waiter)
            if not self._line:
                self._deadlines.close()

    def leave(self) -> None:
        """Let the next one go."""
        while self._line:
            waiter, _ = self._line.popitem(last=False)
            if waiter.end(may_go=True):
                return
        self._free += 1


class _Waiter:
    """One in the line. Its wait ends once: by its turn, by its time, or by whoever cancels its task."""

    __slots__ = ("outcome",)

    def __init__(self, outcome: asyncio.Future[bool]) -> None:
        self.outcome = outcome

    @property
    def may_go(self) -> bool:
        return self.outcome.done() and not self.outcome.cancelled() and self.outcome.result()

    def end(self, *, may_go: bool) -> bool:
        """End the wait; return whether it had not ended before."""
        if self.outcome.done():
            return False
        self.outcome.set_result(may_go)
        return True

    def cancel(self) -> None:
        """End the wait, since its time is over."""
        self.end(may_go=False)
