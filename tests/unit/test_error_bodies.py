"""The sentence that a person on call needs is found in the error bodies of public APIs and frameworks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.bodies.errors import keys
from airflow_mirrordb.client.bodies.errors.details import MAX_CODE, MAX_DETAIL, problem_from
from airflow_mirrordb.client.bodies.errors.failure_words import words_of_failure
from tests.unit.error_bodies import Row, frameworks, pages, servers, services, standards

MODULES = (standards, frameworks, services, servers, pages)


@pytest.mark.parametrize("rows", [module.ROWS for module in MODULES], ids=lambda rows: next(iter(rows)))
def test_each_shape_gives_the_words_that_a_person_needs(rows: dict[str, Row]) -> None:
    """What is wrong, and where: no trace, no title alone, nothing twice, and no data of the request."""
    found = {name: problem_from(row.body.encode(), status=row.status) for name, row in rows.items()}
    assert found == {name: (row.code, row.detail) for name, row in rows.items()}


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        ({"message": json.dumps({"error": {"message": "deep words", "code": "E1"}})}, None, "deep words"),
        ({"detail": "<html><title>Error</title><p>the words</p></html>"}, None, "the words"),
        (
            {"errors": {"code": ["is taken"], "name": {"message": "is bad"}}},
            None,
            "code: is taken; name: is bad",
        ),
        ({"errors": {"title": {"message": "is bad", "kind": "x"}}}, None, "title: is bad"),
        ({"errors": {"description": "is missing"}}, None, "description: is missing"),
        ({"errors": {"data": ["is missing"]}}, None, "data: is missing"),
        ({"source": ["is unknown"]}, None, "source: is unknown"),
        ({"message": "bad", "data": {"name": "Ann Smith", "note": "a b c"}}, None, "bad"),
        ({"error": {"message": "a; b", "details": [{"message": "a"}, {"message": "b"}]}}, None, "a; b"),
        ({"status": 409, "code": "409", "message": "taken"}, None, "taken"),
        ({"code": "This is prose", "message": "taken"}, None, "taken"),
        ({"error": "there is no such user"}, None, "there is no such user"),
        ({"error": "Conflict"}, None, "Conflict"),
        ({"code": 12, "type": "x"}, "12", ""),
        ({"a": {"b": {"c": {"d": {"errors": [{"detail": "deep"}]}}}}}, None, "a.b.c.d: deep"),
        ({"message": "bad", "more": {"errors": [{"detail": "deep", "field": "x"}]}}, None, "bad; x: deep"),
        ({"message": "bad", "user": {"title": "Dr", "message": "hi you", "tags": ["a b"]}}, None, "bad"),
        (
            {"message": "some are missing", "fields": ["name", "age"]},
            None,
            "some are missing; fields: name, age",
        ),
        ({"message": "name is missing", "fields": ["name"]}, None, "name is missing"),
        ({"errors": {"a.b": [{"rule": "min", "text": "too small"}]}}, None, "a.b: too small"),
        ({"id": 7, "state": "locked by somebody"}, None, "id: 7; state: locked by somebody"),
    ],
)
def test_bodies_that_mislead(body: Any, code: str | None, detail: str) -> None:
    """A status or prose is no code, what was sent is no words, and fields may be called as keys are."""
    assert problem_from(json.dumps(body).encode(), status=409) == (code, detail)


def test_an_error_is_told_though_another_one_begins_with_its_words() -> None:
    """Only what another one says as well is left out: 1 is not 12."""
    errors = ["unknown id 1", "unknown id 12", "Unknown ID 12.", "no id 12", "id 12"]
    assert problem_from(json.dumps({"errors": errors}).encode())[1] == (
        "unknown id 1; Unknown ID 12; no id 12"
    )


def test_many_errors_are_told_up_to_twenty() -> None:
    """The rest is counted."""
    body = {"errors": [{"field": f"f{number}", "message": "is bad"} for number in range(50)]}
    _, detail = problem_from(json.dumps(body).encode())
    assert detail.startswith("f0: is bad; f1: is bad; ")
    assert detail.endswith("f19: is bad; and 30 more")


def test_only_so_many_values_are_looked_at() -> None:
    """What comes after a thousand of them is not found, and costs no time."""
    body = {"errors": [*([[]] * 2000), {"message": "too late"}]}
    assert problem_from(json.dumps(body).encode()) == (None, "")


def test_json_that_was_cut_off_gives_the_words_before_the_cut() -> None:
    """Of an error no more than 64 kB are read, and some hold all of a stack trace."""
    body = {"message": "no database", "code": "E7", "trace": "x" * 70_000, "more": 1}
    assert problem_from(json.dumps(body).encode(), status=500) == ("E7", "no database")
    raw = b'{"errors": [{"message": "first"}, {"message": "sec'
    assert problem_from(raw, complete=False) == (None, "first")


@pytest.mark.parametrize("before", ["\ufeff", ")]}',\n", "for(;;);", "while(1);"])
def test_what_stands_before_json_is_passed_over(before: str) -> None:
    """A byte order mark, and what keeps pages from running JSON as a script."""
    raw = before.encode() + b'{"message": "no rows"}'
    assert problem_from(raw) == (None, "no rows")


@pytest.mark.parametrize("title", ["Error", "no such table at /users"])
def test_of_a_long_page_the_beginning_is_told(title: str) -> None:
    """With a title that tells something that is enough; without one it is all there is."""
    heading = "" if title == "Error" else f"<h1>{title}</h1>"
    page = f"<html><title>{title}</title>{heading}<p>{'word ' * 1000}</p></html>"
    _, detail = problem_from(page.encode())
    assert detail.startswith("word word" if title == "Error" else f"{title} word word")
    assert detail.endswith("…")
    assert len(detail) == (2046 if title == "Error" else len(title) + 300)


def test_json_in_utf_16_is_read() -> None:
    """RFC 4627, section 3, allowed it, and some servers on Windows still send it."""
    assert problem_from('{"message": "keine Zeilen"}'.encode("utf-16")) == (None, "keine Zeilen")


SECRET = "s3cr3t-k3y-0123456789"
KEYS = sorted(
    {
        *(name for value in vars(keys).values() if isinstance(value, tuple | frozenset) for name in value),
        *("__type", "@type", "@Message.ExtendedInfo", "o:errorDetails", "x", "0", SECRET, ""),
    }
)
TEXTS = [
    SECRET,
    f"no {SECRET} here.",
    f"<p>{SECRET}</p>",
    f'{{"message": "{SECRET}"}}',
    "a",
    "a b",
    "",
    "404",
    "\ud800",
]
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 600) | st.sampled_from(TEXTS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=30,
)


@given(BODIES, st.integers(0, 2000))
def test_whatever_the_keys_hold_there_is_one_line_without_secrets(body: Any, cut: int) -> None:
    """Each key that is known may hold anything at any place, and the body may end anywhere."""
    raw = json.dumps(body).encode()
    for code, detail in (
        problem_from(raw, status=404),
        problem_from(raw[:cut], status=404, complete=False),
        (None, words_of_failure(body)),
    ):
        assert len(detail.encode()) <= MAX_DETAIL
        assert len(detail.splitlines()) <= 1
        assert code is None or (0 < len(code) <= MAX_CODE and code != "404" and not code.isspace())
        for text in (code or "", detail):
            assert SECRET[:5] not in Redaction([SECRET]).text(text)
