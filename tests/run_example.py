"""Run one example DAG on a real Airflow against the embedded backend, and print what happened.

``python -m tests.run_example FILE [--home FOLDER]``; the folder keeps the backend's database
(``backend.db``), Airflow's own, and the log (``run.log``).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

SEED = {
    "orders": [
        {"customer": "acme", "quantity": 3, "price": 20.0, "updated_at": "2026-01-02T09:00:00Z"},
        {"customer": "globex", "quantity": 1, "price": 7.5, "updated_at": "2026-01-03T09:00:00Z"},
        {"customer": "acme", "quantity": 2, "price": 5.0, "updated_at": "2026-01-03T10:00:00Z"},
    ]
}
#: The resources whose records are jobs.
JOBS = ("batches",)
#: What ``dag.test()`` says of a task that it begins, up to the trigger that it runs for that task.
_TRIGGERED = re.compile(
    r"\[DAG TEST\] starting task_id=(\S+)(?:(?!\[DAG TEST\] starting).)*?running trigger in line", re.DOTALL
)


def main() -> int:
    """Run the example and return 0 if its DAG run succeeded."""
    parser = argparse.ArgumentParser(prog="python -m tests.run_example", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="a DAG file, as example_dags/mirrordb_crud.py")
    parser.add_argument("--home", type=Path, help="folder to work in; default: a temporary one")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.file.is_file():
        parser.error(f"there is no file {str(arguments.file)!r}")
    if arguments.inside:
        return run_inside(arguments.file, arguments.home)
    if arguments.home:
        arguments.home.mkdir(parents=True, exist_ok=True)
        return run(arguments.file.resolve(), arguments.home.resolve())
    with tempfile.TemporaryDirectory(prefix="mirrordb-") as folder:
        return run(arguments.file.resolve(), Path(folder))


def run(file: Path, home: Path) -> int:
    """Start the backend, run the DAG in a process of its own, and print what both say of it."""
    key = secrets.token_urlsafe(24)
    log = home / "run.log"
    with backend(home / "backend.db", key, jobs=JOBS) as url:
        print(f"backend  {url}, embedded, on {home / 'backend.db'}")
        for resource, records in SEED.items():
            for record in records:
                post(f"{url}/api/{resource}", record, key)
        env = airflow_environment(home, file.parent, url, key)
        print(f"airflow  preparing its database in {home}", flush=True)
        started = time.monotonic()
        with log.open("w") as output:
            for command in (
                [sys.executable, "-m", "airflow", "db", "migrate"],
                [sys.executable, "-m", "tests.run_example", "--inside", "--home", str(home), str(file)],
            ):
                done = subprocess.run(command, env=env, stdout=output, stderr=subprocess.STDOUT, check=False)
                if done.returncode:
                    print(log.read_text()[-4000:], file=sys.stderr)
                    return done.returncode
    result = json.loads((home / "result.json").read_text())
    print(f"dag      {result['dag_id']}: {result['state']} after {time.monotonic() - started:.0f} s\n")
    print_tasks(result["tasks"], set(_TRIGGERED.findall(log.read_text())))
    print_database(home / "backend.db")
    return 0 if result["state"] == "success" else 1


def run_inside(file: Path, home: Path) -> int:
    """Run the DAG of a file by ``dag.test()`` and write the outcome down; inside :func:`run`'s Airflow."""
    from airflow.utils.session import create_session

    dag_run = load(file).dag.test()
    with create_session() as session:
        tasks = [
            {
                "task_id": ti.task_id,
                "map_index": ti.map_index,
                "state": str(ti.state),
                "result": ti.xcom_pull(ti.task_id, map_indexes=ti.map_index, session=session),
            }
            for ti in sorted(dag_run.get_task_instances(session=session), key=lambda ti: ti.end_date)
        ]
    outcome = {"dag_id": dag_run.dag_id, "state": str(dag_run.state), "tasks": tasks}
    (home / "result.json").write_text(json.dumps(outcome))
    return 0


def load(file: Path) -> ModuleType:
    """Return the module of a DAG file, found by its name from now on, as Airflow does: dlt looks there."""
    spec = importlib.util.spec_from_file_location(f"dag_file_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def airflow_environment(home: Path, dags: Path, url: str, key: str) -> dict[str, str]:
    """Return the environment of an Airflow in a folder of its own, with the connection set."""
    connection = {
        "conn_type": "mirrordb",
        "host": url,
        "password": key,
        "extra": {"idempotency_header": "Idempotency-Key"},
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return {
        **kept,
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW_CONN_MIRRORDB_DEFAULT": json.dumps(connection),
    }


@contextmanager
def backend(database: Path, key: str, *, jobs: Iterable[str] = ()) -> Iterator[str]:
    """Run the embedded backend in a process of its own and yield its URL.

    :param jobs: names of the resources that are jobs
    """
    command = [sys.executable, "-m", "airflow_mirrordb.devserver", "--port", "0", "--db", str(database)]
    command += [f"--jobs={name}" for name in jobs]
    env = {**os.environ, "MIRRORDB_DEVSERVER_API_KEY": key}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if "listening on" not in line:
                raise RuntimeError("the embedded backend did not start")
            yield line.split()[-1]
        finally:
            process.terminate()
            process.wait()


def post(url: str, record: Mapping[str, Any], key: str) -> None:
    """Create a record without the package, so that what the package reads is not what it wrote."""
    headers = {"Content-Type": "application/json", "X-API-Key": key}
    request = urllib.request.Request(url, json.dumps(record).encode(), headers)
    with urllib.request.urlopen(request):
        pass


def print_tasks(tasks: list[dict[str, Any]], triggered: set[str]) -> None:
    """Print each step: its task, how it ended, where it was sent, and what came back."""
    print(f"{'task':<20} {'state':<9} {'sent by':<10} result")
    for task in tasks:
        name = task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"
        place = "triggerer" if task["task_id"] in triggered else "worker"
        print(f"{name:<20} {task['state']:<9} {place:<10} {json.dumps(task['result'])}")


def print_database(database: Path) -> None:
    """Print the requests that the backend saw, and what its tables hold at the end."""
    with closing(sqlite3.connect(database)) as connection:
        print(f"\n{'request':<40} status")
        for method, path, status in connection.execute(
            "SELECT method, path, status FROM request_log ORDER BY seq"
        ):
            print(f"{f'{method} {path}':<40} {status}")
        print(f"\n{'resource':<12} {'id':<6} record")
        for resource, record_id, body in connection.execute(
            "SELECT resource, id, body FROM records ORDER BY sequence"
        ):
            print(f"{resource:<12} {record_id:<6} {body}")


if __name__ == "__main__":
    sys.exit(main())
