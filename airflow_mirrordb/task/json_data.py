"""The data of a request as a task's author gives it: a JSON value, or its text, as a template renders it."""

from __future__ import annotations

import ast
import json
from typing import Any

from airflow_mirrordb.client.bodies.errors.json_faults import fault_in
from airflow_mirrordb.client.errors import InvalidRequestError

#: What Python writes where JSON has something else.
_OF_PYTHON = ("'", "True", "False", "None", "nan", "inf", "-inf", "(")


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
        if _is_rendered(data, error):
            advice = (
                "a template made Python's text of a value: give the value itself, as the .output of a task,"
                " end the template with '| tojson', or set render_template_as_native_obj=True on the DAG"
            )
        fault = fault_in(data.encode(errors="backslashreplace"), error)
        message = f"data: the text {data!r:.80} is no JSON: {fault}; {advice}"
        raise InvalidRequestError(message=message, field="data") from None
    if value is None:
        message = f"data: {data!r} is null, as a None renders to JSON, and would send no body"
        raise InvalidRequestError(message=message, field="data")
    return value


def _is_rendered(text: str, error: ValueError) -> bool:
    """Whether a text is a list or dict as Python writes it, which jinja makes of a value.

    :param error: why it is no JSON; a comma at an end is a slip of the pen, and no template makes it
    """
    at = error.pos if isinstance(error, json.JSONDecodeError) else 0
    try:
        is_pythons = isinstance(ast.literal_eval(text), list | dict)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return is_pythons and text.startswith(_OF_PYTHON, at)
