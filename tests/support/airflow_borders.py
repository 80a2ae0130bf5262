"""The ways that values take through Airflow 3.3, piece by piece as its own processes carry and store them."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import msgspec
from airflow.api_fastapi.execution_api.datamodels.asset_state_store import AssetStateStorePutBody
from airflow.api_fastapi.execution_api.datamodels.task_state_store import TaskStateStorePutBody
from airflow.api_fastapi.execution_api.datamodels.taskinstance import (
    TIDeferredStatePayload as StoredDeferral,
)
from airflow.executors.workloads.trigger import RunTrigger
from airflow.jobs.triggerer_job_runner import (
    ToTriggerSupervisor,
    TriggerEventEntry,
    TriggerRunner,
    messages,
)
from airflow.models.asset import AssetEvent
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.models.xcom import XComModel
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.execution_time.comms import (
    AssetStateStoreResult,
    DeferTask,
    SetAssetStateStoreByName,
    SetTaskStateStore,
    SetXCom,
    TaskStateStoreResult,
    ToSupervisor,
    ToTask,
    XComResult,
    _RequestFrame,
    _ResponseFrame,
)
from airflow.sdk.serde import deserialize, serialize
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.triggers.base import BaseTrigger, TriggerEvent
from pydantic import JsonValue, TypeAdapter
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, select
from sqlalchemy.pool import StaticPool

_FROM_TASK: TypeAdapter[Any] = TypeAdapter(ToSupervisor)
_FROM_TRIGGERER: TypeAdapter[Any] = TypeAdapter(ToTriggerSupervisor)
_TO_TASK: TypeAdapter[Any] = TypeAdapter(ToTask)
_JSON: TypeAdapter[Any] = TypeAdapter(JsonValue)


def row(column: Any) -> Callable[[Any], Any]:
    """Return what a column of Airflow's gives back of a value, in a database of its own."""
    table = Table("values", MetaData(), Column("id", Integer, primary_key=True), Column("value", column.type))
    engine = create_engine(  # one database for all threads
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    table.metadata.create_all(engine)

    def stored(value: Any) -> Any:
        with engine.begin() as connection:
            connection.execute(table.delete())
            connection.execute(table.insert().values(value=value))
            return connection.execute(select(table.c.value)).scalar_one()

    return stored


_xcom_row = row(XComModel.__table__.c.value)
_next_kwargs_row = row(TaskInstance.__table__.c.next_kwargs)
_trigger_row = row(Trigger.__table__.c.kwargs)
_task_state_row = row(TaskStateStoreModel.__table__.c.value)
_asset_state_row = row(AssetStateStoreModel.__table__.c.value)
_asset_event_row = row(AssetEvent.__table__.c.extra)


def request(message: Any, received: TypeAdapter[Any]) -> Any:
    """Send a message to a supervisor."""
    frame = bytes(_RequestFrame(id=1, body=message.model_dump()).as_bytes())
    body = msgspec.msgpack.Decoder(_RequestFrame).decode(frame[4:]).body
    return received.validate_python(body)


def response(message: Any) -> Any:
    """Send a supervisor's answer to a task."""
    frame = bytes(_ResponseFrame(id=1, body=message.model_dump()).as_bytes())
    body = msgspec.msgpack.Decoder(_ResponseFrame).decode(frame[4:]).body
    return _TO_TASK.validate_python(body)


def http(value: Any) -> Any:
    """Send a value to Airflow's API server as the SDK's client does, and parse it there."""
    sent = httpx.Request("POST", "http://127.0.0.1", json=value).content
    return _JSON.validate_python(json.loads(sent)) if sent else None


def xcom(value: Any) -> Any:
    """Return what another task pulls of a task's result."""
    serialized: Any = BaseXCom.serialize_value(value)
    message = SetXCom(key="return_value", value=serialized, dag_id="d", run_id="r", task_id="t")
    stored = _xcom_row(http(request(message, _FROM_TASK).value))
    answer = response(XComResult(key="return_value", value=http(stored)))
    return BaseXCom.deserialize_value(answer)


def row_of(sent: BaseTrigger) -> dict[str, Any]:
    """Return what Airflow's database stores of the trigger to which a task defers."""
    class_path, kwargs = sent.serialize()
    message = DeferTask(
        classpath=class_path, trigger_kwargs=serialize(kwargs), next_method="execute_complete", next_kwargs={}
    )
    message = request(message, _FROM_TASK)
    payload = StoredDeferral(**json.loads(message.model_dump_json(exclude={"type", "rendered_map_index"})))
    stored: dict[str, Any] = Trigger._decrypt_kwargs(_trigger_row(json.dumps(payload.trigger_kwargs)))
    return stored


def trigger(sent: BaseTrigger) -> BaseTrigger:
    """Return the trigger that the triggerer makes of the one to which a task defers."""
    module, _, name = sent.serialize()[0].rpartition(".")
    made: BaseTrigger = getattr(importlib.import_module(module), name)(
        **{name: smart_decode_trigger_kwargs(value) for name, value in row_of(sent).items()}
    )
    return made


async def first_event(class_path: str, kwargs: str, *, of_a_deferral: bool) -> TriggerEvent:
    """Let Airflow's triggerer make a trigger of what is stored, and return the first event that it fires.

    :param kwargs: the arguments as JSON text
    :param of_a_deferral: whether a worker deferred to it; what a DAG file names is stored encrypted
    """
    row = _trigger_row(kwargs if of_a_deferral else Trigger.encrypt_kwargs(json.loads(kwargs)))
    runner = TriggerRunner()
    runner.to_create.append(RunTrigger(id=1, classpath=class_path, encrypted_kwargs=row))
    await runner.create_triggers()
    assert not runner.failed_triggers, runner.failed_triggers
    running = runner.triggers[1]["task"]
    while not runner.events:
        if running.done():
            running.result()
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return runner.events.popleft().event


def fired(event: TriggerEvent) -> TriggerEvent:
    """Return what a triggerer's supervisor gets of an event."""
    entries = [TriggerEventEntry(trigger_id=1, event=event, persist_seq=None)]
    sent = request(messages.TriggerStateChanges(events=entries), _FROM_TRIGGERER)
    arrived: TriggerEvent = sent.events[0].event
    return arrived


def event(payload: Any) -> Any:
    """Return the event with which a task is resumed."""
    next_kwargs = _next_kwargs_row(serialize({"event": fired(TriggerEvent(payload)).payload}))
    resumed: Any = deserialize(http(next_kwargs))
    return resumed["event"]


def asset_event(payload: Any) -> Any:
    """Return what a DAG reads of an asset's event."""
    extra = {"from_trigger": True, "payload": fired(TriggerEvent(payload)).payload}
    frame = msgspec.msgpack.decode(msgspec.msgpack.encode(http(_asset_event_row(extra))))
    return frame["payload"]


class TaskStateStore(dict[str, Any]):
    """Airflow's task state store as a task sees it, with all that is between."""

    def set(self, key: str, value: Any) -> None:
        message = SetTaskStateStore(ti_id=UUID(int=0), key=key, value=value, expires_at=None)
        value = request(message, _FROM_TASK).value
        body = TaskStateStorePutBody(value=http(value), expires_at=None)
        self[key] = _task_state_row(json.dumps(body.value))

    def get(self, key: str, default: Any = None) -> Any:
        if key not in self:
            return default
        return response(TaskStateStoreResult(value=http(json.loads(self[key])))).value

    def delete(self, key: str) -> None:
        self.pop(key, None)


class AssetStateStore(dict[str, Any]):
    """Airflow's state store of one asset as a trigger sees it, with all that is between."""

    async def aset(self, key: str, value: Any) -> None:
        value = request(SetAssetStateStoreByName(name="a", key=key, value=value), _FROM_TRIGGERER).value
        self[key] = _asset_state_row(json.dumps(AssetStateStorePutBody(value=http(value)).value))

    async def aget(self, key: str, default: Any = None) -> Any:
        if key not in self:
            return default
        return response(AssetStateStoreResult(value=http(json.loads(self[key])))).value
