"""Files on their way to a backend: early answers, broken connections, files that fail, and memory.

A server need not read a whole request before it answers, nor answer at all (RFC 9112, sections 9.3 and 9.6).
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_mirrordb.client import (
    AmbiguousWriteError,
    FileFacts,
    GenericMirrorDB,
    InputError,
    LocalFile,
    MirrorDBError,
    Reader,
)
from airflow_mirrordb.client.uploads.upload import BLOCK
from tests.integration.test_unsent import EARLY, REFUSALS, SIZES, Busy, busy  # noqa: F401  # a fixture
from tests.support.backends import Answering, Serve
from tests.support.clocks import turns
from tests.support.connections import ConfigFor
from tests.support.raw_server import RawServer, Reply, json_answer


def file_of(folder: Path, size: int) -> str:
    """A file without content takes no room on the disk."""
    path = folder / "file"
    with path.open("wb") as file:
        file.truncate(size)
    return str(path)


def create(client: GenericMirrorDB, path: str, function: str = "create_function") -> Any:
    endpoint = "api/users" if function == "create_function" else "api/users/7"
    return client.call(function, method_name="m", endpoint=endpoint, input_path=path)


class Failing:
    """A file that cannot be read to its end."""

    def __init__(self, path: str) -> None:
        self._file, self.path = LocalFile(path), path

    def look(self) -> FileFacts:
        return self._file.look()

    def open(self) -> Reader:
        left, reader = iter(range(3)), self._file.open()

        class Some:
            def read(self, size: int, /) -> bytes:
                if next(left, None) is None:
                    raise TimeoutError("the storage is slow")
                return reader.read(size)

            close = staticmethod(reader.close)

        return Some()


class NoLength(LocalFile):
    """A file of a storage that does not say how long it is."""

    def look(self) -> FileFacts:
        return FileFacts(size=None, version=super().look().version)


@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_file_arrives_as_it_is_and_the_connection_stays(
    serve: Serve,
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    tmp_path: Path,
    *,
    over_tls: bool,
) -> None:
    """With its length; the next one goes out on the same connection."""
    content = os.urandom(5 * BLOCK + 17)
    path = tmp_path / "file"
    path.write_bytes(content)
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.headers.get("Content-Length"), await request.read(), request.transport))
        return web.json_response({})

    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", answer)
    url = await serve(app, ssl_context=server_tls if over_tls else None)
    async with GenericMirrorDB(config_for(url, verify=ca_file if over_tls else True)) as client:
        for function in ("create_function", "update_function", "create_function"):
            assert await create(client, str(path), function) == {"response": {}}
    assert [(length, body) for length, body, _ in seen] == [(str(len(content)), content)] * 3
    assert seen[0][2] is seen[2][2]


async def test_a_form_with_files_is_read_by_a_server(
    serve: Serve, config_for: ConfigFor, tmp_path: Path
) -> None:
    """As aiohttp's server reads one, with names in any script."""
    path = tmp_path / 'José "1".csv'
    path.write_bytes(b"a,b\n")
    found: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.Response:
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                found[name] = (value.filename, value.content_type, value.file.read())
            else:
                found[name] = value
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with GenericMirrorDB(config_for(await serve(app))) as client:
        await client.create_function("m", "api/files", form={"title": "é"}, files={"file": path})
    assert found == {"title": "é", "file": ("José %221%22.csv", "text/csv", b"a,b\n")}


async def test_a_file_of_unknown_length_is_sent_in_chunks(
    serve: Serve, config_for: ConfigFor, tmp_path: Path
) -> None:
    """RFC 9112, section 7.1."""
    seen = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        seen.append((request.headers.get("Transfer-Encoding"), len(body)))
        return web.json_response({})

    app = web.Application(client_max_size=2**30)
    app.router.add_post("/{path:.*}", answer)
    (tmp_path / "file").write_bytes(b"x" * 2 * BLOCK)
    (tmp_path / "empty").write_bytes(b"")
    async with GenericMirrorDB(config_for(await serve(app)), open_source=NoLength) as client:
        for name in ("file", "empty"):
            assert await create(client, str(tmp_path / name)) == {"response": {}}
    assert seen == [("chunked", 2 * BLOCK), ("chunked", 0)]


async def test_a_file_takes_little_memory(serve: Serve, config_for: ConfigFor, tmp_path: Path) -> None:
    """However large it is."""
    received = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal received
        async for piece in request.content.iter_any():
            received += len(piece)
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    path = file_of(tmp_path, size := 60 * BLOCK)
    async with GenericMirrorDB(config_for(await serve(app), timeout=600)) as client:
        tracemalloc.start()
        try:
            assert await create(client, path) == {"response": {}}
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert received == size
    assert peak < 10 * BLOCK, f"{peak:,} bytes"


async def test_a_missing_file_makes_no_connection(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path
) -> None:
    """And is no write that may have been applied."""
    async with GenericMirrorDB(config_for(raw_server.base_url)) as client:
        with pytest.raises(InputError, match=r"input_path: cannot read '.*none': FileNot") as caught:
            await client.create_function("m", "api/files", input_path=str(tmp_path / "none"))
    assert (caught.value.attempts, caught.value.retryable, caught.value.maybe_applied) == (1, False, False)
    assert raw_server.connections == 0


async def test_a_file_that_is_said_to_be_empty_is_read(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path
) -> None:
    """It may have grown since; and Linux says so of files that it makes when they are read (proc(5))."""
    path = tmp_path / "file"
    path.write_bytes(b"")

    class Growing(LocalFile):
        def open(self) -> Reader:
            path.write_bytes(b"a,b\n")
            return super().open()

    async with GenericMirrorDB(config_for(raw_server.base_url), open_source=Growing) as client:
        with pytest.raises(InputError, match="it is longer now") as caught:
            await client.create_function("m", "api/files", input_path=str(path))
    assert caught.value.maybe_applied is False
    assert raw_server.requests == []
    assert str(path) not in open_files()


@pytest.mark.parametrize("way", ["time-out", "cancelled", "disconnected"])
@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_file_that_was_given_up_is_not_sent_any_further(
    busy: Busy,  # noqa: F811  # the fixture
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    tmp_path: Path,
    way: str,
    *,
    over_tls: bool,
) -> None:
    """Else the backend applies it after its outcome was told."""
    tls, verify = (server_tls, {"verify": ca_file}) if over_tls else (None, {})
    server = await busy(times_out=way == "time-out", tls=tls)
    path = file_of(tmp_path, SIZES["in the client"])
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1, **verify)) as client:
        writing = asyncio.create_task(create(client, path))
        await server.arrived.wait()
        if way == "cancelled":
            writing.cancel()
        elif way == "disconnected":
            await client.disconnect()
        with suppress(asyncio.CancelledError):
            error = (await writing)["error"]
            assert error["maybe_applied"] is True
            if way == "time-out":  # which may be too short
                assert "of 12,000,000 bytes of the body were sent" in error["message"]
        server.goes_on.set()
        await server.ended.wait()
    assert server.received < SIZES["in the client"]


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("over_tls", [False, True])
async def test_no_request_waits_behind_a_file_that_was_answered_early(
    busy: Busy,  # noqa: F811  # the fixture
    config_for: ConfigFor,
    server_tls: ssl.SSLContext,
    ca_file: str,
    tmp_path: Path,
    status: str,
    *,
    over_tls: bool,
) -> None:
    """The next one, and a repetition, go out on another connection (RFC 9112, section 9.6)."""
    tls, verify = (server_tls, {"verify": ca_file}) if over_tls else (None, {})
    server = await busy(EARLY[status], tls=tls)
    config = config_for(server.base_url, max_attempts=2, **verify)
    path = file_of(tmp_path, SIZES["in the client"])
    async with GenericMirrorDB(config, observe=lambda _: server.goes_on.set()) as client:
        first = await create(client, path)
        assert first == {"response": {}} or first["error"]["status"] == int(status)
        second = client.call("create_function", method_name="m", endpoint="api/users", data="x")
        assert await second == {"response": {}}
        await server.ended.wait()
    assert server.connections == 2
    assert server.received < SIZES["in the client"]


async def test_a_refused_file_that_the_backend_never_reads_is_an_answer(
    busy: Busy,  # noqa: F811  # the fixture
    config_for: ConfigFor,
    tmp_path: Path,
) -> None:
    """It waits for no room to send the rest."""
    server = await busy(EARLY["413"])
    path = file_of(tmp_path, SIZES["in the client"])
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1)) as client:
        assert (await create(client, path))["error"]["status"] == 413
        server.goes_on.set()
        await server.ended.wait()
    assert server.received < SIZES["in the client"]


@pytest.mark.parametrize("way", ["whole", "time-out"])
async def test_a_file_after_a_whole_success_is_sent_on(
    busy: Busy,  # noqa: F811  # the fixture
    config_for: ConfigFor,
    tmp_path: Path,
    way: str,
) -> None:
    """A request that is cut off is incomplete (RFC 9112, section 8), so its success means nothing."""
    server = await busy(EARLY["201"], times_out=way == "time-out")
    path = file_of(tmp_path, size := SIZES["in the client"])
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1)) as client:
        if way == "whole":
            server.goes_on.set()
            assert await create(client, path) == {"response": {}}
            await server.ended.wait()
            assert server.received == size
        else:
            error = (await create(client, path))["error"]
            assert error["type"] == "AmbiguousWriteError"
            assert "it answered before it had the whole body" in error["message"]
        server.goes_on.set()


async def test_an_early_success_gets_the_rest_of_the_file(
    serve: Serve, config_for: ConfigFor, tmp_path: Path
) -> None:
    """A backend may begin its answer, and work on what comes (RFC 9112, section 9.3)."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"[")
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        await response.write(b"%d]" % size)
        return response

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    path = file_of(tmp_path, size := SIZES["in the client"])
    async with GenericMirrorDB(config_for(await serve(app))) as client:
        assert await create(client, path) == {"response": [size]}


@pytest.mark.parametrize("function", ["create_function", "update_function"])
async def test_a_connection_that_breaks_within_a_file(
    answering: Answering, config_for: ConfigFor, tmp_path: Path, function: str
) -> None:
    """What may be repeated is sent again from the beginning; a create may have been applied."""

    async def abort(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    backend = await answering(abort, web.json_response({"id": 7}))
    path = file_of(tmp_path, 1_000_000)
    async with GenericMirrorDB(config_for(backend.base_url, max_attempts=2)) as client:
        answer = await create(client, path, function)
    if function == "update_function":
        assert answer == {"response": {"id": 7}}
        assert len(backend.requests[-1].body) == 1_000_000
    else:
        assert answer["error"]["type"] == "AmbiguousWriteError"
        assert len(backend.requests) == 1


@pytest.mark.parametrize("keyed", [False, True])
async def test_a_storage_that_fails_in_the_middle(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path, *, keyed: bool
) -> None:
    """The backend never gets a whole body; a create that may not be repeated is ambiguous all the same."""
    path = file_of(tmp_path, 10 * BLOCK)
    header = {"idempotency_header": "Idempotency-Key"} if keyed else {}
    config = config_for(raw_server.base_url, max_attempts=2, **header)
    async with GenericMirrorDB(config, open_source=Failing) as client:
        with pytest.raises(
            InputError if keyed else AmbiguousWriteError, match="the storage is slow"
        ) as caught:
            await client.create_function("m", "api/files", files={"f": path})
    assert (caught.value.attempts, caught.value.maybe_applied) == (2 if keyed else 1, True)
    assert raw_server.connections == caught.value.attempts
    assert raw_server.requests == []  # none is whole


async def test_a_file_that_changes_between_attempts_is_not_sent_again(
    answering: Answering, config_for: ConfigFor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The backend refused the first one, so nothing was applied."""
    caplog.set_level(logging.WARNING)
    path = tmp_path / "file"
    path.write_bytes(b"first")

    async def change(_request: web.Request) -> web.Response:
        path.unlink()
        path.write_bytes(b"second")
        return web.Response(status=503, headers={"Retry-After": "0"})

    backend = await answering(change)
    async with GenericMirrorDB(config_for(backend.base_url)) as client:
        with pytest.raises(InputError, match="was changed since it was looked at first") as caught:
            await client.create_function("m", "api/files", input_path=str(path))
    assert (caught.value.attempts, caught.value.maybe_applied) == (2, False)
    assert [request.body for request in backend.requests] == [b"first"]
    assert "attempt 1 of 5: 503 Service Unavailable" in caplog.text


async def test_a_key_that_was_renewed_opens_the_file_anew(
    answering: Answering, config_for: ConfigFor, tmp_path: Path
) -> None:
    """A 401 was not applied."""
    backend = await answering(web.Response(status=401), web.json_response({}))

    async def look_up() -> dict[str, Any]:
        return {"api_key": "another"}

    config = config_for(backend.base_url, api_key="one")
    async with GenericMirrorDB(config, look_up=look_up) as client:
        assert await create(client, file_of(tmp_path, 10)) == {"response": {}}
    assert [len(request.body) for request in backend.requests] == [10, 10]


@pytest.mark.parametrize(
    "reply", [Reply(json_answer("{}"), "close"), Reply(b"", "reset"), Reply(b"", "close")]
)
async def test_nothing_is_left_open(
    raw_server: RawServer, config_for: ConfigFor, tmp_path: Path, reply: Reply
) -> None:
    """However the backend ends a request."""
    raw_server.default = reply
    path = file_of(tmp_path, 10)
    async with GenericMirrorDB(config_for(raw_server.base_url, max_attempts=1)) as client:
        with suppress(MirrorDBError):
            await client.create_function("m", "api/files", files={"f": path})
    await turns()
    assert path not in open_files()


async def test_nothing_is_left_open_by_who_is_cancelled_twice(
    busy: Busy,  # noqa: F811  # the fixture
    config_for: ConfigFor,
    tmp_path: Path,
) -> None:
    """As by a time-out, and by Airflow in the same moment."""
    server = await busy()
    path = file_of(tmp_path, SIZES["in the client"])
    async with GenericMirrorDB(config_for(server.base_url, max_attempts=1)) as client:
        writing = asyncio.create_task(client.create_function("m", "api/files", input_path=path))
        await server.arrived.wait()
        assert path in open_files()
        writing.cancel()
        await asyncio.sleep(0)
        writing.cancel()
        with suppress(asyncio.CancelledError, MirrorDBError):
            await writing
        assert path not in open_files()


def open_files() -> list[str]:
    """The files that this process has open, from its descriptors (proc(5))."""
    with suppress(FileNotFoundError):  # of the folder itself
        return [os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()]
    return []
