"""One client for all triggers of a connection that are alive at the same time: there may be thousands."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from types import TracebackType

from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.event_loops import PerLoop
from airflow_mirrordb.client.mirrordb import GenericMirrorDB
from airflow_mirrordb.hooks.connected import ConnectedHook, client_for
from airflow_mirrordb.hooks.connections.config import with_user_agent
from airflow_mirrordb.hooks.connections.lookup import ConnectionLookUp


@dataclass(eq=False)
class _Shared:
    """A connected client, what was looked up for it, and how many use it."""

    client: GenericMirrorDB
    config: MirrorDBConfig
    users: int = 0


_clients: PerLoop[dict[Hashable, _Shared]] = PerLoop(dict)


class SharedClient:
    """The connected client of a connection, as an async context manager; nothing of it may be changed.

    Unknown extras of the connection are warned about only. Who starts later than some seconds after
    another has the connection looked up anew, and gets another client.

    :param conn_id: id of the connection
    :param operator: name of the operator, for the User-Agent
    :raises ConfigError: if the connection is wrong
    """

    def __init__(self, conn_id: str, operator: str | None = None) -> None:
        self._conn_id, self._operator = conn_id, operator

    async def __aenter__(self) -> GenericMirrorDB:
        look_up = ConnectionLookUp(ConnectedHook, self._conn_id, ignore_unknown=True)
        config = await look_up.config()
        self._of_loop = _clients.here()
        shared = self._of_loop.get((self._conn_id, self._operator))
        if shared is None or shared.config is not config:
            client = client_for(self._conn_id, with_user_agent(config, self._operator), look_up)
            await client.connect()
            shared = self._of_loop[self._conn_id, self._operator] = _Shared(client, config)
        shared.users += 1
        self._shared = shared
        return shared.client

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        shared, key = self._shared, (self._conn_id, self._operator)
        shared.users -= 1
        if shared.users:
            return
        if self._of_loop.get(key) is shared:
            del self._of_loop[key]
        await shared.client.disconnect()
