"""Looking a connection up on an event loop: one look-up serves all who want it at about the same time.

Each costs up to six messages to Airflow's supervisor, and thousands of triggers may ask at once.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Hashable
from contextvars import Context
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from airflow_mirrordb.client.auth.schemes import secrets
from airflow_mirrordb.client.auth.settings import CREDENTIALS
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import ConfigError
from airflow_mirrordb.client.event_loops import PerLoop
from airflow_mirrordb.client.wire.aiohttp.check import import_aiohttp
from airflow_mirrordb.client.wire.threads import in_thread
from airflow_mirrordb.compat import amask_secrets, async_connection, import_connection_look_up
from airflow_mirrordb.hooks.connections.config import auth_conn_of, config_from
from airflow_mirrordb.hooks.connections.environment import telling_of_look_up

#: Seconds for which a look-up serves those who start, and those whose credentials were just refused.
SHARED_FOR = 10.0
FRESH_FOR = 1.0


#: Numbers of look-ups, in the order in which they begin: one with a higher number is not older.
_numbers = count(1)


@dataclass(eq=False)
class _LookUp:
    """A look-up, done or on its way, the loop's time at which it began, and its number among all look-ups.

    It drops its task and its event when they are done: they would keep the event loop for as long as the
    look-up is known.
    """

    began: float
    task: asyncio.Task[MirrorDBConfig] | None
    config: MirrorDBConfig | None = None
    ended: asyncio.Event | None = field(default_factory=asyncio.Event)
    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        assert self.task is not None  # noqa: S101  # it begins now
        self.task.add_done_callback(self._finish)

    @property
    def failed(self) -> bool:
        if self.task is None:
            return self.config is None
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)

    def _finish(self, task: asyncio.Task[MirrorDBConfig]) -> None:
        self.task = None
        if not task.cancelled() and task.exception() is None:
            self.config = task.result()
        ended, self.ended = self.ended, None
        if ended is not None:
            ended.set()


@functools.cache
def _import_late_modules() -> Literal[True]:
    import_connection_look_up()
    import_aiohttp()
    return True


_look_ups: PerLoop[dict[Hashable, _LookUp]] = PerLoop(dict)


class ConnectionLookUp:
    """Looks one connection up for one hook, without blocking the loop.

    :param hook: class of the hook, which Airflow asks for in its own look-up
    :param conn_id: id of the connection
    :param ignore_unknown: True to warn about unknown extras only
    """

    def __init__(self, hook: type[Any], conn_id: str, *, ignore_unknown: bool) -> None:
        self._hook, self._conn_id, self._ignore_unknown = hook, conn_id, ignore_unknown
        self._newest = 0  # number of the newest look-up that the hook knows the outcome of

    def begin_own(self) -> None:
        """Note that the hook now looks the connection up by itself: all other look-ups so far are older."""
        self._newest = next(_numbers)

    def config(self) -> Awaitable[MirrorDBConfig]:
        """Return the configuration that the connection describes, or did some seconds ago.

        :raises ConfigError: if the connection is wrong
        """
        return self._shared(SHARED_FOR)

    async def credentials(self, base_url: str) -> dict[str, Any]:
        """Return the connection's credentials as they are now, since those of :meth:`config` were refused.

        A look-up of another hook serves, too, if it was made just now, and later than that of :meth:`config`.

        :param base_url: of the backend that they are for
        :raises ConfigError: if the connection is wrong, or now leads to another backend
        """
        config = await self._shared(FRESH_FOR, newer_than=self._newest)
        if config.base_url != base_url:
            message = (
                f"host: connection {self._conn_id!r} now names another backend, whose key is not for this one"
            )
            raise ConfigError(message=message, field="host")
        return {name: getattr(config, name) for name in CREDENTIALS}

    async def _shared(self, longest: float, newer_than: int = 0) -> MirrorDBConfig:
        loop = asyncio.get_running_loop()
        look_ups, key = _look_ups.here(), (self._hook, self._conn_id, self._ignore_unknown)
        look_up = look_ups.get(key)
        if (
            look_up is None
            or look_up.number <= newer_than
            or look_up.failed
            or loop.time() - look_up.began >= longest
        ):
            # in a context of its own: it outlives the task that happens to ask first
            task = Context().run(loop.create_task, self._look_up())
            look_up = look_ups[key] = _LookUp(loop.time(), task)
        self._newest = look_up.number
        if look_up.config is not None:
            return look_up.config
        looking, ended = look_up.task, look_up.ended
        assert looking is not None  # noqa: S101  # it has not failed
        assert ended is not None  # noqa: S101
        await ended.wait()  # who gives up ends only this, which takes less than shield() for each
        return looking.result()

    async def _look_up(self) -> MirrorDBConfig:
        if not _import_late_modules.cache_info().currsize:
            await in_thread(_import_late_modules)
        with telling_of_look_up(self._conn_id):
            connection = await async_connection(self._conn_id, self._hook)
        credentials = None
        if other_id := auth_conn_of(connection):
            with telling_of_look_up(other_id, named_by=self._conn_id):
                credentials = await async_connection(other_id, self._hook)
        config = config_from(connection, credentials, ignore_unknown=self._ignore_unknown)
        await amask_secrets(secrets(config))
        return config
