"""What a task remembers of a bulk from one try to the next, in Airflow's task state store (3.3 on)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mirrordb.client.bodies.encoding import encode
from airflow_mirrordb.client.collections.bulk_report import BulkRecord, BulkReport
from airflow_mirrordb.client.collections.record_names import split_names
from airflow_mirrordb.client.errors import (
    DisconnectedError,
    InvalidRequestError,
    InvalidResponseError,
    MirrorDBError,
)
from airflow_mirrordb.client.retries.write_safety import is_page_for_write
from airflow_mirrordb.task.memory.state import LARGEST, TaskState
from airflow_mirrordb.task.serialization import NotStorableError, to_text

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

T = TypeVar("T")

log = logging.getLogger(__name__)

NAME = "mirrordb_bulk"
ROW = LARGEST // 2  # characters of answers after which a further row is begun
#: Each look at the store is a message to Airflow's supervisor: there is one in about so many seconds.
EVERY = 1.0
FEWEST, MOST = 32, 1000  # records between two


@dataclass(slots=True)
class _Row:
    """What is noted at a time of the records of a bulk, by their names.

    :param done: what is kept of the answers
    :param failed: errors that another try would not mend, or must not try to
    :param applied: names of those that are done, and of whose answers nothing is kept
    :param maybe: names of those that failed and may have been applied
    :param begun: names of those that are in flight, or will be next; of the last row alone they count
    """

    done: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, dict[str, Any]] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    maybe: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    size: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, in few characters; names are of one length."""
        lists = {name: "".join(getattr(self, name)) for name in ("applied", "maybe", "begun")}
        values = {"done": self.done, "failed": self.failed, **lists}
        return {name: value for name, value in values.items() if value}


class BulkState:
    """Lets a retry of a task repeat only those records of a bulk that are not done.

    Records are told by their content, see
    :class:`~airflow_mirrordb.client.collections.record_names.RecordNames`.
    The first try keeps the list, if it is not too large, and an author's idempotency key, so that data
    templated with ``now()`` is the same in each try. A larger list comes from the task again, in whatever
    order; it is refused if it does not have all that an earlier try may have applied.

    Writes are noted before they are sent, a window of them at a time, together with what became of those
    before: done ones with their answers, as long as there is room.

    Clearing a task begins anew, and without a task state store nothing is remembered, as with
    :class:`~airflow_mirrordb.task.memory.state.TaskState`.

    :param most_bytes: of all answers and errors together that are kept; a read whose answer is not is
        done again
    :param reads: whether the records are reads
    """

    def __init__(self, context: Context, *, most_bytes: int, reads: bool) -> None:
        self._store = TaskState(context)
        self._room, self._reads = most_bytes, reads
        self._head: dict[str, Any] | None = None  # of the first row
        self._rows: list[dict[str, Any]] = []
        self._count, self._field = 0, ""
        self._seen, self._open = 0, list[int]()  # of the report: how many were begun, which of them are open
        self._begun: list[str] = []  # of the last row
        self._carried: list[str] = []  # of the earlier try's last row, until the first of this try has them
        self._names: Sequence[str] = ()
        self.repeatable = True
        self.done: dict[int, Any] = {}
        self.failed: dict[int, MirrorDBError] = {}
        self.unknown: set[int] = set()
        self.maybe_applied: set[int] = set()
        self.left: list[int] = []
        self.report = BulkReport()

    @property
    def works(self) -> bool:
        """Whether there is a store."""
        return self._store.works

    def recall(
        self, key: str | None, records: list[dict[str, Any]]
    ) -> tuple[str | None, list[dict[str, Any]]]:
        """Return the key and the records of the first try; these if there was none, or they are not known."""
        self._field = "data" if records and "data" in records[0] else "endpoint"
        while (row := self._store.recall(f"{NAME}_{len(self._rows)}")) is not None:
            self._rows.append(row)
        self._count = len(self._rows)
        if not self._rows:
            small = _is_small(records)
            self._head = {"key": key, "total": len(records), **({"records": records} if small else {})}
            return key, records
        first = self._rows[0]
        kept = first.get("records")
        if kept is not None and _is_small(records) and encode(kept) != encode(records):
            log.warning("The list of an earlier try is sent; the one of this try is another")
        return first["key"], kept or records

    def begin(self, names: Sequence[str], *, repeatable: bool) -> None:
        """Say what is left for this try.

        :param names: of all records, in order; an empty one is of a record that cannot be sent
        :param repeatable: whether all records may be sent twice
        :raises InvalidRequestError: if some are missing that an earlier try may have applied
        """
        self.repeatable, self._names = repeatable, names
        at = {name: position for position, name in enumerate(names) if name}
        done, failed, maybe = self._outcomes()
        errors = {name: MirrorDBError.from_dict(error) for name, error in failed.items()}
        applied = {*done, *maybe, *(name for name, error in errors.items() if error.maybe_applied)}
        if not self._reads and (missing := applied - at.keys()):
            raise self._other_list(len(missing), len(names))
        self._carried = sorted(maybe.intersection(self._last_begun()))
        self.done = {at[name]: response for name, response in done.items() if name in at}
        self.failed = {at[name]: error for name, error in errors.items() if name in at}
        positions = {at[name] for name in maybe if name in at}
        self.maybe_applied, self.unknown = (positions, set()) if repeatable else (set(), positions)
        known = self.done.keys() | self.failed.keys() | self.unknown
        self.left = [position for position in range(len(names)) if position not in known]
        self.report.numbers = self.left

    def watched(self, items: Sequence[T]) -> Iterator[T]:
        """Yield the items that are left, and remember what becomes of them, a window at a time."""
        start, size = 0, FEWEST
        while window := self.left[start : start + size]:
            began = time.monotonic()
            self.remember(window, taken=start)
            yield from (items[position] for position in window)
            start += len(window)
            size = int(size * EVERY / max(time.monotonic() - began, 1e-9))
            size = max(FEWEST, min(size, MOST))

    def remember(self, coming: Sequence[int] = (), *, taken: int = 0) -> None:
        """Note what became of records, and which are in flight or will be next.

        :param taken: how many of :attr:`left` whoever sends them has taken; some may not be begun yet
        """
        if not self._store.works:
            return
        records = self.report.records
        self._open += range(self._seen, len(records))
        self._seen = len(records)
        ended = [at for at in self._open if records[at] is not None]
        self._open = [at for at in self._open if records[at] is None]
        begun = [self.left[at] for at in self._open] + self.left[len(records) : taken] + list(coming)
        row = _Row()
        for index, at in enumerate(ended):
            if row.size > ROW:
                self._write(row, [self.left[other] for other in ended[index:]] + begun)
                row = _Row()
            self._add(row, self._names[self.left[at]], records[at])
        self._write(row, begun)

    def _outcomes(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]], set[str]]:
        """Return of all rows what is done, what failed for good, and what else may have been applied."""
        done: dict[str, Any] = {}
        failed: dict[str, dict[str, Any]] = {}
        maybe = set[str]()
        for row in self._rows:
            done.update(row.get("done", {}))
            done.update(dict.fromkeys(split_names(row.get("applied", ""))))
            failed.update(row.get("failed", {}))
            maybe.update(split_names(row.get("maybe", "")))
        maybe.update(self._last_begun())
        return done, failed, maybe - done.keys() - failed.keys()

    def _last_begun(self) -> list[str]:
        return split_names(self._rows[-1].get("begun", "")) if self._rows else []

    def _add(self, row: _Row, name: str, record: BulkRecord | None) -> None:
        """Add what is kept of a record that has ended; nothing if the next try may know nothing of it."""
        assert record is not None  # noqa: S101  # it has ended
        error = record.error
        if isinstance(error, InvalidResponseError) and not self._reads and not is_page_for_write(error):
            row.applied.append(name)
        elif error is None:
            if self._has_room(row, record.response):
                row.done[name] = record.response
            elif not self._reads:
                row.applied.append(name)
        elif name and _is_final(error) and self._has_room(row, kept := _short(error)):
            row.failed[name] = kept
        elif error.maybe_applied:
            row.maybe.append(name)

    def _has_room(self, row: _Row, value: object) -> bool:
        try:
            size = len(to_text(value))
        except NotStorableError:  # as an answer that is nested more deeply than the stack here
            return False
        self._room -= size
        if self._room < 0:
            return False
        row.size += size
        return True

    def _write(self, row: _Row, begun: Sequence[int]) -> None:
        row.maybe += self._carried
        if not self._reads:
            row.begun = [name for position in begun if (name := self._names[position])]
        values = row.to_dict()
        if self._head is not None:
            values |= self._head
        elif not values and not self._begun:
            return
        self._store.remember(f"{NAME}_{self._count}", values)
        self._count += 1
        self._head, self._begun, self._carried = None, row.begun, []

    def _other_list(self, missing: int, total: int) -> InvalidRequestError:
        before = self._rows[0]["total"]
        message = (
            f"this list of {total:,} records does not have {missing:,} that an earlier try of this task, with"
            f" {before:,}, has applied, or may have; nothing was sent now. Let the list be the same in each"
            " try, in any order (from a task before this one, say), or clear the task to send all of it"
        )
        return InvalidRequestError(message=message, field=self._field, maybe_applied=True)


def _is_small(records: list[dict[str, Any]]) -> bool:
    try:
        return len(encode(records)) <= LARGEST
    except InvalidRequestError:  # a record that cannot be sent either
        return False


def _is_final(error: MirrorDBError) -> bool:
    """Whether another try would meet it again, or must not try; not so of a record that was interrupted."""
    return not error.retryable and not isinstance(error, DisconnectedError)


def _short(error: MirrorDBError) -> dict[str, Any]:
    """Return what is kept of an error; a backend may say much, of each record."""
    return {
        name: value[:200] if isinstance(value, str) and name in ("message", "detail") else value
        for name, value in error.to_dict().items()
        if name != "cause"
    }
