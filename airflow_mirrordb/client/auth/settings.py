"""The settings that say how a client proves who it is; a part of ``MirrorDBConfig``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from airflow_mirrordb.client.auth.login.settings import LOGIN_SETTINGS, LoginSettings
from airflow_mirrordb.client.auth.oauth.settings import OAUTH_CREDENTIALS, OAUTH_SETTINGS, OAuthClient
from airflow_mirrordb.client.errors import ConfigError
from airflow_mirrordb.client.messages.headers import (
    OVERRIDES,
    RESERVED_HEADERS,
    TOKEN,
    header_key,
)
from airflow_mirrordb.client.setting_types import (
    ErrorStatuses,
    Line,
    SecretHeaders,
    check_sent_text,
    plain_text,
)

AuthType = Literal["none", "bearer", "api_key", "basic", "oauth2", "login"]
KeyPlace = Literal["header", "query", "cookie"]

#: Settings that are rotated together, and looked up again once they are refused.
CREDENTIALS = frozenset({"login", "api_key", "secret_headers"}) | OAUTH_CREDENTIALS
#: What each kind of authentication sends. Basic credentials need one of two, and
#: OAuth 2.0 has kinds of its own.
_SENDS = {"bearer": ("api_key",), "api_key": ("api_key",)}
#: A token as it is in a header (RFC 6750, section 2.1), or with the name of that.
_HAS_SCHEME = re.compile(r"\s*(?:authorization\s*:\s*)?bearer\s", re.IGNORECASE)
#: Settings that say something of one kind of authentication alone.
_OF_ONE_KIND = {
    "key_in": "api_key",
    "key_name": "api_key",
    "key_prefix": "api_key",
    **dict.fromkeys(OAUTH_SETTINGS, "oauth2"),
    **dict.fromkeys(LOGIN_SETTINGS, "login"),
}
#: What a cookie's value may not hold (RFC 6265, section 4.1.1: cookie-octet).
NO_COOKIE = re.compile(r'[^\x21-\x7e]|[",;\\]')
_DEFAULT_HEADER = "X-API-Key"
_DEFAULT_HEADERS = {"login": "Authorization"}
#: Kinds whose key or token goes where ``key_in`` says, and kinds that fetch a token.
_PLACED = frozenset({"api_key", "login"})
_FETCHES = frozenset({"oauth2", "login"})


def wrong(field: str, reason: str) -> ConfigError:
    """Return the error of a setting."""
    return ConfigError(message=f"{field}: {reason}", field=field)


class AuthenticationSettings(OAuthClient, LoginSettings):
    """How a client proves who it is."""

    auth_conn_id: str | None = None
    """Id of another Airflow connection, whose Login and Password are used; nothing to a client by itself."""
    auth_type: AuthType | None = None
    """How the key is sent; by default ``basic`` with a login, ``bearer`` with only a key, else ``none``."""
    key_in: KeyPlace = "header"
    """Where the key goes with ``api_key``, or the token with ``login`` (OpenAPI 3.1, Security Scheme Object).

    In the query it is added on the wire alone, so that no log, link or stored request has it.
    """
    key_name: Line | None = None
    """Name of the header, query parameter or cookie that has the key, or the token.

    A header's default is ``X-API-Key``, and ``Authorization`` for ``login``.
    """
    key_prefix: Line | None = None
    """Text before the key, as ``Token``; a blank is put behind a letter or digit.

    Only the default header of ``login`` has one by itself: ``Bearer``.
    """
    secret_headers: SecretHeaders = Field(default_factory=dict)
    """Further headers that are secrets, for every request, beside whatever ``auth_type`` sends."""
    auth_statuses: ErrorStatuses = frozenset({HTTPStatus.UNAUTHORIZED.value})
    """HTTP statuses by which the backend says that the key is no longer good: it is looked up again once."""

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("it is nothing but blanks")
        return value

    @field_validator("secret_headers")
    @classmethod
    def _check_secret_headers(cls, value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        for name, secret in value.items():
            if header_key(name) in RESERVED_HEADERS | OVERRIDES:
                raise ValueError(f"{name!r} is set by the client; auth_type and key_name say what it sends")
            try:
                check_sent_text(secret.get_secret_value())
            except ValueError as error:
                raise ValueError(f"the value of {name!r}: {error}") from None
        return value

    @property
    def auth(self) -> AuthType:
        """How requests authenticate, with the default resolved."""
        if self.auth_type is not None:
            return self.auth_type
        if self.login:
            return "basic"
        return "bearer" if self.api_key else "none"

    @property
    def fetches_token(self) -> bool:
        """Whether requests carry a token that has to be fetched first."""
        return self.auth in _FETCHES

    @property
    def key_place(self) -> KeyPlace:
        """Where a key or token goes: one that came as a cookie goes back as that, if nothing else is said."""
        is_cookie = self.auth == "login" and self.token_cookie is not None and self.key_name is None
        return "cookie" if is_cookie and self.key_in == "header" else self.key_in

    @property
    def sent_name(self) -> str | None:
        """Name of the header, query parameter or cookie that carries it; None if nobody said one."""
        if self.key_place == "header":
            return self.key_name or _DEFAULT_HEADERS.get(self.auth, _DEFAULT_HEADER)
        return self.key_name or (self.token_cookie if self.key_place == "cookie" else None)

    @property
    def sent_prefix(self) -> str:
        """Text before it."""
        has_scheme = self.auth == "login" and self.key_place == "header" and self.key_name is None
        return self.key_prefix or ("Bearer" if has_scheme else "")

    @property
    def key_header(self) -> str | None:
        """The header that carries the key or token; None if it goes elsewhere."""
        return self.sent_name if self.auth in _PLACED and self.key_place == "header" else None

    @property
    def query_key(self) -> str | None:
        """The query parameter that carries it; None if none does."""
        return self.key_name if self.auth in _PLACED and self.key_in == "query" else None

    def check_authentication(self, *, may_get_key: bool) -> None:
        """Refuse a kind of authentication that lacks what it sends, or what only another kind would use.

        :param may_get_key: whether a key may come later, by a client's ``update_api_key``
        :raises ConfigError: names what is missing, or what would have no effect
        """
        missing = list(self._missing(may_get_key=may_get_key))
        if missing:
            words = "; ".join(f"{name}: it is missing, and {kind} needs it" for name, kind in missing)
            raise ConfigError(message=words, field=missing[0][0])
        for name, reason in self.idle_of_oauth() if self.auth == "oauth2" else ():
            raise wrong(name, reason)
        key = plain_text(self.api_key)
        if self.auth == "basic" and ":" in (self.login or ""):
            raise wrong("login", "a user name of basic authentication has no colon (RFC 7617, section 2)")
        if self.auth == "bearer" and _HAS_SCHEME.match(key):
            raise wrong("api_key", "it begins with 'Bearer', which is put before it: give the token alone")
        for name, kind in _OF_ONE_KIND.items():
            default = AuthenticationSettings.model_fields[name].get_default(call_default_factory=True)
            is_given = getattr(self, name) != default
            if is_given and self.auth_type is None:  # one that was chosen may stand beside what others use
                raise wrong(name, f"it goes with auth_type {kind!r}, which is not set")
        self._check_login()
        self._check_key_place(key if self.auth == "api_key" else None)

    def _missing(self, *, may_get_key: bool) -> Iterator[tuple[str, str]]:
        """Yield the names of settings that are missing, each with what needs it."""
        if self.auth == "oauth2":  # of which the key is only one part
            yield from self.missing_of_oauth()
            return
        sends = () if may_get_key else _SENDS.get(self.auth, ())
        if self.auth == "basic" and not self.api_key:  # a backend may take a user without a password
            sends = ("login",)
        if self.auth == "login":
            sends = ("login_url", *(("login",) if self.sends_login else ()), "api_key")
        yield from ((name, f"auth_type {self.auth!r}") for name in sends if not getattr(self, name))

    def _check_login(self) -> None:
        """Check that the settings of a login endpoint say one thing, and are for nothing else.

        :raises ConfigError: if they do not; names one of them
        """
        given = next(self.given_of_login(), None)
        if given is not None and self.auth != "login":
            raise wrong(given, f"it goes with auth_type 'login', and auth_type is {self.auth!r}")
        if fault := self.fault_of_login():
            raise wrong(*fault)

    def _check_key_place(self, key: str | None) -> None:
        """Check that a key can be sent where it shall go.

        :param key: None if the kind of authentication has no such key
        :raises ConfigError: if it cannot; says what would be right
        """
        if self.auth in _PLACED and self.sent_name is None:
            example = "parameter, as api_key" if self.key_in == "query" else "cookie, as session"
            raise wrong("key_name", f"it is missing: key_in {self.key_in!r} needs the name of a {example}")
        if self.key_in != "query" and self.key_name is not None and not TOKEN.fullmatch(self.key_name):
            example = "header, as X-API-Key" if self.key_in == "header" else "cookie, as session"
            raise wrong("key_name", f"it must be the name of a {example}, without blanks and colons")
        header = header_key(self.key_name or "") if self.key_in == "header" else ""
        if header in RESERVED_HEADERS - {"authorization"}:
            mend = "; a cookie is sent by key_in 'cookie'" if header == "cookie" else ""
            raise wrong("key_name", f"the client sets this header itself{mend}")
        if key and self.key_in == "cookie" and NO_COOKIE.search(f"{self.key_prefix or ''}{key}"):
            marks = "a blank, quote, comma, semicolon, backslash or letter beyond ASCII"
            raise wrong("api_key", f"it holds {marks}, which no cookie can (RFC 6265, section 4.1.1)")

    @property
    def own_headers(self) -> frozenset[str]:
        """The headers that only the connection sets, as :func:`header_key` returns their names."""
        return frozenset(map(header_key, (self.key_header or _DEFAULT_HEADER, *self.secret_headers)))

    def check_own_headers(self, headers: Mapping[str, str], idempotency_header: str | None) -> None:
        """Check that no two settings set the same header.

        :raises ConfigError: names one of them
        """
        secret = set(map(header_key, self.secret_headers))
        if header_key(self.key_header or "") in secret:
            raise wrong("secret_headers", f"{self.key_header!r} carries the key, as key_name says")
        for name in headers:
            if header_key(name) in secret:
                raise wrong("headers", f"{name!r} is one of secret_headers as well; leave one of the two")
        if header_key(idempotency_header or "") in RESERVED_HEADERS | self.own_headers:
            raise wrong("idempotency_header", "the client sets this header itself")
