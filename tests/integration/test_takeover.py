"""A triggerer dies with a write in flight: what the trigger knows that takes over from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_mirrordb.client import Progress
from airflow_mirrordb.task.arguments import fields_of
from airflow_mirrordb.task.memory.takeover import NAME
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.triggers import mirrordb as triggers
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from tests.integration.test_operators import first_event
from tests.integration.test_operators_tries import KEYED
from tests.support.raw_server import RawServer, Reply, json_answer
from tests.support.triggering import taken

if TYPE_CHECKING:
    from tests.support.connections import SetConnection
    from tests.support.triggering import Triggerer

DELETE = {"method": "DELETE", "endpoint": "api/users/1"}
CREATE = {"method": "POST", "endpoint": "api/users", "data": {}, "idempotency_key": "k"}
GONE = Reply(json_answer('{"detail": "no such user"}', "404 Not Found"))
BUSY = Reply(json_answer('{"detail": "in progress"}', "409 Conflict"))
CREATED = Reply(json_answer('{"id": 1}', "201 Created"))


def trigger_for(request: dict[str, Any], **arguments: Any) -> MirrorDBTrigger:
    """Return a trigger as the triggerer makes it of what is stored."""
    return MirrorDBTrigger(**MirrorDBTrigger(request=request, **arguments).serialize()[1])


async def event_from(trigger: Any) -> Any:
    return read_event(await first_event(trigger))


async def dies_in_flight(raw_server: RawServer, request: dict[str, Any], trigger_id: int) -> None:
    """Run a trigger until the backend has its request; there is no answer before its triggerer dies."""
    raw_server.replies = [Reply(then="silence")]
    running = asyncio.create_task(event_from(taken(trigger_for(request), trigger_id)))
    await raw_server.arrived.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def _connection(set_connection: SetConnection, raw_server: RawServer) -> None:
    set_connection(raw_server.base_url, extra=KEYED)


async def test_the_delete_of_a_triggerer_that_died_may_meet_its_404(
    raw_server: RawServer,
    triggerer: Triggerer,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another triggerer runs a trigger with the same id and arguments; the first one did the work."""
    set_connection(raw_server.base_url)
    await dies_in_flight(raw_server, DELETE, 7)
    assert triggerer.xcoms == {NAME: 7}
    raw_server.replies = [GONE]
    event = await event_from(taken(trigger_for(DELETE), 7))
    assert (event["status"], event["http_status"], len(raw_server.requests)) == ("success", 404, 2)
    assert "404 counts as done" in caplog.text


async def test_a_wrong_id_is_an_error_in_the_trigger_too(
    raw_server: RawServer, triggerer: Triggerer, set_connection: SetConnection
) -> None:
    """No earlier run of this trigger sent it; that of another try, or nobody, is noted."""
    set_connection(raw_server.base_url)
    raw_server.default = GONE
    for noted in ({}, {NAME: 0}, {NAME: 6}):
        triggerer.xcoms = noted
        event = await event_from(taken(trigger_for(DELETE), 7))
        assert (event["status"], event["error"]["type"]) == ("error", "NotFoundError")
        assert not event["error"]["maybe_applied"]


async def test_the_keyed_create_of_a_triggerer_that_died_may_still_be_worked_on(
    raw_server: RawServer, triggerer: Triggerer
) -> None:
    """A 409 is then the answer to the request of the first one, and is waited out; else it is a conflict."""
    await dies_in_flight(raw_server, CREATE, 7)
    raw_server.replies = [BUSY, CREATED]
    event = await event_from(taken(trigger_for(CREATE), 7))
    assert (event["status"], event["data"]) == ("success", {"id": 1})
    triggerer.xcoms.clear()
    raw_server.replies = [BUSY]
    event = await event_from(taken(trigger_for(CREATE), 8))
    assert (event["status"], event["error"]["type"]) == ("error", "ConflictError")


@pytest.mark.parametrize(
    ("request_", "progress"),
    [
        ({"method": "GET", "endpoint": "api/users/1"}, Progress()),
        ({"method": "PUT", "endpoint": "api/users/1", "data": {}}, Progress()),
        ({**DELETE, "missing_ok": True}, Progress()),
        (DELETE, Progress(attempts=1, maybe_applied=True)),
    ],
    ids=["read", "update", "missing is fine", "sent by the worker"],
)
async def test_nothing_is_noted_where_it_changes_nothing(
    triggerer: Triggerer, request_: dict[str, Any], progress: Progress
) -> None:
    """Each look and each note is a message to Airflow's supervisor."""
    trigger = trigger_for(request_, progress=fields_of(progress))
    assert (await event_from(taken(trigger)))["status"] == "success"
    assert triggerer.asked == []


async def test_nothing_is_noted_before_the_wait_of_the_request_is_over(
    triggerer: Triggerer, monkeypatch: pytest.MonkeyPatch, raw_server: RawServer
) -> None:
    """Who takes over from a trigger that died in its wait knows that nothing was sent."""

    async def dies(_moment: float) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(triggers, "_sleep_until", dies)
    with pytest.raises(asyncio.CancelledError):
        await event_from(taken(trigger_for(DELETE), 7))
    assert (triggerer.asked, raw_server.requests) == ([], [])


def of_nobody(trigger: MirrorDBTrigger, _triggerer: Triggerer, _patch: pytest.MonkeyPatch) -> Any:
    return trigger  # as in dag.test()


def without_answer(trigger: MirrorDBTrigger, triggerer: Triggerer, _patch: pytest.MonkeyPatch) -> Any:
    triggerer.failing.add("GetXCom")
    return taken(trigger)


def with_xcom_backend(trigger: MirrorDBTrigger, _triggerer: Triggerer, patch: pytest.MonkeyPatch) -> Any:
    if AIRFLOW_V_3_0_PLUS:
        patch.setattr("airflow.sdk.execution_time.xcom.XCom", object())
    else:
        patch.setattr("airflow.models.xcom.XCom", object())
    return taken(trigger)


@pytest.mark.parametrize("made", [of_nobody, without_answer, with_xcom_backend])
async def test_a_delete_counts_as_sent_where_nobody_can_know(
    raw_server: RawServer,
    triggerer: Triggerer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    made: Callable[..., Any],
) -> None:
    """What it is to remove is not there; the log warns of it. A 409 to a create is a conflict there."""
    raw_server.replies = [GONE, BUSY]
    event = await event_from(made(trigger_for(DELETE), triggerer, monkeypatch))
    assert (event["status"], event["http_status"]) == ("success", 404)
    assert (
        "DELETE api/users/1: whether an earlier run of this trigger has sent it is not known" in caplog.text
    )
    event = await event_from(made(trigger_for(CREATE), triggerer, monkeypatch))
    assert event["error"]["type"] == "ConflictError"


async def test_a_note_that_cannot_be_made_is_logged_and_the_write_is_sent(
    raw_server: RawServer, triggerer: Triggerer, caplog: pytest.LogCaptureFixture
) -> None:
    """This run is the first, as it knows; only the next one could not know of it."""
    triggerer.failing.add("SetXCom")
    raw_server.replies = [GONE]
    event = await event_from(taken(trigger_for(DELETE)))
    assert event["error"]["type"] == "NotFoundError"
    assert "the next one will not know that the write was sent" in caplog.text


async def test_an_error_after_the_answer_says_that_the_write_may_be_applied(triggerer: Triggerer) -> None:
    """Whatever goes wrong then, as with an argument of another version."""
    broken: Any = "no number"
    event = await event_from(taken(trigger_for(CREATE, max_event_bytes=broken)))
    assert (event["error"]["type"], event["error"]["maybe_applied"]) == ("MirrorDBError", True)
    assert triggerer.asked == ["GetXCom", "SetXCom"]
