"""What becomes the result of a task, which Airflow stores as an XCom.

It is judged here, and not left to Airflow, which would fail the task for what it cannot store only after
a write was applied, and would then try again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from airflow_mirrordb.client.bodies.missing import MOST_NAMES, described, stop_of
from airflow_mirrordb.compat import has_xcom_backend, serialize_object
from airflow_mirrordb.paths import ABSENT, PathError, nodes_of, parse_path, value_at
from airflow_mirrordb.task.outcomes.events import OR_FILE, check_size, unusable
from airflow_mirrordb.task.serialization import HALF_REPLACED, NotStorableError, storable


def filtered_result(task: Any, event: Mapping[str, Any]) -> Any:
    """Return what the ``response_filter`` of a task keeps of an answer.

    :param task: an operator or a sensor
    :param event: the :class:`~airflow_mirrordb.task.outcomes.events.SuccessEvent` that tells of the answer
    :raises InvalidResponseError: if it is a path that finds nothing there; it is final
    :raises Exception: what it raises if it is a function
    """
    try:
        kept = filtered(task.response_filter, event["data"])
    except PathError as error:
        raise unusable(event, str(error)) from None
    if kept == [] and isinstance(task.response_filter, str):
        _warn_of_nothing(task, event["data"])
    return kept


def _warn_of_nothing(task: Any, data: Any) -> None:
    """Warn of an expression that finds nothing in all of a list, unless it leaves items out by itself."""
    path = parse_path(task.response_filter)
    if path.tree is None or any(node["type"] == "filter_projection" for node in nodes_of(path.tree)):
        return
    items = data if path.head is None else path.head.value_in(data)
    if isinstance(items, list) and items:
        there = described(items, "that")
        task.log.warning("response_filter: %r keeps nothing; %s", task.response_filter, there)


def filtered(response_filter: Callable[[Any], Any] | str | None, data: Any) -> Any:
    """Return what a ``response_filter`` keeps of the data of an answer; of none, a path keeps none.

    :raises PathError: if it is a path that finds nothing there; tells what there is
    :raises Exception: what it raises if it is a function
    """
    if response_filter is None:
        return data
    if not isinstance(response_filter, str):
        return response_filter(data)
    if data is None:
        return None
    try:
        kept = value_at(data, response_filter)
    except PathError as error:
        raise PathError(f"response_filter: {error}") from None
    if kept is ABSENT:
        raise PathError(f"response_filter: {_nothing_at(response_filter, data)}")
    return kept


def _nothing_at(path: str, data: Any) -> str:
    """Return that a path finds nothing in an answer, and what is there."""
    place, value, rest = stop_of(path, data)
    told = f"there is nothing at {path!r:.200} of {_described(data)}"
    if isinstance(value, list) and value and rest and not rest[0].lstrip("-").isdecimal():
        each = f"{place}[].{'.'.join(rest)}"
        return f"{told}; {place or 'it'} is a list of {len(value)}, of whose items {each!r:.200} takes it"
    return f"{told}; {described(value, place)}" if place else told


def _described(data: Any) -> str:
    if isinstance(data, dict):
        names = [f"{name!r:.60}" for name in data]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return f"the answer, which has {', '.join(names[:MOST_NAMES]) or 'no name'}{more}"
    if isinstance(data, list):
        return f"the answer, which is a list of {len(data)}"
    return f"the answer, which is of the type {type(data).__name__}"


def checked_result(task: Any, event: Mapping[str, Any], result: Any) -> Any:
    """Return the result of a task that got an answer, as Airflow can store it.

    Half a surrogate pair in it is replaced, with a warning. With an XCom backend of the user's own
    nothing is replaced or refused, as only that knows what it can store; nor is anything for a task
    that pushes no XCom.

    :param task: an operator or a sensor
    :param event: the :class:`~airflow_mirrordb.task.outcomes.events.SuccessEvent` that tells of the answer
    :param result: the answer's data, or what was made of it
    :raises InvalidResponseError: if the result cannot be stored, or is longer than ``max_event_bytes``;
        it is final
    """
    if result is None or not task.do_xcom_push:
        return result
    or_file = OR_FILE if may_be_file(task) else ""
    if result is event["data"]:
        check_size(event, task.max_event_bytes, or_file=or_file)
    elif (size := _size_of(result)) > task.max_event_bytes:
        message = (
            f"the result of {size:,} bytes is larger than max_event_bytes ({task.max_event_bytes:,}): keep"
            f" less of the answer, raise the limit{or_file}"
        )
        raise unusable(event, message)
    if has_xcom_backend():
        return result
    try:
        kept = storable(result)
    except NotStorableError as error:
        message = (
            f"the result cannot be an XCom, at {error}; let response_filter leave that out or make a text of"
            f" it{or_file}"
        )
        raise unusable(event, message) from error
    if kept is not result:
        task.log.warning(HALF_REPLACED)
    return kept


def may_be_file(task: Any) -> bool:
    """Return whether a task has an ``output_path``, to which an answer may go that cannot be its result."""
    return "output_path" in vars(task)


def _size_of(result: Any) -> int:
    """Return the length of a result in bytes, as JSON; 0 if it has none, which storable() judges."""
    try:
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"), default=serialize_object)
    except Exception:  # noqa: BLE001  # each kind of object has its own
        return 0
    return len(text.encode(errors="surrogatepass"))
