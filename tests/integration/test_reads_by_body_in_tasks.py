"""Hook, operator, sensor and event trigger that read by a body, in every way that they run."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowTaskTimeout
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_mirrordb.client import EndpointNotAllowedError, InvalidRequestError, MirrorDBRequest, ServerError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.arguments import read_of
from tests.integration import test_sensor as sensors
from tests.integration.test_observers import collector, lineage, running  # noqa: F401  # fixtures
from tests.integration.test_operators import MODES, context, run
from tests.integration.test_operators_tries import TimedOut, tries  # noqa: F401  # the second is a fixture
from tests.integration.test_sensor import scheduler  # noqa: F401  # a fixture
from tests.integration.test_start_from_trigger import started
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

SEARCH = "api/orders/search"
ALLOWED = {"endpoints": ["api/orders", f"QUERY {SEARCH}", "QUERY /"]}
WANTED = {"filter": {"state": ["open", None]}}

pytestmark = pytest.mark.usefixtures("triggerer")


@pytest.fixture(params=[*MODES, "started"])
def read(request: pytest.FixtureRequest) -> Any:
    """Run a read in one of the ways that there are."""
    if request.param != "started":
        mode = MODES[request.param]
        return lambda **arguments: run(MirrorDBReadOperator(task_id="search", **arguments, **mode))
    if not AIRFLOW_V_3_3_PLUS:
        pytest.skip("came with Airflow 3.3")
    return lambda **arguments: started(
        MirrorDBReadOperator(task_id="search", start_from_trigger=True, **arguments)
    )


@pytest.fixture
def backend(scripted: ScriptedBackend, set_connection: SetConnection) -> ScriptedBackend:
    set_connection(scripted.url, extra=ALLOWED)
    return scripted


# -- the operator ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [WANTED, json.dumps(WANTED), {}, [1]])
def test_result_and_body_are_the_same_in_every_mode(backend: ScriptedBackend, read: Any, data: Any) -> None:
    """Sent again where it has to be, by whoever waits; a string is parsed as JSON, as ``data`` always is."""
    backend.answers = [(503, None, {}), (502, None, {}), (200, {"hits": []}, {})]
    assert read(endpoint=SEARCH, data=data) == {"hits": []}
    assert backend.requests == [f"POST /{SEARCH}"] * 3
    sent = json.loads(data) if isinstance(data, str) else data
    assert [json.loads(body) for body in backend.bodies] == [sent] * 3
    assert not any("Idempotency-Key" in headers for headers in backend.headers)


def test_base_url_is_read_by_a_body(backend: ScriptedBackend, read: Any) -> None:
    """As a GraphQL server at the base URL is."""
    backend.answers = [(200, {"data": {"me": {"id": "7"}}}, {})]
    assert read(endpoint="/", data={"query": "{me{id}}"}) == {"data": {"me": {"id": "7"}}}
    assert backend.requests == ["POST /"]


def test_failure_is_left_to_airflow(backend: ScriptedBackend, read: Any) -> None:
    """It is the error of a read: Airflow may retry it, and nobody has to look."""
    backend.answers = [(502, None, {})] * 5
    with pytest.raises(ServerError) as caught:
        read(endpoint=SEARCH, data=WANTED)
    assert caught.value.retryable
    assert not caught.value.maybe_applied


@pytest.mark.parametrize("deferrable", [False, True])
def test_time_out_of_the_task_stays_one(
    set_connection: SetConnection,
    tries: Any,  # noqa: F811  # the fixture
    *,
    deferrable: bool,
) -> None:
    """Nothing was applied, so Airflow's next try may read again; nothing is remembered for it."""
    with TimedOut() as server:
        set_connection(f"http://{server.host}", extra=ALLOWED)
        task = MirrorDBReadOperator(task_id="task", endpoint=SEARCH, data=WANTED, deferrable=deferrable)
        with pytest.raises(AirflowTaskTimeout):
            task.execute(tries.context())
    assert server.received.startswith(f"POST /{SEARCH} ".encode())
    assert tries.store == {}


def test_refusal_names_the_pattern(backend: ScriptedBackend, read: Any) -> None:
    """And fails the task at once."""
    with pytest.raises(AirflowFailException, match="register 'QUERY api/orders'") as caught:
        read(endpoint="api/orders", data=WANTED)
    assert isinstance(caught.value.__cause__, EndpointNotAllowedError)
    assert backend.requests == []


def test_answer_goes_to_a_file(backend: ScriptedBackend, read: Any, tmp_path: Path) -> None:
    """As that of a GET."""
    backend.answers = [(502, None, {}), (200, b"id;name\n7;Ada\n", {})]
    manifest = read(endpoint=SEARCH, data=WANTED, output_path=str(tmp_path / "orders.csv"))
    assert (tmp_path / "orders.csv").read_bytes() == b"id;name\n7;Ada\n"
    assert manifest["bytes"] == 14


def test_many_endpoints_get_the_same_data(backend: ScriptedBackend) -> None:
    """A list of endpoints is so many reads."""
    backend.answers = [(200, [1], {}), (200, [2], {})]
    report = run(MirrorDBReadOperator(task_id="t", endpoint=[SEARCH, "/"], data=WANTED, concurrency=1))
    assert (report["done"], [record["response"] for record in report["records"]]) == (2, [[1], [2]])
    assert [json.loads(body) for body in backend.bodies] == [WANTED, WANTED]


@pytest.mark.parametrize("data", ["{{ none }}", {"filter": ["{{ none }}"]}, '{"a": "{{ none }}"}'])
def test_data_that_rendered_to_nothing_are_refused(backend: ScriptedBackend, data: Any) -> None:
    """Without what was given it would be another read: of everything, maybe."""
    with DAG("dag", schedule=None):
        task = MirrorDBReadOperator(task_id="t", endpoint=SEARCH, data=data)
    given: Any = {**context(), "none": None}
    task.render_template_fields(given)
    with pytest.raises(AirflowFailException, match="rendered to nothing"):
        task.execute(context())
    assert backend.requests == []


@pytest.mark.parametrize("data", ["query {me}", "{'a': 1}", "null"])
def test_text_that_is_no_json_is_refused(backend: ScriptedBackend, data: str) -> None:
    """With what would be right."""
    with pytest.raises(AirflowFailException, match="data: "):
        run(MirrorDBReadOperator(task_id="t", endpoint=SEARCH, data=data))
    assert backend.requests == []


def test_it_is_rendered() -> None:
    """Operator and sensor have it among their templates."""
    assert {"data"} <= set(MirrorDBReadOperator.template_fields) & set(MirrorDBSensor.template_fields)
    sensor = MirrorDBSensor(task_id="t", endpoint=SEARCH, data='{"a": 1}')
    request = read_of(sensor)
    assert (request.method, request.data) == ("QUERY", {"a": 1})


# -- the hook ----------------------------------------------------------------------------------------


def test_hook_reads_by_a_body(backend: ScriptedBackend, tmp_path: Path) -> None:
    """All of its methods that read."""
    backend.answers = [(200, body, {}) for body in ({"a": 1}, [{"b": 1}], [1, 2], [3], [], [4])]
    pages = {"style": "page", "param": "page", "size": 2}
    with MirrorDBHook() as hook:
        assert hook.read(SEARCH, data=WANTED) == {"a": 1}
        hook.read(SEARCH, data=WANTED, output_path=str(tmp_path / "file"))
        assert list(hook.records(SEARCH, data=WANTED, paginate=pages)) == [1, 2, 3]
        report = hook.bulk("read", [SEARCH], data=WANTED)
        assert report.done == 1
        with pytest.raises(InvalidRequestError, match="only the answer to a read"):
            hook.request(
                MirrorDBRequest(method="POST", endpoint="api/orders", data={}),
                output_path=str(tmp_path / "other"),
            )
    assert [json.loads(body) for body in backend.bodies] == [WANTED] * 6


def test_lineage_is_that_of_a_read(
    backend: ScriptedBackend,
    collector: Any,  # noqa: F811  # the fixture
    running: Any,  # noqa: F811  # the other
) -> None:
    """Whatever the wire says."""
    backend.answers = [(200, {}, {}), (200, {}, {})]
    with running("@task"), MirrorDBHook() as hook:
        hook.read(SEARCH, data=WANTED)
        hook.read("/", data=WANTED)
    uri = "mirrordb://mirrordb_default/"
    assert lineage(collector) == ([(uri, 1), (f"{uri}{SEARCH}", 1)], [])


# -- the sensor --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", sensors.MODES)
def test_sensor_asks_by_a_body(
    backend: ScriptedBackend,
    scheduler: sensors.Scheduler,  # noqa: F811  # the fixture
    mode: str,
) -> None:
    """Each poll is the same request, at the same distance, wherever it waits."""
    looks = [(200, {"count": 0}), (502, None), (404, None), (200, {"count": 3})]
    backend.answers = [(status, body, {}) for status, body in looks]
    arguments = {"endpoint": SEARCH, "data": json.dumps(WANTED), "field": "count", "equals": 3}
    begin = scheduler.clock.now()
    assert scheduler.run(**arguments, **sensors.MODES[mode]) == {"count": 3}
    assert backend.requests == [f"POST /{SEARCH}"] * 4
    assert [json.loads(body) for body in backend.bodies] == [WANTED] * 4
    assert scheduler.clock.now() - begin == 3 * sensors.INTERVAL


# -- the event trigger -------------------------------------------------------------------------------

if AIRFLOW_V_3_0_PLUS:
    from tests.support.watching import Watching, changed, found, records, trigger

    @pytest.fixture
    def allowed(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> Watching:
        define = watching._set_connection
        monkeypatch.setattr(
            watching,
            "_set_connection",
            partial(define, extra={"endpoints": ["QUERY api/users", "api/users"]}),
        )
        return watching

    async def test_event_trigger_asks_by_a_body(allowed: Watching) -> None:
        """A change of what is found is an event; entity tags of a POST's answer count for nothing.

        RFC 9110, section 8.8.3, speaks of the tag of the target resource, which is not what was asked for.
        """
        answers = [
            found([1], '"same"'),
            found([1], '"other"'),
            found([2], '"same"'),
            web.Response(status=502),
        ]
        assert await allowed.events(answers, data=WANTED) == [changed()]
        assert allowed.lines == ["POST /api/users"] * 4
        assert allowed.backend is not None
        assert [json.loads(request.body) for request in allowed.backend.requests] == [WANTED] * 4
        assert not any("If-None-Match" in request.headers for request in allowed.backend.requests)

    async def test_cursor_goes_into_the_body(allowed: Watching) -> None:
        """As "on_or_after" of Notion's filters, or a variable of a GraphQL query."""
        answers = [found([{"at": 1}]), found([{"at": 1}, {"at": 2}]), found([])]
        events = await allowed.events(
            answers,
            data={"query": "…", "variables": {"first": 5}},
            cursor="at",
            cursor_param="variables.since",
        )
        assert events == [records(1, 1, 2)]
        assert allowed.backend is not None
        sent = [json.loads(request.body)["variables"] for request in allowed.backend.requests]
        assert sent == [{"first": 5}, {"first": 5, "since": 1}, {"first": 5, "since": 2}]

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ({"data": {"a": {1}}}, "data: "),
            ({"data": {"a": 1}, "cursor": "at", "cursor_param": "a.b"}, "cursor_param: with data"),
            ({"data": {}, "cursor": "at", "cursor_param": "a[?b]"}, "cursor_param: with data"),
        ],
    )
    def test_wrong_arguments_are_told_with_the_dag(arguments: dict[str, Any], reason: str) -> None:
        """Where Airflow asks what is to be stored."""
        with pytest.raises(ValueError, match=reason):
            trigger(**arguments)

    def test_what_is_asked_by_another_body_is_not_shared() -> None:
        """And what was kept of one watcher is not taken for another's, nor lost by an upgrade."""
        keys = {trigger(data=data).shared_stream_key() for data in (None, {}, {"a": 1})}
        names = {trigger(data=data)._name for data in (None, {}, {"a": 1})}
        assert (len(keys), len(names)) == (3, 3)
        assert "data" not in trigger().serialize()[1]
