"""The cancel of a job: sent in any case within some seconds, and told for what it is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from airflow_mirrordb.client.collections.pages.next_links import BadLinkError, PageRequest
from airflow_mirrordb.client.errors import JobFailedError, MirrorDBError, ResponseError
from airflow_mirrordb.client.jobs.places import PlaceError, RemoteJob, cancel_of
from airflow_mirrordb.client.jobs.polls import PollState
from airflow_mirrordb.client.jobs.watch import JobWatch, prepare_linked
from airflow_mirrordb.client.messages.response import GONE
from airflow_mirrordb.client.retries.retry import Progress
from airflow_mirrordb.job_arguments import JobRequest

if TYPE_CHECKING:
    from airflow_mirrordb.client.mirrordb import GenericMirrorDB

#: Seconds that all of a cancel may take.
LONGEST_CANCEL = 10.0
#: Statuses by which a cancel may be told that the job is over already, or gone, or that its URL is wrong.
_MAYBE_OVER = (*GONE, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)

CancelOutcome = tuple[bool | None, str]


async def cancel(
    client: GenericMirrorDB, watch: JobWatch, said: JobRequest | None, job: RemoteJob, now: float
) -> CancelOutcome:
    """Cancel a job, and return whether it is over without a result, and in words what became of that.

    :param watch: polls it where only its body says how it is cancelled, and after a refusal
    :param said: the request that cancels it
    :param now: unix time
    :return: True if it is; None if nothing cancels it
    """
    if said is None:
        return None, "it is left running, since there is no cancel"
    try:
        return await asyncio.wait_for(_sent(client, watch, said, job, now), LONGEST_CANCEL)
    except (MirrorDBError, PlaceError, BadLinkError, asyncio.TimeoutError) as error:
        reason = str(error) or f"no answer within {LONGEST_CANCEL:g} s"
        return False, f"it may still run, since its cancel failed: {client.without_secrets(reason)}"


async def _sent(
    client: GenericMirrorDB, watch: JobWatch, said: JobRequest, job: RemoteJob, now: float
) -> CancelOutcome:
    page = await _place(client, watch, said, job)
    prepared = prepare_linked(client, page)
    # a second one finds the job cancelled, so it is repeated even where writes are not
    prepared = replace(prepared, wire=replace(prepared.wire, repeatable=True), mark=None)
    try:
        response = await client.send(prepared, progress=Progress(deadline=now + LONGEST_CANCEL))
    except ResponseError as error:
        if error.status in _MAYBE_OVER and (outcome := await _seen(watch, job)) is not None:
            return outcome
        raise
    return True, f"it was cancelled: {response.status} to {said.method} {page.request.endpoint}"


async def _seen(watch: JobWatch, job: RemoteJob) -> CancelOutcome | None:
    """Poll the job once more, and return what became of it; None if it runs, or nobody knows."""
    try:
        is_done = (await watch.poll(job, PollState(seen=True))).response is not None
    except JobFailedError as error:
        return True, f"it was over already when it was to be cancelled ({error.message})"
    except MirrorDBError:
        return None
    return (False, "it was done when it was to be cancelled, and its result is there") if is_done else None


async def _place(client: GenericMirrorDB, watch: JobWatch, said: JobRequest, job: RemoteJob) -> PageRequest:
    """Return what cancels a job; polls it where only its body says how."""
    asked = watch.prepare(job)
    try:
        return cancel_of(said, watch.body, job, asked)
    except PlaceError:
        if watch.body is not None:
            raise
        body = (await client.send(asked, single_attempt=True)).data
        return cancel_of(said, body, job, asked)
