"""Start a job, wait until it is done, and read what it made; a job that failed fails the task at once."""

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, chain

from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor

START = datetime(2026, 1, 1, tzinfo=timezone.utc)

with DAG("wait_for_job", schedule=None, start_date=START, params={"state": "done"}) as dag:
    job = "api/jobs/{{ ti.xcom_pull('start') }}"
    start = MirrorDBCreateOperator(
        task_id="start",
        endpoint="api/jobs",
        data={"kind": "nightly", "state": "{{ params.state }}"},  # here a job is over when it begins
        response_filter="id",
    )
    states = {"field": "state", "equals": "done", "failed": ["failed", "canceled"]}
    wait = MirrorDBSensor(
        task_id="wait", endpoint=job, **states, poke_interval=30, timeout=3600, deferrable=True
    )
    chain(start, wait, MirrorDBReadOperator(task_id="read", endpoint=f"{job}/rows"))
