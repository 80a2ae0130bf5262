"""Creates and deletes that are ended while in flight: on workers, in the triggerer, without a key."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
)

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=1)}

with DAG("killed_on_worker", schedule=None, start_date=START, default_args=RETRIES):
    MirrorDBCreateOperator.partial(
        task_id="create", mirrordb_conn_id="killed_on_worker", endpoint="api/killed_on_worker"
    ).expand(data=[{"number": number} for number in range(3)])

with DAG("killed_in_triggerer", schedule=None, start_date=START, default_args=RETRIES):
    deferred: dict[str, Any] = {
        "mirrordb_conn_id": "killed_in_triggerer",
        "endpoint": "api/killed_in_triggerer",
        "deferrable": True,
        "worker_timeout": 0,
    }
    MirrorDBCreateOperator.partial(task_id="create", **deferred).expand(
        data=[{"number": number} for number in range(2)]
    )
    MirrorDBReadOperator(task_id="read", **deferred)

with DAG("cleared", schedule=None, start_date=START, default_args=RETRIES):
    for name, data in {"one": {"number": 0}, "many": [{"number": 1}, {"number": 2}]}.items():
        MirrorDBCreateOperator(
            task_id=name, mirrordb_conn_id="cleared", endpoint="api/cleared", data=data, bulk=name == "many"
        )

with DAG("killed_without_key", schedule=None, start_date=START, default_args=RETRIES):
    MirrorDBCreateOperator(
        task_id="create",
        mirrordb_conn_id="killed_without_key",
        endpoint="api/killed_without_key",
        data={"number": 0},
    )

with DAG("timed_out_without_key", schedule=None, start_date=START, default_args=RETRIES):
    MirrorDBCreateOperator(
        task_id="create",
        mirrordb_conn_id="timed_out_without_key",
        endpoint="api/timed_out_without_key",
        data={"number": 0},
        execution_timeout=timedelta(hours=1),
    )

with DAG("killed_delete_on_worker", schedule=None, start_date=START, default_args=RETRIES):
    MirrorDBDeleteOperator(
        task_id="delete", mirrordb_conn_id="killed_delete_on_worker", endpoint="api/killed_delete_on_worker/1"
    )

with DAG("killed_delete_in_triggerer", schedule=None, start_date=START, default_args=RETRIES):
    MirrorDBDeleteOperator(
        task_id="delete",
        mirrordb_conn_id="killed_delete_in_triggerer",
        endpoint="api/killed_delete_in_triggerer/1",
        deferrable=True,
        worker_timeout=0,
    )

for name in ("killed_bulk", "killed_bulk_without_key"):
    with DAG(name, schedule=None, start_date=START, default_args=RETRIES):
        MirrorDBCreateOperator(
            task_id="create",
            mirrordb_conn_id=name,
            endpoint=f"api/{name}",
            data=[{"number": number} for number in range(100)],
            bulk=True,
            concurrency=4,
        )
