"""Secrets in what a client says: they are hidden once, where an error or a line of a log leaves it.

A backend repeats what it was sent in forms of its own: percent-encoded, as JSON within JSON, in base64.
A text is therefore looked at as it is and with its escapes undone, in any order, and a secret is looked
for in several spellings. What is found is replaced in the text as it was.

What is secret says ``schemes.secrets``. Airflow's own masker is told of it by ``hooks``.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from airflow_mirrordb.client.auth.spellings import Spelling, folded, spellings_of

HIDDEN = "***"
#: The end of a text that was cut. What stands before it may be the beginning of a secret.
CUT = "…"
#: Fewer characters of a secret that was cut say nothing of it.
LEAST = 4
#: Credentials that a client remembers. A request may begin with one and end many renewals later.
MOST_SECRETS = 100

_MOST_VIEWS = 32
_MOST_CUTS = 8
#: What a cut may leave of an escape, or of a letter that several bytes stand for.
_HALF_ESCAPE = re.compile(
    r"[\x80-\xff\ufffd]{0,3}(?:%[0-9A-Fa-f]?|\\(?:[ux][0-9A-Fa-f]{0,3}|U[0-9A-Fa-f]{0,7}|[0-3][0-7]?)?|&#?\w{0,9})?"
)
_LONGEST_HALF = 13
#: Facts of an error that the caller or this package chose, and the answers in the report of a bulk.
_KEPT = frozenset({"type", "method", "method_name", "idempotency_key", "status", "response"})
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")


def shortened(text: str, limit: int) -> str:
    """Cut a text that is longer than ``limit`` characters, so that :class:`Redaction` knows of it."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


class Redaction:
    """Hides the secrets of one client, those that it had before too.

    :param secrets: texts that must not be seen
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: dict[str, None] = {}
        self._spellings: tuple[Spelling, ...] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Hide these from now on as well; only the newest ``MOST_SECRETS`` are kept."""
        for secret in secrets:
            self._secrets.pop(secret, None)
            self._secrets[secret] = None
        for oldest in list(self._secrets)[:-MOST_SECRETS]:
            del self._secrets[oldest]
        self._spellings = None

    def text(self, text: str) -> str:
        """Return a text with ``***`` in the place of each secret."""
        if self._spellings is None:  # made by the first error; most clients have none
            every = chain.from_iterable(spellings_of(secret.strip()) for secret in self._secrets)
            self._spellings = tuple(dict.fromkeys(every))
        if not self._spellings:
            return text
        pieces, at = [], 0
        for start, end in sorted(span for view in _views(text) for span in view.spans(self._spellings)):
            if start >= at:
                pieces += [text[at:start], HIDDEN]
            at = max(at, end)
        return "".join([*pieces, text[at:]]) if pieces else text

    def error(self, error: BaseException) -> None:
        """Hide the secrets in an error, in those that it came from, and in all that they hold."""
        waiting: list[BaseException | None] = [error]
        seen: set[int] = set()
        while waiting:
            link = waiting.pop()
            if link is None or id(link) in seen:
                continue
            seen.add(id(link))
            waiting += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
            for name, value in _facts(link):
                hidden = self._value(value, waiting)
                if hidden is not value:
                    setattr(link, name, hidden)

    def _value(self, value: Any, waiting: list[BaseException | None]) -> Any:
        """Return a value without secrets, the same object if there were none; errors in it are to wait."""
        if type(value) is str:
            hidden: Any = self.text(value)
            return value if hidden == value else hidden
        if type(value) is bytes:
            hidden = self.text(value.decode("utf-8", errors="surrogateescape"))
            hidden = hidden.encode("utf-8", errors="surrogateescape")
            return value if hidden == value else hidden
        if type(value) is dict:
            items = {key: item if key in _KEPT else self._value(item, waiting) for key, item in value.items()}
            return value if all(items[key] is value[key] for key in value) else items
        if type(value) in (list, tuple):
            parts = [self._value(part, waiting) for part in value]
            same = all(new is old for new, old in zip(parts, value, strict=True))
            return value if same else type(value)(parts)
        if isinstance(value, BaseException):
            waiting.append(value)
        return value


def _facts(error: BaseException) -> Iterator[tuple[str, Any]]:
    """Yield what an error holds: its arguments, and its attributes with their names."""
    slots = ("args", "strerror", "filename", "filename2") if isinstance(error, OSError) else ("args",)
    own = [(name, value) for name, value in vars(error).items() if name not in _KEPT]
    yield from chain(own, [(name, getattr(error, name)) for name in slots])


# -- how a text can be read ----------------------------------------------------------------------

_Places = tuple[Sequence[int], Sequence[int]]


class _View:
    """A text with some of its escapes undone.

    :param text: what is read then
    :param places: returns where in the original each character begins, and where it ends
    """

    __slots__ = ("_places", "text")

    def __init__(self, text: str, places: Callable[[], _Places]) -> None:
        self.text = text
        self._places: _Places | Callable[[], _Places] = places

    @property
    def places(self) -> _Places:
        """Where in the original each character begins and ends; found out where a secret was found."""
        if callable(self._places):
            self._places = self._places()
        return self._places

    def spans(self, spellings: Iterable[Spelling]) -> Iterator[tuple[int, int]]:
        """Yield where in the original text secrets begin and end."""
        small, cuts = folded(self.text), _cuts(self.text)
        for spelling in spellings:
            text = small if spelling.fold else self.text
            if cuts or spelling.first in text or spelling.last in text:
                for start, end in chain(_parts(text, spelling), _cut_off(text, spelling.text, cuts)):
                    if not spelling.alone or self._is_alone(start, end):
                        yield self._span(start, end, spelling)

    def _is_alone(self, start: int, end: int) -> bool:
        before, after = self.text[max(0, start - 1) : start], self.text[end : end + 1]
        return not any(character.isalnum() or character == "_" for character in (before, after) if character)

    def _span(self, start: int, end: int, spelling: Spelling) -> tuple[int, int]:
        if spelling.base64:
            start -= start > 0 and self.text[start - 1] in _BASE64
            end += end < len(self.text) and self.text[end] in _BASE64
            end += len(self.text[end:]) - len(self.text[end:].lstrip("="))
        starts, ends = self.places
        return starts[start], ends[end - 1]

    def undo(self, escape: re.Pattern[str], meaning: Callable[[str], str]) -> _View:
        """Return the text without one level of a kind of escapes."""
        return _View(
            escape.sub(lambda found: meaning(found[0]), self.text),
            lambda: self._places_without(escape, meaning),
        )

    def _places_without(self, escape: re.Pattern[str], meaning: Callable[[str], str]) -> _Places:
        starts, ends = self.places
        new_starts: list[int] = []
        new_ends: list[int] = []
        at = 0
        for found in escape.finditer(self.text):
            first, last = found.span()
            length = len(meaning(found[0]))
            new_starts += [*starts[at:first], *[starts[first]] * length]
            new_ends += [*ends[at:first], *[ends[last - 1]] * length]
            at = last
        return [*new_starts, *starts[at:]], [*new_ends, *ends[at:]]


def _parts(text: str, spelling: Spelling) -> Iterator[tuple[int, int]]:
    """Yield where a secret is, or at least half of it that is its beginning or its end."""
    yield from _beginnings(text, spelling.text, len(spelling.first))
    if spelling.last in text and len(spelling.last) < len(spelling.text):
        backwards = _beginnings(text[::-1], spelling.text[::-1], len(spelling.last))
        yield from ((len(text) - end, len(text) - start) for start, end in backwards)


def _beginnings(text: str, secret: str, least: int) -> Iterator[tuple[int, int]]:
    """Yield where at least so many of the first characters of a secret are, and as many as are there."""
    at = text.find(secret[:least])
    while at >= 0:
        end, longest = at + least, min(at + len(secret), len(text))
        while end < longest and text[end] == secret[end - at]:
            end += 1
        yield at, end
        at = text.find(secret[:least], end - least + 1)  # so that no character is compared twice


def _cuts(text: str) -> list[tuple[int, int]]:
    """Return where a text was cut, each with where the last whole character before it may end."""
    cuts: list[tuple[int, int]] = []
    cut = len(text)
    for _ in range(_MOST_CUTS):
        if (cut := text.rfind(CUT, 0, cut)) < 0:
            break
        nearest = range(cut, max(0, cut - _LONGEST_HALF), -1)
        cuts += [(end, cut) for end in nearest if _HALF_ESCAPE.fullmatch(text, end, cut)]
    return cuts


def _cut_off(text: str, secret: str, cuts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield where a secret begins of which the rest was cut off, and where that was."""
    for end, cut in cuts:
        length = min(len(secret) - 1, end)
        while length >= LEAST:
            length = secret.rfind(text[end - 1], 0, length) + 1
            if length >= LEAST and text.endswith(secret[:length], 0, end):
                yield end - length, cut
                break
            length -= 1


def _percent(escape: str) -> str:
    return _characters(bytes.fromhex(escape.replace("%", "")))


def _backslashed(escape: str) -> str:
    digits = escape[2:]
    match escape[1]:
        case "x" if digits:
            return _characters(bytes.fromhex(digits.replace("\\x", "")))
        case "u" if digits:
            return bytes.fromhex(digits.replace("\\u", "")).decode("utf-16-be", errors="replace")
        case "U" if digits:
            return bytes.fromhex(digits).decode("utf-32-be", errors="replace")
        case "2" | "3" if digits:
            return _characters(bytes(int(octal, 8) for octal in escape[1:].split("\\")))
        case letter:
            return {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}.get(letter, letter)


def _entity(escape: str) -> str:
    if escape[1] != "#":
        return html.unescape(escape)
    number = int(escape[3:-1], 16) if escape[2] in "Xx" else int(escape[2:-1])
    return chr(number) if number <= sys.maxunicode else escape


def _read_again(misread: str) -> str:
    """Return what UTF-8 stands for that was read as Latin-1."""
    return misread.encode("latin-1").decode(errors="ignore") or misread


def _characters(data: bytes) -> str:
    """Return what bytes stand for: UTF-8, or else one character each."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


_HEX = "[0-9A-Fa-f]"
_PERCENT = re.compile(rf"%[C-Fc-f]{_HEX}(?:%[89ABab]{_HEX}){{1,3}}|%{_HEX}{{2}}")
_BACKSLASH = re.compile(
    rf"\\x[C-Fc-f]{_HEX}(?:\\x[89ABab]{_HEX}){{1,3}}|\\x{_HEX}{{2}}"
    rf"|\\u[Dd][89ABab]{_HEX}{{2}}\\u[Dd][C-Fc-f]{_HEX}{{2}}|\\u{_HEX}{{4}}|\\U{_HEX}{{8}}"
    r"|\\3[0-7]{2}(?:\\2[0-7]{2}){1,3}|\\[23][0-7]{2}"
    r"|\\[^xuU0-9]"
)
_ENTITY = re.compile(r"&(?:#0*[1-9][0-9]{0,6}|#[Xx]0*[1-9A-Fa-f][0-9A-Fa-f]{0,5}|[A-Za-z][A-Za-z0-9]{1,31});")
_MISREAD = re.compile("[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NUL = re.compile("\0|&#[Xx]?0+;")  # between the letters of UTF-16 that was read as something else
#: Kinds of escapes: what a text holds that has any, how they are found, and what they mean.
_ESCAPES: tuple[tuple[str, re.Pattern[str], Callable[[str], str]], ...] = (
    ("%", _PERCENT, _percent),
    ("\\", _BACKSLASH, _backslashed),
    ("&", _ENTITY, _entity),
    ("", _MISREAD, _read_again),
    ("\0", _NUL, lambda _: ""),
    ("&", _NUL, lambda _: ""),
)


def _views(text: str) -> Iterator[_View]:
    """Yield a text as it is, and with its escapes undone as often and in whatever order there are any."""
    views = [_View(text, lambda: (range(len(text)), range(1, len(text) + 1)))]
    seen = {text}
    for view in views:  # which grows on the way
        yield view
        for mark, escape, meaning in _ESCAPES:
            if mark not in view.text or (not mark and view.text.isascii()):
                continue
            undone = view.undo(escape, meaning)
            if undone.text not in seen and len(views) < _MOST_VIEWS:
                seen.add(undone.text)
                views.append(undone)
