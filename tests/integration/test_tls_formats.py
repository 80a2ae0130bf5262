"""Files in another format than PEM: the error has the command that makes one of it."""

from __future__ import annotations

import re
import shlex
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate

from airflow_mirrordb.client import ConfigError, GenericMirrorDB
from airflow_mirrordb.client.wire.tls.faults import kind_of
from tests.support.client_certificates import asking, name_in

if TYPE_CHECKING:
    import trustme

    from tests.support.backends import Answering
    from tests.support.connections import ConfigFor

PASSPHRASE = "passphrase"
LOCK = BestAvailableEncryption(PASSPHRASE.encode())


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """A client's certificate and key, and its authority, in all formats; their names say none of them."""
    issued = authority.issue_cert("client.example")
    cert = load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    key: Any = load_pem_private_key(issued.private_key_pem.bytes(), None)
    ca = load_pem_x509_certificate(authority.cert_pem.bytes())
    contents = {
        "cert.pem": cert.public_bytes(Encoding.PEM),
        "key.pem": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "ca.pem": ca.public_bytes(Encoding.PEM),
        "both": pkcs12.serialize_key_and_certificates(b"client", key, cert, [ca], LOCK),
        "store": pkcs12.serialize_key_and_certificates(None, None, None, [ca], LOCK),
        "cert": cert.public_bytes(Encoding.DER),
        "ca": ca.public_bytes(Encoding.DER),
        "key": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "old key": key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "locked": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, LOCK),
    }
    (folder := tmp_path / "of a client").mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in contents}


@pytest.mark.parametrize(
    ("settings", "field", "format_", "command"),
    [
        ({"client_cert": "both"}, "client_cert", "a PKCS #12 file", "pkcs12 -in {} -out client.pem -nodes"),
        (
            {"client_cert": "cert.pem", "client_key": "both"},
            "client_key",
            "a PKCS #12 file",
            "pkcs12 -in {} -out client.key -nocerts -nodes",
        ),
        (
            {"client_cert": "cert", "client_key": "key.pem"},
            "client_cert",
            "a certificate in DER format",
            "x509 -inform DER -in {} -out client.pem",
        ),
        *(
            (
                {"client_cert": "cert.pem", "client_key": name},
                "client_key",
                "a key in DER format",
                "pkey -inform DER -in {} -out client.key",
            )
            for name in ("key", "old key", "locked")
        ),
        ({"verify": "store"}, "verify", "a PKCS #12 file", "pkcs12 -in {} -out ca.pem -nokeys"),
        ({"verify": "ca"}, "verify", "a certificate in DER format", "x509 -inform DER -in {} -out ca.pem"),
    ],
)
async def test_another_format_is_refused_with_the_command_that_converts_it(
    answering: Answering,
    config_for: ConfigFor,
    authority: trustme.CA,
    files: dict[str, str],
    tmp_path: Path,
    settings: dict[str, str],
    field: str,
    format_: str,
    command: str,
) -> None:
    """As openssl-pkcs12(1), openssl-x509(1) and openssl-pkey(1) have it; what it makes is accepted."""
    given = {name: files[value] for name, value in settings.items()}
    with pytest.raises(ConfigError) as caught:
        await GenericMirrorDB(config_for("https://localhost:9", **given)).connect()
    wanted = f"openssl {command.format(shlex.quote(given[field]))}"
    assert (caught.value.field, caught.value.retryable) == (field, False)
    assert caught.value.message.startswith(
        f"{field}: '{given[field]}' is {format_}, and PEM is read: convert it by `{wanted}`"
    )
    assert re.search(rf", and set {field} to the path of \S+$", caught.value.message)
    given[field] = converted(wanted, tmp_path)
    backend = await answering(name_of_client, ssl_context=asking(authority))
    trusted = {"verify": files["ca.pem"], "client_cert": files["cert.pem"], "client_key": files["key.pem"]}
    if settings.keys() == {"client_cert"}:
        del trusted["client_key"]
    async with GenericMirrorDB(config_for(backend.base_url, **{**trusted, **given})) as client:
        assert await client.read_function("read", "api/users") == "client.example"


async def name_of_client(request: web.Request) -> web.Response:
    assert request.transport is not None
    return web.json_response(name_in(request.transport.get_extra_info("peercert")))


def converted(command: str, folder: Path) -> str:
    """Run a command that an error told, and return the path of what it makes."""
    words = shlex.split(command)
    if shutil.which(words[0]) is None:
        pytest.skip("openssl is not installed")
    words += ["-passin", f"pass:{PASSPHRASE}"]
    subprocess.run(words, check=True, cwd=folder, capture_output=True, timeout=20)
    return str(folder / words[words.index("-out") + 1])


def test_what_begins_otherwise_is_no_binary_format(authority: trustme.CA) -> None:
    """Texts, requests for certificates and broken files; and what begins like one of them."""
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pkcs1 = rsa_key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    der = ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())
    assert (kind_of(pkcs1), kind_of(der)) == ("key", "certificate")
    assert kind_of(bytes.fromhex("3080 0201 03 3080")) == "PKCS #12"  # BER of indefinite length
    pem = authority.cert_pem.bytes()
    for content in (b"", b"0", b"0\x82", b"01234567", der[:5], der[4:], pem, b"\xff" * 9):
        assert kind_of(content) is None
