"""What becomes of jobs whose task is ended: by SIGKILL, or by a person. All of it happens in one run.

A proxy before the backend holds back the answer at which a process is to be killed. A job ends when the test
says so.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.test_killed import senders
from tests.support.airflow_home import AirflowHome
from tests.support.backend_process import BackendProcess, running_backend
from tests.support.faults import Fault, FaultProxy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

DAG = "killed_jobs"
KEYED = '{"idempotency_header": "Idempotency-Key"}'
SECOND = "second-triggerer"
#: What a trigger says of its job when it is told to end.
DECISION = re.compile(r"the job is (?:not )?cancelled, since its task is[^\"]*")
#: Longest time from the request of a person to the cancel, in seconds, on a machine that has time.
LONGEST = 15.0
#: Seconds that a busy machine may take for one step; only what never happens takes them.
PATIENCE = 400.0


@dataclass(kw_only=True)
class Run:
    """One run of the DAG: its tasks, as Airflow last told of them, and the way of each to the backend.

    :param times: when a person asked for the end of a task, as seconds since the epoch
    :param decisions: what a triggerer said of a job whose trigger another one had taken
    :param errors: what went wrong with a task
    """

    airflow: AirflowHome
    backend: BackendProcess
    run_id: str = ""
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    proxies: dict[str, FaultProxy] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    decisions: list[str] = field(default_factory=list)
    errors: dict[str, BaseException] = field(default_factory=dict)

    def state(self, task: str) -> tuple[str, int]:
        """Return the state of a task, and the number of its try."""
        return self.tasks[task]["state"], self.tasks[task]["try_number"]

    def requests(self, task: str) -> list[str]:
        """Return what the backend was asked about the jobs of a task, with a run of equal requests once."""
        lines = (line.split(f" /api/{task}") for line in self.backend.requests(f"/api/{task}"))
        told = [" ".join(line) for line in lines if line[1][0] in " /"]
        return [line for line, before in zip(told, ["", *told], strict=False) if line != before]

    def jobs(self, task: str) -> list[str]:
        """Return the states of all jobs of a task."""
        return [job["state"] for job in self.backend.records(task)]

    def log(self, task: str, *, number: int | None = None, of_trigger: bool = False) -> str:
        """Return what a task logged: in one of its tries, or in all."""
        return self.airflow.log(DAG, self.run_id, task, number=number, of_trigger=of_trigger)

    async def rest(self, method: str, path: str, body: object) -> float:
        """Ask Airflow for something, and return when; once more if another one was writing to its SQLite."""
        while True:
            asked = time.time()
            try:
                await asyncio.to_thread(self.airflow.rest, method, path, body)
            except RuntimeError as error:
                if "Database error" not in str(error):
                    raise
                await asyncio.sleep(0.5)
            else:
                return asked

    async def polled(self, task: str, times: int = 1) -> None:
        """Return when a job was polled so many times more, and the answers were passed on."""
        log = self.proxies[task].log
        before = len(log)
        await reached(
            lambda: sum(it.status == 200 and it.fault is Fault.NONE for it in log[before:]) >= times,
            f"polls of {task}",
        )

    async def ended(self, task: str) -> None:
        await reached(lambda: self.tasks[task]["state"] in ("success", "failed"), f"the end of {task}")

    async def watch(self) -> None:
        """Ask Airflow once a second how the tasks are, for all that wait for it."""
        while True:
            with suppress(OSError):  # on a busy machine; it is asked again
                told = await asyncio.to_thread(self.airflow.tasks, DAG, self.run_id)
                self.tasks = {task["task_id"]: task for task in told}
            await asyncio.sleep(1)


async def reached(condition: Callable[[], object], what: str) -> None:
    """Return when something is true that needs no request of Airflow's.

    :raises TimeoutError: it was not in much more time than a busy machine needs
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {PATIENCE:g} s")
        await asyncio.sleep(0.1)


def groups(proxy: FaultProxy) -> set[int]:
    """Return the process groups of those that are connected to a proxy; each triggerer is one."""
    found = set()
    for pid in senders(proxy):
        with suppress(ProcessLookupError):
            found.add(os.getpgid(pid))
    return found


# -- what happens to each task --------------------------------------------------------------------


async def kill_on_worker(run: Run, task: str) -> None:
    """Kill the process that waits for the answer, and end the job when the next try polls it."""
    proxy = run.proxies[task]
    await reached(lambda: proxy.hanging, f"the answer to {task} that is held back")
    (victim,) = senders(proxy)
    os.kill(victim, signal.SIGKILL)
    if task != "killed_before_note_without_key":
        await run.polled(task)
        run.backend.finish_jobs(task)
    await run.ended(task)


async def end_by_a_person(run: Run, task: str) -> None:
    """Mark a task as failed, or clear it, when its job has been polled twice."""
    await run.polled(task, 2)
    if task.endswith("deferred"):
        await reached(lambda: run.tasks[task]["state"] == "deferred", f"the deferral of {task}")
    if task.startswith("failed"):
        path = f"dags/{DAG}/dagRuns/{run.run_id}/taskInstances/{task}"
        run.times[task] = await run.rest("PATCH", path, {"new_state": "failed"})
    else:
        body = {"dry_run": False, "dag_run_id": run.run_id, "task_ids": [task], "only_failed": False}
        run.times[task] = await run.rest("POST", f"dags/{DAG}/clearTaskInstances", body)
    await reached(lambda: "cancelled" in run.jobs(task), f"the cancel of {task}")
    await run.ended(task)


async def end_triggerers(run: Run, moved: str, killed: str) -> None:
    """Stop the triggerer of a task until another one polls its job; then kill that of another task."""
    await asyncio.gather(run.polled(moved, 2), run.polled(killed, 2))
    await reached(lambda: all(it in run.errors or "cancelled" in run.jobs(it) for it in ENDED), "the cancels")
    former = await polling_group(run, moved)
    os.killpg(former, signal.SIGSTOP)
    try:
        await reached(lambda: groups(run.proxies[moved]) - {former}, "another triggerer")
    finally:
        os.killpg(former, signal.SIGCONT)
    # Airflow empties this log when the same triggerer takes the trigger once more, as it does below
    await reached(lambda: DECISION.search(run.log(moved, of_trigger=True)), "the former's decision")
    run.decisions = DECISION.findall(run.log(moved, of_trigger=True))
    await run.polled(moved)
    run.backend.finish_jobs(moved)
    name = run.airflow.component_of(await polling_group(run, killed))
    await asyncio.to_thread(run.airflow.kill, name)
    if name == "triggerer":
        await asyncio.to_thread(run.airflow.start, "triggerer")
    await run.polled(killed, 2)
    run.backend.finish_jobs(killed)
    await asyncio.gather(run.ended(moved), run.ended(killed))


async def polling_group(run: Run, task: str) -> int:
    """Return the process group of the triggerer that polls a job, when there is only one."""
    await reached(lambda: len(groups(run.proxies[task])) == 1, f"the one that polls for {task}")
    (group,) = groups(run.proxies[task])
    return group


#: What happens to each task, and the requests of its worker that meet something.
KILLED: dict[str, list[Fault]] = {
    "killed_before_submit": [Fault.HANG],
    "killed_before_note": [Fault.HANG_AFTER],
    "killed_before_note_without_key": [Fault.HANG_AFTER],
    "killed_after_note": [Fault.NONE, Fault.HANG],
    "killed_while_polling": [Fault.NONE, Fault.NONE, Fault.NONE, Fault.HANG_AFTER],
}
DEFERRED = ("moved_while_deferred", "killed_while_deferred")
ENDED = ("failed_on_worker", "cleared_on_worker", "failed_while_deferred", "cleared_while_deferred")
TASKS = (*KILLED, *DEFERRED, *ENDED)
#: The memory of the task alone finds their jobs.
WITHOUT_KEY = ("killed_before_note_without_key", "killed_after_note", "killed_while_polling", *DEFERRED)


async def play(run: Run) -> None:
    """Let everything happen; what goes wrong with a task is kept for its test."""

    async def noted(happening: Awaitable[None], *tasks: str) -> None:
        try:
            await happening
        except Exception as error:  # noqa: BLE001  # the tests of these tasks raise it
            run.errors |= dict.fromkeys(tasks, error)

    port = urlsplit(run.backend.url).port
    assert port is not None
    async with AsyncExitStack() as proxies:
        for task in TASKS:
            proxy = await proxies.enter_async_context(FaultProxy(port, KILLED.get(task, [])))
            run.proxies[task] = proxy
            connection = {
                "connection_id": task,
                "conn_type": "mirrordb",
                "host": proxy.base_url,
                "password": run.backend.key,
                "extra": "{}" if task in WITHOUT_KEY else KEYED,
            }
            await run.rest("POST", "connections", connection)
        run.run_id = await asyncio.to_thread(run.airflow.trigger, DAG)
        watch = asyncio.create_task(run.watch())
        await reached(lambda: run.tasks, "the tasks")
        try:
            await asyncio.gather(
                *(noted(kill_on_worker(run, it), it) for it in KILLED),
                *(noted(end_by_a_person(run, it), it) for it in ENDED),
                noted(end_triggerers(run, *DEFERRED), *DEFERRED),
            )
        finally:
            watch.cancel()


@pytest.fixture(scope="module")
def run(airflow: AirflowHome, folder: Path) -> Iterator[Run]:
    """The run when all is over."""
    airflow.wait_for_dags(DAG)
    airflow.components[SECOND] = airflow.components["triggerer"]
    airflow.start(SECOND)
    try:
        with running_backend(folder / "jobs.db", jobs=TASKS) as backend:
            run = Run(airflow=airflow, backend=backend)
            asyncio.run(play(run))
            yield run
    finally:
        if airflow.is_running(SECOND):
            airflow.kill(SECOND)


# -- what is right --------------------------------------------------------------------------------


def check(run: Run, task: str) -> None:
    """Raise what went wrong with a task."""
    if task in run.errors:
        raise run.errors[task]


@pytest.mark.parametrize(
    ("task", "submits", "told"),
    [
        ("killed_before_submit", 1, "POST api/killed_before_submit"),
        ("killed_before_note", 2, "POST api/killed_before_note"),
        ("killed_after_note", 1, "The job of an earlier try is joined: api/killed_after_note/1"),
        ("killed_while_polling", 1, "The job of an earlier try is joined: api/killed_while_polling/1"),
    ],
)
def test_a_worker_that_is_killed_leaves_one_job(run: Run, task: str, submits: int, told: str) -> None:
    """The next try joins it: by its note, and before there is one, by the key of the submit."""
    check(run, task)
    assert run.state(task) == ("success", 2)
    assert run.jobs(task) == ["succeeded"]
    assert len(run.backend.times("POST", f"/api/{task}")) == submits
    assert told in run.log(task, number=2)


def test_a_submit_without_a_key_is_not_sent_again(run: Run) -> None:
    """The job may run, and nobody knows where: the task fails for good, and says so."""
    task = "killed_before_note_without_key"
    check(run, task)
    assert run.state(task) == ("failed", 2)
    assert len(run.jobs(task)) == len(run.backend.times("POST", f"/api/{task}")) == 1
    log = run.log(task, number=2)
    assert "AmbiguousWriteError" in log
    assert "an earlier try of this task was ended before it had the result" in log


@pytest.mark.parametrize("task", DEFERRED)
def test_a_job_outlives_its_triggerer(run: Run, task: str) -> None:
    """Another one goes on with its polls; the worker submitted it once, and nobody cancelled it."""
    check(run, task)
    assert run.state(task) == ("success", 1)
    assert run.jobs(task) == ["succeeded"]
    assert run.requests(task) == ["POST  202", "GET /1 200"]


def test_a_triggerer_that_lost_its_task_to_another_says_why_it_does_not_cancel(run: Run) -> None:
    """Airflow ends the trigger as if a person had ended the task."""
    check(run, "moved_while_deferred")
    assert run.decisions == [
        "the job is not cancelled, since its task is still deferred: a triggerer goes on"
    ]


@pytest.mark.parametrize("task", ENDED)
def test_a_person_who_ends_a_task_cancels_its_job(run: Run, task: str) -> None:
    """Marked as failed or cleared, by REST, while a worker or a trigger polls; a cleared task begins anew."""
    check(run, task)
    is_cleared, is_deferred = task.startswith("cleared"), task.endswith("deferred")
    assert run.state(task) == (("success", 2) if is_cleared else ("failed", 1))
    assert run.jobs(task) == ["cancelled", *["succeeded"] * is_cleared]
    assert len(run.backend.times("POST", f"/api/{task}")) == 1 + is_cleared
    (cancelled,) = run.backend.times("POST", f"/api/{task}/1/cancel")
    work_of_others = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert cancelled - run.times[task] < LONGEST * work_of_others
    log = run.log(task, of_trigger=is_deferred)
    why = f"its task is {'cleared' if is_cleared else 'failed'}" if is_deferred else "The task is ended"
    assert why in log
    assert f"it was cancelled: 200 to POST api/{task}/1/cancel" in log
