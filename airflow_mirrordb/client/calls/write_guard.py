"""The writes of a caller that may be run again from its beginning, and would then make them anew."""

from __future__ import annotations

from uuid import uuid4

from airflow_mirrordb.client.messages.request import MirrorDBRequest
from airflow_mirrordb.client.messages.write_mark import WriteMark


class WriteGuard:
    """Tells the writes of a caller apart, and marks them for its next run.

    This one is of a caller that is not run again. One that is, as a task of Airflow, gives its client a guard
    of its own, which knows in the next run what was the same write in the one before.
    """

    def keyed(
        self,
        request: MirrorDBRequest,  # noqa: ARG002
        changes: str,  # noqa: ARG002
    ) -> tuple[str, WriteMark | None]:
        """Return the idempotency key of a write whose author gave none, and its mark, if it needs one.

        The arguments are those of :meth:`mark_of`.
        """
        return str(uuid4()), None

    def mark_of(
        self,
        request: MirrorDBRequest,  # noqa: ARG002
        changes: str,  # noqa: ARG002
        *,
        repeatable: bool,  # noqa: ARG002
    ) -> WriteMark | None:
        """Return the mark of a write without a key; None if no other run has to know of it.

        :param changes: what tells the settings as they were changed at run time from those before
        :param repeatable: whether sending it twice leaves what sending it once does
        """
        return None
