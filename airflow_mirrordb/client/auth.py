"""How a request proves who sends it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping

from yarl import URL

from airflow_mirrordb.client.config import MirrorDBConfig, header_key


def auth_headers(config: MirrorDBConfig) -> dict[str, str]:
    """Return the headers that carry the key; none without a key.

    Bearer tokens follow RFC 6750, section 2.1; basic credentials RFC 7617, in UTF-8.
    """
    key = config.api_key.get_secret_value() if config.api_key else ""
    match config.auth:
        case "basic" if config.login or key:
            credentials = b64encode(f"{config.login or ''}:{key}".encode()).decode()
            return {"Authorization": f"Basic {credentials}"}
        case "bearer" if key:
            return {"Authorization": f"Bearer {key}"}
        case "api_key" if key:
            return {config.auth_header: key}
        case _:
            return {}


def secrets(config: MirrorDBConfig, used: Iterable[Mapping[str, str]] = ()) -> tuple[str, ...]:
    """Return every text that must not be seen: the secrets, and the forms in which they are sent.

    :param used: headers that proved who sends a request, where these may be others, as those of a token
    """
    plain = (config.api_key, config.client_key_passphrase, config.proxy)
    known = [secret.get_secret_value() for secret in plain if secret]
    for headers in (auth_headers(config), *used):
        for name, value in headers.items():
            known += _credentials(name, value)
    if config.proxy:
        proxy = URL(config.proxy.get_secret_value())
        if proxy.password:
            pair = b64encode(f"{proxy.user or ''}:{proxy.password}".encode()).decode()
            known += [pair, proxy.password]
    return tuple(dict.fromkeys(known))


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
