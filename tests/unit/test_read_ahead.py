"""Requests that are begun before their turn: a bounded number, and none is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_mirrordb.client.collections.pages.next_links import PageRequest
from airflow_mirrordb.client.collections.pages.reader import ReadAhead
from airflow_mirrordb.client.messages.request import MirrorDBRequest
from tests.support.clocks import turns


def page(number: int) -> PageRequest:
    return PageRequest(request=MirrorDBRequest(method="GET", endpoint="api/x", query={"page": number}))


class Sender:
    """Sends nothing: each request waits until it is let go."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ahead: list[int] = []
        self.cancelled: list[int] = []
        self.ends: dict[int, Callable[[], Any]] = {}
        self.go = {number: asyncio.Event() for number in range(1, 20)}

    async def __call__(self, request: PageRequest, ahead: int) -> Any:
        number = (request.request.query or {})["page"]
        self.begun.append(number)
        self.ahead.append(ahead)
        try:
            await self.go[number].wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        return "", self.ends.get(number, lambda: number)()


class TimeOutError(BaseException):
    """As Airflow's, which no code of a task catches by mistake."""


def timed_out() -> None:
    raise TimeOutError


async def test_what_interrupts_a_request_ahead_interrupts_who_waits_for_another() -> None:
    """A task's time-out strikes wherever the loop just is, and must not wait for its page's turn."""
    sender = Sender()
    sender.ends[3] = timed_out
    ahead = ReadAhead(sender, 3, in_pauses=False)
    waiting = asyncio.ensure_future(ahead.answer(page(1), [page(2), page(3)]))
    await turns()
    sender.go[3].set()
    with pytest.raises(TimeOutError):
        await waiting
    await ahead.end()
    assert sorted(sender.cancelled) == [1, 2]


async def test_an_error_ahead_waits_for_its_turn() -> None:
    """The pages before it are handed on."""
    sender = Sender()
    sender.ends[2] = lambda: 1 / 0
    ahead = ReadAhead(sender, 2, in_pauses=False)
    sender.go[1].set()
    sender.go[2].set()
    await ahead.answer(page(1), [page(2)])
    await turns()
    with pytest.raises(ZeroDivisionError):
        await ahead.answer(page(2), [])
    await ahead.end()


async def test_guesses_that_were_wrong_are_given_up_and_no_further_ones_are_made() -> None:
    """Else as many requests would be made in vain for each page."""
    sender = Sender()
    ahead = ReadAhead(sender, 3, in_pauses=False)
    sender.go[1].set()
    await ahead.answer(page(1), [])
    ahead.begin(page(2), [page(4), page(6), page(8)])
    await turns()
    assert sender.begun == [1, 2, 4, 6]
    sender.go[2].set()
    await ahead.answer(page(2), [])
    ahead.begin(page(3), [page(5), page(7)])
    await turns()
    assert (sender.begun, sorted(sender.cancelled)) == ([1, 2, 4, 6, 3], [4, 6])
    assert sender.ahead == [0, 0, 1, 2, 0]  # how many of those in flight come before
    await ahead.end()
    assert sorted(sender.cancelled) == [3, 4, 6]


async def test_requests_that_are_made_in_pauses_are_all_over_before_one_is_handed_on() -> None:
    """And none is begun meanwhile."""
    sender = Sender()
    ahead = ReadAhead(sender, 3, in_pauses=True)
    for number in range(1, 7):
        sender.go[number].set()
    await ahead.answer(page(1), [])
    ahead.begin(page(2), [page(3), page(4)])
    await turns()
    assert sender.begun == [1]
    await ahead.answer(page(2), [page(3), page(4), page(5)])
    assert sender.begun == [1, 2, 3, 4]
    ahead.begin(page(3), [page(4), page(5)])
    await ahead.answer(page(3), [page(4), page(5)])
    await ahead.answer(page(4), [page(5)])
    assert sender.begun == [1, 2, 3, 4]
    await ahead.answer(page(5), [page(6)])
    assert sender.begun == [1, 2, 3, 4, 5, 6]
    await ahead.end()
