"""Calling a method of the client with arguments that come from outside, as from JSON."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.messages.request import BodyOptions, RequestOptions


async def called(function: Callable[..., Awaitable[Any]], arguments: Mapping[str, Any]) -> Any:
    """Return what a method returns.

    :param function: one of the four ``*_function`` methods
    :raises InvalidRequestError: if it takes no such arguments; names the wrong one
    """
    signature = inspect.signature(function)
    takes_body = BodyOptions.__name__ in str(signature.parameters["options"].annotation)
    known = (BodyOptions if takes_body else RequestOptions).__annotations__.keys() | (
        signature.parameters.keys() - {"options"}
    )
    try:
        signature.bind(**arguments)
        if unknown := arguments.keys() - known:
            raise TypeError(f"got an unexpected keyword argument {min(unknown)!r}")  # noqa: TRY301
    except TypeError as error:
        message = f"{function.__name__}: {error}"
        raise InvalidRequestError(message=message, field="arguments") from error
    return await function(**arguments)
