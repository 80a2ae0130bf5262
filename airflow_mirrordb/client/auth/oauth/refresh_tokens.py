"""Refresh tokens that change when they are used (RFC 6749, section 6), and who else uses them.

A server may take each refresh token once. Of one that is used a second time it may think that it was stolen,
and end all that came from it (RFC 9700, section 4.14.2). So the newest is looked up before each renewal, all
clients of an event loop share one renewal, and the next refresh token is kept before anything else is done.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import ConfigError, ResponseError
from airflow_mirrordb.client.event_loops import PerLoop

if TYPE_CHECKING:
    from airflow_mirrordb.client.auth.tokens import Token

log = logging.getLogger(__name__)

#: Seconds after which another process has kept the refresh token that it got for the one that both used.
OTHERS_KEEP = 1.0
_TOKEN = re.compile(r"[\x20-\x7e]+")  # RFC 6749, appendix A.17

Ask = Callable[[str], Awaitable["Token"]]
"""Asks for an access token by a refresh token."""


class RefreshTokens(Protocol):
    """Where refresh tokens are kept, by the name that ``refresh_token_variable`` says.

    All clients of an event loop whose stores are equal share their renewals, so a store is hashable.
    """

    async def load(self, name: str) -> str | None:
        """Return the refresh token as it is now, never one of before; None if there is none."""

    async def save(self, name: str, new: str, used: str) -> None:
        """Keep a new refresh token for all processes.

        :param used: what :meth:`load` returned; if another one is there by now, that stays
        :raises Exception: if :meth:`load` will not return it
        """


@dataclass(eq=False)
class _Renewals:
    """Those of one refresh token on one event loop."""

    tokens: dict[Hashable, Token] = field(default_factory=dict)
    running: asyncio.Task[Token] | None = None

    def begin(self, renewal: Awaitable[Token], key: Hashable) -> asyncio.Task[Token]:
        """Begin one that goes on when who waits for it gives up: what it gets would be lost."""

        async def renew() -> Token:
            self.tokens[key] = token = await renewal
            return token

        self.running = task = asyncio.get_running_loop().create_task(renew())
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[Token]) -> None:
        self.running = None  # a task would keep the event loop
        if not task.cancelled():
            task.exception()  # nobody may wait for it any more


_renewals: PerLoop[dict[Hashable, _Renewals]] = PerLoop(dict)
#: Refresh tokens that could not be kept, each with what is kept in its place.
_unkept: dict[Hashable, tuple[str, str]] = {}


class RefreshToken:
    """The refresh token of a configuration.

    :param store: where it is kept
    :param redaction: is told each one
    """

    def __init__(
        self, config: MirrorDBConfig, store: RefreshTokens | None, clock: Clock, redaction: Redaction
    ) -> None:
        if store is None:
            raise _wrong("a client without Airflow needs the argument refresh_tokens, which keeps it")
        self._store, self._clock, self._redaction = store, clock, redaction
        self._name = config.refresh_token_variable or ""
        self._place = (store, self._name, config.oauth_url)
        parameters = tuple(sorted(config.token_params.items()))
        self._key = (config.oauth_client_id, config.scope, parameters)

    async def token(self, ask: Ask, refused: str | None) -> Token:
        """Return an access token: that of another client of this event loop, or a new one.

        :param refused: the access token that is no longer good
        :raises ConfigError: if there is no refresh token
        :raises ResponseError: if the authorization server refuses it
        :raises TransportError: if it does not answer
        """
        shared = _renewals.here().setdefault(self._place, _Renewals())
        while shared.running is not None:
            await asyncio.wait([shared.running])
        known = shared.tokens.get(self._key)
        if known is not None and known.value != refused and known.renew_at > self._clock.time():
            return known
        shared.tokens.pop(self._key, None)  # the renewal may fail, and nobody else is to try it
        renewal = shared.begin(self._renewed(ask), self._key)
        await asyncio.wait([renewal])
        return renewal.result()

    async def _renewed(self, ask: Ask) -> Token:
        kept = await self._load()
        used = self._newest(kept)
        try:
            token = await ask(used)
        except ResponseError as error:
            other = await self._other_than(used) if _is_refused(error) else None
            if other is None:
                error.message += f"; the refresh token is that of {self._name!r}, the refresh_token_variable"
                raise
            kept = used = other
            token = await ask(used)
        newest = token.refresh_token or used
        if newest != kept:
            await self._keep(newest, kept)
        return token

    async def _load(self) -> str:
        found = await self._store.load(self._name)
        if found is None or not found.strip():
            raise _wrong(f"{self._name!r} holds no refresh token; put there the one that you were given")
        found = found.strip()
        if not _TOKEN.fullmatch(found):
            raise _wrong(f"what {self._name!r} holds is no refresh token (RFC 6749, appendix A.17)")
        self._redaction.add([found])
        return found

    def _newest(self, kept: str) -> str:
        """Return what is kept, or what came for it and could not be kept."""
        before, newer = _unkept.get(self._place, ("", ""))
        if before == kept:
            return newer
        _unkept.pop(self._place, None)
        return kept

    async def _other_than(self, used: str) -> str | None:
        """Return the refresh token of another process that used this one before; None if there is none."""
        for wait in (0.0, OTHERS_KEEP):
            if wait:
                await self._clock.sleep(wait)
            newest = self._newest(await self._load())
            if newest != used:
                return newest
        return None

    async def _keep(self, newest: str, kept: str) -> None:
        self._redaction.add([newest])
        try:
            await self._store.save(self._name, newest, kept)
        except Exception as error:  # noqa: BLE001  # whatever a store raises
            _unkept[self._place] = kept, newest
            self._redaction.error(error)
            log.error(  # noqa: TRY400  # the traceback may show it
                "The new refresh token could not be kept in %r, and only this process has it: %s: %s",
                self._name,
                type(error).__name__,
                error,
            )
        else:
            _unkept.pop(self._place, None)


def _is_refused(error: ResponseError) -> bool:
    """Whether a refresh token is not valid: with status 400 (RFC 6749, section 5.2), or at Auth0 with 403."""
    return error.code == "invalid_grant" and 400 <= error.status < 500  # noqa: PLR2004


def _wrong(reason: str) -> ConfigError:
    return ConfigError(message=f"refresh_token_variable: {reason}", field="refresh_token_variable")
