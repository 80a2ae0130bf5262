"""Airbyte's API: a sync of a connection is a job with a number; it is cancelled by DELETE."""

from __future__ import annotations

from typing import Any, Final

from tests.zoo.jobs.backend import Asked, Failure, JobApi, JobBackend, JobCase
from tests.zoo.tables import Answer

REFERENCE: Final = "https://reference.airbyte.com/reference"
DOCUMENTED: Final = {
    f"{REFERENCE}/createjob": (
        "POST /jobs takes connectionId and jobType (sync, reset, ...); 200 with the job; "
        "jobId, status, jobType, startTime and connectionId are always there, jobId is an int64"
    ),
    f"{REFERENCE}/getjob": "GET /jobs/{jobId} has the job; 404 for one that is unknown",
    f"{REFERENCE}/canceljob": "DELETE /jobs/{jobId} cancels a running job; 200 with the job",
    "https://github.com/airbytehq/airbyte-api-python-sdk": (
        "status is pending, running, incomplete, failed, succeeded or cancelled (JobStatusEnum); of the "
        "fields of a job none says why it failed"
    ),
}

CONNECTION: Final = "e735894a-e773-4938-969f-45f53957b75b"
SYNC: Final = {"connectionId": CONNECTION, "jobType": "sync"}
JOB: Final = 1234


def _job(status: str) -> dict[str, Any]:
    job = {
        "jobId": JOB,
        "status": status,
        "jobType": "sync",
        "startTime": "2026-03-25T01:30:50Z",
        "connectionId": CONNECTION,
        "lastUpdatedAt": "2026-03-25T02:30:50Z",
    }
    return job | ({"bytesSynced": 7340032, "rowsSynced": 2048} if status == "succeeded" else {})


class Airbyte(JobBackend):
    """One connection, and the job of its sync."""

    base = "/api/public/v1"

    def answer(self, asked: Asked) -> Answer:
        match asked.method, asked.path:
            case "POST", "jobs" if asked.body == SYNC:
                return Answer(200, _job("pending"))
            case "POST", "jobs":
                return Answer(400, {"message": "The request body is invalid"})
            case "GET", "jobs/1234":
                return Answer(200, _job(self.next_state()))
            case "DELETE", "jobs/1234":
                self.goes_on_with("cancelled")
                return Answer(200, _job("cancelled"))
        return Answer(404, {"message": "Not found"})


POLL: Final = f"GET jobs/{JOB}"
API: Final = JobApi(
    name="Airbyte",
    documented=DOCUMENTED,
    backend=Airbyte,
    extras={"endpoints": ["jobs"]},
    endpoint="jobs",
    data=SYNC,
    arguments={
        "job": "jobs/{jobId}",
        "state": "status",
        "succeeded": ["succeeded"],
        "failed": ["failed", "cancelled"],
        "running": ["pending", "running", "incomplete"],
        "progress": "rowsSynced",
        "cancel": "DELETE jobs/{jobId}",
    },
    running="running",
    cancel=(f"DELETE jobs/{JOB}", None),
    cases=[
        JobCase(
            what="succeeds",
            states=["pending", "running", "incomplete", "running", "succeeded"],
            requests=["POST jobs", *[POLL] * 5],
            result=_job("succeeded"),
        ),
        JobCase(
            what="fails",
            states=["running", "failed"],
            requests=["POST jobs", *[POLL] * 2],
            fails=Failure(words=["failed", f"jobs/{JOB}"]),
        ),
        JobCase(
            what="is cancelled by somebody",
            states=["running", "cancelled"],
            requests=["POST jobs", *[POLL] * 2],
            fails=Failure(words=["cancelled", f"jobs/{JOB}"]),
        ),
        JobCase(
            what="is refused",
            states=["running"],
            arguments={"data": {"connectionId": CONNECTION}},
            requests=["POST jobs"],
            fails=Failure(error="InvalidDataError", words=["The request body is invalid"]),
        ),
    ],
)
