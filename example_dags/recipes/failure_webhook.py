"""Tell a webhook of each task that failed for good: a callback sends it by the hook."""

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator


def tell(context: Any) -> None:
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    ti, error = context["ti"], context.get("exception") or "see its log"  # not every Airflow tells
    failure = {"dag": ti.dag_id, "run": ti.run_id, "task": ti.task_id, "error": str(error)[:500]}
    with MirrorDBHook("mirrordb_default") as hook:
        hook.create("api/incidents", failure)


START = datetime(2026, 1, 1, tzinfo=timezone.utc)

with DAG("failure_webhook", schedule=None, start_date=START, params={"order": "1"}) as dag:
    MirrorDBReadOperator(task_id="read", endpoint="api/orders/{{ params.order }}", on_failure_callback=tell)
