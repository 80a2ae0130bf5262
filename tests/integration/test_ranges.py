"""Answers that are a part of what was asked for (RFC 9110, sections 14 and 15.3.7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, InvalidResponseError, MirrorDBRequest
from airflow_mirrordb.hooks.output import OutputFile
from tests.support.backends import Answering
from tests.support.connections import ConfigFor

OLD = b"what was there before"
PARTS = {
    "the beginning": {"Content-Range": "bytes 0-9/100000"},
    "of unknown length": {"Content-Range": "bytes 0-9/*"},
    "in capital letters": {"Content-Range": "Bytes 0-9/100000"},
    "the end": {"Content-Range": "bytes 90-99/100"},
    "several": {"Content-Type": "multipart/byteranges; boundary=x"},
}


def part(**headers: str) -> web.Response:
    return web.Response(body=b"0123456789", status=206, headers=headers)


def get(**options: Any) -> MirrorDBRequest:
    return MirrorDBRequest(method="GET", endpoint="api/export", **options)


def contents(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("to_file", [True, False])
async def test_a_range_of_bytes_that_nobody_asked_for_is_no_answer(
    answering: Answering, config_for: ConfigFor, tmp_path: Path, name: str, *, to_file: bool
) -> None:
    """206 answers a Range (RFC 9110, section 15.3.7). Ten bytes are JSON, or a file, as good as any."""
    backend = await answering(part(**PARTS[name]))
    target = tmp_path / "export.bin"
    target.write_bytes(OLD)
    sink = OutputFile(str(target)) if to_file else None
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(
            InvalidResponseError, match=r"206, but .* part.* no Range was asked for"
        ) as caught:
            await client.request(get(), sink=sink)
    assert not caught.value.retryable
    assert {path.name: path.read_bytes() for path in contents(tmp_path)} == {"export.bin": OLD}


async def test_a_part_of_a_page_is_no_page(answering: Answering, config_for: ConfigFor) -> None:
    """Its records would be all that there are."""
    answer = web.json_response([{"id": 1}], status=206, headers={"Content-Range": "bytes 0-9/100000"})
    backend = await answering(answer)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="Content-Range: bytes 0-9/100000"):
            await client.read_function("m", "api/users", paginate={"style": "page", "param": "page"})


@pytest.mark.parametrize("where", ["request", "connection"])
async def test_a_range_that_was_asked_for_comes(
    answering: Answering, config_for: ConfigFor, tmp_path: Path, where: str
) -> None:
    """Who names it wants that part."""
    backend = await answering(part(**PARTS["the beginning"]))
    headers = {"Range": "bytes=0-9"}
    extra, options = ({"headers": headers}, {}) if where == "connection" else ({}, {"headers": headers})
    target = tmp_path / "export.bin"
    async with GenericMirrorDB(config_for(backend.base_url, **extra)) as client:
        response = await client.request(get(**options), sink=OutputFile(str(target)))
    assert (response.status, target.read_bytes()) == (206, b"0123456789")


@pytest.mark.parametrize("content_range", ["items 0-1/9", "0-1/9", "bytes 0-14/15", ""])
async def test_other_ranges_are_answers(
    answering: Answering, config_for: ConfigFor, content_range: str
) -> None:
    """Some backends page lists so (PostgREST, "Limits and Pagination"), and all bytes are no part."""
    headers = {"Content-Range": content_range} if content_range else {}
    backend = await answering(web.json_response([1, 2], status=206, headers=headers))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert await client.read_function("m", "api/users") == [1, 2]


async def test_a_write_that_is_answered_so_was_applied(answering: Answering, config_for: ConfigFor) -> None:
    """A Range is of reads alone (RFC 9110, section 14.2): what the answer of a write lacks is no reason."""
    backend = await answering(web.json_response({"id": 7}, status=206, headers=PARTS["the beginning"]))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert await client.create_function("m", "api/users", {}) == {"id": 7}
