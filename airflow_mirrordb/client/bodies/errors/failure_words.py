"""What a success says of a failure that it tells of, as a job that failed. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.errors.details import problem_of_words
from airflow_mirrordb.client.bodies.errors.excerpts import MAX_NAME, Excerpts
from airflow_mirrordb.client.bodies.errors.records import Reader, name_of

#: How deep in a body words are looked for, and among how many lists and objects of each depth, and values.
MAX_DEPTH = 6
MAX_VALUES = 500
MAX_FIELDS = 20_000
#: What the name of a field with such words is, or begins or ends with: ``error``, ``errorResult``,
#: ``failure_reason``, ``state_message``.
_BEGINNINGS = ("error", "fail")
_ENDS = (
    "error",
    "errors",
    "message",
    "messages",
    "reason",
    "failure",
    "failures",
    "exception",
    "cause",
    "causes",
)
_NAMES = frozenset({"detail", "details", "diagnostics", "issues", "problem", "problems", "fault"})
_NO_WORDS = ("at", "time", "date", "count", "id", "ids", "url", "link", "code", "type")


def words_of_failure(body: Any) -> str:
    """Return what a body says of a failure, at most 2 kB; "" if it says nothing.

    Told is what is nearest to its top. A body is a resource, most of which is no words: only what is below
    a name that tells of a failure is read.
    """
    level, excerpts = [body] if isinstance(body, Mapping | list) else [], Excerpts()
    for _ in range(MAX_DEPTH):
        reader = Reader()
        fields = list(islice(chain.from_iterable(map(_fields, level)), MAX_FIELDS))
        for name, item in fields:
            if _tells(name_of(shortened(name, MAX_NAME))):
                reader.read(excerpts.of(item), "", 1, "error")
        if told := str(reader):
            return problem_of_words(None, told)[1]
        level = [item for _, item in fields if isinstance(item, Mapping | list)][:MAX_VALUES]
    return ""


def _tells(name: str) -> bool:
    is_named = name in _NAMES or name.startswith(_BEGINNINGS) or name.endswith(_ENDS)
    return is_named and not name.endswith(_NO_WORDS)


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is in a value; what is in a list has no name."""
    items = value.items() if isinstance(value, Mapping) else (("", item) for item in value)
    return islice(items, MAX_VALUES)
