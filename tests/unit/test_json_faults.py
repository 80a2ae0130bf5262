"""Why a body is no JSON is told with the place in its data, and what is there."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.bodies.errors.json_faults import MAX_SCANNED, SHOWN, fault_in
from airflow_mirrordb.client.messages.response import decode


def fault_of(body: bytes) -> str:
    try:
        decode(body)
    except (ValueError, RecursionError) as fault:
        return fault_in(body, fault)
    pytest.fail("it is JSON")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            b'{"rows": [{"price": 2}, {"id": 2, "price": NaN}]}',
            "JSON has no such number at rows[1].price (line 1, column 44): 'NaN}]}'",
        ),
        (b'{"a": -Infinity}', "JSON has no such number at a (line 1, column 7): '-Infinity}'"),
        (b"[1,\n 1e999]", "it is too large a number at [1] (line 2, column 2): '1e999]'"),
        (
            b'{"name": "Jos\xe9"}',
            "byte 13 (0xe9) is not UTF-8 at name (line 1, column 14): '\"Jos\\\\xe9\"}'",
        ),
        (b'{"a": 1, "b": ', "it ends too early at b (line 1, column 15): '\"b\":…'"),
        (b'{"a": "unfin', "it ends too early at a (line 1, column 13): '\"unfin…'"),
        (b"[1, 2", "it ends too early at [1] (line 1, column 6)"),
        (b'{"a": 1,}', "a comma before the end of a list or an object at a (line 1, column 8): ',}'"),
        (b"[1, 2, ]", "a comma before the end of a list or an object at [1] (line 1, column 6): ', ]'"),
        (
            b"{'a': 1}",
            "a single quote, as Python prints texts; JSON has only double ones at line 1, column 2",
        ),
        (b'{"a": True}', "a word that is not in JSON at a (line 1, column 7): 'True}'"),
        (b'{"a": undefined}', "a word that is not in JSON at a (line 1, column 7): 'undefined}'"),
        (b"{a: 1}", "a name without double quotes at line 1, column 2: 'a: 1}'"),
        (b'{"a": 1}\n{"a": 2}\n', "further JSON follows, as in JSON Lines at line 2, column 1: '{\"a\": 2}'"),
        (b"{} done", "something follows the JSON at line 1, column 4: 'done'"),
        (b")]}'\n{}", "it begins with )]}', which keeps pages from running JSON as a script"),
        (b"for(;;);{}", "it begins with for(;;), which keeps pages from running JSON as a script"),
        (b'show({"a": 1});', "it is a script that calls a function with JSON (JSONP): 'show({\"a\": 1});'"),
        (b"<html><title>Sign in</title></html>", "it is a page or XML: 'Sign in'"),
        (b"a,b\n1,2\n", "expecting value at line 1, column 1: 'a,b\\n1,2'"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "another byte order mark at line 1, column 1: '\\ufeff{}'"),
        (
            b'{"a": "x\ty"}',
            "a control character in a text, which JSON writes as an escape at a (line 1, column 9)",
        ),
        (b"// note\n{}", "a comment, which JSON has not at line 1, column 1: '// note\\n{}'"),
        (
            b'{"a b": {"@x": .5}}',
            'a number that JSON does not write so at "a b"."@x" (line 1, column 16): \'.5}}\'',
        ),
        (b'{"a":' * 40_000, "it is nested 40,000 levels deep at a.a.a.a."),
        (b"[" * 200_000, "it is nested 200,000 levels deep at [0][0]"),
        (b"\x80\x04K\x07.", "byte 0 (0x80) is not UTF-8 at line 1, column 1"),
        ('{"a": NaN}'.encode("utf-16"), "JSON has no such number at a (line 1, column 7): 'NaN}'"),
    ],
)
def test_it_says_what_is_wrong_and_where(body: bytes, told: str) -> None:
    """By the grammar of RFC 8259: no NaN (section 6), no comment, UTF-8 alone (8.1); limits are ours (9)."""
    assert fault_of(body).startswith(told)


def test_what_is_there_is_cut_at_eighty_characters() -> None:
    """The rest of a body is nobody's business, and may be long."""
    told = fault_of(b"[NaN, " + b"1, " * 1000)
    assert told.endswith("…'")
    assert len(told) < SHOWN + 100


SECRET = "s3cr3t-k3y-0123456789"


@pytest.mark.parametrize(
    "body",
    [
        f'{{"a": "{SECRET}\x01"}}',
        f'{{"a": NaN, "k": "{"x" * 50}{SECRET}"}}',
        f'{{"a": "{"x" * 60}{SECRET}\x01{SECRET}"}}',
        f'{{"{SECRET}": NaN}}',
        f"<p>{SECRET}</p>",
        f"bad key {SECRET}",
        *(f'{{"k": "{SECRET[:length]}' for length in range(5, len(SECRET) + 1)),
        *(f'{{"k": "{"x" * 70}{SECRET[:length]}' for length in range(5, len(SECRET) + 1)),
    ],
)
def test_a_secret_that_the_body_repeats_is_redacted(body: str) -> None:
    """Also where the body, or what is shown of it, ends in the middle of it."""
    assert SECRET[:5] not in Redaction([SECRET]).text(fault_of(body.encode()))


@given(st.binary(max_size=200) | st.text('{}[]":,\\naN1-e. tru\ud7ff\n', max_size=60).map(str.encode))
def test_any_body_gets_words(body: bytes) -> None:
    """Whatever is in it, there is one short text, which a log and an event can hold."""
    try:
        decode(body)
    except (ValueError, RecursionError) as fault:
        told = fault_in(body, fault)
        assert 0 < len(told.encode()) < 1500


def test_the_place_in_a_long_body_is_its_line_and_column() -> None:
    """The event loop is not held up: the way to it is looked for in the first 256 kB alone."""
    body = b"[" + b"1," * MAX_SCANNED + b"NaN]"
    assert fault_of(body[:-4] + b"x]") == f"expecting value at line 1, column {len(body) - 3:,}: 'x]'"
    assert fault_of(body) == "JSON has no NaN"
