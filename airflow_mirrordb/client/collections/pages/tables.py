"""Pages of CSV: each is the list of its rows, and all have the same columns."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.bodies.tables import Table, TableError
from airflow_mirrordb.client.collections.pages.arguments import begins_with_name
from airflow_mirrordb.client.collections.pages.page import found_in_body, unusable
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.media_types import has_no_names, says_nothing, table_asked_for, table_type
from airflow_mirrordb.paths import ABSENT

if TYPE_CHECKING:
    from airflow_mirrordb.client.collections.pages.pagination import Pagination

log = logging.getLogger(__name__)

#: Arguments that name a header, where no path finds them.
_NUMBERS = ("total", "page_count")


class TablePages:
    """Makes lists of records of the pages of one collection that are no JSON.

    :param accept: media types that were asked for
    :param most_bytes: length that a page may have; its rows may take some times as much in memory
    :param name: of the request, in the log, without secrets
    """

    def __init__(self, pagination: Pagination, accept: str | None, most_bytes: float, name: str) -> None:
        self._pagination, self._accept = pagination, accept
        self._most_bytes, self._name = most_bytes, name
        self._told = False
        self._columns: tuple[str, ...] | None = None

    async def decoded(self, response: MirrorDBResponse) -> MirrorDBResponse:
        """Return an answer with its rows as its body, and the size that they have as JSON.

        The event loop goes on meanwhile.

        :raises InvalidResponseError: if it is no CSV, has other columns than the page before, takes too much
            memory, or has no header of the number of records or pages
        """
        is_first = self._columns is None
        table = self._table(response)
        rows = list[dict[str, str]]()
        try:
            while some := table.read():
                rows += some
                await asyncio.sleep(0)
        except TableError as error:
            raise _no_table(response, str(error)) from None
        self._columns = table.columns
        if not self._told and "\ufffd" in response.body:
            self._told = True
            log.warning(
                "%s: a page of CSV has U+FFFD, which stands for what could not be decoded: is it in another"
                " charset than %r says (UTF-8 if nothing)?",
                self._name,
                response.headers.get("Content-Type", "none")[:200],
            )
        response = replace(response, data=rows, body=rows, size=response.size + table.names_size)
        if is_first:
            self._check_headers(response)
        return response

    def _table(self, response: MirrorDBResponse) -> Table:
        content_type = response.headers.get("Content-Type", "")
        kind = table_type(content_type)
        if kind is None and says_nothing(content_type):
            kind = table_asked_for(self._accept)
        if kind is None:
            told = shortened(content_type or "none", 200)
            reason = f"the page is neither JSON nor CSV (content type {told!r}), and so has no records"
            raise unusable(response, f"{reason}; without paginate its text is the result")
        try:
            return Table(
                response.body,
                is_tabbed=kind == "tsv",
                columns=self._columns,
                is_headed=not has_no_names(content_type),
                most_bytes=self._most_bytes,
            )
        except TableError as error:
            raise _no_table(response, str(error)) from None

    def _check_headers(self, response: MirrorDBResponse) -> None:
        for name in _NUMBERS:
            place = getattr(self._pagination, name)
            if place is None or place in response.headers or not begins_with_name(place):
                continue
            if found_in_body(response, name, place) in (ABSENT, None):
                reason = f"paginate.{name}: there is no header {place!r}, and a page of CSV has only rows"
                raise unusable(response, reason)


def _no_table(response: MirrorDBResponse, reason: str) -> Exception:
    return unusable(response, f"the page is no CSV of which records can be made: {reason}")
