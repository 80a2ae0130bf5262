"""Answers whose body is cut off or damaged: never a success, and their status says what was done."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest

from airflow_mirrordb.client import (
    DisconnectedError,
    GenericMirrorDB,
    InvalidDataError,
    InvalidResponseError,
    MirrorDBError,
    MirrorDBRequest,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
)
from airflow_mirrordb.client.bodies.compression import PIECE
from airflow_mirrordb.client.bodies.errors.excerpts import MAX_READ
from airflow_mirrordb.hooks.output import OutputFile
from tests.support.connections import ConfigFor
from tests.support.raw_server import RawServer, Reply

NUMBER = b"123456789012345"
#: By the names of RFC 9110, section 8.4.1.
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
}
READ = MirrorDBRequest(method="GET", endpoint="api/balance")
WRITES = {
    "POST": MirrorDBRequest(method="POST", endpoint="api/users", data={}),
    "PATCH": MirrorDBRequest(method="PATCH", endpoint="api/users/7", data={}),
    "PUT": MirrorDBRequest(method="PUT", endpoint="api/users/7", data={}, if_match='"v1"'),
    "DELETE": MirrorDBRequest(method="DELETE", endpoint="api/users/7", if_match='"v1"'),
}


def framed(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An answer whose framing is sound, whatever its body is."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def in_chunks(body: bytes, *headers: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers, "", ""]).encode()
    return head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"


def broken(status: str, *headers: str, then: Any = "close") -> Reply:
    """An answer that ends in the middle of its body."""
    lines = "".join(f"{line}\r\n" for line in headers)
    return Reply(f"HTTP/1.1 {status}\r\nContent-Length: 99\r\n{lines}\r\n12345".encode(), then=then)


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


# -- compressed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["memory", "file"])
@pytest.mark.parametrize("frame", [framed, in_chunks], ids=lambda frame: frame.__name__)
@pytest.mark.parametrize("encoding", PACKERS)
async def test_a_compressed_body_that_is_cut_off_is_no_success(
    raw_server: RawServer,
    config_for: ConfigFor,
    tmp_path: Path,
    encoding: str,
    frame: Callable[..., bytes],
    where: str,
) -> None:
    """Wherever it is cut: RFC 1952, section 2.3, ends a gzip by a checksum and a length, others alike.

    A gateway that lost its backend ends the framing as if all had come, so the read is sent again.
    """
    packed = PACKERS[encoding](NUMBER)
    raw_server.replies = [
        Reply(frame(packed[:end], f"Content-Encoding: {encoding}")) for end in range(1, len(packed))
    ]
    raw_server.default = Reply(frame(packed, f"Content-Encoding: {encoding}"))
    sink = OutputFile(str(tmp_path / "answer.json")) if where == "file" else None
    config = config_for(raw_server.base_url, max_attempts=len(packed))
    async with GenericMirrorDB(config) as client:
        response = await client.request(READ, sink=sink)
    assert response.attempts == len(packed)
    assert (tmp_path / "answer.json").read_bytes() == NUMBER if sink else response.data == int(NUMBER)


@pytest.mark.parametrize("encoding", PACKERS)
async def test_the_error_says_what_is_damaged(
    raw_server: RawServer, config_for: ConfigFor, encoding: str
) -> None:
    """And with which status it came; it may pass."""
    body = PACKERS[encoding](NUMBER)[:-1]
    raw_server.default = Reply(framed(body, f"Content-Encoding: {encoding}"))
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=2)) as client:
        with pytest.raises(
            DisconnectedError, match=rf"the answer of {raw_server.base_url} is damaged"
        ) as cut:
            await client.request(READ)
    assert (cut.value.status, cut.value.sent, cut.value.retryable, cut.value.attempts) == (200, True, True, 2)
    assert (
        MirrorDBError.from_dict(json.loads(json.dumps(cut.value.to_dict()))).to_dict() == cut.value.to_dict()
    )


@pytest.mark.parametrize(
    ("body", "headers", "value"),
    [
        (gzip.compress(b'{"a":') + gzip.compress(b"1}"), ["Content-Encoding: gzip"], {"a": 1}),
        (gzip.compress(b"7") + bytes(100), ["Content-Encoding: gzip"], 7),
        (gzip.compress(b"7"), ["content-encoding: X-GZIP"], 7),
        (gzip.compress(b"7"), ["Content-Encoding: identity", "Content-Encoding: gzip"], 7),
        (zlib.compress(b"7")[2:-4], ["Content-Encoding: deflate"], 7),
        (b"7", ["Content-Encoding: identity"], 7),
        (b"", ["Content-Encoding: gzip"], None),
        (b"", ["Content-Encoding: zstd"], None),
    ],
)
async def test_compressed_bodies_that_are_whole(
    raw_server: RawServer, config_for: ConfigFor, body: bytes, headers: list[str], value: Any
) -> None:
    """In several members, padded, by an old name, without a header, or empty."""
    raw_server.default = Reply(framed(body, *headers))
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert await client.read_function("read", "api/balance") == value
        assert await client.read_function("read", "api/balance") == value
    assert raw_server.connections == 1


@pytest.mark.parametrize("where", ["memory", "file"])
@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (["Content-Encoding: zstd"], "zstd"),
        (["Content-Encoding: gzip, gzip"], "gzip, gzip"),
        (["Content-Encoding: gzip", "Content-Encoding: gzip"], "gzip, gzip"),
    ],
)
async def test_an_encoding_that_nobody_asked_for_is_a_final_error(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path, headers: list[str], said: str, where: str
) -> None:
    """RFC 9110, section 12.5.3: the answer must be in one that Accept-Encoding names, or in none."""
    raw_server.default = Reply(framed(gzip.compress(gzip.compress(b"7")), *headers))
    sink = OutputFile(str(tmp_path / "answer.json")) if where == "file" else None
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(InvalidResponseError, match=f"200, but its content encoding '{said}'") as refused:
            await client.request(READ, sink=sink)
    assert (refused.value.retryable, len(raw_server.requests)) == (False, 1)
    assert files(tmp_path) == []


@pytest.mark.parametrize("where", ["memory", "file"])
@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_a_body_that_is_not_packed_as_it_says_is_a_final_error(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path, encoding: str, where: str
) -> None:
    """It is no damage, which could be mended by another attempt: a proxy forgot the header."""
    raw_server.default = Reply(framed(b'{"id": 7}', f"Content-Encoding: {encoding}"))
    sink = OutputFile(str(tmp_path / "answer.json")) if where == "file" else None
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(InvalidResponseError, match=f"200, but it is not {encoding}, as its") as refused:
            await client.request(READ, sink=sink)
    assert (refused.value.retryable, len(raw_server.requests)) == (False, 1)
    assert files(tmp_path) == []


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("method", WRITES)
async def test_a_write_whose_answer_cannot_be_unpacked_may_have_been_applied(
    raw_server: RawServer, config_for: ConfigFor, method: str, encoding: str
) -> None:
    """Its 2xx says that it was; what came of it is lost, and it is not sent again."""
    raw_server.default = Reply(framed(b'{"id": 7}', f"Content-Encoding: {encoding}"))
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="the write itself was applied") as lost:
            await client.request(WRITES[method])
    assert (lost.value.retryable, lost.value.maybe_applied, len(raw_server.requests)) == (False, True, 1)


async def test_asked_for_is_what_can_be_unpacked(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path
) -> None:
    """For memory and files alike, unless the author asks for something else."""
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        await client.request(READ)
        await client.request(READ, sink=OutputFile(str(tmp_path / "answer.json")))
        await client.read_function("read", "api/balance", headers={"Accept-Encoding": "identity"})
    asked = [
        line.decode()
        for request in raw_server.requests
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"accept-encoding")
    ]
    assert asked == ["Accept-Encoding: gzip, deflate, br"] * 2 + ["Accept-Encoding: identity"]


async def test_a_damaged_error_is_still_that_error(raw_server: RawServer, config_for: ConfigFor) -> None:
    """With as much of its words as can be read."""
    words = gzip.compress(b'{"detail": "' + bytes(range(97, 123)) * 500 + b'"}')
    raw_server.replies = [
        Reply(framed(b"plain", "Content-Encoding: gzip", status="404 Not Found")),
        Reply(framed(b"plain", "Content-Encoding: zstd", status="404 Not Found")),
        Reply(framed(words[:-8], "Content-Encoding: gzip", status="404 Not Found")),
    ]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        for detail in ("", "", "abcdefgh"):
            with pytest.raises(NotFoundError, match=f"404 Not Found.*{detail}") as error:
                await client.request(READ)
            assert error.value.attempts == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_what_a_chunk_unpacks_to_does_not_hold_up_the_loop(
    raw_server: RawServer, config_for: ConfigFor, encoding: str
) -> None:
    """Sixteen megabytes in one chunk: others have their turns meanwhile, and so has the time-out."""
    packed = PACKERS[encoding](b'"%b"' % (b"0" * (15 * 2**20)))
    raw_server.default = Reply(framed(packed, f"Content-Encoding: {encoding}"))
    turns = 0

    async def go_round() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        await client.read_function("read", "api/small", timeout=100)
        others = asyncio.create_task(go_round())
        await raw_server.arrived.wait()
        turns = 0
        assert len(await client.read_function("read", "api/balance")) == 15 * 2**20
        others.cancel()
    assert turns > 15 * 2**20 // (4 * PIECE)


async def test_of_an_error_no_more_is_read_than_is_looked_at(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """Its words are at its beginning; a hundred of them at a time would take gigabytes."""
    raw_server.replies = [Reply(framed(b"word " * MAX_READ, status="400 X")) for _ in range(2)]
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        for _ in range(2):
            with pytest.raises(InvalidDataError, match="400 Bad Request: word word word"):
                await client.request(READ)
    assert raw_server.connections == 2


# -- cut off -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    "reply",
    [
        broken("201 Created"),
        broken("200 OK", then="reset"),
        broken("200 OK", then="time-out"),
        Reply(framed(gzip.compress(b"{}")[:-1], "Content-Encoding: gzip", status="201 Created")),
    ],
    ids=["closed", "reset", "time-out", "gzip"],
)
async def test_a_success_whose_body_is_cut_off_was_applied(
    raw_server: RawServer, config_for: ConfigFor, reply: Reply, method: str
) -> None:
    """A 2xx says so (RFC 9110, section 15.3); only the result is lost, and the write is not sent again."""
    raw_server.default = reply
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(
            InvalidResponseError, match=r"^\w+ \S+: 20., but .*the write itself was applied"
        ) as lost:
            await client.request(WRITES[method])
    assert (lost.value.retryable, lost.value.attempts, len(raw_server.requests)) == (False, 1, 1)


@pytest.mark.parametrize("then", ["close", "reset", "time-out"])
async def test_an_error_whose_body_is_cut_off_is_still_that_error(
    raw_server: RawServer, config_for: ConfigFor, then: Any
) -> None:
    """Its status came whole: it is final where the status is, and is waited for as the backend asks."""
    raw_server.default = broken("404 Not Found", then=then)
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(NotFoundError, match="404 Not Found: 12345") as missing:
            await client.request(READ)
        raw_server.default = broken("503 X", "Retry-After: 1000", then=then)
        with pytest.raises(ServerError) as busy:
            await client.request(WRITES["POST"])
        assert (missing.value.attempts, busy.value.attempts, busy.value.retry_after) == (1, 1, 1000)


async def test_a_limit_whose_body_is_cut_off_pauses_the_connection(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """It was understood as well as any other."""
    raw_server.default = broken("429 X", "Retry-After: 1000")
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(RateLimitError):
            await client.request(READ)
        with pytest.raises(RateLimitError, match="it was not sent"):
            await client.request(READ)
    assert len(raw_server.requests) == 1


async def test_a_token_whose_answer_is_cut_off_is_none(raw_server: RawServer, config_for: ConfigFor) -> None:
    """Half of an access token would be refused, and looked up, and refused again."""
    raw_server.replies = [
        Reply(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"access_token": "t0ken"}', then="close"),
    ]
    raw_server.default = Reply(framed(b'{"access_token": "t0ken"}'))
    config = config_for(
        raw_server.base_url,
        auth_type="oauth2",
        oauth_url=f"{raw_server.base_url}/token",
        login="id",
        api_key="s3cret",
        max_attempts=1,
    )
    async with GenericMirrorDB(config) as client:
        with pytest.raises(DisconnectedError):
            await client.request(READ)
        await client.request(READ)
    assert [request.split(b" ")[1] for request in raw_server.requests] == [
        b"/token",
        b"/token",
        b"/api/balance",
    ]


async def test_a_probe_sees_that_the_answer_is_cut_off(raw_server: RawServer, config_for: ConfigFor) -> None:
    """Whoever tests a connection wants to know."""
    raw_server.default = broken("200 OK")
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(DisconnectedError):
            await client.probe()
        raw_server.default = broken("200 OK", then="time-out")
        with pytest.raises(RequestTimeoutError):
            await client.probe()
