"""What a trigger notes of its write, for the one that takes over from it when its triggerer dies.

That one has the same arguments, and starts from the beginning. The note is an XCom of the task, the one store
of Airflow that triggers of every version reach, and that is emptied before each try: it holds the id of the
trigger, which its successor has as well.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.retries.write_safety import depends_on_the_past
from airflow_mirrordb.compat import get_xcom, has_xcom_backend, set_xcom

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from airflow_mirrordb.client.messages.request import MirrorDBRequest
    from airflow_mirrordb.client.retries.retry import Progress

log = logging.getLogger(__name__)

NAME = "mirrordb_sent"
_BY_NOBODY = 0


def announce(ti: Any, request: MirrorDBRequest, progress: Progress) -> None:
    """Say on the worker that a trigger will send a write; else Airflow logs an error that there is no note.

    :param ti: the task instance
    """
    if not progress.maybe_applied and depends_on_the_past(request) and not has_xcom_backend():
        ti.xcom_push(key=NAME, value=_BY_NOBODY)


async def may_have_been_sent(trigger: BaseTrigger, request: MirrorDBRequest) -> bool:
    """Return whether an earlier run of a trigger may have sent its write; note that it is about to be sent.

    Where that cannot be known, as outside a triggerer, and with an XCom backend of the installation's own,
    a DELETE counts as sent: its resource is to be gone, and is.
    """
    reason = "there is no place to note it"
    if trigger.task_instance is not None and trigger.trigger_id is not None and not has_xcom_backend():
        try:
            # to the end: before Airflow 3.3 a message whose answer is not read would confuse the triggerer
            return await asyncio.shield(_is_noted(trigger.task_instance, trigger.trigger_id))
        except Exception as error:  # noqa: BLE001  # whatever Airflow's processes raise; it is logged here
            reason = f"{type(error).__name__}: {error}"
    is_delete = request.method == "DELETE"
    log.warning(
        "%s %s: whether an earlier run of this trigger has sent it is not known (%s)%s",
        request.method,
        request.endpoint,
        reason,
        "; a 404 will count as done" if is_delete else "",
    )
    return is_delete


async def _is_noted(ti: Any, trigger_id: int) -> bool:
    if await get_xcom(ti, NAME) == trigger_id:
        return True
    try:
        await set_xcom(ti, NAME, trigger_id)
    except Exception:
        log.exception("If this triggerer dies now, the next one will not know that the write was sent")
    return False
