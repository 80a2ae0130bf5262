"""Paths into a decoded JSON body: one language for all of them; light, for DAG files name paths as well.

It is JMESPath (https://jmespath.org/specification.html), as ``meta.next``, ``entry[].resource``,
``data[-1].id`` or ``link[?relation=='next'].url | [0]``, with two conveniences:

- what is a key of the body as it is written, or of an object on the way, is that key, dots and all:
  ``@odata.nextLink``, ``conf.core.dag_dir``. It wins over what else the path would mean. Names may so hold
  any character that JMESPath has no use for: ``hydra:view.hydra:next``, ``next-page``, ``$skip``.
- a number between dots counts in a list, from its end if it is negative: ``job.steps.0.state``,
  ``data.-1.id``; in an object it is a key.

:func:`parse_path` when arguments are checked, then :meth:`Path.value_in`. A path is parsed once. One of
names and numbers, as nearly all are, is followed here, and tells null from what is not there; any other is
for the library ``jmespath``, which is loaded with the first of them.

A path of names and numbers can be written to as well (:meth:`Path.placed_in`). Other names with dots, as
``request_envelope`` or the ``ignore`` of an event trigger, are no such paths.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: Characters of the longest path.
MAX_LENGTH = 2000
#: Characters of a path that an error quotes.
MAX_SHOWN = 200


class Absent:
    """The type of :data:`ABSENT`."""

    def __repr__(self) -> str:
        return "ABSENT"


#: What a path finds where there is nothing; equal to no JSON value.
ABSENT = Absent()

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_SYNTAX = r""".\[\](){}|&*`'"<>=!,?\\"""  # of JMESPath; a name may hold all else
_STEP = re.compile(
    rf"(?P<quoted>{_QUOTED})"
    rf"|(?P<name>(?!@(?:[.\[]|$))[^\s{_SYNTAX}](?:[^{_SYNTAX}]*[^\s{_SYNTAX}])?)"
    r"|\[(?P<index>-?\d+)\]",
    re.ASCII,
)
_NUMBER = re.compile(r"-?\d+", re.ASCII)
#: A number between dots, with what may stand before it that is no syntax: texts and quoted names.
_NUMBER_OR_TEXT = re.compile(
    rf"{_QUOTED}|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|(?:^|\.)(?P<number>-?\d+)(?=[.\[\]|)}},\s]|$)", re.ASCII
)
#: Whatever an expression of an author's meets in a body of a backend's.
_FAILURES = (ValueError, TypeError, ArithmeticError, AttributeError, RecursionError)


#: What JSON calls a type of Python.
_JSON_TYPES = {
    "NoneType": "null",
    "bool": "boolean",
    "dict": "object",
    "float": "number",
    "int": "number",
    "list": "array",
    "str": "string",
}
#: What Python says where the library does not look at types, in words that quote no value.
_TYPE_FAILURES = (
    (
        re.compile(r"not supported between instances of '(\w+)' and '(\w+)'"),
        "it compares {} with {}; make both of one type first, by to_number(…) or to_string(…)",
    ),
    (
        re.compile(r"requires string as left operand, not (\w+)"),
        "contains() looks for {} in string; make it a string first, by to_string(…)",
    ),
    (
        re.compile(r"'(\w+)' object is not"),
        "a function meets {}, which it cannot take; give it something in its place, as by a || `{{}}`",
    ),
)


class PathError(ValueError):
    """A text is no path, or what a path says cannot be done with a body, as the length of a number."""


class NullInPathError(PathError):
    """What an expression says cannot be done, since null is where it needs a value, or nothing is there."""


class _Step(NamedTuple):
    """One step of a plain path.

    :param name: key in an object; None for an index in brackets
    :param place: index in a list; None for a name that is no number
    :param rest: this step and all after it, as they are written
    """

    name: str | None
    place: int | None
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A path that was parsed, by :func:`parse_path`.

    :param text: as its author wrote it
    """

    text: str
    _steps: tuple[_Step, ...] = field(repr=False)
    _search: Callable[[Any], Any] | None = field(repr=False)

    @property
    def is_expression(self) -> bool:
        """Whether it is more than names and numbers: what is not there is null then, as JMESPath says."""
        return self._search is not None

    @property
    def tree(self) -> dict[str, Any] | None:
        """What an expression was parsed to, by the library ``jmespath``; None for a plain path."""
        parsed = getattr(self._search, "__self__", None)
        return None if parsed is None else parsed.parsed

    @property
    def names(self) -> tuple[str, ...]:
        """The names and numbers of a plain path, as texts; none of an expression."""
        return tuple(str(step.place) if step.name is None else step.name for step in self._steps)

    @property
    def head(self) -> Path | None:
        """The plain path that an expression begins with, as ``entry`` of ``entry[].resource``, if it does."""
        position, head = 0, ""
        while match := _STEP.match(self.text, position):
            head, rest = self.text[: match.end()], self.text[match.end() :]
            if not rest or rest[0] not in ".[":
                return None if rest else parse_path(head)
            position = match.end() + (rest[0] == ".")
        return parse_path(head) if head and self.text[len(head)] == "[" else None

    def value_in(self, body: Any) -> Any:
        """Return what lies at this path of a decoded body, be it null; :data:`ABSENT` if nothing does.

        Takes as long as the path, or as what an expression does with the body.

        :raises NullInPathError: if an expression cannot be done with null, or with what is not there
        :raises PathError: if it cannot be done, as a function meets a value of another type
        """
        if self._search is not None:
            if isinstance(body, dict) and self.text in body:
                return body[self.text]
            return self._searched(body)
        for name, place, rest in self._steps:
            if isinstance(body, dict):
                if rest in body:
                    return body[rest]
                if name not in body:
                    return ABSENT
                body = body[name]
            elif isinstance(body, list) and place is not None and -len(body) <= place < len(body):
                body = body[place]
            else:
                return ABSENT
        return body

    def placed_in(self, body: Any, value: Any) -> Any:
        """Return a copy of a body that has a value at this path; missing objects on the way are made.

        :raises PathError: if this is an expression, or what is on the way is neither an object nor a list
        """
        if self.is_expression:
            raise PathError(
                f"{_shown(self.text)} is an expression, and only names and numbers say where to write"
            )
        return self._placed(body, self._steps, value)

    def _placed(self, body: Any, steps: tuple[_Step, ...], value: Any) -> Any:
        if not steps:
            return value
        (name, place, rest), *further = steps
        if body is None and name is not None:
            body = {}
        if isinstance(body, Mapping):
            if rest in body:
                return {**body, rest: value}
            if name is not None:
                return {**body, name: self._placed(body.get(name), tuple(further), value)}
        elif isinstance(body, Sequence) and place is not None and -len(body) <= place < len(body):
            items = list(body)
            items[place] = self._placed(items[place], tuple(further), value)
            return items
        raise PathError(f"{_shown(self.text)}: there is no place for {rest!r:.200} in {type(body).__name__}")

    def _searched(self, body: Any) -> Any:
        assert self._search is not None  # noqa: S101  # the caller asked
        try:
            return self._search(body)
        except _FAILURES as error:
            words, types = _failure(error)  # its own words may hold the body
            kind = NullInPathError if "null" in types else PathError
            raise kind(f"{_shown(self.text)}: {words}") from None


@functools.lru_cache(maxsize=1024)
def parse_path(text: str) -> Path:
    """Return a path that was parsed; that of a text which was parsed before is the same.

    :raises PathError: if it is none; says what is wrong with it, and where
    """
    if not isinstance(text, str):
        raise PathError(f"{text!r:.200} is no path, but of the type {type(text).__name__}")
    if not text.strip() or len(text) > MAX_LENGTH:
        limit = f"it is longer than {MAX_LENGTH:,} characters" if text.strip() else "it is empty"
        raise PathError(f"{_shown(text)} is no path: {limit}")
    if steps := tuple(_steps(text)):
        return Path(text=text, _steps=steps, _search=None)
    return Path(text=text, _steps=(), _search=_compiled(text))


def value_at(body: Any, path: str) -> Any:
    """Return what lies at a path of a body, or :data:`ABSENT`.

    :raises PathError: if it is no path, or cannot be followed
    """
    return parse_path(path).value_in(body)


def _steps(text: str) -> Iterator[_Step]:
    """Yield the steps of a plain path; none if it is not one."""
    steps, position = [], 0
    while match := _STEP.match(text, position):
        rest = text[position:]
        if match["index"] is not None:
            steps.append(_Step(None, int(match["index"]), rest))
        elif match["quoted"] is not None:
            steps.append(_Step(_unquoted(match["quoted"]), None, rest))
        else:
            name = match["name"]
            steps.append(_Step(name, int(name) if _NUMBER.fullmatch(name) else None, rest))
        position = match.end()
        if position == len(text):
            yield from steps
            return
        if text[position] == ".":
            position += 1
            if text[position : position + 1] == "[":  # a list of expressions
                return
        elif text[position] != "[":
            return


def _unquoted(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError as error:
        raise PathError(f"{quoted!r} in a path is no name in double quotes: {error}") from None


def _compiled(text: str) -> Callable[[Any], Any]:
    import jmespath  # noqa: PLC0415  # few DAG files name an expression

    def in_brackets(match: re.Match[str]) -> str:
        return match[0] if match["number"] is None else f"[{match['number']}]"

    try:
        parsed = jmespath.compile(_NUMBER_OR_TEXT.sub(in_brackets, text))
        problem = next(_problems(parsed.parsed), None)
    except _FAILURES as error:
        problem = _parse_failure(error)
    if problem is not None:
        raise PathError(f"{_shown(text)} is no path (JMESPath): {problem}")
    search: Callable[[Any], Any] = parsed.search
    return search


def _problems(node: Any) -> Iterator[str]:
    """Yield what is wrong with the functions of an expression, which the library looks at with each body."""
    from jmespath.functions import Functions  # noqa: PLC0415

    for inner in nodes_of({"type": "path", "children": [node]}):
        children = inner["children"]
        if inner["type"] == "slice" and children[2] == 0:
            yield "a slice has no step 0"
        if inner["type"] != "function_expression":
            if any(isinstance(child, dict) and child["type"] == "expref" for child in children):
                yield "& stands only before an argument of a function"
            continue
        known = Functions.FUNCTION_TABLE.get(inner["value"])
        if known is None:
            yield f"there is no function {inner['value']}()"
            continue
        least, more = len(known["signature"]), known["signature"][-1].get("variadic")
        if len(children) < least or (len(children) > least and not more):
            yield f"{inner['value']}() takes {least} arguments{' or more' if more else ''}"


def nodes_of(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes of what the library parsed an expression to, the outer ones first."""
    waiting = [tree]
    for node in waiting:  # which grows on the way
        waiting += [child for child in node["children"] if isinstance(child, dict)]
        yield node


def _parse_failure(error: Exception) -> str:
    """Return in one line what the library says of a text that it cannot parse."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    token, column = getattr(error, "token_value", None), getattr(error, "lex_position", None)
    reason = f"unexpected {token!r:.100} at column {column}" if token else "it is not complete"
    hint = "a name with other characters than letters, digits and _ is written in double quotes"
    return f"{reason}; {hint}"


def _failure(error: Exception) -> tuple[str, list[str]]:
    """Return what went wrong with a body, without quoting it, and the types of the values in question."""
    if function := getattr(error, "function_name", None):
        wanted = " or ".join(map(str, getattr(error, "expected_types", ())))
        types = [_json_type(str(getattr(error, "actual_type", "something else")))]
        return f"{function}() takes {wanted}, and there is {types[0]}", types
    if isinstance(error, RecursionError):
        return "the body is nested too deeply", []
    for failure, words in _TYPE_FAILURES:
        if isinstance(error, TypeError) and (found := failure.search(str(error))):
            types = [_json_type(name) for name in found.groups()]
            return words.format(*types), types
    return "it cannot be done with values of the types that are there", []


def _json_type(name: str) -> str:
    return _JSON_TYPES.get(name, name)


def _shown(text: str) -> str:
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")
