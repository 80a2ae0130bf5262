"""What a task remembers of its write from one try to the next, in Airflow's task state store (3.3 on)."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.bodies.encoding import encode
from airflow_mirrordb.client.collections.record_names import content_of
from airflow_mirrordb.client.endpoints.patterns import READS
from airflow_mirrordb.client.errors import AmbiguousWriteError, InvalidRequestError, MirrorDBError
from airflow_mirrordb.client.messages.request import KEYED, MirrorDBRequest, attach_request
from airflow_mirrordb.client.retries.write_safety import depends_on_the_past, interrupted
from airflow_mirrordb.hooks.task_writes.guard import not_sent_again
from airflow_mirrordb.task.serialization import from_text, to_text

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

NAME = "mirrordb_write"
LARGEST = 64 * 1024  # bytes of a write that are kept; of a larger one only the hash of its content is

_KEPT = ("endpoint", "query", "data")
_KEPT_IF_GIVEN = ("form", "content_type")  # an older version does not know them


class TaskState:
    """Values that outlive a try of a task.

    Clearing the task forgets them: Airflow changes ``max_tries`` then, which tells it from a retry.
    Without a task state store, before Airflow 3.3, nothing is remembered.

    :param of_try: True for what a retry forgets as well, and only a task that is rescheduled remembers
    """

    def __init__(self, context: Context, *, of_try: bool = False) -> None:
        self._store: Any = context.get("task_state_store")
        self._epoch: Any = None
        if self._store is not None:
            self._epoch = getattr(context["ti"], "max_tries", None)
            if of_try:
                self._epoch = [self._epoch, getattr(context["ti"], "try_number", None)]

    @property
    def works(self) -> bool:
        """Whether there is a store."""
        return self._store is not None

    def recall(self, name: str) -> Any:
        """Return what an earlier try of this task remembered under a name; None if nothing."""
        kept = self._store and self._store.get(name)
        return from_text(kept["value"]) if kept and kept["epoch"] == self._epoch else None

    def remember(self, name: str, value: object) -> None:
        """Keep a JSON value for the next try."""
        if self._store is not None:
            self._store.set(name, {"epoch": self._epoch, "value": to_text(value)})

    def forget(self, name: str) -> None:
        """Let the next try know nothing."""
        if self._store is not None:
            self._store.delete(name)


class WriteState:
    """Lets a retry of a task repeat the write of the try before it, or refuse to.

    Before a write is sent it is noted that it may be applied, until it is known that it was not. A try
    that finds the note follows one that was killed, or whose result could not be stored, or whose error
    hides what became of the write:

    - A write with an idempotency key is sent again as it was, under its key; so is one that was refused.
      Of a large one only its content's hash is kept: with other data it is refused.
    - A DELETE is sent again, and may meet the 404 of its own success.
    - A write that may not be repeated is not.

    Without a task state store, before Airflow 3.3, nothing is remembered.
    """

    def __init__(self, context: Context) -> None:
        self._store = TaskState(context)
        self._noted: dict[str, Any] | None = None
        self._unrepeatable: MirrorDBRequest | None = None
        self._attempts, self._maybe_applied = 0, False

    def begin(self, request: MirrorDBRequest, *, repeatable: bool) -> tuple[MirrorDBRequest, bool]:
        """Note a write that is about to be sent.

        :return: the write to send, and whether an earlier try may have applied it
        :raises AmbiguousWriteError: if one may have, and it may not be repeated
        :raises InvalidRequestError: if one may have applied other data, which was not kept
        """
        self._unrepeatable = None if repeatable else request
        matters = not repeatable or depends_on_the_past(request)
        if not (matters and self._store.works):
            return request, False  # each note is a message to Airflow's supervisor
        before = self._store.recall(NAME)
        if not repeatable and before and before["maybe_applied"]:
            raise not_sent_again(request)
        note: dict[str, Any] = {"content": content_of(request)}
        if repeatable and request.method in KEYED:
            request, note = _as_before(request, before, note)
        same = before is not None and before["content"] == note["content"]
        self._maybe_applied = same and bool(before["maybe_applied"])
        if self._maybe_applied:
            self._noted = before
        else:
            self._note(note, maybe_applied=True)
        return request, self._maybe_applied

    def learn(self, attempts: int, maybe_applied: bool) -> None:  # as the client tells it
        """Take note of whether the write may have been applied by now; see the ``note`` of a request."""
        self._attempts, self._maybe_applied = attempts, maybe_applied

    def take_back_unless_applied(self) -> None:
        """Take the note back, if it is known by now that the write was not applied."""
        if self._noted is not None and not self._maybe_applied:
            self._take_back(self._noted)

    def settle(self) -> None:
        """Take note that what the write made is known, and remembered elsewhere."""
        self._unrepeatable = None

    @property
    def is_final(self) -> bool:
        """Whether no other try may send the write, since it may have been applied by now."""
        return self._unrepeatable is not None and self._maybe_applied

    def lost_by(self, interruption: BaseException) -> AmbiguousWriteError:
        """Return the error of such a write whose task was interrupted."""
        assert self._unrepeatable is not None  # noqa: S101  # it is final
        lost = interrupted(interruption, self._unrepeatable, self._attempts)
        lost.__cause__ = interruption
        return lost

    def take_back_after_trigger(self, error: MirrorDBError) -> None:
        """Take the note back, if the error of a trigger says that the write was not applied."""
        if error.method in READS or error.maybe_applied:
            return
        if noted := self._store.recall(NAME):
            self._take_back(noted)

    def _take_back(self, note: dict[str, Any]) -> None:
        if "idempotency_key" in note:
            self._note(note, maybe_applied=False)  # the next try sends the same, under the same key
        else:
            self._store.forget(NAME)

    def _note(self, note: dict[str, Any], *, maybe_applied: bool) -> None:
        self._noted = {**note, "maybe_applied": maybe_applied}
        self._store.remember(NAME, self._noted)


def _as_before(
    request: MirrorDBRequest, before: dict[str, Any] | None, note: dict[str, Any]
) -> tuple[MirrorDBRequest, dict[str, Any]]:
    """Return a keyed write as an earlier try sent it, and what is noted of it.

    - Nothing is known of an earlier one with a key: this try's, under its own key.
    - All of it was kept: that one again, whatever this try would send.
    - Only its hash was kept, and this try's is the same: this try's, under the key of that one.
    - Only its hash was kept, and this try's is another: none if that one may have been applied; else this
      try's, under its own key.

    :param note: what is noted of the write of this try
    :raises InvalidRequestError: if it may have been applied with other data, which was not kept
    """
    if before is None or "idempotency_key" not in before:
        kept = {name: getattr(request, name) for name in _KEPT}
        more = {name: getattr(request, name) for name in _KEPT_IF_GIVEN}
        kept |= {name: value for name, value in more.items() if value is not None}
        if request.digest is None and len(encode(kept)) <= LARGEST:  # no file is kept
            note["kept"] = kept
        return request, {**note, "idempotency_key": request.idempotency_key}
    if "kept" in before:
        if before["content"] != note["content"]:
            log.warning("The write of an earlier try is sent again; this try would send something else")
        return replace(request, **before["kept"], idempotency_key=before["idempotency_key"]), before
    if before["content"] == note["content"]:
        return replace(request, idempotency_key=before["idempotency_key"]), before
    if before["maybe_applied"]:
        raise _other_data(request)
    return request, {**note, "idempotency_key": request.idempotency_key}


def _other_data(request: MirrorDBRequest) -> InvalidRequestError:
    given = (name for name in ("input_path", "files", "form") if getattr(request, name) is not None)
    field = next(given, "data")
    if request.digest is None:
        other, same = f"other {field}, which was too large to be kept", f"the {field}"
    else:
        other, same = "a file of other content, and files are not kept", "the content"
    error = InvalidRequestError(
        message=f"{field}: an earlier try of this task may have applied {other}; nothing was sent now."
        f" Let {same} be the same in each try (from a task before this one, say), or look at what was"
        " applied, then clear the task to send this",
        field=field,
        maybe_applied=True,
    )
    return attach_request(error, request)
