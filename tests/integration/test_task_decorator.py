"""``@task.mirrordb``: what its function gets, and what becomes of its errors; its tasks are really run."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime, timezone
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    setup,
    task as airflow_task,
    teardown,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    ConfigError,
    GenericMirrorDB,
    NotFoundError,
    ResponseError,
)
from airflow_mirrordb.decorators import mirrordb_task
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.task.link import KEY
from tests.integration.test_links_and_assets import shown
from tests.integration.test_observers import collector, lineage  # noqa: F401
from tests.integration.test_operators import context, run
from tests.support.backends import ScriptedBackend, silent_backend
from tests.support.connections import SetConnection
from tests.support.task_tries import set_current_context
from tests.support.wrapped_errors import WAYS

task: Any = airflow_task  # its types know no decorators of other packages
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("dag", schedule=None, start_date=START) as made:
        yield made


@pytest.fixture
def connected(scripted: ScriptedBackend, set_connection: SetConnection) -> ScriptedBackend:
    set_connection(scripted.url, extra={"max_attempts": 1})
    return scripted


def executed(called: Any, map_index: int = -1) -> Any:
    """Run the task that a call made, of a mapped one that instance, and return its result."""
    return executing(called, map_index)[1]()


def executing(called: Any, map_index: int = -1) -> tuple[Any, Callable[[], Any]]:
    """Return a task as Airflow executes it, rendered, and what executes it."""
    task = called.operator.prepare_for_execution()
    running: Any = {
        **context(map_index=map_index),
        "params": {},
        "task": task,
        "dag": called.operator.dag,
        "dag_run": SimpleNamespace(conf={}),
    }
    task.render_template_fields(running)

    def execute() -> Any:
        with set_current_context(running):
            return running["task"].execute(running)

    return running["task"], execute


# -- what the function gets ----------------------------------------------------------------------


def test_a_plain_function_gets_the_hook_which_is_closed_after(connected: ScriptedBackend, dag: DAG) -> None:
    """All that it sends goes over one connection, which the templated id names."""
    connected.answers = [(200, {"id": 1}, {}), (200, {"id": 2}, {})]
    hooks = []

    @task.mirrordb(mirrordb_conn_id="mirrordb_{{ 'default' }}")  # type: ignore[untyped-decorator]
    def sync(hook: MirrorDBHook, ids: list[int], *, kind: str = "users") -> list[Any]:
        hooks.append(hook)
        return [hook.read(f"api/{kind}/{number}") for number in ids]

    assert executed(sync(ids=[1, 2])) == [{"id": 1}, {"id": 2}]
    assert connected.requests == ["GET /api/users/1", "GET /api/users/2"]
    assert connected.connections == 1
    assert connected.headers[0]["User-Agent"].endswith("(@task.mirrordb)")
    assert hooks[0]._client is None


def test_a_coroutine_function_gets_the_client_which_is_closed_after(
    connected: ScriptedBackend, dag: DAG
) -> None:
    """Also on an Airflow that runs no coroutine itself."""
    connected.answers = [(200, {"id": 1}, {})]
    clients = []

    @mirrordb_task
    async def check(client: GenericMirrorDB, number: int) -> Any:
        clients.append(client)
        assert client.is_connected
        return await client.read_function("check", f"api/users/{number}")

    assert executed(check(1)) == {"id": 1}
    assert not clients[0].is_connected


def test_it_is_closed_after_an_error(connected: ScriptedBackend, dag: DAG) -> None:
    seen: list[Any] = []

    @mirrordb_task
    def sync(hook: MirrorDBHook) -> None:
        seen.append(hook)
        raise KeyError("id")

    @mirrordb_task
    async def check(client: GenericMirrorDB) -> None:
        seen.append(client)
        raise KeyError("id")

    for called in (sync(), check()):
        with pytest.raises(KeyError):
            executed(called)
    assert seen[0]._client is None
    assert not seen[1].is_connected


def test_the_context_comes_after_the_hook(connected: ScriptedBackend, dag: DAG) -> None:
    """By name or as a whole, as for @task ("Accessing context variables", the guide of TaskFlow)."""

    @mirrordb_task
    def named(hook: MirrorDBHook, row: int, ti: Any = None, size: int = 3) -> Any:
        return type(hook).__name__, row, ti.task_id, size

    @mirrordb_task
    def whole(hook: MirrorDBHook, /, *rows: int, **context: Any) -> Any:
        return type(hook).__name__, rows, context["run_id"]

    assert executed(named(1)) == ("MirrorDBHook", 1, "task", 3)
    assert executed(named(row=1, size=2)) == ("MirrorDBHook", 1, "task", 2)
    assert executed(whole(1, 2)) == ("MirrorDBHook", (1, 2), "run-1")
    assert executed(named("{{ run_id }}")) == ("MirrorDBHook", "run-1", "task", 3)


def test_mapped_tasks_get_it(connected: ScriptedBackend, dag: DAG) -> None:
    """Each instance is a task with a hook, and what is left out has the default of the DAG."""
    dag.default_args["mirrordb_conn_id"] = "mirrordb_default"

    @mirrordb_task
    def sync(hook: MirrorDBHook, row: int, label: str) -> Any:
        return type(hook).__name__, row, label

    several = sync.partial(label="{{ run_id }}").expand(row=[1, 2])
    assert [executed(several, index)[1:] for index in (0, 1)] == [(1, "run-1"), (2, "run-1")]
    given = sync.override(task_id="given").expand_kwargs([{"row": 3, "label": "x"}])
    assert executed(given, 0) == ("MirrorDBHook", 3, "x")
    assert given.operator.task_id == "given"


def test_every_argument_of_a_task_works(dag: DAG) -> None:
    """What Airflow's decorator makes of the function and of its arguments is made of it here."""

    @mirrordb_task(task_id="t", retries=4, trigger_rule="all_done", pool="slow", doc_md="told")
    def sync(hook: MirrorDBHook, rows: int) -> dict[str, int]:
        """Write the rows."""
        return {"rows": rows}

    first = sync(1).operator
    assert (first.task_id, first.retries, first.trigger_rule, first.pool) == ("t", 4, "all_done", "slow")
    assert first.doc_md == "told"
    assert first.multiple_outputs is True  # what the annotation of its result says
    assert sync(2).operator.task_id == "t__1"
    assert sync.override(retries=1)(3).operator.retries == 1
    assert inspect.signature(sync.function).parameters.keys() == {"rows"}
    assert "def sync(hook" in inspect.getsource(sync.function)
    assert sync.function("anything", 1) == {"rows": 1}  # for tests of the function itself


def test_setup_and_teardown_have_it(dag: DAG) -> None:
    """Below the decorators that say what a task is for."""

    @setup
    @mirrordb_task
    def make(hook: MirrorDBHook) -> None: ...

    @teardown(on_failure_fail_dagrun=True)  # type: ignore[untyped-decorator]
    @mirrordb_task(retries=1)
    def clean(hook: MirrorDBHook, made: Any) -> None: ...

    made = make()
    cleaned = clean(made)
    assert made.operator.is_setup
    assert (cleaned.operator.is_teardown, cleaned.operator.on_failure_fail_dagrun) == (True, True)


def test_it_is_what_the_provider_names() -> None:
    """An import has types, which Airflow's task object has not."""
    assert task.mirrordb is mirrordb_task


# -- what is refused when the DAG is read --------------------------------------------------------


def nothing() -> None: ...


def only_by_name(*, hook: Any) -> None: ...


def any_number(*hooks: Any) -> None: ...


def the_context(ti: Any, hook: Any) -> None: ...


def rows_one_by_one(hook: Any) -> Iterator[int]:
    yield 1


async def rows_awaited(hook: Any) -> Any:
    yield 1


class Sync:
    def method(self, hook: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (nothing, "nothing has no parameter; the first parameter of the function gets the hook"),
        (only_by_name, "only_by_name: 'hook' cannot be that"),
        (any_number, r"any_number: '\*hooks' cannot be that"),
        (the_context, "'ti' is a name of Airflow's context, and comes after the hook"),
        (rows_one_by_one, "is a generator function, of which a task has no result"),
        (rows_awaited, "is a generator function"),
        (Sync, "Sync is a class"),
        (Sync.method, "methods are not supported"),
        (Sync().method, "is a method, and no function; write one that calls it"),
        (task.virtualenv(requirements=[])(only_by_name), "is a task already"),
        ("crm", r"@task.mirrordb\(mirrordb_conn_id='crm'\)"),
    ],
)
def test_what_cannot_take_a_hook_is_refused(function: Any, reason: str) -> None:
    """With the reason, and before anything runs."""
    for decorator in (task.mirrordb, task.mirrordb()):
        with pytest.raises(TypeError, match=reason):
            decorator(function)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"requirements": ["polars"]}, "one of @task.virtualenv, whose function runs in another process"),
        ({"python": "/usr/bin/python3"}, "one of @task.external_python"),
        ({"image": "python:3.12"}, "one of @task.docker"),
        ({"conn_id": "crm"}, "task 'sync': @task.mirrordb has no argument 'conn_id'; did you mean"),
        ({"endpoint": "api/users"}, "@task.mirrordb has no argument 'endpoint'"),
        ({"mirrordb_conn_id": ""}, "mirrordb_conn_id: it must be the id of a connection, not ''"),
        ({"mirrordb_conn_id": None}, "not None"),
        ({"mirrordb_conn_id": 5}, "not 5"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments: dict[str, Any], reason: str, dag: DAG) -> None:
    """When the function is decorated, so also for tasks that are mapped."""

    def sync(hook: Any, rows: Any) -> None: ...

    with pytest.raises((TypeError, ValueError), match=reason):
        task.mirrordb(**arguments)(sync)
    with pytest.raises((TypeError, ValueError), match=reason):
        task.mirrordb(sync).override(**arguments)([])


def test_callers_do_not_pass_the_hook(dag: DAG) -> None:
    """What they pass is bound without it, also where the function takes anything."""

    def two(hook: Any, rows: Any) -> None: ...

    def anything(hook: Any, **given: Any) -> None: ...

    sync, takes_anything = task.mirrordb(two), task.mirrordb(anything)
    for call, given in ((sync.partial, 1), (sync.expand, [1])):
        with pytest.raises(TypeError, match="got an unexpected keyword argument 'hook'"):
            call(hook=given)
    with pytest.raises(TypeError, match=r"task 'two': two\(\) gets 'hook' from @task.mirrordb; do not pass"):
        sync(hook=1, rows=[])
    with pytest.raises(TypeError, match=r"anything\(\) gets 'hook' from @task.mirrordb; do not pass it"):
        takes_anything(hook=1)
    with pytest.raises(TypeError, match="missing a required argument: 'rows'"):
        sync()


# -- what becomes of errors ----------------------------------------------------------------------


def test_a_permanent_error_is_told_as_by_an_operator(connected: ScriptedBackend, dag: DAG) -> None:
    """And no retry of Airflow's comes after it, on any version."""
    connected.answers = [(404, {"detail": "no such user"}, {})] * 3

    @mirrordb_task
    def sync(hook: MirrorDBHook) -> None:
        hook.read("api/users/1", method_name="t")

    @mirrordb_task
    async def check(client: GenericMirrorDB) -> None:
        await client.read_function("t", "api/users/1")

    told, read = [], MirrorDBReadOperator(task_id="t", endpoint="api/users/1")
    for step in (partial(run, read), partial(executed, sync()), partial(executed, check())):
        with pytest.raises(AirflowFailException) as raised:
            step()
        assert isinstance(raised.value.__cause__, NotFoundError)
        told.append(str(raised.value).replace(" [t]", ""))
    assert "no such user" in told[0]
    assert told[1:] == [told[0]] * 2


def assert_no_circle(error: BaseException | None, above: list[BaseException]) -> None:
    """A log that follows causes and contexts comes to an end; Airflow 3.0 has no other end to it."""
    assert error not in above
    for reason in (error.__cause__, error.__context__) if error else ():
        assert_no_circle(reason, [*above, error] if error else [])


@pytest.mark.parametrize("way", WAYS)
def test_a_wrapped_permanent_error_ends_the_task(way: str, connected: ScriptedBackend, dag: DAG) -> None:
    """As the retry policy sees it; what the author raised is the cause, for the log."""

    @mirrordb_task
    def sync(hook: MirrorDBHook) -> None:
        try:
            hook.read("nowhere/at/all/there/is")
        except Exception as error:  # noqa: BLE001
            found = error
        WAYS[way](found)

    with pytest.raises(AirflowFailException, match="nowhere") as raised:
        executed(sync())
    assert_no_circle(raised.value, [])


@pytest.mark.parametrize("status", [503, 429])
def test_what_may_pass_is_left_to_the_retries(status: int, connected: ScriptedBackend, dag: DAG) -> None:
    """The error itself reaches Airflow, and so the retry policy of 3.3."""
    connected.answers = [(status, None, {"Retry-After": "7"})]

    @mirrordb_task
    def sync(hook: MirrorDBHook) -> None:
        hook.read("api/users/1")

    with pytest.raises(ResponseError) as raised:
        executed(sync())
    assert raised.value.retryable
    assert raised.value.retry_after == 7
    assert "connection mirrordb_default" in str(raised.value)


def ambiguous() -> AmbiguousWriteError:
    return AmbiguousWriteError(message="it may have been applied")


@pytest.mark.parametrize(
    ("error", "cause", "comes"),
    [
        (KeyError("id"), None, KeyError),
        (AirflowSkipException("nothing new"), ambiguous(), AirflowSkipException),
        (AirflowFailException("of its own"), ambiguous(), AirflowFailException),
        (AirflowTaskTimeout("too long"), None, AirflowTaskTimeout),
        (AirflowTaskTimeout("too long"), ambiguous(), AirflowFailException),
        (KeyboardInterrupt(), ambiguous(), AirflowFailException),
    ],
)
def test_other_errors_and_decisions_are_left_as_they_are(
    error: BaseException, cause: Exception | None, comes: type, connected: ScriptedBackend, dag: DAG
) -> None:
    """An interruption that leaves a write unknown has that as its cause, and no retry may double it."""
    error.__cause__ = cause

    @mirrordb_task
    def sync(hook: MirrorDBHook) -> None:
        raise error

    with pytest.raises(comes) as raised:
        executed(sync())
    assert raised.value is error or "may have been applied" in str(raised.value)


@pytest.mark.parametrize(
    ("method", "extra", "comes"),
    [
        ("create_function", {}, AirflowFailException),
        ("create_function", {"idempotency_header": "Idempotency-Key"}, asyncio.TimeoutError),
        ("read_function", {}, asyncio.TimeoutError),
    ],
)
def test_a_write_that_was_given_up_is_not_repeated(
    method: str, extra: dict[str, Any], comes: type[Exception], set_connection: SetConnection, dag: DAG
) -> None:
    """Airflow's retry would begin anew, and knows of it from Airflow 3.3 on at most."""

    @mirrordb_task
    async def hasty(client: GenericMirrorDB) -> None:
        data: dict[str, Any] = {"data": {}} if method == "create_function" else {}
        await asyncio.wait_for(getattr(client, method)("hasty", "api/users", **data), 10)

    with silent_backend(20) as url:
        set_connection(url, extra=extra)
        with pytest.raises(comes) as raised:
            executed(hasty())
    if comes is AirflowFailException:
        assert "the write may or may not have been applied (it was interrupted by TimeoutError" in str(
            raised.value
        )
        assert isinstance(raised.value.__cause__, AmbiguousWriteError)


def test_a_coroutine_that_is_interrupted_in_a_write_is_not_repeated(
    connected: ScriptedBackend, dag: DAG, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the execution_timeout of the task, which Airflow raises in the handler of a signal."""
    is_over = threading.Event()

    def interrupt(_path: str, _body: bytes) -> Any:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        is_over.wait()
        raise ConnectionAbortedError  # nobody waits for an answer

    def handle(*_: object) -> None:
        raise AirflowTaskTimeout("too long")

    @mirrordb_task
    async def slow(client: GenericMirrorDB) -> None:
        await client.create_function("slow", "api/users", {})

    monkeypatch.setattr(connected, "next_answer", interrupt)
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(AirflowFailException, match="may or may not have been applied") as raised:
            executed(slow())
    finally:
        is_over.set()
        signal.signal(signal.SIGUSR1, before)
    assert isinstance(raised.value.__cause__, AmbiguousWriteError)
    assert connected.requests == ["POST /api/users"]


def test_a_wrong_connection_ends_the_task_before_the_function(
    set_connection: SetConnection, dag: DAG
) -> None:
    """The hook is open when the function gets it."""
    set_connection("http://127.0.0.1:9", extra={"max_attempt": 1})

    @mirrordb_task
    def sync(hook: MirrorDBHook) -> None:
        raise AssertionError

    with pytest.raises(AirflowFailException, match="max_attempt") as raised:
        executed(sync())
    assert isinstance(raised.value.__cause__, ConfigError)


def test_the_log_has_the_frames_of_the_author_alone(connected: ScriptedBackend, dag: DAG) -> None:
    """It shows which line asked, and none of the client's."""
    connected.answers = [(404, None, {})]

    def load(hook: MirrorDBHook) -> None:
        hook.read("api/users/1")  # the line that asked

    @mirrordb_task
    def sync(hook: MirrorDBHook) -> None:
        try:
            load(hook)
        except NotFoundError as error:
            raise RuntimeError("no user") from error  # the line that told

    with pytest.raises(AirflowFailException) as raised:
        executed(sync())
    written = "".join(traceback.format_exception(raised.value))
    assert "the line that asked" in written
    assert "the line that told" in written
    for hidden in ("client", "hooks"):
        assert f"airflow_mirrordb{os.sep}{hidden}{os.sep}" not in written


# -- what Airflow is told ------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [False, True])
def test_the_link_leads_to_what_all_requests_went_to(
    connected: ScriptedBackend, set_connection: SetConnection, dag: DAG, fails: bool
) -> None:
    """Also of a task that fails; one that sent nothing has none."""
    connected.answers = [(200, {}, {}), (404 if fails else 200, {}, {})]

    @mirrordb_task
    def sync(hook: MirrorDBHook, numbers: list[int]) -> None:
        for number in numbers:
            hook.read(f"api/users/{number}", query={"secret": "x"})

    running, execute = executing(sync([]))
    execute()
    assert not hasattr(running, KEY)
    running, execute = executing(sync([1, 2]))
    with pytest.raises(AirflowFailException) if fails else nullcontext():
        execute()
    assert getattr(running, KEY) == f"{connected.url}/api/users"
    if AIRFLOW_V_3_0_PLUS:  # Airflow 2 asks its database for the link
        assert shown(running) == f"{connected.url}/api/users"


def test_lineage_is_what_the_function_read_and_wrote(
    connected: ScriptedBackend,
    dag: DAG,
    collector: Any,  # noqa: F811
) -> None:
    """By the hook itself, as in any task."""
    connected.answers = [(200, {}, {}), (201, {}, {})]

    @mirrordb_task
    def sync(hook: MirrorDBHook) -> None:
        hook.create("api/copies", hook.read("api/users/1"))

    executed(sync())
    assert lineage(collector) == (
        [("mirrordb://mirrordb_default/api/users/1", 1)],
        [("mirrordb://mirrordb_default/api/copies", 1)],
    )


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="retry policies came with Airflow 3.3")
def test_the_retry_policy_is_ours_unless_the_author_has_one(dag: DAG) -> None:
    """One of the DAG's default arguments is the author's, too."""
    from airflow.sdk import ExceptionRetryPolicy

    from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy

    @mirrordb_task
    def sync(hook: Any, row: Any = None) -> None: ...

    own = ExceptionRetryPolicy(rules=[])
    assert isinstance(sync().operator.retry_policy, MirrorDBRetryPolicy)
    assert isinstance(
        sync.expand(row=[1]).operator.unmap({"op_kwargs": {}}).retry_policy, MirrorDBRetryPolicy
    )
    assert sync.override(retry_policy=own)().operator.retry_policy is own
    dag.default_args["retry_policy"] = own
    assert sync().operator.retry_policy is own


# -- what a DAG file loads -----------------------------------------------------------------------


def test_a_dag_file_with_the_decorator_loads_no_client() -> None:
    """It loads at most 20 modules beyond those of a file with a plain @task, none of HTTP."""
    code = """
import sys
from airflow.providers.common.compat.sdk import DAG, task
@task
def plain(x): ...
with DAG("plain", schedule=None):
    plain.override(task_id="mapped").expand(x=[plain(1)])
before = set(sys.modules)
from airflow_mirrordb.decorators import mirrordb_task
@task.mirrordb(mirrordb_conn_id="crm", retries=3)
def sync(hook, rows): ...
@mirrordb_task
async def check(client, rows): ...
with DAG("dag", schedule=None):
    check(sync.expand(rows=[1]))
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.splitlines()[-1].split()  # Airflow may log before
    assert "airflow_mirrordb.decorators.mirrordb" in loaded
    if AIRFLOW_V_3_0_PLUS:  # Airflow 2 loads also what others made only now
        assert len([name for name in loaded if name.partition(".")[0] != "airflow"]) <= 20
    assert not {name.split(".")[0] for name in loaded} & {"aiohttp", "requests", "urllib3", "pydantic"}
    assert not [name for name in loaded if name.startswith("airflow_mirrordb.client")]
