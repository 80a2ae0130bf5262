"""The settings of a login endpoint: where Login and Password go, and where the token is then."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, field_validator

from airflow_mirrordb.client.messages.headers import TOKEN
from airflow_mirrordb.client.setting_types import JSONObject, LoginUrl
from airflow_mirrordb.client.unicode import HALF_A_PAIR, is_unicode
from airflow_mirrordb.paths import parse_path

LoginMediaType = Literal["application/json", "application/x-www-form-urlencoded"]
FORM: LoginMediaType = "application/x-www-form-urlencoded"

#: What stands for the fields of the connection in ``login_body``.
PLACEHOLDER = re.compile(r"\{(login|password)\}")
DEFAULT_BODY = {"username": "{login}", "password": "{password}"}
DEFAULT_PATH = "access_token"


def _as_lifetime(value: object) -> object:
    """A number may be text; all other text is a path."""
    if isinstance(value, bool):
        raise ValueError("a number of seconds, or a path, is wanted, not a boolean")  # noqa: TRY004
    try:
        seconds = float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return value
    if seconds is None or not 0 < seconds < math.inf:
        raise ValueError("it must be a number of seconds above 0, or a path in the answer, as expires_in")
    return seconds


def texts_in(value: object) -> Iterator[str]:
    """Yield the text values of a body of JSON, not its names."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from texts_in(item)


class LoginSettings(BaseModel):
    """What only ``auth_type`` ``login`` uses."""

    login_url: LoginUrl | None = None
    """URL that Login and Password are POSTed to for a token, or its path relative to ``base_url``.

    One that begins with a slash is relative to the host (RFC 3986, section 4.2).
    """
    login_body: JSONObject = DEFAULT_BODY
    """What is POSTed there: JSON with ``{login}`` and ``{password}`` in any of its text values."""
    login_content_type: LoginMediaType = "application/json"
    """How that is sent: as JSON, or as a form, whose fields are the names of ``login_body``."""
    token_path: str | None = None
    """Path at which the answer has the token; ``access_token`` if neither it nor ``token_cookie`` is set."""
    token_cookie: str | None = None
    """Name of the cookie that is the token; it is sent as that cookie, unless ``key_name`` says otherwise."""
    token_expires: Annotated[float | str, BeforeValidator(_as_lifetime)] | None = None
    """For how many seconds the token lives, or the path at which the answer says that.

    There may be seconds (or milliseconds, if they would be more than a year), a unix time, or a date of
    ISO 8601. What a JWT says of its end (RFC 7519, section 4.1.4), or a cookie, is known without it.
    """

    @field_validator("login_body")
    @classmethod
    def _check_login_body(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        texts = list(texts_in(value))
        if not all(map(is_unicode, texts)):
            raise ValueError(HALF_A_PAIR)
        if not any("{password}" in text for text in texts):
            raise ValueError(
                '{password} is in none of its texts; as {"user": "{login}", "pass": "{password}"}'
            )
        return value

    @field_validator("token_path", "token_expires")
    @classmethod
    def _check_token_path(cls, value: str | float | None) -> str | float | None:
        if isinstance(value, str):
            parse_path(value)
        return value

    @field_validator("token_cookie")
    @classmethod
    def _check_token_cookie(cls, value: str | None) -> str | None:
        if value is not None and not TOKEN.fullmatch(value):
            raise ValueError("it must be the name of a cookie, as session, without blanks and semicolons")
        return value

    @property
    def sends_login(self) -> bool:
        """Whether ``login_body`` has a place for Login; some backends have it in the URL."""
        return any("{login}" in text for text in texts_in(self.login_body))

    def given_of_login(self) -> Iterator[str]:
        """Yield the names of these settings that are not the default."""
        for name in LOGIN_SETTINGS:
            if getattr(self, name) != LoginSettings.model_fields[name].default:
                yield name

    def fault_of_login(self) -> tuple[str, str] | None:
        """Return a setting that does not fit to another one, and the reason; None if all do."""
        if self.token_path is not None and self.token_cookie is not None:
            return "token_path", "token_cookie says where the token is as well; leave one of the two"
        if self.login_content_type == FORM:
            for name, value in self.login_body.items():
                if not isinstance(value, str | int | float):
                    return (
                        "login_body",
                        f"the value of {name!r:.100} is no text or number, and a form has no other",
                    )
        return None


LOGIN_SETTINGS = tuple(LoginSettings.model_fields)
