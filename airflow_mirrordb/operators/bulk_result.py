"""What of the report of a bulk becomes the result of its task, which Airflow stores as an XCom.

When the report is made its requests are over: it is made smaller until it may be stored, and is never lost.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.collections.bulk_report import COUNTS
from airflow_mirrordb.client.errors import InvalidResponseError
from airflow_mirrordb.compat import has_xcom_backend
from airflow_mirrordb.task.serialization import HALF_REPLACED, NotStorableError, readable, storable

if TYPE_CHECKING:
    from airflow_mirrordb.operators.base import MirrorDBOperator

log = logging.getLogger(__name__)

Report = dict[str, Any]

LONGEST_MESSAGE = 200  # characters of an error's message that a shortened report keeps
#: What a shortened report keeps of an error: what it was, and whether the record may be sent again.
_KEPT = ("type", "message", "status", "retryable", "maybe_applied")


def result_of_bulk(report: Report, operator: MirrorDBOperator, *, reads: bool) -> Report:
    """Return a report that may be stored in Airflow's database.

    One that is larger than ``max_event_bytes`` gets smaller step by step, with a warning: the answers to
    writes are left out; errors are shortened; of writes only the counts are kept, and under ``not_done`` the
    records that are not done, with their errors, without them, and at last the first of them.

    :param report: as :meth:`~airflow_mirrordb.client.collections.bulk_report.BulkReport.to_dict` gives it
    :param reads: whether its records are reads, whose answers are never left out
    :raises InvalidResponseError: if a report of reads cannot be stored, or is too large with short errors
    """
    if not operator.do_xcom_push:
        return report
    if not has_xcom_backend():
        _make_storable(report["records"], reads=reads)
    most_bytes = operator.max_event_bytes
    whole = _size(report)
    if whole <= most_bytes:
        return report
    steps = _OF_READS if reads else _OF_WRITES
    for told, smaller in steps:
        report = smaller(report, most_bytes)
        if _size(report) <= most_bytes or smaller is _first_not_done:
            log.warning(
                "The report of %d bytes is larger than max_event_bytes (%d): %s", whole, most_bytes, told
            )
            return report
    raise InvalidResponseError(
        message=f"the report of {whole:,} bytes is larger than max_event_bytes ({most_bytes:,}): keep less of"
        " each answer by response_filter, read fewer records, or raise the limit"
    )


def _size(report: object) -> int:
    return len(json.dumps(report))


def _without_answers(report: Report, _most_bytes: int) -> Report:
    records = [
        {name: value for name, value in record.items() if name != "response"} for record in report["records"]
    ]
    return {**report, "records": records}


def _with_short_errors(report: Report, _most_bytes: int) -> Report:
    return {**report, "records": [_shortened(record) for record in report["records"]]}


def _not_done(report: Report, _most_bytes: int) -> Report:
    records = [
        {"position": position, **record}
        for position, record in enumerate(report["records"])
        if record["status"] != "done"
    ]
    return {**_counts(report), "not_done": records}


def _not_done_without_errors(report: Report, _most_bytes: int) -> Report:
    records = [{name: record[name] for name in ("position", "status")} for record in report["not_done"]]
    return {**report, "not_done": records}


def _first_not_done(report: Report, most_bytes: int) -> Report:
    """Return a report with as many of the records that are not done as there is room for."""
    room = most_bytes - _size({**report, "not_done": []})
    ends = accumulate(_size(record) + len(", ") for record in report["not_done"])
    fitting = sum(end <= room for end in ends)
    return {**report, "not_done": report["not_done"][:fitting]}


_Step = tuple[str, Callable[[Report, int], Report]]
_OF_READS: tuple[_Step, ...] = (("the errors in the result are shortened", _with_short_errors),)
_OF_WRITES: tuple[_Step, ...] = (
    ("the answers are not in the result", _without_answers),
    ("the answers are not in the result, and the errors in it are shortened", _with_short_errors),
    ("the result has only the counts, and under 'not_done' the records that are not done", _not_done),
    (
        "the result has only the counts, and under 'not_done' the positions of the records that are not done",
        _not_done_without_errors,
    ),
    (
        "the result has only the counts, and under 'not_done' the positions of the first that are not done",
        _first_not_done,
    ),
)


def _counts(report: Report) -> Report:
    return {name: report[name] for name in COUNTS}


def _shortened(record: Report) -> Report:
    if "error" not in record:
        return record
    error = {name: record["error"][name] for name in _KEPT if name in record["error"]}
    if len(message := error["message"]) > LONGEST_MESSAGE:
        error["message"] = f"{message[: LONGEST_MESSAGE - 1]}…"
    return {**record, "error": error}


def _make_storable(records: Sequence[dict[str, Any]], *, reads: bool) -> None:
    """Change a report's records so that an XCom can hold them; answers to writes that it cannot are left out.

    :raises InvalidResponseError: if an answer to a read is one that it cannot
    """
    left_out, replaced = list[NotStorableError](), False
    for position, record in enumerate(records):
        if "error" in record:
            record["error"] = readable(record["error"])
        if "response" not in record:
            continue
        response = record.pop("response")
        try:
            record["response"] = storable(response, levels=3)
        except NotStorableError as error:
            error.steps[:0] = ["records", position, "response"]
            if reads:
                message = (
                    f"the report cannot be an XCom, at {error}; let response_filter leave that out or make a"
                    " text of it"
                )
                raise InvalidResponseError(message=message) from error
            left_out.append(error)
        else:
            replaced |= record["response"] is not response
    if left_out:
        log.warning(
            "%d answers are not in the result, as an XCom cannot hold them; the first, at %s; response_filter"
            " could leave that out or make a text of it",
            len(left_out),
            left_out[0],
        )
    if replaced:
        log.warning(HALF_REPLACED)
