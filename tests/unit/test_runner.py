"""Coroutines that run for synchronous callers, and the signals that come meanwhile."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from airflow_mirrordb.hooks import runner as runners
from airflow_mirrordb.hooks.runner import LONGEST_WAIT, LoopRunner
from airflow_mirrordb.hooks.signals import NUMBERS

SIGNAL, OTHER = signal.SIGUSR1, signal.SIGUSR2


class Struck(BaseException):
    """What the handlers of these tests raise."""


class Handler:
    """The handler of a signal, which notes where it is called, and raises."""

    def __init__(self, *, raises: type[BaseException] | None = Struck) -> None:
        self.raises = raises
        self.calls: list[int] = []

    def __call__(self, number: int, _frame: Any) -> None:
        assert not runners.in_event_loop()  # where it would harm what runs there
        self.calls.append(number)
        if self.raises is not None:
            raise self.raises


@contextmanager
def handling(**handlers: Any) -> Iterator[None]:
    """Handle signals in a way, and see that all handlers are afterwards as they were."""
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in handlers}
    for name, handler in handlers.items():
        signal.signal(getattr(signal, name), handler)
    try:
        yield
        for name, handler in handlers.items():
            assert signal.getsignal(getattr(signal, name)) is handler
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def runner() -> Iterator[LoopRunner]:
    runner = LoopRunner()
    yield runner
    assert runner.run(asyncio.sleep(0, "usable")).value() == "usable"
    runner.close()


def send(number: int = SIGNAL) -> None:
    """Send a signal, whose handler is called before this returns if it is not held back."""
    signal.raise_signal(number)


class Hanging:
    """A coroutine that only ends when it is ended."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.ended = False
        self._meanwhile = meanwhile

    async def __call__(self) -> None:
        try:
            self._meanwhile()
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended = True


def test_a_signal_wakes_the_loop_and_ends_what_runs(runner: LoopRunner) -> None:
    """It may come while the loop waits for the network and nothing else would ever wake it."""
    main, handler = threading.get_ident(), Handler()
    thread = threading.Thread(target=signal.pthread_kill, args=(main, SIGNAL))
    work = Hanging(thread.start)
    with handling(SIGUSR1=handler):
        outcome = runner.run(work())
    thread.join()
    assert isinstance(outcome.interruption, Struck)
    assert isinstance(outcome.error, asyncio.CancelledError)
    assert (work.ended, handler.calls) == (True, [SIGNAL])


@contextmanager
def without_collection() -> Iterator[None]:
    """Let nothing look for rings of objects: what is freed here is freed since nobody has it."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("is_late", [False, True])
def test_an_interruption_is_kept_by_nobody_but_who_caught_it(runner: LoopRunner, is_late: bool) -> None:
    """Its traceback leads to an outcome that has it: as a ring they would keep all that the task had."""
    kept, sent = list[weakref.ref[BaseException]](), list[bool]()
    release = runner._signals.release

    def late() -> None:
        if not sent:
            sent.append(True)
            send()
        release()

    with handling(SIGUSR1=Handler()), pytest.MonkeyPatch.context() as patch, without_collection():
        if is_late:
            patch.setattr(runner._signals, "release", late)
        try:
            runner.run(asyncio.sleep(0) if is_late else Hanging(send)()).value()
        except Struck as interruption:
            kept.append(weakref.ref(interruption))
        assert [interruption() for interruption in kept] == [None]


def test_what_strikes_where_the_loop_is_stopped_does_not_keep_it_running(runner: LoopRunner) -> None:
    """As what another thread raises may: then nothing would ever wake the caller."""
    stop, calls = runner._loop.stop, list[bool]()

    def struck() -> None:
        calls.append(True)
        if len(calls) == 1:
            raise Struck
        stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner._loop, "stop", struck)
        outcome = runner.run(asyncio.sleep(0))
    assert isinstance(outcome.interruption or outcome.error, Struck)


def test_what_a_handler_lets_go_on_goes_on(runner: LoopRunner) -> None:
    """A handler that returns, as Airflow's of SIGTERM does from 3.0 on, ends nothing."""
    handler = Handler(raises=None)

    async def work() -> str:
        send()
        while not handler.calls:  # noqa: ASYNC110  # the loop stops for it
            await asyncio.sleep(0)
        return "done"

    with handling(SIGUSR1=handler):
        assert runner.run(work()).value() == "done"


def test_a_signal_before_the_first_step_lets_nothing_begin(runner: LoopRunner) -> None:
    """The handlers are still the old ones then, and raise at once."""
    begun = list[bool]()

    async def work() -> None:
        begun.append(True)

    with handling(SIGUSR1=Handler()), pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner._signals, "hold", send)
        outcome = runner.run(work())
    assert isinstance(outcome.interruption, Struck)
    assert begun == []


def test_a_signal_between_answer_and_return_keeps_the_answer(runner: LoopRunner) -> None:
    """The caller has to know that there is one, though it is interrupted."""

    async def work() -> str:
        send()
        return "answer"

    with handling(SIGUSR1=Handler()):
        outcome = runner.run(work())
    assert (outcome.result, outcome.error) == ("answer", None)
    with pytest.raises(Struck):
        outcome.value()


def test_an_error_is_shown_by_the_interruption(runner: LoopRunner) -> None:
    """Both are told of: what interrupted the call, and what the call met."""

    async def work() -> None:
        send()
        raise ZeroDivisionError

    with handling(SIGUSR1=Handler()), pytest.raises(Struck) as raised:
        runner.run(work()).value()
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("moment", ["_result", "_release"])
def test_a_signal_that_comes_when_the_loop_has_stopped_is_not_lost(runner: LoopRunner, moment: str) -> None:
    """It is held back until the very end of the call."""
    method = getattr(runner, moment)

    def late(*arguments: Any) -> None:
        send()
        method(*arguments)

    with handling(SIGUSR1=Handler()), pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, moment, late)
        outcome = runner.run(asyncio.sleep(0, "answer"))
    assert outcome.result == "answer"
    assert isinstance(outcome.interruption, Struck)


def test_a_second_signal_does_not_cut_the_end_short(runner: LoopRunner) -> None:
    """What is told to end ends; then the second signal is told of as well, with the first one."""
    steps = list[str]()

    async def work() -> None:
        try:
            send()
            await asyncio.get_running_loop().create_future()
        finally:
            send(OTHER)
            await asyncio.sleep(0)
            steps.append("ended")

    first, second = Handler(), Handler(raises=KeyboardInterrupt)
    with handling(SIGUSR1=first, SIGUSR2=second):
        outcome = runner.run(work())
    assert steps == ["ended"]
    assert isinstance(outcome.interruption, KeyboardInterrupt)
    assert isinstance(outcome.interruption.__context__, Struck)
    assert (first.calls, second.calls) == ([SIGNAL], [OTHER])


def test_signals_that_come_together_are_all_handled(runner: LoopRunner) -> None:
    """Also those after one whose handler raised."""
    handlers = {"SIGUSR1": Handler(), "SIGUSR2": Handler(), "SIGHUP": Handler(raises=None)}

    async def work() -> None:
        for name in handlers:
            send(getattr(signal, name))

    with handling(**handlers):
        outcome = runner.run(work())
    assert [handler.calls for handler in handlers.values()] == [[SIGNAL], [OTHER], [signal.SIGHUP]]
    assert isinstance(outcome.interruption, Struck)


def test_a_signal_that_python_has_not_seen_is_seen_soon(
    runner: LoopRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes right before the loop waits is handled when it goes on; so it never waits for long."""
    selector: Any = runner._loop._selector  # type: ignore[attr-defined]
    select, waits = selector.select, list[float | None]()

    def watched(timeout: float | None = None) -> Any:
        waits.append(timeout)
        return select(0)

    async def work() -> None:
        while not any(waits):
            await asyncio.get_running_loop().run_in_executor(None, int)

    monkeypatch.setattr(selector, "select", watched)
    runner.run(work()).value()
    assert all(wait is not None and wait <= LONGEST_WAIT for wait in waits)


def test_what_is_no_python_function_is_left_alone(runner: LoopRunner) -> None:
    """The operating system does by itself what it does with a signal that is ignored."""

    async def work() -> Any:
        send()
        return signal.getsignal(SIGNAL)

    with handling(SIGUSR1=signal.SIG_IGN):
        assert runner.run(work()).value() is signal.SIG_IGN


def test_a_handler_that_was_set_between_two_calls_is_the_one_that_is_called(runner: LoopRunner) -> None:
    """As by a time-out within a time-out."""
    outer, inner = Handler(), Handler()

    async def work() -> None:
        send()

    with handling(SIGUSR1=outer):
        runner.run(asyncio.sleep(0)).value()
        with handling(SIGUSR1=inner):
            runner.run(work())
        runner.run(work())
    assert (len(outer.calls), len(inner.calls)) == (1, 1)


@pytest.mark.parametrize("is_held", [False, True])
def test_a_function_of_the_users_is_interrupted_at_once(runner: LoopRunner, is_held: bool) -> None:
    """It may never return by itself, whether the signal came before it was called, or during the call."""
    calls, gone_on = list[int](), list[bool]()

    def handler(number: int, _frame: Any) -> None:
        calls.append(number)
        raise Struck

    def endless() -> None:
        send()
        gone_on.append(True)

    async def work() -> str:
        if is_held:
            send(OTHER)
        with pytest.raises(Struck):
            runner.interruptible(endless)()
        send()  # is held again
        return "answer"

    with handling(SIGUSR1=handler, SIGUSR2=handler):
        outcome = runner.run(work())
    assert gone_on == []
    assert calls == [OTHER if is_held else SIGNAL, SIGNAL]
    assert outcome.result == "answer"
    assert isinstance(outcome.interruption, Struck)


def test_a_handler_that_is_set_on_the_loop_stays(runner: LoopRunner) -> None:
    """By a function of the user's that runs there; it is called where the signal strikes, as it would be."""
    struck = list[int]()

    def own(number: int, _frame: Any) -> None:
        struck.append(number)

    async def work() -> None:
        signal.signal(SIGNAL, own)
        send()

    before = signal.getsignal(SIGNAL)
    try:
        signal.signal(SIGNAL, Handler())
        runner.run(work()).value()
        assert signal.getsignal(SIGNAL) is own
    finally:
        signal.signal(SIGNAL, before)
    assert struck == [SIGNAL]


def test_a_handler_may_use_the_runner(runner: LoopRunner) -> None:
    """One that cancels something at the backend, say; what was interrupted goes on if the handler returns."""
    answers = list[str]()

    def handle(*_: Any) -> None:
        answers.append(runner.run(asyncio.sleep(0, "cancelled")).value())

    async def work() -> str:
        send()
        await asyncio.sleep(0)
        send()
        return "done"

    with handling(SIGUSR1=handle):
        assert runner.run(work()).value() == "done"
    assert answers == ["cancelled", "cancelled"]


def test_a_second_signal_reaches_a_handler_that_hangs(runner: LoopRunner) -> None:
    """Signals are held back from the loop alone."""

    def hang(*_: Any) -> None:
        send(OTHER)
        raise AssertionError("the second signal did not come")

    async def work() -> None:
        send()

    with handling(SIGUSR1=hang, SIGUSR2=Handler()):
        assert isinstance(runner.run(work()).interruption, Struck)


def test_other_threads_leave_the_handlers_alone(runner: LoopRunner) -> None:
    """Signals interrupt the main thread only, which may be anywhere."""
    held, go_on = threading.Event(), threading.Event()

    async def work() -> None:
        held.set()
        await asyncio.to_thread(go_on.wait)

    thread = threading.Thread(target=lambda: runner.run(work()).value())
    with handling(SIGUSR1=Handler()):
        before = [signal.getsignal(number) for number in NUMBERS]
        thread.start()
        held.wait()
        assert [signal.getsignal(number) for number in NUMBERS] == before
        with pytest.raises(Struck):
            send()
        go_on.set()
        thread.join()


def test_handlers_that_a_signal_kept_from_being_put_back_are_put_back(runner: LoopRunner) -> None:
    """One that comes between two of them raises there."""
    from airflow_mirrordb.hooks import signals

    put, sent = signals._set_handler, list[bool]()

    def put_and_strike(number: int, handler: Any) -> None:
        put(number, handler)
        if handler is first and not sent:
            sent.append(True)
            send()

    first, second = Handler(), Handler()
    patch = pytest.MonkeyPatch.context()
    with handling(SIGUSR1=first, SIGUSR2=second), patch as patched:  # the first one sees to it
        patched.setattr(signals, "_set_handler", put_and_strike)
        outcome = runner.run(asyncio.sleep(0, "answer"))
    assert outcome.result == "answer"
    assert isinstance(outcome.interruption, Struck)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_that_is_forked_on_the_loop_holds_no_signals(runner: LoopRunner) -> None:
    """It could not be terminated; its signals would wake the loop of its parent."""

    async def fork() -> int:
        send(OTHER)
        child = os.fork()
        if not child:
            is_handled = False
            try:
                try:
                    send()
                except Struck:
                    is_handled = signal.getsignal(OTHER) is other
            finally:
                os._exit(0 if is_handled and other.calls == [] else 1)
        return os.waitpid(child, 0)[1]  # noqa: ASYNC222  # it ends at once

    class Anywhere(Handler):
        def __call__(self, *_: Any) -> None:
            raise Struck

    other = Handler(raises=None)
    with handling(SIGUSR1=Anywhere(), SIGUSR2=other):
        assert runner.run(fork()).value() == 0


def test_an_inherited_runner_is_not_used(runner: LoopRunner) -> None:
    """Two processes would turn one epoll."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("airflow_mirrordb.client.forking.generation", runner._generation + 1)
        with pytest.raises(RuntimeError, match="forked"):
            runner.run(asyncio.sleep(0))


def test_a_call_inside_an_event_loop_is_refused(runner: LoopRunner) -> None:
    """It would block that loop; nothing is begun."""

    async def call() -> None:
        runner.run(asyncio.sleep(0)).value()

    with pytest.raises(RuntimeError, match="another loop is running"):
        asyncio.run(call())


def test_what_does_not_end_is_left_after_some_seconds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its loop is not given to the next one."""
    monkeypatch.setattr(runners, "LONGEST_END", 0.001)
    runner, at_last = LoopRunner(), asyncio.Event()

    async def never_ends() -> None:
        send()
        while not at_last.is_set():
            with suppress(asyncio.CancelledError):
                await at_last.wait()

    with handling(SIGUSR1=Handler()):
        outcome = runner.run(never_ends())
    assert (outcome.result, outcome.error) == (None, None)
    assert "did not end within" in caplog.text
    assert runner.run(asyncio.sleep(0, "still here")).value() == "still here"
    assert not runner.is_clean
    runner._loop.call_soon(at_last.set)
    runners.give_back(runner)
    assert runner._loop.is_closed()


def test_what_a_callback_raises_is_raised(runner: LoopRunner) -> None:
    """The loop would only log it, and what waits for the callback would hang."""
    work = Hanging()

    def strike() -> None:
        raise Struck

    runner._loop.call_soon(strike)
    outcome = runner.run(work())
    assert isinstance(outcome.interruption, Struck)
    assert work.ended


def test_what_another_thread_raises_does_not_hang(runner: LoopRunner) -> None:
    """Some libraries end a thread so, wherever it is (``PyThreadState_SetAsyncExc``)."""
    outcomes, begun = list[Any](), threading.Event()

    async def work() -> None:
        begun.set()
        while True:  # noqa: ASYNC110  # nothing will ever happen
            await asyncio.sleep(0)

    def run() -> None:
        try:
            outcomes.append(runner.run(work()).value())
        except BaseException as error:  # noqa: BLE001  # whatever was raised
            outcomes.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Struck)
    )
    thread.join()
    assert isinstance(outcomes[0], Struck | asyncio.CancelledError)
