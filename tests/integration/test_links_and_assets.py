"""What Airflow's UI and scheduler know of a backend: a task's link to its resource, and assets."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.module_loading import import_string
from airflow.providers.common.compat.sdk import AirflowFailException, Asset, TaskDeferred
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_1_PLUS
from airflow.providers_manager import ProvidersManager

from airflow_mirrordb.assets import create_asset
from airflow_mirrordb.get_provider_info import get_provider_info
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.link import MirrorDBResourceLink
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

TI: Any = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, xcom_push=lambda **_: None)
CONTEXT: Any = {"ti": TI}
since_3 = pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 asks its database for the link")


def shown(task: Any) -> str | None:
    """Return what Airflow 3 keeps as a task's link when it ends or is deferred; None leaves the last one."""
    for link in task.operator_extra_links:
        assert isinstance(link, MirrorDBResourceLink)
        return link.get_link(task, ti_key=TI)
    return None


@since_3
def test_link_leads_to_the_resource(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """It is the URL that was sent, with the prefix of the base URL and without the query."""
    set_connection(f"{scripted.url}/v1", password="secret")
    scripted.answers = [(200, {}, {})] * 2
    for make in (MirrorDBReadOperator, MirrorDBSensor):
        task = make(task_id="t", endpoint="api/users/7", query={"token": "secret"})
        assert shown(task) == ""
        task.execute(CONTEXT)
        assert scripted.requests.pop() == "GET /v1/api/users/7?token=secret"
        assert shown(task) == f"{scripted.url}/v1/api/users/7"


@since_3
def test_link_of_a_task_that_fails(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Somebody wants to look; only where nothing may be sent there is no link."""
    set_connection(scripted.url)
    scripted.answer(404)
    missing = MirrorDBReadOperator(task_id="t", endpoint="api/users/7")
    refused = MirrorDBReadOperator(task_id="t", endpoint="elsewhere/x")
    for task in (missing, refused):
        with pytest.raises(AirflowFailException):
            task.execute(CONTEXT)
    assert (shown(missing), shown(refused)) == (f"{scripted.url}/api/users/7", "")


@pytest.mark.parametrize("status", [200, 404])
def test_link_outlives_a_deferral(
    scripted: ScriptedBackend, set_connection: SetConnection, status: int
) -> None:
    """It is there while the trigger waits, and the process that resumes the task leaves it, whatever came."""
    set_connection(scripted.url)
    scripted.answer(status, {})
    arguments: dict[str, Any] = {"endpoint": "api/users/7", "deferrable": True, "worker_timeout": 0}
    task = MirrorDBReadOperator(task_id="t", **arguments)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(CONTEXT)
    assert shown(task) == f"{scripted.url}/api/users/7"

    async def event() -> Any:
        (event,) = [event async for event in deferred.value.trigger.run()]
        return event.payload

    resumed = MirrorDBReadOperator(task_id="t", **arguments)
    try:
        resumed.execute_complete(CONTEXT, asyncio.run(event()))
    except AirflowFailException:
        assert status == 404
    assert shown(resumed) is None


@since_3
@pytest.mark.parametrize(
    ("endpoints", "shared"),
    [
        (["api/users/7"], "/v1/api/users/7"),
        (["api/users/7", "api/users/7"], "/v1/api/users/7"),
        (["api/users/71", "api/users/7", "api/users/79"], "/v1/api/users"),
        (["api/users", "api/users/7"], "/v1/api/users"),
        (["api/users", "api/users-x", "api/users/7"], "/v1/api"),
        (["api/users/7", "api/orders/7"], "/v1/api"),
        (["api/users/7", "other/7"], "/v1"),
        (["not/allowed", "api/users/7"], "/v1/api/users/7"),
    ],
)
def test_link_of_many_leads_to_what_they_share(
    scripted: ScriptedBackend, set_connection: SetConnection, endpoints: list[str], shared: str
) -> None:
    """It is what all URLs lie below; without a link Airflow shows an empty section "Extra Links"."""
    set_connection(
        f"{scripted.url}/v1", extra={"endpoints": ["api/users", "api/users-x", "api/orders", "other"]}
    )
    scripted.answers = [(200, {}, {})] * len(endpoints)
    tolerant: dict[str, Any] = {"on_error": "continue", "max_failed": 1}
    task = MirrorDBReadOperator(task_id="t", endpoint=endpoints, **tolerant)
    task.execute(CONTEXT)
    assert shown(task) == f"{scripted.url}{shared}"


@since_3
def test_link_of_a_bulk_leads_to_its_collection(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """All records go to one URL, also those that were not sent since one before them failed."""
    set_connection(scripted.url)
    scripted.answers = [(201, {}, {}), (422, {}, {})]
    task = MirrorDBCreateOperator(
        task_id="t", endpoint="api/users", data=[{"n": n} for n in range(9)], bulk=True, concurrency=1
    )
    with pytest.raises(AirflowFailException):
        task.execute(CONTEXT)
    assert shown(task) == f"{scripted.url}/api/users"


@since_3
def test_link_of_a_bulk_of_nothing_leads_to_where_records_would_go(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Airflow 3.3 shows the section "Extra Links" of each task whose operator has links, be they empty.

    So do ``get_extra_links`` in ``airflow/api_fastapi/core_api/routes/public/extra_links.py``, which names
    all of the operator's, and the page, which has the heading as soon as there is a name.
    """
    set_connection(scripted.url)
    task = MirrorDBCreateOperator(task_id="t", endpoint="api/users", data=[], bulk=True)
    task.execute(CONTEXT)
    assert shown(task) == f"{scripted.url}/api/users"


def test_link_is_known_to_airflow() -> None:
    """Its class is registered, and each operator has it; Airflow 2 finds it by that."""
    path = f"{MirrorDBResourceLink.__module__}.{MirrorDBResourceLink.__name__}"
    assert path in ProvidersManager().extra_links_class_names
    assert [type(link) for link in MirrorDBCreateOperator.operator_extra_links] == [MirrorDBResourceLink]


@pytest.mark.parametrize(
    ("conn_id", "endpoint", "uri"),
    [
        ("mirrordb_default", "api/users", "mirrordb://mirrordb_default/api/users"),
        ("Other", "api/users/A7", "mirrordb://Other/api/users/A7"),
        ("a:b/c", "api/users/a b", "mirrordb://a%3Ab%2Fc/api/users/a%20b"),
        ("c", "api/users/a%20b", "mirrordb://c/api/users/a%20b"),
        ("c", "projects/a%2fb", "mirrordb://c/projects/a%2Fb"),
        ("c", "/", "mirrordb://c/"),
    ],
)
def test_asset_is_a_connection_and_an_endpoint(conn_id: str, endpoint: str, uri: str) -> None:
    """An endpoint has one URI, in whichever way it is written; Airflow takes it as it is."""
    assert create_asset(conn_id=conn_id, endpoint=endpoint).uri == Asset(uri=uri).uri == uri
    assert create_asset(conn_id=conn_id, endpoint=endpoint, extra={"a": 1}).extra == {"a": 1}


@pytest.mark.parametrize(
    "uri",
    [
        "mirrordb:///api/users",
        "mirrordb://",
        "mirrordb://u@conn/api",
        "mirrordb://c/a?b=c",
    ],
)
def test_asset_that_names_no_endpoint_is_refused(uri: str) -> None:
    """The DAG does not load, or with Airflow 2 warns; the message shows what is right."""
    if "@" in uri and not AIRFLOW_V_3_1_PLUS:
        pytest.skip("older Airflows drop the user by themselves, and warn")
    with pytest.raises((ValueError, UserWarning), match="as mirrordb://mirrordb_default/api/users"):
        Asset(uri=uri)
    with pytest.raises(ValueError, match=r"^endpoint: '../etc'"):
        create_asset(conn_id="c", endpoint="../etc")


def test_asset_in_openlineage() -> None:
    """OpenLineage knows the connection as the namespace, and the endpoint in it."""
    from openlineage.client.event_v2 import Dataset

    (entry,) = get_provider_info()["asset-uris"]
    convert = import_string(entry["to_openlineage_converter"])
    dataset = convert(Asset(uri="mirrordb://my_backend/api/users/7"), None)
    assert isinstance(dataset, Dataset)
    assert (dataset.namespace, dataset.name) == ("mirrordb://my_backend", "api/users/7")
    base_url = convert(Asset(uri="mirrordb://my_backend/"), None)
    assert (base_url.namespace, base_url.name) == ("mirrordb://my_backend", "/")
