"""What is wrong with a setting, in words: what pydantic found, said for who filled in the form."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from airflow_mirrordb.client.auth.redaction import shortened

_OWN = "Value error, "  # pydantic's, before what our validators raise
_WANTED = {
    "int": "it must be a whole number",
    "float": "it must be a number",
    "bool": "it must be true or false",
    "string": "it must be text, in quotes",
    "frozen": "it must be a list of statuses, as [500, 502, 503]",
    "tuple": "it must be a list",
    "list": "it must be a list",
    "dict": "it must be a JSON object",
    "mapping": "it must be a JSON object",
}
#: What requests, httpx, urllib3, tenacity, curl and other providers of Airflow call our settings.
_ELSEWHERE = {
    "adaptive_rate": "autothrottle",
    "api_key": "access_token api_token auth_token bearer bearer_token key passwd password pwd secret token",
    "auth_type": "auth auth_method auth_scheme authentication authentication_type authorization",
    "backoff_factor": "backoff_multiplier exp_base exponential_base multiplier",
    "base_url": "address base_uri domain host hostname port protocol schema scheme server uri url",
    "client_cert": "cert cert_file certfile certificate ssl_cert",
    "client_key": "key_file keyfile private_key ssl_key",
    "client_key_passphrase": "cert_password key_password keyfile_password passphrase",
    "endpoints": "allowed_endpoints allowed_paths paths resources routes",
    "headers": "custom_headers default_headers extra_headers http_headers",
    "idempotency_header": "idempotency_key idempotency_key_header",
    "initial_delay": "backoff delay initial_backoff min_delay retry_delay retry_wait",
    "key_name": "api_key_header api_key_name auth_header header_name key_header",
    "login": "user user_name username",
    "login_body": "login_data login_payload",
    "login_url": "auth_endpoint authenticate_url login_endpoint login_path session_url signin_url",
    "max_attempts": "attempts max_retries max_tries num_retries retries retry retry_args retry_attempts"
    " retry_count retry_limit total_retries tries",
    "max_concurrency": "concurrency max_connections parallelism pool_maxsize pool_size",
    "max_delay": "backoff_max max_backoff max_retry_delay max_wait",
    "max_elapsed": "deadline max_elapsed_time max_time retry_timeout stop_after_delay total_timeout",
    "max_response_bytes": "max_body_size max_bytes max_response_size max_size",
    "oauth_url": "access_token_url auth_url oauth2_url oauth_token_url token_endpoint token_uri token_url",
    "proxy": "http_proxy https_proxy proxies proxy_url",
    "rate_limit": "max_requests_per_second qps requests_per_second rps",
    "redirect_hosts": "allow_redirects follow_redirects",
    "retry_statuses": "retry_codes retry_on retry_on_status retry_status_codes status_codes status_forcelist",
    "test_endpoint": "health health_check health_endpoint healthcheck ping test_path test_url",
    "token_cookie": "cookie_name session_cookie",
    "token_expires": "expires_in token_expiry token_lifetime token_ttl",
    "token_path": "access_token_path token_field token_key",
    "timeout": "conn_timeout connect_timeout connection_timeout http_timeout read_timeout request_timeout"
    " sock_read timeout_seconds",
    "trailing_slash": "append_slash",
    "verify": "ca ca_bundle ca_cert ca_certs ca_file cacert cafile check_hostname ssl ssl_ca ssl_context"
    " ssl_verify tls tls_verify verify_certificate verify_ssl verify_tls",
    "verify: false": "insecure no_verify skip_verify",
    "the end of base_url": "api_version base_path path path_prefix prefix root_path version",
}
_WORD, _NO_LETTER = re.compile(r"[a-z_]+"), re.compile(r"[^a-z0-9]")
#: How alike a name must be that somebody may have meant, from 0 to 1; of less alike ones most are others.
_ALIKE = 0.75


def _folded(name: str) -> str:
    return _NO_LETTER.sub("", name.lower())


_OURS = {_folded(name): setting for setting, names in _ELSEWHERE.items() for name in names.split()}


def problem_of(
    found: Mapping[str, Any], known: Collection[str], secret: Iterable[str], fields: Mapping[str, str]
) -> str:
    """Return what is wrong with a setting: its name, what is wanted, and what it is.

    :param found: one of pydantic's ``ValidationError.errors()``
    :param known: names of all settings
    :param secret: names of those whose value must not be seen
    :param fields: what is no setting where these come from, but a field of its own, and what that is called
    """
    location, kind, message = found["loc"], found["type"], found["msg"]
    if not location:
        return str(message).removeprefix(_OWN)
    name = str(location[0])
    if kind == "extra_forbidden":
        return f"unknown setting {name!r}; {_remedy(name, known, fields)}"
    if kind == "missing":
        return f"{name}: it is required"
    is_header = name in ("headers", "secret_headers", "token_params") and len(location) > 1
    called = f"{name}: {location[1]!r:.100}" if is_header else name
    if message.startswith(_OWN):
        return f"{called}: {message.removeprefix(_OWN)[:300]}"
    wanted = _WANTED.get(kind.partition("_")[0]) or message.replace("Input should be", "it must be")[:300]
    if len(location) > 1 and name.endswith("_statuses") and kind.startswith("int_"):
        wanted = _WANTED["frozen"]
    value = "" if name in secret else f", not {shortened(repr(found['input']), 100)}"
    return f"{called}: {wanted}{value}"


def _remedy(name: str, known: Collection[str], fields: Mapping[str, str]) -> str:
    """Return what somebody meant by a name that is not known, or all that are."""
    words = name.lower() if name.lower() in fields else _OURS.get(_folded(name), "")
    if not words:
        near = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
        if not near:
            return f"known are {', '.join(sorted(set(known) - fields.keys()))}"
        if near[0] not in fields:
            return f"did you mean {near[0]!r}?"
        words = near[0]
    setting = next(word for word in _WORD.findall(words) if word in {*known, *fields})
    if setting in fields:
        field = f"the connection's field {fields[setting]!r}"
        return f"that is {words.replace(setting, field)}"
    return f"that is {words.replace(setting, repr(setting))} here"
