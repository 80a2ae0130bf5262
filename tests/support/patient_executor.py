"""Airflow's LocalExecutor, without its race between a deferral and the resumption that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.executors.local_executor import LocalExecutor


class PatientExecutor(LocalExecutor):
    """Starts a task again only when the scheduler knows that the task's former process has ended.

    In Airflow 3.3.2, when a trigger fires before the scheduler has seen the end of the process that
    deferred, the scheduler takes this end for that of the resumed task. As the state of that one is
    "running", it counts as killed: the task fails, or is tried again. On a busy machine, where all
    takes longer, this met 9 of 25 runs; the executors of Airflow 2 waited, as this one does.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]
        self._started: set[Any] = set()

    def _process_workloads(self, workload_list: Sequence[Any]) -> None:
        self._read_results()  # type: ignore[no-untyped-call]
        # those left out stay queued until the next heartbeat, after the scheduler has read the events
        ready = [it for it in workload_list if it.key not in self._started | self.event_buffer.keys()]
        self._started.update(it.key for it in ready)
        super()._process_workloads(ready)  # type: ignore[no-untyped-call]

    def change_state(self, key: Any, state: Any, *arguments: Any, **options: Any) -> None:
        if state in ("success", "failed"):
            self._started.discard(key)
        super().change_state(key, state, *arguments, **options)
