"""Guards of secrets: TLS, redaction and tokens."""

from __future__ import annotations

import math
import ssl
import warnings
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from airflow_mirrordb.client import MirrorDBConfig
from airflow_mirrordb.client.auth import redaction
from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.jobs import polls
from airflow_mirrordb.client.messages import response
from airflow_mirrordb.client.wire.tls.certificates import Certificates, certificates
from airflow_mirrordb.compat import get_variable
from airflow_mirrordb.hooks.connections.lookup import ConnectionLookUp
from tests.integration import (
    test_assertions as assertions,
    test_files_elsewhere as files,
    test_key_places as keys,
    test_pages_as_one as pages_as_one,
    test_refresh_tokens as refreshes,
    test_secrets as secrets,
    test_secrets_forms as forms,
    test_sensor_states as states,
    test_signatures as signatures,
    test_tls_files as tls_files,
    test_tokens as token_answers,
    test_transport as tls,
)
from tests.support.guards import ANYTHING, NEVER, Guard, nothing, nothing_to_await, unchanged
from tests.unit import (
    test_config as settings,
    test_full_response as full,
    test_oauth_settings as oauth,
    test_redaction as redacted,
)

FAILED = polls._failed
DEFAULT_CONTEXT = ssl.create_default_context


def tls_without(**changes: Any) -> Callable[..., Certificates]:
    real = certificates

    def lax(**settings: Any) -> Certificates:
        found: Certificates = real.__wrapped__(**settings)
        context = found.context
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            for name, value in changes.items():
                setattr(context, name, value)
        if "minimum_version" in changes:
            context.set_ciphers("ALL:@SECLEVEL=0")
        return found

    return lax


def read_at_once(self: Certificates) -> None:
    self.context = self._read()


def system_authorities(**_settings: Any) -> ssl.SSLContext:
    return DEFAULT_CONTEXT()


async def any_credentials(self: ConnectionLookUp, _base_url: str) -> dict[str, Any]:
    found = await self._shared(0.0)
    return {"login": found.login, "api_key": found.api_key}


async def load_unmasked(_self: object, name: str) -> str | None:
    return await get_variable(name)


def unmasked(self: MirrorDBConfig) -> dict[str, Any]:
    return {"api_key": self.api_key.get_secret_value() if self.api_key else None}


def repeated(name: str, auth: str = "bearer") -> dict[str, Any]:
    return {"check": secrets.test_a_backend_that_repeats_the_key, "arguments": {"name": name, "auth": auth}}


def in_form(form: str, place: str) -> dict[str, Any]:
    return {"check": forms.test_a_key_in_any_form_in_any_place, "arguments": {"form": form, "place": place}}


def not_hidden(check: dict[str, Any]) -> Guard:
    return Guard(seam="redaction of errors", without=nothing, **check)


def remember_the_first(self: Redaction, secrets: Iterable[str]) -> None:
    if not self._secrets:
        self._secrets = dict.fromkeys(secrets)


def interpreted_as_it_is(*args: Any, hide: Any, **facts: Any) -> Any:
    return response.interpret(*args, **facts, hide=str if hide else hide)


def failed_as_it_is(condition: Any, state: Any, response: Any, _hide: object) -> Any:
    return FAILED(condition, state, response, str)


CERTIFICATE = tls.test_a_certificate_that_proves_nothing_is_refused_once


GUARDS: dict[str, Guard] = {
    "requests that were prepared for another backend": Guard(
        without=lambda *_: True,
        check=pages_as_one.test_a_request_that_was_prepared_for_another_backend_is_not_sent,
        arguments={"paginate": None},
    ),
    # of states
    "redaction of what a failure says": Guard(
        without=failed_as_it_is,
        check=states.test_no_secret_is_in_the_words_of_a_failure,
        arguments={"mode": {"deferrable": True}},
    ),
    "redaction of what a field holds": Guard(
        without=lambda value, _hide: repr(value),
        check=states.test_no_secret_is_in_what_is_told_of_a_field,
        arguments={"mode": {"deferrable": True}},
    ),
    # keys
    "keys that answers repeat": Guard(
        without=unchanged,
        check=keys.test_no_result_has_a_key_that_the_answer_repeats,
        arguments={"mark": "&"},
    ),
    "keys that redirects repeat": Guard(
        seam="keys that answers repeat",
        without=unchanged,
        check=keys.test_a_redirect_carries_the_key_once_and_only_to_the_backend,
    ),
    "headers of the connection's own": Guard(
        without=frozenset(),
        check=keys.test_secret_headers_go_beside_whatever_else_proves_who_sends,
        arguments={"settings": {}},
    ),
    # TLS
    "certificates": Guard(
        seam="TLS context",
        without=tls_without(check_hostname=False, verify_mode=ssl.CERT_NONE),
        check=CERTIFICATE,
        arguments={"name": "expired", "trusted": True, "words": "expired"},
    ),
    "authorities": Guard(
        seam="TLS context",
        without=tls_without(check_hostname=False, verify_mode=ssl.CERT_NONE),
        check=CERTIFICATE,
        arguments={"name": "localhost", "trusted": False, "words": "self.signed|unable to get local issuer"},
    ),
    "host names": Guard(
        seam="TLS context",
        without=tls_without(check_hostname=False),
        check=CERTIFICATE,
        arguments={"name": "other.example", "trusted": True, "words": "Hostname mismatch"},
    ),
    "old versions of TLS": Guard(
        seam="TLS context",
        without=tls_without(minimum_version=ssl.TLSVersion.TLSv1),
        check=tls.test_old_tls_is_refused,
    ),
    "certifi": Guard(
        without=system_authorities,
        check=tls.test_the_authorities_are_those_of_certifi,
    ),
    "certificates that changed": Guard(
        without=nothing_to_await,
        check=tls_files.test_a_renewed_certificate_is_shown_by_the_next_connection,
        arguments={"way": "in place", "shared": False},
    ),
    "certificates that are half written": Guard(
        without=read_at_once,
        check=tls_files.test_half_a_pair_changes_nothing,
        arguments={"half": tls_files.no_key, "words": ""},
    ),
    "connections of certificates before": Guard(
        without=lambda connector, context: setattr(connector, "_ssl", context),
        check=tls_files.test_idle_connections_of_before_are_closed,
    ),
    "TLS settings of the token endpoint": Guard(
        without=lambda config: config.base_url.startswith("https:"),
        check=tls.test_the_token_endpoint_is_checked_as_the_backend_is,
        arguments={"verify": False, "shared": False},
    ),
    "warning of no verification": Guard(
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
    "signatures of links": Guard(
        seam="signatures of other hosts",
        without=lambda *_: [],
        check=signatures.test_what_a_page_repeats_of_its_link,
        arguments={"name": "a 500"},
    ),
    "redaction of causes and waits": not_hidden({"check": forms.test_errors_of_writes_bulks_and_waits}),
    "redaction of tokens": Guard(
        seam="secrets to hide", without=remember_the_first, **repeated("text 500 X", "oauth2")
    ),
    "redaction of refresh tokens": Guard(
        seam="secrets to hide", without=remember_the_first, check=refreshes.test_one_that_is_refused
    ),
    "redaction of assertions": Guard(
        seam="secrets to hide", without=nothing, check=assertions.test_an_assertion_that_is_refused
    ),
    "redaction of what could not be kept": not_hidden({"check": refreshes.test_one_that_cannot_be_kept}),
    "masking of refresh tokens": Guard(
        without=load_unmasked, check=refreshes.test_airflow_masks_each_refresh_token
    ),
    "newest refresh tokens": Guard(
        without=lambda _self, kept: kept, check=refreshes.test_one_that_cannot_be_kept
    ),
    "refresh tokens of other processes": Guard(
        without=nothing_to_await, check=refreshes.test_a_process_that_is_about_to_keep_what_it_got
    ),
    "secrets among parameters of tokens": Guard(
        without=NEVER,
        check=oauth.test_a_parameter_with_a_setting_of_its_own,
        arguments={"name": "api-key", "says": "belongs in the password, or client_secret"},
    ),
    "redaction of keys of before": Guard(
        seam="secrets to hide", without=remember_the_first, check=forms.test_a_key_of_before_is_hidden
    ),
    "redaction of request ids of successes": Guard(
        without=interpreted_as_it_is,
        check=forms.test_the_request_id_of_a_success_is_logged_without_the_key,
    ),
    "redaction of what is logged": Guard(
        without=lambda self: self._request.endpoint,
        check=forms.test_a_link_that_leads_to_the_key,
        arguments={"read": forms.read_all},
    ),
    "escapes": Guard(
        without=(),
        check=redacted.test_a_secret_is_hidden_in_each_form,
        arguments={"form": "JSON", "key": redacted.KEY},
    ),
    "percent-encoding": Guard(
        seam="escapes",
        without=[kind for kind in redaction._ESCAPES if kind[0] != "%"],
        **in_form("percent-encoded (RFC 3986, section 2.1)", "text"),
    ),
    "base64": Guard(
        without=lambda _: set(),
        check=redacted.test_a_secret_is_hidden_in_each_form,
        arguments={"form": "base64 of the header", "key": redacted.KEY},
    ),
    "misread letters": Guard(
        without=lambda secret: {secret},
        check=redacted.test_a_secret_is_hidden_in_each_form,
        arguments={"form": "Latin-1 read as UTF-8", "key": redacted.KEY},
    ),
    "capital letters": Guard(
        without=unchanged,
        check=forms.test_a_link_that_holds_the_key,
        arguments={
            "link": f"http://{forms.PLAIN_KEY}.example/api/users",
            "words": "the next page is at http://***.example",
        },
    ),
    "halves of secrets": Guard(
        without=lambda _: [],
        check=redacted.test_a_few_characters_before_our_own_cut_are_hidden,
    ),
    "parts of secrets": Guard(
        without=lambda text, spelling: redaction._beginnings(text, spelling.text, len(spelling.text)),
        check=redacted.test_from_half_of_a_secret_on_a_part_is_hidden,
    ),
    "common words": Guard(
        without=0,
        check=forms.test_a_short_key_leaves_errors_readable,
        arguments={"key": "api"},
    ),
    "queries of redirects": Guard(
        without=unchanged,
        check=forms.test_a_redirect_is_shown_without_its_query,
        arguments={"method": "GET", "url": "/a?s1gnature-0123456789", "shown": "/a?…"},
    ),
    "queries of links": Guard(
        without=unchanged,
        check=forms.test_a_link_is_shown_without_its_query,
        arguments={"style": forms.LINKS, "next_page": "http://[?sig=s1gnature-0123456789"},
    ),
    "credentials in headers of answers": Guard(
        without=NEVER,
        check=full.test_credentials_are_left_out,
        arguments={"name": "Set-Cookie"},
    ),
    "queries in headers of answers": Guard(
        without=unchanged,
        check=full.test_no_secret_and_no_signature_is_in_a_header,
    ),
    "signatures in URLs of the backend": Guard(
        without=unchanged,
        check=full.test_a_location_at_the_backend_has_no_signature,
    ),
    "signatures in headers of answers": Guard(
        without=lambda _request: [],
        check=files.test_a_full_response_has_no_signature,
    ),
    "credentials in the URL of the token endpoint": Guard(
        without=NEVER,
        check=settings.test_a_wrong_value_is_an_error_that_names_the_field,
        arguments={"field": "oauth_url", "wrong": "https://login.example/token?client_secret=s3cret"},
    ),
    "secrets of another server": Guard(
        without=nothing,
        check=settings.test_what_one_kind_of_authentication_uses_needs_that_kind,
        arguments={"setting": "oauth_url", "value": "https://login.example/token", "kind": "oauth2"},
    ),
    # tokens
    "values of tokens": Guard(
        without=ANYTHING,
        check=secrets.test_a_token_that_no_header_can_hold_is_refused,
        arguments={"value": "a\r\nX-Evil: 1"},
    ),
    "words of token answers": Guard(
        without=lambda body: (None, str(body)),
        check=token_answers.test_nothing_of_a_token_answer_is_quoted,
        arguments={"status": 201},
    ),
    "redaction of token answers": not_hidden(
        {"check": token_answers.test_nothing_of_a_token_answer_is_quoted, "arguments": {"status": 400}}
    ),
    "lifetimes": Guard(
        without=-math.inf,
        check=token_answers.test_a_lifetime_that_cannot_be_meant_counts_as_not_said,
        arguments={"written": "-5"},
    ),
    "size of token answers": Guard(
        without=10**9,
        check=token_answers.test_an_answer_of_megabytes_is_refused,
    ),
    "bytes of broken answers": Guard(without=nothing, check=forms.test_garbage_is_not_quoted),
    "what a proxy repeats": Guard(
        seam="bytes of broken answers",
        without=nothing,
        check=secrets.test_a_proxy_that_repeats_its_password,
        arguments={"scheme": "https", "status": "407 X"},
    ),
    "masked settings": Guard(without=unmasked, **repeated("nothing")),
    "keys of another backend": Guard(
        without=lambda *_: False,
        check=secrets.test_a_key_for_another_backend_is_not_sent_to_the_old_one,
        arguments={"auth": "api_key"},
    ),
    "tokens of another backend": Guard(
        seam="keys of another backend",
        without=lambda *_: False,
        check=secrets.test_a_token_for_another_backend_is_not_sent_to_the_old_one,
    ),
    "keys of a connection that moved": Guard(
        without=any_credentials,
        check=secrets.test_a_connection_that_moved_gives_its_key_to_no_other_host,
    ),
}
