"""What Airflow is told of each request that went over the wire: metrics, and on a worker the lineage."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_mirrordb.client.endpoints.patterns import READS
from airflow_mirrordb.compat import running_operator, running_task

if TYPE_CHECKING:
    from airflow_mirrordb.client.calls.call import Attempt, Observer

_BACKENDS = ("statsd_on", "statsd_datadog_enabled", "otel_on")
_THROTTLED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def observer_for(conn_id: str, context: Any) -> Observer | None:
    """Return what is to see the requests of a connection; None if nobody wants to know, which costs nothing.

    :param context: the hook that makes them, for lineage
    """
    found = (_metrics(conn_id), _lineage(conn_id, context), _task(conn_id))
    observers = [see for see in found if see]

    def observe(attempt: Attempt) -> None:
        for see in observers:
            see(attempt)

    return observe if observers else None


def _metrics(conn_id: str) -> Observer | None:
    """Counters and a timer, from the process that sends: worker or triggerer."""
    if not metrics_are_on():
        return None
    from airflow.providers.common.compat.sdk import Stats

    def send(attempt: Attempt) -> None:
        tags = {
            "conn_id": conn_id,
            "method": attempt.request.method,
            "status": str(attempt.error or attempt.status),
        }
        Stats.incr("mirrordb.requests", tags=tags)
        Stats.timing("mirrordb.latency", timedelta(seconds=attempt.elapsed), tags=tags)
        if attempt.number > 1:
            Stats.incr("mirrordb.retries", tags=tags)
        if attempt.status in _THROTTLED:
            Stats.incr("mirrordb.throttled", tags=tags)

    return send


@functools.cache  # Airflow reads it once a process as well, and thousands of triggers ask at once
def metrics_are_on() -> bool:
    """Whether Airflow sends its metrics anywhere."""
    return any(conf.getboolean("metrics", backend, fallback=False) for backend in _BACKENDS)


def _lineage(conn_id: str, context: Any) -> Observer | None:
    """What was read and written, for the listeners that Airflow calls at the end of a task."""
    if running_operator() is None or (collector := _collector()) is None:
        return None

    def collect(attempt: Attempt) -> None:
        if attempt.error is not None:
            return
        _add(collector, context, conn_id, attempt.request.method, attempt.request.endpoint, attempt.status)

    return collect


def _task(conn_id: str) -> Observer | None:
    """What a task wants to know itself that sends whatever its author likes; operators tell their own."""
    context = running_task()
    see = None if context is None else getattr(context["task"], "see_attempt", None)
    return see and functools.partial(see, conn_id)


def add_lineage(task: Any, conn_id: str, event: Mapping[str, Any]) -> None:
    """Tell on the worker what a trigger read or wrote, where nobody collects lineage.

    :param task: the operator or sensor that was deferred
    :param event: the trigger's :class:`~airflow_mirrordb.task.outcomes.events.SuccessEvent`
    """
    collector = _collector()
    if collector is not None and "endpoint" in event:  # an older trigger does not say
        _add(collector, task, conn_id, event["method"], event["endpoint"], event["http_status"])


def _collector() -> Any:
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
    from airflow.providers.common.compat.sdk import NoOpCollector

    collector = get_hook_lineage_collector()
    return None if isinstance(collector, NoOpCollector) else collector


def _add(collector: Any, context: Any, conn_id: str, method: str, endpoint: str, status: int | None) -> None:
    if status is None or status >= HTTPStatus.MULTIPLE_CHOICES:
        return
    add = collector.add_input_asset if method in READS else collector.add_output_asset
    add(context, scheme="mirrordb", asset_kwargs={"conn_id": conn_id, "endpoint": endpoint})
