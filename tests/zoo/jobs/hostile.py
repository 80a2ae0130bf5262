"""A backend that keeps to no documentation: what its jobs must not lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.clocks import FakeClock
from tests.zoo.jobs.backend import Asked, Failure, JobBackend
from tests.zoo.tables import OMITTED, Answer

#: A submit, and how its job is looked at; the cases say what differs.
ARGUMENTS: Final[dict[str, Any]] = {
    "job": "jobs/{id}",
    "state": "state",
    "succeeded": ["done"],
    "failed": ["failed"],
    "error": "reason",
    "cancel": "DELETE jobs/{id}",
}
EXTRAS: Final = {"endpoints": ["jobs", "GET results/{id}"]}
ACCEPTED: Final = Answer(202, {"id": "7"})
LOOK: Final = "GET jobs/7"
DONE_BODY: Final = {"id": "7", "state": "done", "rows": 3}


def found(state: Any, **more: Any) -> Answer:
    """Return a job in a state."""
    return Answer(200, {"id": "7", "state": state, **more})


RUNNING: Final = found("running")
DONE: Final = Answer(200, DONE_BODY)
ERROR: Final = Answer(500, {"message": "out of order"})


class Hostile(JobBackend):
    """A backend that answers a submit and each look as its script says.

    :param looks: the answers to the looks; the last one stays
    :param submitted: the answer to the submit
    :param cancelled: the answer to a cancel
    """

    def __init__(
        self,
        clock: FakeClock,
        looks: Sequence[Answer],
        *,
        submitted: Answer = ACCEPTED,
        cancelled: Answer | None = None,
    ) -> None:
        super().__init__(clock, looks)
        self._submitted = submitted
        self._cancelled = cancelled or Answer(204)

    def answer(self, asked: Asked) -> Answer:
        if asked.method == "POST":
            return self._submitted
        if asked.method == "DELETE":
            return self._cancelled
        answer: Answer = self.next_state()
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileCase:
    """Answers, and what must come of them.

    :param looks: the answers to the looks
    :param gets: the looks that must come, by their number
    :param arguments: of the call, in place of those above; None takes one away
    :param waits: seconds, at least, before the look of this position, from 1
    """

    what: str
    looks: Sequence[Answer]
    gets: int
    submitted: Answer = ACCEPTED
    result: Any = OMITTED
    fails: Failure | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    waits: Mapping[int, float] = field(default_factory=dict)


KNOWN: Final = {"running": ["running"]}
PAGE: Final = Answer(200, "<html><body>Sign in</body></html>", content_type="text/html")
LATER: Final = {"Retry-After": "17"}


def _goes_on(what: str, *looks: Answer, **more: Any) -> HostileCase:
    """Return a case in which the job is done in the end."""
    return HostileCase(what=what, looks=[*looks, DONE], gets=len(looks) + 1, result=DONE_BODY, **more)


def _ends(what: str, *looks: Answer, error: str, words: Sequence[str] = (), **more: Any) -> HostileCase:
    """Return a case in which the last look is the end, and the job is not done."""
    fails = Failure(error=error, words=words)
    return HostileCase(what=what, looks=looks, gets=len(looks), fails=fails, **more)


CASES: Final = [
    _goes_on("states that go back", RUNNING, found("queued"), RUNNING, found("queued")),
    _goes_on(
        "a state in another case", found("RUNNING"), found("Running"), arguments={"succeeded": ["DONE"]}
    ),
    _goes_on("a body without the state", RUNNING, Answer(200, {"id": "7"})),
    _goes_on("a state that is null", RUNNING, found(None)),
    _goes_on("a state that is no text", found({"name": "done"}), found(["done"]), found(3), found(True)),
    _goes_on("a body that is a list", RUNNING, Answer(200, [{"state": "done"}])),
    _goes_on("a body that is a text", RUNNING, Answer(200, '"done"')),
    _goes_on("a word that holds the state", found("not done"), found("undone"), found("")),
    _goes_on("500 at every second look", *[RUNNING, ERROR] * 8),
    _goes_on("a page of a gateway at every second look", *[RUNNING, PAGE] * 8),
    _goes_on("404 in the first looks", Answer(404, {}), Answer(404, {}), RUNNING),
    _goes_on("a state that nobody knows", RUNNING, found("paused"), found("paused"), RUNNING),
    _goes_on("429 while looked at", RUNNING, Answer(429, {}, LATER), waits={3: 17}),
    _goes_on("503 with a time while looked at", RUNNING, Answer(503, {}, LATER), waits={3: 17}),
    _goes_on("202 while looked at", Answer(202, {"id": "7"}), Answer(202, {"id": "7", "state": "queued"})),
    _goes_on("an error beside a state that is none", found("running", reason="a warning")),
    _ends(
        "a failed job",
        RUNNING,
        found("failed", reason="the disk is full"),
        error="JobFailedError",
        words=["failed", "the disk is full", "jobs/7"],
    ),
    _ends(
        "a failed job that does not say why",
        found("FAILED"),
        error="JobFailedError",
        words=["FAILED", "jobs/7"],
    ),
    _ends(
        "a reason that is an object",
        found("failed", reason={"code": "E1", "message": "the disk is full"}),
        error="JobFailedError",
        words=["the disk is full"],
    ),
    _ends(
        "a state that nobody knows, where all are known",
        RUNNING,
        found("paused"),
        error="JobFailedError",
        words=["paused", "jobs/7"],
        arguments=KNOWN,
    ),
    _ends(
        "404 after it was there",
        RUNNING,
        Answer(404, {"message": "no such job"}),
        error="JobFailedError",
        words=["404", "no such job"],
    ),
    _ends(
        "410 after it was there",
        RUNNING,
        Answer(410, {"message": "purged"}),
        error="JobFailedError",
        words=["410", "purged"],
    ),
    _ends(
        "403 while looked at",
        RUNNING,
        Answer(403, {"message": "not yours"}),
        error="ForbiddenError",
        words=["not yours"],
    ),
    _ends("500 all the time", RUNNING, *[ERROR] * 5, error="ServerError", words=["out of order"]),
    _ends(
        "500 all the time, and no patience",
        RUNNING,
        *[ERROR] * 2,
        error="ServerError",
        arguments={"max_failures": 2},
    ),
]

#: What a submit may answer in the place of an id, or with none: nothing more may be sent.
NO_JOB: Final[Mapping[str, Answer]] = {
    "no id": Answer(202, {"name": "x"}),
    "an empty id": Answer(202, {"id": ""}),
    "an id of blanks": Answer(202, {"id": "  "}),
    "null": Answer(202, {"id": None}),
    "true": Answer(202, {"id": True}),
    "an object": Answer(202, {"id": {"value": "7"}}),
    "a list": Answer(202, {"id": ["7"]}),
    "no body": Answer(202),
    "no JSON": Answer(202, "accepted", content_type="text/plain"),
    "a body that is a list": Answer(202, [{"id": "7"}]),
}
#: Ids that are one segment, and what it is on the wire.
SEGMENTS: Final[Mapping[str, tuple[Any, str]]] = {
    "a number": (7, "jobs/7"),
    "zero": (0, "jobs/0"),
    "a number that no double holds": (9007199254740993, "jobs/9007199254740993"),
    "a blank inside": ("a b", "jobs/a b"),
    "letters of another alphabet": ("żółw", "jobs/żółw"),
    "a colon, a plus and an @": ("a:b+c@d", "jobs/a:b+c@d"),
    "a name that ends as a verb": ("7:cancel", "jobs/7:cancel"),
}
#: Ids that would lead elsewhere: none of them may be sent, save as one segment that is the whole id.
STRUCTURE: Final = [
    "a/b",
    "/admin",
    "..",
    ".",
    "../admin",
    "7/../../admin",
    "7?state=done",
    "7#x",
    "a%2Fb",
    "%2e%2e",
    "a\\b",
    "7/results",
    "//elsewhere.example",
    "http://elsewhere.example/7",
    "7\r\nX-Injected: 1",
    "7\x00",
    "{id}",
    "a\uff0fb",
    "x" * 4000,
]
#: Places of a job that must never be looked at.
ELSEWHERE: Final[Mapping[str, str]] = {
    "another name of the host": "http://$elsewhere/jobs/7",
    "another host": "http://elsewhere.example/jobs/7",
    "another host without a scheme": "//$elsewhere/jobs/7",
    "another scheme": "https://127.0.0.1/jobs/7",
    "a file": "file:///etc/passwd",
    "another host behind an @": "http://127.0.0.1@$elsewhere/jobs/7",
    "a path that is not allowed": "/admin/7",
    "a path that leaves the allowed one": "/jobs/../admin/7",
    "a path that leaves it in disguise": "/jobs/%2e%2e/admin",
}
