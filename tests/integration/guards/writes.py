"""Guards of writes: what may have been applied, in bulks, retries and interrupted tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_mirrordb.client import MirrorDBError, RateLimitError
from airflow_mirrordb.client.collections.record_names import RecordNames
from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.hooks.runner import LoopRunner
from tests.integration import (
    test_bodies as bodies,
    test_client_bulk as client_bulks,
    test_client_writes as writes,
    test_forking as forks,
    test_operators_bulk as bulks,
    test_operators_tries as tries_of_tasks,
    test_passing_answers as passing,
    test_refused as refused,
    test_retry_policy as policies,
    test_takeover as takeovers,
    test_unsent as unsent,
    test_upload_wire as uploads,
)
from tests.integration.test_operators_tries import Tries
from tests.support.guards import Guard, NeverRaisedError, always, nothing, nothing_to_await
from tests.unit import (
    test_runner as runs,
)

if TYPE_CHECKING:
    from tests.support.backends import ScriptedBackend
    from tests.support.connections import SetConnection


def by_position(self: RecordNames, _request: MirrorDBRequest) -> str:
    self._seen["all"] += 1
    return f"{self._seen['all']:012d}"


def interrupted_write_is_final(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,
) -> None:
    try:
        tries_of_tasks.test_time_out_right_after_the_answer_is_final(scripted, set_connection, tries, "close")
    except AirflowTaskTimeout as left:
        raise AssertionError("Airflow would make another try") from left


def users_function_is_interrupted() -> None:
    check = runs.test_a_function_of_the_users_is_interrupted_at_once
    forks.in_child(lambda: check(LoopRunner(), is_held=False))


def signals_wait() -> None:
    # in a process of its own: only a main thread gets any
    check = runs.test_a_signal_between_answer_and_return_keeps_the_answer
    forks.in_child(lambda: check(LoopRunner()))


GUARDS: dict[str, Guard] = {
    # what may have been applied
    "what only reads": Guard(
        without=frozenset({"GET", "QUERY", "POST"}),
        check=writes.test_an_ambiguous_write_is_sent_once,
        arguments={"name": "reset", "request_": writes.CREATE},
    ),
    "404 after mere refusals": Guard(
        seam="refusals",
        without=lambda *_: True,
        check=writes.test_a_delete_that_was_only_refused_before_its_404_is_an_error,
        arguments={"name": "429", "bulk": False},
    ),
    "404 after mere refusals in a bulk": Guard(
        seam="refusals",
        without=lambda *_: True,
        check=writes.test_a_delete_that_was_only_refused_before_its_404_is_an_error,
        arguments={"name": "429", "bulk": True},
    ),
    "files that change": Guard(
        without=nothing,
        check=uploads.test_a_file_that_changes_between_attempts_is_not_sent_again,
    ),
    "what data is called": Guard(
        without=nothing,
        check=bodies.test_data_that_is_not_sent_as_it_is_called_is_refused,
        arguments={"kind": "application/xml", "advice": "input_path"},
    ),
    "303 after a write": Guard(
        without=(),
        check=writes.test_a_redirected_write_is_an_error_and_not_followed,
        arguments={"status": 303, "header": None, "method": "POST"},
    ),
    "304 after a write": Guard(
        without=lambda status, *_: status in range(200, 300) or status == 304,
        check=writes.test_a_write_that_is_not_modified_is_no_success,
        arguments={"method": "PUT"},
    ),
    "refusals that an attempt before may have caused": Guard(
        without=NeverRaisedError,
        check=refused.test_a_refusal_that_an_attempt_before_may_have_caused_is_ambiguous,
        arguments={"method": "POST"},
    ),
    "files that are said to be empty": Guard(
        without=nothing_to_await,
        check=uploads.test_a_file_that_is_said_to_be_empty_is_read,
    ),
    "early successes of what is never read": Guard(
        seam="the rest of a write that was answered early",
        without=nothing_to_await,
        check=unsent.test_an_early_success_of_what_is_never_read_is_none,
    ),
    "409 after mere refusals": Guard(
        seam="refusals",
        without=lambda *_: True,
        check=tries_of_tasks.test_a_409_to_a_keyed_create_is_waited_out_only_after_a_try_that_may_be_under_way,
        arguments={"status": 429, "waits": False},
    ),
    "creates that a proxy may have passed on": Guard(
        seam="refusals",
        without=lambda *_: False,
        check=passing.test_a_proxy_that_refuses_before_the_backend_has_it,
        arguments={"known": False},
    ),
    "other data under the key of an earlier try": Guard(
        without=lambda _request: "",
        check=tries_of_tasks.test_other_large_data_is_refused_where_the_first_may_have_been_applied,
        arguments={"change": {"query": {"a": 1}}},
    ),
    "404 after a killed try": Guard(
        without=lambda _self, request, **_: (request, False),
        check=tries_of_tasks.test_a_delete_after_a_killed_one_may_meet_its_404,
    ),
    "404 after a refused try": Guard(
        without=nothing,
        check=tries_of_tasks.test_what_a_try_knows_of_its_delete_is_known_to_the_next,
        arguments={"status": 429, "error": RateLimitError, "gone": False},
    ),
    "what a triggerer that died had sent": Guard(
        without=nothing_to_await,
        check=takeovers.test_the_delete_of_a_triggerer_that_died_may_meet_its_404,
    ),
    "wrong ids in triggers": Guard(
        without=always,
        check=takeovers.test_a_wrong_id_is_an_error_in_the_trigger_too,
    ),
    "names by content": Guard(
        seam="names of records",
        without=by_position,
        check=bulks.test_a_large_list_in_another_order_is_told_by_content,
        arguments={"extra": {}},
    ),
    "idempotency keys by content": Guard(
        seam="names of records",
        without=by_position,
        check=bulks.test_a_large_list_in_another_order_is_told_by_content,
        arguments={"extra": tries_of_tasks.KEYED},
    ),
    "idempotency keys by headers": Guard(
        without=(),
        check=client_bulks.test_equal_data_of_two_tenants_is_two_writes_in_whatever_order,
    ),
    "bulks that may be begun anew": Guard(
        without=lambda _request, **_: True,
        check=client_bulks.test_a_read_that_fails_as_the_source_of_a_bulk_is_retried_only_where_nothing_doubles,
        arguments={"extra": {}, "key": "k", "status": 500, "retryable": False},
    ),
    "lists without what may have been applied": Guard(
        without=lambda _self: ({}, {}, set()),
        check=bulks.test_a_list_without_what_may_have_been_applied_is_refused,
        arguments={"extra": tries_of_tasks.KEYED, "first": 201},
    ),
    "what was in flight in a killed try": Guard(
        without=lambda _self: [],
        check=bulks.test_a_killed_large_bulk_is_not_sent_with_other_data,
        arguments={"extra": tries_of_tasks.KEYED},
    ),
    "failures of a bulk": Guard(
        without=lambda _self, _max_failed: False,
        check=bulks.test_continue_tries_all_and_fails_if_more_failed_than_may,
        arguments={"max_failed": None},
    ),
    "reports of writes that are too large": Guard(
        without=(),
        check=bulks.test_the_report_of_writes_is_never_lost,
        arguments={"name": "what is not done"},
    ),
    "errors that a task wraps": Guard(
        without=lambda exception: [exception] if isinstance(exception, MirrorDBError) else [],
        check=policies.test_a_wrapped_error_is_judged_as_the_error_itself,
        arguments={"way": "from_it", "kind": "ambiguous"},
    ),
    # interruptions
    "writes of interrupted tasks": Guard(
        without=False,
        check=interrupted_write_is_final,
    ),
    "signals that interrupt a user's function": Guard(
        without=lambda _signals, function: function,
        check=users_function_is_interrupted,
    ),
    "signals that wait": Guard(without=nothing, check=signals_wait),
}
