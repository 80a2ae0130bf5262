"""The fields of the connection's form that say where an access token comes from."""

from typing import Any

from airflow_mirrordb.connection_form.field import field


def oauth() -> dict[str, Any]:
    """Return the fields by the names of their settings."""
    return {**_server(), **_client(), **_assertions()}


def _server() -> dict[str, Any]:
    return {
        "oauth_url": field(
            "Token URL",
            "URL of the authorization server's token endpoint, as https://login.example.com/oauth/token;"
            " only for oauth2, as all of this section. It takes Login as client id, with its secret."
            " Default: none.",
        ),
        "scope": field(
            "Scope",
            "Scope that is asked for, as users.read, several with spaces between them. Default: none.",
        ),
        "grant_type": field(
            "Grant",
            "What entitles to a token. Default: client_credentials.",
            enum=["client_credentials", "refresh_token", "password", "jwt_bearer", None],
            values_display={
                "client_credentials": "client_credentials: the client itself",
                "refresh_token": "refresh_token: a token in an Airflow Variable",
                "password": "password: a user, by Login and password",
                "jwt_bearer": "jwt_bearer: a signed assertion, as of a service account",
                "null": "default: client_credentials",
            },
        ),
        "refresh_token_variable": field(
            "Variable of the refresh token",
            "Name of the Airflow Variable that has the refresh token, to which each new one is written; only"
            " for the grant refresh_token. Default: none.",
        ),
        "token_params": field(
            "Further parameters",
            "Further parameters of the request for a token, no secrets, as a JSON object:"
            ' {"audience": "https://api.example.com"}. Default: none.',
            "object",
        ),
    }


def _client() -> dict[str, Any]:
    return {
        "token_endpoint_auth_method": field(
            "Authentication of the client",
            "How the client proves itself there; none if a password of a user is enough. Default:"
            " client_secret_basic, or none.",
            enum=["client_secret_basic", "client_secret_post", "private_key_jwt", "none", None],
            values_display={
                "client_secret_basic": "client_secret_basic: id and secret in a header",
                "client_secret_post": "client_secret_post: id and secret in the body",
                "private_key_jwt": "private_key_jwt: a signed assertion",
                "none": "none: only its id, if there is one",
                "null": "default: client_secret_basic, or none",
            },
        ),
        "client_id": field(
            "Client id",
            "Id of the client, where Login is a user's. Default: Login.",
        ),
        "client_secret": field(
            "Client secret",
            "Secret of the client, where the password is a user's. Default: the password.",
            format="password",
        ),
    }


def _assertions() -> dict[str, Any]:
    return {
        "private_key_file": field(
            "File of the private key",
            "Path of the private key that signs, in PEM format, or of a Google service account's JSON; for"
            " private_key_jwt and jwt_bearer, as the next two. Default: none.",
        ),
        "jwt_claims": field(
            "Claims",
            'What is signed beside what always is, as a JSON object: {"sub": "etl@example.com"}; null leaves'
            " one out. Default: none.",
            "object",
        ),
        "jwt_headers": field(
            "Header of the assertion",
            'What its header says, as a JSON object: {"kid": "key-7"}; alg fits the key by itself. Default:'
            " none.",
            "object",
        ),
    }
