"""Google's long-running operations: a name of several segments, ``done``, and ``error`` or ``response``."""

from __future__ import annotations

from typing import Any, Final

from tests.zoo.jobs.backend import Asked, Failure, JobApi, JobBackend, JobCase
from tests.zoo.tables import Answer

PROTO: Final = "https://github.com/googleapis/googleapis/blob/master/google"
DOCUMENTED: Final = {
    "https://google.aip.dev/151": (
        "a method that takes long, as POST v1/{parent=publishers/*}/books, returns an Operation; metadata "
        "tells the progress; an error that keeps it from beginning is an error of the method itself "
        "(AIP-193)"
    ),
    f"{PROTO}/longrunning/operations.proto": (
        "name ends in operations/{unique_id}; GET v1/{name}; done is false while it goes on, and with true "
        "there is either error (a google.rpc.Status) or response; POST v1/{name}:cancel answers {} and tries "
        "its best: the operation then ends with an error of code 1, CANCELLED"
    ),
    f"{PROTO}/rpc/code.proto": "code is a number, as 1 CANCELLED, 3 INVALID_ARGUMENT, 9 FAILED_PRECONDITION",
    "https://protobuf.dev/programming-guides/json/": "a field that is false may be left out of the JSON",
}

NAME: Final = "publishers/lacroix/operations/op-7fd2"
BOOK: Final = {"title": "Les Misérables"}
MADE: Final = {"@type": "type.googleapis.com/Book", "name": "publishers/lacroix/books/1", **BOOK}
RUNNING: Final[dict[str, Any]] = {}
SAID_RUNNING: Final = {"done": False}
DONE: Final = {"done": True, "response": MADE}


def failed(code: int, message: str) -> dict[str, Any]:
    """Return the end of an operation that failed."""
    return {"done": True, "error": {"code": code, "message": message, "details": []}}


class Google(JobBackend):
    """One publisher, and the operation that makes a book."""

    base = "/v1"
    refused = Answer(401, {"error": {"code": 401, "message": "No credentials", "status": "UNAUTHENTICATED"}})

    def answer(self, asked: Asked) -> Answer:
        match asked.method, asked.path:
            case "POST", "publishers/lacroix/books" if asked.body == BOOK:
                return Answer(200, self._operation(RUNNING, percent=0))
            case "POST", "publishers/lacroix/books":
                return _error(400, "INVALID_ARGUMENT", "Book must have a title.")
            case "GET", path if path == NAME:
                return Answer(200, self._operation(self.next_state(), percent=50))
            case "POST", path if path == f"{NAME}:cancel" and asked.body in (None, {}):
                self.goes_on_with(RUNNING, failed(1, "Operation was cancelled."))
                return Answer(200, {})
        return _error(404, "NOT_FOUND", f"Resource not found: {asked.path}")

    def _operation(self, state: dict[str, Any], *, percent: int) -> dict[str, Any]:
        metadata = {"@type": "type.googleapis.com/OperationMetadata", "progressPercent": percent}
        return {"name": NAME, "metadata": metadata, **state}


def _error(code: int, status: str, message: str) -> Answer:
    return Answer(code, {"error": {"code": code, "message": message, "status": status}})


def _ended() -> dict[str, Any]:
    metadata = {"@type": "type.googleapis.com/OperationMetadata", "progressPercent": 50}
    return {"name": NAME, "metadata": metadata, **DONE}


SUBMIT: Final = "POST publishers/lacroix/books"
POLL: Final = f"GET {NAME}"
API: Final = JobApi(
    name="Google (AIP-151)",
    documented=DOCUMENTED,
    backend=Google,
    extras={
        "endpoints": [
            "publishers/{publisher}/books",
            "GET publishers/{publisher}/operations/{id}",
            "POST publishers/{publisher}/operations/{id}:cancel",
        ]
    },
    endpoint="publishers/lacroix/books",
    data=BOOK,
    arguments={
        "job": "{name:path}",
        "state": "done",
        "succeeded": [True],
        "error": "error.message",
        "progress": "metadata.progressPercent",
        "cancel": "POST {name:path}:cancel",
    },
    running=RUNNING,
    cancel=(f"POST {NAME}:cancel", None),
    cases=[
        JobCase(
            what="succeeds",
            states=[RUNNING, SAID_RUNNING, DONE],
            requests=[SUBMIT, *[POLL] * 3],
            result=_ended(),
        ),
        JobCase(
            what="is done, and failed",
            states=[RUNNING, failed(9, "The printing press is closed.")],
            requests=[SUBMIT, *[POLL] * 2],
            fails=Failure(words=["The printing press is closed.", NAME]),
        ),
        JobCase(
            what="is done, and failed, said by one path",
            states=[RUNNING, SAID_RUNNING, failed(9, "The printing press is closed.")],
            arguments={"state": "error && 'failed' || done", "failed": ["failed"]},
            requests=[SUBMIT, *[POLL] * 3],
            fails=Failure(words=["failed", "The printing press is closed.", NAME]),
        ),
        JobCase(
            what="is cancelled by somebody",
            states=[RUNNING, failed(1, "Operation was cancelled.")],
            requests=[SUBMIT, *[POLL] * 2],
            fails=Failure(words=["Operation was cancelled.", NAME]),
        ),
        JobCase(
            what="is refused",
            states=[RUNNING],
            arguments={"data": {"name": "x"}},
            requests=[SUBMIT],
            fails=Failure(error="InvalidDataError", words=["Book must have a title."]),
        ),
    ],
)
