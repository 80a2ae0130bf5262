"""What Airflow is told about this package; data alone, as each Airflow process asks for it at its start."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    return {
        "package-name": "airflow-mirrordb",
        "name": "MirrorDB",
        "description": "Create, read, update and delete resources of any REST backend through one validated,"
        " resilient connection.",
        "integrations": [
            {
                "integration-name": "MirrorDB",
                "external-doc-url": "https://www.rfc-editor.org/rfc/rfc9110",
                "tags": ["protocol"],
            }
        ],
        "operators": [
            {
                "integration-name": "MirrorDB",
                "python-modules": ["airflow_mirrordb.operators.mirrordb", "airflow_mirrordb.operators.job"],
            }
        ],
        "sensors": [
            {"integration-name": "MirrorDB", "python-modules": ["airflow_mirrordb.sensors.mirrordb"]}
        ],
        "hooks": [{"integration-name": "MirrorDB", "python-modules": ["airflow_mirrordb.hooks.mirrordb"]}],
        "task-decorators": [
            {"name": "mirrordb", "class-name": "airflow_mirrordb.decorators.mirrordb.mirrordb_task"}
        ],
        "triggers": [
            {
                "integration-name": "MirrorDB",
                "python-modules": [
                    "airflow_mirrordb.triggers.mirrordb",
                    "airflow_mirrordb.triggers.sensor",
                    "airflow_mirrordb.triggers.job",
                    "airflow_mirrordb.triggers.event",
                    "airflow_mirrordb.triggers.start",
                ],
            }
        ],
        "notifications": ["airflow_mirrordb.notifications.mirrordb.MirrorDBNotifier"],
        "extra-links": ["airflow_mirrordb.task.link.MirrorDBResourceLink"],
        "asset-uris": _asset_uris(),
        "dataset-uris": _asset_uris(),  # what Airflow 2 calls the same
        "connection-types": [_connection_type()],
    }


def _asset_uris() -> list[dict[str, Any]]:
    return [
        {
            "schemes": ["mirrordb"],
            "handler": "airflow_mirrordb.assets.sanitize_uri",
            "factory": "airflow_mirrordb.assets.create_asset",
            "to_openlineage_converter": "airflow_mirrordb.assets.convert_asset_to_openlineage",
        }
    ]


def _connection_type() -> dict[str, Any]:
    return {
        "connection-type": "mirrordb",
        "hook-class-name": "airflow_mirrordb.hooks.mirrordb.MirrorDBHook",
        "hook-name": "MirrorDB",
        "ui-field-behaviour": {
            "hidden-fields": [],
            "relabeling": {
                "host": "Host or base URL",
                "login": "Login / client id",
                "password": "API key / token / secret",
                "schema": "Schema (http, https)",
            },
            "placeholders": _placeholders(),
        },
        # From Airflow 3.2 on these are the form. What an older one shows is made from them in
        # hooks/connections/form.py. No field has a default of its own: it would be saved, and outlive ours.
        # Lists are text, as a list's own field shows nothing of one that was saved as text. No field has
        # "examples": Airflow would say "Start typing to see options." in it, also where any text is right.
        "conn-fields": {
            # Airflow opens none of these sections by itself, and one at a time: what nearly every
            # connection needs is in the first one.
            **_section("Authentication and endpoints", {**_authentication(), **_endpoints()}),
            **_section("Limits", _limits()),
            **_section("Backoff", _backoff()),
            **_section("Writes and bodies", _writes_and_bodies()),
            **_section("TLS and network", _network()),
        },
    }


def _placeholders() -> dict[str, str]:
    return {
        "host": "https://backend.example.com/v1 or backend.example.com",
        "login": "only for basic and oauth2",
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


def _field(label: str, description: str, kind: str = "string", **schema: Any) -> dict[str, Any]:
    """Return a field of the form, which may be left empty.

    :param kind: type of its value in JSON schema
    :param schema: what else is said of its value
    """
    return {"label": label, "description": description, "schema": {"type": [kind, "null"], **schema}}


def _endpoints() -> dict[str, Any]:
    return {
        "endpoints": _field(
            "Allowed endpoints",
            "What may be requested; patterns, split by line breaks or commas: api/users (a resource),"
            " api/users/{id} (its items only), DELETE api/cache (exactly this), QUERY api/search (a read"
            " with data). Default: any resource api/{resource}, its items and their sub-collections.",
            format="multiline",
        ),
        "test_endpoint": _field(
            "Test endpoint",
            "What the Test button reads, with GET; one of the endpoints above that gives JSON, as api/users."
            " Without it the key is not checked. Default: the base URL.",
        ),
        "trailing_slash": _field(
            "Trailing slash",
            "Send every path with a slash at its end, as api/users/7/. Default: off.",
            "boolean",
        ),
    }


def _authentication() -> dict[str, Any]:
    return {
        "auth_type": _field(
            "Authentication type",
            "How the key is sent. Default: basic with a login, bearer with only a key, else none.",
            enum=["none", "bearer", "api_key", "basic", "oauth2", None],
            values_display={
                "none": "none: no key is sent",
                "bearer": "bearer: Authorization: Bearer KEY",
                "api_key": "api_key: the key in a header of its own",
                "basic": "basic: Login and password",
                "oauth2": "oauth2: client credentials, for an access token",
                "null": "default: basic with a login, bearer with only a key, else none",
            },
        ),
        "key_in": _field(
            "Place of the key",
            "Where the key goes; only for api_key. In the query it is in no log, link or stored request."
            " Default: header.",
            enum=["header", "query", "cookie", None],
            values_display={
                "header": "header: a header of its own",
                "query": "query: a parameter of the URL",
                "cookie": "cookie",
                "null": "default: header",
            },
        ),
        "key_name": _field(
            "Name of the key",
            "Name of the header, query parameter or cookie that has the key; only for api_key."
            " Default: the header X-API-Key.",
        ),
        "key_prefix": _field(
            "Prefix of the key",
            "Text before the key, as Token; a blank is put behind a letter or digit; only for api_key."
            " Default: none.",
        ),
        "secret_headers": _field(
            "Secret headers",
            "Further headers that are secrets, for every request, as a JSON object:"
            ' {"DD-APPLICATION-KEY": "..."}. Default: none.',
            format="password",
        ),
        "auth_statuses": _field(
            "Statuses of a key that is no longer good",
            "HTTP statuses by which the backend says so, split by commas: the key is looked up again, and"
            " the request sent once more. Default: 401.",
        ),
        "oauth_url": _field(
            "Token URL",
            "URL of the authorization server's token endpoint, as https://login.example.com/oauth/token,"
            " which takes Login as client id, with its secret; only for oauth2. Default: none.",
        ),
        "scope": _field(
            "Scope",
            "Scope that is asked for, as users.read, several with spaces between them; only for oauth2."
            " Default: none.",
        ),
    }


def _limits() -> dict[str, Any]:
    return {
        "timeout": _field(
            "Timeout of one attempt (seconds)",
            "Longest time that one attempt may take, in seconds. Default: 30.",
            "number",
            minimum=0,
        ),
        "rate_limit": _field(
            "Rate limit (requests per second)",
            "Requests per second that are never exceeded, in one process. Without it the backend's"
            " refusals tell the limit. Default: none.",
            "number",
            minimum=0,
        ),
        # text, as a switch that nobody touched is saved as off by Airflow 2.11
        "adaptive_rate": _field(
            "Adaptive rate",
            "true, or false to leave 429 and 503 to the request that met it: they neither pause the"
            " others nor tell the limit. Default: true.",
        ),
        "max_concurrency": _field(
            "Concurrency (requests)",
            "Requests in flight at the same time, in one process. Default: 100.",
            "integer",
            minimum=1,
        ),
        "max_response_bytes": _field(
            "Largest answer (bytes)",
            "Largest answer that is read, in bytes, after decompression; 1 MiB is 1048576. Default:"
            " 16777216.",
            "integer",
            minimum=1,
        ),
    }


def _backoff() -> dict[str, Any]:
    return {
        "max_attempts": _field(
            "Attempts",
            "Requests in all, the first one included; 1 means no retry. Default: 5.",
            "integer",
            minimum=1,
            maximum=1000,
        ),
        "initial_delay": _field(
            "First wait (seconds)",
            "Longest wait after the first failure, in seconds; waits are random, up to this. Default: 1.",
            "number",
            minimum=0,
        ),
        "backoff_factor": _field(
            "Backoff factor",
            "How many times longer the wait may be after each further failure. Default: 2.",
            "number",
            minimum=1,
        ),
        "max_delay": _field(
            "Longest wait (seconds)",
            "Longest wait between two attempts, in seconds, unless the backend asks for more. Default: 60.",
            "number",
            minimum=0,
        ),
        "max_elapsed": _field(
            "Time for all attempts (seconds)",
            "Time from the first attempt to the end of the last one, in seconds. Default: 300.",
            "number",
            minimum=0,
        ),
        "retry_statuses": _field(
            "Retried statuses",
            "HTTP statuses that are worth another attempt, split by commas. Default: 408, 425, 429, 500,"
            " 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 528, 529, 530.",
        ),
        "pending_statuses": _field(
            "Statuses of what is not ready",
            "HTTP statuses by which a read is answered whose result is not ready yet, split by commas, or"
            " none: it is read again. Default: 202.",
        ),
    }


def _writes_and_bodies() -> dict[str, Any]:
    return {
        "idempotency_header": _field(
            "Idempotency header",
            "Header for idempotency keys, if the backend promises to remove duplicates: creates are then"
            " repeated safely. Default: none.",
        ),
        "not_applied_statuses": _field(
            "Statuses of what was not begun",
            "HTTP statuses by which the backend, or a proxy before it, refuses a write before it begins"
            " it, split by commas: a create is then sent again. Most 4xx are known. Default: 425, 429.",
        ),
        "update_method": _field(
            "Update method",
            "What an update sends that is not partial; PATCH for backends that know no PUT. Default: PUT.",
            enum=["PUT", "PATCH", None],
            values_display={"null": "default: PUT"},
        ),
        "query_method": _field(
            "Query method",
            "What a read with data sends, where an endpoint as QUERY api/orders/search allows one."
            " Default: POST.",
            enum=["POST", "QUERY", None],
            values_display={"null": "default: POST"},
        ),
        "request_envelope": _field(
            "Envelope of requests",
            'Where the data of a request lies in its body: data gives {"data": …}. Default: none.',
        ),
        "response_envelope": _field(
            "Envelope of answers",
            "Where an answer holds its data. One that has nothing there is taken as a whole. Default: none.",
        ),
        "error_path": _field(
            "Path of errors in a success",
            "Where the body of a 2xx tells of an error, on backends that answer 200 whatever happened. If"
            " something is there, the request was refused. Default: none.",
        ),
    }


def _network() -> dict[str, Any]:
    return {
        "verify": _field(
            "Verify certificate",
            "true, false, or the path of a CA file or folder that the backend's certificate is checked"
            " with, as /etc/ssl/certs/ca.pem. Default: true.",
        ),
        "client_cert": _field(
            "Client certificate",
            "Path of the client's certificate, in PEM format, as /etc/ssl/client.pem. Default: none.",
        ),
        "client_key": _field(
            "Client key",
            "Path of the client's private key, in PEM format, if it is not in the same file. Default: none.",
        ),
        "client_key_passphrase": _field(
            "Passphrase of the client key",
            "Passphrase of the client's private key. Default: none.",
            format="password",
        ),
        "proxy": _field(
            "Proxy",
            "URL of a proxy, as http://user:password@proxy.example.com:3128. Default: none.",
            format="password",
        ),
        "redirect_hosts": _field(
            "Hosts of redirects",
            "Other hosts that a read may be redirected to, as those of files with presigned URLs, split"
            " by line breaks or commas; no credential goes there, nor a client certificate. Default: none.",
            format="multiline",
        ),
        "headers": _field(
            "Headers",
            'Headers for every request, as a JSON object: {"X-Tenant": "acme"}; no credentials. Default:'
            " none.",
            "object",
        ),
    }
