"""Reading a collection page by page: the next ones ahead of their turn, in order, whole or not at all.

What one page after the other would bring is what comes: the request after a page is told by that page alone.
Requests ahead of it are guesses, begun early; one that turns out wrong is given up.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import islice
from typing import Any

from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.collections.pages.next_links import PageRequest
from airflow_mirrordb.client.collections.pages.page import Page, comes_again, has_equals, overlap_of, unusable
from airflow_mirrordb.client.collections.pages.pagination import Pagination, pagination_of
from airflow_mirrordb.client.collections.pages.reading_report import ReadingReport
from airflow_mirrordb.client.collections.pages.sender import Sent, is_end
from airflow_mirrordb.client.collections.pages.tables import TablePages
from airflow_mirrordb.client.collections.streams import Stream
from airflow_mirrordb.client.errors import InvalidRequestError, InvalidResponseError, NotFoundError
from airflow_mirrordb.client.messages.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.messages.response import MirrorDBResponse

log = logging.getLogger(__name__)

Send = Callable[[PageRequest, int], Awaitable[Sent]]
"""Sends the request of a page; see :meth:`PageSender.send`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What is needed to read a collection.

    :param send: sends one request
    :param base_url: which every page must lie under
    :param clock: tells when the next progress is due in the log
    :param name: of the request, in the log, without secrets
    :param most_bytes: length that a page may have
    :param in_pauses: whether the event loop stands still while a page is handed on; nothing is in flight then
    :param tells_progress: whether lines of the log tell how far it is
    """

    send: Send
    base_url: str
    clock: Clock
    name: str
    most_bytes: float = math.inf
    in_pauses: bool = False
    tells_progress: bool = True


_CIRCLE = "the next page is one that was read before: the pages go in a circle"
#: Records in a row that came before, but for the first of a page, by which it is sure that pages overlap: of
#: less, as many may have been added meanwhile.
_OVERLAP = 4
#: Pages that tell how many records a page has that is not the last one.
_ENOUGH = 2


class ReadAhead:
    """Requests of pages that were begun before their turn, a bounded number of them."""

    def __init__(self, send: Send, width: int, *, in_pauses: bool) -> None:
        self._send, self._width, self._in_pauses = send, width, in_pauses
        self._begun: dict[str, asyncio.Task[Sent]] = {}
        self._given_up: set[asyncio.Task[Sent]] = set()
        self._interruption: BaseException | None = None

    async def answer(self, page: PageRequest, guesses: Iterable[PageRequest]) -> Sent:
        """Return the answer to the request whose turn it is."""
        if page.key not in self._begun:
            self._begin([page, *islice(guesses, self._width - 1)])
        if self._in_pauses and len(self._begun) > 1:
            await asyncio.wait(self._begun.values())
        try:
            return await self._begun[page.key]
        except asyncio.CancelledError:
            if self._interruption is not None:
                raise self._interruption from None
            raise
        finally:
            self._begun.pop(page.key, None)

    def begin(self, page: PageRequest, guesses: Iterable[PageRequest]) -> None:
        """Begin the request that comes next, and as many of those after it as may be in flight."""
        if self._begun and page.key not in self._begun:
            self._width = 1  # pages differ in length: what is guessed would be asked for in vain
        if not self._in_pauses:
            self._begin([page, *islice(guesses, self._width - 1)])

    def _begin(self, pages: list[PageRequest]) -> None:
        wanted = {page.key: page for page in pages}
        for key in self._begun.keys() - wanted.keys():
            self._give_up(self._begun.pop(key))
        for ahead, (key, page) in enumerate(wanted.items()):
            if key not in self._begun:
                self._begun[key] = asyncio.ensure_future(self._sending(page, ahead))

    async def _sending(self, page: PageRequest, ahead: int) -> Sent:
        try:
            return await self._send(page, ahead)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as interruption:  # a task's time-out strikes wherever the loop just is
            self._interruption = interruption
            for task in self._begun.values():
                task.cancel()
            raise

    def _give_up(self, task: asyncio.Task[Sent]) -> None:
        task.cancel()
        self._given_up.add(task)
        task.add_done_callback(self._forget)  # with its answer, if it has one

    def _forget(self, task: asyncio.Task[Sent]) -> None:
        self._given_up.discard(task)
        if not task.cancelled():
            task.exception()  # or asyncio would complain that nobody asked

    async def end(self) -> None:
        """Give up whatever is in flight, and wait for its end."""
        while self._begun:
            self._give_up(self._begun.popitem()[1])
        await asyncio.gather(*self._given_up, return_exceptions=True)


async def pages(
    reader: Reader, request: MirrorDBRequest
) -> AsyncGenerator[tuple[MirrorDBResponse, list[Any]], None]:
    """Yield the answer and the records of each page; each is a request of its own, with its own retries.

    The next page is asked for before one is handed on, and with ``concurrency`` those after it.

    :param request: a read of the collection; its ``paginate`` says how
    :raises InvalidRequestError: if ``paginate`` is wrong, or the request is no read
    :raises InvalidResponseError: if a page cannot be read, comes twice, or goes on after ``max_pages``; or
        fewer records came than there are
    :raises MirrorDBError: whatever ``send`` raises
    """
    try:
        reading = _Reading(reader, request)
        current: PageRequest | None = reading.first_request(request)
    except InvalidRequestError as error:
        raise attach_request(error, request) from None
    ahead = ReadAhead(reader.send, reading.pagination.concurrency or 1, in_pauses=reader.in_pauses)
    try:
        guesses: list[PageRequest] = []
        while current is not None:
            try:
                sent, response = await ahead.answer(current, guesses)
            except NotFoundError as error:
                if not reading.ends_with(error):
                    raise
                break
            if response.status == HTTPStatus.NOT_MODIFIED:
                reading.check_unchanged(response, current.request)
                yield response, []
                return
            try:
                if not response.is_json:
                    response = await reading.tables.decoded(response)
                page, following, guesses = reading.take(current, sent, response)
            except (InvalidRequestError, InvalidResponseError) as error:
                raise attach_request(error, current.request) from None
            current = following
            if current is not None:
                ahead.begin(current, guesses)
            yield response, page.records
        try:
            reading.end()
        except InvalidResponseError as error:
            raise attach_request(error, request) from None
    finally:
        await ahead.end()


class _Reading:
    """What is known of a collection while it is read."""

    def __init__(self, reader: Reader, request: MirrorDBRequest) -> None:
        self.pagination: Pagination = pagination_of(request)
        self.tables = TablePages(self.pagination, request.accept, reader.most_bytes, reader.name)
        self._reader, self._says_where = reader, self.pagination.says_where(request)
        self._report = ReadingReport(
            self.pagination, reader.clock, reader.name, tells_progress=reader.tells_progress
        )
        self._seen: set[str] = set()
        self._before: list[Any] = []
        self._received = self._longest = self._skipped = self._filled = self._count = 0
        self._overlap = 0
        self._must_go_on = self._came_again = self._tells_left = False
        self._total: int | None = None
        self._last: MirrorDBResponse | None = None

    def first_request(self, request: MirrorDBRequest) -> PageRequest:
        return self.pagination.first_request(replace(request, paginate=None, full_response=False))

    def take(
        self, request: PageRequest, sent: str, response: MirrorDBResponse
    ) -> tuple[Page, PageRequest | None, list[PageRequest]]:
        """Return what a page says, the request of the next one, and guesses of those after it."""
        pagination = self.pagination
        page = pagination.page_of(response)
        self._longest = max(self._longest, page.count)
        if page.total is not None and page.total < self._longest:
            page = replace(page, total=None)  # a page has more than that, so it is another number
        if page.page_count == 0 and self._longest:
            page = replace(page, page_count=None)
        is_first, self._last = self._last is None, response
        self._seen.add(request.key)
        self._refuse_same(response, page)
        self._note_total(page)
        self._received, self._count = self._received + page.count, page.count
        self._filled += bool(page.count)
        if is_first and pagination.is_counted:
            self._skipped = pagination.number_of(request) - (pagination.first or 0)
        self._report.page(request, response, page, self._total)
        following = pagination.next_request(
            request,
            sent,
            response,
            replace(page, total=None) if self._tells_left else page,
            position=self._position,
            base_url=self._reader.base_url,
        )
        if following is not None and following.key in self._seen:
            came_anew = self._position == self._total and not self._came_again
            if page.count and not (self._is_complete and came_anew):
                raise unusable(response, f"{_CIRCLE}{self._doubt_of_param}")
            following = None
        if following is None:
            return page, None, []
        self._must_go_on = _tells_of_another(page)
        most = pagination.max_pages or 0
        if len(self._seen) >= most:
            raise unusable(response, f"the collection goes on after max_pages ({most:,})")
        guesses = pagination.guesses(following, page, self._position, self._longest)
        ahead = min((pagination.concurrency or 1) - 1, most - len(self._seen) - 1)
        further = [_unconditional(guess) for guess in islice(guesses, ahead)]
        return page, _unconditional(following), further

    def check_unchanged(self, response: MirrorDBResponse, request: MirrorDBRequest) -> None:
        """Check that an answer that nothing was changed is the first one: no other page had a condition.

        :raises InvalidResponseError: if it is not
        """
        if self._last is not None:
            reason = "a page after the first one is answered 304, though it was asked for without a condition"
            raise attach_request(unusable(response, reason), request)

    def ends_with(self, error: NotFoundError) -> bool:
        """Whether an error is how a backend says that there are no further pages.

        It is not after a page that told of another one.
        """
        may_end = self.pagination.is_counted and self._last is not None and not self._must_go_on
        if may_end and is_end(error):
            log.info("%s: there is no further page (404)", self._reader.name)
            return True
        return False

    def end(self) -> None:
        """Check that all came, and say what came.

        :raises InvalidResponseError: if the backend says that there are more records
        """
        assert self._last is not None  # noqa: S101  # there is a first page
        starts_elsewhere = not self.pagination.is_counted and self._says_where
        # by one page, which may be the short last one, nobody knows how many records those before it have
        is_unknown = self.pagination.style == "page" and self._skipped and self._filled < _ENOUGH
        if self._total is not None and not (self._is_complete or starts_elsewhere or is_unknown):
            raise unusable(
                self._last,
                f"the collection ended after {self._position:,} records, and has {self._total:,} in all, says"
                f" {self.pagination.total!r}",
            )
        self._report.end(
            tells_left=self._tells_left, starts_elsewhere=starts_elsewhere or bool(self._skipped)
        )

    def _note_total(self, page: Page) -> None:
        """Note the total, and whether it gets smaller by what comes: then it tells what is left.

        That ends nothing. A collection that shrinks by just as much meanwhile costs one more request.
        """
        self._tells_left |= _is_left(self._total, page, self._count)
        self._total = self._total if page.total is None else page.total

    def _refuse_same(self, response: MirrorDBResponse, page: Page) -> None:
        """Refuse a page that comes again: a backend that does not know ``param`` would give it for ever.

        Pages of records that are equal among themselves may be equal, too, if something else tells the end.
        """
        is_bounded = page.total is not None or page.page_count is not None
        is_same = comes_again(page, self._before)
        if self.pagination.is_counted and is_same and not (is_bounded and has_equals(page.records)):
            raise unusable(
                response,
                "the page is the same as the one before: does the backend know 'param'? If it gives the last"
                " page again and again, say 'total', 'page_count' or 'more'",
            )
        self._came_again |= is_same
        overlap = overlap_of(page.records, self._before) if self.pagination.style == "page" else 0
        self._overlap = self._overlap + overlap if overlap else 0
        if self._overlap >= _OVERLAP:
            overlaps = "the page begins with the second record of the one before"
            raise unusable(response, f"{overlaps}: {self.pagination.doubt_of_style}")
        self._before = page.records

    @property
    def _doubt_of_param(self) -> str:
        param = self.pagination.param
        return f"; does the backend know {param!r} (paginate.param)?" if param else ""

    @property
    def _position(self) -> int:
        """Records of the collection up to the end of what came."""
        step = self._longest if self.pagination.style == "page" else 1
        return self._skipped * step + self._received

    @property
    def _is_complete(self) -> bool:
        return self._total is not None and self._position >= self._total


def _unconditional(page: PageRequest) -> PageRequest:
    """Return the request of a page after the first one, whose conditions it must not have."""
    return replace(page, conditional=False)


def _tells_of_another(page: Page) -> bool:
    """Whether a page says of the one that was asked for after it that there is one."""
    return bool(page.more) or page.page_count is not None


def _is_left(before: int | None, page: Page, count: int) -> bool:
    """Whether a total got smaller by what came on the page before, or on this one.

    :param before: what the page before told
    :param count: records of the page before
    """
    if page.total is None or before is None or page.total >= before:
        return False
    return before - page.total in (count, page.count)


async def collect(
    reader: Reader, request: MirrorDBRequest, stream: Stream | None = None, most_bytes: float = math.inf
) -> MirrorDBResponse:
    """Return all pages as one answer: all records, and the sums of sizes and attempts.

    :param stream: takes the records, in the place of the answer
    :param most_bytes: size of an answer that its caller can use; one that is larger is not read to its end,
        and has no records
    :return: a 304 as it is, if the first page is one
    :raises OutputError: if the stream cannot take the records

    The other arguments and errors are those of :func:`pages`.
    """
    everything: list[Any] = []
    size = attempts = number = 0
    began = reader.clock.monotonic()
    async with aclosing(pages(reader, request)) as found:
        async for response, records in found:
            if response.status == HTTPStatus.NOT_MODIFIED:
                return response
            if stream is None:
                everything += records
            else:
                await stream.write_records(records)
            size, attempts, number = size + response.size, attempts + response.attempts, number + 1
            last = response
            if stream is None and size > most_bytes:
                everything = []
                break
    return replace(
        last,
        data=everything,
        body=everything,
        size=size,
        attempts=attempts,
        pages=number,
        elapsed=reader.clock.monotonic() - began,
        etag=None,
    )
