"""What belongs to an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from airflow_mirrordb.client import forking

V = TypeVar("V")

#: Connections that are being closed: asyncio does so in the next turn of their event loop, or later.
being_closed: WeakSet[asyncio.BaseProtocol] = WeakSet()
forking.empty_when_forked(being_closed)


class PerLoop(Generic[V]):
    """A value for each event loop: made at first use, gone with the loop, and not inherited by a fork.

    :param make: makes the value of a loop; what it holds must not hold the loop
    """

    def __init__(self, make: Callable[[], V]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, V] = WeakKeyDictionary()
        forking.empty_when_forked(self._values)

    def here(self) -> V:
        """Return the value of the running event loop.

        :raises RuntimeError: if none runs
        """
        loop = asyncio.get_running_loop()
        try:
            return self._values[loop]
        except KeyError:
            value = self._values[loop] = self._make()
            return value

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()
