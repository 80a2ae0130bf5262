"""How the settings of a connection may be written: leniently in form, as text, JSON or its own type. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from airflow_mirrordb.client.endpoints.patterns import METHODS
from airflow_mirrordb.client.endpoints.redirect_hosts import checked_host
from airflow_mirrordb.client.messages.headers import TOKEN


def _as_list(value: object) -> object:
    """A list may come as JSON text, or as words between commas, white space or line breaks."""
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple | set | frozenset) else value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return value.replace(",", " ").split()


def _as_patterns(value: object) -> object:
    """As a list, with ``DELETE api/cache`` kept in one piece."""
    words = _as_list(value)
    if not isinstance(value, str) or not isinstance(words, list) or value.lstrip().startswith("["):
        return words
    patterns: list[str] = []
    for word in words:
        if patterns and patterns[-1].upper() in METHODS:
            patterns[-1] += f" {word}"
        else:
            patterns.append(word)
    return patterns


def _as_statuses(value: object) -> object:
    """As a list; ``none`` is an empty one, since nothing stands for the default."""
    is_none = isinstance(value, str) and value.strip().lower() == "none"
    return [] if is_none else _as_list(value)


def _as_mapping(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f'it must be a JSON object, as {{"X-Tenant": "acme"}}: {error}') from None


def _as_method(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not a boolean")  # noqa: TRY004  # pydantic reads ValueError
    return value


def _as_verify(value: object) -> object:
    words = dict.fromkeys(("true", "yes", "1"), True) | dict.fromkeys(("false", "no", "0"), False)
    return words.get(value.lower(), value) if isinstance(value, str) else value


Integer = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean), Field(allow_inf_nan=False)]
HeaderName = Annotated[str, Field(pattern=rf"^{TOKEN.pattern}$")]
Headers = Annotated[Mapping[HeaderName, str], BeforeValidator(_as_mapping)]
Patterns = Annotated[tuple[str, ...] | None, BeforeValidator(_as_patterns)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(checked_host)], ...] | None, BeforeValidator(_as_list)]
Verify = Annotated[bool | str, BeforeValidator(_as_verify)]
ErrorStatuses = Annotated[frozenset[Annotated[Integer, Field(ge=400, le=599)]], BeforeValidator(_as_statuses)]
SuccessStatuses = Annotated[
    frozenset[Annotated[Integer, Field(ge=201, le=299)]], BeforeValidator(_as_statuses)
]
AnyCase = BeforeValidator(_as_method)
