"""Notice what blocks an event loop: a file, a lock, a socket or a sleep that an async function waits for."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import airflow_mirrordb

#: The calls that blocked so far, once each, also those whose error somebody has caught since.
blocking_calls: dict[str, None] = {}
_PACKAGE = str(Path(airflow_mirrordb.__file__).parent)


@contextmanager
def refused() -> Iterator[None]:
    """Let each call of the package that blocks an event loop raise an error.

    Nothing is refused where blockbuster is missing, in an environment that is older than this
    dependency; ``tests/unit/test_blocking.py`` fails there.
    """
    if find_spec("blockbuster") is None:
        yield
        return
    blockbuster: Any = importlib.import_module("blockbuster")

    class NotedError(blockbuster.BlockingError):  # type: ignore[misc]  # of Any
        """An error that is still known after somebody has caught it."""

        def __init__(self, func: str) -> None:
            super().__init__(func)
            ours = [frame for frame in traceback.extract_stack() if frame.filename.startswith(_PACKAGE)]
            blocking_calls[f"{func} at {ours[-1].filename}:{ours[-1].lineno}"] = None

    guard = blockbuster.BlockBuster(
        "airflow_mirrordb",
        # Its store is SQLite in memory or in a small file, and nothing but its own answers waits for it.
        excluded_modules=["airflow_mirrordb.devserver"],
    )
    for name, function in guard.functions.items():
        # Authorities and certificates are read once for each setting in a process, which takes 20 ms.
        function.can_block_in("client/wire/tls/certificates.py", "certificates")
        # Where records go is the matter of who runs the loop: a triggerer's go into a queue. Airflow 2 shows
        # them with the line of the source that they come from.
        function.can_block_in("logging/__init__.py", "handle")
        # What measures the coverage has a lock of its own where several threads run.
        function.can_block_in("coverage/collector.py", "lock_data")
        if name.startswith("sqlite3."):
            # It plays the database of Airflow's API server, which is in another process.
            function.can_block_in("tests/support/airflow_borders.py", "stored")
    guard.activate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blockbuster.blockbuster.BlockingError", NotedError)
        yield
    guard.deactivate()
