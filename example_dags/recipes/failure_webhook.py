"""Tell a webhook of each task that failed for good, and of the run that failed with it."""

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.notifications.mirrordb import MirrorDBNotifier
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

WHAT = {"dag": "{{ dag.dag_id }}", "run": "{{ run_id }}"}
task_failed = MirrorDBNotifier(  # not every Airflow tells the error
    endpoint="api/incidents", data={**WHAT, "task": "{{ ti.task_id }}", "error": "{{ exception }}"}
)
run_failed = MirrorDBNotifier(endpoint="api/incidents", data={**WHAT, "reason": "{{ reason }}"})

with DAG(
    "failure_webhook",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    params={"order": "1"},
    default_args={"on_failure_callback": task_failed},
    on_failure_callback=run_failed,
) as dag:
    MirrorDBReadOperator(task_id="read", endpoint="api/orders/{{ params.order }}")
