"""The head of an answer decides what was done, whatever comes after it and in however many pieces."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import TYPE_CHECKING, Any

import pytest

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    GenericMirrorDB,
    InvalidResponseError,
    MirrorDBError,
    NotFoundError,
)
from airflow_mirrordb.client.wire.aiohttp.private import Handler
from tests.support.aiohttp_versions import TAKES_ANY_HEADER
from tests.support.raw_server import Reply, json_answer

if TYPE_CHECKING:
    from tests.support.clocks import FakeClock
    from tests.support.connections import ConfigFor
    from tests.support.raw_server import RawServer

WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "create": ("create_function", {"endpoint": "api/users", "data": {}}),
    "update": ("update_function", {"endpoint": "api/users/7", "data": {}, "if_match": "*"}),
    "delete": ("delete_function", {"endpoint": "api/users/7", "if_match": "*"}),
}


@pytest.fixture(params=["at once", "in pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """However the network cuts an answer, down to single bytes."""
    if request.param == "in pieces":
        whole = Handler.data_received

        def data_received(self: Handler, data: bytes) -> None:
            for index in range(len(data)):
                whole(self, data[index : index + 1])

        monkeypatch.setattr(Handler, "data_received", data_received)
    return bool(request.param == "in pieces")


async def outcome(client: GenericMirrorDB, write: str) -> Any:
    function, arguments = WRITES[write]
    try:
        return await getattr(client, function)("label", **arguments)
    except MirrorDBError as error:
        return error


def whole(status: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


#: RFC 9112, section 6.3, and RFC 9110, section 15.3.6: these have no body, whatever they say.
WITHOUT_BODY = {
    "204": whole("204 No Content", "Content-Length: 2", body=b"{}"),
    "204 of another length": whole("204 No Content", "Content-Length: 99", body=b"{}"),
    "204 in chunks": whole("204 No Content", "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "204 that says nothing of it": whole("204 No Content", body=b"{}"),
    "204 packed": whole("204 No Content", "Content-Encoding: gzip", "Content-Length: 2", body=b"{}"),
    "205": whole("205 Reset Content", "Content-Length: 2", body=b"{}"),
    "205 of another length": whole("205 Reset Content", "Content-Length: 99", body=b"{}"),
    "205 in bad chunks": whole("205 Reset Content", "Transfer-Encoding: chunked", body=b"{}"),
    "205 without an end": whole("205 Reset Content"),
    "204 after 103": whole("103 Early Hints") + whole("204 No Content", "Content-Length: 2", body=b"{}"),
}


@pytest.mark.parametrize("name", WITHOUT_BODY)
@pytest.mark.parametrize("write", WRITES)
async def test_an_answer_without_a_body_ends_with_its_head(
    raw_server: RawServer, config_for: ConfigFor, name: str, write: str, pieces: bool
) -> None:
    """What follows is not read, and costs the connection: it would be taken for the next answer."""
    raw_server.replies = [Reply(WITHOUT_BODY[name])]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert await asyncio.wait_for(outcome(client, write), 10) is None
        assert await outcome(client, write) == {}
    assert (len(raw_server.requests), raw_server.connections) == (2, 2)


@pytest.mark.parametrize("announced", ["Content-Length: 2", "Transfer-Encoding: chunked"])
async def test_a_body_that_comes_later_is_no_answer(
    raw_server: RawServer, config_for: ConfigFor, announced: str
) -> None:
    """A connection on which one is announced is not used again."""
    raw_server.replies = [Reply(whole("204 No Content", announced))]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert await outcome(client, "create") is None
        assert await outcome(client, "create") == {}
    assert raw_server.connections == 2


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content"])
async def test_one_that_has_none_keeps_its_connection(
    raw_server: RawServer, config_for: ConfigFor, idling: FakeClock, status: str, pieces: bool
) -> None:
    """As nearly all are."""
    length = ["Content-Length: 0"] if status.startswith("205") else []
    raw_server.default = Reply(whole(status, *length))
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        for _ in range(3):
            assert await outcome(client, "create") is None
    assert raw_server.connections == 1


async def test_a_304_may_tell_the_length_of_what_it_leaves_out(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """RFC 9110, section 8.6; with a body it costs the connection."""
    raw_server.replies = [
        Reply(whole("304 Not Modified", "Content-Length: 99")),
        Reply(whole("304 Not Modified", "Content-Length: 2", body=b"{}")),
    ]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        for _ in range(2):
            assert await client.read_function("read", "api/users/7", if_none_match='"v1"') is None
        assert raw_server.connections == 1
        assert await client.read_function("read", "api/users/7") == {}
    assert raw_server.connections == 2


DAMAGED = {
    "bad chunk": Reply(whole("201 Created", "Transfer-Encoding: chunked", body=b"ZZ\r\n")),
    "cut chunk": Reply(whole("201 Created", "Transfer-Encoding: chunked", body=b"5\r\n{}"), then="close"),
    "cut body": Reply(whole("201 Created", "Content-Length: 9", body=b"{}"), then="close"),
    "no gzip": Reply(whole("201 Created", "Content-Encoding: gzip", "Content-Length: 2", body=b"{}")),
    "cut gzip": Reply(
        whole("201 Created", "Content-Encoding: gzip", "Content-Length: 20", body=gzip.compress(b"{}")[:20])
    ),
    "unknown packing": Reply(whole("201 Created", "Content-Encoding: x", "Content-Length: 2", body=b"{}")),
    "too long": Reply(whole("201 Created", "Content-Length: 99", body=b" " * 99)),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_whose_answer_broke_off_was_applied(
    raw_server: RawServer, config_for: ConfigFor, name: str, write: str, pieces: bool
) -> None:
    """Only its result is lost, and the error says so; nothing is sent again."""
    raw_server.replies = [DAMAGED[name]]
    async with GenericMirrorDB(config_for(raw_server.base_url, max_response_bytes=50)) as client:
        error = await asyncio.wait_for(outcome(client, write), 10)
    assert isinstance(error, InvalidResponseError)
    assert (error.status, error.retryable, error.maybe_applied) == (201, False, True)
    assert "the write itself was applied" in error.message
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize("name", ["bad chunk", "cut body", "cut gzip"])
async def test_one_that_may_be_repeated_is_repeated(
    raw_server: RawServer, config_for: ConfigFor, name: str, pieces: bool
) -> None:
    """A key promises that the backend gives the same answer again."""
    raw_server.replies = [DAMAGED[name], Reply(json_answer('{"id": 7}', "201 Created"))]
    config = config_for(raw_server.base_url, idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config) as client:
        assert await client.create_function("create", "api/users", {}) == {"id": 7}
    assert len(raw_server.requests) == 2


#: What RFC 9112, sections 5, 6.3 and 8, lets a client refuse, or what is over its limits.
UNREADABLE = {
    "two equal lengths": ("Content-Length: 2", "Content-Length: 2"),
    "length and chunks": ("Content-Length: 2", "Transfer-Encoding: chunked"),
    "NUL": ("X: a\0", "Content-Length: 2"),
    "130 headers": tuple(f"X-{number}: 1" for number in range(130)),
    "9 kB in a line": (f"X: {'y' * 9000}", "Content-Length: 2"),
}
if TAKES_ANY_HEADER:
    del UNREADABLE["NUL"], UNREADABLE["130 headers"]
CUT = {
    "after the status": b"HTTP/1.1 %s ",
    "after the first line": b"HTTP/1.1 %s Something\r\n",
    "in a header": b"HTTP/1.1 %s Something\r\nContent-Le",
    "after a 103": b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 %s Something\r\nContent-Length: 2\r\n",
}


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("keyed", [False, True])
async def test_a_success_whose_head_cannot_be_parsed_says_that_the_write_was_applied(
    raw_server: RawServer, config_for: ConfigFor, name: str, pieces: bool, *, keyed: bool
) -> None:
    """Its status is in the first line (RFC 9110, section 15.3). Sent again it would be answered alike.

    The error says what is wrong with it in the words of the parser, and quotes nothing of it.
    """
    raw_server.default = Reply(whole("201 Created", *UNREADABLE[name], body=b"{}"), then="close")
    header = {"idempotency_header": "Idempotency-Key"} if keyed else {}
    async with GenericMirrorDB(config_for(raw_server.base_url, **header)) as client:
        error = await outcome(client, "create")
    assert isinstance(error, InvalidResponseError)
    assert (error.status, error.retryable, error.maybe_applied) == (201, False, True)
    assert re.search(r" cannot be parsed: [\w'(). -]+; the write itself was applied$", error.message)
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize("name", UNREADABLE)
async def test_a_refusal_whose_head_cannot_be_parsed_is_one(
    raw_server: RawServer, config_for: ConfigFor, name: str, pieces: bool
) -> None:
    """It says that nothing was applied, or found (RFC 9110, section 15.5.5)."""
    raw_server.default = Reply(whole("404 Not Found", *UNREADABLE[name], body=b"{}"), then="close")
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert isinstance(await outcome(client, "update"), NotFoundError)


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("then", ["close", "reset", "time-out"])
@pytest.mark.parametrize(("status", "expected"), [(b"201", InvalidResponseError), (b"404", NotFoundError)])
async def test_the_status_decides_though_its_head_is_cut_off(
    raw_server: RawServer,
    config_for: ConfigFor,
    name: str,
    then: Any,
    status: bytes,
    expected: type[MirrorDBError],
) -> None:
    """However that ended."""
    raw_server.default = Reply(CUT[name] % status, then=then)
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        error = await outcome(client, "update")
    assert isinstance(error, expected)
    assert (error.status, error.retryable) == (int(status), False)  # type: ignore[attr-defined]
    assert error.maybe_applied is (status == b"201")
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize(
    "cut", [b"", b"HTTP/1.1 20", b"HTTP/1.1 201", b"HTTP/1.1 103 Early Hints\r\n", b"201 Created\r\n"]
)
async def test_what_is_no_status_says_nothing(
    raw_server: RawServer, config_for: ConfigFor, cut: bytes
) -> None:
    """A status has an end (RFC 9112, section 4)."""
    raw_server.default = Reply(cut, then="close")
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        error = await outcome(client, "create")
    assert isinstance(error, AmbiguousWriteError)


async def test_a_write_with_a_key_whose_head_was_cut_off_is_repeated(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """That passes, and the backend gives the same answer again."""
    raw_server.replies = [Reply(b"HTTP/1.1 201 Created\r\nContent-Le", then="close")]
    config = config_for(raw_server.base_url, idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config) as client:
        assert await outcome(client, "create") == {}
    assert len(raw_server.requests) == 2


async def test_a_refusal_that_broke_off_is_one(
    raw_server: RawServer, config_for: ConfigFor, pieces: bool
) -> None:
    """The status says that nothing was applied, or found; its body would only say why."""
    broken = whole("404 Not Found", "Transfer-Encoding: chunked", body=b"ZZ\r\n")
    raw_server.replies = [Reply(broken)]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert isinstance(await outcome(client, "update"), NotFoundError)


async def test_what_follows_a_whole_answer_costs_the_connection_alone(
    raw_server: RawServer, config_for: ConfigFor, pieces: bool
) -> None:
    """The answer is the one that was asked for; of what nobody asked for nothing is taken."""
    raw_server.replies = [Reply(json_answer('{"id": 7}', "201 Created") + b"XX\r\n\r\n")]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert await outcome(client, "create") == {"id": 7}
        assert await outcome(client, "create") == {}
    assert raw_server.connections == 2


@pytest.mark.parametrize(
    ("content_type", "body", "result"),
    [
        ("text/plain", b"ok", "ok"),
        ("text/html; charset=iso-8859-1", b"\xe9<p>", "é<p>"),
        ("application/zip", b"PK\x03\x04\x00", None),
    ],
)
@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_is_answered_in_text_is_a_success(
    raw_server: RawServer,
    config_for: ConfigFor,
    caplog: pytest.LogCaptureFixture,
    write: str,
    content_type: str,
    body: bytes,
    result: str | None,
) -> None:
    """As Slack and many webhooks answer; one warning tells what was there, and nothing of the body."""
    reply = whole("200 OK", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", body=body)
    raw_server.replies = [Reply(reply)]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert await outcome(client, write) == result
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert content_type in warning
    assert f"of {len(body)} bytes" in warning
    assert "<p>" not in warning
    assert len(raw_server.requests) == 1
