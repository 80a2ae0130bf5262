"""The text of a body that is not JSON."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.bodies.texts import text_from


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"ok", "", "ok"),
        (b"ok", "text/plain", "ok"),
        ("é€".encode(), "text/plain; charset=utf-8", "é€"),
        ("\ufeffé".encode(), "text/csv", "é"),
        (b"\xe9", "text/plain; charset=latin-1", "é"),
        (b"\x80", 'text/html;charset="windows-1252"; x=y', "€"),
        ("é".encode("utf-16"), "text/plain; Charset = UTF-16", "é"),
        ("日本".encode("shift_jis"), "text/html; charset=Shift_JIS", "日本"),
        (b"a\xffb", "text/plain; charset=utf-8", "a\ufffdb"),
        ("é".encode(), "text/plain; charset=no-such-charset", "é"),
        (b"a\tb\r\n\x0c\x1b[0m", "text/plain", "a\tb\r\n\x0c\x1b[0m"),
        (b"ok", "text/plain; charset=", "ok"),
    ],
)
def test_text_is_read_in_its_charset(body: bytes, content_type: str, text: str) -> None:
    """As the content type names it (RFC 9110, section 8.3.2), else in UTF-8; what is wrong is replaced."""
    assert text_from(body, content_type) == text


@pytest.mark.parametrize(
    "body",
    [b"\x89PNG\r\n\x1a\n\x00\x00", b"PK\x03\x04\x14\x00", b"\x1f\x8b\x08", b"%PDF-1.7\x00", b"a\x00b"],
)
def test_what_is_no_text_is_none(body: bytes) -> None:
    """The beginnings of a PNG, ZIP, GZIP and PDF file; no database keeps a NUL."""
    assert text_from(body, "application/octet-stream") is None


@pytest.mark.parametrize("charset", ["punycode", "idna", "zip", "base64", "rot13", "unicode_escape", "utf-7"])
def test_codecs_that_are_no_charsets_are_not_used(charset: str) -> None:
    """Python has some that take hours, or that stand for something else; these are read as UTF-8."""
    begin = time.thread_time()
    assert text_from(b"-a" * 100_000, f"text/plain; charset={charset}") == "-a" * 100_000
    assert time.thread_time() - begin < 1


@given(st.binary(), st.text())
def test_any_body_is_text_or_none(body: bytes, content_type: str) -> None:
    """Nothing is raised, and what there is can be encoded."""
    text = text_from(body, content_type)
    assert text is None or text.encode() is not None
