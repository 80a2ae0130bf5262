"""Runs coroutines for synchronous callers, on event loops that outlive a call and its hook."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast
from weakref import WeakSet

from typing_extensions import ParamSpec

from airflow_mirrordb.client import forking
from airflow_mirrordb.client.event_loops import being_closed
from airflow_mirrordb.hooks.signals import Signals

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Stop = Callable[[], Awaitable[None]]

LONGEST_END = 5.0  # seconds; what is ended does hardly anything more


@dataclass(slots=True)
class Outcome(Generic[T]):
    """What became of a coroutine, and what interrupted its caller meanwhile.

    :param result: what it returned
    :param error: what it raised; None, too, if it did not end
    :param interruption: what the handler of a signal raised
    """

    result: T | None = None
    error: BaseException | None = None
    interruption: BaseException | None = None

    def value(self) -> T:
        """Return the result.

        :raises BaseException: the interruption, with the error as its cause if there is one; else the error
        """
        try:
            if self.interruption is not None:
                if self.error is not None:
                    raise self.interruption from self.error
                raise self.interruption
            if self.error is not None:
                raise self.error
            return cast("T", self.result)
        finally:
            del self  # it would keep what the exception's traceback keeps

    def note_interruption(self, interruption: BaseException) -> None:
        """Keep what interrupted the caller; of several the last one, which shows the others."""
        if self.interruption is not interruption and interruption.__context__ is None:
            interruption.__context__ = self.interruption
        self.interruption = interruption


class LoopRunner:
    """One event loop that lives as long as its owner, so that connections outlive a call.

    (``asyncio.Runner`` does this from Python 3.11 on.)  May be used from several threads, which take turns,
    and by the handler of a signal that came during a call. Belongs to the process that made it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._notice)
        self._signals = Signals(self._loop)
        self._turn = threading.RLock()
        self._generation = forking.generation
        self._thrown: BaseException | None = None
        self._to_end: list[Stop] = []
        self.is_clean = True
        """Whether nothing is left on the loop that did not end when it was told to."""
        _runners.add(self)

    @property
    def is_inherited(self) -> bool:
        """Whether it belongs to the process that forked this one."""
        return self._generation != forking.generation

    def run(
        self, work: Coroutine[Any, Any, T], stop: Stop | None = None, longest_end: float = LONGEST_END
    ) -> Outcome[T]:
        """Run a coroutine to its end, and return what became of it.

        The caller may be interrupted by an exception that the handler of a signal raises, as that of
        Airflow's task time-out. Handlers are called while the loop stands still. If one raises, the coroutine
        is ended, and awaited for some seconds.

        :param stop: ends the coroutine when the caller is interrupted; it is cancelled if None
        :param longest_end: seconds that it has to end then
        :raises RuntimeError: if called inside an event loop, or in a forked process
        """
        if self.is_inherited:
            work.close()
            raise RuntimeError("this event loop belongs to the process that forked this one")
        if in_event_loop():  # run_forever() would say so, but Python 3.13.0 forgets that loop then
            work.close()
            raise RuntimeError("cannot run the event loop while another loop is running")
        outcome: Outcome[T] = Outcome()
        try:
            with self._turn:
                try:
                    self._complete(work, stop, outcome, longest_end)
                finally:
                    self._release(outcome)
            return outcome
        finally:
            del outcome  # the traceback of an interruption leads here: it would keep itself, and much more

    def close(self) -> None:
        """End what still runs on the loop, as the connections that its clients share, and close it."""

        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await self._wait(tasks)
            await self._loop.shutdown_asyncgens()

        try:
            self.run(end()).value()
        finally:
            self._signals.close()
            self._loop.close()

    def interruptible(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return a function for a coroutine to call, which signals interrupt wherever it just is.

        What a handler raises there is raised by the function.
        """
        return self._signals.interruptible(function)

    def end_later(self, stop: Stop) -> None:
        """Let whoever uses the loop next end something first; runs nothing now."""
        self._to_end.append(stop)

    def _complete(
        self, work: Coroutine[Any, Any, T], stop: Stop | None, outcome: Outcome[T], longest_end: float
    ) -> None:
        """Run a coroutine, and what ends it where it has to end, and fill the outcome."""
        try:
            self._signals.hold()
        except BaseException as interruption:  # noqa: BLE001  # the outcome has it
            work.close()
            outcome.note_interruption(interruption)
            return
        task = self._begin(work)
        awaited: asyncio.Task[Any] = task
        while not awaited.done():
            try:
                self._loop.run_forever()
                self._signals.replay()
                self._throw()
            except BaseException as interruption:  # noqa: BLE001  # the outcome has it
                outcome.note_interruption(interruption)
                if awaited is task and not task.done():
                    awaited = self._begin(self._end(task, stop, longest_end))
        self._result(task, outcome)
        del task, awaited, outcome  # as in run()

    def _result(self, task: asyncio.Task[T], outcome: Outcome[T]) -> None:
        if not task.done():
            return
        if task.cancelled():
            outcome.error = asyncio.CancelledError()
        elif (error := task.exception()) is not None:
            outcome.error = error
        else:
            outcome.result = task.result()

    def _release(self, outcome: Outcome[Any]) -> None:
        while True:
            try:
                self._signals.release()
                break
            except BaseException as interruption:  # noqa: BLE001  # the outcome has it
                outcome.note_interruption(interruption)
        del outcome  # as in run()

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        async def begun() -> T:
            try:
                while self._to_end:
                    await self._to_end.pop()()
                return await work
            finally:
                try:
                    self._stop()
                except BaseException:  # what another thread raises may strike just there
                    self._stop()
                    raise

        return self._loop.create_task(begun())

    def _stop(self) -> None:
        if being_closed:  # in the next turn: else a write that was given up would go on
            self._loop.call_soon(self._loop.stop)
        else:
            self._loop.stop()

    async def _end(self, task: asyncio.Task[Any], stop: Stop | None, longest: float) -> None:
        ending = {task}
        if stop is None:
            task.cancel()
        else:
            ending.add(asyncio.ensure_future(stop()))
        await self._wait(ending, longest)

    async def _wait(self, tasks: set[asyncio.Task[Any]], longest: float = LONGEST_END) -> None:
        """Wait for the end of tasks that were told to end, though not for ever."""
        if not tasks:
            return
        done, left = await asyncio.wait(tasks, timeout=longest)
        for task in done:
            if not task.cancelled():
                task.exception()  # or asyncio would complain that nobody asked
        for task in left:
            log.warning("%r did not end within %g s, and is left", task, longest)
            task.cancel()
            self.is_clean = False

    def _notice(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Go on with what a callback raised if that is no error: asyncio would only log it.

        It may be what another thread raises here (``PyThreadState_SetAsyncExc``), or a handler that was set
        while the loop ran.
        """
        error = context.get("exception")
        if error is None or isinstance(error, Exception | asyncio.CancelledError):
            loop.default_exception_handler(context)
        else:
            self._thrown = error
            loop.stop()

    def _throw(self) -> None:
        if self._thrown is not None:
            error, self._thrown = self._thrown, None
            raise error


_runners: WeakSet[LoopRunner] = WeakSet()
_idle: list[LoopRunner] = []
forking.empty_when_forked(_runners)
forking.empty_when_forked(_idle)


def borrow() -> LoopRunner:
    """Return a runner for whoever calls alone, until it is given back.

    It may be one that was given back before, whose connections are still open: the next task of this
    process needs neither a new loop nor another TLS handshake.
    """
    while True:
        try:
            runner = _idle.pop()
        except IndexError:
            return LoopRunner()
        if runner.is_clean and not _idle:
            return runner
        runner.close()


def give_back(runner: LoopRunner) -> None:
    """Keep a runner for who borrows next. One is kept, until the process ends; all others are closed."""
    if _idle or not runner.is_clean:
        runner.close()
    else:
        _idle.append(runner)


def leave_behind(runner: LoopRunner) -> None:
    """Keep a runner where nothing may be run; who borrows next closes those that are too many."""
    _idle.append(runner)


def _close_idle() -> None:
    while _idle:
        _idle.pop().close()


atexit.register(_close_idle)


def in_event_loop() -> bool:
    """Whether the caller runs inside an event loop."""
    return asyncio._get_running_loop() is not None  # noqa: SLF001  # get_running_loop() would raise
