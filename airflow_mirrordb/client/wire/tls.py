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
            raise _unloadable(error, client_cert, client_key) from error
    return context


# Another thread may hold a lock of OpenSSL's in the middle of a handshake when this process is forked
os.register_at_fork(after_in_child=tls_context.cache_clear)


def _unloadable(error: Exception, client_cert: str, client_key: str | None) -> ConfigError:
    """Return which file of a client's certificate is at fault, and why.

    OpenSSL says for most of them ``PEM lib``. The labels are those of RFC 7468, sections 5, 10 and 11, and
    the older ones of OpenSSL.
    """
    texts = dict[str, bytes]()
    for field, path in (("client_cert", client_cert), ("client_key", client_key or client_cert)):
        try:
            texts[field] = Path(path).read_bytes()
        except (OSError, ValueError) as unreadable:
            reason = getattr(unreadable, "strerror", None) or unreadable
            return ConfigError(message=f"{field}: {path!r} cannot be read here: {reason}", field=field)
    key_file = client_key or client_cert
    if b"-----BEGIN CERTIFICATE-----" not in texts["client_cert"]:
        field, reason = "client_cert", f"{client_cert!r} holds no certificate in PEM format"
    elif b"PRIVATE KEY-----" not in texts["client_key"]:
        own = "client_key" if client_key else "client_cert"
        mend = "" if client_key else ": add it to the file, or set client_key"
        field, reason = own, f"{key_file!r} holds no private key in PEM format{mend}"
    elif "KEY_VALUES_MISMATCH" in str(error):
        field, reason = "client_key", f"the key in {key_file!r} is not that of the certificate"
    elif b"ENCRYPTED" in texts["client_key"]:
        field, reason = "client_key_passphrase", f"it does not open the key in {key_file!r}"
    else:
        field, reason = "client_cert", f"{client_cert!r} and its key cannot be loaded: {error}"
    return ConfigError(message=f"{field}: {reason}", field=field)


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
