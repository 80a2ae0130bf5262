"""The target of a request: the path under the base URL, and the query (RFC 9112, section 3.2.1). Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from yarl import URL

from airflow_mirrordb.client.bodies.encoding import text_of
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.endpoints.patterns import READS, Method
from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.json_types import is_list

_QUERY_VALUE = "a string, number, boolean or a list of them"


@functools.lru_cache(maxsize=64)  # to take a URL apart is as much work as all else that a request needs
def base_of(base_url: str) -> tuple[URL, str]:
    """Return the origin of a base URL, and its percent-encoded path, without a slash at the end."""
    url = URL(base_url, encoded=True)
    return url.origin(), url.raw_path.rstrip("/")


def target_of(path: str, config: MirrorDBConfig, *, slash: bool) -> str:
    """Return the path of a request under the base URL.

    :param path: as :meth:`EndpointRegistry.path_for` returns it
    :param slash: whether it ends in a slash
    """
    prefix = base_of(config.base_url)[1]
    target = f"{prefix}/{path}" if path else prefix
    return f"{target}/" if slash or not target else target


def query_of(query: Mapping[str, Any], method: Method) -> str:
    """Return a query, with its question mark; nothing for an empty one.

    :raises InvalidRequestError: if it is no mapping, or a value cannot be sent
    """
    if not isinstance(query, Mapping):
        raise _bad("query", f"it must be a mapping, not {type(query).__name__}")
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        place = f"query[{name!r}]"
        values = list(value) if is_list(value) else [value]
        left = [item for item in values if item is not None]
        if method not in READS and (not left or len(left) < len(values)):
            raise _bad(place, "None and [] are left out of reads only: a write could mean all then")
        if left:
            key = text_of(name, place)
            pairs += [(key, text_of(item, place, _QUERY_VALUE)) for item in left]
    return f"?{urlencode(pairs, quote_via=quote)}" if pairs else ""


def _bad(place: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(message=f"{place}: {reason}", field=place)
