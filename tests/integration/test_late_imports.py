"""What a hook needs is not imported on an event loop, which would answer nobody meanwhile."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

#: Imports the trigger as a triggerer does, notes what is looked for on the event loop, and runs it.
FIRST_OF_A_PROCESS = """
import asyncio, sys
from airflow_mirrordb.triggers.{module} import {name}

class Finder:
    def find_spec(self, name, path=None, target=None):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        print("looked for", name)

async def main():
    trigger = {name}({arguments})
    sys.meta_path.insert(0, Finder())
    async for event in trigger.run():
        print("event")
        return

asyncio.run(main())
"""


REQUEST = {"method": "GET", "endpoint": "api/users/7", "method_name": "read"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        ("mirrordb", "MirrorDBTrigger", {"request": REQUEST}),
        ("sensor", "MirrorDBSensorTrigger", {"request": REQUEST, "condition": {"field": "id"}}),
        ("job", "MirrorDBJobTrigger", {"job": {"endpoint": "api/users/7"}}),
        pytest.param(
            "event",
            "MirrorDBEventTrigger",
            {"endpoint": "api/users/7", "poll_interval": 0.01},
            marks=pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="came with Airflow 3.0"),
        ),
    ],
)
def test_the_first_trigger_of_a_process_imports_nothing_on_its_event_loop(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    module: str,
    name: str,
    arguments: dict[str, Any],
) -> None:
    """To import aiohttp takes 0.2 s of CPU; Airflow reports an event loop that does not answer for as long.

    Nor does Airflow import there what its own look-up of a connection needs, as multiprocessing.
    """
    for number in (7, 8):
        scripted.answer(200, {"id": number})
    set_connection(scripted.url)
    given = ", ".join(f"{argument}={value!r}" for argument, value in arguments.items())
    code = FIRST_OF_A_PROCESS.format(module=module, name=name, arguments=given)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert "event" in lines
    ours = ("airflow_mirrordb", "aiohttp", "multiprocessing")
    assert not [line for line in lines if line.startswith(tuple(f"looked for {name}" for name in ours))]
