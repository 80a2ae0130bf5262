"""Nothing but HTTP: 202 with a Location, then 303 or 200; a DELETE of that URL cancels."""

from __future__ import annotations

from typing import Any, Final

from tests.zoo.jobs.backend import Asked, Failure, JobApi, JobBackend, JobCase
from tests.zoo.tables import Answer

RFC: Final = "https://www.rfc-editor.org/rfc/rfc9110"
DOCUMENTED: Final = {
    f"{RFC}#section-15.3.3": "202: accepted, not yet done; the answer should point to a status monitor",
    f"{RFC}#section-15.4.4": (
        "303 redirects to another resource, which is an indirect response to the request; it is retrieved by "
        "GET"
    ),
    f"{RFC}#section-10.2.2": "Location is a URI reference; a relative one begins at the request's URI",
    "https://learn.microsoft.com/azure/architecture/patterns/async-request-reply": (
        "the status endpoint answers 200 with a state as long as the work goes on, and 303 to the resource "
        "when it is done; an error is at the status endpoint, best with a 4xx; DELETE of it cancels; a "
        "submit that comes again with the same Idempotency-Key gets the same status endpoint"
    ),
    "http://restcookbook.com/Resources/asynchroneous-operations/": (
        "202 with Location /queue/12345, later a 303 with the Location of the resource; the temporary "
        "resource may be gone (410) afterwards"
    ),
    "https://www.rfc-editor.org/rfc/rfc9457": "an error as application/problem+json, with title and detail",
}

BLOG: Final = {"title": "Asynchronous"}
MADE: Final = {"id": 7, "title": "Asynchronous"}
PROBLEM: Final = {
    "type": "about:blank",
    "title": "Unprocessable Content",
    "status": 422,
    "detail": "the title is taken",
}


class Plain(JobBackend):
    """A queue with one entry.

    A state is ``pending`` (202), ``running`` (200 with a state), ``here`` (200 with the result), ``there``
    (303 to it), ``failed`` (200 with a state) or ``problem`` (422).
    """

    def answer(self, asked: Asked) -> Answer:
        match asked.method, asked.path:
            case "POST", "blogs":
                return Answer(202, headers={"Location": "/queue/12345"})
            case "GET", "queue/12345":
                return self._looked_at(self.next_state())
            case "GET", "blogs/7":
                return Answer(200, MADE)
            case "DELETE", "queue/12345":
                self.goes_on_with("gone")
                return Answer(204)
        return Answer(404, {"title": "Not Found", "status": 404})

    def _looked_at(self, state: str) -> Answer:
        answers: dict[str, Answer] = {
            "pending": Answer(202, headers={"Retry-After": "0"}),
            "running": Answer(200, {"status": "running"}),
            "here": Answer(200, MADE),
            "there": Answer(303, headers={"Location": "/blogs/7"}),
            "failed": Answer(200, {"status": "failed", "reason": "the title is taken"}),
            "problem": Answer(422, PROBLEM, content_type="application/problem+json"),
            "gone": Answer(410, {"title": "Gone", "status": 410}),
        }
        return answers[state]


STATED: Final[dict[str, Any]] = {
    "state": "status",
    "succeeded": ["succeeded"],
    "failed": ["failed"],
    "error": "reason",
}
POLL: Final = "GET queue/12345"
API: Final = JobApi(
    name="202 and Location",
    documented=DOCUMENTED,
    backend=Plain,
    extras={
        "endpoints": ["blogs", "GET queue/{id}", "DELETE queue/{id}"],
        "idempotency_header": "Idempotency-Key",
    },
    endpoint="blogs",
    data=BLOG,
    arguments={"cancel": "DELETE", "idempotency_key": "blog-7"},
    running="pending",
    cancel=("DELETE queue/12345", None),
    cases=[
        JobCase(
            what="its result is where it was looked at",
            states=["pending", "pending", "here"],
            requests=["POST blogs", *[POLL] * 3],
            result=MADE,
        ),
        JobCase(
            what="its result is where a 303 leads",
            states=["pending", "there"],
            requests=["POST blogs", *[POLL] * 2, "GET blogs/7"],
            result=MADE,
        ),
        JobCase(
            what="a 303 ends it, whatever its states are",
            states=["running", "running", "there"],
            arguments=STATED,
            requests=["POST blogs", *[POLL] * 3, "GET blogs/7"],
            result=MADE,
        ),
        JobCase(
            what="fails, said by a state",
            states=["running", "failed"],
            arguments=STATED,
            requests=["POST blogs", *[POLL] * 2],
            fails=Failure(words=["failed", "the title is taken", "queue/12345"]),
        ),
        JobCase(
            what="fails, said by a status",
            states=["pending", "problem"],
            requests=["POST blogs", *[POLL] * 2],
            fails=Failure(error="MirrorDBError", words=["the title is taken"]),
        ),
    ],
)
