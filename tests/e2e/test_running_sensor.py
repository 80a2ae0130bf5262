"""The sensor inside a running Airflow, which moves it between processes."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.run_example import post
from tests.support.airflow_home import AirflowHome, wait_until
from tests.support.backend_process import BackendProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

MODES = ("poke", "reschedule", "deferrable")


def test_first_value_is_known_at_every_later_look(airflow: AirflowHome, backend: BackendProcess) -> None:
    """In each mode a record is looked at until it changes, though only the first look saw what it was."""

    def looks(mode: str) -> list[str]:
        return backend.requests(f"/api/parcels/1?by={mode}")

    seen: set[tuple[str, str]] = set()

    def look(tasks: list[dict[str, Any]]) -> None:
        seen.update((task["task_id"], task["state"]) for task in tasks)

    airflow.wait_for_dags("changing_record")
    post(f"{backend.url}/api/parcels", {"state": "sent"}, backend.key)
    run_id = airflow.trigger("changing_record")

    def all_have_waited() -> bool:
        look(airflow.tasks("changing_record", run_id))
        return all(len(looks(mode)) >= 3 for mode in MODES)

    wait_until(all_have_waited, "three looks in each mode")
    put(f"{backend.url}/api/parcels/1", {"state": "delivered"}, backend.key)

    assert airflow.wait_for_run("changing_record", run_id, look) == "success"
    assert {("poke", "running"), ("reschedule", "up_for_reschedule"), ("deferrable", "deferred")} <= seen
    for mode in MODES:
        assert airflow.result("changing_record", run_id, mode) == {"id": "1", "state": "delivered"}
        assert set(looks(mode)) == {f"GET /api/parcels/1?by={mode} 200"}
    assert "next poll in 2.0 s" in airflow.log("changing_record", run_id, "deferrable", of_trigger=True)


def put(url: str, record: dict[str, Any], key: str) -> None:
    headers = {"Content-Type": "application/json", "X-API-Key": key}
    request = urllib.request.Request(url, json.dumps(record).encode(), headers, method="PUT")
    with urllib.request.urlopen(request):
        pass
