"""Reads and sensors that begin in the triggerer, and some that end there, too."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG, task

from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor

STARTED: dict[str, Any] = {"start_from_trigger": True}
ENDED: dict[str, Any] = {"start_from_trigger": True, "end_from_trigger": True}
TICKET = "api/tickets/{{ ti.xcom_pull(task_ids='create', map_indexes=-1)['id'] }}"

with DAG(
    "started",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 3, "retry_delay": timedelta(seconds=0)},
) as dag:

    @task
    def state_of(ticket: dict[str, Any]) -> str:
        return str(ticket["state"])

    create = MirrorDBCreateOperator(task_id="create", endpoint="api/tickets", data={"state": "new"})
    tickets = MirrorDBReadOperator(
        task_id="mapped_over", endpoint="api/tickets", query={"by": "{{ task.task_id }}"}, **ENDED
    )
    create >> [
        MirrorDBReadOperator(task_id="started", endpoint=TICKET, **STARTED),
        MirrorDBReadOperator(task_id="ended", endpoint=TICKET, **ENDED),
        MirrorDBReadOperator(task_id="silent", endpoint=TICKET, do_xcom_push=False, **ENDED),
        MirrorDBReadOperator(
            task_id="filtered", endpoint=TICKET, response_filter=lambda ticket: ticket["state"], **STARTED
        ),
        MirrorDBSensor(task_id="is_new", endpoint=TICKET, field="state", equals="{{ 'new' }}", **ENDED),
        MirrorDBSensor(
            task_id="too_late", endpoint="api/lost/9", timeout=2, poke_interval=1, soft_fail=True, **ENDED
        ),
        MirrorDBReadOperator(task_id="missing", endpoint="api/lost/{{ task.task_id }}", **ENDED),
        MirrorDBReadOperator.partial(task_id="mapped", **ENDED).expand(endpoint=[TICKET]),
        tickets,
    ]
    state_of.expand(ticket=tickets.output)
