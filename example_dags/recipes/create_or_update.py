"""Write a customer whose id is known: update the record if it is there, else create it."""

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task


@task(retries=0)  # the client has tried again what may be; any other error is for a person to look at
def create_or_update(record: dict[str, Any]) -> Any:
    from airflow_mirrordb.client import NotFoundError
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    with MirrorDBHook("mirrordb_default") as hook:
        try:
            return hook.update(f"api/customers/{record['id']}", record)
        except NotFoundError:
            return hook.create("api/customers", record)  # a ConflictError if somebody else was faster


with DAG("create_or_update", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    create_or_update({"id": "acme", "name": "Acme"})
