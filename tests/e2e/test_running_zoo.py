"""The table of Airflow's own API against a running Airflow."""

from __future__ import annotations

import pytest

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.airflow_home import AirflowHome
from tests.zoo.apis.airflow import API
from tests.zoo.real import check, connect, records_of

pytestmark = pytest.mark.e2e


def test_airflow_is_what_its_table_says(airflow: AirflowHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools are read in pages, created, updated and deleted, and their errors are in words.

    Its token is that of a login, which Airflow answers by 201.
    """
    connection = {**API.connection, "login": "admin", "password": airflow.password}
    connect(monkeypatch, connection, f"{airflow.url}/api/v2")
    with MirrorDBHook() as hook:
        for record in records_of(API):
            hook.create("pools", record)
        for call in API.calls:
            check(getattr(hook, call.method), call)


def test_a_login_that_airflow_refuses(airflow: AirflowHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection test tells it in Airflow's own words, and whether a right one is taken."""
    extra = {**API.connection["extra"], "test_endpoint": "pools"}
    right = {"login": "admin", "password": airflow.password, "extra": extra}
    connect(monkeypatch, right, f"{airflow.url}/api/v2")
    assert MirrorDBHook().test_connection() == (
        True,
        f"GET {airflow.url}/api/v2/pools answered 200, authentication: login",
    )
    connect(monkeypatch, {**right, "password": "wr0ng-p4ssword"}, f"{airflow.url}/api/v2")
    worked, message = MirrorDBHook().test_connection()
    assert not worked
    assert message.startswith("Login refused: check Login / client id, ")
    assert f"401 Unauthorized: Invalid credentials (POST {airflow.url}/auth/token, the login_url)" in message
