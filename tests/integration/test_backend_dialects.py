"""Backends that update by PATCH only, or wrap what they take and give; the whole way, over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    EndpointNotAllowedError,
    GenericMirrorDB,
    MirrorDBRequest,
)
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBUpdateOperator
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from tests.integration.test_operators import MODES, first_event, restored, run
from tests.integration.test_operators_tries import Tries
from tests.support.backends import ScriptedBackend
from tests.support.connections import ConfigFor, SetConnection

PATCHING = {"update_method": "PATCH"}
KEYED = {"idempotency_header": "Idempotency-Key"}
WRAPPED = {"request_envelope": "data", "response_envelope": "data"}

both = pytest.mark.parametrize(
    ("extra", "partial", "method"),
    [
        ({}, False, "PUT"),
        ({}, True, "PATCH"),
        (PATCHING, False, "PATCH"),
        (PATCHING, True, "PATCH"),
    ],
)
each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))


def update(**arguments: Any) -> MirrorDBUpdateOperator:
    return MirrorDBUpdateOperator(
        **{"task_id": "task", "endpoint": "api/users/1", "data": {"n": 1}, **arguments}
    )


@both
async def test_client_sends_the_method_of_the_connection(
    scripted: ScriptedBackend, config_for: ConfigFor, extra: dict[str, Any], method: str, *, partial: bool
) -> None:
    """``partial`` is always PATCH; the raw request with a method of its own keeps it."""
    scripted.answer(200, {})
    scripted.answer(200, {})
    async with GenericMirrorDB(config_for(scripted.url, **extra)) as client:
        await client.update_function("update", "api/users/1", {}, partial=partial)
        await client.request(MirrorDBRequest(method="PUT", endpoint="api/users/1"))
    assert scripted.requests == [f"{method} /api/users/1", "PUT /api/users/1"]


@both
def test_hook_sends_the_method_of_the_connection(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    extra: dict[str, Any],
    method: str,
    *,
    partial: bool,
) -> None:
    """The hook agrees with the client."""
    set_connection(scripted.url, extra=extra)
    scripted.answer(200, {})
    with MirrorDBHook() as hook:
        hook.update("api/users/1", {}, partial=partial)
    assert scripted.requests == [f"{method} /api/users/1"]


def test_hook_gives_an_update_by_patch_one_key(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """It is sent again only because each attempt carries the same key."""
    set_connection(scripted.url, extra={**PATCHING, **KEYED})
    scripted.answer(502)
    scripted.answer(200, {})
    with MirrorDBHook() as hook:
        hook.update("api/users/1", {})
    assert scripted.answers == []
    assert len({headers["Idempotency-Key"] for headers in scripted.headers}) == 1


def test_hook_guards_an_update_by_patch_without_a_key(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """It is sent once, and the error tells of the PATCH that was sent and of what would have helped."""
    set_connection(scripted.url, extra=PATCHING)
    scripted.answer(502)
    with MirrorDBHook() as hook, pytest.raises(AmbiguousWriteError, match="idempotency_header") as caught:
        hook.update("api/users/1", {})
    assert caught.value.method == "PATCH"
    assert scripted.requests == ["PATCH /api/users/1"]


@both
@each_mode
def test_operator_sends_the_method_of_the_connection(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    extra: dict[str, Any],
    mode: dict[str, Any],
    method: str,
    *,
    partial: bool,
) -> None:
    """So does the operator, deferred or not; a PATCH carries its key from the first attempt on."""
    set_connection(scripted.url, extra={**extra, **KEYED})
    scripted.answer(502)
    scripted.answer(200, {"id": 1})
    assert run(update(partial=partial, **mode)) == {"id": 1}
    assert scripted.requests == [f"{method} /api/users/1"] * 2
    (key,) = {headers.get("Idempotency-Key") for headers in scripted.headers}
    assert (key is not None) is (method == "PATCH")


@each_mode
def test_update_by_patch_is_guarded_without_a_key(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """A PATCH that may have been applied is not sent again, though nobody said ``partial``."""
    set_connection(scripted.url, extra=PATCHING)
    scripted.answer(502)
    with pytest.raises(AirflowFailException) as caught:
        run(update(**mode))
    error = caught.value.__cause__
    assert isinstance(error, AmbiguousWriteError)
    assert error.method == "PATCH"
    assert scripted.requests == ["PATCH /api/users/1"]


def test_trigger_keeps_the_method_that_the_worker_began_with(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """A connection that is changed in between does not turn a guarded write into another one."""
    set_connection(scripted.url, extra={**PATCHING, **KEYED})
    with pytest.raises(TaskDeferred) as deferred:
        update(deferrable=True, worker_timeout=0).execute(Tries().context())
    trigger = restored(deferred.value)
    assert isinstance(trigger, MirrorDBTrigger)
    assert trigger.request["method"] == "PATCH"
    set_connection(scripted.url, extra={"update_method": "PUT", **KEYED, "timeout": 70})
    scripted.answer(200, {})
    assert asyncio.run(first_event(trigger))["status"] == "success"
    assert scripted.requests == ["PATCH /api/users/1"]


def test_later_try_repeats_the_patch_of_the_first(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Its data and its key are kept as those of ``partial=True`` are."""
    set_connection(scripted.url, extra={**PATCHING, **KEYED, "max_attempts": 1})
    tries = Tries()
    scripted.answer(503)
    scripted.answer(200, {})
    with pytest.raises(Exception, match="503"):
        update(data={"at": "first"}).execute(tries.context())
    update(data={"at": "second"}).execute(tries.context())
    assert [json.loads(body) for body in scripted.bodies] == [{"at": "first"}] * 2
    assert len({headers["Idempotency-Key"] for headers in scripted.headers}) == 1


def test_patterns_are_asked_for_the_method_that_is_sent(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """A connection that registers only PUT does not send a PATCH in its place."""
    set_connection(scripted.url, extra={**PATCHING, "endpoints": ["PUT api/users/{id}"]})
    with MirrorDBHook() as hook, pytest.raises(EndpointNotAllowedError, match="PATCH is not registered"):
        hook.update("api/users/1", {})
    with pytest.raises(AirflowFailException, match="PATCH is not registered"):
        run(update())
    assert scripted.requests == []


@each_mode
def test_envelopes_are_the_connections_affair(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """A DAG gives and gets data alone, deferred or not, and each side is wrapped and unwrapped once."""
    set_connection(scripted.url, extra={**WRAPPED, **KEYED})
    scripted.answer(503)
    scripted.answer(200, {"data": {"id": 1, "data": "own"}, "meta": {}})
    assert run(update(**mode)) == {"id": 1, "data": "own"}
    assert [json.loads(body) for body in scripted.bodies] == [{"data": {"n": 1}}] * 2


async def test_whole_body_is_at_hand(scripted: ScriptedBackend, config_for: ConfigFor) -> None:
    """``request()`` gives the data as everybody does, and beside it what lay around it."""
    body = {"data": {"id": 1}, "permissions": {"write": ["ada"]}}
    scripted.answer(200, body)
    async with GenericMirrorDB(config_for(scripted.url, **WRAPPED)) as client:
        response = await client.request(MirrorDBRequest(method="GET", endpoint="api/users/1"))
    assert (response.data, response.body) == ({"id": 1}, body)
    assert "ada" not in repr(response)


@pytest.mark.parametrize(
    "paginate",
    [
        {"style": "body", "next": "meta.next", "param": "cursor"},
        {"style": "body", "next": "meta.next", "param": "cursor", "records": "data"},
        {"style": "page", "param": "page", "size": 2},
    ],
)
async def test_pages_in_envelopes(
    scripted: ScriptedBackend, config_for: ConfigFor, paginate: dict[str, Any]
) -> None:
    """What tells of the next page lies beside the envelope, and no page is lost for that."""
    scripted.answer(200, {"data": [1, 2], "meta": {"next": "c2"}})
    scripted.answer(200, {"data": [3], "meta": {"next": None}})
    if paginate["style"] == "page":
        scripted.answer(200, {"data": []})
    async with GenericMirrorDB(config_for(scripted.url, **WRAPPED)) as client:
        assert await client.read_function("list", "api/users", paginate=paginate) == [1, 2, 3]
    assert scripted.answers == []
