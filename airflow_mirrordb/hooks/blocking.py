"""What a synchronous caller needs of a client whose loop runs only meanwhile: requests, bulks, iterators."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from airflow_mirrordb.client.collections.bulk import Bulk, Items
from airflow_mirrordb.client.errors import AmbiguousWriteError, RequestTimeoutError
from airflow_mirrordb.client.messages.request import PreparedRequest, attach_request
from airflow_mirrordb.client.mirrordb import GenericMirrorDB
from airflow_mirrordb.client.retries.retry import Progress, WaitNeeded
from airflow_mirrordb.client.retries.write_safety import interrupted
from airflow_mirrordb.hooks.runner import Outcome

if TYPE_CHECKING:
    from airflow_mirrordb.client.calls.call import Note
    from airflow_mirrordb.client.messages.response import MirrorDBResponse

T = TypeVar("T")
Run = Callable[..., Outcome[Any]]  # LoopRunner.run

AT_A_TIME = 32  # items of a bulk that are taken before the loop runs again
SLOW = 0.01  # seconds after which these are enough


class BlockingSendOptions(TypedDict, total=False):
    """How a synchronous caller's request is sent.

    :param progress: where an earlier run left off
    :param wait: False to raise :class:`WaitNeeded` instead of waiting before a further attempt
    :param single_attempt: True to leave all further attempts to the caller, see
        :class:`~airflow_mirrordb.client.SendOptions`
    :param cut_off: seconds after which to raise :class:`WaitNeeded` instead of waiting for the answer; only
        for requests that are repeatable
    :param output_path: see :meth:`MirrorDBHook.read`
    :param note: see :meth:`GenericMirrorDB.request`
    """

    progress: Progress | None
    wait: bool
    single_attempt: bool
    cut_off: float | None
    output_path: str | None
    note: Note | None


class Sending:
    """One request of a synchronous caller, who may be interrupted, or stop waiting for the answer.

    :param progress: where an earlier run left off
    :param cut_off: seconds after which the caller stops waiting; None if it does not
    :param note: see :meth:`GenericMirrorDB.request`
    """

    def __init__(
        self, prepared: PreparedRequest, progress: Progress, cut_off: float | None, note: Note | None
    ) -> None:
        self.progress = progress
        self._prepared, self._cut_off, self._note = prepared, cut_off, note
        self._began, self._attempts, self._maybe_applied = False, progress.attempts, progress.maybe_applied

    def note(self, attempts: int, maybe_applied: bool) -> None:  # as the client tells it
        """Learn how often the request was sent, and whether it may have been applied."""
        self._began, self._attempts, self._maybe_applied = True, attempts, maybe_applied
        if self._note is not None:
            self._note(attempts, maybe_applied)

    def told(self, outcome: Outcome[MirrorDBResponse]) -> Outcome[MirrorDBResponse]:
        """Return what became of the request, for who made it.

        An interruption has an :class:`AmbiguousWriteError` beside it if the write may not be repeated and may
        have been applied. A caller that stopped waiting gets a :class:`WaitNeeded`, to go on from.
        """
        if outcome.interruption is not None:
            is_unknown = outcome.error is None or isinstance(outcome.error, AmbiguousWriteError)
            if is_unknown and self._maybe_applied and not self._prepared.repeatable:
                request = self._prepared.request
                outcome.error = interrupted(outcome.interruption, request, self._attempts)
        elif self._cut_off is not None and isinstance(outcome.error, asyncio.TimeoutError):
            handover = self._handover(self._cut_off)
            handover.__cause__, outcome.error = outcome.error, handover
        return outcome

    def _handover(self, cut_off: float) -> WaitNeeded:
        late = RequestTimeoutError(message=f"no answer within {cut_off:g} s", sent=self._began)
        late.maybe_applied = self._maybe_applied
        left = replace(
            self.progress,
            attempts=self._attempts,
            cut_off=self.progress.cut_off + self._attempts - self.progress.attempts,
            maybe_applied=self._maybe_applied,
        )
        return WaitNeeded(left, attach_request(late, self._prepared.request))


def send_items(bulk: Bulk, client: GenericMirrorDB, items: Items, run: Run) -> None:
    """Let a bulk send all items.

    They are taken while the loop does not run: they may come from requests of the same client.
    """

    async def stop() -> None:
        bulk.stop()
        await client.disconnect()  # each request in flight ends

    async def end() -> None:
        await stop()
        await bulk.end()  # and its record is noted

    try:
        run(bulk.start(items)).value()
        left = items_of(items, run) if isinstance(items, AsyncIterable) else iter(items)
        while some := _some(left, bulk, run):
            if not run(bulk.hand(some), stop).value():
                break
        run(bulk.end(), stop).value()
    except Exception:  # what ended it is no interruption: other threads go on
        run(bulk.end())
        raise
    except BaseException:
        run(end(), end)
        raise


def items_of(items: AsyncIterable[T], run: Run) -> Iterator[T]:
    """Iterate over what comes asynchronously."""
    iterator, end = aiter(items), object()

    async def following() -> Any:
        return await anext(iterator, end)

    while (item := run(following()).value()) is not end:
        yield item


def _some(items: Iterator[T], bulk: Bulk, run: Run) -> list[T]:
    """Take some items, fewer if they are slow to come: nothing is sent or received meanwhile.

    However slow the first one was, as behind a page or a note of what was done, the next ones may be there.
    An error of the items stops the bulk, whose result raises it.
    """
    some, until = list[T](), 0.0
    try:
        for item in items:
            until = until or time.monotonic() + SLOW
            some.append(item)
            if len(some) == AT_A_TIME or time.monotonic() > until:
                break
    except Exception as error:  # noqa: BLE001  # whatever an author's generator raises
        run(_stopped(bulk, error)).value()
        return []
    return some


async def _stopped(bulk: Bulk, error: Exception) -> None:
    bulk.stop(error)
