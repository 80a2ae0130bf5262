"""What goes on at an API is waited for by the sensor, and its failure ends the task at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.zoo.backends_page import APIS
from tests.zoo.emulator import Servers
from tests.zoo.pages import filled
from tests.zoo.tables import Answer, Api, Exchange, Job

if TYPE_CHECKING:
    from tests.support.clocks import FakeClock
    from tests.zoo.conftest import HookFor


def _states(which: str) -> pytest.MarkDecorator:
    """Parametrize over the states of a kind of all jobs."""

    def cases() -> Iterator[Any]:
        for api in APIS:
            states = getattr(api.job, which, ())
            for state in [states] if isinstance(states, str) else states:
                yield pytest.param(api, api.job, state, id=f"{api.documented.name}: {state}")

    return pytest.mark.parametrize(("api", "job", "state"), list(cases()))


@pytest.fixture
def poked(
    api: Api, job: Job, state: str | None, servers: Servers, clock: FakeClock, hook_for: HookFor
) -> Any:
    """Poke once at a job in a state, and return what came of it."""
    from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor

    answer = Answer(200, filled(job.body, {"state": state}))
    logins = [exchange for exchange in api.documented.exchanges if exchange.public]
    documented = replace(api.documented, exchanges=[*logins, Exchange("GET", job.endpoint, answer)])
    with servers.serve(documented, clock.now) as emulator:
        hook_for(api, emulator)
        sensor = MirrorDBSensor(
            task_id="wait", endpoint=job.endpoint, field=job.field, equals=job.ready, failed=list(job.failed)
        )
        context: Any = {"ti": SimpleNamespace(xcom_push=lambda **_: None)}
        try:
            return sensor.poke(context)
        except Exception as error:  # noqa: BLE001  # the test looks at it
            return error


@_states("running")
def test_a_job_that_runs_is_waited_for(job: Job, state: str | None, poked: Any) -> None:
    assert not poked


@_states("ready")
def test_a_job_that_is_done_is_the_end(job: Job, state: str | None, poked: Any) -> None:
    assert getattr(poked, "is_done", poked)


@_states("failed")
def test_a_job_that_failed_fails_the_task(job: Job, state: str | None, poked: Any) -> None:
    """For good, with the state and the API's words."""
    assert type(poked).__name__ == "AirflowFailException", poked
    assert type(poked.__cause__).__name__ == "FailedStateError"
    assert repr(state) in str(poked.__cause__)
    assert job.words in str(poked.__cause__)
