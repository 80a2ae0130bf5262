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
                "python-modules": ["airflow_mirrordb.triggers.mirrordb", "airflow_mirrordb.triggers.sensor"],
            }
        ],
        "extra-links": ["airflow_mirrordb.links.MirrorDBResourceLink"],
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
                    "relabeling": {"password": "API key, token or password"},
                    "placeholders": {
                        "host": "example.com, or https://example.com/v1",
                        "schema": "https (default) or http",
                        "login": "user for basic, client id for oauth2",
                    },
                },
                "conn-fields": {
                    "endpoints": {
                        "label": "Endpoints",
                        "description": "What may be requested, one pattern per line: api/users (a resource),"
                        " api/users/{id} (its items only), DELETE api/cache (exactly this)."
                        " Default: any resource api/{resource}, its items and their sub-collections.",
                        "schema": {
                            "type": ["array", "null"],
                            "items": {"type": "string"},
                            "section": "Endpoints",
                        },
                    },
                    "trailing_slash": {
                        "label": "Trailing slash",
                        "description": "Send every path with a slash at its end. Default: off.",
                        "schema": {"type": ["boolean", "null"], "section": "Endpoints"},
                    },
                    "test_endpoint": {
                        "label": "Test endpoint",
                        "description": "What the Test button reads, as api/users. Default: the base URL.",
                        "schema": {"type": ["string", "null"], "section": "Endpoints"},
                    },
                    "update_method": {
                        "label": "Update method",
                        "description": "What an update sends that is not partial; PATCH for backends that"
                        " know no PUT. Default: PUT.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["PUT", "PATCH", None],
                            "section": "Dialect",
                        },
                    },
                    "request_envelope": {
                        "label": "Envelope of requests",
                        "description": "Where the data of a request lies in its body, as data or"
                        " result.data; the whole body if not set. Default: none.",
                        "schema": {"type": ["string", "null"], "section": "Dialect"},
                    },
                    "response_envelope": {
                        "label": "Envelope of answers",
                        "description": "Where an answer holds its data, as data or result.data. An answer"
                        " that has nothing there is taken as a whole. Default: none.",
                        "schema": {"type": ["string", "null"], "section": "Dialect"},
                    },
                    "auth_type": {
                        "label": "Authentication",
                        "description": "How the key is sent. Default: basic with a login, bearer with only a"
                        " key, else none.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["none", "bearer", "api_key", "basic", "oauth2", None],
                            "section": "Authentication",
                        },
                    },
                    "auth_header": {
                        "label": "Header of the key",
                        "description": "Header that carries the key with api_key authentication."
                        " Default: X-API-Key.",
                        "schema": {"type": ["string", "null"], "section": "Authentication"},
                    },
                    "oauth_url": {
                        "label": "Token URL",
                        "description": "URL of the authorization server's token endpoint: Login is"
                        " the client id, Password its secret; for oauth2. Default: none.",
                        "schema": {"type": ["string", "null"], "section": "Authentication"},
                    },
                    "scope": {
                        "label": "Scope",
                        "description": "Scope that is asked for with oauth2. Default: none.",
                        "schema": {"type": ["string", "null"], "section": "Authentication"},
                    },
                    "max_attempts": {
                        "label": "Attempts",
                        "description": "Requests in all, the first one included. Default: 5.",
                        "schema": {"type": ["integer", "null"], "minimum": 1, "section": "Backoff"},
                    },
                    "initial_delay": {
                        "label": "Initial delay",
                        "description": "Ceiling of the wait after the first failure, in seconds. Default: 1.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Backoff"},
                    },
                    "backoff_factor": {
                        "label": "Backoff factor",
                        "description": "Growth of that ceiling with each further failure. Default: 2.",
                        "schema": {"type": ["number", "null"], "minimum": 1, "section": "Backoff"},
                    },
                    "max_delay": {
                        "label": "Longest delay",
                        "description": "Longest wait between two attempts, in seconds, unless the backend"
                        " asks for more. Default: 60.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Backoff"},
                    },
                    "max_elapsed": {
                        "label": "Longest time",
                        "description": "Time from the first attempt to the end of the last one, in seconds."
                        " Default: 300.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Backoff"},
                    },
                    "retry_statuses": {
                        "label": "Retried statuses",
                        "description": "HTTP statuses that are worth another attempt, one per line."
                        " Default: 408, 425, 429, 500, 502, 503, 504.",
                        "schema": {
                            "type": ["array", "null"],
                            "items": {"type": "string"},
                            "section": "Backoff",
                        },
                    },
                    "timeout": {
                        "label": "Timeout",
                        "description": "Longest time that one attempt may take, in seconds. Default: 30.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Limits"},
                    },
                    "max_concurrency": {
                        "label": "Concurrency",
                        "description": "Requests in flight at the same time, in one process. Default: 100.",
                        "schema": {"type": ["integer", "null"], "minimum": 1, "section": "Limits"},
                    },
                    "rate_limit": {
                        "label": "Rate limit",
                        "description": "Requests per second that are never exceeded, in one process."
                        " Without it the backend's refusals tell the limit. Default: none.",
                        "schema": {"type": ["number", "null"], "minimum": 0, "section": "Limits"},
                    },
                    "max_response_bytes": {
                        "label": "Largest answer",
                        "description": "Largest answer that is read, in bytes, after decompression."
                        " Default: 16777216.",
                        "schema": {"type": ["integer", "null"], "minimum": 1, "section": "Limits"},
                    },
                    "idempotency_header": {
                        "label": "Idempotency header",
                        "description": "Header for idempotency keys, as Idempotency-Key, if the backend"
                        " promises to remove duplicates: creates are then repeated safely. Default: none.",
                        "schema": {"type": ["string", "null"], "section": "Writes"},
                    },
                    "verify": {
                        "label": "Verify certificate",
                        "description": "true, false, or the path of a CA file or folder. Default: true.",
                        "schema": {"type": ["string", "null"], "section": "TLS and network"},
                    },
                    "client_cert": {
                        "label": "Client certificate",
                        "description": "Path of the client's certificate, in PEM format. Default: none.",
                        "schema": {"type": ["string", "null"], "section": "TLS and network"},
                    },
                    "client_key": {
                        "label": "Client key",
                        "description": "Path of the client's private key, if it is not in the same file."
                        " Default: none.",
                        "schema": {"type": ["string", "null"], "section": "TLS and network"},
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
                        "description": "URL of a proxy, as http://proxy.example.com:3128. Default: none.",
                        "schema": {
                            "type": ["string", "null"],
                            "format": "password",
                            "section": "TLS and network",
                        },
                    },
                    "headers": {
                        "label": "Headers",
                        "description": "Headers for every request, as a JSON object; no credentials."
                        " Default: none.",
                        "schema": {"type": ["object", "null"], "section": "TLS and network"},
                    },
                },
            }
        ],
    }
