"""The words of a failure are found in whatever shape the backend says them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.bodies.errors.details import MAX_DETAIL, problem_from
from airflow_mirrordb.client.bodies.errors.records import MAX_DEPTH


def body(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("value", "code", "detail"),
    [
        (
            {"type": "https://e.x/quota", "title": "Quota", "status": 403, "detail": "only 5 are allowed"},
            "https://e.x/quota",
            "Quota: only 5 are allowed",
        ),
        ({"type": "about:blank", "title": "Not Found", "status": 404}, None, "Not Found"),
        ({"detail": "no such user"}, None, "no such user"),
        (
            {"detail": [{"loc": ["body", "age"], "msg": "not a number", "type": "int_parsing"}]},
            None,
            "body.age: not a number",
        ),
        ({"detail": ["first", "second"]}, None, "first; second"),
        ({"error": "no such user"}, None, "no such user"),
        ({"error": "no_such_user"}, "no_such_user", "no_such_user"),
        ({"error": {"message": "no such user", "code": "E7"}}, "E7", "no such user"),
        (
            {"error": {"code": 400, "message": "bad", "errors": [{"reason": "invalid"}]}},
            "invalid",
            "bad; invalid",
        ),
        ({"error": "invalid_grant", "error_description": "expired"}, "invalid_grant", "expired"),
        ({"message": "no such user", "code": 17}, "17", "no such user"),
        ({"ok": False, "reason": "missing", "error": "not_found"}, "not_found", "missing"),
        (
            {"_error": {"code": 422, "message": "1 error"}, "_issues": {"age": "must be positive"}},
            None,
            "1 error; age: must be positive",
        ),
        (
            {"name": ["is required"], "age": ["too low", "odd"]},
            None,
            "name: is required; age: too low; age: odd",
        ),
        ({"errors": [{"field": "name", "message": "is required"}]}, None, "name: is required"),
        ({}, None, ""),
        ([], None, ""),
        (None, None, ""),
        (True, None, ""),
        ("just words", None, "just words"),
        ({"message": None, "detail": ""}, None, ""),
        ({"a": {"b": {"c": {"d": {"e": {"f": "deep"}}}}}}, None, "a.b.c.d.e.f: deep"),
    ],
)
def test_json_errors_give_their_words(value: object, code: str | None, detail: str) -> None:
    """Every shape of FACTS, with the code where there is one."""
    status = 422 if isinstance(value, dict) and "_error" in value else 400
    assert problem_from(body(value), status=status) == (code, detail)


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", ""),
        (b"   \r\n ", ""),
        (b"plain words\nover two lines", "plain words over two lines"),
        (b"<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", "x"),
        (b"<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        (b"<!DOCTYPE html><h1>Oops</h1><p>It &amp; broke</p>", "Oops It & broke"),
        (b"<style>p {color: red}</style><p>only</p><script>var a = 1 < 2;</script>", "only"),
        (b"<script>never closed", ""),
        (b"\xff\xfe\x00garbage", "\ufffd\ufffd\x00garbage"),
        (b'{"broken": ', '{"broken":'),
        (b"[" * 200_000, "[" * (MAX_DETAIL - 3) + "…"),
    ],
)
def test_bodies_that_are_no_json_give_their_text(raw: bytes, detail: str) -> None:
    """HTML without its tags, text as it is, and never an exception."""
    assert problem_from(raw) == (None, detail)


def test_the_detail_ends_at_two_kilobytes() -> None:
    """A long text is cut at 2,048 bytes, between characters; a text of that length is not."""
    _, detail = problem_from(body({"detail": "é" * 5000}))
    assert len(detail.encode()) <= MAX_DETAIL
    assert detail == "é" * 1022 + "…"
    assert problem_from(b"x" * MAX_DETAIL) == (None, "x" * MAX_DETAIL)


SECRET = "s3cr3t-k3y-0123456789"


@pytest.mark.parametrize(
    "raw",
    [
        body({"detail": f"key {SECRET} is unknown"}),
        body({"error": {"code": SECRET, "message": f"no {SECRET}"}}),
        body({SECRET: ["is wrong"]}),
        body({"code": "x" * 195 + SECRET, "message": "m"}),
        f"<title>no {SECRET}</title>".encode(),
        f"bad key: {SECRET}".encode(),
        (" " * (64 * 1024 - 10) + SECRET).encode(),
        ("y" * 2040 + SECRET).encode(),
    ],
)
def test_a_secret_that_the_backend_repeats_is_redacted(raw: bytes) -> None:
    """No part of a secret gets through: not in the detail, not in the code, not where a text is cut."""
    code, detail = problem_from(raw)
    for text in (code or "", detail):
        assert SECRET[:5] not in Redaction([SECRET]).text(text)


@pytest.mark.parametrize("size", range(1, len(SECRET) + 5))
def test_a_secret_in_a_body_that_was_not_read_to_its_end_is_redacted(size: int) -> None:
    """Where the limit of an answer's size cuts through it, less than four characters are left of it."""
    _, detail = problem_from(f"key {SECRET}".encode()[:size], complete=False)
    assert SECRET[:4] not in Redaction([SECRET]).text(detail)


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["detail", "error", "errors", "loc", "message", "code", "type", "_issues", "x"]
                ),
                inner,
            )
        ),
    ).map(body)
)
def test_any_body_gives_one_line(raw: bytes) -> None:
    """Whatever is in a body, the result is one line of at most 2 kB."""
    code, detail = problem_from(raw)
    assert len(detail.splitlines()) <= 1
    assert len(detail.encode()) <= MAX_DETAIL
    assert code is None or len(code) <= 200


@pytest.mark.parametrize("depth", range(MAX_DEPTH + 1, 990, 45))
@pytest.mark.parametrize("name", ["error", "_error", "errors", "detail", "x"])
def test_a_deep_body_is_an_error_like_any_other(name: str, depth: int) -> None:
    """As deep as JSON can be decoded at all; what lies so deep is not looked at."""
    raw = f'{{"{name}": '.encode() * depth + b'{"code": "E1", "message": "m"}' + b"}" * depth
    assert problem_from(raw) == (None, "") or depth > 800  # beyond, Python may not decode it


@pytest.mark.parametrize("raw", [b'{"detail": "a\\ud800b"}', b'{"code": "a\\ud800b", "detail": "a?b"}'])
def test_half_a_surrogate_pair_is_replaced(raw: bytes) -> None:
    """JSON can write what no log, database or event could hold."""
    code, detail = problem_from(raw)
    assert (code, detail) in [(None, "a?b"), ("a?b", "a?b")]
