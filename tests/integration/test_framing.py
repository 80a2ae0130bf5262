"""Answers of which hardly any byte is their body: a chunk, a header or a 1xx costs more than it weighs."""

from __future__ import annotations

import json
import re

import pytest

from airflow_mirrordb.client import DisconnectedError, GenericMirrorDB, InvalidResponseError
from airflow_mirrordb.client.wire.aiohttp import private as aiohttp_private
from tests.support.connections import ConfigFor
from tests.support.raw_server import RawServer, Reply

SMALL = 2**18  # bytes; MAX_FRAMING of these tests, which is enough for what waits to be parsed
FLOOD = 4 * SMALL
WORDS = r"only [\d,]+ of ([\d,]+) bytes are its body"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def small_framing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp_private, "MAX_FRAMING", SMALL)


def in_chunks(body: bytes, size: int) -> bytes:
    """RFC 9112, section 7.1."""
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


FLOODS = {
    "chunks of one byte": CHUNKED + b"1\r\n1\r\n" * (FLOOD // 6),
    "extensions of a chunk": CHUNKED + b"1;" + b"a" * FLOOD,
}
HEADS = {
    "100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n" * (FLOOD // 25),
    "103 Early Hints": b"HTTP/1.1 103 X\r\nLink: </a>\r\n\r\n" * (FLOOD // 30),
    "line breaks": b"\r\n" * (FLOOD // 2),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_body_that_is_all_framing_is_a_final_error(
    raw_server: RawServer, config_for: ConfigFor, small_framing: None, name: str
) -> None:
    """The rest of it is not read, so that it costs no more CPU: 16 MB would take 17 s."""
    raw_server.default = Reply(FLOODS[name], "close")
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(InvalidResponseError, match=WORDS) as refused:
            await client.read_function("read", "api/users")
    (read,) = re.findall(WORDS, str(refused.value))
    assert SMALL < int(read.replace(",", "")) < 3 * SMALL
    assert (refused.value.retryable, len(raw_server.requests)) == (False, 1)


@pytest.mark.parametrize("name", HEADS)
async def test_what_is_no_answer_yet_does_not_go_on_for_ever(
    raw_server: RawServer, config_for: ConfigFor, small_framing: None, name: str
) -> None:
    """RFC 9110, section 15.2, has no limit for 1xx answers before the one that counts."""
    raw_server.default = Reply(HEADS[name], "close")
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=2)) as client:
        with pytest.raises(DisconnectedError, match=WORDS) as endless:
            await client.read_function("read", "api/users")
    assert (endless.value.retryable, len(raw_server.requests)) == (True, 2)


async def test_small_chunks_are_read_all_the_same(
    raw_server: RawServer, config_for: ConfigFor, small_framing: None
) -> None:
    """Backends stream JSON token by token, or record by record; each answer is counted by itself."""
    records = [123456789] * 2000
    raw_server.default = Reply(in_chunks(json.dumps(records).encode(), 1))
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        for _ in range(4):
            assert await client.read_function("read", "api/users") == records
        raw_server.default = Reply(in_chunks(json.dumps(records * 50).encode(), 12))
        assert await client.read_function("read", "api/users") == records * 50
    assert raw_server.connections == 1


@pytest.mark.parametrize("number", [1, 100])
async def test_1xx_before_an_answer_are_passed_over(
    raw_server: RawServer, config_for: ConfigFor, number: int
) -> None:
    """RFC 9110, section 15.2: a client must be able to, also if it did not ask for them."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n" * number
    raw_server.default = Reply(hints + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7")
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert await client.read_function("read", "api/users") == 7


async def test_many_bytes_at_once_are_no_framing(
    raw_server: RawServer, config_for: ConfigFor, small_framing: None
) -> None:
    """What waits to be parsed has not been seen to be a body yet."""
    body = b'"%s"' % (b"a" * 10 * SMALL)
    raw_server.default = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        assert len(await client.read_function("read", "api/users")) == 10 * SMALL
