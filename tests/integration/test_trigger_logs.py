"""What the log of a trigger says: one line a request, for there may be thousands at once."""

from __future__ import annotations

import asyncio

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
from airflow.triggers.base import TriggerEvent

from airflow_mirrordb.triggers import mirrordb as triggers
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger
from airflow_mirrordb.triggers.sensor import MirrorDBSensorTrigger
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")
LOG = triggers.log  # for which the tests have another one
REQUEST = {"method": "GET", "endpoint": "api/users/7", "method_name": "fetch"}
PREFIX = "GET api/users/7 [fetch] through connection mirrordb_default: "


async def event_of(trigger: MirrorDBTrigger | MirrorDBSensorTrigger) -> TriggerEvent:
    (event,) = [event async for event in trigger.run()]
    return event


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.message for record in caplog.records if record.name.startswith("airflow_mirrordb.triggers")
    ]


def test_one_line_tells_the_way_of_a_request_and_what_came(
    scripted: ScriptedBackend, set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """Who looks at a deferred task sees what was asked, and what came; an error is the worker's to raise."""
    set_connection(scripted.url)
    scripted.answer(200, {"id": 7})
    caplog.set_level("INFO")
    asyncio.run(event_of(MirrorDBTrigger(request=REQUEST)))
    (line,) = lines(caplog)
    assert line.startswith(f"{PREFIX}200 OK in ")


@pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="the log of this Airflow is not structlog's")
def test_the_line_goes_the_way_of_airflows_own(
    scripted: ScriptedBackend, set_connection: SetConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through ``logging`` a line would take a triggerer of Airflow 3.3.2 twice the CPU."""
    monkeypatch.setattr(triggers, "log", LOG)
    scripted.answer(200, {"id": 7})
    set_connection(scripted.url)
    from structlog.testing import capture_logs

    with capture_logs() as captured:
        asyncio.run(event_of(MirrorDBTrigger(request=REQUEST)))
    (line,) = captured
    assert line["event"].startswith(f"{PREFIX}200 OK in ")


def test_one_line_tells_of_each_poll(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who looks at a deferred sensor sees what is asked, and what it waits for."""

    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(MirrorDBSensorTrigger, "sleep", staticmethod(at_once))
    set_connection(scripted.url)
    scripted.answer(404)
    scripted.answer(200, {"id": 7})
    caplog.set_level("INFO")
    asyncio.run(event_of(MirrorDBSensorTrigger(request=REQUEST, deadline=1_900_000_000.0)))
    first, last = lines(caplog)
    assert first.startswith(f"{PREFIX}Not met yet: ")
    assert first.endswith("; next poll in 60.0 s")
    assert last == f"{PREFIX}Met: answered 200"
