"""One Airflow and one backend, started once for all tests of this folder."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.airflow_home import AirflowHome
from tests.support.backend_process import BackendProcess, running_backend
from tests.support.metrics import Metrics, receiving
from tests.support.runs import Runs

if "airflow" not in sys.modules:  # it reads its configuration when it is imported
    _home = tempfile.TemporaryDirectory(prefix="mirrordb-airflow-")
    os.environ["AIRFLOW_HOME"] = _home.name

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that does not outlive the tests: what lies in it includes secrets."""
    with tempfile.TemporaryDirectory(prefix="mirrordb-e2e-") as name:
        yield Path(name).resolve()


@pytest.fixture(scope="session")
def backend(folder: Path) -> Iterator[BackendProcess]:
    with running_backend(folder / "backend.db") as process:
        yield process


@pytest.fixture(scope="session")
def metrics() -> Iterator[Metrics]:
    with receiving() as received:
        yield received


@pytest.fixture(scope="session")
def airflow(folder: Path, backend: BackendProcess, metrics: Metrics) -> Iterator[AirflowHome]:
    """A running Airflow with the example DAGs and those of these tests."""
    (folder / "home").mkdir()
    home = AirflowHome(folder / "home", backend.url, backend.key)
    home.environment.update(metrics.environment)
    for file in (*CHECKOUT.glob("example_dags/*.py"), *Path(__file__).parent.glob("dags/*.py")):
        shutil.copy(file, home.dags)
    recipe = (CHECKOUT / "example_dags/recipes/watched_export.py").read_text()
    for text, more in {  # a poll each minute is too slow for a test, and its backend is another
        "MirrorDBEventTrigger(": 'mirrordb_conn_id="exports", poll_interval=2, ',
        'DAG("watched_export", ': 'default_args={"mirrordb_conn_id": "exports"}, ',
    }.items():
        assert recipe.count(text) == 1
        recipe = recipe.replace(text, text + more)
    (home.dags / "watched_export.py").write_text(recipe)
    with home.running():
        home.wait_for_dags("mirrordb_crud", "mirrordb_pipeline", "missing_record", "busy_backend")
        yield home


@pytest.fixture(scope="session")
def runs(folder: Path) -> Runs:
    """Another Airflow, without processes."""
    (folder / "examples").mkdir()
    return Runs(folder / "examples")
