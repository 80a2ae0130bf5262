"""Run a job and read what it made; a job that failed fails the task, and a retry joins one that runs."""

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.job import MirrorDBJobOperator

START = datetime(2026, 1, 1, tzinfo=timezone.utc)

with DAG("wait_for_job", schedule=None, start_date=START, params={"fail": ""}) as dag:
    MirrorDBJobOperator(
        task_id="nightly",
        endpoint="api/batches",
        data={"kind": "nightly", "fail": "{{ params.fail }}"},
        state="state",
        succeeded=["succeeded"],
        failed=["failed", "cancelled"],
        error="error.message",
        result="api/batches/{id}/result",
        cancel="POST api/batches/{id}/cancel",
        poll_interval=5,
        timeout=3600,
        deferrable=True,
    )
