"""Assertions that are signed with a private key: made anew for each request, with the key that is there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from airflow_mirrordb.client import AuthenticationError, GenericMirrorDB, MirrorDBError
from tests.zoo.auth.assertion_ways import KEYCLOAK
from tests.zoo.auth.authorizing import RECORDS, Refused, TokenRequest
from tests.zoo.auth.oauth_running import Running
from tests.zoo.auth.oauth_ways import SECRET, STANDARD
from tests.zoo.auth.seen import assert_hidden, texts_of
from tests.zoo.auth.signing import SigningKeys


async def test_an_authorization_server_that_fails_is_asked_again(running: Running) -> None:
    """With another assertion: the one before may have been noted (RFC 7523, section 3, item 7)."""
    server = running.server(KEYCLOAK)
    failed: list[TokenRequest] = []

    def fail(request: TokenRequest) -> None:
        if not failed:
            failed.append(request)
            raise Refused("temporarily_unavailable", "come back", 503)

    server.rules.append(fail)  # after its jti was noted
    async with running.client(KEYCLOAK, server) as client:
        assert await client.create_function("new", "api/things", {}) == RECORDS
    assert len({asked.form["client_assertion"] for asked in server.asked}) == 2


async def test_a_key_file_that_changes_is_read_anew(
    running: Running, keys: SigningKeys, tmp_path: Path
) -> None:
    """A key that rotates on disk costs no restart: the renewal signs with what is there then."""
    path = tmp_path / "key.pem"
    shutil.copy(keys.other, path)
    server = running.server(KEYCLOAK)
    settings = {**running.settings(KEYCLOAK, server), "private_key_file": str(path)}
    async with GenericMirrorDB(settings, clock=running._clock.as_clock()) as client:
        with pytest.raises(AuthenticationError):
            await client.read_function("read", "api/things")
        shutil.copy(keys.rsa, path)
        assert await client.read_function("read", "api/things") == RECORDS


@pytest.mark.parametrize(
    "text", [None, "", "no key", "-----BEGIN PRIVATE KEY-----\nc4nary\n-----END PRIVATE KEY-----"]
)
async def test_a_key_file_that_is_none(running: Running, tmp_path: Path, text: str | None) -> None:
    """Missing, empty or something else: the error names the setting and the file, and shows nothing of it."""
    path = tmp_path / "key.pem"
    if text is not None:
        path.write_text(text)
    server = running.server(KEYCLOAK)
    settings = {**running.settings(KEYCLOAK, server), "private_key_file": str(path)}
    with pytest.raises(MirrorDBError) as caught:  # it may be told when the client is made
        async with GenericMirrorDB(settings, clock=running._clock.as_clock()) as client:
            await client.read_function("read", "api/things")
    assert "private_key_file" in str(caught.value)
    assert str(path) in str(caught.value)
    assert_hidden(["c4nary"], texts_of(caught.value))
    assert caught.value.retryable is (not text)  # somebody may be about to write it
    assert server.asked == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"token_endpoint_auth_method": "private_key_jwt"}, "private_key_file"),
        ({"grant_type": "jwt_bearer"}, "private_key_file"),
        (
            {"jwt_headers": {"alg": "none"}, "private_key_file": "/k", "grant_type": "jwt_bearer"},
            "jwt_headers",
        ),
        (
            {"jwt_headers": {"alg": "HS256"}, "private_key_file": "/k", "grant_type": "jwt_bearer"},
            "jwt_headers",
        ),
        ({"jwt_claims": ["iss"], "private_key_file": "/k", "grant_type": "jwt_bearer"}, "jwt_claims"),
    ],
)
def test_a_setting_that_cannot_be_meant(changes: dict[str, Any], named: str, keys: SigningKeys) -> None:
    """It is refused by name. ``none`` and ``HS256`` sign by no private key (RFC 7518, section 3)."""
    with pytest.raises(MirrorDBError) as caught:
        GenericMirrorDB({**STANDARD.client("https://backend.example", keys), **changes})
    assert named in str(caught.value)
    assert_hidden([SECRET], texts_of(caught.value))
