"""How authorization servers want signed assertions, each as its documentation says."""

from __future__ import annotations

from typing import Any, Final

from tests.zoo.auth.authorizing import (
    ASSERTION_TYPE,
    JWT_BEARER,
    Asserted,
    AuthorizationServer,
    with_fields,
)
from tests.zoo.auth.oauth_ways import BEARER, CLIENT, USER, OAuthWay, Settings
from tests.zoo.auth.signing import EMAIL, KEY_ID, SigningKeys

THUMBPRINT: Final = "A1bC2dE3fH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3aB4cD"


def _wrong_file(keys: SigningKeys) -> Settings:
    return {"private_key_file": keys.other}


def _of_client(request: Any) -> Settings:
    """The claims of a client's assertion: RFC 7523, section 3, and for the audience the token endpoint."""
    return {"iss": CLIENT, "sub": CLIENT, "aud": request.url}


KEYCLOAK = OAuthWay(
    name="Keycloak, signed JWT",
    source="https://www.keycloak.org/docs/latest/server_admin/#_client-credentials, Signed JWT; a jti once; "
    "RFC 7523, section 2.2",
    server=lambda keys: AuthorizationServer(
        rules=[
            with_fields("invalid_request", "?", client_assertion_type=ASSERTION_TYPE),
            Asserted(
                name="client_assertion",
                key=keys.rsa_public,
                algorithm="RS256",
                headers={"kid": KEY_ID},
                claims=_of_client,
                needed=("iss", "sub", "aud", "exp", "jti"),
                error=("invalid_client", 401),
                words="Client authentication with signed JWT failed",
            ),
            with_fields("unauthorized_client", "?", grant_type="client_credentials"),
        ],
        parameters={
            "grant_type": True,
            "client_assertion_type": True,
            "client_assertion": True,
            "client_id": False,
        },
        token=BEARER,
        lifetime=300,
    ),
    settings=lambda _url, keys: {
        "login": CLIENT,
        "token_endpoint_auth_method": "private_key_jwt",
        "private_key_file": keys.rsa,
        "jwt_headers": {"kid": KEY_ID},
    },
    wrong=_wrong_file,
    words="Client authentication with signed JWT failed (InvalidSignatureError)",
)
ENTRA = OAuthWay(
    name="Microsoft Entra, certificate",
    source="https://learn.microsoft.com/entra/identity-platform/certificate-credentials and "
    ".../v2-oauth2-client-creds-grant-flow, second case: with a certificate",
    server=lambda keys: AuthorizationServer(
        rules=[
            Asserted(
                name="client_assertion",
                key=keys.rsa_public,
                algorithm="PS256",
                headers={"typ": "JWT", "x5t#S256": THUMBPRINT},
                claims=_of_client,
                needed=("iss", "sub", "aud", "exp", "iat", "nbf", "jti"),
                error=("invalid_client", 401),
                words="AADSTS700027: the signature was not validated",
            ),
            with_fields(
                *("invalid_request", "AADSTS90014"),
                client_id=CLIENT,
                scope="https://graph.microsoft.com/.default",
                client_assertion_type=ASSERTION_TYPE,
                grant_type="client_credentials",
            ),
        ],
        parameters=dict.fromkeys(
            ("client_id", "scope", "client_assertion_type", "client_assertion", "grant_type"), True
        ),
        token={**BEARER, "ext_expires_in": 3599},
        lifetime=3599,
    ),
    settings=lambda _url, keys: {
        "login": CLIENT,
        "token_endpoint_auth_method": "private_key_jwt",
        "private_key_file": keys.rsa,
        "jwt_headers": {"alg": "PS256", "x5t#S256": THUMBPRINT},
        "scope": "https://graph.microsoft.com/.default",
    },
    wrong=_wrong_file,
    words="AADSTS700027: the signature was not validated",
)
OKTA = OAuthWay(
    name="Okta, private key, elliptic curve",
    source="https://developer.okta.com/docs/reference/api/oidc/#jwt-with-private-key: exp at most an hour",
    server=lambda keys: AuthorizationServer(
        rules=[
            Asserted(
                name="client_assertion",
                key=keys.elliptic_public,
                algorithm="ES256",
                headers={"kid": KEY_ID},
                claims=_of_client,
                longest=3600,
                error=("invalid_client", 401),
                words="The client_assertion token has an invalid signature.",
            ),
            with_fields("invalid_scope", "?", scope="okta.users.read", client_assertion_type=ASSERTION_TYPE),
        ],
        parameters={
            **dict.fromkeys(("grant_type", "scope", "client_assertion_type", "client_assertion"), True),
            "client_id": False,
        },
        token=BEARER,
    ),
    settings=lambda _url, keys: {
        "login": CLIENT,
        "token_endpoint_auth_method": "private_key_jwt",
        "private_key_file": keys.elliptic,
        "jwt_headers": {"alg": "ES256", "kid": KEY_ID},
        "scope": "okta.users.read",
    },
    wrong=lambda _keys: {"jwt_headers": {"alg": "ES256", "kid": "an0ther"}},
    words="The client_assertion token has an invalid signature",
)
SALESFORCE_JWT = OAuthWay(
    name="Salesforce, JWT bearer",
    source="https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm: iss is the "
    "consumer key, sub the user, aud the login server; minutes until exp; no client authentication",
    server=lambda keys: AuthorizationServer(
        rules=[
            with_fields("unsupported_grant_type", "grant type not supported", grant_type=JWT_BEARER),
            Asserted(
                name="assertion",
                key=keys.rsa_public,
                algorithm="RS256",
                claims=lambda _request: {"iss": CLIENT, "sub": USER, "aud": "https://login.salesforce.com"},
                longest=300,
                error=("invalid_grant", 400),
                words="invalid assertion",
            ),
        ],
        parameters={"grant_type": True, "assertion": True},
        token={**BEARER, "scope": "api", "instance_url": "https://my.salesforce.com", "id": "https://x/id"},
        lifetime=None,
        refusal=(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]),
    ),
    settings=lambda _url, keys: {
        "grant_type": "jwt_bearer",
        "private_key_file": keys.rsa,
        "jwt_claims": {"iss": CLIENT, "sub": USER, "aud": "https://login.salesforce.com"},
    },
    wrong=_wrong_file,
    words="invalid assertion",
)
GOOGLE = OAuthWay(
    name="Google, service account",
    source="https://developers.google.com/identity/protocols/oauth2/service-account#httprest: scope in the "
    "claims, kid of the key file in the header, exp at most an hour after iat",
    server=lambda keys: AuthorizationServer(
        rules=[
            with_fields("unsupported_grant_type", "Invalid grant_type", grant_type=JWT_BEARER),
            Asserted(
                name="assertion",
                key=keys.rsa_public,
                algorithm="RS256",
                headers={"kid": KEY_ID, "typ": "JWT"},
                claims=lambda request: {"iss": EMAIL, "aud": request.url, "scope": "sheets drive"},
                needed=("iss", "aud", "exp", "iat"),
                longest=3600,
                error=("invalid_grant", 400),
                words="Invalid JWT Signature.",
            ),
        ],
        parameters={"grant_type": True, "assertion": True},
        token=BEARER,
        lifetime=3599,
    ),
    settings=lambda url, keys: {
        "grant_type": "jwt_bearer",
        "private_key_file": keys.account(url),
        "jwt_claims": {"scope": "sheets drive"},
    },
    wrong=lambda _keys: {"jwt_claims": {"scope": "sheets drive", "iss": "nobody@example.com"}},
    words="Invalid JWT Signature",
)
WAYS: Final = [KEYCLOAK, ENTRA, OKTA, SALESFORCE_JWT, GOOGLE]
