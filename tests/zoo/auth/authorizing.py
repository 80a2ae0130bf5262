"""An authorization server and the API beside it, strict about each request as such documentation is."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, unquote_plus

import jwt
from aiohttp import web

from tests.zoo.auth.seen import Counting, note

RECORDS: Final = [{"id": 1}, {"id": 2}]
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Refused(Exception):  # noqa: N818  # it is an answer
    """The token is refused; with what RFC 6749, section 5.2, has for it."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error, description, status)
        self.error, self.description, self.status = error, description, status


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A request of a token.

    :param url: the token endpoint, as the client knows it
    :param now: the time, in seconds of unix time
    """

    url: str
    form: Mapping[str, str]
    authorization: str | None
    now: float

    def login(self) -> tuple[str, str] | None:
        """Return client id and secret of Basic, form-decoded (RFC 6749, section 2.3.1)."""
        if self.authorization is None:
            return None
        scheme, _, encoded = self.authorization.partition(" ")
        client_id, colon, secret = b64decode(encoded, validate=True).decode().partition(":")
        if (scheme.lower(), colon) != ("basic", ":"):
            raise Refused("invalid_client", "RFC 7617, section 2", 401)
        return unquote_plus(client_id), unquote_plus(secret)


Rule = Callable[[TokenRequest], None]


@dataclass(slots=True)
class AuthorizationServer(Counting):
    """Gives tokens to who asks for them in the right way, and lets them into the API until they end.

    :param rules: each raises what it refuses a request with
    :param parameters: which ones the form may have, and must have if ``True``
    :param token: what of an answer is not the access token
    :param lifetime: of a token, in seconds; None has no end
    :param refusal: what the API answers to a token that is not valid
    """

    rules: list[Rule]
    parameters: Mapping[str, bool]
    token: Mapping[str, Any] = field(default_factory=dict)
    lifetime: float | None = 3600
    refusal: tuple[int, Any] = (401, {"message": "invalid token"})
    now: Callable[[], float] = lambda: 0.0
    origin: str = ""
    asked: list[TokenRequest] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    refresh: Callable[[TokenRequest], str | None] = lambda _request: None
    revoke_after: int = -1

    def application(self) -> web.Application:
        """Return what to serve."""
        application = web.Application()
        application.router.add_route("*", "/token", self._token)
        application.router.add_route("*", "/api/{path:.*}", self._resource)
        return application

    async def _token(self, request: web.Request) -> web.Response:
        body = await request.text()
        try:
            asked = self._read(request, body)
            self.asked.append(asked)
            for rule in self.rules:
                rule(asked)
            refreshed = self.refresh(asked)
        except Refused as refused:
            words = {"error": refused.error, "error_description": refused.description}
            return web.json_response(words, status=refused.status)
        value = f"acc3ss-t0ken-0f-the-c4nary-{len(self.issued)}"
        self.issued.append(value)
        self._ends[value] = None if self.lifetime is None else self.now() + self.lifetime
        answer = {"access_token": value, **self.token}
        if self.lifetime is not None:
            answer["expires_in"] = self.lifetime
        if refreshed is not None:
            answer["refresh_token"] = refreshed
        return web.json_response(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _read(self, request: web.Request, body: str) -> TokenRequest:
        """Return a request whose form is well: POST, each parameter once, none without a value."""
        if request.method != "POST" or request.query_string:
            raise Refused("invalid_request", "RFC 6749, section 3.2: POST, and nothing in the query")
        if request.content_type != "application/x-www-form-urlencoded":
            raise Refused("invalid_request", "RFC 6749, section 4: application/x-www-form-urlencoded")
        form = parse_qs(body, keep_blank_values=True, strict_parsing=True)
        if any(len(values) > 1 for values in form.values()):
            raise Refused("invalid_request", "RFC 6749, section 3.2: a parameter more than once")
        unknown = set(form) - set(self.parameters)
        missing = {name for name, needed in self.parameters.items() if needed} - set(form)
        if unknown or missing:
            raise Refused("invalid_request", f"unknown: {sorted(unknown)}, missing: {sorted(missing)}")
        return TokenRequest(
            url=f"{self.origin}/token",
            form={name: values[0] for name, values in form.items()},
            authorization=request.headers.get("Authorization"),
            now=self.now(),
        )

    async def _resource(self, request: web.Request) -> web.Response:
        body = await request.read()
        if 0 <= self.revoke_after <= self.admitted:
            self.revoke_after = -1
            self.revoke()
        value = request.headers.get("Authorization", "").removeprefix("Bearer ")
        ends = self._ends.get(value, 0.0)
        status, answer = (200, RECORDS) if ends is None or ends > self.now() else self.refusal
        self.seen.append(note(request, body, status))
        return web.json_response(answer, status=status)


# -- rules ---------------------------------------------------------------------------------------


def with_basic(client_id: str, secret: str) -> Rule:
    """Client id and secret come by Basic, and by it alone (RFC 6749, section 2.3)."""

    def rule(request: TokenRequest) -> None:
        if request.login() != (client_id, secret) or {"client_id", "client_secret"} & set(request.form):
            raise Refused("invalid_client", "Client authentication failed", 401)

    return rule


def with_post(client_id: str, secret: str | None, words: str = "Client authentication failed") -> Rule:
    """Client id and secret come in the form, and there alone; a public client has no secret."""

    def rule(request: TokenRequest) -> None:
        sent = request.form.get("client_id"), request.form.get("client_secret")
        if request.authorization is not None or sent != (client_id, secret):
            raise Refused("invalid_client", words, 401)

    return rule


def with_fields(error: str, words: str, status: int = 400, **fields: str) -> Rule:
    """The form has these values."""

    def rule(request: TokenRequest) -> None:
        if any(request.form.get(name) != value for name, value in fields.items()):
            raise Refused(error, words, status)

    return rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """A signed assertion in a field of the form (RFC 7523, sections 2 and 3).

    :param name: of that field
    :param key: the public key
    :param algorithm: the one that is taken
    :param headers: what the JOSE header must have, beside the algorithm
    :param claims: what the claims must have
    :param needed: claims that must be there
    :param longest: until the assertion ends, in seconds; no clock is wrong by more than one here
    :param words: of the refusal
    """

    name: str
    key: Any
    algorithm: str
    error: tuple[str, int]
    words: str
    claims: Callable[[TokenRequest], Mapping[str, Any]]
    headers: Mapping[str, str] = field(default_factory=dict)
    needed: tuple[str, ...] = ("iss", "sub", "aud", "exp")
    longest: float = 600
    ids: set[str] = field(default_factory=set)

    def __call__(self, request: TokenRequest) -> None:
        wrong = self._wrong(request)
        if wrong:
            raise Refused(self.error[0], f"{self.words} ({wrong})", self.error[1])

    def _wrong(self, request: TokenRequest) -> str | None:
        checks = ("verify_exp", "verify_iat", "verify_nbf", "verify_aud")
        options: Any = {**dict.fromkeys(checks, False), "require": list(self.needed)}  # the test has the time
        try:
            claims = jwt.decode(
                request.form[self.name], self.key, algorithms=[self.algorithm], options=options
            )
        except (jwt.InvalidTokenError, KeyError) as error:
            return type(error).__name__
        header = jwt.get_unverified_header(request.form[self.name])
        for wanted, given in ((self.headers, header), (self.claims(request), claims)):
            for name, value in wanted.items():
                if given.get(name) != value:
                    return f"{name} is {given.get(name)!r}"
        if not request.now < claims["exp"] <= request.now + self.longest:
            return f"exp is {claims['exp'] - request.now} s from now"
        if any(claims.get(name, request.now) > request.now + 1 for name in ("iat", "nbf")):
            return "it is not valid yet"
        if claims.get("jti") in self.ids:
            return "jti was used before"
        if "jti" in claims:
            self.ids.add(claims["jti"])
        return None
