"""An HTTP proxy between: how requests prove themselves to it, and what its failures are.

For https it is asked for a tunnel by CONNECT (RFC 9110, section 9.3.6), and an answer to that is its own.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import quote

import pytest
from aiohttp import web

from airflow_mirrordb.client import ConfigError, ConnectError, GenericMirrorDB, MirrorDBConfig
from tests.support.backends import Answering
from tests.support.clocks import FakeClock
from tests.support.connections import ConfigFor
from tests.support.raw_server import RawServer, Reply, json_answer, listening

CREDENTIALS = [("user", "p@ss:w/rd"), ("usér", "pässword"), ("us€r", "пароль"), ("", "only"), ("only", "")]
CLOSED = Reply(then="close")


def proxy_of(raw_server: RawServer, user: str = "us€r", password: str = "c4nary€") -> str:
    pair = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return raw_server.base_url.replace("//", f"//{pair}@")


def sent_credentials(head: bytes) -> list[str]:
    """The credentials are the same for both kinds of tunnels."""
    lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"proxy-authorization: basic ")]
    return [b64decode(line.split()[2]).decode() for line in lines]


@pytest.mark.parametrize("backend", ["http://backend.example", "https://backend.example"])
@pytest.mark.parametrize(("user", "password"), CREDENTIALS)
async def test_credentials_are_sent_in_utf_8(
    raw_server: RawServer, config_for: ConfigFor, backend: str, user: str, password: str
) -> None:
    """RFC 7617, section 2.1, as those of the backend."""
    raw_server.default = Reply(json_answer("{}", "407 Proxy Authentication Required"))
    config = config_for(backend, proxy=proxy_of(raw_server, user, password), max_attempts=1)
    async with GenericMirrorDB(config) as client:
        result = await client.call("read_function", method_name="m", endpoint="api/users")
    assert result["error"]["type"] == ("ConnectError" if backend.startswith("https") else "ResponseError")
    assert [sent_credentials(head) for head in raw_server.requests] == [[f"{user}:{password}"]]


async def test_requests_to_http_share_a_connection(raw_server: RawServer, config_for: ConfigFor) -> None:
    """Each one brings its credentials."""
    config = config_for("http://backend.example", proxy=proxy_of(raw_server))
    async with GenericMirrorDB(config) as client:
        for _ in range(2):
            assert await client.read_function("read", "api/users") == {}
    assert [sent_credentials(head) for head in raw_server.requests] == [["us€r:c4nary€"]] * 2
    assert raw_server.connections == 1


class Tunnel(RawServer):
    """Connects to wherever a CONNECT says."""

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        host, _, port = self.requests[-1].split()[1].decode().rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        return False

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(2**16):
                target.write(data)
        target.close()


@pytest.fixture
async def tunnel() -> AsyncIterator[Tunnel]:
    async with listening(Tunnel()) as raw:
        yield raw


async def test_requests_to_https_share_a_tunnel(
    answering: Answering,
    tunnel: Tunnel,
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    idling: FakeClock,
) -> None:
    """The backend does not see the credentials of the proxy."""
    backend = await answering(*(web.json_response({}) for _ in range(3)), ssl_context=server_tls)
    config = config_for(backend.base_url, proxy=proxy_of(tunnel), verify=ca_file)
    async with GenericMirrorDB(config) as client:
        for _ in range(3):
            assert await client.read_function("read", "api/users") == {}
    assert [sent_credentials(head) for head in tunnel.requests] == [["us€r:c4nary€"]]
    assert not any("Proxy-Authorization" in seen.headers for seen in backend.requests)


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ("domain%3Auser:pw", "has no colon"),
        ("us%0Aer:pw", "control character"),
        ("user:p%0Dw", "control character"),
        ("us%FFer:pw", "UTF-8"),
        ("user:p%ED%A0%80w", "UTF-8"),
    ],
)
def test_credentials_that_cannot_be_sent_are_refused_with_the_settings(credentials: str, words: str) -> None:
    """RFC 7617, section 2; no part of them is shown."""
    with pytest.raises(ConfigError, match=f"^proxy: .*{words}") as caught:
        MirrorDBConfig(base_url="http://backend.example", proxy=f"http://{credentials}@proxy.example")
    assert caught.value.field == "proxy"
    assert not any(part in str(caught.value) for part in ("pw", "domain", "%"))


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (CLOSED, "Server disconnected"),
        (Reply(b"what?\r\n\r\n", then="close"), "Bad status line|Expected HTTP/"),
        (Reply(b"HTTP/1.1 200 OK\r\nX a\r\n\r\n", then="close"), "Invalid"),
        (Reply(b"HTTP/1.1 2", then="reset"), "reset"),
    ],
)
async def test_a_proxy_that_breaks_off_is_no_broken_answer_of_the_backend(
    raw_server: RawServer, config_for: ConfigFor, reply: Reply, words: str
) -> None:
    """No connection to the backend was made, so a write without a key is sent again."""
    raw_server.default = reply
    config = config_for("https://backend", proxy=raw_server.base_url, max_attempts=2)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(
            ConnectError, match="cannot connect to https://backend through the proxy: "
        ) as caught:
            await client.create_function("create", "api/users", {})
    assert re.search(words, caught.value.message)
    assert "\n" not in caught.value.message
    assert (caught.value.sent, caught.value.maybe_applied, caught.value.attempts) == (False, False, 2)


async def test_a_proxy_that_nobody_reaches_is_named(config_for: ConfigFor, dead_port: int) -> None:
    """Else one would look for the fault at the backend."""
    config = config_for("http://backend", proxy=f"http://127.0.0.1:{dead_port}", max_attempts=1)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(ConnectError, match="cannot connect to http://backend through the proxy: "):
            await client.read_function("read", "api/users")


@pytest.mark.parametrize(
    ("status", "header", "slept"),
    [
        ("429 Too Many Requests", "Retry-After: 7", [7.0]),
        ("503 Service Unavailable", "Retry-After: 7", [7.0]),
        ("407 Proxy Authentication Required", "Retry-After: 7", []),
        ("403 Forbidden", "X: y", []),
    ],
)
async def test_a_refused_tunnel_is_asked_for_again_when_the_proxy_says(
    raw_server: RawServer,
    config_for: ConfigFor,
    clock: FakeClock,
    status: str,
    header: str,
    slept: list[float],
) -> None:
    """As after the same answer of a backend (RFC 6585, section 4; RFC 9110, section 10.2.3)."""
    raw_server.default = Reply(json_answer("{}", status, header))
    config = config_for("https://backend.example", proxy=raw_server.base_url, max_attempts=2)
    async with GenericMirrorDB(config, clock=clock.as_clock()) as client:
        with pytest.raises(ConnectError, match=f"the proxy refused the connection to .*: {status}") as caught:
            await client.create_function("create", "api/users", {})
    assert clock.slept == slept
    assert caught.value.retryable is bool(slept)
    assert caught.value.retry_after == (7.0 if slept else None)
    assert len(raw_server.requests) == 1 + len(slept)
