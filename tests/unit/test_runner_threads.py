"""Coroutines of several threads on one event loop, which each of them runs while it has to."""

from __future__ import annotations

import asyncio
import contextvars
import random
import signal
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from airflow_mirrordb.hooks import runner as runners, signals, threads as calls
from airflow_mirrordb.hooks.runner import LoopRunner, Outcome
from tests.unit.test_runner import SIGNAL, Handler, Hanging, Struck, handling, runner, send

__all__ = ["runner"]

LONG = 30  # seconds that nothing here takes


class Others:
    """Threads that run coroutines on the loop of a runner."""

    def __init__(self, runner: LoopRunner) -> None:
        self._runner, self._pool = runner, ThreadPoolExecutor(8)

    def run(self, work: Coroutine[Any, Any, Any]) -> Future[Outcome[Any]]:
        """Return what becomes of a coroutine, which a thread has begun by now."""
        begun = threading.Event()

        async def told() -> Any:
            begun.set()
            return await work

        outcome = self._pool.submit(self._runner.run, told())
        assert begun.wait(LONG)
        return outcome

    def close(self) -> None:
        self._pool.shutdown()


@pytest.fixture
def others(runner: LoopRunner) -> Any:
    others = Others(runner)
    yield others
    others.close()


class Switch:
    """Something that is awaited on the loop, whoever runs it, until it is switched on."""

    def __init__(self) -> None:
        self.is_on = False

    async def wait(self) -> str:
        while not self.is_on:  # noqa: ASYNC110  # other threads switch it, too
            await asyncio.sleep(0)
        return "switched"

    async def turn_on(self) -> str:
        self.is_on = True
        return "on"


def test_coroutines_of_threads_run_at_the_same_time(runner: LoopRunner, others: Others) -> None:
    """None of them waits for the end of another one, which may come after an hour."""
    switch = Switch()
    waiting = [others.run(switch.wait()) for _ in range(3)]
    assert runner.run(switch.turn_on()).value() == "on"
    assert [outcome.result(LONG).value() for outcome in waiting] == ["switched"] * 3


def test_another_thread_runs_the_loop_on(runner: LoopRunner, others: Others) -> None:
    """The one that ran it is done first, and leaves it to one that waits."""
    first, second = Switch(), Switch()
    done, left = others.run(first.wait()), others.run(second.wait())
    runner.run(first.turn_on()).value()
    assert done.result(LONG).value() == "switched"
    second.is_on = True
    assert left.result(LONG).value() == "switched"


def test_each_coroutine_has_the_context_of_its_caller(runner: LoopRunner, others: Others) -> None:
    """Whoever runs the loop: the context tells which task of Airflow it is."""
    name, switch = contextvars.ContextVar("name", default="none"), Switch()
    running = others.run(switch.wait())

    async def told() -> str:
        return name.get()

    name.set("main")
    assert runner.run(told()).value() == "main"
    assert contextvars.Context().run(runner.run, told()).value() == "none"
    runner.run(switch.turn_on()).value()
    running.result(LONG)


def test_a_signal_ends_only_what_the_main_thread_waits_for(runner: LoopRunner, others: Others) -> None:
    """It comes while another thread runs the loop, whose own coroutine goes on."""
    switch, handler = Switch(), Handler()
    running = others.run(switch.wait())
    main = threading.get_ident()
    work = Hanging(lambda: signal.pthread_kill(main, SIGNAL))
    with handling(SIGUSR1=handler):
        outcome = runner.run(work())
    assert isinstance(outcome.interruption, Struck)
    assert isinstance(outcome.error, asyncio.CancelledError)
    assert (work.ended, handler.calls) == (True, [SIGNAL])
    runner.run(switch.turn_on()).value()
    assert running.result(LONG).value() == "switched"


def test_a_handler_may_wait_for_another_thread(runner: LoopRunner, others: Others) -> None:
    """Also for one that needs the loop, which the handler's own thread has run until then."""
    switch, answers = Switch(), list[str]()

    def handle(*_: Any) -> None:
        switch.is_on = True
        answers.append(running[0].result(LONG).value())

    async def work() -> str:
        running.append(other_thread.submit(runner.run, switch.wait()))
        while len(runner._calls) < 2:  # noqa: ASYNC110  # the other thread is to wait for this one
            await asyncio.sleep(0)
        send()
        await asyncio.sleep(0)
        return "done"

    running = list[Future[Outcome[str]]]()
    with ThreadPoolExecutor(1) as other_thread, handling(SIGUSR1=handle):
        assert runner.run(work()).value() == "done"
    assert answers == ["switched"]


def test_what_blocks_the_loop_of_another_thread_is_left(
    runner: LoopRunner, others: Others, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a filter of a user that hangs there: the main thread can neither interrupt it nor wait for ever."""
    monkeypatch.setattr(calls, "MORE", 0)
    hangs, go_on, main = threading.Event(), threading.Event(), threading.get_ident()

    async def blocking() -> None:
        await asyncio.sleep(0)
        hangs.set()
        while not go_on.is_set():
            pass
        switch.is_on = True

    switch = Switch()
    running = others.run(blocking())
    assert hangs.wait(LONG)
    interrupting = threading.Thread(target=strike_when_waiting, args=(runner, main))
    interrupting.start()
    try:
        with handling(SIGUSR1=Handler()):
            outcome = runner.run(switch.wait(), longest_end=0.001)
        interrupting.join()
    finally:
        go_on.set()
    assert isinstance(outcome.interruption, Struck)
    assert (outcome.result, outcome.error) == (None, None)
    running.result(LONG).value()


def test_a_handler_that_makes_a_call_while_signals_are_about_to_be_held(
    runner: LoopRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of its call puts back what the call around it is replacing; that holds signals all the same."""
    set_handler, struck = signals._set_handler, list[int]()

    def strike_once(number: int, handler: Any) -> None:
        if number == SIGNAL and not struck:
            struck.append(number)
            signal.raise_signal(number)
        set_handler(number, handler)

    monkeypatch.setattr(signals, "_set_handler", strike_once)
    with handling(SIGUSR1=lambda *_: runner.run(taking(2, 7))):
        assert runner.run(taking(2, 8)).value() == 8
    assert struck == [SIGNAL]


def strike_when_waiting(runner: LoopRunner, thread: int) -> None:
    """Send a signal when a second thread waits for the loop."""
    while not (len(runner._calls) == 2 and runner._calls[1].may_go_on):
        time.sleep(0)
    signal.pthread_kill(thread, SIGNAL)


def test_a_filter_in_another_thread_is_called_as_it_is(runner: LoopRunner, others: Others) -> None:
    """The signals of the main thread are not held by that one, and none is lost."""
    found = list[object]()

    async def work() -> str:
        found.append(runner.interruptible(threading.get_ident)())
        return "done"

    assert others.run(work()).result(LONG).value() == "done"
    assert found != [threading.get_ident()]


def test_whoever_closes_the_loop_lets_the_others_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun may end, as it does when its connections are closed, but not for ever."""
    monkeypatch.setattr(runners, "LONGEST_END", 0.001)
    runner = LoopRunner()
    others = Others(runner)
    switch = Switch()
    ending, hanging = others.run(switch.wait()), others.run(Hanging()())
    switch.is_on = True
    assert ending.result(LONG).value() == "switched"
    runner.close()
    outcome = hanging.result(LONG)
    assert isinstance(outcome.error, asyncio.CancelledError)
    others.close()
    with pytest.raises(RuntimeError, match="closed"):
        runner.run(switch.wait())


def test_whoever_closes_the_loop_ends_what_other_threads_left_on_it() -> None:
    """As the connections of a hook that was used in a thread.

    ``asyncio.all_tasks()`` returns the tasks "run by the loop" (Python's documentation of asyncio tasks);
    inside the loop that of Python 3.14 leaves out those that another thread has begun.
    """
    runner = LoopRunner()
    others = Others(runner)

    async def leave() -> asyncio.Task[Any]:
        return asyncio.ensure_future(Hanging()())

    left = others.run(leave()).result(LONG).value()
    runner.close()
    others.close()
    assert left.cancelled()


class Strikes:
    """The handler of a signal that another thread sends again and again.

    It raises, calls the runner, or does nothing. It raises only where the test looks for that.
    """

    def __init__(self, runner: LoopRunner) -> None:
        self.may_raise, self.count, self.raised = False, 0, 0
        self.is_over = False
        self._runner, self._is_inside, self._main = runner, False, threading.get_ident()

    def __call__(self, *_: object) -> None:
        self.count += 1
        if self.count % 3 == 0 and self.may_raise:
            self.may_raise, self.raised = False, self.raised + 1
            raise Struck
        if self.count % 3 == 1 and not self._is_inside:
            self._is_inside = True
            assert self._runner.run(taking(2, 7)).value() == 7
            self._is_inside = False

    def send(self) -> None:
        """Send the next one when the one before it was handled."""
        sent = 0
        while not self.is_over:
            if self.count == sent:
                sent += 1
                signal.pthread_kill(self._main, SIGNAL)
            time.sleep(0)
        while self.count < sent:
            time.sleep(0)


async def taking(turns: int, result: int) -> int:
    """Return a result after some turns of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return result


def test_many_threads_and_signals_lose_nothing(runner: LoopRunner) -> None:
    """Each call returns what is its own, whoever runs the loop, and whatever handlers do meanwhile."""

    def use(number: int) -> list[int]:
        rng = random.Random(number)
        return [runner.run(taking(rng.choice([0, 0, 2, 20]), number)).value() for _ in range(60)]

    strikes, wrong = Strikes(runner), list[object]()
    with handling(SIGUSR1=strikes), ThreadPoolExecutor(9) as pool:
        sending = pool.submit(strikes.send)
        used = [pool.submit(use, number) for number in range(8)]
        while not (strikes.raised and all(each.done() for each in used)):
            outcome = None
            try:
                strikes.may_raise = True
                outcome = runner.run(taking(5, -1))
                strikes.may_raise = False
            except Struck:  # before the call had begun, or after it was over
                continue
            if outcome.result != -1 and not isinstance(outcome.interruption, Struck):
                wrong.append(outcome)
        strikes.is_over = True
        sending.result()
    assert [each.result() for each in used] == [[number] * 60 for number in range(8)]
    assert wrong == []
    assert runner._calls == []
    assert runner.is_clean
