"""A process that is killed while it writes an answer to a file."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import pytest

from airflow_mirrordb.client.collections.streams import BLOCK
from tests.integration.test_streams import contents, has_a_block
from tests.support.clocks import until
from tests.support.raw_server import RawServer, Reply

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

OLD = b"what was there before"


async def test_a_worker_that_is_killed_leaves_the_old_file(raw_server: RawServer, tmp_path: Path) -> None:
    """And beside it what it had written, under a name that says whose it is."""
    target = tmp_path / "export"
    target.write_bytes(OLD)
    connection = {"conn_type": "mirrordb", "host": raw_server.base_url}
    raw_server.default = Reply(
        b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + bytes(2 * BLOCK), "silence"
    )
    code = (
        "from airflow_mirrordb.hooks.mirrordb import MirrorDBHook\n"
        f"MirrorDBHook().read('api/export', output_path={str(target)!r})"
    )
    env = {**os.environ, "AIRFLOW_CONN_MIRRORDB_DEFAULT": json.dumps(connection)}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env=env, stdout=DEVNULL, stderr=DEVNULL
    )
    await until(lambda: has_a_block(tmp_path))
    worker.kill()
    assert await worker.wait() == -signal.SIGKILL
    (left_over,) = contents(tmp_path).keys() - {target.name}
    assert re.fullmatch(r"\.mirrordb-[0-9a-f]{32}\.part", left_over)
    assert contents(tmp_path)[target.name] == OLD
