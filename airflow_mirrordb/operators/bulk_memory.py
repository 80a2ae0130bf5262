"""What a task remembers of a bulk from one try to the next, in Airflow's task state store (3.3 on)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mirrordb.client.bulk import BulkRecord, BulkReport
from airflow_mirrordb.client.errors import InvalidRequestError, InvalidResponseError
from airflow_mirrordb.operators.memory import LARGEST

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

T = TypeVar("T")

log = logging.getLogger(__name__)

NAME = "mirrordb_bulk"
ROW = LARGEST // 2  # bytes of answers after which a further row is begun
#: Each look at the store is a message to Airflow's supervisor: there is one in about so many seconds.
EVERY = 1.0
FEWEST, MOST = 32, 1000  # records between two


class BulkMemory:
    """Lets a retry of a task repeat only those records of a bulk that are not done.

    Records are told by their position. The first try keeps the list, if it is not too large, and the
    idempotency key, so that data templated with ``now()`` is the same in each try. Done records are
    noted with their answers after each window of records. Where a write may not be repeated, a window is
    noted before any of it is sent: what a killed try had noted so, and not as done, is ``unknown``.

    Clearing a task begins anew, as with :class:`~airflow_mirrordb.operators.memory.WriteMemory`. Without
    a task state store nothing is remembered.

    :param most_bytes: of all answers together that are kept; a read whose answer is not is done again
    :param reads: whether the records are reads
    """

    def __init__(self, context: Context, *, most_bytes: int, reads: bool) -> None:
        self._store: Any = context.get("task_state_store")
        self._epoch = getattr(context["ti"], "max_tries", None)
        self._room, self._reads = most_bytes, reads
        self.repeatable = True
        self._rows = 0
        self._seen, self._open = 0, list[int]()  # of the report: how many were begun, which of them are open
        self._ambiguous: set[int] = set()
        self.done: dict[int, Any] = {}
        self.unknown: set[int] = set()
        self.left: list[int] = []
        self.report = BulkReport()

    @property
    def works(self) -> bool:
        """Whether there is a store."""
        return self._store is not None

    def keep(self, key: str | None, records: list[dict[str, Any]]) -> tuple[str | None, list[dict[str, Any]]]:
        """Return the key and the records of the first try; keep these if there was none.

        :raises InvalidRequestError: if there is another number of records than in the first try
        """
        first = self._get(NAME)
        if first is None:
            first = {"key": key, "total": len(records)}
            self._set(NAME, {**first, "records": records} if _is_small(records) else first)
            return key, records
        records = first.get("records", records)
        if len(records) != first["total"]:
            message = (
                f"an earlier try of this task had {first['total']:,} records, and this one has"
                f" {len(records):,}: which of them are done cannot be told; clear the task to send all"
            )
            raise InvalidRequestError(message=message, field="data")
        while (row := self._get(f"{NAME}_{self._rows}")) is not None:
            self.done.update(row)
            self._rows += 1
        self.unknown = set(self._get(f"{NAME}_begun") or ()) - self.done.keys()
        return first["key"], records

    def begin(self, total: int, *, repeatable: bool) -> None:
        """Say what is left for this try.

        :param repeatable: whether all records may be sent twice
        """
        self.repeatable = repeatable
        self.left = [at for at in range(total) if at not in self.done and at not in self.unknown]
        if len(self.left) < total:
            log.info("%d of %d records are left by an earlier try of this task", len(self.left), total)

    def watched(self, items: Sequence[T]) -> Iterator[T]:
        """Yield the items that are left, and remember what becomes of them, a window at a time."""
        start, size = 0, FEWEST
        while window := self.left[start : start + size]:
            began = time.monotonic()
            self.remember(window)
            yield from (items[position] for position in window)
            start += len(window)
            size = int(size * EVERY / max(time.monotonic() - began, 1e-9))
            size = max(FEWEST, min(size, MOST))

    def remember(self, coming: Sequence[int] = ()) -> None:
        """Note what is done, and what is in flight or will be next."""
        if self._store is None:
            return
        records = self.report.records
        self._open += range(self._seen, len(records))
        self._seen = len(records)
        row, size = list[list[Any]](), 0
        for at in self._open:
            if (record := records[at]) is not None and (entry := self._entry(self.left[at], record)):
                row.append(entry)
                size += len(json.dumps(entry))
                if size > ROW:
                    self._append(row)
                    row, size = [], 0
        self._append(row)
        self._open = [at for at in self._open if records[at] is None]
        if not self.repeatable:
            in_flight = [self.left[at] for at in self._open]
            self._set(f"{NAME}_begun", sorted({*self.unknown, *self._ambiguous, *in_flight, *coming}))

    def _entry(self, position: int, record: BulkRecord) -> list[Any] | None:
        """Return what is kept of a record; None if the next try has to send it, or to tell of it."""
        if record.status == "ambiguous":
            self._ambiguous.add(position)
        applied = isinstance(record.error, InvalidResponseError) and not self._reads
        if record.status != "done" and not applied:
            return None
        self._room -= len(json.dumps(record.response))
        if self._room >= 0:
            return [position, record.response]
        return None if self._reads else [position, None]

    def _append(self, row: list[list[Any]]) -> None:
        if row:
            self._set(f"{NAME}_{self._rows}", row)
            self._rows += 1

    def _get(self, name: str) -> Any:
        kept = self._store and self._store.get(name)
        return kept["value"] if kept and kept["epoch"] == self._epoch else None

    def _set(self, name: str, value: Any) -> None:
        if self._store is not None:
            self._store.set(name, {"epoch": self._epoch, "value": value})


def _is_small(records: list[dict[str, Any]]) -> bool:
    try:
        return len(json.dumps(records, allow_nan=False)) <= LARGEST
    except (TypeError, ValueError):  # a record that cannot be sent either
        return False
