"""What an event trigger keeps with the assets that it watches, from Airflow 3.3 on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
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


async def keep_error(trigger: MirrorDBEventTrigger, error: str | None) -> None:
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
