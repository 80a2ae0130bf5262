"""What others get to know of a request: the backend by its User-Agent, Airflow by metrics and lineage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat import sdk
from airflow.providers.common.compat.sdk import HookLineageCollector, TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_mirrordb import __version__
from airflow_mirrordb.client import (
    Attempt,
    ConnectError,
    GenericMirrorDB,
    MirrorDBError,
    NotFoundError,
    RequestTimeoutError,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.observers import observer_for
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from tests.integration.test_operators import context
from tests.support.backends import Answering, ScriptedBackend
from tests.support.connections import ConfigFor, SetConnection
from tests.support.raw_server import RawServer, Reply, json_answer
from tests.support.task_tries import set_current_context

PRODUCTS = f"airflow-mirrordb/{__version__} airflow/{airflow_version}"

Running = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def running() -> Running:
    """Return what makes the code inside that of a task of this operator, as Airflow does it."""

    @contextmanager
    def run(operator: str) -> Iterator[None]:
        context: Any = {"task": SimpleNamespace(operator_name=operator)}
        with set_current_context(context):
            yield

    return run


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Collect lineage, as Airflow does when a plugin reads it."""
    collector = HookLineageCollector()
    monkeypatch.setattr(sdk, "get_hook_lineage_collector", lambda: collector, raising=False)
    return collector


def lineage(collector: Any) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return what was read and what was written: each asset, and how often."""
    found = collector.collected_assets
    inputs, outputs = ([(one.asset.uri, one.count) for one in part] for part in (found.inputs, found.outputs))
    return sorted(inputs), sorted(outputs)


# -- the client's observer -----------------------------------------------------------------------


async def test_each_attempt_is_observed_once(raw_server: RawServer, config_for: ConfigFor) -> None:
    """Refusal, disconnection and answer are one attempt each, with what came of it."""
    raw_server.replies = [
        Reply(json_answer("", "503 Service Unavailable")),
        Reply(b"", "close"),
        Reply(json_answer('{"id": 1}')),
    ]
    seen: list[Attempt] = []
    async with GenericMirrorDB(config_for(raw_server.base_url), observe=seen.append) as client:
        await client.read_function("read", "api/users/1")
    assert [(one.number, one.status, one.error) for one in seen] == [
        (1, 503, None),
        (2, None, "DisconnectedError"),
        (3, 200, None),
    ]
    assert {(one.request.method, one.request.endpoint) for one in seen} == {("GET", "api/users/1")}
    assert all(one.elapsed > 0 for one in seen)


async def test_what_was_not_sent_is_not_observed(config_for: ConfigFor) -> None:
    """A refused endpoint is no attempt; a port where nobody listens is one."""
    seen: list[Attempt] = []
    config = config_for("http://127.0.0.1:1", max_attempts=1)
    async with GenericMirrorDB(config, observe=seen.append) as client:
        with pytest.raises(MirrorDBError):
            await client.read_function("read", "elsewhere")
        assert seen == []
        with pytest.raises(ConnectError):
            await client.read_function("read", "api/users/1")
    assert [(one.status, one.error) for one in seen] == [(None, "ConnectError")]


async def test_redirects_and_renewed_keys_are_attempts(answering: Answering, config_for: ConfigFor) -> None:
    """All that went over the wire is observed; the number tells that it was no retry."""
    from aiohttp import web

    backend = await answering(
        web.Response(status=401),
        web.Response(status=307, headers={"Location": "/api/people/1"}),
        web.json_response({}),
    )
    seen: list[Attempt] = []

    async def look_up() -> dict[str, Any]:
        return {"api_key": "new"}

    config = config_for(backend.base_url, api_key="old")
    async with GenericMirrorDB(config, look_up=look_up, observe=seen.append) as client:
        await client.read_function("read", "api/users/1")
    assert [(one.number, one.status) for one in seen] == [(1, 401), (1, 307), (1, 200)]


async def test_an_attempt_that_its_caller_gave_up_is_observed(
    raw_server: RawServer, config_for: ConfigFor
) -> None:
    """What was sent was sent, though nobody waits for the answer any more."""
    raw_server.default = Reply(b"", "silence")
    seen: list[Attempt] = []
    config = config_for(raw_server.base_url, max_attempts=1)
    async with GenericMirrorDB(config, observe=seen.append) as client:
        reading = asyncio.ensure_future(client.read_function("read", "api/users/1"))
        await raw_server.arrived.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        raw_server.default = Reply(b"", "time-out")
        with pytest.raises(RequestTimeoutError):
            await client.read_function("read", "api/users/1")
    assert [one.error for one in seen] == ["CancelledError", "RequestTimeoutError"]


def test_nobody_is_told_who_does_not_want_to_know() -> None:
    """Without metrics and lineage, which is how Airflow comes, there is no observer at all."""
    assert observer_for("mirrordb_default", None) is None


# -- the User-Agent ------------------------------------------------------------------------------


def agents(backend: ScriptedBackend) -> list[str]:
    return [headers["User-Agent"] for headers in backend.headers]


def test_user_agent_names_package_airflow_and_operator(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Operator, its trigger and sensor say who they are; the trigger says what the worker said."""
    set_connection(scripted.url)
    scripted.answers = [(200, {}, {})] * 3
    MirrorDBReadOperator(task_id="t", endpoint="api/users/1").execute(context())
    MirrorDBSensor(task_id="t", endpoint="api/users/1").execute(context())
    deferred = MirrorDBReadOperator(task_id="t", endpoint="api/users/1", deferrable=True, worker_timeout=0)
    with pytest.raises(TaskDeferred) as left:
        deferred.execute(context())
    events = asyncio.run(all_events(left.value.trigger))
    assert events[0]["status"] == "success"
    read = f"{PRODUCTS} (MirrorDBReadOperator)"
    assert agents(scripted) == [read, f"{PRODUCTS} (MirrorDBSensor)", read]


async def all_events(trigger: Any) -> list[Any]:
    return [json.loads(json.dumps(event.payload)) async for event in trigger.run()]


def test_user_agent_of_a_task_of_ones_own(
    scripted: ScriptedBackend, set_connection: SetConnection, running: Running
) -> None:
    """The hook finds out whose task it works for; without a task it names none."""
    set_connection(scripted.url)
    scripted.answers = [(200, {}, {})] * 4
    with running("@task"), MirrorDBHook() as hook:
        hook.read("api/users/1")
    with running("Übung (\\)"), MirrorDBHook() as hook:
        hook.read("api/users/1")
    with MirrorDBHook() as hook:
        hook.read("api/users/1")

    async def read() -> None:
        async with MirrorDBHook() as client:
            await client.read_function("read", "api/users/1")

    with running("@task"):
        asyncio.run(read())
    assert agents(scripted) == [
        f"{PRODUCTS} (@task)",
        f"{PRODUCTS} (?bung ???)",
        PRODUCTS,
        f"{PRODUCTS} (@task)",
    ]


def test_user_agent_of_the_connection_wins(
    scripted: ScriptedBackend, set_connection: SetConnection, running: Running
) -> None:
    """Who has set one in the connection's headers, or for one request, is not told better."""
    set_connection(scripted.url, extra={"headers": {"user-agent": "ours/1"}})
    scripted.answers = [(200, {}, {})] * 2
    with running("@task"), MirrorDBHook() as hook:
        hook.read("api/users/1")
        hook.read("api/users/1", headers={"User-Agent": "mine/2"})
    assert [
        value
        for headers in scripted.headers
        for name, value in headers.items()
        if name.lower() == "user-agent"
    ] == [
        "ours/1",
        "mine/2",
    ]


# -- lineage -------------------------------------------------------------------------------------


def test_lineage_is_what_a_task_read_and_wrote(
    scripted: ScriptedBackend, set_connection: SetConnection, collector: Any, running: Running
) -> None:
    """Each success counts: a GET as read, all else as written; a failure is neither."""
    set_connection(scripted.url, extra={"endpoints": ["api/users"]})
    scripted.answers = [(503, None, {}), *[(200, {}, {})] * 7, (404, None, {})]

    async def read() -> None:
        async with MirrorDBHook() as client:
            await client.read_function("read", "api/users/7")

    with running("@task"), MirrorDBHook() as hook:
        hook.read("api/users/7")
        hook.read("api/users/a b", query={"key": "value"})
        hook.read("api/users/a%20b")
        hook.create("api/users", {})
        hook.update("api/users/7", {})
        hook.delete("api/users/8")
        asyncio.run(read())
        with pytest.raises(NotFoundError):
            hook.read("api/users/9")
    inputs, outputs = lineage(collector)
    uri = "mirrordb://mirrordb_default/api/users"
    assert inputs == [(f"{uri}/7", 1), (f"{uri}/7", 1), (f"{uri}/a%20b", 2)]  # of one hook each
    assert outputs == [(uri, 1), (f"{uri}/7", 1), (f"{uri}/8", 1)]


def test_lineage_is_the_same_deferred(
    scripted: ScriptedBackend, set_connection: SetConnection, collector: Any, running: Running
) -> None:
    """A trigger tells nobody, since nobody collects there; the worker does when it resumes."""
    set_connection(scripted.url, extra={"idempotency_header": "Idempotency-Key"})
    for operator, status in (
        (MirrorDBReadOperator(task_id="t", endpoint="api/users/7", deferrable=True, worker_timeout=0), 200),
        (
            MirrorDBCreateOperator(
                task_id="t", endpoint="api/users", data={}, deferrable=True, worker_timeout=0
            ),
            201,
        ),
        (
            MirrorDBDeleteOperator(
                task_id="t", endpoint="api/users/8", missing_ok=True, deferrable=True, worker_timeout=0
            ),
            404,
        ),
    ):
        scripted.answer(status, {})
        before = lineage(collector)
        with running("o"), pytest.raises(TaskDeferred) as left:
            operator.execute(context())
        assert isinstance(left.value.trigger, MirrorDBTrigger)
        (event,) = asyncio.run(all_events(left.value.trigger))
        assert lineage(collector) == before
        with running("o"):
            operator.execute_complete(context(), event)
    uri = "mirrordb://mirrordb_default/api/users"
    assert lineage(collector) == ([(f"{uri}/7", 1)], [(uri, 1)])


def test_lineage_never_breaks_a_request(
    scripted: ScriptedBackend, set_connection: SetConnection, collector: Any, running: Running
) -> None:
    """An endpoint that is too long for an asset is read all the same."""
    set_connection(scripted.url)
    scripted.answer(200, {"id": 1})
    with running("@task"), MirrorDBHook() as hook:
        assert hook.read(f"api/users/{'x' * 1800}") == {"id": 1}
    inputs, outputs = lineage(collector)
    assert (len(inputs), outputs) == (0 if AIRFLOW_V_3_0_PLUS else 1, [])  # Airflow 2 takes longer ones


def test_a_hook_with_lineage_is_collected(
    scripted: ScriptedBackend, set_connection: SetConnection, collector: Any, running: Running
) -> None:
    """What is told of its requests does not keep a hook, and with it its connections, alive."""
    import gc
    import weakref

    set_connection(scripted.url)
    scripted.answer(200, {})
    with running("@task"):
        hook = MirrorDBHook()
        hook.read("api/users/7")
        alive = weakref.ref(hook)
        del hook
        gc.collect()
    assert alive() is None
