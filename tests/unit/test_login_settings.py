"""The settings of login endpoints: what they may be, and what is said of those that cannot be meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_mirrordb.client import ConfigError, MirrorDBConfig

PASSWORD = "s3cret-of-n0body"
LOGIN: dict[str, Any] = {
    "base_url": "https://backend.example/v1",
    "auth_type": "login",
    "login": "ada",
    "api_key": PASSWORD,
    "login_url": "api/login",
}


def config(**changes: Any) -> MirrorDBConfig:
    return MirrorDBConfig(**{**LOGIN, **changes})


@pytest.mark.parametrize(
    ("login_url", "asked"),
    [
        ("api/login", "https://backend.example/v1/api/login"),
        ("api/token/", "https://backend.example/v1/api/token/"),
        ("accounts:signIn?mode=a", "https://backend.example/v1/accounts:signIn?mode=a"),
        ("/auth/token", "https://backend.example/auth/token"),
        ("https://login.example:8443/a?b=c", "https://login.example:8443/a?b=c"),
    ],
)
def test_the_url_of_a_login(login_url: str, asked: str) -> None:
    """A path is relative to the base URL; one with a slash before it, to the host (RFC 3986, section 4.2)."""
    assert config(login_url=login_url).token_url == asked


@pytest.mark.parametrize(
    ("changes", "named", "words"),
    [
        ({"login_url": None}, "login_url", "it is missing, and auth_type 'login' needs it"),
        ({"login": None}, "login", "it is missing, and auth_type 'login' needs it"),
        ({"api_key": None}, "api_key", "it is missing, and auth_type 'login' needs it"),
        ({"login_url": "//login.example/login"}, "login_url", "a URL begins with https://"),
        ({"login_url": "login.example:443/login"}, "login_url", "a URL begins with https://"),
        ({"login_url": "ftp://login.example"}, "login_url", "it must be a URL without credentials"),
        ({"login_url": f"https://a:{PASSWORD}@login.example"}, "login_url", "it must be a URL without"),
        ({"login_url": f"login?password={PASSWORD}"}, "login_url", "credentials do not belong in the URL"),
        ({"login_url": "login#top"}, "login_url", "it must have no '#'"),
        ({"login_url": "api/../login"}, "login_url", "without blanks, backslashes and '..'"),
        ({"login_url": "api login"}, "login_url", "without blanks, backslashes and '..'"),
        ({"login_body": "username={login}"}, "login_body", "it must be a JSON object"),
        ({"login_body": ["{login}", "{password}"]}, "login_body", "it must be a JSON object"),
        (
            {"login_body": {"user": "ada", "pass": PASSWORD}},
            "login_body",
            "{password} is in none of its texts",
        ),
        ({"login_body": {"{password}": 1}}, "login_body", "{password} is in none of its texts"),
        ({"login_body": {"a": "{password}\ud800"}}, "login_body", "surrogate"),
        (
            {"login_content_type": "application/x-www-form-urlencoded", "login_body": {"a": ["{password}"]}},
            "login_body",
            "the value of 'a' is no text or number, and a form has no other",
        ),
        ({"login_content_type": "text/plain"}, "login_content_type", "it must be 'application/json' or"),
        ({"token_path": "data["}, "token_path", "is no path"),
        ({"token_cookie": "a b"}, "token_cookie", "it must be the name of a cookie"),
        ({"token_path": "a", "token_cookie": "b"}, "token_path", "token_cookie says where the token is"),
        ({"token_expires": -1}, "token_expires", "it must be a number of seconds above 0"),
        ({"token_expires": "0"}, "token_expires", "it must be a number of seconds above 0"),
        ({"token_expires": "inf"}, "token_expires", "it must be a number of seconds above 0"),
        ({"token_expires": True}, "token_expires", "not a boolean"),
        ({"token_expires": "data["}, "token_expires", "is no path"),
        ({"key_in": "cookie"}, "key_name", "it is missing: key_in 'cookie' needs the name of a cookie"),
        ({"key_in": "query"}, "key_name", "it is missing: key_in 'query' needs the name of a parameter"),
        ({"key_in": "query", "token_cookie": "a"}, "key_name", "it is missing: key_in 'query' needs"),
        ({"auth_type": "bearer"}, "login_url", "it goes with auth_type 'login', and auth_type is 'bearer'"),
        ({"auth_type": None}, "login_url", "it goes with auth_type 'login', which is not set"),
        ({"secret_headers": {"authorization": "x"}}, "secret_headers", "is set by the client"),
        ({"key_name": "X-T", "secret_headers": {"x-t": "x"}}, "secret_headers", "carries the key"),
    ],
)
def test_a_setting_that_cannot_be_meant(changes: dict[str, Any], named: str, words: str) -> None:
    """It is refused by name, with what would be right, and without the password."""
    with pytest.raises(ConfigError) as caught:
        config(**changes)
    assert (caught.value.field, words in caught.value.message) == (named, True), caught.value.message
    assert PASSWORD not in f"{caught.value!r}{caught.value.to_dict()}"


def test_a_login_may_be_a_part_of_the_url() -> None:
    """As Vault's: no Login is needed then, nor forbidden."""
    body = {"password": "{password}"}
    assert config(login=None, login_body=body).login is None
    assert config(login_body=body).login == "ada"


async def test_no_secret_of_a_login_is_shown() -> None:
    """The body is, with the names of its fields."""
    shown = config(token_expires="600").masked()
    assert PASSWORD not in json.dumps(shown)
    assert shown["login_body"] == {"username": "{login}", "password": "{password}"}
    assert shown["token_expires"] == 600
