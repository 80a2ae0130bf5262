"""Two hundred creates in the triggerers; ``retries`` are there for Airflow's own mishaps."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator

with DAG(
    "distributed",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    max_active_tasks=200,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
):
    MirrorDBCreateOperator.partial(
        task_id="create", endpoint="api/parcels", deferrable=True, worker_timeout=0
    ).expand(data=[{"number": number} for number in range(200)])
