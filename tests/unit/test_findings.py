"""What a poll found, in words that lead to the mend of the condition."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from airflow_mirrordb.client import NotFoundError, ServerError
from airflow_mirrordb.client.bodies.missing import there_instead
from airflow_mirrordb.client.jobs.polls import PollState
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.conditions import Condition, check_function, title_of
from airflow_mirrordb.task.outcomes.polls import judge

BODY = {"id": 7, "status": {"state": "RUNNING", "log": None}, "runs": [{"id": "a"}]}


def answer(body: Any) -> MirrorDBResponse:
    return MirrorDBResponse(
        status=200,
        headers={},
        data=body,
        body=None,
        size=0,
        etag=None,
        request_id=None,
        attempts=1,
        elapsed=0.0,
    )


def found(condition: Condition, body: Any = BODY, **options: Any) -> str:
    return judge(answer(body), condition, PollState(), max_failures=5, now=0.0, **options).found


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("state", "has no state; the body has id, status, runs"),
        ("status.stat", "has no status.stat; status has state, log"),
        ("status.log.last", "has no status.log.last; status.log is null"),
        ("runs.id", "has no runs.id; runs is a list of 1, and its items have id"),
        ("runs[3].id", "has no runs[3].id; runs is a list of 1, and its items have id"),
        ("runs[?id=='b'] | [0]", "has no runs[?id=='b'] | [0]; runs is a list of 1, and its items have id"),
        ("id.value", "has no id.value; id is a number"),
    ],
)
def test_what_is_there_instead_is_told(field: str, says: str) -> None:
    """A path is right up to some place: that one is told, not the top of the body alone."""
    assert found(Condition(field=field, equals="x")) == f"answered 200, {says}"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "the body is a list of 0"),
        ([1], "the body is a list of 1"),
        ({}, "the body is empty"),
        ("text", "the body is a text"),
        (True, "the body is true or false"),
        ({str(name): 0 for name in range(12)}, "the body has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"),
    ],
)
def test_a_body_is_told_by_its_type_and_names(body: Any, says: str) -> None:
    """No value of it is told: it may be anybody's."""
    assert there_instead("state", body) == says


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (Condition(field="id", equals="7"), "id is 7, a number, and '7' is a text"),
        (Condition(field="id", is_in=["6", "7"]), "id is 7, a number, and '7' is a text"),
        (Condition(field="id", equals=8), "id is 7"),
        (Condition(field="status.state", equals="done"), "status.state is 'RUNNING'"),
    ],
)
def test_another_type_is_told(condition: Condition, says: str) -> None:
    """JSON's 7 and "7" are two values (RFC 8259, section 3), and look alike in a log."""
    assert found(condition) == f"answered 200, {says}"
    text = found(Condition(field="n", equals=7), {"n": "7"})
    assert text == "answered 200, n is '7', a text, and 7 is a number"


def test_a_word_without_quotes_is_told() -> None:
    """In JMESPath a bare word is an identifier, a name of the body; a raw string literal has quotes."""
    told = found(Condition(field="status.state == RUNNING", equals=True))
    assert told.endswith(" is False; RUNNING is null there (a text is written as 'RUNNING')")
    assert "null" not in found(Condition(field="status.state == 'DONE'", equals=True))


def is_done(_body: Any) -> bool:
    return False


def test_what_a_function_returned_is_told() -> None:
    """The resource is there, so that it was answered tells nothing."""
    condition = Condition(function=title_of(is_done))
    assert found(condition, function=is_done) == (
        "answered 200, the condition returned False; the body has id, status, runs"
    )
    assert found(condition, function=lambda _body: True) == "answered 200"


def test_a_function_is_called_by_its_place() -> None:
    """A lambda has no other name."""
    assert title_of(lambda _body: True).startswith("<lambda> (line ")
    assert title_of(is_done).startswith("is_done (line ")
    assert title_of(is_done).endswith(" of test_findings.py)")
    assert title_of(functools.partial(is_done)) == "partial"
    assert Condition(function=title_of(is_done)).wanted.startswith("is_done (line ")


@pytest.mark.parametrize(
    "condition", ["state == 'DONE'", "is_done", "lambda body: True", "", "a..b", "a.b()"]
)
def test_an_expression_is_no_condition(condition: str) -> None:
    """It is said when the DAG is read, with where expressions go."""
    with pytest.raises(ValueError, match=r"condition: .* is no path of a function, .* goes into field"):
        check_function(condition, by_path=False)


@pytest.mark.parametrize("condition", ["my_module.is_done", "package.module:is_done", "a.b.Class.method"])
def test_a_path_is_looked_up_where_it_is_called(condition: str) -> None:
    """The DAG processor may not have the module."""
    check_function(condition, by_path=True)


def test_where_nothing_is_was_asked_for_there() -> None:
    """A wrong path and a resource that is not there yet have one answer; the URL tells them apart."""
    missing = NotFoundError(message="404 Not Found", status=404, url="https://h/v1/job/7")
    result = judge(missing, Condition(), PollState(), max_failures=5, now=0.0)
    assert result.in_vain == "not met in time; at last: 404 Not Found (asked for https://h/v1/job/7)"


def test_failures_in_a_row_are_told_with_what_waits_on() -> None:
    """A backend that is down for an hour ends a sensor of a day; that is a setting."""

    def failed(failures: int, max_failures: int) -> str:
        error = ServerError(message="503 Service Unavailable", status=503, retryable=True)
        with pytest.raises(ServerError) as raised:
            judge(error, Condition(), PollState(failures=failures), max_failures=max_failures, now=0.0)
        return str(raised.value)

    assert failed(4, 5) == (
        "503 Service Unavailable; polls failed max_failures times in a row; not_yet=[503] waits until the"
        " time-out (5 attempts)"
    )
    assert failed(0, 1) == "503 Service Unavailable"
