"""What a person reads of a page, an XML document or a text: no markup, no stack trace. Pure."""

from __future__ import annotations

import html
import re

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.errors.reason_phrases import REASON_PHRASES

_TAG = re.compile(r"<[^>]{0,500}>")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,500})</title\s{0,9}>", re.IGNORECASE)
_UNSEEN = re.compile(r"<(script|style|svg)\b[^>]{0,500}>.*?(?:</\1\s{0,9}>|\Z)", re.IGNORECASE | re.DOTALL)
_LINE_END = re.compile(r"<br\b[^>]{0,99}>|</(?:p|div|h\d|li|tr|pre|title)\s{0,9}>", re.IGNORECASE)
_XML_WORDS = re.compile(
    r"<(?:\w{1,40}:)?(?:message|faultstring|description|detail|reason|text)\b[^>]{0,200}>([^<]{1,2000})</",
    re.IGNORECASE,
)
_XML_CODE = re.compile(
    r"<(?:\w{1,40}:)?(?:error|fault)?code\b[^>]{0,200}>\s{0,99}([^<\s]{1,200})\s{0,99}</", re.IGNORECASE
)

#: Lines that tell where in the code of a backend something happened, as its languages write them:
#: Java, JavaScript and .NET; Java; PHP; Ruby; Go; Python.
_FRAME = re.compile(
    r"\s*(?:at\s+(?:[^\n(]*\(|\S+:\d)"
    r"|\.\.\.\s\d+\s(?:more|common)\b"
    r"|#\d+\s|\[?stack ?trace\]?:?\s*$|thrown in .* on line \d"
    r"|(?:from\s+)?[^\s:]+:\d+:in\s"
    r"|goroutine \d+ \[|[^\s:]+\.go:\d"
    r"|Traceback \(most recent call last\)|During handling of the above exception"
    r"|The above exception was the direct cause|--- End of .*stack trace)",
    re.IGNORECASE,
)
_PYTHON_FRAME = re.compile(r'\s*File "[^"\n]*", line \d')

_PHRASES = "|".join(
    sorted(
        (re.escape(name.lower()) for names in REASON_PHRASES.values() for name in names),
        key=len,
        reverse=True,
    )
)
#: A title that says no more than that there was an error, or than its status.
_BARE = re.compile(
    rf"(?:https?|status|code|page|an?|has|unknown|error|errors|occurred|failed|failure|exception|{_PHRASES}|\d{{3}}"
    r"|[\s:.!,;|()\[\]\u2013\u2014-])*",
    re.IGNORECASE,
)


def is_bare(title: str) -> bool:
    """Return whether a title says only that there was an error, or repeats a status, as "404 Not Found"."""
    return len(title) <= 100 and _BARE.fullmatch(title) is not None  # noqa: PLR2004  # a title is short


def words_of_page(text: str, most_behind_title: int | None = None) -> tuple[str | None, str]:
    """Return the code and the words of an HTML page or an XML document.

    A title that tells nothing gives way to the text behind it.

    :param most_behind_title: characters of the text that are told with a title that tells something
    """
    seen = _UNSEEN.sub(" ", _COMMENT.sub(" ", text))
    if text.startswith("<?xml") and "<html" not in text[:1000].lower():
        code = _XML_CODE.search(seen)
        found = list(dict.fromkeys(html.unescape(words).strip() for words in _XML_WORDS.findall(seen)))
        if found:
            return (code[1] if code else None), words_of_text("\n".join(found))
    title = _TITLE.search(text)
    behind = words_of_text(html.unescape(_TAG.sub(" ", _LINE_END.sub("\n", _TITLE.sub(" ", seen)))))
    told = words_of_text(html.unescape(title[1])) if title else ""
    if not behind:
        return None, told
    if not told or is_bare(told):
        return None, behind
    words = behind if behind.startswith(told) else f"{told}: {behind}"
    return None, words if most_behind_title is None else shortened(words, len(told) + most_behind_title)


def words_of_text(text: str) -> str:
    """Return a text in one line, without the lines of a stack trace."""
    return " ".join(_without_trace(text).split()) if "\n" in text else " ".join(text.split())


def _without_trace(text: str) -> str:
    kept, indent_of_frame = [], None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if indent_of_frame is not None and indent > indent_of_frame:
            continue  # Python shows the source below each frame
        indent_of_frame = None
        if _PYTHON_FRAME.match(line):
            indent_of_frame = indent
        elif not _FRAME.match(line):
            kept.append(line)
    return "\n".join(kept)
