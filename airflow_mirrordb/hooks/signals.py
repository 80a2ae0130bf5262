"""Signals that come while an event loop runs: they wait until it has stopped.

The handler of a signal may raise, as that of Airflow's task time-out does, and it is called wherever the
main thread just is. In the middle of asyncio's own code that loses an answer, a task that is never woken
again, or the exception itself. :class:`asyncio.Runner` keeps SIGINT out of the loop in the same way.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar
from weakref import WeakSet

from typing_extensions import ParamSpec

P = ParamSpec("P")
T = TypeVar("T")

try:  # what ``signal`` is made of; its own functions turn numbers into enums, which takes ten times as long
    _functions = import_module("_signal")
except ImportError:
    _functions = signal
_handler_of, _set_handler = _functions.getsignal, _functions.signal
_main_thread = threading.main_thread().ident

_NAMES = (
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGALRM",
    "SIGVTALRM",
    "SIGTERM",
    "SIGUSR1",
    "SIGUSR2",
    "SIGXCPU",
)
#: The signals by which a process is interrupted. The handlers of all others raise nothing.
NUMBERS = tuple(int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name))


def in_main_thread() -> bool:
    """Whether the caller is in the thread that signals interrupt."""
    return threading.get_ident() == _main_thread


class Signals:
    """Holds signals back while the main thread runs an event loop, or waits for it; no other thread gets any.

    A signal that is held stops the loop after its turn, which harms nothing that runs there. Its handler is
    called then, by :meth:`replay`; if that returns, the loop may go on::

        signals.hold()
        while not done:
            loop.run_forever()
            signals.replay()
        signals.release()

    Only handlers that are Python functions are replaced, and only meanwhile. Whichever method a handler
    interrupts may be called again: no signal is lost.

    Python calls a handler between two steps of its own. One of a signal that comes right before the loop
    begins to wait has to wait for the next event as well, so the loop must not wait for long at a time.

    :param loop: which is stopped by a signal
    :param wake: is called by a signal as well; wakes the main thread, where it waits for the loop of another
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], object]) -> None:
        self._loop, self._wake = loop, wake
        self._holds = self._replaced = False
        self.held: list[int] = []
        """Numbers of those that wait for :meth:`replay`."""
        self._handlers: dict[int, Any] = {}  # what was replaced, now or before
        self._found: list[Any] = []  # handlers of all numbers, when they were last looked at
        self._to_replace: list[int] = []  # of these the ones that are functions of others
        self._replacement = self._receive  # one object, by which it is known again
        _all.add(self)

    def hold(self) -> bool:
        """Hold signals back from now on; a second call sees to handlers that were set since the first.

        :return: whether the caller is in the main thread; else there is nothing to hold back
        """
        if threading.get_ident() != _main_thread:
            return False
        while True:
            # from here on release() puts back what a signal may interrupt
            self._holds = self._replaced = True
            found = list(map(_handler_of, NUMBERS))
            if found != self._found:  # each call comes here, and hardly any meets others than the one before
                self._find_mine(found)
            for number in self._to_replace:
                _set_handler(number, self._replacement)
            if self._replaced:
                return True
            # a handler came meanwhile, and the end of its own call put all back

    def _find_mine(self, found: list[Any]) -> None:
        mine = {
            number: handler
            for number, handler in zip(NUMBERS, found, strict=True)
            if handler is not self._replacement and callable(handler)
        }
        self._handlers.update(mine)
        self._found, self._to_replace = found, list(mine)

    def replay(self) -> None:
        """Send each signal that is held once more, to whoever handles it now, and hold on.

        :raises BaseException: what a handler raises; of several the last one, with the others as its context
        """
        if not self.held or not in_main_thread():
            return
        number = self.held.pop(0)
        try:
            self._holds = False
            signal.raise_signal(number)
        finally:
            self._holds = True
            self.hold()
            self.replay()

    def interruptible(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return a function that is called on the loop and which signals interrupt, as they do elsewhere.

        For one of a user's, which may take long or never return: until it does, the loop cannot stop.
        """

        @wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> T:
            if not in_main_thread():
                return function(*args, **kwargs)
            holds, self._holds = self._holds, False
            try:
                while self.held:
                    signal.raise_signal(self.held.pop(0))
                return function(*args, **kwargs)
            finally:
                self._holds = holds

        return called

    def release(self) -> None:
        """Replay what is held, and put the handlers back, but for those in whose place others were set.

        :raises BaseException: what a handler raises; whoever gets it calls this again
        """
        if not self._replaced or threading.get_ident() != _main_thread:
            return
        self._holds = False
        while self.held:  # until none came before that line
            self._holds = True
            self.replay()
            self._holds = False
        for number, handler in self._handlers.items():
            if _handler_of(number) is self._replacement:
                _set_handler(number, handler)
        self._replaced = False

    def forget(self) -> None:
        """Put the handlers back; what is held was sent to the parent of this process."""
        self.held.clear()
        self.release()

    def _receive(self, number: int, frame: Any) -> None:
        if self._holds:
            self.held.append(number)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._wake()
        else:
            self._handlers[number](number, frame)


_all: WeakSet[Signals] = WeakSet()


def _after_fork() -> None:
    global _main_thread  # noqa: PLW0603  # the one that forked
    _main_thread = threading.main_thread().ident
    for signals in _all:
        signals.forget()


os.register_at_fork(after_in_child=_after_fork)
