"""Change an order only if it is still what was read: its entity tag goes from one task to the other.

If it was changed meanwhile, the backend answers 412, and the task fails at once: clear both tasks then.
"""

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator, MirrorDBUpdateOperator

START = datetime(2026, 1, 1, tzinfo=timezone.utc)

with DAG("update_if_unchanged", schedule=None, start_date=START, params={"order": "1"}) as dag:
    read = MirrorDBReadOperator(task_id="read", endpoint="api/orders/{{ params.order }}", full_response=True)
    update = MirrorDBUpdateOperator(
        task_id="update",
        endpoint="api/orders/{{ params.order }}",
        data="""{"quantity": {{ ti.xcom_pull('read')['data']['quantity'] + 1 }}}""",
        partial=True,
        if_match="{{ ti.xcom_pull('read')['etag'] }}",
    )
    read >> update
