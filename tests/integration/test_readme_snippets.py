"""What the READMEs show runs as it stands there; only hosts and storages are others."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import logging
import re
import shlex
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.connection import Connection
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_1_PLUS

from airflow_mirrordb.client import AmbiguousWriteError, GenericMirrorDB, MirrorDBError
from airflow_mirrordb.devserver.fixtures import mirrordb_server
from airflow_mirrordb.devserver.server import DevServer
from airflow_mirrordb.get_provider_info import get_provider_info
from airflow_mirrordb.hooks.connections.config import config_from
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.notifications.mirrordb import MirrorDBNotifier
from airflow_mirrordb.operators import mirrordb as operators
from airflow_mirrordb.operators.base import MirrorDBOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.integration.test_operators import run
from tests.support.backends import ScriptedBackend, Serve
from tests.support.connections import ConfigFor, SetConnection
from tests.support.graphql_server import graphql_app
from tests.support.readmes import READMES, TEXTS

__all__ = ["mirrordb_server"]

#: The README of each snippet, and the snippet.
SNIPPETS: list[tuple[str, str]] = [
    (folder, source)
    for folder, text in TEXTS.items()
    for source in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
]
#: The connection of the README's examples, whose resources are not below ``api``.
USERS = {"endpoints": ["users"]}

#: A text of each snippet by which its test finds it.
FIRST_DAG = 'DAG("first"'
OPERATORS = "update = "
HOOK = 'hook.read("users"'
NEW_OPERATOR = "class MirrorDBArchiveOperator"
FULL_RESPONSE = '"location":'
NEW_RESULT = "class MirrorDBExistsOperator"
PAGES = '"next": "meta.next"'
CSV = '"next": "Sforce-Locator"'
BY_BODY = 'endpoint="api/orders/search"'
GRAPHQL = '"next": "data.orders.pageInfo.endCursor"'
FILE = "output_path="
LISTS = "bulk=True"
BULK = "hook.bulk("
MAPPED = ".partial("
FORMS = "input_path="
TASKS = "rename_async"
NOTIFIER = "tell = MirrorDBNotifier("
DEADLINE = "alert = DeadlineAlert("
POLICY = "retry_policy=MirrorDBRetryPolicy()"
DECORATED = "deactivate(users="
SENSORS = 'task_id="exported"'
EVENTS = "MirrorDBEventTrigger("
CLIENT = "async with GenericMirrorDB("
FIXTURE = "def test_my_dag("
JOB = 'task_id="report"'
WITHOUT_JOB = 'task_id="wait"'
JOB_OF_HOOK = "hook.run_job("
JOB_OF_CLIENT = "client.run_job("

#: What Airflow gives to the templates of a task, with a logical date or without one.
CONTEXT: Any = {
    "dag_run": SimpleNamespace(start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)),
    "ti": SimpleNamespace(xcom_pull=lambda _task: {"id": "750R"}),
    "params": {"export": "nightly", "name": "orders"},
}

since_3 = pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="airflow.sdk came with Airflow 3.0")


def snippet(text: str) -> str:
    (found,) = [source for _, source in SNIPPETS if text in source]
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
        each.render_template_fields(CONTEXT)
    return list(dag.tasks)


def test_every_snippet_has_its_test() -> None:
    """A snippet that is added to a README needs a test here."""
    ours = (
        FIRST_DAG,
        OPERATORS,
        HOOK,
        PAGES,
        CSV,
        BY_BODY,
        GRAPHQL,
        FILE,
        LISTS,
        BULK,
        MAPPED,
        FORMS,
        NEW_OPERATOR,
        NEW_RESULT,
        FULL_RESPONSE,
    )
    jobs = (JOB, WITHOUT_JOB, JOB_OF_HOOK, JOB_OF_CLIENT)
    texts = (*ours, *jobs, TASKS, POLICY, NOTIFIER, DEADLINE, DECORATED, SENSORS, EVENTS, CLIENT, FIXTURE)
    assert sorted(map(snippet, texts)) == sorted(source for _, source in SNIPPETS)


@since_3
def test_first_dag(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The first task reads a record with the key of the connection."""
    set_connection(scripted.url, password="letmein", extra=USERS)
    scripted.answer(200, {"id": 7})
    dag: Any = executed(snippet(FIRST_DAG))["dag"]
    assert dag.dag_id == "first"
    read: Any = dag.get_task("read")
    assert run(read) == {"id": 7}
    assert scripted.requests == ["GET /users/7"]
    assert scripted.headers[0]["Authorization"] == "Bearer letmein"


def test_operators_and_sensor(mirrordb_server: DevServer, set_connection: SetConnection) -> None:
    """A user is created, read, updated and deleted, and another one is ready."""
    set_connection(f"{mirrordb_server.url}/api", extra=USERS)
    with DAG("readme", schedule=None) as dag:
        executed(snippet(OPERATORS), MirrorDBSensor=MirrorDBSensor)
    results: dict[str, Any] = {}
    for name in ("create", "read", "update", "delete"):
        task: Any = dag.get_task(name)
        ti = SimpleNamespace(xcom_pull=lambda task_ids: results[task_ids])
        task.render_template_fields({"run_id": "manual__1", "ti": ti})
        results[name] = run(task)
    assert results["read"] == results["create"] == {"id": "1", "name": "Ada of manual__1"}
    assert results["update"] == {**results["create"], "role": "editor"}
    assert mirrordb_server.records("users") == []
    with MirrorDBHook() as hook:
        hook.create("users", {"id": "7", "state": "ready"})
    ready: Any = dag.get_task("ready")
    assert run(ready) == {"id": "7", "state": "ready"}


def test_hook(mirrordb_server: DevServer, set_connection: SetConnection) -> None:
    """The first ten users are changed."""
    set_connection(f"{mirrordb_server.url}/api", extra=USERS)
    with MirrorDBHook() as hook:
        hook.bulk("create", [{"data": {}}] * 11, endpoint="users")
    with MirrorDBHook() as hook:
        executed(snippet(HOOK))["activate"].function(hook, 10)
    assert sum(user.get("active", False) for user in mirrordb_server.records("users")) == 10


@pytest.mark.parametrize("deferred", [{}, {"deferrable": True, "worker_timeout": 0}])
def test_new_operator(
    scripted: ScriptedBackend, set_connection: SetConnection, triggerer: object, deferred: dict[str, Any]
) -> None:
    """The operator of who adds one renders its argument, and sends its write under a key, from anywhere."""
    set_connection(scripted.url, extra={"idempotency_header": "Idempotency-Key"})
    scripted.answer(503)
    scripted.answer(200, {"id": 7})
    operator = executed(snippet(NEW_OPERATOR))["MirrorDBArchiveOperator"](
        task_id="archive", endpoint="api/users/7", reason="{{ why }}", **deferred
    )
    operator.render_template_fields({"why": "old"})
    assert run(operator) == {"id": 7}
    assert scripted.requests == ["PATCH /api/users/7"] * 2
    assert json.loads(scripted.bodies[1]) == {"archived": True, "reason": "old"}
    first, second = (headers["Idempotency-Key"] for headers in scripted.headers)
    assert first == second


def test_full_response(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The result has what is shown, and of the headers what the backend sent beside it."""
    set_connection(scripted.url)
    scripted.answer(201, ETag='"v1"', Location="/api/users/99")
    result = run(
        operators.MirrorDBCreateOperator(task_id="t", endpoint="api/users", data={}, full_response=True)
    )
    shown = ast.literal_eval(snippet(FULL_RESPONSE))
    assert {**result, "headers": {name: result["headers"][name] for name in shown["headers"]}} == shown


def exists(**arguments: Any) -> MirrorDBOperator:
    """The operator with a result of its own, as it stands behind the other one."""
    operator = executed(snippet(NEW_OPERATOR) + snippet(NEW_RESULT))["MirrorDBExistsOperator"](
        **{"task_id": "exists", "endpoint": "api/users/7", **arguments}
    )
    assert isinstance(operator, MirrorDBOperator)
    return operator


@pytest.mark.parametrize("status", [200, 404, 410])
@pytest.mark.parametrize("deferred", [{}, {"deferrable": True, "worker_timeout": 0}])
def test_new_result(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    triggerer: object,
    deferred: dict[str, Any],
    status: int,
) -> None:
    """A resource that is not there is an answer as well, and ``response_filter`` gets what is made of it."""
    set_connection(scripted.url)
    scripted.answer(status, b"Ada", Content_Type="text/plain")
    scripted.answer(status, {"id": 7})
    assert run(exists(**deferred)) is (status == 200)
    assert run(exists(response_filter=lambda found: [found], **deferred)) == [status == 200]


def test_new_result_of_a_list(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """A list is refused where the DAG is read, or before anything is sent where it comes from a task."""
    with pytest.raises(ValueError, match="endpoint: MirrorDBExistsOperator takes one, not a list"):
        exists(endpoint=["api/users/7"])
    set_connection(scripted.url)
    operator = exists(endpoint="{{ users }}")
    operator.endpoint = ["api/users/7"]  # as the output of a task is rendered
    with pytest.raises(AirflowFailException, match="endpoint: MirrorDBExistsOperator takes one"):
        run(operator)
    assert scripted.requests == []


def test_pages(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The cursor in the body leads to the second page."""
    set_connection(scripted.url)
    scripted.answer(200, {"rows": [1, 2], "meta": {"next": "c2"}})
    scripted.answer(200, {"rows": [3], "meta": {"next": None}})
    (read,) = tasks_of(snippet(PAGES))
    assert run(read) == [1, 2, 3]
    assert scripted.requests == ["GET /api/orders", "GET /api/orders?cursor=c2"]


def test_pages_of_csv(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The locator of each answer asks for the next one, up to the text null."""
    set_connection(scripted.url, extra={"endpoints": ["GET services/data/{v}/jobs/query/{id}/results"]})
    headers = {"Content-Type": "text/csv", "Sforce-Locator": "MTAw"}
    scripted.answers = [(200, b"Id\n1\n", headers), (200, b"Id\n2\n", {**headers, "Sforce-Locator": "null"})]
    (read,) = tasks_of(snippet(CSV))
    assert run(read) == [{"Id": "1"}, {"Id": "2"}]
    path = "GET /services/data/v67.0/jobs/query/750R/results"
    assert scripted.requests == [path, f"{path}?locator=MTAw"]


def test_read_by_a_body(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The search is sent by POST, where a pattern allows it."""
    set_connection(scripted.url, extra={"endpoints": ["QUERY api/orders/search"]})
    scripted.answer(200, [{"id": 7}])
    (read,) = tasks_of(snippet(BY_BODY))
    assert run(read) == [{"id": 7}]
    assert scripted.requests == ["POST /api/orders/search"]
    assert json.loads(scripted.bodies[0]) == {"filter": {"state": "open"}}


async def test_graphql(serve: Serve, config_for: ConfigFor) -> None:
    """The query is one that a real server answers, page by page; no template is in it."""
    records = [{"id": f"o{number}", "total": number} for number in range(250)]
    app, asked = graphql_app(records)
    (read,) = tasks_of(snippet(GRAPHQL))
    async with GenericMirrorDB(config_for(f"{await serve(app)}/graphql", endpoints=["QUERY /"])) as client:
        assert (
            await client.read_function("r", read.endpoint, data=read.data, paginate=read.paginate) == records
        )
    assert [body["variables"]["first"] for body in asked] == [100, 100, 100]


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


def test_forms(scripted: ScriptedBackend, set_connection: SetConnection, tmp_path: Path) -> None:
    """A form, a file as a part of one, and a file as it is."""
    set_connection(scripted.url)
    scripted.answers = [(200, None, {})] * 3
    (tmp_path / "orders.csv").write_bytes(b"a,b")
    for place in ("s3://my_aws@bucket", "/data"):
        assert place in snippet(FORMS)
    source = (
        snippet(FORMS).replace("s3://my_aws@bucket", f"file://{tmp_path}").replace('"/data', f'"{tmp_path}')
    )
    for each in tasks_of(source):
        run(each)
    kinds = [headers["Content-Type"].partition(";")[0] for headers in scripted.headers]
    assert kinds == ["application/x-www-form-urlencoded", "multipart/form-data", "text/csv"]
    assert (scripted.bodies[0], scripted.bodies[2]) == (b"user=ada", b"a,b")


def test_tasks(mirrordb_server: DevServer) -> None:
    """The plain task changes all users, the async one the seventh."""
    tasks = executed(snippet(TASKS), MirrorDBHook=MirrorDBHook)
    with MirrorDBHook() as hook:
        hook.bulk("create", [{"data": {}}] * 8, endpoint="api/users")
        asyncio.run(tasks["rename_async"].function())
        assert [user["id"] for user in hook.read("api/users") if user.get("active")] == ["7"]
        tasks["rename"].function()
        assert all(user["active"] for user in hook.read("api/users"))


def test_policy() -> None:
    """A task that is no operator of ours may have the policy of those, from Airflow 3.3 on."""
    policies = pytest.importorskip("airflow_mirrordb.task.outcomes.retry_policy", exc_type=ImportError)
    with DAG("readme", schedule=None):
        load: Any = executed(snippet(POLICY))["load"]
        operator = load().operator
    assert isinstance(operator.retry_policy, policies.MirrorDBRetryPolicy)


def test_decorated(mirrordb_server: DevServer) -> None:
    """The plain task changes all users that are read before it, the async one reads two."""
    with MirrorDBHook() as hook:
        hook.bulk("create", [{"data": {"name": name}} for name in ("Ada", "Bo")], endpoint="api/users")
        with DAG("readme", schedule=None) as dag:
            tasks = executed(snippet(DECORATED), Any=Any, MirrorDBHook=MirrorDBHook, asyncio=asyncio)
        assert dag.get_task("deactivate").upstream_task_ids == {"users"}
        assert tasks["deactivate"].function(hook, hook.read("api/users")) == 2
    assert not any(user["active"] for user in mirrordb_server.records("users"))
    run_task: Any = dag.get_task("names")
    assert run(run_task) == ["Ada", "Bo"]


def test_notifier(scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that fails is told of through the connection of incidents."""
    connection = json.dumps({"conn_type": "mirrordb", "host": scripted.url})
    monkeypatch.setenv("AIRFLOW_CONN_INCIDENTS", connection)
    scripted.answer(201, {})
    tell = executed(snippet(NOTIFIER), DAG=DAG, MirrorDBNotifier=MirrorDBNotifier)["tell"]
    ti = SimpleNamespace(task_id="load")
    tell({"dag": DAG("d", schedule=None), "run_id": "r", "ti": ti, "exception": "404"})
    assert json.loads(scripted.bodies[0]) == {"task": "load", "run": "r", "error": "404"}


@pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="deadlines came with Airflow 3.1")
def test_deadline(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Airflow makes the notifier of the callback's path and arguments."""
    set_connection(scripted.url)
    scripted.answer(201, {})
    module = import_module("airflow.sdk.definitions.deadline")
    deadlines = {
        name: getattr(module, name) for name in ("DeadlineAlert", "DeadlineReference", "AsyncCallback")
    }
    names = {"timedelta": timedelta, "MirrorDBNotifier": MirrorDBNotifier, **deadlines}
    callback = executed(snippet(DEADLINE), **names)["alert"].callback
    assert callback.path == "airflow_mirrordb.notifications.mirrordb.MirrorDBNotifier"

    context: Any = {"dag_run": {"dag_id": "nightly", "dag_run_id": "r"}}

    async def missed() -> None:
        await MirrorDBNotifier(**callback.kwargs, context=context)

    asyncio.run(missed())
    assert json.loads(scripted.bodies[0]) == {"dag": "nightly", "run": "r", "late": "yes"}


def test_arguments_of_the_notifier_are_all_told() -> None:
    """Its README's table names each, and nothing else."""
    text = READMES["airflow_mirrordb/notifications"]
    cells = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    told = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    taken = set(inspect.signature(MirrorDBNotifier.__init__).parameters)
    assert told == taken - {"self", "kwargs", "context"}


def test_sensors(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The first sees the day's export, the second the state of the job."""
    set_connection(scripted.url)
    exported, ended = tasks_of(snippet(SENSORS))
    scripted.answer(200, {"rows": 3})
    assert run(exported) == {"rows": 3}
    scripted.answer(200, {"job": {"state": "done"}})
    assert run(ended) == {"job": {"state": "done"}}
    assert scripted.requests == ["GET /api/exports/nightly", "GET /api/jobs/7"]


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


@pytest.mark.parametrize("folder", [".", "airflow_mirrordb/hooks"])
def test_connections_of_the_environment(folder: str) -> None:
    """Both lines set the same connection, as JSON and as a URI."""
    lines = re.findall(r"^export AIRFLOW_CONN_MIRRORDB_DEFAULT=.*$", READMES[folder], re.MULTILINE)
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


@pytest.mark.parametrize(
    ("folder", "base_url", "setting"),
    [
        (".", "http://localhost:8000", {"endpoints": ("users",)}),
        ("airflow_mirrordb/hooks", "https://backend.example.com/v1", {"max_attempts": 8}),
        ("example_dags", "http://127.0.0.1:8080", {"max_attempts": 5}),
    ],
)
def test_connection_of_the_command_line(folder: str, base_url: str, setting: dict[str, Any]) -> None:
    """What ``airflow connections add`` is given is a connection of ours."""
    (command,) = re.findall(
        r"^airflow connections add (.*?[^\\])$", READMES[folder], re.MULTILINE | re.DOTALL
    )
    _, *options = shlex.split(command.replace("\\\n", ""))
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert given["--conn-type"] == MirrorDBHook.conn_type
    config = config_from(
        Connection(conn_type="mirrordb", host=given["--conn-host"], extra=given.get("--conn-extra"))
    )
    assert config.base_url == base_url
    assert {name: getattr(config, name) for name in setting} == setting


def test_the_first_log_is_what_the_readme_shows(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line by which a reader knows that the first task worked, but for the time that it took."""
    read = operators.MirrorDBReadOperator
    monkeypatch.setattr(read, "log", logging.getLogger("readme"))  # Airflow 3 gives it one past caplog
    caplog.set_level("INFO")
    scripted.answer(200, b'{"id": 7, "name": "Ada L."}')
    set_connection(scripted.url, extra={"endpoints": ["users"]})
    run(read(task_id="read", endpoint="users/7"))
    (sent, shown) = re.findall(r"the task says `(.+?)`, and then `(.+?)`", READMES["."])[0]
    told = [re.sub(r"in \S+ s", "in … s", record.getMessage()) for record in caplog.records]
    assert told[-2:] == [sent, re.sub(r"in \S+ s", "in … s", shown)]  # Airflow 2 says more before


#: What each row of the README's troubleshooting is about: the connection, the answer, the call.
TROUBLES: dict[str, tuple[dict[str, Any], tuple[int, Any, dict[str, str]] | None, Callable[[Any], Any]]] = {
    "not registered": ({}, None, lambda hook: hook.read("users")),
    "leading slash": ({}, None, lambda hook: hook.read("/users")),
    "plain http": ({"schema": "https"}, None, lambda hook: hook.read("api/users")),
    "nobody there": ({"port": 1}, None, lambda hook: hook.read("api/users")),
    "wrong key": ({}, (401, None, {}), lambda hook: hook.read("api/users")),
    "moved": ({}, (301, None, {"Location": "/api/users/"}), lambda hook: hook.create("api/users", {})),
    "unknown extra": ({"extra": {"max_atempts": 3}}, None, lambda hook: hook.read("api/users")),
    "masked": ({"password": "***"}, None, lambda hook: hook.read("api/users")),
    "HTML": ({}, (200, b"<html>hi</html>", {}), lambda hook: hook.read("api/users")),
    "ambiguous": ({}, (500, None, {}), lambda hook: hook.create("api/users", {})),
    "busy, which pauses the next": ({}, (503, None, {"Retry-After": "600"}), lambda hook: hook.read("api/x")),
    "paused": ({}, None, lambda hook: hook.read("api/users")),
}
#: Rows whose messages need a certificate, a template or an old aiohttp, or are Airflow's own.
ELSEWHERE = {
    "the certificate of … was refused",
    "rendered to nothing, as a missing XCom …",
    "aiohttp … does not work with this client",
    "Testing connections is disabled",
}


def test_troubles_are_told_as_the_readme_shows(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Each message of the table is one that a user gets."""
    section = READMES["."].partition("## Troubleshooting")[2].partition("\n## ")[0]
    rows = set(re.findall(r"^\| `(.+?)`", section, re.MULTILINE))
    errors = []
    for fields, answer, call in TROUBLES.values():
        host, port = scripted.url.removeprefix("http://").split(":")
        extra = {"max_attempts": 1, **fields.get("extra", {})}
        given = {"schema": "http", "port": int(port), **fields, "extra": extra}
        set_connection(host, **given)
        if answer:
            scripted.answers.append(answer)
        with pytest.raises(MirrorDBError) as raised, MirrorDBHook() as hook:
            call(hook)
        errors.append(raised.value)  # its frames keep the pause of the connection, which nothing else does
    for row in rows - ELSEWHERE:
        pattern = ".*".join(map(re.escape, re.sub(r"for another \S+ s", "…", row).split("…")))
        assert any(re.search(pattern, str(error)) for error in errors), row


def decisions() -> list[tuple[str, list[int], str, str]]:
    """Return what the README's table says of statuses: the row, its statuses, and both decisions."""
    section = READMES["."].partition("## When a request fails")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    known = ("sent again", "final", "`AmbiguousWriteError`, final", "Airflow's `retries` go on")
    return [
        (what, statuses, *words)
        for what, *words in rows
        if (statuses := [int(status) for status in re.findall(r"\b[345]\d\d\b", what)])
        and all(word in known for word in words)
    ]


@pytest.mark.parametrize("decision", decisions(), ids=lambda decision: decision[0])
def test_failed_requests_end_as_the_readme_says(
    scripted: ScriptedBackend, set_connection: SetConnection, decision: tuple[str, list[int], str, str]
) -> None:
    """Each status of the table decides what becomes of a request that may be repeated, and of another."""
    what, statuses, *words = decision
    headers = {"Retry-After": "0"} if "`Retry-After`" in what else {}
    for method, word in (("PUT", words[0]), ("POST", words[1])):
        for status in statuses:
            set_connection(f"{scripted.url}/{method}/{status}")
            scripted.requests.clear()
            scripted.answers[:] = [(status, None, headers), (200, {"id": 7}, {})]
            with MirrorDBHook() as hook:
                if word == "sent again":
                    assert write(hook, method) == {"id": 7}
                    continue
                with pytest.raises(MirrorDBError) as raised:
                    write(hook, method)
            assert raised.value.retryable is word.startswith("Airflow's")
            assert isinstance(raised.value, AmbiguousWriteError) is word.startswith("`Ambiguous")
            assert len(scripted.requests) == 1


def write(hook: MirrorDBHook, method: str) -> Any:
    data = {"name": "Ada"}
    return hook.update("api/users/7", data) if method == "PUT" else hook.create("api/users", data)


def arguments_of(operator: type) -> set[str]:
    """Return what the constructors of an operator take, but those of Airflow's own classes."""
    ours = operator.__mro__[: operator.__mro__.index(MirrorDBOperator) + 1]
    taken = {name for kind in ours for name in inspect.signature(kind.__init__).parameters}  # type: ignore[misc]
    return taken - {"self", "kwargs"}


def operators_of_the_provider() -> dict[str, type]:
    """Return all operators of the modules that the provider lists, but what they have in common."""
    (listed,) = get_provider_info()["operators"]
    modules = [import_module(name) for name in listed["python-modules"]]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, MirrorDBOperator)
        if value is not MirrorDBOperator and not name.startswith("_")
    }


def test_arguments_of_operators_are_all_told() -> None:
    """The tables of the operators' README name each argument, and nothing else."""
    text = READMES["airflow_mirrordb/operators"]
    rows = re.findall(r"^\| `(MirrorDB\w+)` \| .+ \| (.+) \|$", text, re.MULTILINE)
    provided, of_all = operators_of_the_provider(), arguments_of(MirrorDBOperator)
    assert {name for name, _ in rows} == set(provided)
    for name, words in rows:
        own = arguments_of(provided[name]) - of_all - ({"bulk"} if name == "MirrorDBJobOperator" else set())
        assert set(re.findall(r"`(\w+)`", words)) == own, name
    section = text.partition("All take `endpoint` and these:")[2].partition("\n\nAll but")[0]
    common = {
        name
        for cell in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }
    assert common | {"endpoint"} == arguments_of(MirrorDBOperator)
