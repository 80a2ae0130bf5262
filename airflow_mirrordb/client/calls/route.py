"""The way of a client's requests to its backend, on the event loop where it is connected.

It is no path of a URL: which endpoints are allowed is in ``endpoints/registry.py``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakSet

from airflow_mirrordb.client import forking
from airflow_mirrordb.client.clock import Clock
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.limits.throttle import Throttle
from airflow_mirrordb.client.wire.aiohttp.check import check_aiohttp

if TYPE_CHECKING:
    from airflow_mirrordb.client.wire.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to the backend: the connections to it, and the throttle that all who use them share."""

    transport: Transport
    throttle: Throttle


class Routes:
    """The route that requests take from now on, and the transports of those that began on an earlier one.

    It belongs to the event loop and the process in which it was opened.

    :param share_connections: see :class:`GenericMirrorDB`
    """

    def __init__(self, clock: Clock, *, share_connections: bool) -> None:
        self._clock, self._share_connections = clock, share_connections
        self._route: Route | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._generation = forking.generation
        self._retired: WeakSet[Transport] = WeakSet()  # kept by the requests that began there

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self._route is not None

    @property
    def is_lost(self) -> bool:
        """Whether nobody can use or close it here: its event loop is closed, or the parent's."""
        if self._loop is None:
            return False
        return self._generation != forking.generation or self._loop.is_closed()

    def open(self, config: MirrorDBConfig) -> None:
        """Open a route on the running event loop.

        :raises ConfigError: if a certificate or key cannot be read
        :raises InstallationError: if the installed aiohttp does not work
        """
        self._route = self._to(config)
        self._loop, self._generation = asyncio.get_running_loop(), forking.generation

    def change(self, config: MirrorDBConfig) -> Transport:
        """Let further requests take another route, and return the transport that only earlier ones use.

        :raises ConfigError: as :meth:`open`; nothing has changed then
        :raises RuntimeError: as :meth:`here`
        """
        retired, route = self.here().transport, self._to(config)
        self._retired.add(retired)
        self._route = route
        return retired

    def close(self) -> list[Transport]:
        """Send nothing from now on; return all transports, to be closed when their requests have ended."""
        transports = [*self._retired, *([self._route.transport] if self._route else [])]
        self.forget()
        for transport in transports:
            transport.closing = True
        return transports

    def forget(self) -> None:
        """Forget all of it, and close nothing."""
        self._route, self._loop, self._retired = None, None, WeakSet()

    def any(self) -> Route:
        """Return the route, in whatever event loop it is open.

        :raises RuntimeError: if none is open
        """
        if self._route is None:
            raise RuntimeError("the client is not connected: use 'async with', or await connect() first")
        return self._route

    def here(self) -> Route:
        """Return the route of the running event loop.

        :raises RuntimeError: if it is open elsewhere, or not at all
        """
        route = self.any()
        if self._generation != forking.generation:
            raise RuntimeError(
                "the client was connected before this process was forked, and its connections are the"
                " parent's: make another one here, or disconnect() and connect() it"
            )
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(
                "the client is connected in another event loop:"
                " make one for each, or disconnect() it there and connect() it here"
            )
        return route

    def _to(self, config: MirrorDBConfig) -> Route:
        check_aiohttp()
        from airflow_mirrordb.client.wire.transport import Transport  # noqa: PLC0415  # imports aiohttp

        throttle = Throttle(config, self._clock)
        return Route(
            transport=Transport(config, clock=self._clock, shared=self._share_connections), throttle=throttle
        )
