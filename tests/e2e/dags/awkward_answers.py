"""Ask a backend for what Airflow's messages and its database cannot hold, beside a healthy request."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG

from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator

DEFERRED: dict[str, Any] = {"deferrable": True, "worker_timeout": 0}
ENDED: dict[str, Any] = {"start_from_trigger": True, "end_from_trigger": True}

with DAG(
    "awkward_answers",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={
        "mirrordb_conn_id": "awkward",
        "retries": 2,
        "retry_delay": timedelta(seconds=0),
    },
):
    MirrorDBReadOperator(task_id="slow", endpoint="api/slow", request_timeout=290, **DEFERRED) >> [
        MirrorDBReadOperator(task_id="after_slow", endpoint="api/half")
    ]
    for name in ("big", "half"):
        MirrorDBReadOperator(task_id=name, endpoint=f"api/{name}", **DEFERRED)
        MirrorDBReadOperator(task_id=f"{name}_ended", endpoint=f"api/{name}", **ENDED)
    shaped = {"__type": "dict", "__var": {"q": 1}}
    MirrorDBCreateOperator(task_id="shaped", endpoint="api/shaped", data=shaped, **DEFERRED)
    MirrorDBCreateOperator(task_id="created", endpoint="api/created", data={"a": 1})
    MirrorDBCreateOperator(
        task_id="many", endpoint="api/many", data=[{"a": number} for number in range(3)], bulk=True
    )
