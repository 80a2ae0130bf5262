"""Jobs whose task is ended: by SIGKILL of its worker or its triggerer, or by a person."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.job import MirrorDBJobOperator

DEFERRED: dict[str, Any] = {"deferrable": True, "worker_timeout": 0}
#: A job that never ends by itself; that of a later try is done at once.
ENDLESS_AT_FIRST = "{{ 86400 if ti.try_number == 1 else 0 }}"
TASKS: dict[str, dict[str, Any]] = {
    "killed_before_submit": {},
    "killed_before_note": {},
    "killed_before_note_without_key": {},
    "killed_after_note": {},
    "killed_while_polling": {},
    "killed_while_deferred": DEFERRED,
    "moved_while_deferred": DEFERRED,
    "failed_on_worker": {},
    "cleared_on_worker": {"data": {"running_for": ENDLESS_AT_FIRST}},
    "failed_while_deferred": DEFERRED,
    "cleared_while_deferred": {"data": {"running_for": ENDLESS_AT_FIRST}, **DEFERRED},
}

with DAG(
    "killed_jobs",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
    max_active_tasks=len(TASKS),
):
    for name, more in TASKS.items():
        arguments: dict[str, Any] = {"data": {"running_for": 86400}, **more}
        MirrorDBJobOperator(
            task_id=name,
            mirrordb_conn_id=name,
            endpoint=f"api/{name}",
            state="state",
            succeeded=["succeeded"],
            failed=["failed", "cancelled"],
            error="error.message",
            cancel=f"POST api/{name}/{{id}}/cancel",
            poll_interval=1,
            **arguments,
        )
