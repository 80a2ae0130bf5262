"""What became of the records of a bulk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.errors import AmbiguousWriteError, BulkError, MirrorDBError
from airflow_mirrordb.client.values import value_class

COUNTS = ("done", "failed", "ambiguous", "not_begun")
#: Causes of failures that the error of a bulk tells, and positions that it tells of each; the report has all.
MOST_CAUSES = 3
MOST_POSITIONS = 5
#: Characters of one cause.
MAX_CAUSE = 500
_NOT_BEGUN = {"status": "not_begun"}


@value_class
class BulkRecord:
    """What became of one record.

    :param status: ``ambiguous`` if the write may or may not have been applied, and must not be repeated;
        what ``failed`` was not applied, unless the error is ``maybe_applied``
    :param response: the decoded answer, or what ``response_filter`` made of it
    :param error: why there is none
    """

    status: Literal["done", "failed", "ambiguous", "not_begun"]
    response: Any = None
    error: MirrorDBError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        if self.error is not None:
            return {"status": self.status, "error": self.error.to_dict()}
        return {"status": self.status, "response": self.response} if self.status == "done" else _NOT_BEGUN


@dataclass(slots=True, kw_only=True)
class BulkReport:
    """What became of the records of a bulk.

    :param total: number of all records, if it is known
    :param records: those that were begun, in the order of the items; None is still in flight, or was
        when the bulk was interrupted
    :param numbers: of the records in the caller's own list, where that has others as well; for the log
    """

    total: int | None = None
    records: list[BulkRecord | None] = field(default_factory=list, repr=False)
    done: int = 0
    failed: int = 0
    ambiguous: int = 0
    numbers: Sequence[int] = field(default=(), repr=False, compare=False)

    def number_of(self, position: int) -> int:
        """Return the number by which the caller knows a record."""
        return self.numbers[position] if position < len(self.numbers) else position

    @property
    def not_begun(self) -> int | None:
        """Number of the records that were not sent; None if it is not known."""
        if self.total is None:
            return None
        return self.total - self.done - self.failed - self.ambiguous - self.records.count(None)

    def note(self, position: int, record: BulkRecord) -> None:
        """Write down what became of a record that was begun."""
        self.records[position] = record
        setattr(self, record.status, getattr(self, record.status) + 1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; ``records`` has all, also those that were not begun."""
        records = [{"status": "in_flight"} if it is None else it.to_dict() for it in self.records]
        records += [_NOT_BEGUN] * ((self.total or 0) - len(records))
        counts = {name: getattr(self, name) for name in COUNTS}
        return {**counts, "records": records}

    def has_failed(self, max_failed: float | None) -> bool:
        """Return whether more records failed, or are ambiguous, than may.

        :param max_failed: see :class:`BulkOptions`
        """
        return self.failed + self.ambiguous > self._allowed(max_failed)

    def _allowed(self, max_failed: float | None) -> int:
        if isinstance(max_failed, float):
            number = len(self.records) if self.total is None else self.total
            return math.floor(max_failed * number + 1e-9)  # 0.29 * 100 is a little below 29
        return max_failed or 0

    def error(self, max_failed: float | None = None) -> BulkError:
        """Return the error of a bulk that failed.

        :param max_failed: see :class:`BulkOptions`
        """
        failures = [(at, it.error) for at, it in enumerate(self.records) if it is not None and it.error]
        first = failures[0][1] if failures else MirrorDBError(message="")
        waits = [wait for _, error in failures if (wait := getattr(error, "retry_after", None)) is not None]
        return BulkError(
            message=f"{self}; counted from 0, {_causes(failures)}" if failures else str(self),
            conn_id=first.conn_id,
            method=first.method,
            endpoint=first.endpoint,
            method_name=first.method_name,
            attempts=first.attempts,
            retryable=sum(not error.retryable for _, error in failures) <= self._allowed(max_failed),
            maybe_applied=any(error.maybe_applied for _, error in failures),
            retry_after=max(waits, default=None),
            report=self.to_dict(),
        )

    @property
    def has_applied(self) -> bool:
        """Whether some records of a bulk of writes were applied, or may have been."""
        return any(it is None or it.error is None or it.error.maybe_applied for it in self.records)

    def broken(self, culprit: str, error: Exception, max_failed: float | None = None) -> BulkError:
        """Return the error of a bulk that could not go on, though some of it was applied.

        :param culprit: who raised the error
        :param max_failed: see :class:`BulkOptions`
        """
        broken = self.error(max_failed)
        broken.message += f"; {culprit} raised {shortened(f'{type(error).__name__}: {error}', MAX_CAUSE)}"
        broken.maybe_applied = True
        if isinstance(error, MirrorDBError):
            broken.retryable &= error.retryable
        waits = [broken.retry_after, getattr(error, "retry_after", None)]
        broken.retry_after = max((wait for wait in waits if isinstance(wait, int | float)), default=None)
        return broken

    def __str__(self) -> str:
        rest = "the rest" if self.not_begun is None else self.not_begun and f"{self.not_begun:,}"
        counts = {"failed": self.failed, "ambiguous": self.ambiguous}
        told = [f"{number:,} {name}" for name, number in counts.items() if number]
        told += [f"{rest} not begun"] if rest else []
        return ", ".join([f"{self.done:,} record{'' if self.done == 1 else 's'} done", *told])


def status_of(error: MirrorDBError) -> Literal["failed", "ambiguous"]:
    """Return the status of a record that an error ended."""
    return "ambiguous" if isinstance(error, AmbiguousWriteError) else "failed"


def _causes(failures: Sequence[tuple[int, MirrorDBError]]) -> str:
    """Return why records failed: each cause with the records that it ended, the most frequent one first."""
    positions: dict[str, list[int]] = {}
    for at, error in failures:
        positions.setdefault(shortened(error.message, MAX_CAUSE), []).append(at)
    causes = sorted(positions.items(), key=lambda cause: -len(cause[1]))
    told = [f"{_records(at)}: {message}" for message, at in causes[:MOST_CAUSES]]
    if others := sum(len(at) for _, at in causes[MOST_CAUSES:]):
        told.append(f"{others:,} more failed for other reasons")
    return "; ".join(told)


def _records(positions: Sequence[int]) -> str:
    first = ", ".join(map(str, positions[:MOST_POSITIONS]))
    others = len(positions) - MOST_POSITIONS
    return (
        f"record{'s' if len(positions) > 1 else ''} {first}{f' and {others:,} others' if others > 0 else ''}"
    )
