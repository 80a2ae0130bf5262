"""Guards of the writes that a task makes by a hook: what its retry makes again counts once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from airflow_mirrordb.client import RateLimitError
from tests.integration import (
    test_task_guard as writes,
    test_task_guard_faults as faults,
    test_unkeyed_writes_of_tasks as unkeyed,
    test_writes_of_tasks as killed,
)
from tests.support import ways_to_create as ways
from tests.support.guards import Guard, nothing, nothing_to_await
from tests.support.task_processes import DeadlyBackend, Death
from tests.support.task_tries import TaskTries

if TYPE_CHECKING:
    from tests.support.backends import ScriptedBackend
    from tests.support.connections import SetConnection


def in_new_tries(check: Callable[..., Any], *, counts: bool = False, **arguments: Any) -> Callable[..., None]:
    """Return a check whose task has made no tries yet.

    :param counts: whether it looks at keys
    """

    def checked(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
        more: dict[str, Any] = {"keys_of": writes.keys_since(scripted)} if counts else {}
        with pytest.MonkeyPatch.context() as patching:
            if check is writes.test_a_job_that_failed_is_followed_by_another_in_the_next_try:
                more["monkeypatch"] = patching
            check(scripted, set_connection, TaskTries(f"run {uuid4()}"), **more, **arguments)

    return checked


def of_killed(
    check: Callable[..., Any], extra: dict[str, Any], **arguments: Any
) -> Callable[[SetConnection], None]:
    """Return a check of tasks that are killed, on a backend that knows nothing yet."""

    def checked(set_connection: SetConnection) -> None:
        with DeadlyBackend.running() as backend:
            set_connection(backend.url, extra={**extra, "max_attempts": 1})
            check(backend, **arguments)

    return checked


def unkeyed_job_of_a_killed_task(set_connection: SetConnection) -> None:
    with DeadlyBackend.running() as backend:
        death = Death(request=1)
        unkeyed.test_a_job_is_submitted_once(backend, set_connection, extra={}, death=death)


class Forgetful(list[Any]):
    """A list that keeps nothing."""

    def append(self, value: object) -> None:
        pass


def random_key(_self: object, _request: object, _changes: object) -> tuple[str, None]:
    return str(uuid4()), None


async def unknown(_self: object) -> bool:
    return False


GUARDS: dict[str, Guard] = {
    "keys of a task": Guard(
        without=random_key,
        check=in_new_tries(
            writes.test_each_try_has_the_same_keys_and_equal_writes_of_one_try_have_others, counts=True
        ),
    ),
    "equal writes of a task": Guard(
        without=lambda _self, _content: 0,
        check=in_new_tries(writes.test_the_order_of_writes_and_who_makes_them_does_not_matter, counts=True),
    ),
    "forks of a task": Guard(
        without=Forgetful(),
        check=in_new_tries(
            writes.test_no_two_writes_have_one_key_outside_of_a_task_and_in_its_forks, counts=True
        ),
    ),
    "tries that go on": Guard(
        without=lambda _context: True,
        check=in_new_tries(
            writes.test_no_two_writes_have_one_key_where_a_try_goes_on,
            counts=True,
            said={"task_reschedule_count": 1},
        ),
    ),
    "marks of a task": Guard(
        without=nothing_to_await,
        check=in_new_tries(writes.test_a_write_that_may_not_be_repeated_is_not_sent_by_the_next_try),
    ),
    "numbers of refused writes": Guard(
        without=nothing,
        check=in_new_tries(
            faults.test_a_refused_write_that_the_task_repeats_is_one_write, extra=writes.KEYED
        ),
    ),
    "writes that a try before is busy with": Guard(
        without=property(lambda _self: False),
        check=in_new_tries(faults.test_a_retry_waits_for_the_try_before_that_the_backend_is_still_busy_with),
    ),
    "marks of an earlier try": Guard(
        without=unknown,
        check=in_new_tries(faults.test_a_header_that_the_connection_gets_between_two_tries_hides_no_mark),
    ),
    "marks of deletes": Guard(
        seam="marks of a task",
        without=nothing_to_await,
        check=in_new_tries(writes.test_a_delete_may_meet_the_404_of_its_own_success),
    ),
    "marks that are taken back": Guard(
        without=nothing_to_await,
        check=in_new_tries(writes.test_a_write_that_was_not_applied_is_sent_again),
    ),
    "marks of jobs that are over": Guard(
        seam="marks that are taken back",
        without=nothing_to_await,
        check=in_new_tries(writes.test_a_job_that_failed_is_followed_by_another_in_the_next_try, extra={}),
    ),
    "what is known of a write": Guard(
        without=nothing,
        check=in_new_tries(writes.test_the_next_try_is_told_what_is_known),
    ),
    "jobs that a key brings again": Guard(
        without=property(lambda _self: 0),
        check=in_new_tries(
            writes.test_a_job_that_failed_is_followed_by_another_in_the_next_try, extra=writes.KEYED
        ),
    ),
    # of tasks that are killed
    "keys of a killed task": Guard(
        seam="keys of a task",
        without=random_key,
        check=of_killed(
            killed.test_each_write_of_a_killed_task_exists_once, killed.KEYED, way=ways.one_by_one
        ),
    ),
    "keys of a killed bulk": Guard(
        seam="keys of a task",
        without=random_key,
        check=of_killed(
            killed.test_each_write_of_a_killed_task_exists_once, killed.KEYED, way=ways.in_one_bulk
        ),
    ),
    "keys of a killed task that gathers": Guard(
        seam="keys of a task",
        without=random_key,
        check=of_killed(
            killed.test_fifty_equal_creates_stay_fifty,
            killed.KEYED,
            way=ways.gathered,
            death=Death(request=25),
        ),
    ),
    "equal writes of a killed task": Guard(
        seam="equal writes of a task",
        without=lambda _self, _content: 0,
        check=of_killed(
            killed.test_fifty_equal_creates_stay_fifty, killed.KEYED, way=ways.in_threads, death=None
        ),
    ),
    "forks of a running task": Guard(
        seam="forks of a task",
        without=Forgetful(),
        check=of_killed(
            killed.test_forked_children_that_make_equal_creates_lose_none, killed.KEYED, first=[{"n": 1}]
        ),
    ),
    "marks of a killed task": Guard(
        seam="marks of a task",
        without=nothing_to_await,
        check=of_killed(unkeyed.test_no_write_of_a_killed_task_is_repeated, {}, way=ways.by_two_hooks),
    ),
    "marks of a killed bulk": Guard(
        seam="marks of a task",
        without=nothing_to_await,
        check=of_killed(unkeyed.test_no_write_of_a_killed_task_is_repeated, {}, way=ways.in_one_bulk),
    ),
    "marks of a killed job": Guard(
        seam="marks of a task",
        without=nothing_to_await,
        check=unkeyed_job_of_a_killed_task,
    ),
    "marks before what is sent": Guard(
        seam="marks of a task",
        without=nothing_to_await,
        check=of_killed(unkeyed.test_a_write_is_marked_before_it_is_sent, {}),
    ),
    "marks of a killed delete": Guard(
        seam="marks of a task",
        without=nothing_to_await,
        check=of_killed(unkeyed.test_a_delete_that_was_answered_meets_its_404, {}),
    ),
    "marks of refused writes": Guard(
        seam="marks that are taken back",
        without=nothing_to_await,
        check=of_killed(
            unkeyed.test_a_write_that_was_refused_is_sent_by_the_next_try,
            {},
            status=429,
            error=RateLimitError,
        ),
    ),
    "numbers of writes that an author repeats": Guard(
        seam="numbers of refused writes",
        without=nothing,
        check=of_killed(unkeyed.test_a_loop_of_the_author_repeats_what_was_refused, {}),
    ),
}
