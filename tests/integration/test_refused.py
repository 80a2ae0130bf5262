"""Backends that answer 200 whatever happened: ``error_path`` on every way that an answer may take."""

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
    RefusedError,
)
from airflow_mirrordb.hooks.output import OutputFile
from airflow_mirrordb.operators.mirrordb import MirrorDBCreateOperator, MirrorDBReadOperator
from airflow_mirrordb.sensors.mirrordb import MirrorDBSensor
from tests.integration.test_operators import context

if TYPE_CHECKING:
    from tests.support.backends import Answering, ScriptedBackend
    from tests.support.connections import ConfigFor, SetConnection

REFUSED = {"ok": False, "error": "name_taken"}  # Slack, "Using the Slack Web API": a 200 all the same
WRITES = {
    "POST": MirrorDBRequest(method="POST", endpoint="api/users", data={}),
    "PATCH": MirrorDBRequest(method="PATCH", endpoint="api/users/7", data={}),
    "PUT": MirrorDBRequest(method="PUT", endpoint="api/users/7", data={}),
    "DELETE": MirrorDBRequest(method="DELETE", endpoint="api/users/7"),
}


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("method", WRITES)
async def test_a_write_was_refused_and_is_not_ambiguous(
    answering: Answering, config_for: ConfigFor, method: str, *, keyed: bool
) -> None:
    """The backend has said what became of it: nothing; it is sent once, and the error says why."""
    facts: list[tuple[int, bool]] = []
    backend = await answering(web.json_response(REFUSED, headers={"X-Request-ID": "r1"}))
    header = {"idempotency_header": "Idempotency-Key"} if keyed else {}
    config = config_for(backend.base_url, error_path="error", **header)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(RefusedError, match="200, but its body tells of an error: name_taken") as caught:
            await client.request(WRITES[method], note=lambda *fact: facts.append(fact))
    error = caught.value
    assert (error.status, error.detail, error.request_id) == (200, "name_taken", "r1")
    assert (error.retryable, error.maybe_applied, error.attempts) == (False, False, 1)
    assert (facts[-1], len(backend.requests)) == ((1, False), 1)
    assert MirrorDBError.from_dict(error.to_dict()).to_dict() == error.to_dict()


async def test_what_an_attempt_before_may_have_done_is_not_forgotten(
    answering: Answering, config_for: ConfigFor
) -> None:
    """A refusal of the repeat says nothing of the first attempt, whose answer was lost."""
    backend = await answering(web.Response(status=502), web.json_response(REFUSED))
    async with GenericMirrorDB(config_for(backend.base_url, error_path="error")) as client:
        with pytest.raises(RefusedError) as caught:
            await client.request(WRITES["PUT"])
    assert (caught.value.maybe_applied, caught.value.attempts) == (True, 2)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_refusal_that_an_attempt_before_may_have_caused_is_ambiguous(
    answering: Answering, config_for: ConfigFor, method: str
) -> None:
    """The name may be taken by the first attempt, as with a 409."""
    backend = await answering(web.Response(status=502), web.json_response(REFUSED))
    config = config_for(backend.base_url, error_path="error", idempotency_header="Idempotency-Key")
    async with GenericMirrorDB(config) as client:
        with pytest.raises(AmbiguousWriteError, match="name_taken") as caught:
            await client.request(WRITES[method])
    assert (caught.value.maybe_applied, caught.value.attempts) == (True, 2)


async def test_a_read_is_left_to_the_retries_of_the_task(answering: Answering, config_for: ConfigFor) -> None:
    """An error has many reasons, of which some pass; a backend that names a time is asked again then."""
    backend = await answering(
        web.json_response({"errors": [{"message": "no"}], "data": None}),
        web.json_response({"errors": [{"message": "throttled"}]}, headers={"Retry-After": "0"}),
        web.json_response({"data": {"id": 7}}),
    )
    config = config_for(backend.base_url, error_path="errors", response_envelope="data")
    async with GenericMirrorDB(config) as client:
        with pytest.raises(RefusedError, match="an error: no") as caught:
            await client.read_function("read", "api/users/7")
        assert (caught.value.retryable, caught.value.attempts) == (True, 1)
        assert await client.read_function("read", "api/users/7") == {"id": 7}


@pytest.mark.parametrize("keyed", [False, True])
async def test_a_207_tells_which_parts_failed(
    answering: Answering, config_for: ConfigFor, *, keyed: bool
) -> None:
    """The others may have been applied (RFC 4918, section 13), so it is neither sent again nor ambiguous."""
    parts = {"results": [{"id": 1, "status": 201}, {"id": 2, "status": 422, "error": "name taken"}]}
    backend = await answering(web.json_response(parts, status=207))
    header = {"idempotency_header": "Idempotency-Key"} if keyed else {}
    config = config_for(backend.base_url, error_path="results[?status>=`400`]", **header)
    async with GenericMirrorDB(config) as client:
        with pytest.raises(
            RefusedError, match=r"1 of 2 parts failed: results\[1\] \(id 2, status 422\): name taken"
        ) as caught:
            await client.request(WRITES["POST"])
    assert caught.value.parts == ["results[1]"]
    assert (caught.value.retryable, caught.value.maybe_applied, len(backend.requests)) == (False, True, 1)


async def test_pages_are_looked_at_one_by_one(answering: Answering, config_for: ConfigFor) -> None:
    """Also on their way to a file, which is none then."""
    backend = await answering(
        web.json_response({"data": [1], "next": "2"}), web.json_response({"data": [], "error": "gone"})
    )
    paginate = {"style": "body", "records": "data", "next": "next", "param": "page"}
    async with GenericMirrorDB(config_for(backend.base_url, error_path="error")) as client:
        with pytest.raises(RefusedError, match="gone"):
            await client.read_function("list", "api/users", paginate=paginate)


async def test_a_body_that_goes_to_a_file_is_not_looked_into(
    answering: Answering, config_for: ConfigFor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is of any length and kind; the log says that nobody looked."""
    caplog.set_level("INFO")
    backend = await answering(web.json_response({"error": "no"}))
    async with GenericMirrorDB(config_for(backend.base_url, error_path="error")) as client:
        await client.request(
            MirrorDBRequest(method="GET", endpoint="api/export"), sink=OutputFile(str(tmp_path / "x.json"))
        )
    assert "the answer went to a file, so nobody looked for an error in it" in caplog.text


async def test_a_record_of_a_bulk_fails_for_itself(answering: Answering, config_for: ConfigFor) -> None:
    """The others are done; what failed was not applied."""
    backend = await answering(web.json_response({"id": 1}), web.json_response(REFUSED))
    async with GenericMirrorDB(config_for(backend.base_url, error_path="error")) as client:
        items = [{"endpoint": "api/users", "data": {"n": n}} for n in (1, 2)]
        with pytest.raises(BulkError) as caught:
            await client.bulk("create", items, concurrency=1, on_error="continue")
    report = caught.value.report
    assert (report["done"], report["failed"], report["ambiguous"]) == (1, 1, 0)
    assert (caught.value.maybe_applied, report["records"][1]["error"]["type"]) == (False, "RefusedError")


async def test_a_path_that_cannot_be_followed_is_no_success(
    answering: Answering, config_for: ConfigFor
) -> None:
    """Nobody knows whether there is an error; of a write neither whether it was applied."""
    backend = await answering(*[web.json_response({"errors": None}) for _ in range(2)])
    config = config_for(backend.base_url, error_path="length(errors) > `0`")
    async with GenericMirrorDB(config) as client:
        for method, applied in (("GET", False), ("POST", True)):
            request = MirrorDBRequest(method=method, endpoint="api/users")  # type: ignore[arg-type]
            with pytest.raises(InvalidResponseError, match=r"error_path: .* length\(\) takes") as caught:
                await client.request(request)
            assert (caught.value.maybe_applied, caught.value.retryable) == (applied, False)


async def test_without_the_extra_a_200_is_a_success(answering: Answering, config_for: ConfigFor) -> None:
    """And so is one whose body is no JSON, or empty."""
    backend = await answering(
        web.json_response(REFUSED), web.Response(body=b"words"), web.Response(status=204)
    )
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert await client.create_function("create", "api/users", {}) == REFUSED
        await client.update_config(error_path="!ok && (error || 'failed')")
        assert await client.create_function("create", "api/users", {}) == "words"
        assert await client.create_function("create", "api/users", {}) is None


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_poll_that_finds_an_error_is_a_failure_that_may_pass(
    set_connection: SetConnection, scripted: ScriptedBackend, *, deferrable: bool
) -> None:
    """It counts towards ``max_failures``; what will never be right is told by ``failed``."""
    set_connection(scripted.url, extra={"error_path": "error"})
    scripted.answers = [(200, REFUSED, {})]
    sensor = MirrorDBSensor(task_id="wait", endpoint="api/jobs/7", max_failures=1, deferrable=deferrable)
    with pytest.raises(RefusedError, match="name_taken"):
        sensor.execute(context())


@pytest.mark.parametrize("deferrable", [False, True])
def test_tasks_end_as_their_errors_say(
    set_connection: SetConnection, scripted: ScriptedBackend, *, deferrable: bool
) -> None:
    """A write fails for good with what the backend said; a read is left to ``retries``."""
    set_connection(scripted.url, extra={"error_path": "error"})
    scripted.answers = [(200, REFUSED, {}), (200, REFUSED, {})]
    how: dict[str, Any] = {"endpoint": "api/users", "deferrable": deferrable}
    with pytest.raises(AirflowFailException, match="name_taken") as failed:
        MirrorDBCreateOperator(task_id="create", data={}, **how).execute(context())
    assert not isinstance(failed.value.__cause__, AmbiguousWriteError)
    with pytest.raises(RefusedError, match="name_taken"):
        MirrorDBReadOperator(task_id="read", **how).execute(context())
