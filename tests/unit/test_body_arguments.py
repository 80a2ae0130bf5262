"""Which arguments make one body together."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_mirrordb.body_arguments import check_bodies
from airflow_mirrordb.json_types import NOT_GIVEN
from airflow_mirrordb.task.checks import check_body_arguments

GOOD: list[dict[str, Any]] = [
    {"data": {}},
    {"data": {}, "content_type": "application/vnd.api+json"},
    {"form": {"a": 1}},
    {"form": {"a": 1}, "files": {"f": "/x"}},
    {"files": {"f": "/x"}},
    {"input_path": "/x"},
    {"input_path": "/x", "content_type": "text/csv"},
    {"data": {}, "form": None, "files": None, "input_path": None},
]
BAD = [
    ({"data": {}, "form": {}}, r"data: data \(JSON\) and form \(a form\) are several bodies"),
    ({"data": 0, "input_path": "/x"}, "data: .* several bodies"),
    ({"form": {}, "input_path": "/x"}, "form: .* several bodies"),
    ({"files": {}, "input_path": "/x"}, "files: .* several bodies"),
    ({"data": [], "form": {}, "files": {}}, "data: .* several bodies"),
    ({"form": {}, "content_type": "text/csv"}, "content_type: it is of data or input_path"),
    ({"files": {}, "content_type": "text/csv"}, "content_type: it is of data or input_path"),
]


@pytest.mark.parametrize("given", GOOD)
def test_one_body_is_one(given: dict[str, Any]) -> None:
    """Files have a place for fields beside them (RFC 7578, section 4)."""
    check_bodies(given)
    check_body_arguments(**{"data": NOT_GIVEN, **given})


@pytest.mark.parametrize(("given", "words"), BAD)
def test_several_bodies_are_refused(given: dict[str, Any], words: str) -> None:
    """Each is named, with what it sends."""
    with pytest.raises(ValueError, match=words):
        check_bodies(given)
    with pytest.raises(ValueError, match=words):
        check_body_arguments(**given)


def test_the_author_of_a_task_says_what_is_sent() -> None:
    """None sends no body, and has to be written."""
    check_body_arguments(data=None)
    check_bodies({})
    with pytest.raises(
        ValueError, match="data: it is missing; a body is made of data, form, files, input_path"
    ):
        check_body_arguments(data=NOT_GIVEN)
