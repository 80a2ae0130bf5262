"""``@task.mirrordb``: a TaskFlow task whose function gets the open hook, or in a coroutine the client.

Importing this module loads neither aiohttp nor the client: a DAG file is parsed often, and sends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import DecoratedOperator, task_decorator_factory
from airflow.providers.common.compat.standard.operators import PythonOperator

from airflow_mirrordb.decorators.functions import (
    elsewhere,
    is_coroutine_function,
    name_of_hook,
    without_hook,
)
from airflow_mirrordb.task.checks import check_conn_id_argument, check_names, naming
from airflow_mirrordb.task.failures import fail_of_unknown, judge, retry_arguments
from airflow_mirrordb.task.link import LinkedUrls, MirrorDBResourceLink, link

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, RetryPolicy

    from airflow_mirrordb.client.calls.call import Attempt
    from airflow_mirrordb.decorators.task_types import MirrorDBTaskDecorator


class MirrorDBDecoratedOperator(DecoratedOperator, PythonOperator):  # type: ignore[misc]  # Airflow's own bases
    """The task of a function that is decorated by ``@task.mirrordb``.

    A permanent error of the client that the function lets out, as it is or as the cause of another one, ends
    the task without Airflow's retries. So does any error after a write that may not be repeated, and whose
    caller did not wait for the answer, as with ``asyncio.wait_for``. All others are left to the retries.

    :param python_callable: what :func:`~airflow_mirrordb.decorators.functions.without_hook` returns
    :param op_args: of the function, after the hook (templated)
    :param op_kwargs: of the function (templated)
    :param mirrordb_conn_id: connection of the hook (templated)
    :param retry_policy: from Airflow 3.3 on; by default
        :class:`~airflow_mirrordb.task.outcomes.retry_policy.MirrorDBRetryPolicy`, which comes back when the
        backend said
    :raises TypeError: if there is no such argument, or the hook is among those of the function
    """

    template_fields: Sequence[str] = ("mirrordb_conn_id", "templates_dict", "op_args", "op_kwargs")
    template_fields_renderers = {"templates_dict": "json", "op_args": "py", "op_kwargs": "py"}  # noqa: RUF012  # as in Airflow's own
    custom_operator_name = "@task.mirrordb"
    operator_extra_links = (MirrorDBResourceLink(),)
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        mirrordb_conn_id: str = "mirrordb_default",
        retry_policy: RetryPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        with naming(kwargs.get("task_id")):
            _check_arguments({**kwargs, "mirrordb_conn_id": mirrordb_conn_id})
            if (hook := name_of_hook(python_callable)) in (op_kwargs or {}):
                raise TypeError(
                    f"{python_callable.__name__}() gets {hook!r} from @task.mirrordb; do not pass it"
                )
        said: dict[str, Any] = {
            "python_callable": python_callable,
            "op_args": op_args,
            "op_kwargs": op_kwargs,
        }
        super().__init__(kwargs_to_upstream=said, **said, **retry_arguments(retry_policy), **kwargs)
        self.mirrordb_conn_id = mirrordb_conn_id
        self._urls = LinkedUrls()
        self._given_up: Attempt | None = None

    @property
    def is_async(self) -> bool:
        """False: the event loop of Airflow 3.2 and later forgets what an interruption found in flight."""
        return False

    def execute(self, context: Context) -> Any:
        """Call the function, and let the task's link lead to what all of its requests went to."""
        try:
            return super().execute(context)
        except BaseException as error:
            if self._given_up is not None:
                fail_of_unknown(error, self._given_up, self.mirrordb_conn_id)
            raise
        finally:
            if url := self._urls.shared:
                link(self, context, url)

    def see_attempt(self, conn_id: str, attempt: Attempt) -> None:
        """Learn of an attempt of the function's hook, or of another one that it has."""
        from airflow_mirrordb.client import errors

        if conn_id == self.mirrordb_conn_id:
            self._urls.add(attempt.url)
        is_given_up = attempt.error is not None and not hasattr(errors, attempt.error)  # as CancelledError
        if is_given_up and attempt.maybe_applied and not attempt.wire.repeatable and attempt.request.once:
            self._given_up = attempt

    def execute_callable(self) -> Any:
        """Call the function with the hook, or in an event loop with the client."""
        try:
            if is_coroutine_function(self.python_callable):
                return asyncio.run(self._call_with_client())
            return self._call_with_hook()
        except BaseException as error:  # noqa: BLE001  # an interruption may have left a write unknown
            judge(error, self.mirrordb_conn_id)

    def _call_with_hook(self) -> Any:
        from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

        with MirrorDBHook(self.mirrordb_conn_id) as hook:
            hook.get_conn()
            return self.python_callable(hook, *self.op_args, **self.op_kwargs)

    async def _call_with_client(self) -> Any:
        from airflow_mirrordb.hooks.mirrordb import MirrorDBHook

        async with MirrorDBHook(self.mirrordb_conn_id) as client:
            return await self.python_callable(client, *self.op_args, **self.op_kwargs)


def _mirrordb_task(
    python_callable: Any = None, *, multiple_outputs: bool | None = None, **kwargs: Any
) -> Any:
    if python_callable is None:
        return partial(_mirrordb_task, multiple_outputs=multiple_outputs, **kwargs)
    function = without_hook(python_callable)
    with naming(kwargs.get("task_id", function.__name__)):
        _check_arguments(kwargs)
    return task_decorator_factory(
        function,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=MirrorDBDecoratedOperator,
        **kwargs,
    )


#: What ``@task.mirrordb`` is, by a name whose type says what the function gets, and what its callers pass.
mirrordb_task = cast("MirrorDBTaskDecorator", _mirrordb_task)


def _check_arguments(given: Mapping[str, Any]) -> None:
    """Check what the author gave the decorator, also where Airflow makes the task only when it runs.

    :raises TypeError: names an argument that does not exist
    :raises ValueError: names one that cannot be meant
    """
    for name in given:
        if reason := elsewhere(name):
            raise TypeError(reason)
    check_names(MirrorDBDecoratedOperator, given)
    if "mirrordb_conn_id" in given:
        check_conn_id_argument(given["mirrordb_conn_id"])
