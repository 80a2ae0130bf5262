"""Credentials that change while requests are on their way: rotated keys and OAuth 2.0 tokens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.auth.schemes import auth_headers
from airflow_mirrordb.client.auth.tokens import Token, fetch_token
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.config import MirrorDBConfig

if TYPE_CHECKING:
    from airflow_mirrordb.client.wire.transport import Transport

log = logging.getLogger(__name__)

LookUp = Callable[[], Awaitable[Mapping[str, Any]]]
"""Looks the credentials up again; returns the settings that may have changed, as ``{"api_key": ...}``."""


class Credentials:
    """What proves who sends, for all requests of a client: one renewal serves all that need it.

    :param current: returns the configuration that holds now
    :param change: changes that configuration
    :param look_up: looks the credentials up again after a 401; None if there is nowhere to look
    :param clock: tells when a token has to be renewed
    :param redaction: is told each token, and hides secrets in what is logged
    """

    def __init__(
        self,
        current: Callable[[], MirrorDBConfig],
        change: Callable[[Mapping[str, Any]], object],
        look_up: LookUp | None,
        clock: Clock,
        redaction: Redaction,
    ) -> None:
        self._current, self._change, self._look_up, self._clock = current, change, look_up, clock
        self._redaction = redaction
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
        token = await fetch_token(config, transport, now=self._clock.time(), learn=self._redaction.add)
        if not self._is_elsewhere(config):
            self._token = token
        return token

    async def _renew(self) -> None:
        self._token = None
        if self._look_up is None:
            return
        try:
            changes, before = await self._look_up(), self._current()
            self._change(changes)
        except Exception as error:  # noqa: BLE001  # whatever a look-up raises
            self._redaction.error(error)
            log.warning("401: the credentials could not be looked up again, the old ones stay: %s", error)
        else:
            is_same = self._current() == before
            found = "they are the same" if is_same else "others are there, and are tried"
            log.info("401: the credentials were looked up again: %s", found)

    def _known(self) -> dict[str, str]:
        config = self._current()
        return auth_headers(config) if config.auth != "oauth2" else self._bearer()

    def _bearer(self) -> dict[str, str]:
        return self._token.headers if self._token else {}

    def _is_elsewhere(self, config: MirrorDBConfig) -> bool:
        """Whether a request goes to a backend that the current credentials are not meant for."""
        return config.base_url != self._current().base_url

    def _is_stale(self, token: Token) -> bool:
        return token.renew_at <= self._clock.time()
