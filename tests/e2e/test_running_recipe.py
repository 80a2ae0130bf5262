"""A recipe with a watcher, inside a running Airflow."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.airflow_home import AirflowHome, wait_until
from tests.support.backends import Serve

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

NAME = "watched_export"
DOWN = "500 Internal Server Error: the database is in recovery"


class Exports:
    """A backend that makes exports, whose database may be down."""

    def __init__(self) -> None:
        self.exports = [{"id": "of-yesterday", "state": "done", "made_at": "2026-05-01T01:00:00Z"}]
        self.is_down, self.polls = False, 0
        self.app = web.Application()
        self.app.router.add_get("/api/exports", self._list)
        self.app.router.add_get("/api/exports/{id}/rows", self._rows)

    async def _list(self, _request: web.Request) -> web.Response:
        self.polls += 1
        if self.is_down:
            return web.json_response({"detail": "the database is in recovery"}, status=500)
        return web.json_response(self.exports)

    async def _rows(self, request: web.Request) -> web.Response:
        page = int(request.query.get("page", 1))
        headers = {"X-Total-Count": "4"}
        if page == 1:
            headers["Link"] = f'<{request.path}?page=2>; rel="next"'
        rows = [{"export": request.match_info["id"], "row": 2 * page + number} for number in range(2)]
        return web.json_response(rows, headers=headers)


async def test_a_watcher_starts_the_recipe_of_the_nightly_export(airflow: AirflowHome, serve: Serve) -> None:
    """An export that is done starts one run, which reads it; why polls fail lies with the asset meanwhile."""
    exports = Exports()
    connection = {"connection_id": "exports", "conn_type": "mirrordb", "host": await serve(exports.app)}
    target = await asyncio.to_thread(_run, airflow, exports, connection)
    try:
        rows = [json.loads(line) for line in target.read_text().splitlines()]  # a small file
    finally:
        target.unlink()

    assert rows == [{"export": "of-tonight", "row": row} for row in range(2, 6)]
    output = (airflow.folder / "triggerer.log").read_text()
    told = "Watching api/exports through connection exports for asset nightly_export"
    assert output.count(f"{told}, every 2 s") == 1
    assert (
        f"{told} failed: 500 Internal Server Error: the database is in recovery; next poll in 2 s" in output
    )


def _run(airflow: AirflowHome, exports: Exports, connection: dict[str, Any]) -> Path:
    airflow.rest("POST", "connections", connection)
    airflow.wait_for_dags(NAME)
    airflow.unpause(NAME)
    (airflow.dags / f"{NAME}.py").touch()  # the watcher of a paused DAG comes when its file is read again
    try:
        wait_until(lambda: exports.polls, "the first poll")
        exports.is_down = True
        wait_until(lambda: last_error(airflow, "nightly_export"), "a failed poll")
        assert (
            last_error(airflow, "nightly_export") == "500 Internal Server Error: the database is in recovery"
        )
        exports.is_down = False
        running = {"id": "of-tonight", "state": "running", "made_at": "2026-05-02T01:00:00Z"}
        exports.exports.append(running)
        wait_until(lambda: last_error(airflow, "nightly_export") is None, "a poll that succeeds")
        assert runs(airflow) == []

        running |= {"state": "done", "made_at": "2026-05-02T01:30:00Z"}
        (run,) = wait_until(lambda: runs(airflow), "a run")
        assert airflow.wait_for_run(NAME, run["dag_run_id"]) == "success"
    finally:
        airflow.unpause(NAME, paused=True)
    assert len(runs(airflow)) == 1
    manifest = airflow.result(NAME, run["dag_run_id"], "rows")
    return Path(manifest["path"].removeprefix("file://"))


def runs(airflow: AirflowHome) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = airflow.rest("GET", f"dags/{NAME}/dagRuns")["dag_runs"]
    return found


def last_error(airflow: AirflowHome, name: str) -> str | None:
    """Return what Airflow shows of the last failure with an asset; None if there is none."""
    (asset,) = airflow.rest("GET", f"assets?name_pattern={name}")["assets"]
    kept = airflow.rest("GET", f"assets/{asset['id']}/state-store")["asset_state_store"]
    return next((it["value"] for it in kept if it["key"] == "last_error"), None)
