"""When tokens and cookies end, as far as they, or the answers that brought them, say so."""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from multidict import CIMultiDict

from airflow_mirrordb.client.auth.login.cookies import SetCookie, cookies_set_by
from airflow_mirrordb.client.auth.login.lifetimes import lifetime_of, lifetime_of_jwt, shortest

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (600, 600),
        (600.5, 600.5),
        ("600", 600),
        (" 600.5 ", 600.5),
        (31_536_000, 31_536_000),
        (86_400_000, 86_400),  # Directus, "mode": "session": a day in milliseconds
        ("604800000", 604_800),
        (NOW + 600, 600),
        (str(int(NOW + 600)), 600),
        ((NOW + 600) * 1000, 600),
        ("2023-11-14T22:23:20Z", 600),
        ("2023-11-14 22:23:20.000Z", 600),  # PocketBase, "Working with dates"
        ("2023-11-14T22:23:20.1234567Z", 600.123456),  # of .NET
        ("2023-11-14T22:23:20.5+00:00", 600.5),
        ("2023-11-15T00:23:20+02:00", 600),
        ("2023-11-14T22:23:20", 600),
        ("Tue, 14 Nov 2023 22:23:20 GMT", 600),
        (0, 0),
        (NOW - 5, -5),
        *dict.fromkeys((None, True, -1, math.inf, "", "soon", "NaN", "-Infinity", "-1")).items(),
        ({}, None),
        ([600], None),
    ],
)
def test_the_end_that_an_answer_says(value: Any, seconds: float | None) -> None:
    """Seconds, a unix time, milliseconds of either, or a date, which is of UTC if it says no zone."""
    found = lifetime_of(value, NOW)
    assert found is None if seconds is None else found == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("lifetimes", "seconds"),
    [
        ([], math.inf),
        ([None], math.inf),
        ([600, None, 300.0], 300),
        ([0, -7, 0.5, 600], 600),
        ([0], math.inf),
        ([math.inf, 600], 600),
    ],
)
def test_what_cannot_be_meant_counts_as_not_said(lifetimes: list[float | None], seconds: float) -> None:
    """Less than a second, by which each request would log in anew."""
    assert shortest(lifetimes) == seconds


@pytest.mark.parametrize(
    ("claims", "seconds"),
    [
        ({"exp": NOW + 600}, 600),
        ({"exp": int(NOW + 600), "iat": int(NOW)}, 600),
        (
            {"exp": int(NOW + 600), "iat": int(NOW - 300)},
            600,
        ),  # the backend gave one that it had given before
        ({"exp": int(NOW - 3000), "iat": int(NOW - 3600)}, 600),  # by a clock that is an hour late
        ({"exp": int(NOW + 4200), "iat": int(NOW + 3600)}, 600),  # or early
        ({"exp": NOW - 10}, None),
        ({"iat": NOW}, None),
        ({}, None),
    ],
)
def test_the_end_of_a_jwt(claims: dict[str, Any], seconds: float | None) -> None:
    """RFC 7519, section 4.1.4, whoever signed it, and for whom."""
    token = jwt.encode(
        {"aud": "somebody else", **claims}, "a key that nobody knows, of 32 bytes", algorithm="HS256"
    )
    assert lifetime_of_jwt(token, NOW) == seconds


def part(text: str | bytes) -> str:
    return urlsafe_b64encode(text if isinstance(text, bytes) else text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "claims",
    [
        "",
        "[1]",
        '"exp"',
        "{",
        "[" * 100_000,
        b"\xff\xfe",
        json.dumps({"exp": "soon"}),
        json.dumps({"exp": True}),
        '{"exp": NaN}',
        '{"exp": Infinity}',
        f'{{"exp": 1{"0" * 400}}}',
        f'{{"exp": 1{"0" * 5000}}}',
    ],
)
def test_what_looks_like_a_jwt(claims: str | bytes) -> None:
    """It says no end, and does no harm."""
    assert lifetime_of_jwt(f"{part('{}')}.{part(claims)}.x", NOW) is None


@pytest.mark.parametrize("token", ["", "opaque", "a.b", "a.b.c", "a.b.c.d.e", "..", "a.é.c", "a.====.c"])
def test_a_token_that_is_no_jwt(token: str) -> None:
    """Nor does any other text."""
    assert lifetime_of_jwt(token, NOW) is None


def cookies(*lines: str) -> list[tuple[str, str, float | None]]:
    headers = CIMultiDict(("Set-Cookie", line) for line in lines)
    return [(one.name, one.value, one.lifetime) for one in cookies_set_by(headers, NOW)]


def test_cookies_that_an_answer_sets() -> None:
    """RFC 6265, section 5.2: each in a header of its own; a value may hold "=", and quotes are part of it."""
    assert cookies(
        "lang=en; Path=/",
        ' session = "a=b/c==" ;HttpOnly; SameSite=None',
        "AuthSession=x; Version=1; Expires=Wed, 15-Nov-2023 22:13:20 GMT; max-age = 600; Path=/",
        "later=x; Expires=Tue, 14 Nov 2023 22:23:20 GMT",
        "odd=x; Max-Age=soon; Expires=never",
        "late=x; Expires=Tue, 14 Nov 2023 22:13:10 GMT",
    ) == [
        ("lang", "en", None),
        ("session", '"a=b/c=="', None),
        ("AuthSession", "x", 600),
        ("later", "x", 600),
        ("odd", "x", None),
        ("late", "x", None),  # by a clock that is a few seconds wrong
    ]


@pytest.mark.parametrize(
    "line",
    [
        "session=; Path=/",
        "session=deleted; Max-Age=0",
        "session=deleted; Max-Age=-1",
        "session=deleted; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "session",
        "",
    ],
)
def test_a_cookie_that_is_deleted_is_none(line: str) -> None:
    """RFC 6265, section 3.1: by an end in the past."""
    assert cookies(line) == []


def test_an_answer_without_headers_sets_none() -> None:
    """One that broke off before they came."""
    assert list(cookies_set_by({}, NOW)) == []
    assert "t0ken" not in repr(SetCookie(name="a", value="t0ken", lifetime=None))
