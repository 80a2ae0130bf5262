"""What the log says of a bulk: how far it is, which records failed, and how it ended."""

from __future__ import annotations

import logging
import math

from airflow_mirrordb.client.collections.bulk_report import BulkReport, status_of
from airflow_mirrordb.client.errors import MirrorDBError, named, one_line

log = logging.getLogger(__name__)

#: Seconds from one line of progress to the next.
LOG_EVERY = 10.0
#: Failures that get a line of their own.
MOST_LOGGED = 10


class BulkLog:
    """Writes the lines of one bulk.

    The arguments are those of :func:`bulk_name`.
    """

    def __init__(
        self, method: str, endpoint: str | None, method_name: str | None, conn_id: str | None
    ) -> None:
        self._name, self._endpoint = bulk_name(method, endpoint, method_name, conn_id), endpoint
        self._began, self._log_at = 0.0, math.inf

    def begin(self, now: float) -> None:
        """Note when it begins.

        :param now: monotonic seconds, as in all methods
        """
        self._began, self._log_at = now, now + LOG_EVERY

    def failure(self, position: int, report: BulkReport, error: MirrorDBError) -> None:
        """Write the first failures; the error, and the report, tell of all.

        :param position: of the record in the report
        :param report: which has noted the failure
        """
        if (failed := report.failed + report.ambiguous) <= MOST_LOGGED:
            at = "" if error.endpoint in (None, self._endpoint) else f" ({error.endpoint})"
            record, status = report.number_of(position), status_of(error)
            log.warning("%s: record %d%s %s: %s", self._name, record, at, status, one_line(error.message))
        if failed == MOST_LOGGED:
            log.warning("%s: records that fail from here on are only counted", self._name)

    def progress(self, now: float, report: BulkReport) -> None:
        """Write how far it is, if it is time."""
        if now >= self._log_at:
            self._log_at = now + LOG_EVERY
            self._write(now, report, at_end=False)

    def end(self, now: float, report: BulkReport, *, is_broken: bool) -> None:
        """Write how it ended.

        :param is_broken: whether the caller's items could not be had to the last one
        """
        if report.records or report.total or is_broken:
            self._write(now, report, at_end=True)
        else:
            log.info("%s: the list is empty, so nothing was sent", self._name)

    def _write(self, now: float, report: BulkReport, *, at_end: bool) -> None:
        ended, seconds = report.done + report.failed + report.ambiguous, now - self._began
        facts = [str(report), f"after {seconds:.1f} s"]
        if seconds >= 1 and ended:
            facts.append(f"{ended / seconds:.1f}/s")
            if not at_end and report.total is not None:
                facts.append(f"about {(report.total - ended) * seconds / ended:,.0f} s left")
        log.info("%s: %s", self._name, ", ".join(facts))


def bulk_name(method: str, endpoint: str | None, method_name: str | None, conn_id: str | None) -> str:
    """Return the name of a bulk in logs, as ``Bulk of POST api/users through connection crm``.

    :param endpoint: that of all records; None if each has its own
    """
    return f"Bulk of {named(method, endpoint, method_name, conn_id)}"
