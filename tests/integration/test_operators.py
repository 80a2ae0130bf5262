"""The operators, on the worker and through their triggers, against real servers."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import traceback
from collections import ChainMap
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, BaseOperator, TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from airflow.triggers.base import BaseTrigger

from airflow_mirrordb.client import (
    ConnectError,
    InvalidRequestError,
    MirrorDBError,
    MirrorDBRequest,
    Progress,
    RateLimitError,
)
from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.operators.base import MirrorDBOperator
from airflow_mirrordb.operators.job import MirrorDBJobOperator
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger, MirrorDBWaitTrigger
from tests.support.backends import ScriptedBackend, silent_backend
from tests.support.connections import SetConnection
from tests.support.triggering import taken

#: How a task may run; the outcome must not depend on it.
MODES: dict[str, dict[str, Any]] = {
    "worker": {"deferrable": False},
    "worker first": {"deferrable": True, "worker_timeout": 600},
    "triggerer": {"deferrable": True, "worker_timeout": 0},
}
pytestmark = pytest.mark.usefixtures("triggerer")

KEYED = {"idempotency_header": "Idempotency-Key"}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(MODES[request.param])


def context(run_id: str = "run-1", task_id: str = "task", map_index: int = -1) -> Any:
    ti = SimpleNamespace(
        dag_id="dag",
        run_id=run_id,
        task_id=task_id,
        map_index=map_index,
        try_number=1,
        xcom_push=lambda **_: None,
    )
    return {"ti": ti, "run_id": run_id}


def run(operator: MirrorDBOperator, *, deferrals: list[BaseTrigger] | None = None) -> Any:
    """Execute a task to its end as Airflow does; each trigger passes through JSON, and has its own loop."""
    step = partial(operator.execute, context())
    while True:
        try:
            return step()
        except TaskDeferred as deferred:
            trigger = restored(deferred)
            if deferrals is not None:
                deferrals.append(trigger)
            event = json.loads(json.dumps(asyncio.run(first_event(trigger))))
            step = partial(getattr(operator, deferred.method_name), context(), event)


def restored(deferred: TaskDeferred) -> BaseTrigger:
    """Return the trigger as the triggerer makes it from what Airflow stores."""
    assert deferred.kwargs is None  # dag.test() would lose them
    path, arguments = deferred.trigger.serialize()
    trigger: BaseTrigger = type(deferred.trigger)(**json.loads(json.dumps(arguments)))
    assert path == f"{type(trigger).__module__}.{type(trigger).__qualname__}"
    return taken(trigger)


async def first_event(trigger: BaseTrigger) -> Any:
    events = [event async for event in trigger.run()]
    assert len(events) == 1
    return events[0].payload


def test_crud_is_the_same_in_every_mode(set_connection: SetConnection, mode: dict[str, Any]) -> None:
    """Create, read, update and delete give the same results and rows, deferred or not."""
    with DevServer(api_key="key-of-the-test") as server:
        set_connection(server.url, password="key-of-the-test", extra=KEYED)
        created = run(MirrorDBCreateOperator(task_id="c", endpoint="api/users", data={"name": "Ada"}, **mode))
        assert created == {"id": "1", "name": "Ada"}
        endpoint = "api/users/1"
        assert run(MirrorDBReadOperator(task_id="r", endpoint=endpoint, **mode)) == created
        merged = run(
            MirrorDBUpdateOperator(task_id="u", endpoint=endpoint, data={"a": 1}, partial=True, **mode)
        )
        assert merged == {"id": "1", "name": "Ada", "a": 1}
        assert run(MirrorDBUpdateOperator(task_id="u", endpoint=endpoint, data={"b": 2}, **mode)) == {
            "id": "1",
            "b": 2,
        }
        assert server.records("users") == [{"id": "1", "b": 2}]
        assert run(MirrorDBDeleteOperator(task_id="d", endpoint=endpoint, **mode)) is None
        assert server.records("users") == []


OPERATORS: dict[str, Callable[..., MirrorDBOperator]] = {
    "create": lambda **kw: MirrorDBCreateOperator(task_id="create", endpoint="api/users", data={}, **kw),
    "read": lambda **kw: MirrorDBReadOperator(task_id="read", endpoint="api/users/1", **kw),
    "update": lambda **kw: MirrorDBUpdateOperator(task_id="update", endpoint="api/users/1", data={}, **kw),
    "delete": lambda **kw: MirrorDBDeleteOperator(task_id="delete", endpoint="api/users/1", **kw),
}


@pytest.fixture(params=OPERATORS)
def make(request: pytest.FixtureRequest) -> Callable[..., MirrorDBOperator]:
    return OPERATORS[request.param]


def test_nobody_there_is_left_to_airflow(
    set_connection: SetConnection, mode: dict[str, Any], dead_port: int
) -> None:
    """A dead port is tried max_attempts times, then Airflow's retries decide."""
    set_connection(f"http://127.0.0.1:{dead_port}", extra={"max_attempts": 3})
    with pytest.raises(ConnectError) as raised:
        run(OPERATORS["create"](**mode))
    assert (raised.value.attempts, raised.value.retryable) == (3, True)


def test_rate_limit_beyond_the_deadline_ends_at_once(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """A wait that would end too late is not begun; the error says how long it would have been."""
    set_connection(scripted.url)
    scripted.answer(429, Retry_After="3600")
    with pytest.raises(RateLimitError) as raised:
        run(OPERATORS["read"](**mode))
    assert (raised.value.retry_after, len(scripted.requests)) == (3600, 1)


def test_worker_answers_at_once_when_it_can(
    scripted: ScriptedBackend, set_connection: SetConnection, make: Callable[..., MirrorDBOperator]
) -> None:
    """A deferrable task whose answer is quick is never deferred."""
    set_connection(scripted.url)
    scripted.answer(200, {})
    deferrals: list[BaseTrigger] = []
    run(make(deferrable=True, worker_timeout=600), deferrals=deferrals)
    assert deferrals == []


def test_slow_answer_moves_to_the_trigger(set_connection: SetConnection) -> None:
    """What is not answered within worker_timeout goes to the trigger, though only one attempt is allowed."""
    with silent_backend(20) as url:
        set_connection(url, extra={"max_attempts": 1})
        operator = OPERATORS["read"](deferrable=True, worker_timeout=20)
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(context())
    trigger = deferred.value.trigger
    assert isinstance(trigger, MirrorDBTrigger)
    assert (trigger.progress["attempts"], trigger.progress["cut_off"]) == (1, 1)
    with DevServer() as server:
        set_connection(server.url, extra={"max_attempts": 1})
        event = read_event(asyncio.run(first_event(trigger)))
    assert event["error"]["type"] == "NotFoundError"  # the trigger sent it, and that was its second attempt
    assert event["error"]["attempts"] == 2


@pytest.mark.parametrize(("scheme", "sent"), [("http", True), ("https", False)])
def test_a_delete_that_was_cut_off_is_done_only_if_it_was_sent(
    set_connection: SetConnection, scheme: str, *, sent: bool
) -> None:
    """A worker that waits for a handshake has sent nothing: in the trigger a 404 is an error then."""
    with silent_backend(20) as url:
        set_connection(url.replace("http:", f"{scheme}:"))
        with pytest.raises(TaskDeferred) as deferred:
            OPERATORS["delete"](deferrable=True, worker_timeout=20).execute(context())
    trigger = restored(deferred.value)
    assert isinstance(trigger, MirrorDBTrigger)
    progress = Progress(**trigger.progress)
    assert [progress.attempts, progress.cut_off, progress.maybe_applied] == [sent, sent, sent]
    with DevServer() as server:
        set_connection(server.url)
        event = read_event(asyncio.run(first_event(trigger)))
    assert event["status"] == ("success" if sent else "error")
    if not sent:
        assert event["error"]["type"] == "NotFoundError"


@pytest.mark.parametrize("worker_timeout", [0, 600])
def test_write_that_may_not_be_repeated_is_only_sent_by_the_worker(
    scripted: ScriptedBackend, set_connection: SetConnection, worker_timeout: float
) -> None:
    """Without an idempotency header a create stays on the worker; only its wait is deferred."""
    set_connection(scripted.url)
    scripted.answer(429)
    scripted.answer(201, {"id": 1})
    deferrals: list[BaseTrigger] = []
    result = run(OPERATORS["create"](deferrable=True, worker_timeout=worker_timeout), deferrals=deferrals)
    assert result == {"id": 1}
    (trigger,) = deferrals
    assert isinstance(trigger, MirrorDBWaitTrigger)
    assert trigger.progress["attempts"] == 1


def test_delete_that_meets_its_own_404_is_a_success(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """The count of attempts travels with the trigger: a 404 after an attempt of our own is no error."""
    set_connection(scripted.url)
    scripted.answer(502)
    scripted.answer(404, {"detail": "gone"})
    assert run(OPERATORS["delete"](**mode)) is None
    assert len(scripted.requests) == 2


def test_idempotency_key_is_that_of_the_task(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """The key is the same over retries of the task, and another for other data, runs, tasks and maps."""
    set_connection(scripted.url, extra=KEYED)

    def key(data: object = None, **which: Any) -> str:
        scripted.answer(201, {})
        operator = MirrorDBCreateOperator(task_id="task", endpoint="api/users", data=data or {"a": 1})
        operator.execute(context(**which))
        return str(scripted.headers[-1]["Idempotency-Key"])

    first = key()
    assert key() == first
    others = [key(data={"a": 2}), key(run_id="run-2"), key(task_id="other"), key(map_index=0)]
    assert len({first, *others}) == 5


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({200: "ok", "default": "error"}, {"200": "ok", "default": "error"}),
        ({True: "push", "jobs": {}}, {"true": "push", "jobs": {}}),  # "on:" of YAML 1.1
        (MappingProxyType({"a": ChainMap({"b": 1})}), {"a": {"b": 1}}),
    ],
)
def test_the_idempotency_key_is_derived_from_what_is_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, data: Any, body: Any
) -> None:
    """Whatever can be sent has a key, and it is that of the same body written in another way."""
    set_connection(scripted.url, extra=KEYED)
    for value in (data, body, json.dumps(dict(reversed(body.items())))):
        scripted.answer(201, {})
        MirrorDBCreateOperator(task_id="task", endpoint="api/users", data=value).execute(context())
    assert [json.loads(sent) for sent in scripted.bodies] == [body] * 3
    assert len({sent["Idempotency-Key"] for sent in scripted.headers}) == 1


def test_own_idempotency_key_wins(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """An author who knows a better key says so."""
    set_connection(scripted.url, extra=KEYED)
    scripted.answer(201, {})
    MirrorDBCreateOperator(task_id="t", endpoint="api/users", data={}, idempotency_key="order-7").execute(
        context()
    )
    assert scripted.headers[0]["Idempotency-Key"] == "order-7"


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("key", [None, "order-7"])
def test_a_key_that_is_not_sent_is_told(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    key: str | None,
    many: bool,
) -> None:
    """Once a task; nobody asked for a derived one, and a connection that sends keys tells nothing."""
    told = []
    for extra in ({}, KEYED):
        set_connection(scripted.url, extra=extra)
        scripted.answers = [(201, {}, {})] * 2
        caplog.clear()
        data = [{"a": 1}, {"a": 2}] if many else {"a": 1}
        operator = MirrorDBCreateOperator(
            task_id="t", endpoint="api/users", data=data, bulk=many, idempotency_key=key
        )
        operator.execute(context())
        told.append(sum("idempotency_key is not sent" in record.message for record in caplog.records))
    assert told == [int(key is not None), 0]


@pytest.mark.parametrize("key", ["", " ", "None"])
@pytest.mark.parametrize("many", [False, True])
def test_a_key_that_says_nothing_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, key: str, many: bool
) -> None:
    """It would be the same for all, or another one than its author meant."""
    set_connection(scripted.url, extra=KEYED)
    data = [{"a": 1}] if many else {"a": 1}
    operator = MirrorDBCreateOperator(
        task_id="t", endpoint="api/users", data=data, bulk=many, idempotency_key=key
    )
    with pytest.raises(AirflowFailException, match="is no key"):
        operator.execute(context())
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("arguments", "field", "reason"),
    [
        ({"endpoint": "api/users/None"}, "endpoint", "missing XCom"),
        ({"headers": {"X-Auth-Token": "t"}}, "headers['X-Auth-Token']", "clear text"),
        ({"request_timeout": "soon"}, "request_timeout", "it must be a number"),
        ({"worker_timeout": "soon"}, "worker_timeout", "it must be a number"),
        ({"query": "a=1"}, "query", "must be a mapping"),
        ({"method_name": "a\nb"}, "method_name", "one line of printable text"),
    ],
)
def test_bad_argument_is_named_and_nothing_is_sent(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    arguments: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    """What a template made wrong fails the task at once, named, before any I/O."""
    set_connection(scripted.url)
    operator = MirrorDBReadOperator(task_id="t", endpoint="api/users/1", deferrable=True)
    for name, value in arguments.items():  # as templates render them
        setattr(operator, name, value)
    with pytest.raises(AirflowFailException, match=reason) as raised:
        run(operator)
    assert isinstance(raised.value.__cause__, InvalidRequestError)
    assert raised.value.__cause__.field == field
    assert scripted.connections == 0


@pytest.mark.parametrize("data", ["{", "plain words", '{"a": NaN}', {"when": datetime.now(timezone.utc)}])
def test_data_that_is_not_json_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, data: object, mode: dict[str, Any]
) -> None:
    """A string that is not JSON text, and a value that JSON cannot hold, are named; nothing is sent."""
    set_connection(scripted.url, extra=KEYED)
    with pytest.raises(AirflowFailException, match=r"data.*JSON"):
        run(MirrorDBCreateOperator(task_id="t", endpoint="api/users", data=data, **mode))
    assert scripted.connections == 0


def test_json_text_is_sent_as_what_it_says(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """A rendered template is a string; its JSON is sent, not the string."""
    set_connection(scripted.url)
    scripted.answer(201, {})
    run(MirrorDBCreateOperator(task_id="t", endpoint="api/users", data='{"a": [1, 2]}'))
    assert scripted.bodies == [b'{"a":[1,2]}']


def test_an_operator_may_say_itself_what_its_arguments_say(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """One of somebody's own adds to the endpoint and the query that the task was given."""

    class LatestOperator(MirrorDBOperator):
        def request(self, context: Any, client: Any) -> MirrorDBRequest:  # noqa: ARG002  # as the base has it
            query = {**(self.query or {}), "limit": 1}
            return self._request("GET", endpoint=f"{self.endpoint}/latest", query=query)

    set_connection(scripted.url)
    scripted.answer(200, {"id": 7})
    assert run(LatestOperator(task_id="t", endpoint="api/users", query={"by": "at"})) == {"id": 7}
    assert scripted.requests == ["GET /api/users/latest?by=at&limit=1"]


def test_rendered_flags_mean_what_they_say(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """The word "False", as a template renders it, is not true."""
    set_connection(scripted.url)
    scripted.answer(200, {})
    run(MirrorDBUpdateOperator(task_id="t", endpoint="api/users/1", data={}, partial="False"))
    scripted.answer(404, {})
    with pytest.raises(AirflowFailException):
        run(MirrorDBDeleteOperator(task_id="t", endpoint="api/users/1", missing_ok="False"))
    assert scripted.requests == ["PUT /api/users/1", "DELETE /api/users/1"]


def test_everything_but_callables_is_templated() -> None:
    """Templates are rendered in all arguments of a request, and only attributes that exist are named."""
    operators = [make() for make in OPERATORS.values()]
    for operator in operators:
        assert all(hasattr(operator, name) for name in operator.template_fields)
        assert operator.template_ext == ()
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        operator = MirrorDBUpdateOperator(
            task_id="t",
            endpoint="api/users/{{ run_id }}",
            data={"run": ["{{ run_id }}"]},
            query={"q": "{{ run_id }}"},
            if_match="{{ run_id }}",
            method_name="{{ run_id }}",
            partial="{{ run_id == 'r' }}",
        )
    operator.render_template_fields({"run_id": "r"})
    assert (operator.endpoint, operator.data, operator.query) == ("api/users/r", {"run": ["r"]}, {"q": "r"})
    assert (operator.if_match, operator.method_name, vars(operator)["partial"]) == ("r", "r", "True")


def test_mapped_operators_keep_their_defaults() -> None:
    """``partial(...).expand(...)`` works, with the argument of the same name too, and loses no default."""
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        MirrorDBUpdateOperator.partial(task_id="t", data={}, partial=True).expand(
            endpoint=["api/users/1", "api/users/2"]
        )
    mapped = dag.get_task("t")
    operator = mapped.unmap({"endpoint": "api/users/2"})
    assert isinstance(operator, MirrorDBUpdateOperator)
    assert (operator.endpoint, operator.worker_timeout) == ("api/users/2", 5.0)
    assert vars(operator)["partial"] is True
    assert operator.mirrordb_conn_id == "mirrordb_default"


def test_deferral_ends_with_the_execution_timeout(set_connection: SetConnection) -> None:
    """A task's own time-out bounds its time in the triggerer too."""
    set_connection("http://127.0.0.1:1")
    operator = OPERATORS["read"](deferrable=True, worker_timeout=0, execution_timeout=timedelta(seconds=9))
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context())
    assert deferred.value.timeout == timedelta(seconds=9)


def test_no_secret_of_the_connection_is_in_trigger_or_event(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """What Airflow stores of a deferred task holds nothing of the connection but its id."""
    set_connection(scripted.url, login="someone", password="canary-secret", extra=KEYED)
    scripted.answer(403, {"detail": "canary-secret is not allowed"})
    operator = OPERATORS["create"](deferrable=True, worker_timeout=0)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context())
    event = asyncio.run(first_event(deferred.value.trigger))
    stored = json.dumps([deferred.value.trigger.serialize(), event]) + repr(deferred.value.trigger)
    assert event["status"] == "error"
    assert "canary" not in stored


def test_trigger_reports_what_it_did_not_expect(set_connection: SetConnection) -> None:
    """A trigger never raises: a missing connection and arguments of another version become events."""
    event = asyncio.run(
        first_event(MirrorDBTrigger("no_such_connection", {"method": "GET", "endpoint": "api/users"}))
    )
    assert event["status"] == "error"
    assert "no_such_connection" in read_event(event)["error"]["message"]
    newer = MirrorDBTrigger(request={"method": "GET", "endpoint_of_tomorrow": "api/users"})
    assert "endpoint" in read_event(asyncio.run(first_event(newer)))["error"]["message"]


@pytest.mark.parametrize(
    ("answers", "kind"), [([(500, None, {})], "create"), ([(503, None, {})] * 5, "read")]
)
def test_no_frame_of_the_client_is_in_the_log(
    scripted: ScriptedBackend, set_connection: SetConnection, answers: list[Any], kind: str
) -> None:
    """What Airflow writes of a failed task is its error and the causes, not the way through the client."""
    set_connection(scripted.url)
    scripted.answers = answers
    with pytest.raises((AirflowFailException, MirrorDBError)) as raised:
        run(OPERATORS[kind]())
    written = "".join(traceback.format_exception(raised.value))
    assert scripted.answers == []
    assert str(raised.value) in written
    assert f"{os.sep}client{os.sep}" not in written
    assert "aiohttp" not in written
    structlog = pytest.importorskip("structlog.tracebacks")  # which writes the log of Airflow 3
    told = structlog.extract(type(raised.value), raised.value, raised.value.__traceback__).stacks
    assert [stack.exc_type for stack in told][-1] in ("AmbiguousWriteError", "ServerError")


@pytest.mark.parametrize("modules", [["operators.mirrordb", "notifications.mirrordb"], ["operators.job"]])
def test_importing_the_operators_loads_no_client(modules: list[str]) -> None:
    """A DAG file that imports an operator loads at most 20 modules beyond Airflow's own, none of HTTP.

    One with a notifier, too.
    """
    code = (
        "import sys; from airflow.providers.common.compat.sdk import DAG, BaseNotifier, BaseOperator\n"
        f"before = set(sys.modules); import {', '.join(f'airflow_mirrordb.{name}' for name in modules)}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    output = printed.splitlines()[-1].split()  # Airflow may log before
    if AIRFLOW_V_3_0_PLUS:  # Airflow 2 loads also what others made only now
        assert len([name for name in output if name.partition(".")[0] != "airflow"]) <= 20
    assert not [
        name for name in output if name.split(".")[0] in ("aiohttp", "requests", "urllib3", "pydantic")
    ]
    assert not [name for name in output if name.startswith("airflow_mirrordb.client")]


def test_operators_are_airflow_operators() -> None:
    """The four operators share one base, which is Airflow's."""
    for make in OPERATORS.values():
        assert isinstance(make(), BaseOperator)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_event_bytes": "100"},
        {"max_event_bytes": 0},
        {"response_filter": "data[.id"},
        {"response_filter": "{{ params.path }}"},
        {"response_filter": ["rows"]},
        {"on_error": "ignore"},
        {"concurrency": 0},
        {"deferrable": "False"},
    ],
)
def test_arguments_that_are_no_templates_are_checked_at_once(
    make: Callable[..., MirrorDBOperator], wrong: dict[str, Any]
) -> None:
    """The DAG does not load; after a write it would be too late."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make(**wrong)
    make(on_error="{{ params.on_error }}", concurrency="{{ params.concurrency }}")


@pytest.mark.parametrize(
    ("operator", "flag"),
    [
        *((MirrorDBReadOperator, flag) for flag in ("deferrable", "start_from_trigger", "end_from_trigger")),
        *((MirrorDBJobOperator, flag) for flag in ("deferrable", "cancel_on_kill", "durable")),
        *((MirrorDBSensor, flag) for flag in ("deferrable", "start_from_trigger", "end_from_trigger")),
        *((MirrorDBSensor, flag) for flag in ("gone", "changed")),
    ],
)
@pytest.mark.parametrize("text", ["False", "{{ params.wait }}"])
def test_a_text_is_no_flag_where_no_template_is_rendered(operator: type, flag: str, text: str) -> None:
    """The text False is true to Python (its reference, "Truth Value Testing"): the task would defer."""
    given: dict[str, Any] = {"task_id": "t", "endpoint": "api/jobs/7"}
    if operator is MirrorDBJobOperator:
        given |= {"job": {}, "data": {}, "state": "state", "succeeded": ["DONE"]}
    with pytest.raises(ValueError, match=f"task 't': {flag}: it must be True or False, not '{text}'"):
        operator(**given, **{flag: text})
