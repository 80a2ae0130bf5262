"""A key in the query of a URL: added on the wire, and taken out of what a backend answers."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote_plus

from multidict import CIMultiDict

if TYPE_CHECKING:
    from airflow_mirrordb.client.messages.response import Answer

#: What stands before a parameter, and behind one that is not the last: also in JSON of .NET, and in HTML.
_AND = rb"(?:&amp;|&|;|\\u0026)"
#: A key that is as long as this is taken out whatever its parameter is called there.
_LONG = 8
_ANY_NAME = rb"[^\s\"'<>#&;=?\\]{1,100}"


def target_with(target: str, parameter: tuple[str, str], *, is_linked: bool) -> str:
    """Return the target of a request with a parameter that carries the key.

    :param is_linked: whether the backend gave the target, which may have an older key of that name, in
        whatever case: some backends compare such names without it
    """
    name, value = parameter
    path, mark, query = target.partition("?")
    if is_linked and mark:
        parts = ((part, unquote_plus(part.partition("=")[0])) for part in query.split("&"))
        query = "&".join(part for part, other in parts if other.lower() != name.lower())
    key = f"{quote(name, safe='')}={quote(value, safe='')}"
    return f"{path}?{query}&{key}" if query else f"{path}?{key}"


def without_key(answer: Answer, parameter: tuple[str, str]) -> Answer:
    """Return an answer without the key, which backends repeat in links to themselves (Graph API, "Paging").

    So no result, stored page or redirect has it; where a link leads back to the backend, it is added again.
    """
    pattern = _pattern_of(parameter)
    headers = answer.headers
    if any(pattern.search(text.encode(errors="surrogateescape")) for text in headers.values()):
        headers = CIMultiDict((name, _cleaned(pattern, text)) for name, text in headers.items())
    body = answer.body
    if pattern.search(body):
        body = pattern.sub(_rest, body)
    if headers is answer.headers and body is answer.body:
        return answer
    return replace(answer, headers=headers, body=body)


def _cleaned(pattern: re.Pattern[bytes], text: str) -> str:
    data = pattern.sub(_rest, text.encode(errors="surrogateescape"))
    return data.decode(errors="surrogateescape")


def _rest(found: re.Match[bytes]) -> bytes:
    """Return what is left of parameters with their separators: one of these, if others come behind."""
    return bytes(found[1]) if found[2] else b""


@functools.lru_cache(maxsize=64)
def _pattern_of(parameter: tuple[str, str]) -> re.Pattern[bytes]:
    name, value = map(_alternatives, parameter)
    pair = b"%b=%b" % (_ANY_NAME if len(parameter[1]) >= _LONG else name, value)
    return re.compile(rb"(\?|%b)(?:%b%b)*%b(?:(%b)|(?![^\s\"'<>#&;\\]))" % (_AND, pair, _AND, pair, _AND))


def _alternatives(text: str) -> bytes:
    """Return a pattern of all spellings of a name or value, longest first."""
    spellings = sorted(set(_spellings(text)), key=len, reverse=True)
    return b"(?:%b)" % b"|".join(re.escape(spelling.encode()) for spelling in spellings)


def _spellings(text: str) -> Iterator[str]:
    """Yield the ways in which a name or value stands in a URL, and that again in JSON."""
    for quoted in {text, quote(text, safe=""), quote(text), quote_plus(text)}:
        yield quoted
        yield re.sub("%..", lambda escape: escape[0].lower(), quoted)
        yield json.dumps(quoted)[1:-1].replace("/", "\\/")
