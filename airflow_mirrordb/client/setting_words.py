"""What is wrong with a setting, in words: what pydantic found, said for who filled in the form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.errors import remedy

_OWN = "Value error, "  # pydantic's, before what our validators raise
_WANTED = {
    "int": "it must be a whole number",
    "float": "it must be a number",
    "bool": "it must be true or false",
    "string": "it must be text",
    "tuple": "it must be a list",
    "list": "it must be a list",
    "dict": "it must be a JSON object",
    "mapping": "it must be a JSON object",
}


def problem_of(found: Mapping[str, Any], known: Iterable[str], secret: Iterable[str]) -> str:
    """Return what is wrong with a setting: its name, what is wanted, and what it is.

    :param found: one of pydantic's ``ValidationError.errors()``
    :param known: names of all settings
    :param secret: names of those whose value must not be seen
    """
    location, kind, message = found["loc"], found["type"], found["msg"]
    if not location:
        return str(message).removeprefix(_OWN)
    name = str(location[0])
    if kind == "extra_forbidden":
        return f"unknown setting {name!r}; {remedy(name, sorted(known), cutoff=0.5)}"
    if kind == "missing":
        return f"{name}: it is required"
    if message.startswith(_OWN):
        return f"{name}: {message.removeprefix(_OWN)[:300]}"
    wanted = _WANTED.get(kind.partition("_")[0]) or message.replace("Input should be", "it must be")[:300]
    value = "" if name in secret else f", not {shortened(repr(found['input']), 100)}"
    return f"{name}: {wanted}{value}"
