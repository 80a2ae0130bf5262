"""Remote jobs, by the documentation of their backends: what comes back, and every request that is sent."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.clocks import FakeClock
from tests.zoo.jobs import airbyte, airflow, azure, azure_arm, databricks, google, plain, salesforce
from tests.zoo.jobs.backend import Failure, JobApi, JobCase
from tests.zoo.jobs.running import TIMEOUT, Running, check_failure, check_waits
from tests.zoo.tables import OMITTED
from tests.zoo.test_zoo import WRONG_KEY, warnings_of

APIS: Final = [
    module.API for module in (airbyte, airflow, azure, azure_arm, databricks, google, plain, salesforce)
]


def each_api() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("api", [pytest.param(api, id=api.name) for api in APIS])


def _cases() -> Iterator[Any]:
    for api in APIS:
        for case in api.cases:
            yield pytest.param(api, case, id=f"{api.name}: {case.what}")


@pytest.mark.parametrize(("api", "case"), list(_cases()))
async def test_job(
    api: JobApi, case: JobCase, run: Running, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The result or the error is what the documentation says, and no request is more, less or earlier."""
    backend = api.backend(clock, case.states)
    arguments = {"data": api.data, **api.arguments, **case.arguments}
    outcome = await run(backend, api.extras, api.endpoint, arguments)
    if case.fails is None:
        assert case.result is not OMITTED
        assert outcome == case.result
        assert warnings_of(caplog) == []
    else:
        check_failure(outcome, case.fails)
    assert backend.lines == list(case.requests)
    assert backend.asked[0].body == arguments["data"]
    check_waits(backend, case.waits)


@each_api()
async def test_a_job_that_takes_too_long_is_cancelled(api: JobApi, run: Running, clock: FakeClock) -> None:
    """The last request of all is the cancel, once, with the body that the documentation wants.

    A job that cannot be cancelled is left, and both is said.
    """
    backend = api.backend(clock, [api.running])
    began = clock.now()
    arguments = {"data": api.data, **api.arguments, "poll_interval": 10}
    outcome = await run(backend, api.extras, api.endpoint, arguments)
    check_failure(outcome, Failure(error="MirrorDBError", words=["cancel"]))
    line, body = api.cancel
    looks = backend.asked[1:-1] if line else backend.asked[1:]
    assert {look.method for look in looks} == {"GET"}
    assert len({look.line for look in looks}) == 1
    assert looks[-1].at == pytest.approx(began + TIMEOUT, abs=0.1)  # the last look is taken at the deadline
    assert [asked.method for asked in backend.asked].count("POST") == (2 if line.startswith("POST") else 1)
    if line:
        assert backend.lines[-1] == line
        sent = backend.asked[-1].body
        assert sent == body if body is not None else sent in (None, {})


@each_api()
async def test_a_job_that_is_done_at_the_last_look_is_no_failure(
    api: JobApi, run: Running, clock: FakeClock
) -> None:
    """The deadline passes between two looks, and the one at its end finds the end of the job."""
    success = next(case for case in api.cases if case.fails is None and not case.arguments)
    backend = api.backend(clock, [api.running, success.states[-1]])
    backend.ends_in(TIMEOUT)
    arguments = {"data": api.data, **api.arguments, "poll_interval": 1000}
    outcome = await run(backend, api.extras, api.endpoint, arguments)
    assert outcome == success.result
    assert api.cancel[0] not in backend.lines


@each_api()
async def test_a_key_that_is_wrong_submits_nothing(api: JobApi, run: Running, clock: FakeClock) -> None:
    """It fails for good at the submit, and the key is in no text."""
    backend = api.backend(clock, [api.running])
    arguments = {"data": api.data, **api.arguments}
    outcome = await run(backend, api.extras, api.endpoint, arguments, key=WRONG_KEY)
    check_failure(outcome, Failure(error="AuthenticationError", without=[WRONG_KEY]))
    assert len(backend.asked) == 1


async def test_the_key_of_a_submit_is_sent_with_it_alone(run: Running, clock: FakeClock) -> None:
    """The Idempotency-Key is of the submit (draft-ietf-httpapi-idempotency-key-header); looks have none."""
    backend = plain.Plain(clock, ["pending", "here"])
    arguments = {"data": plain.BLOG, **plain.API.arguments}
    assert await run(backend, plain.API.extras, "blogs", arguments) == plain.MADE
    keys = [asked.headers.get("Idempotency-Key") for asked in backend.asked]
    assert keys[0] is not None
    assert "blog-7" in keys[0]
    assert keys[1:] == [None, None]


async def test_an_id_is_one_segment_on_the_wire(run: Running, clock: FakeClock) -> None:
    """What a path may hold is not decoded twice: a plus stays one (RFC 3986, section 3.3)."""
    backend = airflow.Airflow(clock, ["success"])
    api = airflow.API
    await run(backend, api.extras, api.endpoint, {"data": api.data, **api.arguments})
    segment = backend.asked[1].raw_path.rpartition("/")[2]
    assert urllib.parse.unquote(segment) == airflow.RUN
    assert " " not in urllib.parse.unquote_plus(segment.replace("+", "%2B"))


def test_each_api_is_documented_and_tried_whole() -> None:
    """Each has pages of documentation, a job that succeeds and one that fails."""
    assert len(APIS) == 8
    for api in APIS:
        assert all(address.startswith("http") and said for address, said in api.documented.items()), api.name
        assert any(case.fails is None for case in api.cases), api.name
        assert any(case.fails and len(case.requests) > 1 for case in api.cases), api.name
