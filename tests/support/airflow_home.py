"""A whole Airflow in a folder of its own: its settings, its commands, and its processes on 127.0.0.1."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from tests.run_example import airflow_environment

T = TypeVar("T")

#: The command of each process, by its name.
COMPONENTS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "-s"),  # -s: without the log server, which listens on all interfaces
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "-s"),
}

CHECKOUT = Path(__file__).parents[2]
PATIENCE = 900.0  # seconds; only what never happens takes them

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AirflowHome:
    """One Airflow on SQLite, whose connection ``mirrordb_default`` leads to a given backend.

    :param folder: an empty folder, which holds all that this Airflow writes
    :param url: of the backend
    :param key: the backend's API key
    :param python: the interpreter whose Airflow this is
    :param components: the command of each of its processes, by name
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        key: str,
        python: str = sys.executable,
        components: Mapping[str, tuple[str, ...]] = COMPONENTS,
    ) -> None:
        self.folder, self.python, self.components = folder, python, dict(components)
        self.dags = folder / "dags"
        self.dags.mkdir()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.database = folder / "airflow" / "airflow.db"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.password, self._token = secrets.token_urlsafe(24), ""
        passwords = folder / "passwords.json"
        passwords.write_text(json.dumps({"admin": self.password}))
        host, port = self.url.removeprefix("http://").split(":")
        signing = secrets.token_urlsafe(64)
        self.environment = {
            **airflow_environment(folder, self.dags, url, key),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": host,
            "AIRFLOW__API__PORT": port,
            "AIRFLOW__API__SECRET_KEY": signing,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": signing,
            "AIRFLOW__CORE__EXECUTOR": "tests.support.patient_executor.PatientExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__PARALLELISM": "3",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",  # when its triggers move
            "PYTHONPATH": str(CHECKOUT),  # for the executor
            "COLUMNS": "500",  # no line of a command's output is broken
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    # -- commands --------------------------------------------------------------------------------

    def command(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run an ``airflow`` command and return all it printed; its exit code says little, and is ignored."""
        return self.run("-m", "airflow", *arguments, environment=environment)

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run Python in this Airflow, and return all it printed."""
        done = subprocess.run(
            [self.python, *arguments],
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        return done.stdout

    # -- processes -------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start all components, yield when all are healthy, and end them with all they started.

        :raises RuntimeError: one of them ended
        :raises TimeoutError: one of them is not healthy in ``PATIENCE``
        """
        self.command("db", "migrate")
        try:
            for name in self.components:
                self.start(name)
            wait_until(self._is_healthy, "a healthy Airflow")
            yield
        finally:
            self._stop(self._processes.values())

    def start(self, component: str) -> None:
        """Start a component, or start it again."""
        with self._output_of(component).open("ab") as output:
            self._processes[component] = subprocess.Popen(
                [self.python, "-m", "airflow", *self.components[component]],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, component: str) -> None:
        """End a component with SIGKILL, and all processes that it started."""
        process = self._processes[component]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def component_of(self, group: int) -> str:
        """Return the name of a running component, by the id of its process group."""
        return next(
            name
            for name, process in self._processes.items()
            if process.pid == group and self.is_running(name)
        )

    def is_running(self, component: str) -> bool:
        """Whether a component has not ended by itself."""
        return self._processes[component].poll() is None

    def leftovers(self) -> list[int]:
        """Return the ids of all processes, also orphans, that run with this home; none without /proc."""
        mark = f"AIRFLOW_HOME={self.environment['AIRFLOW_HOME']}".encode()
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # it ended meanwhile, or is not ours
                if mark in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
        return found

    def _is_healthy(self) -> bool:
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended:\n{self._output_of(name).read_text()[-4000:]}")
        try:
            health = _fetch("GET", f"{self.url}/api/v2/monitor/health")
        except OSError:  # it does not listen yet
            return False
        return all(part["status"] == "healthy" for part in health.values())

    def _stop(self, processes: Collection[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pid in self.leftovers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.leftovers(), "the end of all processes")

    def _output_of(self, component: str) -> Path:
        return self.folder / f"{component}.log"

    # -- REST ------------------------------------------------------------------------------------

    def rest(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the REST API as its only user and return the decoded answer.

        :raises RuntimeError: the answer is an error; tells its status and body
        """
        return _fetch(method, f"{self.url}/api/v2/{path}", body, self.token)

    @property
    def token(self) -> str:
        """The only user's token for the REST API."""
        if not self._token:
            user = {"username": "admin", "password": self.password}
            self._token = _fetch("POST", f"{self.url}/auth/token", user)["access_token"]
        return self._token

    def wait_for_dags(self, *dag_ids: str) -> None:
        """Return when Airflow has read these DAGs.

        :raises RuntimeError: one cannot be imported
        """

        def are_known() -> bool:
            errors = self.rest("GET", "importErrors")["import_errors"]
            if errors:
                raise RuntimeError("\n".join(error["stack_trace"] for error in errors))
            return set(dag_ids) <= {dag["dag_id"] for dag in self.rest("GET", "dags")["dags"]}

        wait_until(are_known, f"the DAGs {', '.join(dag_ids)}")

    def unpause(self, dag_id: str, *, paused: bool = False) -> None:
        self.rest("PATCH", f"dags/{dag_id}", {"is_paused": paused})

    def trigger(self, dag_id: str) -> str:
        """Unpause a DAG, start a run of it, and return the run's id."""
        self.unpause(dag_id)
        return str(self.rest("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run as REST tells them."""
        path = f"dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances"
        tasks: list[dict[str, Any]] = self.rest("GET", path)["task_instances"]
        return tasks

    def wait_for_run(
        self, dag_id: str, run_id: str, look: Callable[[list[dict[str, Any]]], object] | None = None
    ) -> str:
        """Wait for the end of a run and return its state; print the logs of the tasks that failed.

        :param look: is shown the task instances at every poll
        """

        def state() -> str | None:
            if look:
                look(self.tasks(dag_id, run_id))
            found: str = self.rest("GET", f"dags/{dag_id}/dagRuns/{_quoted(run_id)}")["state"]
            return found if found in ("success", "failed") else None

        ended = wait_until(state, f"the end of {dag_id}")
        for task in self.tasks(dag_id, run_id):
            if task["state"] == "failed":
                print(f"{task['task_id']} failed:\n{self.log(dag_id, run_id, task['task_id'])}")  # noqa: T201  # shown by pytest if the test fails
        return ended

    def result(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        """Return the XCom that a task returned."""
        task = f"dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}"
        path = f"{task}/xcomEntries/return_value?map_index={map_index}"
        return self.rest("GET", path)["value"]

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """Return the extra links that a task's page shows."""
        path = f"dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}/links"
        links: dict[str, str | None] = self.rest("GET", path)["extra_links"]
        return links

    # -- what it wrote ---------------------------------------------------------------------------

    def log(
        self, dag_id: str, run_id: str, task_id: str, *, number: int | None = None, of_trigger: bool = False
    ) -> str:
        """Return what a task logged, in all its tries or one: on the workers, or in the triggerer."""
        folder = (
            self.folder / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        )
        return "".join(
            path.read_text()
            for path in sorted(folder.rglob(f"attempt={number or '*'}.log*"))
            if (".trigger." in path.name) is of_trigger
        )

    def shown_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> list[str]:
        """Return the lines that a task's page shows of a try: those of worker and triggerer together."""
        task = f"dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{task_id}"
        content = self.rest("GET", f"{task}/logs/{try_number}")["content"]
        return [line["event"] for line in content]

    def files_with(self, text: str) -> list[str]:
        """Return the names of all files of this Airflow whose bytes hold a text; logs and database too."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return [str(path.relative_to(self.folder)) for path in files if text.encode() in path.read_bytes()]

    def columns_with(self, text: str) -> list[str]:
        """Return all columns of the metadata database with a value that holds a text."""
        with closing(sqlite3.connect(self.database)) as connection:
            tables = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            columns = [
                (table, row[1])
                for table in tables
                for row in connection.execute(f"PRAGMA table_info('{table}')")
            ]
            return [
                f"{table}.{column}"
                for table, column in columns
                if connection.execute(
                    f'SELECT 1 FROM "{table}" WHERE instr(CAST("{column}" AS TEXT), ?) LIMIT 1', (text,)
                ).fetchone()
            ]


def wait_until(condition: Callable[[], T | None], what: str) -> T:
    """Ask four times a second, and return the first answer that is true.

    :raises TimeoutError: there was none in ``PATIENCE``, which is much more than a busy machine needs
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.25)
    raise TimeoutError(f"{what}: not within {PATIENCE:g} s")


def _fetch(method: str, url: str, body: object = None, token: str = "") -> Any:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with _DIRECT.open(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            raise RuntimeError(f"{method} {url} answered {error.code}: {error.read().decode()}") from None


def _quoted(run_id: str) -> str:
    return urllib.parse.quote(run_id, safe="")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
