"""What Airflow is told about this package; a literal, since every Airflow process imports it at its start."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    return {
        "package-name": "airflow-provider-mirrordb",
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
            {"integration-name": "MirrorDB", "python-modules": ["airflow_mirrordb.operators.mirrordb"]}
        ],
        "sensors": [
            {"integration-name": "MirrorDB", "python-modules": ["airflow_mirrordb.sensors.mirrordb"]}
        ],
        "hooks": [{"integration-name": "MirrorDB", "python-modules": ["airflow_mirrordb.hooks.mirrordb"]}],
        "triggers": [
            {
                "integration-name": "MirrorDB",
                "python-modules": [
                    "airflow_mirrordb.triggers.mirrordb",
                    "airflow_mirrordb.triggers.sensor",
                    "airflow_mirrordb.triggers.event",
                    "airflow_mirrordb.triggers.start",
                ],
            }
        ],
        "extra-links": ["airflow_mirrordb.task.link.MirrorDBResourceLink"],
        "asset-uris": [
            {
                "schemes": ["mirrordb"],
                "handler": "airflow_mirrordb.assets.sanitize_uri",
                "factory": "airflow_mirrordb.assets.create_asset",
                "to_openlineage_converter": "airflow_mirrordb.assets.convert_asset_to_openlineage",
            }
        ],
        "dataset-uris": [  # what Airflow 2 calls the same
            {
                "schemes": ["mirrordb"],
                "handler": "airflow_mirrordb.assets.sanitize_uri",
                "factory": "airflow_mirrordb.assets.create_asset",
                "to_openlineage_converter": "airflow_mirrordb.assets.convert_asset_to_openlineage",
            }
        ],
        "connection-types": [
            {
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
                    "placeholders": {
                        "host": "https://backend.example.com/v1 or backend.example.com",
                        "login": "only for basic and oauth2",
                        "password": "sent as a bearer token, unless Authentication type differs",
                        "port": "that in Host, or 443, 80; type 0 if Airflow's Test button says Bad Request",
                        "schema": "https, unless http is said here or in Host",
                        # the form of Airflow 2 shows these too
                        "endpoints": "api/users, api/orders/{id}",
                        "test_endpoint": "api/users",
                        "redirect_hosts": "*.s3.amazonaws.com, files.example.com",
                        "key_name": "X-API-Key",
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
                    },
                },
                # From Airflow 3.2 on these are the form. What an older one shows is made from them in
                # hooks/connections/form.py. No field has a default of its own: it would be saved, and outlive
                # ours. Lists are text, as a list's own field shows nothing of one that was saved as text.
                "conn-fields": {
                    "endpoints": {
                        "label": "Allowed endpoints",
                        "description": "What may be requested; patterns, split by line breaks or commas:"
                        " api/users (a resource), api/users/{id} (its items only), DELETE api/cache (exactly"
                        " this), QUERY api/search (a read with data). Default: any resource api/{resource},"
                        " its items and their sub-collections.",
                        "schema": {
                            "type": ["string", "null"],
                            "format": "multiline",
                            "section": "Endpoints",
                        },
                    },
                    "test_endpoint": {
                        "label": "Test endpoint",
                        "description": "What the Test button reads, with GET; one of the endpoints above,"
                        " as api/users. Default: the base URL.",
                        "schema": {
                            "type": ["string", "null"],
                            "section": "Endpoints",
                        },
                    },
                    "redirect_hosts": {
                        "label": "Hosts of redirects",
                        "description": "Other hosts that a read may be redirected to, as those of files with"
                        " presigned URLs, split by line breaks or commas; no credential goes there, nor a"
                        " client certificate. Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "format": "multiline",
                            "section": "Endpoints",
                        },
                    },
                    "trailing_slash": {
                        "label": "Trailing slash",
                        "description": "Send every path with a slash at its end, as api/users/7/."
                        " Default: off.",
                        "schema": {"type": ["boolean", "null"], "section": "Endpoints"},
                    },
                    "auth_type": {
                        "label": "Authentication type",
                        "description": "How the key is sent. Default: basic with a login, bearer with only a"
                        " key, else none.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["none", "bearer", "api_key", "basic", "oauth2", None],
                            "values_display": {
                                "none": "none: no key is sent",
                                "bearer": "bearer: Authorization: Bearer KEY",
                                "api_key": "api_key: the key in a header of its own",
                                "basic": "basic: Login and password",
                                "oauth2": "oauth2: client credentials, for an access token",
                                "null": "default: basic with a login, bearer with only a key, else none",
                            },
                            "section": "Authentication",
                        },
                    },
                    "key_name": {
                        "label": "Header of the key",
                        "description": "Header that carries the key; only for api_key. Default: X-API-Key.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["X-API-Key", "Authorization"],
                            "section": "Authentication",
                        },
                    },
                    "oauth_url": {
                        "label": "Token URL",
                        "description": "URL of the authorization server's token endpoint, as"
                        " https://login.example.com/oauth/token, which takes Login as client id, with its"
                        " secret; only for oauth2. Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "section": "Authentication",
                        },
                    },
                    "scope": {
                        "label": "Scope",
                        "description": "Scope that is asked for, as users.read, several with spaces between"
                        " them; only for oauth2. Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "section": "Authentication",
                        },
                    },
                    "timeout": {
                        "label": "Timeout (seconds)",
                        "description": "Longest time that one attempt may take, in seconds. Default: 30.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Limits"},
                    },
                    "rate_limit": {
                        "label": "Rate limit (requests per second)",
                        "description": "Requests per second that are never exceeded, in one process."
                        " Without it the backend's refusals tell the limit. Default: none.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Limits"},
                    },
                    # text, as a switch that nobody touched is saved as off by Airflow 2.11
                    "adaptive_rate": {
                        "label": "Adaptive rate",
                        "description": "true, or false to leave 429 and 503 to the request that met it:"
                        " they neither pause the others nor tell the limit. Default: true.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["true", "false"],
                            "section": "Limits",
                        },
                    },
                    "max_concurrency": {
                        "label": "Concurrency (requests)",
                        "description": "Requests in flight at the same time, in one process. Default: 100.",
                        "schema": {"type": ["integer", "null"], "minimum": 1, "section": "Limits"},
                    },
                    "max_response_bytes": {
                        "label": "Largest answer (bytes)",
                        "description": "Largest answer that is read, in bytes, after decompression; 1 MiB is"
                        " 1048576. Default: 16777216.",
                        "schema": {"type": ["integer", "null"], "minimum": 1, "section": "Limits"},
                    },
                    "max_attempts": {
                        "label": "Attempts",
                        "description": "Requests in all, the first one included; 1 means no retry."
                        " Default: 5.",
                        "schema": {
                            "type": ["integer", "null"],
                            "minimum": 1,
                            "maximum": 1000,
                            "section": "Backoff",
                        },
                    },
                    "initial_delay": {
                        "label": "Initial delay (seconds)",
                        "description": "Ceiling of the wait after the first failure, in seconds. Default: 1.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Backoff"},
                    },
                    "backoff_factor": {
                        "label": "Backoff factor",
                        "description": "How many times higher that ceiling is after each further failure."
                        " Default: 2.",
                        "schema": {"type": ["number", "null"], "minimum": 1, "section": "Backoff"},
                    },
                    "max_delay": {
                        "label": "Longest delay (seconds)",
                        "description": "Longest wait between two attempts, in seconds, unless the backend"
                        " asks for more. Default: 60.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Backoff"},
                    },
                    "max_elapsed": {
                        "label": "Longest time (seconds)",
                        "description": "Time from the first attempt to the end of the last one, in seconds."
                        " Default: 300.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Backoff"},
                    },
                    "retry_statuses": {
                        "label": "Retried statuses",
                        "description": "HTTP statuses that are worth another attempt, split by commas."
                        " Default: 408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527,"
                        " 528, 529, 530.",
                        "schema": {
                            "type": ["string", "null"],
                            "section": "Backoff",
                        },
                    },
                    "pending_statuses": {
                        "label": "Statuses of what is not ready",
                        "description": "HTTP statuses by which a read is answered whose result is not ready"
                        " yet, split by commas, or none: it is read again. Default: 202.",
                        "schema": {"type": ["string", "null"], "section": "Backoff"},
                    },
                    "idempotency_header": {
                        "label": "Idempotency header",
                        "description": "Header for idempotency keys, if the backend promises to remove"
                        " duplicates: creates are then repeated safely. Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["Idempotency-Key"],
                            "section": "Writes and bodies",
                        },
                    },
                    "not_applied_statuses": {
                        "label": "Statuses of what was not begun",
                        "description": "HTTP statuses by which the backend, or a proxy before it, refuses a"
                        " write before it begins it, split by commas: a create is then sent again. Most 4xx"
                        " are known. Default: 425, 429.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["425, 429, 503"],
                            "section": "Writes and bodies",
                        },
                    },
                    "update_method": {
                        "label": "Update method",
                        "description": "What an update sends that is not partial; PATCH for backends that"
                        " know no PUT. Default: PUT.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["PUT", "PATCH", None],
                            "values_display": {"null": "default: PUT"},
                            "section": "Writes and bodies",
                        },
                    },
                    "query_method": {
                        "label": "Query method",
                        "description": "What a read with data sends, where an endpoint as QUERY"
                        " api/orders/search allows one. Default: POST.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["POST", "QUERY", None],
                            "values_display": {"null": "default: POST"},
                            "section": "Writes and bodies",
                        },
                    },
                    "request_envelope": {
                        "label": "Envelope of requests",
                        "description": 'Where the data of a request lies in its body: data gives {"data": …}.'
                        " Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["data", "result.data"],
                            "section": "Writes and bodies",
                        },
                    },
                    "response_envelope": {
                        "label": "Envelope of answers",
                        "description": "Where an answer holds its data. One that has nothing there is taken"
                        " as a whole. Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["data", "result.data"],
                            "section": "Writes and bodies",
                        },
                    },
                    "error_path": {
                        "label": "Path of errors in a success",
                        "description": "Where the body of a 2xx tells of an error, on backends that answer"
                        " 200 whatever happened. If something is there, the request was refused."
                        " Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["errors", "error"],
                            "section": "Writes and bodies",
                        },
                    },
                    "verify": {
                        "label": "Verify certificate",
                        "description": "true, false, or the path of a CA file or folder that the backend's"
                        " certificate is checked with, as /etc/ssl/certs/ca.pem. Default: true.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["true", "false"],
                            "section": "TLS and network",
                        },
                    },
                    "client_cert": {
                        "label": "Client certificate",
                        "description": "Path of the client's certificate, in PEM format, as"
                        " /etc/ssl/client.pem. Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "section": "TLS and network",
                        },
                    },
                    "client_key": {
                        "label": "Client key",
                        "description": "Path of the client's private key, in PEM format, if it is not in the"
                        " same file. Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "section": "TLS and network",
                        },
                    },
                    "client_key_passphrase": {
                        "label": "Passphrase of the client key",
                        "description": "Passphrase of the client's private key. Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "format": "password",
                            "section": "TLS and network",
                        },
                    },
                    "proxy": {
                        "label": "Proxy",
                        "description": "URL of a proxy, as http://user:password@proxy.example.com:3128."
                        " Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "format": "password",
                            "section": "TLS and network",
                        },
                    },
                    "headers": {
                        "label": "Headers",
                        "description": 'Headers for every request, as a JSON object: {"X-Tenant": "acme"};'
                        " no credentials. Default: none.",
                        "schema": {"type": ["object", "null"], "section": "TLS and network"},
                    },
                },
            }
        ],
    }
