"""What of a body is watched: all of it, or less. Pure, and light."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_mirrordb.task.conditions import MISSING, value_at

EACH = "*"  # in a path: each item of a list, or each value of an object

Steps = list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of a decoded body counts; without arguments all of it.

    A path is written with dots, as ``job.steps.0.state``; digits count in a list, and ``*`` stands for each
    item of a list or each value of an object, as in ``items.*.age``.

    :param field: path of the only value that counts
    :param ignore: paths, from the top of the body, of what does not count; what is not there is no error
    :param unordered: whether lists with the same items in another order are the same, at any depth
    """

    field: str | None = None
    ignore: Sequence[str] = ()
    unordered: bool = False

    def of(self, body: Any) -> tuple[Any, ...]:
        """Return the value that counts, alone in a tuple; an empty tuple if there is none."""
        steps = self.field.split(".") if self.field is not None else []
        value = body if self.field is None else value_at(body, self.field)
        if value is MISSING:
            return ()
        if [] in (ignored := _below(steps, self.ignore)):
            return ()
        value = _without(value, ignored)
        return (_sorted(value) if self.unordered else value,)


WHOLE = Selection()


def check_selection(selection: Selection, cursor: str | None) -> None:
    """Check what an author says is watched.

    :param cursor: path of the value that grows with each change, if there is one
    :raises ValueError: names the argument and says what is wrong with it
    """
    field, ignore = selection.field, selection.ignore
    given = {"field": field is not None, "ignore": bool(ignore), "unordered": selection.unordered}
    if cursor is not None and (names := [name for name, is_given in given.items() if is_given]):
        raise ValueError(f"{names[0]}: with a cursor only that counts; choose records by where")
    for name, paths in {"field": [field], "cursor": [cursor], "ignore": ignore}.items():
        for path in paths:
            if path is not None and not all(path.split(".")):
                raise ValueError(f"{name}: {path!r} is no dotted way, as job.state")
    for name, path in {"field": field, "cursor": cursor}.items():
        if path is not None and EACH in path.split("."):
            raise ValueError(f"{name}: {path!r} must lead to one value, and {EACH!r} leads to many")
    if field is not None and [] in _below(field.split("."), ignore):
        raise ValueError(f"ignore: it leaves nothing of the field {field!r}")


def _below(steps: Steps, paths: Iterable[str]) -> list[Steps]:
    """Return how paths go on from where some steps lead to; an empty list of steps is that very place."""
    below = [path.split(".") for path in paths]
    for step in steps:
        if [] in below:
            return [[]]
        below = _after(step, below)
    return below


def _after(step: str, paths: Iterable[Steps]) -> list[Steps]:
    return [path[1:] for path in paths if path[0] in (step, EACH)]


def _without(value: Any, paths: list[Steps]) -> Any:
    """Return a value without what lies at some paths; it is copied only where something is left out."""
    if not paths:
        return value
    if isinstance(value, dict):
        below = {name: _after(name, paths) for name in value}
        return {name: _without(item, below[name]) for name, item in value.items() if [] not in below[name]}
    if isinstance(value, list):
        ways = [_after(str(position), paths) for position in range(len(value))]
        return [_without(item, way) for item, way in zip(value, ways, strict=True) if [] not in way]
    return value


def _sorted(value: Any) -> Any:
    """Return a value with the items of its lists in an order of their own."""
    if isinstance(value, dict):
        return {name: _sorted(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=_text)
    return value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
