"""The rate limiter as the client uses it: pauses that all requests of a connection share, and hard bounds."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    GenericMirrorDB,
    MirrorDBRequest,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    WaitNeeded,
)
from airflow_mirrordb.client.limits.rate_limiter import SHORT_PAUSE, START_RATE
from tests.support.backends import Answering, Crowd
from tests.support.clocks import FakeClock, loop_time, turns
from tests.support.connections import ConfigFor
from tests.support.raw_server import RawServer, Reply

READ = MirrorDBRequest(method="GET", endpoint="api/users")
ClientFor = Callable[..., GenericMirrorDB]


@pytest.fixture
def client_for(config_for: ConfigFor, clock: FakeClock) -> ClientFor:
    """A client whose waits cost nothing."""

    def build(base_url: str, **settings: Any) -> GenericMirrorDB:
        config = config_for(base_url, **settings)
        return GenericMirrorDB(config, clock=clock.as_clock())

    return build


def refusal(status: int = 429, **headers: str) -> web.Response:
    return web.Response(status=status, headers={name.replace("_", "-"): it for name, it in headers.items()})


def noting(times: list[float], clock: FakeClock) -> Callable[[web.Request], Any]:
    """An answer that notes when it was asked for."""

    async def answer(_request: web.Request) -> web.Response:
        times.append(clock.time)
        return web.json_response({})

    return answer


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_pauses_every_client_of_the_connection(
    answering: Answering, client_for: ClientFor, clock: FakeClock, status: int
) -> None:
    """One request is refused for 7 s; another client, which saw no refusal, waits them out as well."""
    start, times = clock.time, list[float]()
    backend = await answering(refusal(status, Retry_After="7"), *[noting(times, clock)] * 2)
    async with client_for(backend.base_url, max_attempts=1) as one, client_for(backend.base_url) as other:
        with pytest.raises(Exception, match=str(status)):
            await one.request(READ)
        await other.request(READ)
    assert times == [start + 7]


@pytest.mark.parametrize("other", [{"login": "ada"}, {"api_key": "another"}])
async def test_another_identity_is_not_paused(
    answering: Answering, client_for: ClientFor, clock: FakeClock, other: dict[str, str]
) -> None:
    """Backends limit each user by itself."""
    backend = await answering(refusal(Retry_After="7"), web.json_response({}))
    async with (
        client_for(backend.base_url, max_attempts=1) as one,
        client_for(backend.base_url, **other) as two,
    ):
        with pytest.raises(RateLimitError):
            await one.request(READ)
        await two.request(READ)
    assert clock.slept == []


async def test_a_new_key_does_not_end_a_pause(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """A rotated key is the same user."""
    backend = await answering(refusal(Retry_After="7"), web.json_response({}))
    async with client_for(backend.base_url, max_attempts=1, api_key="old") as client:
        with pytest.raises(RateLimitError):
            await client.request(READ)
        await client.update_api_key("new")
        await client.request(READ)
    assert clock.slept == [7.0]


async def test_requests_resume_spread_out(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """After a pause they come one by one, not as a herd."""
    times = list[float]()
    backend = await answering(refusal(Retry_After="7"), *[noting(times, clock)] * 5)
    async with client_for(backend.base_url, max_attempts=1) as client:
        with pytest.raises(RateLimitError):
            await client.request(READ)
        for _ in range(5):
            await client.request(READ)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(0.5 / START_RATE < gap <= 1.01 / START_RATE for gap in gaps)


@pytest.mark.parametrize("adaptive", [True, False])
async def test_what_others_met_can_be_ignored(
    answering: Answering, client_for: ClientFor, clock: FakeClock, *, adaptive: bool
) -> None:
    """With ``adaptive_rate: false`` only the request that was refused waits, as it was told."""
    backend = await answering(refusal(Retry_After="7"), web.json_response({}), web.json_response({}))
    async with client_for(backend.base_url, adaptive_rate=adaptive) as client:
        with pytest.raises(WaitNeeded) as handover:
            await client.request(READ, wait=False)
        await client.request(READ)
        assert clock.slept == ([7.0] if adaptive else [])
        answer = await client.request(READ, progress=handover.value.progress)
    assert (clock.slept[0], answer.attempts) == (7.0, 2)


async def test_first_read_after_an_outage_waits_no_longer_than_one_backoff(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """A minute of 503s builds up no pause that outlasts the first wait of a request's own."""
    backend = await answering(*(refusal(503) for _ in range(300)), web.json_response({}))
    async with client_for(backend.base_url, initial_delay=1, max_delay=60) as client:
        for _ in range(300):
            with pytest.raises(ServerError):
                await client.request(READ, single_attempt=True)
        began = clock.time
        await client.request(READ)
    assert sum(clock.slept) > 60
    assert 0 < clock.time - began <= 1


async def test_pauses_are_logged_once_with_their_connection(
    answering: Answering, client_for: ClientFor, caplog: pytest.LogCaptureFixture
) -> None:
    """Two requests are refused at once: that is one pause of the connection."""
    both = Crowd(2)

    async def refuse(request: web.Request) -> web.Response:
        await both.answer(request)
        return refusal(503, Retry_After="30")

    backend = await answering(refuse, refuse)
    caplog.set_level(logging.INFO)
    async with client_for(backend.base_url, max_attempts=1) as client:
        await asyncio.gather(client.request(READ), client.request(READ), return_exceptions=True)
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("rate_limiter")]
    assert lines == [f"{backend.base_url}: all requests wait for 30 s, after 503 with Retry-After"]


async def test_a_refusal_without_a_header_takes_a_short_pause(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """The rate limiter's own pause begins at a tenth of a second."""
    backend = await answering(refusal(), web.json_response({}))
    async with client_for(backend.base_url, max_attempts=1, max_delay=60, initial_delay=1) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.request(READ)
        await client.request(READ)
    assert caught.value.retry_after is None
    assert clock.slept == [pytest.approx(SHORT_PAUSE)]


@pytest.mark.parametrize("name", ["RateLimit-Reset", "X-RateLimit-Reset"])
async def test_the_reset_of_the_limit_is_waited_for(
    answering: Answering, client_for: ClientFor, clock: FakeClock, name: str
) -> None:
    """A 429 without Retry-After may say when the limit is lifted."""
    backend = await answering(web.Response(status=429, headers={name: "30"}), web.json_response({}))
    async with client_for(backend.base_url) as client:
        assert (await client.request(READ)).attempts == 2
    assert clock.slept == [30.0]


async def test_retry_after_wins_over_the_reset(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """The standard header is the one meant for us."""
    backend = await answering(refusal(Retry_After="2", RateLimit_Reset="30"), web.json_response({}))
    async with client_for(backend.base_url) as client:
        await client.request(READ)
    assert clock.slept == [2.0]


async def test_the_reset_on_another_status_is_only_information(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """Some backends send it with every answer: a 503 with it does not say that a create was refused."""
    backend = await answering(refusal(503, X_RateLimit_Reset="30"), web.json_response({}))
    async with client_for(backend.base_url) as client:
        assert (await client.request(READ)).attempts == 2
    assert max(clock.slept) < 1


async def test_backoff_on_a_success_pauses_the_connection(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """The answer is used; the next request waits."""
    answer = web.json_response([1], headers={"Backoff": "7"})
    backend = await answering(answer, web.json_response([2]))
    async with client_for(backend.base_url) as client:
        assert await client.read_function("read", "api/users") == [1]
        assert clock.slept == []
        assert await client.read_function("read", "api/users") == [2]
    assert clock.slept == [7.0]


async def test_rate_limit_is_never_exceeded(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """At 4 requests/s ten requests, of two clients, take nine quarters of a second."""
    start, times = clock.time, list[float]()
    backend = await answering(*[noting(times, clock)] * 10)
    settings = {"rate_limit": 4}
    async with (
        client_for(backend.base_url, **settings) as one,
        client_for(backend.base_url, **settings) as two,
    ):
        for _ in range(5):
            await one.request(READ)
            await two.request(READ)
    assert times == [pytest.approx(start + number / 4) for number in range(10)]


async def test_max_concurrency_is_shared_by_the_clients_of_a_loop(
    answering: Answering, config_for: ConfigFor
) -> None:
    """Two clients with two slots: two requests in flight, not four."""
    crowd = Crowd(2)
    backend = await answering(*[crowd.answer] * 10)
    config = config_for(backend.base_url, max_concurrency=2)
    async with GenericMirrorDB(config) as one, GenericMirrorDB(config) as two:
        await asyncio.gather(*(client.request(READ) for client in [one, two] * 5))
    assert (crowd.most, len(backend.requests)) == (2, 10)


async def test_a_turn_after_the_deadline_is_not_waited_for(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """The error comes at once, says that nothing was sent, and when to come back."""
    backend = await answering(refusal(Retry_After="3600"))
    async with client_for(backend.base_url) as client:
        with pytest.raises(RateLimitError):
            await client.request(READ)
        clock.time += 600
        with pytest.raises(RateLimitError, match="not sent") as caught:
            await client.request(READ)
    error = caught.value
    assert error.retry_after == pytest.approx(3000)
    assert (error.attempts, error.retryable) == (0, True)
    assert (error.method, error.endpoint) == ("GET", "api/users")
    assert len(backend.requests) == 1
    assert clock.slept == []


async def test_a_long_turn_is_handed_over(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """Who wants to wait elsewhere is told until when, and nothing counts as sent."""
    backend = await answering(refusal(Retry_After="60"))
    async with client_for(backend.base_url, max_attempts=1) as client:
        with pytest.raises(RateLimitError):
            await client.request(READ)
        with pytest.raises(WaitNeeded) as handover:
            await client.request(READ, wait=False)
    assert handover.value.progress.attempts == 0
    assert handover.value.progress.resume_at == pytest.approx(clock.time + 60)
    assert clock.slept == []


async def test_a_place_that_is_given_up_is_taken_by_another(
    answering: Answering, config_for: ConfigFor
) -> None:
    """A request that is cancelled while it waits leaves no hole in the line."""
    waiting = asyncio.Event()
    clock = FakeClock()

    async def sleep(seconds: float) -> None:
        if not waiting.is_set():
            waiting.set()
            await asyncio.Event().wait()
        await clock.sleep(seconds)

    backend = await answering(web.json_response({}), web.json_response({}))
    config = config_for(backend.base_url, rate_limit=1)
    async with GenericMirrorDB(config, clock=clock.as_clock(sleep=sleep)) as client:
        await client.request(READ)
        cancelled = asyncio.ensure_future(client.request(READ))
        await waiting.wait()
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        await client.request(READ)
    assert clock.slept == [1.0]


async def test_the_deadline_cuts_a_hanging_request(
    raw_server: RawServer, config_for: ConfigFor, clock: FakeClock
) -> None:
    """An answer that does not come is not waited for past max_elapsed, though timeout is longer."""
    raw_server.default = Reply(then="silence")
    config = config_for(raw_server.base_url, timeout=3600, max_elapsed=20)
    async with GenericMirrorDB(config, clock=clock.as_clock()) as client:
        reading = asyncio.create_task(client.request(READ))
        await raw_server.arrived.wait()
        clock.time += 20
        loop_time.advance(20)
        with pytest.raises(RequestTimeoutError, match="within 20 s") as caught:
            await reading
    assert caught.value.attempts == 1


async def test_the_deadline_of_an_earlier_run_holds(
    raw_server: RawServer, config_for: ConfigFor, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of max_elapsed is the same in the process that goes on; it may still ask once."""
    monkeypatch.setattr("airflow_mirrordb.client.calls.call.LEAST_TIMEOUT", 25.0)
    raw_server.default = Reply(then="time-out")
    config = config_for(raw_server.base_url, timeout=3600)
    async with GenericMirrorDB(config, clock=clock.as_clock()) as client:
        progress = client.begin()
        clock.time += config.max_elapsed + 0.01
        with pytest.raises(RequestTimeoutError, match="within 25 s"):
            await client.request(READ, progress=progress)


async def test_a_slot_that_is_free_only_after_the_deadline_is_not_used(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """A request that waited too long behind others ends as the others would, and nothing is sent."""

    async def slow(_request: web.Request) -> web.Response:
        clock.time += 301
        return web.json_response({})

    backend = await answering(slow, web.json_response({}))
    async with client_for(backend.base_url, max_concurrency=1) as client:
        first, second = await asyncio.gather(
            client.request(READ), client.request(READ), return_exceptions=True
        )
        assert not isinstance(first, BaseException)
        assert isinstance(second, RateLimitError)
        assert "max_concurrency" in second.message
        assert (second.attempts, second.retryable, second.retry_after) == (0, True, 0.0)
        assert len(backend.requests) == 1
        await client.request(READ)  # the slot is free again


class Busy:
    """A backend that keeps a request until it is told to answer."""

    def __init__(self) -> None:
        self.has_come, self.may_answer = asyncio.Event(), asyncio.Event()

    async def answer(self, _request: web.Request) -> web.Response:
        self.has_come.set()
        await self.may_answer.wait()
        return web.json_response({})


def let_pass(clock: FakeClock, seconds: float) -> None:
    """Let time pass, on the clock of the client and for the timers of the loop."""
    clock.time += seconds
    loop_time.advance(seconds)


async def test_a_poll_keeps_its_place_in_the_line(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """It waits for longer than for a pause: on a busy connection, who gives a place up never comes."""
    busy = Busy()
    backend = await answering(busy.answer, web.json_response("polled"))
    async with client_for(backend.base_url, max_concurrency=1) as client:
        first = asyncio.create_task(client.request(READ))
        await busy.has_come.wait()
        poll = asyncio.create_task(client.request(READ, single_attempt=True))
        await turns()
        let_pass(clock, 1.5)
        await turns()
        assert not poll.done()
        busy.may_answer.set()
        assert (await poll).data == "polled"
        await first


async def test_polls_get_through_a_connection_that_is_always_busy(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """Two others send one request after the other, of 1.5 s each, through the only slot; no poll starves."""

    async def slow(_request: web.Request) -> web.Response:
        let_pass(clock, 1.5)
        return web.json_response({})

    backend = await answering(*[slow] * 1000)

    async def load() -> None:
        while True:
            await client.request(READ)

    async with client_for(backend.base_url, max_concurrency=1) as client:
        loads = [asyncio.create_task(load()) for _ in range(2)]
        await turns()
        answers = [await client.request(READ, single_attempt=True) for _ in range(5)]
        for each in loads:
            each.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
    assert [answer.attempts for answer in answers] == [1] * 5


@pytest.mark.parametrize("single", [False, True])
async def test_the_deadline_ends_the_wait_for_a_slot(
    answering: Answering, client_for: ClientFor, clock: FakeClock, *, single: bool
) -> None:
    """It ends at ``max_elapsed``, and not when the request ahead has its answer."""
    busy = Busy()
    backend = await answering(busy.answer, web.json_response("next"))
    async with (
        client_for(backend.base_url, max_concurrency=1) as other,
        client_for(backend.base_url, max_concurrency=1, max_elapsed=2) as client,
    ):
        ahead = asyncio.create_task(other.request(READ))
        await busy.has_come.wait()
        waiting = asyncio.create_task(client.request(READ, single_attempt=single))
        await turns()
        let_pass(clock, 2)
        with pytest.raises(
            RateLimitError, match=r"not sent: no turn came in time: max_concurrency"
        ) as caught:
            await waiting
        assert not ahead.done()
        busy.may_answer.set()
        await ahead
        assert (await client.request(READ)).data == "next"
    assert (caught.value.attempts, caught.value.retryable) == (0, True)
    assert len(backend.requests) == 2


async def test_a_long_wait_for_a_slot_is_handed_over(
    answering: Answering, client_for: ClientFor, clock: FakeClock
) -> None:
    """Who wants to do long waits elsewhere may do this one there, from now on."""
    busy = Busy()
    backend = await answering(busy.answer)
    async with client_for(backend.base_url, max_concurrency=1) as client:
        ahead = asyncio.create_task(client.request(READ))
        await busy.has_come.wait()
        waiting = asyncio.create_task(client.request(READ, wait=False))
        await turns()
        let_pass(clock, 1)
        with pytest.raises(WaitNeeded) as handover:
            await waiting
        busy.may_answer.set()
        await ahead
    progress = handover.value.progress
    assert (progress.attempts, progress.resume_at) == (0, clock.time)
    assert len(backend.requests) == 1
