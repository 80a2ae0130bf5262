"""Which arguments make the body of a request, for client and operators; light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_mirrordb.json_types import is_list

#: What each of them sends. ``form`` goes with ``files``, whose body has a place for fields.
BODIES: Mapping[str, str] = {
    "data": "JSON",
    "form": "a form",
    "files": "files of a form",
    "input_path": "a file as it is",
}

_BY_ONE_REQUEST = "files are sent by one request; map the task over them, with .expand()"
#: Why these are no list of records, and what sends many of them.
NO_RECORDS: Mapping[str, str] = {
    "form": (
        "with bulk=True the records are a list in data; the same form goes to each endpoint of a list, and a"
        " form each by mapping the task over them, with .expand(form=...)"
    ),
    "files": _BY_ONE_REQUEST,
    "input_path": _BY_ONE_REQUEST,
}


def paths_as_text(value: Any) -> Any:
    """Return paths, as ``Path`` or ``ObjectStoragePath``, as the texts that they stand for, also in lists or
    under names; anything else as it is.
    """
    if isinstance(value, Mapping):
        return {name: paths_as_text(item) for name, item in value.items()}
    if is_list(value):
        return [paths_as_text(item) for item in value]
    return str(value) if hasattr(value, "as_uri") else value


def check_bodies(given: Mapping[str, object]) -> None:
    """Check that what is given is one body.

    :param given: the arguments by name; None is none
    :raises ValueError: names those that contradict each other
    """
    bodies = [name for name in BODIES if given.get(name) is not None]
    if len(bodies) > 1 and bodies != ["form", "files"]:
        told = " and ".join(f"{name} ({BODIES[name]})" for name in bodies)
        raise ValueError(f"{bodies[0]}: {told} are several bodies; a request has one")
    if given.get("content_type") is not None and not {"data", "input_path"}.intersection(bodies):
        raise ValueError("content_type: it is of data or input_path; a form has its own")


def check_records(given: Mapping[str, object]) -> None:
    """Check that nothing is given in the place of a list of records, be it one record.

    :param given: the arguments by name; None is none
    :raises ValueError: names what is, and what sends many of it
    """
    for name, reason in NO_RECORDS.items():
        if given.get(name) is not None:
            raise ValueError(f"{name}: {reason}")
    if isinstance(data := given.get("data"), Mapping):
        raise ValueError(f"data: with bulk=True it is a list of records, not {type(data).__name__}")  # noqa: TRY004  # one error for all
