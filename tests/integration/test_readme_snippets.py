"""What the README shows runs as it stands there; only hosts and storages are others."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.connection import Connection
from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_mirrordb.devserver.fixtures import mirrordb_server
from airflow_mirrordb.devserver.server import DevServer
from airflow_mirrordb.hooks.connection import config_from
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators import mirrordb as operators
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.integration.test_operators import run
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

__all__ = ["mirrordb_server"]

README = (Path(__file__).parents[2] / "README.md").read_text()
SNIPPETS: list[str] = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)

#: A text of each snippet by which its test finds it.
USERS_DAG = "create >> read"
PAGES = '"style": "body"'
FILE = "output_path="
LISTS = "bulk=True"
BULK = "hook.bulk("
MAPPED = ".partial("
TASKS = "@task"
SENSORS = "MirrorDBSensor("
EVENTS = "MirrorDBEventTrigger("
CLIENT = "async with GenericMirrorDB("
FIXTURE = "def test_my_dag("

since_3 = pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="airflow.sdk came with Airflow 3.0")


def snippet(text: str) -> str:
    (found,) = [it for it in SNIPPETS if text in it]
    return found


def executed(source: str, **names: Any) -> dict[str, Any]:
    """Execute a snippet, in an event loop if it awaits, and return its names."""
    namespace = {"__name__": "readme", **vars(operators), "task": task, **names}
    code = compile(source, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        asyncio.run(result)
    return namespace


def tasks_of(source: str, **names: Any) -> list[Any]:
    """Execute a snippet inside a DAG, and return its tasks with their templates rendered."""
    with DAG("readme", schedule=None) as dag:
        executed(source, MirrorDBSensor=MirrorDBSensor, **names)
    for each in dag.tasks:
        each.render_template_fields({"ds": "2026-01-01"})
    return list(dag.tasks)


def test_every_snippet_has_its_test() -> None:
    """A snippet that is added to the README needs a test here."""
    texts = (USERS_DAG, PAGES, FILE, LISTS, BULK, MAPPED, TASKS, SENSORS, EVENTS, CLIENT, FIXTURE)
    assert sorted(map(snippet, texts)) == sorted(SNIPPETS)


@since_3
def test_first_dag(mirrordb_server: DevServer) -> None:
    """The read gets what the create has created."""
    dag = executed(snippet(USERS_DAG))["dag"]
    create, read = dag.get_task("create"), dag.get_task("read")
    assert create.downstream_list == [read]
    create.render_template_fields({"ds": "2026-01-01"})
    created = run(create)
    assert created == {"id": "1", "name": "Ada", "day": "2026-01-01"}
    results = {"create": created}
    read.render_template_fields({"ti": SimpleNamespace(xcom_pull=lambda task_ids: results[task_ids])})
    assert run(read) == created


def test_pages(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The cursor in the body leads to the second page."""
    set_connection(scripted.url)
    scripted.answer(200, {"rows": [1, 2], "meta": {"next": "c2"}})
    scripted.answer(200, {"rows": [3], "meta": {"next": None}})
    (read,) = tasks_of(snippet(PAGES))
    assert run(read) == [1, 2, 3]
    assert scripted.requests == ["GET /api/orders", "GET /api/orders?cursor=c2"]


def test_file(scripted: ScriptedBackend, set_connection: SetConnection, tmp_path: Path) -> None:
    """The records of both pages are lines of the file."""
    set_connection(scripted.url)
    scripted.answer(200, [{"id": 1}], Link='<?page=2>; rel="next"')
    scripted.answer(200, [{"id": 2}])
    (read,) = tasks_of(snippet(FILE).replace("s3://my_aws@bucket", f"file://{tmp_path}"))
    manifest = run(read)
    lines = (tmp_path / "2026-01-01" / "orders.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"id": 1}, {"id": 2}]
    assert manifest["records"] == 2


def test_lists(mirrordb_server: DevServer) -> None:
    """The list of records is created, and that of endpoints deleted, but for the one that is not there."""
    create, delete = tasks_of(
        snippet(LISTS), users=lambda: [{"name": "Ada"}, {"name": "Bob"}, {"name": "Cy"}]
    )
    assert run(create)["done"] == 3
    MirrorDBHook().delete("api/users/2")
    report = run(delete)
    assert (report["done"], report["failed"]) == (1, 1)
    assert mirrordb_server.records("users") == [{"id": "3", "name": "Cy"}]


def test_bulk(mirrordb_server: DevServer) -> None:
    """The hook creates each record, the client changes one."""
    of_hook, of_client = snippet(BULK).splitlines()
    with MirrorDBHook() as hook:
        report = executed(of_hook, hook=hook, users=[{"name": str(number)} for number in range(7)])["report"]
        assert report.done == 7

    async def update() -> Any:
        async with MirrorDBHook() as client:
            names: dict[str, Any] = {"client": client}
            await eval(compile(of_client, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
            return names["report"]

    assert asyncio.run(update()).done == 1
    assert mirrordb_server.records("users")[6] == {"id": "7", "name": "6", "active": True}


def test_mapped(mirrordb_server: DevServer) -> None:
    """Each element of the upstream result becomes a task that creates it."""
    with DAG("readme", schedule=None) as dag:
        executed(snippet(MAPPED), totals=lambda: [{"sum": 1}, {"sum": 2}])
    mapped: Any = dag.get_task("write")
    for element in mapped.expand_input.value["data"]:
        run(mapped.unmap({"data": element}))
    assert [record["sum"] for record in mirrordb_server.records("totals")] == [1, 2]


def test_tasks(mirrordb_server: DevServer) -> None:
    """The plain task changes all users, the async one the seventh."""
    tasks = executed(snippet(TASKS), MirrorDBHook=MirrorDBHook)
    with MirrorDBHook() as hook:
        hook.bulk("create", [{"data": {}}] * 8, endpoint="api/users")
        asyncio.run(tasks["rename_async"].function())
        assert [user["id"] for user in hook.read("api/users") if user.get("active")] == ["7"]
        tasks["rename"].function()
        assert all(user["active"] for user in hook.read("api/users"))


def test_sensors(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The first sees the day's export, the second the state of the job."""
    set_connection(scripted.url)
    exported, ended = tasks_of(snippet(SENSORS))
    scripted.answer(200, {"rows": 3})
    assert run(exported) == {"rows": 3}
    scripted.answer(200, {"job": {"state": "done"}})
    assert run(ended) == {"job": {"state": "done"}}
    assert scripted.requests == ["GET /api/exports/2026-01-01", "GET /api/jobs/7"]


@since_3
def test_events() -> None:
    """The DAG is scheduled by the asset, which the trigger watches."""
    names = executed(snippet(EVENTS))
    (watcher,) = names["prices"].watchers
    assert watcher.trigger.serialize()[1]["endpoint"] == "api/prices"
    assert names["dag"].schedule == [names["prices"]]


def test_client(scripted: ScriptedBackend) -> None:
    """The client sends its new key to the registered endpoint, and returns the record."""
    scripted.answer(200, {"id": "resource_id"})
    source = snippet(CLIENT).replace("https://backend.example.com", scripted.url)
    assert executed(source)["response"] == {"id": "resource_id"}
    assert scripted.requests == ["GET /v1/api/resource/resource_id"]
    assert scripted.headers[0]["Authorization"] == "Bearer your_api_key"


def test_fixture(mirrordb_server: DevServer) -> None:
    """A test of a user's own sees what the DAG wrote."""

    def test() -> SimpleNamespace:
        with MirrorDBHook() as hook:
            hook.create("api/users", {"name": "Ada"})
        return SimpleNamespace(state="success")

    executed(snippet(FIXTURE), my_dag=SimpleNamespace(test=test))["test_my_dag"](mirrordb_server)


def test_connections_of_the_environment() -> None:
    """Both lines set the same connection, as JSON and as a URI."""
    lines = re.findall(r"^export AIRFLOW_CONN_MIRRORDB_DEFAULT=.*$", README, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        script = f'{line}; printf %s "$AIRFLOW_CONN_MIRRORDB_DEFAULT"'
        value = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
        is_json = value.startswith("{")
        connection = Connection.from_json(value) if is_json else Connection(uri=value)
        config = config_from(connection)
        assert config.base_url.startswith("https://backend.example.com")
        assert config.timeout == 10
        assert config.api_key is not None


def test_connection_of_the_command_line() -> None:
    """What ``airflow connections add`` is given is a connection of ours."""
    (command,) = re.findall(r"^airflow connections add (.*?[^\\])$", README, re.MULTILINE | re.DOTALL)
    _, *options = shlex.split(command.replace("\\\n", ""))
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert given["--conn-type"] == MirrorDBHook.conn_type
    config = config_from(
        Connection(conn_type="mirrordb", host=given["--conn-host"], extra=given["--conn-extra"])
    )
    assert config.base_url == "https://backend.example.com/v1"
    assert config.max_attempts == 8
