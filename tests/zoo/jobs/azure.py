"""Azure's status monitors: a header names them, and they say when to look again, and what came of it."""

from __future__ import annotations

from typing import Any, Final

from tests.zoo.jobs.backend import Asked, Failure, JobApi, JobBackend, JobCase
from tests.zoo.tables import Answer

GUIDELINES: Final = "https://github.com/microsoft/api-guidelines/blob/vNext/azure"
DOCUMENTED: Final = {
    f"{GUIDELINES}/Guidelines.md#long-running-operations": (
        "POST answers 202 with a status monitor (id, status) and should name its absolute URL in "
        "Operation-Location, with api-version where that is needed; GET of the monitor is always 200; status "
        "is NotStarted, Running, Succeeded, Failed or Canceled; error (code, message) with Failed, result "
        "with Succeeded of an action; Retry-After, in seconds, as long as it is not the end"
    ),
    f"{GUIDELINES}/ConsiderationsForServiceDesign.md#long-running-operations": (
        "an operation that is over at once is a 202 all the same, with its last status; the client stays "
        "away for at least Retry-After; POST of the monitor's URL with :cancel and api-version cancels, 200 "
        "with the monitor"
    ),
    "https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3": "Retry-After is a number of seconds, or a date",
}

VERSION: Final = "2024-05-01"
INPUT: Final = {"depth": 3}
RESULT: Final = {"score": 0.98}


def monitor(status: str, error: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the status monitor of the operation."""
    result = {"result": RESULT} if status == "Succeeded" else {}
    return {"id": "22", "status": status, **result, **({"error": error} if error else {})}


FAILED: Final = monitor("Failed", {"code": "BadImage", "message": "The image is of no known format."})


class Azure(JobBackend):
    """A widget, and the operation that analyses it.

    A state is a status, a whole monitor, or either with what Retry-After says: ``("Running", 7)``.
    """

    refused = Answer(401, {"error": {"code": "Unauthorized", "message": "Access denied"}})

    def answer(self, asked: Asked) -> Answer:
        if asked.query.get("api-version") != VERSION:
            return _error(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        match asked.method, asked.path:
            case "POST", "widgets/w1:analyze" if asked.body == INPUT:
                return self._accepted()
            case "POST", "widgets/w1:analyze":
                return _error(400, "InvalidInput", "depth must be a number.")
            case "GET", "operations/22":
                return self._looked_at(self.next_state())
            case "POST", "operations/22:cancel":
                self.goes_on_with("Canceled")
                return Answer(200, monitor("Canceled"))
        return _error(404, "NotFound", f"There is nothing at {asked.path}.")

    def _accepted(self) -> Answer:
        headers = {
            "Operation-Location": f"$origin/operations/22?api-version={VERSION}",
            "Retry-After": "2",
        }
        return Answer(202, monitor("NotStarted"), headers)

    def _looked_at(self, state: Any) -> Answer:
        found, after = state if isinstance(state, tuple) else (state, 0)
        body = monitor(found) if isinstance(found, str) else found
        if body["status"] not in ("NotStarted", "Running"):
            return Answer(200, body)
        said = self.date_in(int(after[2:])) if isinstance(after, str) else str(after)
        return Answer(200, body, {"Retry-After": said})


def _error(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}})


SUBMIT: Final = f"POST widgets/w1:analyze?api-version={VERSION}"
POLL: Final = f"GET operations/22?api-version={VERSION}"
API: Final = JobApi(
    name="Azure, Operation-Location",
    documented=DOCUMENTED,
    backend=Azure,
    extras={"endpoints": ["POST widgets/{id}:analyze", "GET operations/{id}", "POST operations/{id}:cancel"]},
    endpoint="widgets/w1:analyze",
    data=INPUT,
    arguments={
        "query": {"api-version": VERSION},
        "state": "status",
        "succeeded": ["Succeeded"],
        "failed": ["Failed", "Canceled"],
        "error": "error.message",
        "cancel": {
            "method": "POST",
            "endpoint": "operations/{id}:cancel",
            "query": {"api-version": VERSION},
        },
    },
    running="Running",
    cancel=(f"POST operations/22:cancel?api-version={VERSION}", None),
    cases=[
        JobCase(
            what="succeeds",
            states=["NotStarted", "Running", "Succeeded"],
            requests=[SUBMIT, *[POLL] * 3],
            result=monitor("Succeeded"),
        ),
        JobCase(
            what="says in seconds and in dates when to look again",
            states=[("NotStarted", 7), ("Running", "in11"), ("Running", 0), "Succeeded"],
            requests=[SUBMIT, *[POLL] * 4],
            result=monitor("Succeeded"),
            waits={0: 2, 1: 7, 2: 11},
        ),
        JobCase(
            what="is over at once",
            states=["Succeeded"],
            requests=[SUBMIT, POLL],
            result=monitor("Succeeded"),
        ),
        JobCase(
            what="fails",
            states=["Running", FAILED],
            requests=[SUBMIT, *[POLL] * 2],
            fails=Failure(words=["Failed", "The image is of no known format.", "operations/22"]),
        ),
        JobCase(
            what="fails, where only its URL is known",  # what the documents fix needs no arguments
            states=["Running", FAILED],
            arguments={"state": None, "succeeded": None, "failed": None, "error": None},
            requests=[SUBMIT, *[POLL] * 2],
            fails=Failure(words=["Failed", "The image is of no known format.", "operations/22"]),
        ),
        JobCase(
            what="is canceled by somebody",
            states=["Running", "Canceled"],
            requests=[SUBMIT, *[POLL] * 2],
            fails=Failure(words=["Canceled", "operations/22"]),
        ),
        JobCase(
            what="is refused",
            states=["NotStarted"],
            arguments={"data": {"depth": "deep"}},
            requests=[SUBMIT],
            fails=Failure(error="InvalidDataError", words=["depth must be a number."]),
        ),
    ],
)
