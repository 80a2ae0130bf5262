"""Which redirect is followed, and how. Pure; no I/O."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from multidict import CIMultiDict

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.endpoints.paths import endpoint_at
from airflow_mirrordb.client.endpoints.redirect_hosts import is_listed, split_location
from airflow_mirrordb.client.endpoints.registry import EndpointRegistry
from airflow_mirrordb.client.endpoints.urls import joined
from airflow_mirrordb.client.errors import EndpointNotAllowedError
from airflow_mirrordb.client.messages.answer_errors import REDIRECTS
from airflow_mirrordb.client.messages.request import (
    MirrorDBRequest,
    WireRequest,
    without_body,
)
from airflow_mirrordb.client.messages.request_target import base_of, target_of
from airflow_mirrordb.client.messages.response import Answer

#: Redirects to other hosts that are followed for one attempt; a loop ends there.
MAX_HOPS = 5
#: What goes along to another host: headers that say what is wanted, and nothing of who wants it.
_FOR_ANYBODY = ("Accept", "Accept-Language", "Range", "User-Agent")


def redirected(
    answer: Answer,
    request: MirrorDBRequest,
    sent: WireRequest,
    config: MirrorDBConfig,
    registry: EndpointRegistry,
) -> WireRequest | None:
    """Return the request that a redirect asks for, if it may be followed.

    Followed is only a read, to the same origin, under the same path prefix, to an endpoint that is
    registered; everything else could carry the key elsewhere or turn a write into a read.

    A read by a body is sent again as it is, with its body, also after a 301 or 302, whatever it is sent as: a
    GET in its place would be a read of something else. After a 303 it goes on as a GET, to what has the
    result (draft-ietf-httpbis-safe-method-w-body, "Redirection"; RFC 9110, section 15.4.4).
    """
    if answer.status not in REDIRECTS or not request.reads:
        return None
    location = answer.headers.get("Location")
    if not location:
        return None
    to_result = answer.status == HTTPStatus.SEE_OTHER
    target = joined(sent.url, location)
    if target is None:
        return None
    try:
        address = str(target.with_query(None).with_fragment(None))
        path = registry.path_for(
            "GET" if to_result else request.method, endpoint_at(address, config.base_url)
        )
    except (ValueError, EndpointNotAllowedError):
        return None
    query = f"?{target.raw_query_string}" if target.raw_query_string else ""
    found = f"{target_of(path, config, slash=address.endswith('/'))}{query}"
    followed = replace(sent, target=found, is_linked=True, is_other=to_result)
    return without_body(followed) if to_result else followed


def redirected_elsewhere(
    answer: Answer, request: MirrorDBRequest, sent: WireRequest, config: MirrorDBConfig
) -> WireRequest | None:
    """Return the request that a redirect to another host asks for, if that is one of ``redirect_hosts``.

    It is a GET without any credential, and shows no client certificate. From https it does not lead to http,
    and never back to the backend, where requests need a pattern. A read by a body leads there by a 303 alone,
    and leaves its body behind.
    """
    location = answer.headers.get("Location")
    gets = sent.method == "GET" or (request.reads and answer.status == HTTPStatus.SEE_OTHER)
    if not gets or answer.status not in REDIRECTS or not location:
        return None
    found = split_location(location, sent.url)
    if found is None:
        return None
    origin, target = found
    is_own = origin == base_of(config.base_url)[0]
    if is_own or (origin.scheme == "http" and sent.origin.scheme == "https"):
        return None
    if not is_listed(origin, config.redirect_hosts or ()):
        return None
    headers = CIMultiDict({name: sent.headers[name] for name in _FOR_ANYBODY if name in sent.headers})
    is_other = sent.is_other or answer.status == HTTPStatus.SEE_OTHER
    return replace(
        without_body(sent), origin=origin, target=target, headers=headers, anonymous=True, is_other=is_other
    )
