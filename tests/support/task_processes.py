"""A task as Airflow runs it, try by try, each in a process of its own that its backend may kill.

Airflow's own task runner runs it; the other end of its socket is here, and remembers the task state store.
Below Airflow 3.3, which has no such store, the operator is executed in the task's context, and no more.
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import os
import pickle
import signal
import socket
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from asgiref.sync import SyncToAsync
from pydantic import TypeAdapter

from airflow_mirrordb.devserver.app import create_app
from airflow_mirrordb.devserver.jobs import Jobs
from airflow_mirrordb.devserver.server import serving
from airflow_mirrordb.devserver.store import RequestLogEntry, Store
from tests.support.task_tries import set_current_context

if TYPE_CHECKING:
    from typing_extensions import Self

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
#: After so many seconds a try is taken for one that hangs; only what never happens takes them.
LONGEST = 60
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


# -- the backend ----------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Death:
    """When the process of a task is killed: at one of the requests of its try.

    :param request: its number, from 1
    :param is_carried_out: whether the backend carries the request out before
    :param methods: of the requests that count
    """

    request: int
    is_carried_out: bool = True
    methods: frozenset[str] = WRITES


class DeadlyBackend:
    """The embedded backend on a thread, which kills the process of the task that it was told of.

    :param url: its base URL
    :param victim: the id of the process
    :param death: when it is killed; it lives if None
    :param statuses: with which the next writes are refused, before the backend begins them
    """

    def __init__(self) -> None:
        self.url, self.victim, self.statuses = "", 0, list[int]()
        self.death: Death | None = None
        self._count = 0
        self._store = Store(":memory:")

    def begin(self, victim: int, death: Death | None) -> None:
        """Begin to count the requests of a try."""
        self.victim, self.death, self._count = victim, death, 0

    def records(self, resource: str) -> list[dict[str, Any]]:
        """Return the records of a resource, oldest first, without the ids that the backend gave them."""
        with self._store.transaction():
            bodies = [record.body for record in self._store.page(resource, limit=10_000)]
        return [{name: value for name, value in body.items() if name != "id"} for body in bodies]

    def numbers(self, resource: str = "users") -> Counter[int]:
        """Return how often each number is there, whatever else a record says."""
        return Counter(record["n"] for record in self.records(resource))

    def requests(self, *methods: str) -> list[RequestLogEntry]:
        """Return the requests so far that it answered itself, refused ones too, oldest first."""
        with self._store.transaction():
            return [entry for entry in self._store.requests() if entry.method in (methods or WRITES)]

    def keys(self, *methods: str) -> list[str | None]:
        """Return the idempotency keys of these requests."""
        return [entry.idempotency_key for entry in self.requests(*methods)]

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Serve until the block ends."""
        backend = cls()
        with backend._serving():
            yield backend

    @contextmanager
    def _serving(self) -> Iterator[None]:
        started, ports, stop = threading.Event(), list[int](), list[Callable[[], object]]()

        async def serve() -> None:
            loop, stopping = asyncio.get_running_loop(), asyncio.Event()
            stop.append(lambda: loop.call_soon_threadsafe(stopping.set))
            app = create_app(self._store, jobs=Jobs(["jobs"], queued_for=0, running_for=0))
            app.middlewares.insert(0, self._middleware())
            async with serving(app, 0) as port:
                ports.append(port)
                started.set()
                await stopping.wait()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        started.wait()
        self.url = f"http://127.0.0.1:{ports[0]}"
        try:
            yield
        finally:
            stop[0]()
            thread.join()
            self._store.close()

    def _middleware(self) -> Any:
        @web.middleware
        async def deadly(request: web.Request, handler: Any) -> web.StreamResponse:
            victim, death, is_now = self.victim, self.death, False
            if death is not None and request.method in death.methods:
                self._count += 1
                is_now = self._count >= death.request
            if is_now and death is not None and not death.is_carried_out:
                return self._kill(victim, request)
            if self.statuses and request.method in WRITES:
                return web.json_response({}, status=self.statuses.pop(0))
            answer: web.StreamResponse = await handler(request)
            return self._kill(victim, request) if is_now else answer

        return deadly

    def _kill(self, victim: int, request: web.Request) -> web.StreamResponse:
        """Kill the process, and let the connection end without an answer."""
        if victim == self.victim:  # or another of its requests has done so
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


# -- the task -------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Try:
    """How a try of a task ended.

    :param state: ``success``, ``up_for_retry``, ``failed``, or ``killed``
    :param error: what the task raised
    """

    state: str
    error: BaseException | None = None


@dataclass(kw_only=True)
class TaskProcess:
    """One task instance: its tries, each a forked process, and what Airflow keeps of it between them.

    :param function: what is decorated; a coroutine function, too
    :param decorator: ``@task``, or another one
    :param store: its task state store
    :param clears: how often its run was cleared, be it other tasks of it
    :param dies_at_mark: whether it is killed when it first writes to the store, which does not happen then
    """

    function: Callable[..., Any]
    backend: DeadlyBackend
    decorator: Callable[..., Any] = task
    dag_id: str = "dag"
    run_id: str = "run"
    task_id: str = "task"
    map_index: int = -1
    retries: int = 3
    store: dict[str, Any] = field(default_factory=dict)
    clears: int = 0
    dies_at_mark: bool = False
    number: int = 0
    max_tries: int = 0

    def __post_init__(self) -> None:
        self.max_tries = self.retries
        get_hook_lineage_collector()  # loads Airflow's plugins, as a worker has done before it forks
        if AIRFLOW_V_3_3_PLUS:
            _decoder()

    def clear(self) -> None:
        """What ``clear_task_instances()`` of Airflow does to it when a person clears the task."""
        self.max_tries = self.number + self.retries
        self.clears += 1

    def run(self, *arguments: Any, death: Death | None = None) -> Try:
        """Make the next try.

        :param arguments: of the function
        """
        self.number += 1
        operator = self._operator(arguments)
        ours, theirs = socket.socketpair()
        with ours:
            if not (child := os.fork()):
                ours.close()
                self._live(operator, theirs)
            theirs.close()
            self.backend.begin(child, death)
            supervisor = _Supervisor(ours, self.store, child if self.dies_at_mark else 0)
            supervisor.serve()
            _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return Try(state="killed")
        assert status == 0
        return supervisor.outcome

    def _operator(self, arguments: tuple[Any, ...]) -> Any:
        with DAG(self.dag_id, schedule=None, start_date=NOW):
            called: Any = self.decorator(task_id=self.task_id, retries=self.retries)(self.function)(
                *arguments
            )
        return called.operator

    def _live(self, operator: Any, end: socket.socket) -> None:
        """Be the process of a try, which begins when its supervisor is there."""
        code = 1
        try:
            faulthandler.dump_traceback_later(LONGEST, exit=True)
            # that of the tests may have a thread, which no forked process has; a worker of Airflow's has none
            SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
            end.recv(1)
            outcome = self._run(operator, end) if AIRFLOW_V_3_3_PLUS else self._execute(operator)
            try:
                frame = pickle.dumps(outcome)
            except (AttributeError, TypeError, pickle.PicklingError):
                told = "".join(traceback.format_exception(outcome.error))
                frame = pickle.dumps(Try(state=outcome.state, error=RuntimeError(told)))
            end.sendall(_OUTCOME + len(frame).to_bytes(4, "big") + frame)
            code = 0
        except BaseException:  # noqa: BLE001  # nothing of it may reach the code of the parent
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _run(self, operator: Any, end: socket.socket) -> Try:
        """Let Airflow's task runner run the task."""
        comms = importlib.import_module("airflow.sdk.execution_time.comms")
        runner: Any = importlib.import_module("airflow.sdk.execution_time.task_runner")
        runner.SUPERVISOR_COMMS = comms.CommsDecoder(
            socket=end, body_decoder=_decoder(), err_decoder=_decoder()
        )
        instance = runner.RuntimeTaskInstance.model_construct(
            **self._identity(),
            id=uuid4(),  # another one for each try
            dag_version_id=UUID(int=1),
            task=operator,
            bundle_instance=None,
            _ti_context_from_server=self._context_from_server(),
            start_date=NOW,
            sentry_integration="",
        )
        log = importlib.import_module("structlog").get_logger("task")
        state, _, error = runner.run(instance, instance.get_template_context(), log)
        return Try(state=state.value, error=error)

    def _context_from_server(self) -> Any:
        models = importlib.import_module("airflow.sdk.api.datamodels._generated")
        known = {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "run_after": NOW,
            "clear_number": self.clears,
            "run_type": models.DagRunType("manual"),
            "state": models.DagRunState("running"),
            "consumed_asset_events": [],
        }
        run = models.DagRun(**{**dict.fromkeys(models.DagRun.model_fields), **known})
        return models.TIRunContext.model_construct(
            dag_run=run, max_tries=self.max_tries, should_retry=self.number <= self.max_tries
        )

    def _identity(self) -> dict[str, Any]:
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": self.map_index,
            "try_number": self.number,
            "max_tries": self.max_tries,
        }

    def _execute(self, operator: Any) -> Try:
        """Execute the operator in the context of its task, as every version of Airflow does."""
        context: Any = {
            "ti": SimpleNamespace(**self._identity(), xcom_push=lambda **_: None),
            "run_id": self.run_id,
            "task": operator,
        }
        context["task_instance"] = context["ti"]
        try:
            with set_current_context(context):
                operator.execute(context)
        except Exception as error:  # noqa: BLE001  # it is the outcome
            return Try(state="up_for_retry", error=error)
        return Try(state="success")


@cache
def _decoder() -> TypeAdapter[Any]:
    """Return what decodes messages to tasks, and import what each of its processes would import anew."""
    for module in ("lineage", "execution_time.supervisor", "execution_time.task_runner"):
        importlib.import_module(f"airflow.sdk.{module}")
    importlib.import_module("airflow_mirrordb.client.wire.transport")
    messages: Any = importlib.import_module("airflow.sdk.execution_time.comms")
    return TypeAdapter(messages.ToTask)


#: Tells the outcome of a try from a message of Airflow's, whose length is never that.
_OUTCOME = b"\xff\xff\xff\xff"


class _Supervisor:
    """The other end of a task's socket.

    :param victim: a process that is killed when it writes to the store; 0 for none
    """

    def __init__(self, end: socket.socket, store: dict[str, Any], victim: int) -> None:
        self._end, self._store, self._victim = end, store, victim
        self.outcome = Try(state="")

    def serve(self) -> None:
        """Let the task begin, and answer it until it ends."""
        self._end.sendall(b"\0")
        with suppress(ConnectionResetError), self._end.makefile("rb") as stream:
            while length := stream.read(4):
                if length == _OUTCOME:
                    self.outcome = pickle.loads(stream.read(int.from_bytes(stream.read(4), "big")))
                    return
                number, body, *_ = msgspec.msgpack.decode(stream.read(int.from_bytes(length, "big")))
                frame = msgspec.msgpack.encode([number, self._answer(body), None])
                with suppress(BrokenPipeError):  # it was killed meanwhile
                    self._end.sendall(len(frame).to_bytes(4, "big") + frame)

    def _answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        kind, key = message["type"], message.get("key", "")
        if kind == "GetTaskStateStore":
            if key in self._store:
                return {"type": "TaskStateStoreResult", "value": self._store[key]}
            return {"type": "ErrorResponse", "error": "TASK_STORE_NOT_FOUND", "detail": None}
        if kind == "SetTaskStateStore" and self._victim:
            os.kill(self._victim, signal.SIGKILL)
        elif kind == "SetTaskStateStore":
            self._store[key] = message["value"]
        elif kind == "DeleteTaskStateStore":
            self._store.pop(key, None)
        elif kind == "ClearTaskStateStore":
            self._store.clear()
        elif kind == "GetConnection":
            return {"type": "ErrorResponse", "error": "CONNECTION_NOT_FOUND", "detail": None}
        return {"type": "OKResponse", "ok": True} if kind.endswith("TaskStateStore") else None
