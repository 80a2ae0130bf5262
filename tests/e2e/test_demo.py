"""README's demo, run as a reader runs it; what it prints is held against what the backend stored."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import (
    AIRFLOW_V_3_0_PLUS,
    AIRFLOW_V_3_1_PLUS,
)

from tests.run_example import SEED

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

CHECKOUT = Path(__file__).parents[2]
SEEDED = ["POST /api/orders 201"] * len(SEED["orders"])


@dataclass(frozen=True)
class Demo:
    """One ended demo.

    :param home: the folder it worked in
    """

    home: Path
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def demos(folder: Path) -> Mapping[str, Demo]:
    """Run all demos of this module, two at a time: most of what one does is starting up."""
    broken = folder / "broken.py"
    broken.write_text("import a_module_that_nobody_wrote\n")
    files = {
        "crud": "example_dags/mirrordb_crud.py",
        "pipeline": "example_dags/mirrordb_pipeline.py",
        "broken": str(broken),
        "missing": "example_dags/nobody_wrote_this.py",
    }

    with ThreadPoolExecutor(2) as pool:
        ended = pool.map(lambda name: run_demo(folder / f"demo-{name}", files[name]), files)
        return dict(zip(files, ended, strict=True))


def run_demo(home: Path, file: str) -> Demo:
    command = [sys.executable, "-m", "tests.run_example", file, "--home", str(home)]
    env = {**os.environ, "TMPDIR": str(home.parent)}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False, timeout=900
    )
    return Demo(home, done.returncode, done.stdout, done.stderr)


def table(output: str, title: str) -> list[str]:
    """Return the lines under a heading, with single spaces, up to the next empty one."""
    _, found, rest = output.partition(f"\n{title} ")
    assert found, f"no table {title!r} in:\n{output}"
    return [re.sub(" +", " ", line) for line in rest.split("\n\n")[0].splitlines()[1:]]


def tasks(output: str) -> dict[str, tuple[str, str, Any]]:
    """Return what was printed of each task: its state, where it was sent, and its result."""
    rows = (line.split(" ", 3) for line in table(output, "task"))
    return {task: (state, place, json.loads(result)) for task, state, place, result in rows}


def records(home: Path) -> list[str]:
    """Return the records in the backend's file, as the demo prints them."""
    return _rows(home, "SELECT resource, id, body FROM records ORDER BY sequence")


def requests(home: Path) -> list[str]:
    """Return the backend's request log, as the demo prints it."""
    return _rows(home, "SELECT method, path, status FROM request_log ORDER BY seq")


def _rows(home: Path, query: str) -> list[str]:
    with closing(sqlite3.connect(home / "backend.db")) as connection:
        return [" ".join(map(str, row)) for row in connection.execute(query)]


def test_crud(demos: Mapping[str, Demo]) -> None:
    """The demo shows one user made, read, changed and deleted by the worker, another by the triggerer."""
    demo = demos["crud"]
    assert (demo.returncode, demo.stderr) == (0, "")
    shown = tasks(demo.stdout)

    assert {task: (state, place) for task, (state, place, _) in shown.items()} == {
        "create": ("success", "worker"),
        "read": ("success", "worker"),
        "update": ("success", "worker"),
        "delete": ("success", "worker"),
        "create_deferred": ("success", "triggerer"),
        "read_deferred": ("success", "triggerer"),
        "update_deferred": ("success", "triggerer"),
        "delete_deferred": ("success", "triggerer"),
        "report": ("success", "worker"),
    }
    paths = []
    for name, suffix, update in (("Ada", "", "PATCH"), ("Grace", "_deferred", "PUT")):
        user = shown[f"create{suffix}"][2]
        assert user == {"id": user["id"], "name": name, "role": "author"}
        assert shown[f"read{suffix}"][2] == user
        assert shown[f"update{suffix}"][2] == {**user, "role": "editor"}
        assert shown[f"delete{suffix}"][2] is None
        path = f"/api/users/{user['id']}"
        paths += ["POST /api/users 201", f"GET {path} 200", f"{update} {path} 200", f"DELETE {path} 204"]
    assert table(demo.stdout, "request") == requests(demo.home)
    assert sorted(requests(demo.home)) == sorted([*SEEDED, *paths, "POST /api/reports 201"])
    assert table(demo.stdout, "resource") == records(demo.home)
    report = shown["report"][2]
    assert (report["on_worker"], report["in_triggerer"]) == ("editor", "editor")
    assert records(demo.home)[len(SEEDED) :] == [f"reports {report['id']} {json.dumps(report)}"]


def test_pipeline(demos: Mapping[str, Demo]) -> None:
    """The demo shows the orders read, and one total a customer written, each by a task of its own."""
    demo = demos["pipeline"]
    assert (demo.returncode, demo.stderr) == (0, "")
    shown = tasks(demo.stdout)

    assert [order["customer"] for order in shown["read_orders"][2]] == ["acme", "globex", "acme"]
    totals = [shown["write_totals[0]"][2], shown["write_totals[1]"][2]]
    assert [(total["customer"], total["total"]) for total in totals] == [("acme", 70.0), ("globex", 7.5)]
    assert table(demo.stdout, "request") == requests(demo.home)
    assert requests(demo.home) == [*SEEDED, "GET /api/orders?limit=1000 200", *["POST /api/totals 201"] * 2]
    assert table(demo.stdout, "resource") == records(demo.home)
    assert sorted(records(demo.home)[len(SEEDED) :]) == sorted(
        f"totals {total['id']} {json.dumps(total)}" for total in totals
    )


def test_export(folder: Path) -> None:
    """The demo shows a collection that the triggerer wrote to a file, and what a task read in it."""
    demo = run_demo(folder / "demo-export", "example_dags/mirrordb_export.py")
    assert (demo.returncode, demo.stderr) == (0, "")
    shown = tasks(demo.stdout)

    state, place, manifest = shown["export"]
    (file,) = folder.glob("mirrordb_exports/*/*")
    assert (state, place) == ("success", "triggerer")
    assert manifest == {
        "path": f"file://{file}",
        "records": 3,
        "bytes": file.stat().st_size,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    orders = [json.loads(line) for line in file.read_text().splitlines()]
    assert [f"orders {order['id']} {json.dumps(order)}" for order in orders] == records(demo.home)
    assert shown["add_up"] == ("success", "worker", 77.5)
    assert requests(demo.home)[len(SEEDED) :] == [
        "GET /api/orders?limit=2 200",
        "GET /api/orders?limit=2&offset=2 200",
    ]


def test_sensor(folder: Path) -> None:
    """The demo shows a job waited for, as it appears, as it is done and as it goes; one look is enough."""
    demo = run_demo(folder / "demo-sensor", "example_dags/mirrordb_sensor.py")
    assert (demo.returncode, demo.stderr) == (0, "")
    shown = tasks(demo.stdout)

    assert {state for state, _, _ in shown.values()} == {"success"}
    job = shown["start"][2]
    assert shown["is_there"][2] == job
    assert (shown["is_done"][2], shown["is_gone"][2]) == ("done", None)
    path = f"/api/jobs/{job['id']}"
    assert requests(demo.home)[len(SEEDED) :] == [
        "POST /api/jobs 201",
        f"GET {path} 200",
        f"PATCH {path} 200",
        f"GET {path} 200",
        f"DELETE {path} 204",
        f"GET {path} 404",
    ]


@pytest.mark.skipif(
    AIRFLOW_V_3_0_PLUS and not AIRFLOW_V_3_1_PLUS, reason="no asset is active in dag.test() of Airflow 3.0"
)
def test_taskflow(folder: Path) -> None:
    """The demo shows a mapped task per order, of a function and of an operator, and the hook in both ways."""
    demo = run_demo(folder / "demo-taskflow", "example_dags/mirrordb_taskflow.py")
    assert (demo.returncode, demo.stderr) == (0, "")
    shown = tasks(demo.stdout)

    assert {state for state, _, _ in shown.values()} == {"success"}
    totals = [("acme", 60.0), ("globex", 7.5), ("acme", 10.0)]
    priced, written = ([shown[f"{name}[{n}]"][2] for n in range(3)] for name in ("invoice", "write"))
    assert [(one["customer"], one["total"]) for one in priced] == totals
    assert [(one["customer"], one["total"]) for one in written] == totals
    ids = [one["id"] for one in written]
    assert shown["send"][2] == ids
    assert shown["check"][2] == dict.fromkeys(ids, "sent")
    paths = [f"/api/invoices/{invoice_id}" for invoice_id in ids]
    seen = requests(demo.home)[len(SEEDED) :]
    assert seen[0] == "GET /api/orders 200"
    assert seen[1:4] == ["POST /api/invoices 201"] * 3
    assert seen[4:7] == [f"PATCH {path} 200" for path in paths]
    assert sorted(seen[7:]) == sorted(f"GET {path} 200" for path in paths)  # at the same time


def test_bulk(folder: Path) -> None:
    """The demo shows one invoice an order, created by one task and marked by another, lists through XCom."""
    demo = run_demo(folder / "demo-bulk", "example_dags/mirrordb_bulk.py")
    assert (demo.returncode, demo.stderr) == (0, "")
    shown = tasks(demo.stdout)

    created, marked = shown["create_invoices"][2], shown["mark_as_sent"][2]
    assert created == {"done": 3, "failed": 0, "ambiguous": 0, "not_begun": 0, "records": created["records"]}
    invoices = [record["response"] for record in created["records"]]
    assert [(invoice["id"], invoice["total"]) for invoice in invoices] == [
        (f"of-{order['id']}", order["quantity"] * order["price"]) for order in shown["read_orders"][2]
    ]
    assert shown["tell_what_is_left"][:1] == ("success",)
    sent = [{**invoice, "state": "sent"} for invoice in invoices]
    assert [record["response"] for record in marked["records"]] == sent
    assert sorted(records(demo.home)[len(SEEDED) :]) == sorted(
        f"invoices {invoice['id']} {json.dumps(invoice)}" for invoice in sent
    )
    assert sorted(requests(demo.home)[len(SEEDED) + 1 :]) == sorted(
        ["POST /api/invoices 201"] * 3 + [f"PATCH /api/invoices/{invoice['id']} 200" for invoice in sent]
    )


def test_broken_file(demos: Mapping[str, Demo]) -> None:
    """A DAG file that cannot be imported ends the demo with its own error, and not with 0."""
    demo = demos["broken"]

    assert demo.returncode == 1
    assert 'broken.py", line 1' in demo.stderr
    assert "ModuleNotFoundError: No module named 'a_module_that_nobody_wrote'" in demo.stderr


def test_missing_file(demos: Mapping[str, Demo]) -> None:
    """A file that is not there ends the demo before it starts anything; the error names it."""
    demo = demos["missing"]

    assert demo.returncode == 2
    assert "there is no file 'example_dags/nobody_wrote_this.py'" in demo.stderr
    assert not demo.home.exists()
