"""Runs coroutines for synchronous callers, on event loops that outlive a call and its hook."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from typing_extensions import ParamSpec

from airflow_mirrordb.client import forking
from airflow_mirrordb.client.event_loops import being_closed
from airflow_mirrordb.hooks.signals import Signals
from airflow_mirrordb.hooks.threads import ThreadCall

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Stop = Callable[[], Awaitable[None]]

LONGEST_END = 5.0  # seconds; what is ended does hardly anything more
LONGEST_WAIT = 1.0  #: seconds for which the loop waits at a time, see :class:`Signals`


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
            return self.result  # type: ignore[return-value]  # it ended, so this is a T
        finally:
            del self  # it would keep what the exception's traceback keeps

    def note_interruption(self, interruption: BaseException) -> None:
        """Keep what interrupted the caller; of several the last one, which shows the others."""
        if self.interruption is not interruption and interruption.__context__ is None:
            interruption.__context__ = self.interruption
        self.interruption = interruption


class LoopRunner:
    """One event loop that lives as long as its owner, so that connections outlive a call.

    (``asyncio.Runner`` does this from Python 3.11 on.)  May be used from several threads, whose coroutines
    run at the same time: one thread runs the loop for all until its own is done, and then another one does.
    May be used by the handler of a signal that came during a call. Belongs to the process that made it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._notice)
        self._signals = Signals(self._loop, self._wake_main_thread)
        self._turn = threading.Lock()  # whoever has it runs the loop
        self._calls: list[ThreadCall] = []
        self._is_closed = False
        self._generation = forking.generation
        self._thrown: BaseException | None = None
        self._end_of_wait: asyncio.TimerHandle | None = None
        self._to_end: list[Stop] = []
        self.is_clean = True
        """Whether nothing is left on the loop that did not end when it was told to."""
        _runners.add(self)

    @property
    def is_inherited(self) -> bool:
        """Whether it belongs to the process that forked this one."""
        return self._generation != forking.generation

    def run(
        self, work: Coroutine[Any, Any, T], stop: Stop | None = None, longest_end: float | None = None
    ) -> Outcome[T]:
        """Run a coroutine to its end, and return what became of it.

        The caller may be interrupted by an exception that the handler of a signal raises, as that of
        Airflow's task time-out. Handlers are called while this thread does not run the loop. If one raises,
        the coroutine is ended, and awaited for some seconds.

        :param stop: ends the coroutine when the caller is interrupted; it is cancelled if None
        :param longest_end: seconds that it has to end then; five by default
        :raises RuntimeError: if called inside an event loop, in a forked process, or when the loop is closed
        """
        if self.is_inherited:
            work.close()
            raise RuntimeError("this event loop belongs to the process that forked this one")
        if self._is_closed:
            work.close()
            raise RuntimeError("this event loop was closed")
        if in_event_loop():  # run_forever() would say so, but Python 3.13.0 forgets that loop then
            work.close()
            raise RuntimeError("cannot run the event loop while another loop is running")
        outcome: Outcome[T] = Outcome()
        try:
            try:
                self._complete(work, stop, outcome, LONGEST_END if longest_end is None else longest_end)
            finally:
                self._release(outcome)
            return outcome
        finally:
            del outcome  # the traceback of an interruption leads here: it would keep itself, and much more

    def close(self) -> None:
        """End what still runs on the loop, as the connections that its clients share, and close it."""

        async def end() -> None:
            tasks = _tasks_of(self._loop) - {asyncio.current_task()}
            if others := {call.task for call in list(self._calls) if call.task in tasks}:
                await asyncio.wait(others, timeout=LONGEST_END)  # they end: what they use was closed before
            for task in tasks:
                task.cancel()
            await self._await_end(tasks, LONGEST_END)
            await self._loop.shutdown_asyncgens()

        try:
            self.run(end()).value()
        finally:
            with self._turn:
                self._is_closed = True
                self._loop.close()
            for call in list(self._calls):
                call.wake()

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
            is_of_main_thread = self._signals.hold()
        except BaseException as interruption:  # noqa: BLE001  # the outcome has it
            work.close()
            outcome.note_interruption(interruption)
            return
        call = ThreadCall(work, is_of_main_thread=is_of_main_thread)
        self._calls.append(call)  # first: whoever stops running the loop looks there for the next one
        try:
            while True:
                try:
                    self._advance(call)
                    if self._signals.held:
                        self._let_another_go_on()  # a handler may take long, or wait for another thread
                        self._signals.replay()
                except BaseException as interruption:  # noqa: BLE001  # the outcome has it
                    outcome.note_interruption(interruption)
                    call.end(partial(self._end, call, stop, longest_end), longest_end)
                if not call.is_awaited:
                    break
        finally:
            self._calls.remove(call)
            if self._calls:
                self._let_another_go_on()
        self._result(call, outcome)
        del call, outcome  # as in run()

    def _advance(self, call: ThreadCall) -> None:
        """Run the loop, or wait while another thread does, until something may have changed for a call."""
        if not self._turn.acquire(blocking=False):
            call.announce_wait()  # whoever runs the loop now tells when it stops
            try:
                if not self._turn.acquire(blocking=False):
                    self._wait(call)
                    return
            finally:
                call.may_go_on = False
        try:
            if self._is_closed:
                call.leave()
                return
            call.begin(self._create)
            if self._end_of_wait is None:
                self._end_wait()
            self._loop.run_forever()
            if self._thrown is not None:
                self._throw(self._thrown)
        finally:
            self._turn.release()
            if len(self._calls) > 1:
                self._wake_those_done()

    def _end_wait(self) -> None:
        """Let the loop go on after a second at most, for as long as it is used."""
        self._end_of_wait = self._loop.call_later(LONGEST_WAIT, self._end_wait) if self._calls else None

    def _wait(self, call: ThreadCall) -> None:
        """Wait until a call is done, or the loop is free, or signals are held for this thread."""
        if self._is_closed:
            call.leave()
            return
        if not call.is_begun:
            self._loop.call_soon_threadsafe(call.begin, self._create)
        if call.is_awaited and not (self._signals.held and call.is_of_main_thread):
            call.wait()

    def _wake_those_done(self) -> None:
        for call in list(self._calls):
            if not call.is_awaited:
                call.wake()

    def _let_another_go_on(self) -> None:
        """Wake one of the threads that would run the loop; it sees whether another one does."""
        for call in list(self._calls):
            if call.may_go_on:
                call.wake()
                return

    def _wake_main_thread(self) -> None:
        """Let the main thread look after a signal, if it waits while another thread runs the loop."""
        for call in list(self._calls):
            if call.is_of_main_thread:
                call.wake()

    def _result(self, call: ThreadCall, outcome: Outcome[Any]) -> None:
        task = call.task
        if task is None or not task.done():
            if self._is_closed:
                outcome.error = RuntimeError("another thread has closed the event loop meanwhile")
            self.is_clean &= task is None  # else it did not end in time
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

    def _create(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return asyncio.Task(self._begun(work), loop=self._loop)

    async def _begun(self, work: Coroutine[Any, Any, T]) -> T:
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

    def _stop(self) -> None:
        """Let whoever runs the loop see that a call is done."""
        if being_closed:  # in the next turn: else a write that was given up would go on
            self._loop.call_soon(self._loop.stop)
        else:
            self._loop.stop()

    async def _end(self, call: ThreadCall, stop: Stop | None, longest: float) -> None:
        task = call.task
        assert task is not None  # noqa: S101  # it was begun first
        ending = {task}
        if stop is None:
            task.cancel()
        else:
            ending.add(asyncio.ensure_future(stop()))
        await self._await_end(ending, longest)

    async def _await_end(self, tasks: set[asyncio.Task[Any]], longest: float) -> None:
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

    def _throw(self, error: BaseException) -> None:
        self._thrown = None
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


def _tasks_of(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[Any]]:
    """Return the tasks of the event loop that runs in this thread, whichever thread has begun them.

    Of the loop that runs where it is asked, ``all_tasks()`` of Python 3.14 knows only the tasks that this
    thread has begun (``Modules/_asynciomodule.c``).
    """
    try:
        asyncio._set_running_loop(None)  # noqa: SLF001  # of any other loop it knows all tasks
        return asyncio.all_tasks(loop)
    finally:
        asyncio._set_running_loop(loop)  # noqa: SLF001


def in_event_loop() -> bool:
    """Whether the caller runs inside an event loop."""
    return asyncio._get_running_loop() is not None  # noqa: SLF001  # get_running_loop() would raise
