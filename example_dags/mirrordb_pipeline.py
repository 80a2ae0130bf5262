"""Every hour: read the orders, add them up per customer, and write one total per customer back.

An order without what is added up fails the task, which names it, before anything is written. Another try
would meet the same, so there is none. Needs a connection ``mirrordb_default`` of type ``mirrordb`` to a
backend with the resources ``api/orders`` (records with ``customer``, ``quantity`` and ``price``) and
``api/totals``.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task

from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator


@task
def add_up(orders: list[dict[str, Any]], run_id: str | None = None) -> list[dict[str, Any]]:
    """Return one record per customer; Airflow fills in ``run_id``, which every run has."""
    totals: dict[str, float] = defaultdict(float)
    for order in orders:
        try:
            totals[order["customer"]] += order["quantity"] * order["price"]
        except KeyError as missing:
            raise AirflowFailException(f"order {order['id']} has no {missing}") from missing
    return [
        {"customer": customer, "total": total, "run": run_id} for customer, total in sorted(totals.items())
    ]


with DAG(
    "mirrordb_pipeline",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
) as dag:
    orders = MirrorDBReadOperator(task_id="read_orders", endpoint="api/orders", query={"limit": 1000})
    MirrorDBCreateOperator.partial(task_id="write_totals", endpoint="api/totals").expand(
        data=add_up(orders.output)
    )
