"""The fixtures of tests of credentials: servers in a thread of their own, and connections to them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from aiohttp import web

from tests.zoo.emulator import Servers

Serving = Callable[[web.Application], str]
Connect = Callable[..., None]
TINY: dict[str, Any] = {"initial_delay": 0.001, "max_delay": 0.001}


@pytest.fixture(autouse=True)
def _no_look_up_known() -> None:
    """Forget what earlier tests looked up: hooks of one process share an event loop, and what it knows."""
    if lookup := sys.modules.get("airflow_mirrordb.hooks.connections.lookup"):
        lookup._look_ups.clear()


@pytest.fixture(autouse=True)
def _all_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.fixture
def serving(servers: Servers) -> Iterator[Serving]:
    """Return what serves an application until the test ends; it returns the origin."""
    with ExitStack() as running:
        yield lambda application: running.enter_context(servers.serving(application))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return what defines the connection ``mirrordb_default``."""

    def connect(host: str, *, extra: Mapping[str, Any] | None = None, **fields: Any) -> None:
        connection = {"conn_type": "mirrordb", "host": host, **fields, "extra": {**TINY, **(extra or {})}}
        monkeypatch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", json.dumps(connection))

    return connect
