"""Remote jobs of a hostile backend: no false success, nothing is sent elsewhere, and there is an end."""

from __future__ import annotations

import logging
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final

import pytest

from airflow_mirrordb.client import MirrorDBError
from tests.support.clocks import FakeClock
from tests.zoo.jobs.backend import Failure
from tests.zoo.jobs.hostile import (
    ACCEPTED,
    ARGUMENTS,
    CASES,
    DONE,
    DONE_BODY,
    ELSEWHERE,
    ERROR,
    EXTRAS,
    LOOK,
    NO_JOB,
    RUNNING,
    SEGMENTS,
    STRUCTURE,
    Hostile,
    HostileCase,
    found,
)
from tests.zoo.jobs.running import TIMEOUT, Running, check_failure, check_waits
from tests.zoo.tables import Answer

CANCEL: Final = "DELETE jobs/7"
NEVER: Final = {"poll_interval": 10}
BY_LOCATION: Final[Mapping[str, Any]] = dict.fromkeys(
    ("job", "state", "succeeded", "failed", "error", "cancel")
)


async def outcome_of(run: Running, backend: Hostile, **arguments: Any) -> Any:
    """Submit to a hostile backend, and return what came of it."""
    return await run(backend, EXTRAS, "jobs", {"data": {"n": 1}, **ARGUMENTS, **arguments})


@pytest.mark.parametrize("case", [pytest.param(case, id=case.what) for case in CASES])
async def test_hostile(case: HostileCase, run: Running, clock: FakeClock) -> None:
    """What is no state that was named goes on, and every look is one request."""
    backend = Hostile(clock, case.looks, submitted=case.submitted)
    outcome = await outcome_of(run, backend, **case.arguments)
    if case.fails is None:
        assert outcome == case.result
    else:
        check_failure(outcome, case.fails)
    assert backend.lines == ["POST jobs", *[LOOK] * case.gets]
    check_waits(backend, {look - 1: seconds for look, seconds in case.waits.items()})


async def test_a_state_that_nobody_knows_is_said_once(
    run: Running, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is met; a change of states may be logged beside that."""
    backend = Hostile(clock, [RUNNING, *[found("paused")] * 20, DONE])
    with caplog.at_level(logging.INFO, logger="airflow_mirrordb"):
        assert await outcome_of(run, backend) == DONE_BODY
    assert 1 <= len([record for record in caplog.records if "paused" in record.getMessage()]) <= 2


@pytest.mark.parametrize("state", ["running", "paused", "failed soon", None])
async def test_a_job_that_is_never_done_is_cancelled(
    state: str | None, run: Running, clock: FakeClock
) -> None:
    """At the deadline, whatever its state is called, and never before."""
    began = clock.now()
    backend = Hostile(clock, [found(state)])
    check_failure(await outcome_of(run, backend, **NEVER), Failure(error="MirrorDBError", words=["cancel"]))
    assert backend.lines[0] == "POST jobs"
    assert set(backend.lines[1:-1]) == {LOOK}
    assert backend.lines[-1] == CANCEL
    assert backend.asked[-1].at == pytest.approx(began + TIMEOUT, abs=0.1)


@pytest.mark.parametrize("status", [403, 404, 409, 410, 500])
async def test_a_cancel_that_is_refused_is_told(status: int, run: Running, clock: FakeClock) -> None:
    """The error is that of the deadline all the same, says what the backend said, and comes in 10 seconds."""
    began = clock.now()
    backend = Hostile(clock, [RUNNING], cancelled=Answer(status, {"message": "it cannot be"}))
    outcome = await outcome_of(run, backend, **NEVER)
    check_failure(outcome, Failure(error="MirrorDBError", words=["cancel", str(status), "it cannot be"]))
    assert backend.asked[-1].at <= began + TIMEOUT + 10
    assert backend.lines.count(CANCEL) == 1 or status == 500


async def test_a_job_without_a_cancel_is_left(run: Running, clock: FakeClock) -> None:
    """It goes on at the backend, and the error says so."""
    backend = Hostile(clock, [RUNNING])
    outcome = await outcome_of(run, backend, **NEVER, cancel=None)
    check_failure(outcome, Failure(error="MirrorDBError", words=["jobs/7", "cancel"]))
    assert set(backend.lines[1:]) == {LOOK}


@pytest.mark.parametrize("after", ["86400", "99999999999999999999", "Fri, 31 Dec 2999 23:59:59 GMT"])
async def test_a_backend_that_asks_to_stay_away_for_ever(after: str, run: Running, clock: FakeClock) -> None:
    """It is obeyed until the deadline, when the last look is taken."""
    began = clock.now()
    backend = Hostile(clock, [Answer(200, found("running").body, {"Retry-After": after})])
    check_failure(await outcome_of(run, backend), Failure(error="MirrorDBError", words=["cancel"]))
    assert backend.lines == ["POST jobs", LOOK, LOOK, CANCEL]
    assert backend.asked[2].at == pytest.approx(began + TIMEOUT, abs=0.1)


@pytest.mark.parametrize("after", ["soon", "-5", "nan", "inf", "", "1e9999", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_retry_after_that_is_none(after: str, run: Running, clock: FakeClock) -> None:
    """It changes nothing."""
    backend = Hostile(clock, [Answer(200, found("running").body, {"Retry-After": after}), DONE])
    assert await outcome_of(run, backend) == DONE_BODY
    assert backend.lines == ["POST jobs", LOOK, LOOK]


@pytest.mark.parametrize("what", NO_JOB)
async def test_a_submit_that_names_no_job(what: str, run: Running, clock: FakeClock) -> None:
    """Nothing more is sent, and nothing again: the job may run, and nobody can find it."""
    backend = Hostile(clock, [DONE], submitted=NO_JOB[what])
    outcome = await outcome_of(run, backend)
    check_failure(outcome, Failure(error="MirrorDBError"))
    assert re.search(r"\bid\b", str(outcome)), "the path is not named"
    assert outcome.retryable is False
    assert backend.lines == ["POST jobs"]


@pytest.mark.parametrize("headers", [{}, {"Location": ""}], ids=["no Location", "an empty one"])
async def test_an_accepted_submit_without_a_place(
    headers: Mapping[str, str], run: Running, clock: FakeClock
) -> None:
    """A 202 is no success, and what it began cannot be found."""
    backend = Hostile(clock, [DONE], submitted=Answer(202, {"id": "7"}, headers))
    outcome = await outcome_of(run, backend, **BY_LOCATION)
    check_failure(outcome, Failure(error="MirrorDBError", words=["Location"]))
    assert outcome.retryable is False
    assert backend.lines == ["POST jobs"]


@pytest.mark.parametrize("what", SEGMENTS)
async def test_an_id_that_is_one_segment(what: str, run: Running, clock: FakeClock) -> None:
    """Numbers are written with all their digits."""
    value, path = SEGMENTS[what]
    backend = Hostile(clock, [DONE], submitted=Answer(202, {"id": value}))
    assert await outcome_of(run, backend) == DONE_BODY
    assert backend.lines == ["POST jobs", f"GET {path}"]


@pytest.mark.parametrize("value", STRUCTURE, ids=lambda value: repr(value[:20]))
async def test_an_id_leads_nowhere_else(value: str, run: Running, clock: FakeClock) -> None:
    """It is refused, or it is one segment that is the whole id; cancelled is nothing else either."""
    backend = Hostile(clock, [RUNNING], submitted=Answer(202, {"id": value}))
    outcome = await outcome_of(run, backend, **NEVER)
    check_failure(outcome, Failure(error="MirrorDBError"))
    for asked in backend.asked[1:]:
        before, slash, segment = asked.raw_path.rpartition("/")
        assert (before, slash) == ("/jobs", "/")
        assert urllib.parse.unquote(segment) == value
        assert asked.query == {}


@pytest.mark.parametrize("header", ["Location", "Operation-Location"])
@pytest.mark.parametrize("what", ELSEWHERE)
async def test_a_job_elsewhere_is_not_looked_at(
    what: str, header: str, run: Running, clock: FakeClock
) -> None:
    """No request leaves the origin or the patterns, with the key or without it."""
    backend = Hostile(clock, [DONE], submitted=Answer(202, {"id": "7"}, {header: ELSEWHERE[what]}))
    outcome = await outcome_of(run, backend, **BY_LOCATION)
    assert type(outcome).__name__ in {"EndpointNotAllowedError", "InvalidResponseError"}, repr(outcome)
    assert outcome.retryable is False
    assert backend.lines == ["POST jobs"]


@pytest.mark.parametrize("status", [302, 303, 307])
@pytest.mark.parametrize("what", ELSEWHERE)
async def test_a_look_that_is_sent_elsewhere(what: str, status: int, run: Running, clock: FakeClock) -> None:
    """A redirect that is not followed is no success."""
    backend = Hostile(clock, [RUNNING, Answer(status, headers={"Location": ELSEWHERE[what]})])
    check_failure(await outcome_of(run, backend), Failure(error="MirrorDBError"))
    assert backend.lines == ["POST jobs", LOOK, LOOK]


async def test_a_result_that_is_not_there(run: Running, clock: FakeClock) -> None:
    """The job is done, and the read of its result fails as reads do."""
    backend = Hostile(clock, [RUNNING, DONE, Answer(404, {"message": "no such result"})])
    outcome = await outcome_of(run, backend, result="results/{id}")
    check_failure(outcome, Failure(error="NotFoundError", words=["no such result"]))
    assert backend.lines == ["POST jobs", LOOK, LOOK, "GET results/7"]


@pytest.mark.parametrize("error", [None, "", {}, [], False])
async def test_true_with_nothing_at_error_is_success(error: Any, run: Running, clock: FakeClock) -> None:
    """As with ``error_path``: nothing is null, false, ``""``, ``[]`` and ``{}``."""
    body = {"done": True, "error": error}
    backend = Hostile(clock, [Answer(200, {"done": False}), Answer(200, body)])
    assert await outcome_of(run, backend, state="done", succeeded=[True], failed=None, error="error") == body


@pytest.mark.parametrize("error", ["it broke", {"message": "it broke"}, ["it broke"]])
async def test_true_with_an_error_is_failure(error: Any, run: Running, clock: FakeClock) -> None:
    """True only says that it is over (operations.proto of google.longrunning)."""
    backend = Hostile(clock, [Answer(200, {}), Answer(200, {"done": True, "error": error})])
    outcome = await outcome_of(run, backend, state="done", succeeded=[True], failed=None, error="error")
    check_failure(outcome, Failure(words=["it broke", "jobs/7"]))


@pytest.mark.parametrize("value", [1, "yes", "done", {"a": 1}, None, False])
async def test_what_is_not_true_is_not_done(value: Any, run: Running, clock: FakeClock) -> None:
    """As JSON compares: 1 is no true."""
    backend = Hostile(clock, [Answer(200, {"done": value})])
    outcome = await outcome_of(run, backend, **NEVER, state="done", succeeded=[True], failed=None)
    check_failure(outcome, Failure(error="MirrorDBError", words=["cancel"]))


async def test_false_may_be_a_failure(run: Running, clock: FakeClock) -> None:
    """Where that is said."""
    backend = Hostile(clock, [Answer(200, {}), Answer(200, {"ok": False, "reason": "it broke"})])
    outcome = await outcome_of(run, backend, state="ok", succeeded=[True], failed=[False])
    check_failure(outcome, Failure(words=["it broke", "jobs/7"]))
    assert backend.lines == ["POST jobs", LOOK, LOOK]


async def test_a_submit_that_may_have_been_applied(run: Running, clock: FakeClock) -> None:
    """Without a key nobody can know whether the job runs: it is neither submitted again nor looked for."""
    backend = Hostile(clock, [DONE], submitted=ERROR)
    check_failure(await outcome_of(run, backend), Failure(error="AmbiguousWriteError"))
    assert backend.lines == ["POST jobs"]


WRONG: Final[list[dict[str, Any]]] = [
    {"job": "admin/{id}"},
    {"job": "jobs/{id"},
    {"job": "jobs/{}"},
    {"job": "jobs/{id}?x=1"},
    {"job": "http://elsewhere.example/jobs/{id}"},
    {"state": "state["},
    {"error": "reason["},
    {"progress": "rows["},
    {"result": "admin/{id}"},
    {"cancel": "jobs/{id}"},
    {"cancel": "GET jobs/{id}"},
    {"cancel": "DELETE admin/{id}"},
    {"succeeded": "done"},
    {"succeeded": []},
    {"succeeded": ["done"], "failed": ["Done"]},
    {"succeeded": ["done"], "running": ["done"]},
    {"paginate": True},
    {"poll_interval": 0},
    {"poll_interval": -1},
    {"poll_interval": float("nan")},
    {"timeout": 0},
    {"max_failures": 0},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_wrong_arguments_submit_nothing(wrong: dict[str, Any], run: Running, clock: FakeClock) -> None:
    """A job that could not be looked at, or cancelled, is not begun; the error names the argument."""
    backend = Hostile(clock, [DONE], submitted=ACCEPTED)
    outcome = await outcome_of(run, backend, **wrong)
    assert isinstance(outcome, MirrorDBError | ValueError | TypeError), outcome
    assert any(name in str(outcome) for name in (*wrong, "admin")), outcome
    assert backend.lines == []
