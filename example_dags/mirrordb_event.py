"""Run when a record changes, and when records come: two assets, watched by the triggerer; needs Airflow 3.

A record that is gone is a change, too, and fails the run here. What a watcher itself meets, as a wrong key,
starts no run: it is in the triggerer's log, and the watcher goes on. Needs a connection ``mirrordb_default``
of type ``mirrordb`` to a backend with the resources ``api/prices`` and ``api/shipments``, whose records have
an ``updated_at``.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_mirrordb.triggers.event import MirrorDBEventTrigger

price_list = Asset(
    "price_list",
    watchers=[AssetWatcher("price_list", MirrorDBEventTrigger(endpoint="api/prices/1", poll_interval=30))],
)
shipments = Asset(
    "delivered_shipments",
    watchers=[
        AssetWatcher(
            "delivered_shipments",
            MirrorDBEventTrigger(
                endpoint="api/shipments", cursor="updated_at", where={"state": "delivered"}, poll_interval=30
            ),
        )
    ],
)

with DAG(
    "mirrordb_event",
    schedule=price_list | shipments,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
) as dag:

    @task
    def show(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        """Return what the events tell; a started-by-hand run has none."""
        events = [
            event for asset in triggering_asset_events or {} for event in triggering_asset_events[asset]
        ]
        told = [event.extra["payload"] for event in events]
        if gone := [event["endpoint"] for event in told if event.get("status") in (404, 410)]:
            raise AirflowFailException(f"gone: {', '.join(gone)}")
        return told

    show()
