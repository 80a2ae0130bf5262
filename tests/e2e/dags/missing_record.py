"""Read a record that is not there, on the worker and in the triggerer; Airflow may try it four times."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

with DAG(
    "missing_record",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 3, "retry_delay": timedelta(seconds=0)},
):
    MirrorDBReadOperator(task_id="plain", endpoint="api/lost/plain")
    MirrorDBReadOperator(
        task_id="deferrable", endpoint="api/lost/deferrable", deferrable=True, worker_timeout=0
    )
