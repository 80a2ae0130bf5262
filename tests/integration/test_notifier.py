"""What a notifier tells a backend of what happens in Airflow, and the log if it cannot."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import re
from datetime import datetime, timezone
from importlib import import_module
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_1_PLUS

from airflow_mirrordb.notifications.mirrordb import TIMEOUT, MirrorDBNotifier
from tests.support.backends import ScriptedBackend, silent_backend
from tests.support.connections import SetConnection
from tests.support.raw_server import RawServer, Reply

KEYED = {"idempotency_header": "Idempotency-Key"}
since_3_1 = pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="deadlines came with Airflow 3.1")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
INCIDENT = {"task": "{{ ti.task_id }}", "run": "{{ run_id }}", "error": "{{ exception }}"}


def context(**changes: Any) -> Any:
    """Return what the callback of a task gets, as far as it matters here."""
    ti = {"dag_id": "d", "run_id": "r", "task_id": "load", "map_index": -1, "try_number": 1}
    given = {"dag": DAG("d", schedule=None, start_date=START), "run_id": "r", "exception": "no users"}
    of_ti = {name: changes.pop(name) for name in [*changes] if name in ti}
    return {**given, "ti": SimpleNamespace(**{**ti, **of_ti}), **changes}


def of_deadline(number: str) -> Any:
    """Return what the callback of a deadline gets: plain JSON (``handle_miss`` in Airflow's deadline.py)."""
    return {
        "dag_run": {"dag_id": "d", "dag_run_id": "r", "conf": {}},
        "deadline": {"id": number, "deadline_time": "2026-01-01T00:00:00Z"},
    }


def incident(**changes: Any) -> MirrorDBNotifier:
    return MirrorDBNotifier(**{"endpoint": "api/incidents", "data": INCIDENT, **changes})


def sent(incidents: ScriptedBackend) -> list[Any]:
    return [json.loads(body) for body in incidents.bodies]


def keys(incidents: ScriptedBackend) -> list[str]:
    return [headers["Idempotency-Key"] for headers in incidents.headers]


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return our lines; of a template that fails Airflow has one of its own."""
    ours = [record for record in caplog.records if record.name.startswith("airflow_mirrordb.")]
    return [record.getMessage() for record in ours if record.levelno >= logging.ERROR]


@pytest.fixture
def incidents(scripted: ScriptedBackend, set_connection: SetConnection) -> ScriptedBackend:
    set_connection(scripted.url, password="key", extra=KEYED)
    scripted.answers = [(201, {"id": 1}, {})] * 10
    return scripted


def test_a_failure_is_created(incidents: ScriptedBackend, caplog: pytest.LogCaptureFixture) -> None:
    """By one POST, with what Airflow knows of it, as the connection says; one line tells that it was sent."""
    caplog.set_level(logging.INFO)
    incident(method_name="tell", query={"team": "{{ dag.dag_id }}"}, headers={"X-Run": "{{ run_id }}"})(
        context()
    )
    assert incidents.requests == ["POST /api/incidents?team=d"]
    assert sent(incidents) == [{"task": "load", "run": "r", "error": "no users"}]
    (headers,) = incidents.headers
    assert headers["Authorization"] == "Bearer key"
    assert headers["X-Run"] == "r"
    assert "(MirrorDBNotifier)" in headers["User-Agent"]
    line = "The notification was sent: POST api/incidents [tell] through connection mirrordb_default: 201"
    assert [text for text in caplog.messages if text.startswith(line)]
    assert errors(caplog) == []


def test_a_form_and_a_template_of_all_data(incidents: ScriptedBackend) -> None:
    """The body is made of what an operator makes it of, but of no files."""
    incident(data='{"task": "{{ ti.task_id }}"}', content_type="application/vnd.api+json")(context())
    incident(form={"Body": "{{ ti.task_id }} failed"}, data=None)(context())
    assert incidents.bodies == [b'{"task":"load"}', b"Body=load+failed"]
    types = [headers["Content-Type"] for headers in incidents.headers]
    assert types == ["application/vnd.api+json", "application/x-www-form-urlencoded"]


def test_the_same_notifier_tells_of_several_events(incidents: ScriptedBackend) -> None:
    """One of ``default_args`` is the callback of each task, and ``dag.test()`` runs all in one process.

    Airflow renders the arguments of a notifier in place, so that its next event would be told as this one.
    """
    notifier = incident()
    for task_id in ("load", "check"):
        notifier(context(task_id=task_id))
    assert [told["task"] for told in sent(incidents)] == ["load", "check"]
    assert notifier.data == INCIDENT


def test_the_same_event_has_the_same_key(incidents: ScriptedBackend) -> None:
    """Whoever tells of it: a worker, and the DAG processor, which knows less and has read the file again."""
    event = context()
    incident()(event)
    incident()(context())
    known = SimpleNamespace(**vars(event["ti"]))
    incident()({"dag": event["dag"], "run_id": "r", "ti": known})
    assert [told["error"] for told in sent(incidents)] == ["no users", "no users", ""]
    assert len(set(keys(incidents))) == 1


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise self


def test_what_cannot_be_printed_is_told_all_the_same(
    incidents: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    incident()(context(exception=UnprintableError()))
    assert [line for line in errors(caplog) if "UnprintableError" in line]
    incident()(context(exception=ValueError("half \ud800")))
    assert sent(incidents)[-1]["error"] == "half \ufffd"


def test_values_of_native_templates_are_told_as_text(incidents: ScriptedBackend) -> None:
    """A DAG may render templates to the objects themselves (``render_template_as_native_obj``)."""
    event = context()
    event["dag"].render_template_as_native_obj = True
    incident(data={**INCIDENT, "n": "{{ 7 }}"})(event)
    assert sent(incidents) == [{"task": "load", "run": "r", "error": "no users", "n": 7}]


OTHER_EVENTS: dict[str, dict[str, Any]] = {
    "the next try": {"try_number": 2},
    "another item of a mapped task": {"map_index": 1},
    "another task": {"task_id": "check"},
    "another run": {"run_id": "r2"},
    "another DAG": {"dag_id": "d2"},
    "that of the DAG": {"reason": "task_failure"},
}


@pytest.mark.parametrize("name", OTHER_EVENTS)
def test_another_event_has_another_key(incidents: ScriptedBackend, name: str) -> None:
    """Also if what is told of it is the same."""
    told = incident(data={"title": "failed"})
    told(context())
    told(context(**OTHER_EVENTS[name]))
    assert len(set(keys(incidents))) == 2


def test_what_is_told_belongs_to_the_key(incidents: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other data is another notification, and so is one of another Airflow on the same backend."""
    for changes in ({}, {"data": {"other": 1}}, {"query": {"a": 1}}, {"endpoint": "api/messages"}):
        incident(**changes)(context())
    section = "API" if AIRFLOW_V_3_0_PLUS else "WEBSERVER"
    monkeypatch.setenv(f"AIRFLOW__{section}__BASE_URL", "https://other.example.com")
    incident()(context())
    assert len(set(keys(incidents))) == 5


def test_two_clears_of_a_run_are_two_events_of_its_dag(incidents: ScriptedBackend) -> None:
    """On Airflow 3 a DAG's callback may know of no task; a run that was cleared has another number."""
    dag = DAG("d", schedule=None, start_date=START)
    for number in (0, 1, 1):
        run = SimpleNamespace(dag_id="d", run_id="r", clear_number=number)
        incident()({"dag": dag, "run_id": "r", "reason": "task_failure", "dag_run": run})
    first, second, third = keys(incidents)
    assert first != second == third


def test_a_missed_sla_is_told(incidents: ScriptedBackend) -> None:
    """Airflow 2 calls with five arguments, and what the notifier of Airflow 3 takes of them are four."""
    dag = DAG("d", schedule=None, start_date=START)
    rest: tuple[list[Any], ...] = ([],) if AIRFLOW_V_3_0_PLUS else ([], [])
    for missed in ("load on 2026-01-01", "load on 2026-01-01", "load on 2026-01-02"):
        incident(data={"late": "{{ task_list }}"})(dag, missed, "", *rest)
    assert sent(incidents)[2] == {"late": "load on 2026-01-02"}
    first, again, other = keys(incidents)
    assert first == again != other


def test_an_author_may_give_the_key(incidents: ScriptedBackend) -> None:
    """As for an operator."""
    incident(idempotency_key="{{ run_id }}-failed")(context())
    assert keys(incidents) == ["r-failed"]


def test_without_an_event_each_call_is_one(incidents: ScriptedBackend) -> None:
    """Whoever calls the notifier with a context of his own tells of something each time."""
    notifier = incident(data={"title": "disk is full"})
    for _ in range(2):
        notifier.notify({})
    assert len(set(keys(incidents))) == 2


def test_no_key_without_the_header(
    incidents: ScriptedBackend, set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """Such a create is sent again only if the backend cannot have applied it, and an error says so.

    (RFC 9110, section 9.2.2: a client should not repeat a POST on its own.)
    """
    set_connection(incidents.url)
    incidents.answers = [(429, None, {}), (500, None, {}), (201, {}, {})]
    incident()(context())
    assert len(incidents.requests) == 2
    assert "Idempotency-Key" not in incidents.headers[0]
    (line,) = errors(caplog)
    assert line.startswith("The notification may or may not have been sent: POST api/incidents through ")
    assert line.endswith("look there before you tell of it by hand: Airflow does not call the notifier again")


def test_with_the_header_it_is_sent_again(incidents: ScriptedBackend) -> None:
    """Under the same key, as the create of an operator."""
    incidents.answers = [(500, None, {}), (503, None, {}), (201, {}, {})]
    incident()(context())
    assert len(incidents.requests) == 3
    assert len(set(keys(incidents))) == 1


# -- what is not in the context ------------------------------------------------------------------


@pytest.mark.parametrize("native", [False, True])
def test_what_airflow_does_not_know_is_an_empty_text(incidents: ScriptedBackend, *, native: bool) -> None:
    """A DAG's callback may know no task, and the DAG processor no exception: told is what is known.

    With native types an unknown name renders to no text, but to what stands for it, which is no JSON.
    """
    dag = DAG("d", schedule=None, start_date=START, render_template_as_native_obj=native)
    incident(data={**INCIDENT, "reason": "{{ reason }}"})(
        {"dag": dag, "run_id": "r", "reason": "task_failure"}
    )
    nothing = None if native else ""
    assert sent(incidents) == [{"task": nothing, "run": "r", "error": nothing, "reason": "task_failure"}]


def test_a_dag_that_makes_no_templates(incidents: ScriptedBackend) -> None:
    """``dag.test()`` of Airflow 3 gives the callback of a DAG its serialized form, which has none."""
    serialized = SimpleNamespace(dag_id="d", render_template_as_native_obj=False)
    incident(data={"dag": "{{ dag.dag_id }}", "reason": "{{ reason }}"})(
        {"dag": serialized, "run_id": "r", "reason": "task_failure"}
    )
    assert sent(incidents) == [{"dag": "d", "reason": "task_failure"}]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"endpoint": "api/incidents/{{ ti.task_id }}"}, "in which a name is empty"),
        ({"query": {"task": "{{ ti.task_id }}"}}, "query['task']: '{{ ti.task_id }}' rendered to nothing"),
        ({"idempotency_key": "{{ ti.task_id }}"}, "idempotency_key: '{{ ti.task_id }}' rendered to nothing"),
        ({"data": "{{ ti.task_id }}"}, "data: the text '' is no JSON"),
    ],
)
def test_nothing_in_another_argument_is_an_error(
    incidents: ScriptedBackend, caplog: pytest.LogCaptureFixture, wrong: dict[str, Any], says: str
) -> None:
    """It would be another request."""
    incident(**wrong)(
        {"dag": DAG("d", schedule=None, start_date=START), "run_id": "r", "reason": "task_failure"}
    )
    assert incidents.requests == []
    (line,) = errors(caplog)
    assert line.startswith("The notification was not sent: POST ")
    assert says in line
    assert line.endswith("mend that, and tell of it by hand: Airflow does not call the notifier again")


# -- what cannot be sent -------------------------------------------------------------------------

FAILURES: dict[str, tuple[dict[str, Any], int, str]] = {
    "no such endpoint": ({}, 404, "POST api/incidents through connection mirrordb_default: 404 Not Found"),
    "an endpoint that is not allowed": (
        {"endpoint": "incidents"},
        201,
        "POST incidents through connection mirrordb_default: the endpoint is not allowed",
    ),
    "no such connection": (
        {"mirrordb_conn_id": "nowhere"},
        201,
        "POST api/incidents through connection nowhere: AirflowNotFoundException: The conn_id `nowhere`",
    ),
    "a template that is none": (
        {"data": {"task": "{{ ti.task_id"}},
        201,
        "POST api/incidents through connection mirrordb_default: TemplateSyntaxError: ",
    ),
    "a template that fails": (
        {"data": {"task": "{{ 1 / 0 }}"}},
        201,
        "POST api/incidents through connection mirrordb_default: ZeroDivisionError: ",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_cannot_be_sent_is_one_line(
    incidents: ScriptedBackend, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """With endpoint, connection, what failed and what to do; nothing is raised into Airflow."""
    changes, status, says = FAILURES[name]
    incidents.answers = [(status, None, {})]
    incident(**changes)(context())
    (line,) = errors(caplog)
    assert line.startswith(f"The notification was not sent: {says}")
    assert line.endswith("; mend that, and tell of it by hand: Airflow does not call the notifier again")
    assert "\n" not in line


def test_a_wrong_connection_is_told(set_connection: SetConnection, caplog: pytest.LogCaptureFixture) -> None:
    """With the setting that is wrong."""
    set_connection("http://127.0.0.1:1", extra={"max_atempts": 3})
    incident()(context())
    (line,) = errors(caplog)
    assert "connection mirrordb_default: unknown extra 'max_atempts'; did you mean 'max_attempts'?" in line


def test_an_interruption_is_not_held_up(incidents: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no error ends the process of a callback, as ever."""

    def struck(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("airflow_mirrordb.notifications.sending.send", struck)
    with pytest.raises(KeyboardInterrupt):
        incident()(context())
    assert incidents.requests == []


# -- how long it takes ---------------------------------------------------------------------------


def test_a_backend_that_is_silent_is_not_waited_for(
    set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """An attempt takes no longer than all may, whatever the connection's ``timeout`` is (30 s)."""
    with silent_backend(TIMEOUT) as url:
        set_connection(url, extra={**KEYED, "max_attempts": 1})
        incident()(context())
    (line,) = errors(caplog)
    assert "may or may not have been sent" in line
    assert re.search(r"did not answer within (9\.9\d*|10) s", line)


@pytest.mark.parametrize("asked", [60, 400])
def test_a_wait_that_is_too_long_is_not_begun(
    incidents: ScriptedBackend, caplog: pytest.LogCaptureFixture, asked: int
) -> None:
    """A backend that asks for more time than all may take is told of, though the connection has 300 s."""
    incidents.answers = [(503, None, {"Retry-After": str(asked)}), (201, {}, {})]
    incident()(context())
    assert len(incidents.requests) == 1
    (line,) = errors(caplog)
    assert f"the wait of {asked} s that the backend asks for" in line
    assert f"would end after max_elapsed ({TIMEOUT:g} s); it may pass, but did not within timeout=10" in line


def test_an_authorization_server_that_is_silent_is_not_waited_for(
    set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """The time for all counts from before the token is asked for."""
    with silent_backend(TIMEOUT + 1) as url:
        extra = {"auth_type": "oauth2", "oauth_url": f"{url}/token", "max_attempts": 1}
        set_connection("http://127.0.0.1:1", login="me", password="secret", extra=extra)
        incident()(context())
    (line,) = errors(caplog)
    assert line.startswith("The notification was not sent: POST api/incidents through connection mirrordb_d")


def test_the_limits_of_the_connection_hold_if_they_are_lower(
    incidents: ScriptedBackend, set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """``timeout`` of a notifier makes nothing longer."""
    set_connection(incidents.url, extra={"max_attempts": 2, "max_elapsed": 5, **KEYED})
    incidents.answers = [(503, None, {"Retry-After": "6"})]
    incident(timeout=60)(context())
    assert "max_elapsed (5 s)" in errors(caplog)[0]


# -- in an event loop ----------------------------------------------------------------------------


@since_3_1
async def test_the_callback_of_a_deadline(incidents: ScriptedBackend) -> None:
    """Airflow makes it of the arguments and of what it knows, and awaits it (``CallbackTrigger``)."""
    data = {
        "dag": "{{ dag_run.dag_id }}",
        "run": "{{ dag_run.dag_run_id }}",
        "at": "{{ deadline.deadline_time }}",
    }
    for number in ("1", "1", "2"):
        await incident(data=data, context=of_deadline(number))
    assert sent(incidents) == [{"dag": "d", "run": "r", "at": "2026-01-01T00:00:00Z"}] * 3
    first, again, other = keys(incidents)
    assert first == again != other


async def test_failures_are_told_there_too(
    incidents: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the request, and of templates."""
    incidents.answers = [(404, None, {})]
    await incident(context=context())
    await incident(data={"run": "{{ 1 / 0 }}"}, context=context())
    missing, failed = errors(caplog)
    assert "connection mirrordb_default: 404 Not Found" in missing
    assert "connection mirrordb_default: ZeroDivisionError" in failed


async def test_one_that_is_cancelled_ends(
    set_connection: SetConnection, raw_server: RawServer, caplog: pytest.LogCaptureFixture
) -> None:
    """As by a triggerer that is stopped; another one goes on, under the same key."""
    set_connection(raw_server.base_url, extra=KEYED)
    raw_server.default = Reply(then="silence")

    async def tell() -> None:
        await incident(context=context())

    telling = asyncio.create_task(tell())
    await raw_server.arrived.wait()
    telling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await telling
    assert errors(caplog) == []


async def test_a_plain_call_does_not_block_a_loop(
    incidents: ScriptedBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """It says how it is done there."""
    incident()(context())
    assert incidents.requests == []
    (line,) = errors(caplog)
    assert "RuntimeError: inside an event loop, which it would block, a notifier is awaited" in line


def test_several_threads_share_one(incidents: ScriptedBackend) -> None:
    """As it is only read."""
    notifier = incident(data={"task": "{{ ti.task_id }}"})
    threads = [Thread(target=notifier, args=(context(task_id=str(number)),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told["task"] for told in sent(incidents)) == [str(number) for number in range(8)]


# -- when the DAG is read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"data": ...}, "data: it is missing; a body is made of data, or of form"),
        ({"form": {"a": 1}}, "data: data (JSON) and form (a form) are several bodies"),
        ({"endpoint": "/incidents"}, "endpoint: '/incidents': "),
        ({"endpoint": ["api/a", "api/b"]}, "endpoint: a notification goes to one, not to a list"),
        ({"data": {"load": float("nan")}}, "data.load: JSON has no nan"),
        ({"timeout": 0}, "timeout: it must be a number of seconds above 0, not 0"),
        ({"timeout": float("inf")}, "timeout: it must be a number"),
        ({"timeout": "10"}, "timeout: it must be a number"),
        ({"timeout": True}, "timeout: it must be a number"),
        ({"content_type": "text/csv", "data": None, "form": {}}, "content_type: it is of data or input_path"),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_read(wrong: dict[str, Any], says: str) -> None:
    """In the words of operators, with the endpoint in the place of the task."""
    endpoint = wrong.get("endpoint", "api/incidents")
    with pytest.raises(ValueError, match=f"^{re.escape(f'notifier to {endpoint!r}: {says}')}"):
        incident(**wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"json": {}}, "MirrorDBNotifier has no argument 'json'; did you mean 'data'?"),
        ({"http_conn_id": "x"}, "did you mean 'mirrordb_conn_id'?"),
        ({"method": "PUT"}, "it sends POST; PUT is sent by MirrorDBUpdateOperator"),
        ({"extra_options": {}}, "in the connection, by its extra"),
        ({"deferrable": True}, "MirrorDBNotifier has no argument 'deferrable'"),
    ],
)
def test_arguments_of_the_http_provider_are_told_with_ours(wrong: dict[str, Any], says: str) -> None:
    """Those of ``HttpNotifier`` (reference of the HTTP provider, ``notifications.http``), and others."""
    with pytest.raises(TypeError) as refused:
        incident(**wrong)
    assert str(refused.value).startswith("notifier to 'api/incidents': MirrorDBNotifier has no argument")
    assert says in str(refused.value)


def test_an_endpoint_is_needed() -> None:
    """There is no other place that says it."""
    with pytest.raises(TypeError, match="endpoint"):
        MirrorDBNotifier(data={})  # type: ignore[call-arg]


def test_a_dag_with_one_is_a_dag(incidents: ScriptedBackend) -> None:
    """Airflow copies tasks with their callbacks, and a task of ``default_args`` has them, too."""
    from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator

    notifier = incident()
    with DAG("d", schedule=None, start_date=START, default_args={"on_failure_callback": notifier}) as dag:
        MirrorDBReadOperator(task_id="load", endpoint="api/users")
    callbacks: Any = copy.deepcopy(dag).get_task("load").on_failure_callback
    (callback,) = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    callback(context())
    assert len(sent(incidents)) == 1


@since_3_1
async def test_airflow_takes_it_as_the_callback_of_a_deadline(incidents: ScriptedBackend) -> None:
    """The class and its arguments go through the trigger that Airflow runs it in."""
    try:
        made = import_module("airflow.triggers.callback").CallbackTrigger
    except ImportError:  # Airflow 3.1
        made = import_module("airflow.triggers.deadline").DeadlineCallbackTrigger
    deadlines: Any = import_module("airflow.sdk.definitions.deadline")
    callback = deadlines.AsyncCallback(
        MirrorDBNotifier, kwargs={"endpoint": "api/incidents", "data": INCIDENT}
    )
    trigger = made(callback.path, {**callback.kwargs, "context": of_deadline("1")})
    states = [event.payload["state"] async for event in trigger.run()]
    assert [str(getattr(state, "value", state)) for state in states] == ["running", "success"]
    assert sent(incidents) == [{"task": "", "run": "", "error": ""}]


def test_airflow_runs_it_as_the_callback_of_a_deadline_on_a_worker(incidents: ScriptedBackend) -> None:
    """``SyncCallback``: the class is made with the context, and called with it."""
    supervisor = pytest.importorskip("airflow.sdk.execution_time.callback_supervisor")
    structlog = pytest.importorskip("structlog")
    path = f"{MirrorDBNotifier.__module__}.{MirrorDBNotifier.__qualname__}"
    kwargs = {"endpoint": "api/incidents", "data": {"run": "{{ dag_run.dag_run_id }}"}}
    log = structlog.get_logger("callback_runner")
    outcome = supervisor.execute_callback(path, {**kwargs, "context": of_deadline("1")}, "d.py", None, log)
    assert outcome == (True, None)
    assert sent(incidents) == [{"run": "r"}]
