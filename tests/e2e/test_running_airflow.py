"""What the package does inside a running Airflow, against the embedded backend."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any

import pytest
from aiohttp import web
from airflow import __version__ as airflow_version

from airflow_mirrordb import __version__
from tests.support.airflow_home import AirflowHome, wait_until
from tests.support.backend_process import BackendProcess
from tests.support.backends import Answering
from tests.support.metrics import Metrics

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

DEFERRED = {"create_deferred", "read_deferred", "update_deferred", "delete_deferred"}


def test_crud_runs_on_worker_and_triggerer(airflow: AirflowHome, backend: BackendProcess) -> None:
    """Both halves of the CRUD example create, read, update and delete; one half leaves the worker."""
    seen: set[tuple[str, str]] = set()
    before = len(backend.requests())

    def look(tasks: list[dict[str, Any]]) -> None:
        seen.update((task["task_id"], task["state"]) for task in tasks)
        # a trigger's row is gone when it has fired, so it is searched while it waits
        seen.update((column, "request") for column in airflow.columns_with("api/users/"))
        seen.update((column, "key") for column in airflow.columns_with(backend.key))

    run_id = airflow.trigger("mirrordb_crud")
    state = airflow.wait_for_run("mirrordb_crud", run_id, look)

    assert state == "success"
    assert {task_id for task_id, state in seen if state == "deferred"} & DEFERRED
    assert not {task_id for task_id, state in seen if state == "deferred"} - DEFERRED
    assert ("trigger.kwargs", "request") in seen
    assert not [column for column, found in seen if found == "key"]
    result = {
        task["task_id"]: airflow.result("mirrordb_crud", run_id, task["task_id"])
        for task in airflow.tasks("mirrordb_crud", run_id)
        if "delete" not in task["task_id"]
    }
    ada, grace = result["create"]["id"], result["create_deferred"]["id"]
    assert ada != grace
    assert result["create"] == result["read"] == {"id": ada, "name": "Ada", "role": "author"}
    assert result["update"] == {"id": ada, "name": "Ada", "role": "editor"}
    assert result["create_deferred"] == result["read_deferred"]
    assert result["read_deferred"] == {"id": grace, "name": "Grace", "role": "author"}
    assert result["update_deferred"] == {"id": grace, "name": "Grace", "role": "editor"}
    assert backend.records("users") == []
    assert backend.records("reports") == [result["report"]]
    assert result["report"]["run"] == run_id
    assert (result["report"]["on_worker"], result["report"]["in_triggerer"]) == ("editor", "editor")
    assert sorted(backend.requests()[before:]) == sorted(
        [
            "POST /api/users 201",
            f"GET /api/users/{ada} 200",
            f"PATCH /api/users/{ada} 200",
            f"DELETE /api/users/{ada} 204",
            "POST /api/users 201",
            f"GET /api/users/{grace} 200",
            f"PUT /api/users/{grace} 200",
            f"DELETE /api/users/{grace} 204",
            "POST /api/reports 201",
        ]
    )
    for task_id, request in {
        "create_deferred": "POST api/users",
        "read_deferred": f"GET api/users/{grace}",
        "update_deferred": f"PUT api/users/{grace}",
        "delete_deferred": f"DELETE api/users/{grace}",
    }.items():
        assert f"{request} through connection" in airflow.log(
            "mirrordb_crud", run_id, task_id, of_trigger=True
        )
        on_worker = airflow.log("mirrordb_crud", run_id, task_id)  # also if no triggerer ever comes
        assert f"{request} through connection mirrordb_default: worker_timeout is 0; the task is" in on_worker
        assert "is deferred until a triggerer sends it" in on_worker
        shown = airflow.shown_log("mirrordb_crud", run_id, task_id)
        came = [line for line in shown if re.search(r"\b20[014] [A-Z][A-Za-z ]+ in [\d.e-]+ s", line)]
        assert [line.startswith(f"{request} through connection") for line in came] == [True]  # said once
    assert airflow.log("mirrordb_crud", run_id, "read", of_trigger=True) == ""


def test_pipeline_runs_on_its_schedule(airflow: AirflowHome, backend: BackendProcess) -> None:
    """Unpaused, the pipeline is started by the scheduler, and writes one right total per customer."""

    def runs() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = airflow.rest("GET", "dags/mirrordb_pipeline/dagRuns")["dag_runs"]
        return found

    airflow.unpause("mirrordb_pipeline")
    run = wait_until(runs, "a run of the pipeline")[0]
    state = airflow.wait_for_run("mirrordb_pipeline", run["dag_run_id"])
    airflow.unpause("mirrordb_pipeline", paused=True)

    assert (run["run_type"], state) == ("scheduled", "success")
    tasks = airflow.tasks("mirrordb_pipeline", run["dag_run_id"])
    assert sorted((task["task_id"], task["map_index"], task["state"]) for task in tasks) == [
        ("add_up", -1, "success"),
        ("read_orders", -1, "success"),
        ("write_totals", 0, "success"),
        ("write_totals", 1, "success"),
    ]
    totals = {
        total["customer"]: total["total"]
        for total in backend.records("totals")
        if total["run"] == run["dag_run_id"]
    }
    assert totals == {"acme": 3 * 20.0 + 2 * 5.0, "globex": 1 * 7.5}


def test_permanent_error_fails_at_once(airflow: AirflowHome, backend: BackendProcess) -> None:
    """A missing record ends a task on its first try, though it has three retries; its log tells why."""
    run_id = airflow.trigger("missing_record")

    assert airflow.wait_for_run("missing_record", run_id) == "failed"
    tasks = {task["task_id"]: task for task in airflow.tasks("missing_record", run_id)}
    for task_id in ("plain", "deferrable"):
        task = tasks[task_id]
        assert (task["state"], task["try_number"], task["max_tries"]) == ("failed", 1, 3)
        assert backend.requests(f"/api/lost/{task_id}") == [f"GET /api/lost/{task_id} 404"]
        log = airflow.log("missing_record", run_id, task_id)
        assert f"GET api/lost/{task_id} through connection mirrordb_default: 404" in log
        assert f"there is no lost/{task_id}" in log
        url = f"{backend.url}/api/lost/{task_id}"
        assert airflow.links("missing_record", run_id, task_id) == {"Resource": url}
    in_triggerer = airflow.log("missing_record", run_id, "deferrable", of_trigger=True)
    assert "there is no lost/deferrable" in in_triggerer  # as Airflow tells of the event
    assert "through connection" not in in_triggerer  # the worker raises it


async def test_busy_backend_is_asked_again(
    airflow: AirflowHome, answering: Answering, metrics: Metrics
) -> None:
    """After two answers 503 with Retry-After, the third request brings the record, deferred or not.

    Worker and triggerer say alike who asks, count what they send, and the link leads to the record.
    """
    user = {"id": 1, "name": "Ada"}
    keys = {task_id: secrets.token_urlsafe(24) for task_id in ("plain", "deferrable")}
    backends = {
        task_id: await answering(
            web.Response(status=503, headers={"Retry-After": "1"}),
            web.Response(status=503, headers={"Retry-After": "1"}),
            web.json_response(user),
        )
        for task_id in keys
    }

    def run() -> tuple[str, str]:
        for task_id, key in keys.items():
            connection = {
                "connection_id": f"busy_{task_id}",
                "conn_type": "mirrordb",
                "host": backends[task_id].base_url,
                "password": key,
            }
            airflow.rest("POST", "connections", connection)
        run_id = airflow.trigger("busy_backend")
        return run_id, airflow.wait_for_run("busy_backend", run_id)

    run_id, state = await asyncio.to_thread(run)
    assert state == "success"
    assert "through connection" in airflow.log("busy_backend", run_id, "deferrable", of_trigger=True)
    for task_id, key in keys.items():
        assert airflow.result("busy_backend", run_id, task_id) == user
        assert backends[task_id].lines == ["GET /api/users/1"] * 3
        sent = [request.headers["Authorization"] for request in backends[task_id].requests]
        assert sent == [f"Bearer {key}"] * 3
        assert airflow.files_with(key) == []  # the database holds it encrypted
        assert {request.headers["User-Agent"] for request in backends[task_id].requests} == {
            f"airflow-mirrordb/{__version__} airflow/{airflow_version} (MirrorDBReadOperator)"
        }
        assert metrics.of(f"busy_{task_id}") == [
            "latency GET 200",
            *["latency GET 503"] * 2,
            "requests GET 200",
            *["requests GET 503"] * 2,
            "retries GET 200",
            "retries GET 503",
            *["throttled GET 503"] * 2,
        ]
        url = f"{backends[task_id].base_url}/api/users/1"
        assert airflow.links("busy_backend", run_id, task_id) == {"Resource": url}


@pytest.mark.parametrize(("key", "status"), [("right", True), ("wrong", False)])
def test_button_of_the_form(airflow: AirflowHome, backend: BackendProcess, key: str, *, status: bool) -> None:
    """The Test button tells whether the backend takes the key, and what it answered."""
    connection = {
        "connection_id": "typed_into_the_form",
        "conn_type": "mirrordb",
        "host": backend.url,
        "password": backend.key if key == "right" else secrets.token_urlsafe(24),
        "extra": '{"test_endpoint": "api/orders", "max_attempts": null}',
    }
    outcome = airflow.rest("POST", "connections/test", connection)

    assert outcome["status"] is status
    if status:
        assert outcome["message"] == f"GET {backend.url}/api/orders answered 200, authentication: bearer"
    else:
        assert "401" in outcome["message"]
        assert "the API key is missing or wrong" in outcome["message"]
    assert connection["password"] not in outcome["message"]


def test_key_is_written_nowhere(airflow: AirflowHome, backend: BackendProcess) -> None:
    """After all that ran here, no log and no table of Airflow holds the API key of the connection."""
    trigger = "GET api/users/1 through connection busy_deferrable"
    assert [name for name in airflow.files_with(trigger) if ".trigger." in name]  # such files are searched
    assert "dag.dag_id" in airflow.columns_with("mirrordb_crud")  # and such columns

    assert airflow.files_with(backend.key) == []
    assert airflow.columns_with(backend.key) == []
