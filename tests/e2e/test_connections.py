"""Connections from every place where Airflow keeps them, looked up and tested by Airflow itself."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.support.airflow_home import AirflowHome
from tests.support.backend_process import BackendProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

SUCCESS = "Connection success!"
FAILURE = "Connection failed!"
WRONG_KEY = secrets.token_urlsafe(24)

#: What ``airflow connections test`` says of each connection of the environment, by its id.
Outcomes = Mapping[str, str]


@pytest.fixture(scope="module")
def outcomes(airflow: AirflowHome, backend: BackendProcess, dead_port: int) -> Outcomes:
    """Test all connections of the environment, two at a time, as each command takes seconds to start."""
    place = backend.url.removeprefix("http://")
    extra = {
        "auth_type": "api_key",
        "max_attempts": 2,
        "retry_statuses": [503],
        "test_endpoint": "api/by_json",
    }
    words = "max_attempts=2&trailing_slash=false&retry_statuses=502%2C503&test_endpoint=api%2Fby_uri"
    connections = {
        "by_json": as_json(host=backend.url, password=backend.key, extra=extra),
        "by_uri": f"mirrordb://:{quote(backend.key)}@{place}/http?{words}",
        "wrong_key": as_json(host=backend.url, password=WRONG_KEY),
        "nobody_listens": as_json(host=f"http://127.0.0.1:{dead_port}"),
        "misspelt": as_json(host=backend.url, extra={"max_atempts": 2}),
        "without_host": as_json(password="of nobody"),
    }
    environment = {f"AIRFLOW_CONN_{name.upper()}": text for name, text in connections.items()}

    def outcome(name: str) -> str:
        printed = airflow.command("connections", "test", name, environment=environment)
        return " ".join(printed.split())  # it is wrapped to the width of a terminal

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(connections, pool.map(outcome, connections), strict=True))


def as_json(**fields: Any) -> str:
    return json.dumps({"conn_type": "mirrordb", **fields})


def test_added_on_the_command_line(airflow: AirflowHome, backend: BackendProcess) -> None:
    """A connection added with host, password and extra works, and the database holds no clear key."""
    where = urlsplit(backend.url)
    added = airflow.command(
        *("connections", "add", "added"),
        *("--conn-type", "mirrordb"),
        *("--conn-host", f"{where.hostname}"),
        *("--conn-port", f"{where.port}"),
        *("--conn-schema", "http"),
        f"--conn-password={backend.key}",  # in one word, as the key may begin with a dash
        *("--conn-extra", json.dumps({"test_endpoint": "api/added", "max_attempts": 2, "proxy": None})),
    )

    assert "Successfully added `conn_id`=added" in added
    assert SUCCESS in airflow.command("connections", "test", "added")
    assert backend.requests("/api/added") == ["GET /api/added 200"]
    assert airflow.columns_with(backend.key) == []


def test_json_in_the_environment(outcomes: Outcomes, backend: BackendProcess) -> None:
    """A connection as JSON in AIRFLOW_CONN_... works; its extra keeps its types."""
    assert SUCCESS in outcomes["by_json"]
    assert backend.requests("/api/by_json") == ["GET /api/by_json 200"]


def test_uri_in_the_environment(outcomes: Outcomes, backend: BackendProcess) -> None:
    """A connection as URI in AIRFLOW_CONN_... works; its extra, all strings, is read as what it means."""
    assert SUCCESS in outcomes["by_uri"]
    assert backend.requests("/api/by_uri") == ["GET /api/by_uri 200"]


def test_wrong_key(outcomes: Outcomes) -> None:
    """A key that the backend refuses fails the test with the backend's own words, without the key."""
    assert FAILURE in outcomes["wrong_key"]
    assert "401" in outcomes["wrong_key"]
    assert "the API key is missing or wrong" in outcomes["wrong_key"]
    assert WRONG_KEY not in outcomes["wrong_key"]


def test_nobody_listens(outcomes: Outcomes, dead_port: int) -> None:
    """A dead port fails the test; the reason names it."""
    assert FAILURE in outcomes["nobody_listens"]
    assert f"127.0.0.1:{dead_port}" in outcomes["nobody_listens"]


def test_unknown_extra(outcomes: Outcomes) -> None:
    """A misspelt extra fails the test; the reason names it and the nearest valid one."""
    assert FAILURE in outcomes["misspelt"]
    assert "unknown extra 'max_atempts'; did you mean 'max_attempts'?" in outcomes["misspelt"]


def test_missing_host(outcomes: Outcomes) -> None:
    """A connection without a host fails the test; the reason says what belongs there."""
    assert FAILURE in outcomes["without_host"]
    assert "host: it is missing; as example.com or https://example.com/v1" in outcomes["without_host"]


def test_secrets_are_masked_in_the_api(airflow: AirflowHome) -> None:
    """The REST API, and with it the form, shows a stored connection without its secrets."""
    secret = secrets.token_urlsafe(24)
    extra = {"client_key_passphrase": secret, "proxy": f"http://{secret}@proxy.example.com:3128"}
    connection = {
        "connection_id": "stored",
        "conn_type": "mirrordb",
        "host": "backend.example.com",
        "password": secret,
        "extra": json.dumps({**extra, "max_attempts": 2}),
    }
    airflow.rest("POST", "connections", connection)
    shown = airflow.rest("GET", "connections/stored")

    assert json.loads(shown["extra"]) == {"client_key_passphrase": "***", "proxy": "***", "max_attempts": 2}
    assert secret not in json.dumps(shown)
    assert airflow.columns_with(secret) == []
