"""Guards of jobs: one job a task, cancelled when a person ends the task, and only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from tests.integration import test_job_kills as kills, test_job_operator as jobs
from tests.support.guards import Guard, nothing, nothing_to_await

if TYPE_CHECKING:
    from tests.support.backends import ScriptedBackend
    from tests.support.connections import SetConnection


def in_new_tries(check: Callable[..., Any], *, kills: bool = False, **arguments: Any) -> Callable[..., None]:
    """Return a check whose task has made no tries yet.

    :param kills: whether it kills a try
    """

    def checked(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
        with pytest.MonkeyPatch.context() as killing:
            more = {"monkeypatch": killing} if kills else {}
            check(scripted, set_connection, jobs.Tries(), **more, **arguments)

    return checked


def not_noted(self: Any, hook: Any, run: Any, job: Any) -> None:
    self._hook, self._run, self._job = hook, run, job


async def failed(_task: Any) -> str:
    return "failed"


async def no_link(_task: Any) -> str:
    return ""


GUARDS: dict[str, Guard] = {
    "jobs that a task remembers": Guard(
        without=nothing,
        check=in_new_tries(jobs.test_a_retry_joins_the_job_that_runs, mode={}),
    ),
    "submits of a killed try": Guard(
        seam="404 after a killed try",
        without=lambda _self, request, **_: (request, False),
        check=in_new_tries(jobs.test_killed_before_the_job_is_noted_a_key_finds_it, kills=True),
    ),
    "submits of a killed try without a key": Guard(
        seam="404 after a killed try",
        without=lambda _self, request, **_: (request, False),
        check=in_new_tries(
            jobs.test_killed_before_the_job_is_noted_nothing_is_doubled_without_a_key, kills=True
        ),
    ),
    "ends of tasks on workers": Guard(
        without=nothing,
        check=in_new_tries(kills.test_a_job_is_cancelled_while_a_retry_looks_at_it),
    ),
    "ends of tasks that submit": Guard(
        without=not_noted,
        check=in_new_tries(kills.test_a_job_whose_submit_is_on_its_way_is_cancelled, extra={}),
    ),
}

if AIRFLOW_V_3_0_PLUS:  # the database tells older ones the state of a task
    GUARDS |= {
        "states of tasks whose triggers are ended": Guard(
            without=failed,
            check=jobs.test_a_deferred_job_is_cancelled_only_when_a_person_ended_the_task,
            arguments={"task_state": "deferred", "cancels": False},
        ),
        "jobs that cleared tasks wait for": Guard(
            without=no_link,
            check=kills.test_a_cleared_task_that_is_deferred_again_is_told_from_one_that_moved,
            arguments={"waits_for": 8},
        ),
        "ends of deferred tasks": Guard(
            without=nothing_to_await,
            check=jobs.test_a_deferred_job_is_cancelled_only_when_a_person_ended_the_task,
            arguments={"task_state": "failed", "cancels": True},
        ),
    }
