"""The client against real servers: what it returns, what it raises, and what it can be told at run time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    AuthenticationError,
    ConfigError,
    GenericMirrorDB,
    InvalidRequestError,
    InvalidResponseError,
    MirrorDBError,
    MirrorDBRequest,
    NotFoundError,
)

if TYPE_CHECKING:
    from tests.support.backends import Answering
    from tests.support.clocks import FakeClock
    from tests.support.connections import ConfigFor

KEY = "k3y-that-nobody-may-see"


def record(**facts: Any) -> web.Response:
    return web.json_response(facts)


# -- requests ------------------------------------------------------------------------------------


async def test_the_usage_that_users_know(answering: Answering, config_for: ConfigFor) -> None:
    """The three lines of DESIGN section 3, word for word."""
    backend = await answering(record(id="resource_id"))
    async with GenericMirrorDB(config_for(backend.base_url)) as connection:
        await connection.update_api_key("your_api_key")
        await connection.register_endpoint("api/resource")
        response = await connection.read_function(
            method_name="fetch_resource", endpoint="api/resource/resource_id"
        )
    assert response == {"id": "resource_id"}
    assert backend.lines == ["GET /api/resource/resource_id"]
    assert backend.requests[0].headers["Authorization"] == "Bearer your_api_key"


async def test_each_function_sends_its_method(answering: Answering, config_for: ConfigFor) -> None:
    """POST, GET, PUT, PATCH and DELETE, with the body where there is one."""
    backend = await answering(*(record(n=number) for number in range(5)))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        got = [
            await client.create_function("create", "api/users", {"name": "é"}),
            await client.read_function("read", "api/users/7", query={"full": True}),
            await client.update_function("update", "api/users/7", {"name": "b"}),
            await client.update_function("patch", "api/users/7", {"name": "c"}, partial=True),
            await client.delete_function("delete", "api/users/7"),
        ]
    assert got == [{"n": number} for number in range(5)]
    assert backend.lines == [
        "POST /api/users",
        "GET /api/users/7?full=true",
        "PUT /api/users/7",
        "PATCH /api/users/7",
        "DELETE /api/users/7",
    ]
    assert [request.body.decode() for request in backend.requests] == [
        '{"name":"é"}',
        "",
        '{"name":"b"}',
        '{"name":"c"}',
        "",
    ]
    types = [request.headers.get("Content-Type") for request in backend.requests]
    assert types == ["application/json", None, "application/json", "application/json", None]
    assert {request.headers["Accept"] for request in backend.requests} == {
        "application/json, application/*+json;q=0.9, */*;q=0.1"
    }


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (web.Response(status=200, text='{"id": 0}', content_type="application/json"), {"id": 0}),
        (web.Response(status=201, text='{"id": 0}', content_type="text/plain"), {"id": 0}),
        (web.Response(status=201, headers={"Location": "/api/users/7"}), None),
        (
            web.Response(status=202, text='{"ok": true, "id": "7", "rev": "1-a"}'),
            {"ok": True, "id": "7", "rev": "1-a"},
        ),
        (web.Response(status=200, text="7"), 7),
        (web.Response(status=200, text="[]"), []),
        (web.Response(status=200, text="{}"), {}),
        (web.Response(status=204), None),
        (web.Response(status=200, body=b"", content_type="application/octet-stream"), None),
    ],
)
async def test_what_backends_answer_to_a_write(
    answering: Answering, config_for: ConfigFor, answer: web.Response, data: object
) -> None:
    """The successes of FACTS: with the record, its id, nothing but a Location, or nothing."""
    backend = await answering(answer)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert await client.create_function("create", "api/users", {}) == data
    assert len(backend.requests) == 1


async def test_a_201_with_a_location_is_not_followed(
    answering: Answering, config_for: ConfigFor, clock: FakeClock
) -> None:
    """The whole answer has the Location; nobody fetches it unasked."""

    async def slowly(_request: web.Request) -> web.Response:
        clock.time += 2.5
        return web.Response(status=201, headers={"Location": "/api/users/7"})

    backend = await answering(slowly)
    async with GenericMirrorDB(config_for(backend.base_url), clock=clock.as_clock()) as client:
        answer = await client.request(MirrorDBRequest(method="POST", endpoint="api/users", data={}))
    assert (answer.status, answer.headers["Location"], answer.attempts) == (201, "/api/users/7", 1)
    assert answer.elapsed == 2.5
    assert len(backend.requests) == 1


async def test_a_page_is_no_data(answering: Answering, config_for: ConfigFor) -> None:
    """A login page with status 200 is an error to a read; by 201 a create was done, whose result it is."""
    pages = [web.Response(status=status, text="<html>", content_type="text/html") for status in (200, 201)]
    backend = await answering(*pages)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InvalidResponseError, match="is not JSON") as caught:
            await client.read_function("read", "api/users")
        assert (caught.value.status, caught.value.attempts, caught.value.method) == (200, 1, "GET")
        assert await client.create_function("create", "api/users", {}) == "<html>"
    assert len(backend.requests) == 2


async def test_304_answers_a_condition(answering: Answering, config_for: ConfigFor) -> None:
    """The caller's copy is still good: no data, no error."""
    backend = await answering(web.Response(status=304, headers={"ETag": '"v1"'}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        assert await client.read_function("read", "api/users/7", if_none_match='"v1"') is None
    assert backend.requests[0].headers["If-None-Match"] == '"v1"'


async def test_an_error_has_every_fact(answering: Answering, config_for: ConfigFor) -> None:
    """Request, attempts and the backend's words; as JSON it is the same."""
    refused = web.json_response(
        {"detail": f"key {KEY} may not", "code": "E7"}, status=401, headers={"X-Request-ID": "r1"}
    )
    backend = await answering(refused)
    async with GenericMirrorDB(config_for(backend.base_url, api_key=KEY)) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.update_function("rename", "api/users/7", {})
    assert caught.value.to_dict() == {
        "type": "AuthenticationError",
        "message": (
            "401 Unauthorized: key *** may not; the key was sent as 'Authorization: Bearer …'"
            " (auth_type 'bearer') (request id r1)"
        ),
        "method": "PUT",
        "endpoint": "api/users/7",
        "method_name": "rename",
        "conn_id": None,
        "attempts": 1,
        "retryable": False,
        "maybe_applied": False,
        "status": 401,
        "code": "E7",
        "detail": "key *** may not",
        "request_id": "r1",
        "retry_after": None,
        "answered_by": None,
    }


async def test_deleting_what_is_gone(answering: Answering, config_for: ConfigFor) -> None:
    """NotFoundError on a first attempt, unless a missing resource is fine."""
    backend = await answering(web.Response(status=404), web.Response(status=404))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(NotFoundError):
            await client.delete_function("delete", "api/users/7")
        assert await client.delete_function("delete", "api/users/7", missing_ok=True) is None
    assert len(backend.requests) == 2


async def test_a_request_before_connect_is_a_mistake(config_for: ConfigFor) -> None:
    """The error says what to do; after disconnect it is the same."""
    client = GenericMirrorDB(config_for("http://127.0.0.1:1"))
    with pytest.raises(RuntimeError, match="connect"):
        await client.read_function("read", "api/users")
    async with client:
        pass
    with pytest.raises(RuntimeError, match="connect"):
        await client.probe()
    await client.disconnect()  # again is fine


async def test_a_client_may_be_connected_again(answering: Answering, config_for: ConfigFor) -> None:
    """connect() and disconnect() do what `async with` does, as often as wanted."""
    backend = await answering(record(n=1), record(n=2))
    client = GenericMirrorDB(config_for(backend.base_url))
    for number in (1, 2):
        await client.connect()
        await client.connect()
        assert await client.read_function("read", "api/users") == {"n": number}
        await client.disconnect()


def test_the_configuration_may_be_a_mapping() -> None:
    """It is validated; a wrong one is a ConfigError before anything happens."""
    with pytest.raises(ConfigError, match="max_attempts"):
        GenericMirrorDB({"base_url": "http://127.0.0.1:1", "max_attempts": 0})


# -- call ----------------------------------------------------------------------------------------


async def test_call_returns_an_envelope(answering: Answering, config_for: ConfigFor) -> None:
    """{"response": ...} or {"error": {...}}, both plain JSON."""
    backend = await answering(record(id=7), web.Response(status=404, text="gone"), web.Response(status=204))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        good = await client.call("read_function", method_name="read", endpoint="api/users/7")
        bad = await client.call("update_function", method_name="put", endpoint="api/users/7", data={"a": 1})
        none = await client.call(
            "delete_function", method_name="del", endpoint="api/users/7", missing_ok=True
        )
    assert (good, none) == ({"response": {"id": 7}}, {"response": None})
    assert json.loads(json.dumps(bad)) == bad
    assert bad["error"]["type"] == "NotFoundError"
    assert (bad["error"]["status"], bad["error"]["detail"]) == (404, "gone")
    assert isinstance(MirrorDBError.from_dict(bad["error"]), NotFoundError)


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("read_functon", {"method_name": "x", "endpoint": "api/users"}, "did you mean 'read_function'?"),
        ("disconnect", {}, "unknown method 'disconnect'"),
        ("__init__", {"config": {}}, "unknown method"),
        ("update_api_key", {"key": "x"}, "unknown method"),
        ("_call", {}, "unknown method"),
        (7, {}, "unknown method"),
        ("read_function", {}, "missing a required argument: 'method_name'"),
        ("read_function", {"method_name": "x"}, "'endpoint'"),
        ("create_function", {"method_name": "x", "endpoint": "api/users"}, "data: it is missing"),
        ("read_function", {"method_name": "x", "endpoint": "api/users", "param": {}}, "'param'"),
        ("read_function", {"method_name": "x", "endpoint": "api/users", "partial": True}, "'partial'"),
        ("read_function", {"method_name": "x", "endpoint": "api/users", "form": {}}, "'form'"),
        (
            "create_function",
            {"method_name": "x", "endpoint": "api/users", "data": {}, "missing_ok": True},
            "ok'",
        ),
    ],
)
async def test_call_refuses_what_it_does_not_know(
    config_for: ConfigFor, method: Any, arguments: dict[str, Any], words: str
) -> None:
    """Other methods, and arguments that the method does not have, are InvalidRequestErrors."""
    async with GenericMirrorDB(config_for("http://127.0.0.1:1")) as client:
        envelope = await client.call(method, **arguments)
    assert envelope.keys() == {"error"}
    assert envelope["error"]["type"] == InvalidRequestError.__name__
    assert words in envelope["error"]["message"]
