"""A secret is found in whatever form somebody repeats it, and nothing else is."""

from __future__ import annotations

import html
import json
import pickle
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import fields
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, strategies as st

from airflow_mirrordb.client import AmbiguousWriteError, BulkError, MirrorDBError, OutputError, ResponseError
from airflow_mirrordb.client.auth.redaction import (
    CUT,
    LEAST,
    MOST_SECRETS,
    Redaction,
    _parts,
    shortened,
)
from airflow_mirrordb.client.auth.spellings import LONG, Spelling
from airflow_mirrordb.client.errors import _classes

KEY = 'a/b+c="CANARY"\\é&<d>%41 e'

Form = Callable[[str], str]


def percent_lower(text: str) -> str:
    return "".join(part.lower() if part.startswith("%") else part for part in quote_parts(text))


def quote_parts(text: str) -> list[str]:
    return [quote(character, safe="") for character in text]


def utf_16(encoding: str) -> Form:
    return lambda text: text.encode(encoding).decode(errors="replace")


#: How a secret can be repeated; each is what servers were seen to do with a header or a URL.
FORMS: dict[str, Form] = {
    "as it is": str,
    "percent-encoded (RFC 3986, section 2.1)": lambda text: quote(text, safe=""),
    "percent-encoded in small letters": percent_lower,
    "percent-encoded but for slashes": quote,
    "as a form (application/x-www-form-urlencoded)": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON of PHP, with escaped slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON that escapes HTML (Go, Gson)": lambda text: "".join(
        f"\\u{ord(c):04x}" if c in "<>&'=" else json.dumps(c)[1:-1] for c in text
    ),
    "JSON that escapes all": lambda text: "".join(f"\\u{ord(c):04X}" for c in text),
    "HTML": html.escape,
    "HTML by numbers": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "HTML by hexadecimal numbers": lambda text: "".join(f"&#x{ord(c):X};" for c in text),
    "UTF-8 read as Latin-1 (Servlet, WSGI)": lambda text: text.encode().decode("latin-1"),
    "UTF-8 read as Windows-1252": lambda text: text.encode().decode("cp1252", errors="replace"),
    "UTF-8 read as Latin-1 twice": lambda text: text.encode().decode("latin-1").encode().decode("latin-1"),
    "repr of text": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "octal (git, ls)": lambda text: "".join(
        f"\\{byte:o}" if byte > 127 else f"\\{chr(byte)}" if byte in b'"\\' else chr(byte)
        for byte in text.encode()
    ),
    "UTF-16 read as UTF-8": utf_16("utf-16-le"),
    "UTF-16 of the other order": utf_16("utf-16-be"),
    "Latin-1 read as UTF-8": lambda text: text.encode("latin-1").decode(errors="replace"),
    "ASCII with question marks": lambda text: text.encode("ascii", errors="replace").decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "base64 (RFC 4648, section 4)": lambda text: b64encode(text.encode()).decode(),
    "base64url (section 5)": lambda text: urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 of basic credentials": lambda text: b64encode(f"ada:{text}".encode()).decode(),
    "base64 of OAuth's (RFC 6749, section 2.3.1)": lambda text: b64encode(
        f"ada:{quote(text, safe='')}".encode()
    ).decode(),
    "base64 of the header": lambda text: b64encode(f"Bearer {text}".encode()).decode(),
    "base64 among others": lambda text: b64encode(f'{{"sent": "{text}", "as": 1}}'.encode()).decode(),
    "white space collapsed": lambda text: " ".join(text.split()),
}
ONE_OF_THEM = st.sampled_from(sorted(FORMS))
OF_TEXT = sorted(
    name for name in FORMS if not name.startswith(("base64", "hex", "UTF-8 read", "Latin-1", "ASCII"))
)
SECRETS = st.text(st.sampled_from("abcXYZ019-_.~+/=:\"'\\%&<>; éß"), min_size=LONG, max_size=40).filter(
    lambda text: len(text.strip()) >= LONG and sum(map(str.isalnum, text)) >= LONG
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", [KEY, "CANARY-s3cr3t-0123456789", "x" * 2000])
def test_a_secret_is_hidden_in_each_form(form: str, key: str) -> None:
    """All of it goes, and nothing around it."""
    written = FORMS[form](key)
    hidden = Redaction([key]).text(f"(before: {written}, behind)").replace("\0", "")
    if form.startswith(("base64 of ", "base64 among")):  # what it begins with may stay
        assert re.fullmatch(r"\(before: \w*\*\*\*\w*=*, behind\)", hidden)
        assert FORMS["base64 (RFC 4648, section 4)"](key)[2:-3] not in hidden
    else:
        assert hidden == "(before: ***, behind)"


@given(key=SECRETS, first=ONE_OF_THEM, second=st.sampled_from(OF_TEXT), third=st.sampled_from(OF_TEXT))
@example(key="x%41y-CANARY", first="JSON", second="HTML", third="percent-encoded (RFC 3986, section 2.1)")
@example(key="a\\u0041\\CANARY", first="JSON", second="JSON", third="JSON")
def test_a_secret_is_hidden_in_forms_of_forms(key: str, first: str, second: str, third: str) -> None:
    """As JSON in a URL in HTML: in whatever order they were made."""
    written = key.strip()
    for form in (first, second, third):
        if form.startswith("UTF-16") and not written.isascii():
            return  # of letters of which nothing is left
        if "1252" in first and form == "ascii":
            return  # the bytes of Latin-1 and the letters of Windows-1252 cannot be told apart then
        written = FORMS[form](written)
    hidden = Redaction([key]).text(f"({written})")
    exact = not first.startswith(("base64 ", "UTF-16")) and not second.startswith("UTF-16")
    assert hidden.replace("\0", "") == "(***)" if exact else "***" in hidden


@given(key=SECRETS, form=ONE_OF_THEM, limit=st.integers(10, 120))
def test_what_is_cut_off_is_hidden_too(key: str, form: str, limit: int) -> None:
    """A text that was shortened before ends in the middle of a secret: less than four characters show."""
    key = key.strip()
    written = FORMS[form](key)
    text = shortened(f"(before: {written}, behind)", limit)
    hidden = Redaction([key]).text(text)
    if form.startswith("base64 "):
        return
    shown = hidden.removeprefix("(before: ").removesuffix(CUT)
    assert shown.startswith("***") or len(shown) < LEAST or FORMS[form](key[:LEAST]) not in shown, hidden


def test_a_few_characters_before_our_own_cut_are_hidden() -> None:
    """There what stands at the end is surely the beginning of something."""
    assert Redaction([LIVE]).text(f"bad key: {LIVE[:LEAST]}{CUT}") == f"bad key: ***{CUT}"


LIVE = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"


@pytest.mark.parametrize("form", [form for form in FORMS if not form.startswith("base64")])
@pytest.mark.parametrize("key", [KEY, LIVE])
@pytest.mark.parametrize("missing", [1, 3])
def test_what_others_cut_off_is_hidden_too(key: str, missing: int, form: str) -> None:
    """A backend may repeat a key without characters at its end or its beginning, with no sign of ours."""
    for part in (key[:-missing], key[missing:]):
        for around in ("(bad key {})", "(bad key {}...)", "(bad key ...{})", "(bad key '{}' here)"):
            hidden = Redaction([key]).text(around.format(FORMS[form](part))).replace("\0", "")
            assert hidden == around.format("***")


def test_from_half_of_a_secret_on_a_part_is_hidden() -> None:
    """Less of it may be a word, as may be less than eight characters."""
    for secret in (LIVE, "0123456789", "12345678"):
        for length in range(1, len(secret) + 1):
            is_hidden = 2 * length >= len(secret) and length >= LONG
            for part in (secret[:length], secret[-length:]):
                text = Redaction([secret]).text(f"bad key: {part}, here")
                assert text == f"bad key: {'***' if is_hidden else part}, here"


@pytest.mark.parametrize("secret", ["x" * 2000, "x" * 1000 + "y" * 1000, "xy" * 1000, "x" * 8 + "y" * 8])
def test_parts_of_a_secret_are_found_without_looking_twice(secret: str) -> None:
    """Of one that repeats itself there are as many parts as characters, and no more."""
    for text in ("x" * 6000, "xy" * 3000, "x" * 3000 + "y" * 3000):
        spelling = Spelling(secret)
        assert len(list(_parts(text, spelling))) <= 2 * len(text)
        assert "x" * len(secret) not in Redaction([secret]).text(text) or secret not in text


@pytest.mark.parametrize("secret", ["", " ", "a", "ab", "api", "1234567", "secret"])
def test_a_short_secret_hides_no_more_than_itself(secret: str) -> None:
    """It may be part of any word, so only what stands alone is it."""
    redaction = Redaction([secret])
    text = "aapib api2 1api 12345678 secrets abab a_b_api_1234567_secret"
    assert redaction.text(text) == text
    assert redaction.text(f'"{secret}", {secret}') == (
        '"***", ***' if secret.strip() else f'"{secret}", {secret}'
    )
    if secret.strip():
        assert redaction.text(f"key={quote(secret)}&x") == "key=***&x"
        assert redaction.text(f"Basic {b64encode(secret.encode()).decode()}") == "Basic ***"


def test_nothing_else_is_hidden() -> None:
    """Words that resemble a secret, or are part of one, stay."""
    redaction = Redaction(["application/x-secret-key-2", "0123456789abcdefghijkl"])
    text = "application/json, a secret key: 0123456789 abcdef…, %20, é, \\n, &amp;, application/…"
    assert redaction.text("application/json, a secret key: 0123 of 456, %20, é, \\n, &amp;, …") == (
        "application/json, a secret key: 0123 of 456, %20, é, \\n, &amp;, …"
    )
    assert redaction.text(text).startswith("application/json, a secret key: 0123456789 abcdef…")


def test_the_newest_secrets_are_hidden() -> None:
    """Of a client that renews its token for years, those that a request may still know."""
    redaction = Redaction(["first-key"])
    redaction.add(f"token-{number:04}" for number in range(MOST_SECRETS))
    assert redaction.text("first-key token-0000 token-0099") == "first-key *** ***"


def test_all_of_an_error_is_hidden() -> None:
    """Its facts, the dictionaries in them, what it came from, and what was being handled then."""
    secret = "CANARY-s3cr3t"
    cause = ResponseError(
        message=f"no {secret}",
        endpoint=f"api/{secret}",
        code=secret,
        detail=f"x {secret}",
        request_id=secret,
        method_name=secret,
    )
    error = AmbiguousWriteError(message=f"maybe {secret}", idempotency_key=secret, cause=cause.to_dict())
    error.__cause__ = ValueError(f"because of {secret}", {"k": [secret.encode()]}, OSError(2, secret, secret))
    error.__cause__.__context__ = OutputError(message="m", path=f"/tmp/{secret}")
    error.__cause__.__context__.__cause__ = error  # chains may be rings
    Redaction([secret]).error(error)
    assert error.idempotency_key == secret  # the caller's own
    assert error.cause == {
        **cause.to_dict(),
        "message": "no ***",
        "endpoint": "api/***",
        "code": "***",
        "detail": "x ***",
        "request_id": "***",
    }
    assert str(error) == "maybe ***"
    assert secret not in repr(error.__cause__) + str(error.__cause__.__context__.path)
    assert pickle.loads(pickle.dumps(error)).message == "maybe ***"


OF_THE_CALLER = {"method", "method_name", "idempotency_key"}


@given(
    kind=st.sampled_from(sorted(_classes().values(), key=lambda it: it.__name__)),
    key=SECRETS,
    form=st.sampled_from([name for name in sorted(FORMS) if not name.startswith("base64 ")]),
)
def test_each_fact_of_each_error_is_hidden(kind: type[MirrorDBError], key: str, form: str) -> None:
    """Of whatever class, and also where another error tells of it, as the cause of an ambiguous write."""
    written = FORMS[form](key.strip())
    facts: dict[str, Any] = {
        fact.name: f"({written})"
        for fact in fields(kind)
        if "str" in str(fact.type) and "dict" not in str(fact.type)
    }
    error = kind(**facts)
    outer = AmbiguousWriteError(message="m", cause=error.to_dict())
    report = BulkError(message="m", report={"records": [{"status": "failed", "error": error.to_dict()}]})
    for it in (error, outer, report):
        Redaction([key]).error(it)
    for told in (error.to_dict(), outer.cause or {}, report.report["records"][0]["error"]):
        shown = {name: value for name, value in told.items() if name in facts and name not in OF_THE_CALLER}
        assert {value.replace("\0", "") for value in shown.values()} == {"(***)"}


def test_the_answers_in_a_report_are_kept() -> None:
    """They are the result of the bulk, as the body of any other success is."""
    records = [{"status": "done", "response": {"id": "s3cr3t-0123"}}]
    error = BulkError(message="s3cr3t-0123", report={"records": records})
    Redaction(["s3cr3t-0123"]).error(error)
    assert (error.message, error.report) == ("***", {"records": records})


@given(st.text(), st.lists(st.text(max_size=12), max_size=4))
def test_any_text_and_secrets(text: str, secrets: list[str]) -> None:
    """No text and no secret is too odd; without one in it a text is the same."""
    hidden = Redaction(secrets).text(text)
    for secret in secrets:
        if len(secret.strip()) >= LONG:
            assert secret.strip() not in hidden


def test_a_text_of_escapes_takes_no_time() -> None:
    """However it is nested, it is looked at in a bounded number of ways."""
    text = ("%25" * 300 + "\\\\" * 300 + "&amp;" * 200 + "\0%5C\\u0025&#37;" * 50 + CUT * 50)[:6000]
    assert Redaction(["CANARY-s3cr3t-0123456789", "another-s3cr3t"]).text(text)
