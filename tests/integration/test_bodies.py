"""Bodies that are something else than JSON, and what they are called."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_mirrordb.client import GenericMirrorDB, InvalidRequestError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBUpdateOperator
from tests.integration.test_operators import KEYED, MODES, run
from tests.integration.test_operators_tries import Tries, tries  # noqa: F401  # a fixture
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")

FORM = "application/x-www-form-urlencoded"
FIELDS = {"name": "Ada & Bo", "tags": ["a", "ä"], "n": 1, "on": True, "empty": ""}
SENT = b"name=Ada+%26+Bo&tags=a&tags=%C3%A4&n=1&on=true&empty="


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(MODES[request.param])


def seen(scripted: ScriptedBackend) -> list[tuple[str, str, bytes]]:
    parts = zip(scripted.requests, scripted.headers, scripted.bodies, strict=True)
    return [(line, headers.get("Content-Type", ""), body) for line, headers, body in parts]


@pytest.mark.parametrize("keyed", [False, True])
def test_a_form_is_sent_in_every_mode(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any], *, keyed: bool
) -> None:
    """As the WHATWG URL Standard serializes it: blanks are '+', a list repeats its name."""
    set_connection(scripted.url, extra={**(KEYED if keyed else {}), "request_envelope": "data"})
    scripted.answers = [(503, None, {"Retry-After": "0"}), (201, {"id": 7}, {})]
    create = MirrorDBCreateOperator(task_id="create", endpoint="api/users", form=FIELDS, **mode)
    assert run(create) == {"id": 7}
    assert seen(scripted) == [("POST /api/users", FORM, SENT)] * 2
    keys = {headers.get("Idempotency-Key") for headers in scripted.headers}
    assert len(keys) == 1
    assert keys != {None} if keyed else keys == {None}


def test_the_key_is_that_of_the_form(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Another form is another write."""
    set_connection(scripted.url, extra=KEYED)
    scripted.answers = [(201, None, {})] * 4
    first: dict[str, Any] = {"form": {"a": "1"}}
    for body in (first, {"form": {"a": "2"}}, {"data": {"a": "1"}}, first):
        run(MirrorDBCreateOperator(task_id="create", endpoint="api/users", **body))
    keys = [headers["Idempotency-Key"] for headers in scripted.headers]
    assert keys[0] == keys[3]
    assert len(set(keys)) == 3


def test_a_retry_sends_the_form_of_the_first_try(
    tries: Tries,  # noqa: F811  # the fixture
    scripted: ScriptedBackend,
    set_connection: SetConnection,
) -> None:
    """It may have been applied; another form would be another write under the same key."""
    set_connection(scripted.url, extra={**KEYED, "max_attempts": 1})
    scripted.answers = [(500, None, {}), (201, {"id": 7}, {})]
    make = MirrorDBCreateOperator
    with pytest.raises(Exception, match="500"):
        make(task_id="task", endpoint="api/users", form={"at": "1"}).execute(tries.context())
    second = make(task_id="task", endpoint="api/users", form={"at": "2"})
    assert second.execute(tries.context()) == {"id": 7}
    assert scripted.bodies == [b"at=1", b"at=1"]


def test_hook_and_updates_send_forms(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """Each method that writes a body; a connection's own content type is for its JSON."""
    set_connection(scripted.url, extra={"headers": {"Content-Type": "application/vnd.api+json"}})
    scripted.answers = [(200, None, {})] * 5
    with MirrorDBHook() as hook:
        hook.create("api/users", form={"a": "b"})
        hook.update("api/users/1", form={"a": "b"})
        hook.update("api/users/1", form={"a": "b"}, partial=True)
        hook.create("api/users", {"a": "b"})
    run(MirrorDBUpdateOperator(task_id="u", endpoint="api/users/1", form={"a": "b"}, partial=True))
    assert seen(scripted) == [
        ("POST /api/users", FORM, b"a=b"),
        ("PUT /api/users/1", FORM, b"a=b"),
        ("PATCH /api/users/1", FORM, b"a=b"),
        ("POST /api/users", "application/vnd.api+json", b'{"a":"b"}'),
        ("PATCH /api/users/1", FORM, b"a=b"),
    ]


def test_a_bulk_sends_forms(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """One an item, or the same to many endpoints."""
    set_connection(scripted.url)
    scripted.answers = [(200, None, {})] * 4
    with MirrorDBHook() as hook:
        hook.bulk("create", [{"form": {"n": n}} for n in (1, 2)], endpoint="api/users", concurrency=1)
    run(
        MirrorDBUpdateOperator(
            task_id="u", endpoint=["api/users/1", "api/users/2"], form={"a": "b"}, concurrency=1
        )
    )
    assert scripted.bodies == [b"n=1", b"n=2", b"a=b", b"a=b"]


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/json; charset=utf-8"])
def test_data_may_be_any_kind_of_json(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any], kind: str
) -> None:
    """As RFC 7396 and JSON:API want it."""
    set_connection(scripted.url)
    scripted.answers = [(200, None, {})]
    run(
        MirrorDBUpdateOperator(
            task_id="u", endpoint="api/users/1", data={"a": None}, content_type=kind, **mode
        )
    )
    assert seen(scripted) == [("PUT /api/users/1", kind, b'{"a":null}')]


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (FORM, r"give form=\{…\} instead"),
        ("multipart/form-data", r"give files=\{…\} instead"),
        ("multipart/form-data; boundary=x", r"give files=\{…\} instead"),
        ("application/xml", "give input_path='…' with content_type='application/xml' instead"),
        ("Application/X-NDJSON", "give input_path='…' with content_type='application/x-ndjson' instead"),
    ],
)
def test_data_that_is_not_sent_as_it_is_called_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, kind: str, advice: str
) -> None:
    """The backend would get garbage; the error names the argument that does what was meant."""
    set_connection(scripted.url)
    with MirrorDBHook() as hook:
        for arguments in ({"headers": {"content-type": kind}}, {"content_type": kind}):
            with pytest.raises(InvalidRequestError, match=advice):
                hook.create("api/users", {"a": 1}, **arguments)
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"form": "a=b"}, "form: it must be a mapping, not str"),
        ({"form": {}}, "form: it has no fields"),
        ({"form": {"a": None}}, r"form\['a'\]: a form has no null"),
        ({"form": {"a": {"b": 1}}}, r"form\['a'\]: it must be a string, number, boolean or a list of them"),
        ({"form": {"a": ["b", None]}}, r"form\['a'\]: a form has no null"),
        ({"form": {"a": float("nan")}}, r"form\['a'\]: it must be finite"),
        ({"form": {"a": "\ud800"}}, r"form\['a'\]: it holds half of a surrogate pair"),
        ({"form": {"a": 1}, "data": {}}, "data .*several bodies"),
        (
            {"form": {"a": 1}, "headers": {"Content-Type": "text/xml"}},
            "the client says application/x-www-form",
        ),
        ({"data": {}, "content_type": "json"}, "content_type: it must be a media type"),
        ({"data": {}, "content_type": "*/*"}, "content_type: it must be a media type"),
        ({"data": None, "content_type": "text/csv"}, "content_type: it is of data or input_path"),
        (
            {"data": {}, "content_type": "a/json", "headers": {"CONTENT-TYPE": "b/json"}},
            "content_type: headers say it already",
        ),
    ],
)
def test_what_cannot_be_sent_is_named_and_nothing_is(
    scripted: ScriptedBackend, set_connection: SetConnection, arguments: dict[str, Any], words: str
) -> None:
    """With what would be right."""
    set_connection(scripted.url)
    with MirrorDBHook() as hook, pytest.raises(InvalidRequestError, match=words):
        hook.create("api/users", **arguments)
    assert scripted.requests == []


@pytest.mark.parametrize("make", [MirrorDBCreateOperator, MirrorDBUpdateOperator])
def test_the_arguments_of_a_task_are_checked_when_its_file_is_read(make: Any) -> None:
    """One body, of which a template says the rest."""
    common = {"task_id": "t", "endpoint": "api/users"}
    wrong: dict[str, Any]
    for wrong in ({}, {"data": {}, "form": {}}, {"form": {}, "content_type": "text/csv"}):
        with pytest.raises(ValueError, match=r"several bodies|it is missing|it is of data"):
            make(**common, **wrong)
    assert make(**common, form="{{ params.form }}").data is None


@pytest.mark.parametrize(
    ("form", "place"),
    [
        ({"a": "{{ missing }}"}, r"form\['a'\]"),
        ({"a": ["{{ none }}"]}, r"form\['a'\]\[0\]"),
        ("{{ none }}", "form"),
    ],
)
def test_a_form_that_renders_to_nothing_is_refused(
    scripted: ScriptedBackend, set_connection: SetConnection, form: Any, place: str
) -> None:
    """It would be another write."""
    set_connection(scripted.url)
    create = MirrorDBCreateOperator(task_id="create", endpoint="api/users", form=form)
    create.render_template_fields({"none": None})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(AirflowFailException, match=f"{place}: .* rendered to nothing"):
        run(create)
    assert scripted.requests == []


async def test_the_client_calls_with_forms_by_name(scripted: ScriptedBackend) -> None:
    """Plain data whatever happens; a read has no form."""
    scripted.answers = [(201, {"id": 7}, {})]
    async with GenericMirrorDB({"base_url": scripted.url}) as client:
        call = client.call("create_function", method_name="m", endpoint="api/users", form={"a": 1})
        assert await call == {"response": {"id": 7}}
        refused = await client.call("read_function", method_name="m", endpoint="api/users", form={})
        assert "unexpected keyword argument 'form'" in refused["error"]["message"]
