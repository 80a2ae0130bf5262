"""What a task remembers of its write from one try to the next, in Airflow's task state store (3.3 on)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.errors import AmbiguousWriteError
from airflow_mirrordb.client.protocol import MirrorDBRequest

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

NAME = "mirrordb_write"
LARGEST = 64 * 1024  # bytes; a larger request is rendered anew, under the key of the first try


class WriteMemory:
    """Lets a retry of a task repeat the write of the try before it, or refuse to.

    A keyed write is kept before it is first sent, so that data templated with ``now()`` is the same
    in each try, and so is its key. A write that may not be repeated is marked from before it is sent,
    unless it surely was not applied; a try that finds the mark follows one that was killed, or whose
    result could not be stored, and must not send again.

    Clearing a task begins anew. Airflow raises ``max_tries`` then, which tells it from a retry.

    Without a task state store, before Airflow 3.3, nothing is remembered.
    """

    def __init__(self, context: Context) -> None:
        self._store: Any = context.get("task_state_store")
        self._epoch = getattr(context["ti"], "max_tries", None)

    def keep(self, request: MirrorDBRequest) -> MirrorDBRequest:
        """Return the keyed write that the first try sent; keep this one if there was none."""
        if kept := self._recall():
            return replace(request, **kept)
        names = ("idempotency_key", "endpoint", "query", "data")
        write = {name: getattr(request, name) for name in names}
        if len(json.dumps(write, default=str)) > LARGEST:
            write = {"idempotency_key": request.idempotency_key}
        self._remember(write)
        return request

    def mark(self, request: MirrorDBRequest) -> None:
        """Note that a write which may not be repeated is about to be sent.

        :raises AmbiguousWriteError: if an earlier try of this task ended while it was in flight
        """
        if self._recall() is not None:
            self.unmark()
            raise AmbiguousWriteError(
                message="the write may or may not have been applied: an earlier try of this task was ended"
                " before it had the result; look, then clear the task to send it again",
                method=request.method,
                endpoint=request.endpoint,
                method_name=request.method_name,
            )
        self._remember({})

    def unmark(self) -> None:
        """Note that the write was not applied, or that its error ends the task."""
        if self._store is not None:
            self._store.delete(NAME)

    def _recall(self) -> dict[str, Any] | None:
        kept = self._store and self._store.get(NAME)
        return kept["write"] if kept and kept["epoch"] == self._epoch else None

    def _remember(self, write: dict[str, Any]) -> None:
        if self._store is not None:
            self._store.set(NAME, {"epoch": self._epoch, "write": write})
