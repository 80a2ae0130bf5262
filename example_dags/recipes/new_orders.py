"""Every day: the orders since the last run that succeeded, or since yesterday, in pages, into a file."""

from datetime import datetime, timezone
from tempfile import gettempdir

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

SINCE = "(prev_start_date_success or dag_run.start_date - macros.timedelta(days=1)).isoformat()"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)

with DAG("new_orders", schedule="@daily", start_date=START, catchup=False) as dag:
    MirrorDBReadOperator(
        task_id="new_orders",
        endpoint="api/orders",
        query={"created_after": f"{{{{ {SINCE} }}}}", "limit": 2},
        # fewer orders than the backend says there are fail the task, and leave no file
        paginate={"style": "link", "total": "X-Total-Count"},
        output_path=f"file://{gettempdir()}/new_orders/{{{{ dag_run.start_date | ts_nodash }}}}.jsonl",
        deferrable=True,
    )
