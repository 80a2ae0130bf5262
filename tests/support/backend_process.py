"""The embedded backend as a process of its own, and what its database says of it."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.run_example import SEED, backend, post


@dataclass(frozen=True, kw_only=True)
class BackendProcess:
    """Where the backend is, what opens it, and where it keeps what it was told.

    :param database: its SQLite file, read here behind its back
    """

    url: str
    key: str
    database: Path

    def records(self, resource: str) -> list[dict[str, Any]]:
        """Return all records of a resource, oldest first."""
        query = "SELECT body FROM records WHERE resource = ? ORDER BY sequence"
        return [json.loads(body) for (body,) in self._rows(query, resource)]

    def requests(self, path: str = "") -> list[str]:
        """Return all requests so far as ``GET /api/users/1 200``, those below a path only."""
        query = "SELECT method, path, status FROM request_log WHERE path LIKE ? || '%' ORDER BY seq"
        return [" ".join(map(str, row)) for row in self._rows(query, path)]

    def times(self, method: str, path: str) -> list[float]:
        """Return when requests came, as seconds since the epoch."""
        query = "SELECT time FROM request_log WHERE method = ? AND path = ? ORDER BY seq"
        return [time for (time,) in self._rows(query, method, path)]

    def finish_jobs(self, resource: str) -> None:
        """Let the time of all jobs of a resource be over."""
        jobs = "SELECT sequence FROM records WHERE resource = ?"
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(f"UPDATE job_times SET ends = starts WHERE sequence IN ({jobs})", (resource,))

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query, values).fetchall()


@contextmanager
def running_backend(database: Path, *, jobs: Iterable[str] = ()) -> Iterator[BackendProcess]:
    """Start a backend that holds the orders which the examples read.

    :param jobs: names of the resources that are jobs
    """
    key = secrets.token_urlsafe(24)
    with backend(database, key, jobs=jobs) as url:
        for resource, records in SEED.items():
            for record in records:
                post(f"{url}/api/{resource}", record, key)
        yield BackendProcess(url=url, key=key, database=database)
