"""What an event trigger tells of its assets in its log, and keeps with them from Airflow 3.3 on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mirrordb.compat import asset_states, assets_of
from airflow_mirrordb.task.memory.stored_arguments import restored
from airflow_mirrordb.task.serialization import from_text, to_text

if TYPE_CHECKING:
    from airflow_mirrordb.triggers.event import MirrorDBEventTrigger

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Name under which an asset has what its watcher failed with last.
LAST_ERROR = "last_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a poll has to say, beside what it found.

    Watchers may share their polls. The one that polls knows none of their assets, so each of them tells it.

    :param message: for the log, after what is watched
    :param level: of the message
    :param failure: why the poll failed; None if it did not
    :param error: whose trace belongs into the log
    """

    message: str
    level: int = logging.WARNING
    failure: str | None = None
    error: BaseException | None = None


def notice_of(error: Exception, wait: float) -> Notice:
    """Return what a poll that failed has to say.

    :param wait: seconds until the next poll
    """
    from airflow_mirrordb.client.errors import MirrorDBError

    words = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
    return Notice(
        message=f"{words}; next poll in {wait:g} s",
        level=logging.WARNING if getattr(error, "retryable", False) else logging.ERROR,
        failure=words,
        error=None if isinstance(error, MirrorDBError) else error,
    )


class Teller:
    """Tells of the polls of one trigger.

    :param trigger: whose assets it names
    """

    def __init__(self, trigger: MirrorDBEventTrigger) -> None:
        self._trigger = trigger
        self._failure: str | None = ""  # a triggerer before this one may have kept one

    async def tell(self, notice: Notice) -> None:
        """Write a notice to the log, and keep why a poll failed with the assets."""
        colon = " failed: " if notice.failure is not None else ": "
        log.log(notice.level, "%s%s%s", watching(self._trigger), colon, notice.message, exc_info=notice.error)
        if notice.failure is not None and notice.failure != self._failure:
            self._failure = notice.failure
            await _keep_error(self._trigger, notice.failure)

    async def tell_success(self) -> None:
        """Forget why polls failed, if they did."""
        if self._failure is not None:
            self._failure = None
            await _keep_error(self._trigger, None)


async def recall(trigger: MirrorDBEventTrigger, name: str, kind: Callable[..., T]) -> T | None:
    """Return the dataclass that was kept under a name; None if there is none, or it cannot be read."""
    for state in asset_states(trigger):
        try:
            if kept := await state.aget(name):
                return restored(kind, from_text(kept) if isinstance(kept, str) else kept)
        except Exception:
            log.exception("What %s was could not be read; what is seen first counts", trigger.endpoint)
    return None


def watching(trigger: MirrorDBEventTrigger) -> str:
    """Return what a trigger watches, for whom, and through which connection."""
    names = ", ".join(assets_of(trigger))
    of_assets = f" for asset {names}" if names else ""
    return f"Watching {trigger.endpoint} through connection {trigger.mirrordb_conn_id}{of_assets}"


async def _keep_error(trigger: MirrorDBEventTrigger, error: str | None) -> None:
    """Keep why the polls of a trigger fail where Airflow shows it: its assets; None once they do not."""
    for state in asset_states(trigger):
        try:
            if error is not None:
                await state.aset(LAST_ERROR, error)
            elif await state.aget(LAST_ERROR) is not None:
                await state.adelete(LAST_ERROR)
        except Exception:
            log.exception("Why the polls of %s fail could not be kept", trigger.endpoint)


async def remember(trigger: MirrorDBEventTrigger, name: str, value: Any) -> None:
    """Keep a dataclass under a name, with each asset."""
    for state in asset_states(trigger):
        try:
            await state.aset(name, to_text(asdict(value)))
        except Exception:
            log.exception("What %s is could not be kept", trigger.endpoint)
