"""What is wrong with the arguments of pages; light, as a DAG file that watches a collection checks them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from airflow_mirrordb.client.errors import InvalidRequestError, remedy
from airflow_mirrordb.paths import PathError, parse_path

#: The styles of pages, and what each of them needs.
NEEDED: dict[str, tuple[str, ...]] = {
    "link": (),
    "header": ("next",),
    "body": ("next",),
    "page": ("param",),
    "offset": ("param",),
}
NAMES = ("style", "records", "next", "param", "first", "size", "size_param", "max_pages")


def check_page_arguments(arguments: object, unknown: Collection[str] = ()) -> None:
    """Check what is to become a :class:`~airflow_mirrordb.client.collections.pagination.Pagination`.

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
        raise _wrong("style", "it is missing")
    if "style" not in unknown:
        _check_style(arguments, unknown)
    known = {name: value for name, value in arguments.items() if name not in unknown}
    _check_values({"style": None, **known}, unknown)


def _check_style(arguments: Mapping[str, Any], unknown: Collection[str]) -> None:
    style = arguments["style"]
    if not isinstance(style, str) or style not in NEEDED:
        raise _wrong("style", f"{style!r} is not one of {', '.join(NEEDED)}")
    for name in NEEDED[style]:
        if not arguments.get(name) and name not in unknown:
            raise _wrong(name, f"it is needed with the style {style!r}")


def _check_values(arguments: Mapping[str, Any], unknown: Collection[str]) -> None:
    paths = ("records", "next") if arguments["style"] == "body" else ("records",)
    for name in paths:
        if arguments.get(name) is not None:
            _check_path(name, arguments[name])
    if arguments.get("size_param") and arguments.get("size") is None and "size" not in unknown:
        raise _wrong("size", "it is needed with size_param")
    for name in ("size", "max_pages"):
        value = arguments.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise _wrong(name, f"it must be a whole number of at least 1, not {value!r}")


def _check_path(name: str, path: str) -> None:
    try:
        parse_path(path)
    except PathError as error:
        raise _wrong(name, str(error)) from None


def _wrong(name: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"paginate.{name}: {reason}", field=f"paginate.{name}")
