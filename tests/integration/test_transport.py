"""TLS, and the border to aiohttp: whom the client talks to, and what becomes of the errors."""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import certifi
import pytest
from aiohttp import client_exceptions, web
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from yarl import URL

from airflow_mirrordb.client import (
    ConfigError,
    ConnectError,
    GenericMirrorDB,
    TLSError,
    TransportError,
)
from airflow_mirrordb.client.wire.failures import own_error
from airflow_mirrordb.client.wire.tls.certificates import certificates
from tests.support.clocks import TIMEOUT, loop_time

if TYPE_CHECKING:
    import trustme

    from tests.support.backends import Answering
    from tests.support.connections import ConfigFor
    from tests.support.raw_server import RawServer

KEY = "k3y-that-nobody-may-see"
PASSPHRASE = "passphr4se-that-nobody-may-see"


def tls_for(authority: trustme.CA, name: str, **facts: Any) -> ssl.SSLContext:
    """TLS of a server that shows a certificate for ``name``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **facts).configure_cert(context)
    return context


# -- certificates --------------------------------------------------------------------------------


@pytest.mark.parametrize("verify", ["ca_file", "no", False])
async def test_a_certificate_of_an_own_authority(
    answering: Answering, config_for: ConfigFor, server_tls: ssl.SSLContext, ca_file: str, verify: Any
) -> None:
    """It is accepted with the authority's file, or where the connection says that nobody checks."""
    backend = await answering(web.json_response({"id": 7}), ssl_context=server_tls)
    config = config_for(backend.base_url, verify=ca_file if verify == "ca_file" else verify)
    async with GenericMirrorDB(config) as client:
        assert await client.read_function("read", "api/users/7") == {"id": 7}


async def test_an_empty_folder_of_authorities_trusts_nobody(
    answering: Answering, config_for: ConfigFor, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """A folder is taken for what it holds, not as a sign to fall back to the usual authorities."""
    backend = await answering(ssl_context=server_tls)
    async with GenericMirrorDB(config_for(backend.base_url, verify=str(tmp_path))) as client:
        with pytest.raises(TLSError, match="was refused"):
            await client.read_function("read", "api/users/7")


def expired(authority: trustme.CA) -> ssl.SSLContext:
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    return tls_for(authority, "localhost", not_after=yesterday)


@pytest.mark.parametrize(
    ("name", "trusted", "words"),
    [
        ("localhost", False, "self.signed|unable to get local issuer"),
        ("other.example", True, "Hostname mismatch"),
        ("expired", True, "expired"),
    ],
)
async def test_a_certificate_that_proves_nothing_is_refused_once(
    answering: Answering,
    config_for: ConfigFor,
    authority: trustme.CA,
    ca_file: str,
    caplog: pytest.LogCaptureFixture,
    name: str,
    trusted: bool,
    words: str,
) -> None:
    """Unknown authority, another host, out of date: the next attempt would meet the same certificate."""
    context = expired(authority) if name == "expired" else tls_for(authority, name)
    backend = await answering(ssl_context=context)
    config = config_for(backend.base_url, verify=ca_file if trusted else True, api_key=KEY)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(
            TLSError, match=f"the certificate of {backend.base_url} was refused: .*({words})"
        ) as caught:
            await client.create_function("create", "api/users", {})
    assert (caught.value.attempts, caught.value.retryable, caught.value.sent) == (1, False, False)
    assert [text for text in caplog.messages if "attempt" in text] == []
    assert backend.requests == []


async def test_the_authorities_are_those_of_certifi(
    answering: Answering,
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By default, and whatever the machine and the environment trust beside them."""
    backend = await answering(web.json_response({}), ssl_context=server_tls)
    try:
        for where, trusted in ((certifi.where(), False), (ca_file, True)):
            monkeypatch.setattr(certifi, "where", lambda where=where: where)
            monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file" if trusted else ca_file)
            certificates.cache_clear()
            async with GenericMirrorDB(config_for(backend.base_url)) as client:
                outcome = await client.call("read_function", method_name="read", endpoint="api/users")
            assert outcome == {"response": {}} if trusted else outcome["error"]["type"] == "TLSError"
    finally:
        certificates.cache_clear()


async def test_certificates_that_nobody_checks_are_warned_of_each_time(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    """By each client, which is each task and trigger, and by a change; not where there is no TLS."""
    unsafe = config_for("https://127.0.0.1:1", verify=False)
    for _ in range(2):
        async with GenericMirrorDB(unsafe):
            pass
    async with GenericMirrorDB(config_for("https://127.0.0.1:1")) as client:
        await client.update_config(verify=False)
    async with GenericMirrorDB(config_for("http://127.0.0.1:1", verify=False)):
        pass
    secret = {"oauth_url": "https://127.0.0.1:1/?tenant=c4nary", "proxy": "https://u:c4nary@127.0.0.1:1"}
    secret["auth_type"] = "none"
    async with GenericMirrorDB(config_for("http://127.0.0.1:1", verify=False, **secret)):
        pass
    warned = [record for record in caplog.records if "are not verified" in record.getMessage()]
    assert [record.levelname for record in warned] == ["WARNING"] * 4
    assert "of the token endpoint, the proxy are not verified" in caplog.text
    assert "c4nary" not in caplog.text


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("verify", ["ca_file", False])
async def test_the_token_endpoint_is_checked_as_the_backend_is(
    answering: Answering,
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    verify: Any,
    shared: bool,
) -> None:
    """By ``verify``, also where the backend itself speaks no TLS, and beside clients that need no token."""
    tokens = await answering(web.json_response({"access_token": "t"}), ssl_context=server_tls)
    backend = await answering(web.json_response(1), web.json_response(2), web.json_response(3))
    settings = {"verify": ca_file if verify == "ca_file" else verify}
    oauth = {"auth_type": "oauth2", "login": "id", "api_key": KEY, "oauth_url": f"{tokens.base_url}/token"}
    plain, config = (
        config_for(backend.base_url, **settings),
        config_for(backend.base_url, **settings, **oauth),
    )
    async with GenericMirrorDB(plain, share_connections=shared) as other:
        assert await other.read_function("read", "api/users") == 1
        async with GenericMirrorDB(config, share_connections=shared) as client:
            assert await client.read_function("read", "api/users") == 2
    distrusting = config.changed({"verify": True})
    async with GenericMirrorDB(distrusting, share_connections=shared) as client:
        with pytest.raises(TLSError, match=f"the certificate of {tokens.base_url} was refused"):
            await client.read_function("read", "api/users")
    assert (tokens.lines, len(backend.requests)) == (["POST /token"], 2)


@pytest.mark.parametrize("verify", ["ca_file", False])
async def test_a_proxy_over_tls_is_checked_as_the_backend_is(
    answering: Answering, config_for: ConfigFor, server_tls: ssl.SSLContext, ca_file: str, verify: Any
) -> None:
    """By ``verify``, also where the backend itself speaks no TLS."""
    proxy = await answering(web.json_response(1), ssl_context=server_tls)
    settings = {"proxy": proxy.base_url, "verify": ca_file if verify == "ca_file" else verify}
    async with GenericMirrorDB(config_for("http://backend.example", **settings)) as client:
        assert await client.read_function("read", "api/users") == 1
        await client.update_config(verify=True)
        with pytest.raises(TLSError, match="was refused"):
            await client.read_function("read", "api/users")
    (line,) = proxy.lines
    assert line in ("GET http://backend.example/api/users", "GET /api/users")  # the server of aiohttp 3.15


def client_files(authority: trustme.CA, folder: Path) -> list[dict[str, str]]:
    """Settings that show the same client certificate: from one file, two, or with an encrypted key."""
    issued = authority.issue_cert("client.example")
    both, cert, key, locked = (str(folder / name) for name in ("both", "cert", "key", "locked"))
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    private = load_pem_private_key(issued.private_key_pem.bytes(), None)
    encryption = BestAvailableEncryption(PASSPHRASE.encode())
    Path(locked).write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return [
        {"client_cert": both},
        {"client_cert": cert, "client_key": key},
        {"client_cert": cert, "client_key": locked, "client_key_passphrase": PASSPHRASE},
    ]


async def test_a_client_certificate(
    answering: Answering, config_for: ConfigFor, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    """Where the server demands one it is shown; without it, or with a wrong passphrase, nothing goes."""
    context = tls_for(authority, "localhost")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    ways = client_files(authority, tmp_path)
    backend = await answering(*(web.json_response({}) for _ in ways), ssl_context=context)
    for way in ways:
        async with GenericMirrorDB(config_for(backend.base_url, verify=ca_file, **way)) as client:
            assert await client.read_function("read", "api/users") == {}
    async with GenericMirrorDB(config_for(backend.base_url, verify=ca_file, max_attempts=1)) as client:
        with pytest.raises(TransportError):
            await client.read_function("read", "api/users")
    wrong = {**ways[-1], "client_key_passphrase": "wr0ng"}
    with pytest.raises(ConfigError, match="client_key") as caught:
        await GenericMirrorDB(config_for(backend.base_url, verify=ca_file, **wrong)).connect()
    assert "wr0ng" not in str(caught.value)
    assert len(backend.requests) == len(ways)


async def test_a_client_certificate_is_shown_to_the_token_endpoint(
    answering: Answering, config_for: ConfigFor, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    """Mutual TLS binds tokens to it (RFC 8705, section 3), so both servers have to see the same one."""
    context = tls_for(authority, "localhost")
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    tokens = await answering(web.json_response({"access_token": "t"}), ssl_context=context)
    backend = await answering(web.json_response({}))
    oauth = {"auth_type": "oauth2", "login": "id", "api_key": KEY, "oauth_url": f"{tokens.base_url}/token"}
    certificate = client_files(authority, tmp_path)[0]
    async with GenericMirrorDB(
        config_for(backend.base_url, verify=ca_file, **oauth, **certificate)
    ) as client:
        assert await client.read_function("read", "api/users") == {}


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"verify": "/no/such/ca.pem"}, "verify"),
        ({"verify": __file__}, "verify"),
        ({"client_cert": "/no/such/cert.pem"}, "client_cert"),
        ({"client_cert": __file__}, "client_cert"),
    ],
)
async def test_a_file_that_cannot_be_used_is_a_config_error(
    config_for: ConfigFor, settings: dict[str, str], field: str
) -> None:
    """It is told when the client connects, before any request, and names the setting."""
    client = GenericMirrorDB(config_for("https://localhost:9", **settings))
    with pytest.raises(ConfigError) as caught:
        await client.connect()
    assert caught.value.field == field
    assert field in caught.value.message


async def test_old_tls_is_refused(
    answering: Answering, config_for: ConfigFor, authority: trustme.CA, ca_file: str
) -> None:
    """TLS 1.2 is the oldest that is spoken."""
    context = tls_for(authority, "localhost")
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    backend = await answering(ssl_context=context)
    async with GenericMirrorDB(config_for(backend.base_url, verify=ca_file, max_attempts=1)) as client:
        with pytest.raises(TransportError):
            await client.read_function("read", "api/users")
    assert backend.requests == []


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_handshake_that_breaks_is_tried_again(
    config_for: ConfigFor, raw_server: RawServer, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Nothing was sent yet, so a create is too."""

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        assert (await reader.read(1)) == b"\x16"  # the client's hello
        if end == "reset":
            writer.transport.abort()
        return False

    monkeypatch.setattr(raw_server, "_exchange", break_off)
    base_url = raw_server.base_url.replace("http:", "https:")
    async with GenericMirrorDB(config_for(base_url, max_attempts=3)) as client:
        with pytest.raises((ConnectError, TLSError)) as caught:
            await client.create_function("create", "api/users", {})
    assert (caught.value.attempts, caught.value.sent, raw_server.connections) == (3, False, 3)


async def test_https_at_a_plain_port_is_tried_once(answering: Answering, config_for: ConfigFor) -> None:
    """Its answer is HTTP, as it will be the next time; a task says the same as the connection test."""
    base_url = (await answering()).base_url.replace("http:", "https:")
    async with GenericMirrorDB(config_for(base_url, max_attempts=3)) as client:
        with pytest.raises(TLSError, match="no TLS is spoken there: if it is plain http, say http") as caught:
            await client.create_function("create", "api/users", {})
    assert (caught.value.attempts, caught.value.retryable, caught.value.sent) == (1, False, False)


async def test_a_handshake_that_never_ends_is_a_connection_that_was_never_made(
    config_for: ConfigFor, raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout ends it, and a create is tried again."""

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> bool:
        assert (await reader.read(1)) == b"\x16"  # the client's hello
        loop_time.advance(TIMEOUT)
        return bool(await asyncio.Event().wait())

    monkeypatch.setattr(raw_server, "_exchange", hang)
    base_url = raw_server.base_url.replace("http:", "https:")
    async with GenericMirrorDB(config_for(base_url, max_attempts=2)) as client:
        with pytest.raises(ConnectError, match=rf"within {TIMEOUT:g} s") as caught:
            await client.create_function("create", "api/users", {})
    assert (caught.value.attempts, caught.value.sent, raw_server.connections) == (2, False, 2)


async def test_a_server_without_tls(answering: Answering, config_for: ConfigFor) -> None:
    """Https to a port that speaks http is a TLSError that says so."""
    backend = await answering()
    async with GenericMirrorDB(config_for(backend.base_url.replace("http:", "https:"))) as client:
        with pytest.raises(TLSError, match="handshake"):
            await client.read_function("read", "api/users")
    assert backend.requests == []


# -- the border to aiohttp -----------------------------------------------------------------------

WEBSOCKETS_ONLY = {"WSMessageTypeError"}
KEY_OF_CONNECTION: Any = SimpleNamespace(host="h", port=1, ssl=True, is_ssl=True)
REQUEST_INFO: Any = SimpleNamespace(real_url=URL("http://h/"))
ARGUMENTS: dict[type[BaseException], tuple[Any, ...]] = {
    client_exceptions.ClientConnectorCertificateError: (KEY_OF_CONNECTION, ssl.CertificateError("bad")),
    client_exceptions.ClientConnectorError: (KEY_OF_CONNECTION, OSError(1, "bad")),
    client_exceptions.ClientResponseError: (REQUEST_INFO, ()),
    client_exceptions.InvalidURL: ("http://h/", "bad"),
    client_exceptions.ServerFingerprintMismatch: (b"a", b"b", "h", 1),
    client_exceptions.ClientError: ("bad",),
}
PUBLIC = sorted(
    name
    for name in {*client_exceptions.__all__, *dir(aiohttp)}
    if isinstance(found := getattr(client_exceptions, name, None), type) and issubclass(found, Exception)
)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_error_of_aiohttp_becomes_one_of_ours(name: str) -> None:
    """Whatever aiohttp may raise; a new version with a new error fails here."""
    if name in WEBSOCKETS_ONLY:
        return
    error_class = getattr(client_exceptions, name)
    arguments = next(ARGUMENTS[base] for base in error_class.__mro__ if base in ARGUMENTS)
    error = own_error(error_class(*arguments), URL("http://h/"), 1.0, sent=True, now=0.0)
    assert error is not None
    assert "http://h" in error.message
    never_connected = issubclass(
        error_class, aiohttp.ClientConnectorError | aiohttp.InvalidURL | aiohttp.ClientHttpProxyError
    )
    assert error.sent is not never_connected
