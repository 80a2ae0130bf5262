"""What a client can be told at run time, how it ends, and what it says about itself."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    ConfigError,
    DisconnectedError,
    EndpointNotAllowedError,
    GenericMirrorDB,
    MirrorDBError,
    ResponseError,
    ServerError,
)
from airflow_mirrordb.client.wire import deadlines
from tests.support.clocks import loop_time

if TYPE_CHECKING:
    from tests.support.backends import Answering, Serve
    from tests.support.clocks import FakeClock
    from tests.support.connections import ConfigFor

KEY = "k3y-that-nobody-may-see"


# -- changes at run time -------------------------------------------------------------------------


async def test_a_new_key_is_used_by_the_very_next_request(
    answering: Answering, config_for: ConfigFor
) -> None:
    """Over the same connection: no new handshake for a new key."""
    backend = await answering(web.json_response({}), web.json_response({}), web.json_response({}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        await client.read_function("read", "api/users")
        route = client._routes._route
        await client.update_api_key("first")
        await client.read_function("read", "api/users")
        await client.update_api_key("second")
        await client.read_function("read", "api/users")
        assert client._routes._route is route
    sent = [request.headers.get("Authorization") for request in backend.requests]
    assert sent == [None, "Bearer first", "Bearer second"]


async def test_the_first_key_may_come_after_the_kind_of_authentication(
    answering: Answering, config_for: ConfigFor
) -> None:
    """It goes where the configuration says, as a key that was there from the beginning."""
    backend = await answering(web.json_response({}), web.json_response({}))
    for given in ({"auth_type": "bearer"}, {"auth_type": "api_key", "key_name": "X-Token"}):
        async with GenericMirrorDB(config_for(backend.base_url, **given)) as client:
            await client.update_api_key(KEY)
            await client.read_function("read", "api/users")
    bearer, header = (request.headers for request in backend.requests)
    assert (bearer["Authorization"], header["X-Token"]) == (f"Bearer {KEY}", KEY)
    assert "Authorization" not in header


async def test_a_new_key_may_come_before_connect(answering: Answering, config_for: ConfigFor) -> None:
    """Nothing of it does I/O."""
    backend = await answering(web.json_response({}))
    client = GenericMirrorDB(config_for(backend.base_url, api_key="old", auth_type="api_key"))
    await client.update_api_key("new")
    await client.register_endpoint("DELETE api/cache")
    await client.update_config(timeout=33)
    assert (await client.get_config())["timeout"] == 33
    async with client:
        await client.delete_function("clear", "api/cache")
    assert backend.requests[0].headers["X-API-Key"] == "new"


async def test_update_config_applies_all_or_none(answering: Answering, config_for: ConfigFor) -> None:
    """One wrong change leaves everything as it was, also one that only shows when files are read."""
    backend = await answering(web.json_response({}))
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        before = await client.get_config()
        for changes in ({"timeout": 33, "max_attempts": 0}, {"timeout": 33, "tmeout": 33}):
            with pytest.raises(ConfigError):
                await client.update_config(**changes)
            assert await client.get_config() == before
        with pytest.raises(ConfigError, match="CA file"):
            await client.update_config(
                timeout=33, base_url="https://localhost", verify="/no/such/file.pem", api_key="x"
            )
        assert await client.get_config() == before
        await client.read_function("read", "api/users")
    assert "Authorization" not in backend.requests[0].headers


async def test_a_running_request_keeps_what_it_started_with(serve: Serve, config_for: ConfigFor) -> None:
    """Key, retries and limits of a request are those of its beginning; its repeats included."""
    arrived, go_on = asyncio.Event(), asyncio.Event()
    keys: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        keys.append(request.headers["Authorization"])
        arrived.set()
        await go_on.wait()
        loop_time.advance(20)
        return web.json_response({}, status=503 if len(keys) == 1 else 200)

    app = web.Application()
    app.router.add_get("/api/users", answer)
    base_url = await serve(app)
    async with GenericMirrorDB(config_for(base_url, api_key="old", max_attempts=2)) as client:
        running = asyncio.create_task(client.read_function("read", "api/users"))
        await arrived.wait()
        await client.update_config(
            api_key="new", max_attempts=1, base_url="http://127.0.0.1:1", endpoints="api/posts", timeout=15
        )
        go_on.set()
        assert await running == {}
        with pytest.raises(EndpointNotAllowedError):
            await client.read_function("read", "api/users")
    assert keys == ["Bearer old", "Bearer old"]


async def test_update_config_during_traffic(serve: Serve, config_for: ConfigFor) -> None:
    """Changes of any setting while requests run disturb none of them."""

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0)
        return web.json_response(request.path)

    app = web.Application()
    app.router.add_get("/api/users/{id}", answer)
    async with GenericMirrorDB(config_for(await serve(app), max_attempts=1)) as client:

        async def change() -> None:
            for number in range(20):
                await client.update_config(timeout=5 + number, max_concurrency=1 + number % 5)
                await client.update_api_key(f"key-{number}")
                await asyncio.sleep(0)

        reads = [client.read_function("read", f"api/users/{number}") for number in range(100)]
        *got, _ = await asyncio.gather(*reads, change())
    assert got == [f"/api/users/{number}" for number in range(100)]


async def test_the_configuration_is_shown_masked(config_for: ConfigFor) -> None:
    """Every secret is `***`; so nothing that get_config gives can be fed back by mistake."""
    client = GenericMirrorDB(config_for("http://127.0.0.1:1", api_key=KEY))
    shown = await client.get_config()
    assert shown["api_key"] == "***"
    assert KEY not in json.dumps(shown)
    with pytest.raises(ConfigError, match="masked"):
        await client.update_config(**shown)


async def test_registered_endpoints_are_listed(config_for: ConfigFor) -> None:
    """What is declared and what was registered, in order; a malformed pattern changes nothing."""
    client = GenericMirrorDB(config_for("http://127.0.0.1:1", endpoints="api/users"))
    await client.register_endpoint("DELETE api/cache")
    with pytest.raises(ConfigError):
        await client.register_endpoint("api/users/")
    assert await client.registered_endpoints() == ["api/users", "DELETE api/cache"]
    await client.update_config(endpoints=["api/posts"])
    assert await client.registered_endpoints() == ["api/posts", "DELETE api/cache"]


# -- disconnect ----------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [True, False])
async def test_disconnect_ends_what_takes_too_long_in_the_same_moment(
    answering: Answering, config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch, *, counts: bool
) -> None:
    """Nothing is sent again afterwards, also by a Python that does not count cancellations."""
    if not counts:
        monkeypatch.setattr(deadlines, "_cancellations", lambda _task: 0)
    arrived = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        arrived.set()
        await asyncio.Event().wait()
        return web.Response()

    backend = await answering(hang)
    client = GenericMirrorDB(config_for(backend.base_url))
    await client.connect()
    reading = asyncio.create_task(client.read_function("read", "api/users"))
    await arrived.wait()
    for scope in client._routes.any().transport._deadlines._ends:
        assert isinstance(scope, deadlines.CancelScope)
        scope.cancel()
    await client.disconnect()
    with pytest.raises(DisconnectedError, match="the client was disconnected"):
        await reading
    assert len(backend.requests) == 1


@pytest.mark.parametrize("retry", [False, True])
async def test_disconnect_ends_what_is_in_flight(
    serve: Serve, config_for: ConfigFor, clock: FakeClock, *, retry: bool
) -> None:
    """Requests that wait for an answer or for their next attempt end with DisconnectedError."""
    arrived = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        arrived.set()
        if not retry:
            await asyncio.Event().wait()
        return web.Response(status=503)

    app = web.Application()
    app.router.add_get("/api/users", answer)
    before = asyncio.all_tasks()

    async def sleep_for_ever(_seconds: float) -> None:
        await asyncio.Event().wait()

    client = GenericMirrorDB(config_for(await serve(app)), clock=clock.as_clock(sleep=sleep_for_ever))
    await client.connect()
    reads = [asyncio.create_task(client.read_function("read", "api/users")) for _ in range(3)]
    await arrived.wait()
    await client.disconnect()
    ends = await asyncio.gather(*reads, return_exceptions=True)
    for end in ends:
        assert isinstance(end, DisconnectedError)
        assert (end.method, end.endpoint, end.method_name, end.retryable) == (
            "GET",
            "api/users",
            "read",
            False,
        )
    assert not client._sender
    left = {task for task in asyncio.all_tasks() - before if "RequestHandler" not in repr(task)}
    assert not left


async def test_a_cancelled_caller_is_cancelled(serve: Serve, config_for: ConfigFor) -> None:
    """Cancelling the caller ends its request, and no other; nothing is left behind."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("8"):
            return web.json_response({})
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        return web.Response()

    app = web.Application()
    app.router.add_get("/api/users/{id}", answer)
    async with GenericMirrorDB(config_for(await serve(app))) as client:
        reading = asyncio.create_task(client.read_function("read", "api/users/7"))
        await arrived.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert not client._sender
        await gone.wait()
        assert await client.read_function("read", "api/users/8") == {}


# -- the connection test -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204])
async def test_the_probe_returns_the_status_of_a_success(
    answering: Answering, config_for: ConfigFor, status: int
) -> None:
    """Without a test_endpoint the base URL is read, which needs no pattern, whatever its body is."""
    backend = await answering(web.Response(status=status, text="<html>" if status == 200 else None))
    async with GenericMirrorDB(config_for(f"{backend.base_url}/v1", endpoints="api/users")) as client:
        assert await client.probe() == status
    assert backend.lines == ["GET /v1"]


@pytest.mark.parametrize("settings", [{}, {"test_endpoint": "api/health"}])
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 413, 429, 500, 503])
async def test_the_probe_fails_where_there_is_no_success(
    answering: Answering, config_for: ConfigFor, status: int, settings: dict[str, Any]
) -> None:
    """Once, and no redirect is followed."""
    backend = await answering(web.Response(status=status, text="words", headers={"Location": "/elsewhere"}))
    async with GenericMirrorDB(config_for(backend.base_url, **settings)) as client:
        with pytest.raises(ResponseError, match="words") as caught:
            await client.probe()
    assert (caught.value.status, caught.value.method, caught.value.attempts) == (status, "GET", 1)
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [({}, "not JSON"), ({"error_path": "errors"}, "its body tells of an error: closed")],
    ids=["a page", "an error in a success"],
)
async def test_the_probe_of_an_endpoint_fails_where_reading_it_would(
    answering: Answering, config_for: ConfigFor, settings: dict[str, Any], words: str
) -> None:
    """A page for people may come whoever asks, and some backends answer 200 to everything."""
    body = json.dumps({"errors": ["closed"]}) if settings else "<html>Sign in</html>"
    backend = await answering(web.Response(text=body))
    async with GenericMirrorDB(config_for(backend.base_url, test_endpoint="api/x", **settings)) as client:
        with pytest.raises(MirrorDBError, match=words):
            await client.probe()


async def test_the_probe_says_what_could_not_be_reached(config_for: ConfigFor) -> None:
    """Its error has the facts of any other."""
    async with GenericMirrorDB(config_for("http://127.0.0.1:1")) as client:
        with pytest.raises(MirrorDBError, match=r"cannot connect to http://127\.0\.0\.1:1: ") as caught:
            await client.probe()
    assert (caught.value.method, caught.value.method_name, caught.value.attempts) == ("GET", "test", 1)


async def test_connect_warns_of_what_is_likely_wrong(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    """A doubled 'api', and certificates that nobody checks."""
    for settings in (
        {"base_url": "http://127.0.0.1:1/api"},
        {"base_url": "https://127.0.0.1:1", "verify": "false"},
    ):
        async with GenericMirrorDB(config_for(**settings)):
            pass
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "/api/api/" in caplog.messages[0]
    assert "are not verified" in caplog.messages[1]
    caplog.clear()
    async with GenericMirrorDB(config_for("https://127.0.0.1:1/api", endpoints="users")):
        assert not caplog.records


async def test_no_secret_is_logged(
    answering: Answering, config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither key nor body, at any level, of failures included."""
    caplog.set_level(logging.DEBUG)
    body = {"pin": "b0dy-that-nobody-may-see"}
    backend = await answering(
        web.Response(status=503, text=KEY), web.Response(status=500, text=KEY), web.json_response({})
    )
    async with GenericMirrorDB(config_for(backend.base_url, api_key=KEY, max_attempts=2)) as client:
        with pytest.raises(ServerError):
            await client.update_function("put", "api/users/7", body)
    text = caplog.text + repr(client) + "".join(str(record.__dict__) for record in caplog.records)
    assert "attempt 1 of 2: 503 Service Unavailable" in text
    assert KEY not in text
    assert body["pin"] not in text
