"""What a backend says of a failure, whatever shape it says it in. Pure."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_mirrordb.client.auth.redaction import CUT, shortened

MAX_DETAIL = 2048
MAX_DEPTH = 4  # what lies deeper is data, not words
#: Bytes of a body that are looked at.
MAX_BODY = 64 * 1024

_TAG = re.compile(r"<[^>]{0,500}>")
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,500})</title", re.IGNORECASE)
_SCRIPT = re.compile(r"<(script|style)\b[^>]{0,500}>.*?(?:</\1\s{0,9}>|\Z)", re.IGNORECASE | re.DOTALL)
#: Where backends put their words, the most telling first. ``detail`` is of RFC 9457, section 3.1.
_DETAIL_KEYS = ("detail", "message", "reason", "error_description", "msg", "description", "title", "error")
_NESTED_KEYS = ("error", "_error", "errors", "_issues", "issues", "details", "data")
_CODE_KEYS = ("code", "error_code", "errno", "error", "type")


def problem_from(body: bytes, *, complete: bool = True) -> tuple[str | None, str]:
    """Return the code and the detail that the body of an error answer holds.

    :param body: as received; JSON of any shape, HTML, text or nothing
    :param complete: whether that is all of the body
    :return: a machine-readable code if there is one, and words of at most 2 kB, "" if there are none
    """
    text = body[:MAX_BODY].decode("utf-8", errors="replace")
    if len(body) > MAX_BODY or not complete:
        text += CUT
    code, detail = None, text
    try:
        value = json.loads(body[:MAX_BODY])
    except (ValueError, RecursionError):
        if text.lstrip().startswith("<"):
            detail = _words_of_html(text)
    else:
        code, detail = _code(value), _words(value)
    code = shortened(encodable(code), 200) if code else None
    return code, _shorten(" ".join(detail.split()))


def _code(value: Any, depth: int = 0) -> str | None:
    if not isinstance(value, Mapping) or depth > MAX_DEPTH:
        return None
    for key in _CODE_KEYS:
        found = value.get(key)
        if isinstance(found, str | int) and not isinstance(found, bool) and found not in ("", "about:blank"):
            return str(found)
    nested = (_code(value.get(key), depth + 1) for key in ("error", "_error"))
    return next((code for code in nested if code), None)


def _words(value: Any, depth: int = 0) -> str:
    if depth > MAX_DEPTH:
        return ""
    if isinstance(value, Mapping):
        return _words_of_mapping(value, depth)
    if isinstance(value, list):
        return "; ".join(filter(None, (_words(item, depth + 1) for item in value[:20])))
    return "" if value is None or isinstance(value, bool) else str(value)


def _words_of_mapping(value: Mapping[str, Any], depth: int) -> str:
    own = next((words for key in _DETAIL_KEYS if (words := _words(value.get(key), depth + 1))), "")
    if own and (place := _place(value)):
        own = f"{place}: {own}"
    nested = "; ".join(
        words
        for key in _NESTED_KEYS
        if isinstance(value.get(key), Mapping | list)
        and (words := _words(value[key], depth + 1))
        and words not in own
    )
    if own or nested:
        return "; ".join(filter(None, (own, nested)))
    # no word of ours: the keys are the fields of the record, the values what is wrong with them
    fields = ((key, _words(item, depth + 1)) for key, item in list(value.items())[:20])
    return "; ".join(f"{key}: {words}" for key, words in fields if words)


def _place(value: Mapping[str, Any]) -> str:
    """Return where in the data an item of a list of problems points, as ``loc`` of FastAPI does."""
    place = value.get("loc") or value.get("field") or value.get("path") or value.get("pointer")
    if isinstance(place, list):
        return ".".join(str(part) for part in place)
    return place if isinstance(place, str) else ""


def _words_of_html(text: str) -> str:
    title = _TITLE.search(text)
    return html.unescape(title[1] if title else _TAG.sub(" ", _SCRIPT.sub(" ", text)))


def encodable(text: str) -> str:
    """Return the text without halves of surrogate pairs, which no log, database or event could hold."""
    return text.encode(errors="replace").decode()


def _shorten(text: str) -> str:
    encoded = text.encode(errors="replace")
    if len(encoded) <= MAX_DETAIL:
        return encoded.decode()
    return encoded[: MAX_DETAIL - len(CUT.encode())].decode(errors="ignore") + CUT
