"""Kill one of two triggerers in the middle of 200 deferred creates, and count what the backend got.

Airflow with the CeleryExecutor on Redis and PostgreSQL, two workers and two triggerers, all on
127.0.0.1; root installs Debian's redis-server and postgresql where they are missing. Takes about ten
minutes and 3 GB of memory, so it is not part of the gate: ``python -m tests.distributed``.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from tests.distributed.servers import Postgres, SlowWay, postgres, redis
from tests.lanes import build, install
from tests.support.airflow_home import COMPONENTS, AirflowHome, wait_until
from tests.support.backend_process import BackendProcess, running_backend

TASKS = 200
HELD = 20.0  # seconds that an answer takes
WORKERS = {
    f"worker-{number}": (
        *("celery", "worker", "-s", "--concurrency", "4", "--celery-hostname", f"{number}@localhost"),
        *("--without-gossip", "--without-mingle"),
    )
    for number in (1, 2)
}


class Cluster(AirflowHome):
    """Airflow on several workers and triggerers."""

    def __init__(
        self, folder: Path, backend: BackendProcess, url: str, database: Postgres, python: str
    ) -> None:
        super().__init__(folder, url, backend.key, python, {**COMPONENTS, **WORKERS})
        del self.environment["PYTHONPATH"]  # the package comes from the wheel
        self.backend, self.db = backend, database

    def triggerers(self) -> list[int]:
        """Return the ids of the triggerers that are there, the oldest first."""
        query = "SELECT id FROM job WHERE job_type = 'TriggererJob' AND state = 'running' ORDER BY id"
        return [int(job) for (job,) in self.db.rows(query)]

    def triggers_of(self, triggerer: int) -> set[int]:
        """Return the map indexes of the tasks that wait for a triggerer."""
        query = (
            "SELECT map_index FROM task_instance JOIN trigger ON trigger.id = task_instance.trigger_id"
            f" WHERE triggerer_id = {triggerer}"
        )
        return {int(index) for (index,) in self.db.rows(query)}

    def succeeded(self) -> set[int]:
        """Return the map indexes of the tasks that have succeeded."""
        return self._in_state("success")

    def deferred(self) -> set[int]:
        """Return the map indexes of the tasks that wait in a triggerer, or for one."""
        return self._in_state("deferred")

    def tries(self) -> Counter[tuple[str, int]]:
        """Return how many tasks ended in which state after how many tries."""
        rows = self.db.rows("SELECT state, try_number FROM task_instance")
        return Counter((state, int(tries)) for state, tries in rows)

    def _in_state(self, state: str) -> set[int]:
        query = f"SELECT map_index FROM task_instance WHERE state = '{state}'"  # one of ours
        return {int(index) for (index,) in self.db.rows(query)}

    def numbers(self) -> list[int]:
        """Return the number in each record of the backend, sorted."""
        return sorted(record["number"] for record in self.backend.records("parcels"))


def main() -> int:
    """Run it, print the report, and return 0 if nothing was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m tests.distributed", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--threshold", type=int, default=30, help="triggerer_health_check_threshold; Airflow's"
    )
    parser.add_argument(
        "--heartbeat", type=int, default=5, help="job_heartbeat_sec of [triggerer]; Airflow's"
    )
    arguments = parser.parse_args()
    settings = {
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": str(arguments.threshold),
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": str(arguments.heartbeat),
    }
    with tempfile.TemporaryDirectory(prefix="mirrordb-distributed-") as text:
        folder = Path(text).resolve()
        packages = ("apache-airflow-providers-celery", "apache-airflow-providers-postgres", "asyncpg")
        airflow = f"apache-airflow=={version('apache-airflow')}"
        wheel = str(build(folder))
        python = install(folder / "venv", sys.executable, wheel, airflow, *packages, "psycopg2-binary")
        with running_backend(folder / "backend.db") as backend, postgres() as database, redis() as broker:
            settings |= {
                "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
                "AIRFLOW__CORE__PARALLELISM": "64",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url,
                "AIRFLOW__CELERY__BROKER_URL": broker,
                "AIRFLOW__CELERY__RESULT_BACKEND": database.url.replace(
                    "postgresql+psycopg2", "db+postgresql"
                ),
            }
            (folder / "home").mkdir()
            return asyncio.run(survive(folder / "home", python, backend, database, settings))


async def survive(
    folder: Path, python: str, backend: BackendProcess, database: Postgres, settings: dict[str, str]
) -> int:
    """Run the DAG on a cluster, kill a triggerer in the middle, and judge what became of it."""
    way = SlowWay(backend.url, HELD)
    async with way.open() as url:
        cluster = Cluster(folder, backend, url, database, python)
        cluster.environment |= settings
        shutil.copy(Path(__file__).parent / "dags" / "distributed.py", cluster.dags)
        return await asyncio.to_thread(_survive, cluster, way)


def _survive(cluster: Cluster, way: SlowWay) -> int:
    begin = time.monotonic()
    with cluster.running():
        cluster.wait_for_dags("distributed")
        (first,) = cluster.triggerers()
        cluster.components["triggerer-2"] = COMPONENTS["triggerer"]
        cluster.start("triggerer-2")
        wait_until(lambda: len(cluster.triggerers()) > 1, "the second triggerer")
        say(f"started in {time.monotonic() - begin:.0f} s: two workers, two triggerers")

        begin = time.monotonic()
        run_id = cluster.trigger("distributed")
        victims = wait_until(lambda: _middle(cluster, first), "the middle of the run")
        held = way.held
        cluster.kill("triggerer")
        killed = time.monotonic()
        say(
            f"killed one triggerer {killed - begin:.0f} s after the start of the run:"
            f" {len(cluster.numbers())} records were there, {len(victims)} tasks waited for it,"
            f" {held} answers were on their way"
        )
        since_kill(lambda: not cluster.triggers_of(first), killed, "the other one had all its triggers")
        since_kill(lambda: not victims & cluster.deferred(), killed, "the last of them had its answer")
        since_kill(lambda: victims <= cluster.succeeded(), killed, "the last of these tasks had succeeded")

        state = wait_until(lambda: _ended(cluster, run_id), "the end of the run")
        say(f"the run ended {time.monotonic() - begin:.0f} s after its start: {state}")
        tries, numbers = cluster.tries(), cluster.numbers()
        requests = cluster.backend.requests("/api/parcels")
    for (ended, number), tasks in sorted(tries.items()):
        say(f"{tasks} tasks: {ended} in try {number}")
    say(f"{len(requests)} requests to create, {way.lost} of them lost their sender: {Counter(requests)}")
    say(f"{len(numbers)} records, {len(set(numbers))} of them different")
    right = state == "success" and numbers == list(range(TASKS))
    say("nothing was lost or doubled" if right else "FAILED")
    return 0 if right else 1


def since_kill(condition: Callable[[], bool], killed: float, what: str) -> None:
    wait_until(condition, what)
    say(f"{time.monotonic() - killed:.0f} s after the kill {what}")


def _middle(cluster: Cluster, triggerer: int) -> set[int]:
    """Return the tasks that wait for a triggerer, once a third of all records are there; none before."""
    waiting = cluster.triggers_of(triggerer)
    return waiting if len(waiting) >= 5 and len(cluster.numbers()) >= TASKS // 3 else set()


def _ended(cluster: Cluster, run_id: str) -> str:
    ((state,),) = cluster.db.rows(f"SELECT state FROM dag_run WHERE run_id = '{run_id}'")
    return state if state in ("success", "failed") else ""


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
