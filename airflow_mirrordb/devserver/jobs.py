"""Which resources are jobs, how long each job takes, and what it has come to by now."""

import math
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from airflow_mirrordb.devserver.store import JobTimes, Record, Store

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
#: The states that a job stays in.
OVER = frozenset({SUCCEEDED, FAILED, CANCELLED})

QUEUED_FOR, RUNNING_FOR = 1.0, 2.0  # seconds, of a server that is told no others


@dataclass(frozen=True, slots=True)
class Jobs:
    """The resources whose records are jobs: ``Jobs(["batches"], running_for=30)``.

    A job is queued, then it runs, then it has succeeded or failed. The times are those of the clock, also
    while no server runs.

    :param names: as in the path, ``batches`` for ``api/batches``
    :param queued_for: how long a job is queued that does not say so itself, in seconds
    :param running_for: how long it runs then, in seconds
    :param clock: tells the time in seconds since the epoch
    :raises ValueError: a name that no resource can have, or times below 0
    """

    names: Collection[str] = ()
    queued_for: float = field(default=QUEUED_FOR, kw_only=True)
    running_for: float = field(default=RUNNING_FOR, kw_only=True)
    clock: Callable[[], float] = field(default=time.time, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.names, str):
            raise ValueError(f"{self.names!r} is text, not a list of names")  # noqa: TRY004  # one error for all
        for name in self.names:
            if not isinstance(name, str) or not re.fullmatch("[A-Za-z0-9_-]+", name):
                raise ValueError(f"{name!r} is no name of a resource: letters, digits, _ and -")
        for setting in ("queued_for", "running_for"):
            seconds = getattr(self, setting)
            if not 0 <= seconds < math.inf:
                raise ValueError(f"{setting} must be 0 or more seconds, not {seconds}")

    @classmethod
    def of(cls, jobs: "Jobs | Collection[str]") -> "Jobs":
        """Return the jobs, or those of these names with the times of every server.

        :raises ValueError: a name that no resource can have
        """
        return jobs if isinstance(jobs, Jobs) else cls(jobs)

    def update(self, store: Store, record: Record) -> Record:
        """Return the record as it is now; what changed of a job is written to the store."""
        times = store.job_times(record) if record.resource in self.names else None
        if times is None or record.body.get("state") in OVER:
            return record
        body = {**record.body, **_progress_at(self.clock(), times, record.body.get("fail"))}
        return record if body == record.body else store.replace(record, body)


def _progress_at(now: float, times: JobTimes, failure: str | None) -> dict[str, Any]:
    """Return the fields that tell how far a job is which nobody cancelled."""
    if now < times.starts:
        return {"state": QUEUED, "progress": 0}
    if now < times.ends:
        percent = 100 * (now - times.starts) / (times.ends - times.starts)
        return {"state": RUNNING, "progress": min(99, int(percent))}
    if failure:
        return {"state": FAILED, "progress": 99, "error": {"message": failure}}  # 100 is success
    return {"state": SUCCEEDED, "progress": 100}
