"""A task ends the same way on a worker and in the triggerer: its XCom, state, error, and what it logged."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    FailedStateError,
    ForbiddenError,
    InvalidResponseError,
    MirrorDBError,
    NotFoundError,
    RateLimitError,
    ResponseError,
    ServerError,
)
from airflow_mirrordb.client.limits import rate_limiter
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator, MirrorDBUpdateOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.triggers.sensor import MirrorDBSensorTrigger
from tests.integration import (
    test_operators as operators,
    test_readme_snippets as readme,
    test_sensor as sensors,
)
from tests.support.backends import ScriptedBackend
from tests.support.clocks import FakeClock
from tests.support.connections import SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")

Answer = tuple[int, Any, dict[str, str]]

#: What the log tells of an attempt that failed, and of a look that found nothing.
_TOLD = re.compile(r"attempt \d+ of \d+: \w+|(?:Not met yet|Poll failed, \d+ in a row): [^;\n]+")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a task ended.

    :param state: ``success``, ``skipped``, ``failed`` without a retry, or ``up_for_retry``
    :param xcom: the result, as JSON
    :param error: what it failed with
    :param text: of that error
    :param told: what its logs told of each attempt after which there was another one
    :param requests: what the backend saw: line, body and idempotency key
    """

    state: str
    xcom: str
    error: type[BaseException] | None
    text: str
    told: tuple[str, ...]
    requests: tuple[tuple[str, bytes, str | None], ...]


class Watcher:
    """Runs tasks against the same answers of the same backend, and says how each ended."""

    def __init__(self, scripted: ScriptedBackend, caplog: pytest.LogCaptureFixture) -> None:
        self.backend, self._caplog = scripted, caplog
        caplog.set_level("INFO")

    def ended(self, task: Callable[[], Any], answers: list[Answer]) -> Ended:
        self._caplog.clear()
        rate_limiter._limiters.clear()  # a task of its own process has not met the refusals of another
        for seen in (self.backend.requests, self.backend.bodies, self.backend.headers):
            seen.clear()
        self.backend.answers = [*answers]
        state, xcom, error = _outcome(task)
        assert self.backend.answers == []
        keys = (headers.get("Idempotency-Key") for headers in self.backend.headers)
        return Ended(
            state=state,
            xcom=json.dumps(xcom),
            error=None if error is None else type(error),
            text=str(error or ""),
            told=tuple(
                match[0] for record in self._caplog.records if (match := _TOLD.search(record.message))
            ),
            requests=tuple(zip(self.backend.requests, self.backend.bodies, keys, strict=True)),
        )


def _outcome(task: Callable[[], Any]) -> tuple[str, Any, BaseException | None]:
    """Run a task; return the state that Airflow gives to one that ends so, its result and its error."""
    try:
        return "success", task(), None
    except AirflowSkipException as skip:
        return "skipped", None, skip
    except AirflowSensorTimeout as timeout:
        return "failed", None, timeout
    except AirflowFailException as failure:
        return "failed", None, failure.__cause__
    except MirrorDBError as error:
        return "up_for_retry", None, error


@pytest.fixture
def watcher(
    scripted: ScriptedBackend, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Watcher:
    for logs in (MirrorDBSensor, MirrorDBSensorTrigger):  # Airflow 3 gives them loggers past caplog
        monkeypatch.setattr(logs, "log", logging.getLogger(logs.__name__))
    return Watcher(scripted, caplog)


# -- operators -----------------------------------------------------------------------------------

pages = partial(MirrorDBReadOperator, task_id="pages", endpoint="api/users", paginate={"style": "link"})
search = partial(
    MirrorDBReadOperator, task_id="search", endpoint="api/users/search", data='{"name": {"is": ["Ada"]}}'
)
patch = partial(MirrorDBUpdateOperator, task_id="patch", endpoint="api/users/1", data={"a": 1}, partial=True)

BUSY: Answer = (429, None, {"Retry-After": "0"})
AWAY: Answer = (503, None, {"Retry-After": "0"})
GOOD: list[Answer] = [(200, {"id": 7}, {})]
PAGES: list[Answer] = [(200, [1, 2], {"Link": '</api/users?page=2>; rel="next"'}), (200, [3], {})]


@dataclass(frozen=True, kw_only=True)
class End:
    """What a task meets, and how it has to end then.

    :param answers: of the backend; to a success the good ones are added, unless it has a result of its own
    :param state: as in :class:`Ended`
    :param error: with which it fails
    :param told: how many attempts its logs tell of, before the last one
    :param result: which ``response_filter`` gets, if it is not that of the operator
    """

    answers: list[Answer]
    state: str = "success"
    error: type[MirrorDBError] | None = None
    told: int = 0
    result: Any = ...


#: How most operators end.
SCENARIOS: dict[str, End] = {
    "success": End(answers=[]),
    "success after retries": End(answers=[AWAY, BUSY, AWAY], told=3),
    "permanent error": End(answers=[(404, {"detail": "gone"}, {})], state="failed", error=NotFoundError),
    "permanent error after retries": End(
        answers=[BUSY, (403, None, {})], state="failed", error=ForbiddenError, told=1
    ),
    "passing error": End(answers=[BUSY] * 5, state="up_for_retry", error=RateLimitError, told=4),
    "perhaps applied": End(answers=[(500, None, {})] * 5, state="up_for_retry", error=ServerError, told=4),
    "no JSON": End(answers=[(200, b"words", {})], state="failed", error=InvalidResponseError),
    "a page": End(answers=[(200, b"<html>", {})], state="up_for_retry", error=InvalidResponseError),
    "not ready yet": End(answers=[(202, {"id": 7}, {})] * 2, told=2),
    "passing for now": End(answers=[(423, None, {})], state="up_for_retry", error=ResponseError),
    "too long an answer": End(
        answers=[(200, {"long": "x" * 3000}, {})], state="failed", error=InvalidResponseError
    ),
}
#: A write was done, whatever its answer is, but for a page, which tells nothing of it.
OF_A_WRITE = {
    "no JSON": End(answers=[(200, b"words", {})], result="words"),
    "not ready yet": End(answers=[(202, {"job": 7}, {})], result={"job": 7}),
}
#: One that may not be repeated is sent no second time where that would be a risk.
NOT_REPEATED = {
    **OF_A_WRITE,
    "a page": End(answers=[(200, b"<html>", {})], state="failed", error=AmbiguousWriteError),
    "perhaps applied": End(answers=[(500, None, {})], state="failed", error=AmbiguousWriteError),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An operator, and what is particular to it.

    :param make: makes it
    :param keyed: whether the connection promises that the backend knows idempotency keys
    :param good: the answers of a success
    :param result: what ``response_filter`` gets of them
    :param shortens: whether its result is shorter than the answer, which may be too long for the triggerer
        alone then
    :param ends: the scenarios in which it ends in another way than most
    """

    make: Callable[..., Any]
    keyed: bool = False
    good: list[Answer] = field(default_factory=lambda: GOOD)
    result: Any = field(default_factory=lambda: {"id": 7})
    shortens: bool = False
    ends: dict[str, End] = field(default_factory=dict)


OPERATORS: dict[str, Case] = {
    "create, keyed": Case(make=operators.OPERATORS["create"], keyed=True, ends=OF_A_WRITE),
    "create": Case(make=operators.OPERATORS["create"], ends=NOT_REPEATED),
    "read": Case(make=operators.OPERATORS["read"]),
    "read pages": Case(make=pages, good=PAGES, result=[1, 2, 3]),
    "read by a body": Case(make=search),
    "read by a body, keyed": Case(make=search, keyed=True),
    "update": Case(make=operators.OPERATORS["update"], ends=OF_A_WRITE),
    "partial update, keyed": Case(make=patch, keyed=True, ends=OF_A_WRITE),
    "partial update": Case(make=patch, ends=NOT_REPEATED),
    "delete": Case(make=operators.OPERATORS["delete"], ends=OF_A_WRITE),
    "exists, as the README shows it": Case(
        make=readme.exists,
        result=True,
        shortens=True,
        ends={
            "permanent error": End(answers=[(404, {"detail": "gone"}, {})], result=False),
            "no JSON": End(answers=[(200, b"words", {})], result=True),  # it looks at no body
        },
    ),
}


@pytest.mark.parametrize(
    ("operator", "scenario"),
    [
        (operator, scenario)
        for operator, case in OPERATORS.items()
        for scenario in SCENARIOS
        if scenario != "too long an answer" or not case.shortens
    ],
)
def test_operator_ends_the_same_in_every_mode(
    watcher: Watcher, set_connection: SetConnection, operator: str, scenario: str
) -> None:
    """The worker, the worker first and the triggerer alone: nobody can tell from how the task ended."""
    case = OPERATORS[operator]
    end = case.ends.get(scenario, SCENARIOS[scenario])
    answers, result = end.answers, end.result
    if end.state == "success" and result is ...:
        answers, result = [*answers, *case.good], case.result
    allowed = {"endpoints": ["api/users", "QUERY api/users/search"]}
    set_connection(watcher.backend.url, extra={**allowed, **(operators.KEYED if case.keyed else {})})

    def ended(mode: dict[str, Any]) -> Ended:
        too_long = scenario == "too long an answer"  # which the filter might shorten on a worker
        filtered = {} if too_long else {"response_filter": lambda body: {"filtered": body}}
        task = case.make(max_event_bytes=2000, **filtered, **mode)
        return watcher.ended(lambda: operators.run(task), answers)

    direct = ended(operators.MODES["worker"])
    assert (direct.state, direct.error, len(direct.told)) == (end.state, end.error, end.told)
    if end.state == "success":
        assert json.loads(direct.xcom) == {"filtered": result}
    assert len(direct.requests) == len(answers)
    for mode in ("worker first", "triggerer"):
        assert ended(operators.MODES[mode]) == direct


# -- the sensor ----------------------------------------------------------------------------------

FIVE_IN_A_ROW = [(500, None)] * 4 + [(404, None)] + [(500, None)] * 5
UNTIL_DONE = {"field": "state", "equals": "done"}
FAILS = {"condition": f"{sensors.__name__}.fails"}

#: The arguments, the answers, the state and the error.
WAITS: dict[str, tuple[dict[str, Any], list[tuple[int, Any]], str, type[BaseException] | None]] = {
    "met at once": (UNTIL_DONE, [(200, sensors.DONE)], "success", None),
    "met after looks that found nothing": (
        UNTIL_DONE,
        [(404, None), (503, None), (200, sensors.QUEUED), (429, None), (200, sensors.DONE)],
        "success",
        None,
    ),
    "timed out": ({"timeout": 100}, [(404, None)] * 3, "failed", AirflowSensorTimeout),
    "skipped": ({"timeout": 100, "soft_fail": True}, [(404, None)] * 3, "skipped", AirflowSkipException),
    "permanent error": ({}, [(403, {"detail": "not you"})], "failed", ForbiddenError),
    "permanent error at a later look": ({}, [(404, None), (403, None)], "failed", ForbiddenError),
    "gone, and there again": ({}, [(410, None), (410, None), (200, sensors.DONE)], "success", None),
    "a state that will never be right": (
        {**UNTIL_DONE, "failed": ["failed"]},
        [(404, None), (200, sensors.QUEUED), (200, {"state": "failed", "error": "no disk"})],
        "failed",
        FailedStateError,
    ),
    "statuses that mean later": (
        {"not_yet": [403, 503], "max_failures": 1},
        [(403, None), (503, None), (403, None), (200, sensors.DONE)],
        "success",
        None,
    ),
    "no JSON": ({"field": "state", "equals": 1}, [(200, b"words")], "failed", InvalidResponseError),
    "a page": ({"max_failures": 1}, [(200, b"<html>")], "up_for_retry", InvalidResponseError),
    "not ready yet": ({"max_failures": 1}, [(202, None)] * 3 + [(200, sensors.DONE)], "success", None),
    "too long an answer": (
        {"max_event_bytes": 5},
        [(404, None), (200, {"a": "long"})],
        "failed",
        InvalidResponseError,
    ),
    "condition that fails": (FAILS, [(200, {})], "failed", MirrorDBError),
    "condition that fails later": (FAILS, [(404, None), (200, {})], "failed", MirrorDBError),
    "passing error": ({}, [(500, None)] * 5, "up_for_retry", ServerError),
    "passing errors in a row": ({}, FIVE_IN_A_ROW, "up_for_retry", ServerError),
    "one passing error too many": ({"max_failures": 1}, [(429, None)], "up_for_retry", RateLimitError),
    "throttled": ({"max_failures": 3}, [(429, None)] * 3, "up_for_retry", RateLimitError),
}


@pytest.mark.parametrize("scenario", WAITS)
def test_sensor_ends_the_same_in_every_mode(
    watcher: Watcher,
    set_connection: SetConnection,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    scenario: str,
) -> None:
    """Poking, rescheduled or deferred: the same looks at the same distance, and the same end."""
    arguments, answers, state, error = WAITS[scenario]
    set_connection(watcher.backend.url)

    def ended(mode: dict[str, Any]) -> tuple[Ended, float]:
        scheduler = sensors.Scheduler(clock, monkeypatch)
        started = clock.now()
        task = partial(scheduler.run, **arguments, **mode)
        end = watcher.ended(task, [(status, body, {}) for status, body in answers])
        if state in ("failed", "skipped") and "timeout" in arguments:
            end = replace(end, text="")  # Airflow words its own time-outs
        return end, clock.now() - started

    direct, took = ended(sensors.MODES["poke"])
    assert (direct.state, took) == (state, sensors.INTERVAL * (len(answers) - 1))
    assert direct.error is error or (error is MirrorDBError and issubclass(direct.error or object, error))
    if state == "success":
        assert json.loads(direct.xcom) == sensors.DONE
    if isinstance(error, type) and issubclass(error, MirrorDBError):
        assert "GET api/jobs/7 through connection mirrordb_default" in direct.text
    assert len(direct.requests) == len(answers)
    assert len(direct.told) == len(answers) - ("timeout" not in arguments)  # all but what ended it
    for mode in ("reschedule", "deferrable"):
        assert ended(sensors.MODES[mode]) == (direct, took)
