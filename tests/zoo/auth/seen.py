"""What a backend of these tests remembers, and where a secret must not be."""

from __future__ import annotations

import html
import json
import pickle
import traceback
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that came, and the status that it was answered with.

    :param url: path and query, as they were on the wire
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int

    @property
    def path(self) -> str:
        return self.url.partition("?")[0]

    def header(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for known, value in self.headers if known.lower() == name.lower()]


def note(request: web.Request, body: bytes, status: int) -> Seen:
    """Return what is remembered of a request."""
    headers = tuple(request.headers.items())
    return Seen(method=request.method, url=request.raw_path, headers=headers, body=body, status=status)


@dataclass(slots=True)
class Counting:
    """A server that lets requests in by tokens, and remembers what came."""

    seen: list[Seen] = field(default_factory=list, kw_only=True)
    _ends: dict[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    def admitted(self) -> int:
        """How many requests were let in."""
        return sum(seen.status == 200 for seen in self.seen)

    @property
    def refused(self) -> int:
        """How many were not."""
        return len(self.seen) - self.admitted

    def revoke(self) -> None:
        """Let no token be valid that was given until now."""
        self._ends.clear()


def forms_of(secret: str) -> set[str]:
    """Return how a text may be written where it was taken from a URL, JSON, HTML or a header."""
    encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    lower = {text.replace("%2F", "%2f").replace("%2B", "%2b").replace("%3D", "%3d") for text in encoded}
    in_text = {json.dumps(secret)[1:-1], secret.replace("/", "\\/"), html.escape(secret)}
    return {secret, *encoded, *lower, *in_text, b64encode(secret.encode()).decode()}


def assert_hidden(secrets: Iterable[str], texts: Iterable[str]) -> None:
    """Hold that no text shows one of the secrets, in any form."""
    known = {form for secret in secrets for form in forms_of(secret)}
    for text in texts:
        shown = [form for form in known if form in text]
        assert not shown, f"{shown} in {text[:3000]}"


def texts_of(error: BaseException) -> Iterator[str]:
    """Yield what a log, a debugger, an event or another process could show of an error and its causes."""
    yield "".join(traceback.format_exception(error))
    told = getattr(error, "to_dict", None)
    if told is not None:
        yield json.dumps(told())
        yield repr(pickle.dumps(error))
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield from (str(current), repr(current), repr(current.args))
        current = current.__cause__ or current.__context__


def logged(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """Yield what was logged, with all that a handler gets of a record."""
    yield caplog.text
    for record in caplog.records:
        yield f"{record.getMessage()} {record.__dict__}"


async def shown_by(client: Any) -> list[str]:
    """Return what a client shows of itself."""
    return [repr(client), json.dumps(await client.get_config())]
