"""Assertions of a client and of who it acts for (RFC 7523), taken by an authorization server of Authlib's."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwk

from airflow_mirrordb.client import AuthenticationError, ConfigError, GenericMirrorDB, MirrorDBError
from airflow_mirrordb.client.auth.oauth.assertions import read_key
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.integration.test_secrets_forms import texts_of
from tests.support.authorization_server import CLIENT, PASSWORD, SECRET, USER, Authorizing
from tests.support.backends import Answering
from tests.support.connections import ConfigFor, SetConnection

Serve = Callable[[web.Application], Awaitable[str]]
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()
CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}


@cache
def key_of(kind: str) -> Any:
    """Return a private key, made once for all tests."""
    if kind == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(CURVES[kind])


def pem_of(key: Any, encryption: Any = PLAIN) -> bytes:
    pem: bytes = key.private_bytes(PEM, PKCS8, encryption)
    return pem


def public_pem(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem


class Asking:
    """A server, and the settings of a client of it."""

    def __init__(self, server: Authorizing, url: str, folder: Path) -> None:
        self.server, self.url, self.path = server, url, folder / "key.pem"
        self.use("RSA")
        server.audience = f"{url}/token"

    def use(self, kind: str) -> None:
        """Sign by a key of another kind."""
        key = key_of(kind)
        self.path.write_bytes(pem_of(key))
        self.server.key = jwk.import_key(
            public_pem(key), "OKP" if kind == "Ed25519" else "RSA" if kind == "RSA" else "EC"
        )

    def settings(self, **settings: Any) -> dict[str, Any]:
        own = {"auth_type": "oauth2", "oauth_url": f"{self.url}/token", "private_key_file": str(self.path)}
        return {name: value for name, value in {**own, **settings}.items() if value is not None}

    def sent(self, name: str) -> list[dict[str, Any]]:
        """Return the claims of all assertions of a name."""
        unchecked: Any = {"verify_signature": False}
        return [jwt.decode(form[name], options=unchecked) for form in self.server.asked if name in form]


@pytest.fixture
async def asking(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Asking:
    server = Authorizing()
    return Asking(server, await serve(server.application()), tmp_path_factory.mktemp("keys"))


def read(client: GenericMirrorDB) -> Any:
    return client.read_function("read", "api/users")


CLIENT_KEY = {"login": CLIENT, "token_endpoint_auth_method": "private_key_jwt"}
GRANT = {"grant_type": "jwt_bearer", "jwt_claims": {"iss": CLIENT, "sub": USER}}


# -- who takes them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"login": CLIENT, "api_key": SECRET, "private_key_file": None},
        {
            "login": CLIENT,
            "api_key": SECRET,
            "token_endpoint_auth_method": "client_secret_post",
            "private_key_file": None,
        },
        {
            "login": USER,
            "api_key": PASSWORD,
            "grant_type": "password",
            "client_id": CLIENT,
            "private_key_file": None,
        },
        {
            "login": USER,
            "api_key": PASSWORD,
            "grant_type": "password",
            "client_id": CLIENT,
            "token_endpoint_auth_method": "private_key_jwt",
        },
        CLIENT_KEY,
        {**CLIENT_KEY, "jwt_headers": {"kid": "7"}},
        GRANT,
        {"grant_type": "jwt_bearer", "login": CLIENT},
        {"grant_type": "jwt_bearer", "client_id": CLIENT, "token_endpoint_auth_method": "private_key_jwt"},
    ],
)
async def test_an_authorization_server_takes_each_way(
    asking: Asking, config_for: ConfigFor, settings: Mapping[str, Any]
) -> None:
    """All that a client can be told to prove itself by."""
    async with GenericMirrorDB(config_for(asking.url, **asking.settings(**settings))) as client:
        assert await read(client) == "Bearer SECRET-ACCESS-1"


@pytest.mark.parametrize("kind", ["RSA", "P-256"])
@pytest.mark.parametrize("settings", [CLIENT_KEY, GRANT])
async def test_the_algorithm_fits_the_key(
    asking: Asking, config_for: ConfigFor, kind: str, settings: Mapping[str, Any]
) -> None:
    """RFC 7518, section 3.1."""
    asking.use(kind)
    async with GenericMirrorDB(config_for(asking.url, **asking.settings(**settings))) as client:
        assert await read(client) == "Bearer SECRET-ACCESS-1"


async def test_each_attempt_has_an_assertion_of_its_own(asking: Asking, config_for: ConfigFor) -> None:
    """A server may refuse a jti that it has seen (RFC 7523, section 3), also in what it answered with 503."""
    asking.server.broken = 1
    config = config_for(asking.url, **asking.settings(**CLIENT_KEY))
    async with GenericMirrorDB(config) as client:
        assert await read(client) == "Bearer SECRET-ACCESS-1"
    first, second = asking.sent("client_assertion")
    assert first["jti"] != second["jti"]
    assert all(claims["exp"] - claims["iat"] == 180 for claims in (first, second))
    assert {first["iss"], first["sub"], second["iss"], second["sub"]} == {CLIENT}
    assert first["aud"] == f"{asking.url}/token"


async def test_a_hook_signs_too(
    asking: Asking, set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """In an async task, and with the key read off the event loop."""
    caplog.set_level(logging.DEBUG)
    extra = asking.settings(token_endpoint_auth_method="private_key_jwt")
    set_connection(asking.url, login=CLIENT, extra=extra)
    async with MirrorDBHook() as client:
        assert await read(client) == "Bearer SECRET-ACCESS-1"
    assert asking.server.asked[0]["client_assertion"][:20] not in caplog.text


async def test_an_assertion_that_is_refused(
    asking: Asking, config_for: ConfigFor, answering: Answering, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the words of the server, and in none of ours."""
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        told.append(str((await request.post())["client_assertion"]))
        words = {"error": "invalid_client", "error_description": f"not by {told[-1]}"}
        return web.json_response(words, status=401)

    backend = await answering(refuse)
    settings = asking.settings(**CLIENT_KEY, oauth_url=f"{backend.base_url}/token")
    async with GenericMirrorDB(config_for(asking.url, **settings)) as client:
        with pytest.raises(AuthenticationError, match=r"not by \*\*\*") as caught:
            await read(client)
    shown = "".join([*texts_of(caught.value), caplog.text])
    assert not [part for part in told[0].split(".") if part in shown]


# -- what is signed ------------------------------------------------------------------------------


async def test_a_service_account_needs_nothing_but_its_file(
    asking: Asking, config_for: ConfigFor, tmp_path: Path
) -> None:
    """Google, "Using OAuth 2.0 for Server to Server Applications": iss, scope, aud, exp, iat; kid."""
    account = {
        "type": "service_account",
        "private_key": pem_of(key_of("RSA")).decode(),
        "private_key_id": "key-7",
        "client_email": CLIENT,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    settings = asking.settings(grant_type="jwt_bearer", private_key_file=str(path), scope="sheets drive")
    async with GenericMirrorDB(config_for(asking.url, **settings)) as client:
        with pytest.raises(MirrorDBError, match="sub"):  # Authlib wants one
            await read(client)
    (claims,), (form,) = asking.sent("assertion"), asking.server.asked
    assert form.keys() == {"grant_type", "assertion"}
    assert (claims["iss"], claims["aud"], claims["scope"]) == (CLIENT, f"{asking.url}/token", "sheets drive")
    assert "sub" not in claims
    assert jwt.get_unverified_header(form["assertion"]) == {"typ": "JWT", "alg": "RS256", "kid": "key-7"}


async def test_claims_and_header_of_ones_own(asking: Asking, config_for: ConfigFor) -> None:
    """Salesforce wants another aud; null leaves a claim out."""
    claims = {"iss": "key", "sub": "ada", "aud": "https://login.salesforce.com", "nbf": None}
    settings = asking.settings(grant_type="jwt_bearer", jwt_claims=claims, jwt_headers='{"x5t#S256": "abc"}')
    async with GenericMirrorDB(config_for(asking.url, **settings)) as client:
        with pytest.raises(MirrorDBError):
            await read(client)
    (sent,) = asking.sent("assertion")
    assert {name: sent.get(name) for name in claims} == claims
    assert sent.keys() == {"iss", "sub", "aud", "iat", "exp", "jti"}
    header = jwt.get_unverified_header(asking.server.asked[0]["assertion"])
    assert header == {"typ": "JWT", "alg": "RS256", "x5t#S256": "abc"}


async def test_a_key_that_is_replaced_signs_from_the_next_token_on(
    asking: Asking, config_for: ConfigFor
) -> None:
    """Without a restart."""
    config = config_for(asking.url, **asking.settings(**CLIENT_KEY))
    async with GenericMirrorDB(config) as client:
        await read(client)
        asking.use("P-256")
        client._authenticator.forget_token()
        assert await read(client) == "Bearer SECRET-ACCESS-2"


# -- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("RSA", "RS256"), ("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512"), ("Ed25519", "EdDSA")],
)
def test_keys_and_their_algorithms(tmp_path: Path, kind: str, algorithm: str) -> None:
    """RFC 7518, section 3.4, and RFC 8037, section 3.1; a certificate may stand before the key."""
    path = tmp_path / "key.pem"
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" + pem_of(key_of(kind)))
    found = read_key(str(path))
    assert found.algorithms[0] == algorithm
    token = jwt.encode({"a": 1}, found.key, algorithm)
    assert jwt.decode(token, public_pem(key_of(kind)), [algorithm]) == {"a": 1}
    assert "key=" not in repr(found)


SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)
WRONG: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "a secret": (lambda: b"hs256-c4nary-secret", "a shared secret (HS256) is sent as it is, by"),
    "a public key": (lambda: public_pem(key_of("RSA")), "is a public key or certificate"),
    "an encrypted key": (
        lambda: pem_of(key_of("RSA"), serialization.BestAvailableEncryption(b"c4nary")),
        "is encrypted, and no passphrase is asked for: convert it by `openssl pkey -in ",
    ),
    "DER": (
        lambda: key_of("RSA").private_bytes(serialization.Encoding.DER, PKCS8, PLAIN),
        "is a key in DER format: convert it by `openssl pkey -inform DER",
    ),
    "OpenSSH": (
        lambda: key_of("Ed25519").private_bytes(PEM, serialization.PrivateFormat.OpenSSH, PLAIN),
        "is a key of OpenSSH: convert it by `ssh-keygen -p -m PEM -f ",
    ),
    "half a key": (lambda: pem_of(key_of("RSA"))[:300], "holds half a private key"),
    "garbage": (
        lambda: b"-----BEGIN PRIVATE KEY-----\nc4naryAA\n-----END PRIVATE KEY-----\n",
        "holds a private key that cannot be loaded: ",
    ),
    "a short key": (lambda: pem_of(SHORT), "holds an RSA key of 1024 bits; it needs 2,048"),
    "another curve": (
        lambda: pem_of(ec.generate_private_key(ec.SECP224R1())),
        "holds a key that signs no JSON Web Token",
    ),
    "no JSON": (lambda: b'{"private_key": "c4nary', "is no JSON, though it begins as that"),
    "a user's account": (
        lambda: b'{"type": "authorized_user", "refresh_token": "c4nary"}',
        "is no key of a service account: its type is 'authorized_user'",
    ),
    "nothing": (lambda: b"", "holds no private key in PEM format"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_key_that_cannot_be_used(asking: Asking, config_for: ConfigFor, name: str) -> None:
    """It is told when the client connects, as of client_cert, and nothing of it is shown."""
    content, says = WRONG[name]
    asking.path.write_bytes(content())
    client = GenericMirrorDB(config_for(asking.url, **asking.settings(**CLIENT_KEY)))
    with pytest.raises(ConfigError) as caught:
        await client.connect()
    assert (caught.value.field, client.is_connected) == ("private_key_file", False)
    assert says in caught.value.message
    shown = "".join(texts_of(caught.value))
    lines = content().decode(errors="replace").split("\n")[1:-1]
    assert "c4nary" not in shown
    assert not [line for line in lines if line and line in shown and not line.startswith("-----")]


async def test_a_key_that_is_not_there(asking: Asking, set_connection: SetConnection) -> None:
    """It may be on another machine; the error names the extra and the connection."""
    asking.path.unlink()
    set_connection(
        asking.url, login=CLIENT, extra=asking.settings(token_endpoint_auth_method="private_key_jwt")
    )
    with pytest.raises(
        ConfigError, match=r"extra private_key_file: .* cannot be read here: No such file"
    ) as caught:
        async with MirrorDBHook():
            pass
    assert caught.value.conn_id == "mirrordb_default"


@pytest.mark.parametrize(
    ("settings", "field", "says"),
    [
        ({**CLIENT_KEY, "jwt_headers": {"alg": "ES256"}}, "jwt_headers", "not by alg 'ES256'"),
        ({"grant_type": "jwt_bearer"}, "jwt_claims", "iss is missing, which says whose key it is"),
        ({"grant_type": "jwt_bearer", "jwt_claims": {"iss": 7}}, "jwt_claims", "they cannot be signed"),
    ],
)
async def test_what_cannot_be_signed(
    asking: Asking, config_for: ConfigFor, settings: Mapping[str, Any], field: str, says: str
) -> None:
    """Nobody is asked for a token then."""
    with pytest.raises(ConfigError, match=says) as caught:
        await GenericMirrorDB(config_for(asking.url, **asking.settings(**settings))).connect()
    assert caught.value.field == field
