"""The idempotency key of a task's write; light: a DAG file that imports an operator loads no client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.compat import task_of_writes

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_mirrordb.client.mirrordb import GenericMirrorDB


def key_of(operator: Any, context: Context, client: GenericMirrorDB, method: str, data: object) -> str | None:
    """Return the idempotency key that the author gave, or one that is derived; None if none is ever sent.

    :raises InvalidRequestError: if it cannot be sent, or says nothing
    """
    from airflow_mirrordb.client.messages.request_headers import checked_key

    if operator.idempotency_key is not None:
        return checked_key(operator.idempotency_key)
    return derive_key(operator, context, method, data) if client.sends_keys else None


def payload_of(body: Mapping[str, Any]) -> Any:
    """Return what of a body tells it from others: the data alone, where it is only that.

    :param body: arguments of a request by name
    """
    given = {name: value for name, value in body.items() if value is not None}
    return given.get("data") if given.keys() <= {"data"} else given


def derive_key(operator: Any, context: Context, method: str, data: object) -> str:
    """Return the idempotency key of a task's write, or of many what is the same in all their keys.

    It is the same over the retries of the client, of the task and of the triggerer, and another for
    another task, run, map index, installation of Airflow, or other data, and after the task was cleared. It
    is made of the data as it is sent; only the order of names in it tells nothing. What cannot be sent is
    refused where it would be, with its place.
    """
    said = {"endpoint": operator.endpoint, "query": operator.query, "data": data}
    if operator.is_many:  # each has its own, by its content
        said = {}
    return key_from(said | {"task": task_of_writes(context["ti"]), "method": method})


def key_from(said: Mapping[str, Any]) -> str:
    """Return the idempotency key of what is said of a write; what JSON cannot hold counts as it is shown."""
    from airflow_mirrordb.client.bodies.encoding import fingerprint
    from airflow_mirrordb.client.errors import InvalidRequestError

    try:
        return fingerprint(said)[:40]
    except InvalidRequestError:
        return fingerprint(repr(said))[:40]
