"""What Accept and Content-Type say (RFC 9110, sections 8.3.1 and 12.5.1)."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.media_types import (
    check_accept,
    has_no_names,
    is_html_type,
    is_json_type,
    says_nothing,
    table_asked_for,
    table_type,
    takes_text,
)


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        ("text/csv", True),
        ("*/*", True),
        ("text/*;q=0.3, text/plain;format=flowed, */*;q=0.5", True),  # RFC 9110, section 12.5.1
        ("application/xml, application/json;q=0.5", True),
        ("application/x-ndjson", True),
        ("application/json-seq", True),  # RFC 7464
        ("application/json", False),
        ("Application/JSON", False),
        ("application/vnd.github+json", False),
        ('application/json;odata.metadata=none;x="a, text/csv"', False),
        (" text/csv\t", True),
    ],
)
def test_what_is_asked_for(accept: str, text: bool) -> None:
    """JSON and the types that are JSON (RFC 6839) are decoded; all else is text."""
    assert takes_text(check_accept(accept)) is text


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "csv",
        "text",
        "text/",
        "/csv",
        "text/csv;",
        "text/csv; charset",
        "text/csv,",
        "text /csv",
        "a/b\nc/d",
    ],
)
def test_what_is_no_media_type_is_refused(wrong: str) -> None:
    """The error says what would be right."""
    with pytest.raises(ValueError, match="media type, as text/csv"):
        check_accept(wrong)


@pytest.mark.parametrize("wrong", [["text/csv"], None, 1, b"text/csv"])
def test_what_is_no_text_is_refused(wrong: Any) -> None:
    """A list would be guessed at."""
    with pytest.raises(ValueError, match="media type, as text/csv"):
        check_accept(wrong)


@pytest.mark.parametrize(
    ("content_type", "json", "html"),
    [
        ("application/json", True, False),
        ("application/problem+json; charset=utf-8", True, False),
        ("text/html;charset=utf-8", False, True),
        ("application/xhtml+xml", False, True),
        ("text/csv", False, False),
        ("none", False, False),
        ("", False, False),
    ],
)
def test_what_came(content_type: str, json: bool, html: bool) -> None:
    """By the type alone, whatever its parameters are."""
    assert (is_json_type(content_type), is_html_type(content_type)) == (json, html)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/csv", "csv"),
        ("Text/CSV; charset=utf-8; header=present", "csv"),
        ("application/csv", "csv"),
        ("application/vnd.sdmx.data+csv; version=1.0.0", "csv"),  # SDMX REST
        ("text/tab-separated-values", "tsv"),
        ("text/plain;format=tsv", "tsv"),  # UniProt
        ('text/plain; charset=utf-8; format="CSV"', "csv"),
        ("text/plain;format=flowed", None),
        ("text/plain", None),
        ("application/json", None),
        ("csv", None),
        ("", None),
    ],
)
def test_which_table_came(content_type: str, kind: str | None) -> None:
    """The names that IANA and some backends have for tables."""
    assert table_type(content_type) == kind


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "csv"),
        ("text/tab-separated-values, text/csv;q=0.5", "tsv"),
        ("text/csv, */*", None),
        ("text/csv, application/json", None),
        (None, None),
    ],
)
def test_whether_only_a_table_is_asked_for(accept: str | None, kind: str | None) -> None:
    """Then a file of any type is one."""
    assert table_asked_for(accept) == kind


def test_parameters_of_tables() -> None:
    """RFC 4180, section 3, and types that say no more than that something is a file."""
    assert [has_no_names(f"text/csv{more}") for more in ("; header=absent", "; header=present", "")] == [
        True,
        False,
        False,
    ]
    types = ("", "text/plain; charset=x", "application/octet-stream", "application/xml")
    assert [says_nothing(it) for it in types] == [True, True, True, False]


@given(st.text())
def test_any_header_can_be_looked_at(text: str) -> None:
    """A backend may send anything."""
    assert isinstance(is_json_type(text), bool)
    assert table_type(text) in (None, "csv", "tsv")
    assert isinstance(has_no_names(text), bool)
    assert isinstance(says_nothing(text), bool)


def test_long_headers_take_no_time() -> None:
    """Linear in their length, also where they nearly fit."""
    begin = time.thread_time()
    for nearly in ("a/b" + ";a=b" * 100_000 + ";", "a/b," * 100_000, "a/b;a=" + '"' * 200_000):
        with pytest.raises(ValueError, match="media type"):
            check_accept(nearly)
    assert time.thread_time() - begin < 1
