"""Write one invoice per order in TaskFlow: results of operators in mapped tasks, and tasks that get the hook.

An order that cannot be priced fails its own mapped task, and what comes after; an invoice that is refused
fails the task without Airflow's retries, which are for what may pass. Needs a connection ``mirrordb_default``
of type ``mirrordb`` to a backend with the resources ``api/orders`` (records with ``customer``, ``quantity``
and ``price``) and ``api/invoices``.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, Asset, task

from airflow_mirrordb.decorators import mirrordb_task  # task.mirrordb, by a name that type checkers know
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator

if TYPE_CHECKING:  # Airflow reads this file often, and sends nothing then
    from airflow_mirrordb.client import GenericMirrorDB
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook


@task
def invoice(order: dict[str, Any]) -> dict[str, Any]:
    """Return the invoice of one order."""
    return {"customer": order["customer"], "total": order["quantity"] * order["price"], "state": "new"}


@mirrordb_task(mirrordb_conn_id="mirrordb_default", retries=2)
def send(hook: MirrorDBHook, invoices: list[dict[str, Any]]) -> list[str]:
    """A plain function gets the open hook: all requests go through one connection."""
    return [
        hook.update(f"api/invoices/{invoice['id']}", {"state": "sent"}, partial=True)["id"]
        for invoice in invoices
    ]


@mirrordb_task
async def check(client: GenericMirrorDB, ids: list[str]) -> dict[str, str]:
    """A coroutine function gets the client: many requests at the same time."""
    reading = (client.read_function("check", f"api/invoices/{invoice_id}") for invoice_id in ids)
    return {invoice["id"]: invoice["state"] for invoice in await asyncio.gather(*reading)}


with DAG(
    "mirrordb_taskflow", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False
) as dag:
    orders = MirrorDBReadOperator(task_id="orders", endpoint="api/orders")
    written = MirrorDBCreateOperator.partial(
        task_id="write",
        endpoint="api/invoices",
        outlets=[Asset("mirrordb://mirrordb_default/api/invoices")],  # DAGs scheduled on it run then
    ).expand(data=invoice.expand(order=orders.output))
    check(send(written.output))
