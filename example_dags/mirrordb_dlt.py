"""Every day: merge the orders that are new or changed into a table of a SQL database, by dlt.

An order without ``updated_at`` fails the task, and leaves the table as it was; the next run begins where the
last one that succeeded ended. Needs ``dlt[sqlalchemy]`` on the workers, and a connection ``mirrordb_default``
of type ``mirrordb`` to a backend with the resource ``api/orders`` (records with ``id`` and ``updated_at``).
The parameter ``database`` may be the URL of any database of SQLAlchemy that all workers reach.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

SETTINGS = {
    "PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false",  # else dlt asks Airflow for a Variable for each setting
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}


@task
def load(database: str) -> dict[str, int]:
    """Return how many rows of each table this run brought."""
    os.environ.update(SETTINGS)  # before dlt looks for its first setting
    import dlt

    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    newer = dlt.sources.incremental("updated_at", initial_value="2026-01-01T00:00:00Z")

    @dlt.resource(name="orders", primary_key="id", write_disposition="merge")
    def orders(hook: MirrorDBHook, updated: Any = newer) -> Iterator[dict[str, Any]]:
        yield from hook.records(
            "api/orders",
            query={"updated_after": updated.start_value, "limit": 2},
            paginate={"style": "link", "total": "X-Total-Count"},
        )

    # What dlt knows of earlier runs is in the database as well: the next one may be on another worker.
    with MirrorDBHook("mirrordb_default") as hook, tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "mirrordb_orders",
            pipelines_dir=folder,
            destination=dlt.destinations.sqlalchemy(database),
            dataset_name="main",
        )
        pipeline.run(orders(hook))
    return {"orders": pipeline.last_trace.last_normalize_info.row_counts.get("orders", 0)}


with DAG(
    "mirrordb_dlt",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    params={"database": f"sqlite:///{tempfile.gettempdir()}/mirrordb_orders.db"},
) as dag:
    load("{{ params.database }}")
