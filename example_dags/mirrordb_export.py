"""Every day: write all orders to a file, page by page, and add up what the file holds.

Fewer orders than the backend says there are fail the export, and leave no file; a file that cannot be added
up is kept, and the task says what is wrong. Needs a connection ``mirrordb_default`` of type ``mirrordb`` to a
backend with the resource ``api/orders`` (records with ``quantity`` and ``price``). The parameter ``folder``
may be on any storage that all workers and the triggerer reach, as ``s3://conn_id@bucket/exports``.
"""

from __future__ import annotations

import json
import tempfile
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, ObjectStoragePath, task

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator


@task
def add_up(export: dict[str, Any]) -> float:
    """Return what all orders come to; ``export`` tells where they are, and how many."""
    lines = ObjectStoragePath(export["path"]).read_bytes().splitlines()
    orders = [json.loads(line) for line in lines]
    if len(orders) != export["records"]:
        raise AirflowFailException(f"{export['path']} was changed: it holds {len(orders)} orders")
    if wrong := [order["id"] for order in orders if not {"quantity", "price"} <= order.keys()]:
        raise AirflowFailException(f"{export['path']} has orders without quantity or price: {wrong}")
    return sum((order["quantity"] * order["price"] for order in orders), 0.0)


with DAG(
    "mirrordb_export",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={"folder": f"file://{tempfile.gettempdir()}/mirrordb_exports"},
) as dag:
    export = MirrorDBReadOperator(
        task_id="export",
        endpoint="api/orders",
        query={"limit": 2},
        paginate={"style": "link", "total": "X-Total-Count"},
        # a run that was started by hand may have no {{ ds }}
        output_path="{{ params.folder }}/{{ dag_run.start_date | ds }}/orders.jsonl",
        deferrable=True,
        worker_timeout=0,
    )
    add_up(export.output)
