"""The ways in which users and libraries raise another exception in the place of an error."""

from __future__ import annotations

import asyncio
import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import tenacity

from airflow_mirrordb.client import MirrorDBError

if sys.version_info >= (3, 11):
    Group, BaseGroup = builtins.ExceptionGroup, builtins.BaseExceptionGroup
else:  # pytest brings it
    from exceptiongroup import BaseExceptionGroup as BaseGroup, ExceptionGroup as Group


class LoadError(Exception):
    """What a user raises in the place of an error."""


def as_it_is(error: BaseException) -> NoReturn:
    raise error


def from_it(error: BaseException) -> NoReturn:
    raise LoadError("no users") from error


def while_handled(error: BaseException) -> NoReturn:
    try:
        as_it_is(error)
    except MirrorDBError:
        raise LoadError("no users")  # noqa: B904  # without a cause


def several_deep(error: BaseException) -> NoReturn:
    try:
        while_handled(error)
    except LoadError as loading:
        try:
            from_it(loading)
        except LoadError:
            raise RuntimeError("the pipeline failed")  # noqa: B904


def while_cleaned_up(error: BaseException) -> NoReturn:
    @contextmanager
    def file() -> Iterator[None]:
        try:
            yield
        finally:
            raise OSError("cannot be closed")

    with file():
        raise error
    raise AssertionError


def from_one_from_it(error: BaseException) -> NoReturn:
    try:
        from_it(error)
    except LoadError as loading:
        raise RuntimeError("the pipeline failed") from loading


def in_a_group(error: BaseException) -> NoReturn:
    raise BaseGroup("two failed", [ValueError("other"), error])


def deep_in_groups(error: BaseException) -> NoReturn:
    try:
        from_it(error)
    except LoadError as loading:
        inner = Group("inner", [OSError("other"), loading])
        raise LoadError("many") from Group("outer", [inner, KeyError("other")])


def beside_an_interruption(error: BaseException) -> NoReturn:
    raise BaseGroup("interrupted", [KeyboardInterrupt(), error])


def by_tasks(error: BaseException) -> NoReturn:
    """As an ``asyncio.TaskGroup`` does, where there is one; before Python 3.11 as ``gather`` does."""

    async def fail() -> None:
        raise error

    async def run() -> None:
        if sys.version_info >= (3, 11):
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
        else:
            await asyncio.gather(fail())

    asyncio.run(run())
    raise AssertionError


def by_retries(error: BaseException) -> NoReturn:
    """As tenacity does with the last error of many."""

    @tenacity.retry(stop=tenacity.stop_after_attempt(2))
    def fail() -> None:
        raise error

    fail()
    raise AssertionError


def as_the_cause_of_an_interruption(error: BaseException) -> NoReturn:
    """As a time-out of Airflow's, of which the error of a write that was under way is the cause."""
    interruption = KeyboardInterrupt()
    interruption.__cause__ = error
    raise interruption


WAYS: dict[str, Callable[[Any], NoReturn]] = {
    way.__name__: way
    for way in (
        as_it_is,
        from_it,
        while_handled,
        several_deep,
        while_cleaned_up,
        from_one_from_it,
        in_a_group,
        deep_in_groups,
        beside_an_interruption,
        by_tasks,
        by_retries,
        as_the_cause_of_an_interruption,
    )
}
