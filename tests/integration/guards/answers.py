"""Guards against answers: their size, ends and values, and the connections that they come on."""

from __future__ import annotations

import asyncio
import json
import re
import struct
from contextlib import nullcontext
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from airflow_mirrordb.client import InvalidResponseError
from airflow_mirrordb.client.bodies import compression
from airflow_mirrordb.client.collections.pages import reader as page_reader
from airflow_mirrordb.client.retries import write_safety
from airflow_mirrordb.client.wire import failures, transport
from airflow_mirrordb.client.wire.sockets import unsent_bytes
from tests.integration import (
    test_accept as accepted,
    test_aiohttp_check as versions,
    test_answer_heads as heads,
    test_connection_ends as connection_ends,
    test_connection_test as connection_test,
    test_damaged_answers as damaged,
    test_early_success as early_successes,
    test_forking as forks,
    test_framing as framing,
    test_hostile_answers as hostile_answers,
    test_memory_of_answers as memory_of_answers,
    test_output_stores as stores,
    test_page_links as links_of_pages,
    test_page_signs as signs_of_pages,
    test_pages as paginated,
    test_pages_as_one as pages_as_one,
    test_pages_of_gateways as gateways,
    test_passing_answers as passing,
    test_proxy as proxies,
    test_ranges as ranges,
    test_refused as refused,
    test_resources as resources,
    test_slow_stores as slow_stores,
    test_streams as files,
    test_unsent as unsent,
    test_wire_hostile as hostile_requests,
)
from tests.support.guards import (
    ANYTHING,
    Guard,
    NeverRaisedError,
    always,
    nothing,
    nothing_to_await,
    seeds,
    unchanged,
)
from tests.unit import (
    test_compression as packed,
    test_response as interpreted,
    test_retry as retries,
    test_runner as runs,
    test_texts as text_of_bodies,
    test_wait_headers as wait_headers,
)


async def read_much(_self: object, response: Any, pieces: list[bytes], _stream: object, **_how: bool) -> str:
    async for piece in transport._decompressed(response):
        pieces.append(piece)
        if len(pieces) > 32 * hostile_requests.MEGABYTE / compression.PIECE:
            break
    return ""


def hostile_case(name: str) -> dict[str, Any]:
    return {"check": hostile_answers.test_a_hostile_answer_is_one_clear_error, "arguments": {"name": name}}


GUARDS: dict[str, Guard] = {
    "pages that were not asked for": Guard(
        without=lambda *_: False,
        check=accepted.test_a_page_that_was_not_asked_for_is_an_error,
        arguments={"mode": {}, "headers": {"Content-Type": "text/html"}, "to_file": True},
    ),
    "pages that tell nothing of a write": Guard(
        without=lambda *_: False,
        check=gateways.test_a_write_that_a_page_answers_is_ambiguous,
        arguments={"name": "create", "accept": None, "content_type": "text/html"},
    ),
    # forks
    "connections of the parent": Guard(
        without=nothing,
        check=forks.test_what_a_child_collects_is_the_parents,
    ),
    "event loops of the parent": Guard(
        without=False,
        check=runs.test_an_inherited_runner_is_not_used,
    ),
    # answers
    "size of bodies": Guard(without=read_much, **hostile_case("gzip")),
    "framing of bodies": Guard(
        seam="framing",
        without=nothing,
        check=framing.test_a_body_that_is_all_framing_is_a_final_error,
        arguments={"name": "chunks of one byte"},
    ),
    "what comes before an answer": Guard(
        seam="framing",
        without=nothing,
        check=framing.test_what_is_no_answer_yet_does_not_go_on_for_ever,
        arguments={"name": "line breaks"},
    ),
    "304 that nobody asked for": Guard(
        without=lambda *_: True,
        check=interpreted.test_304_to_a_read_without_a_condition_is_no_success,
    ),
    "ranges that nobody asked for": Guard(
        without=lambda *_: "",
        check=ranges.test_a_range_of_bytes_that_nobody_asked_for_is_no_answer,
        arguments={"name": "the beginning", "to_file": False},
    ),
    "settings of a collection": Guard(
        without=lambda sender, _page: (sender._current(), sender._routes.here()),
        check=pages_as_one.test_all_pages_come_from_the_backend_that_the_first_one_came_from,
        arguments={"paginate": pages_as_one.PAGE, "iterates": False},
    ),
    "404 of other hosts": Guard(
        without=lambda error: error.status == HTTPStatus.NOT_FOUND,
        check=pages_as_one.test_a_404_of_another_host_is_no_end,
    ),
    "texts of flags": Guard(
        without=bool,
        check=signs_of_pages.test_a_flag_that_is_a_text_says_no_as_apis_do,
        arguments={"more": "!last", "yes": "", "no": "false"},
    ),
    "names of what is left": Guard(
        without="no name has a blank",
        check=signs_of_pages.test_a_total_that_is_called_what_remains_is_refused,
        arguments={"total": "response.remaining"},
    ),
    "totals that tell what is left": Guard(
        without=lambda *_: False,
        check=signs_of_pages.test_a_total_that_tells_what_is_left_ends_nothing,
        arguments={"concurrency": 1, "with_this_page": True},
    ),
    "what is no plain file": Guard(
        without=unchanged,
        check=files.test_what_is_no_plain_file_is_not_replaced,
        arguments={"kind": "pipe", "by_link": False},
    ),
    "copies that are made later": Guard(
        without=nothing,
        check=stores.test_a_copy_that_is_made_later_is_waited_for,
    ),
    "uploads that are left open": Guard(
        without=nothing,
        check=stores.test_an_upload_that_fails_is_aborted,
        arguments={"call": "part"},
    ),
    "copies that may still be made": Guard(
        without=always,
        check=stores.test_what_is_copied_is_kept_unless_the_storage_refused,
        arguments={"error": TimeoutError("no answer"), "is_kept": True},
    ),
    "storages that do not answer": Guard(
        without=nothing,
        check=slow_stores.test_a_storage_that_does_not_answer_is_named,
        arguments={"call": "read"},
    ),
    "rights of files": Guard(
        without=nothing,
        check=stores.test_a_file_that_is_replaced_keeps_its_rights,
        arguments={"mode": 0o600},
    ),
    "links to files": Guard(
        seam="what is no plain file",
        without=unchanged,
        check=files.test_a_link_stays_and_leads_to_the_answer,
        arguments={"exists": True},
    ),
    "failures of a store that come again": Guard(
        without=frozenset(),
        check=files.test_a_failure_of_a_store_is_final_if_it_cannot_pass,
        arguments={"name": "botocore 403"},
    ),
    "names that hang": Guard(
        without=aiohttp.ThreadedResolver,
        check=connection_test.test_a_name_whose_look_up_hangs,
        arguments={"host": "https://slow.invalid", "extra": {}},
    ),
    "connections that hang": Guard(
        without=asyncio.to_thread,
        check=connection_test.test_a_look_up_of_the_connection_that_hangs,
    ),
    "length of what tells of the next page": Guard(
        without=10**9,
        check=paginated.test_a_next_page_that_no_request_can_hold_is_one_short_error,
        arguments={"name": "a long text", "param": None},
    ),
    "origin of links": Guard(
        without=lambda _origin: None,
        check=paginated.test_the_next_page_stays_at_the_origin,
        arguments={"url": "http://127.0.0.1:1/api/users"},
    ),
    "parameters in paths of links": Guard(
        without=re.compile(".*"),
        check=links_of_pages.test_no_path_means_another_one_to_servers_that_read_parameters_in_it,
        arguments={"reference": "/api/x/..;/admin"},
    ),
    "pages of an event": Guard(
        without=lambda reader, request, stream, _most: page_reader.collect(reader, request, stream),
        check=paginated.test_pages_that_never_end_do_not_fill_the_triggerer,
        arguments={"deferred": True},
    ),
    "memory of decoded bodies": Guard(
        without=lambda *_: 0,
        check=memory_of_answers.test_a_body_that_takes_many_times_its_size_is_not_decoded,
        arguments={"name": "empty lists", "length": 2**20},
    ),
    "ends of compressed bodies": Guard(
        without=lambda stream, _name: stream.flush(),
        check=damaged.test_the_error_says_what_is_damaged,
        arguments={"encoding": "gzip"},
    ),
    "number of members": Guard(
        without=10**9,
        check=packed.test_endless_parts_are_refused,
        arguments={"content": b""},
    ),
    "successes that are cut off": Guard(
        without=write_safety.ambiguous,
        check=damaged.test_a_success_whose_body_is_cut_off_was_applied,
        arguments={"reply": damaged.broken("201 Created"), "method": "POST"},
    ),
    "timeout": Guard(without=lambda *_: nullcontext(), **hostile_case("slow_body")),
    "NaN": Guard(seam="JSON decoder", without=json.JSONDecoder(), **hostile_case("nan")),
    "infinite numbers": Guard(seam="JSON decoder", without=json.JSONDecoder(), **hostile_case("huge_float")),
    "halves of pairs in details": Guard(without=unchanged, check=seeds("answer")),
    "halves of pairs in request ids": Guard(without=unchanged, check=seeds("answer")),
    "entity tags that no request can send": Guard(
        without=unchanged,
        check=interpreted.test_an_entity_tag_is_one_that_can_be_sent_back,
        arguments={"header": '"\udce91"', "etag": None},
    ),
    "resets in the middle of a body": Guard(
        without=nothing,
        check=connection_ends.test_a_reset_cuts_a_body_that_ends_with_its_connection,
    ),
    "closure alerts of TLS": Guard(
        without=lambda _tls: True,
        check=connection_ends.test_over_tls_the_end_of_a_body_has_to_be_said,
        arguments={"end": "cut", "expected": "DisconnectedError"},
    ),
    "changes of aiohttp": Guard(
        without=nothing, check=versions.test_a_change_is_named, arguments={"name": "_get"}
    ),
    "answers nobody asked for": Guard(
        without=aiohttp.TCPConnector._get,
        check=hostile_answers.test_what_nobody_asked_for_is_no_answer,
        arguments={"is_seen": True},
    ),
    "ends of connections that the loop did not see": Guard(
        without=lambda _transport: False,
        check=hostile_answers.test_a_connection_that_has_just_ended_is_not_used,
    ),
    "writes that were given up": Guard(
        without=ResponseHandler.close,
        check=unsent.test_a_write_that_was_given_up_is_not_sent_any_further,
        arguments={"way": "time-out", "held": "in the client", "over_tls": False},
    ),
    "what the operating system holds of them": Guard(
        without=struct.pack("ii", 0, 0),
        check=unsent.test_a_write_that_was_given_up_is_not_sent_any_further,
        arguments={"way": "time-out", "held": "in the operating system", "over_tls": False},
    ),
    "the turn of a loop in which a write is cut": Guard(
        without=frozenset(),
        check=unsent.test_nothing_of_it_is_sent_while_its_loop_stands_still,
        arguments={"over_tls": False},
    ),
    "connections with a body to send": Guard(
        without=lambda _self, _body: True,
        check=unsent.test_no_request_waits_behind_a_body_that_was_answered_early,
        arguments={"status": "413", "over_tls": False},
    ),
    "connections over TLS with a body to send": Guard(
        without=lambda transport: transport.get_write_buffer_size(),
        check=unsent.test_no_request_waits_behind_a_body_that_was_answered_early,
        arguments={"status": "413", "over_tls": True},
    ),
    "the rest of a write that was answered early": Guard(
        without=nothing_to_await,
        check=unsent.test_an_early_success_gets_the_rest_of_the_body,
        arguments={"over_tls": False},
    ),
    "what the operating system holds of a write": Guard(
        without=unsent_bytes,
        check=early_successes.test_what_is_lost_with_the_connection_is_no_success,
        arguments={"held": "in the operating system", "end": "reset", "over_tls": False},
    ),
    "buffers of a connection that was reset": Guard(
        without=always,
        check=early_successes.test_the_end_of_a_file_that_is_lost_with_the_connection,
    ),
    "answers before the last bytes": Guard(
        without=nothing,
        check=early_successes.test_a_success_that_is_cut_off_with_the_body,
        arguments={"begun": early_successes.CREATED[:-1], "held": "in the client"},
    ),
    "connections whose body the operating system holds": Guard(
        without=10**9,
        check=unsent.test_no_request_waits_behind_a_body_that_the_operating_system_holds,
    ),
    "sessions of earlier settings": Guard(
        without=nothing_to_await,
        check=resources.test_changes_close_the_sessions_of_the_settings_before,
    ),
    "heads of answers": Guard(
        without=lambda _self: False,
        check=heads.test_an_answer_without_a_body_ends_with_its_head,
        arguments={"name": "204", "write": "create", "pieces": False},
    ),
    "statuses of heads that are cut off": Guard(
        without=nothing,
        check=heads.test_the_status_decides_though_its_head_is_cut_off,
        arguments={
            "name": "in a header",
            "then": "close",
            "status": b"201",
            "expected": InvalidResponseError,
        },
    ),
    "heads that cannot be parsed": Guard(
        without=NeverRaisedError,
        check=heads.test_a_success_whose_head_cannot_be_parsed_says_that_the_write_was_applied,
        arguments={"name": "NUL", "keyed": True, "pieces": False},
    ),
    "what a parser quotes": Guard(
        without=unchanged,
        check=heads.test_a_success_whose_head_cannot_be_parsed_says_that_the_write_was_applied,
        arguments={"name": "two equal lengths", "keyed": False, "pieces": False},
    ),
    "failures of a proxy": Guard(
        without=lambda error, backend, seconds, **_: failures.own_error(
            error, backend, seconds, sent=True, now=0.0
        ),
        check=proxies.test_a_proxy_that_breaks_off_is_no_broken_answer_of_the_backend,
        arguments={"reply": proxies.CLOSED, "words": "Server disconnected"},
    ),
    "refusals of a proxy that pass": Guard(
        without=frozenset(),
        check=proxies.test_a_refused_tunnel_is_asked_for_again_when_the_proxy_says,
        arguments={"status": "429 Too Many Requests", "header": "Retry-After: 7", "slept": [7.0]},
    ),
    "errors in successes": Guard(
        without=lambda *_, **_how: None,
        check=refused.test_a_write_was_refused_and_is_not_ambiguous,
        arguments={"method": "POST", "keyed": False},
    ),
    "what is not ready": Guard(
        without=lambda *_, **_how: False,
        check=passing.test_a_read_is_made_again_until_it_is_ready,
    ),
    "backoff of limits": Guard(
        without=0.0,
        check=retries.test_the_defaults_outlive_a_limit_that_names_no_time,
        arguments={"asked": None},
    ),
    "Retry-After below 0": Guard(
        without=lambda text: max(0.0, float(text)),
        check=wait_headers.test_retry_after_is_read_as_the_rfc_says,
        arguments={"value": "-1", "seconds": None},
    ),
    "bodies that must not be": Guard(
        without=(),
        check=heads.test_an_answer_without_a_body_ends_with_its_head,
        arguments={"name": "205", "write": "create", "pieces": False},
    ),
    "connections with a body to come": Guard(
        without=lambda _response: False,
        check=heads.test_a_body_that_comes_later_is_no_answer,
        arguments={"announced": "Content-Length: 2"},
    ),
    "charsets of text": Guard(
        without=ANYTHING,
        check=text_of_bodies.test_codecs_that_are_no_charsets_are_not_used,
        arguments={"charset": "rot13"},
    ),
}
