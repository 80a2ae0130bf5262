"""A secrets backend, as one installs for Airflow: its connections are in a file."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.secrets import BaseSecretsBackend

if TYPE_CHECKING:
    import pytest


class Vault(BaseSecretsBackend):
    """Gives connections as Airflow writes them in JSON.

    :param path: of a JSON object, by the ids of connections
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def get_conn_value(self, conn_id: str, *_team: object, **_options: object) -> str | None:
        """Return a connection, None if it has none of that id."""
        connection = json.loads(Path(self._path).read_text()).get(conn_id)
        return None if connection is None else json.dumps(connection)


def install(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let Airflow ask a vault for its connections, until the test ends."""
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", f"{Vault.__module__}.{Vault.__qualname__}")
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps({"path": str(path)}))
    with suppress(ImportError, AttributeError):  # from Airflow 3.3.2 on a process asks the one that it had
        monkeypatch.setattr(import_module("airflow.sdk.configuration"), "_secrets_backend_cache", {})
