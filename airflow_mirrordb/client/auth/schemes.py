"""How a request proves who sends it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from urllib.parse import quote

from yarl import URL

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.messages.headers import header_key


def auth_headers(config: MirrorDBConfig) -> dict[str, str]:
    """Return the headers that carry the key; none without a key.

    Bearer tokens follow RFC 6750, section 2.1; basic credentials RFC 7617, in UTF-8.
    """
    key = config.api_key.get_secret_value() if config.api_key else ""
    match config.auth:
        case "basic" if config.login or key:
            return {"Authorization": _basic(config.login or "", key)}
        case "bearer" if key:
            return {"Authorization": f"Bearer {key}"}
        case "api_key" if key:
            return {config.key_name: key}
        case _:
            return {}


def client_headers(config: MirrorDBConfig) -> dict[str, str]:
    """Return the headers by which a client of OAuth 2.0 proves itself to the authorization server.

    Client id and secret are percent-encoded, and sent as basic credentials (RFC 6749, section 2.3.1).
    """
    secret = config.api_key.get_secret_value() if config.api_key else ""
    return {"Authorization": _basic(quote(config.login or "", safe=""), quote(secret, safe=""))}


def proxy_headers(config: MirrorDBConfig) -> dict[str, str]:
    """Return the headers by which requests prove themselves to the proxy; none if its URL has no credentials.

    They are basic credentials, in UTF-8 (RFC 7617, and RFC 9110, section 11.7.2).
    """
    proxy = URL(config.proxy.get_secret_value() if config.proxy else "")
    if not (proxy.user or proxy.password):
        return {}
    return {"Proxy-Authorization": _basic(proxy.user or "", proxy.password or "")}


def secrets(config: MirrorDBConfig) -> tuple[str, ...]:
    """Return every text that must not be seen: the secrets, and the forms in which they are sent."""
    plain = (config.api_key, config.client_key_passphrase)
    known = [secret.get_secret_value() for secret in plain if secret]
    headers = client_headers(config) if config.auth == "oauth2" else auth_headers(config)
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
