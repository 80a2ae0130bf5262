"""Every attempt is the client's own: counted, logged, bounded, and sent again only where it helps."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    Clock,
    ConnectError,
    DisconnectedError,
    GenericMirrorDB,
    InvalidResponseError,
    MirrorDBRequest,
    Progress,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    WaitNeeded,
)
from tests.support.aiohttp_versions import IS_BEFORE_3_14
from tests.support.backends import Crowd
from tests.support.clocks import TIMEOUT
from tests.support.raw_server import Reply, json_answer

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.clocks import FakeClock
    from tests.support.connections import ConfigFor
    from tests.support.raw_server import RawServer


def attempts_logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What each warning says failed."""
    return [
        found[1]
        for text in caplog.messages
        if (found := re.search(r"attempt \d of \d: (.+); the next", text))
    ]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_read_is_sent_again_after_a_transient_status(
    answering: Answering, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """One failure costs one more request and one warning; the caller sees only the record."""
    backend = await answering(web.Response(status=status), web.json_response({"id": 7}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        answer = await client.request(MirrorDBRequest(method="GET", endpoint="api/users/7"))
    assert (answer.data, answer.attempts, len(backend.requests)) == ({"id": 7}, 2, 2)
    assert [words[:3] for words in attempts_logged(caplog)] == [str(status)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 412, 422, 501])
async def test_a_final_status_is_not_sent_again(
    answering: Answering, config_for: ConfigFor, status: int
) -> None:
    """What the next answer would repeat is asked once."""
    backend = await answering(web.Response(status=status))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        envelope = await client.call("read_function", method_name="read", endpoint="api/users/7")
    assert (envelope["error"]["status"], envelope["error"]["attempts"]) == (status, 1)
    assert len(backend.requests) == 1


async def test_the_statuses_worth_a_retry_can_be_changed(answering: Answering, config_for: ConfigFor) -> None:
    """Exactly the configured ones are retried."""
    backend = await answering(web.Response(status=404), web.Response(status=503), web.Response(status=500))
    config = config_for(backend.base_url, retry_statuses=[404, 503], max_attempts=9)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ServerError) as caught:
            await client.read_function("read", "api/users/7")
    assert (caught.value.status, caught.value.attempts) == (500, 3)


async def test_retry_after_is_waited_for(
    answering: Answering, config_for: ConfigFor, clock: FakeClock
) -> None:
    """The backend's wish wins over the computed wait, in seconds or as a date."""
    backend = await answering(
        web.Response(status=429, headers={"Retry-After": "7"}),
        web.Response(status=503, headers={"Retry-After": "Tue, 14 Nov 2023 22:14:20 GMT"}),  # 60 s later
        web.json_response({}),
    )
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        await client.read_function("read", "api/users")
    assert clock.slept == [7.0, 53.0]


async def test_a_retry_after_beyond_the_deadline_ends_the_call(
    answering: Answering, config_for: ConfigFor, clock: FakeClock
) -> None:
    """At once, with the wait in the error: the caller can wait without a worker."""
    backend = await answering(web.Response(status=429, headers={"Retry-After": "3600"}))
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.read_function("read", "api/users")
    assert (caught.value.retry_after, caught.value.retryable, caught.value.attempts) == (3600.0, True, 1)
    assert (clock.slept, len(backend.requests)) == ([], 1)


async def test_a_request_can_be_handed_over_between_attempts(
    answering: Answering, config_for: ConfigFor, clock: FakeClock
) -> None:
    """Another client, in another process, goes on where the first one left off."""
    busy = [web.Response(status=status, headers={"Retry-After": "5"}) for status in (502, 503)]
    backend = await answering(*busy, web.Response(status=404))
    request = MirrorDBRequest(method="DELETE", endpoint="api/users/7")
    progress: Progress | None = None
    for number in (1, 2):
        async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
            with pytest.raises(WaitNeeded) as pause:
                await client.request(request, progress=progress, wait=False)
        progress = pause.value.progress
        assert (progress.attempts, progress.maybe_applied) == (number, True)
        clock.time += 5
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        answer = await client.request(request, progress=progress, wait=False)
    assert (answer.attempts, answer.status, clock.slept) == (
        3,
        404,
        [],
    )  # gone: the first one may have done it


# -- the network ---------------------------------------------------------------------------------


async def test_a_refused_connection_is_tried_again(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture, dead_port: int
) -> None:
    """Nothing was sent, so even a create is; the error says where to."""
    url = f"http://127.0.0.1:{dead_port}"
    async with GenericMirrorDB(config_for(url, max_attempts=3)) as client:
        with pytest.raises(ConnectError, match=f"cannot connect to {url}") as caught:
            await client.create_function("create", "api/users", {})
    assert (caught.value.attempts, caught.value.sent, caught.value.retryable) == (3, False, True)
    assert [words.partition(" to ")[0] for words in attempts_logged(caplog)] == ["cannot connect"] * 2


@pytest.mark.skipif(IS_BEFORE_3_14, reason="aiohttp looks such a host up")
@pytest.mark.parametrize("host", ["127.1", "256.256.256.256"])
async def test_a_host_that_cannot_exist(config_for: ConfigFor, host: str) -> None:
    """What is nearly an address is a ConnectError that names it, and is not tried again."""
    async with GenericMirrorDB(config_for(f"http://{host}:9")) as client:
        with pytest.raises(ConnectError, match=re.escape(host)) as caught:
            await client.read_function("read", "api/users")
    assert (caught.value.sent, caught.value.retryable, caught.value.attempts) == (False, False, 1)


async def test_a_host_whose_name_is_not_found(config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name servers have bad moments: it is tried again, and the error names the host."""

    async def not_found(*_args: Any, **_options: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", not_found)
    async with GenericMirrorDB(config_for("http://backend.example", max_attempts=2)) as client:
        with pytest.raises(ConnectError, match=r"backend\.example: .*not known") as caught:
            await client.create_function("create", "api/users", {})
    assert (caught.value.sent, caught.value.retryable, caught.value.attempts) == (False, True, 2)


BROKEN = {
    "disconnect": Reply(then="close"),
    "reset": Reply(then="reset"),
    "half a head": Reply(b"HTTP/1.1 200 OK\r\nContent-", then="close"),
    "truncated body": Reply(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id"', then="close"),
    "truncated chunks": Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", then="close"),
    "bad chunks": Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", then="close"),
    "garbage": Reply(b"\x00\xff garbage \r\n\r\n", then="close"),
    "bad header": Reply(b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n", then="close"),
    "huge header": Reply(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", then="close"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
async def test_a_broken_answer_is_asked_for_again(
    raw_server: RawServer, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """However the answer breaks, the read is sent once more, logged, and succeeds."""
    raw_server.replies = [BROKEN[name]]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        answer = await client.request(MirrorDBRequest(method="GET", endpoint="api/users"))
    assert (answer.data, answer.attempts, len(raw_server.requests)) == ({}, 2, 2)
    (words,) = attempts_logged(caplog)
    assert words.startswith(("the answer of http", "the connection to http"))


@pytest.mark.parametrize("name", sorted(BROKEN))
async def test_the_error_of_a_broken_answer(raw_server: RawServer, config_for: ConfigFor, name: str) -> None:
    """It is a DisconnectedError of one line that says that the request may have arrived."""
    raw_server.default = BROKEN[name]
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=2)) as client:
        with pytest.raises(DisconnectedError) as caught:
            await client.read_function("read", "api/users")
    assert (caught.value.sent, caught.value.attempts, len(raw_server.requests)) == (True, 2, 2)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600


async def test_the_timeout_is_per_attempt(raw_server: RawServer, config_for: ConfigFor) -> None:
    """An attempt that is not answered in time is given up, and the next has its whole time."""
    raw_server.replies = [Reply(then="time-out"), Reply(b"HTTP/1.1 200 OK\r\n", then="time-out")]
    now = asyncio.get_running_loop().time
    async with GenericMirrorDB(config_for(raw_server.base_url), clock=Clock(monotonic=now)) as client:
        answer = await client.request(MirrorDBRequest(method="GET", endpoint="api/users"))
    assert answer.attempts == 3
    assert answer.elapsed >= 2 * TIMEOUT


async def test_a_timeout_is_an_error_of_its_own(raw_server: RawServer, config_for: ConfigFor) -> None:
    """It names the limit; a request's own limit wins over the connection's."""
    raw_server.default = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", then="time-out")
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1, timeout=3600)) as client:
        with pytest.raises(RequestTimeoutError, match=r"did not answer within 29\.5 s") as caught:
            await client.read_function("read", "api/users", timeout=29.5)
    assert (caught.value.sent, caught.value.retryable) == (True, True)


# -- connections that are used again -------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("then", ["close", "reset"])
async def test_no_request_is_sent_that_nobody_counts(
    raw_server: RawServer, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, method: Any, then: Any
) -> None:
    """A kept connection that dies under a request: aiohttp would send it again by itself, unseen."""
    raw_server.replies = [Reply(json_answer("{}")), Reply(then=then)]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        await client.read_function("first", "api/users")
        answer = await client.request(
            MirrorDBRequest(method=method, endpoint="api/users/7", method_name="second")
        )
    seen = [request for request in raw_server.requests if b"/api/users/7" in request]
    assert len(seen) == answer.attempts == 2
    (words,) = attempts_logged(caplog)
    assert words.startswith(("the answer of http", "the connection to http"))
    assert raw_server.connections == 2


async def test_with_one_attempt_one_request_is_sent(raw_server: RawServer, config_for: ConfigFor) -> None:
    """The same, seen from the other side: max_attempts=1 means one request on the wire."""
    raw_server.replies = [Reply(json_answer("{}")), Reply(then="close")]
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
        await client.read_function("first", "api/users")
        with pytest.raises(DisconnectedError):
            await client.delete_function("second", "api/users/7")
    assert len(raw_server.requests) == 2


async def test_connections_are_used_again(
    raw_server: RawServer, config_for: ConfigFor, idling: FakeClock
) -> None:
    """A hundred requests of a client need one connection, and one more for writes of the careful kind."""
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        for _ in range(50):
            await client.read_function("read", "api/users")
            await client.create_function("create", "api/users", {})
    assert (len(raw_server.requests), raw_server.connections) == (100, 2)


@pytest.mark.parametrize(("idle", "connections"), [(0.5, 1), (1.5, 2)])
async def test_a_write_never_goes_out_on_a_connection_that_idled(
    raw_server: RawServer, config_for: ConfigFor, idling: FakeClock, idle: float, connections: int
) -> None:
    """After a second without use a create that may not be repeated gets a fresh connection."""
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        await client.create_function("create", "api/users", {})
        idling.time += idle
        await client.create_function("create", "api/users", {})
    assert (len(raw_server.requests), raw_server.connections) == (2, connections)


async def test_reads_keep_their_connection_longer(
    raw_server: RawServer, config_for: ConfigFor, idling: FakeClock
) -> None:
    """What may be repeated goes on over a connection that idled for seconds."""
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        await client.read_function("read", "api/users")
        idling.time += 10
        await client.read_function("read", "api/users")
        idling.time += 30
        await client.read_function("read", "api/users")
    assert (len(raw_server.requests), raw_server.connections) == (3, 2)


# -- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_is_read_up_to_its_limit(
    answering: Answering, config_for: ConfigFor, *, compressed: bool, status: int
) -> None:
    """The limit counts decompressed bytes; the client can be used afterwards."""

    async def large(request: web.Request) -> web.Response:
        body = b"[" + b" " * 20_000_000 + b"]"
        answer = web.Response(status=status, body=body, zlib_executor_size=len(body) + 1)
        if compressed:
            answer.enable_compression()
        return answer

    one_more, exact = (web.Response(body=b"[" + b" " * length + b"]") for length in (999, 998))
    backend = await answering(large, one_more, exact)
    config = config_for(backend.base_url, max_response_bytes=1000, max_attempts=1)
    async with GenericMirrorDB(config) as client:
        with pytest.raises((InvalidResponseError, ServerError)) as caught:
            await client.read_function("read", "api/users")
        assert isinstance(caught.value, InvalidResponseError if status == 200 else ServerError)
        with pytest.raises(InvalidResponseError):
            await client.read_function("read", "api/users")
        assert await client.read_function("read", "api/users") == []


async def test_memory_does_not_follow_a_compression_bomb(answering: Answering, config_for: ConfigFor) -> None:
    """200 MB of zeros that travel as 200 kB never stand in memory."""
    import gzip
    import tracemalloc

    bomb = gzip.compress(b"\0" * 200_000_000, compresslevel=6)
    backend = await answering(web.Response(body=bomb, headers={"Content-Encoding": "gzip"}))
    async with GenericMirrorDB(config_for(backend.base_url, max_response_bytes=1_000_000)) as client:
        tracemalloc.start()
        try:
            with pytest.raises(InvalidResponseError, match="max_response_bytes"):
                await client.read_function("read", "api/users")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 20_000_000


async def test_max_concurrency_bounds_what_is_in_flight(answering: Answering, config_for: ConfigFor) -> None:
    """With two slots the third request waits, and all are answered."""
    crowd = Crowd(2)
    backend = await answering(*[crowd.answer] * 10)
    async with GenericMirrorDB(config_for(backend.base_url, max_concurrency=2)) as client:
        await asyncio.gather(*(client.read_function("read", "api/users") for _ in range(10)))
    assert (crowd.most, len(backend.requests)) == (2, 10)


async def test_a_read_that_never_succeeds_says_how_often_it_was_tried(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """The last failure is raised, with the count of all."""
    raw_server.default = Reply(then="close")
    raw_server.replies = [Reply(json_answer("", "503 Service Unavailable")) for _ in range(3)]
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=4)) as client:
        with pytest.raises(TransportError, match="4 attempts") as caught:
            await client.read_function("read", "api/users")
    assert (caught.value.attempts, len(raw_server.requests)) == (4, 4)
