"""Each guard of the client, taken out: what ought to notice has to fail, or it would prove nothing.

A guard is disabled where it is looked up. Its check, a test of another file or the seeds of a fuzz
target, has to pass with it and to fail without it. It ends by itself, with or without: a check that
waits for ever without its guard would fail for want of time, which a busy machine may lack as well.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import re
import ssl
import struct
import time
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, redact
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS
from yarl import URL

from airflow_mirrordb.client import (
    ConfigError,
    GenericMirrorDB,
    MirrorDBConfig,
    RateLimitError,
    call,
    config,
    forking,
    mirrordb as client_module,
    request,
    response,
)
from airflow_mirrordb.client.auth import credentials, redaction, tokens
from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.bodies import compression, error_details, texts
from airflow_mirrordb.client.collections import pagination, streams
from airflow_mirrordb.client.collections.bulk_report import BulkReport
from airflow_mirrordb.client.collections.record_names import RecordNames
from airflow_mirrordb.client.request import MirrorDBRequest, WireRequest
from airflow_mirrordb.client.response import Answer
from airflow_mirrordb.client.rules import endpoints, urls, write_safety
from airflow_mirrordb.client.wire import aiohttp_private, body_ends, failures, pool, transport
from airflow_mirrordb.client.wire.deadlines import Deadlines
from airflow_mirrordb.client.wire.tls import tls_context
from airflow_mirrordb.hooks import connected, connection_test as test_of_connections
from airflow_mirrordb.hooks.lookup import ConnectionLookUp
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.runner import LoopRunner
from airflow_mirrordb.hooks.signals import Signals
from airflow_mirrordb.operators import bulk, bulk_state
from airflow_mirrordb.task import (
    events,
    result,
    serialization,
    start,
    state,
    stored_arguments,
    takeover,
    templates,
)
from airflow_mirrordb.triggers import event as event_trigger, mirrordb as mirrordb_triggers, sensor
from tests.fuzz.targets import REGISTRIES, TARGETS
from tests.integration import (
    test_airflow_borders as borders,
    test_answer_heads as heads,
    test_client_writes as writes,
    test_config_urls as config_urls,
    test_connection_ends as connection_ends,
    test_connection_test as connection_test,
    test_control_flow as control_flow,
    test_damaged_answers as damaged,
    test_forking as forks,
    test_framing as framing,
    test_hostile_answers as hostile_answers,
    test_memory_of_answers as memory_of_answers,
    test_operators_bulk as bulks,
    test_operators_tries as tries_of_tasks,
    test_pages as paginated,
    test_rendered_arguments as rendered,
    test_resources as resources,
    test_results as results,
    test_secrets as secrets,
    test_secrets_forms as forms,
    test_stored_triggers as stored,
    test_streams as files,
    test_takeover as takeovers,
    test_tokens as token_answers,
    test_transport as tls,
    test_transport_origin as origin,
    test_unsent as unsent,
    test_wire as requests,
    test_wire_hostile as hostile_requests,
)
from tests.integration.test_connection_ends import odd  # noqa: F401  # a fixture
from tests.integration.test_connection_test import hanging  # noqa: F401  # another one
from tests.integration.test_framing import small_framing  # noqa: F401  # a fixture
from tests.integration.test_hostile_answers import hostile  # noqa: F401  # another one
from tests.integration.test_operators_tries import Tries, tries  # noqa: F401  # another one
from tests.integration.test_resources import mixed  # noqa: F401  # another one
from tests.integration.test_sensor import scheduler  # noqa: F401  # and another one
from tests.integration.test_stored_triggers import fired  # noqa: F401  # and another one
from tests.integration.test_tokens import token_server  # noqa: F401  # and one more
from tests.integration.test_unsent import busy  # noqa: F401  # and another one
from tests.unit import (
    test_compression as packed,
    test_endpoints as patterns,
    test_entity_tags as entity_tags,
    test_error_details as problems,
    test_redaction as redacted,
    test_request_values as values,
    test_response as interpreted,
    test_runner as runs,
    test_texts as text_of_bodies,
)
from tests.unit.test_runner import runner  # noqa: F401  # and one more

if TYPE_CHECKING:
    from tests.support.backends import Answering, ScriptedBackend
    from tests.support.connections import ConfigFor, SetConnection
    from tests.support.triggering import Triggerer

DEFAULT_CONTEXT = ssl.create_default_context
NEVER = re.compile(r"(?!)")
RULES_OF = endpoints._rules_of.__wrapped__
ANYTHING = re.compile(r".*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What is put in the place of a guard, and who has to notice."""

    owner: Any
    name: str
    without: Any
    check: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)


def seeds(target: str) -> Callable[[], None]:
    def check() -> None:
        for seed in TARGETS[target].seeds:
            TARGETS[target].check(seed)

    return check


class NeverRaisedError(Exception):
    """What a handler waits for that is not there."""


def nothing(*_args: Any, **_options: Any) -> None:
    """A guard that is not there."""


async def nothing_to_await(*_args: Any) -> None:
    """The same of a coroutine function."""


def by_position(self: RecordNames, _request: MirrorDBRequest) -> str:
    self._seen["all"] += 1
    return f"{self._seen['all']:012d}"


async def always(*_args: Any) -> bool:
    return True


def as_it_is(value: Any, **_options: Any) -> Any:
    return value


async def json_as_it_is(value: Any) -> Any:
    return value


def unchanged(text: str, *_args: Any) -> str:
    return text


def follow_anywhere(answer: Answer, request: MirrorDBRequest, sent: WireRequest, *_rest: Any) -> Any:
    """What many clients do with a redirect."""
    if "Location" not in answer.headers:
        return None
    method = "GET" if answer.status in (301, 302, 303) else sent.method
    url = sent.url.join(URL(answer.headers["Location"]))
    return replace(sent, method=method, origin=url.origin(), target=url.raw_path_qs)


async def read_much(_self: object, response: Any, pieces: list[bytes], _stream: object) -> str:
    async for piece in transport._unpacked(response):
        pieces.append(piece)
        if len(pieces) > 32 * hostile_requests.MEGABYTE / compression.PIECE:
            break
    return ""


def tls_without(**changes: Any) -> Callable[..., ssl.SSLContext]:
    real = tls_context

    def lax(**settings: Any) -> ssl.SSLContext:
        context = real.__wrapped__(**settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            for name, value in changes.items():
                setattr(context, name, value)
        if "minimum_version" in changes:
            context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    return lax


def system_authorities(**_settings: Any) -> ssl.SSLContext:
    return DEFAULT_CONTEXT()


async def any_credentials(self: ConnectionLookUp, _base_url: str) -> dict[str, Any]:
    found = await self._shared(0.0)
    return {"login": found.login, "api_key": found.api_key}


def unmasked(self: MirrorDBConfig) -> dict[str, Any]:
    return {"api_key": self.api_key.get_secret_value() if self.api_key else None}


def interrupted_write_is_final(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tries: Tries,  # noqa: F811  # the fixture
) -> None:
    try:
        tries_of_tasks.test_time_out_right_after_the_answer_is_final(scripted, set_connection, tries, "close")
    except AirflowTaskTimeout as left:
        raise AssertionError("Airflow would make another try") from left


def users_function_is_interrupted() -> None:
    check = runs.test_a_function_of_the_users_is_interrupted_at_once
    forks.in_child(lambda: check(LoopRunner(), is_held=False))


def signals_wait() -> None:
    # in a process of its own: only a main thread gets any
    check = runs.test_a_signal_between_answer_and_return_keeps_the_answer
    forks.in_child(lambda: check(LoopRunner()))


def long_host_is_refused_at_once() -> None:
    begin = time.thread_time()
    with pytest.raises(ConfigError):
        MirrorDBConfig(base_url="https://" + "é" * 100_000)
    assert time.thread_time() - begin < hostile_requests.LIMIT


def key_is_masked(set_connection: SetConnection) -> None:
    key = uuid4().hex  # the masker forgets none; the password itself is known to Airflow without us
    set_connection("http://127.0.0.1:1", login="someone", password=key)
    MirrorDBHook().get_conn()
    assert redact(b64encode(f"someone:{key}".encode()).decode()) == "***"


def hostile_case(name: str) -> dict[str, Any]:
    return {"check": hostile_answers.test_a_hostile_answer_is_one_clear_error, "arguments": {"name": name}}


def repeated(name: str, auth: str = "bearer") -> dict[str, Any]:
    return {"check": secrets.test_a_backend_that_repeats_the_key, "arguments": {"name": name, "auth": auth}}


def in_form(form: str, place: str) -> dict[str, Any]:
    return {"check": forms.test_a_key_in_any_form_in_any_place, "arguments": {"form": form, "place": place}}


def not_hidden(check: dict[str, Any]) -> Guard:
    return Guard(owner=Redaction, name="error", without=nothing, **check)


def remember_the_first(self: Redaction, secrets: Iterable[str]) -> None:
    if not self._secrets:
        self._secrets = dict.fromkeys(secrets)


def interpreted_as_it_is(*args: Any, hide: Any, **facts: Any) -> Any:
    return response.interpret(*args, **facts, hide=str if hide else hide)


OTHER_ORIGIN: dict[str, Any] = {
    "check": origin.test_a_redirect_to_another_origin_sends_nothing_there,
    "arguments": {"status": 302, "auth_type": "api_key"},
}
MEGABYTE: dict[str, Any] = {
    "check": hostile_requests.test_a_megabyte_is_refused_at_once,
    "arguments": {"name": "letters"},
}
CERTIFICATE = tls.test_a_certificate_that_proves_nothing_is_refused_once

GUARDS: dict[str, Guard] = {
    # endpoints
    "what is encoded again": Guard(
        owner=endpoints, name="_refuse_what_is_hidden", without=nothing, check=seeds("endpoint")
    ),
    "odd characters": Guard(
        owner=endpoints, name="_refuse_odd_characters", without=nothing, check=seeds("endpoint")
    ),
    "patterns": Guard(owner=endpoints.Rule, name="matches", without=lambda *_: True, check=seeds("endpoint")),
    "kinds of placeholders": Guard(
        owner=endpoints,
        name="_rules_of",
        without=lambda pattern: RULES_OF(pattern.replace(":int}", "}")),
        check=patterns.test_a_pattern_allows_exactly_its_methods,
        arguments={"pattern": "api/users/{id:int}", "endpoint": "api/users/7a", "methods": set()},
    ),
    "length of endpoints": Guard(owner=endpoints, name="MAX_ENDPOINT_LENGTH", without=10**9, **MEGABYTE),
    "odd hosts": Guard(owner=config, name="split_url", without=urlsplit, check=seeds("base_url")),
    "length of URLs": Guard(
        owner=urls, name="MAX_URL_LENGTH", without=10**9, check=long_host_is_refused_at_once
    ),
    "ports": Guard(
        owner=urls,
        name="is_port",
        without=lambda _: True,
        check=config_urls.test_a_port_that_is_none_is_refused_with_the_settings,
        arguments={"field": "proxy", "port": "99999"},
    ),
    "words of a URL that is none": Guard(
        owner=urls,
        name="_split",
        without=urlsplit,
        check=config_urls.test_a_url_with_a_password_is_refused_without_it,
        arguments={"field": "proxy", "url": "http://user:c4nary\u2100@proxy.example:3128"},
    ),
    "registry on the wire": Guard(
        owner=endpoints.Rule,
        name="matches",
        without=lambda *_: True,
        check=requests.test_a_wrong_request_makes_no_connection,
        arguments={"name": "endpoint not registered"},
    ),
    # redirects
    "redirects to other origins": Guard(
        owner=call, name="redirected", without=follow_anywhere, **OTHER_ORIGIN
    ),
    "redirects to http": Guard(
        owner=call,
        name="redirected",
        without=follow_anywhere,
        check=secrets.test_no_redirect_leads_from_https_to_http,
        arguments={"status": 302},
    ),
    "redirects of writes": Guard(
        owner=call,
        name="redirected",
        without=follow_anywhere,
        check=writes.test_a_redirected_write_is_an_error_and_not_followed,
        arguments={"status": 301, "header": None, "method": "POST"},
    ),
    "redirects to what is not registered": Guard(
        owner=endpoints.Rule, name="matches", without=lambda *_: True, check=seeds("location")
    ),
    # what may have been applied
    "404 after mere refusals": Guard(
        owner=call,
        name="may_be_applied",
        without=lambda _answer: True,
        check=writes.test_a_delete_that_was_only_refused_before_its_404_is_an_error,
        arguments={"name": "429", "bulk": False},
    ),
    "404 after mere refusals in a bulk": Guard(
        owner=call,
        name="may_be_applied",
        without=lambda _answer: True,
        check=writes.test_a_delete_that_was_only_refused_before_its_404_is_an_error,
        arguments={"name": "429", "bulk": True},
    ),
    "303 after a write": Guard(
        owner=write_safety,
        name="_AFTER_AN_ACTION",
        without=(),
        check=writes.test_a_redirected_write_is_an_error_and_not_followed,
        arguments={"status": 303, "header": None, "method": "POST"},
    ),
    "304 after a write": Guard(
        owner=response,
        name="_is_success",
        without=lambda status, _request: status in range(200, 300) or status == 304,
        check=writes.test_a_write_that_is_not_modified_is_no_success,
        arguments={"method": "PUT"},
    ),
    "409 after mere refusals": Guard(
        owner=call,
        name="may_be_applied",
        without=lambda _answer: True,
        check=tries_of_tasks.test_a_409_to_a_keyed_create_is_waited_out_only_after_a_try_that_may_be_under_way,
        arguments={"status": 429, "waits": False},
    ),
    "other data under the key of an earlier try": Guard(
        owner=state,
        name="content_of",
        without=lambda _request: "",
        check=tries_of_tasks.test_other_large_data_is_refused_where_the_first_may_have_been_applied,
        arguments={"change": {"query": {"a": 1}}},
    ),
    "404 after a killed try": Guard(
        owner=state.WriteState,
        name="begin",
        without=lambda _self, request, **_: (request, False),
        check=tries_of_tasks.test_a_delete_after_a_killed_one_may_meet_its_404,
    ),
    "404 after a refused try": Guard(
        owner=state.WriteState,
        name="end",
        without=nothing,
        check=tries_of_tasks.test_what_a_try_knows_of_its_delete_is_known_to_the_next,
        arguments={"status": 429, "error": RateLimitError, "gone": False},
    ),
    "what a triggerer that died had sent": Guard(
        owner=takeover,
        name="set_xcom",
        without=nothing_to_await,
        check=takeovers.test_the_delete_of_a_triggerer_that_died_may_meet_its_404,
    ),
    "wrong ids in triggers": Guard(
        owner=takeover,
        name="_is_noted",
        without=always,
        check=takeovers.test_a_wrong_id_is_an_error_in_the_trigger_too,
    ),
    "names by content": Guard(
        owner=RecordNames,
        name="of",
        without=by_position,
        check=bulks.test_a_large_list_in_another_order_is_told_by_content,
        arguments={"extra": {}},
    ),
    "idempotency keys by content": Guard(
        owner=RecordNames,
        name="of",
        without=by_position,
        check=bulks.test_a_large_list_in_another_order_is_told_by_content,
        arguments={"extra": tries_of_tasks.KEYED},
    ),
    "lists without what may have been applied": Guard(
        owner=bulk_state.BulkState,
        name="_outcomes",
        without=lambda _self: ({}, {}, set()),
        check=bulks.test_a_list_without_what_may_have_been_applied_is_refused,
        arguments={"extra": tries_of_tasks.KEYED, "first": 201},
    ),
    "what was in flight in a killed try": Guard(
        owner=bulk_state.BulkState,
        name="_last_begun",
        without=lambda _self: [],
        check=bulks.test_a_killed_large_bulk_is_not_sent_with_other_data,
        arguments={"extra": tries_of_tasks.KEYED},
    ),
    "failures of a bulk": Guard(
        owner=BulkReport,
        name="has_failed",
        without=lambda _self, _max_failed: False,
        check=bulks.test_continue_tries_all_and_fails_if_more_failed_than_may,
        arguments={"max_failed": None},
    ),
    # answers
    "size of bodies": Guard(
        owner=transport.Transport, name="_read", without=read_much, **hostile_case("gzip")
    ),
    "framing of bodies": Guard(
        owner=aiohttp_private.Handler,
        name="_end",
        without=nothing,
        check=framing.test_a_body_that_is_all_framing_is_a_final_error,
        arguments={"name": "chunks of one byte"},
    ),
    "what comes before an answer": Guard(
        owner=aiohttp_private.Handler,
        name="_end",
        without=nothing,
        check=framing.test_what_is_no_answer_yet_does_not_go_on_for_ever,
        arguments={"name": "line breaks"},
    ),
    "failures of a store that come again": Guard(
        owner=streams,
        name="_FINAL_STATUSES",
        without=frozenset(),
        check=files.test_a_failure_of_a_store_is_final_if_it_cannot_pass,
        arguments={"name": "botocore 403"},
    ),
    "names that hang": Guard(
        owner=aiohttp_private,
        name="Resolver",
        without=aiohttp.ThreadedResolver,
        check=connection_test.test_a_name_whose_look_up_hangs,
        arguments={"host": "https://slow.invalid", "extra": {}},
    ),
    "connections that hang": Guard(
        owner=test_of_connections,
        name="in_thread",
        without=asyncio.to_thread,
        check=connection_test.test_a_look_up_of_the_connection_that_hangs,
    ),
    "depth of errors": Guard(
        owner=error_details,
        name="MAX_DEPTH",
        without=10**9,
        check=problems.test_a_deep_body_is_an_error_like_any_other,
        arguments={"name": "error", "depth": 500},
    ),
    "length of what tells of the next page": Guard(
        owner=pagination,
        name="MAX_TOKEN",
        without=10**9,
        check=paginated.test_a_next_page_that_no_request_can_hold_is_one_short_error,
        arguments={"name": "a long text", "param": None},
    ),
    "pages of an event": Guard(
        owner=client_module,
        name="collect",
        without=lambda send, request, base_url, stream, _most: pagination.collect(
            send, request, base_url, stream
        ),
        check=paginated.test_pages_that_never_end_do_not_fill_the_triggerer,
        arguments={"deferred": True},
    ),
    "memory of decoded bodies": Guard(
        owner=response,
        name="decoded_size",
        without=lambda *_: 0,
        check=memory_of_answers.test_a_body_that_takes_many_times_its_size_is_not_decoded,
        arguments={"name": "empty lists", "length": 2**20},
    ),
    "ends of compressed bodies": Guard(
        owner=compression,
        name="_end",
        without=lambda stream, _name: stream.flush(),
        check=damaged.test_the_error_says_what_is_damaged,
        arguments={"encoding": "gzip"},
    ),
    "number of members": Guard(
        owner=compression,
        name="MAX_MEMBERS",
        without=10**9,
        check=packed.test_endless_parts_are_refused,
        arguments={"content": b""},
    ),
    "successes that are cut off": Guard(
        owner=write_safety,
        name="_without_answer",
        without=write_safety.ambiguous,
        check=damaged.test_a_success_whose_body_is_cut_off_was_applied,
        arguments={"reply": damaged.broken("201 Created"), "method": "POST"},
    ),
    "timeout": Guard(
        owner=Deadlines, name="within", without=lambda *_: nullcontext(), **hostile_case("slow_body")
    ),
    "NaN": Guard(owner=response, name="_JSON", without=json.JSONDecoder(), **hostile_case("nan")),
    "infinite numbers": Guard(
        owner=response, name="_JSON", without=json.JSONDecoder(), **hostile_case("huge_float")
    ),
    "halves of pairs in details": Guard(
        owner=error_details, name="_shorten", without=unchanged, check=seeds("answer")
    ),
    "halves of pairs in request ids": Guard(
        owner=response, name="encodable", without=unchanged, check=seeds("answer")
    ),
    "entity tags that no request can send": Guard(
        owner=response,
        name="entity_tag",
        without=unchanged,
        check=interpreted.test_an_entity_tag_is_one_that_can_be_sent_back,
        arguments={"header": '"\udce91"', "etag": None},
    ),
    "resets in the middle of a body": Guard(
        owner=transport,
        name="check_end",
        without=nothing,
        check=connection_ends.test_a_reset_cuts_a_body_that_ends_with_its_connection,
    ),
    "closure alerts of TLS": Guard(
        owner=body_ends,
        name="has_closure_alert",
        without=lambda _tls: True,
        check=connection_ends.test_over_tls_the_end_of_a_body_has_to_be_said,
        arguments={"end": "cut", "expected": "DisconnectedError"},
    ),
    "answers nobody asked for": Guard(
        owner=aiohttp_private.Connector,
        name="_get",
        without=aiohttp.TCPConnector._get,
        check=hostile_answers.test_what_nobody_asked_for_is_no_answer,
    ),
    "writes that were given up": Guard(
        owner=aiohttp_private.Handler,
        name="close",
        without=ResponseHandler.close,
        check=unsent.test_a_write_that_was_given_up_is_not_sent_any_further,
        arguments={"way": "time-out", "held": "in the client", "over_tls": False},
    ),
    "what the operating system holds of them": Guard(
        owner=aiohttp_private,
        name="_NO_LINGERING",
        without=struct.pack("ii", 0, 0),
        check=unsent.test_a_write_that_was_given_up_is_not_sent_any_further,
        arguments={"way": "time-out", "held": "in the operating system", "over_tls": False},
    ),
    "connections with a body to send": Guard(
        owner=aiohttp_private.Response,
        name="is_request_read",
        without=lambda _self, _body: True,
        check=unsent.test_no_request_waits_behind_a_body_that_was_answered_early,
        arguments={"status": "201", "over_tls": False},
    ),
    "connections over TLS with a body to send": Guard(
        owner=aiohttp_private,
        name="unsent_bytes",
        without=lambda transport: transport.get_write_buffer_size(),
        check=unsent.test_no_request_waits_behind_a_body_that_was_answered_early,
        arguments={"status": "201", "over_tls": True},
    ),
    "connections whose body the operating system holds": Guard(
        owner=aiohttp_private,
        name="SMALL_BODY",
        without=10**9,
        check=unsent.test_no_request_waits_behind_a_body_that_the_operating_system_holds,
    ),
    "sessions of earlier settings": Guard(
        owner=transport.Transport,
        name="retire",
        without=nothing_to_await,
        check=resources.test_changes_close_the_sessions_of_the_settings_before,
    ),
    # forks
    "connections of the parent": Guard(
        owner=forking,
        name="_keep",
        without=nothing,
        check=forks.test_what_a_child_collects_is_the_parents,
    ),
    "event loops of the parent": Guard(
        owner=LoopRunner,
        name="is_inherited",
        without=False,
        check=runs.test_an_inherited_runner_is_not_used,
    ),
    # interruptions
    "writes of interrupted tasks": Guard(
        owner=state.WriteState,
        name="is_final",
        without=False,
        check=interrupted_write_is_final,
    ),
    "signals that interrupt a user's function": Guard(
        owner=Signals,
        name="interruptible",
        without=lambda _signals, function: function,
        check=users_function_is_interrupted,
    ),
    "signals that wait": Guard(owner=Signals, name="hold", without=nothing, check=signals_wait),
    # headers
    "reserved headers": Guard(
        owner=request, name="RESERVED_HEADERS", without=frozenset(), check=seeds("header")
    ),
    "spelling of headers": Guard(owner=request, name="header_key", without=str.lower, check=seeds("header")),
    "headers that override": Guard(
        owner=request, name="OVERRIDES", without=frozenset(), check=seeds("header")
    ),
    "names of headers": Guard(owner=request, name="TOKEN", without=ANYTHING, check=seeds("header")),
    "values of headers": Guard(owner=request, name="CONTROL", without=NEVER, check=seeds("header")),
    "entity tags": Guard(
        owner=request,
        name="entity_tags",
        without=unchanged,
        check=entity_tags.test_a_condition_that_says_nothing_is_refused,
        arguments={"argument": "if_match", "value": "None", "reason": "a missing XCom"},
    ),
    "idempotency keys that say nothing": Guard(
        owner=request,
        name="checked_key",
        without=unchanged,
        check=values.test_nothing_of_a_write_is_dropped,
        arguments={"arguments": {"idempotency_key": ""}, "field": "idempotency_key"},
    ),
    "templates that render to nothing": Guard(
        owner=templates.RemembersTemplates,
        name="refuse_nothing",
        without=nothing,
        check=rendered.test_a_template_that_renders_to_nothing_is_refused,
        arguments={"name": "filter", "native": False, "deferrable": False},
    ),
    "None that a task is expanded over": Guard(
        owner=templates,
        name="expanded_arguments",
        without=lambda _task: set(),
        check=rendered.test_nothing_that_a_task_is_expanded_over_is_refused,
        arguments={"name": "condition", "by": "expand"},
    ),
    "filters that vanish": Guard(
        owner=templates.RemembersTemplates,
        name="refuse_vanished",
        without=nothing,
        check=rendered.test_a_filter_that_vanishes_is_refused,
        arguments={"pushed": []},
    ),
    "heads of answers": Guard(
        owner=aiohttp_private.Handler,
        name="_feed_head",
        without=lambda _self: False,
        check=heads.test_an_answer_without_a_body_ends_with_its_head,
        arguments={"name": "204", "write": "create", "pieces": False},
    ),
    "bodies that must not be": Guard(
        owner=transport,
        name="WITHOUT_BODY",
        without=(),
        check=heads.test_an_answer_without_a_body_ends_with_its_head,
        arguments={"name": "205", "write": "create", "pieces": False},
    ),
    "connections with a body to come": Guard(
        owner=transport,
        name="is_body_to_come",
        without=lambda _response: False,
        check=heads.test_a_body_that_comes_later_is_no_answer,
        arguments={"announced": "Content-Length: 2"},
    ),
    "charsets of text": Guard(
        owner=texts,
        name="_CHARSETS",
        without=ANYTHING,
        check=text_of_bodies.test_codecs_that_are_no_charsets_are_not_used,
        arguments={"charset": "rot13"},
    ),
    "what a condition decides": Guard(
        owner=sensor,
        name="AirflowException",
        without=NeverRaisedError,
        check=control_flow.test_what_a_condition_raises_ends_the_sensor,
        arguments={"mode": {"deferrable": True}, "name": "skip", "looks": 2},
    ),
    "values of tokens": Guard(
        owner=tokens,
        name="_VALUE",
        without=ANYTHING,
        check=secrets.test_a_token_that_no_header_can_hold_is_refused,
        arguments={"value": "a\r\nX-Evil: 1"},
    ),
    # TLS
    "certificates": Guard(
        owner=pool,
        name="tls_context",
        without=tls_without(check_hostname=False, verify_mode=ssl.CERT_NONE),
        check=CERTIFICATE,
        arguments={"name": "expired", "trusted": True, "words": "expired"},
    ),
    "authorities": Guard(
        owner=pool,
        name="tls_context",
        without=tls_without(check_hostname=False, verify_mode=ssl.CERT_NONE),
        check=CERTIFICATE,
        arguments={"name": "localhost", "trusted": False, "words": "self.signed|unable to get local issuer"},
    ),
    "host names": Guard(
        owner=pool,
        name="tls_context",
        without=tls_without(check_hostname=False),
        check=CERTIFICATE,
        arguments={"name": "other.example", "trusted": True, "words": "Hostname mismatch"},
    ),
    "old versions of TLS": Guard(
        owner=pool,
        name="tls_context",
        without=tls_without(minimum_version=ssl.TLSVersion.TLSv1),
        check=tls.test_old_tls_is_refused,
    ),
    "certifi": Guard(
        owner=ssl,
        name="create_default_context",
        without=system_authorities,
        check=tls.test_the_authorities_are_those_of_certifi,
    ),
    "TLS settings of the token endpoint": Guard(
        owner=pool,
        name="tls_servers",
        without=lambda config: config.base_url.startswith("https:"),
        check=tls.test_the_token_endpoint_is_checked_as_the_backend_is,
        arguments={"verify": False, "shared": False},
    ),
    "warning of no verification": Guard(
        owner=transport,
        name="log",
        without=SimpleNamespace(warning=nothing),
        check=tls.test_certificates_that_nobody_checks_are_warned_of_each_time,
    ),
    # secrets
    "redaction of details": not_hidden(repeated("json 400 X")),
    "redaction of text": not_hidden(repeated("html", "basic")),
    "redaction of redirects": not_hidden(in_form("as it is", "redirect")),
    "redaction of request ids": not_hidden(repeated("request id")),
    "redaction of content types": not_hidden(repeated("content type")),
    "redaction of links": not_hidden(in_form("as it is", "next page that is not allowed")),
    "redaction of causes and waits": not_hidden({"check": forms.test_errors_of_writes_bulks_and_waits}),
    "redaction of tokens": Guard(
        owner=Redaction, name="add", without=remember_the_first, **repeated("text 500 X", "oauth2")
    ),
    "redaction of keys of before": Guard(
        owner=Redaction, name="add", without=remember_the_first, check=forms.test_a_key_of_before_is_hidden
    ),
    "redaction of request ids of successes": Guard(
        owner=call,
        name="interpret",
        without=interpreted_as_it_is,
        check=forms.test_the_request_id_of_a_success_is_logged_without_the_key,
    ),
    "redaction of what is logged": Guard(
        owner=call.Call,
        name="__str__",
        without=lambda self: self._request.endpoint,
        check=forms.test_a_link_that_leads_to_the_key,
        arguments={"read": forms.read_all},
    ),
    "escapes": Guard(
        owner=redaction,
        name="_ESCAPES",
        without=(),
        check=redacted.test_a_secret_is_hidden_in_each_form,
        arguments={"form": "JSON", "key": redacted.KEY},
    ),
    "percent-encoding": Guard(
        owner=redaction,
        name="_ESCAPES",
        without=[kind for kind in redaction._ESCAPES if kind[0] != "%"],
        **in_form("percent-encoded (RFC 3986, section 2.1)", "text"),
    ),
    "base64": Guard(
        owner=redaction,
        name="_encodings",
        without=lambda _: set(),
        check=redacted.test_a_secret_is_hidden_in_each_form,
        arguments={"form": "base64 of the header", "key": redacted.KEY},
    ),
    "misread letters": Guard(
        owner=redaction,
        name="_readings",
        without=lambda secret: {secret},
        check=redacted.test_a_secret_is_hidden_in_each_form,
        arguments={"form": "Latin-1 read as UTF-8", "key": redacted.KEY},
    ),
    "capital letters": Guard(
        owner=redaction,
        name="_folded",
        without=unchanged,
        check=forms.test_a_link_that_holds_the_key,
        arguments={
            "link": f"http://{forms.PLAIN_KEY}.example/api/users",
            "words": "the next page is at http://***.example",
        },
    ),
    "halves of secrets": Guard(
        owner=redaction,
        name="_cuts",
        without=lambda _: [],
        check=redacted.test_a_few_characters_before_our_own_cut_are_hidden,
    ),
    "parts of secrets": Guard(
        owner=redaction,
        name="_parts",
        without=lambda text, spelling: redaction._beginnings(text, spelling.text, len(spelling.text)),
        check=redacted.test_from_half_of_a_secret_on_a_part_is_hidden,
    ),
    "common words": Guard(
        owner=redaction,
        name="LONG",
        without=0,
        check=forms.test_a_short_key_leaves_errors_readable,
        arguments={"key": "api"},
    ),
    "queries of redirects": Guard(
        owner=response,
        name="shown",
        without=unchanged,
        check=forms.test_a_redirect_is_shown_without_its_query,
        arguments={"method": "GET", "url": "/a?s1gnature-0123456789", "shown": "/a?…"},
    ),
    "queries of links": Guard(
        owner=pagination,
        name="shown",
        without=unchanged,
        check=forms.test_a_link_is_shown_without_its_query,
        arguments={"style": forms.LINKS, "next_page": "http://[?sig=s1gnature-0123456789"},
    ),
    # tokens
    "words of token answers": Guard(
        owner=tokens,
        name="_words",
        without=lambda body: (None, str(body)),
        check=token_answers.test_nothing_of_a_token_answer_is_quoted,
        arguments={"status": 201},
    ),
    "redaction of token answers": not_hidden(
        {"check": token_answers.test_nothing_of_a_token_answer_is_quoted, "arguments": {"status": 400}}
    ),
    "lifetimes": Guard(
        owner=tokens,
        name="SHORTEST_LIFETIME",
        without=-math.inf,
        check=token_answers.test_a_lifetime_that_cannot_be_meant_counts_as_not_said,
        arguments={"written": "-5"},
    ),
    "size of token answers": Guard(
        owner=tokens,
        name="MAX_ANSWER",
        without=10**9,
        check=token_answers.test_an_answer_of_megabytes_is_refused,
    ),
    "bytes of broken answers": Guard(
        owner=failures, name="_forget", without=nothing, check=forms.test_garbage_is_not_quoted
    ),
    "credentials of a proxy": Guard(
        owner=failures,
        name="_forget",
        without=nothing,
        check=secrets.test_a_proxy_that_repeats_its_password,
        arguments={"scheme": "https", "status": "407 X"},
    ),
    "masked settings": Guard(owner=MirrorDBConfig, name="masked", without=unmasked, **repeated("nothing")),
    "keys of another backend": Guard(
        owner=credentials.Credentials,
        name="_is_elsewhere",
        without=lambda *_: False,
        check=secrets.test_a_key_for_another_backend_is_not_sent_to_the_old_one,
        arguments={"auth": "api_key"},
    ),
    "tokens of another backend": Guard(
        owner=credentials.Credentials,
        name="_is_elsewhere",
        without=lambda *_: False,
        check=secrets.test_a_token_for_another_backend_is_not_sent_to_the_old_one,
    ),
    "keys of a connection that moved": Guard(
        owner=ConnectionLookUp,
        name="credentials",
        without=any_credentials,
        check=secrets.test_a_connection_that_moved_gives_its_key_to_no_other_host,
    ),
    # what Airflow carries and stores
    "requests to triggers": Guard(
        owner=stored_arguments,
        name="to_text",
        without=lambda value: value,
        check=borders.test_data_that_is_shaped_like_airflows_own_is_sent_as_it_is,
    ),
    "events": Guard(
        owner=events,
        name="to_text_beside",
        without=json_as_it_is,
        check=borders.test_no_answer_ends_the_triggerer,
        arguments={"value": 2**64},
    ),
    "size of events": Guard(
        owner=mirrordb_triggers,
        name="check_size",
        without=nothing,
        check=results.test_a_large_answer_in_the_triggerer_says_what_to_do,
        arguments={"make": results.read, "words": "max_event_bytes"},
    ),
    "results that XComs refuse": Guard(
        owner=result,
        name="storable",
        without=as_it_is,
        check=results.test_a_create_that_cannot_be_stored_was_applied,
        arguments={"mode": "worker", "extra": {}},
    ),
    "halves of pairs in results": Guard(
        owner=serialization,
        name="_replaced",
        without=unchanged,
        check=results.test_half_of_a_pair_in_a_result,
    ),
    "size of results": Guard(
        owner=result,
        name="_size_of",
        without=lambda _result: 0,
        check=results.test_a_large_result_is_an_error_on_a_worker,
        arguments={"arguments": {"response_filter": lambda body: [*body, "é"]}},
    ),
    "answers of a bulk": Guard(
        owner=bulk,
        name="storable",
        without=as_it_is,
        check=results.test_answers_of_a_bulk_that_cannot_be_stored_are_left_out,
    ),
    "errors of a bulk": Guard(
        owner=bulk,
        name="readable",
        without=as_it_is,
        check=results.test_the_errors_in_the_report_of_a_bulk_can_be_stored,
    ),
    "events of a watcher": Guard(
        owner=event_trigger,
        name="readable",
        without=as_it_is,
        check=borders.test_no_cursor_ends_the_triggerer,
        arguments={"cursor": 2**64},
    ),
    "arguments of a watcher": Guard(
        owner=event_trigger,
        name="check_exact",
        without=nothing,
        check=borders.test_what_the_triggerer_would_not_be_given_is_told_with_the_dag,
        arguments={"value": 2**64},
    ),
    "arguments of a start in the triggerer": Guard(
        owner=start,
        name="check_exact",
        without=nothing,
        check=borders.test_what_the_triggerer_would_not_be_given_is_told_with_the_dag,
        arguments={"value": 2**64},
    ),
    "fields that another version stored": Guard(
        owner=mirrordb_triggers,
        name="restored",
        without=lambda kind, fields: kind(**fields),
        check=stored.test_what_a_version_after_stored_is_run,
        arguments={"class_path": stored.READ},
    ),
    "Airflow's masker": Guard(owner=connected, name="mask_secrets", without=nothing, check=key_is_masked),
}


if AIRFLOW_V_3_0_PLUS:  # older ones have no event triggers
    from airflow_mirrordb.triggers import changes, event
    from airflow_mirrordb.triggers.order import Order
    from tests.integration import (
        test_event_trigger_cursor as cursors,
        test_event_trigger_tags as watched_tags,
    )

    def order_of_texts(values: list[Any], _kept: Any = None) -> tuple[Order, list[str]]:
        return Order(name="texts", key=str), [str(value) for value in values]

    GUARDS |= {
        "entity tags that hold a secret": Guard(
            owner=GenericMirrorDB,
            name="without_secrets",
            without=lambda _self, text: text,
            check=watched_tags.test_a_tag_that_holds_the_key_is_none,
            arguments={"tag": b'"%b-1"'},
        ),
        "order of cursors": Guard(
            owner=changes,
            name="order_of",
            without=order_of_texts,
            check=cursors.test_newer_record_is_an_event_however_it_is_written,
            arguments={"first": "9", "then": "10"},
        ),
        "events that Airflow can carry": Guard(
            owner=event,
            name="readable",
            without=unchanged,
            check=cursors.test_event_can_always_be_sent_and_stored,
        ),
        "entity tags that a backend refuses": Guard(
            owner=event,
            name="_TAG_REFUSED",
            without=(),
            check=watched_tags.test_backend_that_refuses_its_own_tag_is_asked_without,
            arguments={"status": 400},
        ),
    }
    if AIRFLOW_V_3_3_PLUS:  # older ones keep nothing for assets
        GUARDS["cursors that Airflow can carry"] = Guard(
            owner=event,
            name="to_text",
            without=unchanged,
            check=cursors.test_kept_cursor_is_what_the_backend_sent,
            arguments={"cursor": cursors.BEYOND, "as_text": True},
        )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of what is left open
@pytest.mark.parametrize("name", GUARDS)
async def test_without_the_guard_its_check_fails(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    answering: Answering,
    config_for: ConfigFor,
    raw_server: Any,
    hostile: Any,  # noqa: F811  # the fixture
    odd: Any,  # noqa: F811  # the fixture
    mixed: str,  # noqa: F811  # the fixture
    triggerer: Triggerer,
    tries: Any,  # noqa: F811  # the fixture
    token_server: Any,  # noqa: F811  # the fixture
    busy: Any,  # noqa: F811  # the fixture
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    """With the guard it passes."""
    guard = GUARDS[name]
    check = guard.check
    wanted = inspect.signature(check).parameters.keys() - guard.arguments.keys()
    fixtures = {fixture: request.getfixturevalue(fixture) for fixture in wanted}

    async def run() -> None:
        for registry in REGISTRIES:  # which would remember what they allowed
            registry._allowed.clear()
        redaction._spellings.cache_clear()
        arguments = {**fixtures, **guard.arguments}
        if inspect.iscoroutinefunction(check):
            await check(**arguments)
        else:
            await asyncio.to_thread(check, **arguments)

    await run()
    caplog.clear()
    scripted.requests.clear()
    scripted.headers.clear()
    scripted.bodies.clear()
    scripted.answers.clear()
    raw_server.requests.clear()
    raw_server.connections = 0
    token_server.requests.clear()
    hostile.connections = 0
    hostile.requests.clear()
    tries.store.clear()
    raw_server.arrived.clear()
    triggerer.xcoms.clear()
    for name_of_fixture in fixtures.keys() & {"watching", "supervisor"}:
        fixtures[name_of_fixture].reset()
    monkeypatch.setattr(guard.owner, guard.name, guard.without)
    with pytest.raises((Exception, pytest.fail.Exception)) as caught:
        await run()
    assert not isinstance(caught.value, TypeError | AttributeError | NameError), caught.getrepr()
