"""The fields of the connection's form that say how a login endpoint gives a token."""

from typing import Any

from airflow_mirrordb.connection_form.field import field


def login() -> dict[str, Any]:
    """Return the fields by the names of their settings."""
    return {
        "login_url": field(
            "Login URL",
            "Where Login and password are POSTed to for a token: a URL, or a path relative to that in Host,"
            " as api/auth/login; only for login. Default: none.",
        ),
        "login_body": field(
            "Login body",
            "What is POSTed there, as a JSON object with {login} and {password} in it; only for login."
            ' Default: {"username": "{login}", "password": "{password}"}.',
            "object",
        ),
        "login_content_type": field(
            "Login content type",
            "How that is sent; only for login. Default: application/json.",
            enum=["application/json", "application/x-www-form-urlencoded", None],
            values_display={
                "application/json": "application/json",
                "application/x-www-form-urlencoded": "application/x-www-form-urlencoded: a form",
                "null": "default: application/json",
            },
        ),
        "token_path": field(
            "Token path",
            "Path at which the answer has the token, as data.access_token; only for login."
            " Default: access_token.",
        ),
        "token_cookie": field(
            "Token cookie",
            "Name of the cookie that is the token, where the answer sets one; it is sent as that cookie; only"
            " for login. Default: none.",
        ),
        "token_expires": field(
            "Token expires",
            "Seconds that the token lives, or the path at which the answer says them, a unix time or a date,"
            " as expires_in; only for login. Default: the end that a JWT or cookie says, if it does.",
        ),
    }
