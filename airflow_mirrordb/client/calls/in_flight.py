"""What a client has in flight, so that it can be ended when the client is disconnected."""

from __future__ import annotations

import asyncio

from airflow_mirrordb.client.errors import DISCONNECTED, DisconnectedError
from airflow_mirrordb.client.messages.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.wire.deadlines import CancelScope


class InFlightRequest(CancelScope):
    """A request in flight, which can be ended without ending the task that makes it.

    A task of its own for each request would cost a tenth of the request. Who leaves the context of one that
    was ended meets a :class:`DisconnectedError`.
    """

    __slots__ = ("_end", "_in_flight", "_request")

    def __init__(self, in_flight: set[InFlightRequest], request: MirrorDBRequest) -> None:
        self._in_flight, self._request = in_flight, request
        self._end: asyncio.Future[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether :meth:`end` can end it here: not if its task is over, or runs on another event loop."""
        return not self._task.done() and self._task.get_loop() is asyncio.get_running_loop()

    def end(self) -> asyncio.Future[None]:
        """End it, and return a future of its end."""
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
            self.cancel()
        return self._end

    def reason(self) -> Exception:
        return attach_request(DisconnectedError(message=DISCONNECTED, retryable=False), self._request)

    def note_begin(self) -> None:
        self._in_flight.add(self)

    def note_end(self) -> None:
        self._in_flight.discard(self)
        if self._end is not None and not self._end.done():
            self._end.set_result(None)
