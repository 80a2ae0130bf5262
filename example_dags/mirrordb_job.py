"""Start jobs and wait for them: each is one task, which submits, polls, reads the result, and cancels.

A job that fails, as with ``{"fail": "no space left"}`` for the parameters of a run, fails its task with that
reason, and so the run. One that is not done in time, as with ``{"seconds": 600, "timeout": 5}``, is cancelled
before its task fails. So is one whose task is ended by hand. A retry of Airflow's submits another job only if
the one before failed or is gone. Needs a connection ``mirrordb_default`` of type ``mirrordb`` to a backend
where ``api/batches`` are jobs, as ``python -m airflow_mirrordb.devserver --port 8080 --jobs batches``.
"""

from __future__ import annotations

import tempfile
from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.operators.job import MirrorDBJobOperator

STATES = {"state": "state", "succeeded": ["succeeded"], "failed": ["failed", "cancelled"]}

with DAG(
    "mirrordb_job",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={
        "seconds": 2,
        "timeout": 3600,
        "fail": "",
        "folder": f"file://{tempfile.gettempdir()}/mirrordb_jobs",
    },
    default_args={"deferrable": True, "poll_interval": 2, "timeout": "{{ params.timeout }}"},
) as dag:
    batch = {
        "name": "nightly of {{ run_id }}",
        "running_for": "{{ params.seconds }}",
        "fail": "{{ params.fail }}",
    }

    # The answer to the submit names the job in Location. Its body tells the state: a poll of a job that
    # failed is answered 200, too. The result is the last body.
    by_state = MirrorDBJobOperator(
        task_id="by_state",
        endpoint="api/batches",
        data=batch,
        **STATES,
        error="error.message",
        progress="progress",
        cancel="POST api/batches/{id}/cancel",
    )

    # Location leads to what the job makes: 202 as long as it runs, another 2xx with the result when it is
    # done, and 409 if it failed. So there is no state to read.
    by_status = MirrorDBJobOperator(
        task_id="by_status",
        endpoint="api/batches",
        data=batch,
        headers={"Prefer": "respond-async"},
        cancel="DELETE api/batches/{id}",
    )

    # What the job makes has an endpoint of its own, comes in pages, and goes into a file. The task is handed
    # to the triggerer at once.
    to_file = MirrorDBJobOperator(
        task_id="to_file",
        endpoint="api/batches",
        data={**batch, "rows": 250},
        **STATES,
        error="error.message",
        cancel="POST api/batches/{id}/cancel",
        result={"endpoint": "api/batches/{id}/result", "query": {"limit": 100}},
        paginate={"style": "link", "total": "X-Total-Count"},
        # a run that was started by hand may have no {{ ds }}
        output_path="{{ params.folder }}/{{ dag_run.start_date | ds }}/rows.jsonl",
        worker_timeout=0,
    )
