"""Create, read, update and delete a user, once on the worker and once in the triggerer, then report.

If a task fails, the run does, and there is no report; the user is deleted all the same. Needs a connection
``mirrordb_default`` of type ``mirrordb`` to a backend with the resources ``api/users`` and ``api/reports``.
With an ``idempotency_header`` the deferred create leaves the worker too; without one it stays there, since a
repeated create could double the user.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, chain

from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)

with DAG(
    "mirrordb_crud", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False
) as dag:
    ada = "api/users/{{ ti.xcom_pull(task_ids='create')['id'] }}"
    create = MirrorDBCreateOperator(
        task_id="create", endpoint="api/users", data={"name": "Ada", "role": "author"}
    )
    read = MirrorDBReadOperator(task_id="read", endpoint=ada)
    update = MirrorDBUpdateOperator(
        task_id="update", endpoint=ada, data={"role": "editor"}, partial=True, if_match="*"
    )
    delete = MirrorDBDeleteOperator(task_id="delete", endpoint=ada)

    # The same in the triggerer: no worker slot is held while the backend takes its time.
    grace = "api/users/{{ ti.xcom_pull(task_ids='create_deferred')['id'] }}"
    create_deferred = MirrorDBCreateOperator(
        task_id="create_deferred",
        endpoint="api/users",
        data={"name": "Grace", "role": "author"},
        deferrable=True,
        worker_timeout=0,
    )
    read_deferred = MirrorDBReadOperator(
        task_id="read_deferred", endpoint=grace, deferrable=True, worker_timeout=0
    )
    update_deferred = MirrorDBUpdateOperator(
        task_id="update_deferred",
        endpoint=grace,
        data={"name": "Grace", "role": "editor"},
        deferrable=True,
        worker_timeout=0,
    )
    delete_deferred = MirrorDBDeleteOperator(
        task_id="delete_deferred", endpoint=grace, deferrable=True, worker_timeout=0
    )

    report = MirrorDBCreateOperator(
        task_id="report",
        endpoint="api/reports",
        data={
            "run": "{{ run_id }}",
            "on_worker": "{{ ti.xcom_pull(task_ids='update')['role'] }}",
            "in_triggerer": "{{ ti.xcom_pull(task_ids='update_deferred')['role'] }}",
        },
    )

    # A teardown runs whatever became of the tasks between, once its setup is done.
    chain(create, read, update, delete.as_teardown(setups=create))
    chain(
        create_deferred, read_deferred, update_deferred, delete_deferred.as_teardown(setups=create_deferred)
    )
    [update, update_deferred] >> report
