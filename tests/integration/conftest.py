"""What tests with Airflow share: a home of its own, a scripted backend, a connection."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Answering
    from tests.integration.triggering import Triggerer
    from tests.integration.watching import Supervisor, Watching

# Before anything imports Airflow, which reads its configuration then.
_home = tempfile.TemporaryDirectory(prefix="mirrordb-airflow-")
os.environ["AIRFLOW_HOME"] = _home.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"

SetConnection = Callable[..., None]


class ScriptedBackend:
    """A backend on a thread of its own, for synchronous callers; gives its answers one after the other.

    An answer is a status, a JSON value (bytes are sent as they are) and headers; after the last one
    comes 599. ``requests`` are the lines and headers that arrived, ``connections`` counts sockets.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any, Mapping[str, str]]] = []
        self.requests: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else a body that follows its headers waits for 40 ms

            def setup(self) -> None:
                super().setup()
                backend.connections += 1

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                backend.requests.append(f"{self.command} {self.path}")
                backend.headers.append(dict(self.headers))
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                backend.bodies.append(sent)
                status, body, headers = backend.next_answer(self.path, sent)
                data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_answer(self, _path: str, _sent: bytes) -> tuple[int, Any, Mapping[str, str]]:
        return self.answers.pop(0) if self.answers else (599, None, {})

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, body, named))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture(autouse=True)
def _no_look_up_known() -> None:
    """Forget what earlier tests looked up: hooks of one process share an event loop, and what it knows."""
    if lookup := sys.modules.get("airflow_mirrordb.hooks.lookup"):
        lookup._looks.clear()


@pytest.fixture
def triggerer(monkeypatch: pytest.MonkeyPatch) -> Triggerer:
    """Stand where Airflow's triggers look for their triggerer."""
    from tests.integration.triggering import Triggerer

    return Triggerer(monkeypatch)


@pytest.fixture
def scripted() -> Iterator[ScriptedBackend]:
    backend = ScriptedBackend()
    backend.start()
    yield backend
    backend.stop()


@pytest.fixture
def set_connection(monkeypatch: pytest.MonkeyPatch) -> SetConnection:
    """Define the connection ``mirrordb_default``; extras have tiny waits unless they say otherwise."""

    def define(host: str, *, extra: Mapping[str, Any] | None = None, **fields: Any) -> None:
        extras = {"initial_delay": 0.001, "max_delay": 0.001, **(extra or {})}
        connection = {"conn_type": "mirrordb", "host": host, **fields, "extra": extras}
        monkeypatch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", json.dumps(connection))

    return define


@pytest.fixture
def watching(
    answering: Answering, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> Watching:
    """Event triggers, which came with Airflow 3.0."""
    from tests.integration.watching import Watching

    return Watching(answering, set_connection, monkeypatch)


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """What keeps values for assets, which came with Airflow 3.3."""
    from airflow.sdk.execution_time import task_runner

    from tests.integration.watching import Supervisor

    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor
