"""Guards against large bodies: how much of one is looked at, for the event loop waits meanwhile."""

from __future__ import annotations

from typing import Any

from airflow_mirrordb.client.collections.pages.signs_of_more import signs_of_more
from tests.support.guards import Guard
from tests.unit import (
    test_error_bodies as bodies_of_errors,
    test_error_details as problems,
    test_excerpts as excerpts,
    test_failure_words as words_of_failures,
    test_json_faults as faults_of_json,
    test_signs_of_more as signs,
)


class Everything:
    """In the place of an excerpt."""

    def of(self, value: Any) -> Any:
        return value


GUARDS: dict[str, Guard] = {
    "depth of errors": Guard(
        without=10**9,
        check=problems.test_a_deep_body_is_an_error_like_any_other,
        arguments={"name": "error", "depth": 500},
    ),
    "number of values of errors": Guard(
        without=10**9,
        check=bodies_of_errors.test_only_so_many_values_are_looked_at,
    ),
    "number of errors": Guard(
        without=10**9,
        check=bodies_of_errors.test_many_errors_are_told_up_to_twenty,
    ),
    "number of values of failures": Guard(
        without=10**9,
        check=words_of_failures.test_they_are_bounded,
    ),
    "what is scanned of bodies": Guard(
        without=10**9,
        check=faults_of_json.test_the_place_in_a_long_body_is_its_line_and_column,
    ),
    "what is shown of bodies": Guard(
        without=10**9,
        check=faults_of_json.test_what_is_there_is_cut_at_eighty_characters,
    ),
    "what is read of failures": Guard(
        without=Everything,
        check=excerpts.test_a_large_failure_of_a_resource_is_not_read_to_its_end,
        arguments={"name": "errors in errors"},
    ),
    "what is read of errors in successes": Guard(
        without=Everything,
        check=excerpts.test_a_large_error_of_a_success_is_not_read_to_its_end,
        arguments={"name": "wide objects in a list", "status": 200},
    ),
    "number of failed parts": Guard(
        without=10**9,
        check=excerpts.test_a_large_error_of_a_success_is_not_read_to_its_end,
        arguments={"name": "many parts", "status": 207},
    ),
    "number of fields": Guard(
        without=10**9,
        check=signs.test_only_what_lies_near_the_top_is_looked_at,
        arguments={"look": signs_of_more},
    ),
    "length of names of fields": Guard(
        without=10**9, check=signs.test_long_names_are_neither_searched_nor_shown_whole
    ),
}
