"""Storages that do not answer: they are named, not the backend, and hold up no task for ever."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_mirrordb.client import GenericMirrorDB, InputError, MirrorDBRequest, OutputError
from airflow_mirrordb.client.calls.call import Attempt
from airflow_mirrordb.hooks.input import InputFile
from airflow_mirrordb.hooks.output import PART, OutputFile
from tests.integration.test_output_stores import KEY, OLD, PATH, attach
from tests.support.clocks import TIMEOUT, loop_time, until
from tests.support.connections import ConfigFor
from tests.support.object_stores import ObjectStore
from tests.support.raw_server import RawServer, Reply, json_answer


class Hanging:
    """A store, one of whose calls hangs until the test ends, or lets it go on."""

    def __init__(self) -> None:
        self.store = ObjectStore({KEY: OLD})
        self.call = ""
        self.hangs, self.go_on = threading.Event(), threading.Event()
        self.store.before = self._hold_up
        attach(self.store)

    def _hold_up(self, call: str, _key: str) -> None:
        if call == self.call:
            self.hangs.set()
            self.go_on.wait(60)


@pytest.fixture
def hanging_store() -> Iterator[Hanging]:
    store = Hanging()
    yield store
    store.go_on.set()


async def run_out(task: asyncio.Task[Any], seconds: float) -> None:
    """Let time pass until a task is done."""
    while not task.done():
        loop_time.advance(seconds)
        await asyncio.sleep(0)


@pytest.mark.parametrize("call", ["info", "read"])
async def test_a_storage_that_does_not_answer_is_named(
    raw_server: RawServer, config_for: ConfigFor, hanging_store: Hanging, call: str
) -> None:
    """Nothing was sent, so nothing is ambiguous, and the backend is not observed."""
    hanging_store.call = call
    observed: list[Attempt] = []
    config = config_for(raw_server.base_url, max_attempts=2)
    async with GenericMirrorDB(config, open_source=InputFile, observe=observed.append) as client:
        sending = asyncio.create_task(client.create_function("m", "api/files", input_path=PATH))
        await until(hanging_store.hangs.is_set)
        await run_out(sending, TIMEOUT)
        with pytest.raises(InputError) as caught:
            await sending
    error = caught.value
    assert f"input_path: cannot read '{PATH}': its storage did not answer within 30 s" in str(error)
    assert (error.attempts, error.retryable, error.maybe_applied) == (2, True, False)
    assert (raw_server.connections, observed) == (0, [])


@pytest.mark.parametrize(("call", "size"), [("begin", 2 * PART), ("complete", 0)])
async def test_a_storage_that_takes_no_answer_is_named(
    raw_server: RawServer,
    config_for: ConfigFor,
    hanging_store: Hanging,
    caplog: pytest.LogCaptureFixture,
    call: str,
    size: int,
) -> None:
    """While it is written, or at its end. The log tells what is waited for, and what cannot be stopped."""
    caplog.set_level(logging.INFO)
    hanging_store.call = call
    raw_server.default = Reply(json_answer(f'"{"a" * size}"'))
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
        request = MirrorDBRequest(method="GET", endpoint="api/export")
        reading = asyncio.create_task(client.request(request, sink=OutputFile(PATH)))
        await until(hanging_store.hangs.is_set)
        await run_out(reading, 1.0)
        with pytest.raises(
            OutputError, match=f"cannot write to {PATH}: its storage did not answer"
        ) as caught:
            await reading
    assert (caught.value.retryable, hanging_store.store.objects) == (True, {KEY: OLD})
    assert "waiting for its storage, up to 60 s" in caplog.text
    assert (
        "its storage is still at work, which cannot be stopped: what was begun may be left over"
        in caplog.text
    )
