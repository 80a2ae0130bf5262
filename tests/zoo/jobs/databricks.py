"""Databricks Jobs 2.1: a number in the query of a look and in the body of a cancel, and two states."""

from __future__ import annotations

from typing import Any, Final

from tests.zoo.jobs.backend import Asked, Failure, JobApi, JobBackend, JobCase
from tests.zoo.tables import Answer

DOCS: Final = "https://docs.databricks.com/api/workspace/jobs"
DOCUMENTED: Final = {
    f"{DOCS}/runnow": "POST 2.1/jobs/run-now takes job_id; 200 with run_id (int64) and number_in_job",
    f"{DOCS}/getrun": (
        "GET 2.1/jobs/runs/get?run_id=; state.life_cycle_state is always there (QUEUED, PENDING, RUNNING, "
        "BLOCKED, WAITING_FOR_RETRY, TERMINATING; of these three are the end: TERMINATED, SKIPPED, "
        "INTERNAL_ERROR), state.result_state only at the end (SUCCESS, SUCCESS_WITH_FAILURES, FAILED, "
        "TIMEDOUT, CANCELED, MAXIMUM_CONCURRENT_RUNS_REACHED, UPSTREAM_FAILED, UPSTREAM_CANCELED, EXCLUDED); "
        "state.state_message is free text, in any state; further states may come in later releases"
    ),
    f"{DOCS}/cancelrun": (
        "POST 2.1/jobs/runs/cancel takes run_id (int64); 200 with {}; the run ends a while later, and one "
        "that is at its end is left alone"
    ),
    f"{DOCS}/getrunoutput": (
        "GET 2.1/jobs/runs/get-output?run_id= of a task's run has notebook_output.result, what the notebook "
        "gave to dbutils.notebook.exit()"
    ),
}

JOB_ID: Final = 11223344
RUN_ID: Final = 9007199254740993  # an int64 that no double holds
TASK_RUN_ID: Final = 455644834
OUTPUT: Final = {"notebook_output": {"result": "2048 rows", "truncated": False}}


def state(life_cycle: str, result: str | None = None, message: str = "") -> dict[str, str]:
    """Return the two states of a run and what is said of them."""
    states = {"life_cycle_state": life_cycle, "state_message": message}
    return states | ({"result_state": result} if result else {})


def _run(states: Any) -> dict[str, Any]:
    return {
        "job_id": JOB_ID,
        "run_id": RUN_ID,
        "number_in_job": RUN_ID,
        "run_name": "etl",
        "state": states,
        "tasks": [{"run_id": TASK_RUN_ID, "task_key": "load"}],
        "run_page_url": f"https://my-workspace.cloud.databricks.com/?o=1#job/{JOB_ID}/run/{RUN_ID}",
    }


class Databricks(JobBackend):
    """One job, and a run of it."""

    refused = Answer(401, {"error_code": "UNAUTHENTICATED", "message": "Credential was not sent"})

    def answer(self, asked: Asked) -> Answer:
        match asked.method, asked.path:
            case "POST", "api/2.1/jobs/run-now" if asked.body == {"job_id": JOB_ID}:
                return Answer(200, {"run_id": RUN_ID, "number_in_job": RUN_ID})
            case "POST", "api/2.1/jobs/run-now":
                return _wrong("Job 1 does not exist.")
            case "GET", "api/2.1/jobs/runs/get" if asked.query == {"run_id": str(RUN_ID)}:
                return Answer(200, _run(self.next_state()))
            case "GET", "api/2.1/jobs/runs/get-output" if asked.query == {"run_id": str(TASK_RUN_ID)}:
                return Answer(200, OUTPUT)
            case "POST", "api/2.1/jobs/runs/cancel" if asked.body == {"run_id": RUN_ID}:
                self.goes_on_with(state("TERMINATING"), state("TERMINATED", "CANCELED", "Run cancelled."))
                return Answer(200, {})
        return _wrong(f"Run {asked.query or asked.body} does not exist.")


def _wrong(words: str) -> Answer:
    return Answer(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": words})


SUBMIT: Final = "POST api/2.1/jobs/run-now"
POLL: Final = f"GET api/2.1/jobs/runs/get?run_id={RUN_ID}"
API: Final = JobApi(
    name="Databricks Jobs 2.1",
    documented=DOCUMENTED,
    backend=Databricks,
    extras={
        "endpoints": [
            "POST api/2.1/jobs/run-now",
            "GET api/2.1/jobs/runs/get",
            "GET api/2.1/jobs/runs/get-output",
            "POST api/2.1/jobs/runs/cancel",
        ]
    },
    endpoint="api/2.1/jobs/run-now",
    data={"job_id": JOB_ID},
    arguments={
        "job": {"endpoint": "api/2.1/jobs/runs/get", "query": {"run_id": "{run_id}"}},
        "state": ("state.life_cycle_state == 'TERMINATED' && state.result_state || state.life_cycle_state"),
        "succeeded": ["SUCCESS", "SUCCESS_WITH_FAILURES"],
        "failed": [
            "FAILED",
            "TIMEDOUT",
            "CANCELED",
            "MAXIMUM_CONCURRENT_RUNS_REACHED",
            "UPSTREAM_FAILED",
            "UPSTREAM_CANCELED",
            "EXCLUDED",
            "SKIPPED",
            "INTERNAL_ERROR",
        ],
        "error": "state.state_message",
        "progress": "state.state_message",
        "cancel": {
            "method": "POST",
            "endpoint": "api/2.1/jobs/runs/cancel",
            "data": {"run_id": "{run_id}"},
        },
    },
    running=state("RUNNING", message="In run"),
    cancel=("POST api/2.1/jobs/runs/cancel", {"run_id": RUN_ID}),
    cases=[
        JobCase(
            what="succeeds, with a message",
            states=[
                state("PENDING", message="Waiting for cluster"),
                state("RUNNING", message="In run"),
                state("TERMINATING", "SUCCESS"),
                state("TERMINATED", "SUCCESS", "Done, as ever"),
            ],
            requests=[SUBMIT, *[POLL] * 4],
            result=_run(state("TERMINATED", "SUCCESS", "Done, as ever")),
        ),
        JobCase(
            what="its result is the output of its task",
            states=[state("RUNNING"), state("TERMINATED", "SUCCESS")],
            arguments={
                "result": {
                    "endpoint": "api/2.1/jobs/runs/get-output",
                    "query": {"run_id": "{tasks[0].run_id}"},
                }
            },
            requests=[SUBMIT, *[POLL] * 2, f"GET api/2.1/jobs/runs/get-output?run_id={TASK_RUN_ID}"],
            result=OUTPUT,
        ),
        JobCase(
            what="fails",
            states=[state("RUNNING"), state("TERMINATED", "FAILED", "Workload failed, see run output")],
            requests=[SUBMIT, *[POLL] * 2],
            fails=Failure(words=["FAILED", "Workload failed, see run output", "api/2.1/jobs/runs/get"]),
        ),
        JobCase(
            what="is skipped, without a result",
            states=[state("SKIPPED", message="An active run already exists for this job")],
            requests=[SUBMIT, POLL],
            fails=Failure(words=["SKIPPED", "An active run already exists for this job"]),
        ),
        JobCase(
            what="is refused",
            states=[state("PENDING")],
            arguments={"data": {"job_id": 1}},
            requests=[SUBMIT],
            fails=Failure(error="InvalidDataError", words=["Job 1 does not exist."]),
        ),
    ],
)
