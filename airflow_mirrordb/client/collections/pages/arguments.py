"""What is wrong with the arguments of pages; light, as a DAG file that reads a collection checks them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from airflow_mirrordb.client.collections.pages.counted_lists import UnclearError, counted_list
from airflow_mirrordb.client.errors import InvalidRequestError, remedy
from airflow_mirrordb.client.messages.headers import OVERRIDES, RESERVED_HEADERS, TOKEN, header_key
from airflow_mirrordb.media_types import table_asked_for
from airflow_mirrordb.paths import PathError, parse_path

#: The styles of pages, and what each of them needs.
NEEDED: dict[str, tuple[str, ...]] = {
    "link": (),
    "header": ("next",),
    "body": ("next",),
    "page": ("param",),
    "offset": ("param",),
}
#: Those whose next page is told by what is counted, not by what the backend says.
COUNTED = ("page", "offset")
NAMES = (
    "style",
    "records",
    "next",
    "param",
    "param_in",
    "first",
    "size",
    "size_param",
    "total",
    "page_count",
    "more",
    "rebase",
    "concurrency",
    "max_pages",
)
_PATHS = ("records", "total", "page_count", "more")
PLACES = ("query", "body", "headers")
_TEXTS = ("next", "param", "size_param")
#: Whole numbers, and the least that each may be.
_NUMBERS = {"first": 0, "size": 1, "concurrency": 1, "max_pages": 1}
_OF_HEADER = "say a place in a row, as '[-1].id', or the name of a header"
#: Part of a name that tells what is left: after the first of two pages it equals what came.
_LEFT = "remaining"
_OF_STYLES: dict[str, tuple[str, ...]] = {
    "rebase": ("link", "header", "body"),
    "page_count": ("page",),
    "concurrency": COUNTED,
}


def check_page_arguments(arguments: object, unknown: Collection[str] = ()) -> None:
    """Check what is to become a :class:`~airflow_mirrordb.client.collections.pages.pagination.Pagination`.

    :param unknown: names of the arguments whose values are not known yet, as those of templates
    :raises InvalidRequestError: if it is no mapping, or its values do not fit together; names the wrong one
    """
    if not isinstance(arguments, Mapping):
        message = f"paginate: it must be a mapping, as {{'style': 'link'}}, not {type(arguments).__name__}"
        raise InvalidRequestError(message=message, field="paginate")
    for name in arguments:
        if name not in NAMES:
            raise _wrong(str(name), f"unknown argument; {remedy(name, NAMES)}")
    if "style" not in arguments:
        raise _wrong("style", f"it is missing; it is one of {', '.join(NEEDED)}")
    given = {name for name, value in arguments.items() if value is not None or name in unknown}
    known = {name: value for name, value in arguments.items() if value is not None and name not in unknown}
    if "style" not in unknown:
        _check_style(arguments["style"], known, given)
    _check_values(known)
    _check_together(known, given)


def check_place_of_param(arguments: Mapping[str, Any], data: object, unknown: Collection[str] = ()) -> None:
    """Check that there is a body for what ``param_in`` puts there.

    :param arguments: of pages, which are right by themselves
    :param data: of the read; None if it has none
    :param unknown: see :func:`check_page_arguments`
    :raises InvalidRequestError: if there is none; names the argument
    """
    if data is None and "param_in" not in unknown and arguments.get("param_in") == "body":
        raise _wrong("param_in", "a read without data has no body; give it data, or leave param_in")


def check_places_in_tables(
    arguments: Mapping[str, Any], accept: object, unknown: Collection[str] = ()
) -> None:
    """Check that no path leads where CSV has nothing, if only that is asked for: it is the list of its rows.

    :param arguments: of pages, which are right by themselves
    :param accept: of the read
    :param unknown: see :func:`check_page_arguments`
    :raises InvalidRequestError: if one does; names the argument
    """
    if not isinstance(accept, str) or table_asked_for(accept) is None or "style" in unknown:
        return
    remedies = {"records": "leave it out", **dict.fromkeys(("total", "page_count", "more"), _OF_HEADER)}
    if arguments["style"] == "body":
        remedies["next"] = f"{_OF_HEADER}, with the style 'header'"
    for name, how in remedies.items():
        place = None if name in unknown else arguments.get(name)
        if place is None or not begins_with_name(place):
            continue
        if how is not _OF_HEADER or "." in place or not TOKEN.fullmatch(place.removeprefix("!")):
            reason = f"{place!r} is in no page of CSV, which is the list of its rows; {how}"
            raise _wrong(name, reason)


def begins_with_name(place: str) -> bool:
    """Whether a path goes to a field of the body first, of which a list has none."""
    path = parse_path(place.removeprefix("!") or place)
    start = path.head if path.is_expression else path
    return start is not None and whole_number(start.names[0].removeprefix("-")) is None


def whole_number(value: object) -> int | None:
    """Return the whole number that a value is, or whose text a template rendered; None for others."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    return None


def _check_style(style: object, known: Mapping[str, Any], given: Collection[str]) -> None:
    if not isinstance(style, str) or style not in NEEDED:
        raise _wrong("style", f"{style!r} is not one of {', '.join(NEEDED)}")
    for name in NEEDED[style]:
        if name not in given or known.get(name, True) == "":
            raise _wrong(name, f"it is needed with the style {style!r}")
    for name, styles in _OF_STYLES.items():
        says_nothing = known.get(name) in (None, False) or whole_number(known[name]) == 1
        if not says_nothing and style not in styles:
            raise _wrong(name, f"it goes with the style {' or '.join(styles)}, not {style!r}")
    if style == "header" and "next" in known and not TOKEN.fullmatch(str(known["next"])):
        raise _wrong("next", f"{known['next']!r} is no name of a header")
    if style == "header" and str(known.get("next")).lower() == "link":
        raise _wrong("next", "the header Link is what the style 'link' reads: {'style': 'link'}")
    if style == "body" and "next" in known:
        _check_path("next", known["next"])


def _check_values(known: Mapping[str, Any]) -> None:
    for name in (*_PATHS, *(("param", "size_param") if known.get("param_in") == "body" else ())):
        if name in known:
            _check_path(name, known[name])
    for name in _TEXTS:
        if name in known and not isinstance(known[name], str):
            raise _wrong(name, f"it must be a text, not {known[name]!r}")
    for name, least in _NUMBERS.items():
        number = whole_number(known.get(name, least))
        if number is None or number < least:
            raise _wrong(name, f"it must be a whole number of at least {least}, not {known[name]!r}")
    if known.get("param_in", "query") not in PLACES:
        raise _wrong("param_in", f"it must be 'query', 'body' or 'headers', not {known['param_in']!r}")
    if not isinstance(known.get("rebase", False), bool):
        raise _wrong("rebase", f"it must be True or False, not {known['rebase']!r}")


def _check_headers(known: Mapping[str, Any]) -> None:
    for name in ("param", "size_param"):
        header = known.get(name, "Range")
        if not TOKEN.fullmatch(header) or header_key(header) in RESERVED_HEADERS | OVERRIDES:
            raise _wrong(name, f"{header!r} is no header that a request may set")


def _check_together(known: Mapping[str, Any], given: Collection[str]) -> None:
    if known.get("param_in") == "headers":
        _check_headers(known)
    for name in ("param", "size_param") if known.get("param_in") == "body" else ():
        if name in known and parse_path(known[name]).is_expression:
            raise _wrong(name, f"{known[name]!r} is an expression; only names and numbers say where to write")
    if "records" in known and (known.get("style") == "offset" or "total" in given):
        try:
            counted_list(known["records"])
        except UnclearError:
            reason = (
                f"by {known['records']!r} nothing tells how many records a page has, and they are counted:"
                " name the one list of the page, as 'rows' or 'rows[?active]'"
            )
            raise _wrong("records", reason) from None
    if _LEFT in str(known.get("total", "")).rpartition(".")[2].lower():
        reason = f"{known['total']!r} says how many are left, not how many there are: 'more' takes it"
        raise _wrong("total", reason)
    if "size_param" in given and "size" not in given:
        raise _wrong("size", "it is needed with size_param")
    if (whole_number(known.get("concurrency")) or 1) > 1 and not {"total", "page_count"} & set(given):
        raise _wrong(
            "concurrency",
            "pages are read at the same time where their number is known: say where it is, by total (of the"
            " records) or page_count, as 'X-Total-Count' or 'meta.total'",
        )


def _check_path(name: str, path: str) -> None:
    try:
        parse_path(path)
    except PathError as error:
        raise _wrong(name, str(error)) from None


def _wrong(name: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"paginate.{name}: {reason}", field=f"paginate.{name}")
