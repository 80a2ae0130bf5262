"""How triggers store their arguments, so that other versions of this package can read them; light.

One version may write what another one reads: workers and triggerers are upgraded one after the other, and
a task may be deferred for days. So three rules hold for the arguments of every trigger, and for the fields
of the dataclasses among them:

- what has its default is not stored, so an older version meets a new argument only where it is used;
- what is missing has its default;
- what is not known is ignored, with one warning.
"""

from __future__ import annotations

import functools
import inspect
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow_mirrordb.json_types import as_plain
from airflow_mirrordb.task.serialization import from_text, to_text

if TYPE_CHECKING:
    from airflow.triggers.base import TriggerEvent

T = TypeVar("T")
Init = Callable[..., None]

log = logging.getLogger(__name__)

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class StoredArguments:
    """Mixed into each trigger, before Airflow's class: stores its arguments, and takes what others stored.

    The arguments are those of the trigger's own constructor; each is an attribute of its name. What the
    constructor does not know is kept away from it: a TypeError of a constructor would fail the task. An
    author who misspells an argument is told where Airflow asks for what is to be stored.
    """

    #: The arguments that are stored as text, and the dataclass whose fields each of them holds.
    fields_of_arguments: ClassVar[Mapping[str, type]] = {}
    trigger_id: int | None  # given by the triggerer

    _unknown: tuple[str, ...] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _ignoring_unknown(vars(cls)["__init__"])  # type: ignore[method-assign]

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores: the path of the class, and the arguments that have not their default.

        :raises TypeError: if an argument is not known; a trigger that runs ignores those of other versions
        """
        made_by: Callable[..., Any] = type(self)
        if self._unknown and self.trigger_id is None:
            from airflow_mirrordb.task.mistakes.argument_names import unknown_argument

            known = defaults_of(made_by).keys()
            raise TypeError(unknown_argument(type(self), self._unknown[0], None, own=known))
        self.check_arguments()
        arguments = {}
        for name, default in defaults_of(made_by).items():
            value = getattr(self, name)
            if kind := self.fields_of_arguments.get(name):
                if fields := without_defaults(value, defaults_of(kind)):
                    arguments[name] = to_text(fields)
            elif not _is_default(value, default):
                arguments[name] = as_plain(value)
        return f"{type(self).__module__}.{type(self).__name__}", arguments

    def check_arguments(self) -> None:
        """Check arguments before they are stored; nothing is checked by default."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire the only event."""
        self.warn_of_unknown()
        yield await self.event()

    def event(self) -> Awaitable[TriggerEvent]:
        """Return the only event of a trigger; no coroutine function, since each level is an object more."""
        raise NotImplementedError

    def warn_of_unknown(self) -> None:
        """Write one line to the log of the task, if this version ignores something that was stored."""
        # by name, for the dict that vars() gives would stay with each trigger that waits
        stored = {name: getattr(self, name) for name in self.fields_of_arguments}
        warn_of_unknown(stored, self.fields_of_arguments, self._unknown)


def given(argument: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """Return an argument of a trigger that is a dict, be it as its author gives it or as it was stored.

    :raises TypeError: if it is neither; any other error of a constructor would end Airflow's triggerer
    """
    try:
        return dict(from_text(argument) if isinstance(argument, str) else argument or {})
    except (ValueError, zlib.error) as error:
        raise TypeError(f"an argument of a trigger is no JSON object: {error}") from error


def restored(kind: Callable[..., T], fields: Mapping[str, Any]) -> T:
    """Return a dataclass of fields that were stored, without those that this version does not know.

    :raises TypeError: if a field without a default is missing
    """
    try:
        return kind(**fields)
    except TypeError:  # only then, since to look costs something
        known = defaults_of(kind)
        return kind(**{name: value for name, value in fields.items() if name in known})


def without_defaults(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are not the defaults of their names; what has no default is kept."""
    return {
        name: value
        for name, value in values.items()
        if not _is_default(value, defaults.get(name, inspect.Parameter.empty))
    }


def warn_of_unknown(
    stored: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, type], unknown: tuple[str, ...] = ()
) -> None:
    """Write one line to the log, if fields were stored that this version does not know.

    :param stored: the fields that were stored
    :param kinds: the dataclass of each of them
    :param unknown: what else is not known
    """
    names = [*unknown]
    for name, kind in kinds.items():
        if not stored[name].keys() <= (known := defaults_of(kind)).keys():  # seldom
            names += [f"{name}.{field}" for field in stored[name] if field not in known]
    if names:
        log.warning(
            "Another version of airflow_mirrordb stored what this one does not know, and ignores: %s",
            ", ".join(names),
        )


@functools.cache
def defaults_of(kind: Callable[..., Any]) -> dict[str, Any]:
    """Return the names of a constructor's arguments with their defaults, ``Parameter.empty`` for none."""
    parameters = inspect.signature(kind).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind in _NAMED}


def _is_default(value: object, default: object) -> bool:
    return value is default or (type(value) is type(default) and value == default)


def _ignoring_unknown(init: Init) -> Init:
    """Return a constructor that takes any argument, and remembers the names of those it does not know."""
    parameters = inspect.signature(init).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return init  # it hands them to the one of its base

    @functools.wraps(init)
    def ignoring(self: StoredArguments, *positional: Any, **arguments: Any) -> None:
        if unknown := arguments.keys() - parameters.keys():
            self._unknown = tuple(sorted(unknown))
            arguments = {name: value for name, value in arguments.items() if name in parameters}
        init(self, *positional, **arguments)

    return ignoring
