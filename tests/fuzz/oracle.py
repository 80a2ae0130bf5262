"""What servers and proxies could read in a request, written from the RFCs and not from our code.

Each function raises AssertionError when the client would send what nobody registered.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

# RFC 3986: what a path and a query may hold as it is, and escapes.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*,=:@]|%[0-9A-Fa-f]{2})+)+/?")
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*")
#: What a backend may have in the query of its own link beside these, and gets back as it is.
_OF_LINKS = re.compile(r"[\[\]{}|\\^`%]")
_AUTHORITY = re.compile(r"(https?)://([^/?#\\]*)", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s@%\[\]:\\<>\"{}|^`]+?)(?::([0-9]*))?", re.IGNORECASE)


@dataclass(frozen=True)
class Scene:
    """A registry, and beside its patterns the same rules once more as regular expressions."""

    patterns: tuple[str, ...] | None
    rules: dict[str, str]
    """Methods, separated by spaces, of the decoded paths that fully match."""

    def allows(self, method: str, path: str) -> bool:
        return any(
            method in methods.split() and re.fullmatch(rule, path, re.DOTALL)
            for methods, rule in self.rules.items()
        )


#: Stands in a decoded path for a slash that is part of a segment; each rule says where one may be.
ENCODED = "\x00"
_RESOURCE = r"api/(?![vV][0-9]+(?:/|\Z))[A-Za-z0-9_-]+"
_UUID = "-".join(f"[0-9A-Fa-f]{{{digits}}}" for digits in (8, 4, 4, 4, 12))
SCENES = (
    Scene(
        None,
        {
            "GET POST": rf"{_RESOURCE}(?:/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+)?",
            "GET PUT PATCH DELETE": rf"{_RESOURCE}/[A-Za-z0-9_-]+",
        },
    ),
    Scene(("{all:path}",), {"GET PUT PATCH DELETE": r"[^\x00]+"}),
    Scene(
        ("api/users/{id:int}", "DELETE api/cache", "é/{n:uuid}", "POST files/{rest:path}"),
        {
            "GET PUT PATCH DELETE": rf"api/users/[0-9]+|é/{_UUID}",
            "DELETE": "api/cache",
            "POST": r"files/[^\x00]+",
        },
    ),
    Scene(
        ("api/users",),
        {
            "GET POST": r"api/users(?:/[^/\x00]+/[^/\x00]+)?",
            "GET PUT PATCH DELETE": r"api/users/[^/\x00]+",
        },
    ),
    Scene(
        (
            *(
                "POST /",
                "GET /",
                "QUERY /",
                "files/{name:quoted}",
                "Orders({key})",
                "POST files/{id}:archive",
            ),
            *("QUERY api/users", "QUERY files/{name}"),
        ),
        {
            "GET POST QUERY": "",
            "QUERY": r"api/users|files/[^/\x00]+",
            "GET PUT PATCH DELETE": r"files/[^/]+|Orders\([^/]+\)",
            "POST": r"files/[^/\x00]+:archive",
        },
    ),
)


def check_link(url: str, base_url: str, scene: Scene) -> None:
    """Check the URL of a next page, as :func:`check_url` does, save that its query is the backend's own."""
    path, mark, query = url.partition("?")
    check_url(f"{path}{mark}{_OF_LINKS.sub('', query)}", base_url, "GET", scene)


def check_url(url: str, base_url: str, method: str, scene: Scene) -> None:
    """Check that a URL goes to the base URL's origin, under its prefix, to an allowed path.

    Every reader along the way may decode once more, take backslashes for slashes, normalise
    Unicode and resolve dots: none of them may come to another path.
    """
    assert url.isascii(), url
    assert url.isprintable(), url
    assert " " not in url
    path, _, query = url[len(base_url) :].partition("?")
    assert url.startswith(base_url), (url, base_url)
    assert _QUERY.fullmatch(query), query
    if path in ("", "/"):
        assert scene.allows(method, ""), method
        return
    assert _PATH.fullmatch(path), path
    segments = [unquote_to_bytes(segment).decode() for segment in path[1:].removesuffix("/").split("/")]
    decoded = "/".join(segment.replace("/", ENCODED) for segment in segments)
    assert scene.allows(method, decoded), (method, decoded)
    for segment in segments:
        _check_segment(segment)


def _check_segment(segment: str) -> None:
    """Check each name of a segment, as its readers decode and normalise it, once or more often."""
    names, slashes = segment.split("/"), segment.count("/")
    while True:
        assert not {"", ".", ".."} & {name.strip() for name in names}, names
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            for name in names:
                reading = unicodedata.normalize(form, name)
                assert reading.strip() not in ("", ".", ".."), reading
                assert not set(reading) & set("/\\\r\n\x00\u2028\u2029"), reading
                assert all(reading.count(mark) <= name.count(mark) for mark in "%?#;"), reading
        further = [unquote_to_bytes(name).decode(errors="replace") for name in names]
        assert "/".join(further).count("/") == slashes, further
        if further == names:
            return
        names = further


def check_base_url(given: str, taken: str) -> None:
    """Check that an accepted base URL keeps the host that a person reads in it."""
    given = given.strip()
    found = _AUTHORITY.match(given)
    assert found, given
    scheme, authority = found[1].lower(), found[2].strip()
    assert "\\" not in given.split("?")[0].split("#")[0][: found.end() + 1], given
    parts = _HOST.fullmatch(authority)
    assert parts, given
    host = unicodedata.normalize("NFKC", parts[1]).lower()
    assert not set(host) & set("/\\@?#"), given
    again = re.fullmatch(r"(https?)://(\[[0-9a-f:.]+\]|[^:/?#@]+)(?::([0-9]+))?(/.*)?", taken)
    assert again, taken
    assert again[1] == scheme
    assert taken.isascii()
    default = {"http": 80, "https": 443}[scheme]
    assert int(again[3] or default) == int(parts[2] or default), (given, taken)
    if host.isascii() and not host.startswith("["):
        assert again[2] == host, (given, taken)


def check_head(head: bytes, wanted: dict[str, str]) -> None:
    """Check that the head of a request, split as RFC 9112 says, holds these fields and no other."""
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert line == b"GET / HTTP/1.1", line
    found: dict[str, str] = {}
    for field in fields:
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", field), field
        name, colon, value = field.partition(b": ")
        assert colon, field
        assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name), field
        key = name.decode().lower()
        assert key not in found, field
        found[key] = value.decode()
    assert found == {name.lower(): value for name, value in wanted.items()}


#: Names that no server may get from a user, nor what it could take for one of them.
NEVER_FROM_USERS = frozenset(
    {
        "authorization",
        "content-length",
        "cookie",
        "host",
        "transfer-encoding",
        "x-api-key",
        "x-http-method-override",
    }
)


def check_names(names: Any) -> None:
    """Check that no name reads as a credential, a Host or a length, however it is spelt."""
    for name in names:
        assert re.sub("_", "-", name.lower()) not in NEVER_FROM_USERS, name
