"""Collections that come in pages: where the records of a page lie, and which request brings the next one.

Pure but for :func:`pages`, which sends.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Literal

from yarl import URL

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.collections.page_arguments import NAMES, check_page_arguments
from airflow_mirrordb.client.collections.streams import Stream
from airflow_mirrordb.client.errors import InvalidRequestError, InvalidResponseError
from airflow_mirrordb.client.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.response import MirrorDBResponse
from airflow_mirrordb.client.rules.urls import shown
from airflow_mirrordb.paths import ABSENT, PathError, value_at

#: Characters of what tells of the next page: servers refuse longer URLs.
MAX_TOKEN = 8192

Style = Literal["link", "header", "body", "page", "offset"]

#: One link of a Link header, and its relation types (RFC 8288, section 3).
_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w*-]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s\",;]*))?)*)")
_RELATION = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]*))", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagination:
    """How a backend gives a collection in pages.

    ============ ==================================================================================
    style        the next page
    ============ ==================================================================================
    ``link``     the URL of the ``Link`` header whose relation is ``next`` (RFC 8288)
    ``header``   what the header ``next`` holds: a URL, or a value for the query ``param``
    ``body``     what the body holds at the path ``next``: a URL, or a value for ``param``
    ``page``     the query ``param`` counts pages, from ``first`` on
    ``offset``   the query ``param`` counts records, from ``first`` on
    ============ ==================================================================================

    The end is a page that names no next one, with ``page`` and ``offset`` one that is empty or shorter
    than ``size``. Paths are those of :mod:`airflow_mirrordb.paths`.

    :param style: see above
    :param records: path to the list of records in the body, envelope and all; None if the body,
        or what it holds in the connection's envelope, is that list
    :param next: name of the header, or path in the body, that tells of the next page
    :param param: name in the query of the page number, offset, cursor or page number
    :param first: number of the first page or record, for ``page`` and ``offset``; by default 1 and 0
    :param size: records that a full page has; sent only with ``size_param``
    :param size_param: name in the query of ``size``
    :param max_pages: pages after which one that goes on is an error
    :raises InvalidRequestError: if the arguments do not fit together; names the one that is wrong
    """

    style: Style
    records: str | None = None
    next: str | None = None
    param: str | None = None
    first: int | None = None
    size: int | None = None
    size_param: str | None = None
    max_pages: int = 10_000

    def __post_init__(self) -> None:
        check_page_arguments({name: getattr(self, name) for name in NAMES})

    def first_query(self) -> dict[str, Any]:
        """Return what the query of the first request has to say beside the caller's own."""
        query: dict[str, Any] = {self.size_param: self.size} if self.size_param else {}
        if self.style in ("page", "offset") and self.param:
            query[self.param] = self._first
        return query

    def records_of(self, response: MirrorDBResponse) -> list[Any]:
        """Return the records of a page.

        :raises InvalidResponseError: if there is no list where they should be
        """
        found = response.data if self.records is None else _found(response, "records", self.records)
        if found is None and response.body is None:
            return []
        if not isinstance(found, list):
            place = "the body" if self.records is None else f"{self.records!r} in the body"
            keys = (
                shortened(f" with {', '.join(map(str, response.body))}", 200)
                if isinstance(response.body, dict)
                else ""
            )
            raise _unusable(
                response, f"{place} is no list of records; the body is {_kind(response.body)}{keys}"
            )
        return found

    def next_request(
        self, request: MirrorDBRequest, response: MirrorDBResponse, base_url: str
    ) -> MirrorDBRequest | None:
        """Return the request for the page after the one that ``request`` brought; None after the last.

        :raises InvalidResponseError: if the next page lies outside the base URL
        """
        token: Any
        match self.style:
            case "link":
                token = next_link(response.headers.get("Link", ""))
            case "header":
                token = response.headers.get(self.next or "")
            case "body":
                token = _found(response, "next", self.next or "")
            case _:
                return self._counted(request, len(self.records_of(response)))
        if token is None or token is False or token == "":
            return None
        if isinstance(token, dict | list) or len(str(token)) > MAX_TOKEN:
            long = f" of {len(token):,} characters" if isinstance(token, str) else ""
            raise _unusable(
                response, f"the next page is told as {_kind(token)}{long}, which no request can hold"
            )
        if self.param and not str(token).startswith(("http://", "https://")):
            return replace(request, query={**(request.query or {}), self.param: token})
        if not isinstance(token, str):
            # not as it is: a link may be in it, with a signature
            raise _unusable(
                response, f"the next page is told as {_kind(token)}; 'param' must name what takes it"
            )
        return _followed(request, response, token, base_url)

    def _counted(self, request: MirrorDBRequest, records: int) -> MirrorDBRequest | None:
        if not records or (self.size is not None and records < self.size):
            return None
        query, param = dict(request.query or {}), str(self.param)
        try:
            query[param] = int(query[param]) + (1 if self.style == "page" else records)
        except (TypeError, ValueError):
            raise _wrong(
                "param", f"the query says {query[param]!r}, and pages are counted from there"
            ) from None
        return replace(request, query=query)

    @property
    def _first(self) -> int:
        return self.first if self.first is not None else int(self.style == "page")


Send = Callable[[MirrorDBRequest], Awaitable[MirrorDBResponse]]


async def pages(
    send: Send, request: MirrorDBRequest, base_url: str
) -> AsyncGenerator[tuple[MirrorDBResponse, list[Any]], None]:
    """Yield the answer and the records of each page; each is a request of its own, with its own retries.

    :param send: sends one request
    :param request: a read of the collection; its ``paginate`` says how
    :param base_url: which every page must lie under
    :raises InvalidRequestError: if ``paginate`` is wrong, or the request is no read
    :raises InvalidResponseError: if a page cannot be read, comes twice, or goes on after ``max_pages``
    :raises MirrorDBError: whatever ``send`` raises
    """
    try:
        pagination = _pagination_of(request)
    except InvalidRequestError as error:
        raise attach_request(error, request) from None
    query = {**pagination.first_query(), **(request.query or {})}
    following: MirrorDBRequest | None = replace(request, query=query, paginate=None, full_response=False)
    seen: set[str] = set()
    before: list[Any] = []
    while following is not None:
        current = following
        seen.add(repr((current.endpoint, current.query)))
        response = await send(current)
        try:
            records = pagination.records_of(response)
            if records and records == before and isinstance(records[0], dict):
                raise _unusable(
                    response, "the page is the same as the one before; does the backend know the arguments?"
                )
            before = records
            following = pagination.next_request(current, response, base_url)
            if following is not None and repr((following.endpoint, following.query)) in seen:
                raise _unusable(
                    response, "the next page is one that was read before: the pages go in a circle"
                )
            if following is not None and len(seen) >= pagination.max_pages:
                raise _unusable(
                    response, f"the collection goes on after max_pages ({pagination.max_pages:,})"
                )
        except (InvalidRequestError, InvalidResponseError) as error:
            raise attach_request(error, current) from None
        yield response, records


async def collect(
    send: Send,
    request: MirrorDBRequest,
    base_url: str,
    stream: Stream | None = None,
    most_bytes: float = math.inf,
) -> MirrorDBResponse:
    """Return all pages as one answer: all records, and the sums of sizes, attempts and times.

    :param stream: takes the records, in the place of the answer
    :param most_bytes: size of an answer that its caller can use; one that is larger is not read to its end,
        and has no records
    :raises OutputError: if it cannot

    The other arguments and errors are those of :func:`pages`.
    """
    everything: list[Any] = []
    size = attempts = 0
    elapsed = 0.0
    async with aclosing(pages(send, request, base_url)) as found:
        async for response, records in found:
            if stream is None:
                everything += records
            else:
                await stream.write_records(records)
            size, attempts, elapsed = (
                size + response.size,
                attempts + response.attempts,
                elapsed + response.elapsed,
            )
            last = response
            if stream is None and size > most_bytes:
                everything = []
                break
    return replace(
        last, data=everything, body=everything, size=size, attempts=attempts, elapsed=elapsed, etag=None
    )


def _pagination_of(request: MirrorDBRequest) -> Pagination:
    if not request.reads:
        raise InvalidRequestError(message="paginate: only a read has pages", field="paginate")
    check_page_arguments(request.paginate)
    return Pagination(**(request.paginate or {}))


def next_link(header: str) -> str | None:
    """Return the URL that a Link header names as the next one."""
    for url, parameters in _LINK.findall(header):
        relation = _RELATION.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(url)
    return None


def _followed(
    request: MirrorDBRequest, response: MirrorDBResponse, reference: str, base_url: str
) -> MirrorDBRequest:
    """Return the request of a URL, absolute or relative to the current one, under the base URL."""
    base, target = URL(base_url, encoded=True), _joined(f"{base_url}/{request.endpoint}", reference)
    if target is None:
        told = shortened(shown(reference), 200)
        raise _unusable(response, f"the next page is told as {told!r}, which is no URL")
    if target.origin() != base.origin():
        elsewhere = shortened(str(target.origin()), 300)
        raise _unusable(response, f"the next page is at {elsewhere}, and requests stay at {base.origin()}")
    prefix = base.raw_path.rstrip("/")
    # A backend behind a gateway that adds the prefix does not know of it.
    path = target.raw_path.removeprefix(f"{prefix}/") if prefix else target.raw_path
    query = {name: target.query.getall(name) for name in target.query}
    return replace(request, endpoint=path.strip("/"), query=query)


def _joined(url: str, reference: str) -> URL | None:
    """Return the absolute URL that a reference in a page means; None if it means none."""
    try:
        target = URL(url).join(URL(reference))
        return target if str(target.origin()) else None  # yarl looks at some ports only when it is asked
    except ValueError:  # whose words quote the reference, which may hold a signature
        return None


def _found(response: MirrorDBResponse, argument: str, path: str) -> Any:
    """Return what the body holds at a path of the author's; None if it holds nothing there."""
    try:
        found = value_at(response.body, path)
    except PathError as error:
        raise _unusable(response, f"paginate.{argument}: {error}") from None
    return None if found is ABSENT else found


def _kind(data: Any) -> str:
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}
    return kinds.get(type(data), "a value")


def _wrong(name: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"paginate.{name}: {reason}", field=f"paginate.{name}")


def _unusable(response: MirrorDBResponse, reason: str) -> InvalidResponseError:
    return InvalidResponseError(
        message=reason, status=response.status, request_id=response.request_id, attempts=response.attempts
    )
