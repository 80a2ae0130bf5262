"""The arguments of a task before and after rendering: what its author gave must not become nothing.

A missing XCom, an upstream task that returned None and a name that jinja does not know render to None, to the
text ``None`` or to an empty one. A request without what its author gave is another request: without its
``If-Match``, its filter or its body. Light: a DAG file that imports an operator loads no client.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.compat import expanded_arguments
from airflow_mirrordb.json_types import is_list

if TYPE_CHECKING:
    from airflow.sdk.definitions._internal.templater import Templater as Templated
else:
    Templated = object

MAX_DEPTH = 200  # of collections; what is nested more deeply cannot be sent
_MAPPINGS = ("query", "headers", "form", "files")  # which say nothing when they are empty
_VALUES = ("data", "form")  # in which an empty text is a value
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_DELIMITERS = frozenset("/?&=")  # between the parts of a path, a query or a form
_EMPTY_NAME = re.compile(r"\A/|//|/\Z")
_KEY, _TASK = re.compile(r"key='([^']+)'"), re.compile(r"task_ids='([^']+)'")
_MARK = re.compile("\ue000([0-9]+)\ue001")  # stands for an expression, in private-use characters


class _Empty:
    """Stands for an empty text of the author's own, which jinja's native types would make None."""


class _Expanded:
    """Stands for the template of an argument that a mapped task was expanded over."""

    def __repr__(self) -> str:
        return "what the task was expanded over"


class RemembersTemplates(Templated):
    """Mixed into what Airflow renders: remembers each argument as it was before.

    Airflow renders the arguments of a plain task, of a mapped one and of a trigger by
    ``_do_render_template_fields``, and lets operators override it.
    """

    _templates: Mapping[str, Any] = {}  # replaced, never changed
    _renders_unknown_names = False  # as an empty text, instead of raising an error

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Any,
        jinja_env: Any,
        seen_oids: set[int],
        **options: Any,
    ) -> None:
        if parent is self:
            from jinja2 import StrictUndefined

            expanded, templates = expanded_arguments(self), dict[str, Any]()
            for name in template_fields:
                value = getattr(self, name)
                if name in expanded and (value is None or id(value) in seen_oids):
                    templates[name] = _Expanded()  # and no template: an XCom gave it
                else:
                    templates[name] = _templatable(value)
                    setattr(self, name, templates[name])
            self._templates = {**templates, **self._templates}
            self._renders_unknown_names = not issubclass(jinja_env.undefined, StrictUndefined)
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids, **options)
        if parent is self:
            for name, template in self._templates.items():
                setattr(self, name, _with_empty_texts(template, getattr(self, name)))

    def is_rendered(self, name: str) -> bool:
        """Whether a template, or the output of a task, is or was in an argument."""
        return has_template_in(self._templates.get(name))

    def refuse_nothing(self) -> None:
        """Check that nothing of what was given rendered to nothing; before rendering all is as it was given.

        :raises InvalidRequestError: names the argument, the place in it and the template
        """
        for name, template in self._templates.items():
            before, after = _collections_of(template, getattr(self, name), is_json=name == "data")
            empty_counts = name not in _VALUES or self._renders_unknown_names
            for place, given in _lost(before, after, name, empty_counts=empty_counts):
                raise _error(place, given)
            if name in _MAPPINGS and _is_emptied(before, after):
                raise _error(name, before)
            if name == "endpoint":
                _refuse_lost_names(before, after)

    def refuse_vanished(self, query: Any) -> None:
        """Check that a query names nothing without a value, which would be left out, unless written so.

        :param query: what was rendered, with lists in the place of lazy sequences
        :raises InvalidRequestError: names the place
        """
        template = self._templates.get("query")
        if template is None or not isinstance(query, Mapping):
            return
        for name, value in query.items():
            if any(item is not None for item in (value if is_list(value) else [value])):
                continue
            written = template.get(name) if isinstance(template, Mapping) else template
            if written is not None and written != []:
                raise _error(f"query[{name!r}]", written)


def _refuse_lost_names(template: Any, value: Any, place: str = "endpoint") -> None:
    """Refuse an endpoint of whose names one is empty, or all: a slash that is left of it is the base URL."""
    if is_list(template) and is_list(value):
        for index, (item, rendered) in enumerate(zip(template, value, strict=False)):
            _refuse_lost_names(item, rendered, f"{place}[{index}]")
    elif isinstance(template, str) and value == "/" != template and _EXPRESSION.sub("", template) == value:
        raise _error(place, template)
    elif isinstance(template, str) and isinstance(value, str):
        has_empty_name = _EMPTY_NAME.search(value) and not _EMPTY_NAME.search(_EXPRESSION.sub("x", template))
        if has_empty_name and value != "/" and _is_part_lost(template, value, ""):
            from airflow_mirrordb.client.errors import InvalidRequestError

            what = f"{template!r:.200} rendered to {value!r:.200}, in which a name is empty"
            raise InvalidRequestError(message=f"{place}: {what}, as a missing id is", field=place)


def has_template(value: object) -> bool:
    """Whether Airflow will make another value of one: it is a template, or the output of a task."""
    return _EXPRESSION.search(value) is not None if isinstance(value, str) else _makes_a_value(value)


def has_template_in(value: Any) -> bool:
    """Whether Airflow will make another value of one, or of something in it."""
    waiting = [value]
    for item in waiting:  # which grows on the way
        if has_template(item):
            return True
        if isinstance(item, Mapping):
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item
    return False


def template_in(value: object) -> str | None:
    """Return the first text with an expression in a value; None if there is none."""
    items = value.values() if isinstance(value, Mapping) else value if is_list(value) else ()
    for item in items:
        if (found := template_in(item)) is not None:
            return found
    return value if isinstance(value, str) and _EXPRESSION.search(value) else None


def _error(place: str, given: Any) -> Exception:
    from airflow_mirrordb.client.errors import InvalidRequestError

    message = (
        f"{place}: {given!r:.200} rendered to nothing, as a missing XCom, an upstream task that returned None"
        f" or an unknown name does; without what was given it would be another request{_of_item(given)}"
    )
    return InvalidRequestError(message=message, field=place)


def _of_item(given: Any) -> str:
    """Return that an item of a task's output is an XCom of another key, and no field of its result."""
    text = given if isinstance(given, str) else str(given) if hasattr(given, "resolve") else ""
    key, task = (pattern.search(text) for pattern in (_KEY, _TASK))
    if not key or not task or key[1] == "return_value":
        return ""
    field = f"{{{{ ti.xcom_pull('{task[1]}')['{key[1]}'] }}}}"
    return (
        f"; .output[{key[1]!r}] is the XCom of that key, which the task {task[1]!r} has not; a field of its"
        f" result is {field}"
    )


def _templatable(value: Any, depth: int = 0) -> Any:
    """Return a value in which Airflow finds each template: it looks into dicts, lists and plain strings."""
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, str):
        return str.__str__(value) or _Empty()
    if isinstance(value, Mapping):
        return {key: _templatable(item, depth + 1) for key, item in value.items()}
    if is_list(value):
        return [_templatable(item, depth + 1) for item in value]
    return value


def _with_empty_texts(template: Any, value: Any) -> Any:
    """Return a rendered value with the empty texts that its author wrote."""
    if isinstance(template, _Empty):
        return ""
    if isinstance(template, dict) and isinstance(value, dict):
        return {key: _with_empty_texts(template.get(key), item) for key, item in value.items()}
    if isinstance(template, list) and isinstance(value, list):
        pairs = zip(template, value, strict=False)
        return [_with_empty_texts(item, rendered) for item, rendered in pairs]
    return value


def _collections_of(template: Any, value: Any, *, is_json: bool) -> tuple[Any, Any]:
    """Return the lists or dicts that texts stand for, before and after rendering; else what was given.

    :param is_json: whether a text that was rendered is parsed as JSON; native types are parsed already
    """
    if not isinstance(template, str) or not _EXPRESSION.search(template):
        return template, value
    made = _parsed(value, json.loads) if is_json and isinstance(value, str) else value
    if not isinstance(made, Mapping) and not is_list(made):
        return template, value
    before = _template_of_a_collection(template)
    return (template, value) if before is None else (before, made)


def _template_of_a_collection(text: str) -> Any:
    """Return the list or dict that the text of a template stands for, with its expressions where they are.

    Each expression that ``tojson`` ends is a value as it is, be it null. None if the text is no list or dict,
    or has statements, which leave out or repeat what is between them.
    """
    marked, quote, end = "", "", 0
    expressions = list[str]()
    for match in _EXPRESSION.finditer(text):
        expression, literal = match[0], text[end : match.start()]
        if expression.startswith("{%"):
            return None
        quote, end = _open_quote(literal, quote), match.end()
        mark = f"\ue000{len(expressions)}\ue001"
        expressions.append(expression)
        value = mark if quote else "0" if "tojson" in expression else f'"{mark}"'
        marked += literal + value
    marked += text[end:]
    value = _parsed(marked, json.loads)
    if value is None:
        value = _parsed(marked, ast.literal_eval)
    return _with_expressions(value, expressions) if isinstance(value, dict | list) else None


def _open_quote(literal: str, quote: str) -> str:
    """Return the quote that is open after some text; an empty one if none is.

    :param quote: the one that was open before it
    """
    characters = iter(literal)
    for character in characters:
        if character == "\\":
            next(characters, "")
        elif not quote and character in "\"'":
            quote = character
        elif character == quote:
            quote = ""
    return quote


def _with_expressions(value: Any, expressions: list[str]) -> Any:
    """Put expressions back into a value; what a dict has under a name with one is left out."""
    if isinstance(value, str):
        return _MARK.sub(lambda mark: expressions[int(mark[1])], value)
    if isinstance(value, dict):
        return {
            name: _with_expressions(item, expressions)
            for name, item in value.items()
            if not (isinstance(name, str) and _MARK.search(name))
        }
    if isinstance(value, list):
        return [_with_expressions(item, expressions) for item in value]
    return value


def _parsed(text: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _lost(template: Any, value: Any, place: str, *, empty_counts: bool) -> Iterator[tuple[str, Any]]:
    """Yield each place where something was given and nothing is left, and what was given."""
    if isinstance(template, dict) and isinstance(value, Mapping):
        for key, item in template.items():
            inside = f"{place}[{key!r}]" if place in _MAPPINGS else f"{place}.{key}"
            yield from _lost(item, value.get(key), inside, empty_counts=empty_counts)
    elif isinstance(template, list) and is_list(value):
        for index, (item, rendered) in enumerate(zip(template, value, strict=False)):
            yield from _lost(item, rendered, f"{place}[{index}]", empty_counts=empty_counts)
    elif _is_lost(template, value, empty_counts=empty_counts):
        yield place, template


def _is_lost(template: Any, value: Any, *, empty_counts: bool) -> bool:
    if isinstance(template, str):
        return value != template and _is_nothing(template, value, empty_counts=empty_counts)
    if isinstance(template, _Empty) or not _makes_a_value(template):
        return False
    return value is None or (empty_counts and isinstance(value, str) and not value)


def _is_emptied(template: Any, value: Any) -> bool:
    """Whether what is to be a mapping is an empty one that its author did not write."""
    is_empty = (isinstance(value, Mapping) or is_list(value)) and not value
    return is_empty and (isinstance(template, str) or _makes_a_value(template))


def _makes_a_value(template: Any) -> bool:
    """Whether Airflow asks it for the value, as it asks the output of a task."""
    is_path = isinstance(template, os.PathLike)
    return (
        isinstance(template, _Expanded)
        or callable(template)
        or (not is_path and hasattr(template, "resolve"))
    )


def _is_nothing(template: str, value: Any, *, empty_counts: bool) -> bool:
    from jinja2 import Undefined

    if not isinstance(value, str):
        return value is None or isinstance(value, Undefined)
    text = value.strip()
    if text in ("", "None"):
        return empty_counts or bool(text)
    return "None" in text and _is_part_lost(template, value, "None")


def _is_part_lost(template: str, value: str, nothing: str) -> bool:
    """Whether an expression that is a whole part of a path, a query or a form rendered to nothing.

    What each expression rendered to is between the texts around it. Where these are found more than once,
    it is looked for from both ends.

    :param nothing: the text that stands for it, as ``None`` or an empty one
    """
    literals = _EXPRESSION.split(template.removesuffix("\n"))
    value = value.removesuffix("\n")
    backwards = [literal[::-1] for literal in reversed(literals)]
    return _has_lost_part(literals, value, nothing) or _has_lost_part(backwards, value[::-1], nothing[::-1])


def _has_lost_part(literals: Sequence[str], value: str, nothing: str) -> bool:
    position, last = len(literals[0]), len(literals) - 1
    if not value.startswith(literals[0]):
        return False
    for index, (before, after) in enumerate(pairwise(literals), start=1):
        end = len(value) - len(after) if index == last else value.find(after, position)
        if end < position or not value.startswith(after, end):
            return False
        begins = before[-1:] in _DELIMITERS or (index == 1 and not before)
        ends = after[:1] in _DELIMITERS or (index == last and not after)
        if begins and ends and value[position:end] == nothing:
            return True
        position = end + len(after)
    return False
