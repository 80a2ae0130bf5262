"""One client for all triggers of a connection that are alive at the same time: there may be thousands."""

from __future__ import annotations

from collections.abc import Hashable
from types import TracebackType

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.event_loops import PerLoop
from airflow_mirrordb.client.mirrordb import GenericMirrorDB
from airflow_mirrordb.hooks.connected import ConnectedHook, client_for
from airflow_mirrordb.hooks.connections.config import with_user_agent
from airflow_mirrordb.hooks.connections.lookup import ConnectionLookUp


class SharedClient:
    """A connected client, as an async context manager of each who uses it; nothing of it may be changed.

    There is one for all, not one for each of them. It is disconnected when the last one leaves.

    :param client: the client
    :param config: what was looked up for it
    :param of_loop: where it is found, until it is disconnected
    :param key: of it there
    """

    def __init__(
        self,
        client: GenericMirrorDB,
        config: MirrorDBConfig,
        of_loop: dict[Hashable, SharedClient],
        key: Hashable,
    ) -> None:
        self._client, self._config, self._of_loop, self._key = client, config, of_loop, key
        self._users = 0

    @classmethod
    async def of(cls, conn_id: str, operator: str | None = None) -> SharedClient:
        """Return the client of a connection, which has to be entered at once.

        Unknown extras of the connection are warned about only. Who starts later than some seconds after
        another has the connection looked up anew, and gets another client.

        :param conn_id: id of the connection
        :param operator: name of the operator, for the User-Agent
        :raises ConfigError: if the connection is wrong
        """
        look_up = ConnectionLookUp(ConnectedHook, conn_id, ignore_unknown=True)
        config = await look_up.config()
        of_loop, key = _clients.here(), (conn_id, operator)
        shared = of_loop.get(key)
        if shared is None or shared._config is not config:  # noqa: SLF001  # its own
            client = client_for(conn_id, with_user_agent(config, operator), look_up)
            await client.connect()
            shared = of_loop[key] = cls(client, config, of_loop, key)
        return shared

    async def __aenter__(self) -> GenericMirrorDB:
        self._users += 1
        return self._client

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._users -= 1
        if self._users:
            return
        if self._of_loop.get(self._key) is self:
            del self._of_loop[self._key]
        await self._client.disconnect()


_clients: PerLoop[dict[Hashable, SharedClient]] = PerLoop(dict)
