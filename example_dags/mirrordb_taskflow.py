"""Write one invoice per order in TaskFlow: results of operators in mapped tasks, and the hook in tasks.

An order that cannot be priced fails its own mapped task, and what comes after; an invoice that is refused
fails the task without Airflow's retries, which are for what may pass. Needs a connection ``mirrordb_default``
of type ``mirrordb`` to a backend with the resources ``api/orders`` (records with ``customer``, ``quantity``
and ``price``) and ``api/invoices``.

A task that is a coroutine needs Airflow 3.2; with an older one this DAG has no task ``check``.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, Asset, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS

from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator

# The hook is imported where it is used: Airflow reads this file often, and sends nothing then.


@task
def invoice(order: dict[str, Any]) -> dict[str, Any]:
    """Return the invoice of one order."""
    return {"customer": order["customer"], "total": order["quantity"] * order["price"], "state": "new"}


@task
def send(invoices: list[dict[str, Any]]) -> list[str]:
    """The hook in a plain task: all requests go through one connection."""
    from airflow_mirrordb.client import MirrorDBError
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    try:
        with MirrorDBHook("mirrordb_default") as hook:
            return [
                hook.update(f"api/invoices/{invoice['id']}", {"state": "sent"}, partial=True)["id"]
                for invoice in invoices
            ]
    except MirrorDBError as error:
        if error.retryable:
            raise
        raise AirflowFailException(str(error)) from error


@task
async def check(ids: list[str]) -> dict[str, str]:
    """The hook in a task that is a coroutine: the client, and many requests at the same time."""
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    async with MirrorDBHook("mirrordb_default") as client:
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
    sent = send(written.output)
    if AIRFLOW_V_3_2_PLUS:
        check(sent)
