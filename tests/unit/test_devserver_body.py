"""What the embedded backend makes of request bodies."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.devserver.answer import RefusedError
from airflow_mirrordb.devserver.requests.body import merge_patch, parse_object

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_follows_the_rfc(target: Any, patch: Any, merged: Any) -> None:
    """Each example of RFC 7396, appendix A, gives the result printed there."""
    assert merge_patch(target, patch) == merged


@given(target=json_values, patch=json_values)
def test_merge_patch_twice_is_merge_patch_once(target: Any, patch: Any) -> None:
    """A merge patch that is applied again changes nothing more."""
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e999}', b'{"a": "\xff"}', b"{'a': 1}"],
)
def test_what_is_not_json_is_malformed(payload: bytes) -> None:
    """Text that RFC 8259 does not allow is refused with 400."""
    with pytest.raises(RefusedError) as caught:
        parse_object(payload)
    assert caught.value.status == 400


@pytest.mark.parametrize("payload", [b"[]", b"null", b'"text"', b"7"])
def test_json_that_is_no_object_is_invalid(payload: bytes) -> None:
    """JSON of another kind than an object is refused with 422."""
    with pytest.raises(RefusedError) as caught:
        parse_object(payload)
    assert caught.value.status == 422
