"""Writes that a task makes through the hook: whatever ended a try of it, each exists once, and none is lost.

A try is a process, which is killed while the backend has one of its requests; the next one is a retry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS

from airflow_mirrordb.client import MirrorDBError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.connections import SetConnection
from tests.support.task_processes import DeadlyBackend, Death, TaskProcess
from tests.support.ways_to_create import (
    THIRTY,
    USERS,
    WAYS,
    Records,
    gathered,
    in_one_bulk,
    in_threads,
    one_by_one,
)

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

KEYED = {"idempotency_header": "Idempotency-Key"}


@pytest.fixture
def deadly(set_connection: SetConnection) -> Iterator[DeadlyBackend]:
    """A backend, and the connection that promises it removes duplicates."""
    with DeadlyBackend.running() as backend:
        set_connection(backend.url, extra=KEYED)
        yield backend


def process(function: Callable[..., Any], deadly: DeadlyBackend, **identity: Any) -> TaskProcess:
    return TaskProcess(function=function, backend=deadly, **identity)


@pytest.mark.parametrize("way", WAYS)
def test_each_write_of_a_killed_task_exists_once(
    deadly: DeadlyBackend, way: Callable[[Records], Any]
) -> None:
    """Killed with a write that was carried out and not answered, then with one that did not get there."""
    instance = process(way, deadly)
    assert instance.run(THIRTY, death=Death(request=15)).state == "killed"
    assert instance.run(THIRTY, death=Death(request=25, is_carried_out=False)).state == "killed"
    third = instance.run(THIRTY)
    assert (third.state, third.error) == ("success", None)
    assert deadly.numbers() == dict.fromkeys(range(6), 5)


def test_a_bulk_of_a_thousand_is_killed(deadly: DeadlyBackend) -> None:
    records = [{"n": number} for number in range(1000)]
    instance = process(in_one_bulk, deadly)
    assert instance.run(records, death=Death(request=500)).state == "killed"
    assert instance.run(records).state == "success"
    assert deadly.numbers() == Counter(range(1000))


@pytest.mark.parametrize(
    "death", [Death(request=2, is_carried_out=False), Death(request=1), Death(request=2)]
)
@pytest.mark.parametrize("records", [[{"n": 1}, {"n": 1}], [{"n": 1}, {"n": 2}]], ids=["equal", "different"])
def test_two_creates_and_a_kill_before_between_or_after(
    deadly: DeadlyBackend, records: Records, death: Death
) -> None:
    """A repeated write has the key that it had, and equal ones of a try have two."""
    instance = process(one_by_one, deadly)
    assert instance.run(records, death=death).state == "killed"
    assert instance.run(records).state == "success"
    assert deadly.records("users") == records
    keys = deadly.keys()
    assert keys[:-2] == keys[-2:][: len(keys) - 2]
    assert len(set(keys)) == 2


@pytest.mark.parametrize("death", [None, Death(request=25)])
@pytest.mark.parametrize("way", [gathered, in_threads])
def test_fifty_equal_creates_stay_fifty(
    deadly: DeadlyBackend, way: Callable[[Records], Any], death: Death | None
) -> None:
    """None is taken for the repeat of another one, whether the task is killed or not."""
    if way is gathered and not AIRFLOW_V_3_2_PLUS:
        pytest.skip("coroutines came with Airflow 3.2")
    instance = process(way, deadly)
    assert instance.run([{"n": 7}] * 50, death=death).state == ("killed" if death else "success")
    if death:
        assert instance.run([{"n": 7}] * 50).state == "success"
    assert deadly.numbers() == {7: 50}


@pytest.mark.parametrize(
    "other", [{"map_index": 1}, {"run_id": "another"}, {"task_id": "another"}, {"dag_id": "another"}]
)
def test_equal_creates_of_two_task_instances_are_two(deadly: DeadlyBackend, other: dict[str, Any]) -> None:
    """Mapped ones, too, each killed and repeated while the other is at the same request."""
    records = [{"n": 1}, {"n": 1}, {"n": 2}]
    both = [
        process(one_by_one, deadly, map_index=0),
        process(one_by_one, deadly, **{"map_index": 0, **other}),
    ]
    for death in (Death(request=2), None):
        for instance in both:
            instance.run(records, death=death)
    assert deadly.numbers() == {1: 4, 2: 2}


def test_equal_creates_of_two_airflows_are_two(
    deadly: DeadlyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which have the same DAG, and one backend; the base URL tells them apart."""
    for name in ("one", "other"):
        for section in ("API", "WEBSERVER"):
            monkeypatch.setenv(f"AIRFLOW__{section}__BASE_URL", f"http://{name}.example.com")
        assert process(one_by_one, deadly).run([{"n": 1}]).state == "success"
    assert deadly.numbers() == {1: 2}


def test_a_cleared_task_sends_anew_and_a_retry_does_not(deadly: DeadlyBackend) -> None:
    """A clear of another task of the run changes nothing for this one."""
    instance = process(one_by_one, deadly)
    instance.run([{"n": 1}], death=Death(request=1))
    instance.clears += 1
    assert instance.run([{"n": 1}]).state == "success"
    assert deadly.numbers() == {1: 1}
    instance.clear()
    assert instance.run([{"n": 1}]).state == "success"
    assert deadly.numbers() == {1: 2}


# -- what tells writes apart ----------------------------------------------------------------------


def test_the_order_of_writes_does_not_matter(deadly: DeadlyBackend) -> None:
    """As of rows from a database that are not sorted."""
    records = [{"n": number} for number in (1, 2, 2, 3, 3, 3)]
    instance = process(one_by_one, deadly)
    instance.run(records, death=Death(request=4))
    assert instance.run([*reversed(records)]).state == "success"
    assert deadly.numbers() == {1: 1, 2: 2, 3: 3}


def test_equal_writes_of_two_tenants_in_another_order(deadly: DeadlyBackend) -> None:
    """They differ by a header alone: under the other's key, the backend would drop one of them."""

    def create(*tenants: str) -> None:
        with MirrorDBHook() as hook:
            for tenant in tenants:
                hook.create(USERS, {"n": 1}, headers={"X-Tenant": tenant})

    instance = process(create, deadly)
    instance.run("one", "other", death=Death(request=2, is_carried_out=False))
    (first,) = deadly.keys()
    assert instance.run("other", "one").state == "success"
    assert deadly.keys()[-1] == first
    assert deadly.numbers() == {1: 2}


def test_what_traces_a_request_is_no_part_of_it(deadly: DeadlyBackend) -> None:
    """``X-Request-Id`` and ``traceparent`` are new with each request."""

    def create(number: int) -> None:
        with MirrorDBHook() as hook:
            hook.create(USERS, {"n": 1}, headers={"X-Request-Id": f"request-{number}"})

    instance = process(create, deadly)
    instance.run(1, death=Death(request=1))
    assert instance.run(2).state == "success"
    assert deadly.numbers() == {1: 1}


def test_equal_writes_by_two_connections_in_another_order(
    deadly: DeadlyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two backends that know nothing of each other: neither gets the number of the other's write."""

    def create(*connections: str) -> None:
        for connection in connections:
            with MirrorDBHook(connection) as hook:
                hook.create(USERS, {"n": 1})

    with DeadlyBackend.running() as other:
        for name, backend in {"one": deadly, "other": other}.items():
            connection = f'{{"conn_type": "mirrordb", "host": "{backend.url}", "extra": {KEYED}}}'
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", connection.replace("'", '"'))
        instance = process(create, deadly)
        instance.run("other", "one", death=Death(request=1, is_carried_out=False))
        assert instance.run("one", "other").state == "success"
        assert (deadly.numbers(), other.numbers()) == ({1: 1}, {1: 1})


@pytest.mark.parametrize("body", ["form", "files", "input_path"])
def test_bodies_that_are_not_json(deadly: DeadlyBackend, body: str, tmp_path: Path) -> None:
    """The boundary of a multipart body is another one each time (RFC 2046, section 5.1.1)."""
    file = tmp_path / "file.json"
    file.write_text('{"n": 1}')
    bodies: dict[str, Any] = {"form": {"n": 1}, "files": {"file": str(file)}, "input_path": str(file)}

    def create() -> None:
        with MirrorDBHook() as hook:
            hook.create(USERS, **{body: bodies[body]})

    instance = process(create, deadly)
    for _ in range(2):  # the embedded backend takes JSON alone, which changes nothing here
        instance.run(death=Death(request=1))
    first, second = deadly.keys()
    assert first == second


def test_equal_patches_have_keys_of_their_own(deadly: DeadlyBackend) -> None:
    """Each may add to what is there, as ``{"$inc": ...}`` does."""

    def update() -> None:
        with MirrorDBHook() as hook:
            hook.create(USERS, {"id": "1"})
            for _ in range(2):
                hook.update(f"{USERS}/1", {"n": 1}, partial=True)

    instance = process(update, deadly)
    instance.run(death=Death(request=3))
    assert instance.run().state == "success"
    keys = deadly.keys("PATCH")
    assert keys[:2] == keys[2:]
    assert len(set(keys)) == 2


def test_a_key_of_the_author_wins(deadly: DeadlyBackend) -> None:
    """It is sent as it is; what it is the key of is the author's matter."""

    def create() -> None:
        with MirrorDBHook() as hook:
            hook.create(USERS, {"n": 1}, idempotency_key="mine")
            hook.create(USERS, {"n": 1}, idempotency_key="mine")
            hook.create(USERS, {"n": 1})

    instance = process(create, deadly)
    instance.run(death=Death(request=2))
    assert instance.run().state == "success"
    assert deadly.numbers() == {1: 2}
    assert deadly.keys()[:4] == ["mine"] * 4


def test_a_loop_of_the_author_repeats_what_was_refused(deadly: DeadlyBackend) -> None:
    """A write that was certainly not applied is not counted among the equal ones that were made."""

    def create() -> None:
        with MirrorDBHook() as hook:
            for _ in range(3):
                try:
                    hook.create(USERS, {"n": 1})
                except MirrorDBError:
                    continue
                return

    deadly.statuses = [422, 429]
    instance = process(create, deadly)
    instance.run(death=Death(request=3))
    assert instance.run().state == "success"
    assert deadly.numbers() == {1: 1}


def test_outside_of_a_task_equal_creates_are_two(
    deadly: DeadlyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a process that a task started, which has the names of its parent's task in its environment."""
    for name in ("DAG_ID", "TASK_ID", "RUN_ID", "DAG_RUN_ID", "TRY_NUMBER"):
        monkeypatch.setenv(f"AIRFLOW_CTX_{name}", "1")
    for _ in range(2):
        one_by_one([{"n": 1}, {"n": 1}])
    assert deadly.numbers() == {1: 4}
    assert len(set(deadly.keys())) == 4


@pytest.mark.parametrize("first", [[], [{"n": 1}]], ids=["", "after a write"])
def test_forked_children_that_make_equal_creates_lose_none(deadly: DeadlyBackend, first: Records) -> None:
    """Each counts for itself, and none knows what the others made."""

    def fork() -> None:
        one_by_one(first)
        for _ in range(4):
            child = get_context("fork").Process(target=one_by_one, args=([{"n": 1}] * 3,))
            child.start()
            child.join()
        one_by_one([{"n": 1}])

    assert process(fork, deadly).run().state == "success"
    assert deadly.numbers() == {1: len(first) + 13}
