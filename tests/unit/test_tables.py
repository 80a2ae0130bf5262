"""Records made of CSV: RFC 4180, the module ``csv``, and what else is sent under its media types."""

from __future__ import annotations

import csv
import io
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.bodies.sizes import MAX_EXPANSION
from airflow_mirrordb.client.bodies.tables import ROWS_AT_A_TIME, Table, TableError

Rows = list[dict[str, str]]


def records_of(text: str, **options: Any) -> Rows:
    table = Table(text, **{"is_tabbed": False, "most_bytes": math.inf, **options})
    rows: Rows = []
    while some := table.read():
        rows += some
    return rows


#: No text that is decoded has a NUL, nor half of a surrogate pair.
TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=5)
LINES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r\n"), max_size=5)


def written_as(quoting: int, texts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[int, list[list[str]]]]:
    rows = st.lists(st.lists(texts, min_size=2, max_size=2), max_size=5)
    return st.tuples(st.just(quoting), rows)


@given(
    # before Python 3.13 a line break that is not that of the lines is not quoted, and so is lost
    written_as(csv.QUOTE_ALL, TEXTS) | written_as(csv.QUOTE_MINIMAL, LINES),
    st.sampled_from(",;\t|^`"),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_the_module_csv_writes_is_read(
    written_rows: tuple[Any, list[list[str]]], delimiter: str, line_break: str
) -> None:
    """With all delimiters that Salesforce has, and any line breaks."""
    quoting, rows = written_rows
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator=line_break, quoting=quoting)
    writer.writerows([["Id", "Name"], *rows])
    text = written.getvalue()
    assert records_of(text) == [dict(zip(("Id", "Name"), row, strict=True)) for row in rows]
    found = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    assert records_of(text) == list(found)


@pytest.mark.parametrize(
    ("text", "records"),
    [
        # RFC 4180, section 2
        ("a,b\r\n1,2", [{"a": "1", "b": "2"}]),
        ('a,b\r\n"1\r\n,""2""",\r\n', [{"a": '1\r\n,"2"', "b": ""}]),
        ("a, b\n 1 , \n", [{"a": " 1 ", " b": " "}]),  # spaces are part of a field
        ("", []),
        ("\n\n", []),
        ("a,b\n", []),
        ("\ufeffa,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("a,b\n\n1,2\n\n", [{"a": "1", "b": "2"}]),
        ("a\n1\n\n2\n", [{"a": "1"}, {"a": ""}, {"a": "2"}]),  # a line of one empty field
        (",b\n1,2\n", [{"": "1", "b": "2"}]),
        ("a,b\n\x85\u2028,\x0b\n", [{"a": "\x85\u2028", "b": "\x0b"}]),  # no line breaks
        # other delimiters
        ('"a,b";"c"\n1;2\n', [{"a,b": "1", "c": "2"}]),
        ("a;b,c\n1;2,3\n", [{"a;b": "1;2", "c": "3"}]),
        ("a\n1;2\n", [{"a": "1;2"}]),
    ],
)
def test_a_row_is_an_object_of_texts(text: str, records: Rows) -> None:
    """By the names in the first line."""
    assert records_of(text) == records


def test_quotation_marks_are_values_where_tabs_divide_them() -> None:
    """IANA, "text/tab-separated-values": nothing is quoted; what is empty is a value."""
    found = records_of('"a"\tb\n"1\t""\n\t\n', is_tabbed=True)
    assert found == [{'"a"': '"1', "b": '""'}, {'"a"': "", "b": ""}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1\n", "line 2 has 1 value, and there are 2 columns"),
        ("a,b\n1,2,\n", "line 2 has 3 values, and there are 2 columns"),
        ('a\n"1\n2"\n1,2\n', "line 4 has 2 values, and there is 1 column"),
        ('a,b\n"1"x,2\n', "line 2: ',' expected after '\"'"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 4: unexpected end of data"),
        ("a,a\n", "two columns have the name 'a'"),
        ('a,"b\n', "line 1: unexpected end of data"),
    ],
)
def test_what_is_no_table_is_told_by_its_line(text: str, words: str) -> None:
    """Nothing is guessed: a value at another name would be wrong in silence."""
    with pytest.raises(TableError, match=words):
        records_of(text)


@given(st.text(st.sampled_from('ab,;"\t\r\n \ufeff')), st.booleans())
def test_any_text_is_a_table_or_is_refused(text: str, is_tabbed: bool) -> None:
    """A backend may send anything."""
    try:
        rows = records_of(text, is_tabbed=is_tabbed)
    except TableError:
        return
    assert len({tuple(row) for row in rows}) <= 1


def test_a_table_without_names_has_those_of_the_page_before() -> None:
    """``header=absent`` (RFC 4180, section 3)."""
    assert records_of("1,2\n", columns=("a", "b"), is_headed=False) == [{"a": "1", "b": "2"}]
    assert records_of("", is_headed=False) == []
    with pytest.raises(TableError, match="no line names its columns"):
        records_of("1,2\n", is_headed=False)


def test_all_pages_have_the_same_columns() -> None:
    """In the same order; one without a line has no rows, and changes nothing."""
    assert records_of("a,b\n1,2\n", columns=("a", "b")) == [{"a": "1", "b": "2"}]
    assert Table("", is_tabbed=False, columns=("a",), most_bytes=1).columns == ("a",)
    with pytest.raises(TableError, match="other columns than the first page, which has 'a', 'b'"):
        records_of("1,2\n", columns=("a", "b"))


def test_the_number_of_columns_is_bounded() -> None:
    """Their names would take more than the rows."""
    text = ",".join(map(str, range(10_000)))
    assert records_of(text, most_bytes=200_000) == []
    with pytest.raises(TableError, match="columns take more than 20 times max_response_bytes"):
        records_of(text, most_bytes=len(text))


def test_rows_come_some_at_a_time() -> None:
    """The event loop has its turn between them."""
    table = Table("a\n" + "1\n" * (ROWS_AT_A_TIME + 1), is_tabbed=False, most_bytes=math.inf)
    assert [len(table.read()) for _ in range(3)] == [ROWS_AT_A_TIME, 1, 0]


ROWS = {
    "short": "a\n" + "1\n" * 50_000,
    "empty": "a\n" + "\n" * 50_000,
    "pairs": "a,b\n" + "12,34\n" * 20_000,
    "sparse": ",".join(map(str, range(50))) + "\n" + ("," * 49 + "\n") * 2_000,
    "many": ",".join(f"column{n}" for n in range(20)) + "\n" + (",".join(["value"] * 20) + "\n") * 2_000,
    "long": "Id,Name,Day\n" + "005R0000000UyrWIAS,Ada Lovelace,2026-11-25T12:00:00.000Z\n" * 5_000,
    "wide": "Id,Name\n" + "005R0000000UyrWIAS,Ada Lovelace \U0001f600\n" * 5_000,
}


@pytest.mark.parametrize("name", ROWS)
def test_what_they_take_in_memory_is_known(name: str) -> None:
    """Never less than they take, and not three times as much."""
    text = ROWS[name]
    tracemalloc.start()
    try:
        rows = records_of(text)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert records_of(text, most_bytes=3 * taken / MAX_EXPANSION) == rows
    with pytest.raises(TableError, match="more than 20 times max_response_bytes in memory"):
        records_of(text, most_bytes=0.97 * taken / MAX_EXPANSION)


@pytest.mark.parametrize("name", ["pairs", "many", "long", "wide"])
def test_what_people_store_is_read_up_to_the_limit(name: str) -> None:
    """Whatever it takes in memory, a body of ``max_response_bytes`` is read; a sparse one may be too much."""
    if name != "pairs":
        assert records_of(ROWS[name], most_bytes=len(ROWS[name].encode()))
    assert records_of(ROWS[name], most_bytes=5 * len(ROWS[name]))
