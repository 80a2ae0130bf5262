"""What an answer takes in memory is bounded, also where it takes many times its length once it is decoded."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from airflow_mirrordb.client import GenericMirrorDB, InvalidResponseError, MirrorDBRequest
from airflow_mirrordb.hooks.output import OutputFile
from tests.support.connections import ConfigFor
from tests.support.raw_server import RawServer, Reply
from tests.unit.test_sizes import REAL

MEGABYTE = 2**20
CHEAP = {"empty lists": b"[]", "empty objects": b"{}", "lists in lists": b"[" * 99 + b"]" * 99}


def body_of(name: str, length: int) -> bytes:
    item = CHEAP[name]
    return b"[%b]" % b",".join([item] * (length // (len(item) + 1)))


def answer(body: bytes, status: str = "200 OK") -> Reply:
    return Reply(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


@pytest.mark.parametrize("length", [MEGABYTE, 16 * MEGABYTE])
@pytest.mark.parametrize("name", CHEAP)
async def test_a_body_that_takes_many_times_its_size_is_not_decoded(
    raw_server: RawServer, config_for: ConfigFor, name: str, length: int
) -> None:
    """16 MB of empty lists would take 400 MB; it takes no more than five times its size to refuse them."""
    body = body_of(name, length)
    raw_server.default = answer(body)
    async with GenericMirrorDB(config_for(raw_server.base_url, max_response_bytes=length)) as client:
        tracemalloc.start()
        try:
            with pytest.raises(InvalidResponseError, match="over 20 times max_response_bytes") as dear:
                await client.read_function("read", "api/lists")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 5 * len(body), f"{peak:,} bytes"
    assert f"{len(body):,} bytes" in str(dear.value)
    assert "read less at once, or write it to an output_path" in str(dear.value)
    assert (dear.value.retryable, len(raw_server.requests)) == (False, 1)


@pytest.mark.parametrize("name", REAL)
async def test_what_people_store_is_read_up_to_the_limit(
    raw_server: RawServer, config_for: ConfigFor, name: str
) -> None:
    """Whatever it takes in memory."""
    raw_server.default = answer(REAL[name])
    async with GenericMirrorDB(config_for(raw_server.base_url, max_response_bytes=len(REAL[name]))) as client:
        assert len(await client.read_function("read", "api/records")) > 50


async def test_where_it_may_go_instead(raw_server: RawServer, config_for: ConfigFor, tmp_path: Path) -> None:
    """The advice of the error: to a file, or under a larger limit."""
    body = body_of("empty lists", MEGABYTE)
    raw_server.default = answer(body)
    request, path = MirrorDBRequest(method="GET", endpoint="api/lists"), tmp_path / "lists.json"
    async with GenericMirrorDB(config_for(raw_server.base_url, max_response_bytes=MEGABYTE)) as client:
        await client.request(request, sink=OutputFile(str(path)))
        await client.update_config(max_response_bytes=2 * MEGABYTE)
        assert len((await client.request(request)).data) == MEGABYTE // 3
    assert path.read_bytes() == body


async def test_a_write_that_answers_so_was_applied(raw_server: RawServer, config_for: ConfigFor) -> None:
    """Only its result is lost."""
    raw_server.default = answer(body_of("empty lists", MEGABYTE), "201 Created")
    async with GenericMirrorDB(config_for(raw_server.base_url, max_response_bytes=MEGABYTE)) as client:
        with pytest.raises(InvalidResponseError, match="the write itself was applied"):
            await client.create_function("create", "api/lists", {})
    assert len(raw_server.requests) == 1
