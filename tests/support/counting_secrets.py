"""A secrets backend that writes down which Variables are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.secrets.local_filesystem import LocalFilesystemBackend


class CountingSecrets(LocalFilesystemBackend):
    """Connections from a file; no Variables, but a line in another file for each that is asked for.

    :param asked: path of that file
    """

    def __init__(self, asked: str, **options: Any) -> None:
        super().__init__(**options)
        self._asked = asked

    def get_variable(self, key: str, *_team: Any, **_options: Any) -> None:
        """Note the key."""
        with Path(self._asked).open("a") as file:
            file.write(f"{key}\n")
