"""Tasks that run beside the event loop of a test."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TypeVar

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

T = TypeVar("T")


def in_thread_of_task(function: Callable[[], T]) -> T:
    """Call a function that executes an operator, in a thread in which no task ran before.

    Airflow 2 keeps for each thread which operators call each other, and knows only that of the main program.
    """
    if not AIRFLOW_V_3_0_PLUS:
        guard = importlib.import_module("airflow.models.baseoperator").ExecutorSafeguard
        guard._sentinel.callers = {}
    return function()
