"""Jobs of a mapped task, by ``dag.test()``: on the worker, deferred, and by the hook in a ``@task``."""

from __future__ import annotations

import secrets
from itertools import count

import pytest

from airflow_mirrordb.devserver import DevServer, Jobs
from tests.support.runs import Runs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

NUMBER = 20
DAG_FILE = f"""
from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, task

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.job import MirrorDBJobOperator

JOB = {{"state": "state", "succeeded": ["succeeded"], "failed": ["failed"], "poll_interval": 0.01}}
INPUTS = [{{"number": number}} for number in range({NUMBER})]


@task
def by_hook():
    with MirrorDBHook() as hook:
        return [hook.run_job("api/reports", data, **JOB)["number"] for data in INPUTS]


@task
def compare(mapped, by_hook):
    assert [job["number"] for job in mapped] == by_hook == list(range({NUMBER}))


with DAG("mapped_jobs", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    partial = MirrorDBJobOperator.partial(task_id="mapped", endpoint="api/reports", worker_timeout=0, **JOB)
    ways = [{{"data": data, "deferrable": data["number"] % 2 == 0}} for data in INPUTS]
    compare(partial.expand_kwargs(ways).output, by_hook())
"""


def test_all_ways_bring_the_same(runs: Runs) -> None:
    """Twenty inputs, half of them deferred, and all by the hook: one job and the same requests for each."""
    looks = count()  # by which the time of the jobs is counted: each is done at the fourth
    jobs = Jobs(["reports"], queued_for=2, running_for=3, clock=lambda: float(next(looks)))
    runs.add("mapped_jobs", DAG_FILE)
    with DevServer(api_key=secrets.token_urlsafe(24), jobs=jobs) as server:
        with runs.connected("environment", {"mirrordb_default": server.connection()}) as environment:
            (outcome,), output = runs.run([("mapped_jobs", {})], **environment)
        lines = [f"{entry.method} {entry.path} {entry.status}" for entry in server.requests()]
    assert outcome["state"] == "success", output
    assert output.count("running trigger in line") == NUMBER // 2
    polls = [f"GET /api/reports/{number} 200" for number in range(1, 2 * NUMBER + 1) for _ in range(4)]
    assert [line for line in lines if line.startswith("GET")] == polls
    assert lines.count("POST /api/reports 202") == 2 * NUMBER == len(lines) - len(polls)
