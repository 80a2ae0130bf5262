"""How connections end, early, late and cut off, and what an answer is worth then.

The expected values are those of RFC 9112 (sections 6.3, 8, 9.3, 9.5, 9.8) and RFC 9110 (section 15).
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol

import pytest
import trustme

from airflow_mirrordb.client import DisconnectedError, GenericMirrorDB, MirrorDBConfig, MirrorDBRequest
from airflow_mirrordb.client.wire.sockets import is_readable
from tests.support.connections import ConfigFor
from tests.support.raw_server import json_answer

Step = bytes | asyncio.Event | Literal["close", "half-close", "reset", "cut", "read the body"]
HEAD = b"HTTP/1.1 200 OK\r\n"
UNTIL_CLOSE = HEAD + b'\r\n{"id": 7}'
REFUSED = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
LARGE = {"text": "x" * 8_000_000}  # more than sockets hold
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class OddServer:
    """Takes the steps of a script for the first request, and answers all further ones with ``{}``."""

    def __init__(self, script: Sequence[Step]) -> None:
        self.script, self.connections, self.heads = script, 0, list[bytes]()
        self.base_url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                if len(self.heads) == 1:
                    await self._play(head, reader, writer)
                else:
                    writer.write(json_answer("{}"))
        writer.close()

    async def _play(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for step in self.script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, asyncio.Event):
                await step.wait()
            elif step == "read the body":
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
                await reader.readexactly(int(lengths[0].partition(b":")[2]))
            elif step == "half-close":
                writer.write_eof()
            elif step == "cut":  # the socket goes, and TLS does not know of it
                with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as plain:
                    plain.shutdown(socket.SHUT_RDWR)
            elif step == "reset":
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE
                )
                writer.transport.abort()
            else:
                writer.close()


class Odd(Protocol):
    async def __call__(self, *script: Step, tls: ssl.SSLContext | None = None) -> OddServer: ...


@pytest.fixture
async def odd() -> AsyncIterator[Odd]:
    servers: list[asyncio.Server] = []

    async def start(*script: Step, tls: ssl.SSLContext | None = None) -> OddServer:
        played = OddServer(script)
        server = await asyncio.start_server(played.serve, "127.0.0.1", 0, ssl=tls, limit=2**24)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        played.base_url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        return played

    yield start
    for server in servers:
        server.close()


async def read_twice(config: MirrorDBConfig) -> dict[str, Any]:
    """Return what came of a read, after another one has shown that the client goes on."""
    async with GenericMirrorDB(config) as client:
        first = await client.call("read_function", method_name="read", endpoint="api/users/7")
        assert await client.call("read_function", method_name="again", endpoint="api/users") == {
            "response": {}
        }
    return first


def kind(result: dict[str, Any]) -> Any:
    return result["error"]["type"] if "error" in result else result["response"]


@pytest.mark.parametrize(("end", "expected"), [("close", {"id": 7}), ("cut", "DisconnectedError")])
async def test_over_tls_the_end_of_a_body_has_to_be_said(
    odd: Odd, config_for: ConfigFor, server_tls: ssl.SSLContext, ca_file: str, end: Step, expected: Any
) -> None:
    """Without a closure alert anybody on the way may have cut it off (RFC 9112, section 9.8)."""
    server = await odd(UNTIL_CLOSE, end, tls=server_tls)
    result = await read_twice(config_for(server.base_url, verify=ca_file, max_attempts=1))
    assert kind(result) == expected
    assert expected == {"id": 7} or "closure alert" in result["error"]["message"]


async def test_over_tls_a_body_of_known_length_needs_no_alert(
    odd: Odd, config_for: ConfigFor, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    """It is complete when all of it has come, however the connection ends (RFC 9112, section 9.8)."""
    server = await odd(json_answer('{"id": 7}'), "cut", tls=server_tls)
    async with GenericMirrorDB(config_for(server.base_url, verify=ca_file, max_attempts=1)) as client:
        assert await client.read_function("read", "api/users/7") == {"id": 7}


class TellingSink:
    """A file that tells when the head of its answer has come."""

    path = "nowhere"

    def __init__(self) -> None:
        self.begun, self.finished = asyncio.Event(), False
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        self._loop.call_soon_threadsafe(self.begun.set)

    def write(self, data: bytes) -> None:
        pass

    def finish(self) -> None:
        self.finished = True

    def abort(self) -> None:
        pass


async def test_a_reset_cuts_a_body_that_ends_with_its_connection(odd: Odd, config_for: ConfigFor) -> None:
    """A reset is an error of the connection, and not its close (RFC 9112, section 6.3, item 8)."""
    sink = TellingSink()
    server = await odd(UNTIL_CLOSE, sink.begun, "reset")
    request = MirrorDBRequest(method="GET", endpoint="api/users/7")
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1)) as client:
        with pytest.raises(DisconnectedError):
            await client.request(request, sink=sink)
    assert not sink.finished


WHOLE: dict[str, tuple[Sequence[Step], int]] = {
    # what is sent, and how many connections two requests take
    "ends with the connection": ([UNTIL_CLOSE, "close"], 2),
    "half-closed after it": ([json_answer('{"id": 7}'), "half-close"], 2),
    "HTTP/1.0": ([b'HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n{"id": 7}'], 2),
    "HTTP/1.0 until its end": ([b'HTTP/1.0 200 OK\r\n\r\n{"id": 7}', "close"], 2),
    "HTTP/1.0 that goes on": (
        [b'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 9\r\n\r\n{"id": 7}'],
        1,
    ),
    "trailers": (
        [HEAD + b'Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n9\r\n{"id": 7}\r\n0\r\nX: y\r\n\r\n'],
        1,
    ),
    "early hints": ([b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + json_answer('{"id": 7}')], 1),
    "another answer with it": ([json_answer('{"id": 7}') + json_answer('{"id": 8}')], 2),
    "blank lines after it": ([json_answer('{"id": 7}') + b"\r\n\r\n"], 1),
    "the last of the connection": (
        [HEAD + b'Connection: close\r\nContent-Length: 9\r\n\r\n{"id": 7}'],
        2,
    ),
}


@pytest.mark.parametrize("name", WHOLE)
async def test_a_whole_answer_is_taken_and_the_next_request_gets_its_own(
    odd: Odd, config_for: ConfigFor, name: str
) -> None:
    script, connections = WHOLE[name]
    server = await odd(*script)
    assert kind(await read_twice(config_for(server.base_url, max_attempts=1))) == {"id": 7}
    assert server.connections == connections


BROKEN: dict[str, Sequence[Step]] = {
    "half-closed before it": ["half-close"],
    "no head (HTTP/0.9)": [b'{"id": 7}', "close"],
    "length and chunks": [
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    ],
    "two lengths": [HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "],
    "no last chunk": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "close"],
    "trailers with a length": [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"
    ],
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_an_error_and_the_next_request_gets_its_own(
    odd: Odd, config_for: ConfigFor, name: str
) -> None:
    server = await odd(*BROKEN[name])
    assert kind(await read_twice(config_for(server.base_url, max_attempts=1))) == "DisconnectedError"
    assert server.connections == 2


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_refusal_comes_through_while_the_body_is_still_being_sent(
    odd: Odd, config_for: ConfigFor, end: Step
) -> None:
    """A server may refuse after the head (RFC 9110, section 15.5.14; RFC 9112, section 9.5)."""
    server = await odd(REFUSED, end)
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1)) as client:
        result = await client.call("create_function", method_name="m", endpoint="api/users", data=LARGE)
    assert (result["error"]["status"], result["error"]["maybe_applied"]) == (413, False)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"HTTP/1.1 201 Created\r\n", "InvalidResponseError"),
        (b"HTTP/1.1 422 Unprocessable\r\n", "InvalidDataError"),
        (b"HTTP/1.1 502 Bad Gateway\r\n", "AmbiguousWriteError"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n", "AmbiguousWriteError"),
    ],
)
async def test_the_status_of_a_write_decides_though_its_body_is_cut_off(
    odd: Odd, config_for: ConfigFor, head: bytes, expected: str
) -> None:
    server = await odd("read the body", head + b"Content-Length: 100\r\n\r\n{", "close")
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1)) as client:
        result = await client.call("create_function", method_name="m", endpoint="api/users", data={"a": 1})
    assert kind(result) == expected
    assert result["error"]["maybe_applied"] is (expected != "InvalidDataError")


# -- what is known of a connection that has ended ---------------------------------------------------


@pytest.mark.parametrize("is_tls", [False, True])
async def test_a_connection_that_was_cut_is_not_looked_at(
    server_tls: ssl.SSLContext, authority: trustme.CA, *, is_tls: bool
) -> None:
    """Its socket is closed and has no number; TLS of Python 3.10 does not even know it any more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    context = ssl.create_default_context()
    authority.configure_trust(context)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls if is_tls else None)
    async with server:
        port = server.sockets[0].getsockname()[1]
        how: dict[str, Any] = {"ssl": context, "server_hostname": "localhost"} if is_tls else {}
        _, writer = await asyncio.open_connection("127.0.0.1", port, **how)
        assert not is_readable(writer.transport)
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()
        assert is_readable(writer.transport)
