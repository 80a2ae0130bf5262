"""The proxy of the fault tests does what it says, and nothing else."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import groupby, islice
from typing import TYPE_CHECKING

import aiohttp
import pytest

from airflow_mirrordb.devserver import DevServer
from tests.support.clocks import TIMEOUT, loop_time, turns, until
from tests.support.faults import (
    BETWEEN_REQUESTS,
    DELIVERED,
    HIDING,
    REFUSALS,
    Fault,
    FaultProxy,
    random_faults,
    read_message,
)
from tests.support.raw_server import Reply, json_answer

if TYPE_CHECKING:
    from tests.support.raw_server import RawServer

BODY = b'{"name": "Ada"}'
CREATE = b"POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
READ = b"GET /api/users/1 HTTP/1.1\r\nHost: x\r\n\r\n"
RECORD = {"id": "1", "name": "Ada"}


@pytest.fixture
def server() -> Iterator[DevServer]:
    with DevServer() as running:
        yield running


class Client:
    """One plain connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes) -> bytes:
        self.writer.write(request)
        return await read_message(self.reader)


@asynccontextmanager
async def connected(proxy: FaultProxy) -> AsyncIterator[Client]:
    port = int(proxy.base_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


# -- without faults ------------------------------------------------------------------------------


async def test_every_byte_is_passed_on(raw_server: RawServer) -> None:
    """Requests and answers go through unchanged, whatever says where they end, on one connection."""
    requests = [
        CREATE,
        READ,
        b"put /%7Eodd?q=%zz HTTP/1.1\r\nhost:x\r\nX-Odd:  \xe4 \r\ncontent-length: 0\r\n\r\n",
        READ,
        READ,
    ]
    answers = [
        json_answer('{"id": 1}', "201 Created", "X-Odd:  \t odd "),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'3;note=x\r\n{"a\r\nA\r\n": "\r\n\r\n"}\r\n0\r\nX-Trailer: y\r\n\r\n'
        ),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
        json_answer("", "599 Whatever"),
    ]
    raw_server.replies = [Reply(answer) for answer in answers]
    async with FaultProxy(int(raw_server.base_url.rpartition(":")[2])) as proxy, connected(proxy) as client:
        assert [await client.ask(request) for request in requests] == answers
    assert (raw_server.requests, raw_server.connections, proxy.connections) == (requests, 1, 1)
    assert proxy.counts() == {"NONE": 5}


@pytest.mark.parametrize("secure", [False, True])
async def test_a_session_does_not_notice_the_proxy(
    server: DevServer, server_tls: ssl.SSLContext, ca_file: str, *, secure: bool
) -> None:
    """Fifty requests at a time, with sized and chunked bodies, over http and https."""

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 30_000):
            yield large[start : start + 30_000]

    large = b'{"text": "%s"}' % (b"x" * 100_000)
    context = server_tls if secure else None
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca_file))
    async with (
        FaultProxy(server.port, ssl_context=context) as proxy,
        aiohttp.ClientSession(proxy.base_url, connector=connector) as session,
    ):

        async def create_and_read(number: int) -> str:
            data = in_chunks() if number % 2 else large
            async with session.post("/api/texts", data=data) as answer:
                created = await answer.json()
            async with session.get(answer.headers["Location"]) as answer:
                assert await answer.json() == created
            assert len(created["text"]) == 100_000
            return str(created["id"])

        ids = await asyncio.gather(*map(create_and_read, range(50)))
    assert sorted(map(int, ids)) == list(range(1, 51))
    assert proxy.counts() == {"NONE": 100}
    assert len(server.requests()) == 100


async def test_a_connection_that_is_to_end_ends(server: DevServer) -> None:
    """``Connection: close`` holds for both sides, and the next client finds the backend all the same."""
    async with FaultProxy(server.port) as proxy:
        for _ in range(2):
            async with connected(proxy) as client:
                answer = await client.ask(CREATE.replace(b"Host: x", b"Host: x\r\nConnection: close"))
                assert answer.startswith(b"HTTP/1.1 201")
                assert await client.reader.read() == b""
    assert len(server.records("users")) == 2


# -- fault by fault ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        (Fault.ERROR_500, 500, None),
        (Fault.ERROR_502, 502, None),
        (Fault.ERROR_503, 503, None),
        (Fault.BUSY_503, 503, "0"),
        (Fault.LIMIT_429, 429, None),
        (Fault.LIMIT_429_RETRY_AFTER, 429, "0"),
        (Fault.LATE_502, 502, None),
        (Fault.LATE_504, 504, None),
    ],
)
async def test_a_gateway_answers(
    server: DevServer, fault: Fault, status: int, retry_after: str | None
) -> None:
    """The status is the proxy's, the connection goes on; only a late one had been delivered."""
    async with (
        FaultProxy(server.port, [fault]) as proxy,
        aiohttp.ClientSession(proxy.base_url) as session,
    ):
        async with session.post("/api/users", data=BODY) as answer:
            assert (answer.status, answer.headers.get("Retry-After")) == (status, retry_after)
        delivered = fault in (Fault.LATE_502, Fault.LATE_504)
        assert server.records("users") == ([RECORD] if delivered else [])
        async with session.post("/api/users", data=BODY) as answer:
            assert answer.status == 201
    assert [(e.connection, e.fault, e.status) for e in proxy.log] == [
        (1, fault, 201 if delivered else None),
        (1, Fault.NONE, 201),
    ]


async def test_an_answer_is_lost_by_reset(server: DevServer) -> None:
    """The backend has the record; the client has an error."""
    async with FaultProxy(server.port, [Fault.LOSE_ANSWER_RESET]) as proxy, connected(proxy) as client:
        with pytest.raises(ConnectionResetError):
            await client.ask(CREATE)
        assert server.records("users") == [RECORD]


async def test_an_answer_is_lost_by_a_close(server: DevServer) -> None:
    """The backend has the record; the client reads the end of the connection."""
    async with FaultProxy(server.port, [Fault.LOSE_ANSWER_CLOSE]) as proxy, connected(proxy) as client:
        client.writer.write(CREATE)
        assert await client.reader.read() == b""
        assert server.records("users") == [RECORD]


async def test_a_body_is_cut_in_the_middle(server: DevServer) -> None:
    """The head promises the whole body; half of it comes, then the end of the connection."""
    async with FaultProxy(server.port, [Fault.TRUNCATE]) as proxy, connected(proxy) as client:
        client.writer.write(CREATE)
        head, _, body = (await client.reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201")
        assert b"\r\nContent-Length: 26" in head
        assert len(body) == 13
        assert server.records("users") == [RECORD]


async def test_a_head_without_a_body_is_cut_in_the_middle(server: DevServer) -> None:
    """A 204 is cut too."""
    faults = [Fault.NONE, Fault.TRUNCATE]
    async with FaultProxy(server.port, faults) as proxy, connected(proxy) as client:
        await client.ask(CREATE)
        client.writer.write(READ.replace(b"GET", b"DELETE"))
        part = await client.reader.read()
        assert part.startswith(b"HTTP/1.1 204")
        assert b"\r\n\r\n" not in part
        assert server.records("users") == []


async def test_garbage_is_no_http(server: DevServer) -> None:
    """What comes is not an answer; the backend has the record."""
    async with (
        FaultProxy(server.port, [Fault.GARBAGE]) as proxy,
        aiohttp.ClientSession(proxy.base_url) as session,
    ):
        with pytest.raises(aiohttp.ClientResponseError):
            await session.post("/api/users", data=BODY)
        assert server.records("users") == [RECORD]


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.HANG_AFTER])
async def test_a_client_is_left_hanging(server: DevServer, fault: Fault) -> None:
    """No byte comes until the client hangs up; only one of the two had been delivered."""
    async with FaultProxy(server.port, [fault]) as proxy:
        async with connected(proxy) as client:
            client.writer.write(CREATE)
            reading = asyncio.create_task(client.reader.read(1))
            await until(lambda: proxy.hanging)
            loop_time.advance(TIMEOUT)
            await turns()
            assert not reading.done()
            reading.cancel()
        assert server.records("users") == ([RECORD] if fault in DELIVERED else [])
        async with connected(proxy) as client:
            assert (await client.ask(CREATE)).startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize(("after", "line"), [(1, "P"), (100, "POST /api/users"), (10**6, "POST /api/users")])
async def test_a_request_is_cut_by_a_reset(server: DevServer, after: int, line: str) -> None:
    """The reset comes after so many bytes, or after the whole request; the backend sees none of it."""
    request = CREATE if after > 1000 else CREATE.replace(b"Length: 15", b"Length: 9000")
    faults = [Fault.RESET_REQUEST]
    async with FaultProxy(server.port, faults, reset_after=range(after, after + 1)) as proxy:
        async with connected(proxy) as client:
            client.writer.write(request + b"x" * (after - len(request) if after == 100 else 0))
            with pytest.raises(ConnectionResetError):
                await client.reader.read()
        assert [(e.line, e.fault, e.status) for e in proxy.log] == [(line, Fault.RESET_REQUEST, None)]
    assert server.requests() == []


async def test_the_port_refuses_connections_for_a_moment(server: DevServer) -> None:
    """The idle connection ends and a new one is refused; then all is well again."""
    faults = [Fault.NONE, Fault.REFUSE]
    async with FaultProxy(server.port, faults, refuse_for=TIMEOUT) as proxy:
        async with connected(proxy) as client:
            await client.ask(CREATE)
            assert await client.reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            async with connected(proxy):
                pass
        loop_time.advance(TIMEOUT)
        await until(lambda: proxy.listens)
        async with connected(proxy) as client:
            assert (await client.ask(READ)).startswith(b"HTTP/1.1 200")
    assert [e.fault for e in proxy.log] == [*faults, Fault.NONE]
    assert [e.fault for e in proxy.requests] == [Fault.NONE, Fault.NONE]


async def test_idle_connections_are_closed(server: DevServer) -> None:
    """Each connection that waits for its next request ends; a new one is welcome."""
    faults = [Fault.NONE, Fault.NONE, Fault.CLOSE_IDLE]
    async with FaultProxy(server.port, faults) as proxy:
        async with connected(proxy) as first, connected(proxy) as second:
            assert (await first.ask(CREATE)).startswith(b"HTTP/1.1 201")
            assert (await second.ask(READ)).startswith(b"HTTP/1.1 200")
            assert (await first.reader.read(), await second.reader.read()) == (b"", b"")
        async with connected(proxy) as third:
            assert (await third.ask(READ)).startswith(b"HTTP/1.1 200")
    assert [str(e) for e in proxy.log] == [
        "#1 POST /api/users: passed on (the backend said 201)",
        "#2 GET /api/users/1: passed on (the backend said 200)",
        "#0 2 idle: between requests: idle connections are closed",
        "#3 GET /api/users/1: passed on (the backend said 200)",
    ]


async def test_a_late_answer_is_the_backends_own(server: DevServer) -> None:
    """A delay changes nothing else."""
    async with FaultProxy(server.port, [Fault.DELAY]) as proxy, connected(proxy) as client:
        assert (await client.ask(CREATE)).startswith(b"HTTP/1.1 201")
        assert (await client.ask(READ)).endswith(b'{"id": "1", "name": "Ada"}')


async def test_faults_work_over_tls(server: DevServer, server_tls: ssl.SSLContext, ca_file: str) -> None:
    """A reset, a close, a cut and a 503 are seen through TLS as they are without."""
    faults = [Fault.LOSE_ANSWER_RESET, Fault.LOSE_ANSWER_CLOSE, Fault.TRUNCATE, Fault.ERROR_503]
    seen: list[type[Exception] | int] = []
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca_file))
    async with (
        FaultProxy(server.port, faults, ssl_context=server_tls) as proxy,
        aiohttp.ClientSession(proxy.base_url, connector=connector) as session,
    ):
        for _ in range(5):
            try:
                async with session.post("/api/users", data=BODY) as answer:
                    await answer.read()
                    seen.append(answer.status)
            except aiohttp.ClientError as error:
                seen.append(type(error))
    reset, closed, cut, *statuses = seen
    assert reset in (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
    assert (closed, cut) == (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError)
    assert statuses == [503, 201]
    assert len(server.records("users")) == 4


async def test_a_request_arrives_although_its_client_has_left(server: DevServer) -> None:
    """Whatever was sent whole is delivered, before what comes later."""
    async with FaultProxy(server.port) as proxy:
        async with connected(proxy) as client:
            client.writer.write(CREATE)
        async with connected(proxy) as client:
            assert (await client.ask(READ)).startswith(b"HTTP/1.1 200")
        await proxy.settle()
    assert server.records("users") == [RECORD]


# -- the source of faults ------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_faults() -> None:
    """What failed once can be drawn again."""
    first, second, other = (list(islice(random_faults(random.Random(seed), 0.5), 1000)) for seed in (7, 7, 8))
    assert first == second
    assert first != other


def test_every_fault_is_drawn() -> None:
    """So many requests as was said meet a fault, of every kind; and 5xx come in bursts as well."""
    drawn = list(islice(random_faults(random.Random(7), 0.3), 20_000))
    counts = Counter(drawn)
    assert set(counts) == set(Fault)
    assert 0.66 < counts[Fault.NONE] / len(drawn) < 0.7  # a burst is several
    errors = (Fault.ERROR_500, Fault.ERROR_502, Fault.ERROR_503)
    assert all(count > 150 for count in counts.values())
    assert max(len(list(run)) for is_error, run in groupby(drawn, errors.__contains__) if is_error) >= 8
    assert set(islice(random_faults(random.Random(7), 0), 100)) == {Fault.NONE}


def test_every_fault_has_one_meaning() -> None:
    """Sound, between requests, refused, or hidden: each fault is one of them, and only one."""
    sound = {Fault.NONE, Fault.DELAY}
    assert Counter([*sound, *BETWEEN_REQUESTS, *REFUSALS, *HIDING]) == Counter(Fault)
    assert not DELIVERED & (REFUSALS | BETWEEN_REQUESTS)
