"""A backend with a login endpoint, and clients that log in there."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBConfig
from tests.support.connections import TINY_DELAYS

LOGIN = "ada@example.com"
PASSWORD = 'p4ss{login}"w\\rd&+é='
TOKEN = "t0ken-of-n0body"

Respond = Callable[[str], web.Response]


def as_access_token(token: str) -> web.Response:
    return web.json_response({"access_token": token}, status=201)


class LoginServer:
    """A backend with a login endpoint, which takes one password; what comes there is remembered.

    :param respond: makes the answer to a login, of its token
    """

    def __init__(self, respond: Respond = as_access_token) -> None:
        self.respond, self.password = respond, PASSWORD
        self.logins: list[Mapping[str, Any]] = []
        self.heads: list[Mapping[str, str]] = []
        self.issued: list[str] = []
        self.valid: set[str] = set()
        self.refusal, self.expired = 401, 401
        self.app = web.Application()
        self.app.router.add_post("/login", self.login)
        self.app.router.add_route("*", "/api/users", self.users)

    async def login(self, request: web.Request) -> web.Response:
        text = await request.text()
        is_json = request.content_type == "application/json"
        self.logins.append(json.loads(text) if is_json else dict(parse_qsl(text)))
        self.heads.append(request.headers)
        if json.dumps(self.password)[1:-1] not in json.dumps(self.logins[-1]):
            return web.json_response({"detail": f"wrong: {text}"}, status=self.refusal)
        token = f"{TOKEN}-{len(self.issued)}"
        self.issued.append(token)
        self.valid.add(token)
        return self.respond(token)

    async def users(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.valid:
            return web.json_response({"detail": f"bad token {token}"}, status=self.expired)
        return web.json_response(token)


def logging_in(base_url: str, **settings: Any) -> MirrorDBConfig:
    """Return the configuration of a client that logs in, and hardly waits between attempts."""
    own = {"auth_type": "login", "login_url": "login", "login": LOGIN, "api_key": PASSWORD}
    return MirrorDBConfig(**{"base_url": base_url, **TINY_DELAYS, **own, **settings})


def read(client: GenericMirrorDB) -> Awaitable[Any]:
    return client.read_function("read", "api/users")


def in_cookies(*cookies: str) -> Respond:
    """Return what sets cookies, with ``{token}`` in them."""

    def respond(token: str) -> web.Response:
        response = web.json_response({"access_token": "another"})
        for cookie in cookies:
            response.headers.add("Set-Cookie", cookie.format(token=token))
        return response

    return respond
