"""What a caller says of a job beside its submit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from airflow_mirrordb.client.calls.argument_names import remedy_for
from airflow_mirrordb.client.errors import InvalidRequestError
from airflow_mirrordb.client.messages.request import BodyOptions, MirrorDBRequest
from airflow_mirrordb.job_arguments import JOB_FIELDS, JobArguments


class JobOptions(BodyOptions, total=False):
    """What the submit of a job may say, and how the job is followed; see :class:`JobArguments`.

    :param timeout: of the job, as there
    :param request_timeout: longest time that one attempt of a request may take, in seconds; the connection's
        if None
    """

    request_timeout: float | None
    job: str | Mapping[str, Any] | None
    state: str | None
    succeeded: Sequence[Any] | None
    failed: Sequence[Any] | None
    running: Sequence[Any] | None
    error: str | None
    progress: str | None
    result: str | Mapping[str, Any] | None
    paginate: Mapping[str, Any] | None
    cancel: str | Mapping[str, Any] | None
    poll_interval: float
    max_failures: int


#: Arguments of a call of its own, beside those of a submit and of a job.
_OF_CALLS = ("method_name", "sink", "output_path", "cancel_on_kill")


def split_options(options: Mapping[str, Any]) -> tuple[JobArguments, dict[str, Any]]:
    """Return how a job is followed, and what its submit says.

    :raises InvalidRequestError: if an argument of the first cannot be meant, or does not exist; names it
    """
    known = {*JobOptions.__annotations__, *(field.name for field in fields(MirrorDBRequest)), *_OF_CALLS}
    for name in options:
        if name not in known:
            message = (
                f"{name}: there is no such argument; {remedy_for(name, sorted(JobOptions.__annotations__))}"
            )
            raise InvalidRequestError(message=message, field=name)
    said = {name: value for name, value in options.items() if name in JOB_FIELDS}
    if said.get("timeout", 0) is None:
        del said["timeout"]
    rest = {name: value for name, value in options.items() if name not in JOB_FIELDS}
    rest["timeout"] = rest.pop("request_timeout", None)
    return arguments_of(said), rest


def arguments_of(said: Mapping[str, Any]) -> JobArguments:
    """Return how a job is followed.

    :raises InvalidRequestError: if an argument cannot be meant; names it
    """
    try:
        return JobArguments(**said)
    except ValueError as error:
        raise InvalidRequestError(message=str(error), field=str(error).partition(":")[0]) from None
