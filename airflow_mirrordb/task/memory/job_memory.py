"""What a task remembers of its job, so that a retry joins it and submits no other (Airflow 3.3 on)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mirrordb.client.jobs.places import RemoteJob
from airflow_mirrordb.task.arguments import fields_of
from airflow_mirrordb.task.memory.state import NAME as WRITE, TaskState
from airflow_mirrordb.task.memory.stored_arguments import restored

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

NAME = "mirrordb_job"


class JobMemory:
    """The job of a task, and which one of its jobs that is.

    A job that is over is followed by one of the next generation, whose key is another one: under its own the
    backend would replay the answer that names the old job. Clearing the task begins anew.

    :param durable: False to remember nothing: each try submits a job
    :param keyed: whether the backend knows a repeated submit by its key
    """

    def __init__(self, context: Context, *, durable: bool, keyed: bool) -> None:
        self._store, self._durable = TaskState(context), durable
        self._tries_before = max(0, context["ti"].try_number - 1) if keyed else 0
        kept = self._store.recall(NAME) if durable else None
        self.generation: int = 0
        self.job: RemoteJob | None = None
        if kept is not None:
            self.generation = kept["generation"]
            self.job = None if kept["job"] is None else restored(RemoteJob, kept["job"])
        elif not durable:
            self.generation = self._tries_before
            if context["ti"].try_number > 1:
                self._store.forget(WRITE)

    @property
    def may_be_replayed(self) -> bool:
        """Whether the job may be that of an earlier try, of which only the backend knows by its key."""
        return self._durable and not self._store.works and self.generation < self._tries_before

    def remember(self, job: RemoteJob) -> None:
        """Keep the job that was submitted."""
        self.job = job
        if self._durable:
            self._note()
        else:
            self._store.forget(WRITE)

    def begin_anew(self) -> None:
        """Take note that the job is over, and that another one is to be submitted."""
        self._store.forget(WRITE)  # first: who is killed between the two looks at the old job once more
        self.generation, self.job = self.generation + 1, None
        if self._durable:
            self._note()

    def _note(self) -> None:
        job = None if self.job is None else fields_of(self.job)
        self._store.remember(NAME, {"generation": self.generation, "job": job})
