"""One Airflow and one backend, started once for all tests of this folder."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.airflow_home import AirflowHome
from tests.support.backend_process import BackendProcess, running_backend
from tests.support.metrics import Metrics, receiving
from tests.support.runs import Runs

if TYPE_CHECKING:
    from tests.lanes import Outcome

if "airflow" not in sys.modules:  # it reads its configuration when it is imported
    _home = tempfile.TemporaryDirectory(prefix="mirrordb-airflow-")
    os.environ["AIRFLOW_HOME"] = _home.name

CHECKOUT = Path(__file__).parents[2]
LANES = "tests/e2e/test_lanes.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Await the lane last: it runs beside all others of this folder."""
    items.sort(key=lambda item: item.nodeid.startswith(LANES))


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that does not outlive the tests: what lies in it includes secrets."""
    with tempfile.TemporaryDirectory(prefix="mirrordb-e2e-") as name:
        yield Path(name).resolve()


@pytest.fixture(autouse=True)
def _lane_beside(request: pytest.FixtureRequest) -> None:
    """Begin the lane with the first test in which no browser waits for what is drawn."""
    if "browser" not in request.node.nodeid:
        request.getfixturevalue("oldest_lane")


@pytest.fixture(scope="session")
def oldest_lane(request: pytest.FixtureRequest, folder: Path) -> Iterator[Future[Outcome] | None]:
    """Return what becomes of the tests on the oldest Airflow, begun early since they take minutes."""
    if not any(item.nodeid.startswith(LANES) for item in request.session.items):
        yield None
        return
    from tests.lanes import AIRFLOWS, build, lanes, run  # which no lane can import

    lane = next(lanes(), None)
    if lane is None or lane.airflow != next(iter(AIRFLOWS)):
        yield None
        return
    (folder / "lanes").mkdir()
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(lambda: run(lane, build(folder / "lanes"), folder / "lanes", slow=False))


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
