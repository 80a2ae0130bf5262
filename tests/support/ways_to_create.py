"""Ways in which a task may create records through the hook, which all are to be equally safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS

from airflow_mirrordb.client import MirrorDBRequest
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

USERS = "api/users"
Records = list[dict[str, int]]


def one_by_one(records: Records) -> None:
    with MirrorDBHook() as hook:
        for record in records:
            hook.create(USERS, record)


def by_whole_requests(records: Records) -> None:
    with MirrorDBHook() as hook:
        for record in records:
            hook.request(MirrorDBRequest(method="POST", endpoint=USERS, data=record))


def in_threads(records: Records) -> None:
    with MirrorDBHook() as hook, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda record: hook.create(USERS, record), records))


def in_threads_with_hooks_of_their_own(records: Records) -> None:
    def create(record: dict[str, int]) -> None:
        with MirrorDBHook() as hook:
            hook.create(USERS, record)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, records))


def by_two_hooks(records: Records) -> None:
    with MirrorDBHook() as one, MirrorDBHook() as other:
        for record, number in zip(records, count(), strict=False):
            (one, other)[number % 2].create(USERS, record)


def one_hook_after_the_other(records: Records) -> None:
    for record in records:
        with MirrorDBHook() as hook:
            hook.create(USERS, record)


EARLY = MirrorDBHook()


def by_a_hook_of_the_module(records: Records) -> None:
    for record in records:
        EARLY.create(USERS, record)


def in_one_bulk(records: Records) -> None:
    with MirrorDBHook() as hook:
        hook.bulk("create", [{"endpoint": USERS, "data": record} for record in records], concurrency=4)


def in_a_bulk_each(records: Records) -> None:
    with MirrorDBHook() as hook:
        for record in records:
            hook.bulk("create", [{"data": record}], endpoint=USERS)


def in_bulks_and_alone(records: Records) -> None:
    with MirrorDBHook() as hook:
        for number in range(0, len(records), 3):
            hook.create(USERS, records[number])
            hook.bulk(
                "create", [{"data": record} for record in records[number + 1 : number + 3]], endpoint=USERS
            )


async def in_a_coroutine(records: Records) -> None:
    async with MirrorDBHook() as client:
        for record in records:
            await client.create_function("create", USERS, record)


async def gathered(records: Records) -> None:
    async with MirrorDBHook() as client:
        await asyncio.gather(*(client.create_function("create", USERS, record) for record in records))


async def gathered_over_clients(records: Records) -> None:
    async def create(record: dict[str, int]) -> None:
        async with MirrorDBHook() as client:
            await client.create_function("create", USERS, record)

    await asyncio.gather(*(create(record) for record in records))


async def in_an_async_bulk(records: Records) -> None:
    async with MirrorDBHook() as client:
        await client.bulk("create", [{"endpoint": USERS, "data": record} for record in records])


def in_a_loop_each(records: Records) -> None:
    for record in records:
        asyncio.run(gathered([record]))


WAYS: tuple[Callable[[Records], Any], ...] = (
    one_by_one,
    by_whole_requests,
    in_threads,
    in_threads_with_hooks_of_their_own,
    by_two_hooks,
    one_hook_after_the_other,
    by_a_hook_of_the_module,
    in_one_bulk,
    in_a_bulk_each,
    in_bulks_and_alone,
    in_a_loop_each,
    *((in_a_coroutine, gathered, gathered_over_clients, in_an_async_bulk) if AIRFLOW_V_3_2_PLUS else ()),
)
#: Six kinds of records, five of each.
THIRTY = [{"n": number % 6} for number in range(30)]
