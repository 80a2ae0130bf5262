"""Airflow's own exceptions pass through whatever function of an author raises them, wherever that runs.

What each does is said by ``_run_task_and_map_outcome`` in ``airflow/sdk/execution_time/task_runner.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator
from airflow_mirrordb.task.control_flow import raise_again, raised_event
from airflow_mirrordb.triggers.mirrordb import MirrorDBWaitTrigger
from tests.integration.test_operators import context
from tests.integration.test_sensor import Scheduler, mode, scheduler  # noqa: F401  # fixtures
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

LATER = datetime(2026, 12, 24, 18, 30, tzinfo=timezone.utc)


class OwnException(AirflowException):
    """As many providers have one."""


class OwnSkipException(AirflowSkipException):
    """A subclass does what its parent does."""


RAISED: dict[str, Callable[[], BaseException]] = {
    "skip": lambda: AirflowSkipException("no data on holidays"),
    "own skip": lambda: OwnSkipException("no data on holidays"),
    "fail": lambda: AirflowFailException("no data on holidays"),
    "timeout": lambda: AirflowSensorTimeout("no data on holidays"),
    "plain": lambda: AirflowException("no data on holidays"),
    "own": lambda: OwnException("no data on holidays"),
    "later": lambda: AirflowRescheduleException(LATER),
}
OUTCOMES: dict[str, type[AirflowException]] = {
    "skip": AirflowSkipException,
    "own skip": AirflowSkipException,
    "fail": AirflowFailException,
    "timeout": AirflowSensorTimeout,
    "plain": AirflowException,
    "own": AirflowException,
}


def ends(body: Any) -> bool:
    """What an author writes into a condition or a response_filter; named by its path in these tests."""
    if body["raise"]:
        error = RAISED[body["raise"]]()
        raise error
    return False


def defers(_body: Any) -> bool:
    raise TaskDeferred(trigger=MirrorDBWaitTrigger(), method_name="execute_complete")


def is_exactly(error: BaseException, wanted: type[BaseException]) -> bool:
    """Whether Airflow's task runner would take an error for one of this class, and no other."""
    known = (AirflowSkipException, AirflowFailException, AirflowSensorTimeout, AirflowRescheduleException)
    return isinstance(error, wanted) and (wanted in known or not isinstance(error, known))


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("name", OUTCOMES)
def test_what_a_condition_raises_ends_the_sensor(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,  # noqa: F811  # the fixture
    mode: dict[str, Any],  # noqa: F811  # the fixture
    name: str,
    looks: int,
) -> None:
    """With its words, at the first look on the worker and at a later one in the triggerer."""
    set_connection(scripted.url)
    scripted.answers = [*[(200, {"raise": None}, {})] * (looks - 1), (200, {"raise": name}, {})]
    with pytest.raises(BaseException, match="no data on holidays") as caught:
        scheduler.run(condition=ends, **mode)
    assert is_exactly(caught.value, OUTCOMES[name])
    assert len(scripted.requests) == looks


@pytest.mark.parametrize("arguments", [{"soft_fail": True}, {"never_fail": True}])
def test_a_failure_that_is_softened_skips(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,  # noqa: F811  # the fixture
    mode: dict[str, Any],  # noqa: F811  # the fixture
    arguments: dict[str, Any],
) -> None:
    """As in any sensor, whichever process the condition runs in."""
    set_connection(scripted.url)
    scripted.answers = [(200, {"raise": None}, {}), (200, {"raise": "fail"}, {})]
    with pytest.raises(AirflowSkipException):
        scheduler.run(condition=ends, **arguments, **mode)


def test_with_silent_fail_only_a_decision_ends_the_wait(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,  # noqa: F811  # the fixture
    mode: dict[str, Any],  # noqa: F811  # the fixture
) -> None:
    """``BaseSensorOperator``: another exception than a skip, a failure or a time-out is logged, no more."""
    set_connection(scripted.url)
    scripted.answers = [(200, {"raise": name}, {}) for name in ("plain", "own", "skip")]
    with pytest.raises(AirflowSkipException, match="no data on holidays"):
        scheduler.run(condition=ends, silent_fail=True, **mode)
    assert len(scripted.requests) == 3


def test_a_later_start_is_carried_with_its_moment() -> None:
    """The worker raises it, and Airflow starts the task again then."""
    event = json.loads(json.dumps(raised_event(AirflowRescheduleException(LATER))))
    with pytest.raises(AirflowRescheduleException) as caught:
        raise_again(event)
    assert caught.value.reschedule_date == LATER


def test_what_a_newer_version_raised_is_a_failure() -> None:
    """Versions mix while one is upgraded."""
    event: Any = {**raised_event(AirflowException("words")), "exception": "AirflowNewException"}
    with pytest.raises(AirflowException, match="words"):
        raise_again(event)


def test_a_condition_cannot_defer_in_the_triggerer(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    scheduler: Scheduler,  # noqa: F811  # the fixture
) -> None:
    """It has no task there; the error says what would help."""
    set_connection(scripted.url)
    scripted.answers = [(404, None, {}), (200, {}, {})]
    with pytest.raises(AirflowFailException, match="deferrable=False"):
        scheduler.run(condition=defers, deferrable=True)


@pytest.mark.parametrize("operator", [MirrorDBReadOperator, MirrorDBCreateOperator])
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("name", [*OUTCOMES, "later"])
def test_what_a_response_filter_raises_ends_the_task(
    scripted: ScriptedBackend, set_connection: SetConnection, operator: Any, name: str, many: bool
) -> None:
    """Of one request and of many; but after a write nothing passes for which Airflow would retry the task."""
    set_connection(scripted.url)
    scripted.answer(200, {"raise": name})
    data: dict[str, Any] = {} if operator is MirrorDBReadOperator else {"data": {}}
    endpoint = ["api/users"] if many else "api/users"
    task = operator(task_id="task", endpoint=endpoint, response_filter=ends, **data)
    with pytest.raises(BaseException, match=None if name == "later" else "no data on holidays") as caught:
        task.execute(context())
    outcome = OUTCOMES.get(name, AirflowRescheduleException)
    if operator is MirrorDBCreateOperator and outcome is AirflowException:
        outcome = AirflowFailException
    assert is_exactly(caught.value, outcome)


def test_so_does_what_the_items_of_a_bulk_raise(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """A generator of an author's is a function of his, too."""
    set_connection(scripted.url)

    def items() -> Any:
        yield "api/users/1"
        raise AirflowSkipException("no more today")

    scripted.answer(200, {})
    with MirrorDBHook() as hook, pytest.raises(AirflowSkipException, match="no more today"):
        hook.bulk("read", items())


def test_a_decision_without_a_text_is_carried_all_the_same() -> None:
    """What the author's class does when it is asked for its text takes no decision away."""

    class SilentSkip(AirflowSkipException):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    event = raised_event(SilentSkip())
    assert event["exception"] == "AirflowSkipException"
    assert "SilentSkip" in event["message"]
