"""One field of the connection's form."""

from typing import Any


def field(label: str, description: str, kind: str = "string", **schema: Any) -> dict[str, Any]:
    """Return a field of the form, which may be left empty.

    :param kind: type of its value in JSON schema
    :param schema: what else is said of its value
    """
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}
