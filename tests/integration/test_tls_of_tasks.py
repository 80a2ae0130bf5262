"""Client certificates of tasks: renewed ones, and keys whose passphrase a secrets backend keeps."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from airflow_mirrordb.client import ConfigError
from airflow_mirrordb.hooks.connections.check import TEST_TIMEOUT
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.integration.test_operators import MODES, run
from tests.integration.test_sensor import scheduler  # noqa: F401  # a fixture
from tests.support import vault
from tests.support.client_certificates import InPlace, Linked, asking, name_in, renew, write
from tests.support.clocks import loop_time

if TYPE_CHECKING:
    import trustme
    from airflow.triggers.base import BaseTrigger

    from tests.integration.test_sensor import Scheduler
    from tests.support.connections import SetConnection

Keep = Callable[..., None]
PASSPHRASE, OTHER = "passphr4se-that-nobody-may-see", "wr0ng-one-that-nobody-may-see"
pytestmark = pytest.mark.usefixtures("triggerer")


class Backend(ThreadingHTTPServer):
    """Answers with the name in the client's certificate, and closes each connection after one answer.

    :param context: its TLS
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.before: Callable[[], None] = lambda: None  # called before each answer
        self.url = f"https://localhost:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Backend

    def do_GET(self) -> None:
        tls: Any = self.connection
        body = json.dumps({"shown": name_in(tls.getpeercert())}).encode()
        self.server.before()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def backend(authority: trustme.CA) -> Iterator[Backend]:
    with Backend(asking(authority)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def keep(backend: Backend, ca_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keep:
    """Keep a connection to the backend in a secrets backend."""
    path = tmp_path / "vault.json"
    vault.install(monkeypatch, path)

    def define(**extra: Any) -> None:
        connection = {"conn_type": "mirrordb", "host": backend.url, "extra": {"verify": ca_file, **extra}}
        path.write_text(json.dumps({"mirrordb_default": connection}))

    return define


def lock(files: InPlace, passphrase: str) -> None:
    """Encrypt the key as it is there (RFC 5958, section 3)."""
    key = load_pem_private_key(files.key.read_bytes(), None)
    encryption = BestAvailableEncryption(passphrase.encode())
    write(files.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


@pytest.fixture
def locked(tmp_path: Path, authority: trustme.CA) -> InPlace:
    """A certificate whose key opens with the passphrase."""
    files = InPlace(tmp_path, authority)
    files.replace("one.example")
    lock(files, PASSPHRASE)
    return files


# -- files that change ---------------------------------------------------------------------------


def test_a_renewed_certificate_is_shown_by_the_next_task(
    backend: Backend, set_connection: SetConnection, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    """Tasks of one process share connections, which are open for longer than each of them."""
    files = Linked(tmp_path, authority)
    files.replace("one.example")
    set_connection(backend.url, extra={"verify": ca_file, **files.settings})
    assert MirrorDBHook().read("api/users") == {"shown": "one.example"}
    files.replace("two.example")
    assert MirrorDBHook().read("api/users") == {"shown": "two.example"}


def test_a_trigger_that_waits_for_days_shows_the_renewed_certificate(
    backend: Backend,
    set_connection: SetConnection,
    authority: trustme.CA,
    ca_file: str,
    tmp_path: Path,
    scheduler: Scheduler,  # noqa: F811  # the fixture
) -> None:
    """It is one client for all its life; here its second look is the first with the new one."""
    files = InPlace(tmp_path, authority)
    files.replace("one.example")
    set_connection(backend.url, extra={"verify": ca_file, **files.settings})
    asked = count(1)
    backend.before = lambda: files.replace("two.example") if next(asked) == 2 else None
    found = scheduler.run(endpoint="api/users", field="shown", equals="two.example", deferrable=True)
    assert found == {"shown": "two.example"}
    assert (next(asked), len(scheduler.deferrals)) == (4, 1)


@pytest.mark.parametrize("mode", MODES)
def test_a_task_that_finds_half_a_pair_is_tried_again(
    backend: Backend,
    set_connection: SetConnection,
    authority: trustme.CA,
    ca_file: str,
    tmp_path: Path,
    mode: str,
) -> None:
    """Its process has read no pair before: if the files are new, the other half may come; else it fails."""
    files = InPlace(tmp_path, authority)
    files.replace("one.example")
    write(files.cert, files.issue("two.example")[0])
    set_connection(backend.url, extra={"verify": ca_file, **files.settings})
    operator = MirrorDBReadOperator(task_id="read", endpoint="api/users", **MODES[mode])
    with pytest.raises(AirflowFailException):
        run(operator)
    renew(files.cert)
    with pytest.raises(
        ConfigError, match="; a file changed less than a minute ago, so that a retry may help"
    ):
        run(operator)
    files.replace("two.example")
    assert run(operator) == {"shown": "two.example"}


def test_the_connection_test_reads_the_files_anew(
    backend: Backend, set_connection: SetConnection, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    """Requests of a process go on with what it read before; whoever tests wants to know what is there now."""
    files = InPlace(tmp_path, authority)
    files.replace("one.example")
    set_connection(backend.url, extra={"verify": ca_file, "test_endpoint": "api/users", **files.settings})
    assert MirrorDBHook().test_connection()[0]
    write(files.cert, files.issue("two.example")[0])
    assert MirrorDBHook().read("api/users") == {"shown": "one.example"}
    worked, message = MirrorDBHook().test_connection()
    assert (worked, message) == (
        False,
        f"client_key: the key in '{files.key}' is not that of the certificate",
    )


def test_a_connection_test_whose_files_hang(
    set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk of the network may; the test ends all the same, and says what it waited for."""
    end = threading.Event()

    def hang(**_settings: Any) -> None:
        loop_time.advance(TEST_TIMEOUT)
        end.wait(60)

    monkeypatch.setattr("airflow_mirrordb.hooks.connections.check.tls_context", hang)
    set_connection("https://127.0.0.1:1", extra={"client_cert": "/mnt/away/client.pem"})
    try:
        worked, message = MirrorDBHook().test_connection()
    finally:
        end.set()
    assert not worked
    assert message.startswith(
        "Not asked: Verify certificate, Client certificate and Client key are files that"
    )


# -- passphrases in a secrets backend ------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_passphrase_that_a_secrets_backend_keeps(
    keep: Keep, locked: InPlace, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    """It opens the key on the worker and in the triggerer, and is nowhere else."""
    caplog.set_level(logging.DEBUG)
    keep(client_key_passphrase=PASSPHRASE, **locked.settings)
    deferrals = list["BaseTrigger"]()
    operator = MirrorDBReadOperator(task_id="read", endpoint="api/users", **MODES[mode])
    assert run(operator, deferrals=deferrals) == {"shown": "one.example"}
    assert len(deferrals) == (mode == "triggerer")
    told = caplog.text + repr([trigger.serialize() for trigger in deferrals])
    assert PASSPHRASE not in told


@pytest.mark.parametrize(
    ("passphrase", "words"),
    [(OTHER, "it does not open the key in"), (None, "it is not set, and is needed for the key in")],
)
@pytest.mark.parametrize("mode", MODES)
def test_a_passphrase_that_does_not_open_the_key(
    keep: Keep,
    locked: InPlace,
    caplog: pytest.LogCaptureFixture,
    mode: str,
    passphrase: str | None,
    words: str,
) -> None:
    """The error names the connection, the extra and the file, on the worker as in the triggerer."""
    caplog.set_level(logging.DEBUG)
    keep(client_key_passphrase=passphrase, **locked.settings)
    operator = MirrorDBReadOperator(task_id="read", endpoint="api/users", **MODES[mode])
    with pytest.raises(AirflowFailException) as caught:
        run(operator)
    wanted = f"connection mirrordb_default: extra client_key_passphrase: {words} '{locked.key}'"
    assert wanted in str(caught.value)
    assert isinstance(caught.value.__cause__, ConfigError)
    assert OTHER not in caplog.text + "".join(traceback.format_exception(caught.value))


def test_a_key_that_is_renewed_with_another_passphrase(keep: Keep, locked: InPlace) -> None:
    """The next task asks the secrets backend, and gets both."""
    keep(client_key_passphrase=PASSPHRASE, **locked.settings)
    assert MirrorDBHook().read("api/users") == {"shown": "one.example"}
    locked.replace("two.example")
    lock(locked, OTHER)
    keep(client_key_passphrase=OTHER, **locked.settings)
    assert MirrorDBHook().read("api/users") == {"shown": "two.example"}
