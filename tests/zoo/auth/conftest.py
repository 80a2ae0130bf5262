"""The fixtures of tests of credentials: servers in a thread of their own, and connections to them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from airflow_mirrordb.client import GenericMirrorDB
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.clocks import FakeClock
from tests.zoo.auth.authorizing import AuthorizationServer
from tests.zoo.auth.names import TINY, Connect, Serving
from tests.zoo.auth.oauth_running import Running
from tests.zoo.auth.oauth_ways import OAuthWay
from tests.zoo.auth.signing import SigningKeys, make_keys
from tests.zoo.emulator import Servers


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


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    return make_keys(tmp_path_factory.mktemp("signing"))


@pytest.fixture
def running(serving: Serving, keys: SigningKeys, clock: FakeClock) -> Running:
    return Running(serving, keys, clock)


@pytest.fixture
def hook(connect: Connect, running: Running, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what makes the hook of a way's connection, on the clock of the server."""
    monkeypatch.setattr(
        "airflow_mirrordb.hooks.connected.GenericMirrorDB", partial(GenericMirrorDB, clock=clock.as_clock())
    )

    def make(way: OAuthWay, server: AuthorizationServer, *, wrong: bool = False) -> MirrorDBHook:
        settings = running.settings(way, server, wrong=wrong)
        fields = {
            "login": settings.pop("login", None),
            "password": settings.pop("api_key", None),
        }
        known = {name: value for name, value in fields.items() if value is not None}
        connect(settings.pop("base_url"), extra={**settings, "test_endpoint": "api/things"}, **known)
        return MirrorDBHook()

    return make
