"""What is tried on every supported version of Airflow, by ``airflow dags test``."""

from __future__ import annotations

import logging
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, chain, redact, task
from airflow.providers.common.compat.version_compat import (
    AIRFLOW_V_3_0_PLUS,
    AIRFLOW_V_3_1_PLUS,
    AIRFLOW_V_3_2_PLUS,
)

from airflow_mirrordb.client import GenericMirrorDB, MirrorDBError
from airflow_mirrordb.decorators import mirrordb_task
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.notifications.mirrordb import MirrorDBNotifier
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
# dag.test() of Airflow 3.0 hands sensors the date of their first look as text, with which they fail
RESCHEDULES = ["reschedule"] if AIRFLOW_V_3_1_PLUS or not AIRFLOW_V_3_0_PLUS else []
RETRIES = {"retries": 2, "retry_delay": timedelta(seconds=0)}

with DAG("every_mode", schedule=None, start_date=START):
    chain(
        *[
            MirrorDBSensor(
                task_id=name,
                endpoint="api/letters/1",
                query={"by": name},
                field="state",
                equals=f"seen by {name}",
                poke_interval=1,
                timeout=3600,
                mode="reschedule" if name == "reschedule" else "poke",
                deferrable=name == "deferrable",
            )
            for name in ("poke", "deferrable", *RESCHEDULES)
        ]
    )

tell = MirrorDBNotifier(
    endpoint="api/incidents",
    data={"dag": "{{ dag.dag_id }}", "task": "{{ ti.task_id }}", "try": "{{ ti.try_number | string }}"},
    mirrordb_conn_id="incidents",
)
tell_of_dag = MirrorDBNotifier(
    endpoint="api/incidents",
    data={"dag": "{{ dag.dag_id }}", "task": "DAG", "try": ""},
    mirrordb_conn_id="incidents",
)

with DAG(
    "every_failure",
    schedule=None,
    start_date=START,
    default_args={**RETRIES, "on_retry_callback": tell, "on_failure_callback": tell},
    on_failure_callback=tell_of_dag,
):
    MirrorDBReadOperator(task_id="missing", mirrordb_conn_id="missing", endpoint="api/users/1")
    MirrorDBReadOperator(
        task_id="missing_deferred",
        mirrordb_conn_id="missing_deferred",
        endpoint="api/users/1",
        deferrable=True,
        worker_timeout=0,
    )
    MirrorDBCreateOperator(
        task_id="ambiguous", mirrordb_conn_id="ambiguous", endpoint="api/users", data={"name": "Ada"}
    )
    MirrorDBReadOperator(task_id="passing", mirrordb_conn_id="passing", endpoint="api/users/1")

    @mirrordb_task(mirrordb_conn_id="{{ task.task_id }}")
    def function(hook: MirrorDBHook) -> Any:
        try:
            return hook.read("api/users/1")
        except MirrorDBError as error:
            raise RuntimeError("the function failed") from error

    @mirrordb_task(mirrordb_conn_id="coroutine")
    async def coroutine(client: GenericMirrorDB, endpoint: str) -> Any:
        return await client.read_function("read", endpoint)

    function.override(task_id="function_missing")()
    function.override(task_id="function_passing")()
    coroutine.expand(endpoint=["api/{{ run_id and 'users/1' }}"])

with DAG("every_look_up", schedule=None, start_date=START):
    MirrorDBReadOperator(
        task_id="deferred",
        mirrordb_conn_id="in_database",
        endpoint="api/users/1",
        deferrable=True,
        worker_timeout=0,
    )
    MirrorDBReadOperator(task_id="direct", mirrordb_conn_id="in_database", endpoint="api/users/1")
    if AIRFLOW_V_3_2_PLUS:  # async tasks came with it

        @task
        async def awaited() -> None:
            async with MirrorDBHook("in_database") as client:
                await client.read_function("read", "api/users/1")

        awaited()

with DAG(
    "every_nothing", schedule=None, start_date=START, default_args=RETRIES, render_template_as_native_obj=True
):

    @task
    def nothing() -> None:
        """What an upstream task pushes that found nothing."""

    @task
    def tags() -> list[str | None]:
        return [None]

    @task
    def square(x: int) -> int:
        return x * x

    @task
    def tag() -> str:
        return '"v1"'

    def holiday(_body: object) -> bool:
        raise AirflowSkipException("no data on holidays")

    refused: dict[str, Any] = {"mirrordb_conn_id": "refused", "endpoint": "api/users/1"}
    found = nothing()
    MirrorDBUpdateOperator(task_id="data", data=found, **refused)
    MirrorDBReadOperator(task_id="filter", query={"customer": found}, **refused)
    MirrorDBUpdateOperator(
        task_id="guard", data={}, if_match="{{ ti.xcom_pull(task_ids='no_such_task') }}", **refused
    )
    MirrorDBUpdateOperator.partial(task_id="expanded", data={}, **refused).expand(if_match=tags())
    MirrorDBCreateOperator(
        task_id="lazy",
        mirrordb_conn_id="lazy",
        endpoint="api/users",
        data={"ids": square.expand(x=[1, 2, 3])},
    )
    tag() >> MirrorDBUpdateOperator(
        task_id="guarded",
        mirrordb_conn_id="guarded",
        endpoint="api/users/1",
        data={},
        if_match="{{ ti.xcom_pull(task_ids='tag') }}",
    )
    MirrorDBSensor(
        task_id="holiday", mirrordb_conn_id="holiday", endpoint="api/users/1", condition=holiday, timeout=10
    )

with DAG("every_secret", schedule=None, start_date=START):

    @task
    def tell() -> None:
        """Log what the hook learned: the form in which a password is sent, which Airflow does not know."""
        with MirrorDBHook("secretive") as hook:
            hook.get_conn()
            connection = hook.get_connection("secretive")
        sent = b64encode(f"{connection.login}:{connection.password}".encode()).decode()
        # dag.test() itself masks nothing
        logging.getLogger(__name__).warning("I was told %s", redact(f"{connection.password} and {sent}"))

    tell()
