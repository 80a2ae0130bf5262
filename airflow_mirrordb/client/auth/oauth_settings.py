"""The settings of OAuth 2.0: who a client is to the authorization server, and what it asks that for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from airflow_mirrordb.client.messages.headers import CONTROL
from airflow_mirrordb.client.setting_types import TokenParameters, TokenUrl, check_sent_text

GrantType = Literal["client_credentials", "refresh_token", "password"]
ClientMethod = Literal["client_secret_basic", "client_secret_post", "none"]

#: Methods by which a client proves itself with a secret (RFC 7591, section 2).
_WITH_SECRET = ("client_secret_basic", "client_secret_post")
#: Grants that are a client's, who is named therefore (RFC 6749, sections 4.4 and 6).
_WITH_CLIENT = ("client_credentials", "refresh_token")
#: What the client sends by itself, and the settings that say it.
_SET_BY = {
    "assertion": "private_key_file",
    "client_assertion": "private_key_file",
    "client_assertion_type": "token_endpoint_auth_method",
    "client_id": "login, or client_id",
    "client_secret": "api_key, or client_secret",
    "grant_type": "grant_type",
    "password": "api_key, with grant_type 'password'",
    "refresh_token": "refresh_token_variable",
    "scope": "scope",
    "username": "login, with grant_type 'password'",
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
    scope: str | None = None
    """Scope that is asked for with ``oauth2``; several are separated by spaces."""
    grant_type: GrantType = "client_credentials"
    """What entitles to a token (RFC 6749, sections 4.3, 4.4 and 6)."""
    token_endpoint_auth_method: ClientMethod | None = None
    """How the client proves itself to the authorization server (RFC 7591, section 2).

    By default ``client_secret_basic``, or ``none`` where a grant needs no client and none is named.
    """
    client_id: str | None = None
    """Id of the client, where ``login`` is somebody else's; by default that is it."""
    client_secret: SecretStr | None = None
    """Secret of the client, where ``api_key`` is somebody else's; by default that is it."""
    token_params: TokenParameters = Field(default_factory=dict)
    """Further parameters of the request for a token, as ``audience``; a list is sent once for each value."""
    refresh_token_variable: str | None = None
    """Name of the Airflow Variable that has the refresh token; each new one is written there."""

    @field_validator("client_secret")
    @classmethod
    def _check_client_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_sent_text(value.get_secret_value())
        return value

    @field_validator("scope", "client_id", "refresh_token_variable")
    @classmethod
    def _check_oauth_text(cls, value: str | None) -> str | None:
        if value is not None and CONTROL.search(value):
            raise ValueError("it holds a line break or another control character")
        return value

    @field_validator("token_params")
    @classmethod
    def _check_parameters(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for name in value:
            if name.lower() in _SET_BY:
                raise ValueError(f"{name!r} is sent by the client itself; {_SET_BY[name.lower()]} says it")
            if _SECRET.search(name):
                raise ValueError(
                    f"{name!r} is called a secret, and these parameters are shown; a secret of the client's"
                    " belongs in api_key, or client_secret"
                )
        return value


OAUTH_SETTINGS = tuple(OAuthSettings.model_fields)


class OAuthClient(OAuthSettings):
    """Who the client is, and whether its settings say one thing."""

    login: str | None = None
    """User for ``basic`` authentication and ``login``, client id for ``oauth2``."""
    api_key: SecretStr | None = None
    """API key, bearer token, password or client secret."""

    @property
    def oauth_client_id(self) -> str | None:
        """The id of the client; None if it has none."""
        return self.client_id if self.grant_type == "password" else self.client_id or self.login

    @property
    def oauth_client_secret(self) -> SecretStr | None:
        """The secret of the client; None if it has none."""
        return self.client_secret if self.grant_type == "password" else self.client_secret or self.api_key

    @property
    def client_method(self) -> ClientMethod:
        """How the client proves itself, with the default resolved."""
        if self.token_endpoint_auth_method is not None:
            return self.token_endpoint_auth_method
        if self.grant_type == "password" and not self.client_secret:
            return "none"
        return "client_secret_basic"

    def missing_of_oauth(self) -> Iterator[tuple[str, str]]:
        """Yield the names of settings that are missing, each with what needs it."""
        if not self.oauth_url:
            yield "oauth_url", "auth_type 'oauth2'"
        names = ("login", "api_key")
        if self.grant_type == "password":
            yield from ((name, "grant_type 'password'") for name in names if not getattr(self, name))
            names = ("client_id", "client_secret")
        if self.grant_type == "refresh_token" and not self.refresh_token_variable:
            yield "refresh_token_variable", "grant_type 'refresh_token'"
        method = self.client_method
        needs = (
            f"token_endpoint_auth_method {method!r}"
            if self.token_endpoint_auth_method
            else "auth_type 'oauth2'"
        )
        if not self.oauth_client_id and (method != "none" or self.grant_type in _WITH_CLIENT):
            yield names[0], needs
        if method in _WITH_SECRET and not self.oauth_client_secret:
            yield names[1], needs

    def idle_of_oauth(self) -> Iterator[tuple[str, str]]:
        """Yield the names of settings that would have no effect, each with the reason."""
        is_user = self.grant_type == "password"
        if self.refresh_token_variable and self.grant_type != "refresh_token":
            yield "refresh_token_variable", f"it has no effect with grant_type {self.grant_type!r}"
        if not is_user and self.client_id and self.login:
            yield "login", "client_id says who the client is as well; leave one of the two"
        if self.client_method not in _WITH_SECRET:
            idle = f"it has no effect: token_endpoint_auth_method {self.client_method!r} sends no secret"
            yield from ((name, idle) for name in self._secrets_of_client())
        elif not is_user and self.client_secret and self.api_key:
            yield "api_key", "client_secret is the secret of the client as well; leave one of the two"

    def _secrets_of_client(self) -> Iterator[str]:
        if self.client_secret:
            yield "client_secret"
        if self.api_key and self.grant_type != "password":
            yield "api_key"
