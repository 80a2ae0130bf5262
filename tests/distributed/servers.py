"""PostgreSQL, Redis and a slow way to the backend, each on a free port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.support.airflow_home import free_port, wait_until
from tests.support.debian import program


def needs(command: str, package: str) -> str:
    """Return the path of a command, which is installed first if it is missing; see :func:`program`."""
    if _found(command) is None:
        program(command, package=package, needed_for="a cluster")
    return str(_found(command))


def _found(command: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # not on PATH
    return shutil.which(command, path=os.pathsep.join([os.environ["PATH"], *map(str, debian)]))


class Postgres:
    """One running PostgreSQL with an empty database ``airflow``."""

    def __init__(self, port: int, password: str) -> None:
        self.url = f"postgresql+psycopg2://postgres:{password}@127.0.0.1:{port}/airflow"
        self._psql = [needs("psql", "postgresql"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
        self._env = {**os.environ, "PGPASSWORD": password}

    def rows(self, query: str, database: str = "airflow") -> list[list[str]]:
        """Return what a query finds, as text."""
        command = [*self._psql, "-d", database, "-AtXc", query]
        done = subprocess.run(command, env=self._env, check=True, capture_output=True, text=True)
        return [line.split("|") for line in done.stdout.splitlines()]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a PostgreSQL of its own, as the user ``postgres`` if root asks, as whom it would refuse."""
    initdb, server = needs("initdb", "postgresql"), needs("postgres", "postgresql")
    port, password = free_port(), secrets.token_urlsafe(24)
    root = os.geteuid() == 0
    user = {"user": "postgres", "group": "postgres"} if root else {}
    with tempfile.TemporaryDirectory(prefix="mirrordb-postgres-") as folder:
        words = Path(folder, "password")
        words.write_text(password)
        if root:
            shutil.chown(folder, "postgres")
            shutil.chown(words, "postgres")
        options = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(words)]
        command = [initdb, "-D", f"{folder}/data", *options]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **user)  # type: ignore[call-overload]
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "max_connections": 300,
        }
        command = [server, "-D", f"{folder}/data", "-p", str(port)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with _running(command, Path(folder, "log"), signal.SIGINT, cwd=folder, **user):
            database = Postgres(port, password)

            def is_up() -> bool:
                try:
                    return bool(database.rows("SELECT 1", "postgres"))
                except subprocess.CalledProcessError:
                    return False

            wait_until(is_up, "PostgreSQL")
            database.rows("CREATE DATABASE airflow", "postgres")
            yield database


@contextmanager
def redis() -> Iterator[str]:
    """Start a Redis that keeps everything in memory, and yield its URL."""
    server, port, password = needs("redis-server", "redis-server"), free_port(), secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="mirrordb-redis-") as folder:
        Path(folder, "redis.conf").write_text(
            f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
        )
        with _running([server, f"{folder}/redis.conf"], Path(folder, "log"), signal.SIGTERM, cwd=folder):
            wait_until(lambda: "Ready to accept" in Path(folder, "log").read_text(), "Redis")
            yield f"redis://:{password}@127.0.0.1:{port}/0"


@contextmanager
def _running(command: list[str], log: Path, end: signal.Signals, **options: str) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)  # type: ignore[call-overload]
    try:
        yield
    finally:
        process.send_signal(end)
        process.wait(30)


class SlowWay:
    """Passes each request on at once, and its answer only after a while: what it led to is done by then."""

    def __init__(self, backend: str, seconds: float) -> None:
        self.backend, self.seconds = backend, seconds
        self.held = 0
        """Requests that the backend has carried out, and whose answer is held back."""
        self.lost = 0
        """Those of them whose sender went away."""

    async def pass_on(self, request: web.Request) -> web.Response:
        async with self._session.request(
            request.method,
            f"{self.backend}{request.path_qs}",
            data=await request.read(),
            headers=request.headers,
        ) as answer:
            body = await answer.read()
        self.held += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.lost += 1
            raise
        finally:
            self.held -= 1
        return web.Response(status=answer.status, body=body, content_type=answer.content_type)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Yield the URL of its beginning."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.pass_on)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._session:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            try:
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()
