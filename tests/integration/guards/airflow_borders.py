"""Guards of what Airflow renders, carries and stores."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.providers.common.compat.sdk import redact
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.integration import (
    test_airflow_borders as borders,
    test_control_flow as control_flow,
    test_operators_tries as tries_of_tasks,
    test_rendered_arguments as rendered,
    test_results as results,
    test_sensor as sensors,
    test_stored_triggers as stored,
)
from tests.support.guards import Guard, NeverRaisedError, as_it_is, nothing, unchanged

if TYPE_CHECKING:
    from tests.support.connections import SetConnection


#: What a backend may ask anybody to wait, in seconds.
TEN_YEARS = 315_360_000.0


async def json_as_it_is(value: Any) -> Any:
    return value


def key_is_masked(set_connection: SetConnection) -> None:
    key = uuid4().hex  # the masker forgets none; the password itself is known to Airflow without us
    set_connection("http://127.0.0.1:1", login="someone", password=key)
    MirrorDBHook().get_conn()
    assert redact(b64encode(f"someone:{key}".encode()).decode()) == "***"


GUARDS: dict[str, Guard] = {
    # what Airflow carries and stores
    "requests to triggers": Guard(
        without=lambda value: value,
        check=borders.test_data_that_is_shaped_like_airflows_own_is_sent_as_it_is,
    ),
    "events": Guard(
        without=json_as_it_is,
        check=borders.test_no_answer_ends_the_triggerer,
        arguments={"value": 2**64},
    ),
    "size of events": Guard(
        without=nothing,
        check=results.test_a_large_answer_in_the_triggerer_says_what_to_do,
        arguments={"make": results.read, "words": "max_event_bytes"},
    ),
    "results that XComs refuse": Guard(
        without=as_it_is,
        check=results.test_a_create_that_cannot_be_stored_was_applied,
        arguments={"mode": "worker", "extra": {}},
    ),
    "halves of pairs in results": Guard(
        without=unchanged,
        check=results.test_half_of_a_pair_in_a_result,
    ),
    "size of results": Guard(
        without=lambda _result: 0,
        check=results.test_a_large_result_is_an_error_on_a_worker,
        arguments={"arguments": {"response_filter": lambda body: [*body, "é"]}},
    ),
    "answers of a bulk": Guard(
        without=as_it_is,
        check=results.test_answers_of_a_bulk_that_cannot_be_stored_are_left_out,
    ),
    "errors of a bulk": Guard(
        without=as_it_is,
        check=results.test_the_errors_in_the_report_of_a_bulk_can_be_stored,
    ),
    "events of a watcher": Guard(
        without=as_it_is,
        check=borders.test_no_cursor_ends_the_triggerer,
        arguments={"cursor": 2**64},
    ),
    "arguments of a watcher": Guard(
        without=nothing,
        check=borders.test_what_the_triggerer_would_not_be_given_is_told_with_the_dag,
        arguments={"value": 2**64},
    ),
    "arguments of a start in the triggerer": Guard(
        without=nothing,
        check=borders.test_what_the_triggerer_would_not_be_given_is_told_with_the_dag,
        arguments={"value": 2**64},
    ),
    "fields that another version stored": Guard(
        without=lambda kind, fields: kind(**fields),
        check=stored.test_what_a_version_after_stored_is_run,
        arguments={"class_path": stored.READ},
    ),
    "Airflow's masker": Guard(without=nothing, check=key_is_masked),
    # what a task is given and decides
    "templates that render to nothing": Guard(
        without=nothing,
        check=rendered.test_a_template_that_renders_to_nothing_is_refused,
        arguments={"name": "filter", "native": False, "deferrable": False},
    ),
    "None that a task is expanded over": Guard(
        without=lambda _task: set(),
        check=rendered.test_nothing_that_a_task_is_expanded_over_is_refused,
        arguments={"name": "condition", "by": "expand"},
    ),
    "filters that vanish": Guard(
        without=nothing,
        check=rendered.test_a_filter_that_vanishes_is_refused,
        arguments={"pushed": []},
    ),
    "texts of which jinja makes a value": Guard(
        without=lambda template, value, **_: (template, value),
        check=rendered.test_a_text_of_which_jinja_makes_a_value_is_looked_into,
        arguments={"name": "query"},
    ),
    "parts of a text that are missing": Guard(
        without=lambda *_: False,
        check=rendered.test_a_part_that_is_missing_is_refused,
        arguments={"template": "{{ end }}/{{ missing }}/x"},
    ),
    "waits of sensors": Guard(
        seam="longest wait",
        without=TEN_YEARS,
        check=sensors.test_an_absurd_retry_after_does_not_end_the_wait,
        arguments={"mode": {"deferrable": True}},
    ),
    "what a condition decides": Guard(
        without=NeverRaisedError,
        check=control_flow.test_what_a_condition_raises_ends_the_sensor,
        arguments={"mode": {"deferrable": True}, "name": "skip", "looks": 2},
    ),
}


if AIRFLOW_V_3_0_PLUS:  # older ones have no event triggers
    from airflow_mirrordb.triggers.order import Order
    from tests.integration import (
        test_event_trigger as watchers,
        test_event_trigger_cursor as cursors,
        test_event_trigger_tags as watched_tags,
    )

    def order_of_texts(values: list[Any], _kept: Any = None) -> tuple[Order, list[str]]:
        return Order(name="texts", key=str), [str(value) for value in values]

    GUARDS |= {
        "entity tags that hold a secret": Guard(
            without=lambda _self, text: text,
            check=watched_tags.test_a_tag_that_holds_the_key_is_none,
            arguments={"tag": b'"%b-1"'},
        ),
        "waits of watchers": Guard(
            seam="longest wait",
            without=TEN_YEARS,
            check=watchers.test_an_absurd_retry_after_does_not_end_the_watching,
        ),
        "order of cursors": Guard(
            without=order_of_texts,
            check=cursors.test_newer_record_is_an_event_however_it_is_written,
            arguments={"first": "9", "then": "10"},
        ),
        "events that Airflow can carry": Guard(
            seam="events of a watcher",
            without=unchanged,
            check=cursors.test_event_can_always_be_sent_and_stored,
        ),
        "entity tags that a backend refuses": Guard(
            without=(),
            check=watched_tags.test_backend_that_refuses_its_own_tag_is_asked_without,
            arguments={"status": 400},
        ),
    }
    if AIRFLOW_V_3_3_PLUS:  # older ones keep nothing for assets
        GUARDS["cursors that Airflow can carry"] = Guard(
            without=unchanged,
            check=cursors.test_kept_cursor_is_what_the_backend_sent,
            arguments={"cursor": cursors.BEYOND, "as_text": True},
        )
        GUARDS["waits of tasks"] = Guard(
            seam="longest wait",
            without=TEN_YEARS,
            check=tries_of_tasks.test_an_absurd_retry_after_does_not_park_a_task,
        )
