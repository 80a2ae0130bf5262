"""What is wrong with a connection of which Airflow only says that it is not defined."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def telling_of_look_up(conn_id: str, named_by: str | None = None) -> Iterator[None]:
    """Add to the error of a look-up what Airflow does not say, or only as a debug message.

    It goes on to its database where the variable of the connection is there, and is no JSON. Nothing of the
    variable is quoted.

    :param named_by: id of the connection whose ``auth_conn_id`` it is; None if it is no such one
    """
    try:
        yield
    except Exception as error:
        named = f"the extra 'auth_conn_id' of connection {named_by!r} names it" if named_by else ""
        told = [words for words in (_fault_of(f"AIRFLOW_CONN_{conn_id.upper()}"), named) if words]
        if told and error.args:
            error.args = ("; ".join([str(error.args[0]), *told]), *error.args[1:])
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
