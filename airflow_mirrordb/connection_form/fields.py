"""The fields of the connection's form; data alone, asked for by each Airflow process.

From Airflow 3.2 on these are the form. What an older one shows is made from them in
``hooks/connections/form.py``. No field has a default of its own: it would be saved, and outlive ours. Lists
are text, as a list's own field shows nothing of one that was saved as text. No field has "examples": Airflow
would say "Start typing to see options." in it, also where any text is right.
"""

from typing import Any

from airflow_mirrordb.connection_form.authentication import authentication
from airflow_mirrordb.connection_form.field import field
from airflow_mirrordb.connection_form.login import login
from airflow_mirrordb.connection_form.oauth import oauth


def connection_fields() -> dict[str, Any]:
    """Return the fields by the names of their settings."""
    # Airflow opens none of these sections by itself, and one at a time: what nearly every connection needs
    # is in the first one.
    return {
        **_section("Authentication and endpoints", {**authentication(), **_endpoints()}),
        **_section("OAuth 2.0 and login", {**oauth(), **login()}),
        **_section("Limits", _limits()),
        **_section("Backoff", _backoff()),
        **_section("Writes and bodies", _writes_and_bodies()),
        **_section("TLS and network", _network()),
    }


def placeholders() -> dict[str, str]:
    """Return the examples that empty fields show, also those that Airflow has by itself."""
    return {
        "host": "https://backend.example.com/v1 or backend.example.com",
        "login": "only for basic, oauth2 and login",
        "password": "sent as a bearer token; with a Login, as its password",
        "port": "that in Host, or 443, 80; if Test says Bad Request, type 0",
        "schema": "https, unless http is said here or in Host",
        # the form of Airflow 2 shows these too
        "endpoints": "api/users, api/orders/{id}",
        "test_endpoint": "api/users",
        "redirect_hosts": "*.s3.amazonaws.com, files.example.com",
        "key_name": "X-API-Key",
        "key_prefix": "Token",
        "auth_statuses": "401, 403",
        "oauth_url": "https://login.example.com/oauth/token",
        "scope": "users.read users.write",
        "client_id": "client-id",
        "refresh_token_variable": "crm_refresh_token",
        "private_key_file": "/etc/ssl/client-key.pem",
        "jwt_claims": '{"sub": "etl@example.com"}',
        "jwt_headers": '{"kid": "key-7"}',
        "token_params": '{"audience": "https://api.example.com"}',
        "login_url": "api/auth/login",
        "login_body": '{"username": "{login}", "password": "{password}"}',
        "token_path": "data.access_token",
        "token_cookie": "session",
        "token_expires": "expires_in",
        "retry_statuses": "429, 502, 503, 504",
        "pending_statuses": "202",
        "idempotency_header": "Idempotency-Key",
        "not_applied_statuses": "425, 429, 503",
        "error_path": "errors",
        "request_envelope": "data",
        "response_envelope": "data",
        "verify": "/etc/ssl/certs/ca.pem",
        "client_cert": "/etc/ssl/client.pem",
        "client_key": "/etc/ssl/client.key",
        "proxy": "http://user:password@proxy.example.com:3128",
        "headers": '{"X-Tenant": "acme"}',
    }


def _section(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as those of one section of the form."""
    return {key: {**field, "schema": {**field["schema"], "section": name}} for key, field in fields.items()}


def _endpoints() -> dict[str, Any]:
    return {
        "endpoints": field(
            "Allowed endpoints",
            "What may be requested; patterns, split by line breaks or commas: api/users (a resource),"
            " api/users/{id} (its items only), DELETE api/cache (exactly this), QUERY api/search (a read"
            " with data). Default: any resource api/{resource}, its items and their sub-collections.",
            format="multiline",
        ),
        "test_endpoint": field(
            "Test endpoint",
            "What the Test button reads, with GET; one of the endpoints above that gives JSON, as api/users."
            " Without it the key is not checked. Default: the base URL.",
        ),
        "trailing_slash": field(
            "Trailing slash",
            "Send every path with a slash at its end, as api/users/7/. Default: off.",
            "boolean",
        ),
    }


def _limits() -> dict[str, Any]:
    return {
        "timeout": field(
            "Timeout of one attempt (seconds)",
            "Longest time that one attempt may take, in seconds. Default: 30.",
            "number",
            minimum=0,
        ),
        "rate_limit": field(
            "Rate limit (requests per second)",
            "Requests per second that are never exceeded, in one process. Without it the backend's"
            " refusals tell the limit. Default: none.",
            "number",
            minimum=0,
        ),
        # text, as a switch that nobody touched is saved as off by Airflow 2.11
        "adaptive_rate": field(
            "Adaptive rate",
            "true, or false to leave 429 and 503 to the request that met it: they neither pause the"
            " others nor tell the limit. Default: true.",
        ),
        "max_concurrency": field(
            "Concurrency (requests)",
            "Requests in flight at the same time, in one process. Default: 100.",
            "integer",
            minimum=1,
        ),
        "max_response_bytes": field(
            "Largest answer (bytes)",
            "Largest answer that is read, in bytes, after decompression; 1 MiB is 1048576. Default:"
            " 16777216.",
            "integer",
            minimum=1,
        ),
    }


def _backoff() -> dict[str, Any]:
    return {
        "max_attempts": field(
            "Attempts",
            "Requests in all, the first one included; 1 means no retry. Default: 5.",
            "integer",
            minimum=1,
            maximum=1000,
        ),
        "initial_delay": field(
            "First wait (seconds)",
            "Longest wait after the first failure, in seconds; waits are random, up to this. Default: 1.",
            "number",
            minimum=0,
        ),
        "backoff_factor": field(
            "Backoff factor",
            "How many times longer the wait may be after each further failure. Default: 2.",
            "number",
            minimum=1,
        ),
        "max_delay": field(
            "Longest wait (seconds)",
            "Longest wait between two attempts, in seconds, unless the backend asks for more. Default: 60.",
            "number",
            minimum=0,
        ),
        "max_elapsed": field(
            "Time for all attempts (seconds)",
            "Time from the first attempt to the end of the last one, in seconds. Default: 300.",
            "number",
            minimum=0,
        ),
        "retry_statuses": field(
            "Retried statuses",
            "HTTP statuses that are worth another attempt, split by commas. Default: 408, 425, 429, 500,"
            " 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 528, 529, 530.",
        ),
        "pending_statuses": field(
            "Statuses of what is not ready",
            "HTTP statuses by which a read is answered whose result is not ready yet, split by commas, or"
            " none: it is read again. Default: 202.",
        ),
    }


def _writes_and_bodies() -> dict[str, Any]:
    return {
        "idempotency_header": field(
            "Idempotency header",
            "Header for idempotency keys, if the backend promises to remove duplicates: creates are then"
            " repeated safely. Default: none.",
        ),
        "not_applied_statuses": field(
            "Statuses of what was not begun",
            "HTTP statuses by which the backend, or a proxy before it, refuses a write before it begins"
            " it, split by commas: a create is then sent again. Most 4xx are known. Default: 425, 429.",
        ),
        "update_method": field(
            "Update method",
            "What an update sends that is not partial; PATCH for backends that know no PUT. Default: PUT.",
            enum=["PUT", "PATCH", None],
            values_display={"null": "default: PUT"},
        ),
        "query_method": field(
            "Query method",
            "What a read with data sends, where an endpoint as QUERY api/orders/search allows one."
            " Default: POST.",
            enum=["POST", "QUERY", None],
            values_display={"null": "default: POST"},
        ),
        "request_envelope": field(
            "Envelope of requests",
            'Where the data of a request lies in its body: data gives {"data": …}. Default: none.',
        ),
        "response_envelope": field(
            "Envelope of answers",
            "Where an answer holds its data. One that has nothing there is taken as a whole. Default: none.",
        ),
        "error_path": field(
            "Path of errors in a success",
            "Where the body of a 2xx tells of an error, on backends that answer 200 whatever happened. If"
            " something is there, the request was refused. Default: none.",
        ),
    }


def _network() -> dict[str, Any]:
    return {
        "verify": field(
            "Verify certificate",
            "true, false, or the path of a CA file or folder that the backend's certificate is checked"
            " with, as /etc/ssl/certs/ca.pem. Default: true.",
        ),
        "client_cert": field(
            "Client certificate",
            "Path of the client's certificate, in PEM format, as /etc/ssl/client.pem. Default: none.",
        ),
        "client_key": field(
            "Client key",
            "Path of the client's private key, in PEM format, if it is not in the same file. Default: none.",
        ),
        "client_key_passphrase": field(
            "Passphrase of the client key",
            "Passphrase of the client's private key. Default: none.",
            format="password",
        ),
        "proxy": field(
            "Proxy",
            "URL of a proxy, as http://user:password@proxy.example.com:3128. Default: none.",
            format="password",
        ),
        "redirect_hosts": field(
            "Hosts of redirects",
            "Other hosts that a read may be redirected to, as those of files with presigned URLs, split"
            " by line breaks or commas; no credential goes there, nor a client certificate. Default: none.",
            format="multiline",
        ),
        "headers": field(
            "Headers",
            'Headers for every request, as a JSON object: {"X-Tenant": "acme"}; no credentials. Default:'
            " none.",
            "object",
        ),
    }
