"""What an author gave and what rendered to nothing: no request goes out without it.

The arguments are rendered by Airflow, in plain and mapped tasks, as text and as jinja's native types.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import ChainMap
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from enum import Enum, IntEnum
from types import MappingProxyType, SimpleNamespace
from typing import Any

import jinja2
import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    BaseOperator,
    TaskDeferred,
    task as task_decorator,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

from airflow_mirrordb.client import InvalidRequestError
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.outcomes.events import read_event
from airflow_mirrordb.triggers.start import MirrorDBReadStartTrigger, MirrorDBSensorStartTrigger
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

ENDPOINTS = {
    "endpoints": ["GET {p:path}", "POST {p:path}", "PUT {p:path}", "PATCH {p:path}", "DELETE {p:path}"]
}
START = datetime(2026, 1, 1, tzinfo=timezone.utc)

Make = Callable[..., Any]
CREATE, READ, UPDATE, DELETE = (
    MirrorDBCreateOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
    MirrorDBDeleteOperator,
)


class Status(str, Enum):
    ACTIVE = "active"


class Level(IntEnum):
    HIGH = 3


class Lazy(Sequence[Any]):
    """As the output of a mapped task; counts how often it is read."""

    def __init__(self, *items: Any) -> None:
        self._items, self.reads = items, 0

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        self.reads += index == 0
        return self._items[index]


@task_decorator
def nothing() -> None:
    """What an upstream task pushes is what the test says; by default nothing."""


def context_of(pushed: Any = None, map_index: int = -1) -> Any:
    """The context of a task whose upstream task pushed something."""
    ti = SimpleNamespace(
        dag_id="dag",
        run_id="run",
        task_id="task",
        map_index=map_index,
        task=None,
        xcom_pull=lambda **_: pushed,
        xcom_push=lambda **_: None,
        get_relevant_upstream_map_indexes=lambda *_, **__: None,  # Airflow 2 asks for them
    )
    dag_run = SimpleNamespace(conf={}, run_id="run")
    return {
        "ti": ti,
        "run_id": "run",
        "dag_run": dag_run,
        "expanded_ti_count": None,
        "missing": None,
        "tag": '"v1"',
        "blank": "",
        "id": 7,
    }


def execute(operator: Any, context: Any) -> Any:
    """Render a task, and execute it, as Airflow does."""
    context["dag"] = operator.get_dag()
    operator.render_template_fields(context)
    task = context["ti"].task or operator  # of a mapped one Airflow makes another
    return task.execute(context)


def refusal(operator: Any, context: Any) -> InvalidRequestError:
    with pytest.raises(AirflowFailException) as caught:
        execute(operator, context)
    assert isinstance(caught.value.__cause__, InvalidRequestError)
    return caught.value.__cause__


NOTHING: dict[str, tuple[Any, dict[str, Any], str]] = {
    "endpoint": (READ, {"endpoint": "{{ missing }}"}, "endpoint"),
    "part of the endpoint": (READ, {"endpoint": "api/users/{{ missing }}/x"}, "endpoint"),
    "one of the endpoints": (READ, {"endpoint": ["api/users/1", "api/users/{{ missing }}"]}, "endpoint[1]"),
    "query": (READ, {"query": "{{ missing }}"}, "query"),
    "filter": (READ, {"query": {"since": "{{ missing }}"}}, "query['since']"),
    "blank filter": (READ, {"query": {"since": "{{ blank }}"}}, "query['since']"),
    "filter of a list": (READ, {"query": {"id": ["{{ id }}", "{{ missing }}"]}}, "query['id'][1]"),
    "part of a filter": (READ, {"query": {"q": "status={{ missing }}"}}, "query['q']"),
    "header": (READ, {"headers": {"X-Tenant": "{{ missing }}"}}, "headers['X-Tenant']"),
    "timeout": (READ, {"request_timeout": "{{ missing }}"}, "request_timeout"),
    "blank timeout": (READ, {"request_timeout": "{{ blank }}"}, "request_timeout"),
    "worker timeout": (READ, {"worker_timeout": "{{ missing }}"}, "worker_timeout"),
    "label": (READ, {"method_name": "{{ missing }}"}, "method_name"),
    "pages": (READ, {"paginate": "{{ missing }}"}, "paginate"),
    "style of pages": (READ, {"paginate": {"style": "body", "next": "{{ missing }}"}}, "paginate.next"),
    "file": (READ, {"output_path": "{{ missing }}"}, "output_path"),
    "blank file": (READ, {"output_path": "{{ blank }}"}, "output_path"),
    "data of an update": (UPDATE, {"data": "{{ missing }}"}, "data"),
    "data of a create": (CREATE, {"data": "{{ missing }}"}, "data"),
    "part of the data": (CREATE, {"data": {"customer": {"id": "{{ missing }}"}}}, "data.customer.id"),
    "one of the data": (CREATE, {"data": {"ids": ["{{ id }}", "{{ missing }}"]}}, "data.ids[1]"),
    "a link in the data": (CREATE, {"data": {"href": "/users/{{ missing }}/x"}}, "data.href"),
    "data as text": (CREATE, {"data": '{"customer": "{{ missing }}"}'}, "data.customer"),
    "data as text of Python": (CREATE, {"data": "{'customer': '{{ missing }}'}"}, "data"),
    "data as text, deep": (CREATE, {"data": '{"a": [1, {"b": "/{{ missing }}/x"}]}'}, "data.a[1].b"),
    "null as text": (CREATE, {"data": "{{ missing | tojson }}"}, "data"),
    "condition": (UPDATE, {"data": {}, "if_match": "{{ missing }}"}, "if_match"),
    "blank condition": (UPDATE, {"data": {}, "if_match": "{{ blank }}"}, "if_match"),
    "condition of a delete": (DELETE, {"if_match": "{{ missing }}"}, "if_match"),
    "partial": (UPDATE, {"data": {}, "partial": "{{ missing }}"}, "partial"),
    "missing_ok": (DELETE, {"missing_ok": "{{ missing }}"}, "missing_ok"),
    "key": (CREATE, {"data": {}, "idempotency_key": "{{ missing }}"}, "idempotency_key"),
    "blank key": (CREATE, {"data": {}, "idempotency_key": "{{ blank }}"}, "idempotency_key"),
    "mapping that is no dict": (READ, {"query": MappingProxyType({"a": "{{ missing }}"})}, "query['a']"),
}  # fmt: skip


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_template_that_renders_to_nothing_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, name: str, native: bool, deferrable: bool
) -> None:
    """With the argument, the place in it and the template; nothing is sent, and Airflow does not retry."""
    set_connection(scripted.url, extra={**ENDPOINTS, "idempotency_header": "Idempotency-Key"})
    make, arguments, field = NOTHING[name]
    with DAG("dag", schedule=None, start_date=START, render_template_as_native_obj=native):
        operator = make(
            **{"task_id": "task", "endpoint": "api/users/1", "deferrable": deferrable, **arguments}
        )
    error = refusal(operator, context_of())
    if name == "data as text of Python":  # which is no JSON
        field, name = ("data.customer", name) if native else ("data", "null as text")
    assert error.field == field
    if name != "null as text":
        assert "rendered to nothing" in error.message
        assert "{{" in error.message
    assert scripted.requests == []


OUTPUT: dict[str, tuple[Any, Callable[[Any], dict[str, Any]], str]] = {
    "endpoint": (READ, lambda given: {"endpoint": given}, "endpoint"),
    "query": (READ, lambda given: {"query": given}, "query"),
    "filter": (READ, lambda given: {"query": {"customer": given}}, "query['customer']"),
    "header": (READ, lambda given: {"headers": {"X-Tenant": given}}, "headers['X-Tenant']"),
    "headers": (READ, lambda given: {"headers": given}, "headers"),
    "timeout": (READ, lambda given: {"request_timeout": given}, "request_timeout"),
    "file": (READ, lambda given: {"output_path": given}, "output_path"),
    "pages": (READ, lambda given: {"paginate": given}, "paginate"),
    "data of an update": (UPDATE, lambda given: {"data": given}, "data"),
    "data of a create": (CREATE, lambda given: {"data": given}, "data"),
    "part of the data": (CREATE, lambda given: {"data": {"customer": given}}, "data.customer"),
    "condition": (UPDATE, lambda given: {"data": {}, "if_match": given}, "if_match"),
    "condition of a delete": (DELETE, lambda given: {"if_match": given}, "if_match"),
    "key": (CREATE, lambda given: {"data": {}, "idempotency_key": given}, "idempotency_key"),
}


@pytest.mark.parametrize("name", OUTPUT)
def test_the_output_of_a_task_that_pushed_nothing_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, name: str
) -> None:
    """An XComArg of what was never pushed resolves to None (``airflow/sdk/definitions/xcom_arg.py``)."""
    set_connection(scripted.url, extra=ENDPOINTS)
    make, arguments, field = OUTPUT[name]
    with DAG("dag", schedule=None, start_date=START):
        operator = make(**{"task_id": "task", "endpoint": "api/users/1", **arguments(nothing())})
    error = refusal(operator, context_of())
    assert error.field == field
    assert "XComArg" in error.message
    assert scripted.requests == []


EXPANDED: dict[str, tuple[Any, dict[str, Any], dict[str, Any], str]] = {
    "condition": (UPDATE, {"data": {}}, {"if_match": [None, "v"]}, "if_match"),
    "condition of a delete": (DELETE, {}, {"if_match": [None]}, "if_match"),
    "data of an update": (UPDATE, {}, {"data": [None, {}]}, "data"),
    "data of a create": (CREATE, {}, {"data": [None, {}]}, "data"),
    "query": (READ, {}, {"query": [None, {}]}, "query"),
    "filter as a template": (READ, {}, {"query": [{"a": "{{ missing }}"}]}, "query['a']"),
    "template of all": (UPDATE, {"if_match": "{{ missing }}"}, {"data": [{}]}, "if_match"),
    "pages": (READ, {}, {"paginate": [None]}, "paginate"),
    "file": (READ, {}, {"output_path": [None]}, "output_path"),
    "key": (CREATE, {"data": {}}, {"idempotency_key": [None]}, "idempotency_key"),
}


@pytest.mark.parametrize("by", ["expand", "expand_kwargs"])
@pytest.mark.parametrize("name", EXPANDED)
def test_nothing_that_a_task_is_expanded_over_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, name: str, by: str
) -> None:
    """A mapped task is made with None where it was given None, as one is that was given nothing."""
    set_connection(scripted.url, extra=ENDPOINTS)
    make, common, expanded, field = EXPANDED[name]
    with DAG("dag", schedule=None, start_date=START):
        partial = make.partial(
            task_id="task", **({} if "endpoint" in expanded else {"endpoint": "api/x/1"}), **common
        )
        if by == "expand":
            mapped = partial.expand(**expanded)
        else:
            mapped = partial.expand_kwargs([{key: values[0] for key, values in expanded.items()}])
    error = refusal(mapped, context_of(map_index=0))
    assert error.field == field
    assert scripted.requests == []


def test_what_a_mapped_task_was_not_given_is_not_missing(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """None that stands in ``partial()`` was written so, as in a plain task."""
    set_connection(scripted.url, extra=ENDPOINTS)
    with DAG("dag", schedule=None, start_date=START):
        mapped = UPDATE.partial(task_id="task", endpoint="api/x/1", if_match=None, query=None).expand(
            data=[{"a": None}, {}]
        )
    for index, body in enumerate([b'{"a":null}', b"{}"]):
        scripted.answer(200, {})
        execute(mapped, context_of(map_index=index))
        assert scripted.bodies[index] == body
        assert "If-Match" not in scripted.headers[index]


NATIVE_TEXTS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "query": (READ, {"query": '{"customer": "{{ missing }}"}'}, "query['customer']"),
    "query of Python": (READ, {"query": "{'customer': '{{ missing }}'}"}, "query['customer']"),
    "list in a query": (READ, {"query": '{"id": ["{{ id }}", "{{ missing }}"]}'}, "query['id'][1]"),
    "headers": (READ, {"headers": '{"X-Tenant": "{{ missing }}"}'}, "headers['X-Tenant']"),
    "pages": (READ, {"paginate": '{"style": "body", "next": "{{ missing }}"}'}, "paginate.next"),
    "endpoints": (READ, {"endpoint": '["api/x/1", "api/x/{{ missing }}"]'}, "endpoint[1]"),
    "number in data": (CREATE, {"data": '{"n": {{ missing }}}'}, "data.n"),
    "record": (CREATE, {"data": '[{"n": "{{ missing }}"}]', "bulk": True}, "data[0].n"),
}


@pytest.mark.parametrize("name", NATIVE_TEXTS)
def test_a_text_of_which_jinja_makes_a_value_is_looked_into(
    scripted: ScriptedBackend, set_connection: SetConnection, name: str
) -> None:
    """Native types make a dict or a list of it, in which what rendered to nothing is as little to be seen."""
    set_connection(scripted.url, extra=ENDPOINTS)
    make, arguments, field = NATIVE_TEXTS[name]
    with DAG("dag", schedule=None, start_date=START, render_template_as_native_obj=True):
        operator = make(**{"task_id": "task", "endpoint": "api/x", **arguments})
    error = refusal(operator, context_of())
    assert error.field == field
    assert "{{ missing }}" in error.message
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ('{"n": {{ missing | tojson }}, "note": "{{ id }}"}', b'{"n":null,"note":"7"}'),
        ('{"{{ id }}": "it\'s", "b": "{{ id }}"}', b'{"7":"it\'s","b":"7"}'),
        ('{"a": "\\"{{ id }}", "b": {% if id %}null{% endif %}}', b'{"a":"\\"7","b":null}'),
        ('[{% for name in ["None", "x"] %}"{{ name }}", {% endfor %}1]', b'["None","x",1]'),
        ("{{ value }}", b'{"a":null}'),
    ],
)
@pytest.mark.parametrize("native", [False, True])
def test_a_text_that_says_null_sends_it(
    scripted: ScriptedBackend, set_connection: SetConnection, data: str, body: bytes, native: bool
) -> None:
    """As ``tojson`` does, and an author, and a value that is data."""
    set_connection(scripted.url, extra=ENDPOINTS)
    scripted.answer(200, {})
    with DAG("dag", schedule=None, start_date=START, render_template_as_native_obj=native):
        operator = CREATE(task_id="task", endpoint="api/x", data=data, deferrable=False)
    execute(operator, {**context_of(), "value": {"a": None} if native else '{"a": null}'})
    assert scripted.bodies == [body]


PARTS = {"path": "home/None/x", "owner": "owner=None", "end": "x/None"}


@pytest.mark.parametrize(
    "template",
    [
        "{{ path }}",
        "{{ owner }}",
        "see {{ path }}",
        "{{ path }}\n",
        "{{ owner }}&page={{ id }}",
        "a{{ end }}",
    ],
)
def test_a_value_that_holds_the_word_none_is_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, template: str
) -> None:
    """Only an expression that is a whole part of a path or query, and renders to None, is missing there."""
    set_connection(scripted.url, extra=ENDPOINTS)
    scripted.answer(200, {})
    with DAG("dag", schedule=None, start_date=START):
        operator = CREATE(task_id="task", endpoint="api/x", data={"note": template}, deferrable=False)
    execute(operator, {**context_of(), **PARTS})
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    "template",
    [
        "{{ end }}/{{ missing }}/x",
        "{{ missing }}/{{ end }}",
        "a/{{ id }}/{{ missing }}",
        "?a={{ missing }}&b=1",
    ],
)
def test_a_part_that_is_missing_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, template: str
) -> None:
    """Wherever it is, and whatever the other parts hold."""
    set_connection(scripted.url, extra=ENDPOINTS)
    with DAG("dag", schedule=None, start_date=START):
        operator = CREATE(task_id="task", endpoint="api/x", data={"note": template})
    assert refusal(operator, {**context_of(), **PARTS}).field == "data.note"
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("make", "arguments", "words"),
    [
        (
            DELETE,
            {"endpoint": "{{ ids }}"},
            r"endpoint: .* is a list that a template rendered to text; .*\.output",
        ),
        (
            MirrorDBSensor,
            {"endpoint": "{{ ids }}"},
            "endpoint: .* is a list that a template rendered to text",
        ),
        (READ, {"endpoint": "{{ record }}"}, "endpoint: .* is a dict that a template rendered to text"),
        (CREATE, {"data": "{{ ids }}"}, r"data: .*\.output of a task, end the template with '\| tojson'"),
        (CREATE, {"data": "{{ record }}"}, "data: .* render_template_as_native_obj=True"),
        (CREATE, {"data": "{{ ids }}", "bulk": True}, "data: .* render_template_as_native_obj=True"),
        (CREATE, {"data": "a{{ id }}"}, "data: .* pass a dict or a list instead"),
    ],
)
def test_a_value_that_was_rendered_to_text_says_how_to_give_it(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    make: Any,
    arguments: dict[str, Any],
    words: str,
) -> None:
    """Without native types jinja makes Python's text of a list, which is neither an endpoint nor JSON."""
    set_connection(scripted.url, extra=ENDPOINTS)
    with DAG("dag", schedule=None, start_date=START):
        operator = make(**{"task_id": "task", "endpoint": "api/x", **arguments})
    context = {**context_of(), "ids": ["api/x/1", "api/x/2"], "record": {"name": "Ada"}}
    assert re.search(words, refusal(operator, context).message)
    assert scripted.requests == []


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("make", "arguments", "line", "body"),
    [
        (READ, {"query": {"a": None, "b": 1}}, "GET /api/x?b=1", b""),
        (READ, {"query": {"q": "a {{ missing }} b"}}, "GET /api/x?q=a%20None%20b", b""),
        (READ, {"query": {"q": ""}}, "GET /api/x?q=", b""),
        (READ, {"endpoint": "api/{{ id }}"}, "GET /api/7", b""),
        (READ, {"query": {"a": Status.ACTIVE, "b": Level.HIGH}}, "GET /api/x?a=active&b=3", b""),
        (READ, {"query": ChainMap({"id": ("{{ id }}",)})}, "GET /api/x?id=7", b""),
        (CREATE, {"data": None}, "POST /api/x", b""),
        (CREATE, {"data": {"a": None, "b": ""}}, "POST /api/x", b'{"a":null,"b":""}'),
        (CREATE, {"data": {"a": "None of them"}}, "POST /api/x", b'{"a":"None of them"}'),
        (CREATE, {"data": {"note": "a {{ missing }} b"}}, "POST /api/x", b'{"note":"a None b"}'),
        (CREATE, {"data": {"href": "/None/{{ id }}"}}, "POST /api/x", b'{"href":"/None/7"}'),
        (CREATE, {"data": MappingProxyType({"id": "n{{ id }}"})}, "POST /api/x", b'{"id":"n7"}'),
        (CREATE, {"data": '{"a": null}'}, "POST /api/x", b'{"a":null}'),
        (UPDATE, {"endpoint": "api/x", "data": {}}, "PUT /api/x", b"{}"),
    ],
)  # fmt: skip
def test_what_an_author_wrote_is_sent(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    make: Any,
    arguments: dict[str, Any],
    line: str,
    body: bytes,
    native: bool,
) -> None:
    """None and empty texts of his own, and templates that are only a part of a text."""
    set_connection(scripted.url, extra=ENDPOINTS)
    scripted.answer(200, {})
    with DAG("dag", schedule=None, start_date=START, render_template_as_native_obj=native):
        operator = make(**{"task_id": "task", "endpoint": "api/x", **arguments})
    execute(operator, context_of())
    assert (scripted.requests, scripted.bodies) == ([line], [body])


@pytest.mark.parametrize("native", [False, True])
def test_an_entity_tag_keeps_its_quotes(
    scripted: ScriptedBackend, set_connection: SetConnection, native: bool
) -> None:
    """Jinja's native types take them for those of a Python string."""
    set_connection(scripted.url, extra=ENDPOINTS)
    scripted.answer(200, {})
    with DAG("dag", schedule=None, start_date=START, render_template_as_native_obj=native):
        operator = UPDATE(task_id="task", endpoint="api/x", data={}, if_match="{{ tag }}")
    execute(operator, context_of())
    assert scripted.headers[0]["If-Match"] == '"v1"'


@pytest.mark.parametrize(
    ("arguments", "pushed", "line", "body"),
    [
        (lambda given: {"data": given}, Lazy(1, 4), "POST /api/x", b"[1,4]"),
        (lambda given: {"data": {"ids": given}}, Lazy(1, Lazy(4)), "POST /api/x", b'{"ids":[1,[4]]}'),
        (lambda given: {"query": {"id": given}, "data": {}}, Lazy(1, 4), "POST /api/x?id=1&id=4", b"{}"),
        (lambda given: {"data": given}, {"a": None, "b": ""}, "POST /api/x", b'{"a":null,"b":""}'),
        (lambda given: {"data": {"note": given}}, "", "POST /api/x", b'{"note":""}'),
        (lambda given: {"data": given}, MappingProxyType({"a": Level.HIGH}), "POST /api/x", b'{"a":3}'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("keyed", [False, True])
def test_what_a_task_pushed_is_sent(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    arguments: Callable[[Any], dict[str, Any]],
    pushed: Any,
    line: str,
    body: bytes,
    keyed: bool,
) -> None:
    """Lazy sequences too, which are read once; and what is null or empty inside of a value is data."""
    set_connection(scripted.url, extra={**ENDPOINTS, **({"idempotency_header": "X-Key"} if keyed else {})})
    scripted.answer(200, {})
    with DAG("dag", schedule=None, start_date=START):
        operator = CREATE(task_id="task", endpoint="api/x", deferrable=keyed, **arguments(nothing()))
    execute(operator, context_of(pushed))
    assert (scripted.requests, scripted.bodies) == ([line], [body])


@pytest.mark.parametrize("name", ["query", "headers"])
def test_a_mapping_that_is_empty_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, name: str
) -> None:
    """Of jinja's native types, or of another task; one that an author wrote is not."""
    set_connection(scripted.url, extra=ENDPOINTS)
    scripted.answer(200, {})
    with DAG("dag", schedule=None, start_date=START, render_template_as_native_obj=True):
        empty = READ(task_id="empty", endpoint="api/x", **dict[str, Any]({name: "{{ {} }}"}))
        no_list = READ(task_id="no_list", endpoint="api/x", **dict[str, Any]({name: "{{ [] }}"}))
        of_a_task = READ(task_id="of_a_task", endpoint="api/x", **dict[str, Any]({name: nothing()}))
        written = READ(task_id="written", endpoint="api/x", deferrable=False, **dict[str, Any]({name: {}}))
    for operator in (empty, no_list, of_a_task):
        assert refusal(operator, context_of({})).field == name
    assert scripted.requests == []
    execute(written, context_of())
    assert scripted.requests == ["GET /api/x"]


@pytest.mark.parametrize("native", [False, True])
def test_an_empty_text_in_data_is_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, native: bool
) -> None:
    """There it is a value as any other: a note may be empty."""
    set_connection(scripted.url, extra=ENDPOINTS)
    scripted.answer(200, {})
    with DAG("dag", schedule=None, start_date=START, render_template_as_native_obj=native):
        operator = UPDATE(task_id="task", endpoint="api/x", data={"note": "{{ blank }}"}, deferrable=False)
    execute(operator, context_of())
    assert scripted.bodies == [b'{"note":""}']


@pytest.mark.parametrize("pushed", [[], Lazy(), [None], None])
def test_a_filter_that_vanishes_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, pushed: Any
) -> None:
    """The client leaves it out of a read, which would read all then; in a mapping from a task as well."""
    set_connection(scripted.url, extra=ENDPOINTS)
    with DAG("dag", schedule=None, start_date=START):
        one = READ(task_id="one", endpoint="api/x", query={"id": nothing()})
        all_of_it = READ(task_id="all", endpoint="api/x", query=nothing())
    assert refusal(one, context_of(pushed)).field == "query['id']"
    assert refusal(all_of_it, context_of({"id": pushed})).field == "query['id']"
    assert scripted.requests == []


def test_a_record_that_is_nothing_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """In a bulk it would be a create without a body."""
    set_connection(scripted.url, extra=ENDPOINTS)
    with DAG("dag", schedule=None, start_date=START):
        operator = CREATE(task_id="task", endpoint="api/x", data=nothing(), bulk=True)
    assert refusal(operator, context_of(Lazy({"a": 1}, None))).field == "data[1]"
    assert scripted.requests == []


def test_an_update_always_has_a_body(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Without one some backends empty the resource."""
    set_connection(scripted.url, extra=ENDPOINTS)
    for partial in (False, True):
        operator = UPDATE(task_id="task", endpoint="api/x", data=None, partial=partial)
        assert refusal(operator, context_of()).field == "data"
    assert scripted.requests == []


@pytest.mark.parametrize("native", [False, True])
def test_an_unknown_name_is_refused_where_jinja_bears_it(
    scripted: ScriptedBackend, set_connection: SetConnection, native: bool
) -> None:
    """``template_undefined`` of a DAG is strict by default; with a lenient one, as jinja's own, it is ''."""
    set_connection(scripted.url, extra=ENDPOINTS)
    with DAG(
        "dag",
        schedule=None,
        start_date=START,
        template_undefined=jinja2.Undefined,  # type: ignore[arg-type]  # Airflow takes it
        render_template_as_native_obj=native,
    ):
        operator = CREATE(task_id="task", endpoint="api/x", data={"a": "{{ who_knows }}"})
        as_text = CREATE(task_id="text", endpoint="api/x", data='{"a": "{{ who_knows }}"}')
    for each in (operator, as_text):
        assert refusal(each, context_of()).field == "data.a"
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"field": "{{ missing }}", "equals": 1}, "field"),
        ({"field": "state", "equals": "{{ missing }}"}, "equals"),
        ({"field": "state", "is_in": ["done", "{{ missing }}"]}, "is_in[1]"),
        ({"query": {"since": "{{ missing }}"}}, "query['since']"),
        ({"headers": {"X-A": "{{ missing }}"}}, "headers['X-A']"),
        ({"request_timeout": "{{ missing }}"}, "request_timeout"),
    ],
)
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_waits_for_nothing_else(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    arguments: dict[str, Any],
    field: str,
    deferrable: bool,
) -> None:
    """Without its field it would wait for another condition, without its filter for another resource."""
    set_connection(scripted.url, extra=ENDPOINTS)
    with DAG("dag", schedule=None, start_date=START):
        sensor = MirrorDBSensor(task_id="task", endpoint="api/x", deferrable=deferrable, **arguments)
    assert refusal(sensor, context_of()).field == field
    assert scripted.requests == []


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="Airflow renders the arguments of triggers from 3.3 on")
@pytest.mark.parametrize(
    ("trigger", "arguments", "field"),
    [
        (MirrorDBReadStartTrigger, {"query": {"since": "{{ missing }}"}}, "query['since']"),
        (MirrorDBReadStartTrigger, {"query": {"since": "{{ who_knows }}"}}, "query['since']"),
        (MirrorDBReadStartTrigger, {"output_path": "{{ missing }}"}, "output_path"),
        (MirrorDBReadStartTrigger, {"paginate": {"style": "{{ blank }}"}}, "paginate.style"),
        (MirrorDBSensorStartTrigger, {"field": "a", "equals": "{{ missing }}"}, "equals"),
        (MirrorDBSensorStartTrigger, {"query": {"since": "{{ missing }}"}}, "query['since']"),
    ],
)
def test_a_task_that_begins_in_the_triggerer_refuses_it_too(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    trigger: Any,
    arguments: dict[str, Any],
    field: str,
) -> None:
    """The triggerer renders the arguments there, and the event tells the worker."""
    set_connection(scripted.url, extra=ENDPOINTS)
    made = trigger(endpoint="api/x", **arguments)
    made.template_fields = tuple(arguments)  # as the setter of its task instance does
    made.render_template_fields(context_of())

    async def event() -> Any:
        return [event.payload async for event in made.run()]

    (payload,) = asyncio.run(event())
    assert payload["status"] == "error"
    assert read_event(payload)["error"]["field"] == field
    assert scripted.requests == []


def test_arguments_are_stored_as_plain_values(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """What a trigger is given is stored: no enum, no mapping of an own kind, no lazy sequence."""
    set_connection(scripted.url, extra=ENDPOINTS)
    ids = Lazy(1, 4)
    with DAG("dag", schedule=None, start_date=START):
        operator = READ(
            task_id="task",
            endpoint="api/x",
            query=MappingProxyType({"status": Status.ACTIVE, "id": nothing()}),
            deferrable=True,
            worker_timeout=0,
        )
    with pytest.raises(TaskDeferred) as deferred:
        execute(operator, context_of(ids))
    stored = json.dumps(deferred.value.trigger.serialize())
    assert "active" in stored
    assert "Status" not in stored
    assert ids.reads == 1


def test_operators_of_others_are_checked_as_well(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Whoever derives an operator names its template fields, and gets the check with them."""
    set_connection(scripted.url, extra=ENDPOINTS)

    class ArchiveOperator(MirrorDBReadOperator):
        template_fields = (*MirrorDBReadOperator.template_fields, "year")

        def __init__(self, *, year: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.year = year

    with DAG("dag", schedule=None, start_date=START):
        operator: BaseOperator = ArchiveOperator(task_id="task", endpoint="api/x", year="{{ missing }}")
    assert refusal(operator, context_of()).field == "year"
