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
        self._line: OrderedDict[asyncio.Future[bool], None] = OrderedDict()  # each is told whether it may go
        self._deadlines = Deadlines(_send_away)

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
        may_go: asyncio.Future[bool] = self._loop.create_future()
        self._line[may_go] = None
        self._deadlines.enter(may_go, within)
        try:
            return await may_go
        except BaseException:
            if may_go.done() and not may_go.cancelled() and may_go.result():
                self.leave()  # since just now: it is the next one's turn
            raise
        finally:
            self._line.pop(may_go, None)
            self._deadlines.leave(may_go)
            if not self._line:
                self._deadlines.close()

    def leave(self) -> None:
        """Let the next one go."""
        while self._line:
            may_go, _ = self._line.popitem(last=False)
            if not may_go.done():  # by its time, or by whoever cancelled its task
                may_go.set_result(True)
                return
        self._free += 1


def _send_away(may_go: asyncio.Future[bool]) -> None:
    """End the wait of one whose time is over."""
    if not may_go.done():
        may_go.set_result(False)
