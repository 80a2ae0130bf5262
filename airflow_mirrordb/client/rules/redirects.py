"""Which redirect is followed. Pure; no I/O."""

from __future__ import annotations

from dataclasses import replace

from yarl import URL

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import EndpointNotAllowedError
from airflow_mirrordb.client.request import MirrorDBRequest, WireRequest, target_of
from airflow_mirrordb.client.response import REDIRECTS, Answer
from airflow_mirrordb.client.rules.endpoints import EndpointRegistry
from airflow_mirrordb.client.rules.paths import endpoint_at


def redirected(
    answer: Answer,
    request: MirrorDBRequest,
    sent: WireRequest,
    config: MirrorDBConfig,
    registry: EndpointRegistry,
) -> WireRequest | None:
    """Return the request that a redirect asks for, if it may be followed.

    Followed is only a GET, to the same origin, under the same path prefix, to an endpoint that is
    registered; everything else could carry the key elsewhere or turn a write into a read.
    """
    location = answer.headers.get("Location")
    if request.method != "GET" or answer.status not in REDIRECTS or not location:
        return None
    try:
        target = sent.url.join(URL(location))
        address = str(target.with_query(None).with_fragment(None))
        path = registry.path_for("GET", endpoint_at(address, config.base_url))
    except (ValueError, EndpointNotAllowedError):
        return None
    query = f"?{target.raw_query_string}" if target.raw_query_string else ""
    return replace(sent, target=f"{target_of(path, config, slash=address.endswith('/'))}{query}")
