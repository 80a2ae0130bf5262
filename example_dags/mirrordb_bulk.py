"""Every night: read the orders, create one invoice for each, and mark all invoices as sent.

Each task sends many requests, 32 at a time; a retry repeats only those that are not done. Up to a tenth of
the invoices may be refused, as those that exist, and the others go on; the last task fails then, and names
them. Needs a connection ``mirrordb_default`` of type ``mirrordb`` to a backend with the resources
``api/orders`` (records with ``id``, ``customer``, ``quantity`` and ``price``) and ``api/invoices``.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task

from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)


@task
def invoices_for(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"of-{order['id']}",
            "customer": order["customer"],
            "total": order["quantity"] * order["price"],
        }
        for order in orders
    ]


@task
def endpoints_of(report: dict[str, Any]) -> list[str]:
    """Return where the invoices are that were created."""
    done = [record["response"] for record in report["records"] if record["status"] == "done"]
    return [f"api/invoices/{invoice['id']}" for invoice in done]


@task
def tell_what_is_left(report: dict[str, Any]) -> None:
    """Fail if there are invoices that were not created: records that failed do not fail their own task."""
    if left := [record["error"]["message"] for record in report["records"] if record["status"] != "done"]:
        raise AirflowFailException(f"{len(left)} invoices were not created: {'; '.join(left[:10])}")


with DAG(
    "mirrordb_bulk",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
) as dag:
    orders = MirrorDBReadOperator(task_id="read_orders", endpoint="api/orders", query={"limit": 1000})
    invoices = MirrorDBCreateOperator(
        task_id="create_invoices",
        endpoint="api/invoices",
        data=invoices_for(orders.output),
        bulk=True,
        on_error="continue",
        max_failed=0.1,
    )
    sent = MirrorDBUpdateOperator(
        task_id="mark_as_sent",
        endpoint=endpoints_of(invoices.output),
        data={"state": "sent"},
        partial=True,
        on_error="continue",
    )
    sent >> tell_what_is_left(invoices.output)
