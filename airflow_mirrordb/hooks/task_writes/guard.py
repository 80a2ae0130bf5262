"""The writes of hooks and clients in a running task, whose retry makes them all again from its beginning."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Hashable
from heapq import heappop, heappush
from threading import Lock
from typing import Any, TypeVar

from airflow_mirrordb.client.bodies.encoding import fingerprint
from airflow_mirrordb.client.calls.write_guard import WriteGuard
from airflow_mirrordb.client.collections.record_names import RecordNames, name_of
from airflow_mirrordb.client.errors import AmbiguousWriteError, InvalidRequestError, MirrorDBError
from airflow_mirrordb.client.messages.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.messages.write_mark import WriteMark
from airflow_mirrordb.client.retries.write_safety import UNKNOWN
from airflow_mirrordb.compat import is_from_its_beginning, running_task, task_of_writes
from airflow_mirrordb.hooks.task_writes.marks import WriteMarks

T = TypeVar("T")

#: Tries of tasks whose writes are told apart at a time. One runs in a process, and many after each other in
#: that of ``dag.test()``.
MOST_TRIES = 100


class TaskGuard(WriteGuard):
    """Lets the retry of a task know the writes of the try before it.

    A write has the same idempotency key in each try: it is derived from the installation of Airflow, the
    task, its run, map index and clear, the connection, what the write says, and how many equal ones of this
    try before it may have been applied. Equal writes can stand for each other, so that their order does not
    matter, nor the thread or hook that they are made by.

    A write that may not be repeated is marked in Airflow's task state store (3.3 on) right before it is sent,
    so that no other try sends it; so is a DELETE, which then may meet the 404 of its own success.

    Keys are random, and nothing is marked, outside of a task and where counts would begin anew in the same
    try: in processes that a task forked, after a deferral, and in a sensor. Two writes would have one key
    there.

    :param conn_id: id of the connection
    :param once: False to mark nothing
    """

    def __init__(self, conn_id: str, *, once: bool = True) -> None:
        self._conn_id, self._once = conn_id, once

    def keyed(self, request: MirrorDBRequest, changes: str) -> tuple[str, WriteMark | None]:
        writes = _writes_of_task()
        if writes is None:
            return super().keyed(request, changes)
        mark = _Mark(writes, self._said_by(request, changes), request, is_stored=False)
        return f"{writes.key}-{mark.name}", mark

    def mark_of(self, request: MirrorDBRequest, changes: str, *, repeatable: bool) -> WriteMark | None:
        is_marked = not repeatable or (request.method == "DELETE" and not request.missing_ok)
        if not (is_marked and self._once and request.once):
            return None
        writes = _writes_of_task()
        if writes is None or writes.marks is None:
            return None
        return _Mark(writes, self._said_by(request, changes), request, is_stored=True)

    def _said_by(self, request: MirrorDBRequest, changes: str) -> str:
        """Return what tells a write from all others that are not equal to it."""
        try:
            content = _CONTENTS.content_of(request)
        except InvalidRequestError:  # who sends it refuses it, with its place
            content = fingerprint(repr(request))
        return f"{self._conn_id} {changes} {content}"


class _Mark(WriteMark):
    """The mark of one write of a task; that of a write with a key is its number alone.

    :param content: the same of equal writes
    :param is_stored: whether the next try has to know of it
    """

    def __init__(
        self, writes: _WritesOfTry, content: str, request: MirrorDBRequest, *, is_stored: bool
    ) -> None:
        self._writes, self._content, self._request = writes, content, request
        self._number: int | None = writes.numbers.take(content)
        self.name = name_of(content, self._number)
        self._stored = writes.marks if is_stored else None

    @property
    def tries_before(self) -> int:
        return self._writes.tries_before if self._stored is None else 0

    async def recall(self) -> bool:
        marks = self._writes.marks
        if marks is None or not (self._stored or self.tries_before):
            return False
        before = await self._asked(marks.of_earlier_try(self.name))
        if before is None:
            return False
        self._number = None  # it is used up, whatever becomes of this write
        if self._request.method != "DELETE":  # also with a key: the try before had none
            raise not_sent_again(self._request, is_applied=before.is_applied)
        return True

    async def store(self) -> None:
        if self._stored is not None:
            await self._asked(self._stored.store(self.name))

    def settle(self) -> None:
        if self._stored is not None:
            self._stored.settle(self.name)

    def take_back(self) -> Awaitable[None]:
        if self._number is not None:
            self._writes.numbers.give_back(self._content, self._number)
            self._number = None
        return _nothing() if self._stored is None else self._stored.take_back(self.name)

    async def _asked(self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except Exception as error:
            message = (
                "it was not sent: what tries of a task know of each other's writes is in Airflow's task state"
                f" store, and that failed: {type(error).__name__}: {error}"
            )
            failed = MirrorDBError(message=message, retryable=True)
            raise attach_request(failed, self._request) from error


async def _nothing() -> None:
    """What there is to await where nothing was stored."""


_CONTENTS = RecordNames()


class _Numbers:
    """Numbers equal writes of a try. That of one which was not applied goes to the next one."""

    def __init__(self) -> None:
        self._next = Counter[bytes]()
        self._given_back: dict[bytes, list[int]] = {}
        self._counting = Lock()

    def take(self, content: str) -> int:
        """Return the lowest number that no equal write has."""
        short = _short(content)
        with self._counting:
            if given_back := self._given_back.get(short):
                return heappop(given_back)
            self._next[short] += 1
            return self._next[short] - 1

    def give_back(self, content: str, number: int) -> None:
        """Let the next equal write have a number."""
        with self._counting:
            heappush(self._given_back.setdefault(_short(content), []), number)


def _short(content: str) -> bytes:
    """Return what takes little memory where a task makes a million writes."""
    return hashlib.sha256(content.encode()).digest()[:12]


def not_sent_again(request: MirrorDBRequest, *, is_applied: bool = False) -> AmbiguousWriteError:
    """Return the error of a write that an earlier try of a task may have sent, and that may not be repeated.

    :param is_applied: whether that try saw its success
    """
    if is_applied:
        message = (
            "an earlier try of this task has applied this write, and its answer is not kept; it was not sent"
            " again. Clear the task to send it anew; 'once=False' sends it in each try"
        )
    else:
        message = (
            f"{UNKNOWN}: an earlier try of this task was ended before it had the result; look, then clear the"
            " task to send it again"
        )
    return attach_request(AmbiguousWriteError(message=message), request)


class _WritesOfTry:
    """Tells the writes of one try of a task apart.

    :param context: of the task
    """

    def __init__(self, context: Any) -> None:
        task = context["ti"]
        identity = task_of_writes(task)
        #: What begins the idempotency keys of all its writes.
        self.key = fingerprint(identity)[:40]
        self.tries_before = max(0, (getattr(task, "try_number", None) or 1) - 1)
        store = context.get("task_state_store")
        self.marks = None if store is None else WriteMarks(store, epoch=identity[-1])
        self.numbers = _Numbers()


_tries: OrderedDict[Hashable, _WritesOfTry | None] = OrderedDict()
_beginning = [Lock()]
_forked_from: list[Hashable] = []


def _writes_of_task() -> _WritesOfTry | None:
    """Return what tells the writes of the running task apart; None where its retry would make others."""
    context = running_task()
    if context is None or (identity := _identity_of(context)) is None:
        return None
    if identity not in _tries:
        with _beginning[0]:
            is_known = identity not in _forked_from and is_from_its_beginning(context)
            _tries.setdefault(identity, _WritesOfTry(context) if is_known else None)
            while len(_tries) > MOST_TRIES:
                _tries.popitem(last=False)
    return _tries[identity]


def _identity_of(context: Any) -> Hashable | None:
    """Return what tells the tries of tasks apart that one process runs; None without a task instance."""
    ti = context.get("ti")
    if ti is None:
        return None
    tries = getattr(ti, "max_tries", None), getattr(ti, "try_number", None)
    return ti.dag_id, ti.run_id, ti.task_id, ti.map_index, *tries


def _after_fork() -> None:
    """Know in a forked process which task forked it; one that Airflow forked for a task has none yet."""
    _beginning[0] = Lock()
    _tries.clear()
    context = running_task()
    if context is not None:
        _forked_from.append(_identity_of(context))


os.register_at_fork(after_in_child=_after_fork)
