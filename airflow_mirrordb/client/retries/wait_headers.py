"""The headers by which a backend says how long to stay away, each with its source. Pure.

========================= ========================== =================================================
header                    value                      source
========================= ========================== =================================================
``Retry-After``           seconds, or an HTTP-date   RFC 9110, section 10.2.3
``retry-after-ms``        milliseconds               Azure OpenAI, "Manage quota"; OpenAI's own clients
``x-ms-retry-after-ms``   milliseconds               Azure Cosmos DB, "Common REST response headers"
``RateLimit``             ``"name";r=0;t=30``        draft-ietf-httpapi-ratelimit-headers-08 to -11
``RateLimit``             ``limit=9, remaining=0,    the same, -07 (express-rate-limit, "draft-7")
                          reset=30``
``RateLimit-Policy``      ``"name";q=100;w=60``      the same; the window, where no ``t`` is said
``RateLimit-Reset``       seconds                    the same, -00 to -06; unix time at GitLab
``X-RateLimit-Reset-After`` seconds, with decimals   Discord, "Rate Limits"
``X-RateLimit-Reset``     unix time, seconds or      GitHub, "Best practices for using the REST API";
                          a date                     ISO 8601 in Jira Cloud, "Rate limiting"
``X-Rate-Limit-Reset``    unix time                  Okta, "Rate limit best practices"; X, "Rate limits"
``X-Contentful-...``      seconds                    Contentful, "API rate limits": ``-RateLimit-Reset``
``Backoff``               seconds                    Kinto, "Backoff indicators"
========================= ========================== =================================================

The first three ask whoever is answered to come back later, with any status. The others tell when a limit is
lifted. Many backends send them with each answer, so they count only where a limit was reached.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from multidict import istr

#: Longest wait that a backend is obeyed in, in seconds: no limit is known that is lifted more seldom than
#: once a day, and a watcher or a task would wait for a wrong one.
LONGEST_WAIT = 86_400.0

#: Characters of a list of policies that are looked at.
MAX_LIST = 1000
#: Days from which on nobody counts them.
MANY = 1e6

_FIRST_UNIX_TIME = 1e9  # a larger number of seconds is a moment, from September 2001 on

_FRACTION = re.compile(r"\.(\d{1,6})\d*")  # of a second

#: One policy of a list (RFC 9651, section 3.1), and its parameters.
_POLICY = re.compile(r'("(?:[^"\\]|\\.)*"|[^\s",;=]+)((?:\s*;\s*[a-z]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)')
_PARAMETER = re.compile(r";\s*([a-z]+)\s*=\s*([0-9.]+)")
#: The members of the dictionary that draft -07 had in its place.
_MEMBER = re.compile(r"(?:^|,)\s*(limit|remaining|reset)\s*=\s*([0-9.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a backend asks for.

    :param header: by which it asks
    :param asked: seconds
    """

    header: str
    asked: float

    @property
    def seconds(self) -> float:
        """How long to wait: what is asked for, but at most :data:`LONGEST_WAIT`."""
        return min(self.asked, LONGEST_WAIT)

    @property
    def excess(self) -> str:
        """What to tell of a wait that is not obeyed to its end; "" of any other."""
        return too_long(self.asked, self.header)

    @property
    def end_of_message(self) -> str:
        """The same, as a message about the answer goes on."""
        return f"; {self.excess}" if self.excess else ""


def too_long(seconds: float, who: str) -> str:
    """Return what to tell of a wait of more than :data:`LONGEST_WAIT`; "" of a shorter one.

    :param who: asks for it
    """
    if seconds <= LONGEST_WAIT:
        return ""
    days = seconds / LONGEST_WAIT
    return (
        f"{who} asks for a wait of {f'{days:,.1f}' if days < MANY else 'countless'} days, of which one counts"
    )


def wait_asked(headers: Mapping[str, str], status: int, now: float) -> Wait | None:
    """Return how long an answer asks to stay away, or None if it does not say.

    A limit was reached by a 429, and by a 403 that says that nothing is left of it (GitHub's way). One of
    which something is left was not the one that refused. Of several headers the first one counts that names
    a time to come; what names none, as a ``Retry-After`` of 0 or a date that has passed, is a wait of 0.

    :param now: unix time in seconds
    """
    waits = [*_retry_waits(headers, now)]
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.FORBIDDEN and _is_used_up(headers)):
        waits += _limit_waits(headers, now)
    if not waits and status == HTTPStatus.FORBIDDEN and _is_used_up(headers):
        return Wait(header="reset", asked=0.0)  # it was lifted meanwhile, or the clocks differ
    return next((wait for wait in waits if wait.asked > 0), waits[0] if waits else None)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds for which ``Retry-After``, or a header that stands for it, asks; None if none does.

    ``Retry-After`` is a number of seconds or an HTTP-date, or from some limiters unix time. A moment in the
    past means now; what cannot be read, as a number below 0, counts as absent. More than
    :data:`LONGEST_WAIT` counts as that.

    :param now: unix time in seconds
    """
    return next((wait.seconds for wait in _retry_waits(headers, now)), None)


def back_off(headers: Mapping[str, str]) -> float | None:
    """Return the seconds for which ``Backoff`` asks all requests to stay away, or None.

    Kinto and others send it with answers of any status, as "Backoff: 7".
    """
    value = headers.get(_BACKOFF)
    seconds = None if value is None else number_of(value.strip())
    return seconds if seconds is not None and 0 < seconds < math.inf else None


def _retry_waits(headers: Mapping[str, str], now: float) -> Iterator[Wait]:
    """Yield what asks to come back, the most exact first."""
    for name, read in _RETRY_HEADERS.items():
        if (value := headers.get(name)) is not None and (seconds := read(value.strip(), now)) is not None:
            yield Wait(header=name, asked=max(0.0, seconds))


def _limit_waits(headers: Mapping[str, str], now: float) -> Iterator[Wait]:
    """Yield until when limits hold; a moment in the past is no help."""
    if (seconds := _rate_limit(headers)) is not None:
        yield Wait(header="RateLimit", asked=seconds)
    for name, (remaining, read) in _LIMIT_HEADERS.items():
        seconds = read((headers.get(name) or "").strip(), now)
        if seconds is not None and seconds > 0 and not _is_left(headers, remaining):
            yield Wait(header=name, asked=seconds)


def _is_left(headers: Mapping[str, str], remaining: str) -> bool:
    """Whether something is left of a limit, as far as it is said."""
    return (number_of((headers.get(remaining) or "").strip()) or 0) > 0


def _is_used_up(headers: Mapping[str, str]) -> bool:
    names = {remaining for remaining, _ in _LIMIT_HEADERS.values()}
    return any(number_of((headers.get(name) or "").strip()) == 0 for name in names)


def _rate_limit(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until all limits of ``RateLimit`` of which nothing is left are lifted."""
    field = _list(headers, "RateLimit")
    if members := dict(_MEMBER.findall(field)):
        reset, left = number_of(members.get("reset", "")), number_of(members.get("remaining", "0"))
        return reset if reset and not left else None
    windows = {
        name: parameters.get("w") for name, parameters in _policies(_list(headers, "RateLimit-Policy"))
    }
    waits = [
        seconds
        for name, parameters in _policies(field)
        if not parameters.get("r") and (seconds := parameters.get("t") or windows.get(name))
    ]
    return max(waits, default=None)


def _policies(field: str) -> Iterator[tuple[str, dict[str, float]]]:
    for name, parameters in _POLICY.findall(field):
        found = {key: number_of(value) for key, value in _PARAMETER.findall(parameters)}
        yield name, {key: number for key, number in found.items() if number is not None}


def _list(headers: Mapping[str, str], name: str) -> str:
    """Return the beginning of a list that may come in several fields (RFC 9110, section 5.3)."""
    every = getattr(headers, "getall", None)
    return (", ".join(every(name, ())) if every else headers.get(name) or "")[:MAX_LIST]


def number_of(text: str) -> float | None:
    """Return the number that a text is; None if it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _milliseconds(text: str, _now: float) -> float | None:
    number = number_of(text)
    return number / 1000 if number is not None and 0 <= number < math.inf else None


def _seconds(text: str, _now: float) -> float | None:
    number = number_of(text)
    return number if number is not None and 0 <= number < math.inf else None


def seconds_until(text: str, now: float) -> float | None:
    """Return the seconds until a moment, which may be in the past; None if it cannot be read.

    It is a number of seconds from now on, unix time in seconds or milliseconds, an HTTP-date or ISO 8601.
    """
    number = number_of(text)
    if number is None:
        return _until_date(text, now)
    if not 0 <= number < math.inf:
        return None
    if number >= _FIRST_UNIX_TIME * 1000:
        number /= 1000
    return number - now if number >= _FIRST_UNIX_TIME else number


def _until_date(text: str, now: float) -> float | None:
    for read in (parsedate_to_datetime, _iso_date):
        try:
            moment = read(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() - now
        except (ValueError, OverflowError):
            continue
    return None


def _iso_date(text: str) -> datetime:
    # Python 3.10 knows neither Z nor any number of digits but three and six
    digits = _FRACTION.sub(lambda found: f".{found[1]:0<6}", text.upper())
    return datetime.fromisoformat(digits.replace("Z", "+00:00"))


_Reader = Callable[[str, float], float | None]
_BACKOFF = istr("Backoff")  # looked up in half the time, for each answer
_RETRY_HEADERS: dict[str, _Reader] = {
    "retry-after-ms": _milliseconds,
    "x-ms-retry-after-ms": _milliseconds,
    "Retry-After": seconds_until,
}
#: With the header that says how much is left of the same limit.
_LIMIT_HEADERS: dict[str, tuple[str, _Reader]] = {
    "RateLimit-Reset": ("RateLimit-Remaining", seconds_until),
    "X-RateLimit-Reset-After": ("X-RateLimit-Remaining", _seconds),
    "X-RateLimit-Reset": ("X-RateLimit-Remaining", seconds_until),
    "X-Rate-Limit-Reset": ("X-Rate-Limit-Remaining", seconds_until),
    "X-Contentful-RateLimit-Reset": ("X-Contentful-RateLimit-Second-Remaining", _seconds),
}
