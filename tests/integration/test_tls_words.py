"""What is said where TLS is not as the connection says: which file or setting, and what would be right."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from aiohttp import web
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from airflow_mirrordb.client import ConfigError, DisconnectedError, GenericMirrorDB, TLSError

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.connections import ConfigFor

SAY_HTTPS = "if it speaks https, say so in Host or Schema"


async def test_plain_http_at_a_port_that_speaks_tls(
    answering: Answering, config_for: ConfigFor, server_tls: ssl.SSLContext
) -> None:
    """The server closes the connection, or answers by an alert (RFC 8446, section 6), which is no HTTP."""
    backend = await answering(ssl_context=server_tls)
    config = config_for(backend.base_url.replace("https:", "http:"), max_attempts=1)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(DisconnectedError, match=f"; {SAY_HTTPS}"):
            await client.read_function("read", "api/users")


async def test_who_answered_before_speaks_plain_http(answering: Answering, config_for: ConfigFor) -> None:
    """What is closed then is closed for another reason, and the words would mislead."""

    async def close(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    backend = await answering(web.json_response({}), close)
    async with GenericMirrorDB(config_for(backend.base_url, max_attempts=1)) as client:
        assert await client.read_function("read", "api/users") == {}
        with pytest.raises(DisconnectedError) as caught:
            await client.read_function("read", "api/users")
    assert SAY_HTTPS not in caught.value.message


async def test_the_file_of_another_authority(
    answering: Answering, config_for: ConfigFor, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """Who set it is not told to set it, but that it is another one's."""
    file = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(file)
    backend = await answering(ssl_context=server_tls)
    async with GenericMirrorDB(config_for(backend.base_url, verify=str(file))) as client:
        with pytest.raises(TLSError) as caught:
            await client.read_function("read", "api/users")
    assert f"no authority in the extra 'verify' ('{file}') issued it" in caught.value.message
    assert "set the extra" not in caught.value.message


async def test_tls_at_a_port_that_speaks_plain_http(answering: Answering, config_for: ConfigFor) -> None:
    """Who wrote the connection as a URI said http in its scheme, which is the type of the connection."""
    backend = await answering()
    async with GenericMirrorDB(config_for(backend.base_url.replace("http:", "https:"))) as client:
        with pytest.raises(
            TLSError, match="in the URI of a connection as its path, mirrordb://HOST:PORT/http"
        ):
            await client.read_function("read", "api/users")


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """A certificate behind that of its authority and alone, its key, that with a passphrase, others."""
    issued, other = (authority.issue_cert(f"{name}.example") for name in ("client", "other"))
    private = load_pem_private_key(issued.private_key_pem.bytes(), None)
    encryption = BestAvailableEncryption(b"passphrase")
    texts = {
        "chain": authority.cert_pem.bytes() + issued.cert_chain_pems[0].bytes(),
        "cert": issued.cert_chain_pems[0].bytes(),
        "key": issued.private_key_pem.bytes(),
        "locked": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption),
        "other": other.private_key_pem.bytes(),
        "text": b"no certificate",
    }
    paths = {name: tmp_path / f"{name}.pem" for name in texts}
    for name, text in texts.items():
        paths[name].write_bytes(text)
    return {**{name: str(path) for name, path in paths.items()}, "nowhere": str(tmp_path / "nowhere.pem")}


@pytest.mark.parametrize(
    ("cert", "key", "field", "words"),
    [
        ("nowhere", None, "client_cert", "'{nowhere}' cannot be read here: No such file or directory"),
        ("cert", "nowhere", "client_key", "'{nowhere}' cannot be read here: No such file or directory"),
        ("cert", None, "client_cert", "'{cert}' holds no private key in PEM format: add it to the file, or"),
        ("cert", "text", "client_key", "'{text}' holds no private key in PEM format"),
        ("text", "key", "client_cert", "'{text}' holds no certificate in PEM format"),
        ("cert", "other", "client_key", "the key in '{other}' is not that of the certificate"),
        ("cert", "locked", "client_key_passphrase", "it is not set, and is needed for the key in '{locked}'"),
        ("chain", "key", "client_key", "the key in '{key}' is not that of the first certificate"),
    ],
)
async def test_the_file_of_a_client_certificate_that_is_wrong(
    config_for: ConfigFor, files: dict[str, str], cert: str, key: str | None, field: str, words: str
) -> None:
    """OpenSSL says ``PEM lib`` for most of them, and not which file."""
    settings = {"client_cert": files[cert], "client_key": files[key] if key else None}
    with pytest.raises(ConfigError) as caught:
        await GenericMirrorDB(config_for("https://localhost:9", **settings)).connect()
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: {words.format(**files)}")
