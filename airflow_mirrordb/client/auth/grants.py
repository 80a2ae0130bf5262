"""What the request for a token says: what entitles to one, and who asks. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import SecretStr

from airflow_mirrordb.client.config import MirrorDBConfig


def token_form(config: MirrorDBConfig) -> list[tuple[str, str]]:
    """Return the parameters of a request for a token, in pairs: one may be there several times (RFC 8707)."""
    return [*_grant(config), *_client(config), *_further(config)]


def _grant(config: MirrorDBConfig) -> Iterator[tuple[str, str]]:
    """Yield what entitles to a token: RFC 6749, sections 4.3.2 (password) and 4.4.2 (client credentials)."""
    yield "grant_type", config.grant_type
    if config.grant_type == "password":
        yield "username", config.login or ""
        yield "password", _text(config.api_key)


def _client(config: MirrorDBConfig) -> Iterator[tuple[str, str]]:
    """Yield who the client is, unless headers say it (RFC 6749, sections 2.3.1 and 3.2.1)."""
    if config.client_method == "client_secret_basic":
        return
    if config.oauth_client_id:
        yield "client_id", config.oauth_client_id
    if config.client_method == "client_secret_post":
        yield "client_secret", _text(config.oauth_client_secret)


def _further(config: MirrorDBConfig) -> Iterator[tuple[str, str]]:
    if config.scope:
        yield "scope", config.scope
    for name, values in config.token_params.items():
        yield from ((name, value) for value in values)


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
