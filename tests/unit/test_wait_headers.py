"""How long a backend asks to stay away, by the headers in use; each test names who documents them."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from airflow_mirrordb.client.retries.wait_headers import back_off, retry_after, wait_asked

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def seconds_of(status: int = 429, /, **headers: Any) -> float | None:
    """The wait that an answer with these headers asks for; _ stands for -."""
    named = CIMultiDict({name.replace("_", "-"): str(value) for name, value in headers.items()})
    wait = wait_asked(named, status, NOW)
    return wait.seconds if wait else None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-1", None),  # delay-seconds are digits
        ("-0.5", None),
        ("1e3", 1000.0),
        ("99999999999999999999", 86_400.0),
        ("1e308", 86_400.0),
        ("86401", 86_400.0),
        (f"{NOW + 90:.0f}", 90.0),  # unix time
        (f"{NOW * 1000 + 90_000:.0f}", 90.0),
        (f"{NOW - 90:.0f}", 0.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Tue, 14 Nov 2023 23:15:20 +0100", 120.0),
        ("Tue, 14 Nov 2023 22:15:20", 120.0),  # no zone is GMT
        ("Tuesday, 14-Nov-23 22:15:20 GMT", 120.0),  # RFC 850
        ("Tue Nov 14 22:15:20 2023", 120.0),  # asctime
        ("2023-11-14T22:15:20Z", 120.0),
        ("Fri, 31 Dec 2099 23:59:59 GMT", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e999", None),
        ("", None),
        ("   ", None),
        ("soon", None),
        ("7 seconds", None),
        ("Tue, 99 Nov 2023 99:99:99 GMT", None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("9" * 5000, None),
    ],
)
def test_retry_after_is_read_as_the_rfc_says(value: str, seconds: float | None) -> None:
    """Seconds or an HTTP-date of any of the three forms (RFC 9110, sections 10.2.3 and 5.6.7).

    The past is now; the unreadable is absent. Some limiters send unix time; a day is the longest that anybody
    is asked to wait.
    """
    expected = seconds if seconds is None else pytest.approx(seconds, abs=0.001)
    assert retry_after({"Retry-After": value}, NOW) == expected
    for status in (202, 403, 404, 429, 503):
        assert seconds_of(status, Retry_After=value) == expected


def test_an_answer_without_such_a_header_asks_for_nothing() -> None:
    """Whatever its status is."""
    assert retry_after({}, NOW) is None
    assert seconds_of(429) is None


@given(st.text() | st.from_regex(r"[A-Za-z]{3}, ?[0-9]{1,4} [A-Za-z]{3} [0-9:+ -]{0,20}", fullmatch=True))
def test_no_value_breaks_the_client(value: str) -> None:
    """Whatever stands there, the answer is a wait between now and a day, or none."""
    for name in ("Retry-After", "RateLimit", "RateLimit-Policy", "X-RateLimit-Reset", "retry-after-ms"):
        wait = wait_asked({name: value}, 429, NOW)
        assert wait is None or 0 <= wait.seconds <= 86_400


@pytest.mark.parametrize("name", ["retry_after_ms", "x_ms_retry_after_ms"])
def test_milliseconds(name: str) -> None:
    """Azure OpenAI ("Manage Azure OpenAI quota") and Azure Cosmos DB ("Common Azure Cosmos DB REST response
    headers").

    They are as good as Retry-After, and more exact: Azure rounds that up to seconds.
    """
    assert seconds_of(503, **{name: 1500}) == 1.5
    assert seconds_of(429, **{name: 1500}, Retry_After=2) == 1.5
    assert seconds_of(429, **{name: "soon"}, Retry_After=2) == 2.0
    assert seconds_of(429, **{name: -1}) is None


@pytest.mark.parametrize("name", ["RateLimit_Reset", "X_RateLimit_Reset", "X_Rate_Limit_Reset"])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 1.5 ", 1.5),
        (f"{NOW + 90:.0f}", 90.0),
        (f"{NOW * 1000 + 90_000:.0f}", 90.0),
        ("2023-11-14T22:14Z", 40.0),
        (f"{NOW - 90:.0f}", None),
        ("0", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e300", 86_400.0),
        ("soon", None),
        ("", None),
    ],
)
def test_the_reset_of_a_limit(name: str, value: str, seconds: float | None) -> None:
    """What is past, or cannot be read, is no help.

    Unix time in seconds: GitHub ("Best practices for using the REST API"), Okta ("Rate limit best
    practices"), X ("Rate limits"), GitLab's ``RateLimit-Reset`` ("Rate limits"). Seconds:
    draft-ietf-httpapi-ratelimit-headers-06. As ``yyyy-MM-ddTHH:mmZ``: Jira Cloud ("Rate limiting").
    """
    assert seconds_of(**{name: value}) == seconds


def test_the_reset_of_discord() -> None:
    """``X-RateLimit-Reset-After``: seconds, with decimals; its ``X-RateLimit-Reset`` depends on both clocks
    (Discord, "Rate Limits", header format).
    """
    headers = {"X_RateLimit_Remaining": 0, "X_RateLimit_Reset": NOW + 300, "X_RateLimit_Reset_After": 6.457}
    assert seconds_of(**headers) == 6.457


def test_the_reset_of_contentful() -> None:
    """Seconds until another request may be made (Contentful, "Content Management API", "API rate limits")."""
    assert seconds_of(X_Contentful_RateLimit_Reset="1") == 1.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"RateLimit": '"default";r=0;t=30'}, 30.0),
        ({"RateLimit": '"burst";r=0;t=5, "daily";r=0;t=3600'}, 3600.0),
        ({"RateLimit": '"burst";r=0;t=5, "daily";r=900;t=3600'}, 5.0),
        ({"RateLimit": '"a, b; t=99";r=0;t=5'}, 5.0),
        ({"RateLimit": '"default"; r=0; t=30; pk=:dGVuYW50:'}, 30.0),
        ({"RateLimit": '"default";r=0', "RateLimit_Policy": '"hourly";q=9;w=3600, "default";q=9;w=60'}, 60.0),
        ({"RateLimit": '"default";r=0'}, None),
        ({"RateLimit": '"default";r=50;t=30'}, None),
        ({"RateLimit": "limit=10, remaining=0, reset=7"}, 7.0),
        ({"RateLimit": "limit=10, remaining=3, reset=7"}, None),
        ({"RateLimit_Policy": '"default";q=100;w=60'}, None),
        ({"RateLimit": "garbage;;=,"}, None),
    ],
)
def test_the_field_of_the_draft(headers: dict[str, str], seconds: float | None) -> None:
    """draft-ietf-httpapi-ratelimit-headers-10: ``r`` is what is left, ``t`` the seconds until it is more,
    ``w`` the window of a policy. In -07 the field is a dictionary.

    A policy of which something is left was not the one that refused.
    """
    assert seconds_of(**headers) == seconds


def test_of_a_long_field_only_its_beginning_is_read() -> None:
    """A backend may send a megabyte of it, in lines of 8 kB, made to be slow to read."""
    wait = wait_asked({"RateLimit": '"a";r=0;t=5, ' + '\\"' * 500_000}, 429, NOW)
    assert wait is not None
    assert wait.seconds == 5.0


def test_the_field_of_the_draft_in_several_lines() -> None:
    """They are one list (RFC 9110, section 5.3)."""
    lines = CIMultiDict([("RateLimit", '"a";r=0;t=5'), ("RateLimit", '"b";r=0;t=9')])
    wait = wait_asked(lines, 429, NOW)
    assert wait is not None
    assert wait.seconds == 9.0


@pytest.mark.parametrize("name", ["RateLimit_Reset", "X_RateLimit_Reset", "X_Rate_Limit_Reset"])
def test_a_limit_counts_where_it_was_reached(name: str) -> None:
    """Many backends send these headers with each answer. GitHub refuses by a 403 that says nothing is left.

    GitHub's secondary limits refuse while the primary one has much left, whose reset is no help then ("Best
    practices for using the REST API": only "if the x-ratelimit-remaining header is 0").
    """
    remaining = name.replace("Reset", "Remaining")
    assert seconds_of(429, **{name: 30, remaining: 0}) == 30.0
    assert seconds_of(403, **{name: 30, remaining: 0}) == 30.0
    assert seconds_of(429, **{name: 30, remaining: 4999}) is None
    assert seconds_of(403, **{name: NOW - 5, remaining: 0}) == 0.0  # it may be tried again
    for status in (200, 403, 404, 500, 503):
        assert seconds_of(status, **{name: 30}) is None
        assert seconds_of(status, **{name: 30, remaining: 7}) is None


def test_the_first_header_that_names_a_time_to_come_counts() -> None:
    """A Retry-After of 0 says only to come back; where nothing says more, it is a wait of 0."""
    assert seconds_of(429, Retry_After=7, X_RateLimit_Reset=30) == 7.0
    assert seconds_of(429, Retry_After=0, X_RateLimit_Reset=30) == 30.0
    assert seconds_of(429, Retry_After=0) == 0.0
    assert seconds_of(503, Retry_After=formatdate(NOW - 9, usegmt=True)) == 0.0


def test_a_wait_that_is_not_obeyed_is_told() -> None:
    """With the header, and how long it would be."""
    wait = wait_asked({"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, 503, NOW)
    assert wait is not None
    assert wait.excess == "Retry-After asks for a wait of 27,806.1 days, of which one counts"
    assert (wait.seconds, wait_asked({"Retry-After": "86400"}, 503, NOW).excess) == (86_400.0, "")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), (" 0.5", 0.5), ("0", None), ("-1", None), ("nan", None), ("inf", None), ("x", None)],
)
def test_backoff_is_a_number_of_seconds(value: str, seconds: float | None) -> None:
    """Anything else asks for nothing (Kinto, "Backoff indicators")."""
    assert back_off({"Backoff": value}) == seconds
    assert back_off({}) is None
