"""Answers that another day are others: what is not ready yet, and failures that pass by themselves."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    GenericMirrorDB,
    InvalidResponseError,
    MirrorDBError,
    MirrorDBRequest,
    NotReadyError,
    RateLimitError,
    ResponseError,
    ServerError,
)
from airflow_mirrordb.hooks.output import OutputFile
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator
from tests.integration.test_operators import context
from tests.support.aiohttp_versions import QUERY
from tests.support.backends import ScriptedBackend

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.clocks import FakeClock
    from tests.support.connections import ConfigFor, SetConnection

READ = MirrorDBRequest(method="GET", endpoint="api/stats/7")
CREATE = MirrorDBRequest(method="POST", endpoint="api/users", data={"name": "Ada"})
HTML = b"<html><title>Back in a minute</title></html>"


def pending(**headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response({"status": "pending"}, status=202, headers=named)


# -- 202 -----------------------------------------------------------------------------------------


async def test_a_read_is_made_again_until_it_is_ready(
    answering: Answering, config_for: ConfigFor, clock: FakeClock
) -> None:
    """GitHub answers 202 while it makes statistics, Azure with Retry-After while an operation runs.

    Each wait is the longer of Retry-After and the backoff.
    """
    backend = await answering(pending(Retry_After="7"), pending(), web.json_response({"total": 3}))
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        answer = await client.request(READ)
    assert (answer.data, answer.attempts, clock.slept[0]) == ({"total": 3}, 3, 7.0)


@pytest.mark.parametrize("query_method", ["POST", QUERY])
async def test_a_read_by_a_body_is_made_again_too(
    answering: Answering, config_for: ConfigFor, query_method: str
) -> None:
    """A search that runs in the background, as Elasticsearch's "Async search", or Splunk's."""
    backend = await answering(pending(), web.json_response([7]))
    config = config_for(backend.base_url, endpoints=["QUERY api/search"], query_method=query_method)
    async with GenericMirrorDB(config) as client:
        assert await client.read_function("search", "api/search", data={"q": "x"}) == [7]
    assert backend.lines == [f"{query_method} /api/search"] * 2


async def test_what_is_not_ready_makes_nobody_else_wait(
    answering: Answering, config_for: ConfigFor, clock: FakeClock
) -> None:
    """A 202 is no refusal: other requests of the connection go at once."""
    backend = await answering(pending(Retry_After="60"), web.json_response([]))
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        with pytest.raises(NotReadyError):
            await client.request(READ, single_attempt=True)
        await client.read_function("list", "api/users")
    assert clock.slept == []


@pytest.mark.parametrize(
    ("settings", "retry_after", "attempts"), [({"max_attempts": 3}, "0", 3), ({"max_elapsed": 60}, "61", 1)]
)
async def test_what_does_not_become_ready_is_an_error_that_says_so(
    answering: Answering,
    config_for: ConfigFor,
    clock: FakeClock,
    settings: dict[str, Any],
    retry_after: str,
    attempts: int,
) -> None:
    """Airflow's own retries may see it ready: the error is retryable, and knows when to come back."""
    backend = await answering(*(pending(Retry_After=retry_after) for _ in range(3)))
    async with GenericMirrorDB(config_for(backend.base_url, **settings), clock=clock.as_clock()) as client:
        with pytest.raises(NotReadyError, match="not ready yet") as caught:
            await client.request(READ)
    assert (caught.value.attempts, caught.value.retryable) == (attempts, True)
    assert caught.value.retry_after == float(retry_after)
    assert isinstance(MirrorDBError.from_dict(caught.value.to_dict()), NotReadyError)


async def test_a_placeholder_gets_into_no_file(
    answering: Answering, config_for: ConfigFor, tmp_path: Path
) -> None:
    """What is written is the result alone."""
    backend = await answering(pending(), web.Response(body=b"a,b\n1,2\n", content_type="text/csv"))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        await client.request(READ, sink=OutputFile(str(tmp_path / "export.csv")))
    assert (tmp_path / "export.csv").read_bytes() == b"a,b\n1,2\n"


async def test_a_write_that_was_accepted_is_done(answering: Answering, config_for: ConfigFor) -> None:
    """202 to a write is its success; its body tells where to look."""
    backend = await answering(pending())
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert await client.create_function("create", "api/jobs", {}) == {"status": "pending"}


# -- failures that pass ----------------------------------------------------------------------------

PASSING: dict[str, tuple[int, Any, dict[str, str]]] = {
    "522": (522, None, {}),
    "529": (529, None, {}),
    "530": (530, None, {}),
    "598": (598, None, {}),
    "507": (507, None, {}),
    "423": (423, {"message": "locked"}, {}),
    "403": (403, {"message": "secondary rate limit"}, {"Retry-After": "1000"}),
    "409": (409, None, {"Retry-After": "1000"}),
    "html": (200, HTML, {"Content-Type": "text/html"}),
    "html that calls itself JSON": (200, HTML, {"Content-Type": "application/json"}),
}


@pytest.mark.parametrize("name", sorted(PASSING))
@pytest.mark.parametrize("deferrable", [False, True])
def test_what_may_pass_is_left_to_the_retries_of_the_task(
    set_connection: SetConnection, scripted: ScriptedBackend, name: str, *, deferrable: bool
) -> None:
    """The task raises the error itself, and Airflow tries it again, as it would any other."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    scripted.answers = [PASSING[name]]
    with pytest.raises((ResponseError, InvalidResponseError)) as caught:
        MirrorDBReadOperator(task_id="read", endpoint="api/x", deferrable=deferrable).execute(context())
    assert caught.value.retryable


@pytest.mark.parametrize(
    "answer",
    [
        (403, None, {}),
        (404, None, {}),
        (501, None, {}),
        (505, None, {}),
        (200, b'{"a": NaN}', {"Content-Type": "application/json"}),
        (200, b"a,b\n", {"Content-Type": "text/csv"}),
    ],
)
def test_what_stays_as_it_is_fails_the_task_at_once(
    set_connection: SetConnection, scripted: ScriptedBackend, answer: tuple[int, Any, dict[str, str]]
) -> None:
    """Airflow's retries would only meet it again."""
    set_connection(scripted.url)
    scripted.answers = [answer]
    with pytest.raises(AirflowFailException):
        MirrorDBReadOperator(task_id="read", endpoint="api/x").execute(context())


@pytest.mark.parametrize("status", [520, 522, 524, 527, 529, 530])
async def test_failures_of_gateways_are_worth_another_attempt(
    answering: Answering, config_for: ConfigFor, status: int
) -> None:
    """They are as passing as 502 and 504 ("Cloudflare 5xx errors")."""
    backend = await answering(web.Response(status=status), web.json_response({}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert (await client.request(READ)).attempts == 2


@pytest.mark.parametrize("status", [403, 404, 409, 423, 507])
async def test_a_status_that_names_a_time_is_tried_again_then(
    answering: Answering, config_for: ConfigFor, clock: FakeClock, status: int
) -> None:
    """Whatever it is; without a time it is left to the caller."""
    away = web.Response(status=status, headers={"Retry-After": "7"})
    backend = await answering(away, web.json_response({}))
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        assert (await client.request(READ)).attempts == 2
    assert clock.slept == [7.0]


async def test_a_page_for_people_is_not_asked_for_again_at_once(
    answering: Answering, config_for: ConfigFor
) -> None:
    """More often than maintenance it means a wrong URL, of which the author should hear soon."""
    backend = await answering(web.Response(body=HTML, content_type="text/html"))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError) as caught:
            await client.request(READ)
    assert (caught.value.attempts, caught.value.retryable, len(backend.requests)) == (1, True, 1)


# -- writes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers"), [(423, {"Retry-After": "1"}), (403, {"Retry-After": "1"}), (429, {})]
)
async def test_a_create_that_was_refused_for_now_is_sent_again(
    answering: Answering, config_for: ConfigFor, clock: FakeClock, status: int, headers: dict[str, str]
) -> None:
    """A 4xx says that it was not applied; GitHub's secondary limits are a 403 with Retry-After."""
    backend = await answering(web.Response(status=status, headers=headers), web.json_response({"id": 7}))
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        assert (await client.request(CREATE)).attempts == 2


@pytest.mark.parametrize("status", [500, 502, 520, 524, 529])
async def test_a_create_that_may_have_been_applied_is_ambiguous_whatever_passes(
    answering: Answering, config_for: ConfigFor, status: int
) -> None:
    """That a status passes says nothing of what was done before it."""
    backend = await answering(web.Response(status=status, headers={"Retry-After": "1"}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(AmbiguousWriteError) as caught:
            await client.request(CREATE)
    assert (caught.value.retryable, len(backend.requests)) == (False, 1)


@pytest.mark.parametrize("known", [False, True])
async def test_a_proxy_that_refuses_before_the_backend_has_it(
    answering: Answering, config_for: ConfigFor, *, known: bool
) -> None:
    """Nginx's ``limit_req`` answers 503 and names no time ("Module ngx_http_limit_req_module")."""
    backend = await answering(web.Response(status=503), web.json_response({"id": 7}))
    settings = {"not_applied_statuses": "425, 429, 503"} if known else {}
    async with GenericMirrorDB(config_for(backend.base_url, **settings)) as client:
        if known:
            assert (await client.request(CREATE)).attempts == 2
        else:
            with pytest.raises(AmbiguousWriteError):
                await client.request(CREATE)


def test_a_create_that_is_locked_out_is_left_to_the_retries_of_the_task(
    set_connection: SetConnection, scripted: ScriptedBackend
) -> None:
    """423 names no time, so the client gives up; nothing was applied, so Airflow may try again."""
    set_connection(scripted.url)
    scripted.answers = [(423, {"message": "locked"}, {})]
    with pytest.raises(ResponseError) as caught:
        MirrorDBCreateOperator(task_id="create", endpoint="api/users", data={}).execute(context())
    assert (caught.value.retryable, caught.value.maybe_applied) == (True, False)


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 3.3, 6.6, 9.9])
async def test_the_defaults_outlive_a_window_of_ten_seconds(
    answering: Answering, clock: FakeClock, offset: float
) -> None:
    """A limiter that lets three requests through in each ten seconds, and names no time (PocketBase's,
    "Rate limiting": a 429 with a body alone).
    """
    counts: dict[int, int] = {}
    began = clock.time - clock.time % 10

    async def limited(_request: web.Request) -> web.Response:
        window = int((clock.time - began) // 10)
        counts[window] = counts.get(window, 0) + 1
        return web.json_response({}) if counts[window] <= 3 else web.Response(status=429)

    backend = await answering(*[limited] * 60)
    async with GenericMirrorDB({"base_url": backend.base_url}, clock=clock.as_clock()) as client:
        clock.time += offset
        for _ in range(6):
            await client.request(READ)


async def test_all_requests_wait_for_who_is_refused_as_a_sender(
    answering: Answering, config_for: ConfigFor, clock: FakeClock
) -> None:
    """A 403 that names a time refuses the sender, as GitHub's limits do; a 404 only what it asked for."""
    backend = await answering(
        web.Response(status=404, headers={"Retry-After": "60"}),
        web.json_response([]),
        web.Response(status=403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}),
        web.json_response([]),
    )
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        for slept in ([], [30.0]):
            with pytest.raises(ResponseError):
                await client.request(READ, single_attempt=True)
            await client.read_function("list", "api/users")
            assert clock.slept == slept


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (503, ServerError, "the connection is paused for another 600.0 s, after an answer of 503"),
        (429, RateLimitError, "the connection is paused for another 600.0 s, after an answer of 429"),
    ],
)
async def test_who_is_not_sent_hears_why(
    answering: Answering,
    config_for: ConfigFor,
    clock: FakeClock,
    status: int,
    kind: type[ResponseError],
    words: str,
) -> None:
    """The status that paused the connection is the error's, also if the request itself was never sent."""
    backend = await answering(web.Response(status=status, headers={"Retry-After": "600"}))
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        with pytest.raises(kind):
            await client.request(READ)
        with pytest.raises(kind, match=words) as caught:
            await client.request(READ)
    assert (caught.value.status, caught.value.attempts, caught.value.retryable) == (status, 0, True)
    assert len(backend.requests) == 1


async def test_who_waits_for_the_rate_alone_hears_of_no_refusal(
    answering: Answering, config_for: ConfigFor, clock: FakeClock
) -> None:
    """``rate_limit`` is the connection's own, and what was refused before is over with the next answer."""
    backend = await answering(web.Response(status=503), web.json_response({}))
    config = config_for(backend.base_url, rate_limit=0.001, max_elapsed=2000)
    async with GenericMirrorDB(config, clock=clock.as_clock()) as client:
        assert (await client.request(READ)).attempts == 2
        await client.update_config(max_elapsed=10)
        with pytest.raises(
            RateLimitError, match="it was not sent: the connection is paused, or limited, for"
        ):
            await client.request(READ)


@pytest.mark.parametrize(
    ("asked", "delay", "words"),
    [
        (90.0, timedelta(seconds=90), "come back after 0:01:30"),
        (2.3e9, timedelta(days=1), "asks for a wait of 26,620.4 days, of which one counts"),
    ],
)
def test_airflow_waits_for_a_day_at_most(asked: float, delay: timedelta, words: str) -> None:
    """Whoever made the error; a wait that is not obeyed to its end is told."""
    policies = pytest.importorskip("airflow_mirrordb.task.outcomes.retry_policy", exc_type=ImportError)
    error = ServerError(message="503", retryable=True, retry_after=asked)
    decision = policies.MirrorDBRetryPolicy().evaluate(error, 1, 3)
    assert decision.retry_delay == delay
    assert words in decision.reason


def test_a_retry_after_of_0_does_not_shorten_the_wait_of_the_task() -> None:
    """It names no time, so the task's ``retry_delay`` holds."""
    policies = pytest.importorskip("airflow_mirrordb.task.outcomes.retry_policy", exc_type=ImportError)
    error = ServerError(message="503", retryable=True, retry_after=0.0)
    decision = policies.MirrorDBRetryPolicy().evaluate(error, 1, 3)
    assert decision.action.name == "DEFAULT"
