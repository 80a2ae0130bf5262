"""What a task asks Airflow's supervisor for: the connection, once for each hook."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

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


@pytest.mark.timeout(60)
def test_a_thousand_requests_cost_the_messages_of_one_look_up(supervisor: Supervisor) -> None:
    """The connection is asked for once, and masked once, however many requests go through a hook."""
    with MirrorDBHook() as hook:
        hook.read("api/users")
        of_one = supervisor.messages.copy()
        for _ in range(REQUESTS - 1):
            hook.read("api/users")
    assert of_one["GetConnection"] == 1
    assert supervisor.messages == of_one
