"""The client of a hook: on a loop of its own for plain tasks, on theirs for async ones."""

from __future__ import annotations

import os
import weakref
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_mirrordb.client.auth.schemes import secrets
from airflow_mirrordb.client.calls.method_names import missing_of_hook, naming_class, tells_of_others
from airflow_mirrordb.client.calls.write_guard import WriteGuard
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.mirrordb import GenericMirrorDB
from airflow_mirrordb.compat import mask_secrets, running_operator
from airflow_mirrordb.hooks.connections.config import auth_conn_of, config_from, with_user_agent
from airflow_mirrordb.hooks.connections.environment import telling_of_look_up
from airflow_mirrordb.hooks.connections.lookup import ConnectionLookUp
from airflow_mirrordb.hooks.connections.refresh_tokens import RefreshTokenVariables
from airflow_mirrordb.hooks.input import InputFile
from airflow_mirrordb.hooks.observers import observer_for
from airflow_mirrordb.hooks.runner import (
    LoopRunner,
    Outcome,
    Stop,
    borrow,
    give_back,
    in_event_loop,
    leave_behind,
)
from airflow_mirrordb.hooks.task_writes.guard import TaskGuard

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

_connecting = [RLock()]  # several threads may use a hook for the first time at once


def _after_fork() -> None:
    _connecting[0] = RLock()  # the one that held it is not in the child


os.register_at_fork(after_in_child=_after_fork)


@tells_of_others(missing_of_hook)
class ConnectedHook(BaseHook):
    """What a hook has beside its requests; its arguments are those of :class:`MirrorDBHook`."""

    conn_name_attr = "mirrordb_conn_id"
    default_conn_name = "mirrordb_default"
    conn_type = "mirrordb"
    hook_name = "MirrorDB"

    @naming_class()
    def __init__(
        self,
        mirrordb_conn_id: str = default_conn_name,
        *,
        ignore_unknown_extras: bool = False,
        operator: str | None = None,
        once: bool = True,
    ) -> None:
        super().__init__()
        self.mirrordb_conn_id = mirrordb_conn_id
        self.ignore_unknown_extras = ignore_unknown_extras
        self.operator = operator
        self.once = once
        self._config: MirrorDBConfig | None = None
        self._client: GenericMirrorDB | None = None
        self._runner: LoopRunner | None = None
        self._forgotten: weakref.finalize[..., ConnectedHook] | None = None
        self._clients = AsyncExitStack()
        self._async_look_up = ConnectionLookUp(
            type(self), mirrordb_conn_id, ignore_unknown=ignore_unknown_extras
        )

    def get_conn(self) -> GenericMirrorDB:
        """Return the client of this hook's own event loop, for :meth:`request` and its kin.

        A forked process gets one of its own, in the place of its parent's.

        :raises ConfigError: if the connection is wrong
        :raises RuntimeError: if the first call is made inside an event loop
        """
        client, runner = self._client, self._runner
        if client is None or not client.is_connected or runner is None or runner.is_inherited:
            return self._connected()
        return client

    def close(self) -> None:
        """Give back the connections of a plain task, to the next hook of this process that is used in one."""
        runner, client = self._runner, self._client
        if self._forgotten is not None:
            self._forgotten.detach()
        self._client = self._runner = self._forgotten = None
        if runner is None or client is None or runner.is_inherited:
            return
        if in_event_loop():
            _forget(runner, client)
            return
        try:
            runner.run(client.disconnect(), client.disconnect).value()
        finally:
            give_back(runner)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- for async tasks and triggers ------------------------------------------------------------

    @asynccontextmanager
    async def client(self) -> AsyncIterator[GenericMirrorDB]:
        """Look the connection up without blocking the loop, and give a connected client.

        All these clients of an event loop share their connections, and for some seconds the look-up.

        :raises ConfigError: if the connection is wrong
        """
        if self._config is None:
            self._config = self._with_user_agent(await self._async_look_up.config())
        async with self._client_of(self._config) as client:
            yield client

    async def __aenter__(self) -> GenericMirrorDB:
        return await self._clients.enter_async_context(self.client())

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._clients.aclose()

    # -- inside ----------------------------------------------------------------------------------

    def _connected(self) -> GenericMirrorDB:
        with _connecting[0]:
            if self._runner is not None and self._runner.is_inherited:
                self.close()  # gives nothing back then
            if self._client is None:
                config = self._look_up()
                client = self._client_of(config)
                self._runner = borrow()
                self._forgotten = weakref.finalize(self, _forget, self._runner, client)
                self._client = client
            if not self._client.is_connected:  # not yet, or no more after an interruption
                self._run(self._client.connect()).value()
            return self._client

    def _refuse_event_loop(self) -> None:
        if in_event_loop():
            raise RuntimeError(
                "MirrorDBHook was called synchronously inside an event loop, which it would block. Use:"
                f" 'async with MirrorDBHook({self.mirrordb_conn_id!r}) as client:"
                " await client.read_function(...)'"
            )

    def _look_up(self) -> MirrorDBConfig:
        self._refuse_event_loop()
        if self._config is None:
            self._async_look_up.begin_own()
            with telling_of_look_up(self.mirrordb_conn_id):
                connection = self.get_connection(self.mirrordb_conn_id)
            credentials = None
            if other_id := auth_conn_of(connection):
                with telling_of_look_up(other_id, named_by=self.mirrordb_conn_id):
                    credentials = self.get_connection(other_id)
            self._config = self._with_user_agent(
                config_from(connection, credentials, ignore_unknown=self.ignore_unknown_extras)
            )
            mask_secrets(secrets(self._config))
        return self._config

    def _client_of(self, config: MirrorDBConfig) -> GenericMirrorDB:
        guard = TaskGuard(self.mirrordb_conn_id, once=self.once)
        return client_for(self.mirrordb_conn_id, config, self._async_look_up, guard)

    def _with_user_agent(self, config: MirrorDBConfig) -> MirrorDBConfig:
        return with_user_agent(config, self.operator or running_operator())

    def _run(
        self, work: Coroutine[Any, Any, T], stop: Stop | None = None, *, of: GenericMirrorDB | None = None
    ) -> Outcome[T]:
        """Run a coroutine of this hook's client.

        :param of: the client that it belongs to, which has to be the one of the hook still
        :raises RuntimeError: if called inside an event loop, or if the hook was closed meanwhile
        """
        runner, client = self._runner, self._client
        if runner is None or client is None or (of is not None and of is not client):
            work.close()
            raise RuntimeError(
                f"MirrorDBHook({self.mirrordb_conn_id!r}) was closed while it was used: end all threads"
                " that use it, and all iterators of its records, before its 'with' ends"
            )
        try:
            return runner.run(work, stop or client.disconnect)
        except RuntimeError:
            self._refuse_event_loop()  # here, since only then it costs something
            raise


def client_for(
    conn_id: str, config: MirrorDBConfig, look_up: ConnectionLookUp, guard: WriteGuard | None = None
) -> GenericMirrorDB:
    """Return a client of an Airflow connection; all those of an event loop share their connections.

    It holds no hook of its caller, which would never be collected then.

    :param config: what the connection says
    :param look_up: looks the credentials up again: a rotated key needs no restart
    :param guard: of who makes the requests, if that is a task
    """
    return GenericMirrorDB(
        config,
        look_up=partial(look_up.credentials, config.base_url),
        share_connections=True,
        observe=observer_for(conn_id, ConnectedHook(conn_id)),
        open_source=InputFile,
        conn_id=conn_id,
        guard=guard,
        refresh_tokens=RefreshTokenVariables(),
    )


def _forget(runner: LoopRunner, client: GenericMirrorDB) -> None:
    """Give back what a hook had that was collected, where nothing may be run, and what is raised is lost."""
    if not runner.is_inherited:
        runner.end_later(client.disconnect)
        leave_behind(runner)
