"""Airflow's triggerer, as far as a trigger sees it."""

from __future__ import annotations

import logging
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    import pytest
    from airflow.triggers.base import BaseTrigger

_IDS = count(1)


class Triggerer:
    """Tells triggers who they are, and keeps the XComs of their task."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.xcoms: dict[str, Any] = {}
        self.states: dict[str, str | None] = {}  # of tasks, by their ids
        self.asked: list[str] = []
        self.failing: set[str] = set()
        log_lines_of_triggers(monkeypatch)
        if AIRFLOW_V_3_0_PLUS:
            from airflow.sdk.execution_time import task_runner

            monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", self, raising=False)
        else:
            from airflow.models.xcom import BaseXCom

            monkeypatch.setattr(BaseXCom, "get_value", lambda **which: self._answer("GetXCom", **which))
            monkeypatch.setattr(BaseXCom, "set", lambda **which: self._answer("SetXCom", **which))

    def send(self, message: Any) -> Any:
        """Answer a message: no connection is known but from the environment, and secrets need no answer."""
        from airflow.sdk.exceptions import ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse, TaskStatesResult, XComResult

        kind = type(message).__name__
        if kind == "GetConnection":
            return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": message.conn_id})
        if kind == "GetTaskStates":
            if kind in self.failing:
                raise RuntimeError("the API server is away")
            return TaskStatesResult(task_states={run_id: dict(self.states) for run_id in message.run_ids})
        value = self._answer(kind, **message.model_dump()) if kind in ("GetXCom", "SetXCom") else None
        return XComResult(key=message.key, value=value) if kind == "GetXCom" else None

    async def asend(self, message: Any) -> Any:
        return self.send(message)

    def _answer(self, kind: str, *, key: str, value: Any = None, **_which: Any) -> Any:
        self.asked.append(kind)
        if kind in self.failing:
            raise RuntimeError("the API server is away")
        if kind == "SetXCom":
            self.xcoms[key] = value
        return self.xcoms.get(key)


def log_lines_of_triggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let caplog see the lines of triggers, which take the way of Airflow's own."""
    for name in ("mirrordb", "sensor", "job"):
        module = f"airflow_mirrordb.triggers.{name}"
        monkeypatch.setattr(f"{module}.log", logging.getLogger(module))


def taken(trigger: BaseTrigger, trigger_id: int | None = None) -> BaseTrigger:
    """Give a trigger what a triggerer gives it before it runs, and return it.

    :param trigger_id: of the trigger whose triggerer died; a new one if None
    """
    trigger.trigger_id = trigger_id or next(_IDS)
    identity: Any = SimpleNamespace(dag_id="dag", run_id="run-1", task_id="task", map_index=-1, key="the key")
    trigger.task_instance = identity
    return trigger
