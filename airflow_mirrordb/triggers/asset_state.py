"""What an event trigger keeps with the assets that it watches, from Airflow 3.3 on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_mirrordb.compat import asset_states
from airflow_mirrordb.task.serialization import from_text, to_text
from airflow_mirrordb.task.stored_arguments import restored

if TYPE_CHECKING:
    from airflow_mirrordb.triggers.event import MirrorDBEventTrigger

T = TypeVar("T")

log = logging.getLogger(__name__)


async def recall(trigger: MirrorDBEventTrigger, name: str, kind: Callable[..., T]) -> T | None:
    """Return the dataclass that was kept under a name; None if there is none, or it cannot be read."""
    for state in asset_states(trigger):
        try:
            if kept := await state.aget(name):
                return restored(kind, from_text(kept) if isinstance(kept, str) else kept)
        except Exception:
            log.exception("What %s was could not be read; what is seen first counts", trigger.endpoint)
    return None


async def remember(trigger: MirrorDBEventTrigger, name: str, value: Any) -> None:
    """Keep a dataclass under a name, with each asset."""
    for state in asset_states(trigger):
        try:
            await state.aset(name, to_text(asdict(value)))
        except Exception:
            log.exception("What %s is could not be kept", trigger.endpoint)
