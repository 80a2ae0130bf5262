"""What a task's log says of its request: what is sent, what came, and why it goes on in the triggerer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.bodies.errors.reason_phrases import named_status
from airflow_mirrordb.client.collections.streams import Manifest
from airflow_mirrordb.client.errors import named

if TYPE_CHECKING:
    from airflow_mirrordb.client.jobs.polls import PollResult
    from airflow_mirrordb.client.messages.request import MirrorDBRequest
    from airflow_mirrordb.conditions import Condition


def name_of(request: MirrorDBRequest, conn_id: str) -> str:
    """Return the name of a task's request, as ``GET api/users through connection crm``."""
    return named(request.method, request.endpoint, request.method_name, conn_id)


def sent_again(request: MirrorDBRequest) -> str:
    """Return why a write is sent though an earlier try may have been applied."""
    return f"an earlier try may have applied this; it is {_again(request)}"


def _again(request: MirrorDBRequest) -> str:
    """Return how a write is sent again, and why that is safe."""
    why = ", and a 404 is a success" if request.method == "DELETE" else " with the same idempotency key"
    return f"sent again{why}"


def to_send(requests: Sequence[MirrorDBRequest], left: int, maybe_applied: int) -> str:
    """Return which records of a bulk are sent now, and why not all of them.

    :param left: number of those that did not end in an earlier try
    :param maybe_applied: number of those of them that an earlier try may have applied
    """
    total, first, last = len(requests), requests[0].endpoint, requests[-1].endpoint
    ends = f", {first} to {last}" if first != last else ""
    if left == total:
        return f"{_count(total, 'record')} to send{ends}"
    told = f"{left:,} of {_count(total, 'record')} to send{ends}; the others ended in an earlier try"
    if not maybe_applied:
        return told
    are = "is" if maybe_applied == 1 else "are"
    return f"{told}; {maybe_applied:,} may have been applied by it, and {are} {_again(requests[0])}"


class AnswerLine:
    """The line of a trigger's log that tells of an answer; made into text only where it is written.

    :param event: see :func:`answered`
    """

    __slots__ = ("_conn_id", "_event", "_request")

    def __init__(self, request: MirrorDBRequest, conn_id: str, event: Mapping[str, Any]) -> None:
        self._request, self._conn_id, self._event = request, conn_id, event

    def __str__(self) -> str:
        return f"{name_of(self._request, self._conn_id)}: {answered(self._event)}"


def answered(event: Mapping[str, Any]) -> str:
    """Return what came: its status, how long it took, how much it is, and how many attempts were made before.

    :param event: the :class:`~airflow_mirrordb.task.outcomes.events.SuccessEvent` that tells of it
    """
    pages = event.get("pages", 1)  # an older trigger does not say
    facts = [f"{named_status(event['http_status'])} in {event['elapsed']:.3g} s", *_amount(event, pages)]
    if (before := event["attempts"] - pages) > 0:
        facts.append(f"after {_count(before, 'earlier attempt')}")
    if event["request_id"]:
        facts.append(f"request id {event['request_id']}")
    return ", ".join(facts)


def deferred(reason: str, wait: float, *, is_sent_there: bool) -> str:
    """Return why a task frees its worker, and what happens now.

    :param reason: why, where there is no wait
    :param wait: seconds until the next attempt is due
    :param is_sent_there: whether the triggerer sends the request; else it only waits
    """
    why = f"the next attempt is due in {wait:.1f} s" if wait > 0 else reason
    there = "a triggerer sends it" if is_sent_there else "a triggerer waits, and then a worker sends it"
    return f"{why}; the task is deferred until {there}"


def waiting(name: str, condition: Condition, seconds: float) -> str:
    """Return what a sensor waits for, and how long it will at most.

    :param name: of its request
    """
    return f"{name}: waiting for {condition.wanted}, for at most {round(seconds, 1):g} s"


def not_met(result: PollResult) -> str:
    """Return what a poll found whose condition is not met."""
    if failures := result.state.failures:
        return f"Poll failed, {failures} in a row: {result.found}"
    return f"Not met yet: {result.found}"


def level_of(result: PollResult) -> int:
    """Return how much the log of such a poll matters: a sensor that fails looks as if it waited."""
    return logging.WARNING if result.state.failures else logging.INFO


def _amount(event: Mapping[str, Any], pages: int) -> list[str]:
    data = event["data"]
    manifest: Mapping[str, Any] = (
        data if isinstance(data, dict) and data.keys() == Manifest.__annotations__.keys() else {}
    )
    records = manifest.get("records", len(data) if isinstance(data, list) else None)
    facts: list[str] = []
    if records is not None and (pages > 1 or manifest):
        facts.append(f"{_count(records, 'record')} in {_count(pages, 'page')}")
    if size := manifest.get("bytes", event["size"]):
        facts.append(_count(size, "byte"))
    if manifest:
        facts.append(f"written to {manifest['path']}")
    return facts


def _count(number: int, of: str) -> str:
    return f"{number:,} {of}{'' if number == 1 else 's'}"
