"""Tokens of login endpoints: how Login and Password are sent, and how the token is found in the answer.

What comes with a token may be secret under any name. So nothing of the body of a success is ever quoted;
that of an error is told as far as that of any other, without what is called a token there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from multidict import CIMultiDict
from yarl import URL

from airflow_mirrordb.client.auth.login.cookies import SetCookie, cookies_set_by
from airflow_mirrordb.client.auth.login.lifetimes import lifetime_of, lifetime_of_jwt, shortest
from airflow_mirrordb.client.auth.login.settings import DEFAULT_PATH, FORM, PLACEHOLDER
from airflow_mirrordb.client.auth.schemes import Credentials, secret_headers
from airflow_mirrordb.client.auth.settings import NO_COOKIE
from airflow_mirrordb.client.auth.tokens import (
    MAX_ANSWER,
    VALUE,
    Token,
    json_of,
    request_for_token,
    too_long,
)
from airflow_mirrordb.client.bodies.errors.details import problem_from, problem_of_challenge
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.endpoints.urls import shown
from airflow_mirrordb.client.errors import AuthenticationError, ResponseError, TransportError
from airflow_mirrordb.client.messages.answer_errors import REDIRECTS, status_error
from airflow_mirrordb.client.messages.request import WireRequest
from airflow_mirrordb.client.messages.request_headers import USER_AGENT
from airflow_mirrordb.client.messages.response import SUCCESS, Answer
from airflow_mirrordb.client.retries.passing import is_web_page
from airflow_mirrordb.client.setting_types import plain_text
from airflow_mirrordb.paths import PathError, value_at

if TYPE_CHECKING:
    from airflow_mirrordb.client.wire.transport import Transport

#: Statuses by which backends refuse a login; others may be those of another server, or of one in trouble.
REFUSALS = (400, 401, 403, 422)
#: What a token, or something as secret, is called in an answer.
_SECRET = re.compile(
    r"token|jwt|secret|session|password|cookie|signature|(?:api|private|access).?key", re.IGNORECASE
)
#: A JWT (RFC 7515, section 3.1), whose header begins with '{"'.
_JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]{2,}\.[\w-]*")
#: What is no word or sentence, as those of errors.
_MAY_BE_SECRET = re.compile(r"\S{8,}")
#: Secrets of an answer that are hidden beside the token: they do not fill the memory for the others.
_MOST_SECRETS = 20
#: A name that may be told, and how many of them are.
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w-]{0,39}")
_MOST_NAMES = 5
_DEPTH = 4


async def log_in(
    config: MirrorDBConfig, transport: Transport, *, now: float, learn: Callable[[Iterable[str]], None]
) -> Token:
    """Get a token for Login and Password.

    :param now: unix time
    :param learn: is told the tokens before anything else is done with them, so that no error shows one
    :raises ResponseError: if the login is refused, or answered by an error
    :raises TransportError: if it is not answered
    :raises AuthenticationError: if its answer holds no token that can be used
    """
    try:
        answer = await transport.send(_request(config), _credentials(config))
    except TransportError as error:
        error.message = f"the login gave no token: {error.message}{_asked(config)}"
        raise
    body, cookies = json_of(answer), list(cookies_set_by(answer.headers, now))
    learn(_secrets_of(answer, body, cookies))
    if answer.status not in SUCCESS:
        raise _refusal(answer, config, now)
    if answer.broken is not None:
        raise answer.broken
    return _token_of(answer, body, cookies, config, now, learn)


def _request(config: MirrorDBConfig) -> WireRequest:
    """Return the login. The backend itself gets the headers of all requests, too; another host does not."""
    headers = CIMultiDict(config.headers if _is_of_backend(config) else {})
    for name, value in (
        ("Accept", "application/json"),
        ("Content-Type", config.login_content_type),
        ("User-Agent", USER_AGENT),
    ):
        headers[name] = value
    return request_for_token(config, headers, _sent_body(config))


def _credentials(config: MirrorDBConfig) -> Credentials:
    """Return what goes beside the login: headers that are secrets, to the backend itself."""
    return Credentials(secret_headers(config) if _is_of_backend(config) else {})


def _is_of_backend(config: MirrorDBConfig) -> bool:
    return URL(config.token_url).origin() == URL(config.base_url).origin()


def _sent_body(config: MirrorDBConfig) -> bytes:
    fields = {"login": config.login or "", "password": plain_text(config.api_key)}

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda found: fields[found[1]], value)  # none of one that is filled in
        if isinstance(value, Mapping):
            return {name: filled(item) for name, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, list | tuple) else value

    body = filled(config.login_body)
    if config.login_content_type != FORM:
        return json.dumps(body, ensure_ascii=False).encode()
    return urlencode(
        {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    ).encode()


def _secrets_of(answer: Answer, body: Any, cookies: Iterable[SetCookie]) -> list[str]:
    """Return what must not be seen of an answer beside its token."""
    jwts = _JWT.findall(answer.body[:MAX_ANSWER].decode(errors="replace"))
    named = (value for path, value in _texts_of(body) if _SECRET.search(path.rpartition(".")[2]))
    values = (*jwts, *named, *(cookie.value for cookie in cookies))
    return list(islice(filter(_MAY_BE_SECRET.fullmatch, values), _MOST_SECRETS))


def _texts_of(body: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the texts of an answer with their paths, down to some depth."""
    if isinstance(body, str):
        yield path, body
    elif isinstance(body, dict) and depth < _DEPTH:
        for name, item in body.items():
            yield from _texts_of(item, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(body, list) and depth < _DEPTH:
        for item in body:
            yield from _texts_of(item, path, depth + 1)


# -- the token -----------------------------------------------------------------------------------


def _token_of(
    answer: Answer,
    body: Any,
    cookies: list[SetCookie],
    config: MirrorDBConfig,
    now: float,
    learn: Callable[[Iterable[str]], None],
) -> Token:
    """Return the token of a success, which may be any 2xx: Airflow says 201.

    :raises AuthenticationError: if there is none
    """
    cookie = next((one for one in reversed(cookies) if one.name == config.token_cookie), None)
    fault, value = "", cookie.value if cookie else None
    if config.token_cookie is None:
        fault, value = _found_at(config.token_path or DEFAULT_PATH, body)
    if isinstance(value, str):
        learn([value])
    if unread := too_long(answer):
        reason = f"but {unread}"
    elif fault or value is None:
        reason = fault or _nothing_found(answer, body, cookies, config)
    elif not isinstance(value, str) or not VALUE.fullmatch(value) or _breaks_cookie(value, config):
        place = f"the cookie {config.token_cookie}" if cookie else f"token_path {_path(config)}"
        reason = f"but what is at {place} cannot be sent as a token"
    else:
        lifetime = _lifetime(value, cookie, body, config, now)
        return Token.living(value, lifetime, now=now)
    message = f"the login was answered {answer.status}, {reason}{_asked(config)}"
    raise AuthenticationError(message=message, status=answer.status)


def _found_at(path: str, body: Any) -> tuple[str, Any]:
    """Return why a path cannot be followed, "" if it can, and what is there; None if nothing is."""
    try:
        found = value_at(body, path)
    except PathError as fault:
        return f"but token_path cannot be followed there: {fault}", None
    return "", found if isinstance(found, str | float | bool | dict | list) else None


def _breaks_cookie(value: str, config: MirrorDBConfig) -> bool:
    """Whether a token of the body cannot be in the cookie that it is sent as."""
    return config.key_place == "cookie" and config.token_cookie is None and bool(NO_COOKIE.search(value))


def _lifetime(token: str, cookie: SetCookie | None, body: Any, config: MirrorDBConfig, now: float) -> float:
    """Return for how many seconds a token may be used; infinity if nothing says so: until it is refused."""
    said = config.token_expires
    if isinstance(said, str):
        _, said = _found_at(said, body)
        said = lifetime_of(said, now)
    return shortest([said, lifetime_of_jwt(token, now), cookie.lifetime if cookie else None])


# -- words ---------------------------------------------------------------------------------------


def _nothing_found(answer: Answer, body: Any, cookies: list[SetCookie], config: MirrorDBConfig) -> str:
    """Return where no token was found, and names of what may be one."""
    if config.token_cookie is not None:
        names = _plain(cookie.name for cookie in cookies)
        others = f"; it sets {', '.join(names)}" if names else "; it sets none"
        return f"but without the cookie {config.token_cookie} (token_cookie){others}"
    if body is None:
        is_page = is_web_page(answer.headers, answer.body)
        return f"but with {'a page for people' if is_page else 'a body that is no JSON'}, and no token in it"
    paths = _plain(path for path, _ in _texts_of(body) if _SECRET.search(path.rpartition(".")[2]))
    mend = f"; did you mean {' or '.join(map(repr, paths))}?" if paths else ""
    return f"but without a token at token_path {_path(config)}{mend}"


def _plain(names: Iterable[str]) -> list[str]:
    plain = (name for name in names if all(map(_PLAIN_NAME.fullmatch, name.split("."))))
    return list(dict.fromkeys(islice(plain, _MOST_NAMES)))


def _path(config: MirrorDBConfig) -> str:
    return repr(config.token_path or DEFAULT_PATH)


def _refusal(answer: Answer, config: MirrorDBConfig, now: float) -> ResponseError:
    complete = not answer.refused and answer.broken is None
    code, detail = problem_from(answer.body, status=answer.status, complete=complete)
    if not detail:
        code, detail = problem_of_challenge(answer.headers.get("WWW-Authenticate", ""))
    error = status_error(answer, config, now=now, code=code, detail=detail)
    if answer.status in REFUSALS:
        error.message = f"Login and Password were refused: {error.message}{_asked(config)}"
    else:
        error.message = f"the login was answered {error.message}{_asked(config)}"
    if answer.status in REDIRECTS:
        error.message += f"; the redirect was not followed: {_mend_of_redirect(answer, config)}"
    return error


def _mend_of_redirect(answer: Answer, config: MirrorDBConfig) -> str:
    location = re.split("[?#]", answer.headers.get("Location", ""))[0]
    path = URL(config.token_url).raw_path
    if location.endswith(f"{path}/"):
        return "set login_url with a slash at its end"
    if location and location.endswith(path.rstrip("/")) and path.endswith("/"):
        return "set login_url without the slash at its end"
    return "set login_url to where it leads"


def _asked(config: MirrorDBConfig) -> str:
    """Return which URL was asked, which may not be that of a login, and who says it."""
    return f" (POST {shown(config.token_url)}, the login_url)"
