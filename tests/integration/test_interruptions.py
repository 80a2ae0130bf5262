"""A task that is interrupted at any moment: no signal is lost, and nothing is sent twice.

What Airflow does with a time-out is said by ``TimeoutPosix`` in ``airflow/sdk/execution_time/timeout.py``
and ``_run_task_and_map_outcome`` in ``task_runner.py``: it raises ``AirflowTaskTimeout`` wherever the task
just is, and leaves it to the task's retries; not so ``AirflowFailException``.
"""

from __future__ import annotations

import gc
import itertools
import json
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout
from typing_extensions import Self

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator
from tests.integration.test_operators_tries import Tries
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

SIGNAL = signal.SIGUSR1
#: Where a signal strikes in these tests: in what a call of ours consists of, but not in what Python calls
#: when an object goes, and whose exceptions it drops.
PLACES = ("/airflow_mirrordb/", "/asyncio/", "/aiohttp/")
DROPPED = ("__del__", "<genexpr>", "_receive")


class Creates(ScriptedBackend):
    """A backend that only creates, and remembers what."""

    def next_answer(self, _path: str, sent: bytes) -> tuple[int, Any, dict[str, str]]:
        return 201, {"id": 1, **json.loads(sent)}, {}


@pytest.fixture
def backend(set_connection: SetConnection) -> Iterator[Creates]:
    backend = Creates()
    set_connection(backend.url)
    backend.start()
    yield backend
    backend.stop()


@pytest.fixture(autouse=True)
def _nothing_left_to_collect() -> Iterator[None]:
    """Collect here, and not in a later test, what an interruption left: coroutines that never began."""
    yield
    gc.collect()


class TimeOut:
    """The handler of a time-out: raises, and counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Self:
        self._before = signal.signal(SIGNAL, self)
        return self

    def __exit__(self, *_: object) -> None:
        still: object = signal.getsignal(SIGNAL)
        assert still is self
        signal.signal(SIGNAL, self._before)

    def __call__(self, *_: object) -> None:
        self.calls += 1
        raise AirflowTaskTimeout("Timeout")


class Striking:
    """Sends a signal at a step of what runs inside, where Python calls handlers.

    It does so when a function begins, and after one of its own that is written in C.
    """

    def __init__(self, at: int | None = None) -> None:
        self.steps, self.where, self._at = 0, "", at

    def __enter__(self) -> Self:
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: Any, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event not in ("call", "c_return") or code.co_name in DROPPED:
            return
        if any(place in code.co_filename for place in PLACES):
            self.steps += 1
            if self.steps == self._at:
                self.where = f"{code.co_filename}:{frame.f_lineno}, {event}"
                signal.raise_signal(SIGNAL)


class Task:
    """A task that creates records without a key, and whose tries follow one another as Airflow lets them.

    :param numbers: of the records, each of which is created once at most
    :param with_store: whether this Airflow has a task state store
    :param arguments: further ones of its operator
    """

    def __init__(self, numbers: Sequence[int], *, with_store: bool, **arguments: Any) -> None:
        self.numbers, self._tries, self._with_store = numbers, Tries(), with_store
        self._arguments = arguments
        self.ends: list[str] = []

    def run(self, interruption: AbstractContextManager[object] = nullcontext()) -> Self:  # noqa: B008
        """Make one try, in this context, and another one if Airflow would."""
        self._try(interruption)
        if self.ends[-1] == "AirflowTaskTimeout":
            self._try(nullcontext())
        return self

    def _try(self, interruption: AbstractContextManager[object]) -> None:
        many = len(self.numbers) > 1
        data = [{"n": number} for number in self.numbers]
        operator = MirrorDBCreateOperator(
            task_id="task",
            endpoint="api/users",
            data=data if many else data[0],
            bulk=many,
            **self._arguments,
        )
        context = self._tries.context()
        if not self._with_store:
            del context["task_state_store"]
        try:
            with interruption:
                operator.execute(context)
        except (AirflowTaskTimeout, AirflowFailException) as error:
            self.ends.append(type(error).__name__)
        else:
            self.ends.append("success")


def created(backend: Creates, task: Task) -> list[int]:
    """Return how often each record of a task arrived."""
    return [backend.bodies.count(b'{"n":%d}' % number) for number in task.numbers]


def created_elsewhere(number: int) -> int:
    """Create a record in another thread, which uses the same loop in its turn, and return its id.

    By the hook: Airflow 2.11 executes operators only in the thread that imported it.
    """
    with ThreadPoolExecutor(1) as another, MirrorDBHook() as hook:
        created: int = another.submit(hook.create, "api/users", {"n": number}).result()["id"]
    return created


STRIKES = 40
#: A coroutine that was made and not begun is one that nobody awaits.
NOT_BEGUN = "ignore:Exception ignored .+<coroutine:pytest.PytestUnraisableExceptionWarning"


@pytest.mark.filterwarnings(NOT_BEGUN)
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("with_store", [True, False])
@pytest.mark.parametrize("many", [1, 3])
def test_a_time_out_at_any_step_sends_nothing_twice(
    backend: Creates, many: int, with_store: bool, part: int
) -> None:
    """Its first try is struck at one of its steps, and ends as what that was, or for good."""
    numbers = itertools.count()

    def task() -> Task:
        return Task([next(numbers) for _ in range(many)], with_store=with_store)

    task().run()  # leaves a loop with its connections to all others
    whole = Striking()
    task().run(whole)
    stride = whole.steps // STRIKES
    for step in range(1 + part * stride // 3, whole.steps, stride):
        struck, striking = task(), Striking(step)
        with TimeOut() as handler:
            struck.run(striking)
        sent = created(backend, struck)
        told = (struck.ends, sent, striking.where)
        assert max(sent) <= 1, told
        assert handler.calls == bool(striking.where), told
        assert (struck.ends[0] == "success") is not bool(striking.where), told
        assert struck.ends[-1] != "success" or min(sent) == 1, told
    assert created_elsewhere(next(numbers)) == 1


class Sending:
    """Sends a signal after some time, unless what runs inside is over by then."""

    def __init__(self, seconds: float) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, args=(seconds, threading.get_ident()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self, seconds: float, thread: int) -> None:
        if not self._over.wait(seconds):
            signal.pthread_kill(thread, SIGNAL)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_time_out_at_any_time_sends_nothing_twice(
    backend: Creates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals of another thread, which come wherever this one is just then.

    Python drops what strikes while it collects garbage, as it drops all exceptions there; also a complaint
    of a coroutine that was made and not begun, which is no signal.
    """
    dropped = list[BaseException]()

    def note(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, AirflowTaskTimeout):
            dropped.append(unraisable.exc_value)

    monkeypatch.setattr(sys, "unraisablehook", note)
    began = time.monotonic()
    for number in range(10):
        Task([number], with_store=True).run()
    rng, usual = random.Random(12), (time.monotonic() - began) / 10
    for number in range(10, 110):
        struck = Task([number], with_store=True)
        with TimeOut() as handler:
            struck.run(Sending(rng.uniform(0, usual)))
        assert created(backend, struck)[0] <= 1, struck.ends
        assert handler.calls == (struck.ends[0] != "success") + len(dropped), struck.ends
        dropped.clear()
    assert created_elsewhere(1000) == 1


@pytest.mark.parametrize(("with_store", "second"), [(True, "success"), (False, None)])
def test_a_filter_that_hangs_does_not_outlive_the_time_out(
    backend: Creates, with_store: bool, second: str | None
) -> None:
    """The filter of a bulk is called on the loop, which cannot stop for a signal meanwhile."""
    gone_on = list[int]()

    def hanging(answer: Any) -> Any:
        if not handler.calls:
            signal.raise_signal(SIGNAL)
            gone_on.append(answer["n"])
        return answer

    struck = Task(range(3), with_store=with_store, concurrency=1, response_filter=hanging)
    with TimeOut() as handler:
        struck.run()
    assert gone_on == []
    assert struck.ends == (["AirflowTaskTimeout", second] if second else ["AirflowFailException"])
    assert max(created(backend, struck)) == 1
