"""Guards of collections: no record is lost or doubled in silence, and no page asked of others."""

from __future__ import annotations

import re
from typing import Any

from airflow_mirrordb.client.bodies.tables import Table
from airflow_mirrordb.client.collections.pages import next_links
from tests.integration import (
    test_files_elsewhere as files,
    test_page_ends as ends,
    test_page_links as links,
    test_pages_by_header as by_header,
)
from tests.support.guards import Guard, nothing
from tests.unit import test_counted_lists as counted, test_tables as tables

FOLLOWED = next_links.followed


def followed_from_what_was_asked(*page: Any, redirected: object, **how: Any) -> Any:
    """In the place of RFC 3986, section 5.1.3."""
    del redirected
    return FOLLOWED(*page, **how)


def parameters_of_links(name: str = r"[^\s=;,]*", quoted: str = r"(?:[^\"\\]|\\.)*") -> re.Pattern[str]:
    return re.compile(rf"[^;,]*;\s*({name})\s*(?:=\s*(?:\"({quoted})\\?(?:\"|$)|([^;,]*)))?", re.DOTALL)


NAMED = Table._named


def whatever_it_begins_with(table: Table, _known: object) -> Any:
    """In the place of the columns of the first page."""
    return NAMED(table, None)


def header(value: str, url: str | None) -> dict[str, Any]:
    return {
        "check": links.test_a_link_header_is_read_by_its_grammar,
        "arguments": {"header": value, "url": url},
    }


GUARDS: dict[str, Guard] = {
    # next pages
    "where relative links begin": Guard(
        without=followed_from_what_was_asked,
        check=links.test_relative_links_begin_where_a_redirect_led,
    ),
    "next pages of files at other hosts": Guard(
        seam="where relative links begin",
        without=followed_from_what_was_asked,
        check=files.test_the_next_page_of_a_file_is_not_asked_of_the_backend,
        arguments={"start": "", "rebase": False},
    ),
    "quoted pairs in parameters of links": Guard(
        seam="parameters of links",
        without=parameters_of_links(quoted=r"[^\"]*"),
        **header(r'<?p=1>; title="a\"; rel=next; b"; rel="prev"', None),
    ),
    "quoted pairs in relations of links": Guard(
        without=re.compile(r"(?!)"), **header(r'<?p=2>; rel="\n\ext"', "?p=2")
    ),
    "empty parameters of links": Guard(
        seam="parameters of links",
        without=parameters_of_links(name=r"[^\s=;,]+"),
        **header('<?p=2>; ; rel="next"', "?p=2"),
    ),
    "conditions of later pages": Guard(
        without=(), check=links.test_a_condition_of_the_connection_is_that_of_the_first_page
    ),
    "texts of null in headers": Guard(
        without="none", check=by_header.test_the_text_null_is_no_value, arguments={"more": {}}
    ),
    # CSV
    "columns of later pages": Guard(
        without=whatever_it_begins_with, check=tables.test_all_pages_have_the_same_columns
    ),
    "lengths of rows": Guard(
        without=Table._lines,
        check=tables.test_what_is_no_table_is_told_by_its_line,
        arguments={"text": "a,b\n1\n", "words": "line 2 has 1 value"},
    ),
    "memory of rows": Guard(
        without=10**9, check=tables.test_what_they_take_in_memory_is_known, arguments={"name": "short"}
    ),
    # what is counted
    "lists that cannot be counted": Guard(
        without=nothing,
        check=counted.test_lists_in_a_list_are_refused_where_records_are_counted,
        arguments={"records": "sets[].rows[]"},
    ),
    "records that are left out": Guard(
        without=nothing,
        check=ends.test_records_that_an_expression_leaves_out_are_counted,
        arguments={"records": "rows | [?open].id"},
    ),
    "pages that come again in a circle": Guard(
        seam="pages that come again",
        without=lambda *_: False,
        check=links.test_pages_that_come_again_are_not_all_of_them,
        arguments={"total": 10},
    ),
    "pages of lists that come again": Guard(
        seam="pages that come again",
        without=lambda page, before: page.records == before and isinstance(page.records[0], dict),
        check=links.test_a_counted_page_of_lists_that_comes_again_is_refused,
    ),
    "empty pages before the last one": Guard(
        without=lambda _pagination, _number, page: not page.count,
        check=ends.test_an_empty_page_before_the_last_one_is_no_end,
        arguments={"concurrency": 1},
    ),
    "404 for a page that there should be": Guard(
        seam="pages that were told",
        without=lambda _page: False,
        check=ends.test_a_404_for_a_page_that_there_should_be_is_an_error,
        arguments={"body": {"pages": 3}, "argument": {"page_count": "pages"}},
    ),
    "404 for a page that a flag tells of": Guard(
        seam="pages that were told",
        without=lambda _page: False,
        check=ends.test_a_404_for_a_page_that_there_should_be_is_an_error,
        arguments={"body": {"more": True}, "argument": {"more": "more"}},
    ),
}
