"""What differs between the supported versions of Airflow, 2.11 to 3.3; nothing else asks for the version."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    conf,
    get_current_context,
)
from airflow.providers.common.compat.version_compat import (
    AIRFLOW_V_3_0_PLUS,
    AIRFLOW_V_3_1_PLUS,
    AIRFLOW_V_3_3_PLUS,
)

#: They end a task in a way of their own; any other :class:`AirflowException` is a failure, and retried.
DECISIONS = (AirflowSkipException, AirflowFailException, AirflowSensorTimeout, AirflowRescheduleException)
_MASKERS = (
    "airflow.sdk.log",
    "airflow.sdk.execution_time.secrets_masker",  # Airflow 3.0 and 3.1
    "airflow.utils.log.secrets_masker",  # Airflow 2
)
_CACHES = ("airflow.sdk.execution_time.cache", "airflow.secrets.cache")  # the other one before Airflow 3
_SERDES = ("airflow.sdk.serde", "airflow.serialization.serde")  # before Airflow 3.2


def has_storage(scheme: str) -> bool:
    """Whether storages of a scheme can be had: of a provider, or by ``attach()`` in this process; blocks."""
    store = import_module("airflow.sdk.io.store" if AIRFLOW_V_3_0_PLUS else "airflow.io.store")
    attached = getattr(store, "_STORE_CACHE", {})
    # the SDK of Airflow 3.0 has none of its own, and later ones warn of Airflow's
    has_fs: Callable[[str], bool] = import_module(
        "airflow.sdk.io" if AIRFLOW_V_3_1_PLUS else "airflow.io"
    ).has_fs
    return any(one.protocol == scheme for one in attached.values()) or has_fs(scheme)


def logger_of_airflow(name: str) -> Any:
    """Return a logger of the kind that the installed Airflow has itself, for what logs a line a request.

    The log of Airflow 3.1 and later is structlog's. A line that comes from ``logging`` takes twice as long
    to get there.
    """
    if not AIRFLOW_V_3_1_PLUS:
        return logging.getLogger(name)
    import structlog

    return structlog.get_logger(name)


def import_connection_look_up() -> None:
    """Import what :func:`async_connection` needs, which Airflow itself does no sooner than at a look-up."""
    import airflow.providers.common.compat.connection

    with suppress(ImportError):  # only Airflow 3 has it
        import airflow.sdk.execution_time.cache  # noqa: F401


async def async_connection(conn_id: str, hook: type[Any]) -> Any:
    """Look a connection up without blocking the event loop.

    What ``dag.test()`` of Airflow 3 has for a supervisor answers synchronous requests only. Airflow's
    asynchronous look-up takes that for a connection that is not there, so a thread asks in its place.

    :param hook: class of the hook, which Airflow asks for in its own look-up
    :raises AirflowNotFoundException: if there is no such connection
    """
    from airflow.providers.common.compat.connection import get_async_connection
    from asgiref.sync import sync_to_async

    if _supervisor_is_synchronous():
        return await sync_to_async(hook.get_connection)(conn_id)
    return await get_async_connection(conn_id, hook=hook)


def _supervisor_is_synchronous() -> bool:
    """Whether this process has a supervisor that cannot be asked asynchronously."""
    if not AIRFLOW_V_3_0_PLUS:
        return False
    from airflow.sdk.execution_time import task_runner

    supervisor = getattr(task_runner, "SUPERVISOR_COMMS", None)
    return supervisor is not None and not hasattr(supervisor, "asend")


async def get_variable(name: str) -> str | None:
    """Return an Airflow Variable as it is now, whatever Airflow remembers of it; None if there is none."""
    from asgiref.sync import sync_to_async

    def get() -> str | None:
        variables = _variables()
        for module in _CACHES:
            with suppress(ImportError):
                import_module(module).SecretCache.invalidate_variable(name)
                break
        found = variables.get(name, None)
        return None if found is None else str(found)

    return await sync_to_async(get)()


async def set_variable(name: str, value: str, description: str) -> None:
    """Write an Airflow Variable, without blocking the event loop."""
    from asgiref.sync import sync_to_async

    def set_() -> None:
        _variables().set(name, value, description)

    await sync_to_async(set_)()


def _variables() -> Any:
    """Return Airflow's ``Variable``: that of tasks and triggers, or that of the Test button and Airflow 2."""
    if AIRFLOW_V_3_0_PLUS:
        from airflow.sdk.execution_time import task_runner

        if hasattr(task_runner, "SUPERVISOR_COMMS"):
            return import_module("airflow.sdk").Variable
    return import_module("airflow.models.variable").Variable


async def amask_secrets(secrets: Iterable[str]) -> None:
    """Keep secrets out of all logs, without blocking the event loop."""
    try:
        from airflow.sdk.log import amask_secret as mask  # since Airflow 3.3.2
    except ImportError:
        from asgiref.sync import sync_to_async

        mask = sync_to_async(_masker())
    for secret in secrets:
        await mask(secret)


def mask_secrets(secrets: Iterable[str]) -> None:
    """Keep secrets out of all logs."""
    mask = _masker()
    for secret in secrets:
        mask(secret)


def _masker() -> Callable[..., None]:
    """Return Airflow's ``mask_secret``; common-compat has it only from 1.21 on, which needs Python 3.11."""
    for module in _MASKERS:
        with suppress(ImportError, AttributeError):
            masker: Callable[..., None] = import_module(module).mask_secret
            return masker
    raise ImportError(f"this Airflow has its secrets masker in none of {', '.join(_MASKERS)}")


def installation_url() -> str:
    """Return the base URL of this Airflow, which tells it from others on the same backend."""
    return str(conf.get("api" if AIRFLOW_V_3_0_PLUS else "webserver", "base_url", fallback=""))


def running_task() -> Any | None:
    """Return the context of the task that runs here; None in a trigger and where none runs."""
    try:
        return get_current_context()
    except (AirflowException, RuntimeError):  # Airflow 2, 3
        return None


def running_operator() -> str | None:
    """Return the name of the operator whose task runs here; None in a trigger and where none runs."""
    context = running_task()
    return None if context is None else str(context["task"].operator_name)


def is_from_its_beginning(context: Any) -> bool:
    """Whether a task runs from its beginning, as its retry will.

    It does not after a deferral, of which only private fields tell, or after it was rescheduled: what it did
    before, in the same try, another process knows. A sensor repeats what it asks as often as it pokes.
    """
    ti = context["ti"]
    resumed = getattr(getattr(ti, "_ti_context_from_server", None) or ti, "next_method", None)
    is_sensor = isinstance(context.get("task"), BaseSensorOperator)
    return not (resumed or context.get("task_reschedule_count") or is_sensor)


def task_of_writes(ti: Any) -> list[Any]:
    """Return what tells the writes of a task from those of others, the same in each of its tries.

    They are others after the task was cleared: Airflow changes ``max_tries`` then, and never else, not even
    with the task's ``retries`` (``clear_task_instances`` in ``airflow/models/taskinstance.py``).

    :return: this Airflow's base URL, DAG, run, task and map index, and at last ``max_tries``
    """
    cleared = getattr(ti, "max_tries", None)
    return [installation_url(), ti.dag_id, ti.run_id, ti.task_id, ti.map_index, cleared]


def context_keys() -> set[str]:
    """Return the names of what Airflow gives the function of a task that has a parameter called so."""
    name = "airflow.sdk.definitions.context" if AIRFLOW_V_3_1_PLUS else "airflow.utils.context"
    return set(import_module(name).KNOWN_CONTEXT_KEYS)


def expanded_arguments(task: Any) -> set[str]:
    """Return the names of the arguments that a mapped task was expanded over; none of another one.

    Airflow makes a mapped task of what ``partial()`` and the expansion say. Only its own attributes, the same
    in all versions, tell that an argument was given, be it None.
    """
    if not getattr(task, "_BaseOperator__from_mapped", False):
        return set()
    given = set(getattr(task, "_BaseOperator__init_kwargs", {}))
    return given - set(task.dag.get_task(task.task_id).partial_kwargs)


def keep_link(key: str, url: str, context: Any) -> None:
    """Keep a link for the UI of Airflow 2; Airflow 3 keeps what a link says on the worker."""
    if not AIRFLOW_V_3_0_PLUS:
        context["ti"].xcom_push(key=key, value=url)


def kept_link(key: str, ti_key: Any) -> str:
    """Return what :func:`keep_link` kept."""
    if AIRFLOW_V_3_0_PLUS:
        return ""
    from airflow.providers.common.compat.sdk import XCom

    return XCom.get_value(key=key, ti_key=ti_key) or ""


async def link_when_deferred(key: str, name: str, ti: Any) -> str:
    """Return the link that a task had when it was deferred, inside a trigger; empty if that is not known.

    :param key: under which :func:`keep_link` keeps it
    :param name: of the link's class, under which Airflow 3 keeps it (``BaseOperatorLink.xcom_key``)
    :param ti: the task instance, as the triggerer gives it to a trigger
    """
    if has_xcom_backend():  # what is stored may be anything
        return ""
    found = await get_xcom(ti, f"_link_{name}" if AIRFLOW_V_3_0_PLUS else key)
    return found.strip('"') if isinstance(found, str) else ""


def has_retry_policies() -> bool:
    """Whether a policy may say how a task's failures are retried."""
    return bool(AIRFLOW_V_3_3_PLUS)


def asset_states(trigger: Any) -> list[Any]:
    """Return where an event trigger may keep values, for each asset that it watches; none before Airflow 3.3.

    Airflow gives it away for a known asset only. A trigger does not know its own, and has several where
    the watchers of several are equal.
    """
    accessors = getattr(trigger, "asset_state_store", None)
    return [*getattr(accessors, "_by_name", {}).values()]


def assets_of(trigger: Any) -> list[str]:
    """Return the names of the assets that an event trigger watches; none before Airflow 3.3."""
    return [*getattr(getattr(trigger, "asset_state_store", None), "_by_name", {})]


def starts_from_trigger() -> bool:
    """Whether Airflow renders the templates of a task that begins in the triggerer."""
    return bool(AIRFLOW_V_3_3_PLUS)


def has_xcom_backend() -> bool:
    """Whether results go to a backend other than Airflow's own, which only workers write to."""
    if not AIRFLOW_V_3_0_PLUS:
        from airflow.models.xcom import BaseXCom, XCom

        return XCom is not BaseXCom
    from airflow.sdk.bases.xcom import BaseXCom as OwnXCom
    from airflow.sdk.execution_time.xcom import XCom as UsedXCom

    return UsedXCom is not OwnXCom


async def get_xcom(ti: Any, key: str) -> Any:
    """Return an XCom of a task from inside a trigger, as it is stored; None if there is none.

    :param ti: the task instance, as the triggerer gives it to a trigger
    """
    if not AIRFLOW_V_3_0_PLUS:
        from airflow.models.xcom import BaseXCom
        from asgiref.sync import sync_to_async

        return await sync_to_async(BaseXCom.get_value)(ti_key=ti.key, key=key)
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetXCom, XComResult

    answer = await task_runner.SUPERVISOR_COMMS.asend(GetXCom(key=key, **_identity_of(ti)))
    if not isinstance(answer, XComResult):
        raise RuntimeError(f"Airflow gave no XCom, but {answer}")  # noqa: TRY004
    return answer.value


async def set_xcom(ti: Any, key: str, value: Any) -> None:
    """Store an XCom of a task from inside a trigger, as it is.

    :param ti: the task instance, as the triggerer gives it to a trigger
    """
    if not AIRFLOW_V_3_0_PLUS:
        from airflow.models.xcom import BaseXCom
        from asgiref.sync import sync_to_async

        await sync_to_async(BaseXCom.set)(key=key, value=value, **_identity_of(ti))
        return
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import SetXCom

    await task_runner.SUPERVISOR_COMMS.asend(SetXCom(key=key, value=value, **_identity_of(ti)))


def end_of_deferral(ti: Any, seconds: float, now: float) -> float:
    """Return the unix time up to which a task with an ``execution_timeout`` may be deferred.

    Airflow 2 counts from the start of the task, and ends the trigger then: a second is left to end before.
    """
    start = None if AIRFLOW_V_3_0_PLUS else getattr(ti, "start_date", None)
    return now + seconds if start is None else float(start.timestamp()) + seconds - 1


def kills_triggers() -> bool:
    """Whether Airflow itself calls the ``on_kill`` of a trigger whose task a person ended."""
    return bool(AIRFLOW_V_3_3_PLUS)


async def task_state(ti: Any) -> str | None:
    """Return the state of the task of a trigger, as Airflow has it now; None if it was cleared.

    :param ti: the task instance, as the triggerer gives it to a trigger
    """
    if not AIRFLOW_V_3_0_PLUS:
        from asgiref.sync import sync_to_async

        state = await sync_to_async(ti.current_state)()
        return None if state is None else str(getattr(state, "value", state))
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult

    is_mapped = ti.map_index is not None and ti.map_index >= 0
    question = GetTaskStates(
        dag_id=ti.dag_id,
        task_ids=[ti.task_id],
        run_ids=[ti.run_id],
        map_index=ti.map_index if is_mapped else None,
    )
    answer = await task_runner.SUPERVISOR_COMMS.asend(question)
    if not isinstance(answer, TaskStatesResult):
        raise RuntimeError(f"Airflow gave no states of tasks, but {answer}")  # noqa: TRY004
    states = answer.task_states.get(ti.run_id, {})
    found = states.get(f"{ti.task_id}_{ti.map_index}" if is_mapped else ti.task_id)
    return None if found is None else str(getattr(found, "value", found))


def _identity_of(ti: Any) -> dict[str, Any]:
    return {name: getattr(ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")}


def serialize_object(value: object) -> Any:
    """Return what Airflow makes of an object that is to be an XCom.

    :raises TypeError: if it does not know how
    """
    for module in _SERDES:
        with suppress(ImportError):
            serde = import_module(module)
            break
    return serde.serialize(value)
