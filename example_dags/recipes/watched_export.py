"""When the backend has made its nightly export: read that into a file. A watcher waits; needs Airflow 3."""

from datetime import datetime, timezone
from tempfile import gettempdir

from airflow.sdk import DAG, Asset, AssetWatcher

from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.triggers.event import MirrorDBEventTrigger

DONE = MirrorDBEventTrigger(endpoint="api/exports", cursor="made_at", where={"state": "done"})
EXPORT = Asset("nightly_export", watchers=[AssetWatcher("nightly_export", DONE)])

with DAG("watched_export", schedule=[EXPORT], start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    newest = MirrorDBReadOperator(
        task_id="newest", endpoint="api/exports", response_filter="max_by([?state=='done'], &made_at).id"
    )
    newest >> MirrorDBReadOperator(
        task_id="rows",
        endpoint="api/exports/{{ ti.xcom_pull('newest') }}/rows",
        paginate={"style": "link", "total": "X-Total-Count"},
        output_path=f"file://{gettempdir()}/exports/{{{{ ti.xcom_pull('newest') }}}}.jsonl",
    )
