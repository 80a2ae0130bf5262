"""Assertions: JSON Web Tokens by which a client, or who it acts for, proves itself (RFC 7521 and 7523)."""

from __future__ import annotations

import json
import math
import re
import shlex
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import ConfigError
from airflow_mirrordb.client.wire.threads import in_thread
from airflow_mirrordb.client.wire.tls.faults import kind_of

#: Seconds that an assertion is good for; servers take no more than 300 (Salesforce) to 3,600 (Google).
LIFETIME = 180
#: Bits that a key of RSA has at least (RFC 7518, section 3.3).
LEAST_BITS = 2048

#: Algorithms of each kind of key, the one that is taken by default first (RFC 7518, section 3.1; RFC 8037).
_OF_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_OF_CURVES = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
_PEM = re.compile(rb"-----BEGIN ((?:[A-Z]+ )*)PRIVATE KEY-----.*?-----END \1PRIVATE KEY-----", re.DOTALL)
#: Settings whose keys were good, in this process.
_good: set[tuple[object, ...]] = set()
_COMMANDS: dict[str, str] = {
    "PKCS #12": "openssl pkcs12 -in {file} -out key.pem -nocerts -nodes",
    "key": "openssl pkey -inform DER -in {file} -out key.pem",
    "encrypted": "openssl pkey -in {file} -out key.pem",
    "OpenSSH": "ssh-keygen -p -m PEM -f {file}",
}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and what its file says beside it.

    :param key: as cryptography has it
    :param algorithms: those that it can sign by
    :param key_id: for the header ``kid``
    :param issuer: whose key it is
    """

    key: Any = field(repr=False)
    algorithms: tuple[str, ...]
    key_id: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Assertions:
    """What a request for a token proves itself by.

    :param grant: what entitles to the token (RFC 7523, section 2.1); empty if something else does
    :param client: who the client is (section 2.2); empty if it proves itself in another way
    :param has_scope: whether the first one says the scope, as Google wants it
    """

    grant: str = field(default="", repr=False)
    client: str = field(default="", repr=False)
    has_scope: bool = False


async def signed(config: MirrorDBConfig, clock: Clock) -> Assertions:
    """Return new assertions; a server may take none twice.

    The key is read and used in a thread: a file may hang, and signing takes milliseconds.

    :raises ConfigError: if the key cannot be used, or the claims say too little
    """
    if not (config.auth == "oauth2" and config.signs):
        return Assertions()
    return await in_thread(_signed, config, clock.time())


async def check_key(config: MirrorDBConfig) -> None:
    """Read the key of a configuration, if it has one that is used and was not read before.

    :raises ConfigError: if it cannot be used
    """
    if not (config.auth == "oauth2" and config.signs):
        return
    settings = (config.private_key_file, config.grant_type, config.client_method, config.login)
    known = (*settings, repr(config.jwt_claims), repr(config.jwt_headers))
    if known not in _good:  # or thousands of triggers would read it at the same time
        await in_thread(_signed, config, 0.0)
        _good.add(known)


def _signed(config: MirrorDBConfig, now: float) -> Assertions:
    key = read_key(config.private_key_file or "")
    claims, headers = config.jwt_claims, config.jwt_headers
    client_id = config.oauth_client_id
    grant = client = ""
    if config.client_method == "private_key_jwt":
        own = {} if config.grant_type == "jwt_bearer" else claims
        client = _assertion(key, {"iss": client_id, "sub": client_id, **_times(config, now), **own}, headers)
    if config.grant_type == "jwt_bearer":
        issuer = claims.get("iss") or key.issuer or config.client_id or config.login
        if not issuer:
            raise ConfigError(
                message="jwt_claims: iss is missing, which says whose key it is; login may say it as well",
                field="jwt_claims",
            )
        told: dict[str, Any] = {"iss": issuer, "sub": issuer}
        if key.issuer:  # of a service account, to which sub is somebody else, and which takes no scope beside
            told = {"iss": issuer, "scope": config.scope}
        grant = _assertion(key, {**told, **_times(config, now), **claims}, headers)
    return Assertions(grant, client, has_scope=bool(grant and key.issuer))


def _times(config: MirrorDBConfig, now: float) -> dict[str, Any]:
    """Return the claims of every assertion (RFC 7523, section 3)."""
    begins = math.floor(now)
    times = {"iat": begins, "nbf": begins, "exp": begins + LIFETIME, "jti": str(uuid.uuid4())}
    return {"aud": config.oauth_url, **times}


def _assertion(key: SigningKey, claims: Mapping[str, Any], headers: Mapping[str, Any]) -> str:
    algorithm = headers.get("alg") or key.algorithms[0]
    if algorithm not in key.algorithms:
        message = f"jwt_headers: the key signs by {' or '.join(key.algorithms)}, not by alg {algorithm!r:.20}"
        raise ConfigError(message=message, field="jwt_headers")
    told = {"kid": key.key_id, **{name: value for name, value in headers.items() if name != "alg"}}
    try:
        encoded: str = import_module("jwt").encode(
            _without_none(claims), key.key, algorithm=algorithm, headers=_without_none(told)
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(
            message=f"jwt_claims: they cannot be signed: {error}", field="jwt_claims"
        ) from error
    return encoded


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


# -- keys ----------------------------------------------------------------------------------------


def read_key(path: str) -> SigningKey:
    """Return the private key in a file: in PEM format, or of a Google service account.

    :raises ConfigError: if there is none, or it cannot be used; it is ``retryable`` if that may change
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as unreadable:
        reason = getattr(unreadable, "strerror", None) or unreadable
        raise _fault(f"{path!r} cannot be read here: {reason}", retryable=True) from unreadable
    if not content.lstrip().startswith(b"{"):
        return _key_of(path, content)
    account = _object_of(content)
    if account is None:
        raise _fault(f"{path!r} is no JSON, though it begins as that", retryable=True)
    kind, text = account.get("type"), account.get("private_key")
    if kind != "service_account" or not isinstance(text, str):
        raise _fault(f"{path!r} is no key of a service account: its type is {kind!r:.50}")
    found = _key_of(path, text.encode(errors="replace"))
    key_id, email = account.get("private_key_id"), account.get("client_email")
    return SigningKey(found.key, found.algorithms, key_id and str(key_id), email and str(email))


def _object_of(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except ValueError:  # which holds the whole text, so that it must be in no error of ours
        return None
    return found if isinstance(found, dict) else None


def _key_of(path: str, content: bytes) -> SigningKey:
    fault = _fault_of(path, content)
    block = _PEM.search(content)
    if fault is not None or block is None:
        raise fault or _fault(f"{path!r} holds half a private key", retryable=True)
    try:
        serialization: Any = import_module("cryptography.hazmat.primitives.serialization")
        import_module("jwt")
    except ImportError as error:
        message = "private_key_file: signing needs PyJWT and cryptography: pip install 'pyjwt[crypto]'"
        raise ConfigError(message=message, field="private_key_file") from error
    try:
        key = serialization.load_pem_private_key(block[0], None)
    except Exception as error:  # of several kinds; none quotes the key
        raise _fault(f"{path!r} holds a private key that cannot be loaded: {error}") from error
    return SigningKey(key, _algorithms_of(path, key))


def _algorithms_of(path: str, key: Any) -> tuple[str, ...]:
    kinds: Any = import_module("cryptography.hazmat.primitives.asymmetric")
    names = ("rsa", "ec", "ed25519", "ed448")
    rsa, ec, ed25519, ed448 = (import_module(f"{kinds.__name__}.{name}") for name in names)
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < LEAST_BITS:
            raise _fault(f"{path!r} holds an RSA key of {key.key_size} bits; it needs {LEAST_BITS:,}")
        return _OF_RSA
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _OF_CURVES:
        return _OF_CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return ("EdDSA",)
    raise _fault(f"{path!r} holds a key that signs no JSON Web Token; RSA, P-256, P-384, P-521 and EdDSA do")


def _fault_of(path: str, content: bytes) -> ConfigError | None:
    """Return what a file holds in the place of a private key in PEM format that is not encrypted."""
    if b"BEGIN OPENSSH PRIVATE KEY" in content:
        return _fault(f"{path!r} is a key of OpenSSH: {_convert(path, 'OpenSSH')}")
    if b"ENCRYPTED" in content:
        return _fault(f"the key in {path!r} is encrypted, and no passphrase is asked for: {_convert(path)}")
    if b"PRIVATE KEY-----" in content:
        return None
    if b"PUBLIC KEY-----" in content or b"BEGIN CERTIFICATE" in content:
        return _fault(f"{path!r} is a public key or certificate; the private key that belongs to it signs")
    kind = kind_of(content)
    if kind in _COMMANDS:
        name = "a key in DER format" if kind == "key" else "a PKCS #12 file"
        return _fault(f"{path!r} is {name}: {_convert(path, kind)}")
    return _fault(
        f"{path!r} holds no private key in PEM format; a shared secret (HS256) is sent as it is, by"
        " token_endpoint_auth_method client_secret_basic or client_secret_post",
        retryable=not content.strip(),
    )


def _convert(path: str, kind: str = "encrypted") -> str:
    command = _COMMANDS[kind].format(file=shlex.quote(path))
    then = "" if kind == "OpenSSH" else ", and set private_key_file to key.pem"
    return f"convert it by `{command}`{then}"


def _fault(reason: str, *, retryable: bool = False) -> ConfigError:
    return ConfigError(message=f"private_key_file: {reason}", field="private_key_file", retryable=retryable)
