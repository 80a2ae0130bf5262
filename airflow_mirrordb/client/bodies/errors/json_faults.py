"""Why a body is no JSON, and where: the place in its data, the line and column, and what is there. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator

from airflow_mirrordb.client.auth.redaction import CUT, shortened
from airflow_mirrordb.client.bodies.errors.texts import words_of_page

#: Characters that are shown of what is there.
SHOWN = 80
#: Characters of a body in which the place of a fault is looked for.
MAX_SCANNED = 256 * 1024
#: Names and indexes of a place that are told.
MAX_STEPS = 20
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w{0,99}")
_CONSTANT = re.compile(r"-?(?:NaN|Infinity)")
_SCRIPT_GUARD = re.compile(r"\)\]\}'|while\s*\(1\)|for\s*\(;;\)")
_JSONP = re.compile(r"[\w$.]{1,100}\s*\(\s*[{\[]")
_LAST_COMMA = re.compile(r",\s*[\]}]")
#: What begins at the place of a fault, and what it means; the first that fits.
_MEANINGS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (r"'", "a single quote, as Python prints texts; JSON has only double ones"),
        (r"(?:True|False|None|undefined|nan|inf|-inf)\b", "a word that is not in JSON"),
        (r"//|/\*|#", "a comment, which JSON has not"),
        (r"\ufeff", "another byte order mark"),
        (_LAST_COMMA, "a comma before the end of a list or an object"),
        (r"[\x00-\x1f]", "a control character in a text, which JSON writes as an escape"),
        (r"\+|0\d|\.\d", "a number that JSON does not write so"),
        (r"[A-Za-z_$][\w$]*\s*:", "a name without double quotes"),
    )
)


def fault_in(body: bytes, fault: Exception) -> str:
    """Return in words why a body is no JSON, where, and what is there.

    :param fault: what the decoder raised
    """
    if isinstance(fault, UnicodeDecodeError):
        return _undecodable(body, fault)
    text = body.decode(json.detect_encoding(body), errors="replace")
    if something_else := _something_else(text.lstrip()):
        return something_else
    if isinstance(fault, json.JSONDecodeError):
        return _malformed(text, fault)
    if isinstance(fault, RecursionError):
        deepest, depth = _deepest(text)
        return f"it is nested {depth:,} levels deep{_at(text, deepest)}"
    for is_wrong, what in (
        (_CONSTANT.fullmatch, "JSON has no such number"),
        (_is_too_large, "it is too large a number"),
    ):
        if (at := _first(text, is_wrong)) is not None:
            return f"{what}{_at(text, at)}{_there(text, at)}"
    return str(fault)


def _something_else(text: str) -> str:
    """Return what a text is that does not even begin as JSON; "" if that is not known."""
    if text.startswith("<"):
        return f"it is a page or XML: {shortened(words_of_page(text[:MAX_SCANNED])[1], SHOWN)!r}"
    if prefix := _SCRIPT_GUARD.match(text):
        return f"it begins with {prefix[0]}, which keeps pages from running JSON as a script"
    if _JSONP.match(text):
        return f"it is a script that calls a function with JSON (JSONP): {shortened(text, SHOWN)!r}"
    return ""


def _undecodable(body: bytes, error: UnicodeDecodeError) -> str:
    before = body[: error.start].decode(error.encoding, errors="replace")
    after = body[error.start : error.start + 4 * SHOWN].decode(error.encoding, errors="backslashreplace")
    text, at = before + after, len(before)
    byte = f"byte {error.start:,} (0x{body[error.start]:02x}) is not {error.encoding.upper()}"
    return f"{byte}{_at(text, at)}{_there(text, at)}"


def _malformed(text: str, error: json.JSONDecodeError) -> str:
    at = error.pos
    if at >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        at, what = len(text), "it ends too early"
    elif error.msg == "Extra data":
        what = "further JSON follows, as in JSON Lines" if text[at] in '{["' else "something follows the JSON"
    else:
        comma = len(text[:at].rstrip()) - 1
        at = comma if _LAST_COMMA.match(text, max(comma, 0)) else at  # where Python 3.13 sees it, too
        found = (meaning for pattern, meaning in _MEANINGS if pattern.match(text, at))
        what = next(found, f"{error.msg[:1].lower()}{error.msg[1:]}")
    return f"{what}{_at(text, at)}{_there(text, at)}"


def _at(text: str, at: int) -> str:
    """Return the place of a character: the way to it in the data; line and column as the json module does."""
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    way = _way(text, at)[0]
    return f" at {way} (line {line:,}, column {column:,})" if way else f" at line {line:,}, column {column:,}"


def _there(text: str, at: int) -> str:
    """Return what is there. A text is shown from its beginning: a secret in it is known by that."""
    _, begin = _way(text, at)
    there = text[begin : begin + 4 * SHOWN].strip()
    if at >= len(text):
        there += CUT  # what stands at the end may be half of a secret
    return f": {shortened(there, SHOWN)!r}" if there.strip(CUT) else ""


def _way(text: str, at: int) -> tuple[str, int]:
    """Return the way to a character, as paths name it, and where the text begins that it is in, if near."""
    steps: list[str | int | None] = []
    begin = at
    for token in _TOKEN.finditer(text, 0, MAX_SCANNED) if at <= MAX_SCANNED else ():
        if token.start() >= at:
            break
        mark = token[0][0]
        if mark == '"':
            is_last = token.end() > at or at >= len(text)
            begin = token.start() if is_last and at - token.start() <= SHOWN // 2 else at
            if steps and steps[-1] is None:
                steps[-1] = _text(token[0])
        elif mark == "{":
            steps.append(None)
        elif mark == "[":
            steps.append(0)
        elif mark in "}]" and steps:
            steps.pop()
        elif mark == "," and steps:
            last = steps[-1]
            steps[-1] = last + 1 if isinstance(last, int) else None
    return _told(steps), begin


def _text(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token.strip('"')


def _told(steps: list[str | int | None]) -> str:
    told = ""
    for step in steps[:MAX_STEPS]:
        if isinstance(step, int):
            told += f"[{step}]"
        elif step is not None:
            name = step if _NAME.fullmatch(step) else json.dumps(shortened(step, SHOWN))
            told += f".{name}" if told else name
    return f"{told}..." if len(steps) > MAX_STEPS else told


def _tokens(text: str) -> Iterator[re.Match[str]]:
    return _TOKEN.finditer(text, 0, MAX_SCANNED)


def _first(text: str, test: Callable[[str], object]) -> int | None:
    return next((token.start() for token in _tokens(text) if test(token[0])), None)


def _deepest(text: str) -> tuple[int, int]:
    """Return where a text is nested most deeply, and how deeply."""
    depth = deepest = at = 0
    for token in _tokens(text):
        if token[0] in ("{", "["):
            depth += 1
            if depth > deepest:
                deepest, at = depth, token.end()
        elif token[0] in ("}", "]"):
            depth -= 1
    return at, deepest


def _is_too_large(token: str) -> bool:
    try:
        return math.isinf(float(token))
    except ValueError:
        return False
