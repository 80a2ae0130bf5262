"""What the request for a token says: what entitles to one, and who asks. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_mirrordb.client.auth.oauth.assertions import Assertions
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.setting_types import plain_text

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What a request for a token shows that no setting holds."""

    refresh_token: str = field(default="", repr=False)
    assertions: Assertions = field(default_factory=Assertions)


def token_form(config: MirrorDBConfig, proofs: Proofs) -> list[tuple[str, str]]:
    """Return the parameters of a request for a token, in pairs: one may be there several times (RFC 8707)."""
    return [*_grant(config, proofs), *_client(config, proofs), *_further(config, proofs)]


def _grant(config: MirrorDBConfig, proofs: Proofs) -> Iterator[tuple[str, str]]:
    """Yield what entitles to a token: RFC 6749, sections 4.3.2 (password), 4.4.2 (client) and 6.

    An assertion is that of RFC 7523, section 2.1.
    """
    yield "grant_type", _JWT_BEARER if config.grant_type == "jwt_bearer" else config.grant_type
    if config.grant_type == "password":
        yield "username", config.login or ""
        yield "password", plain_text(config.api_key)
    elif config.grant_type == "refresh_token":
        yield "refresh_token", proofs.refresh_token
    elif config.grant_type == "jwt_bearer":
        yield "assertion", proofs.assertions.grant


def _client(config: MirrorDBConfig, proofs: Proofs) -> Iterator[tuple[str, str]]:
    """Yield who the client is, unless headers say it (RFC 6749, sections 2.3.1 and 3.2.1).

    Its id goes with an assertion, too (RFC 7521, section 4.2): Entra wants it.
    """
    if config.client_method == "client_secret_basic":
        return
    if config.oauth_client_id:
        yield "client_id", config.oauth_client_id
    if config.client_method == "client_secret_post":
        yield "client_secret", plain_text(config.oauth_client_secret)
    elif config.client_method == "private_key_jwt":
        yield "client_assertion_type", _ASSERTION
        yield "client_assertion", proofs.assertions.client


def _further(config: MirrorDBConfig, proofs: Proofs) -> Iterator[tuple[str, str]]:
    if config.scope and not proofs.assertions.has_scope:
        yield "scope", config.scope
    for name, values in config.token_params.items():
        yield from ((name, value) for value in values)
