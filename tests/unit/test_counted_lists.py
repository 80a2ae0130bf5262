"""By which list of a page its records are counted, however their expression is spelled."""

from __future__ import annotations

import pytest

from airflow_mirrordb.client.collections.pages.arguments import check_page_arguments
from airflow_mirrordb.client.collections.pages.counted_lists import UnclearError, counted_in
from airflow_mirrordb.client.errors import InvalidRequestError

ROWS = [{"id": number, "on": number == 1, "tags": ["a", "b"]} for number in range(4)]
BODY = {"rows": ROWS, "deep": {"rows": ROWS}, "sets": [{"name": "a", "rows": ROWS}], "by": {"a": 1, "b": 2}}


@pytest.mark.parametrize(
    "records",
    [
        "rows[?on]",
        "rows[?on].id",
        "rows | [?on]",
        "@.rows[?on]",
        "@ | rows[?on]",
        "(rows)[?on]",
        "deep.rows[?on].{key: id}",
        "deep | rows | [?on].id",
        "sort_by(rows[?on], &id)",
        "reverse(sort_by(rows[?on], &id))",
        "rows[?on] | sort_by(@, &id)",
        "rows[?on] | [?id > `0`]",
        "rows[?on] || `[]`",
        "map(&id, rows[?on])",
        "rows[0:1]",
        "rows[0:1] | [?on]",
        "rows[].missing",
        "rows[*].missing",
        "sets[?name == 'a'] | [0].rows[?on]",
    ],
)
def test_what_an_expression_leaves_out_is_counted(records: str) -> None:
    """JMESPath, "Filter Expressions", "Slices" and "Projections": null is left out, too."""
    assert counted_in(records, BODY) == 4


@pytest.mark.parametrize(
    "records", ["rows", "values(by)", "by.*", "rows || items", "sets[?name == 'a'].rows | [0]"]
)
def test_what_leaves_nothing_out_is_counted_as_it_is(records: str) -> None:
    """There is no other list."""
    assert counted_in(records, BODY) is None


@pytest.mark.parametrize(
    "records",
    ["sets[].rows[]", "sets[*].rows | []", "sets[?on].rows[]", "rows[?on] || sets[?on]", "[rows[?on]][]"],
)
def test_lists_in_a_list_are_refused_where_records_are_counted(records: str) -> None:
    """The backend may count the lists, or what is in them."""
    with pytest.raises(UnclearError):
        counted_in(records, BODY)
    for counted in ({"style": "offset", "param": "skip"}, {"style": "link", "total": "total"}):
        with pytest.raises(InvalidRequestError, match=r"paginate\.records: .*name the one list of the page"):
            check_page_arguments({**counted, "records": records})
    check_page_arguments({"style": "link", "records": records})
