"""What becomes of a job when its task is ended just then: Airflow calls ``on_kill()``, and goes on with it.

Airflow's ``task_runner._run()`` sets the handler of SIGTERM, which calls it and returns; its supervisor kills
the process five seconds later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_mirrordb.client import JobFailedError, JobTimeoutError
from tests.integration.test_job_operator import (
    KEYED,
    Tries,
    begun_long_ago,
    job,
    killed_trigger,
    state,
    submitted,
    tries,  # noqa: F401  # a fixture
)
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection
from tests.support.triggering import Triggerer

pytestmark = pytest.mark.usefixtures("triggerer")

CANCEL = "POST /api/jobs/7/cancel"


def before_answer(scripted: ScriptedBackend, request: str, work: Callable[[], object]) -> None:
    """Do something when a request has come, before it is answered; once."""
    answer, todo = scripted.next_answer, [work]

    def next_answer(path: str, sent: bytes) -> Any:
        if todo and scripted.requests[-1] == request:
            todo.pop()()
        return answer(path, sent)

    vars(scripted)["next_answer"] = next_answer  # hides the method


@pytest.mark.parametrize("extra", [{}, KEYED], ids=["", "keyed"])
def test_a_job_whose_submit_is_on_its_way_is_cancelled(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,  # noqa: F811  # the fixture
    extra: dict[str, Any],
) -> None:
    """As soon as its answer names it; and the next try, if there is one, submits another."""
    set_connection(scripted.url, extra=extra)
    operator = job()
    before_answer(scripted, "POST /api/jobs", operator.on_kill)
    submitted(scripted)
    scripted.answer(200, {})
    with pytest.raises(
        AirflowException, match="before it followed its job api/jobs/7: it was cancelled: 200"
    ):
        tries.run(operator)
    assert scripted.requests == ["POST /api/jobs", CANCEL]
    state(scripted, "cancelled")
    submitted(scripted, 8)
    state(scripted, "done")
    tries.run(job())
    assert scripted.requests[2:] == ["GET /api/jobs/7", "POST /api/jobs", "GET /api/jobs/8"]


def test_a_task_that_was_ended_submits_nothing(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,  # noqa: F811  # the fixture
) -> None:
    set_connection(scripted.url)
    operator = job()
    operator.on_kill()
    with pytest.raises(AirflowException, match="the task was ended before it submitted a job"):
        tries.run(operator)
    assert scripted.requests == []


def test_a_job_is_cancelled_while_a_retry_looks_at_it(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,  # noqa: F811  # the fixture
) -> None:
    """And the look, which finds it cancelled, is not followed by another job."""
    set_connection(scripted.url)
    submitted(scripted)
    scripted.answer(403, {})
    with pytest.raises(AirflowFailException):
        tries.run(job())
    operator = job()
    before_answer(scripted, "GET /api/jobs/7", operator.on_kill)
    scripted.answer(200, {})
    state(scripted, "cancelled")
    with pytest.raises(AirflowException, match="the task was ended before it submitted"):
        tries.run(operator)
    assert scripted.requests[2:] in (["GET /api/jobs/7", CANCEL], [CANCEL, "GET /api/jobs/7"])


def test_the_error_says_that_the_task_cancelled_its_job(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,  # noqa: F811  # the fixture
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who reads it must not take the end of the job for its own failure; two signals cancel once."""
    caplog.set_level("INFO")
    set_connection(scripted.url)
    operator = job()

    def kill_twice() -> None:
        operator.on_kill()
        operator.on_kill()

    before_answer(scripted, "GET /api/jobs/7", kill_twice)
    submitted(scripted)
    scripted.answer(200, {})
    state(scripted, "cancelled")
    with pytest.raises(
        JobFailedError, match="its status is 'cancelled'; the task was ended before, and its job"
    ):
        tries.run(operator)
    assert scripted.requests.count(CANCEL) == 1
    assert "The task is ended, so its job api/jobs/7 is cancelled" in caplog.text
    assert "it was cancelled: 200 to POST api/jobs/7/cancel" in caplog.text


def test_a_cancel_is_repeated_where_writes_are_not(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,  # noqa: F811  # the fixture
) -> None:
    """A 502 does not say whether the backend has carried it out; to cancel twice does no harm."""
    set_connection(scripted.url, extra={"initial_delay": 0.001})
    begun_long_ago(scripted, tries)
    state(scripted, "running")
    scripted.answer(502, {})
    scripted.answer(200, {})
    with pytest.raises(JobTimeoutError, match="it was cancelled: 200") as late:
        tries.run(job())
    assert late.value.cancelled is True
    assert scripted.requests.count(CANCEL) == 2


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="there the state comes from the database")
@pytest.mark.parametrize("waits_for", [7, 8, None])
def test_a_cleared_task_that_is_deferred_again_is_told_from_one_that_moved(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    triggerer: Triggerer,
    caplog: pytest.LogCaptureFixture,
    waits_for: int | None,
) -> None:
    """By the job that its link leads to, which Airflow keeps at a deferral, and empties before each try.

    ``BaseOperatorLink.xcom_key`` names where. A busy triggerer tells a trigger late of its end.
    """
    caplog.set_level("INFO")
    set_connection(scripted.url)
    trigger = killed_trigger(scripted)
    triggerer.states["task"] = "deferred"
    if waits_for is not None:
        triggerer.xcoms["_link_MirrorDBResourceLink"] = f"{scripted.url}/api/jobs/{waits_for}"
    scripted.answer(200, {})
    asyncio.run(trigger.on_kill())
    assert (CANCEL in scripted.requests) is (waits_for == 8)
    assert ("is cleared, and waits for another job, " in caplog.text) is (waits_for == 8)
