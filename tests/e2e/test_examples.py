"""The examples and recipes, run by ``dag.test()`` without a logical date: as they are, and as they fail."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.common.compat.version_compat import (
    AIRFLOW_V_3_0_PLUS,
    AIRFLOW_V_3_1_PLUS,
    AIRFLOW_V_3_3_PLUS,
)

from airflow_mirrordb.devserver import DevServer, Jobs
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from tests.run_example import JOBS, SEED, load, post
from tests.support.airflow_home import AirflowHome
from tests.support.runs import CHECKOUT, EXAMPLES, RECIPES, Runs, connection_to_airflow

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

WATCHERS = {"mirrordb_event", "watched_export"}  # which Airflow 2 does not have
OTHER = "other_airflow"  # whose API is another in Airflow 2
#: Those that one connection leads to, and each tenant's own.
CONNECTIONS = ("mirrordb_default", "mirrordb_acme", "mirrordb_globex")
SUCCESS, FAILED, SKIPPED = "success", "failed", "upstream_failed"


def names() -> list[str]:
    found = [path.stem for path in (*EXAMPLES, *RECIPES)]
    if not AIRFLOW_V_3_0_PLUS:
        return [name for name in found if name not in {*WATCHERS, OTHER}]
    if not AIRFLOW_V_3_1_PLUS:
        found.remove("mirrordb_taskflow")  # no asset is active in dag.test() of Airflow 3.0
    return found


@pytest.fixture
def server() -> Iterator[DevServer]:
    """A backend with all that an example looks for."""
    jobs = Jobs(JOBS, queued_for=0, running_for=1)
    with DevServer(api_key=secrets.token_urlsafe(24), jobs=jobs) as server:
        for order in SEED["orders"]:
            add(server, "orders", order)
        add(server, "exports", {"id": "1", "state": "done", "made_at": "2026-01-01T03:00:00Z"})
        add(server, "exports", {"state": "running", "made_at": "2026-01-02T03:00:00Z"})
        for n in range(3):
            add(server, "exports/1/rows", {"n": n})
        yield server


def add(server: DevServer, resource: str, record: dict[str, Any]) -> None:
    post(f"{server.url}/api/{resource}", record, connection_to(server)["password"])


def connection_to(server: DevServer) -> dict[str, Any]:
    return {**server.connection(), "extra": {"idempotency_header": "Idempotency-Key"}}


def all_to(connection: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each connection of the examples, which all lead to one backend."""
    return dict.fromkeys(CONNECTIONS, connection)


def paths(server: DevServer, start: str) -> list[str]:
    return [entry.path for entry in server.requests() if f"{entry.method} {entry.path}".startswith(start)]


@pytest.mark.parametrize("place", ["database", "environment", "secrets backend"])
def test_each_finds_its_connection(
    runs: Runs, server: DevServer, request: pytest.FixtureRequest, place: str
) -> None:
    """Wherever the connections are, all runs succeed, on the worker and in the triggerer's place."""
    connections = all_to(connection_to(server))
    if OTHER in names():
        other: AirflowHome = request.getfixturevalue("airflow")
        other.unpause("nightly")
        connections[OTHER] = connection_to_airflow(other)
    with runs.connected(place, connections) as environment:
        outcomes, output = runs.run([(name, {}) for name in names()], **environment)

    wrong = [outcome for outcome in outcomes if outcome["state"] != SUCCESS]
    assert not wrong, output
    assert [outcome["dag_id"] for outcome in outcomes] == names()
    assert {state for outcome in outcomes for state in outcome["tasks"].values()} == {SUCCESS}
    check_what_recipes_did(runs.folder, server)
    assert not runs.asked.exists()  # by default dlt asks Airflow for a Variable for each of its settings


def check_what_recipes_did(folder: Path, server: DevServer) -> None:
    """Hold what the backend got, and the files, against what each recipe says that it does."""
    assert server.records("customers") == [{"id": "acme", "name": "Acme"}]
    asked = [urlsplit(path) for path in paths(server, "GET /api/orders?created_after")]
    assert [parse_qs(url.query).get("offset") for url in asked] == [None, ["2"]]  # two pages
    datetime.fromisoformat(parse_qs(asked[0].query)["created_after"][0])
    for file in folder.glob("new_orders/*.jsonl"):
        assert [json.loads(line)["customer"] for line in file.read_text().splitlines()] == [
            order["customer"] for order in SEED["orders"]
        ]
    merged = [(order["customer"], order["quantity"], order["price"]) for order in SEED["orders"]]
    assert merged_rows(folder / "mirrordb_orders.db", "customer, quantity, price") == merged
    added_up = [(total["customer"], total["total"]) for total in server.records("totals")]
    assert sorted(added_up) == sorted([("acme", 70), ("globex", 7.5)] * 2)  # by two examples
    quantities = [order["quantity"] for order in server.records("orders")]
    assert quantities == [4, *[order["quantity"] for order in SEED["orders"][1:]]]
    jobs = {job["id"]: job["state"] for job in server.records("batches")}
    assert set(jobs.values()) == {"succeeded"}
    assert len(jobs) == 4
    for file in folder.glob("mirrordb_jobs/*/rows.jsonl"):
        assert [json.loads(row)["row"] for row in file.read_text().splitlines()] == [*range(1, 251)]
    if AIRFLOW_V_3_0_PLUS:
        rows = (folder / "exports" / "1.jsonl").read_text().splitlines()
        assert [json.loads(row)["n"] for row in rows] == [0, 1, 2]


def merged_rows(database: Path, columns: str) -> list[Any]:
    """Return what the table of the example with dlt has in some columns."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"SELECT {columns} FROM orders ORDER BY id").fetchall()


#: What is wrong with the backend's data, what a run is told, and how its tasks end then.
FAILURES: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "mirrordb_sensor": (
        {"state": "failed"},
        {"finish": SUCCESS, "is_done": FAILED, "clean_up": SUCCESS, "is_gone": SKIPPED},
        "state is 'failed'",
    ),
    "mirrordb_pipeline": ({}, {"read_orders": SUCCESS, "add_up": FAILED}, "order bad has no 'price'"),
    "mirrordb_export": ({}, {"export": SUCCESS, "add_up": FAILED}, "without quantity or price: ['bad']"),
    "mirrordb_dlt": ({}, {"load": FAILED}, "Cursor element with JSON path `updated_at` was not found"),
    "mirrordb_polars": ({}, {"add_up": FAILED}, "without customer, quantity or price: ['bad']"),
    "mirrordb_taskflow": ({}, {"orders": SUCCESS, "send": SKIPPED}, "KeyError: 'price'"),
    "mirrordb_job": (
        {"fail": "no space left"},
        {"by_state": FAILED, "by_status": FAILED, "to_file": FAILED},
        "the job failed: its state is 'failed': no space left",
    ),
    "wait_for_job": ({"fail": "no paper"}, {"nightly": FAILED}, "no paper"),
    "update_if_unchanged": (
        {"order": "none"},
        {"read": FAILED, "update": SKIPPED},
        "there is no orders/none",
    ),
    "failure_webhook": ({"order": "none"}, {"read": FAILED}, "there is no orders/none"),
}


def test_each_failing_path(runs: Runs, server: DevServer) -> None:
    """What fails is red, says why, and leaves nothing behind; what need not fail goes on."""
    for n in range(4, 22):
        add(server, "orders", {"customer": "acme", "quantity": 1, "price": n})
    add(server, "invoices", {"id": "of-2"})
    first: list[tuple[str, dict[str, Any]]] = [
        ("mirrordb_bulk", {}),
        ("mirrordb_job", {"seconds": 600, "timeout": 1}),
    ]
    with runs.connected("environment", all_to(connection_to(server))) as environment:
        (bulk, slow), output = runs.run(first, **environment)
    assert (bulk["state"], bulk["tasks"]["mark_as_sent"]) == (FAILED, SUCCESS), output
    assert bulk["tasks"]["tell_what_is_left"] == FAILED
    assert re.search("1 invoices were not created: .*of-2 exists", output), output
    assert sum(invoice.get("state") == "sent" for invoice in server.records("invoices")) == 20
    assert set(slow["tasks"].values()) == {FAILED}, output
    assert output.count("the job was not done within 1 s; at last:") >= 3, output

    add(server, "orders", {"id": "bad", "customer": "acme", "quantity": 1})
    with runs.connected("environment", all_to(connection_to(server))) as environment:
        outcomes, output = runs.run([(name, conf) for name, (conf, _, _) in FAILURES.items()], **environment)
    assert {outcome["dag_id"]: outcome["state"] for outcome in outcomes} == dict.fromkeys(FAILURES, FAILED), (
        output
    )
    for outcome in outcomes:
        _, tasks, reason = FAILURES[outcome["dag_id"]]
        assert {name: outcome["tasks"][name] for name in tasks} == tasks, output
        assert reason in output, output
    assert server.records("totals") == []
    # the third one that was too slow is gone: its cancel is a DELETE
    assert [job["state"] for job in server.records("batches")] == ["cancelled"] * 2 + ["failed"] * 4
    of_task, of_run = server.records("incidents")
    assert (of_task["dag"], of_task["task"]) == ("failure_webhook", "read")
    tells = AIRFLOW_V_3_3_PLUS or not AIRFLOW_V_3_0_PLUS  # Airflow 3.0 and 3.1 give a callback no exception
    assert "404" in of_task["error"] or (not tells and of_task["error"] == "")
    assert of_run == {
        **{name: of_task[name] for name in ("dag", "run")},
        "id": of_run["id"],
        "reason": "task_failure",
    }


def test_a_forbidden_update_leaves_no_user(runs: Runs, server: DevServer) -> None:
    """Without the right to change users the tasks fail that do; the teardowns delete both users."""
    connection = connection_to(server)
    connection["extra"]["endpoints"] = ["POST api/users", "GET api/users/{id}", "DELETE api/users/{id}"]
    with runs.connected("environment", all_to(connection)) as environment:
        (outcome,), output = runs.run([("mirrordb_crud", {})], **environment)
    assert outcome["state"] == FAILED, output
    assert outcome["tasks"] == {
        **dict.fromkeys(("create", "read", "delete", "create_deferred", "read_deferred"), SUCCESS),
        "delete_deferred": SUCCESS,
        **dict.fromkeys(("update", "update_deferred"), FAILED),
        "report": SKIPPED,
    }
    assert server.records("users") == []


def test_a_tenant_that_cannot_be_read(runs: Runs, server: DevServer) -> None:
    """The other one is read all the same, and the run is red."""
    with runs.connected("environment", all_to(connection_to(server))) as environment:
        environment["AIRFLOW_CONN_MIRRORDB_GLOBEX"] = json.dumps(
            {"conn_type": "mirrordb", "host": server.url}
        )
        (outcome,), output = runs.run([("tenants", {})], **environment)
    assert (outcome["state"], outcome["tasks"]["count"]) == (FAILED, SKIPPED), output
    assert [entry.status for entry in server.requests() if entry.path == "/api/orders"][-2:] in (
        [200, 401],
        [401, 200],
    )


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of dlt's own statements
def test_dlt_merges_what_is_newer(server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run asks for what came after the first; an order that was changed stays one row.

    By "Incremental loading with a cursor" and "Merge loading" of dlt's documentation. What it knows of the
    first run is in the database: each run has a folder of its own, as on another worker.
    """
    example = load(CHECKOUT / "example_dags" / "mirrordb_dlt.py")
    monkeypatch.setenv("AIRFLOW_CONN_MIRRORDB_DEFAULT", json.dumps(connection_to(server)))
    for name in example.SETTINGS:
        monkeypatch.delenv(name, raising=False)  # and as it was, afterwards
    database, url = tmp_path / "orders.db", f"sqlite:///{tmp_path}/orders.db"

    assert example.load.function(url) == {"orders": 3}
    before = merged_rows(database, "id, quantity, updated_at")
    with MirrorDBHook() as hook:
        hook.update("api/orders/1", {"quantity": 9, "updated_at": "2026-01-04T09:00:00Z"}, partial=True)
    assert example.load.function(url) == {"orders": 1}
    after = merged_rows(database, "id, quantity, updated_at")
    assert [row[:2] for row in after] == [("1", 9), *[row[:2] for row in before[1:]]]
    asked = [parse_qs(urlsplit(path).query) for path in paths(server, "GET /api/orders?")]
    assert [(query["updated_after"], query.get("offset")) for query in asked] == [
        (["2026-01-01T00:00:00Z"], None),
        (["2026-01-01T00:00:00Z"], ["2"]),
        (["2026-01-03T10:00:00Z"], None),
        (["2026-01-03T10:00:00Z"], ["2"]),
    ]


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="assets are watched from Airflow 3.0 on")
def test_a_watched_record_that_is_gone() -> None:
    """A change by which a record went fails the run that it starts; any other is shown."""

    def events(*payloads: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"asset": [SimpleNamespace(extra={"payload": payload}) for payload in payloads]}

    show = load(CHECKOUT / "example_dags" / "mirrordb_event.py").show.function
    price, records = {"endpoint": "api/prices/1", "status": 200}, {"endpoint": "api/shipments", "count": 2}
    assert show(events(price, records)) == [price, records]
    with pytest.raises(AirflowFailException, match="gone: api/prices/1"):
        show(events(records, {**price, "status": 404}))


def test_recipes_are_short() -> None:
    """Who copies one reads 25 lines, and the README lists each with what it is for."""
    listed = (CHECKOUT / "example_dags" / "README.md").read_text()
    for path in RECIPES:
        assert len(path.read_text().splitlines()) <= 25, path
        assert f"`recipes/{path.name}`" in listed
