"""What a success shows of settings that are missing, or find nothing; and words of answers that are none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import DisconnectedError, GenericMirrorDB, InvalidResponseError, ResponseError
from tests.support.raw_server import RawServer, Reply

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.connections import ConfigFor


async def lines_of(
    answering: Answering,
    config_for: ConfigFor,
    caplog: pytest.LogCaptureFixture,
    body: Any,
    **settings: Any,
) -> list[str]:
    """Read a body twice, by a read and a write, and return what the log says of settings."""
    caplog.set_level(logging.INFO)
    backend = await answering(web.json_response(body), web.json_response(body))
    async with GenericMirrorDB(config_for(backend.base_url, **settings)) as client:
        await client.read_function("read", "api/users")
        await client.create_function("create", "api/users", {})
    return [
        f"{record.levelname} {record.getMessage()}" for record in caplog.records if "reporting" in record.name
    ]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"ok": False, "error": "channel_not_found"}, "error"),
        ({"success": False, "errors": [{"code": 1003, "message": "Invalid zone"}], "result": None}, "errors"),
    ],
)
async def test_a_body_that_says_no_is_warned_of_once(
    answering: Answering,
    config_for: ConfigFor,
    caplog: pytest.LogCaptureFixture,
    body: dict[str, Any],
    place: str,
) -> None:
    """Slack, "Using the Slack Web API"; Cloudflare, "Make API calls". Nothing of the body is in the log."""
    (line,) = await lines_of(answering, config_for, caplog, body)
    assert line.startswith("WARNING")
    assert f"'error_path' of the connection makes one of it: {place!r}" in line
    assert "channel_not_found" not in line


@pytest.mark.parametrize(
    "body",
    [
        {"ok": False},
        {"ok": True, "error": "none"},
        {"ok": False, "error": None},
        {"success": False, "errors": []},
        {"ok": 0, "error": "x"},
        {"error": "x"},
        [{"ok": False, "error": "x"}],
        {"data": {"ok": False, "error": "x"}},
    ],
)
async def test_what_may_be_data_is_no_cause_for_a_warning(
    answering: Answering, config_for: ConfigFor, caplog: pytest.LogCaptureFixture, body: Any
) -> None:
    """Only both together, at the top, are a sign."""
    assert await lines_of(answering, config_for, caplog, body) == []


async def test_an_envelope_that_is_not_there_is_told_once(
    answering: Answering, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    """Not every answer has one; a misspelt one is in none."""
    body: dict[str, Any] = {"rows": [], "meta": {}}
    (line,) = await lines_of(answering, config_for, caplog, body, response_envelope="date")
    assert line.startswith("INFO")
    assert "nothing at response_envelope ('date') of the answer, which has rows, meta" in line
    caplog.clear()
    assert await lines_of(answering, config_for, caplog, body, response_envelope="rows") == []


@pytest.mark.parametrize(
    ("location", "settings", "is_slash"),
    [
        ("/api/users/", {}, True),
        ("users/", {}, True),
        ("/v2/other/", {}, False),
        ("/api/users/7/", {}, False),
        ("/v2/other", {"trailing_slash": True}, False),
        ("/api/users", {"trailing_slash": True}, True),
    ],
)
async def test_only_a_redirect_to_the_same_path_is_one_of_a_slash(
    answering: Answering, config_for: ConfigFor, location: str, settings: dict[str, Any], is_slash: bool
) -> None:
    """What moved is elsewhere."""
    backend = await answering(web.Response(status=301, headers={"Location": location}))
    async with GenericMirrorDB(config_for(backend.base_url, **settings)) as client:
        with pytest.raises(ResponseError, match="was not followed") as caught:
            await client.create_function("create", "api/users", {})
    assert ("'trailing_slash'" in caught.value.message) is is_slash
    assert ("change the base URL in Host, or the endpoint" in caught.value.message) is not is_slash


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("Content-Length: 1000", r"15 of 1,000 bytes came|Not enough data"),
        ("Transfer-Encoding: chunked", "Not enough data|broke"),
    ],
)
async def test_an_answer_that_is_cut_off_is_told_without_a_status_that_nobody_sent(
    raw_server: RawServer, config_for: ConfigFor, head: str, words: str
) -> None:
    """The parser calls it 400; the backend said 200."""
    body = b'{"id": 7, "a": ' if "Length" in head else b'f\r\n{"id": 7, "a": \r\n'
    raw_server.replies = [
        Reply(b"HTTP/1.1 200 OK\r\n" + head.encode() + b"\r\n\r\n" + body, then="close")
    ] * 2
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
        with pytest.raises(DisconnectedError, match=words) as read:
            await client.read_function("read", "api/users")
        with pytest.raises(InvalidResponseError, match=words) as written:
            await client.create_function("create", "api/users", {})
    for error in (read.value, written.value):
        assert "400" not in str(error)
        assert "Error:" not in str(error)
