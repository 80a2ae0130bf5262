"""Pages for people (HTML) in the place of an answer, as a gateway sends them that wants a login.

Such a page comes with 200 where single sign-on is in front of a backend: the request was not handed on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    BulkError,
    GenericMirrorDB,
    InvalidResponseError,
    MirrorDBError,
    MirrorDBRequest,
)
from airflow_mirrordb.client.retries.write_safety import is_page_for_write
from airflow_mirrordb.operators.mirrordb import (
    MirrorDBCreateOperator,
    MirrorDBDeleteOperator,
    MirrorDBReadOperator,
    MirrorDBUpdateOperator,
)
from tests.integration.test_operators import MODES, run
from tests.integration.test_operators_tries import Tries
from tests.integration.test_start_from_trigger import since_airflow_3_3
from tests.support.backends import ScriptedBackend
from tests.support.connections import SetConnection

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.connections import ConfigFor

SIGN_IN = b"<!doctype html><html><title>Sign in - SSO</title><p>Please log in</p></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}
KEYED = {"idempotency_header": "Idempotency-Key"}
NOT_REPEATABLE = {
    "create": MirrorDBRequest(method="POST", endpoint="api/users", data={}),
    "partial update": MirrorDBRequest(method="PATCH", endpoint="api/users/7", data={}),
    "conditional update": MirrorDBRequest(method="PUT", endpoint="api/users/7", data={}, if_match='"v1"'),
    "conditional delete": MirrorDBRequest(method="DELETE", endpoint="api/users/7", if_match='"v1"'),
}
REPEATABLE = {
    "update": MirrorDBRequest(method="PUT", endpoint="api/users/7", data={}),
    "delete": MirrorDBRequest(method="DELETE", endpoint="api/users/7"),
}


def page(status: int = 200, body: bytes = SIGN_IN, content_type: str = "text/html") -> web.Response:
    return web.Response(status=status, body=body, content_type=content_type)


@pytest.mark.parametrize("content_type", ["text/html", "application/xhtml+xml", "application/json"])
@pytest.mark.parametrize("accept", [None, "text/csv", "application/json"])
@pytest.mark.parametrize("name", sorted(NOT_REPEATABLE))
async def test_a_write_that_a_page_answers_is_ambiguous(
    answering: Answering, config_for: ConfigFor, name: str, accept: str | None, content_type: str
) -> None:
    """A page says nothing of what became of the write, which the answer should (RFC 9110, section 15.3.1)."""
    backend = await answering(page(content_type=content_type))
    request = NOT_REPEATABLE[name]
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(AmbiguousWriteError, match="Sign in") as caught:
            await client.request(MirrorDBRequest(**{**_arguments(request), "accept": accept}))
    assert (caught.value.retryable, caught.value.maybe_applied) == (False, True)
    assert str(caught.value).count("may or may not have been applied") == 1
    assert "was applied" not in str(caught.value)
    assert len(backend.requests) == 1


@pytest.mark.parametrize("name", sorted(REPEATABLE))
async def test_a_write_that_may_be_repeated_is_left_to_the_caller(
    answering: Answering, config_for: ConfigFor, name: str
) -> None:
    """As a read is: a login does not pass by itself, so that the client does not send it again at once."""
    backend = await answering(page())
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="may or may not have been applied") as caught:
            await client.request(REPEATABLE[name])
    error = caught.value
    assert (error.retryable, error.maybe_applied, error.attempts) == (True, True, 1)
    assert is_page_for_write(MirrorDBError.from_dict(error.to_dict()))
    assert "was applied" not in str(error)
    assert len(backend.requests) == 1


def test_an_unusable_answer_is_no_page_because_it_may_pass() -> None:
    """Else a record that was applied would be sent again; what a page is says who read it."""
    error = InvalidResponseError(message="cut off", status=200, maybe_applied=True, retryable=True)
    assert not is_page_for_write(error)


async def test_a_create_with_a_key_may_be_repeated(answering: Answering, config_for: ConfigFor) -> None:
    """Its backend knows it again."""
    backend = await answering(page())
    async with GenericMirrorDB(config_for(backend.base_url, **KEYED)) as client:
        with pytest.raises(InvalidResponseError) as caught:
            await client.request(NOT_REPEATABLE["create"])
    assert is_page_for_write(caught.value)


@pytest.mark.parametrize(
    ("status", "accept", "content_type", "body"),
    [
        (200, "text/html", "text/html", SIGN_IN),
        (200, "text/*", "text/html", SIGN_IN),
        (201, None, "text/html", SIGN_IN),
        (202, None, "text/html", SIGN_IN),
        (200, None, "text/html", b"ok"),
        (200, None, "text/plain", b"ok"),
        (200, None, "application/xml", b"<ok/>"),
        (200, "text/csv", "text/html", b"id;name"),
    ],
)
@pytest.mark.parametrize("name", ["create", "delete"])
async def test_what_is_asked_for_or_tells_of_the_write_is_its_result(
    answering: Answering,
    config_for: ConfigFor,
    name: str,
    status: int,
    accept: str | None,
    content_type: str,
    body: bytes,
) -> None:
    """201 and 202 are no gateway's (RFC 9110, section 15.3); Flask calls each text HTML that has no type."""
    backend = await answering(page(status, body, content_type))
    arguments = _arguments({**NOT_REPEATABLE, **REPEATABLE}[name])
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        response = await client.request(MirrorDBRequest(**{**arguments, "accept": accept}))
    assert response.data == body.decode()


@pytest.mark.parametrize("mode", sorted(MODES))
def test_a_task_whose_create_a_page_answers_is_not_retried(
    set_connection: SetConnection, scripted: ScriptedBackend, mode: str
) -> None:
    """It was green, with the page as its result, and nothing was created."""
    set_connection(scripted.url)
    scripted.answers = [(200, SIGN_IN, HTML)]
    with pytest.raises(AirflowFailException, match="may or may not have been applied"):
        run(MirrorDBCreateOperator(task_id="t", endpoint="api/users", data={}, **MODES[mode]))


@pytest.mark.parametrize("mode", sorted(MODES))
def test_a_task_that_may_repeat_its_write_is_retried(
    set_connection: SetConnection, scripted: ScriptedBackend, mode: str
) -> None:
    """By Airflow, later, when the login may be there again."""
    set_connection(scripted.url)
    scripted.answers = [(200, SIGN_IN, HTML)]
    with pytest.raises(InvalidResponseError):
        run(MirrorDBDeleteOperator(task_id="t", endpoint="api/users/7", **MODES[mode]))


@since_airflow_3_3
def test_records_of_a_bulk_that_a_page_answered_are_sent_by_the_next_try(
    set_connection: SetConnection, scripted: ScriptedBackend
) -> None:
    """None of them counts as applied."""
    set_connection(scripted.url, extra={"max_concurrency": 1})
    tries = Tries()
    operator = MirrorDBUpdateOperator(
        task_id="task", endpoint=["api/users/1", "api/users/2"], data=[{}, {}], bulk=True, on_error="continue"
    )
    scripted.answers = [(200, SIGN_IN, HTML), (200, {}, {})]
    with pytest.raises(BulkError) as caught:
        operator.execute(tries.context())
    assert caught.value.retryable
    scripted.answers = [(200, {}, {})]
    operator.execute(tries.context())
    assert len(scripted.requests) == 3


@pytest.mark.parametrize("headers", [HTML, {}, {"Content-Type": "application/json"}])
@pytest.mark.parametrize("mode", sorted(MODES))
def test_a_page_goes_to_no_file(
    set_connection: SetConnection,
    scripted: ScriptedBackend,
    tmp_path: Path,
    mode: str,
    headers: dict[str, str],
) -> None:
    """Without 'accept' as with it: the file of an earlier run is left as it is; a next try may get more."""
    set_connection(scripted.url)
    scripted.answers = [(200, SIGN_IN, headers)]
    path = tmp_path / "users.json"
    path.write_bytes(b"[]")
    with pytest.raises(InvalidResponseError, match="Please log in") as caught:
        run(MirrorDBReadOperator(task_id="t", endpoint="api/users", output_path=str(path), **MODES[mode]))
    assert caught.value.retryable
    assert "None" not in caught.value.message
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"[]"]


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        ("text/html", "text/html", SIGN_IN),
        (None, "text/html", b"id;name\n"),
        (None, "application/xml", b"<users/>"),
        (None, "application/octet-stream", SIGN_IN),
    ],
)
def test_what_is_no_page_or_is_asked_for_goes_to_the_file(
    set_connection: SetConnection,
    scripted: ScriptedBackend,
    tmp_path: Path,
    accept: str | None,
    content_type: str,
    body: bytes,
) -> None:
    """A file whose type says nothing of pages is what was asked for."""
    set_connection(scripted.url)
    scripted.answers = [(200, body, {"Content-Type": content_type})]
    path = tmp_path / "users"
    run(MirrorDBReadOperator(task_id="t", endpoint="api/users", output_path=str(path), accept=accept))
    assert path.read_bytes() == body


def _arguments(request: MirrorDBRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in ("method", "endpoint", "data", "if_match")}
