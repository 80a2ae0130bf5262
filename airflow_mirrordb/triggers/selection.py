"""What of a body is watched: all of it, or less. Pure, and light."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_mirrordb.conditions import check_path
from airflow_mirrordb.paths import ABSENT, NullInPathError, parse_path, value_at

EACH = "*"  # in a path: each item of a list, or each value of an object

Steps = list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of a decoded body counts; without arguments all of it.

    What is left out is no value that is read, so ``ignore`` takes names and numbers with dots between them
    alone, as ``items.0.age``, where ``*`` stands for each item of a list or each value of an object, as in
    ``items.*.age``. What is a key of an object as it is written is that key, as ``@odata.context``.

    :param field: path of the only value that counts; see :mod:`airflow_mirrordb.paths`
    :param ignore: from the top of the body, what does not count; what is not there is no error
    :param unordered: whether lists with the same items in another order are the same, at any depth
    """

    field: str | None = None
    ignore: Sequence[str] = ()
    unordered: bool = False

    def of(self, body: Any) -> tuple[Any, ...]:
        """Return the value that counts, alone in a tuple; an empty tuple if there is none.

        :raises PathError: if the field is an expression that cannot be done with this body, which is not null
        """
        steps = [] if self.field is None else _steps(self.field)
        try:
            value = body if self.field is None else value_at(body, self.field)
        except NullInPathError:
            return ()
        if value is ABSENT:
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
    for path in ignore:
        if not all(path.split(".")):
            raise ValueError(f"ignore: {path!r} is no name, nor names with dots between them, as job.state")
    for name, value in {"field": field, "cursor": cursor}.items():
        if value is None:
            continue
        if EACH in value.split("."):
            raise ValueError(
                f"{name}: {value!r} must lead to one value, and {EACH!r} leads to many; [*] lists them"
            )
        check_path(name, value)
    if field is not None and ignore and parse_path(field).is_expression:
        raise ValueError(f"ignore: the field {field!r} is an expression, which says itself what counts")
    if field is not None and [] in _below(_steps(field), ignore):
        raise ValueError(f"ignore: it leaves nothing of the field {field!r}")


def _steps(field: str) -> Steps:
    return list(parse_path(field).names)


def _below(steps: Steps, paths: Iterable[str]) -> list[Steps]:
    """Return how paths go on from where some steps lead to; an empty list of steps is that very place."""
    below = [path.split(".") for path in paths]
    for step in steps:
        if [] in below:
            return [[]]
        below = _after(step, below)
    return below


def _after(step: str, paths: Iterable[Steps], from_end: str | None = None) -> list[Steps]:
    """Return how paths go on from a key, or from an item of a list and its place counted from the end."""
    below = []
    for path in paths:
        if path[0] in (step, from_end, EACH):
            below.append(path[1:])
        if len(path) > 1 and ".".join(path) == step:
            below.append([])
    return below


def _without(value: Any, paths: list[Steps]) -> Any:
    """Return a value without what lies at some paths; it is copied only where something is left out."""
    if not paths:
        return value
    if isinstance(value, dict):
        below = {name: _after(name, paths) for name in value}
        return {name: _without(item, below[name]) for name, item in value.items() if [] not in below[name]}
    if isinstance(value, list):
        size = len(value)
        ways = [_after(str(position), paths, str(position - size)) for position in range(size)]
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
