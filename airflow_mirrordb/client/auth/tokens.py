"""Access tokens of OAuth 2.0 (RFC 6749): how one is asked for, and what may be made of the answer.

An answer may hold tokens under any name. So nothing of it is ever quoted but ``error``,
``error_description`` and ``error_uri``, which are meant for people (section 5.2).
When one is renewed, once for all requests, is decided in ``authenticator.py``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from multidict import CIMultiDict
from yarl import URL

from airflow_mirrordb.client.auth.login.lifetimes import SHORTEST_LIFETIME
from airflow_mirrordb.client.auth.oauth.grants import Proofs, token_form
from airflow_mirrordb.client.auth.redaction import shortened
from airflow_mirrordb.client.auth.schemes import Credentials, client_headers
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.endpoints.urls import shown
from airflow_mirrordb.client.errors import AuthenticationError, ResponseError, TransportError
from airflow_mirrordb.client.messages.answer_errors import REDIRECTS, status_error
from airflow_mirrordb.client.messages.request import WireRequest
from airflow_mirrordb.client.messages.request_headers import USER_AGENT
from airflow_mirrordb.client.messages.response import SUCCESS, Answer

if TYPE_CHECKING:
    from airflow_mirrordb.client.wire.transport import Transport

#: Seconds; a token is renewed while requests that carry the old one may still be answered.
EARLY = 60.0
#: Bytes of an answer that are read for a token: many times more than any header can carry.
MAX_ANSWER = 2**20

#: Statuses by which a token is refused (RFC 6749, section 5.2); others may be those of another server.
_REFUSALS = (400, 401)
#: What can be sent as a token.
VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")  # RFC 6749, appendix A.12
_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token and the unix time from which on it is renewed; infinity if it says no end."""

    value: str = field(repr=False)
    renew_at: float
    refresh_token: str | None = field(default=None, repr=False)
    """The one to use next, if the answer has one."""

    @classmethod
    def living(cls, value: str, lifetime: float, *, now: float, refresh_token: str | None = None) -> Token:
        """Return a token that lives for so many seconds from now on."""
        renew_at = now + lifetime - min(EARLY, lifetime / 10)
        return cls(value=value, renew_at=renew_at, refresh_token=refresh_token)


async def fetch_token(
    config: MirrorDBConfig,
    transport: Transport,
    proofs: Proofs,
    *,
    now: float,
    learn: Callable[[Iterable[str]], None],
) -> Token:
    """Get an access token by the grant of the configuration.

    :param proofs: what entitles to it, beside the settings
    :param now: unix time
    :param learn: is told the tokens before anything else is done with them, so that no error shows one
    :raises ResponseError: if the authorization server refuses
    :raises TransportError: if it does not answer
    :raises AuthenticationError: if its answer holds no token that can be used
    """
    form = token_form(config, proofs)
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": USER_AGENT,
    }
    request = request_for_token(config, CIMultiDict(headers), urlencode(form).encode())
    try:
        answer = await transport.send(request, Credentials(client_headers(config)))
    except TransportError as error:
        error.message = f"the authorization server gave no token: {error.message}"
        raise
    body = _object_of(answer)
    learn(text for name, text in body.items() if name.endswith("token") and isinstance(text, str))
    if answer.status not in SUCCESS:
        raise _refusal(answer, body, config, now)
    if answer.broken is not None:
        raise answer.broken
    return _token_of(answer, body, config, now)


def request_for_token(config: MirrorDBConfig, headers: CIMultiDict[str], body: bytes) -> WireRequest:
    """Return a POST to where the configuration has its tokens from."""
    url = URL(config.token_url)
    return WireRequest(
        method="POST",
        origin=url.origin(),
        target=url.raw_path_qs,
        headers=headers,
        body=body,
        timeout=config.timeout,
        repeatable=True,
    )


def json_of(answer: Answer) -> Any:
    """Return the JSON that an answer holds; None if it holds none, or is too long."""
    if too_long(answer):
        return None
    try:
        # floats have no limit of digits, and infinity is as good as a lifetime of 400 of them
        return json.loads(answer.body, parse_int=float, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def too_long(answer: Answer) -> str:
    """Return why an answer was not read as a whole; "" if it was."""
    return answer.refused or (f"with more than {MAX_ANSWER:,} bytes" if len(answer.body) > MAX_ANSWER else "")


def _object_of(answer: Answer) -> dict[str, Any]:
    body = json_of(answer)
    return body if isinstance(body, dict) else {}


def _token_of(answer: Answer, body: Mapping[str, Any], config: MirrorDBConfig, now: float) -> Token:
    """Return the token of a success, which may be any 2xx: many servers say that they created one.

    :raises AuthenticationError: if there is none, or it is not known how to use it
    """
    value, kind = body.get("access_token"), body.get("token_type")
    if fault := too_long(answer):
        reason = f"but {fault}"
    elif not isinstance(value, str) or not VALUE.fullmatch(value):
        reason = "but without an access_token that can be sent"
    elif isinstance(kind, str) and kind.strip() and not kind.strip().lower().startswith("bearer"):
        # Section 7.1: it must not be used then. Servers leave the type out, or say "BearerToken".
        reason = "but with a token_type other than Bearer"
    else:
        refresh_token = body.get("refresh_token")
        if not isinstance(refresh_token, str) or not refresh_token.strip():
            refresh_token = None
        lifetime = _lifetime(body.get("expires_in"))
        return Token.living(value, lifetime, now=now, refresh_token=refresh_token)
    _, words = _words(body)
    told = f"{reason}{': ' if words else ''}{words}{_asked_for(config)}"
    message = f"the authorization server answered {answer.status}, {told}"
    raise AuthenticationError(message=message, status=answer.status)


def _lifetime(value: object) -> float:
    """Return for how many seconds a token lives; infinity if the answer does not say.

    It is only recommended that it does (section 5.1), and some servers say it as text. What cannot be meant
    counts as not said: anything but a number, and less than a second, by which each request would fetch a
    token of its own. Such a token is used until a 401 refuses it.
    """
    if isinstance(value, str) and _SECONDS.fullmatch(value.strip()):
        value = float(value)
    return value if isinstance(value, float) and value >= SHORTEST_LIFETIME else math.inf


def _refusal(answer: Answer, body: Mapping[str, Any], config: MirrorDBConfig, now: float) -> ResponseError:
    code, words = _words(body)
    error = status_error(answer, config, now=now, code=code, detail=words)
    if answer.status in _REFUSALS:
        error.message = f"the authorization server refused a token: {error.message}"
    else:
        error.message = f"the authorization server answered {error.message}{_asked_for(config)}"
    if answer.status in REDIRECTS:
        error.message += "; the redirect was not followed: set oauth_url to where it leads"
    return error


def _asked_for(config: MirrorDBConfig) -> str:
    """Return which URL was asked for a token, which may not be that of a token endpoint, and who says it."""
    return f" (asked for {shown(config.oauth_url or '')}, the oauth_url)"


def _words(body: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the code of an error (section 5.2), and all that may be told of it."""
    texts = {
        name: " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        for name in ("error", "error_description", "error_uri")
        if isinstance(text := body.get(name), str)
    }
    code = shortened(texts.get("error", ""), 200)
    description = shortened(texts.get("error_description", ""), 1000)
    uri = shortened(shown(texts.get("error_uri", "")), 500)
    return code or None, " ".join(filter(None, (description or code, uri and f"({uri})")))
