"""The embedded backend inside a process of the caller: start, stop, threads, TLS, the pytest fixture."""

import socket
import sqlite3
import ssl
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import aiohttp
import pytest
import trustme

from airflow_mirrordb.devserver import DevServer


def run_python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", *arguments], check=False, capture_output=True, text=True, cwd=cwd
    )


def test_stop_leaves_no_thread_and_frees_the_port() -> None:
    """After stop() the process has no thread that it had not before, and the port can be bound again."""
    threads = threading.enumerate()
    server = DevServer()
    server.start()
    port = server.port
    server.stop()
    assert set(threading.enumerate()) <= set(threads)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_stop_may_be_called_at_any_time() -> None:
    """stop() does nothing before start() and after stop(), and a stopped server starts again, empty."""
    server = DevServer()
    server.stop()
    for _ in range(2):
        server.start()
        assert server.requests() == []
        server.stop()
        server.stop()


def test_start_while_running_is_an_error() -> None:
    """start() twice raises, and the first server goes on."""
    with DevServer() as server:
        port = server.port
        with pytest.raises(RuntimeError, match="runs already"):
            server.start()
        assert server.port == port


def test_a_stopped_server_has_no_address() -> None:
    """What only a running server knows is a clear error otherwise."""
    with pytest.raises(RuntimeError, match="not running"):
        _ = DevServer().url


def test_a_busy_port_is_an_error_that_leaves_nothing() -> None:
    """start() raises OSError in the caller's thread, and no thread stays."""
    with DevServer() as server:
        threads = threading.enumerate()
        with pytest.raises(OSError, match="address already in use"):
            DevServer(port=server.port).start()
        assert set(threading.enumerate()) <= set(threads)


def test_an_empty_key_is_an_error() -> None:
    """An empty API key is refused rather than taken for none."""
    with pytest.raises(ValueError, match="api_key is empty"):
        DevServer(api_key="").start()


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """start() passes on what SQLite says."""
    with pytest.raises(sqlite3.OperationalError):
        DevServer(tmp_path).start()


async def test_two_servers_share_nothing() -> None:
    """Two servers at once have ports and records of their own."""
    with DevServer() as first, DevServer() as second:
        assert first.port != second.port
        async with aiohttp.ClientSession(first.url) as session, session.post("/api/users", json={}):
            pass
        assert first.records("users") == [{"id": "1"}]
        assert second.records("users") == []
        assert second.requests() == []


async def test_records_and_log_are_readable_while_it_serves() -> None:
    """Another thread reads whole answers only: as many records as log rows, never fewer than before."""
    with DevServer() as server:
        done = threading.Event()
        counts: list[int] = []

        def read() -> None:
            while not done.is_set():
                written = len(server.records("users"))
                logged = len(server.requests())
                counts.extend((written, logged))

        reader = threading.Thread(target=read)
        reader.start()
        async with aiohttp.ClientSession(server.url) as session:
            for _ in range(200):
                async with session.post("/api/users", json={}) as response:
                    assert response.status == 201
        done.set()
        reader.join()
        assert counts == sorted(counts)
        assert len(server.records("users")) == len(server.requests()) == 200


async def test_it_serves_https() -> None:
    """With an ssl_context it speaks TLS, and says so in its URL and connection."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    with DevServer(ssl_context=server_context) as server:
        assert server.connection()["host"] == f"https://127.0.0.1:{server.port}"
        async with (
            aiohttp.ClientSession(server.url) as session,
            session.get("/health", ssl=client_context) as response,
        ):
            assert response.status == 200


def test_the_connection_has_a_password_only_with_a_key() -> None:
    """connection() gives what Airflow needs to reach the server."""
    with DevServer() as server:
        assert server.connection() == {"conn_type": "mirrordb", "host": server.url}
    with DevServer(api_key="k") as server:
        assert server.connection() == {"conn_type": "mirrordb", "host": server.url, "password": "k"}


def test_it_ends_without_a_warning() -> None:
    """In development mode, with clients still connected by http and https, nothing is said at the end."""
    script = """
        import gc, http.client, ssl, trustme
        from airflow_mirrordb.devserver import DevServer
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        client_context = ssl.create_default_context()
        authority.configure_trust(client_context)
        with DevServer() as plain, DevServer(ssl_context=context) as tls:
            clients = [
                http.client.HTTPConnection("127.0.0.1", plain.port),
                http.client.HTTPSConnection("127.0.0.1", tls.port, context=client_context),
            ]
            for client in clients:
                client.request("GET", "/health")
                assert client.getresponse().read()
        gc.collect()
        for client in clients:
            client.close()
    """
    ended = run_python("-W", "error", "-c", textwrap.dedent(script))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_it_needs_neither_airflow_nor_the_client_nor_pytest() -> None:
    """The server runs where none of them can be imported; the package itself loads no aiohttp."""
    script = """
        import sys
        sys.modules.update({"airflow": None, "airflow_mirrordb.client": None, "pytest": None})
        import airflow_mirrordb.devserver
        assert "aiohttp" not in sys.modules
        import airflow_mirrordb.devserver.__main__
        with airflow_mirrordb.devserver.DevServer():
            pass
    """
    ended = run_python("-c", textwrap.dedent(script))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_package_has_no_other_names() -> None:
    """A name that the package does not have is an AttributeError, as in any module."""
    import airflow_mirrordb.devserver

    with pytest.raises(AttributeError, match="Server2"):
        _ = airflow_mirrordb.devserver.Server2


def test_the_fixture_serves_a_users_test(tmp_path: Path) -> None:
    """Imported in a conftest.py, the fixture gives each test an empty server and the default connection."""
    (tmp_path / "conftest.py").write_text(
        "from airflow_mirrordb.devserver.fixtures import mirrordb_server  # noqa: F401\n"
    )
    test = """
        import json, os, urllib.request
        import pytest

        @pytest.mark.parametrize("run", [1, 2])
        def test_dag(mirrordb_server, run):
            connection = json.loads(os.environ["AIRFLOW_CONN_MIRRORDB_DEFAULT"])
            assert connection == {"conn_type": "mirrordb", "host": mirrordb_server.url}
            request = urllib.request.Request(connection["host"] + "/api/users", b"{}")
            with urllib.request.urlopen(request) as response:
                assert response.status == 201
            assert mirrordb_server.records("users") == [{"id": "1"}]

        @pytest.mark.parametrize("mirrordb_server", [{"jobs": ["reports"]}], indirect=True)
        def test_jobs(mirrordb_server):
            request = urllib.request.Request(mirrordb_server.url + "/api/reports", b"{}")
            with urllib.request.urlopen(request) as response:
                assert response.status == 202

        def test_without():
            assert "AIRFLOW_CONN_MIRRORDB_DEFAULT" not in os.environ
    """
    (tmp_path / "test_dag.py").write_text(textwrap.dedent(test))
    ended = run_python(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "--disable-plugin-autoload",
        cwd=tmp_path,
    )
    assert "4 passed" in ended.stdout, ended.stdout + ended.stderr
