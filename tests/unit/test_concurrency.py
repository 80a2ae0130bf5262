"""Who goes next where a number of requests may be in flight, whatever ends the wait of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.limits.concurrency import ConcurrencyLimit
from tests.support.clocks import loop_time, turns

LONG = 3600.0  # seconds that no test waits


class Line:
    """A limit of one, of which the slot is taken, and those who wait for it."""

    def __init__(self) -> None:
        self.limit, self.came = ConcurrencyLimit(1), list[int]()
        assert self.limit.enter_at_once()

    async def enter(self, number: int, within: float = LONG) -> bool:
        may_go = await self.limit.enter(within)
        if may_go:
            self.came.append(number)
        return may_go

    async def begin(self, number: int, within: float = LONG) -> asyncio.Task[bool]:
        task = asyncio.create_task(self.enter(number, within))
        await turns()
        return task

    def is_free(self) -> bool:
        """Whether exactly one may go at once."""
        return self.limit.enter_at_once() and not self.limit.enter_at_once()


async def test_they_come_in_the_order_in_which_they_came() -> None:
    """Also before somebody who comes just when a slot is given back."""
    line = Line()
    tasks = [await line.begin(number) for number in range(3)]
    for number in range(3):
        line.limit.leave()
        assert not line.limit.enter_at_once()
        assert await tasks[number]
        assert line.came == list(range(number + 1))
    line.limit.leave()
    assert line.is_free()


@pytest.mark.parametrize("within", [0.0, -1.0])
async def test_without_time_only_a_free_slot_is_taken(within: float) -> None:
    """As for a request whose deadline is over."""
    line = Line()
    assert not await line.enter(1, within)
    line.limit.leave()
    assert await line.enter(2, within)


async def test_who_waited_too_long_is_left_out() -> None:
    """The others keep their places."""
    line = Line()
    first, second, third = [await line.begin(number, 60.0 * (number % 2) + 60) for number in (1, 2, 3)]
    loop_time.advance(60)
    assert await second is False
    line.limit.leave()
    assert await first
    line.limit.leave()
    assert await third
    line.limit.leave()
    assert line.is_free()


async def turn_and_cancellation(line: Line, first: asyncio.Task[bool]) -> None:
    line.limit.leave()
    first.cancel()


async def cancellation_and_turn(line: Line, first: asyncio.Task[bool]) -> None:
    first.cancel()
    line.limit.leave()


async def time_and_turn(line: Line, _first: asyncio.Task[bool]) -> None:
    """Its time is over, and the slot comes before it has noticed."""
    asyncio.get_running_loop().call_later(60, line.limit.leave)
    loop_time.advance(60)


async def turn_and_time(line: Line, _first: asyncio.Task[bool]) -> None:
    """The slot comes, and its time is over before it has noticed."""
    asyncio.get_running_loop().call_soon(line.limit.leave)
    loop_time.advance(60)


@pytest.mark.parametrize("end", [turn_and_cancellation, cancellation_and_turn, time_and_turn, turn_and_time])
async def test_no_slot_is_lost_when_a_wait_ends_at_its_turn(
    end: Callable[[Line, asyncio.Task[bool]], Awaitable[None]],
) -> None:
    """Who does not go has not got it: then the next one has."""
    line = Line()
    first, second = await line.begin(1, 60), await line.begin(2)
    await end(line, first)
    (came,) = await asyncio.gather(first, return_exceptions=True)
    if came is True:
        line.limit.leave()
    assert await second
    line.limit.leave()
    assert line.is_free()


class Crowd:
    """Requests that come, go and give up, and how many were inside at a time.

    :param limit: that they keep to
    """

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self.limit, self.inside, self.most_inside = limit, 0, 0
        self.tasks: list[asyncio.Task[None]] = []

    def come(self) -> None:
        self.tasks.append(asyncio.create_task(self._enter()))

    def go(self) -> None:
        if self.inside:
            self.inside -= 1
            self.limit.leave()

    def give_up(self) -> None:
        if self.tasks:
            self.tasks.pop().cancel()

    def wait(self) -> None:
        loop_time.advance(30)

    async def _enter(self) -> None:
        if await self.limit.enter(60):
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)


STEPS = [Crowd.come, Crowd.go, Crowd.give_up, Crowd.wait]


@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(STEPS), st.booleans())))
def test_there_are_never_more_and_none_is_lost(
    most: int, steps: list[tuple[Callable[[Crowd], None], bool]]
) -> None:
    """Whatever happens in whatever order, in the same turn of the loop or in another one."""

    async def play() -> None:
        crowd = Crowd(ConcurrencyLimit(most))
        for step, turn in steps:
            step(crowd)
            if turn:
                await turns()
        for task in crowd.tasks:
            task.cancel()
        await turns()
        for _ in range(crowd.inside):
            crowd.go()
        assert crowd.most_inside <= most
        assert [crowd.limit.enter_at_once() for _ in range(most + 1)] == [True] * most + [False]

    asyncio.run(play())
