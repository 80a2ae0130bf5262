"""Writes of a task to a backend that knows no idempotency keys: what may have been applied is not repeated.

Airflow keeps a mark of each in the task state store, which came with 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    BulkError,
    ConnectError,
    GenericMirrorDB,
    InvalidDataError,
    NotFoundError,
    RateLimitError,
)
from airflow_mirrordb.decorators import mirrordb_task
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.connections import SetConnection
from tests.support.task_processes import DeadlyBackend, Death, TaskProcess
from tests.support.ways_to_create import (
    THIRTY,
    USERS,
    WAYS,
    Records,
    by_two_hooks,
    gathered,
    in_one_bulk,
    in_threads,
    one_by_one,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="the task state store came with Airflow 3.3"),
]

KEYED = {"idempotency_header": "Idempotency-Key"}
JOB: dict[str, Any] = {
    "state": "state",
    "succeeded": ["succeeded"],
    "failed": ["failed", "cancelled"],
    "result": "api/jobs/{id}/result",
    "poll_interval": 0.001,
}


@pytest.fixture
def deadly(set_connection: SetConnection) -> Iterator[DeadlyBackend]:
    """A backend, and the connection that promises nothing of it."""
    with DeadlyBackend.running() as backend:
        set_connection(backend.url, extra={"max_attempts": 1})
        yield backend


def process(function: Callable[..., Any], deadly: DeadlyBackend, **identity: Any) -> TaskProcess:
    return TaskProcess(function=function, backend=deadly, **identity)


def is_ambiguous(error: BaseException | None) -> bool:
    """Whether this is such an error, or that of a bulk of which a record has one."""
    if isinstance(error, BulkError):
        kinds = {(record or {}).get("error", {}).get("type") for record in error.report["records"]}
        return "AmbiguousWriteError" in kinds or is_ambiguous(error.__cause__)
    return isinstance(error, AmbiguousWriteError)


@pytest.mark.parametrize("way", WAYS)
def test_no_write_of_a_killed_task_is_repeated(deadly: DeadlyBackend, way: Callable[[Records], Any]) -> None:
    """Every further try says so, and doubles nothing, be it one of many that are under way."""
    instance = process(way, deadly)
    assert instance.run(THIRTY, death=Death(request=15)).state == "killed"
    for _ in range(2):
        following = instance.run(THIRTY)
        assert following.state != "success"
        assert is_ambiguous(following.error), following.error
        assert all(times <= 5 for times in deadly.numbers().values())


@pytest.mark.parametrize("way", [in_threads, in_one_bulk, by_two_hooks, gathered])
def test_equal_creates_of_one_try_are_all_made(deadly: DeadlyBackend, way: Callable[[Records], Any]) -> None:
    """The marks are for the next try alone."""
    ended = process(way, deadly).run(THIRTY)
    assert (ended.state, ended.error) == ("success", None)
    assert deadly.numbers() == dict.fromkeys(range(6), 5)


@pytest.mark.parametrize(
    "death", [Death(request=2, is_carried_out=False), Death(request=1), Death(request=2)]
)
@pytest.mark.parametrize("records", [[{"n": 1}, {"n": 1}], [{"n": 1}, {"n": 2}]], ids=["equal", "different"])
def test_a_kill_between_two_creates(deadly: DeadlyBackend, records: Records, death: Death) -> None:
    """Also the one that was answered is not made again."""
    instance = process(one_by_one, deadly)
    assert instance.run(records, death=death).state == "killed"
    before = deadly.records("users")
    following = instance.run(records)
    assert isinstance(following.error, AmbiguousWriteError)
    assert following.error.retryable is False
    assert (following.error.method, following.error.endpoint) == ("POST", USERS)
    assert (
        deadly.records("users")
        == before
        == records[: 1 if death.request == 1 or not death.is_carried_out else 2]
    )


def test_a_write_that_no_try_has_begun_is_sent(deadly: DeadlyBackend) -> None:
    """The marks are of requests, and not of their numbers."""
    instance = process(one_by_one, deadly)
    instance.run([{"n": 1}, {"n": 2}], death=Death(request=1))
    assert instance.run([{"n": 2}, {"n": 3}]).state == "success"
    assert deadly.numbers() == {1: 1, 2: 1, 3: 1}


@pytest.mark.parametrize("is_async", [False, True])
def test_what_may_be_sent_again_is_said_by_once(deadly: DeadlyBackend, *, is_async: bool) -> None:
    """The author knows that a second one does no harm."""

    def create() -> None:
        with MirrorDBHook() as hook:
            hook.create(USERS, {"n": 1}, once=False)

    async def create_async() -> None:
        async with MirrorDBHook() as client:
            await client.create_function("create", USERS, {"n": 1}, once=False)

    instance = process(create_async if is_async else create, deadly)
    instance.run(death=Death(request=1))
    assert instance.run().state == "success"
    assert deadly.numbers() == {1: 2}


@pytest.mark.parametrize(("status", "error"), [(422, InvalidDataError), (429, RateLimitError)])
def test_a_write_that_was_refused_is_sent_by_the_next_try(
    deadly: DeadlyBackend, status: int, error: type[Exception]
) -> None:
    """Such an answer says that it was not applied (RFC 9110, section 15.5.21; RFC 6585, section 4)."""
    deadly.statuses = [status]
    instance = process(one_by_one, deadly)
    refused = instance.run([{"n": 1}])
    assert (refused.state, type(refused.error)) == ("up_for_retry", error)
    assert instance.run([{"n": 1}]).state == "success"
    assert deadly.numbers() == {1: 1}


def test_a_loop_of_the_author_repeats_what_was_refused(deadly: DeadlyBackend) -> None:
    """What was not applied is not one of the equal writes that the try made: the next one takes its place."""

    def create() -> None:
        with MirrorDBHook() as hook:
            for _ in range(3):
                with suppress(InvalidDataError, RateLimitError):
                    hook.create(USERS, {"n": 1})
                    return

    deadly.statuses = [422, 429]
    instance = process(create, deadly)
    assert instance.run(death=Death(request=3)).state == "killed"
    assert isinstance(instance.run().error, AmbiguousWriteError)
    assert deadly.numbers() == {1: 1}


@pytest.mark.parametrize("extra", [{}, KEYED], ids=["", "keyed"])
def test_a_refusal_that_ends_a_gather_leaves_no_doubt(
    deadly: DeadlyBackend, set_connection: SetConnection, extra: dict[str, Any]
) -> None:
    """Of the writes beside it, some were made, some were cut off, and some never left."""
    set_connection(deadly.url, extra={**extra, "max_attempts": 1, "max_concurrency": 3})
    deadly.statuses = [422]
    instance = process(gathered, deadly)
    records = [{"n": number} for number in range(20)]
    assert isinstance(instance.run(records).error, InvalidDataError)
    following = instance.run(records)
    assert following.state == "success" if extra else is_ambiguous(following.error)
    assert set(deadly.numbers().values()) == {1}
    assert deadly.numbers().total() == 20 or not extra


def test_a_header_that_the_connection_gets_between_two_tries(
    deadly: DeadlyBackend, set_connection: SetConnection
) -> None:
    """The backend knows no key of the first try, so that one makes nothing safe."""
    instance = process(one_by_one, deadly)
    instance.run([{"n": 1}], death=Death(request=1))
    set_connection(deadly.url, extra=KEYED)
    assert isinstance(instance.run([{"n": 1}]).error, AmbiguousWriteError)
    assert deadly.numbers() == {1: 1}


def test_a_write_that_reached_nobody_is_sent_by_the_next_try(
    deadly: DeadlyBackend, set_connection: SetConnection, dead_port: int
) -> None:
    set_connection(f"http://127.0.0.1:{dead_port}", extra={"max_attempts": 1})
    instance = process(one_by_one, deadly)
    assert isinstance(instance.run([{"n": 1}]).error, ConnectError)
    set_connection(deadly.url)
    assert instance.run([{"n": 1}]).state == "success"
    assert deadly.numbers() == {1: 1}


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_write_that_failed_ambiguously_is_not_sent_by_the_next_try(
    deadly: DeadlyBackend, status: int
) -> None:
    """Airflow retries a ``@task`` after any error."""
    deadly.statuses = [status]
    instance = process(one_by_one, deadly)
    for _ in range(2):
        assert isinstance(instance.run([{"n": 1}]).error, AmbiguousWriteError)
    assert deadly.numbers() == {}


def test_a_task_that_fails_after_its_write_does_not_write_again(deadly: DeadlyBackend) -> None:
    def create() -> None:
        one_by_one([{"n": 1}])
        raise ValueError("of the author")

    instance = process(create, deadly)
    assert isinstance(instance.run().error, ValueError)
    assert isinstance(instance.run().error, AmbiguousWriteError)
    assert deadly.numbers() == {1: 1}


def test_a_cleared_task_writes_again(deadly: DeadlyBackend) -> None:
    """A person has decided; the clear of another task of the run is no such decision."""
    instance = process(one_by_one, deadly)
    instance.run([{"n": 1}], death=Death(request=1))
    instance.clears += 1
    assert isinstance(instance.run([{"n": 1}]).error, AmbiguousWriteError)
    instance.clear()
    assert instance.run([{"n": 1}]).state == "success"
    assert deadly.numbers() == {1: 2}
    instance.run([{"n": 1}])
    assert deadly.numbers() == {1: 2}


def test_a_write_is_marked_before_it_is_sent(deadly: DeadlyBackend) -> None:
    """Whoever is killed before it is, has sent nothing."""
    instance = process(one_by_one, deadly)
    instance.dies_at_mark = True
    assert instance.run([{"n": 1}]).state == "killed"
    assert deadly.requests() == []
    instance.dies_at_mark = False
    assert instance.run([{"n": 1}]).state == "success"
    assert deadly.numbers() == {1: 1}


def by_decorator(hook: MirrorDBHook) -> None:
    for _ in range(2):
        hook.create(USERS, {"n": 1})


async def by_decorator_in_a_coroutine(client: GenericMirrorDB) -> None:
    for _ in range(2):
        await client.create_function("create", USERS, {"n": 1})


@pytest.mark.parametrize("extra", [{}, KEYED], ids=["", "keyed"])
@pytest.mark.parametrize("function", [by_decorator, by_decorator_in_a_coroutine])
def test_the_hook_that_the_decorator_gives_is_as_safe(
    deadly: DeadlyBackend, set_connection: SetConnection, function: Callable[..., Any], extra: dict[str, Any]
) -> None:
    """And where the write may not be repeated, the task ends at once."""
    set_connection(deadly.url, extra={**extra, "max_attempts": 1})
    instance = process(function, deadly, decorator=mirrordb_task)
    assert instance.run(death=Death(request=2)).state == "killed"
    following = instance.run()
    if extra:
        assert following.state == "success"
    else:
        assert following.state == "failed"
        assert isinstance(following.error, AirflowFailException)
    assert deadly.numbers() == {1: 2}


# -- other requests -------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{}, KEYED], ids=["", "keyed"])
def test_a_delete_meets_the_404_of_its_own_success(
    deadly: DeadlyBackend, set_connection: SetConnection, extra: dict[str, Any]
) -> None:
    """And one of a wrong id is still an error, in every try; so is one in a task that was cleared."""
    set_connection(deadly.url, extra={**extra, "max_attempts": 1})

    def delete(identifier: str) -> None:
        with MirrorDBHook() as hook:
            hook.delete(f"{USERS}/{identifier}")

    one_by_one([{"n": 1}])
    instance = process(delete, deadly)
    instance.run("1", death=Death(request=1))
    assert instance.run("1").state == "success"
    assert [entry.status for entry in deadly.requests("DELETE")] == [204, 404]
    assert isinstance(instance.run("2").error, NotFoundError)
    instance.clear()
    assert isinstance(instance.run("1").error, NotFoundError)


def test_a_delete_that_was_answered_meets_its_404(deadly: DeadlyBackend) -> None:
    """The task was killed later, at another request."""

    def delete() -> None:
        with MirrorDBHook() as hook:
            hook.delete(f"{USERS}/1")
            hook.update(f"{USERS}/2", {})

    one_by_one([{"n": 1}, {"n": 2}])
    instance = process(delete, deadly)
    assert instance.run(death=Death(request=2)).state == "killed"
    assert instance.run().state == "success"


def test_what_may_be_repeated_is(deadly: DeadlyBackend) -> None:
    """Reads and a PUT; and they need no mark."""

    def update() -> None:
        with MirrorDBHook() as hook:
            hook.read(f"{USERS}/1")
            hook.update(f"{USERS}/1", {"n": 2})

    one_by_one([{"n": 1}])
    instance = process(update, deadly)
    instance.run(death=Death(request=1))
    assert instance.store == {}
    assert instance.run().state == "success"
    assert deadly.numbers() == {2: 1}


@pytest.mark.parametrize("arguments", [{"partial": True}, {"if_match": '"1"'}], ids=["PATCH", "If-Match"])
def test_an_update_that_may_not_be_repeated_is_not(deadly: DeadlyBackend, arguments: dict[str, Any]) -> None:
    def update() -> None:
        with MirrorDBHook() as hook:
            hook.update(f"{USERS}/1", {"n": 2}, **arguments)

    one_by_one([{"n": 1}])
    instance = process(update, deadly)
    instance.run(death=Death(request=1))
    assert isinstance(instance.run().error, AmbiguousWriteError)
    assert len(deadly.requests("PUT", "PATCH")) == 1


@pytest.mark.parametrize("extra", [{}, KEYED], ids=["", "keyed"])
@pytest.mark.parametrize(
    "death", [Death(request=1), Death(request=1, methods=frozenset({"GET"}))], ids=["submit", "poll"]
)
def test_a_job_is_submitted_once(
    deadly: DeadlyBackend, set_connection: SetConnection, extra: dict[str, Any], death: Death
) -> None:
    """With a key the next try joins it; without one it may not know where it is, and says so."""
    set_connection(deadly.url, extra={**extra, "max_attempts": 1})

    def run() -> list[Any]:
        with MirrorDBHook() as hook:
            result: list[Any] = hook.run_job("api/jobs", {"rows": 2}, **JOB)
            return result

    instance = process(run, deadly)
    assert instance.run(death=death).state == "killed"
    following = instance.run()
    assert following.state == "success" if extra else isinstance(following.error, AmbiguousWriteError)
    assert len(deadly.records("jobs")) == 1


def test_forked_children_lose_none(deadly: DeadlyBackend) -> None:
    """One after the other: what several ask Airflow's supervisor at a time, over one socket, gets lost."""

    def fork() -> None:
        one_by_one([{"n": 1}])
        for _ in range(4):
            child = get_context("fork").Process(target=one_by_one, args=([{"n": 1}] * 3,))
            child.start()
            child.join()
        one_by_one([{"n": 1}])

    ended = process(fork, deadly).run()
    assert (ended.state, ended.error) == ("success", None)
    assert deadly.numbers() == {1: 14}
