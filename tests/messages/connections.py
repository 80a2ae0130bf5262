"""Mistakes of who fills in a connection, each with what its message must say."""

from __future__ import annotations

from tests.messages.mistakes import Mistake, extra, reads

#: How the key is sent.
AUTHENTICATION = {
    "a token URL without its kind of authentication": Mistake(
        does=reads(),
        connection={"login": "id", **extra(oauth_url="https://login.example.com/token")},
        says=("connection crm", "extra oauth_url", "auth_type 'oauth2', which is not set"),
    ),
    "the header of a key without its kind of authentication": Mistake(
        does=reads(),
        connection=extra(key_name="X-Token"),
        says=("connection crm", "extra key_name", "auth_type 'api_key', which is not set"),
    ),
    "a kind of authentication without the key": Mistake(
        does=reads(),
        connection={"password": "", **extra(auth_type="bearer")},
        says=("connection crm", "Password: it is missing", "auth_type 'bearer' needs it"),
    ),
    "oauth2 without a client id and a URL": Mistake(
        does=reads(),
        connection=extra(auth_type="oauth2"),
        says=("extra oauth_url: it is missing", "Login: it is missing", "auth_type 'oauth2' needs it"),
    ),
}

CONNECTIONS: dict[str, dict[str, Mistake]] = {"How the key is sent": AUTHENTICATION}
