"""Writes are never lost and never doubled: DESIGN section 6 against servers that misbehave."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    AuthenticationError,
    ConflictError,
    DisconnectedError,
    GenericMirrorDB,
    InvalidDataError,
    InvalidRequestError,
    MirrorDBError,
    MirrorDBRequest,
    NotFoundError,
    Progress,
    ResponseError,
    ServerError,
)
from tests.support.raw_server import Reply, json_answer

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.clocks import FakeClock
    from tests.support.connections import ConfigFor
    from tests.support.raw_server import RawServer

TROUBLE = {
    "read timeout": Reply(then="time-out"),
    "hang up": Reply(then="close"),
    "reset": Reply(then="reset"),
    "truncated status": Reply(b"HTTP/1.1 20", then="close"),
    "garbage": Reply(b"\x00\xff\r\n\r\n", then="close"),
    "408": Reply(json_answer("", "408 Request Timeout")),
    "500": Reply(json_answer("", "500 Internal Server Error")),
    "500 with Retry-After": Reply(json_answer("", "500 Internal Server Error", "Retry-After: 0")),
    "502": Reply(json_answer("", "502 Bad Gateway")),
    "503": Reply(json_answer("", "503 Service Unavailable")),
    "504": Reply(json_answer("", "504 Gateway Timeout")),
}
REFUSED = {
    "425": Reply(json_answer("", "425 Too Early")),
    "429": Reply(json_answer("", "429 Too Many Requests")),
    "503 with Retry-After": Reply(json_answer("", "503 Service Unavailable", "Retry-After: 0")),
}
CREATE = MirrorDBRequest(method="POST", endpoint="api/users", method_name="create", data={"name": "x"})


def keys(raw_server: RawServer) -> list[str]:
    """The idempotency key of every request, in order."""
    found = [re.search(rb"\r\nIdempotency-Key: ([^\r]*)", request) for request in raw_server.requests]
    return [key[1].decode() if key else "" for key in found]


@pytest.mark.parametrize("name", sorted(TROUBLE))
@pytest.mark.parametrize(
    "request_",
    [
        CREATE,
        MirrorDBRequest(method="PATCH", endpoint="api/users/7", data={}),
        MirrorDBRequest(method="PUT", endpoint="api/users/7", data={}, if_match='"v1"'),
        MirrorDBRequest(method="DELETE", endpoint="api/users/7", if_match='"v1"'),
    ],
    ids=lambda request: request.method,
)
async def test_an_ambiguous_write_is_sent_once(
    raw_server: RawServer, config_for: ConfigFor, name: str, request_: MirrorDBRequest
) -> None:
    """Where the outcome is hidden exactly one request arrives, and the error says that nobody knows."""
    raw_server.default = TROUBLE[name]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(AmbiguousWriteError) as caught:
            await client.request(request_)
    assert len(raw_server.requests) == 1
    assert (caught.value.retryable, caught.value.attempts, caught.value.method) == (False, 1, request_.method)
    assert caught.value.cause is not None
    assert caught.value.cause["type"] in (
        "RequestTimeoutError",
        "DisconnectedError",
        "ResponseError",
        "ServerError",
    )


@pytest.mark.parametrize("name", sorted(REFUSED))
async def test_a_write_that_was_refused_is_sent_again(
    raw_server: RawServer, config_for: ConfigFor, name: str
) -> None:
    """The backend said that it did not even try."""
    raw_server.replies = [REFUSED[name], REFUSED[name]]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert (await client.request(CREATE)).attempts == 3
    assert len(raw_server.requests) == 3
    assert keys(raw_server) == ["", "", ""]


@pytest.mark.parametrize("name", sorted(TROUBLE | REFUSED))
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_with_an_idempotency_header_every_repeat_has_the_same_key(
    raw_server: RawServer, config_for: ConfigFor, name: str, method: Any
) -> None:
    """The backend promises to remove duplicates, so the write is repeated, by its first key."""
    raw_server.replies = [(TROUBLE | REFUSED)[name]] * 2
    endpoint = "api/users" if method == "POST" else "api/users/7"
    config = config_for(raw_server.base_url, idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config) as client:
        answer = await client.request(MirrorDBRequest(method=method, endpoint=endpoint, data={}))
    assert answer.attempts == 3
    first, *others = keys(raw_server)
    assert re.fullmatch(r"[0-9a-f-]{36}", first)
    assert others == [first, first]


async def test_each_create_has_a_key_of_its_own(raw_server: RawServer, config_for: ConfigFor) -> None:
    """Two creates are two records; a key that the caller gives is sent as it is; a blank one is refused."""
    config = config_for(raw_server.base_url, idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config) as client:
        await client.create_function("create", "api/users", {})
        await client.create_function("create", "api/users", {})
        await client.create_function("create", "api/users", {}, idempotency_key="order-7")
        with pytest.raises(InvalidRequestError, match="is no key"):
            await client.create_function("create", "api/users", {}, idempotency_key="")
        await client.update_function("put", "api/users/7", {}, idempotency_key="order-7")
        await client.read_function("read", "api/users")
    first, second, given, put, read = keys(raw_server)
    assert len({first, second, given}) == 3
    assert (given, put, read) == ("order-7", "", "")


@pytest.mark.parametrize("partial", [False, True])
async def test_an_update_has_a_body(raw_server: RawServer, config_for: ConfigFor, partial: bool) -> None:
    """Without one it could empty the resource; who wants that says so in a request of his own."""
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(InvalidRequestError, match="data: it is None"):
            await client.update_function("update", "api/users/7", None, partial=partial)
        report = await client.bulk(
            "update",
            [{"endpoint": "api/users/7", "data": None, "partial": partial}],
            on_error="continue",
            max_failed=1,
        )
        assert [getattr(record, "status", None) for record in report.records] == ["failed"]
        assert raw_server.requests == []
        await client.request(MirrorDBRequest(method="PUT", endpoint="api/users/7"))
    assert raw_server.requests[0].startswith(b"PUT /api/users/7 ")


async def test_a_key_that_is_not_sent_is_told_once(
    raw_server: RawServer, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection without an ``idempotency_header`` does not promise that its backend heeds one."""
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        await client.update_function("put", "api/users/7", {}, idempotency_key="order-7")
        assert "idempotency_key" not in caplog.text
        for _ in range(2):
            await client.create_function("create", "api/users", {}, idempotency_key="order-7")
        await client.bulk("create", [{"data": {}}] * 2, endpoint="api/users", idempotency_key="all")
    assert caplog.text.count("The idempotency_key is not sent") == 1
    assert not any(b"order-7" in request or b"all-0" in request for request in raw_server.requests)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("name", sorted(TROUBLE))
async def test_put_and_delete_are_sent_again(
    raw_server: RawServer, config_for: ConfigFor, name: str, method: Any
) -> None:
    """Twice leaves what once does."""
    raw_server.replies = [TROUBLE[name]]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        answer = await client.request(MirrorDBRequest(method=method, endpoint="api/users/7"))
    assert (answer.attempts, len(raw_server.requests)) == (2, 2)


@pytest.mark.parametrize("name", ["hang up", "truncated status", "408", "500", "504"])
async def test_a_delete_that_meets_its_own_404_is_a_success(
    raw_server: RawServer, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """After an attempt that may have been applied the record is gone, as was wanted; the log says so."""
    raw_server.replies = [TROUBLE[name], Reply(json_answer("", "404 Not Found"))]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert await client.delete_function("delete", "api/users/7") is None
    assert len(raw_server.requests) == 2
    assert "404 counts as done, since an attempt before may have been applied" in caplog.text


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("name", sorted(REFUSED))
async def test_a_delete_that_was_only_refused_before_its_404_is_an_error(
    raw_server: RawServer, config_for: ConfigFor, name: str, *, bulk: bool
) -> None:
    """Nothing was deleted: the id is wrong, and nobody may take it for done.

    425 and 429 say that the request was not processed (RFC 8470, section 5.2; RFC 6585, section 4).
    """
    raw_server.replies = [REFUSED[name], REFUSED[name], Reply(json_answer("", "404 Not Found"))]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        if bulk:
            report = await client.bulk("delete", ["api/users/typo"], on_error="continue", max_failed=1.0)
            error = report.records[0] and report.records[0].error
            assert report.done == 0
        else:
            with pytest.raises(NotFoundError) as caught:
                await client.delete_function("delete", "api/users/typo")
            error = caught.value
    assert isinstance(error, NotFoundError)
    assert (error.attempts, error.maybe_applied) == (3, False)


async def test_a_delete_that_could_not_connect_before_its_404_is_an_error(
    config_for: ConfigFor, raw_server: RawServer, clock: FakeClock
) -> None:
    """What never left was not applied."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))  # refuses connections until it listens
    raw_server.default = Reply(json_answer("", "404 Not Found"))
    servers: list[asyncio.Server] = []

    async def listen_then(_seconds: float) -> None:
        servers.append(await asyncio.start_server(raw_server.serve, sock=bound))

    config = config_for(f"http://127.0.0.1:{bound.getsockname()[1]}")
    async with GenericMirrorDB(config, clock=clock.as_clock(sleep=listen_then)) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.delete_function("delete", "api/users/7")
    assert caught.value.attempts == 2
    servers[0].close()


async def test_a_conflict_with_our_own_first_attempt_is_waited_out(
    answering: Answering, config_for: ConfigFor
) -> None:
    """409 on a repeat: the backend is still busy with the first one; 409 on a first attempt is final."""
    backend = await answering(
        web.Response(status=504),
        web.Response(status=409),
        web.json_response({"id": 7}),
        web.Response(status=409),
    )
    config = config_for(backend.base_url, idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config) as client:
        assert await client.create_function("create", "api/users", {}) == {"id": 7}
        with pytest.raises(ConflictError):
            await client.create_function("create", "api/users", {})
    assert len(backend.requests) == 4


async def test_a_conflict_after_mere_refusals_is_final(answering: Answering, config_for: ConfigFor) -> None:
    """No attempt of our own can be what the backend is busy with."""
    refused = web.Response(status=429, headers={"Retry-After": "0"})
    backend = await answering(refused, web.Response(status=409), web.json_response({"id": 7}))
    config = config_for(backend.base_url, idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ConflictError) as caught:
            await client.create_function("create", "api/users", {})
    assert (caught.value.maybe_applied, len(backend.requests)) == (False, 2)


@pytest.mark.parametrize("status", [409, 412])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_conflict_that_an_attempt_of_our_own_may_have_caused_is_ambiguous(
    answering: Answering, config_for: ConfigFor, method: Any, status: int
) -> None:
    """A revision in the body, say, is stale after the attempt that got no clear answer."""
    backend = await answering(web.Response(status=502), web.Response(status=status))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(AmbiguousWriteError) as caught:
            await client.request(MirrorDBRequest(method=method, endpoint="api/users/7"))
    assert (caught.value.attempts, len(backend.requests)) == (2, 2)


async def test_a_412_after_mere_refusals_is_a_conflict(answering: Answering, config_for: ConfigFor) -> None:
    """The entity tag was changed by somebody else."""
    backend = await answering(
        web.Response(status=503, headers={"Retry-After": "0"}), web.Response(status=412)
    )
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(ConflictError) as caught:
            await client.update_function("put", "api/users/7", {}, if_match='"v1"')
    assert (caught.value.attempts, caught.value.maybe_applied) == (2, False)


async def test_a_later_error_says_that_an_earlier_attempt_may_have_been_applied(
    answering: Answering, config_for: ConfigFor
) -> None:
    """Who mends the key and sends the create anew may have two."""
    backend = await answering(web.Response(status=504), web.Response(status=401))
    config = config_for(backend.base_url, idempotency_header="Idempotency-Key", api_key="k")
    async with GenericMirrorDB(config) as client:
        with pytest.raises(AuthenticationError, match="the write may have been applied") as caught:
            await client.create_function("create", "api/users", {})
    assert caught.value.maybe_applied


@pytest.mark.parametrize("header", [None, "Idempotency-Key"])
async def test_a_write_that_was_refused_is_not_ambiguous_for_a_token_that_does_not_come(
    answering: Answering, config_for: ConfigFor, header: str | None
) -> None:
    """401 is a clear no (RFC 9110, section 15.5.2); what becomes of the next token changes nothing of it."""
    tokens = await answering(web.json_response({"access_token": "old"}), web.Response(status=500))
    backend = await answering(web.Response(status=401))
    config = config_for(
        backend.base_url,
        idempotency_header=header,
        auth_type="oauth2",
        oauth_url=f"{tokens.base_url}/token",
        login="id",
        api_key="secret",
        max_attempts=1,
    )
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ServerError, match="authorization server answered 500") as caught:
            await client.create_function("create", "api/users", {})
    assert not caught.value.maybe_applied
    assert len(backend.requests) == 1


async def test_a_write_that_is_ended_between_attempts_keeps_what_is_known(
    answering: Answering, config_for: ConfigFor, clock: FakeClock
) -> None:
    """The client is closed while it waits; the attempt before may have been applied, as the error says."""
    backend = await answering(web.Response(status=504))
    waits = asyncio.Event()

    async def wait_for_ever(_seconds: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    config = config_for(backend.base_url, idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config, clock=clock.as_clock(sleep=wait_for_ever)) as client:
        creating = asyncio.create_task(client.create_function("create", "api/users", {}))
        await waits.wait()
        await client.disconnect()
        with pytest.raises(DisconnectedError) as caught:
            await creating
    assert caught.value.maybe_applied


async def test_a_write_that_may_not_be_repeated_does_not_go_on_after_one_that_may_have_been_applied(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """Whoever hands the progress over, nothing is sent."""
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(AmbiguousWriteError, match="was ended before it had the answer") as caught:
            await client.request(CREATE, progress=Progress(attempts=1, maybe_applied=True))
    assert (caught.value.attempts, raw_server.requests) == (1, [])


async def test_who_asks_is_told_at_each_moment_whether_a_write_may_be_applied(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """Right before it goes out it may be; a refusal takes that back, a clear failure does not."""
    raw_server.replies = [REFUSED["429"], TROUBLE["500"]]
    told: list[tuple[int, bool]] = []
    config = config_for(raw_server.base_url, idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config) as client:
        await client.request(CREATE, note=lambda attempts, maybe: told.append((attempts, maybe)))
        assert told == [(1, True), (1, False), (2, True), (2, True), (3, True), (3, True)]
        told.clear()
        await client.request(
            MirrorDBRequest(method="GET", endpoint="api/users"), note=lambda *fact: told.append(fact)
        )
    assert told == [(1, False), (1, False)]


@pytest.mark.parametrize(
    ("status", "error"), [(400, InvalidDataError), (422, InvalidDataError), (404, NotFoundError)]
)
async def test_a_write_that_is_refused_for_good(
    answering: Answering, config_for: ConfigFor, status: int, error: type[MirrorDBError]
) -> None:
    """A clear no is no ambiguity."""
    backend = await answering(web.json_response({"detail": "no"}, status=status))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(error):
            await client.create_function("create", "api/users", {})
    assert len(backend.requests) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("header", [None, "Idempotency-Key"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirected_write_is_an_error_and_not_followed(
    answering: Answering, config_for: ConfigFor, status: int, header: str | None, method: Any
) -> None:
    """A client that follows turns a POST into a GET: nothing is created, and the answer is 200.

    303 says that the action was done, and where to see what came of it (RFC 9110, section 15.4.4), and
    302 is what most frameworks send in its place; the others say that it was not done there.
    """
    request = MirrorDBRequest(method=method, endpoint="api/users" if method == "POST" else "api/users/7")
    location = {"Location": f"/{request.endpoint}/"}
    backend = await answering(web.Response(status=status, headers=location))
    async with GenericMirrorDB(config_for(backend.base_url, idempotency_header=header)) as client:
        with pytest.raises(MirrorDBError, match="trailing_slash") as caught:
            await client.request(request)
    assert (caught.value.attempts, caught.value.retryable) == (1, False)
    assert isinstance(caught.value, AmbiguousWriteError) == (status in (302, 303))
    assert caught.value.maybe_applied == (status in (302, 303))
    assert len(backend.lines) == 1
    assert backend.lines[0].startswith(method)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_that_is_not_modified_is_no_success(
    answering: Answering, config_for: ConfigFor, method: Any
) -> None:
    """304 is an answer to GET and HEAD alone (RFC 9110, section 15.4.5); nothing was written."""
    backend = await answering(web.Response(status=304))
    request = MirrorDBRequest(method=method, endpoint="api/users" if method == "POST" else "api/users/7")
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(ResponseError) as caught:
            await client.request(request)
    assert (caught.value.status, caught.value.maybe_applied, len(backend.lines)) == (304, False, 1)


async def test_a_write_that_disconnect_cuts_off_is_ambiguous(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """It was sent, and nobody will know what became of it."""
    raw_server.default = Reply(then="silence")
    client = GenericMirrorDB(config_for(raw_server.base_url))
    await client.connect()
    writing = asyncio.create_task(client.create_function("create", "api/users", {}))
    await raw_server.arrived.wait()
    await client.disconnect()
    with pytest.raises(AmbiguousWriteError, match="disconnected") as caught:
        await writing
    assert (caught.value.attempts, caught.value.method_name) == (1, "create")
