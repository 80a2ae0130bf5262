"""Answers that Airflow cannot hold, in a running Airflow, whose triggerer many other tasks need."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from tests.support.airflow_home import AirflowHome, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

BIG = b'{"n": 18446744073709551616}'
HALF = b'{"text": "great day \\ud83d"}'
REFUSED = ("big", "big_ended", "created")
OTHERS = ("half", "half_ended", "shaped", "many")


class Backend:
    """Answers with an integer beyond 64 bits, or half a surrogate pair; to one request when it is told to."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.release = Event()
        self.url = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                backend.requests.append(f"{self.command} {self.path} {body.decode()}".strip())
                answer = HALF if self.path == "/api/half" else BIG
                if self.path == "/api/slow":
                    backend.release.wait()
                    answer = b'{"is": "done"}'
                if self.path == "/api/shaped":
                    answer = json.dumps({"got": body.decode()}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = answer  # noqa: N815  # as http.server calls them

            def log_message(self, *_args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self.release.set()
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def awkward() -> Iterator[Backend]:
    backend = Backend()
    with backend.running():
        yield backend


def test_no_answer_ends_the_triggerer(airflow: AirflowHome, awkward: Backend) -> None:
    """A trigger that waits beside them gets its answer, once; the tasks end as they would on a worker."""
    extra = json.dumps({"idempotency_header": "Idempotency-Key"})
    connection = {"connection_id": "awkward", "conn_type": "mirrordb", "host": awkward.url, "extra": extra}
    airflow.rest("POST", "connections", connection)
    airflow.wait_for_dags("awkward_answers")
    run_id = airflow.trigger("awkward_answers")

    def states() -> dict[str, tuple[str, int]]:
        tasks = airflow.tasks("awkward_answers", run_id)
        return {task["task_id"]: (task["state"], task["try_number"]) for task in tasks}

    def all_others_have_ended() -> bool:
        assert airflow.is_running("triggerer")
        found = states()
        return all(found[name][0] in ("success", "failed") for name in (*REFUSED, *OTHERS))

    wait_until(lambda: "GET /api/slow" in awkward.requests, "the slow request in the triggerer")
    wait_until(all_others_have_ended, "the end of all tasks but the slow one")
    assert states()["slow"] == ("deferred", 1)
    awkward.release.set()
    assert airflow.wait_for_run("awkward_answers", run_id) == "failed"

    assert states() == {
        **dict.fromkeys(REFUSED, ("failed", 1)),
        **dict.fromkeys((*OTHERS, "slow", "after_slow"), ("success", 1)),
    }
    for name in REFUSED:
        assert "$.n: it is an integer of 65 bits" in airflow.log("awkward_answers", run_id, name)
    assert "the write itself was applied" in airflow.log("awkward_answers", run_id, "created")
    for name in ("half", "half_ended", "after_slow"):
        assert airflow.result("awkward_answers", run_id, name) == {"text": "great day \ufffd"}
    shaped = '{"__type":"dict","__var":{"q":1}}'
    assert airflow.result("awkward_answers", run_id, "shaped") == {"got": shaped}
    assert airflow.result("awkward_answers", run_id, "many")["done"] == 3
    assert sorted(awkward.requests) == sorted(
        [
            "GET /api/slow",
            *["GET /api/big"] * 2,
            *["GET /api/half"] * 3,
            f"POST /api/shaped {shaped}",
            'POST /api/created {"a":1}',
            *[f'POST /api/many {{"a":{number}}}' for number in range(3)],
        ]
    )
