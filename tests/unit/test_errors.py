"""The errors are plain data: they cross processes as the same class with the same facts."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client import AmbiguousWriteError, MirrorDBError, NotFoundError, ResponseError, errors
from airflow_mirrordb.client.messages.answer_errors import response_error_class


def tree(root: type[MirrorDBError] = MirrorDBError, depth: int = 0) -> list[tuple[int, type[MirrorDBError]]]:
    """Every class of the tree with its depth, in the order of definition."""
    found = [(depth, root)]
    for child in root.__subclasses__():
        found += tree(child, depth + 1)
    return found


CLASSES = [error_class for _, error_class in tree()]
SAMPLES: dict[str, Any] = {
    "message": "it failed",
    "method": "POST",
    "endpoint": "api/users",
    "method_name": "create user",
    "conn_id": "crm",
    "url": "https://crm.example.com/api/users",
    "attempts": 3,
    "retryable": True,
    "maybe_applied": True,
    "field": "max_delay",
    "reason": "no pattern",
    "pattern": "POST api/users",
    "sent": True,
    "too_large": True,
    "is_page": True,
    "status": 520,
    "code": "E7",
    "detail": "wörds",
    "request_id": "r-1",
    "retry_after": 1.5,
    "answered_by": "https://files.example",
    "path": "s3://store@bucket/users.jsonl",
    "idempotency_key": "k-1",
    "cause": {"type": "ServerError", "message": "m", "status": 500},
    "state": "failed",
    "parts": ["results[1]"],
    "job": "api/jobs/7",
    "cancelled": True,
    "report": {"done": 1, "records": [{"status": "done", "response": {"id": 1}}]},
}


def filled(error_class: type[MirrorDBError]) -> MirrorDBError:
    """An error whose every fact differs from its default."""
    return error_class(**{field.name: SAMPLES[field.name] for field in fields(error_class)})


def facts(error: MirrorDBError) -> dict[str, Any]:
    return {field.name: getattr(error, field.name) for field in fields(error)}


@pytest.mark.parametrize("error_class", CLASSES)
def test_an_error_survives_every_way_between_processes(error_class: type[MirrorDBError]) -> None:
    """Pickle, copy, deepcopy and to_dict -> JSON -> from_dict give the same class with equal facts."""
    error = filled(error_class)
    ways = [
        pickle.loads(pickle.dumps(error)),
        copy.copy(error),
        copy.deepcopy(error),
        MirrorDBError.from_dict(json.loads(json.dumps(error.to_dict()))),
    ]
    for arrived in ways:
        assert type(arrived) is error_class
        assert facts(arrived) == facts(error)
        assert str(arrived) == str(error)
        assert arrived is not error


def test_an_error_of_defaults_survives_too() -> None:
    """Facts that nobody set stay unset."""
    for error_class in CLASSES:
        error = error_class(message="m")
        arrived = pickle.loads(pickle.dumps(error))
        assert (type(arrived), facts(arrived)) == (error_class, facts(error))


def test_an_error_of_another_version_is_read_as_far_as_it_is_known() -> None:
    """An unknown class becomes a MirrorDBError, unknown facts are left out, missing ones are the default."""
    error = MirrorDBError.from_dict({"type": "QuotaError", "message": "m", "attempts": 2, "quota": 7})
    assert (type(error), error.message, error.attempts) == (MirrorDBError, "m", 2)
    known = MirrorDBError.from_dict({"type": "NotFoundError", "status": 404, "shard": "b"})
    assert isinstance(known, NotFoundError)
    assert (known.status, known.message) == (404, "unknown error")
    assert type(MirrorDBError.from_dict({})) is MirrorDBError


def test_to_dict_shares_nothing_with_the_error() -> None:
    """Who changes the dictionary does not change the error."""
    error = AmbiguousWriteError(message="m", cause={"type": "ServerError", "status": 500})
    error.to_dict()["cause"]["status"] = 200
    assert error.cause == {"type": "ServerError", "status": 500}


def test_the_drawn_tree_is_the_real_one() -> None:
    """The tree in the module's docstring names every class, under its parent, and no other."""
    assert errors.__doc__ is not None
    drawn: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        bare = line.lstrip(" │├└─")
        if bare.split(" ")[0].endswith("Error") and line.startswith("    "):
            drawn.append(((len(line) - len(bare)) // 4 - 1, bare.split(" ")[0]))
    assert sorted(drawn) == sorted((depth, error_class.__name__) for depth, error_class in tree())
    parents = {error_class.__name__: error_class.__mro__[1].__name__ for error_class in CLASSES}
    path: dict[int, str] = {}
    for depth, name in drawn:
        path[depth] = name
        if depth:
            assert parents[name] == path[depth - 1]


@given(st.text(), st.text(), st.text())
def test_str_is_one_line(message: str, endpoint: str, method_name: str) -> None:
    """Whatever an error holds, it makes one line of a log: a second one could be forged."""
    for error_class in (MirrorDBError, ResponseError):
        error = error_class(message=message, method="GET", endpoint=endpoint, method_name=method_name)
        assert len(str(error).splitlines()) == 1
        assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    "break_", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1b"]
)
def test_no_kind_of_line_break_gets_into_str(break_: str) -> None:
    """Each of the line breaks that Python or a terminal knows is shown, not obeyed."""
    text = f"({break_})"
    shown = str(MirrorDBError(message=text, method="GET", endpoint=text, method_name=text))
    assert break_ not in shown
    assert shown.count("(") == shown.count(")") == 3


def test_str_says_what_was_asked_how_often_and_whether_it_may_be_done() -> None:
    """One line: method, endpoint, label, reason and, if there were several, the attempts."""
    error = filled(NotFoundError)
    assert str(error) == (
        "POST api/users [create user] through connection crm: it failed"
        " (3 attempts, the write may have been applied) (asked for https://crm.example.com/api/users)"
    )
    assert "applied" not in str(AmbiguousWriteError(message="its message says so"))
    assert str(NotFoundError(message="gone", method="GET", endpoint="api/users/7", attempts=1)) == (
        "GET api/users/7: gone"
    )
    assert str(MirrorDBError(message="no request yet")) == "no request yet"
    assert str(MirrorDBError(message="no host", conn_id="crm")) == "connection crm: no host"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (301, "ResponseError"),
        (400, "InvalidDataError"),
        (401, "AuthenticationError"),
        (402, "ResponseError"),
        (403, "ForbiddenError"),
        (404, "NotFoundError"),
        (405, "ResponseError"),
        (408, "ResponseError"),
        (409, "ConflictError"),
        (412, "ConflictError"),
        (418, "ResponseError"),
        (422, "InvalidDataError"),
        (428, "ConflictError"),
        (429, "RateLimitError"),
        (499, "ResponseError"),
        (500, "ServerError"),
        (503, "ServerError"),
        (520, "ServerError"),
        (599, "ServerError"),
    ],
)
def test_each_status_has_its_class(status: int, name: str) -> None:
    """The statuses of the tree, and the families around them."""
    assert response_error_class(status).__name__ == name
