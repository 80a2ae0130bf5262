"""Reads that write their answer to a file: the same on the worker and through the trigger."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_mirrordb.client import (
    InvalidRequestError,
    MirrorDBError,
    MirrorDBRequest,
    NotFoundError,
    OutputError,
    Progress,
    ServerError,
    WaitNeeded,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger, arguments
from tests.integration.test_operators import MODES, first_event, run
from tests.integration.test_streams import contents, has_a_block
from tests.support.backends import ScriptedBackend
from tests.support.clocks import loop_time, until
from tests.support.connections import SetConnection
from tests.support.raw_server import RawServer, Reply

OLD = b"what was there before"
CSV = b"id;name\n" + b"7;Ada\n" * 1_000_000


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(MODES[request.param])


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "out" / "export"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def read(path: object, **arguments: Any) -> MirrorDBReadOperator:
    return MirrorDBReadOperator(task_id="export", endpoint="api/export", output_path=str(path), **arguments)


def test_a_large_answer_is_the_same_file_in_every_mode(
    scripted: ScriptedBackend, set_connection: SetConnection, target: Path, mode: dict[str, Any]
) -> None:
    """Larger than a response, a result or an event may be; the result tells of the file."""
    set_connection(scripted.url, extra={"max_response_bytes": 1_000_000})
    scripted.answer(503)
    scripted.answer(200, CSV, Content_Type="text/csv")
    result = run(read(target, max_event_bytes=500, **mode))
    digest = hashlib.sha256(CSV).hexdigest()
    assert result == {"path": str(target), "records": None, "bytes": len(CSV), "sha256": digest}
    assert contents(target.parent) == {target.name: CSV}
    assert len(scripted.requests) == 2


def test_pages_are_the_same_lines_in_every_mode(
    scripted: ScriptedBackend, set_connection: SetConnection, target: Path, mode: dict[str, Any]
) -> None:
    """The manifest counts the records; response_filter gets it, on the worker."""
    set_connection(scripted.url)
    records = [{"id": number, "name": "Zoë"} for number in range(7)]
    for page in (records[:4], records[4:], []):
        scripted.answer(200, page)
    paginate = {"style": "page", "param": "page"}
    result = run(
        read(
            target,
            paginate=paginate,
            response_filter=lambda made: made["records"],
            max_event_bytes=500,
            **mode,
        )
    )
    assert result == 7
    assert [json.loads(line) for line in target.read_bytes().splitlines()] == records


@pytest.mark.parametrize(
    ("answers", "place", "cause", "retryable"),
    [
        ([(404, {"detail": "gone"})], "{target}", NotFoundError, False),
        ([(500, None)] * 5, "{target}", ServerError, True),
        ([(200, {})], "{target}/below", OutputError, False),
        ([], "nosuch://bucket/export", InvalidRequestError, False),
    ],
)
def test_failures_are_the_same_in_every_mode(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    target: Path,
    mode: dict[str, Any],
    answers: list[tuple[int, Any]],
    place: str,
    cause: type[MirrorDBError],
    retryable: bool,
) -> None:
    """The error is that of the backend or the store, and the file is the old one, and alone."""
    set_connection(scripted.url)
    for status, body in answers:
        scripted.answer(status, body)
    with pytest.raises(MirrorDBError if retryable else AirflowFailException) as raised:
        run(read(place.format(target=target), **mode))
    error = raised.value if retryable else raised.value.__cause__
    assert type(error) is cause
    assert len(scripted.requests) == len(answers)
    assert contents(target.parent) == {target.name: OLD}


async def test_what_the_worker_began_the_trigger_begins_anew(
    raw_server: RawServer, set_connection: SetConnection, target: Path
) -> None:
    """Half a body that came within worker_timeout is removed by the worker, and not built upon."""
    set_connection(raw_server.base_url)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n" + bytes(600_000)
    raw_server.replies = [Reply(whole[:400_000], "silence")]
    raw_server.default = Reply(whole)
    request = MirrorDBRequest(method="GET", endpoint="api/export")

    def worker() -> Progress:
        with MirrorDBHook() as hook, pytest.raises(WaitNeeded) as late:
            hook.request(request, cut_off=20, output_path=str(target))
        return late.value.progress

    working = asyncio.create_task(asyncio.to_thread(worker))
    await until(lambda: has_a_block(target.parent))
    loop_time.advance(20)
    progress = await working
    assert contents(target.parent) == {target.name: OLD}
    trigger = MirrorDBTrigger(**arguments(request, progress), output_path=str(target))
    event = read_event(await first_event(trigger))
    assert (event["data"]["bytes"], event["attempts"]) == (600_000, 2)
    assert contents(target.parent) == {target.name: bytes(600_000)}


async def test_a_trigger_that_is_cancelled_leaves_nothing(
    raw_server: RawServer, set_connection: SetConnection, target: Path
) -> None:
    """As when its task is cleared, or the triggerer shuts down."""
    set_connection(raw_server.base_url)
    raw_server.default = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234", "silence")
    request = {"method": "GET", "endpoint": "api/export"}
    task = asyncio.create_task(first_event(MirrorDBTrigger(request=request, output_path=str(target))))
    await until(lambda: len(contents(target.parent)) > 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert contents(target.parent) == {target.name: OLD}


def test_the_hook_writes_a_file(
    scripted: ScriptedBackend, set_connection: SetConnection, target: Path
) -> None:
    """For plain tasks; the client of an async task takes a sink."""
    set_connection(scripted.url)
    scripted.answer(200, b"[1, 2]")
    with MirrorDBHook() as hook:
        manifest = hook.read("api/export", output_path=str(target))
    assert (manifest["bytes"], target.read_bytes()) == (6, b"[1, 2]")


def test_output_path_is_templated(
    scripted: ScriptedBackend, set_connection: SetConnection, tmp_path: Path
) -> None:
    """A file a day, in a folder that nobody made before."""
    set_connection(scripted.url)
    scripted.answer(200, b"{}")
    operator = read(f"file://{tmp_path}/{{{{ ds }}}}/export.json")
    operator.render_template_fields({"ds": "2026-01-01"})
    assert run(operator)["path"] == f"file://{tmp_path}/2026-01-01/export.json"
    assert contents(tmp_path / "2026-01-01") == {"export.json": b"{}"}
