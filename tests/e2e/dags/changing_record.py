"""Wait until a record changes, in each mode of the sensor; the backend's log tells them apart."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor

MODES: dict[str, dict[str, Any]] = {
    "poke": {"deferrable": False},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "deferrable": {"deferrable": True},
}

with DAG("changing_record", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    for name, mode in MODES.items():
        MirrorDBSensor(
            task_id=name,
            endpoint="api/parcels/1",
            query={"by": name},
            field="state",
            changed=True,
            poke_interval=2,
            timeout=3600,
            **mode,
        )
