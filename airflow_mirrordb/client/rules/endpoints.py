"""Which requests are allowed: path templates and the registry that matches them. Pure; no I/O.

A pattern is a path template in the syntax of Starlette and FastAPI: literals, ``{name}``,
``{name:int}``, ``{name:uuid}`` and, at the end, ``{name:path}``.

- ``api/users`` ends in a literal and registers a resource: the collection (GET, POST), its items
  ``api/users/{id}`` (GET, PUT, PATCH, DELETE) and their sub-collections
  ``api/users/{id}/{sub}`` (GET, POST).
- ``api/users/{id}`` ends in a placeholder and registers that item alone (GET, PUT, PATCH, DELETE).
- ``DELETE api/cache`` registers exactly this method on exactly this path.

PUT and DELETE on a collection, which wipe everything on some backends, therefore need a pattern
that says so. A pattern becomes a regular expression of which only a last ``{name:path}`` reaches
over a slash, so matching is linear in the length of the endpoint.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote, unquote

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.errors import ConfigError, EndpointNotAllowedError

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
METHODS: tuple[Method, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAX_ENDPOINT_LENGTH = 2048
MAX_ENCODINGS = 8
_MOST_REMEMBERED = 1024  # endpoints that a registry need not check again
_MOST_SHOWN, _LONGEST_SHOWN = 10, 60  # patterns in an error, and characters of each

_COLLECTION: frozenset[str] = frozenset({"GET", "POST"})
_ITEM: frozenset[str] = frozenset({"GET", "PUT", "PATCH", "DELETE"})
_PLACEHOLDER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*(?::([a-z]+))?\}")
# How others write a placeholder, as a whole segment: Express and Rails, Flask, and globs.
_FOREIGN = re.compile(r":(?P<colon>\w+)|<(?:(?P<kind>\w+):)?(?P<angle>\w+)>|(?P<glob>\*\*?)")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPED_DOT_OR_SLASH = re.compile(r"%(?:2[EeFf]|5[Cc])")
_WORD = "[A-Za-z0-9_-]+"
# Endpoints that no reader of URLs can take for anything else: most are like that, and need no other check.
_PLAIN = re.compile(f"{_WORD}(?:/{_WORD})*")
# A path of RFC 3986, section 3.3, less '+' (read as a space by some servers) and ';' (cut off by others).
_SAFE = "/!$&'()*,=:@"
# What each kind of placeholder stands for. No segment holds a slash, not even an escaped one.
_KINDS = {
    "str": "[^/]+",
    "int": "[0-9]+",
    "uuid": "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "path": ".+",
}
# A version is no resource: api/v1/users is not item "users" of "v1".
_RESOURCE = rf"(?![vV][0-9]+(?:/|\Z)){_WORD}"


@dataclass(frozen=True, slots=True)
class Rule:
    """The methods allowed on the decoded paths that the expression matches."""

    methods: frozenset[str]
    path: re.Pattern[str]

    def matches(self, path: str) -> bool:
        return self.path.fullmatch(path) is not None


_PREDEFINED = {
    "api/{resource}": Rule(_COLLECTION, re.compile(f"api/{_RESOURCE}")),
    "api/{resource}/{id}": Rule(_ITEM, re.compile(f"api/{_RESOURCE}/{_WORD}")),
    "api/{resource}/{id}/{sub}": Rule(_COLLECTION, re.compile(f"api/{_RESOURCE}/{_WORD}/{_WORD}")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRegistry:
    """The endpoints a client may use; immutable, so a request keeps the one it started with.

    :param declared: the patterns of the connection; None stands for the predefined ones, any
        resource ``api/{resource}``, its items and sub-collections, of segments ``[A-Za-z0-9_-]+``
    :param added: the patterns registered at run time
    :raises ConfigError: if a pattern is malformed; names it and says why
    """

    declared: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()
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
        """Return the percent-encoded path that will be sent for an allowed endpoint.

        :raises EndpointNotAllowedError: if the endpoint is malformed or no pattern allows it
        """
        if isinstance(endpoint, str):
            endpoint = str.__str__(endpoint)  # a member of an enum calls itself otherwise
            if known := self._allowed.get((method, endpoint)):
                return known
        try:
            plain = _is_plain(endpoint)
            path = endpoint if plain else decode_endpoint(endpoint)
        except ValueError as error:
            raise _refused(method, shortened(str(endpoint), 200), str(error)) from None
        for rule in self._rules:
            if method in rule.methods and rule.matches(path):
                break
        else:
            suggestion = self._suggestion(method, path)
            raise _refused(method, endpoint, self._reason(method, path), suggestion, self.patterns)
        if len(self._allowed) >= _MOST_REMEMBERED:
            self._allowed.clear()
        return self._allowed.setdefault((method, endpoint), endpoint if plain else quote_path(path))

    def _reason(self, method: str, path: str) -> str:
        methods = {allowed for rule in self._rules if rule.matches(path) for allowed in rule.methods}
        if methods:
            return f"{method} is not registered for it, only {', '.join(sorted(methods))}"
        return "no registered pattern matches it"

    def _suggestion(self, method: str, path: str) -> str | None:
        """Return a pattern that would allow the request, and no more than its author is likely to mean."""
        *parents, last = path.split("/")
        exact, parent = _as_pattern(path), _as_pattern("/".join(parents))
        if method not in METHODS or len(exact) > MAX_ENDPOINT_LENGTH:
            return None
        looks_like_item = parent and any(character.isdigit() for character in last)
        known = any(rule.matches(path) for rule in self._rules)
        if not known and looks_like_item and method in _ITEM:
            return parent
        if not known and method in _COLLECTION:
            return exact
        return f"{method} {exact}"


def parse_pattern(pattern: str) -> tuple[Rule, ...]:
    """Return the rules that a pattern registers.

    :raises ConfigError: if it is malformed; names the pattern and says why
    """
    if not isinstance(pattern, str):
        raise _bad_pattern(pattern, "it must be a string, as 'api/users'")
    if len(pattern) > MAX_ENDPOINT_LENGTH:
        raise _bad_pattern(f"{pattern[:100]}…", f"it is longer than {MAX_ENDPOINT_LENGTH:,} characters")
    return _rules_of(pattern)


@functools.lru_cache(maxsize=4096)  # each client of a connection, and each change of it, makes a registry
def _rules_of(pattern: str) -> tuple[Rule, ...]:
    word, _, rest = pattern.strip().partition(" ")
    method = word.upper() if rest else None
    template = rest.strip() if rest else word
    if method is not None and method not in METHODS:
        raise _bad_pattern(pattern, f"{word!r} is not one of the methods {', '.join(METHODS)}")
    try:
        path = _expression(template)
    except ValueError as error:
        raise _bad_pattern(pattern, str(error)) from None
    if method is not None:
        return (Rule(frozenset({method}), re.compile(path)),)
    if template.endswith("}"):
        return (Rule(_ITEM, re.compile(path)),)
    item = f"{path}/{_KINDS['str']}"
    sub = f"{item}/{_KINDS['str']}"
    return (
        Rule(_COLLECTION, re.compile(path)),
        Rule(_ITEM, re.compile(item)),
        Rule(_COLLECTION, re.compile(sub)),
    )


def decode_endpoint(endpoint: str) -> str:
    """Return a decoded endpoint, a relative path whose meaning is beyond doubt.

    Percent-escapes are decoded once; a character that a path cannot hold as it is may be given
    either way. Everything that servers or proxies are known to read differently is refused.

    :raises ValueError: with the reason
    """
    if not isinstance(endpoint, str):
        raise ValueError(f"it must be a string, not {type(endpoint).__name__}")  # noqa: TRY004
    if len(endpoint) > MAX_ENDPOINT_LENGTH:
        raise ValueError(f"it is longer than {MAX_ENDPOINT_LENGTH:,} characters")
    if endpoint.startswith("/"):
        raise ValueError("it must be relative to the connection's base URL, without a leading slash")
    if "\\" in endpoint:
        raise ValueError("backslashes are refused")
    if "?" in endpoint or "#" in endpoint:
        raise ValueError("'?' and '#' are refused; a query goes into the argument 'query'")
    if _LONE_PERCENT.search(endpoint):
        raise ValueError("a literal '%' is written '%25'")
    # RFC 3986, section 4.2: a colon in the first segment would make it an absolute URL.
    if ":" in endpoint.split("/", 1)[0]:
        raise ValueError("it must be relative to the connection's base URL, not a URL of its own")
    segments = [_decode(segment) for segment in endpoint.split("/")]
    if "" in segments:
        raise ValueError(
            "an empty segment is what an empty id looks like, and a trailing slash is one"
            " (backends that want one: set the extra 'trailing_slash')"
        )
    if "." in segments or ".." in segments:
        raise ValueError("'.' and '..' are refused")
    return "/".join(segments)


def quote_path(path: str) -> str:
    """Return a decoded path as a percent-encoded one."""
    quoted = quote(path, safe=_SAFE)
    first, slash, rest = quoted.partition("/")
    return f"{first.replace(':', '%3A')}{slash}{rest}"  # as decode_endpoint wants it


def _as_pattern(path: str) -> str:
    """Return the pattern that matches a decoded path alone."""
    quoted = quote_path(path).split("/")
    return "/".join(quote(part, safe="%") if _FOREIGN.fullmatch(part) else part for part in quoted)


def _decode(segment: str) -> str:
    try:
        text = unquote(segment, errors="strict")
        text.encode()
    except UnicodeError:
        raise ValueError("it is not valid UTF-8") from None
    _refuse_what_is_hidden(segment)
    if text != text.strip():
        raise ValueError("white space at the start or end of a segment is refused")
    return text


def _refuse_what_is_hidden(segment: str) -> None:
    """Decode as often as a chain of proxies might, and look at each stage.

    :raises ValueError: with the reason
    """
    for _ in range(MAX_ENCODINGS):
        if _ESCAPED_DOT_OR_SLASH.search(segment):
            raise ValueError("dots, slashes and backslashes in percent-encoding are refused")
        decoded = unquote(segment)
        if not (decoded.isascii() and decoded.isprintable()):
            _refuse_odd_characters(decoded)
        if decoded == segment:
            return
        segment = decoded
    raise ValueError(f"it is percent-encoded more than {MAX_ENCODINGS} times over")


def _refuse_odd_characters(text: str) -> None:
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text):
        raise ValueError("control characters and line breaks are refused")
    if not unicodedata.is_normalized("NFKC", text):
        raise ValueError("it holds characters that Unicode normalisation (NFKC) changes")


def _expression(template: str) -> str:
    """Return the regular expression of a path template, in which literals are escaped.

    :raises ValueError: with the reason, if it is malformed
    """
    _refuse_foreign_placeholders(template)
    literals = decode_endpoint(_PLACEHOLDER.sub("x", template)).split("/")
    segments = [
        _placeholder(part) if "{" in part or "}" in part else re.escape(literal)
        for part, literal in zip(template.split("/"), literals, strict=True)
    ]
    if _KINDS["path"] in segments[:-1]:
        raise ValueError("{name:path} may only stand at the end")
    return "/".join(segments)


def _refuse_foreign_placeholders(template: str) -> None:
    """A placeholder in another syntax would be a literal, and match nothing that anybody asks for.

    :raises ValueError: shows the pattern as it is written here
    """
    parts = template.split("/")
    found = [_FOREIGN.fullmatch(part) for part in parts]
    if first := next((match for match in found if match), None):
        ours = "/".join(
            _translated(match) if match else part for match, part in zip(found, parts, strict=True)
        )
        raise ValueError(f"{first[0]!r} would be a literal; a placeholder is written as in {ours!r}")


def _translated(foreign: re.Match[str]) -> str:
    if foreign["glob"]:
        return "{name:path}" if foreign["glob"] == "**" else "{name}"
    kind = foreign["kind"] if foreign["kind"] in _KINDS and foreign["kind"] != "str" else None
    return f"{{{foreign['colon'] or foreign['angle']}{f':{kind}' if kind else ''}}}"


def _placeholder(part: str) -> str:
    found = _PLACEHOLDER.fullmatch(part)
    if not found:
        raise ValueError(f"{part!r} is neither a literal nor a placeholder as {{name}} or {{name:int}}")
    kind = found[1] or "str"
    if kind not in _KINDS:
        raise ValueError(f"the kind {kind!r} of {part!r} is not one of {', '.join(_KINDS)}")
    return _KINDS[kind]


def _is_plain(endpoint: str) -> bool:
    given = isinstance(endpoint, str) and len(endpoint) <= MAX_ENDPOINT_LENGTH
    return given and _PLAIN.fullmatch(endpoint) is not None


def _bad_pattern(pattern: object, reason: str) -> ConfigError:
    return ConfigError(message=f"endpoint pattern {pattern!r}: {reason}", field="endpoints")


def _refused(
    method: str, endpoint: str, reason: str, pattern: str | None = None, registered: Sequence[str] = ()
) -> EndpointNotAllowedError:
    remedy = f"; register {pattern!r} to allow it" if pattern else ""
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
