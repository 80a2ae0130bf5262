"""Tasks of authors that write by the hook, and are killed in the middle."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG, task

from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

with DAG(
    "killed_tasks",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 1, "retry_delay": timedelta(seconds=1)},
    max_active_tasks=8,
):

    def create_two(name: str, *numbers: int) -> None:
        with MirrorDBHook(name) as hook:
            for number in numbers:
                hook.create(f"api/{name}", {"number": number})

    @task
    def equal() -> None:
        create_two("equal", 1, 1)

    @task
    def different() -> None:
        create_two("different", 1, 2)

    @task
    def without_key() -> None:
        create_two("without_key", 1, 1)

    @task
    def mapped(number: int) -> None:
        """Each instance makes the same, whatever its number."""
        create_two("mapped", number * 0)

    @task
    async def gathered() -> None:
        async with MirrorDBHook("gathered") as client:
            writes = (client.create_function("create", "api/gathered", {"number": 1}) for _ in range(50))
            await asyncio.gather(*writes)

    @task
    def threads() -> None:
        with MirrorDBHook("threads") as one, MirrorDBHook("threads") as other, ThreadPoolExecutor(4) as pool:
            list(
                pool.map(
                    lambda number: (one, other)[number % 2].create("api/threads", {"number": 1}), range(20)
                )
            )

    @task
    def bulk() -> None:
        with MirrorDBHook("bulk") as hook:
            hook.bulk("create", [{"data": {"number": number}} for number in range(1000)], endpoint="api/bulk")

    equal()
    different()
    without_key()
    mapped.expand(number=[1, 2])
    gathered()
    threads()
    bulk()
