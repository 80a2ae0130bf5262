"""How authorization servers want to be asked for a token, each as its documentation says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.zoo.auth.authorizing import (
    AuthorizationServer,
    with_basic,
    with_fields,
    with_post,
)
from tests.zoo.auth.signing import SigningKeys

CLIENT: Final = "0oa:cl1ent id&"
SECRET: Final = "cl1ent-s3cr3t+0f=the/c4nary%41"
USER: Final = "etl@example.com"
PASSWORD: Final = "p4ssw0rd&0f=the+c4nary"
AUDIENCE: Final = "https://api.example/v2/"
BEARER: Final = {"token_type": "Bearer"}

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthWay:
    """A way to ask for a token.

    :param source: the page that says so
    :param server: makes the server
    :param settings: what a user sets, for a token endpoint: Login, Password and extras
    :param wrong: what of it is wrong, where it is
    :param words: what the server says then
    """

    name: str
    source: str
    server: Callable[[SigningKeys], AuthorizationServer]
    settings: Callable[[str, SigningKeys], Settings]
    wrong: Callable[[SigningKeys], Settings]
    words: str

    def client(self, origin: str, keys: SigningKeys) -> dict[str, Any]:
        """Return the settings of a client."""
        url = f"{origin}/token"
        return {"base_url": origin, "auth_type": "oauth2", "oauth_url": url, **self.settings(url, keys)}


def _wrong_secret(_keys: SigningKeys) -> Settings:
    return {"api_key": f"wrong-{SECRET}"}


STANDARD = OAuthWay(
    name="RFC 6749, client credentials by Basic",
    source="RFC 6749, sections 2.3.1 (id and secret form-encoded) and 4.4",
    server=lambda _keys: AuthorizationServer(
        rules=[
            with_basic(CLIENT, SECRET),
            with_fields("invalid_scope", "?", grant_type="client_credentials", scope="read write"),
        ],
        parameters={"grant_type": True, "scope": False},
        token={**BEARER, "scope": "read write"},
    ),
    settings=lambda _url, _keys: {"login": CLIENT, "api_key": SECRET, "scope": "read write"},
    wrong=_wrong_secret,
    words="Client authentication failed",
)
RESOURCE = OAuthWay(
    name="RFC 8707, resource",
    source="RFC 8707, section 2.2; OAuth 2.0 client credentials by Basic",
    server=lambda _keys: AuthorizationServer(
        rules=[
            with_basic(CLIENT, SECRET),
            with_fields("invalid_target", "unknown resource", resource=AUDIENCE),
        ],
        parameters={"grant_type": True, "resource": True},
        token=BEARER,
    ),
    settings=lambda _url, _keys: {
        "login": CLIENT,
        "api_key": SECRET,
        "token_endpoint_auth_method": "client_secret_basic",
        "token_params": {"resource": AUDIENCE},
    },
    wrong=lambda _keys: {"token_params": {"resource": "https://elsewhere.example/"}},
    words="unknown resource",
)
AUTH0 = OAuthWay(
    name="Auth0, audience",
    source="https://auth0.com/docs/api/authentication, client credentials flow: id and secret in the body",
    server=lambda _keys: AuthorizationServer(
        rules=[
            with_post(CLIENT, SECRET, "Unauthorized"),
            with_fields("invalid_request", "?", grant_type="client_credentials"),
            with_fields("access_denied", "Service not enabled within domain", 403, audience=AUDIENCE),
        ],
        parameters=dict.fromkeys(("grant_type", "client_id", "client_secret", "audience"), True),
        token=BEARER,
        lifetime=86400,
    ),
    settings=lambda _url, _keys: {
        "login": CLIENT,
        "api_key": SECRET,
        "token_endpoint_auth_method": "client_secret_post",
        "token_params": {"audience": AUDIENCE},
    },
    wrong=_wrong_secret,
    words="Unauthorized",
)
SALESFORCE_PASSWORD = OAuthWay(
    name="Salesforce, password",
    source="https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/"
    "intro_understanding_username_password_oauth_flow.htm: all in the body, no token_type, no lifetime",
    server=lambda _keys: AuthorizationServer(
        rules=[
            with_fields("unsupported_grant_type", "grant type not supported", grant_type="password"),
            with_post(CLIENT, SECRET, "invalid client credentials"),
            with_fields("invalid_grant", "authentication failure", username=USER, password=PASSWORD),
        ],
        parameters=dict.fromkeys(("grant_type", "client_id", "client_secret", "username", "password"), True),
        token={"instance_url": "https://my.salesforce.com", "issued_at": "1278448832702", "signature": "0Cm"},
        lifetime=None,
        refusal=(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]),
    ),
    settings=lambda _url, _keys: {
        "grant_type": "password",
        "token_endpoint_auth_method": "client_secret_post",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "login": USER,
        "api_key": PASSWORD,
    },
    wrong=lambda _keys: {"api_key": f"wrong-{PASSWORD}"},
    words="authentication failure",
)
KEYCLOAK_PASSWORD = OAuthWay(
    name="Keycloak, password, public client",
    source="https://www.keycloak.org/docs/latest/server_admin/, direct access grants; RFC 6749, section 4.3; "
    "a public client has no secret and names itself in the body (RFC 6749, section 3.2.1)",
    server=lambda _keys: AuthorizationServer(
        rules=[
            with_post("cli", None),
            with_fields("invalid_grant", "Invalid user credentials", 401, username=USER, password=PASSWORD),
        ],
        parameters={
            **dict.fromkeys(("grant_type", "client_id", "username", "password"), True),
            "scope": False,
        },
        token={**BEARER, "refresh_expires_in": 1800, "refresh_token": "r3fresh-0f-the-c4nary"},
        lifetime=300,
    ),
    settings=lambda _url, _keys: {
        "grant_type": "password",
        "token_endpoint_auth_method": "none",
        "client_id": "cli",
        "login": USER,
        "api_key": PASSWORD,
    },
    wrong=lambda _keys: {"api_key": f"wrong-{PASSWORD}"},
    words="Invalid user credentials",
)
STANDARD_PASSWORD = OAuthWay(
    name="RFC 6749, password, client by Basic",
    source="RFC 6749, section 4.3.2",
    server=lambda _keys: AuthorizationServer(
        rules=[
            with_basic(CLIENT, SECRET),
            with_fields(
                "invalid_grant", "wrong owner", grant_type="password", username=USER, password=PASSWORD
            ),
        ],
        parameters={"grant_type": True, "username": True, "password": True, "scope": False},
        token=BEARER,
    ),
    settings=lambda _url, _keys: {
        "grant_type": "password",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "login": USER,
        "api_key": PASSWORD,
    },
    wrong=lambda _keys: {"client_secret": f"wrong-{SECRET}"},
    words="Client authentication failed",
)
WAYS: Final = [STANDARD, RESOURCE, AUTH0, SALESFORCE_PASSWORD, KEYCLOAK_PASSWORD, STANDARD_PASSWORD]
