"""A backend with a login endpoint: it takes one login, and gives tokens that end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final
from urllib.parse import parse_qsl

import jwt
from aiohttp import web

from tests.zoo.auth.seen import Counting, Seen, note
from tests.zoo.auth.ways import Shown

RECORDS: Final = [{"id": 1}, {"id": 2}]
SIGNED_BY: Final = "the-secret-of-a-backend-that-signs-its-tokens"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

Token = Callable[[int, float, float], str]
Answer = Callable[[str, float, float], web.Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginWay:
    """A login endpoint, and how its token is shown.

    :param path: of the login endpoint
    :param sent: the body that is taken, decoded, and no other one
    :param token: makes one, for a number, the time and its lifetime in seconds
    :param answer: to a right login, with a token, the time and the lifetime
    :param refused: status and body of the answer to a wrong one
    :param words: what of it an error must tell
    :param shown: whether a request shows a token
    :param expired: status and body of the answer to a token that ended or was revoked
    :param extra: what a user sets beside Login and Password; ``$origin`` is where the server is
    :param lifetime: in seconds; none if the client cannot know it
    """

    name: str
    source: str
    path: str
    sent: Mapping[str, Any]
    token: Token
    answer: Answer
    refused: tuple[int, Any]
    words: str
    shown: Shown
    expired: tuple[int, Any]
    extra: Mapping[str, Any]
    media: str = JSON
    lifetime: float | None = None
    base: str = ""
    endpoint: str = "api/things"


def opaque(number: int, _now: float, _lifetime: float) -> str:
    """Return a token that says nothing."""
    return f"t0ken-0f-the-c4nary-{number:04}"


def signed(number: int, now: float, lifetime: float) -> str:
    """Return a JWT with the time at which it ends (RFC 7519, section 4.1.4)."""
    claims = {"sub": "etl", "iat": int(now), "exp": int(now + lifetime), "jti": str(number)}
    return jwt.encode(claims, SIGNED_BY, algorithm="HS256")


def in_body(**members: Any) -> Answer:
    """Return what answers 200 with JSON, in which ``$token`` is the token."""

    def placed(value: Any, token: str) -> Any:
        if isinstance(value, dict):
            return {name: placed(item, token) for name, item in value.items()}
        return token if value == "$token" else value

    return lambda token, _now, _lifetime: web.json_response(placed(members, token))


def created(token: str, _now: float, _lifetime: float) -> web.Response:
    return web.json_response({"access_token": token}, status=201)


def with_cookie(name: str, body: Any, attributes: str) -> Answer:
    """Return what answers 200 with a cookie (RFC 6265, section 4.1), beside another one."""

    def answer(token: str, _now: float, _lifetime: float) -> web.Response:
        response = web.json_response(body)
        response.headers.add("Set-Cookie", "lang=en; Path=/")
        response.headers.add("Set-Cookie", f"{name}={token}; {attributes}")
        return response

    return answer


def with_a_date(token: str, now: float, lifetime: float) -> web.Response:
    ends = datetime.fromtimestamp(now + lifetime, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return web.json_response({"status": {"token": token, "expirationTimestamp": ends}}, status=201)


def with_a_moment(token: str, now: float, lifetime: float) -> web.Response:
    return web.json_response({"access_token": token, "expires_on": str(int(now + lifetime))})


@dataclass(slots=True)
class LoginServer(Counting):
    """A running backend of a way.

    :param sent: the body of a login that is taken now
    :param fails: how many logins are answered 503, before any is looked at
    :param forbids: whether every request is answered as one whose token ended
    :param revoke_after: after so many answers no token is valid that was given until then
    """

    way: LoginWay
    now: Callable[[], float]
    origin: str = ""
    sent: Mapping[str, Any] = field(default_factory=dict)
    expired: tuple[int, Any] = (401, None)
    logins: list[Seen] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    fails: int = 0
    revoke_after: int = -1
    forbids: bool = False

    def __post_init__(self) -> None:
        self.sent, self.expired = self.way.sent, self.way.expired

    def application(self) -> web.Application:
        """Return what to serve."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.path == self.way.path:
            answer = self._log_in(request, body)
            self.logins.append(note(request, body, answer.status))
        else:
            answer = self._resource(request)
            self.seen.append(note(request, body, answer.status))
        return answer

    def _log_in(self, request: web.Request, body: bytes) -> web.Response:
        if self.fails:
            self.fails -= 1
            return web.json_response({"message": "come back"}, status=503)
        if request.method != "POST" or request.query_string or request.content_type != self.way.media:
            return web.json_response({"message": "not a login"}, status=415)
        shown = {"authorization", "cookie", "x-vault-token", "x-metabase-session"}
        if shown & {name.lower() for name in request.headers}:  # the token before is none of its business
            return web.json_response({"message": "credentials beside the login"}, status=422)
        try:
            sent = json.loads(body) if self.way.media == JSON else _form(body)
        except ValueError:
            return web.json_response({"message": "malformed"}, status=422)
        if sent != self.sent:
            return web.json_response(self.way.refused[1], status=self.way.refused[0])
        lifetime = self.way.lifetime or 10.0**9
        token = self.way.token(len(self.issued), self.now(), lifetime)
        self.issued.append(token)
        self._ends[token] = self.now() + lifetime
        return self.way.answer(token, self.now(), lifetime)

    def _resource(self, request: web.Request) -> web.Response:
        if 0 <= self.revoke_after <= self.admitted:
            self.revoke_after = -1
            self.revoke()
        valid = [token for token, ends in self._ends.items() if ends > self.now()]
        if not self.forbids and any(self.way.shown(request, token) for token in valid):
            return web.json_response(RECORDS)
        return web.json_response(self.expired[1], status=self.expired[0])


def _form(body: bytes) -> dict[str, str]:
    pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a field came twice")
    return dict(pairs)
