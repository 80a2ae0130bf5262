"""What is told of a collection while it is read: its progress, and what its arguments may have missed."""

from __future__ import annotations

import logging

from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.collections.pages.next_links import PageRequest
from airflow_mirrordb.client.collections.pages.page import Page, ids_of
from airflow_mirrordb.client.collections.pages.pagination import Pagination
from airflow_mirrordb.client.collections.pages.signs_of_more import (
    CERTAIN,
    HEADER,
    MOST,
    NAMED,
    has_records,
    looks_full,
    may_be_page,
    signs_of_more,
    signs_of_total,
    signs_to_all,
    totals_in,
)
from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.media_types import table_type

log = logging.getLogger(__name__)

#: Seconds from one line of progress to the next.
LOG_EVERY = 10.0
#: What backends count up to is a multiple of this, as the 10,000 of Elasticsearch.
_CAP = 1_000


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
        self._log_at, self._has_logged = self._began + LOG_EVERY, False
        self._records = self._pages = self._filled = 0
        self._total: int | None = None
        self._totals = set[int]()
        self._longest = 0
        self._first: tuple[PageRequest, MirrorDBResponse, Page] | None = None
        self._last: tuple[PageRequest, MirrorDBResponse, Page] | None = None
        self._last_filled: MirrorDBResponse | None = None
        self._ids: list[str] = []
        self._same_ids = False
        self._had_next = False
        self._tells_next: bool | None = None
        self._unseen = {name for name in ("total", "page_count", "more") if getattr(pagination, name)}

    def page(self, request: PageRequest, response: MirrorDBResponse, page: Page, total: int | None) -> None:
        """Note a page, and write a line if it is time.

        :param total: records that there are in all, as far as it is known
        """
        self._last = request, response, page
        self._first = self._first or self._last
        self._records += page.count
        self._pages += 1
        self._filled += bool(page.count)
        self._total = total
        if self._pagination.is_counted:
            ids, self._ids = self._ids, ids_of(page.records)
            # one record, or some with one id, tell nothing: what they are told apart by is something else
            self._same_ids |= len(ids) > 1 and ids == self._ids and len(set(map(str, ids))) == len(ids)
        else:
            self._tells_next = self._pagination.tells_next(response)
            self._had_next |= self._tells_next is not None
        if page.count:
            self._longest, self._last_filled = max(self._longest, page.count), response
            self._totals |= set() if page.total is None else {page.total}
        if page.count or self._pages == 1:  # any number may be the total of an empty page
            self._unseen -= {name for name in self._unseen if getattr(page, name) is not None}
        if self._clock.monotonic() >= self._log_at:
            self._log(at_end=False)

    def end(self, *, tells_left: bool, starts_elsewhere: bool) -> None:
        """Write how a long one ended, and what may be wrong with it.

        :param tells_left: whether the total got smaller by the records of each page
        :param starts_elsewhere: whether it was not read from its beginning
        """
        if self._has_logged:
            self._log(at_end=True)
        for name in sorted(self._unseen):
            # a flag may be left out where it is false, as ArcGIS does, and there was but one page
            log.log(
                logging.INFO if name == "more" and self._filled <= 1 else logging.WARNING,
                "%s: paginate.%s: %r is in no page, neither in its body nor as a header, or is something"
                " else; the end of the collection is not checked by it",
                self._name,
                name,
                getattr(self._pagination, name),
            )
        if self._same_ids:
            log.warning(
                "%s: the records of a page have the ids of those of the page before. If they are the same"
                " ones, the backend does not know 'param' (%r), and records are missing",
                self._name,
                self._pagination.param,
            )
        if tells_left:
            log.warning(
                "%s: paginate.total: %r gets smaller by the records of each page: it tells how many are left,"
                " and so proves nothing; 'more' takes such a number",
                self._name,
                self._pagination.total,
            )
        self._warn_of_another_total(starts_elsewhere=starts_elsewhere)
        if self._first is None or self._last is None or self._last[2].more is False:
            return
        if self._pagination.is_counted:
            self._warn_of_early_end(*self._last)
        elif not self._had_next:
            self._warn_of_no_next(*self._first)
        elif not self._tells_next:
            self._warn_of_another_next(self._last[1])

    def _warn_of_another_total(self, *, starts_elsewhere: bool) -> None:
        """Warn if each page tells of the same number in all, and another number was read.

        More come again where pages overlap; many thousands may be as far as a backend counts. Fewer is what a
        wrong ``next`` or ``param`` reads, if it was not the backend that said that there is no next page.
        """
        counts, is_known = self._pagination.is_counted, self._pagination.total is not None
        for place, number in self._told_totals().items():
            if counts and self._records > number > self._longest and number % _CAP:
                how = f"; {self._pagination.doubt_of_style}" if self._pagination.style == "page" else ""
                log.warning(
                    "%s: %s records were read, and %r says that there are %s: some may have come twice%s",
                    self._name,
                    f"{self._records:,}",
                    place,
                    f"{number:,}",
                    how,
                )
            is_end_told = not (counts or self._tells_next) or (self._last and self._last[2].more is False)
            if self._records < number and not (is_known or starts_elsewhere or is_end_told):
                log.warning(
                    "%s: the collection ended after %s records, and %r says that there are %s: if that is so,"
                    " 'next' or 'param' of 'paginate' is wrong; 'total': %r makes an error of it",
                    self._name,
                    f"{self._records:,}",
                    place,
                    f"{number:,}",
                    place.removeprefix(HEADER),
                )

    def _told_totals(self) -> dict[str, int]:
        """Return what the first and the last page with records tell alike of how many there are in all."""
        if self._pagination.total is not None:
            return {self._pagination.total: min(self._totals)} if len(self._totals) == 1 else {}
        if self._first is None or self._last_filled is None:
            return {}
        first, last = (
            totals_in(response.body, response.headers) for response in (self._first[1], self._last_filled)
        )
        return {place: number for place, number in first.items() if last.get(place) == number}

    def _warn_of_early_end(self, request: PageRequest, response: MirrorDBResponse, page: Page) -> None:
        """Warn if the last page, to which the total or the number of pages led, tells of another one."""
        if not page.count:
            return
        pagination = self._pagination
        signs = signs_of_more(response.body, response.headers)
        last = None if page.page_count is None else page.page_count - 1 + (pagination.first or 0)
        if last is not None and pagination.number_of(request) < last:
            signs.append(f"{pagination.page_count}: {page.page_count}")
        if self._pages == 1 and page.count == page.total == pagination.size:
            signs.append(f"as many records as were asked for, which {pagination.total!r} may be, too")
        if signs:
            log.warning(
                "%s: the collection ended after %s records, as 'total' or 'page_count' says. %s. If there are"
                " more pages, mend 'paginate'",
                self._name,
                f"{self._records:,}",
                _named(signs),
            )

    def _warn_of_no_next(self, request: PageRequest, response: MirrorDBResponse, page: Page) -> None:
        """Warn if the only page looks as if it were not: an argument may be misspelt."""
        if page.total is not None and page.count >= page.total:
            return
        signs = signs_of_more(response.body, response.headers)
        signs += signs_of_total(response.body, response.headers, page.count)
        is_full = looks_full(page.count, request.request.query, request.request.data)
        if not signs and not is_full and not self._pagination.cannot_tell_next(response):
            if self._tells_progress:
                log.info("%s: it was taken for the only page, since there is %s", self._name, self._no_next)
            return
        log.warning(
            "%s: the collection ended after its first page, of %d records%s, since there is %s. %s. If there"
            " are more pages, mend 'paginate'",
            self._name,
            page.count,
            ", which looks full" if is_full else "",
            self._no_next,
            _named(signs) if signs else _headers_and_keys(response),
        )

    def _warn_of_another_next(self, response: MirrorDBResponse) -> None:
        """Warn if the last page has the place that would tell of another one, and tells of it elsewhere.

        A cursor alone is no sign: where pages are linked, some backends give one with each page.
        """
        if self._total is not None and self._records >= self._total:
            return
        if signs := signs_of_more(response.body, response.headers, NAMED):
            log.warning(
                "%s: the collection ended after %s records, since there is %s on the last page. %s. If there"
                " are more pages, mend 'paginate'",
                self._name,
                f"{self._records:,}",
                self._no_next,
                _named(signs),
            )

    @property
    def _no_next(self) -> str:
        name = self._pagination.next
        link = "no next one among its links" if self._had_next else "no Link header"
        places = {"link": link, "header": f"no header {name!r}"}
        return places.get(self._pagination.style, f"nothing at {name!r} in its body")

    def _log(self, *, at_end: bool) -> None:
        if not self._tells_progress:
            return
        self._has_logged = True
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


def warning_of_pages(request: MirrorDBRequest, response: MirrorDBResponse) -> str | None:
    """Return what to say of a read without ``paginate`` whose answer shows that there are further pages.

    Takes no time if the answer holds no list. Of CSV, be it in a file, the headers tell.
    """
    body, headers = response.body, response.headers
    if has_records(body):
        data = request.data if isinstance(request.data, dict) else None
        signs = signs_to_all(body, headers, request.query, data)
    elif may_be_page(body):
        signs = signs_of_more(body, headers, CERTAIN)
    elif (body is None or isinstance(body, str)) and table_type(headers.get("Content-Type", "")):
        signs = signs_of_more(None, headers)
    else:
        return None
    return f"{_named(signs)}; 'paginate' reads all pages" if signs else None


def _named(signs: list[str]) -> str:
    more = ", …" if len(signs) > MOST else ""
    return f"The answer seems to tell of further pages by: {', '.join(signs[:MOST])}{more}"


def _headers_and_keys(response: MirrorDBResponse) -> str:
    body = response.body
    keys = f"the keys {', '.join(map(str, list(body)[:20]))}" if isinstance(body, dict) else "no keys"
    return f"The body has {keys:.300}; the headers are {', '.join(response.headers):.500}"
