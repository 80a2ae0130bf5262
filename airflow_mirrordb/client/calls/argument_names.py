"""What is said of an argument that does not exist: what it is called here, or where it belongs.

The names are those of Airflow's HTTP provider (``HttpOperator``, ``HttpSensor``), of requests, httpx and
aiohttp, and of the clients of single backends.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from airflow_mirrordb.client.config import MirrorDBConfig

#: How alike two names must be for one to be taken for a slip of the other: farther guesses lead astray.
NEAR = 0.75

#: Our arguments by what others call them, in the order in which they are likely to be meant.
_MEANT: Mapping[str, tuple[str, ...]] = {
    ours: others
    for others, names in {
        ("data",): "json body payload content text json_data request_body",
        ("endpoint",): "url uri resource route path_template endpoints",
        ("field", "endpoint"): "path",
        ("query",): "params request_params query_params url_params querystring qs",
        ("headers",): "header http_headers request_headers",
        ("mirrordb_conn_id",): "conn_id http_conn_id connection_id connection conn mirrordb_connection_id",
        ("request_timeout", "timeout"): "timeout read_timeout http_timeout timeout_seconds",
        ("if_match",): "etag e_tag entity_tag version revision",
        ("if_none_match", "full_response"): "not_modified last_etag",
        ("missing_ok",): "ignore_missing ignore_not_found not_found_ok ignore_404 allow_missing",
        ("partial",): "patch merge",
        ("bulk",): "batch many batch_size chunk_size",
        ("concurrency",): "parallel max_workers workers threads max_concurrency pool_size",
        ("paginate",): "pagination_function pagination paginator pages",
        ("response_filter",): "extract select transform result_processor xcom_filter",
        ("field", "response_filter"): "json_path jsonpath jmespath",
        ("output_path", "input_path"): "file file_path filename filepath local_path",
        ("output_path",): "output_file output destination save_to stream",
        ("input_path",): "input_file upload source_path",
        ("accept",): "response_type response_format return_type",
        ("content_type",): "media_type mime_type",
        ("full_response",): "return_response raw_response return_full_response include_headers",
        ("deferrable",): "async_mode defer use_triggerer",
        (
            "poll_interval",
            "poke_interval",
        ): "poll_interval poke_interval interval polling_interval poll_every",
        ("equals",): "value expected expected_value target_value until",
        ("is_in", "succeeded"): "values target_states allowed_states success_states terminal_states",
        ("failed",): "failed_states failure_states error_states bad_states",
        ("field", "state"): "key status_path state_path state_field status_field",
        ("condition",): "response_check check predicate success_criteria",
        ("not_yet",): "response_error_codes_allowlist allowed_statuses pending_statuses",
        ("retries",): "retry num_retries max_retries retry_count",
        ("job",): "status_endpoint status_url poll_endpoint job_endpoint",
        ("result",): "result_endpoint result_url",
        ("cancel",): "cancel_endpoint cancel_url",
    }.items()
    for ours, others in ((name, others) for name in names.split())
}

#: What the user of a backend may ask of it, in the query of a URL.
_OF_QUERY = frozenset(
    {
        *("filter", "select", "fields", "search", "q", "since", "sort", "order", "order_by"),
        *("limit", "offset", "page", "per_page", "page_size", "size"),
    }
)

#: The settings of a connection by what others call them.
_OF_CONNECTION: Mapping[str, str] = {
    other: ours
    for ours, others in {
        "auth_type": "auth auth_class authentication",
        "login": "user username",
        "api_key": "password token apikey bearer access_token secret",
        "base_url": "host server api_url",
        "max_attempts": "retry_args max_retries retry_limit attempts retry_count",
        "initial_delay": "retry_backoff",
        "retry_statuses": "retry_on status_forcelist",
        "verify": "verify_ssl ssl insecure check_hostname",
        "client_cert": "cert",
        "proxy": "proxies",
        "rate_limit": "requests_per_second",
        "redirect_hosts": "allow_redirects follow_redirects",
        "timeout, verify and proxy": "extra_options request_kwargs",
        "error_path": "response_check raise_for_status error_check",
        "max_response_bytes": "max_size",
        "endpoints": "allowed_endpoints",
    }.items()
    for other in others.split()
}
#: Those that are a field of the connection's form; the others are extras.
_FIELDS: Mapping[str, str] = {"login": "Login", "api_key": "Password", "base_url": "Host"}


def meant_by(name: str) -> tuple[str, ...]:
    """Return our arguments that another client's name may mean, the likeliest first."""
    return _MEANT.get(name, ())


def is_setting(name: str) -> bool:
    """Return whether a name is that of a setting of a connection."""
    return name in MirrorDBConfig.model_fields


def remedy_for(
    name: str, own: Collection[str], others: Collection[str] = (), *, words: str = "", lists: bool = True
) -> str:
    """Return what a message advises about an argument that does not exist.

    :param own: the arguments that there are, which are listed if it is none of a connection and near to none
    :param others: of Airflow's, which are not listed
    :param words: what is said of it, unless one of these is meant
    :param lists: False to return "" in the place of a list
    """
    for known in (own, others):
        if meant := [ours for ours in meant_by(name) if ours in known]:
            return f"did you mean {' or '.join(map(repr, meant))}?"
    if words:
        return words
    # before a near name, as max_retry_delay is to max_delay
    if place := name if is_setting(name) else _OF_CONNECTION.get(name):
        return f"that is said in the connection, by {_place(place)}"
    if near := difflib.get_close_matches(name, sorted({*own, *others}), n=1, cutoff=NEAR):
        return f"did you mean {near[0]!r}?"
    if name in _OF_QUERY and "query" in own:
        return _query(name, own)
    return f"known are {', '.join(own)}" if lists else ""


def _query(name: str, own: Collection[str]) -> str:
    """Return where a parameter of a URL belongs, or what keeps a part of an answer."""
    told = f"a parameter of the URL goes into 'query', as query={{{name!r}: ...}}"
    if name in ("filter", "select", "fields") and "response_filter" in own:
        return f"{told}; 'response_filter' keeps a part of the answer"
    if name in ("page", "per_page", "page_size", "size", "limit", "offset") and "paginate" in own:
        return f"{told}; 'paginate' reads all pages of a collection"
    return told


def _place(setting: str) -> str:
    return f"its field {_FIELDS[setting]}" if setting in _FIELDS else f"its extra {setting}"
