"""TLS settings: which certificates are trusted, and which one is shown."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import certifi
from pydantic import SecretStr

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.setting_types import plain_text
from airflow_mirrordb.client.wire.tls.faults import fault_of_authorities, fault_of_certificate


def tls_servers(config: MirrorDBConfig) -> list[str]:
    """Return the servers that are spoken to over TLS, as a log may show them."""
    proxy = plain_text(config.proxy)
    urls = {
        config.base_url: config.base_url,
        config.token_url: "the login endpoint" if config.auth == "login" else "the token endpoint",
        proxy: "the proxy",
    }
    return [name for url, name in urls.items() if url.lower().startswith("https:")]


def tls_settings(config: MirrorDBConfig) -> dict[str, Any]:
    """Return the arguments of :func:`tls_context`."""
    return {
        "verify": config.verify,
        "client_cert": config.client_cert,
        "client_key": config.client_key,
        "passphrase": config.client_key_passphrase,
    }


def tls_context(
    *,
    verify: bool | str,
    client_cert: str | None = None,
    client_key: str | None = None,
    passphrase: SecretStr | None = None,
) -> ssl.SSLContext:
    """Return the TLS settings of a connection: TLS 1.2 or newer, certifi's authorities by default.

    It reads files, which takes 20 ms for those authorities.

    :raises ConfigError: if a file cannot be read; names the setting
    """
    context = ssl.create_default_context(cafile=certifi.where()) if verify is True else _context(verify)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if client_cert:
        password = plain_text(passphrase)
        try:
            context.load_cert_chain(client_cert, client_key, password=lambda: password)
        except (OSError, ValueError) as error:
            raise fault_of_certificate(error, client_cert, client_key, passphrase) from error
    return context


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
        raise fault_of_authorities(error, str(path)) from error
