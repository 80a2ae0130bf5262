"""How the settings of a connection may be written: leniently in form, as text, JSON or its own type. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, unquote

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from airflow_mirrordb.client.endpoints.patterns import METHODS
from airflow_mirrordb.client.endpoints.redirect_hosts import checked_host
from airflow_mirrordb.client.endpoints.urls import is_absolute, origin_of, split_url
from airflow_mirrordb.client.messages.headers import CONTROL, TOKEN
from airflow_mirrordb.client.unicode import HALF_A_PAIR, is_unicode

T = TypeVar("T")

#: In the names of credentials, which RFC 6749, section 2.3.1 keeps out of the URL of a token endpoint.
_CREDENTIALS = re.compile(r"secret|passw|token|key|credential|assertion|signature", re.IGNORECASE)
_LOGIN_URL = "a URL, as https://login.example.com/login, or a path relative to the base URL, as api/login"
#: A host and a port, without the scheme of a URL.
_HOST_AND_PORT = re.compile(r"[^/:]+:\d+(?:/|$)")


def plain_text(secret: SecretStr | None) -> str:
    """Return what a secret is; "" if there is none."""
    return secret.get_secret_value() if secret else ""


def _as_list(value: object) -> object:
    """A list may come as JSON text, or as words between commas, white space or line breaks."""
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple | set | frozenset) else value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return value.replace(",", " ").split()


def _as_patterns(value: object) -> object:
    """As a list, with ``DELETE api/cache`` kept in one piece."""
    words = _as_list(value)
    if not isinstance(value, str) or not isinstance(words, list) or value.lstrip().startswith("["):
        return words
    patterns: list[str] = []
    for word in words:
        if patterns and patterns[-1].upper() in METHODS:
            patterns[-1] += f" {word}"
        else:
            patterns.append(word)
    return patterns


def _as_statuses(value: object) -> object:
    """As a list; ``none`` is an empty one, since nothing stands for the default."""
    is_none = isinstance(value, str) and value.strip().lower() == "none"
    return [] if is_none else _as_list(value)


def _as_mapping(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f'it must be a JSON object, as {{"X-Tenant": "acme"}}: {error}') from None


def check_sent_text(text: str) -> None:
    """Check a secret that is sent in a header, a cookie or a URL, or kept beside them.

    :raises ValueError: with the reason, which does not quote it
    """
    _checked_line(text)
    if not is_unicode(text):
        raise ValueError(HALF_A_PAIR)


def _checked_line(value: T) -> T:
    if isinstance(value, str) and CONTROL.search(value):
        raise ValueError("it holds a line break or another control character")
    return value


def _checked_secret(value: SecretStr) -> SecretStr:
    check_sent_text(value.get_secret_value())
    return value


def _as_parameter(value: object) -> object:
    """A value is text, a number, or a list of those: some parameters may be sent several times."""
    values = value if isinstance(value, list | tuple) else [value]
    for part in values:
        if isinstance(part, bool) or not isinstance(part, str | int | float) or part != part:  # noqa: PLR0124
            raise ValueError("it must be text, in quotes, or a list of texts")
        check_sent_text(str(part))
    return tuple(str(part) for part in values)


def _as_method(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not a boolean")  # noqa: TRY004  # pydantic reads ValueError
    return value


def _as_verify(value: object) -> object:
    if not isinstance(value, str) and value not in (True, False):  # 1 and 0 are these as well
        raise ValueError(f"it must be true, false or the path of a CA file or folder, not {value!r:.100}")
    words = dict.fromkeys(("true", "yes", "1"), True) | dict.fromkeys(("false", "no", "0"), False)
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _checked_header_name(value: str) -> str:
    if not TOKEN.fullmatch(value):
        raise ValueError("it must be the name of a header, as Idempotency-Key, without blanks and colons")
    return value


def _checked_proxy(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    parts = split_url(url)
    has_rest = parts.path not in ("", "/") or any(character in url for character in "?# ")
    if parts.scheme.startswith("socks"):
        raise ValueError("SOCKS is not spoken; it must be an HTTP proxy, as http://proxy.example.com:3128")
    if parts.scheme not in ("http", "https") or not parts.hostname or has_rest:
        raise ValueError(
            "it must be a URL without path and query, as http://user:password@proxy.example.com:3128;"
            " a blank, '/', '?' or '#' of a password is written as %20, %2F, %3F or %23"
        )
    origin_of(parts)
    _check_credentials(parts.username or "", parts.password or "")
    return value


def _check_credentials(user: str, password: str) -> None:
    """Check the parts of a URL that become basic credentials (RFC 7617, section 2).

    :raises ValueError: with the reason
    """
    try:
        user, password = unquote(user, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("user and password must be UTF-8 in percent-encoding") from None
    if ":" in user:
        raise ValueError("a user name of basic authentication has no colon (RFC 7617, section 2)")
    if CONTROL.search(user) or CONTROL.search(password):
        raise ValueError("user or password hold a line break or another control character")


def _checked_token_url(value: str) -> str:
    parts = split_url(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("it must be a URL without credentials, as https://login.example.com/oauth/token")
    if any(_CREDENTIALS.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise ValueError("credentials do not belong in the URL; use login and password")
    if parts.fragment:  # RFC 6749, section 3.2
        raise ValueError("it must have no '#'")
    origin_of(parts)
    return value


def _checked_login_url(value: str) -> str:
    if is_absolute(value):
        return _checked_token_url(value)
    if value.startswith("//") or _HOST_AND_PORT.match(value):
        raise ValueError(f"it must be {_LOGIN_URL}; a URL begins with https://")
    if re.search(r"[\s\\]", value) or CONTROL.search(value) or {".", ".."} & set(value.split("/")):
        raise ValueError(f"it must be {_LOGIN_URL}, without blanks, backslashes and '..'")
    _checked_token_url(f"https://relative.invalid/{value.lstrip('/')}")
    return value


Integer = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean), Field(allow_inf_nan=False)]
HeaderName = Annotated[str, AfterValidator(_checked_header_name)]
Line = Annotated[str, AfterValidator(_checked_line)]
Secret = Annotated[SecretStr, AfterValidator(_checked_secret)]
Headers = Annotated[Mapping[HeaderName, str], BeforeValidator(_as_mapping)]
TokenParameters = Annotated[
    Mapping[str, Annotated[tuple[str, ...], BeforeValidator(_as_parameter)]], BeforeValidator(_as_mapping)
]
JSONObject = Annotated[Mapping[str, Any], BeforeValidator(_as_mapping)]
SecretHeaders = Annotated[Mapping[HeaderName, SecretStr], BeforeValidator(_as_mapping)]
Patterns = Annotated[tuple[str, ...] | None, BeforeValidator(_as_patterns)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(checked_host)], ...] | None, BeforeValidator(_as_list)]
Verify = Annotated[bool | str, BeforeValidator(_as_verify), AfterValidator(_checked_line)]
ErrorStatuses = Annotated[frozenset[Annotated[Integer, Field(ge=400, le=599)]], BeforeValidator(_as_statuses)]
SuccessStatuses = Annotated[
    frozenset[Annotated[Integer, Field(ge=201, le=299)]], BeforeValidator(_as_statuses)
]
Proxy = Annotated[SecretStr, AfterValidator(_checked_proxy), AfterValidator(_checked_secret)]
TokenUrl = Annotated[str, AfterValidator(_checked_token_url)]
LoginUrl = Annotated[str, AfterValidator(_checked_login_url)]
AnyCase = BeforeValidator(_as_method)
