"""What is wrong with a file of certificates or keys, and the command that mends it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from airflow_mirrordb.client.errors import ConfigError

Kind = Literal["PKCS #12", "certificate", "key"]
Field = Literal["verify", "client_cert", "client_key"]

#: How the values of ASN.1 begin that are a file in binary form (X.690, section 8), at the first byte within
#: the outermost SEQUENCE. A PFX is of version 3 (RFC 7292, section 4). A certificate begins with a SEQUENCE
#: whose first field is its version (RFC 5280, section 4.1). A key begins with a version, and then has an
#: algorithm, a number or its octets (RFC 5958, section 2; RFC 8017, appendix A.1.2; RFC 5915, section 3); an
#: encrypted one with its algorithm (RFC 5958, section 3).
_LENGTH = rb"(?:[\x00-\x80]|\x81.|\x82..|\x83.{3}|\x84.{4})"
_KINDS: dict[Kind, re.Pattern[bytes]] = {
    "PKCS #12": re.compile(rb"\x02\x01\x03\x30", re.DOTALL),
    "certificate": re.compile(rb"\x30" + _LENGTH + rb"\xa0\x03\x02\x01", re.DOTALL),
    "key": re.compile(rb"\x02\x01[\x00\x01][\x02\x04\x30]|\x30" + _LENGTH + rb"\x06.\x2a\x86\x48", re.DOTALL),
}
_SEQUENCE = re.compile(rb"\x30" + _LENGTH, re.DOTALL)

#: What makes the file that is read of one that is not (openssl-pkcs12(1), openssl-x509(1), openssl-pkey(1)).
_COMMANDS: dict[tuple[Field, Kind], str] = {
    ("client_cert", "PKCS #12"): "openssl pkcs12 -in {file} -out client.pem -nodes",
    ("client_key", "PKCS #12"): "openssl pkcs12 -in {file} -out client.key -nocerts -nodes",
    ("verify", "PKCS #12"): "openssl pkcs12 -in {file} -out ca.pem -nokeys",
    ("client_cert", "certificate"): "openssl x509 -inform DER -in {file} -out client.pem",
    ("verify", "certificate"): "openssl x509 -inform DER -in {file} -out ca.pem",
    ("client_key", "key"): "openssl pkey -inform DER -in {file} -out client.key",
}


def fault_of_certificate(
    error: Exception, client_cert: str, client_key: str | None, passphrase: SecretStr | None
) -> ConfigError:
    """Return which file of a client's certificate is at fault, and why.

    It is ``retryable`` if the file may only be half written. OpenSSL says for most of them ``PEM lib``. The
    labels are those of RFC 7468, sections 5, 10 and 11, and the older ones of OpenSSL.
    """
    texts = dict[Field, bytes]()
    paths: dict[Field, str] = {"client_cert": client_cert, "client_key": client_key or client_cert}
    for name, path in paths.items():
        try:
            texts[name] = Path(path).read_bytes()
        except (OSError, ValueError) as unreadable:
            reason = getattr(unreadable, "strerror", None) or unreadable
            return _fault(name, f"{path!r} cannot be read here: {reason}")
    own: Field = "client_key" if client_key else "client_cert"
    if b"-----BEGIN CERTIFICATE-----" not in texts["client_cert"]:
        return _in_other_format("client_cert", client_cert, texts["client_cert"]) or _fault(
            "client_cert", f"{client_cert!r} holds no certificate in PEM format"
        )
    key_file, key = paths["client_key"], texts["client_key"]
    if b"PRIVATE KEY-----" not in key:
        mend = "" if client_key else ": add it to the file, or set client_key"
        return _in_other_format(own, key_file, key) or _fault(
            own, f"{key_file!r} holds no private key in PEM format{mend}"
        )
    if "KEY_VALUES_MISMATCH" in str(error):
        first = "the first certificate" if texts["client_cert"].count(b"-----BEGIN CERT") > 1 else ""
        return _fault("client_key", f"the key in {key_file!r} is not that of {first or 'the certificate'}")
    if b"ENCRYPTED" in key:
        reason = "does not open" if passphrase else "is not set, and is needed for"
        return _fault("client_key_passphrase", f"it {reason} the key in {key_file!r}")
    return _fault("client_cert", f"{client_cert!r} and its key cannot be loaded: {error}")


def fault_of_authorities(error: Exception, verify: str) -> ConfigError:
    """Return what is wrong with a file or folder of authorities; it is ``retryable`` as the other one."""
    try:
        content = Path(verify).read_bytes()
    except (OSError, ValueError):
        content = b""
    return _in_other_format("verify", verify, content) or _fault(
        "verify", f"{verify!r} is neither true, false nor a readable CA file or folder: {error}"
    )


def _in_other_format(field: Field, path: str, content: bytes) -> ConfigError | None:
    """Return the error for a file that another format has to be made of; None if it is none such."""
    kind = kind_of(content)
    command = _COMMANDS.get((field, kind)) if kind else None
    if command is None:
        return None
    name = "a PKCS #12 file" if kind == "PKCS #12" else f"a {kind} in DER format"
    legacy = " (add -legacy if OpenSSL 3 knows no algorithm of it)" if kind == "PKCS #12" else ""
    made = command.partition(" -out ")[2].split()[0]
    reason = (
        f"{path!r} is {name}, and PEM is read: convert it by"
        f" `{command.format(file=shlex.quote(path))}`{legacy}, and set {field} to the path of {made}"
    )
    return _fault(field, reason, retryable=False)


def kind_of(content: bytes) -> Kind | None:
    """Return what a file is that is in binary form, by how it begins; None if it is nothing known."""
    outermost = _SEQUENCE.match(content)
    if outermost is None:
        return None
    found = (kind for kind, beginning in _KINDS.items() if beginning.match(content, outermost.end()))
    return next(found, None)


def _fault(field: str, reason: str, *, retryable: bool = True) -> ConfigError:
    return ConfigError(message=f"{field}: {reason}", field=field, retryable=retryable)
