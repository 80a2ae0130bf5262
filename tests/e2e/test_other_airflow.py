"""A job that is a DAG run of another Airflow, which has its own processes and database: how it ends here."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.airflow_home import AirflowHome, wait_until
from tests.support.runs import CHECKOUT, Runs, connection_to_airflow

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

RECIPE = (CHECKOUT / "example_dags" / "recipes" / "other_airflow.py").read_text()
ENDS = ("success", "failed", "late")


def recipe(ends: str) -> str:
    """Return the recipe of a DAG whose job ends so; one that ends late is not waited for."""
    text = RECIPE
    for old, new in {
        'DAG("other_airflow"': f'DAG("other_{ends}"',
        '"asked_by"': f'"ends": "{ends}", "asked_by"',
        '"timeout": 3600': f'"timeout": {5 if ends == "late" else 3600}',
        '"poll_interval": 5': '"poll_interval": 1',
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def test_a_run_of_another_airflow_is_waited_for(runs: Runs, airflow: AirflowHome) -> None:
    """Its success, its failure, and one that is ended since it takes too long: one run there for each here.

    The states of a run, and that a PATCH ends it with all its tasks, are those of Airflow's stable REST API.
    """
    airflow.wait_for_dags("nightly")
    airflow.unpause("nightly")
    for ends in ENDS:
        runs.add(f"other_{ends}", recipe(ends))
    with runs.connected("environment", {"other_airflow": connection_to_airflow(airflow)}) as environment:
        outcomes, output = runs.run([(f"other_{ends}", {}) for ends in ENDS], **environment)

    assert [outcome["tasks"]["nightly"] for outcome in outcomes] == ["success", "failed", "failed"], output
    there: list[dict[str, Any]] = airflow.rest("GET", "dags/nightly/dagRuns?limit=1000")["dag_runs"]
    of = {ends: [run for run in there if run["conf"].get("ends") == ends] for ends in ENDS}
    assert {ends: [run["state"] for run in found] for ends, found in of.items()} == {
        "success": ["success"],
        "failed": ["failed"],
        "late": ["failed"],
    }
    failed, late = (
        f"dags/nightly/dagRuns/{quote(of[ends][0]['dag_run_id'], safe='')}" for ends in ("failed", "late")
    )
    assert "the job failed: its state is 'failed'" in output
    assert failed in output
    assert "the job was not done within 5 s; at last: answered 200, state is" in output
    assert f"it was cancelled: 200 to PATCH {late}" in output
    wait_until(
        lambda: airflow.tasks("nightly", of["late"][0]["dag_run_id"])[0]["state"] == "failed",
        "the end of the task of the run that was cancelled",
    )
