"""The operations that jobs have and records have not: submit, cancel, result."""

import math
import re
from collections.abc import Callable
from typing import Any

from airflow_mirrordb.devserver.answer import Answer, RefusedError, json_answer
from airflow_mirrordb.devserver.jobs import CANCELLED, FAILED, OVER, QUEUED
from airflow_mirrordb.devserver.requests.body import parse_object
from airflow_mirrordb.devserver.requests.idempotency import HEADER
from airflow_mirrordb.devserver.requests.pagination import Page
from airflow_mirrordb.devserver.requests.preconditions import entity_tag
from airflow_mirrordb.devserver.resources import Call, create, path_record
from airflow_mirrordb.devserver.store import JobTimes, Record

DEFAULT_ROWS, MAX_ROWS = 3, 1_000_000
ASYNC = "respond-async"


def submit_job(call: Call) -> Answer:
    """Accept a job: 202 with the place to look at (RFC 9110, section 15.3.3).

    Who prefers an answer that comes later is told where that will be (RFC 7240, section 4.1).
    """
    body = parse_object(call.payload)
    told = {
        "state": QUEUED,
        "progress": 0,
        "error": None,
        "idempotency_key": call.request.headers.get(HEADER),
    }
    for name in told:
        if name in body:
            raise RefusedError(422, f"{name} is for the server to tell")
    starts = call.jobs.clock() + _seconds(body, "queued_for", call.jobs.queued_for)
    ends = starts + _seconds(body, "running_for", call.jobs.running_for)
    _rows(body)
    if not isinstance(body.get("fail"), str | None):
        raise RefusedError(422, "fail must be text, the reason of the failure")
    record, headers = create(call, {**body, **told})
    call.store.set_job_times(record, JobTimes(starts=starts, ends=ends))
    job = call.jobs.update(call.store, record)
    headers["ETag"] = entity_tag(job)
    preferences = re.split(r"\s*[,;]\s*", ",".join(call.request.headers.getall("Prefer", [])).lower())
    if ASYNC in preferences:
        headers |= {"Location": f"{headers['Location']}/result", "Preference-Applied": ASYNC}
    return json_answer(202, job.body, headers)


def cancel_job(call: Call) -> Answer:
    """Cancel a job unless it is over; the job that is answered tells which."""
    job = _job(call)
    if job.body["state"] not in OVER:
        job = call.store.replace(job, {**job.body, "state": CANCELLED})
    return json_answer(200, job.body, {"ETag": entity_tag(job)})


def list_result(call: Call) -> Answer:
    """Return a page of the rows that the job made, or 202 as long as it may still make them."""
    job, url = _job(call), call.request.rel_url
    page, state = Page.from_url(url), job.body["state"]
    if state not in OVER:
        return json_answer(202, job.body)
    if state == FAILED:
        raise RefusedError(409, f"{job.resource}/{job.id} failed: {job.body['error']['message']}")
    if state == CANCELLED:
        raise RefusedError(409, f"{job.resource}/{job.id} was cancelled")
    total = _rows(job.body)
    numbers = range(1, total + 1)[page.offset : page.offset + page.limit]
    rows = [{"row": number, "job": job.id} for number in numbers]
    return json_answer(200, rows, page.headers(url, total))


def refuse_all_but(*methods: str) -> Callable[[Call], Answer]:
    """Return the operation of the methods that a path of a job has not (RFC 9110, section 15.5.6)."""
    allowed = ", ".join(methods)

    def refuse(_call: Call) -> Answer:
        raise RefusedError(405, f"of a job, only {allowed} is allowed here", {"Allow": allowed})

    return refuse


def _job(call: Call) -> Record:
    """Return the job that the path names.

    :raises RefusedError: 404, or 409 if the record is older than the name's use for jobs
    """
    record = path_record(call)
    if call.store.job_times(record) is None:
        raise RefusedError(409, f"{record.resource}/{record.id} is no job: it was made as a record")
    return record


def _seconds(body: dict[str, Any], name: str, default: float) -> float:
    """Return a time that the body gives, in seconds, as a number or as the text of one.

    :raises RefusedError: 422
    """
    given = body.get(name)
    if given is None or given == "":
        return default
    try:
        seconds = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise RefusedError(422, f"{name} must be a number of seconds, 0 or more")
    return seconds


def _rows(body: dict[str, Any]) -> int:
    """Return how many rows the result has, as the body gives it.

    :raises RefusedError: 422
    """
    given = body.get("rows")
    if given is None or given == "":
        return DEFAULT_ROWS
    whole = isinstance(given, int | str) and re.fullmatch("[0-9]{1,7}", str(given))
    if not whole or int(given) > MAX_ROWS:
        raise RefusedError(422, f"rows must be a whole number, 0 to {MAX_ROWS}")
    return int(given)
