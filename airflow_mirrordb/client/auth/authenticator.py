"""Credentials that change while requests are on their way: rotated keys and tokens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.auth.grants import Proofs
from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.auth.refresh_tokens import RefreshToken, RefreshTokens
from airflow_mirrordb.client.auth.schemes import NO_CREDENTIALS, Credentials, credentials_of, credentials_with
from airflow_mirrordb.client.auth.tokens import Token, fetch_token
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.config import MirrorDBConfig

if TYPE_CHECKING:
    from airflow_mirrordb.client.wire.transport import Transport

log = logging.getLogger(__name__)

LookUp = Callable[[], Awaitable[Mapping[str, Any]]]
"""Looks the credentials up again; returns the settings that may have changed, as ``{"api_key": ...}``."""


class Authenticator:
    """Gives all requests of a client what proves who sends: one renewal serves all that need it.

    :param current: returns the configuration that holds now
    :param change: changes that configuration
    :param look_up: looks the credentials up again after one of ``auth_statuses``; None if it cannot be done
    :param clock: tells when a token has to be renewed
    :param redaction: is told each token, and hides secrets in what is logged
    :param refresh_tokens: where refresh tokens are kept
    """

    def __init__(
        self,
        current: Callable[[], MirrorDBConfig],
        change: Callable[[Mapping[str, Any]], object],
        look_up: LookUp | None,
        clock: Clock,
        redaction: Redaction,
        refresh_tokens: RefreshTokens | None = None,
    ) -> None:
        self._current, self._change, self._look_up, self._clock = current, change, look_up, clock
        self._redaction, self._refresh_tokens = redaction, refresh_tokens
        self._token: Token | None = None
        self._refused: str | None = None
        self._sent_with_token = NO_CREDENTIALS
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
        self._refused = self._token.value if self._token else self._refused
        self._token = None

    async def credentials(self, config: MirrorDBConfig, transport: Transport) -> Credentials:
        """Return what goes with a request of this configuration.

        :raises ResponseError: if the authorization server refuses a token
        :raises TransportError: if it does not answer
        """
        if not config.fetches_token:
            return credentials_of(config)
        if self._token is None or self._is_stale(self._token) or self._is_elsewhere(config):
            async with self._turn:
                return await self._with_token(config, transport)
        return self._sent_with_token

    async def renewed(
        self, used: Credentials, status: int, config: MirrorDBConfig, transport: Transport, since: int
    ) -> Credentials | None:
        """Return other credentials than those that were refused, or None if there are no others.

        :param used: those that were refused
        :param status: by which they were
        :param config: what the request started with
        :param since: :attr:`renewals` when the request started
        """
        async with self._turn:
            if self._is_elsewhere(config):
                return None
            if self.renewals == since and self._known() == used:
                await self._renew(status)
                self.renewals += 1
            if self._current().fetches_token and self._token is None:
                await self._with_token(self._current(), transport)
            known = self._known()
        return known if known != used and not self._is_elsewhere(config) else None

    async def _with_token(self, config: MirrorDBConfig, transport: Transport) -> Credentials:
        if self._token is not None and not self._is_stale(self._token) and not self._is_elsewhere(config):
            return self._sent_with_token
        token = await self._fetched(config, transport)
        credentials = credentials_with(config, token.value)
        if not self._is_elsewhere(config):
            self._token, self._sent_with_token = token, credentials
        return credentials

    async def _fetched(self, config: MirrorDBConfig, transport: Transport) -> Token:
        async def ask(refresh_token: str = "") -> Token:
            proofs = Proofs(refresh_token=refresh_token)
            return await fetch_token(
                config, transport, proofs, now=self._clock.time(), learn=self._redaction.add
            )

        if config.grant_type != "refresh_token":
            return await ask()
        kept = RefreshToken(config, self._refresh_tokens, self._clock, self._redaction)
        return await kept.token(ask, self._refused)

    async def _renew(self, status: int) -> None:
        self.forget_token()
        if self._look_up is None:
            return
        try:
            changes, before = await self._look_up(), self._current()
            self._change(changes)
        except Exception as error:  # noqa: BLE001  # whatever a look-up raises
            self._redaction.error(error)
            log.warning(
                "%d: the credentials could not be looked up again, the old ones stay: %s", status, error
            )
        else:
            is_same = self._current() == before
            found = "they are the same" if is_same else "others are there, and are tried"
            log.info("%d: the credentials were looked up again: %s", status, found)

    def _known(self) -> Credentials:
        config = self._current()
        if not config.fetches_token:
            return credentials_of(config)
        return self._sent_with_token if self._token else NO_CREDENTIALS

    def _is_elsewhere(self, config: MirrorDBConfig) -> bool:
        """Whether a request goes to a backend that the current credentials are not meant for."""
        return config.base_url != self._current().base_url

    def _is_stale(self, token: Token) -> bool:
        return token.renew_at <= self._clock.time()
