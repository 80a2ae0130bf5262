"""Read the orders in the triggerer: a task that leads to its resource."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

with DAG("linked", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    MirrorDBReadOperator(task_id="read", endpoint="api/orders", deferrable=True, worker_timeout=0)
