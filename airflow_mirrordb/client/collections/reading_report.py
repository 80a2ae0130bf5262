"""What is told of a collection while it is read: its progress, and what its arguments may have missed."""

from __future__ import annotations

import logging

from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.collections.next_links import PageRequest
from airflow_mirrordb.client.collections.pagination import Page, Pagination
from airflow_mirrordb.client.collections.signs_of_more import (
    MOST,
    has_records,
    looks_full,
    signs_of_more,
    signs_of_total,
)
from airflow_mirrordb.client.messages.response import MirrorDBResponse

log = logging.getLogger(__name__)

#: Seconds from one line of progress to the next.
LOG_EVERY = 10.0


class ReadingReport:
    """Writes to the log how a collection is read.

    :param clock: tells when the next line is due
    :param name: of the request, without secrets
    :param tells_progress: whether to write how far it is
    """

    def __init__(self, pagination: Pagination, clock: Clock, name: str, *, tells_progress: bool) -> None:
        self._pagination, self._clock, self._name = pagination, clock, name
        self._tells_progress = tells_progress
        self._began = clock.monotonic()
        self._log_at = self._began + LOG_EVERY
        self._records = self._pages = 0
        self._total: int | None = None
        self._first: tuple[PageRequest, MirrorDBResponse, Page] | None = None
        self._last: tuple[MirrorDBResponse, Page] | None = None
        self._told_next = False
        self._unseen = {name for name in ("total", "page_count", "more") if getattr(pagination, name)}

    def page(self, request: PageRequest, response: MirrorDBResponse, page: Page, total: int | None) -> None:
        """Note a page, and write a line if it is time.

        :param total: records that there are in all, as far as it is known
        """
        self._first, self._last = self._first or (request, response, page), (response, page)
        self._records += page.count
        self._pages += 1
        self._total = total
        self._told_next |= not self._pagination.is_counted and self._pagination.tells_next(response)
        if page.count or self._pages == 1:  # any number may be the total of an empty page
            self._unseen -= {name for name in self._unseen if getattr(page, name) is not None}
        if self._clock.monotonic() >= self._log_at:
            self._log(at_end=False)

    def end(self) -> None:
        """Write how it ended, and what may be wrong with it."""
        self._log(at_end=True)
        for name in sorted(self._unseen):
            log.warning(
                "%s: paginate.%s: %r is in no page, neither in its body nor as a header, or is something"
                " else; the end of the collection is not checked by it",
                self._name,
                name,
                getattr(self._pagination, name),
            )
        if self._pagination.is_counted and self._last is not None:
            self._warn_of_early_end(*self._last)
        elif self._first is not None and not self._told_next:
            self._warn_of_no_next(*self._first)

    def _warn_of_early_end(self, response: MirrorDBResponse, page: Page) -> None:
        """Warn if the last page, to which the total or the number of pages led, tells of another one."""
        if (
            page.count
            and page.more is not False
            and (signs := signs_of_more(response.body, response.headers))
        ):
            log.warning(
                "%s: the collection ended after %s records, as 'total' or 'page_count' says. %s. If there are"
                " more pages, mend 'paginate'",
                self._name,
                f"{self._records:,}",
                _named(signs),
            )

    def _warn_of_no_next(self, request: PageRequest, response: MirrorDBResponse, page: Page) -> None:
        """Warn if the only page looks as if it were not: an argument may be misspelt."""
        if page.more is False or (page.total is not None and page.count >= page.total):
            return
        signs = signs_of_more(response.body, response.headers)
        signs += signs_of_total(response.body, response.headers, page.count)
        is_full = looks_full(page.count, request.request.query, request.request.data)
        if not signs and not is_full:
            return
        place = {"link": "no Link header", "header": f"no header {self._pagination.next!r}"}.get(
            self._pagination.style, f"nothing at {self._pagination.next!r} in its body"
        )
        log.warning(
            "%s: the collection ended after its first page, of %d records%s, since there is %s. %s. If there"
            " are more pages, mend 'paginate'",
            self._name,
            page.count,
            ", which looks full" if is_full else "",
            place,
            _named(signs) if signs else _headers_and_keys(response),
        )

    def _log(self, *, at_end: bool) -> None:
        if not self._tells_progress:
            return
        now = self._clock.monotonic()
        self._log_at = now + LOG_EVERY
        seconds = max(now - self._began, 1e-9)
        rate = self._records / seconds
        left = ""
        if not at_end and self._total is not None and rate:
            left = f", about {max(self._total - self._records, 0) / rate:,.0f} s left"
        log.info(
            "%s: %s records in %s pages, after %.1f s, %.1f/s%s",
            self._name,
            f"{self._records:,}"
            if self._total is None or at_end
            else f"{self._records:,} of {self._total:,}",
            f"{self._pages:,}",
            seconds,
            rate,
            left,
        )


def warning_of_pages(response: MirrorDBResponse) -> str | None:
    """Return what to say of a read without ``paginate`` whose answer shows that there are further pages.

    Takes no time if the answer is no list.
    """
    if not has_records(response.body):
        return None
    signs = signs_of_more(response.body, response.headers)
    return f"{_named(signs)}; 'paginate' reads all pages" if signs else None


def _named(signs: list[str]) -> str:
    more = ", …" if len(signs) > MOST else ""
    return f"The answer seems to tell of further pages by: {', '.join(signs[:MOST])}{more}"


def _headers_and_keys(response: MirrorDBResponse) -> str:
    body = response.body
    keys = f"the keys {', '.join(map(str, list(body)[:20]))}" if isinstance(body, dict) else "no keys"
    return f"The body has {keys:.300}; the headers are {', '.join(response.headers):.500}"
