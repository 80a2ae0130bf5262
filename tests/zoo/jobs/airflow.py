"""Airflow's own REST API v2: a DAG run, whose id has a colon and a plus; it is ended by a PATCH."""

from __future__ import annotations

from typing import Any, Final

from tests.zoo.jobs.backend import Asked, Failure, JobApi, JobBackend, JobCase
from tests.zoo.tables import Answer

DOCS: Final = "https://airflow.apache.org/docs/apache-airflow/stable"
DOCUMENTED: Final = {
    f"{DOCS}/stable-rest-api-ref.html#operation/trigger_dag_run": (
        "POST dags/{dag_id}/dagRuns takes logical_date, which must be there and may be null, and conf; 200 "
        "with the run: dag_run_id, dag_id, state, conf, ...; 409 where the id is taken, 422 for a wrong body"
    ),
    f"{DOCS}/stable-rest-api-ref.html#operation/get_dag_run": (
        "GET dags/{dag_id}/dagRuns/{dag_run_id}; state is queued, running, success or failed; 404 with detail"
    ),
    f"{DOCS}/stable-rest-api-ref.html#operation/patch_dag_run": (
        "PATCH of the same takes state (queued, success, failed) and note; 200 with the run"
    ),
    f"{DOCS}/stable-rest-api-ref.html#operation/get_xcom_entry": (
        "GET dags/{dag_id}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key} has value"
    ),
    f"{DOCS}/security/api.html": "a token of POST /auth/token goes into Authorization: Bearer",
}

RUN: Final = "manual__2026-03-25T01:30:50.123456+00:00"
CONF: Final = {"day": "2026-03-24"}
TRIGGER: Final = {"logical_date": None, "conf": CONF}
XCOM: Final = {"key": "return_value", "task_id": "load", "dag_id": "etl", "run_id": RUN, "value": 2048}


def _run(state: str) -> dict[str, Any]:
    return {
        "dag_run_id": RUN,
        "dag_id": "etl",
        "logical_date": None,
        "queued_at": "2026-03-25T01:30:50Z",
        "start_date": None if state == "queued" else "2026-03-25T01:30:51Z",
        "end_date": "2026-03-25T02:30:50Z" if state in ("success", "failed") else None,
        "run_type": "manual",
        "state": state,
        "triggered_by": "rest_api",
        "conf": CONF,
        "note": None,
    }


class Airflow(JobBackend):
    """One DAG, and a run of it."""

    base = "/api/v2"
    refused = Answer(401, {"detail": "Not authenticated"})

    def answer(self, asked: Asked) -> Answer:
        run = f"dags/etl/dagRuns/{RUN}"
        if asked.path == "dags/etl/dagRuns" and asked.method == "POST":
            return self._trigger(asked.body)
        if asked.path == run and asked.method == "GET":
            return Answer(200, _run(self.next_state()))
        if asked.path == run and asked.method == "PATCH":
            return self._patch(asked.body)
        if asked.path == f"{run}/taskInstances/load/xcomEntries/return_value" and asked.method == "GET":
            return Answer(200, XCOM)
        return Answer(404, {"detail": f"The DagRun with dag_id: `etl` was not found: {asked.path}"})

    def _trigger(self, body: Any) -> Answer:
        if "logical_date" not in body:
            error = {"type": "missing", "loc": ["body", "logical_date"], "msg": "Field required"}
            return Answer(422, {"detail": [error | {"input": body}]})
        return Answer(200, _run("queued"))

    def _patch(self, body: Any) -> Answer:
        if body != {"state": "failed"}:
            error = {"type": "enum", "loc": ["body", "state"], "msg": "Input should be 'queued', 'success'"}
            return Answer(422, {"detail": [error | {"input": body}]})
        self.goes_on_with("failed")
        return Answer(200, _run("failed"))


SUBMIT: Final = "POST dags/etl/dagRuns"
POLL: Final = f"GET dags/etl/dagRuns/{RUN}"
API: Final = JobApi(
    name="Airflow API v2",
    documented=DOCUMENTED,
    backend=Airflow,
    extras={
        "endpoints": [
            "POST dags/{dag}/dagRuns",
            "GET dags/{dag}/dagRuns/{run}",
            "PATCH dags/{dag}/dagRuns/{run}",
            "GET dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}",
        ]
    },
    endpoint="dags/etl/dagRuns",
    data=TRIGGER,
    arguments={
        "job": "dags/{dag_id}/dagRuns/{dag_run_id}",
        "state": "state",
        "succeeded": ["success"],
        "failed": ["failed"],
        "running": ["queued", "running"],
        "cancel": {"method": "PATCH", "data": {"state": "failed"}},
    },
    running="running",
    cancel=(f"PATCH dags/etl/dagRuns/{RUN}", {"state": "failed"}),
    cases=[
        JobCase(
            what="succeeds",
            states=["queued", "running", "success"],
            requests=[SUBMIT, *[POLL] * 3],
            result=_run("success"),
        ),
        JobCase(
            what="its result is an XCom",
            states=["running", "success"],
            arguments={
                "result": "dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/load/xcomEntries/return_value"
            },
            requests=[SUBMIT, *[POLL] * 2, f"{POLL}/taskInstances/load/xcomEntries/return_value"],
            result=XCOM,
        ),
        JobCase(
            what="fails",
            states=["queued", "running", "failed"],
            requests=[SUBMIT, *[POLL] * 3],
            fails=Failure(words=["failed", "dags/etl/dagRuns/manual__2026-03-25T01"]),
        ),
        JobCase(
            what="is refused",
            states=["queued"],
            arguments={"data": {"conf": CONF}},
            requests=[SUBMIT],
            fails=Failure(error="InvalidDataError", words=["logical_date", "Field required"]),
        ),
    ],
)
