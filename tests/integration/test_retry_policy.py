"""What Airflow 3.3 does next with a task whose error is one of ours, or was raised in its place."""

from __future__ import annotations

import json
import pickle
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    BulkError,
    DisconnectedError,
    InvalidRequestError,
    MirrorDBError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from airflow_mirrordb.client.collections.bulk_report import BulkRecord, BulkReport
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.task.outcomes.causes import errors_behind
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection
from tests.support.wrapped_errors import WAYS, Group, LoadError, as_it_is, from_it, while_handled

since_3_3 = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="retry policies came with Airflow 3.3")

MISSING = NotFoundError(message="404", status=404)
PASSING = ServerError(message="503", status=503, retryable=True)
LIMITED = RateLimitError(message="429", status=429, retryable=True, retry_after=90.0)
AMBIGUOUS = AmbiguousWriteError(message="it may have been applied")

FAIL, DEFAULT, LATER = ("FAIL", None), ("DEFAULT", None), ("RETRY", timedelta(seconds=90))
DECISIONS = {
    "missing": (MISSING, FAIL),
    "ambiguous": (AMBIGUOUS, FAIL),
    "limited": (LIMITED, LATER),
    "passing": (PASSING, DEFAULT),
}


def decided(exception: BaseException) -> tuple[str, timedelta | None]:
    from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy

    decision = MirrorDBRetryPolicy().evaluate(exception, 1, 3)
    return decision.action.name, decision.retry_delay


def raised(way: Any, error: BaseException) -> BaseException:
    """Return what a way raises in the place of a new error that is equal to the given one."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # whatever it is
        way(pickle.loads(pickle.dumps(error)))
    return caught.value


@since_3_3
@pytest.mark.parametrize("kind", DECISIONS)
@pytest.mark.parametrize("way", WAYS)
def test_a_wrapped_error_is_judged_as_the_error_itself(way: str, kind: str) -> None:
    """However it is wrapped ("Exception Chaining" in the tutorial of Python; PEP 3134, PEP 654)."""
    error, decision = DECISIONS[kind]
    assert decided(raised(WAYS[way], error)) == decision


@since_3_3
def test_the_first_error_counts() -> None:
    """A create after a read that found nothing failed by its own error, not by that of the read."""
    limited = raised(while_handled, MISSING)
    limited.__context__, outer = LIMITED, LoadError("create")
    LIMITED.__context__ = MISSING
    outer.__context__ = LIMITED
    try:
        assert decided(LIMITED) == decided(limited) == decided(outer) == LATER
    finally:
        LIMITED.__context__ = None


@since_3_3
def test_what_is_no_consequence_of_an_error_is_left_to_the_task() -> None:
    """``from None`` suppresses the context, and ``from`` another one as well; a traceback tells neither."""

    def from_none(error: BaseException) -> None:
        try:
            as_it_is(error)
        except MirrorDBError:
            raise LoadError("anything else") from None

    def from_another(error: BaseException) -> None:
        try:
            as_it_is(error)
        except MirrorDBError:
            raise LoadError("anything else") from KeyError("another")

    for way in (from_none, from_another):
        exception = raised(way, MISSING)
        assert isinstance(exception.__context__, NotFoundError)
        assert decided(exception) == DEFAULT
    assert decided(ValueError("none of ours")) == decided(KeyboardInterrupt()) == DEFAULT


@since_3_3
@pytest.mark.parametrize(
    ("errors", "decision"),
    [
        ([LIMITED, MISSING], FAIL),
        ([PASSING, AMBIGUOUS, LIMITED], FAIL),
        ([PASSING, LIMITED, RateLimitError(message="429", retryable=True, retry_after=5.0)], LATER),
        ([PASSING, ValueError("other")], DEFAULT),
        ([ValueError("other"), KeyError("other")], DEFAULT),
    ],
)
def test_the_worst_error_of_a_group_decides(errors: list[Exception], decision: Any) -> None:
    """What is permanent in one of them is so in the task; of the waits the longest is long enough for all."""
    assert decided(Group("several", errors)) == decision


@since_3_3
def test_a_group_without_an_error_of_ours_is_judged_by_its_own_cause() -> None:
    """As any other exception is; if it has one, what was handled meanwhile does not count."""
    other = Group("other", [ValueError("other")])
    assert decided(raised(lambda error: raise_from(other, error), MISSING)) == FAIL
    ours = Group("ours", [PASSING])
    assert decided(raised(lambda error: raise_from(ours, error), MISSING)) == DEFAULT


def raise_from(exception: BaseException, cause: BaseException) -> None:
    raise exception from cause


@pytest.mark.parametrize("interruption", [AirflowTaskTimeout("Timeout"), SystemExit(1), KeyboardInterrupt()])
def test_an_interruption_is_no_consequence_of_what_it_struck(interruption: BaseException) -> None:
    """Airflow's ``retries`` go on after a time-out, but where a write may have been applied."""
    ended = DisconnectedError(message="the client was disconnected", retryable=False)
    interruption.__cause__ = ended
    assert errors_behind(interruption) == []
    interruption.__cause__ = AMBIGUOUS
    assert errors_behind(interruption) == [AMBIGUOUS]
    interruption.__cause__, interruption.__context__ = None, MISSING
    interruption.__suppress_context__ = False
    assert errors_behind(interruption) == []
    assert errors_behind(BaseExceptionGroupOf(MISSING)) == [MISSING]


class BaseExceptionGroupOf(BaseException):  # as Python 3.11 calls it
    """A group that is no ``Exception``, as :class:`BaseExceptionGroup`."""

    def __init__(self, *exceptions: BaseException) -> None:
        super().__init__("several")
        self.exceptions = exceptions


def test_a_circle_of_causes_ends() -> None:
    """Python makes none by itself; a library that keeps an exception and raises it again does."""
    first, second, third = LoadError("1"), LoadError("2"), Group("3", [ValueError("other")])
    first.__cause__, second.__context__, third.__cause__ = second, third, first
    assert errors_behind(first) == errors_behind(third) == []
    first.__cause__ = first
    assert errors_behind(first) == []


def test_a_long_way_is_gone_to_its_end() -> None:
    """As a loop makes it that raises each error while it handles the one before."""
    exception: BaseException = MISSING
    for number in range(10_000):
        following = LoadError(number)
        following.__context__ = exception
        exception = following
    assert errors_behind(exception) == [MISSING]


def test_what_only_looks_like_a_group_is_none() -> None:
    """Other exceptions have an attribute of that name, too."""
    for members in (None, "text", [1, "text"], 7, [None]):
        odd = LoadError("odd")
        odd.exceptions = members  # type: ignore[attr-defined]
        odd.__cause__ = MISSING
        assert errors_behind(odd) == [MISSING]


@since_3_3
@pytest.mark.parametrize(
    ("errors", "max_failed", "decision"),
    [
        ([PASSING, LIMITED], None, LATER),
        ([PASSING, PASSING], None, DEFAULT),
        ([LIMITED, MISSING], None, FAIL),
        ([LIMITED, AMBIGUOUS], None, FAIL),
        ([LIMITED, MISSING], 1, LATER),
        ([MISSING, MISSING], 1, FAIL),
    ],
)
def test_a_bulk_is_judged_by_its_worst_records(
    errors: list[MirrorDBError], max_failed: int | None, decision: Any
) -> None:
    """By more than may fail, that is: with those that may, a retry of the others is a success.

    The same on its way from another process, and wrapped.
    """
    report = BulkReport(total=len(errors) + 1)
    for position, error in enumerate([None, *errors]):
        report.records.append(None)
        report.note(position, BulkRecord(status="failed" if error else "done", error=error))
    bulk = report.error(max_failed)
    for same in (bulk, MirrorDBError.from_dict(json.loads(json.dumps(bulk.to_dict())))):
        assert decided(same) == decided(raised(from_it, same)) == decision


@since_3_3
def test_errors_of_the_hook_are_judged(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Those that a ``@task`` meets, of a single request and of many, and those that send none."""
    set_connection(scripted.url, extra={"max_attempts": 1, "adaptive_rate": False})
    with MirrorDBHook() as hook:
        for status, headers, decision in (
            (404, {}, FAIL),
            (429, {"Retry-After": "90"}, LATER),
            (503, {}, DEFAULT),
        ):
            for read in (
                lambda: hook.read("api/users/1"),
                lambda: hook.bulk("read", ["api/users/1"]),
            ):
                scripted.answers = [(status, None, headers)]
                with pytest.raises(MirrorDBError) as failed:
                    read()
                assert decided(raised(from_it, failed.value)) == decision
                assert isinstance(failed.value, BulkError) or failed.value.__cause__ is None
        scripted.answers = [(500, None, {})]
        with pytest.raises(AmbiguousWriteError) as failed:
            hook.create("api/users", {})
        assert decided(failed.value) == FAIL
        with pytest.raises(InvalidRequestError) as failed:
            hook.create("api/users", {"n": float("nan")})
        assert decided(failed.value) == FAIL


@since_3_3
@pytest.mark.parametrize(("status", "decision"), [(404, FAIL), (429, LATER)])
def test_errors_in_a_pipeline_of_dlt_are_judged(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    decision: Any,
) -> None:
    """It raises exceptions of the resource's generator and of the pipeline's step in their place."""
    monkeypatch.setenv("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "false")  # a Variable for each setting
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    dlt, raised_by_dlt = pytest.importorskip("dlt"), import_module("dlt.pipeline.exceptions")
    set_connection(scripted.url, extra={"max_attempts": 1})
    scripted.answers = [(status, None, {"Retry-After": "90"} if status == 429 else {})]

    def users() -> Any:
        with MirrorDBHook() as hook:
            yield hook.read("api/users")

    pipeline = dlt.pipeline("users", pipelines_dir=str(tmp_path), destination="dummy")
    with pytest.raises(raised_by_dlt.PipelineStepFailed) as failed:
        pipeline.extract(dlt.resource(users))
    assert scripted.requests == ["GET /api/users"]
    assert decided(failed.value) == decision


@since_3_3
def test_the_decision_tells_why() -> None:
    """Airflow logs the reason beside the error, and keeps 500 characters of that of a retry for its UI."""
    from airflow_mirrordb.task.outcomes.retry_policy import MirrorDBRetryPolicy

    def reason(exception: BaseException) -> str | None:
        reason: str | None = MirrorDBRetryPolicy().evaluate(exception, 1, 3).reason
        return reason

    assert reason(raised(from_it, MISSING)) == "NotFoundError: no retry helps against it"
    assert reason(AMBIGUOUS) == (
        "AmbiguousWriteError: the write may have been applied, and a retry could apply it twice"
    )
    assert reason(LIMITED) == "the backend asked to come back after 0:01:30"
    assert reason(PASSING) is None
