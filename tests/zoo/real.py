"""Calls of a table against a real server, which chooses some values by itself."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.zoo.tables import Api, Call

#: What a server chooses by itself.
CHOSEN: Final = {"id", "last_modified"}


def records_of(api: Api) -> list[Any]:
    return list(api.documented.collections[0].records)


def connect(monkeypatch: pytest.MonkeyPatch, connection: Any, base_url: str) -> None:
    text = json.dumps({"conn_type": "mirrordb", "host": base_url, **connection})
    monkeypatch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", text)


def check(method: Any, call: Call) -> None:
    from airflow_mirrordb.client import MirrorDBError

    if call.fails is None:
        result = method(call.endpoint, **call.arguments)
        assert alike(result, call.result), f"{call.what}: {result} is not {call.result}"
        return
    with pytest.raises(MirrorDBError) as caught:
        method(call.endpoint, **call.arguments)
    assert type(caught.value).__name__ == call.fails.error
    assert all(word.rstrip(".") in str(caught.value) for word in call.fails.words), str(caught.value)


def alike(actual: Any, expected: Any) -> bool:
    """Return whether all that was expected is there, in any order of records."""
    if isinstance(expected, list):
        pairs = zip(sorted(actual, key=str), sorted(expected, key=str), strict=False)
        return len(actual) == len(expected) and all(alike(one, other) for one, other in pairs)
    if isinstance(expected, dict):
        return all(key in actual and (key in CHOSEN or alike(actual[key], expected[key])) for key in expected)
    return bool(actual == expected)
