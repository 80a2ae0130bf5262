"""What becomes of writes that are ended after the backend has carried them out: by SIGKILL, or a time-out.

A proxy passes each request on, and holds the answer back until the process that waits for it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import psutil
import pytest

from airflow_mirrordb.operators.bulk_state import FEWEST
from tests.run_example import post
from tests.support.airflow_home import AirflowHome, wait_until
from tests.support.backend_process import BackendProcess
from tests.support.faults import Fault, FaultProxy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


@asynccontextmanager
async def answers_held_back(
    airflow: AirflowHome,
    backend: BackendProcess,
    name: str,
    requests: int,
    extra: str = "{}",
    *,
    answered: int = 0,
) -> AsyncIterator[FaultProxy]:
    """A proxy that holds the first answers back, and the connection ``name`` that leads through it.

    :param answered: requests whose answers are passed on before
    """
    port = urlsplit(backend.url).port
    assert port is not None
    faults = [Fault.NONE] * answered + [Fault.HANG_AFTER] * requests
    async with FaultProxy(port, faults) as proxy:
        connection = {
            "connection_id": name,
            "conn_type": "mirrordb",
            "host": proxy.base_url,
            "password": backend.key,
            "extra": extra,
        }
        await asyncio.to_thread(airflow.rest, "POST", "connections", connection)
        yield proxy


async def carried_out(proxy: FaultProxy, requests: int) -> None:
    """Return when the backend has carried so many requests out, whose answers are held back."""
    await asyncio.to_thread(
        wait_until, lambda: sum(it.status is not None for it in proxy.log) >= requests, "the requests"
    )


def senders(proxy: FaultProxy) -> set[int]:
    """Return the ids of the processes that are connected to the proxy."""
    port = urlsplit(proxy.base_url).port
    connections = psutil.net_connections("tcp4")
    return {it.pid for it in connections if it.pid and it.raddr and it.raddr.port == port} - {os.getpid()}


async def test_keyed_creates_survive_their_workers(airflow: AirflowHome, backend: BackendProcess) -> None:
    """Each of three creates is sent again by the task's next try, and exists once."""
    name, header = "killed_on_worker", '{"idempotency_header": "Idempotency-Key"}'
    await asyncio.to_thread(airflow.wait_for_dags, name)
    async with answers_held_back(airflow, backend, name, 3, header) as proxy:
        run_id = await asyncio.to_thread(airflow.trigger, name)
        await carried_out(proxy, 3)
        victims = senders(proxy)
        assert len(victims) == 3
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert await asyncio.to_thread(airflow.wait_for_run, name, run_id) == "success"
    tasks = airflow.tasks(name, run_id)
    assert [(task["state"], task["try_number"]) for task in tasks] == [("success", 2)] * 3
    assert sorted(record["number"] for record in backend.records(name)) == [0, 1, 2]
    assert len(backend.requests(f"/api/{name}")) == 6


async def test_cleared_creates_are_sent_again(airflow: AirflowHome, backend: BackendProcess) -> None:
    """They have other keys then: the backend, which knows the old ones, would only repeat its answers."""
    name, header = "cleared", '{"idempotency_header": "Idempotency-Key"}'
    await asyncio.to_thread(airflow.wait_for_dags, name)
    async with answers_held_back(airflow, backend, name, 0, header):
        run_id = await asyncio.to_thread(airflow.trigger, name)
        assert await asyncio.to_thread(airflow.wait_for_run, name, run_id) == "success"
        everything = {"dry_run": False, "dag_run_id": run_id, "only_failed": False}
        await asyncio.to_thread(airflow.rest, "POST", f"dags/{name}/clearTaskInstances", everything)
        assert await asyncio.to_thread(airflow.wait_for_run, name, run_id) == "success"
    assert [task["try_number"] for task in airflow.tasks(name, run_id)] == [2, 2]
    assert sorted(record["number"] for record in backend.records(name)) == [0, 0, 1, 1, 2, 2]


async def test_keyed_creates_survive_the_triggerer(airflow: AirflowHome, backend: BackendProcess) -> None:
    """Another triggerer sends again what the killed one had sent; each create exists once."""
    name, header = "killed_in_triggerer", '{"idempotency_header": "Idempotency-Key"}'
    await asyncio.to_thread(airflow.wait_for_dags, name)
    async with answers_held_back(airflow, backend, name, 3, header) as proxy:
        run_id = await asyncio.to_thread(airflow.trigger, name)
        await carried_out(proxy, 3)
        assert len(senders(proxy)) == 1
        await asyncio.to_thread(airflow.kill, "triggerer")
        assert not senders(proxy)
        await asyncio.to_thread(airflow.start, "triggerer")
        assert await asyncio.to_thread(airflow.wait_for_run, name, run_id) == "success"
    tasks = airflow.tasks(name, run_id)
    assert [(task["state"], task["try_number"]) for task in tasks] == [("success", 1)] * 3
    assert sorted(record["number"] for record in backend.records(name)) == [0, 1]
    assert len(backend.requests(f"/api/{name}")) == 6


@pytest.mark.parametrize("name", ["killed_delete_on_worker", "killed_delete_in_triggerer"])
async def test_a_delete_meets_the_404_of_its_own_success(
    airflow: AirflowHome, backend: BackendProcess, name: str
) -> None:
    """Whoever sends it again after a kill, the next try or the next triggerer, finds that it was sent."""
    await asyncio.to_thread(post, f"{backend.url}/api/{name}", {"name": "Ada"}, backend.key)
    await asyncio.to_thread(airflow.wait_for_dags, name)
    async with answers_held_back(airflow, backend, name, 1) as proxy:
        run_id = await asyncio.to_thread(airflow.trigger, name)
        await carried_out(proxy, 1)
        if name == "killed_delete_on_worker":
            (victim,) = senders(proxy)
            os.kill(victim, signal.SIGKILL)
        else:
            await asyncio.to_thread(airflow.kill, "triggerer")
            assert not senders(proxy)
            await asyncio.to_thread(airflow.start, "triggerer")
        assert await asyncio.to_thread(airflow.wait_for_run, name, run_id) == "success"
    (task,) = airflow.tasks(name, run_id)
    assert (task["state"], task["try_number"]) == ("success", 2 if name.endswith("worker") else 1)
    assert backend.records(name) == []
    path = f"/api/{name}/1"
    assert backend.requests(path) == [f"DELETE {path} 204", f"DELETE {path} 404"]
    log = airflow.log(name, run_id, "delete", of_trigger=name.endswith("triggerer"))
    assert "404 counts as done" in log
    assert "XCom not found" not in log


async def test_a_create_without_a_key_is_not_sent_again(
    airflow: AirflowHome, backend: BackendProcess
) -> None:
    """The next try finds the mark of the killed one, and fails for good: a person has to look."""
    name = "killed_without_key"
    await asyncio.to_thread(airflow.wait_for_dags, name)
    async with answers_held_back(airflow, backend, name, 1) as proxy:
        run_id = await asyncio.to_thread(airflow.trigger, name)
        await carried_out(proxy, 1)
        (victim,) = senders(proxy)
        os.kill(victim, signal.SIGKILL)
        assert await asyncio.to_thread(airflow.wait_for_run, name, run_id) == "failed"
    (task,) = airflow.tasks(name, run_id)
    assert (task["state"], task["try_number"], task["max_tries"]) == ("failed", 2, 3)
    log = airflow.log(name, run_id, "create")
    assert "AmbiguousWriteError" in log
    assert "an earlier try of this task was ended before it had the result" in log
    assert len(backend.records(name)) == 1
    assert len(backend.requests(f"/api/{name}")) == 1


async def test_a_create_without_a_key_that_times_out_fails_for_good(
    airflow: AirflowHome, backend: BackendProcess
) -> None:
    """Airflow's time-out of the task ends it at once as ambiguous, with no further try."""
    name = "timed_out_without_key"
    await asyncio.to_thread(airflow.wait_for_dags, name)
    async with answers_held_back(airflow, backend, name, 1) as proxy:
        run_id = await asyncio.to_thread(airflow.trigger, name)
        await carried_out(proxy, 1)
        (worker,) = senders(proxy)
        os.kill(worker, signal.SIGALRM)  # as the timer of execution_timeout does
        assert await asyncio.to_thread(airflow.wait_for_run, name, run_id) == "failed"
    (task,) = airflow.tasks(name, run_id)
    assert (task["state"], task["try_number"], task["max_tries"]) == ("failed", 1, 3)
    log = airflow.log(name, run_id, "create")
    assert "AmbiguousWriteError" in log
    assert "interrupted by AirflowTaskTimeout" in log
    assert len(backend.records(name)) == 1


@pytest.mark.parametrize("name", ["killed_bulk", "killed_bulk_without_key"])
async def test_a_bulk_survives_its_worker(airflow: AirflowHome, backend: BackendProcess, name: str) -> None:
    """With keys the next try sends what was not noted as done, and each record exists once.

    Without them it sends nothing, and fails for good: it tells which records may have been applied.
    """
    keyed = name == "killed_bulk"
    await asyncio.to_thread(airflow.wait_for_dags, name)
    header = '{"idempotency_header": "Idempotency-Key"}' if keyed else "{}"
    async with answers_held_back(airflow, backend, name, 4, header, answered=60) as proxy:
        run_id = await asyncio.to_thread(airflow.trigger, name)
        await carried_out(proxy, 64)
        (victim,) = senders(proxy)
        os.kill(victim, signal.SIGKILL)
        state = await asyncio.to_thread(airflow.wait_for_run, name, run_id)
    assert state == ("success" if keyed else "failed")
    (task,) = airflow.tasks(name, run_id)
    assert task["try_number"] == 2
    there = sorted(record["number"] for record in backend.records(name))
    sent = len(backend.requests(f"/api/{name}"))
    if keyed:
        assert there == list(range(100))
        assert 64 + 100 - FEWEST <= sent <= 64 + 100 - FEWEST / 2  # a few were on their way at the first note
        report = airflow.result(name, run_id, "create")
        assert [record["response"]["number"] for record in report["records"]] == list(range(100))
    else:
        assert there == list(range(sent)) == list(range(64))
        log = airflow.log(name, run_id, "create")
        assert "an earlier try of this task was ended while it was in flight" in log
        assert "BulkError" in log
