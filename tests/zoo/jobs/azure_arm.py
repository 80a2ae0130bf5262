"""Azure Resource Manager: an action with two headers, one for its state and one for its result."""

from __future__ import annotations

from typing import Any, Final

from tests.zoo.jobs.backend import Asked, Failure, JobApi, JobBackend, JobCase
from tests.zoo.tables import Answer

DOCUMENTED: Final = {
    "https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations": (
        "201 or 202; Azure-AsyncOperation is the URL to look at if it is there, Location otherwise; "
        "Retry-After in seconds; 200 or 204 at the end"
    ),
    "https://github.com/cloud-and-ai-microsoft/resource-provider-contract/blob/master/v1.0/"
    "async-api-reference.md": (
        "a POST action answers 202 with Location and, if it likes, Azure-AsyncOperation, both absolute. "
        "Location answers 202 without a body as long as it goes on, then exactly what the action would have "
        "answered at once, be it an error. Azure-AsyncOperation answers 200, with status (Succeeded, Failed, "
        "Canceled, or any other that means it goes on) and error (code, message); its 4xx and 5xx are "
        "failures to read the status, not of the operation"
    ),
}

API_VERSION: Final = "2024-11-01"
WIDGET: Final = "subscriptions/s1/resourceGroups/g1/providers/Contoso.Test/widgets/w1"
OPERATIONS: Final = "subscriptions/s1/providers/Contoso.Test"
KEYS: Final = {"keys": [{"keyName": "key1", "value": "xyz"}]}
ERROR: Final = {"code": "InvalidSku", "message": "The sku of widget w1 has no keys."}


class ResourceManager(JobBackend):
    """A widget whose keys are made anew. A state is a status of the operation."""

    def answer(self, asked: Asked) -> Answer:
        if asked.query.get("api-version") != API_VERSION:
            return Answer(400, {"error": {"code": "MissingApiVersionParameter", "message": "api-version"}})
        match asked.method, asked.path.removeprefix(f"{OPERATIONS}/"):
            case "POST", path if path == f"{WIDGET}/regenerateKeys":
                return Answer(202, headers=self._headers() | {"Retry-After": "15"})
            case "GET", "operationsStatuses/id1":
                return self._status(self.next_state())
            case "GET", "operationResults/id1":
                return self._outcome()
        return Answer(404, {"error": {"code": "NotFound", "message": f"Nothing is at {asked.path}"}})

    def _headers(self) -> dict[str, Any]:
        at = f"$origin/{OPERATIONS}"
        return {
            "Azure-AsyncOperation": f"{at}/operationsStatuses/id1?api-version={API_VERSION}",
            "Location": f"{at}/operationResults/id1?api-version={API_VERSION}",
        }

    def _status(self, status: str) -> Answer:
        error = {"error": ERROR} if status == "Failed" else {}
        return Answer(200, {"id": f"/{OPERATIONS}/operationsStatuses/id1", "status": status, **error})

    def _outcome(self) -> Answer:
        status = self.next_state()
        if status == "Succeeded":
            return Answer(200, KEYS)
        if status == "Failed":
            return Answer(409, {"error": ERROR})
        return Answer(202, headers={"Location": self._headers()["Location"], "Retry-After": "0"})


ENDPOINTS: Final = {
    "endpoints": [
        "POST subscriptions/{s}/resourceGroups/{g}/providers/{p}/widgets/{w}/regenerateKeys",
        "GET subscriptions/{s}/providers/{p}/operationsStatuses/{id}",
        "GET subscriptions/{s}/providers/{p}/operationResults/{id}",
    ]
}
SUBMIT: Final = f"POST {WIDGET}/regenerateKeys?api-version={API_VERSION}"
STATUS: Final = f"GET {OPERATIONS}/operationsStatuses/id1?api-version={API_VERSION}"
OUTCOME: Final = f"GET {OPERATIONS}/operationResults/id1?api-version={API_VERSION}"
BY_LOCATION: Final = {
    "job": "{header:Location}",
    "state": None,
    "succeeded": None,
    "failed": None,
    "error": None,
    "result": None,
}
API: Final = JobApi(
    name="Azure Resource Manager",
    documented=DOCUMENTED,
    backend=ResourceManager,
    extras=ENDPOINTS,
    endpoint=f"{WIDGET}/regenerateKeys",
    data={"keyName": "key1"},
    arguments={
        "query": {"api-version": API_VERSION},
        "state": "status",
        "succeeded": ["Succeeded"],
        "failed": ["Failed", "Canceled"],
        "error": "error.message",
        "result": "{header:Location}",
    },
    running="Regenerating",
    cancel=("", None),  # an operation of this kind has none
    cases=[
        JobCase(
            what="one header has the state, the other one the result",
            states=["Accepted", "Regenerating", "Succeeded"],
            requests=[SUBMIT, *[STATUS] * 3, OUTCOME],
            result=KEYS,
            waits={0: 15},
        ),
        JobCase(
            what="fails",
            states=["Regenerating", "Failed"],
            requests=[SUBMIT, *[STATUS] * 2],
            fails=Failure(words=["Failed", ERROR["message"], "operationsStatuses/id1"]),
        ),
        JobCase(
            what="looked at by Location alone",
            states=["Accepted", "Regenerating", "Succeeded"],
            arguments=BY_LOCATION,
            requests=[SUBMIT, *[OUTCOME] * 3],
            result=KEYS,
            waits={0: 15},
        ),
        JobCase(
            what="fails, looked at by Location alone",
            states=["Accepted", "Failed"],
            arguments=BY_LOCATION,
            requests=[SUBMIT, *[OUTCOME] * 2],
            fails=Failure(error="MirrorDBError", words=[ERROR["message"]]),
        ),
    ],
)
