"""A call that blocks the event loop fails the test in which it happens."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockingError

import airflow_mirrordb
from tests.support.blocking import blocking_calls

CALLS = {
    "sleep": "time.sleep(0)",
    # not read_bytes(), which Python 3.14 does without the buffer that blockbuster looks at
    "file": "pathlib.Path('pyproject.toml').read_text()",
    "folder": "os.listdir('.')",
    "lock": "taken.acquire()",
}


def written_in(file: str, call: str) -> Any:
    """Return a function that makes a call as if it were written in a file of the package."""
    taken = threading.Lock()
    taken.acquire()
    names: dict[str, Any] = {"taken": taken}
    source = f"import os, pathlib, time\ndef function(): {call}"
    exec(compile(source, str(Path(airflow_mirrordb.__file__).parent / file), "exec"), names)
    return names["function"]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_blocking_call_in_the_package_is_an_error(call: str) -> None:
    """It raises where it would block, and is noted in case somebody catches the error."""
    with pytest.raises(BlockingError):
        written_in("hooks/connections/lookup.py", call)()
    assert any("hooks/connections/lookup.py" in noted for noted in blocking_calls)
    blocking_calls.clear()


async def test_a_thread_may_block() -> None:
    """What runs beside the event loop keeps nobody waiting."""
    await asyncio.to_thread(written_in("hooks/connections/lookup.py", CALLS["folder"]))


async def test_the_embedded_backend_may_block() -> None:
    written_in("devserver/store.py", CALLS["folder"])()
