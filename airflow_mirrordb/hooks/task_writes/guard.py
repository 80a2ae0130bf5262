"""The writes of hooks and clients in a running task, whose retry makes them all again from its beginning."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

from airflow_mirrordb.client.bodies.encoding import fingerprint
from airflow_mirrordb.client.calls.write_guard import WriteGuard
from airflow_mirrordb.client.collections.record_names import RecordNames
from airflow_mirrordb.client.errors import AmbiguousWriteError, InvalidRequestError
from airflow_mirrordb.client.messages.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.messages.write_mark import WriteMark
from airflow_mirrordb.client.retries.write_safety import UNKNOWN
from airflow_mirrordb.compat import is_from_its_beginning, running_task, task_of_writes
from airflow_mirrordb.hooks.task_writes.marks import WriteMarks

#: Tries of tasks whose writes are told apart at a time. One runs in a process, and many after each other in
#: that of ``dag.test()``.
MOST_TRIES = 100


class TaskGuard(WriteGuard):
    """Lets the retry of a task know the writes of the try before it.

    A write has the same idempotency key in each try: it is derived from the installation of Airflow, the
    task, its run, map index and clear, the connection, what the write says, and how many equal ones this try
    made before it. Equal writes can stand for each other, so that their order does not matter, nor the thread
    or hook that they are made by.

    A write that may not be repeated is marked in Airflow's task state store (3.3 on) before it is sent, so
    that no other try sends it; so is a DELETE, which then may meet the 404 of its own success.

    Keys are random, and nothing is marked, outside of a task and where counts would begin anew in the same
    try: in processes that a task forked, after a deferral, and in a sensor. Two writes would have one key
    there.

    :param conn_id: id of the connection
    :param once: False to mark nothing
    """

    def __init__(self, conn_id: str, *, once: bool = True) -> None:
        self._conn_id, self._once = conn_id, once

    @property
    def tries_before(self) -> int:
        writes = _writes_of_task()
        return 0 if writes is None else writes.tries_before

    def key_of(self, request: MirrorDBRequest) -> str:
        writes = _writes_of_task()
        if writes is None:
            return super().key_of(request)
        return f"{writes.key}-{writes.name_of(request, self._conn_id)}"

    def mark_of(self, request: MirrorDBRequest, *, repeatable: bool) -> WriteMark | None:
        is_marked = not repeatable or (request.method == "DELETE" and not request.missing_ok)
        if not (is_marked and self._once and request.once):
            return None
        writes = _writes_of_task()
        if writes is None or writes.marks is None:
            return None
        return _Mark(writes.marks, writes.name_of(request, self._conn_id), request, repeatable=repeatable)


class _Mark(WriteMark):
    """The mark of one write of a task."""

    def __init__(self, marks: WriteMarks, name: str, request: MirrorDBRequest, *, repeatable: bool) -> None:
        self._marks, self._name, self._request, self._repeatable = marks, name, request, repeatable

    async def begin(self) -> bool:
        before = await self._marks.begin(self._name)
        if before is not None and not self._repeatable:
            raise not_sent_again(self._request, is_applied=before.is_applied)
        return before is not None

    def settle(self) -> None:
        self._marks.settle(self._name)

    async def take_back(self) -> None:
        await self._marks.take_back(self._name)


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
        self._names: dict[str, RecordNames] = {}
        self._naming = Lock()

    def name_of(self, request: MirrorDBRequest, conn_id: str) -> str:
        """Return what names a write in each try: its content, and how many equal ones came before it."""
        with self._naming:
            names = self._names.get(conn_id) or self._names.setdefault(conn_id, RecordNames(of=conn_id))
            try:
                return names.of(request)
            except InvalidRequestError:  # who sends it refuses it, with its place
                return names.of_content(fingerprint(repr(request)))


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
