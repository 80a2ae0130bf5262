"""Endpoints whose templates lost what they stand for: nothing is sent, least of all to another resource."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

from airflow_mirrordb.client import InvalidRequestError
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from tests.integration.test_operators import context
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

EVERYTHING = {"endpoints": ["QUERY /", "QUERY {all:path}", "QUERY {all:quoted}"]}


@pytest.fixture
def backend(scripted: ScriptedBackend, set_connection: SetConnection) -> ScriptedBackend:
    set_connection(scripted.url, extra=EVERYTHING)
    return scripted


@pytest.mark.parametrize(
    ("endpoint", "is_lost"),
    [
        ("{{ a }}/{{ b }}", True),
        ("/{{ a }}", True),
        ("{{ a }}/", True),
        (["/", "{{ a }}/{{ b }}"], True),
        ("{{ base }}", False),
        ("/", False),
        (["/", "{{ base }}"], False),
    ],
)
def test_lost_names_do_not_become_the_base_url(
    backend: ScriptedBackend, endpoint: Any, *, is_lost: bool
) -> None:
    """``orders/{{ id }}`` of which nothing but the slash is left is no base URL; who means that writes it."""
    with DAG("dag", schedule=None):
        task = MirrorDBReadOperator(task_id="t", endpoint=endpoint, data={}, concurrency=1)
    given: Any = {**context(), "a": "", "b": "", "base": "/"}
    task.render_template_fields(given)
    if not is_lost:
        backend.answers = [(200, {}, {})] * 2
        task.execute(context())
        assert set(backend.requests) == {"POST /"}
        return
    with pytest.raises(AirflowFailException, match="rendered to nothing") as caught:
        task.execute(context())
    assert isinstance(caught.value.__cause__, InvalidRequestError)
    assert caught.value.__cause__.field == ("endpoint" if isinstance(endpoint, str) else "endpoint[1]")
    assert backend.requests == []


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ("users/{{ id }}", "endpoint: 'users/{{ id }}' rendered to 'users/', in which a name is empty"),
        ("users/{{ id }}/orders", "endpoint: 'users/{{ id }}/orders' rendered to 'users//orders'"),
        ("{{ id }}/orders", "endpoint: '{{ id }}/orders' rendered to '/orders'"),
        (["users/7", "users/{{ id }}"], r"endpoint\[1\]: 'users/{{ id }}' rendered to 'users/'"),
    ],
)
def test_the_template_of_an_empty_name_is_named(backend: ScriptedBackend, endpoint: Any, place: str) -> None:
    """Who reads the error sees which of them to mend, and nothing is sent."""
    with DAG("dag", schedule=None):
        task = MirrorDBReadOperator(task_id="t", endpoint=endpoint, data={}, concurrency=1)
    given: Any = {**context(), "id": ""}
    task.render_template_fields(given)
    with pytest.raises(AirflowFailException, match=place):
        task.execute(context())
    assert backend.requests == []


@pytest.mark.parametrize(
    ("template", "given", "says"),
    [
        ("{{ id }}", "/api/jobs/7", "not allowed: it must be relative to .* without a leading slash"),
        ("{{ id }}/status", "/api/jobs/7", "not allowed: it must be relative to .* without a leading slash"),
        (
            "{{ id }}",
            "https://h.example/api/jobs/7",
            "not allowed: it must be relative to .* not a URL of its own",
        ),
        (
            "{{ id }}/status",
            "https://h.example/api/jobs/7",
            "not allowed: it must be relative to .* not a URL of its own",
        ),
        ("api/{{ id }}", "jobs//7", "not allowed: it has an empty name between two slashes"),
    ],
)
def test_a_location_has_no_empty_name(backend: ScriptedBackend, template: str, given: str, says: str) -> None:
    """A ``Location`` may be a path or a URL (RFC 9110, section 10.2.2): its slashes are no missing ids."""
    with DAG("dag", schedule=None):
        task = MirrorDBReadOperator(task_id="t", endpoint=template)
    names: Any = {**context(), "id": given}
    task.render_template_fields(names)
    with pytest.raises(AirflowFailException, match=says) as caught:
        task.execute(context())
    assert "missing id" not in str(caught.value)
    assert backend.requests == []


LOST = [
    *("orders/None", "None", "None/items", "Orders(None)", "Orders('None')", "Orders(OrderID=None,ItemNo=1)"),
    *("books/None:archive", "products/None.json", "projects/group%2FNone", "projects/None%2fproject"),
]
KEPT = ["orders/NoneSuch", "orders/nOne", "Orders('Nonesuch')", "files/a.None", "NoneX.json", "a/xNone"]


@pytest.mark.parametrize("endpoint", [*LOST, *KEPT])
def test_none_is_no_name(backend: ScriptedBackend, endpoint: str) -> None:
    """A missing XCom renders to it: as a segment, an OData key, before a custom method or a suffix."""
    backend.answers = [(200, {}, {})]
    task = MirrorDBReadOperator(task_id="t", endpoint=endpoint, data={})
    if endpoint in KEPT:
        task.execute(context())
        assert len(backend.requests) == 1
        return
    with pytest.raises(AirflowFailException, match="holds 'None'"):
        task.execute(context())
    assert backend.requests == []


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="event triggers came with Airflow 3.0")
@pytest.mark.parametrize("endpoint", LOST)
def test_none_is_nothing_to_watch(endpoint: str) -> None:
    """It is told when the DAG is read."""
    from airflow_mirrordb.triggers.event import MirrorDBEventTrigger

    with pytest.raises(ValueError, match="holds 'None'"):
        MirrorDBEventTrigger(endpoint=endpoint).serialize()
