"""Salesforce Bulk API 2.0, query jobs: results in pages of CSV by a header; aborted by a PATCH."""

from __future__ import annotations

from typing import Any, Final

from tests.zoo.jobs.backend import Asked, Failure, JobApi, JobBackend, JobCase
from tests.zoo.tables import Answer

GUIDE: Final = "https://developer.salesforce.com/docs/platform/api-asynch/guide"
DOCUMENTED: Final = {
    f"{GUIDE}/query-create-job.html": (
        "POST jobs/query takes operation and query; 200 with the job: id, state UploadComplete, contentType "
        "CSV"
    ),
    f"{GUIDE}/query-get-one-job.html": (
        "GET jobs/query/{id}; state is UploadComplete, InProgress, JobComplete, Failed or Aborted; "
        "numberRecordsProcessed tells how far it is; why a job failed is in none of the documented fields"
    ),
    f"{GUIDE}/query-get-job-results.html": (
        "GET jobs/query/{id}/results of a job that is JobComplete has CSV; the header Sforce-Locator has "
        "what the parameter locator takes for the next set of results, and on the last one the text null; "
        "maxRecords bounds a set"
    ),
    f"{GUIDE}/bulk-api-2-0-errors.html": "errors have a code, as ClientInputError",
    f"{GUIDE}/query-abort-job.html": (
        "PATCH jobs/query/{id} with state Aborted, of a job that is UploadComplete or InProgress; 200"
    ),
}

ID: Final = "750R0000000zlh9IAA"
QUERY: Final = {"operation": "query", "query": "SELECT Id, Name FROM Account"}
ROWS: Final = [
    {"Id": "005R0000000UyrWIAS", "Name": "Jane Dunn"},
    {"Id": "005R0000000GiwjIAC", "Name": "Wright, George"},
    {"Id": "005R0000000GiwoIAC", "Name": 'Pat "Patty"\nWilson'},
]
#: Locator, its rows, and the locator of the next ones. Each set is a CSV of its own, with its first line.
SETS: Final = {
    None: (['"Id","Name"', f'"{ROWS[0]["Id"]}","Jane Dunn"'], "MTAwMDA"),
    "MTAwMDA": (['"Id","Name"', f'"{ROWS[1]["Id"]}","Wright, George"'], "MjAwMDA"),
    "MjAwMDA": (['"Id","Name"', f'"{ROWS[2]["Id"]}","Pat ""Patty""\nWilson"'], "null"),
}
VERSION: Final = "services/data/v67.0"


def _job(state: str) -> dict[str, Any]:
    return {
        "id": ID,
        "operation": "query",
        "object": "Account",
        "createdById": "005R0000000GiwjIAC",
        "createdDate": "2026-03-25T01:30:50.000+0000",
        "state": state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": 67.0,
        "jobType": "V2Query",
        "lineEnding": "LF",
        "columnDelimiter": "COMMA",
        "numberRecordsProcessed": 3 if state == "JobComplete" else 0,
    }


class Salesforce(JobBackend):
    """An org, and one query job of it."""

    refused = Answer(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])

    def answer(self, asked: Asked) -> Answer:
        path = asked.path.removeprefix(f"{VERSION}/")
        match asked.method, path:
            case "POST", "jobs/query" if asked.body == QUERY:
                return Answer(200, _job("UploadComplete"))
            case "POST", "jobs/query":
                return _error(400, "ClientInputError", "Unable to find object: Acount")
            case "GET", _ if path == f"jobs/query/{ID}":
                return Answer(200, _job(self.next_state()))
            case "GET", _ if path == f"jobs/query/{ID}/results":
                return self._results(asked)
            case "PATCH", _ if path == f"jobs/query/{ID}" and asked.body == {"state": "Aborted"}:
                self.goes_on_with("Aborted")
                return Answer(200, _job("Aborted"))
        return _error(404, "NOT_FOUND", "The requested resource does not exist")

    def _results(self, asked: Asked) -> Answer:
        locator = asked.query.get("locator")
        if locator not in SETS:
            return _error(400, "ClientInputError", "Invalid locator provided")
        lines, following = SETS[locator]
        headers = {"Sforce-Locator": following, "Sforce-NumberOfRecords": "1"}
        return Answer(200, "\n".join([*lines, ""]), headers, content_type="text/csv")


def _error(status: int, code: str, message: str) -> Answer:
    return Answer(status, [{"errorCode": code, "message": message}])


SUBMIT: Final = f"POST {VERSION}/jobs/query"
POLL: Final = f"GET {VERSION}/jobs/query/{ID}"
API: Final = JobApi(
    name="Salesforce Bulk API 2.0",
    documented=DOCUMENTED,
    backend=Salesforce,
    extras={
        "endpoints": [
            "POST services/data/{version}/jobs/query",
            "GET services/data/{version}/jobs/query/{id}",
            "PATCH services/data/{version}/jobs/query/{id}",
            "GET services/data/{version}/jobs/query/{id}/results",
        ]
    },
    endpoint=f"{VERSION}/jobs/query",
    data=QUERY,
    arguments={
        "job": f"{VERSION}/jobs/query/{{id}}",
        "state": "state",
        "succeeded": ["JobComplete"],
        "failed": ["Failed", "Aborted"],
        "running": ["UploadComplete", "InProgress"],
        "progress": "numberRecordsProcessed",
        "result": {"endpoint": f"{VERSION}/jobs/query/{{id}}/results", "accept": "text/csv"},
        "paginate": {"style": "header", "next": "Sforce-Locator", "param": "locator"},
        "cancel": {"method": "PATCH", "data": {"state": "Aborted"}},
    },
    running="InProgress",
    cancel=(f"PATCH {VERSION}/jobs/query/{ID}", {"state": "Aborted"}),
    cases=[
        JobCase(
            what="its result is all rows of all sets",
            states=["UploadComplete", "InProgress", "JobComplete"],
            requests=[
                SUBMIT,
                *[POLL] * 3,
                f"{POLL}/results",
                f"{POLL}/results?locator=MTAwMDA",
                f"{POLL}/results?locator=MjAwMDA",
            ],
            result=ROWS,
        ),
        JobCase(
            what="its result is the job, where no other is asked for",
            states=["InProgress", "JobComplete"],
            arguments={"result": None, "paginate": None},
            requests=[SUBMIT, *[POLL] * 2],
            result=_job("JobComplete"),
        ),
        JobCase(
            what="fails",
            states=["InProgress", "Failed"],
            requests=[SUBMIT, *[POLL] * 2],
            fails=Failure(words=["Failed", f"jobs/query/{ID}"]),
        ),
        JobCase(
            what="is aborted by somebody",
            states=["InProgress", "Aborted"],
            requests=[SUBMIT, *[POLL] * 2],
            fails=Failure(words=["Aborted", f"jobs/query/{ID}"]),
        ),
        JobCase(
            what="is refused",
            states=["UploadComplete"],
            arguments={"data": {"operation": "query", "query": "SELECT Id FROM Acount"}},
            requests=[SUBMIT],
            fails=Failure(error="InvalidDataError", words=["Unable to find object: Acount"]),
        ),
    ],
)
