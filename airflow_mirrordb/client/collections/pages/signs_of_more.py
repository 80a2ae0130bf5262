"""What an answer shows of further pages, and of where its records lie, to who did not say so. Pure.

The names are those that public APIs use; what they mean is guessed, so it is told and never followed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.collections.pages.next_links import next_link_of

#: Path, name and value of what lies in a body.
_Field = tuple[str, str, Any]
#: How many objects deep, and how many keys of each, a body is looked at.
_DEPTH = 4  # data.orders.pageInfo.hasNextPage
_KEYS = 200
#: How many fields of a body are looked at in all.
_FIELDS = 5_000
#: How a header is named among signs.
HEADER = "the header "
#: Characters of a name that are looked at and shown; those of fields are shorter.
_NAME = 100
#: The largest number that may be one of records; what is beyond it means something else.
_MOST_RECORDS = 10**18
#: Names that say themselves that something comes next.
_SAYS_NEXT = re.compile(r"next|continu|more", re.IGNORECASE)
#: How a text begins that is a link.
_LINK = re.compile(r"https?://|[/?]")
#: What some backends send in a header that has no value, as Salesforce in ``Sforce-Locator``.
NULL = "null"
#: What the flag of a name in :data:`_MORE` or :data:`_LAST` says as text.
_SAID = {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}
#: Texts by which a flag says no: those that documented APIs send (a boolean as text in a header; ``N`` of
#: ``cont-yn``, openapi.kiwoom.com, and of ``tr_cont``, openapi.ls-sec.co.kr). Any other text is yes, also
#: ``F``, by which ``tr_cont`` of apiportal.koreainvestment.com says that there is more: to read one page too
#: many loses nothing.
_NO = frozenset({"", "0", "false", "no", "n", NULL})
#: Most that one message names.
MOST = 5
#: How sure a sign is: a name that has other meanings, too, as ``token``; one that says "next"; a flag, a
#: header, or a link.
HINT, NAMED, CERTAIN = 1, 2, 3

_NEXT = re.compile(
    r"^_*@?(?:odata\.)?next$|next.{0,20}(?:page|link|ur[il]|href|cursor|token|offset|marker|key|start|from)$"
    r"|more.{0,20}ur[il]$|cursor|token|continuation|continue$|^marker$|^scroll_?id$",
    re.IGNORECASE,
)
#: Of a name that otherwise looks like one of the next page.
_OTHER = re.compile(
    r"prev|before|start_?cursor|current|self|first|last|sync|delta|csrf|xsrf|access|refresh|auth|id_?token",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"^(?:has|is)?_?(?:more|next|truncated)"
    r"(?:_?(?:pages?|results?|items?|records?|rows|entries|data|available|in|collection))*$"
    r"|^exceeded_?transfer_?limit$",  # ArcGIS
    re.IGNORECASE,
)
#: Flags of a query, and as well of work that goes on (google.aip.dev/151).
_OF_WORK = re.compile(r"(?:is_?)?done$", re.IGNORECASE)
_LAST = re.compile(r"^(?:is)?_?last(?:_?page)?$|^(?:is_?)?done$|^end_?of_?(?:stream|list)$", re.IGNORECASE)
_HEADER = re.compile(
    r"next.{0,4}(?:page|link|ur[il]|cursor|token|offset|marker|key)|^(?:x-)?next$|cursor|continuation|-locator$",
    re.IGNORECASE,  # not Next.js's own, as x-nextjs-cache
)
_TOTAL = re.compile(
    r"^_*@?(?:odata\.)?(?:total|count|(?:total|full|record|item)s?_?(?:count|size|results|records|items|elements)"
    r"|num_?found)$",
    re.IGNORECASE,
)
#: Totals that are nothing else, and numbers of pages.
_SURE_TOTAL = re.compile(
    r"^_*(?:total(?:_?(?:count|size|results|records|items|elements|entries|rows|hits))?|num_?found)$",
    re.IGNORECASE,
)
#: Of objects that tell of a page, or hold its records.
_OF_PAGE = re.compile(r"meta|pag|info|cursor|data|result|response|collection|hits", re.IGNORECASE)
_PAGE_COUNT = re.compile(r"^(?:total_?pages|num_?pages|page_?count|pages_?total|last_?page)$", re.IGNORECASE)
_PAGE_COUNT_HEADERS = ("X-Total-Pages", "X-WP-TotalPages")
#: Arguments by which who asks says which part of a collection he wants.
_PART = re.compile(
    r"page|limit|size|offset|skip|start|count|top|first|last|rows|max|from|to$|cursor|after|before|since|until",
    re.IGNORECASE,
)
_TOTAL_HEADERS = ("X-Total-Count", "X-Total", "X-WP-Total", "Total-Count", "Content-Range")
#: Names at which it is worth to look where a total is looked for.
_SURE = re.compile(
    "|".join(pattern.pattern for pattern in (_SURE_TOTAL, _PAGE_COUNT, _MORE, _LAST)), re.IGNORECASE
)
#: Names at which it is worth to look closer.
_ANY = re.compile(
    "|".join(pattern.pattern for pattern in (_NEXT, _MORE, _LAST)) + r"|^_?links?$|^offset$", re.IGNORECASE
)
#: Characters of a sign that are shown.
_SHOWN = 100


def _cached(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    """Return what tells whether a name fits; most names are seen again and again, and none is long."""
    seen = functools.lru_cache(maxsize=4096)(lambda name: pattern.search(name) is not None)
    return lambda name: len(name) <= _NAME and seen(name)


_may_tell, _may_count, _may_be_header = _cached(_ANY), _cached(_SURE), _cached(_HEADER)
_LINKS = ("link", "links", "_links")
_RELATIONS = ("rel", "relation")
_PLACES = ("href", "url", "uri")
#: Of an object that tells of the next page: what asks for it, where there is no link.
_POSITIONS = ("after", "starting_after", "cursor", "token", "offset", "start", "page")
#: Types of JSON's values that hold no others, as most do: to tell them so takes a fifth of the time.
_SCALARS = frozenset({str, int, float, bool, type(None)})
#: What stands where the next page would be told if there was one; "0" is X's next_cursor_str.
_NOTHING = ("", 0, "0", -1, "-1")
_COUNTS_OF_FULL_PAGES = frozenset(
    {10, 20, 25, 30, 40, 50, 60, 75, 100, 200, 250, 500, 1000, 2000, 5000, 10_000}
)


def signs_of_more(body: Any, headers: Mapping[str, str], least: int = HINT) -> list[str]:
    """Return where an answer seems to tell of a next page, as arguments of ``paginate`` would name it.

    :param least: how sure a sign has to be: :data:`HINT`, :data:`NAMED` or :data:`CERTAIN`
    :return: none if it also says that there is no other page
    """
    return _signs_of_more(_fields(body), headers, least)


def _signs_of_more(fields: Iterable[_Field], headers: Mapping[str, str], least: int) -> list[str]:
    found = ["the header Link (style: link)"] if next_link_of(headers) else []
    found += [
        f"the header {name}"
        for name, value in headers.items()
        if _may_be_header(name) and value not in ("", NULL)
    ]
    for place, name, value in fields:
        if not _may_tell(name):
            continue
        has_more = _flag_in(name, value)
        if has_more is False:
            return []
        if has_more and (least == HINT or not _OF_WORK.match(name)):
            found.append(f"{place}: {str(value).lower()}")
        elif (sign := _sign_in(place, name, value)) is not None and sign[1] >= least:
            found.append(sign[0])
    return found


def _flag_in(name: str, value: Any) -> bool | None:
    """Return whether a field says that there are further pages; None if it is no such flag."""
    says = _SAID.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(says, bool):
        return None
    return says if _MORE.match(name) else not says if _LAST.match(name) else None


def _sign_in(place: str, name: str, value: Any) -> tuple[str, int] | None:
    """Return how a field tells of the next page, and how sure that is; None if it does not."""
    if name.lower() in _LINKS and isinstance(value, list):
        link = _next_in(value)
        return (f"{place}{link}", CERTAIN) if link else None
    if place.endswith("continue.continue"):
        return None  # MediaWiki's, which is beside what leads on
    if isinstance(value, dict) and "before" in value:
        return None  # the bounds of this page, as Facebook's cursors, and those of Relay
    if name == "offset" and isinstance(value, str) and value and not value.isdigit():
        return place, HINT  # Airtable's, which is a token
    if _NEXT.search(name) and not _OTHER.search(name) and (told := _told(value)) is not None:
        if isinstance(value, dict):
            value = value.get(told.removeprefix("."))
        is_link = isinstance(value, str) and _LINK.match(value)
        says_next = _SAYS_NEXT.search(name)
        return f"{place}{told}", CERTAIN if is_link and says_next else NAMED if says_next else HINT
    return None


def signs_of_total(body: Any, headers: Mapping[str, str], records: int) -> list[str]:
    """Return where an answer seems to tell of more records in all than it has."""
    found = []
    for name in _TOTAL_HEADERS:
        total = number_told(headers.get(name))
        if total is not None and total > records:
            found.append(f"the header {name}: {headers[name][:50]}")
    for place, name, value in _fields(body):
        total = number_told(value)
        if _TOTAL.match(name) and total is not None and total > records:
            found.append(f"{place}: {total}")
    return found


def signs_to_all(body: Any, headers: Mapping[str, str], *asked: Mapping[str, Any] | None) -> list[str]:
    """Return where an answer seems to tell of more than it has, to who asked for all, and not for a page.

    :param asked: the arguments of the request, as its query: one that asks for a part is of who knows of
        pages, and then no number of all is a sign
    """
    fields = list(_fields(body))
    signs = _signs_of_more(fields, headers, HINT)
    asks_for_part = any(_PART.search(str(name)) for arguments in asked for name in arguments or ())
    if signs or asks_for_part or _is_resource(body):
        return signs
    return _signs_of_counting(body, fields, headers)


def _signs_of_counting(body: Any, fields: list[_Field], headers: Mapping[str, str]) -> list[str]:
    """Return where an answer tells of more records, or pages, than it has.

    Less is taken for a number of all than by :func:`signs_of_total`: who reads pages knows what there are.
    """
    records, told = len(body) if isinstance(body, list) else 0, list[tuple[str, Any]]()
    pages = [(f"the header {name}", headers[name]) for name in _PAGE_COUNT_HEADERS if name in headers]
    for place, name, value in fields:
        if isinstance(value, list):
            records = max(records, len(value))
        elif not _may_count(name):
            continue
        elif _flag_in(name, value) is False:
            return []
        elif _PAGE_COUNT.match(name):
            pages.append((place, value))
        elif _SURE_TOTAL.match(name):
            told.append((place, value))
    told += [(f"the header {name}", headers[name]) for name in _TOTAL_HEADERS if name in headers]
    found = [f"{place}: {value}" for place, value in told if (number_told(value) or 0) > records]
    found += [f"{place}: {value}" for place, value in pages if (number_told(value) or 0) > 1]
    return [sign[:_SHOWN] for sign in found]


def totals_in(body: Any, headers: Mapping[str, str]) -> dict[str, int]:
    """Return where an answer tells how many records there are in all, by names that mean nothing else.

    Only what lies beside the records, or among what is told of the page, is of them.
    """
    told = {f"{HEADER}{name}": number_told(headers.get(name)) for name in _TOTAL_HEADERS}
    for place, name, value in _fields(body):
        above = place[: -len(name)]
        if _SURE_TOTAL.match(name) and (not above or _OF_PAGE.search(above)):
            told[place] = number_told(value)
    return {place: number for place, number in told.items() if number}


def number_told(value: object) -> int | None:
    """Return the number of all that a value tells, be it behind a range (RFC 9110, section 14.4)."""
    if isinstance(value, str):
        text = value.rpartition("/")[2].strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None  # noqa: PLR2004
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_RECORDS:
        return None
    if value != value // 1:
        return None
    return int(value)


def flag_told(value: object) -> bool:
    """Return what the value of a flag says, which may be a number or a text."""
    return value.strip().lower() not in _NO if isinstance(value, str) else bool(value)


def looks_full(records: int, query: Mapping[str, Any] | None, data: Any = None) -> bool:
    """Whether a page has as many records as pages usually have, or as query or data seem to ask for."""
    said = [*(query or {}).values(), *(value for _, _, value in _fields(data))]
    asked = {str(value) for value in said if isinstance(value, int | str)}
    return records in _COUNTS_OF_FULL_PAGES or (records > 0 and str(records) in asked)


def lists_in(body: Any, *, beside: str = "") -> list[str]:
    """Return where the lists with objects in them lie that may be the records of a body.

    :param beside: what other paths of the author's name; a list of these has another meaning
    """
    if isinstance(body, list):
        return ["the body itself"] if body else []
    named = set(re.findall(r"[\w@-]+", beside))
    return [
        place
        for place, name, value in _fields(body)
        if isinstance(value, list) and value and name not in named and not _is_links(value)
    ]


def has_records(body: Any) -> bool:
    """Whether a body is, or holds near its top, a list of several objects; takes no time if it does not."""
    return _has_near_its_top(body, _is_records)


def may_be_page(body: Any) -> bool:
    """Whether a body may be a page all the same: of values, of one record, or with none of those it filters.

    One with an ``id`` is a resource, whose lists are parts of it.
    """
    return not _is_resource(body) and _has_near_its_top(body, _is_list)


def _is_resource(body: Any) -> bool:
    return isinstance(body, dict) and "id" in body


def _has_near_its_top(body: Any, fits: Callable[[Any], bool]) -> bool:
    if not isinstance(body, dict):
        return fits(body)
    for value in body.values():
        if type(value) not in _SCALARS and _holds(value, fits):
            return True
    data = body.get("data")  # of GraphQL, whose connections have the records one place deeper
    return isinstance(data, dict) and any(_holds(value, fits) for value in data.values())


def _holds(value: Any, fits: Callable[[Any], bool]) -> bool:
    return any(map(fits, value.values())) if isinstance(value, dict) else fits(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and isinstance(value[0], dict)


def _fields(body: Any) -> Iterator[_Field]:
    """Yield the first fields near the top of a body."""
    return islice(_fields_below(body, "", 0), _FIELDS)


def _fields_below(body: Any, place: str, depth: int) -> Iterator[_Field]:
    if not isinstance(body, dict) or depth == _DEPTH:
        return
    for key, value in islice(body.items(), _KEYS):
        name = shortened(key, _NAME)
        yield f"{place}{name}", name, value
        yield from _fields_below(value, f"{place}{name}.", depth + 1)


def _is_links(values: list[Any]) -> bool:
    """Whether the items of a list are links with relations, as those of FHIR and of HATEOAS."""
    first = values[0] if values else None
    return (
        isinstance(first, dict) and any(name in first for name in _RELATIONS) and _place_of(first) is not None
    )


def _next_in(links: list[Any]) -> str | None:
    """Return how a path goes on from a list of links to the next page; None if it has no such link."""
    for link in links[:_KEYS]:
        for name in _RELATIONS:
            if isinstance(link, dict) and link.get(name) == "next" and (place := _place_of(link)):
                return f"[?{name}=='next'].{place} | [0]"
    return None


def _place_of(link: dict[Any, Any]) -> str | None:
    return next((place for place in _PLACES if isinstance(link.get(place), str) and link[place]), None)


def _told(value: Any) -> str | None:
    """Return how a path goes on to what tells of the next page; None if nothing does."""
    if isinstance(value, dict):
        place = _place_of(value) or next((name for name in _POSITIONS if value.get(name)), None)
        return f".{place}" if place else None
    is_told = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
    return "" if is_told and value not in _NOTHING else None
