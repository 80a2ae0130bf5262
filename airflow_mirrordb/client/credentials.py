"""Credentials that change while requests are on their way: rotated keys and OAuth 2.0 tokens."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from multidict import CIMultiDict
from yarl import URL

from airflow_mirrordb.client.answers import response_error
from airflow_mirrordb.client.auth import auth_headers
from airflow_mirrordb.client.config import CONTROL, MirrorDBConfig, is_unicode
from airflow_mirrordb.client.errors import AuthenticationError
from airflow_mirrordb.client.protocol import USER_AGENT, WireRequest
from airflow_mirrordb.client.transport import Transport

log = logging.getLogger(__name__)

LookUp = Callable[[], Awaitable[Mapping[str, Any]]]
"""Looks the credentials up again; returns the settings that may have changed, as ``{"api_key": ...}``."""

EARLY = 60.0  # seconds; a token is renewed while requests that carry the old one may still be answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token and the unix time from which on it is renewed; infinity if it says no end."""

    value: str = field(repr=False)
    renew_at: float

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.value}"}


class Credentials:
    """What proves who sends, for all requests of a client: one renewal serves all that need it.

    :param current: returns the configuration that holds now
    :param change: changes that configuration
    :param look_up: looks the credentials up again after a 401; None if there is nowhere to look
    :param clock: unix time in seconds
    """

    def __init__(
        self,
        current: Callable[[], MirrorDBConfig],
        change: Callable[[Mapping[str, Any]], object],
        look_up: LookUp | None,
        clock: Callable[[], float],
    ) -> None:
        self._current, self._change, self._look_up, self._clock = current, change, look_up, clock
        self._token: Token | None = None
        self._turn: asyncio.Lock
        self.renewals = 0
        """How often credentials were renewed; tells a request whether another one did so since it started."""

    def connect(self) -> None:
        """Get ready for requests on the running event loop, whatever other one they were on before."""
        self._turn = asyncio.Lock()

    def pin(self) -> None:
        """Never look up again: the credentials were set by hand."""
        self._look_up = None

    def forget_token(self) -> None:
        """Fetch another token for the next request."""
        self._token = None

    async def headers(self, config: MirrorDBConfig, transport: Transport) -> dict[str, str]:
        """Return the headers that a request of this configuration carries.

        :raises ResponseError: if the authorization server refuses a token
        :raises TransportError: if it does not answer
        """
        if config.auth != "oauth2":
            return auth_headers(config)
        if self._token is None or self._is_stale(self._token) or self._is_elsewhere(config):
            async with self._turn:
                return (await self._token_for(config, transport)).headers
        return self._token.headers

    async def renewed(
        self, used: Mapping[str, str], config: MirrorDBConfig, transport: Transport, since: int
    ) -> dict[str, str] | None:
        """Return other headers than those that met a 401, or None if there are no others.

        :param used: the headers that were refused
        :param config: what the request started with
        :param since: :attr:`renewals` when the request started
        """
        async with self._turn:
            if self._is_elsewhere(config):
                return None
            if self.renewals == since and self._known() == used:
                await self._renew()
                self.renewals += 1
            if self._current().auth == "oauth2" and self._token is None:
                await self._token_for(self._current(), transport)
            known = self._known()
        return known if known != used and not self._is_elsewhere(config) else None

    async def _token_for(self, config: MirrorDBConfig, transport: Transport) -> Token:
        if self._token is not None and not self._is_stale(self._token) and not self._is_elsewhere(config):
            return self._token
        token = await fetch_token(config, transport, now=self._clock())
        if not self._is_elsewhere(config):
            self._token = token
        return token

    async def _renew(self) -> None:
        self._token = None
        if self._look_up is None:
            return
        log.info("401: looking the credentials up again")
        try:
            self._change(await self._look_up())
        except Exception:
            log.exception("The credentials could not be looked up again; the old ones stay")

    def _known(self) -> dict[str, str]:
        config = self._current()
        return auth_headers(config) if config.auth != "oauth2" else self._bearer()

    def _bearer(self) -> dict[str, str]:
        return self._token.headers if self._token else {}

    def _is_elsewhere(self, config: MirrorDBConfig) -> bool:
        """Whether a request goes to a backend that the current credentials are not meant for."""
        return config.base_url != self._current().base_url

    def _is_stale(self, token: Token) -> bool:
        return token.renew_at <= self._clock()


async def fetch_token(config: MirrorDBConfig, transport: Transport, *, now: float) -> Token:
    """Get an access token for the client itself (RFC 6749, section 4.4).

    Client id and secret are sent as basic credentials (section 2.3.1).

    :param now: unix time
    :raises ResponseError: if the authorization server refuses
    :raises TransportError: if it does not answer
    :raises AuthenticationError: if its answer holds no token
    """
    secret = config.api_key.get_secret_value() if config.api_key else ""
    pair = b64encode(f"{quote(config.login or '', safe='')}:{quote(secret, safe='')}".encode()).decode()
    form = {"grant_type": "client_credentials", **({"scope": config.scope} if config.scope else {})}
    credentials = {"Authorization": f"Basic {pair}"}
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": USER_AGENT,
    }
    url = URL(config.oauth_url or "")
    request = WireRequest(
        method="POST",
        origin=url.origin(),
        target=url.raw_path_qs,
        headers=CIMultiDict(headers),
        body=urlencode(form).encode(),
        timeout=config.timeout,
        repeatable=True,
    )
    answer = await transport.send(request, credentials)
    if answer.status != 200:  # noqa: PLR2004  # section 5.1
        error = response_error(answer, config, now=now, credentials=[credentials])
        error.message = f"the authorization server refused a token: {error.message}"
        raise error
    if answer.broken is not None:
        raise answer.broken
    try:
        body = json.loads(answer.body)
        value, lifetime = str(body["access_token"]), float(body.get("expires_in") or "inf")
        if CONTROL.search(value) or not is_unicode(value):
            raise ValueError("no header can hold it")  # noqa: TRY301
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AuthenticationError(
            message="the authorization server answered 200, but without an access_token that can be sent",
            status=answer.status,
        ) from None
    return Token(value=value, renew_at=now + lifetime - min(EARLY, lifetime / 10))
