"""Where guards can be taken out: the only lines that change when one of them is renamed or moves.

A guard is replaced where it is looked up, so that is the module or class that stands here, and not
always the one that defines it.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

#: By module: what a guard is called in the lists of guards, and what it is called in the code.
SEAMS = {
    "airflow_mirrordb.client.messages.answer_errors": {
        "errors in successes": "reported_error",
        "halves of pairs in request ids": "encodable",
        "queries of redirects": "shown",
    },
    "airflow_mirrordb.client.auth.authenticator": {
        "logins of requests that waited": "Authenticator._fail_as_others",
        "logins after a password was rotated": "Authenticator._other",
        "keys of another backend": "Authenticator._is_elsewhere",
    },
    "airflow_mirrordb.client.auth.redaction": {
        "redaction of errors": "Redaction.error",
        "secrets to hide": "Redaction.add",
        "escapes": "_ESCAPES",
        "halves of secrets": "_cuts",
        "parts of secrets": "_parts",
    },
    "airflow_mirrordb.client.auth.login.cookies": {
        "cookies that are deleted": "_lifetime",
    },
    "airflow_mirrordb.client.auth.login.exchange": {
        "headers for another host than the backend": "_is_of_backend",
        "secrets of login answers": "_secrets_of",
        "tokens of logins": "VALUE",
        "tokens that break a cookie": "_breaks_cookie",
    },
    "airflow_mirrordb.client.auth.login.lifetimes": {
        "lifetimes of logins": "SHORTEST_LIFETIME",
    },
    "airflow_mirrordb.client.auth.oauth.settings": {
        "secrets among parameters of tokens": "_SECRET",
    },
    "airflow_mirrordb.client.auth.oauth.refresh_tokens": {
        "newest refresh tokens": "RefreshToken._newest",
        "refresh tokens of other processes": "RefreshToken._other_than",
    },
    "airflow_mirrordb.client.auth.settings": {
        "headers of the connection's own": "AuthenticationSettings.own_headers",
        "settings of logins": "AuthenticationSettings._check_login",
    },
    "airflow_mirrordb.client.auth.spellings": {
        "base64": "_encodings",
        "capital letters": "folded",
        "misread letters": "_readings",
        "common words": "LONG",
    },
    "airflow_mirrordb.client.auth.tokens": {
        "values of tokens": "VALUE",
        "words of token answers": "_words",
        "lifetimes": "SHORTEST_LIFETIME",
        "size of token answers": "MAX_ANSWER",
    },
    "airflow_mirrordb.client.bodies.compression": {
        "ends of compressed bodies": "_end",
        "number of members": "MAX_MEMBERS",
    },
    "airflow_mirrordb.client.bodies.errors.details": {
        "halves of pairs in details": "_limited",
        "what is read of errors in successes": "Excerpts",
    },
    "airflow_mirrordb.client.bodies.errors.records": {
        "depth of errors": "MAX_DEPTH",
        "number of values of errors": "MAX_NODES",
        "number of errors": "MAX_RECORDS",
    },
    "airflow_mirrordb.client.bodies.errors.failure_words": {
        "number of values of failures": "MAX_VALUES",
        "what is read of failures": "Excerpts",
    },
    "airflow_mirrordb.client.bodies.errors.json_faults": {
        "what is scanned of bodies": "MAX_SCANNED",
        "what is shown of bodies": "SHOWN",
    },
    "airflow_mirrordb.client.bodies.errors.reported": {
        "number of failed parts": "MAX_PARTS",
    },
    "airflow_mirrordb.client.bodies.tables": {
        "columns of later pages": "Table._named",
        "lengths of rows": "Table._checked",
        "memory of rows": "MAX_EXPANSION",
    },
    "airflow_mirrordb.client.bodies.texts": {
        "charsets of text": "_CHARSETS",
    },
    "airflow_mirrordb.client.calls.call": {
        "redirects": "redirected",
        "refusals": "may_be_applied",
        "keys that answers repeat": "without_key",
        "redaction of request ids of successes": "interpret",
        "redaction of what is logged": "Call.__str__",
        "signatures of other hosts": "signatures_of",
        "hops to other hosts": "MAX_HOPS",
        "writes that a try before is busy with": "Call._is_made_again",
    },
    "airflow_mirrordb.client.collections.bulk_report": {
        "failures of a bulk": "BulkReport.has_failed",
    },
    "airflow_mirrordb.client.collections.pages.page": {
        "texts of flags": "flag_told",
        "records that are left out": "counted_in",
    },
    "airflow_mirrordb.client.collections.pages.arguments": {
        "names of what is left": "_LEFT",
        "lists that cannot be counted": "counted_list",
    },
    "airflow_mirrordb.client.collections.pages.reader": {
        "totals that tell what is left": "_is_left",
        "pages that come again": "comes_again",
        "pages that were told": "_tells_of_another",
        "404 of other hosts": "is_end",
    },
    "airflow_mirrordb.client.collections.pages.sender": {
        "settings of a collection": "PageSender._settings",
    },
    "airflow_mirrordb.client.collections.pages.pagination": {
        "length of what tells of the next page": "MAX_TOKEN",
        "texts of null in headers": "NULL",
        "where relative links begin": "followed",
        "empty pages before the last one": "Pagination._is_last",
    },
    "airflow_mirrordb.client.collections.pages.next_links": {
        "queries of links": "shown",
        "origin of links": "_address",
        "parameters of links": "_LINK_PARAMETER",
        "quoted pairs in relations of links": "_QUOTED_PAIR",
        "conditions of later pages": "CONDITIONS_OF_READS",
        "parameters in paths of links": "_PLAIN_PATH",
    },
    "airflow_mirrordb.client.messages.full_response": {
        "credentials in headers of answers": "_CREDENTIALS",
        "queries in headers of answers": "shown",
        "signatures in headers of answers": "signatures_of",
        "signatures in URLs of the backend": "without_signatures",
    },
    "airflow_mirrordb.client.collections.pages.signs_of_more": {
        "number of fields": "_FIELDS",
        "length of names of fields": "_NAME",
    },
    "airflow_mirrordb.client.collections.bulk": {
        "bulks that may be begun anew": "may_be_begun_anew",
    },
    "airflow_mirrordb.client.collections.record_names": {
        "names of records": "RecordNames.of",
        "idempotency keys by headers": "OWN",
    },
    "airflow_mirrordb.client.uploads.upload": {
        "files that are said to be empty": "OpenUpload.block",
        "files that change": "Upload.check_version",
    },
    "airflow_mirrordb.client.bodies.requests": {
        "what data is called": "_check_json",
    },
    "airflow_mirrordb.client.uploads.storage_failures": {
        "failures of a store that come again": "_FINAL_STATUSES",
    },
    "airflow_mirrordb.client.config": {
        "odd hosts": "split_url",
        "masked settings": "MirrorDBConfig.masked",
        "secrets of another server": "MirrorDBConfig.check_authentication",
    },
    "airflow_mirrordb.client.setting_types": {
        "credentials that no proxy takes": "_check_credentials",
        "credentials in the URL of the token endpoint": "_CREDENTIALS",
    },
    "airflow_mirrordb.client.forking": {
        "connections of the parent": "_keep",
    },
    "airflow_mirrordb.client.mirrordb": {
        "pages of an event": "collect",
        "entity tags that hold a secret": "GenericMirrorDB.without_secrets",
    },
    "airflow_mirrordb.client.messages.request": {
        "requests that were prepared for another backend": "PreparedRequest.is_for",
        "what only reads": "READS",
    },
    "airflow_mirrordb.client.messages.request_headers": {
        "reserved headers": "RESERVED_HEADERS",
        "spelling of headers": "header_key",
        "headers that override": "OVERRIDES",
        "names of headers": "TOKEN",
        "values of headers": "CONTROL",
        "entity tags": "entity_tags",
        "idempotency keys that say nothing": "checked_key",
    },
    "airflow_mirrordb.client.messages.response": {
        "304 after a write": "_is_success",
        "pages that were not asked for": "is_unasked_page",
        "pages that tell nothing of a write": "is_page_instead",
        "what is not ready": "is_pending",
        "304 that nobody asked for": "_is_conditional",
        "memory of decoded bodies": "decoded_size",
        "JSON decoder": "_JSON",
        "entity tags that no request can send": "entity_tag",
    },
    "airflow_mirrordb.client.calls.route": {
        "changes of aiohttp": "check_aiohttp",
    },
    "airflow_mirrordb.client.endpoints.paths": {
        "what is encoded again": "_refuse_what_is_hidden",
        "odd characters": "_refuse_odd_characters",
        "structure in a normal form": "_STRUCTURE",
        "names between encoded slashes": "_decode_segment",
        "names that read as URLs": "_URL",
        "length of endpoints": "MAX_ENDPOINT_LENGTH",
    },
    "airflow_mirrordb.client.endpoints.patterns": {
        "endpoint patterns": "Rule.matches",
        "kinds of placeholders": "_rules_of",
        "custom methods of items": "_refuse_without_method",
    },
    "airflow_mirrordb.client.calls.redirects": {
        "headers for other hosts": "_FOR_ANYBODY",
        "hosts of redirects": "is_listed",
    },
    "airflow_mirrordb.client.retries.retry": {
        "backoff of limits": "LEAST_SHARE",
    },
    "airflow_mirrordb.client.endpoints.urls": {
        "length of URLs": "MAX_URL_LENGTH",
        "ports": "is_port",
        "words of a URL that is none": "_split",
    },
    "airflow_mirrordb.client.retries.wait_headers": {
        "longest wait": "LONGEST_WAIT",
        "Retry-After below 0": "number_of",
    },
    "airflow_mirrordb.client.retries.write_safety": {
        "303 after a write": "_AFTER_AN_ACTION",
        "refusals that an attempt before may have caused": "RefusedError",
        "successes that are cut off": "_without_answer",
    },
    "airflow_mirrordb.client.wire.aiohttp.private": {
        "connections of certificates before": "Connector.open_with",
        "framing": "Handler._end",
        "names that hang": "Resolver",
        "answers nobody asked for": "Connector._get",
        "ends of connections that the loop did not see": "is_readable",
        "writes that were given up": "Handler.close",
        "connections with a body to send": "Response.is_request_read",
        "connections over TLS with a body to send": "unsent_bytes",
        "what the operating system holds of a write": "bytes_left",
        "connections whose body the operating system holds": "SMALL_BODY",
        "heads of answers": "Handler._feed_head",
    },
    "airflow_mirrordb.client.wire.sockets": {
        "what the operating system holds of them": "_NO_LINGERING",
    },
    "airflow_mirrordb.client.wire.sending": {
        "the rest of a write that was answered early": "Sending.finish",
        "buffers of a connection that was reset": "_is_received",
        "answers before the last bytes": "Sending.note_answer",
    },
    "airflow_mirrordb.client.wire.body_ends": {
        "closure alerts of TLS": "has_closure_alert",
    },
    "airflow_mirrordb.client.wire.deadlines": {
        "timeout": "Deadlines.within",
    },
    "airflow_mirrordb.client.wire.failures": {
        "bytes of broken answers": "_forget",
        "what a parser quotes": "_without_quotes",
        "refusals of a proxy that pass": "RETRY_STATUSES",
    },
    "airflow_mirrordb.client.wire.pool": {
        "certificates that changed": "Connections._notice_changes",
        "TLS context": "certificates",
        "TLS settings of the token endpoint": "tls_servers",
        "credentials of a proxy": "proxy_headers",
    },
    "airflow_mirrordb.client.wire.tls.certificates": {
        "certificates that are half written": "Certificates.refresh",
    },
    "airflow_mirrordb.client.wire.transport": {
        "storages that do not answer": "_blame_storage",
        "client certificates of other hosts": "without_credentials",
        "size of bodies": "Transport._read",
        "ranges that nobody asked for": "unasked_part",
        "resets in the middle of a body": "check_end",
        "sessions of earlier settings": "Transport.retire",
        "statuses of heads that are cut off": "begun_status",
        "heads that cannot be parsed": "UnparsableError",
        "failures of a proxy": "own_error",
        "bodies that must not be": "WITHOUT_BODY",
        "connections with a body to come": "is_body_to_come",
        "warning of no verification": "log",
    },
    "airflow_mirrordb.hooks.connected": {
        "Airflow's masker": "mask_secrets",
    },
    "airflow_mirrordb.hooks.connections.check": {
        "connections that hang": "in_thread",
    },
    "airflow_mirrordb.hooks.connections.lookup": {
        "keys of a connection that moved": "ConnectionLookUp.credentials",
    },
    "airflow_mirrordb.hooks.connections.refresh_tokens": {
        "masking of refresh tokens": "RefreshTokenVariables.load",
    },
    "airflow_mirrordb.hooks.output": {
        "what is no plain file": "_plain_file",
        "rights of files": "_give_rights",
    },
    "airflow_mirrordb.hooks.storages": {
        "copies that are made later": "_wait_for_copy",
        "uploads that are left open": "discard",
        "copies that may still be made": "is_answered",
    },
    "airflow_mirrordb.hooks.runner": {
        "the turn of a loop in which a write is cut": "being_closed",
        "event loops of the parent": "LoopRunner.is_inherited",
    },
    "airflow_mirrordb.hooks.task_writes.guard": {
        "keys of a task": "TaskGuard.keyed",
        "equal writes of a task": "_Numbers.take",
        "numbers of refused writes": "_Numbers.give_back",
        "forks of a task": "_forked_from",
        "tries that go on": "is_from_its_beginning",
        "jobs that a key brings again": "_Mark.tries_before",
        "marks of an earlier try": "_Mark.recall",
    },
    "airflow_mirrordb.hooks.task_writes.marks": {
        "marks of a task": "WriteMarks.store",
        "marks that are taken back": "WriteMarks.take_back",
        "what is known of a write": "WriteMarks.settle",
    },
    "airflow_mirrordb.hooks.signals": {
        "signals that interrupt a user's function": "Signals.interruptible",
        "signals that wait": "Signals.hold",
    },
    "airflow_mirrordb.operators.bulk_result": {
        "reports of writes that are too large": "_OF_WRITES",
        "answers of a bulk": "storable",
        "errors of a bulk": "readable",
    },
    "airflow_mirrordb.operators.job": {
        "ends of tasks on workers": "MirrorDBJobOperator.on_kill",
        "ends of tasks that submit": "MirrorDBJobOperator._note_job",
    },
    "airflow_mirrordb.operators.bulk_state": {
        "lists without what may have been applied": "BulkState._outcomes",
        "what was in flight in a killed try": "BulkState._last_begun",
    },
    "airflow_mirrordb.decorators.mirrordb": {
        "permanent errors of functions": "judge",
        "writes that functions gave up": "fail_of_unknown",
    },
    "airflow_mirrordb.notifications.mirrordb": {
        "events of a notifier": "copy",
        "failures of notifications": "FAILURES",
    },
    "airflow_mirrordb.notifications.sending": {
        "keys of events": "key_of",
        "time of notifications": "_HookInTime._with_user_agent",
    },
    "airflow_mirrordb.task.failures": {
        "circles of causes": "_forget_frames",
    },
    "airflow_mirrordb.task.outcomes.causes": {
        "errors that a task wraps": "errors_behind",
    },
    "airflow_mirrordb.task.outcomes.events": {
        "events": "to_text_beside",
    },
    "airflow_mirrordb.client.jobs.polls": {
        "redaction of what a failure says": "_failed",
        "redaction of what a field holds": "shown",
    },
    "airflow_mirrordb.task.outcomes.result": {
        "results that XComs refuse": "storable",
        "size of results": "_size_of",
    },
    "airflow_mirrordb.task.serialization": {
        "halves of pairs in results": "_replaced",
    },
    "airflow_mirrordb.task.start": {
        "arguments of a start in the triggerer": "check_exact",
    },
    "airflow_mirrordb.task.memory.job_memory": {
        "jobs that a task remembers": "JobMemory._note",
    },
    "airflow_mirrordb.task.memory.state": {
        "other data under the key of an earlier try": "content_of",
        "404 after a killed try": "WriteState.begin",
        "404 after a refused try": "WriteState.take_back_unless_applied",
        "writes of interrupted tasks": "WriteState.is_final",
    },
    "airflow_mirrordb.task.memory.stored_arguments": {
        "requests to triggers": "to_text",
    },
    "airflow_mirrordb.task.memory.takeover": {
        "what a triggerer that died had sent": "set_xcom",
        "wrong ids in triggers": "_is_noted",
    },
    "airflow_mirrordb.task.templates": {
        "templates that render to nothing": "RemembersTemplates.refuse_nothing",
        "None that a task is expanded over": "expanded_arguments",
        "filters that vanish": "RemembersTemplates.refuse_vanished",
        "texts of which jinja makes a value": "_collections_of",
        "parts of a text that are missing": "_is_part_lost",
    },
    "airflow_mirrordb.triggers.changes": {
        "order of cursors": "order_of",
    },
    "airflow_mirrordb.triggers.asset_state": {
        "cursors that Airflow can carry": "to_text",
    },
    "airflow_mirrordb.triggers.event_arguments": {
        "arguments of a watcher": "check_exact",
    },
    "airflow_mirrordb.triggers.event": {
        "events of a watcher": "readable",
        "entity tags that a backend refuses": "_TAG_REFUSED",
    },
    "airflow_mirrordb.triggers.job": {
        "states of tasks whose triggers are ended": "task_state",
        "jobs that cleared tasks wait for": "linked_when_deferred",
        "ends of deferred tasks": "MirrorDBJobTrigger.on_kill",
    },
    "airflow_mirrordb.triggers.mirrordb": {
        "size of events": "check_size",
        "fields that another version stored": "restored",
    },
    "airflow_mirrordb.triggers.sensor": {
        "what a condition decides": "AirflowException",
    },
    "ssl": {
        "certifi": "create_default_context",
    },
}
_PLACES = {name: f"{module}:{path}" for module, seams in SEAMS.items() for name, path in seams.items()}


def place_of(seam: str) -> tuple[Any, str]:
    """Return the module or class in which a guard is looked up, and its name there."""
    module, _, path = _PLACES[seam].partition(":")
    outer, _, name = path.rpartition(".")
    return resolve_name(f"{module}:{outer}"), name
