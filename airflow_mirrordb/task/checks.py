"""What is wrong with the constants of a task, said when its DAG is read.

Light: a DAG file that imports an operator loads no client. What templates make is judged when the task runs,
in the same words.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_mirrordb.bulk_arguments import NEEDS_CONTINUE, ON_ERROR, ON_ERROR_WANTED, shared_target
from airflow_mirrordb.json_types import NOT_GIVEN, is_list
from airflow_mirrordb.task.arguments import check_choice_of_failed, max_failed_of
from airflow_mirrordb.task.templates import MAX_DEPTH, has_template

#: Default of ``worker_timeout``, in seconds.
WORKER_TIMEOUT = 5.0
#: In an endpoint without any of it nothing is wrong that could be seen without its connection.
_ODD = re.compile(r"\A\Z|\A/|//|/\Z|[\\?#%:{<]")
_ANY = ("self", "args", "kwargs")
_SENSITIVE = (
    "auth",
    "token",
    "secret",
    "passw",
    "passphrase",
    "pwd",
    "cookie",
    "credential",
    "apikey",
    "api_key",
    "signature",
    "jwt",
)
#: Query parameters by which backends take keys, and not those that say where a collection goes on.
_SECRET_PARAMETER = re.compile(
    r"api[-_]?key|(?:access|auth|bearer|private|refresh)[-_]?token|secret|passw|passphrase|pwd|credential"
    r"|signature|jwt|^(?:token|auth|sig)$",
    re.IGNORECASE,
)
#: Where a secret belongs that is called one in a task's headers or query.
_FOR_HEADERS = "Password or secret_headers"
_FOR_QUERY = "Password, with auth_type 'api_key' and key_in 'query'"
_NO_SECRET = ("idempotency-key", "idempotency_key")


@contextmanager
def naming(task_id: object, kind: str = "task") -> Iterator[None]:
    """Name the task in what is wrong with its arguments: Airflow cuts the traceback that would.

    :param kind: what it is that the name is of
    """
    name = f"{kind} {task_id!r:.200}: "
    try:
        yield
    except (TypeError, ValueError) as error:
        if str(error).startswith(f"{kind} "):
            raise
        raise type(error)(f"{name}{error}") from None
    except Exception as error:
        message = getattr(error, "message", None)
        if message is not None and not message.startswith(f"{kind} "):
            error.message = f"{name}{message}"  # type: ignore[attr-defined]
        raise


def check_names(operator: type, given: Mapping[str, Any]) -> None:
    """Check that what is left for Airflow's own constructors are arguments of theirs.

    :raises TypeError: names one that does not exist, and the nearest one that does
    """
    own, others = arguments(operator)
    unknown = min(given.keys() - others - own.keys(), default=None)
    if unknown is not None:
        from airflow_mirrordb.task.mistakes.argument_names import unknown_argument

        raise TypeError(unknown_argument(operator, unknown, given[unknown], own=own, others=others))


@functools.cache
def arguments(kind: type) -> tuple[Mapping[str, None], frozenset[str]]:
    """Return what our constructors of a class take, its own first, and what those of others do, by name."""
    own, others = dict[str, None](), set[str]()
    for base in kind.__mro__:
        if "__init__" in vars(base):
            names = [
                name for name in inspect.signature(vars(base)["__init__"]).parameters if name not in _ANY
            ]
            if base.__module__.startswith("airflow_mirrordb."):
                own.update(dict.fromkeys(names))
            else:
                others.update(names)
    return own, frozenset(others - own.keys())


def check_conn_id_argument(conn_id: object) -> None:
    """Check the id of a connection, unless it is a template.

    :raises ValueError: if it can be none
    """
    if not has_template(conn_id) and not (isinstance(conn_id, str) and conn_id.strip()):
        raise ValueError(f"mirrordb_conn_id: it must be the id of a connection, not {conn_id!r:.200}")


def check_endpoint_argument(endpoint: object) -> None:
    """Check the endpoints that a task's author wrote, as far as that can be done without the connection.

    :param endpoint: one, or a list
    :raises ValueError: if no endpoint can be written so
    """
    if is_list(endpoint):
        for each in endpoint:
            check_endpoint_argument(each)
    if not isinstance(endpoint, str) or has_template(endpoint):
        return
    if _ODD.search(endpoint):
        from airflow_mirrordb.client.endpoints.paths import decode_endpoint, refuse_placeholders

        try:
            decode_endpoint(endpoint)
            refuse_placeholders(endpoint)
        except ValueError as error:
            raise ValueError(f"endpoint: {endpoint!r:.200}: {error}") from None


def check_stored_arguments(headers: object, query: object, *, deferrable: bool) -> None:
    """Check that no header or query parameter of a task that may be deferred holds a secret.

    :raises InvalidRequestError: if one is called as one that does
    """
    if deferrable:
        refuse_sensitive(
            headers if isinstance(headers, Mapping) else None, query if isinstance(query, Mapping) else None
        )


def check_paginate_argument(paginate: object, data: object) -> None:
    """Check the arguments of pages that a task's author wrote, but those of templates.

    :raises ValueError: if they are no mapping
    :raises InvalidRequestError: if one of them is wrong
    """
    if paginate is None or has_template(paginate):
        return
    if not isinstance(paginate, Mapping):
        wanted = "it must be a mapping, as {'style': 'link'}"
        raise ValueError(f"paginate: {wanted}, not {paginate!r:.200}")  # noqa: TRY004  # one error for all
    from airflow_mirrordb.client.collections.pages.arguments import check_page_arguments, check_place_of_param

    templated = [name for name in paginate if has_template(paginate[name])]
    check_page_arguments(paginate, templated)
    check_place_of_param(paginate, data, templated)


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


def check_constants(max_event_bytes: object, **flags: object) -> None:
    """Check arguments that are no templates, when the DAG is read.

    :param flags: as for :func:`check_flags`
    :raises ValueError: if one is not what it must be
    """
    check_flags(**flags)
    if not isinstance(max_event_bytes, int) or max_event_bytes < 1:
        raise ValueError(f"max_event_bytes: it must be a number of bytes above 0, not {max_event_bytes!r}")


def check_flags(**flags: object) -> None:
    """Check flags that are no templates: the text ``False`` would count as true.

    :param flags: by their names; None counts as false
    :raises ValueError: names one that is no flag
    """
    for name, value in flags.items():
        if value not in (True, False, None):
            raise ValueError(f"{name}: it must be True or False, not {value!r:.200}")


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


def check_target_argument(update: Any, *, partial: object) -> None:
    """Check that full updates of many records do not all go to one endpoint, where these are constants.

    :raises ValueError: if they do
    """
    data, endpoint = update.data, update.endpoint
    if update.bulk is not True or partial is not False or not is_list(data) or len(data) <= 1:
        return
    if isinstance(endpoint, str) and not has_template(endpoint):
        raise ValueError(f"endpoint: {shared_target(endpoint, len(data))}")


def check_sensor_arguments(sensor: Any) -> None:
    """Check what the author of a sensor wrote, but the values of templates.

    :raises ValueError: if the arguments are not one condition, or not one that can be deferred, or one cannot
        be meant
    """
    from airflow_mirrordb.conditions import check_choice, check_function, check_path, check_statuses

    check_endpoint_argument(sensor.endpoint)
    check_stored_arguments(sensor.headers, sensor.query, deferrable=sensor.deferrable)
    check_filter_argument(sensor.response_filter)
    check_accept_argument(sensor.accept)
    for name in ("is_in", "failed"):
        value = getattr(sensor, name)
        if isinstance(value, str) and not has_template(value):
            raise ValueError(f"{name}: it must be a list, as [{value!r}], not {value!r}")
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


def check_written(task: Any, done: type) -> None:
    """Check all that the author of a task wrote, when the constructor that he called is done.

    It warns of ``params`` that no template uses, and of a ``worker_timeout`` where nothing is handed over.

    :param done: the class whose constructor is done; unless that is the last one, nothing is checked
    :raises ValueError: names the argument, and the place in it of what can be no value
    """
    if type(task).__init__ is not done.__init__:  # type: ignore[misc]  # a class and its base may have the same
        return
    with naming(task.task_id):
        check_values(task)
    params = getattr(task, "params", None)
    if params and task.has_dag() and (own := [name for name in params if name not in task.dag.params]):
        from airflow_mirrordb.task.mistakes.unused import warn_of_params

        warn_of_params(task, own)
    wait = getattr(task, "worker_timeout", WORKER_TIMEOUT)
    if not task.deferrable and wait != WORKER_TIMEOUT and not has_template(wait):
        from airflow_mirrordb.task.mistakes.unused import warn_of_worker_timeout

        warn_of_worker_timeout(task)


def check_values(templated: Any) -> None:
    """Check the values of all templated arguments that are no templates.

    :raises ValueError: names the argument, and the place in it of what can be no value
    """
    for name in templated.template_fields:
        _check_value(name, getattr(templated, name))


def _check_value(place: str, value: object, depth: int = 0) -> None:
    if isinstance(value, str):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{place}: JSON has no {value!r}; use None")
    elif isinstance(value, Mapping):
        for name, item in value.items() if depth < MAX_DEPTH else ():
            inside = f"{place}.{name}" if place.startswith("data") else f"{place}[{name!r}]"
            _check_value(inside, item, depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value) if depth < MAX_DEPTH else ():
            _check_value(f"{place}[{index}]", item, depth + 1)
    elif hasattr(value, "task_id") and hasattr(value, "output"):
        raise ValueError(f"{place}: it is the task {value.task_id!r}, not its result, which is its .output")
    elif hasattr(value, "expand") and hasattr(value, "function"):
        raise ValueError(f"{place}: it is a task that is not called; call it, as {value.function.__name__}()")


def refuse_sensitive(headers: Mapping[str, str] | None, query: Mapping[str, Any] | None = None) -> None:
    """Refuse headers and query parameters called as secrets: what a trigger is given is stored in clear text.

    :raises InvalidRequestError: names the first one, and where it belongs
    """
    found = [
        *((f"headers[{name!r}]", _FOR_HEADERS) for name in headers or () if _is_sensitive(str(name).lower())),
        *((f"query[{name!r}]", _FOR_QUERY) for name in query or () if _SECRET_PARAMETER.search(str(name))),
    ]
    if not found:
        return
    from airflow_mirrordb.client.errors import InvalidRequestError

    place, belongs = found[0]
    message = (
        f"{place}: what a trigger is given is stored in clear text; put the secret into the connection's"
        f" {belongs}, or, for a task, set deferrable=False"
    )
    raise InvalidRequestError(message=message, field=place)


def _is_sensitive(name: str) -> bool:
    is_key = name.endswith(("-key", "_key")) and not name.endswith(_NO_SECRET)
    return is_key or any(word in name for word in _SENSITIVE)
