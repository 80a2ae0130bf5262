"""The beginning of a decoded value, for who reads words in it: a body may hold millions of values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from airflow_mirrordb.client.auth.redaction import CUT, shortened
from airflow_mirrordb.client.bodies.errors.records import MAX_DEPTH, MAX_NODES

#: Characters of texts and names, and values, that are looked at in all; bytes of a body that is not decoded.
MAX_READ = 64 * 1024
#: Characters of a name.
MAX_NAME = 200


class Excerpts:
    """Takes the beginnings of values, of bounded size in all.

    Of an object its texts and numbers come before what is nested in it: its words are rather there.

    :param left: characters of texts and names, and values, that may still be taken
    """

    def __init__(self, left: int = MAX_READ) -> None:
        self.left = left

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return a value, less what is too much: further items, ends of texts, what is nested too deeply."""
        self.left -= 1
        if isinstance(value, str):
            kept = value if len(value) <= self.left else value[: max(self.left, 0)] + CUT
            self.left -= len(kept)
            return kept
        if isinstance(value, Mapping):
            return self._of_mapping(value, depth + 1)
        if isinstance(value, list):
            found: list[Any] = []
            for item in islice(value, MAX_NODES):
                if self._has_end(item, depth + 1):
                    break
                found.append(self.of(item, depth + 1))
            return found
        return value

    def _of_mapping(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        nested: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for key, item in islice(value.items(), MAX_NODES):
            if self.left <= 0:
                break
            name = shortened(key, MAX_NAME)
            self.left -= len(name)
            found[name] = None  # its place
            if isinstance(item, Mapping | list):
                nested[name] = item
            else:
                found[name] = self.of(item)
        for name, item in nested.items():
            if self._has_end(item, depth):
                del found[name]
            else:
                found[name] = self.of(item, depth)
        return found

    def _has_end(self, item: Any, depth: int) -> bool:
        return self.left <= 0 or (depth > MAX_DEPTH and isinstance(item, Mapping | list))
