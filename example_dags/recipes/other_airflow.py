"""Run a DAG of another Airflow, and wait for it; if it fails there, or takes too long, so does the task here.

Connection: Host is its ``https://…/api/v2``, extra ``{"endpoints": ["dags/{dag}/dagRuns"]}``, and Password
the ``access_token`` that ``POST /auth/token`` answers to ``{"username": …, "password": …}``. That is valid
for a day: a DAG of yours puts a new one there in time. A task that waits takes it when the old one ends.
"""

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.job import MirrorDBJobOperator

STATES = {"state": "state", "succeeded": ["success"], "failed": ["failed"]}
with DAG("other_airflow", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    MirrorDBJobOperator(
        task_id="nightly",
        mirrordb_conn_id="other_airflow",
        endpoint="dags/nightly/dagRuns",
        data={"logical_date": None, "conf": {"asked_by": "{{ run_id }}"}},
        job="dags/{dag_id}/dagRuns/{dag_run_id}",
        cancel={"method": "PATCH", "data": {"state": "failed"}},
        **{**STATES, "poll_interval": 5, "timeout": 3600, "deferrable": True},
    )
