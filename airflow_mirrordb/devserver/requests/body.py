"""Request bodies: strict JSON in (RFC 8259), merge patches applied (RFC 7396)."""

import json
import math
from typing import Any, NoReturn

from airflow_mirrordb.devserver.answer import RefusedError


def parse_object(payload: bytes) -> dict[str, Any]:
    """Return the JSON object in the payload.

    :raises RefusedError: 400 if it is not JSON, 422 if it is JSON but no object
    """
    try:
        value = json.loads(payload, parse_constant=_refuse_constant, parse_float=_finite_float)
    except ValueError as error:
        raise RefusedError(400, f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise RefusedError(422, "the body must be a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # 1e999 would be answered as Infinity, which is not JSON
        raise ValueError("number out of range")
    return number


def merge_patch(target: Any, patch: Any) -> Any:
    """Return the target with the patch merged in, as RFC 7396, section 2, defines it."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
