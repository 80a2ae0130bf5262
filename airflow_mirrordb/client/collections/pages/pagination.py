"""Collections in pages: where the records of a page lie, and which request brings the next one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from airflow_mirrordb.client.collections.pages.arguments import (
    COUNTED,
    NAMES,
    check_page_arguments,
    check_place_of_param,
    check_places_in_tables,
    whole_number,
)
from airflow_mirrordb.client.collections.pages.next_links import (
    BadLinkError,
    PageRequest,
    followed,
    next_link_of,
)
from airflow_mirrordb.client.collections.pages.page import Page, found_in_body, kind_of, page_of, unusable
from airflow_mirrordb.client.collections.pages.places import Place, value_at, with_value
from airflow_mirrordb.client.collections.pages.signs_of_more import NULL
from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.client.messages.response import MirrorDBResponse
from airflow_mirrordb.paths import ABSENT, PathError, parse_path

#: Characters of what tells of the next page: servers refuse longer URLs.
MAX_TOKEN = 8192
#: A relative reference has one of these (RFC 3986, section 4.2), but for names without a suffix, which are
#: rather cursors.
_LIKE_A_LINK = re.compile(r"[/?.]")

#: Cursors that stand for the beginning: Solr's and OpenAlex's, none, Redis's, and X's.
_BEGINNINGS = frozenset({"*", "", "0", "-1"})

Style = Literal["link", "header", "body", "page", "offset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagination:
    """How a backend gives a collection in pages.

    ============ ==================================================================================
    style        the next page
    ============ ==================================================================================
    ``link``     the URL of the ``Link`` header whose relation is ``next`` (RFC 8288)
    ``header``   what the header ``next`` holds: a URL, or a value for ``param``
    ``body``     what the body holds at the path ``next``: a URL, or a value for ``param``
    ``page``     ``param`` counts pages, from ``first`` on
    ``offset``   ``param`` counts records, from ``first`` on
    ============ ==================================================================================

    A page is JSON, or CSV where ``accept`` of the read asked for that: the list of its rows, each of them an
    object by the names in its first line, which every page has.

    The end is a page that names no next one (nothing, null, an empty text, ``0`` or ``false``; in a header
    also the text ``null``), or whose flag
    ``more`` is false. With ``page`` and ``offset`` it is also the ``total``, the ``page_count``, an empty
    page, or a 404 after the first one. A page that is shorter than others is no end: many backends give at
    most so many records a page, whatever they are asked for, or leave some out after they cut the page.
    Paths are those of :mod:`airflow_mirrordb.paths`.

    :param style: see above
    :param records: path to the list of records in the body, envelope and all; None if the body, or what it
        holds in the connection's envelope, is that list
    :param next: name of the header, or path in the body, that tells of the next page
    :param param: name in the query of the page number, offset or cursor
    :param param_in: ``query``; ``body`` where ``param`` and ``size_param`` are paths into the ``data`` of the
        read, as ``variables.after``; or ``headers``, as Heroku's ``Range``
    :param first: number of the first page or record, for ``page`` and ``offset``; by default 1 and 0
    :param size: records that a page shall have; sent only with ``size_param``
    :param size_param: name in the query of ``size``
    :param total: path in the body, or name of the header, that tells how many records there are in all: fewer
        are an error
    :param page_count: path or header that tells how many pages there are, for ``page``
    :param more: path or header of a flag that is true if there are further pages; ``!last`` is one
    :param rebase: whether path and query of a link to the next page are asked from the base URL's own origin,
        though it names another one, as a backend behind a proxy does
    :param concurrency: pages that are read at a time, for ``page`` and ``offset`` with a ``total`` or
        ``page_count``; as many are in memory
    :param max_pages: pages after which one that goes on is an error
    :raises InvalidRequestError: if the arguments do not fit together; names the one that is wrong
    """

    style: Style
    records: str | None = None
    next: str | None = None
    param: str | None = None
    param_in: Place | None = None
    first: int | None = None
    size: int | None = None
    size_param: str | None = None
    total: str | None = None
    page_count: str | None = None
    more: str | None = None
    rebase: bool | None = None
    concurrency: int | None = None
    max_pages: int | None = 10_000

    def __post_init__(self) -> None:
        check_page_arguments({name: getattr(self, name) for name in NAMES})
        numbers = {"first": int(self.style == "page"), "size": None, "concurrency": 1, "max_pages": 10_000}
        for name, default in numbers.items():
            number = whole_number(getattr(self, name))
            object.__setattr__(self, name, default if number is None else number)

    @property
    def place(self) -> Place:
        """Where ``param`` and ``size_param`` go."""
        return self.param_in or "query"

    @property
    def is_counted(self) -> bool:
        """Whether the next page is told by counting."""
        return self.style in COUNTED

    @property
    def doubt_of_style(self) -> str:
        """What is asked of who reads by pages where records come twice."""
        return f"does {self.param!r} count records? The style is 'offset' then"

    def first_request(self, request: MirrorDBRequest) -> PageRequest:
        """Return the request of the first page, with what it is asked for, unless its author says so.

        :raises InvalidRequestError: if there is no place for it in the data, or no number where pages are
            counted from
        """
        said: dict[str, Any] = {self.size_param: self.size} if self.size_param else {}
        if self.is_counted and self.param:
            said[self.param] = self.first
        if self.place == "query":
            request = replace(request, query={**said, **(request.query or {})})
        else:
            for name, value in said.items():
                if value_at(request, self.place, name) in (ABSENT, None):
                    request = self._with(request, name, value)
        page = PageRequest(request=request)
        if self.is_counted:
            self.number_of(page)
        return page

    def says_where(self, request: MirrorDBRequest) -> bool:
        """Whether a request says by itself from where on it reads, unless that is the beginning."""
        said = ABSENT if self.param is None else value_at(request, self.place, self.param)
        return said not in (ABSENT, None) and str(said) not in _BEGINNINGS

    def page_of(self, response: MirrorDBResponse) -> Page:
        """Return what a page says.

        :raises InvalidResponseError: if there is no list where the records should be
        """
        return page_of(self, response)

    def next_request(
        self,
        request: PageRequest,
        sent: str,
        response: MirrorDBResponse,
        page: Page,
        *,
        position: int,
        base_url: str,
    ) -> PageRequest | None:
        """Return the request for the page after one; None after the last.

        :param request: what brought the page
        :param sent: the path and query that it was sent to
        :param position: records of the collection up to the end of this page
        :raises InvalidResponseError: if the next page lies outside the base URL, or cannot be asked for
        """
        if page.more is False:
            return None
        if self.is_counted:
            return self._counted(request, response, page, position)
        token = self._token(response)
        is_zero = token in (0, "0") and token is not False
        if says_nothing(token) and not (is_zero and page.more):
            if page.more:
                raise unusable(
                    response,
                    f"paginate.next: there is nothing at {self.next or 'the header Link'!r}, though"
                    f" {self.more!r} says that there are further pages",
                )
            return None
        if self.param and self.param_in == "body":  # any value, as the sort values of the last hit
            return self._turned(request, token)
        if isinstance(token, dict | list) or len(str(token)) > MAX_TOKEN:
            long = f" of {len(token):,} characters" if isinstance(token, str) else ""
            raise unusable(
                response, f"the next page is told as {kind_of(token)}{long}, which no request can hold"
            )
        if self.param and not str(token).startswith(("http://", "https://")):
            return self._turned(request, token)
        return self._linked(request, sent, response, token, base_url)

    def _linked(
        self, request: PageRequest, sent: str, response: MirrorDBResponse, token: object, base_url: str
    ) -> PageRequest:
        if not isinstance(token, str) or not _LIKE_A_LINK.search(token):
            # not as it is: a link may be in it, with a signature
            told = "a text that is no link" if isinstance(token, str) else kind_of(token)
            raise unusable(
                response,
                f"the next page is told as {told}; if that is a cursor, 'param' must name what takes it, as"
                " {'param': 'cursor'}",
            )
        try:
            rebase, redirected = bool(self.rebase), response.redirected
            return followed(request, sent, token, base_url, rebase=rebase, redirected=redirected)
        except BadLinkError as error:
            raise unusable(response, str(error)) from None

    def guesses(
        self, following: PageRequest, page: Page, position: int, stride: int
    ) -> Iterator[PageRequest]:
        """Yield the requests that are likely to come after the next one, as far as the end is known.

        :param stride: records of the longest page so far
        """
        if not self.is_counted or not stride:
            return
        number = self.number_of(following)
        if page.page_count is not None:
            last = page.page_count - 1 + (self.first or 0)
            pages = last - number + 1
        elif page.total is not None:
            pages = -((position - page.total) // stride)  # rounded up
        else:
            return
        step = 1 if self.style == "page" else stride
        for ahead in range(1, pages):
            yield self._turned(following, number + ahead * step)

    def number_of(self, request: PageRequest) -> int:
        """Return the page number or offset that a request asks for.

        :raises InvalidRequestError: if the query says something else
        """
        number: Any = value_at(request.request, self.place, str(self.param))
        number = None if number is ABSENT else number
        try:
            return int(number)
        except (TypeError, ValueError):
            reason = f"the {self.place} says {number!r}, and pages are counted from there"
            raise InvalidRequestError(message=f"paginate.param: {reason}", field="paginate.param") from None

    def tells_next(self, response: MirrorDBResponse) -> bool | None:
        """Whether a page tells of a next one; None if the place is not there that would tell.

        :raises InvalidResponseError: if an expression cannot be done there
        """
        if not says_nothing(self._token(response)):
            return True
        if self.style == "link":
            return False if "Link" in response.headers else None
        if self.style == "header":
            return False if str(self.next) in response.headers else None
        path = parse_path(str(self.next))
        place = path.head if path.is_expression else path
        return None if place is None or place.value_in(response.body) is ABSENT else False

    def cannot_tell_next(self, response: MirrorDBResponse) -> bool:
        """Whether ``next`` begins with a name, and the body is a list, in which nothing has one."""
        names = parse_path(str(self.next)).names if self.style == "body" else ()
        begins_with_name = bool(names) and whole_number(names[0].removeprefix("-")) is None
        return begins_with_name and isinstance(response.body, list)

    def _token(self, response: MirrorDBResponse) -> Any:
        if self.style == "link":
            return next_link_of(response.headers)
        if self.style == "header":
            value = response.headers.get(str(self.next))
            return None if value == NULL else value
        found = found_in_body(response, "next", str(self.next))
        return None if found is ABSENT else found

    def _counted(
        self, request: PageRequest, response: MirrorDBResponse, page: Page, position: int
    ) -> PageRequest | None:
        number = self.number_of(request)
        if not page.more:
            if page.total is not None and position >= page.total:
                return None
            if self._is_last(number, page):
                return None
        elif not page.count and self.style == "offset":
            raise unusable(
                response, f"the page is empty, though {self.more!r} says that there are further ones"
            )
        return self._turned(request, number + (1 if self.style == "page" else page.count))

    def _is_last(self, number: int, page: Page) -> bool:
        if page.page_count is None:
            return not page.count
        # an empty page before it may be one whose records were all left out
        return number >= page.page_count - 1 + (self.first or 0)

    def _turned(self, page: PageRequest, value: Any) -> PageRequest:
        """Return the request of the same collection with another value of ``param``."""
        return PageRequest(request=self._with(page.request, str(self.param), value))

    def _with(self, request: MirrorDBRequest, name: str, value: Any) -> MirrorDBRequest:
        try:
            return with_value(request, self.place, name, value)
        except PathError as error:
            argument = "param" if name == self.param else "size_param"
            message = f"paginate.{argument}: there is no place for it in data: {error}"
            raise InvalidRequestError(message=message, field=f"paginate.{argument}") from None


def says_nothing(token: Any) -> bool:
    """Whether what should tell of the next page says that there is none."""
    return token in (None, "", [], {}, 0, "0")


def pagination_of(request: MirrorDBRequest) -> Pagination:
    """Return how the pages of a request go on.

    :raises InvalidRequestError: if it is no read, or ``paginate`` is wrong
    """
    if not request.reads:
        raise InvalidRequestError(message="paginate: only a read has pages", field="paginate")
    check_page_arguments(request.paginate)
    check_place_of_param(request.paginate or {}, request.data)
    check_places_in_tables(request.paginate or {}, request.accept)
    return Pagination(**(request.paginate or {}))
