"""Parts of a task that end by themselves, and what of it the rest of the task notices."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from airflow_mirrordb.client.wire.deadlines import CancelScope, Deadlines
from tests.support.clocks import loop_time, until

SHORT, LONG = 3600.0, 7200.0  # seconds that no test waits


class Ended(Exception):  # noqa: N818  # no error
    """What the scope of these tests raises."""


class Scope(CancelScope):
    def reason(self) -> Exception:
        return Ended()

    def note_begin(self) -> None:
        pass

    def note_end(self) -> None:
        pass


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def until_it_is_due() -> None:
    """Wait for ever, and the first thing that happens then is that ``SHORT`` is over."""
    loop_time.advance(SHORT)
    await forever()


def cancellations() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling() if sys.version_info >= (3, 11) else 0


async def test_what_takes_too_long_ends_and_the_task_goes_on() -> None:
    """The timeout is an error like any other: the task is not cancelled by it."""
    with pytest.raises(asyncio.TimeoutError), Deadlines().within(SHORT):
        await until_it_is_due()
    await asyncio.sleep(0)
    assert cancellations() == 0


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_no_time_at_all_ends_at_the_first_wait(seconds: float) -> None:
    """As with a request whose deadline is over."""
    with pytest.raises(asyncio.TimeoutError), Deadlines().within(seconds):
        await forever()


async def test_each_has_its_own_time_whoever_began_first() -> None:
    """One timer wakes for the earliest; those that are due end, and no other."""
    deadlines, ended, minute = Deadlines(), list[float](), 60.0

    async def wait(seconds: float) -> None:
        try:
            with deadlines.within(seconds):
                await forever()
        except asyncio.TimeoutError:
            ended.append(seconds)

    tasks = [asyncio.create_task(wait(seconds)) for seconds in (LONG, 3 * minute, minute, 2 * minute)]
    await asyncio.sleep(0)
    for task, all_that_ended in ((2, [1]), (3, [1, 2]), (1, [1, 2, 3])):
        loop_time.advance(minute)
        await asyncio.wait([tasks[task]])
        assert ended == [minute * number for number in all_that_ended]
    assert not tasks[0].done()
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_a_timer_of_one_that_is_gone_ends_nobody() -> None:
    """It wakes for nothing, and is set again for the next one."""
    deadlines = Deadlines()
    with deadlines.within(SHORT):
        pass
    with deadlines.within(LONG):
        loop_time.advance(SHORT)
        await until(lambda: deadlines._timer and deadlines._timer.when() > asyncio.get_running_loop().time())
    with pytest.raises(asyncio.TimeoutError), deadlines.within(SHORT):
        await until_it_is_due()


async def test_who_waits_is_not_woken_for_others() -> None:
    """Any number of deadlines cost one timer."""
    loop, deadlines = asyncio.get_running_loop(), Deadlines()
    set_, call_at = list[float](), loop.call_at

    def counted(when: float, callback: Callable[[], object], **options: Any) -> asyncio.TimerHandle:
        set_.append(when)
        return call_at(when, callback, **options)

    loop.call_at = counted  # type: ignore[method-assign,assignment]
    try:
        for _ in range(100):
            with deadlines.within(LONG):
                await asyncio.sleep(0)
    finally:
        loop.call_at = call_at  # type: ignore[method-assign]
    assert len(set_) == 1


async def test_what_set_the_timer_is_not_kept_by_it() -> None:
    """Nor is the timer, when nobody needs it any more."""

    class Kept:
        pass

    variable = ContextVar[Kept]("variable")
    deadlines, kept = Deadlines(), Kept()
    alive = weakref.ref(kept)

    async def work(kept: Kept) -> None:
        variable.set(kept)
        with deadlines.within(LONG):
            await asyncio.sleep(0)

    await asyncio.create_task(work(kept))
    del kept
    await asyncio.sleep(0)  # the handle that woke this task is gone then
    gc.collect()
    assert alive() is None
    timer = deadlines._timer
    assert timer is not None
    deadlines.close()
    assert timer.cancelled()


async def test_a_timer_that_is_needed_is_not_closed() -> None:
    """Whoever closes is not the only one who has a deadline."""
    deadlines = Deadlines()

    async def close() -> None:
        deadlines.close()
        await until_it_is_due()

    with pytest.raises(asyncio.TimeoutError), deadlines.within(SHORT):
        await close()


async def test_an_error_inside_is_the_error() -> None:
    """Also if the time was over in the same moment."""

    async def fail_at_the_end() -> None:
        try:
            await until_it_is_due()
        finally:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Deadlines().within(SHORT):
        await fail_at_the_end()
    assert cancellations() == 0


async def test_a_cancellation_by_somebody_else_passes() -> None:
    """It stays a cancellation."""

    async def work() -> None:
        with Deadlines().within(LONG):
            await forever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python counts no cancellations before 3.11")
async def test_a_cancellation_by_somebody_else_wins() -> None:
    """Both in one turn of the loop: who cancels the task is not answered with an error of the part."""
    scope = Scope()

    async def work() -> None:
        with scope:
            await forever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    scope.cancel()
    task.cancel("by somebody else")
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_part_is_cancelled_once() -> None:
    """Twice in a row is once, and the reason is the scope's own."""
    scope, went_on = Scope(), list[bool]()

    async def work() -> None:
        try:
            with scope:
                await forever()
        except Ended:
            await asyncio.sleep(0)
            went_on.append(True)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    scope.cancel()
    scope.cancel()
    await task
    assert went_on == [True]
