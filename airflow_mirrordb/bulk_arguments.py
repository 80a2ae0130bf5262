"""What the arguments of a bulk may be, for client and operators; light, as a DAG file loads it."""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

OnError = Literal["fail", "continue"]

ON_ERROR: tuple[str, ...] = get_args(OnError)
ON_ERROR_WANTED = "it must be 'fail' or 'continue'"
MAX_FAILED_WANTED = "it must be a whole number of records, or a share from 0.0 to 1.0"
NEEDS_CONTINUE = "it needs on_error='continue'; else the first failure ends the bulk"


def shared_target(endpoint: object, records: object = "several") -> str:
    """Return what is wrong with full updates that all go to one endpoint (RFC 9110, section 9.3.4)."""
    return (
        f"{endpoint!r:.200} is one resource, which {records} records of an update would overwrite in any"
        " order; give an endpoint for each, as ['users/1', 'users/2']"
    )


def is_max_failed(value: object) -> TypeGuard[float]:
    """Whether a value says how many records may fail: a whole number, or as a float a share of all."""
    if isinstance(value, float):
        return 0 <= value <= 1
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
