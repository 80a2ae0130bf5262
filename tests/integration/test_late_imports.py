"""What a hook needs is not imported on an event loop, which would answer nobody meanwhile."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

#: Imports the trigger as a triggerer does, notes what is looked for on the event loop, and runs it.
FIRST_TRIGGER_OF_A_PROCESS = """
import asyncio, sys
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger

class Finder:
    def find_spec(self, name, path=None, target=None):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        print("looked for", name)

async def main():
    trigger = MirrorDBTrigger(request={"method": "GET", "endpoint": "api/users/7", "method_name": "read"})
    sys.meta_path.insert(0, Finder())
    async for event in trigger.run():
        print("event", event.payload["status"])
        return

asyncio.run(main())
"""


@pytest.mark.slow
def test_the_first_trigger_of_a_process_imports_nothing_on_its_event_loop(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """To import aiohttp takes 0.2 s of CPU; Airflow reports an event loop that does not answer for as long.

    Nor does Airflow import there what its own look-up of a connection needs, as multiprocessing.
    """
    scripted.answer(200, {"id": 7})
    set_connection(scripted.url)
    command = [sys.executable, "-c", FIRST_TRIGGER_OF_A_PROCESS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert "event success" in lines
    ours = ("airflow_mirrordb", "aiohttp", "multiprocessing")
    assert not [line for line in lines if line.startswith(tuple(f"looked for {name}" for name in ours))]
