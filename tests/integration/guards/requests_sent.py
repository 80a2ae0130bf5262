"""Guards of what is sent: endpoints, redirects and headers."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from yarl import URL

from airflow_mirrordb.client import (
    ConfigError,
    MirrorDBConfig,
)
from airflow_mirrordb.client.endpoints import patterns as registered
from airflow_mirrordb.client.messages.request import MirrorDBRequest, WireRequest
from airflow_mirrordb.client.messages.response import Answer
from tests.integration import (
    test_client_writes as writes,
    test_config_urls as config_urls,
    test_files_elsewhere as files,
    test_proxy as proxies,
    test_reads_by_body as by_body,
    test_secrets as secrets,
    test_transport_origin as origin,
    test_wire as requests,
    test_wire_hostile as hostile_requests,
)
from tests.support.guards import ANYTHING, NEVER, Guard, nothing, seeds, unchanged
from tests.unit import (
    test_endpoint_dialects as dialects,
    test_endpoints as patterns,
    test_entity_tags as entity_tags,
    test_redirect_hosts as hosts,
    test_request_values as values,
)

RULES_OF = registered._rules_of.__wrapped__


NO_URL = re.compile(r"(?!)")


def follow_anywhere(answer: Answer, request: MirrorDBRequest, sent: WireRequest, *_rest: Any) -> Any:
    """What many clients do with a redirect."""
    if "Location" not in answer.headers:
        return None
    method = "GET" if answer.status in (301, 302, 303) else sent.method
    url = sent.url.join(URL(answer.headers["Location"]))
    return replace(sent, method=method, origin=url.origin(), target=url.raw_path_qs)


def long_host_is_refused_at_once() -> None:
    begin = time.thread_time()
    with pytest.raises(ConfigError):
        MirrorDBConfig(base_url="https://" + "é" * 100_000)
    assert time.thread_time() - begin < hostile_requests.LIMIT


OTHER_ORIGIN: dict[str, Any] = {
    "check": origin.test_a_redirect_to_another_origin_sends_nothing_there,
    "arguments": {"status": 302, "auth_type": "api_key"},
}


MEGABYTE: dict[str, Any] = {
    "check": hostile_requests.test_a_megabyte_is_refused_at_once,
    "arguments": {"name": "letters"},
}


GUARDS: dict[str, Guard] = {
    # endpoints
    "what is encoded again": Guard(without=nothing, check=seeds("endpoint")),
    "odd characters": Guard(without=nothing, check=seeds("endpoint")),
    "patterns": Guard(seam="endpoint patterns", without=lambda *_: True, check=seeds("endpoint")),
    "kinds of placeholders": Guard(
        without=lambda pattern: RULES_OF(pattern.replace(":int}", "}")),
        check=patterns.test_a_pattern_allows_exactly_its_methods,
        arguments={"pattern": "api/users/{id:int}", "endpoint": "api/users/7a", "methods": set()},
    ),
    "slashes within a segment": Guard(
        seam="kinds of placeholders",
        without=lambda pattern: RULES_OF(pattern.replace("{id}", "{id:quoted}")),
        check=dialects.test_segments_of_several_parts_match_nothing_else,
        arguments={"pattern": "Orders({id})", "endpoint": "Orders(a%2Fb)"},
    ),
    "names between encoded slashes": Guard(without=unquote, check=seeds("endpoint")),
    "structure in a normal form": Guard(without=frozenset(), check=seeds("endpoint")),
    "names that read as URLs": Guard(
        without=NO_URL,
        check=dialects.test_what_reads_as_a_url_is_refused,
        arguments={"endpoint": "user:pass@host/api"},
    ),
    "custom methods of items": Guard(
        without=nothing, check=dialects.test_a_custom_method_of_an_item_needs_its_http_method
    ),
    "length of endpoints": Guard(without=10**9, **MEGABYTE),
    "odd hosts": Guard(without=urlsplit, check=seeds("base_url")),
    "length of URLs": Guard(without=10**9, check=long_host_is_refused_at_once),
    "ports": Guard(
        without=lambda _: True,
        check=config_urls.test_a_port_that_is_none_is_refused_with_the_settings,
        arguments={"field": "proxy", "port": "99999"},
    ),
    "words of a URL that is none": Guard(
        without=urlsplit,
        check=config_urls.test_a_url_with_a_password_is_refused_without_it,
        arguments={"field": "proxy", "url": "http://user:c4nary\u2100@proxy.example:3128"},
    ),
    "registry on the wire": Guard(
        seam="endpoint patterns",
        without=lambda *_: True,
        check=requests.test_a_wrong_request_makes_no_connection,
        arguments={"name": "endpoint not registered"},
    ),
    # redirects
    "redirects to other origins": Guard(seam="redirects", without=follow_anywhere, **OTHER_ORIGIN),
    "redirects to http": Guard(
        seam="redirects",
        without=follow_anywhere,
        check=secrets.test_no_redirect_leads_from_https_to_http,
        arguments={"status": 302},
    ),
    "redirects of writes": Guard(
        seam="redirects",
        without=follow_anywhere,
        check=writes.test_a_redirected_write_is_an_error_and_not_followed,
        arguments={"status": 301, "header": None, "method": "POST"},
    ),
    "redirects of reads by a body": Guard(
        seam="redirects",
        without=follow_anywhere,
        check=by_body.test_no_other_redirect_is_followed,
        arguments={"status": 302, "location": "/api/orders/7"},
    ),
    "redirects to what is not registered": Guard(
        seam="endpoint patterns", without=lambda *_: True, check=seeds("location")
    ),
    "hosts of redirects": Guard(
        without=lambda *_: True,
        check=hosts.test_what_is_not_listed_is_not_followed,
        arguments={"location": "https://evil.example/?bucket.s3.amazonaws.com"},
    ),
    "headers for other hosts": Guard(
        without=("Accept", "Accept-Language", "Range", "User-Agent", "X-Tenant", "X-Trace"),
        check=hosts.test_nothing_goes_along_that_tells_who_asks,
    ),
    "client certificates of other hosts": Guard(
        without=lambda config: config,
        check=files.test_no_client_certificate_is_shown_to_another_host,
        arguments={"shared": False},
    ),
    "signatures of other hosts": Guard(
        without=lambda *_: [],
        check=files.test_what_the_other_host_refuses_is_told_without_the_signature,
    ),
    "hops to other hosts": Guard(
        without=50,
        check=files.test_hosts_may_lead_on_and_a_loop_ends,
    ),
    # headers
    "reserved headers": Guard(without=frozenset(), check=seeds("header")),
    "spelling of headers": Guard(without=str.lower, check=seeds("header")),
    "headers that override": Guard(without=frozenset(), check=seeds("header")),
    "names of headers": Guard(without=ANYTHING, check=seeds("header")),
    "values of headers": Guard(without=NEVER, check=seeds("header")),
    "entity tags": Guard(
        without=unchanged,
        check=entity_tags.test_a_condition_that_says_nothing_is_refused,
        arguments={"argument": "if_match", "value": "None", "reason": "a missing XCom"},
    ),
    "idempotency keys that say nothing": Guard(
        without=unchanged,
        check=values.test_nothing_of_a_write_is_dropped,
        arguments={"arguments": {"idempotency_key": ""}, "field": "idempotency_key"},
    ),
    "credentials of a proxy": Guard(
        without=lambda _config: {},
        check=proxies.test_credentials_are_sent_in_utf_8,
        arguments={"backend": "https://backend.example", "user": "us€r", "password": "пароль"},
    ),
    "credentials that no proxy takes": Guard(
        without=nothing,
        check=proxies.test_credentials_that_cannot_be_sent_are_refused_with_the_settings,
        arguments={"credentials": "domain%3Auser:pw", "words": "has no colon"},
    ),
}
