"""What every request to the embedded backend has in common: keys, errors, repeats, the log."""

import asyncio
import base64
import io
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from airflow_mirrordb.devserver import DevServer
from airflow_mirrordb.devserver.app import MAX_BODY_BYTES
from tests.support.aiohttp_versions import IS_BEFORE_3_14

Send = Callable[..., Awaitable[aiohttp.ClientResponse]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


@pytest.fixture
def server(database: Path) -> Iterator[DevServer]:
    with DevServer(database) as server:
        yield server


@pytest.fixture
async def send(server: DevServer) -> AsyncIterator[Send]:
    async with aiohttp.ClientSession() as session:

        async def send(method: str, path: str, **arguments: Any) -> aiohttp.ClientResponse:
            response = await session.request(method, server.url + path, **arguments)
            await response.read()  # gives the connection back
            return response

        yield send


@pytest.fixture
def locked_server() -> Iterator[DevServer]:
    with DevServer(api_key="schlüssel") as server:
        yield server


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer schlüssel"},
        {"Authorization": "bearer schlüssel"},
        {"X-API-Key": "schlüssel"},
        {"Authorization": basic("ada:schlüssel")},
        {"Authorization": basic(":schlüssel")},
        {"Authorization": "Bearer other", "X-API-Key": "schlüssel"},
    ],
)
async def test_the_key_opens(locked_server: DevServer, headers: dict[str, str]) -> None:
    """The key is accepted as bearer token, as X-API-Key, and as the password of any user."""
    async with (
        aiohttp.ClientSession(locked_server.url, headers=headers) as session,
        session.get("/health") as response,
    ):
        assert response.status == 200


@pytest.mark.parametrize("path", ["/", "/health", "/api/users", "/nowhere"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer other"},
        {"Authorization": "Bearer"},
        {"Authorization": "Digest schlüssel"},
        {"Authorization": "schlüssel"},
        {"Authorization": basic("schlüssel")},
        {"Authorization": basic("schlüssel:")},
        {"Authorization": "Basic ###"},
        {"X-API-Key": "schlüsse"},
        {"X-API-Key": ""},
    ],
)
async def test_without_the_key_every_path_is_closed(
    locked_server: DevServer, path: str, headers: dict[str, str]
) -> None:
    """A missing or wrong key is answered with 401 and a challenge, on unknown paths too, and is logged."""
    async with (
        aiohttp.ClientSession(locked_server.url, headers=headers) as session,
        session.get(path) as response,
    ):
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert set(await response.json()) == {"detail"}
    (entry,) = locked_server.requests()
    assert (entry.path, entry.status) == (path, 401)


async def test_a_refused_write_writes_nothing(locked_server: DevServer) -> None:
    """A POST without the key leaves no record."""
    async with aiohttp.ClientSession(locked_server.url) as session, session.post("/api/users", json={}):
        pass
    assert locked_server.records("users") == []


@pytest.mark.parametrize("path", ["/", "/health"])
async def test_a_connection_test_finds_a_json_object(send: Send, path: str) -> None:
    """The root and /health answer 200 with a JSON object."""
    response = await send("GET", path)
    assert (response.status, (await response.json())["status"]) == (200, "ok")


@pytest.mark.parametrize(
    ("request_line", "arguments", "status"),
    [
        ("POST /api/users", {"data": "{"}, 400),
        ("POST /api/users", {"data": ""}, 400),
        ("POST /api/users", {"data": '{"a": Infinity}'}, 400),
        ("POST /api/users", {"data": '{"a":' * 100_000 + "1" + "}" * 100_000}, 400),
        ("POST /api/users", {"data": "not compressed", "headers": {"Content-Encoding": "gzip"}}, 400),
        ("POST /api/users", {"data": "{}", "headers": {"Idempotency-Key": ""}}, 400),
        ("POST /api/users", {"data": "{}", "headers": {"Idempotency-Key": "ü"}}, 400),
        ("GET /nowhere", {}, 404),
        ("GET /api", {}, 404),
        ("GET /api/", {}, 404),
        ("GET /api/users/", {}, 404),
        ("GET /api/us.ers", {}, 404),
        ("GET /api/users/1", {}, 404),
        ("GET /api/users/1/posts/1", {}, 404),
        ("PUT /api/users", {"json": {}}, 405),
        ("DELETE /api/users", {}, 405),
        ("PATCH /api/users", {"json": {}}, 405),
        ("POST /api/users/1", {"json": {}}, 405),
        ("DELETE /api/users/1/posts", {}, 405),
        ("POST /api/users", {"json": []}, 422),
    ],
)
async def test_errors_are_json(
    server: DevServer, send: Send, request_line: str, arguments: dict[str, Any], status: int
) -> None:
    """Every refusal has its status, a JSON body with a detail, a request id, and a row in the log."""
    method, path = request_line.split()
    response = await send(method, path, **arguments)
    assert response.status == status
    assert response.content_type == "application/json"
    assert list(await response.json()) == ["detail"]
    assert response.headers["X-Request-ID"]
    (entry,) = server.requests()
    assert (entry.method, entry.path, entry.status) == (method, path, status)


async def test_a_body_has_at_most_16_mib(server: DevServer, send: Send) -> None:
    """One byte more is answered with 413, in JSON, and logged."""
    largest = b"{" + b" " * (MAX_BODY_BYTES - 2 - IS_BEFORE_3_14) + b"}"
    assert (await send("POST", "/api/users", data=io.BytesIO(largest))).status == 201
    response = await send("POST", "/api/users", data=io.BytesIO(largest + b" "))
    assert (response.status, list(await response.json())) == (413, ["detail"])
    assert [entry.status for entry in server.requests()] == [201, 413]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/users", {"GET", "HEAD", "POST"}),
        ("/api/users/1", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("/api/users/1/posts", {"GET", "HEAD", "POST"}),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(send: Send, path: str, allowed: set[str]) -> None:
    """405 lists in Allow what the path takes."""
    response = await send("OPTIONS", path)
    assert response.status == 405
    assert set(response.headers["Allow"].split(",")) == allowed


async def test_a_failure_of_the_server_is_json_too(database: Path, server: DevServer, send: Send) -> None:
    """A bug is answered with 500 and a row in the log; it is not stored, so a repeat gets another chance."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE records RENAME TO hidden")
    failed = await send("POST", "/api/users", json={}, headers={"Idempotency-Key": "k"})
    assert (failed.status, await failed.json()) == (500, {"detail": "internal server error"})
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE hidden RENAME TO records")
    repeated = await send("POST", "/api/users", json={}, headers={"Idempotency-Key": "k"})
    assert repeated.status == 201
    assert [entry.status for entry in server.requests()] == [500, 201]


async def test_a_request_id_comes_back(send: Send) -> None:
    """An X-Request-ID that looks like one is answered unchanged."""
    response = await send("GET", "/health", headers={"X-Request-ID": "dag-1/run:2"})
    assert response.headers["X-Request-ID"] == "dag-1/run:2"


@pytest.mark.parametrize("given", ["", "a b", "ü", "x" * 129])
async def test_a_strange_request_id_is_replaced(send: Send, given: str) -> None:
    """An X-Request-ID of other characters or more than 128 of them is answered with a new one."""
    response = await send("GET", "/health", headers={"X-Request-ID": given})
    assert len(response.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_repeat_gets_the_first_answer(server: DevServer, send: Send, method: str) -> None:
    """The same key, path and payload are answered the same again, and carried out once."""
    path = "/api/users" if method == "POST" else "/api/users/1"
    await send("POST", "/api/users", json={"name": "Ada"})
    arguments = {"json": {"name": "Grace"}, "headers": {"Idempotency-Key": "k"}}
    first = await send(method, path, **arguments)
    await send("PUT", "/api/users/1", json={"name": "changed since"})
    again = await send(method, path, **arguments)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status, await again.read()) == (first.status, await first.read())
    for header in ("Content-Type", "ETag", "Location"):
        assert again.headers.get(header) == first.headers.get(header)
    assert len(server.records("users")) == (2 if method == "POST" else 1)
    assert [(entry.idempotency_key, entry.replayed) for entry in server.requests()] == [
        (None, False),
        ("k", False),
        (None, False),
        ("k", True),
    ]


async def test_a_refusal_is_repeated_too(send: Send) -> None:
    """An answer below 500 belongs to its key even if the operation would succeed by now."""
    arguments = {"json": {}, "headers": {"Idempotency-Key": "k"}}
    assert (await send("POST", "/api/users/1/posts", **arguments)).status == 404
    await send("POST", "/api/users", json={})
    again = await send("POST", "/api/users/1/posts", **arguments)
    assert (again.status, again.headers["Idempotent-Replayed"]) == (404, "true")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/api/users", {"a": 2}), ("POST", "/api/posts", {"a": 1}), ("PATCH", "/api/users/1", {"a": 1})],
)
async def test_a_key_belongs_to_one_request(
    server: DevServer, send: Send, method: str, path: str, body: dict[str, Any]
) -> None:
    """A key that comes again with another payload, path or method is answered with 422."""
    headers = {"Idempotency-Key": "k"}
    await send("POST", "/api/users", json={"a": 1}, headers=headers)
    assert (await send(method, path, json=body, headers=headers)).status == 422
    assert server.records("users") == [{"id": "1", "a": 1}]
    assert server.records("posts") == []


async def test_a_repeat_after_a_restart_gets_the_first_answer(database: Path) -> None:
    """Stored answers outlive the server that gave them."""
    bodies, replayed = [], []
    for _ in range(2):
        with DevServer(database) as server:
            async with (
                aiohttp.ClientSession(server.url, headers={"Idempotency-Key": "k"}) as session,
                session.post("/api/users", json={"name": "Ada"}) as response,
            ):
                bodies.append(await response.json())
            replayed.append(server.requests()[-1].replayed)
    assert bodies == [{"id": "1", "name": "Ada"}] * 2
    assert replayed == [False, True]


async def test_the_log_tells_what_was_received(server: DevServer, send: Send) -> None:
    """Each request has one row, in order, with its time, its path with the query, and its status."""
    begin = time.time()
    await send("GET", "/api/users?limit=1&q=a%20b")
    await send("POST", "/api/users", json={}, headers={"Idempotency-Key": "kü"})
    await send("HEAD", "/api/users")
    entries = server.requests()
    assert [(entry.seq, entry.method, entry.path, entry.status) for entry in entries] == [
        (1, "GET", "/api/users?limit=1&q=a%20b", 200),
        (2, "POST", "/api/users", 400),
        (3, "HEAD", "/api/users", 200),
    ]
    assert entries[1].idempotency_key == "kü"
    times = [entry.time for entry in entries]
    assert begin <= times[0] <= times[1] <= times[2] <= time.time()


async def test_a_body_cut_short_is_not_carried_out(server: DevServer, send: Send) -> None:
    """A client that vanishes in the middle of its body has written nothing; the log says 400."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{}")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    while "POST" not in {entry.method for entry in server.requests()}:
        await send("GET", "/health")  # gives the server time to notice
    assert [entry.status for entry in server.requests() if entry.method == "POST"] == [400]
    assert server.records("users") == []
