"""Tasks of a user's own that raise other exceptions in the place of our errors, and who is told of them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from airflow.sdk import DAG, task
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from airflow_mirrordb.client import MirrorDBError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.notifications.mirrordb import MirrorDBNotifier
from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy
from tests.support.wrapped_errors import WAYS

#: What happens to the request of each way; the others ask for what is not there.
LIMITED = ("in_a_group",)
UNKNOWN = ("while_handled", "as_the_cause_of_an_interruption")

TOLD: dict[str, Any] = {"endpoint": "api/incidents", "mirrordb_conn_id": "incidents"}
tell = MirrorDBNotifier(data={"way": "{{ ti.map_index }}", "error": "{{ exception }}"}, **TOLD)
tell_nobody = MirrorDBNotifier(
    endpoint="api/lost/incidents", data={}, mirrordb_conn_id="incidents", method_name="tell nobody"
)
tell_of_run = MirrorDBNotifier(data={"run": "{{ run_id }}", "reason": "{{ reason }}"}, **TOLD)
late = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_QUEUED_AT,
    interval=timedelta(seconds=1),
    callback=AsyncCallback(MirrorDBNotifier, kwargs={"data": {"late": "{{ dag_run.dag_run_id }}"}, **TOLD}),
)

with DAG(
    "wrapped_errors",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    on_failure_callback=tell_of_run,
    deadline=late,
) as dag:

    @task(
        retries=1,
        retry_delay=timedelta(days=1),  # only the policy makes it less
        retry_policy=MirrorDBRetryPolicy(),
        on_failure_callback=[tell, tell_nobody],
        on_retry_callback=tell,
    )
    def wrap(way: str) -> Literal["done"]:
        with MirrorDBHook("wrapped_errors") as hook:
            try:
                if way in UNKNOWN:
                    hook.create("api/unknown", {"way": way})
                hook.read(f"api/{'limited' if way in LIMITED else 'lost'}/{way}")
            except MirrorDBError as error:
                WAYS[way](error)
        return "done"

    wrap.expand(way=list(WAYS))
