"""Hooks and clients in a running task: its retry makes all writes again, and none of them counts twice.

What a key has to do: draft-ietf-httpapi-idempotency-key-header, sections 2.1 and 2.6.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    BulkError,
    InvalidDataError,
    JobFailedError,
    NotFoundError,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.task_writes import guard, marks
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.integration.test_forking import in_child
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection
from tests.support.task_tries import TaskTries

KEYED = {"idempotency_header": "Idempotency-Key"}


Keys = Callable[[], list[str]]


@pytest.fixture
def keys_of(scripted: ScriptedBackend) -> Keys:
    return keys_since(scripted)


def keys_since(scripted: ScriptedBackend) -> Keys:
    """Return what returns the keys that came since the last time."""

    def keys() -> list[str]:
        found = [headers["Idempotency-Key"] for headers in scripted.headers]
        scripted.headers.clear()
        return found

    return keys


def created(scripted: ScriptedBackend, number: int) -> None:
    for _ in range(number):
        scripted.answer(201, {})


def create(names: Iterable[str], **options: Any) -> None:
    with MirrorDBHook() as hook:
        for name in names:
            hook.create("api/users", {"name": name}, **options)


def test_each_try_has_the_same_keys_and_equal_writes_of_one_try_have_others(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries, keys_of: Keys
) -> None:
    set_connection(scripted.url, extra=KEYED)
    found: list[list[str]] = []
    for number in range(3):
        created(scripted, 3)
        with task_tries.next():
            create(["Ada", "Ada", "Grace"])
        found.append(keys_of())
        if number == 1:
            task_tries.clear()
    first, retried, cleared = found
    assert first == retried
    assert len(set(first)) == 3
    assert not set(first) & set(cleared)


def test_the_order_of_writes_and_who_makes_them_does_not_matter(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries, keys_of: Keys
) -> None:
    """Hooks, threads and coroutines of a task count together."""
    set_connection(scripted.url, extra=KEYED)
    names = ["Ada", "Grace", "Ada", "Ada"]

    async def gather() -> None:
        async with MirrorDBHook() as client:
            writes = (client.create_function(None, "api/users", {"name": name}) for name in names)
            await asyncio.gather(*writes)

    def in_threads() -> None:
        with MirrorDBHook() as hook, ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda name: hook.create("api/users", {"name": name}), reversed(names)))

    def by_hooks() -> None:
        for name in sorted(names):
            create([name])

    def by_bulk() -> None:
        with MirrorDBHook() as hook:
            hook.bulk("create", [{"data": {"name": name}} for name in names], endpoint="api/users")

    found: list[set[str]] = []
    makers: list[Callable[[], None]] = [lambda: asyncio.run(gather()), in_threads, by_hooks, by_bulk]
    for make in makers:
        created(scripted, 4)
        with task_tries.next():
            make()
        found.append(set(keys_of()))
    assert len(found[0]) == 4
    assert found == [found[0]] * 4


def test_what_a_write_says_is_in_its_key(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries, keys_of: Keys
) -> None:
    """A key is not to be used again with another payload (section 2.2); a request id is no part of it."""
    set_connection(scripted.url, extra=KEYED)
    writes: list[Callable[[MirrorDBHook], Any]] = [
        lambda hook: hook.create("api/users", {"a": 1, "b": 2}),
        lambda hook: hook.create("api/users", {"a": 1, "b": 3}),
        lambda hook: hook.create("api/users", {"a": 1, "b": 2}, query={"dry": 1}),
        lambda hook: hook.create("api/users", {"a": 1, "b": 2}, headers={"X-Tenant": "one"}),
        lambda hook: hook.create("api/teams", {"a": 1, "b": 2}),
        lambda hook: hook.update("api/users/1", {"a": 1, "b": 2}, partial=True),
        lambda hook: hook.create("api/users", form={"a": "1"}),
        lambda hook: hook.create("api/users", {"a": 1}, idempotency_key="mine"),
    ]
    created(scripted, len(writes))
    with task_tries.next(), MirrorDBHook() as hook:
        for write in writes:
            write(hook)
    first = keys_of()
    created(scripted, 1)
    with task_tries.next(), MirrorDBHook() as hook:
        hook.create("api/users", {"b": 2, "a": 1}, headers={"X-Request-Id": "7"})
    assert len(set(first)) == len(writes)
    assert first[-1] == "mine"
    assert keys_of() == first[:1]


def test_no_two_writes_have_one_key_outside_of_a_task_and_in_its_forks(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries, keys_of: Keys
) -> None:
    """Two forks that make equal writes want two records; nothing tells which of them is which in a retry."""
    set_connection(scripted.url, extra=KEYED)
    created(scripted, 6)
    create(["Ada", "Ada"])
    with task_tries.next():
        create(["Ada"])
        in_child(lambda: create(["Ada"]))
        in_child(lambda: create(["Ada"]))
        create(["Ada"])
    found = keys_of()
    assert len(set(found)) == 6
    assert task_tries.store.messages == 0


@pytest.mark.parametrize(
    "said",
    [
        {"ti": {"_ti_context_from_server": SimpleNamespace(next_method="execute_complete")}},
        {"ti": {"next_method": "execute_complete"}},  # Airflow 2
        {"task_reschedule_count": 1},
        {"task": MirrorDBSensor(task_id="ask", endpoint="api/users")},
    ],
    ids=["deferred", "deferred in Airflow 2", "rescheduled", "sensor"],
)
def test_no_two_writes_have_one_key_where_a_try_goes_on(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    task_tries: TaskTries,
    keys_of: Keys,
    said: dict[str, Any],
) -> None:
    """What the same try did before, in another process, is not known; a sensor asks the same again."""
    set_connection(scripted.url, extra=KEYED)
    created(scripted, 2)
    for _ in range(2):
        with TaskTries(task_tries.run_id).next(**said):
            create(["Ada"])
        in_another_process()
    assert len(set(keys_of())) == 2
    set_connection(scripted.url)
    created(scripted, 1)
    with task_tries.next(**said):
        create(["Ada"])
    assert task_tries.store.messages == 0


def in_another_process() -> None:
    """Know nothing of what was done up to now, as the next process of a task."""
    guard._tries.clear()


def test_a_write_that_may_not_be_repeated_is_not_sent_by_the_next_try(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    """Of two equal ones in the next try, one was sent before; the other one is new."""
    set_connection(scripted.url)
    created(scripted, 2)
    with task_tries.next():
        create(["Ada"])
    with task_tries.next():
        with pytest.raises(AmbiguousWriteError, match="earlier try of this task") as caught:
            create(["Ada"])
        create(["Ada"])
    assert (caught.value.retryable, caught.value.endpoint) == (False, "api/users")
    assert caught.value.conn_id == "mirrordb_default"
    assert len(scripted.requests) == 2
    task_tries.clear()
    created(scripted, 1)
    with task_tries.next():
        create(["Ada"])
    assert len(scripted.requests) == 3


def test_the_next_try_is_told_what_is_known(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    """A success that was seen is told as one where a later write brought it into the store."""
    set_connection(scripted.url)
    created(scripted, 2)
    with task_tries.next():
        create(["Ada", "Grace"])
    with task_tries.next():
        with pytest.raises(AmbiguousWriteError, match="has applied this write"):
            create(["Ada"])
        with pytest.raises(AmbiguousWriteError, match="may or may not have been applied"):
            create(["Grace"])


@pytest.mark.parametrize("by_hook", [True, False])
def test_once_false_sends_it_in_each_try(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries, *, by_hook: bool
) -> None:
    set_connection(scripted.url)
    created(scripted, 2)
    for _ in range(2):
        with task_tries.next(), MirrorDBHook(once=not by_hook) as hook:
            hook.create("api/users", {"name": "Ada"}, once=by_hook)
    assert len(scripted.requests) == 2
    assert task_tries.store.messages == 0


def test_a_write_that_was_not_applied_is_sent_again(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    set_connection(scripted.url)
    scripted.answer(422, {"detail": "name: too short"})
    with task_tries.next(), pytest.raises(InvalidDataError):
        create(["A"])
    created(scripted, 1)
    with task_tries.next():
        create(["A"])
    assert len(scripted.requests) == 2


def test_a_delete_may_meet_the_404_of_its_own_success(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    """The 404 of the second try is a success; that of a resource which the first did not delete is none."""
    set_connection(scripted.url)
    scripted.answer(204)
    with task_tries.next(), MirrorDBHook() as hook:
        hook.delete("api/users/1")
    scripted.answer(404)
    scripted.answer(404)
    with task_tries.next(), MirrorDBHook() as hook:
        assert hook.delete("api/users/1") is None
        with pytest.raises(NotFoundError):
            hook.delete("api/users/2")


def test_a_store_is_asked_only_for_writes_that_may_not_be_repeated(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    set_connection(scripted.url, extra=KEYED)
    for status in (201, 200, 200, 204):
        scripted.answer(status, {} if status < 204 else None)
    with task_tries.next(), MirrorDBHook() as hook:
        hook.create("api/users", {})
        hook.read("api/users")
        hook.update("api/users/1", {})
        hook.delete("api/users/1", missing_ok=True)
    assert task_tries.store.messages == 0


def test_the_retry_of_a_bulk_sends_none_twice(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    task_tries: TaskTries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Records may be equal, and their marks fill more than one row of the store."""
    set_connection(scripted.url)
    monkeypatch.setattr(marks, "ROW", 50)
    monkeypatch.setattr(scripted, "next_answer", lambda *_: (201, {}, {}))
    items = [{"data": {"n": number % 100}} for number in range(200)]
    with task_tries.next(), MirrorDBHook() as hook:
        hook.bulk("create", items[:150], endpoint="api/users")
    first = Counter(scripted.bodies)
    assert len(scripted.requests) == 150
    with task_tries.next(), MirrorDBHook() as hook, pytest.raises(BulkError) as caught:
        hook.bulk("create", items, endpoint="api/users", on_error="continue")
    assert (caught.value.report["ambiguous"], caught.value.report["done"]) == (150, 50)
    assert set((Counter(scripted.bodies) - first).values()) == {1}
    assert set(Counter(scripted.bodies).values()) == {2}


@pytest.mark.parametrize("extra", [KEYED, {}])
def test_a_job_that_failed_is_followed_by_another_in_the_next_try(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    task_tries: TaskTries,
    monkeypatch: pytest.MonkeyPatch,
    extra: dict[str, Any],
) -> None:
    """A backend that knows the key answers the second submit with the job of the first, which is over."""
    set_connection(scripted.url, extra=extra)
    jobs: dict[str, int] = {}
    states = ["failed", "done"]

    def answer(path: str, _sent: bytes) -> tuple[int, Any, Mapping[str, str]]:
        if path == "/api/jobs":
            key = scripted.headers[-1].get("Idempotency-Key") or str(len(jobs))
            return 202, {"id": jobs.setdefault(key, len(jobs))}, {}
        return 200, {"state": states[int(path.rsplit("/", 1)[1])]}, {}

    monkeypatch.setattr(scripted, "next_answer", answer)

    def run() -> Any:
        with task_tries.next(), MirrorDBHook() as hook:
            return hook.run_job(
                "api/jobs",
                {},
                job="api/jobs/{id}",
                state="state",
                succeeded=["done"],
                failed=["failed"],
                poll_interval=0.01,
            )

    with pytest.raises(JobFailedError):
        run()
    assert run() == {"state": "done"}
    assert len(jobs) == 2


def test_a_job_that_may_run_is_not_submitted_again(
    scripted: ScriptedBackend, set_connection: SetConnection, task_tries: TaskTries
) -> None:
    set_connection(scripted.url)
    scripted.answer(202, {"id": 1})
    scripted.answer(403, {})
    arguments: dict[str, Any] = {"job": "api/jobs/{id}", "state": "state", "succeeded": ["done"]}
    with task_tries.next(), MirrorDBHook() as hook, pytest.raises(Exception, match="403"):
        hook.run_job("api/jobs", {}, **arguments)
    with task_tries.next(), MirrorDBHook() as hook, pytest.raises(AmbiguousWriteError):
        hook.run_job("api/jobs", {}, **arguments)
    assert [line for line in scripted.requests if line.startswith("POST")] == ["POST /api/jobs"]


def test_without_a_store_nothing_is_marked(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Below Airflow 3.3 there is none; the documents say that such a write may double."""
    set_connection(scripted.url)
    task_tries = TaskTries(f"run {uuid.uuid4()}", has_store=False)
    created(scripted, 2)
    for _ in range(2):
        with task_tries.next():
            create(["Ada"])
    assert len(scripted.requests) == 2
