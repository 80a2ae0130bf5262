"""From the rendered arguments of a task, or of a trigger that stands for one, to its request.

Light: a DAG file that imports an operator loads no client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mirrordb.bulk_arguments import (
    MAX_FAILED_WANTED,
    is_max_failed,
)
from airflow_mirrordb.task.serialization import NotStorableError, check_exact

if TYPE_CHECKING:
    from airflow_mirrordb.client.endpoints.patterns import Method
    from airflow_mirrordb.client.messages.request import MirrorDBRequest
    from airflow_mirrordb.conditions import Condition

T = TypeVar("T")

_KINDS = {int: "a whole number", float: "a number", bool: "true or false"}

#: The arguments of an operator that make the body of its request.
BODY_FIELDS = ("data", "form", "files", "input_path", "content_type")
#: What says of a sensor, and of a read that begins in the triggerer, what is read.
READ_FIELDS = (
    "mirrordb_conn_id",
    "endpoint",
    "method_name",
    "data",
    "query",
    "headers",
    "request_timeout",
    "accept",
    "full_response",
)
#: Default of ``max_event_bytes``: a result is stored in Airflow's database.
MAX_EVENT_BYTES = 2**20

#: None as a whole name: between what separates segments, an encoded slash, keys, custom methods and suffixes.
_NONE = re.compile(r"(?:^|[/(),='\":]|%2[Ff])None(?=$|[/(),='\":.]|%2[Ff])")
_RENDERED = {"[]": "a list", "{}": "a dict"}  # by the characters around its text


def request_of(task: Any, method: Method, **arguments: Any) -> MirrorDBRequest:
    """Return the request that the rendered arguments of a task describe.

    :param task: an operator, a sensor, or a trigger that Airflow renders
    :param arguments: what else the request says, or says in another way than the task's own argument
    :raises InvalidRequestError: if an argument was rendered to something it cannot be
    """
    from airflow_mirrordb.client.messages.request import MirrorDBRequest

    task.refuse_nothing()
    refuse_none(task.endpoint)
    timeout, query = task.request_timeout, plain_if_json(task.query)
    task.refuse_vanished(query)
    common: dict[str, Any] = {
        "endpoint": task.endpoint,
        "method_name": task.method_name,
        "query": query,
        "headers": plain_if_json(task.headers),
        "timeout": None if timeout in (None, "") else parse_argument("request_timeout", timeout, float),
        "accept": task.accept,
        "full_response": parse_argument("full_response", task.full_response, bool),
    }
    own = {name: plain_if_json(value) for name, value in arguments.items()}
    return MirrorDBRequest(method=method, **{**common, **own})


def poll_of(task: Any, *, judges_body: bool) -> MirrorDBRequest:
    """Return the request by which a sensor polls its resource; errors are those of :func:`request_of`.

    :param judges_body: whether a condition is of the body; else any body will do
    """
    return read_of(task, any_body=not judges_body and task.accept is None)


def read_of(task: Any, **arguments: Any) -> MirrorDBRequest:
    """Return the read that the rendered arguments of a task describe, by a body if it has ``data``.

    The arguments and errors are those of :func:`request_of`.
    """
    from airflow_mirrordb.client.messages.request import read_method
    from airflow_mirrordb.task.json_data import json_of

    data = json_of(task.data)
    return request_of(task, read_method(data), data=data, **arguments)


def check_choice_of_failed(task: Any, condition: object) -> None:
    """Check the values by which the condition of a sensor will never be met.

    :raises ValueError: tells what is wrong with them
    """
    from airflow_mirrordb.conditions import check_failed

    chosen = (task.gone, task.changed, task.equals is not None, task.is_in is not None, condition is not None)
    check_failed(task.failed, field=task.field, equals=task.equals, is_in=task.is_in, chosen=chosen)


def refuse_changed(name: str, value: object) -> None:
    """An argument that is no text of ours must arrive in the triggerer as it is."""
    from airflow_mirrordb.client.errors import InvalidRequestError

    try:
        check_exact(value)
    except NotStorableError as error:
        message = f"{name}: {error}; Airflow cannot hand it to the triggerer, set deferrable=False"
        raise InvalidRequestError(message=message, field=name) from None


def fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass and their values; ``asdict`` would copy all that is in them."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def plain_if_json(value: Any) -> Any:
    """Return a value made of Python's own types, so that Airflow can store it; another one as it is.

    What is no JSON is refused where it is sent, with its place.
    """
    from airflow_mirrordb.client.bodies.encoding import plain
    from airflow_mirrordb.client.errors import InvalidRequestError

    if value is None or isinstance(value, bool | int | float):
        return value
    try:
        return plain(value)
    except InvalidRequestError:
        return value


def refuse_none(endpoint: object) -> None:
    """An id that is missing must not become a resource of that name, nor a list that was rendered to text."""
    from airflow_mirrordb.client.errors import InvalidRequestError

    text = str(endpoint).strip()
    if isinstance(endpoint, str) and text[:1] + text[-1:] in _RENDERED:
        message = (
            f"endpoint: {endpoint!r:.200} is {_RENDERED[text[0] + text[-1]]} that a template rendered to"
            " text; for many endpoints give the list itself, as the .output of a task, or set"
            " render_template_as_native_obj=True on the DAG"
        )
        raise InvalidRequestError(message=message, field="endpoint")
    if holds_none(text):
        message = f"endpoint: {endpoint!r} holds 'None', as a missing XCom or a None renders"
        raise InvalidRequestError(message=message, field="endpoint")


def holds_none(endpoint: str) -> bool:
    """Whether a name in an endpoint is the text of None: a segment, a key in brackets, one with a suffix."""
    return _NONE.search(endpoint) is not None


def condition_of(
    task: Any, given: str | Callable[[Any], object] | None, *, by_path: bool = True
) -> tuple[Condition, Callable[[Any], object] | None]:
    """Return the condition that the rendered arguments of a sensor describe, and its function.

    :param task: a sensor, or a trigger
    :param given: its ``condition``
    :param by_path: whether another process must find that function by its path
    :raises InvalidRequestError: if they are not one condition
    """
    from airflow_mirrordb.client.errors import InvalidRequestError
    from airflow_mirrordb.conditions import Condition, check_statuses, function_at, path_of, title_of

    try:
        path, function = None, given
        if isinstance(function, str):
            path, function = function, function_at(function)
        elif function:
            path = path_of(function) if by_path else title_of(function)
        check_choice_of_failed(task, given)
        condition = Condition(
            gone=task.gone,
            field=task.field,
            equals=plain_if_json(task.equals),
            is_in=plain_if_json(task.is_in),
            changed=task.changed,
            function=path,
            failed=plain_if_json(task.failed),
            not_yet=check_statuses(_listed(task.not_yet)),
            rendered=tuple(name for name in ("equals", "is_in", "failed") if task.is_rendered(name)),
        )
    except ValueError as error:
        raise InvalidRequestError(message=str(error), field=str(error).partition(":")[0]) from error
    return condition, function


def _listed(statuses: object) -> object:
    """Return a list of statuses, also of its text, as a template renders it."""
    if isinstance(statuses, str) and statuses.strip().startswith("["):
        with suppress(ValueError):
            return json.loads(statuses)
    return statuses


def parse_argument(name: str, value: object, kind: type[T]) -> T:
    """Return an argument as the type it stands for: a template renders to a string."""
    from pydantic import TypeAdapter, ValidationError

    from airflow_mirrordb.client.errors import InvalidRequestError

    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        message = f"{name}: it must be {_KINDS.get(kind, kind.__name__)}, not {value!r:.200}"
        raise InvalidRequestError(message=message, field=name) from None


def max_failed_of(value: object) -> float | None:
    """Return how many records of a list may fail: a whole number, or as a float a share of all.

    :raises ValueError: if it is none
    """
    number = value
    if isinstance(value, str):
        with suppress(ValueError):
            number = int(value) if value.strip().isdecimal() else float(value)
    if number is None or is_max_failed(number):
        return number
    raise ValueError(f"max_failed: {MAX_FAILED_WANTED}, not {value!r}")
