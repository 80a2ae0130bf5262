"""Credentials that change while requests are on their way: rotated keys and tokens."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.auth.login.exchange import REFUSALS, log_in
from airflow_mirrordb.client.auth.oauth.assertions import signed
from airflow_mirrordb.client.auth.oauth.grants import Proofs
from airflow_mirrordb.client.auth.oauth.refresh_tokens import RefreshToken, RefreshTokens
from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.auth.schemes import NO_CREDENTIALS, Credentials, credentials_of, credentials_with
from airflow_mirrordb.client.auth.tokens import Token, fetch_token
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import MirrorDBError, ResponseError

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
        self._failures = 0  # to fetch a token; the newest of them, and the configuration that then held
        self._failure: tuple[MirrorDBError, MirrorDBConfig] | None = None
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

        :raises ResponseError: if the authorization server, or the login endpoint, refuses a token
        :raises TransportError: if it does not answer
        """
        if not config.fetches_token:
            return credentials_of(config)
        if self._token is None or self._is_stale(self._token) or self._is_elsewhere(config):
            failures = self._failures
            async with self._turn:
                return await self._with_token(config, transport, failures, may_look_up=True)
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
        failures = self._failures
        async with self._turn:
            if self._is_elsewhere(config):
                return None
            if self.renewals == since and self._known() == used:
                await self._renew(status)
                self.renewals += 1
            if self._current().fetches_token and self._token is None:
                await self._with_token(self._current(), transport, failures, may_look_up=False)
            known = self._known()
        return known if known != used and not self._is_elsewhere(config) else None

    async def _with_token(
        self, config: MirrorDBConfig, transport: Transport, failures: int, *, may_look_up: bool
    ) -> Credentials:
        """Return what carries a token; fetch one if there is none that is good.

        :param failures: how many there were when the request asked for a token
        :param may_look_up: whether what is refused may be looked up again, and tried once more
        """
        if self._token is not None and not self._is_stale(self._token) and not self._is_elsewhere(config):
            return self._sent_with_token
        self._fail_as_others(failures, config)
        try:
            token = await self._fetch(config, transport)
        except MirrorDBError as error:
            other = await self._other(config, error) if may_look_up else None
            if other is None:
                raise
            config, token = other, await self._fetch(other, transport)
        credentials = credentials_with(config, token.value)
        if not self._is_elsewhere(config):
            self._token, self._sent_with_token = token, credentials
        return credentials

    async def _fetch(self, config: MirrorDBConfig, transport: Transport) -> Token:
        try:
            return await self._fetched(config, transport)
        except MirrorDBError as error:
            if not self._is_elsewhere(config):
                self._failures, self._failure = self._failures + 1, (copy.copy(error), self._current())
            raise

    async def _fetched(self, config: MirrorDBConfig, transport: Transport) -> Token:
        async def ask(refresh_token: str = "") -> Token:
            assertions = await signed(config, self._clock)
            self._redaction.add(filter(None, (assertions.grant, assertions.client)))
            proofs = Proofs(refresh_token=refresh_token, assertions=assertions)
            return await fetch_token(
                config, transport, proofs, now=self._clock.time(), learn=self._redaction.add
            )

        if config.auth == "login":
            return await log_in(config, transport, now=self._clock.time(), learn=self._redaction.add)
        if config.grant_type != "refresh_token":
            return await ask()
        kept = RefreshToken(config, self._refresh_tokens, self._clock, self._redaction)
        return await kept.token(ask, self._refused)

    async def _other(self, config: MirrorDBConfig, error: MirrorDBError) -> MirrorDBConfig | None:
        """Return a configuration with other credentials than those that got no token; None if there is none.

        A password may have been rotated since it was looked up.
        """
        if not isinstance(error, ResponseError) or error.status not in REFUSALS or self._is_elsewhere(config):
            return None
        if self._current() == config:
            await self._renew(error.status)
        return None if self._current() == config or self._is_elsewhere(config) else self._current()

    def _fail_as_others(self, since: int, config: MirrorDBConfig) -> None:
        """Raise what another request met that fetched a token while this one waited for that.

        Each would send the same login, and a wrong one that is sent again and again locks its user out.
        """
        if self._failure is None or self._failures == since or self._is_elsewhere(config):
            return
        error, of = self._failure
        if of == self._current():
            raise copy.copy(error)

    async def _renew(self, status: int) -> None:
        """Look the credentials up again, and forget the token.

        :param status: by which they were refused
        """
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
