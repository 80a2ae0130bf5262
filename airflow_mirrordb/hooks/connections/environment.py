"""What is wrong with a connection of which Airflow only says that it is not defined."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def telling_of_its_variable(conn_id: str) -> Iterator[None]:
    """Add to the error of a look-up that the variable of the connection is there, and is no JSON.

    Airflow logs that, as a debug message, and goes on to its database. Nothing of the variable is quoted.
    """
    try:
        yield
    except Exception as error:
        fault = _fault_of(f"AIRFLOW_CONN_{conn_id.upper()}")
        if fault and error.args:
            error.args = (f"{error.args[0]}; {fault}", *error.args[1:])
        raise


@contextmanager
def telling_who_names_it(conn_id: str) -> Iterator[None]:
    """Add to the error of a look-up which connection names the one that was looked up."""
    try:
        yield
    except Exception as error:
        if error.args:
            named = f"the extra 'auth_conn_id' of connection {conn_id!r} names it"
            error.args = (f"{error.args[0]}; {named}", *error.args[1:])
        raise


def _fault_of(variable: str) -> str:
    """Return what is wrong with the JSON of a variable; nothing if it is right, or a URI, or not there."""
    text = os.environ.get(variable, "")
    if not text.lstrip().startswith("{"):
        return ""
    try:
        json.loads(text)
    except ValueError as error:
        return f"the environment variable {variable} is set, but is no JSON: {error}"
    return ""
