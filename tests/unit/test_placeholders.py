"""Placeholders in an endpoint, where values should be: half a formatted string, or a route of Express."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_mirrordb.client import ConfigError, EndpointNotAllowedError, MirrorDBConfig
from airflow_mirrordb.client.endpoints.paths import refuse_placeholders
from airflow_mirrordb.client.endpoints.registry import EndpointRegistry
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor

#: By Python's format strings, patterns of this package, Express and Rails, and Flask.
PLACEHOLDERS = [
    "users/{id}",
    "users/{user_id}/posts",
    "users/{id:int}",
    "users/{ params.id }",
    "users/{user['id']}",
    "users/:id",
    "users/:user_id/posts",
    ":id",
    "users/<id>",
    "users/<int:user_id>",
    "Orders({id})",
    "files/{name}.json",
    "books/{id}:archive",
]
#: OData's keys and GUIDs (OData 4.01, URL Conventions, section 4.3.1), custom methods (google.aip.dev/136),
#: and what is written so in percent-encoding.
LITERALS = [
    "Orders(1)",
    "Orders(id=7)",
    "books/7:archive",
    "places:searchText",
    "users/a:b",
    "users/:7",
    "users/%3Aid",
    "users/%7Bid%7D",
    "files/{6F9619FF-8B86-D011-B42D-00CF4FC964FF}",
    "rooms/!abc:example.org",
]


@pytest.mark.parametrize("endpoint", PLACEHOLDERS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_placeholder_is_refused_before_anything_is_sent(method: str, endpoint: str) -> None:
    """Whatever is registered: the pattern ``users/{id}`` takes any name."""
    registry = EndpointRegistry(
        declared=("users", "DELETE {path:path}", "PUT {path:path}", "GET {path:path}")
    )
    with pytest.raises(EndpointNotAllowedError, match="is a placeholder, which only a pattern has"):
        registry.path_for(method, endpoint)


@pytest.mark.parametrize("endpoint", LITERALS)
def test_what_is_no_placeholder_is_sent(endpoint: str) -> None:
    """A name may hold what begins a placeholder elsewhere."""
    refuse_placeholders(endpoint)
    assert EndpointRegistry(declared=("GET {path:path}",)).path_for("GET", endpoint)


@pytest.mark.parametrize("operator", [MirrorDBReadOperator, MirrorDBDeleteOperator, MirrorDBSensor])
@pytest.mark.parametrize("endpoint", PLACEHOLDERS)
def test_a_placeholder_is_told_when_the_dag_is_read(operator: Any, endpoint: str) -> None:
    """With the task's name, and how it is written."""
    with pytest.raises(ValueError, match=r"task 't': endpoint: .* is a placeholder") as caught:
        operator(task_id="t", endpoint=endpoint)
    assert "f'users/{user_id}'" in str(caught.value)


@pytest.mark.parametrize("operator", [MirrorDBCreateOperator, MirrorDBUpdateOperator])
def test_a_placeholder_in_a_list_is_told_too(operator: Any) -> None:
    """Of a bulk, beside a template."""
    with pytest.raises(ValueError, match="':id' is a placeholder"):
        operator(task_id="t", endpoint=["users/{{ params.a }}", "users/:id"], data={})
    assert operator(task_id="t", endpoint=["users/{{ params.a }}", "users/7"], data={})


def test_what_the_error_shows_is_sent_as_it_is_meant() -> None:
    """Who means a colon escapes it."""
    with pytest.raises(ValueError, match="written '%3Aid'"):
        refuse_placeholders("users/:id")
    assert EndpointRegistry(declared=("users",)).path_for("GET", "users/%3Aid") == "users/%3Aid"


def test_a_test_endpoint_has_no_placeholder_either() -> None:
    """It is asked for as it is."""
    with pytest.raises(ConfigError, match=r"test_endpoint.*'\{id\}' is a placeholder"):
        MirrorDBConfig.model_validate({"base_url": "https://example.com", "test_endpoint": "users/{id}"})
