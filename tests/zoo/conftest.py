"""The fixtures of the zoo: servers in one thread, and a hook whose waits take no time."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.backends import Serve
from tests.support.clocks import FakeClock
from tests.support.connections import ConfigFor
from tests.zoo.emulator import Emulator, Servers
from tests.zoo.jobs.running import Running
from tests.zoo.tables import KEY, Api

if TYPE_CHECKING:
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    HookFor = Callable[..., MirrorDBHook]

# Before anything imports Airflow, which reads its configuration then.
_home = tempfile.TemporaryDirectory(prefix="mirrordb-airflow-")
os.environ.setdefault("AIRFLOW_HOME", _home.name)
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
os.environ.setdefault("AIRFLOW__CORE__UNIT_TEST_MODE", "True")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture
def emulator(api: Api, servers: Servers, clock: FakeClock) -> Iterator[Emulator]:
    with servers.serve(api.documented, clock.now) as emulator:
        yield emulator


@pytest.fixture
def hook_for(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> HookFor:
    """Return what makes the hook of an API's connection; its client's waits pass on the emulator's clock."""
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    monkeypatch.setattr(
        "airflow_mirrordb.hooks.connected.GenericMirrorDB", partial(GenericMirrorDB, clock=clock.as_clock())
    )

    def hook_for(api: Api, emulator: Emulator, *, key: str | None = None) -> MirrorDBHook:
        connection = {
            "conn_type": "mirrordb",
            "host": emulator.origin + api.documented.base,
            **api.connection,
        }
        text = emulator.placed(json.dumps(connection))
        if key is not None:
            text = text.replace(KEY, key)
        monkeypatch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", text)
        return MirrorDBHook()

    return hook_for


@pytest.fixture
def run(serve: Serve, config_for: ConfigFor, clock: FakeClock) -> Running:
    """Return what runs a job of a backend."""
    return Running(serve, config_for, clock)
