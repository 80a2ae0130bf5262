"""Paths into a body: JMESPath, and two conveniences.

The expressions and what they find are those of the specification of JMESPath
(https://jmespath.org/specification.html) and of public APIs, whose documentation is named beside each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import jmespath
import pytest
from hypothesis import given, strategies as st

from airflow_mirrordb.client.collections.pages.arguments import check_page_arguments
from airflow_mirrordb.client.errors import InvalidRequestError, MirrorDBError
from airflow_mirrordb.client.jobs.polls import PollState
from airflow_mirrordb.client.messages.response import MirrorDBResponse, unwrapped
from airflow_mirrordb.conditions import Condition
from airflow_mirrordb.operators.mirrordb import MirrorDBReadOperator
from airflow_mirrordb.paths import ABSENT, MAX_LENGTH, NullInPathError, PathError, parse_path, value_at
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from airflow_mirrordb.task.outcomes.polls import judge
from airflow_mirrordb.triggers.selection import Selection

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
#: OData JSON Format 4.01, section 4.6: "@odata.nextLink", and "@nextLink" from 4.01 on.
ODATA = {"@odata.context": "x", "value": [{"id": 1}], "@odata.nextLink": "/users?$skip=2"}
#: FHIR R4, Bundle (https://hl7.org/fhir/R4/bundle.html): links with relations, entries with resources.
FHIR = {
    "link": [{"relation": "self", "url": "/Patient"}, {"relation": "next", "url": "/Patient?page=2"}],
    "entry": [{"resource": {"id": "a"}}, {"resource": {"id": "b"}}],
}
#: Relay's Cursor Connections Specification (https://relay.dev/graphql/connections.htm).
RELAY = {"data": {"orders": {"edges": [{"node": {"id": 1}}], "pageInfo": {"endCursor": "c"}}}}
#: Hydra Core Vocabulary (https://www.hydra-cg.com/spec/latest/core/), as API Platform sends it.
HYDRA = {"hydra:member": [{"id": 1}], "hydra:view": {"hydra:next": "/books?page=2"}}
STEPS = {"job": {"steps": [{"state": "done"}, {"state": None}], "0": {"state": "a key of digits"}}}
#: JMESPath reads what Airflow has as "core.parallelism" of "conf" as two names.
DOTTED = {"conf": {"core.parallelism": 32, "core": {"parallelism": 1}}, "a.b": {"c": 1}, "a": {"b": {"c": 2}}}


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        ("@odata.nextLink", ODATA, "/users?$skip=2"),
        ("d.@odata.nextLink", {"d": ODATA}, "/users?$skip=2"),
        ("entry[].resource", FHIR, [{"id": "a"}, {"id": "b"}]),
        ("link[?relation=='next'].url | [0]", FHIR, "/Patient?page=2"),
        ("link.1.url", FHIR, "/Patient?page=2"),
        ("data.orders.edges[].node", RELAY, [{"id": 1}]),
        ("data.orders.pageInfo.endCursor", RELAY, "c"),
        ("hydra:member", HYDRA, [{"id": 1}]),
        ("hydra:view.hydra:next", HYDRA, "/books?page=2"),
        ('"hydra:member"[].id', HYDRA, [1]),
        ("data[-1].id", {"data": [{"id": 1}, {"id": 2}]}, 2),
        ("data.-1.id", {"data": [{"id": 1}, {"id": 2}]}, 2),
        ("-1", [1, 2], 2),
        ("[0]", [1, 2], 1),
        ("0.x[].y", [{"x": [{"y": 1}]}], [1]),
        ("runs.-1.tasks[?state=='failed'].id", {"runs": [{"tasks": [{"id": 7, "state": "failed"}]}]}, [7]),
        ("items[?path=='a.0.b'].id", {"items": [{"path": "a.0.b", "id": 1}]}, [1]),
        ("job.steps.0.state", STEPS, "done"),
        ("job.steps.1.state", STEPS, None),
        ("job.0.state", STEPS, "a key of digits"),
        ("job[0].state", STEPS, ABSENT),
        ("job.steps.2.state", STEPS, ABSENT),
        ("job.steps.-3.state", STEPS, ABSENT),
        ("job.steps.state", STEPS, ABSENT),
        ("job.steps.0.state.x", STEPS, ABSENT),
        ("conf.core.parallelism", DOTTED, 32),
        ("a.b.c", DOTTED, 2),
        ("a.b", DOTTED, {"c": 1}),
        ('"a.b".c', DOTTED, 1),
        ("entry[].resource", {"entry[].resource": 1}, 1),
        ("x", None, ABSENT),
        ("x", "text", ABSENT),
        ("x[].y", None, None),
        ("total count", {"total count": 3}, 3),
        ("@", [1], [1]),
        ("length(items)", {"items": [1, 2]}, 2),
    ],
)
def test_what_a_path_finds(path: str, body: Any, found: Any) -> None:
    """A key as it is written wins; numbers count in lists; null is something, and nothing is told apart."""
    before = json.dumps(body)
    assert value_at(body, path) == found
    assert json.dumps(body) == before
    assert parse_path(path) is parse_path(path)


@given(body=JSON, names=st.lists(st.sampled_from("abc") | st.integers(-3, 3), min_size=1, max_size=4))
def test_a_plain_path_finds_what_jmespath_finds(body: Any, names: list[str | int]) -> None:
    """Where it has names and indices alone, and nothing is null there as JMESPath says."""
    path = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names).removeprefix(".")
    found = value_at(body, path)
    assert not parse_path(path).is_expression
    assert (None if found is ABSENT else found) == jmespath.search(path, body)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "it is empty"),
        (" ", "it is empty"),
        (7, "of the type int"),
        ("a..b", "unexpected '.' at column 2"),
        (".a", "unexpected"),
        ("a.", "not complete"),
        ("a[", "not complete"),
        ("items[?state='done']", "unexpected"),
        ("hydra:member[].id", "unexpected ':' at column 5; .* double quotes"),
        ("lenght(a)", r"there is no function lenght\(\)"),
        ("[].sort_by(@)", r"sort_by\(\) takes 2 arguments"),
        ("&a", "& stands only before an argument of a function"),
        ("[&a, b]", "& stands only before an argument of a function"),
        ("rows[::0]", "a slice has no step 0"),
        ("not_null()", r"not_null\(\) takes 1 arguments or more"),
        ('a."\\x"', "double quotes"),
        ("(" * 900 + "a" + ")" * 900, "nested too deeply"),
        ("a" * (MAX_LENGTH + 1), "longer than 2,000 characters"),
    ],
)
def test_what_is_no_path_is_told_when_a_dag_is_read(path: str, words: str) -> None:
    """In one short line, by whoever takes a path."""
    with pytest.raises(PathError, match=words) as refused:
        parse_path(path)
    assert len(str(refused.value)) < 500
    assert "\n" not in str(refused.value)
    if not path or not isinstance(path, str):
        return
    with pytest.raises(ValueError, match="field: "):
        Condition(field=path, equals=1)
    with pytest.raises(ValueError, match="field: "):
        MirrorDBSensor(task_id="wait", endpoint="api/x", field=path, equals=1)
    for argument in ("records", "next"):
        arguments = {"style": "body", "next": "next", argument: path}
        with pytest.raises(InvalidRequestError, match=rf"paginate\.{argument}: "):
            check_page_arguments(arguments)
        with pytest.raises(InvalidRequestError, match=rf"paginate\.{argument}: "):
            MirrorDBReadOperator(task_id="read", endpoint="api/x", paginate=arguments)


def test_templates_are_no_paths_yet() -> None:
    """They are looked at when they are rendered."""
    MirrorDBSensor(task_id="wait", endpoint="api/x", field="{{ params.field }}", equals=1)
    paginate = {"style": "{{ params.style }}", "records": "{{ params.records }}", "max_pages": "{{ 3 }}"}
    MirrorDBReadOperator(task_id="read", endpoint="api/x", paginate=paginate)
    with pytest.raises(InvalidRequestError, match=r"paginate\.stlye: unknown"):
        MirrorDBReadOperator(task_id="other", endpoint="api/x", paginate={"stlye": "{{ params.style }}"})


def test_what_cannot_be_done_with_a_body_is_an_error_that_does_not_quote_it() -> None:
    """The functions of JMESPath take values of some types alone, and bodies may be large, or hold secrets."""
    with pytest.raises(PathError, match=r"'length\(a\)': length\(\) takes .*array.*, and there is number"):
        value_at({"a": 123456}, "length(a)")
    with pytest.raises(PathError) as refused:
        value_at({"a": [{"x": "s3cret"}, {"x": 1}]}, "sort_by(a, &x)")
    assert "s3cret" not in str(refused.value)
    assert unwrapped({"a": 1}, "length(a)") == {"a": 1}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("rows[?p > `1`]", "it compares string with number; make both of one type first, by to_number"),
        ("rows[?`1.5` <= p]", "it compares number with string"),
        ("max_by(rows, &p)", "it compares string with number"),
        ("sort(rows[].p)", "sort() takes array-string or array-number, and there is string"),
        (
            "contains(rows[1].p, `1`)",
            "contains() looks for number in string; make it a string first, by to_string",
        ),
        ("merge(rows[0], rows[0].p)", "a function meets number, which it cannot take"),
        ("merge(rows[0], rows)", "it cannot be done with values of the types that are there"),
    ],
)
def test_values_of_several_types_are_told_by_path_and_types(path: str, words: str) -> None:
    """With what to do: JMESPath orders numbers alone ("Comparison Operators"), its library texts as well."""
    with pytest.raises(PathError) as refused:
        value_at({"rows": [{"p": 1}, {"p": "s3cret"}, {"p": 3}]}, path)
    assert str(refused.value).startswith(f"{path!r}: {words}")
    assert "s3cret" not in str(refused.value)
    assert "Error" not in str(refused.value)
    assert not isinstance(refused.value, NullInPathError)


@pytest.mark.parametrize(
    "path",
    [
        "length(runs)",
        "sort_by(rows, &t)",
        "max_by(rows, &t)",
        "ceil(runs)",
        "merge(runs, rows[0])",
        "keys(x)",
    ],
)
def test_null_is_told_apart(path: str) -> None:
    """What is null now, or not there yet, may be something later."""
    with pytest.raises(NullInPathError, match="null"):
        value_at({"runs": None, "rows": [{"t": 1}, {"t": None}]}, path)


@pytest.mark.parametrize("arguments", [{"changed": True}, {"equals": 2}, {"is_in": [1, 2]}])
def test_a_condition_that_cannot_be_judged_fails_the_sensor(arguments: dict[str, Any]) -> None:
    """Instead of waiting for what will never be there, or ending the triggerer."""
    outcome = MirrorDBResponse(
        status=200,
        headers={},
        data={"x": 1},
        body={"x": 1},
        size=7,
        etag=None,
        request_id=None,
        attempts=1,
        elapsed=0.0,
    )
    condition = Condition(field="length(x)", **arguments)
    with pytest.raises(
        MirrorDBError, match=r"could not be judged: .*length\(\) takes .* and there is number"
    ):
        judge(outcome, condition, PollState(), max_failures=5, now=0.0)


@pytest.mark.parametrize("envelope", ["rows[0].data", "rows[?main].data | [0]", "rows[].data | [0]"])
def test_an_envelope_may_be_any_path(envelope: str) -> None:
    """What has nothing there is returned whole."""
    assert unwrapped({"rows": [{"main": True, "data": 7}]}, envelope) == 7
    assert unwrapped({"error": 1}, envelope) == {"error": 1}


def test_what_is_ignored_may_have_a_dot_in_its_name_or_count_from_the_end() -> None:
    """As a key that is read, it is the one that is written so."""
    assert Selection(ignore=["@odata.context", "value.*.@odata.etag", "log.-1"]).of(
        {"@odata.context": 1, "value": [{"id": 1, "@odata.etag": 2}], "log": [1, 2]}
    ) == ({"value": [{"id": 1}], "log": [1]},)


@pytest.mark.parametrize("path", ["a.b.c", "a.b[-1].c", "a.b[].c", "a.b[?c=='x'] | [0]"])
def test_a_path_takes_no_longer_for_a_hostile_body(path: str) -> None:
    """Neither depth, nor length, nor long keys make a path slow: it looks at what it names."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    wide = {"a": {"b": [{"c": "y"}] * 100_000, "x" * 1_000_000: 1}}
    begin = time.thread_time()
    value_at({"a": {"b": deep}}, path)
    value_at(wide, path)
    assert time.thread_time() - begin < 3


def test_a_plain_path_loads_no_library() -> None:
    """Nearly all DAG files name such paths alone."""
    code = (
        "import sys\nfrom airflow_mirrordb.paths import parse_path\nparse_path('job.steps.0.state')\n"
        "print('jmespath' in sys.modules)\nparse_path('a[].b')\nprint('jmespath' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(
    ("path", "body", "written"),
    [
        ("after", {}, {"after": 9}),
        ("after", None, {"after": 9}),
        ("variables.after", {"query": "q"}, {"query": "q", "variables": {"after": 9}}),
        ("variables.after", {"variables": None}, {"variables": {"after": 9}}),
        ("variables.after", {"variables": {"a": 1, "after": 2}}, {"variables": {"a": 1, "after": 9}}),
        ("page.number", {"page.number": 1}, {"page.number": 9}),
        ("a.b.c", {"a": {"b.c": 1}}, {"a": {"b.c": 9}}),
        ('"a.b".c', {}, {"a.b": {"c": 9}}),
        ("queries.0.page", {"queries": [{"q": 1}, {}]}, {"queries": [{"q": 1, "page": 9}, {}]}),
        ("queries[-1].page", {"queries": [{}, {}]}, {"queries": [{}, {"page": 9}]}),
        ("0", {}, {"0": 9}),
        ("0", [1, 2], [9, 2]),
    ],
)
def test_a_plain_path_can_be_written_to(path: str, body: Any, written: Any) -> None:
    """What is read there afterwards is what was written, and the body before is as it was."""
    before = json.dumps(body)
    assert parse_path(path).placed_in(body, 9) == written
    assert value_at(written, path) == 9
    assert json.dumps(body) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("a[?b]", {}),
        ("a[]", {"a": []}),
        ("a.b", {"a": 1}),
        ("a.b", {"a": "text"}),
        ("a.b", {"a": [{}]}),
        ("a[3]", {"a": [1]}),
        ("a[0]", {}),
        ("a", "text"),
    ],
)
def test_what_has_no_place_is_refused(path: str, body: Any) -> None:
    """An expression names no place, and nothing that is there gives way to something of another kind."""
    with pytest.raises(PathError, match=r"write|no place"):
        parse_path(path).placed_in(body, 9)


@given(JSON, st.lists(st.sampled_from(["a", "b", "c.a", "0", "-1"]), min_size=1, max_size=4).map(".".join))
def test_what_was_written_is_read(body: Any, path: str) -> None:
    """Whatever the body: it is one language."""
    try:
        written = parse_path(path).placed_in(body, "new")
    except PathError:
        return
    assert value_at(written, path) == "new"
