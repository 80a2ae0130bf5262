"""Many full updates of one endpoint: PUT replaces the resource (RFC 9110, section 9.3.4), so one is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_mirrordb.client import BulkError, GenericMirrorDB, InvalidRequestError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBUpdateOperator
from tests.integration.test_operators import context
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.connections import ConfigFor

TWO = [{"name": "Ada"}, {"name": "Grace"}]
ITEMS = [{"data": record} for record in TWO]


def update(**arguments: Any) -> MirrorDBUpdateOperator:
    return MirrorDBUpdateOperator(
        **{"task_id": "t", "endpoint": "api/users/7", "data": TWO, "bulk": True, **arguments}
    )


def test_it_is_refused_when_the_dag_is_read() -> None:
    """With what would be right."""
    with pytest.raises(
        ValueError, match=r"task 't': endpoint: 'api/users/7' is one resource, which 2 recor"
    ) as caught:
        update()
    assert "['users/1', 'users/2']" in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"endpoint": ["api/users/7", "api/users/8"]},
        {"endpoint": ["api/users/7", "api/users/7"]},
        {"endpoint": "api/users/{{ params.id }}"},
        {"data": "{{ params.records }}"},
        {"data": TWO[:1]},
        {"partial": True},
        {"partial": "{{ params.partial }}"},
        {"bulk": False},
    ],
)
def test_what_may_be_meant_is_taken(arguments: dict[str, Any]) -> None:
    """An endpoint for each, be it the same one: of a collection whose records have their ids in the body."""
    assert update(**arguments)


def test_creates_of_one_endpoint_are_what_a_bulk_is_for() -> None:
    """A POST adds to a collection."""
    assert MirrorDBCreateOperator(task_id="t", endpoint="api/users", data=TWO, bulk=True)


def test_it_is_refused_when_templates_were_rendered(
    set_connection: SetConnection, scripted: ScriptedBackend
) -> None:
    """Nothing is sent."""
    set_connection(scripted.url)
    operator = update(data="[{}, {}]")
    with pytest.raises(AirflowFailException, match="is one resource, which 2 records"):
        operator.execute(context())
    assert scripted.requests == []


def test_partial_updates_of_one_endpoint_are_sent(
    set_connection: SetConnection, scripted: ScriptedBackend
) -> None:
    """Each says what changes (RFC 5789); others may be of other fields."""
    set_connection(scripted.url)
    scripted.answers = [(200, {}, {}), (200, {}, {})]
    update(partial=True).execute(context())
    assert scripted.requests == ["PATCH /api/users/7"] * 2


@pytest.mark.parametrize("method", ["update", "PUT"])
async def test_a_bulk_of_the_client_refuses_a_list_before_anything_is_sent(
    answering: Answering, config_for: ConfigFor, method: str
) -> None:
    """Its items come from one endpoint."""
    backend = await answering()
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidRequestError, match="'api/users/7' is one resource"):
            await client.bulk(method, ITEMS, endpoint="api/users/7")
    assert backend.requests == []


def test_a_bulk_of_the_hook_refuses_it_too(set_connection: SetConnection, scripted: ScriptedBackend) -> None:
    """In a plain task."""
    set_connection(scripted.url)
    with MirrorDBHook() as hook, pytest.raises(InvalidRequestError, match="is one resource"):
        hook.bulk("update", ITEMS, endpoint="api/users/7")
    assert scripted.requests == []


async def test_a_bulk_of_an_iterator_sends_the_first_alone(
    answering: Answering, config_for: ConfigFor
) -> None:
    """Nobody knew that there would be others."""

    def items() -> Iterator[dict[str, Any]]:
        yield from ITEMS

    backend = await answering(web.json_response({}), web.json_response({}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(BulkError, match=r"1 record done, 1 failed.*is one resource"):
            await client.bulk("update", items(), endpoint="api/users/7")
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("items", "options"),
    [
        (ITEMS, {"partial": True}),
        ([{"endpoint": "api/users/7", **item} for item in ITEMS], {}),
        ([{"endpoint": "api/users/8", **ITEMS[0]}, ITEMS[1]], {}),
        (ITEMS[:1], {}),
    ],
)
async def test_what_an_item_says_itself_is_sent(
    answering: Answering, config_for: ConfigFor, items: Any, options: dict[str, Any]
) -> None:
    """Its author means it."""
    backend = await answering(web.json_response({}), web.json_response({}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        report = await client.bulk("update", items, endpoint="api/users/7", **options)
    assert report.done == len(items)
