"""Start a job, wait until it is there, until it is done, and until it is cleaned up.

A job that fails, as with ``{"state": "failed"}`` for the parameters of a run, fails the task ``is_done`` at
once, and so the run; it is cleaned up all the same. Needs a connection ``mirrordb_default`` of type
``mirrordb`` to a backend with the resource ``api/jobs``. In real life somebody else does the job; here two
more tasks do, so that the DAG runs on its own.
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
    "mirrordb_sensor",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={"state": "done"},
) as dag:
    job = "api/jobs/{{ ti.xcom_pull(task_ids='start')['id'] }}"
    start = MirrorDBCreateOperator(
        task_id="start", endpoint="api/jobs", data={"name": "nightly", "state": "queued"}
    )
    is_there = MirrorDBSensor(task_id="is_there", endpoint=job, poke_interval=30, timeout=600)
    finish = MirrorDBUpdateOperator(
        task_id="finish", endpoint=job, data={"state": "{{ params.state }}"}, partial=True
    )

    # In the triggerer: no worker slot is held, however long it takes. Without "failed" it would wait for its
    # timeout if the job fails, and with is_in=["done", "failed"] it would be green.
    is_done = MirrorDBSensor(
        task_id="is_done",
        endpoint=job,
        field="state",
        equals="done",
        failed=["failed", "canceled"],
        response_filter="state",
        poke_interval=30,
        timeout=3600,
        deferrable=True,
    )
    clean_up = MirrorDBDeleteOperator(task_id="clean_up", endpoint=job)
    is_gone = MirrorDBSensor(task_id="is_gone", endpoint=job, gone=True, mode="reschedule", timeout=600)

    # A teardown runs whatever became of the tasks between. The run is green only if is_done is, too.
    chain(start, is_there, finish, is_done, clean_up.as_teardown(setups=start))
    [is_done, clean_up] >> is_gone
