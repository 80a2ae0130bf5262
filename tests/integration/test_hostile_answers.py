"""Whatever a backend answers, memory and time stay bounded, the error is clear, and the client goes on."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

import brotli
import pytest

from airflow_mirrordb.client import GenericMirrorDB, InvalidResponseError, MirrorDBError
from airflow_mirrordb.client.wire.aiohttp import private as aiohttp_private
from tests.support.aiohttp_versions import TAKES_ANY_HEADER
from tests.support.clocks import TIMEOUT, loop_time, turns, until
from tests.support.raw_server import RawServer, json_answer, listening

if TYPE_CHECKING:
    from tests.support.connections import ConfigFor

MEGABYTE = 2**20
MAX_BYTES = MEGABYTE
#: What one request may take: aiohttp reads and unpacks in pieces of at most 256 kB.
MAX_MEMORY = 8 * MEGABYTE
OK = b"HTTP/1.1 200 OK\r\n"
TOO_LATE = ("RequestTimeoutError", f"within {TIMEOUT:g} s")
MUCH = 100  # pieces of an answer

Chunks = Callable[[], Iterable[bytes]]


def whole(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode(errors="surrogateescape") + body


def zeros(encoding: str, status: str = "200 OK") -> Iterator[bytes]:
    """Ten gigabytes of zeros, packed as the server sends them."""
    yield f"HTTP/1.1 {status}\r\nContent-Encoding: {encoding}\r\n\r\n".encode()
    if encoding == "br":
        brotlied = brotli.Compressor(quality=1)
        for _ in range(10 * 1024):
            yield brotlied.process(bytes(MEGABYTE)) + brotlied.flush()
    deflated = zlib.compressobj(9, wbits={"gzip": 31, "deflate": 15}.get(encoding, 15))
    yield deflated.compress(b"") + deflated.flush(zlib.Z_FULL_FLUSH)
    block = deflated.compress(bytes(MEGABYTE)) + deflated.flush(zlib.Z_FULL_FLUSH)
    yield from repeat(block, 10 * 1024)  # a full flush starts anew, so the block repeats


def after(head: bytes, again: bytes) -> Chunks:
    """A head, and then the same for ever."""

    def chunks() -> Iterator[bytes]:
        yield head
        yield from repeat(again)

    return chunks


def just(data: bytes) -> Chunks:
    return lambda: [data]


LOCATION = "Location: /api/redirect_loop"
CASES: dict[str, tuple[Chunks, str, str]] = {
    # name: what is sent, the error, words in it
    "endless": (after(OK + b"\r\n", bytes(65536)), "InvalidResponseError", "longer than max_response_bytes"),
    "endless_chunks": (
        after(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(65536) + b"\r\n"),
        "InvalidResponseError",
        "longer than max_response_bytes",
    ),
    "endless_error": (after(b"HTTP/1.1 500 X\r\n\r\n", b"a" * 65536), "ServerError", "500"),
    "endless_redirect": (
        after(f"HTTP/1.1 302 X\r\n{LOCATION}\r\n\r\n".encode(), b"a" * 65536),
        "ResponseError",
        "not followed",
    ),
    "gzip": (lambda: zeros("gzip"), "InvalidResponseError", "longer than max_response_bytes"),
    "deflate": (lambda: zeros("deflate"), "InvalidResponseError", "longer than max_response_bytes"),
    "br": (lambda: zeros("br"), "InvalidResponseError", "longer than max_response_bytes"),
    "gzip_error": (lambda: zeros("gzip", "503 X"), "ServerError", "503"),
    "not_gzip": (just(whole(b"abcd", "200 OK", "Content-Encoding: gzip")), "InvalidResponseError", "gzip"),
    "million_headers": (
        after(OK, b"".join(b"X-%d: a\r\n" % number for number in range(1000))),
        "DisconnectedError",
        "Too many headers|the rest is framing",  # below aiohttp 3.13.4 only bytes are counted
    ),
    "header_of_a_megabyte": (
        just(OK + b"X: " + b"a" * MEGABYTE + b"\r\n\r\n{}"),
        "DisconnectedError",
        "more than 8190",
    ),
    "endless_header": (after(OK + b"X: ", b"a" * 65536), "DisconnectedError", "more than 8190"),
    "endless_status": (after(b"HTTP/1.1 200 ", b"a" * 65536), "DisconnectedError", "more than 8190"),
    "endless_trailers": (
        after(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X-A: b\r\n" * 1000),
        "DisconnectedError|InvalidResponseError",
        "Too many headers|the rest is framing",
    ),
    "endless_chunk_extension": (
        after(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a" * 65536),
        "InvalidResponseError",
        "the rest is framing",
    ),
    "slow_head": (after(OK, b"X"), *TOO_LATE),
    "slow_body": (
        after(OK + b"Content-Length: 1000000\r\n\r\n", b" "),
        *TOO_LATE,
    ),
    "continue_flood": (
        after(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        "DisconnectedError",
        "the rest is framing",
    ),
    "early_hints_flood": (
        after(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000),
        "DisconnectedError",
        "the rest is framing",
    ),
    "switching_protocols": (
        just(b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"),
        "ResponseError",
        "101",
    ),
    "deep": (just(whole(b"[" * 100_000)), "InvalidResponseError", "not JSON"),
    "deep_objects": (just(whole(b'{"a":' * 100_000)), "InvalidResponseError", "not JSON"),
    "deep_error": (just(whole(b'{"error":' * 100_000, "400 X")), "InvalidDataError", "400"),
    "nan": (just(whole(b"[NaN]")), "InvalidResponseError", "not JSON"),
    "infinity": (just(whole(b"[-Infinity]")), "InvalidResponseError", "not JSON"),
    "huge_float": (just(whole(b"[1e999]")), "InvalidResponseError", "not JSON"),
    "huge_integer": (just(whole(b"1" * 1_000_000)), "InvalidResponseError", "not JSON"),
    "invalid_utf_8": (just(whole(b'"\xff\xfe"')), "InvalidResponseError", "not JSON"),
    "invalid_utf_8_error": (just(whole(b"\xff\xfe\x80", "400 X")), "InvalidDataError", "400"),
    "half_a_pair_error": (just(whole(b'{"detail": "\\ud800"}', "400 X")), "InvalidDataError", "400"),
    "odd_request_id": (just(whole(b"", "400 X", "X-Request-ID: \udc80")), "InvalidDataError", "400"),
    "too_short": (just(OK + b"Content-Length: 100\r\n\r\n{}"), "DisconnectedError", "broke before"),
    "negative_length": (just(OK + b"Content-Length: -2\r\n\r\n{}"), "DisconnectedError", "Content-Length"),
    "length_and_chunks": (
        just(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        "DisconnectedError",
        "Content-Length",
    ),
    "nul_in_a_header": (just(whole(b"{}", "200 OK", "X: a\0b")), "DisconnectedError", "Invalid HTTP header"),
    "redirect_loop": (just(whole(b"", "302 X", LOCATION)), "ResponseError", "not followed"),
    "long_redirect": (
        just(whole(b"", "302 X", f"Location: /api/{'a' * 8000}")),
        "ResponseError",
        "not followed",
    ),
    "garbage": (just(b"\x00\xff\x16\x03" * 1000), "DisconnectedError", "Bad status line|Expected HTTP"),
    "no_http": (just(b"{}\r\n\r\n"), "DisconnectedError", "Bad status line|Expected HTTP"),
}
#: Answers that can be used, though they are odd: the last of two keys wins, as JSON parsers have it.
ODD: dict[str, tuple[bytes, Any]] = {
    "duplicate_keys": (whole(b'{"a": 1, "a": 2}'), {"a": 2}),
    "more_than_the_length": (whole(b"{}") + whole(b'"stolen"'), {}),
}


class HostileServer(RawServer):
    """Answers ``api/NAME`` with that case, and all else with what was asked for."""

    keeps = True
    """Whether the connection of the last answer goes on, which may be another than that of the one before."""

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.writer, self.keeps = writer, True
        head = await reader.readuntil(b"\r\n\r\n")
        name = head.split(b" ")[1].decode().rpartition("/")[2]
        self.requests.append(head)
        if name in CASES:
            self.keeps = name.endswith("_loop")
            chunks, *error = CASES[name]
            if (*error,) == TOO_LATE:
                await self._send_until_it_is_too_late(writer, chunks())
                return False
            for chunk in chunks():
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(0)
            return name.endswith("_loop")
        writer.write(ODD[name][0] if name in ODD else json_answer(f'"{name}"'))
        return True

    async def _send_until_it_is_too_late(self, writer: asyncio.StreamWriter, chunks: Iterable[bytes]) -> None:
        """The time is up when much has been sent, or when the client takes no more."""
        for chunk in islice(chunks, MUCH):
            writer.write(chunk)
            await turns()
            if writer.transport.get_write_buffer_size():
                break
        loop_time.advance(TIMEOUT)
        await turns()


@pytest.fixture
async def hostile() -> AsyncIterator[HostileServer]:
    async with listening(HostileServer()) as raw:
        yield raw


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        aiohttp_private, "MAX_FRAMING", MEGABYTE // 2
    )  # the memory that these tests ask for takes time


async def meet(hostile: HostileServer, config_for: ConfigFor, name: str) -> tuple[Any, int]:
    """What a request meets, and the memory it took in bytes; then the client goes on."""
    config = config_for(hostile.base_url, max_attempts=1, max_response_bytes=MAX_BYTES, api_key="k3y")
    async with GenericMirrorDB(config) as client:
        assert await client.read_function("before", "api/before") == "before"
        tracemalloc.start()
        found: Any = None
        try:
            with suppress(MirrorDBError):
                found = await client.call("read_function", method_name=name, endpoint=f"api/{name}")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        if not hostile.keeps:
            await until(lambda: not hostile.open_connections)
            await turns()  # the server closes without having said so
        assert await client.read_function("next", "api/next") == "next"
    return found, peak


@pytest.mark.parametrize("name", CASES)
async def test_a_hostile_answer_is_one_clear_error(
    hostile: HostileServer, config_for: ConfigFor, name: str
) -> None:
    """In little memory, within the timeout; and the next request of the same client works."""
    if name == "nul_in_a_header" and TAKES_ANY_HEADER:
        pytest.skip("this aiohttp takes such a header")
    _, kind, words = CASES[name]
    found, peak = await meet(hostile, config_for, name)
    error = MirrorDBError.from_dict(found["error"])
    assert type(error).__name__ in kind.split("|"), error
    with pytest.raises(MirrorDBError, match=words):
        raise error
    assert len(str(error)) < 10_000  # of a detail of 2 kB each character may be escaped
    assert peak < MAX_MEMORY * (1 + TAKES_ANY_HEADER), f"{peak:,} bytes"
    assert sum(f"/api/{name} ".encode() in head for head in hostile.requests) == 1 + (name in FOLLOWED)


FOLLOWED = {"redirect_loop"}


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_answer_can_be_used(hostile: HostileServer, config_for: ConfigFor, name: str) -> None:
    """And what follows it on the connection is not taken for the next answer."""
    found, _ = await meet(hostile, config_for, name)
    assert found == {"response": ODD[name][1]}


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen by the loop", "not seen by the loop yet"])
async def test_what_nobody_asked_for_is_no_answer(
    hostile: HostileServer, config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch, *, is_seen: bool
) -> None:
    """An answer that comes while the connection idles is not that of the next request."""
    monkeypatch.setattr(aiohttp_private, "LOOKED_AT", TIMEOUT if is_seen else 0.0)
    async with GenericMirrorDB(config_for(hostile.base_url)) as client:
        assert await client.read_function("first", "api/first") == "first"
        hostile.writer.write(whole(b'"stolen"'))
        if is_seen:
            await turns()
        assert await client.read_function("second", "api/second") == "second"
    assert hostile.connections == 2


async def test_a_connection_that_has_just_ended_is_not_used(
    hostile: HostileServer, config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is seen though the event loop had no time to: a task may have kept it busy meanwhile."""
    monkeypatch.setattr(aiohttp_private, "LOOKED_AT", 0.0)
    async with GenericMirrorDB(config_for(hostile.base_url)) as client:
        assert await client.create_function("first", "api/first", None) == "first"
        hostile.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        assert await client.create_function("second", "api/second", None) == "second"
    assert hostile.connections == 2


async def test_the_limit_holds_after_decompression(hostile: HostileServer, config_for: ConfigFor) -> None:
    """A few bytes on the wire may be many in memory; the default limit is 16 MiB."""
    async with GenericMirrorDB(config_for(hostile.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="max_response_bytes"):
            await client.read_function("read", "api/gzip")
