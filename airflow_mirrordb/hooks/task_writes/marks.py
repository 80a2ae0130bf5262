"""What a task notes of its writes for its next try, in Airflow's task state store (3.3 on)."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from airflow_mirrordb.client import forking
from airflow_mirrordb.client.collections.record_names import split_names

log = logging.getLogger(__name__)

NAME = "mirrordb_writes"
#: Names in a row of the store. A row is written as a whole, also for one more name.
ROW = 500


@dataclass(slots=True)
class Mark:
    """What is noted of a write.

    :param is_applied: whether its success was seen; else nobody knows what became of it
    """

    is_applied: bool = False


@dataclass(slots=True)
class _Row:
    """A part of the marks of a try, by the names of their writes.

    :param is_stored: whether the store has it as it is
    """

    marks: dict[str, Mark] = field(default_factory=dict)
    is_stored: bool = True

    def to_dict(self) -> dict[str, str]:
        """Return plain values, in few characters; names are of one length."""
        return {
            "begun": "".join(name for name, mark in self.marks.items() if not mark.is_applied),
            "applied": "".join(name for name, mark in self.marks.items() if mark.is_applied),
        }


class WriteMarks:
    """The marks of the writes of one try of a task, and those of the tries before it.

    Each look at the store is a message to Airflow's supervisor, made in a thread beside the event loop. All
    writes that begin while one is under way are marked together by the next.

    Clearing the task forgets all marks: the epoch changes.

    :param store: Airflow's
    :param epoch: of the task, the same in each retry and another one after a clear
    """

    def __init__(self, store: Any, epoch: object) -> None:
        self._store, self._epoch = store, epoch
        self._changing = Lock()
        self._earlier: dict[str, Mark] | None = None
        self._rows: list[_Row] = []
        self._rows_before = 0
        self._row_of: dict[str, _Row] = {}
        self._change = self._stored_change = 0

    async def of_earlier_try(self, name: str) -> Mark | None:
        """Return the mark that an earlier try left of a write.

        :raises ValueError: if the store has something else there
        :raises Exception: of Airflow, if its store does not answer
        """
        if self._earlier is None:
            await _begin(self._recall)
        assert self._earlier is not None  # noqa: S101  # it was recalled
        return self._earlier.get(name)

    async def store(self, name: str) -> None:
        """Mark a write that is about to be sent.

        :raises Exception: of Airflow, if its store does not answer
        """
        if name not in self._row_of:
            await _begin(self._store_up_to, self._add(name))

    def settle(self, name: str) -> None:
        """Note that a write was applied; the store learns of it with the next write."""
        with self._changing:
            row = self._row_of.get(name)
            if row is not None:
                row.marks[name].is_applied, row.is_stored = True, False

    def take_back(self, name: str) -> asyncio.Future[None]:
        """Let the next try send a write, if this one marked it; begun at once, and done when awaited."""
        with self._changing:
            row = self._row_of.pop(name, None)
            if row is not None:
                del row.marks[name]
            change = self._stored_change if row is None else self._changed(row)
        return _begin(self._try_to_store, change)

    def _add(self, name: str) -> int:
        with self._changing:
            if not self._rows or len(self._rows[-1].marks) >= ROW:
                self._rows.append(_Row())
            row = self._row_of[name] = self._rows[-1]
            row.marks[name] = Mark()
            return self._changed(row)

    def _changed(self, row: _Row) -> int:
        row.is_stored = False
        self._change += 1
        return self._change

    # -- in the thread ---------------------------------------------------------------------------

    def _recall(self) -> None:
        if self._earlier is not None:
            return
        earlier: dict[str, Mark] = {}
        while row := self._store.get(key := f"{NAME}_{self._rows_before}"):
            if not _is_row(row):
                raise ValueError(f"{key!r} is not what this package keeps there")
            if row["epoch"] != self._epoch:
                break
            for state in ("begun", "applied"):
                earlier.update(dict.fromkeys(split_names(row[state]), Mark(is_applied=state == "applied")))
            self._rows_before += 1
        self._earlier = earlier

    def _try_to_store(self, change: int) -> None:
        try:
            self._store_up_to(change)
        except Exception as error:  # noqa: BLE001  # of Airflow; what became of the write matters more
            log.warning("The mark of a write that was not applied stays: %s: %s", type(error).__name__, error)

    def _store_up_to(self, change: int) -> None:
        """Store all that was changed so far, unless that was done meanwhile up to this change."""
        if self._stored_change >= change:
            return
        with self._changing:
            change = self._change
            rows = [(number, row) for number, row in enumerate(self._rows) if not row.is_stored]
            values = [(number, {"epoch": self._epoch, **row.to_dict()}) for number, row in rows]
            for _, row in rows:
                row.is_stored = True
        try:
            for number, value in values:
                self._store.set(f"{NAME}_{self._rows_before + number}", value)
        except BaseException:
            for _, row in rows:
                row.is_stored = False
            raise
        self._stored_change = change


def _is_row(row: object) -> bool:
    if not isinstance(row, dict) or not row.keys() >= {"epoch", "begun", "applied"}:
        return False
    return isinstance(row["begun"], str) and isinstance(row["applied"], str)


#: The thread that talks to the store: its own, since a task may have work in all of its event loop's threads
#: that waits for a write.
_thread: list[ThreadPoolExecutor] = []
forking.empty_when_forked(_thread)


def _begin(function: Callable[..., None], *arguments: Any) -> asyncio.Future[None]:
    if not _thread:
        _thread.append(ThreadPoolExecutor(1, thread_name_prefix="mirrordb-marks"))
    work = contextvars.copy_context().run
    return asyncio.get_running_loop().run_in_executor(_thread[0], work, function, *arguments)
