"""Results with all of an answer, so that one task's ETag and Location are another one's arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import AirflowFailException
from jinja2 import Environment

from airflow_mirrordb.client import GenericMirrorDB, InvalidRequestError, InvalidResponseError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from tests.integration.test_operators import KEYED, MODES, run
from tests.integration.test_sensor import (
    MODES as SENSOR_MODES,
    Scheduler,
    scheduler,  # noqa: F401  # a fixture
)
from tests.support.backends import Answering, ScriptedBackend
from tests.support.connections import ConfigFor, SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")

SECRET = "key-of-the-test"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(MODES[request.param])


def own(result: dict[str, Any]) -> dict[str, Any]:
    """Return a full response without the headers that the test's server sets itself."""
    headers = {name: value for name, value in result["headers"].items() if name not in ("server", "date")}
    return {**result, "headers": headers}


def test_an_answer_without_a_body_has_a_location(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """Else the id of what was created would be lost; its ETag and endpoint go into further tasks."""
    set_connection(scripted.url, extra=KEYED)
    place = {"Location": f"{scripted.url}/api/users/99", "ETag": '"v1"', "Set-Cookie": "sid=1"}
    scripted.answers = [(201, None, place), (200, {"id": 99}, {}), (204, None, {})]

    created = run(
        MirrorDBCreateOperator(
            task_id="create", endpoint="api/users", data={"name": "Ada"}, full_response=True, **mode
        )
    )
    assert own(created) == {
        "status": 201,
        "headers": {"location": f"{scripted.url}/api/users/99", "etag": '"v1"', "content-length": "0"},
        "etag": '"v1"',
        "location": "api/users/99",
        "data": None,
    }
    rendered: dict[str, Any] = {
        name: Environment(autoescape=False).from_string(template).render(created=created)
        for name, template in {
            "endpoint": "{{ created['location'] }}",
            "if_match": "{{ created['etag'] }}",
        }.items()
    }
    run(MirrorDBUpdateOperator(task_id="update", data={"name": "Bo"}, **rendered, **mode))
    run(MirrorDBDeleteOperator(task_id="delete", **rendered, **mode))
    assert scripted.requests == ["POST /api/users", "PUT /api/users/99", "DELETE /api/users/99"]
    assert [headers.get("If-Match") for headers in scripted.headers] == [None, '"v1"', '"v1"']


def test_response_filter_gets_all_of_it(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """As it gets anything else that would be the result."""
    set_connection(scripted.url)
    scripted.answers = [(200, [1], {"X-Total-Count": "17"})]
    read = MirrorDBReadOperator(
        task_id="read",
        endpoint="api/users",
        full_response="True",  # as a template renders it
        response_filter=lambda answer: int(answer["headers"]["x-total-count"]),
        **mode,
    )
    assert run(read) == 17


def test_pages_and_files_have_the_last_answer_beside_them(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any], tmp_path: Path
) -> None:
    """The data is what it is without."""
    set_connection(scripted.url)
    pages = [(200, [1, 2], {"Link": '</api/users?page=2>; rel="next"'}), (200, [3], {"X-Page": "2"})]
    paged: Any = {"paginate": {"style": "link"}, "full_response": True, "endpoint": "api/users", **mode}
    scripted.answers = [*pages]
    result = run(MirrorDBReadOperator(task_id="read", **paged))
    assert (result["data"], result["headers"]["x-page"]) == ([1, 2, 3], "2")
    scripted.answers = [*pages]
    path = tmp_path / "users.jsonl"
    result = run(MirrorDBReadOperator(task_id="read", output_path=str(path), **paged))
    assert (result["data"]["records"], result["status"], path.read_text()) == (3, 200, "1\n2\n3\n")


def test_each_record_of_a_bulk_has_its_own(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """In the place of its response."""
    set_connection(scripted.url)
    scripted.answers = [(200, {"id": number}, {"ETag": f'"{number}"'}) for number in (1, 2)]
    read = MirrorDBReadOperator(
        task_id="read", endpoint=["api/users/1", "api/users/2"], concurrency=1, full_response=True
    )
    records = run(read)["records"]
    assert [(each["response"]["etag"], each["response"]["data"]["id"]) for each in records] == [
        ('"1"', 1),
        ('"2"', 2),
    ]


def test_the_hook_returns_all_of_an_answer(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Each of its methods; without what the backend repeats of a secret."""
    set_connection(scripted.url, password=SECRET)
    scripted.answers = [(200, {"a": 1}, {"X-Echo": f"Bearer {SECRET}", "X-API-Key": SECRET})] * 4
    with MirrorDBHook() as hook:
        results = [
            hook.create("api/users", {}, full_response=True),
            hook.read("api/users/1", full_response=True),
            hook.update("api/users/1", {}, full_response=True),
            hook.delete("api/users/1", full_response=True),
        ]
    for result in results:
        assert result["headers"]["x-echo"] == "Bearer ***"
        assert result["data"] == {"a": 1}
    assert SECRET not in json.dumps(results)


async def test_records_come_one_by_one_all_the_same(answering: Answering, config_for: ConfigFor) -> None:
    """A record is no answer."""
    backend = await answering(web.json_response([1, 2]))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        found = client.records("m", "api/users", paginate={"style": "link"}, full_response=True)
        assert [record async for record in found] == [1, 2]


def test_headers_count_in_what_is_stored(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """An event and a result have a limit."""
    set_connection(scripted.url)
    scripted.answers = [(200, {}, {"X-Long": "x" * 5000})]
    read = MirrorDBReadOperator(
        task_id="read", endpoint="api/users", full_response=True, max_event_bytes=4000, **mode
    )
    with pytest.raises(AirflowFailException) as raised:
        run(read)
    assert isinstance(raised.value.__cause__, InvalidResponseError)
    assert "max_event_bytes" in str(raised.value)


def test_what_is_no_flag_is_refused(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """And nothing is sent."""
    set_connection(scripted.url)
    with pytest.raises(
        AirflowFailException, match="full_response: it must be true or false, not 'maybe'"
    ) as raised:
        run(MirrorDBReadOperator(task_id="read", endpoint="api/users", full_response="maybe"))
    assert isinstance(raised.value.__cause__, InvalidRequestError)
    assert scripted.requests == []


@pytest.mark.parametrize("sensor_mode", SENSOR_MODES)
def test_a_sensor_returns_all_and_looks_at_the_body(
    scheduler: Scheduler,  # noqa: F811  # the fixture
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    sensor_mode: str,
) -> None:
    """The condition is the same as without."""
    set_connection(scripted.url)
    scripted.answers = [(200, {"state": "queued"}, {}), (200, {"state": "done"}, {"ETag": '"v2"'})]
    result = scheduler.run(field="state", equals="done", full_response=True, **SENSOR_MODES[sensor_mode])
    assert (result["status"], result["etag"], result["data"]) == (200, '"v2"', {"state": "done"})
    assert scripted.answers == []
