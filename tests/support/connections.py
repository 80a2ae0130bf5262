"""What the fixtures that make connections are for a type checker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from airflow_mirrordb.client import MirrorDBConfig
from tests.support.clocks import TIMEOUT

TINY_DELAYS: dict[str, Any] = {"initial_delay": 0.001, "max_delay": 0.001, "timeout": TIMEOUT}

#: Defines the connection ``mirrordb_default``.
SetConnection = Callable[..., None]


class ConfigFor(Protocol):
    """Return the configuration of a connection that hardly waits between attempts."""

    def __call__(self, base_url: str, **settings: Any) -> MirrorDBConfig: ...
