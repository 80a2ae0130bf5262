"""A condition on a resource is one that its backend can compare: RFC 9110, sections 8.8.3 and 13.1."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client import (
    EndpointRegistry,
    InvalidRequestError,
    MirrorDBConfig,
    MirrorDBRequest,
)
from airflow_mirrordb.client.messages.entity_tags import entity_tags
from airflow_mirrordb.client.messages.request import prepare

CONDITIONS = {"if_match": "If-Match", "if_none_match": "If-None-Match"}


def sent(argument: str, value: Any) -> str:
    """What the condition of an update is on the wire."""
    request = MirrorDBRequest(method="PUT", endpoint="api/users/7", data={}, **{argument: value})
    return str(prepared(request)[CONDITIONS[argument]])


def prepared(request: MirrorDBRequest) -> Any:
    return prepare(request, MirrorDBConfig(base_url="https://example.com"), EndpointRegistry()).headers


@pytest.mark.parametrize("argument", CONDITIONS)
@pytest.mark.parametrize(
    ("value", "header"),
    [
        # the examples of RFC 9110, sections 8.8.3 and 13.1.1
        ('"xyzzy"', '"xyzzy"'),
        ('W/"xyzzy"', 'W/"xyzzy"'),
        ('""', '""'),
        ('"xyzzy", "r2d2xxxx", "c3piozzzz"', '"xyzzy", "r2d2xxxx", "c3piozzzz"'),
        ("*", "*"),
        # without its quotes, as jinja's native types and sloppy code leave it
        ("v1", '"v1"'),
        ("W/v1", 'W/"v1"'),
        ("1-967a00dff5e02add41819138abb3284d", '"1-967a00dff5e02add41819138abb3284d"'),
        (7, '"7"'),
        (["v1", '"v2"'], '"v1", "v2"'),
        (('W/"v1"',), 'W/"v1"'),
        (' "v1" ', '"v1"'),
        ('"ü"', '"ü"'),
        ('"a b"', '"a b"'),
        ('"a,b"', '"a,b"'),
    ],
)
def test_an_entity_tag_is_sent_as_one(argument: str, value: Any, header: str) -> None:
    """As it is, or with the quotes that it lost."""
    assert sent(argument, value) == header


@pytest.mark.parametrize("argument", CONDITIONS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("None", "a missing XCom"),
        ('"None"', "a missing XCom"),
        ('W/"None"', "a missing XCom"),
        ([], "an empty list"),
        (["v1", "None"], "a missing XCom"),
        (["v1", None], "not NoneType"),
        (["*", "v1"], "is no entity tag"),
        ('"v1', "is no entity tag"),
        ('v1"', "is no entity tag"),
        ('"v1""v2"', "is no entity tag"),
        ('w/"v1"', "is no entity tag"),
        ("v1, v2", "is no entity tag"),
        ("<ETag of 7>", "is no entity tag"),
        ({"v1"}, "not set; a set has no order"),
        (True, "boolean"),
        (b"v1", "not bytes; decode it"),
    ],
)
def test_a_condition_that_says_nothing_is_refused(argument: str, value: Any, reason: str) -> None:
    """A guard that its author meant must not become one that compares with nothing."""
    with pytest.raises(InvalidRequestError, match=reason) as caught:
        sent(argument, value)
    assert caught.value.field == argument


@pytest.mark.parametrize("name", ["If-Match", "if-none-match", "If_Match"])
@pytest.mark.parametrize("value", ["", "None", '"None"'])
def test_a_header_of_the_callers_own_is_no_way_around(name: str, value: str) -> None:
    """But one that says something is sent as it is: some backends want their tags without quotes."""
    with pytest.raises(InvalidRequestError) as caught:
        prepared(MirrorDBRequest(method="GET", endpoint="api/users/7", headers={name: value}))
    assert caught.value.field == f"headers[{name!r}]"
    assert prepared(MirrorDBRequest(method="GET", endpoint="api/users/7", headers={name: "v1"}))[name] == "v1"


@given(st.text("\x21\x23\x7e€" + "abW/*,"))
def test_any_tag_of_the_rfc_is_sent_as_it_is(opaque: str) -> None:
    """Its characters are %x21, %x23-7E and obs-text."""
    for tag in (f'"{opaque}"', f'W/"{opaque}"'):
        assert entity_tags(tag) == tag
