"""What type checkers and editors know of ``@task.mirrordb``; nothing here is used when a task runs.

Airflow's ``task`` has no types of decorators that other packages bring. So ``mirrordb_task`` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import RetryPolicy, XComArg

    from airflow_mirrordb.client.mirrordb import GenericMirrorDB
    from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
    from airflow_mirrordb.task.outcomes.typed_results import TaskResult

P = ParamSpec("P")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class MirrorDBTask(Protocol[P, R_co]):
    """A function that was made a task; a call in a DAG takes its arguments without the hook."""

    @property
    def function(self) -> Callable[..., R_co]:
        """The function itself, which takes a hook first, as for a test of it."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult: ...

    @overload
    def __call__(self, *args: XComArg, **kwargs: XComArg) -> TaskResult: ...

    def partial(self, **kwargs: Any) -> MirrorDBTask[P, R_co]:
        """Fix arguments of a task that is then mapped over others."""

    def expand(self, **kwargs: XComArg | Sequence[Any] | Mapping[str, Any]) -> TaskResult:
        """Make a task for each combination of items of the arguments."""

    def expand_kwargs(
        self, kwargs: XComArg | Sequence[XComArg | Mapping[str, Any]], *, strict: bool = True
    ) -> TaskResult:
        """Make a task for each mapping of arguments."""

    def override(self, **kwargs: Any) -> MirrorDBTask[P, R_co]:
        """Return the same with other arguments of the decorator."""


class CoroutineNeedsTheClient(Protocol):
    """What becomes of a coroutine function that is annotated with the hook: it gets a GenericMirrorDB."""


class MirrorDBTaskDecorator(Protocol):
    """What makes a task of a function, with arguments or without."""

    @overload
    def __call__(
        self, python_callable: Callable[Concatenate[GenericMirrorDB, P], Coroutine[Any, Any, T]], /
    ) -> MirrorDBTask[P, Coroutine[Any, Any, T]]: ...

    @overload
    def __call__(  # type: ignore[overload-overlap]  # what the next one would let through
        self, python_callable: Callable[Concatenate[MirrorDBHook, P], Coroutine[Any, Any, T]], /
    ) -> CoroutineNeedsTheClient: ...

    @overload
    def __call__(
        self, python_callable: Callable[Concatenate[MirrorDBHook, P], T], /
    ) -> MirrorDBTask[P, T]: ...

    @overload
    def __call__(
        self,
        *,
        mirrordb_conn_id: str = ...,
        multiple_outputs: bool | None = None,
        templates_dict: Mapping[str, Any] | None = None,
        show_return_value_in_logs: bool = True,
        retry_policy: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> MirrorDBTaskDecorator: ...
