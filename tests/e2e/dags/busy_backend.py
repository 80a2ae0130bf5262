"""Read from two backends that are busy at first, each through a connection of its own."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

with DAG("busy_backend", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    MirrorDBReadOperator(task_id="plain", mirrordb_conn_id="busy_plain", endpoint="api/users/1")
    MirrorDBReadOperator(
        task_id="deferrable", mirrordb_conn_id="busy_deferrable", endpoint="api/users/1", deferrable=True
    )
