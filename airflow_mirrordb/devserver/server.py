"""The server inside the caller's own process, on a thread with an event loop of its own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import PathLike
from threading import Thread, current_thread
from types import TracebackType
from typing import Any

from aiohttp import web

from airflow_mirrordb.devserver.app import create_app
from airflow_mirrordb.devserver.jobs import Jobs
from airflow_mirrordb.devserver.store import RequestLogEntry, Store

HOST = "127.0.0.1"
SHUTDOWN_TIMEOUT = 1.0  # seconds for requests whose body has not arrived; all others take milliseconds


@asynccontextmanager
async def serving(
    app: web.Application, port: int, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve the application on 127.0.0.1 until the block ends; yields the port.

    :param port: 0 for a free one
    :param ssl_context: serve https with it
    :raises OSError: the port is taken, or may not be used
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port, ssl_context=ssl_context)
        await site.start()
        _, chosen = runner.addresses[0]
        yield chosen
    finally:
        await _stop(runner)


async def _stop(runner: web.AppRunner) -> None:
    """Stop listening, let requests finish, and leave no socket to the event loop's end."""
    connections = runner.server.connections if runner.server else []
    transports = [connection.transport for connection in connections if connection.transport]
    await runner.cleanup()
    for transport in transports:
        transport.abort()  # a closed TLS connection would wait for its peer, for up to 30 seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """What exists only while the server runs."""

    thread: Thread
    loop: asyncio.AbstractEventLoop
    stopping: asyncio.Event
    port: int
    store: Store


class DevServer:
    """An embedded MirrorDB that serves while its ``with`` block runs, or from ``start()`` to ``stop()``.

    :param db: the SQLite file, kept when the server stops; ":memory:" forgets
    :param api_key: asked of every request; None lets everybody in
    :param port: 0 for a free one
    :param ssl_context: serve https with it
    :param jobs: the resources whose records are jobs; ``Jobs`` also says how long those take
    :raises ValueError: a name that no resource can have
    """

    def __init__(
        self,
        db: str | PathLike[str] = ":memory:",
        api_key: str | None = None,
        port: int = 0,
        *,
        ssl_context: ssl.SSLContext | None = None,
        jobs: Jobs | Collection[str] = (),
    ) -> None:
        self._db, self._api_key, self._wanted_port, self._ssl_context = db, api_key, port, ssl_context
        self._jobs = Jobs.of(jobs)
        self._running: _Running | None = None

    def __enter__(self) -> "DevServer":  # noqa: PYI034  # typing.Self is new in Python 3.11
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return when the server accepts connections.

        :raises RuntimeError: it runs already
        :raises ValueError: the API key is empty
        :raises OSError: the port is taken, or may not be used
        :raises sqlite3.Error: the file cannot be opened, or is not an SQLite database
        """
        if self._running is not None:
            raise RuntimeError("the server runs already")
        store = Store(self._db)
        started: Future[_Running] = Future()
        thread = Thread(target=self._run, args=(store, started), name="mirrordb-devserver", daemon=True)
        thread.start()
        try:
            self._running = started.result()
        except BaseException:
            thread.join()
            store.close()
            raise

    def stop(self) -> None:
        """Return when the thread has ended and the port is free; does nothing if it is not running."""
        if self._running is None:
            return
        running, self._running = self._running, None
        running.loop.call_soon_threadsafe(running.stopping.set)
        running.thread.join()
        running.store.close()

    @property
    def port(self) -> int:
        return self._require_running().port

    @property
    def url(self) -> str:
        """For instance ``http://127.0.0.1:43251``."""
        scheme = "http" if self._ssl_context is None else "https"
        return f"{scheme}://{HOST}:{self.port}"

    def records(self, resource: str) -> list[dict[str, Any]]:
        """Return all records of a resource in order of creation, as the server would answer them."""
        store = self._require_running().store
        with store.transaction():
            return [self._jobs.update(store, record).body for record in store.page(resource)]

    def requests(self) -> list[RequestLogEntry]:
        """Return all requests so far, refused ones too, oldest first."""
        store = self._require_running().store
        with store.transaction():
            return store.requests()

    def connection(self) -> dict[str, str]:
        """Return the Airflow connection to this server; as JSON it fits into ``AIRFLOW_CONN_<ID>``."""
        connection = {"conn_type": "mirrordb", "host": self.url}
        return connection if self._api_key is None else {**connection, "password": self._api_key}

    def _require_running(self) -> _Running:
        """Return what runs.

        :raises RuntimeError: nothing does
        """
        if self._running is None:
            raise RuntimeError("the server is not running")
        return self._running

    def _run(self, store: Store, started: Future[_Running]) -> None:
        """Serve until ``stopping`` is set; an error before that goes to the thread that waits."""

        async def serve() -> None:
            stopping, loop = asyncio.Event(), asyncio.get_running_loop()
            app = create_app(store, self._api_key, self._jobs)
            async with serving(app, self._wanted_port, self._ssl_context) as port:
                started.set_result(
                    _Running(thread=current_thread(), loop=loop, stopping=stopping, port=port, store=store)
                )
                await stopping.wait()

        try:
            asyncio.run(serve())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
