"""What a sensor or a job waits for. Pure, and light: a DAG file that names a condition loads no client."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import pkgutil
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from typing import Any

from airflow_mirrordb.paths import ABSENT, NullInPathError, PathError, parse_path

#: Characters of the longest text that may stand for a number.
MAX_NUMBER = 400
_RENDERED = {"True": True, "False": False}  # as a template writes what JSON writes in small letters
_ERROR_STATUSES = range(400, 600)
_DOTTED = re.compile(r"[^\W\d]\w*(?:[.:][^\W\d]\w*)+")
SHOWN_NULL = 'field="runs[-1].error == `null`"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must hold of a resource; without arguments: that it exists.

    Plain values, so that a worker can hand it to a trigger.

    :param gone: whether it must no longer be there, instead of there
    :param field: path into the decoded body, as ``job.steps.0.state``; see :mod:`airflow_mirrordb.paths`. An
        expression that finds null, or cannot be done with null, finds nothing: there may be something later.
    :param equals: value that the field must have
    :param is_in: values of which the field must have one
    :param changed: whether the field, or the whole body, must differ from what it was at first
    :param function: dotted path of a function of the decoded body that must return something true; where
        whoever judges has it already, also what it is called
    :param failed: values of the field by which the condition will never be met
    :param running: values of the field with which it may still be met; any other that is neither these nor
        waited for is one of ``failed``. All if None
    :param ignore_case: whether letters of texts are compared in any case
    :param not_yet: statuses that mean "not yet", beside those of what is not there
    :param rendered: names of those of ``equals``, ``is_in`` and ``failed`` that templates made, so that a
        number may have become its text
    :raises ValueError: if that is not one condition
    """

    gone: bool = False
    field: str | None = None
    equals: Any = None
    is_in: Sequence[Any] | None = None
    changed: bool = False
    function: str | None = None
    failed: Sequence[Any] | None = None
    running: Sequence[Any] | None = None
    ignore_case: bool = False
    not_yet: Sequence[int] = ()
    rendered: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_choice(
            gone=self.gone,
            field=self.field,
            equals=self.equals,
            is_in=self.is_in,
            changed=self.changed,
            condition=self.function,
            failed=self.failed,
        )
        if self.field is not None:
            check_path("field", self.field)
        for name in ("equals", "is_in", "failed", "running"):
            value = getattr(self, name)
            if name != "equals" and value is not None and not isinstance(value, (list, tuple)):
                raise ValueError(f"{name}: it must be a list, not {type(value).__name__} ({value!r})")
            try:
                json.dumps(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name}: it must be a JSON value: {error}") from None

    def holds(self, body: Any, first: str | None, function: Callable[[Any], object] | None = None) -> bool:
        """Whether a resource that is there fulfils the condition.

        :param body: the decoded body
        :param first: the :meth:`fingerprint` of the body that was seen first, for ``changed``
        :param function: what ``function`` names, where the caller has it already
        :raises ValueError: if ``function`` names no plain function, or ``field`` is an expression that cannot
            be done with this body
        :raises Exception: what the function raises
        """
        if self.gone:
            return False
        if function or self.function:
            return bool((function or function_at(self.function or ""))(body))
        if self.changed:
            return first != self.fingerprint(body)
        if self.field is not None:
            value = self.value_in(body)
            if self.is_in is None:
                return self._fits(value, self.equals, "equals")
            return self._is_one_of(value, "is_in")
        return True

    def failed_state(self, body: Any) -> Any:
        """Return the value by which a resource will never fulfil the condition; ``ABSENT`` if it may.

        :raises ValueError: if ``field`` is an expression that cannot be done with this body
        """
        if self.field is None or (self.failed is None and self.running is None):
            return ABSENT
        value = self.value_in(body)
        if self._is_one_of(value, "failed"):
            return value
        if self.running is None or value is ABSENT or value is None or self._is_one_of(value, "is_in"):
            return ABSENT
        return ABSENT if self._is_one_of(value, "running") else value

    def value_in(self, body: Any) -> Any:
        """Return the value of the field, ``ABSENT`` if there is none.

        :raises ValueError: as :meth:`failed_state`
        """
        path = parse_path(self.field or "")
        try:
            value = path.value_in(body)
        except NullInPathError:
            return ABSENT
        return ABSENT if value is None and path.is_expression else value

    def _is_one_of(self, value: Any, name: str) -> bool:
        return any(self._fits(value, candidate, name) for candidate in getattr(self, name) or ())

    def _fits(self, value: Any, wanted: Any, name: str) -> bool:
        if self.ignore_case and isinstance(value, str) and isinstance(wanted, str):
            return value.casefold() == wanted.casefold()
        return same(value, wanted) or (name in self.rendered and same_in_text(value, wanted))

    @property
    def wanted(self) -> str:
        """What is waited for, in words."""
        if self.gone:
            return "it to be gone"
        if self.function:
            return f"{self.function} to be true"
        if self.changed:
            return f"{self.field or 'it'} to change"
        if self.field is None:
            return "it to be there"
        if self.is_in is not None:
            return f"{self.field} to be one of {list(self.is_in)!r:.200}"
        return f"{self.field} to be {self.equals!r:.200}"

    def fingerprint(self, body: Any) -> str | None:
        """Return what tells values apart that ``changed`` looks at, short and telling nothing else."""
        if not self.changed:
            return None
        value = body if self.field is None else self.value_in(body)
        is_null = value is ABSENT and parse_path(self.field or "").is_expression
        text = "null" if is_null else "missing" if value is ABSENT else json.dumps(value, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def check_choice(
    *,
    gone: bool,
    field: object,
    equals: object,
    is_in: object,
    changed: bool,
    condition: object,
    failed: object = None,
) -> None:
    """Check that arguments name one condition; their values may not be known yet, as those of templates.

    :raises ValueError: tells what contradicts what
    """
    given = {
        "gone": gone,
        "equals": equals is not None,
        "is_in": is_in is not None,
        "changed": changed,
        "condition": condition is not None,
    }
    chosen = [name for name, is_given in given.items() if is_given]
    if len(chosen) > 1:
        raise ValueError(f"{' and '.join(chosen)} are several conditions; a sensor waits for one")
    of_field = [name for name in chosen if name in ("equals", "is_in", "changed")]
    if field is not None and not of_field and failed is None:
        raise ValueError(
            "field: say what is waited for, by equals, is_in or changed (a null is is_in=[None])"
        )
    if field is None and of_field and not changed:
        raise ValueError(f"{of_field[0]}: say of which field")
    if isinstance(is_in, (list, tuple)) and not is_in:
        raise ValueError("is_in: it is empty, and no value is in it")
    for name, value in {"equals": equals, "is_in": is_in, "failed": failed}.items():
        if not _is_finite(value):
            raise ValueError(f"{name}: JSON has neither NaN nor infinity, so no field equals it")
        if name != "equals" and isinstance(value, (list, tuple)) and None in value and _is_expression(field):
            raise ValueError(
                f"{name}: an expression finds null also where nothing is, so null tells nothing; ask in the"
                f" expression, as {SHOWN_NULL} with equals=True"
            )


def _is_expression(field: object) -> bool:
    """Whether a field is a path of more than names and numbers; one that is none is told of elsewhere."""
    try:
        return isinstance(field, str) and parse_path(field).is_expression
    except PathError:
        return False


def check_failed(
    failed: object, *, field: object, equals: object, is_in: object, chosen: Iterable[object]
) -> None:
    """Check the values by which a condition will never be met; None if there are none.

    :param chosen: what may be waited for
    :raises ValueError: tells what is wrong with them
    """
    if failed is None:
        return
    if field is None:
        raise ValueError("failed: say of which field")
    if not any(chosen):
        raise ValueError("failed: say what is waited for, by equals, is_in, changed, condition or gone")
    if isinstance(failed, (list, tuple)):
        if not failed:
            raise ValueError("failed: it is empty, and no value is in it")
        wanted = is_in if isinstance(is_in, (list, tuple)) else [] if equals is None else [equals]
        both = [value for value in failed if any(same(value, other) for other in wanted)]
        if both:
            raise ValueError(f"failed: {both[0]!r} is also what is waited for")


def check_statuses(statuses: object) -> tuple[int, ...]:
    """Return the statuses that mean "not yet", as numbers.

    :raises ValueError: if they are no list of statuses of errors
    """
    if not isinstance(statuses, (list, tuple)):
        reason = f"it must be a list, not {type(statuses).__name__} ({statuses!r})"
        raise ValueError(f"not_yet: {reason}")  # noqa: TRY004  # one error for all
    numbers = []
    for status in statuses:
        is_number = isinstance(status, int) and not isinstance(status, bool)
        number = int(status) if is_number or (isinstance(status, str) and status.strip().isdecimal()) else 0
        if number not in _ERROR_STATUSES:
            raise ValueError(f"not_yet: {status!r} is no status of an error, as 403 or 503")
        numbers.append(number)
    return tuple(numbers)


def check_path(name: str, path: str) -> None:
    """Check that an argument is a path into a body.

    :raises ValueError: names the argument, and what is wrong with the path
    """
    try:
        parse_path(path)
    except PathError as error:
        raise ValueError(f"{name}: {error}") from None


def _is_finite(value: object) -> bool:
    """Whether all numbers in a value are finite; a value that holds itself is refused elsewhere."""
    waiting, seen = [value], set[int]()
    for item in waiting:  # which grows on the way
        if isinstance(item, float) and not math.isfinite(item):
            return False
        if isinstance(item, (list, tuple, dict)) and id(item) not in seen:
            seen.add(id(item))
            waiting += item.values() if isinstance(item, dict) else item
    return True


def function_at(path: str) -> Callable[[Any], object]:
    """Return the function that a dotted path names.

    :raises ValueError: if there is none, or it is a coroutine or generator function
    """
    try:
        function = pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"condition: {path!r} cannot be imported here: {error}") from error
    return plain(function)


def plain(function: Any) -> Callable[[Any], object]:
    """Return a function that can be called for a truth value.

    :raises ValueError: if it cannot be called, or is a coroutine or generator function, whose result is
        always true
    """
    if not callable(function):
        raise ValueError(f"condition: {function!r} is no function")  # noqa: TRY004  # one error for all
    for called in (function, type(function).__call__):
        if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
            raise ValueError(f"condition: {function!r} must be a plain function, not an async one")
        if inspect.isgeneratorfunction(called):
            raise ValueError(f"condition: {function!r} must return its result, not yield it")
    checked: Callable[[Any], object] = function
    return checked


def check_function(condition: object, *, by_path: bool) -> None:
    """Check what is given as a condition; a path is looked up where it is called.

    :param by_path: whether another process must find it by its path
    :raises ValueError: if it is a text, and no path; and as :func:`plain` and :func:`path_of`
    """
    if isinstance(condition, str) and not _DOTTED.fullmatch(condition):
        raise ValueError(
            f"condition: {condition!r:.200} is no path of a function, as my_module.is_done; an expression"
            " goes into field, as field=\"status == 'DONE'\" with equals=True"
        )
    if condition is not None and not isinstance(condition, str):
        function = plain(condition)
        if by_path:
            path_of(function)


def path_of(function: Callable[[Any], object]) -> str:
    """Return the dotted path by which another process finds a function.

    :raises ValueError: if there is none: it is a lambda, is inside another one, or is in a DAG file
    """
    module, name = getattr(function, "__module__", None) or "", getattr(function, "__qualname__", "")
    path = f"{module}.{name}"
    package = module.partition(".")[0]
    # Airflow gives DAG files names of its own, which only the process that parsed them knows
    found = package and package != "__main__" and PathFinder.find_spec(package) is not None
    try:
        if found and pkgutil.resolve_name(path) is function:
            return path
    except (ImportError, AttributeError, ValueError):
        pass
    raise ValueError(
        f"condition: the triggerer cannot import {name or function!r}; put it at the top of a module (not of"
        " the DAG file) and give it or its dotted path, or set deferrable=False"
    )


def title_of(function: Callable[[Any], object]) -> str:
    """Return what a function is called, and where it is, for who waits for it."""
    name = getattr(function, "__qualname__", type(function).__qualname__).rpartition(".")[2]
    code = getattr(function, "__code__", None)
    if code is None:
        return name
    return f"{name} (line {code.co_firstlineno} of {code.co_filename.rpartition('/')[2]})"


def same_in_text(value: Any, other: Any) -> bool:
    """Whether a number, or true or false, is what a text says, as a template renders it."""
    if isinstance(value, str) == isinstance(other, str):
        return False
    text, value = (value, other) if isinstance(value, str) else (other, value)
    if not isinstance(value, int | float) or len(text) > MAX_NUMBER:
        return False
    try:
        return same(_RENDERED[text] if text in _RENDERED else json.loads(text), value)
    except ValueError:
        return False


def same(value: Any, other: Any) -> bool:
    """Whether two values are equal as JSON means it: true is not 1, at any depth."""
    if value != other:
        return False
    pairs = [(value, other)]
    for one, another in pairs:  # which grows on the way; both have the same shape
        if isinstance(one, bool) != isinstance(another, bool):
            return False
        if isinstance(one, dict):
            pairs += [(item, another[key]) for key, item in one.items()]
        elif isinstance(one, (list, tuple)):
            pairs += zip(one, another, strict=True)
    return True
