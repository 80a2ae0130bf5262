"""The function that ``@task.mirrordb`` decorates, as its callers and Airflow see it: without the hook.

Light: a DAG file that uses the decorator loads neither aiohttp nor the client.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from airflow_mirrordb.compat import context_keys

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_WANTED = "the first parameter of the function gets the hook, as in def sync(hook, rows)"

#: Arguments of Airflow's decorators whose functions run elsewhere, and the first one that has each.
_ELSEWHERE: Mapping[str, str] = {
    name: decorator
    for decorator, names in {
        "@task.virtualenv": "requirements python_version serializer use_dill system_site_packages"
        " venv_cache_path pip_install_options index_urls inherit_env",
        "@task.external_python": "python expect_airflow expect_pendulum",
        "@task.docker": "image docker_url network_mode mounts auto_remove",
        "@task.kubernetes": "namespace in_cluster kubernetes_conn_id config_file",
    }.items()
    for name in names.split()
}


def without_hook(function: Any) -> Callable[..., Any]:
    """Return a copy of a function that says it has no first parameter; it is called with that all the same.

    Airflow binds, maps and fills in what the signature names. A copy is a function as any other: what looks
    for its source, module, annotations and kind finds those of the author's.

    :raises TypeError: if no function that runs in a task takes a hook so
    """
    _check_kind(function)
    signature = inspect.signature(function)
    parameters = [*signature.parameters.values()]
    _check_first(function.__name__, parameters)
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__dict__.update(vars(function))
    for name in ("__module__", "__qualname__", "__doc__", "__kwdefaults__", "__annotations__"):
        setattr(copy, name, getattr(function, name))
    copy.__signature__ = signature.replace(parameters=parameters[1:])  # type: ignore[attr-defined]
    copy.__mirrordb_hook__ = parameters[0].name  # type: ignore[attr-defined]
    return copy


def name_of_hook(function: Callable[..., Any]) -> str | None:
    """Return the name by which a caller could pass the first parameter as well; None if there is none."""
    name: str | None = getattr(function, "__mirrordb_hook__", None)
    return name


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether a call returns a coroutine, also one of a function that is wrapped by a plain one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inspect.unwrap(function))


def elsewhere(name: str) -> str | None:
    """Return why an argument of a decorator whose functions run elsewhere is refused; None if it is not one.

    :param name: that no constructor here takes
    """
    decorator = _ELSEWHERE.get(name)
    if decorator is None:
        return None
    return (
        f"@task.mirrordb has no argument {name!r}: that is one of {decorator}, whose function runs in another"
        " process, where the open hook cannot go. Use that decorator, and in its function"
        " 'with MirrorDBHook(...) as hook:'"
    )


def _check_kind(function: Any) -> None:
    """Check that it is a plain function or a coroutine function."""
    name = getattr(function, "__name__", None) or type(function).__name__
    if isinstance(function, str):
        raise TypeError(
            f"@task.mirrordb takes its arguments by name, as @task.mirrordb(mirrordb_conn_id={function!r})"
        )
    if inspect.isclass(function):
        raise TypeError(f"@task.mirrordb: {name} is a class; {_WANTED}")
    if getattr(function, "_airflow_is_task_decorator", False) or hasattr(function, "operator"):
        raise TypeError(
            f"@task.mirrordb: {name} is a task already; a function has one decorator that makes it a task,"
            " and no other process, as of @task.virtualenv, gets the open hook"
        )
    if not isinstance(function, FunctionType):
        raise TypeError(
            f"@task.mirrordb: {name} is a {type(function).__name__}, and no function; write one that calls it"
        )
    inner = inspect.unwrap(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise TypeError(
            f"@task.mirrordb: {name} is a generator function, of which a task has no result: what it yields"
            " would go to nobody. Return a list, or write to a file"
        )


def _check_first(name: str, parameters: list[inspect.Parameter]) -> None:
    """Check that the hook can be given as the first argument, and is meant by that."""
    if not parameters:
        raise TypeError(f"@task.mirrordb: {name} has no parameter; {_WANTED}")
    first = parameters[0]
    if first.kind not in _POSITIONAL:
        written = str(first.replace(annotation=inspect.Parameter.empty))
        raise TypeError(f"@task.mirrordb: {name}: {written!r} cannot be that; {_WANTED}")
    if first.name in ("self", "cls"):
        raise TypeError(f"@task.mirrordb: {name}: methods are not supported; {_WANTED}, outside of a class")
    if first.name in context_keys():
        raise TypeError(
            f"@task.mirrordb: {name}: {first.name!r} is a name of Airflow's context, and comes after the"
            f" hook; {_WANTED}"
        )
