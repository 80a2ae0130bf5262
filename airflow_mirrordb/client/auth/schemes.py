"""What goes with a request to prove who sends it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from yarl import URL

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.messages.headers import header_key
from airflow_mirrordb.client.setting_types import plain_text


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is added to a request on the wire, and nowhere else (RFC 9110, section 11.4).

    :param headers: by their names
    :param parameter: name and value of a query parameter; None if there is none
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    parameter: tuple[str, str] | None = None


NO_CREDENTIALS = Credentials()


def credentials_of(config: MirrorDBConfig) -> Credentials:
    """Return what carries the key; only ``secret_headers`` without one.

    Bearer tokens follow RFC 6750, section 2.1; basic credentials RFC 7617, in UTF-8.
    """
    key = plain_text(config.api_key)
    match config.auth:
        case "basic" if config.login or key:
            headers = {"Authorization": _basic(config.login or "", key)}
        case "bearer" if key:
            headers = {"Authorization": f"Bearer {key}"}
        case "api_key" if key:
            return _placed(config, key)
        case _:
            headers = {}
    return Credentials({**headers, **secret_headers(config)})


def credentials_with(config: MirrorDBConfig, token: str) -> Credentials:
    """Return what carries a token that was fetched."""
    if config.auth == "login":
        return _placed(config, token)
    return Credentials({"Authorization": f"Bearer {token}", **secret_headers(config)})


def _placed(config: MirrorDBConfig, key: str) -> Credentials:
    """Return a key, or a token, where it goes, by its name and with its prefix."""
    prefix = config.sent_prefix
    value = f"{prefix} {key}" if prefix[-1:].isalnum() else f"{prefix}{key}"
    others = secret_headers(config)
    if config.query_key is not None:
        return Credentials(others, (config.query_key, value))
    if config.key_place == "cookie":
        return Credentials({"Cookie": f"{config.sent_name}={value}", **others})
    return Credentials({config.key_header or "": value, **others})


def secret_headers(config: MirrorDBConfig) -> dict[str, str]:
    """Return the further headers that are secrets."""
    return {name: secret.get_secret_value() for name, secret in config.secret_headers.items()}


def client_headers(config: MirrorDBConfig) -> dict[str, str]:
    """Return the headers by which a client of OAuth 2.0 proves itself to the authorization server.

    Client id and secret are percent-encoded, and sent as basic credentials (RFC 6749, section 2.3.1); none if
    another method is chosen, whose proof is in the body.
    """
    if config.client_method != "client_secret_basic":
        return {}
    client, secret = config.oauth_client_id or "", plain_text(config.oauth_client_secret)
    return {"Authorization": _basic(quote(client, safe=""), quote(secret, safe=""))}


def proxy_headers(config: MirrorDBConfig) -> dict[str, str]:
    """Return the headers by which requests prove themselves to the proxy; none if its URL has no credentials.

    They are basic credentials, in UTF-8 (RFC 7617, and RFC 9110, section 11.7.2).
    """
    proxy = URL(plain_text(config.proxy))
    if not (proxy.user or proxy.password):
        return {}
    return {"Proxy-Authorization": _basic(proxy.user or "", proxy.password or "")}


def secrets(config: MirrorDBConfig) -> tuple[str, ...]:
    """Return every text that must not be seen: the secrets, and the forms in which they are sent."""
    plain = (
        config.api_key,
        config.client_secret,
        config.client_key_passphrase,
        *config.secret_headers.values(),
    )
    known = [secret.get_secret_value() for secret in plain if secret]
    headers = client_headers(config) if config.auth == "oauth2" else credentials_of(config).headers
    for name, value in headers.items():
        known += _credentials(name, value)
    sent = proxy_headers(config)
    if config.proxy and sent:  # else its URL is as little a secret as the backend's
        proxy, pair = config.proxy.get_secret_value(), sent["Proxy-Authorization"].removeprefix("Basic ")
        known += [proxy, pair, str(URL(proxy).password or URL(proxy).user)]
    return tuple(dict.fromkeys(known))


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _credentials(name: str, value: str) -> list[str]:
    """Return what is secret of a header that proves who sends: all but the scheme, and a password in it."""
    scheme, _, credentials = value.partition(" ")  # a key may bring a scheme of its own, as "Token ..."
    has_scheme = header_key(name) == "authorization" or scheme in ("Basic", "Bearer")
    if not has_scheme or not credentials:
        return [value]
    password = _password(credentials) if scheme == "Basic" else ""
    return [credentials, password] if password else [credentials]


def _password(pair: str) -> str:
    try:
        return b64decode(pair).decode(errors="replace").partition(":")[2]
    except ValueError:  # a key that somebody gave the scheme
        return ""
