"""Airflow's bases, with a result that type checkers let stand for the value that it will be; theirs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import (
        BaseOperator as _BaseOperator,
        BaseSensorOperator as _BaseSensorOperator,
        XComArg,
    )

    class TaskResult(XComArg, Any):  # type: ignore[misc]  # what derives from Any may be passed anywhere
        """The result of a task, which another task takes in the place of its value."""

    class BaseOperator(_BaseOperator):
        @property
        def output(self) -> TaskResult:
            """The result of the task."""

    class BaseSensorOperator(_BaseSensorOperator):
        @property
        def output(self) -> TaskResult:
            """The result of the task."""
