"""The tries of one task whose function uses a hook, each in the context that Airflow makes for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

_module = "airflow.sdk.execution_time.context" if AIRFLOW_V_3_0_PLUS else "airflow.models.taskinstance"
set_current_context: Any = import_module(_module).set_current_context


class StateStore(dict[str, Any]):
    """Airflow's task state store as a task sees it; counts its messages to the supervisor."""

    messages = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.messages += 1
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.messages += 1
        self[key] = value

    def delete(self, key: str) -> None:
        self.messages += 1
        self.pop(key, None)


class TaskTries:
    """The tries of one task; each block of ``with tries.next():`` is one. ``clear()`` is a user's."""

    def __init__(self, run_id: str, *, has_store: bool = True) -> None:
        self.store = StateStore()
        self.run_id, self._has_store = run_id, has_store
        self._try_number, self._max_tries = 0, 2

    @contextmanager
    def next(self, **said: Any) -> Iterator[None]:
        """Run a try.

        :param said: what else Airflow says in the context, and of the task instance in ``ti``
        """
        self._try_number += 1
        ti = SimpleNamespace(
            dag_id="dag",
            run_id=self.run_id,
            task_id="task",
            map_index=-1,
            max_tries=self._max_tries,
            try_number=self._try_number,
            **said.pop("ti", {}),
        )
        context: Any = {"ti": ti, "task": SimpleNamespace(operator_name="@task"), **said}
        if self._has_store:
            context["task_state_store"] = self.store
        with set_current_context(context):
            yield

    def clear(self) -> None:
        self._max_tries += self._try_number
