"""Media types, as ``Accept`` and ``Content-Type`` name them, for client and operators; light."""

from __future__ import annotations

import functools
import re

from airflow_mirrordb.json_types import is_list

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = rf"({_NAME})/({_NAME})"
_PARAMETERS = rf"(?:[ \t]*;[ \t]*{_NAME}=(?:{_NAME}|\"[^\"\\\x00-\x1f\x7f]*\"))*"
#: One media type, or range of them, with its parameters (RFC 9110, sections 8.3.1 and 12.5.1).
_RANGE = re.compile(_TYPE + _PARAMETERS)
_RANGES = re.compile(rf"{_RANGE.pattern}(?:[ \t]*,[ \t]*{_RANGE.pattern})*")

ACCEPT_WANTED = "it must be a media type, as text/csv, or several with commas between them"


def check_media_type(value: object) -> str:
    """Return what ``Content-Type`` shall say.

    :raises ValueError: if it is no media type; with the reason
    """
    if not isinstance(value, str) or not _RANGE.fullmatch(value.strip(" \t")) or "*" in value:
        raise ValueError(f"it must be a media type, as text/csv, not {value!r:.200}")
    return value.strip(" \t")


def check_accept(value: object) -> str:
    """Return what ``Accept`` shall say.

    :raises ValueError: if it names no media types; with the reason
    """
    if is_list(value):
        raise ValueError(f"{ACCEPT_WANTED}, in one text, not {type(value).__name__}")
    if not isinstance(value, str) or not _RANGES.fullmatch(value.strip(" \t")):
        raise ValueError(f"{ACCEPT_WANTED}, not {value!r:.200}")
    return value.strip(" \t")


@functools.lru_cache(maxsize=64)
def takes_text(accept: str | None) -> bool:
    """Whether what is asked for may be something else than JSON; nothing asks for JSON."""
    if accept is None:
        return False
    return not all(_is_json(subtype) for _, subtype in _RANGE.findall(accept))


@functools.lru_cache(maxsize=64)
def is_json_type(content_type: str) -> bool:
    """Whether a content type is JSON, or one with ``+json`` (RFC 6839, section 3.1)."""
    found = _RANGE.match(content_type.strip(" \t"))
    return found is not None and _is_json(found[2])


@functools.lru_cache(maxsize=64)
def is_html_type(content_type: str) -> bool:
    """Whether a content type is that of a page for people."""
    found = _RANGE.match(content_type.strip(" \t"))
    return found is not None and found[2].lower() in ("html", "xhtml+xml")


@functools.lru_cache(maxsize=64)
def takes_page(accept: str) -> bool:
    """Whether a page for people is among what is asked for, if only in a range, as ``text/*``."""
    return any(
        subtype.lower() in ("html", "xhtml+xml") or (subtype == "*" and name.lower() in ("text", "*"))
        for name, subtype in _RANGE.findall(accept)
    )


def _is_json(subtype: str) -> bool:
    return subtype.lower() == "json" or subtype.lower().endswith("+json")
