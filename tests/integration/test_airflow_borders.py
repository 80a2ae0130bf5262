"""Every JSON value crosses each border of Airflow 3.3 as it is, or is refused before it is handed over.

What lies beyond a border is Airflow's own: its messages in msgpack, its serialization, its API's models
and the columns of its database, on SQLite.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import NoneType, SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from hypothesis import given, strategies as st

if not AIRFLOW_V_3_3_PLUS:
    pytest.skip("each version of Airflow has borders of its own", allow_module_level=True)

from airflow_mirrordb.client import MirrorDBError, MirrorDBRequest, Progress
from airflow_mirrordb.client.jobs.polls import PollState
from airflow_mirrordb.conditions import Condition
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.arguments import fields_of
from airflow_mirrordb.task.memory.state import TaskState
from airflow_mirrordb.task.outcomes.events import event_of, read_event
from airflow_mirrordb.task.serialization import NotStorableError, storable
from airflow_mirrordb.triggers.changes import Observation
from airflow_mirrordb.triggers.event import MirrorDBEventTrigger
from airflow_mirrordb.triggers.mirrordb import MirrorDBTrigger, MirrorDBWaitTrigger, arguments
from airflow_mirrordb.triggers.sensor import MirrorDBSensorTrigger
from tests.support import airflow_borders as borders
from tests.support.json_values import JSON_VALUES, nested, same


def crosses(value: Any) -> bool:
    """Whether a value comes out of an XCom as it went in, as far as SQLite can tell."""
    try:
        return same(borders.xcom(value), value, as_json=True)
    except Exception:  # noqa: BLE001  # each border has its own
        return False


def holds(value: Any, wanted: Any) -> bool:
    """Whether something in a value is what is wanted."""
    if isinstance(value, dict):
        return any(holds(name, wanted) or holds(item, wanted) for name, item in value.items())
    if isinstance(value, list):
        return any(holds(item, wanted) for item in value)
    return bool(wanted(value))


def depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def count(value: Any) -> int:
    """Return the number of values in a value; names that became equal have fewer."""
    if isinstance(value, dict | list):
        return 1 + sum(map(count, value.values() if isinstance(value, dict) else value))
    return 1


def refused_by_other_databases(value: Any) -> bool:
    """What PostgreSQL and MySQL refuse or change, and SQLite does not."""

    def is_wrong(item: Any) -> bool:
        return (isinstance(item, str) and "\0" in item) or (
            isinstance(item, float) and not -(2**63) < item <= 2**64 - 1
        )

    return depth(value) > 100 or holds(value, is_wrong)


# -- results -------------------------------------------------------------------------------------


@given(JSON_VALUES)
def test_a_result_is_what_comes_out_of_its_xcom(value: Any) -> None:
    """Half a surrogate pair is U+FFFD there; what would be lost or changed is refused, and no more.

    Databases do not tell 1.0 from 1: SQLite in a bare number, PostgreSQL in one that is written as 1e16.
    """
    try:
        result = storable(value)
    except NotStorableError:
        whole = without_halves(value)
        assert count(whole) < count(value) or refused_by_other_databases(whole) or not crosses(whole)
        return
    assert same(borders.xcom(result), result, as_json=True)
    assert same(result, without_halves(value))


def without_halves(value: Any) -> Any:
    """Return a value as UTF-8 can hold it: Python's own error handler says which code points it cannot."""
    if isinstance(value, str):
        halves = {code for code in map(ord, value) if 0xD800 <= code <= 0xDFFF}
        return value.translate(dict.fromkeys(halves, "\ufffd"))
    if isinstance(value, list):
        return [without_halves(item) for item in value]
    if isinstance(value, dict):
        return {without_halves(name): without_halves(item) for name, item in value.items()}
    return value


# -- what a task hands to its trigger, and back ----------------------------------------------------


@given(JSON_VALUES)
def test_a_deferred_request_is_the_one_that_was_meant(value: Any) -> None:
    """Data that is shaped like Airflow's own serialization is sent as it is (apache/airflow#59711)."""
    request = MirrorDBRequest(method="PATCH", endpoint="api/users/7", data=value, query={"q": [value]})
    progress = Progress(attempts=2, deadline=1_900_000_000.25)
    made = borders.trigger(MirrorDBTrigger(**arguments(request, progress)))
    assert isinstance(made, MirrorDBTrigger)
    assert same(fields_of(MirrorDBRequest(**made.request)), fields_of(request))
    assert Progress(**made.progress) == progress


SHAPED = {"__type": "dict", "__var": {"q": 1}}


def test_data_that_is_shaped_like_airflows_own_is_sent_as_it_is() -> None:
    """The simplest example of the one above."""
    request = MirrorDBRequest(method="PATCH", endpoint="api/users/7", data=SHAPED)
    made = borders.trigger(MirrorDBTrigger(**arguments(request, Progress())))
    assert isinstance(made, MirrorDBTrigger)
    assert made.request["data"] == SHAPED


@given(JSON_VALUES)
def test_a_deferred_condition_is_the_one_that_was_meant(value: Any) -> None:
    """A sensor waits for the very same value in the triggerer."""
    condition = Condition(field="a.b", is_in=[value])
    state = PollState(failures=1, first="\ud800")
    sent = MirrorDBSensorTrigger(condition=fields_of(condition), state=fields_of(state))
    made = borders.trigger(sent)
    assert isinstance(made, MirrorDBSensorTrigger)
    assert same(fields_of(Condition(**made.condition)), fields_of(condition))
    assert PollState(**made.state) == state


@given(JSON_VALUES)
def test_an_answer_comes_out_of_its_event(value: Any) -> None:
    """No answer ends the triggerer, and the task gets what the trigger got."""

    async def answered() -> dict[str, Any]:
        return {"status": "success", "data": value, "request_id": "\ud800", "endpoint": "api/\udfff"}

    event = asyncio.run(event_of(answered()))
    assert event.payload["status"] == "success"
    got = read_event(borders.event(event.payload))
    assert same(got["data"], value)
    assert (got["request_id"], got["endpoint"]) == ("\ud800", "api/\udfff")


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "\ud800", {"\udfff": 1}, SHAPED])
def test_no_answer_ends_the_triggerer(value: Any) -> None:
    """The simplest examples of the one above: the first four ended its process, for all its triggers."""

    async def answered() -> dict[str, Any]:
        return {"status": "success", "data": value}

    event = asyncio.run(event_of(answered()))
    assert read_event(borders.event(event.payload))["data"] == value


@given(JSON_VALUES)
def test_an_error_comes_out_of_its_event(value: Any) -> None:
    """The words of an error may repeat anything that a backend or an author said."""

    async def failed() -> dict[str, Any]:
        raise MirrorDBError(message=f"{value!r}\0\ud800", endpoint=json.dumps(value))

    event = asyncio.run(event_of(failed()))
    error = MirrorDBError.from_dict(read_event(borders.event(event.payload))["error"])
    assert (error.message, error.endpoint) == (f"{value!r}\0\ud800", json.dumps(value))


@given(JSON_VALUES)
def test_a_wait_hands_back_what_it_was_given(value: Any) -> None:
    """The worker that resumes sends what the first one would have sent."""
    request = MirrorDBRequest(method="POST", endpoint="api/users", data=value)
    made = borders.trigger(MirrorDBWaitTrigger(**arguments(request, Progress())))

    async def only_event() -> Any:
        (event,) = [event async for event in made.run()]
        return event

    event = read_event(borders.event(asyncio.run(only_event()).payload))
    assert same(fields_of(MirrorDBRequest(**event["request"])), fields_of(request))


# -- what a task and a watcher remember ------------------------------------------------------------


@given(JSON_VALUES)
def test_a_task_remembers_any_value(value: Any) -> None:
    """Answers of a bulk's records and data of a write are kept for the next try."""
    context: Any = {"task_state_store": borders.TaskStateStore(), "ti": SimpleNamespace(max_tries=1)}
    TaskState(context).remember("name", {"data": value})
    assert same(TaskState(context).recall("name"), {"data": value})


CURSORS = st.one_of(
    st.text(st.characters(), min_size=1),
    st.sampled_from(("2026-01-01T00:00:00Z", "\0", "\ud800", 2**64, 1e300, 7, -1.5)),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)


def watched(*cursors: Any) -> tuple[list[Any], Any]:
    """Return the events of a watcher that sees these cursors one after the other, and what it keeps."""
    trigger, store = MirrorDBEventTrigger(endpoint="api/x", cursor="at"), borders.AssetStateStore()
    trigger.asset_state_store = SimpleNamespace(_by_name={"asset": store})  # type: ignore[assignment]

    async def observations() -> AsyncIterator[Observation]:
        for cursor in cursors:
            yield Observation(status=200, data=[{"at": cursor}], request_id="\ud800")

    async def no_wait(_seconds: float) -> None:
        pass

    async def follow() -> tuple[list[Any], Any]:
        trigger.sleep = no_wait
        fired = [event.payload async for event in trigger._events(observations())]
        return fired, await trigger._recall()

    fired, kept = asyncio.run(follow())
    assert kept == trigger._kept
    return fired, kept


@pytest.mark.slow
@given(CURSORS, CURSORS)
def test_a_watcher_tells_and_remembers_any_cursor(first: Any, second: Any) -> None:
    """The event is read by DAGs, so it holds what a person can read; what is kept is exact."""
    for payload in watched(first, second)[0]:
        assert same(borders.asset_event(payload), payload, as_json=True)
        assert payload["request_id"] == "\ufffd"
        assert {type(payload["since"]), type(payload["cursor"])} <= {str, int, float, NoneType}


@pytest.mark.parametrize("cursor", [2**64, 2.0**80])
def test_no_cursor_ends_the_triggerer(cursor: Any) -> None:
    """The simplest example of the one above."""
    (payload,), kept = watched(1, cursor)
    assert kept.cursor == cursor
    assert borders.asset_event(payload)["cursor"] == str(cursor)


@pytest.mark.parametrize("value", [2**64, "\ud800", {"__type": "dict", "__var": {}}, {"__id__": 1}])
def test_what_the_triggerer_would_not_be_given_is_told_with_the_dag(value: Any) -> None:
    """Airflow renders these arguments in the triggerer, so they are no text of ours."""
    for make in (
        lambda: MirrorDBReadOperator(
            task_id="t", endpoint="api/x", query={"a": value}, start_from_trigger=True
        ),
        lambda: MirrorDBSensor(
            task_id="t", endpoint="api/x", field="a", equals=[value], start_from_trigger=True
        ),
        lambda: MirrorDBEventTrigger(endpoint="api/x", cursor="at", where={"a": value}).serialize(),
    ):
        with pytest.raises(ValueError, match=r"(query|equals|where): \$"):
            make()


@pytest.mark.parametrize("value", ['{"a": ', "zlib:", "zlib:AAAA", "[1]", "7"])
def test_what_is_no_argument_ends_no_triggerer(value: str) -> None:
    """Of what a trigger's constructor may raise, Airflow's triggerer survives TypeError alone."""
    with pytest.raises(TypeError):
        MirrorDBTrigger(request=value)


def test_deep_answers_cross_as_well() -> None:
    """Deeper than msgpack, pydantic or an XCom take it: response_filter may only want what is at the top."""
    value = nested({"id": 7}, 600)

    async def answered() -> dict[str, Any]:
        return {"status": "success", "data": value}

    assert read_event(borders.event(asyncio.run(event_of(answered())).payload))["data"] == value
