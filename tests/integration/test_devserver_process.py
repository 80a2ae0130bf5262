"""The embedded backend as a process of its own: its command line, its end, and what survives kill -9."""

import asyncio
import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest

from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.devserver.__main__ import main
from airflow_mirrordb.devserver.store import Store

READY = re.compile(r"MirrorDB devserver listening on (http://127\.0\.0\.1:[0-9]+)\n")


@contextmanager
def running(
    *arguments: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the command line until the block ends; yields the URL and the process."""
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "airflow_mirrordb.devserver", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    ) as process:
        try:
            assert process.stdout is not None
            ready = READY.fullmatch(process.stdout.readline())
            assert ready is not None
            yield ready[1], process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """After one line and a signal, with a client still connected, it exits with 0 and says no more."""
    database = tmp_path / "mirror.db"
    with (
        running("--port", "0", "--db", str(database)) as (url, process),
        closing(http.client.HTTPConnection(url.removeprefix("http://"))) as client,
    ):
        client.request("POST", "/api/users", body="{}")
        assert client.getresponse().read() == b'{"id": "1"}'
        process.send_signal(number)
        assert process.communicate() == ("", "")
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == [database]  # no write-ahead log is left
    with closing(Store(database)) as store, store.transaction():
        assert [record.body for record in store.page("users")] == [{"id": "1"}]


@pytest.mark.parametrize(
    ("arguments", "environment", "key"),
    [
        (["--api-key", "k1"], {}, "k1"),
        ([], {"MIRRORDB_DEVSERVER_API_KEY": "k2"}, "k2"),
        (["--api-key", "k1"], {"MIRRORDB_DEVSERVER_API_KEY": "k2"}, "k1"),
    ],
)
async def test_the_key_comes_from_the_command_line_or_the_environment(
    arguments: list[str], environment: dict[str, str], key: str
) -> None:
    """The server asks for the key of the option, else for that of the variable."""
    with running(*arguments, environment=environment) as (url, _process):
        async with aiohttp.ClientSession(url) as session:
            async with session.get("/health") as response:
                assert response.status == 401
            async with session.get("/health", headers={"X-API-Key": key}) as response:
                assert response.status == 200


async def test_jobs_are_named_on_the_command_line() -> None:
    """Each name that is given stands for jobs, which take as long as the options say."""
    named = ("--jobs", "reports", "--jobs", "exports", "--queued-for", "0", "--running-for", "1e9")
    with running(*named) as (url, _process):
        async with aiohttp.ClientSession(url) as session:
            for resource, expected in (("reports", "running"), ("exports", "running"), ("jobs", None)):
                async with session.post(f"/api/{resource}", json={}) as made:
                    assert (await made.json()).get("state") == expected


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--port", "http"], "'http' is not a port, 0 to 65535"),
        (["--port", "65536"], "'65536' is not a port, 0 to 65535"),
        (["--port", "-1"], "'-1' is not a port, 0 to 65535"),
        (["--api-key", ""], "argument --api-key: is empty"),
        (["--host", "0.0.0.0"], "unrecognized arguments: --host"),
        (["--jobs", "a/b"], "'a/b' is no name of a resource"),
        (["--running-for", "long"], "invalid float value: 'long'"),
        (["--jobs", "reports", "--queued-for=-1"], "queued_for must be 0 or more seconds, not -1.0"),
    ],
)
def test_wrong_arguments_are_explained(
    capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    """Argparse names the argument and ends with its exit code, 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_busy_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is said in one line, with exit code 1."""
    with DevServer() as server:
        assert main(["--port", str(server.port)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "address already in use" in line


def test_a_file_that_cannot_be_opened_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What SQLite cannot open is said in one line that names it, with exit code 1."""
    assert main(["--db", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path) in line


@pytest.mark.parametrize("acknowledged_before_kill", [1, 20, 150])
async def test_kill_loses_nothing_that_was_acknowledged(
    tmp_path: Path, acknowledged_before_kill: int
) -> None:
    """After kill -9 amid POSTs the file holds each acknowledged record, and at most the one in flight.

    Each has its log row and its stored answer; sending the last one again completes or repeats it.
    """
    database = tmp_path / "mirror.db"
    sent: list[str] = []
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def post_until_the_server_dies(url: str) -> None:
        async with aiohttp.ClientSession(url) as session:
            while True:
                key = f"key-{len(sent)}"
                sent.append(key)
                async with session.post(
                    "/api/users", json={"key": key}, headers={"Idempotency-Key": key}
                ) as response:
                    assert response.status == 201
                    await response.read()
                acknowledged.append(key)
                if len(acknowledged) >= acknowledged_before_kill:
                    enough.set()

    with running("--db", str(database)) as (url, process):
        posting = asyncio.create_task(post_until_the_server_dies(url))
        await enough.wait()
        process.kill()
        with pytest.raises(aiohttp.ClientError):
            await posting

    with closing(Store(database)) as store, store.transaction():
        kept = [record.body["key"] for record in store.page("users")]
        logged = [(entry.status, entry.idempotency_key) for entry in store.requests()]
        assert all(store.recall(key) for key in kept)
        assert [key for key in sent if store.recall(key)] == kept
    assert kept in (acknowledged, sent)
    assert len(sent) == len(acknowledged) + 1
    assert logged == [(201, key) for key in kept]

    with DevServer(database) as server:
        async with (
            aiohttp.ClientSession(server.url, headers={"Idempotency-Key": sent[-1]}) as session,
            session.post("/api/users", json={"key": sent[-1]}) as response,
        ):
            assert response.status == 201
        assert [record["key"] for record in server.records("users")] == sent
