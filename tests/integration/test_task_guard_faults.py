"""Writes of a running task that are refused, given up, or made while Airflow's state store has troubles."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    BulkError,
    ConflictError,
    GenericMirrorDB,
    InvalidDataError,
    MirrorDBError,
    RateLimitError,
)
from airflow_mirrordb.client.collections.record_names import NAME_LENGTH
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.task_writes.marks import WriteMarks
from tests.integration.test_task_guard import KEYED, create, created
from tests.support.backends import ScriptedBackend
from tests.support.clocks import turns
from tests.support.connections import SetConnection
from tests.support.task_tries import StateStore, TaskTries


@pytest.mark.parametrize("extra", [KEYED, {}])
def test_a_refused_write_that_the_task_repeats_is_one_write(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries, extra: dict[str, Any]
) -> None:
    """The next try knows it as the first of its kind, whichever of the two was applied."""
    set_connection(scripted.url, extra={**extra, "max_attempts": 1})
    scripted.answer(429)
    created(scripted, 2)
    with task_tries.next():
        with pytest.raises(RateLimitError):
            create(["Ada"])
        create(["Ada"])
    with task_tries.next():
        if extra:
            create(["Ada"])
        else:
            with pytest.raises(AmbiguousWriteError):
                create(["Ada"])
    assert len({headers.get("Idempotency-Key") for headers in scripted.headers}) == 1
    assert len(scripted.requests) == (3 if extra else 2)


@pytest.mark.parametrize("setting", ["headers", "api_key"])
@pytest.mark.parametrize("extra", [KEYED, {}])
async def test_equal_writes_for_other_tenants_are_other_writes(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    task_tries: TaskTries,
    setting: str,
    extra: dict[str, Any],
) -> None:
    """They cannot stand for each other, in whatever order the next try makes them."""
    set_connection(scripted.url, extra=extra)
    created(scripted, 3)

    async def write(*tenants: str) -> None:
        async with MirrorDBHook() as client:
            for tenant in tenants:
                value = {"X-Tenant": tenant} if setting == "headers" else tenant
                await client.update_config(**{setting: value})
                await client.create_function(None, "api/users", {"name": "Ada"})

    with task_tries.next():
        await write("acme")
    with task_tries.next():
        await write("globex")
        if extra:
            await write("acme")
        else:
            with pytest.raises(AmbiguousWriteError):
                await write("acme")
    keys = [headers.get("Idempotency-Key") for headers in scripted.headers]
    assert keys == ([keys[0], keys[1], keys[0]] if extra else [None, None])
    assert not extra or keys[0] != keys[1]


def test_a_retry_waits_for_the_try_before_that_the_backend_is_still_busy_with(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    """A 409 says that the request with this key is being processed (section 2.7 of the draft)."""
    set_connection(scripted.url, extra=KEYED)
    created(scripted, 1)
    with task_tries.next():
        create(["Ada"])
    scripted.answer(409)
    created(scripted, 1)
    with task_tries.next():
        create(["Ada"])
    assert len(scripted.requests) == 3
    scripted.answer(409)
    with TaskTries(task_tries.run_id + " of another").next(), pytest.raises(ConflictError) as caught:
        create(["Ada"])  # a first try has nothing to wait for
    assert not caught.value.retryable


def test_a_delete_of_a_retry_that_no_try_before_made_meets_its_own_conflict(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    """The marks say that nothing was sent before; so a 409 tells of the resource, and hides no success."""
    set_connection(scripted.url)
    with task_tries.next():
        pass
    scripted.answer(409, {"detail": "it has open orders"})
    with task_tries.next(), MirrorDBHook() as hook, pytest.raises(ConflictError, match="open orders"):
        hook.delete("api/users/1")


def test_a_header_that_the_connection_gets_between_two_tries_hides_no_mark(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    """The backend knows no key of the first write, so that it would take the second for another one."""
    set_connection(scripted.url)
    created(scripted, 2)
    with task_tries.next():
        create(["Ada"])
    set_connection(scripted.url, extra=KEYED)
    with task_tries.next():
        with pytest.raises(AmbiguousWriteError):
            create(["Ada"])
        create(["Grace"])
    assert len(scripted.requests) == 2


async def test_what_never_had_its_turn_is_made_by_the_next_try(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    task_tries: TaskTries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task ends while its writes wait in the line: they are not marked."""
    set_connection(scripted.url, extra={"max_concurrency": 1})
    is_asked, may_answer = Event(), Event()

    def refuse(_path: str, _sent: bytes) -> tuple[int, Any, Mapping[str, str]]:
        is_asked.set()
        assert may_answer.wait(60)
        return 422, None, {}

    def begin(client: GenericMirrorDB, *names: str) -> list[asyncio.Future[Any]]:
        return [
            asyncio.ensure_future(client.create_function(None, "api/users", {"name": name})) for name in names
        ]

    with task_tries.next(), monkeypatch.context() as patch:
        patch.setattr(scripted, "next_answer", refuse)
        async with MirrorDBHook() as client:
            sent, *waiting = begin(client, "Ada", "Grace", "Edsger")
            await asyncio.to_thread(is_asked.wait)
            for write in waiting:
                write.cancel()
            await asyncio.wait(waiting)
            may_answer.set()
            with pytest.raises(InvalidDataError):
                await sent
    created(scripted, 2)
    with task_tries.next():
        async with MirrorDBHook() as client:
            assert await asyncio.gather(*begin(client, "Grace", "Edsger")) == [{}, {}]
    assert len(scripted.requests) == 3


class BlockedStore(StateStore):
    """A store that answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_answer = Event(), Event()

    def set(self, key: str, value: Any) -> None:
        self.is_asked.set()
        assert self.may_answer.wait(60)
        super().set(key, value)


async def test_writes_that_leave_together_share_a_message() -> None:
    """One to the supervisor for each of a thousand records would take longer than the bulk."""
    store = BlockedStore()
    marks = WriteMarks(store, epoch=1)
    names = [str(number) * NAME_LENGTH for number in range(10)]
    first = asyncio.ensure_future(marks.store(names[0]))
    await asyncio.to_thread(store.is_asked.wait)
    others = [asyncio.ensure_future(marks.store(name)) for name in names[1:]]
    await turns()
    store.may_answer.set()
    await asyncio.gather(first, *others)
    assert store.messages == 2
    next_try = WriteMarks(store, epoch=1)
    assert all([await next_try.of_earlier_try(name) for name in names])


async def test_a_client_that_is_ended_sends_nothing_that_waits_for_its_mark(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    """What was given up is not sent any further; so the next try may make it."""
    set_connection(scripted.url)
    store = task_tries.store = BlockedStore()
    with task_tries.next():
        async with MirrorDBHook() as client:
            write = asyncio.ensure_future(client.create_function(None, "api/users", {"name": "Ada"}))
            await asyncio.to_thread(store.is_asked.wait)
            end = asyncio.ensure_future(client.disconnect())
            await asyncio.sleep(0)
            store.may_answer.set()
            await end
            with pytest.raises(MirrorDBError):
                await write
    assert scripted.requests == []
    created(scripted, 1)
    with task_tries.next():
        async with MirrorDBHook() as client:
            await client.create_function(None, "api/users", {"name": "Ada"})
    assert len(scripted.requests) == 1


async def test_marks_need_no_thread_of_the_tasks_own(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    """All of these may wait for a write."""
    set_connection(scripted.url)
    created(scripted, 1)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    with task_tries.next():
        async with MirrorDBHook() as client:
            write = client.create_function(None, "api/users", {"name": "Ada"})
            waiting = asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(write, loop).result(60))
            assert await waiting == {}


class FailingStore(StateStore):
    """A store that fails where it is told to, by the number of what is set."""

    def __init__(self, *fails: int) -> None:
        super().__init__()
        self._fails, self._number = fails, 0

    def set(self, key: str, value: Any) -> None:
        self._number += 1
        if self._number in self._fails:
            raise RuntimeError("the API server is gone")
        super().set(key, value)


def test_a_write_that_cannot_be_marked_is_not_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    """The error says so, a bulk counts it, and the next try makes it."""
    set_connection(scripted.url, extra={"max_attempts": 1})
    task_tries.store = FailingStore(1, 2)  # the second is of the mark that is taken back
    created(scripted, 1)
    with task_tries.next():
        with pytest.raises(MirrorDBError, match=r"not sent: .*state store.*API server is gone") as caught:
            create(["Ada"])
        create(["Grace"])
    assert (caught.value.retryable, caught.value.maybe_applied) == (True, False)
    created(scripted, 1)
    with task_tries.next():
        create(["Ada"])
    task_tries.store = FailingStore(2)
    created(scripted, 2)
    items = [{"data": {"n": number}} for number in range(3)]
    with task_tries.next(), MirrorDBHook() as hook, pytest.raises(BulkError) as of_bulk:
        hook.bulk("create", items, endpoint="api/users", on_error="continue", concurrency=1)
    assert (of_bulk.value.report["done"], of_bulk.value.report["failed"]) == (2, 1)


def test_a_mark_that_cannot_be_taken_back_hides_no_error(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    task_tries: TaskTries,
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_connection(scripted.url)
    task_tries.store = FailingStore(2)
    scripted.answer(422)
    with task_tries.next(), pytest.raises(InvalidDataError):
        create(["A"])
    assert "was not applied stays: RuntimeError: the API server is gone" in caplog.text


@pytest.mark.parametrize("row", ["text", 5, ["x"], {"epoch": 2}, {"epoch": 2, "begun": None, "applied": ""}])
def test_what_is_no_row_of_marks_is_told_by_its_name(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries, row: Any
) -> None:
    set_connection(scripted.url, extra={"max_attempts": 1})
    task_tries.store["mirrordb_writes_0"] = row
    with task_tries.next(), pytest.raises(MirrorDBError, match="'mirrordb_writes_0' is not what"):
        create(["Ada"])
    assert scripted.requests == []
