"""The connections to a backend, and how the clients of an event loop share them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Hashable
from contextvars import Context

from yarl import URL

from airflow_mirrordb.client.auth.schemes import proxy_headers
from airflow_mirrordb.client.bodies import compression
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.event_loops import PerLoop
from airflow_mirrordb.client.messages.request import WireRequest
from airflow_mirrordb.client.messages.request_target import base_of
from airflow_mirrordb.client.wire.aiohttp.heads import opener_to
from airflow_mirrordb.client.wire.aiohttp.private import Connector, Opener
from airflow_mirrordb.client.wire.threads import in_thread
from airflow_mirrordb.client.wire.tls.certificates import Certificates, certificates
from airflow_mirrordb.client.wire.tls.contexts import tls_servers, tls_settings

#: A write that must not be repeated never goes out on a connection that idled longer, in seconds:
#: the server may have closed it, and then nobody knows whether it took the request.
IDLE_LIMIT_FOR_WRITES = 1.0
IDLE_LIMIT = 15.0


#: Stands for whatever host redirects lead to; nothing is sent there (RFC 2606, section 2).
_ANYWHERE = "https://elsewhere.invalid"
#: Origins whose way is remembered; ``redirect_hosts`` may allow any number of them.
_MOST_ORIGINS = 64


def without_credentials(config: MirrorDBConfig) -> MirrorDBConfig:
    """Return the settings for connections to other hosts than the backend: they see no client certificate.

    The proxy, with its own credentials, is on the way to any host.
    """
    nothing = dict.fromkeys(("oauth_url", "login_url", "client_cert", "client_key", "client_key_passphrase"))
    return config.model_copy(update={"base_url": _ANYWHERE, **nothing})


class Connections:
    """The connections to one backend on one event loop: one pool for writes that must not be repeated,
    one for all else.

    The TLS settings hold for every server that is spoken to over TLS: the backend, the token endpoint and
    the proxy. Each of them is shown the client's certificate if it asks for one (RFC 8705, section 2).

    Their files are looked at before a connection is opened. When they changed, no connection of before gets
    another request; a request that is on its way there ends as it would.

    :param config: whose ``base_url``, ``token_url``, ``verify``, ``client_cert`` and ``proxy`` apply
    :raises ConfigError: if a certificate or key cannot be read
    """

    def __init__(self, config: MirrorDBConfig) -> None:
        self._proxy = URL(config.proxy.get_secret_value()).with_user(None) if config.proxy else None
        self._proxy_headers = proxy_headers(config)
        self._tls: ssl.SSLContext | bool = True
        self._certificates: Certificates | None = None
        self._refresh: asyncio.Task[None] | None = None
        if tls_servers(config):
            found = certificates(**tls_settings(config))
            self._tls, self._certificates = found.context, found if found.may_change else None
        self._pools: dict[float, Connector] = {}
        self._openers: dict[URL, Opener] = {}

    def way_of(self, request: WireRequest) -> tuple[Connector, Opener]:
        """Return the pool that has connections for a request, and what opens them."""
        idle_limit = IDLE_LIMIT if request.repeatable else IDLE_LIMIT_FOR_WRITES
        pool = self._pools.get(idle_limit)
        if pool is None:
            before_opening = self._notice_changes if self._certificates else None
            pool = Connector(before_opening, ssl=self._tls, limit=0, keepalive_timeout=idle_limit)
            self._pools[idle_limit] = pool
        opener = self._openers.get(request.origin)
        if opener is None:
            if len(self._openers) >= _MOST_ORIGINS:
                self._openers.clear()
            opener = opener_to(request.origin, self._proxy, compression.ACCEPTED, self._proxy_headers)
            self._openers[request.origin] = opener
        return pool, opener

    async def _notice_changes(self) -> None:
        """Use the files of certificates as they are now; one look serves all who open a connection."""
        assert self._certificates is not None  # noqa: S101  # else it is not called
        if self._refresh is None or self._refresh.done():
            # in a context of its own: it outlives the task that happens to be the first
            task = in_thread(self._certificates.refresh)
            self._refresh = Context().run(asyncio.get_running_loop().create_task, task)
        await asyncio.shield(self._refresh)
        self._certificates.tell()
        if self._tls is not self._certificates.context:
            self._tls = self._certificates.context
            for pool in self._pools.values():
                pool.open_with(self._tls)

    def interrupted_step(self) -> str:
        """Return in which step of connecting the current task was interrupted, as the end of a message."""
        step = "".join(pool.interrupted_step() for pool in self._pools.values())
        return f": {step}" if step else ""

    async def close(self) -> None:
        """Close all connections, to the end even if the caller is cancelled."""
        pools = list(self._pools.values())
        self._pools.clear()
        closing = asyncio.gather(*(pool.close() for pool in pools), return_exceptions=True)
        await asyncio.shield(closing)


class SharedConnections:
    """Connections, and how many use them; closed when nobody has for as long as an idle connection lives.

    A task closes them when it is cancelled: by the timer, or by ``asyncio.run`` when it ends the loop.

    :param config: see :class:`Connections`
    :param of_loop: what is shared on the event loop; it leaves that when it closes, or it would keep the loop
    :param key: its name there
    :raises ConfigError: if a certificate or key cannot be read
    """

    def __init__(
        self, config: MirrorDBConfig, of_loop: dict[Hashable, SharedConnections], key: Hashable
    ) -> None:
        self.connections = Connections(config)
        self._users, self._of_loop, self._key = 0, of_loop, key
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        # A context of its own: it outlives the task that happens to be the first user.
        self._end = Context().run(self._loop.create_task, self._close_when_cancelled())

    def enter(self) -> None:
        self._users += 1
        if self._timer:
            self._timer.cancel()

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            self._timer = self._loop.call_later(IDLE_LIMIT, self._expire)

    def _expire(self) -> None:
        self._forget()
        self._end.cancel()

    async def _close_when_cancelled(self) -> None:
        try:
            await self._loop.create_future()
        finally:
            self._forget()
            await self.connections.close()

    def _forget(self) -> None:
        if self._of_loop.get(self._key) is self:
            del self._of_loop[self._key]


_shared: PerLoop[dict[Hashable, SharedConnections]] = PerLoop(dict)


def share_connections(config: MirrorDBConfig) -> SharedConnections:
    """Return the connections that all clients of a connection share on the running event loop.

    :raises ConfigError: if a certificate or key cannot be read
    """
    tls = tls_settings(config).values()
    key = (base_of(config.base_url)[0], bool(tls_servers(config)), *tls, config.proxy)
    of_loop = _shared.here()
    if key not in of_loop:
        of_loop[key] = SharedConnections(config, of_loop, key)
    of_loop[key].enter()
    return of_loop[key]
