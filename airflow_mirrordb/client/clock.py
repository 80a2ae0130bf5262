"""Time and randomness as a client sees them: one value, which tests replace."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic as system_monotonic, time as system_time

_RNG = random.Random()  # noqa: S311  # only jitter
os.register_at_fork(after_in_child=_RNG.seed)  # or all children of a process would wait for the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What a client tells the time by, waits with, and draws the jitter of its waits from.

    :param time: unix time in seconds
    :param monotonic: monotonic time in seconds
    :param sleep: waits the given seconds
    :param rng: source of the jitter
    """

    time: Callable[[], float] = system_time
    monotonic: Callable[[], float] = system_monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    rng: random.Random = _RNG


#: The time of this machine.
SYSTEM_CLOCK = Clock()
