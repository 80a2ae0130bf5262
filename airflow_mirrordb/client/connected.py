"""The settings of a client and its connections, and how both change at run time."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.auth.authenticator import Authenticator, LookUp
from airflow_mirrordb.client.auth.oauth.assertions import check_key
from airflow_mirrordb.client.auth.oauth.refresh_tokens import RefreshTokens
from airflow_mirrordb.client.auth.redaction import Redaction
from airflow_mirrordb.client.auth.schemes import secrets
from airflow_mirrordb.client.auth.settings import CREDENTIALS
from airflow_mirrordb.client.calls.call import Observer, Snapshot
from airflow_mirrordb.client.calls.method_names import missing_of_client, naming_class, tells_of_others
from airflow_mirrordb.client.calls.reporting import Reporting
from airflow_mirrordb.client.calls.route import Routes
from airflow_mirrordb.client.calls.sender import Sender
from airflow_mirrordb.client.calls.write_guard import WriteGuard
from airflow_mirrordb.client.clock import SYSTEM_CLOCK, Clock
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.endpoints.registry import EndpointRegistry
from airflow_mirrordb.client.errors import ConfigError
from airflow_mirrordb.client.uploads.sources import LocalFile, OpenSource

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_mirrordb.client.wire.transport import Transport

log = logging.getLogger(__name__)


@tells_of_others(missing_of_client)
class Connected:
    """What a client has beside its requests; its arguments are those of :class:`GenericMirrorDB`."""

    @naming_class(
        "takes its settings as one mapping, as GenericMirrorDB({'base_url': 'https://example.com'})"
    )
    def __init__(
        self,
        config: MirrorDBConfig | Mapping[str, Any],
        *,
        look_up: LookUp | None = None,
        share_connections: bool = False,
        observe: Observer | None = None,
        clock: Clock = SYSTEM_CLOCK,
        open_source: OpenSource = LocalFile,
        conn_id: str | None = None,
        guard: WriteGuard | None = None,
        refresh_tokens: RefreshTokens | None = None,
    ) -> None:
        config = config if isinstance(config, MirrorDBConfig) else MirrorDBConfig.model_validate(config)
        registry = EndpointRegistry(declared=config.endpoints, of_connection=conn_id is not None)
        self._snapshot = Snapshot(config=config, registry=registry)
        self._clock = clock
        self._routes = Routes(clock, share_connections=share_connections)
        self._redaction = Redaction(secrets(config))
        self._reporting = Reporting(self._redaction, conn_id)
        self._authenticator = Authenticator(
            lambda: self._snapshot.config, self._change, look_up, clock, self._redaction, refresh_tokens
        )
        self._sender = Sender(self._authenticator, self._reporting, clock, observe, open_source, guard)
        self._told_of_pages: set[str] = set()
        self._changes: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.disconnect()

    @property
    def is_connected(self) -> bool:
        """Whether it is ready for requests."""
        return self._routes.is_open

    async def connect(self) -> None:
        """Make the client ready for requests. Opens no connection; that is left to the first request.

        :raises ConfigError: if a certificate or key of the configuration cannot be read
        :raises InstallationError: if the installed aiohttp does not work
        :raises RuntimeError: if it is connected in another event loop that is not closed
        """
        self._forget_if_lost()
        if self._routes.is_open:
            self._routes.here()
            return
        config, patterns = self._snapshot.config, self._snapshot.registry.patterns
        if config.base_url.endswith("/api") and any(pattern.startswith("api/") for pattern in patterns):
            log.warning("The base URL ends in '/api' and so do patterns begin: requests go to '…/api/api/…'")
        try:
            await check_key(config)
            if not self._routes.is_open:  # by somebody else, meanwhile
                self._routes.open(config)
        except ConfigError as error:  # of a file that only this machine lacks
            if self._reporting.conn_id:
                error.conn_id, error.message = self._reporting.conn_id, f"extra {error.message}"
            raise
        self._authenticator.connect()

    async def disconnect(self) -> None:
        """End what is in flight and close all connections, save those that are shared.

        Requests in flight end with :class:`DisconnectedError`, or :class:`AmbiguousWriteError` where
        a write that may not be repeated was already sent. What was connected in an event loop that is
        closed, or in the process that forked this one, is only forgotten.

        :raises RuntimeError: if it is connected in another event loop that is not closed
        """
        self._forget_if_lost()
        if self._routes.is_open:
            self._routes.here()
        transports = self._routes.close()
        await self._sender.end()
        for transport in transports:
            await transport.close()

    # -- changes at run time ---------------------------------------------------------------------

    async def update_api_key(self, key: str) -> None:
        """Use another key from the next request on, until the client is closed.

        A client that has neither a key nor an ``auth_type`` sends it as a bearer token.

        :raises ConfigError: if the key is empty, or cannot be sent in a header
        """
        if not key:
            raise ConfigError(
                message="api_key: it is empty; a key is one that the backend knows", field="api_key"
            )
        self._change_by_caller({"api_key": key})

    async def update_config(self, **changes: Any) -> None:
        """Change settings from the next request on; all of them, or none if one is wrong.

        :param changes: fields of :class:`MirrorDBConfig`; None restores a default
        :raises ConfigError: names the setting, what is wrong with it, and the nearest valid name
        """
        retired = self._change_by_caller(changes)
        if retired is not None:
            await asyncio.shield(retired.retire())  # to its end, even if the caller is cancelled

    async def get_config(self) -> dict[str, Any]:
        """Return all settings as plain JSON values, every secret as ``***``."""
        return self._snapshot.config.masked()

    async def register_endpoint(self, pattern: str) -> None:
        """Allow what a pattern says as well, for this client's life.

        :param pattern: see :mod:`airflow_mirrordb.client.endpoints.patterns`
        :raises ConfigError: if the pattern is malformed
        """
        self._snapshot = replace(self._snapshot, registry=self._snapshot.registry.with_pattern(pattern))

    async def registered_endpoints(self) -> list[str]:
        """Return all patterns that hold."""
        return list(self._snapshot.registry.patterns)

    def _change(self, changes: Mapping[str, Any]) -> Transport | None:
        """Apply changes, and return the transport that no further request will use, if there is one."""
        config = self._snapshot.config.changed(changes)
        registry = replace(self._snapshot.registry, declared=config.endpoints)
        retired: Transport | None = None
        if self._routes.is_open and changes.keys() - CREDENTIALS:
            retired = self._routes.change(config)  # first: it may not be able to read a file
        self._snapshot = Snapshot(config=config, registry=registry, changes=self._snapshot.changes)
        self._redaction.add(secrets(config))
        self._authenticator.forget_token()
        return retired

    def _change_by_caller(self, changes: Mapping[str, Any]) -> Transport | None:
        """Apply changes as :meth:`_change` does, and let writes be known by them from now on."""
        retired = self._change(changes)
        if changes.keys() & CREDENTIALS:
            self._authenticator.pin()
        self._changes.update(changes)
        said = repr(sorted(self._changes.items())).encode()
        self._snapshot = replace(self._snapshot, changes=hashlib.sha256(said).hexdigest())
        return retired

    def _forget_if_lost(self) -> None:
        """Forget connections and requests that nobody can end here."""
        if self._routes.is_lost:
            self._routes.forget()
            self._sender.forget()
