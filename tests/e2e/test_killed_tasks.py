"""What becomes of the writes of a plain ``@task`` that is ended by SIGKILL. All of it happens in one run.

A proxy before the backend holds back the answers at which a process is to be killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.test_killed import answers_held_back, senders
from tests.e2e.test_killed_jobs import reached
from tests.support.airflow_home import AirflowHome
from tests.support.backend_process import BackendProcess
from tests.support.faults import FaultProxy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

DAG = "killed_tasks"
KEYED = '{"idempotency_header": "Idempotency-Key"}'


@dataclass(frozen=True, kw_only=True)
class Killed:
    """When a task is killed, and what is right in the end.

    :param answered: requests whose answers it gets before
    :param held_back: further requests that the backend has carried out when it is killed
    :param numbers: of the records
    :param processes: that are killed
    """

    answered: int
    numbers: Counter[int]
    held_back: int = 1
    processes: int = 1


TASKS = {
    "equal": Killed(answered=1, numbers=Counter({1: 2})),
    "different": Killed(answered=1, numbers=Counter({1: 1, 2: 1})),
    "without_key": Killed(answered=1, numbers=Counter({1: 2})),
    "mapped": Killed(answered=0, held_back=2, numbers=Counter({0: 2}), processes=2),
    "gathered": Killed(answered=20, held_back=10, numbers=Counter({1: 50})),
    "threads": Killed(answered=8, numbers=Counter({1: 20})),
    "bulk": Killed(answered=500, held_back=20, numbers=Counter(range(1000))),
}


async def kill(task: str, proxy: FaultProxy) -> None:
    """Kill what waits for the answers that are held back, as soon as there are enough of them."""
    said = TASKS[task]
    await reached(lambda: proxy.hanging >= said.held_back, f"the answers to {task} that are held back")
    victims = senders(proxy)
    assert len(victims) == said.processes
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def play(airflow: AirflowHome, backend: BackendProcess) -> str:
    """Let everything happen, and return the id of the run."""
    async with AsyncExitStack() as proxies:
        kills = []
        for task, said in TASKS.items():
            extra = "{}" if task == "without_key" else KEYED
            held_back = answers_held_back(
                airflow, backend, task, said.held_back, extra, answered=said.answered
            )
            kills.append(kill(task, await proxies.enter_async_context(held_back)))
        run_id = await asyncio.to_thread(airflow.trigger, DAG)
        await asyncio.gather(*kills)
        await asyncio.to_thread(airflow.wait_for_run, DAG, run_id)
    return run_id


@pytest.fixture(scope="module")
def run_id(airflow: AirflowHome, backend: BackendProcess) -> str:
    """The run when all is over."""
    airflow.wait_for_dags(DAG)
    return asyncio.run(play(airflow, backend))


@pytest.mark.parametrize("task", TASKS)
def test_each_write_of_a_killed_task_exists_once(
    airflow: AirflowHome, backend: BackendProcess, run_id: str, task: str
) -> None:
    """The next try sends it under the key that it had; without keys it fails, and sends nothing."""
    told: list[dict[str, Any]] = [it for it in airflow.tasks(DAG, run_id) if it["task_id"] == task]
    state = "failed" if task == "without_key" else "success"
    assert [(it["state"], it["try_number"]) for it in told] == [(state, 2)] * TASKS[task].processes
    assert Counter(record["number"] for record in backend.records(task)) == TASKS[task].numbers
    requests = backend.requests(f"/api/{task}")
    if task == "without_key":
        log = airflow.log(DAG, run_id, task, number=2)
        assert "AmbiguousWriteError" in log
        assert "an earlier try of this task has applied this write" in log
        assert len(requests) == 2
    else:
        assert len(requests) > TASKS[task].numbers.total()
