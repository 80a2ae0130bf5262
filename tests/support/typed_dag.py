"""A DAG file that uses everything of the provider, for mypy and pyright, and for Airflow.

What must be an error of both has a comment to ignore it: without the error, the comment is one. Those lines
are never run.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, Asset, chain, task
from typing_extensions import assert_type

from airflow_mirrordb.decorators import mirrordb_task
from airflow_mirrordb.notifications.mirrordb import MirrorDBNotifier
from airflow_mirrordb.operators.job import MirrorDBJobOperator
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.triggers.event import MirrorDBEventTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import XComArg

    from airflow_mirrordb.client import GenericMirrorDB
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

Row = dict[str, Any]


@task
def extract() -> list[Row]:
    return [{"id": "1"}]


@mirrordb_task(mirrordb_conn_id="crm", retries=3, retry_delay=timedelta(minutes=1))
def write(hook: MirrorDBHook, rows: list[Row], limit: int = 100) -> list[str]:
    """A plain function, whose hook is known."""
    created = hook.bulk("create", rows[:limit], endpoint="api/users")
    for user in hook.records("api/users", paginate={"style": "link"}):
        hook.update(f"api/users/{user['id']}", {"seen": True}, partial=True)
    return [str(created.done), hook.mirrordb_conn_id]


@mirrordb_task
async def check(client: GenericMirrorDB, ids: list[str], /, *, label: str = "check") -> dict[str, Any]:
    """A coroutine function, whose client is known."""
    users = [await client.read_function(label, f"api/users/{user}") for user in ids]
    return {user["id"]: user for user in users}


@mirrordb_task(multiple_outputs=True, templates_dict={"day": "{{ ds }}"}, show_return_value_in_logs=False)
def count(hook: MirrorDBHook, /, **context: Any) -> dict[str, int]:
    return {"users": len(hook.read("api/users")), "context": len(context)}


tell = MirrorDBNotifier(endpoint="api/incidents", data={"task": "{{ ti.task_id }}"}, timeout=20)

with DAG(
    "typed",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    on_failure_callback=tell,
) as dag:
    users = MirrorDBReadOperator(
        task_id="users", endpoint="api/users", paginate={"style": "link"}, on_failure_callback=[tell]
    )
    one = MirrorDBCreateOperator(task_id="one", endpoint="api/users", data={"name": "Ada"})
    updated = MirrorDBUpdateOperator(
        task_id="updated", endpoint="api/users/1", data={"name": "Bo"}, partial=True, deferrable=True
    )
    gone = MirrorDBDeleteOperator(task_id="gone", endpoint="api/users/1", missing_ok=True)
    ready = MirrorDBSensor(task_id="ready", endpoint="api/users/1", field="state", equals="ready")
    report = MirrorDBJobOperator(
        task_id="report", endpoint="api/reports", data={}, job="job", state="state", succeeded=["DONE"]
    )
    mapped = MirrorDBUpdateOperator.partial(task_id="mapped", data={}).expand(endpoint=["api/users/1"])
    price = MirrorDBEventTrigger(endpoint="api/prices/1", poll_interval=30)
    copies = Asset("mirrordb://crm/api/users")

    written = write(rows=users.output, limit=5)
    checked = check(written, label="again")
    counted = count()
    chain(one, updated, gone, ready, report, mapped, counted["users"])
    write.override(task_id="all", outlets=[copies])(extract())
    write.override(task_id="named")(rows=extract())
    write.partial(limit=5).override(task_id="each").expand(rows=[[{"id": "1"}], [{"id": "2"}]])
    check.override(task_id="two").expand_kwargs([{"label": "a"}, {"label": "b"}])

if TYPE_CHECKING:
    result: XComArg = written
    ids = write.function(MirrorDBHook(), [], 5)
    assert_type(ids, list[str])

    write(users.output, "five")  # type: ignore[call-overload]
    write(row=[])  # type: ignore[call-overload]
    write(MirrorDBHook(), [])  # type: ignore[call-overload]
    check([1])  # type: ignore[list-item]
    write.expand(rows=5)  # type: ignore[arg-type]

    @mirrordb_task  # type: ignore[arg-type]
    def without_hook(rows: list[Row]) -> None: ...

    @mirrordb_task(mirrordb_conn_id="crm")  # type: ignore[arg-type]
    def with_client(client: GenericMirrorDB, rows: list[Row]) -> None: ...

    @mirrordb_task(mirrordb_conn_id=5)  # type: ignore[call-overload, untyped-decorator]
    def by_number(hook: MirrorDBHook) -> None: ...

    @mirrordb_task
    async def with_hook(hook: MirrorDBHook, rows: list[Row]) -> None:
        await hook.read("api/users")

    with_hook([])  # type: ignore[operator]
    MirrorDBReadOperator(task_id="t", paginate=5)  # type: ignore[arg-type]
    MirrorDBNotifier(endpoint=5, data={})  # type: ignore[arg-type]
    MirrorDBNotifier(data={})  # type: ignore[call-arg]
