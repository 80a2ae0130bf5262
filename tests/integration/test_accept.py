"""Answers that are something else than JSON, and JSON in another charset than UTF-8."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_mirrordb.client import InvalidRequestError, InvalidResponseError, MirrorDBError
from airflow_mirrordb.hooks.mirrordb import MirrorDBHook
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.integration.test_operators import MODES, run
from tests.integration.test_sensor import (
    MODES as SENSOR_MODES,
    Scheduler,
    scheduler,  # noqa: F401  # a fixture
)
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

pytestmark = pytest.mark.usefixtures("triggerer")

CSV = b"id;name\n7;Jos\xe9\n"
LATIN_1 = {"Content-Type": "text/csv; charset=iso-8859-1"}
TEXT = "id;name\n7;José\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
IMAGE = {"Content-Type": "image/png"}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(MODES[request.param])


@pytest.fixture(params=SENSOR_MODES)
def sensor_mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(SENSOR_MODES[request.param])


def read(**arguments: Any) -> MirrorDBReadOperator:
    return MirrorDBReadOperator(task_id="read", endpoint="api/export", **arguments)


def contains_jose(text: Any) -> bool:
    """Named by its path in these tests, as an author would do."""
    return isinstance(text, str) and "José" in text


def test_text_is_the_result_in_every_mode(
    scripted: ScriptedBackend, set_connection: SetConnection, mode: dict[str, Any]
) -> None:
    """The header is sent (RFC 9110, section 12.5.1); the text is in the charset that Content-Type names."""
    set_connection(scripted.url)
    scripted.answers = [(200, CSV, LATIN_1)]
    assert run(read(accept="text/csv", **mode)) == TEXT
    assert [headers["Accept"] for headers in scripted.headers] == ["text/csv"]


@pytest.mark.parametrize(
    ("body", "headers", "result"),
    [
        (b'{"a": 1}', {"Content-Type": "application/json"}, {"a": 1}),
        (b'{"a": 1}', {"Content-Type": "application/hal+json"}, {"a": 1}),
        (b'{"a": 1}', {"Content-Type": "text/csv"}, '{"a": 1}'),
        (b"1", {}, "1"),
        (b"", {"Content-Type": "text/csv"}, None),
        (b"\n", {"Content-Type": "text/csv"}, "\n"),
    ],
)
def test_the_content_type_tells_whether_it_is_json(
    scripted: ScriptedBackend, set_connection: SetConnection, body: bytes, headers: Any, result: object
) -> None:
    """A backend may answer with JSON all the same."""
    set_connection(scripted.url)
    scripted.answers = [(200, body, headers)]
    with MirrorDBHook() as hook:
        assert hook.read("api/export", accept="text/csv") == result


def test_what_is_no_text_is_refused_with_what_takes_it(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """Bytes are no result: no XCom holds them."""
    set_connection(scripted.url)
    scripted.answers = [(200, PNG, IMAGE)]
    with (
        MirrorDBHook() as hook,
        pytest.raises(InvalidResponseError, match=r"no text.*image/png.*output_path"),
    ):
        hook.read("api/export", accept="image/png")


def test_bytes_go_to_a_file(
    scripted: ScriptedBackend, set_connection: SetConnection, tmp_path: Path, mode: dict[str, Any]
) -> None:
    """What is asked for is what is written."""
    set_connection(scripted.url)
    scripted.answers = [(200, PNG, IMAGE)]
    path = tmp_path / "image.png"
    result = run(read(accept="image/png", output_path=str(path), **mode))
    assert (path.read_bytes(), result["sha256"]) == (PNG, hashlib.sha256(PNG).hexdigest())
    assert [headers["Accept"] for headers in scripted.headers] == ["image/png"]


PAGE = b"\n<!doctype html><html><title>502 Bad Gateway</title>The proxy lost its way</html>"


@pytest.mark.parametrize("headers", [{"Content-Type": "text/html; charset=utf-8"}, {}], ids=["html", "none"])
@pytest.mark.parametrize("to_file", [True, False])
def test_a_page_that_was_not_asked_for_is_an_error(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tmp_path: Path,
    mode: dict[str, Any],
    headers: dict[str, str],
    to_file: bool,
) -> None:
    """Gateways send them for failures (RFC 9110, section 12.5.1: it is none of the acceptable ones).

    A next try may get what was asked for; the file of an earlier run is left as it is.
    """
    set_connection(scripted.url)
    scripted.answers = [(200, PAGE, headers)]
    path = tmp_path / "export.csv"
    path.write_bytes(CSV)
    where: dict[str, Any] = {"output_path": str(path)} if to_file else {}
    with pytest.raises(InvalidResponseError, match="200, but the answer is a page") as raised:
        run(read(accept="text/csv", **where, **mode))
    assert raised.value.retryable
    assert "not 'text/csv': 'The proxy lost its way'" in raised.value.message
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [CSV]


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        ("text/html", "text/html", PAGE),
        ("text/csv, text/*;q=0.5", "text/html", PAGE),
        ("text/csv, */*;q=0.1", "text/html", PAGE),
        ("text/markdown", "text/markdown", b"<h1>Read me</h1>"),
        ("text/csv", "text/html; charset=utf-8", b"id;name"),
        ("application/xml", "application/xml", b"<html/>"),
    ],
)
@pytest.mark.parametrize("to_file", [True, False])
def test_what_may_be_a_page_is_taken_as_it_is(
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    tmp_path: Path,
    accept: str,
    content_type: str,
    body: bytes,
    to_file: bool,
) -> None:
    """Flask calls each text HTML that is given no type (flask.Response.default_mimetype)."""
    set_connection(scripted.url)
    scripted.answers = [(200, body, {"Content-Type": content_type})]
    path = tmp_path / "export"
    where: dict[str, Any] = {"output_path": str(path)} if to_file else {}
    with MirrorDBHook() as hook:
        result = hook.read("api/export", accept=accept, **where)
    assert (path.read_bytes() if to_file else result.encode()) == body


def test_the_text_of_a_write_is_its_result_without_a_warning(
    scripted: ScriptedBackend, set_connection: SetConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """It was asked for."""
    set_connection(scripted.url)
    scripted.answers = [(201, CSV, LATIN_1)]
    create = MirrorDBCreateOperator(task_id="create", endpoint="api/users", data={}, accept="text/csv")
    assert run(create) == TEXT
    assert "not JSON" not in caplog.text


def test_json_that_was_promised_has_to_come(scripted: ScriptedBackend, set_connection: SetConnection) -> None:
    """A kind of JSON is no other kind of text."""
    set_connection(scripted.url)
    scripted.answers = [(200, CSV, LATIN_1)]
    with MirrorDBHook() as hook, pytest.raises(InvalidResponseError, match="not JSON"):
        hook.read("api/export", accept="application/vnd.github+json")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"name": "José"}'.encode("latin-1"), "application/json; charset=iso-8859-1"),
        ('{"name": "José"}'.encode("cp1252"), "application/json;charset=windows-1252"),
        ('{"name": "José"}'.encode(), "application/json; charset=utf-8"),
        (
            '{"name": "José"}'.encode(),
            "application/json; charset=us-ascii",
        ),  # it is not; RFC 8259, section 8.1
        ('{"name": "José"}'.encode(), "application/json; charset=no-such-charset"),
        ('{"name": "José"}'.encode("utf-16-be"), "application/json; charset=utf-16"),
    ],
)
def test_json_is_decoded_in_the_charset_that_is_declared(
    scripted: ScriptedBackend, set_connection: SetConnection, body: bytes, content_type: str
) -> None:
    """As guzzle/guzzle#310 asks; RFC 8259 wants UTF-8, and what is in UTF-8 all the same stays right."""
    set_connection(scripted.url)
    scripted.answers = [(200, body, {"Content-Type": content_type})]
    with MirrorDBHook() as hook:
        assert hook.read("api/users/7") == {"name": "José"}


def test_the_words_of_an_error_are_in_the_charset_that_is_declared(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """An error is read as an answer is."""
    set_connection(scripted.url)
    body = json.dumps({"detail": "déjà vu"}, ensure_ascii=False).encode("latin-1")
    scripted.answers = [(409, body, {"Content-Type": "application/json; charset=latin-1"})]
    with MirrorDBHook() as hook, pytest.raises(MirrorDBError, match="déjà vu"):
        hook.create("api/users", {})


def test_another_charset_hides_nothing_from_the_limit_of_memory(
    scripted: ScriptedBackend, set_connection: SetConnection
) -> None:
    """In Shift_JIS the second byte of a letter may be a backslash, which escapes no quotation mark."""
    body = b'["\x95\x5c",' + b"[]," * 100_000 + b'"x"]'
    set_connection(scripted.url, extra={"max_response_bytes": len(body)})
    scripted.answers = [(200, body, {"Content-Type": "application/json; charset=shift_jis"})]
    with MirrorDBHook() as hook, pytest.raises(InvalidResponseError, match="times max_response_bytes"):
        hook.read("api/users")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"accept": "csv"}, "accept: it must be a media type, as text/csv"),
        ({"accept": "text/csv", "headers": {"ACCEPT": "text/xml"}}, "accept: headers say it already"),
    ],
)
def test_what_cannot_be_asked_for_is_an_error_before_anything_is_sent(
    scripted: ScriptedBackend, set_connection: SetConnection, arguments: Any, words: str
) -> None:
    """Named, with what would be right."""
    set_connection(scripted.url)
    with MirrorDBHook() as hook, pytest.raises(InvalidRequestError, match=words):
        hook.read("api/users", **arguments)
    assert scripted.requests == []


def test_a_wrong_accept_is_an_error_of_the_dag_file() -> None:
    """A template is judged when it is rendered."""
    for make in (read, lambda **given: MirrorDBSensor(task_id="s", endpoint="api/export", **given)):
        with pytest.raises(ValueError, match="accept: it must be a media type"):
            make(accept="csv")
        assert make(accept="{{ params.kind }}").accept == "{{ params.kind }}"


# -- the sensor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"a,b\n", PNG])
def test_a_sensor_that_looks_at_nothing_takes_any_body(
    scheduler: Scheduler,  # noqa: F811  # the fixture
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    sensor_mode: dict[str, Any],
    body: bytes,
) -> None:
    """It only waits for the resource to exist (apache/airflow#13451)."""
    set_connection(scripted.url, extra={"max_response_bytes": 3})
    scripted.answers = [(404, None, {}), (200, body, {"Content-Type": "application/octet-stream"})]
    assert scheduler.run(**sensor_mode) is None
    assert scripted.answers == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html>maintenance</html>", {"Content-Type": "text/html; charset=utf-8"}),
        (b"\n<!doctype html>", {}),
        (b"{", {"Content-Type": "application/json"}),
    ],
)
def test_a_page_is_not_what_a_sensor_waits_for(
    scheduler: Scheduler,  # noqa: F811  # the fixture
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    sensor_mode: dict[str, Any],
    body: bytes,
    headers: dict[str, str],
) -> None:
    """Gateways send pages with status 200; nor is JSON that is damaged."""
    set_connection(scripted.url)
    scripted.answers = [(200, body, headers)] * 5
    with pytest.raises((AirflowFailException, MirrorDBError), match="not JSON"):
        scheduler.run(**sensor_mode)


def test_a_condition_looks_at_text(
    scheduler: Scheduler,  # noqa: F811  # the fixture
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    sensor_mode: dict[str, Any],
) -> None:
    """With what it asks for."""
    set_connection(scripted.url)
    scripted.answers = [(200, b"id;name\n", LATIN_1), (200, CSV, LATIN_1)]
    looking = {"accept": "text/csv", "condition": f"{__name__}.contains_jose"}
    assert scheduler.run(**looking, **sensor_mode) == TEXT
    assert {headers["Accept"] for headers in scripted.headers} == {"text/csv"}


def test_a_page_that_is_asked_for_is_there(
    scheduler: Scheduler,  # noqa: F811  # the fixture
    scripted: ScriptedBackend,
    set_connection: SetConnection,
    sensor_mode: dict[str, Any],
) -> None:
    """An author who waits for a page says so."""
    set_connection(scripted.url)
    scripted.answers = [(404, None, {}), (200, b"<p>", {"Content-Type": "text/html"})]
    assert scheduler.run(accept="text/html", **sensor_mode) == "<p>"
