"""How a notification is sent: as the create of an operator, but in little time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mirrordb.client.calls.call import LEAST_TIMEOUT
from airflow_mirrordb.client.config import MirrorDBConfig
from airflow_mirrordb.client.errors import RequestTimeoutError
from airflow_mirrordb.client.messages.request import MirrorDBRequest, attach_request
from airflow_mirrordb.client.messages.request_headers import checked_key
from airflow_mirrordb.client.mirrordb import GenericMirrorDB
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.hooks.runner import in_event_loop
from airflow_mirrordb.notifications.events import key_of
from airflow_mirrordb.task.arguments import request_of
from airflow_mirrordb.task.idempotency_keys import payload_of
from airflow_mirrordb.task.json_data import json_of
from airflow_mirrordb.task.outcomes.events import success_event
from airflow_mirrordb.task.outcomes.log_lines import AnswerLine

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_mirrordb.client.messages.response import MirrorDBResponse
    from airflow_mirrordb.notifications.mirrordb import MirrorDBNotifier

log = logging.getLogger(__name__)


def send(notifier: MirrorDBNotifier, context: Context) -> None:
    """Send what the rendered arguments of a notifier say.

    :param context: tells of which event this is
    :raises MirrorDBError: if it was not sent, or that is not known
    :raises RuntimeError: if called inside an event loop
    """
    if in_event_loop():
        raise RuntimeError(
            "inside an event loop, which it would block, a notifier is awaited, as await"
            " MirrorDBNotifier(..., context=context)"
        )
    with _HookInTime(notifier) as hook:
        hook.run_to_end(_send(notifier, context, hook.get_conn()))


async def send_async(notifier: MirrorDBNotifier, context: Context) -> None:
    """Do the same in an event loop."""
    async with _HookInTime(notifier) as client:
        await _send(notifier, context, client)


class _HookInTime(MirrorDBHook):
    """A hook whose requests take no longer than a notification may, whatever its connection says."""

    def __init__(self, notifier: MirrorDBNotifier) -> None:
        super().__init__(notifier.mirrordb_conn_id, operator=type(notifier).__name__, once=False)
        self._longest = notifier.timeout

    def _with_user_agent(self, config: MirrorDBConfig) -> MirrorDBConfig:
        limits = {name: min(getattr(config, name), self._longest) for name in ("timeout", "max_elapsed")}
        return super()._with_user_agent(config).changed(limits)


async def _send(notifier: MirrorDBNotifier, context: Context, client: GenericMirrorDB) -> None:
    request = _request(notifier, context, client)
    response = await _answer(client, request, notifier.timeout)
    line = AnswerLine(request, notifier.mirrordb_conn_id, success_event(response, request))
    log.info("The notification was sent: %s", line)


def _request(notifier: MirrorDBNotifier, context: Context, client: GenericMirrorDB) -> MirrorDBRequest:
    """Return the create that the rendered arguments describe, under the key of its event.

    :raises InvalidRequestError: if an argument was rendered to something it cannot be
    """
    body = {"data": json_of(notifier.data), "form": notifier.form, "content_type": notifier.content_type}
    request = request_of(notifier, "POST", **body)
    key: str | None = None
    if notifier.idempotency_key is not None:
        key = checked_key(notifier.idempotency_key)
    elif client.sends_keys:
        written = {name: notifier.written.get(name, value) for name, value in body.items()}
        key = key_of(context, request.endpoint, request.query, payload_of(written))
    return replace(request, idempotency_key=key)


async def _answer(client: GenericMirrorDB, request: MirrorDBRequest, longest: float) -> MirrorDBResponse:
    """Send a request and return its answer, or end it.

    Its attempts keep to ``max_elapsed`` themselves. What else may take its time, as a token that an
    authorization server does not give, ends here.

    :raises MirrorDBError: see :meth:`GenericMirrorDB.request`
    """
    facts: dict[str, Any] = {}

    def note(attempts: int, maybe_applied: bool) -> None:  # as the client tells it
        facts.update(attempts=attempts, maybe_applied=maybe_applied, sent=True)

    prepared = client.prepare(request)
    try:
        return await asyncio.wait_for(client.send(prepared, note=note), longest + LEAST_TIMEOUT)
    except asyncio.TimeoutError:
        late = RequestTimeoutError(message=f"no answer within {longest:g} s", **facts)
        raise attach_request(late, prepared.request) from None
