"""Every hour: read the orders into a polars frame, add them up per customer, and write the totals back.

An order without what is added up fails the task, which names it, before anything is written. Another try
would meet the same, so there is none. Needs ``polars`` on the workers, and a connection ``mirrordb_default``
of type ``mirrordb`` to a backend with the resources ``api/orders`` (records with ``customer``, ``quantity``
and ``price``) and ``api/totals``.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task


@task
def add_up(run_id: str | None = None) -> int:
    """Return how many totals were written; Airflow fills in ``run_id``, which every run has."""
    import polars as pl

    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

    # Without a schema polars guesses the types from the first hundred records.
    schema = {"id": pl.String, "customer": pl.String, "quantity": pl.Float64, "price": pl.Float64}
    with MirrorDBHook("mirrordb_default") as hook:
        paginate = {"style": "link", "total": "X-Total-Count"}
        orders = pl.DataFrame(
            hook.records("api/orders", query={"limit": 2}, paginate=paginate), schema=schema
        )
        if not (wrong := orders.filter(pl.any_horizontal(pl.all().is_null()))).is_empty():
            raise AirflowFailException(f"orders without customer, quantity or price: {wrong['id'].to_list()}")
        totals = (
            orders.group_by("customer")
            .agg(total=(pl.col("quantity") * pl.col("price")).sum())
            .with_columns(run=pl.lit(run_id))
            .sort("customer")
        )
        report = hook.bulk(
            "create", ({"endpoint": "api/totals", "data": total} for total in totals.iter_rows(named=True))
        )
    return report.done


with DAG(
    "mirrordb_polars",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
) as dag:
    add_up()
