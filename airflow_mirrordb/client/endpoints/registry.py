"""Which requests are allowed: the registry of patterns. Pure; no I/O.

PUT and DELETE on a collection, which wipe everything on some backends, need a pattern that says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.endpoints.paths import (
    ENCODED_SLASH,
    MAX_ENDPOINT_LENGTH,
    decode_endpoint,
    encode_endpoint,
    refuse_placeholders,
)
from airflow_mirrordb.client.endpoints.patterns import (
    COLLECTION,
    ITEM,
    METHODS,
    Rule,
    key_pattern_of,
    parse_pattern,
    pattern_of,
)
from airflow_mirrordb.client.errors import EndpointNotAllowedError

_MOST_REMEMBERED = 1024  # endpoints that a registry need not check again
_MOST_SHOWN, _LONGEST_SHOWN = 10, 60  # patterns in an error, and characters of each

_WORD = "[A-Za-z0-9_-]+"
# Endpoints that no reader of URLs can take for anything else: most are like that, and need no other check.
_PLAIN = re.compile(f"{_WORD}(?:/{_WORD})*")
# A version is no resource: api/v1/users is not item "users" of "v1".
_RESOURCE = rf"(?![vV][0-9]+(?:/|\Z)){_WORD}"


_PREDEFINED = {
    "api/{resource}": Rule(COLLECTION, re.compile(f"api/{_RESOURCE}")),
    "api/{resource}/{id}": Rule(ITEM, re.compile(f"api/{_RESOURCE}/{_WORD}")),
    "api/{resource}/{id}/{sub}": Rule(COLLECTION, re.compile(f"api/{_RESOURCE}/{_WORD}/{_WORD}")),
}

#: Where patterns are registered: of a client alone, and of an Airflow connection.
_PLACES = {
    False: "by register_endpoint(), or in the setting 'endpoints'",
    True: "in the extra 'endpoints'",
}
#: Other clients take the parameters of a GET as its data.
_READ_BY_A_BODY = (
    "data of a read is its body, and the parameters of a GET are 'query', as query={'limit': 20};"
    " a read with data is sent only where a QUERY pattern says that it changes nothing there, as a POST"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRegistry:
    """The endpoints a client may use; immutable, so a request keeps the one it started with.

    :param declared: the patterns of the connection; None stands for the predefined ones, any
        resource ``api/{resource}``, its items and sub-collections, of segments ``[A-Za-z0-9_-]+``
    :param added: the patterns registered at run time
    :param of_connection: whether the patterns come from an Airflow connection, for the words of an error
    :raises ConfigError: if a pattern is malformed; names it and says why
    """

    declared: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()
    of_connection: bool = False
    _rules: tuple[Rule, ...] = field(init=False, repr=False, compare=False)
    _allowed: dict[tuple[str, str], str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        first = tuple(_PREDEFINED.values()) if self.declared is None else ()
        parsed = tuple(
            rule for pattern in (*(self.declared or ()), *self.added) for rule in parse_pattern(pattern)
        )
        object.__setattr__(self, "_rules", first + parsed)

    @property
    def patterns(self) -> tuple[str, ...]:
        """All patterns that hold, the predefined ones spelled out."""
        return (*(tuple(_PREDEFINED) if self.declared is None else self.declared), *self.added)

    def with_pattern(self, pattern: str) -> EndpointRegistry:
        """Return a registry that allows what ``pattern`` says as well.

        :raises ConfigError: if the pattern is malformed
        """
        return replace(self, added=(*self.added, pattern))

    def path_for(self, method: str, endpoint: str) -> str:
        """Return the percent-encoded path that will be sent for an allowed endpoint; "" for the base URL.

        :raises EndpointNotAllowedError: if the endpoint is malformed or no pattern allows it
        """
        if isinstance(endpoint, str):
            endpoint = str.__str__(endpoint)  # a member of an enum calls itself otherwise
            if (known := self._allowed.get((method, endpoint))) is not None:
                return known
        try:
            plain = _is_plain(endpoint)
            path = endpoint if plain else decode_endpoint(endpoint)
            if not plain:
                refuse_placeholders(endpoint)
        except ValueError as error:
            raise _refused(method, shortened(str(endpoint), 200), str(error)) from None
        if not self._allows(method, path):
            if other := self._other_endpoint(method, path):
                raise _refused(method, endpoint, other)
            suggestion = self._suggestion(method, path)
            reason, where = self._reason(method, path), _PLACES[self.of_connection]
            raise _refused(method, endpoint, reason, suggestion, where, self.patterns)
        if len(self._allowed) >= _MOST_REMEMBERED:
            self._allowed.clear()
        return self._allowed.setdefault((method, endpoint), endpoint if plain else encode_endpoint(endpoint))

    def _other_endpoint(self, method: str, path: str) -> str:
        """Return what must be another endpoint, if a pattern for this one would not help; else nothing."""
        word, blank, rest = path.partition(" ")
        if blank and word.upper() in METHODS:
            return f"it begins with a method, which is none of its names: write {rest.strip()!r:.200}"
        several = [part.strip() for part in path.split(",")]
        if len(several) > 1 and all(self._allows(method, part) for part in several):
            return f"for several endpoints give a list, as {several[:2]!r:.200}"
        return ""

    def _allows(self, method: str, path: str) -> bool:
        return any(method in rule.methods and rule.matches(path) for rule in self._rules)

    def _reason(self, method: str, path: str) -> str:
        if method == "QUERY":
            return _READ_BY_A_BODY
        methods = {allowed for rule in self._rules if rule.matches(path) for allowed in rule.methods}
        if methods:
            return f"{method} is not registered for it, only {', '.join(sorted(methods))}"
        if ENCODED_SLASH in path:
            return (
                "a slash in percent-encoding is refused, save in a segment that a pattern calls {name:quoted}"
            )
        if pattern := self._pattern_above(path):
            return (
                f"no registered pattern matches it: {_shortened(pattern)} is that path alone, no item of it"
            )
        return "no registered pattern matches it"

    def _pattern_above(self, path: str) -> str:
        """Return a pattern with a method for what is right above a path; nothing if there is none."""
        above = path.rpartition("/")[0]
        exact = (pattern for pattern in self.patterns if " " in pattern.strip())
        return next((it for it in exact if any(rule.matches(above) for rule in parse_pattern(it))), "")

    def _suggestion(self, method: str, path: str) -> str | None:
        """Return a pattern that would allow the request, and no more than its author is likely to mean."""
        exact = pattern_of(path)
        if method not in METHODS or len(exact) > MAX_ENDPOINT_LENGTH:
            return None
        if any(rule.matches(path) for rule in self._rules) or ENCODED_SLASH in path or not path:
            return f"{method} {exact}"
        parent, _, last = path.rpartition("/")
        if method in ITEM and (key := key_pattern_of(path)):
            return key
        if method in ITEM and parent and any(character.isdigit() for character in last):
            return pattern_of(parent)
        return exact if method in COLLECTION and ":" not in last else f"{method} {exact}"


def _is_plain(endpoint: str) -> bool:
    given = isinstance(endpoint, str) and len(endpoint) <= MAX_ENDPOINT_LENGTH
    return given and _PLAIN.fullmatch(endpoint) is not None


def _refused(
    method: str,
    endpoint: str,
    reason: str,
    pattern: str | None = None,
    where: str = "",
    registered: Sequence[str] = (),
) -> EndpointNotAllowedError:
    remedy = f"; register {pattern!r} to allow it, {where}" if pattern else ""
    known = f"; registered: {_shown(registered)}" if registered else ""
    return EndpointNotAllowedError(
        message=f"the endpoint is not allowed: {reason}{remedy}{known}",
        method=method,
        endpoint=endpoint,
        reason=reason,
        pattern=pattern,
    )


def _shown(patterns: Sequence[str]) -> str:
    """Return some patterns for an error, as many as a person reads."""
    shown = ", ".join(_shortened(pattern) for pattern in patterns[:_MOST_SHOWN])
    rest = len(patterns) - _MOST_SHOWN
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _shortened(pattern: str) -> str:
    return repr(pattern if len(pattern) <= _LONGEST_SHOWN else f"{pattern[:_LONGEST_SHOWN]}…")
