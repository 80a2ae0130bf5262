"""Cookies that an answer sets (RFC 6265, section 5.2). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from aiohttp.hdrs import SET_COOKIE

from airflow_mirrordb.client.retries.wait_headers import number_of

#: Seconds in the past from which on a date deletes a cookie, and is no matter of clocks.
_LONG_AGO = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCookie:
    """A cookie that a client is to keep.

    :param lifetime: for how many seconds, as it says; None if it does not
    """

    name: str
    value: str = field(repr=False)
    lifetime: float | None


def cookies_set_by(headers: Mapping[str, str], now: float) -> Iterator[SetCookie]:
    """Yield the cookies of an answer, but for those that it deletes.

    :param now: unix time
    """
    every = getattr(headers, "getall", None)
    for line in every(SET_COOKIE, ()) if every else ():
        pair, *attributes = line.split(";")
        name, mark, value = pair.partition("=")
        lifetime = _lifetime({key.strip().lower(): text.strip() for key, text in map(_pair, attributes)}, now)
        is_deleted = not value.strip() or (lifetime is not None and lifetime <= 0)
        if mark and not is_deleted:
            yield SetCookie(name=name.strip(), value=value.strip(), lifetime=lifetime)


def _pair(attribute: str) -> tuple[str, str]:
    name, _, text = attribute.partition("=")
    return name, text


def _lifetime(attributes: Mapping[str, str], now: float) -> float | None:
    """Return what Max-Age says, or else Expires (section 5.3); 0 or less for a cookie that is deleted."""
    seconds = number_of(attributes.get("max-age", ""))
    if seconds is not None:
        return seconds
    try:
        seconds = parsedate_to_datetime(attributes.get("expires", "")).timestamp() - now
    except (ValueError, OverflowError, TypeError):
        return None
    return seconds if seconds > 0 or seconds < -_LONG_AGO else None
