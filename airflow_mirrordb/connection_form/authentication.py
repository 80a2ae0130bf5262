"""The fields of the connection's form that say how it proves who it is."""

from typing import Any

from airflow_mirrordb.connection_form.field import field


def authentication() -> dict[str, Any]:
    """Return the fields by the names of their settings."""
    return {**_kind(), **_key(), **_elsewhere()}


def _kind() -> dict[str, Any]:
    return {
        "auth_type": field(
            "Authentication type",
            "How the key is sent. Default: basic with a login, bearer with only a key, else none.",
            enum=["none", "bearer", "api_key", "basic", "oauth2", "login", None],
            values_display={
                "none": "none: no key is sent",
                "bearer": "bearer: Authorization: Bearer KEY",
                "api_key": "api_key: the key in a header of its own",
                "basic": "basic: Login and password",
                "oauth2": "oauth2: an access token of an authorization server",
                "login": "login: Login and password, for a token of a login endpoint",
                "null": "default: basic with a login, bearer with only a key, else none",
            },
        ),
    }


def _elsewhere() -> dict[str, Any]:
    return {
        "auth_conn_id": field(
            "Connection with the credentials",
            "Id of another connection, of any type, whose Login and Password are used in the place of this"
            " one's. Default: none.",
        ),
    }


def _key() -> dict[str, Any]:
    return {
        "key_in": field(
            "Place of the key",
            "Where the key goes with api_key, or the token with login. In the query it is in no log, link or"
            " stored request. Default: header.",
            enum=["header", "query", "cookie", None],
            values_display={
                "header": "header: a header of its own",
                "query": "query: a parameter of the URL",
                "cookie": "cookie",
                "null": "default: header",
            },
        ),
        "key_name": field(
            "Name of the key",
            "Name of the header, query parameter or cookie that has the key, or the token of login."
            " Default: the header X-API-Key; for login Authorization.",
        ),
        "key_prefix": field(
            "Prefix of the key",
            "Text before the key, or the token of login, as Token; a blank is put behind a letter or digit."
            " Default: none; Bearer where login has no Name of the key.",
        ),
        "secret_headers": field(
            "Secret headers",
            "Further headers that are secrets, for every request, as a JSON object:"
            ' {"DD-APPLICATION-KEY": "..."}. Default: none.',
            format="password",
        ),
        "auth_statuses": field(
            "Statuses of a key that is no longer good",
            "HTTP statuses by which the backend says so, split by commas: the key is looked up again, and"
            " the request sent once more. Default: 401.",
        ),
    }
