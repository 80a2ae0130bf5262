"""What is wrong with the arguments of an event trigger; light, as a DAG file checks them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING

from airflow_mirrordb.json_types import as_plain
from airflow_mirrordb.paths import PathError, parse_path
from airflow_mirrordb.task.arguments import holds_none
from airflow_mirrordb.task.checks import check_accept_argument, check_endpoint_argument, refuse_sensitive
from airflow_mirrordb.task.serialization import check_exact
from airflow_mirrordb.task.templates import template_in
from airflow_mirrordb.triggers.selection import check_selection

if TYPE_CHECKING:
    from airflow_mirrordb.triggers.event import MirrorDBEventTrigger

_KINDS: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (str, "a string", ("mirrordb_conn_id", "endpoint", "cursor", "cursor_param", "field")),
    (Mapping, "a mapping", ("query", "headers", "paginate", "where")),
    (Real, "a number of seconds", ("poll_interval",)),
    (bool, "True or False", ("unordered",)),
)
_NEVER_NONE = ("mirrordb_conn_id", "endpoint", "poll_interval", "unordered")


def check_event_arguments(trigger: MirrorDBEventTrigger) -> None:
    """Check the arguments of a trigger before they are stored.

    :raises InvalidRequestError: if a header looks like a secret, or ``paginate`` is wrong
    :raises ValueError: if an argument is of a wrong type, or they contradict each other
    """
    _check_target(trigger)
    if not 1 <= trigger.poll_interval < math.inf:
        raise ValueError(f"poll_interval: it must be at least 1 second, not {trigger.poll_interval}")
    refuse_sensitive(trigger.headers, trigger.query)
    if trigger.paginate is not None:
        from airflow_mirrordb.client.collections.pages.arguments import (
            check_page_arguments,
            check_place_of_param,
        )

        check_page_arguments(trigger.paginate)
        check_place_of_param(trigger.paginate, trigger.data)
    for name in ("cursor_param", "where"):
        if getattr(trigger, name) is not None and trigger.cursor is None:
            raise ValueError(f"{name}: it needs a cursor")
    if trigger.data is not None and trigger.cursor_param is not None:
        try:
            parse_path(trigger.cursor_param).placed_in(trigger.data, None)
        except PathError as error:
            raise ValueError(f"cursor_param: with data it is a path into them: {error}") from None
    check_accept_argument(trigger.accept)
    check_selection(trigger.selection, cursor=trigger.cursor)
    _check_is_kept(trigger)


def _check_target(trigger: MirrorDBEventTrigger) -> None:
    if not trigger.endpoint:
        raise ValueError("endpoint: say what is watched, as 'api/orders'")
    if holds_none(str(trigger.endpoint)):
        raise ValueError(f"endpoint: {trigger.endpoint!r} holds 'None', as an f-string with a None does")
    _check_kinds(trigger)
    for name in ("mirrordb_conn_id", "endpoint", "query", "headers"):
        if (template := template_in(getattr(trigger, name))) is not None:
            raise ValueError(
                f"{name}: {template!r:.200}: Airflow renders no templates of a watcher; write the value"
            )
    check_endpoint_argument(trigger.endpoint)


def _check_kinds(trigger: MirrorDBEventTrigger) -> None:
    for kind, words, names in _KINDS:
        for name in names:
            value = getattr(trigger, name)
            if not isinstance(value, kind) and (value is not None or name in _NEVER_NONE):
                raise ValueError(f"{name}: it must be {words}, not {value!r}")
    ignore = trigger.ignore
    if ignore is not None and not (isinstance(ignore, list) and all(isinstance(it, str) for it in ignore)):
        raise ValueError(f"ignore: it must be a list of paths, as ['generated_at'], not {ignore!r}")


def _check_is_kept(trigger: MirrorDBEventTrigger) -> None:
    """Check that the triggerer will be given the very values that the author gave."""
    for name in ("query", "headers", "paginate", "where", "data"):
        try:
            check_exact(as_plain(getattr(trigger, name)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
