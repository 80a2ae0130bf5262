"""TLS settings: which certificates are trusted, and which one is shown."""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path

import certifi

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import ConfigError


def tls_servers(config: MirrorDBConfig) -> list[str]:
    """Return the servers that are spoken to over TLS, as a log may show them."""
    proxy = config.proxy.get_secret_value() if config.proxy else ""
    urls = {
        config.base_url: config.base_url,
        config.oauth_url or "": "the token endpoint",
        proxy: "the proxy",
    }
    return [name for url, name in urls.items() if url.lower().startswith("https:")]


@functools.lru_cache(maxsize=32)  # reading the CA bundle takes 20 ms
def tls_context(
    *, verify: bool | str, client_cert: str | None, client_key: str | None, passphrase: str | None
) -> ssl.SSLContext:
    """Return the TLS settings of a connection: TLS 1.2 or newer, certifi's authorities by default.

    :raises ConfigError: if a file cannot be read; names the setting
    """
    context = ssl.create_default_context(cafile=certifi.where()) if verify is True else _context(verify)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_cert:
        try:
            context.load_cert_chain(client_cert, client_key, password=lambda: passphrase or "")
        except (OSError, ValueError) as error:
            raise ConfigError(
                message=f"client_cert, client_key: cannot be loaded: {error}", field="client_cert"
            ) from error
    return context


# Another thread may hold a lock of OpenSSL's in the middle of a handshake when this process is forked
os.register_at_fork(after_in_child=tls_context.cache_clear)


def _context(verify: bool | str) -> ssl.SSLContext:
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    path = Path(str(verify))
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=str(path))
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            message=f"verify: {str(path)!r} is neither true, false nor a readable CA file or folder: {error}",
            field="verify",
        ) from error
