"""What a raw server receives when somebody asks for what nobody registered, and the time that takes."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from airflow_mirrordb.client import (
    ConfigError,
    EndpointNotAllowedError,
    EndpointRegistry,
    GenericMirrorDB,
    MirrorDBConfig,
    MirrorDBError,
)
from tests.fuzz import oracle
from tests.fuzz.targets import PIECES, asked

if TYPE_CHECKING:
    from tests.support.connections import ConfigFor
    from tests.support.raw_server import RawServer

MEGABYTE = 2**20
LIMIT = 0.1  # seconds of the processor; it takes a hundredth of that
# Bytes that tests.fuzz.targets reads as pieces; those of a plain path are frequent.
PLAIN = [128 + PIECES.index(piece) for piece in ("api/users/", "users", "7", "files", "/", "é", "cache")]
ENDPOINTS = st.tuples(
    st.just(0),
    st.integers(0, len(oracle.SCENES) - 1),
    st.integers(0, 5),
    st.sampled_from(PLAIN[:4]),
    *(st.sampled_from(PLAIN) | st.integers(32, 126) | st.integers(0, 255) for _ in range(3)),
).map(bytes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(data=ENDPOINTS, prefix=st.sampled_from(["", "/v1", "/a b/ü"]))
async def test_only_what_is_registered_arrives(
    raw_server: RawServer, config_for: ConfigFor, data: bytes, prefix: str
) -> None:
    """One request to the origin, under the prefix, on a registered path; or no connection at all."""
    number, request = asked(data)
    raw_server.requests.clear()
    raw_server.connections = 0
    config = config_for(raw_server.base_url + prefix, endpoints=oracle.SCENES[number].patterns)
    async with GenericMirrorDB(config) as client:
        try:
            await client.request(request)
        except MirrorDBError as error:
            refusal: MirrorDBError | None = error
        else:
            refusal = None
    if refusal is not None:
        assert (refusal.attempts, raw_server.connections) == (0, 0)
        return
    head, *_ = raw_server.requests[0].split(b"\r\n\r\n")
    line, *fields = head.decode("ascii").split("\r\n")
    method, target, version = line.split(" ")
    assert (len(raw_server.requests), raw_server.connections, version) == (1, 1, "HTTP/1.1")
    hosts = [field for field in fields if field.lower().startswith("host:")]
    assert hosts == [f"Host: {urlsplit(raw_server.base_url).netloc}"]
    assert method == ("POST" if request.method == "QUERY" else request.method)
    url = f"{raw_server.base_url}{target}"
    oracle.check_url(url, config.base_url, request.method, oracle.SCENES[number])


def test_the_strategy_above_finds_both() -> None:
    """Requests that are allowed and requests that are refused, or it would prove nothing."""
    outcomes = set()
    for third in (*PLAIN, *b"a.%\\"):
        number, request = asked(bytes([0, 3, 0, PLAIN[0], third, PLAIN[2]]))
        try:
            EndpointRegistry(declared=oracle.SCENES[number].patterns).path_for("GET", request.endpoint)
            outcomes.add("allowed")
        except EndpointNotAllowedError:
            outcomes.add("refused")
    assert outcomes == {"allowed", "refused"}


# -- a megabyte of anything is refused at once ---------------------------------------------------

LONG = {
    "letters": "a",
    "slashes": "/",
    "dots": "../",
    "percent": "%",
    "encoded again and again": "%25",
    "international": "é",
    "labels": "é.",
    "compatibility": "\ufdfa",  # one character that NFKC makes 18 of
    "combining": "\u0315\u0300",
    "brackets": "[",
    "braces": "{a",
    "placeholders": "{a}/",
    "digits": "1",
    "at": "@",
    "nul": "\x00",
    "half a pair": "\ud800",
}


def timed(work: Any) -> float:
    begin = time.thread_time()
    with pytest.raises((ConfigError, EndpointNotAllowedError)) as caught:
        work()
    elapsed = time.thread_time() - begin
    assert len(caught.value.message) < 10_000
    return elapsed


@pytest.mark.parametrize("name", LONG)
def test_a_megabyte_is_refused_at_once(name: str) -> None:
    """As an endpoint, a pattern and each part of a URL; the error is short."""
    text = LONG[name] * (MEGABYTE // len(LONG[name]))
    registry = EndpointRegistry(declared=("{all:path}",))
    assert timed(lambda: registry.path_for("GET", text)) < LIMIT
    assert timed(lambda: registry.path_for("GET", f"api/users/{text}")) < LIMIT
    assert timed(lambda: registry.with_pattern(text)) < LIMIT
    assert timed(lambda: registry.with_pattern(f"GET api/{text}")) < LIMIT
    for url in (f"https://{text}", f"https://h:{text}", f"https://h/{text}", f"https://[{text}]", text):
        assert timed(lambda url=url: MirrorDBConfig(base_url=url)) < LIMIT
        assert timed(lambda url=url: MirrorDBConfig(base_url="https://h", proxy=url)) < LIMIT
        assert (
            timed(lambda url=url: MirrorDBConfig(base_url="https://h", auth_type="none", oauth_url=url))
            < LIMIT
        )


@pytest.mark.parametrize(
    "endpoint",
    [
        "%" + "25" * 1023,
        "%25" * 682,
        "a/" * 1023 + "a",
        "\u0315\u0300" * 1024,
        "%2525252541/" * 170 + "a",
        ("%" + "25" * 7 + "/") * 128 + "a",
        "é" * 2048,
        "a%2F" * 511 + "a",
        "Orders(" + "(" * 2000 + ")",
        "x/" + ":archive" * 250 + "x",
        "x/" * 1000 + "x",
        "a" + "\u0345" * 1000 + "\u0323" * 1000,
        "a:" * 1023 + "a",
    ],
)
def test_the_longest_endpoints_take_no_time(endpoint: str) -> None:
    """What is short enough to be looked at is looked at in linear time, by any pattern."""
    registry = EndpointRegistry(
        declared=(
            *("GET {a}x/{b}x/{c}x/{d:path}x", "GET x/{b}:archive", "Orders({id})", "GET {a:quoted}y"),
            *("GET {a:path}:archive", "{all:path}"),
        )
    )
    begin = time.thread_time()
    with suppress(EndpointNotAllowedError):
        registry.path_for("GET", endpoint)
    assert time.thread_time() - begin < LIMIT
