"""A job ends the same way on a worker, in the triggerer, and by the hook: result, error, and requests."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, TaskDeferred

from airflow_mirrordb.client import (
    ConflictError,
    InvalidDataError,
    JobFailedError,
    JobTimeoutError,
    MirrorDBError,
)
from airflow_mirrordb.devserver import DevServer, Jobs
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.job import MirrorDBJobOperator
from tests.integration.test_operators import context, first_event, restored
from tests.support.connections import SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")

KEYED = {"idempotency_header": "Idempotency-Key"}
MODES: dict[str, dict[str, Any]] = {
    "worker first": {"deferrable": True},
    "triggerer": {"deferrable": True, "worker_timeout": 0},
}
STATES: dict[str, Any] = {
    "state": "state",
    "succeeded": ["succeeded"],
    "failed": ["failed", "cancelled"],
    "error": "error.message",
    "progress": "progress",
    "cancel": "POST api/reports/{id}/cancel",
    "poll_interval": 0.001,
}
RESULT = {
    "result": {"endpoint": "api/reports/{id}/result", "query": {"limit": 2}},
    "paginate": {"style": "link"},
}

#: Seconds that are over before the first poll, which so is the last.
AT_ONCE = 1e-6
BY_STATUS: dict[str, Any] = {
    **dict.fromkeys(("state", "succeeded", "failed", "error")),
    "headers": {"Prefer": "respond-async"},
}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a job ended.

    :param result: of the task
    :param error: its class, that of its error, and its words
    :param requests: what the backend saw
    """

    result: Any = None
    error: tuple[type[BaseException] | None, str] = (None, "")
    requests: list[str]


@contextmanager
def backend(set_connection: SetConnection) -> Iterator[DevServer]:
    """Serve jobs whose time is counted in looks: queued at the first one, over at the sixth."""
    looks = count()
    jobs = Jobs(["reports"], queued_for=2, running_for=3, clock=lambda: float(next(looks)))
    with DevServer(jobs=jobs) as server:
        set_connection(server.url, extra=KEYED)
        yield server


def run(operator: MirrorDBJobOperator, map_index: int = -1) -> Any:
    """Execute a task to its end, as Airflow does."""
    about = context(map_index=map_index)
    step: Callable[[], Any] = partial(operator.execute, about)
    while True:
        try:
            return step()
        except TaskDeferred as deferred:
            event = json.loads(json.dumps(asyncio.run(first_event(restored(deferred)))))
            step = partial(getattr(operator, deferred.method_name), about, event)


def ended(server: DevServer, task: Callable[[], Any]) -> Ended:
    """Return how a task ended; an error that Airflow is not to retry is that of the client."""
    result, error = None, None
    try:
        result = task()
    except AirflowFailException as failure:
        error = failure.__cause__
    except MirrorDBError as failure:
        error = failure
    if isinstance(result, dict):
        result.pop("idempotency_key", None)  # the hook's is random
    told = re.sub(r"request id \w+", "request id", str(error or ""))
    lines = [f"{entry.method} {entry.path} {entry.status}" for entry in server.requests()]
    return Ended(result=result, error=(None if error is None else type(error), told), requests=lines)


def run_one(**arguments: Any) -> Any:
    return run(MirrorDBJobOperator(task_id="task", **arguments))


def by_hook(**arguments: Any) -> Any:
    """What a ``@task`` does; its connection has the same id."""
    with MirrorDBHook() as hook:
        return hook.run_job(**arguments)


#: The arguments, the error, and all requests. Each look is one poll.
ENDS: dict[str, tuple[dict[str, Any], type[MirrorDBError] | None, list[str]]] = {
    "by its state": ({}, None, ["POST /api/reports 202", *["GET /api/reports/1 200"] * 4]),
    "a result in pages": (
        {**RESULT, "data": {"rows": 3}},
        None,
        [
            "POST /api/reports 202",
            *["GET /api/reports/1 200"] * 4,
            "GET /api/reports/1/result?limit=2 200",
            "GET /api/reports/1/result?limit=2&offset=2 200",
        ],
    ),
    "by status alone": (
        BY_STATUS,
        None,
        [
            "POST /api/reports 202",
            *["GET /api/reports/1/result 202"] * 3,
            "GET /api/reports/1/result 200",
        ],
    ),
    "failed": (
        {"data": {"fail": "no space left"}},
        JobFailedError,
        ["POST /api/reports 202", *["GET /api/reports/1 200"] * 4],
    ),
    "failed, by status alone": (
        {**BY_STATUS, "data": {"fail": "no space left"}},
        ConflictError,
        [
            "POST /api/reports 202",
            *["GET /api/reports/1/result 202"] * 3,
            "GET /api/reports/1/result 409",
        ],
    ),
    "refused": ({"data": {"rows": -1}}, InvalidDataError, ["POST /api/reports 422"]),
    "too late": (
        {"data": {"running_for": 1e9}, "timeout": AT_ONCE},
        JobTimeoutError,
        ["POST /api/reports 202", "GET /api/reports/1 200", "POST /api/reports/1/cancel 200"],
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_job_ends_the_same_in_every_mode(set_connection: SetConnection, end: str) -> None:
    """Direct, deferred later or at once, by the hook: nobody can tell them apart by how they end."""
    given, error, requests = ENDS[end]
    arguments = {"endpoint": "api/reports", "data": {}, **STATES, **given}
    arguments = {name: value for name, value in arguments.items() if value is not None}

    def end_of(task: Callable[[], Any]) -> Ended:
        with backend(set_connection) as server:
            return ended(server, task)

    direct = end_of(partial(run_one, **arguments))
    assert direct.error[0] is error, direct
    assert direct.requests == requests
    for mode in MODES.values():
        assert end_of(partial(run_one, **arguments, **mode)) == direct
    assert end_of(partial(by_hook, **arguments)) == direct


@pytest.mark.parametrize("mode", [{}, *MODES.values()])
def test_mapped_over_twenty(set_connection: SetConnection, mode: dict[str, Any]) -> None:
    """Each input has a job of its own, with a key of its own, and the result of that."""
    with DAG("dag", schedule=None) as dag:
        MirrorDBJobOperator.partial(
            task_id="task", endpoint="api/reports", result="api/reports/{id}/result", **STATES, **mode
        ).expand(data=[{"rows": number} for number in range(20)])
    mapped: Any = dag.get_task("task")
    with backend(set_connection) as server:
        results = [
            run(mapped.unmap({"data": data}), index)
            for index, data in enumerate(mapped.expand_input.value["data"])
        ]
        jobs = server.records("reports")
    assert [len(rows) for rows in results] == list(range(20))
    assert [job["rows"] for job in jobs] == list(range(20))
    assert len({job["idempotency_key"] for job in jobs}) == 20
