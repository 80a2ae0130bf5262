"""What a success says of a failure that it tells of, as a job that failed. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_mirrordb.client.bodies.error_details import problem_of_words
from airflow_mirrordb.client.bodies.error_records import Reader, name_of

#: How deep in a body words are looked for, and among how many values.
MAX_DEPTH = 6
MAX_VALUES = 500
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
    level, values = [body], 0
    for _ in range(MAX_DEPTH):
        reader = Reader()
        for value in level:
            if isinstance(value, Mapping):
                for key, item in value.items():
                    if _tells(name_of(key)):
                        reader.read(item, "", 1, "error")
        if told := str(reader):
            return problem_of_words(None, told)[1]
        inner = [item for value in level for item in _inside(value)]
        level = inner[: MAX_VALUES - values]
        values += len(level)
    return ""


def _tells(name: str) -> bool:
    is_named = name in _NAMES or name.startswith(_BEGINNINGS) or name.endswith(_ENDS)
    return is_named and not name.endswith(_NO_WORDS)


def _inside(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, Mapping | list)][:MAX_VALUES]
