"""Patterns of endpoints: path templates, and the rules that each of them registers. Pure.

A pattern is a path template in the syntax of Starlette and FastAPI: literals, ``{name}``,
``{name:int}``, ``{name:uuid}``, ``{name:quoted}`` and, at the end, ``{name:path}``. A segment may have
literals around its placeholder, as ``Orders({id})`` or ``{id}:archive``.

- ``api/users`` ends in a literal and registers a resource: the collection (GET, POST), its items
  ``api/users/{id}`` (GET, PUT, PATCH, DELETE) and their sub-collections
  ``api/users/{id}/{sub}`` (GET, POST).
- ``api/users/{id}`` ends in a placeholder and registers that item alone (GET, PUT, PATCH, DELETE).
- ``DELETE api/cache`` registers exactly this method on exactly this path.
- ``QUERY api/orders/search`` says that a request with a body there only reads.
- ``POST /`` registers this method on the base URL itself.

A pattern becomes a regular expression of which only a last ``{name:path}`` reaches over a slash, and in
which a segment has one placeholder, so matching is linear in the length of the endpoint.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

from airflow_mirrordb.client.endpoints.paths import (
    BASE_URL,
    ENCODED_SLASH,
    MAX_ENDPOINT_LENGTH,
    decode_endpoint,
    quote_path,
)
from airflow_mirrordb.client.errors import ConfigError

#: QUERY is a read that says in its body what it wants; see ``query_method`` for what it is sent as.
Method = Literal["GET", "QUERY", "POST", "PUT", "PATCH", "DELETE"]
METHODS: tuple[Method, ...] = ("GET", "QUERY", "POST", "PUT", "PATCH", "DELETE")
#: The methods that change nothing.
READS: frozenset[str] = frozenset({"GET", "QUERY"})

COLLECTION: frozenset[str] = frozenset({"GET", "POST"})
ITEM: frozenset[str] = frozenset({"GET", "PUT", "PATCH", "DELETE"})
_PLACEHOLDER = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*(?::([a-z]+))?\}")
# How others write a placeholder, as a whole segment: Express and Rails, Flask, and globs.
_FOREIGN = re.compile(r":(?P<colon>\w+)|<(?:(?P<kind>\w+):)?(?P<angle>\w+)>|(?P<glob>\*\*?)")
_KEY = re.compile(r"([^(]+)\(.+\)")
# What each kind of placeholder stands for. Only a quoted one takes a slash, one that separates nothing.
_KINDS = {
    "str": f"[^/{ENCODED_SLASH}]+",
    "int": "[0-9]+",
    "uuid": "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "quoted": "[^/]+",
    "path": f"[^{ENCODED_SLASH}]+",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """The methods allowed on the decoded paths that the expression matches."""

    methods: frozenset[str]
    path: re.Pattern[str]

    def matches(self, path: str) -> bool:
        return self.path.fullmatch(path) is not None


def parse_pattern(pattern: str) -> tuple[Rule, ...]:
    """Return the rules that a pattern registers.

    :raises ConfigError: if it is malformed; names the pattern and says why
    """
    if not isinstance(pattern, str):
        raise _bad_pattern(pattern, "it must be a string, as 'api/users'")
    if len(pattern) > MAX_ENDPOINT_LENGTH:
        raise _bad_pattern(f"{pattern[:100]}…", f"it is longer than {MAX_ENDPOINT_LENGTH:,} characters")
    return _rules_of(pattern)


def pattern_of(path: str) -> str:
    """Return the pattern that matches a decoded path alone, save that it takes any name with a slash."""
    return "/".join(_segment_pattern(segment) for segment in quote_path(path).split("/")) or BASE_URL


def key_pattern_of(path: str) -> str | None:
    """Return the pattern for any key in brackets, as OData's, at the end of a decoded path; None without."""
    parents, slash, last = pattern_of(path).rpartition("/")
    found = _KEY.fullmatch(last)
    return f"{parents}{slash}{found[1]}({{id}})" if found else None


@functools.lru_cache(maxsize=4096)  # each client of a connection, and each change of it, makes a registry
def _rules_of(pattern: str) -> tuple[Rule, ...]:
    word, _, rest = pattern.strip().partition(" ")
    method = word.upper() if rest else None
    template = rest.strip() if rest else word
    if method is not None and method not in METHODS:
        raise _bad_pattern(pattern, f"{word!r} is not one of the methods {', '.join(METHODS)}")
    try:
        path = _expression(template)
        if method is None:
            _refuse_without_method(template)
    except ValueError as error:
        raise _bad_pattern(pattern, str(error)) from None
    if method is not None:
        return (Rule(frozenset({method}), re.compile(path)),)
    if _PLACEHOLDER.search(template.rpartition("/")[2]):
        return (Rule(ITEM, re.compile(path)),)
    item = f"{path}/{_KINDS['str']}"
    sub = f"{item}/{_KINDS['str']}"
    return (
        Rule(COLLECTION, re.compile(path)),
        Rule(ITEM, re.compile(item)),
        Rule(COLLECTION, re.compile(sub)),
    )


def _expression(template: str) -> str:
    """Return the regular expression of a path template, in which literals are escaped.

    :raises ValueError: with the reason, if it is malformed
    """
    if template == BASE_URL:
        return ""
    _refuse_foreign_placeholders(template)
    literals = decode_endpoint(_PLACEHOLDER.sub("x", template), written=template).split("/")
    parts = template.split("/")
    if any(":path}" in part for part in parts[:-1]):
        raise ValueError("{name:path} may only stand at the end")
    return "/".join(
        _placeholder(part) if "{" in part or "}" in part else re.escape(literal)
        for part, literal in zip(parts, literals, strict=True)
    )


def _refuse_without_method(template: str) -> None:
    """Refuse a pattern that does not say enough without a method.

    :raises ValueError: shows how it is written
    """
    if template == BASE_URL:
        raise ValueError(f"the base URL itself needs a method in front, as 'POST {BASE_URL}'")
    if re.search(r"\}:[^/]*\Z", template):
        raise ValueError(f"a custom method of an item needs an HTTP method in front, as 'POST {template}'")


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
    """Return the expression of a segment with a placeholder, and maybe literals around it."""
    before, *found = _PLACEHOLDER.split(part)
    if len(found) != 2 or set(before + found[1]) & set("{}"):  # noqa: PLR2004  # its kind, and what follows
        raise ValueError(
            f"{part!r} is neither a literal nor a segment with one placeholder as {{name}} or {{name:int}}"
        )
    kind = found[0] or "str"
    if kind not in _KINDS:
        raise ValueError(f"the kind {kind!r} of {part!r} is not one of {', '.join(_KINDS)}")
    return f"{_literal(before)}{_KINDS[kind]}{_literal(found[1])}"


def _literal(text: str) -> str:
    return re.escape(unquote(text).replace("/", ENCODED_SLASH))


def _segment_pattern(quoted: str) -> str:
    if "%2F" in quoted:
        name, bracket, _ = quoted.partition("(")
        return f"{name}({{id:quoted}})" if bracket and name and quoted.endswith(")") else "{id:quoted}"
    return quote(quoted, safe="%") if _FOREIGN.fullmatch(quoted) else quoted


def _bad_pattern(pattern: object, reason: str) -> ConfigError:
    return ConfigError(message=f"endpoint pattern {pattern!r}: {reason}", field="endpoints")
