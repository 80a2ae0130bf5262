"""From the rendered arguments of a task, or of a trigger that stands for one, to its request.

Light: a DAG file that imports an operator loads no client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mirrordb.bulk_arguments import (
    MAX_FAILED_WANTED,
    NEEDS_CONTINUE,
    ON_ERROR,
    ON_ERROR_WANTED,
    is_max_failed,
)
from airflow_mirrordb.json_types import NOT_GIVEN, is_list
from airflow_mirrordb.task.serialization import NotStorableError, check_exact
from airflow_mirrordb.task.templates import has_template

if TYPE_CHECKING:
    from airflow_mirrordb.client.endpoints.patterns import Method
    from airflow_mirrordb.client.messages.request import MirrorDBRequest
    from airflow_mirrordb.task.conditions import Condition

T = TypeVar("T")

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
    from airflow_mirrordb.task.conditions import check_failed

    chosen = (task.gone, task.changed, task.equals is not None, task.is_in is not None, condition is not None)
    check_failed(task.failed, field=task.field, equals=task.equals, is_in=task.is_in, chosen=chosen)


def check_body_arguments(**given: object) -> None:
    """Check that the author of a task gave one body, be it ``data=None``.

    :param given: the arguments by name; :data:`NOT_GIVEN` is one that was left out
    :raises ValueError: names those that contradict each other, or says that there is none
    """
    from airflow_mirrordb.body_arguments import BODIES, check_bodies

    left = {name: value for name, value in given.items() if value is not NOT_GIVEN}
    if "data" not in left and all(left.get(name) is None for name in BODIES):
        raise ValueError(f"data: it is missing; a body is made of {', '.join(BODIES)}")
    check_bodies(left)
    check_path_arguments(input_path=given.get("input_path"))
    if isinstance(files := given.get("files"), Mapping):
        check_path_arguments(**{f"files[{name!r}]": paths for name, paths in files.items()})


def check_path_arguments(**given: object) -> None:
    """Check paths of files, but those that are templates or come from other tasks.

    :param given: a path or a list of them, by the names of arguments
    :raises ValueError: names one that is none of a file
    """
    for name, paths in given.items():
        for path in paths if is_list(paths) else [paths]:
            if isinstance(path, str) and not has_template(path):
                from airflow_mirrordb.storage_paths import fault_of

                if fault := fault_of(path):
                    raise ValueError(f"{name}: {path!r} {fault}")


def check_filter_argument(response_filter: object) -> None:
    """Check a ``response_filter``, which is no template, when the DAG is read.

    :raises ValueError: if it is neither a function nor a path
    """
    if response_filter is None or callable(response_filter):
        return
    wanted = (
        "response_filter: it must be a function, or a path as 'rows' or 'data[].id', which is no template"
    )
    if not isinstance(response_filter, str):
        raise ValueError(f"{wanted}; not {response_filter!r:.200}")  # noqa: TRY004  # one error for all
    from airflow_mirrordb.paths import PathError, parse_path

    try:
        parse_path(response_filter)
    except PathError as error:
        raise ValueError(f"{wanted}; {error}") from None


def check_accept_argument(accept: object) -> None:
    """Check what a task's author wrote, unless it is a template.

    :raises ValueError: if it names no media types
    """
    if accept is None or has_template(accept):
        return
    from airflow_mirrordb.media_types import check_accept

    try:
        check_accept(accept)
    except ValueError as error:
        raise ValueError(f"accept: {error}") from None


def check_size_argument(max_event_bytes: object) -> None:
    """Check a ``max_event_bytes``, which is no template, when the DAG is read.

    :raises ValueError: if it is no number of bytes
    """
    if not isinstance(max_event_bytes, int) or max_event_bytes < 1:
        raise ValueError(f"max_event_bytes: it must be a number of bytes above 0, not {max_event_bytes!r}")


def check_bulk_arguments(on_error: object, concurrency: object, max_failed: object) -> None:
    """Check the arguments that say how a list is sent, but those of templates.

    :raises ValueError: if one cannot be meant, or two contradict each other
    """
    if isinstance(on_error, str) and "{" not in on_error and on_error not in ON_ERROR:
        raise ValueError(f"on_error: {ON_ERROR_WANTED}, not {on_error!r}")
    if isinstance(concurrency, int) and concurrency < 1:
        raise ValueError(f"concurrency: it must be at least 1, not {concurrency}")
    is_template = isinstance(max_failed, str) and "{" in max_failed
    if not is_template and max_failed_of(max_failed) is not None and on_error == "fail":
        raise ValueError(f"max_failed: {NEEDS_CONTINUE}")


def check_sensor_arguments(sensor: Any) -> None:
    """Check what the author of a sensor wrote, but the values of templates.

    :raises ValueError: if the arguments are not one condition, or not one that can be deferred, or one cannot
        be meant
    """
    from airflow_mirrordb.task.conditions import check_choice, check_function, check_path, check_statuses

    check_filter_argument(sensor.response_filter)
    check_accept_argument(sensor.accept)
    names = ("gone", "field", "equals", "is_in", "changed", "condition", "failed")
    check_choice(**{name: getattr(sensor, name) for name in names})
    if isinstance(sensor.field, str) and not has_template(sensor.field):
        check_path("field", sensor.field)
    statuses = sensor.not_yet
    if isinstance(statuses, (list, tuple)):
        statuses = [status for status in statuses if not has_template(status)]
    if not has_template(statuses):
        check_statuses(statuses)
    check_function(sensor.condition, by_path=sensor.deferrable)
    if sensor.max_failures < 1:
        raise ValueError(f"max_failures must be at least 1, not {sensor.max_failures}")
    check_choice_of_failed(sensor, sensor.condition)


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
    from airflow_mirrordb.task.conditions import Condition, check_statuses, function_at, path_of

    try:
        path, function = None, given
        if isinstance(function, str):
            path, function = function, function_at(function)
        elif function and by_path:
            path = path_of(function)
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
        message = f"{name}: {value!r} is not a {kind.__name__}"
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


def refuse_sensitive(headers: Mapping[str, str] | None) -> None:
    """What a trigger is given is stored in clear text."""
    from airflow_mirrordb.client.errors import InvalidRequestError

    words = ("auth", "token", "secret", "password", "cookie", "credential", "api-key", "apikey", "signature")
    for name in headers or {}:
        if any(word in str(name).lower() for word in words):
            message = (
                f"headers[{name!r}]: what a trigger is given is stored in clear text; put the secret into the"
                " connection's Password, or, for a task, set deferrable=False"
            )
            raise InvalidRequestError(message=message, field=f"headers[{name!r}]")
