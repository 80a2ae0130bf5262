"""A watcher whose backend's entity tags are not what RFC 9110 says; the body decides then."""

from __future__ import annotations

import json
import logging

import pytest
from aiohttp import web
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if not AIRFLOW_V_3_0_PLUS:
    pytest.skip("event triggers came with Airflow 3.0", allow_module_level=True)

from airflow_mirrordb.task.serialization import from_text
from tests.support.connections import SetConnection
from tests.support.raw_server import RawServer, Reply
from tests.support.watching import (
    ADA,
    BOB,
    INTERVAL,
    Supervisor,
    Watching,
    changed,
    found,
    since_airflow_3_3,
    trigger,
    watcher_of,
)


def answers_with(tag: bytes, *bodies: bytes) -> list[Reply]:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: %b\r\n\r\n"
    return [Reply(head % (len(body), tag) + body) for body in bodies]


@pytest.mark.parametrize("tag", [b'"\xe91"', b'"a\tb"', b"unquoted", b"W/", b'"1", "2"'])
async def test_tag_that_cannot_be_sent_back_is_none(
    watching: Watching,
    raw_server: RawServer,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    tag: bytes,
) -> None:
    """Each change is an event, no request has the tag, and one line of the log tells why.

    The grammar of RFC 9110, section 8.8.3 says what a tag is; the first one is no UTF-8.
    """
    raw_server.replies = answers_with(tag, b"1", b"1", b"2", b"3")
    set_connection(raw_server.base_url)
    watching.is_over = lambda: not raw_server.replies

    assert await watching.events_of(trigger()) == [changed(), changed()]
    assert watching.clock.slept == [INTERVAL] * 4
    assert not any(b"if-none-match" in request.lower() for request in raw_server.requests)
    assert caplog.text.count("is no entity tag") == 1
    assert [record.levelno for record in caplog.records if record.levelno > logging.INFO] == [logging.WARNING]


@pytest.mark.parametrize("tag", [b'"%b-1"', b'W/"%b"', b"%b", b'"\xe9%b"'])
async def test_a_tag_that_holds_the_key_is_none(
    watching: Watching,
    raw_server: RawServer,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    tag: bytes,
) -> None:
    """A backend may repeat what it was sent; Airflow stores events in clear text, and anybody reads logs."""
    key = "CANARY-s3cr3t-0123456789"
    raw_server.replies = answers_with(tag % key.encode(), b"1", b"1", b"2")
    set_connection(raw_server.base_url, password=key)
    watching.is_over = lambda: not raw_server.replies

    watcher = trigger()
    assert await watching.events_of(watcher) == [changed()]
    assert key not in caplog.text + repr(watcher._kept)
    assert "***" in caplog.text
    assert not any(b"if-none-match" in request.lower() for request in raw_server.requests)


@since_airflow_3_3
async def test_tag_that_cannot_be_sent_back_is_not_kept(
    watching: Watching,
    supervisor: Supervisor,
    raw_server: RawServer,
    set_connection: SetConnection,
) -> None:
    """What is kept with the asset is sent to Airflow, which takes no half of a surrogate pair."""
    raw_server.replies = answers_with(b'"\xe91"', b"1")
    set_connection(raw_server.base_url)
    watching.is_over = lambda: not raw_server.replies

    await watching.events_of(watcher_of("users"))

    (kept,) = supervisor.kept.values()
    assert from_text(json.loads(kept))["etag"] is None


@pytest.mark.parametrize("status", [400, 412])
async def test_backend_that_refuses_its_own_tag_is_asked_without(
    watching: Watching,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    """It is asked again at once, and never with a tag from then on; the change is seen all the same.

    A GET with If-None-Match has nothing that calls for a 412 (RFC 9110, section 13.1.2), but some send it.
    """
    answers = [
        found(ADA, '"1"'),
        web.Response(status=status),
        found(BOB, '"2"'),
        found(BOB, '"2"'),
        found(ADA, '"3"'),
    ]

    assert await watching.events(answers) == [changed(etag='"2"'), changed(etag='"3"')]
    assert watching.backend is not None
    sent = [request.headers.get("If-None-Match") for request in watching.backend.requests]
    assert sent == [None, '"1"', None, None, None]
    assert watching.clock.slept == [INTERVAL] * 4
    assert caplog.text.count(f"answered {status} to a request with its entity tag") == 1


async def test_refusal_that_has_nothing_to_do_with_the_tag_is_a_failure(watching: Watching) -> None:
    """A 400 that stays when the tag is gone is one failed look, as any other."""
    refused = [web.Response(status=400) for _ in range(2)]

    assert await watching.events([found(ADA, '"1"'), *refused, found(BOB, '"2"')]) == [changed(etag='"2"')]
    assert watching.clock.slept == [INTERVAL] * 3
