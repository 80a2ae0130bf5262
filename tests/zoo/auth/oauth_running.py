"""A client of OAuth 2.0 and the authorization server that it asks, on one clock."""

from __future__ import annotations

from typing import Any

from airflow_mirrordb.client import GenericMirrorDB
from tests.support.clocks import FakeClock
from tests.zoo.auth.authorizing import AuthorizationServer
from tests.zoo.auth.names import TINY, Serving
from tests.zoo.auth.oauth_ways import PASSWORD, SECRET, OAuthWay
from tests.zoo.auth.signing import SigningKeys


class Running:
    """Starts the server of a way, and makes clients for it, on one clock."""

    def __init__(self, serving: Serving, keys: SigningKeys, clock: FakeClock) -> None:
        self._serving, self._keys, self._clock = serving, keys, clock

    def server(self, way: OAuthWay) -> AuthorizationServer:
        server = way.server(self._keys)
        server.now = self._clock.now
        server.origin = self._serving(server.application())
        return server

    def settings(self, way: OAuthWay, server: AuthorizationServer, *, wrong: bool = False) -> dict[str, Any]:
        changed = way.wrong(self._keys) if wrong else {}
        return {**way.client(server.origin, self._keys), **TINY, **changed}

    def client(
        self, way: OAuthWay, server: AuthorizationServer, *, look_up: Any = None, **options: Any
    ) -> GenericMirrorDB:
        settings = self.settings(way, server, **options)
        return GenericMirrorDB(settings, clock=self._clock.as_clock(), look_up=look_up)


def secrets_of(server: AuthorizationServer, keys: SigningKeys) -> list[str]:
    """Return what was secret of all requests and answers, and what signed them."""
    names = ("client_secret", "password", "refresh_token", "assertion", "client_assertion")
    sent = [asked.form[name] for asked in server.asked for name in names if name in asked.form]
    return [SECRET, PASSWORD, "r3fresh-0f-the-c4nary", *server.issued, *sent, *keys.secrets()]
