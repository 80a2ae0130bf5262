"""The URLs of the settings: checked with them, and no error shows a part of a password in one."""

from __future__ import annotations

import traceback
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, strategies as st
from yarl import URL

from airflow_mirrordb.client import ConfigError, MirrorDBConfig
from airflow_mirrordb.hooks.connections.config import config_from

FIELDS = ("base_url", "oauth_url", "proxy")
WORDS = ("c4nary", "PASSw0rd", "49152")


def settings(field: str, url: str) -> dict[str, Any]:
    return {"base_url": "http://backend.example", "auth_type": "none", field: url}


def shown(error: BaseException | None) -> str:
    """Everything that a log or a debugger could show of an error and what it came from."""
    texts = []
    while error is not None:
        texts += [*traceback.format_exception(type(error), error, error.__traceback__), repr(error)]
        texts += [repr(error.args), str(error)]
        error = error.__cause__ or error.__context__
    lines = "".join(texts).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("File ", "raise ", "^")))


# -- ports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "port", ["0", "65536", "99999", "abc", "8o", "-1", "+1", "²", "1.5", "80:80", "9" * 400]
)
def test_a_port_that_is_none_is_refused_with_the_settings(field: str, port: str) -> None:
    """It is a 16-bit number of digits (RFC 3986, section 3.2.3; RFC 9293, section 3.1), and 0 is none."""
    with pytest.raises(ConfigError, match="port must be a number from 1 to 65,535") as caught:
        MirrorDBConfig.model_validate(settings(field, f"https://host.example:{port}/path"))
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: ")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("port", "number"), [("", 443), (":", 443), (":1", 1), (":0443", 443), (":65535", 65535)]
)
def test_a_port_is_taken(field: str, port: str, number: int) -> None:
    """An empty one means the scheme's own, as none does (RFC 3986, section 3.2.3)."""
    made = MirrorDBConfig.model_validate(settings(field, f"https://host.example{port}"))
    value = getattr(made, field)
    assert URL(value.get_secret_value() if field == "proxy" else value).port == number
    assert made.changed({}) == made


@pytest.mark.parametrize("port", [-1, 65536, "abc", "1.5", "80 80", True])
def test_the_port_of_a_connection_is_checked(port: Any) -> None:
    """The field is named as the form names it."""
    with pytest.raises(ConfigError, match=r"^port: it must be a number from 1 to 65,535$") as caught:
        config_from(connection(host="host.example", port=port))
    assert caught.value.field == "port"


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("host.example", 8443, "https://host.example:8443"),
        ("host.example", "8443", "https://host.example:8443"),
        ("host.example:", 8443, "https://host.example:8443"),
        ("host.example:8443", 8443, "https://host.example:8443"),
        ("host.example", 0, "https://host.example"),
        ("host.example", "", "https://host.example"),
        ("fe80::1", 8443, "https://[fe80::1]:8443"),
    ],
)
def test_the_port_of_a_connection(host: str, port: Any, url: str) -> None:
    """A number, or text in a connection that somebody wrote as JSON; 0 says nothing, as none does."""
    assert config_from(connection(host=host, port=port)).base_url == url


def connection(**fields: Any) -> Any:
    names = ("conn_id", "conn_type", "host", "schema", "login", "password", "port", "extra")
    given = {"conn_type": "mirrordb", **fields}
    return SimpleNamespace(**{name: given.get(name) for name in names})


# -- passwords -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("base_url", "https://user:c4nary@host.example/"),
        ("base_url", "https://user:c4nary#x@host.example/"),
        ("base_url", "https://user:49152/c4nary@host.example/"),
        ("base_url", "https://c4nary:@host.example/"),
        ("base_url", "c4nary:PASSw0rd@host.example"),
        ("base_url", "https://user:[c4nary]@host.example:c4nary/"),
        ("oauth_url", "https://user:c4nary/x@host.example/"),
        ("oauth_url", "https://user:c4nary@host.example/"),
        ("oauth_url", "https://user:49152?c4nary@host.example/"),
        ("oauth_url", "https://host.example/#c4nary"),
        ("proxy", "http://user:c4nary/x@proxy.example:3128"),
        ("proxy", "http://user:c4nary?x@proxy.example:3128"),
        ("proxy", "http://user:49152#c4nary@proxy.example:3128"),
        ("proxy", "http://us/er:c4nary@proxy.example:3128"),
        ("proxy", "http://user:c4nary@proxy.example:c4nary"),
        ("proxy", "http://user:c4nary\u2100@proxy.example:3128"),
        ("proxy", "http://user:c4nary@[proxy.example]:3128"),
        ("proxy", "http://user:c4nary@[c4nary"),
        ("proxy", "http://user:c4nary@c4nary..c4nary"),
        ("proxy", "ftp://user:c4nary@proxy.example"),
        ("proxy", "user:c4nary@proxy.example:3128"),
    ],
)
def test_a_url_with_a_password_is_refused_without_it(field: str, url: str) -> None:
    """Not even a part of it shows, wherever the URL was taken apart."""
    with pytest.raises(ConfigError) as caught:
        MirrorDBConfig.model_validate(settings(field, url))
    assert caught.value.field == field
    assert not [word for word in WORDS if word in shown(caught.value)]


_TEXT = st.lists(st.sampled_from([*WORDS, *"/?#@:[]\\%{}<>^ é\u2100.-"]), min_size=1, max_size=6).map("".join)
_SCHEME = st.sampled_from(["https://", "HTTP://", "ftp://", "//", ""])


@given(field=st.sampled_from([*FIELDS, "host"]), scheme=_SCHEME, password=_TEXT, host=_TEXT)
@example(field="host", scheme="", password="c4nary", host="host.example:8080")
@example(field="host", scheme="https://", password="c4nary\u2100", host="host.example")
@example(field="proxy", scheme="https://", password="[c4nary", host="host.example")
def test_no_error_shows_a_part_of_a_url(field: str, scheme: str, password: str, host: str) -> None:
    """Whatever characters it has: the URL is taken, or refused without a word of it."""
    url = f"{scheme}user:{password}@{host}"
    try:
        if field == "host":
            config_from(connection(host=url, port=8080))
        else:
            MirrorDBConfig.model_validate(settings(field, url))
    except ConfigError as error:
        refused: ConfigError | None = error
    else:
        refused = None
    assert not [word for word in WORDS if word in shown(refused)]
