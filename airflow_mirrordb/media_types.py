"""Media types, as ``Accept`` and ``Content-Type`` name them, for client and operators; light."""

from __future__ import annotations

import functools
import re
from typing import Literal

from airflow_mirrordb.json_types import is_list

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE = rf"({_NAME})/({_NAME})"
_PARAMETERS = rf"(?:[ \t]*;[ \t]*{_NAME}=(?:{_NAME}|\"[^\"\\\x00-\x1f\x7f]*\"))*"
#: One media type, or range of them, with its parameters (RFC 9110, sections 8.3.1 and 12.5.1).
_RANGE = re.compile(_TYPE + _PARAMETERS)
_RANGES = re.compile(rf"{_RANGE.pattern}(?:[ \t]*,[ \t]*{_RANGE.pattern})*")

#: Parameters that tell of a table.
_FORMAT = re.compile(r";[ \t]*format=\"?([a-z]+)", re.IGNORECASE)
_HEADLESS = re.compile(r";[ \t]*header=\"?absent", re.IGNORECASE)
#: Types of whatever is sent as a file.
_VAGUE = ("", "text/plain", "application/octet-stream", "binary/octet-stream")

Table = Literal["csv", "tsv"]

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


@functools.lru_cache(maxsize=64)
def table_type(content_type: str) -> Table | None:
    """Return whether a content type is CSV, or values divided by tabs; None if it is neither.

    CSV is ``text/csv`` (RFC 7111), ``application/csv`` and what has ``+csv``; tabs have
    ``text/tab-separated-values`` (IANA). As ``text/plain;format=tsv`` UniProt has them.
    """
    found = _RANGE.match(content_type.strip(" \t"))
    if found is None:
        return None
    subtype = found[2].lower()
    if subtype == "plain":
        said = _FORMAT.search(found[0])
        subtype = said[1].lower() if said else ""
    if subtype == "csv" or subtype.endswith("+csv"):
        return "csv"
    return "tsv" if subtype in ("tab-separated-values", "tsv") else None


@functools.lru_cache(maxsize=64)
def table_asked_for(accept: str | None) -> Table | None:
    """Return which kind of table is asked for first; None if something else is asked for as well."""
    kinds = [table_type(found[0]) for found in _RANGE.finditer(accept or "")]
    return kinds[0] if kinds and None not in kinds else None


def has_no_names(content_type: str) -> bool:
    """Whether a content type says of CSV that no line names the columns (RFC 4180, section 3)."""
    return _HEADLESS.search(content_type) is not None


def says_nothing(content_type: str) -> bool:
    """Whether a content type does not tell what a text is, as that of many files; none is one, too."""
    return content_type.partition(";")[0].strip(" \t").lower() in _VAGUE


def _is_json(subtype: str) -> bool:
    return subtype.lower() == "json" or subtype.lower().endswith("+json")
