"""An authorization server that Authlib decides for: who a client is, and what an assertion entitles to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from aiohttp import web
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientMixin,
    OAuth2Request,
    grants,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from joserfc import jwk

ASSERTED = JWTBearerClientAssertion.CLIENT_AUTH_METHOD
CLIENT, SECRET, USER, PASSWORD = "the-client", "SECRET-OF-CLIENT", "ada", "SECRET-OF-ADA"


class Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """The only client there is."""

    client_id = CLIENT

    def check_client_secret(self, secret: str) -> bool:
        return secret == SECRET

    def check_endpoint_auth_method(self, _method: str, _endpoint: str) -> bool:
        return True

    def check_grant_type(self, _grant_type: str) -> bool:
        return True

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""


class _Request(OAuth2Request):  # type: ignore[misc]
    def __init__(self, request: web.Request, form: Mapping[str, str]) -> None:
        super().__init__("POST", f"https://{request.host}{request.path}", headers=request.headers)
        self._form = dict(form)
        self.payload = BasicOAuth2Payload(self._form)

    @property
    def form(self) -> dict[str, str]:
        return self._form


class _Credentials(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", ASSERTED)


class _Password(grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", ASSERTED, "none")

    def authenticate_user(self, username: str, password: str) -> str | None:
        return username if (username, password) == (USER, PASSWORD) else None


class Authorizing(AuthorizationServer):  # type: ignore[misc]
    """Gives tokens; its API answers what it was sent.

    :ivar key: public key of whoever signs
    :ivar audience: what an assertion has to be for
    :ivar asked: forms of all requests for a token
    """

    def __init__(self) -> None:
        super().__init__()
        self.key: jwk.Key | None = None
        self.audience = ""
        self.asked: list[dict[str, str]] = []
        self.ids: set[str] = set()
        self.broken = 0
        outer = self

        class Assertion(JWTBearerClientAssertion):  # type: ignore[misc]
            def validate_jti(self, _claims: Mapping[str, Any], jti: str) -> bool:
                return outer.is_new(jti)

            def get_audiences(self) -> list[str]:
                return [outer.audience]

            def resolve_client_public_key(self, _client: Client) -> Any:
                return outer.key

        class Grant(JWTBearerGrant):  # type: ignore[misc]
            CLAIMS_OPTIONS: ClassVar = {
                name: {"essential": True} for name in ("iss", "sub", "aud", "exp", "jti")
            }

            def get_audiences(self) -> list[str]:
                return [outer.audience]

            def resolve_issuer_client(self, issuer: str) -> Client | None:
                return Client() if issuer == CLIENT else None

            def resolve_client_public_key(self, _client: Client) -> Any:
                return outer.key

            def authenticate_user(self, subject: str) -> str | None:
                return subject if subject in (USER, CLIENT) else None

            def has_granted_permission(self, _client: Client, _user: str) -> bool:
                return True

        self.register_client_auth_method(ASSERTED, Assertion(validate_jti=True))
        for grant in (_Credentials, _Password, Grant):
            self.register_grant(grant)
        self.register_token_generator("default", BearerTokenGenerator(self._new_token))
        self._number = 0

    def is_new(self, jti: str) -> bool:
        """Whether an assertion comes for the first time."""
        is_new = jti not in self.ids
        self.ids.add(jti)
        return is_new

    def _new_token(self, *_args: Any, **_kwargs: Any) -> str:
        self._number += 1
        return f"SECRET-ACCESS-{self._number}"

    def query_client(self, client_id: str) -> Client | None:
        return Client() if client_id == CLIENT else None

    def save_token(self, token: Mapping[str, Any], request: Any) -> None:
        """Nobody asks what it gave."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=dict(headers))

    def application(self) -> web.Application:
        """Return what to serve."""
        application = web.Application()
        application.router.add_post("/token", self._token)
        application.router.add_get("/api/users", self._users)
        return application

    async def _token(self, request: web.Request) -> Any:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        if self.broken:
            self.broken -= 1
            return web.json_response({}, status=503)
        return self.create_token_response(_Request(request, form))

    async def _users(self, request: web.Request) -> web.Response:
        return web.json_response(request.headers["Authorization"])
