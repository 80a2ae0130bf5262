"""From a text of CSV to records: the values of a row by the names of the columns. Pure; no I/O.

CSV is that of RFC 4180, with any line breaks, read by Python's module ``csv``. All values are texts. Where
the first line has no comma, the columns are divided by what it has instead: a semicolon, a tab, ``|``, ``^``
or a backquote, as Salesforce's ``columnDelimiter`` may say. In values that are divided by tabs (IANA,
"text/tab-separated-values") a quotation mark is one.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from threading import Lock

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.sizes import MAX_EXPANSION

#: Rows that are read at a time: some milliseconds of work.
ROWS_AT_A_TIME = 256
#: Bytes that a dict takes beside what ``sys.getsizeof`` tells, with its place in a list; and a text of two
#: characters or more beside them. Shorter ones are shared.
_OF_DICT, _OF_TEXT = 25, 64

#: Bytes that the name of a column takes, with what is made to look at all of them.
_OF_COLUMN = 250
_TOO_MUCH = f"its {{}} take more than {MAX_EXPANSION} times max_response_bytes in memory; read fewer at once"

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_DELIMITERS = ",;\t|^`"
_QUOTED = re.compile(r'"[^"]*"')
#: Characters of the first line in which a delimiter is looked for.
_MAX_HEAD = 2**16

#: Held while the longest value of the module ``csv``, which is one for the whole process, is another.
_LIMIT = Lock()


def _renew_lock() -> None:
    global _LIMIT  # noqa: PLW0603  # a thread that the child has not may hold it
    _LIMIT = Lock()


os.register_at_fork(after_in_child=_renew_lock)


class TableError(ValueError):
    """A text is no table, or takes too much memory; its words quote no value."""


class Table:
    """The rows of a text.

    :param text: of CSV
    :param is_tabbed: whether tabs divide its values, and quotation marks do not quote
    :param columns: names that are known already; None if none are
    :param is_headed: whether its first line has the names
    :param most_bytes: length that a body may have; all rows may take some times as much in memory
    :raises TableError: if two columns have the same name, the names are not those that are known, or there
        are none
    """

    def __init__(
        self,
        text: str,
        *,
        is_tabbed: bool,
        columns: tuple[str, ...] | None = None,
        is_headed: bool = True,
        most_bytes: float,
    ) -> None:
        text = text.removeprefix("\ufeff")
        self._length, self._width = len(text), 1 if text.isascii() else 4
        self._most_memory, self._rows = MAX_EXPANSION * most_bytes, 0
        self._reader = csv.reader(
            (line[0] for line in _LINE.finditer(text)),
            delimiter="\t" if is_tabbed else _delimiter_of(text),
            quoting=csv.QUOTE_NONE if is_tabbed else csv.QUOTE_MINIMAL,
            strict=True,
        )
        self.columns = self._named(columns) if is_headed else columns
        if self.columns is None and not is_headed and text.strip():
            raise TableError("no line names its columns, as its content type says (header=absent)")
        row = dict.fromkeys(self.columns or ())
        self._row_size = sys.getsizeof(row) + _OF_DICT
        self._names_size = sum(len(json.dumps(name)) + 4 for name in row)  # "name":"value",

    @property
    def names_size(self) -> int:
        """Bytes that the rows so far take as JSON beside their values."""
        return self._rows * self._names_size

    def read(self) -> list[dict[str, str]]:
        """Return the next rows; none at the end.

        :raises TableError: if one has more or fewer values than there are columns, or is quoted in a wrong
            way; or the rows take too much memory
        """
        if self.columns is None:
            return []
        with _long_values(self._length):
            found = [
                dict(zip(self.columns, row, strict=False)) for row in islice(self._checked(), ROWS_AT_A_TIME)
            ]
        self._rows += len(found)
        if self._memory > self._most_memory:
            raise TableError(_TOO_MUCH.format("rows"))
        return found

    def _named(self, known: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Return what the first line names; what is known if there is none."""
        with _long_values(self._length):
            names = next(filter(None, self._lines()), None)
        if names is None:
            return known
        if len(names) * _OF_COLUMN > self._most_memory:
            raise TableError(_TOO_MUCH.format("columns"))
        name, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise TableError(f"two columns have the name {shortened(name, 100)!r}")
        if known is not None and known != tuple(names):
            told = shortened(", ".join(map(repr, known)), 300)
            raise TableError(f"it begins with other columns than the first page, which has {told}")
        return tuple(names)

    def _lines(self) -> Iterator[list[str]]:
        try:
            yield from self._reader
        except csv.Error as error:
            raise TableError(f"line {self._reader.line_num}: {error}") from None

    def _checked(self) -> Iterator[list[str]]:
        """Yield rows with as many values as there are columns; an empty line is a row of one column only."""
        columns = len(self.columns or ())
        for row in self._lines():
            if len(row) == columns:
                yield row
            elif row:
                values = f"{len(row)} value{'s' * (len(row) != 1)}"
                there_are = f"there {'is 1 column' if columns == 1 else f'are {columns} columns'}"
                raise TableError(f"line {self._reader.line_num} has {values}, and {there_are}")
            elif columns == 1:
                yield [""]

    @property
    def _memory(self) -> int:
        """About the bytes that the rows so far take, rather too many."""
        values = self._rows * len(self.columns or ())
        characters = max(0, self._length - values)
        return (
            self._rows * self._row_size + _OF_TEXT * min(values, characters // 2) + self._width * characters
        )


def _delimiter_of(text: str) -> str:
    head = _QUOTED.sub("", text[:_MAX_HEAD]).lstrip("\r\n")
    line = _LINE.match(head)
    return next((mark for mark in _DELIMITERS if line and mark in line[0]), ",")


@contextmanager
def _long_values(length: int) -> Iterator[None]:
    """Let values be as long as a text, which the module ``csv`` does not by itself."""
    with _LIMIT:
        before = csv.field_size_limit()
        if before < length:
            csv.field_size_limit(length)
        try:
            yield
        finally:
            if csv.field_size_limit() == length:  # or somebody else has set it meanwhile
                csv.field_size_limit(before)
