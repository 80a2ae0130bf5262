"""An Airflow in which DAGs run by ``dag.test()``: the examples, against whatever its connections lead to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.airflow_home import AirflowHome
from tests.support.dag_runs import Job, Outcome

CHECKOUT = Path(__file__).parents[2]
EXAMPLES = sorted((CHECKOUT / "example_dags").glob("mirrordb_*.py"))
RECIPES = sorted((CHECKOUT / "example_dags" / "recipes").glob("*.py"))


class Runs:
    """An Airflow without processes, whose DAGs run against a backend."""

    def __init__(self, folder: Path) -> None:
        self._home = AirflowHome(folder, "http://127.0.0.1:9", "")
        for name in ("AIRFLOW_CONN_MIRRORDB_DEFAULT", "AIRFLOW__CORE__EXECUTOR"):
            del self._home.environment[name]
        self._home.environment["TMPDIR"] = str(folder)
        self.folder, self.asked = folder, folder / "asked_variables"
        for path in (*EXAMPLES, *RECIPES):
            shutil.copy(path, self._home.dags)
        self._home.command("db", "migrate")

    @contextmanager
    def connected(self, place: str, connections: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
        """Define the connections in a place, and yield the environment of who shall find them there."""
        if place == "environment":
            yield {f"AIRFLOW_CONN_{name.upper()}": json.dumps(it) for name, it in connections.items()}
        elif place == "secrets backend":
            file = self.folder / "connections.json"
            file.write_text(json.dumps(connections))
            options = {"asked": str(self.asked), "connections_file_path": str(file)}
            yield {
                "AIRFLOW__SECRETS__BACKEND": "tests.support.counting_secrets.CountingSecrets",
                "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(options),
            }
        else:
            for name, connection in connections.items():
                self._home.command("connections", "add", name, "--conn-json", json.dumps(connection))
            yield {}
            for name in connections:
                self._home.command("connections", "delete", name)

    def add(self, name: str, text: str) -> None:
        """Put a DAG file into its folder."""
        (self._home.dags / f"{name}.py").write_text(text)

    def run(
        self, jobs: Sequence[tuple[str, dict[str, Any]]], **environment: str
    ) -> tuple[list[Outcome], str]:
        """Run DAGs one after the other; return how they ended, and all that was printed."""
        given, told = self.folder / "jobs.json", self.folder / "outcomes.json"
        given.write_text(
            json.dumps([Job(file=str(self._home.dags / f"{name}.py"), conf=conf) for name, conf in jobs])
        )
        told.unlink(missing_ok=True)
        output = self._home.run(
            "-m", "tests.support.dag_runs", str(given), str(told), environment=environment
        )
        assert told.exists(), output
        return json.loads(told.read_text()), output


def connection_to_airflow(other: AirflowHome) -> dict[str, Any]:
    """Return the connection to an Airflow as a backend, as the recipe says."""
    return {
        "conn_type": "mirrordb",
        "host": f"{other.url}/api/v2",
        "password": other.token,
        "extra": {"endpoints": ["dags/{dag}/dagRuns"]},
    }
