"""Tasks that begin in the triggerer of a running Airflow."""

from __future__ import annotations

import pytest

from tests.support.airflow_home import AirflowHome
from tests.support.backend_process import BackendProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


def test_tasks_begin_and_end_without_a_worker(airflow: AirflowHome, backend: BackendProcess) -> None:
    """Results and errors are those of a worker, which is only taken where something needs one."""
    airflow.wait_for_dags("started")
    run_id = airflow.trigger("started")

    assert airflow.wait_for_run("started", run_id) == "failed"  # one task is to fail
    tasks = {task["task_id"]: task for task in airflow.tasks("started", run_id)}
    failed = {"missing": "failed", "too_late": "skipped"}
    assert {name: task["state"] for name, task in tasks.items()} == {
        name: failed.get(name, "success") for name in tasks
    }
    assert (tasks["missing"]["try_number"], tasks["missing"]["max_tries"]) == (1, 3)
    assert "there is no lost/missing" in airflow.log("started", run_id, "missing")

    ticket = {"id": "1", "state": "new"}
    for name in ("started", "ended", "is_new"):
        assert airflow.result("started", run_id, name) == ticket
    assert airflow.result("started", run_id, "filtered") == "new"
    assert airflow.result("started", run_id, "mapped", 0) == ticket
    assert airflow.result("started", run_id, "mapped_over") == [ticket]
    assert airflow.result("started", run_id, "state_of", 0) == "new"
    with pytest.raises(RuntimeError, match="404"):
        airflow.result("started", run_id, "silent")

    on_workers = {name for name in tasks if airflow.log("started", run_id, name)}
    assert set(tasks) - on_workers == {"ended", "silent", "is_new"}
    for name in tasks.keys() - {"create", "state_of"}:
        sent = airflow.log("started", run_id, name, of_trigger=True)
        assert " through connection mirrordb_default" in sent
    assert backend.requests("/api/tickets?by=") == ["GET /api/tickets?by=mapped_over 200"]
