"""What is said of a method that hook or client does not have, or of arguments that one does not take.

The names are those of requests, httpx and Airflow's ``HttpHook``, and those of the client where the hook is
meant, or the other way round.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from airflow_mirrordb.client.calls.argument_names import is_setting, remedy_for
from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.messages.request import MirrorDBRequest

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

#: The methods of a hook, by what others call them.
_MEANT: Mapping[str, str] = {
    other: ours
    for ours, others in {
        "read": "get fetch load find retrieve query",
        "records": "list get_records get_all read_all iterate paginate",
        "create": "post insert add save",
        "update": "put patch replace upsert modify",
        "delete": "remove destroy",
        "request": "run run_and_check fetch_response call_api",
        "run_job": "submit submit_job start_job",
        "get_conn": "session get_session connect",
        "bulk": "create_many update_many batch insert_rows",
    }.items()
    for other in others.split()
}
_SHOWN: Mapping[str, str] = {
    "read": "read('api/users/7')",
    "records": "records('api/users', paginate={'style': 'link'})",
    "create": "create('api/users', {'name': 'Ada'})",
    "update": "update('api/users/7', {'name': 'Ada'})",
    "delete": "delete('api/users/7')",
    "bulk": "bulk('create', [{'endpoint': 'api/users', 'data': {}}])",
}
_FUNCTIONS = ("create", "read", "update", "delete")


class _Elsewhere:
    """An attribute that others have: who asks for it is told what it is called here."""

    def __init__(self, name: str, missing: Callable[[type, str], AttributeError]) -> None:
        self._name, self._missing = name, missing

    def __get__(self, _instance: object, kind: type) -> NoReturn:
        raise self._missing(kind, self._name)


def tells_of_others(missing: Callable[[type, str], AttributeError]) -> Callable[[type[T]], type[T]]:
    """Return a decorator of a class, whose attributes of others' names raise an error that tells its own.

    A class with a ``__getattr__`` would find all of its attributes slower: 3 % of a read by a plain method.
    """

    def decorate(kind: type[T]) -> type[T]:
        for name in (*_MEANT, *_FUNCTIONS, *(f"{function}_function" for function in _FUNCTIONS)):
            if not hasattr(kind, name):
                setattr(kind, name, _Elsewhere(name, missing))
        return kind

    return decorate


def missing_of_hook(kind: type, name: str) -> AttributeError:
    """Return the error of an attribute that a hook does not have."""
    function = name.removesuffix("_function")
    if name != function and function in _FUNCTIONS:
        told = f"that is of the client, which 'async with' gives; of a hook it is hook.{_SHOWN[function]}"
    else:
        ours = _MEANT.get(name)
        told = f"did you mean hook.{_SHOWN.get(ours, f'{ours}()')}?" if ours else ""
    return _missing(kind, name, told)


def missing_of_client(kind: type, name: str) -> AttributeError:
    """Return the error of an attribute that a client does not have."""
    ours = name if name in _FUNCTIONS else _MEANT.get(name)
    told = ""
    if ours in _FUNCTIONS:
        data = ", data" if ours in ("create", "update") else ""
        told = f"did you mean await client.{ours}_function(method_name, endpoint{data})?"
    elif ours == "get_conn":
        told = "a client is one: use 'async with', or await connect()"
    elif ours is not None:
        told = f"did you mean client.{ours}()?"
    return _missing(kind, name, told)


def _missing(kind: type, name: str, told: str) -> AttributeError:
    message = f"{kind.__name__!r} object has no attribute {name!r}"
    return AttributeError(f"{message}; {told}" if told else message, name=name)


def naming_class(words: str = "") -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Return a decorator of a constructor that tells of wrong arguments by the name of the class made.

    :param words: what is said to who gives settings as arguments, or too few or too many of these
    """

    def decorate(init: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(init)
        def constructor(*args: P.args, **options: P.kwargs) -> None:
            try:
                init(*args, **options)
            except TypeError as error:
                signature = inspect.signature(init)
                try:
                    signature.bind(*args, **options)
                except TypeError as fault:
                    raise _wrong(type(args[0]), signature, options, str(fault), words) from None
                raise error from error.__cause__

        return constructor

    return decorate


def _wrong(
    kind: type, signature: inspect.Signature, options: Mapping[str, Any], fault: str, words: str
) -> TypeError:
    known = [name for name in signature.parameters if name != "self"]
    unknown = next((name for name in options if name not in known), None)
    if words and (unknown is None or is_setting(unknown)):
        return TypeError(f"{kind.__name__} {words}")
    if unknown is None:
        return TypeError(f"{kind.__name__}: {fault}")
    return TypeError(f"{kind.__name__} has no argument {unknown!r}; {remedy_for(unknown, known)}")


def check_request(request: object, others: tuple[object, ...]) -> None:
    """Check that a request is given, and no method and endpoint.

    :raises InvalidRequestError: shows the request that is meant
    """
    if not others and isinstance(request, MirrorDBRequest):
        return
    method, endpoint = "GET", request
    if isinstance(request, str) and request.isalpha() and request.isupper():
        method, endpoint = request, others[0] if others else "api/users/7"
    shown = f"MirrorDBRequest(method={method!r}, endpoint={endpoint!r:.200})"
    message = f"request: it takes one request, as {shown}, of airflow_mirrordb.client; not {request!r:.200}"
    raise InvalidRequestError(message=message, field="request")
