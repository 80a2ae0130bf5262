"""What a backend says of a failure, whatever shape it says it in. Pure; no I/O.

Whatever the body is, the result is one code, if there is one, and one line of at most 2 kB. Secrets that a
backend repeats are in it; :mod:`~airflow_mirrordb.client.auth.redaction` hides them where the error leaves.
"""

from __future__ import annotations

import json
import re
from typing import Any

from airflow_mirrordb.client.auth.redaction import CUT, shortened
from airflow_mirrordb.client.bodies.errors.excerpts import MAX_READ, Excerpts
from airflow_mirrordb.client.bodies.errors.records import code_of, words_of
from airflow_mirrordb.client.bodies.errors.texts import words_of_page, words_of_text

MAX_DETAIL = 2048
MAX_CODE = 200
#: Characters of a page that are told with its title.
MAX_BEHIND_TITLE = 300

#: Texts and structure of JSON; a quotation mark alone begins a text that has no end.
_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\],]', re.DOTALL)
_CHALLENGE = re.compile(
    r'(?<![\w-])(error|error_description)\s*=\s*"([^"\\]*(?:\\.[^"\\]*)*)"', re.IGNORECASE
)
#: What some backends put before JSON, so that no page can run it as a script.
_BEFORE_JSON = re.compile(r"\s*(?:\)\]\}',?|while\s*\(1\);|for\s*\(;;\);)")


def problem_from(body: bytes, *, status: int = 0, complete: bool = True) -> tuple[str | None, str]:
    """Return the code and the detail that the body of an error answer holds.

    :param body: as received; JSON of any shape, HTML, XML, text or nothing
    :param status: the HTTP status, which is never the code
    :param complete: whether that is all of the body
    :return: a machine-readable code if there is one, and words of at most 2 kB, "" if there are none
    """
    text = _text(body[:MAX_READ])
    complete = complete and len(body) <= MAX_READ
    whole = text if complete else text + CUT
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("<"):
        code, words = words_of_page(start if complete else start + CUT, MAX_BEHIND_TITLE)
        return problem_of_words(code, words)
    try:
        value = _json(
            start[prefix.end() if (prefix := _BEFORE_JSON.match(start)) else 0 :], complete=complete
        )
    except (ValueError, RecursionError):
        return problem_of_words(None, words_of_text(whole))
    code, words = _problem_in(value, status)
    return code, words if words or complete else _limited(words_of_text(whole))


def problem_of_challenge(challenge: str) -> tuple[str | None, str]:
    """Return the code and the words by which ``WWW-Authenticate`` says why a token is refused.

    They are of RFC 6750, section 3; many servers say it there alone, and send no body.
    """
    said = {name.lower(): text for name, text in _CHALLENGE.findall(challenge[:MAX_READ])}
    code = said.get("error")
    words = said.get("error_description") or code or ""
    return problem_of_words(code, words_of_text(re.sub(r"\\(.)", r"\1", words)))


def problem_of(value: Any, *, status: int = 0) -> tuple[str | None, str]:
    """Return the code and the detail that a decoded JSON value holds, as :func:`problem_from` does."""
    return _problem_in(Excerpts().of(value), status)


def _problem_in(value: Any, status: int) -> tuple[str | None, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return problem_of_words(code_of(value, status), words_of(value, status))


def problem_of_words(code: str | None, words: str) -> tuple[str | None, str]:
    """Return a code and words as an error can hold them."""
    return shortened(encodable(code), MAX_CODE) if code else None, _limited(words)


def encodable(text: str) -> str:
    """Return the text without halves of surrogate pairs, which no log, database or event could hold."""
    return text.encode(errors="replace").decode()


def _text(body: bytes) -> str:
    detected = json.detect_encoding(body)
    if not detected.startswith("utf-8"):
        text = body.decode(detected, errors="replace")
        if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", '"', "<"):
            return text
    return body.decode("utf-8-sig", errors="replace")


def _json(text: str, *, complete: bool) -> Any:
    """Return the JSON value of a text, less what was cut off.

    :raises ValueError: if it holds none
    :raises RecursionError: if it is nested too deeply
    """
    return json.loads(text if complete else _closed(text))


def _closed(text: str) -> str:
    """Return JSON that was cut off as far as it is whole, with the brackets closed that are open there."""
    opened: list[str] = []
    end = 0
    for token in _TOKENS.finditer(text):
        mark = token[0]
        if mark == '"':
            break
        if mark in ("{", "["):
            opened.append("}" if mark == "{" else "]")
        elif mark in ("}", "]") and opened:
            opened.pop()
        if mark[0] != '"':
            end = token.start() if mark == "," else token.end()
    return text[:end] + "".join(reversed(opened))


def _limited(text: str) -> str:
    encoded = text.encode(errors="replace")
    if len(encoded) <= MAX_DETAIL:
        return encoded.decode()
    return encoded[: MAX_DETAIL - len(CUT.encode())].decode(errors="ignore") + CUT
