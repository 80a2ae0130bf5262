"""Records, request log and idempotent answers in one SQLite file."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

from airflow_mirrordb.devserver.answer import Answer

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA foreign_keys = ON;
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    resource TEXT NOT NULL,
    id TEXT NOT NULL,
    parent TEXT,
    body TEXT NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (resource, id)
);
CREATE INDEX IF NOT EXISTS records_in_order ON records (resource, sequence);
CREATE INDEX IF NOT EXISTS records_by_parent ON records (parent);
CREATE TABLE IF NOT EXISTS job_times (
    sequence INTEGER PRIMARY KEY REFERENCES records ON DELETE CASCADE,
    starts REAL NOT NULL,
    ends REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS last_ids (
    resource TEXT PRIMARY KEY,
    last_id INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS idempotent_answers (
    idempotency_key TEXT PRIMARY KEY,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    payload_sha256 TEXT NOT NULL,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS request_log (
    seq INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    idempotency_key TEXT,
    replayed INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One version of one record.

    :param sequence: position in the order of creation; never given twice, even to the same id
    :param parent: "resource/id" of the record it belongs to, if any
    :param body: what clients see, the id included
    :param version: 1 when created, one more after each write
    """

    sequence: int
    resource: str
    id: str
    parent: str | None
    body: dict[str, Any]
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """When a job starts and ends by itself, in seconds since the epoch."""

    starts: float
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestIdentity:
    """What must be equal in two requests that share an idempotency key."""

    method: str
    path: str
    payload_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLogEntry:
    """One request as it was received and answered.

    :param seq: 1 for the first request of the file, rising
    :param time: when it was answered, in seconds since the epoch
    :param path: as received, with its query
    :param replayed: True if a stored answer was sent again
    """

    seq: int
    time: float
    method: str
    path: str
    status: int
    idempotency_key: str | None
    replayed: bool


class Store:
    """The server's data; usable from any thread.

    Every other call belongs inside ``transaction()``, which keeps threads apart and makes all writes
    inside it one: after ``kill -9`` the file holds all of them or none.

    :param path: the file, created if missing; ":memory:" keeps the data in memory
    :raises sqlite3.Error: the file cannot be opened, or is not an SQLite database
    """

    def __init__(self, path: str | PathLike[str] = ":memory:") -> None:
        self._lock = threading.RLock()
        # isolation_level=None: transactions begin where transaction() says so, not where sqlite3 guesses
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block writes, or nothing of it if the block raises.

        :raises sqlite3.Error: the file cannot be written, or a transaction is open already
        """
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield

    def get(self, resource: str, record_id: str) -> Record | None:
        rows = self._connection.execute(
            "SELECT sequence, resource, id, parent, body, version FROM records WHERE resource = ? AND id = ?",
            (resource, record_id),
        )
        return next(map(_record, rows), None)

    def page(
        self, resource: str, *, parent: str | None = None, limit: int = -1, offset: int = 0
    ) -> list[Record]:
        """Return records in order of creation.

        :param parent: only records that belong to this one ("resource/id"); None for all
        :param limit: how many at most; -1 for all
        :param offset: how many to skip
        """
        rows = self._connection.execute(
            "SELECT sequence, resource, id, parent, body, version FROM records"
            " WHERE resource = :resource AND (:parent IS NULL OR parent = :parent)"
            " ORDER BY sequence LIMIT :limit OFFSET :offset",
            {"resource": resource, "parent": parent, "limit": limit, "offset": offset},
        )
        return [_record(row) for row in rows]

    def count(self, resource: str, *, parent: str | None = None) -> int:
        """Return how many records ``page`` would return without a limit."""
        (count,) = self._connection.execute(
            "SELECT count(*) FROM records"
            " WHERE resource = :resource AND (:parent IS NULL OR parent = :parent)",
            {"resource": resource, "parent": parent},
        ).fetchone()
        return int(count)

    def create(self, resource: str, body: dict[str, Any], *, parent: str | None = None) -> Record:
        """Add a record, under the id in its body or else the resource's next number.

        :raises sqlite3.IntegrityError: the id is taken
        """
        body = body if "id" in body else {"id": self._next_id(resource), **body}
        record_id = str(body["id"])
        self._connection.execute(
            "INSERT INTO records (resource, id, parent, body, version) VALUES (?, ?, ?, ?, 1)",
            (resource, record_id, parent, json.dumps(body)),
        )
        (sequence,) = self._connection.execute("SELECT last_insert_rowid()").fetchone()
        return Record(sequence=sequence, resource=resource, id=record_id, parent=parent, body=body, version=1)

    def _next_id(self, resource: str) -> str:
        """Return the next number that no record bears; a number is given once, even if its record goes."""
        row = self._connection.execute(
            "SELECT last_id FROM last_ids WHERE resource = ?", (resource,)
        ).fetchone()
        number = row[0] + 1 if row else 1
        while self.get(resource, str(number)):
            number += 1
        self._connection.execute(
            "INSERT INTO last_ids (resource, last_id) VALUES (?, ?)"
            " ON CONFLICT (resource) DO UPDATE SET last_id = excluded.last_id",
            (resource, number),
        )
        return str(number)

    def replace(self, record: Record, body: dict[str, Any]) -> Record:
        """Give the record a new body, and with it a new version."""
        self._connection.execute(
            "UPDATE records SET body = ?, version = ? WHERE sequence = ?",
            (json.dumps(body), record.version + 1, record.sequence),
        )
        return replace(record, body=body, version=record.version + 1)

    def delete(self, record: Record) -> None:
        """Remove the record, its children, and theirs."""
        self._connection.execute(
            "WITH RECURSIVE family (sequence, path) AS ("
            " SELECT sequence, resource || '/' || id FROM records WHERE sequence = ?"
            " UNION ALL"
            " SELECT child.sequence, child.resource || '/' || child.id"
            " FROM records AS child JOIN family ON child.parent = family.path"
            ") DELETE FROM records WHERE sequence IN (SELECT sequence FROM family)",
            (record.sequence,),
        )

    def set_job_times(self, record: Record, times: JobTimes) -> None:
        """Make a job of the record.

        :raises sqlite3.IntegrityError: it is one already
        """
        self._connection.execute(
            "INSERT INTO job_times VALUES (?, ?, ?)", (record.sequence, times.starts, times.ends)
        )

    def job_times(self, record: Record) -> JobTimes | None:
        """Return the times of a job; None for a record that is none."""
        row = self._connection.execute(
            "SELECT starts, ends FROM job_times WHERE sequence = ?", (record.sequence,)
        ).fetchone()
        return JobTimes(starts=row[0], ends=row[1]) if row else None

    def recall(self, idempotency_key: str) -> tuple[RequestIdentity, Answer] | None:
        """Return the request that used this key first, and its answer."""
        row = self._connection.execute(
            "SELECT method, path, payload_sha256, status, headers, body FROM idempotent_answers"
            " WHERE idempotency_key = ?",
            (idempotency_key,),
        ).fetchone()
        if row is None:
            return None
        method, path, payload_sha256, status, headers, body = row
        identity = RequestIdentity(method=method, path=path, payload_sha256=payload_sha256)
        return identity, Answer(status=status, headers=json.loads(headers), body=body)

    def remember(self, idempotency_key: str, identity: RequestIdentity, answer: Answer) -> None:
        """Keep the answer for repeats of the request.

        :raises sqlite3.IntegrityError: the key has an answer already
        """
        self._connection.execute(
            "INSERT INTO idempotent_answers VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                idempotency_key,
                identity.method,
                identity.path,
                identity.payload_sha256,
                answer.status,
                json.dumps(dict(answer.headers)),
                answer.body,
            ),
        )

    def log(
        self, method: str, path: str, status: int, *, idempotency_key: str | None, replayed: bool
    ) -> None:
        """Add a request to the log, at the current time."""
        self._connection.execute(
            "INSERT INTO request_log (time, method, path, status, idempotency_key, replayed)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (time.time(), method, path, status, idempotency_key, replayed),
        )

    def requests(self) -> list[RequestLogEntry]:
        """Return the request log, oldest first."""
        rows = self._connection.execute(
            "SELECT seq, time, method, path, status, idempotency_key, replayed FROM request_log ORDER BY seq"
        )
        return [
            RequestLogEntry(
                seq=seq,
                time=answered,
                method=method,
                path=path,
                status=status,
                idempotency_key=idempotency_key,
                replayed=bool(replayed),
            )
            for seq, answered, method, path, status, idempotency_key, replayed in rows
        ]


def _record(row: tuple[int, str, str, str | None, str, int]) -> Record:
    sequence, resource, record_id, parent, body, version = row
    return Record(
        sequence=sequence,
        resource=resource,
        id=record_id,
        parent=parent,
        body=json.loads(body),
        version=version,
    )
