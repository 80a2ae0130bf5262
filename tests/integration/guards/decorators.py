"""Guards of the tasks that authors write: which of their errors no retry of Airflow's comes after."""

from __future__ import annotations

from typing import Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_mirrordb.task.failures import _leave_one_frame
from tests.integration import test_task_decorator as decorated
from tests.support.guards import Guard, nothing


def raised(error: BaseException, *_: Any) -> NoReturn:
    raise error


GUARDS: dict[str, Guard] = {
    "permanent errors of functions": Guard(
        without=raised,
        check=decorated.test_a_permanent_error_is_told_as_by_an_operator,
    ),
    "writes that functions gave up": Guard(
        without=nothing,
        check=decorated.test_a_write_that_was_given_up_is_not_repeated,
        arguments={
            "method": "create_function",
            "extra": {},
            "comes": AirflowFailException,
        },
    ),
    "circles of causes": Guard(
        without=_leave_one_frame,  # which raises the cause while the effect is handled
        check=decorated.test_a_wrapped_permanent_error_ends_the_task,
        arguments={"way": "from_it"},
    ),
}
