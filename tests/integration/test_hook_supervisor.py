"""What a task asks Airflow's supervisor for: the connection, once for each hook."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import Connection

from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.backends import Answering

comms = pytest.importorskip("airflow.sdk.execution_time.comms", reason="older Airflows have no supervisor")
REQUESTS = 1000


class Supervisor:
    """The other end of a task's socket: knows one connection, and counts the messages."""

    def __init__(self, base_url: str) -> None:
        self.connection = {
            "type": "ConnectionResult",
            "conn_id": "mirrordb_default",
            "conn_type": "mirrordb",
            "host": base_url,
            "login": "ada",
            "password": "a-key-that-opens-nothing",
            "schema": None,
            "port": None,
            "extra": None,
        }
        self.messages: Counter[str] = Counter()
        self.task_end, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        with self._end.makefile("rb") as stream:
            while length := stream.read(4):
                number, body, *_ = msgspec.msgpack.decode(stream.read(int.from_bytes(length, "big")))
                self.messages[body["type"]] += 1
                found = self.connection if body["type"] == "GetConnection" else None
                frame = msgspec.msgpack.encode([number, found, None])
                self._end.sendall(len(frame).to_bytes(4, "big") + frame)

    def close(self) -> None:
        self.task_end.close()
        self._thread.join()
        self._end.close()


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    with DevServer() as server:
        supervisor = Supervisor(server.url)
        task_side = comms.CommsDecoder(socket=supervisor.task_end)
        monkeypatch.setattr(
            "airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", task_side, raising=False
        )
        yield supervisor
        supervisor.close()


def test_a_thousand_requests_cost_the_messages_of_one_look_up(supervisor: Supervisor) -> None:
    """The connection is asked for once, and masked once, however many requests go through a hook."""
    with MirrorDBHook() as hook:
        hook.read("api/users")
        of_one = supervisor.messages.copy()
        for _ in range(REQUESTS - 1):
            hook.read("api/users")
    assert of_one["GetConnection"] == 1
    assert supervisor.messages == of_one


class InProcess:
    """What answers a task or trigger that ``dag.test()`` runs; knows one connection."""

    def __init__(self, base_url: str) -> None:
        self.found = comms.ConnectionResult(
            **dict.fromkeys(("schema", "login", "password", "port", "extra")),
            conn_id="mirrordb_default",
            conn_type="mirrordb",
            host=base_url,
        )
        self.comms: Any = None
        self.threads: set[int] = set()

    def _handle_request(self, message: Any, *_rest: Any) -> None:
        self.threads.add(threading.get_ident())
        self.comms.messages.append(self.found if isinstance(message, comms.GetConnection) else None)


async def test_dag_test_finds_a_connection_of_the_database(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor of ``dag.test()`` answers synchronous requests only, which must not block the loop."""
    supervisor = pytest.importorskip("airflow.sdk.execution_time.supervisor")
    backend = await answering(web.json_response({"id": 7}))
    in_process = InProcess(backend.base_url)
    in_process.comms = supervisor.InProcessSupervisorComms(supervisor=in_process)
    monkeypatch.setattr(
        "airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", in_process.comms, raising=False
    )

    async with MirrorDBHook() as client:
        assert await client.read_function("read", "api/users/7") == {"id": 7}
    assert in_process.threads
    assert threading.get_ident() not in in_process.threads


async def test_running_airflow_is_asked_asynchronously(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a supervisor answers asynchronous requests, no thread is taken for the look-up."""
    if not hasattr(Connection, "aextra_dejson"):
        pytest.skip("before Airflow 3.3.2 common-compat takes a thread itself")
    backend = await answering(web.json_response({"id": 7}))
    in_process = InProcess(backend.base_url)
    asked: list[str] = []

    async def asend(message: Any) -> Any:
        asked.append(type(message).__name__)
        return in_process.found if isinstance(message, comms.GetConnection) else None

    both = SimpleNamespace(asend=asend, send=in_process._handle_request)
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", both, raising=False)

    async with MirrorDBHook() as client:
        assert await client.read_function("read", "api/users/7") == {"id": 7}
    assert asked.count("GetConnection") == 1
    assert not in_process.threads
