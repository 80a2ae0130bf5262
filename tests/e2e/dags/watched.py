"""DAGs that run when a record changes, or a customer gets records; two watchers look at one endpoint."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_mirrordb.triggers.event import MirrorDBEventTrigger


def watched(name: str, **arguments: Any) -> Asset:
    watcher = AssetWatcher(name, MirrorDBEventTrigger(poll_interval=2, **arguments))
    return Asset(name, watchers=[watcher])


SCHEDULES = {
    "watched_price": watched("watched_price", endpoint="api/prices/1"),
    "watched_acme": watched("watched_acme", endpoint="api/bills", cursor="at", where={"customer": "acme"}),
    "watched_globex": watched(
        "watched_globex", endpoint="api/bills", cursor="at", where={"customer": "globex"}
    ),
}

for dag_id, asset in SCHEDULES.items():
    with DAG(dag_id, schedule=[asset], start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):

        @task
        def seen(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
            """Return what the events told."""
            events = [event for asset in triggering_asset_events for event in triggering_asset_events[asset]]
            return [event.extra["payload"] for event in events]

        seen()
