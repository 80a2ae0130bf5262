"""Read the orders of several tenants, each through a connection of its own, by one mapped task.

A tenant that cannot be read fails its own task alone, which can be cleared alone; there is no sum till then.
"""

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, task

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

TENANTS = ["mirrordb_acme", "mirrordb_globex"]


@task
def count(orders: list[list[str]]) -> int:
    return sum(map(len, orders))


with DAG("tenants", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    read = MirrorDBReadOperator.partial(task_id="read", endpoint="api/orders", response_filter="[].id")
    count(read.expand(mirrordb_conn_id=TENANTS).output)
