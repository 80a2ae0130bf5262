"""When a token ends, as far as it or the answer that brought it says so. Pure.

All are seconds from now on, and None where nothing is said. What cannot be meant counts as not said: less
than a second, by which each request would log in anew, and what is over already by a clock that is wrong.
"""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from typing import Any

from airflow_mirrordb.client.retries.wait_headers import number_of, seconds_until

#: Seconds that a token has to live at least.
SHORTEST_LIFETIME = 1.0
#: Seconds of a year; a larger number that is no unix time is one of milliseconds, as Directus says it.
LONGEST_LIFETIME = 366 * 86400.0
#: A JWT has a header, claims and a signature (RFC 7515, section 3.1).
_PARTS_OF_JWT = 3


def shortest(lifetimes: Iterable[float | None]) -> float:
    """Return the one that ends first of those that can be meant; infinity if there are none."""
    meant = (one for one in lifetimes if one is not None and one >= SHORTEST_LIFETIME)
    return min(meant, default=math.inf)


def lifetime_of(value: object, now: float) -> float | None:
    """Return what a number or text of an answer says: seconds, milliseconds, a unix time, or a date.

    :param now: unix time
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    seconds = seconds_until(text, now)
    if seconds is not None and seconds == number_of(text) and seconds > LONGEST_LIFETIME:
        return seconds / 1000
    return seconds


def lifetime_of_jwt(token: str, now: float) -> float | None:
    """Return for how long a token still lives, if it is a JWT that says so (RFC 7519, 4.1.4 and 4.1.6).

    Nothing of it is verified: who it is for does that. Where it says when it was issued, a clock that is
    wrong does no harm.
    """
    claims = _claims(token)
    ends, issued = (_number(claims.get(name)) for name in ("exp", "iat"))
    if ends is None:
        return None
    known = [ends - now, *([ends - issued] if issued is not None else [])]
    found = shortest(known)
    return found if found < math.inf else None


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != _PARTS_OF_JWT:
        return {}
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None
