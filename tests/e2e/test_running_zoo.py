"""The table of Airflow's own API against a running Airflow."""

from __future__ import annotations

import pytest

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.support.airflow_home import AirflowHome
from tests.zoo.apis.airflow import API
from tests.zoo.real import check, connect, records_of

pytestmark = pytest.mark.e2e


def test_airflow_is_what_its_table_says(airflow: AirflowHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools are read in pages, created, updated and deleted, and their errors are in words."""
    connection = {**API.connection, "password": airflow.token}
    connect(monkeypatch, connection, f"{airflow.url}/api/v2")
    with MirrorDBHook() as hook:
        for record in records_of(API):
            hook.create("pools", record)
        for call in API.calls:
            check(getattr(hook, call.method), call)
