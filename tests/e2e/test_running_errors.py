"""Errors that tasks wrap, in a running Airflow: what it does next, and whom it tells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support.airflow_home import AirflowHome, wait_until
from tests.support.backends import ScriptedBackend
from tests.support.wrapped_errors import WAYS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

DAG_ID = "wrapped_errors"


class Backend(ScriptedBackend):
    """Limits each reader once, knows nothing of the rest, and takes incidents."""

    def next_answer(self, path: str, sent: bytes) -> tuple[int, Any, Mapping[str, str]]:
        if path == "/api/incidents":
            return 201, json.loads(sent), {}
        if path.startswith("/api/limited/") and self.requests.count(f"GET {path}") > 1:
            return 200, {}, {}
        if path.startswith("/api/limited/"):
            return 429, None, {"Retry-After": "1"}
        return (500 if path == "/api/unknown" else 404), None, {}

    def incidents(self, name: str) -> list[dict[str, Any]]:
        """Return those that have something under a name."""
        sent = zip(list(self.requests), list(self.bodies), strict=False)  # of others that come just now
        told = [json.loads(body) for request, body in sent if request == "POST /api/incidents"]
        return [incident for incident in told if name in incident]


@pytest.fixture
def limiting() -> Iterator[Backend]:
    backend = Backend()
    backend.start()
    yield backend
    backend.stop()


def test_wrapped_errors_are_judged_and_told(airflow: AirflowHome, limiting: Backend) -> None:
    """Each way ends as the error itself would: for good at once, or after another try when the backend said.

    The retry of the task would come after a day. A failed task is told of by its process, the failed run by
    the DAG processor, and its deadline by the triggerer.
    """
    from tests.e2e.dags.wrapped_errors import LIMITED

    for name, extra in {
        DAG_ID: {"max_attempts": 1},
        "incidents": {"idempotency_header": "Idempotency-Key"},
    }.items():
        connection = {"connection_id": name, "conn_type": "mirrordb", "host": limiting.url}
        airflow.rest("POST", "connections", {**connection, "extra": json.dumps(extra)})
    airflow.wait_for_dags(DAG_ID)
    run_id = airflow.trigger(DAG_ID)
    ways = list(WAYS)
    retried = {ways.index(way) for way in LIMITED}

    def look(tasks: list[dict[str, Any]]) -> None:
        waiting = {task["map_index"] for task in tasks if task["state"] == "up_for_retry"}
        assert waiting <= retried, tasks

    assert airflow.wait_for_run(DAG_ID, run_id, look) == "failed"
    ended = {
        ways[task["map_index"]]: (task["state"], task["try_number"]) for task in airflow.tasks(DAG_ID, run_id)
    }
    assert ended == {way: ("success", 2) if way in LIMITED else ("failed", 1) for way in ways}

    wait_until(lambda: limiting.incidents("reason"), "what is told of the run")
    wait_until(lambda: limiting.incidents("late"), "what is told of its deadline")
    assert [told["reason"] for told in limiting.incidents("reason")] == ["task_failure"]
    assert limiting.incidents("late") == [{"late": run_id}]
    of_tasks = limiting.incidents("way")
    assert sorted(told["way"] for told in of_tasks) == sorted(map(str, range(len(ways))))
    silent = str(ways.index("as_the_cause_of_an_interruption"))  # that has no words of its own
    assert all(told["error"] for told in of_tasks if told["way"] != silent)
    keys = [headers.get("Idempotency-Key") for headers in limiting.headers]
    keys = [key for key, line in zip(keys, limiting.requests, strict=True) if line == "POST /api/incidents"]
    assert len(set(keys)) == len(ways) + 2

    log = airflow.log(DAG_ID, run_id, "wrap")
    assert "NotFoundError: no retry helps against it" in log
    assert "AmbiguousWriteError: the write may have been applied" in log
    assert "the backend asked to come back after 0:00:01" in log
    request = "POST api/lost/incidents [tell nobody] through connection incidents: the endpoint is not"
    assert f"The notification was not sent: {request}" in log
