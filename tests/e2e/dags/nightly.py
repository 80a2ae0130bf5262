"""What another Airflow runs; each run says in its ``conf`` how it ends."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task


@task
def load(dag_run: Any = None) -> None:
    ends = dag_run.conf.get("ends")
    if ends == "failed":
        raise AirflowFailException("no space left")
    if ends == "late":
        time.sleep(3600)


with DAG("nightly", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    load()
