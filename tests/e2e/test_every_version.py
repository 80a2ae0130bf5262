"""What works on every supported Airflow; ``tests/lanes.py`` runs this file on each of them."""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.module_loading import import_string

from airflow_mirrordb.decorators import mirrordb_task
from airflow_mirrordb.get_provider_info import get_provider_info
from airflow_mirrordb.notifications.mirrordb import MirrorDBNotifier
from tests.e2e.test_running_sensor import put
from tests.run_example import airflow_environment, post
from tests.support.airflow_home import wait_until
from tests.support.backend_process import BackendProcess
from tests.support.backends import ScriptedBackend

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

DAGS = Path(__file__).parent / "dags" / "every_version.py"
FIELDS = set(get_provider_info()["connection-types"][0]["conn-fields"])

#: Prints the names of the form's own fields and its label of the password, as the UI gets them.
FORM = """
import json
try:
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
except ImportError:  # Airflow 2
    from airflow.providers_manager import ProvidersManager
    manager, prefix = ProvidersManager(), "extra__mirrordb__"
    names = [it.removeprefix(prefix) for it in manager.connection_form_widgets if it.startswith(prefix)]
    password = manager.field_behaviours["mirrordb"]["relabeling"]["password"]
else:
    (form,) = [it for it in HookMetaService.hook_meta_data() if it.connection_type == "mirrordb"]
    names, password = list(form.extra_fields), form.standard_fields.password.title
print(json.dumps([names, password]))
"""


@dataclass(frozen=True)
class Commands:
    """An Airflow without processes: its commands, and the database they leave behind."""

    folder: Path
    environment: dict[str, str]

    def airflow(self, *arguments: str, **connections: str) -> str:
        """Run an ``airflow`` command and return all it printed; its exit code says little, and is ignored.

        :param connections: as JSON, by their ids
        """
        return self._run("-m", "airflow", *arguments, connections=connections).stdout

    def json(self, *arguments: str) -> Any:
        """Run a command and return the last JSON line that it printed; Airflow 3.0 logs there as well."""
        output = self._run(*arguments, stderr=subprocess.PIPE).stdout
        for line in reversed(output.splitlines()):
            with suppress(ValueError):
                return json.loads(line)
        raise AssertionError(output)

    def tasks(self, dag_id: str) -> dict[str, tuple[str, int]]:
        """Return the state and the number of tries of each task of a DAG that ran once."""
        with closing(sqlite3.connect(self.folder / "airflow" / "airflow.db")) as connection:
            rows = connection.execute(
                "SELECT task_id, state, try_number FROM task_instance WHERE dag_id = ?", (dag_id,)
            )
            return {task_id: (state, try_number) for task_id, state, try_number in rows}

    def _run(
        self, *arguments: str, connections: dict[str, str] | None = None, stderr: int = subprocess.STDOUT
    ) -> subprocess.CompletedProcess[str]:
        given = {f"AIRFLOW_CONN_{name.upper()}": text for name, text in (connections or {}).items()}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**self.environment, **given},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            check=False,
            timeout=900,
        )


@pytest.fixture(scope="module")
def commands(folder: Path, backend: BackendProcess) -> Commands:
    home = folder / "every_version"
    (home / "dags").mkdir(parents=True)
    shutil.copy(DAGS, home / "dags")
    environment = {
        **airflow_environment(home, home / "dags", backend.url, backend.key),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "COLUMNS": "500",
    }
    commands = Commands(home, environment)
    commands.airflow("db", "migrate")
    return commands


def test_discovery(commands: Commands) -> None:
    """Airflow finds the provider with its hook, its decorator of tasks and its notifier."""
    (ours,) = commands.json(
        "-m", "airflow", "providers", "get", "airflow-mirrordb", "--full", "--output", "json"
    )
    hooks = commands.json("-m", "airflow", "providers", "hooks", "--output", "json")

    assert ours["package-name"] == "airflow-mirrordb"
    (decorator,) = ours["task-decorators"]
    assert (decorator["name"], import_string(decorator["class-name"])) == ("mirrordb", mirrordb_task)
    assert [import_string(name) for name in ours["notifications"]] == [MirrorDBNotifier]
    (hook,) = [it for it in hooks if it["connection_type"] == "mirrordb"]
    assert hook["class"] == "airflow_mirrordb.hooks.mirrordb.MirrorDBHook"
    assert hook["hook_name"] == "MirrorDB"


def test_form(commands: Commands) -> None:
    """The form has a field for each setting, and calls the password what it is here."""
    names, password = commands.json("-c", FORM)

    assert set(names) == FIELDS
    assert "key" in password


def test_connection(commands: Commands, backend: BackendProcess) -> None:
    """A connection that was added on the command line works, and a wrong key does not."""
    for name, key in {"right": backend.key, "wrong": secrets.token_urlsafe(24)}.items():
        added = commands.airflow(
            *("connections", "add", name, "--conn-type", "mirrordb", "--conn-host", backend.url),
            f"--conn-password={key}",
            *("--conn-extra", f'{{"test_endpoint": "api/{name}", "max_attempts": 2}}'),
        )
        assert f"Successfully added `conn_id`={name}" in added

    assert "Connection success!" in commands.airflow("connections", "test", "right")
    assert backend.requests("/api/right") == ["GET /api/right 200"]
    refused = commands.airflow("connections", "test", "wrong")
    assert "Connection failed!" in refused
    assert "401" in refused


def test_connection_of_the_database(commands: Commands) -> None:
    """A connection that is in Airflow's database only is found on the worker and in the triggerer's place."""
    with scripted({"in_database": [200, 200, 200]}) as backends:
        url = backends["in_database"].url
        commands.airflow("connections", "add", "in_database", "--conn-type", "mirrordb", "--conn-host", url)
        output = commands.airflow("dags", "test", "every_look_up")

    tasks = commands.tasks("every_look_up")
    assert {"deferred", "direct"} <= tasks.keys()
    assert {state for state, _ in tasks.values()} == {"success"}, output


def test_sensor(commands: Commands, backend: BackendProcess) -> None:
    """In each mode the sensor looks more than once, and goes on when the record is what it waits for."""
    from tests.e2e.dags.every_version import RESCHEDULES

    modes = ["poke", "deferrable", *RESCHEDULES]
    post(f"{backend.url}/api/letters", {"state": "sent"}, backend.key)

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(commands.airflow, "dags", "test", "every_mode")
        for mode in modes:

            def has_waited(path: str = f"/api/letters/1?by={mode}") -> bool:
                return len(backend.requests(path)) >= 2 or run.done()

            wait_until(has_waited, f"two looks of {mode}")
            put(f"{backend.url}/api/letters/1", {"state": f"seen by {mode}"}, backend.key)
        output = run.result()

    assert {name: state for name, (state, _) in commands.tasks("every_mode").items()} == dict.fromkeys(
        modes, "success"
    ), output
    assert all(len(backend.requests(f"/api/letters/1?by={mode}")) >= 3 for mode in modes)


def test_failures(commands: Commands) -> None:
    """A permanent or ambiguous failure ends a task on its first try; one that may pass is retried.

    Each of these events is told to a backend by the callback of its task or DAG, with a key of its own.
    """
    answers = {"missing": [404], "missing_deferred": [404], "ambiguous": [500], "passing": [503, 200]}
    answers |= {"function_missing": [404], "function_passing": [503, 200], "coroutine": [200]}
    answers["incidents"] = [201] * 9
    with scripted(answers) as backends:
        connections = {
            name: json.dumps({"conn_type": "mirrordb", "host": it.url, "extra": {"max_attempts": 1}})
            for name, it in backends.items()
        }
        extra = {"idempotency_header": "Idempotency-Key"}
        incidents = {"conn_type": "mirrordb", "host": backends["incidents"].url, "extra": extra}
        connections["incidents"] = json.dumps(incidents)
        output = commands.airflow("dags", "test", "every_failure", **connections)
        requests = {name: it.requests for name, it in backends.items() if name != "incidents"}

    assert commands.tasks("every_failure") == {
        "missing": ("failed", 1),
        "missing_deferred": ("failed", 1),
        "ambiguous": ("failed", 1),
        "passing": ("success", 2),
        "function_missing": ("failed", 1),
        "function_passing": ("success", 2),
        "coroutine": ("success", 1),
    }, output
    assert requests == {
        "missing": ["GET /api/users/1"],
        "missing_deferred": ["GET /api/users/1"],
        "ambiguous": ["POST /api/users"],
        "passing": ["GET /api/users/1"] * 2,
        "function_missing": ["GET /api/users/1"],
        "function_passing": ["GET /api/users/1"] * 2,
        "coroutine": ["GET /api/users/1"],
    }
    assert "NotFoundError" in output
    assert "AmbiguousWriteError" in output
    told = [tuple(json.loads(body).values()) for body in backends["incidents"].bodies]
    assert sorted(told) == [
        ("every_failure", "DAG", ""),
        ("every_failure", "ambiguous", "1"),
        ("every_failure", "function_missing", "1"),
        ("every_failure", "function_passing", "1"),
        ("every_failure", "missing", "1"),
        ("every_failure", "missing_deferred", "1"),
        ("every_failure", "passing", "1"),
    ], output
    assert len({headers["Idempotency-Key"] for headers in backends["incidents"].headers}) == len(told)


def test_nothing(commands: Commands) -> None:
    """What renders to nothing fails its task at once and unsent; what a task pushed is sent as it is."""
    answers = {"refused": [], "lazy": [201], "guarded": [200], "holiday": [200]}
    with scripted(answers) as backends:
        connections = {
            name: json.dumps({"conn_type": "mirrordb", "host": it.url}) for name, it in backends.items()
        }
        output = commands.airflow("dags", "test", "every_nothing", **connections)

    tasks = commands.tasks("every_nothing")
    refused = ("data", "filter", "guard", "expanded")
    assert {name: tasks[name] for name in refused} == dict.fromkeys(refused, ("failed", 1)), output
    states = {name: tasks[name][0] for name in ("lazy", "guarded", "holiday")}
    assert states == {"lazy": "success", "guarded": "success", "holiday": "skipped"}, output
    assert backends["refused"].requests == []
    assert backends["lazy"].bodies == [b'{"ids":[1,4,9]}']
    assert backends["guarded"].headers[0]["If-Match"] == '"v1"'
    assert output.count("rendered to nothing") >= len(refused)
    assert "no data on holidays" in output


def test_masking(commands: Commands) -> None:
    """What the hook knows to be secret is masked, in plain and as it is sent."""
    password = secrets.token_urlsafe(24)
    connection = {
        "conn_type": "mirrordb",
        "host": "http://127.0.0.1:9",
        "login": "ada",
        "password": password,
    }
    output = commands.airflow("dags", "test", "every_secret", secretive=json.dumps(connection))

    assert commands.tasks("every_secret")["tell"][0] == "success", output
    told = [line for line in output.splitlines() if "I was told" in line]
    assert told
    assert all("I was told *** and ***" in line for line in told)


@contextmanager
def scripted(answers: Mapping[str, list[int]]) -> Iterator[dict[str, ScriptedBackend]]:
    """A backend for each name, which gives these statuses one after the other."""
    backends = {name: ScriptedBackend() for name in answers}
    for name, backend in backends.items():
        for status in answers[name]:
            backend.answer(status, {})
        backend.start()
    try:
        yield backends
    finally:
        for backend in backends.values():
            backend.stop()
