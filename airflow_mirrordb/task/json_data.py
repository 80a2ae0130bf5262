"""The data of a request as a task's author gives it: a JSON value, or its text, as a template renders it."""

from __future__ import annotations

import ast
import json
from typing import Any

from airflow_mirrordb.client.errors import InvalidRequestError


def json_of(data: Any) -> Any:
    """Return a JSON value; a string is JSON text, as a template renders it.

    :raises InvalidRequestError: if it is a text, and no JSON, or null
    """
    if not isinstance(data, str):
        return data
    try:
        value = json.loads(data)
    except ValueError as error:
        advice = "pass a dict or a list instead"
        if _is_rendered(data):
            advice = (
                "a template made Python's text of a value: give the value itself, as the .output of a task,"
                " end the template with '| tojson', or set render_template_as_native_obj=True on the DAG"
            )
        message = f"data: the text {data!r:.80} is no JSON ({error}); {advice}"
        raise InvalidRequestError(message=message, field="data") from None
    if value is None:
        message = f"data: {data!r} is null, as a None renders to JSON, and would send no body"
        raise InvalidRequestError(message=message, field="data")
    return value


def _is_rendered(text: str) -> bool:
    """Whether a text is a list or dict as Python writes it, which jinja makes of a value."""
    try:
        return isinstance(ast.literal_eval(text), list | dict)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
