"""What ``deferrable=True`` costs a task whose answer is quick, on a running Airflow.

Run by hand: ``python -m tests.benchmarks.deferral [runs]``. One DAG reads a record three times, one task
after the other: not deferrable, deferrable, and straight in the triggerer (``worker_timeout=0``). Printed
are the medians of the runs, in seconds from a task's start to its end, and the extra over not deferrable.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from tests.support.airflow_home import AirflowHome
from tests.support.backend_process import running_backend

DAG_ID = "deferral"
DAG_FILE = f"""
from datetime import datetime, timezone

from airflow.sdk import DAG, chain

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

with DAG("{DAG_ID}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    chain(
        MirrorDBReadOperator(task_id="plain", endpoint="api/orders", deferrable=False),
        MirrorDBReadOperator(task_id="deferrable", endpoint="api/orders", deferrable=True),
        MirrorDBReadOperator(task_id="straight", endpoint="api/orders", deferrable=True, worker_timeout=0),
    )
"""


def main(runs: int = 10) -> None:
    """Run the DAG and print the medians."""
    seconds: dict[str, list[float]] = {"plain": [], "deferrable": [], "straight": []}
    with tempfile.TemporaryDirectory() as name, running_backend(Path(name) / "backend.db") as backend:
        folder = Path(name).resolve()
        airflow = AirflowHome(folder, backend.url, backend.key)
        (airflow.dags / "deferral.py").write_text(DAG_FILE)
        with airflow.running():
            airflow.wait_for_dags(DAG_ID)
            for run in range(runs + 1):
                run_id = airflow.trigger(DAG_ID)
                if airflow.wait_for_run(DAG_ID, run_id) != "success":
                    sys.exit(f"run {run_id} failed")
                if run:  # the first one warms up
                    for task in airflow.tasks(DAG_ID, run_id):
                        start, end = (_moment(task[key]) for key in ("start_date", "end_date"))
                        seconds[task["task_id"]].append((end - start).total_seconds())
    plain = statistics.median(seconds["plain"])
    sys.stdout.write(f"medians of {runs} runs, in seconds\n")
    for task_id, measured in seconds.items():
        median = statistics.median(measured)
        sys.stdout.write(f"{task_id:12}{median:8.2f}{median - plain:+8.2f}\n")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
