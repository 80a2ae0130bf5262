"""The settings of OAuth 2.0: who a client is to the authorization server, and what it asks that for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from airflow_mirrordb.client.setting_types import JSONObject, Line, Secret, TokenParameters, TokenUrl

GrantType = Literal["client_credentials", "refresh_token", "password", "jwt_bearer"]
ClientMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]

#: Methods by which a client proves itself with a secret (RFC 7591, section 2).
_WITH_SECRET = ("client_secret_basic", "client_secret_post")
#: Grants that are a client's, who is named therefore (RFC 6749, sections 4.4 and 6).
_WITH_CLIENT = ("client_credentials", "refresh_token")
#: What a private key signs by (RFC 7518, section 3.1; RFC 8037, section 3.1).
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
#: Claims of one assertion alone.
_MADE_ANEW = frozenset({"exp", "iat", "nbf", "jti"})
#: What the client sends by itself, and the settings that say it.
_SET_BY = {
    "assertion": "private_key_file",
    "client_assertion": "private_key_file",
    "client_assertion_type": "token_endpoint_auth_method",
    "client_id": "Login, or client_id",
    "client_secret": "the password, or client_secret",
    "grant_type": "grant_type",
    "password": "the password, with grant_type 'password'",
    "refresh_token": "refresh_token_variable",
    "scope": "scope",
    "username": "Login, with grant_type 'password'",
}
#: In the names of parameters that are secrets, but for those that only say which kind of token is wanted.
_SECRET = re.compile(
    r"secret|passw|passphrase|pwd|token$|credential|assertion$|signature|(?:api|private|access).?key|^key$"
    r"|^(?:code|otp|pin)$|code_verifier",
    re.IGNORECASE,
)


class OAuthSettings(BaseModel):
    """What only ``auth_type`` ``oauth2`` uses."""

    oauth_url: TokenUrl | None = None
    """URL of the authorization server's token endpoint, for ``oauth2``."""
    scope: Line | None = None
    """Scope that is asked for with ``oauth2``; several are separated by spaces."""
    grant_type: GrantType = "client_credentials"
    """What entitles to a token (RFC 6749, sections 4.3, 4.4 and 6; RFC 7523, section 2.1)."""
    token_endpoint_auth_method: ClientMethod | None = None
    """How the client proves itself to the authorization server (RFC 7591, section 2).

    By default ``client_secret_basic``, or ``none`` where a grant needs no client and none is named.
    """
    client_id: Line | None = None
    """Id of the client, where ``login`` is somebody else's; by default that is it."""
    client_secret: Secret | None = None
    """Secret of the client, where ``api_key`` is somebody else's; by default that is it."""
    token_params: TokenParameters = Field(default_factory=dict)
    """Further parameters of the request for a token, as ``audience``; a list is sent once for each value."""
    refresh_token_variable: Line | None = None
    """Name of the Airflow Variable that has the refresh token; each new one is written there."""
    private_key_file: Line | None = None
    """Path of the private key that signs: in PEM format, or of a Google service account, in JSON."""
    jwt_claims: JSONObject = Field(default_factory=dict)
    """What is signed beside what always is, as ``sub``; null leaves one out (RFC 7523, section 3)."""
    jwt_headers: JSONObject = Field(default_factory=dict)
    """Header of what is signed, as ``kid`` and ``alg``; that is by default what fits the key (RFC 7515)."""

    @field_validator("token_params")
    @classmethod
    def _check_parameters(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for name in value:
            if name.lower() in _SET_BY:
                raise ValueError(f"{name!r} is sent by the client itself; {_SET_BY[name.lower()]} says it")
            if _SECRET.search(name):
                raise ValueError(
                    f"{name!r} is called a secret, and these parameters are shown; a secret of the client's"
                    " belongs in the password, or client_secret"
                )
        return value

    @field_validator("jwt_claims")
    @classmethod
    def _check_claims(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in _MADE_ANEW & value.keys():
            if value[name] is not None:
                raise ValueError(f"{name!r} is made anew for each request; null leaves it out")
            if name == "exp":
                raise ValueError("'exp' cannot be left out (RFC 7523, section 3)")
        return value

    @field_validator("jwt_headers")
    @classmethod
    def _check_header(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if "alg" in value and value["alg"] not in ALGORITHMS:
            raise ValueError(f"'alg' must be one of {', '.join(ALGORITHMS)}: a private key signs")
        return value


OAUTH_SETTINGS = tuple(OAuthSettings.model_fields)
#: Those that are rotated together.
OAUTH_CREDENTIALS = frozenset({"client_id", "client_secret", "private_key_file", "jwt_headers"})


class OAuthClient(OAuthSettings):
    """Who the client is, and whether its settings say one thing."""

    login: Line | None = None
    """User for ``basic`` authentication and ``login``, client id for ``oauth2``."""
    api_key: Secret | None = None
    """API key, bearer token, password or client secret."""

    @property
    def oauth_client_id(self) -> str | None:
        """The id of the client; None if it has none."""
        return self.client_id or (self.login if self._is_client else None)

    @property
    def oauth_client_secret(self) -> SecretStr | None:
        """The secret of the client; None if it has none."""
        return self.client_secret or (self.api_key if self._is_client else None)

    @property
    def _is_client(self) -> bool:
        """Whether Login and Password are the client's; an assertion needs none (RFC 7523, section 3.1)."""
        if self.grant_type == "jwt_bearer":
            return bool(self.client_id or self.token_endpoint_auth_method)
        return self.grant_type != "password"

    @property
    def client_method(self) -> ClientMethod:
        """How the client proves itself, with the default resolved."""
        if self.token_endpoint_auth_method is not None:
            return self.token_endpoint_auth_method
        needs_client = self.grant_type in _WITH_CLIENT
        has_secret = self.client_secret or (self.grant_type == "jwt_bearer" and self.oauth_client_secret)
        return "client_secret_basic" if needs_client or has_secret else "none"

    @property
    def signs(self) -> bool:
        """Whether a request for a token by ``oauth2`` needs a signature."""
        return self.grant_type == "jwt_bearer" or self.client_method == "private_key_jwt"

    def missing_of_oauth(self) -> Iterator[tuple[str, str]]:
        """Yield the names of settings that are missing, each with what needs it."""
        method, grant = self.client_method, f"grant_type {self.grant_type!r}"
        chosen = self.token_endpoint_auth_method
        needs = f"token_endpoint_auth_method {method!r}" if chosen else "auth_type 'oauth2'"
        names = ("login", "api_key")
        if not self.oauth_url:
            yield "oauth_url", "auth_type 'oauth2'"
        if self.grant_type == "password":
            yield from ((name, grant) for name in names if not getattr(self, name))
        if self.grant_type == "refresh_token" and not self.refresh_token_variable:
            yield "refresh_token_variable", grant
        if self.signs and not self.private_key_file:
            yield "private_key_file", needs if method == "private_key_jwt" else grant
        if not self._is_client:
            names = ("client_id", "client_secret")
        if not self.oauth_client_id and (method != "none" or self.grant_type in _WITH_CLIENT):
            yield names[0], needs
        if method in _WITH_SECRET and not self.oauth_client_secret:
            yield names[1], needs

    def idle_of_oauth(self) -> Iterator[tuple[str, str]]:
        """Yield the names of settings that would have no effect, each with the reason."""
        method, grant = self.client_method, self.grant_type
        if self.refresh_token_variable and grant != "refresh_token":
            yield "refresh_token_variable", f"it has no effect with grant_type {grant!r}"
        if not self.signs:
            signing = ("private_key_file", "jwt_claims", "jwt_headers")
            signs = "token_endpoint_auth_method 'private_key_jwt' and grant_type 'jwt_bearer' do"
            yield from ((name, f"nothing is signed: {signs}") for name in signing if getattr(self, name))
        if grant != "password" and self.client_id and self.login:
            yield "login", "client_id says who the client is as well; leave one of the two"
        elif grant == "jwt_bearer" and self.login and not self._is_client and self.jwt_claims.get("iss"):
            yield "login", "jwt_claims says who signs as well, as iss; leave one of the two"
        if self.client_secret and method not in _WITH_SECRET:
            yield "client_secret", f"it has no effect: token_endpoint_auth_method {method!r} sends no secret"
        if not self.api_key or grant == "password":
            return
        if self.client_secret:
            yield "api_key", "client_secret is the secret of the client as well; leave one of the two"
        elif method not in _WITH_SECRET:
            yield "api_key", f"it has no effect: token_endpoint_auth_method {method!r} sends no secret"
