"""Where each request of a connection waits for its turn: for a free slot, then for the brake."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from http import HTTPStatus
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow_mirrordb.client import forking
from airflow_mirrordb.client.answers import Answer, wait_asked
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.limits import Permit, brake_for
from airflow_mirrordb.client.retry import Progress, back_off

_REFUSALS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_Slots = WeakValueDictionary[Hashable, asyncio.Semaphore]
_slots_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Slots] = WeakKeyDictionary()
forking.empty_when_forked(_slots_of_loops)


class TurnTooLateError(Exception):
    """The turn of a request would come after the time that its caller has; nothing was sent.

    :param wait: seconds until the turn; 0 if only waiting for a slot took too long
    """

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait
        self.progress = Progress()
        """What came of the attempts before; whoever makes them sets it."""


class Gate:
    """Lets requests go one by one; shares its brake and its slots with all gates of the connection.

    To be made inside an event loop. Slots (``max_concurrency``) are shared within the loop, the brake
    (``rate_limit``, and what the backend's refusals teach) within the process.

    :param config: which says what the connection is, and its limits
    :param clock: unix time in seconds, for a Retry-After that is a date
    :param monotonic: monotonic time in seconds
    :param sleep: waits the given seconds
    """

    def __init__(
        self,
        config: MirrorDBConfig,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        connection = (config.base_url, config.login, config.api_key)
        self._brake = brake_for(connection, config.rate_limit, longest_pause=config.max_delay)
        of_loop = _slots_of_loops.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
        slots = of_loop.get((connection, config.max_concurrency))
        if slots is None:
            slots = of_loop[connection, config.max_concurrency] = asyncio.Semaphore(config.max_concurrency)
        self._slots = slots
        self._clock, self._monotonic, self._sleep = clock, monotonic, sleep

    async def enter(self, latest: float) -> Permit:
        """Wait for a slot and a permit; whoever got them has to :meth:`leave`.

        :param latest: monotonic time after which it makes no sense to go
        :raises TurnTooLateError: if the slot came, or the permit is for, a later time
        """
        must_wait = self._slots.locked()
        await self._slots.acquire()
        if must_wait and self._monotonic() > latest:
            self._slots.release()
            raise TurnTooLateError(0.0)
        try:
            permit = self._brake.reserve(now := self._monotonic())
            return permit if permit.at <= now else await self._wait_for(permit, now, latest)
        except BaseException:
            self._slots.release()
            raise

    def leave(self) -> None:
        """Give the slot to the next one."""
        self._slots.release()

    def learn(self, permit: Permit, answer: Answer) -> None:
        """Let the brake know what became of a request."""
        if answer.status in _REFUSALS:
            self._brake.refused(self._monotonic(), permit, wait_asked(answer, self._clock()))
        else:
            self._brake.admitted(permit)
        if (seconds := back_off(answer.headers)) is not None:
            self._brake.backed_off(self._monotonic(), permit, seconds)

    async def _wait_for(self, permit: Permit, now: float, latest: float) -> Permit:
        while permit.at > now:
            if permit.at > latest:
                self._brake.give_back(permit)
                raise TurnTooLateError(permit.at - now)
            try:
                await self._sleep(permit.at - now)
            except BaseException:
                self._brake.give_back(permit)
                raise
            permit = self._brake.reserve(now := self._monotonic(), permit)
        return permit
