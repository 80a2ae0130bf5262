"""Runs of DAGs by ``dag.test()``, all in one process: ``python -m tests.support.dag_runs JOBS OUTCOMES``.

``JOBS`` is a JSON file with a list of :class:`Job`; their outcomes are written to ``OUTCOMES``, in order.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TypedDict

from airflow.models.dagrun import DagRun
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from airflow.utils.session import create_session

from tests.run_example import load


class Job(TypedDict):
    """One run of the DAG in a file of the DAGs folder, with these parameters."""

    file: str
    conf: dict[str, Any]


class Outcome(TypedDict):
    """How a run ended: its state, and those of its tasks; a mapped one's is that of its last instance."""

    dag_id: str
    state: str
    tasks: dict[str, str]


def main() -> None:
    jobs, outcomes = map(Path, sys.argv[1:])
    outcomes.write_text(json.dumps([run(job) for job in json.loads(jobs.read_text())]))


def run(job: Job) -> Outcome:
    """Run a DAG without a logical date, where Airflow can."""
    (dag,) = [value for value in vars(load(Path(job["file"]))).values() if isinstance(value, DAG)]
    undated: dict[str, Any] = {"logical_date": None} if AIRFLOW_V_3_0_PLUS else {}
    dag_run: DagRun = dag.test(run_conf=job["conf"], **undated)
    with create_session() as session:
        tasks = {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances(session=session)}
    return Outcome(dag_id=dag.dag_id, state=str(dag_run.state), tasks=tasks)


if __name__ == "__main__":
    main()
