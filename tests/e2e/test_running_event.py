"""Watchers inside a running Airflow, which starts DAGs at their events and keeps what they saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.test_running_sensor import put
from tests.run_example import post
from tests.support.airflow_home import AirflowHome, wait_until
from tests.support.backend_process import BackendProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

DAGS = ("watched_price", "watched_acme", "watched_globex")


def test_changes_start_dags_also_after_a_restart(airflow: AirflowHome, backend: BackendProcess) -> None:
    """Each change starts its DAG once, two watchers make one poll, and no change is missed meanwhile."""
    price, bills = f"{backend.url}/api/prices", f"{backend.url}/api/bills"
    post(price, {"price": 1}, backend.key)
    post(bills, {"customer": "acme", "at": 1}, backend.key)
    airflow.wait_for_dags(*DAGS)
    for dag_id in DAGS:
        airflow.unpause(dag_id)
    (airflow.dags / "watched.py").touch()  # the watchers of a paused DAG come when its file is read again
    try:
        wait_until(looks(backend, 3), "three looks at each endpoint")
        assert [told(airflow, dag_id) for dag_id in DAGS] == [[], [], []]

        put(f"{price}/1", {"price": 2}, backend.key)
        post(bills, {"customer": "globex", "at": 2}, backend.key)
        wait_until(lambda: told(airflow, "watched_price") and told(airflow, "watched_globex"), "runs")
        wait_until(looks(backend, len(backend.requests("/api/bills")) + 4), "some looks more")

        airflow.kill("triggerer")
        put(f"{price}/1", {"price": 3}, backend.key)
        post(bills, {"customer": "acme", "at": 3}, backend.key)
        airflow.start("triggerer")
        wait_until(lambda: len(told(airflow, "watched_price")) == 2, "a run after the restart")
        wait_until(lambda: told(airflow, "watched_acme"), "a run after the restart")
    finally:
        for dag_id in DAGS:
            airflow.unpause(dag_id, paused=True)

    assert [event["status"] for event in told(airflow, "watched_price")] == [200, 200]
    news = {dag_id: told(airflow, dag_id) for dag_id in DAGS[1:]}
    seen = {
        dag_id: [(e["count"], e["since"], e["cursor"]) for e in events] for dag_id, events in news.items()
    }
    assert seen == {"watched_globex": [(1, None, 2)], "watched_acme": [(1, 1, 3)]}
    assert {line.split()[-1] for line in backend.requests("/api/prices/1") if "GET" in line} == {"200", "304"}
    output = (airflow.folder / "triggerer.log").read_text()
    for name in ("watched_acme", "watched_globex"):
        begun = f"Watching api/bills through connection mirrordb_default for asset {name}, every 2 s"
        assert output.count(begun) == 2  # triggerers
    polls = [sum("GET" in line for line in backend.requests(path)) for path in ("/api/bills", "/api/prices")]
    assert polls[0] < 1.5 * polls[1]  # two watchers of one pace, and one


def looks(backend: BackendProcess, number: int) -> Callable[[], bool]:
    def are_made() -> bool:
        paths = ("/api/prices/1", "/api/bills")
        return all(sum("GET" in line for line in backend.requests(path)) >= number for path in paths)

    return are_made


def told(airflow: AirflowHome, dag_id: str) -> list[dict[str, Any]]:
    """Return what the events told to all ended runs of a DAG, the oldest first."""
    runs = airflow.rest("GET", f"dags/{dag_id}/dagRuns?order_by=id")["dag_runs"]
    ended = [run["dag_run_id"] for run in runs if run["state"] == "success"]
    return [event for run_id in ended for event in airflow.result(dag_id, run_id, "seen")]
