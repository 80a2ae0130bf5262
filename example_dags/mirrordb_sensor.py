"""Start a job, wait until it is there, until it is done, and until it is cleaned up.

Needs a connection ``mirrordb_default`` of type ``mirrordb`` to a backend with the resource ``api/jobs``.
In real life somebody else does the job; here two more tasks do, so that the DAG runs on its own.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, chain

from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor

with DAG(
    "mirrordb_sensor", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False
) as dag:
    job = "api/jobs/{{ ti.xcom_pull(task_ids='start')['id'] }}"
    start = MirrorDBCreateOperator(
        task_id="start", endpoint="api/jobs", data={"name": "nightly", "state": "queued"}
    )
    is_there = MirrorDBSensor(task_id="is_there", endpoint=job, poke_interval=30, timeout=600)
    finish = MirrorDBUpdateOperator(task_id="finish", endpoint=job, data={"state": "done"}, partial=True)

    # In the triggerer: no worker slot is held, however long it takes.
    is_done = MirrorDBSensor(
        task_id="is_done",
        endpoint=job,
        field="state",
        is_in=["done", "failed"],
        response_filter=lambda job: job["state"],
        poke_interval=30,
        timeout=3600,
        deferrable=True,
    )
    clean_up = MirrorDBDeleteOperator(task_id="clean_up", endpoint=job)
    is_gone = MirrorDBSensor(task_id="is_gone", endpoint=job, gone=True, mode="reschedule", timeout=600)

    chain(start, is_there, finish, is_done, clean_up, is_gone)
