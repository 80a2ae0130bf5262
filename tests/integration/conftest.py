"""The fixtures of tests with Airflow: a home of its own, a scripted backend, a connection."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.task_tries import TaskTries
    from tests.support.triggering import Triggerer
    from tests.support.watching import Supervisor, Watching

# Before anything imports Airflow, which reads its configuration then.
_home = tempfile.TemporaryDirectory(prefix="mirrordb-airflow-")
os.environ["AIRFLOW_HOME"] = _home.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"


@pytest.fixture(autouse=True)
def _no_look_up_known() -> None:
    """Forget what earlier tests looked up: hooks of one process share an event loop, and what it knows."""
    if lookup := sys.modules.get("airflow_mirrordb.hooks.connections.lookup"):
        lookup._look_ups.clear()


@pytest.fixture(autouse=True)
def _is_executed_by_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Airflow not warn of a task that a test executes.

    It reads only once whether it is tested, and reads nothing if another test was first to import it.
    """
    for name in ("airflow.models.baseoperator", "airflow.sdk.bases.operator"):  # Airflow 2 and 3
        safeguard = getattr(sys.modules.get(name), "ExecutorSafeguard", None)
        if hasattr(safeguard, "test_mode"):
            monkeypatch.setattr(safeguard, "test_mode", True)


@pytest.fixture
def triggerer(monkeypatch: pytest.MonkeyPatch) -> Triggerer:
    """Stand where Airflow's triggers look for their triggerer."""
    from tests.support.triggering import Triggerer

    return Triggerer(monkeypatch)


@pytest.fixture
def scripted() -> Iterator[ScriptedBackend]:
    backend = ScriptedBackend()
    backend.start()
    yield backend
    backend.stop()


@pytest.fixture
def task_tries() -> TaskTries:
    """Return the tries of a task in whose function a hook is used."""
    from tests.support.task_tries import TaskTries

    return TaskTries(f"run {uuid.uuid4()}")


@pytest.fixture
def set_connection(monkeypatch: pytest.MonkeyPatch) -> SetConnection:
    """Define the connection ``mirrordb_default``; extras have tiny waits unless they say otherwise."""

    def define(host: str, *, extra: Mapping[str, Any] | None = None, **fields: Any) -> None:
        extras = {"initial_delay": 0.001, "max_delay": 0.001, **(extra or {})}
        connection = {"conn_type": "mirrordb", "host": host, **fields, "extra": extras}
        monkeypatch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", json.dumps(connection))

    return define


@pytest.fixture
def watching(
    answering: Answering, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> Watching:
    """Event triggers, which came with Airflow 3.0."""
    from tests.support.watching import Watching

    return Watching(answering, set_connection, monkeypatch)


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """What keeps values for assets, which came with Airflow 3.3."""
    from airflow.sdk.execution_time import task_runner

    from tests.support.watching import Supervisor

    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor
