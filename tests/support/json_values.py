"""JSON values as a hostile or careless backend sends them, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

#: Names that Airflow's own serialization uses in dicts, of all its versions.
AIRFLOW_NAMES = (
    "__classname__",
    "__version__",
    "__data__",
    "__type",
    "__var",
    "__id__",
    "__source",
    "__cache__",
)

_NAMES = st.one_of(
    st.sampled_from((*AIRFLOW_NAMES, "", "status", "data")), st.text(st.characters(), max_size=5)
)
_INTEGERS = st.one_of(
    st.integers(), st.sampled_from((2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400))
)
_FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from((1e16, 2.0**63, -(2.0**63), 2.0**64, 1e308, 5e-324)),
)
_TEXTS = st.one_of(
    st.text(st.characters(), max_size=20),  # of any code points, halves of surrogate pairs too
    st.sampled_from(("\0", "great day \ud83d", "\udc00\ud800", "\U0001f600", "dict", "zlib:eJw=")),
)
_SHALLOW = st.recursive(
    st.one_of(st.none(), st.booleans(), _INTEGERS, _FLOATS, _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_NAMES, inner, max_size=4)),
    max_leaves=12,
)


def nested(value: Any, levels: int, *, names: bool = False) -> Any:
    """Return a value in so many lists, or objects, one in the other."""
    for _ in range(levels):
        value = {"a": value} if names else [value]
    return value


#: Any JSON value (RFC 8259), some of them nested far more deeply than anybody means.
JSON_VALUES: st.SearchStrategy[Any] = st.one_of(
    _SHALLOW,
    st.dictionaries(_NAMES, _SHALLOW, max_size=6),
    st.builds(nested, _SHALLOW, st.integers(90, 300), names=st.booleans()),
)


def same(value: Any, other: Any, *, as_json: bool = False) -> bool:
    """Whether two JSON values are the same.

    :param as_json: True to tell numbers apart as JSON does, which has no types of them: 1.0 is 1
    """
    if as_json and isinstance(value, int | float) and isinstance(other, int | float):
        return value == other and isinstance(value, bool) == isinstance(other, bool)
    if type(value) is not type(other):
        return False
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(
            same(item, other[name], as_json=as_json) for name, item in value.items()
        )
    if isinstance(value, list):
        return len(value) == len(other) and all(
            same(*pair, as_json=as_json) for pair in zip(value, other, strict=True)
        )
    return bool(repr(value) == repr(other) if isinstance(value, float) else value == other)
